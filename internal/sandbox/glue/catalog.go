package glue

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
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
	CatalogList []catalogRecord
}

func getCatalogs(c *call, in *struct{ IncludeRoot bool }) (catalogsOutput, error) {
	if in.IncludeRoot {
		return catalogsOutput{[]catalogRecord{c.root()}}, nil
	}
	return catalogsOutput{[]catalogRecord{}}, nil
}

type importOutput struct {
	ImportStatus struct{ ImportCompleted bool }
}

// getImportStatus tells that tables of the days before Glue are all moved.
func getImportStatus(*call, *none) (out importOutput, err error) {
	out.ImportStatus.ImportCompleted = true
	return out, nil
}

// policyRecord is GluePolicy of the model.
type policyRecord struct {
	PolicyInJSON string `json:"PolicyInJson"`
	PolicyHash   string
	CreateTime   float64
	UpdateTime   float64
}

type policyInput struct {
	PolicyInJSON          string `json:"PolicyInJson"`
	ResourceARN           string `json:"ResourceArn"`
	PolicyHashCondition   string
	PolicyExistsCondition string
	EnableHybrid          string
}

// policy reads the catalog's policy after the conditions that a call may set.
func (c *call) policy(in *policyInput) (*policyRecord, bool, error) {
	if in.ResourceARN != "" && in.ResourceARN != c.arn("catalog") {
		return nil, false, invalid("ResourceArn %s: the sandbox keeps one policy, that of %s", in.ResourceARN, c.arn("catalog"))
	}
	p := new(policyRecord)
	found, err := c.get(bucketPolicies, c.key(), p)
	if err != nil {
		return nil, false, err
	}
	if in.PolicyHashCondition != "" && in.PolicyHashCondition != p.PolicyHash {
		return nil, false, fail("ConditionCheckFailureException", "PolicyHashCondition is not the hash of the current policy")
	}
	if found && in.PolicyExistsCondition == "NOT_EXIST" || !found && in.PolicyExistsCondition == "MUST_EXIST" {
		return nil, false, fail("ConditionCheckFailureException", "PolicyExistsCondition %s does not hold", in.PolicyExistsCondition)
	}
	return p, found, nil
}

type hashOutput struct {
	PolicyHash string
}

func putResourcePolicy(c *call, in *policyInput) (*hashOutput, error) {
	if _, err := iam.Parse([]byte(in.PolicyInJSON)); err != nil {
		return nil, invalid("Policy is malformed: %v", err)
	}
	p, found, err := c.policy(in)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(in.PolicyInJSON))
	p.PolicyInJSON, p.PolicyHash = in.PolicyInJSON, base64.StdEncoding.EncodeToString(sum[:16])
	p.UpdateTime = epoch(c.now)
	if !found {
		p.CreateTime = p.UpdateTime
	}
	c.forgetPolicyOnCommit()
	return &hashOutput{p.PolicyHash}, c.put(bucketPolicies, c.key(), p)
}

func getResourcePolicy(c *call, in *policyInput) (*policyRecord, error) {
	p, found, err := c.policy(in)
	if err == nil && !found {
		err = notFound("Policy not found")
	}
	return p, err
}

func deleteResourcePolicy(c *call, in *policyInput) (none, error) {
	_, found, err := c.policy(in)
	if err == nil && !found {
		err = notFound("Policy not found")
	}
	if err != nil {
		return none{}, err
	}
	c.forgetPolicyOnCommit()
	return none{}, c.delete(bucketPolicies, c.key())
}

// Policy gives the resource policy of the catalog that owns the ARN.
func (s *Service) Policy(arn string) *iam.Policy {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 || part[2] != "glue" {
		return nil
	}
	region, account := part[3], part[4]
	catalog := "arn:aws:glue:" + region + ":" + account + ":catalog"
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.policies[catalog]; ok {
		return p
	}
	var record policyRecord
	err := s.db.View(func(tx *bbolt.Tx) error {
		st := newStore(tx, account, region)
		_, err := st.get(bucketPolicies, st.key(), &record)
		return err
	})
	if err != nil || record.PolicyInJSON == "" {
		s.policies[catalog] = nil
		return nil
	}
	// Put has parsed this text. Should it not parse any more, the policy
	// without a document allows nothing.
	doc, _ := iam.Parse([]byte(record.PolicyInJSON))
	p := &iam.Policy{Kind: iam.ResourcePolicy, Name: catalog, Document: doc}
	s.policies[catalog] = p
	return p
}

// forgetPolicyOnCommit drops the compiled policy once its record has changed.
func (c *call) forgetPolicyOnCommit() {
	svc, catalog := c.svc, c.arn("catalog")
	c.top.Tx().OnCommit(func() {
		svc.mu.Lock()
		defer svc.mu.Unlock()
		delete(svc.policies, catalog)
	})
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
