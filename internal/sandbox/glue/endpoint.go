package glue

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iceberg"
	"lakeport/internal/sandbox/lakeformation"
	"lakeport/internal/sandbox/s3tables"
)

// The Iceberg REST endpoint of Glue, over the catalogs of table buckets
// ("Connecting to the Data Catalog using AWS Glue Iceberg REST endpoint" and
// "AWS Glue REST APIs for Apache Iceberg specification", AWS Glue Developer
// Guide).

const icebergPath = "/iceberg/"

// isIceberg tells a call of the endpoint from one of the JSON API.
func isIceberg(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, icebergPath) }

// icebergOperation is what one operation needs: Glue's action, and Lake
// Formation's permission on the object.
type icebergOperation struct {
	action     string
	permission string // empty: what may be seen is shown
	on         func(*restCall) (database, table string)
}

func onNothing(*restCall) (string, string)   { return "", "" }
func onSpace(r *restCall) (string, string)   { return r.ns, "" }
func onIceberg(r *restCall) (string, string) { return r.ns, r.route.Table }

// icebergOperations: "Permissions for AWS Glue Iceberg REST APIs". What is not
// here the endpoint does not have: renaming, staging, several tables at once.
var icebergOperations = map[iceberg.Operation]icebergOperation{
	iceberg.GetConfig:       {"GetCatalog", "", onNothing},
	iceberg.ListNamespaces:  {"GetDatabase", "", onNothing},
	iceberg.CreateNamespace: {"CreateDatabase", lakeformation.CreateDatabase, onNothing},
	iceberg.LoadNamespace:   {"GetDatabase", lakeformation.Describe, onSpace},
	iceberg.NamespaceExists: {"GetDatabase", lakeformation.Describe, onSpace},
	iceberg.DropNamespace:   {"DeleteDatabase", lakeformation.Drop, onSpace},
	iceberg.ListTables:      {"GetTables", lakeformation.Describe, onSpace},
	iceberg.CreateTable:     {"CreateTable", lakeformation.CreateTable, onSpace},
	iceberg.LoadTable:       {"GetTable", lakeformation.Describe, onIceberg},
	iceberg.LoadCredentials: {"GetTable", lakeformation.Describe, onIceberg},
	iceberg.TableExists:     {"GetTable", lakeformation.Describe, onIceberg},
	iceberg.CommitTable:     {"UpdateTable", lakeformation.Alter, onIceberg},
	iceberg.DropTable:       {"DeleteTable", lakeformation.Drop, onIceberg},
}

// restCall is one call of the endpoint taken apart.
type restCall struct {
	route *iceberg.Route
	op    icebergOperation
	at    *scope
	ns    string
	made  string // the namespace or table that the call makes
}

// parseREST reads path and body as far as the decision needs them.
func parseREST(c *sandbox.Call) (*restCall, error) {
	route, err := iceberg.ParseRoute(c.Request, 2)
	if err != nil {
		return nil, err
	}
	r := &restCall{route: route, at: &scope{region: c.Region, account: c.Caller.Principal.Account}}
	var ok bool
	if r.op, ok = icebergOperations[route.Operation]; !ok {
		return nil, iceberg.Refuse(http.StatusNotImplemented, "UnsupportedOperationException", "The endpoint does not have %s.", route.Operation)
	}
	c.Action = "glue:" + r.op.action
	id, inPath := strings.CutPrefix(route.Prefix, "catalogs/")
	if route.Operation == iceberg.GetConfig {
		id, inPath = c.Request.URL.Query().Get("warehouse"), true
	}
	if !inPath {
		return nil, iceberg.Refuse(http.StatusNotFound, "NoSuchEndpointException", "The prefix of a path is catalogs/<catalog>, found %s.", route.Prefix)
	}
	r.at.catalog(id)
	if len(route.Namespace) > 0 {
		r.ns = fold(strings.Join(route.Namespace, "."))
	}
	switch route.Operation {
	case iceberg.CreateNamespace:
		var in struct {
			Namespace []string `json:"namespace"`
		}
		if err := iceberg.Decode(c.Body, &in); err != nil {
			return nil, err
		}
		r.made = strings.Join(in.Namespace, ".")
	case iceberg.CreateTable:
		var in struct {
			Name string `json:"name"`
		}
		if err := iceberg.Decode(c.Body, &in); err != nil {
			return nil, err
		}
		r.made = in.Name
	}
	return r, nil
}

var leadingAccount = regexp.MustCompile(`^([0-9]{12})(?::|$)`)

// catalog reads a catalog's id: "<account>", ":", "<path>" or
// "<account>:<path>", where the path's slashes may be colons.
func (s *scope) catalog(id string) {
	if m := leadingAccount.FindStringSubmatch(id); m != nil {
		s.account, id = m[1], strings.TrimPrefix(id, m[0])
	}
	s.nested = strings.ReplaceAll(strings.Trim(id, ":"), ":", "/")
}

// needs are the action on the object and all it lies in.
func (r *restCall) needs() []sandbox.Need {
	tails := onCatalog(r.at)
	ns, table := r.ns, r.route.Table
	switch r.route.Operation {
	case iceberg.CreateNamespace:
		ns = r.made
	case iceberg.CreateTable:
		table = r.made
	case iceberg.ListTables:
		table = "*"
	}
	if ns != "" {
		tails = append(tails, r.at.inCatalog("database", ns))
	}
	if table != "" {
		tails = append(tails, r.at.inCatalog("table", ns, table))
	}
	if r.route.Operation == iceberg.DropNamespace {
		tails = append(tails, r.at.inCatalog("table", ns, "*"), r.at.inCatalog("userDefinedFunction", ns, "*"))
	}
	needs := make([]sandbox.Need, len(tails))
	for i, tail := range tails {
		needs[i] = sandbox.Need{Action: "glue:" + r.op.action, Resource: iam.Resource{ARN: r.at.arn(tail), Account: r.at.account}}
	}
	return needs
}

// serveREST carries out a call that IAM has allowed: Lake Formation decides,
// S3 Tables does.
func (s *Service) serveREST(w http.ResponseWriter, c *sandbox.Call) error {
	r := c.Prepared.(*restCall)
	if r.at.nested == "" {
		return iceberg.Refuse(http.StatusNotImplemented, "UnsupportedOperationException",
			"The sandbox's Iceberg endpoint has the catalogs of table buckets: name %s:%s/<table bucket> as warehouse.", r.at.account, federatedName)
	}
	n, err := s.nested(r.at, c)
	if err == nil && n.bucket == nil {
		err = notFound("Catalog %s not found.", r.at.nested)
	}
	if err != nil {
		if api, ok := err.(*sandbox.APIError); ok {
			return iceberg.Refuse(http.StatusNotFound, "NotFoundException", "%s", api.Message)
		}
		return err
	}
	if r.route.Operation == iceberg.GetConfig {
		return iceberg.Answer(w, c.RequestID, r.config())
	}
	if err := n.lakePermits(r); err != nil {
		return s3tables.Translate(err, r.route)
	}
	if len(r.route.Namespace) == 1 {
		r.route.Namespace[0] = r.ns
	}
	return s.tables.ServeIceberg(w, c, r.route, n.bucket, n.over())
}

// lakePermits asks Lake Formation.
func (n *nestedCall) lakePermits(r *restCall) error {
	if r.op.permission == "" {
		return nil
	}
	database, table := r.op.on(r)
	if database != "" { // what is not there cannot be held
		if err := n.present(database, table); err != nil {
			return err
		}
	}
	return n.require(r.op.permission, database, table)
}

// over is how the catalog differs from the bucket's own.
func (n *nestedCall) over() s3tables.Catalog {
	k := s3tables.Catalog{Visible: n.visible}
	if n.catalog.open() {
		return k
	}
	k.Created = func(ns, table string) error { return n.svc.lake.Own(n.api, n.account, n.object(ns, table)) }
	k.Dropped = func(ns, table string) error { return n.svc.lake.Forget(n.api, n.account, n.object(ns, table)) }
	// "X-Iceberg-Access-Delegation": without it credentials come, too.
	if n.api.Request.Header.Get("X-Iceberg-Access-Delegation") != "none" {
		k.Credentials = n.credentials
	}
	return k
}

// credentials are properties of S3FileIO ("S3 FileIO properties" of Apache
// Iceberg's AWS integration).
func (n *nestedCall) credentials(t *s3tables.Table) (map[string]string, error) {
	keys, err := n.svc.lake.Vend(n.api, t, vended)
	if err != nil || keys == nil {
		return nil, err
	}
	return map[string]string{"s3.access-key-id": keys.AccessKeyID, "s3.secret-access-key": keys.Secret, "s3.session-token": keys.Token,
		"s3.session-token-expires-at-ms": strconv.FormatInt(keys.Expires.UnixMilli(), 10), "client.region": n.region}, nil
}

// config gives the prefix of the catalog's paths.
func (r *restCall) config() any {
	id := r.at.account + ":" + strings.ReplaceAll(r.at.nested, "/", ":")
	endpoints := []string{}
	for _, op := range []iceberg.Operation{iceberg.ListNamespaces, iceberg.CreateNamespace, iceberg.LoadNamespace, iceberg.NamespaceExists, iceberg.DropNamespace,
		iceberg.ListTables, iceberg.CreateTable, iceberg.LoadTable, iceberg.LoadCredentials, iceberg.TableExists, iceberg.CommitTable, iceberg.DropTable} {
		endpoints = append(endpoints, iceberg.Endpoints[op])
	}
	return map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{"prefix": "catalogs/" + id}, "endpoints": endpoints}
}
