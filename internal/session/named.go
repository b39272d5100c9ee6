package session

import (
	"context"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// A PostgreSQL session's PREPARE and EXECUTE are the protocol's prepared
// statements under names of their own (Redshift's Database Developer Guide,
// "PREPARE"). They outlive transactions.

func (c *session) prepareNamed(ctx context.Context, st *syntax.PrepareAs, text string, w wire.ResultWriter) error {
	if _, taken := c.pg.named[st.Name.Name]; taken {
		return sqlerr.New(sqlerr.Exists, "prepared statement \"%s\" already exists", st.Name.Name).With(sqlerr.Code{State: "42P05"}).WithPos(text, int(st.Name.Pos))
	}
	types := make([]lake.Type, len(st.Types))
	for i, t := range st.Types {
		var err error
		if types[i], _, err = columnType(t); err != nil {
			return sqlerr.From(err).WithPos(text, int(t.Pos))
		}
	}
	s, err := c.PrepareTyped(ctx, st.Statement.Text, types)
	if err != nil {
		return shift(err, text, int(st.Statement.Pos))
	}
	if c.pg.named == nil {
		c.pg.named = map[string]wire.Statement{}
	}
	c.pg.named[st.Name.Name] = s
	return ok(w, "PREPARE")
}

func (c *session) namedStatement(name syntax.Ident, text string) (wire.Statement, error) {
	s, found := c.pg.named[name.Name]
	if !found {
		return nil, sqlerr.New(sqlerr.NotFound, "prepared statement \"%s\" does not exist", name.Name).With(sqlerr.Code{State: "26000"}).WithPos(text, int(name.Pos))
	}
	return s, nil
}

func (c *session) executeNamed(ctx context.Context, st *syntax.ExecuteWith, text string, w wire.ResultWriter) error {
	s, err := c.namedStatement(st.Name, text)
	if err != nil {
		return err
	}
	if len(st.Args) != s.Params() {
		return sqlerr.New(sqlerr.Invalid, "prepared statement \"%s\" has %d parameters, %d values were given", st.Name.Name, s.Params(), len(st.Args)).WithPos(text, int(st.Name.Pos))
	}
	args := make([]any, len(st.Args))
	for i, a := range st.Args {
		if args[i], err = c.valueOf(ctx, a, text); err != nil {
			return err
		}
	}
	return s.Exec(ctx, args, w)
}

// valueOf computes an expression without tables, as text; nil for NULL.
func (c *session) valueOf(ctx context.Context, expr syntax.Fragment, text string) (any, error) {
	result, err := c.translate(expr, text)
	if err != nil {
		return nil, err
	}
	sql := "SELECT CAST((" + result.SQL + ") AS VARCHAR)"
	tree, err := c.conn.Inspect(ctx, sql)
	if err == nil {
		err = tree.Check()
	}
	if err == nil && len(tree.Names) > 0 {
		err = sqlerr.New(sqlerr.Unsupported, "a value of EXECUTE reads no tables")
	}
	if err != nil {
		return nil, sqlerr.From(err).WithPos(text, int(expr.Pos))
	}
	rows, err := c.conn.Query(ctx, sql)
	if err != nil {
		return nil, sqlerr.From(err).WithPos(text, int(expr.Pos))
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil || chunk == nil || chunk.Columns[0].IsNull(0) {
		return nil, err
	}
	return string(chunk.Columns[0].Strings()[0].Bytes()), nil
}
