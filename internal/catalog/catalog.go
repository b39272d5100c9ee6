package catalog

import (
	"context"
	"strings"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/format/iceberg"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/metastore/glue"
	"lakeport/internal/metastore/hms"
	"lakeport/internal/metastore/icerest"
	"lakeport/internal/sqlerr"
)

// Metastore is what a catalog asks of the service that keeps its records.
type Metastore interface {
	Databases(ctx context.Context) ([]string, error)
	Database(ctx context.Context, db string) (*metastore.Database, error)
	Tables(ctx context.Context, db string) ([]string, error)
	Table(ctx context.Context, db, name string) (*metastore.Table, error)
	Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error)
}

// Catalog is an open external catalog. Unless its definition says so it keeps
// no answers: each statement asks the metastore as the catalog's identity, so
// that a permission taken away is felt at once.
type Catalog struct {
	*Storage
	def   Definition
	spec  spec
	meta  Metastore
	rest  *icerest.Client // meta, if it is a REST catalog
	store *Store
}

// build opens a checked definition. It contacts nobody.
func (s *Store) build(d Definition, checked spec) *Catalog {
	c := &Catalog{Storage: s.storage(checked.s3), def: d, spec: checked, store: s}
	if checked.rest != nil {
		c.rest = s.openREST(*checked.rest)
		c.meta = c.rest
	} else {
		c.meta = s.metastore(checked)
	}
	return c
}

func (s *Store) metastore(checked spec) (m Metastore) {
	if checked.hms != nil {
		m = hms.New(*checked.hms)
	} else {
		m = glue.New(s.resolver.Config(s.asks(checked.glue.auth), "glue"), checked.glue.Options)
	}
	if s.watch != nil {
		return &watchedMetastore{Metastore: m, of: checked.glue, see: s.watch.see}
	}
	if checked.cache.age > 0 {
		m = newCached(m, checked.cache, time.Now)
	}
	return m
}

// Definition is what the catalog was made from, secrets in clear: print its
// Statement, never its values.
func (c *Catalog) Definition() Definition { return c.def }

// Forget ends the catalog's sessions: the next request assumes its roles anew,
// and asks the metastore.
func (c *Catalog) Forget() {
	c.resolver.Forget(c.spec.s3)
	if c.spec.glue != nil {
		c.resolver.Forget(c.spec.glue.auth)
	}
	if c.spec.rest != nil {
		c.resolver.Forget(c.spec.rest.auth)
	}
	c.Refresh("", "")
}

// Refresh drops what is kept of a table's metadata; with an empty name, of all
// tables.
func (c *Catalog) Refresh(db, name string) {
	if kept, ok := c.meta.(*cached); ok {
		kept.forget(db, name)
	}
}

// Databases lists the databases, in order.
func (c *Catalog) Databases(ctx context.Context) ([]string, error) {
	names, err := c.meta.Databases(ctx)
	return names, c.explainGlue(ctx, err, "glue:GetDatabases")
}

// Database gives one database's record; NotFound if there is none.
func (c *Catalog) Database(ctx context.Context, db string) (*metastore.Database, error) {
	d, err := c.meta.Database(ctx, db)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return nil, sqlerr.New(sqlerr.NotFound, "Unknown database '%s'", c.def.Name+"."+db).With(sqlerr.BadDB)
	}
	return d, c.explainGlue(ctx, err, "glue:GetDatabase")
}

// Tables lists a database's tables, in order, also those that lakeport cannot
// read.
func (c *Catalog) Tables(ctx context.Context, db string) ([]string, error) {
	names, err := c.meta.Tables(ctx, db)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return nil, sqlerr.New(sqlerr.NotFound, "Unknown database '%s'", c.def.Name+"."+db).With(sqlerr.BadDB)
	}
	return names, c.explainGlue(ctx, err, "glue:GetTables")
}

// Table is a table of an external catalog. Storage holds its objects.
type Table struct {
	lake.Table
	Record  *metastore.Table
	Catalog *Catalog
	Storage *Storage
}

// Table opens one table as it is now. Its Plan's errors are explained as the
// catalog's are.
func (c *Catalog) Table(ctx context.Context, db, name string) (*Table, error) {
	return c.TableAt(ctx, db, name, lake.At{})
}

// TableAt opens a state of a table; formats that keep none but the present are
// Unsupported. In Iceberg catalogs table$files and the like are what a table's
// metadata says.
func (c *Catalog) TableAt(ctx context.Context, db, name string, at lake.At) (*Table, error) {
	of, inspection, ok := iceberg.SplitInspection(name)
	if !ok || c.spec.kind != "iceberg" {
		return c.tableAt(ctx, db, name, at)
	}
	t, err := c.tableAt(ctx, db, of, at)
	if err != nil {
		return nil, err
	}
	inspected, err := t.Table.(*iceberg.Table).Inspect(inspection)
	if err != nil {
		return nil, err
	}
	return &Table{Table: inspected, Record: t.Record, Catalog: c, Storage: t.Storage}, nil
}

func (c *Catalog) tableAt(ctx context.Context, db, name string, at lake.At) (*Table, error) {
	if c.rest != nil {
		return c.restTable(ctx, db, name, at)
	}
	record, err := c.meta.Table(ctx, db, name)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return nil, sqlerr.New(sqlerr.NotFound, "Unknown table '%s'", strings.Join([]string{c.def.Name, db, name}, ".")).With(sqlerr.BadTable)
	}
	if err != nil {
		return nil, c.explainGlue(ctx, err, "glue:GetTable")
	}
	t, err := c.open(ctx, record, at)
	if err != nil {
		return nil, err
	}
	return &Table{Table: t, Record: record, Catalog: c, Storage: c.Storage}, nil
}

// Partitions lists all partitions of a table.
func (c *Catalog) Partitions(ctx context.Context, t *Table) ([]metastore.Partition, error) {
	parts, err := c.meta.Partitions(ctx, t.Record, metastore.Wanted{})
	return parts, c.explainGlue(ctx, err, "glue:GetPartitions")
}

// explainGlue says why Glue refused a call. A Hive metastore's errors, which
// AWS has no part in, come back as they are.
func (c *Catalog) explainGlue(ctx context.Context, err error, action string) error {
	if c.spec.rest != nil {
		return c.explainREST(ctx, err, strings.TrimPrefix(action, "glue:"))
	}
	if c.spec.glue == nil {
		return err
	}
	return c.resolver.Explain(ctx, err, awsauth.Ask{Spec: c.spec.glue.auth, Service: "glue", Action: action})
}

// Identity is one line of SHOW AWS IDENTITY. ARN is the one to write into a
// trust policy, Session the one that AWS logs.
type Identity struct {
	Catalog, Service, Chain, ARN, Session string
	Err                                   error // why AWS did not say who this is
}

// Identities asks AWS as whom the catalog calls each service.
func (c *Catalog) Identities(ctx context.Context) []Identity {
	list := []Identity{identity(ctx, c.resolver, c.def.Name, "s3", c.spec.s3)}
	if c.spec.glue != nil {
		list = append(list, identity(ctx, c.resolver, c.def.Name, "glue", c.spec.glue.auth))
	}
	if c.spec.rest != nil && c.spec.rest.signed {
		list = append(list, identity(ctx, c.resolver, c.def.Name, c.spec.rest.name, c.spec.rest.auth))
	}
	return list
}

func identity(ctx context.Context, r *awsauth.Resolver, catalog, service string, s awsauth.Spec) Identity {
	arn, err := r.Caller(ctx, s, len(s.Chain))
	return Identity{Catalog: catalog, Service: service, Chain: s.String(), ARN: principal(arn, s), Session: arn,
		Err: r.Explain(ctx, err, awsauth.Ask{Spec: s, Service: "sts", Action: "sts:GetCallerIdentity"})}
}

// principal is the role whose session arn is, or the user itself. STS does not
// tell a role's path: only a role of the chain is known with it.
func principal(arn string, s awsauth.Spec) string {
	if n := len(s.Chain); n > 0 {
		return s.Chain[n-1].RoleARN
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || !strings.HasPrefix(parts[5], "assumed-role/") {
		return arn
	}
	role, _, _ := strings.Cut(strings.TrimPrefix(parts[5], "assumed-role/"), "/")
	return "arn:" + parts[1] + ":iam::" + parts[4] + ":role/" + role
}
