package engine_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

// TestQueriesComputeAsDocumented runs the cases of functions.txt, whose head
// tells their form, and of duckdb.txt in dialect/testdata.
func TestQueriesComputeAsDocumented(t *testing.T) {
	var text []byte
	for _, file := range []string{"functions.txt", "shapes.txt", "rows.txt", "duckdb.txt"} {
		b, err := os.ReadFile("../dialect/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	start := time.Now()
	db, err := engine.Open(engine.Options{Setup: dialect.Setup(), Functions: dialect.Functions(), Macros: dialect.Macros()})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("database ready after %v", time.Since(start))
	defer db.Close()
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Inspect(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), "SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		query, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " =>")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		want = strings.TrimPrefix(want, " ")
		got := answer(t, c, query)
		if part, isErr := strings.CutPrefix(want, "error: "); isErr && strings.HasPrefix(got, "error: ") && strings.Contains(got, part) {
			continue
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", query, got, want)
		}
	}
}

// answer gives the rows of an expression or query as functions.txt writes them.
func answer(t *testing.T, c *engine.Conn, query string) string {
	t.Helper()
	if !strings.HasPrefix(query, "select ") {
		query = "select " + query
	}
	r, err := dialect.Query(query, dialect.Options{})
	if err != nil {
		return "error: " + err.Error()
	}
	rows, err := c.Query(t.Context(), "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("+r.SQL+")")
	if err != nil {
		return "error: " + err.Error() + "\n" + r.SQL
	}
	defer rows.Close()
	var all []string
	for {
		chunk, err := rows.Next(t.Context())
		if err != nil {
			return "error: " + err.Error() + "\n" + r.SQL
		}
		if chunk == nil || chunk.Rows == 0 {
			return strings.Join(all, ";")
		}
		for i := range chunk.Rows {
			all = append(all, rowText(chunk, i))
		}
	}
}

func rowText(c *lake.Chunk, i int) string {
	cells := make([]string, len(c.Columns))
	for n := range c.Columns {
		v := &c.Columns[n]
		if cells[n] = "NULL"; !v.IsNull(i) {
			cells[n] = string(v.Data.([]lake.String)[i].Bytes())
		}
	}
	return strings.Join(cells, "|")
}

// BenchmarkSetup is how long after its start a server plans a query with
// StarRocks' functions.
func BenchmarkSetup(b *testing.B) {
	for b.Loop() {
		db, err := engine.Open(engine.Options{Setup: dialect.Setup(), Functions: dialect.Functions(), Macros: dialect.Macros()})
		if err != nil {
			b.Fatal(err)
		}
		c, err := db.Connect()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Inspect(b.Context(), "SELECT 1"); err != nil {
			b.Fatal(err)
		}
		c.Close()
		db.Close()
	}
}
