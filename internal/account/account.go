// Package account keeps who may log in. There is one user, root; its password
// is stored as the verifiers of both protocols, sealed.
package account

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"sync"

	"golang.org/x/text/secure/precis"

	"lakeport/internal/engine"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// Root is the user of the first start: it has an empty password and is
// admitted from loopback only until a password is set.
const Root = "root"

const (
	schema = engine.Catalog + "._lakeport"
	table  = schema + ".accounts"
)

// Store holds the accounts.
type Store struct {
	box  *secret.Box
	mu   sync.Mutex // guards conn and root
	conn *engine.Conn
	root wire.Verifier
}

// Open reads the accounts that the database holds.
func Open(ctx context.Context, conn *engine.Conn, box *secret.Box) (*Store, error) {
	s := &Store{box: box, conn: conn, root: wire.Verifier{Empty: true}}
	for _, text := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + schema,
		"CREATE TABLE IF NOT EXISTS " + table + " (name VARCHAR NOT NULL, verifier BLOB NOT NULL)",
	} {
		if _, err := conn.Exec(ctx, text); err != nil {
			return nil, fmt.Errorf("prepare the accounts' table: %w", err)
		}
	}
	rows, err := conn.Query(ctx, "SELECT verifier FROM "+table+" WHERE name = ?", Root)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil || chunk == nil {
		return s, err
	}
	plain, err := box.Unseal(chunk.Columns[0].Strings()[0].Bytes(), "account/"+Root)
	if err != nil {
		return nil, fmt.Errorf("unseal account %s: %w", Root, err)
	}
	return s, json.Unmarshal(plain, &s.root)
}

// Admit decides about a login.
func (s *Store) Admit(l wire.Login) error {
	s.mu.Lock()
	v := s.root
	s.mu.Unlock()
	refuse := refusal(l)
	if l.User != Root {
		return refuse
	}
	if v.Empty && !loopback(l.Remote) {
		return refuse.WithHint("%s has no password yet and is admitted from loopback only: set one there with SET PASSWORD = PASSWORD('…')", Root)
	}
	ok, err := l.Verify(v)
	if err != nil {
		return err
	}
	if !ok {
		return refuse
	}
	return nil
}

// refusal is what either server says to a client that it does not let in.
func refusal(l wire.Login) *sqlerr.Error {
	if l.Protocol == wire.Postgres {
		return sqlerr.New(sqlerr.Denied, "password authentication failed for user \"%s\"", l.User).With(sqlerr.AccessDenied)
	}
	using := map[bool]string{true: "YES", false: "NO"}[l.UsingPassword]
	return sqlerr.New(sqlerr.Denied, "Access denied for user '%s' (using password: %s)", l.User, using).With(sqlerr.AccessDenied)
}

func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// SetPassword changes root's password; the empty one closes the server to all
// but loopback again.
func (s *Store) SetPassword(ctx context.Context, user string, password secret.String) error {
	if user != Root {
		return sqlerr.New(sqlerr.NotFound, "Unknown user '%s': more users than %s are not built yet", user, Root)
	}
	v := wire.Verifier{Empty: true}
	if !password.Empty() {
		var err error
		if v, err = verifier(password.Reveal()); err != nil {
			return err
		}
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.conn.InTx(ctx, func(c *engine.Conn) error {
		if _, err := c.Exec(ctx, "DELETE FROM "+table+" WHERE name = ?", user); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "INSERT INTO "+table+" VALUES (?, ?)", user, s.box.Seal(plain, "account/"+user))
		return err
	})
	if err != nil {
		return fmt.Errorf("store the password of %s: %w", user, err)
	}
	s.root = v
	return nil
}

// iterations is how often SCRAM hashes a password: PostgreSQL's own number.
const iterations = 4096

// verifier derives what MySQL's two plugins check against (MySQL internals
// manual, "Authentication Methods"), and what SCRAM-SHA-256 does (RFC 5802).
func verifier(password string) (wire.Verifier, error) {
	scram, err := scramVerifier(password)
	if err != nil {
		return wire.Verifier{}, fmt.Errorf("derive the password's verifier: %w", err)
	}
	one := sha1.Sum([]byte(password))
	native := sha1.Sum(one[:])
	first := sha256.Sum256([]byte(password))
	second := sha256.Sum256(first[:])
	return wire.Verifier{Native: native[:], SHA2: second[:], SCRAM: scram}, nil
}

func scramVerifier(password string) (*wire.SCRAM, error) {
	// A text that SASLprep refuses is used as it is, as PostgreSQL does.
	if prepared, err := precis.OpaqueString.String(password); err == nil {
		password = prepared
	}
	v := &wire.SCRAM{Salt: make([]byte, 16), Iterations: iterations}
	rand.Read(v.Salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, v.Salt, v.Iterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	key := func(label string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(label))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(key("Client Key"))
	v.StoredKey, v.ServerKey = stored[:], key("Server Key")
	return v, nil
}

// Close ends the store's connection.
func (s *Store) Close() { s.conn.Close() }
