package awsauth

import "lakeport/internal/iam"

// Access is one call that a statement makes of AWS, or would make: as whom, and
// what must be allowed for it. Requests have no Principal, which is that of the
// Spec, and in an ARN the account may be left empty: it is the caller's own.
type Access struct {
	Spec     Spec
	Requests []iam.Request
	// Lent, unless empty, says that Spec is lent credentials for a table, with
	// which the Requests are signed: the ARN of the table bucket whose data Lake
	// Formation lends, or who else does.
	Lent string
	// Own signs Requests where nothing is lent after all.
	Own Spec
}

// Base is the identity that a Spec starts from, before any role.
func (s Spec) Base() Spec {
	s.Chain = nil
	return s
}

// Acting is s's region, endpoint and manner of asking as another identity.
func (s Spec) Acting(as Spec) Spec {
	s.Source, s.Public, s.Static, s.Chain = as.Source, as.Public, as.Static, as.Chain
	s.Profile, s.Role, s.User = as.Profile, as.Role, as.User
	return s
}
