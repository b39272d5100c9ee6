package world

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"lakeport/internal/iam"
)

// worldFile is the JSON of a world: what --world reads and Save writes.
// Entities are keyed by name and written as IAM returns them; everything that
// IAM makes up itself (ids, dates, ARNs) may be left out.
type worldFile struct {
	Accounts map[string]*fileAccount `json:"accounts"`
	Host     *Host                   `json:"host,omitempty"`
}

type fileAccount struct {
	Alias     string                 `json:"alias,omitempty"`
	Root      *fileKey               `json:"root,omitempty"`
	Users     map[string]*storedUser `json:"users,omitempty"`
	Groups    map[string]*Group      `json:"groups,omitempty"`
	Roles     map[string]*Role       `json:"roles,omitempty"`
	Profiles  map[string]*Profile    `json:"instance_profiles,omitempty"`
	Policies  map[string]*Policy     `json:"policies,omitempty"`
	Providers map[string]*Provider   `json:"oidc_providers,omitempty"`
}

type fileKey struct {
	ID     string `json:"access_key_id"`
	Secret string `json:"secret_access_key"`
}

// read makes the world that a file describes. All of its faults are told at
// once where they can be.
func (w *World) read(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, 256<<20))
	if err != nil {
		return fmt.Errorf("read world file: %w", err)
	}
	f, err := parseFile(text)
	if err != nil {
		return fmt.Errorf("read world file: %w", err)
	}
	if err := w.Update(func(s *State) error { return s.adopt(f, w.Now()) }); err != nil {
		return fmt.Errorf("read world file: %w", err)
	}
	return nil
}

// parseFile decodes strictly: unknown and repeated fields are refused.
func parseFile(text []byte) (*worldFile, error) {
	var f worldFile
	if err := checkFields(text, reflect.TypeOf(f)); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, placed(text, err)
	}
	if len(f.Accounts) == 0 {
		return nil, errors.New(`no accounts: write {"accounts": {"<12 digits>": {}}}`)
	}
	return &f, nil
}

// placed adds line and column to what encoding/json says.
func placed(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: %w", position(text, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: %s is %s, found %s", position(text, kind.Offset), kind.Field, noun(kind.Type), kind.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w", position(text, int64(len(text))+1), err)
	}
	return err
}

// noun is what JSON calls a value of the type.
func noun(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a number"
	}
	return "an object"
}

// position is line:column of the byte before offset.
func position(text []byte, offset int64) string {
	before := text[:min(max(offset-1, 0), int64(len(text)))]
	line := bytes.Count(before, []byte{'\n'})
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("%d:%d", line+1, column)
}

// fieldCheck walks a JSON text beside the type that it is decoded into.
type fieldCheck struct {
	text []byte
	d    *json.Decoder
}

func checkFields(text []byte, t reflect.Type) error {
	c := fieldCheck{text, json.NewDecoder(bytes.NewReader(text))}
	if err := c.value(t); err != nil {
		return placed(text, err)
	}
	if _, err := c.d.Token(); err != io.EOF {
		return fmt.Errorf("%s: text after the end of the world", position(text, c.d.InputOffset()))
	}
	return nil
}

var opaque = map[reflect.Type]bool{
	reflect.TypeFor[Document](): true, reflect.TypeFor[time.Time](): true, reflect.TypeFor[json.RawMessage](): true,
}

// value walks one value; a nil t is one that is not looked into.
func (c fieldCheck) value(t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if opaque[t] {
		t = nil
	}
	token, err := c.d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	switch token {
	case json.Delim('{'):
		return c.object(t)
	case json.Delim('['):
		var of reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			of = t.Elem()
		}
		for c.d.More() {
			if err := c.value(of); err != nil {
				return err
			}
		}
		_, err = c.d.Token()
	}
	return err
}

func (c fieldCheck) object(t reflect.Type) error {
	seen := map[string]bool{}
	for c.d.More() {
		before := c.d.InputOffset()
		token, err := c.d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		quote := bytes.IndexByte(c.text[before:], '"')
		at := position(c.text, before+int64(quote)+1)
		if seen[name] && t != nil {
			return fmt.Errorf("%s: field %q is given twice", at, name)
		}
		seen[name] = true
		var of reflect.Type
		switch {
		case t == nil:
		case t.Kind() == reflect.Map:
			of = t.Elem()
		case t.Kind() == reflect.Struct:
			fields := fieldsOf(t)
			if of = fields[name]; of == nil {
				return fmt.Errorf("%s: unknown field %q: known here are %s", at, name, strings.Join(names(t), ", "))
			}
		}
		if err := c.value(of); err != nil {
			return err
		}
	}
	_, err := c.d.Token()
	return err
}

func names(t reflect.Type) []string {
	var out []string
	for _, f := range reflect.VisibleFields(t) {
		if name := jsonName(f); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name := jsonName(f); name != "" {
			out[name] = f.Type
		}
	}
	return out
}

// jsonName is the field's name in JSON, empty if it has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || f.Anonymous || !f.IsExported() {
		return ""
	}
	if name == "" {
		return f.Name
	}
	return name
}

// adopt puts the file's entities into the state and completes them.
func (s *State) adopt(f *worldFile, now time.Time) error {
	var faults []error
	for id, fa := range f.Accounts {
		if !isAccount(id) {
			faults = append(faults, fmt.Errorf("account %q: an account id has 12 digits", id))
			continue
		}
		if fa == nil {
			fa = &fileAccount{}
		}
		a := s.addAccount(id)
		a.Alias = fa.Alias
		if fa.Root != nil {
			if fa.Root.ID == "" || fa.Root.Secret == "" {
				faults = append(faults, fmt.Errorf("account %s: root has access_key_id and secret_access_key, or is left out", id))
			}
			a.Root = secretKeys([]plainKey{{fa.Root.ID, fa.Root.Secret, "Active", now}})
		}
		for _, err := range a.adopt(fa, now) {
			faults = append(faults, fmt.Errorf("account %s: %w", id, err))
		}
	}
	if f.Host != nil {
		if s.Accounts[f.Host.Account] == nil {
			faults = append(faults, fmt.Errorf("host: account %q is not in the world", f.Host.Account))
		}
		s.Host = *f.Host
	}
	s.index()
	for _, a := range s.Accounts {
		faults = append(faults, s.checkAccount(a)...)
	}
	return errors.Join(faults...)
}

// complete fills what IAM makes up for an entity of the file. name is its key.
func complete(kind, prefix, account, key string, name, path, id, arn *string, created *time.Time, now time.Time) error {
	if *name == "" {
		*name = key
	}
	if *name != key {
		return fmt.Errorf("%s %q: its key is %q", kind, *name, key)
	}
	if *path == "" {
		*path = "/"
	}
	if !strings.HasPrefix(*path, "/") || !strings.HasSuffix(*path, "/") {
		return fmt.Errorf("%s %s: path %q does not begin and end with a slash", kind, key, *path)
	}
	if *id == "" {
		*id = uniqueID(prefix, account)
	}
	if want := ARN(account, kind, *path, *name); *arn == "" {
		*arn = want
	} else if *arn != want {
		return fmt.Errorf("%s %s: its Arn is %s, found %s", kind, key, want, *arn)
	}
	if created.IsZero() {
		*created = now
	}
	return nil
}

// take moves one table of the file into the account.
func take[T any](from map[string]*T, to Table[T], kind string, faults *[]error, f func(name string, r *T) error) {
	for name, r := range from {
		if r == nil {
			r = new(T)
		}
		if to.Find(name) != nil {
			*faults = append(*faults, fmt.Errorf("%s %s: another name differs in case only", kind, name))
			continue
		}
		if err := f(name, r); err != nil {
			*faults = append(*faults, err)
			continue
		}
		to.Put(name, r)
	}
}

func (a *Account) adopt(f *fileAccount, now time.Time) (faults []error) {
	users := map[string]*User{}
	for name, u := range f.Users {
		if u == nil {
			u = &storedUser{}
		}
		u.User.Keys = secretKeys(u.Keys)
		users[name] = &u.User
	}
	take(users, a.Users, "user", &faults, func(name string, u *User) error {
		for i := range u.Keys {
			if u.Keys[i].ID == "" || u.Keys[i].Secret.Empty() {
				return fmt.Errorf("user %s: an access key has AccessKeyId and SecretAccessKey", name)
			}
			if u.Keys[i].Created.IsZero() {
				u.Keys[i].Created = now
			}
		}
		return complete("user", prefixUser, a.ID, name, &u.Name, &u.Path, &u.ID, &u.ARN, &u.Created, now)
	})
	take(f.Groups, a.Groups, "group", &faults, func(name string, g *Group) error {
		return complete("group", prefixGroup, a.ID, name, &g.Name, &g.Path, &g.ID, &g.ARN, &g.Created, now)
	})
	take(f.Roles, a.Roles, "role", &faults, func(name string, r *Role) error {
		if r.Trust == nil {
			return fmt.Errorf("role %s: AssumeRolePolicyDocument is missing: it says who may assume the role", name)
		}
		if r.MaxSession == 0 {
			r.MaxSession = DefaultMaxSession
		}
		return complete("role", prefixRole, a.ID, name, &r.Name, &r.Path, &r.ID, &r.ARN, &r.Created, now)
	})
	take(f.Profiles, a.Profiles, "instance-profile", &faults, func(name string, p *Profile) error {
		if len(p.Roles) > 1 {
			return fmt.Errorf("instance profile %s: it holds one role, found %d", name, len(p.Roles))
		}
		return complete("instance-profile", prefixProfile, a.ID, name, &p.Name, &p.Path, &p.ID, &p.ARN, &p.Created, now)
	})
	take(f.Policies, a.Policies, "policy", &faults, func(name string, p *Policy) error {
		if err := p.number(now); err != nil {
			return fmt.Errorf("policy %s: %w", name, err)
		}
		return complete("policy", prefixPolicy, a.ID, name, &p.Name, &p.Path, &p.ID, &p.ARN, &p.Created, now)
	})
	providers := map[string]*Provider{}
	for url, p := range f.Providers {
		providers[strings.TrimPrefix(url, "https://")] = p
	}
	take(providers, a.Providers, "oidc provider", &faults, func(url string, p *Provider) error {
		p.URL = url
		p.ARN = "arn:aws:iam::" + a.ID + ":oidc-provider/" + p.URL
		if p.Created.IsZero() {
			p.Created = now
		}
		return nil
	})
	return faults
}

// DefaultMaxSession is a role's maximum session duration unless it says
// otherwise, in seconds.
const DefaultMaxSession = 3600

// number completes the versions of a policy.
func (p *Policy) number(now time.Time) error {
	if len(p.Versions) == 0 {
		return errors.New("PolicyVersionList is empty")
	}
	if p.Updated.IsZero() {
		p.Updated = now
	}
	if len(p.Versions) == 1 {
		p.Versions[0].Default = true
	}
	for i := range p.Versions {
		v := &p.Versions[i]
		if v.ID == "" {
			v.ID = fmt.Sprintf("v%d", i+1)
		}
		if v.Created.IsZero() {
			v.Created = now
		}
		var n int
		if _, err := fmt.Sscanf(v.ID, "v%d", &n); err != nil || n < 1 {
			return fmt.Errorf("version id %q is not v1, v2, ...", v.ID)
		}
		p.Last = max(p.Last, n)
	}
	if p.DefaultVersion() == nil {
		return errors.New("no version has IsDefaultVersion")
	}
	return nil
}

// checkAccount parses the documents of a fresh account, stores trust policies
// by unique id and looks for references to nothing.
func (s *State) checkAccount(a *Account) (faults []error) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("account %s: "+format, append([]any{a.ID}, args...)...))
	}
	check := func(what string, h Holder, b *Boundary) {
		inline, attached := h.Grants()
		for _, p := range *inline {
			if p.Name == "" || p.Document == nil {
				fault("%s: an inline policy has PolicyName and PolicyDocument", what)
			} else if _, err := iam.Parse([]byte(p.Document.text)); err != nil {
				fault("%s: policy %s: %w", what, p.Name, err)
			}
		}
		for i, p := range *attached {
			if s.PolicyByARN(p.ARN) == nil {
				fault("%s: attached policy %s does not exist", what, p.ARN)
			}
			(*attached)[i].Name = lastPart(p.ARN)
		}
		if b != nil && s.PolicyByARN(b.ARN) == nil {
			fault("%s: boundary %s does not exist", what, b.ARN)
		}
	}
	for _, u := range a.Users {
		check("user "+u.Name, u, u.Boundary)
		for _, g := range u.Groups {
			if a.Groups.Find(g) == nil {
				fault("user %s: group %s does not exist", u.Name, g)
			}
		}
	}
	for _, g := range a.Groups {
		check("group "+g.Name, g, nil)
	}
	for _, r := range a.Roles {
		check("role "+r.Name, r, r.Boundary)
		trust, err := iam.Parse([]byte(r.Trust.text))
		if err != nil {
			fault("role %s: AssumeRolePolicyDocument: %w", r.Name, err)
			continue
		}
		stored, unknown := s.StorePrincipals(trust)
		for _, u := range unknown {
			// A unique id is what Save wrote of an entity that was gone.
			if strings.HasPrefix(u, "arn:") {
				fault("role %s: AssumeRolePolicyDocument: principal %s does not exist", r.Name, u)
			}
		}
		r.Trust = NewDocument(stored.String())
	}
	for _, p := range a.Profiles {
		for _, r := range p.Roles {
			if a.Roles.Find(r) == nil {
				fault("instance profile %s: role %s does not exist", p.Name, r)
			}
		}
	}
	for _, p := range a.Policies {
		for _, v := range p.Versions {
			if v.Document == nil {
				fault("policy %s: version %s has no Document", p.Name, v.ID)
			} else if _, err := iam.Parse([]byte(v.Document.text)); err != nil {
				fault("policy %s: version %s: %w", p.Name, v.ID, err)
			}
		}
	}
	return faults
}
