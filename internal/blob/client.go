package blob

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"lakeport/internal/iam"
	"lakeport/internal/lake"
)

// ClientOptions says for whom a Client asks and how.
type ClientOptions struct {
	Identity  string        // who may see cached bytes: equal strings may see the same; shows no secret
	PathStyle bool          // http://host/bucket/key even where http://bucket.host/key is possible
	Recheck   time.Duration // how long one successful read lets cached bytes be served; 0: 60 s, below 0: this statement only
	// Asking, unless nil, is told each request before it is made: its action, the
	// resource's ARN and its own condition keys. It is called many times at once.
	// What would change an object is told and not made: it succeeds without
	// effect. As most names that are written are made anew each time, a write is
	// told as one to its directory and a star.
	Asking func(iam.Request)
}

// Client asks S3 as one identity. It is cheap and safe for concurrent use.
type Client struct {
	store     *Store
	cfg       aws.Config
	o         ClientOptions
	s3        *s3.Client
	unsigned  *s3.Client   // for an identity that turns out to have no keys
	skew      atomic.Int64 // of S3's clock from ours, in nanoseconds, once it was refused for that
	signer    *v4.Signer
	resolver  s3.EndpointResolverV2
	endpoints sync.Map // bucket -> *url.URL
}

// Client makes a client from a configuration with Region, Credentials (nil:
// unsigned requests) and optionally BaseEndpoint. Credentials must cache and
// renew by themselves: they are asked before every request.
func (s *Store) Client(cfg aws.Config, o ClientOptions) *Client {
	if o.Recheck == 0 {
		o.Recheck = time.Minute
	}
	if cfg.Credentials == nil {
		cfg.Credentials = aws.AnonymousCredentials{}
	}
	style := func(so *s3.Options) {
		so.UsePathStyle = o.PathStyle
		// S3 slows down who lists much: three attempts are few where a fifth of
		// all requests are refused, and its pauses are short.
		so.Retryer = retry.NewStandard(func(ro *retry.StandardOptions) { ro.MaxAttempts, ro.MaxBackoff = listAttempts, time.Second })
	}
	return &Client{
		store: s, cfg: cfg, o: o,
		s3:       s3.NewFromConfig(cfg, style),
		unsigned: s3.NewFromConfig(cfg, style, func(so *s3.Options) { so.Credentials = aws.AnonymousCredentials{} }),
		signer:   v4.NewSigner(func(so *v4.SignerOptions) { so.DisableURIPathEscaping = true }),
		resolver: s3.NewDefaultEndpointResolverV2(),
	}
}

// listAttempts is how often the SDK sends a request that S3 slows down or that
// is lost; reads of objects have a budget of their own.
const listAttempts = 6

// api is the SDK's client for the identity. Whether that has keys may not be
// known before it is asked.
func (c *Client) api(ctx context.Context) *s3.Client {
	if creds, err := c.cfg.Credentials.Retrieve(ctx); err == nil && !creds.HasKeys() {
		return c.unsigned
	}
	return c.s3
}

// asking tells who wants to know of a request; an empty key is the bucket.
func (c *Client) asking(action, bucket, key string, conditions iam.Context) {
	if c.o.Asking == nil {
		return
	}
	arn := "arn:aws:s3:::" + bucket
	if key != "" {
		arn += "/" + key
	}
	c.o.Asking(iam.Request{Action: action, Resource: iam.Resource{ARN: arn}, Context: conditions})
}

// emptyHash is the SHA-256 of no bytes: the payload of a GET.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// exchange is one request that was sent and whose answer was not yet read.
type exchange struct {
	c      *conn
	req    *http.Request
	client *Client
	object lake.Object
	span   span // HEAD: empty
	signed time.Time
	key    string // id of the credentials that signed it
}

func (c *Client) endpoint(ctx context.Context, bucket string) (*url.URL, error) {
	if u, ok := c.endpoints.Load(bucket); ok {
		return u.(*url.URL), nil
	}
	if c.cfg.Region == "" {
		return nil, errors.New("no AWS region is known; set aws.s3.region")
	}
	pathStyle := c.o.PathStyle || strings.Contains(bucket, ".") // dots break the wildcard certificate
	ep, err := c.resolver.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &bucket, Region: &c.cfg.Region, Endpoint: c.cfg.BaseEndpoint, ForcePathStyle: &pathStyle,
	}.WithDefaults())
	if err != nil {
		return nil, fmt.Errorf("find the endpoint of bucket %s: %w", bucket, err)
	}
	c.endpoints.Store(bucket, &ep.URI)
	return &ep.URI, nil
}

// request makes a signed request for bytes of an object. The credentials are
// the newest there are at this moment.
func (c *Client) request(ctx context.Context, method string, o lake.Object, r span) (*exchange, error) {
	action := "s3:GetObject"
	if o.Version != "" {
		action = "s3:GetObjectVersion"
	}
	c.asking(action, o.Bucket, o.Key, nil)
	ep, err := c.endpoint(ctx, o.Bucket)
	if err != nil {
		return nil, err
	}
	u := *ep
	base := strings.TrimSuffix(u.Path, "/") + "/"
	u.Path, u.RawPath = base+o.Key, base+httpbinding.EscapePath(o.Key, false)
	if o.Version != "" {
		u.RawQuery = "versionId=" + url.QueryEscape(o.Version)
	}
	req := &http.Request{Method: method, URL: &u, Host: u.Host, Header: http.Header{}}
	req.Header.Set("X-Amz-Content-Sha256", emptyHash)
	if method == http.MethodGet {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(r.from, 10)+"-"+strconv.FormatInt(r.to-1, 10))
	}
	if o.ETag != "" {
		req.Header.Set("If-Match", o.ETag)
	}
	x := &exchange{req: req, client: c, object: o, span: r, signed: c.store.o.Now()}
	creds, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil && !aws.IsCredentialsProvider(c.cfg.Credentials, (*aws.AnonymousCredentials)(nil)) {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	if creds.HasKeys() {
		x.key = creds.AccessKeyID
		if err := c.signer.SignHTTP(ctx, creds, req, emptyHash, "s3", c.cfg.Region, x.signed.Add(time.Duration(c.skew.Load()))); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	return x, nil
}

// send asks for bytes of an object and does not wait for the answer. idleOnly
// refuses to open a connection, which may take a while: then the result is nil.
func (c *Client) send(ctx context.Context, method string, o lake.Object, r span, idleOnly bool) (*exchange, error) {
	ep, err := c.endpoint(ctx, o.Bucket)
	if err != nil {
		return nil, c.final(o, err)
	}
	host, port := ep.Hostname(), ep.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[ep.Scheme]
	}
	p := &c.store.pool
	via, err := p.route(ep)
	if err != nil {
		return nil, c.final(o, err)
	}
	cn := p.take(via.key(ep.Scheme, host, port))
	if cn == nil {
		if idleOnly {
			return nil, nil
		}
		if cn, err = p.dial(ctx, via, ep.Scheme, host, port); err != nil {
			e := c.failure(o, err)
			_, e.final = errors.AsType[*tls.CertificateVerificationError](err)
			return nil, e
		}
	}
	x, err := c.request(ctx, method, o, r)
	if err != nil {
		p.put(cn)
		return nil, c.final(o, err)
	}
	x.c = cn
	if _, err := cn.rw.Write(x.bytes()); err != nil {
		cn.close()
		return nil, c.failure(o, err)
	}
	return x, nil
}

// failure is an Error about an object without an answer.
func (c *Client) failure(o lake.Object, err error) *Error {
	return &Error{Op: "s3:GetObject", URI: o.URI(), LocalTime: c.store.o.Now(), Err: err}
}

// final is a failure that asking again does not mend.
func (c *Client) final(o lake.Object, err error) *Error {
	e := c.failure(o, err)
	e.final = true
	return e
}

// bytes is the request as it goes over the wire.
func (x *exchange) bytes() []byte {
	b := make([]byte, 0, 2048)
	b = append(append(append(append(b, x.req.Method...), ' '), x.c.via...), x.req.URL.EscapedPath()...)
	if x.req.URL.RawQuery != "" {
		b = append(append(b, '?'), x.req.URL.RawQuery...)
	}
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), x.req.Host...), "\r\nUser-Agent: lakeport\r\n"...)
	for name, values := range x.req.Header {
		b = append(append(append(append(b, name...), ": "...), values[0]...), "\r\n"...)
	}
	if x.c.login != "" {
		b = append(append(append(b, "Proxy-Authorization: "...), x.c.login...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// errBody is how much of an error's body is read.
const errBody = 64 << 10

// receive reads the answer into p, which has the span's length. It tells how
// many bytes of p are good, also with an error; and whether the connection may
// be used again. Giving it back or closing it is left to the caller.
func (x *exchange) receive(p []byte) (n int, h http.Header, reuse bool, err error) {
	resp, err := http.ReadResponse(x.c.in, x.req)
	if err != nil {
		if x.c.used && !errors.Is(err, errSilent) {
			err = fmt.Errorf("%w: %w", errIdleClosed, err)
		}
		return 0, nil, false, x.client.failure(x.object, fmt.Errorf("read the answer: %w", err))
	}
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, errBody))
		return 0, nil, false, x.refused(resp, body)
	}
	if err := x.check(resp); err != nil {
		return 0, nil, false, err
	}
	if n, err = io.ReadFull(resp.Body, p); err != nil {
		return n, nil, false, x.client.failure(x.object, fmt.Errorf("answer ended after %d of %d bytes: %w", n, len(p), err))
	}
	return n, resp.Header, !resp.Close && x.c.in.Buffered() == 0, nil
}

// errIdleClosed marks a connection that the peer closed while it was idle: to
// ask again on another costs nothing of the budget.
var errIdleClosed = errors.New("connection was closed while idle")

// refused turns an answer that is no success into an error.
func (x *exchange) refused(resp *http.Response, body []byte) error {
	e := answerError("s3:GetObject", x.object.URI(), resp.StatusCode, resp.Header, body, x.signed)
	switch {
	case resp.StatusCode == http.StatusPreconditionFailed:
		e.Err = changed(x.object, "it has not the ETag "+x.object.ETag+" any more")
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		e.Err = changed(x.object, fmt.Sprintf("it ends before byte %d", x.span.to))
	case e.Code == "NoSuchKey" && x.object.ETag != "":
		e.Err = changed(x.object, "it is gone")
	}
	return e
}

// check compares an answer's head with what was asked for.
func (x *exchange) check(resp *http.Response) error {
	if etag := resp.Header.Get("ETag"); x.object.ETag != "" && etag != "" && etag != x.object.ETag {
		return x.client.final(x.object, changed(x.object, "it had the ETag "+x.object.ETag+", now it has "+etag))
	}
	if x.req.Method == http.MethodHead {
		return nil
	}
	whole := resp.StatusCode == http.StatusOK && x.span == span{0, x.object.Size}
	want := fmt.Sprintf("bytes %d-%d/%d", x.span.from, x.span.to-1, x.object.Size)
	if got := resp.Header.Get("Content-Range"); !whole && (resp.StatusCode != http.StatusPartialContent || got != want) {
		if resp.StatusCode == http.StatusPartialContent && !strings.HasSuffix(got, "/"+strconv.FormatInt(x.object.Size, 10)) {
			return x.client.final(x.object, changed(x.object, fmt.Sprintf("its size was %d, the answer says %q", x.object.Size, got)))
		}
		return x.client.failure(x.object, fmt.Errorf("asked for %q, got status %d with %q", want, resp.StatusCode, got))
	}
	if resp.ContentLength >= 0 && resp.ContentLength != x.span.len() {
		return x.client.failure(x.object, fmt.Errorf("asked for %d bytes, the answer announces %d", x.span.len(), resp.ContentLength))
	}
	return nil
}

// correct takes S3's clock for signatures after it refused ours, as the AWS
// SDKs do. It tells whether a repetition is signed with another time.
func (c *Client) correct(e *Error) bool {
	if e.Code != "RequestTimeTooSkewed" || c.cfg.DisableClockSkewCorrection || e.ServerTime.IsZero() {
		return false
	}
	c.skew.Store(int64(e.ServerTime.Sub(e.LocalTime)))
	return true
}

// renew makes the credentials forget a session that S3 says has expired. It
// tells whether a repetition may be signed with another session.
func (c *Client) renew(key string) bool {
	p, ok := c.cfg.Credentials.(interface{ Reject(accessKeyID string) bool })
	return ok && p.Reject(key)
}
