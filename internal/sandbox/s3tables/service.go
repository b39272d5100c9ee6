// Package s3tables is the sandbox's Amazon S3 Tables: table buckets, namespaces
// and Iceberg tables, their policies, and the service's own Iceberg REST
// endpoint. A table's objects lie in an S3 bucket of the service's, which only
// those reach who may read or write the table's data. Maintenance, replication,
// metrics and encryption with KMS are refused by name.
//
// Shapes, names and errors follow the S3 Tables API Reference (2018-05-10) and
// "Working with Amazon S3 Tables" of the S3 User Guide.
package s3tables

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iceberg"
)

// Objects keeps the objects of tables: the sandbox's S3.
type Objects interface {
	CreateTableBucket(name, account, region, table string, now time.Time) error
	DropTableBucket(name string) error
	ReadTableObject(bucket, key string) ([]byte, error)
	WriteTableObject(bucket, key string, text []byte, now time.Time) error
}

// Options is what a Service stands on.
type Options struct {
	DB      *bbolt.DB // the world's file; the Service keeps to its own bucket
	Objects Objects
	Now     func() time.Time // nil: time.Now
}

// Service is S3 Tables of all accounts and regions. It implements
// sandbox.Service and is safe for concurrent use.
type Service struct {
	db      *bbolt.DB
	objects Objects
	now     func() time.Time

	mu       sync.Mutex
	policies map[string]*iam.Policy // by ARN, compiled; nil: none is set
}

// New opens S3 Tables over the world's file.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.DB.Update(makeBuckets); err != nil {
		return nil, fmt.Errorf("make the buckets of S3 Tables: %w", err)
	}
	return &Service{db: o.DB, objects: o.Objects, now: o.Now, policies: map[string]*iam.Policy{}}, nil
}

// Name is the signing name.
func (s *Service) Name() string { return "s3tables" }

// call is one call taken apart.
type call struct {
	*sandbox.Call
	op    *operation
	path  []string // elements after the first, unescaped
	query url.Values
	b     *Bucket // where the path names one
	ns    string
	t     *Table // where the path names one that is there
	route *iceberg.Route
}

// operation is one call of the API.
type operation struct {
	name  string
	table bool // on a table that must be there
	serve func(*Service, *call) (any, error)
}

// operations are the calls by method and shape of the path: its first element,
// then "*" for each variable one.
var operations map[string]*operation

func init() {
	operations = map[string]*operation{
		"PUT buckets":                             {"CreateTableBucket", false, (*Service).putBucket},
		"GET buckets":                             {"ListTableBuckets", false, (*Service).listBuckets},
		"GET buckets/*":                           {"GetTableBucket", false, (*Service).getBucket},
		"DELETE buckets/*":                        {"DeleteTableBucket", false, (*Service).deleteBucket},
		"PUT buckets/*/policy":                    {"PutTableBucketPolicy", false, (*Service).putBucketPolicy},
		"GET buckets/*/policy":                    {"GetTableBucketPolicy", false, (*Service).getBucketPolicy},
		"DELETE buckets/*/policy":                 {"DeleteTableBucketPolicy", false, (*Service).deleteBucketPolicy},
		"PUT namespaces/*":                        {"CreateNamespace", false, (*Service).putNamespace},
		"GET namespaces/*":                        {"ListNamespaces", false, (*Service).listNamespaces},
		"GET namespaces/*/*":                      {"GetNamespace", false, (*Service).getNamespace},
		"DELETE namespaces/*/*":                   {"DeleteNamespace", false, (*Service).deleteNamespace},
		"PUT tables/*/*":                          {"CreateTable", false, (*Service).putTable},
		"GET tables/*":                            {"ListTables", false, (*Service).listTables},
		"GET get-table":                           {"GetTable", true, (*Service).getTable},
		"DELETE tables/*/*/*":                     {"DeleteTable", true, (*Service).deleteTable},
		"PUT tables/*/*/*/rename":                 {"RenameTable", true, (*Service).renameTable},
		"GET tables/*/*/*/metadata-location":      {"GetTableMetadataLocation", true, (*Service).getLocation},
		"PUT tables/*/*/*/metadata-location":      {"UpdateTableMetadataLocation", true, (*Service).putLocation},
		"PUT tables/*/*/*/policy":                 {"PutTablePolicy", true, (*Service).putTablePolicy},
		"GET tables/*/*/*/policy":                 {"GetTablePolicy", true, (*Service).getTablePolicy},
		"DELETE tables/*/*/*/policy":              {"DeleteTablePolicy", true, (*Service).deleteTablePolicy},
		"GET buckets/*/encryption":                {"GetTableBucketEncryption", false, nil},
		"PUT buckets/*/encryption":                {"PutTableBucketEncryption", false, nil},
		"DELETE buckets/*/encryption":             {"DeleteTableBucketEncryption", false, nil},
		"GET buckets/*/maintenance":               {"GetTableBucketMaintenanceConfiguration", false, nil},
		"PUT buckets/*/maintenance/*":             {"PutTableBucketMaintenanceConfiguration", false, nil},
		"GET tables/*/*/*/encryption":             {"GetTableEncryption", true, nil},
		"GET tables/*/*/*/maintenance":            {"GetTableMaintenanceConfiguration", true, nil},
		"PUT tables/*/*/*/maintenance/*":          {"PutTableMaintenanceConfiguration", true, nil},
		"GET tables/*/*/*/maintenance-job-status": {"GetTableMaintenanceJobStatus", true, nil},
	}
}

// words are the path elements of operations that are no variables.
var words = map[string]bool{"policy": true, "rename": true, "metadata-location": true, "encryption": true, "maintenance": true, "maintenance-job-status": true}

// shape spells a path as operations does. A variable never stands where a word
// does: a word is one only after the last name of its object.
func shape(method string, parts []string) string {
	out := method + " " + parts[0]
	names := map[string]int{"buckets": 1, "namespaces": 2, "tables": 3}[parts[0]]
	for i, p := range parts[1:] {
		if i >= names && words[p] {
			out += "/" + p
		} else {
			out += "/*"
		}
	}
	return out
}

// parse finds the operation of a call and what its path names.
func (s *Service) parse(c *sandbox.Call) (*call, error) {
	q := &call{Call: c, query: c.Request.URL.Query()}
	if strings.HasPrefix(c.Request.URL.Path, "/iceberg/") {
		return q, s.parseIceberg(q)
	}
	var parts []string
	for p := range strings.SplitSeq(strings.Trim(c.Request.URL.EscapedPath(), "/"), "/") {
		text, err := url.PathUnescape(p)
		if err != nil {
			return nil, badRequest("The path is not valid.")
		}
		parts = append(parts, text)
	}
	q.path = parts[1:]
	if q.op = operations[shape(c.Request.Method, parts)]; q.op == nil {
		return nil, fail(http.StatusMethodNotAllowed, "MethodNotAllowedException", "The sandbox's S3 Tables has no %s %s.", c.Request.Method, c.Request.URL.Path)
	}
	c.Action = "s3tables:" + q.op.name
	if q.op.serve == nil {
		return nil, fail(http.StatusNotImplemented, "NotImplemented", "The sandbox does not implement s3tables:%s.", q.op.name)
	}
	if q.op.name == "CreateTableBucket" || q.op.name == "ListTableBuckets" {
		return q, nil
	}
	if q.op.name == "GetTable" {
		return q, s.locate(q)
	}
	var err error
	if q.b, err = s.BucketByARN(q.path[0]); err != nil || q.b == nil {
		return nil, or(err, notFound("The specified bucket does not exist: %s", q.path[0]))
	}
	if len(q.path) > 1 && parts[0] != "buckets" {
		q.ns = q.path[1]
	}
	if q.op.table {
		q.t, err = s.Table(q.b, q.ns, q.path[2])
	}
	return q, err
}

// locate finds the table of GetTable, which names it in the query.
func (s *Service) locate(q *call) (err error) {
	if arn := q.query.Get("tableArn"); arn != "" {
		if q.t, err = s.TableByARN(arn); err != nil || q.t == nil {
			return or(err, notFound("The specified table does not exist: %s", arn))
		}
		q.b, err = s.BucketByARN(q.t.Bucket)
		return err
	}
	if q.b, err = s.BucketByARN(q.query.Get("tableBucketARN")); err != nil || q.b == nil {
		return or(err, notFound("The specified bucket does not exist: %s", q.query.Get("tableBucketARN")))
	}
	q.t, err = s.Table(q.b, q.query.Get("namespace"), q.query.Get("name"))
	return err
}

// Needs declares the action on the bucket or table ("Actions, resources, and
// condition keys for Amazon S3 Tables", Service Authorization Reference).
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	q, err := s.parse(c)
	if err != nil {
		return nil, err
	}
	c.Prepared = q
	if q.route != nil {
		return s.icebergNeeds(q)
	}
	return []sandbox.Need{q.need(c.Action)}, nil
}

// need is an action on what the call names.
func (q *call) need(action string) sandbox.Need {
	switch {
	case q.t != nil:
		return tableNeed(action, q.t)
	case q.b == nil: // the account's buckets; the one to be made
		name := "*"
		if q.op != nil && q.op.name == "CreateTableBucket" {
			var in struct {
				Name string `json:"name"`
			}
			_ = json.Unmarshal(q.Body, &in) // a faulty body is refused when it is served
			name = in.Name
		}
		return sandbox.Need{Action: action, Resource: iam.Resource{Account: q.Caller.Principal.Account,
			ARN: "arn:aws:s3tables:" + q.Region + ":" + q.Caller.Principal.Account + ":bucket/" + name}}
	}
	n := sandbox.Need{Action: action, Resource: iam.Resource{ARN: q.b.ARN(), Account: q.b.Account}, Context: iam.Context{}}
	if q.ns != "" {
		n.Context["s3tables:namespace"] = []string{q.ns}
	}
	if strings.HasSuffix(action, ":CreateTable") { // decided for any table of the bucket, which has no id yet
		n.Resource.ARN += "/table/*"
	}
	return n
}

func tableNeed(action string, t *Table) sandbox.Need {
	return sandbox.Need{Action: action, Resource: iam.Resource{ARN: t.ARN(), Account: t.Account},
		Context: iam.Context{"s3tables:namespace": {t.Namespace}, "s3tables:tablename": {t.Name}}}
}

// ObjectNeed is the need of an action on the objects of the table.
func (s *Service) ObjectNeed(_ *sandbox.Call, action, table string) (sandbox.Need, error) {
	t, err := s.TableByARN(table)
	if err != nil || t == nil {
		return sandbox.Need{}, or(err, fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"))
	}
	return tableNeed(action, t), nil
}

// Serve carries out the operation.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	q := c.Prepared.(*call)
	if q.route != nil {
		return s.ServeIceberg(w, c, q.route, q.b, Catalog{})
	}
	out, err := q.op.serve(s, q)
	if err != nil {
		return err
	}
	w.Header().Set("X-Amzn-RequestId", c.RequestID)
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the answer of %s: %w", c.Action, err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

// Fail answers in the service's form, or in that of the Iceberg API.
func (s *Service) Fail(w http.ResponseWriter, r *http.Request, requestID string, err *sandbox.APIError) {
	if strings.HasPrefix(r.URL.Path, "/iceberg/") {
		iceberg.Fail(w, requestID, err)
		return
	}
	status := err.Status
	if err.Code == "AccessDeniedException" {
		status = http.StatusForbidden
	}
	body, _ := json.Marshal(map[string]string{"message": err.Message})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", err.Code)
	w.Header().Set("X-Amzn-RequestId", requestID)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone hears nothing
}

var _ sandbox.Service = (*Service)(nil)
