package syntax

import (
	"strings"

	"lakeport/internal/sqlerr"
)

// queryWords begin a statement that only reads.
var queryWords = []string{"SELECT", "WITH", "VALUES", "FROM", "PIVOT", "UNPIVOT", "SUMMARIZE", "("}

// statement reads any statement.
func (p *parser) statement() Statement {
	start := p.pos()
	if p.dialect == Redshift {
		if st := p.redshift(start); st != nil {
			return st
		}
	}
	if p.accept("LOAD", "LABEL") { // LOAD by itself is DuckDB's, and refused
		return p.load(start)
	}
	if u := p.unsupported(); u != nil {
		return u
	}
	switch {
	case p.at("WITH"):
		return p.with()
	case p.atQuery():
		return &Query{p.rest("query")}
	case p.sees("CREATE"):
		return p.create()
	case p.sees("DROP"):
		return p.drop()
	case p.sees("ALTER"):
		return p.alter()
	case p.accept("SHOW"):
		return p.show(start)
	case p.accept("USE"):
		return p.use(start)
	case p.accept("SET"):
		return p.set(start)
	case p.sees("INSERT"):
		return p.insert(Fragment{Pos: start})
	case p.sees("UPDATE"):
		return p.update(Fragment{Pos: start})
	case p.sees("DELETE"):
		return p.delete(Fragment{Pos: start})
	case p.accept("TRUNCATE"):
		return p.truncate(start)
	case p.accept("REFRESH"):
		return p.refresh(start)
	case p.accept("DESC"), p.accept("DESCRIBE"):
		return p.describe(start)
	case p.accept("EXPLAIN"):
		return p.explain(start)
	case p.accept("ANALYZE"):
		return p.analyze(start)
	case p.accept("ADMIN"):
		return p.admin(start)
	case p.accept("PAUSE", "PIPE"):
		return &PausePipe{start, false, p.ident("pipe name")}
	case p.accept("RESUME", "PIPE"):
		return &PausePipe{start, true, p.ident("pipe name")}
	case p.accept("CANCEL", "LOAD"):
		return p.cancelLoad(start)
	case p.accept("BACKUP"):
		return p.backup(start)
	case p.accept("RESTORE"):
		return p.restore(start)
	case p.accept("CANCEL", "BACKUP"):
		return p.cancelBackup(start, false)
	case p.accept("CANCEL", "RESTORE"):
		return p.cancelBackup(start, true)
	}
	if st := p.transaction(start); st != nil {
		return st
	}
	if st := p.command(start); st != nil {
		return st
	}
	p.failAs("a statement")
	return nil
}

// atQuery tells whether a query begins here.
func (p *parser) atQuery() bool {
	for _, w := range queryWords {
		if p.at(w) {
			return true
		}
	}
	p.missed("SELECT")
	return false
}

// with tells apart WITH .. SELECT and the WITH of an UPDATE, DELETE or INSERT.
func (p *parser) with() Statement {
	from := p.i
	ctes := p.rest("query", "SELECT", "UPDATE", "DELETE", "INSERT")
	switch {
	case p.at("UPDATE"):
		return p.update(ctes)
	case p.at("DELETE"):
		return p.delete(ctes)
	case p.at("INSERT"):
		return p.insert(ctes)
	}
	p.i = from
	return &Query{p.rest("query")}
}

func (p *parser) create() Statement {
	start := p.pos()
	p.expect("CREATE")
	switch {
	case p.accept("EXTERNAL", "CATALOG"), p.accept("CATALOG"):
		return p.createCatalog(start)
	case p.accept("DATABASE"), p.accept("SCHEMA"):
		return p.createDatabase(start)
	case p.accept("TEMPORARY", "TABLE"):
		return p.createTable(&CreateTable{Pos: start, Temporary: true})
	case p.accept("EXTERNAL", "TABLE"):
		return p.createTable(&CreateTable{Pos: start, External: true})
	case p.accept("TABLE"):
		return p.createTable(&CreateTable{Pos: start})
	case p.accept("OR", "REPLACE", "VIEW"):
		return p.createView(start, true)
	case p.accept("VIEW"):
		return p.createView(start, false)
	case p.accept("PIPE"):
		return p.createPipe(start)
	case p.accept("READ", "ONLY", "REPOSITORY"):
		return p.createRepository(start, true)
	case p.accept("REPOSITORY"):
		return p.createRepository(start, false)
	}
	p.fail()
	return nil
}

func (p *parser) drop() Statement {
	start := p.pos()
	p.expect("DROP")
	switch {
	case p.accept("EXTERNAL", "CATALOG"), p.accept("CATALOG"):
		return p.dropCatalog(start)
	case p.accept("DATABASE"), p.accept("SCHEMA"):
		return p.dropDatabase(start)
	case p.accept("TEMPORARY", "TABLE"):
		return p.dropTable(start, true)
	case p.accept("TABLE"):
		return p.dropTable(start, false)
	case p.accept("VIEW"):
		return p.dropView(start)
	case p.accept("PIPE"):
		return &DropPipe{start, p.ifExists(), p.ident("pipe name")}
	case p.accept("PREPARE"):
		return &Deallocate{start, p.ident("statement name")}
	case p.accept("REPOSITORY"):
		return &DropRepository{start, p.ident("repository name")}
	}
	p.fail()
	return nil
}

func (p *parser) alter() Statement {
	start := p.pos()
	p.expect("ALTER")
	switch {
	case p.accept("CATALOG"):
		return p.alterCatalog(start)
	case p.accept("TABLE"):
		return p.alterTable(start)
	case p.accept("VIEW"):
		return p.alterView(start)
	case p.accept("LOAD", "FOR"):
		return p.alterLoad(start)
	}
	p.fail()
	return nil
}

// unsupportedPhrases are the beginnings of statements of StarRocks, MySQL,
// Redshift and DuckDB that are known and refused. Where one phrase begins
// another, the longer one stands first.
var unsupportedPhrases = strings.Split(`
CREATE OR REPLACE TABLE|CREATE MATERIALIZED VIEW|CREATE EXTERNAL RESOURCE|CREATE RESOURCE GROUP|CREATE RESOURCE
CREATE USER|CREATE ROLE|CREATE STORAGE VOLUME|CREATE OR REPLACE PIPE
CREATE ROUTINE LOAD|CREATE GLOBAL FUNCTION|CREATE FUNCTION|CREATE AGGREGATE FUNCTION|CREATE TABLE FUNCTION|CREATE WAREHOUSE
CREATE INDEX|CREATE UNIQUE INDEX|CREATE FILE|CREATE ANALYZE|CREATE BASELINE|CREATE GLOBAL BASELINE|CREATE DICTIONARY
CREATE SECURITY INTEGRATION|CREATE GROUP PROVIDER|CREATE PROCEDURE|CREATE TRIGGER|CREATE EVENT|CREATE SERVER|CREATE SECRET
CREATE PERSISTENT SECRET|CREATE OR REPLACE SECRET|CREATE MACRO|CREATE OR REPLACE MACRO|CREATE SEQUENCE|CREATE TYPE|CREATE LIBRARY
CREATE EXTERNAL SCHEMA|CREATE EXTERNAL FUNCTION|CREATE MODEL|CREATE GROUP|CREATE TEMP TABLE
DROP MATERIALIZED VIEW|DROP RESOURCE GROUP|DROP RESOURCE|DROP USER|DROP ROLE|DROP STORAGE VOLUME|DROP WAREHOUSE
DROP GLOBAL FUNCTION|DROP FUNCTION|DROP INDEX|DROP FILE|DROP ANALYZE|DROP STATS|DROP MULTIPLE COLUMNS STATS|DROP HISTOGRAM|DROP TASK
DROP BASELINE|DROP DICTIONARY|DROP SECURITY INTEGRATION|DROP GROUP PROVIDER|DROP PROCEDURE|DROP TRIGGER|DROP EVENT|DROP SERVER
DROP SECRET|DROP MACRO|DROP SEQUENCE|DROP TYPE|DROP LIBRARY|DROP MODEL|DROP GROUP
ALTER USER|ALTER ROLE|ALTER MATERIALIZED VIEW|ALTER DATABASE|ALTER SCHEMA|ALTER SYSTEM|ALTER STORAGE VOLUME|ALTER PIPE
ALTER ROUTINE LOAD|ALTER RESOURCE GROUP|ALTER RESOURCE|ALTER WAREHOUSE|ALTER TASK|ALTER SECURITY INTEGRATION|ALTER FUNCTION
GRANT|REVOKE|SET ROLE|SET DEFAULT ROLE|SET PROPERTY|SET RESOURCE GROUP|EXECUTE AS
LOAD DATA|LOAD|CANCEL EXPORT|CANCEL ALTER TABLE|CANCEL DECOMMISSION|CANCEL REFRESH MATERIALIZED VIEW|CANCEL REFRESH DICTIONARY
EXPORT TABLE|EXPORT|RECOVER|COPY|UNLOAD|CALL|SUBMIT TASK|SUSPEND PIPE|RETRY PIPE|RESYNC PIPE
PAUSE ROUTINE LOAD|RESUME ROUTINE LOAD|STOP ROUTINE LOAD|REFRESH MATERIALIZED VIEW|REFRESH DICTIONARY|KILL ANALYZE
INSTALL PLUGIN|UNINSTALL PLUGIN|INSTALL|UPDATE EXTENSIONS|ATTACH|DETACH|PRAGMA|CHECKPOINT|FORCE CHECKPOINT|VACUUM|IMPORT DATABASE|REINDEX
TRANSLATE|TRACE|ADD SQLBLACKLIST|DELETE SQLBLACKLIST|ADD BACKEND BLACKLIST|DELETE BACKEND BLACKLIST|MERGE INTO|MERGE|REPLACE INTO
HANDLER|DO|HELP|OPTIMIZE|REPAIR|CHECK TABLE|CHECKSUM|FLUSH|RESET|RENAME TABLE|RENAME USER|XA|CHANGE MASTER|PURGE|SHUTDOWN|BINLOG
COMMENT ON|DECLARE|FETCH|CLOSE|LISTEN|NOTIFY|CLUSTER|DISCARD|CREATE DATASHARE|ALTER DATASHARE|ADMIN REPAIR|ADMIN CHECK|ADMIN CANCEL
ADMIN SET REPLICA STATUS|ADMIN SET PARTITION VERSION|ADMIN SET AUTOMATED CLUSTER SNAPSHOT|ADMIN SHOW REPLICA|ADMIN EXECUTE ON|ADMIN ALTER`, "\n")

// phrasesByWord indexes unsupportedPhrases by their first word.
var phrasesByWord = indexPhrases()

func indexPhrases() map[string][][]string {
	index := map[string][][]string{}
	for _, line := range unsupportedPhrases {
		for phrase := range strings.SplitSeq(line, "|") {
			if f := strings.Fields(phrase); len(f) > 0 {
				index[f[0]] = append(index[f[0]], f)
			}
		}
	}
	return index
}

// unsupported reads a statement that is known and refused, nil if this is none.
func (p *parser) unsupported() *Unsupported {
	for _, phrase := range phrasesByWord[strings.ToUpper(p.tok().Text)] {
		if p.at(phrase...) {
			return p.refused(p.pos(), strings.Join(phrase, " "))
		}
	}
	return nil
}

// refused consumes the rest of the statement.
func (p *parser) refused(start Pos, name string) *Unsupported {
	p.i = len(p.toks)
	return &Unsupported{start, name, p.text[start:p.endPos()]}
}

// Refuse is the error that answers the statement; text is what was parsed.
func (s *Unsupported) Refuse(text string) *sqlerr.Error {
	return sqlerr.New(sqlerr.Unsupported, "%s is not supported", s.Name).WithPos(text, int(s.Pos))
}
