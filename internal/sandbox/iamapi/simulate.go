package iamapi

import (
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

type positionShape struct{ Line, Column int }

type statementShape struct {
	SourcePolicyID   string `xml:"SourcePolicyId"`
	SourcePolicyType string
	StartPosition    positionShape
	EndPosition      positionShape
}

type boundaryDetail struct{ AllowedByPermissionsBoundary bool }

type evaluation struct {
	EvalActionName                    string
	EvalResourceName                  string
	EvalDecision                      string
	MatchedStatements                 query.List[statementShape]
	MissingContextValues              query.List[string]
	PermissionsBoundaryDecisionDetail *boundaryDetail
	ResourceSpecificResults           query.List[resourceResult]
}

type resourceResult struct {
	EvalResourceName                  string
	EvalResourceDecision              string
	MatchedStatements                 query.List[statementShape]
	MissingContextValues              query.List[string]
	PermissionsBoundaryDecisionDetail *boundaryDetail
}

var decisions = map[iam.Effect]string{iam.Allow: "allowed", iam.ExplicitDeny: "explicitDeny", iam.ImplicitDeny: "implicitDeny"}

// simulation is what both simulators share: policies and a caller.
type simulation struct {
	policies  iam.Policies
	principal iam.Principal
	types     map[string]string // SourcePolicyType by policy name or ARN
	nobody    bool              // the principal is made up: nothing is known of who calls
}

// source is the user, group or role of PolicySourceArn; groups have no id to
// look policies up by.
func (r *request) source() (h world.Holder, id string, err error) {
	arn := r.get("PolicySourceArn")
	if u := r.state.UserByARN(arn); u != nil {
		return u, u.ID, nil
	}
	if role := r.state.RoleByARN(arn); role != nil {
		return role, role.ID, nil
	}
	for _, g := range r.account.Groups {
		if g.ARN == arn {
			return g, "", nil
		}
	}
	return nil, "", refuse("NoSuchEntity", "The entity "+arn+" cannot be found.")
}

func simulatePrincipal(r *request) (any, error) {
	holder, id, err := r.source()
	if err != nil {
		return nil, err
	}
	sim := simulation{types: map[string]string{}}
	if id != "" {
		sim.policies.Identity, sim.policies.Boundary = r.state.Grants(id)
	} else {
		sim.policies.Identity = r.state.GrantsOf(holder)
	}
	switch e := holder.(type) {
	case *world.User:
		sim.principal = iam.Principal{Kind: iam.User, Account: r.account.ID, ARN: e.ARN, ID: e.ID}
		sim.name("user")
	case *world.Role:
		sim.principal = world.SessionPrincipal(r.account.ID, e, "simulation")
		sim.name("role")
	default:
		sim.principal = iam.Principal{Kind: iam.User, Account: r.account.ID, ARN: world.ARN(r.account.ID, "user", "/", "simulation")}
		sim.nobody = true
		sim.name("group")
	}
	return r.simulate(&sim)
}

// name gives the inline policies of the source their type.
func (s *simulation) name(kind string) {
	for _, p := range s.policies.Identity {
		switch {
		case strings.HasPrefix(p.ARN, "arn:aws:iam::aws:"):
			s.types[p.ARN] = "aws-managed"
		case p.ARN != "":
			s.types[p.ARN] = "user-managed"
		default:
			s.types[p.Name] = kind
		}
	}
}

func simulateCustom(r *request) (any, error) {
	sim := simulation{types: map[string]string{}, nobody: true}
	sim.principal = iam.Principal{Kind: iam.User, Account: r.account.ID, ARN: world.ARN(r.account.ID, "user", "/", "simulation")}
	if len(query.Members(r.form, "PolicyInputList")) == 0 {
		return nil, refuse("InvalidInput", "PolicyInputList must have at least one policy.")
	}
	return r.simulate(&sim)
}

// inputs reads a list of policy documents.
func (r *request) inputs(list string, kind iam.PolicyKind) ([]iam.Policy, error) {
	var out []iam.Policy
	for i, text := range query.Members(r.form, list) {
		d, err := iam.Parse([]byte(text))
		if err != nil {
			return nil, refuse("InvalidInput", fmt.Sprintf("Invalid %s.%d: %v", list, i+1, err))
		}
		out = append(out, iam.Policy{Kind: kind, Name: fmt.Sprintf("%s.%d", list, i+1), Document: d})
	}
	return out, nil
}

// complete adds to the simulation what the call gives besides its source.
func (r *request) complete(sim *simulation) error {
	for _, name := range []string{"ResourceHandlingOption", "OrderedOrganizationPolicyInputList.member.1"} {
		if r.has(name) {
			return refuse("InvalidInput", "The sandbox does not implement the parameter "+strings.TrimSuffix(name, ".member.1")+" of the simulator.")
		}
	}
	inputs, err := r.inputs("PolicyInputList", iam.IdentityPolicy)
	if err != nil {
		return err
	}
	sim.policies.Identity = append(slices.Clip(sim.policies.Identity), inputs...)
	boundaries, err := r.inputs("PermissionsBoundaryPolicyInputList", iam.Boundary)
	if err != nil {
		return err
	}
	if len(boundaries) > 0 {
		sim.policies.Boundary = &boundaries[0]
	}
	if text := r.get("ResourcePolicy"); text != "" {
		d, err := iam.Parse([]byte(text))
		if err != nil {
			return refuse("InvalidInput", "Invalid ResourcePolicy: "+err.Error())
		}
		stored, _ := r.state.StorePrincipals(d)
		sim.policies.Resource = &iam.Policy{Kind: iam.ResourcePolicy, Name: "ResourcePolicy", Document: stored}
		sim.types["ResourcePolicy"] = "resource"
	}
	if arn := r.get("CallerArn"); arn != "" {
		u := r.state.UserByARN(arn)
		if u == nil {
			return refuse("InvalidInput", "Invalid Entity Arn: "+arn)
		}
		sim.principal, sim.nobody = iam.Principal{Kind: iam.User, Account: r.account.ID, ARN: u.ARN, ID: u.ID}, false
	}
	return nil
}

// simulate decides every action on every resource.
func (r *request) simulate(sim *simulation) (any, error) {
	if err := r.complete(sim); err != nil {
		return nil, err
	}
	actions, resources := query.Members(r.form, "ActionNames"), query.Members(r.form, "ResourceArns")
	if len(actions) == 0 {
		return nil, refuse("InvalidInput", "ActionNames must have at least one action.")
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	set, ctx := iam.Compile(sim.policies), r.contextEntries(sim)
	var all []evaluation
	for _, action := range actions {
		if service, name, ok := strings.Cut(action, ":"); !ok || service == "" || name == "" {
			return nil, refuse("InvalidInput", "Invalid Action Name: "+action)
		}
		all = append(all, r.evaluate(sim, set, action, resources, ctx))
	}
	out, more, err := paged(r, all, func(e evaluation) evaluation { return e })
	return struct {
		EvaluationResults query.List[evaluation]
		page
	}{out, more}, err
}

// contextEntries is the keys that the caller has and that the call gives.
func (r *request) contextEntries(sim *simulation) iam.Context {
	ctx := iam.Context{}
	if !sim.nobody {
		sim.principal.Identify(ctx)
	}
	for _, e := range query.Structs(r.form, "ContextEntries") {
		ctx[strings.ToLower(e.Get("ContextKeyName"))] = query.Members(e, "ContextKeyValues")
	}
	return ctx
}

func (r *request) evaluate(sim *simulation, set *iam.Set, action string, resources []string, ctx iam.Context) evaluation {
	out := evaluation{EvalActionName: action, EvalResourceName: resources[0]}
	for i, arn := range resources {
		request := iam.Request{Principal: sim.principal, Action: action, Context: ctx,
			Resource: iam.Resource{ARN: arn, Account: r.owner(arn)}}
		d := set.Explain(&request)
		one := resourceResult{EvalResourceName: arn, EvalResourceDecision: decisions[d.Effect], MissingContextValues: d.Missing}
		for _, m := range d.Matched {
			if m.Deny || d.Effect != iam.ExplicitDeny {
				one.MatchedStatements = append(one.MatchedStatements, sim.statement(m))
			}
		}
		if sim.policies.Boundary != nil {
			one.PermissionsBoundaryDecisionDetail = &boundaryDetail{boundaryAllows(d)}
		}
		if len(resources) > 1 {
			out.ResourceSpecificResults = append(out.ResourceSpecificResults, one)
		}
		// The whole is as good as its worst resource.
		if i == 0 || d.Effect != iam.Allow && out.EvalDecision == "allowed" {
			out.EvalResourceName, out.EvalDecision, out.MatchedStatements = arn, one.EvalResourceDecision, one.MatchedStatements
			out.MissingContextValues, out.PermissionsBoundaryDecisionDetail = one.MissingContextValues, one.PermissionsBoundaryDecisionDetail
		}
	}
	return out
}

// owner is the account of a simulated resource.
func (r *request) owner(arn string) string {
	if owner := r.get("ResourceOwner"); owner != "" {
		parts := strings.Split(owner, ":")
		if len(parts) > 4 {
			return parts[4]
		}
		return owner
	}
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[4] != "" {
		return parts[4]
	}
	return r.account.ID
}

func boundaryAllows(d iam.Decision) bool {
	allowed := false
	for _, m := range d.Matched {
		if m.Kind == iam.Boundary {
			if m.Deny {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

func (s *simulation) statement(m iam.Match) statementShape {
	id := m.Policy
	if m.ARN != "" {
		id = m.ARN
	}
	kind := s.types[id]
	if kind == "" {
		kind = "none" // a policy of the call itself
	}
	return statementShape{m.Policy, kind, positionShape{m.Start.Line, m.Start.Column}, positionShape{m.End.Line, m.End.Column}}
}

// contextKeys is the condition keys that documents ask for.
func contextKeys(documents []*iam.Document) any {
	var keys []string
	for _, d := range documents {
		if d != nil {
			keys = append(keys, d.ContextKeys()...)
		}
	}
	slices.Sort(keys)
	return struct{ ContextKeyNames query.List[string] }{slices.Compact(keys)}
}

func contextKeysForCustom(r *request) (any, error) {
	return r.contextKeysOf(nil)
}

func contextKeysForPrincipal(r *request) (any, error) {
	holder, id, err := r.source()
	if err != nil {
		return nil, err
	}
	policies := r.state.GrantsOf(holder)
	if id != "" {
		policies, _ = r.state.Grants(id)
	}
	return r.contextKeysOf(policies)
}

func (r *request) contextKeysOf(policies []iam.Policy) (any, error) {
	inputs, err := r.inputs("PolicyInputList", iam.IdentityPolicy)
	if err != nil {
		return nil, err
	}
	var documents []*iam.Document
	for _, p := range append(slices.Clip(policies), inputs...) {
		documents = append(documents, p.Document)
	}
	return contextKeys(documents), nil
}
