// Package glue is the sandbox's AWS Glue Data Catalog: databases, tables with
// versions, partitions with expressions, tags and the catalog's resource
// policy, one catalog per account and region. Crawlers, jobs, connections and
// nested catalogs are left out; calls to them are refused by name.
//
// Shapes, limits and error codes are those of the Glue API model of botocore
// (glue/2017-03-31); what each call needs follows "Specifying AWS Glue
// resource ARNs" of the AWS Glue Developer Guide.
package glue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iceberg"
	"lakeport/internal/sandbox/lakeformation"
	"lakeport/internal/sandbox/s3tables"
)

// Options is what a Service stands on.
type Options struct {
	DB  *bbolt.DB        // the world's file; the Service keeps to its own bucket
	Now func() time.Time // the clock that records are stamped by; nil: time.Now
	// Tables and Lake are S3 Tables and Lake Formation, which federated
	// catalogs and the Iceberg REST endpoint stand on; nil: there are none.
	Tables *s3tables.Service
	Lake   *lakeformation.Service
}

// Service is Glue of all accounts and regions. It implements sandbox.Service
// and is safe for concurrent use.
type Service struct {
	db  *bbolt.DB
	now func() time.Time

	tables *s3tables.Service
	lake   *lakeformation.Service

	mu       sync.Mutex
	policies map[string]*iam.Policy // by catalog ARN, compiled; nil: none is set
}

// New opens Glue over the world's file and makes its buckets.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{db: o.DB, now: o.Now, tables: o.Tables, lake: o.Lake, policies: map[string]*iam.Policy{}}
	err := o.DB.Update(func(tx *bbolt.Tx) error {
		top, err := tx.CreateBucketIfNotExists(bucketGlue)
		if err != nil {
			return err
		}
		for _, name := range buckets {
			if _, err := top.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the buckets of glue: %w", err)
	}
	return s, nil
}

// Name is Glue's signing name.
func (s *Service) Name() string { return "glue" }

// targetPrefix starts every X-Amz-Target of Glue.
const targetPrefix = "AWSGlue."

// operation is one call of the API: the resources that it needs and the work.
type operation struct {
	scope func(*scope) []string // ARN tails, catalog first
	write bool                  // runs in a read-write transaction
	run   func(*call) (any, error)
}

// call is one operation under way, inside its transaction.
type call struct {
	*store
	svc    *Service
	now    time.Time
	caller string // ARN
	body   []byte
}

// as adapts a typed operation: it decodes the input and leaves unknown members
// out, as AWS does.
func as[In, Out any](f func(*call, *In) (Out, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		in := new(In)
		if err := json.Unmarshal(c.body, in); err != nil {
			return nil, malformed(err)
		}
		return f(c, in)
	}
}

// Needs finds the operation and the resources that AWS checks for it: the
// object and all its ancestors, for deletions also its descendants.
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	if isIceberg(c.Request) {
		r, err := parseREST(c)
		if err != nil {
			return nil, err
		}
		c.Prepared = r
		return r.needs(), nil
	}
	name, op, err := find(c.Request)
	if err != nil {
		return nil, err
	}
	c.Action = "glue:" + name
	at, err := parseScope(c)
	if err != nil {
		return nil, err
	}
	tails := op.scope(at)
	needs := make([]sandbox.Need, len(tails))
	for i, tail := range tails {
		needs[i] = sandbox.Need{
			Action:   c.Action,
			Resource: iam.Resource{ARN: at.arn(tail), Account: at.account},
			Context:  at.context(),
		}
	}
	if name == "CreateCatalog" {
		needs = append(needs, passConnection(at))
	}
	return needs, nil
}

func find(r *http.Request) (string, operation, error) {
	target := r.Header.Get("X-Amz-Target")
	name, ok := strings.CutPrefix(target, targetPrefix)
	if !ok {
		return "", operation{}, fail("UnknownOperationException", "X-Amz-Target %q names no operation of AWSGlue", target)
	}
	op, ok := operations[name]
	if !ok {
		return "", operation{}, fail("UnknownOperationException", "the sandbox has no glue:%s", name)
	}
	return name, op, nil
}

// Serve runs the operation in one transaction and answers after its commit.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	if isIceberg(c.Request) {
		return s.serveREST(w, c)
	}
	name, op, err := find(c.Request)
	if err != nil {
		return err
	}
	at, err := parseScope(c)
	if err != nil {
		return err
	}
	var out any
	work := func(tx *bbolt.Tx) (err error) {
		out, err = op.run(&call{
			store: newStore(tx, at.account, at.region), svc: s, now: s.now(),
			caller: c.Caller.Principal.ARN, body: c.Body,
		})
		return err
	}
	switch {
	case at.nested != "":
		out, err = s.serveNested(name, at, c)
	case op.write:
		err = s.db.Update(work)
	default:
		err = s.db.View(work)
	}
	if err != nil {
		return err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the answer of %s: %w", c.Action, err)
	}
	head(w, c.RequestID)
	_, err = w.Write(body)
	return err
}

// Fail answers in JSON 1.1's form.
func (s *Service) Fail(w http.ResponseWriter, r *http.Request, requestID string, err *sandbox.APIError) {
	if isIceberg(r) {
		iceberg.Fail(w, requestID, err)
		return
	}
	body, _ := json.Marshal(map[string]string{"__type": err.Code, "Message": err.Message})
	head(w, requestID)
	for k, v := range err.Headers {
		w.Header().Set(k, v)
	}
	status := err.Status
	// Glue answers a denial with 400, where the query services say 403.
	if status == 0 || err.Code == "AccessDeniedException" {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func head(w http.ResponseWriter, requestID string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", requestID)
}

// none is the empty answer.
type none struct{}

func fail(code, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *sandbox.APIError {
	return fail("InvalidInputException", format, args...)
}

func notFound(format string, args ...any) *sandbox.APIError {
	return fail("EntityNotFoundException", format, args...)
}

func alreadyExists(what string) *sandbox.APIError {
	return fail("AlreadyExistsException", "%s already exists.", what)
}

// malformed tells what is wrong with a body that does not fit its shape. The
// code is JSON 1.1's own, not one of Glue's.
func malformed(err error) *sandbox.APIError {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fail("SerializationException", "%s can not be converted to %s at %s", wrong.Value, wrong.Type, wrong.Field)
	}
	return fail("SerializationException", "the body is not JSON: %v", err)
}
