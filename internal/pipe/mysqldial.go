package pipe

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"

	"github.com/go-mysql-org/go-mysql/client"

	"lakeport/internal/sqlerr"
)

// clearPassword is the plugin that asks for the password itself. The client
// library answers it whether TLS is on or not.
var clearPassword = []byte("mysql_clear_password")

// dialer gives what connects to the source, and what is to be called when the
// logins by it are over. Without TLS a server that asks for the password in
// the clear is left before it is answered.
func (s *mysqlSource) dialer(encrypted bool) (dial client.Dialer, loggedIn func()) {
	over := &atomic.Bool{}
	d := &net.Dialer{Timeout: dialTime}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if network == "" { // as the reader of the log has it
			network = "tcp"
		}
		c, err := d.DialContext(ctx, network, address)
		if err != nil || encrypted {
			return c, err
		}
		return &guarded{Conn: c, over: over}, nil
	}, func() { over.Store(true) }
}

// guarded is a connection without TLS.
type guarded struct {
	net.Conn
	over *atomic.Bool
	seen []byte // the end of what came, which the next part may go on from
}

// Read implements net.Conn.
func (g *guarded) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if g.over.Load() {
		return n, err
	}
	g.seen = append(g.seen, b[:n]...)
	if bytes.Contains(g.seen, clearPassword) {
		return 0, sqlerr.New(sqlerr.Denied, "the database %s asks for the password in the clear without TLS: it was not sent", g.RemoteAddr()).
			WithHint("give tls_ca, so that the connection is encrypted")
	}
	if more := len(g.seen) - len(clearPassword); more > 0 {
		g.seen = append(g.seen[:0], g.seen[more:]...)
	}
	return n, err
}
