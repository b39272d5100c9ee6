package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// fileTable spells CREATE EXTERNAL TABLE … ENGINE = file over the lake's bucket.
func fileTable(name, columns, path, format string, s3 method, more ...string) string {
	props := []string{fmt.Sprintf(`"path" = "s3://lake/%s"`, path), fmt.Sprintf(`"format" = %q`, format), fmt.Sprintf(`"aws.s3.region" = %q`, region)}
	for k, v := range s3 {
		props = append(props, fmt.Sprintf("%q = %q", "aws.s3."+k, v))
	}
	return "CREATE EXTERNAL TABLE " + name + " (" + columns + ") ENGINE = file PROPERTIES (" + strings.Join(append(props, more...), ", ") + ")"
}

func orcFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../orc/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFileExternalTablesReadEveryFormatAsEveryIdentity(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.prepare()
	l.put(home, "lake", "orc/a.orc", orcFile(t, "attributes.orc"))
	l.put(home, "lake", "orc/deep/b.orc", orcFile(t, "attributes.orc"))
	l.put(home, "lake", "orc/_SUCCESS", []byte("no data"))
	l.put(home, "lake", "stripes.orc", orcFile(t, "stripes.orc"))
	for _, day := range []string{"01", "02"} {
		l.put(home, "lake", "days/2024-07-"+day+".parquet", l.parquet("SELECT "+day+"::INT AS Day, 'x' AS extra, TIMESTAMP '2024-07-01 12:00:00' AS at"))
	}
	l.put(home, "lake", "days/2024-08-01.parquet", l.parquet("SELECT 8::INT AS day"))
	l.put(home, "lake", "text/1", []byte("1\tone\n2\t\\N\n"))
	l.put(home, "lake", "csv/1.csv", []byte("1;\"one; \"\"two\"\"\"\n"))
	db := l.db()
	l.exec(db, "CREATE DATABASE f", "USE f",
		fileTable("attributes", "id varchar(65500), attributes map<varchar(100), varchar(2000)>", "orc/", "ORC", instance()),
		fileTable("flat", "id varchar(65500)", "orc/", "orc", assumed(role(home, "s3_assumed_role")), `"enable_recursive_listing" = "false"`),
		fileTable("one", "id bigint, txt string, missing double", "stripes.orc", "orc", keys(user)),
		fileTable("days", "day bigint, at datetime", "days/2024-07-*", "Parquet", assumed(role(home, "s3_assumed_role")), `"enable_wildcards" = "true"`),
		fileTable("tabs", "id int, name string", "text/", "text", keys(user)),
		fileTable("sheet", "id int, name string", "csv/", "csv", instance(), `"column_separator" = ";"`),
	)
	check := func() {
		t.Helper()
		for query, want := range map[string]string{
			"SELECT id, attributes['colour'] FROM attributes WHERE id IS NOT NULL ORDER BY id": "a\tred\na\tred\nb\tNULL\nb\tNULL\n",
			"SELECT count(*) FROM flat":                                                               "3\n",
			"SELECT count(*), sum(id), count(missing) FROM one":                                       "60000\t1799970000\t0\n",
			"SELECT txt FROM one WHERE id = 31000":                                                    "031000\n",
			"SELECT day, at FROM days ORDER BY day":                                                   "1\t2024-07-01 12:00:00\n2\t2024-07-01 12:00:00\n",
			"SELECT * FROM tabs ORDER BY id":                                                          "1\tone\n2\tNULL\n",
			"SELECT * FROM sheet":                                                                     "1\tone; \"two\"\n",
			"SELECT a.id, d.day FROM flat a JOIN days d ON d.day = 2 WHERE a.id = 'b'":                "b\t2\n",
			"SELECT count(*) FROM information_schema.tables WHERE table_schema = 'f'":                 "6\n",
			"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'days'": "day\tbigint\nat\tdatetime\n",
		} {
			rows, err := db.Query(query)
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			if got := dump(t, rows); got != want {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
		}
	}
	check()
	var name, shown string
	l.must(nil, db.QueryRow("SHOW CREATE TABLE one").Scan(&name, &shown))
	if !strings.HasPrefix(shown, "CREATE EXTERNAL TABLE `one` (") || !strings.Contains(shown, "ENGINE=FILE") ||
		!strings.Contains(shown, `"aws.s3.secret_key" = "******"`) || strings.Contains(shown, user.SecretAccessKey) || strings.Contains(shown, user.AccessKeyID) {
		t.Errorf("SHOW CREATE TABLE prints %s", shown)
	}
	l.exec(db, "CREATE TABLE copied AS SELECT * FROM days", "CREATE VIEW seen AS SELECT id FROM flat", "DROP TABLE copied")
	for _, statement := range []string{"INSERT INTO tabs VALUES (3, 'x')", "DELETE FROM tabs WHERE id = 1", "UPDATE tabs SET id = 1 WHERE id = 2", "TRUNCATE TABLE tabs", "ALTER TABLE tabs ADD COLUMN x INT"} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "'f.tabs' is a file external table") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if n, err := value(db, "SELECT count(*) FROM seen"); err != nil || n != "3" {
		t.Errorf("the view has %s rows: %v", n, err)
	}
	l.exec(db, "DROP VIEW seen")
	_ = l.stop(syscall.SIGKILL)
	l.start()
	db = l.db()
	l.exec(db, "USE f")
	check()
	l.exec(db, "DROP TABLE one", fileTable("one", "id bigint, txt string, missing double", "stripes.orc", "orc", keys(user)))
	check() // the file is still there
}

func TestFileExternalTablesTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	l.put(home, "lake", "dir/a.orc", orcFile(t, "renamed.orc"))
	l.put(home, "lake", "no.orc", []byte("this is no ORC file"))
	l.put(home, "lake", "p.parquet", l.parquet("SELECT 'x' AS id"))
	db := l.db()
	l.exec(db, "CREATE DATABASE f", "USE f")
	for _, c := range []struct{ create, query, want string }{
		{fileTable("t", "id int", "dir/", "orc", instance(), `"pathh" = "x"`), "", `unknown property "pathh": did you mean "path"?`},
		{fileTable("t", "id int", "dir/", "excel", instance()), "", "not supported format: excel"},
		{fileTable("t", "id int", "dir/", "avro", instance()), "", `format "avro" is not built yet`},
		{fileTable("t", "id largeint", "dir/", "orc", instance()), "", "column id: files have no values of type hugeint"},
		{fileTable("t", "id int", "dir/", "orc", instance(), `"enable_wildcards" = "maybe"`), "", `write "true" or "false"`},
		{"CREATE EXTERNAL TABLE t (id int) ENGINE = file", "", "Please set properties of file table, they are path and format"},
		{`CREATE EXTERNAL TABLE t (id int) ENGINE = file PROPERTIES ("format" = "orc")`, "", "path is null. Please add properties(path='xxx') when create table"},
		{`CREATE EXTERNAL TABLE t (id int) ENGINE = file PROPERTIES ("path" = "s3://lake/")`, "", "format is null. Please add properties(format='xxx') when create table"},
		{`CREATE EXTERNAL TABLE t (id int) ENGINE = file PROPERTIES ("path" = "hdfs://lake/", "format" = "orc")`, "", "is not the place of an object in S3"},
		{strings.Replace(fileTable("t", "id int", "dir/", "orc", instance()), "EXTERNAL ", "", 1), "", "ENGINE = file needs the word EXTERNAL"},
		{strings.Replace(fileTable("t", "id int", "dir/", "orc", instance()), "= file", "= mysql", 1), "", "ENGINE = mysql is not built yet"},
		{strings.Replace(fileTable("t", "id int", "dir/", "orc", instance()), "ENGINE", "DUPLICATE KEY(id) ENGINE", 1), "", "a file external table has no key"},
		{fileTable("t", "id int", "dir", "orc", instance()), "SELECT * FROM t", "the path is a directory but didn't end with '/'"},
		{fileTable("t", "id int", "none.orc", "orc", instance()), "SELECT * FROM t", "doesn't get file with path: s3://lake/none.orc"},
		{fileTable("t", "id int", "dir/*.orc", "orc", instance()), "SELECT * FROM t", "enable_wildcards"},
		{fileTable("t", "id int", "none/", "orc", instance()), "SELECT * FROM t", "No file exists for FileTable: s3://lake/none/"},
		{fileTable("t", "id boolean", "dir/", "orc", instance()), "SELECT * FROM t", "column id of table f.t is boolean, but s3://lake/dir/a.orc has it as bigint"},
		{fileTable("t", "id int", "p.parquet", "parquet", instance()), "SELECT * FROM t", "column id of table f.t is int, but s3://lake/p.parquet has it as varchar"},
		{fileTable("t", "id int", "no.orc", "orc", instance()), "SELECT * FROM t", "s3://lake/no.orc is not a sound ORC file"},
		{fileTable("t", "id int", "dir/", "orc", assumed(role(home, "nobody"))), "SELECT * FROM t", "Denied: sts:AssumeRole on " + role(home, "nobody")},
	} {
		_, err := db.Exec(c.create)
		if c.query != "" && err == nil {
			_, err = db.Exec(c.query)
			l.exec(db, "DROP TABLE t")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n%s\ngives %v, want %s", c.create, c.query, err, c.want)
		}
	}
}
