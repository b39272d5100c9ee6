package kms_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/kms"
	"lakeport/internal/secret"
)

// world has two accounts. In the first, ann may do everything with KMS, lee
// may only decrypt and nan may do nothing; zoe of the second may do everything.
const world = `{"accounts": {
  "111111111111": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
    "users": {
      "ann": {"AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"}],
        "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}}]},
      "lee": {"AccessKeys": [{"AccessKeyId": "AKIALEELEELEELEELEE1", "SecretAccessKey": "leesecret"}],
        "UserPolicyList": [{"PolicyName": "decrypt", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:*:111111111111:key/*"}]}}]},
      "nan": {"AccessKeys": [{"AccessKeyId": "AKIANANNANNANNANNAN1", "SecretAccessKey": "nansecret"}]}
    }
  },
  "222222222222": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO2", "secret_access_key": "rootsecret2"},
    "users": {
      "zoe": {"AccessKeys": [{"AccessKeyId": "AKIAZOEZOEZOEZOEZOE2", "SecretAccessKey": "zoesecret"}],
        "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}}]},
      "yan": {"AccessKeys": [{"AccessKeyId": "AKIAYANYANYANYANYAN2", "SecretAccessKey": "yansecret"}]}}
  }}, "host": {"account": "111111111111", "instance_profile": "none"}}`

var (
	root1 = aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"}
	root2 = aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO2", SecretAccessKey: "rootsecret2"}
	ann   = aws.Credentials{AccessKeyID: "AKIAANNANNANNANNANN1", SecretAccessKey: "annsecret"}
	lee   = aws.Credentials{AccessKeyID: "AKIALEELEELEELEELEE1", SecretAccessKey: "leesecret"}
	nan   = aws.Credentials{AccessKeyID: "AKIANANNANNANNANNAN1", SecretAccessKey: "nansecret"}
	zoe   = aws.Credentials{AccessKeyID: "AKIAZOEZOEZOEZOEZOE2", SecretAccessKey: "zoesecret"}
	yan   = aws.Credentials{AccessKeyID: "AKIAYANYANYANYANYAN2", SecretAccessKey: "yansecret"}
)

// lab is a sandbox with KMS over HTTP, whose clock can be moved.
type lab struct {
	*sandbox.Server
	url  string
	skew time.Duration
}

func open(t testing.TB, dir string) *lab {
	t.Helper()
	l := &lab{}
	now := func() time.Time { return time.Now().Add(l.skew) }
	srv, err := sandbox.Open(sandbox.Options{Dir: dir, World: strings.NewReader(world), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	service, err := kms.New(kms.Options{DB: srv.DB(), Box: box, Now: srv.Now, Principals: func() kms.Principals { return srv.World().State() }})
	if err != nil {
		t.Fatal(err)
	}
	srv.Add(service)
	listener := httptest.NewServer(srv.Handler())
	t.Cleanup(func() {
		listener.Close()
		_ = srv.Close() // a test may have closed it
	})
	l.Server, l.url = srv, listener.URL
	return l
}

func (l *lab) client(c aws.Credentials, options ...func(*awskms.Options)) *awskms.Client {
	return awskms.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(l.url), RetryMaxAttempts: 1,
		Credentials: credentials.StaticCredentialsProvider{Value: c}}, options...)
}

// key makes one as ann, with a policy unless that is empty.
func (l *lab) key(t testing.TB, policy string) string {
	t.Helper()
	in := &awskms.CreateKeyInput{}
	if policy != "" {
		in.Policy, in.BypassPolicyLockoutSafetyCheck = &policy, true
	}
	out, err := l.client(ann).CreateKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// wantError compares an error's code and part of its message; "" is none.
func wantError(t testing.TB, what string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	code, text, _ := strings.Cut(want, ": ")
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

func statement(rest string) string {
	return `{"Version":"2012-10-17","Statement":[` + rest + `]}`
}

func allow(principal string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"}`
}
