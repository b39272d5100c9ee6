package iam

// PrincipalKind is what sort of caller a Principal is.
type PrincipalKind uint8

// The kinds of caller.
const (
	Anonymous PrincipalKind = iota // unsigned
	Root                           // an account's root user
	User                           // an IAM user, also through GetSessionToken
	Role                           // a session of an assumed role
	Federated                      // a web identity before it has a role
	Service                        // an AWS service such as ec2.amazonaws.com
)

// Principal is who makes a request.
type Principal struct {
	Kind    PrincipalKind
	Account string // 12 digits; empty for Anonymous, Federated and Service
	// ARN is the caller's: a user's, the root's, or, for Role, the session's
	// (arn:aws:sts::…:assumed-role/name/session, without the role's path).
	// Federated: the provider's ARN. Service: the service's host name.
	ARN string
	ID  string // AIDA…, AROA…:session, or the account for Root
	// RoleARN (with its path) and RoleID (AROA…) are set for Role only.
	RoleARN string
	RoleID  string
}

// Resource is what a request acts on. Account owns it; an ARN alone does not
// always tell (S3).
type Resource struct {
	ARN     string
	Account string
}

// Context is the condition keys of a request: names in lower case (also the
// tag key of aws:principaltag/key) to their values. A key that is absent is
// not in the map; a multi-valued key has several values.
type Context map[string][]string

// Request is one (principal, action, resource) to decide.
type Request struct {
	Principal Principal
	Action    string // "s3:GetObject", any case
	Resource  Resource
	Context   Context
}

// Effect is a decision's outcome. The zero value denies.
type Effect uint8

// The outcomes.
const (
	ImplicitDeny Effect = iota
	ExplicitDeny
	Allow
)

// PolicyKind is what a policy is attached to; it decides how it counts.
type PolicyKind uint8

// The kinds of policy.
const (
	IdentityPolicy PolicyKind = iota
	ResourcePolicy
	TrustPolicy // of a role: must itself allow
	KeyPolicy   // of a KMS key: must itself allow
	Boundary
	SessionPolicy
	ServiceControl
	ResourceControl
	KeyGrant // of a KMS key: stands in for the key policy and the caller's own
)

// Policy is a compiled document with its origin.
type Policy struct {
	Kind     PolicyKind
	Name     string    // inline: the policy's name; managed: the last part of ARN; a resource's: its ARN
	ARN      string    // managed policies; empty for inline ones
	Document *Document // nil: the policy is missing and allows nothing
}

// Policies is all that bears on one principal and resource. The caller of
// Compile gathers them; Compile does not fetch.
type Policies struct {
	Identity []Policy // of the user and its groups, or of the role
	Boundary *Policy  // nil: none set
	Session  []Policy // nil: no session policy was passed
	Resource *Policy  // ResourcePolicy, TrustPolicy or KeyPolicy; nil: none
	// Grants are what a KMS key's owner granted beside its policy; they only
	// allow. The caller leaves out those whose constraints the request misses.
	Grants []Policy
	// Service and ResourceControl are by level, root first; every level must
	// allow. nil: the account is in no organization.
	Service         [][]Policy
	ResourceControl [][]Policy
}
