package engine

import (
	"context"
	"testing"

	"lakeport/internal/lake"
)

func TestDescribeTellsParameters(t *testing.T) {
	p, err := NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stub := Stub{Name: "s", Schema: lake.Schema{Columns: []lake.Column{{Name: "d", Type: lake.Type{Kind: lake.Date}}}}}
	params, cols, err := p.Describe(context.Background(), "SELECT d FROM s WHERE d > $1 LIMIT $2", []Stub{stub})
	if err != nil {
		t.Fatal(err)
	}
	if len(params) != 2 || params[0].Kind != lake.Date || len(cols) != 1 {
		t.Errorf("got %v and %v", params, cols)
	}
	params, cols, err = p.Describe(context.Background(), "SELECT $1", nil)
	if err != nil || len(params) != 1 || params[0].Kind != lake.Invalid || cols != nil {
		t.Errorf("of an open parameter: got %v, %v, %v", params, cols, err)
	}
}
