package orc

import (
	"fmt"
	"math"
	"strconv"

	"lakeport/internal/lake"
)

// postscript is the message that ends a file, never compressed.
type postscript struct {
	footer, metadata uint64 // bytes
	compression      uint64
	block            uint64
	version          []uint64
	writerVersion    uint64
	magic            string
}

func parsePostscript(b []byte) (postscript, error) {
	var p postscript
	err := fields(b, func(x field) error {
		switch x.number {
		case 1:
			p.footer = x.value
		case 2:
			p.compression = x.value
		case 3:
			p.block = x.value
		case 4:
			return x.numbers(func(v uint64) { p.version = append(p.version, v) })
		case 5:
			p.metadata = x.value
		case 6:
			p.writerVersion = x.value
		case 8000:
			p.magic = string(x.data)
		}
		return nil
	})
	return p, err
}

// kind is a Type.Kind of the specification.
type kind uint64

const (
	kindBoolean kind = iota
	kindByte
	kindShort
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindString
	kindBinary
	kindTimestamp
	kindList
	kindMap
	kindStruct
	kindUnion
	kindDecimal
	kindDate
	kindVarchar
	kindChar
	kindInstant
)

// typeInfo is one node of the tree of types, which is stored in preorder.
type typeInfo struct {
	kind      kind
	children  []int
	names     []string // of a struct's fields
	precision uint64
	scale     uint64
	fieldID   int  // Iceberg's, from the attribute iceberg.id; 0: none
	time      bool // a LONG is micros since midnight, by the attribute iceberg.long-type
}

const maxDepth = 64 // of nested types

// parseFooter reads the Footer message.
func (f *File) parseFooter(b []byte, p postscript) error {
	var writer, calendar uint64
	encrypted := false
	var release string
	err := fields(b, func(x field) error {
		switch x.number {
		case 3:
			s, err := parseStripe(x.data)
			if err != nil {
				return err
			}
			s.first = f.rows
			if s.rows < 0 || s.rows > math.MaxInt64-f.rows {
				return faultf("a stripe has %d rows", s.rows)
			}
			if end := s.end(); s.offset < 0 || s.index < 0 || s.data < 0 || s.footer < 0 || s.footer > maxTail || end < s.offset || end > f.src.Size {
				return faultf("a stripe at byte %d does not fit into it", s.offset)
			}
			f.rows += s.rows
			f.stripes = append(f.stripes, s)
		case 4:
			t, err := parseType(x.data)
			f.types = append(f.types, t)
			return err
		case 7:
			s, err := parseStatistics(x.data)
			f.stats = append(f.stats, s)
			return err
		case 8:
			f.stride = int64(x.value)
		case 9:
			writer = x.value
		case 10:
			encrypted = true
		case 11:
			calendar = x.value
		case 12:
			release = string(x.data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if encrypted {
		return refusal("has encrypted columns")
	}
	// Java's writers are hybrid where they do not say otherwise; the other
	// writers know the proleptic calendar only.
	const java, hybrid, proleptic = 0, 1, 2
	f.hybrid = !f.src.Proleptic && (calendar == hybrid || calendar != proleptic && writer == java)
	// HIVE-8732: the first writer's string statistics follow another order;
	// ORC-1553: those of short decimals may be wrong before version 7.
	f.old = writer == java && p.writerVersion == 0
	f.oldDecimal = writer == java && p.writerVersion < 7
	f.blooms = soundBlooms(writer, release)
	if len(f.stats) != len(f.types) {
		f.stats = nil
	}
	return f.parseColumns()
}

func parseStripe(b []byte) (s stripeInfo, err error) {
	err = fields(b, func(x field) error {
		switch v := int64(x.value); x.number {
		case 1:
			s.offset = v
		case 2:
			s.index = v
		case 3:
			s.data = v
		case 4:
			s.footer = v
		case 5:
			s.rows = v
		case 6, 7:
			return refusal("has encrypted stripes")
		}
		return nil
	})
	return s, err
}

func parseType(b []byte) (t typeInfo, err error) {
	err = fields(b, func(x field) error {
		switch x.number {
		case 1:
			t.kind = kind(x.value)
		case 2:
			return x.numbers(func(v uint64) { t.children = append(t.children, int(min(v, math.MaxInt32))) })
		case 3:
			t.names = append(t.names, string(x.data))
		case 5:
			t.precision = x.value
		case 6:
			t.scale = x.value
		case 7:
			return t.attribute(x.data)
		}
		return nil
	})
	return t, err
}

func (t *typeInfo) attribute(b []byte) error {
	var key, value string
	err := fields(b, func(x field) error {
		switch x.number {
		case 1:
			key = string(x.data)
		case 2:
			value = string(x.data)
		}
		return nil
	})
	if id, bad := strconv.Atoi(value); key == "iceberg.id" && bad == nil {
		t.fieldID = id
	}
	t.time = t.time || key == "iceberg.long-type" && value == "TIME"
	return err
}

// parseColumns checks the tree of types and makes the columns of it.
func (f *File) parseColumns() error {
	if len(f.types) == 0 {
		return faultf("it has no types")
	}
	// In preorder each node but the root is the child of one node before it:
	// then the tree has no cycles, and each node is read once.
	seen := make([]bool, len(f.types))
	for id, t := range f.types {
		for _, c := range t.children {
			if c <= id || c >= len(f.types) || seen[c] {
				return faultf("type %d has the child %d, which is no type below it", id, c)
			}
			seen[c] = true
		}
		want := map[kind]int{kindList: 1, kindMap: 2, kindStruct: len(t.names), kindUnion: len(t.children)}[t.kind]
		if len(t.children) != want {
			return faultf("type %d has %d children where %d are needed", id, len(t.children), want)
		}
	}
	root := f.types[0]
	if root.kind != kindStruct {
		f.columns = []Column{f.column("", 0)}
		return nil
	}
	for i, c := range root.children {
		f.columns = append(f.columns, f.column(root.names[i], c))
	}
	return nil
}

func (f *File) column(name string, id int) Column {
	c := Column{Column: lake.Column{Name: name, FieldID: f.types[id].fieldID}, id: id}
	c.Type, c.Err = f.typeOf(id, 0)
	if c.Err != nil {
		c.Type = lake.Type{}
	}
	return c
}

var plainKinds = map[kind]lake.Kind{
	kindBoolean: lake.Boolean, kindByte: lake.TinyInt, kindShort: lake.SmallInt, kindInt: lake.Integer, kindLong: lake.BigInt,
	kindFloat: lake.Float, kindDouble: lake.Double, kindString: lake.Varchar, kindVarchar: lake.Varchar, kindChar: lake.Varchar,
	kindBinary: lake.Blob, kindDate: lake.Date, kindTimestamp: lake.Timestamp, kindInstant: lake.TimestampTZ,
}

// typeOf is the type of a column, or why it has none.
func (f *File) typeOf(id, depth int) (lake.Type, error) {
	if depth > maxDepth {
		return lake.Type{}, fmt.Errorf("it nests more than %d levels", maxDepth)
	}
	t := f.types[id]
	children := make([]lake.Type, len(t.children))
	for i, c := range t.children {
		var err error
		if children[i], err = f.typeOf(c, depth+1); err != nil {
			return lake.Type{}, err
		}
	}
	switch t.kind {
	case kindList:
		return lake.Type{Kind: lake.List, Elem: &children[0]}, nil
	case kindMap:
		return lake.Type{Kind: lake.Map, Key: &children[0], Elem: &children[1]}, nil
	case kindStruct:
		if len(children) == 0 {
			return lake.Type{}, fmt.Errorf("it has a struct without fields")
		}
		s := lake.Type{Kind: lake.Struct}
		for i, c := range t.children {
			s.Fields = append(s.Fields, lake.Column{Name: t.names[i], Type: children[i], FieldID: f.types[c].fieldID})
		}
		return s, nil
	case kindDecimal:
		return decimalType(t)
	case kindUnion:
		return lake.Type{}, fmt.Errorf("it is a union")
	case kindLong:
		if t.time {
			return lake.Type{Kind: lake.Time}, nil
		}
	}
	k, ok := plainKinds[t.kind]
	if !ok {
		return lake.Type{}, fmt.Errorf("it has the unknown type %d", t.kind)
	}
	return lake.Type{Kind: k}, nil
}

// decimalType is a decimal's type. Files of Hive 0.11 say no precision.
func decimalType(t typeInfo) (lake.Type, error) {
	if t.precision == 0 && t.scale == 0 {
		t.precision, t.scale = 38, 18
	}
	if t.precision < 1 || t.precision > 38 || t.scale > t.precision {
		return lake.Type{}, fmt.Errorf("it is decimal(%d,%d)", t.precision, t.scale)
	}
	return lake.Type{Kind: lake.Decimal, Width: uint8(t.precision), Scale: uint8(t.scale)}, nil
}
