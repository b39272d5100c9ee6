package session

import (
	"cmp"
	"context"
	"fmt"

	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

// translator translates one text by the rules of its dialect, with what is known
// of the tables that it names and of its quotients.
type translator struct {
	run      func([]dialect.Table, *dialect.Quotients) (dialect.Result, error)
	quotient func(a, b lake.Type) (dialect.Quotient, bool)
}

func starrocks(text string, o dialect.Options) translator {
	return translator{func(tables []dialect.Table, q *dialect.Quotients) (dialect.Result, error) {
		o.Tables, o.Quotients = tables, q
		return dialect.Query(text, o)
	}, dialect.QuotientOf}
}

func redshift(text string, o dialect.RedshiftOptions) translator {
	return translator{func(tables []dialect.Table, q *dialect.Quotients) (dialect.Result, error) {
		o.Tables, o.Quotients = tables, q
		return dialect.Redshift(text, o)
	}, dialect.RedshiftQuotient}
}

// translator is that of a text in the session's own dialect, with o if that is
// StarRocks'.
func (c *session) translator(text string, o dialect.Options) translator {
	if c.pg != nil {
		return redshift(text, c.redshiftOptions())
	}
	return starrocks(text, o)
}

// convert translates a query again with the types of its tables' columns, where
// they may change what values of different types become when they meet, and
// with those of the operands of its quotients.
func (c *session) convert(ctx context.Context, p *plan, t translator, r dialect.Result, tree *engine.Tree) (dialect.Result, *engine.Tree, error) {
	if !r.Typed {
		return r, tree, nil
	}
	tables := []dialect.Table{}
	for _, ref := range tree.Names {
		_, columns, err := c.columnsOf(ctx, p, ref)
		if err != nil {
			return r, tree, err
		}
		tables = append(tables, dialect.Table{Name: cmp.Or(ref.Alias, ref.Table), Columns: columns})
	}
	typed, err := t.run(tables, nil)
	if err == nil && typed.Divides {
		typed, err = t.run(tables, c.quotients(ctx, p, t, tables))
	}
	if err != nil || typed.SQL == r.SQL {
		return r, tree, nil
	}
	again, err := c.conn.Inspect(ctx, typed.SQL)
	if err == nil {
		err = again.Check(c.replaces)
	}
	return typed, again, err
}

// maxNestedQuotients bounds how deep quotients stand in each other; of those
// outside the engine decides.
const maxNestedQuotients = 24

// quotients tells the types of a query's quotients: the engine binds it with a
// function in the place of each. An operand may be a quotient itself, so that it
// is asked until nothing new comes out. Of a query that cannot be bound nothing
// is known: running it tells why.
func (c *session) quotients(ctx context.Context, p *plan, t translator, tables []dialect.Table) *dialect.Quotients {
	q := &dialect.Quotients{Ask: engine.OperandsFunction, Known: map[int]dialect.Quotient{}}
	for range maxNestedQuotients {
		types, err := c.operands(ctx, p, t, tables, q)
		if err != nil {
			return nil
		}
		before := len(q.Known)
		for number, of := range types {
			if known, ok := t.quotient(of[0], of[1]); ok {
				q.Known[number] = known
			}
		}
		if len(q.Known) == before {
			break
		}
	}
	q.Ask = ""
	return q
}

// operands tells the types that the engine is asked for in a query.
func (c *session) operands(ctx context.Context, p *plan, t translator, tables []dialect.Table, q *dialect.Quotients) (map[int][2]lake.Type, error) {
	asking, err := t.run(tables, q)
	if err != nil {
		return nil, err
	}
	tree, err := c.conn.Inspect(ctx, asking.SQL)
	if err != nil {
		return nil, err
	}
	stubs, edits := make([]engine.Stub, len(tree.Names)), []engine.Edit{}
	for i, ref := range tree.Names {
		n, columns, err := c.columnsOf(ctx, p, ref)
		if err != nil {
			return nil, err
		}
		stubs[i] = engine.Stub{Name: fmt.Sprintf("scan_%d", i), Schema: lake.Schema{Columns: columns}}
		edits = append(edits, tree.Replace(use{ref: ref, name: n}.whole(), "SELECT * FROM "+stubs[i].Name)...)
	}
	return c.srv.planner.Operands(ctx, engine.Splice(asking.SQL, edits), stubs)
}

// columnsOf gives the full name and the columns of the table or view that a name
// means.
func (c *session) columnsOf(ctx context.Context, p *plan, ref engine.NameRef) (tableName, []lake.Column, error) {
	n, def, err := c.viewOf(ctx, ref)
	if err != nil {
		return n, nil, err
	}
	if def == nil {
		u, err := c.findOnce(ctx, p, ref)
		if err != nil {
			return n, nil, err
		}
		if n = u.name; u.table != nil {
			return n, u.table.Schema().Columns, nil
		}
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return n, nil, err
	}
	return n, t.lakeColumns(), nil
}
