package syntax

import (
	"bufio"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"lakeport/internal/sqlerr"
)

// statements reads testdata/name: statements end with a semicolon at the end
// of a line; a line that begins with # is a comment.
func statements(t testing.TB, name string) []string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	var b strings.Builder
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		b.WriteString(line + "\n")
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			all = append(all, strings.TrimSpace(b.String()))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		t.Fatalf("%s ends without a semicolon: %q", name, rest)
	}
	return all
}

// stripped copies v with every position set to zero.
func stripped(v any) any {
	c := reflect.New(reflect.TypeOf(v)).Elem()
	c.Set(deepCopy(reflect.ValueOf(v)))
	return c.Interface()
}

var posType = reflect.TypeFor[Pos]()

func deepCopy(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch {
	case v.Type() == posType:
		return out
	case v.Kind() == reflect.Pointer && !v.IsNil():
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(deepCopy(v.Elem()))
	case v.Kind() == reflect.Interface && !v.IsNil():
		out.Set(deepCopy(v.Elem()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(deepCopy(v.Field(i)))
		}
	case v.Kind() == reflect.Slice && !v.IsNil():
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(deepCopy(v.Index(i)))
		}
	default:
		out.Set(v)
	}
	return out
}

// checkPrint fails unless the printed statement parses to the same tree.
func checkPrint(t testing.TB, text string, st Statement) {
	t.Helper()
	printed := st.String()
	again, err := Parse(printed)
	if err != nil {
		t.Fatalf("%s\nprints as %s\nwhich does not parse: %v", text, printed, err)
	}
	if !reflect.DeepEqual(stripped(again), stripped(st)) {
		t.Fatalf("%s\nprints as %s\nwhich parses to another tree:\n%#v\n%#v", text, printed, stripped(again), stripped(st))
	}
}

func TestPrintedStatementParsesToTheSameTree(t *testing.T) {
	for _, file := range []string{"statements.sql", "clients.sql", "seeds.sql"} {
		for _, text := range statements(t, file) {
			st, err := Parse(text)
			if err != nil {
				t.Errorf("%s: %s\n%v", file, text, err)
				continue
			}
			checkPrint(t, text, st)
		}
	}
}

// TestFaultsStandAfterTheirToken reads /* ERROR "pattern" */ marks: the error
// must stand at the token before the mark and match the pattern. A mark at the
// very end that follows no token of its own means the end of the statement.
func TestFaultsStandAfterTheirToken(t *testing.T) {
	mark := regexp.MustCompile(`/\* ERROR "(.*)" \*/`)
	for _, text := range statements(t, "errors.sql") {
		loc := mark.FindStringSubmatchIndex(text)
		if loc == nil {
			t.Errorf("no mark in %s", text)
			continue
		}
		pattern := regexp.MustCompile(text[loc[2]:loc[3]])
		_, err := Parse(text)
		if err == nil {
			t.Errorf("%s\nparses, want an error like %s", text, pattern)
			continue
		}
		e := sqlerr.From(err)
		if !pattern.MatchString(e.Msg + " " + e.Hint) {
			t.Errorf("%s\ngot  %s\nhint %s\nwant %s", text, e.Msg, e.Hint, pattern)
		}
		if strings.Contains(e.Msg, "unterminated") {
			continue // the token has no end to stand behind
		}
		toks, err := Scan(text[:loc[0]], StarRocks)
		if err != nil {
			t.Fatal(err)
		}
		last := toks[len(toks)-1]
		want := last.Pos
		if strings.Contains(e.Msg, "found end of statement") {
			want = last.End
		}
		if e.Pos.Offset != want {
			t.Errorf("%s\nerror stands at %d, want %d: %v", text, e.Pos.Offset, want, e)
		}
	}
}

func TestKnownStatementsAreRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE USER 'u' IDENTIFIED BY 'p'":                             "CREATE USER",
		"grant select on t to u":                                        "GRANT",
		"LOAD 'ext'":                                                    "LOAD",
		"INSERT INTO FILES('path'='s3://b/') SELECT 1":                  "INSERT INTO FILES",
		"ALTER TABLE t DROP PARTITIONS WHERE a < 1":                     "ALTER TABLE DROP PARTITIONS WHERE",
		"SET ROLE ALL":                                                  "SET ROLE",
		"COPY t FROM 's3://b' IAM_ROLE 'arn:aws:iam::1:role/r'":         "COPY",
		"UNLOAD ('SELECT 1') TO 's3://b' IAM_ROLE default":              "UNLOAD",
		"ATTACH 'x.db'":                                                 "ATTACH",
		"DESC STORAGE VOLUME v":                                         "DESC STORAGE",
		"SHOW CREATE PROCEDURE p":                                       "SHOW CREATE PROCEDURE",
		"INSERT INTO t VERSION AS OF b SELECT 1":                        "INSERT INTO a branch",
		"CREATE MATERIALIZED VIEW v REFRESH ASYNC AS SELECT 1":          "CREATE MATERIALIZED VIEW",
		"ALTER TABLE t ADD COLUMN a INT, ADD ROLLUP r (a)":              "ALTER TABLE ADD ROLLUP",
		"SET v AS DEFAULT STORAGE VOLUME":                               "SET DEFAULT STORAGE VOLUME",
		"ANALYZE TABLE t UPDATE HISTOGRAM ON a":                         "ANALYZE TABLE UPDATE HISTOGRAM",
		"EXECUTE AS jack WITH NO REVERT":                                "EXECUTE AS",
		"CREATE PIPE p AS INSERT INTO t SELECT * FROM FILES('a' = 'b')": "CREATE PIPE",
	} {
		st, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		u, ok := st.(*Unsupported)
		if !ok || u.Name != want {
			t.Errorf("%s gives %#v, want a refusal of %s", text, st, want)
			continue
		}
		if got := u.Refuse(text); got.Kind != sqlerr.Unsupported || got.Msg != want+" is not supported" || got.Pos.Line != 1 {
			t.Errorf("%s: refusal is %v", text, got)
		}
	}
}

func TestRedactedHidesSecrets(t *testing.T) {
	for text, want := range map[string]string{
		`CREATE EXTERNAL CATALOG c PROPERTIES ("aws.s3.secret_key" = "s3cr3t", "type" = "hive")`: "CREATE EXTERNAL CATALOG `c` PROPERTIES (\"aws.s3.secret_key\" = '******', \"type\" = \"hive\")",
		`ALTER CATALOG c SET ("aws.glue.session_token" = "s3cr3t")`:                              "ALTER CATALOG `c` SET (\"aws.glue.session_token\" = '******')",
		`SELECT * FROM FILES("aws.s3.access_key" = "s3cr3t", "path" = "x")`:                      `SELECT * FROM FILES("aws.s3.access_key" = '******', "path" = "x")`,
		`CREATE USER u IDENTIFIED BY 's3cr3t'`:                                                   `CREATE USER u IDENTIFIED BY '******'`,
		`SET PASSWORD = PASSWORD('s3cr3t')`:                                                      `SET PASSWORD = PASSWORD('******')`,
		`COPY t FROM 'u' CREDENTIALS 'aws_secret=s3cr3t' CSV`:                                    `COPY t FROM 'u' CREDENTIALS '******' CSV`,
		`EXPLAIN SELECT * FROM FILES("aws.s3.secret_key"="s3cr3t")`:                              `EXPLAIN SELECT * FROM FILES("aws.s3.secret_key"='******')`,
		"PREPARE s FROM 'SELECT * FROM FILES(\"aws.s3.secret_key\" = \"s3cr3t\")'":               "PREPARE `s` FROM \"SELECT * FROM FILES(\\\"aws.s3.secret_key\\\" = '******')\"",
		"CREATE TABLE t AS SELECT * FROM FILES('aws.s3.secret_key' = 's3cr3t')":                  "CREATE TABLE `t` AS SELECT * FROM FILES('aws.s3.secret_key' = '******')",
		`SELECT 'plain', "text"`:                                                                 `SELECT 'plain', "text"`,
	} {
		st, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := Redacted(st); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := RedactText("SET PASSWORD = 's3cr3t"); strings.Contains(got, "s3cr3t") {
		t.Errorf("text that cannot be scanned shows a secret: %s", got)
	}
}

func TestFragmentsKeepTheirOffsets(t *testing.T) {
	text := "/* c */ INSERT INTO `d`.t (a) SELECT 1 FROM x -- end"
	st, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := st.(*Insert).Query
	if got, want := text[q.Start():], "SELECT 1 FROM x -- end"; got != want {
		t.Errorf("query starts at %q, want %q", got, want)
	}
	if got, want := q.Text, "SELECT 1 FROM x"; got != want {
		t.Errorf("query is %q, want %q", got, want)
	}
}

func TestDeepNestingIsAnError(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("EXPLAIN ", 1e5) + "SELECT 1",
		"CREATE TABLE t (a " + strings.Repeat("ARRAY<", 1e5) + "INT" + strings.Repeat(">", 1e5) + ")",
		"CREATE TABLE t (a " + strings.Repeat("STRUCT<a ", 1e5) + "INT" + strings.Repeat(">>", 5e4) + ")",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), "nested deeper than 200 levels") {
			t.Errorf("%.40s..: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"statements.sql", "clients.sql", "seeds.sql", "errors.sql"} {
		for _, text := range statements(f, file) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		st, err := Parse(text)
		if err != nil {
			if e := sqlerr.From(err); e.Kind != sqlerr.Syntax && e.Kind != sqlerr.Unsupported {
				t.Fatalf("%q: %v is no error of the text", text, err)
			}
			return
		}
		_ = Redacted(st)
		checkPrint(t, text, st)
	})
}
