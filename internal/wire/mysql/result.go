package mysql

import (
	"context"
	"encoding/binary"
	"fmt"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// results writes the results of one command as the session yields them. The
// end of a result tells the client whether another follows, so the last one is
// held back until that is known.
type results struct {
	c      *conn
	ctx    context.Context
	binary bool // rows of a prepared statement
	cols   []lake.Column
	open   bool // a result with rows has begun
	held   *wire.Done
	rows   bool // the held result has rows
}

// MultiStatements tells the session whether the client wants to have more
// than one statement of a text run.
func (w *results) MultiStatements() bool { return w.c.multi }

// Columns opens a result with rows.
func (w *results) Columns(cols []lake.Column) error {
	if w.open {
		return fmt.Errorf("open a result: the one before has not ended")
	}
	if err := w.release(); err != nil {
		return err
	}
	w.open, w.cols = true, cols
	if err := w.c.pk.end(appendLenInt(w.c.pk.begin(), uint64(len(cols)))); err != nil {
		return err
	}
	return w.c.writeColumns(cols)
}

// Chunk sends rows and blocks until the client's system has taken them.
func (w *results) Chunk(c *lake.Chunk) error {
	if err := w.check(c); err != nil {
		return err
	}
	var err error
	if w.binary {
		err = w.c.pk.binaryRows(c, w.cols, 0, c.Rows)
	} else {
		err = w.c.pk.textRows(c)
	}
	if err != nil {
		return err
	}
	return w.c.pk.flush()
}

// check refuses rows that do not belong to the open result.
func (w *results) check(c *lake.Chunk) error {
	if !w.open || len(c.Columns) != len(w.cols) {
		return fmt.Errorf("send rows: %d columns where the open result has %d", len(c.Columns), len(w.cols))
	}
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return nil
}

// Done ends a result.
func (w *results) Done(d wire.Done) error {
	if d.More && !w.c.multi {
		return sqlerr.New(sqlerr.Syntax, "the text holds several statements, and the client has not said that it takes several results").
			WithHint("send one statement at a time, or connect with CLIENT_MULTI_STATEMENTS")
	}
	if !w.open {
		if err := w.release(); err != nil {
			return err
		}
	}
	w.held, w.rows, w.open = &d, w.open, false
	if !d.More {
		return nil
	}
	if err := w.release(); err != nil {
		return err
	}
	return w.c.pk.flush()
}

// release writes the end that was held back, now that more follows.
func (w *results) release() error { return w.end(statusMoreResults) }

func (w *results) end(flags uint16) error {
	if w.held == nil {
		return nil
	}
	d := *w.held
	w.held = nil
	if w.rows {
		return w.c.writeEnd(d, flags)
	}
	return w.c.writeOK(headOK, d, flags)
}

// finish answers the command now that the session has returned err. Its own
// error ends the connection.
func (w *results) finish(err error) error {
	if err != nil {
		if werr := w.release(); werr != nil {
			return werr
		}
		return w.c.writeErr(reason(w.ctx, err))
	}
	if w.held == nil {
		w.held, w.rows = &wire.Done{}, w.open
	}
	return w.end(0)
}

// appendColumn appends a column definition of protocol 4.1.
func appendColumn(b []byte, table string, col lake.Column) []byte {
	m := metaOf(col.Type)
	b = appendLenString(b, "def")
	b = appendLenString(b, "") // database
	b = appendLenString(b, table)
	b = appendLenString(b, table)
	b = appendLenString(b, col.Name)
	b = appendLenString(b, col.Name)
	b = append(b, 0x0c)
	b = binary.LittleEndian.AppendUint16(b, m.charset)
	b = binary.LittleEndian.AppendUint32(b, m.length)
	b = append(b, m.code)
	b = binary.LittleEndian.AppendUint16(b, m.flags)
	return append(b, m.decimals, 0, 0)
}

// meta is how a type presents itself in a column definition.
type meta struct {
	code     byte
	charset  uint16
	length   uint32 // bytes of the longest text
	flags    uint16
	decimals byte
}

// anyDecimals says that a number has no fixed count of decimals.
const anyDecimals = 0x1f

// stringLength is what columns of text and bytes claim: StarRocks' STRING.
const stringLength = 65533

// plainMeta holds the types that have no parameters. Where MySQL has no type
// of its own the value travels as text.
var plainMeta = map[lake.Kind]meta{
	lake.Null:        {code: typeNull, charset: charsetBinary, flags: flagBinary},
	lake.Boolean:     {typeTiny, charsetBinary, 1, flagNum, 0}, // binary, Connector/J would make bytes of it
	lake.TinyInt:     number(typeTiny, 4, 0),
	lake.SmallInt:    number(typeShort, 6, 0),
	lake.Integer:     number(typeLong, 11, 0),
	lake.BigInt:      number(typeLongLong, 20, 0),
	lake.UTinyInt:    number(typeTiny, 3, flagUnsigned),
	lake.USmallInt:   number(typeShort, 5, flagUnsigned),
	lake.UInteger:    number(typeLong, 10, flagUnsigned),
	lake.UBigInt:     number(typeLongLong, 20, flagUnsigned),
	lake.HugeInt:     text(typeString, 40),
	lake.UHugeInt:    text(typeString, 40),
	lake.Float:       {typeFloat, charsetBinary, 12, flagBinary | flagNum, anyDecimals},
	lake.Double:      {typeDouble, charsetBinary, 22, flagBinary | flagNum, anyDecimals},
	lake.Varchar:     text(typeVarString, stringLength),
	lake.Blob:        {typeBlob, charsetBinary, stringLength, flagBinary | flagBlob, 0},
	lake.JSON:        text(typeString, stringLength),
	lake.Bit:         text(typeVarString, stringLength),
	lake.Date:        {typeDate, charsetBinary, 10, flagBinary, 0},
	lake.Time:        {typeTime, charsetBinary, 17, flagBinary, 6},
	lake.TimeTZ:      text(typeVarString, 24),
	lake.Timestamp:   {typeDateTime, charsetBinary, 26, flagBinary, 6},
	lake.TimestampS:  {typeDateTime, charsetBinary, 19, flagBinary, 0},
	lake.TimestampMS: {typeDateTime, charsetBinary, 23, flagBinary, 3},
	lake.TimestampNS: {typeDateTime, charsetBinary, 26, flagBinary, 6},
	lake.TimestampTZ: {typeDateTime, charsetBinary, 26, flagBinary, 6},
	lake.Interval:    {typeTime, charsetBinary, 17, flagBinary, 6},
	lake.UUID:        text(typeString, 36),
}

func number(code byte, length uint32, flags uint16) meta {
	return meta{code, charsetBinary, length, flags | flagBinary | flagNum, 0}
}

// text counts its length in characters of up to three bytes.
func text(code byte, chars uint32) meta { return meta{code, charsetUTF8, 3 * chars, 0, 0} }

func metaOf(t lake.Type) meta {
	if t.Kind == lake.Decimal {
		length := uint32(t.Width) + 1 // sign
		if t.Scale > 0 {
			length++
		}
		return meta{typeNewDecimal, charsetBinary, length, flagBinary | flagNum, t.Scale}
	}
	if m, ok := plainMeta[t.Kind]; ok {
		return m
	}
	return text(typeString, stringLength)
}

// textRows writes all rows of c in the text protocol.
func (p *packets) textRows(c *lake.Chunk) error {
	for i := range c.Rows {
		b := p.begin()
		for j := range c.Columns {
			b = appendTextValue(b, &c.Columns[j], i)
		}
		if err := p.end(b); err != nil {
			return err
		}
	}
	return nil
}

// binaryRows writes the rows of c from row from up to row to in the binary
// protocol: a NULL bitmap whose first two bits are unused, then the values.
func (p *packets) binaryRows(c *lake.Chunk, cols []lake.Column, from, to int) error {
	if err := checkRange(c, cols); err != nil {
		return err
	}
	nulls := (len(c.Columns) + 9) / 8
	for i := from; i < to; i++ {
		b := append(p.begin(), headOK)
		bitmap := len(b)
		for range nulls {
			b = append(b, 0)
		}
		for j := range c.Columns {
			v := &c.Columns[j]
			if v.IsNull(i) {
				b[bitmap+(j+2)/8] |= 1 << ((j + 2) % 8)
				continue
			}
			b = appendBinaryValue(b, v, i)
		}
		if err := p.end(b); err != nil {
			return err
		}
	}
	return nil
}

// checkRange refuses values that the binary protocol has no form for: dates
// outside the years 0 to 9999 and intervals of months.
func checkRange(c *lake.Chunk, cols []lake.Column) error {
	for j := range c.Columns {
		v := &c.Columns[j]
		fits := rangeCheck(v)
		if fits == nil {
			continue
		}
		for i := range c.Rows {
			if !fits(i) && !v.IsNull(i) {
				return sqlerr.New(sqlerr.Invalid, "column %q holds %s, which MySQL's binary protocol cannot carry",
					cols[j].Name, appendText(nil, v, i)).WithHint("cast the column to VARCHAR")
			}
		}
	}
	return nil
}

// rangeCheck tells whether row i fits; nil: every value of the type does.
func rangeCheck(v *lake.Vector) func(i int) bool {
	switch data := v.Data.(type) {
	case []lake.Span:
		return func(i int) bool { return data[i].Months == 0 }
	case []int32:
		if v.Type.Kind == lake.Date {
			return func(i int) bool { return inYears(int64(data[i])) }
		}
	case []int64:
		if isTimestamp(v.Type.Kind) {
			return func(i int) bool {
				return inYears(wire.FloorDiv(wire.MicrosOf(v.Type.Kind, data[i]), wire.MicrosPerDay))
			}
		}
	}
	return nil
}

// inYears tells whether a day since 1970 is in the years 0 to 9999.
func inYears(day int64) bool { return day >= -719528 && day <= 2932896 }

func isTimestamp(k lake.Kind) bool { return k >= lake.Timestamp && k <= lake.TimestampTZ }
