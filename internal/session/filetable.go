package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// fileTable is what the definition of a file external table has beside its
// columns: the properties, sealed, for secrets are among them. In the engine
// such a table is an empty one of the same columns, and so is listed, described
// and dropped as others are; queries read the files instead.
type fileTable struct {
	Place  string `json:"place"` // binds what is sealed to this table
	Sealed []byte `json:"sealed"`
}

// createFileTable is CREATE EXTERNAL TABLE … ENGINE = file. It reads no file.
func (c *session) createFileTable(ctx context.Context, n tableName, st *syntax.CreateTable, text string, w wire.ResultWriter) error {
	if err := plainFileTable(st, text); err != nil {
		return err
	}
	d, err := define(st, text)
	if err == nil {
		err = c.declare(ctx, d, st.Columns, text)
	}
	if err != nil {
		return err
	}
	var columns []lake.Column
	for i, col := range st.Columns {
		t, _, err := columnType(col.Type)
		if err != nil {
			return sqlerr.From(err).WithPos(text, int(col.Type.Pos))
		}
		columns = append(columns, lake.Column{Name: col.Name.Name, Type: t, Comment: d.Columns[i].Comment})
		d.Columns[i].Length = 0 // the files' values are what they are
	}
	props := properties(st.Properties)
	_, warnings, err := c.catalogs().FileTable(n.database, n.table, columns, props, text)
	if err != nil {
		return err
	}
	if d.File, err = c.sealFileTable(props); err != nil {
		return err
	}
	d.Model, d.Properties = "", nil
	err = c.atomically(ctx, func() error { return c.make(ctx, n, d) })
	return c.warned(warnings, err, w, "CREATE TABLE")
}

// plainFileTable refuses the clauses that a file external table cannot have.
func plainFileTable(st *syntax.CreateTable, text string) error {
	refuse := func(pos syntax.Pos, what string) error {
		return sqlerr.New(sqlerr.Invalid, "a file external table has no %s", what).WithPos(text, int(pos))
	}
	switch {
	case !st.External:
		return sqlerr.New(sqlerr.Invalid, "ENGINE = file needs the word EXTERNAL").WithHint("write CREATE EXTERNAL TABLE").WithPos(text, int(st.Pos))
	case len(st.Columns) == 0:
		return sqlerr.New(sqlerr.Invalid, "a file external table needs its columns declared").WithPos(text, int(st.Table.Start()))
	case len(st.Properties) == 0:
		return sqlerr.New(sqlerr.Invalid, "Please set properties of file table, they are path and format").WithPos(text, int(st.EnginePos))
	case st.Key != nil:
		return refuse(st.Key.Pos, "key")
	case st.PartitionBy != nil:
		return refuse(st.PartitionBy.Pos, "partitions")
	case st.Distribution != nil:
		return refuse(st.EnginePos, "distribution")
	case len(st.OrderBy) > 0:
		return refuse(st.OrderBy[0].Column.Pos, "sort key")
	case len(st.Indexes) > 0:
		return refuse(st.EnginePos, "index")
	case !st.Query.IsZero():
		return refuse(st.Query.Pos, "query")
	}
	for _, col := range st.Columns {
		if !col.Default.IsZero() || !col.Generated.IsZero() || col.AutoIncrement || col.PrimaryKey || col.Key || col.Aggregate != "" {
			return refuse(col.Name.Pos, "column with a key, a default or a computed value: "+col.Name.Name)
		}
	}
	return nil
}

func (c *session) sealFileTable(props []catalog.Property) (*fileTable, error) {
	for i := range props { // positions mean nothing without the text
		props[i].KeyPos, props[i].ValuePos = -1, -1
	}
	plain, err := json.Marshal(props)
	if err != nil {
		return nil, err
	}
	f := &fileTable{Place: "table/" + rand.Text()}
	f.Sealed = c.srv.Box.Seal(plain, f.Place)
	return f, nil
}

// properties unseals the table's.
func (c *session) fileProperties(f *fileTable) (props []catalog.Property, err error) {
	plain, err := c.srv.Box.Unseal(f.Sealed, f.Place)
	if err == nil {
		err = json.Unmarshal(plain, &props)
	}
	if err != nil {
		return nil, fmt.Errorf("unseal the properties of a file external table: %w", err)
	}
	return props, nil
}

// isFileTable tells cheaply whether a table of default_catalog is one.
func (c *session) isFileTable(ctx context.Context, n tableName) (bool, error) {
	if n.temporary {
		return false, nil
	}
	return c.exists(ctx, `SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ? AND comment LIKE '%"file":{"place":%'`,
		engine.Catalog, n.database, n.table)
}

// openFileTable makes a table of default_catalog readable, if it is one.
func (c *session) openFileTable(ctx context.Context, n tableName) (*catalog.FileTable, error) {
	is, err := c.isFileTable(ctx, n)
	if err != nil || !is {
		return nil, err
	}
	t, err := c.describeInternal(ctx, n)
	if err != nil || t.def.File == nil { // a comment may read like a definition
		return nil, err
	}
	props, err := c.fileProperties(t.def.File)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", n, err)
	}
	open, _, err := c.catalogs().FileTable(n.database, n.table, t.lakeColumns(), props, "")
	return open, err
}

// fileClauses is the end of SHOW CREATE TABLE, secrets masked.
func (c *session) fileClauses(t *described) (string, error) {
	props, err := c.fileProperties(t.def.File)
	if err != nil {
		return "", err
	}
	sort.Slice(props, func(i, j int) bool { return props[i].Key < props[j].Key })
	list := make([]string, len(props))
	for i, p := range props {
		value := p.Value
		if syntax.IsSecret(p.Key) {
			value = syntax.Hidden
		}
		list[i] = syntax.Quote(p.Key) + " = " + syntax.Quote(value)
	}
	comment := ""
	if t.def.Comment != "" {
		comment = "COMMENT " + syntax.Quote(t.def.Comment) + "\n"
	}
	return " ENGINE=FILE \n" + comment + "PROPERTIES (\n" + strings.Join(list, ",\n") + "\n);", nil
}

// readOnly refuses to change a file external table.
func readOnly(t *described, what, text string, pos syntax.Pos) error {
	if t.def == nil || t.def.File == nil {
		return nil
	}
	return sqlerr.New(sqlerr.Unsupported, "'%s.%s' is a file external table, which %s cannot change", t.name.database, t.name.table, what).
		WithHint("drop it and create it anew, or write the files").WithPos(text, int(pos))
}
