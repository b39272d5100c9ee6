package glue

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/lakeformation"
	"lakeport/internal/sandbox/s3tables"
)

// federatedName is the catalog through which Glue shows an account's table
// buckets: each is a catalog in it, its namespaces are databases ("Integrating
// Amazon S3 Tables with AWS analytics services").
const federatedName = "s3tablescatalog"

var bucketCatalogs = []byte("catalogs") // the key ends in the catalog's name

// catalogInput is CatalogInput of the model, as far as it federates.
type catalogInput struct {
	Description      string            `json:",omitempty"`
	Parameters       map[string]string `json:",omitempty"`
	FederatedCatalog *struct {
		Identifier     string
		ConnectionName string
		ConnectionType string `json:",omitempty"`
	} `json:",omitempty"`
	CreateDatabaseDefaultPermissions []permissionShape
	CreateTableDefaultPermissions    []permissionShape
	AllowFullTableExternalDataAccess string          `json:",omitempty"`
	TargetRedshiftCatalog            json.RawMessage `json:",omitempty"`
	CatalogProperties                json.RawMessage `json:",omitempty"`
}

type permissionShape struct {
	Principal struct {
		ID string `json:"DataLakePrincipalIdentifier"`
	}
	Permissions []string
}

// federated is the record of the catalog.
type federated struct {
	catalogInput
	CreateTime, UpdateTime float64
}

// open tells that IAM alone decides about what is in the catalog: new objects
// are everyone's whom IAM lets in.
func (f *federated) open() bool {
	return slices.ContainsFunc(f.CreateDatabaseDefaultPermissions, func(p permissionShape) bool { return p.Principal.ID == "IAM_ALLOWED_PRINCIPALS" })
}

func (s *store) federated() (*federated, error) {
	f := &federated{}
	ok, err := s.get(bucketCatalogs, s.key(federatedName), f)
	if err != nil || !ok {
		return nil, err
	}
	return f, nil
}

type createCatalogInput struct {
	Name         string
	CatalogInput *catalogInput
	Tags         map[string]string
}

// createCatalog federates the account's table buckets; other catalogs are
// refused.
func createCatalog(c *call, in *createCatalogInput) (none, error) {
	want := "arn:aws:s3tables:" + c.region + ":" + c.account + ":bucket/*"
	switch f := in.CatalogInput; {
	case f == nil:
		return none{}, invalid("CatalogInput is missing")
	case in.Name != federatedName || f.FederatedCatalog == nil || f.FederatedCatalog.ConnectionName != "aws:s3tables" || f.TargetRedshiftCatalog != nil || f.CatalogProperties != nil:
		return none{}, invalid("the sandbox has one federated catalog: the Name %s with the ConnectionName aws:s3tables", federatedName)
	case f.FederatedCatalog.Identifier != want:
		return none{}, invalid("FederatedCatalog.Identifier is %s, found %s", want, f.FederatedCatalog.Identifier)
	case len(in.Tags) > 0:
		return none{}, invalid("the sandbox does not tag catalogs: leave Tags out")
	}
	if c.has(bucketCatalogs, c.key(in.Name)) {
		return none{}, alreadyExists("Catalog")
	}
	return none{}, c.put(bucketCatalogs, c.key(in.Name), &federated{*in.CatalogInput, epoch(c.now), epoch(c.now)})
}

type updateCatalogInput struct {
	CatalogID    string `json:"CatalogId"`
	CatalogInput *catalogInput
}

func (n *nestedCall) updateCatalog() (any, error) {
	var in updateCatalogInput
	if err := json.Unmarshal(n.body, &in); err != nil {
		return nil, malformed(err)
	}
	if in.CatalogInput == nil || n.path != "" {
		return nil, invalid("the sandbox updates the catalog %s, with a CatalogInput", federatedName)
	}
	f := &federated{*in.CatalogInput, n.catalog.CreateTime, epoch(n.now)}
	f.FederatedCatalog = n.catalog.FederatedCatalog
	return none{}, n.svc.db.Update(func(tx *bbolt.Tx) error {
		return newStore(tx, n.account, n.region).put(bucketCatalogs, n.key(federatedName), f)
	})
}

func (n *nestedCall) deleteCatalog() (any, error) {
	if n.path != "" {
		return nil, invalid("the catalog of a table bucket goes with the bucket")
	}
	return none{}, n.svc.db.Update(func(tx *bbolt.Tx) error {
		return newStore(tx, n.account, n.region).delete(bucketCatalogs, n.key(federatedName))
	})
}

// nestedCall is a call to a catalog below the account's own. It runs outside of
// any transaction, since S3 Tables and Lake Formation have their own: the store
// spells names and no more.
type nestedCall struct {
	*call
	api     *sandbox.Call
	catalog *federated
	path    string           // below s3tablescatalog: the bucket; empty: the catalog itself
	bucket  *s3tables.Bucket // of path
	in      nestedInput
}

type nestedInput struct {
	Name          string
	DatabaseName  string
	DatabaseInput struct{ Name string }
	NextToken     string
	MaxResults    *int
	Expression    string
}

// nestedOperations are the calls that nested catalogs answer: what they show
// is kept by S3 Tables.
var nestedOperations map[string]func(*nestedCall) (any, error)

func init() {
	nestedOperations = map[string]func(*nestedCall) (any, error){
		"GetCatalog": (*nestedCall).getCatalog, "GetCatalogs": (*nestedCall).getCatalogs, "UpdateCatalog": (*nestedCall).updateCatalog,
		"DeleteCatalog": (*nestedCall).deleteCatalog,
		"GetDatabase":   (*nestedCall).getDatabase, "GetDatabases": (*nestedCall).getDatabases, "CreateDatabase": (*nestedCall).createDatabase,
		"DeleteDatabase": (*nestedCall).deleteDatabase, "GetTable": (*nestedCall).getTable, "GetTables": (*nestedCall).getTables,
		"DeleteTable": (*nestedCall).deleteTable,
	}
}

// nested finds the catalog that a call is about.
func (s *Service) nested(at *scope, api *sandbox.Call) (*nestedCall, error) {
	path := at.nested
	c := &call{store: &store{account: at.account, region: at.region}, svc: s, now: s.now(), caller: api.Caller.Principal.ARN, body: api.Body}
	missing := notFound("Catalog %s not found.", path)
	rest, inside := strings.CutPrefix(path, federatedName)
	if !inside || s.tables == nil {
		return nil, missing
	}
	var f *federated
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		f, err = newStore(tx, at.account, at.region).federated()
		return err
	})
	if err != nil {
		return nil, err
	}
	rest, slash := strings.CutPrefix(rest, "/")
	if f == nil || rest != "" && !slash {
		return nil, missing
	}
	n := &nestedCall{call: c, api: api, catalog: f, path: rest}
	if rest == "" {
		return n, nil
	}
	if n.bucket, err = s.tables.Bucket(c.account, c.region, rest); err == nil && n.bucket == nil {
		err = missing
	}
	return n, err
}

// serveNested answers a call to a nested catalog.
func (s *Service) serveNested(name string, at *scope, api *sandbox.Call) (any, error) {
	run, ok := nestedOperations[name]
	if !ok {
		return nil, invalid("the sandbox has no %s in nested catalogs", name)
	}
	n, err := s.nested(at, api)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(api.Body, &n.in); err != nil {
		return nil, malformed(err)
	}
	if n.bucket == nil && !strings.Contains(name, "Catalog") {
		return nil, notFound("Catalog %s holds catalogs, no databases: name %s/<table bucket>.", federatedName, federatedName)
	}
	out, err := run(n)
	return out, asGlue(err)
}

// asGlue words refusals of S3 Tables and Lake Formation as Glue's.
func asGlue(err error) error {
	api, ok := err.(*sandbox.APIError)
	if !ok {
		return err
	}
	code, ok := map[string]string{"NotFoundException": "EntityNotFoundException", "ConflictException": "AlreadyExistsException",
		"BadRequestException": "InvalidInputException"}[api.Code]
	if !ok {
		return err
	}
	return fail(code, "%s", api.Message)
}

// object is what Lake Formation knows something of the catalog by.
func (n *nestedCall) object(database, table string) lakeformation.Object {
	return lakeformation.Object{Catalog: n.account + ":" + federatedName + "/" + n.path, Database: database, Table: table}
}

// require asks Lake Formation, unless IAM alone decides.
func (n *nestedCall) require(permission, database, table string) error {
	if n.catalog.open() {
		return nil
	}
	return n.svc.lake.Require(n.api, n.account, permission, n.object(database, table))
}

func (n *nestedCall) visible(database, table string) (bool, error) {
	if n.catalog.open() {
		return true, nil
	}
	return n.svc.lake.Allowed(n.account, n.region, n.api.Caller.Principal, lakeformation.Describe, n.object(database, table))
}

// describe refuses to show what the caller may not see.
func (n *nestedCall) describe(database, table string) error {
	if err := n.present(database, table); err != nil {
		return err
	}
	return n.require(lakeformation.Describe, database, table)
}

// present refuses what is not there. That it is not, is told to those who see
// where it would be, and all others are refused as if it were there. Assumed:
// AWS refuses it to everyone.
func (n *nestedCall) present(database, table string) error {
	var err error
	if table != "" {
		_, err = n.svc.tables.Table(n.bucket, database, table)
	} else {
		_, err = n.svc.tables.Namespace(n.bucket, database)
	}
	if api, missing := err.(*sandbox.APIError); missing {
		if table == "" {
			database = ""
		}
		if err := n.require(lakeformation.Describe, database, ""); err != nil {
			return err
		}
		return api
	}
	return err
}

func (n *nestedCall) record(name, path string, f *federated) map[string]any {
	out := map[string]any{"CatalogId": n.account + ":" + path, "Name": name, "ResourceArn": n.arn("catalog/" + path), "CreateTime": f.CreateTime,
		"UpdateTime": f.UpdateTime, "Parameters": map[string]string{}, "CreateDatabaseDefaultPermissions": f.CreateDatabaseDefaultPermissions,
		"CreateTableDefaultPermissions": f.CreateTableDefaultPermissions, "FederatedCatalog": f.FederatedCatalog}
	if f.AllowFullTableExternalDataAccess != "" {
		out["AllowFullTableExternalDataAccess"] = f.AllowFullTableExternalDataAccess
	}
	return out
}

func (n *nestedCall) bucketRecord(b *s3tables.Bucket) map[string]any {
	out := n.record(b.Name, federatedName+"/"+b.Name, n.catalog)
	out["FederatedCatalog"] = map[string]string{"Identifier": b.ARN(), "ConnectionName": "aws:s3tables"}
	out["CreateTime"], out["UpdateTime"] = epoch(b.Created), epoch(b.Created)
	return out
}

func (n *nestedCall) getCatalog() (any, error) {
	if n.bucket != nil {
		return map[string]any{"Catalog": n.bucketRecord(n.bucket)}, nil
	}
	return map[string]any{"Catalog": n.record(federatedName, federatedName, n.catalog)}, nil
}

func (n *nestedCall) getCatalogs() (any, error) {
	list := []map[string]any{}
	if n.bucket == nil {
		all, err := n.svc.tables.Buckets(n.account, n.region)
		if err != nil {
			return nil, err
		}
		for _, b := range all {
			list = append(list, n.bucketRecord(b))
		}
	}
	return map[string]any{"CatalogList": list}, nil
}

func (n *nestedCall) database(ns *s3tables.Namespace) map[string]any {
	return map[string]any{"Name": ns.Name, "CreateTime": epoch(ns.Created), "CatalogId": n.account + ":" + federatedName + "/" + n.path,
		"FederatedDatabase": map[string]string{"Identifier": n.bucket.ARN() + "|" + ns.Name, "ConnectionName": "aws:s3tables"}}
}

func (n *nestedCall) getDatabase() (any, error) {
	name := fold(n.in.Name)
	if err := n.describe(name, ""); err != nil {
		return nil, err
	}
	ns, err := n.svc.tables.Namespace(n.bucket, name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Database": n.database(ns)}, nil
}

// window is one page of a list that is read whole.
func window[T any](n *nestedCall, all []T) ([]T, string, error) {
	limit, err := pageSize(n.in.MaxResults, 100)
	if err != nil {
		return nil, "", err
	}
	from := 0
	if n.in.NextToken != "" {
		token, err := parseToken(n.in.NextToken)
		if err != nil {
			return nil, "", err
		}
		if from, err = strconv.Atoi(string(token)); err != nil || from < 0 || from > len(all) {
			return nil, "", invalid("NextToken is not one that an earlier answer gave")
		}
	}
	all = all[from:]
	if len(all) <= limit {
		return all, "", nil
	}
	return all[:limit], base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(from + limit))), nil
}

func (n *nestedCall) getDatabases() (any, error) {
	all, err := n.svc.tables.Namespaces(n.bucket)
	if err != nil {
		return nil, err
	}
	seen := []map[string]any{}
	for _, ns := range all {
		ok, err := n.visible(ns.Name, "")
		if err != nil {
			return nil, err
		}
		if ok {
			seen = append(seen, n.database(ns))
		}
	}
	return n.answer("DatabaseList", seen)
}

// answer pages a list.
func (n *nestedCall) answer(name string, all []map[string]any) (any, error) {
	all, token, err := window(n, all)
	if err != nil {
		return nil, err
	}
	out := map[string]any{name: all}
	if token != "" {
		out["NextToken"] = token
	}
	return out, nil
}

func (n *nestedCall) createDatabase() (any, error) {
	if err := n.require(lakeformation.CreateDatabase, "", ""); err != nil {
		return nil, err
	}
	name := fold(n.in.DatabaseInput.Name)
	if err := n.svc.tables.CreateNamespace(n.bucket, name, n.api.Caller.Principal.Account); err != nil {
		return nil, err
	}
	return none{}, n.svc.lake.Own(n.api, n.account, n.object(name, ""))
}

func (n *nestedCall) deleteDatabase() (any, error) {
	name := fold(n.in.Name)
	if err := n.require(lakeformation.Drop, name, ""); err != nil {
		return nil, err
	}
	if err := n.svc.tables.DropNamespace(n.bucket, name); err != nil {
		return nil, err
	}
	return none{}, n.svc.lake.Forget(n.api, n.account, n.object(name, ""))
}

// table shows a table as Glue does: an Iceberg table whose metadata stands in
// its parameters. Columns stand in the metadata.
func (n *nestedCall) table(t *s3tables.Table) map[string]any {
	parameters := map[string]string{"table_type": "ICEBERG"}
	if t.Metadata != "" {
		parameters["metadata_location"] = t.Metadata
	}
	return map[string]any{"Name": t.Name, "DatabaseName": t.Namespace, "CatalogId": n.account + ":" + federatedName + "/" + n.path,
		"CreateTime": epoch(t.Created), "UpdateTime": epoch(t.Modified), "TableType": "EXTERNAL_TABLE", "Parameters": parameters, "VersionId": t.Version,
		"StorageDescriptor": map[string]any{"Location": t.Location()}, "IsRegisteredWithLakeFormation": !n.catalog.open(),
		"FederatedTable": map[string]string{"Identifier": t.ARN(), "DatabaseIdentifier": t.Namespace, "ConnectionName": "aws:s3tables"}}
}

func (n *nestedCall) getTable() (any, error) {
	db, name := fold(n.in.DatabaseName), fold(n.in.Name)
	if err := n.describe(db, name); err != nil {
		return nil, err
	}
	t, err := n.svc.tables.Table(n.bucket, db, name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Table": n.table(t)}, nil
}

func (n *nestedCall) getTables() (any, error) {
	db := fold(n.in.DatabaseName)
	if err := n.describe(db, ""); err != nil {
		return nil, err
	}
	match, err := regexp.Compile("(?i)^(?:" + n.in.Expression + ")$")
	if err != nil || len(n.in.Expression) > 2048 {
		return nil, invalid("Expression %q is not a regular expression that the sandbox knows", n.in.Expression)
	}
	all, err := n.svc.tables.Tables(n.bucket, db)
	if err != nil {
		return nil, err
	}
	seen := []map[string]any{}
	for _, t := range all {
		ok, err := n.visible(db, t.Name)
		if err != nil {
			return nil, err
		}
		if ok && (n.in.Expression == "" || match.MatchString(t.Name)) {
			seen = append(seen, n.table(t))
		}
	}
	return n.answer("TableList", seen)
}

func (n *nestedCall) deleteTable() (any, error) {
	db, name := fold(n.in.DatabaseName), fold(n.in.Name)
	if err := n.require(lakeformation.Drop, db, name); err != nil {
		return nil, err
	}
	t, err := n.svc.tables.Table(n.bucket, db, name)
	if err != nil {
		return nil, err
	}
	if err := n.svc.tables.DropTable(t, ""); err != nil {
		return nil, err
	}
	return none{}, n.svc.lake.Forget(n.api, n.account, n.object(db, name))
}

// passConnection is what CreateCatalog needs beside its own action.
func passConnection(s *scope) sandbox.Need {
	return sandbox.Need{Action: "glue:PassConnection", Resource: iam.Resource{ARN: s.arn("connection/aws:s3tables"), Account: s.account}}
}

// vended is how long credentials for a table live.
const vended = time.Hour
