package avro

import (
	"fmt"
	"math"

	"github.com/twmb/avro"

	"lakeport/internal/lake"
)

// node is a type of a file's schema, made ready to be read or passed over.
type node struct {
	kind     kind
	typ      lake.Type // Kind Invalid: it can only be passed over
	why      string    // it has no type
	least    int       // bytes that a value takes at least: 0 or 1
	size     int       // fixed
	symbols  [][]byte  // enum
	children []*node   // record: fields; array, map: elements; union: branches
	ids      []int     // record: Iceberg's numbers of the fields; -1: none
	null     int       // the union's branch that is NULL
}

type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes // and string
	kindFixed
	kindEnum
	kindArray
	kindPairs // an array of records of key and value, which is a map
	kindMap
	kindRecord
	kindUnion
)

// depthMax bounds how deep types nest; what refers to itself nests without end.
const depthMax = 64

// plainTypes are the types that need no more than a word, by it and by the
// logical type that it may have.
var plainTypes = map[string]node{
	"boolean": {kind: kindBoolean, typ: lake.Type{Kind: lake.Boolean}, least: 1},
	"int":     {kind: kindInt, typ: lake.Type{Kind: lake.Integer}, least: 1},
	"long":    {kind: kindLong, typ: lake.Type{Kind: lake.BigInt}, least: 1},
	"float":   {kind: kindFloat, typ: lake.Type{Kind: lake.Float}, least: 1},
	"double":  {kind: kindDouble, typ: lake.Type{Kind: lake.Double}, least: 1},
	"bytes":   {kind: kindBytes, typ: lake.Type{Kind: lake.Blob}, least: 1},
	"string":  {kind: kindBytes, typ: lake.Type{Kind: lake.Varchar}, least: 1},
	"null":    {kind: kindNull, why: "it is always null"},

	"int date":                    {kind: kindInt, typ: lake.Type{Kind: lake.Date}, least: 1},
	"long time-micros":            {kind: kindLong, typ: lake.Type{Kind: lake.Time}, least: 1},
	"long timestamp-millis":       {kind: kindLong, typ: lake.Type{Kind: lake.TimestampMS}, least: 1},
	"long timestamp-micros":       {kind: kindLong, typ: lake.Type{Kind: lake.Timestamp}, least: 1},
	"long timestamp-nanos":        {kind: kindLong, typ: lake.Type{Kind: lake.TimestampNS}, least: 1},
	"long local-timestamp-millis": {kind: kindLong, typ: lake.Type{Kind: lake.TimestampMS}, least: 1},
	"long local-timestamp-micros": {kind: kindLong, typ: lake.Type{Kind: lake.Timestamp}, least: 1},
	"long local-timestamp-nanos":  {kind: kindLong, typ: lake.Type{Kind: lake.TimestampNS}, least: 1},
	"int time-millis":             {kind: kindInt, why: "it is a time in milliseconds", least: 1},
}

// compile makes a schema's type ready.
func compile(s *avro.SchemaNode, depth int) (*node, error) {
	if depth > depthMax {
		return nil, refusal(fmt.Sprintf("has types that nest more than %d deep, or in themselves", depthMax))
	}
	if n, ok := plainTypes[s.Type+" "+s.LogicalType]; ok {
		n.zoned(s)
		return &n, nil
	}
	if s.LogicalType == "decimal" && (s.Type == "bytes" || s.Type == "fixed") {
		return compileDecimal(s)
	}
	if n, ok := plainTypes[s.Type]; ok {
		return &n, nil
	}
	n := &node{least: 1}
	var err error
	switch s.Type {
	case "fixed":
		return &node{kind: kindFixed, typ: lake.Type{Kind: lake.Blob}, size: s.Size, least: min(s.Size, 1)}, nil
	case "enum":
		n.kind, n.typ = kindEnum, lake.Type{Kind: lake.Varchar}
		for _, word := range s.Symbols {
			n.symbols = append(n.symbols, []byte(word))
		}
		return n, nil
	case "array":
		n.kind = kindArray
		_, err = n.add(s.Items, depth)
		if items := s.Items; err == nil && s.LogicalType == "map" && items.Type == "record" && len(items.Fields) == 2 {
			n.kind = kindPairs
		}
	case "map":
		n.kind = kindMap
		_, err = n.add(s.Values, depth)
	case "record":
		n.kind, n.least = kindRecord, 0
		for i := 0; i < len(s.Fields) && err == nil; i++ {
			_, err = n.field(&s.Fields[i], depth)
		}
	case "union":
		n.kind, n.null = kindUnion, -1
		for i := 0; i < len(s.Branches) && err == nil; i++ {
			if s.Branches[i].Type == "null" {
				n.null = i
			}
			_, err = n.add(&s.Branches[i], depth)
		}
	default:
		return nil, faultf("its schema has the type %q", s.Type)
	}
	if err != nil {
		return nil, err
	}
	n.name(s)
	return n, nil
}

func (n *node) add(s *avro.SchemaNode, depth int) (*node, error) {
	child, err := compile(s, depth+1)
	if err == nil {
		n.children = append(n.children, child)
	}
	return child, err
}

// field adds a record's field.
func (n *node) field(f *avro.SchemaField, depth int) (*node, error) {
	child, err := n.add(&f.Type, depth)
	if err != nil {
		return nil, err
	}
	id, ok := f.Props["field-id"].(int64)
	if !ok || id < 0 || id > math.MaxInt32 {
		id = -1
	}
	n.ids, n.least = append(n.ids, int(id)), max(n.least, child.least)
	return child, nil
}

// zoned makes a timestamp an instant where Iceberg's property says that it is
// one (Iceberg, "Appendix A: Avro").
func (n *node) zoned(s *avro.SchemaNode) {
	if utc, _ := s.Props["adjust-to-utc"].(bool); !utc {
		return
	}
	switch n.typ.Kind {
	case lake.Timestamp:
		n.typ.Kind = lake.TimestampTZ
	case lake.TimestampMS, lake.TimestampNS:
		n.typ, n.why = lake.Type{}, "it is an instant in milliseconds or nanoseconds"
	}
}

func compileDecimal(s *avro.SchemaNode) (*node, error) {
	n := &node{kind: kindBytes, least: 1}
	if s.Type == "fixed" {
		n.kind, n.size, n.least = kindFixed, s.Size, min(s.Size, 1)
	}
	if s.Precision < 1 || s.Precision > 38 || s.Scale < 0 || s.Scale > s.Precision {
		n.why = fmt.Sprintf("it is decimal(%d,%d)", s.Precision, s.Scale)
		return n, nil
	}
	n.typ = lake.Type{Kind: lake.Decimal, Width: uint8(s.Precision), Scale: uint8(s.Scale)}
	return n, nil
}

// name gives a nested type its type by those inside.
func (n *node) name(s *avro.SchemaNode) {
	inner := n.children
	if n.kind == kindPairs {
		inner = n.children[0].children
	}
	if n.kind == kindUnion {
		switch {
		case len(inner) == 1:
			n.typ, n.why = inner[0].typ, inner[0].why
		case len(inner) == 2 && n.null >= 0:
			n.typ, n.why = inner[1-n.null].typ, inner[1-n.null].why
		default:
			n.why = "it is a union of several types"
		}
		return
	}
	for _, c := range inner {
		if c.typ.Kind == lake.Invalid {
			n.why = "inside, " + c.why
			return
		}
	}
	switch n.kind {
	case kindArray:
		n.typ = lake.Type{Kind: lake.List, Elem: &inner[0].typ}
	case kindPairs:
		n.typ = lake.Type{Kind: lake.Map, Key: &inner[0].typ, Elem: &inner[1].typ}
	case kindMap:
		n.typ = lake.Type{Kind: lake.Map, Key: &lake.Type{Kind: lake.Varchar}, Elem: &inner[0].typ}
	case kindRecord:
		if len(inner) == 0 {
			n.why = "it is a record without fields"
			return
		}
		n.typ = lake.Type{Kind: lake.Struct}
		for i, c := range inner {
			n.typ.Fields = append(n.typ.Fields, lake.Column{Name: s.Fields[i].Name, Type: c.typ, FieldID: max(0, n.ids[i])})
		}
	}
}

// skip passes over a value.
func (n *node) skip(in *input) {
	switch n.kind {
	case kindBoolean:
		in.take(1)
	case kindInt, kindLong, kindEnum:
		in.long()
	case kindFloat:
		in.take(4)
	case kindDouble:
		in.take(8)
	case kindBytes:
		in.bytes()
	case kindFixed:
		in.take(n.size)
	case kindArray, kindPairs:
		in.blocks(n.children[0].least, func() { n.children[0].skip(in) })
	case kindMap:
		in.blocks(1, func() { in.bytes(); n.children[0].skip(in) })
	case kindRecord:
		for _, c := range n.children {
			c.skip(in)
		}
	case kindUnion:
		if b := n.branch(in); b != nil {
			b.skip(in)
		}
	}
}

// branch reads which type of a union a value has; nil: the input has failed.
func (n *node) branch(in *input) *node {
	i := in.long()
	if in.err == nil && (i < 0 || i >= int64(len(n.children))) {
		in.fail(faultf("a value has type %d of a union of %d", i, len(n.children)))
	}
	if in.err != nil {
		return nil
	}
	return n.children[i]
}
