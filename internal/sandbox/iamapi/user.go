package iamapi

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

func createUser(r *request) (any, error) {
	name := r.get("UserName")
	u := world.NewUser(r.account.ID, r.path(), name, r.world.Now())
	var err error
	if u.Boundary, err = r.boundary(); err != nil {
		return nil, err
	}
	if u.Tags, err = r.newTags(nil); err != nil {
		return nil, err
	}
	err = r.change(func(a *world.Account) error {
		if a.Users.Find(name) != nil {
			return refuse("EntityAlreadyExists", "User with name "+name+" already exists.")
		}
		a.Users.Put(name, u)
		return nil
	})
	return struct{ User userShape }{userOf(u, true)}, err
}

func getUser(r *request) (any, error) {
	name := r.userName()
	if name == "" {
		if r.call.Caller.Principal.Kind != iam.Root {
			return nil, refuse("ValidationError", "Must specify userName when calling with non-User credentials")
		}
		return struct{ User userShape }{userShape{Path: "/", UserID: r.account.ID, Arn: world.RootARN(r.account.ID)}}, nil
	}
	u, err := r.account.User(name)
	if err != nil {
		return nil, err
	}
	return struct{ User userShape }{userOf(u, true)}, nil
}

func listUsers(r *request) (any, error) {
	users := below(r, r.account.Users.Sorted(), func(u *world.User) string { return u.Path })
	out, more, err := paged(r, users, func(u *world.User) userShape { return userOf(u, false) })
	return struct {
		Users query.List[userShape]
		page
	}{out, more}, err
}

func updateUser(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		name := r.get("UserName")
		u, err := a.EditUser(name)
		if err != nil {
			return err
		}
		if path := r.get("NewPath"); path != "" {
			u.Path = path
		}
		if to := r.get("NewUserName"); to != "" {
			if other := a.Users.Find(to); other != nil && other != u {
				return refuse("EntityAlreadyExists", "User with name "+to+" already exists.")
			}
			a.Users.Delete(name)
			u.Name = to
			a.Users.Put(to, u)
		}
		u.ARN = world.ARN(a.ID, "user", u.Path, u.Name)
		return nil
	}))
}

func deleteUser(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		u, err := a.User(r.get("UserName"))
		if err != nil {
			return err
		}
		if err := empty(u); err != nil {
			return err
		}
		switch {
		case len(u.Keys) > 0:
			return refuse("DeleteConflict", "Cannot delete entity, must delete access keys first.")
		case len(u.Groups) > 0:
			return refuse("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		}
		a.Users.Delete(u.Name)
		return nil
	}))
}

// empty tells whether a holder has no policies, as it must before it goes.
func empty(h world.Holder) error {
	inline, attached := h.Grants()
	switch {
	case len(*attached) > 0:
		return refuse("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(*inline) > 0:
		return refuse("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	return nil
}

type keyShape struct {
	UserName        string `xml:",omitempty"`
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          string
	SecretAccessKey string `xml:",omitempty"`
	CreateDate      time.Time
}

// keysOf is the keys of a user, or of the root user where name is empty, to
// change; in change only.
func keysOf(a *world.Account, name string) (*[]world.AccessKey, error) {
	if name == "" {
		return &a.Root, nil
	}
	u, err := a.EditUser(name)
	if err != nil {
		return nil, err
	}
	return &u.Keys, nil
}

// keyHolder is the user whose keys are meant; it fails for roles, which have
// none.
func (r *request) keyHolder() (string, error) {
	name := r.userName()
	if name == "" && r.call.Caller.Principal.Kind != iam.Root {
		return "", refuse("ValidationError", "Must specify userName when calling with non-User credentials")
	}
	return name, nil
}

func createAccessKey(r *request) (any, error) {
	name, err := r.keyHolder()
	if err != nil {
		return nil, err
	}
	k := r.world.NewAccessKey(r.account.ID)
	err = r.change(func(a *world.Account) error {
		keys, err := keysOf(a, name)
		if err != nil {
			return err
		}
		if len(*keys) >= 2 {
			return refuse("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
		}
		*keys = append(*keys, k)
		return nil
	})
	return struct{ AccessKey keyShape }{keyShape{name, k.ID, k.Status(), k.Secret.Reveal(), k.Created}}, err
}

func listAccessKeys(r *request) (any, error) {
	name, err := r.keyHolder()
	if err != nil {
		return nil, err
	}
	keys := r.account.Root
	if name != "" {
		u, err := r.account.User(name)
		if err != nil {
			return nil, err
		}
		keys = u.Keys
	}
	out, more, err := paged(r, keys, func(k world.AccessKey) keyShape { return keyShape{name, k.ID, k.Status(), "", k.Created} })
	return struct {
		AccessKeyMetadata query.List[keyShape]
		page
	}{out, more}, err
}

// changeKey runs f on the keys of the user and the place of the one meant.
func (r *request) changeKey(f func(keys *[]world.AccessKey, i int)) error {
	name, err := r.keyHolder()
	if err != nil {
		return err
	}
	id := r.get("AccessKeyId")
	return r.change(func(a *world.Account) error {
		keys, err := keysOf(a, name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(*keys, func(k world.AccessKey) bool { return k.ID == id })
		if i < 0 {
			return refuse("NoSuchEntity", "The Access Key with id "+id+" cannot be found.")
		}
		f(keys, i)
		return nil
	})
}

func updateAccessKey(r *request) (any, error) {
	return nothing(r.changeKey(func(keys *[]world.AccessKey, i int) { (*keys)[i].Active = r.get("Status") == "Active" }))
}

func deleteAccessKey(r *request) (any, error) {
	return nothing(r.changeKey(func(keys *[]world.AccessKey, i int) { *keys = slices.Delete(*keys, i, i+1) }))
}

type keyUse struct {
	LastUsedDate *time.Time
	ServiceName  string
	Region       string
}

func accessKeyLastUsed(r *request) (any, error) {
	id := r.get("AccessKeyId")
	for _, u := range r.account.Users {
		if !slices.ContainsFunc(u.Keys, func(k world.AccessKey) bool { return k.ID == id }) {
			continue
		}
		// A key that was never used has "N/A" for service and region.
		use := keyUse{nil, "N/A", "N/A"}
		if last, ok := r.world.LastUse(id); ok {
			use = keyUse{&last.At, last.Service, last.Region}
		}
		return struct {
			UserName          string
			AccessKeyLastUsed keyUse
		}{u.Name, use}, nil
	}
	return nil, refuse("NoSuchEntity", "The Access Key with id "+id+" cannot be found.")
}

// none is a list of which nobody has an item.
func none(list string) func(*request) (any, error) {
	return func(r *request) (any, error) {
		if name := r.get("UserName"); name != "" {
			if _, err := r.account.User(name); err != nil {
				return nil, err
			}
		}
		return emptyList{list}, nil
	}
}

func noLoginProfile(r *request) (any, error) {
	return nil, refuse("NoSuchEntity", fmt.Sprintf("Login Profile for User %s cannot be found.", r.userName()))
}

func createGroup(r *request) (any, error) {
	name := r.get("GroupName")
	g := world.NewGroup(r.account.ID, r.path(), name, r.world.Now())
	err := r.change(func(a *world.Account) error {
		if a.Groups.Find(name) != nil {
			return refuse("EntityAlreadyExists", "Group with name "+name+" already exists.")
		}
		a.Groups.Put(name, g)
		return nil
	})
	return struct{ Group groupShape }{groupOf(g)}, err
}

// membersOf is the users in a group.
func membersOf(a *world.Account, group string) []*world.User {
	var out []*world.User
	for _, u := range a.Users.Sorted() {
		if slices.ContainsFunc(u.Groups, func(g string) bool { return strings.EqualFold(g, group) }) {
			out = append(out, u)
		}
	}
	return out
}

func getGroup(r *request) (any, error) {
	g, err := r.account.Group(r.get("GroupName"))
	if err != nil {
		return nil, err
	}
	out, more, err := paged(r, membersOf(r.account, g.Name), func(u *world.User) userShape { return userOf(u, false) })
	return struct {
		Group groupShape
		Users query.List[userShape]
		page
	}{groupOf(g), out, more}, err
}

func listGroups(r *request) (any, error) {
	groups := below(r, r.account.Groups.Sorted(), func(g *world.Group) string { return g.Path })
	return r.groupList(groups)
}

func (r *request) groupList(groups []*world.Group) (any, error) {
	out, more, err := paged(r, groups, groupOf)
	return struct {
		Groups query.List[groupShape]
		page
	}{out, more}, err
}

func listGroupsForUser(r *request) (any, error) {
	u, err := r.account.User(r.get("UserName"))
	if err != nil {
		return nil, err
	}
	var groups []*world.Group
	for _, name := range u.Groups {
		if g := r.account.Groups.Find(name); g != nil {
			groups = append(groups, g)
		}
	}
	return r.groupList(groups)
}

func updateGroup(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		g, err := a.EditGroup(r.get("GroupName"))
		if err != nil {
			return err
		}
		old := g.Name
		if path := r.get("NewPath"); path != "" {
			g.Path = path
		}
		if to := r.get("NewGroupName"); to != "" {
			if other := a.Groups.Find(to); other != nil && other != g {
				return refuse("EntityAlreadyExists", "Group with name "+to+" already exists.")
			}
			a.Groups.Delete(old)
			g.Name = to
			a.Groups.Put(to, g)
		}
		g.ARN = world.ARN(a.ID, "group", g.Path, g.Name)
		for _, m := range membersOf(a, old) {
			u, err := a.EditUser(m.Name)
			if err != nil {
				return err
			}
			for i := range u.Groups {
				if strings.EqualFold(u.Groups[i], old) {
					u.Groups[i] = g.Name
				}
			}
		}
		return nil
	}))
}

func deleteGroup(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		g, err := a.Group(r.get("GroupName"))
		if err != nil {
			return err
		}
		if len(membersOf(a, g.Name)) > 0 {
			return refuse("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		}
		if err := empty(g); err != nil {
			return err
		}
		a.Groups.Delete(g.Name)
		return nil
	}))
}

func addUserToGroup(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		g, err := a.Group(r.get("GroupName"))
		if err != nil {
			return err
		}
		u, err := a.EditUser(r.get("UserName"))
		if err != nil {
			return err
		}
		if slices.Contains(u.Groups, g.Name) {
			return nil
		}
		if len(u.Groups) >= 10 {
			return refuse("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
		}
		u.Groups = append(u.Groups, g.Name)
		return nil
	}))
}

func removeUserFromGroup(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		g, err := a.Group(r.get("GroupName"))
		if err != nil {
			return err
		}
		u, err := a.EditUser(r.get("UserName"))
		if err != nil {
			return err
		}
		i := slices.Index(u.Groups, g.Name)
		if i < 0 {
			return refuse("NoSuchEntity", fmt.Sprintf("User %s not in group %s", u.Name, g.Name))
		}
		u.Groups = slices.Delete(u.Groups, i, i+1)
		return nil
	}))
}
