package sandbox_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	awsimds "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/world"
)

// host gives the credentials that the SDK gets from the metadata service.
func (l *lab) host() (aws.Credentials, error) {
	client := awsimds.New(awsimds.Options{Endpoint: l.imds, Retryer: aws.NopRetryer{}})
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(context.Background())
}

func TestHostGetsItsRole(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, c := context.Background(), l.iam(l.root)
	if _, err := l.host(); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("without a profile: %v, want 404", err)
	}
	name, profile := aws.String("starrocks-ec2"), aws.String(world.FoundingProfile)
	must(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trusting("AWS", l.root.AccountID))}))(t)
	must(c.CreateInstanceProfile(ctx, &awsiam.CreateInstanceProfileInput{InstanceProfileName: profile}))(t)
	if _, err := l.host(); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("with a profile without a role: %v, want 404", err)
	}
	must(c.AddRoleToInstanceProfile(ctx, &awsiam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: name}))(t)
	if _, err := l.host(); err == nil || !strings.Contains(err.Error(), "AssumeRoleUnauthorizedAccess") {
		t.Errorf("without trust in EC2: %v, want AssumeRoleUnauthorizedAccess", err)
	}
	must(c.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(trusting("Service", "ec2.amazonaws.com"))}))(t)
	first, err := l.host()
	if err != nil {
		t.Fatal(err)
	}
	who := must(l.sts(first).GetCallerIdentity(ctx, nil))(t)
	if !strings.HasPrefix(*who.Arn, "arn:aws:sts::"+l.root.AccountID+":assumed-role/starrocks-ec2/i-") {
		t.Errorf("the host is %s", *who.Arn)
	}
	same, err := l.host()
	if err != nil || same.AccessKeyID != first.AccessKeyID {
		t.Errorf("asked again: %s, %v, want the same credentials", same.AccessKeyID, err)
	}
	l.instrument(t, "POST", "clock", `{"advance": "5h"}`, nil)
	next, err := l.host()
	if err != nil || next.AccessKeyID == first.AccessKeyID {
		t.Errorf("an hour before the end: %s, %v, want new credentials", next.AccessKeyID, err)
	}
	status, text := l.call(t, first, "sts", "us-east-1", l.Now(), "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "")
	if status != http.StatusOK {
		t.Errorf("the first credentials, which live on: %d %s", status, text)
	}
}

func TestMetadataWantsATokenOfVersionTwo(t *testing.T) {
	l := open(t, sandbox.Options{})
	do := func(method, path string, headers ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, l.imds+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b := make([]byte, 4096)
		n, _ := answer.Body.Read(b)
		return answer.StatusCode, string(b[:n])
	}
	const ttl = "X-aws-ec2-metadata-token-ttl-seconds"
	_, token := do("PUT", "/latest/api/token", ttl, "60")
	for _, tt := range []struct {
		method, path string
		headers      []string
		want         int
	}{
		{"GET", "/latest/meta-data/", nil, 401},
		{"GET", "/latest/meta-data/", []string{"X-aws-ec2-metadata-token", "nonsense"}, 401},
		{"GET", "/latest/meta-data/", []string{"X-aws-ec2-metadata-token", token}, 200},
		{"GET", "/latest/meta-data/placement/region", []string{"X-aws-ec2-metadata-token", token}, 200},
		{"GET", "/latest/dynamic/instance-identity/document", []string{"X-aws-ec2-metadata-token", token}, 200},
		{"GET", "/latest/meta-data/iam/info", []string{"X-aws-ec2-metadata-token", token}, 404},
		{"POST", "/latest/meta-data/", []string{"X-aws-ec2-metadata-token", token}, 405},
		{"GET", "/latest/api/token", nil, 405},
		{"PUT", "/latest/api/token", nil, 400},
		{"PUT", "/latest/api/token", []string{ttl, "0"}, 400},
		{"PUT", "/latest/api/token", []string{ttl, "21601"}, 400},
		{"PUT", "/latest/api/token", []string{ttl, "60", "X-Forwarded-For", "10.0.0.1"}, 403},
	} {
		if got, _ := do(tt.method, tt.path, tt.headers...); got != tt.want {
			t.Errorf("%s %s %v: %d, want %d", tt.method, tt.path, tt.headers, got, tt.want)
		}
	}
	l.instrument(t, "POST", "clock", `{"advance": "61s"}`, nil)
	if got, _ := do("GET", "/latest/meta-data/", "X-aws-ec2-metadata-token", token); got != 401 {
		t.Errorf("with an expired token: %d, want 401", got)
	}
}
