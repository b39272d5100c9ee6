package glue

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// operations is the table of needs and of work. An operation that is not here
// is denied.
var operations = map[string]operation{
	"CreateDatabase":          {onNewDatabase, true, as(createDatabase)},
	"GetDatabase":             {onDatabase, false, as(getDatabase)},
	"GetDatabases":            {onCatalog, false, as(getDatabases)},
	"UpdateDatabase":          {onDatabase, true, as(updateDatabase)},
	"DeleteDatabase":          {onDatabaseAndBelow, true, as(deleteDatabase)},
	"CreateTable":             {onTableInput, true, as(createTable)},
	"GetTable":                {onTable, false, as(getTable)},
	"GetTables":               {onTables, false, as(getTables)},
	"UpdateTable":             {onTableInput, true, as(updateTable)},
	"DeleteTable":             {onTable, true, as(deleteTable)},
	"BatchDeleteTable":        {onListedTables, true, as(batchDeleteTable)},
	"SearchTables":            {onAllTables, false, as(searchTables)},
	"GetTableVersion":         {onPartition, false, as(getTableVersion)},
	"GetTableVersions":        {onPartition, false, as(getTableVersions)},
	"DeleteTableVersion":      {onPartition, true, as(deleteTableVersion)},
	"BatchDeleteTableVersion": {onPartition, true, as(batchDeleteTableVersion)},
	"CreatePartition":         {onPartition, true, as(createPartition)},
	"BatchCreatePartition":    {onPartition, true, as(batchCreatePartition)},
	"GetPartition":            {onPartition, false, as(getPartition)},
	"BatchGetPartition":       {onPartition, false, as(batchGetPartition)},
	"GetPartitions":           {onPartition, false, as(getPartitions)},
	"UpdatePartition":         {onPartition, true, as(updatePartition)},
	"BatchUpdatePartition":    {onPartition, true, as(batchUpdatePartition)},
	"DeletePartition":         {onPartition, true, as(deletePartition)},
	"BatchDeletePartition":    {onPartition, true, as(batchDeletePartition)},
	"GetPartitionIndexes":     {onPartition, false, as(getPartitionIndexes)},
	"GetUserDefinedFunctions": {onFunctions, false, as(getFunctions)},
	"CreateCatalog":           {onNewCatalog, true, as(createCatalog)},
	"UpdateCatalog":           {onCatalog, true, as(updateRoot)},
	"DeleteCatalog":           {onCatalog, true, as(updateRoot)},
	"GetCatalog":              {onCatalog, false, as(getCatalog)},
	"GetCatalogs":             {onCatalog, false, as(getCatalogs)},
	"GetCatalogImportStatus":  {onCatalog, false, as(getImportStatus)},
	"PutResourcePolicy":       {onCatalog, true, as(putResourcePolicy)},
	"GetResourcePolicy":       {onCatalog, false, as(getResourcePolicy)},
	"DeleteResourcePolicy":    {onCatalog, true, as(deleteResourcePolicy)},
	"TagResource":             {onTagged, true, as(tagResource)},
	"UntagResource":           {onTagged, true, as(untagResource)},
	"GetTags":                 {onTagged, false, as(getTags)},
}

// arn spells a resource of the catalog.
func (s *store) arn(tail string) string {
	return "arn:aws:glue:" + s.region + ":" + s.account + ":" + tail
}

type searchInput struct {
	NextToken  string
	SearchText string
	MaxResults *int
	Filters    []struct{ Key, Value, Comparator string }
}

// searchTables finds tables whose name, database, description or columns hold
// the text, ignoring case. Filters other than by database are refused.
func searchTables(c *call, in *searchInput) (*tablesOutput, error) {
	db := ""
	for _, f := range in.Filters {
		if !strings.EqualFold(f.Key, "databaseName") || f.Comparator != "" && f.Comparator != "EQUALS" {
			return nil, invalid("the sandbox searches by SearchText and the filter DatabaseName only, found the filter %s", f.Key)
		}
		db = fold(f.Value)
	}
	max, err := pageSize(in.MaxResults, 1000)
	if err != nil {
		return nil, err
	}
	text := strings.ToLower(strings.Trim(in.SearchText, `"`))
	out := &tablesOutput{TableList: []any{}}
	out.NextToken, err = c.page(bucketTables, c.key(), in.NextToken, max, func(_, v []byte) (bool, error) {
		t := new(table)
		if err := json.Unmarshal(v, t); err != nil {
			return false, err
		}
		if db != "" && t.DatabaseName != db || !slices.ContainsFunc(t.words(), func(w string) bool {
			return strings.Contains(strings.ToLower(w), text)
		}) {
			return false, nil
		}
		out.TableList = append(out.TableList, t)
		return true, nil
	})
	return out, err
}

func (t *table) words() []string {
	words := []string{t.Name, t.DatabaseName, t.Description, t.Owner}
	columns := t.PartitionKeys
	if t.StorageDescriptor != nil {
		columns = slices.Concat(columns, t.StorageDescriptor.Columns)
	}
	for _, col := range columns {
		words = append(words, col.Name, col.Comment)
	}
	return words
}

type partitionIndexesOutput struct {
	PartitionIndexDescriptorList []none
}

func getPartitionIndexes(c *call, in *partitionRef) (*partitionIndexesOutput, error) {
	_, err := c.table(in.DatabaseName, in.TableName)
	return &partitionIndexesOutput{[]none{}}, err
}

type functionsOutput struct {
	UserDefinedFunctions []none
}

func getFunctions(*call, *nameInput) (functionsOutput, error) {
	return functionsOutput{[]none{}}, nil
}

type catalogRecord struct {
	CatalogID   string `json:"CatalogId"`
	Name        string
	ResourceArn string
	CreateTime  float64
	UpdateTime  float64
	Parameters  map[string]string

	CreateDatabaseDefaultPermissions json.RawMessage
	CreateTableDefaultPermissions    json.RawMessage
}

// root is the account's own catalog. Assumed: its times are zero, since
// nothing creates it.
func (c *call) root() catalogRecord {
	return catalogRecord{
		CatalogID: c.account, Name: c.account, ResourceArn: c.arn("catalog"), Parameters: map[string]string{},
		CreateDatabaseDefaultPermissions: openToAll, CreateTableDefaultPermissions: openToAll,
	}
}

type catalogOutput struct {
	Catalog catalogRecord
}

func getCatalog(c *call, _ *none) (catalogOutput, error) { return catalogOutput{c.root()}, nil }

type catalogsOutput struct {
	CatalogList []any
}

// getCatalogs lists the catalogs in the account's own; with Recursive those of
// its table buckets, too.
func getCatalogs(c *call, in *struct{ IncludeRoot, Recursive bool }) (catalogsOutput, error) {
	out := catalogsOutput{[]any{}}
	if in.IncludeRoot {
		out.CatalogList = append(out.CatalogList, c.root())
	}
	f, err := c.federated()
	if err != nil || f == nil || c.svc.tables == nil {
		return out, err
	}
	n := &nestedCall{call: c, catalog: f}
	out.CatalogList = append(out.CatalogList, n.record(federatedName, federatedName, f))
	if !in.Recursive {
		return out, nil
	}
	buckets, err := c.svc.tables.BucketsIn(c.top.Tx(), c.account, c.region)
	for _, b := range buckets {
		out.CatalogList = append(out.CatalogList, n.bucketRecord(b))
	}
	return out, err
}

// updateRoot refuses to change the account's own catalog.
func updateRoot(c *call, _ *none) (none, error) {
	return none{}, invalid("the sandbox does not change the catalog %s itself", c.account)
}

type importOutput struct {
	ImportStatus struct{ ImportCompleted bool }
}

// getImportStatus tells that tables of the days before Glue are all moved.
func getImportStatus(*call, *none) (out importOutput, err error) {
	out.ImportStatus.ImportCompleted = true
	return out, nil
}

type tagInput struct {
	ResourceARN  string `json:"ResourceArn"`
	TagsToAdd    map[string]string
	TagsToRemove []string
}

var taggable = regexp.MustCompile(`^(catalog|database/[^/]+)$`)

// tags reads the tags of a resource that exists. Of the catalog's resources
// AWS takes tags on databases and catalogs.
func (c *call) tags(arn string) (map[string]string, error) {
	tail, ok := strings.CutPrefix(arn, c.arn(""))
	if !ok || !taggable.MatchString(tail) {
		return nil, invalid("%s is not a resource of this catalog that takes tags", arn)
	}
	if db, ok := strings.CutPrefix(tail, "database/"); ok {
		if _, err := c.database(db); err != nil {
			return nil, err
		}
	}
	tags := map[string]string{}
	_, err := c.get(bucketTags, c.key(arn), &tags)
	return tags, err
}

func tagResource(c *call, in *tagInput) (none, error) {
	tags, err := c.tags(in.ResourceARN)
	if err != nil {
		return none{}, err
	}
	for k, v := range in.TagsToAdd {
		tags[k] = v
	}
	if len(tags) > 50 {
		return none{}, invalid("%s would have %d tags; 50 are allowed", in.ResourceARN, len(tags))
	}
	return none{}, c.put(bucketTags, c.key(in.ResourceARN), tags)
}

func untagResource(c *call, in *tagInput) (none, error) {
	tags, err := c.tags(in.ResourceARN)
	if err != nil {
		return none{}, err
	}
	for _, k := range in.TagsToRemove {
		delete(tags, k)
	}
	return none{}, c.put(bucketTags, c.key(in.ResourceARN), tags)
}

type tagsOutput struct {
	Tags map[string]string
}

func getTags(c *call, in *tagInput) (*tagsOutput, error) {
	tags, err := c.tags(in.ResourceARN)
	return &tagsOutput{tags}, err
}
