package engine

import (
	"os"
	"os/exec"
	"testing"
)

// rerun runs the current test alone in a second process with env added, and
// returns what that printed.
func rerun(t *testing.T, env string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
