package session

import (
	"context"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// explain answers EXPLAIN with the engine's plan as lines of one column. Of a
// statement that changes rows it is the plan of the query that finds them.
func (c *session) explain(ctx context.Context, st *syntax.Explain, text string, w wire.ResultWriter) error {
	if st.Mode == "ACCESS" {
		return c.explainAccess(ctx, st.Statement, text, w)
	}
	verb := "EXPLAIN "
	if st.Mode == "ANALYZE" {
		verb = "EXPLAIN ANALYZE "
		if _, reads := st.Statement.(*syntax.Query); !reads {
			return sqlerr.New(sqlerr.Unsupported, "EXPLAIN ANALYZE of a statement that changes something is not supported").WithPos(text, int(st.Statement.Start()))
		}
	}
	q, head, err := c.explained(ctx, st.Statement, text)
	if err != nil {
		return err
	}
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return q.locate(err, text)
	}
	defer p.close()
	rows, err := c.conn.Query(ctx, p.behind(verb))
	if err != nil {
		return q.locate(p.explain(ctx, err), text)
	}
	defer rows.Close()
	heading := "Explain String"
	if c.pg != nil {
		heading = "QUERY PLAN"
	}
	r := relation{columns: []lake.Column{{Name: heading, Type: lake.Type{Kind: lake.Varchar}}}}
	if head != "" {
		r.add(head)
	}
	for {
		chunk, err := rows.Next(ctx)
		if err != nil {
			return q.locate(p.explain(ctx, err), text)
		}
		if chunk == nil {
			break
		}
		for i := range chunk.Rows {
			r.addLines(chunk.Columns[len(chunk.Columns)-1].Text(i))
		}
	}
	rows.Close()
	return c.stream(ctx, r.query(), w)
}

// explained gives the query of a statement and a line that says what becomes
// of its rows.
func (c *session) explained(ctx context.Context, st syntax.Statement, text string) (q *gathering, head string, err error) {
	switch st := st.(type) {
	case *syntax.Query:
		return new(gathering).user(st.Fragment), "", nil
	case *syntax.Insert:
		l, err := c.prepareLoad(ctx, st, text)
		if err != nil {
			return nil, "", err
		}
		return insertQuery(st), "INSERT INTO " + l.into.name.String(), nil
	case *syntax.Update:
		q, _, err := c.updating(ctx, st, text)
		return q, "UPDATE " + st.Table.String(), err
	case *syntax.Delete:
		q, _, err := c.deleting(ctx, st, text)
		return q, "DELETE FROM " + st.Table.String(), err
	case *syntax.CreateTable:
		if !st.Query.IsZero() {
			n, err := c.name(st.Table)
			if err == nil {
				err = c.creatable(ctx, n, st, text)
			}
			return new(gathering).user(st.Query), "CREATE TABLE " + st.Table.String(), err
		}
	}
	return nil, "", sqlerr.New(sqlerr.Unsupported, "EXPLAIN of this statement is not supported").WithPos(text, int(st.Start())).
		WithHint("a query, INSERT, UPDATE, DELETE and CREATE TABLE … AS can be explained")
}
