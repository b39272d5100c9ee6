package glue

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"lakeport/internal/sandbox"
)

// column is Column of the model.
type column struct {
	Name       string
	Type       string            `json:",omitempty"`
	Comment    string            `json:",omitempty"`
	Parameters map[string]string `json:",omitempty"`
}

type serdeInfo struct {
	Name                 string            `json:",omitempty"`
	SerializationLibrary string            `json:",omitempty"`
	Parameters           map[string]string `json:",omitempty"`
}

// storageDescriptor is StorageDescriptor of the model; members without
// omitempty are those that AWS always answers.
type storageDescriptor struct {
	Columns                []column `json:",omitempty"`
	Location               string   `json:",omitempty"`
	AdditionalLocations    []string `json:",omitempty"`
	InputFormat            string   `json:",omitempty"`
	OutputFormat           string   `json:",omitempty"`
	Compressed             bool
	NumberOfBuckets        int
	SerdeInfo              *serdeInfo        `json:",omitempty"`
	BucketColumns          []string          `json:",omitempty"`
	SortColumns            json.RawMessage   `json:",omitempty"`
	Parameters             map[string]string `json:",omitempty"`
	SkewedInfo             json.RawMessage   `json:",omitempty"`
	StoredAsSubDirectories bool
	SchemaReference        json.RawMessage `json:",omitempty"`
}

// tableInput is TableInput of the model.
type tableInput struct {
	Name              string
	Description       string   `json:",omitempty"`
	Owner             string   `json:",omitempty"`
	LastAccessTime    *float64 `json:",omitempty"`
	LastAnalyzedTime  *float64 `json:",omitempty"`
	Retention         int
	StorageDescriptor *storageDescriptor `json:",omitempty"`
	PartitionKeys     []column           `json:",omitempty"`
	ViewOriginalText  string             `json:",omitempty"`
	ViewExpandedText  string             `json:",omitempty"`
	TableType         string             `json:",omitempty"`
	Parameters        map[string]string  `json:",omitempty"`
	TargetTable       *identifier        `json:",omitempty"`
	ViewDefinition    json.RawMessage    `json:",omitempty"`
}

type table struct {
	tableInput
	DatabaseName                  string
	CreateTime                    float64
	UpdateTime                    float64
	CreatedBy                     string
	IsRegisteredWithLakeFormation bool
	CatalogID                     string `json:"CatalogId"`
	VersionID                     string `json:"VersionId"`
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// table reads a table; the database must exist too, because AWS names the
// first thing that is missing.
func (c *call) table(db, name string) (*table, error) {
	if _, err := c.database(db); err != nil {
		return nil, err
	}
	t := new(table)
	ok, err := c.get(bucketTables, c.key(fold(db), fold(name)), t)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("Table %s not found.", fold(name))
	}
	return t, nil
}

func (c *call) putTable(t *table) error {
	return c.put(bucketTables, c.key(t.DatabaseName, t.Name), t)
}

func (in *tableInput) check() error {
	if err := checkName("tableInput.name", in.Name); err != nil {
		return err
	}
	columns := in.PartitionKeys
	if in.StorageDescriptor != nil {
		columns = slices.Concat(columns, in.StorageDescriptor.Columns)
	}
	for _, col := range columns {
		if n := len([]rune(col.Name)); n < 1 || n > 1024 {
			return invalid("a column's name of table %s has %d characters; 1 to 1024 are allowed", in.Name, n)
		}
	}
	if in.ViewDefinition != nil {
		return invalid("the sandbox has no multi-dialect views: leave ViewDefinition out")
	}
	in.Name = fold(in.Name)
	return nil
}

type createTableInput struct {
	DatabaseName         string
	TableInput           *tableInput
	PartitionIndexes     []json.RawMessage
	OpenTableFormatInput json.RawMessage
	TransactionID        string `json:"TransactionId"`
}

func createTable(c *call, in *createTableInput) (none, error) {
	switch {
	case in.OpenTableFormatInput != nil:
		return none{}, invalid("the sandbox does not create Iceberg tables from OpenTableFormatInput: write the metadata file and pass its metadata_location in Parameters")
	case len(in.PartitionIndexes) > 0:
		return none{}, invalid("the sandbox has no partition indexes: leave PartitionIndexes out")
	case in.TransactionID != "":
		return none{}, invalid("the sandbox has no governed tables: leave TransactionId out")
	case in.TableInput == nil:
		return none{}, invalid("TableInput is missing")
	}
	if err := in.TableInput.check(); err != nil {
		return none{}, err
	}
	db, err := c.database(in.DatabaseName)
	if err != nil {
		return none{}, err
	}
	if c.has(bucketTables, c.key(db.Name, in.TableInput.Name)) {
		return none{}, alreadyExists("Table")
	}
	now := epoch(c.now)
	return none{}, c.putTable(&table{
		tableInput: *in.TableInput, DatabaseName: db.Name, CreateTime: now, UpdateTime: now,
		CreatedBy: c.caller, CatalogID: c.account, VersionID: "0",
	})
}

type tableRef struct {
	DatabaseName string
	Name         string
}

type tableOutput struct {
	Table *table
}

func getTable(c *call, in *tableRef) (*tableOutput, error) {
	if err := checkName("name", in.Name); err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.Name)
	return &tableOutput{t}, err
}

type getTablesInput struct {
	DatabaseName    string
	Expression      string
	NextToken       string
	MaxResults      *int
	AttributesToGet []string
}

type tablesOutput struct {
	TableList []any
	NextToken string `json:",omitempty"`
}

// getTables filters names by a regular expression that must match the whole
// name. The API takes Java's syntax; the sandbox Go's, which lacks look-around
// and back references.
func getTables(c *call, in *getTablesInput) (*tablesOutput, error) {
	match, err := regexp.Compile("(?i)^(?:" + in.Expression + ")$")
	if err != nil || len(in.Expression) > 2048 {
		return nil, invalid("Expression %q is not a regular expression that the sandbox knows", in.Expression)
	}
	max, err := pageSize(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	db, err := c.database(in.DatabaseName)
	if err != nil {
		return nil, err
	}
	out := &tablesOutput{TableList: []any{}}
	out.NextToken, err = c.page(bucketTables, c.key(db.Name), in.NextToken, max, func(key, v []byte) (bool, error) {
		name := string(key[:len(key)-1])
		if in.Expression != "" && !match.MatchString(name) {
			return false, nil
		}
		t := new(table)
		if err := json.Unmarshal(v, t); err != nil {
			return false, fmt.Errorf("read table %s: %w", name, err)
		}
		out.TableList = append(out.TableList, t.only(in.AttributesToGet))
		return true, nil
	})
	return out, err
}

// only narrows a table of a list to AttributesToGet.
func (t *table) only(attributes []string) any {
	if len(attributes) == 0 {
		return t
	}
	brief := map[string]string{"Name": t.Name, "DatabaseName": t.DatabaseName}
	if slices.Contains(attributes, "TABLE_TYPE") && t.TableType != "" {
		brief["TableType"] = t.TableType
	}
	return brief
}

type updateTableInput struct {
	DatabaseName               string
	Name                       string
	TableInput                 *tableInput
	SkipArchive                bool
	VersionID                  string `json:"VersionId"`
	TransactionID              string `json:"TransactionId"`
	ViewUpdateAction           string
	UpdateOpenTableFormatInput json.RawMessage
}

// updateTable replaces the record and counts its version up. With VersionId
// the update is conditional, which is how Iceberg commits to Glue.
func updateTable(c *call, in *updateTableInput) (none, error) {
	switch {
	case in.UpdateOpenTableFormatInput != nil:
		return none{}, invalid("the sandbox does not commit to Iceberg tables through UpdateOpenTableFormatInput: pass TableInput with the new metadata_location")
	case in.TransactionID != "" || in.ViewUpdateAction != "":
		return none{}, invalid("the sandbox has no governed tables and no multi-dialect views: leave TransactionId and ViewUpdateAction out")
	case in.TableInput == nil:
		return none{}, invalid("TableInput is missing")
	}
	if err := in.TableInput.check(); err != nil {
		return none{}, err
	}
	if in.Name != "" && fold(in.Name) != in.TableInput.Name {
		return none{}, invalid("the sandbox does not rename tables: TableInput.Name is %s, Name is %s", in.TableInput.Name, fold(in.Name))
	}
	t, err := c.table(in.DatabaseName, in.TableInput.Name)
	if err != nil {
		return none{}, err
	}
	if in.VersionID != "" && in.VersionID != t.VersionID {
		return none{}, fail("ConcurrentModificationException", "Update table failed due to concurrent modifications.")
	}
	if !in.SkipArchive {
		if err := c.put(bucketVersions, c.versionKey(t, t.VersionID), t); err != nil {
			return none{}, err
		}
	}
	version, err := strconv.Atoi(t.VersionID)
	if err != nil {
		return none{}, fmt.Errorf("read version of table %s.%s: %w", t.DatabaseName, t.Name, err)
	}
	t.tableInput, t.UpdateTime, t.VersionID = *in.TableInput, epoch(c.now), strconv.Itoa(version+1)
	return none{}, c.putTable(t)
}

func deleteTable(c *call, in *tableRef) (none, error) {
	t, err := c.table(in.DatabaseName, in.Name)
	if err != nil {
		return none{}, err
	}
	for _, bucket := range [][]byte{bucketTables, bucketVersions, bucketPartitions} {
		if err := c.deleteAll(bucket, c.key(t.DatabaseName, t.Name)); err != nil {
			return none{}, err
		}
	}
	return none{}, nil
}

type batchDeleteTableInput struct {
	DatabaseName   string
	TablesToDelete []string
}

type tableError struct {
	TableName   string
	VersionID   string `json:"VersionId,omitempty"`
	ErrorDetail errorDetail
}

type errorsOutput[T any] struct {
	Errors []T `json:",omitempty"`
}

func batchDeleteTable(c *call, in *batchDeleteTableInput) (*errorsOutput[tableError], error) {
	if err := checkBatch("tablesToDelete", len(in.TablesToDelete), 100); err != nil {
		return nil, err
	}
	if _, err := c.database(in.DatabaseName); err != nil {
		return nil, err
	}
	out := new(errorsOutput[tableError])
	for _, name := range in.TablesToDelete {
		_, err := deleteTable(c, &tableRef{in.DatabaseName, name})
		detail, err := itemError(err)
		if err != nil {
			return nil, err
		}
		if detail != nil {
			out.Errors = append(out.Errors, tableError{TableName: name, ErrorDetail: *detail})
		}
	}
	return out, nil
}

// errorDetail is one item's failure in the answer of a batch.
type errorDetail struct {
	ErrorCode    string
	ErrorMessage string
}

// itemError splits an error into one that belongs to the item and one that
// ends the batch.
func itemError(err error) (*errorDetail, error) {
	if err == nil {
		return nil, nil
	}
	api, ok := err.(*sandbox.APIError)
	if !ok {
		return nil, err
	}
	return &errorDetail{api.Code, api.Message}, nil
}

func checkBatch(member string, n, limit int) error {
	if n > limit {
		return fail("ValidationException",
			"1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member, limit)
	}
	return nil
}
