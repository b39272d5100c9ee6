// Package pg is a server for PostgreSQL's protocol, version 3.0: startup, TLS,
// SCRAM-SHA-256, simple and extended queries, portals, COPY, and rows written
// straight from column chunks in text or binary form. What a statement means
// is its wire.Handler's business.
//
// The protocol is described in the PostgreSQL manual, "Frontend/Backend
// Protocol"; message and field names follow it.
package pg

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"lakeport/internal/wire"
)

// Options of a server. The zero value works.
type Options struct {
	// TLS is offered to every client; nil: clients that ask for TLS are told
	// that there is none.
	TLS *tls.Config
	// MaxMessage is the longest message taken from a client, in bytes; zero:
	// 64 MiB.
	MaxMessage int
	// LoginTimeout bounds the time from connect to login; zero: 10 s.
	LoginTimeout time.Duration
	// Log takes what no client can be told; nil: nothing is logged.
	Log *slog.Logger
}

// Server accepts clients on one listener.
type Server struct {
	h      wire.Handler
	o      Options
	l      net.Listener
	ctx    context.Context
	cancel context.CancelCauseFunc

	wg     sync.WaitGroup // the accept loop and every connection
	mu     sync.Mutex
	conns  map[uint32]*conn
	lastID uint32
	closed bool
}

// firstID keeps the numbers of PostgreSQL's connections apart from those of
// MySQL's: KILL names both.
const firstID = 1 << 30

// errShutdown is why statements end when the server stops at once.
var errShutdown = errors.New("the server is shutting down")

// Serve starts to accept clients on l, which it owns from now on, and returns
// at once. When ctx ends, the server stops as Shutdown does with an ended
// context.
func Serve(ctx context.Context, l net.Listener, h wire.Handler, o Options) *Server {
	if o.MaxMessage == 0 {
		o.MaxMessage = 64 << 20
	}
	if o.LoginTimeout == 0 {
		o.LoginTimeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{h: h, o: o, l: l, conns: make(map[uint32]*conn), lastID: firstID}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, s.stopNow)
	s.wg.Go(func() {
		defer stop()
		s.accept()
	})
	return s
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.l.Addr() }

// Shutdown stops accepting, closes connections as they become idle and waits
// until all are closed. When ctx ends first, running statements are cancelled
// and connections cut; Shutdown still waits for them, and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	open := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	s.l.Close()
	for _, c := range open {
		c.drain()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancel(errShutdown)
	<-done
	return err
}

// stopNow closes the listener and cuts every connection.
func (s *Server) stopNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.l.Close()
	for _, c := range s.conns {
		c.raw.Close()
	}
}

func (s *Server) accept() {
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

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// start serves one client in a goroutine of its own.
func (s *Server) start(n net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		n.Close()
		return
	}
	s.lastID++
	c := newConn(s, n, s.lastID)
	s.conns[c.id] = c
	s.wg.Go(func() {
		defer s.forget(c)
		if err := c.serve(); err != nil {
			s.o.Log.Debug("serve a client", "conn", c.id, "remote", n.RemoteAddr().String(), "error", err)
		}
	})
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
}

// cancelRequest stops the statement of the connection that was given this
// number and key. Nobody is told whether there was one.
func (s *Server) cancelRequest(id uint32, key []byte) {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	if c != nil && c.hasKey(key) {
		c.kill(true)
	}
}
