package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// relation is a small table made in the process: the answer of a SHOW, or a
// view of information_schema. A value is nil, a string, an int, an int64,
// a bool or a list of int.
type relation struct {
	columns []lake.Column
	rows    [][]any
}

// columns of text, except those whose name ends in a hash, which are numbers:
// "Field", "Ordinal#".
func columns(names ...string) []lake.Column {
	list := make([]lake.Column, len(names))
	for i, n := range names {
		name, number := strings.CutSuffix(n, "#")
		list[i] = lake.Column{Name: name, Type: lake.Type{Kind: lake.Varchar}}
		if number {
			list[i].Type.Kind = lake.BigInt
		}
	}
	return list
}

func (r *relation) add(values ...any) { r.rows = append(r.rows, values) }

func (r *relation) addLines(text string) {
	for line := range strings.Lines(text) {
		r.add(strings.TrimRight(line, "\n"))
	}
}

// query spells the relation as SQL.
func (r *relation) query() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, col := range r.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("CAST(c" + strconv.Itoa(i) + " AS " + col.Type.String() + ") AS " + lake.QuoteName(col.Name))
	}
	b.WriteString(" FROM (VALUES ")
	for i, row := range r.rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(tuple(row, len(r.columns)))
	}
	if len(r.rows) == 0 {
		b.WriteString(tuple(nil, len(r.columns)))
	}
	b.WriteString(") AS t(")
	for i := range r.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("c" + strconv.Itoa(i))
	}
	b.WriteString(")")
	if len(r.rows) == 0 {
		b.WriteString(" WHERE false")
	}
	return b.String()
}

// tuple spells one row; missing values are NULL.
func tuple(row []any, width int) string {
	out := make([]string, width)
	for i := range out {
		out[i] = "NULL"
		if i >= len(row) {
			continue
		}
		switch v := row[i].(type) {
		case string:
			// The engine takes no statement that holds a NUL character.
			out[i] = strings.ReplaceAll(lake.QuoteString(v), "\x00", "' || chr(0) || '")
		case int:
			out[i] = strconv.Itoa(v)
		case int64:
			out[i] = strconv.FormatInt(v, 10)
		case bool:
			out[i] = strconv.FormatBool(v)
		case []int:
			out[i] = strings.ReplaceAll(fmt.Sprint(v), " ", ", ")
		}
	}
	return "(" + strings.Join(out, ", ") + ")"
}

// answer sends the relation after LIKE (on column like), WHERE, ORDER BY and
// LIMIT of a SHOW. The engine evaluates them: they may use the whole language.
func (c *session) answer(ctx context.Context, r relation, like string, f syntax.Filter, text string, w wire.ResultWriter) error {
	sql := "SELECT * FROM (" + r.query() + ") AS answer"
	if f.Like != nil {
		sql += " WHERE " + lake.QuoteName(like) + " ILIKE " + lake.QuoteString(f.Like.Value) + ` ESCAPE '\'`
	}
	for _, clause := range []struct {
		words string
		part  syntax.Fragment
	}{{" WHERE ", f.Where}, {" ORDER BY ", f.OrderBy}, {" LIMIT ", f.Limit}} {
		if clause.part.IsZero() {
			continue
		}
		part, err := c.condition(ctx, clause.words, clause.part, text)
		if err != nil {
			return err
		}
		sql += clause.words + part
	}
	return c.stream(ctx, sql, w)
}

// condition translates a clause of a SHOW, or an expression that stands alone,
// and checks that a client may run it.
func (c *session) condition(ctx context.Context, words string, part syntax.Fragment, text string) (string, error) {
	const head = "SELECT 1"
	res, err := c.rewrite(head+words+part.Text, false)
	if err != nil {
		return "", shift(err, text, int(part.Pos)-len(head+words))
	}
	tree, err := c.conn.Inspect(ctx, res.SQL)
	if err == nil {
		err = tree.Check()
	}
	if err != nil {
		p := plan{source: res, text: text, offset: int(part.Pos) - len(head+words)}
		return "", p.locate(err)
	}
	if len(tree.Names) > 0 {
		return "", sqlerr.New(sqlerr.Unsupported, "this expression cannot read tables").WithPos(text, int(part.Pos))
	}
	return strings.TrimPrefix(res.SQL, head+words), nil
}
