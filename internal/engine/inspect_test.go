package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lakeport/internal/sqlerr"
)

func openPlanner(t testing.TB) *Planner {
	t.Helper()
	p, err := NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// linesOf gives the lines of a file that are no comment.
func linesOf(t testing.TB, name string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(readFile(t, name)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "-- ") {
			list = append(list, line)
		}
	}
	return list
}

func tpchQueries(t testing.TB) []string {
	t.Helper()
	var list []string
	for q := range strings.SplitSeq(readFile(t, "tpch.sql"), ";\n") {
		if q = strings.TrimSpace(q); q != "" {
			list = append(list, q)
		}
	}
	if len(list) != 22 {
		t.Fatalf("%d queries", len(list))
	}
	return list
}

func TestRefusedTextsAreRefusedWithTheirReason(t *testing.T) {
	p := openPlanner(t)
	lines := linesOf(t, "refused.txt")
	for _, line := range lines {
		query, reason, ok := strings.Cut(line, " => ")
		if at := strings.LastIndex(line, " => "); ok {
			query, reason = line[:at], line[at+len(" => "):]
		}
		tree, err := p.Inspect(t.Context(), query)
		if err == nil {
			err = tree.Check()
		}
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s\n  got  %v\n  want %s", query, err, reason)
		}
	}
	if len(lines) < 60 {
		t.Errorf("only %d attempts", len(lines))
	}
}

func TestOrdinaryQueriesPass(t *testing.T) {
	p := openPlanner(t)
	for _, query := range append(linesOf(t, "queries.sql"), tpchQueries(t)...) {
		tree, err := p.Inspect(t.Context(), query)
		if err == nil {
			err = tree.Check()
		}
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// The golden file lists for each query the names that Inspect finds, each
// with its offset and its text.
func TestNamesStandWhereTheTextHasThem(t *testing.T) {
	p := openPlanner(t)
	queries := append(linesOf(t, "queries.sql"), tpchQueries(t)...)
	datadriven.RunTest(t, "testdata/names", func(t *testing.T, d *datadriven.TestData) string {
		var out bytes.Buffer
		for _, query := range queries {
			tree, err := p.Inspect(t.Context(), query)
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			head, _, _ := strings.Cut(query, "\n")
			fmt.Fprintf(&out, "%s\n", head)
			for _, n := range tree.Names {
				alias := ""
				if n.Alias != "" {
					alias = " as " + n.Alias
				}
				fmt.Fprintf(&out, "  %d: %s = %s%s\n", n.Offset, query[n.Offset:n.Offset+n.Length], strings.Join(n.Parts(), " . "), alias)
			}
		}
		return out.String()
	})
}

func TestReplaceKeepsQueriesMeaning(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE SCHEMA d")
	do(t, c, "CREATE TABLE d.t AS SELECT 1 AS a, 2 AS b")
	do(t, c, "CREATE TABLE real AS FROM d.t")
	do(t, c, "DROP TABLE d.t")
	for query, want := range map[string]string{
		"SELECT a FROM d.t":                                       "1",
		"SELECT t.a, d.t.b FROM d.t":                              "1 | 2",
		"SELECT default_catalog . d.t.b FROM default_catalog.d.t": "2",
		`SELECT "d"."t".b + d.t.a FROM d."t" WHERE D.T.a = 1`:     "3",
		"SELECT x.a FROM d.t AS x":                                "1",
		"SELECT x.z FROM d.t x(z)":                                "1",
		"TABLE d.t":                                               "1 | 2",
		"SELECT * FROM (TABLE d.t) s":                             "1 | 2",
		"FROM d.t":                                                "1 | 2",
		`SELECT*FROM"d"."t"`:                                      "1 | 2",
		`SELECT column_name FROM (DESCRIBE"d"."t")`:               "a\nb",
		"SELECT t.* FROM d.t":                                     "1 | 2",
		"SELECT p.a, q.b FROM d.t p JOIN d.t q ON p.a = q.a":      "1 | 2",
		"SELECT a FROM d.t TABLESAMPLE 100%":                      "1",
		"SELECT column_name FROM (DESCRIBE d.t)":                  "a\nb",
		"SELECT count(*) FROM (SUMMARIZE d.t)":                    "2",
		"PIVOT d.t ON a IN (1) USING sum(b)":                      "2",
		"SELECT (SELECT max(d.t.a) FROM d.t) FROM d.t":            "1",
	} {
		tree, err := c.Inspect(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var edits []Edit
		for _, n := range tree.Names {
			edits = append(edits, tree.Replace(n, "SELECT * FROM main.real")...)
		}
		if got := grid(t, c, Splice(query, edits)); got != want {
			t.Errorf("%s: got %s, want %s", Splice(query, edits), got, want)
		}
	}
}

func TestUnspliceFindsOffsetsInTheQuery(t *testing.T) {
	query := "SELECT a FROM x JOIN y ON b"
	edits := []Edit{{21, 1, "(SELECT 2) AS y"}, {14, 1, ""}, {14, 1, ""}, {9, 0, "!!"}}
	text := Splice(query, edits)
	if want := "SELECT a !!FROM  JOIN (SELECT 2) AS y ON b"; text != want {
		t.Fatalf("got %s, want %s", text, want)
	}
	for _, word := range []string{"SELECT a", "FROM", "JOIN", "ON b"} {
		if got, want := Unsplice(edits, strings.Index(text, word)), strings.Index(query, word); got != want {
			t.Errorf("%s: got %d, want %d", word, got, want)
		}
	}
	if got := Unsplice(edits, strings.Index(text, "2)")); got != 21 {
		t.Errorf("inside a replacement: got %d", got)
	}
}

// DuckDB itself is asked which of two tables a name means: the CTE that the
// scope rules of Inspect say, or the base table.
func TestScopesAgreeWithDuckDB(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TABLE x AS SELECT 'base' AS v")
	do(t, c, `CREATE TABLE "é" AS SELECT 'base' AS v`)
	for _, query := range []string{
		"SELECT v FROM x",
		"WITH x AS (SELECT 'cte' AS v) SELECT v FROM x",
		"WITH x AS (SELECT 'cte' AS v) SELECT v FROM main.x",
		"WITH X AS (SELECT 'cte' AS v) SELECT v FROM x",
		`WITH "É" AS (SELECT 'cte' AS v) SELECT v FROM "é"`,
		"WITH x AS (SELECT v FROM x) SELECT v FROM x",
		"WITH y AS (SELECT v FROM x), x AS (SELECT 'cte' AS v) SELECT v FROM y",
		"WITH x AS (SELECT 'cte' AS v), y AS (SELECT v FROM x) SELECT v FROM y",
		"WITH x AS (SELECT 'cte' AS v) SELECT (SELECT v FROM x)",
		"WITH x AS (SELECT 'cte' AS v) SELECT v FROM (SELECT * FROM x) s",
		"SELECT x.v FROM x, (WITH x AS (SELECT 'cte' AS v) SELECT 1 FROM (SELECT 1)) s",
		"WITH x AS (SELECT 'cte' AS v) SELECT v FROM (WITH x AS (SELECT * FROM x) SELECT * FROM x) s",
		"WITH RECURSIVE x AS (SELECT v FROM x UNION SELECT 'cte2' FROM x WHERE false) SELECT v FROM x",
		"WITH RECURSIVE x AS (SELECT v FROM x) SELECT v FROM x",
		"WITH RECURSIVE y AS (SELECT v FROM x), x AS (SELECT 'cte' AS v) SELECT v FROM y",
		"WITH RECURSIVE x AS (SELECT 'cte' AS v UNION ALL SELECT v FROM x WHERE false) SELECT v FROM x",
		"WITH x AS MATERIALIZED (SELECT 'cte' AS v) (SELECT v FROM x) UNION (SELECT v FROM x)",
		"SELECT v FROM x UNION SELECT * FROM (WITH x AS (SELECT 'base' AS v) SELECT v FROM x) s",
	} {
		tree, err := c.Inspect(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		rows, err := c.Query(t.Context(), query)
		if err != nil {
			t.Logf("%s: DuckDB refuses it: %v", query, err)
			continue
		}
		chunk, err := rows.Next(context.Background())
		if err != nil || chunk == nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		base := show(&chunk.Columns[0], 0) == "base"
		rows.Close()
		if base != (len(tree.Names) > 0) {
			t.Errorf("%s: DuckDB reads the base table: %v, Inspect names %v", query, base, tree.Names)
		}
	}
}

func TestSyntaxErrorsHaveTheirPlace(t *testing.T) {
	p := openPlanner(t)
	for query, want := range map[string]string{
		"SELECT 1\nFRM t":  `2:5: syntax error at or near "t"`,
		"SELECT 'é', (1 x": "syntax error",
		"SELECT 1\x00":     "1:9: the statement holds a NUL character",
		"":                 "expected one query, found 0",
	} {
		if _, err := p.Inspect(t.Context(), query); !sqlerr.Is(err, sqlerr.Syntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", query, err, want)
		}
	}
}

func TestAllowListKnowsEveryFunctionOfDuckDB(t *testing.T) {
	c := connect(t, openPlanner(t).db)
	for _, name := range strings.Split(grid(t, c, "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE internal AND function_type IN ('scalar', 'aggregate', 'macro') AND database_name = 'system'"), "\n") {
		_, refused := lists.refused[name]
		if refused == lists.scalar[name] {
			t.Errorf("function %s must be allowed or refused in functions.txt", name)
		}
	}
	for _, name := range strings.Split(grid(t, c, "SELECT DISTINCT view_name FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'"), "\n") {
		if !lists.views[name] {
			t.Errorf("system view %s must be in functions.txt", name)
		}
	}
}

func FuzzInspect(f *testing.F) {
	for _, q := range append(linesOf(f, "queries.sql"), tpchQueries(f)[1], "SELECT (((", "WITH a AS") {
		f.Add(q)
	}
	p := openPlanner(f)
	f.Fuzz(func(t *testing.T, query string) {
		tree, err := p.Inspect(context.Background(), query)
		if err != nil {
			return
		}
		tree.Check()
		var edits []Edit
		for _, n := range tree.Names {
			if n.quoted {
				continue
			}
			if n.Offset < 0 || n.Length <= 0 || n.Offset+n.Length > len(query) {
				t.Fatalf("name %+v lies outside the text", n)
			}
			edits = append(edits, Edit{n.Offset, n.Length, `"x"`})
		}
		if _, err := p.Inspect(context.Background(), Splice(query, edits)); err != nil {
			t.Fatalf("%q no longer parses when its names are replaced: %v", query, err)
		}
	})
}

// The tree comes from DuckDB, but a tree that is cut or bent must not panic.
func FuzzReadTree(f *testing.F) {
	p := openPlanner(f)
	p.with(func(d *desk) error {
		for _, q := range []string{"WITH x AS (SELECT 1) SELECT a.b, f(c) FROM t, range(3), x", "PIVOT t ON a IN (1) USING sum(b)"} {
			rows, err := d.parse.Query(context.Background(), q)
			raw, err := text(context.Background(), rows, err)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(q, raw)
		}
		return nil
	})
	f.Fuzz(func(t *testing.T, query string, raw []byte) {
		if tree, err := readTree(query, raw); err == nil {
			tree.Check()
		}
	})
}

func BenchmarkInspect(b *testing.B) {
	p := openPlanner(b)
	for name, query := range map[string]string{"small": "SELECT a FROM cat.db.t WHERE b = 1", "q9": tpchQueries(b)[8]} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				tree, err := p.Inspect(b.Context(), query)
				if err == nil {
					err = tree.Check()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
