package avro

import (
	"context"

	"lakeport/internal/lake"
)

// Input is a file of a Feed.
type Input struct {
	File *File
	// Columns are for each column of the feed the index of the file's column, of
	// the same type, no column twice.
	Columns []int
	Index   int64 // the value of the column file_index
	Rows    int64 // about how many there are; 0: not known
}

// The columns that a Feed adds, and how many they are.
const (
	IndexColumn = "file_index"
	RowColumn   = "file_row_number"
	added       = 2
)

// Feed gives the rows of files, each read from its beginning to its end: two
// columns of the reader's own, file_index (the Input's Index) and
// file_row_number (from 0), then the given ones.
func Feed(columns []lake.Column, inputs []Input) lake.Feed {
	number := lake.Type{Kind: lake.BigInt}
	var rows int64
	for _, in := range inputs {
		rows += in.Rows
	}
	return lake.Feed{
		Rows:    rows,
		Columns: append([]lake.Column{{Name: IndexColumn, Type: number}, {Name: RowColumn, Type: number}}, columns...),
		Parts:   len(inputs),
		Open: func(ctx context.Context, part int, columns []int) (lake.FeedReader, error) {
			return newRows(ctx, &inputs[part], columns), nil
		},
	}
}

// rows gives the rows of one file.
type rows struct {
	in      *Input
	bytes   *stream
	columns []int    // wanted
	fields  []column // of the file; nil: nobody wants it
	plain   []byte   // the block, which strings point into
	block   input    // what is left of it
	left    int64    // records of the block
	row     int64
}

func newRows(ctx context.Context, in *Input, columns []int) *rows {
	r := &rows{in: in, columns: columns, fields: make([]column, len(in.File.columns)), bytes: newStream(ctx, in.File)}
	for _, c := range columns {
		if c >= added {
			at := in.Columns[c-added]
			r.fields[at] = in.File.root.children[at].column()
		}
	}
	return r
}

// Read implements lake.FeedReader.
func (r *rows) Read(dst *lake.Chunk) (int, error) {
	for _, f := range r.fields {
		if f != nil {
			f.reset()
		}
	}
	for r.left == 0 {
		more, err := r.next()
		if err != nil {
			return 0, r.in.File.wrap(err)
		}
		if !more {
			return 0, nil
		}
	}
	n := int(min(int64(dst.Rows), r.left))
	for range n {
		for i, f := range r.fields {
			if f != nil {
				f.read(&r.block)
			} else {
				r.in.File.root.children[i].skip(&r.block)
			}
		}
		if r.block.err != nil {
			return 0, r.in.File.wrap(r.block.err)
		}
	}
	if r.left -= int64(n); r.left == 0 && len(r.block.b) > 0 {
		return 0, r.in.File.wrap(faultf("a block has %d bytes after its records", len(r.block.b)))
	}
	for i, c := range r.columns {
		v := &dst.Columns[i]
		if c >= added {
			r.fields[r.in.Columns[c-added]].give(v)
			continue
		}
		for j, data := 0, v.Data.([]int64); j < n; j++ {
			if data[j] = r.in.Index; c == 1 {
				data[j] = r.row + int64(j)
			}
		}
	}
	r.row += int64(n)
	return n, nil
}

// next begins the next block; false: there is none.
func (r *rows) next() (bool, error) {
	f := r.in.File
	if f.src.Size == 0 || r.bytes.over() {
		return false, nil
	}
	count, err := r.bytes.long()
	if err != nil {
		return false, err
	}
	size, err := r.bytes.long()
	if err != nil {
		return false, err
	}
	if size < 0 || size > blockMax {
		return false, faultf("a block has %d records in %d bytes", count, size)
	}
	packed, err := r.bytes.take(int(size))
	if err != nil {
		return false, err
	}
	marker, err := r.bytes.take(len(f.sync))
	if err != nil {
		return false, err
	}
	plain, err := f.expand(count, packed, marker)
	if err != nil {
		return false, err
	}
	r.plain, r.block, r.left = plain, input{b: plain}, count
	return true, nil
}

// expand gives the bytes of a block's records.
func (f *File) expand(count int64, packed, marker []byte) ([]byte, error) {
	if string(marker) != string(f.sync[:]) {
		return nil, faultf("a block does not end with the file's marker")
	}
	plain, err := f.codec(packed)
	if err != nil {
		return nil, err
	}
	if count < 0 || count > int64(len(plain)) {
		return nil, faultf("a block has %d records in %d bytes", count, len(plain))
	}
	return plain, nil
}

// Close implements lake.FeedReader.
func (r *rows) Close() error {
	r.bytes.close()
	return nil
}

// stream is the bytes of a file from its first block on, fetched one piece ahead.
type stream struct {
	f      *File
	cancel context.CancelFunc
	at     int64 // of the first byte that is not in have
	have   []byte
	ahead  chan piece
}

type piece struct {
	b   []byte
	err error
}

// pieceSize is how many bytes are fetched at once.
const pieceSize = 4 << 20

func newStream(ctx context.Context, f *File) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{f: f, cancel: cancel, at: f.start, ahead: make(chan piece)}
	go func() {
		defer close(s.ahead)
		for off := f.start; off < f.src.Size; {
			n := min(pieceSize, f.src.Size-off)
			b, err := f.read(ctx, off, n)
			select {
			case s.ahead <- piece{b, err}:
			case <-ctx.Done():
				return
			}
			if off += n; err != nil {
				return
			}
		}
	}()
	return s
}

func (s *stream) close() { s.cancel() }

// over tells whether the file has no more bytes.
func (s *stream) over() bool { return len(s.have) == 0 && s.at >= s.f.src.Size }

// take gives the next n bytes, which stay as they are.
func (s *stream) take(n int) ([]byte, error) {
	if int64(n) > int64(len(s.have))+s.f.src.Size-s.at {
		return nil, errShort
	}
	for len(s.have) < n {
		p, ok := <-s.ahead
		switch {
		case !ok:
			return nil, context.Canceled
		case p.err != nil:
			return nil, p.err
		}
		s.have, s.at = append(s.have[:len(s.have):len(s.have)], p.b...), s.at+int64(len(p.b))
	}
	out := s.have[:n:n]
	s.have = s.have[n:]
	return out, nil
}

// long reads a number of a block's head.
func (s *stream) long() (int64, error) {
	var text []byte
	for {
		b, err := s.take(1)
		if err != nil {
			return 0, err
		}
		if text = append(text, b[0]); b[0] < 0x80 || len(text) > 10 {
			in := input{b: text}
			n := in.long()
			return n, in.err
		}
	}
}
