package session

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
	"lakeport/internal/wire"
)

// unload carries out UNLOAD. Files that are written stay written when the
// session's transaction is taken back.
func (c *session) unload(ctx context.Context, st *syntax.Unload, text string, w wire.ResultWriter) error {
	u, err := transfer.ReadUnload(st, text)
	if err != nil {
		return err
	}
	who, err := transfer.Authorize(st, st.Options, c.srv.Resolver, c.user, text)
	if err != nil {
		return err
	}
	p, columns, err := c.unloaded(ctx, st, text)
	if err != nil {
		return err
	}
	defer p.close()
	cut, err := divided(u, columns, text)
	if err != nil {
		return err
	}
	c.pg.lastUnload, c.pg.unloaded = c.srv.loads.next(), 0
	storage := c.catalogs().StorageOf(who)
	sink, err := u.Sink(ctx, storage.Objects(), cut.files)
	if err != nil {
		return storage.ExplainS3(ctx, err)
	}
	p.before = len(p.sql) + len(text) + 1<<20 // what fails while it runs has no place in the text
	if u.Format == transfer.Parquet {
		err = c.unloadParquet(ctx, u, p, cut, sink)
	} else {
		err = c.unloadText(ctx, u, p, cut, sink)
	}
	if err == nil {
		err = sink.Finish(ctx)
	}
	if err != nil {
		return sink.Undo(ctx, placeless(storage.ExplainS3(ctx, p.explain(ctx, err))))
	}
	c.pg.unloaded = sink.Rows
	c.warn("Info", fmt.Sprintf("UNLOAD completed, %d record(s) unloaded successfully.", sink.Rows), 0)
	return ok(w, "UNLOAD")
}

// unloaded plans the query of an UNLOAD. Its text stands inside a literal, so that
// a fault in it is told at the literal.
func (c *session) unloaded(ctx context.Context, st *syntax.Unload, text string) (*plan, []lake.Column, error) {
	located := func(err error) error {
		e := *sqlerr.From(err)
		e.Pos = sqlerr.Pos{}
		return e.WithPos(text, int(st.Query.Pos))
	}
	parsed, err := syntax.ParseRedshift(st.Query.Value)
	if err != nil {
		return nil, nil, located(err)
	}
	if _, isQuery := parsed.(*syntax.Query); !isQuery {
		return nil, nil, located(sqlerr.New(sqlerr.Syntax, "UNLOAD takes a SELECT"))
	}
	p, err := c.plan(ctx, syntax.Fragment{Text: st.Query.Value}, st.Query.Value)
	if err != nil {
		return nil, nil, located(err)
	}
	prepared, err := c.conn.Prepare(ctx, p.sql)
	if err != nil {
		err = p.explain(ctx, err)
		p.close()
		return nil, nil, located(err)
	}
	defer prepared.Close()
	return p, prepared.Columns(), nil
}

// division is which of a query's columns go where.
type division struct {
	files     []lake.Column
	list      []string // of the files' columns in SQL, by position
	partition []string // of the partitions'
	width     int      // of the query
}

// divided finds the columns of PARTITION BY in a query's.
func divided(u *transfer.Unload, columns []lake.Column, text string) (division, error) {
	d := division{width: len(columns)}
	apart := map[int]bool{}
	for _, name := range u.Partition {
		i := slices.IndexFunc(columns, func(c lake.Column) bool { return strings.EqualFold(c.Name, name.Name) })
		if i < 0 {
			return d, sqlerr.New(sqlerr.NotFound, "PARTITION BY: the query has no column %s", name.Name).WithPos(text, int(name.Pos))
		}
		apart[i] = true
		d.partition = append(d.partition, unloadName(i))
	}
	for i, col := range columns {
		if !apart[i] || u.Include {
			d.files, d.list = append(d.files, col), append(d.list, unloadName(i))
		}
	}
	if len(apart) == len(columns) {
		return d, sqlerr.New(sqlerr.Invalid, "PARTITION BY takes all columns: at least one must remain for the files").WithPos(text, int(u.Partition[0].Pos))
	}
	return d, nil
}

// unloadName is a query's column whatever its own name.
func unloadName(i int) string { return fmt.Sprintf("u%d", i) }

// renamed is the query with its columns named by position, and its rows numbered.
func renamed(p *plan, columns int, numbered bool) string {
	names := make([]string, columns)
	for i := range names {
		names[i] = unloadName(i)
	}
	number := ""
	if numbered {
		number = ", row_number() OVER () AS lakeport_row"
	}
	return "(SELECT *" + number + " FROM (" + p.sql + "\n) AS lakeport_query(" + strings.Join(names, ", ") + "))"
}

// unloadText streams the rows. Those of a partition stand together, in the order
// of the query.
func (c *session) unloadText(ctx context.Context, u *transfer.Unload, p *plan, d division, sink *transfer.Sink) error {
	sql := p.sql
	if u.Partition != nil {
		texts := make([]string, len(d.partition))
		for i, name := range d.partition {
			texts[i] = "CAST(" + name + " AS VARCHAR)"
		}
		sql = "SELECT " + strings.Join(append(slices.Clone(d.list), texts...), ", ") + " FROM " + renamed(p, d.width, true) +
			" ORDER BY " + strings.Join(d.partition, ", ") + ", lakeport_row"
	}
	rows, err := c.conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	return sink.Text(ctx, rows)
}

// unloadParquet lets the engine write files, and stores them.
func (c *session) unloadParquet(ctx context.Context, u *transfer.Unload, p *plan, d division, sink *transfer.Sink) error {
	dir, err := os.MkdirTemp(c.srv.Objects.Mounts(), "export-")
	if err != nil {
		return fmt.Errorf("export rows: %w", err)
	}
	defer os.RemoveAll(dir)
	e := engine.Export{Query: p.sql, Dir: dir, FileSize: u.Most() - min(u.Most()/4, 64_000_000)}
	if u.Partition != nil {
		var list []string
		for i, name := range d.list {
			list = append(list, name+" AS "+lake.QuoteName(d.files[i].Name))
		}
		for i, name := range d.partition {
			e.Drop = append(e.Drop, fmt.Sprintf("lakeport_by%d", i))
			list = append(list, name+" AS "+e.Drop[i])
		}
		e.Partition = e.Drop
		e.Query = "SELECT " + strings.Join(list, ", ") + " FROM " + renamed(p, d.width, false)
	}
	files, err := c.conn.Export(ctx, e)
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b engine.Exported) int { return strings.Compare(a.Path, b.Path) })
	stored := map[string]int{} // by partition
	for _, f := range files {
		key := fmt.Sprint(texts(f.Partition))
		if err := sink.Store(ctx, f.Path, f.Rows, f.Partition, stored[key]); err != nil {
			return err
		}
		stored[key]++
	}
	return nil
}

// texts spells a partition's values apart, NULL among them.
func texts(values []*string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if out[i] = "NULL"; v != nil {
			out[i] = lake.QuoteString(*v)
		}
	}
	return out
}
