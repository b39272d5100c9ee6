package s3_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func (l *lab) kms(c aws.Credentials) *awskms.Client {
	return awskms.New(awskms.Options{Region: "us-east-1", BaseEndpoint: aws.String(l.url), Credentials: credentials.StaticCredentialsProvider{Value: c}})
}

// key makes one of an account with a policy of the given statements.
func (l *lab) key(owner aws.Credentials, statements string) string {
	l.Helper()
	in := &awskms.CreateKeyInput{BypassPolicyLockoutSafetyCheck: true}
	if statements != "" {
		in.Policy = aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
	}
	out, err := l.kms(owner).CreateKey(context.Background(), in)
	if err != nil {
		l.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// onDisk tells whether any content holds the text.
func (l *lab) onDisk(text string) bool {
	l.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(l.dir, "s3"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return found
}

func wantAPI(t testing.TB, what string, err error, code, text string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("%s: got %v, want %s: %s", what, err, code, text)
	}
}

// everyone lets all of the account use a key, as far as S3 sends them.
const everyone = `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`

func TestEncryptedBytesAreReadAsWritten(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-sse")
	key := l.key(root, everyone)
	const marker = "the plain text of a row "
	body := strings.Repeat(marker, 20_000) // several blocks
	underKey := func(in *awss3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	}
	out := put(t, c, "b-sse", "k", body, underKey)
	if out.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(out.SSEKMSKeyId) != key {
		t.Errorf("put answers %v under %s", out.ServerSideEncryption, aws.ToString(out.SSEKMSKeyId))
	}
	if l.onDisk(marker) {
		t.Error("the plain text stands on disk")
	}
	for _, r := range [][2]int{{0, len(body)}, {0, 1}, {15, 17}, {16, 32}, {100_003, 300_001}, {len(body) - 5, len(body)}} {
		in := &awss3.GetObjectInput{Bucket: aws.String("b-sse"), Key: aws.String("k")}
		if r[1] < len(body) || r[0] > 0 {
			in.Range = aws.String("bytes=" + strconv.Itoa(r[0]) + "-" + strconv.Itoa(r[1]-1))
		}
		got, err := c.GetObject(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(got.Body)
		if err != nil || string(read) != body[r[0]:r[1]] {
			t.Errorf("bytes %d to %d are wrong, %v", r[0], r[1], err)
		}
		if got.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(got.SSEKMSKeyId) != key {
			t.Errorf("get answers %v under %s", got.ServerSideEncryption, aws.ToString(got.SSEKMSKeyId))
		}
	}
	// The same bytes under the same key do not look the same.
	if again := put(t, c, "b-sse", "k2", body, underKey); *again.ETag == *out.ETag {
		t.Error("two encrypted objects have one ETag")
	}
	// A copy is encrypted as its own request says, not as its source.
	for name, in := range map[string]*awss3.CopyObjectInput{
		"plain":  {ServerSideEncryption: types.ServerSideEncryptionAes256},
		"sealed": {ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key},
	} {
		in.Bucket, in.Key, in.CopySource = aws.String("b-sse"), &name, aws.String("b-sse/k")
		if _, err := c.CopyObject(ctx, in); err != nil {
			t.Fatal(err)
		}
		if got := text(t, c, "b-sse", name); got != body {
			t.Errorf("the %s copy has %d bytes of something else", name, len(got))
		}
	}
	if !l.onDisk(marker) {
		t.Error("the copy under SSE-S3 is not there in plain: the test looks in the wrong place")
	}
}

func text(t testing.TB, c *awss3.Client, bucket, key string) string {
	t.Helper()
	got, _, err := get(c, bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEncryptedUploadInParts(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-parts")
	key, bucket, name := l.key(root, everyone), aws.String("b-parts"), aws.String("big")
	const marker = "one line of a part\n"
	parts := []string{strings.Repeat(marker, 300_000), strings.Repeat(marker, 7)}
	put(t, c, "b-parts", "source", parts[1], func(in *awss3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	})
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: name,
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
	if err != nil || up.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
		t.Fatalf("create: %+v, %v", up, err)
	}
	first, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: bucket, Key: name, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader(parts[0])})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: bucket, Key: name, UploadId: up.UploadId, PartNumber: aws.Int32(2),
		CopySource: aws.String("b-parts/source")})
	if err != nil {
		t.Fatal(err)
	}
	if l.onDisk(marker) {
		t.Error("the plain text of a part stands on disk")
	}
	done, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: name, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: first.ETag},
			{PartNumber: aws.Int32(2), ETag: second.CopyPartResult.ETag}}}})
	if err != nil || aws.ToString(done.SSEKMSKeyId) != key {
		t.Fatalf("complete: %+v, %v", done, err)
	}
	if got := text(t, c, "b-parts", "big"); got != parts[0]+parts[1] {
		t.Errorf("read %d bytes of something else", len(got))
	}
	if l.onDisk(marker) {
		t.Error("the plain text of the whole stands on disk")
	}
}

// TestTheKeyIsASecondDecision: whoever may use the bucket may not therefore use
// the key ("Using server-side encryption with AWS KMS keys", S3 User Guide).
func TestTheKeyIsASecondDecision(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-locks")
	const (
		annARN, leeARN = "arn:aws:iam::111111111111:user/ann", "arn:aws:iam::111111111111:user/lee"
		objects        = "arn:aws:s3:::b-locks/"
	)
	grant := func(who, action, condition string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":` + action + `,"Resource":"*"` + condition + `}`
	}
	both := `["kms:GenerateDataKey","kms:Decrypt"]`
	for _, tt := range []struct {
		name, policy   string
		put, get, head string // error codes and texts of ann's put, lee's get and lee's head
	}{
		{"both may", grant(annARN, both, "") + "," + grant(leeARN, both, ""), "", "", ""},
		{"lee may not decrypt", grant(annARN, both, ""), "", "AccessDenied: kms:Decrypt on the resource associated with this ciphertext because no resource-based policy allows", ""},
		{"ann may not generate", grant(annARN, `"kms:Decrypt"`, ""), "AccessDenied: is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:", "", ""},
		{"through S3 only", grant("*", both, `,"Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`), "", "", ""},
		{"through another service only", grant("*", both, `,"Condition":{"StringEquals":{"kms:ViaService":"rds.us-east-1.amazonaws.com"}}`), "AccessDenied: kms:GenerateDataKey", "", ""},
		{"for objects below a prefix", grant("*", both, `,"Condition":{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"`+objects+`lock/*"}}`), "", "", ""},
		{"for other objects", grant("*", both, `,"Condition":{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"`+objects+`other/*"}}`), "AccessDenied: kms:GenerateDataKey", "", ""},
		{"called by S3", grant("*", both, `,"Condition":{"Bool":{"aws:ViaAWSService":"true"},"ForAnyValue:StringEquals":{"aws:CalledVia":"s3.amazonaws.com"}}`), "", "", ""},
		{"denied explicitly", grant("*", both, "") + `,{"Effect":"Deny","Principal":{"AWS":"` + leeARN + `"},"Action":"kms:Decrypt","Resource":"*"}`, "", "AccessDenied: with an explicit deny in a resource-based policy", ""},
	} {
		key := l.key(root, tt.policy)
		split := func(s string) (string, string) { code, text, _ := strings.Cut(s, ": "); return code, text }
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String("b-locks"), Key: aws.String("lock/k"), Body: strings.NewReader("x"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
		code, part := split(tt.put)
		wantAPI(t, tt.name+": put", err, code, part)
		if err != nil {
			continue
		}
		_, err = l.client(keys("lee")).GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("b-locks"), Key: aws.String("lock/k")})
		code, part = split(tt.get)
		wantAPI(t, tt.name+": get", err, code, part)
		_, err = l.client(keys("lee")).HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String("b-locks"), Key: aws.String("lock/k")})
		wantAPI(t, tt.name+": head", err, "", "")
		_, err = l.client(keys("lee")).HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String("b-locks"), Key: aws.String("lock/k"), ChecksumMode: types.ChecksumModeEnabled})
		if (err != nil) != (tt.get != "") {
			t.Errorf("%s: head with checksum: %v", tt.name, err)
		}
	}
}

func TestMultipartNeedsToDecrypt(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-half")
	key := l.key(root, `{"Effect":"Allow","Principal":"*","Action":"kms:GenerateDataKey","Resource":"*"}`)
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: aws.String("b-half"), Key: aws.String("k"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: aws.String("b-half"), Key: aws.String("k"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	wantAPI(t, "part", err, "AccessDenied", "kms:Decrypt")
}

func TestDefaultEncryption(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-default")
	key, bucket := l.key(root, everyone), aws.String("b-default")
	rule := func(r types.ServerSideEncryptionRule) error {
		_, err := c.PutBucketEncryption(ctx, &awss3.PutBucketEncryptionInput{Bucket: bucket,
			ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{r}}})
		return err
	}
	if err := rule(types.ServerSideEncryptionRule{BucketKeyEnabled: aws.Bool(true),
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &key}}); err != nil {
		t.Fatal(err)
	}
	conf, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: bucket})
	if err != nil || *conf.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.KMSMasterKeyID != key {
		t.Errorf("configuration: %+v, %v", conf, err)
	}
	out := put(t, c, "b-default", "k", "the text in plain")
	if out.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(out.SSEKMSKeyId) != key || !aws.ToBool(out.BucketKeyEnabled) {
		t.Errorf("put under the default answers %+v", out)
	}
	if l.onDisk("the text in plain") {
		t.Error("the plain text stands on disk")
	}
	explicit := put(t, c, "b-default", "s3", "x", func(in *awss3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 })
	if explicit.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("AES256 by header answers %v", explicit.ServerSideEncryption)
	}
	if _, err := c.DeleteBucketEncryption(ctx, &awss3.DeleteBucketEncryptionInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if out := put(t, c, "b-default", "plain", "x"); out.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("put after the default is gone answers %v", out.ServerSideEncryption)
	}
	if got := text(t, c, "b-default", "k"); got != "the text in plain" {
		t.Errorf("the older object reads %q", got)
	}
}

// TestKeysOfAnotherAccount: the caller's account, the bucket's and the key's
// may differ; AWS's own key of S3 never leaves its account.
func TestKeysOfAnotherAccount(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-shared")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"s3:*","Resource":["arn:aws:s3:::b-shared","arn:aws:s3:::b-shared/*"]}]}`
	if _, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: aws.String("b-shared"), Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	own := l.key(root, everyone)
	put(t, c, "b-shared", "own", "x", func(in *awss3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &own
	})
	put(t, c, "b-shared", "managed", "x", func(in *awss3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAwsKms })
	if got := text(t, c, "b-shared", "managed"); got != "x" {
		t.Errorf("aws/s3 of the own account gives %q", got)
	}
	read := func(who aws.Credentials, key string) error {
		_, err := l.client(who).GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("b-shared"), Key: &key})
		return err
	}
	wantAPI(t, "zoe's own side is silent on KMS", read(zoe, "own"), "AccessDenied", "because no identity-based policy allows the kms:Decrypt action")
	wantAPI(t, "both sides allow", read(root2, "own"), "", "")
	wantAPI(t, "aws/s3 of another account", read(root2, "managed"), "AccessDenied", "the resource does not exist in this Region, no resource-based policies allow access")
}

func TestFaultyEncryptionHeaders(t *testing.T) {
	l := open(t)
	ctx, c := t.Context(), l.bucket("b-faulty")
	key := l.key(root, everyone)
	for name, tt := range map[string]struct {
		edit func(*awss3.PutObjectInput)
		code string
	}{
		"key without algorithm": {func(in *awss3.PutObjectInput) { in.SSEKMSKeyId = &key }, "InvalidArgument"},
		"key with AES256": {func(in *awss3.PutObjectInput) {
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAes256, &key
		}, "InvalidArgument"},
		"unknown algorithm": {func(in *awss3.PutObjectInput) { in.ServerSideEncryption = "rot13" }, "InvalidArgument"},
		"two layers":        {func(in *awss3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAwsKmsDsse }, "NotImplemented"},
		"no such key": {func(in *awss3.PutObjectInput) {
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, aws.String("12345678-1234-1234-1234-123456789012")
		}, "KMS.NotFoundException"},
		"no such context": {func(in *awss3.PutObjectInput) {
			in.ServerSideEncryption, in.SSEKMSEncryptionContext = types.ServerSideEncryptionAwsKms, aws.String(base64.StdEncoding.EncodeToString([]byte(`["a"]`)))
		}, "InvalidArgument"},
		"a good context": {func(in *awss3.PutObjectInput) {
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
			in.SSEKMSEncryptionContext = aws.String(base64.StdEncoding.EncodeToString([]byte(`{"a":"b"}`)))
		}, ""},
	} {
		in := &awss3.PutObjectInput{Bucket: aws.String("b-faulty"), Key: aws.String("k"), Body: strings.NewReader("x")}
		tt.edit(in)
		_, err := c.PutObject(ctx, in)
		wantAPI(t, name, err, tt.code, "")
	}
	if _, err := l.kms(root).DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("b-faulty"), Key: aws.String("k")})
	wantAPI(t, "disabled key", err, "KMS.DisabledException", "is disabled")
	public := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b-faulty/*"}]}`
	if _, err := c.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: aws.String("b-faulty")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: aws.String("b-faulty"), Policy: &public}); err != nil {
		t.Fatal(err)
	}
	anonymous := l.client(aws.Credentials{}, func(o *awss3.Options) { o.Credentials = aws.AnonymousCredentials{} })
	_, err = anonymous.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("b-faulty"), Key: aws.String("k")})
	wantAPI(t, "anonymous", err, "InvalidArgument", "require AWS Signature Version 4")
}

// The AWS CLI writes a long object in parts under an alias and reads it back.
func TestAWSCommandLineUnderAKey(t *testing.T) {
	l := open(t)
	l.bucket("b-cli-sse")
	dir, key := t.TempDir(), l.key(root, everyone)
	_, err := l.kms(root).CreateAlias(t.Context(), &awskms.CreateAliasInput{AliasName: aws.String("alias/lake"), TargetKeyId: &key})
	ok(t, err)
	big := bytes.Repeat([]byte("a line of the file\n"), 600_000)
	ok(t, os.WriteFile(filepath.Join(dir, "big"), big, 0o600))
	l.aws(t, dir, "s3", "cp", "big", "s3://b-cli-sse/big", "--sse", "aws:kms", "--sse-kms-key-id", "alias/lake")
	l.aws(t, dir, "s3", "cp", "s3://b-cli-sse/big", "back")
	back, err := os.ReadFile(filepath.Join(dir, "back"))
	if err != nil || !bytes.Equal(back, big) {
		t.Errorf("read back %d bytes, %v", len(back), err)
	}
	if out := l.aws(t, dir, "s3api", "head-object", "--bucket", "b-cli-sse", "--key", "big"); !strings.Contains(out, `"ServerSideEncryption": "aws:kms"`) || !strings.Contains(out, key) {
		t.Errorf("head-object: %s", out)
	}
	if l.onDisk("a line of the file") {
		t.Error("the plain text stands on disk")
	}
}
