package world

import (
	"strconv"
	"time"
)

// NewUser makes a user of account that is in no table yet.
func NewUser(account, path, name string, now time.Time) *User {
	return &User{Name: name, Path: path, ID: uniqueID(prefixUser, account), ARN: ARN(account, "user", path, name), Created: now}
}

// NewGroup makes a group of account that is in no table yet.
func NewGroup(account, path, name string, now time.Time) *Group {
	return &Group{Name: name, Path: path, ID: uniqueID(prefixGroup, account), ARN: ARN(account, "group", path, name), Created: now}
}

// NewRole makes a role of account that is in no table yet and trusts nobody.
func NewRole(account, path, name string, now time.Time) *Role {
	return &Role{Name: name, Path: path, ID: uniqueID(prefixRole, account), ARN: ARN(account, "role", path, name), Created: now,
		MaxSession: DefaultMaxSession}
}

// NewProfile makes an instance profile of account that is in no table yet.
func NewProfile(account, path, name string, now time.Time) *Profile {
	return &Profile{Name: name, Path: path, ID: uniqueID(prefixProfile, account), ARN: ARN(account, "instance-profile", path, name),
		Created: now}
}

// NewPolicy makes a managed policy of account with one version.
func NewPolicy(account, path, name, document string, now time.Time) *Policy {
	p := &Policy{Name: name, Path: path, ID: uniqueID(prefixPolicy, account), ARN: ARN(account, "policy", path, name), Created: now}
	p.AddVersion(document, true, now)
	return p
}

// AddVersion gives a policy its next version and returns it.
func (p *Policy) AddVersion(document string, inForce bool, now time.Time) Version {
	p.Last++
	v := Version{ID: "v" + strconv.Itoa(p.Last), Document: NewDocument(document), Created: now}
	p.Versions = append(p.Versions, v)
	if inForce {
		p.Use(v.ID, now)
		v.Default = true
	}
	return v
}

// Use puts one version in force.
func (p *Policy) Use(version string, now time.Time) {
	p.Updated = now
	for i := range p.Versions {
		p.Versions[i].Default = p.Versions[i].ID == version
	}
}
