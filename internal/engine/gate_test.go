package engine

import (
	"context"
	"testing"
)

func TestGateCountsEachRowOnce(t *testing.T) {
	db, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := c.Exec(ctx, "CREATE TABLE t (i BIGINT)"); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"range(1, 100001) r(i)", "(SELECT * FROM range(1, 100001) r(i) ORDER BY random()) r"} {
		var g Gate
		where := g.Condition(ctx, "CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN false ELSE true END", "CASE WHEN i % 1000 = 7 THEN 'row ' || i END")
		n, err := c.Exec(ctx, "INSERT INTO t SELECT i FROM "+source+" WHERE "+where)
		if err != nil {
			t.Fatal(err)
		}
		if n != 79900 || g.Passed.Load() != n || g.Refused.Load() != 100 || g.Unselected.Load() != 20000 || len(g.Reasons()) != 100 {
			t.Errorf("%s: %d rows inserted, %d passed, %d refused, %d unselected, %d reasons", source, n, g.Passed.Load(), g.Refused.Load(), g.Unselected.Load(), len(g.Reasons()))
		}
	}
	var none Gate
	if n, err := c.Exec(ctx, "INSERT INTO t SELECT 1 WHERE "+none.Condition(ctx, "true", "NULL")); err != nil || n != 1 || none.Passed.Load() != 1 {
		t.Errorf("constants: %d, %v, %d passed", n, err, none.Passed.Load())
	}
	tree, err := c.Inspect(ctx, "SELECT lakeport_gate(1, true, NULL)")
	if err == nil {
		err = tree.Check()
	}
	if err == nil {
		t.Error("clients may call the gate")
	}
}
