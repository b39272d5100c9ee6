package iamapi

import (
	"strconv"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// target gives the needs of an operation: "Actions, resources, and condition
// keys for AWS Identity and Access Management" (Service Authorization
// Reference).
type target func(*request) ([]sandbox.Need, error)

func itoa(i int) string { return strconv.Itoa(i) }

// need is the operation's action on a resource with tags.
func (r *request) need(arn string, tags []world.Tag) []sandbox.Need {
	ctx := iam.Context{}
	for _, t := range tags {
		ctx["aws:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
		ctx["iam:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	var keys []string
	for _, t := range query.Structs(r.form, "Tags") {
		ctx["aws:requesttag/"+strings.ToLower(t.Get("Key"))] = []string{t.Get("Value")}
		keys = append(keys, t.Get("Key"))
	}
	if keys = append(keys, query.Members(r.form, "TagKeys")...); len(keys) > 0 {
		ctx["aws:tagkeys"] = keys
	}
	if arn := r.get("PolicyArn"); arn != "" {
		ctx["iam:policyarn"] = []string{arn}
	}
	if arn := r.get("PermissionsBoundary"); arn != "" {
		ctx["iam:permissionsboundary"] = []string{arn}
	}
	return []sandbox.Need{{Action: r.call.Action, Resource: iam.Resource{ARN: arn, Account: r.account.ID}, Context: ctx}}
}

// newARN is the ARN of an entity that may not exist: its path is the one to
// be given, or the root path.
func (r *request) newARN(kind, name string) string {
	path := r.get("Path")
	if path == "" {
		path = "/"
	}
	return world.ARN(r.account.ID, kind, path, name)
}

// onUser needs the named user, or the caller where no name is sent.
func onUser(r *request) ([]sandbox.Need, error) {
	name := r.userName()
	if name == "" {
		return r.need(r.call.Caller.Principal.ARN, nil), nil
	}
	u := r.account.Users.Find(name)
	if u == nil {
		return r.need(r.newARN("user", name), nil), nil
	}
	return withBoundary(r.need(u.ARN, u.Tags), u.Boundary), nil
}

// withBoundary tells the boundary that the entity has, for policies that
// forbid to touch what has none.
func withBoundary(needs []sandbox.Need, b *world.Boundary) []sandbox.Need {
	if b != nil && needs[0].Context["iam:permissionsboundary"] == nil {
		needs[0].Context["iam:permissionsboundary"] = []string{b.ARN}
	}
	return needs
}

// userName is the user that a call is about; without a name it is the one
// who signs. Empty: the root user, or a role.
func (r *request) userName() string {
	if name := r.get("UserName"); name != "" {
		return name
	}
	if u := r.state.UserByID(r.call.Caller.Principal.ID); u != nil {
		return u.Name
	}
	return ""
}

func onGroup(r *request) ([]sandbox.Need, error) {
	if g := r.account.Groups.Find(r.get("GroupName")); g != nil {
		return r.need(g.ARN, nil), nil
	}
	return r.need(r.newARN("group", r.get("GroupName")), nil), nil
}

func onRole(r *request) ([]sandbox.Need, error) {
	if role := r.account.Roles.Find(r.get("RoleName")); role != nil {
		return withBoundary(r.need(role.ARN, role.Tags), role.Boundary), nil
	}
	return r.need(r.newARN("role", r.get("RoleName")), nil), nil
}

func onProfile(r *request) ([]sandbox.Need, error) {
	if p := r.account.Profiles.Find(r.get("InstanceProfileName")); p != nil {
		return r.need(p.ARN, p.Tags), nil
	}
	return r.need(r.newARN("instance-profile", r.get("InstanceProfileName")), nil), nil
}

// onProfilePassing is for handing a role to instances.
func onProfilePassing(r *request) ([]sandbox.Need, error) {
	needs, err := onProfile(r)
	role := r.account.Roles.Find(r.get("RoleName"))
	if role == nil || err != nil {
		return needs, err
	}
	return append(needs, sandbox.Need{Action: "iam:PassRole", Resource: iam.Resource{ARN: role.ARN, Account: r.account.ID},
		Context: iam.Context{"iam:passedtoservice": {"ec2.amazonaws.com"}}}), nil
}

// onPolicy needs the managed policy of PolicyArn.
func onPolicy(r *request) ([]sandbox.Need, error) {
	if p := r.state.PolicyByARN(r.get("PolicyArn")); p != nil {
		return r.need(p.ARN, p.Tags), nil
	}
	return r.need(r.get("PolicyArn"), nil), nil
}

func onNewPolicy(r *request) ([]sandbox.Need, error) {
	return r.need(r.newARN("policy", r.get("PolicyName")), nil), nil
}

func onNewProvider(r *request) ([]sandbox.Need, error) {
	return r.need(providerARN(r.account.ID, r.get("Url")), nil), nil
}

func onProvider(r *request) ([]sandbox.Need, error) {
	arn := r.get("OpenIDConnectProviderArn")
	if p, err := r.account.Provider(arn); err == nil {
		return r.need(arn, p.Tags), nil
	}
	return r.need(arn, nil), nil
}

// onAll is for lists of a kind of entity below a path.
func onAll(kind string) target {
	return func(r *request) ([]sandbox.Need, error) {
		prefix := r.get("PathPrefix")
		if prefix == "" {
			prefix = "/"
		}
		return r.need(world.ARN(r.account.ID, kind, prefix, ""), nil), nil
	}
}

// onAny is for actions without a resource.
func onAny(r *request) ([]sandbox.Need, error) { return r.need("*", nil), nil }

// onKeyOwner needs the user who has an access key.
func onKeyOwner(r *request) ([]sandbox.Need, error) {
	for _, u := range r.account.Users {
		for _, k := range u.Keys {
			if k.ID == r.get("AccessKeyId") {
				return r.need(u.ARN, u.Tags), nil
			}
		}
	}
	return r.need("*", nil), nil
}

// onSource needs the entity whose policies are simulated.
func onSource(r *request) ([]sandbox.Need, error) { return r.need(r.get("PolicySourceArn"), nil), nil }
