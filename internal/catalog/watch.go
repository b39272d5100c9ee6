package catalog

import (
	"context"
	"crypto/rand"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/iam"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/metastore/icerest"
)

// watch is told of every call to AWS before it is made.
type watch struct {
	see  func(awsauth.Access)
	acts func(awsauth.Spec) awsauth.Spec
}

// Watched is a view of the store for one statement: what its catalogs and file
// tables ask of AWS is told to see, as asked by the identity that they name.
// What would change something, in AWS or elsewhere, is told and not done, and
// succeeds without effect. acts says who asks in truth, so that a plan can be
// made where that identity is refused; nil: the identity itself. Of AWS, the
// view keeps no answers and uses none that are kept; it defines no catalogs and
// no repositories. see is called many times at once.
func (s *Store) Watched(see func(awsauth.Access), acts func(awsauth.Spec) awsauth.Spec) *Store {
	if acts == nil {
		acts = func(spec awsauth.Spec) awsauth.Spec { return spec }
	}
	open := map[string]*Catalog{}
	view := &Store{box: s.box, resolver: s.resolver, objects: s.objects, db: s.db, watch: &watch{see, acts}, open: open, repos: map[string]*Repository{}}
	for _, c := range s.All() {
		seen := view.build(c.def, c.spec)
		if c.spec.hms != nil { // none of AWS's; its connections are kept
			seen.meta = &watchedMetastore{Metastore: c.meta, see: func(awsauth.Access) {}}
		}
		open[c.def.Name] = seen
	}
	for _, r := range s.Repositories() {
		if storage, _, err := view.repositoryStorage(r.RepositoryDefinition, ""); err == nil { // it was checked when it was made
			view.repos[r.Name] = &Repository{RepositoryDefinition: r.RepositoryDefinition, Storage: storage}
		}
	}
	return view
}

// See tells the watcher, if there is one, of calls that a statement would make
// by other means than catalogs and storages.
func (s *Store) See(a awsauth.Access) {
	if s.watch != nil {
		s.watch.see(a)
	}
}

// asks is the identity that asks for a Spec.
func (s *Store) asks(spec awsauth.Spec) awsauth.Spec {
	if s.watch == nil {
		return spec
	}
	return spec.Acting(s.watch.acts(spec))
}

// watchedStorage is a storage whose requests are told.
func (s *Store) watchedStorage(who awsauth.Spec) *Storage {
	return s.watchedAs(s.asks(who), nil, func(r iam.Request) { s.watch.see(awsauth.Access{Spec: who, Requests: []iam.Request{r}}) })
}

// watchedAs is a storage that is asked as who, or with vended credentials if
// there are any. It shares no permissions with others, so that each object is
// asked for.
func (s *Store) watchedAs(who awsauth.Spec, v *icerest.Vended, see func(iam.Request)) *Storage {
	cfg := s.resolver.Config(who, "s3")
	if v != nil {
		cfg.Credentials = v
	}
	return &Storage{who: who, resolver: s.resolver, see: see, objects: s.objects.Client(cfg, blob.ClientOptions{
		Identity: "watched " + rand.Text(), PathStyle: who.PathStyle, Recheck: -1, Asking: see,
	})}
}

// See tells the watcher, if there is one, of a call that a statement would make
// on an object; conditions are the condition keys of its own.
func (s *Storage) See(action, bucket, key string, conditions iam.Context) {
	if s.see != nil {
		s.see(iam.Request{Action: action, Resource: iam.Resource{ARN: "arn:aws:s3:::" + bucket + "/" + key}, Context: conditions})
	}
}

// watchedMetastore is a metastore whose calls are told where it is Glue: a Hive
// metastore is none of AWS's. It is not changed.
type watchedMetastore struct {
	Metastore
	of  *glueStore // nil: not Glue
	see func(awsauth.Access)
}

func (m *watchedMetastore) tell(action, owner string, tails ...string) {
	if m.of == nil {
		return
	}
	arns := glueARNs(m.of.auth.Region, owner, tails...)
	a := awsauth.Access{Spec: m.of.auth}
	for _, arn := range arns {
		a.Requests = append(a.Requests, iam.Request{Action: action, Resource: iam.Resource{ARN: arn, Account: accountOf(arn)}})
	}
	m.see(a)
}

func accountOf(arn string) string { return strings.SplitN(arn, ":", 6)[4] }

// glueARNs names what a call on objects of a catalog is decided on: the catalog,
// those that it is in, and the objects ("Specifying AWS Glue resource ARNs").
// owner is "<account>", "<account>:<path of a nested catalog>", the path alone,
// or empty.
func glueARNs(region, owner string, tails ...string) []string {
	account, nested := owner, ""
	if before, after, ok := strings.Cut(owner, ":"); ok {
		account, nested = before, strings.ReplaceAll(after, ":", "/")
	}
	if strings.Trim(account, "0123456789") != "" { // a path alone
		account, nested = "", strings.ReplaceAll(owner, ":", "/")
	}
	list := []string{"catalog"}
	for i, c := range nested {
		if c == '/' {
			list = append(list, "catalog/"+nested[:i])
		}
	}
	if nested != "" {
		list = append(list, "catalog/"+nested)
	}
	for _, t := range tails {
		kind, path, _ := strings.Cut(t, "/")
		if nested != "" {
			path = nested + "/" + path
		}
		list = append(list, kind+"/"+path)
	}
	for i := range list {
		list[i] = "arn:aws:glue:" + region + ":" + account + ":" + list[i]
	}
	return list
}

func database(db string) string    { return "database/" + strings.ToLower(db) }
func below(db, name string) string { return "table/" + strings.ToLower(db+"/"+name) }
func functions(db string) string   { return "userDefinedFunction/" + strings.ToLower(db) + "/*" }

func (m *watchedMetastore) owner() string {
	if m.of == nil {
		return ""
	}
	return m.of.CatalogID
}

// Databases implements Metastore.
func (m *watchedMetastore) Databases(ctx context.Context) ([]string, error) {
	m.tell("glue:GetDatabases", m.owner())
	return m.Metastore.Databases(ctx)
}

// Database implements Metastore.
func (m *watchedMetastore) Database(ctx context.Context, db string) (*metastore.Database, error) {
	m.tell("glue:GetDatabase", m.owner(), database(db))
	return m.Metastore.Database(ctx, db)
}

// Tables implements Metastore.
func (m *watchedMetastore) Tables(ctx context.Context, db string) ([]string, error) {
	m.tell("glue:GetTables", m.owner(), database(db), below(db, "*"))
	return m.Metastore.Tables(ctx, db)
}

// Table implements Metastore.
func (m *watchedMetastore) Table(ctx context.Context, db, name string) (*metastore.Table, error) {
	m.tell("glue:GetTable", m.owner(), database(db), below(db, name))
	t, err := m.Metastore.Table(ctx, db, name)
	if err == nil && (!strings.EqualFold(t.Database, db) || !strings.EqualFold(t.Name, name)) { // a resource link's target
		m.tell("glue:GetTable", t.CatalogID, database(t.Database), below(t.Database, t.Name))
	}
	return t, err
}

// Partitions implements Metastore.
func (m *watchedMetastore) Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error) {
	m.tell("glue:GetPartitions", m.ownerOf(t), database(t.Database), below(t.Database, t.Name))
	return m.Metastore.Partitions(ctx, t, w)
}

func (m *watchedMetastore) ownerOf(t *metastore.Table) string {
	if t.CatalogID != "" {
		return t.CatalogID
	}
	return m.owner()
}

// CreateDatabase implements writer.
func (m *watchedMetastore) CreateDatabase(_ context.Context, d *metastore.Database) error {
	m.tell("glue:CreateDatabase", m.owner(), database(d.Name))
	return nil
}

// DropDatabase implements writer.
func (m *watchedMetastore) DropDatabase(_ context.Context, db string) error {
	m.tell("glue:GetTables", m.owner(), database(db), below(db, "*")) // only an empty one is dropped
	m.tell("glue:DeleteDatabase", m.owner(), database(db), below(db, "*"), functions(db))
	return nil
}

// CreateTable implements writer.
func (m *watchedMetastore) CreateTable(_ context.Context, t *metastore.Table) (lake.Outcome, error) {
	m.tell("glue:CreateTable", m.owner(), database(t.Database), below(t.Database, t.Name))
	return lake.Committed, nil
}

// ReplaceTable implements writer.
func (m *watchedMetastore) ReplaceTable(_ context.Context, t *metastore.Table, _ map[string]string) (lake.Outcome, error) {
	m.tell("glue:UpdateTable", m.ownerOf(t), database(t.Database), below(t.Database, t.Name))
	return lake.Committed, nil
}

// DropTable implements writer.
func (m *watchedMetastore) DropTable(_ context.Context, db, name string) error {
	m.tell("glue:DeleteTable", m.owner(), database(db), below(db, name))
	return nil
}
