package awsauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// bank hands out numbered credentials that live an hour on its own clock.
type bank struct {
	mu    sync.Mutex
	now   time.Time
	asked atomic.Int64
	err   error
	hold  chan struct{} // not nil: a fetch waits until it is closed
}

func (b *bank) clock() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now }

func (b *bank) pass(d time.Duration) { b.mu.Lock(); defer b.mu.Unlock(); b.now = b.now.Add(d) }

func (b *bank) Retrieve(context.Context) (aws.Credentials, error) {
	n := b.asked.Add(1)
	if b.hold != nil {
		<-b.hold
	}
	if b.err != nil {
		return aws.Credentials{}, b.err
	}
	return aws.Credentials{AccessKeyID: fmt.Sprint("key", n), SecretAccessKey: "s", CanExpire: true, Expires: b.clock().Add(time.Hour)}, nil
}

func newBank() (*bank, *session) {
	b := &bank{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return b, &session{fetch: b, now: b.clock}
}

func TestManyCallersShareOneFetch(t *testing.T) {
	b, s := newBank()
	b.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if c, err := s.Retrieve(t.Context()); err != nil || c.AccessKeyID != "key1" {
				t.Errorf("got %q, %v", c.AccessKeyID, err)
			}
		})
	}
	close(b.hold)
	wg.Wait()
	if n := b.asked.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestCredentialsRenewWhileTheOldStillServe(t *testing.T) {
	b, s := newBank()
	first, _ := s.Retrieve(t.Context())
	b.pass(44 * time.Minute)
	if c, _ := s.Retrieve(t.Context()); c != first || b.asked.Load() != 1 {
		t.Errorf("asked again 16 minutes before the end")
	}
	b.pass(2 * time.Minute)
	b.hold = make(chan struct{})
	if c, _ := s.Retrieve(t.Context()); c != first {
		t.Errorf("waited for new credentials although the old ones serve 14 minutes more")
	}
	s.mu.Lock()
	flight := s.flight
	s.mu.Unlock()
	close(b.hold)
	<-flight.done
	if c, _ := s.Retrieve(t.Context()); c.AccessKeyID != "key2" {
		t.Errorf("got %s after the renewal", c.AccessKeyID)
	}
}

func TestEndedCredentialsAreNeverAnswered(t *testing.T) {
	b, s := newBank()
	_, _ = s.Retrieve(t.Context())
	b.pass(59*time.Minute + 30*time.Second)
	if c, err := s.Retrieve(t.Context()); err != nil || c.AccessKeyID != "key2" {
		t.Errorf("got %s, %v in the last minute", c.AccessKeyID, err)
	}
	b.err = errors.New("denied")
	b.pass(2 * time.Hour)
	if c, err := s.Retrieve(t.Context()); err == nil {
		t.Errorf("got %s after its end", c.AccessKeyID)
	}
}

func TestARefusalIsNotRemembered(t *testing.T) {
	b, s := newBank()
	b.err = errors.New("denied")
	if _, err := s.Retrieve(t.Context()); !errors.Is(err, b.err) {
		t.Fatal(err)
	}
	b.err = nil
	if _, err := s.Retrieve(t.Context()); err != nil {
		t.Errorf("still refused after it was mended: %v", err)
	}
}

func TestRejectDropsOnlyTheRejectedCredentials(t *testing.T) {
	_, s := newBank()
	c, _ := s.Retrieve(t.Context())
	s.Reject("another")
	if d, _ := s.Retrieve(t.Context()); d != c {
		t.Error("dropped credentials that were not rejected")
	}
	s.Reject(c.AccessKeyID)
	if d, _ := s.Retrieve(t.Context()); d.AccessKeyID != "key2" {
		t.Errorf("got %s after the rejection", d.AccessKeyID)
	}
}

func TestAWaiterLeavesWithItsContext(t *testing.T) {
	b, s := newBank()
	b.hold = make(chan struct{})
	defer close(b.hold)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Retrieve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
