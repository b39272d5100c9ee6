package kms

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/secret"
)

const symmetric = "SYMMETRIC_DEFAULT"

// The states of a key ("Key states of AWS KMS keys").
const (
	enabled         = "Enabled"
	disabled        = "Disabled"
	pendingDeletion = "PendingDeletion"
)

// key is one KMS key with all that belongs to it. A record is not changed once
// stored: a change stores a copy.
type key struct {
	ID, Account, Region string
	Description         string    `json:",omitempty"`
	Created             time.Time // seconds
	State               string
	Deletion            time.Time `json:",omitzero"` // when a pending key goes
	Manager             string    // CUSTOMER or AWS
	Policy              string    // with unique ids in place of ARNs
	Material            []byte    // sealed
	Aliases             []alias   `json:",omitempty"`
	Grants              []*grant  `json:",omitempty"`
	Tags                []tag     `json:",omitempty"`

	guard *iam.Policy
}

// alias is a friendly name of a key, with the prefix "alias/".
type alias struct {
	Name             string
	Created, Updated time.Time
}

// grant lets one principal do some operations with a key.
type grant struct {
	ID          string
	Token       string
	Name        string `json:",omitempty"`
	Created     time.Time
	Issuer      string // ARN of the account's root user
	Operations  []string
	Constraints *constraints `json:",omitempty"`
	// Grantee and Retiring are policies of one statement each, in which the
	// principal stands as its unique id.
	Grantee  string
	Retiring string `json:",omitempty"`

	policy iam.Policy
}

func (k *key) arn() string { return "arn:aws:kms:" + k.Region + ":" + k.Account + ":key/" + k.ID }

func (k *key) clone() *key {
	c := *k
	c.Aliases, c.Grants, c.Tags = slices.Clone(k.Aliases), slices.Clone(k.Grants), slices.Clone(k.Tags)
	return &c
}

// prepare makes what deciding needs. Stored texts were parsed when they were
// put; one that does not parse any more allows nothing.
func (k *key) prepare() {
	doc, _ := iam.Parse([]byte(k.Policy))
	k.guard = &iam.Policy{Kind: iam.KeyPolicy, Name: k.arn(), Document: doc}
	for _, g := range k.Grants {
		g.prepare()
	}
}

func (g *grant) prepare() {
	doc, _ := iam.Parse([]byte(g.Grantee))
	g.policy = iam.Policy{Kind: iam.KeyGrant, Name: g.ID, Document: doc}
}

// store keeps all keys in memory and in bbolt, a JSON record each under its
// ARN.
type store struct {
	db  *bbolt.DB
	box *secret.Box

	write   sync.Mutex
	mu      sync.RWMutex
	keys    map[string]*key // by ARN
	byID    map[string]*key
	aliases map[string]*key // by alias ARN
}

var bucketName = []byte("kms.keys")

func openStore(db *bbolt.DB, box *secret.Box) (*store, error) {
	s := &store{db: db, box: box, keys: map[string]*key{}, byID: map[string]*key{}, aliases: map[string]*key{}}
	return s, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketName)
		if err != nil {
			return err
		}
		return b.ForEach(func(name, v []byte) error {
			k := &key{}
			if err := json.Unmarshal(v, k); err != nil {
				return fmt.Errorf("read the record of key %s: %w", name, err)
			}
			s.index(nil, k)
			return nil
		})
	})
}

// find is the key of an ARN, nil if there is none.
func (s *store) find(arn string) *key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys[arn]
}

// named is the key of an alias's ARN, nil if there is none.
func (s *store) named(arn string) *key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.aliases[arn]
}

// identified is the key of an id, in whatever account and region.
func (s *store) identified(id string) *key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id]
}

// list is the keys of one account and region by ARN.
func (s *store) list(account, region string) []*key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*key
	for _, arn := range slices.Sorted(maps.Keys(s.keys)) {
		if k := s.keys[arn]; k.Account == account && k.Region == region {
			out = append(out, k)
		}
	}
	return out
}

// all is every key.
func (s *store) all() []*key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.keys))
}

// put stores records, each new or in place of the one of its ARN. The caller
// holds write from reading them to putting them.
func (s *store) put(records ...*key) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, k := range records {
			text, err := json.Marshal(k)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketName).Put([]byte(k.arn()), text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range records {
		s.index(s.keys[k.arn()], k)
	}
	return nil
}

// index makes k take the place of old.
func (s *store) index(old, k *key) {
	if old != nil {
		for _, a := range old.Aliases {
			if s.aliases[old.aliasARN(a.Name)] == old {
				delete(s.aliases, old.aliasARN(a.Name))
			}
		}
	}
	k.prepare()
	s.keys[k.arn()], s.byID[k.ID] = k, k
	for _, a := range k.Aliases {
		s.aliases[k.aliasARN(a.Name)] = k
	}
}

func (k *key) aliasARN(name string) string {
	return "arn:aws:kms:" + k.Region + ":" + k.Account + ":" + name
}

// change applies f to a copy of the key's newest record and stores it.
func (s *store) change(k *key, f func(*key) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	draft := s.find(k.arn()).clone()
	if err := f(draft); err != nil {
		return err
	}
	return s.put(draft)
}

// material opens the key's own 32 bytes.
func (s *store) material(k *key) ([]byte, error) {
	b, err := s.box.Unseal(k.Material, "kms "+k.arn())
	if err != nil {
		return nil, fmt.Errorf("open the material of key %s: %w", k.arn(), err)
	}
	return b, nil
}

// make creates a key's record with fresh material; it is not stored yet.
func (s *store) make(account, region string, now time.Time) *key {
	k := &key{ID: newID(), Account: account, Region: region, Created: now.UTC().Truncate(time.Second), State: enabled, Manager: "CUSTOMER"}
	material := make([]byte, 32)
	rand.Read(material) // never fails
	k.Material = s.box.Seal(material, "kms "+k.arn())
	return k
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// gone tells whether the key's deletion date has passed.
func (k *key) gone(now time.Time) bool { return k.State == pendingDeletion && !now.Before(k.Deletion) }
