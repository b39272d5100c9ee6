package world

import (
	"strings"

	"lakeport/internal/iam"
)

// Services that store a resource-based policy keep unique ids in place of the
// ARNs of users and roles, so that one who is deleted and made again under
// the same name is somebody else (IAM User Guide, "AWS JSON policy elements:
// Principal").

// StorePrincipals gives the document to keep: ARNs of users and roles become
// unique ids, account ids the ARN of the account's root. unknown lists the
// principals that do not exist; a service refuses the policy for them.
// Conditions are never rewritten.
func (s *State) StorePrincipals(d *iam.Document) (stored *iam.Document, unknown []string) {
	return d.RewritePrincipals(func(kind, value string) (string, bool) {
		if kind != "AWS" {
			return value, value != ""
		}
		return s.storePrincipal(value)
	})
}

func (s *State) storePrincipal(value string) (string, bool) {
	switch {
	case isAccount(value):
		return RootARN(value), true
	case s.byID[value] != nil:
		return value, true
	case !strings.HasPrefix(value, "arn:aws:"):
		return value, false
	}
	service, rest, _ := strings.Cut(value[len("arn:aws:"):], "::")
	account, name, ok := strings.Cut(rest, ":")
	if !ok || !isAccount(account) {
		return value, false
	}
	switch {
	// Assumed: AWS also refuses accounts that do not exist; the sandbox's
	// world is not all of AWS, and a policy may name an account outside it.
	case service == "iam" && name == "root":
		return value, true
	case service == "iam" && strings.HasPrefix(name, "user/"):
		if u := s.UserByARN(value); u != nil {
			return u.ID, true
		}
	case service == "iam" && strings.HasPrefix(name, "role/"):
		if r := s.RoleByARN(value); r != nil {
			return r.ID, true
		}
	// Sessions come and go, so that their ARNs are kept as written.
	case service == "sts" && (strings.HasPrefix(name, "assumed-role/") || strings.HasPrefix(name, "federated-user/")):
		return value, strings.Count(name, "/") >= 1 && !strings.HasSuffix(name, "/")
	}
	return value, false
}

// ReadPrincipals undoes StorePrincipals. The ids of users and roles that are
// gone stay as they are.
func (s *State) ReadPrincipals(d *iam.Document) *iam.Document {
	out, _ := d.RewritePrincipals(func(_, value string) (string, bool) {
		switch e := s.byID[value].(type) {
		case *User:
			return e.ARN, true
		case *Role:
			return e.ARN, true
		}
		return value, true
	})
	return out
}

// Readable is a stored document's text with ARNs in place of unique ids.
func (s *State) Readable(d *Document) string {
	parsed := d.Parsed()
	if parsed == nil {
		return d.Text()
	}
	return s.ReadPrincipals(parsed).String()
}
