package mysql

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// conn is one client's connection. Its fields belong to the goroutine that
// runs Serve, but for its life and what is lent to the inbox.
type conn struct {
	*wire.Life
	srv  *Server
	id   uint32
	raw  net.Conn // the socket
	net  net.Conn // raw, or TLS over it
	tls  bool
	pk   packets
	caps uint32
	salt [20]byte

	libmariadb bool // what the client says it is built on
	sess       wire.Session
	database   string // as last told to the client
	multi      bool   // several statements in one text are allowed
	stmts      map[uint32]*prepared
	lastStmt   uint32

	inbox *wire.Inbox[[]byte] // nil during login
}

func newConn(ctx context.Context, s *Server, id uint32, n net.Conn) *conn {
	c := &conn{Life: wire.NewLife(ctx, n), srv: s, id: id, raw: n, net: n, salt: newSalt(), stmts: make(map[uint32]*prepared)}
	c.pk.r, c.pk.w = n, n
	return c
}

// Serve implements wire.Client.
func (c *conn) Serve() error {
	defer c.raw.Close()
	defer c.End(wire.ErrGone)
	c.raw.SetDeadline(time.Now().Add(c.srv.o.LoginTimeout))
	if err := c.handshake(); err != nil {
		c.writeErr(err)
		c.pk.flush()
		return fmt.Errorf("log in: %w", err)
	}
	c.raw.SetDeadline(time.Time{})
	defer c.closeSession()

	c.multi = c.caps&capMultiStatements != 0
	r := bufio.NewReaderSize(c.net, 16<<10)
	c.pk.r = r
	c.inbox = wire.OpenInbox(c.Life, func() ([]byte, error) { return c.pk.read(c.srv.o.MaxPacket) }, func() error { return watch(r) })
	defer c.inbox.Close()
	defer c.net.Close()
	return c.commands()
}

// commands carries out one command after the other.
func (c *conn) commands() error {
	for {
		// The answer leaves before the connection counts as idle, when drain
		// may close it.
		if err := c.pk.flush(); err != nil || !c.Idle() {
			return err
		}
		c.pk.seq = 0
		b, err := c.ask()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			c.writeErr(err)
			return errors.Join(err, c.pk.flush())
		}
		if !c.Resume() {
			return nil
		}
		if err := c.guard(func() error { return c.command(b) }); err != nil {
			if errors.Is(err, wire.ErrQuit) {
				return nil
			}
			return errors.Join(err, c.pk.flush())
		}
	}
}

// guard carries out a command. A panic behind it costs the client its
// connection, since nobody knows in which state the session is, and nobody
// else's.
func (c *conn) guard(command func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.fault(r)
			c.writeErr(err)
		}
	}()
	return command()
}

// fault logs a panic and gives the error for the client.
func (c *conn) fault(r any) error {
	c.srv.o.Log.Error("carry out a command", "conn", c.id, "panic", r, "stack", string(debug.Stack()))
	return sqlerr.New(sqlerr.Internal, "the server broke off this statement; its log tells why (connection %d)", c.id)
}

// ask sends what has gathered and returns the client's next packet.
func (c *conn) ask() ([]byte, error) {
	if err := c.pk.flush(); err != nil {
		return nil, err
	}
	if c.inbox == nil {
		return c.pk.read(loginLimit)
	}
	return c.inbox.Next()
}

// watch waits for the header of the next packet without taking it. Its error
// says why the client no longer cares for what runs; the next read tells what
// there is to tell.
func watch(r *bufio.Reader) error {
	head, err := r.Peek(4)
	if err != nil {
		return wire.ErrGone
	}
	if binary.LittleEndian.Uint32(head) != 1 { // one byte, sequence id zero
		return nil
	}
	if b, err := r.Peek(5); err != nil || b[4] == comQuit {
		return wire.ErrQuit
	}
	return nil
}

// kill is Login.Kill; any goroutine may call it.
func (c *conn) kill(query bool) {
	interrupted := sqlerr.New(sqlerr.Canceled, "Query execution was interrupted")
	if query {
		c.Interrupt(interrupted)
		return
	}
	c.End(interrupted)
	c.net.Close() // TLS says goodbye, so that the client sees a lost connection
}

// closeSession ends the session and all it holds.
func (c *conn) closeSession() {
	c.closeStatements()
	if c.sess == nil {
		return
	}
	if err := c.sess.Close(); err != nil {
		c.srv.o.Log.Warn("close a session", "conn", c.id, "error", err)
	}
	c.sess = nil
}

// status is the status word: the session's state and flags.
func (c *conn) status(flags uint16) uint16 {
	if c.sess == nil {
		return flags | statusAutocommit
	}
	st := c.sess.Status()
	if st.Autocommit {
		flags |= statusAutocommit
	}
	if st.InTransaction {
		flags |= statusInTransaction
	}
	return flags
}

// writeFlush sends a short packet at once.
func (c *conn) writeFlush(payload ...byte) error {
	if err := c.pk.end(append(c.pk.begin(), payload...)); err != nil {
		return err
	}
	return c.pk.flush()
}

// writeOK writes an OK packet, with head headEOF the one that ends rows.
func (c *conn) writeOK(head byte, d wire.Done, flags uint16) error {
	var changed []byte
	if c.caps&capSessionTrack != 0 {
		changed = c.changes()
	}
	if changed != nil {
		flags |= statusSessionChanged
	}
	b := append(c.pk.begin(), head)
	b = appendLenInt(b, uint64(max(d.Affected, 0)))
	b = append(b, 0) // no AUTO_INCREMENT
	b = binary.LittleEndian.AppendUint16(b, c.status(flags))
	b = binary.LittleEndian.AppendUint16(b, uint16(min(d.Warnings, 0xffff)))
	if d.Info != "" || changed != nil {
		// MySQL's page calls the text the rest of the packet unless the
		// session is tracked; its server and all clients have a length here.
		b = appendLenString(b, d.Info)
	}
	if changed != nil {
		b = appendLenString(b, changed)
	}
	return c.pk.end(b)
}

// changes lists what of the session has changed since the client was last
// told, in the form of CLIENT_SESSION_TRACK; nil: nothing.
func (c *conn) changes() []byte {
	if c.sess == nil {
		return nil
	}
	db := c.sess.Status().Database
	if db == c.database {
		return nil
	}
	c.database = db
	return appendLenString([]byte{trackSchema}, appendLenString(nil, db))
}

// writeEOF writes the EOF packet of clients that have not deprecated it.
func (c *conn) writeEOF(warnings int, flags uint16) error {
	b := append(c.pk.begin(), headEOF)
	b = binary.LittleEndian.AppendUint16(b, uint16(min(warnings, 0xffff)))
	b = binary.LittleEndian.AppendUint16(b, c.status(flags))
	return c.pk.end(b)
}

// writeEnd ends rows, in the form that the client asked for.
func (c *conn) writeEnd(d wire.Done, flags uint16) error {
	if c.caps&capDeprecateEOF != 0 {
		return c.writeOK(headEOF, wire.Done{Warnings: d.Warnings, Info: d.Info}, flags)
	}
	return c.writeEOF(d.Warnings, flags)
}

// codeTimeout is MySQL's ER_QUERY_TIMEOUT. MariaDB's client library numbers its
// own errors from 5000 on (its errmsg.h), takes StarRocks' number 5024 for a
// broken packet, and would not show the message.
var codeTimeout = sqlerr.Code{MySQL: 3024, State: "HY000"}

// writeErr writes err as an ERR packet.
func (c *conn) writeErr(err error) error {
	e := sqlerr.From(err)
	code := e.Numbers()
	if c.libmariadb && code == sqlerr.QueryTimeout {
		code = codeTimeout
	}
	b := append(c.pk.begin(), headErr)
	b = binary.LittleEndian.AppendUint16(b, code.MySQL)
	b = append(append(b, '#'), code.State...)
	return c.pk.end(append(b, e.Error()...))
}
