package pg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// CopyIn implements wire.Copier.
func (w *results) CopyIn(o wire.Copy, columns []lake.Column) (wire.CopyRows, error) {
	overall, formats := copyFormats(o, len(columns))
	if err := w.c.out.add(&pgproto3.CopyInResponse{OverallFormat: overall, ColumnFormatCodes: formats}); err != nil {
		return nil, err
	}
	if err := w.c.out.flush(); err != nil {
		return nil, err
	}
	return newCopyRows(&copyData{c: w.c}, o, columns), nil
}

// copyData is what the client copies, as a stream.
type copyData struct {
	c    *conn
	rest []byte
	err  error
}

// errFailed begins what a client says who breaks off a copy.
const errFailed = "COPY from stdin failed: "

func (d *copyData) Read(b []byte) (int, error) {
	for len(d.rest) == 0 && d.err == nil {
		d.err = d.next()
	}
	if len(d.rest) == 0 {
		return 0, d.err
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next takes the client's next message.
func (d *copyData) next() error {
	m, err := d.c.inbox.Next()
	if err != nil {
		if d.c.Context().Err() == nil {
			d.c.End(wire.ErrGone)
		}
		return err
	}
	f, err := m.decode()
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *pgproto3.CopyData:
		d.rest = f.Data
		return nil
	case *pgproto3.CopyDone:
		return io.EOF
	case *pgproto3.CopyFail:
		return sqlerr.New(sqlerr.Canceled, "%s%s", errFailed, f.Message)
	case *pgproto3.Flush, *pgproto3.Sync:
		return nil // PostgreSQL ignores them during a copy
	}
	return malformed("a message of type %q came during a COPY from stdin", m.kind)
}

// newCopyRows reads rows of the columns from a stream.
func newCopyRows(r io.Reader, o wire.Copy, columns []lake.Column) wire.CopyRows {
	o, null := defaults(o)
	base := copyText{r: &lineReader{r: r}, o: o, null: []byte(null), fields: make([][]byte, len(columns))}
	switch o.Format {
	case wire.CopyBinary:
		return &copyBinary{r: r, columns: columns, fields: base.fields}
	case wire.CopyCSV:
		return &copyCSV{copyText: base}
	}
	return &base
}

// copyLimit bounds a row.
const copyLimit = 64 << 20

// lineReader reads lines through a buffer of its own.
type lineReader struct {
	r    io.Reader
	buf  []byte
	from int
	err  error
	line int
}

// until gives all up to and with the newline that next finds, or what is left.
// next tells where a record ends in b, -1 if it does not; io.EOF: there is none.
func (l *lineReader) until(next func(b []byte) int) ([]byte, error) {
	for {
		if n := next(l.buf[l.from:]); n >= 0 {
			record := l.buf[l.from : l.from+n]
			l.from += n
			l.line++
			return record, nil
		}
		if l.err != nil {
			record := l.buf[l.from:]
			l.from = len(l.buf)
			if len(record) > 0 && errors.Is(l.err, io.EOF) {
				l.line++
				return record, nil
			}
			return nil, l.err
		}
		if len(l.buf)-l.from > copyLimit {
			return nil, badCopy(l.line+1, "the row is longer than %d bytes", copyLimit)
		}
		l.fill()
	}
}

func (l *lineReader) fill() {
	if l.from > 0 {
		l.buf = l.buf[:copy(l.buf, l.buf[l.from:])]
		l.from = 0
	}
	at := len(l.buf)
	l.buf = append(l.buf, make([]byte, max(64<<10, at))...)
	n, err := l.r.Read(l.buf[at:])
	l.buf, l.err = l.buf[:at+n], err
}

// trimLine drops the line's end.
func trimLine(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// copyText reads the text format.
type copyText struct {
	r      *lineReader
	o      wire.Copy
	null   []byte
	fields [][]byte
	room   []byte
	headed bool
}

func newline(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return -1
}

// Next implements wire.CopyRows.
func (c *copyText) Next() ([][]byte, error) {
	line, err := c.line(newline)
	if err != nil {
		return nil, err
	}
	n := 0
	for more := true; more; n++ {
		var field []byte
		if field, line, more = c.cut(line); n >= len(c.fields) {
			return nil, badCopy(c.r.line, "extra data after the last expected column")
		}
		c.fields[n] = nil
		if !bytes.Equal(field, c.null) {
			c.fields[n] = c.unescape(field)
		}
	}
	if n < len(c.fields) {
		return nil, badCopy(c.r.line, "missing data for column %d of %d", n+1, len(c.fields))
	}
	return c.fields, nil
}

// line gives the next row as it was sent, io.EOF after the last, and makes room
// for its values. end tells where the row ends.
func (c *copyText) line(end func([]byte) int) ([]byte, error) {
	if c.o.Header && !c.headed {
		c.headed = true
		if _, err := c.r.until(end); err != nil {
			return nil, err
		}
	}
	line, err := c.r.until(end)
	if err != nil {
		return nil, err
	}
	line = trimLine(line)
	if string(line) == `\.` {
		return nil, c.drain()
	}
	if !utf8.Valid(line) {
		return nil, badCopy(c.r.line, "invalid byte sequence for encoding \"UTF8\"")
	}
	c.room = c.room[:0]
	if cap(c.room) < len(line) {
		c.room = make([]byte, 0, 2*len(line))
	}
	return line, nil
}

// drain passes what stands behind the mark of the end.
func (c *copyText) drain() error {
	for {
		if _, err := c.r.until(newline); err != nil {
			return err
		}
	}
}

// cut takes a field off the line, up to a delimiter without a backslash.
func (c *copyText) cut(line []byte) (field, rest []byte, more bool) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case c.o.Delimiter:
			return line[:i], line[i+1:], true
		}
	}
	return line, nil, false
}

var escapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// unescape decodes the backslashes of a field (PostgreSQL manual, "COPY", Text
// Format). The result stays valid with room.
func (c *copyText) unescape(field []byte) []byte {
	start := len(c.room)
	for i := 0; i < len(field); i++ {
		if field[i] != '\\' || i+1 == len(field) {
			c.room = append(c.room, field[i])
			continue
		}
		i++
		e := field[i]
		switch {
		case escapes[e] != 0:
			c.room = append(c.room, escapes[e])
		case e == 'x' || '0' <= e && e <= '7':
			var n int
			n, i = number(field, i)
			c.room = append(c.room, byte(n))
		default:
			c.room = append(c.room, e)
		}
	}
	return c.room[start:len(c.room):len(c.room)]
}

// number reads up to three octal digits at i, or x and up to two hexadecimal
// ones, and gives where the last of them stands. A lone x stands for itself.
func number(field []byte, i int) (n, last int) {
	base, most, from := 8, 3, i
	if field[i] == 'x' {
		base, most, from = 16, 2, i+1
	}
	to := from
	for to < len(field) && to-from < most {
		if _, err := strconv.ParseUint(string(field[to]), base, 8); err != nil {
			break
		}
		to++
	}
	if to == from {
		return int(field[i]), i
	}
	v, _ := strconv.ParseUint(string(field[from:to]), base, 16)
	return int(v), to - 1
}

// copyCSV reads the CSV format.
type copyCSV struct{ copyText }

// record finds the end of a record: a newline outside quotes.
func (c *copyCSV) record(b []byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == c.o.Escape && c.o.Escape != c.o.Quote:
			i++
		case b[i] == c.o.Quote:
			quoted = !quoted
		case b[i] == '\n' && !quoted:
			return i + 1
		}
	}
	return -1
}

// Next implements wire.CopyRows.
func (c *copyCSV) Next() ([][]byte, error) {
	line, err := c.line(c.record)
	if err != nil {
		return nil, err
	}
	n := 0
	for more := true; more; n++ {
		if n == len(c.fields) {
			return nil, badCopy(c.r.line, "extra data after the last expected column")
		}
		var closed bool
		if c.fields[n], line, more, closed = c.csvField(line); !closed {
			return nil, badCopy(c.r.line, "unterminated CSV quoted field")
		}
	}
	if n < len(c.fields) {
		return nil, badCopy(c.r.line, "missing data for column %d of %d", n+1, len(c.fields))
	}
	return c.fields, nil
}

// csvField takes a field off the line. An unquoted one that is the mark of NULL
// is NULL.
func (c *copyCSV) csvField(line []byte) (field, rest []byte, more, closed bool) {
	start, quoted, any := len(c.room), false, false
	i := 0
	for ; i < len(line); i++ {
		b := line[i]
		switch {
		case quoted && b == c.o.Escape && i+1 < len(line) && (line[i+1] == c.o.Quote || line[i+1] == c.o.Escape):
			i++
			c.room = append(c.room, line[i])
		case b == c.o.Quote:
			quoted, any = !quoted, true
		case b == c.o.Delimiter && !quoted:
			return c.csvValue(start, any), line[i+1:], true, true
		default:
			c.room = append(c.room, b)
		}
	}
	return c.csvValue(start, any), nil, false, !quoted
}

func (c *copyCSV) csvValue(start int, quoted bool) []byte {
	value := c.room[start:len(c.room):len(c.room)]
	if !quoted && bytes.Equal(value, c.null) {
		return nil
	}
	return value
}

// copyBinary reads the binary format.
type copyBinary struct {
	r       io.Reader
	columns []lake.Column
	fields  [][]byte
	room    []byte
	text    []byte
	row     int
}

// Next implements wire.CopyRows.
func (c *copyBinary) Next() ([][]byte, error) {
	if c.row == 0 {
		if err := c.header(); err != nil {
			return nil, err
		}
	}
	c.row++
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err == io.EOF { // the mark of the end may be left out
		return nil, io.EOF
	} else if err != nil {
		return nil, c.short(err)
	}
	count := int(binary.BigEndian.Uint16(head[:]))
	if count == 0xffff {
		if _, err := io.Copy(io.Discard, c.r); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	if count != len(c.fields) {
		return nil, badCopy(c.row, "row field count is %d, expected %d", count, len(c.fields))
	}
	c.text = c.text[:0]
	for i := range c.fields {
		n, err := c.length()
		if err != nil {
			return nil, err
		}
		if c.fields[i] = nil; int32(n) < 0 {
			continue
		}
		if n > copyLimit {
			return nil, badCopy(c.row, "a field claims %d bytes", n)
		}
		if c.room, err = readBody(c.r, c.room[:0], n); err != nil {
			return nil, c.short(err)
		}
		start := len(c.text)
		if c.text, err = binaryText(c.text, typeOf(c.columns[i].Type).oid, c.room); err != nil {
			return nil, badCopy(c.row, "column %s: %s", c.columns[i].Name, sqlerr.From(err).Msg)
		}
		if !utf8.Valid(c.text[start:]) {
			return nil, badCopy(c.row, "invalid byte sequence for encoding \"UTF8\" in column %s", c.columns[i].Name)
		}
		c.fields[i] = c.text[start:len(c.text):len(c.text)]
	}
	return c.fields, nil
}

// header passes what stands before the rows.
func (c *copyBinary) header() error {
	var err error
	if c.room, err = readBody(c.r, c.room[:0], len(binaryHeader)); err != nil {
		return c.short(err)
	}
	if !bytes.Equal(c.room[:11], binaryHeader[:11]) {
		return badCopy(1, "COPY file signature not recognized")
	}
	extension := int(binary.BigEndian.Uint32(c.room[15:]))
	if binary.BigEndian.Uint32(c.room[11:])>>16 != 0 || extension > 1<<20 {
		return badCopy(1, "the flags of the binary format are not known")
	}
	_, err = io.CopyN(io.Discard, c.r, int64(extension))
	return err
}

// length reads the length of a field.
func (c *copyBinary) length() (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return 0, c.short(err)
	}
	return int(binary.BigEndian.Uint32(b[:])), nil
}

// short is the error of data that ends inside a row, or before the mark of its
// end.
func (c *copyBinary) short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return badCopy(c.row, "unexpected EOF in COPY data")
	}
	return err
}
