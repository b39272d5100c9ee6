package sts

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// assumption is an AssumeRole call of either kind whose parameters are sound.
type assumption struct {
	arn            string
	session        string
	seconds        int
	policies       []string
	policyARNs     []string
	tags           map[string]string // passed with the call or in the web identity
	transitive     []string          // of tags
	sourceIdentity string
	chained        bool // the caller is itself a session of a role
	inherited      map[string]string
	identity       *webIdentity // nil for AssumeRole
}

// chainLimit is the longest session of a role that a role's session assumes
// (IAM User Guide, "Role chaining").
const chainLimit = 3600

// prepareAssumeRole checks an AssumeRole call up to authorization.
func (s *Service) prepareAssumeRole(c *sandbox.Call) ([]sandbox.Need, error) {
	form := c.Form()
	a, err := readAssumption(form, "RoleArn", "RoleSessionName")
	if err != nil {
		return nil, err
	}
	check := query.Check(form, rules).Optional("ExternalId", "SourceIdentity", "SerialNumber", "TokenCode")
	if err := check.Err(); err != nil {
		return nil, err
	}
	if a.tags, a.transitive, err = readTags(form); err != nil {
		return nil, err
	}
	switch {
	case c.Caller.Principal.Kind == iam.Root:
		return nil, denied("Roles may not be assumed by root accounts.")
	case form.Get("ProvidedContexts.member.1.ProviderArn") != "":
		return nil, query.Invalid("ProvidedContexts are of IAM Identity Center, which the sandbox does not have.")
	}
	if err := refuseMFA(c); err != nil {
		return nil, err
	}
	if a.chained = !c.Caller.IssuedAt.IsZero(); a.chained && a.seconds > chainLimit {
		return nil, query.Invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if err := a.inherit(c.Caller, form.Get("SourceIdentity")); err != nil {
		return nil, err
	}
	c.Prepared = a
	return s.needs(c, a, "sts:AssumeRole"), nil
}

// readAssumption reads what AssumeRole and AssumeRoleWithWebIdentity share.
func readAssumption(form url.Values, required ...string) (*assumption, error) {
	check := query.Check(form, rules).Required(required...).Optional("DurationSeconds", "Policy")
	a := &assumption{arn: form.Get("RoleArn"), session: form.Get("RoleSessionName"), seconds: 3600}
	for i, p := range query.Structs(form, "PolicyArns") {
		check.Value("PolicyArn", "policyArns."+strconv.Itoa(i+1)+".member.arn", p.Get("arn"))
		a.policyARNs = append(a.policyARNs, p.Get("arn"))
	}
	check.Count("PolicyArns", len(a.policyARNs), 10)
	if err := check.Err(); err != nil {
		return nil, err
	}
	// Assumed: both texts are seen in the wild, not documented.
	switch parts := strings.SplitN(a.arn, ":", 6); {
	case len(parts) != 6 || parts[0] != "arn":
		return nil, query.Invalid(a.arn + " is invalid")
	case parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/"):
		return nil, query.Invalid("Request ARN is invalid")
	}
	if text := form.Get("DurationSeconds"); text != "" {
		a.seconds, _ = strconv.Atoi(text)
	}
	if policy := form.Get("Policy"); policy != "" {
		if _, faults := iam.Check([]byte(policy), iam.SessionPolicy); len(faults) > 0 {
			return nil, refused("MalformedPolicyDocument", faults[0].Message)
		}
		if len(policy)+len(strings.Join(a.policyARNs, "")) > iam.MaxSession {
			// Assumed: the text.
			return nil, query.Invalid("The plaintext of the session policies is longer than 2048 characters.")
		}
		a.policies = []string{policy}
	}
	return a, nil
}

// readTags reads the session tags of an AssumeRole call.
func readTags(form url.Values) (map[string]string, []string, error) {
	tags := map[string]string{}
	transitive := query.Members(form, "TransitiveTagKeys")
	structs := query.Structs(form, "Tags")
	check := query.Check(form, rules)
	for i, t := range structs {
		at := "tags." + strconv.Itoa(i+1) + ".member."
		check.Value("TagKey", at+"key", t.Get("Key"))
		check.Value("TagValue", at+"value", t.Get("Value"))
	}
	check.Count("Tags", len(structs), 50)
	check.Count("TransitiveTagKeys", len(transitive), 50)
	if err := check.Err(); err != nil {
		return nil, nil, err
	}
	for _, t := range structs {
		key := t.Get("Key")
		if _, ok := lookup(tags, key); ok {
			return nil, nil, refused("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			// Assumed: the text; the texts of the other faults of tags are AWS's.
			return nil, nil, refused("InvalidParameterValue", "Tag keys beginning with 'aws:' are reserved for system use.")
		}
		tags[key] = t.Get("Value")
	}
	return tags, transitive, nil
}

// lookup finds a tag without regard to case.
func lookup(tags map[string]string, key string) (string, bool) {
	for k := range tags {
		if strings.EqualFold(k, key) {
			return k, true
		}
	}
	return "", false
}

// inherit applies what the calling session passes on: IAM User Guide, "Pass
// session tags in AWS STS" and "Monitor and control actions taken with
// assumed roles".
func (a *assumption) inherit(caller sandbox.Caller, sourceIdentity string) error {
	a.sourceIdentity = sourceIdentity
	if caller.SourceIdentity != "" {
		if sourceIdentity != "" && sourceIdentity != caller.SourceIdentity {
			// As AWS has been seen to answer; the page says only that it cannot
			// be changed.
			return query.Invalid("The source identity is already set for this assume role session")
		}
		a.sourceIdentity = caller.SourceIdentity
	}
	a.inherited = map[string]string{}
	for _, key := range caller.TransitiveTags {
		if _, passed := lookup(a.tags, key); passed {
			return refused("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		a.inherited[key] = caller.Tags[key]
	}
	for _, key := range a.transitive {
		_, passed := lookup(a.tags, key)
		_, inherited := lookup(a.inherited, key)
		if !passed && !inherited {
			return refused("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

// needs is the actions that the caller, and the role's trust policy, must
// allow (IAM User Guide, "Permissions to add session tags").
func (s *Service) needs(c *sandbox.Call, a *assumption, action string) []sandbox.Need {
	role := iam.Resource{ARN: a.arn, Account: roleAccount(a.arn)}
	ctx := a.context(c.Form())
	if r := s.world.State().RoleByARN(a.arn); r != nil {
		for _, t := range r.Tags {
			ctx["aws:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
			ctx["iam:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
		}
	}
	needs := []sandbox.Need{{Action: action, Resource: role, Context: ctx}}
	if len(a.tags)+len(a.inherited) > 0 {
		needs = append(needs, sandbox.Need{Action: "sts:TagSession", Resource: role, Context: ctx})
	}
	if a.sourceIdentity != "" {
		needs = append(needs, sandbox.Need{Action: "sts:SetSourceIdentity", Resource: role, Context: ctx})
	}
	return needs
}

// context is the keys of "IAM and AWS STS condition context keys".
func (a *assumption) context(form url.Values) iam.Context {
	ctx := iam.Context{"sts:rolesessionname": {a.session}}
	set := func(key, value string) {
		if value != "" {
			ctx[key] = []string{value}
		}
	}
	set("sts:externalid", form.Get("ExternalId"))
	set("sts:durationseconds", form.Get("DurationSeconds"))
	set("sts:sourceidentity", a.sourceIdentity)
	all := maps.Clone(a.inherited)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, a.tags)
	for key, value := range all {
		ctx["aws:requesttag/"+strings.ToLower(key)] = []string{value}
	}
	if len(all) > 0 {
		ctx["aws:tagkeys"] = slices.Sorted(maps.Keys(all))
	}
	if keys := append(slices.Clone(a.transitive), slices.Sorted(maps.Keys(a.inherited))...); len(keys) > 0 {
		ctx["sts:transitivetagkeys"] = keys
	}
	if a.identity != nil {
		maps.Copy(ctx, a.identity.context())
	}
	return ctx
}

// roleAccount is the account part of an ARN, empty if it has none.
func roleAccount(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

type assumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

type assumed struct {
	Credentials      credentials
	AssumedRoleUser  assumedRoleUser
	PackedPolicySize *int   `xml:",omitempty"`
	SourceIdentity   string `xml:",omitempty"`

	Subject  string `xml:"SubjectFromWebIdentityToken,omitempty"`
	Provider string `xml:",omitempty"`
	Audience string `xml:",omitempty"`
}

// assumeRole makes the session. The caller is entitled to it: what is refused
// from here on tells nothing to strangers.
func (s *Service) assumeRole(c *sandbox.Call) (any, error) {
	a := c.Prepared.(*assumption)
	state := s.world.State()
	role := state.RoleByARN(a.arn)
	if role == nil {
		return nil, denied("User: " + c.Caller.Principal.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + a.arn)
	}
	account := roleAccount(a.arn)
	if a.seconds > role.MaxSession {
		// A default of an hour is never too long.
		return nil, query.Invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	for _, arn := range a.policyARNs {
		if state.PolicyByARN(arn) == nil || roleAccount(arn) != account && roleAccount(arn) != "aws" {
			// Assumed: the text.
			return nil, query.Invalid("The managed policy " + arn + " does not exist in the account of the role.")
		}
	}
	tags := maps.Clone(a.inherited)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, a.tags)
	now := s.world.Now()
	session := &world.Session{Account: account, Subject: role.ID, Name: a.session, IssuedAt: now,
		Expires: now.Add(time.Duration(a.seconds) * time.Second), Tags: tags, SourceIdentity: a.sourceIdentity,
		Transitive: a.passingOn(), Policies: a.policies, PolicyARNs: a.policyARNs, MFA: c.Caller.MFA}
	if a.identity != nil {
		session.Provider = a.identity.provider.ARN
	}
	creds, percent, err := s.issue(session)
	if err != nil {
		return nil, err
	}
	p := world.SessionPrincipal(account, role, a.session)
	out := assumed{Credentials: creds, AssumedRoleUser: assumedRoleUser{p.ID, p.ARN}, SourceIdentity: a.sourceIdentity}
	if percent > 0 {
		out.PackedPolicySize = &percent
	}
	if a.identity != nil {
		out.Subject, out.Provider, out.Audience = a.identity.claims.Subject, a.identity.provider.ARN, a.identity.claims.audience()
	}
	return out, nil
}

// passingOn is the keys of the session's transitive tags.
func (a *assumption) passingOn() []string {
	keys := slices.Sorted(maps.Keys(a.inherited))
	for _, key := range a.transitive {
		if k, ok := lookup(a.tags, key); ok && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

var _ sandbox.Service = (*Service)(nil)
