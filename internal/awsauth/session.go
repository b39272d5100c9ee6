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
	err     error
	retryAt time.Time     // before this, err is answered without asking again
	flight  chan struct{} // not nil: a fetch is under way; closed at its end
}

// refusalHold is how long a refusal is remembered. Within one statement many
// requests want the same credentials; asking AWS once is enough, and a
// permission that was just mended must work at the next try.
const refusalHold = 200 * time.Millisecond

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
	for {
		s.mu.Lock()
		now := s.now()
		left := s.creds.Expires.Sub(now)
		fresh := s.have && (!s.creds.CanExpire || left > lastMinute)
		due := s.have && s.creds.CanExpire && !now.Before(s.retryAt)
		if fresh && (!due || s.flight != nil) {
			defer s.mu.Unlock()
			return s.creds, nil
		}
		if !s.have && s.err != nil && now.Before(s.retryAt) {
			defer s.mu.Unlock()
			return aws.Credentials{}, s.err
		}
		if s.flight == nil {
			s.flight = make(chan struct{})
			// The fetch outlives the caller that began it: others wait for it too.
			go s.renew(context.WithoutCancel(ctx), s.flight)
			if fresh {
				defer s.mu.Unlock()
				return s.creds, nil
			}
		}
		flight := s.flight
		s.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return aws.Credentials{}, context.Cause(ctx)
		}
	}
}

func (s *session) renew(ctx context.Context, flight chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	creds, err := s.fetch.Retrieve(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(flight)
	if s.flight != flight { // forgotten meanwhile: what came back is not kept
		return
	}
	s.flight = nil
	now := s.now()
	if err != nil {
		s.err, s.retryAt = err, now.Add(refusalHold)
		if s.have && s.creds.CanExpire && s.creds.Expires.Sub(now) <= lastMinute {
			s.have = false
		}
		return
	}
	s.creds, s.have, s.err = creds, true, nil
	s.retryAt = creds.Expires.Add(-renewBefore(creds.Expires.Sub(now)))
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
	s.creds, s.have, s.err, s.flight = aws.Credentials{}, false, nil, nil
}
