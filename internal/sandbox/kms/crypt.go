package kms

import (
	"crypto/rand"
	"encoding/base64"
	"slices"

	"lakeport/internal/sandbox"
)

// Limits of "AWS KMS quotas" and the operations' pages.
const (
	maxPlain  = 4096
	maxCipher = 6144
)

type cryptOutput struct {
	CiphertextBlob           string `json:",omitempty"`
	Plaintext                string `json:",omitempty"`
	KeyID                    string `json:"KeyId"`
	SourceKeyID              string `json:"SourceKeyId,omitempty"`
	EncryptionAlgorithm      string `json:",omitempty"`
	SourceAlgorithm          string `json:"SourceEncryptionAlgorithm,omitempty"`
	DestinationAlgorithm     string `json:"DestinationEncryptionAlgorithm,omitempty"`
	KeyMaterialID            string `json:"KeyMaterialId,omitempty"`
	SourceKeyMaterialID      string `json:"SourceKeyMaterialId,omitempty"`
	DestinationKeyMaterialID string `json:"DestinationKeyMaterialId,omitempty"`
}

// context gives an encryption context for a need: never nil, which says that
// the operation takes one.
func context(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func encryptNeeds(q *call) ([]sandbox.Need, error) {
	if _, err := bytes("plaintext", q.in.Plaintext, 1, maxPlain); err != nil {
		return nil, err
	}
	q.in.EncryptionContext = context(q.in.EncryptionContext)
	return onKey(q)
}

func encrypt(q *call) (any, error) {
	plain, err := bytes("plaintext", q.in.Plaintext, 1, maxPlain)
	if err != nil {
		return nil, err
	}
	out, err := q.seal(q.key, plain)
	return cryptOutput{CiphertextBlob: out, KeyID: q.key.arn(), EncryptionAlgorithm: symmetric}, err
}

// seal encrypts under a usable key with the call's encryption context.
func (q *call) seal(k *key, plain []byte) (string, error) {
	if err := k.usable(); err != nil {
		return "", err
	}
	if err := q.dryRun(); err != nil {
		return "", err
	}
	b, err := q.encrypt(k, plain, q.in.EncryptionContext)
	return base64.StdEncoding.EncodeToString(b), err
}

// source reads a ciphertext and finds its key, and compares it with the key
// that the caller names, if any.
func (q *call) source(claimed *string) error {
	b, err := bytes("ciphertextBlob", q.in.CiphertextBlob, 1, maxCipher)
	if err != nil {
		return err
	}
	if q.blob, err = readBlob(b); err != nil {
		return fail("InvalidCiphertextException", "")
	}
	k := q.store.identified(q.blob.id)
	if claimed != nil {
		named, alias, err := q.lookup(*claimed)
		if err != nil {
			return err
		}
		q.alias = alias
		if k != named {
			return fail("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	if k == nil || k.gone(q.Now) || k.Region != q.Region {
		return q.hidden("kms:Decrypt")
	}
	q.key = k
	return nil
}

func decryptNeeds(q *call) ([]sandbox.Need, error) {
	q.in.EncryptionContext = context(q.in.EncryptionContext)
	if err := q.source(q.in.KeyID); err != nil {
		return nil, err
	}
	return []sandbox.Need{q.need(q.action, q.key, q.in.EncryptionContext)}, nil
}

func decrypt(q *call) (any, error) {
	if err := q.key.usable(); err != nil {
		return nil, err
	}
	plain, err := q.decrypt(q.key, q.blob, q.in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if err := q.dryRun(); err != nil {
		return nil, err
	}
	return cryptOutput{Plaintext: base64.StdEncoding.EncodeToString(plain), KeyID: q.key.arn(), EncryptionAlgorithm: symmetric,
		KeyMaterialID: q.key.materialID()}, nil
}

// reEncryptNeeds takes two permissions, each on its own key.
func reEncryptNeeds(q *call) ([]sandbox.Need, error) {
	from, to := context(q.in.SourceEncryptionContext), context(q.in.DestinationEncryptionContext)
	if err := q.source(q.in.SourceKeyID); err != nil {
		return nil, err
	}
	first := q.need("kms:ReEncryptFrom", q.key, from)
	target, alias, err := q.lookup(*q.in.DestinationKeyID)
	if err != nil {
		return nil, err
	}
	q.other, q.alias = target, alias
	second := q.need("kms:ReEncryptTo", target, to)
	same := "false"
	if target == q.key {
		same = "true"
	}
	first.Context["kms:reencryptonsamekey"], second.Context["kms:reencryptonsamekey"] = []string{same}, []string{same}
	return []sandbox.Need{first, second}, nil
}

func reEncrypt(q *call) (any, error) {
	if err := q.key.usable(); err != nil {
		return nil, err
	}
	plain, err := q.decrypt(q.key, q.blob, q.in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	q.in.EncryptionContext = q.in.DestinationEncryptionContext
	out, err := q.seal(q.other, plain)
	return cryptOutput{CiphertextBlob: out, KeyID: q.other.arn(), SourceKeyID: q.key.arn(), SourceAlgorithm: symmetric,
		DestinationAlgorithm: symmetric, SourceKeyMaterialID: q.key.materialID(), DestinationKeyMaterialID: q.other.materialID()}, err
}

// dataKeySize reads how long a data key is to be.
func (in *input) dataKeySize() (int, error) {
	switch {
	case in.KeySpec != "" && in.NumberOfBytes != nil:
		return 0, invalid("Please specify either number of bytes or key spec, but not both.")
	case in.NumberOfBytes != nil && (*in.NumberOfBytes < 1 || *in.NumberOfBytes > 1024):
		return 0, invalid("1 validation error detected: Value '%d' at 'numberOfBytes' failed to satisfy constraint: Member must have value between 1 and 1024", *in.NumberOfBytes)
	case in.NumberOfBytes != nil:
		return *in.NumberOfBytes, nil
	case in.KeySpec == "AES_256":
		return 32, nil
	case in.KeySpec == "AES_128":
		return 16, nil
	case in.KeySpec == "":
		return 0, invalid("Please specify either number of bytes or key spec.")
	}
	return 0, invalid("1 validation error detected: Value '%s' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]", in.KeySpec)
}

func dataKeyNeeds(q *call) ([]sandbox.Need, error) {
	if _, err := q.in.dataKeySize(); err != nil {
		return nil, err
	}
	q.in.EncryptionContext = context(q.in.EncryptionContext)
	return onKey(q)
}

func dataKey(q *call) (any, error) {
	n, err := q.in.dataKeySize()
	if err != nil {
		return nil, err
	}
	plain := make([]byte, n)
	rand.Read(plain)
	out, err := q.seal(q.key, plain)
	if err != nil {
		return nil, err
	}
	o := cryptOutput{CiphertextBlob: out, KeyID: q.key.arn(), KeyMaterialID: q.key.materialID()}
	if q.action == "kms:GenerateDataKey" {
		o.Plaintext = base64.StdEncoding.EncodeToString(plain)
	}
	return o, nil
}

func generateRandom(q *call) (any, error) {
	if q.in.NumberOfBytes == nil || *q.in.NumberOfBytes < 1 || *q.in.NumberOfBytes > 1024 {
		return nil, invalid("NumberOfBytes must be between 1 and 1024")
	}
	b := make([]byte, *q.in.NumberOfBytes)
	rand.Read(b)
	return map[string]string{"Plaintext": base64.StdEncoding.EncodeToString(b)}, nil
}

// operations is the table of needs. Those without are known and refused by
// name.
var operations = map[string]operation{
	"CreateKey": {createNeeds, createKey}, "DescribeKey": {onKey, describeKey}, "ListKeys": {onAll, listKeys},
	"EnableKey": {onKey, setEnabled(enabled)}, "DisableKey": {onKey, setEnabled(disabled)}, "UpdateKeyDescription": {onKey, updateDescription},
	"ScheduleKeyDeletion": {onKey, scheduleDeletion}, "CancelKeyDeletion": {onKey, cancelDeletion}, "GetKeyRotationStatus": {onKey, rotationStatus},
	"GetKeyPolicy": {onKey, getPolicy}, "PutKeyPolicy": {onKey, putPolicy}, "ListKeyPolicies": {onKey, listPolicies},
	"CreateAlias": {aliasNeeds, createAlias}, "UpdateAlias": {aliasNeeds, updateAlias}, "DeleteAlias": {aliasNeeds, deleteAlias},
	"ListAliases": {onAll, listAliases},
	"CreateGrant": {createGrantNeeds, createGrant}, "ListGrants": {onKey, listGrants}, "RevokeGrant": {onKey, revokeGrant},
	"RetireGrant": {retireNeeds, revokeGrant}, "ListRetirableGrants": {onAll, listRetirable},
	"Encrypt": {encryptNeeds, encrypt}, "Decrypt": {decryptNeeds, decrypt}, "ReEncrypt": {reEncryptNeeds, reEncrypt},
	"GenerateDataKey": {dataKeyNeeds, dataKey}, "GenerateDataKeyWithoutPlaintext": {dataKeyNeeds, dataKey}, "GenerateRandom": {onAll, generateRandom},
	"TagResource": {onKey, tagResource}, "UntagResource": {onKey, untagResource}, "ListResourceTags": {onKey, listTags},
}

func init() {
	for _, name := range slices.Concat(
		[]string{"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand", "ListKeyRotations", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"},
		[]string{"GenerateMac", "VerifyMac", "Sign", "Verify", "GetPublicKey", "DeriveSharedSecret"},
		[]string{"ImportKeyMaterial", "DeleteImportedKeyMaterial", "GetParametersForImport", "ReplicateKey", "UpdatePrimaryRegion"},
		[]string{"CreateCustomKeyStore", "DeleteCustomKeyStore", "UpdateCustomKeyStore", "ConnectCustomKeyStore", "DisconnectCustomKeyStore", "DescribeCustomKeyStores"},
	) {
		operations[name] = operation{}
	}
}
