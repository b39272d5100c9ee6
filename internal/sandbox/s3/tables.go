package s3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/sandbox"
)

// Tables is S3 Tables, which keeps the objects of each table in a bucket that
// belongs to the service: S3 serves its objects, S3 Tables says to whom.
type Tables interface {
	// ObjectNeed is the need of "s3tables:GetTableData" or
	// "s3tables:PutTableData" on the table of an ARN.
	ObjectNeed(c *sandbox.Call, action, table string) (sandbox.Need, error)
}

// KeepTables lets S3 serve the buckets of tables. It is called once, before
// the first request.
func (s *Service) KeepTables(t Tables) { s.tables = t }

// tableActions are the operations on a table's objects and what each of them
// is for S3 Tables ("Accessing tables", "S3 API operations for tables", S3
// User Guide). No other operation reaches such a bucket.
var tableActions = map[string]string{
	"GetObject": "s3tables:GetTableData", "HeadObject": "s3tables:GetTableData", "ListParts": "s3tables:GetTableData",
	"PutObject": "s3tables:PutTableData", "CreateMultipartUpload": "s3tables:PutTableData", "UploadPart": "s3tables:PutTableData",
	"CompleteMultipartUpload": "s3tables:PutTableData", "AbortMultipartUpload": "s3tables:PutTableData",
}

// tableHeaders are refused on writes: the table's own settings decide.
var tableHeaders = []string{"X-Amz-Acl", "X-Amz-Storage-Class", "X-Amz-Tagging", "X-Amz-Server-Side-Encryption",
	"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Customer-Algorithm"}

// tableNeeds decides a call to the bucket of a table. Assumed: the texts.
func (s *Service) tableNeeds(q *request) ([]sandbox.Need, error) {
	action, ok := tableActions[q.op.name]
	if !ok || s.tables == nil || q.query.Has("versionId") || q.Caller.Presigned {
		return nil, apiError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
			"Method", q.r.Method, "ResourceType", "TABLE")
	}
	for _, name := range tableHeaders {
		if q.r.Header.Get(name) != "" {
			return nil, apiError(400, "S3TablesUnsupportedHeader", "S3 Tables does not support the header "+name+".")
		}
	}
	q.Call.Action = action
	n, err := s.tables.ObjectNeed(q.Call, action, q.b.Table)
	return []sandbox.Need{n}, err
}

// CreateTableBucket makes the bucket of a table.
func (s *Service) CreateTableBucket(name, account, region, table string, now time.Time) error {
	taken, err := s.store.create(&bucket{Name: name, Account: account, Region: region, Table: table,
		Created: now.UTC().Truncate(time.Second), Ownership: ownerEnforced, Access: publicAccess{true, true, true, true, true}})
	if err == nil && taken != nil {
		err = fmt.Errorf("create bucket %s: the name is taken", name)
	}
	return err
}

// DropTableBucket removes the bucket of a table with all its objects.
func (s *Service) DropTableBucket(name string) error {
	b := s.store.bucket(name)
	if b == nil || b.Table == "" {
		return noSuchBucket(name)
	}
	return s.store.drop(name)
}

// ReadTableObject reads an object of a table's bucket whole; nil if there is
// none.
func (s *Service) ReadTableObject(bucket, key string) ([]byte, error) {
	if b := s.store.bucket(bucket); b == nil || b.Table == "" {
		return nil, noSuchBucket(bucket)
	}
	o, err := s.store.current(bucket, key)
	if err != nil || o == nil || o.Marker {
		return nil, err
	}
	if o.File == "" {
		return []byte{}, nil
	}
	f, err := s.files.open(o.File)
	if err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
	}
	defer f.Close()
	return io.ReadAll(f)
}

// WriteTableObject stores an object in a table's bucket.
func (s *Service) WriteTableObject(bucket, key string, text []byte, now time.Time) error {
	if b := s.store.bucket(bucket); b == nil || b.Table == "" {
		return noSuchBucket(bucket)
	}
	sum := newHash(defaultAlgorithm)
	c, err := s.files.write(bytes.NewReader(text), sum, nil)
	if err != nil {
		return fmt.Errorf("write s3://%s/%s: %w", bucket, key, err)
	}
	o := &object{File: c.name, Size: c.size, ETag: c.etag(), Modified: now.UTC().Truncate(time.Second)}
	o.ContentType = "application/json"
	if err := s.store.update(bucket, func(t *tx) error { return t.put(key, o) }); err != nil {
		s.files.discard(c)
		return fmt.Errorf("write s3://%s/%s: %w", bucket, key, err)
	}
	return nil
}

// drop removes a bucket with all that is in it.
func (s *store) drop(name string) error {
	s.write.Lock()
	defer s.write.Unlock()
	var dropped []string
	err := s.db.Update(func(b *bbolt.Tx) error {
		nested := b.Bucket(objectsKey).Bucket([]byte(name))
		for _, kind := range [][]byte{currentKey, versionsKey, partsKey} {
			err := nested.Bucket(kind).ForEach(func(_, v []byte) error {
				var record struct {
					File string `json:"f"`
				}
				err := json.Unmarshal(v, &record)
				dropped = append(dropped, record.File)
				return err
			})
			if err != nil {
				return err
			}
		}
		if err := b.Bucket(objectsKey).DeleteBucket([]byte(name)); err != nil {
			return err
		}
		return b.Bucket(bucketsKey).Delete([]byte(name))
	})
	if err != nil {
		return fmt.Errorf("drop bucket %s: %w", name, err)
	}
	s.mu.Lock()
	delete(s.buckets, name)
	for k := range s.cache {
		if k.bucket == name {
			delete(s.cache, k)
		}
	}
	s.changes.Add(1)
	s.mu.Unlock()
	s.files.remove(dropped)
	return nil
}
