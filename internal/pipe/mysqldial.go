package pipe

import (
	"bytes"
	"context"
	"net"
	"sync"

	"lakeport/internal/sqlerr"
)

// clearPassword is the plugin that asks for the password itself. The client
// library answers it whether TLS is on or not.
var clearPassword = []byte("mysql_clear_password")

// gate watches the logins of one attempt to connect.
type gate struct {
	encrypted bool

	mu      sync.Mutex
	over    bool
	refused error
	closed  bool
	conns   []net.Conn
}

// dial connects to the source. Without TLS a server that asks for the password
// in the clear is left before it is answered.
func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "" { // as the reader of the log has it
		network = "tcp"
	}
	d := &net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	if g.conns = append(g.conns, c); g.encrypted {
		return c, nil
	}
	return &guarded{Conn: c, gate: g}, nil
}

// shut closes the connections; there are no more. The library by itself may
// wait for a packet that never comes, and logs in once more, by a token that is
// no longer valid, to have the server close its end.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, c := range g.conns {
		_ = c.Close()
	}
}

// try runs an attempt to log in. Why the gate has ended it comes before what
// the library makes of that.
func (g *gate) try(login func() error) error {
	err := parsed(login)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.refused != nil {
		return g.refused
	}
	return err
}

// parsed runs work of the library, which panics over packets that are cut short.
func parsed(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = sqlerr.New(sqlerr.Corrupt, "the source sends what is not understood as MySQL's protocol: %v", r)
		}
	}()
	return work()
}

// guarded is a connection without TLS.
type guarded struct {
	net.Conn
	gate *gate
	seen []byte // the end of what came, which the next part may go on from
}

// Read implements net.Conn.
func (c *guarded) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return n, err
	}
	c.seen = append(c.seen, b[:n]...)
	if bytes.Contains(c.seen, clearPassword) {
		g.refused = sqlerr.New(sqlerr.Invalid, "the database %s asks for the password in the clear without TLS: it was not sent", c.RemoteAddr()).
			WithHint("give tls_ca, so that the connection is encrypted")
		return 0, g.refused
	}
	if more := len(c.seen) - len(clearPassword); more > 0 {
		c.seen = append(c.seen[:0], c.seen[more:]...)
	}
	return n, err
}
