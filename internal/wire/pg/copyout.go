package pg

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// binaryHeader begins a binary copy: signature, flags, length of an extension
// (PostgreSQL manual, "COPY", Binary Format).
var binaryHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// copyOut is a result that is sent as CopyData, a message for each row.
type copyOut struct {
	wire.Copy
	null string
}

// CopyOut implements wire.Copier.
func (w *results) CopyOut(o wire.Copy) error {
	o, null := defaults(o)
	w.copying = &copyOut{o, null}
	return nil
}

// defaults fills in what PostgreSQL takes where a copy does not say it.
func defaults(o wire.Copy) (wire.Copy, string) {
	delimiter, null := byte('\t'), `\N`
	if o.Format == wire.CopyCSV {
		delimiter, null = ',', ""
	}
	if o.Delimiter == 0 {
		o.Delimiter = delimiter
	}
	if o.Null != nil {
		null = *o.Null
	}
	if o.Quote == 0 {
		o.Quote = '"'
	}
	if o.Escape == 0 {
		o.Escape = o.Quote
	}
	return o, null
}

// copyFormats are the format codes of a copy's columns: its own for all.
func copyFormats(o wire.Copy, n int) (overall byte, columns []uint16) {
	if o.Format == wire.CopyBinary {
		overall = 1
	}
	columns = make([]uint16, n)
	for i := range columns {
		columns[i] = uint16(overall)
	}
	return overall, columns
}

func (o *copyOut) begin(c *conn, cols []lake.Column) error {
	overall, formats := copyFormats(o.Copy, len(cols))
	if err := c.out.add(&pgproto3.CopyOutResponse{OverallFormat: overall, ColumnFormatCodes: formats}); err != nil {
		return err
	}
	switch {
	case o.Format == wire.CopyBinary:
		return c.out.add(&pgproto3.CopyData{Data: binaryHeader})
	case o.Header:
		var row []byte
		for i, col := range cols {
			if i > 0 {
				row = append(row, o.Delimiter)
			}
			row = o.field(row, []byte(col.Name), len(cols) == 1)
		}
		return c.out.add(&pgproto3.CopyData{Data: append(row, '\n')})
	}
	return nil
}

func (o *copyOut) chunk(c *conn, chunk *lake.Chunk) error {
	var room []byte
	for i := range chunk.Rows {
		start := c.out.begin('d')
		b := c.out.buf
		if o.Format == wire.CopyBinary {
			b = binary.BigEndian.AppendUint16(b, uint16(len(chunk.Columns)))
		}
		for j := range chunk.Columns {
			v := &chunk.Columns[j]
			if o.Format == wire.CopyBinary {
				b = appendValue(b, v, i, true, c.zone)
				continue
			}
			if j > 0 {
				b = append(b, o.Delimiter)
			}
			if v.IsNull(i) {
				b = append(b, o.null...)
				continue
			}
			room = appendText(room[:0], v, i, c.zone)
			b = o.field(b, room, len(chunk.Columns) == 1)
		}
		if o.Format != wire.CopyBinary {
			b = append(b, '\n')
		}
		c.out.buf = b
		c.out.end(start)
		if err := c.out.full(); err != nil {
			return err
		}
	}
	return nil
}

// field appends a value with the format's escapes; alone tells that the row has
// no other.
func (o *copyOut) field(b, text []byte, alone bool) []byte {
	if o.Format == wire.CopyCSV {
		return o.csvField(b, text, alone)
	}
	for _, c := range text {
		switch c {
		case '\\':
			b = append(b, '\\', '\\')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\v':
			b = append(b, '\\', 'v')
		case o.Delimiter:
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

func (o *copyOut) csvField(b, text []byte, alone bool) []byte {
	special := string([]byte{o.Delimiter, o.Quote, '\n', '\r'})
	if string(text) != o.null && !bytes.ContainsAny(text, special) && !(alone && string(text) == `\.`) {
		return append(b, text...)
	}
	b = append(b, o.Quote)
	for _, c := range text {
		if c == o.Quote || c == o.Escape {
			b = append(b, o.Escape)
		}
		b = append(b, c)
	}
	return append(b, o.Quote)
}

// copyTrailer ends a binary copy.
var copyTrailer = []byte{0xff, 0xff}

func (o *copyOut) finish(c *conn) error {
	if o.Format == wire.CopyBinary {
		if err := c.out.add(&pgproto3.CopyData{Data: copyTrailer}); err != nil {
			return err
		}
	}
	return c.out.add(&pgproto3.CopyDone{})
}

// badCopy is the error of data that is not in the copy's format.
func badCopy(line int, format string, args ...any) *sqlerr.Error {
	e := sqlerr.New(sqlerr.Invalid, format, args...).With(sqlerr.Code{State: "22P04"})
	e.Msg = "COPY, line " + strconv.Itoa(line) + ": " + e.Msg
	return e
}
