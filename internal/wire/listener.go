package wire

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Client is one connection of a Listener. Drain and Cut may be called by any
// goroutine.
type Client interface {
	// Serve carries the connection from its first byte to its end.
	Serve() error
	// Drain ends the connection once it is idle.
	Drain()
	// Cut closes the socket at once.
	Cut()
}

// Listening is how a Listener treats its clients.
type Listening struct {
	// FirstID is the number of the first connection; the next ones count up.
	FirstID uint32
	// Patience is how long Shutdown waits for cancelled statements.
	Patience time.Duration
	Log      *slog.Logger
	// Accept makes a client of an accepted connection, whose statements end
	// with ctx.
	Accept func(ctx context.Context, id uint32, n net.Conn) Client
}

// Listener serves the clients of one protocol and ends them together.
type Listener struct {
	o      Listening
	l      net.Listener
	ctx    context.Context
	cancel context.CancelCauseFunc

	wg      sync.WaitGroup // the accept loop and every connection
	mu      sync.Mutex
	clients map[uint32]Client
	nextID  uint32
	closed  bool
}

// errShutdown is why statements end when the server stops at once.
var errShutdown = errors.New("the server is shutting down")

// ErrRunning is why Shutdown gives up: a statement does not end although it
// has been cancelled. What it uses may not be closed.
var ErrRunning = errors.New("a cancelled statement is still running")

// Listen starts to accept clients on l, which it owns from now on, and returns
// at once. When ctx ends, it stops as Shutdown does with an ended context.
func Listen(ctx context.Context, l net.Listener, o Listening) *Listener {
	s := &Listener{o: o, l: l, clients: make(map[uint32]Client), nextID: o.FirstID}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, s.stopNow)
	s.wg.Go(func() {
		defer stop()
		s.accept()
	})
	return s
}

// Addr is the address that it listens on.
func (s *Listener) Addr() net.Addr { return s.l.Addr() }

// Client gives the connection of that number; nil: there is none.
func (s *Listener) Client(id uint32) Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[id]
}

// Clients is how many are connected.
func (s *Listener) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Shutdown stops accepting, closes connections as they become idle and waits
// until all are closed. When ctx ends first, running statements are cancelled
// and connections cut, and Shutdown returns ctx's error once they have ended,
// or ErrRunning when they have not after the listener's patience.
func (s *Listener) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	open := make([]Client, 0, len(s.clients))
	for _, c := range s.clients {
		open = append(open, c)
	}
	s.mu.Unlock()
	s.l.Close()
	for _, c := range open {
		c.Drain()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	defer s.cancel(errShutdown)
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.cancel(errShutdown)
	patience := time.NewTimer(s.o.Patience)
	defer patience.Stop()
	select {
	case <-done:
		return ctx.Err()
	case <-patience.C:
		return ErrRunning
	}
}

// stopNow closes the listener and cuts every connection.
func (s *Listener) stopNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.l.Close()
	for _, c := range s.clients {
		c.Cut()
	}
}

func (s *Listener) accept() {
	pause := time.Millisecond
	for {
		n, err := s.l.Accept()
		if err == nil {
			pause = time.Millisecond
			s.start(n)
			continue
		}
		if s.isClosed() || errors.Is(err, net.ErrClosed) {
			return
		}
		// Mostly a lack of file descriptors: those who leave free some.
		s.o.Log.Error("accept a client", "address", s.l.Addr().String(), "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Listener) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// start serves one client in a goroutine of its own.
func (s *Listener) start(n net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		n.Close()
		return
	}
	s.nextID++
	id := s.nextID
	c := s.o.Accept(s.ctx, id, n)
	s.clients[id] = c
	s.wg.Go(func() {
		defer s.forget(id)
		if err := c.Serve(); err != nil {
			s.o.Log.Debug("serve a client", "conn", id, "remote", n.RemoteAddr().String(), "error", err)
		}
	})
}

func (s *Listener) forget(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, id)
}
