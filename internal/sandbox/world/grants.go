package world

import (
	"strings"
	"sync"

	"lakeport/internal/iam"
)

// setKey names a compiled set: who asks, under which session policies, and
// the document that guards the resource.
type setKey struct {
	subject  string // unique id of user or role; account for root; empty for others
	session  string // access key id, if the session has policies of its own
	resource *iam.Document
	kind     iam.PolicyKind
	guarded  bool // a resource policy exists
}

// Set compiles all policies that bear on who, nil for the anonymous and for
// services, and on a resource's policy, nil if it has none. Sets are kept
// until something changes in the world; a service that gives the same
// Document until its policy changes spares the work. grants are those of a
// KMS key that apply to the one request; a set with any is not kept.
func (w *World) Set(who *Identity, resource *iam.Policy, grants ...iam.Policy) *iam.Set {
	s := w.State()
	if len(grants) > 0 {
		p := s.policies(who, resource)
		p.Grants = grants
		return iam.Compile(p)
	}
	var key setKey
	if who != nil {
		key.subject = subjectOf(who.Principal)
		if t := who.Session; t != nil && (len(t.documents) > 0 || len(t.PolicyARNs) > 0) {
			key.session = t.AccessKeyID
		}
	}
	if resource != nil {
		key.resource, key.kind, key.guarded = resource.Document, resource.Kind, true
	}
	// A missing document says nothing of which resource it guards, so that
	// its set would be told under another's name.
	keep := !key.guarded || key.resource != nil
	if keep {
		if set, ok := s.sets.get(key); ok {
			return set
		}
	}
	set := iam.Compile(s.policies(who, resource))
	if keep {
		s.sets.put(key, set)
	}
	return set
}

func subjectOf(p iam.Principal) string {
	if p.Kind == iam.Role {
		return p.RoleID
	}
	return p.ID
}

func (s *State) policies(who *Identity, resource *iam.Policy) iam.Policies {
	p := iam.Policies{Resource: resource}
	if who == nil {
		return p
	}
	p.Identity, p.Boundary = s.Grants(subjectOf(who.Principal))
	if t := who.Session; t != nil && (len(t.documents) > 0 || len(t.PolicyARNs) > 0) {
		p.Session = []iam.Policy{}
		for _, d := range t.documents {
			p.Session = append(p.Session, iam.Policy{Kind: iam.SessionPolicy, Name: "session-policy", Document: d.Parsed()})
		}
		for _, arn := range t.PolicyARNs {
			p.Session = append(p.Session, s.managed(arn, iam.SessionPolicy))
		}
	}
	return p
}

// Grants gives the identity policies and the boundary of a user or role by
// its unique id. Others have none.
func (s *State) Grants(id string) (identity []iam.Policy, boundary *iam.Policy) {
	switch e := s.byID[id].(type) {
	case *User:
		identity = s.grantsOf(identity, e)
		a := s.Accounts[accountOf(e.ARN)]
		for _, name := range e.Groups {
			if g := a.Groups.Find(name); g != nil {
				identity = s.grantsOf(identity, g)
			}
		}
		boundary = s.boundary(e.Boundary)
	case *Role:
		identity = s.grantsOf(identity, e)
		boundary = s.boundary(e.Boundary)
	}
	return identity, boundary
}

// accountOf is the account part of an ARN that is known to be well-formed.
func accountOf(arn string) string { return arn[len("arn:aws:iam::"):][:12] }

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// GrantsOf gives the policies of one holder alone.
func (s *State) GrantsOf(h Holder) []iam.Policy { return s.grantsOf(nil, h) }

func (s *State) grantsOf(to []iam.Policy, h Holder) []iam.Policy {
	inline, attached := h.Grants()
	for _, p := range *inline {
		to = append(to, iam.Policy{Kind: iam.IdentityPolicy, Name: p.Name, Document: p.Document.Parsed()})
	}
	for _, p := range *attached {
		to = append(to, s.managed(p.ARN, iam.IdentityPolicy))
	}
	return to
}

// managed is the version in force; a policy that is gone allows nothing.
func (s *State) managed(arn string, kind iam.PolicyKind) iam.Policy {
	p := iam.Policy{Kind: kind, Name: lastPart(arn), ARN: arn}
	if record := s.PolicyByARN(arn); record != nil {
		if v := record.DefaultVersion(); v != nil {
			p.Document = v.Document.Parsed()
		}
	}
	return p
}

func (s *State) boundary(b *Boundary) *iam.Policy {
	if b == nil {
		return nil
	}
	p := s.managed(b.ARN, iam.Boundary)
	return &p
}

// TrustPolicy is the trust policy of the role of an ARN. A role that does not
// exist has one that allows nothing: the caller cannot tell the difference.
func (s *State) TrustPolicy(arn string) *iam.Policy {
	p := &iam.Policy{Kind: iam.TrustPolicy, Name: arn}
	if r := s.RoleByARN(arn); r != nil {
		p.Document = r.Trust.Parsed()
	}
	return p
}

// cache keeps a bounded number of answers and forgets all when it is full.
// The zero cache is empty.
type cache[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

const cacheLimit = 8192

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.m[k]
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= cacheLimit {
		c.m = map[K]V{}
	}
	c.m[k] = v
}
