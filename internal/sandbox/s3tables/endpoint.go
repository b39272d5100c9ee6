package s3tables

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iceberg"
)

// Catalog is how an Iceberg REST endpoint over a table bucket differs from the
// service's own: what is seen, what is noted, and with which credentials the
// data is reached.
type Catalog struct {
	// Visible tells whether the caller sees a namespace or, where table is not
	// empty, a table of it; nil: all.
	Visible func(namespace, table string) (bool, error)
	// Created and Dropped note what a call has made or removed.
	Created, Dropped func(namespace, table string) error
	// Credentials are the properties by which the caller reaches the table's
	// objects; nil where it uses its own.
	Credentials func(t *Table) (map[string]string, error)
}

// icebergActions are the needs of each operation of the service's own endpoint
// ("Accessing tables using the Amazon S3 Tables Iceberg REST endpoint").
var icebergActions = map[iceberg.Operation][]string{
	iceberg.GetConfig: {"GetTableBucket"}, iceberg.ListNamespaces: {"ListNamespaces"}, iceberg.CreateNamespace: {"CreateNamespace"},
	iceberg.LoadNamespace: {"GetNamespace"}, iceberg.NamespaceExists: {"GetNamespace"}, iceberg.DropNamespace: {"DeleteNamespace"},
	iceberg.ListTables: {"ListTables"}, iceberg.CreateTable: {"CreateTable", "PutTableData"},
	iceberg.LoadTable: {"GetTableMetadataLocation", "GetTableData"}, iceberg.TableExists: {"GetTable"},
	iceberg.CommitTable: {"UpdateTableMetadataLocation", "PutTableData", "GetTableData"}, iceberg.DropTable: {"DeleteTable"},
	iceberg.RenameTable: {"RenameTable"},
}

// parseIceberg finds what a path of the endpoint names. The prefix is the ARN
// of the bucket, whose own slash may come escaped or not.
func (s *Service) parseIceberg(q *call) error {
	depth := 1
	if !strings.Contains(strings.ToLower(q.Request.URL.EscapedPath()), "bucket%2f") {
		depth = 2
	}
	route, err := iceberg.ParseRoute(q.Request, depth)
	if err != nil {
		return err
	}
	q.route = route
	arn := route.Prefix
	if route.Operation == iceberg.GetConfig {
		arn = q.query.Get("warehouse")
	}
	if q.b, err = s.BucketByARN(arn); err != nil || q.b == nil {
		return or(err, iceberg.Refuse(http.StatusNotFound, "NotFoundException", "The specified bucket does not exist: %s", arn))
	}
	actions := icebergActions[route.Operation]
	if actions == nil {
		return iceberg.Refuse(http.StatusNotImplemented, "UnsupportedOperationException", "The endpoint does not have %s.", route.Operation)
	}
	q.Action = "s3tables:" + actions[0]
	if len(route.Namespace) > 0 {
		q.ns = strings.Join(route.Namespace, ".")
	}
	if route.Operation == iceberg.RenameTable {
		var in renameBody
		if err := iceberg.Decode(q.Body, &in); err != nil {
			return err
		}
		q.ns, route.Table = strings.Join(in.Source.Namespace, "."), in.Source.Name
	}
	if route.Table != "" {
		if q.t, err = s.Table(q.b, q.ns, route.Table); err != nil {
			return Translate(err, route)
		}
	}
	return nil
}

func (s *Service) icebergNeeds(q *call) (needs []sandbox.Need, err error) {
	for _, a := range icebergActions[q.route.Operation] {
		n := q.need("s3tables:" + a)
		if a == "PutTableData" && q.t == nil {
			n.Resource.ARN += "/table/*"
		}
		needs = append(needs, n)
	}
	return needs, nil
}

// Translate words the service's refusals as the Iceberg API does.
func Translate(err error, route *iceberg.Route) error {
	var e *sandbox.APIError
	if !errors.As(err, &e) {
		return err
	}
	onTable := route.Table != "" && !strings.Contains(e.Message, "namespace does not exist")
	switch {
	case e.Code == "NotFoundException" && onTable:
		return iceberg.Refuse(http.StatusNotFound, "NoSuchTableException", "%s", e.Message)
	case e.Code == "NotFoundException":
		return iceberg.Refuse(http.StatusNotFound, "NoSuchNamespaceException", "%s", e.Message)
	case e.Code == "ConflictException" && route.Operation == iceberg.CommitTable:
		return iceberg.Refuse(http.StatusConflict, "CommitFailedException", "%s", e.Message)
	case e.Code == "ConflictException" && route.Operation == iceberg.DropNamespace:
		return iceberg.Refuse(http.StatusConflict, "NamespaceNotEmptyException", "%s", e.Message)
	case e.Code == "ConflictException":
		return iceberg.Refuse(http.StatusConflict, "AlreadyExistsException", "%s", e.Message)
	}
	return err
}

// refusal words what a commit's requirements say.
func refusal(err error) error {
	var c *iceberg.Conflict
	if errors.As(err, &c) {
		return iceberg.Refuse(http.StatusConflict, "CommitFailedException", "%s", c.Error())
	}
	return iceberg.BadRequest("%s", err)
}

// ServeIceberg carries out an operation of the Iceberg API over a bucket. All
// decisions but those of k have been made.
func (s *Service) ServeIceberg(w http.ResponseWriter, c *sandbox.Call, route *iceberg.Route, b *Bucket, k Catalog) error {
	if len(route.Namespace) > 1 {
		return iceberg.BadRequest("Namespaces have one level, found %s", strings.Join(route.Namespace, "."))
	}
	e := &endpoint{Service: s, c: c, route: route, b: b, k: k, query: c.Request.URL.Query()}
	if len(route.Namespace) == 1 {
		e.ns = route.Namespace[0]
	}
	out, err := served[route.Operation](e)
	if err != nil {
		return Translate(err, route)
	}
	return iceberg.Answer(w, c.RequestID, out)
}

// endpoint is one call of the API.
type endpoint struct {
	*Service
	c     *sandbox.Call
	route *iceberg.Route
	b     *Bucket
	k     Catalog
	ns    string
	query url.Values
}

var served map[iceberg.Operation]func(*endpoint) (any, error)

func init() {
	served = map[iceberg.Operation]func(*endpoint) (any, error){
		iceberg.GetConfig: (*endpoint).config, iceberg.ListNamespaces: (*endpoint).listNamespaces, iceberg.CreateNamespace: (*endpoint).createNamespace,
		iceberg.LoadNamespace: (*endpoint).loadNamespace, iceberg.NamespaceExists: (*endpoint).namespaceExists,
		iceberg.DropNamespace: (*endpoint).dropNamespace, iceberg.ListTables: (*endpoint).listTables, iceberg.CreateTable: (*endpoint).createTable,
		iceberg.LoadTable: (*endpoint).loadTable, iceberg.LoadCredentials: (*endpoint).loadCredentials, iceberg.TableExists: (*endpoint).tableExists,
		iceberg.CommitTable: (*endpoint).commit, iceberg.DropTable: (*endpoint).dropTable, iceberg.RenameTable: (*endpoint).rename,
	}
}

func (e *endpoint) config() (any, error) {
	var endpoints []string
	for op := range icebergActions {
		if spelled := iceberg.Endpoints[op]; spelled != "" {
			endpoints = append(endpoints, spelled)
		}
	}
	slices.Sort(endpoints)
	return map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{"prefix": url.QueryEscape(e.b.ARN())}, "endpoints": endpoints}, nil
}

// window reads the page that a list is asked for.
func (e *endpoint) window() (token string, limit int, err error) {
	limit = 1000
	if text := e.query.Get("pageSize"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return "", 0, iceberg.BadRequest("pageSize is a positive number, found %s", text)
		}
	}
	return e.query.Get("pageToken"), min(limit, 1000), nil
}

func (e *endpoint) visible(namespace, table string) (bool, error) {
	if e.k.Visible == nil {
		return true, nil
	}
	return e.k.Visible(namespace, table)
}

func (e *endpoint) listNamespaces() (any, error) {
	token, limit, err := e.window()
	if err != nil {
		return nil, err
	}
	out := struct {
		Namespaces [][]string `json:"namespaces"`
		Next       string     `json:"next-page-token,omitempty"`
	}{Namespaces: [][]string{}}
	if parent := e.query.Get("parent"); parent != "" { // namespaces have one level
		_, err := e.Namespace(e.b, parent)
		return out, err
	}
	all, err := e.Namespaces(e.b)
	if err != nil {
		return nil, err
	}
	var seen []*Namespace
	for _, n := range all {
		ok, err := e.visible(n.Name, "")
		if err != nil {
			return nil, err
		}
		if ok {
			seen = append(seen, n)
		}
	}
	seen, out.Next = page(seen, (*Namespace).name, token, limit)
	for _, n := range seen {
		out.Namespaces = append(out.Namespaces, []string{n.Name})
	}
	return out, nil
}

func (e *endpoint) createNamespace() (any, error) {
	var in struct {
		Namespace  []string          `json:"namespace"`
		Properties map[string]string `json:"properties"`
	}
	if err := iceberg.Decode(e.c.Body, &in); err != nil {
		return nil, err
	}
	if len(in.Namespace) != 1 {
		return nil, iceberg.BadRequest("Namespaces have one level, found %s", strings.Join(in.Namespace, "."))
	}
	for name, v := range in.Properties {
		if v != "" && name != "owner" {
			return nil, iceberg.BadRequest("A namespace of a table bucket has no property %s.", name)
		}
	}
	if err := e.CreateNamespace(e.b, in.Namespace[0], e.c.Caller.Principal.Account); err != nil {
		return nil, err
	}
	if e.k.Created != nil {
		if err := e.k.Created(in.Namespace[0], ""); err != nil {
			return nil, err
		}
	}
	return map[string]any{"namespace": in.Namespace, "properties": map[string]string{}}, nil
}

func (e *endpoint) loadNamespace() (any, error) {
	_, err := e.Namespace(e.b, e.ns)
	return map[string]any{"namespace": []string{e.ns}, "properties": map[string]string{}}, err
}

func (e *endpoint) namespaceExists() (any, error) {
	_, err := e.Namespace(e.b, e.ns)
	return nil, err
}

func (e *endpoint) dropNamespace() (any, error) {
	if err := e.DropNamespace(e.b, e.ns); err != nil {
		return nil, err
	}
	return nil, e.dropped("")
}

func (e *endpoint) dropped(table string) error {
	if e.k.Dropped == nil {
		return nil
	}
	return e.k.Dropped(e.ns, table)
}

type identifier struct {
	Namespace []string `json:"namespace"`
	Name      string   `json:"name"`
}

func (e *endpoint) listTables() (any, error) {
	token, limit, err := e.window()
	if err != nil {
		return nil, err
	}
	if _, err := e.Namespace(e.b, e.ns); err != nil {
		return nil, err
	}
	all, err := e.Tables(e.b, e.ns)
	if err != nil {
		return nil, err
	}
	out := struct {
		Identifiers []identifier `json:"identifiers"`
		Next        string       `json:"next-page-token,omitempty"`
	}{Identifiers: []identifier{}}
	var seen []*Table
	for _, t := range all {
		ok, err := e.visible(e.ns, t.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			seen = append(seen, t)
		}
	}
	seen, out.Next = page(seen, func(t *Table) string { return t.Name }, token, limit)
	for _, t := range seen {
		out.Identifiers = append(out.Identifiers, identifier{[]string{e.ns}, t.Name})
	}
	return out, nil
}

func (e *endpoint) createTable() (any, error) {
	var d iceberg.Definition
	if err := iceberg.Decode(e.c.Body, &d); err != nil {
		return nil, err
	}
	switch {
	// "CreateTable": staging is not supported by either endpoint.
	case d.Stage:
		return nil, iceberg.BadRequest("stage-create is not supported: create the table, then write to it")
	case d.Location != "":
		return nil, iceberg.BadRequest("The location of a table of a table bucket cannot be chosen: leave %s out", d.Location)
	}
	t, err := e.CreateTable(e.b, e.ns, d.Name, e.c.Caller.Principal.Account, &d)
	if err != nil {
		return nil, err
	}
	if e.k.Created != nil {
		if err := e.k.Created(e.ns, t.Name); err != nil {
			return nil, err
		}
	}
	m, err := e.ReadMetadata(t)
	if err != nil {
		return nil, err
	}
	out, err := e.loaded(t, m, true)
	if refused := (*sandbox.APIError)(nil); errors.As(err, &refused) {
		// The table is there: who may not reach its data hears so when it
		// loads the table.
		return e.loaded(t, m, false)
	}
	return out, err
}

// loaded is a table as the API answers it, with credentials where asked.
func (e *endpoint) loaded(t *Table, m *iceberg.Metadata, keys bool) (any, error) {
	text, err := m.Text()
	if err != nil {
		return nil, err
	}
	out := &iceberg.Loaded{Location: t.Metadata, Metadata: text}
	if keys && e.k.Credentials != nil {
		if out.Config, err = e.k.Credentials(t); err != nil {
			return nil, err
		}
	}
	if out.Config != nil {
		out.Storage = []iceberg.StorageKeys{{Prefix: t.Location(), Config: out.Config}}
	}
	return out, nil
}

func (e *endpoint) loadTable() (any, error) {
	t, err := e.Table(e.b, e.ns, e.route.Table)
	if err != nil {
		return nil, err
	}
	m, err := e.ReadMetadata(t)
	if err != nil {
		return nil, err
	}
	return e.loaded(t, m, true)
}

func (e *endpoint) loadCredentials() (any, error) {
	t, err := e.Table(e.b, e.ns, e.route.Table)
	if err != nil {
		return nil, err
	}
	out := map[string][]iceberg.StorageKeys{"storage-credentials": {}}
	if e.k.Credentials == nil {
		return out, nil
	}
	keys, err := e.k.Credentials(t)
	if err == nil && keys != nil {
		out["storage-credentials"] = []iceberg.StorageKeys{{Prefix: t.Location(), Config: keys}}
	}
	return out, err
}

func (e *endpoint) tableExists() (any, error) {
	_, err := e.Table(e.b, e.ns, e.route.Table)
	return nil, err
}

func (e *endpoint) commit() (any, error) {
	var in iceberg.Commit
	if err := iceberg.Decode(e.c.Body, &in); err != nil {
		return nil, err
	}
	t, err := e.Table(e.b, e.ns, e.route.Table)
	if err != nil {
		return nil, err
	}
	t, m, err := e.Commit(t, &in)
	if err != nil {
		return nil, err
	}
	return e.loaded(t, m, false)
}

// dropTable purges: a table's files cannot outlive it ("DeleteTable").
func (e *endpoint) dropTable() (any, error) {
	if e.query.Get("purgeRequested") != "true" {
		return nil, iceberg.BadRequest("A table of a table bucket is dropped with its files: send purgeRequested=true")
	}
	t, err := e.Table(e.b, e.ns, e.route.Table)
	if err != nil {
		return nil, err
	}
	if err := e.DropTable(t, ""); err != nil {
		return nil, err
	}
	return nil, e.dropped(t.Name)
}

type renameBody struct {
	Source      identifier `json:"source"`
	Destination identifier `json:"destination"`
}

func (e *endpoint) rename() (any, error) {
	var in renameBody
	if err := iceberg.Decode(e.c.Body, &in); err != nil {
		return nil, err
	}
	if len(in.Source.Namespace) != 1 || len(in.Destination.Namespace) != 1 {
		return nil, iceberg.BadRequest("Namespaces have one level")
	}
	t, err := e.Table(e.b, in.Source.Namespace[0], in.Source.Name)
	if err != nil {
		return nil, err
	}
	return nil, e.Rename(e.b, t, in.Destination.Namespace[0], in.Destination.Name, "")
}
