package catalog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/format/iceberg"
	"lakeport/internal/lake"
	"lakeport/internal/metastore/icerest"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// restStore is how a definition reaches an Iceberg REST catalog.
type restStore struct {
	icerest.Options
	signed  bool         // with Signature V4
	auth    awsauth.Spec // who signs
	name    string       // signing name
	storage bool         // aws.s3.* says who reads what nothing is vended for
}

// openREST makes the client. An endpoint of AWS's own is called where the
// process calls that service.
func (s *Store) openREST(r restStore) *icerest.Client {
	o := r.Options
	if s.watch != nil {
		o.Asking = s.watchREST(&r)
	}
	if r.signed {
		cfg := s.resolver.Config(s.asks(r.auth), r.name)
		o.Signer = &icerest.Signer{Credentials: cfg.Credentials, Name: r.name, Region: r.auth.Region}
		if u, err := url.Parse(o.URI); err == nil {
			if at := s.resolver.Endpoint(r.name, awsauth.Spec{Endpoint: u.Scheme + "://" + u.Host}); at != "" {
				o.URI = at + u.Path
			}
		}
	}
	return icerest.New(o)
}

// rest is an iceberg.Store over a table of a REST catalog.
type rest struct {
	c        *Catalog
	db, name string
}

// Load reads the table.
func (r *rest) Load(ctx context.Context) (*iceberg.Metadata, error) {
	t, err := r.c.rest.Load(ctx, r.db, r.name)
	if err != nil {
		return nil, r.c.explainREST(ctx, err, "GetTable")
	}
	return r.parse(t)
}

func (r *rest) parse(t *icerest.Loaded) (*iceberg.Metadata, error) {
	m, err := iceberg.Parse(t.Metadata)
	if e, ok := errors.AsType[*sqlerr.Error](err); ok {
		told := *e
		told.Msg = "table " + r.db + "." + r.name + ": " + e.Msg
		return nil, &told
	}
	return m, err
}

// Commit sends the change with what must hold for it.
func (r *rest) Commit(ctx context.Context, base *iceberg.Metadata, change iceberg.Change) (lake.Outcome, error) {
	outcome, err := r.c.rest.Commit(ctx, r.db, r.name, change.Requirements(base), change.Updates())
	return outcome, r.c.explainREST(ctx, err, "UpdateTable")
}

// restTable opens a state of a table of the REST catalog.
func (c *Catalog) restTable(ctx context.Context, db, name string, at lake.At) (*Table, error) {
	loaded, err := c.rest.Load(ctx, db, name)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return nil, sqlerr.New(sqlerr.NotFound, "Unknown table '%s'", strings.Join([]string{c.def.Name, db, name}, ".")).With(sqlerr.BadTable)
	}
	if err != nil {
		return nil, c.explainREST(ctx, err, "GetTable")
	}
	return c.ofLoaded(db, name, loaded, at)
}

func (c *Catalog) ofLoaded(db, name string, loaded *icerest.Loaded, at lake.At) (*Table, error) {
	store := &rest{c: c, db: db, name: name}
	m, err := store.parse(loaded)
	if err != nil {
		return nil, err
	}
	storage := c.vended(db, name, m, loaded)
	t, err := iceberg.NewTable(m, at, storage.icebergOptions(db+"."+name, store))
	if err != nil {
		return nil, err
	}
	return &Table{Table: t, Record: loaded.Record(db, name), Catalog: c, Storage: storage}, nil
}

// vended gives the storage of a table: as whom the catalog hands out
// credentials for, else the catalog's own identity. Bytes that are kept of it
// are this table's and this catalog's alone.
func (c *Catalog) vended(db, name string, m *iceberg.Metadata, loaded *icerest.Loaded) *Storage {
	var v *icerest.Vended
	if c.spec.rest.Vended {
		v = c.rest.Vended(db, name, m.Location, loaded)
	}
	if c.store.watch != nil {
		return c.watchedTable(db, name, loaded, v)
	}
	if v == nil {
		return c.Storage
	}
	who := c.lent(v)
	cfg := c.resolver.Config(who, "s3")
	cfg.Credentials = v
	return &Storage{who: who, resolver: c.resolver, objects: c.store.objects.Client(cfg, blob.ClientOptions{
		Identity: "vended by " + c.def.Name + " " + c.spec.rest.auth.Key() + " for " + m.UUID, PathStyle: who.PathStyle, Recheck: who.Recheck,
	})}
}

// lent is how S3 is asked with vended credentials, as they are now.
func (c *Catalog) lent(v *icerest.Vended) awsauth.Spec {
	keys := v.Keys()
	who := c.spec.s3
	who.Source, who.Chain = awsauth.Static, nil
	who.Static = awsauth.Keys{AccessKeyID: keys.AccessKeyID, Secret: keys.Secret, Token: keys.Token}
	if keys.Region != "" {
		who.Region = keys.Region
	}
	if keys.Endpoint != "" {
		who.Endpoint = keys.Endpoint
	}
	who.PathStyle = who.PathStyle || keys.PathStyle
	return who
}

// createREST makes a table without rows in the REST catalog, which chooses its
// place unless the statement does.
func (c *Catalog) createREST(ctx context.Context, db, name string, d iceberg.Definition) (*Table, error) {
	n, err := d.Plan()
	if err != nil {
		return nil, err
	}
	n.Properties["format-version"] = fmt.Sprint(n.Version)
	spec := n.Spec
	if spec.Fields == nil {
		spec.Fields = []iceberg.PartField{}
	}
	loaded, err := c.rest.CreateTable(ctx, db, icerest.Definition{Name: name, Location: n.Location, Schema: n.Schema, Spec: spec, Properties: n.Properties})
	if err != nil {
		return nil, c.explainREST(ctx, err, "CreateTable")
	}
	if c.store.watch != nil { // the table is not made: it stands where a star does
		if n.Location == "" {
			n.Location = "s3://*/" + name
		}
		m, err := n.Metadata(time.Now())
		if err != nil {
			return nil, err
		}
		if loaded.Metadata, err = m.JSON(); err != nil {
			return nil, err
		}
	}
	return c.ofLoaded(db, name, loaded, lake.At{})
}

// dropREST removes a table. S3 Tables knows no drop but a purging one.
func (c *Catalog) dropREST(ctx context.Context, db, name string, purge bool) error {
	purge = purge || c.spec.rest.name == "s3tables" || strings.Contains(c.spec.rest.Warehouse, "s3tablescatalog")
	return c.explainREST(ctx, c.rest.DropTable(ctx, db, name, purge), "DeleteTable")
}

// explainREST says why the catalog refused a call, where AWS is the catalog.
func (c *Catalog) explainREST(ctx context.Context, err error, action string) error {
	if c.spec.rest == nil || !c.spec.rest.signed {
		if e, ok := errors.AsType[*icerest.Error](err); ok && !sqlerr.Is(err, sqlerr.NotFound) {
			return restRefusal(e, err)
		}
		return err
	}
	service := c.spec.rest.name
	return c.resolver.Explain(ctx, err, awsauth.Ask{Spec: c.spec.rest.auth, Service: service, Action: service + ":" + action})
}

// restRefusal words the answer of a catalog that is not AWS's.
func restRefusal(e *icerest.Error, err error) error {
	if _, worded := errors.AsType[*sqlerr.Error](err); worded {
		return err
	}
	kind := sqlerr.Invalid
	switch {
	case e.Status == 401 || e.Status == 403 || e.Status == 419:
		kind = sqlerr.Denied
	case e.Status/100 == 5 || e.Status == 429:
		kind = sqlerr.Unreachable
	}
	return &sqlerr.Error{Kind: kind, Msg: e.Error(), Err: err}
}

// Keys of Iceberg REST catalogs beside aws.s3.* and aws.glue.*, without the
// prefix "iceberg.catalog."; the value tells whether they change anything here.
var restKeys = map[string]bool{
	"uri": true, "warehouse": true, "security": true, "oauth2.token": true, "oauth2.credential": true, "oauth2.scope": true,
	"oauth2.server-uri": true, "oauth2.audience": true, "oauth2.token-refresh-enabled": false,
	"credential": true, "token": true, "oauth2-server-uri": true, "scope": true, "vended-credentials-enabled": true,
	"rest.nested-namespace-enabled": true, "rest.view-endpoints-enabled": false, "view-endpoints-supported": false,
	"rest.sigv4-enabled": true, "rest.signing-name": true, "rest.signing-region": true,
	"rest.access-key-id": true, "rest.secret-access-key": true, "rest.session-token": true,
}

// rest reads the definition of a REST catalog.
func (c *checker) rest(s *spec) {
	keys := map[string]bool{}
	for k, used := range icebergKeys {
		if !strings.HasPrefix(k, "hive.") && !strings.Contains(k, "glue") && !strings.HasPrefix(k, "iceberg.catalog.hive.") {
			keys[k] = used
		}
	}
	for k, used := range restKeys {
		keys["iceberg.catalog."+k] = used
	}
	headers := map[string]string{}
	for key, p := range c.at {
		if name, ok := strings.CutPrefix(strings.TrimPrefix(key, "iceberg.catalog."), "header."); ok && name != "" {
			headers[name], keys[key] = p.Value, true
		}
	}
	c.known(s, keys)
	s.s3 = c.identity("aws.s3", s)
	get := func(names ...string) string {
		for _, n := range names {
			if v := c.props["iceberg.catalog."+n]; v != "" {
				return v
			}
		}
		return ""
	}
	r := &restStore{Options: icerest.Options{
		URI: get("uri"), Warehouse: get("warehouse"), Headers: headers, Scope: get("oauth2.scope", "scope"), Audience: get("oauth2.audience"),
		TokenURI: get("oauth2.server-uri", "oauth2-server-uri"), Token: secret.New(get("oauth2.token", "token")), Credential: secret.New(get("oauth2.credential", "credential")),
		Vended: !strings.EqualFold(get("vended-credentials-enabled"), "false"), Nested: c.isTrue("iceberg.catalog.rest.nested-namespace-enabled"),
	}}
	s.rest = r
	if u, err := url.Parse(r.URI); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		pos := c.at["iceberg.catalog.type"].KeyPos
		if p, given := c.at["iceberg.catalog.uri"]; given {
			pos = p.ValuePos
		}
		c.fault(pos, `a REST catalog needs "iceberg.catalog.uri" = "https://host/path", found %q`, r.URI)
	}
	c.security(r, get)
	if r.signed = c.isTrue("iceberg.catalog.rest.sigv4-enabled"); r.signed {
		c.restSigner(s, r)
	}
}

// security checks how a token is to be had.
func (c *checker) security(r *restStore, get func(...string) string) {
	pos := c.at["iceberg.catalog.security"].ValuePos
	switch mode := strings.ToUpper(get("security")); mode {
	case "", "NONE":
	case "OAUTH2":
		if r.Token.Empty() && r.Credential.Empty() {
			c.fault(pos, `"iceberg.catalog.security" = "OAUTH2" needs "iceberg.catalog.oauth2.token" or "iceberg.catalog.oauth2.credential"`)
		}
	case "JWT":
		c.fault(pos, `"iceberg.catalog.security" = "JWT" is not built: give a token or a credential with "OAUTH2"`)
	default:
		c.fault(pos, "Invalid security: %s", get("security"))
	}
	if !r.Token.Empty() && r.Scope != "" {
		c.fault(c.at["iceberg.catalog.oauth2.scope"].KeyPos, `a scope goes with "iceberg.catalog.oauth2.credential", not with a token`)
	}
}

// restSigner reads who signs: the catalog's own keys, else the identity of
// aws.glue.*, else that of aws.s3.*, else the default chain.
func (c *checker) restSigner(s *spec, r *restStore) {
	const prefix = "iceberg.catalog.rest."
	r.name = c.props[prefix+"signing-name"]
	if r.name == "" {
		r.name = "execute-api"
	}
	own := map[string]string{"access-key-id": "access_key", "secret-access-key": "secret_key", "session-token": "session_token"}
	props := map[string]string{}
	for theirs, ours := range own {
		if v, given := c.props[prefix+theirs]; given {
			props["aws.s3."+ours] = v
		}
	}
	given := func(prefix string) bool {
		for key := range c.at {
			if strings.HasPrefix(key, prefix) && key != prefix+"region" {
				return true
			}
		}
		return false
	}
	switch {
	case len(props) > 0:
		who, faults, _ := awsauth.FromProperties("aws.s3", props)
		for _, f := range faults {
			key := f.Key
			for theirs, ours := range own {
				f.Msg = strings.ReplaceAll(f.Msg, "aws.s3."+ours, prefix+theirs)
				if f.Key == "aws.s3."+ours {
					key = prefix + theirs
				}
			}
			pos := c.at[key].KeyPos
			if f.Value {
				pos = c.at[key].ValuePos
			}
			c.fault(pos, "property %q %s", key, f.Msg)
		}
		r.auth = who
	case given("aws.glue."):
		r.auth = c.identity("aws.glue", s)
	default:
		r.auth = s.s3
	}
	r.auth.Endpoint, r.auth.PathStyle, r.auth.Recheck = "", false, 0
	r.auth.Region = c.signingRegion(r.URI)
}

// signingRegion is the region that is given, else that of aws.s3, else the one
// in the endpoint's name.
func (c *checker) signingRegion(uri string) string {
	for _, key := range []string{"iceberg.catalog.rest.signing-region", "aws.s3.region", "aws.glue.region"} {
		if v := c.props[key]; v != "" {
			return v
		}
	}
	if u, err := url.Parse(uri); err == nil {
		if parts := strings.Split(u.Hostname(), "."); len(parts) > 3 && parts[2] == "amazonaws" {
			return parts[1]
		}
	}
	return "us-east-1"
}
