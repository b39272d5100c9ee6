package session

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
	"lakeport/internal/wire"
)

// loadLog is what the views tell of COPY statements. It is a log beside the
// transactions: a ROLLBACK takes nothing back from it.
type loadLog struct {
	mu    sync.Mutex
	last  int64 // query id
	loads []loadEntry
}

// loadEntry is one COPY.
type loadEntry struct {
	query   int64
	user    string
	session uint32
	table   tableName
	tableID int64
	format  string
	errors  []transfer.LoadError
	files   []transfer.LoadedFile
}

// keptLoads is how many statements the views tell of.
const keptLoads = 200

// next numbers a statement.
func (l *loadLog) next() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return l.last
}

func (l *loadLog) add(e loadEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loads = append(l.loads, e); len(l.loads) > keptLoads {
		l.loads = slices.Delete(l.loads, 0, 1)
	}
}

// of gives the entries of a user.
func (l *loadLog) of(user string) []loadEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.loads), func(e loadEntry) bool { return e.user != user })
}

// copyObjects carries out COPY FROM 's3://…' in the session's transaction.
func (c *session) copyObjects(ctx context.Context, st *syntax.Copy, text string, w wire.ResultWriter) error {
	cp, err := transfer.ReadCopy(st, text)
	if err != nil {
		return err
	}
	who, err := transfer.Authorize(st, st.Options, c.srv.Resolver, c.user, text)
	if err != nil {
		return err
	}
	l, err := c.prepareLoad(ctx, &syntax.Insert{Pos: st.Pos, Table: st.Table, Columns: st.Columns}, text)
	if err != nil {
		return err
	}
	if st.Columns == nil { // all but those that number themselves ("Column mapping options")
		l.columns = slices.DeleteFunc(l.columns, func(d declared) bool { return d.AutoIncrement != "" })
	}
	c.pg.lastCopy, c.pg.copied = c.srv.loads.next(), 0
	storage := c.catalogs().StorageOf(who)
	if err := cp.Ready(ctx, storage.Objects()); err != nil {
		return storage.ExplainS3(ctx, err)
	}
	objects, err := cp.Objects(ctx, storage.Objects())
	if err != nil {
		return storage.ExplainS3(ctx, err)
	}
	var loaded, bad int64
	switch {
	case len(objects) == 0:
	case cp.Format.Columnar():
		loaded, err = c.copyColumnar(ctx, cp, l, storage, objects)
	default:
		loaded, bad, err = c.copyText(ctx, cp, l, storage, objects)
	}
	if err != nil {
		return err
	}
	c.pg.copied = loaded
	c.warn("Info", fmt.Sprintf("Load into table '%s' completed, %d record(s) loaded successfully.", l.into.name.table, loaded), 0)
	if bad > 0 {
		c.warn("Info", fmt.Sprintf("Load into table '%s' completed, %d record(s) could not be loaded.  Check 'stl_load_errors' system table for details.", l.into.name.table, bad), 0)
	}
	return w.Done(wire.Done{Tag: "COPY", Affected: -1}) // the notice has the number
}

// copyText loads delimited text, fixed widths and JSON.
func (c *session) copyText(ctx context.Context, cp *transfer.Copy, l load, storage *catalog.Storage, objects []lake.Object) (loaded, bad int64, err error) {
	targets := make([]transfer.Target, len(l.columns))
	names := make([]string, len(l.columns))
	for i, col := range l.columns {
		names[i] = lake.QuoteName(col.Name)
		targets[i] = transfer.Target{Column: lake.Column{Name: col.Name, Type: l.into.typeOf(names[i])}, Declared: declaredName(col), Length: col.Length, NotNull: col.NotNull}
	}
	zone, err := time.LoadLocation(c.setting("timezone"))
	if err != nil {
		zone = time.UTC
	}
	loading, err := cp.Load(storage.Objects(), objects, targets, zone)
	if err != nil {
		return 0, 0, err
	}
	fed, done := context.WithCancel(ctx)
	defer done()
	p := &plan{sql: "SELECT " + strings.Join(names, ", ") + " FROM " + engine.Offer(fed, loading.Feed())}
	if cp.NoLoad {
		loaded, err = c.count(ctx, p.sql)
	} else {
		err = c.atomically(ctx, func() (err error) {
			loaded, err = c.load(ctx, l, p)
			return err
		})
	}
	errs, files := loading.Told()
	entry := loadEntry{query: c.pg.lastCopy, user: c.user, session: c.id, table: l.into.name, tableID: c.tableOID(l.into.name.database, l.into.name.table), format: "Text", errors: errs}
	if cp.Format == transfer.JSON {
		entry.format = "JSON"
	}
	if err == nil {
		entry.files = files
	}
	c.srv.loads.add(entry)
	switch {
	case err != nil && loading.Failed():
		return 0, 0, sqlerr.New(sqlerr.Invalid, "Load into table '%s' failed.  Check 'stl_load_errors' system table for details.", l.into.name.table).
			With(sqlerr.Code{State: "XX000"})
	case err != nil:
		return 0, 0, placeless(filtered(storage.ExplainS3(ctx, err)))
	}
	return loaded, loading.Bad(), nil
}

// count runs a query for its rows' number only, reading all of them.
func (c *session) count(ctx context.Context, sql string) (n int64, err error) {
	rows, err := c.conn.Query(ctx, sql)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return n, err
		}
		n += int64(chunk.Rows)
	}
}

// declaredName is the type of a column as stl_load_errors spells it.
func declaredName(col declared) string {
	name, _, _ := strings.Cut(strings.ToLower(col.Type), "(")
	if short, known := map[string]string{"smallint": "int2", "int": "int4", "integer": "int4", "bigint": "int8", "float": "float4", "double": "float8", "boolean": "bool",
		"decimal": "numeric", "datetime": "timestamp", "string": "varchar", "timestamp with time zone": "timestamptz"}[name]; known {
		return short
	}
	return name
}

// copyColumnar loads Parquet and ORC files, whose columns are the table's by
// position.
func (c *session) copyColumnar(ctx context.Context, cp *transfer.Copy, l load, storage *catalog.Storage, objects []lake.Object) (int64, error) {
	source, err := transfer.Open(ctx, transfer.Files{Store: c.srv.Objects, Client: storage.Objects(), Objects: objects, Format: cp.Format, Alike: true})
	if err != nil {
		return 0, storage.ExplainS3(ctx, err)
	}
	columns := source.FileColumns()
	if len(columns) != len(l.columns) {
		return 0, sqlerr.New(sqlerr.Invalid, "Unmatched number of columns between table and file. Table columns: %d, Data columns: %d, File name: %s",
			len(l.columns), len(columns), objects[0].URI()).With(sqlerr.Code{State: "XX000"})
	}
	casts := make([]string, len(columns))
	for i, col := range columns {
		to := l.into.typeOf(lake.QuoteName(l.columns[i].Name))
		if !keeps(col.Type, to) {
			return 0, sqlerr.New(sqlerr.Invalid, "File %s has an incompatible %s schema for column %s, which is %s in the table and %s in the file", objects[0].URI(),
				cp.Format, l.columns[i].Name, strings.ToLower(to.String()), strings.ToLower(col.Type.String())).With(sqlerr.Code{State: "XX000"})
		}
		casts[i] = "CAST(" + lake.QuoteName(col.Name) + " AS " + to.String() + ")"
	}
	c.local = map[string]use{loadSource: {table: source, from: storage}}
	defer func() { c.local = nil }()
	const all = "SELECT * FROM " + loadSource
	p, err := c.plan(ctx, syntax.Fragment{Text: all}, all)
	if err != nil {
		return 0, placeless(err)
	}
	defer p.close()
	p.sql = "SELECT " + strings.Join(casts, ", ") + " FROM (" + p.sql + ")"
	var loaded int64
	err = c.atomically(ctx, func() (err error) {
		loaded, err = c.load(ctx, l, p)
		return err
	})
	if err != nil {
		return 0, placeless(filtered(p.explain(ctx, err)))
	}
	entry := loadEntry{query: c.pg.lastCopy, user: c.user, session: c.id, table: l.into.name, format: strings.ToUpper(string(cp.Format))}
	for _, o := range objects {
		entry.files = append(entry.files, transfer.LoadedFile{File: o.URI(), Time: time.Now().UTC()})
	}
	c.srv.loads.add(entry)
	return loaded, nil
}

// whole are the integers by size.
var whole = map[lake.Kind]int{lake.TinyInt: 1, lake.SmallInt: 2, lake.Integer: 3, lake.BigInt: 4}

// keeps tells whether a file's values become a column's without losing any of
// what they say; ranges are checked when they are read.
func keeps(file, column lake.Type) bool {
	switch {
	case file.Kind == column.Kind && file.Kind != lake.Decimal:
		return true
	case whole[file.Kind] > 0:
		return whole[column.Kind] > 0 || column.Kind == lake.Decimal
	case file.Kind == lake.Decimal:
		return column.Kind == lake.Decimal && column.Scale >= file.Scale
	case file.Kind == lake.Float:
		return column.Kind == lake.Double
	case file.Kind == lake.Timestamp || file.Kind == lake.TimestampTZ || file.Kind == lake.TimestampMS || file.Kind == lake.TimestampNS:
		return column.Kind == lake.Timestamp || column.Kind == lake.TimestampTZ
	}
	return false
}

// A fill of the views about loads.

func fillLoadErrors(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, l := range c.srv.loads.of(c.user) {
		for _, e := range l.errors {
			r.add(100, 0, l.tableID, stamp(e.Time), int64(l.session), l.query, e.File, e.Line, e.Column, e.Type, e.Length, e.Position, e.RawLine, e.RawValue, e.Code, e.Reason,
				0, 0, 0)
		}
	}
	return nil
}

func fillErrorDetail(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, l := range c.srv.loads.of(c.user) {
		for _, e := range l.errors {
			r.add(100, l.query, 0, int64(l.session), l.table.catalog, l.tableID, stamp(e.Time), e.File, e.Line, e.Column, e.Type, e.Length, e.Position, e.Code, e.Reason)
		}
	}
	return nil
}

func fillLoadCommits(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, l := range c.srv.loads.of(c.user) {
		for _, f := range l.files {
			r.add(100, l.query, 0, l.table.table, f.File, 0, f.Lines, f.Errors, stamp(f.Time), 1, l.format, 0, 0, 0)
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// copyFunction gives the functions about the last COPY and UNLOAD of the session.
func (c *session) copyFunction(name string) (string, bool) {
	number := func(n int64, kind string) (string, bool) {
		return "CAST(" + strconv.FormatInt(n, 10) + " AS " + kind + ")", true
	}
	switch name {
	case "pg_last_copy_count":
		return number(c.pg.copied, "BIGINT")
	case "pg_last_copy_id":
		return number(queryID(c.pg.lastCopy), "INTEGER")
	case "pg_last_unload_count":
		return number(c.pg.unloaded, "BIGINT")
	case "pg_last_unload_id":
		return number(queryID(c.pg.lastUnload), "INTEGER")
	}
	return "", false
}

// queryID is a query's id, -1 if there was none.
func queryID(id int64) int64 {
	if id == 0 {
		return -1
	}
	return id
}
