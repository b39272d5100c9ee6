package glue

import (
	"encoding/json"
	"slices"
)

// databaseInput is DatabaseInput of the model. What the sandbox only keeps and
// gives back stays JSON.
type databaseInput struct {
	Name                          string
	Description                   string            `json:",omitempty"`
	LocationURI                   string            `json:"LocationUri,omitempty"`
	Parameters                    map[string]string `json:",omitempty"`
	CreateTableDefaultPermissions json.RawMessage   `json:",omitempty"`
	TargetDatabase                *identifier       `json:",omitempty"`
	FederatedDatabase             json.RawMessage   `json:",omitempty"`
}

// identifier is DatabaseIdentifier and TableIdentifier: what a resource link
// points to.
type identifier struct {
	CatalogID    string `json:"CatalogId,omitempty"`
	DatabaseName string `json:",omitempty"`
	Name         string `json:",omitempty"`
	Region       string `json:",omitempty"`
}

type database struct {
	databaseInput
	CreateTime float64
	CatalogID  string `json:"CatalogId"`
}

// openToAll is what an account that is not governed by Lake Formation puts on
// new databases ("Changing the default settings for your data lake").
var openToAll = json.RawMessage(`[{"Principal":{"DataLakePrincipalIdentifier":"IAM_ALLOWED_PRINCIPALS"},"Permissions":["ALL"]}]`)

func (c *call) database(name string) (*database, error) {
	d := new(database)
	ok, err := c.get(bucketDatabases, c.key(fold(name)), d)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("Database %s not found.", fold(name))
	}
	return d, nil
}

func (in *databaseInput) check() error {
	if err := checkName("databaseInput.name", in.Name); err != nil {
		return err
	}
	if in.FederatedDatabase != nil {
		return invalid("the sandbox has no federated databases: leave FederatedDatabase out")
	}
	in.Name = fold(in.Name)
	return nil
}

type createDatabaseInput struct {
	DatabaseInput databaseInput
	Tags          map[string]string
}

func createDatabase(c *call, in *createDatabaseInput) (none, error) {
	if err := in.DatabaseInput.check(); err != nil {
		return none{}, err
	}
	d := database{databaseInput: in.DatabaseInput, CreateTime: epoch(c.now), CatalogID: c.account}
	if c.has(bucketDatabases, c.key(d.Name)) {
		return none{}, alreadyExists("Database")
	}
	if d.CreateTableDefaultPermissions == nil {
		d.CreateTableDefaultPermissions = openToAll
	}
	if len(in.Tags) > 0 {
		if err := c.put(bucketTags, c.key(c.arn("database/"+d.Name)), in.Tags); err != nil {
			return none{}, err
		}
	}
	return none{}, c.put(bucketDatabases, c.key(d.Name), d)
}

type nameInput struct {
	Name string
}

type databaseOutput struct {
	Database *database
}

func getDatabase(c *call, in *nameInput) (*databaseOutput, error) {
	if err := checkName("name", in.Name); err != nil {
		return nil, err
	}
	d, err := c.database(in.Name)
	return &databaseOutput{d}, err
}

type getDatabasesInput struct {
	NextToken         string
	MaxResults        *int
	ResourceShareType string
	AttributesToGet   []string
}

type getDatabasesOutput struct {
	DatabaseList []any
	NextToken    string `json:",omitempty"`
}

func getDatabases(c *call, in *getDatabasesInput) (*getDatabasesOutput, error) {
	out := &getDatabasesOutput{DatabaseList: []any{}}
	switch in.ResourceShareType {
	case "", "ALL", "FOREIGN", "FEDERATED":
	default:
		return nil, fail("ValidationException", "1 validation error detected: Value '%s' at 'resourceShareType' failed to satisfy constraint: Member must satisfy enum value set: [FOREIGN, ALL, FEDERATED]", in.ResourceShareType)
	}
	max, err := pageSize(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	// Databases that other accounts share come through Lake Formation and
	// AWS RAM, which the sandbox's Glue does not have: FOREIGN is empty.
	if in.ResourceShareType == "FOREIGN" || in.ResourceShareType == "FEDERATED" {
		return out, nil
	}
	nameOnly := slices.Contains(in.AttributesToGet, "NAME")
	out.NextToken, err = c.page(bucketDatabases, c.key(), in.NextToken, max, func(_, v []byte) (bool, error) {
		var d database
		if err := json.Unmarshal(v, &d); err != nil {
			return false, err
		}
		if nameOnly {
			out.DatabaseList = append(out.DatabaseList, nameInput{d.Name})
		} else {
			out.DatabaseList = append(out.DatabaseList, d)
		}
		return true, nil
	})
	return out, err
}

type updateDatabaseInput struct {
	Name          string
	DatabaseInput databaseInput
}

func updateDatabase(c *call, in *updateDatabaseInput) (none, error) {
	if err := in.DatabaseInput.check(); err != nil {
		return none{}, err
	}
	d, err := c.database(in.Name)
	if err != nil {
		return none{}, err
	}
	if in.DatabaseInput.Name != d.Name {
		return none{}, invalid("the sandbox does not rename databases: DatabaseInput.Name is %s, Name is %s", in.DatabaseInput.Name, d.Name)
	}
	if in.DatabaseInput.CreateTableDefaultPermissions == nil {
		in.DatabaseInput.CreateTableDefaultPermissions = d.CreateTableDefaultPermissions
	}
	d.databaseInput = in.DatabaseInput
	return none{}, c.put(bucketDatabases, c.key(d.Name), d)
}

// deleteDatabase removes the tables too. AWS does that "asynchronously in a
// timely manner"; here they are gone when the call returns.
func deleteDatabase(c *call, in *nameInput) (none, error) {
	d, err := c.database(in.Name)
	if err != nil {
		return none{}, err
	}
	for _, bucket := range [][]byte{bucketDatabases, bucketTables, bucketVersions, bucketPartitions} {
		if err := c.deleteAll(bucket, c.key(d.Name)); err != nil {
			return none{}, err
		}
	}
	return none{}, c.delete(bucketTags, c.key(c.arn("database/"+d.Name)))
}
