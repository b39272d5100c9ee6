package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"

	"go.etcd.io/bbolt"
)

// listing is what the list operations have in common.
type listing struct {
	prefix, delimiter string
	limit             int
	encode            func(string) string // of keys in the answer
	encoding          string
}

func (q *request) listing(limitName string) (l listing, err error) {
	l = listing{prefix: q.query.Get("prefix"), delimiter: q.query.Get("delimiter"), encoding: q.query.Get("encoding-type")}
	switch l.encoding {
	case "":
		l.encode = func(s string) string { return s }
	case "url":
		l.encode = clientEscape
	default:
		return l, invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", l.encoding)
	}
	l.limit, err = number(q.query.Get(limitName), limitName)
	return l, err
}

// group is the common prefix under which key falls, "" if it stands for
// itself.
func (l *listing) group(key []byte) string {
	if l.delimiter == "" {
		return ""
	}
	if i := strings.Index(string(key[len(l.prefix):]), l.delimiter); i >= 0 {
		return string(key[:len(l.prefix)+i+len(l.delimiter)])
	}
	return ""
}

// after is the first key in byte order that does not begin with prefix; nil if
// there is none.
func after(prefix string) []byte {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] < 0xff {
			b[len(b)-1]++
			return b
		}
		b = b[:len(b)-1]
	}
	return nil
}

// walk visits the current objects from the key from on, in byte order, and
// each common prefix once. It stops when it has limit entries and then tells
// the last key or prefix and that there is more.
func (l *listing) walk(objects *bbolt.Bucket, from []byte, object func(key string, o *object), prefix func(string)) (last string, more bool, err error) {
	if l.limit == 0 {
		return "", false, nil
	}
	c := objects.Cursor()
	if bytes.Compare(from, []byte(l.prefix)) < 0 {
		from = []byte(l.prefix)
	}
	n := 0
	for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, []byte(l.prefix)); {
		o, err := readObject(v)
		if err != nil {
			return "", false, err
		}
		if o.Marker {
			k, v = c.Next()
			continue
		}
		if n == l.limit {
			return last, true, nil
		}
		n++
		if g := l.group(k); g != "" {
			last = g
			prefix(g)
			next := after(g)
			if next == nil {
				return last, false, nil
			}
			k, v = c.Seek(next)
			continue
		}
		last = string(k)
		object(last, o)
		k, v = c.Next()
	}
	return last, false, nil
}

// resume is where a listing goes on after last: behind the key, or behind
// everything under it if it was given as a common prefix.
func (l *listing) resume(last string) []byte {
	if last == "" {
		return nil
	}
	if l.delimiter != "" && len(last) > len(l.prefix) && strings.HasPrefix(last, l.prefix) &&
		strings.Contains(last[len(l.prefix):], l.delimiter) {
		g := l.group([]byte(last))
		if next := after(g); next != nil && g == last {
			return next
		}
	}
	return append([]byte(last), 0)
}

// listObjectsV2 answers ListObjectsV2.
func (s *Service) listObjectsV2(w http.ResponseWriter, q *request) error {
	l, err := q.listing("max-keys")
	if err != nil {
		return err
	}
	token, start := q.query.Get("continuation-token"), q.query.Get("start-after")
	from := l.resume(start)
	if q.query.Has("continuation-token") {
		last, ok := readToken(token, q.bucket)
		if !ok {
			return invalidArgument("The continuation token provided is incorrect", "continuation-token", token)
		}
		from = l.resume(last)
	}
	res := &listV2Result{Name: q.bucket, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter), MaxKeys: l.limit,
		EncodingType: l.encoding, StartAfter: l.encode(start), ContinuationToken: token}
	fetch := q.query.Get("fetch-owner") == "true"
	err = s.store.view(q.bucket, func(t *tx) error {
		last, more, err := l.walk(t.objects, from, func(key string, o *object) {
			res.Contents = append(res.Contents, q.entry(l, key, o, fetch))
		}, func(p string) { res.CommonPrefixes = append(res.CommonPrefixes, prefixXML{l.encode(p)}) })
		if more {
			res.IsTruncated, res.NextContinuationToken = true, newToken(last, q.bucket)
		}
		return err
	})
	if err != nil {
		return err
	}
	res.KeyCount = len(res.Contents) + len(res.CommonPrefixes)
	w.Header().Set("X-Amz-Bucket-Region", q.b.Region)
	return writeXML(w, res)
}

// listObjects answers ListObjects, the first version.
func (s *Service) listObjects(w http.ResponseWriter, q *request) error {
	l, err := q.listing("max-keys")
	if err != nil {
		return err
	}
	marker := q.query.Get("marker")
	res := &listV1Result{Name: q.bucket, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter), MaxKeys: l.limit,
		EncodingType: l.encoding, Marker: l.encode(marker)}
	err = s.store.view(q.bucket, func(t *tx) error {
		last, more, err := l.walk(t.objects, l.resume(marker), func(key string, o *object) {
			res.Contents = append(res.Contents, q.entry(l, key, o, true))
		}, func(p string) { res.CommonPrefixes = append(res.CommonPrefixes, prefixXML{l.encode(p)}) })
		res.IsTruncated = more
		if more && l.delimiter != "" {
			res.NextMarker = l.encode(last)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("X-Amz-Bucket-Region", q.b.Region)
	return writeXML(w, res)
}

func (q *request) entry(l listing, key string, o *object, withOwner bool) objectXML {
	x := objectXML{Key: l.encode(key), LastModified: isoTime(o.Modified), ETag: o.quotedETag(), Size: o.Size, StorageClass: o.storageClass(),
		ChecksumAlgorithm: o.Checksum.Algorithm, ChecksumType: o.Checksum.Kind}
	if withOwner {
		x.Owner = &ownerXML{ID: owner(q.b.Account)}
	}
	return x
}

// A continuation token is a key with a checksum over it and the bucket, so
// that one from elsewhere is refused.
func newToken(last, bucket string) string {
	b := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(bucket+"/"+last)))
	return base64.StdEncoding.EncodeToString(append(b, last...))
}

func readToken(token, bucket string) (last string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) < 5 {
		return "", false
	}
	last = string(b[4:])
	return last, binary.BigEndian.Uint32(b) == crc32.ChecksumIEEE([]byte(bucket+"/"+last))
}

// listVersions answers ListObjectVersions: versions and delete markers of each
// key, newest first.
func (s *Service) listVersions(w http.ResponseWriter, q *request) error {
	l, err := q.listing("max-keys")
	if err != nil {
		return err
	}
	keyMarker, idMarker := q.query.Get("key-marker"), q.query.Get("version-id-marker")
	if idMarker != "" && keyMarker == "" {
		return invalidArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", idMarker)
	}
	res := &listVersionsResult{Name: q.bucket, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter), MaxKeys: l.limit,
		EncodingType: l.encoding, KeyMarker: l.encode(keyMarker), VersionIDMarker: idMarker}
	v := &versionWalk{request: q, listing: l, res: res, skipTo: idMarker}
	from := l.resume(keyMarker)
	if idMarker != "" {
		from = []byte(keyMarker)
	}
	err = s.store.view(q.bucket, func(t *tx) error { return v.walk(t, from) })
	if err != nil {
		return err
	}
	return writeXML(w, res)
}

// versionWalk collects the answer of ListObjectVersions.
type versionWalk struct {
	*request
	listing
	res    *listVersionsResult
	skipTo string // version id after which to begin, in the first key
	n      int
}

func (v *versionWalk) walk(t *tx, from []byte) error {
	c := t.objects.Cursor()
	if bytes.Compare(from, []byte(v.prefix)) < 0 {
		from = []byte(v.prefix)
	}
	last := ""
	for k, value := c.Seek(from); k != nil && bytes.HasPrefix(k, []byte(v.prefix)); {
		if g := v.group(k); g != "" {
			if v.n == v.limit {
				v.res.IsTruncated, v.res.NextKeyMarker = v.limit > 0, v.encode(last)
				return nil
			}
			v.n++
			last = g
			v.res.CommonPrefixes = append(v.res.CommonPrefixes, prefixXML{v.encode(g)})
			next := after(g)
			if next == nil {
				return nil
			}
			k, value = c.Seek(next)
			continue
		}
		last = string(k)
		full, err := v.key(t, last, value)
		if err != nil || full {
			return err
		}
		k, value = c.Next()
	}
	return nil
}

// key adds the versions of one key. full says that the answer has no room for
// the next.
func (v *versionWalk) key(t *tx, key string, current []byte) (full bool, err error) {
	o, err := readObject(current)
	if err != nil {
		return false, err
	}
	if full = v.add(key, o, true); full {
		return true, nil
	}
	prefix := append([]byte(key), 0)
	c := t.versions.Cursor()
	for k, value := c.Seek(prefix); len(k) == len(prefix)+8 && bytes.HasPrefix(k, prefix); k, value = c.Next() {
		if o, err = readObject(value); err != nil {
			return false, err
		}
		if full = v.add(key, o, false); full {
			return true, nil
		}
	}
	return false, nil
}

func (v *versionWalk) add(key string, o *object, latest bool) (full bool) {
	if v.skipTo != "" {
		if o.versionID() == v.skipTo {
			v.skipTo = ""
		}
		return false
	}
	if v.n == v.limit {
		v.res.IsTruncated = v.limit > 0
		return true
	}
	v.n++
	v.res.NextKeyMarker, v.res.NextVersionIDMarker = v.encode(key), o.versionID()
	x := versionXML{Key: v.encode(key), VersionID: o.versionID(), IsLatest: latest, LastModified: isoTime(o.Modified),
		Owner: ownerXML{ID: owner(v.b.Account)}}
	if o.Marker {
		v.res.DeleteMarker = append(v.res.DeleteMarker, x)
		return false
	}
	etag := o.quotedETag()
	x.ChecksumAlgorithm, x.ChecksumType = o.Checksum.Algorithm, o.Checksum.Kind
	x.ETag, x.Size, x.StorageClass = &etag, &o.Size, o.storageClass()
	v.res.Version = append(v.res.Version, x)
	return false
}

// listUploads answers ListMultipartUploads.
func (s *Service) listUploads(w http.ResponseWriter, q *request) error {
	l, err := q.listing("max-uploads")
	if err != nil {
		return err
	}
	keyMarker, idMarker := q.query.Get("key-marker"), q.query.Get("upload-id-marker")
	res := &listUploadsResult{Bucket: q.bucket, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter), MaxUploads: l.limit,
		EncodingType: l.encoding, KeyMarker: l.encode(keyMarker), UploadIDMarker: idMarker}
	from := l.resume(keyMarker)
	if keyMarker != "" {
		from = append(from, 0xff) // behind every upload of that key
		if idMarker != "" {
			from = append(uploadKey(keyMarker, idMarker), 0)
		}
	}
	seen := map[string]bool{}
	err = s.store.view(q.bucket, func(t *tx) error {
		c := t.uploads.Cursor()
		if bytes.Compare(from, []byte(l.prefix)) < 0 {
			from = []byte(l.prefix)
		}
		for k, _ := c.Seek(from); k != nil && bytes.HasPrefix(k, []byte(l.prefix)); k, _ = c.Next() {
			key, id, _ := strings.Cut(string(k), "\x00")
			g := l.group([]byte(key))
			if seen[g] {
				continue
			}
			if len(res.Upload)+len(res.CommonPrefixes) == l.limit {
				res.IsTruncated = l.limit > 0
				break
			}
			res.NextKeyMarker, res.NextUploadIDMarker = l.encode(key), id
			if g != "" {
				seen[g] = true
				res.NextKeyMarker, res.NextUploadIDMarker = l.encode(g), ""
				res.CommonPrefixes = append(res.CommonPrefixes, prefixXML{l.encode(g)})
				continue
			}
			u, err := t.upload(key, id)
			if err != nil {
				return fmt.Errorf("read upload %s: %w", id, err)
			}
			x := uploadXML{Key: l.encode(key), UploadID: id, Initiated: isoTime(u.Initiated), StorageClass: u.storageClass(),
				Initiator: ownerXML{ID: u.Initiator}, Owner: ownerXML{ID: owner(q.b.Account)}}
			if u.Asked {
				x.ChecksumAlgorithm, x.ChecksumType = u.Algorithm, u.Kind
			}
			res.Upload = append(res.Upload, x)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeXML(w, res)
}
