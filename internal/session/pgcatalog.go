package session

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"lakeport/internal/catalog"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire/pg"
)

// PostgreSQL's catalog as clients read it: psql's commands, the metadata calls
// of drivers, and Redshift's own views (PostgreSQL manual, "System Catalogs";
// Redshift's Database Developer Guide, "System catalog tables"). It tells of
// the catalog that the session is connected to.

// redshiftView is one table of pg_catalog or information_schema: its columns as
// name:type, where a missing type is text, and what fills it.
type redshiftView struct {
	columns string
	fill    func(ctx context.Context, c *session, want wanted, r *relation) error
}

// viewTypes are the types in a redshiftView's columns.
var viewTypes = map[string]lake.Type{
	"": {Kind: lake.Varchar}, "oid": {Kind: lake.BigInt}, "int": {Kind: lake.Integer}, "int2": {Kind: lake.SmallInt}, "bool": {Kind: lake.Boolean},
	"float": {Kind: lake.Float}, "int2[]": {Kind: lake.List, Elem: &lake.Type{Kind: lake.SmallInt}}, "oid[]": {Kind: lake.List, Elem: &lake.Type{Kind: lake.BigInt}},
	"text[]": {Kind: lake.List, Elem: &lake.Type{Kind: lake.Varchar}}, "ts": {Kind: lake.TimestampTZ}, "timestamp": {Kind: lake.Timestamp},
}

func (v redshiftView) lakeColumns() []lake.Column {
	fields := strings.Fields(v.columns)
	cols := make([]lake.Column, len(fields))
	for i, f := range fields {
		name, typ, _ := strings.Cut(f, ":")
		cols[i] = lake.Column{Name: name, Type: viewTypes[typ]}
	}
	return cols
}

// oids numbers schemas, tables and indexes for as long as the process lives.
type oids struct {
	mu    sync.Mutex
	known map[string]int64
}

// firstOID is where PostgreSQL's own objects end (FirstNormalObjectId).
const firstOID = 16384

func (o *oids) of(kind string, names ...string) int64 {
	key := kind + "\x00" + strings.Join(names, "\x00")
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = map[string]int64{}
	}
	n, found := o.known[key]
	if !found {
		n = firstOID + int64(len(o.known))
		o.known[key] = n
	}
	return n
}

// The numbers of PostgreSQL's own schemas and of the one user.
const (
	oidPgCatalog   = 11
	oidPublic      = 2200
	oidInformation = 13000
	oidRoot        = 10
)

func (c *session) schemaOID(schema string) int64 {
	switch schema {
	case "pg_catalog":
		return oidPgCatalog
	case "information_schema":
		return oidInformation
	case publicSchema:
		return oidPublic
	}
	return c.srv.oids.of("schema", c.catalog, schema)
}

func (c *session) tableOID(schema, table string) int64 {
	if oid, own := systemClasses[table]; own && schema == "pg_catalog" {
		return oid
	}
	return c.srv.oids.of("table", c.catalog, schema, table)
}

// systemClasses are tables of pg_catalog that clients know by number.
var systemClasses = map[string]int64{"pg_type": 1247, "pg_attribute": 1249, "pg_proc": 1255, "pg_class": 1259, "pg_database": 1262, "pg_constraint": 2606,
	"pg_namespace": 2615, "pg_attrdef": 2604, "pg_index": 2610, "pg_description": 2609, "pg_trigger": 2620, "pg_rewrite": 2618, "pg_extension": 3079, "pg_operator": 2617}

// objectLiteral gives what 'name'::regclass and its kin mean, a number, and the
// value of a setting.
func (c *session) objectLiteral(typ, value string) (string, bool) {
	name := strings.TrimPrefix(strings.ToLower(value), "pg_catalog.")
	if typ == "setting" {
		_, known := redshiftDefaults[name]
		_, set := c.pg.settings[name]
		return lake.QuoteString(c.setting(name)), known || set
	}
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	switch typ {
	case "regclass":
		if oid, own := systemClasses[name]; own {
			return strconv.FormatInt(oid, 10), true
		}
		if _, own := redshiftViews[name]; own {
			return strconv.FormatInt(c.tableOID("pg_catalog", name), 10), true
		}
		path := c.schemas()
		if schema, table, dotted := strings.Cut(name, "."); dotted {
			path, name = []string{schema}, table
		}
		ctx := context.Background()
		for _, schema := range path {
			n := tableName{catalog: c.catalog, database: strings.Trim(schema, `"`), table: strings.Trim(name, `"`)}
			if found, err := c.tableExists(ctx, n); err == nil && found {
				return strconv.FormatInt(c.tableOID(n.database, n.table), 10), true
			}
		}
	case "regtype":
		for _, t := range pgTypes {
			if t.name == name || t.long == name {
				return strconv.FormatUint(uint64(t.oid), 10), true
			}
		}
		if name == "trigger" {
			return "2279", true
		}
	case "regproc", "regprocedure":
		return lake.QuoteString(name), true
	case "regnamespace":
		return strconv.FormatInt(c.schemaOID(name), 10), true
	case "regrole":
		return strconv.Itoa(oidRoot), name == c.user
	}
	return "", false
}

// system tells the names that the server itself fills.
func (c *session) system(n tableName) bool {
	if c.pg == nil {
		return n.informationSchema()
	}
	return n.database == "pg_catalog" || n.database == "information_schema"
}

// viewFor finds a view by its whole name.
func viewFor(schema, table string) (redshiftView, bool) {
	if schema == "information_schema" {
		v, found := informationViews[table]
		return v, found
	}
	v, found := redshiftViews[table]
	return v, found
}

func (c *session) redshiftTable(n tableName) (lake.Table, error) {
	v, found := viewFor(n.database, strings.ToLower(n.table))
	if !found {
		return nil, sqlerr.New(sqlerr.NotFound, "relation \"%s.%s\" does not exist", n.database, n.table).With(sqlerr.BadTable)
	}
	return &redshiftRelation{c, v}, nil
}

// redshiftRelation is one view as a lake.Table: its scan has no objects.
type redshiftRelation struct {
	c    *session
	view redshiftView
}

// Schema implements lake.Table.
func (t *redshiftRelation) Schema() lake.Schema { return lake.Schema{Columns: t.view.lakeColumns()} }

// Plan implements lake.Table.
func (t *redshiftRelation) Plan(ctx context.Context, n lake.Need) (lake.Scan, error) {
	r := &relation{columns: t.view.lakeColumns()}
	want := wanted{}
	for _, f := range n.Filters {
		if f.Op != lake.Eq && (f.Op != lake.In || len(f.Values) != 1) {
			continue
		}
		switch strings.ToLower(f.Column) {
		case "attrelid", "adrelid", "conrelid", "indrelid":
			want.oid, _ = strconv.ParseInt(strings.Trim(f.Values[0], "'"), 10, 64)
		case "table_schema", "schemaname", "schema_name":
			want.database = f.Values[0]
		case "table_name", "tablename":
			want.table = f.Values[0]
		}
	}
	if t.view.fill != nil {
		if err := t.view.fill(ctx, t.c, want, r); err != nil {
			return lake.Scan{}, err
		}
	}
	return lake.Scan{SQL: func([]string, []string) string { return r.query() }}, nil
}

// pgSchemas lists the schemas of the catalog.
func (c *session) pgSchemas(ctx context.Context) ([]string, error) {
	list, err := c.databases(ctx, c.catalog)
	if err != nil {
		return nil, err
	}
	names := []string{"pg_catalog"}
	public := c.catalog == catalog.Internal
	for _, n := range list {
		public = public && n != publicSchema
		names = append(names, n)
	}
	if public {
		names = append(names, publicSchema)
	}
	return names, nil
}

// eachRelation calls f with every wanted table; described tells whether its
// columns are needed, which costs a call to the metastore for external tables.
func (c *session) eachRelation(ctx context.Context, want wanted, described bool, f func(schema, table, kind string, t *described) error) error {
	schemas, err := c.pgSchemas(ctx)
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		if schema == "pg_catalog" || schema == "information_schema" || want.database != "" && want.database != schema {
			continue
		}
		if err := c.eachOf(ctx, schema, want, described, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *session) eachOf(ctx context.Context, schema string, want wanted, columns bool, f func(schema, table, kind string, t *described) error) error {
	names, kinds, err := c.tables(ctx, c.catalog, schema)
	if err != nil { // one broken schema must not hide the others
		if ctx.Err() != nil {
			return err
		}
		return nil
	}
	for _, n := range names {
		if want.table != "" && want.table != n || want.oid != 0 && want.oid != c.tableOID(schema, n) {
			continue
		}
		var t *described
		if columns {
			if t, err = c.describeTable(ctx, tableName{catalog: c.catalog, database: schema, table: n}); err != nil {
				if ctx.Err() != nil || sqlerr.Is(err, sqlerr.Internal) {
					return err
				}
				continue
			}
		}
		kind := "r"
		if strings.Contains(kinds[n], "VIEW") {
			kind = "v"
		}
		if err := f(schema, n, kind, t); err != nil {
			return err
		}
	}
	return nil
}

// pgType is a row of pg_type.
type pgType struct {
	oid      uint32
	name     string
	long     string // as SQL spells it
	size     int
	category string
	array    uint32
	elem     uint32
}

// pgTypes are the types that columns and parameters have, and their arrays.
var pgTypes = func() []pgType {
	list := []pgType{{18, "char", "\"char\"", 1, "S", 1002, 0}, {19, "name", "name", 64, "S", 1003, 0}, {26, "oid", "oid", 4, "N", 1028, 0},
		{25, "text", "text", -1, "S", 1009, 0}, {705, "unknown", "unknown", -2, "X", 0, 0}, {1042, "bpchar", "character", -1, "S", 1014, 0},
		{2205, "regclass", "regclass", 4, "N", 0, 0}, {4000, "super", "super", -1, "U", 0, 0}}
	for _, t := range []struct {
		kind                 lake.Kind
		name, long, category string
	}{{lake.Boolean, "bool", "boolean", "B"}, {lake.Blob, "bytea", "binary varying", "U"}, {lake.BigInt, "int8", "bigint", "N"}, {lake.SmallInt, "int2", "smallint", "N"},
		{lake.Integer, "int4", "integer", "N"}, {lake.JSON, "json", "json", "U"}, {lake.Float, "float4", "real", "N"}, {lake.Double, "float8", "double precision", "N"},
		{lake.Varchar, "varchar", "character varying", "S"}, {lake.Date, "date", "date", "D"}, {lake.Time, "time", "time without time zone", "D"},
		{lake.TimeTZ, "timetz", "time with time zone", "D"}, {lake.Timestamp, "timestamp", "timestamp without time zone", "D"},
		{lake.TimestampTZ, "timestamptz", "timestamp with time zone", "D"}, {lake.Interval, "interval", "interval", "T"},
		{lake.Decimal, "numeric", "numeric", "N"}, {lake.UUID, "uuid", "uuid", "U"}, {lake.Bit, "varbit", "bit varying", "V"}} {
		info := pg.Describe(lake.Type{Kind: t.kind})
		list = append(list, pgType{info.OID, t.name, t.long, int(info.Size), t.category, info.Array, 0})
	}
	for _, t := range list {
		if t.array != 0 {
			list = append(list, pgType{t.array, "_" + t.name, t.long + "[]", -1, "A", 0, t.oid})
		}
	}
	return list
}()

// maxRedshiftVarchar is the longest string of Redshift in bytes; what may be
// longer has no length there.
const maxRedshiftVarchar = 65535

// typeModifier is a column's atttypmod: precision and scale of a decimal, or the
// declared length of a string, and the four bytes that PostgreSQL adds.
func typeModifier(col describedColumn) int {
	if col.Type.Kind == lake.Varchar {
		if n, ok := charLength(col.text).(int); ok && n <= maxRedshiftVarchar {
			return n + 4
		}
	}
	return int(pg.Describe(col.Type).Modifier)
}

// typeLong is the type's name in information_schema.
func typeLong(t lake.Type) string {
	oid := pg.Describe(t).OID
	for _, p := range pgTypes {
		if p.oid == oid {
			if p.category == "A" {
				return "ARRAY"
			}
			return p.long
		}
	}
	return "USER-DEFINED"
}
