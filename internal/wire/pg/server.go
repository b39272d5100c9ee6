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
	"log/slog"
	"net"
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
	// Patience is how long Shutdown waits for cancelled statements; zero: 5 s.
	Patience time.Duration
	// Log takes what no client can be told; nil: nothing is logged.
	Log *slog.Logger
}

// Server accepts clients on one listener.
type Server struct {
	*wire.Listener
	h wire.Handler
	o Options
}

// firstID keeps the numbers of PostgreSQL's connections apart from those of
// MySQL's: KILL names both.
const firstID = 1 << 30

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
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{h: h, o: o}
	s.Listener = wire.Listen(ctx, l, wire.Listening{FirstID: firstID, Patience: o.Patience, Log: o.Log,
		Accept: func(ctx context.Context, id uint32, n net.Conn) wire.Client { return newConn(ctx, s, id, n) }})
	return s
}

// cancelRequest stops the statement of the connection that was given this
// number and key. Nobody is told whether there was one.
func (s *Server) cancelRequest(id uint32, key []byte) {
	if c, ok := s.Client(id).(*conn); ok && c.hasKey(key) {
		c.kill(true)
	}
}
