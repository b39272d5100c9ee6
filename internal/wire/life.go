package wire

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Why a connection's statements end.
var (
	ErrGone = errors.New("the client has closed its connection")
	ErrQuit = errors.New("the client has said goodbye")
)

// Life is how long a connection lives and the statement that it runs. Any
// goroutine may call its methods. A connection begins busy.
type Life struct {
	ctx    context.Context // ends when the client leaves or is killed
	cancel context.CancelCauseFunc
	raw    net.Conn

	mu        sync.Mutex
	statement context.CancelCauseFunc // cancels what runs; nil: nothing does
	stopped   error                   // why nothing more shall run before the connection is idle; nil: it may
	isIdle    bool
	draining  bool
}

// NewLife begins the life of the connection over the socket raw.
func NewLife(ctx context.Context, raw net.Conn) *Life {
	l := &Life{raw: raw}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// Context ends with the connection.
func (l *Life) Context() context.Context { return l.ctx }

// End cancels all that the connection runs.
func (l *Life) End(cause error) { l.cancel(cause) }

// Cut closes the socket, which ends everything.
func (l *Life) Cut() { l.raw.Close() }

// Idle marks the connection as waiting for its client; false: it shall end.
func (l *Life) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isIdle, l.stopped = true, nil
	return !l.draining && l.ctx.Err() == nil
}

// Resume marks the connection as busy; false: it was idle and shall end.
func (l *Life) Resume() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isIdle && l.draining {
		return false
	}
	l.isIdle = false
	return true
}

// Drain ends the connection once it is idle.
func (l *Life) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	if l.isIdle {
		l.raw.Close()
	}
}

// Begin gives the context of one statement and what ends it.
func (l *Life) Begin() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(l.ctx)
	l.Run(cancel)
	return ctx, func() {
		l.Run(nil)
		cancel(nil)
	}
}

// Run says what Interrupt cancels; nil: nothing.
func (l *Life) Run(statement context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statement = statement
	if statement != nil && l.stopped != nil {
		statement(l.stopped)
	}
}

// Interrupt cancels what the client has asked for: the running statement, and
// where it comes between two steps of the same request, the next one. It does
// nothing while the connection is idle.
func (l *Life) Interrupt(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isIdle {
		return
	}
	l.stopped = cause
	if l.statement != nil {
		l.statement(cause)
	}
}

// Inbox reads a client's messages on demand, in a goroutine of its own. Between
// them, while a statement may run, it watches the socket, so that a client who
// leaves takes its statement along.
type Inbox[T any] struct {
	want  chan struct{}
	got   chan received[T]
	ended chan struct{}
}

type received[T any] struct {
	message T
	err     error
}

// OpenInbox starts to read: read takes one message, watch waits for the next
// one without taking it and tells by its error that the client no longer cares
// for what life runs.
func OpenInbox[T any](life *Life, read func() (T, error), watch func() error) *Inbox[T] {
	in := &Inbox[T]{want: make(chan struct{}), got: make(chan received[T]), ended: make(chan struct{})}
	go func() {
		defer close(in.ended)
		var r received[T]
		for range in.want {
			if r.err == nil { // else who asks again gets the same error
				r.message, r.err = read()
			}
			in.got <- r
			if r.err != nil {
				continue
			}
			if err := watch(); err != nil {
				life.End(err)
			}
		}
	}()
	return in
}

// Next gives the client's next message. It is valid until the next call.
func (in *Inbox[T]) Next() (T, error) {
	in.want <- struct{}{}
	r := <-in.got
	return r.message, r.err
}

// Close waits until the inbox no longer reads. The socket must be closed.
func (in *Inbox[T]) Close() {
	close(in.want)
	<-in.ended
}
