package syntax

import (
	"fmt"
	"strings"

	"lakeport/internal/sqlerr"
)

// LoadLabel is LOAD LABEL .. WITH BROKER: data of S3 into tables of one
// database, as one job under a label.
type LoadLabel struct {
	Pos
	Label      QualifiedName // [db.]label
	Data       []LoadData
	Broker     *Ident // the broker's name, of no use since StarRocks 2.5
	Storage    Properties
	Properties Properties
}

// LoadData is one description in a LOAD LABEL's parentheses: files, and the
// table that their rows go to. Clauses not given are zero.
type LoadData struct {
	Pos
	Files      []StringLit
	Negative   *Pos
	Table      Ident
	Partitions []Ident
	Columns    *StringLit // COLUMNS TERMINATED BY
	Rows       *StringLit // ROWS TERMINATED BY
	Format     *Ident
	Options    Properties // skip_header, trim_space, enclose, escape
	Names      []Ident    // the files' columns
	FromPath   []Ident    // COLUMNS FROM PATH AS
	Set        []Assignment
	Where      Fragment
}

// ShowLoad is SHOW LOAD, or with Warnings SHOW LOAD WARNINGS.
type ShowLoad struct {
	Pos
	All      bool
	Warnings bool
	In       QualifiedName
	URL      *StringLit // SHOW LOAD WARNINGS ON
	Filter
}

// CancelLoad is CANCEL LOAD.
type CancelLoad struct {
	Pos
	In    QualifiedName
	Label StringLit
}

// AlterLoad is ALTER LOAD FOR.
type AlterLoad struct {
	Pos
	Label      QualifiedName
	Properties Properties
}

func (p *parser) load(start Pos) Statement {
	s := &LoadLabel{Pos: start, Label: p.label()}
	p.list(func() { s.Data = append(s.Data, p.loadData()) })
	if p.at("WITH", "RESOURCE") {
		return p.refused(start, "LOAD LABEL .. WITH RESOURCE")
	}
	if p.accept("BY") {
		p.ident("system")
	}
	p.expect("WITH", "BROKER")
	if t := p.tok(); t.Kind == String || t.Kind == Quoted || t.Kind == Word && !t.Is("PROPERTIES") {
		broker := p.identOrString("broker name")
		s.Broker = &broker
	}
	if p.at("(") {
		s.Storage = p.propertyList()
	}
	s.Properties = p.properties()
	return s
}

// label reads [db.]label; a label may hold a minus.
func (p *parser) label() QualifiedName {
	q := QualifiedName{Parts: []Ident{p.identOrString("label")}}
	if p.accept(".") {
		q.Parts = append(q.Parts, p.identOrString("label"))
	}
	last := &q.Parts[len(q.Parts)-1]
	for p.at("-") || p.adjoins() {
		last.Name += p.next().Text
	}
	return q
}

// adjoins tells whether a word or number follows the last token without a
// blank, as behind the minus of a label.
func (p *parser) adjoins() bool {
	t := p.tok()
	return p.i > 0 && p.toks[p.i-1].Is("-") && p.toks[p.i-1].End == t.Pos && (t.Kind == Word || t.Kind == Number)
}

func (p *parser) loadData() LoadData {
	d := LoadData{Pos: p.pos()}
	p.expect("DATA")
	if p.at("FROM", "TABLE") {
		p.failWith(sqlerr.New(sqlerr.Unsupported, "LOAD LABEL .. DATA FROM TABLE is not supported"), p.tok().Pos)
	}
	p.expect("INFILE")
	p.list(func() { d.Files = append(d.Files, p.str()) })
	if at := p.pos(); p.accept("NEGATIVE") {
		d.Negative = &at
	}
	p.expect("INTO", "TABLE")
	d.Table = p.ident("table name")
	d.Partitions, _ = p.partitions()
	if p.accept("COLUMNS", "TERMINATED", "BY") {
		s := p.str()
		d.Columns = &s
	}
	if p.accept("ROWS", "TERMINATED", "BY") {
		s := p.str()
		d.Rows = &s
	}
	if p.accept("FORMAT", "AS") {
		f := p.identOrString("format")
		d.Format = &f
	}
	if p.at("(") && (p.peek(1).Kind == String || p.peek(2).Is("=")) {
		d.Options = p.loadOptions()
	}
	if p.at("(") {
		d.Names = p.idents("column name")
	}
	if p.accept("COLUMNS", "FROM", "PATH", "AS") {
		d.FromPath = p.idents("column name")
	}
	if p.accept("SET") {
		p.list(func() {
			col := QualifiedName{Parts: []Ident{p.ident("column name")}}
			p.expect("=")
			d.Set = append(d.Set, Assignment{col, p.fragment("expression")})
		})
	}
	if p.accept("WHERE") {
		d.Where = p.fragment("condition")
	}
	return d
}

// loadOptions reads (SKIP_HEADER = 1 TRIM_SPACE = TRUE ..), with or without
// commas, and ("skip_header" = "1", ..).
func (p *parser) loadOptions() Properties {
	var options Properties
	p.expect("(")
	for {
		at := p.pos()
		var key StringLit
		if p.tok().Kind == String {
			key = p.str()
		} else {
			key = StringLit{at, p.expectAny("SKIP_HEADER", "TRIM_SPACE", "ENCLOSE", "ESCAPE")}
		}
		key.Value = strings.ToLower(key.Value)
		p.expect("=")
		at = p.pos()
		value := StringLit{at, ""}
		switch t := p.tok(); t.Kind {
		case String, Number, Word:
			value.Value = p.next().Value()
		default:
			p.missed("value")
			p.fail()
		}
		options = append(options, Property{key, value})
		if p.accept(")") {
			return options
		}
		p.accept(",")
	}
}

// showLoad reads what follows SHOW [ALL] LOAD.
func (p *parser) showLoad(start Pos, all bool) Statement {
	s := &ShowLoad{Pos: start, All: all}
	if s.Warnings = p.accept("WARNINGS"); s.Warnings && p.accept("ON") {
		url := p.str()
		s.URL = &url
		return s
	}
	s.In, s.Filter = p.in(1), p.filter()
	return s
}

func (p *parser) cancelLoad(start Pos) Statement {
	s := &CancelLoad{Pos: start, In: p.in(1)}
	p.expect("WHERE", "LABEL", "=")
	s.Label = p.str()
	return s
}

func (p *parser) alterLoad(start Pos) Statement {
	s := &AlterLoad{Pos: start, Label: p.label()}
	p.expect("PROPERTIES")
	s.Properties = p.propertyList()
	return s
}

func (s *LoadLabel) String() string {
	data := make([]string, len(s.Data))
	for i, d := range s.Data {
		data[i] = d.String()
	}
	broker, storage, properties := "", "", ""
	if s.Broker != nil {
		broker = s.Broker.String()
	}
	if s.Storage != nil {
		storage = s.Storage.String()
	}
	if s.Properties != nil {
		properties = "PROPERTIES " + s.Properties.String()
	}
	return words("LOAD LABEL", s.Label.String(), "("+strings.Join(data, ", ")+")", "WITH BROKER", broker, storage, properties)
}

// String prints the description as LOAD LABEL holds it.
func (d LoadData) String() string {
	negative, columns, rows, format, options, names, path, set := "", "", "", "", "", "", "", ""
	if d.Negative != nil {
		negative = "NEGATIVE"
	}
	if d.Columns != nil {
		columns = "COLUMNS TERMINATED BY " + d.Columns.String()
	}
	if d.Rows != nil {
		rows = "ROWS TERMINATED BY " + d.Rows.String()
	}
	if d.Format != nil {
		format = "FORMAT AS " + Quote(d.Format.Name)
	}
	if d.Options != nil {
		options = d.Options.String()
	}
	if d.Names != nil {
		names = "(" + join(d.Names, ", ") + ")"
	}
	if d.FromPath != nil {
		path = "COLUMNS FROM PATH AS (" + join(d.FromPath, ", ") + ")"
	}
	if d.Set != nil {
		list := make([]string, len(d.Set))
		for i, a := range d.Set {
			list[i] = fmt.Sprintf("%s = %s", a.Column, a.Value)
		}
		set = "SET (" + strings.Join(list, ", ") + ")"
	}
	partitions := ""
	if d.Partitions != nil {
		partitions = "PARTITION (" + join(d.Partitions, ", ") + ")"
	}
	return words("DATA INFILE", "("+join(d.Files, ", ")+")", negative, "INTO TABLE", d.Table.String(), partitions, columns, rows, format,
		options, names, path, set, clause("WHERE", d.Where.Text))
}

func (s *ShowLoad) String() string {
	all, warnings, on := "", "", ""
	if s.All {
		all = "ALL"
	}
	if s.Warnings {
		warnings = "WARNINGS"
	}
	if s.URL != nil {
		on = "ON " + s.URL.String()
	}
	return words("SHOW", all, "LOAD", warnings, on, clause("FROM", s.In.String()), s.Filter.String())
}

func (s *CancelLoad) String() string {
	return words("CANCEL LOAD", clause("FROM", s.In.String()), "WHERE LABEL =", s.Label.String())
}

func (s *AlterLoad) String() string {
	return words("ALTER LOAD FOR", s.Label.String(), "PROPERTIES", s.Properties.String())
}
