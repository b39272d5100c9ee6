// Package awsauth turns what a statement says of AWS identity into signed
// requests: a Spec is read from properties, a Resolver folds its role chain
// into credentials that renew themselves, and Explain says in the user's
// terms why AWS refused. It knows no service but STS and instance metadata.
package awsauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"lakeport/internal/secret"
)

// Source is where the base credentials of a Spec come from.
type Source uint8

// The sources. Default is the AWS SDK's chain: environment, web identity,
// shared profile, container, instance metadata.
const (
	Default Source = iota
	InstanceProfile
	Static
	WebIdentity
	Attached // a role of the warehouse that lakeport runs as, handed out by Options.Roles
)

var sourceNames = [...]string{"the default credential chain", "the instance profile", "static keys", "the web identity token", "the roles of the cluster"}

// String names the source as messages do.
func (s Source) String() string { return sourceNames[s] }

// Keys are an IAM user's access key, or a session's with its token.
type Keys struct {
	AccessKeyID string
	Secret      secret.String
	Token       secret.String
}

// SessionName is that of sessions whose Hop names none.
const SessionName = "lakeport"

// Hop is one role to assume on top of the identity before it.
type Hop struct {
	RoleARN     string
	ExternalID  secret.String
	SessionName string        // empty: "lakeport"; constant, so that one session serves every statement
	Duration    time.Duration // zero: an hour, the longest that AWS allows a chained role
	Tags        []Tag
	STSRegion   string // empty: the Spec's region
	STSEndpoint string // empty: the process-wide endpoint of STS
}

// Tag is a session tag.
type Tag struct{ Key, Value string }

// Spec is who asks AWS, and where. Equal Specs share cached credentials.
type Spec struct {
	Source Source
	// Public says that the statement gave nothing at all: S3 is asked without a
	// signature where the default chain finds no credentials, so that public
	// buckets can be read.
	Public   bool
	Static   Keys   // read only when Source is Static
	Profile  string // of the shared configuration files; read only when Source is Default; empty: AWS_PROFILE's
	Role     string // read only when Source is Attached: an ARN, or DefaultRole
	User     string // likewise: the database user, whom a trust policy may ask for
	Chain    []Hop  // roles to assume, in order; the last one makes the calls
	Region   string
	Endpoint string // set by the statement; wins over the process-wide endpoints

	PathStyle bool          // S3: the bucket stands in the path, not in the host
	Recheck   time.Duration // S3: how long a permission that was seen counts for cached bytes; zero: 60 s, negative: always ask
}

// processKey makes Key useless outside this process, so that it can be logged.
var processKey = func() []byte {
	k := make([]byte, 32)
	_, _ = rand.Read(k)
	return k
}()

// Key identifies the identity that the Spec acts as, whatever service or
// region it serves. It shows no secret and means nothing to another process.
func (s Spec) Key() string { return s.prefixKey(len(s.Chain)) }

// prefixKey identifies the identity after the first n hops.
func (s Spec) prefixKey(n int) string {
	mac := hmac.New(sha256.New, processKey)
	part := func(v string) { fmt.Fprintf(mac, "%d:%s", len(v), v) }
	part(s.Source.String())
	if s.Public {
		part("public")
	}
	if s.Profile != "" {
		part("profile " + s.Profile)
	}
	if s.Source == Static {
		part(s.Static.AccessKeyID)
		part(s.Static.Secret.Reveal())
		part(s.Static.Token.Reveal())
	}
	if s.Source == Attached {
		part(s.Role)
		part(s.User)
	}
	for _, h := range s.Chain[:n] {
		part(h.RoleARN)
		part(h.ExternalID.Reveal())
		part(h.SessionName)
		part(h.Duration.String())
		part(h.STSRegion)
		part(h.STSEndpoint)
		for _, t := range h.Tags {
			part(t.Key)
			part(t.Value)
		}
		part("")
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// String shows the chain, never a key's secret.
func (s Spec) String() string {
	var b strings.Builder
	b.WriteString(s.Source.String())
	if s.Source == Attached {
		b.WriteString(" -> " + s.Role)
	}
	for _, h := range s.Chain {
		b.WriteString(" -> " + h.RoleARN)
	}
	return b.String()
}
