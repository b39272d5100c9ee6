package engine

/*
#include <stdint.h>
#include <stdlib.h>
extern void lakeportFeedBind(void *info);
extern void lakeportFeedInit(void *info);
extern void lakeportFeedInitThread(void *info);
extern void lakeportFeedRead(void *info, void *chunk);
extern void lakeportFeedDrop(void *box);
*/
import "C"

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"runtime/cgo"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// One table function, made once for each database, reads all feeds: its
// argument is the number of an offer. Clients' SQL cannot call it, for it is on
// no list of allowed functions.
const feedFunction = "lakeport_feed"

// offers are the feeds that statements under way may read, of all databases of
// the process.
var offers = struct {
	sync.Mutex
	last int64
	open map[int64]*offer
}{open: map[int64]*offer{}}

type offer struct {
	ctx  context.Context
	feed lake.Feed
	mu   sync.Mutex
	err  error // first one
}

// Offer lets statements read a feed until ctx ends, and gives the item of FROM
// that stands for it. Its readers' ctx is ctx.
func Offer(ctx context.Context, f lake.Feed) string {
	offers.Lock()
	defer offers.Unlock()
	offers.last++
	n := offers.last
	offers.open[n] = &offer{ctx: ctx, feed: f}
	context.AfterFunc(ctx, func() {
		offers.Lock()
		defer offers.Unlock()
		delete(offers.open, n)
	})
	return fmt.Sprintf("%s(%d)", feedFunction, n)
}

func offerOf(n int64) *offer {
	offers.Lock()
	defer offers.Unlock()
	return offers.open[n]
}

// fail keeps the first error of an offer, and gives the text by which
// feedError finds it again in DuckDB's.
func (o *offer) fail(err error) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	offers.Lock()
	defer offers.Unlock()
	for n, p := range offers.open {
		if p == o {
			return fmt.Sprintf("%s(%d) failed %s", feedFunction, n, feedNonce)
		}
	}
	return feedFunction + " is over"
}

// feedNonce is in the text of our own errors, so that SQL which raises errors
// of its own cannot ask for those of other statements.
var (
	feedNonce   = rand.Text()
	feedFailure = regexp.MustCompile(feedFunction + `\((\d+)\) failed ` + feedNonce)
)

// feedError is the error of a feed's reader that DuckDB's text raw stands for,
// nil if raw is an error of another kind.
func feedError(raw string) error {
	m := feedFailure.FindStringSubmatch(raw)
	if m == nil {
		return nil
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	o := offerOf(n)
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// addFeeds makes the function.
func (c *Conn) addFeeds() error {
	f := duckdb.CreateTableFunction()
	defer duckdb.DestroyTableFunction(&f)
	duckdb.TableFunctionSetName(f, feedFunction)
	number := duckdb.CreateLogicalType(duckdb.TypeBigInt)
	defer duckdb.DestroyLogicalType(&number)
	duckdb.TableFunctionAddParameter(f, number)
	duckdb.TableFunctionSupportsProjectionPushdown(f, true)
	duckdb.TableFunctionSetBind(f, unsafe.Pointer(C.lakeportFeedBind))
	duckdb.TableFunctionSetInit(f, unsafe.Pointer(C.lakeportFeedInit))
	duckdb.TableFunctionSetLocalInit(f, unsafe.Pointer(C.lakeportFeedInitThread))
	duckdb.TableFunctionSetFunction(f, unsafe.Pointer(C.lakeportFeedRead))
	if duckdb.RegisterTableFunction(c.handle, f) == duckdb.StateError {
		return sqlerr.New(sqlerr.Internal, "open DuckDB: it refuses the function %s", feedFunction)
	}
	return nil
}

// box gives DuckDB a pointer that stands for v until lakeportFeedDrop. DuckDB
// may keep no pointer to Go's memory.
func box(v any) (p, drop unsafe.Pointer) {
	p = C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(p) = cgo.NewHandle(v)
	return p, unsafe.Pointer(C.lakeportFeedDrop)
}

func unbox[T any](p unsafe.Pointer) T { return (*(*cgo.Handle)(p)).Value().(T) }

// lakeportFeedDrop frees what box made; a reader that is still open ends.
//
//export lakeportFeedDrop
func lakeportFeedDrop(p unsafe.Pointer) {
	h := *(*cgo.Handle)(p)
	if t, ok := h.Value().(*feedThread); ok {
		t.close()
	}
	h.Delete()
	C.free(p)
}

// guard turns a panic into an error: there is no Go above a callback that
// could recover.
func guard(o *offer, set func(string)) {
	if r := recover(); r != nil {
		err := fmt.Errorf("read rows: internal fault: %v\n%s", r, debug.Stack())
		if o == nil {
			set(err.Error())
			return
		}
		set(o.fail(err))
	}
}

//export lakeportFeedBind
func lakeportFeedBind(p unsafe.Pointer) {
	info := duckdb.BindInfo{Ptr: p}
	set := func(msg string) { duckdb.BindSetError(info, msg) }
	defer guard(nil, set)
	arg := duckdb.BindGetParameter(info, 0)
	n := duckdb.GetInt64(arg)
	duckdb.DestroyValue(&arg)
	o := offerOf(n)
	if o == nil {
		set(fmt.Sprintf("there is no feed %d", n))
		return
	}
	for _, c := range o.feed.Columns {
		t, err := makeType(c.Type)
		if err != nil {
			set(o.fail(fmt.Errorf("column %s: %w", c.Name, err)))
			return
		}
		duckdb.BindAddResultColumn(info, c.Name, t)
		duckdb.DestroyLogicalType(&t)
	}
	if o.feed.Rows > 0 {
		duckdb.BindSetCardinality(info, duckdb.IdxT(o.feed.Rows), false)
	}
	data, drop := box(o)
	duckdb.BindSetBindData(info, data, drop)
}

// feedRun is one scan of a feed in one run of a statement.
type feedRun struct {
	*offer
	next    atomic.Int64 // part to open
	columns []int        // wanted, and where they go
	slots   []int
	others  []int // slots of columns that are not the feed's: a row number to count by
}

//export lakeportFeedInit
func lakeportFeedInit(p unsafe.Pointer) {
	info := duckdb.InitInfo{Ptr: p}
	o := unbox[*offer](duckdb.InitGetBindData(info))
	defer guard(o, func(msg string) { duckdb.InitSetError(info, msg) })
	r := &feedRun{offer: o, columns: []int{}}
	for slot := range duckdb.InitGetColumnCount(info) {
		if c := duckdb.InitGetColumnIndex(info, slot); c < duckdb.IdxT(len(o.feed.Columns)) {
			r.columns, r.slots = append(r.columns, int(c)), append(r.slots, int(slot))
		} else {
			r.others = append(r.others, int(slot))
		}
	}
	duckdb.InitSetMaxThreads(info, duckdb.IdxT(max(o.feed.Parts, 1)))
	data, drop := box(r)
	duckdb.InitSetInitData(info, data, drop)
}

// feedThread is what one thread reads of a feedRun.
type feedThread struct {
	reader lake.FeedReader // nil: none is open
	chunk  lake.Chunk
}

//export lakeportFeedInitThread
func lakeportFeedInitThread(p unsafe.Pointer) {
	data, drop := box(&feedThread{})
	duckdb.InitSetInitData(duckdb.InitInfo{Ptr: p}, data, drop)
}

//export lakeportFeedRead
func lakeportFeedRead(p, out unsafe.Pointer) {
	info, chunk := duckdb.FunctionInfo{Ptr: p}, duckdb.DataChunk{Ptr: out}
	r := unbox[*feedRun](duckdb.FunctionGetInitData(info))
	t := unbox[*feedThread](duckdb.FunctionGetLocalInitData(info))
	set := func(msg string) { duckdb.FunctionSetError(info, msg) }
	defer guard(r.offer, set)
	n, err := t.read(r, chunk)
	if err != nil {
		set(r.fail(err))
		n = 0
	}
	duckdb.DataChunkSetSize(chunk, duckdb.IdxT(n))
}

// read fills a chunk from the thread's part, or the next one that has rows.
func (t *feedThread) read(r *feedRun, chunk duckdb.DataChunk) (int, error) {
	for {
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if t.reader == nil {
			part := r.next.Add(1) - 1
			if part >= int64(r.feed.Parts) {
				return 0, nil
			}
			var err error
			if t.reader, err = r.feed.Open(r.ctx, int(part), r.columns); err != nil {
				t.reader = nil
				return 0, err
			}
		}
		t.prepare(r, chunk)
		n, err := t.reader.Read(&t.chunk)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			return n, t.deliver(r, chunk, n)
		}
		if err := t.close(); err != nil {
			return 0, err
		}
	}
}

func (t *feedThread) close() error {
	if t.reader == nil {
		return nil
	}
	reader := t.reader
	t.reader = nil
	return reader.Close()
}

// prepare points t.chunk at DuckDB's vectors.
func (t *feedThread) prepare(r *feedRun, chunk duckdb.DataChunk) {
	size := int(duckdb.VectorSize())
	t.chunk.Rows = size
	t.chunk.Columns = t.chunk.Columns[:0]
	for i, c := range r.columns {
		v := lake.Vector{Type: r.feed.Columns[c].Type}
		lend(&v, duckdb.DataChunkGetVector(chunk, duckdb.IdxT(r.slots[i])), size)
		t.chunk.Columns = append(t.chunk.Columns, v)
	}
}

// deliver moves what the reader gave into DuckDB's vectors.
func (t *feedThread) deliver(r *feedRun, chunk duckdb.DataChunk, n int) error {
	if n > t.chunk.Rows || len(t.chunk.Columns) != len(r.columns) {
		return sqlerr.New(sqlerr.Internal, "read rows: a reader gave %d rows of %d columns where %d of %d were asked for", n, len(t.chunk.Columns), t.chunk.Rows, len(r.columns))
	}
	for i, c := range r.columns {
		v := &t.chunk.Columns[i]
		v.Type = r.feed.Columns[c].Type
		if err := writeVector(duckdb.DataChunkGetVector(chunk, duckdb.IdxT(r.slots[i])), v, n, nil); err != nil {
			return fmt.Errorf("read column %s: %w", r.feed.Columns[c].Name, err)
		}
	}
	for _, slot := range r.others {
		data := duckdb.VectorGetData(duckdb.DataChunkGetVector(chunk, duckdb.IdxT(slot)))
		clear(unsafe.Slice((*int64)(data), n))
	}
	return nil
}
