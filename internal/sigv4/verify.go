// Package sigv4 verifies AWS Signature Version 4 on received requests: in the
// header, in the query (presigned), and over aws-chunked bodies. The rules
// are those of "AWS Signature Version 4 for API requests" (IAM User Guide)
// and "Authenticating Requests (AWS Signature Version 4)" (S3 API Reference).
package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	timeFormat  = "20060102T150405Z"
	maxLifetime = 7 * 24 * time.Hour
	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	maxKeys     = 1024 // signing keys kept; they change daily
)

// MaxSkew is how far a request's time may be from the server's.
const MaxSkew = 15 * time.Minute

// Verifier checks requests. It may be used by many goroutines at once; its
// fields are set before the first use.
type Verifier struct {
	// Now is the server's clock; nil means time.Now.
	Now func() time.Time
	// Key returns the secret of an access key. sessionToken is empty if none
	// was sent. An *Error is handed on as it is (UnknownKey, InvalidToken,
	// ExpiredToken); any other error counts as UnknownKey.
	Key func(accessKeyID, sessionToken string) (secret string, err error)
	// MaxBody bounds the bodies that are read whole, those of services other
	// than S3; zero means 16 MiB.
	MaxBody int64

	mu   sync.RWMutex
	keys map[keyScope][sha256.Size]byte
}

type keyScope struct{ secret, day, region, service string }

// Result is who signed a request, and for what.
type Result struct {
	Anonymous    bool // no signature at all; nothing below is set
	Presigned    bool // the signature was in the query
	AccessKeyID  string
	SessionToken string
	Region       string // of the credential scope
	Service      string
	Date         time.Time     // the request's own time
	Lifetime     time.Duration // presigned: X-Amz-Expires
	// Body is the whole body of a signed request to a service other than S3;
	// nil otherwise: the body is then still in r.Body.
	Body []byte
}

// Verify checks the signature of r. Every error is an *Error.
//
// For S3 it replaces r.Body with a reader whose last Read fails with an
// *Error where the body's hash, a chunk's signature or the framing is wrong:
// what was read before that must be discarded. An aws-chunked request then
// looks as if sent plainly: r.ContentLength is the decoded length, aws-chunked
// is gone from Content-Encoding, and r.Trailer holds the trailing headers once
// the body has been read to io.EOF (not just to its last byte). The values of trailing checksums are the
// caller's to compare. For other services the body is read and hashed here.
//
// Anonymous requests are not an error. Their bodies are left as they came,
// except that unsigned aws-chunked framing is decoded.
func (v *Verifier) Verify(r *http.Request) (*Result, error) {
	a, err := readAuth(r)
	if err != nil {
		return nil, err
	}
	if a == nil {
		if err := decodeAnonymous(r); err != nil {
			return nil, err
		}
		return &Result{Anonymous: true}, nil
	}
	res := &Result{Presigned: a.presigned, AccessKeyID: a.accessKeyID, SessionToken: a.token, Region: a.region,
		Service: a.service, Date: a.date, Lifetime: a.lifetime}
	fail := func(e *Error) (*Result, error) {
		e.AccessKeyID, e.Presigned = a.accessKeyID, a.presigned
		return nil, e
	}

	secret, err := v.Key(a.accessKeyID, a.token)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Reason: UnknownKey, Err: err}
		}
		return fail(e)
	}
	if e := a.checkTime(v.now()); e != nil {
		return fail(e)
	}
	if missing := unsignedHeaders(r, a.signed); missing != nil {
		return fail(&Error{Reason: UnsignedHeaders, Headers: missing})
	}
	hash, e := v.payloadHash(r, a, res)
	if e != nil {
		return fail(e)
	}

	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	canonical, err := appendCanonical((*buf)[:0], r, a, hash)
	*buf = canonical[:0]
	if err != nil {
		return fail(&Error{Reason: Malformed, Detail: err.Error()})
	}
	key := v.signingKey(secret, a)
	var text [256]byte
	toSign := appendStringToSign(text[:0], a, canonical)
	want := sign(key, toSign)
	if subtle.ConstantTimeCompare(want, []byte(a.signature)) != 1 {
		return fail(&Error{Reason: BadSignature, CanonicalRequest: string(canonical), StringToSign: string(toSign),
			SignatureProvided: a.signature})
	}
	if a.isS3() {
		if e := wrapBody(r, a, hash, key); e != nil {
			return fail(e)
		}
	}
	return res, nil
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// payloadHash is the last line of the canonical request. Services other than
// S3 sign the body's own hash, whatever x-amz-content-sha256 says.
func (v *Verifier) payloadHash(r *http.Request, a *auth, res *Result) (string, *Error) {
	if a.isS3() {
		hash := a.contentHash
		switch {
		case hash == "" && a.presigned:
			return unsignedPayload, nil
		case hash == "":
			return "", &Error{Reason: MissingHash, Detail: "S3 requests carry the header x-amz-content-sha256"}
		}
		return hash, nil
	}
	limit := v.MaxBody
	if limit == 0 {
		limit = 16 << 20
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, limit+1)); err != nil {
			return "", &Error{Reason: IncompleteBody, Err: err}
		}
		if int64(len(body)) > limit {
			return "", &Error{Reason: TooLarge, Detail: fmt.Sprintf("more than %d bytes", limit)}
		}
	}
	res.Body = body
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return emptySHA256, nil
	}
	return hexSum(body), nil
}

// signingKey derives or recalls the day's key.
func (v *Verifier) signingKey(secret string, a *auth) []byte {
	scope := keyScope{secret, a.day, a.region, a.service}
	v.mu.RLock()
	key, ok := v.keys[scope]
	v.mu.RUnlock()
	if ok {
		return key[:]
	}
	k := mac([]byte("AWS4"+secret), []byte(a.day))
	k = mac(k, []byte(a.region))
	k = mac(k, []byte(a.service))
	k = mac(k, []byte("aws4_request"))
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil || len(v.keys) >= maxKeys {
		v.keys = make(map[keyScope][sha256.Size]byte)
	}
	v.keys[scope] = [sha256.Size]byte(k)
	return k
}

// auth is what the Authorization header or the query says.
type auth struct {
	presigned   bool
	accessKeyID string
	day         string // yyyymmdd of the credential scope
	region      string
	service     string
	signed      []string // lower-case header names, sorted
	signature   string   // hex
	timestamp   string   // ISO 8601 basic, as in the string to sign
	date        time.Time
	lifetime    time.Duration
	token       string
	contentHash string // x-amz-content-sha256, empty if absent
}

// isS3 tells whether the service encodes paths once and streams bodies.
func (a *auth) isS3() bool {
	return a.service == "s3" || a.service == "s3express" || a.service == "s3-object-lambda" || a.service == "s3-outposts"
}

func (a *auth) scope() string {
	return a.day + "/" + a.region + "/" + a.service + "/aws4_request"
}

// readAuth finds the signature. It returns nil if the request carries none.
func readAuth(r *http.Request) (*auth, error) {
	header := r.Header.Get("Authorization")
	raw := r.URL.RawQuery
	v4 := strings.Contains(raw, "X-Amz-Algorithm=") || strings.Contains(raw, "X-Amz-Signature=") ||
		strings.Contains(raw, "X-Amz-Credential=")
	v2 := strings.Contains(raw, "AWSAccessKeyId=") && strings.Contains(raw, "Signature=")
	switch {
	case header != "" && (v4 || v2):
		return nil, &Error{Reason: TwoMechanisms, Detail: "the request has an Authorization header and a signature in its query"}
	case v4:
		return readQuery(r)
	case v2:
		return nil, &Error{Reason: Unsupported, Detail: "signature version 2 in the query", Presigned: true}
	case header != "":
		return readHeader(r, header)
	}
	return nil, nil
}

func readHeader(r *http.Request, header string) (*auth, error) {
	malformed := func(format string, args ...any) (*auth, error) {
		return nil, &Error{Reason: Malformed, Detail: fmt.Sprintf(format, args...)}
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if name != algorithm {
		return nil, &Error{Reason: Unsupported, Detail: fmt.Sprintf("Authorization begins with %.40q", name)}
	}
	a := &auth{}
	parts := strings.Split(rest, ",")
	if len(parts) != 3 {
		return malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}
	fields := map[string]string{}
	for _, part := range parts {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return malformed("the authorization component \"%.60s\" is malformed.", strings.TrimSpace(part))
		}
		fields[key] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return malformed("missing %s.", name)
		}
	}
	credential, signed := fields["Credential"], fields["SignedHeaders"]
	a.signature = fields["Signature"]
	if err := a.readCredential(credential); err != nil {
		return malformed("%v", err)
	}
	a.readSigned(signed)
	a.token = r.Header.Get("X-Amz-Security-Token")
	a.contentHash = r.Header.Get("X-Amz-Content-Sha256")

	var err error
	if text := r.Header.Get("X-Amz-Date"); text != "" {
		a.timestamp = text
		if a.date, err = time.Parse(timeFormat, text); err != nil {
			return malformed("X-Amz-Date %.40q is not in the form %s", text, timeFormat)
		}
	} else if text := r.Header.Get("Date"); text != "" {
		if a.date, err = http.ParseTime(text); err != nil {
			return malformed("Date %.40q is not a date of HTTP", text)
		}
		a.timestamp = a.date.UTC().Format(timeFormat)
	} else {
		return malformed("AWS authentication requires a valid Date or x-amz-date header")
	}
	if a.timestamp[:8] != a.day {
		return malformed("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			a.day, a.timestamp[:8], a.timestamp)
	}
	return a, nil
}

func readQuery(r *http.Request) (*auth, error) {
	malformed := func(format string, args ...any) (*auth, error) {
		return nil, &Error{Reason: Malformed, Presigned: true, Detail: fmt.Sprintf(format, args...)}
	}
	q := r.URL.Query()
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires"} {
		if q.Get(name) == "" {
			return malformed("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, " +
				"X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	if got := q.Get("X-Amz-Algorithm"); got != algorithm {
		return nil, &Error{Reason: Unsupported, Presigned: true, Detail: fmt.Sprintf("X-Amz-Algorithm is %.40q", got)}
	}
	a := &auth{presigned: true, signature: q.Get("X-Amz-Signature"), timestamp: q.Get("X-Amz-Date")}
	if err := a.readCredential(q.Get("X-Amz-Credential")); err != nil {
		return malformed("Error parsing the X-Amz-Credential parameter; %v", err)
	}
	a.readSigned(q.Get("X-Amz-SignedHeaders"))
	var err error
	if a.date, err = time.Parse(timeFormat, a.timestamp); err != nil {
		return malformed(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	if a.timestamp[:8] != a.day {
		return malformed("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", a.day, a.timestamp[:8])
	}
	seconds, err := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 64)
	switch {
	case err != nil:
		return malformed("X-Amz-Expires should be a number")
	case seconds < 0:
		return malformed("X-Amz-Expires must be non-negative")
	case seconds > int64(maxLifetime/time.Second):
		return malformed("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	a.lifetime = time.Duration(seconds) * time.Second
	if a.token = q.Get("X-Amz-Security-Token"); a.token == "" {
		a.token = r.Header.Get("X-Amz-Security-Token")
	}
	if a.contentHash = r.Header.Get("X-Amz-Content-Sha256"); a.contentHash == "" {
		a.contentHash = q.Get("X-Amz-Content-Sha256")
	}
	return a, nil
}

// readCredential splits access-key/day/region/service/aws4_request.
func (a *auth) readCredential(s string) error {
	parts := strings.Split(s, "/")
	if len(parts) != 5 {
		return fmt.Errorf(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	a.accessKeyID, a.day, a.region, a.service = parts[0], parts[1], parts[2], parts[3]
	switch {
	case a.accessKeyID == "":
		return fmt.Errorf("the access key is empty")
	case parts[4] != "aws4_request":
		return fmt.Errorf(`incorrect terminal "%.20s". This endpoint uses "aws4_request".`, parts[4])
	case len(a.day) != 8:
		return fmt.Errorf(`incorrect date format "%.20s". This date in the credential must be in the format "yyyyMMdd".`, a.day)
	case a.region == "" || a.service == "":
		return fmt.Errorf("the region or the service is empty")
	}
	return nil
}

// checkTime refuses requests from another time than the server's.
func (a *auth) checkTime(now time.Time) *Error {
	e := &Error{RequestTime: a.date, ServerTime: now, MaxSkew: MaxSkew}
	early := a.date.Sub(now) > MaxSkew
	if a.presigned {
		e.Expires, e.Lifetime = a.date.Add(a.lifetime), a.lifetime
		switch {
		case early:
			e.Reason = NotYetValid
			return e
		case !now.Before(e.Expires):
			e.Reason = Expired
			return e
		}
		return nil
	}
	if early || now.Sub(a.date) > MaxSkew {
		e.Reason = Skewed
		return e
	}
	return nil
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// sign returns the hex signature of text.
func sign(key, text []byte) []byte {
	return hex.AppendEncode(make([]byte, 0, 2*sha256.Size), mac(key, text))
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
