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
	Longest   int // bounds a row in bytes; 0: MaxRow
}

// MaxRow bounds a row in bytes unless its format says otherwise: Redshift's limit
// for one input row.
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
	TooLong    = "the row is too long"
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
	mark   []byte // what ends a row
	scan   progress
	begun  bool
}

// progress is how far the search for the end of the row at Reader.at has come.
type progress struct {
	at     int  // bytes that are looked at
	quoted bool // they end inside quotes
	inside bool // they end inside a field: a quote is data
}

// NewReader reads in, which it does not close.
func NewReader(in io.Reader, f Format) (*Reader, error) {
	switch {
	case f.Delimiter == "":
		return nil, errors.New("the delimiter is empty")
	case f.Row != "" && f.Row == f.Delimiter:
		return nil, fmt.Errorf("rows and fields end alike, with %q", f.Row)
	}
	mark := "\n"
	if f.Row != "" {
		mark = f.Row
	}
	if f.Longest == 0 {
		f.Longest = MaxRow
	}
	return &Reader{f: f, in: in, line: 1, skip: f.Skip, delim0: f.Delimiter[0], mark: []byte(mark), buf: make([]byte, 0, 256<<10)}, nil
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
	if err := r.begin(); err != nil {
		return nil, err
	}
	for {
		if size, ended := r.rowEnd(); ended || r.end && size > 0 {
			return r.take(size, ended), nil
		} else if r.end {
			return nil, io.EOF
		}
		if len(r.buf)-r.at > r.f.Longest {
			return r.drop()
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// byteOrderMark may stand in front of UTF-8 text, and is no part of it
// (StarRocks' CSV reader passes over it. Assumed: Redshift's too).
const byteOrderMark = "\xef\xbb\xbf"

// begin passes over a byte order mark.
func (r *Reader) begin() error {
	for !r.begun {
		if len(r.buf) >= len(byteOrderMark) || r.end {
			if bytes.HasPrefix(r.buf, []byte(byteOrderMark)) {
				r.at = len(byteOrderMark)
			}
			r.begun = true
		} else if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
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
// where more must be read to tell. It goes on where it stopped the last time.
func (r *Reader) rowEnd() (size int, ended bool) {
	b := r.buf[r.at:]
	if r.f.Quote != 0 || r.f.Escape != 0 {
		return r.quotedEnd(b)
	}
	if i := bytes.Index(b[r.scan.at:], r.mark); i >= 0 {
		return r.scan.at + i, true
	}
	r.scan.at = max(len(b)-len(r.mark)+1, r.scan.at)
	return len(b), false
}

// quotedEnd is rowEnd where quotes or escapes may hide a row end.
func (r *Reader) quotedEnd(b []byte) (size int, ended bool) {
	limit := len(b)
	if !r.end { // what may be the first bytes of a pair, delimiter or row end waits for the rest
		limit -= max(len(r.f.Delimiter), len(r.mark), 2) - 1
	}
	i, quoted, inside := r.scan.at, r.scan.quoted, r.scan.inside
	for ; i < limit; i++ {
		switch c := b[i]; {
		case c == r.f.Escape && r.f.Escape != 0 && !(quoted && c == r.f.Quote):
			i++
			inside = true
		case quoted:
			if c != r.f.Quote {
				continue
			}
			if i+1 < len(b) && b[i+1] == r.f.Quote {
				i++
			} else {
				quoted = false
			}
		case c == r.mark[0] && bytes.HasPrefix(b[i:], r.mark):
			return i, true
		case !inside && c == r.f.Quote && r.f.Quote != 0:
			quoted, inside = true, true
		case c == r.delim0 && bytes.HasPrefix(b[i:], []byte(r.f.Delimiter)):
			i += len(r.f.Delimiter) - 1
			inside = false
		case !inside && blank(c) && (r.f.Trim || r.f.Outside):
		default:
			inside = true
		}
	}
	r.scan = progress{min(i, len(b)), quoted, inside}
	return len(b), false
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// take consumes a row of the given size, and its end if it has one.
func (r *Reader) take(size int, ended bool) *Row {
	raw := r.buf[r.at : r.at+size]
	r.row.Line = r.line
	r.pass(size)
	if ended {
		r.pass(len(r.mark))
	}
	if r.f.Row == "" && !r.escapedEnd(raw) {
		raw = bytes.TrimSuffix(raw, []byte{'\r'})
	}
	r.row.Raw, r.row.Fault, r.row.Fields, r.plain = raw, nil, r.row.Fields[:0], r.plain[:0]
	if len(raw) > r.f.Longest {
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

// pass goes on to the byte behind the next n, where a row or a part of one begins.
func (r *Reader) pass(n int) {
	r.line += int64(bytes.Count(r.buf[r.at:r.at+n], []byte{'\n'}))
	r.at += n
	r.scan = progress{}
}

// escapedEnd tells whether an escape makes the last byte of a row data.
func (r *Reader) escapedEnd(raw []byte) bool {
	n := 0
	for r.f.Escape != 0 && n+2 <= len(raw) && raw[len(raw)-2-n] == r.f.Escape {
		n++
	}
	return n%2 == 1
}

// drop skips a row that is too long, to the end that its quotes and escapes let
// it have: what is inside them is never taken for rows.
func (r *Reader) drop() (*Row, error) {
	r.row = Row{Line: r.line, Raw: bytes.Clone(r.buf[r.at : r.at+1024]), Fault: &Fault{Reason: TooLong}}
	for {
		size, ended := r.rowEnd()
		if ended {
			r.pass(size + len(r.mark))
			return &r.row, nil
		}
		if r.end {
			r.pass(size)
			return &r.row, nil
		}
		seen := r.scan
		r.pass(seen.at)
		r.scan = progress{0, seen.quoted, seen.inside}
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
			text = bytes.Trim(text, " \t")
		}
		r.row.Fields = append(r.row.Fields, Field{Text: text, Null: r.isNull(text)})
		if i < 0 {
			return
		}
		raw = raw[i+len(r.f.Delimiter):]
	}
}

func (r *Reader) isNull(text []byte) bool { return r.f.HasNull && string(text) == r.f.Null }
