package world

import (
	"encoding/json"
	"fmt"
	"io"
)

// Save writes the world as a world file, secrets included, so that reading it
// makes the same world again.
func (w *World) Save(to io.Writer) error {
	s := w.State()
	f := worldFile{Accounts: map[string]*fileAccount{}}
	if s.Host != (Host{}) {
		f.Host = &s.Host
	}
	for id, a := range s.Accounts {
		f.Accounts[id] = s.fileAccount(a)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write world file: %w", err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("write world file: %w", err)
	}
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(unfold(tree)); err != nil {
		return fmt.Errorf("write world file: %w", err)
	}
	return nil
}

func (s *State) fileAccount(a *Account) *fileAccount {
	f := &fileAccount{Alias: a.Alias, Users: map[string]*storedUser{}, Groups: byName(a.Groups, func(g *Group) string { return g.Name }),
		Roles: map[string]*Role{}, Profiles: byName(a.Profiles, func(p *Profile) string { return p.Name }),
		Policies:  byName(a.Policies, func(p *Policy) string { return p.Name }),
		Providers: byName(a.Providers, func(p *Provider) string { return p.URL })}
	if len(a.Root) > 0 {
		f.Root = &fileKey{a.Root[0].ID, a.Root[0].Secret.Reveal()}
	}
	for _, u := range a.Users {
		f.Users[u.Name] = &storedUser{*u, plainKeys(u.Keys)}
	}
	for _, r := range a.Roles {
		c := r.clone()
		c.Trust = NewDocument(s.Readable(r.Trust))
		f.Roles[r.Name] = c
	}
	return f
}

func byName[T any](t Table[T], name func(*T) string) map[string]*T {
	out := map[string]*T{}
	for _, r := range t {
		out[name(r)] = r
	}
	return out
}

// unfold turns policy documents from strings, as the database has them, into
// the objects that people read and write.
func unfold(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			text, isText := x.(string)
			if isText && (k == "PolicyDocument" || k == "AssumeRolePolicyDocument" || k == "Document") && json.Valid([]byte(text)) {
				v[k] = json.RawMessage(text)
			} else {
				v[k] = unfold(x)
			}
		}
	case []any:
		for i := range v {
			v[i] = unfold(v[i])
		}
	}
	return v
}
