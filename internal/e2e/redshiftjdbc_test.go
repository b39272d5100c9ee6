package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The JDBC drivers of PostgreSQL and of Redshift as applications and database
// browsers use them.
func TestJDBCDriversOfPostgresAndRedshift(t *testing.T) {
	t.Parallel()
	path := ""
	for _, variable := range []string{"LAKEPORT_PGJDBC", "LAKEPORT_REDSHIFTJDBC"} {
		jar := os.Getenv(variable)
		if _, err := os.Stat(jar); err != nil {
			t.Fatalf("%s names no jar (%v): run ./test.sh setup, then go test by ./test.sh", variable, err)
		}
		path += string(filepath.ListSeparator) + jar
	}
	l := newLab(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "java"), "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8",
		"-cp", path[1:], "testdata/RedshiftJdbc.java", l.ready["pg"])
	cmd.Env = clean(os.Environ())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	golden(t, "redshiftjdbc.txt", string(out))
}
