package e2e

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// warehouseWorld is a cluster with the two roles of the page. RoleA may do with
// the bucket what the page gives it, which is not to delete.
const warehouseWorld = `
in 081976408565
role RoleB trusts service:redshift.amazonaws.com
cluster lakeport
attach lakeport arn:aws:iam::081976408565:role/RoleB
allow role/RoleB sts:AssumeRole arn:aws:iam::222222222222:role/RoleA
in 222222222222
role RoleA trusts arn:aws:iam::081976408565:root
allow role/RoleA s3:PutObject s3:GetObject s3:ListBucket arn:aws:s3:::shelf arn:aws:s3:::shelf/*
bucket shelf
in 081976408565
user carol
allow user/carol s3:* *
bucket yard eu-west-1
bucket hall
`

const chain = "IAM_ROLE 'arn:aws:iam::081976408565:role/RoleB,arn:aws:iam::222222222222:role/RoleA'"

// copier is a client of a warehouse.
type copier struct {
	*world
	conn  *pgx.Conn
	told  []string // notices since the last statement
	carol string   // the authorization of a user who may do all
}

func newCopier(t *testing.T, env ...string) *copier {
	t.Helper()
	l := newLab(t, append(env, "AWS_REGION="+region)...)
	lines, err := parseWorld(warehouseWorld)
	l.must(lines, err)
	c := &copier{world: l.makeWorld(lines, nil)}
	c.carol = fmt.Sprintf("ACCESS_KEY_ID '%s' SECRET_ACCESS_KEY '%s'", c.values["key carol"], c.values["secret carol"])
	config, err := pgx.ParseConfig(l.pgURL("default_catalog"))
	l.must(config, err)
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.told = append(c.told, n.Severity+": "+n.Message) }
	c.conn, err = pgx.ConnectConfig(context.Background(), config)
	l.must(c.conn, err)
	t.Cleanup(func() { c.conn.Close(context.Background()) })
	return c
}

// try sends a statement, and gives what the client is told of it.
func (c *copier) try(text string) string {
	c.told = nil
	_, err := c.conn.Exec(context.Background(), text)
	if e, ok := err.(*pgconn.PgError); ok {
		return strings.TrimSpace(e.Message + "\n" + e.Hint)
	}
	if err != nil {
		return err.Error()
	}
	return strings.Join(c.told, "\n")
}

func (c *copier) do(statements ...string) {
	c.t.Helper()
	for _, text := range statements {
		if _, err := c.conn.Exec(context.Background(), text); err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
	}
}

// expect tells whether what the client is told of a statement holds the words.
func (c *copier) expect(text string, want string) {
	c.t.Helper()
	if got := c.try(text); !strings.Contains(got, want) {
		c.t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
	}
}

// rows gives a query's rows as text.
func (c *copier) rows(query string) string {
	c.t.Helper()
	got, err := c.conn.Query(context.Background(), query, pgx.QueryExecModeSimpleProtocol)
	c.must(got, err)
	defer got.Close()
	var lines []string
	for got.Next() {
		var fields []string
		for _, raw := range got.RawValues() {
			if raw == nil {
				fields = append(fields, "NULL")
				continue
			}
			fields = append(fields, string(raw))
		}
		lines = append(lines, strings.Join(fields, "|"))
	}
	c.must(nil, got.Err())
	return strings.Join(lines, "\n")
}

// owner asks S3 as the root of the account that has a bucket.
func (c *copier) owner(bucket string) *s3.Client {
	if bucket == "shelf" {
		return s3.NewFromConfig(c.as(rootKeys[partner]))
	}
	return s3.NewFromConfig(c.as(rootKeys[home]))
}

func (c *copier) keys(bucket, prefix string) string {
	c.t.Helper()
	out, err := c.owner(bucket).ListObjectsV2(c.ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	c.must(out, err)
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return strings.Join(keys, " ")
}

// text reads an object.
func (c *copier) text(bucket, key string) string {
	c.t.Helper()
	out, err := c.owner(bucket).GetObject(c.ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	c.must(out, err)
	defer out.Body.Close()
	in := io.Reader(out.Body)
	if strings.HasSuffix(key, ".gz") {
		in, err = gzip.NewReader(out.Body)
		c.must(in, err)
	}
	body, err := io.ReadAll(in)
	c.must(body, err)
	return string(body)
}

const sample = `CREATE TABLE sample (id INTEGER, name VARCHAR(40), amount DECIMAL(8,2), day DATE, at TIMESTAMP, ok BOOLEAN)`

// What UNLOAD writes, COPY reads back, whatever stands in it.
func TestUnloadedRowsAreCopiedBack(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.do(sample, `INSERT INTO sample VALUES (1, 'plain', 1.50, '2024-01-02', '2024-01-02 03:04:05.5', true), (2, NULL, NULL, NULL, NULL, NULL),
		(3, 'a|b,"c"\d' || chr(10) || 'é', -0.01, '1999-12-31', '1999-12-31 23:59:59', false)`)
	want := c.rows("SELECT * FROM sample ORDER BY id")
	for i, forms := range [][2]string{
		{"ESCAPE NULL AS '@'", "ESCAPE NULL AS '@'"},
		{"ESCAPE ADDQUOTES GZIP NULL AS '@'", "ESCAPE REMOVEQUOTES GZIP NULL AS '\"@\"'"},
		{"CSV HEADER NULL AS '@'", "CSV IGNOREHEADER 1 NULL AS '@'"},
		{"CSV ZSTD DELIMITER ';' NULL AS '@' PARALLEL OFF", "CSV ZSTD DELIMITER ';' NULL AS '@'"},
		{"PARQUET", "FORMAT AS PARQUET"},
		{"PARQUET MANIFEST", "PARQUET MANIFEST"},
		{"CSV NULL AS '@' PARTITION BY (ok) INCLUDE MANIFEST VERBOSE", "CSV NULL AS '@' MANIFEST"},
	} {
		if i == 1 { // quotes around a NULL are not written
			forms[1] = "ESCAPE REMOVEQUOTES GZIP NULL AS '@'"
		}
		prefix := fmt.Sprintf("s3://shelf/trip%d/", i)
		c.expect(fmt.Sprintf("UNLOAD ('SELECT * FROM sample') TO '%s' %s %s", prefix, chain, forms[0]), "INFO: UNLOAD completed, 3 record(s) unloaded successfully.")
		if strings.Contains(forms[1], "MANIFEST") {
			prefix += "manifest"
		}
		c.do("DROP TABLE IF EXISTS back", strings.Replace(sample, "sample", "back", 1))
		c.expect(fmt.Sprintf("COPY back FROM '%s' %s %s", prefix, chain, forms[1]), "INFO: Load into table 'back' completed, 3 record(s) loaded successfully.")
		if got := c.rows("SELECT * FROM back ORDER BY id"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", forms[0], got, want)
		}
	}
	if got := c.rows("SELECT pg_last_copy_count(), pg_last_unload_count()"); got != "3|3" {
		t.Errorf("the last counts are %s, want 3|3", got)
	}
}

func TestUnloadNamesItsFiles(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.do("CREATE TABLE n (a INTEGER, b VARCHAR(5))", "INSERT INTO n VALUES (1, 'x'), (2, 'y'), (3, NULL)")
	for _, w := range []struct{ to, options, want string }{
		{"one/p_", "", "one/p_0000_part_00"},
		{"two/p_", "PARALLEL OFF GZIP MANIFEST", "two/p_000.gz two/p_manifest"},
		{"three/", "PARQUET", "three/0000_part_00.parquet"},
		{"four", "CSV PARTITION BY (b) EXTENSION 'csv'", "four/b=__HIVE_DEFAULT_PARTITION__/0000_part_00.csv four/b=x/0000_part_00.csv four/b=y/0000_part_00.csv"},
		{"five", "PARQUET PARTITION BY (b)", "five/b=__HIVE_DEFAULT_PARTITION__/0000_part_00.parquet five/b=x/0000_part_00.parquet five/b=y/0000_part_00.parquet"},
	} {
		c.do("UNLOAD ('SELECT * FROM n ORDER BY a') TO 's3://hall/" + w.to + "' " + c.carol + " " + w.options)
		if got := c.keys("hall", w.to); got != w.want {
			t.Errorf("%s: wrote %s, want %s", w.options, got, w.want)
		}
	}
	if got := c.text("hall", "four/b=x/0000_part_00.csv"); got != "1\n" {
		t.Errorf("the partition's file holds %q, want its column left out", got)
	}
	c.expect("UNLOAD ('SELECT 1') TO 's3://hall/one/p_' "+c.carol, "Specified unload destination on S3 is not empty")
	c.do("UNLOAD ('SELECT 7') TO 's3://hall/one/p_' " + c.carol + " ALLOWOVERWRITE")
	if got := c.text("hall", "one/p_0000_part_00"); got != "7\n" {
		t.Errorf("overwritten with %q", got)
	}
	c.do("UNLOAD ('SELECT 8') TO 's3://hall/two/' " + c.carol + " CLEANPATH")
	if got := c.keys("hall", "two/"); got != "two/0000_part_00" {
		t.Errorf("CLEANPATH leaves %s", got)
	}
	c.expect("UNLOAD ('SELECT a FROM n') TO 's3://hall/x' "+c.carol+" PARTITION BY (a)", "at least one must remain")
	c.expect("UNLOAD ('SELEC 1') TO 's3://hall/x' "+c.carol, "SELEC")
}

// RoleA may not delete: what a failed UNLOAD has written stays, and is named.
// Carol may, and nothing stays.
func TestFailedUnloadTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.do("CREATE TABLE big (a VARCHAR(9), pad VARCHAR(2000))", "INSERT INTO big VALUES ('1', '"+strings.Repeat("p", 1000)+"')")
	for range 15 {
		c.do("INSERT INTO big SELECT * FROM big")
	}
	c.do("INSERT INTO big VALUES ('x', '')")
	const query = "UNLOAD ('SELECT CAST(a AS INTEGER), pad FROM big') TO "
	c.expect(query+"'s3://shelf/left/' "+chain+" MAXFILESIZE 5 MB", "these files of the failed UNLOAD could not be removed: s3://shelf/left/0000_part_00")
	if got := c.keys("shelf", "left/"); !strings.HasPrefix(got, "left/0000_part_00") {
		t.Errorf("left are %s", got)
	}
	c.expect(query+"'s3://hall/left/' "+c.carol+" MAXFILESIZE 5 MB", "'x'")
	if got := c.keys("hall", "left/"); got != "" {
		t.Errorf("left are %s", got)
	}
	c.do("UNLOAD ('SELECT * FROM big') TO 's3://hall/split/' " + c.carol + " MAXFILESIZE 5 MB")
	if got := strings.Fields(c.keys("hall", "split/")); len(got) != 7 || got[6] != "split/0000_part_06" {
		t.Errorf("33 MB are divided among %s", got)
	}
}

func TestCopyBelongsToTheTransaction(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.put(partner, "shelf", "in/a", []byte("1|x\n2|y\n"))
	c.put(partner, "shelf", "in/a2", []byte("3|z\n"))
	c.put(partner, "shelf", "in/bad", []byte("4|w\nq|v\nr|u\n"))
	c.do("CREATE TABLE k (a INTEGER NOT NULL, b VARCHAR(5), c INTEGER DEFAULT 9)")
	c.do("BEGIN", "COPY k (a, b) FROM 's3://shelf/in/a' "+chain, "ROLLBACK")
	if got := c.rows("SELECT count(*) FROM k"); got != "0" {
		t.Errorf("after a ROLLBACK there are %s rows", got)
	}
	if got := c.rows("SELECT trim(filename), lines_scanned FROM stl_load_commits ORDER BY 1"); got != "s3://shelf/in/a|2\ns3://shelf/in/a2|1" {
		t.Errorf("the log says %s", got)
	}
	c.do("COPY k (a, b) FROM 's3://shelf/in/a' " + chain)
	c.expect("COPY k (a, b) FROM 's3://shelf/in/' "+chain, "Load into table 'k' failed.  Check 'stl_load_errors' system table for details.")
	if got := c.rows("SELECT * FROM k ORDER BY a"); got != "1|x|9\n2|y|9\n3|z|9" {
		t.Errorf("loaded are %s", got)
	}
	c.expect("COPY k (a, b) FROM 's3://shelf/in/bad' "+chain+" MAXERROR 2", "failed")
	c.expect("COPY k (a, b) FROM 's3://shelf/in/bad' "+chain+" NOLOAD MAXERROR 3", "1 record(s) loaded successfully.")
	c.expect("COPY k (a, b) FROM 's3://shelf/in/bad' "+chain+" MAXERROR 3", "2 record(s) could not be loaded.  Check 'stl_load_errors' system table for details.")
	if got := c.rows("SELECT line_number, colname, type, raw_line, raw_field_value, err_code, err_reason FROM stl_load_errors WHERE query = pg_last_copy_id() ORDER BY 1"); got !=
		"2|a|int4|q|v|q|1207|Invalid digit, Value 'q', Pos 0, Type: Integer\n3|a|int4|r|u|r|1207|Invalid digit, Value 'r', Pos 0, Type: Integer" {
		t.Errorf("stl_load_errors has %s", got)
	}
	if got := c.rows("SELECT error_code, error_message FROM sys_load_error_detail WHERE query_id = pg_last_copy_id() AND line_number = 2"); got != "1207|Invalid digit, Value 'q', Pos 0, Type: Integer" {
		t.Errorf("sys_load_error_detail has %s", got)
	}
}

// What a COPY needs beside the files, and formats of text without delimiters.
func TestCopyReadsManifestsAndPaths(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.put(partner, "shelf", "in/a", []byte("1|x\n"))
	c.do("CREATE TABLE k (a INTEGER, b VARCHAR(5))")
	entry := func(url string, mandatory bool) string {
		return fmt.Sprintf(`{"url": %q, "mandatory": %t}`, url, mandatory)
	}
	for key, entries := range map[string]string{"m1": entry("s3://shelf/in/a", true) + "," + entry("s3://shelf/in/a", true) + "," + entry("s3://shelf/gone", false),
		"m2": entry("s3://shelf/in/a", true) + "," + entry("s3://shelf/gone", true), "m3": entry("s3://shelf/gone", false)} {
		c.put(partner, "shelf", key, []byte(`{"entries": [`+entries+`]}`))
	}
	c.expect("COPY k FROM 's3://shelf/m1' "+chain+" MANIFEST", "2 record(s) loaded")
	c.expect("COPY k FROM 's3://shelf/m2' "+chain+" MANIFEST", "s3://shelf/gone is mandatory and not there")
	c.expect("COPY k FROM 's3://shelf/m3' "+chain+" MANIFEST", "none of the files of the manifest")
	c.expect("COPY k FROM 's3://shelf/in/a' "+chain+" MANIFEST", "is not what COPY reads")
	c.put(partner, "shelf", "json/a", []byte(`{"a": 1, "b": "x", "n": {"b": "y"}} {"a": "z"}`))
	c.put(partner, "shelf", "paths", []byte(`{"jsonpaths": ["$.a", "$.n.b"]}`))
	c.do("TRUNCATE k")
	c.expect("COPY k FROM 's3://shelf/json/' "+chain+" JSON 'auto' MAXERROR 2", "1 record(s) could not be loaded")
	c.expect("COPY k FROM 's3://shelf/json/' "+chain+" JSON 's3://shelf/paths' MAXERROR 2", "1 record(s) could not be loaded")
	if got := c.rows("SELECT * FROM k ORDER BY b"); got != "1|x\n1|y" {
		t.Errorf("of JSON: %s", got)
	}
	if got := c.rows("SELECT line_number, colname, raw_field_value FROM stl_load_errors WHERE query = pg_last_copy_id()"); got != "1|a|z" {
		t.Errorf("the error is %s", got)
	}
	c.expect("COPY k (a) FROM 's3://shelf/json/' "+chain+" JSON 's3://shelf/paths'", "JSONPath size: 2, Number of columns in table or column list: 1")
	c.put(partner, "shelf", "fixed", []byte("1 one  \n22two"))
	c.expect("COPY k FROM 's3://shelf/fixed' "+chain+" FIXEDWIDTH 'a:2,b:5'", "2 record(s) loaded")
	c.expect("COPY k FROM 's3://shelf/nothing' "+chain, "The specified S3 prefix 'nothing' does not exist")
}

// Each way to say who asks (Database Developer Guide, "Authorization parameters").
func TestCopyAuthorizations(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.put(home, "hall", "a", []byte("1\n"))
	c.do("CREATE TABLE k (a INTEGER)")
	id, key := c.values["key carol"], c.values["secret carol"]
	for auth, want := range map[string]string{
		c.carol: "1 record(s) loaded",
		"CREDENTIALS 'aws_access_key_id=" + id + ";aws_secret_access_key=" + key + "'": "1 record(s) loaded",
		"ACCESS_KEY_ID '" + id + "' SECRET_ACCESS_KEY '" + id + "'":                    "the secret is the key id",
		"ACCESS_KEY_ID '" + id + "'":                                                   "belong together",
		"CREDENTIALS 'aws_iam_role=arn:aws:iam::081976408565:role/RoleB'":              "Denied: s3:ListBucket on arn:aws:s3:::hall as role RoleB",
		"IAM_ROLE default": "has no default IAM role",
		"IAM_ROLE 'arn:aws:iam::081976408565:role/RoleB, arn:aws:iam::222222222222:role/RoleA'": "the list of roles holds a blank",
		"IAM_ROLE 'RoleB'":              "is not the ARN of a role",
		"IAM_ROLE default " + c.carol:   "cannot stand beside ACCESS_KEY_ID",
		"":                              "no authorization is given",
		c.carol + " REGION 'us-west-2'": "1 record(s) loaded",
		c.carol + " REGION 'nowhere'":   "is no AWS region",
		"ACCESS_KEY_ID 'AKIANOBODYNOBODYNOBO' SECRET_ACCESS_KEY 'x'": "Unknown access key",
	} {
		c.expect("COPY k FROM 's3://hall/a' "+auth, want)
	}
	c.put(home, "hall", "big", []byte("1\n"))
	south := s3.NewFromConfig(c.as(rootKeys[home]), func(o *s3.Options) { o.Region = "eu-west-1" })
	c.must(south.PutObject(c.ctx, &s3.PutObjectInput{Bucket: aws.String("yard"), Key: aws.String("a"), Body: strings.NewReader("5\n")}))
	c.expect("COPY k FROM 's3://yard/a' "+c.carol, "it expects \"eu-west-1\"\nadd REGION 'eu-west-1'")
	c.expect("COPY k FROM 's3://yard/a' "+c.carol+" REGION AS 'eu-west-1'", "1 record(s) loaded")
	deny := `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::hall/*"}]}`
	c.must(s3.NewFromConfig(c.as(rootKeys[home])).PutBucketPolicy(c.ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("hall"), Policy: &deny}))
	c.expect("COPY k FROM 's3://hall/big' "+c.carol, "Denied: s3:GetObject on arn:aws:s3:::hall/big as user carol: an explicit deny in a resource-based policy")
}

// Each object is listed once and fetched once.
func TestCopyFetchesEachFileOnce(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	for i := range 12 {
		c.put(partner, "shelf", fmt.Sprintf("many/%02d", i), []byte(strings.Repeat(fmt.Sprintf("%d|x\n", i), 1000)))
	}
	c.do("CREATE TABLE k (a INTEGER, b VARCHAR(5))")
	_, since := c.decisions(0, "&limit=0")
	c.expect("COPY k FROM 's3://shelf/many/' "+chain, "12000 record(s) loaded")
	log, _ := c.decisions(since, "")
	seen := map[string]int{}
	for _, e := range log {
		if e.Action == "s3:GetObject" || e.Action == "s3:ListBucket" {
			seen[e.Action+" "+e.Resource]++
		}
	}
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%s: %d times", what, n)
		}
	}
	if len(seen) != 13 {
		t.Errorf("%d different calls, want a list and 12 objects", len(seen))
	}
}

// Columns of ORC files are the table's by position, as Parquet's are.
func TestCopyReadsColumnarFilesByPosition(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	body, err := os.ReadFile("testdata/conformance/attributes.orc")
	c.must(body, err)
	c.put(partner, "shelf", "orc/a", body)
	c.put(partner, "shelf", "pq/a", c.parquet("SELECT 1::INTEGER AS x, 'one' AS y"))
	c.put(partner, "shelf", "pq/b", c.parquet("SELECT 'two' AS y, 2::INTEGER AS x"))
	c.put(partner, "shelf", "long", c.parquet("SELECT 3::INTEGER AS x, 'longer' AS y"))
	c.do("CREATE TABLE k (a BIGINT, b VARCHAR(5))", "CREATE TABLE narrow (a BIGINT)", "CREATE TABLE other (a DATE, b VARCHAR(5))")
	c.expect("COPY k FROM 's3://shelf/pq/a' "+chain+" PARQUET", "1 record(s) loaded")
	if got := c.rows("SELECT * FROM k"); got != "1|one" {
		t.Errorf("loaded are %s", got)
	}
	c.expect("COPY k FROM 's3://shelf/pq/' "+chain+" PARQUET", "has other columns than s3://shelf/pq/a, or in another order")
	c.expect("COPY narrow FROM 's3://shelf/pq/a' "+chain+" PARQUET", "Unmatched number of columns between table and file. Table columns: 1, Data columns: 2")
	c.expect("COPY other FROM 's3://shelf/pq/a' "+chain+" PARQUET", "incompatible parquet schema for column a")
	c.expect("COPY k FROM 's3://shelf/long' "+chain+" PARQUET", "longer than the 5 bytes of column 'b'")
	c.expect("COPY narrow FROM 's3://shelf/orc/' "+chain+" ORC", "Unmatched number of columns")
}

// A key of a third place opens only where its own policy and the caller's both
// say so: RoleA's account does not own it.
func TestUnloadUnderAKeyOfAnotherAccount(t *testing.T) {
	t.Parallel()
	c := newCopier(t)
	c.key(home, "theirs")
	arn := c.values["kms theirs"]
	unload := "UNLOAD ('SELECT 1') TO 's3://shelf/sealed/' " + chain + " KMS_KEY_ID '" + arn + "' ENCRYPTED ALLOWOVERWRITE"
	c.expect(unload, "Denied: kms:GenerateDataKey")
	c.allow(partner, "role/RoleA kms:GenerateDataKey kms:Decrypt "+arn)
	c.expect(unload, "Denied: kms:GenerateDataKey")
	policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::` + home + `:root"}, "Action": "kms:*", "Resource": "*"},
		{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::` + partner + `:role/RoleA"}, "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"}]}`
	c.must(c.kms(home).PutKeyPolicy(c.ctx, &kms.PutKeyPolicyInput{KeyId: &arn, Policy: &policy}))
	c.expect(unload, "UNLOAD completed, 1 record(s) unloaded successfully.")
	c.do("CREATE TABLE k (a INTEGER)")
	c.expect("COPY k FROM 's3://shelf/sealed/' "+chain, "1 record(s) loaded successfully.")
}
