package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// variables are values that have been set; the rest has its default.
type variables map[string]string

// number is the value of a user variable that is a number, as digits. The
// other values are nil and strings.
type number string

func (v variables) get(name string) string {
	if value, set := v[name]; set {
		return value
	}
	return sysvars[name].value
}

func (v variables) on(name string) bool {
	on, _ := boolean(v.get(name))
	return on
}

// set carries out SET of variables, in order.
func (c *session) set(ctx context.Context, st *syntax.SetVariables, text string, w wire.ResultWriter) error {
	for _, it := range st.Items {
		if err := c.setItem(ctx, it, text); err != nil {
			return err
		}
	}
	return w.Done(wire.Done{Tag: "SET", Warnings: len(c.warnings)})
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
	v, known := sysvars[name]
	if !known {
		return fail(unknownVariable(name))
	}
	if v.effect == fixed {
		return fail(sqlerr.New(sqlerr.Invalid, "Variable '%s' is a read only variable", name).With(sqlerr.Code{MySQL: 1238, State: "HY000"}))
	}
	if strings.EqualFold(it.Value.Text, "DEFAULT") {
		if value = v.value; it.Scope != syntax.Global {
			value = c.srv.globals.get(name)
		}
	}
	if !v.takes(value) {
		return fail(wrongValue(name, value))
	}
	if refused := refusedValue(name, value); refused != nil {
		return fail(refused)
	}
	value = v.canonical(value)
	if v.effect == noEffect && value != v.value {
		c.warn("Warning", "variable "+name+" is accepted without effect", 1064)
	}
	if it.Scope == syntax.Global {
		if err := c.checkValue(ctx, name, value); err != nil {
			return fail(err)
		}
		return c.srv.globals.set(ctx, name, value)
	}
	switch name {
	case "autocommit":
		return c.setAutocommit(ctx, value, fail(wrongValue(name, value)))
	case "time_zone":
		if err := c.setTimeZone(ctx, value); err != nil {
			return fail(unknownZone(value))
		}
		return nil
	case "catalog":
		if !c.isCatalog(value) {
			return fail(sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", value).With(sqlerr.BadCatalog))
		}
		c.setCurrent(value, "")
		return nil
	}
	if err := c.checkValue(ctx, name, value); err != nil {
		return fail(err)
	}
	c.vars[name] = value
	return nil
}

func wrongValue(name, value string) *sqlerr.Error {
	return sqlerr.New(sqlerr.Invalid, "Variable '%s' can't be set to the value of '%s'", name, value).With(sqlerr.WrongValue)
}

func unknownZone(value string) *sqlerr.Error {
	return sqlerr.New(sqlerr.Invalid, "Unknown or incorrect time zone: '%s'", value).With(sqlerr.Code{MySQL: 1298, State: "HY000"})
}

// checkValue holds the value of a variable in effect against its rules.
func (c *session) checkValue(ctx context.Context, name, value string) *sqlerr.Error {
	switch name {
	case "sql_select_limit":
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return wrongValue(name, value)
		}
	case "query_timeout", "insert_timeout":
		if n, err := strconv.Atoi(value); err != nil || n < 1 || n > 259200 {
			return wrongValue(name, value)
		}
	case "autocommit":
		if _, is := boolean(value); !is {
			return wrongValue(name, value)
		}
	case "time_zone":
		conn, err := c.srv.DB.Connect()
		if err == nil {
			defer conn.Close()
			err = applyTimeZone(ctx, conn, value)
		}
		if err != nil {
			return unknownZone(value)
		}
	}
	return nil
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
	const head = "SELECT "
	p, err := c.plan(ctx, syntax.Fragment{Pos: f.Pos - syntax.Pos(len(head)), Text: head + f.Text}, text)
	if err != nil {
		return nil, err
	}
	defer p.close()
	rows, err := c.conn.Query(ctx, p.behind("SELECT CAST(v AS VARCHAR), regexp_matches(typeof(v), 'INT|DECIMAL|DOUBLE|FLOAT') FROM (")+"\n) AS given(v)")
	if err != nil {
		return nil, p.explain(ctx, err)
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil || chunk == nil || chunk.Columns[0].IsNull(0) {
		return nil, p.explain(ctx, err)
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
	get := c.vars.get
	if st.Scope == "GLOBAL" {
		get = c.srv.globals.get
	}
	for _, name := range variableNames() {
		r.add(name, get(name))
	}
	return c.answer(ctx, r, "Variable_name", st.Filter, text, w)
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
	get := c.vars.get
	if rest, global := strings.CutPrefix(name, "global."); global {
		name, get = rest, c.srv.globals.get
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "session."), "local.")
	if name == "catalog" {
		return lake.QuoteString(c.catalog), true
	}
	if name == "warning_count" || name == "error_count" {
		return strconv.Itoa(len(c.warnings)), true
	}
	if _, known := sysvars[name]; !known {
		return "", false
	}
	return asLiteral(get(name)), true
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
