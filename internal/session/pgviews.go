package session

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/lake"
	"lakeport/internal/wire/pg"
)

// redshiftViews are the tables of pg_catalog by name. Those without fill are
// empty: lakeport has no such objects.
var redshiftViews map[string]redshiftView

// informationViews are the tables of information_schema on a PostgreSQL session.
var informationViews map[string]redshiftView

func init() { // the table and what fills it refer to each other
	redshiftViews = map[string]redshiftView{
		"pg_namespace": {columns: "oid:oid nspname nspowner:oid nspacl:text[]", fill: fillNamespaces},
		"pg_class": {columns: `oid:oid relname relnamespace:oid reltype:oid reloftype:oid relowner:oid relam:oid relfilenode:oid reltablespace:oid relpages:int
			reltuples:float reltoastrelid:oid relhasindex:bool relisshared:bool relpersistence relkind relnatts:int2 relchecks:int2 relhasoids:bool relhaspkey:bool
			relhasrules:bool relhastriggers:bool relhassubclass:bool relrowsecurity:bool relforcerowsecurity:bool relispartition:bool relreplident
			relacl:text[] reloptions:text[] relpartbound reldiststyle:int`, fill: fillClasses},
		"pg_attribute": {columns: `attrelid:oid attname atttypid:oid attstattarget:int attlen:int2 attnum:int2 attndims:int atttypmod:int attbyval:bool attstorage attalign
			attnotnull:bool atthasdef:bool attisdropped:bool attislocal:bool attinhcount:int attcollation:oid attacl:text[] attoptions:text[] attidentity attgenerated
			attcompression attencodingtype:int attisdistkey:bool attsortkeyord:int`, fill: fillAttributes},
		"pg_type": {columns: `oid:oid typname typnamespace:oid typowner:oid typlen:int2 typbyval:bool typtype typcategory typispreferred:bool typisdefined:bool typdelim
			typrelid:oid typelem:oid typarray:oid typinput typoutput typreceive typnotnull:bool typbasetype:oid typtypmod:int typndims:int typcollation:oid typdefault`, fill: fillTypes},
		"pg_attrdef":     {columns: "oid:oid adrelid:oid adnum:int2 adbin adsrc", fill: fillDefaults},
		"pg_description": {columns: "objoid:oid classoid:oid objsubid:int description", fill: fillDescriptions},
		"pg_database":    {columns: "oid:oid datname datdba:oid encoding:int datcollate datctype datistemplate:bool datallowconn:bool datconnlimit:int datlastsysoid:oid datacl:text[] datlocprovider daticulocale datconfig:text[]", fill: fillDatabases},
		"pg_roles":       {columns: "oid:oid rolname rolsuper:bool rolinherit:bool rolcreaterole:bool rolcreatedb:bool rolcanlogin:bool rolreplication:bool rolbypassrls:bool rolconnlimit:int rolpassword rolvaliduntil:ts rolconfig:text[]", fill: fillRoles},
		"pg_user":        {columns: "usename usesysid:oid usecreatedb:bool usesuper:bool usecatupd:bool passwd valuntil:ts useconfig:text[]", fill: fillUsers},
		"pg_constraint": {columns: `oid:oid conname connamespace:oid contype condeferrable:bool condeferred:bool convalidated:bool conrelid:oid contypid:oid conindid:oid
			conparentid:oid confrelid:oid confupdtype confdeltype confmatchtype conislocal:bool coninhcount:int conkey:int2[] confkey:int2[] conbin consrc`, fill: fillKeyConstraints},
		"pg_tables":              {columns: "schemaname tablename tableowner tablespace hasindexes:bool hasrules:bool hastriggers:bool", fill: fillPgTables},
		"pg_views":               {columns: "schemaname viewname viewowner definition", fill: fillPgViews},
		"pg_settings":            {columns: "name setting unit category short_desc extra_desc context vartype source min_val max_val", fill: fillSettings},
		"pg_tablespace":          {columns: "oid:oid spcname spcowner:oid spcacl:text[] spcoptions:text[]"},
		"pg_table_def":           {columns: "schemaname tablename column type encoding distkey:bool sortkey:int notnull:bool", fill: fillTableDef},
		"svv_tables":             {columns: "table_catalog table_schema table_name table_type remarks", fill: fillSvvTables},
		"svv_columns":            {columns: "table_catalog table_schema table_name column_name ordinal_position:int column_default is_nullable data_type character_maximum_length:int numeric_precision:int numeric_precision_radix:int numeric_scale:int datetime_precision:int interval_type interval_precision character_set_catalog character_set_schema character_set_name collation_catalog collation_schema collation_name domain_name remarks", fill: fillSvvColumns},
		"svv_all_schemas":        {columns: "database_name schema_name schema_owner:int schema_type schema_acl source_database schema_option", fill: fillAllSchemas},
		"svv_redshift_databases": {columns: "database_name database_owner:int database_type database_acl database_options database_isolation_level", fill: fillRedshiftDatabases},
		"pg_cursors":             {columns: "name statement is_holdable:bool is_binary:bool is_scrollable:bool creation_time:ts", fill: fillCursors},
		"stl_load_errors": {columns: `userid:int slice:int tbl:oid starttime:timestamp session:oid query:oid filename line_number:oid colname type col_length position:int
			raw_line raw_field_value err_code:int err_reason is_partial:int start_offset:oid copy_job_id:oid`, fill: fillLoadErrors},
		"sys_load_error_detail": {columns: `user_id:int query_id:oid transaction_id:oid session_id:oid database_name table_id:oid start_time:timestamp file_name line_number:oid
			column_name column_type column_length position:int error_code:int error_message`, fill: fillErrorDetail},
		"stl_load_commits": {columns: `userid:int query:oid slice:int name filename byte_offset:oid lines_scanned:oid errors:oid curtime:timestamp status:int file_format
			is_partial:int start_offset:oid copy_job_id:oid`, fill: fillLoadCommits},
		"pg_stat_activity":     {columns: "datid:oid datname pid:int usesysid:oid usename application_name client_addr backend_start:ts query_start:ts state query", fill: fillStatActivity},
		"stv_sessions":         {columns: "starttime:timestamp process:int user_name db_name timeout_sec:int", fill: fillSessions},
		"stv_recents":          {columns: "userid:int status starttime:timestamp duration:oid user_name db_name query pid:int", fill: fillRecents},
		"stv_inflight":         {columns: "userid:int slice:int query:int label xid:oid pid:int starttime:timestamp text suspended:int", fill: fillInflight},
		"svv_all_tables":       {columns: "database_name schema_name table_name table_acl table_type remarks", fill: fillAllTables},
		"svv_redshift_tables":  {columns: "database_name schema_name table_name table_acl table_type remarks", fill: fillAllTables},
		"svv_all_columns":      {columns: "database_name schema_name table_name column_name ordinal_position:int column_default is_nullable data_type character_maximum_length:int numeric_precision:int numeric_scale:int remarks", fill: fillAllColumns},
		"svv_redshift_columns": {columns: "database_name schema_name table_name column_name ordinal_position:int data_type column_default is_nullable encoding distkey:bool sortkey:int column_acl remarks", fill: fillRedshiftColumns},
		"svv_redshift_schemas": {columns: "database_name schema_name schema_owner:int schema_type schema_acl schema_option", fill: fillRedshiftSchemas},
		"lakeport_visible":     {columns: "oid:oid", fill: fillVisible},
	}
	for name, columns := range map[string]string{
		"pg_proc_info": "oid:oid prooid:oid proname pronamespace:oid prokind prorettype:oid proargtypes:oid[] proallargtypes:oid[] proargmodes:text[] proargnames:text[]",
		"pg_index_columns": `indexrelid:oid indrelid:oid indnatts:int2 indisunique:bool indisprimary:bool indisexclusion:bool indimmediate:bool indisclustered:bool
			indisvalid:bool indcheckxmin:bool indisready:bool indislive:bool indisreplident:bool indkey:int2[] indcollation:oid[] indclass:oid[] indoption:int2[] indexprs indpred`,
		"pg_proc": `oid:oid proname pronamespace:oid proowner:oid prolang:oid procost:float prorows:float prokind proisagg:bool proiswindow:bool prosecdef:bool
			proisstrict:bool proretset:bool provolatile pronargs:int2 prorettype:oid proargtypes:oid[] proallargtypes:oid[] proargmodes:text[] proargnames:text[] prosrc proacl:text[]`,
		"pg_am":                   "oid:oid amname amhandler amtype",
		"pg_auth_members":         "roleid:oid member:oid grantor:oid admin_option:bool",
		"pg_inherits":             "inhrelid:oid inhparent:oid inhseqno:int inhdetachpending:bool",
		"pg_trigger":              "oid:oid tgrelid:oid tgparentid:oid tgname tgfoid:oid tgtype:int2 tgenabled tgisinternal:bool tgconstrrelid:oid tgconstrindid:oid tgconstraint:oid tgdeferrable:bool tginitdeferred:bool",
		"pg_rewrite":              "oid:oid rulename ev_class:oid ev_type ev_enabled is_instead:bool",
		"pg_rules":                "schemaname tablename rulename definition",
		"pg_policy":               "oid:oid polname polrelid:oid polcmd polpermissive:bool polroles:oid[] polqual polwithcheck",
		"pg_extension":            "oid:oid extname extowner:oid extnamespace:oid extrelocatable:bool extversion",
		"pg_collation":            "oid:oid collname collnamespace:oid collowner:oid collprovider collencoding:int",
		"pg_enum":                 "oid:oid enumtypid:oid enumsortorder:float enumlabel",
		"pg_range":                "rngtypid:oid rngsubtype:oid rngmultitypid:oid rngcollation:oid",
		"pg_depend":               "classid:oid objid:oid objsubid:int refclassid:oid refobjid:oid refobjsubid:int deptype",
		"pg_shdescription":        "objoid:oid classoid:oid description",
		"pg_foreign_table":        "ftrelid:oid ftserver:oid ftoptions:text[]",
		"pg_foreign_server":       "oid:oid srvname srvowner:oid srvfdw:oid srvtype srvversion srvacl:text[] srvoptions:text[]",
		"pg_sequence":             "seqrelid:oid seqtypid:oid seqstart:oid seqincrement:oid seqmax:oid seqmin:oid seqcache:oid seqcycle:bool",
		"pg_group":                "groname grosysid:oid grolist:oid[]",
		"pg_matviews":             "schemaname matviewname matviewowner tablespace hasindexes:bool ispopulated:bool definition",
		"pg_indexes":              "schemaname tablename indexname tablespace indexdef",
		"pg_operator":             "oid:oid oprname oprnamespace:oid oprkind oprleft:oid oprright:oid oprresult:oid oprcode",
		"pg_language":             "oid:oid lanname lanowner:oid lanispl:bool lanpltrusted:bool",
		"pg_conversion":           "oid:oid conname connamespace:oid",
		"pg_cast":                 "oid:oid castsource:oid casttarget:oid castfunc:oid castcontext",
		"pg_aggregate":            "aggfnoid:oid aggkind",
		"pg_opclass":              "oid:oid opcmethod:oid opcname opcnamespace:oid opcowner:oid opcintype:oid opcdefault:bool opckeytype:oid",
		"svv_external_databases":  "eskind:int esoptions databasename location parameters",
		"svv_external_partitions": "schemaname tablename values location input_format output_format serialization_lib serde_parameters compressed:int parameters",
		"pg_locks":                "locktype database:oid relation:oid pid:int mode granted:bool",
		"pg_external_schema":      "esoid:oid eskind:int esdbname esoptions",
		"svv_external_schemas":    "esoid:oid eskind:int2 schemaname esowner:int databasename esoptions",
		"svv_external_tables":     "redshift_database_name schemaname tablename tabletype location input_format output_format serialization_lib serde_parameters compressed:int parameters",
		"svv_external_columns":    "redshift_database_name schemaname tablename columnname external_type columnnum:int part_key:int is_nullable",
	} {
		redshiftViews[name] = redshiftView{columns: columns}
	}
	redshiftViews["pg_index"] = redshiftView{columns: redshiftViews["pg_index_columns"].columns, fill: fillIndexes}
	delete(redshiftViews, "pg_index_columns")
	informationViews = map[string]redshiftView{
		"schemata":                {columns: "catalog_name schema_name schema_owner default_character_set_catalog default_character_set_schema default_character_set_name sql_path", fill: fillPgSchemata},
		"tables":                  {columns: "table_catalog table_schema table_name table_type self_referencing_column_name reference_generation is_insertable_into is_typed commit_action", fill: fillInformationTables},
		"columns":                 {columns: redshiftViews["svv_columns"].columns + " udt_catalog udt_schema udt_name is_identity is_generated is_updatable", fill: fillSvvColumns},
		"views":                   {columns: "table_catalog table_schema table_name view_definition check_option is_updatable", fill: fillInformationViews},
		"table_constraints":       {columns: "constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name constraint_type is_deferrable initially_deferred", fill: fillTableConstraints},
		"key_column_usage":        {columns: "constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name column_name ordinal_position:int position_in_unique_constraint:int", fill: fillKeyUsage},
		"referential_constraints": {columns: "constraint_catalog constraint_schema constraint_name unique_constraint_catalog unique_constraint_schema unique_constraint_name match_option update_rule delete_rule"},
		"routines":                {columns: "specific_catalog specific_schema specific_name routine_catalog routine_schema routine_name routine_type data_type routine_definition"},
		"constraint_column_usage": {columns: "table_catalog table_schema table_name column_name constraint_catalog constraint_schema constraint_name", fill: fillConstraintUsage},
	}
}

func fillNamespaces(ctx context.Context, c *session, _ wanted, r *relation) error {
	names, err := c.pgSchemas(ctx)
	for _, n := range names {
		r.add(c.schemaOID(n), n, oidRoot)
	}
	return err
}

func fillClasses(ctx context.Context, c *session, want wanted, r *relation) error {
	add := func(schema, table, kind string, columns int) {
		r.add(c.tableOID(schema, table), table, c.schemaOID(schema), 0, 0, oidRoot, 0, 0, 0, 0, 0, 0, false, false, "p", kind, columns, 0, false, false,
			false, false, false, false, false, false, "d", nil, nil, nil, 0)
	}
	for name, v := range redshiftViews {
		if name != "lakeport_visible" {
			add("pg_catalog", name, "v", len(v.lakeColumns()))
		}
	}
	for name, v := range informationViews {
		add("information_schema", name, "v", len(v.lakeColumns()))
	}
	err := c.eachKey(ctx, want, func(schema, table string, _ *described, key []string) {
		r.add(c.indexOID(schema, table), table+"_pkey", c.schemaOID(schema), 0, 0, oidRoot, 0, 0, 0, 0, 0, 0, false, false, "p", "i", len(key), 0, false, false,
			false, false, false, false, false, false, "n", nil, nil, nil, 0)
	})
	if err != nil {
		return err
	}
	return c.eachRelation(ctx, want, false, func(schema, table, kind string, _ *described) error {
		add(schema, table, kind, 0)
		return nil
	})
}

// indexOID numbers the index by which a primary key shows: drivers look for the
// key's columns there.
func (c *session) indexOID(schema, table string) int64 {
	return c.srv.oids.of("index", c.catalog, schema, table)
}

func (t *described) keyNumbers(key []string) []int {
	numbers := make([]int, len(key))
	for i, k := range key {
		numbers[i] = t.numberOf(k)
	}
	return numbers
}

func fillIndexes(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachKey(ctx, want, func(schema, table string, t *described, key []string) {
		r.add(c.indexOID(schema, table), c.tableOID(schema, table), len(key), true, true, false, true, false, true, false, true, true, false, t.keyNumbers(key), nil, nil,
			make([]int, len(key)), nil, nil)
	})
}

// fillVisible lists the tables that a name without a schema means.
func fillVisible(ctx context.Context, c *session, _ wanted, r *relation) error {
	for name := range redshiftViews {
		r.add(c.tableOID("pg_catalog", name))
	}
	seen := map[string]bool{}
	for _, schema := range c.schemas() {
		if c.catalog == catalog.Internal {
			if found, err := c.hasSchema(ctx, schema); err != nil || !found {
				continue
			}
		}
		err := c.eachOf(ctx, schema, wanted{}, false, func(_, table, _ string, _ *described) error {
			if !seen[table] {
				seen[table] = true
				r.add(c.tableOID(schema, table))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func fillAttributes(ctx context.Context, c *session, want wanted, r *relation) error {
	add := func(oid int64, number int, col describedColumn, notNull bool) {
		info := pg.Describe(col.Type)
		storage := "p"
		if info.Size < 0 {
			storage = "x"
		}
		r.add(oid, col.Name, int64(info.OID), -1, int(info.Size), number, 0, typeModifier(col), info.Size > 0 && info.Size <= 8, storage, "i",
			notNull, col.def != nil, false, true, 0, 0, nil, nil, "", "", "", 0, false, 0)
	}
	err := c.eachKey(ctx, wanted{database: want.database, table: want.table}, func(schema, table string, t *described, key []string) {
		for i, n := range t.keyNumbers(key) {
			add(c.indexOID(schema, table), i+1, t.columns[n-1], false)
		}
	})
	if err != nil {
		return err
	}
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		for i, col := range t.columns {
			add(c.tableOID(schema, table), i+1, col, !col.null)
		}
		return nil
	})
}

func fillTypes(_ context.Context, _ *session, _ wanted, r *relation) error {
	for _, t := range pgTypes {
		input := t.name + "in"
		if t.category == "A" {
			input = "array_in"
		}
		r.add(int64(t.oid), t.name, oidPgCatalog, oidRoot, t.size, t.size > 0 && t.size <= 8, "b", t.category, false, true, ",", 0, int64(t.elem), int64(t.array),
			input, strings.TrimSuffix(input, "in")+"out", strings.TrimSuffix(input, "in")+"recv", false, 0, -1, 0, 0, nil)
	}
	return nil
}

func fillDefaults(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		for i, col := range t.columns {
			if col.def != nil {
				r.add(c.srv.oids.of("default", c.catalog, schema, table, col.Name), c.tableOID(schema, table), i+1, *col.def, *col.def)
			}
		}
		return nil
	})
}

func fillDescriptions(ctx context.Context, c *session, want wanted, r *relation) error {
	if c.catalog != catalog.Internal { // it would cost a call for every table
		return nil
	}
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		if t.comment != "" {
			r.add(c.tableOID(schema, table), systemClasses["pg_class"], 0, t.comment)
		}
		for i, col := range t.columns {
			if col.Comment != "" {
				r.add(c.tableOID(schema, table), systemClasses["pg_class"], i+1, col.Comment)
			}
		}
		return nil
	})
}

// catalogNames are the databases that a client can connect to.
func (c *session) catalogNames() []string {
	names := []string{catalog.Internal}
	for _, ext := range c.srv.catalogs.All() {
		names = append(names, ext.Definition().Name)
	}
	return names
}

func fillDatabases(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, n := range c.catalogNames() {
		r.add(c.srv.oids.of("database", n), n, oidRoot, 6, "C", "C", false, true, -1, 0, nil, "c", nil, nil)
	}
	return nil
}

func fillRedshiftDatabases(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, n := range c.catalogNames() {
		r.add(n, oidRoot, "local", nil, nil, "Snapshot Isolation")
	}
	return nil
}

func fillRoles(_ context.Context, c *session, _ wanted, r *relation) error {
	r.add(oidRoot, c.user, true, true, true, true, true, false, true, -1, "********", nil, nil)
	return nil
}

func fillUsers(_ context.Context, c *session, _ wanted, r *relation) error {
	r.add(c.user, oidRoot, true, true, true, "********", nil, nil)
	return nil
}

// primaryKey gives the columns that a table's definition calls its key: by
// StarRocks' models they replace each other, by Redshift's they are told only.
func (t *described) primaryKey() []string {
	if key := t.uniqueKey(); key != nil || t.def == nil {
		return key
	}
	return t.def.Informational
}

// eachKey calls f with every table that has a primary key.
func (c *session) eachKey(ctx context.Context, want wanted, f func(schema, table string, t *described, key []string)) error {
	if c.catalog != catalog.Internal {
		return nil
	}
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		if key := t.primaryKey(); len(key) > 0 {
			f(schema, table, t, key)
		}
		return nil
	})
}

func (t *described) numberOf(column string) int {
	return 1 + slices.IndexFunc(t.columns, func(c describedColumn) bool { return strings.EqualFold(c.Name, column) })
}

func fillKeyConstraints(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachKey(ctx, want, func(schema, table string, t *described, key []string) {
		r.add(c.srv.oids.of("key", c.catalog, schema, table), table+"_pkey", c.schemaOID(schema), "p", false, false, true, c.tableOID(schema, table), 0, c.indexOID(schema, table), 0, 0,
			" ", " ", " ", true, 0, t.keyNumbers(key), nil, nil, nil)
	})
}

func fillTableConstraints(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachKey(ctx, want, func(schema, table string, _ *described, _ []string) {
		r.add(c.catalog, schema, table+"_pkey", c.catalog, schema, table, "PRIMARY KEY", "NO", "NO")
	})
}

func fillKeyUsage(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachKey(ctx, want, func(schema, table string, _ *described, key []string) {
		for i, k := range key {
			r.add(c.catalog, schema, table+"_pkey", c.catalog, schema, table, k, i+1, nil)
		}
	})
}

func fillConstraintUsage(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachKey(ctx, want, func(schema, table string, _ *described, key []string) {
		for _, k := range key {
			r.add(c.catalog, schema, table, k, c.catalog, schema, table+"_pkey")
		}
	})
}

func fillPgTables(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, false, func(schema, table, kind string, _ *described) error {
		if kind != "v" {
			r.add(schema, table, c.user, nil, false, false, false)
		}
		return nil
	})
}

func (t *described) viewText() string {
	if t == nil || t.def == nil || t.def.View == nil {
		return ""
	}
	return t.def.View.Text
}

func fillPgViews(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachView(ctx, want, func(schema, table, text string) { r.add(schema, table, c.user, text) })
}

func fillInformationViews(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachView(ctx, want, func(schema, table, text string) { r.add(c.catalog, schema, table, text, "NONE", "NO") })
}

func (c *session) eachView(ctx context.Context, want wanted, f func(schema, table, text string)) error {
	if c.catalog != catalog.Internal {
		return nil
	}
	return c.eachRelation(ctx, want, true, func(schema, table, kind string, t *described) error {
		if kind == "v" {
			f(schema, table, t.viewText())
		}
		return nil
	})
}

func fillCursors(_ context.Context, c *session, _ wanted, r *relation) error {
	for name, cur := range c.pg.cursors {
		r.add(name, "", cur.hold, false, false, nil)
	}
	return nil
}

func fillSettings(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, n := range c.settingNames() {
		r.add(n, c.setting(n), nil, "", "", nil, "user", "string", "default", nil, nil)
	}
	return nil
}

func fillTableDef(ctx context.Context, c *session, want wanted, r *relation) error {
	for _, schema := range c.schemas() {
		want.database = schema
		err := c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
			for _, col := range t.columns {
				text := typeLong(col.Type)
				if n := typeModifier(col); n > 4 && col.Type.Kind == lake.Varchar {
					text += "(" + strconv.Itoa(n-4) + ")"
				} else if col.Type.Kind == lake.Decimal {
					text += "(" + strconv.Itoa(int(col.Type.Width)) + "," + strconv.Itoa(int(col.Type.Scale)) + ")"
				}
				r.add(schema, table, col.Name, text, "none", false, 0, !col.null)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tableKinds are information_schema's words for pg_class's letters.
var tableKinds = map[string]string{"r": "BASE TABLE", "v": "VIEW"}

func fillSvvTables(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, false, func(schema, table, kind string, _ *described) error {
		r.add(c.catalog, schema, table, tableKinds[kind], nil)
		return nil
	})
}

func fillInformationTables(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, false, func(schema, table, kind string, _ *described) error {
		r.add(c.catalog, schema, table, tableKinds[kind], nil, nil, yes(kind == "r"), "NO", nil)
		return nil
	})
}

func fillSvvColumns(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		for i, col := range t.columns {
			var chars, precision, radix, scale, fraction any
			switch col.Type.Kind {
			case lake.Varchar:
				if n := typeModifier(col); n > 4 {
					chars = n - 4
				}
			case lake.Decimal:
				precision, radix, scale = int(col.Type.Width), 10, int(col.Type.Scale)
			case lake.SmallInt, lake.Integer, lake.BigInt:
				precision, radix, scale = map[lake.Kind]int{lake.SmallInt: 16, lake.Integer: 32, lake.BigInt: 64}[col.Type.Kind], 2, 0
			case lake.Float, lake.Double:
				precision, radix = map[lake.Kind]int{lake.Float: 24, lake.Double: 53}[col.Type.Kind], 2
			case lake.Timestamp, lake.TimestampTZ, lake.Time:
				fraction = 6
			}
			name := ""
			for _, p := range pgTypes {
				if p.oid == pg.Describe(col.Type).OID {
					name = p.name
				}
			}
			r.add(c.catalog, schema, table, col.Name, i+1, value(col.def), yes(col.null), typeLong(col.Type), chars, precision, radix, scale, fraction,
				nil, nil, nil, nil, nil, nil, nil, nil, nil, nonEmpty(col.Comment), c.catalog, "pg_catalog", name, "NO", "NEVER", "YES")
		}
		return nil
	})
}

func nonEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func fillAllSchemas(ctx context.Context, c *session, _ wanted, r *relation) error {
	names, err := c.pgSchemas(ctx)
	for _, n := range names {
		r.add(c.catalog, n, oidRoot, "local", nil, nil, nil)
	}
	return err
}

func fillPgSchemata(ctx context.Context, c *session, _ wanted, r *relation) error {
	names, err := c.pgSchemas(ctx)
	for _, n := range names {
		r.add(c.catalog, n, c.user, nil, nil, nil, nil)
	}
	return err
}
