package session

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// load is a way for a query's rows into an internal table.
type load struct {
	into      *described
	columns   []declared // that the query's columns fill, in order
	fixed     map[string]string
	where     string // the rows that belong, "" for all
	overwrite bool   // the rows that belong go first
	partial   bool   // other columns of a row that is there stay
}

func (c *session) insert(ctx context.Context, st *syntax.Insert, text string, w wire.ResultWriter) error {
	if n, err := c.name(st.Table); err == nil && n.catalog != catalog.Internal {
		return c.insertExternal(ctx, n, st, text, w)
	}
	l, err := c.prepareLoad(ctx, st, text)
	if err != nil {
		return err
	}
	q := insertQuery(st)
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return q.locate(err, text)
	}
	defer p.close()
	if st.ByName {
		if err := c.byName(ctx, &l, st, p, text); err != nil {
			return err
		}
	}
	label, release, err := c.labelled(ctx, l.into.name.database, st.Label, text)
	if err != nil {
		return err
	}
	defer release()
	var affected int64
	err = c.atomically(ctx, func() error {
		if affected, err = c.load(ctx, l, p); err != nil {
			return err
		}
		return c.record(ctx, label, affected)
	})
	if err != nil {
		return filtered(q.locate(p.explain(ctx, err), text))
	}
	return w.Done(wire.Done{Tag: "INSERT", Affected: affected, Info: fmt.Sprintf("{'label':'%s', 'status':'VISIBLE', 'txnId':'0'}", label.name)})
}

// prepareLoad reads everything but the query.
func (c *session) prepareLoad(ctx context.Context, st *syntax.Insert, text string) (load, error) {
	t, err := c.target(ctx, st.Table, "INSERT", text)
	if err != nil {
		return load{}, err
	}
	if len(st.Properties) > 0 {
		return load{}, sqlerr.New(sqlerr.Unsupported, "PROPERTIES of an INSERT into an internal table are not supported").WithPos(text, int(st.Properties[0].Key.Pos))
	}
	l := load{into: t, overwrite: st.Overwrite, fixed: map[string]string{}, partial: t.def.Model == "PRIMARY" && c.vars.on("enable_insert_partial_update")}
	if l.where, err = t.within(st.Partitions, text); err != nil {
		return l, err
	}
	if len(st.Static) > 0 {
		if l.where, err = c.valued(ctx, t, st.Static, l.fixed, text); err != nil {
			return l, err
		}
	}
	for _, col := range t.def.stored() {
		if _, given := l.fixed[col.Name]; !given {
			l.columns = append(l.columns, col)
		}
	}
	if len(st.Columns) > 0 {
		l.columns, err = t.listed(st.Columns, text)
	}
	return l, err
}

// insertQuery puts the CTEs before an INSERT before its query.
func insertQuery(st *syntax.Insert) *gathering {
	q := new(gathering)
	if st.With.IsZero() {
		return q.user(st.Query)
	}
	q.user(st.With).own(" ")
	if first, _, _ := strings.Cut(strings.TrimSpace(st.Query.Text), " "); strings.EqualFold(first, "WITH") {
		return q.own("SELECT * FROM (").user(st.Query).own("\n)")
	}
	return q.user(st.Query)
}

// listed finds the columns that a column list names.
func (t *described) listed(names []syntax.Ident, text string) ([]declared, error) {
	var out []declared
	for _, id := range names {
		i := t.def.index(id.Name)
		switch {
		case i < 0:
			return nil, unknownColumn(id.Name, "'"+t.name.table+"'", text, id.Pos)
		case t.def.Columns[i].Generated != nil:
			return nil, sqlerr.New(sqlerr.Invalid, "the value of the generated column %s cannot be given", id.Name).
				With(sqlerr.Code{MySQL: 3105, State: "HY000"}).WithPos(text, int(id.Pos))
		case slices.ContainsFunc(out, func(c declared) bool { return strings.EqualFold(c.Name, id.Name) }):
			return nil, sqlerr.New(sqlerr.Invalid, "Column '%s' specified twice", id.Name).With(sqlerr.Code{MySQL: 1110, State: "42000"}).WithPos(text, int(id.Pos))
		}
		out = append(out, t.def.Columns[i])
	}
	return out, nil
}

// byName takes the column list from the names of the query's columns.
func (c *session) byName(ctx context.Context, l *load, st *syntax.Insert, p *plan, text string) error {
	list, err := c.selected(ctx, p, nil, text)
	if err != nil {
		return err
	}
	names := make([]syntax.Ident, len(list))
	for i, col := range list {
		names[i] = syntax.Ident{Pos: st.Query.Pos, Name: col.Name}
	}
	l.columns, err = l.into.listed(names, text)
	return err
}

// valued reads PARTITION (c = literal, …): the rows that it names, and the
// values that all rows of the statement have.
func (c *session) valued(ctx context.Context, t *described, static []syntax.Assignment, fixed map[string]string, text string) (string, error) {
	var where []string
	for _, s := range static {
		i := t.def.index(s.Column.Last())
		switch {
		case i < 0:
			return "", unknownColumn(s.Column.Last(), "'"+t.name.table+"'", text, s.Column.Start())
		case !mentions(t.def.Partition, s.Column.Last()):
			return "", sqlerr.New(sqlerr.Invalid, "%s is no partition column of '%s'", s.Column.Last(), t.name.table).WithPos(text, int(s.Column.Start()))
		}
		col := t.def.Columns[i]
		value, literal := s.Value.Literal()
		if !literal {
			return "", sqlerr.New(sqlerr.Invalid, "the value of partition column %s must be a literal", col.Name).WithPos(text, int(s.Value.Pos))
		}
		sql := "CAST(" + lake.QuoteString(value) + " AS " + col.Engine + ")"
		if strings.EqualFold(s.Value.Text, "NULL") {
			sql = "CAST(NULL AS " + col.Engine + ")"
		}
		if why := c.misfit(ctx, declared{DefaultSQL: sql, Default: &value, Length: col.Length}); why != "" {
			return "", sqlerr.New(sqlerr.Invalid, "the value of partition column %s does not fit: %s", col.Name, why).WithPos(text, int(s.Value.Pos))
		}
		fixed[col.Name] = sql
		where = append(where, lake.QuoteName(col.Name)+" IS NOT DISTINCT FROM "+sql)
	}
	return strings.Join(where, " AND "), nil
}

// mentions tells whether a clause names a column.
func mentions(clause, column string) bool {
	toks, _ := syntax.Scan(clause, syntax.StarRocks) // it has been scanned before
	return slices.ContainsFunc(toks, func(t syntax.Token) bool {
		return (t.Kind == syntax.Word || t.Kind == syntax.Quoted) && strings.EqualFold(t.Value(), column)
	})
}

// load runs inside a transaction. Rows go straight into a table that only
// takes them; where they replace others, are computed on or checked, they are
// gathered first, so that the query sees the table as it was.
func (c *session) load(ctx context.Context, l load, p *plan) (int64, error) {
	d := l.into.def
	names := make([]string, len(l.columns))
	for i, col := range l.columns {
		names[i] = lake.QuoteName(col.Name)
	}
	list := strings.Join(names, ", ")
	target := l.into.name.internal()
	if !d.upserts() && !d.generates() && !l.overwrite && l.where == "" {
		return c.conn.Exec(ctx, p.behind("INSERT INTO "+target+" ("+list+") "))
	}
	if _, err := c.own(ctx, l.stage()); err != nil {
		return 0, err
	}
	affected, err := c.conn.Exec(ctx, p.behind("INSERT INTO "+stage+" ("+list+") "))
	if err != nil {
		return 0, err
	}
	if l.where != "" {
		outside, err := c.exists(ctx, "SELECT 1 FROM "+stage+" WHERE ("+l.where+") IS NOT TRUE")
		if err != nil {
			return 0, err
		}
		if outside {
			return 0, sqlerr.New(sqlerr.Invalid, "Insert has filtered data: a row does not belong to the named partitions").With(sqlerr.Filtered)
		}
	}
	for _, step := range append(l.steps(target), "DROP TABLE "+stage) {
		if _, err := c.own(ctx, step); err != nil {
			return 0, err
		}
	}
	return affected, nil
}

// own runs a statement that the client has not written: an error has no place
// in the client's text.
func (c *session) own(ctx context.Context, sql string) (int64, error) {
	n, err := c.conn.Exec(ctx, sql)
	return n, placeless(err)
}

// placeless is an error without its place.
func placeless(err error) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok || e.Pos.Line == 0 {
		return err
	}
	moved := *e
	moved.Pos = sqlerr.Pos{}
	return &moved
}

// stage spells the table that gathers the rows: the columns that are given
// values, with their defaults. Constraints wait for the target.
func (l *load) stage() string {
	var parts []string
	for _, col := range l.into.def.stored() {
		if sql, given := l.fixed[col.Name]; given {
			col.DefaultSQL = sql
		}
		col.NotNull, col.Length = false, 0
		parts = append(parts, col.sql())
	}
	return "CREATE OR REPLACE TEMP TABLE lakeport_stage (" + strings.Join(parts, ", ") + ")"
}

// steps carry the gathered rows into the target.
func (l *load) steps(target string) []string {
	d := l.into.def
	var steps []string
	if l.overwrite {
		steps = append(steps, "DELETE FROM "+target+only(l.where))
	}
	last := ""
	if d.upserts() {
		keys := make([]string, len(d.Keys))
		for i, k := range d.Keys {
			keys[i] = lake.QuoteName(k)
		}
		key := strings.Join(keys, ", ")
		if keep := l.kept(); len(keep) > 0 && l.partial {
			steps = append(steps, "UPDATE "+stage+" AS s SET "+strings.Join(keep, ", ")+" FROM "+target+" AS t WHERE "+sameKeys(keys))
		}
		steps = append(steps, "DELETE FROM "+target+" AS t WHERE EXISTS (SELECT 1 FROM "+stage+" AS s WHERE "+sameKeys(keys)+")")
		last = " QUALIFY row_number() OVER (PARTITION BY " + key + " ORDER BY rowid DESC) = 1"
	}
	var names, values []string
	for _, col := range d.Columns {
		name := lake.QuoteName(col.Name)
		names, values = append(names, name), append(values, name)
		if col.Generated != nil {
			values[len(values)-1] = "(" + col.Generated.SQL + ")"
		}
	}
	return append(steps, "INSERT INTO "+target+" ("+strings.Join(names, ", ")+") SELECT "+strings.Join(values, ", ")+" FROM "+stage+last)
}

// kept are the assignments that keep what the statement gives no value for.
func (l *load) kept() []string {
	var keep []string
	for _, col := range l.into.def.stored() {
		given := slices.ContainsFunc(l.columns, func(c declared) bool { return c.Name == col.Name })
		if _, fixed := l.fixed[col.Name]; !given && !fixed && !l.into.def.isKey(col.Name) {
			name := lake.QuoteName(col.Name)
			keep = append(keep, name+" = t."+name)
		}
	}
	return keep
}

func sameKeys(keys []string) string {
	same := make([]string, len(keys))
	for i, k := range keys {
		same[i] = "s." + k + " IS NOT DISTINCT FROM t." + k
	}
	return strings.Join(same, " AND ")
}

// only restricts a change to the rows of a condition, all if it is "".
func only(where string) string {
	if where == "" {
		return ""
	}
	return " WHERE " + where
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
	if why := refusedRow(err); why != "" {
		return (&sqlerr.Error{Kind: sqlerr.Invalid, Msg: "Insert has filtered data: " + why, Hint: e.Hint, Err: err}).With(sqlerr.Filtered)
	}
	return err
}

// refusedRow says which constraint a row does not meet, "" if err is no such.
func refusedRow(err error) string {
	if err == nil {
		return ""
	}
	if _, column, ok := strings.Cut(sqlerr.From(err).Msg, nullMark); ok {
		return "NULL value in non-nullable column '" + column + "'"
	}
	if _, value, ok := strings.Cut(sqlerr.From(err).Msg, valueMark); ok {
		return "a value does not fit into column " + value
	}
	if !sqlerr.Is(err, sqlerr.Conflict) {
		return ""
	}
	why := sqlerr.From(err).Msg
	if !strings.Contains(why, "onstraint") {
		return ""
	}
	if m := nullRefused.FindStringSubmatch(why); m != nil {
		return "NULL value in non-nullable column '" + m[1] + "'"
	}
	if m := longRefused.FindStringSubmatch(why); m != nil {
		return fmt.Sprintf("a value is longer than the %s bytes of column '%s'", m[2], strings.Trim(m[1], `"`))
	}
	if strings.Contains(strings.ToLower(why), "coalesce") {
		return "a row belongs to none of the table's partitions"
	}
	return why
}
