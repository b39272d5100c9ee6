package session

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/lake"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// Exec implements wire.Session: every statement of text in order.
func (c *session) Exec(ctx context.Context, text string, w wire.ResultWriter) error {
	if c.pg != nil {
		return c.execRedshift(ctx, text, w)
	}
	spans := syntax.Split(text, syntax.StarRocks)
	if m, told := w.(wire.MultiStatements); told && len(spans) > 1 && !m.MultiStatements() {
		return sqlerr.New(sqlerr.Syntax, "the text holds several statements, and the client has not said that it takes several results").
			WithPos(text, spans[1].Pos).WithHint("send one statement at a time, or connect with CLIENT_MULTI_STATEMENTS")
	}
	for i, span := range spans {
		one := text[span.Pos:span.End]
		if err := c.statement(ctx, one, &more{w, i < len(spans)-1}); err != nil {
			return shift(err, text, span.Pos)
		}
	}
	if len(spans) == 0 {
		return sqlerr.New(sqlerr.Syntax, "Query was empty").With(sqlerr.Code{MySQL: 1065, State: "42000"})
	}
	return nil
}

// more marks a result that further ones follow.
type more struct {
	wire.ResultWriter
	follows bool
}

func (m *more) Done(d wire.Done) error {
	d.More = m.follows
	return m.ResultWriter.Done(d)
}

// shift moves the position of an error in one statement to the whole text.
func shift(err error, text string, by int) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok || by == 0 || e.Pos.Line == 0 {
		return err
	}
	moved := *e
	moved.Pos = sqlerr.At(text, e.Pos.Offset+by)
	return &moved
}

// statement parses and runs one statement under the session's time limit.
func (c *session) statement(ctx context.Context, text string, w wire.ResultWriter) error {
	st, err := c.parse(text)
	if err != nil {
		c.failing(err)
		return err
	}
	c.begin(c.redacted(st, text))
	defer c.begin("")
	if _, tells := st.(*syntax.ShowWarnings); !tells {
		c.warnings = nil
	}
	restore, err := c.hinted(ctx, st, text)
	if err != nil {
		return err
	}
	defer restore()
	if limit := c.timeout(st); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, sqlerr.New(sqlerr.Canceled,
			"Query timeout. Increase the query_timeout session variable and retry").With(sqlerr.QueryTimeout))
		defer cancel()
	}
	if c.pg != nil {
		w = noticing{w, c}
	}
	err = c.dispatch(ctx, text, st, w)
	if c.pg != nil {
		err = reworded(err)
		c.failing(err)
	}
	if err != nil {
		e := sqlerr.From(err)
		c.warnings = []warning{{"Error", e.Error(), int64(e.Numbers().MySQL)}}
		if e.Kind == sqlerr.Internal {
			c.srv.Log.Error("statement failed", "session", c.id, "statement", c.redacted(st, text), "error", err)
		}
	}
	return err
}

// setVar finds SET_VAR (a = b, …) in a hint.
var setVar = regexp.MustCompile(`(?is)^/\*\+\s*set_var\s*\((.*)\)\s*\*/$`)

// hinted sets the variables of SET_VAR hints for one statement (starrocks.io,
// "System variables"). Hints of other kinds tune StarRocks' own optimizer.
func (c *session) hinted(ctx context.Context, st syntax.Statement, text string) (restore func(), err error) {
	restore = func() {}
	switch st.(type) {
	case *syntax.Query, *syntax.Insert, *syntax.Update, *syntax.Delete, *syntax.Explain:
	default:
		return restore, nil
	}
	if !strings.Contains(text, "/*+") {
		return restore, nil
	}
	toks, err := syntax.Scan(text, syntax.StarRocks)
	if err != nil {
		return restore, err
	}
	before := maps.Clone(c.vars)
	restore = func() {
		zone := c.vars.get("time_zone")
		if c.vars = before; zone != c.vars.get("time_zone") {
			_ = applyTimeZone(context.WithoutCancel(ctx), c.conn, c.vars.get("time_zone")) // it was in use before
		}
	}
	for _, t := range toks {
		m := setVar.FindStringSubmatchIndex(t.Text)
		if t.Kind != syntax.Hint || m == nil {
			continue
		}
		const head = "SET "
		set, err := syntax.Parse(head + t.Text[m[2]:m[3]])
		by := t.Pos + m[2] - len(head)
		if err != nil {
			return restore, shift(err, text, by)
		}
		for _, it := range set.(*syntax.SetVariables).Items {
			if it.Scope != syntax.Session {
				return restore, sqlerr.New(sqlerr.Invalid, "SET_VAR sets session variables only").WithPos(text, t.Pos)
			}
			if err := c.setItem(ctx, it, head+t.Text[m[2]:m[3]]); err != nil {
				return restore, shift(err, text, by)
			}
		}
	}
	return restore, nil
}

func (c *session) begin(running string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.since = running, time.Now()
}

// timeout is query_timeout, or insert_timeout of what changes rows
// (starrocks.io, "System variables", since 3.4).
// parse reads a statement in the dialect of the client's protocol.
func (c *session) parse(text string) (syntax.Statement, error) {
	if c.pg != nil {
		return syntax.ParseRedshift(text)
	}
	return syntax.Parse(text)
}

// redacted is the statement as logs and process lists may show it.
func (c *session) redacted(st syntax.Statement, text string) string {
	if c.pg != nil {
		return syntax.RedactTextIn(text, syntax.Redshift)
	}
	return syntax.Redacted(st)
}

func (c *session) timeout(st syntax.Statement) time.Duration {
	if c.pg != nil {
		return c.statementLimit()
	}
	name := "query_timeout"
	switch st := st.(type) {
	case *syntax.Insert, *syntax.Update, *syntax.Delete, *syntax.AlterTable, *syntax.Truncate:
		name = "insert_timeout"
	case *syntax.CreateTable:
		if !st.Query.IsZero() {
			name = "insert_timeout"
		}
	}
	seconds, _ := strconv.Atoi(c.vars.get(name))
	return time.Duration(seconds) * time.Second
}

// dispatch is one switch, one method per statement.
func (c *session) dispatch(ctx context.Context, text string, st syntax.Statement, w wire.ResultWriter) error {
	if c.pg != nil {
		if handled, err := c.redshift(ctx, st, text, w); handled {
			return err
		}
	}
	switch st := st.(type) {
	case *syntax.Query:
		return c.query(ctx, st.Fragment, text, w)
	case *syntax.Explain:
		return c.explain(ctx, st, text, w)
	case *syntax.CreateCatalog:
		return c.createCatalog(ctx, st, text, w)
	case *syntax.AlterCatalog:
		return c.alterCatalog(ctx, st, text, w)
	case *syntax.DropCatalog:
		return c.dropCatalog(ctx, st, w)
	case *syntax.SetCatalog:
		c.fresh = ""
		if !c.isCatalog(st.Name.Name) {
			return sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", st.Name.Name).With(sqlerr.BadCatalog).WithPos(text, int(st.Name.Pos))
		}
		c.setCurrent(st.Name.Name, "")
		return ok(w, "SET")
	case *syntax.Use:
		return c.useStatement(ctx, st, text, w)
	case *syntax.RefreshExternalTable:
		return c.refreshTable(ctx, st, w)
	case *syntax.RefreshCredentials:
		return c.refreshCredentials(st, w)
	case *syntax.CreateDatabase:
		return c.createDatabase(ctx, st, text, w)
	case *syntax.DropDatabase:
		return c.dropDatabase(ctx, st, w)
	case *syntax.CreateTable:
		return c.createTable(ctx, st, text, w)
	case *syntax.DropTable:
		return c.dropTable(ctx, st, text, w)
	case *syntax.AlterTable:
		return c.alterTable(ctx, st, text, w)
	case *syntax.CreateView:
		return c.createView(ctx, st, text, w)
	case *syntax.AlterView:
		return c.alterView(ctx, st, text, w)
	case *syntax.DropView:
		return c.dropView(ctx, st, text, w)
	case *syntax.Truncate:
		return c.truncate(ctx, st, text, w)
	case *syntax.Insert:
		return c.insert(ctx, st, text, w)
	case *syntax.Update:
		return c.update(ctx, st, text, w)
	case *syntax.Delete:
		return c.delete(ctx, st, text, w)
	case *syntax.LoadLabel:
		return c.loadLabel(ctx, st, text, w)
	case *syntax.CancelLoad:
		return c.cancelLoad(ctx, st, w)
	case *syntax.AlterLoad:
		return c.alterLoad(ctx, st, text, w)
	case *syntax.Begin, *syntax.Commit, *syntax.Rollback:
		return c.transaction(ctx, st, text, w)
	case *syntax.Savepoint:
		return noSavepoints(st.Pos, text)
	case *syntax.SetVariables:
		return c.set(ctx, st, text, w)
	case *syntax.SetPassword:
		user := st.User
		if user == "" {
			user = c.user
		}
		if err := c.srv.accounts.SetPassword(ctx, user, secret.New(st.Password.Value)); err != nil {
			return err
		}
		return ok(w, "SET")
	case *syntax.Kill:
		return c.killStatement(st, text, w)
	case *syntax.Prepare, *syntax.Execute, *syntax.Deallocate:
		return c.textPrepared(ctx, st, text, w)
	case *syntax.LockTables, *syntax.Sync, *syntax.SetTransaction, *syntax.Analyze, *syntax.AdminSetConfig:
		// StarRocks accepts these; one process without replicas has nothing to do for them.
		return ok(w, "OK")
	case *syntax.CreatePipe:
		return c.createPipe(ctx, st, text, w)
	case *syntax.DropPipe:
		return c.dropPipe(ctx, st, w)
	case *syntax.PausePipe:
		return c.pausePipe(ctx, st, w)
	case *syntax.CreateRepository:
		return c.createRepository(ctx, st, text, w)
	case *syntax.DropRepository:
		return c.dropRepository(ctx, st, text, w)
	case *syntax.Backup:
		return c.backup(ctx, st, text, w)
	case *syntax.Restore:
		return c.restore(ctx, st, text, w)
	case *syntax.CancelBackup:
		return c.cancelBackup(ctx, st, text, w)
	case *syntax.Unsupported:
		return st.Refuse(text)
	}
	if handled, err := c.show(ctx, st, text, w); handled {
		return err
	}
	name, _, _ := strings.Cut(st.String(), "(")
	words := strings.Fields(name)
	return sqlerr.New(sqlerr.Unsupported, "%s is not built yet", strings.Join(words[:min(2, len(words))], " ")).WithPos(text, int(st.Start()))
}

// ok ends a statement that returns nothing.
func ok(w wire.ResultWriter, tag string) error { return w.Done(wire.Done{Tag: tag}) }

func (c *session) createCatalog(ctx context.Context, st *syntax.CreateCatalog, text string, w wire.ResultWriter) error {
	d := catalog.Definition{Name: st.Name.Name, Properties: properties(st.Properties)}
	if st.Comment != nil {
		d.Comment = st.Comment.Value
	}
	warnings, err := c.srv.catalogs.Create(ctx, d, text, st.IfNotExists)
	if err == nil {
		c.fresh = d.Name
	}
	return c.warned(warnings, err, w, "CREATE CATALOG")
}

func (c *session) alterCatalog(ctx context.Context, st *syntax.AlterCatalog, text string, w wire.ResultWriter) error {
	warnings, err := c.srv.catalogs.Alter(ctx, st.Name.Name, properties(st.Properties), text)
	return c.warned(warnings, err, w, "ALTER CATALOG")
}

func (c *session) warned(warnings []string, err error, w wire.ResultWriter, tag string) error {
	if err != nil {
		return err
	}
	for _, text := range warnings {
		c.warn("Warning", text, 1064)
	}
	return w.Done(wire.Done{Tag: tag, Warnings: len(c.warnings)})
}

func properties(list syntax.Properties) []catalog.Property {
	out := make([]catalog.Property, len(list))
	for i, p := range list {
		out[i] = catalog.Property{Key: p.Key.Value, Value: p.Value.Value, KeyPos: int(p.Key.Pos), ValuePos: int(p.Value.Pos)}
	}
	return out
}

func (c *session) dropCatalog(ctx context.Context, st *syntax.DropCatalog, w wire.ResultWriter) error {
	if err := c.srv.catalogs.Drop(ctx, st.Name.Name, st.IfExists); err != nil {
		return err
	}
	if c.catalog == st.Name.Name {
		c.setCurrent(catalog.Internal, "")
	}
	return ok(w, "DROP CATALOG")
}

func (c *session) useStatement(ctx context.Context, st *syntax.Use, text string, w wire.ResultWriter) error {
	parts := st.Database.Names()
	cat, db := c.catalog, parts[len(parts)-1]
	if len(parts) == 2 {
		cat = parts[0]
		if !c.isCatalog(cat) {
			return sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", cat).With(sqlerr.BadCatalog).WithPos(text, int(st.Database.Start()))
		}
	}
	if err := c.use(ctx, cat, db); err != nil {
		return err
	}
	return ok(w, "USE")
}

// refreshTable answers REFRESH EXTERNAL TABLE: what is kept of the table is
// asked for anew, which also proves that it can be opened.
func (c *session) refreshTable(ctx context.Context, st *syntax.RefreshExternalTable, w wire.ResultWriter) error {
	n, err := c.name(st.Table)
	if err == nil && n.catalog == catalog.Internal {
		err = sqlerr.New(sqlerr.Invalid, "%s is not an external table", n)
	}
	if err == nil {
		var ext *catalog.Catalog
		if ext, err = c.catalogs().Get(n.catalog); err == nil {
			ext.Refresh(n.database, n.table)
			_, err = ext.Table(ctx, n.database, n.table)
		}
	}
	if err != nil {
		e := sqlerr.From(err)
		return (&sqlerr.Error{Kind: e.Kind, Msg: "refresh external table failed: " + e.Msg, Hint: e.Hint, Err: err}).With(sqlerr.RefreshFailed)
	}
	return ok(w, "REFRESH")
}

func (c *session) refreshCredentials(st *syntax.RefreshCredentials, w wire.ResultWriter) error {
	if st.Catalog == nil {
		c.srv.Resolver.ForgetAll()
		return ok(w, "REFRESH")
	}
	ext, err := c.catalogs().Get(st.Catalog.Name)
	if err != nil {
		return err
	}
	ext.Forget()
	return ok(w, "REFRESH")
}

func (c *session) killStatement(st *syntax.Kill, text string, w wire.ResultWriter) error {
	value, literal := st.ID.Literal()
	id, err := strconv.ParseUint(value, 10, 32)
	if !literal || err != nil {
		return sqlerr.New(sqlerr.NotFound, "Unknown thread id: %s", st.ID.Text).With(sqlerr.NoSuchThread).WithPos(text, int(st.ID.Pos))
	}
	if err := c.srv.killSession(uint32(id), st.Query); err != nil {
		return err
	}
	return ok(w, "KILL")
}

// transaction answers BEGIN, COMMIT and ROLLBACK. COMMIT and ROLLBACK without
// a transaction do nothing, as in MySQL.
func (c *session) transaction(ctx context.Context, st syntax.Statement, text string, w wire.ResultWriter) error {
	verb, chain := "COMMIT", false
	switch st := st.(type) {
	case *syntax.Begin:
		if err := c.end(ctx, "COMMIT"); err != nil {
			return err
		}
		if st.Label != nil {
			if c.database == "" {
				return sqlerr.New(sqlerr.NotFound, "No database selected").With(sqlerr.NoDB)
			}
		}
		if err := c.start(ctx); err != nil {
			return err
		}
		if st.Label != nil {
			if err := c.labelTransaction(ctx, st.Label, text); err != nil {
				return errors.Join(err, c.end(ctx, "ROLLBACK"))
			}
		}
		return ok(w, "BEGIN")
	case *syntax.Commit:
		chain = st.Chain
	case *syntax.Rollback:
		if st.Savepoint != nil {
			return noSavepoints(st.Pos, text)
		}
		verb, chain = "ROLLBACK", st.Chain
	}
	if err := c.end(ctx, verb); err != nil {
		return err
	}
	if chain {
		if err := c.start(ctx); err != nil {
			return err
		}
	}
	return ok(w, verb)
}

// noSavepoints refuses what the engine's transactions do not have.
func noSavepoints(pos syntax.Pos, text string) error {
	return sqlerr.New(sqlerr.Unsupported, "savepoints are not supported").WithHint("commit what must stay, then begin another transaction").WithPos(text, int(pos))
}

func (c *session) start(ctx context.Context) error {
	_, err := c.conn.Exec(ctx, "BEGIN TRANSACTION")
	c.open = err == nil
	return err
}

func (c *session) end(ctx context.Context, verb string) error {
	if !c.open {
		return nil
	}
	c.open = false
	defer c.freeLabels()
	_, err := c.conn.Exec(context.WithoutCancel(ctx), verb)
	return err
}

// Columns implements wire.Session for COM_FIELD_LIST.
func (c *session) Columns(ctx context.Context, table string) ([]lake.Column, error) {
	n, err := c.parts([]string{table})
	if err != nil {
		return nil, err
	}
	t, err := c.describeTable(ctx, n)
	if err != nil {
		return nil, err
	}
	return t.lakeColumns(), nil
}
