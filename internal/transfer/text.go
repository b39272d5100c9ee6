package transfer

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"lakeport/internal/delimited"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// indexColumn numbers the file of a row that delimitedScan's feed gives.
const indexColumn = "lakeport_file"

// delimitedScan reads the files' text. A file is a part of the feed.
func (s *Source) delimitedScan() lake.Scan {
	columns := s.FileColumns()
	all := append(append([]lake.Column{}, columns...), lake.Column{Name: FaultColumn, Type: text}, lake.Column{Name: indexColumn, Type: lake.Type{Kind: lake.BigInt}})
	feed := lake.Feed{Columns: all, Parts: len(s.files.Objects), Open: func(ctx context.Context, part int, wanted []int) (lake.FeedReader, error) {
		return s.openText(ctx, part, wanted)
	}}
	return lake.Scan{Table: "the files", Format: "csv", Feeds: []lake.Feed{feed}, SQL: func(_, feeds []string) string {
		return s.fromFeed(columns, feeds[0], indexColumn, FaultColumn)
	}}
}

// textRows is one file's rows as vectors of text.
type textRows struct {
	object lake.Object
	number int64
	fields int // of a row: the files' columns
	wanted []int
	in     *delimited.Reader
	close  func()
	held   []byte // the text of the rows of one Read
	row    []cell
	ended  bool
}

// cell is where a field's text lies in held.
type cell struct {
	from, to int
	null     bool
}

func (s *Source) openText(ctx context.Context, part int, wanted []int) (*textRows, error) {
	o := s.files.Objects[part]
	raw := &objectReader{ctx: ctx, o: o, read: s.files.Client.Read}
	in, stop, err := expand(o.Key, raw)
	if err != nil {
		return nil, corrupt(o, err)
	}
	rows, err := delimited.NewReader(in, s.files.Text)
	if err != nil {
		stop()
		return nil, sqlerr.New(sqlerr.Invalid, "%v", err)
	}
	return &textRows{object: o, number: int64(part), fields: len(s.FileColumns()), wanted: wanted, in: rows, close: func() { stop(); raw.stop() }}, nil
}

// Read implements lake.FeedReader.
func (r *textRows) Read(dst *lake.Chunk) (int, error) {
	r.held, r.row = r.held[:0], r.row[:0]
	width, rows := len(r.wanted), 0
	for rows < dst.Rows && !r.ended && len(r.held) < 16<<20 {
		row, err := r.in.Next()
		if err == io.EOF {
			r.ended = true
			break
		}
		if err != nil {
			return 0, corrupt(r.object, err)
		}
		r.keep(row)
		rows++
	}
	for i, c := range r.wanted {
		v := &dst.Columns[i]
		if c == r.fields+1 {
			for j := range rows {
				v.Data.([]int64)[j] = r.number
			}
			continue
		}
		out := v.Data.([]lake.String)
		for j := range rows {
			if at := r.row[j*width+i]; at.null {
				v.SetNull(j)
			} else {
				out[j] = lake.MakeString(r.held[at.from:at.to:at.to])
			}
		}
	}
	return rows, nil
}

// keep copies a row's wanted fields behind those of the rows before it.
func (r *textRows) keep(row *delimited.Row) {
	fault := ""
	switch {
	case row.Fault != nil:
		fault = row.Fault.Reason
	case len(row.Fields) != r.fields:
		fault = fmt.Sprintf("Value count does not match column count. Expect %d, but got %d", r.fields, len(row.Fields))
	case slices.ContainsFunc(row.Fields, func(f delimited.Field) bool { return !utf8.Valid(f.Text) }):
		fault = "Invalid UTF-8 row"
	}
	for _, c := range r.wanted {
		at := cell{from: len(r.held), null: true}
		switch {
		case c == r.fields: // the fault
			if fault != "" {
				r.held = append(r.held, r.describe(row, fault)...)
				at.null = false
			}
		case c < r.fields && fault == "" && !row.Fields[c].Null:
			r.held = append(r.held, row.Fields[c].Text...)
			at.null = false
		}
		at.to = len(r.held)
		r.row = append(r.row, at)
	}
}

// shownRow is how much of a bad row is shown.
const shownRow = 200

func (r *textRows) describe(row *delimited.Row, fault string) string {
	raw := bytes.ToValidUTF8(row.Raw[:min(len(row.Raw), shownRow)], []byte("?"))
	return fmt.Sprintf("Error: %s. File: %s, line: %d. Row: %s", fault, r.object.URI(), row.Line, raw)
}

// Close implements lake.FeedReader.
func (r *textRows) Close() error {
	r.close()
	return nil
}

// corrupt names the file of an error in its bytes. S3's own errors name it.
func corrupt(o lake.Object, err error) error {
	if told := sqlerr.From(err); told.Kind != sqlerr.Internal || strings.Contains(err.Error(), o.URI()) {
		return err
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return sqlerr.New(sqlerr.Corrupt, "read %s: its compressed text ends too early: the file is cut off, or not compressed like this", o.URI())
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, zlib.ErrHeader), errors.Is(err, lz4.ErrInvalidFrame):
		return sqlerr.New(sqlerr.Corrupt, "read %s: it is not compressed like this: %v", o.URI(), err)
	}
	return sqlerr.New(sqlerr.Corrupt, "read %s: %v", o.URI(), err)
}

// expand undoes the compression that a key's suffix tells (StarRocks' loads:
// gz, bz2, lz4, deflate, zst).
func expand(key string, in io.Reader) (out io.Reader, stop func(), err error) {
	nothing := func() {}
	switch suffix := strings.ToLower(key[strings.LastIndexByte(key, '.')+1:]); suffix {
	case "gz", "gzip":
		out, err = gzip.NewReader(in)
	case "bz2":
		out = bzip2.NewReader(in)
	case "lz4":
		out = lz4.NewReader(in)
	case "deflate":
		out, err = inflate(in)
	case "zst", "zstd":
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return nil, nothing, err
		}
		return d, d.Close, nil
	default:
		out = in
	}
	return out, nothing, err
}

// inflated reads zlib streams that stand one behind the other, as the other
// compressions' pieces may.
type inflated struct {
	in *bufio.Reader
	z  io.ReadCloser
}

func inflate(in io.Reader) (*inflated, error) {
	b := bufio.NewReader(in)
	z, err := zlib.NewReader(b)
	return &inflated{b, z}, err
}

// Read implements io.Reader.
func (r *inflated) Read(p []byte) (int, error) {
	for {
		n, err := r.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		if _, err := r.in.Peek(1); err != nil {
			return n, err
		}
		if err := r.z.(zlib.Resetter).Reset(r.in, nil); err != nil || n > 0 {
			return n, err
		}
	}
}

// window is how much of an object is fetched at once: the next window is under
// way while one is read.
const window = 8 << 20

// objectReader reads an object from its beginning to its end.
type objectReader struct {
	ctx    context.Context
	o      lake.Object
	read   func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error)
	buf    []byte
	asked  int64
	ahead  chan fetched
	cancel context.CancelFunc
}

type fetched struct {
	bytes []byte
	err   error
}

func (r *objectReader) Read(p []byte) (int, error) {
	if len(r.buf) == 0 {
		if r.ahead == nil {
			r.ask()
		}
		if r.ahead == nil {
			return 0, io.EOF
		}
		got := <-r.ahead
		r.ahead = nil
		if got.err != nil {
			return 0, got.err
		}
		if len(got.bytes) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		r.buf = got.bytes
		r.ask()
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

// ask begins to fetch the next window, if there is one.
func (r *objectReader) ask() {
	n := min(window, r.o.Size-r.asked)
	if n <= 0 {
		return
	}
	if r.cancel == nil {
		r.ctx, r.cancel = context.WithCancel(r.ctx)
	}
	ahead := make(chan fetched, 1)
	off := r.asked
	r.asked += n
	r.ahead = ahead
	go func() {
		b, err := r.read(r.ctx, r.o, off, n)
		ahead <- fetched{b, err}
	}()
}

// stop ends what is under way.
func (r *objectReader) stop() {
	if r.cancel != nil {
		r.cancel()
	}
	if r.ahead != nil {
		<-r.ahead
	}
}
