package iamapi

import (
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// identityDocument checks a document that is attached to an identity.
func identityDocument(text string) (*iam.Document, error) {
	parsed, faults := iam.Check([]byte(text), iam.IdentityPolicy)
	if len(faults) > 0 {
		return nil, refuse(faults[0].Code, faults[0].Message)
	}
	return parsed, nil
}

// managedDocument checks a version of a managed policy.
func managedDocument(text string) error {
	parsed, err := identityDocument(text)
	if err == nil && parsed.Size() > iam.MaxManaged {
		return refuse("LimitExceeded", fmt.Sprintf("Cannot exceed quota for PolicySize: %d", iam.MaxManaged))
	}
	return err
}

func createPolicy(r *request) (any, error) {
	name, document := r.get("PolicyName"), r.get("PolicyDocument")
	if err := managedDocument(document); err != nil {
		return nil, err
	}
	p := world.NewPolicy(r.account.ID, r.path(), name, document, r.world.Now())
	p.Description = r.get("Description")
	var err error
	if p.Tags, err = r.newTags(nil); err != nil {
		return nil, err
	}
	err = r.change(func(a *world.Account) error {
		if a.Policies.Find(name) != nil {
			return refuse("EntityAlreadyExists", "A policy called "+name+" already exists. Duplicate names are not allowed.")
		}
		a.Policies.Put(name, p)
		return nil
	})
	return struct{ Policy policyShape }{r.policyOf(p, true)}, err
}

// policy is the managed policy of PolicyArn.
func (r *request) policy() (*world.Policy, error) {
	p := r.state.PolicyByARN(r.get("PolicyArn"))
	if p == nil || !r.reaches(p.ARN) {
		return nil, refuse("NoSuchEntity", "Policy "+r.get("PolicyArn")+" was not found.")
	}
	return p, nil
}

// reaches tells whether a managed policy is AWS's or the account's own.
func (r *request) reaches(arn string) bool {
	return strings.HasPrefix(arn, "arn:aws:iam::aws:") || strings.HasPrefix(arn, world.ARN(r.account.ID, "policy", "/", ""))
}

func getPolicy(r *request) (any, error) {
	p, err := r.policy()
	if err != nil {
		return nil, err
	}
	return struct{ Policy policyShape }{r.policyOf(p, true)}, nil
}

func listPolicies(r *request) (any, error) {
	var all []*world.Policy
	if scope := r.get("Scope"); scope != "AWS" {
		all = r.account.Policies.Sorted()
	}
	if r.get("Scope") != "Local" {
		for _, p := range world.AWSManaged() {
			all = append(all, p)
		}
		slices.SortStableFunc(all, func(a, b *world.Policy) int { return strings.Compare(a.ARN, b.ARN) })
	}
	all = below(r, all, func(p *world.Policy) string { return p.Path })
	all = slices.DeleteFunc(all, func(p *world.Policy) bool {
		attached, bounding := r.usage(p.ARN)
		switch {
		case r.get("PolicyUsageFilter") == "PermissionsPolicy" && attached == 0,
			r.get("PolicyUsageFilter") == "PermissionsBoundary" && bounding == 0:
			return true
		}
		return r.get("OnlyAttached") == "true" && attached+bounding == 0
	})
	out, more, err := paged(r, all, func(p *world.Policy) policyShape { return r.policyOf(p, false) })
	return struct {
		Policies query.List[policyShape]
		page
	}{out, more}, err
}

// usage counts what a managed policy is attached to, and what it bounds.
func (r *request) usage(arn string) (attached, bounding int) {
	count := func(h world.Holder, b *world.Boundary) {
		_, list := h.Grants()
		if slices.ContainsFunc(*list, func(a world.Attached) bool { return a.ARN == arn }) {
			attached++
		}
		if b != nil && b.ARN == arn {
			bounding++
		}
	}
	for _, u := range r.account.Users {
		count(u, u.Boundary)
	}
	for _, g := range r.account.Groups {
		count(g, nil)
	}
	for _, role := range r.account.Roles {
		count(role, role.Boundary)
	}
	return attached, bounding
}

func deletePolicy(r *request) (any, error) {
	arn := r.get("PolicyArn")
	if attached, bounding := r.usage(arn); attached+bounding > 0 {
		return nil, refuse("DeleteConflict", "Cannot delete a policy attached to entities.")
	}
	return nothing(r.changePolicy(func(a *world.Account, p *world.Policy) error {
		if len(p.Versions) > 1 {
			return refuse("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		a.Policies.Delete(p.Name)
		return nil
	}))
}

// changePolicy runs f on a copy of the account's policy of PolicyArn.
func (r *request) changePolicy(f func(*world.Account, *world.Policy) error) error {
	return r.change(func(a *world.Account) error {
		p, err := a.EditPolicy(r.get("PolicyArn"))
		if err != nil {
			return err
		}
		return f(a, p)
	})
}

func createPolicyVersion(r *request) (any, error) {
	if err := managedDocument(r.get("PolicyDocument")); err != nil {
		return nil, err
	}
	var made world.Version
	err := r.changePolicy(func(_ *world.Account, p *world.Policy) error {
		if len(p.Versions) >= 5 {
			return refuse("LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
		}
		made = p.AddVersion(r.get("PolicyDocument"), r.get("SetAsDefault") == "true", r.world.Now())
		return nil
	})
	return struct{ PolicyVersion versionShape }{versionOf(made, false)}, err
}

// versionAt is the place of the version of VersionId in p.
func (r *request) versionAt(p *world.Policy) (int, error) {
	i := slices.IndexFunc(p.Versions, func(v world.Version) bool { return v.ID == r.get("VersionId") })
	if i < 0 {
		return 0, refuse("NoSuchEntity", fmt.Sprintf("Policy %s version %s does not exist or is not attachable.", p.ARN, r.get("VersionId")))
	}
	return i, nil
}

func getPolicyVersion(r *request) (any, error) {
	p, err := r.policy()
	if err != nil {
		return nil, err
	}
	i, err := r.versionAt(p)
	if err != nil {
		return nil, err
	}
	return struct{ PolicyVersion versionShape }{versionOf(p.Versions[i], true)}, nil
}

func listPolicyVersions(r *request) (any, error) {
	p, err := r.policy()
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(p.Versions)
	slices.Reverse(versions)
	out, more, err := paged(r, versions, func(v world.Version) versionShape { return versionOf(v, false) })
	return struct {
		Versions query.List[versionShape]
		page
	}{out, more}, err
}

func setDefaultPolicyVersion(r *request) (any, error) {
	return nothing(r.changePolicy(func(_ *world.Account, p *world.Policy) error {
		i, err := r.versionAt(p)
		if err == nil {
			p.Use(p.Versions[i].ID, r.world.Now())
		}
		return err
	}))
}

func deletePolicyVersion(r *request) (any, error) {
	return nothing(r.changePolicy(func(_ *world.Account, p *world.Policy) error {
		i, err := r.versionAt(p)
		if err != nil {
			return err
		}
		if p.Versions[i].Default {
			return refuse("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	}))
}

type policyUser struct {
	UserName string
	UserID   string `xml:"UserId"`
}

type policyGroup struct {
	GroupName string
	GroupID   string `xml:"GroupId"`
}

type policyRole struct {
	RoleName string
	RoleID   string `xml:"RoleId"`
}

type entities struct {
	PolicyGroups query.List[policyGroup]
	PolicyUsers  query.List[policyUser]
	PolicyRoles  query.List[policyRole]
	page
}

func listEntitiesForPolicy(r *request) (any, error) {
	p, err := r.policy()
	if err != nil {
		return nil, err
	}
	bounds := r.get("PolicyUsageFilter") == "PermissionsBoundary"
	holds := func(h world.Holder, b *world.Boundary, path string) bool {
		if !strings.HasPrefix(path, r.get("PathPrefix")) {
			return false
		}
		if bounds {
			return b != nil && b.ARN == p.ARN
		}
		_, list := h.Grants()
		return slices.ContainsFunc(*list, func(a world.Attached) bool { return a.ARN == p.ARN })
	}
	wants := func(kind string) bool { f := r.get("EntityFilter"); return f == "" || f == kind }
	var all []any
	for _, g := range r.account.Groups.Sorted() {
		if wants("Group") && holds(g, nil, g.Path) {
			all = append(all, policyGroup{g.Name, g.ID})
		}
	}
	for _, u := range r.account.Users.Sorted() {
		if wants("User") && holds(u, u.Boundary, u.Path) {
			all = append(all, policyUser{u.Name, u.ID})
		}
	}
	for _, role := range r.account.Roles.Sorted() {
		if wants("Role") && holds(role, role.Boundary, role.Path) {
			all = append(all, policyRole{role.Name, role.ID})
		}
	}
	from, to, more, err := r.bounds(len(all))
	if err != nil {
		return nil, err
	}
	out := entities{page: more}
	for _, e := range all[from:to] {
		switch e := e.(type) {
		case policyGroup:
			out.PolicyGroups = append(out.PolicyGroups, e)
		case policyUser:
			out.PolicyUsers = append(out.PolicyUsers, e)
		case policyRole:
			out.PolicyRoles = append(out.PolicyRoles, e)
		}
	}
	return out, nil
}
