package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
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
func (c *session) target(ctx context.Context, q syntax.QualifiedName, what string) (*described, error) {
	n, err := c.name(q)
	if err == nil {
		err = onlyInternal(n.catalog, what)
	}
	if err != nil {
		return nil, err
	}
	if n.informationSchema() {
		return nil, sqlerr.New(sqlerr.Denied, "information_schema cannot be changed")
	}
	return c.describeInternal(ctx, n)
}

func (c *session) insert(ctx context.Context, st *syntax.Insert, text string, w wire.ResultWriter) error {
	refuse := func(what string, pos syntax.Pos) error {
		return sqlerr.New(sqlerr.Unsupported, "%s is not built yet", what).WithPos(text, int(pos))
	}
	switch {
	case !st.With.IsZero():
		return refuse("WITH before INSERT", st.With.Pos)
	case len(st.Static) > 0:
		return refuse("INSERT into partitions by value", st.Pos)
	case st.Label != nil:
		return refuse("INSERT WITH LABEL", st.Label.Pos)
	}
	t, err := c.target(ctx, st.Table, "INSERT")
	if err != nil {
		return err
	}
	names, err := t.insertColumns(st, text)
	if err != nil {
		return err
	}
	where, err := t.within(st.Partitions, text)
	if err != nil {
		return err
	}
	p, err := c.plan(ctx, st.Query, text)
	if err != nil {
		return err
	}
	defer p.close()
	var affected int64
	err = c.atomically(ctx, func() error {
		outside, err := c.outside(ctx, t, where)
		if err != nil {
			return err
		}
		if st.Overwrite {
			if _, err := c.conn.Exec(ctx, "DELETE FROM "+t.name.internal()+only(where)); err != nil {
				return err
			}
		}
		if t.def.upserts() {
			affected, err = c.upsert(ctx, t, names, st.ByName, p)
		} else {
			affected, err = c.conn.Exec(ctx, p.behind("INSERT INTO "+t.name.internal()+into(names, st.ByName)))
		}
		if err != nil {
			return err
		}
		if now, err := c.outside(ctx, t, where); err != nil || now != outside {
			return errors.Join(err, sqlerr.New(sqlerr.Invalid, "Insert has filtered data: a row does not belong to the named partitions").With(sqlerr.Filtered))
		}
		return nil
	})
	if err != nil {
		return filtered(p.explain(ctx, err))
	}
	return w.Done(wire.Done{Tag: "INSERT", Affected: affected, Info: insertInfo()})
}

// only restricts a change to the rows of a condition, all if it is "".
func only(where string) string {
	if where == "" {
		return ""
	}
	return " WHERE " + where
}

// outside counts the rows that a condition leaves out: an INSERT into named
// partitions may not add to them.
func (c *session) outside(ctx context.Context, t *described, where string) (int64, error) {
	if where == "" {
		return 0, nil
	}
	rows, err := c.conn.Query(ctx, "SELECT count(*) FROM "+t.name.internal()+" WHERE NOT ("+where+")")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil || chunk == nil {
		return 0, err
	}
	return chunk.Columns[0].Data.([]int64)[0], nil
}

// insertInfo is what StarRocks says of a finished INSERT.
func insertInfo() string {
	return fmt.Sprintf("{'label':'insert_%s', 'status':'VISIBLE', 'txnId':'0'}", strings.ToLower(rand.Text()[:16]))
}

// What the engine says of rows that do not fit.
var (
	nullRefused  = regexp.MustCompile(`NOT NULL constraint failed: .*\.(.+)$`)
	longRefused  = regexp.MustCompile(`CHECK\(\((?:strlen|octet_length)\((.+)\) <= (\d+)\)\)`)
	countRefused = regexp.MustCompile(`expected (\d+) columns? but (\d+) values?|has (\d+) columns? but (\d+) values?`)
)

// filtered words a refused row as StarRocks' strict mode does.
func filtered(err error) error {
	e := sqlerr.From(err)
	if m := countRefused.FindStringSubmatch(e.Msg); m != nil {
		return sqlerr.New(sqlerr.Invalid, "Inserted target column count: %s doesn't match select/value column count: %s", m[1]+m[3], m[2]+m[4]).With(sqlerr.ColumnCount)
	}
	if e.Kind != sqlerr.Conflict || !strings.Contains(e.Msg, "onstraint") {
		return err
	}
	why := e.Msg
	if m := nullRefused.FindStringSubmatch(why); m != nil {
		why = "NULL value in non-nullable column '" + m[1] + "'"
	} else if m := longRefused.FindStringSubmatch(why); m != nil {
		why = fmt.Sprintf("a value is longer than the %s bytes of column '%s'", m[2], strings.Trim(m[1], `"`))
	} else if strings.Contains(strings.ToLower(why), "coalesce") {
		why = "a row belongs to none of the table's partitions"
	}
	return (&sqlerr.Error{Kind: sqlerr.Invalid, Msg: "Insert has filtered data: " + why, Hint: e.Hint, Err: err}).With(sqlerr.Filtered)
}

func into(names []string, byName bool) string {
	if byName {
		return " BY NAME "
	}
	return " (" + strings.Join(names, ", ") + ") "
}

// insertColumns gives the quoted columns that an INSERT fills.
func (t *described) insertColumns(st *syntax.Insert, text string) ([]string, error) {
	known := map[string]string{}
	var all []string
	for _, col := range t.columns {
		quoted := lake.QuoteName(col.Name)
		known[strings.ToLower(col.Name)] = quoted
		all = append(all, quoted)
	}
	if len(st.Columns) == 0 {
		return all, nil
	}
	var names []string
	for _, id := range st.Columns {
		quoted, found := known[strings.ToLower(id.Name)]
		if !found {
			return nil, sqlerr.New(sqlerr.NotFound, "Unknown column '%s' in '%s'", id.Name, t.name.table).With(sqlerr.BadColumn).WithPos(text, int(id.Pos))
		}
		names = append(names, quoted)
	}
	return names, nil
}

// upsert gathers the rows, drops those of the table with the same keys, and
// inserts the last row of each key.
func (c *session) upsert(ctx context.Context, t *described, names []string, byName bool, p *plan) (int64, error) {
	keys := make([]string, len(t.def.Keys))
	for i, k := range t.def.Keys {
		keys[i] = lake.QuoteName(k)
	}
	key, list := strings.Join(keys, ", "), strings.Join(names, ", ")
	for _, k := range keys {
		if !strings.Contains(", "+strings.ToLower(list)+",", ", "+strings.ToLower(k)+",") {
			return 0, sqlerr.New(sqlerr.Invalid, "an INSERT into a table with a primary key must give the key column %s", k)
		}
	}
	var last int64
	for i, step := range []string{
		"CREATE OR REPLACE TEMP TABLE lakeport_stage AS SELECT " + list + " FROM " + t.name.internal() + " LIMIT 0",
		p.behind("INSERT INTO " + stage + into(names, byName)),
		"DELETE FROM " + t.name.internal() + " WHERE (" + key + ") IN (SELECT (" + key + ") FROM " + stage + ")",
		"INSERT INTO " + t.name.internal() + " (" + list + ") SELECT " + list + " FROM " + stage +
			" QUALIFY row_number() OVER (PARTITION BY " + key + " ORDER BY rowid DESC) = 1",
		"DROP TABLE " + stage,
	} {
		n, err := c.conn.Exec(ctx, step)
		if err != nil {
			return 0, err
		}
		if i == 1 {
			last = n
		}
	}
	return last, nil
}

// update gathers the new values by row, then writes them: the expressions may
// read any table, also external ones.
func (c *session) update(ctx context.Context, st *syntax.Update, text string, w wire.ResultWriter) error {
	t, err := c.target(ctx, st.Table, "UPDATE")
	if err != nil {
		return err
	}
	as := rowAlias(st.Table, st.Alias)
	q, sets := gather(st.With, as), []string{}
	for i, set := range st.Set {
		col, err := t.updatable(set, text)
		if err != nil {
			return err
		}
		q.own(", ").user(set.Value).own(fmt.Sprintf(" AS lakeport_%d", i))
		sets = append(sets, fmt.Sprintf("%s = s.lakeport_%d", lake.QuoteName(col), i))
	}
	q.from(st.Table, as, st.From, st.Where)
	affected, err := c.byRow(ctx, q, text, "UPDATE "+t.name.internal()+" AS t SET "+strings.Join(sets, ", ")+" FROM "+stage+" AS s WHERE t.rowid = s.lakeport_row")
	if err != nil {
		return filtered(err)
	}
	return w.Done(wire.Done{Tag: "UPDATE", Affected: affected})
}

// updatable finds the column that an assignment changes; keys stay.
func (t *described) updatable(set syntax.Assignment, text string) (string, error) {
	name := set.Column.Last()
	for _, col := range t.columns {
		if !strings.EqualFold(col.Name, name) {
			continue
		}
		if col.key && t.def.upserts() {
			return "", sqlerr.New(sqlerr.Invalid, "%s key column %s cannot be updated", strings.ToLower(t.def.Model), col.Name).WithPos(text, int(set.Column.Start()))
		}
		return col.Name, nil
	}
	return "", sqlerr.New(sqlerr.NotFound, "Unknown column '%s' in '%s'", name, t.name.table).With(sqlerr.BadColumn).WithPos(text, int(set.Column.Start()))
}

func (c *session) delete(ctx context.Context, st *syntax.Delete, text string, w wire.ResultWriter) error {
	t, err := c.target(ctx, st.Table, "DELETE")
	if err != nil {
		return err
	}
	where, err := t.within(st.Partitions, text)
	if err != nil {
		return err
	}
	if where != "" {
		where = "(" + where + ") AND "
	}
	as := rowAlias(st.Table, st.Alias)
	q := gather(st.With, as).from(st.Table, as, st.Using, st.Where)
	affected, err := c.byRow(ctx, q, text, "DELETE FROM "+t.name.internal()+" WHERE "+where+"rowid IN (SELECT lakeport_row FROM "+stage+")")
	if err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: "DELETE", Affected: affected})
}

// rowAlias is the name under which the target's row is known in the statement.
func rowAlias(table syntax.QualifiedName, alias *syntax.Ident) string {
	if alias != nil {
		return alias.String()
	}
	return table.Parts[len(table.Parts)-1].String()
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

func (g *gathering) from(table syntax.QualifiedName, as string, from, where syntax.Fragment) *gathering {
	g.own(" FROM " + table.String() + " AS " + as)
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
	if len(st.Static) > 0 {
		return sqlerr.New(sqlerr.Unsupported, "TRUNCATE of partitions by value is not built yet").WithPos(text, int(st.Pos))
	}
	t, err := c.target(ctx, st.Table, "TRUNCATE")
	if err != nil {
		return err
	}
	where, err := t.within(st.Partitions, text)
	if err != nil {
		return err
	}
	if _, err := c.conn.Exec(ctx, "DELETE FROM "+t.name.internal()+only(where)); err != nil {
		return err
	}
	return ok(w, "TRUNCATE TABLE")
}
