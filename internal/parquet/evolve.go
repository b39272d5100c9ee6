package parquet

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
)

func isWallClock(k lake.Kind) bool {
	return slices.Contains([]lake.Kind{lake.Timestamp, lake.TimestampS, lake.TimestampMS, lake.TimestampNS}, k)
}

// Has tells whether somewhere in two types that match, one kind stands for
// another.
func Has(from, to lake.Type, was, is lake.Kind) bool {
	switch {
	case from.Kind == was && to.Kind == is:
		return true
	case from.Kind != to.Kind:
		return false
	case to.Kind == lake.List:
		return Has(*from.Elem, *to.Elem, was, is)
	case to.Kind == lake.Map:
		return Has(*from.Key, *to.Key, was, is) || Has(*from.Elem, *to.Elem, was, is)
	}
	return slices.ContainsFunc(to.Fields, func(c lake.Column) bool {
		i := lake.FindColumn(from.Fields, c.Name)
		return i >= 0 && Has(from.Fields[i].Type, c.Type, was, is)
	})
}

// mismatch says why a column of a file is not the table's; empty: it is.
func mismatch(from, to lake.Type, byID bool) string {
	switch {
	case !lake.Becomes(from, to):
		return "that does not become the other without loss"
	case Has(from, to, lake.TimestampTZ, lake.Timestamp):
		return "an instant has no wall clock without a time zone"
	case byID:
		if name := renamed(from, to); name != "" {
			return "inside of it, field " + name + " has another name in the file"
		}
	}
	return ""
}

// renamed finds a field of a struct whose id a file's has under another name:
// the engine finds nested fields by name only.
func renamed(from, to lake.Type) string {
	switch {
	case from.Kind != to.Kind:
		return ""
	case to.Kind == lake.List:
		return renamed(*from.Elem, *to.Elem)
	case to.Kind == lake.Map:
		return renamed(*from.Key, *to.Key) + renamed(*from.Elem, *to.Elem)
	}
	for _, c := range to.Fields {
		for _, f := range from.Fields {
			same := strings.EqualFold(f.Name, c.Name)
			if f.FieldID != 0 && c.FieldID != 0 && same != (f.FieldID == c.FieldID) {
				return c.Name
			}
			if same {
				if name := renamed(f.Type, c.Type); name != "" {
					return name
				}
			}
		}
	}
	return ""
}

// readType is the type to read a file's column with so that it can be
// converted to the table's: the table's own, but for instants that stand in the
// file as a wall clock, which the engine would take for the session's.
func readType(from, to lake.Type) lake.Type {
	switch {
	case to.Kind == lake.TimestampTZ && (isWallClock(from.Kind) || from.Kind == lake.Date):
		return lake.Type{Kind: lake.Timestamp}
	case from.Kind != to.Kind:
		return to
	case to.Kind == lake.List:
		elem := readType(*from.Elem, *to.Elem)
		return lake.Type{Kind: lake.List, Elem: &elem}
	case to.Kind == lake.Map:
		key, elem := readType(*from.Key, *to.Key), readType(*from.Elem, *to.Elem)
		return lake.Type{Kind: lake.Map, Key: &key, Elem: &elem}
	case to.Kind == lake.Struct:
		read := lake.Type{Kind: lake.Struct, Fields: slices.Clone(to.Fields)}
		for i, c := range read.Fields {
			if at := lake.FindColumn(from.Fields, c.Name); at >= 0 {
				read.Fields[i].Type = readType(from.Fields[at].Type, c.Type)
			}
		}
		return read
	}
	return to
}
