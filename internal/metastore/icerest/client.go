// Package icerest speaks to Iceberg REST catalogs: configuration, namespaces,
// tables, commits, and the credentials that a catalog hands out for a table's
// storage. Requests are signed with AWS Signature V4, or carry a bearer token,
// one given or one fetched by OAuth2's client credentials.
//
// It carries metadata as bytes and leaves their meaning to format/iceberg.
package icerest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// Options says where a catalog is and how to be let in. Only URI is needed.
type Options struct {
	URI        string            // base: what stands before /v1
	Warehouse  string            // sent to the catalog's configuration
	Headers    map[string]string // of every request
	Vended     bool              // ask for credentials of tables' storage
	Nested     bool              // a database is a path of namespaces, "a.b"
	Signer     *Signer           // nil: requests are not signed
	Token      secret.String     // bearer token; empty: none, or one by Credential
	Credential secret.String     // "id:secret" of OAuth2's client credentials
	Scope      string            // of the token; empty: "catalog"
	Audience   string
	TokenURI   string       // empty: the catalog's own endpoint
	HTTP       *http.Client // nil: one that waits a minute for an answer
	// Asking, unless nil, is told each call before it is made. A call that would
	// change something is told and not made: it succeeds without effect.
	Asking func(Call)
	Now    func() time.Time // nil: time.Now
}

// Operation is an operation of the API, by its name in the specification where
// that has one.
type Operation string

// The operations that a Client calls.
const (
	GetConfig       Operation = "getConfig"
	ListNamespaces  Operation = "listNamespaces"
	LoadNamespace   Operation = "loadNamespaceMetadata"
	CreateNamespace Operation = "createNamespace"
	DropNamespace   Operation = "dropNamespace"
	ListTables      Operation = "listTables"
	LoadTable       Operation = "loadTable"
	LoadCredentials Operation = "loadCredentials"
	CreateTable     Operation = "createTable"
	CommitTable     Operation = "updateTable"
	DropTable       Operation = "dropTable"
)

// Call is one call of the API, for who watches.
type Call struct {
	Operation       Operation
	Database, Table string // empty where it is about none
}

// Signer signs requests with Signature V4.
type Signer struct {
	Credentials aws.CredentialsProvider // must cache and renew by itself
	Name        string                  // signing name: "glue", "s3tables", "execute-api"
	Region      string
}

// Client speaks to one catalog. It is safe for concurrent use.
type Client struct {
	o      Options
	signer *v4.Signer

	mu      sync.Mutex // guards all below
	config  *config
	token   string
	expires time.Time // of token; zero: it does not
}

// config is what the catalog says of itself.
type config struct {
	base      string // URI and prefix, for the paths of namespaces
	separator string // between the parts of a namespace in a path
}

// New returns a client. It contacts nobody.
func New(o Options) *Client {
	if o.HTTP == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = time.Minute
		o.HTTP = &http.Client{Transport: t}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.URI = strings.TrimRight(o.URI, "/")
	return &Client{o: o, signer: v4.NewSigner()}
}

// asking tells who watches of a call; it tells whether anybody does.
func (c *Client) asking(op Operation, db, table string) bool {
	if c.o.Asking != nil {
		c.o.Asking(Call{op, db, table})
	}
	return c.o.Asking != nil
}

// Error is a catalog's refusal. Its code is the exception's name.
type Error struct {
	Op      string // "load table d.t"
	Status  int
	Type    string
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: the catalog answers %d %s: %s", e.Op, e.Status, e.Type, e.Message)
}

// ErrorCode implements smithy.APIError, so that refusals are worded as AWS's.
func (e *Error) ErrorCode() string { return e.Type }

// ErrorMessage implements smithy.APIError.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault implements smithy.APIError.
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status/100 == 5 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// HTTPStatusCode gives the answer's status.
func (e *Error) HTTPStatusCode() int { return e.Status }

// request is one call of the API.
type request struct {
	op     string // for messages
	method string
	url    string
	query  url.Values
	body   any // JSON; nil: none
	form   url.Values
	plain  bool // without authorization: the token's own endpoint
}

const (
	attempts = 5
	bodyMax  = 512 << 20
)

// do sends a request and reads the answer's JSON into out, unless that is nil.
// Reads are repeated where the catalog is busy or silent, changes only where it
// says that it has done nothing.
func (c *Client) do(ctx context.Context, r request, out any) error {
	renewed := false
	for try := 1; ; try++ {
		status, after, body, err := c.send(ctx, r)
		if err == nil && status/100 == 2 {
			if out == nil || status == http.StatusNoContent {
				return nil
			}
			if err := json.Unmarshal(body, out); err != nil {
				return sqlerr.New(sqlerr.Corrupt, "%s: the catalog's answer is not understood: %w", r.op, err)
			}
			return nil
		}
		if err == nil {
			err = refusal(r.op, status, body)
		}
		if (status == http.StatusUnauthorized || status == 419) && !renewed && !r.plain && c.forget() {
			renewed = true
			continue
		}
		idempotent := r.method == http.MethodGet || r.method == http.MethodHead
		busy := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
		again := busy || idempotent && (status == 0 || status/100 == 5)
		if !again || try == attempts || ctx.Err() != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		if err := c.pause(ctx, try, after); err != nil {
			return err
		}
	}
}

// pause waits before another attempt: as long as the catalog asks, else longer
// each time.
func (c *Client) pause(ctx context.Context, try int, after time.Duration) error {
	wait := min(after, 10*time.Second)
	if wait <= 0 {
		wait = rand.N(min(100*time.Millisecond<<try, 3*time.Second))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errNotSent marks what kept a request from being sent.
var errNotSent = errors.New("the request was not sent")

// send sends a request once. A status of 0 means that there was no answer.
func (c *Client) send(ctx context.Context, r request) (status int, after time.Duration, body []byte, err error) {
	req, payload, err := c.request(ctx, r)
	if err != nil {
		return 0, 0, nil, err
	}
	if err := c.authorize(ctx, req, payload, r.plain); err != nil {
		return 0, 0, nil, fmt.Errorf("%s: %w: %w", r.op, errNotSent, err)
	}
	resp, err := c.o.HTTP.Do(req)
	if err != nil {
		e := sqlerr.New(sqlerr.Unreachable, "%s: the catalog at %s does not answer", r.op, c.o.URI)
		e.Err = err
		return 0, 0, nil, e
	}
	defer resp.Body.Close()
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	body, err = io.ReadAll(io.LimitReader(resp.Body, bodyMax))
	if err != nil {
		e := sqlerr.New(sqlerr.Unreachable, "%s: the catalog's answer broke off", r.op)
		e.Err = err
		return 0, 0, nil, e
	}
	return resp.StatusCode, time.Duration(seconds) * time.Second, body, nil
}

func (c *Client) request(ctx context.Context, r request) (*http.Request, []byte, error) {
	var payload []byte
	kind := "application/json"
	switch {
	case r.form != nil:
		payload, kind = []byte(r.form.Encode()), "application/x-www-form-urlencoded"
	case r.body != nil:
		var err error
		if payload, err = json.Marshal(r.body); err != nil {
			return nil, nil, err
		}
	}
	u := r.url
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(payload))
	if err != nil {
		return nil, nil, sqlerr.New(sqlerr.Invalid, "%s: %w", r.op, err)
	}
	req.Header.Set("User-Agent", "lakeport")
	req.Header.Set("Accept", "application/json")
	if payload != nil {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range c.o.Headers {
		req.Header.Set(name, value)
	}
	delegation := "none"
	if c.o.Vended {
		delegation = "vended-credentials"
	}
	if !r.plain {
		req.Header.Set("X-Iceberg-Access-Delegation", delegation)
	}
	return req, payload, nil
}

// authorize signs the request, or gives it the token.
func (c *Client) authorize(ctx context.Context, req *http.Request, payload []byte, plain bool) error {
	if plain {
		return nil
	}
	token, err := c.bearer(ctx)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.o.Signer == nil {
		return nil
	}
	keys, err := c.o.Signer.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(payload)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	return c.signer.SignHTTP(ctx, keys, req, hash, c.o.Signer.Name, c.o.Signer.Region, c.o.Now())
}

// bearer gives the token: the one that was given, or one that is fetched and
// renewed a minute before it ends.
func (c *Client) bearer(ctx context.Context) (string, error) {
	if !c.o.Token.Empty() {
		return c.o.Token.Reveal(), nil
	}
	if c.o.Credential.Empty() {
		return "", nil
	}
	c.mu.Lock()
	token, fresh := c.token, c.token != "" && (c.expires.IsZero() || c.o.Now().Before(c.expires.Add(-time.Minute)))
	c.mu.Unlock()
	if fresh {
		return token, nil
	}
	id, key, found := strings.Cut(c.o.Credential.Reveal(), ":")
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"catalog"}}
	if c.o.Scope != "" {
		form.Set("scope", c.o.Scope)
	}
	if c.o.Audience != "" {
		form.Set("audience", c.o.Audience)
	}
	if found {
		form.Set("client_id", id)
		form.Set("client_secret", key)
	} else {
		form.Set("client_secret", id)
	}
	at := c.o.TokenURI
	if at == "" {
		at = c.o.URI + "/v1/oauth/tokens"
	}
	var out struct {
		Token   string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
	}
	asked := c.o.Now()
	if err := c.do(ctx, request{op: "get a token", method: http.MethodPost, url: at, form: form, plain: true}, &out); err != nil {
		return "", err
	}
	if out.Token == "" {
		return "", sqlerr.New(sqlerr.Corrupt, "get a token: the answer of %s has no access_token", at)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.expires = out.Token, time.Time{}
	if out.Seconds > 0 {
		c.expires = asked.Add(time.Duration(out.Seconds) * time.Second)
	}
	return out.Token, nil
}

// forget drops a token that is not accepted any more; it tells whether another
// can be had.
func (c *Client) forget() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	had := c.token != ""
	c.token = ""
	return had
}

// refusal reads an answer that is no success.
func refusal(op string, status int, body []byte) error {
	e := &Error{Op: op, Status: status, Type: http.StatusText(status), Message: strings.TrimSpace(string(body[:min(len(body), 500)]))}
	var model struct {
		Error struct {
			Message string `json:"message"`
			Type    string `json:"type"`
		} `json:"error"`
	}
	var aws struct { // as AWS's own front refuses, before the catalog sees a request
		Message string `json:"message"`
		Capital string `json:"Message"`
		Type    string `json:"__type"`
	}
	if json.Unmarshal(body, &model) == nil && model.Error.Type != "" {
		e.Type, e.Message = model.Error.Type, model.Error.Message
	} else if json.Unmarshal(body, &aws) == nil && aws.Message+aws.Capital != "" {
		e.Message = aws.Message + aws.Capital
		if aws.Type != "" {
			e.Type = aws.Type[strings.LastIndexByte(aws.Type, '#')+1:]
		}
	}
	return e
}

// settings asks the catalog for its configuration, once.
func (c *Client) settings(ctx context.Context) (*config, error) {
	c.mu.Lock()
	known := c.config
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	c.asking(GetConfig, "", "")
	query := url.Values{}
	if c.o.Warehouse != "" {
		query.Set("warehouse", c.o.Warehouse)
	}
	var out struct {
		Defaults  map[string]string `json:"defaults"`
		Overrides map[string]string `json:"overrides"`
	}
	if err := c.do(ctx, request{op: "get the catalog's configuration", method: http.MethodGet, url: c.o.URI + "/v1/config", query: query}, &out); err != nil {
		return nil, err
	}
	said := func(key string) string {
		if v, ok := out.Overrides[key]; ok {
			return v
		}
		return out.Defaults[key]
	}
	cfg := &config{base: c.o.URI + "/v1", separator: "%1F"}
	if prefix := strings.Trim(said("prefix"), "/"); prefix != "" {
		cfg.base += "/" + prefix // spelled as it stands in a path
	}
	if s := said("namespace-separator"); s != "" {
		cfg.separator = s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config = cfg
	return cfg, nil
}
