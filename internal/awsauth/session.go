package awsauth

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// session holds the credentials of one identity and renews them: one caller
// fetches while others either use what is still valid or wait for it. Unlike
// the SDK's cache it can be told to forget, and its clock can be moved.
type session struct {
	fetch aws.CredentialsProvider
	now   func() time.Time

	mu      sync.Mutex
	creds   aws.Credentials
	have    bool
	renewAt time.Time // from then on creds are renewed while they serve
	flight  *flight   // not nil: a fetch is under way
}

// flight is one fetch that many callers wait for.
type flight struct {
	done  chan struct{} // closed at the end; the rest is read after that
	creds aws.Credentials
	err   error
}

// renewPause is the wait before a renewal that failed is tried again, as long
// as the old credentials serve.
const renewPause = time.Minute

// renewBefore is how long before their end credentials are renewed while they
// still serve, as the AWS SDKs do: a twelfth to a quarter of their life.
func renewBefore(left time.Duration) time.Duration {
	switch {
	case left <= 20*time.Minute:
		return 5 * time.Minute
	case left < 90*time.Minute:
		return 15 * time.Minute
	}
	return time.Hour
}

// lastMinute is when waiting for new credentials is better than using the old.
const lastMinute = time.Minute

// Retrieve implements aws.CredentialsProvider.
func (s *session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	now := s.now()
	fresh := s.have && (!s.creds.CanExpire || s.creds.Expires.Sub(now) > lastMinute)
	if s.flight == nil && (!fresh || s.creds.CanExpire && !now.Before(s.renewAt)) {
		s.flight = &flight{done: make(chan struct{})}
		// The fetch outlives the caller that began it: others wait for it too.
		go s.renew(context.WithoutCancel(ctx), s.flight)
	}
	creds, flight := s.creds, s.flight
	s.mu.Unlock()
	if fresh {
		return creds, nil
	}
	select {
	case <-flight.done:
		return flight.creds, flight.err
	case <-ctx.Done():
		return aws.Credentials{}, context.Cause(ctx)
	}
}

func (s *session) renew(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	f.creds, f.err = s.fetch.Retrieve(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.flight != f { // forgotten meanwhile: what came back is not kept
		return
	}
	s.flight = nil
	now := s.now()
	if f.err != nil {
		s.renewAt = now.Add(renewPause)
		return
	}
	s.creds, s.have = f.creds, true
	s.renewAt = s.creds.Expires.Add(-renewBefore(s.creds.Expires.Sub(now)))
}

// forget drops the credentials; the next request fetches new ones.
func (s *session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

// Reject drops the credentials if they are the ones with this key id, which
// AWS refused as expired before their time, and tells whether new ones may
// differ from them.
func (s *session) Reject(accessKeyID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have && s.creds.AccessKeyID == accessKeyID {
		s.drop()
	}
	return true
}

func (s *session) drop() {
	s.creds, s.have, s.flight = aws.Credentials{}, false, nil
}
