package s3

import (
	"net/http"
	"strings"

	"lakeport/internal/sandbox"
)

// level is what a request addresses.
type level uint8

const (
	account level = iota
	bucketLevel
	objectLevel
)

func (l level) resource() string { return [...]string{"SERVICE", "BUCKET", "OBJECT"}[l] }

func (q *request) level() level {
	switch {
	case q.bucket == "":
		return account
	case q.key == "":
		return bucketLevel
	}
	return objectLevel
}

// operation is one call of the API. One without needs is refused by name.
type operation struct {
	name  string
	needs func(*Service, *request) ([]sandbox.Need, error)
	serve func(*Service, http.ResponseWriter, *request) error
}

// route key: method, level and subresource ("" for none). A copy has "copy"
// in place of "" or "part".
type routeKey struct {
	method string
	level  level
	sub    string
}

// operations is the table of needs ("Required permissions for Amazon S3 API
// operations", S3 User Guide). What is not in it is not a call.
var operations map[routeKey]*operation

// subresources are the query parameters that make a request another
// operation.
var subresources map[string]bool

func init() {
	operations = map[routeKey]*operation{}
	subresources = map[string]bool{}
	add := func(l level, method, sub, name string, needs func(*Service, *request) ([]sandbox.Need, error),
		serve func(*Service, http.ResponseWriter, *request) error) {
		operations[routeKey{method, l, sub}] = &operation{name, needs, serve}
		if !strings.HasSuffix(sub, "copy") {
			subresources[sub] = true
		}
	}
	add(account, "GET", "", "ListBuckets", onAll("s3:ListAllMyBuckets"), (*Service).listBuckets)

	b := bucketLevel
	add(b, "PUT", "", "CreateBucket", createNeeds, (*Service).createBucket)
	add(b, "HEAD", "", "HeadBucket", onBucket("s3:ListBucket"), (*Service).headBucket)
	add(b, "DELETE", "", "DeleteBucket", onBucket("s3:DeleteBucket"), (*Service).deleteBucket)
	add(b, "GET", "", "ListObjects", listNeeds("s3:ListBucket"), (*Service).listObjects)
	add(b, "GET", "list-type", "ListObjectsV2", listNeeds("s3:ListBucket"), (*Service).listObjectsV2)
	add(b, "GET", "versions", "ListObjectVersions", listNeeds("s3:ListBucketVersions"), (*Service).listVersions)
	add(b, "GET", "uploads", "ListMultipartUploads", onBucket("s3:ListBucketMultipartUploads"), (*Service).listUploads)
	add(b, "POST", "delete", "DeleteObjects", batchNeeds, (*Service).deleteObjects)
	add(b, "GET", "location", "GetBucketLocation", onBucket("s3:GetBucketLocation"), (*Service).getLocation)
	add(b, "GET", "policy", "GetBucketPolicy", policyNeeds("s3:GetBucketPolicy"), (*Service).getPolicy)
	add(b, "PUT", "policy", "PutBucketPolicy", policyNeeds("s3:PutBucketPolicy"), (*Service).putPolicy)
	add(b, "DELETE", "policy", "DeleteBucketPolicy", policyNeeds("s3:DeleteBucketPolicy"), (*Service).deletePolicy)
	add(b, "GET", "policyStatus", "GetBucketPolicyStatus", onBucket("s3:GetBucketPolicyStatus"), (*Service).getPolicyStatus)
	add(b, "GET", "versioning", "GetBucketVersioning", onBucket("s3:GetBucketVersioning"), (*Service).getVersioning)
	add(b, "PUT", "versioning", "PutBucketVersioning", onBucket("s3:PutBucketVersioning"), (*Service).putVersioning)
	add(b, "GET", "tagging", "GetBucketTagging", onBucket("s3:GetBucketTagging"), (*Service).getBucketTags)
	add(b, "PUT", "tagging", "PutBucketTagging", onBucket("s3:PutBucketTagging"), (*Service).putBucketTags)
	add(b, "DELETE", "tagging", "DeleteBucketTagging", onBucket("s3:PutBucketTagging"), (*Service).deleteBucketTags)
	add(b, "GET", "encryption", "GetBucketEncryption", onBucket("s3:GetEncryptionConfiguration"), (*Service).getEncryption)
	add(b, "PUT", "encryption", "PutBucketEncryption", onBucket("s3:PutEncryptionConfiguration"), (*Service).putEncryption)
	add(b, "DELETE", "encryption", "DeleteBucketEncryption", onBucket("s3:PutEncryptionConfiguration"), (*Service).deleteEncryption)
	add(b, "GET", "publicAccessBlock", "GetPublicAccessBlock", onBucket("s3:GetBucketPublicAccessBlock"), (*Service).getPublicAccess)
	add(b, "PUT", "publicAccessBlock", "PutPublicAccessBlock", onBucket("s3:PutBucketPublicAccessBlock"), (*Service).putPublicAccess)
	add(b, "DELETE", "publicAccessBlock", "DeletePublicAccessBlock", onBucket("s3:PutBucketPublicAccessBlock"), (*Service).deletePublicAccess)
	add(b, "GET", "ownershipControls", "GetBucketOwnershipControls", onBucket("s3:GetBucketOwnershipControls"), (*Service).getOwnership)
	add(b, "PUT", "ownershipControls", "PutBucketOwnershipControls", onBucket("s3:PutBucketOwnershipControls"), (*Service).putOwnership)
	add(b, "DELETE", "ownershipControls", "DeleteBucketOwnershipControls", onBucket("s3:PutBucketOwnershipControls"), (*Service).deleteOwnership)
	add(b, "GET", "acl", "GetBucketAcl", onBucket("s3:GetBucketAcl"), (*Service).getACL)
	add(b, "PUT", "acl", "PutBucketAcl", onBucket("s3:PutBucketAcl"), (*Service).putACL)
	for _, c := range unset {
		add(b, "GET", c.sub, "GetBucket"+c.name, onBucket("s3:Get"+c.action), c.get)
		add(b, "PUT", c.sub, "PutBucket"+c.name, nil, nil)
		add(b, "DELETE", c.sub, "DeleteBucket"+c.name, nil, nil)
	}

	o := objectLevel
	add(o, "GET", "", "GetObject", onObject("s3:GetObject"), (*Service).getObject)
	add(o, "HEAD", "", "HeadObject", onObject("s3:GetObject"), (*Service).getObject)
	add(o, "GET", "attributes", "GetObjectAttributes", onObject("s3:GetObject"), (*Service).getAttributes)
	add(o, "PUT", "", "PutObject", putNeeds, (*Service).putObject)
	add(o, "PUT", "copy", "CopyObject", copyNeeds, (*Service).copyObject)
	add(o, "DELETE", "", "DeleteObject", deleteNeeds, (*Service).deleteObject)
	add(o, "POST", "uploads", "CreateMultipartUpload", putNeeds, (*Service).createUpload)
	add(o, "PUT", "uploadId", "UploadPart", onObject("s3:PutObject"), (*Service).uploadPart)
	add(o, "PUT", "uploadId copy", "UploadPartCopy", copyNeeds, (*Service).copyPart)
	add(o, "POST", "uploadId", "CompleteMultipartUpload", putNeeds, (*Service).completeUpload)
	add(o, "DELETE", "uploadId", "AbortMultipartUpload", onObject("s3:AbortMultipartUpload"), (*Service).abortUpload)
	add(o, "GET", "uploadId", "ListParts", onObject("s3:ListMultipartUploadParts"), (*Service).listParts)
	add(o, "GET", "tagging", "GetObjectTagging", onObject("s3:GetObjectTagging"), (*Service).getTags)
	add(o, "PUT", "tagging", "PutObjectTagging", onObject("s3:PutObjectTagging"), (*Service).putTags)
	add(o, "DELETE", "tagging", "DeleteObjectTagging", onObject("s3:DeleteObjectTagging"), (*Service).deleteTags)
	add(o, "GET", "acl", "GetObjectAcl", onObject("s3:GetObjectAcl"), (*Service).getACL)
	add(o, "PUT", "acl", "PutObjectAcl", onObject("s3:PutObjectAcl"), (*Service).putACL)
	for _, c := range [][3]string{
		{"GET", "retention", "GetObjectRetention"}, {"PUT", "retention", "PutObjectRetention"},
		{"GET", "legal-hold", "GetObjectLegalHold"}, {"PUT", "legal-hold", "PutObjectLegalHold"},
		{"GET", "torrent", "GetObjectTorrent"}, {"POST", "restore", "RestoreObject"}, {"POST", "select", "SelectObjectContent"},
		{"PUT", "renameObject", "RenameObject"}, {"POST", "", "PostObject"},
	} {
		add(o, c[0], c[1], c[2], nil, nil)
	}
	add(b, "POST", "", "PostObject", nil, nil)
	add(b, "GET", "session", "CreateSession", nil, nil)
}

// route finds the operation of a request, nil if there is none.
func route(q *request) *operation {
	sub := ""
	for name := range q.query {
		// uploadId and partNumber come together, as do others with list-type;
		// a real subresource stands alone.
		if subresources[name] && (sub == "" || name < sub) {
			sub = name
		}
	}
	if q.r.Method == http.MethodPut && q.r.Header.Get("X-Amz-Copy-Source") != "" && (sub == "" || sub == "uploadId") {
		sub = strings.TrimSpace(sub + " copy")
	}
	return operations[routeKey{q.r.Method, q.level(), sub}]
}
