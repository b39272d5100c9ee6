package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
)

const (
	maxPut  = 5 << 30 // of a single PUT, part or copy
	maxMeta = 2 << 10 // of user metadata
)

// putObject answers PutObject.
func (s *Service) putObject(w http.ResponseWriter, q *request) error {
	o, err := newObject(q)
	if err != nil {
		return err
	}
	seal, err := s.begin(q, o.Encryption)
	if err != nil {
		return err
	}
	c, sum, err := s.receive(q, "", seal)
	if err != nil {
		return err
	}
	o.File, o.Size, o.ETag, o.Checksum = c.name, c.size, c.etag(), sum
	err = s.store.update(q.bucket, func(t *tx) error {
		if err := t.checkWrite(q); err != nil {
			return err
		}
		return t.put(q.key, o)
	})
	if err != nil {
		s.files.discard(c)
		return err
	}
	h := w.Header()
	h.Set("Etag", o.quotedETag())
	setChecksum(h, o.Checksum)
	written(h, q, o)
	return nil
}

// written sets the headers that every write of an object answers with.
func written(h http.Header, q *request, o *object) {
	o.Encryption.tell(h)
	if e := o.Encryption; e != nil && len(e.Context) > 0 {
		h.Set(sseContextHeader, q.r.Header.Get(sseContextHeader))
	}
	if q.b.Versioning == "Enabled" {
		h.Set("X-Amz-Version-Id", o.versionID())
	}
}

// receive stores the body of q and compares its length, MD5 and checksum. The
// checksum is of the named algorithm or, if that is "", of the client's choice.
// What is stored is encrypted unless seal is nil.
func (s *Service) receive(q *request, algorithm string, seal *seal) (*content, checksum, error) {
	none := checksum{}
	if q.r.ContentLength > maxPut {
		return nil, none, apiError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size",
			"ProposedSize", strconv.FormatInt(q.r.ContentLength, 10), "MaxSizeAllowed", strconv.Itoa(maxPut))
	}
	if q.r.ContentLength < 0 {
		return nil, none, apiError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	claim, aerr := readClaim(q.r)
	if aerr != nil {
		return nil, none, aerr
	}
	wantMD5, aerr := contentMD5(q.r)
	if aerr != nil {
		return nil, none, aerr
	}
	if algorithm != "" && claim.algorithm != "" && claim.algorithm != algorithm {
		return nil, none, apiError(400, "InvalidRequest", fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(algorithm), strings.ToLower(claim.algorithm)))
	}
	if algorithm == "" {
		algorithm = claim.algorithm
	}
	if algorithm == "" {
		algorithm = defaultAlgorithm
	}
	sum := newHash(algorithm)
	c, err := s.files.write(q.r.Body, sum, seal)
	if err != nil {
		return nil, none, err
	}
	value, err := s.checkContent(q, c, claim, wantMD5, sum)
	if err != nil {
		s.files.discard(c)
		return nil, none, err
	}
	return c, checksum{algorithm, value, fullObject}, nil
}

func (s *Service) checkContent(q *request, c *content, claim claim, wantMD5 []byte, sum hash.Hash) (string, error) {
	if c.size != q.r.ContentLength {
		return "", apiError(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	if wantMD5 != nil && !bytes.Equal(wantMD5, c.md5[:]) {
		return "", badMD5(wantMD5, c.md5[:])
	}
	value, err := claim.check(q.r, sum)
	if err != nil {
		return "", err
	}
	return value, nil
}

// newObject reads what a request says about the object that it makes.
func newObject(q *request) (*object, error) {
	h := q.r.Header
	if err := refuseACL(q.b, h); err != nil {
		return nil, err
	}
	for _, name := range []string{"X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Lock-Legal-Hold"} {
		if h.Get(name) != "" {
			return nil, notImplemented("object lock (header " + strings.ToLower(name) + ")")
		}
	}
	o := &object{Modified: q.Now.UTC().Truncate(time.Second)}
	var err error
	if o.Encryption, err = readEncryption(q.b, h); err != nil {
		return nil, err
	}
	if o.attributes, err = readAttributes(h); err != nil {
		return nil, err
	}
	if text := h.Get("X-Amz-Tagging"); text != "" {
		if o.Tags, err = readTagHeader(text); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func readAttributes(h http.Header) (attributes, error) {
	a := attributes{ContentType: h.Get("Content-Type"), Encoding: h.Get("Content-Encoding"), Language: h.Get("Content-Language"),
		Disposition: h.Get("Content-Disposition"), CacheControl: h.Get("Cache-Control"), Expires: h.Get("Expires"),
		Redirect: h.Get("X-Amz-Website-Redirect-Location"), Class: h.Get("X-Amz-Storage-Class")}
	if a.ContentType == "" {
		a.ContentType = "binary/octet-stream"
	}
	switch a.Class {
	case "STANDARD":
		a.Class = ""
	case "", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY", "GLACIER_IR":
	case "GLACIER", "DEEP_ARCHIVE":
		return a, notImplemented("the storage class " + a.Class)
	default:
		return a, apiError(400, "InvalidStorageClass", "The storage class you specified is not valid")
	}
	size := 0
	for name, values := range h {
		key, ok := strings.CutPrefix(name, "X-Amz-Meta-")
		if !ok {
			continue
		}
		if a.Meta == nil {
			a.Meta = map[string]string{}
		}
		key = strings.ToLower(key)
		a.Meta[key] = strings.Join(values, ",")
		size += len(key) + len(a.Meta[key])
	}
	if size > maxMeta {
		return a, apiError(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size",
			"Size", strconv.Itoa(size), "MaxSizeAllowed", strconv.Itoa(maxMeta))
	}
	return a, nil
}

// refuseACL: the default ownership disables ACLs ("Controlling ownership of
// objects and disabling ACLs for your bucket", S3 User Guide).
func refuseACL(b *bucket, h http.Header) error {
	if !hasACL(h) {
		return nil
	}
	acl := h.Get("X-Amz-Acl")
	switch {
	case acl == "bucket-owner-full-control", acl == "private" && b.Ownership != ownerEnforced:
		return nil
	case b.Ownership == ownerEnforced:
		return apiError(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	return notImplemented("ACLs other than private and bucket-owner-full-control")
}

// checkWrite evaluates If-None-Match and If-Match against the present state
// ("Add preconditions to S3 operations with conditional requests", S3 User
// Guide). A delete marker counts as no object.
func (t *tx) checkWrite(q *request) error {
	for _, name := range []string{"X-Amz-If-Match-Size", "X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Initiated-Time"} {
		if q.r.Header.Get(name) != "" {
			return notImplemented("directory buckets (header " + strings.ToLower(name) + ")")
		}
	}
	none, match := q.r.Header.Get("If-None-Match"), q.r.Header.Get("If-Match")
	if none == "" && match == "" {
		return nil
	}
	if none != "" && none != "*" {
		return notImplemented("If-None-Match with a value other than *")
	}
	if q.Caller.Principal.Kind == iam.Anonymous {
		return apiError(403, "AccessDenied", "Access Denied")
	}
	o, err := t.live(q.key)
	switch {
	case err != nil:
		return err
	case none != "" && o != nil:
		return preconditionFailed("If-None-Match")
	case match != "" && o == nil:
		return noSuchKey(q.key)
	case match != "" && !etagIn(match, o):
		return preconditionFailed("If-Match")
	}
	return nil
}

// copyObject answers CopyObject. The content is shared, not copied, unless its
// ETag or checksum has to be computed anew.
func (s *Service) copyObject(w http.ResponseWriter, q *request) error {
	src, err := s.source(q)
	if err != nil {
		return err
	}
	o, err := s.copied(q, src)
	if err != nil {
		return err
	}
	err = s.store.update(q.bucket, func(t *tx) error {
		if err := t.checkWrite(q); err != nil {
			return err
		}
		return t.put(q.key, o)
	})
	if err != nil {
		s.files.remove([]string{o.File})
		return err
	}
	written(w.Header(), q, o)
	src.tell(w.Header())
	return writeXML(w, &copyResult{ETag: o.quotedETag(), LastModified: isoTime(o.Modified),
		checksumSums: sums(o.Checksum.Algorithm, o.Checksum.Value), ChecksumType: o.Checksum.Kind})
}

// tell sets the header that names the version of a copy's source.
func (src *source) tell(h http.Header) {
	if src.bucket.Versioning != "" {
		h.Set("X-Amz-Copy-Source-Version-Id", src.object.versionID())
	}
}

// copied makes the new object's record and content.
func (s *Service) copied(q *request, src *source) (*object, error) {
	h := q.r.Header
	o, err := newObject(q)
	if err != nil {
		return nil, err
	}
	if err := s.checkSource(q, src); err != nil {
		return nil, err
	}
	if src.object.Size > maxPut {
		return nil, apiError(400, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	newMeta, err := directive(h, "X-Amz-Metadata-Directive")
	if err != nil {
		return nil, err
	}
	newTags, err := directive(h, "X-Amz-Tagging-Directive")
	if err != nil {
		return nil, err
	}
	if !newTags {
		o.Tags = src.object.Tags
	}
	if !newMeta {
		class, redirect := o.Class, o.Redirect
		o.attributes = src.object.attributes
		o.Class, o.Redirect = class, redirect
		if src.bucket == q.b && src.key == q.key && src.version == "" && class == src.object.Class && redirect == src.object.Redirect &&
			h.Get(sseHeader) == "" {
			return nil, apiError(400, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without "+
				"changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
	}
	return o, s.copyContent(q, src, o)
}

// copyContent gives o the content of the source, which is encrypted anew where
// either of them is encrypted.
func (s *Service) copyContent(q *request, src *source, o *object) error {
	from := src.object
	algorithm := strings.ToUpper(q.r.Header.Get("X-Amz-Checksum-Algorithm"))
	if algorithm == "" {
		algorithm = from.Checksum.Algorithm
	}
	if newHash(algorithm) == nil {
		return unsupportedChecksum(algorithm)
	}
	o.Size, o.ETag, o.Checksum = from.Size, from.ETag, from.Checksum
	if from.Encryption != nil || o.Encryption != nil {
		return s.reseal(q, src, o, algorithm)
	}
	if len(from.Parts) > 0 || from.Checksum.Kind == composite || algorithm != from.Checksum.Algorithm {
		f, err := s.files.open(from.File)
		if err != nil {
			return fmt.Errorf("open the source of a copy: %w", err)
		}
		defer f.Close()
		sum, m := newHash(algorithm), md5.New()
		if _, err := io.Copy(io.MultiWriter(sum, m), f); err != nil {
			return fmt.Errorf("read the source of a copy: %w", err)
		}
		o.ETag = hex.EncodeToString(m.Sum(nil))
		o.Checksum = checksum{algorithm, encode(sum), fullObject}
	}
	var err error
	o.File, err = s.files.share(from.File)
	return err
}

// reseal writes the source's content under o's own data key.
func (s *Service) reseal(q *request, src *source, o *object, algorithm string) error {
	f, err := s.content(q, src)
	if err != nil {
		return err
	}
	defer f.Close()
	seal, err := s.begin(q, o.Encryption)
	if err != nil {
		return err
	}
	sum := newHash(algorithm)
	c, err := s.files.write(f, sum, seal)
	if err != nil {
		return fmt.Errorf("copy a content: %w", err)
	}
	o.File, o.ETag, o.Checksum = c.name, c.etag(), checksum{algorithm, encode(sum), fullObject}
	return nil
}

// content opens the content of a copy's source in plain.
func (s *Service) content(q *request, src *source) (io.ReadSeekCloser, error) {
	seal, err := s.unlock(q, src.bucket, src.key, src.object.Encryption)
	if err != nil {
		return nil, err
	}
	f, err := s.files.open(src.object.File)
	if err != nil {
		return nil, fmt.Errorf("open the source of a copy: %w", err)
	}
	return seal.reader(f), nil
}

// checkSource refuses a source that is not there or not as the request wants.
func (s *Service) checkSource(q *request, src *source) error {
	if src.object == nil {
		if src.version != "" {
			return q.missing(src.bucket, noSuchVersion(src.key, src.version))
		}
		return q.missing(src.bucket, noSuchKey(src.key))
	}
	conditions := http.Header{}
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if v := q.r.Header.Get("X-Amz-Copy-Source-" + name); v != "" {
			conditions.Set(name, v)
		}
	}
	if checkRead(conditions, src.object) != nil {
		return preconditionFailed("x-amz-copy-source-If")
	}
	return nil
}

// directive reads COPY or REPLACE; the default is COPY.
func directive(h http.Header, name string) (replace bool, err error) {
	switch v := h.Get(name); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		what := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "X-Amz-"), "-Directive"))
		return false, invalidArgument("Unknown "+what+" directive.", strings.ToLower(name), v)
	}
}

// deleteObject answers DeleteObject. A key that is not there is no error.
func (s *Service) deleteObject(w http.ResponseWriter, q *request) error {
	id := q.query.Get("versionId")
	var gone *object
	err := s.store.update(q.bucket, func(t *tx) (err error) {
		if match := q.r.Header.Get("If-Match"); match != "" {
			o, err := t.live(q.key)
			switch {
			case err != nil:
				return err
			case o == nil:
				return noSuchKey(q.key)
			case !etagIn(match, o):
				return preconditionFailed("If-Match")
			}
		}
		gone, err = t.remove(q.key, id, q.Now.UTC().Truncate(time.Second))
		return err
	})
	if err != nil {
		return err
	}
	h := w.Header()
	if gone != nil && q.b.Versioning != "" {
		h.Set("X-Amz-Version-Id", gone.versionID())
	}
	if gone != nil && gone.Marker {
		h.Set("X-Amz-Delete-Marker", "true")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteObjects answers DeleteObjects: each key is decided on its own.
func (s *Service) deleteObjects(w http.ResponseWriter, q *request) error {
	batch, err := readBatch(q.Body)
	if err != nil {
		return err
	}
	res := &deleteResult{}
	refuse := func(o batchObject, code, message string) {
		res.Error = append(res.Error, deleteError{Key: o.Key, VersionID: o.VersionID, Code: code, Message: message})
	}
	var allowed []batchObject
	for _, o := range batch.Object {
		action := "s3:DeleteObject"
		if o.VersionID != "" {
			action = versionAction(action)
		}
		old, err := s.store.version(q.bucket, o.Key, o.VersionID)
		if err != nil {
			return err
		}
		n := q.needOn(action, q.b, o.Key, o.VersionID, old)
		if d := q.May(n); d.Effect != iam.Allow {
			e := q.Denied(n, d)
			refuse(o, e.Code, e.Message)
			continue
		}
		allowed = append(allowed, o)
	}
	err = s.store.update(q.bucket, func(t *tx) error {
		for _, o := range allowed {
			if o.ETag != "" {
				old, err := t.live(o.Key)
				if err != nil {
					return err
				}
				if old == nil || !etagIn(o.ETag, old) {
					refuse(o, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
					continue
				}
			}
			gone, err := t.remove(o.Key, o.VersionID, q.Now.UTC().Truncate(time.Second))
			if err != nil {
				return err
			}
			if !batch.Quiet {
				res.Deleted = append(res.Deleted, deletedEntry(q.b, o, gone))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeXML(w, res)
}

func deletedEntry(b *bucket, o batchObject, gone *object) deleted {
	d := deleted{Key: o.Key, VersionID: o.VersionID}
	if gone != nil && gone.Marker && b.Versioning != "" {
		d.DeleteMarker, d.DeleteMarkerVersionID = true, gone.versionID()
	}
	return d
}
