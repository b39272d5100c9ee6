package job

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// bench is a database with a queue whose work the test drives.
type bench struct {
	t    *testing.T
	dir  string
	db   *engine.DB
	q    *Queue
	runs chan *turn
}

// turn is one run of the work, which waits for the test's say.
type turn struct {
	r   *Run
	ctx context.Context
	do  chan func() error
}

func newBench(t *testing.T, slots int) *bench {
	b := &bench{t: t, dir: t.TempDir(), runs: make(chan *turn, 10)}
	b.open(slots)
	t.Cleanup(b.close)
	return b
}

func (b *bench) open(slots int) {
	b.t.Helper()
	box, err := secret.Open(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.db, err = engine.Open(engine.Options{Path: filepath.Join(b.dir, "x.duckdb")}); err != nil {
		b.t.Fatal(err)
	}
	b.exec("CREATE TABLE IF NOT EXISTS t (a INTEGER)")
	work := func(ctx context.Context, r *Run) error {
		turn := &turn{r, ctx, make(chan func() error)}
		b.runs <- turn
		select {
		case f := <-turn.do:
			return f()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b.q, err = Open(b.t.Context(), Options{DB: b.db, Box: box, Slots: slots, Kinds: map[string]Work{"BROKER": work}}); err != nil {
		b.t.Fatal(err)
	}
	b.q.Start()
}

func (b *bench) close() {
	b.q.Close()
	b.db.Close()
}

func (b *bench) exec(sql string) {
	b.t.Helper()
	c, err := b.db.Connect()
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Exec(context.Background(), sql); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) count() int64 {
	b.t.Helper()
	c, err := b.db.Connect()
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	rows, err := c.Query(context.Background(), "SELECT count(*) FROM t")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	chunk, err := rows.Next(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return chunk.Columns[0].Data.([]int64)[0]
}

func (b *bench) submit(label string, p Priority) {
	b.t.Helper()
	if _, err := b.q.Submit(b.t.Context(), Job{DB: "d", Label: label, Kind: "BROKER", Text: "LOAD secret", Priority: p}); err != nil {
		b.t.Fatal(err)
	}
}

// job waits until the job with the label has ended and gives it.
func (b *bench) ended(label string) Job {
	b.t.Helper()
	for {
		list, err := b.q.List(b.t.Context(), "d", "")
		if err != nil {
			b.t.Fatal(err)
		}
		for _, j := range list {
			if j.Label == label && j.State.Ended() {
				return j
			}
		}
	}
}

func (t *turn) commit() error {
	return t.r.Commit(t.ctx, func(c *engine.Conn) error {
		_, err := c.Exec(context.Background(), "INSERT INTO t VALUES (1)")
		return err
	})
}

func TestRowsAndLabelCommitTogether(t *testing.T) {
	b := newBench(t, 1)
	b.submit("good", Normal)
	turn := <-b.runs
	turn.r.Report(func(p *Progress) { p.Loaded = 1 })
	turn.do <- turn.commit
	if j := b.ended("good"); j.State != Finished || j.Progress.Loaded != 1 || b.count() != 1 {
		t.Errorf("%+v, %d rows", j, b.count())
	}
	b.submit("bad", Normal)
	turn = <-b.runs
	turn.do <- func() error {
		return turn.r.Commit(turn.ctx, func(c *engine.Conn) error {
			if _, err := c.Exec(context.Background(), "INSERT INTO t VALUES (2)"); err != nil {
				return err
			}
			return &Failure{"ETL_QUALITY_UNSATISFIED", sqlerr.New(sqlerr.Invalid, "quality not good enough to cancel")}
		})
	}
	if j := b.ended("bad"); j.State != Cancelled || j.Message != "type:ETL_QUALITY_UNSATISFIED; msg:quality not good enough to cancel" || b.count() != 1 {
		t.Errorf("%+v, %d rows", j, b.count())
	}
}

func TestLabelsAreUsedOnce(t *testing.T) {
	b := newBench(t, 5)
	used := func(label string) bool {
		_, err := b.q.Submit(t.Context(), Job{DB: "d", Label: label, Kind: "BROKER"})
		if err != nil && !strings.Contains(err.Error(), "Label ["+label+"] has already been used") {
			t.Fatal(err)
		}
		return err != nil
	}
	b.submit("one", Normal)
	turn := <-b.runs
	if !used("one") {
		t.Error("the label of a running job is free")
	}
	turn.do <- turn.commit
	b.ended("one")
	if !used("one") {
		t.Error("the label of a finished job is free")
	}
	b.submit("two", Normal)
	turn = <-b.runs
	turn.do <- func() error { return errors.New("no") }
	b.ended("two")
	if used("two") {
		t.Error("the label of a cancelled job is taken")
	}
	r, err := b.q.Reserve(t.Context(), "d", "three")
	if err != nil {
		t.Fatal(err)
	}
	if !used("three") {
		t.Error("a reserved label is free")
	}
	r.Release()
	if used("three") {
		t.Error("a released label is taken")
	}
}

func TestRestartRunsUnfinishedJobsAgain(t *testing.T) {
	b := newBench(t, 1)
	b.submit("runs", Normal)
	b.submit("waits", Normal)
	<-b.runs
	b.close()
	b.open(1)
	for _, label := range []string{"runs", "waits"} {
		turn := <-b.runs
		if j := turn.r.Job(); j.Label != label || j.Text != "LOAD secret" || j.State != Loading {
			t.Errorf("%+v, want %s", j, label)
		}
		turn.do <- turn.commit
		b.ended(label)
	}
	if b.count() != 2 {
		t.Errorf("%d rows", b.count())
	}
}

func TestCancelEndsWaitingAndRunningJobs(t *testing.T) {
	b := newBench(t, 1)
	b.submit("runs", Normal)
	<-b.runs
	b.submit("waits", Normal)
	for _, label := range []string{"waits", "runs"} {
		if err := b.q.Cancel(t.Context(), "d", label); err != nil {
			t.Fatal(err)
		}
		if j := b.ended(label); j.State != Cancelled || j.Message != "type:USER_CANCEL; msg:user cancel" {
			t.Errorf("%+v", j)
		}
	}
	if err := b.q.Cancel(t.Context(), "d", "runs"); !sqlerr.Is(err, sqlerr.NotFound) {
		t.Errorf("cancel what has ended: %v", err)
	}
}

func TestSlotsGoByPriority(t *testing.T) {
	b := newBench(t, 1)
	b.submit("first", Normal)
	first := <-b.runs
	for label, p := range map[string]Priority{"low": Low, "high": High, "normal": Normal} {
		b.submit(label, p)
	}
	first.do <- first.commit
	for _, want := range []string{"high", "normal", "low"} {
		turn := <-b.runs
		if got := turn.r.Job().Label; got != want {
			t.Errorf("%s runs, want %s", got, want)
		}
		turn.do <- turn.commit
	}
}

func TestTimeoutCancels(t *testing.T) {
	b := newBench(t, 1)
	if _, err := b.q.Submit(t.Context(), Job{DB: "d", Label: "late", Kind: "BROKER", Timeout: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if j := b.ended("late"); j.Message != "type:TIMEOUT; msg:timeout" {
		t.Errorf("%+v", j)
	}
}

func TestOneJobAloneRunsInADatabase(t *testing.T) {
	b := newBench(t, 5)
	submit := func(db string) error {
		_, err := b.q.Submit(t.Context(), Job{DB: db, Kind: "BROKER", Alone: "backup or restore"})
		return err
	}
	last := func() Job {
		list, err := b.q.List(t.Context(), "d", "backup or restore")
		if err != nil || len(list) == 0 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[len(list)-1]
	}
	for _, db := range []string{"d", "other"} {
		if err := submit(db); err != nil {
			t.Fatal(err)
		}
		<-b.runs
	}
	if err := submit("d"); err == nil || !strings.Contains(err.Error(), "Can only run one backup or restore job of a database at same time") {
		t.Errorf("a second job: %v", err)
	}
	b.submit("label", Normal)
	labelled := <-b.runs
	labelled.do <- labelled.commit
	b.ended("label") // which List tells without the others
	if err := b.q.CancelAlone(t.Context(), "d", "BROKER"); err != nil || last().State != Cancelled {
		t.Errorf("cancelled: %v, %+v", err, last())
	}
	if err := b.q.CancelAlone(t.Context(), "d", "BROKER"); !sqlerr.Is(err, sqlerr.NotFound) {
		t.Errorf("cancelled twice: %v", err)
	}
	for range 20 { // it ends before its record can be seen to have ended
		if err := submit("d"); err != nil {
			t.Fatal(err)
		}
		turn := <-b.runs
		turn.do <- turn.commit
		for last().State != Finished {
		}
	}
}

func TestWhatIsPublishedIsNotCancelled(t *testing.T) {
	b := newBench(t, 1)
	b.submit("fails", Normal)
	turn := <-b.runs
	turn.do <- func() error {
		return turn.r.Publish(turn.ctx, func(context.Context) error { return sqlerr.New(sqlerr.Denied, "no") })
	}
	if j := b.ended("fails"); j.State != Cancelled || j.Message != "type:LOAD_RUN_FAIL; msg:no" {
		t.Errorf("%+v", j)
	}
	b.submit("shows", Normal)
	turn = <-b.runs
	under, goOn := make(chan bool), make(chan bool)
	turn.do <- func() error {
		return turn.r.Publish(turn.ctx, func(ctx context.Context) error {
			under <- true
			<-goOn
			return ctx.Err()
		})
	}
	<-under
	if err := b.q.Cancel(t.Context(), "d", "shows"); !sqlerr.Is(err, sqlerr.Conflict) {
		t.Errorf("cancelled while it is published: %v", err)
	}
	goOn <- true
	if j := b.ended("shows"); j.State != Finished {
		t.Errorf("%+v", j)
	}
}
