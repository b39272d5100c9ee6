package session

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

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
	generated *expression
	auto      bool // AUTO_INCREMENT
	partition bool
}

// isView tells whether it is a view and no table.
func (t *described) isView() bool { return t.def != nil && t.def.View != nil }

// kind is what information_schema and SHOW FULL TABLES call it.
func (t *described) kind() string {
	if t.isView() {
		return "VIEW"
	}
	return "BASE TABLE"
}

// keyKind is what the Key columns of SHOW COLUMNS and information_schema say:
// PRI, UNI or DUP, as in StarRocks, where DUP is a sort key only.
func (t *described) keyKind(col describedColumn) string {
	if !col.key || t.isView() {
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
	case c.system(n):
		return c.describeInformation(n)
	case n.catalog == catalog.Internal:
		return c.describeInternal(ctx, n)
	}
	ext, err := c.catalogs().Get(n.catalog)
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
		d.columns = append(d.columns, describedColumn{
			Column: col, text: dialect.TypeName(col.Type, true), null: !slices.Contains(schema.Required, col.Name), partition: part[col.Name],
		})
	}
	return d, nil
}

// describeInternal looks up a table or view of default_catalog. A temporary
// table hides the other of its name, as in StarRocks.
func (c *session) describeInternal(ctx context.Context, n tableName) (*described, error) {
	n, err := c.hasTable(ctx, n)
	if err != nil {
		return nil, err
	}
	list, err := c.internalTables(ctx, n)
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
	list, err := c.internalTables(ctx, tableName{catalog: cat, database: db})
	for _, t := range list {
		out[t.name.table] = t.comment
	}
	return out, err
}

func unknownTable(n tableName) error {
	return sqlerr.New(sqlerr.NotFound, "Unknown table '%s.%s'", n.database, n.table).With(sqlerr.BadTable)
}

// hasTable completes the name of an internal table or view, and fails if there
// is none.
func (c *session) hasTable(ctx context.Context, n tableName) (tableName, error) {
	temporary := n
	temporary.temporary = true
	if c.temporaries {
		found, err := c.exists(ctx, "SELECT 1 FROM duckdb_tables() WHERE database_name = 'temp' AND table_name = ?", temporary.local())
		if err != nil || found {
			return temporary, err
		}
	}
	n.temporary = false
	found, err := c.exists(ctx, "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?"+
		" UNION ALL SELECT 1 FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?",
		engine.Catalog, n.database, n.table, engine.Catalog, n.database, n.table)
	if err == nil && !found {
		err = unknownTable(n)
	}
	return n, err
}

func (c *session) hasSchema(ctx context.Context, db string) (bool, error) {
	if db == catalog.Schema {
		return false, nil
	}
	return c.exists(ctx, "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ? AND NOT internal", engine.Catalog, db)
}

func (c *session) exists(ctx context.Context, sql string, args ...any) (bool, error) {
	return exists(ctx, c.conn, sql, args...)
}

// exists tells whether a query has a row.
func exists(ctx context.Context, conn *engine.Conn, sql string, args ...any) (bool, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	return chunk != nil, err
}

// temporaryTables lists the session's own tables, those of all databases.
func (c *session) temporaryTables(ctx context.Context) ([]tableName, error) {
	rows, err := c.conn.Query(ctx, "SELECT table_name FROM duckdb_tables() WHERE database_name = 'temp' ORDER BY 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []tableName
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return list, err
		}
		for i := range chunk.Rows {
			if db, name, is := strings.Cut(chunk.Columns[0].Text(i), "\x1f"); is {
				list = append(list, tableName{catalog.Internal, db, name, true})
			}
		}
	}
}

// dropTemporaries drops the session's own tables of a database, of all if db
// is "".
func (c *session) dropTemporaries(ctx context.Context, db string) error {
	if !c.temporaries {
		return nil
	}
	list, err := c.temporaryTables(ctx)
	for _, n := range list {
		if db != "" && n.database != db {
			continue
		}
		if _, err := c.conn.Exec(ctx, "DROP TABLE "+n.internal()); err != nil {
			return err
		}
	}
	return err
}

// internalTables describes the tables and views of a database, or just the one
// that n names. Temporary tables are seen by name only.
func (c *session) internalTables(ctx context.Context, n tableName) ([]*described, error) {
	sql := "SELECT t.name, t.comment, d.column_name, d.is_nullable FROM (SELECT database_name, schema_name, table_name AS name, comment FROM duckdb_tables()" +
		" UNION ALL SELECT database_name, schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal) t" +
		" JOIN duckdb_columns() d ON d.database_name = t.database_name AND d.schema_name = t.schema_name AND d.table_name = t.name" +
		" WHERE t.database_name = ? AND t.schema_name = ? AND (? = '' OR t.name = ?) ORDER BY t.name, d.column_index"
	db, schema := engine.Catalog, n.database
	if n.temporary {
		db, schema = "temp", "main"
	}
	rows, err := c.conn.Query(ctx, sql, db, schema, n.local(), n.local())
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
			if len(list) == 0 || list[len(list)-1].name.local() != name {
				d := &described{name: n, def: &definition{}}
				if n.table == "" {
					d.name.table = name
				}
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
			col.generated, col.auto = s.Generated, s.AutoIncrement != ""
		}
	}
	return nil
}
