// Package mysql is a server for MySQL's client/server protocol: handshake and
// authentication, TLS, commands, prepared statements and cursors, and rows
// written straight from column chunks in text or binary form. What a statement
// means is its wire.Handler's business.
//
// The protocol is described in "MySQL Internals Manual, Client/Server
// Protocol"; packet and field names follow it.
package mysql

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lakeport/internal/wire"
)

// Options of a server. The zero value works.
type Options struct {
	// Version is what the greeting claims; empty: 8.0.33.
	Version string
	// TLS is offered to every client; nil: SelfSigned, made at first use.
	TLS *tls.Config
	// AuthPlugin is what the greeting asks for, mysql_native_password or
	// caching_sha2_password; empty: the first, which every client knows. A
	// client whose account wants the other is switched to it.
	AuthPlugin string
	// MaxPacket is the longest packet taken from a client, in bytes, and the
	// most long data that a prepared statement gathers; zero: 32 MiB, which is
	// what StarRocks gives for max_allowed_packet.
	MaxPacket int
	// LoginTimeout bounds the time from connect to login; zero: 10 s.
	LoginTimeout time.Duration
	// Patience is how long Shutdown waits for cancelled statements; zero: 5 s.
	Patience time.Duration
	// Log takes what no client can be told; nil: nothing is logged.
	Log *slog.Logger
}

// Server accepts clients on one listener.
type Server struct {
	h         wire.Handler
	o         Options
	l         net.Listener
	ctx       context.Context
	cancel    context.CancelCauseFunc
	tlsConfig func() (*tls.Config, error)
	rsaKey    func() (*rsa.PrivateKey, error)
	started   time.Time
	questions atomic.Int64

	wg     sync.WaitGroup // the accept loop and every connection
	mu     sync.Mutex
	conns  map[*conn]struct{}
	lastID uint32
	closed bool
}

// errShutdown is why statements end when the server stops at once.
var errShutdown = errors.New("the server is shutting down")

// Serve starts to accept clients on l, which it owns from now on, and returns
// at once. When ctx ends, the server stops as Shutdown does with an ended
// context.
func Serve(ctx context.Context, l net.Listener, h wire.Handler, o Options) *Server {
	if o.Version == "" {
		o.Version = "8.0.33"
	}
	if o.AuthPlugin == "" {
		o.AuthPlugin = pluginNative
	}
	if o.MaxPacket == 0 {
		o.MaxPacket = 32 << 20
	}
	if o.LoginTimeout == 0 {
		o.LoginTimeout = 10 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{h: h, o: o, l: l, started: time.Now(), conns: make(map[*conn]struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.tlsConfig = func() (*tls.Config, error) { return o.TLS, nil }
	if o.TLS == nil {
		s.tlsConfig = sync.OnceValues(SelfSigned)
	}
	s.rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	stop := context.AfterFunc(s.ctx, s.stopNow)
	s.wg.Go(func() {
		defer stop()
		s.accept()
	})
	return s
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.l.Addr() }

// ErrRunning is why Shutdown gives up: a statement does not end although it
// has been cancelled. What it uses may not be closed.
var ErrRunning = errors.New("a cancelled statement is still running")

// Shutdown stops accepting, closes connections as they become idle and waits
// until all are closed. When ctx ends first, running statements are cancelled
// and connections cut, and Shutdown returns ctx's error once they have ended,
// or ErrRunning when they have not after Options.Patience.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	s.l.Close()
	for _, c := range open {
		c.drain()
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
func (s *Server) stopNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.l.Close()
	for c := range s.conns {
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
	s.conns[c] = struct{}{}
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
	delete(s.conns, c)
}

// statistics is the line that COM_STATISTICS answers with, in MySQL's form.
func (s *Server) statistics() string {
	s.mu.Lock()
	threads := len(s.conns)
	s.mu.Unlock()
	up := max(int64(time.Since(s.started)/time.Second), 1)
	q := s.questions.Load()
	return fmt.Sprintf("Uptime: %d  Threads: %d  Questions: %d  Slow queries: 0  Opens: 0  Open tables: 0  "+
		"Queries per second avg: %.3f", up, threads, q, float64(q)/float64(up))
}
