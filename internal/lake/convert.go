package lake

import (
	"slices"
	"strconv"
	"strings"
)

// A file says itself which types its columns have. Where the table says
// another, the engine would cast, and its casts round, parse and reinterpret:
// rows that nobody wrote. So what a file's columns may become is decided here.

// Becomes tells whether values of one type are values of another: as they are,
// in a wider type, or as the engine checks one by one (integers and decimals of
// fewer digits). What stands in no known type is left to the engine.
func Becomes(from, to Type) bool {
	if from.Kind == Invalid || from.Kind == Null || to.Kind == Invalid {
		return true
	}
	switch to.Kind {
	case List:
		return from.Kind == List && Becomes(*from.Elem, *to.Elem)
	case Map:
		return from.Kind == Map && Becomes(*from.Key, *to.Key) && Becomes(*from.Elem, *to.Elem)
	case Struct:
		return from.Kind == Struct && fieldsBecome(from.Fields, to.Fields)
	case Varchar:
		return !slices.Contains([]Kind{List, Map, Struct}, from.Kind)
	case Decimal:
		return from.Kind.IsInteger() || from.Kind == Decimal && from.Scale <= to.Scale
	case Float, Double:
		return from.Kind.IsInteger() || from.Kind == Decimal || from.Kind == Float || from.Kind == to.Kind
	case Timestamp, TimestampTZ:
		return slices.Contains([]Kind{Date, Timestamp, TimestampS, TimestampMS, TimestampNS, TimestampTZ}, from.Kind)
	}
	return from.Kind == to.Kind || from.Kind.IsInteger() && to.Kind.IsInteger()
}

// fieldsBecome compares fields by name: missing ones are NULL, but one must be
// there, or the struct is another.
func fieldsBecome(from, to []Column) bool {
	found := false
	for _, c := range to {
		i := FindColumn(from, c.Name)
		if i >= 0 && !Becomes(from[i].Type, c.Type) {
			return false
		}
		found = found || i >= 0
	}
	return found
}

// FindColumn is the index of the column of a name, whatever its case; -1: there
// is none.
func FindColumn(columns []Column, name string) int {
	return slices.IndexFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
}

// IsInteger tells whether the kind is an integer of any size.
func (k Kind) IsInteger() bool {
	switch k {
	case TinyInt, SmallInt, Integer, BigInt, HugeInt, UTinyInt, USmallInt, UInteger, UBigInt, UHugeInt:
		return true
	}
	return false
}

// Convert spells the SQL that makes an expression of one type, used once, one of
// another that it Becomes. Fields of structs are found by name; missing ones are
// NULL.
func Convert(expr string, from, to Type) string { return convert(expr, from, to, 0) }

func convert(expr string, from, to Type, depth int) string {
	if from.String() == to.String() {
		return expr
	}
	if !holdsStruct(to) {
		return "CAST(" + expr + " AS " + to.String() + ")"
	}
	v := "v" + strconv.Itoa(depth)
	switch to.Kind {
	case List:
		return "list_transform(" + expr + ", lambda " + v + ": " + convert(v, *from.Elem, *to.Elem, depth+1) + ")"
	case Map:
		entry := "{key: " + convert(v+".key", *from.Key, *to.Key, depth+1) + ", value: " + convert(v+".value", *from.Elem, *to.Elem, depth+1) + "}"
		return "map_from_entries(list_transform(map_entries(" + expr + "), lambda " + v + ": " + entry + "))"
	}
	var fields strings.Builder
	for i, c := range to.Fields {
		if i > 0 {
			fields.WriteString(", ")
		}
		value := "CAST(NULL AS " + c.Type.String() + ")"
		if at := FindColumn(from.Fields, c.Name); at >= 0 {
			value = convert(v+"."+QuoteName(from.Fields[at].Name), from.Fields[at].Type, c.Type, depth+1)
		}
		fields.WriteString(QuoteName(c.Name) + ": " + value)
	}
	// A list of one gives the struct a name that its fields can be asked of.
	return "list_transform([" + expr + "], lambda " + v + ": CASE WHEN " + v + " IS NOT NULL THEN {" + fields.String() + "} END)[1]"
}

// holdsStruct tells whether a type is a struct or has one inside.
func holdsStruct(t Type) bool {
	switch t.Kind {
	case List:
		return holdsStruct(*t.Elem)
	case Map:
		return holdsStruct(*t.Key) || holdsStruct(*t.Elem)
	}
	return t.Kind == Struct
}
