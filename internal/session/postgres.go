package session

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/dialect"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// A PostgreSQL session speaks Redshift's dialect. Its database is a catalog, its
// schemas are that catalog's databases, so that both ports name the same tables
// alike: catalog.database.table there, database.schema.table here.

// publicSchema is always there in default_catalog; the engine gets it with the
// first table in it.
const publicSchema = "public"

// redshiftVersion is what Redshift calls itself (redshift.md 7.3, 7.5: drivers
// read both and choose by them what they send).
const (
	redshiftServer  = "8.0.2"
	redshiftVersion = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.12103"
)

// postgres is what only a PostgreSQL session has.
type postgres struct {
	settings map[string]string // as set; the rest has its default
	path     []string          // search_path
	before   map[string]string // settings when the transaction began
	local    map[string]bool   // set by SET LOCAL
	failed   bool              // a statement of the open transaction failed
	company  company           // of the statement that runs
	readOnly bool              // of the open transaction
	implicit bool              // no BEGIN began the open transaction
	cursors  map[string]*namedCursor
	named    map[string]wire.Statement // of PREPARE

	lastCursor int // number of the one made last

	lastCopy, lastUnload int64 // ids of these statements; 0: there was none
	copied, unloaded     int64 // rows of them
}

// redshiftDefaults are the parameters that clients read or set (Redshift's
// "Configuration reference", PostgreSQL's "Server Configuration").
var redshiftDefaults = map[string]string{
	"server_version": redshiftServer, "server_encoding": "UTF8", "client_encoding": "UTF8", "datestyle": "ISO, MDY", "timezone": "UTC",
	"integer_datetimes": "on", "standard_conforming_strings": "on", "application_name": "", "session_authorization": "", "is_superuser": "on",
	"intervalstyle": "postgres", "search_path": `"$user", public`, "statement_timeout": "0", "extra_float_digits": "0", "client_min_messages": "notice",
	"bytea_output": "hex", "default_transaction_read_only": "off", "readonly": "off", "transaction_read_only": "off", "default_transaction_isolation": "serializable",
	"transaction_isolation": "serializable", "max_index_keys": "32", "max_identifier_length": "127", "query_group": "default", "lock_timeout": "0",
	"idle_in_transaction_session_timeout": "0", "enable_result_cache_for_session": "on", "enable_case_sensitive_identifier": "off",
	"wlm_query_slot_count": "1", "describe_field_name_in_uppercase": "off", "json_serialization_enable": "off", "role": "none",
	"row_security": "off", "synchronous_commit": "on", "analyze_threshold_percent": "10", "auto_analyze": "on", "datashare_break_glass_session_var": "",
	"enable_vacuum_boost": "off", "timezone_abbreviations": "Default", "use_fips_ssl": "off", "max_cursor_result_set_size": "default",
	"spectrum_enable_pseudo_columns": "on", "stored_proc_log_min_messages": "log", "downcase_delimited_identifier": "off", "jit": "off",
	"default_tablespace": "", "xmloption": "content", "check_function_bodies": "on",
}

// told are the parameters that clients are told of, by the names that they know.
var told = []string{"server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings",
	"application_name", "session_authorization", "is_superuser", "IntervalStyle"}

// constant are parameters that say what the server is.
var constant = map[string]bool{"server_version": true, "server_encoding": true, "integer_datetimes": true, "is_superuser": true, "max_index_keys": true,
	"max_identifier_length": true}

func (c *session) setting(name string) string {
	switch name {
	case "session_authorization":
		return c.user
	case "transaction_read_only":
		return map[bool]string{true: "on", false: "off"}[c.readOnly()]
	}
	if v, set := c.pg.settings[name]; set {
		return v
	}
	return redshiftDefaults[name]
}

// parameters are the settings that the client is told of.
func (c *session) parameters() map[string]string {
	if c.pg == nil {
		return nil
	}
	out := make(map[string]string, len(told))
	for _, name := range told {
		out[name] = c.setting(strings.ToLower(name))
	}
	return out
}

// beginPostgres readies a fresh session: its database, then the parameters of
// the startup message. Those that nobody knows are a driver's own.
func (c *session) beginPostgres(ctx context.Context, l wire.Login) error {
	if err := c.connectTo(ctx, l.Database); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.Attrs)) {
		switch name {
		case "user", "database", "replication":
			continue
		case "options":
			if err := c.startOptions(ctx, l.Attrs[name]); err != nil {
				return err
			}
			continue
		}
		if _, known := redshiftDefaults[strings.ToLower(name)]; !known || constant[strings.ToLower(name)] {
			continue
		}
		if err := c.change(ctx, strings.ToLower(name), l.Attrs[name]); err != nil {
			return err
		}
	}
	return nil
}

// connectTo chooses the catalog that a database's name means, or the schema of
// default_catalog. A client that names no database sends its user's name.
func (c *session) connectTo(ctx context.Context, database string) error {
	switch {
	case database == "" || database == c.user:
		c.setCurrent(catalog.Internal, "")
	case c.isCatalog(database):
		c.setCurrent(database, "")
	default:
		found, err := c.hasSchema(ctx, database)
		if err != nil {
			return err
		}
		if !found {
			return sqlerr.New(sqlerr.NotFound, "database \"%s\" does not exist", database).With(sqlerr.BadCatalog).
				WithHint("the databases are the catalogs: %s and those of CREATE EXTERNAL CATALOG", catalog.Internal)
		}
		c.setCurrent(catalog.Internal, "")
		return c.change(ctx, "search_path", lake.QuoteName(database))
	}
	return c.change(ctx, "search_path", redshiftDefaults["search_path"])
}

// startOptions reads -c name=value and --name=value of the startup message.
func (c *session) startOptions(ctx context.Context, text string) error {
	fields := strings.Fields(strings.ReplaceAll(text, `\ `, "\x00"))
	for i := 0; i < len(fields); i++ {
		option, isLong := strings.CutPrefix(fields[i], "--")
		if !isLong {
			var short bool
			if option, short = strings.CutPrefix(fields[i], "-c"); !short {
				return sqlerr.New(sqlerr.Unsupported, "the option %s of the startup message is not known", fields[i])
			}
			if option == "" && i+1 < len(fields) {
				i++
				option = fields[i]
			}
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(option, "\x00", " "), "=")
		name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
		if err := c.change(ctx, name, value); err != nil {
			return err
		}
	}
	return nil
}

// change sets a parameter for the session.
func (c *session) change(ctx context.Context, name, value string) error {
	if _, known := redshiftDefaults[name]; !known && !strings.Contains(name, ".") {
		names := slices.Sorted(maps.Keys(redshiftDefaults))
		e := sqlerr.New(sqlerr.NotFound, "unrecognized configuration parameter \"%s\"", name).With(sqlerr.UnknownVariable)
		if near := sqlerr.Nearest(name, names); near != "" {
			e.WithHint("did you mean %s?", near)
		}
		return e
	}
	if constant[name] {
		return sqlerr.New(sqlerr.Denied, "parameter \"%s\" cannot be changed", name).With(sqlerr.Code{State: "55P02"})
	}
	bad := sqlerr.New(sqlerr.Invalid, "invalid value for parameter \"%s\": \"%s\"", name, value).With(sqlerr.WrongValue)
	switch name {
	case "timezone":
		if err := applyTimeZone(ctx, c.conn, value); err != nil {
			return bad
		}
	case "client_encoding":
		if n := strings.ToUpper(strings.NewReplacer("-", "", "_", "", "'", "").Replace(value)); n != "UTF8" && n != "UNICODE" {
			return bad.WithHint("this server speaks UTF8 only")
		}
		value = "UTF8"
	case "datestyle":
		if !strings.HasPrefix(strings.ToUpper(value), "ISO") {
			return bad.WithHint("this server writes ISO dates only")
		}
		value = "ISO, MDY"
	case "intervalstyle", "bytea_output":
		if !strings.EqualFold(value, redshiftDefaults[name]) {
			return bad.WithHint("this server knows %s only", redshiftDefaults[name])
		}
	case "standard_conforming_strings":
		if on, known := truth(value); !known || !on {
			return bad.WithHint("a backslash in '…' is an ordinary character; write E'…'")
		}
		value = "on"
	case "transaction_read_only":
		on, known := truth(value)
		if !known {
			return bad
		}
		if c.inBlock() {
			c.pg.readOnly = on
		}
		return nil // it is no setting, but what the transaction is
	case "enable_case_sensitive_identifier", "default_transaction_read_only", "readonly":
		on, known := truth(value)
		if !known {
			return bad
		}
		value = map[bool]string{true: "on", false: "off"}[on]
	case "statement_timeout":
		limit, err := timeLimit(value)
		if err != nil {
			return bad
		}
		value = strconv.FormatInt(limit.Milliseconds(), 10)
	case "session_authorization":
		if value != c.user && value != "default" {
			return sqlerr.New(sqlerr.Denied, "permission denied to set session authorization")
		}
	case "role":
		if !strings.EqualFold(value, "none") {
			return sqlerr.New(sqlerr.NotFound, "role \"%s\" does not exist", value)
		}
	case "search_path":
		path, err := schemaList(value)
		if err != nil {
			return bad
		}
		c.pg.path = path
	}
	c.pg.settings[name] = value
	if name == "search_path" || name == "role" {
		return c.choosePath(ctx)
	}
	return nil
}

// truth reads a switch.
func truth(value string) (on, known bool) {
	switch strings.ToLower(value) {
	case "on", "true", "yes", "1", "t", "y":
		return true, true
	case "off", "false", "no", "0", "f", "n":
		return false, true
	}
	return false, false
}

// timeLimit reads a number of milliseconds, or one with a unit.
func timeLimit(value string) (time.Duration, error) {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(strings.NewReplacer("min", "m", " ", "").Replace(value))
	if err == nil && d < 0 {
		err = sqlerr.New(sqlerr.Invalid, "negative")
	}
	return d, err
}

// schemaList reads the value of search_path: names, quoted where they need it.
func schemaList(value string) ([]string, error) {
	tokens, err := syntax.Scan(value, syntax.Redshift)
	if err != nil {
		return nil, err
	}
	var path []string
	for i, t := range tokens {
		switch {
		case i%2 == 1 && t.Is(","):
		case i%2 == 1:
			return nil, sqlerr.New(sqlerr.Syntax, "expected a comma")
		case t.Kind == syntax.Word:
			path = append(path, strings.ToLower(t.Text))
		case t.Kind == syntax.Quoted, t.Kind == syntax.String:
			path = append(path, t.Value())
		default:
			return nil, sqlerr.New(sqlerr.Syntax, "expected a schema")
		}
	}
	return path, nil
}

// choosePath makes the first schema of the path that exists the current one. A
// schema that cannot be asked for, because the catalog refuses it, is passed.
func (c *session) choosePath(ctx context.Context) error {
	for _, schema := range c.schemas() {
		if schema == publicSchema && c.catalog == catalog.Internal || c.findDatabase(ctx, c.catalog, schema) == nil {
			c.setCurrent(c.catalog, schema)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c.setCurrent(c.catalog, "")
	return nil
}

// schemas are those of the path by name.
func (c *session) schemas() []string {
	out := make([]string, len(c.pg.path))
	for i, s := range c.pg.path {
		if out[i] = s; s == "$user" {
			out[i] = c.user
		}
	}
	return out
}

// searched fills in what a table's name leaves out. On a PostgreSQL session a
// name of one part is looked for along the path.
func (c *session) searched(ctx context.Context, parts []string) (tableName, error) {
	if c.pg == nil {
		return c.parts(parts)
	}
	if len(parts) == 1 {
		if _, found := redshiftViews[parts[0]]; found {
			return tableName{catalog: c.catalog, database: "pg_catalog", table: parts[0]}, nil
		}
		for _, schema := range c.schemas() {
			n := tableName{catalog: c.catalog, database: schema, table: parts[0]}
			found, err := c.tableExists(ctx, n)
			if err != nil {
				return n, err
			}
			if found {
				return n, nil
			}
		}
		return tableName{catalog: c.catalog, database: c.database, table: parts[0]}, sqlerr.New(sqlerr.NotFound, "relation \"%s\" does not exist", parts[0]).With(sqlerr.BadTable)
	}
	n, err := c.parts(parts)
	if err == nil && len(parts) == 2 && !c.system(n) && c.catalog == catalog.Internal {
		// Also catalog.table's look-alike of other engines: a schema that is a
		// catalog is a mistake worth a hint.
		if found, _ := c.hasSchema(ctx, n.database); !found && n.database != publicSchema && c.isCatalog(n.database) {
			return n, sqlerr.New(sqlerr.NotFound, "schema \"%s\" does not exist", n.database).With(sqlerr.BadDB).
				WithHint("%s is a database: write %s.schema.%s", n.database, n.database, n.table)
		}
	}
	return n, err
}

// tableExists tells whether a table is there, in any catalog.
func (c *session) tableExists(ctx context.Context, n tableName) (bool, error) {
	var err error
	if n.catalog == catalog.Internal {
		_, err = c.hasTable(ctx, n)
	} else {
		ext, getErr := c.catalogs().Get(n.catalog)
		if getErr != nil {
			return false, getErr
		}
		_, err = ext.Table(ctx, n.database, n.table)
	}
	if sqlerr.Is(err, sqlerr.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// redshiftOptions gives the settings of this session's queries.
func (c *session) redshiftOptions() dialect.RedshiftOptions {
	return dialect.RedshiftOptions{Headings: true, Function: c.redshiftFunction, Literal: c.objectLiteral}
}

// redshiftFunction gives the functions that tell about the session.
func (c *session) redshiftFunction(name string) (string, bool) {
	switch name {
	case "current_database", "current_catalog":
		return lake.QuoteString(c.catalog), true
	case "current_schema":
		if c.database == "" {
			return "CAST(NULL AS VARCHAR)", true
		}
		return lake.QuoteString(c.database), true
	case "current_user", "session_user", "user", "current_role":
		return lake.QuoteString(c.user), true
	case "current_user_id":
		return "100", true
	case "version":
		return lake.QuoteString(redshiftVersion), true
	case "pg_backend_pid", "pg_my_temp_schema":
		return strconv.FormatUint(uint64(c.id), 10), true
	case "sysdate":
		return "CAST(now() AS TIMESTAMP)", true
	}
	return c.copyFunction(name)
}
