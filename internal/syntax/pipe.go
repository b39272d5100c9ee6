package syntax

import (
	"strings"
)

// CreatePipe is CREATE PIPE .. FROM a database, lakeport's own: the tables of
// a source, loaded once, followed from now on, or both.
type CreatePipe struct {
	Pos
	IfNotExists bool
	Name        Ident
	Source      string // POSTGRES, MYSQL, MARIADB
	SourcePos   Pos
	Properties  Properties
	Tables      []PipeTable
	Mode        string // INITIAL_LOAD, CDC, INITIAL_LOAD_AND_CDC; "" where it is not given
	ModePos     Pos
	Settings    Properties
}

// PipeTable is one table of a pipe. Clauses not given are zero.
type PipeTable struct {
	Source  QualifiedName // [schema.]table
	Target  QualifiedName // [db.]table
	Exclude []Ident
	Key     []Ident
}

// DropPipe is DROP PIPE.
type DropPipe struct {
	Pos
	IfExists bool
	Name     Ident
}

// PausePipe is PAUSE PIPE, or with Resume RESUME PIPE.
type PausePipe struct {
	Pos
	Resume bool
	Name   Ident
}

// ShowPipes is SHOW PIPES.
type ShowPipes struct {
	Pos
	Filter
}

// ShowCreatePipe is SHOW CREATE PIPE.
type ShowCreatePipe struct {
	Pos
	Name Ident
}

func (p *parser) createPipe(start Pos) Statement {
	s := &CreatePipe{Pos: start, IfNotExists: p.ifNotExists(), Name: p.ident("pipe name")}
	if p.at("AS") || p.at("PROPERTIES") {
		return p.refused(start, "CREATE PIPE")
	}
	p.expect("FROM")
	s.SourcePos = p.pos()
	s.Source = p.expectAny("POSTGRES", "MYSQL", "MARIADB")
	p.expect("PROPERTIES")
	s.Properties = p.propertyList()
	p.expect("TABLES")
	p.list(func() { s.Tables = append(s.Tables, p.pipeTable()) })
	if p.accept("MODE") {
		s.ModePos = p.pos()
		s.Mode = p.expectAny("INITIAL_LOAD_AND_CDC", "INITIAL_LOAD", "CDC")
	}
	if p.accept("SETTINGS") {
		s.Settings = p.pipeSettings()
	}
	return s
}

func (p *parser) pipeTable() PipeTable {
	t := PipeTable{Source: p.name("source table", 2)}
	if p.accept("AS") {
		t.Target = p.name("table name", 2)
	}
	if p.accept("EXCLUDE") {
		t.Exclude = p.idents("column name")
	}
	if p.accept("KEY") {
		t.Key = p.idents("column name")
	}
	return t
}

// pipeSettings reads (name = value, ..); names and values may be quoted.
func (p *parser) pipeSettings() Properties {
	var list Properties
	p.list(func() {
		name := p.identOrString("setting")
		p.expect("=")
		t := p.tok()
		switch t.Kind {
		case String, Number, Word:
		default:
			p.missed("value")
			p.fail()
		}
		p.next()
		list = append(list, Property{StringLit{name.Pos, name.Name}, StringLit{Pos(t.Pos), t.Value()}})
	})
	return list
}

func (s *CreatePipe) String() string {
	tables := make([]string, len(s.Tables))
	for i, t := range s.Tables {
		tables[i] = t.String()
	}
	settings := ""
	if s.Settings != nil {
		settings = "SETTINGS " + s.Settings.String()
	}
	return words("CREATE PIPE", opt(s.IfNotExists, "IF NOT EXISTS"), s.Name.String(), "FROM", s.Source, "PROPERTIES", s.Properties.String(),
		"TABLES", "("+strings.Join(tables, ", ")+")", clause("MODE", s.Mode), settings)
}

// String prints the table as CREATE PIPE holds it.
func (t PipeTable) String() string {
	exclude, key := "", ""
	if t.Exclude != nil {
		exclude = "EXCLUDE (" + join(t.Exclude, ", ") + ")"
	}
	if t.Key != nil {
		key = "KEY (" + join(t.Key, ", ") + ")"
	}
	return words(t.Source.String(), clause("AS", t.Target.String()), exclude, key)
}

func (s *DropPipe) String() string {
	return words("DROP PIPE", opt(s.IfExists, "IF EXISTS"), s.Name.String())
}

func (s *PausePipe) String() string {
	if s.Resume {
		return "RESUME PIPE " + s.Name.String()
	}
	return "PAUSE PIPE " + s.Name.String()
}

func (s *ShowCreatePipe) String() string { return "SHOW CREATE PIPE " + s.Name.String() }

func (s *ShowPipes) String() string { return words("SHOW PIPES", s.Filter.String()) }
