// Package parquet words the SELECT by which the engine reads Parquet files as
// the columns of a table: found by name or field id, with types of the table's
// own, renamed inside of structs, with values that come from metadata and
// without rows that metadata says are deleted. It reads nothing itself: what a
// file holds it is told from the file's footer.
package parquet

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Table says how files become a table.
type Table struct {
	Name    string // for messages: database.table
	Columns []Column
	ByID    bool // columns of files are found by field id, not by name
}

// Column is a column of the table and where its values come from.
type Column struct {
	lake.Column
	// File is the column as files have it: its name or field id, and its type
	// with the names that fields of structs have in files.
	File lake.Column
	// Constant columns take their values from File.Values, not from files.
	Constant bool
	// Err is why the column cannot be read; nil: it can.
	Err error
}

// File is one object of a table.
type File struct {
	Object lake.Object
	Values []Constant // of the constant columns, in their order
	// Deleted are the rows that are not there, by their places in the file from
	// 0, in pieces; nil: none. It may be ranged over many times at once, and
	// the pieces are good until the next one.
	Deleted iter.Seq[[]int64]
	shape   shape
}

// Constant is the text of a value as the engine casts it to the column's type,
// whatever the session's settings.
type Constant struct {
	Text string
	Null bool
}

// shape is how a file must be read.
type shape struct {
	read        map[string]lake.Type // by column: types to read with, where not the table's
	textAsBytes bool                 // text stands in the file as bytes that nothing annotates
}

// key is equal for files that one call can read.
func (f File) key() string {
	key := ""
	for _, name := range slices.Sorted(maps.Keys(f.shape.read)) {
		key += name + "\x00" + f.shape.read[name].String() + "\x00"
	}
	return key + fmt.Sprint(f.Deleted != nil, f.shape.textAsBytes)
}

// Scan gives the scan of files as n needs them, or why a column that n wants
// cannot be read.
func (t *Table) Scan(n lake.Need, files []File) (lake.Scan, error) {
	s := lake.Scan{Table: t.Name, Format: "parquet", Columns: []string{}}
	for _, c := range t.Columns {
		if !wants(n, c.Name) {
			continue
		}
		if c.Err != nil {
			return lake.Scan{}, sqlerr.New(sqlerr.Unsupported, "column %s of table %s: %w", c.Name, t.Name, c.Err).
				WithHint("select the other columns by name")
		}
		if !c.Constant {
			s.Columns = append(s.Columns, c.File.Name)
		}
	}
	for _, f := range files {
		s.Objects = append(s.Objects, f.Object)
	}
	s.Describe = func(i int, columns []lake.Column) (err error) {
		files[i].shape, err = t.shape(n, files[i].Object, columns)
		return err
	}
	if !t.ByID { // by id, the names in the files may be other columns'
		s.Skip = func(column, low, high string) bool { return t.skips(n.Filters, column, low, high) }
	}
	if feed, some := deletes(files); some {
		s.Feeds = []lake.Feed{feed}
	}
	s.SQL = func(local, feeds []string) string { return t.sql(files, local, feeds) }
	return s, nil
}

// wants tells whether a need takes a column.
func wants(n lake.Need, column string) bool {
	return n.Columns == nil || slices.ContainsFunc(n.Columns, func(c string) bool { return strings.EqualFold(c, column) })
}

// skips tells whether some filter certainly does not hold for any value of a
// column of the files between two bounds.
func (t *Table) skips(filters []lake.Filter, inFile, low, high string) bool {
	for _, c := range t.Columns {
		if c.Constant || !strings.EqualFold(c.File.Name, inFile) {
			continue
		}
		from, ok := c.Type.Parse(low)
		to, known := c.Type.Parse(high)
		return ok && known && slices.ContainsFunc(filters, func(f lake.Filter) bool {
			return strings.EqualFold(f.Column, c.Name) && f.ExcludesRange(c.Type, from, to)
		})
	}
	return false
}

// shape judges a file by its columns and refuses what would not be read as it
// was written. Columns that could not be understood are left to the engine.
func (t *Table) shape(n lake.Need, o lake.Object, inFile []lake.Column) (shape, error) {
	s := shape{read: map[string]lake.Type{}}
	if t.ByID && !slices.ContainsFunc(inFile, func(c lake.Column) bool { return c.FieldID != 0 }) {
		return s, sqlerr.New(sqlerr.Unsupported, "%s has no field ids, by which the columns of table %s are found", o.URI(), t.Name).
			WithHint("have the file written anew by a writer that knows the table's column mapping")
	}
	if inFile == nil && slices.ContainsFunc(t.Columns, func(c Column) bool {
		return wants(n, c.Name) && Has(c.Type, c.Type, lake.TimestampTZ, lake.TimestampTZ)
	}) {
		return s, sqlerr.New(sqlerr.Corrupt, "the columns of %s are not understood, and table %s has instants, which files may have in another way", o.URI(), t.Name).
			WithHint("select the other columns by name")
	}
	var binary []string
	for _, c := range t.Columns {
		if c.Constant || c.Err != nil || !wants(n, c.Name) {
			continue
		}
		at := t.find(c.File, inFile)
		if at < 0 {
			continue
		}
		from := inFile[at].Type
		if why := mismatch(from, c.File.Type, t.ByID); why != "" {
			return s, sqlerr.New(sqlerr.Unsupported, "column %s of table %s is %s, but %s has it as %s: %s",
				c.Name, t.Name, spell(c.Type), o.URI(), spell(from), why).
				WithHint("select the other columns by name, or have the file written anew")
		}
		if read := readType(from, c.File.Type); read.String() != c.File.Type.String() {
			s.read[c.Name] = read
		}
		s.textAsBytes = s.textAsBytes || Has(from, c.File.Type, lake.Blob, lake.Varchar)
		if Has(c.Type, c.Type, lake.Blob, lake.Blob) {
			binary = append(binary, c.Name)
		}
	}
	if s.textAsBytes && len(binary) > 0 {
		return s, sqlerr.New(sqlerr.Unsupported, "%s does not say which of its columns are text, and column %s of table %s is binary", o.URI(), binary[0], t.Name).
			WithHint("select text and binary columns in separate queries")
	}
	return s, nil
}

// find gives the place of a column in a file; -1: the file has none.
func (t *Table) find(c lake.Column, inFile []lake.Column) int {
	return slices.IndexFunc(inFile, func(f lake.Column) bool {
		if t.ByID {
			return f.FieldID == c.FieldID
		}
		return strings.EqualFold(f.Name, c.Name)
	})
}

func spell(t lake.Type) string { return strings.ToLower(t.String()) }
