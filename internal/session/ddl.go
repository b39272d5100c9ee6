package session

import (
	"context"
	"errors"
	"slices"
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

func (c *session) createDatabase(ctx context.Context, st *syntax.CreateDatabase, text string, w wire.ResultWriter) error {
	cat, db, err := c.databaseName(st.Name)
	if err != nil {
		return err
	}
	if cat != catalog.Internal {
		return c.createExternalDatabase(ctx, st, cat, db, text, w)
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
	c.outside("database " + db)
	return w.Done(wire.Done{Tag: "CREATE DATABASE", Warnings: len(c.warnings)})
}

// outside warns of what is made in default_catalog by a session that has just
// made an external catalog and not entered it.
func (c *session) outside(what string) {
	if c.fresh != "" && c.pg == nil {
		c.warn("Warning", what+" is made in "+catalog.Internal+", not in "+c.fresh+": SET CATALOG "+c.fresh+" to work in the catalog just made", 1064)
	}
}

func (c *session) dropDatabase(ctx context.Context, st *syntax.DropDatabase, w wire.ResultWriter) error {
	cat, db, err := c.databaseName(st.Name)
	if err != nil {
		return err
	}
	if cat != catalog.Internal {
		return c.dropExternalDatabase(ctx, st, cat, db, w)
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
	if err := c.dropTemporaries(ctx, db); err != nil {
		return err
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
	if n.catalog != catalog.Internal {
		return c.createExternal(ctx, n, st, text, w)
	}
	n.temporary = st.Temporary
	if c.pg != nil {
		if err := c.redshiftColumns(ctx, n, st, text); err != nil {
			return err
		}
	}
	if err := c.creatable(ctx, n, st, text); err != nil {
		return err
	}
	if taken, err := c.taken(ctx, n); err != nil || taken {
		if err == nil && st.IfNotExists {
			return ok(w, "CREATE TABLE")
		}
		return errors.Join(err, tableExists(n))
	}
	if strings.EqualFold(st.Engine, "file") {
		return c.createFileTable(ctx, n, st, text, w)
	}
	var affected int64
	switch {
	case !st.Query.IsZero():
		affected, err = c.createAs(ctx, n, st, text)
	case !st.Like.IsZero():
		err = c.createLike(ctx, n, st, text)
	default:
		var d *definition
		if d, err = define(st, text); err == nil {
			err = c.declare(ctx, d, st.Columns, text)
		}
		if err == nil {
			err = c.complete(ctx, n, d, st, text)
		}
		if err == nil {
			err = c.atomically(ctx, func() error { return c.make(ctx, n, d) })
		}
	}
	if err != nil {
		return err
	}
	c.outside("table " + n.table)
	return w.Done(wire.Done{Tag: "CREATE TABLE", Affected: affected, Warnings: len(c.warnings)})
}

func tableExists(n tableName) error {
	return sqlerr.New(sqlerr.Exists, "Table '%s' already exists", n.table).With(sqlerr.TableExists)
}

// taken tells whether a new table or view cannot have the name. A temporary
// table may hide another of its name.
func (c *session) taken(ctx context.Context, n tableName) (bool, error) {
	found, err := c.hasTable(ctx, n)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return false, nil
	}
	if n.temporary && !found.temporary {
		return false, err
	}
	if !n.temporary && found.temporary { // see past it
		return c.exists(ctx, "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?", engine.Catalog, n.database, n.table)
	}
	return true, err
}

// creatable refuses what CREATE TABLE does not do yet, by name and place.
func (c *session) creatable(ctx context.Context, n tableName, st *syntax.CreateTable, text string) error {
	if err := c.inDatabase(ctx, n, "CREATE TABLE"); err != nil {
		return err
	}
	refuse := func(what string, pos syntax.Pos) error {
		return sqlerr.New(sqlerr.Unsupported, "%s is not built yet", what).WithPos(text, int(pos))
	}
	switch {
	case strings.EqualFold(st.Engine, "file"):
		return nil // its properties are other ones
	case st.Engine != "" && !strings.EqualFold(st.Engine, "olap") && !strings.EqualFold(st.Engine, "innodb"):
		return refuse("ENGINE = "+st.Engine, st.EnginePos)
	case st.External:
		return sqlerr.New(sqlerr.Invalid, "CREATE EXTERNAL TABLE needs an ENGINE that says where the rows are").
			WithHint("write ENGINE = file").WithPos(text, int(st.Pos))
	case st.Key != nil && st.Key.Model == "AGGREGATE":
		return refuse("AGGREGATE KEY", st.Key.Pos)
	case len(st.Rollups) > 0:
		return refuse("ROLLUP", st.Rollups[0].Pos)
	}
	return c.tableProperties(st.Properties, text)
}

// inDatabase fails unless a table or view may be made in the database of n.
func (c *session) inDatabase(ctx context.Context, n tableName, what string) error {
	if err := onlyInternal(n.catalog, what); err != nil {
		return err
	}
	if n.informationSchema() {
		return sqlerr.New(sqlerr.Denied, "%s cannot be changed", strings.ToLower(n.database))
	}
	found, err := c.hasSchema(ctx, n.database)
	if err == nil && !found {
		err = sqlerr.New(sqlerr.NotFound, "Unknown database '%s'", n.database).With(sqlerr.BadDB)
	}
	return err
}

// properties of tables that StarRocks documents ("CREATE TABLE"). One process
// without replicas and tiers has no use for them: they are kept, shown, and
// told by SHOW WARNINGS.
var knownProperties = strings.Fields(`replication_num storage_medium storage_cooldown_ttl storage_cooldown_time partition_live_number partition_ttl
partition_ttl_number partition_retention_condition bloom_filter_columns bloom_filter_fpp colocate_with compression enable_persistent_index
persistent_index_type replicated_storage fast_schema_evolution in_memory write_quorum storage_volume bucket_size light_schema_change
unique_constraints foreign_key_constraints primary_index_cache_expire_sec storage_format storage_type mutable_bucket_num
base_compaction_forbidden_time_ranges labels.location binlog_enable binlog_ttl_second binlog_max_size file_bundling flat_json.enable
flat_json.null.factor flat_json.sparsity.factor flat_json.column.max table_query_timeout default.replication_num default.storage_medium
datacache.enable datacache.partition_duration enable_async_write_back
dynamic_partition.enable dynamic_partition.time_unit dynamic_partition.time_zone dynamic_partition.start dynamic_partition.end
dynamic_partition.prefix dynamic_partition.buckets dynamic_partition.replication_num dynamic_partition.history_partition_num
dynamic_partition.start_day_of_week dynamic_partition.start_day_of_month`)

// tableProperties refuses what StarRocks does not know, and warns of what has
// no effect here.
func (c *session) tableProperties(list syntax.Properties, text string) error {
	var idle []string
	for _, p := range list {
		key := p.Key.Value
		if !slices.Contains(knownProperties, key) {
			e := sqlerr.New(sqlerr.Invalid, "Unknown properties: {%s=%s}", key, p.Value.Value).WithPos(text, int(p.Key.Pos))
			if near := sqlerr.Nearest(key, knownProperties); near != "" {
				e.WithHint("did you mean %s?", near)
			}
			return e
		}
		if key != "replication_num" { // which every sample gives
			idle = append(idle, key)
		}
	}
	if len(idle) > 0 {
		c.warn("Warning", "accepted without effect: "+strings.Join(idle, ", "), 1064)
	}
	return nil
}

// complete checks a definition as a whole and gives it its partitions.
func (c *session) complete(ctx context.Context, n tableName, d *definition, st *syntax.CreateTable, text string) error {
	auto := 0
	for i := range d.Columns {
		if i < len(st.Columns) && st.Columns[i].AutoIncrement {
			if auto++; auto > 1 || n.temporary {
				what := map[bool]string{true: "a second AUTO_INCREMENT column", false: "AUTO_INCREMENT in a temporary table"}[auto > 1]
				return sqlerr.New(sqlerr.Unsupported, "%s is not supported", what).WithPos(text, int(st.Columns[i].Name.Pos))
			}
			d.Columns[i].AutoIncrement = sequenceName(n)
		}
	}
	if err := d.finish(st, text); err != nil {
		return err
	}
	return c.partition(ctx, d, st.PartitionBy, text)
}

// make creates the engine's table of a definition.
func (c *session) make(ctx context.Context, n tableName, d *definition) error {
	if err := c.sequences(ctx, n, d); err != nil {
		return err
	}
	head := "CREATE"
	if n.temporary {
		head, c.temporaries = "CREATE TEMP", true
	}
	if _, err := c.conn.Exec(ctx, d.create(head, n.internal())); err != nil {
		return err
	}
	return c.remember(ctx, n, d)
}

// createLike copies a table's definition without its rows.
func (c *session) createLike(ctx context.Context, n tableName, st *syntax.CreateTable, text string) error {
	like, err := c.searched(ctx, st.Like.Names())
	if err == nil {
		err = onlyInternal(like.catalog, "CREATE TABLE LIKE a table")
	}
	if err != nil {
		return err
	}
	t, err := c.describeInternal(ctx, like)
	switch {
	case err != nil:
		return sqlerr.From(err).WithPos(text, int(st.Like.Start()))
	case t.isView():
		return sqlerr.New(sqlerr.Invalid, "'%s' is a view: CREATE TABLE LIKE copies tables", like.table).WithPos(text, int(st.Like.Start()))
	}
	d := t.def.clone()
	for i := range d.Columns {
		if col := &d.Columns[i]; col.AutoIncrement != "" {
			col.AutoIncrement, col.DefaultSQL = sequenceName(n), ""
		}
	}
	if c.pg != nil { // keys stay behind, and defaults unless they are asked for (Redshift's "CREATE TABLE", LIKE)
		d.Model, d.Keys, d.Informational = "DUPLICATE", nil, nil
		for i := range d.Columns {
			if col := &d.Columns[i]; !st.LikeDefaults && col.AutoIncrement == "" {
				col.Default, col.DefaultSQL = nil, ""
			}
		}
	}
	for _, p := range st.Properties {
		d.setProperty(p.Key.Value, p.Value.Value)
	}
	return c.atomically(ctx, func() error { return c.make(ctx, n, d) })
}

func (d *definition) setProperty(key, value string) {
	for i := range d.Properties {
		if d.Properties[i][0] == key {
			d.Properties[i][1] = value
			return
		}
	}
	d.Properties = append(d.Properties, [2]string{key, value})
}

// createAs is CREATE TABLE … AS: the types are the query's, and its rows go
// the way of an INSERT.
func (c *session) createAs(ctx context.Context, n tableName, st *syntax.CreateTable, text string) (affected int64, err error) {
	for _, col := range st.Columns {
		if col.Type.Name != "" {
			return 0, sqlerr.New(sqlerr.Invalid, "CREATE TABLE … AS takes its types from the query; name the columns only").WithPos(text, int(col.Type.Pos))
		}
	}
	d, err := define(st, text)
	if err != nil {
		return 0, err
	}
	p, err := c.plan(ctx, st.Query, text)
	if err != nil {
		return 0, err
	}
	defer p.close()
	names := make([]syntax.Ident, len(st.Columns))
	for i, col := range st.Columns {
		names[i] = col.Name
	}
	if d.Columns, err = c.selected(ctx, p, names, text); err != nil {
		return 0, err
	}
	if err := c.complete(ctx, n, d, st, text); err != nil {
		return 0, err
	}
	err = c.atomically(ctx, func() error {
		if err := c.make(ctx, n, d); err != nil {
			return err
		}
		affected, err = c.load(ctx, load{into: &described{name: n, def: d}, columns: d.Columns}, p)
		return err
	})
	if err != nil {
		return 0, filtered(p.explain(ctx, err))
	}
	return affected, nil
}

// selected declares a column for each of a query's, under names if any are
// given.
func (c *session) selected(ctx context.Context, p *plan, names []syntax.Ident, text string) ([]declared, error) {
	st, err := c.conn.Prepare(ctx, p.sql)
	if err != nil {
		p.before = 0
		return nil, p.explain(ctx, err)
	}
	defer st.Close()
	columns := st.Columns()
	if len(names) > 0 && len(names) != len(columns) {
		return nil, sqlerr.New(sqlerr.Invalid, "%d column names for a query of %d columns", len(names), len(columns)).
			With(sqlerr.Code{MySQL: 1353, State: "HY000"}).WithPos(text, int(names[0].Pos))
	}
	d := &definition{}
	for i, col := range columns {
		at := syntax.Pos(p.offset)
		if len(names) > 0 {
			col.Name, at = names[i].Name, names[i].Pos
		}
		if d.index(col.Name) >= 0 {
			return nil, sqlerr.New(sqlerr.Exists, "Duplicate column name '%s'", col.Name).With(sqlerr.Code{MySQL: 1060, State: "42S21"}).WithPos(text, int(at))
		}
		if col.Type.Kind == lake.Invalid {
			col.Type = lake.Type{Kind: lake.Varchar}
		}
		d.Columns = append(d.Columns, declared{Name: col.Name, Type: dialect.TypeName(col.Type, false), Engine: col.Type.String()})
	}
	return d.Columns, nil
}

// atomically runs f in the open transaction, or in one of its own.
func (c *session) atomically(ctx context.Context, f func() error) error {
	if c.open {
		return f()
	}
	return c.conn.InTx(ctx, func(*engine.Conn) error { return f() })
}

func (c *session) dropTable(ctx context.Context, st *syntax.DropTable, text string, w wire.ResultWriter) error {
	var tables []*described
	for _, q := range st.Tables {
		if n, err := c.name(q); err == nil && n.catalog != catalog.Internal {
			if err := c.dropExternal(ctx, n, st.Force); err != nil && !(st.IfExists && sqlerr.Is(err, sqlerr.NotFound)) {
				return err
			}
			continue
		}
		t, err := c.droppable(ctx, q, "DROP TABLE")
		if err == nil && st.Temporary && !t.name.temporary {
			err = unknownTable(t.name)
		}
		if sqlerr.Is(err, sqlerr.NotFound) && st.IfExists {
			continue
		}
		if err != nil {
			return err
		}
		if t.isView() {
			return sqlerr.New(sqlerr.Invalid, "'%s.%s' is a view", t.name.database, t.name.table).WithHint("use DROP VIEW").WithPos(text, int(q.Start()))
		}
		tables = append(tables, t)
	}
	err := c.atomically(ctx, func() error {
		for _, t := range tables {
			if err := c.drop(ctx, t); err != nil {
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

func (c *session) droppable(ctx context.Context, q syntax.QualifiedName, what string) (*described, error) {
	n, err := c.searched(ctx, q.Names())
	if err == nil {
		err = onlyInternal(n.catalog, what)
	}
	if err != nil {
		return nil, err
	}
	return c.describeInternal(ctx, n)
}

// drop takes a table away, and the sequence of its AUTO_INCREMENT column.
func (c *session) drop(ctx context.Context, t *described) error {
	if _, err := c.conn.Exec(ctx, "DROP TABLE "+t.name.internal()); err != nil {
		return err
	}
	for _, col := range t.def.Columns {
		if col.AutoIncrement == "" {
			continue
		}
		if _, err := c.conn.Exec(ctx, "DROP SEQUENCE "+col.AutoIncrement); err != nil {
			return err
		}
	}
	return nil
}
