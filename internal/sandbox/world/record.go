package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/secret"
)

// The records below are written as JSON with the names that IAM's
// GetAccountAuthorizationDetails uses, both in the database and in the world
// file. A record that is reachable from a State is never changed: Edit
// methods give a copy that takes its place.

// Tag is one tag of an entity.
type Tag struct{ Key, Value string }

// Inline is a policy that lives inside a user, group or role.
type Inline struct {
	Name     string    `json:"PolicyName"`
	Document *Document `json:"PolicyDocument"`
}

// Attached is a managed policy's attachment.
type Attached struct {
	Name string `json:"PolicyName,omitempty"`
	ARN  string `json:"PolicyArn"`
}

// Boundary is the managed policy that caps a user or role.
type Boundary struct {
	Type string `json:"PermissionsBoundaryType,omitempty"`
	ARN  string `json:"PermissionsBoundaryArn"`
}

// AccessKey is a long-term key.
type AccessKey struct {
	ID      string
	Secret  secret.String
	Active  bool
	Created time.Time
}

// User is an IAM user.
type User struct {
	Name     string      `json:"UserName"`
	Path     string      `json:"Path,omitempty"`
	ID       string      `json:"UserId,omitempty"`
	ARN      string      `json:"Arn,omitempty"`
	Created  time.Time   `json:"CreateDate,omitzero"`
	Inline   []Inline    `json:"UserPolicyList,omitempty"`
	Attached []Attached  `json:"AttachedManagedPolicies,omitempty"`
	Groups   []string    `json:"GroupList,omitempty"` // names as the groups write them
	Boundary *Boundary   `json:"PermissionsBoundary,omitempty"`
	Tags     []Tag       `json:"Tags,omitempty"`
	Keys     []AccessKey `json:"-"` // written by storedUser, which reveals secrets
}

// Group is an IAM group.
type Group struct {
	Name     string     `json:"GroupName"`
	Path     string     `json:"Path,omitempty"`
	ID       string     `json:"GroupId,omitempty"`
	ARN      string     `json:"Arn,omitempty"`
	Created  time.Time  `json:"CreateDate,omitzero"`
	Inline   []Inline   `json:"GroupPolicyList,omitempty"`
	Attached []Attached `json:"AttachedManagedPolicies,omitempty"`
}

// Role is an IAM role. Trust holds unique ids where the caller wrote ARNs of
// users and roles; State.Readable gives the text to show.
type Role struct {
	Name        string     `json:"RoleName"`
	Path        string     `json:"Path,omitempty"`
	ID          string     `json:"RoleId,omitempty"`
	ARN         string     `json:"Arn,omitempty"`
	Created     time.Time  `json:"CreateDate,omitzero"`
	Trust       *Document  `json:"AssumeRolePolicyDocument"`
	Description string     `json:"Description,omitempty"`
	MaxSession  int        `json:"MaxSessionDuration,omitempty"` // seconds
	Inline      []Inline   `json:"RolePolicyList,omitempty"`
	Attached    []Attached `json:"AttachedManagedPolicies,omitempty"`
	Boundary    *Boundary  `json:"PermissionsBoundary,omitempty"`
	Tags        []Tag      `json:"Tags,omitempty"`
}

// Profile is an instance profile.
type Profile struct {
	Name    string    `json:"InstanceProfileName"`
	Path    string    `json:"Path,omitempty"`
	ID      string    `json:"InstanceProfileId,omitempty"`
	ARN     string    `json:"Arn,omitempty"`
	Created time.Time `json:"CreateDate,omitzero"`
	Roles   []string  `json:"Roles,omitempty"` // at most one name
	Tags    []Tag     `json:"Tags,omitempty"`
}

// Version is one version of a managed policy.
type Version struct {
	ID       string    `json:"VersionId"`
	Default  bool      `json:"IsDefaultVersion,omitempty"`
	Document *Document `json:"Document"`
	Created  time.Time `json:"CreateDate,omitzero"`
}

// Policy is a managed policy.
type Policy struct {
	Name        string    `json:"PolicyName"`
	Path        string    `json:"Path,omitempty"`
	ID          string    `json:"PolicyId,omitempty"`
	ARN         string    `json:"Arn,omitempty"`
	Created     time.Time `json:"CreateDate,omitzero"`
	Updated     time.Time `json:"UpdateDate,omitzero"`
	Description string    `json:"Description,omitempty"`
	Versions    []Version `json:"PolicyVersionList"`
	Last        int       `json:"LastVersion,omitempty"` // number of the newest version ever made
	Tags        []Tag     `json:"Tags,omitempty"`
}

// Provider is an OpenID Connect identity provider.
type Provider struct {
	URL         string    `json:"Url"` // without https://
	ARN         string    `json:"Arn,omitempty"`
	ClientIDs   []string  `json:"ClientIDList,omitempty"`
	Thumbprints []string  `json:"ThumbprintList,omitempty"`
	Created     time.Time `json:"CreateDate,omitzero"`
	Tags        []Tag     `json:"Tags,omitempty"`
	// Keys is a JSON Web Key Set (RFC 7517) given in the world file, which has
	// no counterpart in IAM: it spares the sandbox the call to the issuer.
	Keys json.RawMessage `json:"JWKS,omitempty"`
}

// Host is the machine whose metadata service the sandbox plays.
type Host struct {
	Account    string `json:"account"`
	Profile    string `json:"instance_profile"` // may not exist yet
	InstanceID string `json:"instance_id,omitempty"`
	Region     string `json:"region,omitempty"`
}

// DefaultVersion is the version of p in force.
func (p *Policy) DefaultVersion() *Version {
	for i := range p.Versions {
		if p.Versions[i].Default {
			return &p.Versions[i]
		}
	}
	return nil
}

// Holder is what policies can be put into or attached to.
type Holder interface {
	// Grants gives the lists to read, or to change on a copy from Edit.
	Grants() (inline *[]Inline, attached *[]Attached)
}

// Grants implements Holder.
func (u *User) Grants() (*[]Inline, *[]Attached) { return &u.Inline, &u.Attached }

// Grants implements Holder.
func (g *Group) Grants() (*[]Inline, *[]Attached) { return &g.Inline, &g.Attached }

// Grants implements Holder.
func (r *Role) Grants() (*[]Inline, *[]Attached) { return &r.Inline, &r.Attached }

func (u *User) clone() *User {
	c := *u
	c.Inline, c.Attached, c.Groups = slices.Clone(u.Inline), slices.Clone(u.Attached), slices.Clone(u.Groups)
	c.Tags, c.Keys = slices.Clone(u.Tags), slices.Clone(u.Keys)
	return &c
}

func (g *Group) clone() *Group {
	c := *g
	c.Inline, c.Attached = slices.Clone(g.Inline), slices.Clone(g.Attached)
	return &c
}

func (r *Role) clone() *Role {
	c := *r
	c.Inline, c.Attached, c.Tags = slices.Clone(r.Inline), slices.Clone(r.Attached), slices.Clone(r.Tags)
	return &c
}

func (p *Profile) clone() *Profile {
	c := *p
	c.Roles, c.Tags = slices.Clone(p.Roles), slices.Clone(p.Tags)
	return &c
}

func (p *Policy) clone() *Policy {
	c := *p
	c.Versions, c.Tags = slices.Clone(p.Versions), slices.Clone(p.Tags)
	return &c
}

func (p *Provider) clone() *Provider {
	c := *p
	c.ClientIDs, c.Thumbprints, c.Tags = slices.Clone(p.ClientIDs), slices.Clone(p.Thumbprints), slices.Clone(p.Tags)
	return &c
}

// Document is the text of a policy, parsed when it is first needed. It is
// immutable.
type Document struct {
	text   string
	once   sync.Once
	parsed *iam.Document
	err    error
}

// NewDocument keeps text as it is; it is not checked.
func NewDocument(text string) *Document { return &Document{text: text} }

// Text is the policy as it was given.
func (d *Document) Text() string { return d.text }

// Parsed is the document for iam; nil if the text is no policy, which allows
// nothing.
func (d *Document) Parsed() *iam.Document {
	d.once.Do(func() { d.parsed, d.err = iam.Parse([]byte(d.text)) })
	return d.parsed
}

// MarshalJSON writes the text as a JSON string, which keeps its blanks.
func (d *Document) MarshalJSON() ([]byte, error) { return json.Marshal(d.text) }

// UnmarshalJSON takes a JSON string, or an object as the world file has it.
func (d *Document) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), `"`) {
		return json.Unmarshal(b, &d.text)
	}
	if !strings.HasPrefix(string(b), "{") {
		return fmt.Errorf("policy document is neither an object nor a string")
	}
	d.text = string(b)
	return nil
}

// plainKey is an access key with its secret in the open: inside sealed
// records and in the world file only.
type plainKey struct {
	ID      string    `json:"AccessKeyId"`
	Secret  string    `json:"SecretAccessKey"`
	Status  string    `json:"Status,omitempty"`
	Created time.Time `json:"CreateDate,omitzero"`
}

// storedUser is a user with its keys' secrets, for storage.
type storedUser struct {
	User
	Keys []plainKey `json:"AccessKeys,omitempty"`
}

func plainKeys(keys []AccessKey) []plainKey {
	var out []plainKey
	for _, k := range keys {
		out = append(out, plainKey{k.ID, k.Secret.Reveal(), k.Status(), k.Created})
	}
	return out
}

func secretKeys(keys []plainKey) []AccessKey {
	var out []AccessKey
	for _, k := range keys {
		out = append(out, AccessKey{k.ID, secret.New(k.Secret), k.Status != "Inactive", k.Created})
	}
	return out
}

// Status is "Active" or "Inactive".
func (k AccessKey) Status() string {
	if k.Active {
		return "Active"
	}
	return "Inactive"
}
