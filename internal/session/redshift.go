package session

import (
	"context"
	"maps"
	"slices"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// failing notes a statement's failure: it fails its transaction.
func (c *session) failing(err error) {
	if c.pg != nil && err != nil && c.open && !c.pg.implicit {
		c.pg.failed = true
	}
}

// errAborted answers what follows a failure inside a transaction.
func errAborted() error {
	return sqlerr.New(sqlerr.Conflict, "current transaction is aborted, commands ignored until end of transaction block").With(sqlerr.Code{State: "25P02"})
}

// redshift carries out the statements that a PostgreSQL session has otherwise
// than a MySQL one; handled is false for others.
func (c *session) redshift(ctx context.Context, st syntax.Statement, text string, w wire.ResultWriter) (handled bool, err error) {
	switch st.(type) {
	case *syntax.Commit, *syntax.Rollback:
	default:
		if c.pg.failed {
			return true, errAborted()
		}
	}
	if err := c.join(ctx, st, text); err != nil {
		return true, err
	}
	switch st := st.(type) {
	case *syntax.Begin, *syntax.Commit, *syntax.Rollback:
		return true, c.redshiftTransaction(ctx, st, text, w)
	case *syntax.CreateDatabase:
		return true, c.createDatabase(ctx, st, text, tagged{w, "CREATE SCHEMA"})
	case *syntax.DropDatabase:
		return true, c.dropDatabase(ctx, st, tagged{w, "DROP SCHEMA"})
	case *syntax.Setting:
		return true, c.setSetting(ctx, st, text, w)
	case *syntax.ShowSetting:
		return true, c.showSetting(ctx, st, text, w)
	case *syntax.SetTransaction:
		return true, c.setTransaction(ctx, st, w)
	case *syntax.Discard:
		if !st.Plans {
			return true, c.discard(ctx, w)
		}
		c.pg.named = nil
		return true, ok(w, "DEALLOCATE ALL")
	case *syntax.Maintain:
		return true, ok(w, st.Verb)
	case *syntax.Truncate:
		return true, c.truncateTable(ctx, st, text, w)
	case *syntax.Merge:
		return true, c.merge(ctx, st, text, w)
	case *syntax.CommentOn:
		return true, c.commentOn(ctx, st, text, w)
	case *syntax.AlterTable:
		return c.redshiftAlter(ctx, st, text, w)
	case *syntax.Copy:
		return true, c.copyObjects(ctx, st, text, w)
	case *syntax.Unload:
		return true, c.unload(ctx, st, text, w)
	case *syntax.CopyStream:
		return true, c.copyStream(ctx, st, text, w)
	case *syntax.DeclareCursor:
		return true, c.declareCursor(ctx, st, text, w)
	case *syntax.FetchCursor:
		return true, c.fetchCursor(ctx, st, text, w)
	case *syntax.CloseCursor:
		return true, c.closeCursor(ctx, st, text, w)
	case *syntax.Savepoint:
		return true, noSavepoints(st.Pos, text)
	case *syntax.PrepareAs:
		return true, c.prepareNamed(ctx, st, text, w)
	case *syntax.ExecuteWith:
		return true, c.executeNamed(ctx, st, text, w)
	case *syntax.Deallocate:
		if _, err := c.namedStatement(st.Name, text); err != nil {
			return true, err
		}
		delete(c.pg.named, st.Name.Name)
		return true, ok(w, "DEALLOCATE")
	}
	return false, nil
}

// redshiftTransaction answers BEGIN, COMMIT and ROLLBACK as PostgreSQL does.
func (c *session) redshiftTransaction(ctx context.Context, st syntax.Statement, text string, w wire.ResultWriter) error {
	switch st := st.(type) {
	case *syntax.Begin:
		if c.open && !c.pg.implicit {
			c.warn("Warning", "there is already a transaction in progress", 0)
			return ok(w, "BEGIN")
		}
		if c.open {
			c.pg.implicit = false
			c.pg.readOnly = st.Access == "READ ONLY" || st.Access == "" && c.readsByDefault()
			return ok(w, "BEGIN")
		}
		if err := c.start(ctx); err != nil {
			return err
		}
		c.pg.readOnly = st.Access == "READ ONLY" || st.Access == "" && c.readsByDefault()
		return ok(w, "BEGIN")
	case *syntax.Commit:
		return c.finish(ctx, "COMMIT", st.Chain, w)
	case *syntax.Rollback:
		if st.Savepoint != nil {
			return noSavepoints(st.Savepoint.Pos, text)
		}
		return c.finish(ctx, "ROLLBACK", st.Chain, w)
	}
	return nil
}

func (c *session) finish(ctx context.Context, verb string, chain bool, w wire.ResultWriter) error {
	if !c.open || c.pg.implicit {
		c.warn("Warning", "there is no transaction in progress", 0)
	}
	if !c.open {
		return ok(w, verb)
	}
	if c.pg.failed { // COMMIT of what failed takes it back, and says so
		verb = "ROLLBACK"
	}
	if err := c.endTransaction(ctx, verb); err != nil {
		return err
	}
	if chain {
		if err := c.start(ctx); err != nil {
			return err
		}
	}
	return ok(w, verb)
}

// endTransaction ends the transaction with its cursors; what SET has changed in
// it goes back with it, what SET LOCAL has in any case.
func (c *session) endTransaction(ctx context.Context, verb string) error {
	c.dropCursors(ctx, verb == "ROLLBACK")
	err := c.end(ctx, verb)
	c.pg.failed, c.pg.implicit, c.pg.readOnly = false, false, false
	if c.pg.before == nil { // nothing was set
		return err
	}
	rollback := verb == "ROLLBACK" || err != nil
	for name, value := range c.pg.settings {
		if before, was := c.pg.before[name]; (rollback || c.pg.local[name]) && value != before {
			if !was {
				before = redshiftDefaults[name]
			}
			if err := c.change(context.WithoutCancel(ctx), name, before); err != nil {
				return err
			}
		}
	}
	c.pg.before, c.pg.local = nil, nil
	return err
}

// setSetting carries out SET and RESET.
func (c *session) setSetting(ctx context.Context, st *syntax.Setting, text string, w wire.ResultWriter) error {
	name := st.Name.Name
	if st.Local && !c.inBlock() {
		c.warn("Warning", "SET LOCAL can only be used in transaction blocks", 0)
		return ok(w, "SET")
	}
	if c.open && c.pg.before == nil {
		c.pg.before, c.pg.local = maps.Clone(c.pg.settings), map[string]bool{}
	}
	if st.Values == nil && name == "all" {
		for n := range maps.Clone(c.pg.settings) {
			if err := c.change(ctx, n, redshiftDefaults[n]); err != nil {
				return err
			}
		}
		return ok(w, "RESET")
	}
	value := redshiftDefaults[name]
	if name == "session_authorization" {
		value = c.user
	}
	if st.Values != nil {
		values := make([]string, len(st.Values))
		for i, v := range st.Values {
			if values[i] = v.Value; name == "search_path" && len(st.Values) > 1 {
				values[i] = quoteSchema(v.Value)
			}
		}
		value = strings.Join(values, ", ")
	}
	if err := c.change(ctx, name, value); err != nil {
		return sqlerr.From(err).WithPos(text, int(st.Name.Pos))
	}
	if c.open {
		c.pg.local[name] = st.Local
	}
	if st.Values == nil {
		return ok(w, "RESET")
	}
	return ok(w, "SET")
}

func quoteSchema(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && s != "" {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

func (c *session) showSetting(ctx context.Context, st *syntax.ShowSetting, text string, w wire.ResultWriter) error {
	name := st.Name.Name
	if name == "all" {
		r := relation{columns: columns("name", "setting", "description")}
		for _, n := range c.settingNames() {
			r.add(n, c.setting(n), "")
		}
		return c.stream(ctx, r.query(), tagged{w, "SHOW"})
	}
	_, known := redshiftDefaults[name]
	if _, set := c.pg.settings[name]; !known && !set {
		return sqlerr.New(sqlerr.NotFound, "unrecognized configuration parameter \"%s\"", name).With(sqlerr.UnknownVariable).WithPos(text, int(st.Name.Pos))
	}
	r := relation{columns: columns(name)}
	r.add(c.setting(name))
	return c.stream(ctx, r.query(), tagged{w, "SHOW"})
}

func (c *session) settingNames() []string {
	all := maps.Clone(redshiftDefaults)
	maps.Copy(all, c.pg.settings)
	return slices.Sorted(maps.Keys(all))
}

// tagged ends its results under another tag.
type tagged struct {
	wire.ResultWriter
	tag string
}

func (t tagged) Done(d wire.Done) error {
	d.Tag = t.tag
	return t.ResultWriter.Done(d)
}

// Cursor implements wire.Cursor.
func (t tagged) Cursor() bool {
	cur, told := t.ResultWriter.(wire.Cursor)
	return told && cur.Cursor()
}

// discard brings the session back to its beginning.
func (c *session) discard(ctx context.Context, w wire.ResultWriter) error {
	for name := range c.pg.cursors {
		if err := c.dropCursor(ctx, name); err != nil {
			return err
		}
	}
	c.pg.named = nil
	for n := range maps.Clone(c.pg.settings) {
		if err := c.change(ctx, n, redshiftDefaults[n]); err != nil {
			return err
		}
	}
	return ok(w, "DISCARD ALL")
}

// notices tells the client what the statement has warned of.
func (c *session) notices(w wire.ResultWriter) error {
	n, told := w.(wire.Notifier)
	if !told || c.pg == nil {
		return nil
	}
	for _, warning := range c.warnings {
		if warning.level == "Error" {
			continue
		}
		if err := n.Notice(warning.level, warning.text); err != nil {
			return err
		}
	}
	return nil
}

// noticing tells the warnings before a result ends, and so beside it.
type noticing struct {
	wire.ResultWriter
	c *session
}

func (n noticing) Done(d wire.Done) error {
	if err := n.c.notices(n.ResultWriter); err != nil {
		return err
	}
	n.c.warnings = nil
	return n.ResultWriter.Done(d)
}

// Cursor implements wire.Cursor.
func (n noticing) Cursor() bool { return tagged{ResultWriter: n.ResultWriter}.Cursor() }

// openPublic makes the schema public where n is to stand in it.
func (c *session) openPublic(ctx context.Context, n tableName) error {
	if c.pg == nil || n.catalog != catalog.Internal || n.database != publicSchema {
		return nil
	}
	_, err := c.conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+n.schema())
	return err
}

// redshiftColumns readies CREATE TABLE in Redshift's syntax for what makes
// tables: the schema public comes with its first table, defaults are spelled as
// StarRocks spells them, and the client is told which clauses have no use.
func (c *session) redshiftColumns(ctx context.Context, n tableName, st *syntax.CreateTable, text string) error {
	if err := c.openPublic(ctx, n); err != nil {
		return err
	}
	for i := range st.Columns {
		col := &st.Columns[i]
		if col.Collation != "" {
			return sqlerr.New(sqlerr.Unsupported, "COLLATE CASE_INSENSITIVE is not built yet").WithPos(text, int(col.Name.Pos))
		}
		if err := redshiftDefault(col); err != nil {
			return err
		}
	}
	c.ignoring(st.Ignored)
	return nil
}

// redshiftDefault spells a column's default as StarRocks does.
func redshiftDefault(col *syntax.ColumnDef) error {
	tokens, err := syntax.Scan(col.Default.Text, syntax.Redshift)
	if err != nil {
		return err
	}
	switch word := strings.ToLower(strings.ReplaceAll(col.Default.Text, " ", "")); {
	case len(tokens) == 1 && tokens[0].Kind == syntax.String:
		col.Default.Text = syntax.Quote(tokens[0].Value())
	case word == "getdate()", word == "sysdate", word == "now()":
		col.Default.Text = "CURRENT_TIMESTAMP"
	}
	return nil
}

// ignoring tells the client which clauses have no use.
func (c *session) ignoring(clauses []syntax.Ident) {
	seen := map[string]bool{}
	for _, clause := range clauses {
		if !seen[clause.Name] {
			seen[clause.Name] = true
			c.warn("Notice", clause.Name+" has no use here and is ignored", 0)
		}
	}
}

// redshiftAlter readies ALTER TABLE in Redshift's syntax for what alters tables,
// which carries it out unless there is nothing to do.
func (c *session) redshiftAlter(ctx context.Context, st *syntax.AlterTable, text string, w wire.ResultWriter) (handled bool, err error) {
	for _, action := range st.Actions {
		for i := range action.Columns {
			if err := redshiftDefault(&action.Columns[i]); err != nil {
				return true, err
			}
		}
	}
	c.ignoring(st.Ignored)
	if len(st.Actions) > 0 {
		return false, nil
	}
	if _, err := c.target(ctx, st.Table, "ALTER TABLE", text); err != nil {
		return true, err
	}
	return true, ok(w, "ALTER TABLE")
}
