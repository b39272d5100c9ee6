package session

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// namedCursor is a cursor that DECLARE made: its rows are all there, as
// Redshift's cursors have theirs on the leader node, in a temporary table.
type namedCursor struct {
	table   string
	columns []lake.Column
	next    int64 // the first row that was not fetched
	hold    bool
	fresh   bool // the open transaction has made it
}

func (c *session) declareCursor(ctx context.Context, st *syntax.DeclareCursor, text string, w wire.ResultWriter) error {
	if !c.inBlock() && !st.Hold {
		return sqlerr.New(sqlerr.Invalid, "DECLARE CURSOR can only be used in transaction blocks").With(sqlerr.Code{State: "25P01"}).WithPos(text, int(st.Pos))
	}
	if _, taken := c.pg.cursors[st.Name.Name]; taken {
		return sqlerr.New(sqlerr.Exists, "cursor \"%s\" already exists", st.Name.Name).With(sqlerr.Code{State: "42P03"}).WithPos(text, int(st.Name.Pos))
	}
	p, err := c.plan(ctx, st.Query, text)
	if err != nil {
		return err
	}
	defer p.close()
	prepared, err := c.conn.Prepare(ctx, p.sql)
	if err != nil {
		return p.explain(ctx, err)
	}
	cols := prepared.Columns()
	prepared.Close()
	c.pg.lastCursor++
	cur := &namedCursor{table: "temp.main.lakeport_cursor_" + strconv.Itoa(c.pg.lastCursor), columns: cols, hold: st.Hold, fresh: c.open}
	names := make([]string, len(cols))
	for i := range cols {
		names[i] = "c" + strconv.Itoa(i)
	}
	if _, err := c.conn.Exec(ctx, p.behind("CREATE TEMP TABLE "+strings.TrimPrefix(cur.table, "temp.main.")+" ("+strings.Join(names, ", ")+") AS ")); err != nil {
		return p.explain(ctx, err)
	}
	c.pg.cursors[st.Name.Name] = cur
	return ok(w, "DECLARE CURSOR")
}

func (c *session) cursorOf(name syntax.Ident, text string) (*namedCursor, error) {
	cur, found := c.pg.cursors[name.Name]
	if !found {
		return nil, sqlerr.New(sqlerr.NotFound, "cursor \"%s\" does not exist", name.Name).With(sqlerr.Code{State: "34000"}).WithPos(text, int(name.Pos))
	}
	return cur, nil
}

// CursorColumns implements wire.Cursors.
func (c *session) CursorColumns(name string) []lake.Column {
	if c.pg == nil || c.pg.cursors[name] == nil {
		return nil
	}
	return c.pg.cursors[name].columns
}

func (c *session) fetchCursor(ctx context.Context, st *syntax.FetchCursor, text string, w wire.ResultWriter) error {
	cur, err := c.cursorOf(st.Name, text)
	if err != nil {
		return err
	}
	// The engine reads a table in the order in which its rows came.
	part := fmt.Sprintf(" OFFSET %d", cur.next)
	if st.Count >= 0 {
		part = fmt.Sprintf(" LIMIT %d", st.Count) + part
	}
	counted := &counting{ResultWriter: w, tag: "FETCH", moved: st.Move}
	if st.Move {
		counted.tag = "MOVE"
	}
	if err := c.stream(ctx, cur.selection()+part, counted); err != nil {
		return err
	}
	cur.next += counted.rows
	return nil
}

// selection is the query of the cursor's rows under their own headings.
func (cur *namedCursor) selection() string {
	list := make([]string, len(cur.columns))
	for i, col := range cur.columns {
		list[i] = "c" + strconv.Itoa(i) + " AS " + lake.QuoteName(col.Name)
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + cur.table
}

// counting counts a result's rows, and keeps them from the client if it only
// moves past them.
type counting struct {
	wire.ResultWriter
	tag   string
	rows  int64
	moved bool
}

func (k *counting) Columns(cols []lake.Column) error {
	if k.moved {
		return nil
	}
	return k.ResultWriter.Columns(cols)
}

func (k *counting) Chunk(c *lake.Chunk) error {
	k.rows += int64(c.Rows)
	if k.moved {
		return nil
	}
	return k.ResultWriter.Chunk(c)
}

func (k *counting) Done(d wire.Done) error {
	d.Tag, d.Affected = k.tag, k.rows
	return k.ResultWriter.Done(d)
}

func (c *session) closeCursor(ctx context.Context, st *syntax.CloseCursor, text string, w wire.ResultWriter) error {
	if st.Name.Name == "" {
		for name := range c.pg.cursors {
			if err := c.dropCursor(ctx, name); err != nil {
				return err
			}
		}
		return ok(w, "CLOSE CURSOR ALL")
	}
	if _, err := c.cursorOf(st.Name, text); err != nil {
		return err
	}
	if err := c.dropCursor(ctx, st.Name.Name); err != nil {
		return err
	}
	return ok(w, "CLOSE CURSOR")
}

func (c *session) dropCursor(ctx context.Context, name string) error {
	cur := c.pg.cursors[name]
	delete(c.pg.cursors, name)
	_, err := c.conn.Exec(ctx, "DROP TABLE IF EXISTS "+cur.table)
	return err
}

// dropCursors ends those that do not outlive their transaction. A rollback
// takes the tables of those that the transaction has made.
func (c *session) dropCursors(ctx context.Context, rollback bool) {
	for name, cur := range c.pg.cursors {
		switch {
		case rollback && cur.fresh:
			delete(c.pg.cursors, name)
		case cur.hold:
			cur.fresh = false
		default:
			if err := c.dropCursor(ctx, name); err != nil {
				c.srv.Log.Warn("drop a cursor", "session", c.id, "error", err)
			}
		}
	}
}

// copyStream carries out COPY FROM STDIN and COPY TO STDOUT.
func (c *session) copyStream(ctx context.Context, st *syntax.CopyStream, text string, w wire.ResultWriter) error {
	o, err := copyOptions(st, text)
	if err != nil {
		return err
	}
	under := w
	if n, is := w.(noticing); is {
		under = n.ResultWriter
	}
	copier, able := under.(wire.Copier)
	if !able {
		return sqlerr.New(sqlerr.Unsupported, "COPY with the client is not possible here").WithPos(text, int(st.Pos))
	}
	if !st.Query.IsZero() {
		if err := copier.CopyOut(o); err != nil {
			return err
		}
		return c.query(ctx, st.Query, text, w)
	}
	if !st.In {
		return c.copyTable(ctx, st, o, copier, w)
	}
	return c.copyIn(ctx, st, o, copier, text, w)
}

// copyTable sends a table, or some columns of it, of any catalog.
func (c *session) copyTable(ctx context.Context, st *syntax.CopyStream, o wire.Copy, copier wire.Copier, w wire.ResultWriter) error {
	list := "*"
	if len(st.Columns) > 0 {
		names := make([]string, len(st.Columns))
		for i, col := range st.Columns {
			names[i] = lake.QuoteName(col.Name)
		}
		list = strings.Join(names, ", ")
	}
	if err := copier.CopyOut(o); err != nil {
		return err
	}
	query := "SELECT " + list + " FROM " + c.spell(st.Table)
	return c.query(ctx, syntax.Fragment{Text: query}, query, w)
}

// copyIn inserts the rows that the client sends. The target's types read them
// from text.
func (c *session) copyIn(ctx context.Context, st *syntax.CopyStream, o wire.Copy, copier wire.Copier, text string, w wire.ResultWriter) error {
	l, err := c.prepareLoad(ctx, &syntax.Insert{Pos: st.Pos, Table: st.Table, Columns: st.Columns}, text)
	if err != nil {
		return err
	}
	cols := make([]lake.Column, len(l.columns))
	casts := make([]string, len(l.columns))
	for i, col := range l.columns {
		cols[i] = lake.Column{Name: col.Name, Type: l.into.typeOf(lake.QuoteName(col.Name))}
		casts[i] = fromText("c"+strconv.Itoa(i), cols[i].Type)
	}
	rows, err := copier.CopyIn(o, cols)
	if err != nil {
		return err
	}
	fed, done := context.WithCancel(ctx)
	defer done()
	feed := engine.Offer(fed, copyFeed(rows, len(cols)))
	p := &plan{sql: "SELECT " + strings.Join(casts, ", ") + " FROM " + feed}
	var affected int64
	err = c.atomically(ctx, func() (err error) {
		affected, err = c.load(ctx, l, p)
		return err
	})
	if err != nil {
		return placeless(filtered(err))
	}
	return w.Done(wire.Done{Tag: "COPY", Affected: affected})
}

// fromText reads a value as PostgreSQL spells it.
func fromText(expr string, t lake.Type) string {
	switch t.Kind {
	case lake.Varchar:
		return expr
	case lake.Blob:
		return "CASE WHEN starts_with(" + expr + ", '\\x') THEN unhex(substr(" + expr + ", 3)) ELSE encode(" + expr + ") END"
	}
	return "CAST(" + expr + " AS " + t.String() + ")"
}

// copyFeed is the client's rows as columns of text.
func copyFeed(rows wire.CopyRows, width int) lake.Feed {
	cols := make([]lake.Column, width)
	for i := range cols {
		cols[i] = lake.Column{Name: "c" + strconv.Itoa(i), Type: lake.Type{Kind: lake.Varchar}}
	}
	return lake.Feed{Columns: cols, Parts: 1, Open: func(_ context.Context, _ int, wanted []int) (lake.FeedReader, error) {
		return &copyReader{rows: rows, wanted: wanted}, nil
	}}
}

type copyReader struct {
	rows   wire.CopyRows
	wanted []int
	room   []byte
	ended  bool
}

// Read implements lake.FeedReader. The client's fields are copied: they stay
// valid for one row only.
func (r *copyReader) Read(dst *lake.Chunk) (int, error) {
	r.room = nil
	n := 0
	for ; n < dst.Rows && !r.ended; n++ {
		fields, err := r.rows.Next()
		if err == io.EOF {
			r.ended = true
			break
		}
		if err != nil {
			return 0, err
		}
		for i, at := range r.wanted {
			v := &dst.Columns[i]
			if fields[at] == nil {
				v.SetNull(n)
				continue
			}
			start := len(r.room)
			r.room = append(r.room, fields[at]...)
			v.Data.([]lake.String)[n] = lake.MakeString(r.room[start:len(r.room):len(r.room)])
		}
	}
	return n, nil
}

// Close implements lake.FeedReader.
func (r *copyReader) Close() error { return nil }

// copyOptions reads the options of a COPY with the client.
func copyOptions(st *syntax.CopyStream, text string) (wire.Copy, error) {
	o := wire.Copy{Format: wire.CopyText}
	for _, opt := range st.Options {
		value := ""
		if opt.Value != nil {
			value = opt.Value.Value
		}
		bad := func(format string, args ...any) error {
			return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(text, int(opt.Name.Pos))
		}
		one := func(b *byte) error {
			if len(value) != 1 || strings.ContainsAny(value, "\r\n") {
				return bad("COPY %s must be a single one-byte character", opt.Name.Name)
			}
			*b = value[0]
			return nil
		}
		var err error
		switch opt.Name.Name {
		case "format":
			switch o.Format = wire.CopyFormat(strings.ToLower(value)); o.Format {
			case wire.CopyText, wire.CopyCSV, wire.CopyBinary:
			default:
				err = bad("COPY format \"%s\" not recognized", value)
			}
		case "delimiter":
			err = one(&o.Delimiter)
		case "quote":
			err = one(&o.Quote)
		case "escape":
			err = one(&o.Escape)
		case "null":
			o.Null = &value
		case "header":
			on, known := truth(value)
			if o.Header = on || opt.Value == nil; !known && opt.Value != nil {
				err = bad("header requires a Boolean value")
			}
		case "encoding":
			if n := strings.ToUpper(strings.ReplaceAll(value, "-", "")); n != "UTF8" {
				err = bad("encoding \"%s\" is not supported: this server speaks UTF8 only", value)
			}
		default:
			err = sqlerr.New(sqlerr.Unsupported, "option \"%s\" of COPY is not supported", opt.Name.Name).WithPos(text, int(opt.Name.Pos))
		}
		if err != nil {
			return o, err
		}
	}
	if o.Format != wire.CopyCSV && (o.Quote != 0 || o.Escape != 0) {
		return o, sqlerr.New(sqlerr.Invalid, "COPY quote and escape are available only in CSV mode").WithPos(text, int(st.Pos))
	}
	if o.Format == wire.CopyBinary && (o.Header || o.Delimiter != 0 || o.Null != nil) {
		return o, sqlerr.New(sqlerr.Invalid, "COPY in BINARY mode takes no other options").WithPos(text, int(st.Pos))
	}
	return o, nil
}
