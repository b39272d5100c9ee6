package iamapi

import (
	"encoding/xml"
	"slices"
	"time"

	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

func createAlias(r *request) (any, error) {
	alias := r.get("AccountAlias")
	return nothing(r.world.Update(func(s *world.State) error {
		for _, a := range s.Accounts {
			if a.Alias == alias && a.ID != r.account.ID {
				return refuse("EntityAlreadyExists", "The account alias "+alias+" already exists.")
			}
		}
		s.Edit(r.account.ID).Alias = alias
		return nil
	}))
}

func deleteAlias(r *request) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		if a.Alias != r.get("AccountAlias") {
			return refuse("NoSuchEntity", "The account alias "+r.get("AccountAlias")+" cannot be found.")
		}
		a.Alias = ""
		return nil
	}))
}

func listAliases(r *request) (any, error) {
	var aliases []string
	if r.account.Alias != "" {
		aliases = append(aliases, r.account.Alias)
	}
	out, more, err := paged(r, aliases, func(s string) string { return s })
	return struct {
		AccountAliases query.List[string]
		page
	}{out, more}, err
}

// counts is a map in the query protocol.
type counts [][2]string

// MarshalXML writes <entry><key/><value/></entry> elements.
func (m counts) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	type entry struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, c := range m {
		if err := e.EncodeElement(entry{c[0], c[1]}, xml.StartElement{Name: xml.Name{Local: "entry"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

func accountSummary(r *request) (any, error) {
	a := r.account
	versions, keys := 0, 0
	for _, p := range a.Policies {
		versions += len(p.Versions)
	}
	if len(a.Root) > 0 {
		keys = 1
	}
	return struct{ SummaryMap counts }{counts{
		{"Users", itoa(len(a.Users))}, {"UsersQuota", "5000"}, {"Groups", itoa(len(a.Groups))}, {"GroupsQuota", "300"},
		{"Roles", itoa(len(a.Roles))}, {"RolesQuota", "1000"}, {"InstanceProfiles", itoa(len(a.Profiles))},
		{"InstanceProfilesQuota", "1000"}, {"Policies", itoa(len(a.Policies))}, {"PoliciesQuota", "1500"},
		{"PolicyVersionsInUse", itoa(versions)}, {"PolicyVersionsInUseQuota", "10000"}, {"Providers", itoa(len(a.Providers))},
		{"AccountAccessKeysPresent", itoa(keys)}, {"AccountMFAEnabled", "0"}, {"AccessKeysPerUserQuota", "2"},
		{"AttachedPoliciesPerUserQuota", itoa(attachLimit)}, {"AttachedPoliciesPerGroupQuota", itoa(attachLimit)},
		{"AttachedPoliciesPerRoleQuota", itoa(attachLimit)}, {"GroupsPerUserQuota", "10"}, {"VersionsPerPolicyQuota", "5"},
		{"PolicySizeQuota", "6144"}, {"AssumeRolePolicySizeQuota", "2048"}}}, nil
}

type userDetail struct {
	Path                    string
	UserName                string
	UserID                  string `xml:"UserId"`
	Arn                     string
	CreateDate              time.Time
	UserPolicyList          query.List[inlineShape]
	GroupList               query.List[string]
	AttachedManagedPolicies query.List[attachedShape]
	PermissionsBoundary     *boundaryShape
	Tags                    query.List[tagShape]
}

type groupDetail struct {
	Path                    string
	GroupName               string
	GroupID                 string `xml:"GroupId"`
	Arn                     string
	CreateDate              time.Time
	GroupPolicyList         query.List[inlineShape]
	AttachedManagedPolicies query.List[attachedShape]
}

type roleDetail struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               time.Time
	AssumeRolePolicyDocument string
	InstanceProfileList      query.List[profileShape]
	RolePolicyList           query.List[inlineShape]
	AttachedManagedPolicies  query.List[attachedShape]
	PermissionsBoundary      *boundaryShape
	Tags                     query.List[tagShape]
	RoleLastUsed             *lastUsedShape
}

type policyDetail struct {
	policyShape
	PolicyVersionList query.List[versionShape]
}

type details struct {
	UserDetailList  query.List[userDetail]
	GroupDetailList query.List[groupDetail]
	RoleDetailList  query.List[roleDetail]
	Policies        query.List[policyDetail]
	page
}

func inlines(list []world.Inline) (out query.List[inlineShape]) {
	for _, p := range list {
		out = append(out, inlineShape{p.Name, escaped(p.Document.Text())})
	}
	return out
}

func attachments(list []world.Attached) (out query.List[attachedShape]) {
	for _, a := range list {
		out = append(out, attachedOf(a))
	}
	return out
}

// authorizationDetails gives the whole account. Pages run through users,
// groups, roles and policies in this order.
func authorizationDetails(r *request) (any, error) {
	filter := query.Members(r.form, "Filter")
	wants := func(kind string) bool { return len(filter) == 0 || slices.Contains(filter, kind) }
	var all []any
	add := func(kind string, item any) {
		if wants(kind) {
			all = append(all, item)
		}
	}
	for _, u := range r.account.Users.Sorted() {
		add("User", u)
	}
	for _, g := range r.account.Groups.Sorted() {
		add("Group", g)
	}
	for _, role := range r.account.Roles.Sorted() {
		add("Role", role)
	}
	for _, p := range r.account.Policies.Sorted() {
		add("LocalManagedPolicy", p)
	}
	for _, p := range world.AWSManaged() {
		if attached, bounding := r.usage(p.ARN); attached+bounding > 0 {
			add("AWSManagedPolicy", p)
		}
	}
	from, to, more, err := r.bounds(len(all))
	if err != nil {
		return nil, err
	}
	out := details{page: more}
	for _, item := range all[from:to] {
		out.add(r, item)
	}
	return out, nil
}

func (d *details) add(r *request, item any) {
	switch e := item.(type) {
	case *world.User:
		d.UserDetailList = append(d.UserDetailList, userDetail{e.Path, e.Name, e.ID, e.ARN, e.Created, inlines(e.Inline), e.Groups,
			attachments(e.Attached), boundaryOf(e.Boundary), tagsOf(e.Tags)})
	case *world.Group:
		d.GroupDetailList = append(d.GroupDetailList, groupDetail{e.Path, e.Name, e.ID, e.ARN, e.Created, inlines(e.Inline), attachments(e.Attached)})
	case *world.Role:
		var profiles query.List[profileShape]
		for _, p := range profilesOf(r.account, e) {
			profiles = append(profiles, r.profileOf(p))
		}
		d.RoleDetailList = append(d.RoleDetailList, roleDetail{e.Path, e.Name, e.ID, e.ARN, e.Created, escaped(r.state.Readable(e.Trust)),
			profiles, inlines(e.Inline), attachments(e.Attached), boundaryOf(e.Boundary), tagsOf(e.Tags), r.lastUsed(e.ID)})
	case *world.Policy:
		p := policyDetail{policyShape: r.policyOf(e, true)}
		p.policyShape.Tags = nil
		for _, v := range e.Versions {
			p.PolicyVersionList = append(p.PolicyVersionList, versionOf(v, true))
		}
		d.Policies = append(d.Policies, p)
	}
}
