package blob

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"

	"lakeport/internal/lake"
)

// layout is where the column chunks of a Parquet file stand, or the blocks of
// any other file: what is wanted together is a group.
type layout struct {
	columns []string // lower-case top-level names; a chunk has an index into it
	groups  []group
}

// group is a row group: a hull and the chunks in it, by offset.
type group struct {
	span
	chunks []chunk
	skip   bool // holds no row that the query wants
}

type chunk struct {
	span
	column int
}

// footerSize is the length of a Parquet file's end: 4 bytes of length, magic.
const footerSize = 8

var (
	errFooter    = errors.New("not the footer of a Parquet file")
	errEncrypted = errors.New("the Parquet file is encrypted")
	errHybrid    = errors.New("the Parquet file has days of the Julian calendar")
)

// tailSize is how much of a Parquet file's end is read at first. The engine
// reads as much by itself: a thousandth of the file rounded up to a power of
// two, between 16 and 256 KiB.
func tailSize(size int64) int64 {
	n := int64(1) << bits.Len64(uint64(max(size/1000-1, 0)))
	return min(max(n, 16<<10), 256<<10, size)
}

// footerLength reads the footer's length from a file's last 8 bytes.
func footerLength(end []byte) (int64, error) {
	switch {
	case len(end) < footerSize:
		return 0, errFooter
	case string(end[len(end)-4:]) == "PARE": // parquet-format, Encryption.md, "Encrypted footer mode"
		return 0, errEncrypted
	case string(end[len(end)-4:]) != "PAR1":
		return 0, errFooter
	}
	return int64(binary.LittleEndian.Uint32(end[len(end)-footerSize:])), nil
}

// blocks is the layout of a file without a footer that is read from one end to
// the other.
func blocks(size int64) *layout {
	l := &layout{columns: []string{""}}
	for off := int64(0); off < size; off += blockSize {
		s := span{off, min(off+blockSize, size)}
		l.groups = append(l.groups, group{span: s, chunks: []chunk{{s, 0}}})
	}
	return l
}

// parseFooter reads a FileMetaData (parquet-format, parquet.thrift) as far as
// the places of the column chunks and the types of the columns go; nil stands
// for columns that are not understood. Row groups in which skip, unless nil,
// rules a column's values out are marked. data holds the footer without its
// last 8 bytes; size is the file's: chunks outside of it are refused. Whatever
// data holds, memory is bounded by a small multiple of its length.
func parseFooter(data []byte, size int64, skip skip) (l *layout, columns []lake.Column, err error) {
	t := &thrift{data: data}
	l = &layout{}
	names := map[string]int{}
	hybrid, old := false, false
	t.fields(func(id int16, kind byte) {
		switch {
		case id == 5 && kind == thriftList:
			hybrid = t.hybridCalendar()
			return
		case id == 2 && kind == thriftList:
			columns = t.schema()
			return
		case id == 8: // encryption_algorithm: columns are encrypted, the footer is not
			err = errEncrypted
		}
		if id != 4 || kind != thriftList {
			t.skip(kind, 0)
			return
		}
		judge := skip.of(columns)
		for range t.list(thriftStruct) {
			if g := t.rowGroup(l, names, size, func(c columnMeta) bool {
				old = old || beforeGregorian(columns, c)
				return judge(c)
			}); len(g.chunks) > 0 && !t.bad {
				l.groups = append(l.groups, g)
			}
			if t.bad {
				return
			}
		}
	})
	if t.bad {
		return nil, nil, errFooter
	}
	if err == nil && hybrid && old {
		err = errHybrid
	}
	return l, columns, err
}

// hybridCalendar reads the metadata of a file's own: whether Spark wrote it with
// days counted by the Julian calendar before 1582-10-15, as Spark 2 always did
// (Spark SQL, "Parquet Files", datetimeRebaseModeInRead).
func (t *thrift) hybridCalendar() (is bool) {
	for range t.list(thriftStruct) {
		var key, value string
		t.fields(func(id int16, kind byte) {
			switch {
			case id == 1 && kind == thriftBinary:
				key = string(t.binary())
			case id == 2 && kind == thriftBinary:
				value = string(t.binary())
			default:
				t.skip(kind, 0)
			}
		})
		if t.bad {
			return false
		}
		is = is || key == "org.apache.spark.legacyDateTime" || key == "org.apache.spark.version" && strings.HasPrefix(value, "2.")
	}
	return is
}

// rowGroup reads a RowGroup; names are the columns of l met so far.
func (t *thrift) rowGroup(l *layout, names map[string]int, size int64, skip func(columnMeta) bool) group {
	g := group{span: span{size, 0}}
	t.fields(func(id int16, kind byte) {
		if id != 1 || kind != thriftList {
			t.skip(kind, 0)
			return
		}
		for range t.list(thriftStruct) {
			c := t.columnChunk()
			if c.from < 0 || c.to < c.from || c.to > size {
				t.bad = true
			}
			if t.bad {
				return
			}
			i, ok := names[c.name]
			if !ok {
				i = len(l.columns)
				names[c.name] = i
				l.columns = append(l.columns, c.name)
			}
			g.chunks = append(g.chunks, chunk{c.span, i})
			g.from, g.to = min(g.from, c.from), max(g.to, c.to)
			g.skip = g.skip || skip(c)
		}
	})
	return g
}

// columnMeta is what is read of a ColumnChunk: its column's name in lower case,
// of a nested one the top-level name; its bytes, which begin with the dictionary
// page if there is one; and bounds of its values in the plain encoding, nil if
// they are not told.
type columnMeta struct {
	name   string
	nested bool
	span
	low, high []byte
}

func (t *thrift) columnChunk() columnMeta {
	var c columnMeta
	var data, dict, length int64
	t.fields(func(id int16, kind byte) {
		if id != 3 || kind != thriftStruct {
			t.skip(kind, 0)
			return
		}
		t.fields(func(id int16, kind byte) {
			switch {
			case id == 3 && kind == thriftList:
				for i := range t.list(thriftBinary) {
					if part := t.binary(); i == 0 {
						c.name = strings.ToLower(string(part))
					} else {
						c.nested = true
					}
				}
			case id == 7 && kind == thriftI64:
				length = t.varint()
			case id == 9 && kind == thriftI64:
				data = t.varint()
			case id == 11 && kind == thriftI64:
				dict = t.varint()
			case id == 12 && kind == thriftStruct:
				t.statistics(&c)
			default:
				t.skip(kind, 0)
			}
		})
	})
	if dict > 0 && dict < data {
		data = dict
	}
	if length < 0 || data < 0 || data > data+length {
		t.bad = true
	}
	c.span = span{data, data + length}
	return c
}

// statistics reads min_value and max_value, whose order is the column's.
func (t *thrift) statistics(c *columnMeta) {
	t.fields(func(id int16, kind byte) {
		switch {
		case id == 5 && kind == thriftBinary:
			c.high = t.binary()
		case id == 6 && kind == thriftBinary:
			c.low = t.binary()
		default:
			t.skip(kind, 0)
		}
	})
}

// The thrift compact protocol's types that matter here, by their code in a
// field's header (thrift specification, "Thrift Compact protocol encoding").
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// maxDepth bounds how deep a value that is skipped may nest.
const maxDepth = 32

// thrift reads the compact protocol. After a fault bad is set and all reads
// give zero values.
type thrift struct {
	data []byte
	bad  bool
}

func (t *thrift) byte() byte {
	if len(t.data) == 0 {
		t.bad = true
	}
	if t.bad {
		return 0
	}
	b := t.data[0]
	t.data = t.data[1:]
	return b
}

func (t *thrift) uvarint() uint64 {
	v, n := binary.Uvarint(t.data)
	if n <= 0 {
		t.bad = true
	}
	if t.bad {
		return 0
	}
	t.data = t.data[n:]
	return v
}

func (t *thrift) varint() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (t *thrift) binary() []byte {
	n := t.uvarint()
	if n > uint64(len(t.data)) {
		t.bad = true
	}
	if t.bad {
		return nil
	}
	b := t.data[:n]
	t.data = t.data[n:]
	return b
}

// fields calls f with each field's id and type; f must read the value.
func (t *thrift) fields(f func(id int16, kind byte)) {
	for id := int16(0); ; {
		h := t.byte()
		if t.bad || h == 0 {
			return
		}
		if delta := int16(h >> 4); delta != 0 {
			id += delta
		} else {
			id = int16(t.varint())
		}
		f(id, h&15)
		if t.bad {
			return
		}
	}
}

// list reads a list's header and gives its length; elements of another type
// than want are a fault. Each element takes a byte at least, so that a length
// beyond the data is one too.
func (t *thrift) list(want byte) int {
	n, kind := t.listHeader()
	if kind != want && n > 0 {
		t.bad = true
		return 0
	}
	return n
}

func (t *thrift) listHeader() (n int, kind byte) {
	h := t.byte()
	size := uint64(h >> 4)
	if size == 15 {
		size = t.uvarint()
	}
	if size > uint64(len(t.data)) {
		t.bad = true
	}
	if t.bad {
		return 0, 0
	}
	return int(size), h & 15
}

// skip reads over a field's value. A boolean's value is its type.
func (t *thrift) skip(kind byte, depth int) {
	if depth > maxDepth {
		t.bad = true
	}
	if t.bad {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		t.drop(8)
	case thriftUUID:
		t.drop(16)
	case thriftBinary:
		t.binary()
	case thriftList, thriftSet:
		n, kind := t.listHeader()
		for i := 0; i < n && !t.bad; i++ {
			t.element(kind, depth)
		}
	case thriftMap:
		n := t.uvarint()
		if n > uint64(len(t.data)) {
			t.bad = true
		}
		if n == 0 || t.bad {
			return
		}
		kinds := t.byte()
		for i := uint64(0); i < n && !t.bad; i++ {
			t.element(kinds>>4, depth)
			t.element(kinds&15, depth)
		}
	case thriftStruct:
		t.fields(func(_ int16, kind byte) { t.skip(kind, depth+1) })
	default:
		t.bad = true
	}
}

// element skips a value in a list or map, where a boolean takes a byte.
func (t *thrift) element(kind byte, depth int) {
	if kind == thriftTrue || kind == thriftFalse {
		kind = thriftByte
	}
	t.skip(kind, depth+1)
}

func (t *thrift) drop(n int) {
	if n > len(t.data) {
		t.bad = true
		return
	}
	t.data = t.data[n:]
}
