package s3

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
)

// getObject answers GetObject and HeadObject.
func (s *Service) getObject(w http.ResponseWriter, q *request) error {
	if err := refuseEncryptionHeaders(q.r.Header); err != nil {
		return err
	}
	o, f, err := s.open(w, q)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := checkRead(q.r.Header, o); err != nil {
		if err.Status == http.StatusNotModified {
			s.describe(w.Header(), q, o)
		}
		return err
	}
	span, err := s.span(q, o)
	if err != nil {
		return err
	}
	h := w.Header()
	s.describe(h, q, o)
	if err := overrideHeaders(h, q); err != nil {
		return err
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(span.length, 10))
	status := http.StatusOK
	switch {
	case span.partial:
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", span.start, span.start+span.length-1, o.Size))
		if span.parts > 0 {
			h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(span.parts))
		}
	case strings.EqualFold(q.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED"):
		// A checksum of the whole would be compared with a part by clients.
		setChecksum(h, o.Checksum)
	}
	if q.r.Method == http.MethodHead || span.length == 0 {
		w.WriteHeader(status)
		return nil
	}
	if _, err := f.Seek(span.start, io.SeekStart); err != nil {
		return fmt.Errorf("seek in the content of %s/%s: %w", q.bucket, q.key, err)
	}
	w.WriteHeader(status)
	// A LimitedReader over a file reaches sendfile. A client that leaves is
	// no error of the call.
	io.CopyN(w, f, span.length)
	return nil
}

// open finds the object that a read asks for and its content; HEAD gets an
// empty one. A writer may replace the object between record and file, which
// is why a missing file asks for the record again.
func (s *Service) open(w http.ResponseWriter, q *request) (*object, io.ReadSeekCloser, error) {
	for {
		o, err := s.readable(w, q)
		if err != nil {
			return nil, nil, err
		}
		// HEAD reads no byte: it needs the key for the checksum alone
		// ("HeadObject", S3 API Reference, ChecksumMode).
		head := q.r.Method == http.MethodHead
		if head && !strings.EqualFold(q.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
			return o, nothing{}, nil
		}
		seal, err := s.unlock(q, q.b, q.key, o.Encryption)
		if err != nil {
			return nil, nil, err
		}
		if head {
			return o, nothing{}, nil
		}
		f, err := s.files.open(o.File)
		if err == nil {
			return o, seal.reader(f), nil
		}
		if now, again := s.store.version(q.bucket, q.key, q.query.Get("versionId")); !errors.Is(err, fs.ErrNotExist) || again != nil ||
			now != nil && now.File == o.File {
			return nil, nil, fmt.Errorf("open the content of %s/%s: %w", q.bucket, q.key, err)
		}
	}
}

// readable finds the object that a read asks for.
func (s *Service) readable(w http.ResponseWriter, q *request) (*object, error) {
	id := q.query.Get("versionId")
	o, err := s.store.version(q.bucket, q.key, id)
	switch {
	case err != nil:
		return nil, err
	case o == nil && id == "":
		return nil, q.missing(q.b, noSuchKey(q.key))
	case o == nil && id != "null" && !isID(id):
		return nil, invalidArgument("Invalid version id specified", "versionId", id)
	case o == nil:
		return nil, q.missing(q.b, noSuchVersion(q.key, id))
	case !o.Marker:
		return o, nil
	}
	w.Header().Set("X-Amz-Delete-Marker", "true")
	w.Header().Set("X-Amz-Version-Id", o.versionID())
	if id == "" {
		return nil, q.missing(q.b, noSuchKey(q.key))
	}
	w.Header().Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	return nil, apiError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
		"Method", q.r.Method, "ResourceType", "DeleteMarker")
}

// describe writes the headers that tell about an object.
func (s *Service) describe(h http.Header, q *request, o *object) {
	h.Set("Etag", o.quotedETag())
	h.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", o.ContentType)
	o.Encryption.tell(h)
	for _, a := range [...][2]string{{"Content-Encoding", o.Encoding}, {"Content-Language", o.Language}, {"Content-Disposition", o.Disposition},
		{"Cache-Control", o.CacheControl}, {"Expires", o.Expires}, {"X-Amz-Website-Redirect-Location", o.Redirect}, {"X-Amz-Storage-Class", o.Class}} {
		if a[1] != "" {
			h.Set(a[0], a[1])
		}
	}
	for k, v := range o.Meta {
		h["x-amz-meta-"+k] = []string{v} // S3 answers in lower case
	}
	if q.b.Versioning != "" {
		h.Set("X-Amz-Version-Id", o.versionID())
	}
	if len(o.Tags) > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(len(o.Tags)))
	}
}

// overrideHeaders applies response-content-type and its like, which only a
// signed request may send.
func overrideHeaders(h http.Header, q *request) error {
	for name, values := range q.query {
		field, ok := strings.CutPrefix(name, "response-")
		if !ok {
			continue
		}
		switch field {
		case "content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding":
		default:
			continue
		}
		if q.Caller.Principal.Kind == iam.Anonymous {
			return apiError(400, "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
		}
		h.Set(field, values[0])
	}
	return nil
}

// span is which bytes of an object are sent.
type span struct {
	start, length int64
	partial       bool
	parts         int // of a multipart object, where one part is asked for
}

// span reads Range or partNumber.
func (s *Service) span(q *request, o *object) (span, error) {
	text := q.r.Header.Get("Range")
	if number := q.query.Get("partNumber"); number != "" {
		if text != "" {
			return span{}, apiError(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter.")
		}
		return partSpan(o, number)
	}
	start, length, ok, err := readRange(text, o.Size)
	if err != nil {
		return span{}, apiError(416, "InvalidRange", "The requested range is not satisfiable", "RangeRequested", text,
			"ActualObjectSize", strconv.FormatInt(o.Size, 10))
	}
	if !ok {
		return span{length: o.Size}, nil
	}
	return span{start: start, length: length, partial: true}, nil
}

func partSpan(o *object, number string) (span, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > maxParts {
		return span{}, invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
	}
	if len(o.Parts) == 0 && n == 1 {
		return span{length: o.Size, partial: o.Size > 0}, nil
	}
	at := int64(0)
	for _, p := range o.Parts {
		if p.Number == n {
			return span{at, p.Size, true, len(o.Parts)}, nil
		}
		at += p.Size
	}
	return span{}, apiError(416, "InvalidPartNumber", "The requested partnumber is not satisfiable", "PartNumberRequested", number,
		"ActualPartCount", strconv.Itoa(max(1, len(o.Parts))))
}

var errRange = errors.New("range not satisfiable")

// readRange reads a Range header. ok is false where the whole object is to be
// sent: without Range, for several ranges, which S3 does not serve, and for
// what is not a range of bytes (RFC 9110, section 14.2).
func readRange(text string, size int64) (start, length int64, ok bool, err error) {
	list, ok := strings.CutPrefix(text, "bytes=")
	if !ok || strings.Contains(list, ",") {
		return 0, 0, false, nil
	}
	first, last, ok := strings.Cut(list, "-")
	if !ok {
		return 0, 0, false, nil
	}
	if first == "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			return 0, 0, false, nil
		}
		if n == 0 || size == 0 {
			return 0, 0, false, errRange
		}
		length = min(int64(n), size)
		return size - length, length, true, nil
	}
	from, err := strconv.ParseUint(first, 10, 63)
	if err != nil {
		return 0, 0, false, nil
	}
	to := uint64(size - 1)
	if last != "" {
		if to, err = strconv.ParseUint(last, 10, 63); err != nil || to < from {
			return 0, 0, false, nil
		}
	}
	if int64(from) >= size {
		return 0, 0, false, errRange
	}
	end := min(int64(to), size-1)
	return int64(from), end - int64(from) + 1, true, nil
}

// checkRead evaluates the conditions of a read ("GetObject", S3 API
// Reference): a true If-Match overrules If-Unmodified-Since, and a false
// If-None-Match overrules If-Modified-Since.
func checkRead(h http.Header, o *object) *apiErr {
	if match := h.Get("If-Match"); match != "" {
		if !etagIn(match, o) {
			return preconditionFailed("If-Match")
		}
	} else if since, ok := headerTime(h, "If-Unmodified-Since"); ok && o.Modified.Truncate(time.Second).After(since) {
		return preconditionFailed("If-Unmodified-Since")
	}
	if none := h.Get("If-None-Match"); none != "" {
		if etagIn(none, o) {
			return apiError(http.StatusNotModified, "NotModified", "Not Modified")
		}
	} else if since, ok := headerTime(h, "If-Modified-Since"); ok && !o.Modified.Truncate(time.Second).After(since) {
		return apiError(http.StatusNotModified, "NotModified", "Not Modified")
	}
	return nil
}

// etagIn tells whether a list of entity tags names o. Clients also send them
// without quotes.
func etagIn(list string, o *object) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.Trim(tag, `"`) == o.ETag {
			return true
		}
	}
	return false
}

func headerTime(h http.Header, name string) (time.Time, bool) {
	v := h.Get(name)
	if v == "" {
		return time.Time{}, false
	}
	t, err := http.ParseTime(v)
	return t, err == nil
}

// getAttributes answers GetObjectAttributes.
func (s *Service) getAttributes(w http.ResponseWriter, q *request) error {
	o, err := s.readable(w, q)
	if err != nil {
		return err
	}
	if _, err := s.unlock(q, q.b, q.key, o.Encryption); err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, v := range q.r.Header.Values("X-Amz-Object-attributes") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				asked[name] = true
			}
		}
	}
	if len(asked) == 0 {
		return apiError(400, "InvalidRequest", "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	res := &attributesResult{}
	for name := range asked {
		switch name {
		case "ETag":
			res.ETag = o.ETag
		case "Checksum":
			if o.Checksum.Value != "" {
				res.Checksum = &checksumXML{checksumSums: sums(o.Checksum.Algorithm, o.Checksum.Value), ChecksumType: o.Checksum.Kind}
			}
		case "ObjectParts":
			if len(o.Parts) > 0 {
				if res.ObjectParts, err = q.partsXML(o); err != nil {
					return err
				}
			}
		case "StorageClass":
			res.StorageClass = o.storageClass()
		case "ObjectSize":
			res.ObjectSize = &o.Size
		default:
			return invalidArgument("Invalid attribute name specified.", "x-amz-object-attributes", name)
		}
	}
	w.Header().Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	if q.b.Versioning != "" {
		w.Header().Set("X-Amz-Version-Id", o.versionID())
	}
	return writeXML(w, res)
}

func (q *request) partsXML(o *object) (*objectPartsXML, error) {
	limit, err := number(q.r.Header.Get("X-Amz-Max-Parts"), "x-amz-max-parts")
	if err != nil {
		return nil, err
	}
	after, err := marker(q.r.Header.Get("X-Amz-Part-Number-Marker"), "x-amz-part-number-marker")
	if err != nil {
		return nil, err
	}
	x := &objectPartsXML{PartsCount: len(o.Parts), PartNumberMarker: after, MaxParts: limit}
	for _, p := range o.Parts {
		if p.Number <= after {
			continue
		}
		if len(x.Part) == limit {
			x.IsTruncated = true
			break
		}
		x.NextPartNumberMarker = p.Number
		x.Part = append(x.Part, objectPartXML{PartNumber: p.Number, Size: p.Size, checksumSums: sums(o.Checksum.Algorithm, p.Value)})
	}
	return x, nil
}

// number reads how many entries a list may have: at most 1000, which is also
// the default.
func number(text, name string) (int, error) {
	if text == "" {
		return 1000, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalidArgument("Provided "+name+" not an integer or within integer range", name, text)
	}
	if n < 0 {
		return 0, invalidArgument("Argument "+name+" must be an integer between 0 and 2147483647", name, text)
	}
	return int(min(n, 1000)), nil
}

// marker reads the number behind which a list of parts begins.
func marker(text, name string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument("Provided "+name+" not an integer or within integer range", name, text)
	}
	return int(n), nil
}

// clientEscape writes text as encoding-type=url does, which clients undo with
// the rules of HTML forms.
func clientEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/")
}
