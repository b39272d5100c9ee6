package orc_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/orc"
)

func connect(t testing.TB) *engine.Conn {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Exec(t.Context(), "SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	return c
}

// one gives the only value of a query's only row as text.
func one(t testing.TB, c *engine.Conn, sql string) string {
	t.Helper()
	rows, err := c.Query(t.Context(), "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("+sql+") q")
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	chunk, err := rows.Next(t.Context())
	if err != nil || chunk == nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return chunk.Columns[0].Text(0)
}

// formulas are the rows of testdata/types_*.orc as make.py makes them.
const formulas = `SELECT i AS id, if(i % 7 = 0, NULL, i % 3 = 0) AS yes, CAST(if(i % 5 = 0, NULL, i % 256 - 128) AS TINYINT) AS tiny,
	CAST(i % 60000 - 30000 AS SMALLINT) AS small, CAST(if(i % 11 = 0, NULL, (i * 7919) % 1000003 * if(i % 2 = 0, 1, -1)) AS INTEGER) AS num,
	CAST((CAST(i AS HUGEINT) * 2654435761) * (CAST(i AS HUGEINT) * 2654435761) % 4611686018427387904 - 2305843009213693952 AS BIGINT) AS big,
	CAST(if(i % 13 = 0, NULL, i / 4) AS FLOAT) AS f, CAST(i / 8 AS DOUBLE) AS d,
	if(i % 3 = 0, NULL, 'the text of row ' || i) AS txt, if(i % 4 = 0, NULL, 'word ' || i % 10) AS word,
	unhex('FF' || printf('%02X', i % 200)) AS bin, if(i % 9 = 0, NULL, DATE '1900-01-01' + CAST(i * 7 AS INTEGER)) AS day,
	if(i % 6 = 0, NULL, make_timestamp((i - 1000) * 86399 * 1000000 + i)) AS ts, make_timestamptz(i * 1000000) AS inst,
	CAST(if(i % 8 = 0, NULL, (i % 1000) / 10) AS DECIMAL(4,1)) AS d4, CAST((i - 500) * 1000000 AS DECIMAL(18,4)) AS d18,
	CAST(if(i < 500, '-', '') || abs(i - 500) || '00000000000000000.' || printf('%010d', abs(i - 500)) AS DECIMAL(38,10)) AS d38,
	if(i % 10 = 0, NULL, [CAST(if(k % 3 = 0, NULL, i + k) AS INTEGER) FOR k IN range(i % 4)]) AS l,
	if(i % 12 = 0, NULL, map_from_entries([{key: 'key ' || k, value: i * k} FOR k IN range(i % 3)])) AS m,
	if(i % 14 = 0, NULL, {a: CAST(i AS INTEGER), b: 'b' || i}) AS st, [{x: [CAST(i AS VARCHAR), 'y']} FOR k IN range(i % 3)] AS ls
	FROM range(N) r(i)`

func TestEveryTypeIsReadUnderEveryCodec(t *testing.T) {
	c := connect(t)
	for _, codec := range []string{"uncompressed", "zlib", "snappy", "lz4", "lzo", "zstd"} {
		f, err := openFile(t, "testdata/types_"+codec+".orc")
		if err != nil {
			t.Fatal(err)
		}
		feed, err := whole(f)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%d %[1]d", f.Rows())
		table := strings.Replace(formulas, "range(N)", fmt.Sprintf("range(%d)", f.Rows()), 1)
		for _, col := range feed.Columns[2:] {
			joined := " FROM (SELECT id, " + col.Name + " AS v FROM (" + table + ")) a FULL JOIN (SELECT id, " + col.Name + " AS v FROM " +
				engine.Offer(t.Context(), feed) + ") b USING (id)"
			const same = "a.v IS NOT DISTINCT FROM b.v AND typeof(a.v) = typeof(b.v)"
			if got := one(t, c, "SELECT count(*) || ' ' || count(*) FILTER ("+same+")"+joined); got != want {
				t.Errorf("%s: of column %s %s rows are right, such as: %s", codec, col.Name, got,
					one(t, c, "SELECT concat_ws(' ', 'row', id, 'has', b.v, typeof(b.v), 'for', a.v, typeof(a.v))"+joined+" WHERE NOT ("+same+") ORDER BY id LIMIT 1"))
			}
		}
	}
}

// TestStripesThatFiltersRuleOutAreNotRead counts the rows that are left, and
// their numbers in the file.
func TestStripesThatFiltersRuleOutAreNotRead(t *testing.T) {
	c := connect(t)
	f, err := openFile(t, "testdata/stripes.orc")
	if err != nil {
		t.Fatal(err)
	}
	const rows = 60000
	for _, x := range []struct {
		column string
		op     lake.Op
		values []string
		as     lake.Kind
		least  int // rows that meet the filter
		pruned bool
	}{
		{"id", lake.Eq, []string{"31000"}, lake.BigInt, 1, true},
		{"id", lake.Less, []string{"10"}, lake.BigInt, 10, true},
		{"id", lake.GreaterEq, []string{"59990"}, lake.BigInt, 10, true},
		{"id", lake.In, []string{"5", "59990"}, lake.BigInt, 2, true},
		{"id", lake.Greater, []string{"60000"}, lake.BigInt, 0, true},
		{"id", lake.NotEq, []string{"5"}, lake.BigInt, rows - 1, false},
		{"id", lake.Eq, []string{"31000"}, lake.Varchar, 1, false},
		{"txt", lake.Eq, []string{"031000"}, lake.Varchar, 1, true},
		{"day", lake.Eq, []string{"1970-01-02"}, lake.Date, 100, true},
		{"half", lake.IsNull, nil, lake.Double, rows / 2, true},
		{"half", lake.IsNotNull, nil, lake.Double, rows / 2, true},
		{"half", lake.Less, []string{"15001"}, lake.Double, 2, true},
		{"half", lake.Greater, []string{"29999"}, lake.Double, 1, true}, // the NULL half
	} {
		at := slices.IndexFunc(f.Columns(), func(c orc.Column) bool { return c.Name == x.column })
		feed, err := whole(f, orc.Filter{Filter: lake.Filter{Column: x.column, Op: x.op, Values: x.values}, Column: at, Type: lake.Type{Kind: x.as}})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(x.column, " ", x.op, " ", x.values)
		if (feed.Rows < rows) != x.pruned {
			t.Errorf("%s leaves %d of %d rows", name, feed.Rows, rows)
		}
		where := x.column + " " + string(x.op)
		if x.op == lake.In {
			where += " ('" + strings.Join(x.values, "', '") + "')"
		} else if len(x.values) > 0 {
			where += " '" + x.values[0] + "'"
		}
		sql := "SELECT count(*) || ' ' || coalesce(bool_and(id = file_row_number), true) FROM " + engine.Offer(t.Context(), feed) + " WHERE " + where
		if got, want := one(t, c, sql), fmt.Sprintf("%d true", x.least); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestOnlyWantedStreamsAreFetched reads one column of five and counts the bytes.
func TestOnlyWantedStreamsAreFetched(t *testing.T) {
	b, err := os.ReadFile("testdata/stripes.orc")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var bytes, requests int64
	source := memory("stripes.orc", b)
	inner := source.Read
	source.Read = func(ctx context.Context, off, n int64) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		bytes, requests = bytes+n, requests+1
		return inner(ctx, off, n)
	}
	f, err := orc.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if requests > 2 || bytes > 32<<10 {
		t.Errorf("the tail took %d bytes in %d requests", bytes, requests)
	}
	feed, err := whole(f)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t)
	for _, q := range []struct {
		columns string
		most    int64 // parts of the file in a hundred
	}{{"count(*)", 0}, {"sum(half)", 50}, {"max(pad)", 85}, {"max(pad), max(txt), sum(id), sum(half), max(day)", 101}} {
		bytes, requests = 0, 0
		one(t, c, "SELECT "+q.columns+" FROM "+engine.Offer(t.Context(), feed))
		if bytes*100 > int64(len(b))*q.most {
			t.Errorf("%s fetches %d of %d bytes in %d requests", q.columns, bytes, len(b), requests)
		}
		t.Logf("%s: %d of %d bytes in %d requests for %d stripes", q.columns, bytes, len(b), requests, feed.Parts)
	}
}

// BenchmarkRows reads three columns as the engine does.
func BenchmarkRows(b *testing.B) {
	f, err := openFile(b, "testdata/stripes.orc")
	if err != nil {
		b.Fatal(err)
	}
	feed, err := whole(f)
	if err != nil {
		b.Fatal(err)
	}
	many := feed
	many.Parts *= 20 // the engine's own costs of a statement become small
	many.Open = func(ctx context.Context, part int, columns []int) (lake.FeedReader, error) {
		return feed.Open(ctx, part%feed.Parts, columns)
	}
	c := connect(b)
	for _, q := range []string{"count(*)", "sum(id)", "sum(id), sum(half)", "max(txt)"} {
		b.Run(q, func(b *testing.B) {
			for b.Loop() {
				one(b, c, "SELECT "+q+" FROM "+engine.Offer(b.Context(), many))
			}
			b.ReportMetric(float64(b.N)*20*float64(feed.Rows)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
