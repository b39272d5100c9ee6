package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// onlyInternal refuses what is built for default_catalog alone.
func onlyInternal(cat, what string) error {
	if cat == catalog.Internal {
		return nil
	}
	return sqlerr.New(sqlerr.Unsupported, "%s in external catalog %s is not built yet", what, cat).
		WithHint("SET CATALOG %s to work with internal tables", catalog.Internal)
}

func (c *session) createDatabase(ctx context.Context, st *syntax.CreateDatabase, w wire.ResultWriter) error {
	cat, db, err := c.databaseName(st.Name)
	if err == nil {
		err = onlyInternal(cat, "CREATE DATABASE")
	}
	if err != nil {
		return err
	}
	if db == catalog.Schema || system(db) {
		return sqlerr.New(sqlerr.Invalid, "database name '%s' is reserved", db)
	}
	found, err := c.hasSchema(ctx, db)
	switch {
	case err != nil:
		return err
	case found && st.IfNotExists:
		return ok(w, "CREATE DATABASE")
	case found:
		return sqlerr.New(sqlerr.Exists, "Can't create database '%s'; database exists", db).With(sqlerr.DBExists)
	}
	if _, err := c.conn.Exec(ctx, "CREATE SCHEMA "+engine.Catalog+"."+lake.QuoteName(db)); err != nil {
		return err
	}
	return ok(w, "CREATE DATABASE")
}

func (c *session) dropDatabase(ctx context.Context, st *syntax.DropDatabase, w wire.ResultWriter) error {
	cat, db, err := c.databaseName(st.Name)
	if err == nil {
		err = onlyInternal(cat, "DROP DATABASE")
	}
	if err != nil {
		return err
	}
	found, err := c.hasSchema(ctx, db)
	switch {
	case err != nil:
		return err
	case !found && st.IfExists:
		return ok(w, "DROP DATABASE")
	case !found:
		return sqlerr.New(sqlerr.NotFound, "Can't drop database '%s'; database doesn't exist", db).With(sqlerr.DBMissing)
	}
	if _, err := c.conn.Exec(ctx, "DROP SCHEMA "+engine.Catalog+"."+lake.QuoteName(db)+" CASCADE"); err != nil {
		return err
	}
	if c.catalog == cat && c.database == db {
		c.setCurrent(cat, "")
	}
	return ok(w, "DROP DATABASE")
}

// createTable makes an internal table in one transaction with its definition.
func (c *session) createTable(ctx context.Context, st *syntax.CreateTable, text string, w wire.ResultWriter) error {
	n, err := c.name(st.Table)
	if err != nil {
		return err
	}
	if err := c.creatable(ctx, n, st, text); err != nil {
		return err
	}
	if err := c.hasTable(ctx, n); err == nil {
		if st.IfNotExists {
			return ok(w, "CREATE TABLE")
		}
		return sqlerr.New(sqlerr.Exists, "Table '%s' already exists", n.table).With(sqlerr.TableExists)
	} else if !sqlerr.Is(err, sqlerr.NotFound) {
		return err
	}
	var affected int64
	if !st.Query.IsZero() {
		affected, err = c.createAs(ctx, n, st, text)
	} else {
		err = c.createColumns(ctx, n, st, text)
	}
	if err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: "CREATE TABLE", Affected: affected})
}

// creatable refuses what CREATE TABLE does not do yet, by name and place.
func (c *session) creatable(ctx context.Context, n tableName, st *syntax.CreateTable, text string) error {
	if err := onlyInternal(n.catalog, "CREATE TABLE"); err != nil {
		return err
	}
	found, err := c.hasSchema(ctx, n.database)
	if err == nil && !found {
		err = sqlerr.New(sqlerr.NotFound, "Unknown database '%s'", n.database).With(sqlerr.BadDB)
	}
	if err != nil {
		return err
	}
	refuse := func(what string, pos syntax.Pos) error {
		return sqlerr.New(sqlerr.Unsupported, "%s is not built yet", what).WithPos(text, int(pos))
	}
	switch {
	case st.Temporary:
		return refuse("CREATE TEMPORARY TABLE", st.Pos)
	case !st.Like.IsZero():
		return refuse("CREATE TABLE LIKE", st.Like.Start())
	case st.Engine != "" && !strings.EqualFold(st.Engine, "olap") && !strings.EqualFold(st.Engine, "innodb"):
		return refuse("ENGINE = "+st.Engine, st.Pos)
	case st.Key != nil && st.Key.Model == "AGGREGATE":
		return refuse("AGGREGATE KEY", st.Key.Pos)
	case len(st.Rollups) > 0:
		return refuse("ROLLUP", st.Rollups[0].Pos)
	case st.PartitionBy != nil && len(st.PartitionBy.Definitions) > 0 && !st.Query.IsZero():
		return refuse("CREATE TABLE … AS with listed partitions", st.PartitionBy.Pos)
	}
	seen := map[string]bool{}
	for _, col := range st.Columns {
		name := strings.ToLower(col.Name.Name)
		if seen[name] {
			return sqlerr.New(sqlerr.Exists, "Duplicate column name '%s'", col.Name.Name).With(sqlerr.Code{MySQL: 1060, State: "42S21"}).WithPos(text, int(col.Name.Pos))
		}
		seen[name] = true
		switch {
		case col.AutoIncrement:
			return refuse("AUTO_INCREMENT", col.Name.Pos)
		case !col.Generated.IsZero():
			return refuse("a generated column", col.Generated.Pos)
		case col.Aggregate != "":
			return refuse("aggregate type "+col.Aggregate, col.Name.Pos)
		case strings.HasPrefix(col.Name.Name, "__op") || strings.HasPrefix(col.Name.Name, "__row"):
			return sqlerr.New(sqlerr.Invalid, "column names that start with __op or __row are reserved").WithPos(text, int(col.Name.Pos))
		}
	}
	return nil
}

// define gathers what the engine does not keep.
func define(st *syntax.CreateTable, text string) (*definition, error) {
	d := &definition{Model: "DUPLICATE"}
	if st.Comment != nil {
		d.Comment = st.Comment.Value
	}
	if st.Key != nil {
		d.Model = st.Key.Model
		for i, k := range st.Key.Columns {
			if len(st.Columns) > 0 && (i >= len(st.Columns) || !strings.EqualFold(st.Columns[i].Name.Name, k.Name)) {
				return nil, sqlerr.New(sqlerr.Invalid, "key columns must be the first columns of the table, in order; %s is not column %d", k.Name, i+1).WithPos(text, int(k.Pos))
			}
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
	if st.Key == nil && len(d.Keys) == 0 && len(st.OrderBy) == 0 {
		d.Keys = sortedBy(st.Columns)
	}
	if st.PartitionBy != nil {
		items := make([]string, len(st.PartitionBy.Items))
		for i, it := range st.PartitionBy.Items {
			items[i] = it.Text
		}
		d.Partition = strings.Join(items, ", ")
		if st.PartitionBy.Kind != "" {
			d.Partition = st.PartitionBy.Kind + "(" + d.Partition + ")"
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
	for _, k := range st.OrderBy {
		d.OrderBy = append(d.OrderBy, k.Column.Name)
	}
	for _, p := range st.Properties {
		d.Properties = append(d.Properties, [2]string{p.Key.Value, p.Value.Value})
	}
	return d, nil
}

// sortedBy chooses the duplicate key of a table that names none: its first
// columns, three at most, up to the first string, before the first whose type
// cannot be a key (starrocks.io, "Duplicate Key table").
func sortedBy(columns []syntax.ColumnDef) []string {
	var keys []string
	for _, col := range columns {
		if len(keys) == 3 || !keyType(col.Type) {
			break
		}
		keys = append(keys, col.Name.Name)
		if col.Type.Name == "VARCHAR" || col.Type.Name == "STRING" {
			break
		}
	}
	return keys
}

// keyType tells whether a column of the type may be part of a key.
func keyType(t syntax.Type) bool {
	switch t.Name {
	case "", "FLOAT", "DOUBLE", "JSON", "ARRAY", "MAP", "STRUCT", "BINARY", "VARBINARY":
		return false
	}
	return true
}

func backquoted(names []syntax.Ident) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return strings.Join(out, ", ")
}

func (c *session) createColumns(ctx context.Context, n tableName, st *syntax.CreateTable, text string) error {
	d, err := define(st, text)
	if err != nil {
		return err
	}
	isKey := map[string]bool{}
	for _, k := range d.Keys {
		isKey[strings.ToLower(k)] = true
	}
	parts := make([]string, len(st.Columns))
	types := map[string]lake.Type{}
	for i, col := range st.Columns {
		said, sql, typ, err := c.column(ctx, col, text)
		if err != nil {
			return err
		}
		if isKey[strings.ToLower(col.Name.Name)] {
			if !keyType(col.Type) {
				return sqlerr.New(sqlerr.Invalid, "column %s of type %s cannot be a key", col.Name.Name, col.Type.Name).WithPos(text, int(col.Type.Pos))
			}
			if d.Model == "PRIMARY" && !said.NotNull {
				said.NotNull = true
				sql += " NOT NULL"
			}
		}
		d.Columns = append(d.Columns, said)
		parts[i], types[strings.ToLower(col.Name.Name)] = sql, typ
	}
	if d.Partitions, err = partitionsOf(st, types, text); err != nil {
		return err
	}
	if where := belongs(d.Partitions); where != "" {
		parts = append(parts, "CHECK ("+where+")")
	}
	return c.atomically(ctx, func() error {
		if _, err := c.conn.Exec(ctx, "CREATE TABLE "+n.internal()+" ("+strings.Join(parts, ", ")+")"); err != nil {
			return err
		}
		return c.comment(ctx, n, d)
	})
}

// column spells a column for the engine. A declared length becomes a check, so
// that a value that is too long is refused as StarRocks refuses it.
func (c *session) column(ctx context.Context, col syntax.ColumnDef, text string) (declared, string, lake.Type, error) {
	t, spelled, err := columnType(col.Type)
	if err != nil {
		return declared{}, "", t, sqlerr.From(err).WithPos(text, int(col.Type.Pos))
	}
	said := declared{Name: col.Name.Name, Type: spelled, NotNull: col.Null == syntax.NotNull}
	name := lake.QuoteName(col.Name.Name)
	sql := name + " " + t.String()
	if said.NotNull {
		sql += " NOT NULL"
	}
	if col.Comment != nil {
		said.Comment = col.Comment.Value
	}
	if !col.Default.IsZero() {
		value, err := c.defaultValue(ctx, col.Default, t, text)
		if err != nil {
			return said, "", t, err
		}
		shown := col.Default.Text
		if v, literal := col.Default.Literal(); literal {
			shown = v
		}
		said.Default = &shown
		sql += " DEFAULT " + value
	}
	if n := length(col.Type); n > 0 {
		measure := "strlen"
		if t.Kind == lake.Blob {
			measure = "octet_length"
		}
		sql += fmt.Sprintf(" CHECK (%s(%s) <= %d)", measure, name, n)
	}
	return said, sql, t, nil
}

// The longest strings that a column may hold, in bytes (starrocks.io, "CHAR"
// and "VARCHAR").
const (
	maxChar    = 255
	maxVarchar = 1048576
)

// length is the declared length of a string in bytes, 0 if it has none.
func length(t syntax.Type) int {
	switch t.Name {
	case "CHAR", "VARCHAR", "BINARY", "VARBINARY":
		if len(t.Args) > 0 {
			return max(t.Args[0], 0)
		}
	}
	if t.Name == "CHAR" || t.Name == "VARCHAR" {
		return 1 // StarRocks' VARCHAR without a length
	}
	return 0
}

// defaultValue translates and checks a DEFAULT: a literal or a function.
func (c *session) defaultValue(ctx context.Context, f syntax.Fragment, t lake.Type, text string) (string, error) {
	if strings.EqualFold(f.Text, "NULL") {
		return "NULL", nil
	}
	if v, literal := f.Literal(); literal && !strings.EqualFold(f.Text, "CURRENT_TIMESTAMP") {
		return "CAST(" + lake.QuoteString(v) + " AS " + t.String() + ")", nil
	}
	out, err := c.condition(ctx, ", ", f, text)
	return "(" + out + ")", err
}

// columnType gives the engine's type of a column, with StarRocks' own spelling
// beside it.
func columnType(t syntax.Type) (lake.Type, string, error) {
	typ, err := dialect.TypeOf(t)
	if err == nil && t.Unsigned {
		err = sqlerr.New(sqlerr.Unsupported, "UNSIGNED is not a StarRocks column type").WithHint("use the next larger type")
	}
	if err != nil {
		return lake.Type{}, "", err
	}
	switch t.Name {
	case "CHAR", "VARCHAR", "BINARY", "VARBINARY":
		n := length(t)
		if limit := map[bool]int{true: maxChar, false: maxVarchar}[t.Name == "CHAR"]; n > limit {
			return lake.Type{}, "", sqlerr.New(sqlerr.Invalid, "%s(%d): the length must be 1 to %d bytes", t.Name, n, limit)
		}
		switch {
		case n == 0 && t.Name != "CHAR" && t.Name != "VARCHAR":
		case len(t.Args) > 0 && t.Args[0] < 0: // VARCHAR(*)
			return typ, "varchar(1048576)", nil
		default:
			return typ, fmt.Sprintf("%s(%d)", strings.ToLower(t.Name), n), nil
		}
	}
	return typ, dialect.TypeName(typ, false), nil
}

// createAs is CREATE TABLE … AS: the types are the query's.
func (c *session) createAs(ctx context.Context, n tableName, st *syntax.CreateTable, text string) (int64, error) {
	d, err := define(st, text)
	if err != nil {
		return 0, err
	}
	for _, col := range st.Columns {
		if col.Type.Name != "" {
			return 0, sqlerr.New(sqlerr.Invalid, "CREATE TABLE … AS takes its types from the query; name the columns only").WithPos(text, int(col.Type.Pos))
		}
	}
	p, err := c.plan(ctx, st.Query, text)
	if err != nil {
		return 0, err
	}
	defer p.close()
	names := ""
	if len(st.Columns) > 0 {
		list := make([]string, len(st.Columns))
		for i, col := range st.Columns {
			list[i] = lake.QuoteName(col.Name.Name)
		}
		names = " (" + strings.Join(list, ", ") + ")"
	}
	var affected int64
	err = c.atomically(ctx, func() error {
		if affected, err = c.conn.Exec(ctx, p.behind("CREATE TABLE "+n.internal()+names+" AS ")); err != nil {
			return p.explain(ctx, err)
		}
		if err := c.comment(ctx, n, d); err != nil {
			return err
		}
		for _, k := range d.Keys {
			if d.Model != "PRIMARY" {
				break
			}
			if _, err := c.conn.Exec(ctx, "ALTER TABLE "+n.internal()+" ALTER COLUMN "+lake.QuoteName(k)+" SET NOT NULL"); err != nil {
				return err
			}
		}
		return nil
	})
	return affected, err
}

// comment stores a table's definition with it.
func (c *session) comment(ctx context.Context, n tableName, d *definition) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = c.conn.Exec(ctx, "COMMENT ON TABLE "+n.internal()+" IS "+lake.QuoteString(string(text)))
	return err
}

// atomically runs f in the open transaction, or in one of its own.
func (c *session) atomically(ctx context.Context, f func() error) error {
	if c.open {
		return f()
	}
	return c.conn.InTx(ctx, func(*engine.Conn) error { return f() })
}

func (c *session) dropTable(ctx context.Context, st *syntax.DropTable, w wire.ResultWriter) error {
	err := c.atomically(ctx, func() error {
		for _, q := range st.Tables {
			n, err := c.name(q)
			if err == nil {
				err = onlyInternal(n.catalog, "DROP TABLE")
			}
			if err == nil {
				err = c.hasTable(ctx, n)
			}
			if sqlerr.Is(err, sqlerr.NotFound) && st.IfExists {
				continue
			}
			if err != nil {
				return err
			}
			if _, err := c.conn.Exec(ctx, "DROP TABLE "+n.internal()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ok(w, "DROP TABLE")
}
