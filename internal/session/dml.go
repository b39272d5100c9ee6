package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// stage is the temporary table in which a statement gathers its rows before
// it changes the target.
const stage = "temp.main.lakeport_stage"

// target opens the internal table that a statement changes.
func (c *session) target(ctx context.Context, q syntax.QualifiedName, what, text string) (*described, error) {
	n, err := c.searched(ctx, q.Names())
	if err == nil {
		err = onlyInternal(n.catalog, what)
	}
	if err != nil {
		return nil, err
	}
	if c.system(n) {
		return nil, sqlerr.New(sqlerr.Denied, "%s cannot be changed", n.database)
	}
	t, err := c.describeInternal(ctx, n)
	if err == nil && t.isView() {
		err = sqlerr.New(sqlerr.Invalid, "'%s.%s' is a view: %s changes tables", n.database, n.table, what).
			With(sqlerr.Code{MySQL: 1347, State: "HY000"}).WithPos(text, int(q.Start()))
	}
	if err == nil {
		err = readOnly(t, what, text, q.Start())
	}
	return t, err
}

// update gathers the new values by row, then writes them: the expressions may
// read any table, also external ones.
func (c *session) update(ctx context.Context, st *syntax.Update, text string, w wire.ResultWriter) error {
	q, change, err := c.updating(ctx, st, text)
	if err != nil {
		return err
	}
	affected, err := c.byRow(ctx, q, text, change)
	if err != nil {
		return filtered(err)
	}
	return w.Done(wire.Done{Tag: "UPDATE", Affected: affected})
}

// updating gives the query that gathers the new values and the change that
// writes them.
func (c *session) updating(ctx context.Context, st *syntax.Update, text string) (*gathering, string, error) {
	t, err := c.target(ctx, st.Table, "UPDATE", text)
	if err != nil {
		return nil, "", err
	}
	as := c.rowAlias(st.Table, st.Alias)
	q := gather(st.With, as)
	fresh := map[string]string{} // the value of a changed column, by its name
	for i, set := range st.Set {
		col, err := t.updatable(set, text)
		if err != nil {
			return nil, "", err
		}
		q.own(", ").user(set.Value).own(fmt.Sprintf(" AS lakeport_%d", i))
		fresh[col.Name] = fmt.Sprintf("CAST(s.lakeport_%d AS %s)", i, col.Engine)
	}
	q.from(c.spell(st.Table), as, st.From, st.Where)
	return q, t.rewrite(fresh), nil
}

// rewrite spells the change of an UPDATE. Computed columns are computed again
// from the row as it will be.
func (t *described) rewrite(fresh map[string]string) string {
	var sets, row, computed []string
	for _, col := range t.def.Columns {
		name := lake.QuoteName(col.Name)
		value, changed := fresh[col.Name]
		if changed {
			sets = append(sets, name+" = n."+name)
		}
		if !changed {
			value = "t." + name
		}
		if col.Generated == nil {
			row = append(row, value+" AS "+name)
			continue
		}
		sets = append(sets, name+" = n."+name)
		computed = append(computed, ", ("+col.Generated.SQL+") AS "+name)
	}
	target := t.name.internal()
	source := "SELECT s.lakeport_row, " + strings.Join(row, ", ") + " FROM " + stage + " AS s JOIN " + target + " AS t ON t.rowid = s.lakeport_row"
	return "UPDATE " + target + " AS t SET " + strings.Join(sets, ", ") + " FROM (SELECT *" + strings.Join(computed, "") + " FROM (" + source + ")) AS n WHERE t.rowid = n.lakeport_row"
}

// updatable finds the column that an assignment changes; keys and computed
// columns stay.
func (t *described) updatable(set syntax.Assignment, text string) (declared, error) {
	name := set.Column.Last()
	i := t.def.index(name)
	if i < 0 {
		return declared{}, unknownColumn(name, "'"+t.name.table+"'", text, set.Column.Start())
	}
	col := t.def.Columns[i]
	switch {
	case t.def.isKey(name) && t.def.upserts():
		return col, sqlerr.New(sqlerr.Invalid, "%s key column %s cannot be updated", strings.ToLower(t.def.Model), col.Name).WithPos(text, int(set.Column.Start()))
	case col.Generated != nil:
		return col, sqlerr.New(sqlerr.Invalid, "the generated column %s cannot be updated", col.Name).WithPos(text, int(set.Column.Start()))
	}
	return col, nil
}

func (c *session) delete(ctx context.Context, st *syntax.Delete, text string, w wire.ResultWriter) error {
	q, change, err := c.deleting(ctx, st, text)
	if err != nil {
		return err
	}
	affected, err := c.byRow(ctx, q, text, change)
	if err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: "DELETE", Affected: affected})
}

// deleting gives the query that finds the rows and the change that takes them.
func (c *session) deleting(ctx context.Context, st *syntax.Delete, text string) (*gathering, string, error) {
	t, err := c.target(ctx, st.Table, "DELETE", text)
	if err != nil {
		return nil, "", err
	}
	where, err := t.within(st.Partitions, text)
	if err != nil {
		return nil, "", err
	}
	if where != "" {
		where = "(" + where + ") AND "
	}
	as := c.rowAlias(st.Table, st.Alias)
	q := gather(st.With, as).from(c.spell(st.Table), as, st.Using, st.Where)
	return q, "DELETE FROM " + t.name.internal() + " WHERE " + where + "rowid IN (SELECT lakeport_row FROM " + stage + ")", nil
}

// rowAlias is the name under which the target's row is known in the statement.
func (c *session) rowAlias(table syntax.QualifiedName, alias *syntax.Ident) string {
	if alias != nil {
		return c.spell(syntax.QualifiedName{Parts: []syntax.Ident{*alias}})
	}
	return c.spell(syntax.QualifiedName{Parts: table.Parts[len(table.Parts)-1:]})
}

// gathering is the query that finds the rows to change, put together from the
// client's own pieces, whose places it knows.
type gathering struct {
	text   string
	pieces []piece
}

// piece is a part of the statement that stands at in the query.
type piece struct {
	at int
	syntax.Fragment
}

func (g *gathering) own(text string) *gathering {
	g.text += text
	return g
}

func (g *gathering) user(f syntax.Fragment) *gathering {
	g.pieces = append(g.pieces, piece{len(g.text), f})
	return g.own(f.Text)
}

// gather begins a gathering with the row's identity.
func gather(with syntax.Fragment, as string) *gathering {
	return new(gathering).user(with).own(" SELECT " + as + ".rowid AS lakeport_row")
}

func (g *gathering) from(table, as string, from, where syntax.Fragment) *gathering {
	g.own(" FROM " + table + " AS " + as)
	if !from.IsZero() {
		g.own(", ").user(from)
	}
	if !where.IsZero() {
		g.own(" WHERE ").user(where)
	}
	return g
}

// locate moves the position of an error in the query to the statement's text.
// A fault of what the client did not write has none.
func (g *gathering) locate(err error, text string) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok || e.Pos.Line == 0 {
		return err
	}
	moved := *e
	moved.Pos = sqlerr.Pos{}
	for _, p := range g.pieces {
		if by := e.Pos.Offset - p.at; by >= 0 && by < len(p.Text) {
			moved.Pos = sqlerr.At(text, int(p.Pos)+by)
		}
	}
	return &moved
}

// byRow runs a query into the stage and then the change that reads it, as one.
func (c *session) byRow(ctx context.Context, q *gathering, text, change string) (affected int64, err error) {
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return 0, q.locate(err, text)
	}
	defer p.close()
	err = c.atomically(ctx, func() error {
		for _, step := range []string{
			p.behind("CREATE OR REPLACE TEMP TABLE lakeport_stage AS "),
			change,
			"DROP TABLE " + stage,
		} {
			n, err := c.conn.Exec(ctx, step)
			if err != nil {
				return err
			}
			if step == change {
				affected = n
			}
		}
		return nil
	})
	return affected, q.locate(p.explain(ctx, err), text)
}

func (c *session) truncate(ctx context.Context, st *syntax.Truncate, text string, w wire.ResultWriter) error {
	t, err := c.target(ctx, st.Table, "TRUNCATE", text)
	if err != nil {
		return err
	}
	where, err := t.within(st.Partitions, text)
	if err != nil {
		return err
	}
	if len(st.Static) > 0 {
		if where, err = c.valued(ctx, t, st.Static, map[string]string{}, text); err != nil {
			return err
		}
	}
	if _, err := c.conn.Exec(ctx, "DELETE FROM "+t.name.internal()+only(where)); err != nil {
		return err
	}
	return ok(w, "TRUNCATE TABLE")
}
