package mysql

import (
	"context"
	"encoding/binary"
	"math"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// maxPrepared bounds one connection's prepared statements; MySQL's default of
// max_prepared_stmt_count.
const maxPrepared = 16382

// Flags of COM_STMT_EXECUTE.
const (
	execReadOnlyCursor = 1 << 0
	execParameterCount = 1 << 3
)

// MySQL's ER_UNKNOWN_STMT_HANDLER, ER_MAX_PREPARED_STMT_COUNT_REACHED,
// ER_STMT_HAS_NO_OPEN_CURSOR and ER_WRONG_ARGUMENTS.
var (
	codeUnknownStatement = sqlerr.Code{MySQL: 1243, State: "HY000"}
	codeTooManyPrepared  = sqlerr.Code{MySQL: 1461, State: "42000"}
	codeNoCursor         = sqlerr.Code{MySQL: 1421, State: "HY000"}
	codeWrongArguments   = sqlerr.Code{MySQL: 1210, State: "HY000"}
)

// prepared is one of the client's prepared statements.
type prepared struct {
	st      wire.Statement
	types   []paramType  // bound by an earlier execute, and still in force
	long    [][]byte     // by parameter: data sent ahead; nil: none
	longErr error        // why data sent ahead was refused, for the next execute
	cursor  *wire.Portal // open while the client fetches
}

// prepare carries out COM_STMT_PREPARE.
func (c *conn) prepare(ctx context.Context, text string) error {
	if len(c.stmts) >= maxPrepared {
		return c.writeErr(sqlerr.New(sqlerr.Invalid, "Can't create more than max_prepared_stmt_count statements "+
			"(current value: %d)", maxPrepared).With(codeTooManyPrepared))
	}
	st, err := c.sess.Prepare(ctx, text)
	if err != nil {
		return c.writeErr(reason(ctx, err))
	}
	n, cols := st.Params(), st.Columns()
	if n > math.MaxUint16 || len(cols) > math.MaxUint16 {
		st.Close()
		return c.writeErr(sqlerr.New(sqlerr.Unsupported, "Prepared statement contains too many placeholders").
			With(sqlerr.Code{MySQL: 1390, State: "HY000"}))
	}
	c.lastStmt++
	c.stmts[c.lastStmt] = &prepared{st: st, long: make([][]byte, n)}

	b := append(c.pk.begin(), headOK)
	b = binary.LittleEndian.AppendUint32(b, c.lastStmt)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(cols)))
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	if err := c.pk.end(append(b, 0, 0, 0)); err != nil {
		return err
	}
	if n > 0 {
		param := lake.Column{Name: "?", Type: lake.Type{Kind: lake.Varchar}}
		params := make([]lake.Column, n)
		for i := range params {
			params[i] = param
		}
		if err := c.writeColumns(params); err != nil {
			return err
		}
	}
	if len(cols) == 0 {
		return nil
	}
	return c.writeColumns(cols)
}

// statement finds the statement whose id stands first in b.
func (c *conn) statementOf(f *fields) (*prepared, error) {
	id := f.uint32()
	if p := c.stmts[id]; p != nil && !f.broken {
		return p, nil
	}
	return nil, sqlerr.New(sqlerr.Invalid, "Unknown prepared statement handler (%d) given to the server", id).
		With(codeUnknownStatement)
}

// execute carries out COM_STMT_EXECUTE.
func (c *conn) execute(ctx context.Context, b []byte) error {
	f := fields{b: b}
	p, err := c.statementOf(&f)
	if err != nil {
		return c.writeErr(err)
	}
	p.closeCursor()
	flags, args, err := p.readExecute(&f, c.caps)
	p.dropLong()
	if err != nil {
		return c.writeErr(err)
	}
	// A client that asked for a cursor takes all rows at once as well, if the
	// answer does not say that a cursor is open.
	if flags&execReadOnlyCursor != 0 && !c.sess.Status().Whole {
		return c.openCursor(p, args)
	}
	w := &results{c: c, ctx: ctx, binary: true}
	return w.finish(p.st.Exec(ctx, args, w))
}

// readExecute reads flags and arguments of COM_STMT_EXECUTE. The types of the
// arguments stay in force for later executes that bind no new ones.
func (p *prepared) readExecute(f *fields, caps uint32) (flags uint8, args []any, err error) {
	flags = f.uint8()
	f.take(4) // the number of iterations, always one
	n := uint64(len(p.long))
	r := params{named: caps&capQueryAttributes != 0 && flags&execParameterCount != 0, types: p.types}
	total := n
	if r.named {
		total = f.lenInt()
	}
	if f.broken || total < n {
		return 0, nil, malformed("COM_STMT_EXECUTE")
	}
	if p.longErr != nil {
		return 0, nil, p.longErr
	}
	args, err = r.read(f, total, p.long)
	if err != nil {
		return 0, nil, err
	}
	p.types = r.types
	return flags, args[:n], nil
}

// longData carries out COM_STMT_SEND_LONG_DATA, which has no answer: a fault
// is told by the execute that follows.
func (c *conn) longData(b []byte) {
	f := fields{b: b}
	p, err := c.statementOf(&f)
	if err != nil {
		return
	}
	i, size := int(f.uint16()), len(f.b)
	for _, data := range p.long {
		size += len(data)
	}
	switch {
	case f.broken || i >= len(p.long):
		p.longErr = sqlerr.New(sqlerr.Invalid, "Incorrect arguments to COM_STMT_SEND_LONG_DATA: no parameter %d", i).
			With(codeWrongArguments)
	case size > c.srv.o.MaxPacket:
		p.longErr = sqlerr.New(sqlerr.Invalid, "Parameters sent by COM_STMT_SEND_LONG_DATA exceed "+
			"'max_allowed_packet' bytes (%d)", c.srv.o.MaxPacket).With(codeTooLarge)
	default:
		if p.long[i] == nil {
			p.long[i] = []byte{}
		}
		p.long[i] = append(p.long[i], f.b...)
	}
}

func (p *prepared) dropLong() {
	clear(p.long)
	p.longErr = nil
}

// resetStatement carries out COM_STMT_RESET: data sent ahead and an open
// cursor are dropped.
func (c *conn) resetStatement(b []byte) error {
	p, err := c.statementOf(&fields{b: b})
	if err != nil {
		return c.writeErr(err)
	}
	p.closeCursor()
	p.dropLong()
	return c.writeOK(headOK, wire.Done{}, 0)
}

// closeStatement carries out COM_STMT_CLOSE, which has no answer.
func (c *conn) closeStatement(b []byte) error {
	f := fields{b: b}
	id := f.uint32()
	if p := c.stmts[id]; p != nil && !f.broken {
		delete(c.stmts, id)
		c.closePrepared(p)
	}
	return nil
}

func (c *conn) closeStatements() {
	for id, p := range c.stmts {
		delete(c.stmts, id)
		c.closePrepared(p)
	}
}

func (c *conn) closePrepared(p *prepared) {
	p.closeCursor()
	if err := p.st.Close(); err != nil {
		c.srv.o.Log.Warn("close a prepared statement", "conn", c.id, "error", err)
	}
}
