package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// awsShell runs AWS's own programs as the owner of the credentials. Presigned
// addresses are asked for with Signature V4: the clients' default, Version 2,
// is refused for every bucket made since 2020 (S3 User Guide, "AWS Signature
// Version 2 turned off").
func awsShell(t *testing.T, l *lab, c aws.Credentials) *shell {
	s := &shell{t: t, dir: t.TempDir(), // how often a client tries depends on its version
		mask: regexp.MustCompile(` \(reached max retries: \d+\)|127\.0\.0\.1:\d+|\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16,17}\b|20[2-9]\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:\d\d|Z)?`)}
	config := filepath.Join(t.TempDir(), "config")
	l.must(nil, os.WriteFile(config, []byte("[default]\ns3 =\n  signature_version = s3v4\n"), 0o600))
	s.env = []string{"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken,
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_ENDPOINT_URL=" + l.ready["aws"], "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + config, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1"}
	s.args = map[string][]string{"aws": {"--output", "text"}}
	return s
}

// awsCommands is AWS's command line, which is slow to start, started once.
type awsCommands struct {
	*shell
	asks *json.Encoder
	told *json.Decoder
}

// awsCommands starts the command line in the shell's directory, until the test
// ends.
func (s *shell) awsCommands() *awsCommands {
	s.t.Helper()
	script, err := filepath.Abs("testdata/awscli_client.py")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(need(s.t, "python"), script)
	cmd.Env, cmd.Dir, cmd.Stderr = append(clean(os.Environ()), s.env...), s.dir, os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &awsCommands{shell: s, asks: json.NewEncoder(in), told: json.NewDecoder(out)}
}

// aws runs one command, given in words, and records it as run does.
func (c *awsCommands) aws(line string) string {
	c.t.Helper()
	args := strings.Fields(line)
	var text string
	var code int
	if err := errors.Join(c.asks.Encode(append(append([]string{}, c.args["aws"]...), args...)), c.told.Decode(&[]any{&text, &code})); err != nil {
		c.t.Fatalf("aws %s: %v", line, err)
	}
	var err error
	if code != 0 {
		err = fmt.Errorf("exit status %d", code)
	}
	c.record("aws", args, text, err)
	return text
}

// The AWS command line as alice, who may read the lake, and as root. What she
// may not do is refused in AWS's words.
func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.prepare()
	for _, who := range []struct {
		name string
		keys aws.Credentials
	}{{"alice", user}, {"root", rootKeys[home]}} {
		t.Run(who.name, func(t *testing.T) {
			s := awsShell(t, l, who.keys).awsCommands()
			l.must(nil, os.WriteFile(filepath.Join(s.dir, "new.txt"), []byte("0123456789"), 0o600))
			for _, args := range []string{
				"sts get-caller-identity",
				"sts assume-role --role-arn " + role(home, "s3_assumed_role") + " --role-session-name cli --query AssumedRoleUser.Arn",
				"iam get-user --user-name alice --query User.Arn",
				"iam list-roles --query Roles[].RoleName",
				"iam simulate-principal-policy --policy-source-arn arn:aws:iam::" + home + ":user/alice --action-names s3:GetObject s3:PutObject " +
					"--resource-arns arn:aws:s3:::lake/x --query EvaluationResults[].[EvalActionName,EvalDecision]",
				"s3 ls s3://lake/orders/ --recursive",
				"s3 ls s3://lake/nosuch/",
				"s3 cp s3://lake/orders/dt=2024-01-01/part-0.parquet down --no-progress",
				"s3 cp new.txt s3://lake/new/" + who.name + ".txt --no-progress",
				"s3api get-object --bucket lake --key new/root.txt --range bytes=2-4 part --query [ContentRange,ContentLength]",
				"s3api head-object --bucket lake --key nosuch",
				"s3api put-object --bucket lake --key new/once.txt --body new.txt --if-none-match * --query ETag",
				"s3api put-object --bucket lake --key new/once.txt --body new.txt --if-none-match * --query ETag",
				"s3 rm s3://lake/new/once.txt",
				"glue get-tables --database-name sales --query TableList[].Name",
				"glue get-partitions --database-name sales --table-name orders --expression dt>'2024-01-01' --query Partitions[].Values",
				"glue get-table --database-name sales --name nosuch",
				"glue delete-table --database-name sales --name nosuch",
			} {
				s.aws(args)
			}
			out := s.out.String()
			url := strings.TrimSpace(s.run("aws", "s3", "presign", "s3://lake/orders/dt=2024-01-01/part-0.parquet"))
			for name, from := range map[string]string{"signed": url, "tampered": strings.Replace(url, "2024-01-01", "2024-01-02", 1)} {
				want := map[string]string{"signed": "200 409", "tampered": "403"}[name]
				if got := s.run("curl", "-s", "-o", name, "-w", "%{http_code} %{size_download}", from); !strings.HasPrefix(got, want) {
					t.Errorf("%s address: %s, want %s", name, got, want)
				}
			}
			golden(t, "aws-"+who.name+".txt", out)
		})
	}
}

// A directory goes up and comes down again, in parts where files are large.
func TestAWSCommandLineSyncs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	s := awsShell(t, l, rootKeys[home]).awsCommands()
	from, to := t.TempDir(), t.TempDir()
	large := strings.Repeat("0123456789abcdef", 10<<20/16)
	// S3 tells whole seconds, and sync uploads again what seems younger than its copy: a file of this very second does.
	old := time.Now().Add(-time.Minute)
	for name, text := range map[string]string{"a.txt": "a", "deep/odd +%ü name.txt": "b", "large.bin": large} {
		path := filepath.Join(from, name)
		l.must(nil, os.MkdirAll(filepath.Dir(path), 0o755))
		l.must(nil, os.WriteFile(path, []byte(text), 0o600))
		l.must(nil, os.Chtimes(path, old, old))
	}
	s.aws("s3 sync " + from + " s3://lake/sync/ --no-progress")
	s.aws("s3 sync s3://lake/sync/ " + to + " --no-progress")
	for name, want := range map[string]string{"a.txt": "a", "deep/odd +%ü name.txt": "b", "large.bin": large} {
		got, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v, want %d\n%s", name, len(got), err, len(want), s.out.String())
		}
	}
	if again := s.aws("s3 sync " + from + " s3://lake/sync/ --no-progress"); again != "" {
		t.Errorf("nothing has changed, yet: %s", again)
	}
	s.aws("s3 rm s3://lake/sync/ --recursive")
	if left := s.aws("s3 ls s3://lake/sync/ --recursive"); left != "" {
		t.Errorf("left: %s", left)
	}
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.prepare()
	for _, who := range []struct {
		name string
		keys aws.Credentials
	}{{"alice", user}, {"root", rootKeys[home]}} {
		t.Run(who.name, func(t *testing.T) {
			s := awsShell(t, l, who.keys)
			s.dir = "testdata"
			s.run("python", "boto3_client.py", role(home, "s3_assumed_role"))
			golden(t, "boto3-"+who.name+".txt", s.out.String())
		})
	}
}
