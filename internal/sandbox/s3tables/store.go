package s3tables

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iceberg"
)

// Bucket is a table bucket.
type Bucket struct {
	Name, Account, Region, ID string
	Created                   time.Time
	Policy                    string `json:",omitempty"`
}

// ARN is the bucket's name in policies.
func (b *Bucket) ARN() string {
	return "arn:aws:s3tables:" + b.Region + ":" + b.Account + ":bucket/" + b.Name
}

// Namespace is a namespace of a table bucket.
type Namespace struct {
	Name, ID string
	Created  time.Time
	By       string // account
}

// Table is a table of a namespace. Its objects lie in a bucket of its own.
type Table struct {
	Bucket    string // ARN of the table bucket
	Namespace string
	Name, ID  string
	Warehouse string // name of the bucket of its objects
	Version   string // the token: another for each state
	Metadata  string // location of the metadata file; empty before the first
	Created   time.Time
	Modified  time.Time
	CreatedBy string // account
	Account   string
	Policy    string `json:",omitempty"`
}

// ARN is the table's name in policies.
func (t *Table) ARN() string { return t.Bucket + "/table/" + t.ID }

// Location is the URI below which the table lies.
func (t *Table) Location() string { return "s3://" + t.Warehouse }

// The state is JSON records in buckets below "s3tables", keyed by names that
// are each ended by a zero byte.
var (
	topKey        = []byte("s3tables")
	bucketsKey    = []byte("buckets")    // account, region, name
	namespacesKey = []byte("namespaces") // bucket ARN, namespace
	tablesKey     = []byte("tables")     // bucket ARN, namespace, name
	idsKey        = []byte("ids")        // table ARN; the value is the key of the table
)

func key(names ...string) []byte {
	var b []byte
	for _, n := range names {
		b = append(append(b, n...), 0)
	}
	return b
}

func makeBuckets(tx *bbolt.Tx) error {
	top, err := tx.CreateBucketIfNotExists(topKey)
	if err != nil {
		return err
	}
	for _, name := range [][]byte{bucketsKey, namespacesKey, tablesKey, idsKey} {
		if _, err := top.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

func put(tx *bbolt.Tx, bucket, key []byte, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return tx.Bucket(topKey).Bucket(bucket).Put(key, text)
}

// get reads a record, nil if there is none.
func get[T any](tx *bbolt.Tx, bucket, key []byte) (*T, error) {
	text := tx.Bucket(topKey).Bucket(bucket).Get(key)
	if text == nil {
		return nil, nil
	}
	record := new(T)
	if err := json.Unmarshal(text, record); err != nil {
		return nil, fmt.Errorf("read record %q of %s: %w", key, bucket, err)
	}
	return record, nil
}

func read[T any](db *bbolt.DB, bucket, key []byte) (record *T, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		record, err = get[T](tx, bucket, key)
		return err
	})
	return record, err
}

// list reads the records whose keys begin with prefix, in order.
func list[T any](db *bbolt.DB, bucket, prefix []byte) (all []*T, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		all, err = listIn[T](tx, bucket, prefix)
		return err
	})
	return all, err
}

func listIn[T any](tx *bbolt.Tx, bucket, prefix []byte) (all []*T, err error) {
	c := tx.Bucket(topKey).Bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		record := new(T)
		if err := json.Unmarshal(v, record); err != nil {
			return nil, fmt.Errorf("read record %q of %s: %w", k, bucket, err)
		}
		all = append(all, record)
	}
	return all, nil
}

// Refusals of the service ("Errors" of each action, S3 Tables API Reference).
// Assumed: the texts.
func fail(status int, code, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *sandbox.APIError {
	return fail(http.StatusBadRequest, "BadRequestException", format, args...)
}

func notFound(format string, args ...any) *sandbox.APIError {
	return fail(http.StatusNotFound, "NotFoundException", format, args...)
}

func conflict(format string, args ...any) *sandbox.APIError {
	return fail(http.StatusConflict, "ConflictException", format, args...)
}

// Names: "Amazon S3 table bucket, table, and namespace naming rules".
var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9_]{0,253}[a-z0-9])?$`)
)

func validBucket(name string) bool {
	if !bucketName.MatchString(name) {
		return false
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, x := range []string{"-s3alias", "--ol-s3", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, x) {
			return false
		}
	}
	return true
}

func validNamespace(name string) bool {
	return objectName.MatchString(name) && !strings.HasPrefix(name, "aws")
}

// Bucket is the table bucket of a name, nil if there is none.
func (s *Service) Bucket(account, region, name string) (*Bucket, error) {
	return read[Bucket](s.db, bucketsKey, key(account, region, name))
}

// BucketByARN is the table bucket of an ARN, nil if there is none.
func (s *Service) BucketByARN(arn string) (*Bucket, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[2] != "s3tables" || !strings.HasPrefix(part[5], "bucket/") {
		return nil, nil
	}
	return s.Bucket(part[4], part[3], strings.TrimPrefix(part[5], "bucket/"))
}

// Buckets are an account's table buckets in a region, by name.
func (s *Service) Buckets(account, region string) ([]*Bucket, error) {
	return list[Bucket](s.db, bucketsKey, key(account, region))
}

// BucketsIn is Buckets inside a transaction over the same file.
func (s *Service) BucketsIn(tx *bbolt.Tx, account, region string) ([]*Bucket, error) {
	return listIn[Bucket](tx, bucketsKey, key(account, region))
}

// Namespaces are a bucket's namespaces, by name.
func (s *Service) Namespaces(b *Bucket) ([]*Namespace, error) {
	return list[Namespace](s.db, namespacesKey, key(b.ARN()))
}

// Namespace is the namespace of a name; NotFoundException if there is none.
func (s *Service) Namespace(b *Bucket, name string) (*Namespace, error) {
	ns, err := read[Namespace](s.db, namespacesKey, key(b.ARN(), name))
	if err == nil && ns == nil {
		err = notFound("The specified namespace does not exist: %s", name)
	}
	return ns, err
}

// Tables are the tables of a namespace, by name; of all for "".
func (s *Service) Tables(b *Bucket, namespace string) ([]*Table, error) {
	if namespace == "" {
		return list[Table](s.db, tablesKey, key(b.ARN()))
	}
	return list[Table](s.db, tablesKey, key(b.ARN(), namespace))
}

// Table is the table of a name; NotFoundException if there is none.
func (s *Service) Table(b *Bucket, namespace, name string) (*Table, error) {
	t, err := read[Table](s.db, tablesKey, key(b.ARN(), namespace, name))
	if err == nil && t == nil {
		err = notFound("The specified table does not exist: %s.%s", namespace, name)
	}
	return t, err
}

// TableByARN is the table of an ARN, nil if there is none.
func (s *Service) TableByARN(arn string) (t *Table, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		k := tx.Bucket(topKey).Bucket(idsKey).Get([]byte(arn))
		if k == nil {
			return nil
		}
		t, err = get[Table](tx, tablesKey, k)
		return err
	})
	return t, err
}

func (s *Service) createBucket(b *Bucket) error {
	if !validBucket(b.Name) {
		return badRequest("The specified bucket name is not valid: %s", b.Name)
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		k := key(b.Account, b.Region, b.Name)
		if old, err := get[Bucket](tx, bucketsKey, k); err != nil || old != nil {
			return or(err, conflict("The bucket that you tried to create already exists, and you own it."))
		}
		return put(tx, bucketsKey, k, b)
	})
}

func or(err error, otherwise *sandbox.APIError) error {
	if err != nil {
		return err
	}
	return otherwise
}

func (s *Service) dropBucket(b *Bucket) error {
	if inside, err := s.Namespaces(b); err != nil || len(inside) > 0 {
		return or(err, conflict("The bucket that you tried to delete is not empty."))
	}
	s.forget(b.ARN())
	return s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(topKey).Bucket(bucketsKey).Delete(key(b.Account, b.Region, b.Name))
	})
}

// CreateNamespace makes a namespace; ConflictException if there is one.
func (s *Service) CreateNamespace(b *Bucket, name, by string) error {
	if !validNamespace(name) {
		return badRequest("The specified namespace name is not valid: %s: write 1 to 255 lower-case letters, digits and '_', a letter or digit at both ends, not beginning with aws", name)
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		k := key(b.ARN(), name)
		if old, err := get[Namespace](tx, namespacesKey, k); err != nil || old != nil {
			return or(err, conflict("A namespace with an identical name already exists in the bucket: %s", name))
		}
		return put(tx, namespacesKey, k, &Namespace{Name: name, ID: iceberg.NewUUID(), Created: s.now().UTC(), By: by})
	})
}

// DropNamespace removes an empty namespace.
func (s *Service) DropNamespace(b *Bucket, name string) error {
	if _, err := s.Namespace(b, name); err != nil {
		return err
	}
	if inside, err := s.Tables(b, name); err != nil || len(inside) > 0 {
		return or(err, conflict("The namespace that you tried to delete is not empty: %s", name))
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(topKey).Bucket(namespacesKey).Delete(key(b.ARN(), name))
	})
}

// CreateTable makes a table and, where there is a definition, its first
// metadata file.
func (s *Service) CreateTable(b *Bucket, namespace, name, by string, d *iceberg.Definition) (*Table, error) {
	if !objectName.MatchString(name) {
		return nil, badRequest("The specified table name is not valid: %s: write 1 to 255 lower-case letters, digits and '_', a letter or digit at both ends", name)
	}
	if _, err := s.Namespace(b, namespace); err != nil {
		return nil, err
	}
	now := s.now()
	t := &Table{Bucket: b.ARN(), Namespace: namespace, Name: name, ID: iceberg.NewUUID(), Version: newToken(), Created: now.UTC(), Modified: now.UTC(),
		CreatedBy: by, Account: b.Account}
	t.Warehouse = iceberg.NewUUID() + "--table-s3"
	k := key(b.ARN(), namespace, name)
	taken := conflict("A table with an identical name already exists in the namespace: %s.%s", namespace, name)
	if old, err := read[Table](s.db, tablesKey, k); err != nil || old != nil {
		return nil, or(err, taken)
	}
	if err := s.objects.CreateTableBucket(t.Warehouse, b.Account, b.Region, t.ARN(), now); err != nil {
		return nil, err
	}
	err := s.first(t, d)
	if err == nil {
		err = s.db.Update(func(tx *bbolt.Tx) error {
			if old, err := get[Table](tx, tablesKey, k); err != nil || old != nil {
				return or(err, taken)
			}
			if err := tx.Bucket(topKey).Bucket(idsKey).Put([]byte(t.ARN()), k); err != nil {
				return err
			}
			return put(tx, tablesKey, k, t)
		})
	}
	if err != nil {
		_ = s.objects.DropTableBucket(t.Warehouse) // err says what went wrong first
		return nil, err
	}
	return t, nil
}

// first writes the metadata of a new table.
func (s *Service) first(t *Table, d *iceberg.Definition) error {
	if d == nil {
		return nil
	}
	m, err := iceberg.New(d, t.Location(), s.now())
	if err != nil {
		return badRequest("%s", err)
	}
	return s.write(t, m)
}

// write stores metadata in a new file and points the record to it.
func (s *Service) write(t *Table, m *iceberg.Metadata) error {
	text, err := m.Text()
	if err != nil {
		return fmt.Errorf("spell the metadata of %s: %w", t.ARN(), err)
	}
	file := iceberg.File(t.Metadata)
	t.Metadata = t.Location() + "/" + file
	return s.objects.WriteTableObject(t.Warehouse, file, text, s.now())
}

// ReadMetadata reads a table's metadata file; NotFoundException where the table
// has none.
func (s *Service) ReadMetadata(t *Table) (*iceberg.Metadata, error) {
	file, ok := strings.CutPrefix(t.Metadata, t.Location()+"/")
	if !ok {
		return nil, notFound("The table %s.%s has no metadata yet.", t.Namespace, t.Name)
	}
	text, err := s.objects.ReadTableObject(t.Warehouse, file)
	if err == nil && text == nil {
		err = notFound("The metadata file %s does not exist.", t.Metadata)
	}
	if err != nil {
		return nil, err
	}
	return iceberg.Read(text)
}

// still tells, inside a transaction, whether the table is there under its name
// in the state of the token; NotFoundException or ConflictException if not.
func (t *Table) still(tx *bbolt.Tx, token string) error {
	old, err := get[Table](tx, tablesKey, key(t.Bucket, t.Namespace, t.Name))
	switch {
	case err != nil:
		return err
	case old == nil || old.ID != t.ID:
		return notFound("The specified table does not exist: %s.%s", t.Namespace, t.Name)
	case old.Version != token:
		return conflict("Provided version token does not match the table version token.")
	}
	return nil
}

// swap stores the table's new state if it still has the one of the token.
func (s *Service) swap(t *Table, token string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := t.still(tx, token); err != nil {
			return err
		}
		t.Version, t.Modified = newToken(), s.now().UTC()
		return put(tx, tablesKey, key(t.Bucket, t.Namespace, t.Name), t)
	})
}

// SetMetadata points a table to another metadata file of its own.
func (s *Service) SetMetadata(t *Table, token, location string) (*Table, error) {
	file, inside := strings.CutPrefix(location, t.Location()+"/")
	if !inside || !strings.HasSuffix(file, ".metadata.json") {
		return nil, badRequest("The metadata location %s is no metadata file below %s.", location, t.Location())
	}
	text, err := s.objects.ReadTableObject(t.Warehouse, file)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, badRequest("The metadata file %s does not exist.", location)
	}
	if _, err := iceberg.Read(text); err != nil {
		return nil, badRequest("The metadata file %s is not valid: %v", location, err)
	}
	c := *t
	c.Metadata = location
	return &c, s.swap(&c, token)
}

// Commit checks and applies a commit of the Iceberg API. Its refusals are those
// of that API.
func (s *Service) Commit(t *Table, body *iceberg.Commit) (*Table, *iceberg.Metadata, error) {
	m, err := s.ReadMetadata(t)
	if err != nil {
		return nil, nil, err
	}
	if err := m.Check(body.Requirements); err != nil {
		return nil, nil, refusal(err)
	}
	if err := m.Apply(body.Updates, t.Metadata, s.now()); err != nil {
		return nil, nil, iceberg.BadRequest("%s", err)
	}
	c := *t
	if err := s.write(&c, m); err != nil {
		return nil, nil, err
	}
	return &c, m, s.swap(&c, t.Version)
}

// DropTable removes a table with its objects. A token that is not empty must be
// the table's.
func (s *Service) DropTable(t *Table, token string) error {
	if token == "" {
		token = t.Version
	}
	s.forget(t.ARN())
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := t.still(tx, token); err != nil {
			return err
		}
		if err := tx.Bucket(topKey).Bucket(idsKey).Delete([]byte(t.ARN())); err != nil {
			return err
		}
		return tx.Bucket(topKey).Bucket(tablesKey).Delete(key(t.Bucket, t.Namespace, t.Name))
	})
	if err != nil {
		return err
	}
	return s.objects.DropTableBucket(t.Warehouse)
}

// Rename gives a table another name, in another namespace of its bucket where
// one is given.
func (s *Service) Rename(b *Bucket, t *Table, namespace, name, token string) error {
	if namespace == "" {
		namespace = t.Namespace
	}
	if name == "" {
		name = t.Name
	}
	if !objectName.MatchString(name) {
		return badRequest("The specified table name is not valid: %s", name)
	}
	if _, err := s.Namespace(b, namespace); err != nil {
		return err
	}
	if token == "" {
		token = t.Version
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := t.still(tx, token); err != nil {
			return err
		}
		to := key(t.Bucket, namespace, name)
		if old, err := get[Table](tx, tablesKey, to); err != nil || old != nil {
			return or(err, conflict("A table with an identical name already exists in the namespace: %s.%s", namespace, name))
		}
		if err := tx.Bucket(topKey).Bucket(tablesKey).Delete(key(t.Bucket, t.Namespace, t.Name)); err != nil {
			return err
		}
		c := *t
		c.Namespace, c.Name, c.Version, c.Modified = namespace, name, newToken(), s.now().UTC()
		if err := tx.Bucket(topKey).Bucket(idsKey).Put([]byte(t.ARN()), to); err != nil {
			return err
		}
		return put(tx, tablesKey, to, &c)
	})
}

// newToken is a version token: the API's is 1 to 2048 characters that mean
// nothing to the caller.
func newToken() string { return strings.ReplaceAll(iceberg.NewUUID(), "-", "")[:20] }

// page cuts a list of names: those after token, at most limit, and the next
// token.
func page[T any](all []T, name func(T) string, token string, limit int) ([]T, string) {
	from := 0
	if token != "" {
		from, _ = slices.BinarySearchFunc(all, token, func(t T, s string) int { return strings.Compare(name(t), s) })
		if from < len(all) && name(all[from]) == token {
			from++
		}
	}
	all = all[from:]
	if len(all) > limit {
		return all[:limit], name(all[limit-1])
	}
	return all, ""
}
