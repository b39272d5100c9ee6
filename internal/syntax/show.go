package syntax

import "strings"

// ShowDatabases is SHOW DATABASES or SCHEMAS.
type ShowDatabases struct {
	Pos
	Catalog *Ident // nil: the current one
	Filter
}

// ShowTables is SHOW [FULL] TABLES.
type ShowTables struct {
	Pos
	Full     bool
	Database QualifiedName // empty: the current one
	Filter
}

// ShowColumns is SHOW [FULL] COLUMNS or FIELDS.
type ShowColumns struct {
	Pos
	Full     bool
	Table    QualifiedName
	Database QualifiedName // of a second FROM; it then qualifies Table
	Filter
}

// ShowIndex is SHOW INDEX, INDEXES, KEY or KEYS.
type ShowIndex struct {
	Pos
	Table    QualifiedName
	Database QualifiedName
	Filter
}

// ShowCreate is SHOW CREATE TABLE, VIEW, MATERIALIZED VIEW or DATABASE.
type ShowCreate struct {
	Pos
	Object string // "TABLE", "VIEW", "MATERIALIZED VIEW", "DATABASE"
	Name   QualifiedName
}

// ShowTableStatus is SHOW TABLE STATUS.
type ShowTableStatus struct {
	Pos
	Database QualifiedName
	Filter
}

// ShowPartitions is SHOW [TEMPORARY] PARTITIONS.
type ShowPartitions struct {
	Pos
	Temporary bool
	Table     QualifiedName
	Filter
}

// ShowWarnings is SHOW WARNINGS and SHOW ERRORS; Count is SHOW COUNT(*) of them.
type ShowWarnings struct {
	Pos
	Errors bool
	Count  bool
	Limit  Fragment
}

// ShowVariables is SHOW [GLOBAL|SESSION] VARIABLES, or STATUS of the same form.
type ShowVariables struct {
	Pos
	Scope  string // "", GLOBAL, SESSION
	Status bool
	Filter
}

// ShowProcesslist is SHOW [FULL] PROCESSLIST.
type ShowProcesslist struct {
	Pos
	Full bool
}

// Show is every other SHOW. What is its words in upper case, one of those that
// the parser knows; the clauses are as far as given.
type Show struct {
	Pos
	What string
	Arg  *StringLit    // PROC's path
	For  Fragment      // FOR user
	In   QualifiedName // FROM or IN
	Filter
}

// Describe is DESC of a table, or of FILES (..).
type Describe struct {
	Pos
	Table  QualifiedName
	Column string // MySQL's DESC table column; a name or LIKE pattern
	All    bool
	Files  Properties // of DESC FILES, else nil
}

// showPhrases are the words of Show.What. ADMIN SHOW has some of its own.
var showPhrases = strings.Split("ENGINES|STORAGE ENGINES|CHARSET|CHARACTER SET|COLLATION|PLUGINS|GRANTS|ALL GRANTS|PRIVILEGES|EVENTS|TRIGGERS|"+
	"PROCEDURE STATUS|FUNCTION STATUS|FULL BUILTIN FUNCTIONS|BUILTIN FUNCTIONS|FULL GLOBAL FUNCTIONS|GLOBAL FUNCTIONS|FULL FUNCTIONS|FUNCTIONS|"+
	"BACKENDS|FRONTENDS|COMPUTE NODES|BROKER|PROC|WAREHOUSES|OPEN TABLES|MASTER STATUS|BINARY LOGS|MASTER LOGS|BINLOG EVENTS|SLAVE STATUS|"+
	"REPLICA STATUS|REPLICAS|SLAVE HOSTS|PROFILES|PROFILE|PROFILELIST|ROLES|USERS|ALL AUTHENTICATION|AUTHENTICATION|RESOURCES|RESOURCE GROUPS ALL|"+
	"RESOURCE GROUPS|STORAGE VOLUMES|MATERIALIZED VIEWS|ROUTINE LOAD|ALL ROUTINE LOAD|ROUTINE LOAD TASK|EXPORT|"+
	"ALTER TABLE COLUMN|ALTER TABLE ROLLUP|ALTER TABLE OPTIMIZE|ALTER MATERIALIZED VIEW|DELETE|DATA|"+
	"DYNAMIC PARTITION TABLES|TABLET|TABLETS|TRANSACTION|SQLBLACKLIST|ANALYZE STATUS|ANALYZE JOB|ANALYZE|STATS META|HISTOGRAM META|"+
	"RUNNING QUERIES|CATALOG RECYCLE BIN|USAGE|LAST QUERY ID|VIEWS|EXTENSIONS|TASKS|NODES|FILE|DICTIONARY|BASELINE|TEMPORARY TABLES|WARNING|PACKAGES", "|")

// show reads what follows SHOW.
func (p *parser) show(start Pos) Statement {
	switch {
	case p.accept("PIPES"):
		return &ShowPipes{start, p.filter()}
	case p.accept("CATALOGS"):
		return &ShowCatalogs{start, p.filter()}
	case p.accept("DATABASES"), p.accept("SCHEMAS"):
		return p.showDatabases(start)
	case p.accept("CREATE"):
		return p.showCreate(start)
	case p.accept("AWS"):
		p.expect("IDENTITY")
		return &ShowAWSIdentity{start, p.forCatalog()}
	case p.accept("TABLES"), p.accept("FULL", "TABLES"), p.accept("EXTENDED", "TABLES"):
		return &ShowTables{start, p.before("FULL"), p.in(2), p.filter()}
	case p.accept("TABLE", "STATUS"):
		return &ShowTableStatus{start, p.in(2), p.filter()}
	case p.acceptAfter("FULL", "COLUMNS"), p.acceptAfter("FULL", "FIELDS"):
		return p.showColumns(start)
	case p.accept("INDEX"), p.accept("INDEXES"), p.accept("KEYS"), p.accept("KEY"):
		return p.showIndex(start)
	case p.acceptAfter("TEMPORARY", "PARTITIONS"):
		return p.showPartitions(start)
	case p.accept("WARNINGS"), p.accept("ERRORS"), p.accept("COUNT"):
		return p.showWarnings(start)
	case p.acceptAfter("ALL", "LOAD"):
		return p.showLoad(start, p.before("ALL"))
	case p.accept("REPOSITORIES"):
		return &ShowRepositories{start, p.filter()}
	case p.accept("BACKUP"):
		return &ShowBackup{start, false, p.in(1), p.filter()}
	case p.accept("RESTORE"):
		return &ShowBackup{start, true, p.in(1), p.filter()}
	case p.accept("SNAPSHOT", "ON"):
		return &ShowSnapshot{start, p.ident("repository name"), p.filter()}
	case p.acceptAfter("FULL", "PROCESSLIST"):
		return &ShowProcesslist{start, p.before("FULL")}
	}
	scope := p.scope()
	switch {
	case p.accept("VARIABLES"):
		return &ShowVariables{start, scope, false, p.filter()}
	case p.accept("STATUS"):
		return &ShowVariables{start, scope, true, p.filter()}
	case scope != "":
		p.fail()
	}
	return p.showOther(start, showPhrases)
}

// before tells whether word stands before the token consumed last.
func (p *parser) before(word string) bool { return p.i >= 2 && p.toks[p.i-2].Is(word) }

// acceptAfter accepts word, or modifier and word.
func (p *parser) acceptAfter(modifier, word string) bool {
	return p.accept(word) || p.accept(modifier, word)
}

// scope reads [GLOBAL|SESSION|LOCAL] where it qualifies a variable.
func (p *parser) scope() string {
	switch {
	case p.at("GLOBAL", "FUNCTIONS"):
		return ""
	case p.accept("GLOBAL"):
		return "GLOBAL"
	case p.accept("SESSION"), p.accept("LOCAL"):
		return "SESSION"
	case p.accept("VERBOSE"):
		return "SESSION"
	}
	return ""
}

// in reads [{FROM|IN} name] of up to max parts.
func (p *parser) in(max int) QualifiedName {
	if p.acceptAny("FROM", "IN") == "" {
		return QualifiedName{}
	}
	what := "database name"
	if max > 2 {
		what = "table name"
	}
	return p.name(what, max)
}

// filter reads [LIKE s] [WHERE e] [ORDER BY ..] [LIMIT ..].
func (p *parser) filter() Filter {
	var f Filter
	if p.accept("LIKE") {
		s := p.str()
		f.Like = &s
	}
	if p.accept("WHERE") {
		f.Where = p.rest("condition", "ORDER", "LIMIT")
	}
	if p.accept("ORDER", "BY") {
		f.OrderBy = p.rest("sort order", "LIMIT")
	}
	f.Limit = p.limit()
	return f
}

func (p *parser) limit() Fragment {
	if !p.accept("LIMIT") {
		return Fragment{}
	}
	return p.rest("number")
}

func (p *parser) showDatabases(start Pos) Statement {
	s := &ShowDatabases{Pos: start}
	if p.acceptAny("FROM", "IN") != "" {
		c := p.identOrString("catalog name")
		s.Catalog = &c
	}
	s.Filter = p.filter()
	return s
}

func (p *parser) showCreate(start Pos) Statement {
	switch {
	case p.accept("CATALOG"):
		return &ShowCreateCatalog{start, p.identOrString("catalog name")}
	case p.accept("PIPE"):
		return &ShowCreatePipe{start, p.ident("pipe name")}
	case p.accept("DATABASE"), p.accept("SCHEMA"):
		p.ifNotExists()
		return &ShowCreate{start, "DATABASE", p.database()}
	case p.accept("MATERIALIZED", "VIEW"):
		return &ShowCreate{start, "MATERIALIZED VIEW", p.table()}
	}
	for _, what := range []string{"PROCEDURE", "FUNCTION", "EVENT", "TRIGGER", "USER", "ROUTINE", "GLOBAL"} {
		if p.at(what) {
			return p.refused(start, "SHOW CREATE "+what)
		}
	}
	return &ShowCreate{start, p.expectAny("TABLE", "VIEW"), p.table()}
}

func (p *parser) showColumns(start Pos) Statement {
	s := &ShowColumns{Pos: start, Full: p.before("FULL")}
	p.expectAny("FROM", "IN")
	s.Table = p.table()
	s.Database = p.in(2)
	s.Filter = p.filter()
	return s
}

func (p *parser) showIndex(start Pos) Statement {
	s := &ShowIndex{Pos: start}
	p.expectAny("FROM", "IN")
	s.Table = p.table()
	s.Database = p.in(2)
	s.Filter = p.filter()
	return s
}

func (p *parser) showPartitions(start Pos) Statement {
	s := &ShowPartitions{Pos: start, Temporary: p.before("TEMPORARY")}
	p.expect("FROM")
	s.Table = p.table()
	s.Filter = p.filter()
	return s
}

func (p *parser) showWarnings(start Pos) Statement {
	s := &ShowWarnings{Pos: start}
	if s.Count = p.toks[p.i-1].Is("COUNT"); s.Count {
		p.expect("(", "*", ")")
		p.expectAny("WARNINGS", "ERRORS")
	}
	s.Errors = p.toks[p.i-1].Is("ERRORS")
	s.Limit = p.limit()
	return s
}

// showOther reads the longest of phrases and the clauses that may follow it.
func (p *parser) showOther(start Pos, phrases []string) Statement {
	s := &Show{Pos: start}
	for _, phrase := range phrases {
		if f := strings.Fields(phrase); len(phrase) > len(s.What) && p.at(f...) {
			s.What = phrase
		}
	}
	if s.What == "" {
		p.want = append(p.want, phrases...)
		p.failAs("what to show")
	}
	for range strings.Fields(s.What) {
		p.next()
	}
	if s.What == "PROC" {
		path := p.str()
		s.Arg = &path
	}
	if p.accept("FOR") {
		s.For = p.rest("name", "FROM", "IN", "LIKE", "WHERE")
	}
	s.In = p.in(3)
	s.Filter = p.filter()
	return s
}

// describe reads what follows DESC: a table, FILES, or a statement to explain.
func (p *parser) describe(start Pos) Statement {
	if p.at("FILES", "(") {
		p.next()
		return &Describe{Pos: start, Files: p.propertyList()}
	}
	if p.atExplained() {
		return p.explain(start)
	}
	for _, what := range []string{"STORAGE", "RESOURCE"} {
		if p.at(what) && p.peek(1).Kind == Word {
			return p.refused(start, "DESC "+what)
		}
	}
	p.accept("TABLE")
	s := &Describe{Pos: start, Table: p.table()}
	s.All = p.accept("ALL")
	if !s.All && p.tok().Kind != EOF {
		s.Column = p.identOrString("column name").Name
	}
	return s
}

// atExplained tells whether DESC is followed by a statement and not a table.
func (p *parser) atExplained() bool {
	for _, w := range append([]string{"INSERT", "UPDATE", "DELETE"}, queryWords...) {
		if p.at(w) && (w == "(" || p.peek(1).Kind != EOF && !p.peek(1).Is(".")) {
			return true
		}
	}
	return p.atExplainMode() && p.peek(1).Kind == Word && !p.peek(1).Is("ALL")
}

func (p *parser) atExplainMode() bool {
	for _, m := range explainModes {
		if p.at(m) {
			return true
		}
	}
	return false
}

var explainModes = []string{"LOGICAL", "VERBOSE", "COSTS", "ANALYZE"}

func (p *parser) explain(start Pos) Statement {
	s := &Explain{Pos: start}
	if p.atExplainMode() || p.at("ACCESS") {
		s.Mode = strings.ToUpper(p.next().Text)
	}
	p.nested(func() { s.Statement = p.statement() })
	return s
}

func (s *ShowDatabases) String() string {
	from := ""
	if s.Catalog != nil {
		from = "FROM " + s.Catalog.String()
	}
	return words("SHOW DATABASES", from, s.Filter.String())
}

func (s *ShowTables) String() string {
	return words("SHOW", opt(s.Full, "FULL"), "TABLES", clause("FROM", s.Database.String()), s.Filter.String())
}

func (s *ShowColumns) String() string {
	return words("SHOW", opt(s.Full, "FULL"), "COLUMNS FROM", s.Table.String(), clause("FROM", s.Database.String()), s.Filter.String())
}

func (s *ShowIndex) String() string {
	return words("SHOW INDEX FROM", s.Table.String(), clause("FROM", s.Database.String()), s.Filter.String())
}

func (s *ShowCreate) String() string { return words("SHOW CREATE", s.Object, s.Name.String()) }

func (s *ShowTableStatus) String() string {
	return words("SHOW TABLE STATUS", clause("FROM", s.Database.String()), s.Filter.String())
}

func (s *ShowPartitions) String() string {
	return words("SHOW", opt(s.Temporary, "TEMPORARY"), "PARTITIONS FROM", s.Table.String(), s.Filter.String())
}

func (s *ShowWarnings) String() string {
	return words("SHOW", opt(s.Count, "COUNT(*)"), opt(!s.Errors, "WARNINGS"), opt(s.Errors, "ERRORS"), clause("LIMIT", s.Limit.Text))
}

func (s *ShowVariables) String() string {
	return words("SHOW", s.Scope, opt(!s.Status, "VARIABLES"), opt(s.Status, "STATUS"), s.Filter.String())
}

func (s *ShowProcesslist) String() string { return words("SHOW", opt(s.Full, "FULL"), "PROCESSLIST") }

func (s *Show) String() string {
	return words("SHOW", s.What, quoted(s.Arg), clause("FOR", s.For.Text), clause("FROM", s.In.String()), s.Filter.String())
}

func (s *Describe) String() string {
	if s.Files != nil {
		return "DESC FILES " + s.Files.String()
	}
	return words("DESC", s.Table.String(), opt(s.All, "ALL"), opt(s.Column != "", Ident{Name: s.Column}.String()))
}
