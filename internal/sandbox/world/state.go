package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lakeport/internal/iam"
)

// State is the whole world at one time.
type State struct {
	Accounts map[string]*Account
	Host     Host // the zero Host: no metadata service

	own  map[string]bool // accounts that this draft has copied
	keys map[string]keyOwner
	byID map[string]any // unique id to *User or *Role
	sets cache[setKey, *iam.Set]
	who  cache[string, *Identity] // by access key id, or session token
}

// keyOwner is who holds a long-term key. user is nil for the root user.
type keyOwner struct {
	account *Account
	user    *User
	key     *AccessKey
}

// Account is one account. Tables are keyed by lower-case name: IAM's names
// are unique without regard to case (IAM User Guide, "IAM and STS quotas").
type Account struct {
	ID        string
	Alias     string
	Root      []AccessKey
	Users     Table[User]
	Groups    Table[Group]
	Roles     Table[Role]
	Profiles  Table[Profile]
	Policies  Table[Policy]
	Providers Table[Provider] // keyed by URL
}

// Table is records by lower-case name.
type Table[T any] map[string]*T

// Find gives the record to read, nil if there is none.
func (t Table[T]) Find(name string) *T { return t[strings.ToLower(name)] }

// Put adds or replaces a record.
func (t Table[T]) Put(name string, r *T) { t[strings.ToLower(name)] = r }

// Delete removes a record.
func (t Table[T]) Delete(name string) { delete(t, strings.ToLower(name)) }

// Sorted gives the records by name.
func (t Table[T]) Sorted() []*T {
	out := make([]*T, 0, len(t))
	for _, name := range slices.Sorted(maps.Keys(t)) {
		out = append(out, t[name])
	}
	return out
}

func newState() *State { return &State{Accounts: map[string]*Account{}, own: map[string]bool{}} }

func newAccountRecord(id string) *Account {
	return &Account{ID: id, Users: Table[User]{}, Groups: Table[Group]{}, Roles: Table[Role]{}, Profiles: Table[Profile]{},
		Policies: Table[Policy]{}, Providers: Table[Provider]{}}
}

func (s *State) draft() *State {
	return &State{Accounts: maps.Clone(s.Accounts), Host: s.Host, own: map[string]bool{}, keys: s.keys, byID: s.byID}
}

func (s *State) addAccount(id string) *Account {
	if a := s.Accounts[id]; a != nil {
		return a
	}
	a := newAccountRecord(id)
	s.Accounts[id], s.own[id] = a, true
	return a
}

// Edit gives the account to change, in Update only; nil if there is none.
func (s *State) Edit(account string) *Account {
	a := s.Accounts[account]
	if a == nil || s.own[account] {
		return a
	}
	c := *a
	c.Root = slices.Clone(a.Root)
	c.Users, c.Groups, c.Roles = maps.Clone(a.Users), maps.Clone(a.Groups), maps.Clone(a.Roles)
	c.Profiles, c.Policies, c.Providers = maps.Clone(a.Profiles), maps.Clone(a.Policies), maps.Clone(a.Providers)
	s.Accounts[account], s.own[account] = &c, true
	return &c
}

// index rebuilds what is looked up on every request.
func (s *State) index() {
	s.keys, s.byID = map[string]keyOwner{}, map[string]any{}
	for _, a := range s.Accounts {
		for i := range a.Root {
			s.keys[a.Root[i].ID] = keyOwner{a, nil, &a.Root[i]}
		}
		for _, u := range a.Users {
			s.byID[u.ID] = u
			for i := range u.Keys {
				s.keys[u.Keys[i].ID] = keyOwner{a, u, &u.Keys[i]}
			}
		}
		for _, r := range a.Roles {
			s.byID[r.ID] = r
		}
	}
}

// RoleByID is the role of a unique id, nil if it is gone.
func (s *State) RoleByID(id string) *Role { r, _ := s.byID[id].(*Role); return r }

// UserByID is the user of a unique id, nil if it is gone.
func (s *State) UserByID(id string) *User { u, _ := s.byID[id].(*User); return u }

// RoleByARN is the role of an ARN, whose path must be the role's own; nil if
// there is none.
func (s *State) RoleByARN(arn string) *Role {
	if a, name := s.split(arn, "role"); a != nil {
		if r := a.Roles.Find(name); r != nil && r.ARN == arn {
			return r
		}
	}
	return nil
}

// UserByARN is the user of an ARN, as RoleByARN.
func (s *State) UserByARN(arn string) *User {
	if a, name := s.split(arn, "user"); a != nil {
		if u := a.Users.Find(name); u != nil && u.ARN == arn {
			return u
		}
	}
	return nil
}

// PolicyByARN is a managed policy, AWS's or a customer's; nil if there is none.
func (s *State) PolicyByARN(arn string) *Policy {
	if strings.HasPrefix(arn, awsPolicyPrefix) {
		return awsManaged()[arn]
	}
	if a, name := s.split(arn, "policy"); a != nil {
		if p := a.Policies.Find(name); p != nil && p.ARN == arn {
			return p
		}
	}
	return nil
}

// split reads an IAM ARN of one kind: the account, nil if the world has none
// such, and the name without path.
func (s *State) split(arn, kind string) (*Account, string) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::")
	if !ok {
		return nil, ""
	}
	account, rest, _ := strings.Cut(rest, ":")
	path, ok := strings.CutPrefix(rest, kind+"/")
	if !ok {
		return nil, ""
	}
	return s.Accounts[account], path[strings.LastIndexByte(path, '/')+1:]
}

// Error is a change that IAM refuses, with IAM's own code and text.
type Error struct{ Code, Message string }

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func missing(format string, args ...any) error {
	return &Error{"NoSuchEntity", fmt.Sprintf(format, args...)}
}

// found turns a nil record into NoSuchEntity.
func found[T any](r *T, format string, args ...any) (*T, error) {
	if r == nil {
		return nil, missing(format, args...)
	}
	return r, nil
}

// edit replaces a record by its copy and gives the copy.
func edit[T any](t Table[T], name string, r *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	c := any(r).(interface{ clone() *T }).clone()
	t.Put(name, c)
	return c, nil
}

// User gives the user to read, or NoSuchEntity.
func (a *Account) User(name string) (*User, error) {
	return found(a.Users.Find(name), "The user with name %s cannot be found.", name)
}

// EditUser gives a copy that takes the user's place; in Update only.
func (a *Account) EditUser(name string) (*User, error) {
	u, err := a.User(name)
	return edit(a.Users, name, u, err)
}

// Group gives the group to read, or NoSuchEntity.
func (a *Account) Group(name string) (*Group, error) {
	return found(a.Groups.Find(name), "The group with name %s cannot be found.", name)
}

// EditGroup is to Group as EditUser to User.
func (a *Account) EditGroup(name string) (*Group, error) {
	g, err := a.Group(name)
	return edit(a.Groups, name, g, err)
}

// Role gives the role to read, or NoSuchEntity.
func (a *Account) Role(name string) (*Role, error) {
	return found(a.Roles.Find(name), "The role with name %s cannot be found.", name)
}

// EditRole is to Role as EditUser to User.
func (a *Account) EditRole(name string) (*Role, error) {
	r, err := a.Role(name)
	return edit(a.Roles, name, r, err)
}

// Profile gives the instance profile to read, or NoSuchEntity.
func (a *Account) Profile(name string) (*Profile, error) {
	return found(a.Profiles.Find(name), "Instance Profile %s cannot be found.", name)
}

// EditProfile is to Profile as EditUser to User.
func (a *Account) EditProfile(name string) (*Profile, error) {
	p, err := a.Profile(name)
	return edit(a.Profiles, name, p, err)
}

// EditPolicy gives a copy of the customer managed policy of an ARN.
func (a *Account) EditPolicy(arn string) (*Policy, error) {
	for name, p := range a.Policies {
		if p.ARN == arn {
			return edit(a.Policies, name, p, nil)
		}
	}
	return nil, missing("Policy %s was not found.", arn)
}

// EditProvider gives a copy of the OpenID Connect provider of an ARN.
func (a *Account) EditProvider(arn string) (*Provider, error) {
	p, err := a.Provider(arn)
	if err != nil {
		return nil, err
	}
	return edit(a.Providers, p.URL, p, nil)
}

// Provider gives the provider of an ARN to read, or NoSuchEntity.
func (a *Account) Provider(arn string) (*Provider, error) {
	for _, p := range a.Providers {
		if p.ARN == arn {
			return p, nil
		}
	}
	return nil, missing("OpenIDConnect Provider not found for arn %s", arn)
}

// KeyAccount is the account of a long-term key that exists.
func (s *State) KeyAccount(accessKeyID string) (account string, ok bool) {
	o, ok := s.keys[accessKeyID]
	if !ok {
		return "", false
	}
	return o.account.ID, true
}
