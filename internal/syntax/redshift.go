package syntax

import (
	"slices"
	"strings"
)

// Setting is SET, SET LOCAL or RESET of a parameter of a PostgreSQL session.
// A reset has no values, and RESET ALL the name "all".
type Setting struct {
	Pos
	Local  bool
	Name   Ident
	Values []StringLit // nil: the default
}

// ShowSetting is SHOW of a parameter, or of all by the name "all".
type ShowSetting struct {
	Pos
	Name Ident
}

// Discard is DISCARD ALL, and DEALLOCATE ALL if Plans is set.
type Discard struct {
	Pos
	Plans bool
}

// Maintain is VACUUM or ANALYZE, for which there is nothing to do.
type Maintain struct {
	Pos
	Verb string
	Rest Fragment
}

// CopyStream is COPY between a table, or a query, and the client itself.
type CopyStream struct {
	Pos
	In      bool // FROM STDIN
	Table   QualifiedName
	Columns []Ident
	Query   Fragment // of COPY (query) TO STDOUT
	Options []CopyOption
}

// CopyOption is one option of a CopyStream; its value may be absent.
type CopyOption struct {
	Name  Ident // in lower case: format, delimiter, null, header, quote, escape, encoding
	Value *StringLit
}

// DeclareCursor is DECLARE name CURSOR FOR query.
type DeclareCursor struct {
	Pos
	Name  Ident
	Hold  bool
	Query Fragment
}

// FetchCursor is FETCH or MOVE. Count is -1 for all rows that are left.
type FetchCursor struct {
	Pos
	Move  bool
	Count int
	Name  Ident
}

// CloseCursor is CLOSE of a cursor; an empty name is all of them.
type CloseCursor struct {
	Pos
	Name Ident
}

// PrepareAs is PREPARE name (type, ..) AS statement, whose parameters are $1 and
// so on.
type PrepareAs struct {
	Pos
	Name      Ident
	Types     []Type
	Statement Fragment
}

// ExecuteWith is EXECUTE name (value, ..) of a PrepareAs.
type ExecuteWith struct {
	Pos
	Name Ident
	Args []Fragment
}

// ParseRedshift reads one statement in Redshift's syntax. The statements that
// are lakeport's own, such as CREATE EXTERNAL CATALOG, are the same as Parse's,
// with strings in single quotes. Its error is Parse's.
func ParseRedshift(text string) (Statement, error) {
	toks, err := Scan(text, Redshift)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, dialect: Redshift, toks: slices.DeleteFunc(toks, func(t Token) bool { return t.Kind == Hint })}
	for n := len(p.toks); n > 0 && p.toks[n-1].Is(";"); n-- {
		p.toks = p.toks[:n-1]
	}
	return p.parse()
}

// redshift reads a statement that Redshift's syntax has otherwise than
// StarRocks', nil if this is none.
func (p *parser) redshift(start Pos) Statement {
	switch {
	case p.at("SELECT"):
		if s := p.selectInto(start); s != nil {
			return s
		}
		return nil
	case p.atQuery():
		return nil
	case p.accept("MERGE", "INTO"):
		return p.merge(start)
	case p.accept("COMMENT", "ON"):
		return p.commentOn(start)
	case p.at("ALTER", "TABLE"):
		from := p.i
		p.next()
		p.next()
		if s := p.redshiftAlter(start); s != nil {
			return s
		}
		p.i = from
		return nil
	case p.at("CANCEL") && p.peek(1).Kind == Number:
		p.next()
		t := p.next()
		if p.tok().Kind == String { // a message for the other client
			p.next()
		}
		return &Kill{start, true, Fragment{Pos(t.Pos), t.Text}}
	case p.at("CREATE"):
		return p.redshiftCreate(start)
	case p.accept("DROP", "SCHEMA"):
		s := &DropDatabase{Pos: start, IfExists: p.ifExists(), Name: p.database()}
		s.Force = p.acceptAny("CASCADE", "RESTRICT") == "CASCADE"
		return s
	case p.at("DROP", "TABLE"):
		p.next()
		p.next()
		s := &DropTable{Pos: start, IfExists: p.ifExists()}
		p.commas(func() { s.Tables = append(s.Tables, p.table()) })
		p.acceptAny("CASCADE", "RESTRICT")
		return s
	case p.accept("DROP", "VIEW"):
		s := p.dropView(start)
		p.acceptAny("CASCADE", "RESTRICT")
		return s
	case p.at("COPY"):
		return p.copyStream(start)
	case p.at("UNLOAD"):
		return p.unload(start)
	case p.accept("DECLARE"):
		return p.declare(start)
	case p.at("FETCH"), p.at("MOVE"):
		return p.fetch(start)
	case p.accept("CLOSE"):
		s := &CloseCursor{Pos: start}
		if !p.accept("ALL") {
			s.Name = p.ident("cursor name")
		}
		return s
	case p.accept("VACUUM"):
		return &Maintain{start, "VACUUM", p.anything()}
	case p.accept("ANALYZE"), p.accept("ANALYSE"):
		return &Maintain{start, "ANALYZE", p.anything()}
	case p.accept("PREPARE"):
		s := &PrepareAs{Pos: start, Name: p.ident("statement name")}
		if p.at("(") {
			p.list(func() { s.Types = append(s.Types, p.redshiftType()) })
		}
		p.expect("AS")
		s.Statement = p.rest("statement")
		return s
	case p.accept("EXECUTE"):
		s := &ExecuteWith{Pos: start, Name: p.ident("statement name")}
		if p.at("(") {
			p.list(func() { s.Args = append(s.Args, p.rest("value", ",", ")")) })
		}
		return s
	case p.accept("DISCARD"):
		p.expect("ALL")
		return &Discard{Pos: start}
	case p.accept("DEALLOCATE"):
		p.accept("PREPARE")
		if p.accept("ALL") {
			return &Discard{start, true}
		}
		return &Deallocate{start, p.ident("statement name")}
	case p.accept("ABORT"):
		p.acceptAny("WORK", "TRANSACTION")
		return &Rollback{Pos: start, Chain: p.chain()}
	case p.accept("BEGIN"):
		p.acceptAny("WORK", "TRANSACTION")
		return p.beginModes(start)
	case p.accept("START"):
		p.expect("TRANSACTION")
		return p.beginModes(start)
	}
	return p.settings(start)
}

// anything takes what is left, which may be nothing.
func (p *parser) anything() Fragment {
	if p.i == len(p.toks) {
		return Fragment{}
	}
	return p.rest("argument")
}

// beginModes reads the modes of a transaction.
func (p *parser) beginModes(start Pos) Statement {
	s := &Begin{Pos: start}
	_, s.Access = p.modes()
	return s
}

// modes reads ISOLATION LEVEL x, READ ONLY, READ WRITE and [NOT] DEFERRABLE.
func (p *parser) modes() (isolation, access string) {
	for {
		switch {
		case p.accept("ISOLATION", "LEVEL"):
			switch {
			case p.accept("READ", "COMMITTED"):
				isolation = "READ COMMITTED"
			case p.accept("READ", "UNCOMMITTED"):
				isolation = "READ UNCOMMITTED"
			case p.accept("REPEATABLE", "READ"):
				isolation = "REPEATABLE READ"
			case p.accept("SNAPSHOT"):
				isolation = "SNAPSHOT"
			default:
				p.expect("SERIALIZABLE")
				isolation = "SERIALIZABLE"
			}
		case p.accept("READ", "ONLY"):
			access = "READ ONLY"
		case p.accept("READ", "WRITE"):
			access = "READ WRITE"
		case p.accept("NOT", "DEFERRABLE"), p.accept("DEFERRABLE"):
		default:
			return isolation, access
		}
		p.accept(",")
	}
}

// settings reads SET, RESET and SHOW of a parameter, nil for a statement of
// another kind.
func (p *parser) settings(start Pos) Statement {
	switch {
	case p.at("SET", "CATALOG"), p.at("SET", "PASSWORD"):
		return nil
	case p.accept("RESET"):
		return &Setting{Pos: start, Name: p.parameter()}
	case p.accept("SHOW"):
		if s := p.showSetting(start); s != nil {
			return s
		}
		p.i--
		return nil
	case !p.accept("SET"):
		return nil
	}
	if session := p.accept("SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"); session || p.accept("TRANSACTION") {
		s := &SetTransaction{Pos: start, Scope: opt(session, "SESSION")}
		s.Isolation, s.Access = p.modes()
		return s
	}
	s := &Setting{Pos: start}
	if !p.at("SESSION", "AUTHORIZATION") {
		s.Local = p.acceptAny("SESSION", "LOCAL") == "LOCAL"
	}
	if at := p.pos(); p.accept("TIME", "ZONE") {
		s.Name = Ident{at, "timezone"}
	} else {
		s.Name = p.parameter()
		if !p.accept("TO") && !p.accept("=") && s.Name.Name != "session_authorization" {
			p.fail()
		}
	}
	if p.accept("DEFAULT") || s.Name.Name == "timezone" && p.accept("LOCAL") {
		return s
	}
	p.commas(func() { s.Values = append(s.Values, p.settingValue()) })
	return s
}

// parameter reads a parameter's name, of which some are several words.
func (p *parser) parameter() Ident {
	at := p.pos()
	switch {
	case p.accept("SESSION", "AUTHORIZATION"):
		return Ident{at, "session_authorization"}
	case p.accept("TIME", "ZONE"):
		return Ident{at, "timezone"}
	case p.accept("TRANSACTION", "ISOLATION", "LEVEL"):
		return Ident{at, "transaction_isolation"}
	}
	q := p.name("parameter name", 2)
	return Ident{at, strings.ToLower(strings.Join(q.Names(), "."))}
}

// settingValue reads a string, a number or a word.
func (p *parser) settingValue() StringLit {
	at, sign := p.pos(), ""
	if p.accept("-") {
		sign = "-"
	}
	t := p.tok()
	switch t.Kind {
	case String, Number, Word, Quoted:
		p.next()
		return StringLit{at, sign + t.Value()}
	}
	p.missed("value")
	p.fail()
	return StringLit{}
}

// showWords begin a SHOW that is not of a parameter.
var showWords = strings.Fields(`CATALOGS DATABASES SCHEMAS TABLES COLUMNS CREATE AWS PARTITIONS WARNINGS VARIABLES PROCESSLIST FULL STATUS INDEX INDEXES KEYS
	SESSION GLOBAL GRANTS LOAD BACKUP SNAPSHOT RESTORE REPOSITORIES PIPES ENGINES PLUGINS COLLATION CHARACTER PROC FRONTENDS BACKENDS FIELDS COUNT TABLE
	EXTENDED ERRORS EXTERNAL`)

// showSetting reads what follows SHOW if that names a parameter.
func (p *parser) showSetting(start Pos) Statement {
	if slices.ContainsFunc(showWords, func(w string) bool { return p.at(w) }) && !(p.at("SESSION") && p.peek(1).Is("AUTHORIZATION")) {
		return nil
	}
	return &ShowSetting{start, p.parameter()}
}

func (p *parser) declare(start Pos) Statement {
	s := &DeclareCursor{Pos: start, Name: p.ident("cursor name")}
	for p.acceptAny("BINARY", "INSENSITIVE", "ASENSITIVE") != "" || p.accept("NO", "SCROLL") || p.accept("SCROLL") {
		if p.toks[p.i-1].Is("BINARY") {
			p.i--
			return p.refused(start, "DECLARE BINARY CURSOR")
		}
	}
	p.expect("CURSOR")
	if p.accept("WITH", "HOLD") {
		s.Hold = true
	} else {
		p.accept("WITHOUT", "HOLD")
	}
	p.expect("FOR")
	s.Query = p.rest("query")
	return s
}

func (p *parser) fetch(start Pos) Statement {
	s := &FetchCursor{Pos: start, Move: p.expectAny("FETCH", "MOVE") == "MOVE", Count: 1}
	if p.acceptAny("BACKWARD", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE") != "" {
		return p.refused(start, "FETCH other than forward")
	}
	forward := p.acceptAny("NEXT", "FORWARD")
	switch {
	case p.accept("ALL"):
		s.Count = -1
	case forward != "NEXT" && p.tok().Kind == Number:
		s.Count = p.integer("number of rows")
	}
	p.acceptAny("FROM", "IN")
	s.Name = p.ident("cursor name")
	return s
}

// copyStream reads COPY … FROM STDIN and TO STDOUT. COPY from objects is another
// statement.
func (p *parser) copyStream(start Pos) Statement {
	from := p.i
	p.expect("COPY")
	if p.at("JOB") && p.peek(1).Kind == Word && !p.peek(1).Is("FROM") && !p.peek(1).Is("TO") {
		p.i = from
		return p.copyObjects(start)
	}
	s := &CopyStream{Pos: start}
	if p.at("(") {
		p.next()
		s.Query = p.rest("query", ")")
		p.expect(")")
	} else {
		s.Table = p.table()
		if p.at("(") {
			s.Columns = p.idents("column name")
		}
	}
	switch {
	case s.Query.IsZero() && p.accept("FROM", "STDIN"):
		s.In = true
	case p.accept("TO", "STDOUT"):
	case s.Query.IsZero() && p.at("FROM"):
		p.i = from
		return p.copyObjects(start)
	default:
		p.fail()
	}
	p.copyOptions(s)
	return s
}

// copyOptions reads [WITH] (name value, ..) or the older form without
// parentheses.
func (p *parser) copyOptions(s *CopyStream) {
	p.accept("WITH")
	add := func(at Pos, name string, value *StringLit) {
		s.Options = append(s.Options, CopyOption{Ident{at, strings.ToLower(name)}, value})
	}
	if p.at("(") {
		p.list(func() {
			name := p.ident("option")
			var value *StringLit
			if !p.at(",") && !p.at(")") {
				v := p.settingValue()
				value = &v
			}
			add(name.Pos, name.Name, value)
		})
		return
	}
	for p.i < len(p.toks) {
		at := p.pos()
		switch w := p.expectAny("BINARY", "CSV", "TEXT", "HEADER", "DELIMITER", "DELIMITERS", "NULL", "QUOTE", "ESCAPE", "ENCODING"); w {
		case "BINARY", "CSV", "TEXT":
			add(at, "format", &StringLit{at, strings.ToLower(w)})
		case "HEADER":
			add(at, w, nil)
		default:
			p.accept("AS")
			value := p.str()
			add(at, strings.TrimSuffix(w, "S"), &value)
		}
	}
}

func (s *Setting) String() string {
	name := `"` + strings.ReplaceAll(s.Name.Name, ".", `"."`) + `"`
	if s.Values == nil {
		return "RESET " + name
	}
	values := make([]string, len(s.Values))
	for i, v := range s.Values {
		values[i] = quoteStandard(v.Value)
	}
	return words("SET", opt(s.Local, "LOCAL"), name, "TO", strings.Join(values, ", "))
}

func (s *ShowSetting) String() string { return "SHOW " + s.Name.Name }

func (s *Discard) String() string {
	if s.Plans {
		return "DEALLOCATE ALL"
	}
	return "DISCARD ALL"
}

func (s *Maintain) String() string { return words(s.Verb, s.Rest.Text) }

func (s *CopyStream) String() string {
	what := quotedName(s.Table) + parensStandard(s.Columns)
	if !s.Query.IsZero() {
		what = "(" + s.Query.Text + ")"
	}
	to := "TO STDOUT"
	if s.In {
		to = "FROM STDIN"
	}
	options := make([]string, len(s.Options))
	for i, o := range s.Options {
		options[i] = o.Name.Name
		if o.Value != nil {
			options[i] += " " + quoteStandard(o.Value.Value)
		}
	}
	list := ""
	if len(options) > 0 {
		list = "(" + strings.Join(options, ", ") + ")"
	}
	return words("COPY", what, to, list)
}

func (s *PrepareAs) String() string {
	types := make([]string, len(s.Types))
	for i, t := range s.Types {
		types[i] = t.String()
	}
	list := ""
	if len(types) > 0 {
		list = "(" + strings.Join(types, ", ") + ")"
	}
	return words("PREPARE", standardIdent(s.Name), list, "AS", s.Statement.Text)
}

func (s *ExecuteWith) String() string {
	values := make([]string, len(s.Args))
	for i, a := range s.Args {
		values[i] = a.Text
	}
	list := ""
	if len(values) > 0 {
		list = "(" + strings.Join(values, ", ") + ")"
	}
	return words("EXECUTE", standardIdent(s.Name), list)
}

func (s *DeclareCursor) String() string {
	return words("DECLARE", standardIdent(s.Name), "CURSOR", opt(s.Hold, "WITH HOLD"), "FOR", s.Query.Text)
}

func (s *FetchCursor) String() string {
	verb, count := "FETCH", number(s.Count)
	if s.Move {
		verb = "MOVE"
	}
	if s.Count < 0 {
		count = "ALL"
	}
	return words(verb, count, "FROM", standardIdent(s.Name))
}

func (s *CloseCursor) String() string {
	if s.Name.Name == "" {
		return "CLOSE ALL"
	}
	return "CLOSE " + standardIdent(s.Name)
}

func quoteStandard(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func standardIdent(i Ident) string { return `"` + strings.ReplaceAll(i.Name, `"`, `""`) + `"` }

func quotedName(q QualifiedName) string {
	parts := make([]string, len(q.Parts))
	for i, p := range q.Parts {
		parts[i] = standardIdent(p)
	}
	return strings.Join(parts, ".")
}

func parensStandard(ids []Ident) string {
	if len(ids) == 0 {
		return ""
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = standardIdent(id)
	}
	return " (" + strings.Join(list, ", ") + ")"
}
