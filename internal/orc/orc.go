// Package orc reads ORC files (orc.apache.org, "ORC Specification v1"): Open
// reads a file's tail, Feed turns the stripes of files into rows that the engine
// pulls, column by column straight into its vectors. Only the streams of wanted
// columns are fetched; stripes and row groups that filters rule out are not read.
//
// Where bytes come from is the caller's affair (Source), and so is what a
// table's columns mean: the package delivers the types that a file has. It
// trusts no number in a file.
package orc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Source is the bytes of one file. Name, such as an object's URI, is what errors
// call it.
type Source struct {
	Name string
	Size int64
	// Proleptic says that days and timestamps count in the Gregorian calendar
	// always, whatever the file tells of its writer: Iceberg's writers store them
	// so and tell nothing.
	Proleptic bool
	// Read gives n bytes from off. It is called many times at once; the bytes are
	// the caller's, who does not change them.
	Read func(ctx context.Context, off, n int64) ([]byte, error)
}

// Column is a top-level column of a file. Its Type's Kind is Invalid where Err
// says why it cannot be read.
type Column struct {
	lake.Column
	Err error
	id  int // of its type in the file
}

// File is a file whose tail has been read.
type File struct {
	src        Source
	tail       []byte // the file's last bytes
	tailAt     int64
	codec      codec
	block      int // the most bytes that a compressed chunk expands to
	types      []typeInfo
	columns    []Column
	stripes    []stripeInfo
	stats      []statistics // of the file by column id; nil: none
	stripeFrom []byte       // metadata: statistics of stripes, still packed
	rows       int64
	stride     int64 // rows of a row group; 0: there is no index
	hybrid     bool  // dates before October 1582 are in the Julian calendar
	old        bool  // statistics of strings are not in the order of bytes
	oldDecimal bool  // statistics of decimals are not to be trusted
	blooms     bool  // Bloom filters are
}

// stripeInfo is where a stripe stands, and its rows.
type stripeInfo struct {
	offset, index, data, footer int64
	rows                        int64
	first                       int64 // row of the file
}

func (s stripeInfo) end() int64 { return s.offset + s.index + s.data + s.footer }

const (
	tailGuess = 16 << 10 // bytes read at once from a file's end
	maxTail   = 64 << 20 // a longer tail is refused
	magic     = "ORC"
)

// Open reads a file's tail. A file of no bytes has no columns and no rows.
func Open(ctx context.Context, src Source) (*File, error) {
	f := &File{src: src}
	if src.Size == 0 {
		return f, nil
	}
	if err := f.open(ctx); err != nil {
		return nil, f.wrap(err)
	}
	return f, nil
}

// wrap names the file in an error. What the source says is left as it is.
func (f *File) wrap(err error) error {
	if _, ok := errors.AsType[fault](err); ok {
		return sqlerr.New(sqlerr.Corrupt, "%s is not a sound ORC file: %s", f.src.Name, err)
	}
	if e, ok := errors.AsType[refusal](err); ok {
		return sqlerr.New(sqlerr.Unsupported, "%s %s, which lakeport does not read", f.src.Name, string(e))
	}
	return err
}

// fault is what is wrong with a file, refusal a feature that is not read.
type (
	fault   string
	refusal string
)

func (e fault) Error() string   { return string(e) }
func (e refusal) Error() string { return string(e) }

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// read gives bytes of the file, from the tail where it holds them.
func (f *File) read(ctx context.Context, off, n int64) ([]byte, error) {
	if off >= f.tailAt && len(f.tail) > 0 {
		return f.tail[off-f.tailAt:][:n], nil
	}
	b, err := f.src.Read(ctx, off, n)
	if err == nil && int64(len(b)) != n {
		err = faultf("it ends before byte %d", off+n)
	}
	return b, err
}

func (f *File) open(ctx context.Context) error {
	if f.src.Size <= int64(len(magic)) {
		return faultf("it has only %d bytes", f.src.Size)
	}
	n := min(f.src.Size, tailGuess)
	tail, err := f.read(ctx, f.src.Size-n, n)
	if err != nil {
		return err
	}
	length := int(tail[len(tail)-1])
	if length >= len(tail) {
		return faultf("its postscript of %d bytes is longer than the file", length)
	}
	p, err := parsePostscript(tail[len(tail)-1-length : len(tail)-1])
	if err != nil {
		return err
	}
	if p.magic != magic { // very old writers put it at the head only
		head, err := f.read(ctx, 0, int64(len(magic)))
		if err != nil {
			return err
		}
		if p.magic != "" || string(head) != magic {
			return faultf("neither its head nor its postscript has the word ORC")
		}
	}
	if err := f.accept(p); err != nil {
		return err
	}
	whole := uint64(1+length) + p.footer + p.metadata
	if p.footer > maxTail || p.metadata > maxTail || whole > maxTail || whole > uint64(f.src.Size) {
		return faultf("its footer of %d and metadata of %d bytes do not fit into it", p.footer, p.metadata)
	}
	if missing := int64(whole) - n; missing > 0 {
		front, err := f.read(ctx, f.src.Size-int64(whole), missing)
		if err != nil {
			return err
		}
		tail = slices.Concat(front, tail)
	}
	f.tail, f.tailAt = tail, f.src.Size-int64(len(tail))
	end := len(tail) - 1 - length
	footer := tail[end-int(p.footer) : end]
	f.stripeFrom = tail[end-int(p.footer+p.metadata) : end-int(p.footer)]
	if footer, err = f.expand(footer); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	return f.parseFooter(footer, p)
}

// accept judges what the postscript says.
func (f *File) accept(p postscript) error {
	// Version 0.11 and 0.12 are all that the specification knows; a draft of
	// version 2 calls itself 1.9999.
	if len(p.version) > 1 && (p.version[0] != 0 || p.version[1] != 11 && p.version[1] != 12) {
		return refusal(fmt.Sprintf("has ORC version %d.%d", p.version[0], p.version[1]))
	}
	f.codec = codec(p.compression)
	if f.codec < 0 || int(f.codec) >= len(codecNames) {
		return refusal(fmt.Sprintf("is compressed by method %d", p.compression))
	}
	if f.codec == brotli {
		return refusal("is compressed by " + codecNames[f.codec])
	}
	f.block = defaultBlock
	if p.block > 0 {
		f.block = int(min(p.block, maxBlock))
	}
	if p.block > maxBlock {
		return faultf("it claims compression blocks of %d bytes; %d are the most", p.block, maxBlock)
	}
	return nil
}

// expand decompresses a section of the tail.
func (f *File) expand(section []byte) ([]byte, error) {
	s := newStream(section, f.codec, f.block)
	return s.rest(maxTail)
}

// Columns gives the file's columns. A file whose root is no struct has one,
// without a name.
func (f *File) Columns() []Column { return f.columns }

// Rows is how many rows the file says that it has.
func (f *File) Rows() int64 { return f.rows }

// Name is the source's.
func (f *File) Name() string { return f.src.Name }
