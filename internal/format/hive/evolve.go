package hive

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// A Parquet file says itself which types its columns have. Where the table says
// another, the engine would cast, and its casts round, parse and reinterpret:
// rows that nobody wrote. So what a file's columns may become is decided here,
// from the footer.

// describe takes what the footer of a Parquet file says and refuses the columns
// among those needed that would not be read as they were written.
func (t *table) describe(f *file, n lake.Need, inFile []lake.Column) error {
	p, ok := f.format.(parquet)
	if !ok || inFile == nil && !p.byPosition {
		return nil
	}
	if inFile == nil {
		return sqlerr.New(sqlerr.Corrupt, "the columns of %s are not understood, and table %s.%s is read by their positions", f.object.URI(), t.record.Database, t.record.Name).
			WithHint("have the file written anew, or take parquet.column.index.access from the table's parameters")
	}
	if p.byPosition {
		p.names = joinNames(inFile)
	}
	for i, c := range t.data {
		at := p.find(c.name, i, inFile)
		if at < 0 || !wants(n, c.name) {
			continue
		}
		from := inFile[at].Type
		if !becomes(from, c.typ) {
			return sqlerr.New(sqlerr.Unsupported, "column %s of table %s.%s is %s, but %s has it as %s, which does not become that without loss",
				c.name, t.record.Database, t.record.Name, c.hive, f.object.URI(), hiveName(from)).
				WithHint("give the column the file's type in the metastore, or write the file anew; other columns can be selected by name")
		}
		p.textAsBytes = p.textAsBytes || has(from, c.typ, lake.Blob, lake.Varchar)
	}
	if p.textAsBytes && slices.ContainsFunc(t.data, func(c column) bool { return wants(n, c.name) && holds(c.typ, lake.Blob) }) {
		return sqlerr.New(sqlerr.Unsupported, "%s does not say which of its columns are text, and table %s.%s has binary ones besides", f.object.URI(), t.record.Database, t.record.Name).
			WithHint("select text and binary columns in separate queries")
	}
	f.format = p
	return nil
}

// find gives the place of a file's column; -1: the file has none.
func (p parquet) find(name string, position int, inFile []lake.Column) int {
	if p.byPosition {
		if position < len(inFile) {
			return position
		}
		return -1
	}
	return slices.IndexFunc(inFile, func(c lake.Column) bool { return strings.EqualFold(c.Name, name) })
}

// becomes tells whether values of one type are values of another: as they are,
// in a wider type, or as the engine checks one by one (integers and decimals of
// fewer digits). What stands in no known type is left to the engine.
func becomes(from, to lake.Type) bool {
	if from.Kind == lake.Invalid || from.Kind == lake.Null || to.Kind == lake.Invalid {
		return true
	}
	switch to.Kind {
	case lake.List:
		return from.Kind == lake.List && becomes(*from.Elem, *to.Elem)
	case lake.Map:
		return from.Kind == lake.Map && becomes(*from.Key, *to.Key) && becomes(*from.Elem, *to.Elem)
	case lake.Struct:
		return from.Kind == lake.Struct && fieldsBecome(from.Fields, to.Fields)
	case lake.Varchar:
		return !slices.Contains([]lake.Kind{lake.List, lake.Map, lake.Struct}, from.Kind)
	case lake.Decimal:
		return isInteger(from.Kind) || from.Kind == lake.Decimal && from.Scale <= to.Scale
	case lake.Float, lake.Double:
		return isInteger(from.Kind) || from.Kind == lake.Decimal || from.Kind == lake.Float || from.Kind == to.Kind
	case lake.Timestamp, lake.TimestampTZ:
		return slices.Contains([]lake.Kind{lake.Date, lake.Timestamp, lake.TimestampMS, lake.TimestampNS, lake.TimestampTZ}, from.Kind)
	}
	return from.Kind == to.Kind || isInteger(from.Kind) && isInteger(to.Kind)
}

// fieldsBecome compares fields by name: missing ones are NULL, but one must be
// there, or the struct is another.
func fieldsBecome(from, to []lake.Column) bool {
	found := false
	for _, c := range to {
		i := slices.IndexFunc(from, func(f lake.Column) bool { return strings.EqualFold(f.Name, c.Name) })
		if i >= 0 && !becomes(from[i].Type, c.Type) {
			return false
		}
		found = found || i >= 0
	}
	return found
}

func isInteger(k lake.Kind) bool {
	switch k {
	case lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt, lake.HugeInt,
		lake.UTinyInt, lake.USmallInt, lake.UInteger, lake.UBigInt, lake.UHugeInt:
		return true
	}
	return false
}

// has tells whether somewhere in two types that match, one kind stands for
// another.
func has(from, to lake.Type, was, is lake.Kind) bool {
	switch {
	case from.Kind == was && to.Kind == is:
		return true
	case from.Kind != to.Kind:
		return false
	case to.Kind == lake.List:
		return has(*from.Elem, *to.Elem, was, is)
	case to.Kind == lake.Map:
		return has(*from.Key, *to.Key, was, is) || has(*from.Elem, *to.Elem, was, is)
	}
	return slices.ContainsFunc(to.Fields, func(c lake.Column) bool {
		i := slices.IndexFunc(from.Fields, func(f lake.Column) bool { return strings.EqualFold(f.Name, c.Name) })
		return i >= 0 && has(from.Fields[i].Type, c.Type, was, is)
	})
}

// holds tells whether a type is of a kind or has it inside.
func holds(t lake.Type, k lake.Kind) bool { return has(t, t, k, k) }

// hiveName spells a file's type in the table's language where the two agree.
func hiveName(t lake.Type) string { return strings.ToLower(t.String()) }
