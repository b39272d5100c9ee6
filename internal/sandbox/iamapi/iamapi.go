// Package iamapi is the API of AWS Identity and Access Management: the calls
// that make and change the identities of the world, and the policy simulator.
package iamapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

const namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// Service is IAM; it implements sandbox.Service.
type Service struct{ world *world.World }

// New makes IAM for the identities of w.
func New(w *world.World) *Service { return &Service{w} }

// operation is one action: which parameters it takes, what it needs and what
// it does. Parameter names are separated by blanks.
type operation struct {
	required, optional string
	on                 target
	do                 func(*request) (any, error)
}

// request is one call as an operation sees it.
type request struct {
	*Service
	call    *sandbox.Call
	form    url.Values
	state   *world.State
	account *world.Account // the caller's, to read
}

// get is a parameter, empty if it is absent.
func (r *request) get(name string) string { return r.form.Get(name) }

// has tells whether a parameter was sent, be it empty.
func (r *request) has(name string) bool { return r.form.Has(name) }

// change runs f on the caller's account and makes the changes last.
func (r *request) change(f func(a *world.Account) error) error {
	return r.world.Update(func(s *world.State) error { return f(s.Edit(r.account.ID)) })
}

func (s *Service) request(c *sandbox.Call) *request {
	state := s.world.State()
	return &request{s, c, c.Form(), state, state.Accounts[c.Caller.Principal.Account]}
}

// Name is the signing name.
func (s *Service) Name() string { return "iam" }

// Needs implements sandbox.Service.
func (s *Service) Needs(c *sandbox.Call) ([]sandbox.Need, error) {
	name := c.Form().Get("Action")
	op, ok := operations[name]
	if !ok {
		return nil, query.UnknownAction(c.Form())
	}
	c.Action = "iam:" + name
	if k := c.Caller.Principal.Kind; (k == iam.User || k == iam.Root) && !c.Caller.IssuedAt.IsZero() && !c.Caller.MFA {
		// "You cannot call any IAM API operations unless MFA authentication
		// information is included in the request" (GetSessionToken).
		return nil, fail(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid")
	}
	r := s.request(c)
	if err := r.check(op); err != nil {
		return nil, err
	}
	needs, err := op.on(r)
	if entity, creates := strings.CutPrefix(name, "Create"); creates && err == nil && r.has("Tags.member.1.Key") {
		// "To create a role and tag it at the same time, you must have both
		// permissions" (IAM User Guide, "Tags for AWS IAM resources").
		tagging := needs[0]
		tagging.Action = "iam:Tag" + entity
		needs = append(needs, tagging)
	}
	return needs, err
}

// Policy implements sandbox.Service: nothing in IAM has a policy that guards
// IAM's own calls.
func (s *Service) Policy(string) *iam.Policy { return nil }

// Serve implements sandbox.Service.
func (s *Service) Serve(w http.ResponseWriter, c *sandbox.Call) error {
	result, err := operations[c.Form().Get("Action")].do(s.request(c))
	var refused *world.Error
	if errors.As(err, &refused) {
		return fail(statuses[refused.Code], refused.Code, refused.Message)
	}
	if err != nil {
		return err
	}
	return query.Write(w, c, namespace, result)
}

// Fail implements sandbox.Service.
func (s *Service) Fail(w http.ResponseWriter, _ *http.Request, requestID string, err *sandbox.APIError) {
	query.Fail(w, requestID, namespace, err)
}

// statuses are those of IAM's error codes ("Common errors" and the errors of
// each action in the IAM API reference).
var statuses = map[string]int{
	"NoSuchEntity": 404, "EntityAlreadyExists": 409, "DeleteConflict": 409, "LimitExceeded": 409,
	"InvalidInput": 400, "MalformedPolicyDocument": 400, "UnmodifiableEntity": 400, "PolicyNotAttachable": 400,
	"ConcurrentModification": 409, "ValidationError": 400, "PolicyEvaluation": 500,
}

func fail(status int, code, message string) *sandbox.APIError {
	return &sandbox.APIError{Status: status, Code: code, Message: message}
}

// refuse is an error that Serve gives its status.
func refuse(code, message string) error { return &world.Error{Code: code, Message: message} }

// nothing is an operation's result where it has none.
func nothing(err error) (any, error) { return nil, err }

// Name shapes of the service model.
const nameChars = `[\w+=,.@-]+`

var rules = map[string]query.Rule{
	"UserName": query.Text(1, 64, nameChars), "NewUserName": query.Text(1, 64, nameChars),
	"GroupName": query.Text(1, 128, nameChars), "NewGroupName": query.Text(1, 128, nameChars),
	"RoleName": query.Text(1, 64, nameChars), "PolicyName": query.Text(1, 128, nameChars),
	"InstanceProfileName": query.Text(1, 128, nameChars),
	"Path":                query.Text(1, 512, `(\x{002F})|(\x{002F}[\x{0021}-\x{007E}]+\x{002F})`),
	"NewPath":             query.Text(1, 512, `(\x{002F})|(\x{002F}[\x{0021}-\x{007E}]+\x{002F})`),
	"PathPrefix":          query.Text(1, 512, `\x{002F}[\x{0021}-\x{007F}]*`),
	"PolicyDocument":      documentRule, "AssumeRolePolicyDocument": documentRule, "ResourcePolicy": documentRule,
	"PolicyArn": query.Text(20, 2048, ""), "PermissionsBoundary": query.Text(20, 2048, ""),
	"PolicySourceArn": query.Text(20, 2048, ""), "OpenIDConnectProviderArn": query.Text(20, 2048, ""),
	"AccessKeyId": query.Text(16, 128, `[\w]+`), "Status": query.OneOf("Active", "Inactive", "Expired"),
	"VersionId": query.Text(0, 0, `v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`), "MaxItems": query.Number(1, 1000),
	"MaxSessionDuration": query.Number(3600, 43200), "Description": query.Text(0, 1000, ""),
	"Scope": query.OneOf("All", "AWS", "Local"), "PolicyUsageFilter": query.OneOf("PermissionsPolicy", "PermissionsBoundary"),
	"EntityFilter": query.OneOf("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"),
	"Url":          query.Text(1, 255, ""), "ClientID": query.Text(1, 255, ""), "Thumbprint": query.Text(40, 40, ""),
	"AccountAlias": query.Text(3, 63, `[a-z0-9](-?[a-z0-9])+`),
	"TagKey":       query.Text(1, 128, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`),
	"TagValue":     query.Text(0, 256, `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`),
}

var documentRule = query.Text(1, iam.MaxDocument, `[\x{0009}\x{000A}\x{000D}\x{0020}-\x{00FF}]+`)

// check tells what is wrong with the parameters.
func (r *request) check(op operation) error {
	check := query.Check(r.form, rules).Required(strings.Fields(op.required)...).Optional(strings.Fields(op.optional)...)
	tags := query.Structs(r.form, "Tags")
	for i, t := range tags {
		at := "tags." + itoa(i+1) + ".member."
		check.Value("TagKey", at+"key", t.Get("Key"))
		check.Value("TagValue", at+"value", t.Get("Value"))
	}
	check.Count("Tags", len(tags), 50)
	return check.Err()
}
