package kms

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox"
)

// metadata is KeyMetadata.
type metadata struct {
	AWSAccountID          string `json:"AWSAccountId"`
	KeyID                 string `json:"KeyId"`
	Arn                   string
	CreationDate          float64
	Enabled               bool
	Description           string
	KeyUsage              string
	KeyState              string
	DeletionDate          float64 `json:",omitempty"`
	Origin                string
	KeyManager            string
	KeySpec               string
	CustomerMasterKeySpec string
	EncryptionAlgorithms  []string
	MultiRegion           bool
	CurrentKeyMaterialID  string `json:"CurrentKeyMaterialId"`
}

type keyOutput struct{ KeyMetadata metadata }

func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func (k *key) metadata() metadata {
	return metadata{AWSAccountID: k.Account, KeyID: k.ID, Arn: k.arn(), CreationDate: epoch(k.Created), Enabled: k.State == enabled,
		Description: k.Description, KeyUsage: "ENCRYPT_DECRYPT", KeyState: k.State, DeletionDate: epoch(k.Deletion), Origin: "AWS_KMS",
		KeyManager: k.Manager, KeySpec: symmetric, CustomerMasterKeySpec: symmetric, EncryptionAlgorithms: []string{symmetric},
		CurrentKeyMaterialID: k.materialID()}
}

// materialID names the material without telling anything of it.
func (k *key) materialID() string {
	sum := sha256.Sum256([]byte("material of " + k.arn()))
	return hex.EncodeToString(sum[:])
}

// createNeeds: a key that is tagged at once needs both permissions.
func createNeeds(q *call) ([]sandbox.Need, error) {
	in := q.in
	spec := in.KeySpec
	if spec == "" {
		spec = in.CustomerMasterKeySpec
	}
	unsupported := func(what, v string) error {
		return fail("UnsupportedOperationException", "The sandbox does not implement keys with %s %s.", what, v)
	}
	switch {
	case in.KeySpec != "" && in.CustomerMasterKeySpec != "":
		return nil, invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	case spec != "" && spec != symmetric:
		return nil, unsupported("KeySpec", spec)
	case in.KeyUsage != "" && in.KeyUsage != "ENCRYPT_DECRYPT":
		return nil, unsupported("KeyUsage", in.KeyUsage)
	case in.Origin != "" && in.Origin != "AWS_KMS":
		return nil, unsupported("Origin", in.Origin)
	case in.MultiRegion:
		return nil, unsupported("MultiRegion", "true")
	case in.CustomKeyStoreID != nil || in.XksKeyID != nil:
		return nil, unsupported("a", "custom key store")
	}
	needs, err := onAll(q)
	ctx := needs[0].Context
	ctx["kms:keyspec"], ctx["kms:keyusage"], ctx["kms:keyorigin"], ctx["kms:multiregion"] = []string{symmetric}, []string{"ENCRYPT_DECRYPT"}, []string{"AWS_KMS"}, []string{"false"}
	if len(in.Tags) > 0 {
		tagging := needs[0]
		tagging.Action = "kms:TagResource"
		needs = append(needs, tagging)
	}
	return needs, err
}

func createKey(q *call) (any, error) {
	k := q.store.make(q.account, q.Region, q.Now)
	k.Description = value(q.in.Description)
	for _, t := range q.in.Tags {
		if err := k.tag(t); err != nil {
			return nil, err
		}
	}
	text := defaultPolicy(q.account)
	if q.in.Policy != nil {
		text = *q.in.Policy
	}
	if err := q.setPolicy(k, text); err != nil {
		return nil, err
	}
	q.store.write.Lock()
	defer q.store.write.Unlock()
	return keyOutput{k.metadata()}, q.store.put(k)
}

func describeKey(q *call) (any, error) { return keyOutput{q.key.metadata()}, nil }

type keyEntry struct {
	KeyID  string `json:"KeyId"`
	KeyArn string
}

type keysOutput struct {
	Keys       []keyEntry
	Truncated  bool
	NextMarker string `json:",omitempty"`
}

func listKeys(q *call) (any, error) {
	var all []keyEntry
	for _, k := range q.store.list(q.account, q.Region) {
		if !k.gone(q.Now) {
			all = append(all, keyEntry{k.ID, k.arn()})
		}
	}
	list, next, err := page(q.in, all, 100, func(e keyEntry) string { return e.KeyArn })
	return keysOutput{list, next != "", next}, err
}

// page cuts a sorted list behind the marker.
func page[T any](in *input, all []T, usual int, name func(T) string) (list []T, next string, err error) {
	limit, list := usual, []T{}
	if in.Limit != nil {
		limit = *in.Limit
	}
	after, err := base64.StdEncoding.DecodeString(value(in.Marker))
	if err != nil || in.Marker != nil && len(after) == 0 {
		return nil, "", fail("InvalidMarkerException", "The marker is not one that an earlier answer gave")
	}
	for _, item := range all {
		switch {
		case name(item) <= string(after):
		case len(list) == limit:
			return list, base64.StdEncoding.EncodeToString([]byte(name(list[limit-1]))), nil
		default:
			list = append(list, item)
		}
	}
	return list, "", nil
}

func setEnabled(state string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		return nil, q.store.change(q.key, func(k *key) error {
			if err := k.notPending(); err != nil {
				return err
			}
			k.State = state
			return nil
		})
	}
}

func updateDescription(q *call) (any, error) {
	return nil, q.store.change(q.key, func(k *key) error {
		k.Description = value(q.in.Description)
		return k.notPending()
	})
}

func (in *input) window() int {
	if in.PendingWindowInDays == nil {
		return 30
	}
	return *in.PendingWindowInDays
}

type deletionOutput struct {
	KeyID               string `json:"KeyId"`
	DeletionDate        float64
	KeyState            string
	PendingWindowInDays int
}

func scheduleDeletion(q *call) (any, error) {
	days := q.in.window()
	if days < 7 || days > 30 {
		return nil, invalid("1 validation error detected: Value '%d' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value between 7 and 30", days)
	}
	out := deletionOutput{KeyID: q.key.arn(), KeyState: pendingDeletion, PendingWindowInDays: days}
	return &out, q.store.change(q.key, func(k *key) error {
		if err := k.notPending(); err != nil {
			return err
		}
		k.State, k.Deletion = pendingDeletion, q.Now.UTC().Truncate(time.Second).AddDate(0, 0, days)
		out.DeletionDate = epoch(k.Deletion)
		return nil
	})
}

// cancelDeletion leaves the key disabled ("CancelKeyDeletion", AWS KMS API
// Reference).
func cancelDeletion(q *call) (any, error) {
	err := q.store.change(q.key, func(k *key) error {
		if k.State != pendingDeletion {
			return k.wrongState("is not pending deletion.")
		}
		k.State, k.Deletion = disabled, time.Time{}
		return nil
	})
	return map[string]string{"KeyId": q.key.arn()}, err
}

// rotationStatus: the sandbox rotates no key. EnableKeyRotation is refused by
// name.
func rotationStatus(q *call) (any, error) {
	return map[string]any{"KeyRotationEnabled": false, "KeyId": q.key.arn()}, nil
}

// tag adds or replaces a tag.
func (k *key) tag(t tag) error {
	for i := range k.Tags {
		if k.Tags[i].TagKey == t.TagKey {
			k.Tags[i] = t
			return nil
		}
	}
	if len(k.Tags) == 50 {
		return fail("LimitExceededException", "The key has 50 tags already")
	}
	k.Tags = append(k.Tags, t)
	return nil
}

func tagResource(q *call) (any, error) {
	return nil, q.store.change(q.key, func(k *key) error {
		for _, t := range q.in.Tags {
			if err := k.tag(t); err != nil {
				return err
			}
		}
		return k.notPending()
	})
}

func untagResource(q *call) (any, error) {
	return nil, q.store.change(q.key, func(k *key) error {
		kept := []tag{}
		for _, t := range k.Tags {
			if !slices.Contains(q.in.TagKeys, t.TagKey) {
				kept = append(kept, t)
			}
		}
		k.Tags = kept
		return k.notPending()
	})
}

type tagsOutput struct {
	Tags       []tag
	Truncated  bool
	NextMarker string `json:",omitempty"`
}

func listTags(q *call) (any, error) {
	list, next, err := page(q.in, q.key.Tags, 50, func(t tag) string { return t.TagKey })
	return tagsOutput{list, next != "", next}, err
}

// defaultPolicy is that of a key created without one ("Default key policy",
// AWS KMS Developer Guide): the account's own policies count.
func defaultPolicy(account string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// setPolicy checks a key policy and gives it to k. Unless the caller waives
// it, the policy must leave the caller able to change it again.
func (q *call) setPolicy(k *key, text string) error {
	if len(text) > iam.MaxKey {
		return fail("LimitExceededException", "The policy is longer than %d bytes", iam.MaxKey)
	}
	doc, faults := iam.Check([]byte(text), iam.KeyPolicy)
	if len(faults) > 0 {
		return fail("MalformedPolicyDocumentException", "%s", faults[0].Message)
	}
	if q.principals != nil {
		stored, unknown := q.principals().StorePrincipals(doc)
		if len(unknown) > 0 {
			return fail("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
		}
		doc = stored
	}
	k.Policy = doc.String()
	k.prepare()
	if q.in.Bypass {
		return nil
	}
	if q.Would(q.need("kms:PutKeyPolicy", k, nil), k.guard) != iam.Allow {
		return fail("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	}
	return nil
}

func putPolicy(q *call) (any, error) {
	return nil, q.store.change(q.key, func(k *key) error {
		if err := k.notPending(); err != nil {
			return err
		}
		return q.setPolicy(k, value(q.in.Policy))
	})
}

func getPolicy(q *call) (any, error) {
	text := q.key.Policy
	if doc := q.key.guard.Document; doc != nil && q.principals != nil {
		text = q.principals().ReadPrincipals(doc).String()
	}
	return map[string]string{"Policy": text, "PolicyName": "default"}, nil
}

func listPolicies(*call) (any, error) {
	return map[string]any{"PolicyNames": []string{"default"}, "Truncated": false}, nil
}
