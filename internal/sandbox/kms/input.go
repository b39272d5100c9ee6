package kms

import (
	"encoding/base64"
	"regexp"
	"strings"
	"unicode/utf8"
)

// input is the members of all operations' requests: they share names and
// shapes.
type input struct {
	KeyID       *string `json:"KeyId"`
	Description *string
	Policy      *string
	PolicyName  *string
	Tags        []tag
	TagKeys     []string

	// CreateKey.
	KeyUsage              string
	KeySpec               string
	CustomerMasterKeySpec string
	Origin                string
	MultiRegion           bool
	CustomKeyStoreID      *string `json:"CustomKeyStoreId"`
	XksKeyID              *string `json:"XksKeyId"`
	Bypass                bool    `json:"BypassPolicyLockoutSafetyCheck"`

	PendingWindowInDays *int
	AliasName           *string
	TargetKeyID         *string `json:"TargetKeyId"`
	Limit               *int
	Marker              *string

	// Grants.
	GranteePrincipal        *string
	GranteeServicePrincipal *string
	RetiringPrincipal       *string
	Operations              []string
	Constraints             *constraints
	GrantTokens             []string
	GrantToken              *string
	GrantID                 *string `json:"GrantId"`
	Name                    *string

	// Cryptography.
	Plaintext                    *string
	CiphertextBlob               *string
	EncryptionContext            map[string]string
	EncryptionAlgorithm          string
	NumberOfBytes                *int
	SourceKeyID                  *string `json:"SourceKeyId"`
	DestinationKeyID             *string `json:"DestinationKeyId"`
	SourceEncryptionContext      map[string]string
	DestinationEncryptionContext map[string]string
	SourceEncryptionAlgorithm    string
	DestinationAlgorithm         string `json:"DestinationEncryptionAlgorithm"`
	Recipient                    *struct{}
	DryRun                       bool
}

type tag struct{ TagKey, TagValue string }

type constraints struct {
	EncryptionContextSubset map[string]string `json:",omitempty"`
	EncryptionContextEquals map[string]string `json:",omitempty"`
	SourceARN               *string           `json:"SourceArn,omitempty"`
}

func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// required names the members that an operation cannot do without.
var required = map[string]string{
	"DescribeKey": "KeyId", "EnableKey": "KeyId", "DisableKey": "KeyId", "ScheduleKeyDeletion": "KeyId", "CancelKeyDeletion": "KeyId",
	"UpdateKeyDescription": "KeyId Description", "GetKeyPolicy": "KeyId", "PutKeyPolicy": "KeyId Policy", "ListKeyPolicies": "KeyId",
	"GetKeyRotationStatus": "KeyId", "CreateAlias": "AliasName TargetKeyId", "UpdateAlias": "AliasName TargetKeyId", "DeleteAlias": "AliasName",
	"CreateGrant": "KeyId Operations", "ListGrants": "KeyId", "RevokeGrant": "KeyId GrantId", "ListRetirableGrants": "RetiringPrincipal",
	"Encrypt": "KeyId Plaintext", "Decrypt": "CiphertextBlob", "ReEncrypt": "CiphertextBlob DestinationKeyId", "GenerateDataKey": "KeyId",
	"GenerateDataKeyWithoutPlaintext": "KeyId", "TagResource": "KeyId Tags", "UntagResource": "KeyId TagKeys", "ListResourceTags": "KeyId",
}

var (
	tagChars    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	grantName   = regexp.MustCompile(`^[a-zA-Z0-9:/_-]+$`)
	nullMessage = "Value null at '%s' failed to satisfy constraint: Member must not be null"
)

// check applies the constraints of the model and names what the sandbox does
// not do.
func (in *input) check(name string) error {
	present := map[string]bool{"KeyId": in.KeyID != nil, "Description": in.Description != nil, "Policy": in.Policy != nil,
		"AliasName": in.AliasName != nil, "TargetKeyId": in.TargetKeyID != nil, "Operations": in.Operations != nil, "GrantId": in.GrantID != nil,
		"RetiringPrincipal": in.RetiringPrincipal != nil, "Plaintext": in.Plaintext != nil, "CiphertextBlob": in.CiphertextBlob != nil,
		"DestinationKeyId": in.DestinationKeyID != nil, "Tags": in.Tags != nil, "TagKeys": in.TagKeys != nil}
	for _, member := range strings.Fields(required[name]) {
		if !present[member] {
			return invalid("1 validation error detected: "+nullMessage, strings.ToLower(member[:1])+member[1:])
		}
	}
	length := func(member string, v *string, min, max int) error {
		if v == nil {
			return nil
		}
		switch n := utf8.RuneCountInString(*v); {
		case n < min:
			return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", *v, member, min)
		case n > max:
			return invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member, max)
		}
		return nil
	}
	for _, f := range []struct {
		member   string
		v        *string
		min, max int
	}{{"keyId", in.KeyID, 1, 2048}, {"targetKeyId", in.TargetKeyID, 1, 2048}, {"description", in.Description, 0, 8192}, {"policy", in.Policy, 1, 131072},
		{"policyName", in.PolicyName, 1, 128}, {"aliasName", in.AliasName, 1, 256}, {"granteePrincipal", in.GranteePrincipal, 1, 256},
		{"retiringPrincipal", in.RetiringPrincipal, 1, 256}, {"name", in.Name, 1, 256}, {"grantId", in.GrantID, 1, 128}, {"marker", in.Marker, 1, 1024}} {
		if err := length(f.member, f.v, f.min, f.max); err != nil {
			return err
		}
	}
	switch {
	case in.PolicyName != nil && *in.PolicyName != "default":
		return notFound("No such policy exists")
	case in.Limit != nil && (*in.Limit < 1 || *in.Limit > 1000):
		return invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 1000", *in.Limit)
	case in.Recipient != nil:
		return fail("UnsupportedOperationException", "The sandbox does not implement Recipient (Nitro enclaves).")
	case len(in.GrantTokens) > 10:
		return invalid("1 validation error detected: Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10")
	case in.Name != nil && !grantName.MatchString(*in.Name):
		return invalid("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", *in.Name)
	}
	for _, alg := range []string{in.EncryptionAlgorithm, in.SourceEncryptionAlgorithm, in.DestinationAlgorithm} {
		if alg != "" && alg != symmetric {
			return fail("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", alg, symmetric)
		}
	}
	return in.checkTags()
}

func (in *input) checkTags() error {
	if len(in.Tags) > 50 {
		return fail("TagException", "Too many tags")
	}
	for _, t := range in.Tags {
		switch {
		case t.TagKey == "" || len(t.TagKey) > 128 || len(t.TagValue) > 256 || !tagChars.MatchString(t.TagKey) || !tagChars.MatchString(t.TagValue):
			return fail("TagException", "Tag %q has a key or value that tags cannot have", t.TagKey)
		case strings.HasPrefix(strings.ToLower(t.TagKey), "aws:"):
			return fail("TagException", "aws: prefixed tag key names are not allowed for external use.")
		}
	}
	return nil
}

// bytes reads a member that is base64 in JSON.
func bytes(member string, text *string, min, max int) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(value(text))
	switch {
	case err != nil:
		return nil, fail("SerializationException", "%s is not base64", member)
	case len(b) < min:
		return nil, invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", member, min)
	case len(b) > max:
		return nil, invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member, max)
	}
	return b, nil
}
