package session

import (
	"context"
	"encoding/json"
	"sort"
	"strconv"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/dialect"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// view is one table of information_schema: its columns and what fills it. The
// Need's filters on TABLE_SCHEMA and TABLE_NAME keep a tool that asks for one
// table from walking the whole catalog.
type view struct {
	columns []string
	fill    func(ctx context.Context, c *session, cat string, want wanted, r *relation) error
}

// wanted narrows what a view must list; "" is everything.
type wanted struct {
	database, table string
	oid             int64 // of PostgreSQL's catalog; 0: any
}

var views map[string]view

func init() {
	empty := func(names ...string) view {
		return view{names, fillNothing}
	}
	fixedRows := func(names []string, rows ...[]any) view {
		return view{names, func(_ context.Context, _ *session, _ string, _ wanted, r *relation) error {
			r.rows = append(r.rows, rows...)
			return nil
		}}
	}
	views = map[string]view{
		"schemata": {[]string{"CATALOG_NAME", "SCHEMA_NAME", "DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME", "SQL_PATH"}, fillSchemata},
		"tables": {[]string{"TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE", "VERSION#", "ROW_FORMAT", "TABLE_ROWS#", "AVG_ROW_LENGTH#",
			"DATA_LENGTH#", "MAX_DATA_LENGTH#", "INDEX_LENGTH#", "DATA_FREE#", "AUTO_INCREMENT#", "CREATE_TIME", "UPDATE_TIME", "CHECK_TIME", "TABLE_COLLATION",
			"CHECKSUM#", "CREATE_OPTIONS", "TABLE_COMMENT"}, fillTables},
		"columns": {[]string{"TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "ORDINAL_POSITION#", "COLUMN_DEFAULT", "IS_NULLABLE", "DATA_TYPE",
			"CHARACTER_MAXIMUM_LENGTH#", "CHARACTER_OCTET_LENGTH#", "NUMERIC_PRECISION#", "NUMERIC_SCALE#", "DATETIME_PRECISION#", "CHARACTER_SET_NAME",
			"COLLATION_NAME", "COLUMN_TYPE", "COLUMN_KEY", "EXTRA", "PRIVILEGES", "COLUMN_COMMENT", "COLUMN_SIZE#", "DECIMAL_DIGITS#", "GENERATION_EXPRESSION", "SRS_ID#"}, fillColumnsView},
		"tables_config": {[]string{"TABLE_SCHEMA", "TABLE_NAME", "TABLE_ENGINE", "TABLE_MODEL", "PRIMARY_KEY", "PARTITION_KEY", "DISTRIBUTE_KEY",
			"DISTRIBUTE_TYPE", "DISTRIBUTE_BUCKET#", "SORT_KEY", "PROPERTIES", "TABLE_ID#"}, fillTablesConfig},
		"session_variables": {[]string{"VARIABLE_NAME", "VARIABLE_VALUE"}, fillVariables},
		"global_variables":  {[]string{"VARIABLE_NAME", "VARIABLE_VALUE"}, fillGlobals},
		"engines":           fixedRows([]string{"ENGINE", "SUPPORT", "COMMENT", "TRANSACTIONS", "XA", "SAVEPOINTS"}, []any{"OLAP", "YES", "Default storage engine of StarRocks", "NO", "NO", "NO"}),
		"character_sets":    fixedRows([]string{"CHARACTER_SET_NAME", "DEFAULT_COLLATE_NAME", "DESCRIPTION", "MAXLEN#"}, []any{"utf8", "utf8_general_ci", "UTF-8 Unicode", 3}),
		"collations":        fixedRows([]string{"COLLATION_NAME", "CHARACTER_SET_NAME", "ID#", "IS_DEFAULT", "IS_COMPILED", "SORTLEN#"}, []any{"utf8_general_ci", "utf8", 33, "Yes", "Yes", 1}),
		"keywords":          {[]string{"WORD", "RESERVED#"}, fillKeywords},
		"views": {[]string{"TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "VIEW_DEFINITION", "CHECK_OPTION", "IS_UPDATABLE", "DEFINER", "SECURITY_TYPE",
			"CHARACTER_SET_CLIENT", "COLLATION_CONNECTION"}, fillViews},
		"statistics": {[]string{"TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "NON_UNIQUE#", "INDEX_SCHEMA", "INDEX_NAME", "SEQ_IN_INDEX#", "COLUMN_NAME",
			"COLLATION", "CARDINALITY#", "SUB_PART#", "PACKED", "NULLABLE", "INDEX_TYPE", "COMMENT"}, fillStatistics},
		"key_column_usage": {[]string{"CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME", "TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME",
			"ORDINAL_POSITION#", "POSITION_IN_UNIQUE_CONSTRAINT#", "REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME", "REFERENCED_COLUMN_NAME"}, fillKeyColumns},
		"referential_constraints": empty("CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME", "UNIQUE_CONSTRAINT_CATALOG", "UNIQUE_CONSTRAINT_SCHEMA",
			"UNIQUE_CONSTRAINT_NAME", "MATCH_OPTION", "UPDATE_RULE", "DELETE_RULE", "TABLE_NAME", "REFERENCED_TABLE_NAME"),
		"table_constraints": {[]string{"CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME", "TABLE_SCHEMA", "TABLE_NAME", "CONSTRAINT_TYPE"}, fillConstraints},
		"routines": empty("SPECIFIC_NAME", "ROUTINE_CATALOG", "ROUTINE_SCHEMA", "ROUTINE_NAME", "ROUTINE_TYPE", "DTD_IDENTIFIER", "ROUTINE_BODY",
			"ROUTINE_DEFINITION", "ROUTINE_COMMENT", "DEFINER"),
		"parameters": empty("SPECIFIC_CATALOG", "SPECIFIC_SCHEMA", "SPECIFIC_NAME", "ORDINAL_POSITION#", "PARAMETER_MODE", "PARAMETER_NAME", "DATA_TYPE",
			"CHARACTER_MAXIMUM_LENGTH#", "CHARACTER_OCTET_LENGTH#", "NUMERIC_PRECISION#", "NUMERIC_SCALE#", "DATETIME_PRECISION#", "CHARACTER_SET_NAME",
			"COLLATION_NAME", "DTD_IDENTIFIER", "ROUTINE_TYPE"),
		"triggers": empty("TRIGGER_CATALOG", "TRIGGER_SCHEMA", "TRIGGER_NAME", "EVENT_MANIPULATION", "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE",
			"ACTION_STATEMENT", "ACTION_TIMING", "CREATED"),
		"events": empty("EVENT_CATALOG", "EVENT_SCHEMA", "EVENT_NAME", "DEFINER", "TIME_ZONE", "EVENT_BODY", "EVENT_DEFINITION", "STATUS", "CREATED"),
		"partitions": empty("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "PARTITION_NAME", "SUBPARTITION_NAME", "PARTITION_METHOD", "PARTITION_EXPRESSION",
			"PARTITION_DESCRIPTION", "TABLE_ROWS#", "CREATE_TIME"),
		"schema_privileges":  empty("GRANTEE", "TABLE_CATALOG", "TABLE_SCHEMA", "PRIVILEGE_TYPE", "IS_GRANTABLE"),
		"table_privileges":   empty("GRANTEE", "TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "PRIVILEGE_TYPE", "IS_GRANTABLE"),
		"column_privileges":  empty("GRANTEE", "TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "PRIVILEGE_TYPE", "IS_GRANTABLE"),
		"user_privileges":    empty("GRANTEE", "TABLE_CATALOG", "PRIVILEGE_TYPE", "IS_GRANTABLE"),
		"applicable_roles":   empty("USER", "HOST", "GRANTEE", "ROLE_NAME", "IS_GRANTABLE"),
		"loads":              {loadColumns, fillLoads},
		"load_tracking_logs": {[]string{"ID#", "JOB_ID#", "LABEL", "DATABASE_NAME", "TRACKING_LOG", "TYPE"}, fillTrackingLogs},
		"materialized_views": empty("TABLE_SCHEMA", "TABLE_NAME", "REFRESH_TYPE", "IS_ACTIVE", "MATERIALIZED_VIEW_DEFINITION"),
	}
}

// grants are the tables of MySQL's own database that drivers ask for
// privileges. They are empty, and SHOW DATABASES does not list the database.
var grants = map[string]view{
	"tables_priv":  {[]string{"HOST", "DB", "USER", "TABLE_NAME", "GRANTOR", "TIMESTAMP", "TABLE_PRIV", "COLUMN_PRIV"}, fillNothing},
	"columns_priv": {[]string{"HOST", "DB", "USER", "TABLE_NAME", "COLUMN_NAME", "TIMESTAMP", "COLUMN_PRIV", "GRANTOR"}, fillNothing},
}

func fillNothing(context.Context, *session, string, wanted, *relation) error { return nil }

// system tells the databases that the server itself fills.
func system(db string) bool { return viewsOf(db) != nil }

func viewsOf(db string) map[string]view {
	switch strings.ToLower(db) {
	case "information_schema":
		return views
	case "mysql":
		return grants
	}
	return nil
}

// systemTables lists a system database's tables by name.
func systemTables(db string) []string {
	views := viewsOf(db)
	names := make([]string, 0, len(views))
	for n := range views {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// information is one view as a lake.Table: its scan has no objects.
type information struct {
	c    *session
	cat  string
	view view
}

func (c *session) informationTable(n tableName) (lake.Table, error) {
	if c.pg != nil {
		return c.redshiftTable(n)
	}
	v, found := viewsOf(n.database)[strings.ToLower(n.table)]
	if !found {
		return nil, unknownTable(n)
	}
	return &information{c, n.catalog, v}, nil
}

func (c *session) describeInformation(n tableName) (*described, error) {
	t, err := c.informationTable(n)
	if err != nil {
		return nil, err
	}
	d := &described{name: n, def: &definition{}}
	for _, col := range t.Schema().Columns {
		d.columns = append(d.columns, describedColumn{Column: col, text: dialect.TypeName(col.Type, false), null: true})
	}
	return d, nil
}

// Schema implements lake.Table.
func (t *information) Schema() lake.Schema { return lake.Schema{Columns: columns(t.view.columns...)} }

// Plan implements lake.Table.
func (t *information) Plan(ctx context.Context, n lake.Need) (lake.Scan, error) {
	r := &relation{columns: columns(t.view.columns...)}
	var want wanted
	for _, f := range n.Filters {
		if f.Op != lake.Eq && (f.Op != lake.In || len(f.Values) != 1) {
			continue
		}
		switch strings.ToUpper(f.Column) {
		case "TABLE_SCHEMA", "SCHEMA_NAME":
			want.database = f.Values[0]
		case "TABLE_NAME":
			want.table = f.Values[0]
		}
	}
	if err := t.view.fill(ctx, t.c, t.cat, want, r); err != nil {
		return lake.Scan{}, err
	}
	return lake.Scan{SQL: func([]string, []string) string { return r.query() }}, nil
}

// catalogName is what the CATALOG columns say.
func catalogName(cat string) string {
	if cat == catalog.Internal {
		return "def"
	}
	return cat
}

func fillSchemata(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	names, err := c.databases(ctx, cat)
	for _, n := range names {
		r.add(catalogName(cat), n, "utf8", "utf8_general_ci", nil)
	}
	return err
}

// eachTable calls f with every table that is wanted. A database or table that
// is gone or refused is left out: one broken table must not hide the others.
func eachTable(ctx context.Context, c *session, cat string, want wanted, f func(db, table string) error) error {
	dbs := []string{want.database}
	if want.database == "" {
		var err error
		if dbs, err = c.databases(ctx, cat); err != nil {
			return err
		}
	}
	for _, db := range dbs {
		names, _, err := c.tables(ctx, cat, db)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			continue
		}
		for _, n := range names {
			if want.table != "" && !strings.EqualFold(n, want.table) {
				continue
			}
			if err := f(db, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func fillTables(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	return eachTable(ctx, c, cat, want, func(db, table string) error {
		kind, eng, comment := "BASE TABLE", "StarRocks", ""
		if system(db) {
			kind, eng = "SYSTEM VIEW", "MEMORY"
		} else if cat == catalog.Internal { // an external table's would cost a call each
			t, err := c.describeInternal(ctx, tableName{catalog: cat, database: db, table: table})
			if err != nil {
				return err
			}
			kind, comment = t.kind(), t.comment
		}
		r.add(catalogName(cat), db, table, kind, eng, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, "utf8_general_ci", nil, nil, comment)
		return nil
	})
}

func fillColumnsView(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	return eachDescribed(ctx, c, cat, want, func(t *described) {
		for i, col := range t.columns {
			text := col.text
			if col.Type.Kind == lake.HugeInt {
				text = "bigint(20) unsigned" // as StarRocks presents LARGEINT here
			}
			var chars, precision, scale, fraction, charset any
			switch col.Type.Kind {
			case lake.Varchar:
				chars, charset = charLength(text), "utf8"
			case lake.Decimal:
				precision, scale = int(col.Type.Width), int(col.Type.Scale)
			case lake.Timestamp:
				fraction = 6
			default:
				if digits, number := digits[col.Type.Kind]; number {
					precision, scale = digits, 0
				}
			}
			r.add(catalogName(cat), t.name.database, t.name.table, col.Name, i+1, value(col.def), yes(col.null), baseType(text), chars, chars, precision, scale,
				fraction, charset, collation(col), text, t.keyKind(col), col.extra(), "", col.Comment, precision, scale, col.expression(), nil)
		}
	})
}

// digits are the precisions of the integers.
var digits = map[lake.Kind]int{lake.TinyInt: 3, lake.SmallInt: 5, lake.Integer: 10, lake.BigInt: 19, lake.HugeInt: 20}

// baseType is a type without its parameters: decimal of decimal(10, 2), bigint
// unsigned of bigint(20) unsigned.
func baseType(text string) string {
	base, rest, found := strings.Cut(text, "(")
	if nested, _, is := strings.Cut(base, "<"); is {
		return nested
	}
	if _, after, closed := strings.Cut(rest, ")"); found && closed {
		return base + after
	}
	return base
}

// eachDescribed calls f with every wanted table that can be described.
func eachDescribed(ctx context.Context, c *session, cat string, want wanted, f func(t *described)) error {
	return eachTable(ctx, c, cat, want, func(db, table string) error {
		t, err := c.describeTable(ctx, tableName{catalog: cat, database: db, table: table})
		if err != nil {
			if ctx.Err() != nil || sqlerr.Is(err, sqlerr.Internal) {
				return err
			}
			return nil
		}
		f(t)
		return nil
	})
}

// eachKeyed calls f with every wanted table whose rows have an identity. No
// external table has one.
func eachKeyed(ctx context.Context, c *session, cat string, want wanted, f func(t *described)) error {
	if cat != catalog.Internal {
		return nil
	}
	return eachDescribed(ctx, c, cat, want, func(t *described) {
		if t.uniqueKey() != nil {
			f(t)
		}
	})
}

func fillViews(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	if cat != catalog.Internal {
		return nil
	}
	return eachDescribed(ctx, c, cat, want, func(t *described) {
		if t.isView() {
			r.add(catalogName(cat), t.name.database, t.name.table, t.def.View.Text, "NONE", "NO", "", "", "utf8", "utf8_general_ci")
		}
	})
}

func fillStatistics(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	return eachKeyed(ctx, c, cat, want, func(t *described) {
		for i, key := range t.uniqueKey() {
			r.add(catalogName(cat), t.name.database, t.name.table, 0, t.name.database, "PRIMARY", i+1, key, "A", nil, nil, nil, "", "BTREE", "")
		}
	})
}

func fillKeyColumns(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	return eachKeyed(ctx, c, cat, want, func(t *described) {
		for i, key := range t.uniqueKey() {
			r.add(catalogName(cat), t.name.database, "PRIMARY", catalogName(cat), t.name.database, t.name.table, key, i+1, nil, nil, nil, nil)
		}
	})
}

func fillConstraints(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	return eachKeyed(ctx, c, cat, want, func(t *described) {
		r.add(catalogName(cat), t.name.database, "PRIMARY", t.name.database, t.name.table, "PRIMARY KEY")
	})
}

// reserved are the words that StarRocks allows as names in backquotes only
// (starrocks.io, "Keywords").
const reserved = `ADD ALL ALTER ANALYZE AND ARRAY AS ASC BETWEEN BIGINT BITMAP BOTH BY CASE CHAR CHARACTER CHECK COLLATE COLUMN COMPACTION CONVERT
CREATE CROSS CUBE CURRENT_DATE CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DATABASE DATABASES DECIMAL DECIMALV2 DECIMAL32 DECIMAL64
DECIMAL128 DEFAULT DEFERRED DELETE DENSE_RANK DESC DESCRIBE DISTINCT DOUBLE DROP DUAL ELSE EXCEPT EXISTS EXPLAIN FALSE FIRST_VALUE FLOAT FOR FORCE
FROM FULL FUNCTION GRANT GROUP GROUPING GROUPING_ID GROUPS HAVING HLL HOST IF IGNORE IMMEDIATE IN INDEX INFILE INNER INSERT INT INTEGER INTERSECT
INTO IS JOIN JSON KEY KEYS KILL LAG LARGEINT LAST_VALUE LATERAL LEAD LEFT LIKE LIMIT LOAD LOCALTIME LOCALTIMESTAMP MAXVALUE MINUS MOD NOT NTILE NULL
ON OR ORDER OUTER OUTFILE OVER PARTITION PERCENTILE PRIMARY PROCEDURE QUALIFY RANGE RANK READ REGEXP RELEASE RENAME REPLACE REVOKE RIGHT RLIKE ROW
ROWS ROW_NUMBER SCHEMA SCHEMAS SELECT SET SET_VAR SHOW SMALLINT SYSTEM TABLE TERMINATED TEXT THEN TINYINT TO TRUE UNION UNIQUE UNSIGNED UPDATE USE
USING VALUES VARCHAR WHEN WHERE WITH`

func fillKeywords(_ context.Context, _ *session, _ string, _ wanted, r *relation) error {
	for word := range strings.FieldsSeq(reserved) {
		r.add(word, 1)
	}
	return nil
}

func charLength(text string) any {
	_, rest, found := strings.Cut(text, "(")
	n := 0
	for _, d := range strings.TrimSuffix(rest, ")") {
		if d < '0' || d > '9' {
			return nil
		}
		n = n*10 + int(d-'0')
	}
	if !found {
		return nil
	}
	return n
}

func fillTablesConfig(ctx context.Context, c *session, cat string, want wanted, r *relation) error {
	if cat != catalog.Internal {
		return nil
	}
	models := map[string]string{"DUPLICATE": "DUP_KEYS", "PRIMARY": "PRI_KEYS", "UNIQUE": "UNQ_KEYS"}
	names := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return "`" + strings.Join(list, "`, `") + "`"
	}
	return eachDescribed(ctx, c, cat, want, func(t *described) {
		d := t.def
		if t.name.informationSchema() || t.isView() {
			return
		}
		spread, buckets, _ := strings.Cut(d.distributed(), " BUCKETS ")
		kind, by, _ := strings.Cut(spread, "(")
		count, _ := strconv.Atoi(buckets)
		props := map[string]string{}
		for _, p := range d.Properties {
			props[p[0]] = p[1]
		}
		text, _ := json.Marshal(props) // strings always can be
		sorted := d.OrderBy
		if len(sorted) == 0 {
			sorted = d.Keys
		}
		r.add(t.name.database, t.name.table, "OLAP", models[d.Model], names(t.uniqueKey()), d.Partition, strings.TrimSuffix(by, ")"), kind, count, names(sorted), string(text), nil)
	})
}

func fillVariables(_ context.Context, c *session, _ string, _ wanted, r *relation) error {
	for _, n := range variableNames() {
		r.add(n, c.vars.get(n))
	}
	return nil
}

func fillGlobals(_ context.Context, c *session, _ string, _ wanted, r *relation) error {
	for _, n := range variableNames() {
		r.add(n, c.srv.globals.get(n))
	}
	return nil
}
