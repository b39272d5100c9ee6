package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// Slots is how many jobs run at once unless Options say otherwise: StarRocks'
// max_broker_load_job_concurrency.
const Slots = 5

// Options are what a Queue stands on.
type Options struct {
	DB    *engine.DB
	Box   *secret.Box
	Kinds map[string]Work
	Slots int              // 0: Slots
	Now   func() time.Time // nil: the real clock
	Log   *slog.Logger
}

// Work does a job on a connection of its own. It ends with Run.Commit; an
// error without it, or its context's end, cancels the job. It may run again
// from its beginning after a restart.
type Work func(ctx context.Context, r *Run) error

// Failure is an error of Work with the type that StarRocks tells beside its
// message, as ETL_QUALITY_UNSATISFIED. Others are LOAD_RUN_FAIL.
type Failure struct {
	Type string
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the error without its type.
func (f *Failure) Unwrap() error { return f.Err }

// What ends a job's context before its work does.
var (
	errTimeout = &Failure{"TIMEOUT", sqlerr.New(sqlerr.Canceled, "timeout")}
	errUser    = &Failure{"USER_CANCEL", sqlerr.New(sqlerr.Canceled, "user cancel")}
	errStop    = errors.New("the server stops")
)

// Queue runs jobs, as many at once as there are slots, by priority and then in
// the order in which they came.
type Queue struct {
	o    Options
	work sync.WaitGroup

	store sync.Mutex // guards conn: one change of the records at a time
	conn  *engine.Conn

	mu       sync.Mutex
	jobs     map[int64]*active // not ended
	reserved map[string]bool   // labels of statements under way
	last     int64
	busy     int
	started  bool
	closed   bool
}

// active is a job that has not ended.
type active struct {
	Job                            // guarded by Queue.mu
	cancel context.CancelCauseFunc // nil until it runs
	ended  chan struct{}
}

// Open reads the jobs that the database holds. None runs before Start.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if o.Slots == 0 {
		o.Slots = Slots
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := o.DB.Connect()
	if err != nil {
		return nil, err
	}
	q := &Queue{o: o, conn: conn, jobs: map[int64]*active{}, reserved: map[string]bool{}}
	if err := q.load(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return q, nil
}

func (q *Queue) load(ctx context.Context) error {
	for _, text := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + schema,
		"CREATE TABLE IF NOT EXISTS " + table + " (id BIGINT NOT NULL, db VARCHAR NOT NULL, label VARCHAR NOT NULL, state VARCHAR NOT NULL, record BLOB NOT NULL)",
	} {
		if _, err := q.conn.Exec(ctx, text); err != nil {
			return fmt.Errorf("prepare the jobs' table: %w", err)
		}
	}
	rows, err := q.conn.Query(ctx, "SELECT coalesce(max(id), 10000) FROM "+table)
	if err != nil {
		return err
	}
	if chunk, err := rows.Next(ctx); err != nil {
		return err
	} else if chunk != nil {
		q.last = chunk.Columns[0].Data.([]int64)[0]
	}
	rows.Close()
	list, err := read(ctx, q.conn, q.o.Box, "WHERE state NOT IN ('FINISHED', 'CANCELLED')")
	for _, j := range list {
		q.jobs[j.ID] = &active{Job: *j, ended: make(chan struct{})}
	}
	return err
}

// Start begins to run what was submitted, before a restart too.
func (q *Queue) Start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = true
	q.fill()
}

// Close stops the running jobs, which stay as they are stored and run again
// after a restart.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	for _, a := range q.jobs {
		if a.cancel != nil {
			a.cancel(errStop)
		}
	}
	q.mu.Unlock()
	q.work.Wait()
	q.conn.Close()
}

// taken is the error that StarRocks gives for a label in use; clients look for
// its words.
func taken(label string) error {
	return sqlerr.New(sqlerr.Exists, "Label [%s] has already been used.", label).With(sqlerr.Code{MySQL: 1064, State: "HY000"})
}

// Reserve keeps a label for a statement that will write its record by
// Reservation.Finish. It fails if the label is taken.
func (q *Queue) Reserve(ctx context.Context, db, label string) (*Reservation, error) {
	q.store.Lock()
	defer q.store.Unlock()
	key := db + "\x00" + label
	q.mu.Lock()
	held := q.reserved[key]
	q.mu.Unlock()
	if held {
		return nil, taken(label)
	}
	used, err := read(ctx, q.conn, q.o.Box, "WHERE db = ? AND label = ? AND state <> 'CANCELLED'", db, label)
	if err != nil {
		return nil, err
	}
	if len(used) > 0 {
		return nil, taken(label)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved[key] = true
	q.last++
	return &Reservation{q: q, key: key, Job: Job{ID: q.last, DB: db, Label: label, State: Pending, Created: q.o.Now()}}, nil
}

// reserveAlone keeps a database for one job that is to be alone.
func (q *Queue) reserveAlone(ctx context.Context, db, alone string) (*Reservation, error) {
	q.store.Lock()
	defer q.store.Unlock()
	under, err := read(ctx, q.conn, q.o.Box, "WHERE db = ? AND state NOT IN ('FINISHED', 'CANCELLED')", db)
	if err != nil {
		return nil, err
	}
	key := db + "\x00\x00" + alone
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.reserved[key] || slices.ContainsFunc(under, func(j *Job) bool { return j.Alone == alone }) {
		return nil, sqlerr.New(sqlerr.Conflict, "Can only run one %s job of a database at same time", alone).With(sqlerr.Code{MySQL: 1064, State: "HY000"})
	}
	q.reserved[key] = true
	q.last++
	return &Reservation{q: q, key: key, Job: Job{ID: q.last, DB: db, State: Pending, Created: q.o.Now()}}, nil
}

// Reservation is a label held for a statement.
type Reservation struct {
	Job
	q   *Queue
	key string
}

// Release gives the label free unless its record is stored.
func (r *Reservation) Release() {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	delete(r.q.reserved, r.key)
}

// Finish stores the record, FINISHED, in the transaction of the statement's
// rows on c.
func (r *Reservation) Finish(ctx context.Context, c *engine.Conn) error {
	now := r.q.o.Now()
	r.State, r.Started, r.Ended = Finished, r.Created, now
	return r.insert(ctx, c, r.q.o.Box)
}

// Submit stores a job and gives its id. From then on it runs, also after a
// restart. The label must be free in its database, or the database without
// another job that is Alone alike.
func (q *Queue) Submit(ctx context.Context, j Job) (int64, error) {
	if q.o.Kinds[j.Kind] == nil {
		return 0, fmt.Errorf("there is no work of kind %q", j.Kind)
	}
	reserve := q.Reserve
	if j.Alone != "" {
		reserve = q.reserveAlone
		j.Label = ""
	}
	r, err := reserve(ctx, j.DB, cmp.Or(j.Alone, j.Label))
	if err != nil {
		return 0, err
	}
	defer r.Release()
	j.ID, j.State, j.Created = r.ID, Pending, r.Created
	q.store.Lock()
	err = j.insert(context.WithoutCancel(ctx), q.conn, q.o.Box)
	q.store.Unlock()
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs[j.ID] = &active{Job: j, ended: make(chan struct{})}
	q.fill()
	return j.ID, nil
}

// fill starts waiting jobs in the free slots. q.mu is held.
func (q *Queue) fill() {
	if !q.started || q.closed {
		return
	}
	waiting := slices.SortedFunc(maps.Values(q.jobs), func(a, b *active) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.ID, b.ID))
	})
	for _, a := range waiting {
		switch {
		case a.cancel != nil:
		case q.busy >= q.o.Slots:
			if a.State == Pending { // in memory only: a restart finds it PENDING, which means the same
				a.State = Queueing
			}
		default:
			q.busy++
			ctx, cancel := context.WithCancelCause(context.Background())
			a.cancel = cancel
			q.work.Go(func() { q.run(ctx, a) })
		}
	}
}

// run carries a job to its end.
func (q *Queue) run(ctx context.Context, a *active) {
	defer func() {
		a.cancel(nil)
		close(a.ended)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.busy--
		if !errors.Is(context.Cause(ctx), errStop) {
			delete(q.jobs, a.ID)
		}
		q.fill()
	}()
	if a.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, a.Created.Add(a.Timeout), errTimeout)
		defer cancel()
	}
	r := &Run{q: q, a: a}
	err := q.attempt(ctx, r)
	if err == nil && !r.done {
		err = errors.New("the work ended without a commit")
	}
	if r.done || errors.Is(context.Cause(ctx), errStop) {
		return
	}
	q.cancelled(ctx, a, err)
}

// attempt runs the work; a panic is an error of ours.
func (q *Queue) attempt(ctx context.Context, r *Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal fault: %v", p)
		}
	}()
	if r.Conn, err = q.o.DB.Connect(); err != nil {
		return err
	}
	defer r.Conn.Close()
	if err := q.move(context.WithoutCancel(ctx), r.a, Loading, ""); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return q.o.Kinds[r.a.Kind](ctx, r)
}

// cancelled records the failure of a job.
func (q *Queue) cancelled(ctx context.Context, a *active, err error) {
	kind := "LOAD_RUN_FAIL"
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		kind, err = f.Type, f.Err
	}
	message := "type:" + kind + "; msg:" + sqlerr.From(err).Error()
	if sqlerr.From(err).Kind == sqlerr.Internal { // clients see no more of these than where to look
		message = fmt.Sprintf("type:%s; msg:internal error: the server's log tells it under job %d", kind, a.ID)
		q.o.Log.Error("job failed", "job", a.ID, "label", a.Label, "error", err)
	}
	if err := q.move(context.WithoutCancel(ctx), a, Cancelled, strings.TrimSpace(message)); err != nil {
		q.o.Log.Error("a cancelled job could not be recorded: it runs again at the next start", "job", a.ID, "error", err)
	}
}

// move changes a job's state on the queue's own connection.
func (q *Queue) move(ctx context.Context, a *active, next State, message string) error {
	q.store.Lock()
	defer q.store.Unlock()
	q.mu.Lock()
	j := a.Job
	q.mu.Unlock()
	if err := j.To(ctx, q.conn, q.o.Box, next, message, q.o.Now()); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	j.Progress = a.Progress
	a.Job = j
	return nil
}

// Cancel ends a job that has not begun to commit, and waits for its end.
func (q *Queue) Cancel(ctx context.Context, db, label string) error {
	missing := sqlerr.New(sqlerr.NotFound, "Load job does not exist").WithHint("SHOW LOAD tells the jobs of a database; one that is FINISHED or CANCELLED cannot be cancelled")
	return q.cancel(ctx, func(j *Job) bool { return j.DB == db && j.Alone == "" && j.Label == label }, missing)
}

// CancelAlone is Cancel of the job of a kind that is Alone in its database.
func (q *Queue) CancelAlone(ctx context.Context, db, kind string) error {
	missing := sqlerr.New(sqlerr.NotFound, "No %s job is currently running", strings.ToLower(kind))
	return q.cancel(ctx, func(j *Job) bool { return j.DB == db && j.Alone != "" && j.Kind == kind }, missing)
}

func (q *Queue) cancel(ctx context.Context, is func(*Job) bool, missing error) error {
	q.mu.Lock()
	var found *active
	for _, a := range q.jobs {
		if is(&a.Job) && !a.State.Ended() {
			found = a
		}
	}
	switch {
	case found == nil:
		q.mu.Unlock()
		return missing
	case found.State == Prepared:
		q.mu.Unlock()
		return sqlerr.New(sqlerr.Conflict, "Cancel job [%s] fail: it commits", cmp.Or(found.Label, found.Kind))
	case found.cancel == nil: // waits: it is cancelled as it starts
		runs, cancel := context.WithCancelCause(context.Background())
		found.cancel = cancel
		q.busy++
		q.work.Go(func() { q.run(runs, found) })
	}
	found.cancel(errUser)
	q.mu.Unlock()
	select {
	case <-found.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Prioritize changes the priority of a job that has not ended, until a restart.
func (q *Queue) Prioritize(ctx context.Context, db, label string, p Priority) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.jobs {
		if a.DB == db && a.Alone == "" && a.Label == label {
			a.Priority = p
			return nil
		}
	}
	return sqlerr.New(sqlerr.NotFound, "Load job does not exist")
}

// List gives the jobs of a database, of all if db is "", in the order of their
// ids: those with labels, or those that are Alone alike.
func (q *Queue) List(ctx context.Context, db, alone string) ([]Job, error) {
	q.store.Lock()
	list, err := read(ctx, q.conn, q.o.Box, "WHERE ? = '' OR db = ?", db, db)
	q.store.Unlock()
	if err != nil {
		return nil, err
	}
	var out []Job
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range list {
		if j.Alone != alone {
			continue
		}
		if a := q.jobs[j.ID]; a != nil && !j.State.Ended() {
			*j = a.Job
			p := &j.Progress
			p.Tables, p.Rejected, p.Steps = slices.Clone(p.Tables), slices.Clone(p.Rejected), slices.Clone(p.Steps)
		}
		out = append(out, *j)
	}
	return out, nil
}

// Run is one job under way.
type Run struct {
	Conn *engine.Conn // for this job alone
	q    *Queue
	a    *active
	done bool
}

// Job is the record as it stands.
func (r *Run) Job() Job {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	return r.a.Job
}

// Report changes the progress.
func (r *Run) Report(change func(*Progress)) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	change(&r.a.Progress)
}

// Commit runs f and turns the job FINISHED in one transaction. If f fails, or
// ctx ends before it has returned, nothing of either is there. Conflicts with
// other transactions come back from it: it may be tried again.
func (r *Run) Commit(ctx context.Context, f func(*engine.Conn) error) error {
	err := r.Conn.InTx(ctx, func(c *engine.Conn) error {
		if err := f(c); err != nil {
			return err
		}
		if err := r.prepare(ctx); err != nil {
			return err
		}
		j := r.Job()
		j.State = Loading // PREPARED is not stored
		if err := j.To(context.WithoutCancel(ctx), c, r.q.o.Box, Finished, "", r.q.o.Now()); err != nil {
			return err
		}
		return nil
	})
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	if r.done = err == nil; r.done {
		r.a.State = Finished
	} else if r.a.State == Prepared {
		r.a.State = Loading
	}
	return err
}

// Enter reports that the work has come to a step.
func (r *Run) Enter(step string) {
	r.Report(func(p *Progress) { p.Steps = append(p.Steps, Step{step, r.q.o.Now()}) })
}

// Publish turns the job FINISHED after f, whose effect shows outside the
// database and cannot be taken back: once f has begun, the job can no longer be
// cancelled. If f fails, the job is not finished.
func (r *Run) Publish(ctx context.Context, f func(context.Context) error) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := f(ctx); err != nil {
		r.q.mu.Lock()
		defer r.q.mu.Unlock()
		r.a.State = Loading
		return err
	}
	return r.Commit(ctx, func(*engine.Conn) error { return nil })
}

// prepare shuts out a cancellation from now on.
func (r *Run) prepare(ctx context.Context) error {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.a.State = Prepared
	return nil
}
