package engine

import (
	"context"
	"testing"

	"lakeport/internal/lake"
)

func TestIntegerDivisionIsOfOneConnection(t *testing.T) {
	ctx := context.Background()
	db, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, on := range []bool{true, false} {
		c, err := db.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if on {
			err = c.SetIntegerDivision(true)
		}
		if err != nil {
			t.Fatal(err)
		}
		rows, err := c.Query(ctx, "SELECT 5 / 2")
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]lake.Kind{true: lake.Integer, false: lake.Double}[on]
		if got := rows.Columns()[0].Type.Kind; got != want {
			t.Errorf("switched %t: got kind %d, want %d", on, got, want)
		}
		rows.Close()
		_, cols, err := db.Planner().Describe(ctx, "SELECT 5 / 2", on, nil)
		if err != nil || cols[0].Type.Kind != want {
			t.Errorf("switched %t: described as %v, %v; want kind %d", on, cols, err, want)
		}
	}
}

func TestDescribeTellsParameters(t *testing.T) {
	p, err := NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stub := Stub{Name: "s", Schema: lake.Schema{Columns: []lake.Column{{Name: "d", Type: lake.Type{Kind: lake.Date}}}}}
	params, cols, err := p.Describe(context.Background(), "SELECT d FROM s WHERE d > $1 LIMIT $2", false, []Stub{stub})
	if err != nil {
		t.Fatal(err)
	}
	if len(params) != 2 || params[0].Kind != lake.Date || len(cols) != 1 {
		t.Errorf("got %v and %v", params, cols)
	}
	params, cols, err = p.Describe(context.Background(), "SELECT $1", false, nil)
	if err != nil || len(params) != 1 || params[0].Kind != lake.Invalid || cols != nil {
		t.Errorf("of an open parameter: got %v, %v, %v", params, cols, err)
	}
}
