// Package delimited reads delimited text: rows of fields, with the quoting,
// escaping and NULL rules of StarRocks' loads and Redshift's COPY. It splits;
// what a field means is the caller's affair.
package delimited

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Format says how rows and fields are written. Delimiter must be given; the
// zero value of the rest is plain text with a row a line.
type Format struct {
	Delimiter string // between fields, one byte or more
	Row       string // ends a row; "" is a line feed, before which a carriage return is dropped
	Skip      int    // rows dropped at the beginning
	Null      string // a field of just this text, not quoted, is NULL; HasNull tells whether there is one
	HasNull   bool
	// NullEscaped takes a field for NULL also where only its escapes make it Null
	// (Redshift, where \\N is NULL as \N is).
	NullEscaped bool
	// Quote, unless 0, may enclose a field; inside, it is written twice, and
	// delimiters and row ends are data.
	Quote byte
	// Escape, unless 0, makes the byte behind it data, inside quotes too.
	Escape byte
	// RemoveQuotes strips one pair of ' or " around a field, inside which
	// delimiters are data and row ends are not (Redshift, REMOVEQUOTES).
	RemoveQuotes bool
	// Trim drops blanks around a field that is not quoted, and around the quotes
	// of one that is.
	Trim bool
	// Outside drops blanks between the quotes of a field and its delimiters only
	// (Redshift, CSV).
	Outside bool
	// SkipBlank drops rows that hold nothing.
	SkipBlank bool
}

// MaxRow bounds a row in bytes: Redshift's limit for one input row.
const MaxRow = 4 << 20

// Fault is why a row could not be split.
type Fault struct {
	Reason string
	Field  int // from 0
}

func (f *Fault) Error() string { return f.Reason }

// The reasons of faults, in Redshift's words where it has them.
const (
	NoEndQuote = "Delimited value missing end quote"
	BadQuote   = "Invalid quote formatting for CSV"
	TooLong    = "the row is longer than 4 MB"
)

// Field is one value of a row.
type Field struct {
	Text   []byte
	Null   bool
	Quoted bool
}

// Row is one row. What it holds is valid until the next call of Next.
type Row struct {
	Line   int64 // of the text, where the row begins, from 1
	Raw    []byte
	Fields []Field
	Fault  *Fault // the row cannot be used; Fields is not
}

// Reader reads rows one after the other.
type Reader struct {
	f      Format
	in     io.Reader
	buf    []byte
	at     int   // next byte of buf to read
	end    bool  // in has no more
	line   int64 // of at
	row    Row
	plain  []byte // fields that differ from the text they were written as
	skip   int
	delim0 byte
}

// NewReader reads in, which it does not close.
func NewReader(in io.Reader, f Format) (*Reader, error) {
	switch {
	case f.Delimiter == "":
		return nil, errors.New("the delimiter is empty")
	case f.Row != "" && f.Row == f.Delimiter:
		return nil, fmt.Errorf("rows and fields end alike, with %q", f.Row)
	}
	return &Reader{f: f, in: in, line: 1, skip: f.Skip, delim0: f.Delimiter[0], buf: make([]byte, 0, 256<<10)}, nil
}

// Next gives the next row, io.EOF after the last. An error of another kind is
// the input's own.
func (r *Reader) Next() (*Row, error) {
	for {
		row, err := r.next()
		if err != nil {
			return nil, err
		}
		if r.skip > 0 {
			r.skip--
			continue
		}
		if r.f.SkipBlank && len(row.Raw) == 0 {
			continue
		}
		return row, nil
	}
}

func (r *Reader) next() (*Row, error) {
	for {
		if size, ended := r.rowEnd(); ended || r.end && size > 0 {
			return r.take(size, ended), nil
		} else if r.end {
			return nil, io.EOF
		}
		if len(r.buf)-r.at > MaxRow {
			return r.drop()
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more behind what is left.
func (r *Reader) fill() error {
	if r.at > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.at:])]
		r.at = 0
	}
	if len(r.buf) == cap(r.buf) {
		r.buf = append(make([]byte, 0, 2*cap(r.buf)), r.buf...)
	}
	n, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if errors.Is(err, io.EOF) {
		r.end, err = true, nil
	}
	return err
}

// rowEnd gives the length of the row at r.at without its end; ended is false
// where more must be read to tell.
func (r *Reader) rowEnd() (size int, ended bool) {
	b := r.buf[r.at:]
	if r.f.Quote == 0 && r.f.Escape == 0 {
		if r.f.Row != "" {
			if i := bytes.Index(b, []byte(r.f.Row)); i >= 0 {
				return i, true
			}
		} else if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i, true
		}
		return len(b), false
	}
	return r.quotedEnd(b)
}

// quotedEnd is rowEnd where quotes or escapes may hide a row end.
func (r *Reader) quotedEnd(b []byte) (size int, ended bool) {
	end := byte('\n')
	if r.f.Row != "" {
		end = r.f.Row[0]
	}
	quoted, start := false, true // start: a quote here would open the field
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == r.f.Escape && r.f.Escape != 0 && !(quoted && c == r.f.Quote):
			i++
			start = false
		case quoted:
			if c != r.f.Quote {
				continue
			}
			if i+1 < len(b) && b[i+1] == r.f.Quote {
				i++
			} else if i+1 == len(b) && !r.end {
				return len(b), false
			} else {
				quoted = false
			}
		case c == end && bytes.HasPrefix(b[i:], r.rowMark()):
			return i, true
		case start && c == r.f.Quote && r.f.Quote != 0:
			quoted = true
			start = false
		case c == r.delim0 && bytes.HasPrefix(b[i:], []byte(r.f.Delimiter)):
			i += len(r.f.Delimiter) - 1
			start = true
		case start && blank(c) && (r.f.Trim || r.f.Outside):
		default:
			start = false
		}
	}
	return len(b), false
}

func (r *Reader) rowMark() []byte {
	if r.f.Row == "" {
		return []byte{'\n'}
	}
	return []byte(r.f.Row)
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// take consumes a row of the given size, and its end if it has one.
func (r *Reader) take(size int, ended bool) *Row {
	raw := r.buf[r.at : r.at+size]
	r.row.Line = r.line
	r.line += int64(bytes.Count(raw, []byte{'\n'}))
	r.at += size
	if ended {
		mark := r.rowMark()
		r.line += int64(bytes.Count(mark, []byte{'\n'}))
		r.at += len(mark)
	}
	if r.f.Row == "" {
		raw = bytes.TrimSuffix(raw, []byte{'\r'})
	}
	r.row.Raw, r.row.Fault, r.row.Fields, r.plain = raw, nil, r.row.Fields[:0], r.plain[:0]
	if len(raw) > MaxRow {
		r.row.Fault = &Fault{Reason: TooLong}
		return &r.row
	}
	if r.f.Quote == 0 && r.f.Escape == 0 && !r.f.RemoveQuotes {
		r.split(raw)
	} else {
		r.unquote(raw)
	}
	return &r.row
}

// drop skips the rest of a row that is too long: to the next line.
func (r *Reader) drop() (*Row, error) {
	r.row = Row{Line: r.line, Raw: bytes.Clone(r.buf[r.at : r.at+1024]), Fault: &Fault{Reason: TooLong}}
	for {
		mark := r.rowMark()
		if i := bytes.Index(r.buf[r.at:], mark); i >= 0 {
			r.line += int64(bytes.Count(r.buf[r.at:r.at+i+len(mark)], []byte{'\n'}))
			r.at += i + len(mark)
			return &r.row, nil
		}
		keep := max(len(r.buf)-len(mark)+1, r.at)
		r.line += int64(bytes.Count(r.buf[r.at:keep], []byte{'\n'}))
		r.at = keep
		if r.end {
			r.at = len(r.buf)
			return &r.row, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// split cuts a row without quotes and escapes.
func (r *Reader) split(raw []byte) {
	for {
		i := -1
		if len(r.f.Delimiter) == 1 {
			i = bytes.IndexByte(raw, r.delim0)
		} else {
			i = bytes.Index(raw, []byte(r.f.Delimiter))
		}
		text := raw
		if i >= 0 {
			text = raw[:i]
		}
		if r.f.Trim {
			text = bytes.Trim(text, " ")
		}
		r.row.Fields = append(r.row.Fields, Field{Text: text, Null: r.isNull(text)})
		if i < 0 {
			return
		}
		raw = raw[i+len(r.f.Delimiter):]
	}
}

func (r *Reader) isNull(text []byte) bool { return r.f.HasNull && string(text) == r.f.Null }
