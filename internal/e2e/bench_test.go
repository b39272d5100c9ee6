package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStart measures the server with its sandbox from exec to the ready
// line, on an empty directory each time; bench/README.md has the bar.
func BenchmarkStart(b *testing.B) {
	var took []float64
	for b.Loop() {
		l := &lab{t: b, dir: b.TempDir()}
		if err := os.WriteFile(filepath.Join(l.dir, "world.json"), []byte(`{"accounts": {"081976408565": {}}, "host": {"account": "081976408565", "instance_profile": "p"}}`), 0o600); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		l.start()
		took = append(took, float64(time.Since(begin).Microseconds())/1000)
		_ = l.stop(syscall.SIGKILL)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms/ready")
}

var firstAnswer = regexp.MustCompile(`first answer (\S+) after the process started`)

// BenchmarkDemo measures `lakeport demo` from its start to its first answer.
func BenchmarkDemo(b *testing.B) {
	var took []float64
	for b.Loop() {
		out, err := exec.Command(binary, "demo", "--exit").CombinedOutput()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		m := firstAnswer.FindSubmatch(out)
		if m == nil {
			b.Fatalf("no first answer in\n%s", out)
		}
		d, err := time.ParseDuration(string(m[1]))
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, d.Seconds())
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "s/first-answer")
}
