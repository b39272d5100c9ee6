package hive

import (
	"strings"

	"lakeport/internal/lake"
)

// sql spells the SELECT that yields the table's columns in order, with exact
// types, from the branches' files.
func (t *table) sql(branches []branch) string {
	if len(branches) == 0 {
		return lake.Empty(t.schema.Columns)
	}
	var b strings.Builder
	for i, br := range branches {
		if i > 0 {
			b.WriteString("\nUNION ALL\n")
		}
		t.writeBranch(&b, br)
	}
	return b.String()
}

func (t *table) writeBranch(b *strings.Builder, br branch) {
	b.WriteString("SELECT ")
	for i, c := range t.data {
		if i > 0 {
			b.WriteString(", ")
		}
		if c.err != nil || br.format.reads(c) != nil {
			b.WriteString(c.typ.Null())
		} else {
			b.WriteString(br.format.column(t, i))
		}
		b.WriteString(" AS " + lake.QuoteName(c.name))
	}
	for k, c := range t.keys {
		if k > 0 || len(t.data) > 0 {
			b.WriteString(", ")
		}
		writeKey(b, c, k, br.files)
		b.WriteString(" AS " + lake.QuoteName(c.name))
	}
	b.WriteString(" FROM " + br.format.from(t, br.paths))
}

// writeKey spells a partition key's value: a constant where all files share it,
// else a constant list that the reader's file_index picks from. That costs
// nothing in queries that do not use the key, and leaves projection and filter
// push-down of the reader as they are, which a join does not.
func writeKey(b *strings.Builder, key column, k int, files []file) {
	if key.err != nil {
		b.WriteString(key.typ.Null())
		return
	}
	same := true
	for _, f := range files {
		same = same && f.part.values[k].text == files[0].part.values[k].text
	}
	if same {
		b.WriteString("CAST(" + literal(files[0].part.values[k]) + " AS " + key.typ.String() + ")")
		return
	}
	b.WriteString("CAST([")
	for i, f := range files {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(literal(f.part.values[k]))
	}
	b.WriteString("] AS " + key.typ.String() + "[])[CAST(file_index AS BIGINT) + 1]")
}

func literal(v value) string {
	if v.null {
		return "NULL"
	}
	return lake.QuoteString(v.text)
}
