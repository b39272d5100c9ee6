package orc

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"lakeport/internal/lake"
)

// Input is a file of a Feed.
type Input struct {
	File *File
	// Columns are for each column of the feed the index of the file's column, of
	// the same type; -1: the file has none, and the values are NULL.
	Columns []int
	Index   int64    // the value of the column file_index
	Filters []Filter // conditions that all rows which are wanted meet
}

// Feed gives the rows of files, stripe by stripe: two columns of the reader's
// own, file_index (the Input's Index) and file_row_number (from 0), then the
// given ones. The engine reads the first to count rows, which costs nothing so.
// Stripes and row groups that filters rule out are left out; their rows are
// counted all the same in file_row_number.
func Feed(columns []lake.Column, inputs []Input) (lake.Feed, error) {
	s := &stripes{windows: map[string]*window{}}
	feed := lake.Feed{Open: s.open}
	number := lake.Type{Kind: lake.BigInt}
	feed.Columns = append([]lake.Column{{Name: IndexColumn, Type: number}, {Name: RowColumn, Type: number}}, columns...)
	for i := range inputs {
		in := &inputs[i]
		list, err := in.File.stripesWith(in.Filters)
		if err != nil {
			return feed, err
		}
		for _, n := range list {
			s.parts = append(s.parts, part{in, n})
			feed.Rows += in.File.stripes[n].rows
		}
	}
	feed.Parts = len(s.parts)
	return feed, nil
}

// The columns that a Feed adds, and how many they are.
const (
	IndexColumn = "file_index"
	RowColumn   = "file_row_number"
	added       = 2
)

// part is one stripe.
type part struct {
	in     *Input
	number int
}

// stripes is the parts of a feed, and those that are fetched ahead.
type stripes struct {
	parts []part

	mu      sync.Mutex
	windows map[string]*window // by the columns that are read
}

// window is the parts fetched ahead for one set of columns.
type window struct {
	next    int // part to fetch
	bytes   int64
	fetched map[int]*fetching
}

// fetching is a part under way.
type fetching struct {
	done   chan struct{}
	stripe *stripe
	err    error
	size   int64 // about, of what it will hold
}

const (
	aheadBytes = 64 << 20 // fetched and not yet read
	aheadParts = 8
)

func (s *stripes) open(ctx context.Context, n int, columns []int) (lake.FeedReader, error) {
	p := s.parts[n]
	got := s.fetch(ctx, n, columns)
	select {
	case <-got.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if got.err != nil {
		return nil, p.in.File.wrap(got.err)
	}
	return &rows{part: p, stripe: got.stripe, columns: columns}, nil
}

// reader makes the reader of the feed's column c.
func (p part) reader(s *span, c int) (reader, error) {
	at := p.in.Columns[c-added]
	if at < 0 {
		return &nullReader{}, nil
	}
	col := p.in.File.columns[at]
	r, err := s.open(col.id, col.Type)
	return r, p.locate(col.Name, err)
}

// locate says where in the file an error is.
func (p part) locate(column string, err error) error {
	switch e := err.(type) {
	case fault:
		return fault(fmt.Sprintf("column %s, stripe %d: %s", column, p.number, string(e)))
	case refusal:
		return refusal(fmt.Sprintf("%s (column %s, stripe %d)", string(e), column, p.number))
	}
	return err
}

// fetch gives part n, fetched before or now, and fetches those after it.
func (s *stripes) fetch(ctx context.Context, n int, columns []int) *fetching {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint(columns)
	w := s.windows[key]
	if w == nil {
		w = &window{fetched: map[int]*fetching{}}
		s.windows[key] = w
	}
	got := w.fetched[n]
	if got == nil {
		got = s.start(ctx, n, columns)
	} else {
		delete(w.fetched, n)
		w.bytes -= got.size
	}
	for w.next = max(w.next, n+1); w.next < len(s.parts) && w.bytes < aheadBytes && len(w.fetched) < aheadParts; w.next++ {
		f := s.start(ctx, w.next, columns)
		w.fetched[w.next] = f
		w.bytes += f.size
	}
	return got
}

func (s *stripes) start(ctx context.Context, n int, columns []int) *fetching {
	p := s.parts[n]
	var inFile []int
	for _, c := range columns {
		if c >= added && p.in.Columns[c-added] >= 0 {
			inFile = append(inFile, p.in.Columns[c-added])
		}
	}
	f := &fetching{done: make(chan struct{}), size: p.in.File.stripes[p.number].data * int64(len(inFile)) / int64(max(1, len(p.in.File.columns)))}
	go func() {
		defer close(f.done)
		defer func() {
			if r := recover(); r != nil {
				f.err = fmt.Errorf("read %s: internal fault: %v\n%s", p.in.File.Name(), r, debug.Stack())
			}
		}()
		f.stripe, f.err = p.in.File.fetch(ctx, p.number, inFile, p.in.Filters)
	}()
	return f
}

// rows gives the rows of a part, span by span.
type rows struct {
	part
	stripe  *stripe
	spans   int // begun
	left    int64
	row     int64 // of the file
	columns []int
	readers []reader // nil: the index or the row's number
}

// next begins the next span; false: there is none.
func (r *rows) next() (bool, error) {
	if r.spans == len(r.stripe.spans) {
		return false, nil
	}
	s := &r.stripe.spans[r.spans]
	r.spans++
	r.left, r.row = s.to-s.from, r.stripe.info.first+s.from
	r.readers = r.readers[:0]
	for _, c := range r.columns {
		var in reader
		if c >= added {
			var err error
			if in, err = r.reader(s, c); err != nil {
				return false, r.in.File.wrap(err)
			}
		}
		r.readers = append(r.readers, in)
	}
	return true, nil
}

// Read implements lake.FeedReader.
func (r *rows) Read(dst *lake.Chunk) (int, error) {
	for r.left == 0 {
		if ok, err := r.next(); !ok {
			return 0, err
		}
	}
	n := int(min(int64(dst.Rows), r.left))
	for i, in := range r.readers {
		v := &dst.Columns[i]
		if in != nil {
			if err := in.read(v, n, nil); err != nil {
				return 0, r.in.File.wrap(r.locate(v.Type.String(), err))
			}
			continue
		}
		isRow := r.columns[i] == 1
		for j, data := 0, v.Data.([]int64); j < n; j++ {
			if data[j] = r.in.Index; isRow {
				data[j] = r.row + int64(j)
			}
		}
	}
	r.left, r.row = r.left-int64(n), r.row+int64(n)
	return n, nil
}

// Close implements lake.FeedReader.
func (r *rows) Close() error { return nil }
