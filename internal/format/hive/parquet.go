package hive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
)

// parquet reads Parquet files by DuckDB's read_parquet with a schema of our
// own: columns by name whatever their case, missing ones NULL, additional ones
// unseen, types widened to the table's, the fields of structs likewise.
type parquet struct {
	byPosition  bool
	names       string // by position: the files' column names, each ended by a zero byte
	textAsBytes bool   // text stands there as bytes that nothing annotates
}

func parquetOf(t *metastore.Table, s metastore.Storage) parquet {
	const parameter = "parquet.column.index.access"
	for _, from := range []map[string]string{s.SerDeParams, t.Storage.SerDeParams, t.Parameters} {
		if strings.EqualFold(from[parameter], "true") {
			return parquet{byPosition: true}
		}
	}
	return parquet{}
}

// joinNames keeps the names of a file's columns in a comparable value.
func joinNames(columns []lake.Column) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteString(c.Name + "\x00")
	}
	return b.String()
}

// absent is a column name that no file has: what reads it gets the default.
const absent = "\x01absent"

func (p parquet) reads(column) error { return nil }

func (p parquet) from(t *table, paths []string) string {
	var b strings.Builder
	b.WriteString("read_parquet(")
	writeList(&b, paths)
	if b.WriteString(", hive_partitioning = false"); p.textAsBytes {
		b.WriteString(", binary_as_string = true")
	}
	b.WriteString(", schema = MAP {")
	fields := 0
	field := func(inFile, name, typ string) {
		if fields++; fields > 1 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: {name: %s, type: %s, default_value: NULL}", lake.QuoteString(inFile), lake.QuoteString(name), lake.QuoteString(typ))
	}
	names := strings.Split(p.names, "\x00")
	for i, c := range t.data {
		if c.err != nil {
			continue
		}
		inFile := c.name
		if p.byPosition {
			inFile = absent + strconv.Itoa(i)
			if i < len(names)-1 {
				inFile = names[i]
			}
		}
		field(inFile, alias(i, c.name), c.typ.String())
	}
	if fields == 0 {
		field(absent, absent, "BOOLEAN") // the map may not be empty
	}
	b.WriteString("})")
	return b.String()
}

func (p parquet) column(t *table, i int) string { return lake.QuoteName(alias(i, t.data[i].name)) }

// alias gives a data column a name under which no virtual column of DuckDB's
// readers is hidden: file_index is needed for partition values.
func alias(i int, name string) string {
	if slices.Contains([]string{"filename", "file_index", "file_row_number"}, strings.ToLower(name)) {
		return "c" + strconv.Itoa(i) + " " + name
	}
	return name
}

func writeList(b *strings.Builder, texts []string) {
	b.WriteByte('[')
	for i, s := range texts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(lake.QuoteString(s))
	}
	b.WriteByte(']')
}
