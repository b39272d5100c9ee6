package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
	"lakeport/internal/secret"
)

// caller is who a Spec is after some of its hops.
type caller struct {
	iam.Principal
	err       error // AWS does not say who that is
	anonymous bool
}

// name is the ARN to tell: of a session, its role's.
func (c *caller) name() string {
	switch {
	case c.anonymous:
		return "anonymous"
	case c.Kind == iam.Role:
		return c.RoleARN
	}
	return c.ARN
}

// callerOf finds out who s is after its first n hops. AWS is asked for the base
// identity only, which needs no permission; a role is who the chain says.
func (e *Exam) callerOf(ctx context.Context, s awsauth.Spec, n int) *caller {
	if n > 0 {
		hop := s.Chain[n-1]
		id := accountOf(hop.RoleARN)
		name := lastPart(hop.RoleARN)
		partition := strings.SplitN(hop.RoleARN, ":", 3)[1]
		return &caller{Principal: iam.Principal{Kind: iam.Role, Account: id, RoleARN: hop.RoleARN,
			ARN: "arn:" + partition + ":sts::" + id + ":assumed-role/" + name + "/" + sessionName(hop)}}
	}
	if s.Source == awsauth.Attached && s.Role != awsauth.DefaultRole {
		return e.callerOf(ctx, awsauth.Spec{Chain: []awsauth.Hop{{RoleARN: s.Role, SessionName: s.User}}}, 1)
	}
	key := s.Base().Key()
	if c := e.callers[key]; c != nil {
		return c
	}
	arn, err := e.o.Resolver.Caller(ctx, s, 0)
	c := &caller{err: err}
	e.callers[key] = c
	if hop, ok := errors.AsType[*awsauth.HopError](err); ok && hop.Nothing && s.Public {
		return &caller{anonymous: true}
	}
	if err != nil {
		return c
	}
	c.Principal = principal(arn)
	if !e.named {
		if _, known := e.readers[c.Account]; !known {
			e.readers[c.Account] = s.Base()
		}
	}
	return c
}

// principal reads the ARN that GetCallerIdentity gives.
func principal(arn string) iam.Principal {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return iam.Principal{ARN: arn}
	}
	p := iam.Principal{Account: parts[4], ARN: arn}
	kind, rest, _ := strings.Cut(parts[5], "/")
	switch {
	case parts[5] == "root":
		p.Kind, p.ID = iam.Root, p.Account
	case kind == "user":
		p.Kind = iam.User
	case kind == "assumed-role":
		p.Kind = iam.Role
		name, _, _ := strings.Cut(rest, "/")
		p.RoleARN = "arn:" + parts[1] + ":iam::" + p.Account + ":role/" + name // without its path, until the account is read
	}
	return p
}

// evidence is all that decides one request.
type evidence struct {
	request  iam.Request
	policies iam.Policies
	guarded  string // what the resource's policy is attached to, where that is not the resource
	unread   string // a document that may decide otherwise
}

// judge decides one request of s after its first n hops.
func (e *Exam) judge(ctx context.Context, s awsauth.Spec, n int, r iam.Request) Step {
	return e.judgeAs(ctx, *e.callerOf(ctx, s, n), s, n, r)
}

func (e *Exam) judgeAs(ctx context.Context, who caller, s awsauth.Spec, n int, r iam.Request) Step {
	r.Resource = owned(r.Resource, who.Account)
	step := Step{Principal: who.name(), Action: r.Action, Resource: r.Resource.ARN, Answer: Unknown}
	if n == 0 && who.err != nil {
		step.Principal, step.Reason = s.Source.String(), "AWS does not say who that is"
		return step
	}
	ev := &evidence{request: r}
	e.identify(ctx, &who, ev)
	step.Principal = who.name()
	ev.request.Principal = who.Principal
	e.guard(ctx, s, ev)
	ev.request.Context = e.conditions(ctx, s, n, &who, ev)
	decision := iam.Compile(ev.policies).Explain(&ev.request)
	unsettled := unsettled(decision)
	if who.Kind == iam.Service && unsettled == "" { // what the service passes, it alone knows
		unsettled = strings.Join(decision.Missing, ", ")
	}
	switch {
	case decision.Effect == iam.ExplicitDeny && unsettled == "":
		step.Answer, step.Reason = Denied, reason(decision, &ev.request)
	case ev.unread != "":
		step.Reason = ev.unread
	case unsettled != "":
		step.Reason = "it hangs on " + unsettled
	case hangsOnName(&ev.policies, &ev.request, decision):
		step.Reason = "it hangs on the names that are made as the statement runs, which policies tell apart"
	case decision.Effect == iam.Allow:
		step.Answer, step.Reason = Allowed, reason(decision, &ev.request)
	default:
		var reasons []string
		step.Answer = Denied
		reasons, step.Fixes = mend(ev, decision)
		step.Reason = strings.Join(reasons, "; and ")
	}
	return step
}

// owned fills in the caller's account where an ARN leaves it empty.
func owned(r iam.Resource, id string) iam.Resource {
	parts := strings.SplitN(r.ARN, ":", 6)
	if len(parts) == 6 && parts[2] != "s3" {
		if parts[4] == "" {
			parts[4] = id
		}
		r.ARN, r.Account = strings.Join(parts, ":"), parts[4]
	}
	return r
}

// identify adds the caller's own policies.
func (e *Exam) identify(ctx context.Context, who *caller, ev *evidence) {
	if who.anonymous || who.Kind == iam.Root || who.Kind == iam.Service {
		return
	}
	a := e.account(ctx, who.Account)
	var h *holder
	switch who.Kind {
	case iam.User:
		h = a.users[lastPart(who.ARN)]
	case iam.Role:
		h = a.roles[lastPart(who.RoleARN)]
	}
	switch {
	case a.unread != "":
		ev.unread = "the policies of " + who.name() + " cannot be read: " + a.unread
		return
	case h == nil:
		ev.unread = "account " + who.Account + " has no " + who.name()
		return
	case h.unread != "":
		ev.unread = h.unread
	}
	if who.Kind == iam.Role {
		_, session, _ := strings.Cut(strings.SplitN(who.ARN, ":", 6)[5], "/")
		_, session, _ = strings.Cut(session, "/")
		who.RoleARN, who.RoleID, who.ID = h.arn, h.id, h.id+":"+session
	} else {
		who.ID = h.id
	}
	ev.policies.Identity, ev.policies.Boundary = h.identity, h.boundary
}

// guard adds the policy of the resource.
func (e *Exam) guard(ctx context.Context, s awsauth.Spec, ev *evidence) {
	r := &ev.request.Resource
	service, _, _ := strings.Cut(ev.request.Action, ":")
	unread := ""
	switch service {
	case "s3":
		name, _, _ := strings.Cut(strings.TrimPrefix(r.ARN, "arn:aws:s3:::"), "/")
		g := e.bucket(ctx, name, s.Region)
		r.Account, ev.policies.Resource, unread = g.owner, g.policy, g.unread
		ev.guarded = "arn:aws:s3:::" + name
	case "glue":
		g := e.catalog(ctx, strings.SplitN(r.ARN, ":", 6)[3], r.Account)
		ev.policies.Resource, unread = g.policy, g.unread
		ev.guarded = "arn:aws:glue:" + strings.SplitN(r.ARN, ":", 6)[3] + ":" + r.Account + ":catalog"
	case "sts":
		a := e.account(ctx, r.Account)
		h := a.roles[lastPart(r.ARN)]
		switch {
		case a.unread != "":
			unread = "the trust policy of " + r.ARN + " cannot be read: " + a.unread
		case h == nil || h.arn != r.ARN:
			ev.policies.Resource = &iam.Policy{Kind: iam.TrustPolicy, Name: r.ARN}
			unread = "account " + r.Account + " has no role " + r.ARN
		default:
			ev.policies.Resource = h.trust
		}
	case "kms":
		g := e.key(ctx, r.ARN)
		ev.policies.Resource, unread = g.policy, g.unread
	case "s3tables":
		g := e.tablePolicy(ctx, &ev.request)
		ev.policies.Resource, unread = g.policy, g.unread
		ev.guarded, _, _ = strings.Cut(r.ARN, "/table/")
	case "lakeformation": // has no policies of its own
	case "rds-db":
		if strings.Contains(r.ARN, ":dbuser:*/") {
			unread = "the database's resource id is not told: give aws.rds.resource_id"
		}
	default:
		unread = "the policies of " + service + " are not read"
	}
	if ev.unread == "" {
		ev.unread = unread
	}
}

// conditions are the condition keys that the call will have, as far as they are
// known before it is made (IAM User Guide, "AWS global condition context keys").
func (e *Exam) conditions(ctx context.Context, s awsauth.Spec, n int, who *caller, ev *evidence) iam.Context {
	keys := iam.Context{}
	for k, v := range ev.request.Context {
		keys[k] = v
	}
	who.Identify(keys)
	set := func(key, value string) { keys[key] = []string{value} }
	if who.Kind == iam.Role {
		set("aws:multifactorauthpresent", "false")
		if h := e.account(ctx, who.Account).roles[lastPart(who.RoleARN)]; h != nil {
			for k, v := range h.tags {
				set("aws:principaltag/"+strings.ToLower(k), v)
			}
		}
		for i := range n {
			for _, t := range s.Chain[i].Tags {
				if i == n-1 { // tags of earlier sessions are not passed on
					set("aws:principaltag/"+strings.ToLower(t.Key), t.Value)
				}
			}
		}
	} else if h := e.account(ctx, who.Account).users[lastPart(who.ARN)]; who.Kind == iam.User && h != nil {
		for k, v := range h.tags {
			set("aws:principaltag/"+strings.ToLower(k), v)
		}
	}
	service, _, _ := strings.Cut(ev.request.Action, ":")
	region := s.Region
	if service == "sts" && n < len(s.Chain) && s.Chain[n].STSRegion != "" {
		region = s.Chain[n].STSRegion
	}
	now := e.o.Now().UTC()
	set("aws:requestedregion", region)
	set("aws:currenttime", now.Format(time.RFC3339))
	set("aws:epochtime", strconv.FormatInt(now.Unix(), 10))
	set("aws:viaawsservice", "false")
	set("aws:securetransport", strconv.FormatBool(!strings.HasPrefix(e.o.Resolver.Endpoint(service, s), "http://")))
	if ev.request.Resource.Account != "" {
		set("aws:resourceaccount", ev.request.Resource.Account)
	}
	if service == "s3" {
		set("s3:resourceaccount", ev.request.Resource.Account)
		if !who.anonymous {
			set("s3:signatureversion", "AWS4-HMAC-SHA256")
			set("s3:authtype", "REST-HEADER")
		}
	}
	return keys
}

// settled are the keys whose absence is known; a colon or slash at the end
// stands for all that begin so.
var settled = []string{"sts:externalid", "sts:sourceidentity", "aws:requesttag/", "aws:tagkeys", "aws:principaltag/", "aws:username", "aws:calledvia",
	"aws:multifactorauthpresent", "aws:multifactorauthage", "s3:prefix", "s3:delimiter", "s3:versionid", "s3:x-amz-", "aws:principalservicename", "aws:sourcearn", "aws:sourceaccount", "aws:federatedprovider"}

// unsettled names the keys that statements about the action ask for and only
// the call itself has.
func unsettled(d iam.Decision) string {
	var keys []string
	for _, key := range d.Missing {
		low := strings.ToLower(key)
		if !slices.ContainsFunc(settled, func(k string) bool {
			return low == k || strings.HasSuffix(k, "/") && strings.HasPrefix(low, k) || strings.HasSuffix(k, "-") && strings.HasPrefix(low, k)
		}) {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
}

// reason says why, and of a refusal which statement comes closest.
func reason(d iam.Decision, r *iam.Request) string {
	if d.Effect == iam.Allow {
		if d.By == nil {
			return "the account's root user may"
		}
		return "allowed by " + statement(d.By)
	}
	if d.Effect == iam.ExplicitDeny {
		return "explicitly denied by " + statement(d.By)
	}
	kind := d.Kind.String()
	text := "no " + kind + " allows it"
	for _, m := range d.Missed {
		if m.Deny || m.Kind != d.Kind {
			continue
		}
		for _, f := range m.Failed {
			text += "; " + statement(&m) + " wants " + wanted(f)
		}
	}
	return text
}

// wanted says what a statement wants and the call has not. External ids are
// shared secrets: that they differ is told, what they are is not.
func wanted(f iam.Failure) string {
	want, found := strings.Join(f.Want, " or "), strings.Join(f.Found, ", ")
	if strings.EqualFold(f.Key, "sts:ExternalId") {
		want = secret.Mask
		if found != "" {
			found = "another"
		}
	}
	if found == "" {
		found = "none"
	}
	return strings.TrimSpace(f.Element+" "+f.Key) + " " + want + ", found " + found
}

// statement names a statement by its Sid or its number.
func statement(m *iam.Match) string {
	if m == nil {
		return "a policy"
	}
	which := "statement " + strconv.Itoa(m.Index+1)
	if m.Sid != "" {
		which += " (" + m.Sid + ")"
	}
	return which + " of " + m.Kind.String() + " " + m.Policy
}

// mend gives the statements that let a refused request pass, one for each side
// that is silent, by adding them and asking again; and why each is wanted. What
// no statement should mend, a condition that the call does not meet, is told as
// a reason and ends the list.
func mend(ev *evidence, d iam.Decision) (reasons []string, fixes []Fix) {
	p := ev.policies
	for d.Effect != iam.Allow && len(reasons) <= int(iam.KeyGrant) {
		reasons = append(reasons, reason(d, &ev.request))
		to, kind := whose(ev, d)
		if to == "" || d.Effect == iam.ExplicitDeny || conditional(d) {
			return reasons, fixes
		}
		text := allow(&ev.request, d.Reason)
		doc, err := iam.Parse([]byte(text))
		if err != nil {
			panic("doctor: a policy does not parse: " + err.Error())
		}
		fixes = append(fixes, Fix{To: to, Policy: text})
		switch kind {
		case iam.IdentityPolicy:
			p.Identity = append(slices.Clone(p.Identity), iam.Policy{Kind: kind, Document: doc})
		case iam.Boundary:
			p.Boundary = with(p.Boundary, kind, doc)
		default:
			p.Resource = with(p.Resource, kind, doc)
		}
		d = iam.Compile(p).Explain(&ev.request)
	}
	return reasons, fixes
}

// whose is the policy that is silent, "" where nobody can add to it.
func whose(ev *evidence, d iam.Decision) (to string, kind iam.PolicyKind) {
	r := &ev.request
	switch d.Reason {
	case iam.NoIdentityAllow:
		return "the identity-based policies of " + arnOf(&r.Principal), iam.IdentityPolicy
	case iam.NoBoundaryAllow:
		return "the permissions boundary " + ev.policies.Boundary.ARN, iam.Boundary
	case iam.NoTrustAllow:
		return "the trust policy of " + r.Resource.ARN, iam.TrustPolicy
	case iam.NoKeyAllow:
		return "the key policy of " + r.Resource.ARN, iam.KeyPolicy
	case iam.NoResourceAllow:
		guarded := r.Resource.ARN
		if ev.guarded != "" {
			guarded = ev.guarded
		}
		return "the resource-based policy of " + guarded, iam.ResourcePolicy
	}
	return "", 0
}

// conditional tells whether a statement is there that allows the call but for
// its conditions.
func conditional(d iam.Decision) bool {
	for _, m := range d.Missed {
		if !m.Deny && m.Kind == d.Kind && len(m.Failed) > 0 && m.Failed[0].Key != "" {
			return true
		}
	}
	return false
}

// with is a policy with the statements of another document.
func with(p *iam.Policy, kind iam.PolicyKind, doc *iam.Document) *iam.Policy {
	out := iam.Policy{Kind: kind, Document: doc}
	if p != nil && p.Document != nil {
		out.Name, out.ARN = p.Name, p.ARN
		out.Document = &iam.Document{Version: doc.Version, Statements: slices.Concat(p.Document.Statements, doc.Statements)}
	}
	return &out
}

// arnOf is the ARN to write into a policy.
func arnOf(p *iam.Principal) string {
	if p.Kind == iam.Role {
		return p.RoleARN
	}
	return p.ARN
}

// allow words the smallest document that allows the request.
func allow(r *iam.Request, why iam.Reason) string {
	who := arnOf(&r.Principal)
	type words struct {
		Effect    string
		Principal map[string]string `json:",omitempty"`
		Action    string
		Resource  string `json:",omitempty"`
	}
	st := words{Effect: "Allow", Action: r.Action, Resource: r.Resource.ARN}
	switch why {
	case iam.NoTrustAllow:
		kind := "AWS"
		if r.Principal.Kind == iam.Service {
			kind = "Service"
		}
		st.Resource, st.Principal = "", map[string]string{kind: who}
	case iam.NoKeyAllow:
		st.Resource, st.Principal = "*", map[string]string{"AWS": who}
	case iam.NoResourceAllow:
		st.Principal = map[string]string{"AWS": who}
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []words
	}{"2012-10-17", []words{st}})
	if err != nil {
		panic("doctor: a policy does not marshal: " + err.Error())
	}
	return string(text)
}
