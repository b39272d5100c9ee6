// Package sts is the AWS Security Token Service of the sandbox: who a caller
// is, and sessions of roles and users.
package sts

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Service is STS; it implements sandbox.Service.
type Service struct {
	world *world.World
	keys  keySource
}

// New makes STS for the identities of w.
func New(w *world.World) *Service { return &Service{world: w} }

// operation is one action. prepare checks the parameters, and gives the needs
// and what serve goes on with.
type operation struct {
	prepare func(*Service, *sandbox.Call) ([]sandbox.Need, error)
	serve   func(*Service, *sandbox.Call) (any, error)
}

var operations = map[string]operation{
	"AssumeRole":                 {(*Service).prepareAssumeRole, (*Service).assumeRole},
	"AssumeRoleWithWebIdentity":  {(*Service).prepareWebIdentity, (*Service).assumeRole},
	"GetCallerIdentity":          {free, (*Service).callerIdentity},
	"GetSessionToken":            {free, (*Service).sessionToken},
	"GetAccessKeyInfo":           {free, (*Service).accessKeyInfo},
	"DecodeAuthorizationMessage": {decodeNeeds, (*Service).decodeMessage},
}

// rules are the constraints of the STS API reference.
var rules = map[string]query.Rule{
	"RoleArn":          query.Text(20, 2048, `[\x{0009}\x{000A}\x{000D}\x{0020}-\x{007E}\x{0085}\x{00A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`),
	"RoleSessionName":  query.Text(2, 64, `[\w+=,.@-]*`),
	"DurationSeconds":  query.Number(900, 43200),
	"ExternalId":       query.Text(2, 1224, `[\w+=,.@:\/-]*`),
	"SourceIdentity":   query.Text(2, 64, `[\w+=,.@-]*`),
	"SerialNumber":     query.Text(9, 256, `[\w+=/:,.@-]*`),
	"TokenCode":        query.Text(6, 6, `[\d]*`),
	"Policy":           query.Text(1, 0, `[\x{0009}\x{000A}\x{000D}\x{0020}-\x{00FF}]+`),
	"PolicyArn":        query.Text(20, 2048, ""),
	"TagKey":           query.Text(1, 128, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`),
	"TagValue":         query.Text(0, 256, `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`),
	"WebIdentityToken": query.Text(4, 20000, ""),
	"AccessKeyId":      query.Text(16, 128, `[\w]*`),
	"EncodedMessage":   query.Text(1, 10240, ""),
}

// Name is the signing name.
func (s *Service) Name() string { return "sts" }

// Needs implements sandbox.Service.
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	op, ok := operations[c.Form().Get("Action")]
	if !ok {
		return nil, query.UnknownAction(c.Form())
	}
	c.Action = "sts:" + c.Form().Get("Action")
	return op.prepare(s, c)
}

// Policy is the trust policy of a role, and nothing for anything else.
func (s *Service) Policy(arn string) *iam.Policy {
	if !strings.HasPrefix(arn, "arn:") {
		return nil
	}
	return s.world.State().TrustPolicy(arn)
}

// Serve implements sandbox.Service.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	result, err := operations[c.Form().Get("Action")].serve(s, c)
	if err != nil {
		return err
	}
	return query.Write(w, c, namespace, result)
}

// Fail implements sandbox.Service.
func (s *Service) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	query.Fail(w, requestID, namespace, err)
}

func denied(message string) *sandbox.APIError {
	return &sandbox.APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: message}
}

func refused(code, message string) *sandbox.APIError {
	return &sandbox.APIError{Status: http.StatusBadRequest, Code: code, Message: message}
}

// free is the table of needs of actions that no policy can take away (STS API
// Reference, GetCallerIdentity, GetSessionToken).
func free(_ *Service, c *sandbox.Call) ([]sandbox.Need, error) {
	return []sandbox.Need{{Action: c.Action, Resource: iam.Resource{ARN: "*", Account: c.Caller.Principal.Account}, Free: true}}, nil
}

func decodeNeeds(_ *Service, c *sandbox.Call) ([]sandbox.Need, error) {
	return []sandbox.Need{{Action: c.Action, Resource: iam.Resource{ARN: "*", Account: c.Caller.Principal.Account}}},
		query.Check(c.Form(), rules).Required("EncodedMessage").Err()
}

// ofSession tells whether a user or root signs with credentials of
// GetSessionToken.
func ofSession(c *sandbox.Call) bool {
	k := c.Caller.Principal.Kind
	return !c.Caller.IssuedAt.IsZero() && (k == iam.User || k == iam.Root)
}

type callerIdentity struct {
	UserID  string `xml:"UserId"`
	Account string
	Arn     string
}

func (s *Service) callerIdentity(c *sandbox.Call) (any, error) {
	p := c.Caller.Principal
	return callerIdentity{p.ID, p.Account, p.ARN}, nil
}

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// issue makes the credentials of a session.
func (s *Service) issue(t *world.Session) (credentials, int, error) {
	token, percent, err := s.world.Issue(t)
	if errors.Is(err, world.ErrTooLarge) {
		return credentials{}, 0, refused("PackedPolicyTooLarge",
			fmt.Sprintf("Packed size of session tags consumes %d%% of allotted space.", percent))
	}
	if err != nil {
		return credentials{}, 0, err
	}
	return credentials{t.AccessKeyID, t.Secret.Reveal(), token, t.Expires}, percent, nil
}

func (s *Service) sessionToken(c *sandbox.Call) (any, error) {
	if !c.Caller.IssuedAt.IsZero() {
		return nil, denied("Cannot call GetSessionToken with session credentials")
	}
	check := query.Check(c.Form(), map[string]query.Rule{"DurationSeconds": query.Number(900, 129600)})
	if err := check.Optional("DurationSeconds").Err(); err != nil {
		return nil, err
	}
	if err := refuseMFA(c); err != nil {
		return nil, err
	}
	seconds := 43200
	if text := c.Form().Get("DurationSeconds"); text != "" {
		seconds, _ = strconv.Atoi(text)
	}
	if c.Caller.Principal.Kind == iam.Root {
		// "Credentials that are created by using account credentials ...
		// have a maximum of 3,600 seconds" (GetSessionToken).
		seconds = min(seconds, 3600)
	}
	now := s.world.Now()
	out, _, err := s.issue(&world.Session{Account: c.Caller.Principal.Account, Subject: c.Caller.Principal.ID,
		IssuedAt: now, Expires: now.Add(time.Duration(seconds) * time.Second)})
	return struct{ Credentials credentials }{out}, err
}

// refuseMFA answers calls with an MFA code: nobody in the sandbox has a device.
func refuseMFA(c *sandbox.Call) error {
	if c.Form().Get("SerialNumber") == "" && c.Form().Get("TokenCode") == "" {
		return nil
	}
	return denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
}

func (s *Service) accessKeyInfo(c *sandbox.Call) (any, error) {
	if ofSession(c) {
		return nil, denied("Cannot call GetAccessKeyInfo with session credentials")
	}
	if err := query.Check(c.Form(), rules).Required("AccessKeyId").Err(); err != nil {
		return nil, err
	}
	id := c.Form().Get("AccessKeyId")
	account, ok := s.world.State().KeyAccount(id)
	if !ok {
		account, ok = world.AccountOf(id)
	}
	if !ok || len(id) != 20 || !slices.Contains([]string{"AKIA", "ASIA"}, id[:4]) {
		return nil, refused("ValidationError", "Invalid Access Key ID: "+id)
	}
	return struct{ Account string }{account}, nil
}

func (s *Service) decodeMessage(c *sandbox.Call) (any, error) {
	text, err := s.world.OpenMessage(c.Form().Get("EncodedMessage"))
	if err != nil {
		return nil, refused("InvalidAuthorizationMessageException", "Message is not valid")
	}
	return struct{ DecodedMessage string }{text}, nil
}
