package pg

import (
	"lakeport/internal/lake"
)

// pgType is how a type presents itself to PostgreSQL's clients (PostgreSQL's
// pg_type.dat).
type pgType struct {
	oid   uint32
	array uint32 // the type of arrays of it; 0: none that clients know
	size  int16  // -1: varies
}

var (
	typeBool        = pgType{16, 1000, 1}
	typeBytea       = pgType{17, 1001, -1}
	typeInt8        = pgType{20, 1016, 8}
	typeInt2        = pgType{21, 1005, 2}
	typeInt4        = pgType{23, 1007, 4}
	typeText        = pgType{25, 1009, -1}
	typeJSON        = pgType{114, 199, -1}
	typeFloat4      = pgType{700, 1021, 4}
	typeFloat8      = pgType{701, 1022, 8}
	typeVarchar     = pgType{1043, 1015, -1}
	typeDate        = pgType{1082, 1182, 4}
	typeTime        = pgType{1083, 1183, 8}
	typeTimestamp   = pgType{1114, 1115, 8}
	typeTimestampTZ = pgType{1184, 1185, 8}
	typeInterval    = pgType{1186, 1187, 16}
	typeTimeTZ      = pgType{1266, 1270, 12}
	typeVarbit      = pgType{1562, 1563, -1}
	typeNumeric     = pgType{1700, 1231, -1}
	typeUUID        = pgType{2950, 2951, 16}
)

// kinds are the types without parameters. Where PostgreSQL has no type of its
// own the next larger one carries the value.
var kinds = map[lake.Kind]pgType{
	lake.Null: typeText, lake.Boolean: typeBool,
	lake.TinyInt: typeInt2, lake.UTinyInt: typeInt2, lake.SmallInt: typeInt2,
	lake.USmallInt: typeInt4, lake.Integer: typeInt4, lake.UInteger: typeInt8, lake.BigInt: typeInt8,
	lake.UBigInt: typeNumeric, lake.HugeInt: typeNumeric, lake.UHugeInt: typeNumeric, lake.Decimal: typeNumeric,
	lake.Float: typeFloat4, lake.Double: typeFloat8, lake.Varchar: typeVarchar, lake.Enum: typeVarchar,
	lake.Blob: typeBytea, lake.JSON: typeJSON, lake.Bit: typeVarbit, lake.UUID: typeUUID,
	lake.Date: typeDate, lake.Time: typeTime, lake.TimeTZ: typeTimeTZ, lake.Interval: typeInterval,
	lake.Timestamp: typeTimestamp, lake.TimestampS: typeTimestamp, lake.TimestampMS: typeTimestamp, lake.TimestampNS: typeTimestamp,
	lake.TimestampTZ: typeTimestampTZ,
}

// typeOf gives the type that a client is told. Lists of plain values are
// arrays; all other nested values travel as JSON.
func typeOf(t lake.Type) pgType {
	switch t.Kind {
	case lake.List, lake.Array:
		if elem, plain := kinds[t.Elem.Kind]; plain && elem.array != 0 {
			return pgType{oid: elem.array, size: -1}
		}
	}
	if p, ok := kinds[t.Kind]; ok {
		return p
	}
	return typeJSON
}

// isArray tells whether values of the type travel as arrays.
func isArray(t lake.Type) bool {
	return (t.Kind == lake.List || t.Kind == lake.Array) && typeOf(t).oid != typeJSON.oid
}

// modifier is the type's atttypmod: a decimal's precision and scale.
func modifier(t lake.Type) int32 {
	if t.Kind == lake.Decimal {
		return (int32(t.Width)<<16 | int32(t.Scale)) + 4
	}
	return -1
}

// OIDs that clients may give for parameters besides those of pgType.
const (
	oidName    = 19
	oidChar    = 18
	oidOID     = 26
	oidUnknown = 705
	oidBpchar  = 1042
	oidJSONB   = 3802
)

// declared are the types of parameters by OID. A numeric is a Decimal without a
// width: its value decides.
var declared = func() map[uint32]lake.Type {
	m := map[uint32]lake.Type{0: {}, oidUnknown: {}, typeNumeric.oid: {Kind: lake.Decimal}, oidOID: {Kind: lake.BigInt}, oidJSONB: {Kind: lake.JSON}}
	for _, kind := range []lake.Kind{lake.Boolean, lake.SmallInt, lake.Integer, lake.BigInt, lake.Float, lake.Double, lake.Varchar, lake.Blob, lake.JSON,
		lake.UUID, lake.Date, lake.Time, lake.TimeTZ, lake.Interval, lake.Timestamp, lake.TimestampTZ} {
		elem := lake.Type{Kind: kind}
		m[kinds[kind].oid] = elem
		m[kinds[kind].array] = lake.Type{Kind: lake.List, Elem: &elem}
	}
	varchar := lake.Type{Kind: lake.Varchar}
	for _, oid := range []uint32{typeText.oid, oidBpchar, oidName, oidChar} {
		m[oid] = varchar
	}
	m[typeText.array] = lake.Type{Kind: lake.List, Elem: &varchar}
	number := lake.Type{Kind: lake.Decimal, Width: 38, Scale: 10}
	m[typeNumeric.array] = lake.Type{Kind: lake.List, Elem: &number}
	return m
}()

// elements gives the element's OID of an array type.
var elements = func() map[uint32]uint32 {
	m := map[uint32]uint32{typeText.array: typeText.oid}
	for _, p := range kinds {
		if p.array != 0 && p.array != typeText.array {
			m[p.array] = p.oid
		}
	}
	return m
}()

// TypeInfo is what PostgreSQL's catalog says of a type.
type TypeInfo struct {
	OID      uint32
	Array    uint32 // 0: it has no array type
	Size     int16  // -1: varies
	Modifier int32  // of a column of this type; -1: none
}

// Describe gives what clients are told of a type.
func Describe(t lake.Type) TypeInfo {
	p := typeOf(t)
	return TypeInfo{p.oid, p.array, p.size, modifier(t)}
}
