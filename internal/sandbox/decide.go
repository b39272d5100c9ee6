package sandbox

import (
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/world"
)

// May decides one more need of the call and logs the decision. One goroutine
// at a time asks for a call.
func (c *Call) May(n Need) iam.Decision {
	if n.Free {
		c.settle(Judgment{Action: n.Action, Resource: n.Resource.ARN, Decision: effectNames[iam.Allow], Reason: "the action needs no permission"})
		return iam.Decision{Effect: iam.Allow}
	}
	r := iam.Request{Principal: c.Caller.Principal, Action: n.Action, Resource: n.Resource, Context: c.contextFor(n)}
	var guard *iam.Policy
	// The action's own service keeps the policy: S3 asks for a key in the
	// caller's name, STS for a role's trust.
	owner, _, _ := strings.Cut(n.Action, ":")
	if service := c.server.services[owner]; service != nil {
		guard = service.Policy(n.Resource.ARN)
	}
	d := c.server.world.Set(c.who, guard, n.Grants...).Explain(&r)
	c.settle(judge(&r, d))
	return d
}

// Would tells what May would say of a need, were its resource guarded by the
// policy. Nothing is logged.
func (c *Call) Would(n Need, guard *iam.Policy) iam.Effect {
	r := iam.Request{Principal: c.Caller.Principal, Action: n.Action, Resource: n.Resource, Context: c.contextFor(n)}
	return c.server.world.Set(c.who, guard, n.Grants...).Decide(&r)
}

// Note logs a decision that a service makes beside those of IAM, as Lake
// Formation does of its grants. It does not stand in for IAM's.
func (c *Call) Note(action, resource string, allowed bool, reason string) {
	effect := iam.Allow
	if !allowed {
		effect = iam.ImplicitDeny
	}
	if len(c.judgments) < maxJudgments {
		c.judgments = append(c.judgments, Judgment{Action: action, Resource: resource, Decision: effectNames[effect], Reason: reason})
	}
}

// settle keeps a judgment for the log.
func (c *Call) settle(j Judgment) {
	c.decided++
	if len(c.judgments) < maxJudgments {
		c.judgments = append(c.judgments, j)
	}
}

// Denied is the service's error for a need that May refused.
func (c *Call) Denied(n Need, d iam.Decision) *APIError {
	r := iam.Request{Principal: c.Caller.Principal, Action: n.Action, Resource: n.Resource}
	switch speaks(c.Service) {
	case s3Protocol:
		// S3 gives its reasons to callers of the owner's account only (S3
		// User Guide, "Troubleshoot access denied (403 Forbidden) errors").
		if c.who == nil || n.Resource.Account != c.Caller.Principal.Account {
			return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
		}
		return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: d.QuotedMessage(&r)}
	case jsonProtocol:
		return &APIError{Status: http.StatusBadRequest, Code: "AccessDeniedException", Message: d.Message(&r)}
	}
	if r.Principal.Kind == iam.Federated {
		return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Not authorized to perform " + n.Action}
	}
	return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: d.Message(&r)}
}

// contextFor is the condition keys of one need.
func (c *Call) contextFor(n Need) iam.Context {
	if c.context == nil {
		c.context = c.globalContext()
	}
	ctx := make(iam.Context, len(c.context)+len(n.Context)+1)
	maps.Copy(ctx, c.context)
	if n.Resource.Account != "" {
		ctx["aws:resourceaccount"] = []string{n.Resource.Account}
	}
	for k, v := range n.Context {
		ctx[strings.ToLower(k)] = v
	}
	return ctx
}

// globalContext is the keys that do not depend on the service: IAM User Guide,
// "AWS global condition context keys".
func (c *Call) globalContext() iam.Context {
	ctx := iam.Context{}
	set := func(key, value string) { ctx[key] = []string{value} }
	c.Caller.Principal.Identify(ctx)
	for k, v := range c.Caller.Tags {
		set("aws:principaltag/"+strings.ToLower(k), v)
	}
	set("aws:currenttime", c.Now.UTC().Format(time.RFC3339))
	set("aws:epochtime", strconv.FormatInt(c.Now.Unix(), 10))
	set("aws:securetransport", strconv.FormatBool(c.Request.TLS != nil))
	set("aws:viaawsservice", "false")
	set("aws:requestedregion", c.requestedRegion())
	if host, _, err := net.SplitHostPort(c.Request.RemoteAddr); err == nil {
		set("aws:sourceip", host)
	}
	for key, header := range map[string]string{"aws:useragent": "User-Agent", "aws:referer": "Referer"} {
		if v := c.Request.Header.Get(header); v != "" {
			set(key, v)
		}
	}
	if c.who != nil && c.who.Session != nil {
		sessionContext(c.who.Session, set)
	}
	return ctx
}

func sessionContext(t *world.Session, set func(key, value string)) {
	set("aws:tokenissuetime", t.IssuedAt.UTC().Format(time.RFC3339))
	set("aws:multifactorauthpresent", strconv.FormatBool(t.MFA))
	if t.SourceIdentity != "" {
		set("aws:sourceidentity", t.SourceIdentity)
	}
	if t.Provider != "" {
		set("aws:federatedprovider", t.Provider)
	}
	if t.Instance {
		set("ec2:roledelivery", "2.0")
		set("ec2:sourceinstancearn", "arn:aws:ec2:us-east-1:"+t.Account+":instance/"+t.Name)
	}
}

// requestedRegion is the region of the endpoint; IAM has one endpoint, in
// us-east-1, whatever region a client with an endpoint of its own signs for.
func (c *Call) requestedRegion() string {
	if c.Service == "iam" || c.Region == "aws-global" {
		return "us-east-1"
	}
	return c.Region
}
