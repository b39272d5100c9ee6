package pipe

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"lakeport/internal/sqlerr"
)

// decode reads the rows of the pipe's tables only.
func (b *binlog) decode(e *replication.RowsEvent, data []byte) error {
	at, err := e.DecodeHeader(data)
	if err != nil || b.table(e) == nil || e.Type() == replication.EnumRowsEventTypeUnknown || !whole(e) {
		return err
	}
	return e.DecodeData(at, slices.Clip(data)) // lest a value that is cut short goes on into what lies behind
}

// whole tells whether the rows have all of the table's columns. (Those that
// have none the library would read for ever.)
func whole(e *replication.RowsEvent) bool {
	for i := range int(e.ColumnCount) {
		for _, columns := range [][]byte{e.ColumnBitmap1, e.ColumnBitmap2} {
			if columns != nil && columns[i/8]&(1<<(i%8)) == 0 {
				return false
			}
		}
	}
	return e.ColumnCount > 0 && e.ColumnCount == e.Table.ColumnCount
}

func (b *binlog) table(e *replication.RowsEvent) *Table {
	i := slices.IndexFunc(b.tables, func(t Table) bool { return t.Schema == string(e.Table.Schema) && t.Name == string(e.Table.Table) })
	if i < 0 {
		return nil
	}
	return &b.tables[i]
}

// layout is how rows of one table lie in the log, for as long as its
// definition there is the same.
type layout struct {
	of    *replication.TableMapEvent
	table *Table
	from  []int    // of each of the table's columns; -1: it is gone
	gone  []string // the columns that are
	read  []func(any) ([]byte, error)
}

// rows turns an event's rows into changes.
func (b *binlog) rows(ctx context.Context, typ replication.EventType, e *replication.RowsEvent) error {
	t := b.table(e)
	if t == nil {
		return nil
	}
	if typ == replication.PARTIAL_UPDATE_ROWS_EVENT {
		return sqlerr.New(sqlerr.Unsupported, "the binary log has parts of JSON values of %s", t.Source()).WithHint("set binlog_row_value_options = '' in the parameter group, and make the pipe anew")
	}
	if b.layout == nil || b.layout.of != e.Table {
		l, err := b.lay(ctx, t, e.Table)
		if err != nil {
			return err
		}
		b.layout, b.gone[t] = l, l.gone
	}
	if !whole(e) {
		return sqlerr.New(sqlerr.Invalid, "the binary log has no whole rows of %s", t.Source()).WithHint("set binlog_row_image = FULL in the parameter group, and make the pipe anew")
	}
	for i, values := range e.Rows {
		row, err := b.layout.row(values)
		if err != nil {
			return err
		}
		k := upsert
		if e.Type() == replication.EnumRowsEventTypeDelete || e.Type() == replication.EnumRowsEventTypeUpdate && i%2 == 0 { // an update is the row before, then the row after
			k = remove
		}
		b.open = append(b.open, change{table: t, kind: k, row: row})
	}
	return nil
}

func (l *layout) row(values []any) ([][]byte, error) {
	row := make([][]byte, len(l.from))
	for i, at := range l.from {
		if at < 0 || values[at] == nil {
			continue
		}
		v, err := l.read[i](values[at])
		if err != nil {
			return nil, fmt.Errorf("column %s of %s: %w", l.table.Columns[i].Name, l.table.Source(), err)
		}
		row[i] = v
	}
	return row, nil
}

// lay finds the table's columns in the log by their names.
func (b *binlog) lay(ctx context.Context, t *Table, e *replication.TableMapEvent) (*layout, error) {
	names := e.ColumnNameString()
	if len(names) == 0 {
		return nil, sqlerr.New(sqlerr.Invalid, "the binary log does not name the columns of %s", t.Source()).WithHint("set binlog_row_metadata = FULL in the parameter group, and make the pipe anew")
	}
	l := &layout{of: e, table: t, from: make([]int, len(t.Columns)), read: make([]func(any) ([]byte, error), len(t.Columns))}
	var gone []string
	more := false
	for i, c := range t.Columns {
		if l.from[i] = slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) }); l.from[i] >= 0 {
			continue
		}
		if gone = append(gone, c.Name); t.isKey(c.Name) {
			return nil, notFollowed("DROP of the key column "+c.Name, t)
		}
	}
	for _, n := range names {
		more = more || t.column(n) < 0 && !t.excludes(n)
	}
	if more {
		before, swapped := b.swapped[t]
		for _, name := range gone { // the tool's statements on its copy say which became which, under another table's name
			if swapped && !slices.Contains(before, name) {
				return nil, notFollowed("an online schema change that takes away "+name+" and adds a column, which may be the same,", t)
			}
		}
		return nil, &newColumns{table: t}
	}
	l.gone = gone
	logged := newLogged(e)
	for i := range t.Columns {
		if l.from[i] < 0 {
			continue
		}
		c := &t.Columns[i]
		read, err := b.reader(ctx, c, logged.column(l.from[i]))
		if err != nil {
			return nil, sqlerr.New(sqlerr.Unsupported, "column %s of %s: %s", c.Name, t.Source(), cause(err)).WithHint("make the pipe anew")
		}
		l.read[i] = read
	}
	return l, nil
}

// logged is what the log says of a table's columns.
type logged struct {
	of                 *replication.TableMapEvent
	collations, sets   map[int]uint64
	enumNames, setName map[int][]string
}

func newLogged(e *replication.TableMapEvent) *logged {
	return &logged{e, e.CollationMap(), e.EnumSetCollationMap(), e.EnumStrValueMap(), e.SetStrValueMap()}
}

// loggedColumn is one of them.
type loggedColumn struct {
	typ       byte   // MYSQL_TYPE_…; of a string its real one
	meta      uint16 // of fixed strings their length in bytes
	collation uint64 // 0 where it has none
	names     []string
}

// Collation 63 is that of bytes ("binary").
const binaryCollation = 63

func (l *logged) column(i int) loggedColumn {
	c := loggedColumn{typ: l.of.ColumnType[i], meta: l.of.ColumnMeta[i], collation: l.collations[i]}
	if c.typ == mysql.MYSQL_TYPE_STRING && c.meta >= 256 {
		// The real type stands in the high byte; lengths above 255 have two of
		// their bits there, inverted (MySQL, "Table_map_event", column metadata).
		high := byte(c.meta >> 8)
		if high&0x30 == 0x30 {
			c.typ, c.meta = high, c.meta&0xff
		} else {
			c.typ, c.meta = high|0x30, c.meta&0xff|uint16(high&0x30^0x30)<<4
		}
	}
	switch c.typ {
	case mysql.MYSQL_TYPE_ENUM:
		c.names, c.collation = l.enumNames[i], l.sets[i]
	case mysql.MYSQL_TYPE_SET:
		c.names, c.collation = l.setName[i], l.sets[i]
	}
	return c
}

// Classes of types in the log.
var (
	loggedInts    = []byte{mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_YEAR, mysql.MYSQL_TYPE_BIT}
	loggedStrings = []byte{mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_BLOB}
	loggedTimes   = []byte{mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2}
)

// holds tells whether the target's type holds every value of the log's without
// loss, or refuses the one that it does not hold: after a change of type in
// the source it may not.
func (c *Column) holds(l loggedColumn) bool {
	is := func(list ...byte) bool { return slices.Contains(list, l.typ) }
	switch base, _, _ := strings.Cut(c.Type, "("); {
	case c.Binary:
		return is(loggedStrings...) && l.collation == binaryCollation
	case base == "BOOLEAN":
		return is(mysql.MYSQL_TYPE_TINY)
	case slices.Contains([]string{"TINYINT", "SMALLINT", "INT", "BIGINT", "LARGEINT"}, base):
		return is(loggedInts...)
	case base == "DECIMAL":
		_, scale, _ := strings.Cut(strings.TrimSuffix(c.Type, ")"), ",")
		n, _ := strconv.Atoi(scale)
		return is(loggedInts...) || is(mysql.MYSQL_TYPE_NEWDECIMAL) && int(l.meta&0xff) <= n
	case base == "FLOAT":
		return is(mysql.MYSQL_TYPE_FLOAT)
	case base == "DOUBLE":
		return is(mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_DOUBLE)
	case base == "DATE":
		return is(mysql.MYSQL_TYPE_DATE)
	case base == "DATETIME":
		return is(loggedTimes...)
	case base == "JSON":
		return is(mysql.MYSQL_TYPE_JSON)
	case c.isFixedBytes():
		return is(mysql.MYSQL_TYPE_STRING) && l.collation == binaryCollation
	}
	return is(mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET, mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_JSON) || is(loggedInts...) || is(loggedTimes...) ||
		is(loggedStrings...) && l.collation != binaryCollation
}

// fixedBytes are the types of MariaDB that the log has as bytes.
var fixedBytes = map[string]struct {
	size int
	text func([]byte) string
}{
	"uuid":  {16, uuidText},
	"inet6": {16, inet6Text},
	"inet4": {4, func(b []byte) string { return netip.AddrFrom4([4]byte(b)).String() }},
}

func (c *Column) isFixedBytes() bool { return fixedBytes[c.Source].text != nil }

// reader gives what writes a column's values in the log as the initial load
// reads them.
func (b *binlog) reader(ctx context.Context, c *Column, l loggedColumn) (func(any) ([]byte, error), error) {
	if slices.Contains([]byte{mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP}, l.typ) {
		return nil, sqlerr.New(sqlerr.Unsupported, "its times are in the format of MySQL 5.5; ALTER TABLE .. FORCE in the source renews it")
	}
	if !c.holds(l) {
		return nil, sqlerr.New(sqlerr.Unsupported, "its type in the source has changed, and the target's %s does not hold what it may have now", c.Type)
	}
	switch l.typ {
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return dateText, nil
	case mysql.MYSQL_TYPE_TIME2:
		return func(v any) ([]byte, error) { return timeText(v, int(l.meta)) }, nil
	case mysql.MYSQL_TYPE_BIT:
		return func(v any) ([]byte, error) {
			n, err := number(v)
			return strconv.AppendUint(nil, uint64(n), 10), err
		}, nil
	case mysql.MYSQL_TYPE_JSON:
		return func(v any) ([]byte, error) {
			if text := bytesOf(v); len(text) > 0 {
				return spaced(text), nil
			}
			return []byte("null"), nil // as MySQL shows an empty document
		}, nil
	case mysql.MYSQL_TYPE_FLOAT:
		bits := 32
		if c.Type == "DOUBLE" {
			bits = 64
		}
		return func(v any) ([]byte, error) {
			f, ok := v.(float32)
			if !ok {
				return nil, unexpected(v)
			}
			return strconv.AppendFloat(nil, float64(f), 'g', -1, bits), nil
		}, nil
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		names, err := b.charsets.texts(ctx, l.collation, l.names)
		if err != nil {
			return nil, err
		}
		if l.typ == mysql.MYSQL_TYPE_SET {
			return func(v any) ([]byte, error) { return setText(v, names) }, nil
		}
		return func(v any) ([]byte, error) { return enumText(v, names) }, nil
	}
	if !slices.Contains(loggedStrings, l.typ) {
		return func(v any) ([]byte, error) { return fmt.Append(nil, v), nil }, nil
	}
	if fixed := fixedBytes[c.Source]; fixed.text != nil {
		return func(v any) ([]byte, error) {
			raw := bytesOf(v)
			if len(raw) > fixed.size {
				return nil, unexpected(v)
			}
			return []byte(fixed.text(padded(raw, fixed.size))), nil
		}, nil
	}
	if c.Binary {
		size := 0
		if l.typ == mysql.MYSQL_TYPE_STRING { // the log leaves zeros at the end out
			size = int(l.meta)
		}
		return func(v any) ([]byte, error) { return padded(bytesOf(v), size), nil }, nil
	}
	convert, err := b.charsets.decoder(ctx, l.collation)
	if err != nil {
		return nil, err
	}
	return func(v any) ([]byte, error) { return convert(bytesOf(v)) }, nil
}

// spaced writes a document as MySQL does, with a space behind each colon and
// comma.
func spaced(document []byte) []byte {
	out, inString := make([]byte, 0, len(document)+len(document)/4), false
	for i := 0; i < len(document); i++ {
		c := document[i]
		out = append(out, c)
		switch {
		case c == '\\' && inString && i+1 < len(document):
			i++
			out = append(out, document[i])
		case c == '"':
			inString = !inString
		case (c == ':' || c == ',') && !inString:
			out = append(out, ' ')
		}
	}
	return out
}

func unexpected(v any) error {
	return sqlerr.New(sqlerr.Corrupt, "the log has a value of %T where none can be", v)
}

// bytesOf is a copy of a string of the log, which lies in the event's memory.
func bytesOf(v any) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return bytes.Clone(v)
	}
	return nil
}

func padded(b []byte, size int) []byte { return append(b, make([]byte, max(0, size-len(b)))...) }

func number(v any) (int64, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, unexpected(v)
	}
	return n, nil
}

// dateText takes a date with a zero for month or day, which is none, for NULL.
func dateText(v any) ([]byte, error) {
	text := bytesOf(v)
	if len(text) < len("2026-01-01") {
		return nil, unexpected(v)
	}
	if string(text[5:7]) == "00" || string(text[8:10]) == "00" {
		return nil, nil
	}
	return text, nil
}

// timeText writes all of a time's decimals, which the library leaves out where
// they are zero.
func timeText(v any, decimals int) ([]byte, error) {
	text := bytesOf(v)
	if decimals > 0 && !bytes.Contains(text, []byte(".")) {
		text = append(append(text, '.'), strings.Repeat("0", decimals)...)
	}
	return text, nil
}

func enumText(v any, names []string) ([]byte, error) {
	n, err := number(v)
	switch {
	case err != nil:
		return nil, err
	case n < 0 || n > int64(len(names)):
		return nil, sqlerr.New(sqlerr.Corrupt, "value %d of an enumeration of %d", n, len(names))
	case n == 0: // what the source keeps of a value that is none of its
		return []byte{}, nil
	}
	return []byte(names[n-1]), nil
}

func setText(v any, names []string) ([]byte, error) {
	n, err := number(v)
	var in []string
	for i, name := range names {
		if n&(1<<i) != 0 {
			in = append(in, name)
		}
	}
	return []byte(strings.Join(in, ",")), err
}

func uuidText(b []byte) string {
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// inet6Text writes an address as MariaDB does: the longest run of zeros is left
// out, be it one group only, and the last four bytes are in decimal after six
// groups of zeros or five and ffff.
func inet6Text(b []byte) string {
	groups := make([]string, 8)
	zeros := func(from int) (n int) {
		for n = 0; from+n < 8 && b[2*(from+n)] == 0 && b[2*(from+n)+1] == 0; n++ {
		}
		return n
	}
	at, length := 0, 0
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(b[2*i])<<8|uint64(b[2*i+1]), 16)
		if n := zeros(i); n > length {
			at, length = i, n
		}
	}
	if at == 0 && (length == 6 || length == 5 && groups[5] == "ffff") {
		groups = append(groups[:6], netip.AddrFrom4([4]byte(b[12:])).String())
	}
	if length == 0 {
		return strings.Join(groups, ":")
	}
	return strings.Join(groups[:at], ":") + "::" + strings.Join(groups[at+length:], ":")
}
