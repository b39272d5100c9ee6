package blob

import "lakeport/internal/lake"

const (
	schemaMax  = 100_000 // elements; a longer schema is not told
	schemaDeep = 64      // levels
)

// element is a SchemaElement of parquet.thrift: a node of the schema's tree,
// which a file holds in depth-first order.
type element struct {
	physical   int64 // Type
	leaf       bool  // has a physical type
	repetition int64 // FieldRepetitionType
	name       string
	children   int64
	converted  int64 // ConvertedType; -1: none
	scale      int64
	precision  int64
	id         int64 // field_id; 0: none
	logical    int16 // field of the LogicalType union; 0: none
	unit       int16 // TIMESTAMP, TIME: field of the TimeUnit union
	bits       int64 // INTEGER: width
	yes        bool  // TIMESTAMP: adjusted to UTC; INTEGER: signed
}

// The enumerations of parquet.thrift, as far as types follow from them.
const (
	physBoolean = iota
	physInt32
	physInt64
	physInt96
	physFloat
	physDouble
	physBytes
	physFixed
)

const repeated = 2

// schemaTree reads the types of a schema's top-level columns.
type schemaTree struct {
	elements []element
	bad      bool
}

// schema reads FileMetaData's list of elements and gives the columns. Nil means
// that they are not known. A column of a type that lake does not have, or of an
// odd shape, has Kind Invalid.
func (t *thrift) schema() []lake.Column {
	n := t.list(thriftStruct)
	s := &schemaTree{bad: n > schemaMax}
	for range n {
		e := t.schemaElement()
		if t.bad {
			return nil
		}
		if !s.bad {
			s.elements = append(s.elements, e)
		}
	}
	if s.bad || len(s.elements) == 0 {
		return nil
	}
	root := s.next()
	columns := s.fields(root.children, 0)
	if s.bad || len(s.elements) > 0 {
		return nil
	}
	return columns
}

// schemaElement reads one SchemaElement.
func (t *thrift) schemaElement() element {
	e := element{converted: -1}
	t.fields(func(id int16, kind byte) {
		number := map[int16]*int64{1: &e.physical, 3: &e.repetition, 5: &e.children, 6: &e.converted, 7: &e.scale, 8: &e.precision, 9: &e.id}[id]
		switch {
		case number != nil && kind == thriftI32:
			*number = t.varint()
			e.leaf = e.leaf || id == 1
		case id == 4 && kind == thriftBinary:
			e.name = string(t.binary())
		case id == 10 && kind == thriftStruct:
			t.fields(func(id int16, kind byte) { t.logicalType(&e, id, kind) })
		default:
			t.skip(kind, 0)
		}
	})
	return e
}

// logicalType reads the member of the LogicalType union that is set.
func (t *thrift) logicalType(e *element, member int16, kind byte) {
	if kind != thriftStruct {
		t.skip(kind, 0)
		return
	}
	e.logical = member
	t.fields(func(id int16, kind byte) {
		switch {
		case kind == thriftTrue || kind == thriftFalse:
			e.yes = kind == thriftTrue
		case member == logicalDecimal && kind == thriftI32 && id == 1:
			e.scale = t.varint()
		case member == logicalDecimal && kind == thriftI32 && id == 2:
			e.precision = t.varint()
		case member == logicalInteger && kind == thriftByte:
			e.bits = int64(t.byte())
		case kind == thriftStruct:
			t.fields(func(id int16, kind byte) {
				e.unit = id
				t.skip(kind, 0)
			})
		default:
			t.skip(kind, 0)
		}
	})
}

// Members of LogicalType.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalEnum      = 4
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10
	logicalUnknown   = 11
	logicalJSON      = 12
	logicalBSON      = 13
	logicalUUID      = 14
	logicalFloat16   = 15
)

// logicalOf is the member that says what a ConvertedType says (parquet-format,
// LogicalTypes.md, which gives the rules of compatibility).
var logicalOf = []int16{
	logicalString, logicalMap, logicalMap, logicalList, logicalEnum, logicalDecimal, logicalDate, logicalTime, logicalTime,
	logicalTimestamp, logicalTimestamp, logicalInteger, logicalInteger, logicalInteger, logicalInteger,
	logicalInteger, logicalInteger, logicalInteger, logicalInteger, logicalJSON, logicalBSON,
}

// annotate fills logical from converted where a writer gave only the latter.
func (e *element) annotate() {
	if e.logical != 0 || e.converted < 0 {
		return
	}
	if e.converted >= int64(len(logicalOf)) {
		e.logical = -1 // INTERVAL and what may come
		return
	}
	e.logical = logicalOf[e.converted]
	switch e.logical {
	case logicalInteger:
		i := e.converted - 11 // UINT_8, the first of eight
		e.bits, e.yes = 8<<(i%4), i >= 4
	case logicalTimestamp:
		e.unit = int16(e.converted) - 8 // TIMESTAMP_MILLIS, TIMESTAMP_MICROS
	}
}

// next takes the next element; an absent one is a fault.
func (s *schemaTree) next() element {
	if len(s.elements) == 0 {
		s.bad = true
		return element{}
	}
	e := s.elements[0]
	s.elements = s.elements[1:]
	e.annotate()
	return e
}

// fields takes n columns.
func (s *schemaTree) fields(n int64, depth int) []lake.Column {
	if n < 0 || n > int64(len(s.elements)) || depth > schemaDeep {
		s.bad = true
		return nil
	}
	columns := make([]lake.Column, 0, n)
	for range n {
		e := s.next()
		typ := s.typeOf(e, depth)
		if e.repetition == repeated {
			typ = listOf(typ)
		}
		columns = append(columns, lake.Column{Name: e.name, Type: typ, FieldID: int(e.id)})
	}
	return columns
}

func listOf(elem lake.Type) lake.Type { return lake.Type{Kind: lake.List, Elem: &elem} }

// typeOf gives an element's type, without its repetition, and takes what is
// below it.
func (s *schemaTree) typeOf(e element, depth int) lake.Type {
	if s.bad {
		return lake.Type{}
	}
	if e.leaf {
		return e.leafType()
	}
	fields := s.fields(e.children, depth+1)
	switch {
	case s.bad:
		return lake.Type{}
	case e.logical == logicalList:
		return listType(e, fields)
	case e.logical == logicalMap:
		return mapType(fields)
	case e.logical != 0: // VARIANT
		return lake.Type{}
	}
	return lake.Type{Kind: lake.Struct, Fields: fields}
}

// listType is a group that says LIST: over a repeated group of one field, the
// element, as writers do today, or over the element itself. Where the rules of
// compatibility go by names the type is left open.
func listType(e element, fields []lake.Column) lake.Type {
	if len(fields) != 1 || fields[0].Type.Kind != lake.List {
		return lake.Type{}
	}
	middle, elem := fields[0].Name, *fields[0].Type.Elem
	if elem.Kind == lake.Struct && len(elem.Fields) == 1 {
		if elem = elem.Fields[0].Type; middle == "array" || middle == e.name+"_tuple" {
			elem = lake.Type{}
		}
	}
	return listOf(elem)
}

// mapType is a group that says MAP over a repeated group of key and value.
func mapType(fields []lake.Column) lake.Type {
	if len(fields) != 1 || fields[0].Type.Kind != lake.List {
		return lake.Type{}
	}
	entry := *fields[0].Type.Elem
	if entry.Kind == lake.Map { // MAP_KEY_VALUE stands on the inner group
		return entry
	}
	if entry.Kind != lake.Struct || len(entry.Fields) != 2 {
		return lake.Type{}
	}
	return lake.Type{Kind: lake.Map, Key: &entry.Fields[0].Type, Elem: &entry.Fields[1].Type}
}

// leafType follows from the annotation where it fits the physical type, else
// from the physical type alone.
func (e *element) leafType() lake.Type {
	kind := lake.Invalid
	switch e.physical {
	case physBoolean:
		kind = lake.Boolean
	case physInt32, physInt64:
		kind = e.integerKind()
	case physInt96:
		kind = lake.Timestamp
	case physFloat:
		kind = lake.Float
	case physDouble:
		kind = lake.Double
	case physBytes, physFixed:
		kind = e.bytesKind()
	}
	if e.logical == logicalUnknown {
		kind = lake.Null
	}
	if e.logical == logicalDecimal {
		if e.precision < 1 || e.precision > 38 || e.scale < 0 || e.scale > e.precision {
			return lake.Type{}
		}
		return lake.Type{Kind: lake.Decimal, Width: uint8(e.precision), Scale: uint8(e.scale)}
	}
	return lake.Type{Kind: kind}
}

func (e *element) integerKind() lake.Kind {
	switch e.logical {
	case logicalDate:
		return lake.Date
	case logicalTime:
		return lake.Time
	case logicalTimestamp:
		switch {
		case e.yes:
			return lake.TimestampTZ
		case e.unit == 1:
			return lake.TimestampMS
		case e.unit == 3:
			return lake.TimestampNS
		}
		return lake.Timestamp
	case logicalInteger:
		signed := map[int64]lake.Kind{8: lake.TinyInt, 16: lake.SmallInt, 32: lake.Integer, 64: lake.BigInt}
		unsigned := map[int64]lake.Kind{8: lake.UTinyInt, 16: lake.USmallInt, 32: lake.UInteger, 64: lake.UBigInt}
		if e.yes {
			return signed[e.bits]
		}
		return unsigned[e.bits]
	case 0:
		if e.physical == physInt64 {
			return lake.BigInt
		}
		return lake.Integer
	}
	return lake.Invalid
}

func (e *element) bytesKind() lake.Kind {
	switch e.logical {
	case logicalString, logicalEnum, logicalJSON:
		return lake.Varchar
	case logicalUUID:
		return lake.UUID
	case logicalFloat16:
		return lake.Float
	case 0, logicalBSON:
		return lake.Blob
	}
	return lake.Invalid
}
