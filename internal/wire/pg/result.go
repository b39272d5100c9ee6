package pg

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// results writes the results of statements as the session yields them.
type results struct {
	c       *conn
	ctx     context.Context
	stmt    *prepared // of an extended query, whose columns Describe has told; nil: of a simple one
	formats []int16   // of an extended query's columns
	cols    []lake.Column
	binary  []bool // by column
	open    bool   // a result with rows has begun
	copying *copyOut
	done    int // results that have ended
}

// describeRows is the RowDescription of columns.
func describeRows(cols []lake.Column, binary []bool) *pgproto3.RowDescription {
	m := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(cols))}
	for i, col := range cols {
		t := typeOf(col.Type)
		m.Fields[i] = pgproto3.FieldDescription{Name: []byte(col.Name), DataTypeOID: t.oid, DataTypeSize: t.size, TypeModifier: modifier(col.Type)}
		if binary[i] {
			m.Fields[i].Format = 1
		}
	}
	return m
}

// formatsOf spreads a Bind's result formats over n columns: none is text, one
// stands for all.
func formatsOf(formats []int16, n int) ([]bool, error) {
	if len(formats) > 1 && len(formats) != n {
		return nil, malformed("the bind message has %d result formats but the query has %d columns", len(formats), n)
	}
	binary := make([]bool, n)
	for i := range binary {
		switch len(formats) {
		case 0:
		case 1:
			binary[i] = formats[0] == 1
		default:
			binary[i] = formats[i] == 1
		}
	}
	return binary, nil
}

// codeChanged is what PostgreSQL says of a statement whose columns are no
// longer those that it told.
var codeChanged = sqlerr.Code{State: "0A000"}

// Columns implements wire.ResultWriter.
func (w *results) Columns(cols []lake.Column) error {
	if w.open {
		return fmt.Errorf("open a result: the one before has not ended")
	}
	w.open, w.cols = true, cols
	if w.copying != nil {
		return w.copying.begin(w.c, cols)
	}
	var err error
	if w.binary, err = formatsOf(w.formats, len(cols)); err != nil {
		return err
	}
	if w.stmt == nil {
		return w.c.out.add(describeRows(cols, w.binary))
	}
	return w.stmt.unchanged(cols)
}

// unchanged refuses rows that are not of the types that the client was told.
func (p *prepared) unchanged(cols []lake.Column) error {
	if !p.described {
		return nil
	}
	if !slices.EqualFunc(p.st.Columns(), cols, func(a, b lake.Column) bool { return typeOf(a.Type) == typeOf(b.Type) }) {
		return sqlerr.New(sqlerr.Conflict, "cached plan must not change result type").With(codeChanged).WithHint("prepare the statement again")
	}
	return nil
}

// Chunk sends rows and blocks while the client is slow.
func (w *results) Chunk(c *lake.Chunk) error {
	if !w.open || len(c.Columns) != len(w.cols) {
		return fmt.Errorf("send rows: %d columns where the open result has %d", len(c.Columns), len(w.cols))
	}
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if w.copying != nil {
		return w.copying.chunk(w.c, c)
	}
	return w.c.writeRows(c, w.binary, 0, c.Rows)
}

// writeRows writes DataRows of c from row from up to row to.
func (c *conn) writeRows(chunk *lake.Chunk, asBinary []bool, from, to int) error {
	for i := from; i < to; i++ {
		start := c.out.begin('D')
		b := binary.BigEndian.AppendUint16(c.out.buf, uint16(len(chunk.Columns)))
		for j := range chunk.Columns {
			b = appendValue(b, &chunk.Columns[j], i, asBinary[j], c.zone)
		}
		c.out.buf = b
		c.out.end(start)
		if err := c.out.full(); err != nil {
			return err
		}
	}
	return nil
}

// Done ends a result.
func (w *results) Done(d wire.Done) error {
	if w.copying != nil && w.open {
		if err := w.copying.finish(w.c); err != nil {
			return err
		}
		d.Tag = "COPY"
	}
	w.open, w.copying = false, nil
	w.done++
	return w.c.out.add(&pgproto3.CommandComplete{CommandTag: tag(d)})
}

// counted are the tags that a number of rows follows; INSERT's has an OID
// before it, which is always zero.
var counted = map[string]string{"SELECT": "", "UPDATE": "", "DELETE": "", "COPY": "", "FETCH": "", "MOVE": "", "MERGE": "", "INSERT": "0 "}

func tag(d wire.Done) []byte {
	t := strings.ToUpper(d.Tag)
	if before, ok := counted[t]; ok && d.Affected >= 0 {
		t += " " + before + strconv.FormatInt(d.Affected, 10)
	}
	return []byte(t)
}

// Notice implements wire.Notifier.
func (w *results) Notice(level, text string) error {
	severity := strings.ToUpper(level)
	switch severity {
	case "WARNING", "INFO", "NOTICE":
	default:
		severity = "NOTICE"
	}
	code := map[string]string{"WARNING": "01000"}[severity]
	if code == "" {
		code = "00000"
	}
	return w.c.out.add(&pgproto3.NoticeResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: text})
}

// simple answers a Query: every statement of text.
func (c *conn) simple(text string) error {
	ctx, end := c.Begin()
	defer end()
	c.closePortals()
	w := &results{c: c, ctx: ctx}
	if err := c.sess.Exec(ctx, text, w); err != nil {
		if err := c.writeError(reason(ctx, err), "ERROR", text); err != nil {
			return err
		}
	} else if w.done == 0 {
		if err := c.out.add(&pgproto3.EmptyQueryResponse{}); err != nil {
			return err
		}
	}
	return c.ready()
}
