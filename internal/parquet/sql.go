package parquet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/lake"
)

// sql spells the SELECT that yields the table's columns in order, with exact
// types, from the files at the local paths. feeds holds the one of deleted rows
// if there are any.
func (t *Table) sql(files []File, local, feeds []string) string {
	if len(files) == 0 {
		columns := make([]lake.Column, len(t.Columns))
		for i, c := range t.Columns {
			columns[i] = c.Column
		}
		return lake.Empty(columns)
	}
	var b strings.Builder
	for i, br := range branches(files, local) {
		if i > 0 {
			b.WriteString("\nUNION ALL\n")
		}
		t.writeBranch(&b, br)
		if br.files[0].Deleted != nil {
			writeAntiJoin(&b, br, feeds[0])
		}
	}
	return b.String()
}

// branch is the files of one shape, and where they are.
type branch struct {
	files []File
	paths []string
	index []int // of the files among all
}

// branches groups files by shape, in the order in which shapes first occur.
func branches(files []File, local []string) []branch {
	var list []branch
	at := map[string]int{}
	for n, f := range files {
		key := f.key()
		i, ok := at[key]
		if !ok {
			i = len(list)
			at[key] = i
			list = append(list, branch{})
		}
		list[i].files, list[i].paths, list[i].index = append(list[i].files, f), append(list[i].paths, local[n]), append(list[i].index, n)
	}
	return list
}

func (t *Table) writeBranch(b *strings.Builder, br branch) {
	b.WriteString("SELECT ")
	constant := 0
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case c.Err != nil:
			b.WriteString(c.Type.Null())
		case c.Constant:
			writeConstant(b, c.Type, constant, br.files)
		default:
			b.WriteString(convert("f."+alias(i), t.readType(c, br.files[0].shape), c.Type, 0))
		}
		if c.Constant {
			constant++
		}
		b.WriteString(" AS " + lake.QuoteName(c.Name))
	}
	b.WriteString(" FROM ")
	t.writeRead(b, br)
	b.WriteString(" AS f")
}

// writeAntiJoin leaves out the deleted rows, which a feed gives as (file, pos).
func writeAntiJoin(b *strings.Builder, br branch, feed string) {
	b.WriteString(" ANTI JOIN " + feed + " AS d ON d.file = ")
	if len(br.index) == 1 {
		fmt.Fprint(b, br.index[0])
	} else {
		b.WriteString("([")
		for i, n := range br.index {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteString("]::BIGINT[])[CAST(f.file_index AS BIGINT) + 1]")
	}
	b.WriteString(" AND d.pos = f.file_row_number")
}

// readType is the type that a column is read with, under the names that files
// have.
func (t *Table) readType(c Column, s shape) lake.Type {
	if read, ok := s.read[c.Name]; ok {
		return read
	}
	return c.File.Type
}

// alias names a column of the files. Names of our own leave the reader's
// virtual columns visible, whatever the table's columns are called.
func alias(i int) string { return "c" + strconv.Itoa(i) }

// absent is a column name that no file has: what reads it gets the default.
const absent = "\x01absent"

// writeRead spells the call of the reader: columns by name whatever their case
// or by field id, missing ones NULL, additional ones unseen, types widened, the
// fields of structs likewise.
func (t *Table) writeRead(b *strings.Builder, br branch) {
	b.WriteString("read_parquet([")
	for i, p := range br.paths {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(lake.QuoteString(p))
	}
	if b.WriteString("], hive_partitioning = false"); br.files[0].shape.textAsBytes {
		b.WriteString(", binary_as_string = true")
	}
	b.WriteString(", schema = MAP {")
	fields := 0
	field := func(inFile, name, typ string) {
		if fields++; fields > 1 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s: {name: %s, type: %s, default_value: NULL}", inFile, lake.QuoteString(name), lake.QuoteString(typ))
	}
	for i, c := range t.Columns {
		if c.Constant || c.Err != nil {
			continue
		}
		inFile := lake.QuoteString(c.File.Name)
		if t.ByID {
			inFile = strconv.Itoa(c.File.FieldID)
		}
		field(inFile, alias(i), t.readType(c, br.files[0].shape).String())
	}
	if fields == 0 {
		field(lake.QuoteString(absent), absent, "BOOLEAN") // the map may not be empty
	}
	b.WriteString("})")
}

// writeConstant spells the value of constant column k: one where all files
// share it, else a constant list that the reader's file_index picks from. That
// costs nothing in queries that do not use the column, and leaves projection
// and filter push-down of the reader as they are, which a join does not.
func writeConstant(b *strings.Builder, typ lake.Type, k int, files []File) {
	if !slices.ContainsFunc(files, func(f File) bool { return f.Values[k] != files[0].Values[k] }) {
		b.WriteString("CAST(" + files[0].Values[k].literal() + " AS " + typ.String() + ")")
		return
	}
	b.WriteString("CAST([")
	for i, f := range files {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Values[k].literal())
	}
	b.WriteString("] AS " + typ.String() + "[])[CAST(f.file_index AS BIGINT) + 1]")
}

func (c Constant) literal() string {
	if c.Null {
		return "NULL"
	}
	return lake.QuoteString(c.Text)
}

// convert spells expr, of a type with the names that files have, as a value of
// the table's type. depth keeps the variables of nested lambdas apart.
func convert(expr string, from, to lake.Type, depth int) string {
	if from.String() == to.String() {
		return expr
	}
	x := "x" + strconv.Itoa(depth)
	switch {
	case to.Kind == lake.TimestampTZ && from.Kind == lake.Timestamp:
		return "timezone('UTC', " + expr + ")"
	case to.Kind == lake.List && from.Kind == lake.List:
		return "list_transform(" + expr + ", lambda " + x + ": " + convert(x, *from.Elem, *to.Elem, depth+1) + ")"
	case to.Kind == lake.Map && from.Kind == lake.Map:
		key, value := convert("struct_extract("+x+", 'key')", *from.Key, *to.Key, depth+1), convert("struct_extract("+x+", 'value')", *from.Elem, *to.Elem, depth+1)
		return "CASE WHEN " + expr + " IS NULL THEN NULL ELSE map_from_entries(list_transform(map_entries(" + expr + "), lambda " + x +
			": struct_pack(key := " + key + ", value := " + value + "))) END"
	case to.Kind == lake.Struct && from.Kind == lake.Struct && len(from.Fields) == len(to.Fields):
		fields := make([]string, len(to.Fields))
		for i, f := range to.Fields {
			in := "struct_extract(" + expr + ", " + lake.QuoteString(from.Fields[i].Name) + ")"
			fields[i] = lake.QuoteName(f.Name) + " := " + convert(in, from.Fields[i].Type, f.Type, depth+1)
		}
		return "CASE WHEN " + expr + " IS NULL THEN NULL ELSE struct_pack(" + strings.Join(fields, ", ") + ") END"
	}
	return "CAST(" + expr + " AS " + to.String() + ")"
}
