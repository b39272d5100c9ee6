package iamapi

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/sts"
)

// TestEveryActionAnswersBoto3 has testdata/everything.py call each action of
// the table and check what botocore makes of the answers.
func TestEveryActionAnswersBoto3(t *testing.T) {
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Fatalf("python3 cannot import boto3 (%v): run ./test.sh setup, or pip install boto3", err)
	}
	dir := t.TempDir()
	s, err := sandbox.Open(sandbox.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Add(New(s.World()))
	s.Add(sts.New(s.World()))
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	text, err := os.ReadFile(filepath.Join(dir, "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root struct{ Account, Access_key_id, Secret_access_key string }
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "testdata/everything.py", server.URL, root.Access_key_id, root.Secret_access_key, root.Account)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	called := strings.Fields(out.String())
	for name := range operations {
		if !slices.Contains(called, name) {
			t.Errorf("%s is in the table and was not called", name)
		}
	}
}
