package account

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// open makes a store over a database that other stores of the test share.
func open(t *testing.T, db *engine.DB, box *secret.Box) *Store {
	t.Helper()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), conn, box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func fresh(t *testing.T) (*engine.DB, *secret.Box) {
	t.Helper()
	db, err := engine.Open(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	box, err := secret.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return db, box
}

// login is a client's attempt; password is what it knows.
func login(user, from, password string) wire.Login {
	knows := wire.Verifier{Empty: true}
	if password != "" {
		knows, _ = verifier(password)
	}
	return wire.Login{
		User: user, Remote: &net.TCPAddr{IP: net.ParseIP(from), Port: 1}, UsingPassword: password != "",
		Verify: func(v wire.Verifier) (bool, error) {
			return v.Empty == knows.Empty && bytes.Equal(v.Native, knows.Native) && bytes.Equal(v.SHA2, knows.SHA2), nil
		},
	}
}

func TestRootIsAdmittedFromLoopbackOnlyUntilItHasAPassword(t *testing.T) {
	s := only(t)
	admits := func(when string, l wire.Login, want string) {
		t.Helper()
		err := s.Admit(l)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !sqlerr.Is(err, sqlerr.Denied)) {
			t.Errorf("%s: got %v, want %q", when, err, want)
		}
	}
	admits("loopback without a password", login(Root, "127.0.0.1", ""), "")
	admits("loopback by version 6", login(Root, "::1", ""), "")
	admits("from elsewhere", login(Root, "192.0.2.1", ""), "admitted from loopback only")
	admits("another user", login("bob", "127.0.0.1", ""), "Access denied for user 'bob' (using password: NO)")
	if err := s.SetPassword(t.Context(), Root, secret.New("s3cret")); err != nil {
		t.Fatal(err)
	}
	admits("with it from elsewhere", login(Root, "192.0.2.1", "s3cret"), "")
	admits("with another one", login(Root, "127.0.0.1", "wrong"), "Access denied for user 'root' (using password: YES)")
	admits("without it", login(Root, "127.0.0.1", ""), "Access denied for user 'root' (using password: NO)")
	if err := s.SetPassword(t.Context(), Root, secret.New("")); err != nil {
		t.Fatal(err)
	}
	admits("taken away again", login(Root, "192.0.2.1", ""), "admitted from loopback only")
}

func TestAPasswordIsSealedAndOutlivesTheStore(t *testing.T) {
	d, box := fresh(t)
	if err := open(t, d, box).SetPassword(t.Context(), Root, secret.New("s3cret")); err != nil {
		t.Fatal(err)
	}
	if err := open(t, d, box).Admit(login(Root, "192.0.2.1", "s3cret")); err != nil {
		t.Errorf("after opening again: %v", err)
	}
	_, other := fresh(t)
	conn, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := Open(t.Context(), conn, other); err == nil || !strings.Contains(err.Error(), "unseal account root") {
		t.Errorf("with another key: %v", err)
	}
}

func TestOnlyRootHasAPassword(t *testing.T) {
	s := only(t)
	if err := s.SetPassword(t.Context(), "bob", secret.New("x")); !sqlerr.Is(err, sqlerr.NotFound) {
		t.Errorf("got %v", err)
	}
}

func only(t *testing.T) *Store {
	t.Helper()
	db, box := fresh(t)
	return open(t, db, box)
}
