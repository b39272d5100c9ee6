package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// peak is the most memory that the server has held, in bytes.
func (l *lab) peak() int64 {
	l.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	l.must(nil, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			l.must(nil, err)
			return kb << 10
		}
	}
	l.t.Fatal("no VmHWM")
	return 0
}

// Eight million rows of some forty bytes are 300 MB: they must pass through a
// server that grows by a fraction of that. (A hundred million were seen to
// pass through 80 MB.)
func TestRowsStreamWithFlatMemory(t *testing.T) {
	l := newLab(t)
	db := l.db()
	if _, err := value(db, "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	before := l.peak()
	const want = 8_000_000
	rows, err := db.Query(fmt.Sprintf("SELECT i, i * 2, concat('this is row ', i) FROM range(%d) t(i)", want))
	l.must(rows, err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != want {
		t.Fatalf("%d rows, %v", n, err)
	}
	if grown := l.peak() - before; grown > 60<<20 {
		t.Errorf("the server grew by %d MB", grown>>20)
	}
}
