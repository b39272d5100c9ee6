package session

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// serverVersion is the MySQL version that lakeport presents.
const serverVersion = "8.0.33"

// starRocksVersion is the StarRocks whose statements lakeport speaks.
const starRocksVersion = "3.5.0"

// defaults are the variables that clients and StarRocks' scripts read or set,
// with StarRocks' values (starrocks.io, "System variables"; MySQL manual for
// those that only drivers ask for).
var defaults = map[string]string{
	"auto_increment_increment": "1", "auto_increment_offset": "1", "autocommit": "1", "catalog": "", "character_set_client": "utf8",
	"character_set_connection": "utf8", "character_set_database": "utf8", "character_set_results": "utf8",
	"character_set_server": "utf8", "character_set_system": "utf8", "collation_connection": "utf8_general_ci", "collation_database": "utf8_general_ci",
	"collation_server": "utf8_general_ci", "cbo_enable_low_cardinality_optimize": "1", "connector_sink_compression_codec": "uncompressed",
	"connector_sink_target_max_file_size": "1073741824", "default_storage_engine": "", "div_precision_increment": "4",
	"dynamic_overwrite": "0", "enable_adaptive_sink_dop": "1", "enable_connector_adaptive_io_tasks": "1",
	"enable_connector_sink_spill": "1", "enable_iceberg_column_statistics": "0", "enable_insert_strict": "1",
	"enable_populate_datacache": "1", "enable_profile": "0", "enable_scan_datacache": "1", "enable_spill": "0",
	"enable_write_hive_external_table": "0", "engine": "", "event_scheduler": "OFF", "exec_mem_limit": "2147483648",
	"foreign_key_checks": "1", "group_concat_max_len": "65535", "init_connect": "", "innodb_read_only": "1", "insert_max_filter_ratio": "0", "insert_timeout": "14400",
	"interactive_timeout": "3600", "language": "/starrocks/share/english/", "license": "Apache License 2.0",
	"lower_case_table_names": "0", "max_allowed_packet": "33554432", "max_execution_time": "0", "net_buffer_length": "16384", "net_read_timeout": "60",
	"net_write_timeout": "60", "new_planner_optimize_timeout": "3000", "parallel_fragment_exec_instance_num": "1",
	"performance_schema": "0", "pipeline_dop": "0", "plan_mode": "auto", "query_cache_size": "1048576",
	"query_cache_type": "0", "query_mem_limit": "0", "query_timeout": "300", "session_track_schema": "1", "sql_auto_is_null": "0", "sql_dialect": "StarRocks",
	"sql_log_bin": "1", "sql_mode": "ONLY_FULL_GROUP_BY", "sql_notes": "1", "sql_quote_show_create": "1", "sql_safe_updates": "0", "sql_select_limit": "9223372036854775807",
	"storage_engine": "", "system_time_zone": "UTC", "time_zone": "UTC", "transaction_isolation": "REPEATABLE-READ",
	"transaction_read_only": "0", "tx_isolation": "REPEATABLE-READ", "tx_read_only": "0", "tx_visible_wait_timeout": "10",
	"unique_checks": "1", "version": serverVersion, "version_comment": "StarRocks version " + starRocksVersion,
	"version_compile_machine": "x86_64", "version_compile_os": "Linux", "wait_timeout": "28800", "warehouse": "default_warehouse",
}

// fixed are the variables that nobody sets.
var fixed = map[string]bool{"version": true, "version_comment": true, "license": true, "language": true, "system_time_zone": true,
	"lower_case_table_names": true, "version_compile_machine": true, "version_compile_os": true, "performance_schema": true, "engine": true}

// accepted prefixes name StarRocks' tuning switches, which are stored and have
// no effect.
var accepted = []string{"cbo_", "enable_", "connector_", "new_planner_", "pipeline_", "spill_", "parallel_", "statistic_", "query_", "load_", "orc_", "parquet_", "max_", "broadcast_", "io_", "scan_", "big_query_", "runtime_", "global_runtime_", "chunk_", "hdfs_", "hive_", "jit_", "materialized_view_", "skip_", "sql_", "innodb_"}

// variables holds what a session has set; the rest has its default.
type variables map[string]string

// number is the value of a user variable that is a number, as digits. The
// other values are nil and strings.
type number string

func (v variables) get(name string) string {
	if value, set := v[name]; set {
		return value
	}
	return defaults[name]
}

func (v variables) on(name string) bool {
	switch strings.ToLower(v.get(name)) {
	case "1", "on", "true":
		return true
	}
	return false
}

func (v variables) known(name string) bool {
	if _, set := v[name]; set {
		return true
	}
	_, found := defaults[name]
	return found
}

// set carries out SET of variables, in order.
func (c *session) set(ctx context.Context, st *syntax.SetVariables, text string, w wire.ResultWriter) error {
	for _, it := range st.Items {
		if err := c.setItem(ctx, it, text); err != nil {
			return err
		}
	}
	return ok(w, "SET")
}

func (c *session) setItem(ctx context.Context, it syntax.SetItem, text string) error {
	if it.Scope == syntax.User {
		value, err := c.evaluate(ctx, it.Value, text)
		if err == nil {
			c.users[strings.ToLower(it.Name.Name)] = value
		}
		return err
	}
	value, literal := it.Value.Literal()
	if !literal {
		v, err := c.evaluate(ctx, it.Value, text)
		if err != nil {
			return err
		}
		value = fmt.Sprint(v)
	}
	switch it.Scope {
	case syntax.Names, syntax.CharacterSet:
		for _, name := range []string{"character_set_client", "character_set_connection", "character_set_results"} {
			c.vars[name] = value
		}
		if it.Collate != "" {
			c.vars["collation_connection"] = it.Collate
		}
		return nil
	}
	return c.setVariable(ctx, it, value, text)
}

func (c *session) setVariable(ctx context.Context, it syntax.SetItem, value, text string) error {
	name := it.Name.Name
	fail := func(e *sqlerr.Error) error { return e.WithPos(text, int(it.Name.Pos)) }
	if !c.vars.known(name) && !hasPrefix(name, accepted) {
		names := make([]string, 0, len(defaults))
		for n := range defaults {
			names = append(names, n)
		}
		sort.Strings(names)
		e := sqlerr.New(sqlerr.NotFound, "Unknown system variable '%s'", name).With(sqlerr.UnknownVariable)
		if near := sqlerr.Nearest(name, names); near != "" {
			e.WithHint("did you mean %s?", near)
		}
		return fail(e)
	}
	if fixed[name] {
		return fail(sqlerr.New(sqlerr.Invalid, "Variable '%s' is a read only variable", name).With(sqlerr.Code{MySQL: 1238, State: "HY000"}))
	}
	if strings.EqualFold(it.Value.Text, "DEFAULT") {
		value = defaults[name]
	}
	bad := sqlerr.New(sqlerr.Invalid, "Variable '%s' can't be set to the value of '%s'", name, value).With(sqlerr.WrongValue)
	switch name {
	case "autocommit":
		return c.setAutocommit(ctx, value, fail(bad))
	case "time_zone":
		if err := c.setTimeZone(ctx, value); err != nil {
			return fail(sqlerr.New(sqlerr.Invalid, "Unknown or incorrect time zone: '%s'", value).With(sqlerr.Code{MySQL: 1298, State: "HY000"}))
		}
		return nil
	case "sql_select_limit":
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return fail(bad)
		}
	case "query_timeout", "insert_timeout":
		if n, err := strconv.Atoi(value); err != nil || n < 1 || n > 259200 {
			return fail(bad)
		}
	case "catalog":
		if !c.isCatalog(value) {
			return fail(sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", value).With(sqlerr.BadCatalog))
		}
		c.setCurrent(value, "")
		return nil
	}
	c.vars[name] = value
	return nil
}

func hasPrefix(s string, list []string) bool {
	for _, p := range list {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// setAutocommit commits what is open when it is switched on. Switched off, it
// is stored only: each statement still commits, as in StarRocks.
func (c *session) setAutocommit(ctx context.Context, value string, bad error) error {
	switch strings.ToLower(value) {
	case "1", "on", "true":
		if err := c.end(ctx, "COMMIT"); err != nil {
			return err
		}
		c.vars["autocommit"] = "1"
	case "0", "off", "false":
		c.vars["autocommit"] = "0"
	default:
		return bad
	}
	return nil
}

func (c *session) setTimeZone(ctx context.Context, zone string) error {
	if err := applyTimeZone(ctx, c.conn, zone); err != nil {
		return err
	}
	c.vars["time_zone"] = zone
	return nil
}

// applyTimeZone takes a zone's name or an offset such as +08:00.
func applyTimeZone(ctx context.Context, conn *engine.Conn, zone string) error {
	name := zone
	switch strings.ToUpper(zone) {
	case "SYSTEM", "UTC", "Z":
		name = "UTC"
	}
	if len(zone) == 6 && (zone[0] == '+' || zone[0] == '-') {
		at, err := time.Parse("-07:00", zone)
		if err != nil {
			return err
		}
		// DuckDB knows whole hours by POSIX names, whose sign is the other way.
		_, seconds := at.Zone()
		if seconds%3600 != 0 {
			return sqlerr.New(sqlerr.Unsupported, "time zone %s is not a whole hour", zone)
		}
		name = "Etc/GMT" + map[bool]string{true: "-", false: "+"}[seconds >= 0] + strconv.Itoa(max(seconds, -seconds)/3600)
	}
	_, err := conn.Exec(ctx, "SET TimeZone = "+lake.QuoteString(name))
	return err
}

// evaluate computes the value of an expression, which reads no table: nil, a
// string or a number.
func (c *session) evaluate(ctx context.Context, f syntax.Fragment, text string) (any, error) {
	expr, err := c.condition(ctx, ", ", f, text)
	if err != nil {
		return nil, err
	}
	rows, err := c.conn.Query(ctx, "SELECT CAST(v AS VARCHAR), regexp_matches(typeof(v), 'INT|DECIMAL|DOUBLE|FLOAT') FROM (SELECT ("+expr+") AS v)")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil || chunk == nil || chunk.Columns[0].IsNull(0) {
		return nil, err
	}
	value := chunk.Columns[0].Text(0)
	if chunk.Columns[1].Data.([]bool)[0] {
		return number(value), nil
	}
	return value, nil
}

// showVariables answers SHOW VARIABLES; SHOW STATUS of the same form is short.
func (c *session) showVariables(ctx context.Context, st *syntax.ShowVariables, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("Variable_name", "Value")}
	if st.Status {
		r.add("Uptime", strconv.Itoa(int(time.Since(c.srv.started).Seconds())))
		r.add("Threads_connected", strconv.Itoa(len(c.srv.list())))
		r.add("Ssl_cipher", "")
		return c.answer(ctx, r, "Variable_name", st.Filter, text, w)
	}
	for _, name := range c.variableNames() {
		r.add(name, c.vars.get(name))
	}
	return c.answer(ctx, r, "Variable_name", st.Filter, text, w)
}

func (c *session) variableNames() []string {
	all := map[string]bool{}
	for n := range defaults {
		all[n] = true
	}
	for n := range c.vars {
		all[n] = true
	}
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// variableLiteral gives @@name or @name as a literal for the engine.
func (c *session) variableLiteral(name string, user bool) (string, bool) {
	name = strings.ToLower(name)
	if user {
		switch v := c.users[name].(type) {
		case number:
			return string(v), true
		case string:
			return lake.QuoteString(v), true
		}
		return "NULL", true
	}
	for _, scope := range []string{"session.", "global.", "local."} {
		name = strings.TrimPrefix(name, scope)
	}
	if name == "catalog" {
		return lake.QuoteString(c.catalog), true
	}
	if name == "warning_count" || name == "error_count" {
		return strconv.Itoa(len(c.warnings)), true
	}
	if !c.vars.known(name) {
		return "", false
	}
	value := c.vars.get(name)
	if strings.EqualFold(value, "NULL") {
		return value, true
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && strconv.FormatInt(n, 10) == value {
		return value, true
	}
	return lake.QuoteString(value), true
}

// functionLiteral gives the functions that tell about the session.
func (c *session) functionLiteral(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "database", "schema":
		if c.database == "" {
			return "CAST(NULL AS VARCHAR)", true
		}
		return lake.QuoteString(c.database), true
	case "catalog":
		return lake.QuoteString(c.catalog), true
	case "user", "session_user", "current_user":
		return lake.QuoteString("'" + c.user + "'@'%'"), true
	case "current_role":
		return "'root'", true
	case "connection_id":
		return strconv.FormatUint(uint64(c.id), 10), true
	case "last_query_id":
		return "CAST(NULL AS VARCHAR)", true
	case "version":
		return lake.QuoteString(serverVersion), true
	case "current_version":
		return lake.QuoteString(starRocksVersion + " lakeport-" + Version), true
	case "host_name":
		return "'lakeport'", true
	}
	return "", false
}
