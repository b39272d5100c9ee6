package iamapi

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// The shapes of answers, as the service model of IAM names them.

type tagShape struct{ Key, Value string }

type boundaryShape struct {
	PermissionsBoundaryType string
	PermissionsBoundaryArn  string
}

type userShape struct {
	Path                string
	UserName            string `xml:",omitempty"` // the root user has none
	UserID              string `xml:"UserId"`
	Arn                 string
	CreateDate          time.Time
	PermissionsBoundary *boundaryShape
	Tags                query.List[tagShape] `xml:",omitempty"`
}

type groupShape struct {
	Path       string
	GroupName  string
	GroupID    string `xml:"GroupId"`
	Arn        string
	CreateDate time.Time
}

type roleShape struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               time.Time
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int    `xml:",omitempty"`
	PermissionsBoundary      *boundaryShape
	Tags                     query.List[tagShape] `xml:",omitempty"`
	RoleLastUsed             *lastUsedShape
}

type lastUsedShape struct {
	LastUsedDate *time.Time
	Region       string `xml:",omitempty"`
}

type profileShape struct {
	Path                string
	InstanceProfileName string
	InstanceProfileID   string `xml:"InstanceProfileId"`
	Arn                 string
	CreateDate          time.Time
	Roles               query.List[roleShape]
	Tags                query.List[tagShape] `xml:",omitempty"`
}

type policyShape struct {
	PolicyName                    string
	PolicyID                      string `xml:"PolicyId"`
	Arn                           string
	Path                          string
	DefaultVersionID              string `xml:"DefaultVersionId"`
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string `xml:",omitempty"`
	CreateDate                    time.Time
	UpdateDate                    time.Time
	Tags                          query.List[tagShape] `xml:",omitempty"`
}

type versionShape struct {
	Document         string `xml:",omitempty"`
	VersionID        string `xml:"VersionId"`
	IsDefaultVersion bool
	CreateDate       time.Time
}

type attachedShape struct{ PolicyName, PolicyArn string }

type inlineShape struct{ PolicyName, PolicyDocument string }

func tagsOf(tags []world.Tag) query.List[tagShape] {
	var out query.List[tagShape]
	for _, t := range tags {
		out = append(out, tagShape(t))
	}
	return out
}

func boundaryOf(b *world.Boundary) *boundaryShape {
	if b == nil {
		return nil
	}
	return &boundaryShape{"Policy", b.ARN}
}

// escaped is a document as IAM puts it into XML: percent-encoded (RFC 3986).
func escaped(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// userOf gives a user; lists leave out tags and boundary.
func userOf(u *world.User, whole bool) userShape {
	out := userShape{Path: u.Path, UserName: u.Name, UserID: u.ID, Arn: u.ARN, CreateDate: u.Created}
	if whole {
		out.PermissionsBoundary, out.Tags = boundaryOf(u.Boundary), tagsOf(u.Tags)
	}
	return out
}

func groupOf(g *world.Group) groupShape { return groupShape{g.Path, g.Name, g.ID, g.ARN, g.Created} }

// roleOf gives a role; lists leave out tags, boundary and last use.
func (r *request) roleOf(role *world.Role, whole bool) roleShape {
	out := roleShape{Path: role.Path, RoleName: role.Name, RoleID: role.ID, Arn: role.ARN, CreateDate: role.Created,
		AssumeRolePolicyDocument: escaped(r.state.Readable(role.Trust)), Description: role.Description,
		MaxSessionDuration: role.MaxSession}
	if whole {
		out.PermissionsBoundary, out.Tags = boundaryOf(role.Boundary), tagsOf(role.Tags)
		out.RoleLastUsed = r.lastUsed(role.ID)
	}
	return out
}

func (r *request) lastUsed(id string) *lastUsedShape {
	use, ok := r.world.LastUse(id)
	if !ok {
		return &lastUsedShape{}
	}
	return &lastUsedShape{&use.At, use.Region}
}

func (r *request) profileOf(p *world.Profile) profileShape {
	out := profileShape{Path: p.Path, InstanceProfileName: p.Name, InstanceProfileID: p.ID, Arn: p.ARN, CreateDate: p.Created,
		Tags: tagsOf(p.Tags)}
	for _, name := range p.Roles {
		if role := r.account.Roles.Find(name); role != nil {
			out.Roles = append(out.Roles, r.roleOf(role, false))
		}
	}
	return out
}

func (r *request) policyOf(p *world.Policy, whole bool) policyShape {
	attached, bounding := r.usage(p.ARN)
	out := policyShape{PolicyName: p.Name, PolicyID: p.ID, Arn: p.ARN, Path: p.Path, DefaultVersionID: p.DefaultVersion().ID,
		AttachmentCount: attached, PermissionsBoundaryUsageCount: bounding, IsAttachable: true, CreateDate: p.Created, UpdateDate: p.Updated}
	if whole {
		out.Description, out.Tags = p.Description, tagsOf(p.Tags)
	}
	return out
}

func versionOf(v world.Version, whole bool) versionShape {
	out := versionShape{VersionID: v.ID, IsDefaultVersion: v.Default, CreateDate: v.Created}
	if whole {
		out.Document = escaped(v.Document.Text())
	}
	return out
}

// page is the end of every list: IAM gives 100 items at a time unless asked
// for 1 to 1,000.
type page struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// bounds reads Marker and MaxItems for a list of n items.
func (r *request) bounds(n int) (from, to int, p page, err error) {
	size := 100
	if text := r.get("MaxItems"); text != "" {
		size, _ = strconv.Atoi(text)
	}
	if marker := r.get("Marker"); marker != "" {
		text, err := base64.RawURLEncoding.DecodeString(marker)
		if err == nil {
			from, err = strconv.Atoi(strings.TrimPrefix(string(text), "from:"))
		}
		if err != nil || from < 0 || from > n {
			return 0, 0, p, query.Invalid("Invalid Marker.")
		}
	}
	if to = min(from+size, n); to < n {
		p = page{true, base64.RawURLEncoding.EncodeToString([]byte("from:" + itoa(to)))}
	}
	return from, to, p, nil
}

// paged gives one page of items in their answer's shape.
func paged[T, S any](r *request, items []T, shape func(T) S) (query.List[S], page, error) {
	from, to, p, err := r.bounds(len(items))
	if err != nil {
		return nil, p, err
	}
	var out query.List[S]
	for _, item := range items[from:to] {
		out = append(out, shape(item))
	}
	return out, p, nil
}

// below keeps what lies under the PathPrefix of the call.
func below[T any](r *request, items []*T, path func(*T) string) []*T {
	prefix := r.get("PathPrefix")
	var out []*T
	for _, item := range items {
		if strings.HasPrefix(path(item), prefix) {
			out = append(out, item)
		}
	}
	return out
}

// emptyList is an answer with one list of nothing.
type emptyList struct{ name string }

// MarshalXML writes the list under its own name.
func (l emptyList) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	list := xml.StartElement{Name: xml.Name{Local: l.name}}
	truncated := xml.StartElement{Name: xml.Name{Local: "IsTruncated"}}
	for _, t := range []xml.Token{start, list, list.End(), truncated, xml.CharData("false"), truncated.End(), start.End()} {
		if err := e.EncodeToken(t); err != nil {
			return err
		}
	}
	return nil
}

// inlineAnswer is an inline policy; the holder's element is named for its kind.
type inlineAnswer struct{ holder, name, policy, document string }

// MarshalXML writes UserName, GroupName or RoleName first.
func (a inlineAnswer) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, f := range [][2]string{{a.holder, a.name}, {"PolicyName", a.policy}, {"PolicyDocument", a.document}} {
		if err := e.EncodeElement(f[1], xml.StartElement{Name: xml.Name{Local: f[0]}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}
