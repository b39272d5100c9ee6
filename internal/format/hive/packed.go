package hive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Files of lines under a compression that the engine has no reader for are fed
// to it line by line.

// codecs undo what Hadoop's codecs of these suffixes do
// (org.apache.hadoop.io.compress).
var codecs = map[string]func(*bufio.Reader) io.Reader{
	".bz2":     func(r *bufio.Reader) io.Reader { return bzip2.NewReader(r) },
	".deflate": func(r *bufio.Reader) io.Reader { return &streams{src: r} },
	".snappy": func(r *bufio.Reader) io.Reader {
		return &blocks{src: r, decode: func(dst, src []byte) (int, error) {
			if n, err := snappy.DecodedLen(src); err != nil || n > len(dst) {
				return 0, errBlock
			}
			out, err := snappy.Decode(dst, src)
			return len(out), err
		}}
	},
	".lz4": func(r *bufio.Reader) io.Reader {
		return &blocks{src: r, decode: func(dst, src []byte) (int, error) { return lz4.UncompressBlock(src, dst) }}
	},
}

// packed tells whether lines arrive by a feed.
func (l lines) packed() bool { return codecs[l.compression] != nil }

func isPacked(f format) bool {
	p, ok := f.(interface{ packed() bool })
	return ok && p.packed()
}

// feeds parts the files that the engine reads from those that are fed to it,
// and makes the feeds of these, each with its branch.
func (t *table) feeds(ctx context.Context, files []file, n lake.Need) (mounted []file, feeds []lake.Feed, pieces []branch, err error) {
	var packed, orc []file
	for _, f := range files {
		switch _, isORC := f.format.(orcFiles); {
		case isORC:
			orc = append(orc, f)
		case isPacked(f.format):
			packed = append(packed, f)
		default:
			mounted = append(mounted, f)
		}
	}
	if feeds, pieces, err = t.orcFeeds(ctx, orc, n); err != nil {
		return nil, nil, nil, err
	}
	more, branches, err := t.lineFeeds(packed, n)
	return mounted, append(feeds, more...), append(pieces, branches...), err
}

// lineFeeds makes a feed and a branch of the files of each format.
func (t *table) lineFeeds(files []file, n lake.Need) (feeds []lake.Feed, list []branch, err error) {
	for _, br := range branches(files, make([]string, len(files))) {
		for _, c := range t.data {
			if err := t.checkColumn(c, br.format.reads(c), n); err != nil {
				return nil, nil, err
			}
		}
		feeds, list = append(feeds, t.lineFeed(br.files)), append(list, branch{format: br.format, files: br.files})
	}
	return feeds, list, nil
}

// The columns of a feed of lines, by index.
const (
	lineColumn = iota
	fileColumn
)

func (t *table) lineFeed(files []file) lake.Feed {
	return lake.Feed{
		Columns: []lake.Column{{Name: "line", Type: lake.Type{Kind: lake.Varchar}}, {Name: "file_index", Type: lake.Type{Kind: lake.BigInt}}},
		Parts:   len(files),
		Open: func(ctx context.Context, part int, columns []int) (lake.FeedReader, error) {
			o := files[part].object
			r := &lineReader{name: o.URI(), file: int64(part), columns: columns}
			r.scan = bufio.NewScanner(codecs[path.Ext(strings.ToLower(o.Key))](bufio.NewReaderSize(&objectReader{ctx: ctx, object: o, read: t.o.Read}, 64<<10)))
			r.scan.Buffer(nil, lineMax)
			r.scan.Split(splitLine)
			for range files[part].format.(interface{ header() int }).header() {
				r.next()
			}
			return r, nil
		},
	}
}

// header is the number of lines at the head of each file that are no rows.
func (l lines) header() int { return l.skip }

// objectReader reads an object from its start to its end.
type objectReader struct {
	ctx    context.Context
	object lake.Object
	read   func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error)
	off    int64
	rest   []byte
}

// readAtOnce is how much of an object one request fetches.
const readAtOnce = 4 << 20

func (r *objectReader) Read(b []byte) (n int, err error) {
	if len(r.rest) == 0 {
		want := min(readAtOnce, r.object.Size-r.off)
		if want == 0 {
			return 0, io.EOF
		}
		if r.rest, err = r.read(r.ctx, r.object, r.off, want); err != nil {
			return 0, &readError{err}
		}
		if len(r.rest) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		r.off += int64(len(r.rest))
	}
	n = copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// readError is a failure to fetch, of which the file is not guilty.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// streams undoes zlib streams that stand one behind the other.
type streams struct {
	src *bufio.Reader
	cur io.ReadCloser
}

func (s *streams) Read(b []byte) (n int, err error) {
	for {
		if s.cur == nil {
			if _, err := s.src.Peek(1); err != nil {
				return 0, err
			}
			if s.cur, err = zlib.NewReader(s.src); err != nil {
				return 0, err
			}
		}
		n, err = s.cur.Read(b)
		if err == io.EOF {
			s.cur, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// blocks undoes Hadoop's block framing: the length of a block undone, then
// pieces that make it up, each after its own length, all in four bytes, the
// highest first (org.apache.hadoop.io.compress.BlockCompressorStream).
type blocks struct {
	src    *bufio.Reader
	decode func(dst, src []byte) (int, error)
	left   int // of the block, undone
	in     []byte
	buf    []byte
	out    []byte // undone, not yet read
}

// blockMax bounds a block; writers use 256 KiB.
const blockMax = 64 << 20

var errBlock = errors.New("a block has another length than it says")

func (r *blocks) Read(b []byte) (int, error) {
	for len(r.out) == 0 {
		if err := r.piece(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.out)
	r.out = r.out[n:]
	return n, nil
}

func (r *blocks) piece() error {
	if r.left == 0 {
		n, err := r.length()
		r.left = n
		return err
	}
	n, err := r.length()
	if err == nil {
		r.in, err = fill(r.in, r.src, n)
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if cap(r.buf) < r.left {
		r.buf = make([]byte, r.left)
	}
	n, err = r.decode(r.buf[:r.left], r.in)
	if err != nil || n <= 0 || n > r.left {
		return errors.Join(errBlock, err)
	}
	r.out = r.buf[:n]
	r.left -= n
	return nil
}

// length reads four bytes; io.EOF where nothing is left.
func (r *blocks) length() (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(r.src, b[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > blockMax {
		return 0, fmt.Errorf("a block of %d bytes is larger than %d", n, blockMax)
	}
	return int(n), nil
}

// fill reads n bytes into buf, which grows with what is there, not with what
// is said to be.
func fill(buf []byte, src io.Reader, n int) ([]byte, error) {
	var b = bytes.NewBuffer(buf[:0])
	got, err := io.CopyN(b, src, int64(n))
	if err == io.EOF && got < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

// lineMax is the longest line that is read.
const lineMax = 16 << 20

// splitLine finds a line as Hadoop's LineReader does: it ends at a line feed, a
// carriage return, or both in this order.
func splitLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case i < 0, data[i] == '\r' && i+1 == len(data) && !atEOF:
		return 0, nil, nil
	case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	}
	return i + 1, data[:i], nil
}

// lineReader feeds the lines of one file.
type lineReader struct {
	name    string
	file    int64
	columns []int // wanted
	scan    *bufio.Scanner
	n       int      // lines read
	kept    [][]byte // what the rows of the last Read point to
	block   []byte
}

func (r *lineReader) next() bool {
	if !r.scan.Scan() {
		return false
	}
	r.n++
	return true
}

func (r *lineReader) Read(dst *lake.Chunk) (rows int, err error) {
	r.kept, r.block = r.kept[:0], nil
	for rows < dst.Rows && r.next() {
		for i, c := range r.columns {
			switch c {
			case lineColumn:
				if !utf8.Valid(r.scan.Bytes()) {
					return 0, sqlerr.New(sqlerr.Corrupt, "line %d of %s is not UTF-8", r.n, r.name)
				}
				dst.Columns[i].Data.([]lake.String)[rows] = lake.MakeString(r.keep(r.scan.Bytes()))
			case fileColumn:
				dst.Columns[i].Data.([]int64)[rows] = r.file
			}
		}
		rows++
	}
	return rows, r.fault()
}

// fault words what ended the lines before the file's end.
func (r *lineReader) fault() error {
	err := r.scan.Err()
	if e, ok := errors.AsType[*readError](err); ok || err == nil {
		if ok {
			return e.error
		}
		return nil
	}
	if errors.Is(err, bufio.ErrTooLong) {
		return sqlerr.New(sqlerr.Unsupported, "line %d of %s is longer than %d MiB", r.n+1, r.name, lineMax>>20)
	}
	return sqlerr.New(sqlerr.Corrupt, "%s is no whole %s file: %w", r.name, path.Ext(r.name), err)
}

// keep copies a line to where it stays until the next Read.
func (r *lineReader) keep(line []byte) []byte {
	if cap(r.block)-len(r.block) < len(line) {
		r.block = make([]byte, 0, max(64<<10, len(line)))
		r.kept = append(r.kept, r.block)
	}
	at := len(r.block)
	r.block = append(r.block, line...)
	return r.block[at:]
}

func (r *lineReader) Close() error { return nil }
