package syntax

import (
	"strings"

	"lakeport/internal/sqlerr"
)

// Merge is MERGE INTO: rows of From that match change or take rows of the
// table, the others are inserted.
type Merge struct {
	Pos
	Table   QualifiedName
	Source  QualifiedName
	From    Fragment // the source and its alias
	On      Fragment
	Delete  bool         // of rows that match
	Set     []Assignment // of rows that match, unless Delete
	Columns []Ident      // that Values fill; nil: all
	Values  []Fragment
}

// CommentOn is COMMENT ON TABLE, or ON COLUMN where Column is given. A nil Text
// takes the comment away.
type CommentOn struct {
	Pos
	Table  QualifiedName
	Column *Ident
	Text   *StringLit
}

// merge reads what follows MERGE INTO (Redshift's Database Developer Guide,
// "MERGE").
func (p *parser) merge(start Pos) Statement {
	s := &Merge{Pos: start, Table: p.table()}
	p.expect("USING")
	from := p.i
	s.Source = p.table()
	p.alias("ON")
	s.From = p.taken(from)
	p.expect("ON")
	s.On = p.rest("condition", "WHEN", "REMOVE")
	if p.at("REMOVE", "DUPLICATES") {
		return p.refused(start, "MERGE … REMOVE DUPLICATES")
	}
	p.expect("WHEN", "MATCHED", "THEN")
	if s.Delete = p.accept("DELETE"); !s.Delete {
		p.expect("UPDATE", "SET")
		p.commas(func() { s.Set = append(s.Set, p.assignment("WHEN")) })
	}
	p.expect("WHEN", "NOT", "MATCHED", "THEN", "INSERT")
	if p.at("(") {
		s.Columns = p.idents("column name")
	}
	p.expect("VALUES")
	p.list(func() { s.Values = append(s.Values, p.fragment("expression")) })
	return s
}

// taken is the text of the tokens from up to the current one.
func (p *parser) taken(from int) Fragment {
	start := p.toks[from].Pos
	return Fragment{Pos(start), p.text[start:p.toks[p.i-1].End]}
}

func (p *parser) commentOn(start Pos) Statement {
	s := &CommentOn{Pos: start}
	switch {
	case p.accept("TABLE"):
		s.Table = p.table()
	case p.accept("COLUMN"):
		s.Table = p.name("column name", 4)
		n := len(s.Table.Parts)
		if n < 2 {
			p.expect(".")
		}
		s.Column, s.Table.Parts = &s.Table.Parts[n-1], s.Table.Parts[:n-1]
	default:
		return p.refused(start, "COMMENT ON "+strings.ToUpper(p.tok().Text))
	}
	p.expect("IS")
	if !p.accept("NULL") {
		text := p.str()
		s.Text = &text
	}
	return s
}

// selectInto reads SELECT … INTO [TEMP] table FROM …, nil for a query without
// INTO. The query is the text with blanks in the place of INTO and the table.
func (p *parser) selectInto(start Pos) Statement {
	at, depth := p.i, 0
	for ; at < len(p.toks); at++ {
		switch t := p.toks[at]; {
		case t.Is("("), t.Is("["):
			depth++
		case t.Is(")"), t.Is("]"):
			depth--
		case depth == 0 && (t.Is("FROM") || t.Is("UNION") || t.Is("WHERE")) && !p.toks[max(at-1, 0)].Is("."):
			return nil
		}
		if depth == 0 && p.toks[at].Is("INTO") && at > 0 && !p.toks[at-1].Is(".") && !p.toks[at-1].Is("AS") {
			break
		}
	}
	if at == len(p.toks) {
		return nil
	}
	from := p.i
	p.i = at + 1
	s := &CreateTable{Pos: start, Temporary: p.acceptAny("TEMP", "TEMPORARY") != ""}
	p.accept("TABLE")
	s.Table = p.table()
	s.Temporary = s.Temporary || named(s.Table)
	cutFrom, cutTo := p.toks[at].Pos, p.toks[p.i-1].End
	if p.i < len(p.toks) {
		p.rest("query")
	}
	s.Query = p.taken(from)
	by := int(s.Query.Pos)
	s.Query.Text = s.Query.Text[:cutFrom-by] + strings.Repeat(" ", cutTo-cutFrom) + s.Query.Text[cutTo-by:]
	return s
}

// named tells whether a name is one of a temporary table: #name.
func named(q QualifiedName) bool {
	return len(q.Parts) == 1 && strings.HasPrefix(q.Parts[0].Name, "#")
}

// redshiftAlter reads what follows ALTER TABLE where Redshift's syntax is its
// own ("ALTER TABLE"); nil, and nothing read, for the rest.
func (p *parser) redshiftAlter(start Pos) Statement {
	from := p.i
	s := &AlterTable{Pos: start, Table: p.table()}
	at := p.pos()
	refuse := func(words ...string) bool {
		return p.at(words...)
	}
	switch {
	case refuse("APPEND"), refuse("OWNER"), refuse("SET", "SCHEMA"), refuse("SET", "TABLE"), refuse("SET", "LOCATION"), refuse("SET", "FILE"), refuse("ROW", "LEVEL"),
		refuse("ADD", "PARTITION"), refuse("DROP", "PARTITION"), refuse("DROP", "CONSTRAINT"), refuse("ADD", "CONSTRAINT"), refuse("ADD", "PRIMARY"), refuse("ADD", "UNIQUE"), refuse("ADD", "FOREIGN"):
		name := "ALTER TABLE " + strings.ToUpper(p.tok().Text)
		if p.at("SET") || p.at("ADD") || p.at("DROP") {
			name += " " + strings.ToUpper(p.peek(1).Text)
		}
		return p.refused(start, name)
	case p.accept("ALTER"):
		return p.alterPhysical(s, at)
	case p.accept("ADD"):
		p.accept("COLUMN")
		c := ColumnDef{Name: p.ident("column name")}
		c.Type = p.redshiftType()
		made := &CreateTable{}
		p.redshiftColumn(made, &c)
		if len(made.Informational) > 0 {
			p.failWith(sqlerr.New(sqlerr.Unsupported, "PRIMARY KEY of a column that is added is not built yet"), int(made.Informational[0].Pos))
		}
		s.Actions = []AlterAction{{Pos: at, Op: AddColumns, Columns: []ColumnDef{c}}}
		s.Ignored = made.Ignored
		return s
	case p.accept("DROP"):
		p.accept("COLUMN")
		s.Actions = []AlterAction{{Pos: at, Op: DropColumn, Column: p.ident("column name")}}
		p.acceptAny("CASCADE", "RESTRICT")
		return s
	}
	p.i = from
	return nil
}

// alterPhysical reads the changes of how Redshift lays a table out, for which
// there is no use here.
func (p *parser) alterPhysical(s *AlterTable, at Pos) Statement {
	switch {
	case p.accept("DISTKEY"):
		p.ident("column name")
		s.Ignored = []Ident{{at, "DISTKEY"}}
	case p.accept("DISTSTYLE"):
		if p.expectAny("ALL", "EVEN", "AUTO", "KEY"); p.toks[p.i-1].Is("KEY") {
			p.expect("DISTKEY")
			p.ident("column name")
		}
		s.Ignored = []Ident{{at, "DISTSTYLE"}}
	case p.accept("SORTKEY", "AUTO"), p.accept("SORTKEY", "NONE"):
		s.Ignored = []Ident{{at, "SORTKEY"}}
	case p.accept("COMPOUND", "SORTKEY"), p.accept("SORTKEY"):
		p.idents("column name")
		s.Ignored = []Ident{{at, "SORTKEY"}}
	case p.accept("ENCODE", "AUTO"):
		s.Ignored = []Ident{{at, "ENCODE"}}
	default:
		p.accept("COLUMN")
		p.ident("column name")
		if p.at("TYPE") {
			return p.refused(s.Pos, "ALTER TABLE ALTER COLUMN TYPE")
		}
		p.expect("ENCODE")
		p.ident("encoding")
		s.Ignored = []Ident{{at, "ENCODE"}}
	}
	return s
}

func (s *Merge) String() string {
	matched := "DELETE"
	if !s.Delete {
		set := make([]string, len(s.Set))
		for i, a := range s.Set {
			set[i] = quotedName(a.Column) + " = " + a.Value.Text
		}
		matched = "UPDATE SET " + strings.Join(set, ", ")
	}
	values := make([]string, len(s.Values))
	for i, v := range s.Values {
		values[i] = v.Text
	}
	return words("MERGE INTO", quotedName(s.Table), "USING", s.From.Text, "ON", s.On.Text, "WHEN MATCHED THEN", matched,
		"WHEN NOT MATCHED THEN INSERT"+parensStandard(s.Columns), "VALUES ("+strings.Join(values, ", ")+")")
}

func (s *CommentOn) String() string {
	text := "NULL"
	if s.Text != nil {
		text = quoteStandard(s.Text.Value)
	}
	if s.Column != nil {
		return words("COMMENT ON COLUMN", quotedName(s.Table)+"."+standardIdent(*s.Column), "IS", text)
	}
	return words("COMMENT ON TABLE", quotedName(s.Table), "IS", text)
}
