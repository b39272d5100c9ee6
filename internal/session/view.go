package session

import (
	"context"
	"errors"
	"slices"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// viewText is a view's query with what its names and spelling mean. In the
// engine a view is a stub of its columns: its query may read external tables,
// so that each use is planned anew, and held against the allow-list again.
type viewText struct {
	Text     string `json:"text"`
	Catalog  string `json:"catalog"`
	Database string `json:"database,omitempty"`
	Mode     string `json:"sql_mode"`
	// Redshift tells that the text is in Redshift's dialect, not in StarRocks'.
	// Bound has the schema in which a name of one part was found then.
	Redshift bool              `json:"redshift,omitempty"`
	Bound    map[string]string `json:"bound,omitempty"`
}

// maxViews bounds how often one query reads views, those within views counted:
// a view that reads another twice, which reads another twice, doubles it at
// each level.
const maxViews = 1000

func (c *session) createView(ctx context.Context, st *syntax.CreateView, text string, w wire.ResultWriter) error {
	n, err := c.name(st.View)
	if err == nil {
		err = c.openPublic(ctx, n)
	}
	if err == nil {
		err = c.inDatabase(ctx, n, "CREATE VIEW")
	}
	if err != nil {
		return err
	}
	switch {
	case st.Security == "INVOKER":
		return sqlerr.New(sqlerr.Unsupported, "SECURITY INVOKER is not built yet").WithPos(text, int(st.Pos))
	case len(st.Properties) > 0:
		return sqlerr.New(sqlerr.Unsupported, "PROPERTIES of a view are not supported").WithPos(text, int(st.Properties[0].Key.Pos))
	}
	taken, err := c.taken(ctx, n)
	if err != nil {
		return err
	}
	if taken && !st.OrReplace {
		if st.IfNotExists {
			return ok(w, "CREATE VIEW")
		}
		return tableExists(n)
	}
	if taken {
		if t, err := c.describeInternal(ctx, n); err != nil || !t.isView() {
			return errors.Join(err, tableExists(n))
		}
	}
	return c.defineView(ctx, n, st.Columns, st.Comment, st.Query, text, "CREATE VIEW", w)
}

func (c *session) alterView(ctx context.Context, st *syntax.AlterView, text string, w wire.ResultWriter) error {
	t, err := c.droppable(ctx, st.View, "ALTER VIEW")
	if err != nil {
		return err
	}
	if !t.isView() {
		return notAView(t.name, text, st.View.Start())
	}
	var comment *syntax.StringLit
	if t.comment != "" {
		comment = &syntax.StringLit{Value: t.comment}
	}
	return c.defineView(ctx, t.name, st.Columns, comment, st.Query, text, "ALTER VIEW", w)
}

func notAView(n tableName, text string, pos syntax.Pos) error {
	return sqlerr.New(sqlerr.Invalid, "'%s.%s' is not a view", n.database, n.table).With(sqlerr.Code{MySQL: 1347, State: "HY000"}).WithPos(text, int(pos))
}

// defineView plans the query, as a use of the view will, and stores it.
func (c *session) defineView(ctx context.Context, n tableName, columns []syntax.ViewColumn, comment *syntax.StringLit, q syntax.Fragment, text, tag string, w wire.ResultWriter) error {
	p, err := c.plan(ctx, q, text)
	if err != nil {
		return err
	}
	defer p.close()
	if slices.Contains(p.views, n) {
		return sqlerr.New(sqlerr.Invalid, "view %s.%s would read itself", n.database, n.table).WithPos(text, int(q.Pos))
	}
	if chosen := p.source.Partitions; len(chosen) > 0 {
		return sqlerr.New(sqlerr.Unsupported, "a view cannot read single partitions: use WHERE").WithPos(text, int(q.Pos)+chosen[0].At)
	}
	names := make([]syntax.Ident, len(columns))
	for i, col := range columns {
		names[i] = col.Name
	}
	d := &definition{View: &viewText{Text: q.Text, Catalog: c.catalog, Database: c.database, Mode: c.vars.get("sql_mode"), Redshift: c.pg != nil}}
	if d.View.Bound, err = c.bind(ctx, q, text); err != nil {
		return err
	}
	if d.Columns, err = c.selected(ctx, p, names, text); err != nil {
		return err
	}
	if comment != nil {
		d.Comment = comment.Value
	}
	stubs := make([]string, len(d.Columns))
	for i := range d.Columns {
		if i < len(columns) && columns[i].Comment != nil {
			d.Columns[i].Comment = columns[i].Comment.Value
		}
		stubs[i] = "CAST(NULL AS " + d.Columns[i].Engine + ") AS " + lake.QuoteName(d.Columns[i].Name)
	}
	err = c.atomically(ctx, func() error {
		if _, err := c.own(ctx, "CREATE OR REPLACE VIEW "+n.internal()+" AS SELECT "+strings.Join(stubs, ", ")); err != nil {
			return err
		}
		return c.remember(ctx, n, d)
	})
	if err != nil {
		return err
	}
	return ok(w, tag)
}

// bind gives the schema of each name of one part, on a PostgreSQL session: what
// the view means does not change with the path.
func (c *session) bind(ctx context.Context, q syntax.Fragment, text string) (map[string]string, error) {
	if c.pg == nil {
		return nil, nil
	}
	result, err := c.translate(q, text)
	if err != nil {
		return nil, err
	}
	tree, err := c.conn.Inspect(ctx, result.SQL)
	if err != nil {
		return nil, err
	}
	bound := map[string]string{}
	for _, ref := range tree.Names {
		if parts := ref.Parts(); len(parts) == 1 {
			n, err := c.searched(ctx, parts)
			if err != nil {
				return nil, err
			}
			bound[parts[0]] = n.database
		}
	}
	return bound, nil
}

func (c *session) dropView(ctx context.Context, st *syntax.DropView, text string, w wire.ResultWriter) error {
	var names []tableName
	for _, q := range st.Views {
		t, err := c.droppable(ctx, q, "DROP VIEW")
		if sqlerr.Is(err, sqlerr.NotFound) && st.IfExists {
			continue
		}
		if err != nil {
			return err
		}
		if !t.isView() {
			return notAView(t.name, text, q.Start())
		}
		names = append(names, t.name)
	}
	err := c.atomically(ctx, func() error {
		for _, n := range names {
			if _, err := c.own(ctx, "DROP VIEW "+n.internal()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ok(w, "DROP VIEW")
}

// expand puts the queries of views in the place of their names until no view
// is left. The names that a view's query uses are written in full: those of
// the statement around it, its CTEs among them, do not reach inside.
func (c *session) expand(ctx context.Context, p *plan, tree *engine.Tree) (*engine.Tree, error) {
	for reads := 0; ; {
		var edits []engine.Edit
		for _, ref := range tree.Names {
			n, def, err := c.viewOf(ctx, ref)
			if err != nil {
				return nil, err
			}
			if def == nil {
				continue
			}
			if reads++; reads > maxViews {
				return nil, sqlerr.New(sqlerr.Invalid, "the query reads views more than %d times, those within views counted; %s is one", maxViews, n)
			}
			sql, err := c.inside(ctx, n, def)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(p.views, n) {
				p.views = append(p.views, n)
			}
			edits = append(edits, tree.Replace(use{ref: ref, name: n}.whole(), sql)...)
		}
		if len(edits) == 0 {
			return tree, nil
		}
		p.edit(edits)
		p.expanded++
		var err error
		if tree, err = c.conn.Inspect(ctx, p.sql); err == nil {
			err = tree.Check(c.replaces)
		}
		if err != nil {
			return nil, p.locate(err)
		}
	}
}

// viewOf gives the definition of the view that a name means; nil: it is none.
func (c *session) viewOf(ctx context.Context, ref engine.NameRef) (tableName, *definition, error) {
	n, err := c.searched(ctx, ref.Parts())
	if err != nil || n.catalog != catalog.Internal || c.system(n) {
		return n, nil, nil // resolve tells what is wrong with it
	}
	if c.temporaries {
		if found, err := c.hasTable(ctx, n); err != nil || found.temporary {
			return n, nil, nil
		}
	}
	is, err := c.exists(ctx, "SELECT 1 FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?", engine.Catalog, n.database, n.table)
	if err != nil || !is {
		return n, nil, err
	}
	t, err := c.describeInternal(ctx, n)
	if err != nil {
		return n, nil, err
	}
	return n, t.def, nil
}

// inside is the finished query of a view, with the columns that it had when it
// was made.
func (c *session) inside(ctx context.Context, n tableName, d *definition) (string, error) {
	broken := func(err error) error {
		e := *sqlerr.From(err)
		e.Pos, e.Msg = sqlerr.Pos{}, "view "+n.database+"."+n.table+": "+e.Msg
		return &e
	}
	around := &session{srv: c.srv, conn: c.conn, catalog: d.View.Catalog, database: d.View.Database}
	o := c.dialect()
	o.PipesAsConcat, o.ThrowOnCast = modes(d.View.Mode)
	t := starrocks(d.View.Text, o)
	if d.View.Redshift {
		t = redshift(d.View.Text, c.reader().redshiftOptions())
	}
	result, err := t.run(nil, nil)
	if err != nil {
		return "", broken(err)
	}
	tree, err := c.conn.Inspect(ctx, result.SQL)
	if err == nil {
		err = tree.Check()
	}
	if err != nil {
		return "", broken(err)
	}
	if result, tree, err = around.convert(ctx, &plan{}, t, result, tree); err != nil {
		return "", broken(err)
	}
	var edits []engine.Edit
	for _, ref := range tree.Names {
		parts := ref.Parts()
		if schema, bound := d.View.Bound[parts[0]]; bound && len(parts) == 1 {
			parts = []string{schema, parts[0]}
		}
		inner, err := around.parts(parts)
		if err != nil {
			return "", broken(err)
		}
		full := lake.QuoteName(inner.catalog) + "." + lake.QuoteName(inner.database) + "." + lake.QuoteName(inner.table)
		edits = append(edits, tree.Replace(use{ref: ref, name: inner}.whole(), "SELECT * FROM "+full)...)
	}
	names := make([]string, len(d.Columns))
	for i, col := range d.Columns {
		names[i] = lake.QuoteName(col.Name)
	}
	list := strings.Join(names, ", ")
	return "SELECT " + list + " FROM (" + engine.Splice(result.SQL, edits) + "\n) AS " + lake.QuoteName(n.table) + "(" + list + ")", nil
}

// reader is the session as views in Redshift's dialect see it, whose functions
// tell about the session that reads them.
func (c *session) reader() *session {
	if c.pg != nil {
		return c
	}
	return &session{srv: c.srv, conn: c.conn, id: c.id, user: c.user, catalog: c.catalog, database: c.database, pg: &postgres{path: []string{c.database}}}
}

// statement spells the view as StarRocks' SHOW CREATE VIEW does.
func (d *definition) viewStatement(n tableName) string {
	names := make([]string, len(d.Columns))
	for i, col := range d.Columns {
		names[i] = (syntax.Ident{Name: col.Name}).String()
		if col.Comment != "" {
			names[i] += " COMMENT " + syntax.Quote(col.Comment)
		}
	}
	out := "CREATE VIEW " + (syntax.Ident{Name: n.table}).String() + " (" + strings.Join(names, ", ") + ")"
	if d.Comment != "" {
		out += "\nCOMMENT " + syntax.Quote(d.Comment)
	}
	return out + " AS " + d.View.Text + ";"
}
