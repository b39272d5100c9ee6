package sandbox_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/iamapi"
	"lakeport/internal/sandbox/sts"
)

// lab is a sandbox over HTTP and its root user's keys.
type lab struct {
	*sandbox.Server
	dir  string
	url  string
	imds string
	root aws.Credentials
}

// open starts a sandbox in a fresh directory.
func open(t testing.TB, o sandbox.Options) *lab {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := sandbox.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Add(sts.New(s.World()))
	s.Add(iamapi.New(s.World()))
	main, meta := httptest.NewServer(s.Handler()), httptest.NewServer(s.Metadata())
	t.Cleanup(func() {
		main.Close()
		meta.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &lab{Server: s, dir: o.Dir, url: main.URL, imds: meta.URL}
	if text, err := os.ReadFile(filepath.Join(o.Dir, "root.json")); err == nil {
		var key struct{ Account, Access_key_id, Secret_access_key string }
		if err := json.Unmarshal(text, &key); err != nil {
			t.Fatal(err)
		}
		l.root = aws.Credentials{AccessKeyID: key.Access_key_id, SecretAccessKey: key.Secret_access_key, AccountID: key.Account}
	}
	return l
}

func (l *lab) config(c aws.Credentials) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(l.url), RetryMaxAttempts: 1,
		Credentials: credentials.StaticCredentialsProvider{Value: c}}
}

func (l *lab) sts(c aws.Credentials) *awssts.Client { return awssts.NewFromConfig(l.config(c)) }

func TestFreshSandboxKnowsItsRootUser(t *testing.T) {
	l := open(t, sandbox.Options{})
	got, err := l.sts(l.root).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:iam::" + l.root.AccountID + ":root"; *got.Arn != want {
		t.Errorf("Arn = %s, want %s", *got.Arn, want)
	}
}

// twoAccounts is a world of two accounts: user ann of the first may assume
// what trusts her account.
const twoAccounts = `{"accounts": {
  "111111111111": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
    "users": {"ann": {"AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"}],
      "UserPolicyList": [{"PolicyName": "assume", "PolicyDocument": {"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], "Resource": ["arn:aws:iam::*:role/open*", "arn:aws:iam::*:role/lab/*"]}]}}]},
      "bob": {"AccessKeys": [{"AccessKeyId": "AKIABOBBOBBOBBOBBOB1", "SecretAccessKey": "bobsecret"}]}},
    "roles": {
      "named": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:user/bob"}, "Action": "sts:AssumeRole"}]}},
      "open-root": {"Path": "/lab/", "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]}}
    }
  },
  "222222222222": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO2", "secret_access_key": "rootsecret2"},
    "roles": {
      "open-cross": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"sts:ExternalId": "s3cret-id"}}}]}}
    }
  }
 }, "host": {"account": "111111111111", "instance_profile": "later"}}`

var (
	ann = aws.Credentials{AccessKeyID: "AKIAANNANNANNANNANN1", SecretAccessKey: "annsecret"}
	bob = aws.Credentials{AccessKeyID: "AKIABOBBOBBOBBOBBOB1", SecretAccessKey: "bobsecret"}
)

func TestAssumeRole(t *testing.T) {
	l := open(t, sandbox.Options{World: strings.NewReader(twoAccounts)})
	for _, tt := range []struct {
		who        aws.Credentials
		role       string
		externalID string
		want       string // ARN, or error
	}{
		{bob, "arn:aws:iam::111111111111:role/named", "", "arn:aws:sts::111111111111:assumed-role/named/s1"},
		{ann, "arn:aws:iam::111111111111:role/named", "", "because no role trust policy allows"},
		{ann, "arn:aws:iam::111111111111:role/lab/open-root", "", "arn:aws:sts::111111111111:assumed-role/open-root/s1"},
		{ann, "arn:aws:iam::111111111111:role/open-root", "", "AccessDenied"},
		{bob, "arn:aws:iam::111111111111:role/lab/open-root", "", "because no identity-based policy allows"},
		{ann, "arn:aws:iam::222222222222:role/open-cross", "s3cret-id", "arn:aws:sts::222222222222:assumed-role/open-cross/s1"},
		{ann, "arn:aws:iam::222222222222:role/open-cross", "", "AccessDenied"},
		{bob, "arn:aws:iam::222222222222:role/open-cross", "s3cret-id", "AccessDenied"},
		{ann, "arn:aws:iam::222222222222:role/open-missing", "", "AccessDenied"},
	} {
		in := &awssts.AssumeRoleInput{RoleArn: &tt.role, RoleSessionName: aws.String("s1")}
		if tt.externalID != "" {
			in.ExternalId = &tt.externalID
		}
		out, err := l.sts(tt.who).AssumeRole(context.Background(), in)
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s assumes %s: got %v, want %s", tt.who.AccessKeyID, tt.role, err, tt.want)
			}
			continue
		}
		if got := *out.AssumedRoleUser.Arn; got != tt.want {
			t.Errorf("%s assumes %s: got %s, want %s", tt.who.AccessKeyID, tt.role, got, tt.want)
		}
		if n := len(*out.Credentials.SessionToken); n <= 300 {
			t.Errorf("session token has %d characters", n)
		}
		who, err := l.sts(session(out)).GetCallerIdentity(context.Background(), nil)
		if err != nil || *who.Arn != tt.want {
			t.Errorf("session is %v, %v, want %s", who, err, tt.want)
		}
	}
}

func session(out *awssts.AssumeRoleOutput) aws.Credentials {
	c := out.Credentials
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken,
		CanExpire: true, Expires: time.Now().Add(time.Hour)}
}
