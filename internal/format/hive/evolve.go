package hive

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
	parquetfile "lakeport/internal/parquet"
	"lakeport/internal/sqlerr"
)

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
		if !lake.Becomes(from, c.typ) {
			return t.mismatch(c, f.object, from)
		}
		p.textAsBytes = p.textAsBytes || parquetfile.Has(from, c.typ, lake.Blob, lake.Varchar)
	}
	if p.textAsBytes && slices.ContainsFunc(t.data, func(c column) bool { return wants(n, c.name) && parquetfile.Has(c.typ, c.typ, lake.Blob, lake.Blob) }) {
		return sqlerr.New(sqlerr.Unsupported, "%s does not say which of its columns are text, and table %s.%s has binary ones besides", f.object.URI(), t.record.Database, t.record.Name).
			WithHint("select text and binary columns in separate queries")
	}
	f.format = p
	return nil
}

// mismatch refuses to read a column that a file has in another type.
func (t *table) mismatch(c column, o lake.Object, from lake.Type) error {
	return sqlerr.New(sqlerr.Unsupported, "column %s of table %s.%s is %s, but %s has it as %s, which does not become that without loss",
		c.name, t.record.Database, t.record.Name, c.hive, o.URI(), hiveName(from)).
		WithHint("give the column the type that the file has, or write the file anew; other columns can be selected by name")
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

// hiveName spells a file's type in the table's language where the two agree.
func hiveName(t lake.Type) string { return strings.ToLower(t.String()) }
