package pg

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// conn is one client's connection. Its fields belong to the goroutine that
// runs Serve, but for its life and what is lent to the inbox.
type conn struct {
	*wire.Life
	srv *Server
	id  uint32
	key [4]byte
	raw net.Conn // the socket
	net net.Conn // raw, or TLS over it
	tls bool
	out outbox

	sess    wire.Session
	told    map[string]string // parameters as the client knows them
	zone    *time.Location    // of TimeZone
	stmts   map[string]*prepared
	portals map[string]*portal
	skip    bool // an extended query failed: all up to Sync is left out

	inbox *wire.Inbox[message] // nil during startup, which reads no byte too many
}

func newConn(ctx context.Context, s *Server, id uint32, n net.Conn) *conn {
	c := &conn{Life: wire.NewLife(ctx, n), srv: s, id: id, raw: n, net: n, zone: time.UTC, stmts: map[string]*prepared{}, portals: map[string]*portal{}}
	rand.Read(c.key[:]) // never fails
	c.out.w = n
	return c
}

func (c *conn) hasKey(key []byte) bool { return subtle.ConstantTimeCompare(c.key[:], key) == 1 }

// Serve implements wire.Client.
func (c *conn) Serve() error {
	defer c.raw.Close()
	defer c.End(wire.ErrGone)
	c.raw.SetDeadline(time.Now().Add(c.srv.o.LoginTimeout))
	err := c.guard(c.startup)
	if errors.Is(err, wire.ErrQuit) {
		return nil
	}
	if err != nil {
		c.writeError(err, "FATAL", "")
		c.out.flush()
		return fmt.Errorf("log in: %w", err)
	}
	c.raw.SetDeadline(time.Time{})
	defer c.closeSession()

	r := bufio.NewReaderSize(c.net, 16<<10)
	var buf []byte
	c.inbox = wire.OpenInbox(c.Life, func() (m message, err error) {
		m, buf, err = readMessage(r, buf, c.srv.o.MaxMessage)
		return m, err
	}, func() error {
		if _, err := r.Peek(1); err != nil {
			return wire.ErrGone
		}
		return nil
	})
	defer c.inbox.Close()
	defer c.net.Close()
	return c.messages()
}

// messages carries out one message after the other.
func (c *conn) messages() error {
	if err := c.ready(); err != nil {
		return err
	}
	for {
		m, err := c.inbox.Next()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || c.Context().Err() != nil {
				return nil
			}
			return c.last(err)
		}
		if !c.Resume() {
			return nil
		}
		if err := c.guard(func() error { return c.carryOut(m) }); err != nil {
			if errors.Is(err, wire.ErrQuit) {
				return nil
			}
			return c.last(err)
		}
	}
}

// last tells the client why its connection ends.
func (c *conn) last(err error) error {
	c.writeError(err, "FATAL", "")
	return errors.Join(err, c.out.flush())
}

// carryOut does what one message asks for. Its error ends the connection.
func (c *conn) carryOut(m message) error {
	f, err := m.decode()
	if err != nil {
		return err
	}
	if c.skip {
		switch f.(type) {
		case *pgproto3.Sync, *pgproto3.Terminate:
		default:
			return nil
		}
	}
	switch f := f.(type) {
	case *pgproto3.Query:
		return c.simple(f.String)
	case *pgproto3.Parse:
		return c.extended(f.Query, func() error { return c.parse(f) })
	case *pgproto3.Bind:
		return c.extended("", func() error { return c.bind(f) })
	case *pgproto3.Describe:
		return c.extended("", func() error { return c.describe(f) })
	case *pgproto3.Execute:
		return c.execute(f)
	case *pgproto3.Close:
		return c.extended("", func() error { return c.closeNamed(f) })
	case *pgproto3.Flush:
		return c.out.flush()
	case *pgproto3.Sync:
		return c.sync()
	case *pgproto3.Terminate:
		return wire.ErrQuit
	}
	return nil // what a client still sends of a COPY that has failed
}

// ready tells the client, after its parameters that have changed, that it may
// go on, and marks the connection as idle.
func (c *conn) ready() error {
	st := c.sess.Status()
	if err := c.tell(st.Parameters); err != nil {
		return err
	}
	status := byte('I')
	switch {
	case st.Failed:
		status = 'E'
	case st.InTransaction:
		status = 'T'
	default:
		c.closePortals()
	}
	if err := c.out.add(&pgproto3.ReadyForQuery{TxStatus: status}); err != nil {
		return err
	}
	if err := c.out.flush(); err != nil {
		return err
	}
	if !c.Idle() {
		return wire.ErrQuit
	}
	return nil
}

// tell sends the parameters that the client does not know yet.
func (c *conn) tell(params map[string]string) error {
	names := make([]string, 0, len(params))
	for name, value := range params {
		if known, ok := c.told[name]; !ok || known != value {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if c.told == nil {
		c.told = map[string]string{}
	}
	for _, name := range names {
		c.told[name] = params[name]
		if err := c.out.add(&pgproto3.ParameterStatus{Name: name, Value: params[name]}); err != nil {
			return err
		}
		if name == "TimeZone" {
			c.zone = location(params[name])
		}
	}
	return nil
}

// location is where times with a zone are shown; UTC for a zone that the
// machine does not know.
func location(name string) *time.Location {
	if l, err := time.LoadLocation(name); err == nil {
		return l
	}
	return time.UTC
}

// guard carries out a message. A panic behind it costs the client its
// connection, since nobody knows in which state the session is, and nobody
// else's.
func (c *conn) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.fault(r)
		}
	}()
	return f()
}

// fault logs a panic and gives the error for the client.
func (c *conn) fault(r any) error {
	c.srv.o.Log.Error("carry out a message", "conn", c.id, "panic", r, "stack", string(debug.Stack()))
	return sqlerr.New(sqlerr.Internal, "the server broke off this statement; its log tells why (connection %d)", c.id)
}

// kill is Login.Kill; any goroutine may call it.
func (c *conn) kill(query bool) {
	if query {
		c.Interrupt(sqlerr.New(sqlerr.Canceled, "canceling statement due to user request"))
		return
	}
	c.End(sqlerr.New(sqlerr.Canceled, "terminating connection due to administrator command").With(sqlerr.Code{State: "57P01"}))
	c.net.Close()
}

// closeSession ends the session and all it holds.
func (c *conn) closeSession() {
	c.closePortals()
	for name := range c.stmts {
		c.dropStatement(name)
	}
	if err := c.sess.Close(); err != nil {
		c.srv.o.Log.Warn("close a session", "conn", c.id, "error", err)
	}
}

// writeError writes err as an ErrorResponse; text is the statement, in which
// positions count characters.
func (c *conn) writeError(err error, severity, text string) error {
	e := sqlerr.From(err)
	r := &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity, Code: e.Postgres(), Message: e.Msg, Hint: e.Hint,
	}
	if e.Pos.Line > 0 && text != "" && e.Pos.Offset <= len(text) {
		r.Position = int32(utf8.RuneCountInString(text[:e.Pos.Offset]) + 1)
	}
	return c.out.add(r)
}

// reason prefers why a statement was stopped to what its stop led to.
func reason(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*sqlerr.Error](context.Cause(ctx)); ok && ctx.Err() != nil {
		return e
	}
	return err
}
