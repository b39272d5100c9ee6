package pipe

import (
	"context"

	"lakeport/internal/lake"
)

// batch is rows as a source sends them: nil is NULL.
type batch [][][]byte

// batchRows is how many rows travel together.
const batchRows = 1024

// stream is rows on their way from a source's connection to the engine.
type stream struct {
	columns []int // that the engine wants, by place
	rows    chan batch
	err     error // why rows ended; valid once it is closed
	stop    context.CancelFunc
	now     batch
}

// newStream runs send, which hands batches on until there are no more, beside
// the engine.
func newStream(ctx context.Context, columns []int, send func(ctx context.Context, put func(batch) error) error) *stream {
	ctx, stop := context.WithCancel(ctx)
	s := &stream{columns: columns, rows: make(chan batch, 2), stop: stop}
	go func() {
		defer close(s.rows)
		s.err = send(ctx, func(b batch) error {
			select {
			case s.rows <- b:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	return s
}

// Read implements lake.FeedReader.
func (s *stream) Read(dst *lake.Chunk) (int, error) {
	if len(s.now) == 0 {
		b, more := <-s.rows
		if !more {
			return 0, s.err
		}
		s.now = b
	}
	n := min(len(s.now), dst.Rows)
	for i, c := range s.columns {
		v := &dst.Columns[i]
		out := v.Strings()
		for row := range n {
			if value := s.now[row][c]; value == nil {
				v.SetNull(row)
			} else {
				out[row] = lake.MakeString(value)
			}
		}
	}
	s.now = s.now[n:]
	return n, nil
}

// Close implements lake.FeedReader.
func (s *stream) Close() error {
	s.stop()
	for range s.rows { // until send has ended
	}
	return nil
}
