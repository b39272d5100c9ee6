package iam

import (
	"slices"
	"strings"
)

// bucketStatement checks one statement as S3 does: Amazon S3 User Guide,
// "Policies and permissions in Amazon S3".
func (v *validator) bucketStatement(s *Statement) {
	const invalidJSON = "This policy contains invalid Json"
	if s.Effect != "Allow" && s.Effect != "Deny" {
		v.fail(s.effectAt, "Invalid effect: "+s.Effect, `Effect is "Allow" or "Deny"`) // Assumed: the text
	}
	if s.Principal != nil && s.NotPrincipal != nil || s.Action != nil && s.NotAction != nil || s.Resource != nil && s.NotResource != nil {
		v.fail(s.at, invalidJSON, "the statement has an element and its Not form; keep one")
	}
	v.operators(s, invalidJSON) // Assumed: the text
	who := slices.Concat(s.Principal, s.NotPrincipal)
	if len(who) == 0 {
		v.fail(s.at, "Missing required field Principal", `say for whom: "Principal": {"AWS": "arn:..."}`)
	}
	for _, p := range who {
		if !p.Valid() {
			v.fail(p.at, "Invalid principal in policy", "%s principal %q", p.Kind, p.Value)
		}
	}
	actions, resources := slices.Concat(s.Action, s.NotAction), slices.Concat(s.Resource, s.NotResource)
	if len(actions) == 0 {
		v.fail(s.at, "Missing required field Action", "the statement has neither Action nor NotAction")
	}
	for _, a := range actions {
		if _, name, _ := strings.Cut(a.Text, ":"); a.Text != "*" && (!strings.EqualFold(a.Text, "s3:"+name) || name == "") {
			v.fail(a.at, "Policy has invalid action", "action %q is none of S3's", a.Text)
		}
	}
	if len(resources) == 0 {
		v.fail(s.at, "Missing required field Resource", "the statement has neither Resource nor NotResource")
	}
	for _, r := range resources {
		if a := splitARN(r.Text); r.Text != "*" && (!a.ok || a.parts[0] != "arn" || !validPartition(a.parts[1]) || a.parts[2] != "s3" || a.parts[5] == "") {
			v.fail(r.at, "Policy has invalid resource", "resource %q is no bucket nor object", r.Text)
		}
	}
	if s.Action != nil && s.Resource != nil {
		v.bucketLevels(s)
	}
}

// bucketLevels refuses an action that none of the statement's resources can
// be meant for: one on objects where only buckets are named, or the reverse.
func (v *validator) bucketLevels(s *Statement) {
	var buckets, objects bool
	for _, r := range s.Resource {
		path := splitARN(r.Text).parts[5]
		bucket, _, isObject := strings.Cut(path, "/")
		buckets = buckets || !isObject || r.Text == "*"
		objects = objects || isObject || r.Text == "*" || strings.HasSuffix(bucket, "*")
	}
	for _, a := range s.Action {
		name := strings.ToLower(a.Text)
		if strings.ContainsAny(name, "*?") {
			continue
		}
		if onObject := objectAction(name); onObject && !objects || !onObject && !buckets {
			v.fail(a.at, "Action does not apply to any resource(s) in statement",
				"%s acts on %s; the statement names none", a.Text, map[bool]string{true: "objects (arn:aws:s3:::bucket/*)", false: "buckets (arn:aws:s3:::bucket)"}[onObject])
		}
	}
}

// objectAction tells whether S3's action, in lower case, acts on objects:
// Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon S3".
func objectAction(action string) bool {
	switch name := strings.TrimPrefix(action, "s3:"); name {
	case "abortmultipartupload", "listmultipartuploadparts", "bypassgovernanceretention", "replicatedelete", "replicatetags":
		return true
	default:
		return strings.Contains(name, "object") && !strings.Contains(name, "bucketobjectlock") && !strings.Contains(name, "objectlambda")
	}
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
