package sandbox_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/world"
)

// cli runs the AWS CLI as somebody; an empty key leaves the CLI to the
// metadata service.
func (l *lab) cli(t testing.TB, who aws.Credentials, args ...string) (out string, err error) {
	t.Helper()
	cmd := exec.Command("aws", append([]string{"--endpoint-url", l.url, "--output", "json"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + l.imds,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_MAX_ATTEMPTS=1"}
	if who.AccessKeyID != "" {
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+who.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+who.SecretAccessKey, "AWS_SESSION_TOKEN="+who.SessionToken)
	}
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// The preparations that StarRocks' page on AWS credentials asks for, typed as
// its reader types them: an instance role that may assume a data role.
func TestPreparationsWithTheCLI(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Fatalf("no AWS CLI (%v): run ./test.sh setup, or pip install awscli", err)
	}
	l := open(t, sandbox.Options{})
	role := func(name string) string { return "arn:aws:iam::" + l.root.AccountID + ":role/" + name }
	run := func(args ...string) {
		t.Helper()
		if out, err := l.cli(t, l.root, args...); err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("iam", "create-role", "--role-name", "starrocks-ec2", "--assume-role-policy-document", trusting("Service", "ec2.amazonaws.com"))
	run("iam", "create-instance-profile", "--instance-profile-name", world.FoundingProfile)
	run("iam", "add-role-to-instance-profile", "--instance-profile-name", world.FoundingProfile, "--role-name", "starrocks-ec2")
	run("iam", "create-role", "--role-name", "s3_assumed_role", "--assume-role-policy-document", trusting("AWS", "arn:aws:iam::"+l.root.AccountID+":root"))

	assume := []string{"sts", "assume-role", "--role-arn", role("s3_assumed_role"), "--role-session-name", "lab"}
	out, err := l.cli(t, aws.Credentials{}, assume...)
	if err == nil || !strings.Contains(out, "An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:sts::"+l.root.AccountID+
		":assumed-role/starrocks-ec2/i-") || !strings.Contains(out, "because no identity-based policy allows the sts:AssumeRole action") {
		t.Errorf("assuming without permission: %v %s", err, out)
	}
	run("iam", "put-role-policy", "--role-name", "starrocks-ec2", "--policy-name", "assume", "--policy-document", allow("sts:AssumeRole", role("s3_assumed_role")))
	if out, err = l.cli(t, aws.Credentials{}, assume...); err != nil {
		t.Fatalf("assuming with permission: %v %s", err, out)
	}
	var assumed struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	if err := json.Unmarshal([]byte(out), &assumed); err != nil {
		t.Fatal(err)
	}
	c := assumed.Credentials
	session := aws.Credentials{AccessKeyID: c.AccessKeyId, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	if out, err = l.cli(t, session, "sts", "get-caller-identity"); err != nil || !strings.Contains(out, "assumed-role/s3_assumed_role/lab") {
		t.Errorf("the session: %v %s", err, out)
	}
	session.SecretAccessKey = "wrong"
	if out, err = l.cli(t, session, "sts", "get-caller-identity"); err == nil || !strings.Contains(out, "(SignatureDoesNotMatch)") {
		t.Errorf("the session with a wrong secret: %v %s", err, out)
	}
}
