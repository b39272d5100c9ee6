// Package lake holds the nouns that every layer shares: types, columns, chunks
// of rows, objects, and tables that can be planned into scans. It knows no
// network, no file system and no engine.
package lake

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the logical type of a column, one per type of DuckDB that lakeport
// carries to clients.
type Kind uint8

// The kinds. The comment gives the Go type that Vector.Data holds.
const (
	Invalid     Kind = iota
	Null             // no data: every row is NULL
	Boolean          // []bool
	TinyInt          // []int8
	SmallInt         // []int16
	Integer          // []int32
	BigInt           // []int64
	UTinyInt         // []uint8
	USmallInt        // []uint16
	UInteger         // []uint32
	UBigInt          // []uint64
	HugeInt          // []Int128
	UHugeInt         // []Int128, read as unsigned
	Float            // []float32
	Double           // []float64
	Decimal          // []int16, []int32, []int64 or []Int128 by width (4, 9, 18, 38), unscaled
	Varchar          // []String
	Blob             // []String
	JSON             // []String holding JSON text
	Bit              // []String, DuckDB's bit string layout
	Date             // []int32, days since 1970-01-01
	Time             // []int64, microseconds since midnight
	TimeTZ           // []uint64, DuckDB's packed micros and offset
	Timestamp        // []int64, microseconds since the epoch, no zone
	TimestampS       // []int64, seconds
	TimestampMS      // []int64, milliseconds
	TimestampNS      // []int64, nanoseconds
	TimestampTZ      // []int64, microseconds since the epoch, an instant
	Interval         // []Span
	UUID             // []Int128, DuckDB's layout: the top bit is flipped
	Enum             // []uint8, []uint16 or []uint32 by size of Names
	List             // []Entry into Child[0]
	Array            // no data of its own: row i is Child[0][i*Size : (i+1)*Size]
	Map              // []Entry into Child[0], a Struct of key and value
	Struct           // no data of its own: one Child per field
)

// Type is a Kind with its parameters. The zero Type is Invalid.
type Type struct {
	Kind   Kind
	Width  uint8    // Decimal: precision, 1..38
	Scale  uint8    // Decimal: digits after the point
	Size   int      // Array: elements per row
	Elem   *Type    // List, Array: element; Map: value
	Key    *Type    // Map: key
	Fields []Column // Struct
	Names  []string // Enum: the dictionary
}

// Column is a named type. Comment is what the metastore says of it. FieldID is
// the number by which table formats know a column of a file whatever its name;
// 0: it has none.
type Column struct {
	Name    string
	Type    Type
	Comment string
	FieldID int
}

// Schema is the columns of a table in order. Partition names those whose
// values come from the partition, not from the files; in Hive tables they stand
// last. PartitionBy is what rows are divided by as CREATE TABLE spells it, such
// as day(c); nil: Partition. Required names the columns that hold no NULL, as
// far as that is known.
type Schema struct {
	Columns     []Column
	Partition   []string
	PartitionBy []string
	Required    []string
}

var kindNames = map[Kind]string{
	Null: "\"NULL\"", Boolean: "BOOLEAN", TinyInt: "TINYINT", SmallInt: "SMALLINT", Integer: "INTEGER",
	BigInt: "BIGINT", UTinyInt: "UTINYINT", USmallInt: "USMALLINT", UInteger: "UINTEGER",
	UBigInt: "UBIGINT", HugeInt: "HUGEINT", UHugeInt: "UHUGEINT", Float: "FLOAT", Double: "DOUBLE",
	Varchar: "VARCHAR", Blob: "BLOB", JSON: "JSON", Bit: "BIT", Date: "DATE", Time: "TIME",
	TimeTZ: "TIME WITH TIME ZONE", Timestamp: "TIMESTAMP", TimestampS: "TIMESTAMP_S",
	TimestampMS: "TIMESTAMP_MS", TimestampNS: "TIMESTAMP_NS", TimestampTZ: "TIMESTAMP WITH TIME ZONE",
	Interval: "INTERVAL", UUID: "UUID",
}

// String spells the type as DuckDB's SQL does, ready for CAST or CREATE TABLE.
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Width, t.Scale)
	case List:
		return t.Elem.String() + "[]"
	case Array:
		return t.Elem.String() + "[" + strconv.Itoa(t.Size) + "]"
	case Map:
		return "MAP(" + t.Key.String() + ", " + t.Elem.String() + ")"
	case Struct:
		var b strings.Builder
		b.WriteString("STRUCT(")
		for i, f := range t.Fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(QuoteName(f.Name) + " " + f.Type.String())
		}
		return b.String() + ")"
	case Enum:
		quoted := make([]string, len(t.Names))
		for i, n := range t.Names {
			quoted[i] = QuoteString(n)
		}
		return "ENUM(" + strings.Join(quoted, ", ") + ")"
	}
	if s, ok := kindNames[t.Kind]; ok {
		return s
	}
	return "INVALID"
}

// Null is a NULL of the type in DuckDB's SQL. A column of a type that is not
// supported is never read; it stands there as text.
func (t Type) Null() string {
	if t.Kind == Invalid {
		t = Type{Kind: Varchar}
	}
	return "CAST(NULL AS " + t.String() + ")"
}

// Empty is a query without a row that has the columns.
func Empty(columns []Column) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Type.Null() + " AS " + QuoteName(c.Name))
	}
	b.WriteString(" WHERE false")
	return b.String()
}

// QuoteName quotes an identifier for DuckDB's SQL.
func QuoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// QuoteString quotes a string literal for DuckDB's SQL, where a backslash is
// an ordinary character.
func QuoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
