package syntax

import (
	"strings"
)

// CreateTable is CREATE [TEMPORARY] TABLE, with columns, LIKE or AS query.
type CreateTable struct {
	Pos
	Temporary    bool
	External     bool // rows are outside: ENGINE says where
	IfNotExists  bool
	Table        QualifiedName
	Columns      []ColumnDef
	Indexes      []Index
	Like         QualifiedName // CREATE TABLE .. LIKE
	Engine       string        // as written; "" if not given
	EnginePos    Pos
	Charset      string
	Collation    string
	Key          *Key
	Comment      *StringLit
	PartitionBy  *PartitionBy
	Distribution *Distribution
	OrderBy      []SortKey
	Rollups      []Rollup
	Properties   Properties
	Query        Fragment // of CREATE TABLE .. AS

	LikeDefaults  bool    // Redshift's LIKE … INCLUDING DEFAULTS
	Informational []Ident // Redshift's PRIMARY KEY, which is told and not enforced
	Ignored       []Ident // clauses of Redshift for which there is no use, by name
}

// Key is the key clause of a table.
type Key struct {
	Pos
	Model   string // DUPLICATE, AGGREGATE, UNIQUE, PRIMARY
	Columns []Ident
}

// Index is an INDEX in a CREATE TABLE.
type Index struct {
	Pos
	Name       Ident
	Columns    []Ident
	Using      string // BITMAP, GIN, NGRAMBF, VECTOR or ""
	Parameters Properties
	Comment    *StringLit
}

// PartitionBy is the PARTITION BY clause. Kind is RANGE, LIST or "" for a
// list of expressions. Items are the columns or expressions; Definitions the
// partitions, in parentheses, as text.
type PartitionBy struct {
	Pos
	Kind        string
	Items       []Fragment
	Definitions []PartitionDef
}

// PartitionDef is PARTITION name VALUES .., or START .. END .. EVERY .. with
// an empty Name.
type PartitionDef struct {
	Pos
	IfNotExists bool
	Name        Ident
	Values      Fragment // "VALUES LESS THAN ("2024")", "VALUES [("a"), ("b"))", "VALUES IN (..)", "START .."
	Properties  Fragment // text of the list after the values, without parentheses
}

// Distribution is DISTRIBUTED BY.
type Distribution struct {
	Pos
	Hash    []Ident // nil: RANDOM
	Buckets int     // 0: not given
}

// SortKey is an item of ORDER BY.
type SortKey struct {
	Column Ident
	Desc   bool
	Nulls  string // FIRST, LAST or ""
}

// Rollup is an item of ROLLUP (..).
type Rollup struct {
	Pos
	Name       Ident
	Columns    []Ident
	Properties Properties
}

// CreateView is CREATE VIEW.
type CreateView struct {
	Pos
	OrReplace   bool
	IfNotExists bool
	View        QualifiedName
	Columns     []ViewColumn
	Comment     *StringLit
	Security    string // NONE, INVOKER or ""
	Properties  Properties
	Query       Fragment
}

// AlterView is ALTER VIEW: another query for a view that is there.
type AlterView struct {
	Pos
	View    QualifiedName
	Columns []ViewColumn
	Query   Fragment
}

// ViewColumn names a column of a view.
type ViewColumn struct {
	Name    Ident
	Comment *StringLit
}

// DropTable is DROP TABLE of one or more tables.
type DropTable struct {
	Pos
	Temporary bool
	IfExists  bool
	Tables    []QualifiedName
	Force     bool
}

// DropView is DROP VIEW.
type DropView struct {
	Pos
	IfExists bool
	Views    []QualifiedName
}

func (p *parser) createTable(s *CreateTable) Statement {
	s.IfNotExists = p.ifNotExists()
	s.Table = p.table()
	if p.accept("LIKE") {
		s.Like = p.table()
		s.Properties = p.properties()
		return s
	}
	if p.at("(") && !p.atQueryInParens() {
		p.list(func() { p.tableElement(s) })
	}
	p.tableClauses(s)
	p.accept("AS")
	if p.atQuery() {
		s.Query = p.rest("query")
	}
	p.checkColumns(s)
	return s
}

// checkColumns tells what only the whole statement shows: columns need types
// unless a query gives them, and a table needs one or the other.
func (p *parser) checkColumns(s *CreateTable) {
	if len(s.Columns) == 0 && s.Query.IsZero() && s.Like.IsZero() {
		p.missed("column list")
		p.fail()
	}
	for _, c := range s.Columns {
		if c.Type.Name == "" && s.Query.IsZero() {
			p.failf(c.Name.Pos, "column %s has no type", c.Name.Name)
		}
	}
}

// tableElement reads a column, an index or a key of the column list.
func (p *parser) tableElement(s *CreateTable) {
	start := p.pos()
	switch {
	case p.at("INDEX") && p.peek(2).Is("("), p.at("KEY") && p.peek(2).Is("("):
		p.next()
		s.Indexes = append(s.Indexes, p.index(start))
	case p.accept("PRIMARY", "KEY"):
		s.Key = &Key{start, "PRIMARY", p.idents("column name")}
	default:
		c := ColumnDef{Name: p.ident("column name")}
		if !p.at(",") && !p.at(")") {
			c.Type = p.typ()
			p.columnOptions(&c)
		}
		s.Columns = append(s.Columns, c)
	}
}

// index reads what follows INDEX.
func (p *parser) index(start Pos) Index {
	x := Index{Pos: start, Name: p.ident("index name"), Columns: p.idents("column name")}
	if p.accept("USING") {
		x.Using = strings.ToUpper(p.ident("index type").Name)
	}
	if p.at("(") {
		x.Parameters = p.propertyList()
	}
	x.Comment = p.comment()
	return x
}

// tableClauses reads the clauses after the columns; StarRocks' order is not
// enforced.
func (p *parser) tableClauses(s *CreateTable) {
	for {
		start := p.pos()
		switch {
		case p.accept("ENGINE"):
			p.accept("=")
			s.EnginePos = p.pos()
			s.Engine = p.identOrString("engine name").Name
		case p.sees("COMMENT"):
			s.Comment = p.comment()
		case p.accept("PARTITION", "BY"):
			s.PartitionBy = p.partitionBy(start)
		case p.accept("DISTRIBUTED", "BY"):
			s.Distribution = p.distribution(start)
		case p.accept("ORDER", "BY"):
			p.list(func() { s.OrderBy = append(s.OrderBy, p.sortKey()) })
		case p.accept("ROLLUP"):
			p.list(func() { s.Rollups = append(s.Rollups, p.rollup()) })
		case p.sees("PROPERTIES"):
			s.Properties = p.properties()
		case p.at("DEFAULT"), p.at("CHARSET"), p.at("CHARACTER", "SET"), p.at("COLLATE"):
			p.tableCharset(s)
		default:
			w := p.acceptAny("DUPLICATE", "AGGREGATE", "UNIQUE", "PRIMARY")
			if w == "" {
				return
			}
			p.expect("KEY")
			s.Key = &Key{start, w, p.idents("column name")}
		}
	}
}

func (p *parser) tableCharset(s *CreateTable) {
	charset, collation := p.charset()
	if charset == "" && collation == "" {
		p.next()
		p.missed("CHARSET")
		p.fail()
	}
	if charset != "" {
		s.Charset = charset
	}
	if collation != "" {
		s.Collation = collation
	}
}

// partitionBy reads RANGE (c, ..) (..), LIST (c, ..) [(..)], (e, ..) or e, ..
func (p *parser) partitionBy(start Pos) *PartitionBy {
	b := &PartitionBy{Pos: start}
	if p.peek(1).Is("(") {
		b.Kind = p.acceptAny("RANGE", "LIST")
	}
	if p.at("(") {
		p.list(func() { b.Items = append(b.Items, p.fragment("column name")) })
	} else {
		p.commas(func() { b.Items = append(b.Items, p.partitionExpr()) })
	}
	if p.at("(") && !p.atQueryInParens() {
		p.list(func() {
			if d, ok := p.partitionDef(); ok {
				b.Definitions = append(b.Definitions, d)
			}
		})
	}
	return b
}

// partitionExpr reads a column or a call such as date_trunc('day', c).
func (p *parser) partitionExpr() Fragment {
	id := p.ident("column name")
	if !p.at("(") {
		return Fragment{id.Pos, p.text[id.Pos:p.toks[p.i-1].End]}
	}
	p.parenthesized("expression")
	return Fragment{id.Pos, p.text[id.Pos:p.toks[p.i-1].End]}
}

// partitionDef reads one partition; ok is false for the empty list ().
func (p *parser) partitionDef() (d PartitionDef, ok bool) {
	if p.at(")") {
		return d, false
	}
	d.Pos = p.pos()
	if !p.at("START") {
		p.expect("PARTITION")
		d.IfNotExists = p.ifNotExists()
		d.Name = p.ident("partition name")
		if !p.at("VALUES") {
			p.missed("VALUES")
			p.fail()
		}
	}
	d.Values = p.partitionValues()
	if p.at("(") {
		d.Properties = p.parenthesized("properties")
	}
	return d, true
}

// partitionValues reads VALUES LESS THAN {(..)|MAXVALUE}, VALUES IN (..),
// VALUES [(..), (..)) or START (..) END (..) [EVERY (..)]. The half-open
// bracket pairs of a range are why fragment cannot read them.
func (p *parser) partitionValues() Fragment {
	from := p.pos()
	switch {
	case p.accept("START"):
		p.parenthesized("start")
		p.expect("END")
		p.parenthesized("end")
		if p.accept("EVERY") {
			p.parenthesized("interval")
		}
	case p.accept("VALUES", "LESS", "THAN"):
		if !p.accept("MAXVALUE") {
			p.parenthesized("value")
		}
	case p.accept("VALUES", "IN"):
		p.parenthesized("value")
	default:
		p.expect("VALUES", "[")
		p.parenthesized("value")
		p.expect(",")
		p.parenthesized("value")
		p.expectAny(")", "]")
	}
	return Fragment{from, p.text[from:p.toks[p.i-1].End]}
}

func (p *parser) distribution(start Pos) *Distribution {
	d := &Distribution{Pos: start}
	if p.expectAny("HASH", "RANDOM") == "HASH" {
		d.Hash = p.idents("column name")
	}
	if p.accept("BUCKETS") && !p.accept("AUTO") {
		d.Buckets = p.integer("number of buckets")
	}
	return d
}

func (p *parser) sortKey() SortKey {
	k := SortKey{Column: p.ident("column name")}
	k.Desc = p.acceptAny("ASC", "DESC") == "DESC"
	if p.accept("NULLS") {
		k.Nulls = p.expectAny("FIRST", "LAST")
	}
	return k
}

func (p *parser) rollup() Rollup {
	r := Rollup{Pos: p.pos(), Name: p.ident("rollup name"), Columns: p.idents("column name")}
	r.Properties = p.properties()
	return r
}

func (p *parser) createView(start Pos, replace bool) Statement {
	s := &CreateView{Pos: start, OrReplace: replace}
	s.IfNotExists = p.ifNotExists()
	s.View = p.table()
	s.Columns = p.viewColumns()
	s.Comment = p.comment()
	if p.accept("SECURITY") {
		s.Security = p.expectAny("NONE", "INVOKER")
	}
	s.Properties = p.properties()
	s.Query = p.viewQuery()
	return s
}

func (p *parser) alterView(start Pos) Statement {
	return &AlterView{start, p.table(), p.viewColumns(), p.viewQuery()}
}

func (p *parser) viewColumns() (list []ViewColumn) {
	if p.at("(") {
		p.list(func() { list = append(list, ViewColumn{p.ident("column name"), p.comment()}) })
	}
	return list
}

func (p *parser) viewQuery() Fragment {
	p.expect("AS")
	if !p.atQuery() {
		p.fail()
	}
	return p.rest("query")
}

func (p *parser) dropTable(start Pos, temporary bool) Statement {
	s := &DropTable{Pos: start, Temporary: temporary, IfExists: p.ifExists()}
	p.commas(func() { s.Tables = append(s.Tables, p.table()) })
	s.Force = p.accept("FORCE")
	return s
}

func (p *parser) dropView(start Pos) Statement {
	s := &DropView{Pos: start, IfExists: p.ifExists()}
	p.commas(func() { s.Views = append(s.Views, p.table()) })
	return s
}

func (s *CreateTable) String() string {
	create := words("CREATE", opt(s.Temporary, "TEMPORARY"), opt(s.External, "EXTERNAL"), "TABLE", opt(s.IfNotExists, "IF NOT EXISTS"), s.Table.String())
	if !s.Like.IsZero() {
		return words(create, "LIKE", s.Like.String(), properties(s.Properties))
	}
	var elements []string
	for _, c := range s.Columns {
		elements = append(elements, c.String())
	}
	for _, x := range s.Indexes {
		elements = append(elements, x.String())
	}
	list := opt(len(elements) > 0, "("+strings.Join(elements, ", ")+")")
	return words(create, list, opt(s.Engine != "", "ENGINE = "+Ident{Name: s.Engine}.String()), charsetText(s.Charset, s.Collation),
		s.Key.text(), clause("COMMENT", quoted(s.Comment)), s.PartitionBy.text(), s.Distribution.text(),
		clause("ORDER BY", parens(s.OrderBy)), clause("ROLLUP", parens(s.Rollups)), properties(s.Properties), clause("AS", s.Query.Text))
}

func (k *Key) text() string {
	if k == nil {
		return ""
	}
	return k.Model + " KEY " + parens(k.Columns)
}

// String prints the index.
func (x Index) String() string {
	params := opt(len(x.Parameters) > 0, x.Parameters.String())
	return words("INDEX", x.Name.String(), parens(x.Columns), clause("USING", x.Using), params, clause("COMMENT", quoted(x.Comment)))
}

func (b *PartitionBy) text() string {
	if b == nil {
		return ""
	}
	return words("PARTITION BY", b.Kind, parens(b.Items), parens(b.Definitions))
}

// String prints the partition.
func (d PartitionDef) String() string {
	name := ""
	if d.Name.Name != "" {
		name = words("PARTITION", opt(d.IfNotExists, "IF NOT EXISTS"), d.Name.String())
	}
	return words(name, d.Values.Text, opt(!d.Properties.IsZero(), "("+d.Properties.Text+")"))
}

func (d *Distribution) text() string {
	if d == nil {
		return ""
	}
	by := "RANDOM"
	if len(d.Hash) > 0 {
		by = "HASH " + parens(d.Hash)
	}
	return words("DISTRIBUTED BY", by, opt(d.Buckets > 0, "BUCKETS "+number(d.Buckets)))
}

// String prints the sort key.
func (k SortKey) String() string {
	return words(k.Column.String(), opt(k.Desc, "DESC"), clause("NULLS", k.Nulls))
}

// String prints the rollup.
func (r Rollup) String() string {
	return words(r.Name.String(), parens(r.Columns), properties(r.Properties))
}

func (s *CreateView) String() string {
	return words("CREATE", opt(s.OrReplace, "OR REPLACE"), "VIEW", opt(s.IfNotExists, "IF NOT EXISTS"), s.View.String(),
		parens(s.Columns), clause("COMMENT", quoted(s.Comment)), clause("SECURITY", s.Security), properties(s.Properties), "AS", s.Query.Text)
}

func (s *AlterView) String() string {
	return words("ALTER VIEW", s.View.String(), parens(s.Columns), "AS", s.Query.Text)
}

// String prints the column.
func (c ViewColumn) String() string {
	return words(c.Name.String(), clause("COMMENT", quoted(c.Comment)))
}

func (s *DropTable) String() string {
	return words("DROP", opt(s.Temporary, "TEMPORARY"), "TABLE", opt(s.IfExists, "IF EXISTS"), join(s.Tables, ", "), opt(s.Force, "FORCE"))
}

func (s *DropView) String() string {
	return words("DROP VIEW", opt(s.IfExists, "IF EXISTS"), join(s.Views, ", "))
}
