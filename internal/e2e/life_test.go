package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestCatalogsTablesAndTheSandboxSurviveAKill(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", instance(), keys(user)), "CREATE DATABASE shop", "CREATE TABLE shop.t (a INT, b VARCHAR(20)) COMMENT 'kept'",
		"INSERT INTO shop.t VALUES (1, 'one'), (2, NULL)",
		"CREATE TABLE shop.full (id BIGINT AUTO_INCREMENT, d DATE DEFAULT '2024-01-01', at DATETIME DEFAULT CURRENT_TIMESTAMP, u STRING DEFAULT (uuid()), twice BIGINT AS id * 2)"+
			" PRIMARY KEY(id, d) PARTITION BY RANGE(d) (PARTITION p1 VALUES LESS THAN ('2025-01-01'))",
		"INSERT INTO shop.full (u) VALUES ('a'), ('b')", "ALTER TABLE shop.full ADD COLUMN more INT DEFAULT '3', DROP COLUMN u",
		"INSERT INTO shop.full (more) VALUES (4)", "INSERT INTO shop.t WITH LABEL once VALUES (3, 'c')", "CREATE VIEW shop.v AS SELECT max(a) AS a FROM shop.t",
		"SET PASSWORD = PASSWORD('s3cret')")
	_ = l.stop(syscall.SIGKILL)
	l.start()
	if _, err := value(l.db(), "SELECT 1"); err == nil || !strings.HasPrefix(err.Error(), "Access denied for user 'root' (using password: NO)") {
		t.Errorf("the password is forgotten: %v", err)
	}
	db = l.db("")
	db.Close()
	db = l.open("root:s3cret@tcp(" + l.ready["mysql"] + ")/")
	for query, want := range map[string]string{
		fmt.Sprintf(total, "c"):                            "6 31.5",
		"SELECT concat(count(*), ' ', max(b)) FROM shop.t": "3 one",
		"SELECT concat(count(*), ' ', sum(twice), ' ', sum(more), ' ', count(at)) FROM shop.full": "3 12 10 3",
		"SELECT a FROM shop.v": "3",
		"SELECT TABLE_COMMENT FROM information_schema.tables WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'": "kept",
	} {
		if got, err := value(db, query); err != nil || got != want {
			t.Errorf("%s\ngot %q, %v, want %q", query, got, err, want)
		}
	}
	if _, err := db.Exec("INSERT INTO shop.t WITH LABEL once VALUES (3, 'c')"); err == nil {
		t.Error("the label is forgotten")
	}
	if _, err := db.Exec("INSERT INTO shop.full (d) VALUES ('2025-01-01')"); err == nil {
		t.Error("the partitions are forgotten")
	}
	l.exec(db, "INSERT INTO shop.full (more) VALUES (5)")
	if got, err := value(db, "SELECT concat(count(DISTINCT id), ' ', max_by(more, id)) FROM shop.full"); err != nil || got != "4 5" {
		t.Errorf("ids and the row with the last one: %q, %v", got, err)
	}
	c := iam.NewFromConfig(l.as(rootKeys[home]))
	if _, err := c.GetRole(context.Background(), &iam.GetRoleInput{RoleName: aws.String("s3_assumed_role")}); err != nil {
		t.Errorf("the sandbox forgot a role: %v", err)
	}
}

func TestASecondServerOnTheDirectoryIsRefusedByNameOfTheFirst(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	out, err := exec.Command(binary, "serve", "--data", filepath.Join(l.dir, "data"), "--mysql", "127.0.0.1:0").CombinedOutput()
	want := fmt.Sprintf(`the data directory \S+ is in use by lakeport, process %d \(lakeport is ready mysql=%s `, l.cmd.Process.Pid, regexp.QuoteMeta(l.ready["mysql"]))
	if err == nil || !regexp.MustCompile(want).Match(out) {
		t.Errorf("got %v: %s", err, out)
	}
}

// awaitStatement returns when the process list shows a statement with text in
// it that has run for so many seconds, or when ended closes.
func (l *lab) awaitStatement(db *sql.DB, text string, seconds int, ended <-chan struct{}) {
	l.t.Helper()
	l.await("the run of "+text, func() (found string, is bool) {
		select {
		case <-ended:
			return "", true
		default:
		}
		rows, err := db.Query("SHOW FULL PROCESSLIST")
		l.must(rows, err)
		for line := range strings.Lines(dump(l.t, rows)) {
			cells := strings.Split(line, "\t") // Time is the seventh
			if !strings.Contains(line, text) || strings.Contains(line, "PROCESSLIST") {
				continue
			}
			if ran, err := strconv.Atoi(cells[6]); err == nil && ran >= seconds {
				return "", true
			}
			found = line
		}
		return found, false
	})
}

func TestSIGTERMDrainsAndExitsZero(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := l.db()
	conn, err := db.Conn(context.Background())
	l.must(conn, err)
	l.exec(db, "CREATE DATABASE d")
	got := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		rows, err := conn.QueryContext(context.Background(), "SELECT sum(hash(i)) FROM range(60000000) t(i)")
		close(started)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		got <- err
	}()
	l.awaitStatement(db, "range(60000000)", 0, started)
	if err := l.stop(syscall.SIGTERM); err != nil {
		t.Errorf("exit: %v\n%s", err, l.log)
	}
	if err := <-got; err != nil {
		t.Errorf("the running statement was not drained: %v", err)
	}
}

// What runs on when the time to drain is over is cancelled. Where the engine
// cannot be interrupted, as while it folds a constant, the process ends all the
// same. Either way the exit is clean and what was committed is there.
func TestSIGTERMEndsWhatRunsTooLong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ query, says string }{
		"interruptible": {"SELECT sum(hash(i)) FROM range(10000000000000) t(i)", "were cancelled"},
		"folding":       {"SELECT levenshtein(repeat('a', 800000), repeat('b', 800000))", "could not be stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			_ = l.stop(syscall.SIGTERM)
			l.flags = []string{"--drain", "10ms"}
			l.start()
			db := l.db()
			l.exec(db, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "INSERT INTO d.t VALUES (7)")
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				rows, err := l.db().Query(c.query)
				for err == nil && rows.Next() {
				}
			}()
			l.awaitStatement(db, c.query[:20], 1, ended) // the engine is at it by then
			if err := l.stop(syscall.SIGTERM); err != nil {
				t.Errorf("exit: %v\n%s", err, l.log)
			}
			<-ended
			if !strings.Contains(l.log.String(), c.says) {
				t.Errorf("the log does not say that statements %s:\n%s", c.says, l.log)
			}
			l.start()
			if got, err := value(l.db(), "SELECT a FROM d.t"); err != nil || got != "7" {
				t.Errorf("after the restart: %q, %v", got, err)
			}
		})
	}
}

func TestNoSecretStandsInTheClearOnDisk(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("c", keys(user), keys(user)), "SET PASSWORD = PASSWORD('an-unusual-password')")
	rows, err := db.Query("SHOW CREATE CATALOG c")
	l.must(rows, err)
	if got := dump(t, rows); strings.Contains(got, user.SecretAccessKey) || !strings.Contains(got, `"aws.s3.secret_key"  =  "******"`) {
		t.Errorf("got %q", got)
	}
	if got, err := value(db, fmt.Sprintf(total, "c")); err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	_ = l.stop(syscall.SIGTERM)
	err = filepath.Walk(filepath.Join(l.dir, "data"), func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, secret := range []string{user.SecretAccessKey, "an-unusual-password"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	l.must(nil, err)
	if strings.Contains(l.log.String(), user.SecretAccessKey) {
		t.Error("the log holds a secret")
	}
}
