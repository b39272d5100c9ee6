package syntax

import "strings"

// CreateCatalog is CREATE [EXTERNAL] CATALOG.
type CreateCatalog struct {
	Pos
	IfNotExists bool
	Name        Ident
	Comment     *StringLit
	Properties  Properties
}

// AlterCatalog is ALTER CATALOG .. SET.
type AlterCatalog struct {
	Pos
	Name       Ident
	Properties Properties
}

// DropCatalog is DROP CATALOG.
type DropCatalog struct {
	Pos
	IfExists bool
	Name     Ident
}

// ShowCatalogs is SHOW CATALOGS.
type ShowCatalogs struct {
	Pos
	Filter
}

// ShowCreateCatalog is SHOW CREATE CATALOG.
type ShowCreateCatalog struct {
	Pos
	Name Ident
}

// SetCatalog is SET CATALOG c, and USE 'CATALOG c'.
type SetCatalog struct {
	Pos
	Name Ident
}

// Use is USE db or USE catalog.db.
type Use struct {
	Pos
	Database QualifiedName
}

// RefreshExternalTable is REFRESH EXTERNAL TABLE.
type RefreshExternalTable struct {
	Pos
	Table      QualifiedName
	Partitions []StringLit
}

// RefreshCredentials is REFRESH CREDENTIALS, lakeport's own: forget the
// sessions of one catalog, or of all if Catalog is nil.
type RefreshCredentials struct {
	Pos
	Catalog *Ident
}

// ShowAWSIdentity is SHOW AWS IDENTITY, lakeport's own: the ARNs that lakeport
// acts as, for one catalog or, if Catalog is nil, its base identity.
type ShowAWSIdentity struct {
	Pos
	Catalog *Ident
}

// CreateDatabase is CREATE DATABASE or SCHEMA.
type CreateDatabase struct {
	Pos
	IfNotExists bool
	Name        QualifiedName
	Charset     string // accepted as MySQL's clients send it
	Collation   string
	Properties  Properties
}

// DropDatabase is DROP DATABASE or SCHEMA.
type DropDatabase struct {
	Pos
	IfExists bool
	Name     QualifiedName
	Force    bool
}

func (p *parser) createCatalog(start Pos) Statement {
	s := &CreateCatalog{Pos: start}
	s.IfNotExists = p.ifNotExists()
	s.Name = p.identOrString("catalog name")
	s.Comment = p.comment()
	p.expect("PROPERTIES")
	s.Properties = p.propertyList()
	return s
}

func (p *parser) alterCatalog(start Pos) Statement {
	s := &AlterCatalog{Pos: start, Name: p.identOrString("catalog name")}
	p.expect("SET")
	p.accept("PROPERTIES")
	s.Properties = p.propertyList()
	return s
}

func (p *parser) dropCatalog(start Pos) Statement {
	return &DropCatalog{start, p.ifExists(), p.identOrString("catalog name")}
}

// use reads what follows USE. The string form names a catalog.
func (p *parser) use(start Pos) Statement {
	t := p.tok()
	if t.Kind != String {
		return &Use{start, p.database()}
	}
	p.next()
	word, name, found := strings.Cut(strings.TrimSpace(t.Value()), " ")
	name = strings.Trim(strings.TrimSpace(name), "`")
	if !strings.EqualFold(word, "CATALOG") || !found || name == "" {
		p.failf(Pos(t.Pos), "expected 'CATALOG name' inside the string of USE")
	}
	return &SetCatalog{start, Ident{Pos(t.Pos), name}}
}

func (p *parser) refresh(start Pos) Statement {
	if p.accept("CREDENTIALS") {
		return &RefreshCredentials{start, p.forCatalog()}
	}
	p.expect("EXTERNAL", "TABLE")
	s := &RefreshExternalTable{Pos: start, Table: p.table()}
	if p.accept("PARTITION") {
		p.list(func() { s.Partitions = append(s.Partitions, p.str()) })
	}
	return s
}

// forCatalog reads [FOR CATALOG c].
func (p *parser) forCatalog() *Ident {
	if !p.accept("FOR") {
		return nil
	}
	p.expect("CATALOG")
	c := p.identOrString("catalog name")
	return &c
}

func (p *parser) createDatabase(start Pos) Statement {
	s := &CreateDatabase{Pos: start}
	s.IfNotExists = p.ifNotExists()
	s.Name = p.database()
	s.Charset, s.Collation = p.charset()
	s.Properties = p.properties()
	return s
}

// charset reads [[DEFAULT] {CHARSET|CHARACTER SET} [=] x] [[DEFAULT] COLLATE [=] y].
func (p *parser) charset() (charset, collation string) {
	p.acceptBefore("DEFAULT", "CHARSET", "CHARACTER")
	if p.accept("CHARSET") || p.accept("CHARACTER", "SET") {
		p.accept("=")
		charset = p.identOrString("character set").Name
	}
	p.acceptBefore("DEFAULT", "COLLATE")
	if p.accept("COLLATE") {
		p.accept("=")
		collation = p.identOrString("collation").Name
	}
	return charset, collation
}

// acceptBefore consumes word if one of followers stands after it.
func (p *parser) acceptBefore(word string, followers ...string) {
	for _, f := range followers {
		if p.at(word, f) {
			p.next()
		}
	}
}

func (p *parser) dropDatabase(start Pos) Statement {
	return &DropDatabase{start, p.ifExists(), p.database(), p.accept("FORCE")}
}

func (s *CreateCatalog) String() string {
	return words("CREATE EXTERNAL CATALOG", opt(s.IfNotExists, "IF NOT EXISTS"), s.Name.String(),
		clause("COMMENT", quoted(s.Comment)), "PROPERTIES", s.Properties.String())
}

func (s *AlterCatalog) String() string {
	return words("ALTER CATALOG", s.Name.String(), "SET", s.Properties.String())
}

func (s *DropCatalog) String() string {
	return words("DROP CATALOG", opt(s.IfExists, "IF EXISTS"), s.Name.String())
}

func (s *ShowCatalogs) String() string      { return words("SHOW CATALOGS", s.Filter.String()) }
func (s *ShowCreateCatalog) String() string { return "SHOW CREATE CATALOG " + s.Name.String() }
func (s *SetCatalog) String() string        { return "SET CATALOG " + s.Name.String() }
func (s *Use) String() string               { return "USE " + s.Database.String() }

func (s *RefreshExternalTable) String() string {
	return words("REFRESH EXTERNAL TABLE", s.Table.String(), clause("PARTITION", parens(s.Partitions)))
}

func (s *RefreshCredentials) String() string {
	return words("REFRESH CREDENTIALS", forCatalogText(s.Catalog))
}

func (s *ShowAWSIdentity) String() string {
	return words("SHOW AWS IDENTITY", forCatalogText(s.Catalog))
}

func forCatalogText(c *Ident) string {
	if c == nil {
		return ""
	}
	return "FOR CATALOG " + c.String()
}

func (s *CreateDatabase) String() string {
	return words("CREATE DATABASE", opt(s.IfNotExists, "IF NOT EXISTS"), s.Name.String(),
		charsetText(s.Charset, s.Collation), properties(s.Properties))
}

func charsetText(charset, collation string) string {
	return words(opt(charset != "", "CHARSET = "+charset), opt(collation != "", "COLLATE = "+collation))
}

func (s *DropDatabase) String() string {
	return words("DROP DATABASE", opt(s.IfExists, "IF EXISTS"), s.Name.String(), opt(s.Force, "FORCE"))
}
