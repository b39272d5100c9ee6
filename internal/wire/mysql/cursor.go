package mysql

import (
	"context"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// openCursor starts p and answers with its columns. A statement without rows
// is answered at once and leaves no cursor.
func (c *conn) openCursor(p *prepared, args []any) error {
	p.cursor = wire.OpenPortal(c.Life, func(ctx context.Context, w wire.ResultWriter) error { return p.st.Exec(ctx, args, w) }, c.fault)
	cols, err := p.cursor.Opened()
	if err != nil || cols == nil {
		end := p.cursor.Ended()
		err = reason(p.cursor.Context(), err)
		p.closeCursor()
		if err != nil {
			return c.writeErr(err)
		}
		return c.writeOK(headOK, end, 0)
	}
	if err := c.pk.end(appendLenInt(c.pk.begin(), uint64(len(cols)))); err != nil {
		return err
	}
	for _, col := range cols {
		if err := c.pk.end(appendColumn(c.pk.begin(), "", col)); err != nil {
			return err
		}
	}
	// The end of the columns is told even where EOF is deprecated: it carries
	// the flag that a cursor is open.
	return c.writeEnd(wire.Done{}, statusCursorExists)
}

// fetch carries out COM_STMT_FETCH.
func (c *conn) fetch(b []byte) error {
	f := fields{b: b}
	p, err := c.statementOf(&f)
	if err != nil {
		return c.writeErr(err)
	}
	n := int(f.uint32())
	if p.cursor == nil || f.broken {
		return c.writeErr(sqlerr.New(sqlerr.Invalid, "The statement has no open cursor.").With(codeNoCursor))
	}
	sent, err := p.cursor.Fetch(n, func(cols []lake.Column, rows *lake.Chunk, from, to int) error {
		return c.pk.binaryRows(rows, cols, from, to)
	})
	if err != nil {
		err = reason(p.cursor.Context(), err)
		p.closeCursor()
		return c.writeErr(err)
	}
	if sent == n {
		return c.writeEnd(wire.Done{}, statusCursorExists)
	}
	end := p.cursor.Ended()
	p.closeCursor()
	return c.writeEnd(end, statusCursorExists|statusLastRowSent)
}

// closeCursor stops the statement and waits until it has returned.
func (p *prepared) closeCursor() {
	if p.cursor == nil {
		return
	}
	p.cursor.Close()
	p.cursor = nil
}
