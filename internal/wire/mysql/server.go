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
	*wire.Listener
	h         wire.Handler
	o         Options
	tlsConfig func() (*tls.Config, error)
	rsaKey    func() (*rsa.PrivateKey, error)
	started   time.Time
	questions atomic.Int64
}

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
	s := &Server{h: h, o: o, started: time.Now()}
	s.tlsConfig = func() (*tls.Config, error) { return o.TLS, nil }
	if o.TLS == nil {
		s.tlsConfig = sync.OnceValues(SelfSigned)
	}
	s.rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	s.Listener = wire.Listen(ctx, l, wire.Listening{Patience: o.Patience, Log: o.Log,
		Accept: func(ctx context.Context, id uint32, n net.Conn) wire.Client { return newConn(ctx, s, id, n) }})
	return s
}

// statistics is the line that COM_STATISTICS answers with, in MySQL's form.
func (s *Server) statistics() string {
	threads := s.Clients()
	up := max(int64(time.Since(s.started)/time.Second), 1)
	q := s.questions.Load()
	return fmt.Sprintf("Uptime: %d  Threads: %d  Questions: %d  Slow queries: 0  Opens: 0  Open tables: 0  "+
		"Queries per second avg: %.3f", up, threads, q, float64(q)/float64(up))
}
