package session

import (
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// tableName is a name with all its parts.
type tableName struct {
	catalog, database, table string
	temporary                bool // the session's own table of that name
}

// String joins the parts with dots.
func (n tableName) String() string { return n.catalog + "." + n.database + "." + n.table }

// local is the table's own name in DuckDB. All temporary tables share one
// schema there.
func (n tableName) local() string {
	if n.temporary {
		return n.database + "\x1f" + n.table // which no name holds
	}
	return n.table
}

// internal spells the name for DuckDB, where internal tables live.
func (n tableName) internal() string {
	if n.temporary {
		return "temp.main." + lake.QuoteName(n.local())
	}
	return engine.Catalog + "." + lake.QuoteName(n.database) + "." + lake.QuoteName(n.table)
}

// schema spells the database for DuckDB.
func (n tableName) schema() string { return engine.Catalog + "." + lake.QuoteName(n.database) }

func (n tableName) informationSchema() bool {
	return system(n.database)
}

func (c *session) name(q syntax.QualifiedName) (tableName, error) { return c.parts(q.Names()) }

// spell writes a name as the session's own dialect quotes it.
func (c *session) spell(q syntax.QualifiedName) string {
	if c.pg == nil {
		return q.String()
	}
	parts := make([]string, len(q.Parts))
	for i, p := range q.Parts {
		parts[i] = lake.QuoteName(p.Name)
	}
	return strings.Join(parts, ".")
}

// parts fills in the current catalog and database: table, db.table or
// catalog.db.table.
func (c *session) parts(parts []string) (tableName, error) {
	n := tableName{catalog: c.catalog, database: c.database, table: parts[len(parts)-1]}
	if len(parts) > 1 {
		n.database = parts[len(parts)-2]
	}
	if len(parts) > 2 {
		n.catalog = parts[0]
		if !c.isCatalog(n.catalog) {
			return n, sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", n.catalog).With(sqlerr.BadCatalog)
		}
	}
	if n.database == "" {
		return n, sqlerr.New(sqlerr.NotFound, "No database selected").With(sqlerr.NoDB).
			WithHint("USE a database, or write %s as database.%s", n.table, n.table)
	}
	if n.catalog == catalog.Internal && strings.EqualFold(n.database, catalog.Schema) {
		return n, sqlerr.New(sqlerr.NotFound, "Unknown database '%s'", n.database).With(sqlerr.BadDB)
	}
	return n, nil
}

// databaseName gives catalog and database of [catalog.]db, or the current ones.
func (c *session) databaseName(q syntax.QualifiedName) (cat, db string, err error) {
	parts := q.Names()
	switch len(parts) {
	case 0:
		if c.database == "" {
			return "", "", sqlerr.New(sqlerr.NotFound, "No database selected").With(sqlerr.NoDB)
		}
		return c.catalog, c.database, nil
	case 1:
		cat, db = c.catalog, parts[0]
	default:
		cat, db = parts[0], parts[1]
	}
	if !c.isCatalog(cat) {
		return "", "", sqlerr.New(sqlerr.NotFound, "Unknown catalog '%s'", cat).With(sqlerr.BadCatalog)
	}
	return cat, db, nil
}
