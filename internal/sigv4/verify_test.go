package sigv4_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"lakeport/internal/sigv4"
)

const (
	docKey    = "AKIAIOSFODNN7EXAMPLE"
	docSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var docTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// verifier knows one key, whose session token is token.
func verifier(now time.Time, token string) *sigv4.Verifier {
	return &sigv4.Verifier{
		Now: func() time.Time { return now },
		Key: func(id, t string) (string, error) {
			switch {
			case id != docKey:
				return "", errors.New("no such key")
			case t != token:
				return "", &sigv4.Error{Reason: sigv4.InvalidToken}
			}
			return docSecret, nil
		},
	}
}

// parse reads a request as a server would.
func parse(t testing.TB, text, body string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufioReader(text + "\r\n\r\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func reason(t testing.TB, err error) sigv4.Reason {
	t.Helper()
	var e *sigv4.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *sigv4.Error", err)
	}
	return e.Reason
}

// The examples of "Signature Calculations for the Authorization Header" and
// "Authenticating Requests: Using Query Parameters", S3 API Reference.
func TestVerifyAcceptsTheExamplesOfTheS3Reference(t *testing.T) {
	auth := func(signed, signature string) string {
		return "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + docKey + "/20130524/us-east-1/s3/aws4_request," +
			"SignedHeaders=" + signed + ",Signature=" + signature
	}
	const host = " HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com"
	const common = "\r\nx-amz-content-sha256: " + emptyHash + "\r\nx-amz-date: 20130524T000000Z"
	for name, c := range map[string]struct{ head, body string }{
		"get object": {"GET /test.txt" + host + "\r\nRange: bytes=0-9" + common + auth("host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), ""},
		"put object": {"PUT /test$file.text" + host + "\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\nContent-Length: 21" +
			"\r\nx-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-date: 20130524T000000Z" +
			"\r\nx-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" +
			auth("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
				"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"), "Welcome to Amazon S3."},
		"bare parameter": {"GET /?lifecycle" + host + common + auth("host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"), ""},
		"list objects": {"GET /?max-keys=2&prefix=J" + host + common + auth("host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"), ""},
		"presigned": {"GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + docKey +
			"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
			"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" + host, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := parse(t, c.head, c.body)
			res, err := verifier(docTime, "").Verify(r)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != c.body {
				t.Errorf("body %q, %v; want %q", got, err, c.body)
			}
			if res.AccessKeyID != docKey || res.Region != "us-east-1" || res.Service != "s3" || !res.Date.Equal(docTime) ||
				res.Presigned != (name == "presigned") {
				t.Errorf("got %+v", res)
			}
			bad := parse(t, strings.Replace(c.head, "examplebucket", "examplebuckets", 1), c.body)
			if _, err := verifier(docTime, "").Verify(bad); reason(t, err) != sigv4.BadSignature {
				t.Errorf("another host: got %v", err)
			}
		})
	}
}

// signed makes a request with the SDK's signer and sends it through a real
// server, so that net/http's own treatment of headers takes part.
type signed struct {
	method, target, body string
	service              string
	token                string
	headers              map[string]string
	hash                 string // default: of the body
	at                   time.Time
	edit                 func(*http.Request) // after signing
}

func (s signed) send(t *testing.T, v *sigv4.Verifier) (res *sigv4.Result, body string, err error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if res, err = v.Verify(r); err == nil {
			var b []byte
			b, err = io.ReadAll(r.Body)
			body = string(b)
		}
	}))
	defer srv.Close()
	r, e := http.NewRequest(s.method, srv.URL+s.target, strings.NewReader(s.body))
	if e != nil {
		t.Fatal(e)
	}
	for k, v := range s.headers {
		r.Header.Set(k, v)
	}
	if s.hash == "" {
		s.hash = sha(s.body)
	}
	if s.service == "" {
		s.service = "s3"
	}
	if s.at.IsZero() {
		s.at = docTime
	}
	if s.service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", s.hash)
	}
	creds := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret, SessionToken: s.token}
	e = v4.NewSigner().SignHTTP(context.Background(), creds, r, s.hash, s.service, "eu-west-1", s.at,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == "s3" })
	if e != nil {
		t.Fatal(e)
	}
	if s.edit != nil {
		s.edit(r)
	}
	resp, e := http.DefaultClient.Do(r)
	if e != nil {
		t.Fatal(e)
	}
	resp.Body.Close()
	return res, body, err
}

func TestVerifyAgreesWithTheSDKSigner(t *testing.T) {
	for _, s := range []signed{
		{method: "GET", target: "/"},
		{method: "GET", target: "/b/a%20b/%C3%BC%2B%25//x%3D%281%29%2A%21%27~/"},
		{method: "GET", target: "/b/dt%3D2024/k", edit: func(r *http.Request) { r.URL.RawPath = "/b/dt=2024/k" }},
		{method: "GET", target: "/b?prefix=a%2Fb&list-type=2&delimiter=%2F&x&a=2&a=1&a=10"},
		{method: "PUT", target: "/b/k?x-id=PutObject", body: "hello", headers: map[string]string{
			"Content-Type": "text/plain", "X-Amz-Meta-A": "  two   blanks ", "Expect": "100-continue"}},
		{method: "PUT", target: "/b/k", body: "hello", hash: "UNSIGNED-PAYLOAD"},
		{method: "POST", target: "/", body: "Action=GetCallerIdentity&Version=2011-06-15", service: "sts", token: "a/token+="},
		{method: "POST", target: "/", body: "{}", service: "glue", headers: map[string]string{"X-Amz-Target": "AWSGlue.GetDatabases"}},
		{method: "GET", target: "/buckets/arn%3Aaws%3As3tables%3A%3A%3A1%2Fb", service: "s3tables"},
		{method: "GET", target: "/iceberg/v1/catalogs/1:s3tablescatalog:b/namespaces", service: "glue"},
	} {
		t.Run(s.method+" "+s.target, func(t *testing.T) {
			res, body, err := s.send(t, verifier(docTime.Add(14*time.Minute), s.token))
			if err != nil {
				t.Fatal(err)
			}
			if body != s.body || res.SessionToken != s.token || res.Region != "eu-west-1" {
				t.Errorf("got body %q, result %+v", body, res)
			}
			if res.Service != "s3" && string(res.Body) != s.body {
				t.Errorf("Result.Body is %q", res.Body)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	get := signed{method: "GET", target: "/b/k?a=1"}
	put := signed{method: "PUT", target: "/b/k", body: "hello"}
	with := func(s signed, edit func(*http.Request)) signed { s.edit = edit; return s }
	for name, c := range map[string]struct {
		s    signed
		want sigv4.Reason
	}{
		"another method":                {with(get, func(r *http.Request) { r.Method = "DELETE" }), sigv4.BadSignature},
		"another path":                  {with(get, func(r *http.Request) { r.URL.Path = "/b/l" }), sigv4.BadSignature},
		"another query":                 {with(get, func(r *http.Request) { r.URL.RawQuery = "a=2" }), sigv4.BadSignature},
		"another region":                {with(get, replace("eu-west-1", "eu-west-2")), sigv4.BadSignature},
		"an unknown key":                {with(get, replace(docKey, "AKIAUNKNOWN")), sigv4.UnknownKey},
		"a foreign token":               {signed{method: "GET", target: "/", token: "other"}, sigv4.InvalidToken},
		"a token not signed":            {with(get, set("X-Amz-Security-Token", "t")), sigv4.InvalidToken},
		"late by 16 minutes":            {signed{method: "GET", target: "/", at: docTime.Add(-16 * time.Minute)}, sigv4.Skewed},
		"early by 16 minutes":           {signed{method: "GET", target: "/", at: docTime.Add(16 * time.Minute)}, sigv4.Skewed},
		"an unsigned header":            {with(get, set("X-Amz-Acl", "public-read")), sigv4.UnsignedHeaders},
		"host not signed":               {with(get, replace("host;", "")), sigv4.UnsignedHeaders},
		"version 2":                     {with(get, set("Authorization", "AWS "+docKey+":abc=")), sigv4.Unsupported},
		"version 4A":                    {with(get, replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")), sigv4.Unsupported},
		"no signature":                  {with(get, replace("Signature=", "Signatur=")), sigv4.Malformed},
		"a short credential":            {with(get, replace("/aws4_request", "")), sigv4.Malformed},
		"another terminal":              {with(get, replace("aws4_request", "aws3_request")), sigv4.Malformed},
		"no date":                       {with(get, func(r *http.Request) { r.Header.Del("X-Amz-Date") }), sigv4.Malformed},
		"another day":                   {with(get, replace("20130524", "20130525")), sigv4.Malformed},
		"two mechanisms":                {with(get, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=1" }), sigv4.TwoMechanisms},
		"no hash":                       {with(get, func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }), sigv4.MissingHash},
		"another body":                  {signed{method: "PUT", target: "/b/k", body: "hello", hash: sha("hallo")}, sigv4.BodyMismatch},
		"no body where some was signed": {signed{method: "PUT", target: "/b/k", hash: sha("hallo")}, sigv4.BodyMismatch},
		"a strange hash":                {signed{method: "PUT", target: "/b/k", body: "hello", hash: "abc"}, sigv4.BadHash},
		"a V4A stream":                  {signed{method: "PUT", target: "/b/k", body: "x", hash: "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, sigv4.Unsupported},
		"no decoded length":             {signed{method: "PUT", target: "/b/k", body: "x", hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, sigv4.MissingLength},
		"another body of STS": {with(signed{method: "POST", target: "/", body: "A=1", service: "sts"}, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("A=2"))
		}), sigv4.BadSignature},
		"another secret": {with(put, replace("Signature=", "Signature=0")), sigv4.BadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := c.s.send(t, verifier(docTime, ""))
			if got := reason(t, err); got != c.want {
				t.Errorf("got %v (%v), want %v", got, err, c.want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), docSecret) {
				t.Error("the error prints the secret")
			}
		})
	}
}

func TestSkewNamesBothTimes(t *testing.T) {
	_, _, err := signed{method: "GET", target: "/", at: docTime}.send(t, verifier(docTime.Add(time.Hour), ""))
	want := "verify signature: request time too skewed: request time 2013-05-24T00:00:00Z, server time 2013-05-24T01:00:00Z"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPresignedRequests(t *testing.T) {
	presign := func(method, target string, token string, headers map[string]string) *http.Request {
		r, _ := http.NewRequest(method, "http://127.0.0.1:4566"+target, nil)
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		creds := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret, SessionToken: token}
		uri, _, err := v4.NewSigner().PresignHTTP(context.Background(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", docTime,
			func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			t.Fatal(err)
		}
		got := httptest.NewRequest(method, uri, nil)
		got.Header = r.Header
		return got
	}
	hour := "/b/k%20x?X-Amz-Expires=3600"
	for name, c := range map[string]struct {
		r   *http.Request
		at  time.Duration
		err sigv4.Reason
		ok  bool
	}{
		"at once":             {r: presign("GET", hour, "t", nil), ok: true},
		"just before the end": {r: presign("GET", hour, "t", nil), at: time.Hour - time.Second, ok: true},
		"at the end":          {r: presign("GET", hour, "t", nil), at: time.Hour, err: sigv4.Expired},
		"too early":           {r: presign("GET", hour, "t", nil), at: -16 * time.Minute, err: sigv4.NotYetValid},
		"over a week":         {r: presign("GET", "/b?X-Amz-Expires=604801", "t", nil), err: sigv4.Malformed},
		"negative":            {r: presign("GET", "/b?X-Amz-Expires=-1", "t", nil), err: sigv4.Malformed},
		"not a number":        {r: presign("GET", "/b?X-Amz-Expires=x", "t", nil), err: sigv4.Malformed},
		"without lifetime":    {r: presign("GET", "/b", "t", nil), err: sigv4.Malformed},
		"another token":       {r: presign("GET", hour, "u", nil), err: sigv4.InvalidToken},
		"a signed header":     {r: presign("PUT", hour, "t", map[string]string{"x-amz-acl": "private"}), ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := verifier(docTime.Add(c.at), "t").Verify(c.r)
			if c.ok {
				if err != nil || !res.Presigned || res.SessionToken != "t" {
					t.Errorf("got %+v, %v", res, err)
				}
				return
			}
			if got := reason(t, err); got != c.err {
				t.Errorf("got %v, want %v", err, c.err)
			}
		})
	}
}

func TestAnonymousIsNotAnError(t *testing.T) {
	r := parse(t, "GET /b/k HTTP/1.1\r\nHost: x", "")
	res, err := verifier(docTime, "").Verify(r)
	if err != nil || !res.Anonymous {
		t.Errorf("got %+v, %v", res, err)
	}
	r = parse(t, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "")
	if _, err = verifier(docTime, "").Verify(r); reason(t, err) != sigv4.BadHash {
		t.Errorf("signed chunks without a seed: got %v", err)
	}
}

func TestWholeBodiesAreBounded(t *testing.T) {
	v := verifier(docTime, "")
	v.MaxBody = 4
	_, _, err := signed{method: "POST", target: "/", body: "12345", service: "glue"}.send(t, v)
	if got := reason(t, err); got != sigv4.TooLarge {
		t.Errorf("got %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	auth := "AWS4-HMAC-SHA256 Credential=" + docKey + "/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=ab"
	f.Add("/b/k", "a=1&b", auth, "20130524T000000Z", emptyHash, []byte("x"))
	f.Add("/b//../%zz", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1&X-Amz-Expires=9", "", "", "", []byte(nil))
	f.Add("/", "X-Amz-Credential=a%2Fb&X-Amz-Date=2", "", "2", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", []byte("5\r\nhello\r\n0\r\n\r\n"))
	f.Add("", "", strings.Replace(auth, "/s3/", "/glue/", 1), "20130524T000000Z", "", []byte("{}"))
	v := verifier(docTime, "")
	f.Fuzz(func(t *testing.T, path, query, auth, date, hash string, body []byte) {
		r := httptest.NewRequest("PUT", "/", bytes.NewReader(body))
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, path, query
		r.Header.Set("Authorization", auth)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("X-Amz-Content-Sha256", hash)
		r.Header.Set("X-Amz-Decoded-Content-Length", "5")
		res, err := v.Verify(r)
		if err == nil && !res.Anonymous {
			t.Errorf("accepted %q", auth)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := httptest.NewRequest("GET", "/bucket/path/to/part-00001.parquet", nil)
	r.Header.Set("Range", "bytes=0-65535")
	r.Header.Set("Amz-Sdk-Invocation-Id", "x")
	r.Header.Set("X-Amz-Content-Sha256", emptyHash)
	creds := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, emptyHash, "s3", "us-east-1", docTime); err != nil {
		b.Fatal(err)
	}
	v := verifier(docTime, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}
