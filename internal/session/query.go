package session

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/blob"
	"lakeport/internal/catalog"
	"lakeport/internal/dialect"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/scan"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// query runs a SELECT and streams its rows.
func (c *session) query(ctx context.Context, q syntax.Fragment, text string, w wire.ResultWriter) error {
	p, err := c.plan(ctx, q, text)
	if err != nil {
		return err
	}
	defer p.close()
	return p.explain(ctx, c.send(ctx, p.sql, c.rowLimit(q), w))
}

// rowLimit is how many rows a query may send: sql_select_limit, unless the
// query has a LIMIT of its own.
func (c *session) rowLimit(q syntax.Fragment) uint64 {
	limit, err := strconv.ParseUint(c.vars.get("sql_select_limit"), 10, 64)
	if err != nil || c.vars["sql_select_limit"] == "" {
		return math.MaxUint64
	}
	tokens, _ := syntax.Scan(q.Text, syntax.StarRocks)
	depth := 0
	for _, t := range tokens {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case depth == 0 && t.Is("LIMIT"):
			return math.MaxUint64
		}
	}
	return limit
}

// stream runs finished SQL and sends its rows as they come.
func (c *session) stream(ctx context.Context, sql string, w wire.ResultWriter) error {
	return c.send(ctx, sql, math.MaxUint64, w)
}

// send runs finished SQL and sends up to limit rows as they come. The engine
// ends a connection's rows with its next statement, so a cursor has a
// connection of its own, but for one that must see an open transaction or
// temporary tables.
func (c *session) send(ctx context.Context, sql string, limit uint64, w wire.ResultWriter) error {
	conn, err := c.conn, error(nil)
	if cur, told := w.(wire.Cursor); told && cur.Cursor() && !c.open && !c.temporaries {
		if conn, err = c.another(ctx); err != nil {
			return err
		}
		defer conn.Close()
	}
	if sql, err = c.promise(ctx, conn, sql); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := w.Columns(rows.Columns()); err != nil {
		return err
	}
	var n int64
	for {
		chunk, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		if chunk == nil || uint64(n) == limit {
			return w.Done(wire.Done{Tag: "SELECT", Affected: n})
		}
		if left := limit - uint64(n); uint64(chunk.Rows) > left {
			chunk.Rows = int(left)
		}
		n += int64(chunk.Rows)
		if err := w.Chunk(chunk); err == wire.ErrEnough {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// another opens a connection that computes as the session's own does.
func (c *session) another(ctx context.Context) (*engine.Conn, error) {
	conn, err := c.srv.DB.Connect()
	if err != nil {
		return nil, err
	}
	zone := c.vars.get("time_zone")
	if c.pg != nil {
		zone = c.setting("timezone")
	}
	if err := applyTimeZone(ctx, conn, zone); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// promise gives SQL whose columns are those that the client was told.
func (c *session) promise(ctx context.Context, conn *engine.Conn, sql string) (string, error) {
	if c.want == nil {
		return sql, nil
	}
	st, err := conn.Prepare(ctx, sql)
	if err != nil {
		return "", err
	}
	defer st.Close()
	if wrapped := promised(sql, st.Columns(), c.want); wrapped != "" {
		return wrapped, nil
	}
	return sql, nil
}

// plan is a query made ready: SQL for the engine, and the objects that it
// reads, mounted until close.
type plan struct {
	sql    string
	mounts []mount

	source   dialect.Result  // the translation that the edits were made in
	edits    [][]engine.Edit // made one after the other
	opened   map[string]use  // by their names as written
	views    []tableName     // that the query reads
	expanded int             // how many of edits put views in place
	text     string          // the statement, and where in it the query stands
	offset   int
	before   int // length of what behind has put before sql
}

// viewNames says which views the query reads.
func (p *plan) viewNames() string {
	names := make([]string, len(p.views))
	for i, n := range p.views {
		names[i] = n.database + "." + n.table
	}
	if len(names) == 1 {
		return "view " + names[0]
	}
	return "one of the views " + strings.Join(names, ", ")
}

// edit changes the SQL, and remembers how for the places of errors.
func (p *plan) edit(edits []engine.Edit) {
	p.sql = engine.Splice(p.sql, edits)
	p.edits = append(p.edits, edits)
}

// mount is what one storage's objects are read through in one statement.
type mount struct {
	storage *catalog.Storage
	objects *blob.Statement
}

func (p *plan) close() {
	for _, m := range p.mounts {
		m.objects.Close()
	}
}

// behind gives the finished SQL with a prefix, which locate takes into account.
func (p *plan) behind(prefix string) string {
	p.before = len(prefix)
	return prefix + p.sql
}

// explain prefers the reason why an object could not be read to the engine's
// complaint about the file that stands for it.
func (p *plan) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	for _, m := range p.mounts {
		if cause := m.objects.Err(); cause != nil {
			return m.storage.ExplainS3(ctx, cause)
		}
	}
	return p.locate(p.ofObject(knownFunction(err)))
}

// ofObject tells the objects read last where the engine complains while it runs
// and names no file: broken bytes are one of theirs. Complaints about the query
// have a place in it, those about values a code.
func (p *plan) ofObject(err error) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok || strings.Contains(e.Msg, "s3://") || e.Code != (sqlerr.Code{}) {
		return err
	}
	at := e.Pos.Offset - p.before
	ofReader := e.Pos.Line == 0 || at >= 0 && at < len(p.sql) && strings.HasPrefix(p.sql[at:], "read_")
	if !ofReader || !slices.Contains([]sqlerr.Kind{sqlerr.Internal, sqlerr.Corrupt, sqlerr.Invalid}, e.Kind) {
		return err
	}
	var uris []string
	for _, m := range p.mounts {
		uris = append(uris, m.objects.Recent()...)
	}
	if len(uris) == 0 {
		return err
	}
	told := *e
	told.Msg += " (last read: " + strings.Join(uris, ", ") + ")"
	if told.Kind == sqlerr.Internal {
		told.Kind = sqlerr.Corrupt
	}
	return &told
}

var functionName = regexp.MustCompile(`with name "?([A-Za-z0-9_]+)"? does not exist`)

// knownFunction says of a function that the engine lacks what is known of it
// as StarRocks', and which is nearest.
func knownFunction(err error) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok || e.Kind != sqlerr.NotFound {
		return err
	}
	m := functionName.FindStringSubmatch(e.Msg)
	if m == nil || !strings.Contains(e.Msg, "Function") {
		return err
	}
	if hint := dialect.Unknown(m[1]); hint != "" {
		told := *e
		told.Hint = hint
		return &told
	}
	return err
}

// locate moves the position of the engine's error from the SQL that ran to the
// client's own text.
func (p *plan) locate(err error) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok || e.Pos.Line == 0 {
		return err
	}
	moved := *e
	moved.Pos = sqlerr.Pos{}
	if at := e.Pos.Offset - p.before; at >= 0 {
		for i, edits := range slices.Backward(p.edits) {
			outside := engine.Unsplice(edits, at)
			if i < p.expanded && engine.Spliced(edits, at) {
				moved.Msg = "in " + p.viewNames() + ": " + e.Msg
			}
			at = outside
		}
		moved.Pos = sqlerr.At(p.text, p.offset+p.source.Source(at))
	}
	return &moved
}

// reads gives the storage's mount in this statement, made on first use.
func (p *plan) reads(ctx context.Context, c *session, from *catalog.Storage) *blob.Statement {
	for _, m := range p.mounts {
		if m.storage == from {
			return m.objects
		}
	}
	st := c.srv.Objects.Begin(ctx)
	p.mounts = append(p.mounts, mount{from, st})
	return st
}

// plan translates a query, checks that a client may run it, finds the tables
// that its names mean, plans what each scan needs, and cuts the scans' SQL
// into the query's own text.
func (c *session) plan(ctx context.Context, q syntax.Fragment, text string) (*plan, error) {
	o := c.dialect()
	o.Partitions = true
	t := c.translator(q.Text, o)
	result, err := t.run(nil, nil)
	if err != nil {
		return nil, shift(err, text, int(q.Pos))
	}
	p := &plan{sql: result.SQL, source: result, text: text, offset: int(q.Pos)}
	tree, err := c.conn.Inspect(ctx, result.SQL)
	if err == nil {
		err = tree.Check(c.replaces)
	}
	if err != nil {
		return nil, c.unplanned(ctx, p, q, err)
	}
	if p.source, tree, err = c.convert(ctx, p, t, result, tree); err != nil {
		return nil, p.explain(ctx, err)
	}
	p.sql = p.source.SQL
	if tree, err = c.expand(ctx, p, tree); err != nil {
		return nil, err
	}
	if err := c.resolve(ctx, p, tree); err != nil {
		p.close()
		return nil, p.explain(ctx, err)
	}
	return p, nil
}

// unplanned is why a query cannot be planned. A syntax error is looked for
// again without the headings that translate adds: it must speak of what the
// client wrote.
func (c *session) unplanned(ctx context.Context, p *plan, q syntax.Fragment, err error) error {
	if plain, again := c.rewrite(q.Text, false); again == nil && sqlerr.Is(err, sqlerr.Syntax) {
		if _, again := c.conn.Inspect(ctx, plain.SQL); again != nil {
			p.source, err = plain, again
		}
	}
	return p.locate(err)
}

// use is one name in the query and the table it means.
type use struct {
	ref   engine.NameRef
	name  tableName
	table lake.Table       // nil: internal
	from  *catalog.Storage // of an external table's objects; nil: it has none
	stub  string
}

// whole is the reference with the parts that the text leaves to the session,
// by which columns may be qualified all the same.
func (u use) whole() engine.NameRef {
	ref := u.ref
	ref.Catalog, ref.Schema = u.name.catalog, u.name.database
	return ref
}

// resolve replaces every table name of p.sql.
func (c *session) resolve(ctx context.Context, p *plan, tree *engine.Tree) error {
	uses, err := c.uses(ctx, p, tree)
	if err != nil {
		return err
	}
	external := slices.ContainsFunc(uses, func(u use) bool { return u.table != nil })
	needs := make(map[string]lake.Need)
	if external {
		var err error
		if needs, err = c.needs(ctx, p, tree, uses); err != nil {
			return err
		}
	}
	var edits []engine.Edit
	limited := 0
	for _, u := range uses {
		if chosen := p.chosen(u.ref); chosen != nil {
			limited++
			sql, err := c.partitionsOf(ctx, p, u, chosen)
			if err != nil {
				return err
			}
			edits = append(edits, tree.Replace(u.whole(), sql)...)
			continue
		}
		if u.table == nil {
			name := u.name.internal()
			if u.name.temporary { // whose name in the engine is another
				name += alias(u.ref)
			}
			edits = append(edits, engine.Edit{Offset: u.ref.Offset, Length: u.ref.Length, Text: name})
			continue
		}
		sql, err := c.source(ctx, p, u, needs[u.stub])
		if err != nil {
			return err
		}
		edits = append(edits, tree.Replace(u.whole(), sql)...)
	}
	if limited < len(p.source.Partitions) {
		return p.refuse("a name that is no table has no partitions")
	}
	p.edit(edits)
	return nil
}

// uses opens the tables that the query's names mean.
func (c *session) uses(ctx context.Context, p *plan, tree *engine.Tree) ([]use, error) {
	uses := make([]use, len(tree.Names))
	for i, ref := range tree.Names {
		u, err := c.findOnce(ctx, p, ref)
		if err != nil {
			return nil, err
		}
		uses[i] = u
	}
	return uses, nil
}

// findOnce is find, once for each name in a statement.
func (c *session) findOnce(ctx context.Context, p *plan, ref engine.NameRef) (use, error) {
	name := strings.Join(ref.Parts(), "\x00")
	u, ok := p.opened[name]
	if !ok {
		var err error
		if u, err = c.find(ctx, ref); err != nil {
			return u, err
		}
		if p.opened == nil {
			p.opened = map[string]use{}
		}
		p.opened[name] = u
	}
	u.ref = ref
	return u, nil
}

// find opens the table that a name of the query means.
func (c *session) find(ctx context.Context, ref engine.NameRef) (use, error) {
	if u, is := c.local[ref.Table]; is && len(ref.Parts()) == 1 {
		u.ref = ref
		return u, nil
	}
	n, err := c.searched(ctx, ref.Parts())
	u := use{ref: ref, name: n}
	if err != nil {
		return u, err
	}
	switch {
	case c.system(n):
		u.table, err = c.informationTable(n)
	case n.catalog != catalog.Internal:
		ext, err := c.catalogs().Get(n.catalog)
		if err != nil {
			return u, err
		}
		return u, c.openAt(ctx, &u, ext)
	default:
		if u.name, err = c.hasTable(ctx, n); err != nil {
			return u, err
		}
		file, err := c.openFileTable(ctx, u.name)
		if file != nil {
			u.table, u.from = file, file.Storage
		}
		return u, err
	}
	if err == nil && ref.Unit != "" {
		err = sqlerr.New(sqlerr.Unsupported, "%s is read as it is now: %s AS OF is for Iceberg tables", n, ref.Unit)
	}
	return u, err
}

// openAt opens an external table in the state that the query names.
func (c *session) openAt(ctx context.Context, u *use, ext *catalog.Catalog) error {
	u.from = ext.Storage // for what opening is refused
	var at lake.At
	switch u.ref.Unit {
	case "VERSION":
		v, err := c.constant(ctx, "CAST("+u.ref.At+" AS VARCHAR)")
		if err != nil {
			return err
		}
		at.Version = v.Text(0)
	case "TIMESTAMP":
		v, err := c.constant(ctx, "epoch_us(CAST("+u.ref.At+" AS TIMESTAMPTZ))")
		if err != nil {
			return err
		}
		if !v.IsNull(0) {
			at.Time = time.UnixMicro(v.Data.([]int64)[0])
		}
	}
	if u.ref.Unit != "" && at == (lake.At{}) {
		return sqlerr.New(sqlerr.Invalid, "%s AS OF needs a value, found %s", u.ref.Unit, u.ref.At)
	}
	t, err := ext.TableAt(ctx, u.name.database, u.name.table, at)
	if err != nil {
		return err
	}
	u.table, u.from = t.Table, t.Storage
	return nil
}

// constant computes an expression of the query that stands outside its rows, as
// one value of one column.
func (c *session) constant(ctx context.Context, sql string) (lake.Vector, error) {
	rows, err := c.conn.Query(ctx, "SELECT "+sql)
	if err != nil {
		return lake.Vector{}, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil {
		return lake.Vector{}, err
	}
	v := chunk.Columns[0]
	switch data := v.Data.(type) {
	case []int64:
		v.Data = slices.Clone(data[:1])
	case []lake.String:
		v.Data = []lake.String{lake.MakeString(slices.Clone(data[0].Bytes()))}
	}
	v.Valid = slices.Clone(v.Valid)
	return v, nil
}

// needs asks the planner what each external scan wants. Internal tables are
// stubs as well, so that the planner sees the whole query.
func (c *session) needs(ctx context.Context, p *plan, tree *engine.Tree, uses []use) (map[string]lake.Need, error) {
	stubs, edits, err := c.stubs(ctx, tree, uses)
	if err != nil {
		return nil, err
	}
	list, err := c.srv.planner.Needs(ctx, engine.Splice(p.sql, edits), stubs)
	if err != nil {
		p.edits = append(p.edits, edits) // where its place is
		return nil, err
	}
	out := make(map[string]lake.Need, len(list))
	for i, n := range list {
		out[stubs[i].Name] = n
	}
	return out, nil
}

// stubs gives an empty table for each name of the query, and the edits that put
// them there.
func (c *session) stubs(ctx context.Context, tree *engine.Tree, uses []use) ([]engine.Stub, []engine.Edit, error) {
	stubs, edits := make([]engine.Stub, len(uses)), []engine.Edit{}
	for i := range uses {
		u := &uses[i]
		u.stub = fmt.Sprintf("scan_%d", i)
		schema := lake.Schema{}
		if u.table != nil {
			schema = datetimes(u.table.Schema())
		} else {
			t, err := c.describeTable(ctx, u.name)
			if err != nil {
				return nil, nil, err
			}
			schema.Columns = t.lakeColumns()
		}
		stubs[i] = engine.Stub{Name: u.stub, Schema: schema}
		if u.table == nil { // named in full, so that its rowid is there
			edits = append(edits, engine.Edit{Offset: u.ref.Offset, Length: u.ref.Length, Text: u.stub + alias(u.ref)})
			continue
		}
		edits = append(edits, tree.Replace(u.whole(), "SELECT * FROM "+u.stub)...)
	}
	return stubs, edits, nil
}

// alias keeps the table's own name usable where the query gave it no other.
func alias(ref engine.NameRef) string {
	if ref.Alias != "" {
		return ""
	}
	return " AS " + lake.QuoteName(ref.Table)
}

// source is the SELECT over an external table, its objects mounted.
func (c *session) source(ctx context.Context, p *plan, u use, n lake.Need) (string, error) {
	n.Filters = without(n.Filters, u.table.Schema())
	s, err := u.table.Plan(ctx, n)
	if err != nil {
		return "", err
	}
	if u.from == nil { // made in the process: no objects
		return s.SQL(nil, nil), nil
	}
	if c.watched != nil {
		for _, o := range s.Objects {
			u.from.See("s3:GetObject", o.Bucket, o.Key, nil)
		}
		return unread(u.table.Schema()), nil
	}
	sql, err := scan.Prepare(ctx, p.reads(ctx, c, u.from), u.from.Objects(), s)
	return wallClock(sql, u.table.Schema()), u.from.ExplainS3(ctx, err)
}

// unread is a SELECT of a table's columns that gives no rows.
func unread(s lake.Schema) string {
	list := make([]string, len(s.Columns))
	for i, col := range s.Columns {
		list[i] = "CAST(NULL AS " + col.Type.String() + ") AS " + lake.QuoteName(col.Name)
	}
	return "SELECT " + strings.Join(list, ", ") + " WHERE false"
}

// translate turns StarRocks' spelling into DuckDB's, and variables and
// functions about the session into their values.
func (c *session) translate(q syntax.Fragment, text string) (dialect.Result, error) {
	out, err := c.rewrite(q.Text, true)
	if err != nil {
		return out, shift(err, text, int(q.Pos))
	}
	return out, nil
}

// rewrite is the translation of a query or an expression; headings names what
// a query leaves unnamed.
func (c *session) rewrite(text string, headings bool) (dialect.Result, error) {
	if c.pg != nil {
		o := c.redshiftOptions()
		o.Headings = headings
		return dialect.Redshift(text, o)
	}
	o := c.dialect()
	o.Headings = headings
	return dialect.Query(text, o)
}

// dialect gives the settings of this session's queries.
func (c *session) dialect() dialect.Options {
	pipes, throw := modes(c.vars.get("sql_mode"))
	return dialect.Options{
		PipesAsConcat: pipes,
		ThrowOnCast:   throw,
		Headings:      true,
		Variable:      c.variableLiteral,
		Function:      c.functionLiteral,
	}
}

// modes reads the sql_mode.
func modes(list string) (pipesAsConcat, throwOnCast bool) {
	list = strings.ToUpper(list)
	return strings.Contains(list, "PIPES_AS_CONCAT"), strings.Contains(list, "ALLOW_THROW_EXCEPTION")
}
