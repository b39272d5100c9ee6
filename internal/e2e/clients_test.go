package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// need finds a client program; without it the test fails with the command that
// installs it.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%v: run ./test.sh setup, then go test by ./test.sh", err)
	}
	return path
}

// golden compares what a client printed with testdata/clients/name. With
// -rewrite it writes the file: read the difference as closely as code.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "clients", name)
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, have := strings.Split(string(text), "\n"), strings.Split(got, "\n")
	for i := range max(len(want), len(have)) {
		w, h := "<end>", "<end>"
		if i < len(want) {
			w = want[i]
		}
		if i < len(have) {
			h = have[i]
		}
		if w != h {
			t.Fatalf("%s:%d: got\n%s\nwant\n%s\nall of it:\n%s", path, i+1, h, w, got)
		}
	}
}

// shell runs commands one after the other and records what each printed.
type shell struct {
	t    testing.TB
	dir  string
	env  []string
	args map[string][]string // by program: arguments that are not recorded
	mask *regexp.Regexp      // what differs from run to run
	out  strings.Builder
}

func (s *shell) run(program string, args ...string) string {
	s.t.Helper()
	return s.feed("", program, args...)
}

// feed runs a program with standard input. Its exit code is recorded unless it
// is zero.
func (s *shell) feed(stdin, program string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(need(s.t, program), append(append([]string{}, s.args[program]...), args...)...)
	cmd.Env = append(clean(os.Environ()), s.env...)
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	s.record(program, args, string(text), err)
	return string(text)
}

func (s *shell) record(program string, args []string, text string, err error) {
	s.out.WriteString("$ " + program + " " + strings.Join(args, " ") + "\n" + s.mask.ReplaceAllString(text, "…"))
	if err != nil {
		s.out.WriteString(err.Error() + "\n")
	}
}

// address gives host and port of the MySQL port.
func (l *lab) address() (host, port string) {
	host, port, err := net.SplitHostPort(l.ready["mysql"])
	l.must(nil, err)
	return host, port
}

// clientLab is a lab with the catalog lake.
func clientLab(t testing.TB) (*lab, *sql.DB) {
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("lake", instance(), instance()))
	return l, db
}

// long is a statement that runs until it is stopped.
const long = "SELECT count(*) FROM TABLE(generate_series(1, 1000000)) AS a(x), TABLE(generate_series(1, 1000000)) AS b(y) WHERE a.x * b.y % 7 = 3"

// running waits until a statement that starts with text runs, and gives its
// connection's id.
func (l *lab) running(db *sql.DB, text string) (id string) {
	l.t.Helper()
	l.await("the run of "+text, func() (string, bool) {
		id = findRunning(l.t, db, text)
		return "no such statement", id != ""
	})
	return id
}

// stopped waits until no such statement runs, and gives how long that took.
func (l *lab) stopped(db *sql.DB, text string) time.Duration {
	l.t.Helper()
	began := time.Now()
	l.await("the end of "+text, func() (string, bool) {
		id := findRunning(l.t, db, text)
		return "it runs as " + id, id == ""
	})
	return time.Since(began)
}

func findRunning(t testing.TB, db *sql.DB, text string) string {
	t.Helper()
	rows, err := db.Query("SHOW FULL PROCESSLIST")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := ""
	for rows.Next() {
		var id, info sql.NullString
		var skip sql.RawBytes
		if err := rows.Scan(&id, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &info); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(info.String, text) {
			found = id.String
		}
	}
	return found
}

func mariadbShell(l *lab) *shell {
	host, port := l.address()
	at := []string{"--no-defaults", "-h", host, "-P", port, "-u", "root"}
	return &shell{t: l.t, mask: regexp.MustCompile(`(?m)^(?:Connection id|Uptime|Threads|TCP port|SSL|Copyright)\b.*$|^.*\bVer .*$`),
		args: map[string][]string{"mariadb": at, "mariadb-admin": at, "mariadb-show": at}}
}

func TestMariaDBCommandLine(t *testing.T) {
	t.Parallel()
	l, _ := clientLab(t)
	s := mariadbShell(l)
	s.run("mariadb", "-t", "-e", "CREATE DATABASE shop; CREATE TABLE shop.orders (id BIGINT COMMENT 'the key', name VARCHAR(20) DEFAULT 'x', at DATETIME) PRIMARY KEY(id); "+
		"INSERT INTO shop.orders VALUES (1, 'one', '2024-01-02 03:04:05'), (2, NULL, NULL); SELECT * FROM shop.orders ORDER BY id")
	s.run("mariadb", "-t", "shop", "-e", "SELECT DATABASE(); SHOW TABLES")
	s.run("mariadb", "-t", "lake.sales", "-e", "SELECT CATALOG(), DATABASE(); SHOW TABLES; SELECT dt, count(*) FROM orders GROUP BY dt ORDER BY dt")
	s.run("mariadb", "nosuch", "-e", "SELECT 1")
	s.run("mariadb", "-u", "nobody", "-e", "SELECT 1")
	s.run("mariadb", "-pwrong", "-e", "SELECT 1")
	s.run("mariadb", "shop", "-e", "status")
	s.run("mariadb", "--skip-ssl", "-N", "-e", "SHOW STATUS LIKE 'Ssl_cipher'; SELECT 1")
	s.run("mariadb", "--ssl", "-N", "-e", "SELECT 2")
	s.run("mariadb", "--skip-ssl-verify-server-cert", "-N", "-e", "SELECT 3")
	s.run("mariadb", "--ssl-verify-server-cert", "-N", "-e", "SELECT 3")
	s.run("mariadb", "-t", "-e", "SHOW DATABASES; SHOW DATABASES FROM lake; SHOW TABLES FROM shop; SHOW COLUMNS FROM shop.orders; SHOW FULL COLUMNS FROM shop.orders; DESC lake.sales.orders; SHOW INDEX FROM shop.orders")
	s.run("mariadb", "-E", "-e", "SHOW CREATE TABLE shop.orders; SHOW TABLE STATUS FROM shop")
	s.run("mariadb", "-t", "-e", "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.tables WHERE TABLE_SCHEMA = 'shop'; SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.columns WHERE TABLE_NAME = 'orders'")
	s.run("mariadb", "--column-type-info", "-t", "-e", "SELECT id, name, at, TRUE AS t, 1.5 AS n, x'00' AS b FROM shop.orders LIMIT 1")
	s.feed("SELECT 1;\nSELECT nosuch;\nSELECT 2;\nUSE nosuch;\nUSE lake.sales;\nSELECT count(*) FROM orders;\n", "mariadb", "--force", "-N")
	s.feed("USE shop;\nSELECT name\nFROM orders\nWHERE id = 1;\nSELECT nosuch;\nSELECT 5;\n", "mariadb", "-N")
	s.feed("delimiter //\nSELECT 1; SELECT 2//\nSELECT 3//\n", "mariadb", "-N", "--quick")
	s.run("mariadb", "-X", "-e", "SELECT id, name FROM shop.orders WHERE id = 2")
	golden(t, "mariadb.txt", s.out.String())
}

func TestMariaDBAdministration(t *testing.T) {
	t.Parallel()
	l, _ := clientLab(t)
	s := mariadbShell(l)
	s.run("mariadb", "-e", "CREATE DATABASE shop; CREATE TABLE shop.orders (id BIGINT, name STRING) PRIMARY KEY(id)")
	s.run("mariadb-admin", "ping")
	s.run("mariadb-admin", "status")
	s.run("mariadb-admin", "version")
	s.run("mariadb-admin", "create", "made")
	s.run("mariadb-admin", "--force", "drop", "made")
	s.run("mariadb-admin", "kill", "4000000000")
	s.run("mariadb-show")
	s.run("mariadb-show", "shop")
	s.run("mariadb-show", "--count", "shop")
	s.run("mariadb-show", "shop", "orders")
	s.run("mariadb-show", "--keys", "shop", "orders")
	s.run("mariadb-show", "--status", "shop")
	s.run("mariadb-show", "nosuch")
	golden(t, "mariadb-admin.txt", s.out.String())
	for _, kind := range []string{"processlist", "variables", "extended-status"} {
		if out := s.run("mariadb-admin", kind); !strings.Contains(out, "+--") {
			t.Errorf("mariadb-admin %s: %s", kind, out)
		}
	}
}

// On a terminal the client asks for every table's columns by COM_FIELD_LIST.
func TestMariaDBOnATerminal(t *testing.T) {
	t.Parallel()
	l, _ := clientLab(t)
	s := mariadbShell(l)
	s.run("mariadb", "-e", "CREATE DATABASE shop; CREATE TABLE shop.orders (id BIGINT, name STRING) PRIMARY KEY(id)")
	command := need(t, "mariadb") + " " + strings.Join(s.args["mariadb"], " ") + " shop"
	cmd := exec.Command(need(t, "script"), "-qec", command, os.DevNull)
	in, err := cmd.StdinPipe()
	l.must(in, err)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(clean(os.Environ()), "TERM=dumb")
	l.must(nil, cmd.Start())
	_, err = in.Write([]byte("show tables;\nuse lake.sales\nselect count(*) as orders from orders;\nexit\n"))
	l.must(nil, err)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"Tables_in_shop", "Database changed", "| orders |", "|      6 |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// A running statement is stopped by Ctrl-C in its own client, and by KILL and
// mariadb-admin from another.
func TestMariaDBStopsARunningStatement(t *testing.T) {
	t.Parallel()
	l, db := clientLab(t)
	s := mariadbShell(l)
	for _, c := range []struct {
		name string
		stop func(id string, client *os.Process)
		want []string
	}{
		{"ctrl-c", func(_ string, client *os.Process) { client.Signal(syscall.SIGINT) }, []string{"Ctrl-C -- query killed", "ERROR 1317 (70100)", "still here"}},
		{"kill query", func(id string, _ *os.Process) { s.run("mariadb", "-e", "KILL QUERY "+id) }, []string{"ERROR 1317 (70100)", "still here"}},
		{"kill", func(id string, _ *os.Process) { s.run("mariadb", "-e", "KILL "+id) }, []string{"Lost connection"}},
		{"mariadb-admin kill", func(id string, _ *os.Process) { s.run("mariadb-admin", "kill", id) }, []string{"Lost connection"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(need(t, "mariadb"), append(append([]string{}, s.args["mariadb"]...), "--force", "--skip-reconnect", "-N")...)
			cmd.Stdin = strings.NewReader(long + ";\nSELECT 'still here';\n")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			l.must(nil, cmd.Start())
			id := l.running(db, "SELECT count(*)")
			c.stop(id, cmd.Process)
			_ = cmd.Wait()
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in\n%s", want, out.String())
				}
			}
			l.stopped(db, "SELECT count(*)")
		})
	}
}

func TestPyMySQL(t *testing.T) {
	t.Parallel()
	l, _ := clientLab(t)
	host, port := l.address()
	s := &shell{t: t, mask: regexp.MustCompile(`127\.0\.0\.1:\d+`)}
	out := s.run("python", "testdata/pymysql_client.py", host, port)
	golden(t, "pymysql.txt", s.mask.ReplaceAllString(out, "…"))
}

// Connector/J as applications and database browsers use it.
func TestConnectorJ(t *testing.T) {
	t.Parallel()
	jar := os.Getenv("LAKEPORT_CONNECTORJ")
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("LAKEPORT_CONNECTORJ names no jar (%v): run ./test.sh setup, then go test by ./test.sh", err)
	}
	l, _ := clientLab(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "java"), "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8", "-cp", jar, "testdata/Jdbc.java", l.ready["mysql"])
	cmd.Env = clean(os.Environ())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	golden(t, "jdbc.txt", string(out))
}
