package session

import (
	"context"
	"strconv"
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// merging is the temporary table with the rows that a MERGE inserts.
const merging = "temp.main.lakeport_merge"

// merge carries out MERGE in the transaction that it runs in, or one of its own:
// the rows to insert are found before anything changes.
func (c *session) merge(ctx context.Context, st *syntax.Merge, text string, w wire.ResultWriter) error {
	t, err := c.target(ctx, st.Table, "MERGE", text)
	if err != nil {
		return err
	}
	if source, err := c.searched(ctx, st.Source.Names()); err == nil && source == t.name {
		return sqlerr.New(sqlerr.Invalid, "the source and the target of a MERGE cannot be the same table").WithPos(text, int(st.Source.Start()))
	}
	l, err := c.prepareLoad(ctx, &syntax.Insert{Pos: st.Pos, Table: st.Table, Columns: st.Columns}, text)
	if err != nil {
		return err
	}
	if len(l.columns) != len(st.Values) {
		return sqlerr.New(sqlerr.Invalid, "INSERT has %d values for %d columns", len(st.Values), len(l.columns)).With(sqlerr.Code{State: "42601"}).WithPos(text, int(st.Values[0].Pos))
	}
	if !c.open {
		if err := c.start(ctx); err != nil {
			return err
		}
		c.pg.implicit = true // it ends with the text or the pipeline
	}
	if err := c.gatherMerge(ctx, st, text); err != nil {
		return err
	}
	changed := &unended{ResultWriter: w}
	if err := c.matched(ctx, st, text, changed); err != nil {
		return err
	}
	names := make([]string, len(st.Values))
	for i := range names {
		names[i] = mergeColumn(i)
	}
	inserted, err := c.load(ctx, l, &plan{sql: "SELECT " + strings.Join(names, ", ") + " FROM " + merging})
	if err == nil {
		_, err = c.own(ctx, "DROP TABLE "+merging)
	}
	if err != nil {
		return placeless(filtered(err))
	}
	return w.Done(wire.Done{Tag: "MERGE", Affected: changed.affected + inserted})
}

// gatherMerge keeps the values of the source's rows that match none of the
// target's.
func (c *session) gatherMerge(ctx context.Context, st *syntax.Merge, text string) error {
	q := new(gathering).own("SELECT ")
	for i, v := range st.Values {
		if i > 0 {
			q.own(", ")
		}
		q.user(v).own(" AS " + mergeColumn(i))
	}
	q.own(" FROM ").user(st.From).own(" WHERE NOT EXISTS (SELECT 1 FROM " + c.spell(st.Table) + " AS " + c.rowAlias(st.Table, nil) + " WHERE ").user(st.On).own("\n)")
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return q.locate(err, text)
	}
	defer p.close()
	if _, err := c.conn.Exec(ctx, p.behind("CREATE OR REPLACE TEMP TABLE lakeport_merge AS ")); err != nil {
		return q.locate(p.explain(ctx, err), text)
	}
	return nil
}

func mergeColumn(i int) string { return "lakeport_c" + strconv.Itoa(i) }

// matched changes or deletes the rows that match. A row of the target may match
// one row of the source only.
func (c *session) matched(ctx context.Context, st *syntax.Merge, text string, w wire.ResultWriter) error {
	if st.Delete {
		return c.delete(ctx, &syntax.Delete{Pos: st.Pos, Table: st.Table, Using: st.From, Where: st.On}, text, w)
	}
	as := c.rowAlias(st.Table, nil)
	q := new(gathering).own("SELECT 1 FROM " + c.spell(st.Table) + " AS " + as + ", ").user(st.From).own(" WHERE ").user(st.On).own(" GROUP BY " + as + ".rowid HAVING count(*) > 1")
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return q.locate(err, text)
	}
	defer p.close()
	twice, err := c.exists(ctx, p.sql)
	if err != nil {
		return q.locate(p.explain(ctx, err), text)
	}
	if twice {
		return sqlerr.New(sqlerr.Invalid, "Found multiple matches to update the same tuple.").With(sqlerr.Code{State: "21000"}).
			WithHint("a row of %s matches several rows of %s", st.Table.Last(), st.Source.Last()).WithPos(text, int(st.On.Pos))
	}
	return c.update(ctx, &syntax.Update{Pos: st.Pos, Table: st.Table, Set: st.Set, From: st.From, Where: st.On}, text, w)
}

// commentOn carries out COMMENT ON.
func (c *session) commentOn(ctx context.Context, st *syntax.CommentOn, text string, w wire.ResultWriter) error {
	t, err := c.target(ctx, st.Table, "COMMENT ON", text)
	if err != nil {
		return err
	}
	comment := ""
	if st.Text != nil {
		comment = st.Text.Value
	}
	a := &alteration{c: c, text: text, t: t, def: t.def.clone()}
	if st.Column == nil {
		a.def.Comment = comment
	} else {
		i := t.def.index(st.Column.Name)
		if i < 0 {
			return unknownColumn(st.Column.Name, "'"+t.name.table+"'", text, st.Column.Pos)
		}
		a.def.Columns[i].Comment = comment
	}
	if err := c.atomically(ctx, func() error { return a.apply(ctx) }); err != nil {
		return err
	}
	return ok(w, "COMMENT")
}
