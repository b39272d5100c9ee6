package iam

import (
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
)

// Reason is why a decision came out as it did.
type Reason uint8

// The reasons. The No… reasons are implicit denials, by the kind of policy
// that should have allowed.
const (
	NoIdentityAllow Reason = iota
	NoBoundaryAllow
	NoSessionAllow
	NoResourceAllow
	NoTrustAllow
	NoKeyAllow
	NoServiceControlAllow
	NoResourceControlAllow
	DeniedExplicitly
	AllowedByIdentity
	AllowedByResource
	AllowedByBoth // across accounts: caller's and resource's side
	AllowedAsRoot
	AllowedByGrant // of a KMS key
)

// Decision is why a request is allowed or denied. The zero value is an
// implicit denial for want of an identity-based policy.
type Decision struct {
	Effect Effect
	Reason Reason
	Kind   PolicyKind // the kind of policy that decided, by allowing, denying or its silence
	By     *Match     // the statement that decided; nil where silence or being root did
	// Matched is every statement that applied, allow and deny.
	Matched []Match
	// Missed is the statements that cover the action but fail in one element:
	// principal, resource or conditions.
	Missed []Match
	// Missing is the condition keys and variables, as written, that statements
	// over this action use and the request does not have; sorted.
	Missing []string
}

// Match is one statement's part in a decision.
type Match struct {
	Kind       PolicyKind
	Policy     string // its name, as in Policy.Name
	ARN        string // of a managed policy
	Level      int    // of the organization, from 0, for control policies
	Sid        string
	Index      int // of the statement in its document, from 0
	Deny       bool
	Start, End sqlerr.Pos // of the statement in its document
	Failed     []Failure  // why a missed statement does not apply

	grant grant
}

// Failure is one thing that a statement wants and the request has not. Element
// is "Principal", "Resource" or a condition operator as written; Key is set
// for conditions only. An empty Found means that the key is absent.
type Failure struct {
	Element string
	Key     string
	Want    []string
	Found   []string
	// Unknown says that the operator is none of AWS's.
	Unknown bool
}

// note records a statement that covers the action.
func (d *Decision) note(l *layer, r *rule, q *query, who grant, applies bool) {
	r.missing(q.r.Context, func(key string) { d.Missing = append(d.Missing, key) })
	m := Match{Kind: l.kind, Policy: r.policy.Name, ARN: r.policy.ARN, Level: l.level,
		Sid: r.source.Sid, Index: r.index, Deny: r.deny, Start: r.source.Start, End: r.source.End, grant: who}
	if applies {
		d.Matched = append(d.Matched, m)
		return
	}
	elements := 0
	if who == 0 {
		elements++
		m.Failed = append(m.Failed, r.principalFailure(&q.r.Principal))
	}
	if !r.on(q) {
		elements++
		m.Failed = append(m.Failed, Failure{Element: element("Resource", r.notResource),
			Want: texts(slices.Concat(r.source.Resource, r.source.NotResource)), Found: []string{q.r.Resource.ARN}})
	}
	if !r.met(q.r.Context) {
		elements++
		m.Failed = append(m.Failed, r.conditionFailures(q.r.Context)...)
	}
	if elements == 1 {
		d.Missed = append(d.Missed, m)
	}
}

func element(name string, not bool) string {
	if not {
		return "Not" + name
	}
	return name
}

func texts(values []Value) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.Text
	}
	return list
}

func (r *rule) principalFailure(p *Principal) Failure {
	f := Failure{Element: element("Principal", r.who.not)}
	for _, ref := range slices.Concat(r.source.Principal, r.source.NotPrincipal) {
		f.Want = append(f.Want, ref.Value)
	}
	if p.Kind == Anonymous {
		f.Found = []string{"anonymous"}
	}
	for _, name := range []string{p.ARN, p.ID, p.RoleARN, p.RoleID, p.Account} {
		if name != "" && !slices.Contains(f.Found, name) {
			f.Found = append(f.Found, name)
		}
	}
	return f
}

func (r *rule) conditionFailures(ctx Context) []Failure {
	var list []Failure
	if r.never {
		for i := range r.source.Conditions {
			c := &r.source.Conditions[i]
			if _, _, _, known := parseOperator(c.Operator); !known {
				list = append(list, Failure{Element: c.Operator, Key: c.Key, Want: texts(c.Values),
					Found: slices.Clone(ctx[strings.ToLower(c.Key)]), Unknown: true})
			}
		}
		return list
	}
	for i := range r.conditions {
		if c := &r.conditions[i]; !c.holds(ctx) {
			list = append(list, Failure{Element: c.source.Operator, Key: c.source.Key,
				Want: texts(c.source.Values), Found: slices.Clone(ctx[c.key])})
		}
	}
	return list
}

// missing calls f with each condition key and variable that ctx lacks.
func (r *rule) missing(ctx Context, f func(key string)) {
	r.source.contextKeys(r.policy.Document.Version == version2012, func(key string) {
		if _, ok := ctx[strings.ToLower(key)]; !ok {
			f(key)
		}
	})
}

// finish picks the statement that decided.
func (d *Decision) finish(r *Request) {
	d.Missing = sortedKeys(d.Missing)
	if d.Effect == ImplicitDeny || d.Reason == AllowedAsRoot {
		return
	}
	enough := all
	if d.Reason == AllowedByResource && (r.Principal.Kind == User || r.Principal.Kind == Role || r.Principal.Kind == Root) {
		enough = anyone | itself | throughRole
	}
	for i := range d.Matched {
		m := &d.Matched[i]
		if m.Kind == d.Kind && m.Deny == (d.Effect == ExplicitDeny) && m.grant&enough != 0 {
			d.By = m
			return
		}
	}
}

// Short is the reason in lakeport's own words, without the action:
// "no identity-based policy allows it".
func (d Decision) Short() string {
	switch d.Reason {
	case DeniedExplicitly:
		return "explicit deny in " + d.place()
	case AllowedByIdentity:
		return "allowed by " + d.place()
	case AllowedByResource, AllowedByGrant:
		return "allowed by " + d.place()
	case AllowedByBoth:
		return "allowed by the caller's account and " + d.place()
	case AllowedAsRoot:
		return "allowed as the account's root user"
	}
	return "no " + d.Kind.String() + " allows it"
}

// place names the policy that decided for Short.
func (d Decision) place() string {
	name := d.Kind.String()
	if d.By == nil {
		return "a " + name
	}
	switch {
	case d.Kind == ResourcePolicy && strings.Contains(d.By.Policy, ":s3:"):
		return "the bucket policy"
	case d.Kind == TrustPolicy || d.Kind == KeyPolicy || d.By.Policy == "":
		return "the " + name
	}
	return "the " + name + " " + d.By.Policy
}

// String is the effect as the policy simulator names it.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allowed"
	case ExplicitDeny:
		return "explicitDeny"
	}
	return "implicitDeny"
}

// String is the kind in AWS's words: "identity-based policy".
func (k PolicyKind) String() string {
	switch k {
	case IdentityPolicy:
		return "identity-based policy"
	case ResourcePolicy:
		return "resource-based policy"
	case TrustPolicy:
		return "role trust policy"
	case KeyPolicy:
		return "key policy"
	case Boundary:
		return "permissions boundary"
	case SessionPolicy:
		return "session policy"
	case ServiceControl:
		return "service control policy"
	case ResourceControl:
		return "resource control policy"
	case KeyGrant:
		return "grant"
	}
	return "policy"
}

// Denial is the reason as AWS words it at the end of a message: IAM User
// Guide, "Troubleshoot access denied error messages". It is empty for an
// allowed request.
func (d Decision) Denial(r *Request) string {
	switch d.Effect {
	case Allow:
		return ""
	case ExplicitDeny:
		s := "with an explicit deny in " + d.Kind.article()
		// Assumed: the ARN of the denying policy is told within an account,
		// as AWS has been seen to do since 2026.
		if d.By != nil && d.By.ARN != "" && (r.Resource.Account == "" || r.Resource.Account == r.Principal.Account) {
			s += ": " + d.By.ARN
		}
		return s
	}
	kind := d.Kind
	if kind == KeyPolicy {
		kind = ResourcePolicy
	}
	return "because no " + kind.String() + " allows the " + r.Action + " action"
}

// article is the kind as denial texts of an explicit deny have it.
func (k PolicyKind) article() string {
	switch k {
	case IdentityPolicy:
		return "an identity-based policy"
	case TrustPolicy:
		return "the role trust policy"
	case KeyPolicy:
		return "a resource-based policy"
	}
	return "a " + k.String()
}

// Message is the whole text of AWS's access denied errors. The resource is
// left out where the action has none (ARN "*" or empty).
func (d Decision) Message(r *Request) string { return d.message(r, "") }

// QuotedMessage is Message as S3 writes it, the resource in double quotes.
func (d Decision) QuotedMessage(r *Request) string { return d.message(r, `"`) }

func (d Decision) message(r *Request, quote string) string {
	who := r.Principal.ARN
	if who == "" {
		who = "anonymous"
	}
	s := "User: " + who + " is not authorized to perform: " + r.Action
	if r.Resource.ARN != "" && r.Resource.ARN != "*" {
		s += " on resource: " + quote + r.Resource.ARN + quote
	}
	return s + " " + d.Denial(r)
}
