// Package world keeps the identities of the sandbox: accounts with their root
// keys, users, groups, roles, instance profiles, managed policies and OpenID
// Connect providers, and the temporary credentials of sessions. Every change
// is on disk before it is told. What the IAM and STS APIs make of it is left
// to iamapi and sts.
package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/secret"
)

// Options say where a World lives.
type Options struct {
	DB    *bbolt.DB        // open; the caller closes it after the World
	Dir   string           // holds the master key and root.json
	File  io.Reader        // a world file for a database without a world; nil makes one account with root keys
	Reset bool             // forget the identities that the database holds, then read File
	Now   func() time.Time // nil means time.Now
}

// World is the identities. It may be used by many goroutines at once.
type World struct {
	db     *bbolt.DB
	box    *secret.Box
	now    func() time.Time
	state  atomic.Pointer[State]
	change sync.Mutex // held by Update

	sessions cache[string, *Session] // by token
	used     sync.Map                // access key or role id to Use
}

var (
	worldBucket = []byte("world")
	hostKey     = "host"
	usedKey     = "used"
)

// Open reads the world of the database, or makes one from o.File.
func Open(o Options) (*World, error) {
	box, err := secret.Open(o.Dir)
	if err != nil {
		return nil, err
	}
	w := &World{db: o.DB, box: box, now: o.Now}
	if w.now == nil {
		w.now = time.Now
	}
	w.state.Store(newState())
	if !o.Reset {
		if err := w.load(); err != nil {
			return nil, fmt.Errorf("load world: %w", err)
		}
		if len(w.State().Accounts) > 0 {
			return w, nil
		}
	}
	if err := w.clear(); err != nil {
		return nil, err
	}
	if o.File != nil {
		return w, w.read(o.File)
	}
	return w, w.found(o.Dir)
}

func (w *World) clear() error {
	err := w.db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket(worldBucket) != nil {
			if err := tx.DeleteBucket(worldBucket); err != nil {
				return err
			}
		}
		_, err := tx.CreateBucket(worldBucket)
		return err
	})
	if err != nil {
		return fmt.Errorf("clear world: %w", err)
	}
	return nil
}

// FoundingProfile is the instance profile that the host of a world made
// without a file wears once somebody creates it.
const FoundingProfile = "lakeport"

// rootFile is what root.json holds.
type rootFile struct {
	Account string `json:"account"`
	ID      string `json:"access_key_id"`
	Secret  string `json:"secret_access_key"`
}

// found makes one account. Its root keys go to root.json before the account
// is committed, so that no world exists to which nobody has a key.
func (w *World) found(dir string) error {
	account := newAccount()
	key := w.NewAccessKey(account)
	text, err := json.MarshalIndent(rootFile{account, key.ID, key.Secret.Reveal()}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(dir, "root.json"), append(text, '\n')); err != nil {
		return fmt.Errorf("write root keys: %w", err)
	}
	return w.Update(func(s *State) error {
		a := s.addAccount(account)
		a.Root = []AccessKey{key}
		s.Host = Host{Account: account, Profile: FoundingProfile}
		return nil
	})
}

// writeSynced writes a file that only its owner reads, whole or not at all,
// and has it on disk when it returns.
func writeSynced(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// NewAccessKey makes an active long-term key of account, kept by no one yet.
func (w *World) NewAccessKey(account string) AccessKey {
	return AccessKey{identifier(prefixKey, account), secret.New(newSecret()), true, w.Now()}
}

// Now is the sandbox's time, in UTC and whole seconds as IAM keeps it.
func (w *World) Now() time.Time { return w.now().UTC().Truncate(time.Second) }

// State is the world as of now. It never changes.
func (w *World) State() *State { return w.state.Load() }

// Close writes what is kept in memory only: when keys and roles were last
// used, which AWS too tells with delay.
func (w *World) Close() error {
	uses := map[string]Use{}
	w.used.Range(func(k, v any) bool {
		uses[k.(string)] = v.(Use)
		return true
	})
	text, err := json.Marshal(uses)
	if err != nil {
		return err
	}
	return w.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(worldBucket).Put([]byte(usedKey), w.box.Seal(text, usedKey))
	})
}

// Update runs f on a copy of the state. If f returns nil its changes are
// written to disk and then seen by everyone; otherwise they are dropped and
// f's error is returned. Records are changed by Edit methods and by the
// tables' Put and Delete only.
func (w *World) Update(f func(*State) error) error {
	w.change.Lock()
	defer w.change.Unlock()
	old := w.State()
	next := old.draft()
	if err := f(next); err != nil {
		return err
	}
	changes := map[string][]byte{} // nil removes
	for id, a := range next.Accounts {
		before := old.Accounts[id]
		if before == a {
			continue
		}
		if before == nil {
			before = newAccountRecord(id)
		}
		if err := a.diff(before, changes); err != nil {
			return err
		}
	}
	if next.Host != old.Host {
		text, err := json.Marshal(next.Host)
		if err != nil {
			return err
		}
		changes[hostKey] = text
	}
	if err := w.commit(changes); err != nil {
		return fmt.Errorf("commit world: %w", err)
	}
	next.index()
	w.state.Store(next)
	return nil
}

func (w *World) commit(changes map[string][]byte) error {
	if len(changes) == 0 {
		return nil
	}
	return w.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(worldBucket)
		for _, key := range slices.Sorted(maps.Keys(changes)) {
			text := changes[key]
			var err error
			if text == nil {
				err = b.Delete([]byte(key))
			} else {
				err = b.Put([]byte(key), w.box.Seal(text, key))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	})
}

// load fills the state from the database.
func (w *World) load() error {
	s := newState()
	err := w.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(worldBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			key := string(k)
			text, err := w.box.Unseal(v, key)
			if err != nil {
				return fmt.Errorf("open record %s: %w", key, err)
			}
			if key == usedKey {
				return w.loadUses(text)
			}
			if err := s.restore(key, text); err != nil {
				return fmt.Errorf("read record %s: %w", key, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	s.index()
	w.state.Store(s)
	return nil
}

func (w *World) loadUses(text []byte) error {
	var uses map[string]Use
	if err := json.Unmarshal(text, &uses); err != nil {
		return err
	}
	for k, u := range uses {
		w.used.Store(k, u)
	}
	return nil
}

// restore puts one record of the database in its place.
func (s *State) restore(key string, text []byte) error {
	if key == hostKey {
		return json.Unmarshal(text, &s.Host)
	}
	kind, rest, _ := strings.Cut(key, "/")
	account, name, _ := strings.Cut(rest, "/")
	if !isAccount(account) {
		return errors.New("no record of a world")
	}
	a := s.addAccount(account)
	switch kind {
	case "account":
		var r storedAccount
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		a.Alias, a.Root = r.Alias, secretKeys(r.Root)
		return nil
	case "user":
		var u storedUser
		if err := json.Unmarshal(text, &u); err != nil {
			return err
		}
		u.User.Keys = secretKeys(u.Keys)
		a.Users[name] = &u.User
		return nil
	case "group":
		return restore(a.Groups, name, text)
	case "role":
		return restore(a.Roles, name, text)
	case "profile":
		return restore(a.Profiles, name, text)
	case "policy":
		return restore(a.Policies, name, text)
	case "provider":
		return restore(a.Providers, name, text)
	}
	return errors.New("no record of a world")
}

func restore[T any](t Table[T], name string, text []byte) error {
	r := new(T)
	if err := json.Unmarshal(text, r); err != nil {
		return err
	}
	t[name] = r
	return nil
}

// storedAccount is an account's own record.
type storedAccount struct {
	Alias string     `json:"alias,omitempty"`
	Root  []plainKey `json:"root,omitempty"`
}

// diff adds to changes what differs from before.
func (a *Account) diff(before *Account, changes map[string][]byte) error {
	text, err := json.Marshal(storedAccount{a.Alias, plainKeys(a.Root)})
	if err != nil {
		return err
	}
	changes["account/"+a.ID+"/"] = text
	return errors.Join(
		diff(before.Users, a.Users, "user/"+a.ID+"/", changes, func(u *User) any { return storedUser{*u, plainKeys(u.Keys)} }),
		diff(before.Groups, a.Groups, "group/"+a.ID+"/", changes, whole[Group]),
		diff(before.Roles, a.Roles, "role/"+a.ID+"/", changes, whole[Role]),
		diff(before.Profiles, a.Profiles, "profile/"+a.ID+"/", changes, whole[Profile]),
		diff(before.Policies, a.Policies, "policy/"+a.ID+"/", changes, whole[Policy]),
		diff(before.Providers, a.Providers, "provider/"+a.ID+"/", changes, whole[Provider]),
	)
}

func whole[T any](r *T) any { return r }

func diff[T any](before, after Table[T], prefix string, changes map[string][]byte, stored func(*T) any) error {
	for name := range before {
		if after[name] == nil {
			changes[prefix+name] = nil
		}
	}
	for name, r := range after {
		if before[name] == r {
			continue
		}
		text, err := json.Marshal(stored(r))
		if err != nil {
			return err
		}
		changes[prefix+name] = text
	}
	return nil
}
