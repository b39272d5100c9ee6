package pg

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/sqlerr"
)

// message is one message of the client: its type and what follows the length.
// The body is valid until the next one is read.
type message struct {
	kind byte
	body []byte
}

// codeProtocol is PostgreSQL's protocol_violation.
var codeProtocol = sqlerr.Code{State: "08P01"}

func malformed(format string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.Invalid, format, args...).With(codeProtocol)
}

// readMessage reads a message of at most limit bytes into buf, which grows as
// bytes arrive: a length is a claim, not a promise.
func readMessage(r *bufio.Reader, buf []byte, limit int) (message, []byte, error) {
	head, err := r.Peek(5)
	if err != nil {
		return message{}, buf, err
	}
	kind, n := head[0], int64(binary.BigEndian.Uint32(head[1:]))-4
	if n < 0 || n > int64(limit) {
		return message{}, buf, malformed("a message of type %q claims %d bytes, which is not 0 to %d", kind, n, limit)
	}
	r.Discard(5)
	buf, err = readBody(r, buf[:0], int(n))
	return message{kind, buf}, buf, err
}

// readBody appends n bytes to buf, by steps that grow with what has come.
func readBody(r io.Reader, buf []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, max(64<<10, len(buf)))
		at := len(buf)
		buf = append(buf, make([]byte, step)...)
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return buf, err
		}
		n -= step
	}
	return buf, nil
}

// decode gives the message as pgproto3's type of its kind.
func (m message) decode() (pgproto3.FrontendMessage, error) {
	var f pgproto3.FrontendMessage
	switch m.kind {
	case 'Q':
		f = &pgproto3.Query{}
	case 'P':
		f = &pgproto3.Parse{}
	case 'B':
		f = &pgproto3.Bind{}
	case 'D':
		f = &pgproto3.Describe{}
	case 'E':
		f = &pgproto3.Execute{}
	case 'C':
		f = &pgproto3.Close{}
	case 'S':
		f = &pgproto3.Sync{}
	case 'H':
		f = &pgproto3.Flush{}
	case 'X':
		f = &pgproto3.Terminate{}
	case 'd':
		f = &pgproto3.CopyData{}
	case 'c':
		f = &pgproto3.CopyDone{}
	case 'f':
		f = &pgproto3.CopyFail{}
	default:
		return nil, malformed("messages of type %q are not known", m.kind)
	}
	if err := f.Decode(m.body); err != nil {
		return nil, malformed("a message of type %q cannot be read: %v", m.kind, err)
	}
	return f, nil
}

// flushAt is how many bytes gather before they are sent.
const flushAt = 64 << 10

// outbox gathers messages for the client, above TLS, so that a record holds
// many of them.
type outbox struct {
	w   io.Writer
	buf []byte
}

// begin opens a message of our own encoding, end closes it.
func (o *outbox) begin(kind byte) (start int) {
	o.buf = append(o.buf, kind, 0, 0, 0, 0)
	return len(o.buf) - 4
}

func (o *outbox) end(start int) {
	binary.BigEndian.PutUint32(o.buf[start:], uint32(len(o.buf)-start))
}

// add encodes one of pgproto3's messages.
func (o *outbox) add(m pgproto3.BackendMessage) error {
	buf, err := m.Encode(o.buf)
	if err != nil {
		return fmt.Errorf("encode %T: %w", m, err)
	}
	o.buf = buf
	return o.full()
}

// full sends what has gathered if it is much.
func (o *outbox) full() error {
	if len(o.buf) < flushAt {
		return nil
	}
	return o.flush()
}

// flush sends all and blocks until the client's system has taken it.
func (o *outbox) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	if cap(o.buf) > 4*flushAt {
		o.buf = nil
	}
	return err
}
