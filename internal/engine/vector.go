package engine

import (
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
)

// kinds maps DuckDB's type ids without parameters. What is absent here and in
// takeType (UNION, VARIANT, GEOMETRY, BIGNUM, TIME_NS) has no place in lake.
var kinds = map[duckdb.Type]lake.Kind{
	duckdb.TypeSQLNull: lake.Null, duckdb.TypeBoolean: lake.Boolean, duckdb.TypeTinyInt: lake.TinyInt,
	duckdb.TypeSmallInt: lake.SmallInt, duckdb.TypeInteger: lake.Integer, duckdb.TypeBigInt: lake.BigInt,
	duckdb.TypeUTinyInt: lake.UTinyInt, duckdb.TypeUSmallInt: lake.USmallInt, duckdb.TypeUInteger: lake.UInteger,
	duckdb.TypeUBigInt: lake.UBigInt, duckdb.TypeHugeInt: lake.HugeInt, duckdb.TypeUHugeInt: lake.UHugeInt,
	duckdb.TypeFloat: lake.Float, duckdb.TypeDouble: lake.Double, duckdb.TypeDecimal: lake.Decimal,
	duckdb.TypeVarchar: lake.Varchar, duckdb.TypeBlob: lake.Blob, duckdb.TypeBit: lake.Bit,
	duckdb.TypeDate: lake.Date, duckdb.TypeTime: lake.Time, duckdb.TypeTimeTZ: lake.TimeTZ,
	duckdb.TypeTimestamp: lake.Timestamp, duckdb.TypeTimestampS: lake.TimestampS,
	duckdb.TypeTimestampMS: lake.TimestampMS, duckdb.TypeTimestampNS: lake.TimestampNS,
	duckdb.TypeTimestampTZ: lake.TimestampTZ, duckdb.TypeInterval: lake.Interval, duckdb.TypeUUID: lake.UUID,
	duckdb.TypeEnum: lake.Enum, duckdb.TypeList: lake.List, duckdb.TypeArray: lake.Array,
	duckdb.TypeMap: lake.Map, duckdb.TypeStruct: lake.Struct,
}

// takeType converts a logical type and frees it. Its Kind is Invalid for a
// type that lake does not have.
func takeType(l duckdb.LogicalType) lake.Type {
	defer duckdb.DestroyLogicalType(&l)
	t := lake.Type{Kind: kinds[duckdb.GetTypeId(l)]}
	switch t.Kind {
	case lake.Varchar:
		if duckdb.LogicalTypeGetAlias(l) == "JSON" {
			t.Kind = lake.JSON
		}
	case lake.Decimal:
		t.Width, t.Scale = duckdb.DecimalWidth(l), duckdb.DecimalScale(l)
	case lake.Enum:
		t.Names = make([]string, duckdb.EnumDictionarySize(l))
		for i := range t.Names {
			t.Names[i] = duckdb.EnumDictionaryValue(l, duckdb.IdxT(i))
		}
	case lake.List:
		elem := takeType(duckdb.ListTypeChildType(l))
		t.Elem = &elem
	case lake.Array:
		elem := takeType(duckdb.ArrayTypeChildType(l))
		t.Elem, t.Size = &elem, int(duckdb.ArrayTypeArraySize(l))
	case lake.Map:
		key, value := takeType(duckdb.MapTypeKeyType(l)), takeType(duckdb.MapTypeValueType(l))
		t.Key, t.Elem = &key, &value
	case lake.Struct:
		t.Fields = make([]lake.Column, duckdb.StructTypeChildCount(l))
		for i := range t.Fields {
			n := duckdb.IdxT(i)
			t.Fields[i] = lake.Column{Name: duckdb.StructTypeChildName(l, n), Type: takeType(duckdb.StructTypeChildType(l, n))}
		}
	}
	return t
}

// known tells whether lake has the type and all types inside it.
func known(t lake.Type) bool {
	switch t.Kind {
	case lake.Invalid:
		return false
	case lake.List, lake.Array:
		return known(*t.Elem)
	case lake.Map:
		return known(*t.Key) && known(*t.Elem)
	case lake.Struct:
		for _, f := range t.Fields {
			if !known(f.Type) {
				return false
			}
		}
	}
	return true
}

// readVector points v at the first n rows of a vector.
func readVector(v *lake.Vector, t lake.Type, vec duckdb.Vector, n int) {
	v.Type = t
	v.Valid = nil
	if mask := duckdb.VectorGetValidity(vec); mask != nil {
		v.Valid = unsafe.Slice((*uint64)(mask), (n+63)/64)
	}
	switch t.Kind {
	case lake.Null:
	case lake.Struct:
		children(v, len(t.Fields))
		for i := range t.Fields {
			readVector(&v.Child[i], t.Fields[i].Type, duckdb.StructVectorGetChild(vec, duckdb.IdxT(i)), n)
		}
	case lake.Array:
		children(v, 1)
		readVector(&v.Child[0], *t.Elem, duckdb.ArrayVectorGetChild(vec), n*t.Size)
	case lake.List:
		readEntries(v, *t.Elem, vec, n)
	case lake.Map:
		readEntries(v, lake.Type{Kind: lake.Struct, Fields: []lake.Column{
			{Name: "key", Type: *t.Key}, {Name: "value", Type: *t.Elem},
		}}, vec, n)
	default:
		v.Data = slice(t, duckdb.VectorGetData(vec), n)
	}
}

// readEntries reads a list of elem, which is how DuckDB holds maps too.
func readEntries(v *lake.Vector, elem lake.Type, vec duckdb.Vector, n int) {
	v.Data = unsafe.Slice((*lake.Entry)(duckdb.VectorGetData(vec)), n)
	children(v, 1)
	readVector(&v.Child[0], elem, duckdb.ListVectorGetChild(vec), int(duckdb.ListVectorGetSize(vec)))
}

// children makes room for n children, keeping what an earlier chunk made.
func children(v *lake.Vector, n int) {
	if len(v.Child) != n {
		v.Child = make([]lake.Vector, n)
	}
}

// slice is the data of a flat vector as the Go type that lake's kinds name.
func slice(t lake.Type, p unsafe.Pointer, n int) any {
	switch t.Kind {
	case lake.Boolean:
		return unsafe.Slice((*bool)(p), n)
	case lake.TinyInt:
		return unsafe.Slice((*int8)(p), n)
	case lake.SmallInt:
		return unsafe.Slice((*int16)(p), n)
	case lake.Integer, lake.Date:
		return unsafe.Slice((*int32)(p), n)
	case lake.UTinyInt:
		return unsafe.Slice((*uint8)(p), n)
	case lake.USmallInt:
		return unsafe.Slice((*uint16)(p), n)
	case lake.UInteger:
		return unsafe.Slice((*uint32)(p), n)
	case lake.UBigInt, lake.TimeTZ:
		return unsafe.Slice((*uint64)(p), n)
	case lake.HugeInt, lake.UHugeInt, lake.UUID:
		return unsafe.Slice((*lake.Int128)(p), n)
	case lake.Float:
		return unsafe.Slice((*float32)(p), n)
	case lake.Double:
		return unsafe.Slice((*float64)(p), n)
	case lake.Varchar, lake.Blob, lake.JSON, lake.Bit:
		return unsafe.Slice((*lake.String)(p), n)
	case lake.Interval:
		return unsafe.Slice((*lake.Span)(p), n)
	case lake.Decimal:
		return decimals(t.Width, p, n)
	case lake.Enum:
		return codes(len(t.Names), p, n)
	}
	return unsafe.Slice((*int64)(p), n) // BigInt, Time and the timestamps
}

func decimals(width uint8, p unsafe.Pointer, n int) any {
	switch {
	case width <= 4:
		return unsafe.Slice((*int16)(p), n)
	case width <= 9:
		return unsafe.Slice((*int32)(p), n)
	case width <= 18:
		return unsafe.Slice((*int64)(p), n)
	}
	return unsafe.Slice((*lake.Int128)(p), n)
}

func codes(names int, p unsafe.Pointer, n int) any {
	switch {
	case names <= 1<<8:
		return unsafe.Slice((*uint8)(p), n)
	case names <= 1<<16:
		return unsafe.Slice((*uint16)(p), n)
	}
	return unsafe.Slice((*uint32)(p), n)
}

// stringsOf is the data of a Varchar vector.
func stringsOf(v *lake.Vector) []lake.String { return v.Data.([]lake.String) }
