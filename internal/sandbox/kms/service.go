// Package kms is the sandbox's AWS Key Management Service: symmetric keys with
// their policies, aliases, grants and tags, and what is encrypted under them,
// for callers and for S3 in its callers' names. Asymmetric and HMAC keys,
// imported and multi-Region keys and custom key stores are refused by name.
//
// Shapes, limits and error codes are those of the AWS KMS API Reference; what
// each call needs follows its page "AWS KMS permissions".
package kms

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/secret"
)

// Options is what a Service stands on.
type Options struct {
	DB  *bbolt.DB        // the world's file; the Service keeps to its own bucket
	Box *secret.Box      // seals the keys' material
	Now func() time.Time // the clock that records are stamped by; nil: time.Now
	// Principals gives the present world's view of the principals that key
	// policies and grants name.
	Principals func() Principals
}

// Principals turns the ARNs of users and roles into unique ids and back.
type Principals interface {
	StorePrincipals(*iam.Document) (stored *iam.Document, unknown []string)
	ReadPrincipals(*iam.Document) *iam.Document
}

// Service is KMS of all accounts and regions. It implements sandbox.Service
// and is safe for concurrent use.
type Service struct {
	store      *store
	now        func() time.Time
	principals func() Principals
}

// New opens KMS over the world's file.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	st, err := openStore(o.DB, o.Box)
	if err != nil {
		return nil, fmt.Errorf("open KMS: %w", err)
	}
	return &Service{store: st, now: o.Now, principals: o.Principals}, nil
}

// Name is the signing name.
func (s *Service) Name() string { return "kms" }

const targetPrefix = "TrentService."

// operation is one call of the API. One without needs is refused by name.
type operation struct {
	needs func(*call) ([]sandbox.Need, error)
	run   func(*call) (any, error)
}

// call is one operation under way.
type call struct {
	*Service
	*sandbox.Call
	action  string // in the outer call of another service not the call's own
	account string // the caller's
	in      *input
	// What the needs found and run goes on with.
	key   *key
	other *key // ReEncrypt: the key to encrypt under
	alias string
	blob  *blob // of a ciphertext that was sent
	grant *grant
}

// Needs finds the operation and the keys that it uses.
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	name, ok := strings.CutPrefix(c.Request.Header.Get("X-Amz-Target"), targetPrefix)
	op, known := operations[name]
	if !ok || !known {
		return nil, fail("UnknownOperationException", "the sandbox has no operation %q of KMS", c.Request.Header.Get("X-Amz-Target"))
	}
	c.Action = "kms:" + name
	if op.needs == nil {
		return nil, fail("UnsupportedOperationException", "The sandbox does not implement kms:%s.", name)
	}
	q := &call{Service: s, Call: c, action: c.Action, account: c.Caller.Principal.Account, in: &input{}}
	if err := json.Unmarshal(c.Body, q.in); err != nil {
		return nil, malformed(err)
	}
	if err := q.in.check(name); err != nil {
		return nil, err
	}
	c.Prepared = q
	needs, err := op.needs(q)
	if err != nil {
		return nil, err
	}
	// KMS words some denials as it alone does, so that it decides itself.
	for _, n := range needs {
		if d := c.May(n); d.Effect != iam.Allow {
			return nil, q.denied(n, d)
		}
	}
	return nil, nil
}

// Serve carries out the operation.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	q := c.Prepared.(*call)
	out, err := operations[strings.TrimPrefix(c.Action, "kms:")].run(q)
	if err != nil {
		return err
	}
	head(w, c.RequestID)
	if out == nil {
		return nil // "If the action is successful, the service sends back an HTTP 200 response with an empty HTTP body."
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the answer of %s: %w", c.Action, err)
	}
	_, err = w.Write(body)
	return err
}

// Policy is the policy of a key.
func (s *Service) Policy(arn string) *iam.Policy {
	if k := s.store.find(arn); k != nil {
		return k.guard
	}
	if strings.Contains(arn, ":key/") {
		return &iam.Policy{Kind: iam.KeyPolicy, Name: arn} // a key that is gone allows nothing
	}
	return nil
}

// Fail answers in JSON 1.1's form.
func (s *Service) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	field := "message"
	if err.Code == "AccessDeniedException" {
		field = "Message"
	}
	body, _ := json.Marshal(map[string]string{"__type": err.Code, field: err.Message})
	head(w, requestID)
	w.WriteHeader(err.Status)
	_, _ = w.Write(body) // a client that is gone hears nothing
}

func head(w http.ResponseWriter, requestID string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", requestID)
}

func fail(code, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *sandbox.APIError {
	return fail("ValidationException", format, args...)
}

func notFound(format string, args ...any) *sandbox.APIError {
	return fail("NotFoundException", format, args...)
}

// malformed tells what is wrong with a body that does not fit its shape.
func malformed(err error) *sandbox.APIError {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fail("SerializationException", "%s can not be converted to %s at %s", wrong.Value, wrong.Type, wrong.Field)
	}
	return fail("SerializationException", "the body is not JSON: %v", err)
}

var _ sandbox.Service = (*Service)(nil)
