package avro

import (
	"encoding/binary"
	"math"
	"math/big"
	"unicode/utf8"

	"lakeport/internal/lake"
)

// column gathers values of one type into a vector.
type column interface {
	read(in *input) // appends a value
	null()          // appends NULL
	reset()         // forgets what was appended
	give(v *lake.Vector)
}

// column makes the column that gathers a type's values.
func (n *node) column() column {
	switch n.kind {
	case kindUnion:
		for i, c := range n.children {
			if i != n.null {
				return &unionColumn{column: c.column(), of: n}
			}
		}
	case kindBoolean:
		return &scalars[bool]{one: func(in *input) bool { b := in.take(1); return b != nil && b[0] != 0 }}
	case kindInt:
		return &scalars[int32]{one: (*input).integer}
	case kindLong:
		return &scalars[int64]{one: (*input).long}
	case kindFloat:
		return &scalars[float32]{one: (*input).float}
	case kindDouble:
		return &scalars[float64]{one: (*input).double}
	case kindBytes, kindFixed:
		return n.bytesColumn()
	case kindEnum:
		return &scalars[lake.String]{one: n.symbol}
	case kindArray:
		return &lists{least: n.children[0].least, elem: n.children[0].column()}
	case kindPairs:
		return &lists{least: n.children[0].least, elem: n.children[0].column()}
	case kindMap:
		key := &scalars[lake.String]{one: text}
		return &lists{least: 1, elem: &structs{fields: []column{key, n.children[0].column()}}}
	case kindRecord:
		s := &structs{}
		for _, c := range n.children {
			s.fields = append(s.fields, c.column())
		}
		return s
	}
	return &scalars[bool]{one: func(in *input) bool {
		in.fail(refusal("has a column of an unknown kind"))
		return false
	}}
}

func (n *node) bytesColumn() column {
	raw := (*input).bytes
	if n.kind == kindFixed {
		raw = func(in *input) []byte { return in.take(n.size) }
	}
	switch {
	case n.typ.Kind == lake.Varchar:
		return &scalars[lake.String]{one: text}
	case n.typ.Kind == lake.Decimal && n.typ.Width <= 4:
		return &scalars[int16]{one: func(in *input) int16 { return int16(decimal(in, raw(in), math.MinInt16, math.MaxInt16).Lo) }}
	case n.typ.Kind == lake.Decimal && n.typ.Width <= 9:
		return &scalars[int32]{one: func(in *input) int32 { return int32(decimal(in, raw(in), math.MinInt32, math.MaxInt32).Lo) }}
	case n.typ.Kind == lake.Decimal && n.typ.Width <= 18:
		return &scalars[int64]{one: func(in *input) int64 { return int64(decimal(in, raw(in), math.MinInt64, math.MaxInt64).Lo) }}
	case n.typ.Kind == lake.Decimal:
		return &scalars[lake.Int128]{one: func(in *input) lake.Int128 { return decimal(in, raw(in), 0, 0) }}
	}
	return &scalars[lake.String]{one: func(in *input) lake.String { return lake.MakeString(raw(in)) }}
}

func (in *input) float() float32 {
	if b := in.take(4); b != nil {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	return 0
}

func (in *input) double() float64 {
	if b := in.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// text reads a string. The engine trusts that it is UTF-8.
func text(in *input) lake.String {
	b := in.bytes()
	if !utf8.Valid(b) {
		in.fail(faultf("a string is not UTF-8"))
		return lake.String{}
	}
	return lake.MakeString(b)
}

func (n *node) symbol(in *input) lake.String {
	i := in.long()
	if i < 0 || i >= int64(len(n.symbols)) {
		in.fail(faultf("a value is symbol %d of %d", i, len(n.symbols)))
		return lake.String{}
	}
	return lake.MakeString(n.symbols[i])
}

// decimal reads a number of big-endian bytes in two's complement. low and high
// bound it, unless they are equal: then it may have 128 bits.
func decimal(in *input, b []byte, low, high int64) (out lake.Int128) {
	if len(b) == 0 {
		return out
	}
	v := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if low != high && (!v.IsInt64() || v.Int64() < low || v.Int64() > high) || v.BitLen() > 127 {
		in.fail(faultf("a decimal does not fit into its column"))
		return out
	}
	out.Lo = new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	out.Hi = new(big.Int).Rsh(v, 64).Int64()
	return out
}

// mask tells which values are NULL.
type mask struct {
	n     int
	nulls lake.Vector // for its Valid
}

func (m *mask) add(null bool) {
	if null {
		m.nulls.SetNull(m.n)
	}
	m.n++
}

func (m *mask) clear() { m.n, m.nulls.Valid = 0, nil }

// valid is the mask as long as all rows need it.
func (m *mask) valid() []uint64 {
	if m.nulls.Valid == nil {
		return nil
	}
	for len(m.nulls.Valid) < (m.n+63)/64 {
		m.nulls.Valid = append(m.nulls.Valid, ^uint64(0))
	}
	return m.nulls.Valid
}

// scalars are values of one size.
type scalars[T any] struct {
	mask
	one  func(in *input) T
	data []T
}

func (s *scalars[T]) read(in *input) { s.data = append(s.data, s.one(in)); s.add(false) }
func (s *scalars[T]) null()          { s.data = append(s.data, *new(T)); s.add(true) }
func (s *scalars[T]) reset()         { s.data = s.data[:0]; s.clear() }

func (s *scalars[T]) give(v *lake.Vector) { v.Data, v.Valid = s.data, s.valid() }

// unionColumn is values that may be NULL.
type unionColumn struct {
	column
	of *node
}

func (u *unionColumn) read(in *input) {
	switch b := u.of.branch(in); {
	case b == nil || b.kind == kindNull:
		u.null()
	default:
		u.column.read(in)
	}
}

// structs are records.
type structs struct {
	mask
	fields []column
}

func (s *structs) read(in *input) {
	for _, f := range s.fields {
		f.read(in)
	}
	s.add(false)
}

func (s *structs) null() {
	for _, f := range s.fields {
		f.null()
	}
	s.add(true)
}

func (s *structs) reset() {
	for _, f := range s.fields {
		f.reset()
	}
	s.clear()
}

func (s *structs) give(v *lake.Vector) {
	children := make([]lake.Vector, len(s.fields))
	for i, f := range s.fields {
		children[i].Type = v.Type.Fields[i].Type
		f.give(&children[i])
	}
	v.Child, v.Valid = children, s.valid()
}

// lists are arrays, and maps, whose elements are structs of key and value.
type lists struct {
	mask
	least   int // bytes of an element
	elem    column
	entries []lake.Entry
	total   uint64
}

func (l *lists) read(in *input) {
	e := lake.Entry{Offset: l.total}
	in.blocks(l.least, func() {
		if e.Length++; l.total+e.Length > math.MaxInt32 {
			in.fail(refusal("has more than 2^31 elements in the lists of 2048 rows"))
			return
		}
		l.elem.read(in)
	})
	l.total += e.Length
	l.entries = append(l.entries, e)
	l.add(false)
}

func (l *lists) null() {
	l.entries = append(l.entries, lake.Entry{Offset: l.total})
	l.add(true)
}

func (l *lists) reset() {
	l.elem.reset()
	l.entries, l.total = l.entries[:0], 0
	l.clear()
}

func (l *lists) give(v *lake.Vector) {
	child := lake.Vector{}
	if v.Type.Kind == lake.Map {
		child.Type = lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "key", Type: *v.Type.Key}, {Name: "value", Type: *v.Type.Elem}}}
	} else {
		child.Type = *v.Type.Elem
	}
	l.elem.give(&child)
	v.Data, v.Child, v.Valid = l.entries, []lake.Vector{child}, l.valid()
}
