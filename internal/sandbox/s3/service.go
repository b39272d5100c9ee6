// Package s3 is the sandbox's S3: buckets of several accounts and regions,
// objects as files, multipart uploads, versions, bucket policies, SSE-KMS and
// checksums, as the AWS CLI, boto3, the SDKs and Terraform use them. What it
// leaves out (object lock, replication, lifecycle, SSE-C, ACLs, websites)
// is refused by name.
//
// Behaviour follows the S3 API Reference and the S3 User Guide.
package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// Options is what a Service stands on.
type Options struct {
	DB  *bbolt.DB // records; the Service keeps to its own buckets
	Dir string    // contents; made if missing, used by this Service alone
	// Principals gives the present world's view of the principals that bucket
	// policies name. nil keeps policies as they are written.
	Principals func() Principals
	Keys       Keys // KMS; nil refuses SSE-KMS by name
	// Hosts are further host names under which <bucket>.<host> addresses a
	// bucket, beside localhost and the names of S3 itself.
	Hosts []string
}

// Principals turns the ARNs of users and roles into unique ids and back.
type Principals interface {
	StorePrincipals(*iam.Document) (stored *iam.Document, unknown []string)
	ReadPrincipals(*iam.Document) *iam.Document
}

// Service is S3 of all accounts and regions. It implements sandbox.Service and
// is safe for concurrent use.
type Service struct {
	store      *store
	files      *files
	principals func() Principals
	keys       Keys
	hosts      []string
	tables     Tables // nil: there are no tables

	mu       sync.RWMutex
	policies map[string]*bucketPolicy // compiled, by bucket
}

// New opens S3 over the records in o.DB and the contents in o.Dir.
func New(o Options) (*Service, error) {
	f, err := openFiles(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open S3: %w", err)
	}
	st, err := openStore(o.DB, f)
	if err != nil {
		return nil, fmt.Errorf("open S3: %w", err)
	}
	err = f.sweep(func() (map[string]bool, error) {
		names := map[string]bool{}
		return names, st.contents(func(file string) { names[file] = true })
	})
	if err != nil {
		return nil, fmt.Errorf("sweep contents of S3: %w", err)
	}
	s := &Service{store: st, files: f, principals: o.Principals, keys: o.Keys, policies: map[string]*bucketPolicy{},
		hosts: append([]string{"localhost"}, o.Hosts...)}
	return s, nil
}

// Name is the signing name.
func (s *Service) Name() string { return "s3" }

// request is one call with its address taken apart.
type request struct {
	*sandbox.Call
	r           *http.Request
	bucket, key string
	query       url.Values
	b           *bucket // nil if there is no such bucket, or none is addressed
	op          *operation
}

// read takes a call apart and finds its operation.
func (s *Service) read(c *sandbox.Call) (*request, error) {
	r := c.Request
	q := &request{Call: c, r: r}
	q.bucket, q.key = s.address(r)
	switch {
	case !utf8.ValidString(q.key):
		return nil, apiError(400, "InvalidURI", "Couldn't parse the specified URI.", "URI", r.URL.EscapedPath())
	case len(q.key) > 1024:
		return nil, apiError(400, "KeyTooLongError", "Your key is too long", "Size", fmt.Sprint(len(q.key)), "MaxSizeAllowed", "1024")
	case strings.ContainsRune(q.key, 0):
		// Assumed: S3's guide only advises against control characters.
		return nil, invalidArgument("An object key cannot contain the character NUL", "Key", strings.ReplaceAll(q.key, "\x00", "\\0"))
	}
	if r.URL.RawQuery != "" {
		var err error
		if q.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, apiError(400, "InvalidURI", "Couldn't parse the specified URI.", "URI", r.URL.EscapedPath())
		}
	}
	if q.bucket != "" {
		q.b = s.store.bucket(q.bucket)
	}
	if q.op = route(q); q.op == nil {
		return nil, apiError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
			"Method", r.Method, "ResourceType", q.level().resource())
	}
	return q, nil
}

// address is the bucket and key that a request is for, both possibly empty.
func (s *Service) address(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if b := s.hostBucket(r.Host); b != "" {
		return b, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// hostBucket is the bucket in a virtual-hosted address, "" in a path-style
// one.
func (s *Service) hostBucket(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	for _, base := range s.hosts {
		if b, ok := strings.CutSuffix(host, "."+base); ok {
			return b
		}
	}
	rest, ok := strings.CutSuffix(host, ".amazonaws.com")
	if !ok {
		return ""
	}
	for _, mark := range []string{".s3.", ".s3-"} {
		if i := strings.LastIndex(rest, mark); i > 0 {
			return rest[:i]
		}
	}
	b, ok := strings.CutSuffix(rest, ".s3")
	if !ok {
		return ""
	}
	return b
}

// Needs declares what the call does. Faults of the request itself, such as a
// bucket that does not exist or lies in another region, are told here, since
// S3 tells them before it authorizes.
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	q, err := s.read(c)
	if err != nil {
		return nil, err
	}
	c.Action = "s3:" + q.op.name
	if q.op.needs == nil {
		return nil, notImplemented(q.op.name)
	}
	if err := s.admit(q); err != nil {
		return nil, err
	}
	if q.b != nil && q.b.Table != "" {
		return s.tableNeeds(q)
	}
	needs, err := q.op.needs(s, q)
	if err != nil {
		return nil, err
	}
	if len(needs) > 0 {
		c.Action = needs[0].Action
	}
	return needs, nil
}

// admit checks what S3 checks of every request to a bucket.
func (s *Service) admit(q *request) error {
	if q.bucket == "" || q.op.name == "CreateBucket" {
		return nil
	}
	if q.b == nil {
		return noSuchBucket(q.bucket)
	}
	if want := q.r.Header.Get("X-Amz-Expected-Bucket-Owner"); want != "" && want != q.b.Account {
		return apiError(403, "AccessDenied", "Access Denied")
	}
	anonymous := q.Caller.Principal.Kind == iam.Anonymous
	if q.Region != q.b.Region && !anonymous && q.op.name != "GetBucketLocation" {
		e := apiError(400, "AuthorizationHeaderMalformed", fmt.Sprintf("The authorization header is malformed; the region '%s' is wrong; expecting '%s'",
			q.Region, q.b.Region), "Region", q.b.Region)
		if q.Caller.Presigned {
			e.Code = "AuthorizationQueryParametersError"
			e.Message = fmt.Sprintf("Error parsing the X-Amz-Credential parameter; the region '%s' is wrong; expecting '%s'", q.Region, q.b.Region)
		}
		return e
	}
	// "Blocking public access to your Amazon S3 storage", S3 User Guide:
	// RestrictPublicBuckets leaves a public bucket to its own account.
	if q.b.Access.Restrict && q.Caller.Principal.Account != q.b.Account && s.policy(q.b).public {
		return apiError(403, "AccessDenied", "Access Denied")
	}
	return nil
}

// Serve carries out a call whose needs are granted.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	q, err := s.read(c)
	if err != nil {
		return err
	}
	setIDs(w.Header(), c.RequestID)
	err = q.op.serve(s, w, q)
	var e *apiErr
	switch {
	case errors.As(err, &e):
		return e
	case err == nil:
		w.WriteHeader(http.StatusOK) // for those that answer without a body
	}
	return err
}
