package sandbox

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/imds"
	"lakeport/internal/sandbox/world"
	"lakeport/internal/sigv4"
)

// Options say where a sandbox lives and what it begins with.
type Options struct {
	// Dir holds the sandbox's database. It is made if missing.
	Dir string
	// Data holds the master key and, in a world made without a file,
	// root.json with the root user's keys; empty means Dir.
	Data  string
	World io.Reader // world file, read only where Dir holds no world yet; nil makes one account
	// Reset forgets the identities in Dir and reads World. What services
	// keep (buckets, tables) stays.
	Reset bool
	Now   func() time.Time // the real clock; nil means time.Now
	Log   *slog.Logger     // nil discards
}

// Server is the sandbox. Add is called before Handler serves; everything else
// may be used from many goroutines.
type Server struct {
	db       *bbolt.DB
	world    *world.World
	clock    clock
	log      *slog.Logger
	services map[string]Service
	verifier sigv4.Verifier
	faults   faults
	journal  journal
}

// Open opens the sandbox of o.Dir, which one process may have open at a time.
func Open(o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	path := filepath.Join(o.Dir, "sandbox.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("open sandbox %s: %w", path, err)
	}
	s := &Server{db: db, log: o.Log, services: map[string]Service{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.clock.base = o.Now
	if s.clock.base == nil {
		s.clock.base = time.Now
	}
	if o.Data == "" {
		o.Data = o.Dir
	}
	s.world, err = world.Open(world.Options{DB: db, Dir: o.Data, File: o.World, Reset: o.Reset, Now: s.Now})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open sandbox: %w", err), db.Close())
	}
	s.verifier.Now = s.Now
	s.verifier.Key = s.secretOf
	return s, nil
}

// Close stops the sandbox's use of its directory.
func (s *Server) Close() error { return errors.Join(s.world.Close(), s.db.Close()) }

// Add makes the server answer for one more service.
func (s *Server) Add(service Service) { s.services[service.Name()] = service }

// Now is the sandbox's clock, which its users can move.
func (s *Server) Now() time.Time { return s.clock.now() }

// DB is the sandbox's database; services keep their state in buckets of it.
func (s *Server) DB() *bbolt.DB { return s.db }

// World is the identities.
func (s *Server) World() *world.World { return s.world }

// Handler answers for all services and for the instruments.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Record adds to the decision log what was decided outside of a signed call.
func (s *Server) Record(e Entry) { s.journal.add(e) }

// Metadata is the host's instance metadata service, which belongs on a
// listener of its own.
func (s *Server) Metadata() http.Handler { return imds.New(s.world, s.Now) }

// serve carries one request from the wire to its answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := &Call{Request: r, RequestID: newRequestID(), Now: s.Now(), server: s}
	a := &answer{ResponseWriter: w, call: c, start: time.Now()}
	w.Header().Set("Date", c.Now.UTC().Format(http.TimeFormat)) // clients compare it with their own clock
	defer s.finish(c, a)
	result, err := s.verifier.Verify(r)
	if err != nil {
		s.refuse(a, c, err)
		return
	}
	if err := s.identify(c, result); err != nil {
		s.refuse(a, c, err)
		return
	}
	if strings.HasPrefix(r.URL.Path, instrumentPrefix) {
		s.instrument(a, c)
		return
	}
	service, apiErr := s.route(c)
	if apiErr != nil {
		s.fail(a, c, apiErr)
		return
	}
	s.call(a, c, service)
}

// call decides what the call needs, and lets the service run.
func (s *Server) call(a *answer, c *Call, service Service) {
	needs, err := service.Needs(c)
	if err != nil {
		s.refuse(a, c, undeclared(c, err))
		return
	}
	fault := s.faults.pick(c.Service, c.Action)
	if stop := s.applyFault(a, c, fault); stop {
		return
	}
	defer func() {
		if a.lost {
			panic(http.ErrAbortHandler) // net/http's word for cutting the connection
		}
	}()
	for _, n := range needs {
		if d := c.May(n); d.Effect != iam.Allow {
			s.fail(a, c, c.Denied(n, d))
			return
		}
	}
	a.guarded = true
	err = service.Serve(a, c)
	a.guarded = false
	switch {
	case c.decided == 0:
		s.log.Error("call ended without a decision and was denied", "service", c.Service, "action", c.Action, "request", c.RequestID)
		clear(a.Header())
		s.fail(a, c, deniedByDefault(c))
	case err != nil:
		s.refuse(a, c, err)
	}
}

// undeclared turns any error of Needs that is not AWS's own into a denial: the
// action has no entry in the service's table.
func undeclared(c *Call, err error) error {
	var api *APIError
	var auth *sigv4.Error
	if errors.As(err, &api) || errors.As(err, &auth) {
		return err
	}
	c.server.log.Warn("call without an entry in the table of needs was denied", "service", c.Service, "action", c.Action,
		"request", c.RequestID, "error", err)
	return fmt.Errorf("%w: %w", deniedByDefault(c), err)
}

// refuse answers any error of a call.
func (s *Server) refuse(a *answer, c *Call, err error) {
	if c.Service == "" {
		service, _ := s.appearance(c)
		c.become(service)
		c.Action = c.announced()
	}
	var api *APIError
	var auth *sigv4.Error
	switch {
	case errors.As(err, &api):
	case errors.As(err, &auth):
		api = AuthError(c.Service, auth)
		c.Caller.AccessKeyID = auth.AccessKeyID
	default:
		s.log.Error("call broke", "service", c.Service, "action", c.Action, "request", c.RequestID, "error", err)
		api = internalError(c.Service)
	}
	if c.detail = err.Error(); c.detail == api.Error() {
		c.detail = ""
	}
	s.fail(a, c, api)
}

// fail writes an error unless the answer has begun.
func (s *Server) fail(a *answer, c *Call, err *APIError) {
	if a.status != 0 {
		return
	}
	c.failure = err.Code
	for k, v := range err.Headers {
		a.Header().Set(k, v)
	}
	service := s.services[c.Service]
	if service == nil {
		failPlainly(a, c, err)
		return
	}
	service.Fail(a, c.Request, c.RequestID, err)
}

// failPlainly answers for a service that is not there, in a form that the
// clients of most services read.
func failPlainly(w http.ResponseWriter, c *Call, err *APIError) {
	if c.Request.Header.Get("X-Amz-Target") != "" {
		writeJSON(w, err.Status, map[string]string{"__type": err.Code, "message": err.Message})
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(err.Status)
	body := struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Code: err.Code, Message: err.Message, RequestID: c.RequestID}
	xml.NewEncoder(w).Encode(body) // a client that is gone hears nothing
}

// identify fills in who signed the call.
func (s *Server) identify(c *Call, result *sigv4.Result) error {
	c.Body, c.Region = result.Body, result.Region
	if result.Anonymous {
		c.Region = "us-east-1"
		return nil
	}
	c.become(result.Service)
	who, err := s.world.Identify(result.AccessKeyID, result.SessionToken)
	if err != nil {
		return err
	}
	c.who = who
	c.Caller = Caller{Principal: who.Principal, AccessKeyID: who.AccessKeyID, Presigned: result.Presigned, Tags: who.Tags}
	if t := who.Session; t != nil {
		c.Caller.IssuedAt, c.Caller.Expires, c.Caller.SourceIdentity = t.IssuedAt, t.Expires, t.SourceIdentity
		c.Caller.TransitiveTags, c.Caller.MFA = t.Transitive, t.MFA
	}
	s.world.Touch(who, c.Service, c.Region)
	return nil
}

// secretOf is the verifier's source of keys.
func (s *Server) secretOf(accessKeyID, token string) (string, error) {
	who, err := s.world.Identify(accessKeyID, token)
	if err != nil {
		return "", err
	}
	return who.Secret.Reveal(), nil
}

// route finds the service of the call.
func (s *Server) route(c *Call) (Service, *APIError) {
	looks, sure := s.appearance(c)
	signed := c.Service
	if c.who == nil {
		c.become(looks)
		if looks == "s3" || c.action() == "AssumeRoleWithWebIdentity" || c.action() == "AssumeRoleWithSAML" {
			if err := c.readForm(); err != nil {
				return nil, internalError(looks)
			}
			if service := s.services[looks]; service != nil {
				return service, nil
			}
		}
		return nil, unsignedError(looks)
	}
	if sure && looks != signed && s.services[looks] != nil {
		c.become(looks)
		return nil, wrongService(looks, signed)
	}
	service := s.services[signed]
	if service == nil {
		return nil, &APIError{Status: http.StatusNotImplemented, Code: "NotImplemented",
			Message: fmt.Sprintf("The sandbox has no service %q: it has %s.", signed, s.serviceNames())}
	}
	if !validRegion(c.Region) {
		return nil, wrongRegion(signed, c.Region)
	}
	return service, nil
}

// targets is the services of the JSON protocols by the first part of
// X-Amz-Target, versions those of the query protocol by the API's version.
var (
	targets = map[string]string{"AWSGlue": "glue", "TrentService": "kms", "RedshiftServerless": "redshift-serverless"}

	versions = map[string]string{"2010-05-08": "iam", "2012-12-01": "redshift", "2014-10-31": "rds"}
)

// appearance is the service that a request is for by its form alone; sure is
// false where it only may be so.
func (s *Server) appearance(c *Call) (service string, sure bool) {
	r := c.Request
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, _, _ := strings.Cut(target, ".")
		if service, ok := targets[prefix]; ok {
			return service, true
		}
		return strings.ToLower(prefix), true
	}
	if r.URL.Path == "/" || r.URL.Path == "" {
		if err := c.readForm(); err == nil && c.action() != "" {
			if service, ok := versions[c.form.Get("Version")]; ok {
				return service, true
			}
			return "sts", true
		}
	}
	if c.Service != "" {
		return c.Service, false
	}
	return "s3", false
}

// readForm parses the query string and a form in the body, once. The body
// stays readable.
func (c *Call) readForm() error {
	if c.form != nil {
		return nil
	}
	r := c.Request
	c.form = r.URL.Query()
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil
	}
	if c.Body == nil && r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxUnsignedBody))
		if err != nil {
			return err
		}
		c.Body, r.Body = body, io.NopCloser(bytes.NewReader(body))
	}
	values, err := parseForm(c.Body)
	for k, v := range values {
		c.form[k] = append(c.form[k], v...)
	}
	return err
}

// maxUnsignedBody bounds what is read of a body before anyone is known.
const maxUnsignedBody = 1 << 20

// Form is the parameters of a call in the query protocol: the query string's
// and those of a form in the body.
func (c *Call) Form() url.Values {
	if err := c.readForm(); err != nil {
		return url.Values{}
	}
	return c.form
}

// become makes the call one of a service; S3's request ids are shorter.
func (c *Call) become(service string) {
	c.Service = service
	if id := strings.ReplaceAll(c.RequestID, "-", ""); speaks(service) == s3Protocol && len(id) > 16 {
		c.RequestID = strings.ToUpper(id[:16])
	}
}

// announced is the action that the request names, for the log of calls that
// no service has seen; empty where the method and path say it.
func (c *Call) announced() string {
	if _, name, ok := strings.Cut(c.Request.Header.Get("X-Amz-Target"), "."); ok {
		return c.Service + ":" + name
	}
	if name := c.action(); name != "" {
		return c.Service + ":" + name
	}
	return ""
}

func (c *Call) action() string { return c.form.Get("Action") }

// newRequestID has the form of AWS's: a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// errUndecided stops a service that answers before anything was decided.
var errUndecided = errors.New("the call has not been decided")

func (s *Server) serviceNames() string {
	return strings.Join(slices.Sorted(maps.Keys(s.services)), ", ")
}
