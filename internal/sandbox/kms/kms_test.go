package kms_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestCiphertextIsBoundToKeyAndContext(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c := t.Context(), l.client(ann)
	one, two := l.key(t, ""), l.key(t, "")
	sealed, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: &one, Plaintext: []byte("rows"), EncryptionContext: map[string]string{"a": "1", "b": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed.CiphertextBlob, []byte("rows")) {
		t.Error("the ciphertext holds the plain text")
	}
	bent := bytes.Clone(sealed.CiphertextBlob)
	bent[len(bent)-1] ^= 1
	moved := bytes.Clone(sealed.CiphertextBlob)
	for _, tt := range []struct {
		name    string
		blob    []byte
		key     *string
		context map[string]string
		want    string
	}{
		{"as sealed", moved, nil, map[string]string{"b": "2", "a": "1"}, ""},
		{"the key named", moved, &one, map[string]string{"b": "2", "a": "1"}, ""},
		{"another key named", moved, &two, map[string]string{"b": "2", "a": "1"}, "IncorrectKeyException: "},
		{"no context", moved, nil, nil, "InvalidCiphertextException: "},
		{"less context", moved, nil, map[string]string{"a": "1"}, "InvalidCiphertextException: "},
		{"context in another case", moved, nil, map[string]string{"A": "1", "b": "2"}, "InvalidCiphertextException: "},
		{"split elsewhere", moved, nil, map[string]string{"a1": "", "b": "2"}, "InvalidCiphertextException: "},
		{"a bit turned", bent, nil, map[string]string{"a": "1", "b": "2"}, "InvalidCiphertextException: "},
		{"no ciphertext", []byte("rows"), nil, nil, "InvalidCiphertextException: "},
	} {
		out, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: tt.blob, KeyId: tt.key, EncryptionContext: tt.context})
		wantError(t, tt.name, err, tt.want)
		if err == nil && (string(out.Plaintext) != "rows" || *out.KeyId != one) {
			t.Errorf("%s: %q under %s", tt.name, out.Plaintext, *out.KeyId)
		}
	}
}

func TestReEncryptAndDataKeys(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c := t.Context(), l.client(ann)
	one, two := l.key(t, ""), l.key(t, "")
	data, err := c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: &one, KeySpec: types.DataKeySpecAes256})
	if err != nil || len(data.Plaintext) != 32 {
		t.Fatalf("data key of %d bytes, %v", len(data.Plaintext), err)
	}
	again, err := c.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: data.CiphertextBlob, DestinationKeyId: &two,
		DestinationEncryptionContext: map[string]string{"to": "two"}})
	if err != nil || *again.KeyId != two || *again.SourceKeyId != one {
		t.Fatalf("re-encrypt: %+v, %v", again, err)
	}
	out, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: again.CiphertextBlob, EncryptionContext: map[string]string{"to": "two"}})
	if err != nil || !bytes.Equal(out.Plaintext, data.Plaintext) || *out.KeyId != two {
		t.Errorf("decrypt what was re-encrypted: %v", err)
	}
	bare, err := c.GenerateDataKeyWithoutPlaintext(ctx, &awskms.GenerateDataKeyWithoutPlaintextInput{KeyId: &one, NumberOfBytes: aws.Int32(20)})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: bare.CiphertextBlob}); err != nil || len(out.Plaintext) != 20 {
		t.Errorf("a data key without plain text opens to %+v, %v", out, err)
	}
	_, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: &one, Plaintext: make([]byte, 4097)})
	wantError(t, "4097 bytes", err, "ValidationException: 4096")
	_, err = c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: &one})
	wantError(t, "no size", err, "ValidationException: Please specify either number of bytes or key spec")
	_, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: &one, Plaintext: []byte("x"), DryRun: aws.Bool(true)})
	wantError(t, "dry run", err, "DryRunOperationException: would have succeeded")
}

// TestWhoMayUseAKey follows "Determining access to AWS KMS keys", AWS KMS
// Developer Guide: the key's policy must allow by itself, or let the account's
// own policies count; across accounts both sides must allow.
func TestWhoMayUseAKey(t *testing.T) {
	l := open(t, t.TempDir())
	const (
		one, two = "arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"
		annARN   = "arn:aws:iam::111111111111:user/ann"
		hidden   = "AccessDeniedException: on this resource because the resource does not exist in this Region"
		identity = "AccessDeniedException: because no identity-based policy allows the kms:GenerateDataKey action"
		keySide  = "AccessDeniedException: because no resource-based policy allows the kms:GenerateDataKey action"
		explicit = "AccessDeniedException: with an explicit deny in a resource-based policy"
	)
	for _, tt := range []struct {
		name, policy string
		who          aws.Credentials
		want         string
	}{
		{"the account's policies count", allow(one), ann, ""},
		{"they count, but allow nothing", allow(one), nan, identity},
		{"they do not count", statement(allow(annARN)), lee, keySide},
		{"named without a policy of one's own", allow("arn:aws:iam::111111111111:user/nan"), nan, ""},
		{"everyone", allow("*"), nan, ""},
		{"root of the account by default", allow(one), root1, ""},
		{"root is not named", allow(annARN), root1, keySide},
		{"denied explicitly", allow("*") + `,{"Effect":"Deny","Principal":"*","Action":"kms:GenerateDataKey*","Resource":"*"}`, ann, explicit},
		{"another account is not named", allow(one), zoe, hidden},
		{"another account is named, both allow", allow(one) + "," + allow(two), zoe, ""},
		{"another account is named, its own side is silent", allow(one) + "," + allow(two), yan, identity},
		{"another account's user is named, its own side is silent", allow("arn:aws:iam::222222222222:user/yan"), yan, identity},
		{"a context that is asked for is missing", `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",
			"Condition":{"StringEquals":{"kms:EncryptionContext:team":"lake"}}}`, ann, keySide},
		{"only through S3", `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",
			"Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}}`, ann, keySide},
		{"the caller's account as condition", `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",
			"Condition":{"StringEquals":{"kms:CallerAccount":"111111111111"}}}`, nan, ""},
	} {
		policy := tt.policy
		if !strings.Contains(policy, `"Version"`) {
			policy = statement(policy)
		}
		key := l.key(t, policy)
		_, err := l.client(tt.who).GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256})
		wantError(t, tt.name, err, tt.want)
	}
}

func TestDenialsDoNotTellKeysApart(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, key := t.Context(), l.key(t, "")
	sealed, err := l.client(ann).Encrypt(ctx, &awskms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.client(zoe).Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantError(t, "another account decrypts", err, "AccessDeniedException: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist")
	_, err = l.client(nan).Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantError(t, "no permission", err, "AccessDeniedException: on the resource associated with this ciphertext because no identity-based policy allows the kms:Decrypt action")
	missing := "arn:aws:kms:us-east-1:111111111111:key/12345678-1234-1234-1234-123456789012"
	_, err = l.client(zoe).DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &missing})
	wantError(t, "another account's missing key", err, "AccessDeniedException: the resource does not exist in this Region")
	for id, want := range map[string]string{
		missing:      "NotFoundException: Key '" + missing + "' does not exist",
		"alias/none": "NotFoundException: Alias arn:aws:kms:us-east-1:111111111111:alias/none is not found.",
		"none":       "NotFoundException: Invalid keyId 'none'",
		"arn:aws:kms:eu-west-1:111111111111:key/12345678-1234-1234-1234-123456789012": "NotFoundException: Invalid arn eu-west-1",
		"arn:aws:s3:::bucket": "InvalidArnException: ",
	} {
		_, err := l.client(ann).DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &id})
		wantError(t, id, err, want)
	}
	_, err = l.client(zoe).DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &key})
	wantError(t, "control of another account's key", err, "AccessDeniedException: kms:DisableKey")
}

func TestAliases(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c := t.Context(), l.client(ann)
	one, two := l.key(t, ""), l.key(t, "")
	name := aws.String("alias/lake")
	create := func(key string) error {
		_, err := c.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: name, TargetKeyId: &key})
		return err
	}
	wantError(t, "create", create(one), "")
	wantError(t, "create again", create(two), "AlreadyExistsException: alias/lake already exists")
	leads := func() string {
		out, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: name})
		if err != nil {
			return err.Error()
		}
		return *out.KeyMetadata.Arn
	}
	if got := leads(); got != one {
		t.Errorf("the alias leads to %s, want %s", got, one)
	}
	if _, err := c.UpdateAlias(ctx, &awskms.UpdateAliasInput{AliasName: name, TargetKeyId: &two}); err != nil {
		t.Fatal(err)
	}
	if got := leads(); got != two {
		t.Errorf("the moved alias leads to %s, want %s", got, two)
	}
	list, err := c.ListAliases(ctx, &awskms.ListAliasesInput{KeyId: &two})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].AliasArn != "arn:aws:kms:us-east-1:111111111111:alias/lake" {
		t.Errorf("aliases: %+v, %v", list, err)
	}
	if _, err := c.DeleteAlias(ctx, &awskms.DeleteAliasInput{AliasName: name}); err != nil {
		t.Fatal(err)
	}
	if got := leads(); !strings.Contains(got, "NotFoundException") {
		t.Errorf("the deleted alias leads to %s", got)
	}
	for alias, want := range map[string]string{"lake": "ValidationException: Invalid identifier", "alias/aws/mine": "ValidationException: Alias must not start with alias/aws/",
		"alias/a b": "InvalidAliasNameException: "} {
		_, err := c.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: &alias, TargetKeyId: &one})
		wantError(t, alias, err, want)
	}
	_, err = c.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: aws.String("alias/x"), TargetKeyId: aws.String("alias/lake")})
	wantError(t, "alias of an alias", err, "NotFoundException: ")
}

func TestStatesOfAKey(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c, key := t.Context(), l.client(ann), l.key(t, "")
	use := func() error {
		_, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string // of using the key then
	}{
		{"disabled", func() error { _, err := c.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &key}); return err }, "DisabledException: " + key + " is disabled."},
		{"enabled", func() error { _, err := c.EnableKey(ctx, &awskms.EnableKeyInput{KeyId: &key}); return err }, ""},
		{"to be deleted", func() error {
			_, err := c.ScheduleKeyDeletion(ctx, &awskms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)})
			return err
		}, "KMSInvalidStateException: " + key + " is pending deletion."},
		{"saved", func() error {
			_, err := c.CancelKeyDeletion(ctx, &awskms.CancelKeyDeletionInput{KeyId: &key})
			return err
		}, "DisabledException: "},
		{"to be deleted again", func() error {
			_, err := c.ScheduleKeyDeletion(ctx, &awskms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)})
			return err
		}, "KMSInvalidStateException: "},
	} {
		wantError(t, step.name, step.do(), "")
		wantError(t, "use when "+step.name, use(), step.want)
	}
	l.skew = 8 * 24 * time.Hour
	c = l.client(ann)
	use() // teaches the client the server's time
	wantError(t, "use when gone", use(), "NotFoundException: does not exist")
}

func TestGrants(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c, key := t.Context(), l.client(ann), l.key(t, "")
	constrained := &types.GrantConstraints{EncryptionContextSubset: map[string]string{"team": "lake"}}
	for _, grantee := range []string{"arn:aws:iam::111111111111:user/nan", "arn:aws:iam::222222222222:user/yan"} {
		who := map[string]aws.Credentials{"nan": nan, "yan": yan}[grantee[len(grantee)-3:]]
		use := func(context map[string]string) error {
			_, err := l.client(who).GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256, EncryptionContext: context})
			return err
		}
		wantError(t, "before the grant", use(nil), "AccessDeniedException: ")
		out, err := c.CreateGrant(ctx, &awskms.CreateGrantInput{KeyId: &key, GranteePrincipal: &grantee, RetiringPrincipal: aws.String("arn:aws:iam::111111111111:user/lee"),
			Operations: []types.GrantOperation{types.GrantOperationGenerateDataKey, types.GrantOperationDescribeKey}, Constraints: constrained, Name: aws.String("g")})
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, "with the context", use(map[string]string{"team": "lake", "more": "x"}), "")
		wantError(t, "another case", use(map[string]string{"Team": "lake"}), "AccessDeniedException: ")
		wantError(t, "without the context", use(nil), "AccessDeniedException: ")
		_, err = l.client(who).Encrypt(ctx, &awskms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: map[string]string{"team": "lake"}})
		wantError(t, "an operation that was not granted", err, "AccessDeniedException: ")
		_, err = l.client(who).CreateGrant(ctx, &awskms.CreateGrantInput{KeyId: &key, GranteePrincipal: &grantee, Operations: []types.GrantOperation{types.GrantOperationDescribeKey}})
		wantError(t, "passing on", err, "AccessDeniedException: ")
		list, err := c.ListGrants(ctx, &awskms.ListGrantsInput{KeyId: &key, GranteePrincipal: &grantee})
		if err != nil || len(list.Grants) != 1 || *list.Grants[0].GranteePrincipal != grantee {
			t.Errorf("grants: %+v, %v", list, err)
		}
		_, err = l.client(zoe).RetireGrant(ctx, &awskms.RetireGrantInput{GrantToken: out.GrantToken})
		wantError(t, "a stranger retires", err, "AccessDeniedException: ")
		_, err = l.client(lee).RetireGrant(ctx, &awskms.RetireGrantInput{GrantToken: out.GrantToken})
		wantError(t, "the retiring principal retires", err, "")
		wantError(t, "after the grant", use(map[string]string{"team": "lake"}), "AccessDeniedException: ")
	}
	exact, err := c.CreateGrant(ctx, &awskms.CreateGrantInput{KeyId: &key, GranteePrincipal: aws.String("arn:aws:iam::111111111111:user/nan"),
		Operations: []types.GrantOperation{types.GrantOperationEncrypt}, Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"team": "lake"}}})
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(context map[string]string) error {
		_, err := l.client(nan).Encrypt(ctx, &awskms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: context})
		return err
	}
	wantError(t, "exactly the context", encrypt(map[string]string{"team": "lake"}), "")
	wantError(t, "more than the context", encrypt(map[string]string{"team": "lake", "more": "x"}), "AccessDeniedException: ")
	_, err = c.RevokeGrant(ctx, &awskms.RevokeGrantInput{KeyId: &key, GrantId: exact.GrantId})
	wantError(t, "revoke", err, "")
	wantError(t, "after the revoke", encrypt(map[string]string{"team": "lake"}), "AccessDeniedException: ")
	_, err = c.RevokeGrant(ctx, &awskms.RevokeGrantInput{KeyId: &key, GrantId: aws.String("0123")})
	wantError(t, "revoke what is not there", err, "NotFoundException: ")
	_, err = c.CreateGrant(ctx, &awskms.CreateGrantInput{KeyId: &key, GranteePrincipal: aws.String("arn:aws:iam::111111111111:user/none"),
		Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	wantError(t, "grant to nobody", err, "InvalidArnException: ")
}

func TestKeyPolicies(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c, key := t.Context(), l.client(ann), l.key(t, "")
	put := func(policy string) error {
		_, err := c.PutKeyPolicy(ctx, &awskms.PutKeyPolicyInput{KeyId: &key, Policy: &policy})
		return err
	}
	wantError(t, "no JSON", put("{"), "MalformedPolicyDocumentException: ")
	wantError(t, "nobody", put(statement(allow("arn:aws:iam::111111111111:user/none"))), "MalformedPolicyDocumentException: invalid principals")
	wantError(t, "locked out", put(statement(allow("arn:aws:iam::111111111111:user/lee"))), "MalformedPolicyDocumentException: will not allow you to update the key policy in the future")
	text := statement(allow("arn:aws:iam::111111111111:user/ann"))
	wantError(t, "put", put(text), "")
	out, err := c.GetKeyPolicy(ctx, &awskms.GetKeyPolicyInput{KeyId: &key, PolicyName: aws.String("default")})
	if err != nil || *out.Policy != text {
		t.Errorf("policy reads %v, %v", out, err)
	}
}

func TestWhatIsNotThereIsRefusedByName(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, c, key := t.Context(), l.client(ann), l.key(t, "")
	_, err := c.CreateKey(ctx, &awskms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify})
	wantError(t, "RSA", err, "UnsupportedOperationException: RSA_2048")
	_, err = c.CreateKey(ctx, &awskms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	wantError(t, "multi-Region", err, "UnsupportedOperationException: MultiRegion")
	_, err = c.EnableKeyRotation(ctx, &awskms.EnableKeyRotationInput{KeyId: &key})
	wantError(t, "rotation", err, "UnsupportedOperationException: kms:EnableKeyRotation")
	_, err = c.Sign(ctx, &awskms.SignInput{KeyId: &key, Message: []byte("x"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	wantError(t, "sign", err, "UnsupportedOperationException: kms:Sign")
}

func TestKeysSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	ctx, key := t.Context(), l.key(t, "")
	if _, err := l.client(ann).TagResource(ctx, &awskms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("lake")}}}); err != nil {
		t.Fatal(err)
	}
	sealed, err := l.client(ann).Encrypt(ctx, &awskms.EncryptInput{KeyId: &key, Plaintext: []byte("rows")})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	out, err := l.client(lee).Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || string(out.Plaintext) != "rows" {
		t.Errorf("decrypt after a restart: %v", err)
	}
	tags, err := l.client(ann).ListResourceTags(ctx, &awskms.ListResourceTagsInput{KeyId: &key})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagValue != "lake" {
		t.Errorf("tags after a restart: %+v, %v", tags, err)
	}
}

func TestListsComeInPages(t *testing.T) {
	l := open(t, t.TempDir())
	want := map[string]bool{}
	for range 5 {
		want[l.key(t, "")] = true
	}
	p := awskms.NewListKeysPaginator(l.client(ann), &awskms.ListKeysInput{Limit: aws.Int32(2)})
	pages := 0
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, k := range out.Keys {
			if !want[*k.KeyArn] {
				t.Errorf("key %s came twice, or is nobody's", *k.KeyArn)
			}
			delete(want, *k.KeyArn)
		}
	}
	if pages != 3 || len(want) != 0 {
		t.Errorf("%d pages, without %s", pages, fmt.Sprint(want))
	}
}
