package blob

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Statement is the reads of one SQL statement: what it has mounted, what it
// waits for, and why it failed if it did.
type Statement struct {
	store  *Store
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() bool
	dir    string

	// Guarded by Store.mu.
	scans  []*scan
	err    error    // first cause
	tokens int      // left for repetitions
	recent []*mount // last read, newest first
	busy   map[*rawConn]struct{}
	closed bool
}

// Hint says what will be read of mounted objects. It may be wrong: what is not
// foreseen is fetched when it is read.
type Hint struct {
	Table   string   // names the table in Stats
	Columns []string // top-level names in Parquet files; nil: all; empty but not nil: none
	Format  string   // "parquet", or any other word for files that are read from start to end
	// Describe is told the columns of each Parquet object, by its index, before
	// Mount returns; nil columns are those of a footer that is not understood.
	// Its error fails the mount. It is called many times at once; nil: nobody
	// asks.
	Describe func(i int, columns []lake.Column) error
	// Skip tells whether a row group in which a column's values lie between two
	// bounds, spelled as SQL does, holds no row that is wanted: nothing of it is
	// fetched ahead. It is called many times at once; nil: nothing is skipped.
	Skip func(column, low, high string) bool
}

// Stats is what the reads of one table cost.
type Stats struct {
	Table     string
	Requests  int64         // sent to S3
	Bytes     int64         // received in answers' bodies
	Read      int64         // asked for by the engine
	Planned   int64         // bytes of the plan so far
	CacheHits int64         // bytes that came from the disk
	Retries   int64         // requests that repeat another
	Skipped   int64         // bytes asked for ahead and dropped unread
	Most      int           // requests under way at once
	Wait      time.Duration // spent receiving, in all threads
}

// errClosed is the cause of reads after Close.
var errClosed = errors.New("the statement is over")

const (
	footerFlights = 64       // footers of one scan under way at once
	allFooters    = 192      // footers of the process
	maxFooter     = 64 << 20 // a longer footer is left to the engine
)

// Mount makes local files of objects and gives their paths in the same order.
// Footers are read before it returns, and the first column chunks are under way.
// An object without an ETag is asked for it first.
func (st *Statement) Mount(ctx context.Context, c *Client, objects []lake.Object, hint Hint) ([]string, error) {
	stop := context.AfterFunc(ctx, func() { st.abort(context.Cause(ctx)) })
	defer stop()
	if hint.Format != "parquet" {
		hint.Columns = nil
	}
	sc := st.scan(c, hint)
	if err := os.MkdirAll(sc.dir, 0o700); err != nil {
		return nil, st.fail(fmt.Errorf("mount objects: %w", err))
	}
	sc.mounts = make([]*mount, len(objects))
	for i, o := range objects {
		sc.mounts[i] = &mount{scan: sc, path: filepath.Join(sc.dir, fmt.Sprintf("%06d%s", i, suffix(o.Key)))}
	}
	ready := make([]chan error, len(objects))
	slots := make(chan struct{}, footerFlights)
	var workers sync.WaitGroup
	defer workers.Wait()
	for i := range ready {
		ready[i] = make(chan error, 1)
	}
	workers.Go(func() {
		for i, m := range sc.mounts {
			slots <- struct{}{}
			st.store.footers <- struct{}{}
			workers.Go(func() {
				ready[i] <- m.prepare(objects[i], hint.Format == "parquet", func(columns []lake.Column) error {
					if hint.Describe == nil {
						return nil
					}
					return hint.Describe(i, columns)
				})
				<-st.store.footers
				<-slots
			})
		}
	})
	paths := make([]string, len(objects))
	for i, m := range sc.mounts {
		if err := <-ready[i]; err != nil {
			return nil, st.fail(err)
		}
		paths[i] = m.path
		sc.admit(m)
	}
	return paths, nil
}

// scan opens a scan of this statement.
func (st *Statement) scan(c *Client, hint Hint) *scan {
	sc := &scan{st: st, client: c, skipping: hint.Skip, stats: Stats{Table: hint.Table}, furthest: -1, window: aheadFlights}
	if hint.Columns != nil {
		sc.wanted = map[string]bool{}
		for _, name := range hint.Columns {
			sc.wanted[strings.ToLower(name)] = true
		}
	}
	st.store.mu.Lock()
	defer st.store.mu.Unlock()
	sc.dir = filepath.Join(st.dir, fmt.Sprint(len(st.scans)))
	st.scans = append(st.scans, sc)
	return sc
}

var suffixes = regexp.MustCompile(`(\.[A-Za-z0-9]{1,12}){0,2}$`)

// suffix is what of a key tells the engine a format or a compression.
func suffix(key string) string {
	return suffixes.FindString(key[strings.LastIndexByte(key, '/')+1:])
}

// prepare gives the mount its object, its file and what is known of its layout.
func (m *mount) prepare(o lake.Object, parquet bool, describe func([]lake.Column) error) error {
	st := m.scan.st
	if err := st.Err(); err != nil {
		return err
	}
	if o.ETag == "" {
		var err error
		if o, err = m.scan.client.head(st, o); err != nil {
			return err
		}
	}
	if o.Size < 0 {
		return sqlerr.New(sqlerr.Corrupt, "%s is listed with %d bytes", o.URI(), o.Size)
	}
	if err := m.attach(o); err != nil {
		return err
	}
	if err := os.Link(st.store.file(m.object.id), m.path); err != nil {
		return fmt.Errorf("mount %s: %w", o.URI(), err)
	}
	fd, err := os.OpenFile(m.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("mount %s: %w", o.URI(), err)
	}
	defer fd.Close()
	if !parquet {
		m.layout = blocks(o.Size)
		return m.admission()
	}
	columns, err := m.footer(int(fd.Fd()))
	if err == nil {
		err = describe(columns)
	}
	if err != nil {
		return err
	}
	return m.admission()
}

// attach takes the object and registers the mount for reads.
func (m *mount) attach(o lake.Object) error {
	s := m.scan.st.store
	m.object = s.acquire(o)
	if err := s.create(m.object); err != nil {
		s.release(m.object)
		m.object = nil
		return fmt.Errorf("mount %s: %w", o.URI(), err)
	}
	s.mu.Lock()
	if m.scan.client.o.Recheck > 0 {
		m.admitted = s.seen[grant{m.scan.client.o.Identity, m.object.id}]
	}
	s.mu.Unlock()
	register(m)
	return nil
}

// footer reads the end of a Parquet file, finds its chunks and gives its
// columns. A footer that makes no sense leaves the layout empty: the engine says
// what is wrong.
func (m *mount) footer(fd int) ([]lake.Column, error) {
	size := m.object.Size
	tail := make([]byte, tailSize(size))
	if err := m.fill(fd, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	n, err := footerLength(tail)
	if err != nil || n+footerSize > size || n > maxFooter {
		return nil, m.refusal(err)
	}
	if missing := n + footerSize - int64(len(tail)); missing > 0 {
		whole := make([]byte, n+footerSize)
		copy(whole[missing:], tail)
		if err := m.fill(fd, whole[:missing], size-int64(len(whole))); err != nil {
			return nil, err
		}
		tail = whole
	}
	end := len(tail) - footerSize
	l, columns, err := parseFooter(tail[end-int(n):end], size, m.scan.skipping)
	if err == nil {
		m.layout = l
	}
	return columns, m.refusal(err)
}

// refusal is the error of a footer that the engine would not explain so well;
// nil for others.
func (m *mount) refusal(err error) error {
	switch err {
	case errEncrypted:
	case errHybrid:
		return sqlerr.New(sqlerr.Unsupported, "%s has days before 1582-10-15 that Spark counted by the Julian calendar, which lakeport does not read", m.object.URI()).
			WithHint("have it written anew with spark.sql.parquet.datetimeRebaseModeInWrite = CORRECTED")
	default:
		return nil
	}
	return sqlerr.New(sqlerr.Unsupported, "%s is encrypted Parquet, which lakeport does not read", m.object.URI()).
		WithHint("have it written without Parquet's own encryption; S3's encryption of objects is no obstacle")
}

// admission asks S3 whether this identity may read an object of which bytes
// are cached, unless it has just been told so.
func (m *mount) admission() error {
	s := m.scan.st.store
	s.mu.Lock()
	needed := len(m.object.have) > 0 && !m.mayServe()
	s.mu.Unlock()
	if !needed {
		return nil
	}
	return m.check()
}

// check reads one byte of the object: a HEAD would be refused without a reason.
func (m *mount) check() error {
	var one [1]byte
	last := m.object.Size - 1
	_, err := m.fetch(&flight{span: span{last, last + 1}, mount: m}, one[:])
	return err
}

// mayServe tells whether cached bytes may be served now. Store.mu is held.
func (m *mount) mayServe() bool {
	c := m.scan.client
	if m.admitted.IsZero() {
		return false
	}
	return c.o.Recheck < 0 || c.store.o.Now().Sub(m.admitted) <= c.o.Recheck
}

// Context ends when the statement does.
func (st *Statement) Context() context.Context { return st.ctx }

// Err gives the first cause why reads of the statement failed, nil if none did.
// It is to be preferred to the engine's own error, which knows only that a file
// could not be read.
func (st *Statement) Err() error {
	st.store.mu.Lock()
	defer st.store.mu.Unlock()
	if st.err == errClosed {
		return nil
	}
	return st.err
}

// recentMax is how many mounts are remembered: some more than there are threads
// that read at once.
const recentMax = 4

// touch notes that the engine reads m. Store.mu is held.
func (st *Statement) touch(m *mount) {
	if len(st.recent) > 0 && st.recent[0] == m {
		return
	}
	st.recent = slices.DeleteFunc(st.recent, func(r *mount) bool { return r == m })
	st.recent = slices.Insert(st.recent, 0, m)
	st.recent = st.recent[:min(len(st.recent), recentMax)]
}

// Recent gives the URIs of the objects that the engine has read last, newest
// first: where it complains of bytes and does not say whose, they are one of
// these's.
func (st *Statement) Recent() []string {
	st.store.mu.Lock()
	defer st.store.mu.Unlock()
	var uris []string
	for _, m := range st.recent {
		if uri := m.object.URI(); !slices.Contains(uris, uri) {
			uris = append(uris, uri)
		}
	}
	return uris
}

// Stats gives the cost of each mounted table so far, in the order of mounting.
func (st *Statement) Stats() []Stats {
	st.store.mu.Lock()
	defer st.store.mu.Unlock()
	all := make([]Stats, len(st.scans))
	for i, sc := range st.scans {
		all[i] = sc.stats
	}
	return all
}

// Close stops what is under way and unmounts. The engine must have closed its
// files; a read after Close fails.
func (st *Statement) Close() error {
	s := st.store
	s.mu.Lock()
	again := st.closed
	st.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	st.stop()
	st.abort(errClosed)
	s.mu.Lock()
	delete(s.open, st)
	scans := st.scans
	s.mu.Unlock()
	for _, sc := range scans {
		for _, m := range sc.mounts {
			if m != nil && m.object != nil {
				unregister(m)
				s.release(m.object)
			}
		}
	}
	if err := os.RemoveAll(st.dir); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return nil
}

// fail stores the first cause and gives it.
func (st *Statement) fail(err error) error {
	st.store.mu.Lock()
	defer st.store.mu.Unlock()
	if st.err == nil {
		st.err = err
	}
	return st.err
}

// abort ends the statement's reads: parked answers are closed unread, threads
// that receive or wait wake up.
func (st *Statement) abort(cause error) {
	s := st.store
	st.cancel(cause)
	s.mu.Lock()
	if st.err == nil {
		st.err = cause
	}
	for c := range st.busy {
		c.wake()
	}
	var dropped []*flight
	for _, sc := range st.scans {
		dropped = append(dropped, sc.queue...)
		for _, f := range sc.queue {
			sc.dropFlight(f)
		}
		sc.queue = nil
	}
	s.mu.Unlock()
	discard(dropped)
}

const (
	retryTokens = 2000 // of one statement: a repetition costs ten, a good answer gives one back
	maxAttempts = 6    // of one request
)

// trial is what one request has been through.
type trial struct {
	attempts  int
	renewed   bool
	corrected bool // the signature's clock was set by S3's
}

// again decides about a failed request: nil to repeat it, after a wait if need
// be, else the error to give up with. key is the id of the credentials that
// signed it.
func (st *Statement) again(sc *scan, t *trial, key string, err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case st.ctx.Err() != nil:
		return context.Cause(st.ctx)
	case !ok:
		return err
	case errors.Is(err, errIdleClosed):
		return nil
	case e.expired() && !t.renewed && sc.client.renew(key):
		t.renewed = true
		return nil
	case !t.corrected && sc.client.correct(e):
		t.corrected = true
		return nil
	case !e.retriable():
		return err
	}
	t.attempts++
	st.store.mu.Lock()
	st.tokens -= 10
	enough := st.tokens > 0 && t.attempts < maxAttempts
	sc.stats.Retries++
	if e.throttled() {
		sc.window = max(sc.window/2, inline)
	}
	st.store.mu.Unlock()
	if !enough {
		gaveUp := *e
		gaveUp.final = true
		gaveUp.Err = sqlerr.New(sqlerr.Unreachable, "read %s: gave up after %d attempts: %s", e.URI, t.attempts, e.reason())
		return &gaveUp
	}
	timer := time.NewTimer(st.store.o.Backoff(t.attempts))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	}
}

// jitter is the default wait: 50 ms doubled with each attempt up to 5 s, and of
// that a random part, so that those who failed together do not ask together.
func jitter(attempt int) time.Duration {
	most := min(50*time.Millisecond<<(attempt-1), 5*time.Second)
	return rand.N(most) + time.Millisecond
}
