package kms

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// grantable are the operations that a grant on a symmetric key may allow
// ("Grant operations", AWS KMS Developer Guide).
var grantable = []string{"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
	"CreateGrant", "RetireGrant", "DescribeKey"}

// granted is the key's grants that allow an operation with an encryption
// context, whoever asks.
func (k *key) granted(operation string, context map[string]string) []iam.Policy {
	var list []iam.Policy
	for _, g := range k.Grants {
		if slices.Contains(g.Operations, operation) && g.Constraints.hold(operation, context) {
			list = append(list, g.policy)
		}
	}
	return list
}

// hold tells whether the constraints let a request pass. They bear on
// cryptographic operations only ("GrantConstraints", AWS KMS API Reference);
// unlike in policies the names of an encryption context are case-sensitive.
func (c *constraints) hold(operation string, context map[string]string) bool {
	if c == nil || operation == "DescribeKey" || operation == "RetireGrant" || operation == "CreateGrant" {
		return true
	}
	for name, v := range c.EncryptionContextSubset {
		if got, ok := context[name]; !ok || got != v {
			return false
		}
	}
	return c.EncryptionContextEquals == nil || maps.Equal(c.EncryptionContextEquals, context)
}

// createGrantNeeds: the grantee of a grant may pass on no more than it has.
func createGrantNeeds(q *call) ([]sandbox.Need, error) {
	in := q.in
	switch {
	case in.GranteePrincipal == nil && in.GranteeServicePrincipal == nil:
		return nil, invalid("1 validation error detected: "+nullMessage, "granteePrincipal")
	case in.GranteePrincipal != nil && in.GranteeServicePrincipal != nil:
		return nil, invalid("GranteePrincipal and GranteeServicePrincipal cannot both be given")
	case len(in.Operations) == 0:
		return nil, invalid("1 validation error detected: Value '[]' at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case in.Constraints != nil && in.Constraints.SourceARN != nil:
		return nil, fail("UnsupportedOperationException", "The sandbox does not implement the grant constraint SourceArn.")
	}
	for _, op := range in.Operations {
		if !slices.Contains(grantable, op) {
			return nil, invalid("Operation %s is not one that a grant on a %s key can allow: %s", op, symmetric, strings.Join(grantable, ", "))
		}
	}
	needs, err := onKey(q)
	if err != nil {
		return nil, err
	}
	needs[0].Grants = nil
	for _, g := range q.key.Grants {
		if slices.Contains(g.Operations, "CreateGrant") && g.covers(in) {
			needs[0].Grants = append(needs[0].Grants, g.policy)
		}
	}
	return needs, nil
}

// covers tells whether a grant that allows CreateGrant allows this one: no
// further operations, constraints at least as strict ("Granting CreateGrant
// permission", AWS KMS Developer Guide).
func (g *grant) covers(in *input) bool {
	for _, op := range in.Operations {
		if !slices.Contains(g.Operations, op) {
			return false
		}
	}
	if g.Constraints == nil {
		return true
	}
	c := in.Constraints
	if c == nil || g.Constraints.EncryptionContextEquals != nil && !maps.Equal(g.Constraints.EncryptionContextEquals, c.EncryptionContextEquals) {
		return false
	}
	for name, v := range g.Constraints.EncryptionContextSubset {
		if c.EncryptionContextSubset[name] != v && c.EncryptionContextEquals[name] != v {
			return false
		}
	}
	return true
}

func (q *call) grantContext(ctx iam.Context) {
	in := q.in
	ctx["kms:grantoperations"] = in.Operations
	ctx["kms:grantisforawsresource"] = []string{"false"}
	for name, v := range map[string]*string{"kms:granteeprincipal": in.GranteePrincipal, "kms:retiringprincipal": in.RetiringPrincipal} {
		if v != nil {
			ctx[name] = []string{*v}
		}
	}
	if c := in.Constraints; c != nil && c.EncryptionContextEquals != nil {
		ctx["kms:grantconstrainttype"] = append(ctx["kms:grantconstrainttype"], "EncryptionContextEquals")
	} else if c != nil && c.EncryptionContextSubset != nil {
		ctx["kms:grantconstrainttype"] = append(ctx["kms:grantconstrainttype"], "EncryptionContextSubset")
	}
}

// principal makes the one-statement policy in which a grant keeps a principal.
func (q *call) principal(kind, name string, actions []string) (string, error) {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{"Effect": "Allow",
		"Principal": map[string]string{kind: name}, "Action": actions, "Resource": "*"}})
	if err != nil {
		return "", err
	}
	doc, err := iam.Parse(text)
	bad := fail("InvalidArnException", "ARN does not refer to a valid principal: %s", name)
	if err != nil || name == "*" || !doc.Principals()[0].Valid() {
		return "", bad
	}
	if q.principals != nil {
		stored, unknown := q.principals().StorePrincipals(doc)
		if len(unknown) > 0 {
			return "", bad
		}
		doc = stored
	}
	return doc.String(), nil
}

// named reads a principal back.
func (q *call) named(text string) string {
	if text == "" {
		return ""
	}
	doc, err := iam.Parse([]byte(text))
	if err != nil {
		return ""
	}
	if q.principals != nil {
		doc = q.principals().ReadPrincipals(doc)
	}
	return doc.Principals()[0].Value
}

type grantOutput struct {
	GrantToken string
	GrantID    string `json:"GrantId"`
}

func createGrant(q *call) (any, error) {
	in := q.in
	kind, name := "AWS", value(in.GranteePrincipal)
	if in.GranteeServicePrincipal != nil {
		kind, name = "Service", *in.GranteeServicePrincipal
	}
	actions := make([]string, len(in.Operations))
	for i, op := range in.Operations {
		actions[i] = "kms:" + op
	}
	g := &grant{Name: value(in.Name), Created: q.Now.UTC().Truncate(time.Second), Issuer: "arn:aws:iam::" + q.account + ":root",
		Operations: in.Operations, Constraints: in.Constraints}
	var err error
	if g.Grantee, err = q.principal(kind, name, actions); err != nil {
		return nil, err
	}
	if in.RetiringPrincipal != nil {
		if g.Retiring, err = q.principal("AWS", *in.RetiringPrincipal, []string{"kms:RetireGrant"}); err != nil {
			return nil, err
		}
	}
	var id [32]byte
	rand.Read(id[:])
	g.ID = hex.EncodeToString(id[:])
	g.Token = base64.StdEncoding.EncodeToString([]byte(q.key.arn() + "#" + g.ID))
	g.prepare()
	if err := q.key.usable(); err != nil {
		return nil, err
	}
	if err := q.dryRun(); err != nil {
		return nil, err
	}
	out := &grantOutput{g.Token, g.ID}
	return out, q.store.change(q.key, func(k *key) error {
		// "If you use the Name parameter, ... you can retry the request."
		for _, old := range k.Grants {
			if g.Name != "" && old.same(g) {
				*out = grantOutput{old.Token, old.ID}
				return nil
			}
		}
		k.Grants = append(k.Grants, g)
		return nil
	})
}

func (g *grant) same(o *grant) bool {
	a, errA := json.Marshal(g.Constraints)
	b, errB := json.Marshal(o.Constraints)
	return errA == nil && errB == nil && g.Name == o.Name && g.Grantee == o.Grantee && g.Retiring == o.Retiring &&
		slices.Equal(g.Operations, o.Operations) && string(a) == string(b)
}

type grantEntry struct {
	KeyID             string `json:"KeyId"`
	GrantID           string `json:"GrantId"`
	Name              string `json:",omitempty"`
	CreationDate      float64
	GranteePrincipal  string
	RetiringPrincipal string `json:",omitempty"`
	IssuingAccount    string
	Operations        []string
	Constraints       *constraints `json:",omitempty"`
}

type grantsOutput struct {
	Grants     []grantEntry
	Truncated  bool
	NextMarker string `json:",omitempty"`
}

func (q *call) entry(k *key, g *grant) grantEntry {
	return grantEntry{k.arn(), g.ID, g.Name, epoch(g.Created), q.named(g.Grantee), q.named(g.Retiring), g.Issuer, g.Operations, g.Constraints}
}

func listGrants(q *call) (any, error) {
	var all []grantEntry
	for _, g := range q.key.Grants {
		e := q.entry(q.key, g)
		if (q.in.GrantID == nil || e.GrantID == *q.in.GrantID) && (q.in.GranteePrincipal == nil || e.GranteePrincipal == *q.in.GranteePrincipal) {
			all = append(all, e)
		}
	}
	return q.grantPage(all)
}

func (q *call) grantPage(all []grantEntry) (any, error) {
	slices.SortFunc(all, func(a, b grantEntry) int { return strings.Compare(a.GrantID, b.GrantID) })
	list, next, err := page(q.in, all, 50, func(e grantEntry) string { return e.GrantID })
	return grantsOutput{list, next != "", next}, err
}

// listRetirable lists the caller's account's grants of all keys that a
// principal may retire.
func listRetirable(q *call) (any, error) {
	var all []grantEntry
	for _, k := range q.store.all() {
		for _, g := range k.Grants {
			if e := q.entry(k, g); k.Region == q.Region && !k.gone(q.Now) && e.RetiringPrincipal == *q.in.RetiringPrincipal {
				all = append(all, e)
			}
		}
	}
	return q.grantPage(all)
}

// retireNeeds: the retiring principal, or a grantee whose grant says so, needs
// no permission to retire; others cannot be given one ("Retiring and revoking
// grants", AWS KMS Developer Guide) but the key's account.
func retireNeeds(q *call) ([]sandbox.Need, error) {
	arn, id := value(q.in.KeyID), value(q.in.GrantID)
	switch {
	case q.in.GrantToken != nil && (arn != "" || id != ""):
		return nil, invalid("Only one of GrantToken or KeyId and GrantId may be specified")
	case q.in.GrantToken != nil:
		text, err := base64.StdEncoding.DecodeString(*q.in.GrantToken)
		var ok bool
		if arn, id, ok = strings.Cut(string(text), "#"); err != nil || !ok {
			return nil, fail("InvalidGrantTokenException", "The grant token is not one that KMS gave")
		}
	case arn == "" || id == "":
		return nil, invalid("Either GrantToken or both KeyId and GrantId must be specified")
	}
	var err error
	if q.key, err = q.use(arn); err != nil {
		return nil, err
	}
	n := q.need(q.action, q.key, nil)
	n.Grants = nil
	for _, g := range q.key.Grants {
		if g.ID != id {
			continue
		}
		q.grant = g
		if slices.Contains(g.Operations, "RetireGrant") {
			n.Grants = append(n.Grants, g.policy)
		}
		if doc, err := iam.Parse([]byte(g.Retiring)); err == nil {
			n.Grants = append(n.Grants, iam.Policy{Kind: iam.KeyGrant, Name: g.ID, Document: doc})
		}
	}
	return []sandbox.Need{n}, nil
}

func revokeGrant(q *call) (any, error) {
	if err := q.dryRun(); err != nil {
		return nil, err
	}
	id := value(q.in.GrantID)
	if q.grant != nil {
		id = q.grant.ID
	}
	return nil, q.store.change(q.key, func(k *key) error {
		at := slices.IndexFunc(k.Grants, func(g *grant) bool { return g.ID == id })
		if at < 0 {
			return notFound("Grant ID %s not found", id)
		}
		k.Grants = slices.Delete(k.Grants, at, at+1)
		return nil
	})
}
