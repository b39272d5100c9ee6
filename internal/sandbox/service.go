package sandbox

import (
	"net/http"
	"net/url"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/world"
)

// Service is one AWS service. The server verifies the signature, asks Needs,
// has iam decide each of them, and only then lets Serve run, so that no
// service can forget its check.
type Service interface {
	// Name is the signing name: "s3", "sts", "iam", "glue".
	Name() string
	// Needs declares what the call does, as far as it is known before it
	// runs. An action that it does not know is an error (the call is denied).
	//
	// An *APIError is answered as it is: the request is faulty in itself.
	// Needs may set c.Caller.Principal where the call carries its own proof of
	// identity, as AssumeRoleWithWebIdentity does.
	Needs(c *Call) ([]Need, error)
	// Policy is the resource-based policy that guards the ARN, nil if none.
	// Giving the same Document until the policy changes keeps decisions fast.
	Policy(arn string) *iam.Policy
	// Serve answers the call. What depends on state or on each item is asked
	// inside by c.May. A call that ends without any decision is denied and
	// logged as a fault of the sandbox.
	Serve(w http.ResponseWriter, c *Call) error
	// Fail writes err in the service's own format.
	Fail(w http.ResponseWriter, r *http.Request, requestID string, err *APIError)
}

// Need is one action on one resource that a call takes. The principal and the
// global context keys are filled in by the server.
type Need struct {
	Action   string
	Resource iam.Resource
	Context  iam.Context // service-specific keys; may be nil
	// Grants are a KMS key's that apply to this need.
	Grants []iam.Policy
	// Free marks what AWS grants to every authenticated caller whatever the
	// policies say, such as sts:GetCallerIdentity. It is logged as allowed.
	Free bool
}

// Call is one authenticated request.
type Call struct {
	// Request is as received, but its Body is already checked: for S3 a
	// reader that decodes aws-chunked framing and fails at its end if the
	// hash or a chunk's signature is wrong; for all others the bytes of Body.
	Request   *http.Request
	Body      []byte // nil for S3
	Action    string // what Needs found out, for the log: "glue:GetTable"; set by Needs
	Region    string // of the credential scope
	Service   string // signing name
	RequestID string
	Now       time.Time // the sandbox's clock
	Caller    Caller
	Prepared  any // what Needs worked out and Serve goes on with

	server    *Server
	who       *world.Identity // nil for unsigned calls
	context   iam.Context     // the global keys, made when first needed
	decided   int             // how many decisions there were
	judgments []Judgment      // the first of them, for the log
	form      url.Values      // query and form, once readForm has run
	failure   string          // the error code that was answered
	detail    string          // why, where the answer does not say it
}

// Caller is who signed the call.
type Caller struct {
	Principal   iam.Principal
	AccessKeyID string
	Presigned   bool
	// Session facts; zero for long-term keys.
	IssuedAt       time.Time
	Expires        time.Time
	SourceIdentity string
	Tags           map[string]string // principal tags, session tags included
	TransitiveTags []string
	MFA            bool
}

// APIError is an error that AWS would answer. Fields holds extra elements of
// the body, such as BucketName or Region for S3, in the order to be written.
type APIError struct {
	Status  int
	Code    string
	Message string
	Fields  [][2]string
	Headers map[string]string
}

// Error gives code and message.
func (e *APIError) Error() string { return e.Code + ": " + e.Message }
