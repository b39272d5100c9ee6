package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Stub stands for one table name of a query while it is planned. Name is a
// plain identifier in lower case; each place in the text that names a table
// has a stub of its own, so that each scan gets its own Need.
type Stub struct {
	Name   string
	Schema lake.Schema
}

// Needs tells for each stub, in order, which columns and which filters the
// scan in its place will have. Every table that query names must be a stub,
// internal ones too, and args are those that the query will run with. A filter
// that is not understood is absent; columns read only by filters are among the
// columns. Where a table is scanned several times (a CTE used twice), columns
// are the union and filters the intersection. A stub that the optimizer drops
// has no columns and no filters.
//
// The query is only planned: it is as safe as its text is, and its errors are
// those that running it would give.
func (p *Planner) Needs(ctx context.Context, query string, stubs []Stub, args ...any) ([]lake.Need, error) {
	var plan []byte
	err := p.with(func(d *desk) error {
		return d.over(stubs, func() error {
			const explain = "EXPLAIN (FORMAT JSON) "
			rows, err := d.conn.Query(ctx, explain+query, args...)
			plan, err = text(ctx, rows, err)
			return unshift(err, query, len(explain))
		})
	})
	if err != nil {
		return nil, err
	}
	return readPlan(plan, stubs)
}

// create makes the stub in the connection's own temporary schema.
func (s Stub) create() string {
	columns := make([]string, len(s.Schema.Columns))
	for i, c := range s.Schema.Columns {
		typ := c.Type
		if typ.Kind == lake.Invalid { // of a type that cannot be read: the table's Plan refuses it
			typ.Kind = lake.Varchar
		}
		columns[i] = lake.QuoteName(c.Name) + " " + typ.String()
	}
	return "CREATE TEMP TABLE " + lake.QuoteName(s.Name) + " (" + strings.Join(columns, ", ") + ")"
}

// unshift moves the position of err from the text that ran to query, which
// began at by in it.
func unshift(err error, query string, by int) error {
	if e, ok := err.(*sqlerr.Error); ok && e.Pos.Line > 0 {
		e.WithPos(query, e.Pos.Offset-by)
	}
	return err
}

// step is one operator of a plan.
type step struct {
	Children []step                     `json:"children"`
	Info     map[string]json.RawMessage `json:"extra_info"`
}

// list is a value of extra_info, which is a list or, of one, the bare text.
func (s *step) list(key string) []string {
	raw, ok := s.Info[key]
	if !ok {
		return nil
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	var one string
	if json.Unmarshal(raw, &one) != nil || one == "" {
		return nil
	}
	return []string{one}
}

// readPlan collects the needs of all scans.
func readPlan(plan []byte, stubs []Stub) ([]lake.Need, error) {
	var steps []step
	if err := json.Unmarshal(plan, &steps); err != nil {
		return nil, &sqlerr.Error{Kind: sqlerr.Internal, Msg: "read the plan of the query: its JSON is broken", Err: err}
	}
	needs := make([]lake.Need, len(stubs))
	seen := make([]bool, len(stubs))
	for i := range needs {
		needs[i].Columns = []string{}
	}
	var visit func([]step)
	visit = func(list []step) {
		for i := range list {
			s := &list[i]
			if n := stubOf(s, stubs); n >= 0 {
				need := s.need(stubs[n].Schema)
				if seen[n] {
					need = merge(needs[n], need)
				}
				needs[n], seen[n] = need, true
			}
			visit(s.Children)
		}
	}
	visit(steps)
	return needs, nil
}

// stubOf is the index of the stub that s scans, or -1.
func stubOf(s *step, stubs []Stub) int {
	table := s.list("Table")
	if len(table) != 1 {
		return -1
	}
	name := strings.Trim(table[0][strings.LastIndexByte(table[0], '.')+1:], `"`)
	return slices.IndexFunc(stubs, func(b Stub) bool { return b.Name == name })
}

// need reads one scan.
func (s *step) need(schema lake.Schema) lake.Need {
	n := lake.Need{Columns: []string{}}
	plain := true
	for _, c := range schema.Columns {
		plain = plain && printsPlainly(c.Name)
	}
	filters := s.list("Filters")
	if !plain {
		// Printed filters could be misread; reading all is always right.
		return lake.Need{}
	}
	for _, p := range s.list("Projections") {
		name, _, _ := strings.Cut(p, ".") // e.x reads e
		if !has(schema, name) {
			return lake.Need{Filters: understand(filters, schema)}
		}
		n.Columns = add(n.Columns, name)
	}
	for _, f := range filters {
		for _, name := range mentioned(f, schema) {
			n.Columns = add(n.Columns, name)
		}
	}
	n.Filters = understand(filters, schema)
	return n
}

func has(schema lake.Schema, name string) bool {
	return slices.ContainsFunc(schema.Columns, func(c lake.Column) bool { return c.Name == name })
}

// merge is the need of two scans of one stub.
func merge(a, b lake.Need) lake.Need {
	var n lake.Need
	if a.Columns != nil && b.Columns != nil {
		n.Columns = slices.Clone(a.Columns)
		for _, c := range b.Columns {
			n.Columns = add(n.Columns, c)
		}
	}
	for _, f := range a.Filters {
		if slices.ContainsFunc(b.Filters, func(g lake.Filter) bool {
			return f.Column == g.Column && f.Op == g.Op && slices.Equal(f.Values, g.Values)
		}) {
			n.Filters = append(n.Filters, f)
		}
	}
	return n
}

func add(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}
