package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// This guards the deprecated streaming call: it fails when a result is held in
// memory before its first chunk comes out.
func TestResultsStream(t *testing.T) {
	c := memory(t)
	before := residentMB(t)
	rows, err := c.Query(t.Context(), "SELECT i, i * 2 AS j FROM range(50000000) r(i)")
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
	if got := fmt.Sprint(s.Params(), s.Columns()); got != "[INTEGER VARCHAR] [{a INTEGER  0} {t VARCHAR  0}]" {
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
