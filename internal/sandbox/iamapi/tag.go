package iamapi

import (
	"slices"
	"strings"

	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

// tagged is one kind of entity that has tags: it gives the list to read, or to
// change if edit is set.
type tagged func(r *request, a *world.Account, edit bool) (*[]world.Tag, error)

func userTags(r *request, a *world.Account, edit bool) (*[]world.Tag, error) {
	u, err := pick(a.User, a.EditUser, edit, r.get("UserName"))
	return &u.Tags, err
}

func roleTags(r *request, a *world.Account, edit bool) (*[]world.Tag, error) {
	role, err := pick(a.Role, a.EditRole, edit, r.get("RoleName"))
	return &role.Tags, err
}

func profileTags(r *request, a *world.Account, edit bool) (*[]world.Tag, error) {
	p, err := pick(a.Profile, a.EditProfile, edit, r.get("InstanceProfileName"))
	return &p.Tags, err
}

func policyTags(r *request, a *world.Account, edit bool) (*[]world.Tag, error) {
	p, err := pick(func(string) (*world.Policy, error) { return r.policy() }, a.EditPolicy, edit, r.get("PolicyArn"))
	return &p.Tags, err
}

func providerTags(r *request, a *world.Account, edit bool) (*[]world.Tag, error) {
	p, err := pick(a.Provider, a.EditProvider, edit, r.get("OpenIDConnectProviderArn"))
	return &p.Tags, err
}

// pick reads or edits. Where that fails it gives an empty record, whose tags
// nobody sees.
func pick[T any](read, edit func(string) (*T, error), toEdit bool, name string) (*T, error) {
	if toEdit {
		read = edit
	}
	record, err := read(name)
	if err != nil {
		return new(T), err
	}
	return record, nil
}

// newTags gives tags with those of the call added. Keys are compared without
// regard to case.
func (r *request) newTags(tags []world.Tag) ([]world.Tag, error) {
	var given []string
	for _, t := range query.Structs(r.form, "Tags") {
		key, value := t.Get("Key"), t.Get("Value")
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, refuse("InvalidInput", "Tag keys beginning with 'aws:' are reserved for system use.")
		}
		same := func(k string) bool { return strings.EqualFold(k, key) }
		if slices.ContainsFunc(given, same) {
			return nil, refuse("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		given = append(given, key)
		tags = slices.DeleteFunc(tags, func(t world.Tag) bool { return same(t.Key) })
		tags = append(tags, world.Tag{Key: key, Value: value})
	}
	if len(tags) > 50 {
		return nil, refuse("LimitExceeded", "Cannot exceed quota for TagsPerResource: 50")
	}
	return tags, nil
}

func tag(of tagged) func(*request) (any, error) {
	return func(r *request) (any, error) {
		return nothing(r.change(func(a *world.Account) error {
			tags, err := of(r, a, true)
			if err != nil {
				return err
			}
			*tags, err = r.newTags(*tags)
			return err
		}))
	}
}

func untag(of tagged) func(*request) (any, error) {
	return func(r *request) (any, error) {
		return nothing(r.change(func(a *world.Account) error {
			tags, err := of(r, a, true)
			if err != nil {
				return err
			}
			for _, key := range query.Members(r.form, "TagKeys") {
				*tags = slices.DeleteFunc(*tags, func(t world.Tag) bool { return strings.EqualFold(t.Key, key) })
			}
			return nil
		}))
	}
}

func listTags(of tagged) func(*request) (any, error) {
	return func(r *request) (any, error) {
		tags, err := of(r, r.account, false)
		if err != nil {
			return nil, err
		}
		out, more, err := paged(r, *tags, func(t world.Tag) tagShape { return tagShape(t) })
		return struct {
			Tags query.List[tagShape]
			page
		}{out, more}, err
	}
}
