package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"

	"github.com/minio/crc64nvme"
)

// The two ways in which a multipart object has a checksum.
const (
	composite  = "COMPOSITE"
	fullObject = "FULL_OBJECT"
)

// checksum is a stored checksum: Value in base64, for composite ones followed
// by -N.
type checksum struct {
	Algorithm string `json:"a,omitempty"`
	Value     string `json:"v,omitempty"`
	Kind      string `json:"k,omitempty"`
}

type algorithmInfo struct {
	name string
	make func() hash.Hash
	full bool // multipart objects may have it over the whole object
	part bool // multipart objects may have it over the parts' checksums
}

// algorithms follows "Checking object integrity in Amazon S3", S3 User Guide.
// XXHASH64, XXHASH3 and XXHASH128 are refused by name.
var algorithms = []algorithmInfo{
	{"CRC64NVME", func() hash.Hash { return crc64nvme.New() }, true, false},
	{"CRC32", func() hash.Hash { return crc32.NewIEEE() }, true, true},
	{"CRC32C", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }, true, true},
	{"SHA1", sha1.New, false, true},
	{"SHA256", sha256.New, false, true},
	{"SHA512", sha512.New, false, true},
	{"MD5", md5.New, false, true},
}

// defaultAlgorithm is what S3 computes where the client names none.
const defaultAlgorithm = "CRC64NVME"

func newHash(algorithm string) hash.Hash {
	for i := range algorithms {
		if algorithms[i].name == algorithm {
			return algorithms[i].make()
		}
	}
	return nil
}

const checksumPrefix = "X-Amz-Checksum-"

// claim is the checksum that a request carries or announces for its body.
type claim struct {
	algorithm string // "" if the client names none
	value     string // base64; "" if it comes in the trailer
}

// readClaim reads the headers of a request with content.
func readClaim(r *http.Request) (claim, *apiErr) {
	announced := strings.ToUpper(r.Header.Get("X-Amz-Sdk-Checksum-Algorithm"))
	c := claim{algorithm: announced}
	found := 0
	for name, values := range r.Header {
		alg, ok := strings.CutPrefix(name, checksumPrefix)
		if !ok || alg == "Mode" || alg == "Type" || alg == "Algorithm" {
			continue
		}
		found++
		c.algorithm, c.value = strings.ToUpper(alg), values[0]
	}
	trailer := r.Header.Get("X-Amz-Trailer")
	if trailer != "" {
		alg, ok := strings.CutPrefix(http.CanonicalHeaderKey(trailer), checksumPrefix)
		if !ok || newHash(strings.ToUpper(alg)) == nil {
			return c, apiError(400, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
		}
		found++
		c.algorithm = strings.ToUpper(alg)
	}
	if found > 1 {
		return c, apiError(400, "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	if c.algorithm == "" {
		return c, nil
	}
	h := newHash(c.algorithm)
	switch {
	case announced != "" && found > 0 && announced != c.algorithm:
		return c, apiError(400, "InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	case h == nil:
		return c, unsupportedChecksum(c.algorithm)
	case c.value == "" && trailer == "":
		c.algorithm = "" // announced, but none came: S3 takes its own
	case c.value != "" && !validDigest(c.value, h.Size()):
		return c, apiError(400, "InvalidRequest", fmt.Sprintf("Value for %s header is invalid.", strings.ToLower(checksumPrefix+c.algorithm)))
	}
	return c, nil
}

// unsupportedChecksum refuses by name what S3 knows and the sandbox does not.
func unsupportedChecksum(algorithm string) *apiErr {
	if strings.HasPrefix(algorithm, "XXHASH") {
		return notImplemented("the checksum algorithm " + algorithm)
	}
	return apiError(400, "InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "+
		"[CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]")
}

func validDigest(s string, size int) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(b) == size
}

// check compares what was computed with what the client said, in the headers
// or, by now, in the trailer.
func (c claim) check(r *http.Request, sum hash.Hash) (string, *apiErr) {
	got := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	want := c.value
	if want == "" && c.algorithm != "" {
		want = r.Trailer.Get(checksumPrefix + c.algorithm)
		if !validDigest(want, sum.Size()) {
			return "", apiError(400, "InvalidRequest", fmt.Sprintf("Value for %s trailing header is invalid.", strings.ToLower(checksumPrefix+c.algorithm)))
		}
	}
	if want != "" && want != got {
		return "", apiError(400, "BadDigest", fmt.Sprintf("The %s you specified did not match the calculated checksum.", c.algorithm))
	}
	return got, nil
}

// contentMD5 reads the header Content-MD5; nil if there is none.
func contentMD5(r *http.Request) ([]byte, *apiErr) {
	if r.Header["Content-Md5"] == nil {
		return nil, nil
	}
	text := r.Header.Get("Content-Md5")
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != md5.Size {
		return nil, apiError(400, "InvalidDigest", "The Content-MD5 you specified was invalid.", "Content-MD5", text)
	}
	return b, nil
}

func badMD5(want, got []byte) *apiErr {
	return apiError(400, "BadDigest", "The Content-MD5 you specified did not match what we received.",
		"ExpectedDigest", hex.EncodeToString(want), "CalculatedDigest", base64.StdEncoding.EncodeToString(got))
}

// checkBody compares the digest headers of a request whose whole body is at
// hand. required says that there has to be one.
func checkBody(r *http.Request, body []byte, required bool) *apiErr {
	c, err := readClaim(r)
	if err != nil {
		return err
	}
	want, err := contentMD5(r)
	switch {
	case err != nil:
		return err
	case want == nil && c.algorithm == "" && required:
		return apiError(400, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	if got := md5.Sum(body); want != nil && !bytes.Equal(want, got[:]) {
		return badMD5(want, got[:])
	}
	if c.algorithm != "" {
		h := newHash(c.algorithm)
		h.Write(body)
		_, err = c.check(r, h)
	}
	return err
}

// composed is the checksum of checksums of a multipart object.
func composed(algorithm string, parts []partRecord) (string, error) {
	h := newHash(algorithm)
	for _, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p.Value)
		if err != nil {
			return "", fmt.Errorf("read the checksum of part %d: %w", p.Number, err)
		}
		h.Write(raw)
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(parts)), nil
}

// uploadChecksum reads what CreateMultipartUpload says of checksums.
func uploadChecksum(r *http.Request) (algorithm, kind string, asked bool, err *apiErr) {
	algorithm = strings.ToUpper(r.Header.Get("X-Amz-Checksum-Algorithm"))
	kind = strings.ToUpper(r.Header.Get("X-Amz-Checksum-Type"))
	if algorithm == "" {
		if kind != "" {
			return "", "", false, apiError(400, "InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return defaultAlgorithm, fullObject, false, nil
	}
	i := slices.IndexFunc(algorithms, func(a algorithmInfo) bool { return a.name == algorithm })
	switch {
	case i < 0:
		return "", "", false, unsupportedChecksum(algorithm)
	case kind != "" && kind != composite && kind != fullObject:
		return "", "", false, apiError(400, "InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
	case kind == "" && algorithms[i].part:
		kind = composite
	case kind == "":
		kind = fullObject
	case kind == fullObject && algorithms[i].full, kind == composite && algorithms[i].part:
	default:
		return "", "", false, apiError(400, "InvalidRequest",
			fmt.Sprintf("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(algorithm)))
	}
	return algorithm, kind, true, nil
}

func setChecksum(h http.Header, c checksum) {
	if c.Value != "" {
		h.Set(checksumPrefix+c.Algorithm, c.Value)
		h.Set("X-Amz-Checksum-Type", c.Kind)
	}
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
