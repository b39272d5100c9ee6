package glue

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"
)

// The state is JSON records in buckets below "glue". A key is account, region
// and then names, each ended by a zero byte, which no name can hold; so the
// children of a record are exactly the keys that begin with its key.
var (
	bucketGlue       = []byte("glue")
	bucketDatabases  = []byte("databases")
	bucketTables     = []byte("tables")
	bucketVersions   = []byte("versions") // of tables; the key ends in a fixed-width number
	bucketPartitions = []byte("partitions")
	bucketPolicies   = []byte("policies") // one per catalog
	bucketTags       = []byte("tags")     // the key ends in an ARN

	buckets = [][]byte{bucketCatalogs, bucketDatabases, bucketTables, bucketVersions, bucketPartitions, bucketPolicies, bucketTags}
)

// store is one catalog inside one transaction.
type store struct {
	top     *bbolt.Bucket
	account string
	region  string
}

func newStore(tx *bbolt.Tx, account, region string) *store {
	return &store{top: tx.Bucket(bucketGlue), account: account, region: region}
}

// key spells a record's key.
func (s *store) key(names ...string) []byte {
	b := make([]byte, 0, 64)
	for _, n := range append([]string{s.account, s.region}, names...) {
		b = append(append(b, n...), 0)
	}
	return b
}

// get reads a record and tells whether there is one.
func (s *store) get(bucket, key []byte, into any) (bool, error) {
	v := s.top.Bucket(bucket).Get(key)
	if v == nil {
		return false, nil
	}
	if err := json.Unmarshal(v, into); err != nil {
		return false, fmt.Errorf("read record %q of %s: %w", key, bucket, err)
	}
	return true, nil
}

func (s *store) has(bucket, key []byte) bool { return s.top.Bucket(bucket).Get(key) != nil }

func (s *store) put(bucket, key []byte, record any) error {
	v, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return s.top.Bucket(bucket).Put(key, v)
}

func (s *store) delete(bucket, key []byte) error { return s.top.Bucket(bucket).Delete(key) }

// deleteAll removes every record whose key begins with prefix.
func (s *store) deleteAll(bucket, prefix []byte) error {
	c := s.top.Bucket(bucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// page walks the records below prefix in key order, from where token points,
// until take has accepted max of them, and gives the token of the next page,
// empty at the end. take sees the key without prefix.
func (s *store) page(bucket, prefix []byte, token string, max int, take func(key, value []byte) (bool, error)) (string, error) {
	from, err := parseToken(token)
	if err != nil {
		return "", err
	}
	c := s.top.Bucket(bucket).Cursor()
	taken := 0
	for k, v := c.Seek(append(bytes.Clone(prefix), from...)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		rest := k[len(prefix):]
		if taken == max {
			return base64.StdEncoding.EncodeToString(rest), nil
		}
		ok, err := take(rest, v)
		if err != nil {
			return "", err
		}
		if ok {
			taken++
		}
	}
	return "", nil
}

func parseToken(token string) ([]byte, error) {
	from, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, invalid("NextToken is not one that an earlier answer gave")
	}
	return from, nil
}

// pageSize applies the limits of a list; ask nil means all that fit.
func pageSize(ask *int, limit int) (int, error) {
	if ask == nil {
		return limit, nil
	}
	if *ask < 1 || *ask > limit {
		return 0, fail("ValidationException",
			"1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and %d", *ask, limit)
	}
	return *ask, nil
}

// checkName applies NameString of the model: 1 to 255 characters, none of them
// a control character.
func checkName(member, name string) error {
	n := len([]rune(name))
	if n == 0 || n > 255 {
		return fail("ValidationException",
			"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length between 1 and 255", name, member)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' && r != '\t' }) {
		return fail("ValidationException",
			"1 validation error detected: Value at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: single-line string", member)
	}
	return nil
}
