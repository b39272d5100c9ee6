package session

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
	"lakeport/internal/wire/pg"
)

// typed is a statement of a PostgreSQL session: its text, cut at its $n. As for
// the other protocol, running it writes the arguments between the pieces.
type typed struct {
	c       *session
	pieces  []string
	params  []int       // between two pieces: the number of the parameter there, from 0
	types   []lake.Type // of the parameters; Invalid where the value decides
	columns []lake.Column
}

// PrepareTyped implements wire.TypedSession.
func (c *session) PrepareTyped(ctx context.Context, text string, given []lake.Type) (wire.Statement, error) {
	spans := syntax.Split(text, syntax.Redshift)
	switch len(spans) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, sqlerr.New(sqlerr.Syntax, "cannot insert multiple commands into a prepared statement").WithPos(text, spans[1].Pos)
	}
	one := text[spans[0].Pos:spans[0].End]
	st, err := syntax.ParseRedshift(one)
	if err != nil {
		return nil, shift(err, text, spans[0].Pos)
	}
	_, isCommit := st.(*syntax.Commit)
	_, isRollback := st.(*syntax.Rollback)
	if c.pg.failed && !isCommit && !isRollback {
		return nil, errAborted()
	}
	t, err := c.cutTyped(one, given)
	if err == nil {
		err = t.describe(ctx, st, one)
	}
	if err != nil {
		c.failing(err)
		return nil, shift(reworded(err), text, spans[0].Pos)
	}
	return t, nil
}

// cutTyped finds the parameters of a text.
func (c *session) cutTyped(text string, given []lake.Type) (*typed, error) {
	tokens, err := syntax.Scan(text, syntax.Redshift)
	if err != nil {
		return nil, err
	}
	t := &typed{c: c, types: slices.Clone(given)}
	from := 0
	for _, tok := range tokens {
		if tok.Kind != syntax.Param {
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(tok.Text, "$"))
		if err != nil || n < 1 || n > 65535 {
			return nil, sqlerr.New(sqlerr.Syntax, "expected a parameter such as $1, found '%s'", tok.Text).WithPos(text, tok.Pos)
		}
		for len(t.types) < n {
			t.types = append(t.types, lake.Type{})
		}
		t.pieces, t.params = append(t.pieces, text[from:tok.Pos]), append(t.params, n-1)
		from = tok.End
	}
	t.pieces = append(t.pieces, text[from:])
	return t, nil
}

// Params implements wire.Statement.
func (t *typed) Params() int { return len(t.types) }

// ParamTypes implements wire.TypedStatement.
func (t *typed) ParamTypes() []lake.Type { return t.types }

// Columns implements wire.Statement.
func (t *typed) Columns() []lake.Column { return t.columns }

// Close implements wire.Statement.
func (t *typed) Close() error { return nil }

// with writes something in the place of each parameter.
func (t *typed) with(spell func(n int) (string, error)) (string, error) {
	var b strings.Builder
	b.WriteString(t.pieces[0])
	for i, n := range t.params {
		s, err := spell(n)
		if err != nil {
			return "", err
		}
		b.WriteString(" " + s + " " + t.pieces[i+1])
	}
	return b.String(), nil
}

// Exec implements wire.Statement.
func (t *typed) Exec(ctx context.Context, args []any, w wire.ResultWriter) error {
	if len(args) != len(t.types) {
		return sqlerr.New(sqlerr.Invalid, "the statement has %d parameters, %d values were given", len(t.types), len(args))
	}
	text, err := t.with(func(n int) (string, error) {
		if args[n] == nil {
			return nullOf(t.types[n]), nil
		}
		value, _ := args[n].(string)
		s, err := typedLiteral(value, t.types[n])
		if err != nil {
			return "", fmt.Errorf("parameter $%d: %w", n+1, err)
		}
		return s, nil
	})
	if err != nil {
		t.c.failing(err)
		e := *sqlerr.From(err)
		e.Msg = err.Error()
		return &e
	}
	t.c.want = t.columns
	defer func() { t.c.want = nil }()
	return t.c.among(ctx, onePipeline, text, w)
}

func nullOf(t lake.Type) string {
	switch {
	case t.Kind == lake.Invalid:
		return "NULL"
	case t.Kind == lake.Decimal && t.Width == 0: // a numeric, whose value would decide
		return "CAST(NULL AS DECIMAL(38, 10))"
	}
	return "CAST(NULL AS " + t.String() + ")"
}

var plainNumber = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// integerBits are the kinds whose values must be whole numbers of a size.
var integerBits = map[lake.Kind]int{lake.TinyInt: 8, lake.SmallInt: 16, lake.Integer: 32, lake.BigInt: 64}

// typedLiteral spells a value, as PostgreSQL writes it, in the engine's SQL.
func typedLiteral(value string, t lake.Type) (string, error) {
	bad := func(what string) error {
		return sqlerr.New(sqlerr.Invalid, "invalid input syntax for type %s: \"%s\"", what, value).With(sqlerr.Code{State: "22P02"})
	}
	if bits, whole := integerBits[t.Kind]; whole {
		if _, err := strconv.ParseInt(strings.TrimSpace(value), 10, bits); err != nil {
			return "", bad(strings.ToLower(t.String()))
		}
	}
	switch t.Kind {
	case lake.Invalid:
		return lake.QuoteString(value), nil
	case lake.Decimal: // without a cast, whose scale would round
		if !plainNumber.MatchString(value) {
			return "", bad("numeric")
		}
		return "(" + value + ")", nil
	case lake.Blob:
		digits, isHex := strings.CutPrefix(value, `\x`)
		if !isHex {
			return "encode(" + lake.QuoteString(value) + ")", nil
		}
		if len(digits)%2 == 1 || strings.Trim(strings.ToLower(digits), "0123456789abcdef") != "" {
			return "", bad("bytea")
		}
		return "unhex('" + digits + "')", nil
	case lake.Interval:
		return "CAST(" + lake.QuoteString(strings.NewReplacer("mons", "months", "mon ", "month ").Replace(value)) + " AS INTERVAL)", nil
	case lake.List:
		return arrayLiteral(value, t, bad)
	}
	return "CAST(" + lake.QuoteString(value) + " AS " + t.String() + ")", nil
}

// arrayLiteral reads {a,"b c",NULL}.
func arrayLiteral(value string, t lake.Type, bad func(string) error) (string, error) {
	body, open := strings.CutPrefix(strings.TrimSpace(value), "{")
	body, shut := strings.CutSuffix(body, "}")
	if !open || !shut {
		return "", bad("array")
	}
	var items []string
	for len(body) > 0 {
		item, rest, quoted, err := arrayItem(body)
		if err != nil {
			return "", bad("array")
		}
		body = rest
		spelled := nullOf(*t.Elem)
		if quoted || !strings.EqualFold(item, "NULL") {
			if spelled, err = typedLiteral(item, *t.Elem); err != nil {
				return "", err
			}
		}
		items = append(items, spelled)
	}
	return "CAST([" + strings.Join(items, ", ") + "] AS " + t.String() + ")", nil
}

// arrayItem takes an element and the comma behind it off an array's text.
func arrayItem(s string) (item, rest string, quoted bool, err error) {
	var b strings.Builder
	i := 0
	inside := false
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			quoted = true
		case s[i] == '"':
			inside, quoted = !inside, true
		case !inside && s[i] == ',':
			return b.String(), s[i+1:], quoted, nil
		case !inside && (s[i] == '{' || s[i] == '}'):
			return "", "", false, sqlerr.New(sqlerr.Unsupported, "arrays of several dimensions are not built yet")
		default:
			b.WriteByte(s[i])
		}
	}
	if inside {
		return "", "", false, sqlerr.New(sqlerr.Invalid, "unterminated")
	}
	return b.String(), "", quoted, nil
}

// describe finds the types of parameters and columns without running anything.
func (t *typed) describe(ctx context.Context, st syntax.Statement, text string) error {
	switch st := st.(type) {
	case *syntax.Query:
		return t.describeQuery(ctx, text)
	case *syntax.Insert:
		return t.describeInsert(ctx, st, text)
	case *syntax.FetchCursor:
		cur, err := t.c.cursorOf(st.Name, text)
		if err == nil && !st.Move {
			t.columns = cur.columns
		}
		return err
	case *syntax.Update, *syntax.Delete:
		return t.describeChange(ctx, st, text)
	}
	if len(t.params) > 0 {
		return t.asText()
	}
	if !tells(st) {
		return nil
	}
	told := &heading{}
	if err := t.c.dispatch(ctx, text, st, told); err != nil && err != errTold {
		return err
	}
	t.columns = told.columns
	return nil
}

// tells lists the statements that give rows and change nothing.
func tells(st syntax.Statement) bool {
	switch st.(type) {
	case *syntax.ShowSetting, *syntax.Explain, *syntax.ShowCatalogs, *syntax.ShowCreateCatalog, *syntax.ShowAWSIdentity, *syntax.ShowDatabases,
		*syntax.ShowTables, *syntax.ShowColumns, *syntax.ShowCreate, *syntax.ShowPartitions, *syntax.Describe, *syntax.ShowWarnings, *syntax.Show,
		*syntax.ShowRepositories, *syntax.ShowBackup, *syntax.ShowSnapshot:
		return true
	}
	return false
}

// heading takes a result's columns and stops the statement.
type heading struct{ columns []lake.Column }

var errTold = sqlerr.New(sqlerr.Canceled, "the columns are known")

func (h *heading) Columns(cols []lake.Column) error {
	h.columns = append([]lake.Column{}, cols...)
	return errTold
}
func (h *heading) Chunk(*lake.Chunk) error { return errTold }
func (h *heading) Done(wire.Done) error    { return nil }

// asText has the parameters whose types nothing tells be text.
func (t *typed) asText() error {
	for i := range t.types {
		if t.types[i].Kind == lake.Invalid {
			t.types[i].Kind = lake.Varchar
		}
	}
	return nil
}

// describeQuery plans the query over empty tables.
func (t *typed) describeQuery(ctx context.Context, text string) error {
	params, cols, err := t.planned(ctx)
	if err != nil {
		return err
	}
	open := false
	for i := range t.types {
		if t.types[i].Kind != lake.Invalid {
			continue
		}
		if i < len(params) && params[i].Kind != lake.Invalid && params[i].Kind != lake.Null {
			t.types[i] = params[i]
			continue
		}
		t.types[i].Kind, open = lake.Varchar, true
	}
	if cols == nil && open {
		if _, cols, err = t.planned(ctx); err != nil {
			return err
		}
	}
	if t.columns = cols; cols == nil {
		t.columns = []lake.Column{}
	}
	return nil
}

// planned asks the planner; parameters of known types are cast to them.
func (t *typed) planned(ctx context.Context) ([]lake.Type, []lake.Column, error) {
	text, err := t.with(func(n int) (string, error) {
		if t.types[n].Kind == lake.Invalid {
			return "$" + strconv.Itoa(n+1), nil
		}
		return nullOf(t.types[n]), nil
	})
	if err != nil {
		return nil, nil, err
	}
	numbers := t.open()
	c := t.c
	q := syntax.Fragment{Text: text}
	o := c.dialect()
	o.Partitions = true // which have the columns of the whole table
	translated := c.translator(text, o)
	result, err := translated.run(nil, nil)
	if err != nil {
		return nil, nil, err
	}
	p := &plan{sql: result.SQL, source: result, text: text}
	tree, err := c.conn.Inspect(ctx, result.SQL)
	if err == nil {
		err = tree.Check(c.replaces)
	}
	if err != nil {
		return nil, nil, c.unplanned(ctx, p, q, err)
	}
	if p.source, tree, err = c.convert(ctx, p, translated, result, tree); err != nil {
		return nil, nil, p.explain(ctx, err)
	}
	p.sql = p.source.SQL
	if tree, err = c.expand(ctx, p, tree); err != nil {
		return nil, nil, err
	}
	uses, err := c.uses(ctx, p, tree)
	if err != nil {
		return nil, nil, err
	}
	stubs, edits, err := c.stubs(ctx, tree, uses)
	if err != nil {
		return nil, nil, err
	}
	found, cols, err := c.srv.planner.Describe(ctx, engine.Splice(p.sql, edits), stubs)
	if err != nil {
		p.edits = append(p.edits, edits)
		return nil, nil, p.locate(knownFunction(err))
	}
	params := make([]lake.Type, len(t.types))
	for i, n := range numbers {
		if i < len(found) {
			params[n] = found[i]
		}
	}
	return params, cols, nil
}

// open gives the numbers of the parameters without a type, in rising order: the
// engine counts those that are left.
func (t *typed) open() []int {
	var list []int
	for _, n := range t.params {
		if t.types[n].Kind == lake.Invalid && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// describeInsert gives parameters that stand alone in VALUES the types of their
// columns; all others go by the query.
func (t *typed) describeInsert(ctx context.Context, st *syntax.Insert, text string) error {
	l, err := t.c.prepareLoad(ctx, st, text)
	if err != nil {
		return err
	}
	target, names := l.into, make([]string, len(l.columns))
	for i, col := range l.columns {
		names[i] = lake.QuoteName(col.Name)
	}
	tokens, err := syntax.Scan(st.Query.Text, syntax.Redshift)
	if err != nil {
		return err
	}
	column, depth := 0, 0
	for i, tok := range tokens {
		switch {
		case tok.Is("("):
			if depth++; depth == 1 {
				column = 0
			}
		case tok.Is(")"):
			depth--
		case tok.Is(",") && depth == 1:
			column++
		case tok.Kind == syntax.Param && depth == 1 && column < len(names) && tokens[0].Is("VALUES") && !tok.Is("?") &&
			tokens[i-1].Kind == syntax.Op && (tokens[i-1].Is("(") || tokens[i-1].Is(",")) && (tokens[i+1].Is(")") || tokens[i+1].Is(",")):
			n, _ := strconv.Atoi(tok.Text[1:])
			if t.types[n-1].Kind == lake.Invalid {
				t.types[n-1] = target.typeOf(names[column])
			}
		}
	}
	return t.asText()
}

// typeOf is the type of a column by its quoted name.
func (t *described) typeOf(quoted string) lake.Type {
	for _, col := range t.columns {
		if lake.QuoteName(col.Name) == quoted {
			return col.Type
		}
	}
	return lake.Type{}
}

// describeChange has the parameters of UPDATE and DELETE take the types that the
// query gives them which finds the rows.
func (t *typed) describeChange(ctx context.Context, st syntax.Statement, text string) error {
	var q *gathering
	switch st := st.(type) {
	case *syntax.Update:
		target, err := t.c.target(ctx, st.Table, "UPDATE", text)
		if err != nil {
			return err
		}
		as := t.c.rowAlias(st.Table, st.Alias)
		q = gather(st.With, as)
		for _, set := range st.Set {
			if typ := target.typeOf(lake.QuoteName(set.Column.Last())); strings.HasPrefix(set.Value.Text, "$") && typ.Kind != lake.Invalid {
				if n, err := strconv.Atoi(set.Value.Text[1:]); err == nil && n <= len(t.types) && t.types[n-1].Kind == lake.Invalid {
					t.types[n-1] = typ
				}
			}
			q.own(", ").user(set.Value)
		}
		q.from(t.c.spell(st.Table), as, st.From, st.Where)
	case *syntax.Delete:
		as := t.c.rowAlias(st.Table, st.Alias)
		q = gather(st.With, as).from(t.c.spell(st.Table), as, st.Using, st.Where)
	}
	query, err := t.c.cutTyped(q.text, t.types)
	if err != nil {
		return err
	}
	if err := query.describeQuery(ctx, q.text); err != nil {
		return err
	}
	t.types = query.types
	return t.asText()
}

// statementLimit is how long a statement of a PostgreSQL session may run.
func (c *session) statementLimit() time.Duration {
	ms, _ := strconv.ParseInt(c.setting("statement_timeout"), 10, 64)
	return time.Duration(ms) * time.Millisecond
}

// promised wraps a query so that its columns have the types that the client was
// told; decimals of any scale are one type there. It gives "" if they have.
func promised(sql string, have, want []lake.Column) string {
	if want == nil || len(have) != len(want) || slices.EqualFunc(have, want, func(a, b lake.Column) bool { return pg.Describe(a.Type).OID == pg.Describe(b.Type).OID }) {
		return ""
	}
	names, list := make([]string, len(want)), make([]string, len(want))
	for i, col := range want {
		names[i] = "c" + strconv.Itoa(i)
		list[i] = "CAST(" + names[i] + " AS " + col.Type.String() + ") AS " + lake.QuoteName(col.Name)
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM (\n" + sql + "\n) AS q(" + strings.Join(names, ", ") + ")"
}

// replaces tells the names of pg_catalog, which the session replaces by its own.
func (c *session) replaces(ref engine.NameRef) bool {
	if c.pg == nil || ref.Catalog != "" && ref.Catalog != c.catalog && ref.Catalog != catalog.Internal {
		return false
	}
	if ref.Schema == "" {
		_, found := redshiftViews[ref.Table]
		return found
	}
	return ref.Schema == "pg_catalog"
}
