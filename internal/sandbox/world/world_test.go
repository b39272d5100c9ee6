package world

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/secret"
)

func openAt(t testing.TB, dir, file string, reset bool) (*World, error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "sandbox.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	o := Options{DB: db, Dir: dir, Reset: reset}
	if file != "" {
		o.File = strings.NewReader(file)
	}
	return Open(o)
}

func mustOpen(t testing.TB, file string) (*World, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := openAt(t, dir, file, false)
	if err != nil {
		t.Fatal(err)
	}
	return w, dir
}

// full has one of everything.
const full = `{
  "accounts": {
    "081976408565": {
      "alias": "lab",
      "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret"},
      "users": {
        "ann": {"Path": "/lab/", "Tags": [{"Key": "team", "Value": "lake"}], "GroupList": ["crew"],
          "AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"},
            {"AccessKeyId": "AKIAANNANNANNANNANN2", "SecretAccessKey": "annsecret2", "Status": "Inactive"}],
          "PermissionsBoundary": {"PermissionsBoundaryArn": "arn:aws:iam::081976408565:policy/cap"},
          "AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
          "UserPolicyList": [{"PolicyName": "in", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}}]}
      },
      "groups": {"crew": {"GroupPolicyList": [{"PolicyName": "g", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "glue:*", "Resource": "*"}]}}]}},
      "roles": {"runner": {"MaxSessionDuration": 7200, "Description": "runs <fast> & far",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::081976408565:user/lab/ann"}, "Action": "sts:AssumeRole"}]}}},
      "instance_profiles": {"host": {"Roles": ["runner"]}},
      "policies": {"cap": {"PolicyVersionList": [{"Document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}]}},
      "oidc_providers": {"https://oidc.example.com/1": {"ClientIDList": ["sts.amazonaws.com"], "JWKS": {"keys": []}}}
    },
    "222222222222": {}
  },
  "host": {"account": "081976408565", "instance_profile": "host"}
}`

func save(t testing.TB, w *World) string {
	t.Helper()
	var b bytes.Buffer
	if err := w.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSavedWorldReadsBackAsItself(t *testing.T) {
	w, _ := mustOpen(t, full)
	first := save(t, w)
	again, _ := mustOpen(t, first)
	if second := save(t, again); second != first {
		t.Errorf("saved again:\n%s\nwant\n%s", second, first)
	}
	for _, want := range []string{`"SecretAccessKey": "annsecret"`, `"AWS": "arn:aws:iam::081976408565:user/lab/ann"`, "runs <fast> & far", `"Status": "Inactive"`} {
		if !strings.Contains(first, want) {
			t.Errorf("saved world lacks %s:\n%s", want, first)
		}
	}
}

// What a killed process leaves is what bbolt has on disk at that moment.
func TestAcknowledgedChangesAreOnDisk(t *testing.T) {
	w, dir := mustOpen(t, full)
	session := &Session{Account: "081976408565", Subject: w.State().Accounts["081976408565"].Roles.Find("runner").ID, Name: "s",
		IssuedAt: w.Now(), Expires: w.Now().Add(time.Hour), Tags: map[string]string{"k": "v"}}
	token, _, err := w.Issue(session)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		err := w.Update(func(s *State) error {
			a := s.Edit("081976408565")
			u, err := a.EditUser("ann")
			if err != nil {
				return err
			}
			u.Tags = append(u.Tags, Tag{fmt.Sprint("n", i), "v"})
			if i == 10 {
				a.Groups.Put("more", NewGroup(a.ID, "/", "more", w.Now()))
			}
			if i == 15 {
				a.Groups.Delete("more")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		killed := t.TempDir()
		for _, name := range []string{"sandbox.db", "master.key"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(killed, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := openAt(t, killed, "", false)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := save(t, got), save(t, w); a != b {
			t.Fatalf("after change %d:\n%s\nwant\n%s", i, a, b)
		}
		if _, err := got.Identify(session.AccessKeyID, token); err != nil {
			t.Errorf("session after change %d: %v", i, err)
		}
	}
}

func TestRefusedChangeLeavesNothing(t *testing.T) {
	w, _ := mustOpen(t, full)
	before := save(t, w)
	err := w.Update(func(s *State) error {
		a := s.Edit("081976408565")
		a.Alias = "other"
		u, err := a.EditUser("ann")
		if err != nil {
			return err
		}
		u.Tags[0].Value, u.Keys[0].Active = "sea", false
		a.Users.Delete("ann")
		return &Error{"Refused", "on purpose"}
	})
	if err == nil || save(t, w) != before {
		t.Errorf("after a refused change (%v):\n%s\nwant\n%s", err, save(t, w), before)
	}
}

func TestWorldFileIsReadOnlyOnce(t *testing.T) {
	w, dir := mustOpen(t, full)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	other := `{"accounts": {"333333333333": {}}}`
	w, err := openAt(t, dir, other, false)
	if err != nil || w.State().Accounts["333333333333"] != nil {
		t.Errorf("the file replaced a world: %v", err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w, err = openAt(t, dir, other, true)
	if err != nil || w.State().Accounts["333333333333"] == nil || w.State().Accounts["081976408565"] != nil {
		t.Errorf("the file did not replace a world to be reset: %v", err)
	}
}

func TestWorldFileFaultsAreTold(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{``, "1:1: unexpected EOF"},
		{`{"accounts": {}}`, "no accounts"},
		{"{\n  \"acounts\": {}}", `2:3: unknown field "acounts": known here are accounts, host`},
		{`{"accounts": {"111111111111": {"users": {"a": {"Policies": []}}}}}`, `1:48: unknown field "Policies"`},
		{`{"accounts": {"111111111111": {}, "111111111111": {}}}`, `1:35: field "111111111111" is given twice`},
		{`{"accounts": {"111111111111": {"users": []}}}`, "1:41: accounts.users is an object, found array"},
		{`{"accounts": {"11": {}}}`, "an account id has 12 digits"},
		{`{"accounts": {"111111111111": {"root": {"access_key_id": "x"}}}}`, "root has access_key_id and secret_access_key"},
		{`{"accounts": {"111111111111": {"roles": {"r": {}}}}}`, "AssumeRolePolicyDocument is missing"},
		{`{"accounts": {"111111111111": {"roles": {"r": {"AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:role/gone"}, "Action": "sts:AssumeRole"}]}}}}}}`,
			"principal arn:aws:iam::111111111111:role/gone does not exist"},
		{`{"accounts": {"111111111111": {"users": {"a": {}, "A": {}}}}}`, "differs in case only"},
		{`{"accounts": {"111111111111": {"users": {"a": {"GroupList": ["g"]}}}}}`, "group g does not exist"},
		{`{"accounts": {"111111111111": {"users": {"a": {"Arn": "arn:x"}}}}}`, "its Arn is arn:aws:iam::111111111111:user/a"},
		{`{"accounts": {"111111111111": {}}, "host": {"account": "222222222222", "instance_profile": "p"}}`, `account "222222222222" is not in the world`},
		{`{"accounts": {"111111111111": {}}} x`, "text after the end"},
	} {
		dir := t.TempDir()
		w, err := openAt(t, dir, tt.file, false)
		if tt.file == "" {
			err = w.read(strings.NewReader(""))
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.file, err, tt.want)
		}
	}
}

func TestNothingAtRestIsReadable(t *testing.T) {
	w, dir := mustOpen(t, full)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "sandbox.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"annsecret", "rootsecret"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("the database shows %s", secret)
		}
	}
	k := w.State().Accounts["081976408565"].Users.Find("ann").Keys[0]
	if text := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(text, "annsecret") {
		t.Errorf("a key prints its secret: %s", text)
	}
}

func TestIdentifiersTellTheirAccount(t *testing.T) {
	for _, account := range []string{"000000000001", "081976408565", "999999999999"} {
		for range 100 {
			id := uniqueID(prefixRole, account)
			if got, ok := AccountOf(id); !ok || got != account {
				t.Fatalf("AccountOf(%s) = %s, %v, want %s", id, got, ok, account)
			}
			if !regexp.MustCompile(`^AROA[A-Z2-7]{17}$`).MatchString(id) {
				t.Fatalf("id %s", id)
			}
		}
	}
	if _, ok := AccountOf("AKIA"); ok {
		t.Error("AccountOf reads a short id")
	}
}

func TestDecisionsAreKeptUntilSomethingChanges(t *testing.T) {
	w, _ := mustOpen(t, full)
	id, err := w.Identify("AKIAANNANNANNANNANN1", "")
	if err != nil {
		t.Fatal(err)
	}
	set := w.Set(id, nil)
	if w.Set(id, nil) != set {
		t.Error("the same question compiled again")
	}
	r := &iam.Request{Principal: id.Principal, Action: "glue:GetTable", Resource: iam.Resource{ARN: "*", Account: "081976408565"}, Context: iam.Context{}}
	if set.Decide(r) != iam.Allow {
		t.Error("the group's policy does not allow")
	}
	err = w.Update(func(s *State) error {
		u, err := s.Edit("081976408565").EditUser("ann")
		u.Groups, u.Attached = nil, nil
		return err
	})
	if err != nil || w.Set(id, nil).Decide(r) == iam.Allow {
		t.Errorf("out of the group and still allowed: %v", err)
	}
}

func FuzzWorldFile(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"accounts": {"111111111111": {"users": {"a": null}, "roles": null}}, "host": null}`))
	f.Add([]byte(`{"accounts": {"111111111111": null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseFile(text)
		if err != nil {
			return
		}
		s := newState()
		if s.adopt(file, time.Unix(0, 0)) == nil {
			s.index()
		}
	})
}

func FuzzToken(f *testing.F) {
	dir := f.TempDir()
	box, err := secret.Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	w := &World{box: box, now: time.Now}
	token, _, err := w.Issue(&Session{Account: "111111111111", Subject: "111111111111"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := w.session(token); err != nil {
			return
		}
	})
}
