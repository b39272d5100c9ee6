package mysql

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// need fails the test, with the command that mends it, when a program or file
// is missing.
func need(t testing.TB, missing bool, what, install string) {
	t.Helper()
	if missing {
		t.Fatalf("%s is not installed; run: %s", what, install)
	}
}

func needProgram(t testing.TB, name, install string) {
	t.Helper()
	_, err := exec.LookPath(name)
	need(t, err != nil, name, install)
}

// run runs a client and gives its standard output.
func run(t testing.TB, stdin *os.File, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// lines compares output line by line.
func lines(t testing.TB, got string, want ...string) {
	t.Helper()
	have := strings.Split(strings.TrimSpace(got), "\n")
	for i := range max(len(have), len(want)) {
		var g, w string
		if i < len(have) {
			g = have[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d: %q, want %q", i+1, g, w)
		}
	}
}

// at gives the address in the form of MySQL's command line tools.
func at(s *Server) []string {
	host, port, _ := net.SplitHostPort(s.Addr().String())
	return []string{"--no-defaults", "-h", host, "-P", port, "--protocol=TCP"}
}

const installMariaDB = "apt-get install -y mariadb-client"

func TestMariaDBCommandLine(t *testing.T) {
	needProgram(t, "mariadb", installMariaDB)
	s := serve(t, newBackend(), Options{})
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"empty password over TLS", []string{"-u", "root", "-Ne", "select 1; insert; select 2"}, []string{"1", "2"}},
		{"native password", []string{"-u", "native", "-psecret", "-Ne", "select 1"}, []string{"1"}},
		{"caching_sha2 password over TLS", []string{"-u", "sha2", "-psecret", "-Ne", "select 1"}, []string{"1"}},
		{"caching_sha2 password without TLS", []string{"-u", "sha2", "-psecret", "--skip-ssl", "-Ne", "select 1"}, []string{"1"}},
		{"database", []string{"-u", "root", "-D", "hive.db", "-Ne", "select database(); use other; select database()"},
			[]string{"hive.db", "other"}},
		{"rows", []string{"-u", "root", "--quick", "-Ne", "rows 3"}, []string{
			"0\titem 000000\t0.01\ta note on item number 0\t0",
			"7919\titem 000001\t0.26\ta note on item number 1\t1",
			"15838\titem 000002\t0.51\ta note on item number 2\t2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines(t, run(t, nil, "mariadb", append(at(s), c.args...)...), c.want...)
		})
	}
}

func TestMariaDBCommandLineShowsErrors(t *testing.T) {
	needProgram(t, "mariadb", installMariaDB)
	s := serve(t, newBackend(), Options{})
	for _, c := range []struct{ args, want string }{
		{"-uroot -e fail nosuch", "ERROR 1146 (42S02) at line 1: 1:6: Unknown table 'nosuch'\nhint: create it"},
		{"-uroot -e load data local infile '/etc/passwd' into table t", "ERROR 1148 (42000) at line 1: The used command is not allowed with this MySQL version"},
		{"-unative -pwrong -e select 1", "ERROR 1045 (28000): Access denied for user 'native' (using password: YES)"},
		{"-uroot -Dmissing -e select 1", "ERROR 1049 (42000): Unknown database 'missing'"},
	} {
		args := append(at(s), strings.SplitN(c.args, " ", 3)...)
		if strings.Contains(c.args, "-p") || strings.Contains(c.args, "-D") {
			args = append(at(s), strings.SplitN(c.args, " ", 4)...)
		}
		out, err := exec.Command("mariadb", args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, %q, want %q", c.args, err, out, c.want)
		}
	}
}

func TestMariaDBAdmin(t *testing.T) {
	needProgram(t, "mariadb-admin", installMariaDB)
	b := newBackend()
	s := serve(t, b, Options{})
	admin := func(args ...string) string {
		return run(t, nil, "mariadb-admin", append(append(at(s), "-u", "root"), args...)...)
	}
	lines(t, admin("ping"), "mysqld is alive")
	if got := admin("status"); !strings.Contains(got, "Uptime: ") || !strings.Contains(got, "Threads: 1") {
		t.Errorf("status: %q", got)
	}
	if got := admin("processlist"); !strings.Contains(got, "| root |") {
		t.Errorf("processlist: %q", got)
	}
	victim, id := one(t, open(t, s, "root", ""), b)
	failed := make(chan error, 1)
	go func() {
		_, err := victim.ExecContext(t.Context(), "sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	admin("kill", fmt.Sprint(id))
	b.await(t, "stopped")
	if <-failed == nil {
		t.Error("the killed statement did not fail")
	}
}

const pyClient = `
import pymysql, sys
host, port = sys.argv[1].rsplit(":", 1)
def connect(user, password="", **more):
    return pymysql.connect(host=host, port=int(port), user=user, password=password, **more)
for user, password in (("root", ""), ("native", "secret"), ("sha2", "secret"), ("both", "secret")):
    for ssl in (None, {"check_hostname": False, "verify_mode": "none"}):
        c = connect(user, password, ssl=ssl, ssl_disabled=ssl is None, database="db")
        k = c.cursor()
        k.execute("select 42")
        print(user, ssl is not None, k.fetchone(), c.db)
        c.close()
c = connect("root", autocommit=True)
k = c.cursor()
print(k.execute("insert"), c.get_host_info() is not None, c.server_version)
k.execute("types")
for d, v in zip(k.description, k.fetchone()):
    print(d[0], d[1], repr(v))
print(k.fetchone().count(None))
s = pymysql.cursors.SSCursor(c)
s.execute("rows 3000")
print(sum(1 for _ in s))
s.execute("flood")
print(s.fetchone())
c2 = connect("root", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
k = c2.cursor()
k.execute("select 1; rows 2; insert")
print(k.fetchall(), k.nextset(), len(k.fetchall()), k.nextset(), k.rowcount, k.nextset())
c2.select_db("other")
c2.ping(False)
try:
    k.execute("half")
except pymysql.err.MySQLError as e:
    print(e.args)
try:
    k.execute("select 1; fail x")
    k.nextset()
except pymysql.err.MySQLError as e:
    print(e.args)
k.execute("select 5")
print(k.fetchall())
k.execute("long %d" % (40 << 20))
print(len(k.fetchone()[0]))
k.execute("len " + "y" * (20 << 20))
print(k.fetchone()[0])
`

func TestPyMySQL(t *testing.T) {
	const install = "apt-get install -y python3-pymysql python3-cryptography"
	needProgram(t, "python3", install)
	need(t, exec.Command("python3", "-c", "import pymysql, cryptography").Run() != nil, "PyMySQL", install)
	file := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(file, []byte(pyClient), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []string{pluginNative, pluginSHA2} {
		s := serve(t, newBackend(), Options{AuthPlugin: plugin, MaxPacket: 32 << 20})
		lines(t, run(t, nil, "python3", file, s.Addr().String()), pyWant...)
	}
}

var pyWant = strings.Split(`root False (42,) b'db'
root True (42,) b'db'
native False (42,) b'db'
native True (42,) b'db'
sha2 False (42,) b'db'
sha2 True (42,) b'db'
both False (42,) b'db'
both True (42,) b'db'
3 True 8.0.33
c0 6 None
c1 1 1
c2 1 -128
c3 2 -32768
c4 3 -2147483648
c5 8 -9223372036854775808
c6 1 255
c7 2 65535
c8 3 4294967295
c9 8 18446744073709551615
c10 254 '-170141183460469231731687303715884105727'
c11 254 '340282366920938463463374607431768211455'
c12 4 0.1
c13 5 1e+20
c14 246 Decimal('-0.05')
c15 246 Decimal('2028240960365167042394.7251286016')
c16 253 'grüße, a longer text'
c17 252 b"\x00\xff'"
c18 254 '{"a": [1, 2]}'
c19 253 '10101'
c20 10 datetime.date(2024, 2, 29)
c21 11 datetime.timedelta(seconds=86399, microseconds=1)
c22 253 '01:00:00+02'
c23 12 datetime.datetime(2024, 2, 29, 12, 34, 56)
c24 12 datetime.datetime(2024, 2, 29, 12, 34, 56)
c25 12 datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)
c26 12 datetime.datetime(2024, 2, 29, 12, 34, 56, 789012)
c27 12 datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)
c28 11 datetime.timedelta(seconds=86399, microseconds=999999)
c29 254 '00112233-4455-6677-8899-aabbccddeeff'
c30 254 'green'
c31 254 '["say \\"a\\\\b\\"",""]'
c32 254 '[\'{"a": \\\'x\\\'}\',\'null\']'
c33 254 '["1970-01-01","1970-01-02"]'
c34 254 '[1,null]'
c35 254 '{"k":1}'
c36 254 '{"f":1}'
37
3000
(0, 'item 000000', 0.01, 'a note on item number 0', 0)
((1,),) True 2 True 3 None
(1105, 'read s3://b/k: connection reset')
(1146, "1:6: Unknown table 'x'\nhint: create it")
((5,),)
41943040
20971520`, "\n")

func TestGoMySQLClient(t *testing.T) {
	s := serve(t, newBackend(), Options{AuthPlugin: pluginSHA2})
	for _, user := range []string{"root", "native", "sha2"} {
		password := "secret"
		if user == "root" {
			password = ""
		}
		c, err := client.Connect(s.Addr().String(), user, password, "")
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		defer c.Close()
		r, err := c.Execute("echo ? ? ?", 7, "text", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range 3 {
			v, _ := r.GetString(0, i)
			got = append(got, v)
		}
		if want := []string{"int64 7", "string text", "<nil> <nil>"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", user, got, want)
		}
		if err := c.UseDB("other"); err != nil {
			t.Error(err)
		}
		if err := c.UseDB("missing"); err == nil {
			t.Error("a missing database is current")
		}
		fields, err := c.FieldList("t", "")
		if err != nil || len(fields) != 5 || string(fields[1].Name) != "name" || fields[1].Type != gomysql.MYSQL_TYPE_VAR_STRING {
			t.Errorf("field list: %v, %v", fields, err)
		}
		if err := c.Ping(); err != nil {
			t.Error(err)
		}
		if r, err = c.Execute("insert"); err != nil || r.AffectedRows != 3 {
			t.Errorf("insert: %v, %v", r, err)
		}
	}
}

func TestConnectorJ(t *testing.T) {
	needProgram(t, "java", "apt-get install -y default-jdk-headless maven")
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	jar := filepath.Join(home, ".m2/repository/com/mysql/mysql-connector-j/26.10.0/mysql-connector-j-26.10.0.jar")
	_, err = os.Stat(jar)
	need(t, err != nil, "Connector/J 26.10.0", "mvn -q dependency:get -Dartifact=com.mysql:mysql-connector-j:26.10.0")
	b := newBackend()
	s := serve(t, b, Options{})
	asleep, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer asleep.Close()
	told := make(chan struct{})
	go func() {
		defer close(told)
		defer tell.Close()
		select {
		case <-b.events:
			tell.WriteString("go\n")
		case <-t.Context().Done():
		}
	}()
	t.Cleanup(func() { <-told })
	lines(t, run(t, asleep, "java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8", "-cp", jar, "testdata/Client.java", s.Addr().String()), javaWant...)
}

var javaWant = strings.Split(`sslMode=DISABLED root: 42
sslMode=DISABLED native: 42
sslMode=DISABLED sha2: 42
sslMode=REQUIRED root: 42
sslMode=REQUIRED native: 42
sslMode=REQUIRED sha2: 42
text: NULL=null BIT=1 TINYINT=-128 SMALLINT=-32768 INT=-2147483648 BIGINT=-9223372036854775808 TINYINT UNSIGNED=255 SMALLINT UNSIGNED=65535 INT UNSIGNED=4294967295 BIGINT UNSIGNED=18446744073709551615 CHAR=-170141183460469231731687303715884105727 CHAR=340282366920938463463374607431768211455 FLOAT=0.1 DOUBLE=1.0E20 DECIMAL=-0.05 DECIMAL=2028240960365167042394.7251286016 VARCHAR=grüße, a longer text BLOB=3 bytes CHAR={"a": [1, 2]} VARCHAR=10101 DATE=2024-02-29 TIME=23:59:59.000001 VARCHAR=01:00:00+02 DATETIME=2024-02-29 12:34:56 DATETIME=2024-02-29 12:34:56 DATETIME=2024-02-29 12:34:56.789 DATETIME=2024-02-29 12:34:56.789012 DATETIME=1969-12-31 23:59:59.999999 TIME=23:59:59.999999 CHAR=00112233-4455-6677-8899-aabbccddeeff CHAR=green CHAR=["say \"a\\b\"",""] CHAR=['{"a": \'x\'}','null'] CHAR=["1970-01-01","1970-01-02"] CHAR=[1,null] CHAR={"k":1} CHAR={"f":1}
text: 2024-02-29 12:34:56.0 -0.05 -9223372036854775808
binary: NULL=null BIT=1 TINYINT=-128 SMALLINT=-32768 INT=-2147483648 BIGINT=-9223372036854775808 TINYINT UNSIGNED=255 SMALLINT UNSIGNED=65535 INT UNSIGNED=4294967295 BIGINT UNSIGNED=18446744073709551615 CHAR=-170141183460469231731687303715884105727 CHAR=340282366920938463463374607431768211455 FLOAT=0.10000000149011612 DOUBLE=1.0E20 DECIMAL=-0.05 DECIMAL=2028240960365167042394.7251286016 VARCHAR=grüße, a longer text BLOB=3 bytes CHAR={"a": [1, 2]} VARCHAR=10101 DATE=2024-02-29 TIME=23:59:59.000001 VARCHAR=01:00:00+02 DATETIME=2024-02-29 12:34:56 DATETIME=2024-02-29 12:34:56 DATETIME=2024-02-29 12:34:56.789 DATETIME=2024-02-29 12:34:56.789012 DATETIME=1969-12-31 23:59:59.999999 TIME=23:59:59.999999 CHAR=00112233-4455-6677-8899-aabbccddeeff CHAR=green CHAR=["say \"a\\b\"",""] CHAR=['{"a": \'x\'}','null'] CHAR=["1970-01-01","1970-01-02"] CHAR=[1,null] CHAR={"k":1} CHAR={"f":1}
binary: 2024-02-29 12:34:56.0 -0.05 -9223372036854775808
argument: int64 -7
argument: string grüße
argument: float64 1.5
argument: string 12.30
argument: <nil> <nil>
argument: []byte 00ff
beside the cursor: 7
cursor: 5000 rows, sum 36430662628
without rows: 3
half: 1105 read s3://b/k: connection reset
result: 1
updated: 3
result: 2
failed: 1146 42S02
refused: 1064
cancelled: true
still there: 1`, "\n")
