package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgURL is where a client of the PostgreSQL port connects.
func (l *lab) pgURL(database string) string {
	return "postgres://root@" + l.ready["pg"] + "/" + database
}

// pgx connects as Go programs do.
func (l *lab) pgx(database string) *pgx.Conn {
	l.t.Helper()
	conn, err := pgx.Connect(context.Background(), l.pgURL(database))
	l.must(conn, err)
	l.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// scalar asks for one value as text.
func scalar(t testing.TB, c *pgx.Conn, query string, args ...any) string {
	t.Helper()
	var s *string
	if err := c.QueryRow(context.Background(), "SELECT CAST(("+query+") AS VARCHAR)", args...).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if s == nil {
		return "NULL"
	}
	return *s
}

func pgCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestBothPortsReadTheSameTables(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, catalogStatement("lake", instance(), instance()))
	l.exec(db, "CREATE DATABASE shop")
	l.exec(db, "CREATE TABLE shop.people (id BIGINT NOT NULL, name VARCHAR(20)) PRIMARY KEY (id)")
	l.exec(db, "INSERT INTO shop.people VALUES (1, 'ann'), (2, NULL)")

	c := l.pgx("default_catalog")
	if got := scalar(t, c, "SELECT sum(amount) FROM lake.sales.orders WHERE dt = '2024-01-01'"); got != "9.0" {
		t.Errorf("by three parts: got %s, want 9.0", got)
	}
	if got := scalar(t, c, "SELECT count(*) FROM lake.sales.orders o JOIN shop.people p ON p.id = o.id"); got != "2" {
		t.Errorf("joined with an internal table: got %s, want 2", got)
	}
	if got := scalar(t, l.pgx("lake"), "SELECT count(*) FROM sales.orders"); got != "6" {
		t.Errorf("connected to the catalog: got %s, want 6", got)
	}
	if got := scalar(t, l.pgx("shop"), "SELECT name FROM People WHERE id = $1", 1); got != "ann" {
		t.Errorf("connected to a schema: got %s, want ann", got)
	}
	_, err := pgx.Connect(context.Background(), l.pgURL("nosuch"))
	if pgCode(err) != "3D000" {
		t.Errorf("connect to no database: got %v, want 3D000", err)
	}
	if _, err := c.Exec(context.Background(), "CREATE TABLE made (a INT, b VARCHAR(3) NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	l.exec(db, "INSERT INTO public.made VALUES (1, 'xyz')")
	if got := scalar(t, c, "SELECT a || b FROM made"); got != "1xyz" {
		t.Errorf("a table of this port filled by the other: got %s, want 1xyz", got)
	}
}

// A view means the same to every reader, on the port that made it and on the
// other: its operators, its functions and the path of the schemas are its own.
func TestViewsMeanTheSameOnBothPorts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db, c := l.db(), l.pgx("")
	do := func(text, want string) {
		t.Helper()
		tag, err := c.Exec(context.Background(), text)
		got := tag.String()
		if err != nil {
			got = pgCode(err)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s (%v)", text, got, want, err)
		}
	}
	l.exec(db, "CREATE DATABASE other")
	l.exec(db, "CREATE VIEW other.theirs AS SELECT 7 / 2 AS half, '1' + 1 AS two")
	do("CREATE VIEW early (n) AS SELECT 5", "CREATE VIEW")
	do("CREATE TABLE t (a INT, b VARCHAR(9))", "CREATE TABLE")
	do("INSERT INTO t VALUES (7, 'Ab'), (8, NULL)", "INSERT 0 2")
	do("CREATE VIEW ours AS SELECT a, a / 2 AS half, NVL(b, 'none') AS b, DATEADD(day, a, DATE '2024-01-01') AS d FROM t WHERE b IS NULL OR b ~ 'b'", "CREATE VIEW")
	do("CREATE VIEW ours AS SELECT 1", "42P07")
	do("CREATE OR REPLACE VIEW late AS SELECT half FROM public.ours WITH NO SCHEMA BINDING", "CREATE VIEW")
	do("CREATE VIEW broken AS SELECT nosuch FROM t", "42703")
	for query, want := range map[string]string{
		"SELECT half FROM other.theirs":                       "3.5",
		"SELECT two FROM other.theirs":                        "2.0",
		"SELECT half FROM public.ours WHERE a = 7":            "3",
		"SELECT b FROM public.ours WHERE a = 8":               "none",
		"SELECT CAST(max(d) AS VARCHAR(30)) FROM public.ours": "2024-01-09 00:00:00",
		"SELECT sum(half) FROM public.late":                   "7",
		"SELECT n FROM public.early":                          "5",
	} {
		if got := scalar(t, c, query); got != want {
			t.Errorf("%s: the PostgreSQL port gives %s, want %s", query, got, want)
		}
		l.expectLines(db, "SELECT CAST(("+query+") AS VARCHAR(30))", want)
	}
	// Another t ahead in the path is not the view's.
	do("CREATE TABLE other.t (a INT, b VARCHAR(9))", "CREATE TABLE")
	do("SET search_path TO other, public", "SET")
	if got := scalar(t, c, "SELECT count(*) FROM ours"); got != "2" {
		t.Errorf("with another path: %s rows, want 2", got)
	}
	do("DROP VIEW IF EXISTS nosuch, late CASCADE", "DROP VIEW")
	do("DROP VIEW late", "42P01")
	do("CREATE TABLE copied (LIKE ours)", "22023")
	do("CREATE TABLE first (a INT PRIMARY KEY, b INT NOT NULL DEFAULT 5)", "CREATE TABLE")
	do("CREATE TABLE copied (LIKE first INCLUDING DEFAULTS)", "CREATE TABLE")
	do("CREATE TABLE bare (LIKE first)", "CREATE TABLE")
	do("INSERT INTO copied (a) VALUES (1), (1)", "INSERT 0 2")
	do("INSERT INTO bare (a) VALUES (1)", "23502")
	do("SET search_path TO public, other", "SET")
	do("DROP TABLE copied", "DROP TABLE") // found along the path
}

func TestStatementsPreparedByName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("")
	for _, step := range []struct{ text, want string }{
		{"CREATE TABLE t (a INT, b VARCHAR(9))", "CREATE TABLE"},
		{"PREPARE put (INT, VARCHAR(9)) AS INSERT INTO t VALUES ($1, $2)", "PREPARE"},
		{"EXECUTE put (1 + 1, 'it''s')", "INSERT 0 1"},
		{"EXECUTE put (NULL, upper('x'))", "INSERT 0 1"},
		{"EXECUTE put (1)", "22023"},
		{"EXECUTE put ((SELECT a FROM t), 'x')", "0A000"},
		{"PREPARE put AS SELECT 1", "42P05"},
		{"PREPARE get AS SELECT count(*) FROM t WHERE a = $1 OR b = $2", "PREPARE"},
		{"EXECUTE get (2, 'X')", "SELECT 1"},
		{"DEALLOCATE put", "DEALLOCATE"},
		{"EXECUTE put (1, 'x')", "26000"},
		{"DEALLOCATE ALL", "DEALLOCATE ALL"},
		{"EXECUTE get (2, 'X')", "26000"},
	} {
		results, err := c.PgConn().Exec(context.Background(), step.text).ReadAll()
		got := pgCode(err)
		if err == nil {
			got = results[len(results)-1].CommandTag.String()
		}
		if got != step.want {
			t.Errorf("%s: got %s, want %s (%v)", step.text, got, step.want, err)
		}
	}
	if got := scalar(t, c, "SELECT string_agg(coalesce(a, 0) || b, ',' ORDER BY a) FROM t"); got != "2it's,0X" {
		t.Errorf("the rows are %s", got)
	}
}

// valuesOfEveryKind has one column for each type that clients are told of.
const valuesOfEveryKind = `SELECT true AS ok, 1::smallint AS i2, -2::int AS i4, 9007199254740993::bigint AS i8, 1.5::real AS f4, 1e300::double precision AS f8,
	-12345678901234567890.0123456789::decimal(38,10) AS n, 10000.00::decimal(9,2) AS tens, 'äöü' AS s, 'ab'::bytea AS b, DATE '2024-02-29' AS d,
	TIME '23:59:59.999999' AS t, TIMESTAMP '1999-12-31 23:59:59.5' AS ts, TIMESTAMPTZ '2024-01-02 03:04:05+02' AS tz, INTERVAL '14 months -3 days 04:05:06' AS iv,
	'{"a":1}'::json AS j, '00112233-4455-6677-8899-aabbccddeeff'::uuid AS u, [1, NULL, 3] AS l, ['a"b', 'c,d'] AS ls, {'x': 1, 'y': 'z'} AS st, MAP {'k': 2} AS m, NULL AS nil`

// The text form and the binary form of a value mean the same to a driver.
func TestTextAndBinaryFormsAgree(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("")
	ctx := context.Background()
	read := func(args ...any) []any {
		rows, err := c.Query(ctx, valuesOfEveryKind, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	text, binary := read(pgx.QueryExecModeSimpleProtocol), read(pgx.QueryExecModeCacheStatement)
	for i := range text {
		if got, want := fmt.Sprintf("%T %+v", text[i], text[i]), fmt.Sprintf("%T %+v", binary[i], binary[i]); got != want {
			t.Errorf("column %d: as text %s, as binary %s", i, got, want)
		}
	}
	if got := fmt.Sprint(binary[8], " ", binary[10], binary[17]); got != "äöü 2024-02-29 00:00:00 +0000 UTC [1 <nil> 3]" {
		t.Errorf("got %s", got)
	}
}

func TestTransactionsOfThePostgresPort(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("")
	ctx := context.Background()
	must := func(sql string) {
		t.Helper()
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	must("CREATE TABLE t (a INT)")
	must("BEGIN")
	must("INSERT INTO t VALUES (1)")
	if _, err := c.Exec(ctx, "SELECT nosuch"); pgCode(err) != "42703" {
		t.Errorf("got %v, want 42703", err)
	}
	if status := c.PgConn().TxStatus(); status != 'E' {
		t.Errorf("after a failure: status %c, want E", status)
	}
	if _, err := c.Exec(ctx, "INSERT INTO t VALUES (2)"); pgCode(err) != "25P02" {
		t.Errorf("in a failed transaction: got %v, want 25P02", err)
	}
	if tag, err := c.Exec(ctx, "COMMIT"); err != nil || tag.String() != "ROLLBACK" {
		t.Errorf("COMMIT of a failed transaction: got %s, %v, want ROLLBACK", tag, err)
	}
	// Several statements in one text are one transaction.
	if err := c.PgConn().Exec(ctx, "INSERT INTO t VALUES (3); SELECT 1 / 0").Close(); pgCode(err) == "<nil>" {
		t.Error("a division by zero passed")
	}
	if got := scalar(t, c, "SELECT count(*) FROM t"); got != "0" {
		t.Errorf("rows of failed transactions: %s", got)
	}
	must("BEGIN; INSERT INTO t VALUES (4); COMMIT; INSERT INTO t VALUES (5)")
	must("BEGIN")
	must("SET search_path TO nosuch")
	must("SET LOCAL timezone TO 'Asia/Tokyo'")
	must("ROLLBACK")
	if got := scalar(t, c, "SELECT count(*) FROM t"); got != "2" {
		t.Errorf("SET outlived its transaction, or rows did not: %s", got)
	}
}

func TestRowsCopyInEveryFormat(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("")
	ctx := context.Background()
	if _, err := c.Exec(ctx, "CREATE TABLE c (id BIGINT, name VARCHAR(40), d DATE, n DECIMAL(8,3), ok BOOLEAN, at TIMESTAMP)"); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 2, 29, 1, 2, 3, 456000, time.UTC)
	rows := [][]any{{int64(1), "tab\there", at, "1.5", true, at}, {int64(2), `back\slash "quoted", comma`, nil, "-0.001", nil, nil}, {int64(3), "line\nbreak", at, nil, false, at}, {nil, "", nil, nil, nil, nil}}
	n, err := c.CopyFrom(ctx, pgx.Identifier{"c"}, []string{"id", "name", "d", "n", "ok", "at"}, pgx.CopyFromRows(rows))
	if err != nil || n != 4 {
		t.Fatalf("binary copy: %d rows, %v", n, err)
	}
	all := func() string {
		return scalar(t, c, "SELECT string_agg(c::VARCHAR, ';' ORDER BY id) FROM c")
	}
	want := all()
	for _, format := range []string{"text", "csv", "binary"} {
		var data strings.Builder
		if _, err := c.PgConn().CopyTo(ctx, &data, "COPY c TO STDOUT (FORMAT "+format+")"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, "DELETE FROM c"); err != nil {
			t.Fatal(err)
		}
		if tag, err := c.PgConn().CopyFrom(ctx, strings.NewReader(data.String()), "COPY c FROM STDIN (FORMAT "+format+")"); err != nil || tag.RowsAffected() != 4 {
			t.Fatalf("%s: %s, %v", format, tag, err)
		}
		if got := all(); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
		}
	}
	for data, code := range map[string]string{"1\n": "22P04", "1\ta\t\\N\t\\N\t\\N\t\\N\textra\n": "22P04", "x\ta\t\\N\t\\N\t\\N\t\\N\n": "22007"} {
		if _, err := c.PgConn().CopyFrom(ctx, strings.NewReader(data), "COPY c FROM STDIN"); pgCode(err) != code {
			t.Errorf("%q: got %v, want %s", data, err, code)
		}
	}
	if got := all(); got != want {
		t.Errorf("a failed copy left rows:\n%s", got)
	}
}

func TestPasswordOpensThePostgresPort(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.exec(l.db(), "SET PASSWORD = PASSWORD('geheim-ü')")
	for password, want := range map[string]string{"geheim-ü": "<nil>", "wrong": "28P01", "": "28P01"} {
		config, err := pgx.ParseConfig(l.pgURL(""))
		l.must(config, err)
		config.Password = password
		c, err := pgx.ConnectConfig(context.Background(), config)
		if c != nil {
			c.Close(context.Background())
		}
		if got := pgCode(err); got != want && !(password == "" && err != nil) {
			t.Errorf("password %q: got %v, want %s", password, err, want)
		}
	}
}

// A client that leaves takes its statement along, and one that asks stops it.
func TestStatementsEndWithCancelAndWithTheirClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const endless = "SELECT count(*) FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(y) WHERE a.x * b.y % 7 = 3"
	db := l.db()
	c := l.pgx("")
	ended := make(chan error, 1)
	go func() { ended <- c.PgConn().Exec(context.Background(), endless).Close() }()
	l.running(db, "SELECT count(*) FROM generate_series")
	l.must(nil, c.PgConn().CancelRequest(context.Background()))
	if err := <-ended; pgCode(err) != "57014" {
		t.Errorf("cancelled: got %v, want 57014", err)
	}
	other := l.pgx("")
	ctx, leave := context.WithCancel(context.Background())
	go func() { ended <- other.PgConn().Exec(ctx, endless).Close() }()
	l.running(db, "SELECT count(*) FROM generate_series")
	leave()
	<-ended
	l.stopped(db, "SELECT count(*) FROM generate_series")
}

func TestPsqlBrowses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.exec(l.db(), catalogStatement("lake", instance(), instance()))
	host, port, _ := strings.Cut(l.ready["pg"], ":")
	sh := &shell{t: t, dir: t.TempDir(), args: map[string][]string{"psql": {"-X", "-h", host, "-p", port, "-U", "root"}},
		env: []string{"PGCLIENTENCODING=UTF8", "LC_ALL=C.UTF-8"}, mask: regexp.MustCompile(`psql \([^\n]*\n|port "\d+"|SSL connection [^\n]*`)}
	script, err := os.ReadFile("testdata/psql.sql")
	l.must(script, err)
	sh.feed(string(script), "psql", "-e", "default_catalog")
	sh.run("psql", "-c", `\dt *.*`, "-c", `\d sales.orders`, "-c", "SELECT * FROM sales.orders ORDER BY id LIMIT 2", "lake")
	golden(t, "psql.txt", sh.out.String())
}

func TestPsycopg(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	python := filepath.Join("..", "..", ".cache", "venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: run ./test.sh setup", err)
	}
	host, port, _ := strings.Cut(l.ready["pg"], ":")
	cmd := exec.Command(python, "testdata/psycopg_client.py", host, port)
	cmd.Env = clean(os.Environ())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	golden(t, "psycopg.txt", string(out))
}

func TestRedshiftsFunctions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("")
	text, err := os.ReadFile("testdata/redshift_functions.txt")
	l.must(text, err)
	for line := range strings.Lines(string(text)) {
		expr, want, is := strings.Cut(strings.TrimSpace(line), " => ")
		if strings.HasPrefix(line, "#") || !is {
			continue
		}
		var got *string
		err := c.QueryRow(context.Background(), "SELECT CAST("+expr+" AS VARCHAR)").Scan(&got)
		switch {
		case err != nil:
			t.Errorf("%s: %v", expr, err)
		case got == nil && want != "NULL" || got != nil && *got != want:
			t.Errorf("%s: got %v, want %s", expr, deref(got), want)
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}
