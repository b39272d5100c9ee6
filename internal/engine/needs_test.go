package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// stubSchemas reads CREATE TABLE statements by running them.
func stubSchemas(t testing.TB, ddl string) map[string]lake.Schema {
	t.Helper()
	c := memory(t)
	schemas := map[string]lake.Schema{}
	for stmt := range strings.SplitSeq(strings.TrimSpace(ddl), ";\n") {
		do(t, c, stmt)
		name := strings.Fields(stmt)[2]
		s, err := c.Prepare(t.Context(), "SELECT * FROM "+name)
		if err != nil {
			t.Fatal(err)
		}
		schemas[name] = lake.Schema{Columns: s.Columns()}
		s.Close()
	}
	return schemas
}

// plan replaces every name of query by a stub of its own and asks for needs.
func plan(ctx context.Context, p *Planner, query string, schemas map[string]lake.Schema, args ...any) ([]NameRef, []lake.Need, error) {
	tree, err := p.Inspect(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	var stubs []Stub
	var edits []Edit
	for i, n := range tree.Names {
		stub := fmt.Sprintf("stub_%d", i)
		stubs = append(stubs, Stub{stub, schemas[n.Table]})
		edits = append(edits, tree.Replace(n, "SELECT * FROM "+stub)...)
	}
	needs, err := p.Needs(ctx, Splice(query, edits), stubs, args...)
	return tree.Names, needs, err
}

func printNeeds(names []NameRef, needs []lake.Need) string {
	var b bytes.Buffer
	for i, n := range needs {
		columns := "all"
		if n.Columns != nil {
			columns = strings.Join(n.Columns, " ")
		}
		fmt.Fprintf(&b, "%s: %s\n", names[i].Table, columns)
		for _, f := range n.Filters {
			fmt.Fprintf(&b, "  %s %s %q\n", f.Column, f.Op, f.Values)
		}
	}
	return b.String()
}

const needsSchema = `CREATE TABLE t (a INTEGER, b VARCHAR, c DATE, d DECIMAL(10,2), e STRUCT(x INTEGER), p VARCHAR, ts TIMESTAMP, bo BOOLEAN, big BIGINT, f DOUBLE, tz TIMESTAMPTZ, l INTEGER[], j JSON, h HUGEINT, u UUID, bl BLOB, "two words" INTEGER, en ENUM('x', 'y'));
CREATE TABLE u (k INTEGER, v VARCHAR, p VARCHAR);
CREATE TABLE odd ("a=1 AND b" INTEGER, b INTEGER);
`

func TestNeeds(t *testing.T) {
	p := openPlanner(t)
	schemas := stubSchemas(t, needsSchema)
	datadriven.RunTest(t, "testdata/needs", func(t *testing.T, d *datadriven.TestData) string {
		names, needs, err := plan(t.Context(), p, d.Input, schemas)
		if err != nil {
			return err.Error() + "\n"
		}
		return printNeeds(names, needs)
	})
}

func TestNeedsOfTPCH(t *testing.T) {
	p := openPlanner(t)
	schemas := stubSchemas(t, readFile(t, "tpch_schema.sql"))
	datadriven.RunTest(t, "testdata/needs_tpch", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		for i, query := range tpchQueries(t) {
			names, needs, err := plan(t.Context(), p, query, schemas)
			if err != nil {
				t.Fatalf("query %d: %v", i+1, err)
			}
			fmt.Fprintf(&out, "-- %d\n%s", i+1, printNeeds(names, needs))
		}
		return out.String()
	})
}

func TestNeedsSeeArguments(t *testing.T) {
	p := openPlanner(t)
	names, needs, err := plan(t.Context(), p, "SELECT a FROM t WHERE p = ? AND a > ?", stubSchemas(t, needsSchema), "x", 5)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := printNeeds(names, needs), "t: a p\n  a > [\"5\"]\n  p = [\"x\"]\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNeedsLeaveNoStubs(t *testing.T) {
	p := openPlanner(t)
	schemas := stubSchemas(t, needsSchema)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				query := fmt.Sprintf("SELECT a FROM t JOIN u ON a = k WHERE a = %d", i)
				if i == 0 {
					query = "SELECT nosuch FROM t"
				}
				_, needs, err := plan(t.Context(), p, query, schemas)
				if i == 0 {
					if !sqlerr.Is(err, sqlerr.NotFound) {
						t.Errorf("got %v", err)
					}
				} else if err != nil || needs[0].Filters[0].Values[0] != fmt.Sprint(i) {
					t.Errorf("got %v, %v", needs, err)
				}
			}
		})
	}
	wg.Wait()
	if got := grid(t, connect(t, p.db), "SELECT count(*) FROM duckdb_tables()"); got != "0" {
		t.Errorf("%s stubs are left", got)
	}
}

func TestMacrosOfSetupWorkInQueriesAndPlans(t *testing.T) {
	setup, macros := []string{"ATTACH ':memory:' AS macros"}, []string{"CREATE MACRO macros.main.twice(x) AS 2 * x"}
	db := openDB(t, Options{Setup: setup, Macros: macros})
	if _, err := connect(t, db).Inspect(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	if got := grid(t, connect(t, db), "SELECT macros.main.twice(3)"); got != "6" {
		t.Errorf("got %s", got)
	}
	names, needs, err := plan(t.Context(), db.Planner(), "SELECT macros.main.twice(a) FROM t WHERE p = 'x'", stubSchemas(t, needsSchema))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := printNeeds(names, needs), "t: a p\n  p = [\"x\"]\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := Open(Options{Setup: []string{"CREATE MACRO broken("}}); !sqlerr.Is(err, sqlerr.Syntax) {
		t.Errorf("a broken script: %v", err)
	}
	broken := openDB(t, Options{Macros: []string{"CREATE MACRO broken("}})
	if _, err := connect(t, broken).Inspect(t.Context(), "SELECT 1"); !sqlerr.Is(err, sqlerr.Syntax) {
		t.Errorf("a broken function: %v", err)
	}
}

func TestNeedsErrorsHaveTheirPlaceInTheQuery(t *testing.T) {
	p := openPlanner(t)
	_, err := p.Needs(t.Context(), "SELECT nosuch FROM s", []Stub{{"s", lake.Schema{Columns: []lake.Column{{Name: "a", Type: lake.Type{Kind: lake.Integer}}}}}})
	if err == nil || !strings.HasPrefix(err.Error(), `1:8: Referenced column "nosuch" not found`) {
		t.Errorf("got %v", err)
	}
}

func TestPrintedFiltersAreReadOnlyWhenCertain(t *testing.T) {
	schema := stubSchemas(t, needsSchema)["t"]
	for text, want := range map[string]string{
		"a>5":                                  "[{a > [5]}]",
		"a=7 AND optional: a>3 OR a<1":         "[{a = [7]}]",
		"a>1 AND a<2 OR a=5":                   "[]",
		"optional: p='a' OR p='b'":             "[{p IN [a b]}]",
		"a!=3 AND optional: a=1 OR a=2":        "[{a <> [3]} {a IN [1 2]}]",
		"optional: a=1 OR p='b'":               "[]",
		"a=1 OR a=2":                           "[{a IN [1 2]}]",
		"((a = 1) OR (a = 2))":                 "[{a IN [1 2]}]",
		"((a = 1) OR (b = 'x'))":               "[]",
		"(((a >= 3) AND (a <= 5)) OR (a = 9))": "[]",
		"a>1 AND optional: a=1 OR a=2 AND a=3": "[{a > [1]}]",
		"(CAST(c AS TIMESTAMP) >= '2023-12-29 00:00:00'::TIMESTAMP)": "[{c >= [2023-12-29]}]",
		"(CAST(c AS TIMESTAMP) >= '2023-12-29 00:00:01'::TIMESTAMP)": "[]",
		"(CAST(a AS TIMESTAMP) >= '2023-12-29 00:00:00'::TIMESTAMP)": "[]",
		"optional: a>3 OR a<1":                "[]",
		"a>1 OR a<0 AND optional: a=1":        "[]",
		"b='x OR y' AND b!='z AND w'":         "[{b = [x OR y]} {b <> [z AND w]}]",
		"b='it''s'":                           "[{b = [it's]}]",
		"b='open":                             "[]",
		"b IN ('x, y', 'z')":                  "[{b IN [x, y z]}]",
		"b IN ('x', NULL)":                    "[]",
		"b IN ()":                             "[]",
		"(p IS NOT NULL)":                     "[{p IS NOT NULL []}]",
		"p IS NULL":                           "[{p IS NULL []}]",
		"bo":                                  "[{bo = [true]}]",
		"(NOT bo)":                            "[{bo = [false]}]",
		"big=5":                               "[{big = [5]}]",
		"f>=-1.5e-10":                         "[{f >= [-1.5e-10]}]",
		"f>nan":                               "[]",
		"c>='2020-01-01'::DATE":               "[{c >= [2020-01-01]}]",
		"ts<'2020-01-01 00:00:00'::TIMESTAMP": "[{ts < [2020-01-01 00:00:00]}]",
		"a=b":                                 "[]",
		"a>5 ":                                "[]",
		"a=1, 2":                              "[]",
		"e.x=4":                               "[]",
		"(CAST(a AS VARCHAR) = '5')":          "[]",
		"(a + 1 = 5)":                         "[]",
		"two words=3":                         "[{two words = [3]}]",
		"Dynamic Filter (a)":                  "[]",
		"":                                    "[]",
		"(a)=(5)":                             "[]",
		"((a = 1) AND (a = 2))":               "[{a = [1]} {a = [2]}]",
	} {
		if got := fmt.Sprint(understand([]string{text}, schema)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// Whatever a query asks, a row that it wants must pass every filter of the
// Need: else pruning by it would lose rows.
func TestFiltersNeverDropAWantedRow(t *testing.T) {
	db := openDB(t, Options{})
	c := connect(t, db)
	const ddl = "CREATE TABLE w (a INTEGER, p VARCHAR, d DATE, f DOUBLE, b BOOLEAN, n DECIMAL(6,2), ts TIMESTAMP)"
	schemas := stubSchemas(t, ddl)
	do(t, c, ddl)
	do(t, c, `INSERT INTO w SELECT a, p, d, f, b, n, ts
		FROM (VALUES (0), (1), (2), (5), (NULL)) r(a), (VALUES ('x'), ('y'), ('it''s OR a'), (NULL)) s(p),
		(VALUES (DATE '2024-02-29'), (DATE '2024-03-01'), (NULL)) u(d), (VALUES (-1.5::DOUBLE), ('nan'), (2)) v(f),
		(VALUES (true), (false), (NULL)) w(b), (VALUES (1.5), (NULL)) x(n), (VALUES (TIMESTAMP '2024-03-01 12:00:00'), (TIMESTAMP '2024-03-01 00:00:00')) y(ts)`)
	atoms := []string{
		"a = 1", "a > 1", "a <= 2", "a <> 5", "a IN (0, 5)", "a NOT IN (1, 2)", "a BETWEEN 1 AND 3", "a + 1 = 2", "a IS NULL", "a IS NOT NULL",
		"p = 'x'", "p IN ('x', 'it''s OR a')", "p LIKE 'it%'", "p <> 'y'", "p < 'y'", "upper(p) = 'X'", "p IS NULL", "p IS DISTINCT FROM 'x'",
		"d = DATE '2024-02-29'", "d > DATE '2024-03-02' - INTERVAL 2 DAY", "d <= TIMESTAMP '2024-02-29 12:00:00'", "d < '2024-03-01'", "year(d) = 2024",
		"f > 0", "f < 1e10", "f = 'nan'::DOUBLE", "b", "NOT b", "b IS NOT NULL", "b = false", "n = 1.5", "n > 1", "n < 1.55", "ts > DATE '2024-03-01'", "ts = '2024-03-01'",
		"d = ts", "a = n", "a > f",
	}
	random := rand.New(rand.NewPCG(1, 2))
	var predicate func(depth int) string
	predicate = func(depth int) string {
		if depth == 0 || random.IntN(3) == 0 {
			return atoms[random.IntN(len(atoms))]
		}
		text := "(" + predicate(depth-1) + []string{" AND ", " OR "}[random.IntN(2)] + predicate(depth-1) + ")"
		if random.IntN(6) == 0 {
			return "NOT " + text
		}
		return text
	}
	pruned := 0
	for range 400 {
		where := predicate(3)
		_, needs, err := plan(t.Context(), db.Planner(), "SELECT a FROM w WHERE "+where, schemas)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		for _, f := range needs[0].Filters {
			pruned++
			lost := fmt.Sprintf("SELECT count(*) FROM w WHERE (%s) AND (%s) IS NOT TRUE", where, filterSQL(f))
			if got := grid(t, c, lost); got != "0" {
				t.Errorf("%s: filter %v drops %s rows", where, f, got)
			}
		}
	}
	if pruned < 200 {
		t.Errorf("only %d filters came out", pruned)
	}
}

func filterSQL(f lake.Filter) string {
	values := make([]string, len(f.Values))
	for i, v := range f.Values {
		values[i] = lake.QuoteString(v)
	}
	text := f.Column + " " + string(f.Op)
	switch f.Op {
	case lake.In:
		return text + " (" + strings.Join(values, ", ") + ")"
	case lake.IsNull, lake.IsNotNull:
		return text
	}
	return text + " " + values[0]
}

// FuzzReadPlan bends plans: whatever comes back must have a need for each stub.
func FuzzReadPlan(f *testing.F) {
	f.Add([]byte(`[{"name":"SEQ_SCAN","children":[],"extra_info":{"Table":"\"temp\".main.s","Projections":["a"],"Filters":"a>5 AND optional: a IN (1, 2)"}}]`))
	f.Add([]byte(`[{"extra_info":{"Table":["s"],"Projections":"","Filters":["(NOT b)","b='x''"]}}]`))
	stubs := []Stub{{"s", lake.Schema{Columns: []lake.Column{
		{Name: "a", Type: lake.Type{Kind: lake.Integer}}, {Name: "b", Type: lake.Type{Kind: lake.Boolean}},
	}}}}
	f.Fuzz(func(t *testing.T, plan []byte) {
		needs, err := readPlan(plan, stubs)
		if err == nil && len(needs) != 1 {
			t.Fatalf("%d needs", len(needs))
		}
	})
}

func BenchmarkNeeds(b *testing.B) {
	p := openPlanner(b)
	schemas := stubSchemas(b, readFile(b, "tpch_schema.sql"))
	for i, name := range map[int]string{5: "q6", 8: "q9"} {
		query := tpchQueries(b)[i]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := plan(b.Context(), p, query, schemas); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
