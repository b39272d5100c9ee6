package lakeformation

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// Object is what permissions are granted on: a table, the tables of a database
// (Table "*"), a database, or a catalog.
type Object struct {
	Catalog  string // "<account>", or "<account>:<path of a nested catalog>"
	Database string
	Table    string
}

// name is the object as refusals call it.
func (o Object) name() string {
	switch {
	case o.Table != "":
		return o.Table
	case o.Database != "":
		return o.Database
	}
	return "Catalog"
}

// arn is the object as Glue names it in a region.
func (o Object) arn(region string) string {
	account, nested, _ := strings.Cut(o.Catalog, ":")
	parts := []string{o.kind()}
	for _, p := range []string{nested, o.Database, o.Table} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return "arn:aws:glue:" + region + ":" + account + ":" + strings.Join(parts, "/")
}

// Permissions ("Lake Formation permissions reference").
const (
	All            = "ALL"
	Select         = "SELECT"
	Insert         = "INSERT"
	Alter          = "ALTER"
	Drop           = "DROP"
	Describe       = "DESCRIBE"
	CreateDatabase = "CREATE_DATABASE"
	CreateTable    = "CREATE_TABLE"
	superUser      = "SUPER_USER"
)

// permissions are those that each kind of object takes.
var permissions = map[string][]string{
	"catalog":  {All, Alter, Drop, Describe, CreateDatabase, "CREATE_CATALOG", superUser},
	"database": {All, Alter, Drop, Describe, CreateTable},
	"table":    {All, Select, Insert, "DELETE", Alter, Drop, Describe},
}

func (o Object) kind() string {
	switch {
	case o.Table != "":
		return "table"
	case o.Database != "":
		return "database"
	}
	return "catalog"
}

// grant is what one principal holds on one object.
type grant struct {
	Principal   string
	Object      Object
	Permissions []string
	Grantable   []string `json:",omitempty"`
	Updated     float64
	By          string
}

// Allowed tells whether the principal holds a permission on an object of the
// account: granted to it or to all principals of the account, or implied.
func (s *Service) Allowed(account, region string, p iam.Principal, permission string, o Object) (bool, error) {
	return s.allowed(account, region, grantee(p), permission, o)
}

func (s *Service) allowed(account, region, who, permission string, o Object) (bool, error) {
	grants, err := read[[]grant](s, account, region, grantsKind)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(grants, func(g grant) bool { return g.holds(account, who) && g.gives(permission, o) }) {
		return true, nil
	}
	d, err := read[settings](s, account, region, settingsKind)
	if err != nil {
		return false, err
	}
	// "Implicit Lake Formation permissions": administrators see everything and
	// may create databases.
	return d.admin(who) && (permission == Describe || permission == CreateDatabase), nil
}

// holds tells whether the grant is the principal's.
func (g *grant) holds(account, who string) bool {
	switch g.Principal {
	case "IAM_ALLOWED_PRINCIPALS":
		return true
	case account + ":IAMPrincipals":
		parts := strings.SplitN(who, ":", 6)
		return len(parts) == 6 && parts[4] == account
	}
	return g.Principal == who
}

// gives tells whether the grant implies a permission on an object.
func (g *grant) gives(permission string, o Object) bool {
	if slices.Contains(g.Permissions, superUser) && g.Object.Catalog == o.Catalog {
		return true
	}
	if permission == Describe && g.Object.within(o) {
		// Any permission on an object shows it, and what it lies in. Assumed
		// for databases and catalogs: the page speaks of tables.
		return true
	}
	if g.Object != o && !(g.Object.Table == "*" && o.Table != "" && g.Object.Database == o.Database && g.Object.Catalog == o.Catalog) {
		return false
	}
	return slices.Contains(g.Permissions, permission) || slices.Contains(g.Permissions, All)
}

// within tells whether o is the object or one that holds it.
func (g Object) within(o Object) bool {
	if g.Catalog != o.Catalog {
		return false
	}
	switch {
	case o.Database == "":
		return true
	case o.Table == "":
		return g.Database == o.Database
	}
	return g.Database == o.Database && (g.Table == o.Table || g.Table == "*")
}

// spelled is permissions as refusals spell them.
var spelled = map[string]string{Select: "Select", Insert: "Insert", Alter: "Alter", Drop: "Drop", Describe: "Describe",
	CreateDatabase: "Create Database", CreateTable: "Create Table"}

// Require refuses a caller that does not hold the permission, in the words of
// the service.
func (s *Service) Require(c *sandbox.Call, account, permission string, o Object) error {
	ok, err := s.decide(c, account, c.Region, permission, o)
	if err == nil && !ok {
		err = &sandbox.APIError{Status: http.StatusForbidden, Code: "AccessDeniedException",
			Message: "Insufficient Lake Formation permission(s): Required " + spelled[permission] + " on " + o.name()}
	}
	return err
}

// decide is Allowed of a call's caller, told in the decision log as the action
// "lakeformation:" and the permission.
func (s *Service) decide(c *sandbox.Call, account, region, permission string, o Object) (bool, error) {
	ok, err := s.Allowed(account, region, c.Caller.Principal, permission, o)
	if err == nil {
		note(c, region, permission, o, ok)
	}
	return ok, err
}

func note(c *sandbox.Call, region, permission string, o Object, allowed bool) {
	reason := "a grant of Lake Formation gives it, or being an administrator"
	if !allowed {
		reason = "no grant of Lake Formation gives it"
	}
	c.Note("lakeformation:"+permission, o.arn(region), allowed, reason)
}

// Own gives the creator of an object all permissions on it ("Implicit Lake
// Formation permissions").
func (s *Service) Own(c *sandbox.Call, account string, o Object) error {
	return change(s, account, c.Region, grantsKind, func(all *[]grant) error {
		s.add(all, grant{Principal: grantee(c.Caller.Principal), Object: o, Permissions: []string{All}, Grantable: []string{All}, By: account})
		return nil
	})
}

// Forget drops every grant on an object that is gone, and on what was in it.
func (s *Service) Forget(c *sandbox.Call, account string, o Object) error {
	return change(s, account, c.Region, grantsKind, func(all *[]grant) error {
		*all = slices.DeleteFunc(*all, func(g grant) bool {
			return g.Object.Catalog == o.Catalog && g.Object.Database == o.Database && (o.Table == "" || g.Object.Table == o.Table)
		})
		return nil
	})
}

// add puts a grant together with what the principal holds on the object.
func (s *Service) add(all *[]grant, g grant) {
	g.Updated = float64(s.now().Unix())
	for i := range *all {
		old := &(*all)[i]
		if old.Principal == g.Principal && old.Object == g.Object {
			old.Permissions, old.Grantable = union(old.Permissions, g.Permissions), union(old.Grantable, g.Grantable)
			old.Updated, old.By = g.Updated, g.By
			return
		}
	}
	*all = append(*all, g)
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

type catalogResource struct {
	ID string `json:"Id,omitempty"`
}

type databaseResource struct {
	CatalogID string `json:"CatalogId,omitempty"`
	Name      string
}

type tableResource struct {
	CatalogID     string `json:"CatalogId,omitempty"`
	DatabaseName  string
	Name          string    `json:",omitempty"`
	TableWildcard *struct{} `json:",omitempty"`
}

type columnsResource struct {
	CatalogID      string   `json:"CatalogId,omitempty"`
	DatabaseName   string   `json:",omitempty"`
	Name           string   `json:",omitempty"`
	ColumnNames    []string `json:",omitempty"`
	ColumnWildcard *struct {
		Excluded []string `json:"ExcludedColumnNames,omitempty"`
	} `json:",omitempty"`
}

type resourceShape struct {
	Catalog          *catalogResource  `json:",omitempty"`
	Database         *databaseResource `json:",omitempty"`
	Table            *tableResource    `json:",omitempty"`
	TableWithColumns *columnsResource  `json:",omitempty"`
}

// object reads a resource; catalog is that of the call.
func (r *resourceShape) object(c *call, catalog string) (o Object, err error) {
	if catalog == "" {
		catalog = c.account
	}
	in := func(id string) string {
		switch {
		case id == "":
			return catalog
		case !accountFirst.MatchString(id):
			return c.account + ":" + id
		}
		return id
	}
	switch {
	case r == nil:
		return o, invalid("Resource is missing.")
	case r.Table != nil:
		o = Object{in(r.Table.CatalogID), strings.ToLower(r.Table.DatabaseName), strings.ToLower(r.Table.Name)}
		if r.Table.TableWildcard != nil {
			o.Table = "*"
		}
		if o.Database == "" || o.Table == "" {
			return o, invalid("Table names a DatabaseName and a Name or a TableWildcard.")
		}
	case r.TableWithColumns != nil:
		t := r.TableWithColumns
		if len(t.ColumnNames) > 0 || t.ColumnWildcard == nil || len(t.ColumnWildcard.Excluded) > 0 {
			return o, invalid("The sandbox grants whole tables: TableWithColumns takes an empty ColumnWildcard.")
		}
		o = Object{in(t.CatalogID), strings.ToLower(t.DatabaseName), strings.ToLower(t.Name)}
	case r.Database != nil:
		if o = (Object{Catalog: in(r.Database.CatalogID), Database: strings.ToLower(r.Database.Name)}); o.Database == "" {
			return o, invalid("Database names a Name.")
		}
	case r.Catalog != nil:
		o.Catalog = in(r.Catalog.ID)
	default:
		return o, invalid("The sandbox grants on a Catalog, a Database, a Table or a TableWithColumns.")
	}
	return o, c.owns(o.Catalog)
}

var accountFirst = regexp.MustCompile(`^[0-9]{12}(:|$)`)

// shape is the resource as lists give it.
func (o Object) shape() resourceShape {
	switch {
	case o.Table == "*":
		return resourceShape{Table: &tableResource{CatalogID: o.Catalog, DatabaseName: o.Database, TableWildcard: &struct{}{}}}
	case o.Table != "":
		return resourceShape{Table: &tableResource{CatalogID: o.Catalog, DatabaseName: o.Database, Name: o.Table}}
	case o.Database != "":
		return resourceShape{Database: &databaseResource{o.Catalog, o.Database}}
	}
	return resourceShape{Catalog: &catalogResource{o.Catalog}}
}

type grantBody struct {
	ID          string `json:"Id,omitempty"` // of an entry of a batch
	CatalogID   string `json:"CatalogId,omitempty"`
	Principal   *principalShape
	Resource    *resourceShape
	Permissions []string
	Grantable   []string `json:"PermissionsWithGrantOption,omitempty"`
}

var iamPrincipal = regexp.MustCompile(`^arn:aws:iam::[0-9]{12}:(?:user|role)/.+$`)

// read checks a grant or a revocation, and that the caller may make it.
func (b *grantBody) read(s *Service, c *call) (*grant, error) {
	if b.Principal == nil {
		return nil, invalid("Principal is missing.")
	}
	o, err := b.Resource.object(c, b.CatalogID)
	if err != nil {
		return nil, err
	}
	who := b.Principal.ID
	switch {
	case who == "IAM_ALLOWED_PRINCIPALS", who == c.account+":IAMPrincipals":
	case !iamPrincipal.MatchString(who):
		return nil, invalid("Invalid principal: %s", who)
	case s.world.State().RoleByARN(who) == nil && s.world.State().UserByARN(who) == nil:
		return nil, invalid("Invalid principal: %s does not exist", who)
	}
	if len(b.Permissions) == 0 {
		return nil, invalid("Permissions is empty.")
	}
	for _, p := range slices.Concat(b.Permissions, b.Grantable) {
		if !slices.Contains(permissions[o.kind()], p) {
			return nil, invalid("Permissions modification is invalid: a %s has no permission %s.", o.kind(), p)
		}
	}
	if err := s.mayGrant(c, o, b.Permissions); err != nil {
		return nil, err
	}
	return &grant{Principal: who, Object: o, Permissions: b.Permissions, Grantable: b.Grantable, By: grantee(c.Caller.Principal)}, nil
}

// mayGrant refuses a caller that neither administers the lake nor holds the
// permissions with the grant option.
func (s *Service) mayGrant(c *call, o Object, wanted []string) error {
	who := grantee(c.Caller.Principal)
	d, err := read[settings](s, c.account, c.Region, settingsKind)
	if err != nil || d.admin(who) {
		return err
	}
	grants, err := read[[]grant](s, c.account, c.Region, grantsKind)
	if err != nil {
		return err
	}
	for _, p := range wanted {
		if !slices.ContainsFunc(grants, func(g grant) bool {
			return g.Principal == who && g.Object == o && (slices.Contains(g.Grantable, p) || slices.Contains(g.Grantable, All))
		}) {
			return denied("Insufficient Lake Formation permission(s): %s is no data lake administrator and does not hold %s on %s with the grant option", who, p, o.name())
		}
	}
	return nil
}

func (s *Service) grantOne(c *call) (any, error) {
	var in grantBody
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return nil, s.grantThis(c, &in)
}

func (s *Service) grantThis(c *call, in *grantBody) error {
	g, err := in.read(s, c)
	if err != nil {
		return err
	}
	return change(s, c.account, c.Region, grantsKind, func(all *[]grant) error { s.add(all, *g); return nil })
}

func (s *Service) revokeOne(c *call) (any, error) {
	var in grantBody
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return nil, s.revokeThis(c, &in)
}

func (s *Service) revokeThis(c *call, in *grantBody) error {
	g, err := in.read(s, c)
	if err != nil {
		return err
	}
	return change(s, c.account, c.Region, grantsKind, func(all *[]grant) error {
		i := slices.IndexFunc(*all, func(old grant) bool { return old.Principal == g.Principal && old.Object == g.Object })
		if i < 0 {
			return invalid("No permissions revoked. Grantee does not have: %s", g.Permissions)
		}
		old := &(*all)[i]
		gone := func(p string) bool { return slices.Contains(g.Permissions, p) || slices.Contains(g.Permissions, All) }
		if slices.Contains(old.Permissions, All) && !gone(All) {
			// ALL is every permission: taking one away leaves the others.
			old.Permissions = slices.DeleteFunc(slices.Clone(permissions[g.Object.kind()]), func(p string) bool { return p == All || p == superUser })
		}
		old.Permissions = slices.DeleteFunc(old.Permissions, gone)
		old.Grantable = slices.DeleteFunc(old.Grantable, func(p string) bool { return gone(p) || p == All })
		if old.Updated = float64(s.now().Unix()); len(old.Permissions) == 0 {
			*all = slices.Delete(*all, i, i+1)
		}
		return nil
	})
}

type batchBody struct {
	CatalogID string `json:"CatalogId,omitempty"`
	Entries   []grantBody
}

type batchFailure struct {
	RequestEntry grantBody
	Error        struct{ ErrorCode, ErrorMessage string }
}

func (s *Service) grantMany(c *call) (any, error)  { return s.many(c, s.grantThis) }
func (s *Service) revokeMany(c *call) (any, error) { return s.many(c, s.revokeThis) }

func (s *Service) many(c *call, each func(*call, *grantBody) error) (any, error) {
	var in batchBody
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	failures := []batchFailure{}
	for _, e := range in.Entries {
		if e.CatalogID == "" {
			e.CatalogID = in.CatalogID
		}
		err := each(c, &e)
		api, ok := err.(*sandbox.APIError)
		if err != nil && !ok {
			return nil, err
		}
		if err != nil {
			f := batchFailure{RequestEntry: e}
			f.Error.ErrorCode, f.Error.ErrorMessage = api.Code, api.Message
			failures = append(failures, f)
		}
	}
	return map[string][]batchFailure{"Failures": failures}, nil
}

type permissionShape struct {
	Principal   principalShape
	Resource    resourceShape
	Permissions []string
	Grantable   []string `json:"PermissionsWithGrantOption"`
	Updated     float64  `json:"LastUpdated"`
	By          string   `json:"LastUpdatedBy"`
}

func (s *Service) listPermissions(c *call) (any, error) {
	var in struct {
		CatalogID      string `json:"CatalogId"`
		Principal      *principalShape
		Resource       *resourceShape
		ResourceType   string
		IncludeRelated string
		NextToken      string
		MaxResults     int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.IncludeRelated == "TRUE" {
		return nil, invalid("The sandbox lists permissions without IncludeRelated.")
	}
	grants, err := read[[]grant](s, c.account, c.Region, grantsKind)
	if err != nil {
		return nil, err
	}
	var on *Object
	if in.Resource != nil {
		o, err := in.Resource.object(c, in.CatalogID)
		if err != nil {
			return nil, err
		}
		on = &o
	}
	out := []permissionShape{}
	for _, g := range grants {
		if in.Principal != nil && g.Principal != in.Principal.ID || on != nil && g.Object != *on ||
			in.ResourceType != "" && !strings.EqualFold(in.ResourceType, g.Object.kind()) {
			continue
		}
		if g.Grantable == nil {
			g.Grantable = []string{}
		}
		out = append(out, permissionShape{principalShape{g.Principal}, g.Object.shape(), g.Permissions, g.Grantable, g.Updated, g.By})
	}
	return map[string][]permissionShape{"PrincipalResourcePermissions": out}, nil
}
