package syntax

import (
	"strings"
)

// SetVariables is SET of variables, in order.
type SetVariables struct {
	Pos
	Items []SetItem
}

// Scope says which variable a SetItem names.
type Scope uint8

// The scopes. Names and CharacterSet are the forms SET NAMES and SET
// CHARACTER SET, whose Value is the character set.
const (
	Session Scope = iota
	Global
	User
	Names
	CharacterSet
)

// SetItem is one assignment. Value is DEFAULT, a word such as ON, a literal or
// an expression; Fragment.Literal decodes all but the last.
type SetItem struct {
	Scope   Scope
	Name    Ident // lower-case unless Scope is User; empty for Names and CharacterSet
	Value   Fragment
	Collate string // of SET NAMES
}

// SetTransaction is SET [SESSION|GLOBAL] TRANSACTION.
type SetTransaction struct {
	Pos
	Scope     string // "", SESSION, GLOBAL
	Isolation string // "READ COMMITTED", .. or "" if not given
	Access    string // "READ ONLY", "READ WRITE" or ""
}

// Kill is KILL [CONNECTION|QUERY] id. A quoted id is StarRocks' query id.
type Kill struct {
	Pos
	Query bool
	ID    Fragment
}

// Begin is BEGIN or START TRANSACTION.
type Begin struct {
	Pos
	Access string // "READ ONLY", "READ WRITE" or ""
	Label  *Ident
}

// Commit is COMMIT. Chain begins the next transaction at once.
type Commit struct {
	Pos
	Chain bool
}

// Rollback is ROLLBACK, to a savepoint if Savepoint is not nil.
type Rollback struct {
	Pos
	Chain     bool
	Savepoint *Ident
}

// Savepoint is SAVEPOINT, or RELEASE SAVEPOINT if Release is set.
type Savepoint struct {
	Pos
	Release bool
	Name    Ident
}

// Prepare is PREPARE name FROM a string, a user variable or a statement.
type Prepare struct {
	Pos
	Name Ident
	From Fragment // the statement's text, decoded if it was a string; "@v" for a variable
	Text bool     // From was a string literal
}

// Execute is EXECUTE name USING @a, ..
type Execute struct {
	Pos
	Name  Ident
	Using []UserVariable
}

// UserVariable is @name.
type UserVariable struct {
	Pos
	Name string
}

// Deallocate is DEALLOCATE PREPARE or DROP PREPARE.
type Deallocate struct {
	Pos
	Name Ident
}

// LockTables is LOCK TABLES and UNLOCK TABLES, which StarRocks accepts and
// which do nothing.
type LockTables struct {
	Pos
	Unlock bool
	Tables Fragment
}

// Sync is SYNC: wait until this session sees all committed changes.
type Sync struct{ Pos }

// Analyze is ANALYZE TABLE: gather statistics.
type Analyze struct {
	Pos
	Mode       string // "", FULL, SAMPLE
	Table      QualifiedName
	Columns    []Ident
	Async      string // "", SYNC, ASYNC
	Properties Properties
}

// AdminSetConfig is ADMIN SET FRONTEND CONFIG.
type AdminSetConfig struct {
	Pos
	Properties Properties
	Persistent bool
}

// AdminShowConfig is ADMIN SHOW FRONTEND CONFIG.
type AdminShowConfig struct {
	Pos
	Filter
}

// set reads what follows SET.
func (p *parser) set(start Pos) Statement {
	if p.at("CATALOG") && !p.peek(1).Is("=") && !p.peek(1).Is(":=") {
		p.next()
		return &SetCatalog{start, p.identOrString("catalog name")}
	}
	if p.at("PASSWORD") && (p.peek(1).Is("FOR") || p.peek(1).Is("=")) {
		p.next()
		return p.setPassword(start)
	}
	if p.peek(1).Is("AS") && p.peek(2).Is("DEFAULT") {
		return p.refused(start, "SET DEFAULT STORAGE VOLUME")
	}
	mark := p.i
	scope := p.scope()
	if p.accept("TRANSACTION") {
		return p.setTransaction(start, scope)
	}
	p.i = mark
	s := &SetVariables{Pos: start}
	p.commas(func() { s.Items = append(s.Items, p.setItem()) })
	return s
}

func (p *parser) setItem() SetItem {
	switch {
	case p.at("NAMES") && !p.peek(1).Is("="):
		return p.setNames()
	case p.accept("CHARSET"), p.accept("CHARACTER", "SET"):
		return SetItem{Scope: CharacterSet, Value: p.fragment("character set")}
	}
	it := SetItem{Scope: Session}
	if p.scope() == "GLOBAL" {
		it.Scope = Global
	}
	it.variable(p)
	if !p.accept(":=") {
		p.expect("=")
	}
	it.Value = p.fragment("value")
	return it
}

func (p *parser) setNames() SetItem {
	p.next()
	it := SetItem{Scope: Names, Value: p.fragment("character set", "COLLATE")}
	if p.accept("COLLATE") {
		it.Collate = p.identOrString("collation").Name
	}
	return it
}

// variable reads the name on the left of the equals sign.
func (it *SetItem) variable(p *parser) {
	t := p.tok()
	it.Name = Ident{Pos(t.Pos), t.Value()}
	switch t.Kind {
	case UserVar:
		it.Scope = User
		p.next()
		return
	case SystemVar:
		p.next()
		if scope, name, ok := strings.Cut(it.Name.Name, "."); ok {
			it.Name.Name = name
			if strings.EqualFold(scope, "GLOBAL") {
				it.Scope = Global
			}
		}
	default:
		it.Name.Name = strings.Join(p.name("variable name", 3).Names(), ".")
	}
	if it.Name.Name == "" {
		p.failf(it.Name.Pos, "the variable name is empty")
	}
	it.Name.Name = strings.ToLower(it.Name.Name)
}

// setTransaction reads what follows TRANSACTION: one or both characteristics.
func (p *parser) setTransaction(start Pos, scope string) Statement {
	s := &SetTransaction{Pos: start, Scope: scope}
	p.commas(func() {
		switch {
		case p.accept("READ", "ONLY"):
			s.Access = "READ ONLY"
		case p.accept("READ", "WRITE"):
			s.Access = "READ WRITE"
		default:
			p.expect("ISOLATION", "LEVEL")
			s.Isolation = p.isolation()
		}
	})
	return s
}

func (p *parser) isolation() string {
	switch {
	case p.accept("READ", "COMMITTED"):
		return "READ COMMITTED"
	case p.accept("READ", "UNCOMMITTED"):
		return "READ UNCOMMITTED"
	case p.accept("REPEATABLE", "READ"):
		return "REPEATABLE READ"
	}
	return p.expectAny("SERIALIZABLE")
}

// transaction reads the statements of transaction control, nil if none.
func (p *parser) transaction(start Pos) Statement {
	switch {
	case p.accept("BEGIN"):
		p.acceptAny("WORK", "TRANSACTION")
		return p.begin(start)
	case p.accept("START"):
		p.expect("TRANSACTION")
		return p.begin(start)
	case p.accept("COMMIT"), p.accept("END"):
		p.acceptAny("WORK", "TRANSACTION")
		return &Commit{start, p.chain()}
	case p.accept("ROLLBACK"):
		return p.rollback(start)
	case p.accept("SAVEPOINT"):
		return &Savepoint{start, false, p.ident("savepoint name")}
	case p.accept("RELEASE"):
		p.expect("SAVEPOINT")
		return &Savepoint{start, true, p.ident("savepoint name")}
	}
	return nil
}

func (p *parser) begin(start Pos) Statement {
	s := &Begin{Pos: start}
	for {
		switch {
		case p.accept("WITH", "LABEL"):
			label := p.ident("label")
			s.Label = &label
		case p.accept("READ", "ONLY"):
			s.Access = "READ ONLY"
		case p.accept("READ", "WRITE"):
			s.Access = "READ WRITE"
		case p.accept("WITH", "CONSISTENT", "SNAPSHOT"): // every snapshot is consistent
		default:
			return s
		}
		if !p.accept(",") {
			return s
		}
	}
}

// chain reads [AND [NO] CHAIN] [[NO] RELEASE].
func (p *parser) chain() bool {
	chain := p.accept("AND", "CHAIN")
	if !chain {
		p.accept("AND", "NO", "CHAIN")
	}
	p.accept("NO", "RELEASE")
	return chain
}

func (p *parser) rollback(start Pos) Statement {
	s := &Rollback{Pos: start}
	p.acceptAny("WORK", "TRANSACTION")
	if p.accept("TO") {
		p.accept("SAVEPOINT")
		name := p.ident("savepoint name")
		s.Savepoint = &name
		return s
	}
	s.Chain = p.chain()
	return s
}

// command reads the statements that are about the session, nil if none.
func (p *parser) command(start Pos) Statement {
	switch {
	case p.accept("KILL"):
		return p.kill(start)
	case p.accept("PREPARE"):
		return p.prepare(start)
	case p.accept("EXECUTE"):
		return p.execute(start)
	case p.accept("DEALLOCATE"):
		p.expect("PREPARE")
		return &Deallocate{start, p.ident("statement name")}
	case p.accept("LOCK"):
		p.expectAny("TABLES", "TABLE")
		return &LockTables{start, false, p.rest("table name")}
	case p.accept("UNLOCK"):
		p.expectAny("TABLES", "TABLE")
		return &LockTables{start, true, Fragment{}}
	case p.accept("SYNC"):
		return &Sync{start}
	}
	return nil
}

func (p *parser) kill(start Pos) Statement {
	s := &Kill{Pos: start}
	s.Query = p.acceptAny("QUERY", "CONNECTION") == "QUERY"
	if t := p.tok(); t.Kind != Number && t.Kind != String && t.Kind != UserVar {
		p.missed("connection id")
		p.fail()
	}
	s.ID = p.fragment("connection id")
	return s
}

func (p *parser) prepare(start Pos) Statement {
	s := &Prepare{Pos: start, Name: p.ident("statement name")}
	p.expect("FROM")
	t := p.tok()
	switch t.Kind {
	case String:
		p.next()
		s.From, s.Text = Fragment{Pos(t.Pos), t.Value()}, true
	case UserVar:
		p.next()
		s.From = Fragment{Pos(t.Pos), t.Text}
	default:
		s.From = p.rest("statement")
	}
	return s
}

func (p *parser) execute(start Pos) Statement {
	s := &Execute{Pos: start, Name: p.ident("statement name")}
	if p.accept("USING") {
		p.commas(func() {
			t := p.tok()
			if t.Kind != UserVar {
				p.missed("user variable such as @a")
				p.fail()
			}
			p.next()
			s.Using = append(s.Using, UserVariable{Pos(t.Pos), t.Value()})
		})
	}
	return s
}

func (p *parser) analyze(start Pos) Statement {
	s := &Analyze{Pos: start, Mode: p.acceptAny("FULL", "SAMPLE")}
	p.expect("TABLE")
	s.Table = p.table()
	if p.at("(") {
		s.Columns = p.idents("column name")
	}
	for _, w := range []string{"UPDATE", "DROP"} {
		if p.at(w, "HISTOGRAM") {
			return p.refused(start, "ANALYZE TABLE "+w+" HISTOGRAM")
		}
	}
	if p.accept("WITH") {
		s.Async = p.expectAny("SYNC", "ASYNC")
		p.expect("MODE")
	}
	s.Properties = p.properties()
	return s
}

func (p *parser) admin(start Pos) Statement {
	if p.accept("SHOW") {
		p.expect("FRONTEND", "CONFIG")
		return &AdminShowConfig{start, p.filter()}
	}
	p.expect("SET", "FRONTEND", "CONFIG")
	s := &AdminSetConfig{Pos: start, Properties: p.propertyList()}
	s.Persistent = p.accept("WITH", "PERSISTENT")
	return s
}

func (s *SetVariables) String() string { return "SET " + join(s.Items, ", ") }

// String prints one assignment.
func (it SetItem) String() string {
	switch it.Scope {
	case Names:
		return words("NAMES", it.Value.Text, clause("COLLATE", opt(it.Collate != "", Quote(it.Collate))))
	case CharacterSet:
		return "CHARACTER SET " + it.Value.Text
	case User:
		return "@`" + it.Name.Name + "` = " + it.Value.Text
	case Global:
		return "GLOBAL " + it.Name.String() + " = " + it.Value.Text
	}
	return it.Name.String() + " = " + it.Value.Text
}

func (s *SetTransaction) String() string {
	sep := opt(s.Isolation != "" && s.Access != "", ", ")
	return words("SET", s.Scope, "TRANSACTION", clause("ISOLATION LEVEL", s.Isolation)+sep+s.Access)
}

func (s *Kill) String() string { return words("KILL", opt(s.Query, "QUERY"), s.ID.Text) }

func (s *Begin) String() string {
	label := ""
	if s.Label != nil {
		label = "WITH LABEL " + s.Label.String()
	}
	sep := opt(label != "" && s.Access != "", ", ")
	return words("START TRANSACTION", label+sep+s.Access)
}

func (s *Commit) String() string { return words("COMMIT", opt(s.Chain, "AND CHAIN")) }

func (s *Rollback) String() string {
	if s.Savepoint != nil {
		return "ROLLBACK TO SAVEPOINT " + s.Savepoint.String()
	}
	return words("ROLLBACK", opt(s.Chain, "AND CHAIN"))
}

func (s *Savepoint) String() string {
	return words(opt(s.Release, "RELEASE"), "SAVEPOINT", s.Name.String())
}

func (s *Prepare) String() string {
	from := s.From.Text
	if s.Text {
		from = Quote(from)
	}
	return words("PREPARE", s.Name.String(), "FROM", from)
}

func (s *Execute) String() string {
	return words("EXECUTE", s.Name.String(), clause("USING", join(s.Using, ", ")))
}

// String prints @`name`.
func (v UserVariable) String() string { return "@`" + v.Name + "`" }

func (s *Deallocate) String() string { return "DEALLOCATE PREPARE " + s.Name.String() }

func (s *LockTables) String() string {
	return words(opt(s.Unlock, "UNLOCK TABLES"), opt(!s.Unlock, "LOCK TABLES"), s.Tables.Text)
}

func (s *Sync) String() string { return "SYNC" }

func (s *Analyze) String() string {
	return words("ANALYZE", s.Mode, "TABLE", s.Table.String(), parens(s.Columns),
		opt(s.Async != "", "WITH "+s.Async+" MODE"), properties(s.Properties))
}

func (s *AdminSetConfig) String() string {
	return words("ADMIN SET FRONTEND CONFIG", s.Properties.String(), opt(s.Persistent, "WITH PERSISTENT"))
}

func (s *AdminShowConfig) String() string {
	return words("ADMIN SHOW FRONTEND CONFIG", s.Filter.String())
}
