package dialect

import (
	"fmt"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// plainTypes are StarRocks' types (and MySQL's that its tools write) without
// parameters that matter here.
var plainTypes = map[string]lake.Kind{
	"BOOLEAN": lake.Boolean, "BOOL": lake.Boolean, "TINYINT": lake.TinyInt, "SMALLINT": lake.SmallInt, "INT": lake.Integer,
	"INTEGER": lake.Integer, "MEDIUMINT": lake.Integer, "BIGINT": lake.BigInt, "LARGEINT": lake.HugeInt, "HUGEINT": lake.HugeInt,
	"SIGNED": lake.BigInt, "UNSIGNED": lake.UBigInt, "FLOAT": lake.Float, "REAL": lake.Float, "DOUBLE": lake.Double, "CHAR": lake.Varchar,
	"CHARACTER": lake.Varchar, "NCHAR": lake.Varchar, "VARCHAR": lake.Varchar, "STRING": lake.Varchar, "TEXT": lake.Varchar, "TINYTEXT": lake.Varchar,
	"MEDIUMTEXT": lake.Varchar, "LONGTEXT": lake.Varchar, "BINARY": lake.Blob, "VARBINARY": lake.Blob, "BLOB": lake.Blob,
	"BYTEA": lake.Blob, "DATE": lake.Date, "DATETIME": lake.Timestamp, "TIMESTAMP": lake.Timestamp, "TIME": lake.Time, "JSON": lake.JSON,
	"UUID": lake.UUID, "UBIGINT": lake.UBigInt, "UINTEGER": lake.UInteger, "USMALLINT": lake.USmallInt, "UTINYINT": lake.UTinyInt,
}

var unsignedKinds = map[lake.Kind]lake.Kind{
	lake.TinyInt: lake.UTinyInt, lake.SmallInt: lake.USmallInt, lake.Integer: lake.UInteger, lake.BigInt: lake.UBigInt, lake.HugeInt: lake.UHugeInt,
}

// TypeOf gives the type that a StarRocks type is stored and computed as. A
// type without counterpart (BITMAP, HLL) is refused by name.
func TypeOf(t syntax.Type) (lake.Type, error) {
	switch t.Name {
	case "DECIMAL", "NUMERIC", "DECIMALV2", "DECIMAL32", "DECIMAL64", "DECIMAL128", "DEC":
		return decimalOf(t)
	case "ARRAY":
		elem, err := TypeOf(t.Elems[0])
		return lake.Type{Kind: lake.List, Elem: &elem}, err
	case "MAP":
		key, err := TypeOf(t.Elems[0])
		if err != nil {
			return lake.Type{}, err
		}
		elem, err := TypeOf(t.Elems[1])
		return lake.Type{Kind: lake.Map, Key: &key, Elem: &elem}, err
	case "STRUCT":
		return structOf(t)
	}
	kind, ok := plainTypes[t.Name]
	if !ok {
		return lake.Type{}, sqlerr.New(sqlerr.Unsupported, "type %s is not supported", t.Name)
	}
	if t.Unsigned && unsignedKinds[kind] != lake.Invalid {
		kind = unsignedKinds[kind]
	}
	return lake.Type{Kind: kind}, nil
}

// decimalOf reads DECIMAL(p, s), by default (10, 0).
func decimalOf(t syntax.Type) (lake.Type, error) {
	width, scale := 10, 0
	if len(t.Args) > 0 {
		width = t.Args[0]
	}
	if len(t.Args) > 1 {
		scale = t.Args[1]
	}
	if len(t.Args) > 2 || width < 1 || width > 38 || scale < 0 || scale > width {
		return lake.Type{}, sqlerr.New(sqlerr.Invalid, "%s: precision must be 1 to 38 and scale 0 to precision", t)
	}
	return lake.Type{Kind: lake.Decimal, Width: uint8(width), Scale: uint8(scale)}, nil
}

func structOf(t syntax.Type) (lake.Type, error) {
	s := lake.Type{Kind: lake.Struct}
	for _, f := range t.Fields {
		ft, err := TypeOf(f.Type)
		if err != nil {
			return lake.Type{}, err
		}
		s.Fields = append(s.Fields, lake.Column{Name: f.Name.Name, Type: ft})
	}
	return s, nil
}

// typeNames are StarRocks' spellings in DESC and SHOW CREATE TABLE, with the
// display widths of MySQL.
var typeNames = map[lake.Kind]string{
	lake.Boolean: "boolean", lake.TinyInt: "tinyint(4)", lake.SmallInt: "smallint(6)", lake.Integer: "int(11)", lake.BigInt: "bigint(20)",
	lake.HugeInt: "largeint(40)", lake.UTinyInt: "smallint(6)", lake.USmallInt: "int(11)", lake.UInteger: "bigint(20)", lake.UBigInt: "largeint(40)",
	lake.UHugeInt: "largeint(40)", lake.Float: "float", lake.Double: "double", lake.Varchar: "varchar(65533)", lake.Blob: "varbinary", lake.JSON: "json",
	lake.Bit: "varbinary", lake.Date: "date", lake.Time: "time", lake.TimeTZ: "time", lake.Timestamp: "datetime", lake.TimestampS: "datetime",
	lake.TimestampMS: "datetime", lake.TimestampNS: "datetime", lake.TimestampTZ: "datetime", lake.Interval: "varchar(65533)", lake.UUID: "varchar(36)",
	lake.Enum: "varchar(65533)", lake.Null: "null_type",
}

// TypeName spells a type as StarRocks' DESC and SHOW CREATE TABLE do. External
// tables' strings are longer there than internal ones.
func TypeName(t lake.Type, external bool) string {
	switch t.Kind {
	case lake.Decimal:
		return fmt.Sprintf("decimal(%d, %d)", t.Width, t.Scale)
	case lake.List, lake.Array:
		return "array<" + TypeName(*t.Elem, external) + ">"
	case lake.Map:
		return "map<" + TypeName(*t.Key, external) + "," + TypeName(*t.Elem, external) + ">"
	case lake.Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = f.Name + " " + TypeName(f.Type, external)
		}
		return "struct<" + strings.Join(fields, ", ") + ">"
	case lake.Varchar:
		if external {
			return "varchar(1073741824)"
		}
	}
	if name, ok := typeNames[t.Kind]; ok {
		return name
	}
	return strings.ToLower(t.String())
}
