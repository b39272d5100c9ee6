package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// Codes of refused commands: MySQL's ER_UNKNOWN_COM_ERROR,
// ER_MALFORMED_PACKET and ER_NOT_ALLOWED_COMMAND.
var (
	codeUnknownCommand = sqlerr.Code{MySQL: 1047, State: "08S01"}
	codeMalformed      = sqlerr.Code{MySQL: 1835, State: "HY000"}
	codeNotAllowed     = sqlerr.Code{MySQL: 1148, State: "42000"}
)

func malformed(command string) error {
	return sqlerr.New(sqlerr.Invalid, "Malformed communication packet: %s", command).With(codeMalformed)
}

// command carries out one command. Its error ends the connection; what goes
// wrong with a statement is told to the client instead.
func (c *conn) command(b []byte) error {
	if len(b) == 0 {
		return c.writeErr(malformed("a command without a byte"))
	}
	code, b := b[0], b[1:]
	switch code {
	case comQuit:
		return wire.ErrQuit
	case comPing:
		return c.writeOK(headOK, wire.Done{}, 0)
	case comStatistics:
		return c.pk.end(append(c.pk.begin(), c.srv.statistics()...))
	case comSetOption:
		return c.setOption(b)
	case comStmtClose:
		return c.closeStatement(b)
	case comStmtReset:
		return c.resetStatement(b)
	case comStmtLongData:
		c.longData(b)
		return nil
	}
	c.srv.questions.Add(1)
	ctx, end := c.Begin()
	defer end()
	switch code {
	case comQuery:
		return c.query(ctx, b)
	case comInitDB:
		return c.answer(ctx, c.sess.Use(ctx, string(b)))
	case comFieldList:
		return c.fieldList(ctx, b)
	case comProcessInfo:
		return c.exec(ctx, "SHOW FULL PROCESSLIST")
	case comProcessKill:
		if len(b) < 4 {
			return c.writeErr(malformed("COM_PROCESS_KILL"))
		}
		return c.exec(ctx, "KILL "+strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b)), 10))
	case comChangeUser:
		if err := c.changeUser(b); err != nil {
			return errors.Join(err, c.writeErr(err))
		}
		return nil
	case comResetConnection:
		c.closeStatements()
		return c.answer(ctx, c.sess.Reset(ctx))
	case comStmtPrepare:
		return c.prepare(ctx, string(b))
	case comStmtExecute:
		return c.execute(ctx, b)
	case comStmtFetch:
		return c.fetch(b)
	}
	return c.writeErr(sqlerr.New(sqlerr.Unsupported, "Unknown command %#02x", code).With(codeUnknownCommand))
}

// answer writes OK, or err as the statement's.
func (c *conn) answer(ctx context.Context, err error) error {
	if err != nil {
		return c.writeErr(reason(ctx, err))
	}
	return c.writeOK(headOK, wire.Done{}, 0)
}

// reason is what the client is told of err: why its statement was cancelled,
// if that is what err comes from.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return context.Cause(ctx)
	}
	return err
}

// query carries out COM_QUERY. Attributes that stand before the text are read
// over: no statement refers to them.
func (c *conn) query(ctx context.Context, b []byte) error {
	if c.caps&capQueryAttributes != 0 {
		f := fields{b: b}
		n := f.lenInt()
		f.lenInt() // the number of sets, always one
		p := params{named: true}
		if _, err := p.read(&f, n, nil); err != nil {
			return c.writeErr(err)
		}
		b = f.b
	}
	return c.exec(ctx, string(b))
}

// exec runs text and writes its results.
func (c *conn) exec(ctx context.Context, text string) error {
	if readsClientFile(text) {
		return c.writeErr(sqlerr.New(sqlerr.Unsupported, "The used command is not allowed with this MySQL version").
			With(codeNotAllowed).WithHint("put the file into a bucket and load it from there; LOAD DATA LOCAL is not served"))
	}
	w := &results{c: c, ctx: ctx}
	return w.finish(c.sess.Exec(ctx, text, w))
}

// readsClientFile tells whether text is LOAD DATA LOCAL, which the protocol
// would answer by asking the client for a file.
func readsClientFile(text string) bool {
	words := strings.Fields(text[:min(len(text), 200)])
	if len(words) < 3 || !strings.EqualFold(words[0], "LOAD") ||
		!strings.EqualFold(words[1], "DATA") && !strings.EqualFold(words[1], "XML") {
		return false
	}
	if strings.EqualFold(words[2], "LOW_PRIORITY") || strings.EqualFold(words[2], "CONCURRENT") {
		words = words[1:]
	}
	return len(words) > 2 && strings.EqualFold(words[2], "LOCAL")
}

// setOption switches several statements in one text on (0) or off (1).
func (c *conn) setOption(b []byte) error {
	if len(b) < 2 || b[0] > 1 || b[1] != 0 {
		return c.writeErr(malformed("COM_SET_OPTION"))
	}
	c.multi = b[0] == 0
	return c.writeEnd(wire.Done{}, 0)
}

// fieldList lists a table's columns. The pattern behind the table's name is
// left to the client, which filters by it as well.
func (c *conn) fieldList(ctx context.Context, b []byte) error {
	f := fields{b: b}
	table := f.zeroString()
	cols, err := c.sess.Columns(ctx, table)
	if err != nil {
		return c.writeErr(reason(ctx, err))
	}
	for _, col := range cols {
		b := appendColumn(c.pk.begin(), table, col)
		if err := c.pk.end(append(b, headNull)); err != nil { // no default value
			return err
		}
	}
	return c.writeEnd(wire.Done{}, 0)
}

// writeColumns writes column definitions, and the EOF packet that ends them
// for clients that still expect one.
func (c *conn) writeColumns(cols []lake.Column) error {
	for _, col := range cols {
		if err := c.pk.end(appendColumn(c.pk.begin(), "", col)); err != nil {
			return err
		}
	}
	if c.caps&capDeprecateEOF != 0 {
		return nil
	}
	return c.writeEOF(0, 0)
}
