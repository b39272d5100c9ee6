// Package account keeps who may log in. There is one user, root; its password
// is stored as the verifiers of the MySQL plugins, sealed.
package account

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"sync"

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
	using := map[bool]string{true: "YES", false: "NO"}[l.UsingPassword]
	refuse := sqlerr.New(sqlerr.Denied, "Access denied for user '%s' (using password: %s)", l.User, using).With(sqlerr.AccessDenied)
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
		v = verifier(password.Reveal())
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

// verifier derives what MySQL's two plugins check against (MySQL internals
// manual, "Authentication Methods").
func verifier(password string) wire.Verifier {
	one := sha1.Sum([]byte(password))
	native := sha1.Sum(one[:])
	first := sha256.Sum256([]byte(password))
	second := sha256.Sum256(first[:])
	return wire.Verifier{Native: native[:], SHA2: second[:]}
}

// Close ends the store's connection.
func (s *Store) Close() { s.conn.Close() }
