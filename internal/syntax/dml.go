package syntax

import "lakeport/internal/sqlerr"

// Insert is INSERT INTO or OVERWRITE. Columns and Partitions are as written:
// none given is nil.
type Insert struct {
	Pos
	With       Fragment // CTEs before INSERT, "WITH .."
	Overwrite  bool
	Table      QualifiedName
	Partitions []Ident      // PARTITION (p1, p2)
	Static     []Assignment // PARTITION (c = literal, ..)
	Label      *Ident
	Columns    []Ident
	ByName     bool
	Properties Properties
	Query      Fragment // VALUES .. or SELECT ..
}

// Update is UPDATE.
type Update struct {
	Pos
	With  Fragment
	Table QualifiedName
	Alias *Ident
	Set   []Assignment
	From  Fragment
	Where Fragment
}

// Assignment is column = expression.
type Assignment struct {
	Column QualifiedName // possibly qualified by table or alias
	Value  Fragment
}

// Delete is DELETE FROM.
type Delete struct {
	Pos
	With       Fragment
	Table      QualifiedName
	Alias      *Ident
	Partitions []Ident
	Using      Fragment
	Where      Fragment
}

// Truncate is TRUNCATE TABLE.
type Truncate struct {
	Pos
	Table      QualifiedName
	Partitions []Ident
	Static     []Assignment
}

func (p *parser) insert(with Fragment) Statement {
	s := &Insert{Pos: with.Pos, With: with}
	p.expect("INSERT")
	if s.Overwrite = p.accept("OVERWRITE"); !s.Overwrite {
		p.expect("INTO")
	}
	for _, target := range []string{"FILES", "BLACKHOLE"} {
		if p.at(target, "(") {
			return p.refused(s.Pos, "INSERT INTO "+target)
		}
	}
	if p.at("TABLE") && !p.peek(1).Is("(") {
		p.next()
	}
	s.Table = p.table()
	if p.at("VERSION") || p.at("FOR") {
		return p.refused(s.Pos, "INSERT INTO a branch")
	}
	s.Partitions, s.Static = p.partitions()
	if p.accept("WITH", "LABEL") {
		label := p.identOrString("label")
		s.Label = &label
	}
	switch {
	case p.accept("BY", "NAME"):
		s.ByName = true
	case p.at("(") && !p.atQueryInParens():
		s.Columns = p.idents("column name")
	}
	s.Properties = p.properties()
	if !p.atQuery() {
		p.fail()
	}
	s.Query = p.rest("query")
	return s
}

// atQueryInParens tells whether the parenthesis here holds a query and not a
// list of columns.
func (p *parser) atQueryInParens() bool {
	n := 1
	for p.peek(n).Is("(") {
		n++
	}
	for _, w := range queryWords {
		if w != "(" && p.peek(n).Is(w) && !p.peek(n+1).Is(",") && !p.peek(n+1).Is(")") {
			return true
		}
	}
	return false
}

// partitions reads [[TEMPORARY] PARTITION[S] ( p, .. | c = literal, .. )].
func (p *parser) partitions() (names []Ident, static []Assignment) {
	if p.at("TEMPORARY", "PARTITION") || p.at("TEMPORARY", "PARTITIONS") {
		p.failWith(sqlerr.New(sqlerr.Unsupported, "temporary partitions are not supported"), p.tok().Pos)
	}
	if p.acceptAny("PARTITION", "PARTITIONS") == "" {
		return nil, nil
	}
	if !p.at("(") {
		return []Ident{p.ident("partition name")}, nil
	}
	if p.peek(2).Is("=") {
		p.list(func() { static = append(static, p.assignment()) })
		return nil, static
	}
	return p.idents("partition name"), nil
}

func (p *parser) assignment(stops ...string) Assignment {
	a := Assignment{Column: p.name("column name", 4)}
	p.expect("=")
	a.Value = p.fragment("expression", stops...)
	return a
}

// alias reads [[AS] name] unless the next word is one of the stops.
func (p *parser) alias(stops ...string) *Ident {
	if !p.accept("AS") {
		for _, w := range stops {
			if p.at(w) {
				return nil
			}
		}
		if k := p.tok().Kind; k != Word && k != Quoted {
			return nil
		}
	}
	a := p.ident("alias")
	return &a
}

func (p *parser) update(with Fragment) Statement {
	s := &Update{Pos: with.Pos, With: with}
	p.expect("UPDATE")
	s.Table = p.table()
	s.Alias = p.alias("SET")
	p.expect("SET")
	p.commas(func() { s.Set = append(s.Set, p.assignment("FROM", "WHERE")) })
	if p.accept("FROM") {
		s.From = p.rest("table", "WHERE")
	}
	s.Where = p.where()
	return s
}

func (p *parser) where() Fragment {
	if !p.accept("WHERE") {
		return Fragment{}
	}
	return p.rest("condition")
}

func (p *parser) delete(with Fragment) Statement {
	s := &Delete{Pos: with.Pos, With: with}
	p.expect("DELETE")
	if p.dialect != Redshift || p.at("FROM") { // which Redshift lets be
		p.expect("FROM")
	}
	s.Table = p.table()
	s.Alias = p.alias("PARTITION", "PARTITIONS", "USING", "WHERE")
	s.Partitions, _ = p.partitions()
	if p.accept("USING") {
		s.Using = p.rest("table", "WHERE")
	}
	s.Where = p.where()
	return s
}

func (p *parser) truncate(start Pos) Statement {
	p.accept("TABLE")
	s := &Truncate{Pos: start, Table: p.table()}
	s.Partitions, s.Static = p.partitions()
	return s
}

func (s *Insert) String() string {
	into := "INTO"
	if s.Overwrite {
		into = "OVERWRITE"
	}
	label := ""
	if s.Label != nil {
		label = "WITH LABEL " + s.Label.String()
	}
	return words(s.With.Text, "INSERT", into, s.Table.String(), clause("PARTITION", parens(s.Partitions)),
		clause("PARTITION", parens(s.Static)), label, opt(s.ByName, "BY NAME"), parens(s.Columns), properties(s.Properties), s.Query.Text)
}

// String prints column = expression.
func (a Assignment) String() string { return a.Column.String() + " = " + a.Value.Text }

func (s *Update) String() string {
	return words(s.With.Text, "UPDATE", s.Table.String(), aliasText(s.Alias), "SET", join(s.Set, ", "),
		clause("FROM", s.From.Text), clause("WHERE", s.Where.Text))
}

func aliasText(a *Ident) string {
	if a == nil {
		return ""
	}
	return "AS " + a.String()
}

func (s *Delete) String() string {
	return words(s.With.Text, "DELETE FROM", s.Table.String(), aliasText(s.Alias), clause("PARTITION", parens(s.Partitions)),
		clause("USING", s.Using.Text), clause("WHERE", s.Where.Text))
}

func (s *Truncate) String() string {
	return words("TRUNCATE TABLE", s.Table.String(), clause("PARTITION", parens(s.Partitions)), clause("PARTITION", parens(s.Static)))
}
