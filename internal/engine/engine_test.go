package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

func openDB(t testing.TB, o Options) *DB {
	t.Helper()
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func connect(t testing.TB, db *DB) *Conn {
	t.Helper()
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func memory(t testing.TB) *Conn {
	t.Helper()
	return connect(t, openDB(t, Options{}))
}

func do(t testing.TB, c *Conn, text string, args ...any) int64 {
	t.Helper()
	n, err := c.Exec(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

// grid is the whole result, one line per row.
func grid(t testing.TB, c *Conn, text string, args ...any) string {
	t.Helper()
	rows, err := c.Query(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var b strings.Builder
	for {
		chunk, err := rows.Next(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if chunk == nil {
			return strings.TrimSuffix(b.String(), "\n")
		}
		for i := range chunk.Rows {
			for j := range chunk.Columns {
				if j > 0 {
					b.WriteString(" | ")
				}
				b.WriteString(show(&chunk.Columns[j], i))
			}
			b.WriteByte('\n')
		}
	}
}

// show prints row i as its bare stored value.
func show(v *lake.Vector, i int) string {
	if v.IsNull(i) {
		return "NULL"
	}
	list := func(child *lake.Vector, from, n int) string {
		parts := make([]string, n)
		for k := range parts {
			parts[k] = show(child, from+k)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	switch d := v.Data.(type) {
	case []lake.Entry:
		return list(&v.Child[0], int(d[i].Offset), int(d[i].Length))
	case []lake.String:
		if v.Type.Kind == lake.Blob || v.Type.Kind == lake.Bit {
			return fmt.Sprintf("x%x", d[i].Bytes())
		}
		return string(d[i].Bytes())
	case []lake.Int128:
		if v.Type.Kind == lake.UHugeInt {
			return d[i].UBig().String()
		}
		return d[i].Big().String()
	case []bool:
		return fmt.Sprint(d[i])
	case []int8:
		return fmt.Sprint(d[i])
	case []int16:
		return fmt.Sprint(d[i])
	case []int32:
		return fmt.Sprint(d[i])
	case []int64:
		return fmt.Sprint(d[i])
	case []uint8:
		return fmt.Sprint(d[i])
	case []uint16:
		return fmt.Sprint(d[i])
	case []uint32:
		return fmt.Sprint(d[i])
	case []uint64:
		return fmt.Sprint(d[i])
	case []float32:
		return fmt.Sprint(d[i])
	case []float64:
		return fmt.Sprint(d[i])
	case []lake.Span:
		return fmt.Sprint(d[i])
	}
	if v.Type.Kind == lake.Array {
		return list(&v.Child[0], i*v.Type.Size, v.Type.Size)
	}
	parts := make([]string, len(v.Child))
	for k := range parts {
		parts[k] = show(&v.Child[k], i)
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func TestEveryTypeArrivesAsLakesComments(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TYPE mood AS ENUM ('sad', 'ok')")
	for _, tc := range []struct{ sql, kind, want string }{
		{"NULL", "INTEGER", "NULL"}, // DuckDB gives a bare NULL this type
		{"true", "BOOLEAN", "true"},
		{"(-128)::TINYINT", "TINYINT", "-128"},
		{"(-32768)::SMALLINT", "SMALLINT", "-32768"},
		{"-2147483647", "INTEGER", "-2147483647"},
		{"9223372036854775807", "BIGINT", "9223372036854775807"},
		{"255::UTINYINT", "UTINYINT", "255"},
		{"65535::USMALLINT", "USMALLINT", "65535"},
		{"4294967295::UINTEGER", "UINTEGER", "4294967295"},
		{"18446744073709551615::UBIGINT", "UBIGINT", "18446744073709551615"},
		{"170141183460469231731687303715884105727::HUGEINT", "HUGEINT", "170141183460469231731687303715884105727"},
		{"(-1)::HUGEINT", "HUGEINT", "-1"},
		{"340282366920938463463374607431768211455::UHUGEINT", "UHUGEINT", "340282366920938463463374607431768211455"},
		{"1.5::FLOAT", "FLOAT", "1.5"},
		{"1e300", "DOUBLE", "1e+300"},
		{"-12.3::DECIMAL(4,1)", "DECIMAL(4,1)", "-123"},
		{"1234567.89::DECIMAL(9,2)", "DECIMAL(9,2)", "123456789"},
		{"1.5::DECIMAL(18,3)", "DECIMAL(18,3)", "1500"},
		{"-12345678901234567890.5::DECIMAL(38,1)", "DECIMAL(38,1)", "-123456789012345678905"},
		{"'twelve bytes'", "VARCHAR", "twelve bytes"},
		{"'more than twelve bytes, né'", "VARCHAR", "more than twelve bytes, né"},
		{"''", "VARCHAR", ""},
		{`'\x00\xFF'::BLOB`, "BLOB", "x00ff"},
		{`'{"a": 1}'::JSON`, "JSON", `{"a": 1}`},
		{"'101'::BIT", "BIT", "x05fd"},
		{"DATE '1970-01-03'", "DATE", "2"},
		{"DATE '1969-12-31'", "DATE", "-1"},
		{"TIME '00:00:01.5'", "TIME", "1500000"},
		{"'00:00:01+00:00'::TIMETZ", "TIME WITH TIME ZONE", fmt.Sprint(uint64(1000000)<<24 | 57599)},
		{"TIMESTAMP '1970-01-01 00:00:01.000001'", "TIMESTAMP", "1000001"},
		{"'1970-01-01 00:00:02'::TIMESTAMP_S", "TIMESTAMP_S", "2"},
		{"'1970-01-01 00:00:02'::TIMESTAMP_MS", "TIMESTAMP_MS", "2000"},
		{"'1970-01-01 00:00:02.000000003'::TIMESTAMP_NS", "TIMESTAMP_NS", "2000000003"},
		{"'1970-01-01 01:00:00+01:00'::TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "0"},
		{"INTERVAL '14 months 3 days 1 second'", "INTERVAL", "{14 3 1000000}"},
		{"'80000000-0000-0000-0000-000000000001'::UUID", "UUID", "1"},
		{"'ok'::mood", "ENUM('sad', 'ok')", "1"},
		{"[1, NULL, 3]", "INTEGER[]", "[1 NULL 3]"},
		{"[]::VARCHAR[]", "VARCHAR[]", "[]"},
		{"[['a'], NULL, ['b', 'c']]", "VARCHAR[][]", "[[a] NULL [b c]]"},
		{"[1, 2]::INTEGER[2]", "INTEGER[2]", "[1 2]"},
		{"[[1, 2], [3, NULL]]::INTEGER[2][2]", "INTEGER[2][2]", "[[1 2] [3 NULL]]"},
		{"MAP {'k': 1, 'l': NULL}", "MAP(VARCHAR, INTEGER)", "[{k 1} {l NULL}]"},
		{"{'a': 1, 'b b': [2]}", `STRUCT("a" INTEGER, "b b" INTEGER[])`, "{1 [2]}"},
		{"NULL::STRUCT(a INT)", `STRUCT("a" INTEGER)`, "NULL"},
		{"{'s': {'m': MAP {1: ['x']}}}", `STRUCT("s" STRUCT("m" MAP(INTEGER, VARCHAR[])))`, "{{[{1 [x]}]}}"},
		{"list_filter([1, 2, 3, 4], lambda x: x % 2 = 0)", "INTEGER[]", "[2 4]"},
		{"map_values(MAP {'k': 'v'})", "VARCHAR[]", "[v]"},
		{"list_reverse(['a', 'b'])", "VARCHAR[]", "[b a]"},
		{"repeat([7], 3)", "INTEGER[]", "[7 7 7]"},
		// Types that lake does not have come as text.
		{"union_value(num := 2)", "VARCHAR", "2"},
		{"42::BIGNUM", "VARCHAR", "42"},
		{"{'a': 1}::VARIANT", "VARCHAR", "{'a': 1}"},
		{"[1::VARIANT]", "VARCHAR", "[1]"},
		{"'00:00:01.000000001'::TIME_NS", "VARCHAR", "00:00:01.000000001"},
	} {
		rows, err := c.Query(t.Context(), "SELECT "+tc.sql+" AS x")
		if err != nil {
			t.Errorf("%s: %v", tc.sql, err)
			continue
		}
		col := rows.Columns()[0]
		if col.Name != "x" || col.Type.String() != tc.kind {
			t.Errorf("%s: column %s %s, want x %s", tc.sql, col.Name, col.Type, tc.kind)
		}
		if got := grid(t, c, "SELECT "+tc.sql+" AS x"); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.sql, got, tc.want)
		}
	}
}

func TestVectorsAreFlatInEveryRow(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TABLE t AS SELECT i, 'v' || (i % 3) AS s, [i, i + 1] AS l, CASE WHEN i % 2 = 0 THEN i END AS n FROM range(5000) r(i)")
	for _, expr := range []string{
		"7", "s", "l", "n", "list_value(s, 'x')", "{'a': s, 'b': l}", "MAP {s: l}", "list_select(l, [2, 1])",
		"list_transform(l, lambda x: x || s)", "[s, NULL]::VARCHAR[2]", "list_sort(['b', s, 'a'])", "array_agg(s) OVER (ROWS 2 PRECEDING)",
		"map_keys(MAP {s: 1})", "l[1:1]", "CASE WHEN i % 2 = 0 THEN {'q': s} END",
	} {
		text := "SELECT " + expr + " AS x FROM t ORDER BY i"
		whole := strings.Split(grid(t, c, text), "\n")
		if len(whole) != 5000 {
			t.Fatalf("%s: %d rows", expr, len(whole))
		}
		for _, i := range []int{0, 1, 2, 2047, 2048, 4999} {
			if one := grid(t, c, fmt.Sprintf("SELECT x FROM (SELECT i, %s AS x FROM t) WHERE i = %d", expr, i)); one != whole[i] && !strings.Contains(expr, "OVER") {
				t.Errorf("%s, row %d: %s in the whole result, %s alone", expr, i, whole[i], one)
			}
		}
	}
	do(t, c, "CREATE TABLE n AS SELECT i, {'s': s, 'l': l, 'm': MAP {s: l}} AS d, [{'s': s}, NULL] AS k FROM t")
	for _, expr := range []string{"b.d", "b.k", "[b.d, NULL]", "b.d.m", "list_select(b.k, [2, 1])", "{'x': b.k}"} {
		all := strings.Split(grid(t, c, "SELECT "+expr+" FROM t a JOIN n b ON a.i = b.i + 1 WHERE a.i % 7 = 3 ORDER BY a.i"), "\n")
		for _, at := range []int{0, 300, len(all) - 1} {
			if one := grid(t, c, fmt.Sprintf("SELECT %s FROM n b WHERE b.i = %d", expr, at*7+2)); one != all[at] {
				t.Errorf("%s, row %d: %s in a join, %s alone", expr, at, all[at], one)
			}
		}
	}
	joined := grid(t, c, "SELECT a.s, b.l FROM t a JOIN t b ON a.i = b.i + 1 WHERE a.i IN (10, 4000) ORDER BY a.i")
	if want := "v1 | [9 10]\nv1 | [3999 4000]"; joined != want {
		t.Errorf("join: got %s, want %s", joined, want)
	}
}

// This guards the deprecated streaming call: it fails when a result is held in
// memory before its first chunk comes out.
func TestResultsStream(t *testing.T) {
	c := memory(t)
	before := residentMB(t)
	rows, err := c.Query(t.Context(), "SELECT i, i * 2 AS j, 'row number ' || i AS s FROM range(50000000) r(i)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var n, sum int64
	for {
		chunk, err := rows.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if chunk == nil {
			break
		}
		if n == 0 {
			if grown := residentMB(t) - before; grown > 300 {
				t.Fatalf("memory grew by %d MB before the first chunk", grown)
			}
		}
		n += int64(chunk.Rows)
		for _, v := range chunk.Columns[1].Data.([]int64) {
			sum += v
		}
		if n%(2048*1000) == 0 {
			if grown := residentMB(t) - before; grown > 300 {
				t.Fatalf("memory grew by %d MB after %d rows", grown, n)
			}
		}
	}
	if n != 50_000_000 || sum != 50_000_000*(50_000_000-1) {
		t.Errorf("got %d rows with sum %d", n, sum)
	}
}

func residentMB(t testing.TB) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/statm")
	}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	fmt.Sscan(string(b), &size, &resident)
	return resident * os.Getpagesize() >> 20
}

// A busy machine may delay one attempt; a delay of the engine's own would show
// in all of them.
func TestCancelStopsWithin100ms(t *testing.T) {
	const endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE sqrt(a.range) + b.range < 0"
	c := memory(t)
	do(t, c, "CREATE TABLE t (a BIGINT)")
	for name, f := range map[string]func(context.Context) error{
		"query": func(ctx context.Context) error { _, err := c.Query(ctx, endless); return err },
		"exec":  func(ctx context.Context) error { _, err := c.Exec(ctx, "INSERT INTO t "+endless); return err },
		"next": func(ctx context.Context) error {
			rows, err := c.Query(context.Background(), "SELECT i FROM range(1000000000000000000) r(i) WHERE i < 3000000 OR sqrt(i) < 0")
			for err == nil {
				_, err = rows.Next(ctx)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var took []time.Duration
			for range 5 {
				took = append(took, cancelLate(t, f))
				if got := grid(t, c, "SELECT 1 + 1"); got != "2" {
					t.Errorf("connection unusable: %s", got)
				}
				if took[len(took)-1] < 100*time.Millisecond {
					return
				}
			}
			t.Errorf("took %v", took)
		})
	}
}

// cancelLate runs f, cancels it once it has had time to get deep into DuckDB,
// and tells how long it then takes to return.
func cancelLate(t *testing.T, f func(context.Context) error) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- f(ctx) }()
	select {
	case err := <-result:
		t.Fatalf("ended by itself: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	at := time.Now()
	cancel()
	err := <-result
	if !sqlerr.Is(err, sqlerr.Canceled) {
		t.Fatalf("got %v", err)
	}
	return time.Since(at)
}

func TestCancelBeforeTheStatementStartsIsNotLost(t *testing.T) {
	c := memory(t)
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := c.Query(ctx, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range < 0"); !sqlerr.Is(err, sqlerr.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestCancelCarriesItsCause(t *testing.T) {
	c := memory(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	denied := sqlerr.New(sqlerr.Denied, "Denied: s3:GetObject on b/k")
	cancel(denied)
	if _, err := c.Query(ctx, "SELECT 1"); !errors.Is(err, denied) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsCarryKindCodePlaceAndHint(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TABLE t (a INTEGER PRIMARY KEY, abc VARCHAR NOT NULL)")
	do(t, c, "INSERT INTO t VALUES (1, 'x')")
	for _, tc := range []struct {
		sql   string
		kind  sqlerr.Kind
		mysql uint16
		want  string
	}{
		{"SELEC 1", sqlerr.Syntax, 1064, `1:1: syntax error at or near "SELEC"`},
		{"SELECT 1;\nSELECT 2", sqlerr.Invalid, 1064, "Cannot prepare multiple statements at once"},
		{"SELECT *\nFROM nosuch", sqlerr.NotFound, 1146, "2:6: Table with name nosuch does not exist"},
		{"SELECT * FROM tt", sqlerr.NotFound, 1146, "1:15: Table with name tt does not exist\nhint: Did you mean \"t\"?"},
		{"SELECT abd FROM t", sqlerr.NotFound, 1054, `1:8: Referenced column "abd" not found in FROM clause` + "\nhint: Candidate bindings: \"abc\", \"a\""},
		{"SELECT t.z FROM t", sqlerr.NotFound, 1054, `1:8: Table "t" does not have a column named "z"` + "\nhint: Candidate bindings: \"a\", \"abc\""},
		{"SELECT * FROM nodb.t", sqlerr.NotFound, 1049, `1:15: Table with name "nodb.t" does not exist because schema "nodb" does not exist.`},
		{"SELECT florr(1)", sqlerr.NotFound, 1305, "1:8: Scalar Function with name florr does not exist\nhint: Did you mean \"floor\"?"},
		{"SELECT a FROM t x, t y", sqlerr.Invalid, 1052, `1:8: Ambiguous reference to column name "a" (use: "x.a" or "y.a")`},
		{"SELECT a, count(*) FROM t", sqlerr.Invalid, 1055, `1:8: column "a" must appear in the GROUP BY clause or must be part of an aggregate function.` + "\nhint: Either add it to the GROUP BY list, or use \"ANY_VALUE(a)\" if the exact value of \"a\" is not important."},
		{"SELECT abc::INT FROM t", sqlerr.Invalid, 1292, "1:11: Could not convert string 'x' to INT32 when casting from source column abc"},
		{"SELECT 2147483647 + i::INT FROM range(2) r(i)", sqlerr.Invalid, 1690, ""},
		{"INSERT INTO t VALUES (1, 'y')", sqlerr.Conflict, 1062, ""},
		{"INSERT INTO t VALUES (2, NULL)", sqlerr.Conflict, 1048, ""},
		{"CREATE TABLE t (a INT)", sqlerr.Exists, 1050, `Table with name "t" already exists`},
		{"CREATE SCHEMA main", sqlerr.Exists, 1007, ""},
		{"SELECT error('boom')", sqlerr.Invalid, 1064, "boom"},
		{"ATTACH '/nowhere/x.db'", sqlerr.Denied, 1142, ""},
		{"SET threads = 1", sqlerr.Invalid, 1064, ""},
		{"LOAD httpfs", sqlerr.Denied, 1142, "Loading external extensions is disabled through configuration"},
		{"SELECT 1\x00", sqlerr.Syntax, 1064, "1:9: the statement holds a NUL character"},
	} {
		rows, err := c.Query(t.Context(), tc.sql)
		if err == nil {
			_, err = rows.Next(t.Context())
			rows.Close()
		}
		e, ok := errors.AsType[*sqlerr.Error](err)
		if !ok {
			t.Errorf("%q: got %v, want an *sqlerr.Error", tc.sql, err)
			continue
		}
		if e.Kind != tc.kind || e.Numbers().MySQL != tc.mysql || tc.want != "" && e.Error() != tc.want {
			t.Errorf("%q: kind %d number %d %s", tc.sql, e.Kind, e.Numbers().MySQL, e)
		}
	}
}

func TestErrorsHideLocalPaths(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, Options{Dirs: []string{dir}, Translate: func(s string) string {
		return strings.ReplaceAll(s, dir+"/", "s3://bucket/")
	}})
	c := connect(t, db)
	if err := os.WriteFile(filepath.Join(dir, "a.parquet"), []byte("this is no parquet file"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Query(t.Context(), "SELECT * FROM read_parquet("+lake.QuoteString(dir+"/a.parquet")+")")
	if e := sqlerr.From(err); e.Kind != sqlerr.Corrupt || strings.Contains(e.Msg, dir) || !strings.Contains(e.Msg, "s3://bucket/a.parquet") {
		t.Errorf("got %v", err)
	}
}

func TestFilesOutsideDirsAreClosed(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"open", "open-not"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name, "a.csv"), []byte("x\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := connect(t, openDB(t, Options{Dirs: []string{root + "/open"}}))
	if got := grid(t, c, "SELECT * FROM read_csv("+lake.QuoteString(root+"/open/a.csv")+")"); got != "1" {
		t.Errorf("got %s", got)
	}
	for _, path := range []string{root + "/open-not/a.csv", root + "/open/../open-not/a.csv", "/etc/passwd"} {
		if _, err := c.Query(t.Context(), "SELECT * FROM read_csv("+lake.QuoteString(path)+")"); !sqlerr.Is(err, sqlerr.Denied) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestSecondProcessIsToldWhoHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "default_catalog.duckdb")
	if os.Getenv("LAKEPORT_TEST_DB") != "" {
		path = os.Getenv("LAKEPORT_TEST_DB")
		_, err := Open(Options{Path: path})
		fmt.Println(err)
		os.Exit(0)
	}
	openDB(t, Options{Path: path})
	if _, err := Open(Options{Path: path}); !sqlerr.Is(err, sqlerr.Conflict) || !strings.Contains(err.Error(), path+" is already open in this process") {
		t.Errorf("second opener in this process: %v", err)
	}
	out := rerun(t, "LAKEPORT_TEST_DB="+path)
	if !strings.Contains(out, "database file "+path+" is in use by ") || !strings.Contains(out, fmt.Sprintf("PID %d", os.Getpid())) {
		t.Errorf("got %s", out)
	}
}

func TestDataSurvivesReopening(t *testing.T) {
	o := Options{Path: filepath.Join(t.TempDir(), "default_catalog.duckdb"), Threads: 1, Memory: "200MB"}
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	do(t, c, "CREATE SCHEMA s")
	do(t, c, "CREATE TABLE s.t AS SELECT 42 AS a")
	c.Close()
	db.Close()
	if got := grid(t, connect(t, openDB(t, o)), "SELECT a FROM default_catalog.s.t"); got != "42" {
		t.Errorf("got %s", got)
	}
}

func TestSessionsSetTimeZoneAndPathOnly(t *testing.T) {
	db := openDB(t, Options{})
	a, b := connect(t, db), connect(t, db)
	do(t, a, "SET TimeZone = 'Asia/Tokyo'")
	do(t, a, "CREATE SCHEMA s")
	do(t, a, "USE default_catalog.s")
	const where = "SELECT current_setting('TimeZone'), current_schema(), current_database()"
	if got := grid(t, a, where); got != "Asia/Tokyo | s | default_catalog" {
		t.Errorf("got %s", got)
	}
	if got := grid(t, b, where); strings.Contains(got, "Tokyo") || !strings.HasSuffix(got, "| main | default_catalog") {
		t.Errorf("another session has %s", got)
	}
}

func TestInTxIsAtomic(t *testing.T) {
	db := openDB(t, Options{})
	c, other := connect(t, db), connect(t, db)
	do(t, c, "CREATE TABLE t (a INTEGER)")
	count := func() string { return grid(t, other, "SELECT count(*) FROM t") }
	boom := errors.New("boom")
	err := c.InTx(t.Context(), func(c *Conn) error {
		do(t, c, "INSERT INTO t VALUES (1), (2)")
		if got := count(); got != "0" {
			t.Errorf("others see %s rows inside the transaction", got)
		}
		return boom
	})
	if !errors.Is(err, boom) || count() != "0" {
		t.Errorf("after an error: %v, %s rows", err, count())
	}
	func() {
		defer func() { recover() }()
		c.InTx(t.Context(), func(c *Conn) error { do(t, c, "INSERT INTO t VALUES (1)"); panic("no") })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err = c.InTx(ctx, func(c *Conn) error { do(t, c, "INSERT INTO t VALUES (1)"); cancel(); return nil })
	if !sqlerr.Is(err, sqlerr.Canceled) || count() != "0" {
		t.Errorf("after cancel: %v, %s rows", err, count())
	}
	if err := c.InTx(t.Context(), func(c *Conn) error { do(t, c, "INSERT INTO t VALUES (1)"); return nil }); err != nil || count() != "1" {
		t.Errorf("commit: %v, %s rows", err, count())
	}
	err = c.InTx(t.Context(), func(c *Conn) error {
		do(t, c, "UPDATE t SET a = 2")
		_, err := other.Exec(t.Context(), "UPDATE t SET a = 3")
		if !sqlerr.Is(err, sqlerr.Conflict) {
			t.Errorf("second writer: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPreparedStatementsKnowTheirShape(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TABLE t (a INTEGER, s VARCHAR, d DECIMAL(10,2), ts TIMESTAMP)")
	s, err := c.Prepare(t.Context(), "SELECT a, s AS t FROM t WHERE a = ? AND s LIKE ?")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := fmt.Sprint(s.Params(), s.Columns()); got != "[INTEGER VARCHAR] [{a INTEGER } {t VARCHAR }]" {
		t.Errorf("got %s", got)
	}
	in, err := c.Prepare(t.Context(), "INSERT INTO t VALUES (?, ?, ?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for i := range 3 {
		if n, err := in.Exec(t.Context(), int64(i), fmt.Sprint("s", i), 1.25, time.Unix(int64(i), 0).UTC()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
	}
	for range 2 {
		rows, err := s.Query(t.Context(), 1, "s%")
		if err != nil {
			t.Fatal(err)
		}
		if chunk, err := rows.Next(t.Context()); err != nil || show(&chunk.Columns[1], 0) != "s1" {
			t.Error(chunk, err)
		}
		rows.Close()
	}
	got := grid(t, c, "SELECT ?, ?, ?, ?, ?, ?, ?::BLOB, ?", nil, true, int64(-1), uint64(1)<<63, 1.5, "é", []byte{0}, time.UnixMicro(5).UTC())
	if got != "NULL | true | -1 | 9223372036854775808 | 1.5 | é | x00 | 5" {
		t.Errorf("got %s", got)
	}
	if _, err := s.Query(t.Context(), 1); !sqlerr.Is(err, sqlerr.Invalid) {
		t.Errorf("too few arguments: %v", err)
	}
	if n := do(t, c, "UPDATE t SET a = a + 1 WHERE a > ?", 0); n != 2 {
		t.Errorf("%d rows changed", n)
	}
}

func TestConnectionsRunSideBySide(t *testing.T) {
	db := openDB(t, Options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, err := db.Connect()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for j := range 20 {
				rows, err := c.Query(t.Context(), "SELECT sum(x) FROM range(?) r(x)", 1000*(i+1)+j)
				if err != nil {
					t.Error(err)
					return
				}
				n := int64(1000*(i+1) + j)
				if chunk, err := rows.Next(t.Context()); err != nil || show(&chunk.Columns[0], 0) != fmt.Sprint(n*(n-1)/2) {
					t.Error(chunk, err)
				}
				rows.Close()
			}
		})
	}
	wg.Wait()
}

func TestNextStatementClosesOpenRows(t *testing.T) {
	c := memory(t)
	rows, err := c.Query(t.Context(), "SELECT * FROM range(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	if got := grid(t, c, "SELECT 1"); got != "1" {
		t.Errorf("got %s", got)
	}
	if _, err := rows.Next(t.Context()); err == nil {
		t.Error("the first result still reads")
	}
	rows.Close()
}

func TestRowsEndOnce(t *testing.T) {
	c := memory(t)
	for _, text := range []string{"SELECT 1 WHERE false", "SELECT 1", "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1) RETURNING a"} {
		rows, err := c.Query(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		for chunk := new(lake.Chunk); chunk != nil; {
			if chunk, err = rows.Next(t.Context()); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if chunk, err := rows.Next(t.Context()); chunk != nil || err != nil {
			t.Errorf("%s: after the end: %v, %v", text, chunk, err)
		}
		rows.Close()
		rows.Close()
	}
}

func BenchmarkNext(b *testing.B) {
	c := memory(b)
	do(b, c, "CREATE TABLE t AS SELECT i, i * 2 AS j, i / 3 AS d, 'row ' || i AS s, DATE '2020-01-01' AS e FROM range(1000000) r(i)")
	for b.Loop() {
		rows, err := c.Query(b.Context(), "SELECT * FROM t")
		if err != nil {
			b.Fatal(err)
		}
		for {
			chunk, err := rows.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if chunk == nil {
				break
			}
		}
		rows.Close()
	}
	b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
