package session

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// definition is a table or view as StarRocks' statements made it: more than
// the engine keeps of one, and enough to make the engine's table again. It is
// stored as the table's comment in the engine, and so commits, renames and
// drops with it.
type definition struct {
	Model        string      `json:"model,omitempty"` // DUPLICATE, PRIMARY or UNIQUE
	Keys         []string    `json:"keys,omitempty"`
	Comment      string      `json:"comment,omitempty"`
	Partition    string      `json:"partition,omitempty"`
	Distribution string      `json:"distribution,omitempty"`
	OrderBy      []string    `json:"order_by,omitempty"`
	Properties   [][2]string `json:"properties,omitempty"`
	Partitions   []partition `json:"partitions,omitempty"`
	Columns      []declared  `json:"columns"`
	View         *viewText   `json:"view,omitempty"`
	File         *fileTable  `json:"file,omitempty"`

	// Informational is Redshift's PRIMARY KEY, which nobody enforces.
	Informational []string `json:"informational,omitempty"`
}

// declared is a column as CREATE TABLE wrote it.
type declared struct {
	Name          string      `json:"name"`
	Type          string      `json:"type"`             // StarRocks' spelling: varchar(20)
	Engine        string      `json:"engine"`           // the engine's: VARCHAR
	Length        int         `json:"length,omitempty"` // bytes that a value may have; 0: no limit
	NotNull       bool        `json:"not_null,omitempty"`
	Default       *string     `json:"default,omitempty"`
	DefaultSQL    string      `json:"default_sql,omitempty"`
	Generated     *expression `json:"generated,omitempty"`
	AutoIncrement string      `json:"auto_increment,omitempty"` // the engine's sequence
	Comment       string      `json:"comment,omitempty"`
}

// expression is one that StarRocks' text and the engine's SQL both spell.
type expression struct {
	Text string `json:"text"`
	SQL  string `json:"sql"`
}

// upserts tells whether a row replaces the one with the same keys.
func (d *definition) upserts() bool { return d.Model == "PRIMARY" || d.Model == "UNIQUE" }

// generates tells whether some column is computed from the others.
func (d *definition) generates() bool {
	return slices.ContainsFunc(d.Columns, func(c declared) bool { return c.Generated != nil })
}

// distributed says how the table's rows are spread: over its key if they
// replace each other, else at random, unless the definition says it.
func (d *definition) distributed() string {
	switch {
	case d.Distribution != "":
		return d.Distribution
	case d.upserts():
		return "HASH(`" + strings.Join(d.Keys, "`, `") + "`)"
	}
	return "RANDOM"
}

// index is the place of a column, -1 if there is none of the name.
func (d *definition) index(name string) int {
	return slices.IndexFunc(d.Columns, func(c declared) bool { return strings.EqualFold(c.Name, name) })
}

func (d *definition) isKey(name string) bool {
	return slices.ContainsFunc(d.Keys, func(k string) bool { return strings.EqualFold(k, name) })
}

// clone copies what ALTER TABLE may change.
func (d *definition) clone() *definition {
	n := *d
	n.Keys, n.OrderBy, n.Properties = slices.Clone(d.Keys), slices.Clone(d.OrderBy), slices.Clone(d.Properties)
	n.Partitions, n.Columns = slices.Clone(d.Partitions), slices.Clone(d.Columns)
	return &n
}

// create spells the engine's statement for the table.
func (d *definition) create(head, name string) string {
	parts := make([]string, 0, len(d.Columns)+1)
	for _, c := range d.Columns {
		parts = append(parts, c.sql())
	}
	if where := belongs(d.Partitions); where != "" {
		parts = append(parts, "CHECK ("+where+")")
	}
	return head + " TABLE " + name + " (" + strings.Join(parts, ", ") + ")"
}

// sql spells a column for the engine. A declared length becomes a check, so
// that a value that is too long is refused as StarRocks refuses it.
func (c declared) sql() string {
	name := lake.QuoteName(c.Name)
	sql := name + " " + c.Engine
	if c.NotNull {
		sql += " NOT NULL"
	}
	if c.DefaultSQL != "" {
		sql += " DEFAULT " + c.DefaultSQL
	}
	if c.Length > 0 {
		measure := "strlen"
		if c.Engine == (lake.Type{Kind: lake.Blob}).String() {
			measure = "octet_length"
		}
		sql += fmt.Sprintf(" CHECK (%s(%s) <= %d)", measure, name, c.Length)
	}
	return sql
}

// computedDefault tells a default that is a function from a literal one.
func (c declared) computedDefault() bool {
	return c.Default != nil && !strings.HasPrefix(c.DefaultSQL, "CAST('")
}

// stored gives the columns whose values an INSERT gives, which are all but
// those that are computed.
func (d *definition) stored() []declared {
	return slices.DeleteFunc(slices.Clone(d.Columns), func(c declared) bool { return c.Generated != nil })
}

// define gathers what CREATE TABLE says of the table as a whole.
func define(st *syntax.CreateTable, text string) (*definition, error) {
	d := &definition{Model: "DUPLICATE"}
	if st.Comment != nil {
		d.Comment = st.Comment.Value
	}
	if st.Key != nil {
		d.Model = st.Key.Model
		for _, k := range st.Key.Columns {
			d.Keys = append(d.Keys, k.Name)
		}
	}
	for _, col := range st.Columns {
		if st.Key == nil && col.PrimaryKey {
			d.Model, d.Keys = "PRIMARY", append(d.Keys, col.Name.Name)
		} else if st.Key == nil && col.Key {
			d.Keys = append(d.Keys, col.Name.Name)
		}
	}
	if by := st.PartitionBy; by != nil {
		items := make([]string, len(by.Items))
		for i, it := range by.Items {
			items[i] = it.Text
		}
		d.Partition = strings.Join(items, ", ")
		if by.Kind != "" {
			d.Partition = by.Kind + "(" + d.Partition + ")"
		}
	}
	if x := st.Distribution; x != nil {
		d.Distribution = "RANDOM"
		if x.Hash != nil {
			d.Distribution = "HASH(" + backquoted(x.Hash) + ")"
		}
		if x.Buckets > 0 {
			d.Distribution += " BUCKETS " + strconv.Itoa(x.Buckets)
		}
	}
	for _, k := range st.Informational {
		d.Informational = append(d.Informational, k.Name)
	}
	for _, k := range st.OrderBy {
		d.OrderBy = append(d.OrderBy, k.Column.Name)
	}
	for _, p := range st.Properties {
		d.Properties = append(d.Properties, [2]string{p.Key.Value, p.Value.Value})
	}
	return d, nil
}

func backquoted(names []syntax.Ident) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return strings.Join(out, ", ")
}

// finish completes a definition whose columns are known: the sort key that
// was left open, keys that are NOT NULL, and the rules between the clauses.
func (d *definition) finish(st *syntax.CreateTable, text string) error {
	if st.Key == nil && len(d.Keys) == 0 && len(st.OrderBy) == 0 {
		d.Keys = d.sortedBy()
	}
	at := st.Pos
	if st.Key != nil {
		at = st.Key.Pos
	}
	for i, k := range d.Keys {
		pos := at
		if st.Key != nil && i < len(st.Key.Columns) {
			pos = st.Key.Columns[i].Pos
		}
		switch n := d.index(k); {
		case n < 0:
			return unknownColumn(k, "the key", text, pos)
		case n != i:
			return sqlerr.New(sqlerr.Invalid, "key columns must be the first columns of the table, in order; %s is not column %d", k, i+1).WithPos(text, int(pos))
		case !keyType(d.Columns[n].Type):
			if n < len(st.Columns) {
				pos = st.Columns[n].Type.Pos
			}
			return sqlerr.New(sqlerr.Invalid, "column %s of type %s cannot be a key", d.Columns[n].Name, strings.ToUpper(d.Columns[n].Type)).WithPos(text, int(pos))
		}
		if d.Model == "PRIMARY" {
			d.Columns[i].NotNull = true
		}
	}
	for _, k := range st.OrderBy {
		if d.index(k.Column.Name) < 0 {
			return unknownColumn(k.Column.Name, "ORDER BY", text, k.Column.Pos)
		}
	}
	if x := st.Distribution; x != nil {
		for _, k := range x.Hash {
			switch {
			case d.index(k.Name) < 0:
				return unknownColumn(k.Name, "DISTRIBUTED BY", text, k.Pos)
			case d.upserts() && !d.isKey(k.Name):
				return sqlerr.New(sqlerr.Invalid, "the distribution column %s of a %s key table must be a key column", k.Name, strings.ToLower(d.Model)).WithPos(text, int(k.Pos))
			}
		}
	}
	return nil
}

func unknownColumn(name, where, text string, pos syntax.Pos) error {
	return sqlerr.New(sqlerr.NotFound, "Unknown column '%s' in %s", name, where).With(sqlerr.BadColumn).WithPos(text, int(pos))
}

// sortedBy chooses the duplicate key of a table that names none: its first
// columns, three at most, up to the first string, before the first whose type
// cannot be a key (starrocks.io, "Duplicate Key table").
func (d *definition) sortedBy() []string {
	var keys []string
	for _, col := range d.Columns {
		if len(keys) == 3 || !keyType(col.Type) || col.Generated != nil {
			break
		}
		keys = append(keys, col.Name)
		if baseType(col.Type) == "varchar" {
			break
		}
	}
	return keys
}

// keyType tells whether a column of the type may be part of a key.
func keyType(typ string) bool {
	return !slices.Contains([]string{"float", "double", "json", "array", "map", "struct", "binary", "varbinary"}, baseType(typ))
}

// remember stores a definition with its table or view.
func (c *session) remember(ctx context.Context, n tableName, d *definition) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	kind := "TABLE "
	if d.View != nil {
		kind = "VIEW "
	}
	_, err = c.conn.Exec(ctx, "COMMENT ON "+kind+n.internal()+" IS "+lake.QuoteString(string(text)))
	return err
}
