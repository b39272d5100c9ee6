package session

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/format/iceberg"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// externalCatalog gives the catalog that a statement changes. Its tables change
// at once, whatever becomes of a transaction.
func (c *session) externalCatalog(name, what string) (*catalog.Catalog, error) {
	ext, err := c.catalogs().Get(name)
	if err == nil && c.open {
		err = sqlerr.New(sqlerr.Unsupported, "%s in an external catalog cannot be part of a transaction", what).WithHint("COMMIT or ROLLBACK first")
	}
	return ext, err
}

func (c *session) createExternalDatabase(ctx context.Context, st *syntax.CreateDatabase, cat, db, text string, w wire.ResultWriter) error {
	ext, err := c.externalCatalog(cat, "CREATE DATABASE")
	if err != nil {
		return err
	}
	location := ""
	for _, p := range st.Properties {
		if p.Key.Value != "location" {
			return sqlerr.New(sqlerr.Invalid, "Unrecognized property: %s", p.Key.Value).WithPos(text, int(p.Key.Pos))
		}
		location = p.Value.Value
	}
	err = ext.CreateDatabase(ctx, db, location)
	if err != nil && !(st.IfNotExists && sqlerr.Is(err, sqlerr.Exists)) {
		return err
	}
	return ok(w, "CREATE DATABASE")
}

func (c *session) dropExternalDatabase(ctx context.Context, st *syntax.DropDatabase, cat, db string, w wire.ResultWriter) error {
	ext, err := c.externalCatalog(cat, "DROP DATABASE")
	if err != nil {
		return err
	}
	err = ext.DropDatabase(ctx, db)
	switch {
	case sqlerr.Is(err, sqlerr.NotFound) && st.IfExists:
	case sqlerr.Is(err, sqlerr.NotFound):
		return sqlerr.New(sqlerr.NotFound, "Can't drop database '%s'; database doesn't exist", db).With(sqlerr.DBMissing)
	case err != nil:
		return err
	}
	if c.catalog == cat && c.database == db {
		c.setCurrent(cat, "")
	}
	return ok(w, "DROP DATABASE")
}

// dropExternal removes a table of an external catalog; FORCE its files too.
func (c *session) dropExternal(ctx context.Context, n tableName, force bool) error {
	ext, err := c.externalCatalog(n.catalog, "DROP TABLE")
	if err != nil {
		return err
	}
	return ext.DropTable(ctx, n.database, n.table, force)
}

// createExternal makes a table of an external catalog, with a query's rows if
// there is one.
func (c *session) createExternal(ctx context.Context, n tableName, st *syntax.CreateTable, text string, w wire.ResultWriter) error {
	ext, err := c.externalCatalog(n.catalog, "CREATE TABLE")
	if err != nil {
		return err
	}
	d, err := c.externalDefinition(ctx, st, text)
	if err != nil {
		return err
	}
	var p *plan
	if !st.Query.IsZero() {
		if p, err = c.plan(ctx, st.Query, text); err != nil {
			return err
		}
		defer p.close()
		if d.Columns, err = c.queried(ctx, p, st, text); err != nil {
			return err
		}
	}
	t, err := ext.CreateTable(ctx, n.database, n.table, d, p != nil)
	if sqlerr.Is(err, sqlerr.Exists) && st.IfNotExists {
		return ok(w, "CREATE TABLE")
	}
	if err != nil || p == nil {
		if err != nil {
			return err
		}
		return ok(w, "CREATE TABLE")
	}
	a := &addition{table: t, columns: make([]int, len(d.Columns)), create: true}
	for i := range a.columns {
		a.columns[i] = i
	}
	affected, err := c.append(ctx, a, p, text)
	if err != nil {
		return filtered(p.explain(ctx, err))
	}
	return w.Done(wire.Done{Tag: "CREATE TABLE", Affected: affected})
}

// externalDefinition reads what CREATE TABLE says, and refuses what only
// internal tables have.
func (c *session) externalDefinition(ctx context.Context, st *syntax.CreateTable, text string) (iceberg.Definition, error) {
	d := iceberg.Definition{Properties: map[string]string{}}
	refuse := func(what string, pos syntax.Pos) (iceberg.Definition, error) {
		return d, sqlerr.New(sqlerr.Unsupported, "%s is not for tables of an Iceberg catalog", what).WithPos(text, int(pos))
	}
	switch {
	case st.Temporary:
		return refuse("CREATE TEMPORARY TABLE", st.Pos)
	case !st.Like.IsZero():
		return refuse("CREATE TABLE LIKE", st.Like.Start())
	case st.Engine != "" && !strings.EqualFold(st.Engine, "iceberg"):
		return refuse("ENGINE = "+st.Engine, st.Pos)
	case st.Key != nil:
		return refuse(st.Key.Model+" KEY", st.Key.Pos)
	case st.Distribution != nil:
		return refuse("DISTRIBUTED BY", st.Distribution.Pos)
	case len(st.OrderBy) > 0:
		return refuse("ORDER BY", st.OrderBy[0].Column.Pos)
	case len(st.Rollups) > 0:
		return refuse("ROLLUP", st.Rollups[0].Pos)
	case len(st.Indexes) > 0:
		return refuse("INDEX", st.Indexes[0].Pos)
	case st.PartitionBy != nil && (st.PartitionBy.Kind != "" || len(st.PartitionBy.Definitions) > 0):
		return refuse("PARTITION BY "+st.PartitionBy.Kind+" with listed partitions", st.PartitionBy.Pos)
	}
	if st.Comment != nil {
		d.Comment = st.Comment.Value
	}
	if st.PartitionBy != nil {
		for _, f := range st.PartitionBy.Items {
			d.Partition = append(d.Partition, f.Text)
		}
	}
	for _, p := range st.Properties {
		if p.Key.Value == "location" {
			d.Location = p.Value.Value
			continue
		}
		d.Properties[p.Key.Value] = p.Value.Value
	}
	for _, col := range st.Columns {
		if col.Type.Name == "" {
			continue // CREATE TABLE … AS names it only
		}
		def, err := c.externalColumn(col, text)
		if err != nil {
			return d, err
		}
		if slices.ContainsFunc(d.Columns, func(o iceberg.ColumnDefinition) bool { return strings.EqualFold(o.Name, def.Name) }) {
			return d, sqlerr.New(sqlerr.Exists, "Duplicate column name '%s'", def.Name).With(sqlerr.Code{MySQL: 1060, State: "42S21"}).WithPos(text, int(col.Name.Pos))
		}
		d.Columns = append(d.Columns, def)
	}
	return d, nil
}

func (c *session) externalColumn(col syntax.ColumnDef, text string) (iceberg.ColumnDefinition, error) {
	out := iceberg.ColumnDefinition{Required: col.Null == syntax.NotNull}
	refuse := func(what string, pos syntax.Pos) (iceberg.ColumnDefinition, error) {
		return out, sqlerr.New(sqlerr.Unsupported, "%s is not for columns of an Iceberg catalog", what).WithPos(text, int(pos))
	}
	switch {
	case col.AutoIncrement:
		return refuse("AUTO_INCREMENT", col.Name.Pos)
	case !col.Generated.IsZero():
		return refuse("AS, a generated column,", col.Generated.Pos)
	case col.Aggregate != "":
		return refuse(col.Aggregate, col.Name.Pos)
	case col.Key || col.PrimaryKey:
		return refuse("KEY", col.Name.Pos)
	}
	t, _, err := columnType(col.Type)
	if err != nil {
		return out, sqlerr.From(err).WithPos(text, int(col.Type.Pos))
	}
	out.Column = lake.Column{Name: col.Name.Name, Type: t}
	if col.Comment != nil {
		out.Comment = col.Comment.Value
	}
	if col.Default.IsZero() || strings.EqualFold(col.Default.Text, "NULL") {
		return out, nil
	}
	value, literal := col.Default.Literal()
	if !literal {
		return refuse("DEFAULT by an expression", col.Default.Pos)
	}
	if !strings.EqualFold(value, "NULL") { // StarRocks' documents write DEFAULT "NULL"
		out.Default = &value
	}
	return out, nil
}

// queried declares the columns of a query's result.
func (c *session) queried(ctx context.Context, p *plan, st *syntax.CreateTable, text string) ([]iceberg.ColumnDefinition, error) {
	var names []syntax.Ident
	for _, col := range st.Columns {
		if col.Type.Name != "" {
			return nil, sqlerr.New(sqlerr.Invalid, "CREATE TABLE … AS takes its types from the query; name the columns only").WithPos(text, int(col.Type.Pos))
		}
		names = append(names, col.Name)
	}
	list, err := c.selected(ctx, p, names, text)
	if err != nil {
		return nil, err
	}
	types, err := c.resultTypes(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make([]iceberg.ColumnDefinition, len(list))
	for i, col := range list {
		t := types[i]
		switch t.Kind {
		case lake.HugeInt, lake.UBigInt, lake.UHugeInt: // sums of integers
			t = lake.Type{Kind: lake.Decimal, Width: 38}
		case lake.UInteger:
			t = lake.Type{Kind: lake.BigInt}
		case lake.UTinyInt, lake.USmallInt:
			t = lake.Type{Kind: lake.Integer}
		case lake.TimestampMS, lake.TimestampS, lake.TimestampNS:
			t = lake.Type{Kind: lake.Timestamp}
		case lake.Null, lake.Enum, lake.JSON:
			t = lake.Type{Kind: lake.Varchar}
		}
		out[i].Column = lake.Column{Name: col.Name, Type: t}
	}
	return out, nil
}

// resultTypes are the types of a query's columns.
func (c *session) resultTypes(ctx context.Context, p *plan) ([]lake.Type, error) {
	st, err := c.conn.Prepare(ctx, p.sql)
	if err != nil {
		p.before = 0
		return nil, p.explain(ctx, err)
	}
	defer st.Close()
	var types []lake.Type
	for _, col := range st.Columns() {
		types = append(types, col.Type)
	}
	return types, nil
}

// addition is an INSERT into an external table.
type addition struct {
	table   *catalog.Table
	columns []int // for each column of the query the table's
	replace bool
	create  bool // the table is made by it, also without rows
}

// insertExternal is INSERT INTO or OVERWRITE of an external table.
func (c *session) insertExternal(ctx context.Context, n tableName, st *syntax.Insert, text string, w wire.ResultWriter) error {
	refuse := func(what string, pos syntax.Pos) error {
		return sqlerr.New(sqlerr.Unsupported, "%s of an external table is not built yet", what).WithPos(text, int(pos))
	}
	switch {
	case len(st.Static) > 0:
		return refuse("INSERT into partitions by value", st.Static[0].Column.Start())
	case len(st.Partitions) > 0:
		return refuse("INSERT into named partitions", st.Partitions[0].Pos)
	case st.Label != nil:
		return refuse("INSERT WITH LABEL", st.Label.Pos)
	case len(st.Properties) > 0:
		return refuse("INSERT with PROPERTIES", st.Properties[0].Key.Pos)
	}
	ext, err := c.externalCatalog(n.catalog, "INSERT")
	if err != nil {
		return err
	}
	t, err := ext.Table(ctx, n.database, n.table)
	if err != nil {
		return err
	}
	q := insertQuery(st)
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return q.locate(err, text)
	}
	defer p.close()
	a := &addition{table: t, replace: st.Overwrite}
	if a.columns, err = c.targets(ctx, p, t, st, text); err != nil {
		return err
	}
	affected, err := c.append(ctx, a, p, text)
	if err != nil {
		return filtered(q.locate(p.explain(ctx, err), text))
	}
	return w.Done(wire.Done{Tag: "INSERT", Affected: affected, Info: "{'status':'COMMITTED'}"})
}

// targets finds the table's column for each of the query's.
func (c *session) targets(ctx context.Context, p *plan, t *catalog.Table, st *syntax.Insert, text string) ([]int, error) {
	columns := t.Schema().Columns
	names := st.Columns
	if st.ByName {
		list, err := c.selected(ctx, p, nil, text)
		if err != nil {
			return nil, err
		}
		for _, col := range list {
			names = append(names, syntax.Ident{Name: col.Name, Pos: st.Query.Pos})
		}
	}
	if len(names) == 0 {
		all := make([]int, len(columns))
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	var out []int
	for _, id := range names {
		i := slices.IndexFunc(columns, func(col lake.Column) bool { return strings.EqualFold(col.Name, id.Name) })
		if i < 0 {
			return nil, unknownColumn(id.Name, "'"+t.Record.Name+"'", text, id.Pos)
		}
		if slices.Contains(out, i) {
			return nil, sqlerr.New(sqlerr.Invalid, "Column '%s' specified twice", id.Name).With(sqlerr.Code{MySQL: 1110, State: "42000"}).WithPos(text, int(id.Pos))
		}
		out = append(out, i)
	}
	return out, nil
}

// append writes a query's rows as files, stores them, and makes them the
// table's. After a refusal the files are removed, after a doubt they stay.
func (c *session) append(ctx context.Context, a *addition, p *plan, text string) (rows int64, err error) {
	outcome := lake.Rejected
	if a.create {
		defer func() {
			if outcome == lake.Rejected {
				a.table.Abandon(ctx)
			}
		}()
	}
	target, writable := a.table.Table.(lake.Appender)
	if !writable {
		return 0, sqlerr.New(sqlerr.Unsupported, "table %s.%s, of another format than Iceberg, can only be read", a.table.Record.Database, a.table.Record.Name)
	}
	layout, err := target.Layout()
	if err != nil {
		return 0, err
	}
	types, err := c.resultTypes(ctx, p)
	if err != nil {
		return 0, err
	}
	if len(types) != len(a.columns) {
		return 0, sqlerr.New(sqlerr.Invalid, "Inserted target column count: %d doesn't match select/value column count: %d", len(a.columns), len(types)).With(sqlerr.ColumnCount)
	}
	dir, err := os.MkdirTemp(c.srv.Objects.Mounts(), "export-")
	if err != nil {
		return 0, fmt.Errorf("export rows: %w", err)
	}
	defer os.RemoveAll(dir)
	p.before = len(p.sql) + len(text) + 1<<20 // what fails while it runs has no place in the text
	export := engine.Export{Query: casts(layout, a.columns, types, p.sql), Partition: layout.Partition, Dir: dir, Options: layout.Options}
	files, err := c.export(ctx, export)
	if err != nil {
		return 0, err
	}
	if len(files) == 0 && !a.replace && !a.create {
		return 0, nil
	}
	written, err := c.store(ctx, a.table.Storage, layout.Dir, files)
	if err != nil {
		remove(ctx, a.table.Storage, written)
		return 0, err
	}
	outcome, err = target.Append(ctx, written, a.replace)
	if outcome == lake.Rejected {
		remove(ctx, a.table.Storage, written)
	}
	if outcome != lake.Committed {
		return 0, err
	}
	for _, f := range written {
		rows += f.Rows
	}
	return rows, nil
}

// export writes a query's rows as files. In a rehearsal, which reads no rows,
// an empty file stands for all that there would be.
func (c *session) export(ctx context.Context, e engine.Export) ([]engine.Exported, error) {
	if c.watched == nil {
		return c.conn.Export(ctx, e)
	}
	file := engine.Exported{Path: filepath.Join(e.Dir, "rehearsed"), Written: lake.Written{Partition: make([]*string, len(e.Partition))}}
	if err := os.WriteFile(file.Path, nil, 0o600); err != nil {
		return nil, fmt.Errorf("rehearse the export of rows: %w", err)
	}
	return []engine.Exported{file}, nil
}

// uploads is how many files of one statement are stored at once.
const uploads = 4

// store puts files into the storage. With an error, those that it gives are
// there all the same.
func (c *session) store(ctx context.Context, to *catalog.Storage, dir string, files []engine.Exported) ([]lake.Written, error) {
	all := make([]lake.Written, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i, f := range files {
		g.Go(func() error {
			r, err := os.Open(f.Path)
			if err != nil {
				return fmt.Errorf("store rows: %w", err)
			}
			defer r.Close()
			all[i] = f.Written
			all[i].Object, err = to.Objects().Put(ctx, dir+iceberg.NewFileName(i), r)
			return to.ExplainS3(ctx, err)
		})
	}
	err := g.Wait()
	return slices.DeleteFunc(all, func(w lake.Written) bool { return w.ETag == "" }), err
}

// remove takes back files that did not become a table's. One that stays does
// no harm: no reader sees it.
func remove(ctx context.Context, from *catalog.Storage, files []lake.Written) {
	for _, f := range files {
		_ = from.Objects().Delete(context.WithoutCancel(ctx), f.URI())
	}
}

// casts spells the SELECT of a layout's columns over a query: each cast to its
// type, and refused where that would lose something.
func casts(l lake.Layout, columns []int, types []lake.Type, sql string) string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = fmt.Sprintf("lakeport_q%d", i)
	}
	list := make([]string, len(l.Columns))
	for i, col := range l.Columns {
		value := col.Default
		if k := slices.Index(columns, i); k >= 0 {
			value = exactly(names[k], types[k], col.Column)
		}
		if col.Required {
			value = fmt.Sprintf("coalesce(%s, CAST(error(%s) AS %s))", value, lake.QuoteString(nullMark+col.Name), col.Type)
		}
		list[i] = value + " AS " + lake.QuoteName(col.Name)
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM (" + sql + "\n) AS lakeport_query(" + strings.Join(names, ", ") + ")"
}

// What the query of an INSERT says of rows that do not fit; filtered words it.
const (
	nullMark  = "lakeport: NULL in column "
	valueMark = "lakeport: a value does not fit into column "
)

// exactly casts x to a column's type. A cast that would round or cut is an
// error for the values that it changes; approximate numbers may lose digits,
// not size.
func exactly(x string, from lake.Type, to lake.Column) string {
	if from.String() == to.Type.String() {
		return x
	}
	cast := "CAST(" + x + " AS " + to.Type.String() + ")"
	lossy := ""
	switch {
	case to.Type.Kind == lake.Blob && from.Kind == lake.Varchar:
		return "encode(" + x + ")"
	case to.Type.Kind == lake.Varchar && from.Kind == lake.Blob:
		return "decode(" + x + ")"
	case from.Kind == lake.Varchar:
		lossy = unreadable(x, to.Type)
	case to.Type.Kind == lake.Float || to.Type.Kind == lake.Double || to.Type.Kind == lake.Varchar || from.Kind == lake.Null:
	case from.Kind == lake.TimestampTZ && to.Type.Kind == lake.Timestamp, from.Kind == lake.Timestamp && to.Type.Kind == lake.TimestampTZ:
	default:
		as := named(from, to.Type).String()
		lossy = "CAST(" + cast + " AS " + as + ") IS DISTINCT FROM CAST(" + x + " AS " + as + ")"
	}
	if lossy == "" {
		return cast
	}
	return fmt.Sprintf("CASE WHEN %s THEN CAST(error(%s || CAST(%s AS VARCHAR)) AS %s) ELSE %s END", lossy, lake.QuoteString(valueMark+to.Name+": "), x, to.Type, cast)
}

// named gives a type whose structs without names, as row(..) makes them, have
// those of the type that they become.
func named(from, to lake.Type) lake.Type {
	if from.Kind != to.Kind {
		return from
	}
	switch from.Kind {
	case lake.List:
		elem := named(*from.Elem, *to.Elem)
		from.Elem = &elem
	case lake.Map:
		key, elem := named(*from.Key, *to.Key), named(*from.Elem, *to.Elem)
		from.Key, from.Elem = &key, &elem
	case lake.Struct:
		from.Fields = slices.Clone(from.Fields)
		for i := range from.Fields {
			f := &from.Fields[i]
			if i >= len(to.Fields) {
				break
			}
			if f.Name == "" {
				f.Name = to.Fields[i].Name
			}
			f.Type = named(f.Type, to.Fields[i].Type)
		}
	}
	return from
}

// unreadable spells when text is a number that the type would round; "": never.
func unreadable(x string, to lake.Type) string {
	digits := -1
	switch to.Kind {
	case lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt:
		digits = 0
	case lake.Decimal:
		digits = int(to.Scale)
	}
	if digits < 0 {
		return ""
	}
	return fmt.Sprintf(`NOT regexp_full_match(trim(%s), '[+-]?[0-9]*(\.[0-9]{0,%d}0*)?')`, x, digits)
}
