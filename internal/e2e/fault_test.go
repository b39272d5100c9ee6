package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultSeed is what rules draw from that strike a share of calls; a failed run
// is repeated with the seed that it tells.
var faultSeed = sync.OnceValue(func() uint32 {
	if n, err := strconv.ParseUint(os.Getenv("LAKEPORT_FAULT_SEED"), 10, 32); err == nil && n > 0 {
		return uint32(n)
	}
	return 1 + rand.Uint32N(1<<31)
})

// fault puts rules into force until the test ends or clear is called.
func (l *lab) fault(rules ...map[string]any) (clear func()) {
	l.t.Helper()
	for i, r := range rules {
		if r["share"] != nil {
			r["seed"] = faultSeed() + uint32(i)
			l.t.Logf("rule %d of LAKEPORT_FAULT_SEED=%d", i+1, faultSeed())
		}
	}
	l.instrument("POST", "faults", rules, nil)
	return func() { l.t.Helper(); l.instrument("DELETE", "faults", nil, nil) }
}

// Under every fault of the network a query gives the right rows, or an error
// that says what S3 or Glue did; then, without it, the right rows.
func TestFaultsGiveTheRightRowsOrAClearError(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(2)
	db := l.db()
	for i, c := range []struct {
		name  string
		rules []map[string]any
		want  []string // words of the error that may come instead; nil: none may
	}{
		{"a fifth is slowed down", []map[string]any{{"service": "s3", "share": 0.2, "status": 503}}, nil},
		{"a fifth of Glue is throttled", []map[string]any{{"service": "glue", "count": 2, "status": 400, "code": "ThrottlingException", "message": "Rate exceeded"}}, nil},
		{"every fifth answer is lost", []map[string]any{{"service": "s3", "share": 0.2, "lost_reply": true}}, nil},
		{"answers take 200 ms", []map[string]any{{"service": "s3", "delay": "200ms"}}, nil},
		{"slow, lost and refused", []map[string]any{{"service": "s3", "share": 0.1, "status": 503}, {"service": "s3", "share": 0.1, "lost_reply": true}, {"service": "s3", "share": 0.3, "delay": "50ms"}}, nil},
		{"S3 slows everything down", []map[string]any{{"service": "s3", "action": "s3:GetObject", "status": 503}}, []string{"s3://lake/wide/part-", "gave up after", "Please reduce your request rate"}},
		{"S3 fails inside", []map[string]any{{"service": "s3", "action": "s3:GetObject", "status": 500, "message": "We encountered an internal error."}}, []string{"s3://lake/wide/part-", "gave up after"}},
		{"every answer is lost", []map[string]any{{"service": "s3", "action": "s3:GetObject", "lost_reply": true}}, []string{"s3://lake/wide/part-", "gave up after"}},
	} {
		l.exec(db, "DROP CATALOG IF EXISTS c", catalogStatement("c", instance(), instance()))
		l.wideFiles(2, i+1)
		clear := l.fault(c.rules...)
		began := time.Now()
		got, err := value(db, "SELECT count(c1) + count(c9) FROM c.sales.wide")
		t.Logf("%s: %v", c.name, time.Since(began).Round(time.Millisecond))
		clear()
		switch {
		case err == nil && (got != "400000" || c.want != nil):
			t.Errorf("%s: got %q", c.name, got)
		case err != nil && c.want == nil:
			t.Errorf("%s: %v", c.name, err)
		case err != nil:
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s: got %v, want %q in it", c.name, err, w)
				}
			}
		}
		if got, err := value(db, "SELECT count(c1) + count(c9) FROM c.sales.wide"); err != nil || got != "400000" {
			t.Errorf("after %s: got %q, %v", c.name, got, err)
		}
	}
}

func TestAClientsTimeoutEndsASlowScan(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(2)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	clear := l.fault(map[string]any{"service": "s3", "action": "s3:GetObject", "delay": "30s"})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := db.ExecContext(ctx, "SELECT sum(c1) FROM c.sales.wide"); err == nil || time.Since(began) > 15*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if d := l.stopped(db, "SELECT sum(c1)"); d > 15*time.Second {
		t.Errorf("the server went on for %v", d)
	}
	clear()
	l.expectLines(db, "SELECT count(c1) FROM c.sales.wide", "200000")
}

// Fifty statements at once over a table that nobody has read cost what one
// costs: each range is fetched about once.
func TestStatementsAtOnceShareTheirFetches(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(4)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	const query = "SELECT sum(c1 % 1000), sum(c9 % 1000) FROM c.sales.wide"
	// Every statement is under way before the first byte comes.
	clear := l.fault(map[string]any{"service": "s3", "action": "s3:GetObject", "delay": "300ms"})
	defer clear()
	_, last := l.decisions(0, "&limit=0")
	answers := make([]string, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			got, err := lines(db, query)
			answers[i] = fmt.Sprint(got, err)
		})
	}
	all.Wait()
	for _, got := range answers {
		if got != answers[0] || !strings.HasSuffix(got, "] <nil>") {
			t.Fatalf("answers differ: %s and %s", answers[0], got)
		}
	}
	log, bytes := l.gets(last)
	ranges, once := map[string]int{}, int64(0)
	for _, e := range log {
		key := e.Path + " " + e.Range
		if ranges[key]++; ranges[key] == 1 {
			once += e.Bytes
		}
	}
	t.Logf("%d requests of %d ranges, %d bytes of %d", len(log), len(ranges), bytes, once)
	if bytes > once*3/2 {
		t.Errorf("%d bytes were fetched of %d: %v", bytes, once, ranges)
	}
}

// struck waits until a rule that was to strike so many calls has struck some.
func (l *lab) struck(of int) {
	l.t.Helper()
	l.await("the strike of a call", func() (string, bool) {
		var rules struct{ Faults []struct{ Count int } }
		l.instrument("GET", "faults", nil, &rules)
		return fmt.Sprintf("%+v", rules), len(rules.Faults) != 1 || rules.Faults[0].Count < of
	})
}

// descriptors counts the server's open files and sockets.
func (l *lab) descriptors() int {
	l.t.Helper()
	list, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(l.cmd.Process.Pid), "fd"))
	l.must(nil, err)
	return len(list)
}

// threads counts the server's threads.
func (l *lab) threads() int {
	l.t.Helper()
	list, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(l.cmd.Process.Pid), "task"))
	l.must(nil, err)
	return len(list)
}

// A statement killed while it waits for S3 ends at once and leaves neither
// sockets nor threads behind, however often.
func TestAKilledScanLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.wide(4)
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), instance()))
	// The pools of connections fill first.
	l.expectLines(db, "SELECT count(c0) FROM c.sales.wide", "400000")
	conn, err := db.Conn(context.Background())
	l.must(conn, err)
	defer conn.Close()
	var id string
	l.must(nil, conn.QueryRowContext(context.Background(), "SELECT connection_id()").Scan(&id))
	files, threads := 0, 0
	best := time.Hour
	for round := 0; round < 6 || promptly(round, best); round++ {
		clear := l.fault(map[string]any{"service": "s3", "action": "s3:GetObject", "delay": "60s", "count": 1000})
		done := make(chan error, 1)
		go func() {
			rows, err := conn.QueryContext(context.Background(), fmt.Sprintf("SELECT sum(c%d), sum(c%d) FROM c.sales.wide", round%6+1, round%6+8))
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
				rows.Close()
			}
			done <- err
		}()
		l.struck(1000)
		began := time.Now()
		l.exec(db, "KILL QUERY "+id)
		if err := message(<-done); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("the killed statement gave %v", err)
		}
		best = min(best, time.Since(began))
		clear()
		l.alive(db)
		if round == 1 {
			files, threads = l.descriptors(), l.threads()
		}
	}
	if best > 100*time.Millisecond {
		t.Errorf("killed after %v", best)
	}
	// What the killed statements held closes a moment later, at the other end too.
	l.await(fmt.Sprintf("the end of all but %d descriptors and %d threads", files, threads), func() (string, bool) {
		l.alive(db)
		f, t := l.descriptors(), l.threads()
		return fmt.Sprintf("%d and %d", f, t), f <= files+4 && t <= threads+4
	})
	t.Logf("killed within %v; %d descriptors, %d threads, before %d and %d", best, l.descriptors(), l.threads(), files, threads)
	l.expectLines(db, "SELECT count(c5) FROM c.sales.wide", "400000")
}
