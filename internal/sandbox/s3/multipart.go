package s3

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// "Amazon S3 multipart upload limits", S3 User Guide.
const (
	maxParts = 10000
	minPart  = 5 << 20 // all but the last
)

// createUpload answers CreateMultipartUpload.
func (s *Service) createUpload(w http.ResponseWriter, q *request) error {
	o, err := newObject(q)
	if err != nil {
		return err
	}
	algorithm, kind, asked, aerr := uploadChecksum(q.r)
	if aerr != nil {
		return aerr
	}
	u := &upload{ID: newID() + newID(), Key: q.key, Initiated: o.Modified, Initiator: q.Caller.Principal.ARN, attributes: o.attributes, Tags: o.Tags,
		Algorithm: algorithm, Kind: kind, Asked: asked, Encryption: o.Encryption}
	if _, err := s.begin(q, u.Encryption); err != nil {
		return err
	}
	err = s.store.update(q.bucket, func(t *tx) error { return put(t.uploads, uploadKey(u.Key, u.ID), u) })
	if err != nil {
		return err
	}
	h := w.Header()
	u.Encryption.tell(h)
	if asked {
		h.Set("X-Amz-Checksum-Algorithm", algorithm)
		h.Set("X-Amz-Checksum-Type", kind)
	}
	return writeXML(w, &initiateResult{Bucket: q.bucket, Key: q.key, UploadID: u.ID})
}

// upload reads the upload that the query names.
func (s *Service) upload(q *request) (u *upload, err error) {
	err = s.store.view(q.bucket, func(t *tx) error {
		u, err = t.upload(q.key, q.query.Get("uploadId"))
		return err
	})
	return u, err
}

func (q *request) partNumber() (int, error) {
	text := q.query.Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxParts {
		return 0, invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
	}
	return n, nil
}

// uploadPart answers UploadPart.
func (s *Service) uploadPart(w http.ResponseWriter, q *request) error {
	n, err := q.partNumber()
	if err != nil {
		return err
	}
	u, err := s.upload(q)
	if err != nil {
		return err
	}
	if err := refuseEncryptionHeaders(q.r.Header); err != nil {
		return err
	}
	seal, err := s.partSeal(q, u)
	if err != nil {
		return err
	}
	c, sum, err := s.receive(q, s.partAlgorithm(q, u), seal)
	if err != nil {
		return err
	}
	if err := s.addPart(q, u, n, c, sum, seal); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Etag", `"`+c.etag()+`"`)
	u.Encryption.tell(h)
	if sum.Algorithm != "" {
		h.Set(checksumPrefix+sum.Algorithm, sum.Value)
	}
	return nil
}

// partSeal is the cipher of one more part. "The requester must have permission
// to the kms:Decrypt and kms:GenerateDataKey actions on the key": the upload
// generates the data key, its parts decrypt it ("Uploading and copying objects
// using multipart upload", S3 User Guide).
func (s *Service) partSeal(q *request, u *upload) (*seal, error) {
	seal, err := s.unlock(q, q.b, u.Key, u.Encryption)
	return seal.with(newNonce()), err
}

// partAlgorithm is the checksum that a part is stored with. An upload that
// named none takes any on its parts.
func (s *Service) partAlgorithm(q *request, u *upload) string {
	if u.Asked {
		return u.Algorithm
	}
	return ""
}

// addPart records a part in place of an earlier one of its number.
func (s *Service) addPart(q *request, u *upload, n int, c *content, sum checksum, seal *seal) error {
	p := partRecord{Number: n, Size: c.size, ETag: c.etag(), File: c.name, Modified: q.Now.UTC().Truncate(time.Second)}
	if sum.Algorithm == u.Algorithm {
		p.Value = sum.Value
	}
	if seal != nil {
		p.Nonce = seal.nonce
	}
	err := s.store.update(q.bucket, func(t *tx) error {
		if _, err := t.upload(q.key, u.ID); err != nil { // it may have ended meanwhile
			return err
		}
		parts, err := t.uploadParts(u.ID)
		if err != nil {
			return err
		}
		for _, old := range parts {
			if old.Number == n {
				t.dropped = append(t.dropped, old.File)
			}
		}
		return put(t.parts, partKey(u.ID, n), p)
	})
	if err != nil {
		s.files.discard(c)
	}
	return err
}

// copyPart answers UploadPartCopy.
func (s *Service) copyPart(w http.ResponseWriter, q *request) error {
	n, err := q.partNumber()
	if err != nil {
		return err
	}
	u, err := s.upload(q)
	if err != nil {
		return err
	}
	src, err := s.source(q)
	if err != nil {
		return err
	}
	if err := s.checkSource(q, src); err != nil {
		return err
	}
	start, length := int64(0), src.object.Size
	if text := q.r.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		var last int64
		if _, err := fmt.Sscanf(text, "bytes=%d-%d", &start, &last); err != nil || start < 0 || last < start {
			return invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "+
				"zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", text)
		}
		if last >= src.object.Size {
			return invalidArgument(fmt.Sprintf("Range specified is not valid for source object of size: %d", src.object.Size),
				"x-amz-copy-source-range", text)
		}
		length = last - start + 1
	}
	f, err := s.content(q, src)
	if err != nil {
		return err
	}
	defer f.Close()
	seal, err := s.partSeal(q, u)
	if err != nil {
		return err
	}
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return fmt.Errorf("seek in the source of a part: %w", err)
	}
	src.tell(w.Header())
	sum := newHash(u.Algorithm)
	c, err := s.files.write(io.LimitReader(f, length), sum, seal)
	if err != nil {
		return err
	}
	stored := checksum{u.Algorithm, encode(sum), u.Kind}
	if err := s.addPart(q, u, n, c, stored, seal); err != nil {
		return err
	}
	u.Encryption.tell(w.Header())
	res := &copyPartResult{ETag: `"` + c.etag() + `"`, LastModified: isoTime(q.Now)}
	if u.Asked {
		res.checksumSums = sums(stored.Algorithm, stored.Value)
	}
	return writeXML(w, res)
}

// completeUpload answers CompleteMultipartUpload.
func (s *Service) completeUpload(w http.ResponseWriter, q *request) error {
	body, err := readBody(q.r, maxXML)
	if err != nil {
		return err
	}
	want, err := readComplete(body)
	if err != nil {
		return err
	}
	o, err := s.assemble(q, want)
	if err != nil {
		return s.completed(w, q, err)
	}
	err = s.store.update(q.bucket, func(t *tx) error {
		u, err := t.upload(q.key, o.Upload)
		if err != nil {
			return err
		}
		if err := t.checkWrite(q); err != nil {
			return err
		}
		if err := t.end(u); err != nil {
			return err
		}
		return t.put(q.key, o)
	})
	if err != nil {
		s.files.remove([]string{o.File})
		return s.completed(w, q, err)
	}
	return s.answerComplete(w, q, o)
}

// completed answers again for an upload that made the present object, so that
// a client whose reply was lost can ask twice.
func (s *Service) completed(w http.ResponseWriter, q *request, err error) error {
	var o *object
	// Not from the cache, which the commit that ended the upload may not have
	// reached yet.
	read := s.store.view(q.bucket, func(t *tx) (err error) {
		o, err = t.current(q.key)
		return err
	})
	if read != nil || o == nil || o.Upload == "" || o.Upload != q.query.Get("uploadId") {
		return err
	}
	return s.answerComplete(w, q, o)
}

func (s *Service) answerComplete(w http.ResponseWriter, q *request, o *object) error {
	written(w.Header(), q, o)
	return writeXML(w, &completeResult{Location: "http://" + q.r.Host + "/" + q.bucket + "/" + clientEscape(q.key), Bucket: q.bucket, Key: q.key,
		ETag: o.quotedETag(), checksumSums: sums(o.Checksum.Algorithm, o.Checksum.Value), ChecksumType: o.Checksum.Kind})
}

// assemble checks the list of parts and makes the whole of them.
func (s *Service) assemble(q *request, want *completeRequest) (*object, error) {
	id := q.query.Get("uploadId")
	var u *upload
	var have []partRecord
	err := s.store.view(q.bucket, func(t *tx) (err error) {
		if u, err = t.upload(q.key, id); err != nil {
			return err
		}
		have, err = t.uploadParts(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	parts, err := choose(u, have, want)
	if err != nil {
		return nil, err
	}
	o := &object{Modified: u.Initiated, attributes: u.attributes, Tags: u.Tags, Upload: id}
	seal, err := s.unlock(q, q.b, u.Key, u.Encryption)
	if err != nil {
		return nil, err
	}
	if u.Encryption != nil {
		whole := *u.Encryption
		whole.Nonce = newNonce()
		o.Encryption = &whole
	}
	etags := md5.New()
	for _, p := range parts {
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, fmt.Errorf("read the ETag of part %d: %w", p.Number, err)
		}
		etags.Write(raw)
		o.Size += p.Size
	}
	o.ETag = fmt.Sprintf("%x-%d", etags.Sum(nil), len(parts))
	if text := q.r.Header.Get("X-Amz-Mp-Object-Size"); text != "" && text != strconv.FormatInt(o.Size, 10) {
		return nil, apiError(400, "InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
	}
	o.Checksum = checksum{Algorithm: u.Algorithm, Kind: u.Kind}
	var sum hash.Hash
	if u.Kind == fullObject {
		sum = newHash(u.Algorithm)
	}
	if o.File, err = s.join(parts, sum, seal, o.Encryption); err != nil {
		return nil, err
	}
	if sum != nil {
		o.Checksum.Value = encode(sum)
	} else if o.Checksum.Value, err = composed(u.Algorithm, parts); err != nil {
		return nil, err
	}
	if err := checkWhole(q.r.Header, u, o.Checksum.Value, len(parts)); err != nil {
		s.files.remove([]string{o.File})
		return nil, err
	}
	for _, p := range parts {
		o.Parts = append(o.Parts, partRecord{Number: p.Number, Size: p.Size, Value: p.Value})
	}
	return o, nil
}

// checkWhole compares what a CompleteMultipartUpload says of the whole object.
func checkWhole(h http.Header, u *upload, value string, parts int) error {
	if kind := h.Get("X-Amz-Checksum-Type"); kind != "" && !strings.EqualFold(kind, u.Kind) {
		return apiError(400, "InvalidRequest", fmt.Sprintf("The upload was created using the %s checksum mode. "+
			"The complete request must use the same checksum mode.", u.Kind))
	}
	claimed := strings.TrimSuffix(h.Get(checksumPrefix+u.Algorithm), fmt.Sprintf("-%d", parts))
	switch {
	case claimed == "":
		return nil
	case !validDigest(claimed, newHash(u.Algorithm).Size()):
		return apiError(400, "InvalidRequest", fmt.Sprintf("Value for %s header is invalid.", strings.ToLower(checksumPrefix+u.Algorithm)))
	case claimed != strings.TrimSuffix(value, fmt.Sprintf("-%d", parts)):
		return apiError(400, "BadDigest", fmt.Sprintf("The %s you specified did not match the calculated checksum.", u.Algorithm))
	}
	return nil
}

// choose picks the parts that the client lists, in its order.
func choose(u *upload, have []partRecord, want *completeRequest) ([]partRecord, error) {
	var parts []partRecord
	for i, p := range want.Part {
		if p.PartNumber == 0 || p.ETag == "" {
			return nil, malformedXML()
		}
		if p.PartNumber < 0 || p.PartNumber > maxParts {
			return nil, invalidArgument("PartNumber must be >= 1 and <= 10000", "PartNumber", strconv.Itoa(p.PartNumber))
		}
		if i > 0 && p.PartNumber <= want.Part[i-1].PartNumber {
			return nil, apiError(400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", "UploadId", u.ID)
		}
		at, ok := slices.BinarySearchFunc(have, p.PartNumber, func(r partRecord, n int) int { return r.Number - n })
		if !ok || have[at].ETag != strings.Trim(p.ETag, `"`) || p.value(u.Algorithm) != "" && p.value(u.Algorithm) != have[at].Value {
			return nil, apiError(400, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, "+
				"or the specified entity tag may not match the part's entity tag.", "UploadId", u.ID, "PartNumber", strconv.Itoa(p.PartNumber), "ETag", p.ETag)
		}
		if have[at].Size < minPart && i < len(want.Part)-1 {
			return nil, apiError(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
				"ProposedSize", strconv.FormatInt(have[at].Size, 10), "MinSizeAllowed", strconv.Itoa(minPart),
				"PartNumber", strconv.Itoa(p.PartNumber), "ETag", have[at].ETag)
		}
		if u.Kind == composite && p.value(u.Algorithm) == "" {
			return nil, apiError(400, "InvalidRequest", fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the "+
				"checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.Algorithm), p.PartNumber))
		}
		parts = append(parts, have[at])
	}
	return parts, nil
}

// join writes the parts one after another into a new content, in plain or
// under a nonce of its own.
func (s *Service) join(parts []partRecord, sum hash.Hash, seal *seal, e *encryption) (string, error) {
	if len(parts) == 1 && parts[0].Size == 0 {
		return "", nil
	}
	return s.files.create(func(w *os.File) error {
		buf := blocks.Get().(*[]byte)
		defer blocks.Put(buf)
		var to io.Writer = w
		if e != nil {
			to = seal.with(e.Nonce).writer(w)
		}
		if sum != nil {
			to = io.MultiWriter(to, sum)
		}
		for _, p := range parts {
			f, err := s.files.open(p.File)
			if err != nil {
				return fmt.Errorf("open part %d: %w", p.Number, err)
			}
			_, err = io.CopyBuffer(to, struct{ io.Reader }{seal.with(p.Nonce).reader(f)}, *buf)
			f.Close()
			if err != nil {
				return fmt.Errorf("append part %d: %w", p.Number, err)
			}
		}
		return nil
	})
}

// abortUpload answers AbortMultipartUpload.
func (s *Service) abortUpload(w http.ResponseWriter, q *request) error {
	err := s.store.update(q.bucket, func(t *tx) error {
		u, err := t.upload(q.key, q.query.Get("uploadId"))
		if err != nil {
			return err
		}
		return t.end(u)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listParts answers ListParts.
func (s *Service) listParts(w http.ResponseWriter, q *request) error {
	limit, err := number(q.query.Get("max-parts"), "max-parts")
	if err != nil {
		return err
	}
	after, err := marker(q.query.Get("part-number-marker"), "part-number-marker")
	if err != nil {
		return err
	}
	var u *upload
	var parts []partRecord
	err = s.store.view(q.bucket, func(t *tx) (err error) {
		if u, err = t.upload(q.key, q.query.Get("uploadId")); err != nil {
			return err
		}
		parts, err = t.uploadParts(u.ID)
		return err
	})
	if err != nil {
		return err
	}
	res := &listPartsResult{Bucket: q.bucket, Key: q.key, UploadID: u.ID, StorageClass: u.storageClass(), PartNumberMarker: after, MaxParts: limit,
		Initiator: ownerXML{ID: u.Initiator}, Owner: ownerXML{ID: owner(q.b.Account)}}
	if u.Asked {
		res.ChecksumAlgorithm, res.ChecksumType = u.Algorithm, u.Kind
	}
	for _, p := range parts {
		if p.Number <= after {
			continue
		}
		if len(res.Part) == limit {
			res.IsTruncated = true
			break
		}
		x := partXML{PartNumber: p.Number, LastModified: isoTime(p.Modified), ETag: `"` + p.ETag + `"`, Size: p.Size}
		if u.Asked {
			x.checksumSums = sums(u.Algorithm, p.Value)
		}
		res.NextPartNumberMarker = p.Number
		res.Part = append(res.Part, x)
	}
	return writeXML(w, res)
}

func encode(sum hash.Hash) string { return base64.StdEncoding.EncodeToString(sum.Sum(nil)) }

func isoTime(t time.Time) string {
	return t.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
}
