package iamapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// trust checks a trust policy and gives it as it is stored, with unique ids.
func (r *request) trust(text string) (*world.Document, error) {
	parsed, faults := iam.Check([]byte(text), iam.TrustPolicy)
	if len(faults) > 0 {
		return nil, refuse(faults[0].Code, faults[0].Message)
	}
	if parsed.Size() > iam.MaxTrust {
		return nil, refuse("LimitExceeded", fmt.Sprintf("Cannot exceed quota for ACLSizePerRole: %d", iam.MaxTrust))
	}
	stored, unknown := r.state.StorePrincipals(parsed)
	if len(unknown) > 0 {
		return nil, refuse("MalformedPolicyDocument", fmt.Sprintf(`Invalid principal in policy: "AWS":"%s"`, unknown[0]))
	}
	return world.NewDocument(stored.String()), nil
}

func createRole(r *request) (any, error) {
	name := r.get("RoleName")
	role := world.NewRole(r.account.ID, r.path(), name, r.world.Now())
	role.Description = r.get("Description")
	if text := r.get("MaxSessionDuration"); text != "" {
		role.MaxSession, _ = strconv.Atoi(text)
	}
	var err error
	if role.Trust, err = r.trust(r.get("AssumeRolePolicyDocument")); err != nil {
		return nil, err
	}
	if role.Boundary, err = r.boundary(); err != nil {
		return nil, err
	}
	if role.Tags, err = r.newTags(nil); err != nil {
		return nil, err
	}
	if strings.HasPrefix(role.Path, "/aws-service-role/") {
		return nil, refuse("ValidationError", "The path /aws-service-role/ is reserved for service-linked roles.")
	}
	return r.addRole(role)
}

func (r *request) addRole(role *world.Role) (any, error) {
	err := r.change(func(a *world.Account) error {
		if a.Roles.Find(role.Name) != nil {
			return refuse("EntityAlreadyExists", "Role with name "+role.Name+" already exists.")
		}
		a.Roles.Put(role.Name, role)
		return nil
	})
	return struct{ Role roleShape }{r.roleOf(role, true)}, err
}

// linkedRoles are the names of service-linked roles by service ("AWS services
// that work with IAM").
var linkedRoles = map[string]string{
	"lakeformation.amazonaws.com": "AWSServiceRoleForLakeFormationDataAccess",
	"redshift.amazonaws.com":      "AWSServiceRoleForRedshift",
	"rds.amazonaws.com":           "AWSServiceRoleForRDS",
}

func createServiceLinkedRole(r *request) (any, error) {
	service := r.get("AWSServiceName")
	name, ok := linkedRoles[service]
	if !ok {
		return nil, refuse("InvalidInput", "Service role name "+service+" is not known to the sandbox.")
	}
	role := world.NewRole(r.account.ID, "/aws-service-role/"+service+"/", name, r.world.Now())
	role.Description = r.get("Description")
	role.Trust = world.NewDocument(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`)
	return r.addRole(role)
}

func getRole(r *request) (any, error) {
	role, err := r.account.Role(r.get("RoleName"))
	if err != nil {
		return nil, err
	}
	return struct{ Role roleShape }{r.roleOf(role, true)}, nil
}

func listRoles(r *request) (any, error) {
	roles := below(r, r.account.Roles.Sorted(), func(role *world.Role) string { return role.Path })
	out, more, err := paged(r, roles, func(role *world.Role) roleShape { return r.roleOf(role, false) })
	return struct {
		Roles query.List[roleShape]
		page
	}{out, more}, err
}

// changeRole runs f on a copy of the named role, which takes its place.
func (r *request) changeRole(f func(a *world.Account, role *world.Role) error) error {
	return r.change(func(a *world.Account) error {
		role, err := a.EditRole(r.get("RoleName"))
		if err != nil {
			return err
		}
		return f(a, role)
	})
}

func updateRole(r *request) (any, error) {
	return struct{}{}, r.changeRole(func(_ *world.Account, role *world.Role) error {
		if r.has("Description") {
			role.Description = r.get("Description")
		}
		role.MaxSession = world.DefaultMaxSession
		if text := r.get("MaxSessionDuration"); text != "" {
			role.MaxSession, _ = strconv.Atoi(text)
		}
		return nil
	})
}

func updateRoleDescription(r *request) (any, error) {
	var changed *world.Role
	err := r.changeRole(func(_ *world.Account, role *world.Role) error {
		role.Description, changed = r.get("Description"), role
		return nil
	})
	if err != nil {
		return nil, err
	}
	return struct{ Role roleShape }{r.roleOf(changed, true)}, nil
}

func updateAssumeRolePolicy(r *request) (any, error) {
	if _, err := r.account.Role(r.get("RoleName")); err != nil {
		return nil, err
	}
	trust, err := r.trust(r.get("PolicyDocument"))
	if err != nil {
		return nil, err
	}
	return nothing(r.changeRole(func(_ *world.Account, role *world.Role) error {
		role.Trust = trust
		return nil
	}))
}

func deleteRole(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		role, err := a.Role(r.get("RoleName"))
		if err != nil {
			return err
		}
		if len(profilesOf(a, role)) > 0 {
			return refuse("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		if err := empty(role); err != nil {
			return err
		}
		a.Roles.Delete(role.Name)
		return nil
	}))
}

func profilesOf(a *world.Account, role *world.Role) []*world.Profile {
	var out []*world.Profile
	for _, p := range a.Profiles.Sorted() {
		if slices.Contains(p.Roles, role.Name) {
			out = append(out, p)
		}
	}
	return out
}

func createProfile(r *request) (any, error) {
	name := r.get("InstanceProfileName")
	p := world.NewProfile(r.account.ID, r.path(), name, r.world.Now())
	var err error
	if p.Tags, err = r.newTags(nil); err != nil {
		return nil, err
	}
	err = r.change(func(a *world.Account) error {
		if a.Profiles.Find(name) != nil {
			return refuse("EntityAlreadyExists", "Instance Profile "+name+" already exists.")
		}
		a.Profiles.Put(name, p)
		return nil
	})
	return struct{ InstanceProfile profileShape }{r.profileOf(p)}, err
}

func getProfile(r *request) (any, error) {
	p, err := r.account.Profile(r.get("InstanceProfileName"))
	if err != nil {
		return nil, err
	}
	return struct{ InstanceProfile profileShape }{r.profileOf(p)}, nil
}

func (r *request) profileList(profiles []*world.Profile) (any, error) {
	out, more, err := paged(r, profiles, r.profileOf)
	return struct {
		InstanceProfiles query.List[profileShape]
		page
	}{out, more}, err
}

func listProfiles(r *request) (any, error) {
	return r.profileList(below(r, r.account.Profiles.Sorted(), func(p *world.Profile) string { return p.Path }))
}

func listProfilesForRole(r *request) (any, error) {
	role, err := r.account.Role(r.get("RoleName"))
	if err != nil {
		return nil, err
	}
	return r.profileList(profilesOf(r.account, role))
}

func deleteProfile(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		p, err := a.Profile(r.get("InstanceProfileName"))
		if err != nil {
			return err
		}
		if len(p.Roles) > 0 {
			return refuse("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		a.Profiles.Delete(p.Name)
		return nil
	}))
}

func addRoleToProfile(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		p, err := a.EditProfile(r.get("InstanceProfileName"))
		if err != nil {
			return err
		}
		role, err := a.Role(r.get("RoleName"))
		if err != nil {
			return err
		}
		if len(p.Roles) > 0 {
			return refuse("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Roles = []string{role.Name}
		return nil
	}))
}

func removeRoleFromProfile(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		p, err := a.EditProfile(r.get("InstanceProfileName"))
		if err != nil {
			return err
		}
		i := slices.IndexFunc(p.Roles, func(name string) bool { return strings.EqualFold(name, r.get("RoleName")) })
		if i < 0 {
			return refuse("NoSuchEntity", fmt.Sprintf("The role with name %s cannot be found.", r.get("RoleName")))
		}
		p.Roles = nil
		return nil
	}))
}

func putUserBoundary(r *request) (any, error) {
	b, err := r.boundary()
	if err != nil {
		return nil, err
	}
	return nothing(r.setUserBoundary(b))
}

func deleteUserBoundary(r *request) (any, error) { return nothing(r.setUserBoundary(nil)) }

func (r *request) setUserBoundary(b *world.Boundary) error {
	return r.change(func(a *world.Account) error {
		u, err := a.EditUser(r.get("UserName"))
		if err != nil {
			return err
		}
		u.Boundary = b
		return nil
	})
}

func putRoleBoundary(r *request) (any, error) {
	b, err := r.boundary()
	if err != nil {
		return nil, err
	}
	return nothing(r.setRoleBoundary(b))
}

func deleteRoleBoundary(r *request) (any, error) { return nothing(r.setRoleBoundary(nil)) }

func (r *request) setRoleBoundary(b *world.Boundary) error {
	return r.changeRole(func(_ *world.Account, role *world.Role) error {
		role.Boundary = b
		return nil
	})
}
