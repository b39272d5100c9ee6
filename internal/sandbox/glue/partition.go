package glue

import (
	"encoding/json"
	"hash/fnv"
	"slices"
)

// partitionInput is PartitionInput of the model.
type partitionInput struct {
	Values            []string
	LastAccessTime    *float64           `json:",omitempty"`
	LastAnalyzedTime  *float64           `json:",omitempty"`
	StorageDescriptor *storageDescriptor `json:",omitempty"`
	Parameters        map[string]string  `json:",omitempty"`
}

type partition struct {
	partitionInput
	DatabaseName string
	TableName    string
	CreationTime float64
	CatalogID    string `json:"CatalogId"`
}

// partitionKey ends in the values as a JSON array: their order in lists, and
// the values themselves without reading the record.
func (c *call) partitionKey(t *table, values []string) []byte {
	text, _ := json.Marshal(values)
	return c.key(t.DatabaseName, t.Name, string(text))
}

func checkValues(t *table, values []string) error {
	if len(t.PartitionKeys) == 0 {
		return invalid("Table %s is not partitioned.", t.Name)
	}
	if len(values) != len(t.PartitionKeys) {
		return invalid("The number of partition keys do not match the number of partition values")
	}
	for _, v := range values {
		if len([]rune(v)) > 1024 {
			return fail("ValidationException",
				"1 validation error detected: Value at 'partitionInput.values' failed to satisfy constraint: Member must have length less than or equal to 1024")
		}
	}
	return nil
}

func (c *call) addPartition(t *table, in *partitionInput) error {
	if err := checkValues(t, in.Values); err != nil {
		return err
	}
	key := c.partitionKey(t, in.Values)
	if c.has(bucketPartitions, key) {
		return alreadyExists("Partition")
	}
	return c.put(bucketPartitions, key, partition{
		partitionInput: *in, DatabaseName: t.DatabaseName, TableName: t.Name,
		CreationTime: epoch(c.now), CatalogID: c.account,
	})
}

type createPartitionInput struct {
	DatabaseName       string
	TableName          string
	PartitionInput     partitionInput
	PartitionInputList []partitionInput
}

func createPartition(c *call, in *createPartitionInput) (none, error) {
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return none{}, err
	}
	return none{}, c.addPartition(t, &in.PartitionInput)
}

// partitionError is one item's failure; the update calls name the values by
// another member than the others do.
type partitionError struct {
	PartitionValues    []string `json:",omitempty"`
	PartitionValueList []string `json:",omitempty"`
	ErrorDetail        errorDetail
}

func batchCreatePartition(c *call, in *createPartitionInput) (*errorsOutput[partitionError], error) {
	if err := checkBatch("partitionInputList", len(in.PartitionInputList), 100); err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	out := new(errorsOutput[partitionError])
	for i := range in.PartitionInputList {
		p := &in.PartitionInputList[i]
		detail, err := itemError(c.addPartition(t, p))
		if err != nil {
			return nil, err
		}
		if detail != nil {
			out.Errors = append(out.Errors, partitionError{PartitionValues: p.Values, ErrorDetail: *detail})
		}
	}
	return out, nil
}

type valuesList struct {
	Values []string
}

type partitionRef struct {
	DatabaseName       string
	TableName          string
	PartitionValues    []string
	PartitionsToGet    []valuesList
	PartitionsToDelete []valuesList
}

type partitionOutput struct {
	Partition *partition
}

func (c *call) partition(t *table, values []string) (*partition, error) {
	if err := checkValues(t, values); err != nil {
		return nil, err
	}
	p := new(partition)
	ok, err := c.get(bucketPartitions, c.partitionKey(t, values), p)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("Cannot find partition.")
	}
	return p, nil
}

func getPartition(c *call, in *partitionRef) (*partitionOutput, error) {
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	p, err := c.partition(t, in.PartitionValues)
	return &partitionOutput{p}, err
}

type batchGetPartitionOutput struct {
	Partitions      []any
	UnprocessedKeys []valuesList
}

// batchGetPartition leaves partitions out that do not exist.
func batchGetPartition(c *call, in *partitionRef) (*batchGetPartitionOutput, error) {
	if err := checkBatch("partitionsToGet", len(in.PartitionsToGet), 1000); err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	out := &batchGetPartitionOutput{Partitions: []any{}, UnprocessedKeys: []valuesList{}}
	for _, ref := range in.PartitionsToGet {
		p, err := c.partition(t, ref.Values)
		detail, err := itemError(err)
		if err != nil {
			return nil, err
		}
		if detail == nil {
			out.Partitions = append(out.Partitions, p)
		}
	}
	return out, nil
}

type segment struct {
	SegmentNumber int
	TotalSegments int
}

// holds tells whether a partition belongs to the segment; nil holds all.
func (s *segment) holds(key []byte) bool {
	if s == nil {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write(key)
	return int(h.Sum32()%uint32(s.TotalSegments)) == s.SegmentNumber
}

func (s *segment) check() error {
	if s == nil {
		return nil
	}
	if s.TotalSegments < 1 || s.TotalSegments > 10 || s.SegmentNumber < 0 || s.SegmentNumber >= s.TotalSegments {
		return invalid("Segment %d of %d is not between 0 and TotalSegments, which is at most 10", s.SegmentNumber, s.TotalSegments)
	}
	return nil
}

type getPartitionsInput struct {
	DatabaseName        string
	TableName           string
	Expression          string
	NextToken           string
	Segment             *segment
	MaxResults          *int
	ExcludeColumnSchema bool
}

type partitionsOutput struct {
	Partitions []*partition
	NextToken  string `json:",omitempty"`
}

func getPartitions(c *call, in *getPartitionsInput) (*partitionsOutput, error) {
	if err := in.Segment.check(); err != nil {
		return nil, err
	}
	if len([]rune(in.Expression)) > 2048 {
		return nil, fail("ValidationException",
			"1 validation error detected: Value at 'expression' failed to satisfy constraint: Member must have length less than or equal to 2048")
	}
	max, err := pageSize(in.MaxResults, 1000)
	if err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	matches, err := parseExpression(in.Expression, t.PartitionKeys)
	if err != nil {
		return nil, err
	}
	out := &partitionsOutput{Partitions: []*partition{}}
	out.NextToken, err = c.page(bucketPartitions, c.key(t.DatabaseName, t.Name), in.NextToken, max, func(key, v []byte) (bool, error) {
		if !in.Segment.holds(key) {
			return false, nil
		}
		var values []string
		if err := json.Unmarshal(key[:len(key)-1], &values); err != nil {
			return false, err
		}
		if ok, err := matches(values); !ok || err != nil {
			return false, err
		}
		p := new(partition)
		if err := json.Unmarshal(v, p); err != nil {
			return false, err
		}
		if in.ExcludeColumnSchema && p.StorageDescriptor != nil {
			p.StorageDescriptor.Columns = nil
		}
		out.Partitions = append(out.Partitions, p)
		return true, nil
	})
	return out, err
}

type updatePartitionInput struct {
	DatabaseName       string
	TableName          string
	PartitionValueList []string
	PartitionInput     partitionInput
	Entries            []partitionEntry
}

type partitionEntry struct {
	PartitionValueList []string
	PartitionInput     partitionInput
}

// changePartition replaces a partition's record, which may move it to other
// values.
func (c *call) changePartition(t *table, e *partitionEntry) error {
	old, err := c.partition(t, e.PartitionValueList)
	if err != nil {
		return err
	}
	if e.PartitionInput.Values == nil {
		e.PartitionInput.Values = old.Values
	}
	if err := checkValues(t, e.PartitionInput.Values); err != nil {
		return err
	}
	key := c.partitionKey(t, e.PartitionInput.Values)
	if !slices.Equal(old.Values, e.PartitionInput.Values) {
		if c.has(bucketPartitions, key) {
			return alreadyExists("Partition")
		}
		if err := c.delete(bucketPartitions, c.partitionKey(t, old.Values)); err != nil {
			return err
		}
	}
	old.partitionInput = e.PartitionInput
	return c.put(bucketPartitions, key, old)
}

func updatePartition(c *call, in *updatePartitionInput) (none, error) {
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return none{}, err
	}
	return none{}, c.changePartition(t, &partitionEntry{in.PartitionValueList, in.PartitionInput})
}

func batchUpdatePartition(c *call, in *updatePartitionInput) (*errorsOutput[partitionError], error) {
	if err := checkBatch("entries", len(in.Entries), 100); err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	out := new(errorsOutput[partitionError])
	for i := range in.Entries {
		e := &in.Entries[i]
		detail, err := itemError(c.changePartition(t, e))
		if err != nil {
			return nil, err
		}
		if detail != nil {
			out.Errors = append(out.Errors, partitionError{PartitionValueList: e.PartitionValueList, ErrorDetail: *detail})
		}
	}
	return out, nil
}

func (c *call) dropPartition(t *table, values []string) error {
	if _, err := c.partition(t, values); err != nil {
		return err
	}
	return c.delete(bucketPartitions, c.partitionKey(t, values))
}

func deletePartition(c *call, in *partitionRef) (none, error) {
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return none{}, err
	}
	return none{}, c.dropPartition(t, in.PartitionValues)
}

func batchDeletePartition(c *call, in *partitionRef) (*errorsOutput[partitionError], error) {
	if err := checkBatch("partitionsToDelete", len(in.PartitionsToDelete), 25); err != nil {
		return nil, err
	}
	t, err := c.table(in.DatabaseName, in.TableName)
	if err != nil {
		return nil, err
	}
	out := new(errorsOutput[partitionError])
	for _, ref := range in.PartitionsToDelete {
		detail, err := itemError(c.dropPartition(t, ref.Values))
		if err != nil {
			return nil, err
		}
		if detail != nil {
			out.Errors = append(out.Errors, partitionError{PartitionValues: ref.Values, ErrorDetail: *detail})
		}
	}
	return out, nil
}
