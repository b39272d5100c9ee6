package syntax

import "strings"

// CreateRepository is CREATE [READ ONLY] REPOSITORY: a place on S3 for
// snapshots.
type CreateRepository struct {
	Pos
	ReadOnly   bool
	Name       Ident
	Broker     *Ident // the broker's name, of no use since StarRocks 2.5
	Location   StringLit
	Properties Properties
}

// DropRepository is DROP REPOSITORY.
type DropRepository struct {
	Pos
	Name Ident
}

// ShowRepositories is SHOW REPOSITORIES.
type ShowRepositories struct {
	Pos
	Filter
}

// ShowSnapshot is SHOW SNAPSHOT ON a repository.
type ShowSnapshot struct {
	Pos
	Repository Ident
	Filter
}

// Backup is BACKUP SNAPSHOT of a database, or of external catalogs.
type Backup struct {
	Pos
	Database   *Ident
	Catalogs   *BackupCatalogs // nil: of a database
	Snapshot   QualifiedName   // [db.]snapshot
	Repository Ident
	Objects    []BackupObject // nil: no ON clause
	Properties Properties
}

// Restore is RESTORE SNAPSHOT.
type Restore struct {
	Pos
	Snapshot   QualifiedName // [db.]snapshot
	Repository Ident
	Catalogs   *BackupCatalogs // nil: of a database
	Database   *Ident          // the snapshot's
	As         *Ident          // the name that the database gets
	Objects    []BackupObject  // nil: no ON clause
	Properties Properties
}

// BackupCatalogs are the external catalogs of a BACKUP or RESTORE.
type BackupCatalogs struct {
	Pos
	Names []BackupObject // nil: all of them
}

// BackupObject is one object of an ON clause.
type BackupObject struct {
	Pos
	Kind       string // TABLE, VIEW, MATERIALIZED VIEW, FUNCTION; CATALOG of BackupCatalogs
	All        bool   // ALL of the kind; then there is no name
	Name       Ident
	Partitions []Ident
	Alias      *Ident
}

// ShowBackup is SHOW BACKUP, or with Restore SHOW RESTORE.
type ShowBackup struct {
	Pos
	Restore bool
	In      QualifiedName
	Filter
}

// CancelBackup is CANCEL BACKUP, or with Restore CANCEL RESTORE.
type CancelBackup struct {
	Pos
	Restore  bool
	In       QualifiedName
	External bool // FOR EXTERNAL CATALOG
}

func (p *parser) createRepository(start Pos, readOnly bool) Statement {
	s := &CreateRepository{Pos: start, ReadOnly: readOnly, Name: p.ident("repository name")}
	p.expect("WITH", "BROKER")
	if !p.at("ON") {
		broker := p.identOrString("broker name")
		s.Broker = &broker
	}
	p.expect("ON", "LOCATION")
	s.Location = p.str()
	s.Properties = p.properties()
	return s
}

func (p *parser) backup(start Pos) Statement {
	s := &Backup{Pos: start}
	switch at := p.pos(); {
	case p.accept("DATABASE"):
		db := p.ident("database name")
		s.Database = &db
	default:
		s.Catalogs = p.backupCatalogs(at)
	}
	p.expect("SNAPSHOT")
	s.Snapshot = p.label()
	p.expect("TO")
	s.Repository = p.ident("repository name")
	if p.accept("ON") {
		s.Objects = p.backupObjects()
	}
	s.Properties = p.properties()
	return s
}

func (p *parser) restore(start Pos) Statement {
	s := &Restore{Pos: start}
	p.expect("SNAPSHOT")
	s.Snapshot = p.label()
	p.expect("FROM")
	s.Repository = p.ident("repository name")
	s.Catalogs = p.backupCatalogs(p.pos())
	if p.accept("DATABASE") {
		db := p.ident("database name")
		s.Database, s.As = &db, p.newName()
	}
	if p.accept("ON") {
		s.Objects = p.backupObjects()
	}
	s.Properties = p.properties()
	return s
}

// backupCatalogs reads [ALL EXTERNAL CATALOGS | EXTERNAL CATALOG[S] (c [AS d], ..)].
func (p *parser) backupCatalogs(at Pos) *BackupCatalogs {
	switch {
	case p.accept("ALL", "EXTERNAL", "CATALOGS"), p.accept("ALL", "EXTERNAL", "CATALOG"):
		return &BackupCatalogs{Pos: at}
	case !p.accept("EXTERNAL"):
		return nil
	}
	p.expectAny("CATALOGS", "CATALOG")
	s := &BackupCatalogs{Pos: at}
	p.list(func() {
		s.Names = append(s.Names, BackupObject{Pos: p.pos(), Kind: "CATALOG", Name: p.ident("catalog name"), Alias: p.newName()})
	})
	return s
}

// newName reads [AS name].
func (p *parser) newName() *Ident {
	if !p.accept("AS") {
		return nil
	}
	a := p.ident("alias")
	return &a
}

// backupObjects reads (obj, ..). The word for a kind holds for the names that
// follow it.
func (p *parser) backupObjects() []BackupObject {
	var list []BackupObject
	kind := "TABLE"
	p.list(func() {
		o := BackupObject{Pos: p.pos()}
		if o.All = p.at("ALL") && p.peek(1).Kind == Word; o.All {
			p.next()
			if o.Kind = p.backupKind(); o.Kind == "" {
				p.fail()
			}
			kind = o.Kind
			list = append(list, o)
			return
		}
		if p.namesFollow() {
			kind = p.backupKind()
		}
		o.Kind, o.Name = kind, p.ident(strings.ToLower(kind)+" name")
		if kind == "TABLE" && p.acceptAny("PARTITION", "PARTITIONS") != "" {
			o.Partitions = p.idents("partition name")
		}
		o.Alias = p.newName()
		list = append(list, o)
	})
	return list
}

// namesFollow tells whether the word for a kind stands next and not a table of
// that name.
func (p *parser) namesFollow() bool {
	n := 0
	switch {
	case p.at("MATERIALIZED", "VIEW"), p.at("MATERIALIZED", "VIEWS"):
		n = 2
	case p.at("TABLE"), p.at("TABLES"), p.at("VIEW"), p.at("VIEWS"), p.at("FUNCTION"), p.at("FUNCTIONS"):
		n = 1
	}
	next := p.peek(n)
	return n > 0 && (next.Kind == Quoted || next.Kind == Word && !next.Is("AS") && !next.Is("PARTITION"))
}

func (p *parser) backupKind() string {
	switch {
	case p.accept("TABLES"), p.accept("TABLE"):
		return "TABLE"
	case p.accept("VIEWS"), p.accept("VIEW"):
		return "VIEW"
	case p.accept("MATERIALIZED", "VIEWS"), p.accept("MATERIALIZED", "VIEW"):
		return "MATERIALIZED VIEW"
	case p.accept("FUNCTIONS"), p.accept("FUNCTION"):
		return "FUNCTION"
	}
	return ""
}

// cancelBackup reads what follows CANCEL BACKUP or CANCEL RESTORE.
func (p *parser) cancelBackup(start Pos, restore bool) Statement {
	s := &CancelBackup{Pos: start, Restore: restore}
	if s.External = p.accept("FOR", "EXTERNAL", "CATALOG"); !s.External {
		s.In = p.in(1)
	}
	return s
}

func (s *CreateRepository) String() string {
	broker := ""
	if s.Broker != nil {
		broker = s.Broker.String()
	}
	return words("CREATE", opt(s.ReadOnly, "READ ONLY"), "REPOSITORY", s.Name.String(), "WITH BROKER", broker, "ON LOCATION", s.Location.String(), properties(s.Properties))
}

func (s *DropRepository) String() string { return "DROP REPOSITORY " + s.Name.String() }

func (s *ShowRepositories) String() string { return words("SHOW REPOSITORIES", s.Filter.String()) }

func (s *ShowSnapshot) String() string {
	return words("SHOW SNAPSHOT ON", s.Repository.String(), s.Filter.String())
}

func (s *Backup) String() string {
	return words("BACKUP", s.Catalogs.String(), clause("DATABASE", identText(s.Database)), "SNAPSHOT", s.Snapshot.String(), "TO", s.Repository.String(),
		clause("ON", parens(s.Objects)), properties(s.Properties))
}

func (s *Restore) String() string {
	return words("RESTORE SNAPSHOT", s.Snapshot.String(), "FROM", s.Repository.String(), s.Catalogs.String(), clause("DATABASE", identText(s.Database)),
		clause("AS", identText(s.As)), clause("ON", parens(s.Objects)), properties(s.Properties))
}

func identText(i *Ident) string {
	if i == nil {
		return ""
	}
	return i.String()
}

// String prints the catalogs as BACKUP holds them; nil is "".
func (s *BackupCatalogs) String() string {
	switch {
	case s == nil:
		return ""
	case s.Names == nil:
		return "ALL EXTERNAL CATALOGS"
	}
	names := make([]string, len(s.Names))
	for i, n := range s.Names {
		names[i] = words(n.Name.String(), clause("AS", identText(n.Alias)))
	}
	return "EXTERNAL CATALOGS (" + strings.Join(names, ", ") + ")"
}

// String prints the object as an ON clause holds it.
func (o BackupObject) String() string {
	if o.All {
		return "ALL " + o.Kind + "S"
	}
	return words(o.Kind, o.Name.String(), clause("PARTITION", parens(o.Partitions)), clause("AS", identText(o.Alias)))
}

func (s *ShowBackup) String() string {
	return words("SHOW", backupVerb(s.Restore), clause("FROM", s.In.String()), s.Filter.String())
}

func (s *CancelBackup) String() string {
	return words("CANCEL", backupVerb(s.Restore), clause("FROM", s.In.String()), opt(s.External, "FOR EXTERNAL CATALOG"))
}

func backupVerb(restore bool) string {
	if restore {
		return "RESTORE"
	}
	return "BACKUP"
}
