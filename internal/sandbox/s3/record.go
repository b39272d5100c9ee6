package s3

import (
	"strings"
	"time"
)

// bucket is what is kept of a bucket. A record is not changed once stored: a
// change stores a copy.
type bucket struct {
	Name    string
	Account string // owner
	Region  string
	Created time.Time
	// Versioning is "", "Enabled" or "Suspended".
	Versioning string            `json:",omitempty"`
	Policy     string            `json:",omitempty"` // with unique ids in place of ARNs
	Tags       map[string]string `json:",omitempty"`
	Access     publicAccess
	Ownership  string `json:",omitempty"` // "" after DeleteBucketOwnershipControls
	// The default encryption: Algorithm is "" for SSE-S3, KeyID as it was given.
	Algorithm string `json:",omitempty"`
	KeyID     string `json:",omitempty"`
	BucketKey bool   `json:",omitempty"`
	// Table is the ARN of the S3 table whose objects these are, empty for
	// every other bucket.
	Table string `json:",omitempty"`
}

// publicAccess is Block Public Access; all four are on in a new bucket.
type publicAccess struct {
	Set                                     bool // false after DeletePublicAccessBlock
	BlockAcls, IgnoreAcls, Policy, Restrict bool
}

func (b *bucket) arn() string { return "arn:aws:s3:::" + b.Name }

// object is one version of an object or a delete marker. A record is not
// changed once stored.
type object struct {
	File     string    `json:"f,omitempty"` // name of its content; "" when it is empty
	Size     int64     `json:"s,omitempty"`
	ETag     string    `json:"e,omitempty"` // without quotes
	Modified time.Time `json:"t"`
	Version  string    `json:"v,omitempty"` // "" is the null version
	Marker   bool      `json:"d,omitempty"` // a delete marker
	attributes
	Tags       map[string]string `json:"g,omitempty"`
	Encryption *encryption       `json:"k,omitempty"`
	Checksum   checksum          `json:"c,omitzero"`
	Parts      []partRecord      `json:"p,omitempty"` // of a multipart object
	Upload     string            `json:"u,omitempty"` // which upload made it
}

// versionID is the id as clients see it.
func (o *object) versionID() string {
	if o.Version == "" {
		return "null"
	}
	return o.Version
}

func (o *object) quotedETag() string { return `"` + o.ETag + `"` }

// attributes is what a writer says about an object and readers get back.
type attributes struct {
	ContentType  string            `json:"ct,omitempty"`
	Encoding     string            `json:"ce,omitempty"`
	Language     string            `json:"cl,omitempty"`
	Disposition  string            `json:"cd,omitempty"`
	CacheControl string            `json:"cc,omitempty"`
	Expires      string            `json:"ex,omitempty"`
	Redirect     string            `json:"wr,omitempty"`
	Class        string            `json:"sc,omitempty"` // "" is STANDARD
	Meta         map[string]string `json:"m,omitempty"`  // lower-case names without x-amz-meta-
}

func (a *attributes) storageClass() string {
	if a.Class == "" {
		return "STANDARD"
	}
	return a.Class
}

// partRecord is one part of an upload, or of an object made from one.
type partRecord struct {
	Number   int       `json:"n"`
	Size     int64     `json:"s"`
	Value    string    `json:"c,omitempty"` // checksum, in the upload's algorithm
	ETag     string    `json:"e,omitempty"` // these three while the upload is open
	File     string    `json:"f,omitempty"`
	Modified time.Time `json:"t,omitzero"`
	Nonce    []byte    `json:"o,omitempty"` // of an encrypted upload's part
}

// upload is a multipart upload under way.
type upload struct {
	ID        string
	Key       string
	Initiated time.Time
	Initiator string // ARN
	attributes
	Tags       map[string]string `json:",omitempty"`
	Algorithm  string            // of the checksum
	Kind       string            // COMPOSITE or FULL_OBJECT
	Asked      bool              // the client chose the algorithm
	Encryption *encryption       `json:",omitempty"`
}

// owner is the canonical user id of an account, which the sandbox derives
// from its number.
func owner(account string) string {
	return hexSHA256("canonical user of account " + account)
}

// validBucketName follows "General purpose bucket naming rules", S3 User Guide.
func validBucketName(s string) bool {
	if len(s) < 3 || len(s) > 63 || strings.Contains(s, "..") {
		return false
	}
	dots, digits := 0, true
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && (c != '-' && c != '.' || i == 0 || i == len(s)-1) {
			return false
		}
		if c == '.' {
			dots++
		} else if !digit {
			digits = false
		}
	}
	if dots == 3 && digits { // an IPv4 address
		return false
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(s, p) {
			return false
		}
	}
	for _, x := range []string{"-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap"} {
		if strings.HasSuffix(s, x) {
			return false
		}
	}
	return true
}
