package s3_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command prepares a real client as ann.
func (l *lab) command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install the clients with ./test.sh setup", err)
	}
	who := keys("ann")
	c := exec.Command(path, args...)
	c.Dir = dir
	// In us-east-1 these clients presign with signature version 2 unless told
	// otherwise, which buckets made since 2020 refuse.
	config := filepath.Join(t.TempDir(), "config")
	ok(t, os.WriteFile(config, []byte("[default]\ns3 =\n  signature_version = s3v4\n"), 0o600))
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+who.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+who.SecretAccessKey, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE="+config, "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "LC_ALL=C.UTF-8")
	return c
}

// aws runs the AWS CLI and gives what it prints.
func (l *lab) aws(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := l.command(t, dir, "aws", append([]string{"--endpoint-url", l.url}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestAWSCommandLine(t *testing.T) {
	l := open(t)
	dir := t.TempDir()
	big := bytes.Repeat([]byte("lakeport"), 2<<20) // two parts and more
	for name, body := range map[string][]byte{"small.txt": []byte("hello"), "big.bin": big, "sub/ä b.txt": []byte("odd")} {
		path := filepath.Join(dir, "src", name)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, body, 0o644))
	}
	l.aws(t, dir, "s3", "mb", "s3://cli-walk")
	l.aws(t, dir, "s3", "cp", "src/small.txt", "s3://cli-walk/one/small.txt")
	l.aws(t, dir, "s3", "sync", "src", "s3://cli-walk/two")
	out := l.aws(t, dir, "s3", "ls", "--recursive", "s3://cli-walk/two")
	for _, line := range []string{" 16777216 two/big.bin", " 5 two/small.txt", " 3 two/sub/ä b.txt"} {
		if !strings.Contains(out, line) {
			t.Errorf("ls --recursive has no %q: %s", line, out)
		}
	}
	if out := l.aws(t, dir, "s3", "sync", "src", "s3://cli-walk/two"); out != "" {
		t.Errorf("a second sync does something: %s", out)
	}
	l.aws(t, dir, "s3", "cp", "s3://cli-walk/two/big.bin", "s3://cli-walk/three/big.bin")
	l.aws(t, dir, "s3", "mv", "s3://cli-walk/one/small.txt", "s3://cli-walk/three/small.txt")
	l.aws(t, dir, "s3", "sync", "s3://cli-walk", "back")
	for local, remote := range map[string]string{"two/big.bin": "big.bin", "three/big.bin": "big.bin", "three/small.txt": "small.txt", "two/sub/ä b.txt": "sub/ä b.txt"} {
		got, err := os.ReadFile(filepath.Join(dir, "back", local))
		sent, _ := os.ReadFile(filepath.Join(dir, "src", remote))
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s comes back as %d bytes, %v", local, len(got), err)
		}
	}
	resp, err := http.Get(strings.TrimSpace(l.aws(t, dir, "s3", "presign", "s3://cli-walk/two/small.txt")))
	ok(t, err)
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "hello" {
		t.Errorf("presigned: got %d %s", resp.StatusCode, body)
	}
	l.aws(t, dir, "s3", "rm", "--recursive", "s3://cli-walk")
	l.aws(t, dir, "s3", "rb", "s3://cli-walk")
}

func TestBoto3(t *testing.T) {
	l := open(t)
	script, err := filepath.Abs("testdata/walk.py")
	ok(t, err)
	if out, err := l.command(t, t.TempDir(), "python3", script, l.url).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
