package s3

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// onAll, onBucket and onObject make the needs of a single action.

func onAll(action string) func(*Service, *request) ([]sandbox.Need, error) {
	return func(_ *Service, q *request) ([]sandbox.Need, error) {
		return []sandbox.Need{{Action: action, Resource: iam.Resource{ARN: "*", Account: q.Caller.Principal.Account}, Context: q.context(nil)}}, nil
	}
}

func onBucket(action string) func(*Service, *request) ([]sandbox.Need, error) {
	return func(_ *Service, q *request) ([]sandbox.Need, error) {
		return []sandbox.Need{q.bucketNeed(action)}, nil
	}
}

// onObject takes the action's Version form where a version is asked for.
func onObject(action string) func(*Service, *request) ([]sandbox.Need, error) {
	versioned := versionAction(action)
	return func(s *Service, q *request) ([]sandbox.Need, error) {
		id := q.query.Get("versionId")
		o, err := s.store.version(q.bucket, q.key, id)
		if err != nil {
			return nil, err
		}
		if id != "" {
			return []sandbox.Need{q.objectNeed(versioned, o)}, nil
		}
		return []sandbox.Need{q.objectNeed(action, o)}, nil
	}
}

// versionAction is the action on a named version: s3:GetObjectVersionTagging
// for s3:GetObjectTagging.
func versionAction(action string) string {
	return strings.Replace(action, "Object", "ObjectVersion", 1)
}

// policyNeeds lets the owner's root user mend a bucket policy that denies
// everyone ("Bucket policy", S3 User Guide).
func policyNeeds(action string) func(*Service, *request) ([]sandbox.Need, error) {
	return func(_ *Service, q *request) ([]sandbox.Need, error) {
		n := q.bucketNeed(action)
		p := q.Caller.Principal
		n.Free = p.Kind == iam.Root && p.Account == q.b.Account
		if !n.Free && p.Account != q.b.Account {
			return nil, apiError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
				"Method", q.r.Method, "ResourceType", "BUCKETPOLICY")
		}
		return []sandbox.Need{n}, nil
	}
}

// createNeeds: the bucket is not there yet, so the caller's account decides.
func createNeeds(_ *Service, q *request) ([]sandbox.Need, error) {
	res := iam.Resource{ARN: "arn:aws:s3:::" + q.bucket, Account: q.Caller.Principal.Account}
	need := func(action string) sandbox.Need {
		return sandbox.Need{Action: action, Resource: res, Context: q.context(nil)}
	}
	needs := []sandbox.Need{need("s3:CreateBucket")}
	h := q.r.Header
	if hasACL(h) {
		needs = append(needs, need("s3:PutBucketAcl"))
	}
	if h.Get("X-Amz-Object-Ownership") != "" {
		needs = append(needs, need("s3:PutBucketOwnershipControls"))
	}
	return needs, nil
}

// listNeeds tells what is listed. max-keys is always there, the others as
// sent ("Condition keys for Amazon S3", Service Authorization Reference).
func listNeeds(action string) func(*Service, *request) ([]sandbox.Need, error) {
	return func(_ *Service, q *request) ([]sandbox.Need, error) {
		n := q.bucketNeed(action)
		for _, name := range []string{"prefix", "delimiter", "max-keys"} {
			if v, ok := q.query[name]; ok {
				n.Context["s3:"+name] = v[:1]
			}
		}
		if _, ok := q.query["max-keys"]; !ok {
			n.Context["s3:max-keys"] = []string{"1000"}
		}
		return []sandbox.Need{n}, nil
	}
}

func putNeeds(s *Service, q *request) ([]sandbox.Need, error) {
	o, err := s.store.current(q.bucket, q.key)
	if err != nil {
		return nil, err
	}
	return q.writeNeeds(o)
}

// writeNeeds is what storing an object takes. o is the one it replaces.
func (q *request) writeNeeds(o *object) ([]sandbox.Need, error) {
	h := q.r.Header
	put := q.objectNeed("s3:PutObject", nil)
	needs := []sandbox.Need{put}
	// Assumed: of a default encryption, policies see the key alone, as
	// "Protecting data with SSE-KMS", S3 User Guide, has it.
	if key := q.b.KeyID; h.Get(sseHeader) == "" && strings.HasPrefix(key, "arn:") {
		put.Context["s3:x-amz-server-side-encryption-aws-kms-key-id"] = []string{key}
	}
	if hasACL(h) {
		needs = append(needs, q.objectNeed("s3:PutObjectAcl", nil))
	}
	if text := h.Get("X-Amz-Tagging"); text != "" {
		tags, err := readTagHeader(text)
		if err != nil {
			return nil, err
		}
		for k, v := range tags {
			put.Context["s3:requestobjecttag/"+strings.ToLower(k)] = []string{v}
			put.Context["s3:requestobjecttagkeys"] = append(put.Context["s3:requestobjecttagkeys"], k)
		}
		needs = append(needs, q.objectNeed("s3:PutObjectTagging", nil))
	}
	// "How to prevent object overwrites with conditional writes", S3 User
	// Guide: If-Match reads the present ETag.
	if h.Get("If-Match") != "" {
		needs = append(needs, q.objectNeed("s3:GetObject", o))
	}
	return needs, nil
}

// copyNeeds is reading the source, whose bucket may be another account's, and
// writing here.
func copyNeeds(s *Service, q *request) ([]sandbox.Need, error) {
	src, err := s.source(q)
	if err != nil {
		return nil, err
	}
	action := "s3:GetObject"
	if src.version != "" {
		action = versionAction(action)
	}
	read := q.needOn(action, src.bucket, src.key, src.version, src.object)
	write, err := q.writeNeeds(nil)
	if err != nil {
		return nil, err
	}
	needs := append([]sandbox.Need{write[0], read}, write[1:]...)
	if src.object != nil && len(src.object.Tags) > 0 && !strings.EqualFold(q.r.Header.Get("X-Amz-Tagging-Directive"), "REPLACE") &&
		q.op.name == "CopyObject" {
		tagged := read
		tagged.Action = read.Action + "Tagging"
		needs = append(needs, tagged, q.objectNeed("s3:PutObjectTagging", nil))
	}
	return needs, nil
}

func deleteNeeds(s *Service, q *request) ([]sandbox.Need, error) {
	needs, err := onObject("s3:DeleteObject")(s, q)
	if err == nil && q.r.Header.Get("If-Match") != "" {
		needs = append(needs, q.objectNeed("s3:GetObject", nil))
	}
	return needs, err
}

// batchNeeds reads the list of keys; each is decided when its turn comes.
func batchNeeds(_ *Service, q *request) ([]sandbox.Need, error) {
	body, err := readBody(q.r, maxXML)
	if err != nil {
		return nil, err
	}
	if err := checkBody(q.r, body, true); err != nil {
		return nil, err
	}
	if _, err := readBatch(body); err != nil {
		return nil, err
	}
	q.Call.Body = body
	q.Call.Action = "s3:DeleteObject"
	return nil, nil
}

func hasACL(h http.Header) bool {
	for _, name := range aclHeaders {
		if h[name] != nil {
			return true
		}
	}
	return false
}

var aclHeaders = []string{"X-Amz-Acl", "X-Amz-Grant-Read", "X-Amz-Grant-Write", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write-Acp", "X-Amz-Grant-Full-Control"}

// contextHeaders are the headers that are condition keys of the same name.
var contextHeaders = map[string]string{
	"X-Amz-Acl": "", "X-Amz-Grant-Read": "", "X-Amz-Grant-Write": "", "X-Amz-Grant-Read-Acp": "", "X-Amz-Grant-Write-Acp": "",
	"X-Amz-Grant-Full-Control": "", "X-Amz-Server-Side-Encryption": "", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "",
	"X-Amz-Server-Side-Encryption-Customer-Algorithm": "", "X-Amz-Storage-Class": "", "X-Amz-Content-Sha256": "",
	"X-Amz-Copy-Source": "", "X-Amz-Metadata-Directive": "", "X-Amz-Website-Redirect-Location": "", "X-Amz-Object-Ownership": "",
}

func init() {
	for name := range contextHeaders {
		contextHeaders[name] = "s3:" + strings.ToLower(name)
	}
}

// context makes the service's condition keys for a resource in b, which is nil
// for what lies in no bucket.
func (q *request) context(b *bucket) iam.Context {
	ctx := make(iam.Context, 8)
	for name, values := range q.r.Header {
		if key := contextHeaders[name]; key != "" {
			ctx[key] = values
		}
	}
	if q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		for header, key := range map[string]string{"If-Match": "s3:if-match", "If-None-Match": "s3:if-none-match"} {
			if v := q.r.Header[header]; v != nil {
				ctx[key] = v
			}
		}
	}
	if b != nil {
		ctx["s3:resourceaccount"] = []string{b.Account}
	}
	if q.Caller.Principal.Kind == iam.Anonymous {
		return ctx
	}
	ctx["s3:signatureversion"] = []string{"AWS4-HMAC-SHA256"}
	ctx["s3:authtype"] = []string{"REST-HEADER"}
	if q.Caller.Presigned {
		ctx["s3:authtype"] = []string{"REST-QUERY-STRING"}
		if t, err := time.Parse("20060102T150405Z", q.query.Get("X-Amz-Date")); err == nil {
			ctx["s3:signatureage"] = []string{strconv.FormatInt(q.Now.Sub(t).Milliseconds(), 10)}
		}
	}
	return ctx
}

// missing is the answer for an object that is not there: whoever may list the
// bucket is told so, everyone else is refused ("GetObject", S3 API Reference).
func (q *request) missing(b *bucket, e *apiErr) error {
	if b.Table != "" { // nobody lists a table's bucket: who may read is told
		return e
	}
	n := sandbox.Need{Action: "s3:ListBucket", Resource: iam.Resource{ARN: b.arn(), Account: b.Account}, Context: q.context(b)}
	if d := q.May(n); d.Effect != iam.Allow {
		return q.Denied(n, d)
	}
	return e
}

// source is what x-amz-copy-source names.
type source struct {
	bucket  *bucket
	key     string
	version string
	object  *object // nil: there is none, or it is a delete marker
}

func (s *Service) source(q *request) (*source, error) {
	text := q.r.Header.Get("X-Amz-Copy-Source")
	invalid := invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", text)
	path, query, _ := strings.Cut(text, "?")
	src := &source{}
	if query != "" {
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil, invalid
		}
		src.version = values.Get("versionId")
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return nil, invalid
	}
	name, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if name == "" || key == "" || strings.ContainsRune(key, 0) {
		return nil, invalid
	}
	if src.bucket = s.store.bucket(name); src.bucket == nil {
		return nil, noSuchBucket(name)
	}
	if src.bucket.Table != "" { // "S3 API operations for tables": none of them copies
		return nil, apiError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
			"Method", q.r.Method, "ResourceType", "TABLE")
	}
	if want := q.r.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); want != "" && want != src.bucket.Account {
		return nil, apiError(403, "AccessDenied", "Access Denied")
	}
	src.key = key
	if src.object, err = s.store.version(name, key, src.version); err != nil {
		return nil, err
	}
	if src.object != nil && src.object.Marker {
		src.object = nil
	}
	return src, nil
}

func (q *request) bucketNeed(action string) sandbox.Need {
	return sandbox.Need{Action: action, Resource: iam.Resource{ARN: q.b.arn(), Account: q.b.Account}, Context: q.context(q.b)}
}

// objectNeed is a need on the request's object, whose present version, if
// any, gives the tags.
func (q *request) objectNeed(action string, o *object) sandbox.Need {
	return q.needOn(action, q.b, q.key, q.query.Get("versionId"), o)
}

func (q *request) needOn(action string, b *bucket, key, version string, o *object) sandbox.Need {
	ctx := q.context(b)
	if version != "" {
		ctx["s3:versionid"] = []string{version}
	}
	if o != nil {
		for k, v := range o.Tags {
			ctx["s3:existingobjecttag/"+strings.ToLower(k)] = []string{v}
		}
	}
	return sandbox.Need{Action: action, Resource: iam.Resource{ARN: b.arn() + "/" + key, Account: b.Account}, Context: ctx}
}
