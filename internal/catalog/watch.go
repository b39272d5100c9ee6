package catalog

import (
	"context"
	"crypto/rand"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/iam"
	"lakeport/internal/metastore"
)

// watch is told of every call to AWS before it is made.
type watch struct {
	see  func(awsauth.Access)
	acts func(awsauth.Spec) awsauth.Spec
}

// Watched is a view of the store for one statement: what its catalogs and file
// tables ask of AWS is told to see, as asked by the identity that they name.
// acts says who asks in truth, so that a plan can be made where that identity is
// refused; nil: the identity itself. Of AWS, the view keeps no answers and uses
// none that are kept; it defines no catalogs. see is called many times at once.
func (s *Store) Watched(see func(awsauth.Access), acts func(awsauth.Spec) awsauth.Spec) *Store {
	if acts == nil {
		acts = func(spec awsauth.Spec) awsauth.Spec { return spec }
	}
	open := map[string]*Catalog{}
	view := &Store{box: s.box, resolver: s.resolver, objects: s.objects, db: s.db, watch: &watch{see, acts}, open: open}
	for _, c := range s.All() {
		seen := view.build(c.def, c.spec)
		if c.spec.hms != nil {
			seen.meta = c.meta // none of AWS's; its connections are kept
		}
		open[c.def.Name] = seen
	}
	return view
}

// asks is the identity that asks for a Spec.
func (s *Store) asks(spec awsauth.Spec) awsauth.Spec {
	if s.watch == nil {
		return spec
	}
	return spec.Acting(s.watch.acts(spec))
}

// watchedStorage is a storage whose requests are told. It shares no permissions
// with others, so that each object is asked for.
func (s *Store) watchedStorage(who awsauth.Spec) *Storage {
	see := func(r iam.Request) { s.watch.see(awsauth.Access{Spec: who, Requests: []iam.Request{r}}) }
	acting := s.asks(who)
	return &Storage{who: acting, resolver: s.resolver, see: see, objects: s.objects.Client(s.resolver.Config(acting, "s3"), blob.ClientOptions{
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

// watched tells of the calls to a metastore, if it is Glue: a Hive metastore is
// none of AWS's.
func (s *Store) watched(m Metastore, checked spec) Metastore {
	if checked.glue == nil {
		return m
	}
	return &watchedGlue{Metastore: m, of: checked.glue, see: s.watch.see}
}

// watchedGlue is a Glue catalog whose reads are told, with the resources of
// "Specifying AWS Glue resource ARNs": the object and all that it is in.
type watchedGlue struct {
	Metastore
	of  *glueStore
	see func(awsauth.Access)
}

func (g *watchedGlue) tell(action, owner string, tails ...string) {
	account, nested := owner, ""
	if before, after, ok := strings.Cut(owner, ":"); ok {
		account, nested = before, after
	}
	if strings.Trim(account, "0123456789") != "" { // a path alone
		account, nested = "", owner
	}
	arns := []string{"catalog"}
	for i, c := range nested {
		if c == '/' {
			arns = append(arns, "catalog/"+nested[:i])
		}
	}
	if nested != "" {
		arns = append(arns, "catalog/"+nested)
	}
	for _, t := range tails {
		kind, path, _ := strings.Cut(t, "/")
		if nested != "" {
			path = nested + "/" + path
		}
		arns = append(arns, kind+"/"+path)
	}
	a := awsauth.Access{Spec: g.of.auth}
	for _, tail := range arns {
		a.Requests = append(a.Requests, iam.Request{Action: action, Resource: iam.Resource{
			ARN: "arn:aws:glue:" + g.of.auth.Region + ":" + account + ":" + tail, Account: account}})
	}
	g.see(a)
}

func database(db string) string    { return "database/" + strings.ToLower(db) }
func below(db, name string) string { return "table/" + strings.ToLower(db+"/"+name) }

func (g *watchedGlue) Databases(ctx context.Context) ([]string, error) {
	g.tell("glue:GetDatabases", g.of.CatalogID)
	return g.Metastore.Databases(ctx)
}

func (g *watchedGlue) Database(ctx context.Context, db string) (*metastore.Database, error) {
	g.tell("glue:GetDatabase", g.of.CatalogID, database(db))
	return g.Metastore.Database(ctx, db)
}

func (g *watchedGlue) Tables(ctx context.Context, db string) ([]string, error) {
	g.tell("glue:GetTables", g.of.CatalogID, database(db), below(db, "*"))
	return g.Metastore.Tables(ctx, db)
}

func (g *watchedGlue) Table(ctx context.Context, db, name string) (*metastore.Table, error) {
	g.tell("glue:GetTable", g.of.CatalogID, database(db), below(db, name))
	t, err := g.Metastore.Table(ctx, db, name)
	if err == nil && (!strings.EqualFold(t.Database, db) || !strings.EqualFold(t.Name, name)) { // a resource link's target
		g.tell("glue:GetTable", t.CatalogID, database(t.Database), below(t.Database, t.Name))
	}
	return t, err
}

func (g *watchedGlue) Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error) {
	owner := g.of.CatalogID
	if t.CatalogID != "" {
		owner = t.CatalogID
	}
	g.tell("glue:GetPartitions", owner, database(t.Database), below(t.Database, t.Name))
	return g.Metastore.Partitions(ctx, t, w)
}
