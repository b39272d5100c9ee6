package lakeformation

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
)

// Kinds of record.
const (
	settingsKind  = "settings"
	locationsKind = "locations"
	grantsKind    = "grants"
)

type principalShape struct {
	ID string `json:"DataLakePrincipalIdentifier"`
}

type principalPermissions struct {
	Principal   *principalShape `json:",omitempty"`
	Permissions []string        `json:",omitempty"`
}

// settings is DataLakeSettings.
type settings struct {
	DataLakeAdmins                   []principalShape       `json:",omitempty"`
	ReadOnlyAdmins                   []principalShape       `json:",omitempty"`
	CreateDatabaseDefaultPermissions []principalPermissions `json:",omitempty"`
	CreateTableDefaultPermissions    []principalPermissions `json:",omitempty"`
	Parameters                       map[string]string      `json:",omitempty"`
	TrustedResourceOwners            []string               `json:",omitempty"`
	AllowExternalDataFiltering       *bool                  `json:",omitempty"`
	AllowFullTableExternalDataAccess *bool                  `json:",omitempty"`
	ExternalDataFilteringAllowList   []principalShape       `json:",omitempty"`
	AuthorizedSessionTagValueList    []string               `json:",omitempty"`
}

func (d *settings) admin(who string) bool {
	return slices.Contains(d.DataLakeAdmins, principalShape{who})
}

type settingsBody struct {
	CatalogID        string    `json:"CatalogId,omitempty"`
	DataLakeSettings *settings `json:",omitempty"`
}

func (s *Service) getSettings(c *call) (any, error) {
	var in settingsBody
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.owns(in.CatalogID); err != nil {
		return nil, err
	}
	d, err := read[settings](s, c.account, c.Region, settingsKind)
	return settingsBody{DataLakeSettings: &d}, err
}

// putSettings replaces everything ("PutDataLakeSettings").
func (s *Service) putSettings(c *call) (any, error) {
	var in settingsBody
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	d := in.DataLakeSettings
	switch err := c.owns(in.CatalogID); {
	case err != nil:
		return nil, err
	case d == nil:
		return nil, invalid("DataLakeSettings is missing.")
	case len(d.DataLakeAdmins) > 30:
		return nil, invalid("There are %d data lake administrators; 30 are allowed.", len(d.DataLakeAdmins))
	case d.AllowExternalDataFiltering != nil && *d.AllowExternalDataFiltering:
		return nil, invalid("The sandbox has no external data filtering: leave AllowExternalDataFiltering out or set AllowFullTableExternalDataAccess.")
	}
	return nil, change(s, c.account, c.Region, settingsKind, func(old *settings) error { *old = *d; return nil })
}

// location is a registered location: whose data Lake Formation hands out, and
// by which role.
type location struct {
	ResourceARN    string    `json:"ResourceArn"`
	RoleARN        string    `json:"RoleArn"`
	LastModified   float64   `json:"LastModified"`
	WithFederation bool      `json:"WithFederation"`
	Added          time.Time `json:"-"`
}

// covers tells whether the location holds an object of the ARN.
func (l *location) covers(arn string) bool {
	ok, err := path.Match(l.ResourceARN, arn)
	return err == nil && ok
}

func (s *Service) register(c *call) (any, error) {
	var in struct {
		ResourceARN             string `json:"ResourceArn"`
		RoleARN                 string `json:"RoleArn"`
		UseServiceLinkedRole    bool
		WithFederation          bool
		HybridAccessEnabled     bool
		WithPrivilegedAccess    bool
		ExpectedResourceOwnerID string `json:"ExpectedResourceOwnerAccount,omitempty"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.UseServiceLinkedRole, in.HybridAccessEnabled, in.WithPrivilegedAccess:
		return nil, invalid("The sandbox registers locations with a RoleArn, without hybrid or privileged access.")
	case !strings.HasPrefix(in.ResourceARN, "arn:aws:s3tables:"+c.Region+":"+c.account+":bucket/"):
		return nil, invalid("The sandbox registers table buckets of the account and region, as arn:aws:s3tables:%s:%s:bucket/*, found %s.", c.Region, c.account, in.ResourceARN)
	case s.world.State().RoleByARN(in.RoleARN) == nil:
		return nil, invalid("The role %s does not exist.", in.RoleARN)
	}
	return nil, change(s, c.account, c.Region, locationsKind, func(all *[]location) error {
		if slices.ContainsFunc(*all, func(l location) bool { return l.ResourceARN == in.ResourceARN }) {
			return fail(400, "AlreadyExistsException", "Resource is already registered: %s", in.ResourceARN)
		}
		*all = append(*all, location{ResourceARN: in.ResourceARN, RoleARN: in.RoleARN, LastModified: float64(s.now().Unix()), WithFederation: in.WithFederation})
		return nil
	})
}

type resourceARN struct {
	ResourceARN string `json:"ResourceArn"`
}

func (s *Service) deregister(c *call) (any, error) {
	var in resourceARN
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return nil, change(s, c.account, c.Region, locationsKind, func(all *[]location) error {
		n := len(*all)
		if *all = slices.DeleteFunc(*all, func(l location) bool { return l.ResourceARN == in.ResourceARN }); len(*all) == n {
			return notFound("Entity not found: %s", in.ResourceARN)
		}
		return nil
	})
}

func (s *Service) describe(c *call) (any, error) {
	var in resourceARN
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	all, err := read[[]location](s, c.account, c.Region, locationsKind)
	for _, l := range all {
		if l.ResourceARN == in.ResourceARN {
			return map[string]location{"ResourceInfo": l}, nil
		}
	}
	if err == nil {
		err = notFound("Entity not found: %s", in.ResourceARN)
	}
	return nil, err
}

func (s *Service) listResources(c *call) (any, error) {
	var in struct {
		MaxResults int
		NextToken  string
		Filters    []json.RawMessage `json:"FilterConditionList"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Filters) > 0 {
		return nil, invalid("The sandbox lists resources without FilterConditionList.")
	}
	all, err := read[[]location](s, c.account, c.Region, locationsKind)
	if all == nil {
		all = []location{}
	}
	return map[string][]location{"ResourceInfoList": all}, err
}

// grantee is the identity that grants name: a session has those of its role.
func grantee(p iam.Principal) string {
	if p.Kind == iam.Role {
		return p.RoleARN
	}
	return p.ARN
}
