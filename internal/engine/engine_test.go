package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

func openDB(t testing.TB, o Options) *DB {
	t.Helper()
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func connect(t testing.TB, db *DB) *Conn {
	t.Helper()
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func memory(t testing.TB) *Conn {
	t.Helper()
	return connect(t, openDB(t, Options{}))
}

func do(t testing.TB, c *Conn, text string, args ...any) int64 {
	t.Helper()
	n, err := c.Exec(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

// grid is the whole result, one line per row.
func grid(t testing.TB, c *Conn, text string, args ...any) string {
	t.Helper()
	rows, err := c.Query(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var b strings.Builder
	for {
		chunk, err := rows.Next(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if chunk == nil {
			return strings.TrimSuffix(b.String(), "\n")
		}
		for i := range chunk.Rows {
			for j := range chunk.Columns {
				if j > 0 {
					b.WriteString(" | ")
				}
				b.WriteString(show(&chunk.Columns[j], i))
			}
			b.WriteByte('\n')
		}
	}
}

func TestFilesOutsideDirsAreClosed(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"open", "open-not"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name, "a.csv"), []byte("x\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := connect(t, openDB(t, Options{Dirs: []string{root + "/open"}}))
	if got := grid(t, c, "SELECT * FROM read_csv("+lake.QuoteString(root+"/open/a.csv")+")"); got != "1" {
		t.Errorf("got %s", got)
	}
	for _, path := range []string{root + "/open-not/a.csv", root + "/open/../open-not/a.csv", "/etc/passwd"} {
		if _, err := c.Query(t.Context(), "SELECT * FROM read_csv("+lake.QuoteString(path)+")"); !sqlerr.Is(err, sqlerr.Denied) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestSecondProcessIsToldWhoHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "default_catalog.duckdb")
	if os.Getenv("LAKEPORT_TEST_DB") != "" {
		path = os.Getenv("LAKEPORT_TEST_DB")
		_, err := Open(Options{Path: path})
		fmt.Println(err)
		os.Exit(0)
	}
	openDB(t, Options{Path: path})
	if _, err := Open(Options{Path: path}); !sqlerr.Is(err, sqlerr.Conflict) || !strings.Contains(err.Error(), path+" is already open in this process") {
		t.Errorf("second opener in this process: %v", err)
	}
	out := rerun(t, "LAKEPORT_TEST_DB="+path)
	if !strings.Contains(out, "database file "+path+" is in use by ") || !strings.Contains(out, fmt.Sprintf("PID %d", os.Getpid())) {
		t.Errorf("got %s", out)
	}
}

func TestDataSurvivesReopening(t *testing.T) {
	o := Options{Path: filepath.Join(t.TempDir(), "default_catalog.duckdb"), Threads: 1, Memory: "200MB"}
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	do(t, c, "CREATE SCHEMA s")
	do(t, c, "CREATE TABLE s.t AS SELECT 42 AS a")
	c.Close()
	db.Close()
	if got := grid(t, connect(t, openDB(t, o)), "SELECT a FROM default_catalog.s.t"); got != "42" {
		t.Errorf("got %s", got)
	}
}

func TestSessionsSetTimeZoneAndPathOnly(t *testing.T) {
	db := openDB(t, Options{})
	a, b := connect(t, db), connect(t, db)
	do(t, a, "SET TimeZone = 'Asia/Tokyo'")
	do(t, a, "CREATE SCHEMA s")
	do(t, a, "USE default_catalog.s")
	const where = "SELECT current_setting('TimeZone'), current_schema(), current_database()"
	if got := grid(t, a, where); got != "Asia/Tokyo | s | default_catalog" {
		t.Errorf("got %s", got)
	}
	if got := grid(t, b, where); strings.Contains(got, "Tokyo") || !strings.HasSuffix(got, "| main | default_catalog") {
		t.Errorf("another session has %s", got)
	}
}

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

// Memory that one thread frees of another's goes back to the system by a thread
// of the allocator's own: bench/README.md tells what stays without it.
func TestFreedMemoryGoesBack(t *testing.T) {
	if got := grid(t, connect(t, openDB(t, Options{})), "SELECT CAST(current_setting('allocator_background_threads') AS VARCHAR)"); !strings.Contains(got, "true") {
		t.Errorf("the allocator's thread is %v", got)
	}
}
