package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// definition is what StarRocks' CREATE TABLE says beyond what the engine keeps
// of a table. It is stored as the table's comment in the engine, and so
// commits, renames and drops with it.
type definition struct {
	Model        string      `json:"model"` // DUPLICATE, PRIMARY or UNIQUE
	Keys         []string    `json:"keys,omitempty"`
	Comment      string      `json:"comment,omitempty"`
	Partition    string      `json:"partition,omitempty"`
	Distribution string      `json:"distribution,omitempty"`
	OrderBy      []string    `json:"order_by,omitempty"`
	Properties   [][2]string `json:"properties,omitempty"`
	Partitions   []partition `json:"partitions,omitempty"`
	Columns      []declared  `json:"columns"`
}

// declared is a column as CREATE TABLE wrote it.
type declared struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"` // StarRocks' spelling: varchar(20)
	NotNull bool    `json:"not_null,omitempty"`
	Default *string `json:"default,omitempty"`
	Comment string  `json:"comment,omitempty"`
}

// upserts tells whether a row replaces the one with the same keys.
func (d *definition) upserts() bool { return d.Model == "PRIMARY" || d.Model == "UNIQUE" }

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

// described is a table as DESC, SHOW and information_schema present it.
type described struct {
	name     tableName
	columns  []describedColumn
	def      *definition      // internal tables
	record   *metastore.Table // external ones
	external *catalog.Table
	comment  string
}

type describedColumn struct {
	lake.Column
	text      string // StarRocks' type
	null, key bool
	def       *string
	partition bool
}

// keyKind is what the Key columns of SHOW COLUMNS and information_schema say:
// PRI, UNI or DUP, as in StarRocks, where DUP is a sort key only.
func (t *described) keyKind(col describedColumn) string {
	if !col.key {
		return ""
	}
	return t.def.Model[:3]
}

// uniqueKey gives the columns that identify a row; nil: none do. Drivers ask
// for them as a table's primary key.
func (t *described) uniqueKey() []string {
	if t.def == nil || !t.def.upserts() {
		return nil
	}
	return t.def.Keys
}

func (t *described) lakeColumns() []lake.Column {
	list := make([]lake.Column, len(t.columns))
	for i, c := range t.columns {
		list[i] = c.Column
	}
	return list
}

// describeTable looks a table up wherever it lives.
func (c *session) describeTable(ctx context.Context, n tableName) (*described, error) {
	switch {
	case n.informationSchema():
		return c.describeInformation(n)
	case n.catalog == catalog.Internal:
		return c.describeInternal(ctx, n)
	}
	ext, err := c.srv.catalogs.Get(n.catalog)
	if err != nil {
		return nil, err
	}
	t, err := ext.Table(ctx, n.database, n.table)
	if err != nil {
		return nil, err
	}
	d := &described{name: n, record: t.Record, external: t, comment: t.Record.Description}
	if d.comment == "" {
		d.comment = t.Record.Parameters["comment"]
	}
	schema := t.Schema()
	part := map[string]bool{}
	for _, p := range schema.Partition {
		part[p] = true
	}
	for _, col := range schema.Columns {
		d.columns = append(d.columns, describedColumn{Column: col, text: dialect.TypeName(col.Type, true), null: true, partition: part[col.Name]})
	}
	return d, nil
}

func (c *session) describeInternal(ctx context.Context, n tableName) (*described, error) {
	list, err := c.internalTables(ctx, n.database, n.table)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, unknownTable(n)
	}
	return list[0], nil
}

// comments gives the comments of a database's internal tables by name. Those of
// external tables would cost a call to the metastore for each.
func (c *session) comments(ctx context.Context, cat, db string) (map[string]string, error) {
	out := map[string]string{}
	if cat != catalog.Internal {
		return out, nil
	}
	list, err := c.internalTables(ctx, db, "")
	for _, t := range list {
		out[t.name.table] = t.comment
	}
	return out, err
}

func unknownTable(n tableName) error {
	return sqlerr.New(sqlerr.NotFound, "Unknown table '%s.%s'", n.database, n.table).With(sqlerr.BadTable)
}

func (c *session) hasTable(ctx context.Context, n tableName) error {
	found, err := c.exists(ctx, "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
		engine.Catalog, n.database, n.table)
	if err == nil && !found {
		return unknownTable(n)
	}
	return err
}

func (c *session) hasSchema(ctx context.Context, db string) (bool, error) {
	if db == catalog.Schema {
		return false, nil
	}
	return c.exists(ctx, "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ? AND NOT internal", engine.Catalog, db)
}

func (c *session) exists(ctx context.Context, sql string, args ...any) (bool, error) {
	rows, err := c.conn.Query(ctx, sql, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	return chunk != nil, err
}

// internalTables describes the tables of a database, or just one of them.
func (c *session) internalTables(ctx context.Context, db, table string) ([]*described, error) {
	sql := "SELECT t.table_name, t.comment, d.column_name, d.is_nullable" +
		" FROM duckdb_tables() t JOIN duckdb_columns() d USING (database_name, schema_name, table_name)" +
		" WHERE t.database_name = ? AND t.schema_name = ? AND (? = '' OR t.table_name = ?) ORDER BY t.table_name, d.column_index"
	rows, err := c.conn.Query(ctx, sql, engine.Catalog, db, table, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*described
	for {
		chunk, err := rows.Next(ctx)
		if err != nil {
			return nil, err
		}
		if chunk == nil {
			break
		}
		for i := range chunk.Rows {
			name := chunk.Columns[0].Text(i)
			if len(list) == 0 || list[len(list)-1].name.table != name {
				d := &described{name: tableName{catalog.Internal, db, name}, def: &definition{}}
				if text := chunk.Columns[1].Text(i); text != "" {
					if err := json.Unmarshal([]byte(text), d.def); err != nil {
						return nil, fmt.Errorf("read the definition of %s: %w", d.name, err)
					}
				}
				d.comment = d.def.Comment
				list = append(list, d)
			}
			d := list[len(list)-1]
			nullable := chunk.Columns[3].Data.([]bool)[i]
			d.columns = append(d.columns, describedColumn{Column: lake.Column{Name: chunk.Columns[2].Text(i)}, null: nullable})
		}
	}
	rows.Close()
	for _, d := range list {
		if err := c.fillColumns(ctx, d); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// fillColumns takes the exact types from the engine and the rest from the
// definition.
func (c *session) fillColumns(ctx context.Context, d *described) error {
	st, err := c.conn.Prepare(ctx, "SELECT * FROM "+d.name.internal())
	if err != nil {
		return err
	}
	types := st.Columns()
	st.Close()
	said := map[string]declared{}
	for _, col := range d.def.Columns {
		said[strings.ToLower(col.Name)] = col
	}
	keys := map[string]bool{}
	for _, k := range d.def.Keys {
		keys[strings.ToLower(k)] = true
	}
	for i := range d.columns {
		col := &d.columns[i]
		if i < len(types) {
			col.Type = types[i].Type
		}
		col.text = dialect.TypeName(col.Type, false)
		col.key = keys[strings.ToLower(col.Name)]
		if s, ok := said[strings.ToLower(col.Name)]; ok {
			col.text, col.Comment, col.def = s.Type, s.Comment, s.Default
		}
	}
	return nil
}
