package engine_test

import (
	"fmt"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

// TestOperandsTellsTypes asks for the types of operands wherever an expression
// may stand.
func TestOperandsTellsTypes(t *testing.T) {
	p, err := engine.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	price := lake.Type{Kind: lake.Decimal, Width: 10, Scale: 2}
	stubs := []engine.Stub{{Name: "s", Schema: lake.Schema{Columns: []lake.Column{
		{Name: "price", Type: price}, {Name: "n", Type: lake.Type{Kind: lake.Integer}}, {Name: "f", Type: lake.Type{Kind: lake.Double}},
	}}}}
	ask := func(n int, a, b string) string {
		return fmt.Sprintf("%s(%d, typeof(%s), typeof(%s))", engine.OperandsFunction, n, a, b)
	}
	for _, c := range []struct{ query, want string }{
		{"SELECT " + ask(7, "price", "n") + ", " + ask(9, "f", "7") + " FROM s", "map[7:[DECIMAL(10,2) INTEGER] 9:[DOUBLE INTEGER]]"},
		{"SELECT " + ask(1, "sum(price)", "count(*)") + " FROM s GROUP BY n HAVING " + ask(2, "max(price)", "2.5") + " > 1", "map[1:[DECIMAL(38,2) BIGINT] 2:[DECIMAL(10,2) DECIMAL(2,1)]]"},
		{"WITH w AS (SELECT price * price p FROM s) SELECT (SELECT max(" + ask(1, "p", "n") + ") FROM w) FROM s", "map[1:[DECIMAL(18,4) INTEGER]]"},
		{"SELECT " + ask(1, ask(2, "price", "n"), "price") + " FROM s", "map[1:[DOUBLE DECIMAL(10,2)] 2:[DECIMAL(10,2) INTEGER]]"},
		{"SELECT " + ask(1, "(SELECT max(price) FROM s)", "EXISTS (FROM s)"), "map[1:[DECIMAL(10,2) BOOLEAN]]"},
		{"SELECT " + ask(1, "NULL", "[1]") + ", " + ask(2, "'x'", "CAST(? AS DECIMAL(5, 1))") + ", " + ask(3, "?", "1"), "map[1:[\"NULL\" INVALID] 2:[VARCHAR DECIMAL(5,1)] 3:[INVALID INTEGER]]"},
		{"SELECT " + ask(1, "price", "n") + " FROM s WHERE " + ask(1, "f", "n") + " > 1", "map[1:[INVALID INVALID]]"},
		{"SELECT " + ask(1, "1.5", "2") + ", n FROM s GROUP BY 1, 2 ORDER BY " + ask(1, "1.5", "2"), "map[1:[DECIMAL(2,1) INTEGER]]"},
	} {
		types, err := p.Operands(t.Context(), c.query, stubs)
		if got := fmt.Sprint(types); err != nil || got != c.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.query, got, err, c.want)
		}
	}
	if _, err := p.Operands(t.Context(), "SELECT "+ask(1, "nosuch", "2")+" FROM s", stubs); err == nil {
		t.Error("a query that cannot be bound told types")
	}
}

func BenchmarkOperands(b *testing.B) {
	p, err := engine.NewPlanner()
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	stubs := []engine.Stub{{Name: "s", Schema: lake.Schema{Columns: []lake.Column{{Name: "price", Type: lake.Type{Kind: lake.Decimal, Width: 10, Scale: 2}}}}}}
	for b.Loop() {
		if _, err := p.Operands(b.Context(), "SELECT "+engine.OperandsFunction+"(1, typeof(price), typeof(2)) FROM s", stubs); err != nil {
			b.Fatal(err)
		}
	}
}
