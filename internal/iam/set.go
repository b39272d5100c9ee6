package iam

import "slices"

// Set is everything that bears on one principal and one resource, compiled.
// It is not changed after Compile and may be used from many goroutines.
type Set struct {
	layers  []layer // in the order in which denials are reported
	guard   PolicyKind
	bounded bool // the principal has a permissions boundary
	// start is what each kind gives before its layers are read: everything,
	// except the resource's policy where there is none.
	start [kinds]grant
}

const kinds = KeyGrant + 1

// layer is policies of one kind, any of which may allow. Service and resource
// control policies have one layer per level of the organization.
type layer struct {
	kind  PolicyKind
	level int // of the organization, from 0
	rules []rule
}

// rule is one compiled statement.
type rule struct {
	deny   bool
	never  bool // an Allow with an unknown condition operator, or malformed
	source *Statement
	policy *Policy
	index  int

	actions     []pattern
	notAction   bool
	resources   []arnPattern
	notResource bool
	implied     bool // a trust policy's statement: its resource is the role
	who         principals
	everyone    bool // the statement names no principals and needs none
	conditions  []condition
}

// Compile prepares policies for deciding. It does not validate: what Validate
// refuses is compiled so that it grants nothing. A document may be compiled
// into many sets.
func Compile(p Policies) *Set {
	s := &Set{guard: ResourcePolicy, bounded: p.Boundary != nil}
	for i := range s.start {
		s.start[i] = all
	}
	for level, policies := range p.Service {
		s.add(ServiceControl, level, policies)
	}
	for level, policies := range p.ResourceControl {
		s.add(ResourceControl, level, policies)
	}
	s.add(IdentityPolicy, 0, p.Identity)
	if p.Boundary != nil {
		s.add(Boundary, 0, []Policy{*p.Boundary})
	}
	if p.Session != nil {
		s.add(SessionPolicy, 0, p.Session)
	}
	if p.Grants == nil {
		s.start[KeyGrant] = 0
	} else {
		s.add(KeyGrant, 0, p.Grants)
	}
	if p.Resource != nil {
		if k := p.Resource.Kind; k == TrustPolicy || k == KeyPolicy {
			s.guard = k
		}
		s.add(s.guard, 0, []Policy{*p.Resource})
	} else {
		s.start[ResourcePolicy] = 0
	}
	return s
}

func (s *Set) add(kind PolicyKind, level int, policies []Policy) {
	l := layer{kind: kind, level: level}
	for i := range policies {
		p := &policies[i]
		if p.Document == nil {
			continue
		}
		for j := range p.Document.Statements {
			l.rules = append(l.rules, compileRule(p, kind, j))
		}
	}
	s.layers = append(s.layers, l)
}

func compileRule(p *Policy, kind PolicyKind, index int) rule {
	st := &p.Document.Statements[index]
	variables := p.Document.Version == version2012
	r := rule{
		deny:   st.Effect != "Allow", // an Effect that Validate refuses grants nothing
		source: st, policy: p, index: index,
		notAction:   st.Action == nil && st.NotAction != nil,
		notResource: st.Resource == nil && st.NotResource != nil,
		implied:     kind == TrustPolicy && st.Resource == nil && st.NotResource == nil,
	}
	r.never = !r.deny && (st.Action != nil && st.NotAction != nil ||
		st.Resource != nil && st.NotResource != nil || st.Principal != nil && st.NotPrincipal != nil)
	for _, a := range slices.Concat(st.Action, st.NotAction) {
		r.actions = append(r.actions, compilePattern(a.Text, syntax{wildcards: true, fold: true}))
	}
	for _, a := range slices.Concat(st.Resource, st.NotResource) {
		r.resources = append(r.resources, compileARN(a.Text, variables, false))
	}
	switch {
	case st.Principal != nil:
		r.who = compilePrincipals(st.Principal, false)
	case st.NotPrincipal != nil:
		r.who = compilePrincipals(st.NotPrincipal, true)
	default:
		r.everyone = !guards(kind)
	}
	for i := range st.Conditions {
		c, known := compileCondition(&st.Conditions[i], variables)
		if !known {
			// What the condition asks is not known, so it must not open
			// anything: the Allow never applies, the Deny always does.
			r.never, r.conditions = !r.deny, nil
			break
		}
		r.conditions = append(r.conditions, c)
	}
	return r
}

// guards tells whether policies of the kind are attached to a resource and so
// must name principals.
func guards(k PolicyKind) bool {
	return k == ResourcePolicy || k == TrustPolicy || k == KeyPolicy || k == KeyGrant
}

// query is one request while it is decided. trace is nil in Decide.
type query struct {
	r        *Request
	resource arn
	bounded  bool
	trace    *Decision
}

// Decide answers the request. It allocates nothing, and agrees with Explain.
func (s *Set) Decide(r *Request) Effect {
	q := query{r: r, resource: arn{text: r.Resource.ARN}, bounded: s.bounded}
	effect, _, _ := s.evaluate(&q)
	return effect
}

// Explain answers the request and tells the part that every statement has in
// the answer.
func (s *Set) Explain(r *Request) Decision {
	var d Decision
	q := query{r: r, resource: arn{text: r.Resource.ARN}, bounded: s.bounded, trace: &d}
	d.Effect, d.Reason, d.Kind = s.evaluate(&q)
	d.finish(r)
	return d
}

// evaluate is the whole decision: an explicit deny anywhere first, then what
// the kinds of policy give together.
func (s *Set) evaluate(q *query) (Effect, Reason, PolicyKind) {
	given, denied, by := s.start, false, PolicyKind(0)
	for i := range s.layers {
		l := &s.layers[i]
		g, deny := l.read(q)
		if deny && !denied {
			denied, by = true, l.kind
			if q.trace == nil {
				break
			}
		}
		given[l.kind] &= g
	}
	if denied {
		return ExplicitDeny, DeniedExplicitly, by
	}
	p := &q.r.Principal
	belongs := p.Kind == Root || p.Kind == User || p.Kind == Role
	resource := given[s.guard]
	if s.guard != ResourcePolicy && p.Kind == Anonymous {
		resource = 0 // "*" in a trust or key policy is everyone who signs
	}
	byName := resource&(anyone|itself) != 0
	switch {
	case belongs && given[ServiceControl] == 0:
		return ImplicitDeny, NoServiceControlAllow, ServiceControl
	case given[ResourceControl] == 0:
		return ImplicitDeny, NoResourceControlAllow, ResourceControl
	case given[KeyGrant] != 0:
		// A grant spares both policies, across accounts too, but lifts no cap
		// (AWS KMS Developer Guide, "Grants in AWS KMS").
		if reason, kind := atCaller(&given, p, false); reason != AllowedByIdentity {
			return ImplicitDeny, reason, kind
		}
		return Allow, AllowedByGrant, KeyGrant
	case !belongs:
		return s.atResource(resource, AllowedByResource)
	case q.r.Resource.Account != "" && p.Account != q.r.Resource.Account:
		if reason, kind := atCaller(&given, p, true); reason != AllowedByIdentity {
			return ImplicitDeny, reason, kind
		}
		return s.atResource(resource, AllowedByBoth)
	case s.guard != ResourcePolicy && resource == 0:
		return s.atResource(resource, AllowedByResource)
	case byName:
		return Allow, AllowedByResource, s.guard
	case p.Kind == Root:
		return Allow, AllowedAsRoot, IdentityPolicy
	}
	reason, kind := atCaller(&given, p, resource&throughRole == 0)
	if reason != AllowedByIdentity {
		return ImplicitDeny, reason, kind
	}
	if resource&throughRole != 0 {
		return Allow, AllowedByResource, s.guard
	}
	return Allow, AllowedByIdentity, IdentityPolicy
}

// atResource is the resource's own side of a decision.
func (s *Set) atResource(g grant, allowed Reason) (Effect, Reason, PolicyKind) {
	if g != 0 {
		return Allow, allowed, s.guard
	}
	switch s.guard {
	case TrustPolicy:
		return ImplicitDeny, NoTrustAllow, s.guard
	case KeyPolicy:
		return ImplicitDeny, NoKeyAllow, s.guard
	}
	return ImplicitDeny, NoResourceAllow, s.guard
}

// atCaller is the caller's own side: its identity policies unless the
// resource spares them, capped by boundary and session policy.
func atCaller(given *[kinds]grant, p *Principal, needIdentity bool) (Reason, PolicyKind) {
	switch {
	case p.Kind == Root:
	case needIdentity && given[IdentityPolicy] == 0:
		return NoIdentityAllow, IdentityPolicy
	case given[Boundary] == 0:
		return NoBoundaryAllow, Boundary
	case given[SessionPolicy] == 0:
		return NoSessionAllow, SessionPolicy
	}
	return AllowedByIdentity, IdentityPolicy
}

// read applies every rule of the layer: what its allows give, and whether one
// denies. Without a trace it stops at the first deny.
func (l *layer) read(q *query) (g grant, deny bool) {
	for i := range l.rules {
		r := &l.rules[i]
		if q.trace == nil && !r.deny && g&(anyone|itself) != 0 {
			continue // nothing can be added to that
		}
		// The resource first: most statements are about another one, and a
		// literal head tells that fastest.
		on := r.on(q)
		if q.trace == nil && !on || !r.covers(q.r.Action) {
			continue
		}
		who := r.reaches(q)
		applies := on && who != 0 && r.met(q.r.Context)
		if q.trace != nil {
			q.trace.note(l, r, q, who, applies)
		}
		switch {
		case !applies:
		case !r.deny:
			g |= who
		case q.trace == nil:
			return 0, true
		default:
			deny = true
		}
	}
	return g, deny
}

func (r *rule) covers(action string) bool {
	for i := range r.actions {
		if p := &r.actions[i]; p.may(action) && p.match(action, nil) {
			return !r.notAction
		}
	}
	return r.notAction
}

func (r *rule) reaches(q *query) grant {
	if r.everyone {
		return anyone
	}
	return r.who.reach(&q.r.Principal, r.deny, q.bounded)
}

func (r *rule) on(q *query) bool {
	for i := range r.resources {
		if p := &r.resources[i]; p.whole.may(q.resource.text) && p.match(&q.resource, q.r.Context) {
			return !r.notResource
		}
	}
	return r.notResource || r.implied
}

func (r *rule) met(ctx Context) bool {
	for i := range r.conditions {
		if !r.conditions[i].holds(ctx) {
			return false
		}
	}
	return !r.never
}
