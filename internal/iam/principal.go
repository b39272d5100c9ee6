package iam

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// grant is how a statement's principal element reached the caller. What it is
// worth depends on it: IAM User Guide, "Determining whether a request is
// allowed or denied within an account".
type grant uint8

const (
	anyone      grant = 1 << iota // "*", or a policy that names no principals
	itself                        // the user, the session, the root user, the service or the provider
	throughRole                   // the role whose session the caller is
	delegated                     // the caller's account: its own policies must allow too
	all         grant = 1<<iota - 1
)

// principals is a compiled Principal or NotPrincipal element.
type principals struct {
	refs []PrincipalRef
	not  bool
}

// accountOf is the account that an account id or the ARN of its root user
// stands for, "" for any other principal.
func accountOf(value string) string {
	if len(value) == 12 && strings.Trim(value, "0123456789") == "" {
		return value
	}
	rest, ok := strings.CutSuffix(value, ":root")
	if !ok || !strings.HasPrefix(rest, "arn:") {
		return ""
	}
	if i := strings.Index(rest, ":iam::"); i >= 0 && accountOf(rest[i+6:]) == rest[i+6:] {
		return rest[i+6:]
	}
	return ""
}

// compilePrincipals replaces account principals by the bare account id, so
// that matching compares strings only.
func compilePrincipals(refs []PrincipalRef, not bool) principals {
	out := principals{refs: make([]PrincipalRef, len(refs)), not: not}
	copy(out.refs, refs)
	for i := range out.refs {
		r := &out.refs[i]
		if r.Kind == "AWS" {
			if a := accountOf(r.Value); a != "" {
				r.Value = a
			}
			if r.Value == "*" {
				r.Kind = "*"
			}
		}
	}
	return out
}

// named is every way in which the element's list names p.
func (ps *principals) named(p *Principal) (g grant) {
	for i := range ps.refs {
		g |= ps.refs[i].names(p)
	}
	return g
}

func (r *PrincipalRef) names(p *Principal) grant {
	v := r.Value
	switch r.Kind {
	case "*":
		return anyone
	case "Service":
		if p.Kind == Service && v == p.ARN {
			return itself
		}
	case "Federated":
		if p.Kind == Federated && v == p.ARN {
			return itself
		}
	case "AWS":
		switch {
		case v == "" || p.Kind == Anonymous || p.Kind == Service || p.Kind == Federated:
		case v == p.Account:
			if p.Kind == Root {
				return itself | delegated
			}
			return delegated
		case v == p.ARN || p.Kind == User && v == p.ID:
			return itself
		case p.Kind == Role && (v == p.RoleARN || v == p.RoleID):
			return throughRole
		}
	}
	return 0
}

// reach is how the element applies to p in a statement; 0 if it does not.
func (ps *principals) reach(p *Principal, deny, bounded bool) grant {
	g := ps.named(p)
	if !ps.not {
		return g
	}
	if deny && !ps.exempts(g, p, bounded) || !deny && g == 0 {
		return anyone
	}
	return 0
}

// exempts tells whether a Deny with NotPrincipal spares p. It does only if
// everything that p is, is listed: account, role and session, or account and
// user; and never a principal with a permissions boundary (IAM User Guide,
// "AWS JSON policy elements: NotPrincipal").
func (ps *principals) exempts(g grant, p *Principal, bounded bool) bool {
	switch {
	case g&anyone != 0:
		return true
	case p.Kind == User:
		return !bounded && g&itself != 0 && g&delegated != 0
	case p.Kind == Role:
		return !bounded && g&itself != 0 && g&throughRole != 0 && g&delegated != 0
	}
	return g&itself != 0
}

// Principals lists the principals that the document names, in its order,
// those of NotPrincipal included.
func (d *Document) Principals() []PrincipalRef {
	var list []PrincipalRef
	for i := range d.Statements {
		list = append(list, d.Statements[i].Principal...)
		list = append(list, d.Statements[i].NotPrincipal...)
	}
	return list
}

// RewritePrincipals gives a copy of the document in which every principal is
// replaced by what f says, in place within the text as written. f gets the
// kind and value of each but "*" and gives the value back to keep it; where it
// says false, the value is left and told in unknown. Services store the unique ids of users and roles in this
// way, and give ARNs back (IAM User Guide, "AWS JSON policy elements:
// Principal").
func (d *Document) RewritePrincipals(f func(kind, value string) (string, bool)) (out *Document, unknown []string) {
	var b strings.Builder
	last := 0
	refs := d.Principals()
	slices.SortFunc(refs, func(a, b PrincipalRef) int { return cmp.Compare(a.at, b.at) })
	for _, r := range refs {
		if r.Value == "*" {
			continue
		}
		v, ok := f(r.Kind, r.Value)
		if !ok {
			unknown = append(unknown, r.Value)
			continue
		}
		b.WriteString(d.text[last:r.at])
		quoted, err := json.Marshal(v)
		if err != nil {
			panic("iam: a string does not marshal: " + err.Error())
		}
		b.Write(quoted)
		last = r.end
	}
	b.WriteString(d.text[last:])
	out, err := Parse([]byte(b.String()))
	if err != nil {
		panic("iam: a rewritten document does not parse: " + err.Error())
	}
	return out, unknown
}

// Valid tells whether the value has the form of a principal of its kind. It
// does not tell whether the principal exists.
func (r PrincipalRef) Valid() bool {
	v := r.Value
	switch r.Kind {
	case "*":
		return true
	case "AWS":
		a := splitARN(v)
		switch {
		case v == "*" || accountOf(v) != "" || isUniqueID(v):
			return true
		case !a.ok || a.parts[0] != "arn" || !validPartition(a.parts[1]) || a.parts[3] != "" || accountOf(a.parts[4]) != a.parts[4] ||
			a.parts[4] == "" || strings.ContainsAny(v, "*?"):
			return false
		case a.parts[2] == "iam":
			return named(a.parts[5], "user/") || named(a.parts[5], "role/")
		}
		return a.parts[2] == "sts" && (named(a.parts[5], "federated-user/") ||
			named(a.parts[5], "assumed-role/") && strings.Count(a.parts[5], "/") == 2 && !strings.HasSuffix(a.parts[5], "/"))
	case "Service":
		return strings.Contains(v, ".amazonaws.com")
	case "Federated":
		a := splitARN(v)
		return a.ok && a.parts[2] == "iam" && (named(a.parts[5], "oidc-provider/") || named(a.parts[5], "saml-provider/")) ||
			!a.ok && strings.Contains(v, ".")
	case "CanonicalUser":
		return len(v) == 64 && strings.Trim(v, "0123456789abcdef") == ""
	}
	return false
}

// named tells whether s has something after the prefix.
func named(s, prefix string) bool { return strings.HasPrefix(s, prefix) && len(s) > len(prefix) }

// isUniqueID tells a user's or role's unique id, as it stands in a stored
// document once the principal is gone.
func isUniqueID(s string) bool {
	return len(s) >= 16 && (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// Identify writes the condition keys that follow from the principal alone:
// IAM User Guide, "AWS global condition context keys", properties of the
// principal. Tags and session facts are the caller's to add.
func (p *Principal) Identify(ctx Context) {
	set := func(key, value string) {
		if value != "" {
			ctx[key] = []string{value}
		}
	}
	set("aws:principalaccount", p.Account)
	set("aws:userid", p.ID)
	arn := p.ARN
	switch p.Kind {
	case Root:
		set("aws:principaltype", "Account")
	case User:
		set("aws:principaltype", "User")
		if strings.Contains(p.ARN, ":user/") { // not that of a federated user
			set("aws:username", p.ARN[strings.LastIndexByte(p.ARN, '/')+1:])
		}
	case Role:
		set("aws:principaltype", "AssumedRole")
		arn = p.RoleARN
	case Anonymous:
		set("aws:principaltype", "Anonymous")
		set("aws:userid", "anonymous")
	case Federated:
		set("aws:federatedprovider", p.ARN)
		arn = ""
	case Service:
		set("aws:principalservicename", p.ARN)
		arn = ""
	}
	set("aws:principalarn", arn)
	ctx["aws:principalisawsservice"] = []string{"false"}
	if p.Kind == Service {
		ctx["aws:principalisawsservice"] = []string{"true"}
	}
}
