package session

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/delimited"
	"lakeport/internal/engine"
	"lakeport/internal/job"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
)

// loading is a LOAD LABEL that is checked and can run.
type loading struct {
	storage  *catalog.Storage
	settings loadSettings
	parts    []loadPart
	warnings []string
}

// loadPart is one of its data descriptions.
type loadPart struct {
	syntax.LoadData
	into   *described
	where  string // the named partitions
	format transfer.Format
	text   delimited.Format
}

// openLoad checks a LOAD LABEL against its tables. It asks AWS nothing.
func (c *session) openLoad(ctx context.Context, db string, st *syntax.LoadLabel, o loadSettings, text string) (*loading, error) {
	storage, warnings, err := c.catalogs().Storage(properties(st.Storage), text, nil)
	if err != nil {
		return nil, err
	}
	l := &loading{storage: storage, settings: o, warnings: append(o.warnings, warnings...)}
	for _, d := range st.Data {
		name := syntax.QualifiedName{Parts: []syntax.Ident{{Pos: d.Table.Pos, Name: catalog.Internal}, {Pos: d.Table.Pos, Name: db}, d.Table}}
		t, err := c.target(ctx, name, "LOAD LABEL", text)
		if err != nil {
			return nil, err
		}
		p := loadPart{LoadData: d, into: t}
		if err := p.check(text); err != nil {
			return nil, err
		}
		if p.where, err = t.within(d.Partitions, text); err != nil {
			return nil, err
		}
		l.parts = append(l.parts, p)
	}
	return l, nil
}

// tables are the names of those that the load writes.
func (l *loading) tables() []string {
	var names []string
	for _, p := range l.parts {
		if name := p.into.name.table; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// check reads the clauses of a description that do not depend on its files.
func (p *loadPart) check(text string) error {
	refuse := func(kind sqlerr.Kind, pos syntax.Pos, format string, args ...any) error {
		return sqlerr.New(kind, format, args...).WithPos(text, int(pos))
	}
	if p.Negative != nil {
		return refuse(sqlerr.Unsupported, *p.Negative, "NEGATIVE is for tables with an AGGREGATE KEY, which are not built yet")
	}
	format, err := loadFormat(p.LoadData)
	if err != nil {
		return sqlerr.From(err).WithPos(text, int(p.Files[0].Pos))
	}
	p.format = format
	if format != transfer.Delimited {
		for _, given := range []*syntax.StringLit{p.Columns, p.LoadData.Rows} {
			if given != nil {
				return refuse(sqlerr.Invalid, given.Pos, "files of format %s have no separators", format)
			}
		}
		if len(p.Options) > 0 {
			return refuse(sqlerr.Invalid, p.Options[0].Key.Pos, "%s is an option of CSV files", p.Options[0].Key.Value)
		}
	}
	if err := p.readText(text); err != nil {
		return err
	}
	for _, set := range p.Set {
		if p.into.def.index(set.Column.Last()) < 0 {
			return refuse(sqlerr.NotFound, set.Column.Start(), "Unknown column '%s' in '%s'", set.Column.Last(), p.into.name.table)
		}
	}
	return nil
}

// loadFormat is the format that FORMAT AS or the files' suffix tells.
func loadFormat(d syntax.LoadData) (transfer.Format, error) {
	if d.Format != nil {
		switch name := strings.ToLower(d.Format.Name); name {
		case "parquet", "orc", "csv":
			return transfer.Format(name), nil
		case "json":
			return "", sqlerr.New(sqlerr.Unsupported, "loads of JSON files are not built yet")
		default:
			return "", sqlerr.New(sqlerr.Invalid, "Unknown format type: %s", d.Format.Name).WithHint("CSV, Parquet and ORC are read")
		}
	}
	switch name := strings.ToLower(d.Files[0].Value); {
	case strings.HasSuffix(name, ".parquet"), strings.HasSuffix(name, ".parq"):
		return transfer.Parquet, nil
	case strings.HasSuffix(name, ".orc"):
		return transfer.ORC, nil
	case strings.HasSuffix(name, ".json"):
		return "", sqlerr.New(sqlerr.Unsupported, "loads of JSON files are not built yet")
	}
	return transfer.Delimited, nil
}

// longestRow bounds a row of CSV in bytes: some of StarRocks' longest strings, of
// 1 MB each.
const longestRow = 16 << 20

// readText reads separators and options of CSV. StarRocks passes over empty
// rows.
func (p *loadPart) readText(text string) error {
	p.text = delimited.Format{Delimiter: "\t", Null: `\N`, HasNull: true, SkipBlank: true, Longest: longestRow}
	for given, to := range map[*syntax.StringLit]*string{p.Columns: &p.text.Delimiter, p.LoadData.Rows: &p.text.Row} {
		if given == nil {
			continue
		}
		value := separator(given.Value)
		if value == "" || len(value) > 50 {
			return sqlerr.New(sqlerr.Invalid, "a separator has 1 to 50 bytes").WithPos(text, int(given.Pos))
		}
		*to = value
	}
	if p.text.Row == "\n" {
		p.text.Row = ""
	}
	for _, o := range p.Options {
		bad := func(what string) error {
			return sqlerr.New(sqlerr.Invalid, "%s must be %s, not %q", o.Key.Value, what, o.Value.Value).WithPos(text, int(o.Value.Pos))
		}
		switch key, value := strings.ToLower(o.Key.Value), o.Value.Value; key {
		case "skip_header":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return bad("a number of lines")
			}
			p.text.Skip = n
		case "trim_space":
			p.text.Trim = strings.EqualFold(value, "true")
			if !p.text.Trim && !strings.EqualFold(value, "false") {
				return bad("true or false")
			}
		case "enclose", "escape":
			if len(value) != 1 {
				return bad("one byte")
			}
			if key == "enclose" {
				p.text.Quote = value[0]
			} else {
				p.text.Escape = value[0]
			}
		default:
			err := sqlerr.New(sqlerr.Invalid, "unknown CSV option %q", o.Key.Value).WithPos(text, int(o.Key.Pos))
			if near := sqlerr.Nearest(key, []string{"skip_header", "trim_space", "enclose", "escape"}); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return err
		}
	}
	return nil
}

// separator decodes the spellings of invisible separators that stand beside the
// literal's own escapes: \x01, \t and \n written with two backslashes.
func separator(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+3 < len(s) && (s[i+1] == 'x' || s[i+1] == 'X'):
			if c, err := hex.DecodeString(s[i+2 : i+4]); err == nil {
				b.Write(c)
				i += 3
				continue
			}
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("tnr", s[i+1]) >= 0:
			b.WriteByte(map[byte]byte{'t': '\t', 'n': '\n', 'r': '\r'}[s[i+1]])
			i++
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// runLoad is the Work of LOAD LABEL's jobs, in a session of its own.
func (s *Server) runLoad(ctx context.Context, r *job.Run) error {
	j := r.Job()
	c := &session{srv: s, conn: r.Conn, user: j.User}
	if err := c.Reset(ctx); err != nil {
		return err
	}
	c.setCurrent(catalog.Internal, j.DB)
	parsed, err := syntax.Parse(j.Text)
	if err != nil {
		return err
	}
	st := parsed.(*syntax.LoadLabel)
	o, err := loadOptions(st.Properties, j.Text)
	if err != nil {
		return err
	}
	zone := j.Detail["timezone"]
	if o.timezone != "" {
		zone = o.timezone
	}
	if err := c.setTimeZone(ctx, zone); err != nil {
		return err
	}
	l, err := c.openLoad(ctx, j.DB, st, o, j.Text)
	if err != nil {
		return err
	}
	sources := make([]*transfer.Source, len(l.parts))
	for i, p := range l.parts {
		if sources[i], err = l.source(ctx, c, p); err != nil {
			return l.storage.ExplainS3(ctx, err)
		}
	}
	for attempt := 1; ; attempt++ {
		r.Report(func(p *job.Progress) { *p = job.Progress{Tables: p.Tables} })
		err := r.Commit(ctx, func(*engine.Conn) error { return c.runParts(ctx, r, l, sources) })
		if sqlerr.Is(err, sqlerr.Conflict) && refusedRow(err) == "" && attempt < 4 {
			continue // another transaction has changed the same rows
		}
		return err
	}
}

// objects lists the files of a description. There must be some.
func (l *loading) objects(ctx context.Context, p loadPart) ([]lake.Object, error) {
	var list []lake.Object
	var patterns []string
	for _, file := range p.Files {
		patterns = append(patterns, file.Value)
		found, err := l.storage.Objects().Glob(ctx, file.Value)
		if err != nil && !transfer.Missing(err) {
			return nil, err
		}
		for _, o := range found {
			name := o.Key[strings.LastIndexByte(o.Key, '/')+1:]
			if o.Size > 0 && name != "" && name[0] != '_' && name[0] != '.' {
				list = append(list, o)
			}
		}
	}
	if len(list) == 0 {
		return nil, sqlerr.New(sqlerr.NotFound, "No files were found matching the pattern(s) or path(s): '%s'. You should check whether there are files under the path, and make sure the process has the permission to access the path",
			strings.Join(patterns, ", ")).With(sqlerr.Code{MySQL: 5600, State: "58030"}).WithHint("the files of a directory are s3://bucket/directory/*")
	}
	return list, nil
}

// source opens the files of a description.
func (l *loading) source(ctx context.Context, c *session, p loadPart) (*transfer.Source, error) {
	objects, err := l.objects(ctx, p)
	if err != nil {
		return nil, err
	}
	f := transfer.Files{Store: c.srv.Objects, Client: l.storage.Objects(), Objects: objects, Format: p.format, Text: p.text}
	for _, name := range p.Names {
		f.Names = append(f.Names, name.Name)
	}
	for _, name := range p.FromPath {
		f.FromPath = append(f.FromPath, name.Name)
	}
	if p.format == transfer.Delimited && f.Names == nil {
		for _, col := range p.into.def.stored() {
			if !slices.ContainsFunc(f.FromPath, func(n string) bool { return strings.EqualFold(n, col.Name) }) {
				f.Names = append(f.Names, col.Name)
			}
		}
	}
	return transfer.Open(ctx, f)
}

// runParts loads all descriptions in the job's transaction, and judges how many
// rows were left out.
func (c *session) runParts(ctx context.Context, r *job.Run, l *loading, sources []*transfer.Source) error {
	var loaded, refused int64
	for i, p := range l.parts {
		gate := new(engine.Gate)
		err := c.runPart(ctx, l, p, sources[i], gate)
		loaded, refused = loaded+gate.Passed.Load(), refused+gate.Refused.Load()
		r.Report(func(pr *job.Progress) {
			pr.Files += sources[i].Files()
			pr.Bytes += sources[i].Bytes()
			pr.Loaded += gate.Passed.Load()
			pr.Filtered += gate.Refused.Load()
			pr.Unselected += gate.Unselected.Load()
			pr.Scanned += gate.Passed.Load() + gate.Refused.Load() + gate.Unselected.Load()
			pr.Rejected = append(pr.Rejected, gate.Reasons()...)
		})
		if err != nil {
			return err
		}
	}
	if refused > 0 && float64(refused) > l.settings.maxFilter*float64(refused+loaded) {
		return &job.Failure{Type: "ETL_QUALITY_UNSATISFIED", Err: sqlerr.New(sqlerr.Invalid, "quality not good enough to cancel")}
	}
	return nil
}

// loadSource is the name that the files have in a load's query.
const loadSource = "lakeport_source"

// runPart words one description as a query of StarRocks' dialect over the files,
// which converts as StarRocks does, and lets its good rows into the table.
func (c *session) runPart(ctx context.Context, l *loading, p loadPart, source *transfer.Source, gate *engine.Gate) error {
	columns, q, err := p.query(source)
	if err != nil {
		return err
	}
	c.local = map[string]use{loadSource: {table: source, from: l.storage}}
	defer func() { c.local = nil }()
	pl, err := c.plan(ctx, syntax.Fragment{Text: q}, q)
	if err != nil {
		return placeless(err)
	}
	defer pl.close()
	var names, faults []string
	for i, col := range columns {
		v, r := fmt.Sprintf("v%d", i), fmt.Sprintf("r%d", i)
		names = append(names, v+" AS "+lake.QuoteName(col.Name))
		faults = append(faults, rowFault(col, v, r, l.settings.strict)...)
	}
	where := p.where
	if where == "" {
		where = belongs(p.into.def.Partitions)
	}
	if where != "" {
		faults = append(faults, "WHEN ("+where+") IS NOT TRUE THEN 'the row belongs to none of the partitions'")
	}
	fault := "CASE WHEN " + transfer.FaultColumn + " IS NOT NULL THEN " + transfer.FaultColumn + " " + strings.Join(faults, " ") + " END"
	list := make([]string, len(columns))
	for i, col := range columns {
		list[i] = lake.QuoteName(col.Name)
	}
	pl.sql = "SELECT " + strings.Join(list, ", ") + " FROM (SELECT *, " + strings.Join(names, ", ") + " FROM (" + pl.sql + ")) WHERE " +
		gate.Condition(ctx, "lakeport_selected", fault)
	_, err = c.load(ctx, load{into: p.into, columns: columns, fixed: map[string]string{}}, pl)
	return placeless(pl.explain(ctx, err))
}

// query gives the columns that a description fills, and the query that yields
// for column i its value as written, ri, and converted, vi.
func (p *loadPart) query(source *transfer.Source) ([]declared, string, error) {
	var columns []declared
	var inner, outer []string
	for _, col := range p.into.def.stored() {
		expr := ""
		for _, set := range p.Set {
			if strings.EqualFold(set.Column.Last(), col.Name) {
				expr = set.Value.Text
			}
		}
		if expr == "" && source.Has(col.Name) {
			expr = syntax.Ident{Name: col.Name}.String()
		}
		if expr == "" {
			if col.NotNull && col.Default == nil && col.AutoIncrement == "" {
				return nil, "", sqlerr.New(sqlerr.Invalid, "Column has no default value, column=%s", col.Name)
			}
			continue
		}
		name := syntax.Ident{Name: col.Name}.String()
		inner = append(inner, "("+expr+") AS "+name)
		outer = append(outer, fmt.Sprintf("%s AS r%d, CAST(%s AS %s) AS v%d", name, len(columns), name, loadType(col), len(columns)))
		columns = append(columns, col)
	}
	if len(columns) == 0 {
		return nil, "", sqlerr.New(sqlerr.Invalid, "the files have no column of table %s", p.into.name.table)
	}
	where := "TRUE"
	if !p.Where.IsZero() {
		where = "(" + p.Where.Text + "\n)"
	}
	return columns, "SELECT " + strings.Join(outer, ", ") + ", lakeport_selected, " + transfer.FaultColumn + " FROM (SELECT " + strings.Join(inner, ", ") + ", " +
		where + " AS lakeport_selected, " + transfer.FaultColumn + " FROM " + loadSource + ") AS lakeport_rows", nil
}

// loadType is the type that a value is converted to: text is kept whole, so that
// what is too long shows.
func loadType(col declared) string {
	if col.Length > 0 {
		return "STRING"
	}
	return col.Type
}

// rowFault gives the cases in which a column's value makes its row unfit.
func rowFault(col declared, v, r string, strict bool) []string {
	quoted := func(format string, args ...any) string { return lake.QuoteString(fmt.Sprintf(format, args...)) }
	var list []string
	if strict || col.NotNull {
		list = append(list, "WHEN "+v+" IS NULL AND "+r+" IS NOT NULL THEN "+quoted("the value of column %s cannot be converted to %s: ", col.Name, col.Type)+" || CAST("+r+" AS VARCHAR)")
	}
	if col.NotNull {
		list = append(list, "WHEN "+v+" IS NULL THEN "+quoted("NULL value in non-nullable column '%s'", col.Name))
	}
	if col.Length > 0 {
		list = append(list, fmt.Sprintf("WHEN octet_length(encode(CAST(%s AS VARCHAR))) > %d THEN ", v, col.Length)+
			quoted("a value is longer than the %d bytes of column '%s': ", col.Length, col.Name)+" || left(CAST("+v+" AS VARCHAR), 100)")
	}
	return list
}
