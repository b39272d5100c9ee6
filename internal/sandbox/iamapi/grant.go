package iamapi

import (
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// holders is one kind of entity that holds policies.
type holders struct {
	word, param string // "role", "RoleName"
	inlineLimit int    // characters of all inline policies together
	read        func(a *world.Account, name string) (world.Holder, error)
	edit        func(a *world.Account, name string) (world.Holder, error)
}

// attachLimit is how many managed policies a holder takes ("IAM and STS
// quotas", the default).
const attachLimit = 10

var (
	users = holders{"user", "UserName", iam.MaxInlineUser,
		func(a *world.Account, name string) (world.Holder, error) { return holder(a.User(name)) },
		func(a *world.Account, name string) (world.Holder, error) { return holder(a.EditUser(name)) }}
	groups = holders{"group", "GroupName", iam.MaxInlineGroup,
		func(a *world.Account, name string) (world.Holder, error) { return holder(a.Group(name)) },
		func(a *world.Account, name string) (world.Holder, error) { return holder(a.EditGroup(name)) }}
	roles = holders{"role", "RoleName", iam.MaxInlineRole,
		func(a *world.Account, name string) (world.Holder, error) { return holder(a.Role(name)) },
		func(a *world.Account, name string) (world.Holder, error) { return holder(a.EditRole(name)) }}
)

// holder keeps a nil pointer from becoming a Holder that is not nil.
func holder[T world.Holder](h T, err error) (world.Holder, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

// grantCalls is the seven calls on the policies of a kind of holder.
type grantCalls struct{ holders }

func inlineOf(h holders) grantCalls { return grantCalls{h} }

func (g grantCalls) change(r *request, f func(inline *[]world.Inline, attached *[]world.Attached) error) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		h, err := g.edit(a, r.get(g.param))
		if err != nil {
			return err
		}
		return f(h.Grants())
	}))
}

// at is the place of an inline policy, or NoSuchEntity.
func (g grantCalls) at(list []world.Inline, name string) (int, error) {
	i := slices.IndexFunc(list, func(p world.Inline) bool { return strings.EqualFold(p.Name, name) })
	if i < 0 {
		return 0, refuse("NoSuchEntity", fmt.Sprintf("The %s policy with name %s cannot be found.", g.word, name))
	}
	return i, nil
}

func (g grantCalls) put(r *request) (any, error) {
	if _, err := identityDocument(r.get("PolicyDocument")); err != nil {
		return nil, err
	}
	return g.change(r, func(inline *[]world.Inline, _ *[]world.Attached) error {
		p := world.Inline{Name: r.get("PolicyName"), Document: world.NewDocument(r.get("PolicyDocument"))}
		if i, err := g.at(*inline, p.Name); err == nil {
			(*inline)[i] = p
		} else {
			*inline = append(*inline, p)
		}
		size := 0
		for _, p := range *inline {
			if d := p.Document.Parsed(); d != nil {
				size += d.Size()
			}
		}
		if size > g.inlineLimit {
			return refuse("LimitExceeded", fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s %s", g.inlineLimit, g.word, r.get(g.param)))
		}
		return nil
	})
}

func (g grantCalls) get(r *request) (any, error) {
	h, err := g.read(r.account, r.get(g.param))
	if err != nil {
		return nil, err
	}
	inline, _ := h.Grants()
	i, err := g.at(*inline, r.get("PolicyName"))
	if err != nil {
		return nil, err
	}
	p := (*inline)[i]
	return inlineAnswer{g.param, r.get(g.param), p.Name, escaped(p.Document.Text())}, nil
}

func (g grantCalls) list(r *request) (any, error) {
	h, err := g.read(r.account, r.get(g.param))
	if err != nil {
		return nil, err
	}
	inline, _ := h.Grants()
	out, more, err := paged(r, *inline, func(p world.Inline) string { return p.Name })
	return struct {
		PolicyNames query.List[string]
		page
	}{out, more}, err
}

func (g grantCalls) delete(r *request) (any, error) {
	return g.change(r, func(inline *[]world.Inline, _ *[]world.Attached) error {
		i, err := g.at(*inline, r.get("PolicyName"))
		if err == nil {
			*inline = slices.Delete(*inline, i, i+1)
		}
		return err
	})
}

func (g grantCalls) attach(r *request) (any, error) {
	arn := r.get("PolicyArn")
	p := r.state.PolicyByARN(arn)
	if p == nil || !r.reaches(arn) {
		return nil, refuse("NoSuchEntity", "Policy "+arn+" does not exist or is not attachable.")
	}
	return g.change(r, func(_ *[]world.Inline, attached *[]world.Attached) error {
		if slices.ContainsFunc(*attached, func(a world.Attached) bool { return a.ARN == arn }) {
			return nil
		}
		if len(*attached) >= attachLimit {
			kind := strings.ToUpper(g.word[:1]) + g.word[1:]
			return refuse("LimitExceeded", fmt.Sprintf("Cannot exceed quota for PoliciesPer%s: %d", kind, attachLimit))
		}
		*attached = append(*attached, world.Attached{Name: p.Name, ARN: arn})
		return nil
	})
}

func (g grantCalls) detach(r *request) (any, error) {
	arn := r.get("PolicyArn")
	return g.change(r, func(_ *[]world.Inline, attached *[]world.Attached) error {
		i := slices.IndexFunc(*attached, func(a world.Attached) bool { return a.ARN == arn })
		if i < 0 {
			return refuse("NoSuchEntity", "Policy "+arn+" was not found.")
		}
		*attached = slices.Delete(*attached, i, i+1)
		return nil
	})
}

func (g grantCalls) listAttached(r *request) (any, error) {
	h, err := g.read(r.account, r.get(g.param))
	if err != nil {
		return nil, err
	}
	_, attached := h.Grants()
	var items []world.Attached
	for _, a := range *attached {
		if p := r.state.PolicyByARN(a.ARN); r.get("PathPrefix") == "" || p != nil && strings.HasPrefix(p.Path, r.get("PathPrefix")) {
			items = append(items, a)
		}
	}
	out, more, err := paged(r, items, attachedOf)
	return struct {
		AttachedPolicies query.List[attachedShape]
		page
	}{out, more}, err
}

func attachedOf(a world.Attached) attachedShape { return attachedShape{a.Name, a.ARN} }
