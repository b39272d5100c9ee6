package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"lakeport/internal/sqlerr"
)

// Ask is what a failed call was for.
type Ask struct {
	Spec     Spec
	Service  string // "s3", "glue"
	Action   string // "glue:GetTable"; used where AWS's answer does not say
	Resource string // its ARN
	Clause   string // of the statement that names a region; empty: the property aws.<service>.region
}

// refusal is what AWS's answer tells, whichever client received it. Clients
// that are not the SDK's offer the same through these one-method interfaces.
type (
	actioner interface {
		error
		Action() string
	}
	resourcer interface {
		error
		Resource() string
	}
	clocked interface {
		error
		Clocks() (local, server time.Time)
	}
	placed interface {
		error
		Region() string
	}
	statused interface {
		error
		HTTPStatusCode() int
	}
)

// AWS's sentence for a denial (IAM User Guide, "Troubleshoot access denied
// error messages"): who, what, on what, and often why.
var denial = regexp.MustCompile(`(?s)^User: (\S+) is not authorized to perform: (\S+)(?: on (?:resource: "?([^\s"]+)"?|(this resource|the resource associated with this ciphertext)))?(?: (because .*|with an explicit deny.*))?$`)

// Explain says in the user's terms why AWS refused err's call. A context's
// end and errors that AWS had no part in come back as they are.
func (r *Resolver) Explain(ctx context.Context, err error, ask Ask) error {
	if err == nil || context.Cause(ctx) != nil && errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*sqlerr.Error](err); ok {
		return err
	}
	at := len(ask.Spec.Chain) // the link whose credentials signed the failed call
	if hop, ok := errors.AsType[*HopError](err); ok {
		for inner, within := hop, true; within; inner, within = errors.AsType[*HopError](inner.Err) {
			hop = inner // the first link that failed
		}
		if hop.Hop == 0 {
			return r.baseRefused(hop)
		}
		at, err = hop.Hop-1, hop.Err
		ask = Ask{Spec: hop.Spec, Service: "sts", Action: "sts:AssumeRole", Resource: hop.Spec.Chain[hop.Hop-1].RoleARN}
	}
	if e := r.refused(ctx, err, ask, at); e != nil {
		e.Err = err
		return e
	}
	return err
}

func (r *Resolver) refused(ctx context.Context, err error, ask Ask, at int) *sqlerr.Error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() == "" {
		return r.unreachable(err, ask)
	}
	code, msg := strings.TrimSuffix(api.ErrorCode(), "Exception"), api.ErrorMessage()
	who := r.who(ctx, ask.Spec, at)
	where := ask.Service
	if at < len(ask.Spec.Chain) {
		where = fmt.Sprintf("sts (hop %d of %d, %s)", at+1, len(ask.Spec.Chain), ask.Resource)
	}
	switch code {
	case "RequestTimeTooSkewed":
		return clock(err, where)
	case "SignatureDoesNotMatch", "InvalidSignature":
		switch {
		case strings.Contains(msg, "Signature expired"), strings.Contains(msg, "not yet current"), strings.Contains(msg, "Signature not yet"):
			return clock(err, where)
		case strings.Contains(msg, "scoped to"):
			return region(err, ask, msg)
		}
		return sqlerr.New(sqlerr.Denied, "Wrong secret key: %s does not accept the signature of %s", where, who).
			WithHint("the secret key does not belong to the access key, or it was cut or changed when it was copied")
	case "InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKeyId", "InvalidToken":
		return sqlerr.New(sqlerr.Denied, "Unknown access key: %s does not know the key of %s, or it is deactivated or deleted", where, who).
			WithHint("look at the key's status with: aws iam list-access-keys")
	case "ExpiredToken":
		return sqlerr.New(sqlerr.Denied, "Expired credentials: %s says that the session of %s has ended", where, who).
			WithHint("give a new session token, or let lakeport assume the role itself with iam_role_arn")
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraint", "TemporaryRedirect":
		return region(err, ask, msg)
	case "NoSuchBucket":
		return sqlerr.New(sqlerr.NotFound, "No such bucket: %s", bucketOf(err, ask))
	case "AccessDenied", "Forbidden", "AllAccessDisabled", "403":
		return denied(err, ask, who, msg)
	case "KMS.NotFound", "KMS.Disabled", "KMS.KMSInvalidState":
		return sqlerr.New(sqlerr.Denied, "Unusable key: %s on the key of %s: %s", strings.TrimPrefix(code, "KMS."), resourceOf(err, ask), msg).
			WithHint("enable the KMS key, or write the object anew under another one")
	case "Throttling", "ThrottlingException", "SlowDown", "ServiceUnavailable", "InternalError", "InternalFailure", "InternalService", "RequestLimitExceeded", "TooManyRequests", "500", "503":
		return sqlerr.New(sqlerr.Unreachable, "%s did not answer after several tries: %s: %s", where, code, msg).WithHint("try again")
	}
	return nil
}

func denied(err error, ask Ask, who, msg string) *sqlerr.Error {
	action, resource, reason := ask.Action, resourceOf(err, ask), "AWS gives no reason"
	if a, ok := errors.AsType[actioner](err); ok && a.Action() != "" {
		action = a.Action()
	}
	if m := denial.FindStringSubmatch(strings.TrimSpace(msg)); m != nil {
		action = m[2]
		switch {
		case m[3] != "":
			resource = m[3]
		case m[4] != "": // KMS does not name a key that the caller may not see
			resource = "the key of " + resource
		}
		if m[5] != "" {
			reason = shortReason(m[5], action)
		}
	} else if msg != "" && !strings.EqualFold(msg, "Access Denied") && !strings.EqualFold(msg, "Forbidden") {
		reason = msg
	}
	on := ""
	if resource != "" {
		on = " on " + resource
	}
	return sqlerr.New(sqlerr.Denied, "Denied: %s%s as %s: %s", action, on, who, reason)
}

// shortReason turns AWS's clause into lakeport's: "because no identity-based
// policy allows the s3:GetObject action" is "no identity-based policy allows it".
func shortReason(clause, action string) string {
	clause = strings.TrimPrefix(clause, "because ")
	clause = strings.TrimPrefix(clause, "with ")
	return strings.Replace(clause, "allows the "+action+" action", "allows it", 1)
}

func clock(err error, where string) *sqlerr.Error {
	local, server := time.Now().UTC(), time.Time{}
	if c, ok := errors.AsType[clocked](err); ok {
		local, server = c.Clocks()
	}
	if resp, ok := errors.AsType[*awshttp.ResponseError](err); ok && resp.HTTPResponse() != nil {
		if t, terr := time.Parse(time.RFC1123, resp.HTTPResponse().Header.Get("Date")); terr == nil {
			server = t.UTC()
		}
	}
	e := sqlerr.New(sqlerr.Denied, "Clock skew: %s refused the signature's time: this host says %s", where, local.UTC().Format(time.RFC3339))
	if !server.IsZero() {
		off := local.Sub(server).Round(time.Second)
		word := "ahead of"
		if off < 0 {
			off, word = -off, "behind"
		}
		e.Msg += fmt.Sprintf(", AWS says %s: this host is %s %s AWS", server.Format(time.RFC3339), off, word)
	}
	return e.WithHint("set this host's clock (for example with chrony)")
}

var expecting = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

func region(err error, ask Ask, msg string) *sqlerr.Error {
	e := sqlerr.New(sqlerr.Invalid, "Wrong region: %s refused the region %q", ask.Service, ask.Spec.Region)
	right := ""
	if m := expecting.FindStringSubmatch(msg); m != nil {
		right = m[1]
	} else if p, ok := errors.AsType[placed](err); ok {
		right = p.Region()
	}
	if right != "" {
		e.Msg += fmt.Sprintf(": it expects %q", right)
	}
	switch {
	case ask.Clause != "" && right != "":
		return e.WithHint("add %s '%s'", ask.Clause, right)
	case ask.Clause != "":
		return e.WithHint("add %s with the region of the resource", ask.Clause)
	case right != "":
		return e.WithHint("set \"aws.%s.region\" = \"%s\"", ask.Service, right)
	}
	return e.WithHint("set \"aws.%s.region\" to the region of the resource", ask.Service)
}

// resourceOf is the ARN that the failed call was for.
func resourceOf(err error, ask Ask) string {
	if a, ok := errors.AsType[resourcer](err); ok && a.Resource() != "" {
		return a.Resource()
	}
	return ask.Resource
}

func bucketOf(err error, ask Ask) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(resourceOf(err, ask), "arn:aws:s3:::"), "/")
	return name
}

func (r *Resolver) unreachable(err error, ask Ask) *sqlerr.Error {
	what := r.Endpoint(ask.Service, ask.Spec)
	if what == "" {
		what = ask.Service + " in " + ask.Spec.Region
	} else {
		what = ask.Service + " at " + what
	}
	var netErr net.Error
	var urlErr *url.Error
	switch {
	case errors.As(err, &urlErr):
		return sqlerr.New(sqlerr.Unreachable, "Unreachable: %s: %s", what, urlErr.Err).WithHint("look at the endpoint, DNS and network of this host")
	case errors.As(err, &netErr):
		return sqlerr.New(sqlerr.Unreachable, "Unreachable: %s: %s", what, netErr).WithHint("look at the endpoint, DNS and network of this host")
	}
	if s, ok := errors.AsType[statused](err); ok && s.HTTPStatusCode() >= 500 {
		return sqlerr.New(sqlerr.Unreachable, "%s answered HTTP %d", what, s.HTTPStatusCode()).WithHint("try again")
	}
	return nil
}

func (r *Resolver) baseRefused(h *HopError) *sqlerr.Error {
	e := &sqlerr.Error{Kind: sqlerr.Denied, Err: h}
	switch h.Spec.Source {
	case Attached:
		return roleRefused(h, e)
	case InstanceProfile:
		where := h.Endpoint
		if where == "" {
			where = "http://169.254.169.254"
		}
		status := 0
		if s, ok := errors.AsType[statused](h.Err); ok {
			status = s.HTTPStatusCode()
		}
		if status == 404 {
			e.Msg = fmt.Sprintf("No instance profile: the metadata service at %s knows no role of this instance", where)
			e.Hint = "attach an instance profile with a role to the instance"
			return e
		}
		e.Kind = sqlerr.Unreachable
		e.Msg = fmt.Sprintf("No instance metadata service: %s does not answer, so there is no instance profile to use", where)
		if status != 0 {
			e.Msg = fmt.Sprintf("No instance profile: the metadata service at %s answered HTTP %d", where, status)
		}
		e.Hint = "run on an EC2 instance with an instance profile, or use access_key and secret_key"
	case WebIdentity:
		e.Msg = fmt.Sprintf("No web identity: %s", root(h.Err))
		e.Hint = "set AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN in the server's environment, and let the role's trust policy name the provider"
	default:
		e.Msg = fmt.Sprintf("No credentials: the default chain (environment, web identity, profile, container, instance metadata) found none: %s", root(h.Err))
		e.Hint = "set use_instance_profile, or access_key and secret_key"
	}
	return e
}

// root is the innermost error's text: the SDK wraps causes in many layers.
func root(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// expired tells whether AWS refused the session as ended.
func expired(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "ExpiredToken" || api.ErrorCode() == "ExpiredTokenException")
}

// who names the identity after n hops and the one it came from:
// "role s3_assumed_role (from starrocks-ec2)".
func (r *Resolver) who(ctx context.Context, s Spec, n int) string {
	if s.Public && n == 0 && r.unsigned(s) {
		return "anonymous (the default credential chain found no credentials)"
	}
	base := r.baseName(ctx, s)
	if n == 0 {
		return base
	}
	names := make([]string, 0, n)
	for _, h := range s.Chain[:n-1] {
		names = append(names, lastPart(h.RoleARN))
	}
	_, from, ok := strings.Cut(base, " ")
	if !ok {
		from = base
	}
	path := append([]string{from}, names...)
	return fmt.Sprintf("role %s (from %s)", lastPart(s.Chain[n-1].RoleARN), strings.Join(path, " -> "))
}

// unsigned tells whether s asks S3 without a signature.
func (r *Resolver) unsigned(s Spec) bool {
	r.mu.Lock()
	p := r.sessions[s.prefixKey(0)+" public"]
	r.mu.Unlock()
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have && p.creds.Source == anonymous
}

// baseName is "role starrocks-ec2", "user alice" or, where AWS does not even
// say who that is, the source of the credentials.
func (r *Resolver) baseName(ctx context.Context, s Spec) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	arn, err := r.Caller(ctx, s, 0)
	if err != nil {
		if s.Source == Static {
			return "key " + s.Static.AccessKeyID
		}
		return s.Source.String()
	}
	return callerName(arn)
}

func callerName(arn string) string {
	part := arn[strings.LastIndex(arn, ":")+1:]
	switch kind, rest, _ := strings.Cut(part, "/"); kind {
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		return "role " + role
	case "user":
		return "user " + rest[strings.LastIndex(rest, "/")+1:]
	default:
		return part
	}
}

func lastPart(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
