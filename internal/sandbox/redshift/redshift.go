// Package redshift is the sandbox's Amazon Redshift as far as attaching roles
// goes: clusters and Serverless namespaces that hold IAM roles, and the
// credentials that Redshift gets for them. No warehouse runs, so that a master
// password opens nothing and is not kept; parameters about networks, keys and
// backups are refused by name.
//
// Shapes and errors follow the Amazon Redshift and Redshift Serverless API
// references.
package redshift

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/world"
)

// Options is what the services stand on.
type Options struct {
	DB     *bbolt.DB        // the world's file; Redshift keeps to its own bucket
	World  *world.World     // the roles
	Now    func() time.Time // nil: time.Now
	Record func(sandbox.Entry)
}

// Redshift is the warehouses of all accounts and regions. Clusters and
// Serverless are its two APIs, Credentials what its warehouses ask themselves.
type Redshift struct {
	db     *bbolt.DB
	world  *world.World
	now    func() time.Time
	record func(sandbox.Entry)
}

// New opens Redshift over the world's file.
func New(o Options) (*Redshift, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Record == nil {
		o.Record = func(sandbox.Entry) {}
	}
	err := o.DB.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the bucket of Redshift: %w", err)
	}
	return &Redshift{db: o.DB, world: o.World, now: o.Now, record: o.Record}, nil
}

// Clusters is the API of provisioned clusters.
func (r *Redshift) Clusters() *Clusters { return &Clusters{r} }

// Serverless is the API of Redshift Serverless.
func (r *Redshift) Serverless() *Serverless { return &Serverless{r} }

// Kinds of warehouse, as the paths of Credentials spell them.
const (
	cluster   = "cluster"
	namespace = "namespace"
)

// warehouse is a cluster or a namespace.
type warehouse struct {
	Kind, Name, Account, Region string
	ID                          string // of a namespace, also a cluster's own
	Created                     time.Time
	Roles                       []string // ARNs, in the order in which they were attached
	Default                     string   `json:",omitempty"` // one of Roles
	Database, User              string
	NodeType                    string `json:",omitempty"`
	Nodes, Port                 int    `json:",omitempty"`
}

// arn is the resource that policies name.
func (w *warehouse) arn() string {
	if w.Kind == namespace {
		return "arn:aws:redshift-serverless:" + w.Region + ":" + w.Account + ":namespace/" + w.ID
	}
	return clusterARN(w.Region, w.Account, w.Name)
}

func clusterARN(region, account, name string) string {
	return "arn:aws:redshift:" + region + ":" + account + ":cluster:" + name
}

var bucketName = []byte("redshift")

func storeKey(region, account, kind, name string) []byte {
	return []byte(strings.Join([]string{region, account, kind, name}, "\x00"))
}

// find reads a warehouse, nil if there is none.
func (r *Redshift) find(region, account, kind, name string) (*warehouse, error) {
	var w *warehouse
	err := r.db.View(func(tx *bbolt.Tx) (err error) {
		w, err = read(tx.Bucket(bucketName).Get(storeKey(region, account, kind, strings.ToLower(name))))
		return err
	})
	return w, err
}

func read(text []byte) (*warehouse, error) {
	if text == nil {
		return nil, nil
	}
	w := &warehouse{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("read the record of a warehouse: %w", err)
	}
	return w, nil
}

// list is the warehouses of a kind by name.
func (r *Redshift) list(region, account, kind string) ([]*warehouse, error) {
	var all []*warehouse
	prefix := string(storeKey(region, account, kind, ""))
	err := r.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketName).Cursor()
		for k, v := c.Seek([]byte(prefix)); strings.HasPrefix(string(k), prefix); k, v = c.Next() {
			w, err := read(v)
			if err != nil {
				return err
			}
			all = append(all, w)
		}
		return nil
	})
	return all, err
}

// change replaces the record of a name by what f makes of it; f gets nil where
// there is none, and gives nil to delete it.
func (r *Redshift) change(region, account, kind, name string, f func(*warehouse) (*warehouse, error)) error {
	return r.db.Update(func(tx *bbolt.Tx) error {
		b, key := tx.Bucket(bucketName), storeKey(region, account, kind, strings.ToLower(name))
		old, err := read(b.Get(key))
		if err != nil {
			return err
		}
		w, err := f(old)
		switch {
		case err != nil:
			return err
		case w == nil:
			return b.Delete(key)
		}
		text, err := json.Marshal(w)
		if err != nil {
			return err
		}
		return b.Put(key, text)
	})
}

// attach gives w further roles and takes others away; a role that is taken
// away is no default any more.
func (w *warehouse) attach(add, remove []string) {
	for _, arn := range add {
		if !slices.Contains(w.Roles, arn) {
			w.Roles = append(w.Roles, arn)
		}
	}
	w.Roles = slices.DeleteFunc(w.Roles, func(arn string) bool { return slices.Contains(remove, arn) })
	if !slices.Contains(w.Roles, w.Default) {
		w.Default = ""
	}
}

// maxRoles is how many roles a cluster has at most ("Quotas and limits in
// Amazon Redshift").
const maxRoles = 50

// checkRoles refuses what is no role of the account. Assumed: the text.
func (r *Redshift) checkRoles(account string, arns []string) error {
	for _, arn := range arns {
		role := r.world.State().RoleByARN(arn)
		if role == nil || !strings.HasPrefix(arn, "arn:aws:iam::"+account+":role/") {
			return fmt.Errorf("The IAM role %s is not valid: it is no role of account %s", arn, account)
		}
	}
	return nil
}

// passing is the right to hand each role to Redshift ("Grant permissions to
// pass an IAM role to a service": iam:PassRole).
func passing(account, service string, arns []string) (needs []sandbox.Need) {
	for _, arn := range arns {
		needs = append(needs, sandbox.Need{Action: "iam:PassRole", Resource: iam.Resource{ARN: arn, Account: account},
			Context: iam.Context{"iam:passedtoservice": {service}}})
	}
	return needs
}

func fault(status int, code, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

var _, _ sandbox.Service = (*Clusters)(nil), (*Serverless)(nil)
var _ http.Handler = credentials{}
