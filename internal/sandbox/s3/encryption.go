package s3

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// Keys is KMS, asked in the name of the call's caller ("Using server-side
// encryption with AWS KMS keys (SSE-KMS)", S3 User Guide).
type Keys interface {
	// DataKey makes a data key under the key that id names; "" is the
	// account's own key of S3.
	DataKey(c *sandbox.Call, id string, context map[string]string) (plain, sealed []byte, arn string, err error)
	OpenDataKey(c *sandbox.Call, sealed []byte, context map[string]string) ([]byte, error)
}

// encryption is SSE-KMS of an object or upload; nil is SSE-S3, under which
// contents stand as they are: nobody but S3 holds its key, so that nobody can
// tell.
type encryption struct {
	Key       string            `json:"k"`           // ARN; before the data key is made, as asked for
	BucketKey bool              `json:"b,omitempty"` // the context names the bucket, not the object
	Context   map[string]string `json:"c,omitempty"` // the writer's own pairs
	Sealed    []byte            `json:"s,omitempty"` // the data key
	Nonce     []byte            `json:"n,omitempty"` // of the content
}

const (
	sseHeader        = "X-Amz-Server-Side-Encryption"
	sseKeyHeader     = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	sseContextHeader = "X-Amz-Server-Side-Encryption-Context"
	sseBucketKey     = "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
)

// readEncryption is what a write asks for, by its headers or else by the
// bucket's default.
func readEncryption(b *bucket, h http.Header) (*encryption, error) {
	if err := refuseCustomerKey(h); err != nil {
		return nil, err
	}
	algorithm := h.Get(sseHeader)
	e := &encryption{Key: h.Get(sseKeyHeader), BucketKey: b.BucketKey}
	if algorithm != kmsAlgorithm && (e.Key != "" || h.Get(sseContextHeader) != "") {
		return nil, invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
			"x-amz-server-side-encryption", algorithm)
	}
	switch algorithm {
	case "AES256":
		return nil, nil
	case "":
		if b.Algorithm == "" {
			return nil, nil
		}
		e.Key = b.KeyID
	case kmsAlgorithm:
		if e.Key == "" && b.Algorithm != "" {
			e.Key = b.KeyID
		}
	case "aws:kms:dsse":
		return nil, notImplemented("DSSE-KMS (header x-amz-server-side-encryption: aws:kms:dsse)")
	default:
		return nil, invalidArgument("The encryption method specified is not supported", "x-amz-server-side-encryption", algorithm)
	}
	switch v := strings.ToLower(h.Get(sseBucketKey)); v {
	case "":
	case "true", "false":
		e.BucketKey = v == "true"
	default:
		return nil, invalidArgument("The value specified in the x-amz-server-side-encryption-bucket-key-enabled header is not a boolean",
			"x-amz-server-side-encryption-bucket-key-enabled", v)
	}
	if text := h.Get(sseContextHeader); text != "" {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			err = json.Unmarshal(plain, &e.Context)
		}
		if err != nil {
			return nil, invalidArgument("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON "+
				"which represents a string-string map", "x-amz-server-side-encryption-context", text)
		}
	}
	return e, nil
}

const kmsAlgorithm = "aws:kms"

// refuseEncryptionHeaders is for calls whose object is encrypted already.
func refuseEncryptionHeaders(h http.Header) error {
	if err := refuseCustomerKey(h); err != nil {
		return err
	}
	for _, name := range []string{sseHeader, sseKeyHeader, sseContextHeader, sseBucketKey} {
		if v := h.Get(name); v != "" {
			return invalidArgument(strings.ToLower(name)+" header is not supported for this operation.", strings.ToLower(name), v)
		}
	}
	return nil
}

func refuseCustomerKey(h http.Header) error {
	for _, name := range []string{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Server-Side-Encryption-Customer-Key",
		"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm"} {
		if h.Get(name) != "" {
			return notImplemented("SSE-C (header " + strings.ToLower(name) + ")")
		}
	}
	return nil
}

// context is what the data key is bound to: S3 adds the object's ARN, or with
// a Bucket Key the bucket's ("Encryption context", S3 User Guide).
func (e *encryption) context(b *bucket, key string) map[string]string {
	m := map[string]string{}
	maps.Copy(m, e.Context)
	m["aws:s3:arn"] = b.arn()
	if !e.BucketKey {
		m["aws:s3:arn"] += "/" + key
	}
	return m
}

// begin makes the data key of what q writes. The caller needs
// kms:GenerateDataKey.
func (s *Service) begin(q *request, e *encryption) (*seal, error) {
	if e == nil {
		return nil, nil
	}
	if err := s.ready(q); err != nil {
		return nil, err
	}
	plain, sealed, arn, err := s.keys.DataKey(q.Call, e.Key, e.context(q.b, q.key))
	if err != nil {
		return nil, keyError(err)
	}
	e.Key, e.Sealed, e.Nonce = arn, sealed, newNonce()
	return newSeal(plain, e.Nonce)
}

// unlock opens the data key of an object or upload. The caller needs
// kms:Decrypt.
func (s *Service) unlock(q *request, b *bucket, key string, e *encryption) (*seal, error) {
	if e == nil {
		return nil, nil
	}
	if err := s.ready(q); err != nil {
		return nil, err
	}
	plain, err := s.keys.OpenDataKey(q.Call, e.Sealed, e.context(b, key))
	if err != nil {
		return nil, keyError(err)
	}
	return newSeal(plain, e.Nonce)
}

func (s *Service) ready(q *request) error {
	switch {
	case s.keys == nil:
		return notImplemented("SSE-KMS without KMS")
	case q.Caller.Principal.Kind == iam.Anonymous:
		return apiError(400, "InvalidArgument", "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.",
			"ArgumentName", "Authorization", "ArgumentValue", "null")
	}
	return nil
}

// keyError is an error of KMS as S3 passes it on ("Error responses", S3 API
// Reference: the KMS.* codes).
func keyError(err error) error {
	e, ok := errors.AsType[*apiErr](err)
	switch {
	case !ok:
		return fmt.Errorf("ask KMS: %w", err)
	case e.Code == "AccessDeniedException":
		return apiError(403, "AccessDenied", e.Message)
	}
	return apiError(400, "KMS."+e.Code, e.Message)
}

// tell sets the headers that say how an object is encrypted.
func (e *encryption) tell(h http.Header) {
	if e == nil {
		h.Set(sseHeader, "AES256")
		return
	}
	h.Set(sseHeader, kmsAlgorithm)
	h.Set(sseKeyHeader, e.Key)
	if e.BucketKey {
		h.Set(sseBucketKey, "true")
	}
}

// seal is the cipher of a content under its data key: AES-256 in counter mode,
// since ranges are read. A data key serves one object, and every content of it
// has a nonce of its own; nil is no cipher.
type seal struct {
	block cipher.Block
	nonce []byte
}

func newNonce() []byte {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return b
}

func newSeal(key, nonce []byte) (*seal, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use a data key: %w", err)
	}
	return &seal{block, nonce}, nil
}

// with is the same data key for another content.
func (s *seal) with(nonce []byte) *seal {
	if s == nil {
		return nil
	}
	return &seal{s.block, nonce}
}

// at is the key stream from an offset.
func (s *seal) at(offset int64) cipher.Stream {
	iv := binary.BigEndian.AppendUint64(append([]byte{}, s.nonce...), uint64(offset/aes.BlockSize))
	stream := cipher.NewCTR(s.block, iv)
	skip := make([]byte, offset%aes.BlockSize)
	stream.XORKeyStream(skip, skip)
	return stream
}

// writer encrypts what is written to w from its beginning.
func (s *seal) writer(w io.Writer) io.Writer {
	if s == nil {
		return w
	}
	return cipher.StreamWriter{S: s.at(0), W: w}
}

// reader decrypts a content.
func (s *seal) reader(f io.ReadSeekCloser) io.ReadSeekCloser {
	if s == nil {
		return f
	}
	return &sealedContent{f, s, s.at(0)}
}

type sealedContent struct {
	io.ReadSeekCloser
	seal   *seal
	stream cipher.Stream
}

// Read decrypts in place.
func (c *sealedContent) Read(p []byte) (int, error) {
	n, err := c.ReadSeekCloser.Read(p)
	c.stream.XORKeyStream(p[:n], p[:n])
	return n, err
}

// Seek moves the key stream with the file.
func (c *sealedContent) Seek(offset int64, whence int) (int64, error) {
	at, err := c.ReadSeekCloser.Seek(offset, whence)
	if err == nil {
		c.stream = c.seal.at(at)
	}
	return at, err
}

func (s *Service) getEncryption(w http.ResponseWriter, q *request) error {
	d := &encryptionDefault{Algorithm: "AES256"}
	if q.b.Algorithm != "" {
		d.Algorithm, d.KeyID = q.b.Algorithm, q.b.KeyID
	}
	return writeXML(w, &encryptionXML{Rule: []encryptionRule{{Default: d, BucketKey: q.b.BucketKey}}})
}

// putEncryption sets the bucket's default. S3 does not look whether the key
// exists ("PutBucketEncryption", S3 API Reference).
func (s *Service) putEncryption(_ http.ResponseWriter, q *request) error {
	var x encryptionXML
	if err := q.decode(&x); err != nil {
		return err
	}
	if len(x.Rule) != 1 || x.Rule[0].Default == nil {
		return malformedXML()
	}
	rule := x.Rule[0]
	if rule.Blocked != nil {
		return notImplemented("BlockedEncryptionTypes; SSE-C is always refused")
	}
	algorithm := rule.Default.Algorithm
	switch algorithm {
	case "AES256":
		if rule.Default.KeyID != "" {
			return invalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
				"ApplyServerSideEncryptionByDefault", rule.Default.KeyID)
		}
		algorithm = ""
	case kmsAlgorithm:
	case "aws:kms:dsse":
		return notImplemented("DSSE-KMS (SSEAlgorithm aws:kms:dsse)")
	default:
		return malformedXML()
	}
	return s.change(q, func(b *bucket) { b.Algorithm, b.KeyID, b.BucketKey = algorithm, rule.Default.KeyID, rule.BucketKey })
}

// deleteEncryption goes back to SSE-S3, which nobody can switch off.
func (s *Service) deleteEncryption(w http.ResponseWriter, q *request) error {
	return s.changed(w, q, func(b *bucket) { b.Algorithm, b.KeyID, b.BucketKey = "", "", false })
}
