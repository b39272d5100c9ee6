package s3

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// The layout in bbolt. bucketsKey holds a record per S3 bucket, objectsKey a
// nested bucket per S3 bucket, with these inside:
//
//	current   key                       the current version, or delete marker
//	versions  key NUL ^sequence         what is not current, newest first
//	uploads   key NUL upload id         uploads under way
//	parts     upload id, number         their parts
var (
	bucketsKey  = []byte("s3.buckets")
	objectsKey  = []byte("s3.objects")
	currentKey  = []byte("current")
	versionsKey = []byte("versions")
	uploadsKey  = []byte("uploads")
	partsKey    = []byte("parts")
)

const maxCached = 1 << 16 // object records

// store keeps records in bbolt and contents in files. A content is complete
// under its final name before the record that names it is committed, and is
// removed after the record is gone; what a crash leaves between is swept at
// the next start. Writers run one after another, which makes conditional
// writes atomic; readers never wait for them.
type store struct {
	db    *bbolt.DB
	files *files

	write   sync.Mutex // held by update until what it changed is visible
	mu      sync.RWMutex
	buckets map[string]*bucket
	cache   map[cacheKey]*object // current versions
	changes atomic.Uint64        // counts updates; guards the filling of cache
}

type cacheKey struct{ bucket, key string }

func openStore(db *bbolt.DB, f *files) (*store, error) {
	s := &store{db: db, files: f, buckets: map[string]*bucket{}, cache: map[cacheKey]*object{}}
	return s, db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(objectsKey); err != nil {
			return err
		}
		records, err := tx.CreateBucketIfNotExists(bucketsKey)
		if err != nil {
			return err
		}
		return records.ForEach(func(k, v []byte) error {
			b := &bucket{}
			if err := json.Unmarshal(v, b); err != nil {
				return fmt.Errorf("read the record of bucket %s: %w", k, err)
			}
			s.buckets[b.Name] = b
			return nil
		})
	})
}

// bucket returns the record of a bucket, nil if there is none.
func (s *store) bucket(name string) *bucket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name]
}

// list returns all buckets by name.
func (s *store) list() []*bucket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.buckets), func(a, b *bucket) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
}

// current returns the current version of a key, which may be a delete marker;
// nil if there is none.
func (s *store) current(bucket, key string) (*object, error) {
	k := cacheKey{bucket, key}
	s.mu.RLock()
	o := s.cache[k]
	s.mu.RUnlock()
	if o != nil {
		return o, nil
	}
	seen := s.changes.Load()
	err := s.view(bucket, func(t *tx) (err error) {
		o, err = t.current(key)
		return err
	})
	if err != nil || o == nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes.Load() == seen {
		if len(s.cache) >= maxCached {
			clear(s.cache)
		}
		s.cache[k] = o
	}
	return o, nil
}

// version returns one version of a key; id "" means the current one. It is nil
// if there is none.
func (s *store) version(bucket, key, id string) (o *object, err error) {
	if id == "" {
		return s.current(bucket, key)
	}
	err = s.view(bucket, func(t *tx) error {
		o, _, err = t.version(key, id)
		return err
	})
	return o, err
}

// view runs f over one bucket's records. A bucket that does not exist is
// NoSuchBucket.
func (s *store) view(name string, f func(*tx) error) error {
	return s.db.View(func(b *bbolt.Tx) error {
		t, err := s.open(b, name)
		if err != nil {
			return err
		}
		return f(t)
	})
}

// update runs f over one bucket's records and commits what it changes. Files
// that f drops are removed after the commit. f sees the state as it is at
// that moment, so conditions are checked inside.
func (s *store) update(name string, f func(*tx) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	var t *tx
	err := s.db.Update(func(b *bbolt.Tx) (err error) {
		if t, err = s.open(b, name); err != nil {
			return err
		}
		return f(t)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.changes.Add(1)
	for _, key := range t.touched {
		delete(s.cache, cacheKey{name, key})
	}
	if t.changed != nil {
		s.buckets[name] = t.changed
	}
	s.mu.Unlock()
	s.files.remove(t.dropped)
	return nil
}

func (s *store) open(b *bbolt.Tx, name string) (*tx, error) {
	record := s.bucket(name)
	nested := b.Bucket(objectsKey).Bucket([]byte(name))
	if record == nil || nested == nil {
		return nil, noSuchBucket(name)
	}
	return &tx{bucket: record, records: b.Bucket(bucketsKey), objects: nested.Bucket(currentKey), versions: nested.Bucket(versionsKey),
		uploads: nested.Bucket(uploadsKey), parts: nested.Bucket(partsKey)}, nil
}

// create adds a bucket. If the name is taken it returns the bucket that has it.
func (s *store) create(b *bucket) (taken *bucket, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	if taken = s.bucket(b.Name); taken != nil {
		return taken, nil
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		nested, err := tx.Bucket(objectsKey).CreateBucket([]byte(b.Name))
		if err != nil {
			return err
		}
		for _, name := range [][]byte{currentKey, versionsKey, uploadsKey, partsKey} {
			if _, err := nested.CreateBucket(name); err != nil {
				return err
			}
		}
		return put(tx.Bucket(bucketsKey), []byte(b.Name), b)
	})
	if err != nil {
		return nil, fmt.Errorf("create bucket %s: %w", b.Name, err)
	}
	s.mu.Lock()
	s.buckets[b.Name] = b
	s.mu.Unlock()
	return nil, nil
}

// delete removes an empty bucket; uploads under way do not count.
func (s *store) delete(name string) error {
	s.write.Lock()
	defer s.write.Unlock()
	var dropped []string
	err := s.db.Update(func(b *bbolt.Tx) error {
		t, err := s.open(b, name)
		if err != nil {
			return err
		}
		object, _ := t.objects.Cursor().First()
		version, _ := t.versions.Cursor().First()
		if object != nil || version != nil {
			return apiError(409, "BucketNotEmpty", "The bucket you tried to delete is not empty", "BucketName", name)
		}
		err = t.parts.ForEach(func(_, v []byte) error {
			var p partRecord
			err := json.Unmarshal(v, &p)
			dropped = append(dropped, p.File)
			return err
		})
		if err != nil {
			return err
		}
		if err := b.Bucket(objectsKey).DeleteBucket([]byte(name)); err != nil {
			return err
		}
		return b.Bucket(bucketsKey).Delete([]byte(name))
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.buckets, name)
	s.changes.Add(1)
	s.mu.Unlock()
	s.files.remove(dropped)
	return nil
}

// contents calls f with the name of every file that a record holds.
func (s *store) contents(f func(file string)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(objectsKey).ForEachBucket(func(name []byte) error {
			nested := tx.Bucket(objectsKey).Bucket(name)
			for _, kind := range [][]byte{currentKey, versionsKey, partsKey} {
				err := nested.Bucket(kind).ForEach(func(_, v []byte) error {
					var record struct {
						File string `json:"f"`
					}
					if err := json.Unmarshal(v, &record); err != nil {
						return fmt.Errorf("read a record of bucket %s: %w", name, err)
					}
					f(record.File)
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// tx is one transaction over one bucket.
type tx struct {
	bucket                                     *bucket
	records, objects, versions, uploads, parts *bbolt.Bucket

	changed *bucket
	touched []string // keys whose current version changed
	dropped []string // files to remove after the commit
}

// change stores a changed copy of the bucket's record.
func (t *tx) change(f func(*bucket)) error {
	b := *t.bucket
	f(&b)
	t.changed = &b
	return put(t.records, []byte(b.Name), &b)
}

func (t *tx) current(key string) (*object, error) { return readObject(t.objects.Get([]byte(key))) }

// live is current without delete markers.
func (t *tx) live(key string) (*object, error) {
	o, err := t.current(key)
	if o != nil && o.Marker {
		o = nil
	}
	return o, err
}

// version finds a version by id. at is its key in versions, nil if it is the
// current one.
func (t *tx) version(key, id string) (o *object, at []byte, err error) {
	if o, err = t.current(key); err != nil || o != nil && o.versionID() == id {
		return o, nil, err
	}
	prefix := append([]byte(key), 0)
	c := t.versions.Cursor()
	for k, v := c.Seek(prefix); len(k) == len(prefix)+8 && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if o, err = readObject(v); err != nil || o.versionID() == id {
			return o, bytes.Clone(k), err
		}
	}
	return nil, nil, nil
}

// put makes o the current version of key, as the bucket's versioning has it,
// and gives it its version id.
func (t *tx) put(key string, o *object) error {
	cur, err := t.current(key)
	if err != nil {
		return err
	}
	if t.bucket.Versioning == "Enabled" {
		o.Version = newID()
	} else {
		o.Version = ""
		if cur != nil && cur.Version != "" {
			if err := t.dropArchivedNull(key); err != nil {
				return err
			}
		}
	}
	if cur != nil {
		if cur.Version == o.Version {
			t.drop(cur)
		} else if err := t.archive(key, cur); err != nil {
			return err
		}
	}
	t.touched = append(t.touched, key)
	return put(t.objects, []byte(key), o)
}

// dropArchivedNull removes the null version from among those not current.
func (t *tx) dropArchivedNull(key string) error {
	o, at, err := t.version(key, "null")
	if err != nil || o == nil || at == nil {
		return err
	}
	t.drop(o)
	return t.versions.Delete(at)
}

func (t *tx) archive(key string, o *object) error {
	n, err := t.versions.NextSequence()
	if err != nil {
		return err
	}
	return put(t.versions, binary.BigEndian.AppendUint64(append([]byte(key), 0), ^n), o)
}

// replace stores a changed copy of a version in its place.
func (t *tx) replace(key string, o *object, at []byte) error {
	if at != nil {
		return put(t.versions, at, o)
	}
	t.touched = append(t.touched, key)
	return put(t.objects, []byte(key), o)
}

// remove is DeleteObject: without id it hides the key behind a marker where
// versions are kept. It returns the version or marker that it removed or
// made, nil if there was nothing to do.
func (t *tx) remove(key, id string, now time.Time) (*object, error) {
	if id == "" && t.bucket.Versioning != "" {
		marker := &object{Marker: true, Modified: now}
		return marker, t.put(key, marker)
	}
	if id == "" {
		id = "null"
	}
	o, at, err := t.version(key, id)
	if err != nil || o == nil {
		return nil, err
	}
	t.drop(o)
	if at != nil {
		return o, t.versions.Delete(at)
	}
	t.touched = append(t.touched, key)
	prefix := append([]byte(key), 0)
	k, v := t.versions.Cursor().Seek(prefix)
	if len(k) != len(prefix)+8 || !bytes.HasPrefix(k, prefix) {
		return o, t.objects.Delete([]byte(key))
	}
	if err := t.objects.Put([]byte(key), bytes.Clone(v)); err != nil {
		return nil, err
	}
	return o, t.versions.Delete(bytes.Clone(k))
}

func (t *tx) drop(o *object) {
	if o.File != "" {
		t.dropped = append(t.dropped, o.File)
	}
}

func uploadKey(key, id string) []byte { return append(append([]byte(key), 0), id...) }

func partKey(id string, number int) []byte {
	return binary.BigEndian.AppendUint32([]byte(id), uint32(number))
}

// upload returns an upload under way.
func (t *tx) upload(key, id string) (*upload, error) {
	v := t.uploads.Get(uploadKey(key, id))
	if v == nil {
		return nil, noSuchUpload(id)
	}
	u := &upload{}
	return u, json.Unmarshal(v, u)
}

// uploadParts returns the parts of an upload by number.
func (t *tx) uploadParts(id string) ([]partRecord, error) {
	var list []partRecord
	c := t.parts.Cursor()
	for k, v := c.Seek([]byte(id)); bytes.HasPrefix(k, []byte(id)); k, v = c.Next() {
		var p partRecord
		if err := json.Unmarshal(v, &p); err != nil {
			return nil, fmt.Errorf("read a part of upload %s: %w", id, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// end forgets an upload and drops the files of its parts.
func (t *tx) end(u *upload) error {
	parts, err := t.uploadParts(u.ID)
	if err != nil {
		return err
	}
	for _, p := range parts {
		t.dropped = append(t.dropped, p.File)
		if err := t.parts.Delete(partKey(u.ID, p.Number)); err != nil {
			return err
		}
	}
	return t.uploads.Delete(uploadKey(u.Key, u.ID))
}

func put(b *bbolt.Bucket, key []byte, record any) error {
	v, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return b.Put(key, v)
}

func readObject(v []byte) (*object, error) {
	if v == nil {
		return nil, nil
	}
	o := &object{}
	if err := json.Unmarshal(v, o); err != nil {
		return nil, fmt.Errorf("read an object's record: %w", err)
	}
	return o, nil
}
