package hive

import (
	"testing"

	"lakeport/internal/lake"
)

// A row group is skipped only if no value between its bounds can match.
func TestRowGroupsAreSkippedOnlyIfNoValueMatches(t *testing.T) {
	for _, c := range []struct {
		typ, filter, low, high string
		want                   bool
	}{
		{"int", "v = 5", "6", "9", true}, {"int", "v = 5", "1", "4", true}, {"int", "v = 5", "5", "9", false}, {"int", "v = 5", "1", "5", false},
		{"int", "v < 5", "5", "9", true}, {"int", "v < 5", "4", "9", false}, {"int", "v <= 5", "6", "9", true}, {"int", "v <= 5", "5", "9", false},
		{"int", "v > 5", "1", "5", true}, {"int", "v > 5", "1", "6", false}, {"int", "v >= 5", "1", "4", true}, {"int", "v >= 5", "1", "5", false},
		{"int", "v <> 5", "5", "5", true}, {"int", "v <> 5", "5", "6", false},
		{"int", "v IN 1,9", "2", "8", true}, {"int", "v IN 1,5", "2", "8", false}, {"int", "v IN 1,x", "2", "8", false},
		{"bigint", "v = 10", "9", "11", false}, {"bigint", "v = 2", "10", "11", true},
		{"int", "v IS NULL", "1", "2", false}, {"int", "v IS NOT NULL", "1", "2", false}, {"int", "w = 5", "6", "9", false},
		{"string", "v = b", "c", "d", true}, {"string", "v > b", "a", "bb", false}, {"string", "v = é", "a", "z", true},
		{"date", "v = 2024-02-29", "2024-03-01", "2024-03-02", true}, {"date", "v >= 2024-02-29", "2024-01-01", "2024-02-29", false},
		{"timestamp", "v > 2024-02-29 12:00:00", "2024-02-29 01:02:03.5", "2024-02-29 11:59:59", true},
		{"timestamp", "v = 2024-02-29", "2024-02-28", "2024-02-29", false},
		{"decimal(9,2)", "v = 1.5", "2", "3", true}, {"float", "v = 1.5", "2", "3", false}, {"double", "v = 1.5", "2", "3", true},
		{"int", "v = 5", "x", "y", false}, {"boolean", "v = true", "false", "false", true},
	} {
		w := newWorld("parquet", "v "+c.typ, "")
		scan, err := w.plan(t, lake.Need{Filters: filters(c.filter)})
		if err != nil {
			t.Fatal(err)
		}
		if got := scan.Skip("V", c.low, c.high); got != c.want {
			t.Errorf("%s %s between %s and %s: skipped is %v", c.typ, c.filter, c.low, c.high, got)
		}
	}
}
