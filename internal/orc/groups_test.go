package orc_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/orc"
)

// condition is a filter and the same in SQL.
type condition struct {
	sql    string
	filter lake.Filter
}

func comparison(column string, op lake.Op, values ...string) condition {
	c := condition{filter: lake.Filter{Column: column, Op: op, Values: values}}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	c.sql = `"` + column + `" ` + string(op)
	switch {
	case op == lake.In:
		c.sql += " (" + strings.Join(quoted, ", ") + ")"
	case len(quoted) > 0:
		c.sql += " " + quoted[0]
	}
	return c
}

// column reads all values of a query's only column as text.
func column(t *testing.T, c *engine.Conn, sql string) (list []string) {
	t.Helper()
	rows, err := c.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if chunk == nil {
			return list
		}
		for i := range chunk.Rows {
			list = append(list, chunk.Columns[0].Text(i))
		}
	}
}

// TestPrunedRowsAreThoseOfTheWholeFile compares, for conditions on values that
// stand in a file and beside them, the rows that the engine finds in what is left
// of it with those that it finds in all of it.
func TestPrunedRowsAreThoseOfTheWholeFile(t *testing.T) {
	files, err := filepath.Glob("testdata/*.orc")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	others, err := filepath.Glob(fixtures + "/*.orc")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, others...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := openFile(t, path)
			if err != nil || f.Rows() > 100000 { // refused, as another test tells, or long
				return
			}
			t.Parallel()
			most := 12 // conditions of several hundred, which would take minutes
			if strings.HasPrefix(filepath.Base(path), "groups") {
				most = 40
			}
			c := connect(t)
			all, err := whole(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Exec(t.Context(), "CREATE TABLE whole AS SELECT * FROM "+engine.Offer(t.Context(), all)); err != nil {
				t.Fatal(err)
			}
			list := conditions(t, c, f)
			for i := 0; i < len(list); i += 1 + len(list)/most {
				where := list[i]
				var filters []orc.Filter
				var sql []string
				for _, x := range where {
					at := slices.IndexFunc(f.Columns(), func(c orc.Column) bool { return c.Name == x.filter.Column })
					filters = append(filters, orc.Filter{Filter: x.filter, Column: at, Type: f.Columns()[at].Type})
					sql = append(sql, x.sql)
				}
				left, err := whole(f, filters...)
				if err != nil {
					t.Fatal(err)
				}
				const digest = "SELECT count(*) || ' ' || coalesce(sum(hash(q)), 0) FROM %s q WHERE %s"
				text := strings.Join(sql, " AND ")
				got, want := one(t, c, fmt.Sprintf(digest, engine.Offer(t.Context(), left), text)), one(t, c, fmt.Sprintf(digest, "whole", text))
				if got != want {
					t.Errorf("WHERE %s: got %s, want %s", text, got, want)
				}
			}
		})
	}
}

// conditions are some on each column of a file that compares, and pairs of them.
func conditions(t *testing.T, c *engine.Conn, f *orc.File) (list [][]condition) {
	for _, col := range f.Columns() {
		switch col.Type.Kind {
		case lake.Invalid, lake.List, lake.Map, lake.Struct, lake.Blob:
			continue
		}
		name := `"` + col.Name + `"`
		values := column(t, c, fmt.Sprintf("SELECT CAST(%s AS VARCHAR) FROM whole WHERE %[1]s IS NOT NULL QUALIFY row_number() OVER () %% greatest(1, count(*) OVER () // 3) = 0 LIMIT 4", name))
		values = append(values, column(t, c, "SELECT CAST(x AS VARCHAR) FROM (SELECT unnest([min("+name+"), max("+name+")]) x FROM whole) WHERE x IS NOT NULL")...)
		for i, v := range values {
			ops := []lake.Op{lake.Eq, lake.Less, lake.LessEq, lake.Greater, lake.GreaterEq, lake.NotEq}
			list = append(list, []condition{comparison(col.Name, lake.Eq, v)}, []condition{comparison(col.Name, ops[1+i%5], v)})
			list = append(list, []condition{comparison(col.Name, lake.In, v, values[(i+1)%len(values)])})
			if col.Type.Kind == lake.Varchar {
				list = append(list, []condition{comparison(col.Name, lake.Eq, v+"!")})
			}
		}
		if len(values) > 1 {
			list = append(list, []condition{comparison(col.Name, lake.GreaterEq, values[0]), comparison(col.Name, lake.Less, values[1])})
		}
		list = append(list, []condition{comparison(col.Name, lake.IsNull)}, []condition{comparison(col.Name, lake.IsNotNull)})
	}
	for i := range list {
		if i%7 == 0 {
			list = append(list, append(slices.Clone(list[i]), list[(i*5+3)%len(list)]...))
		}
	}
	return list
}

// TestOnlyRowGroupsThatMayMatchAreFetched counts the bytes and rows that are left
// of all columns of a file, by statistics and by Bloom filters, which alone can
// tell that a number between others is not there.
func TestOnlyRowGroupsThatMayMatchAreFetched(t *testing.T) {
	const all = 110 // with the index, and the tail beside it
	for _, x := range []struct {
		file   string
		groups int // of the file
		where  condition
		rows   int // row groups that are read
		most   int // of a hundred bytes of the file
	}{
		{"groups_java_zlib.orc", 6, comparison("id", lake.IsNotNull), 6, all},
		{"groups_java_zlib.orc", 6, comparison("id", lake.Eq, "1500"), 1, 65},
		{"groups_java_none.orc", 6, comparison("id", lake.Eq, "1500"), 1, 65},
		{"groups_java_none.orc", 6, comparison("id", lake.In, "1500", "4001"), 2, 80},
		{"groups_java_zlib.orc", 6, comparison("day", lake.Greater, "2000-01-01"), 1, 50},
		{"groups_java_zlib.orc", 6, comparison("txt", lake.Eq, "the text of row 4000"), 1, 60},
		{"groups_java_none.orc", 6, comparison("txt", lake.Eq, "the text of row 3999"), 0, 20},
		{"groups_java_zlib.orc", 6, comparison("d", lake.Eq, "500.0625"), 0, 35},
		{"groups_java_zlib.orc", 6, comparison("day", lake.Eq, "1950-01-03"), 0, 35},
		{"groups_zstd.orc", 7, comparison("id", lake.Less, "500"), 1, all}, // in chunks of 64 KiB
		{"groups_uncompressed.orc", 7, comparison("id", lake.GreaterEq, "3000"), 1, 50},
		{"groups_uncompressed.orc", 7, comparison("ts", lake.Less, "1969-12-01"), 2, 80},
		{"groups_uncompressed.orc", 7, comparison("d", lake.Eq, "300.1875"), 0, 30},
		{"groups_uncompressed.orc", 7, comparison("day", lake.Eq, "1950-01-03"), 0, 30},
		{"groups_zstd.orc", 7, comparison("txt", lake.Eq, "the text of row 2997"), 0, 35},
	} {
		b, err := os.ReadFile("testdata/" + x.file)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		fetched := 0
		source := memory(x.file, b)
		inner := source.Read
		source.Read = func(ctx context.Context, off, n int64) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			fetched += int(n)
			return inner(ctx, off, n)
		}
		f, err := orc.Open(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(f.Columns(), func(c orc.Column) bool { return c.Name == x.where.filter.Column })
		feed, err := whole(f, orc.Filter{Filter: x.where.filter, Column: at, Type: f.Columns()[at].Type})
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		groups := map[int64]bool{}
		stride := int64(500)
		if strings.Contains(x.file, "java") {
			stride = 1000
		}
		err = each(t.Context(), feed, func(c *lake.Chunk, row int) error {
			rows++
			groups[c.Columns[0].Data.([]int64)[row]/stride] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(groups) != x.rows || fetched*100 > len(b)*x.most {
			t.Errorf("%s WHERE %s reads %d rows of %d groups of %d, %d bytes of %d", x.file, x.where.sql, rows, len(groups), x.groups, fetched, len(b))
		}
		t.Logf("%s WHERE %s: %d groups of %d, %d bytes of %d", x.file, x.where.sql, len(groups), x.groups, fetched, len(b))
	}
}
