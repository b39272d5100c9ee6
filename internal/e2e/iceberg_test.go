package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"lakeport/internal/metastore/iceresttest"
)

// warehouse makes a bucket for Iceberg tables, and a catalog over Glue as the
// home account's root.
func (l *lab) warehouse(name string) (create string) {
	l.t.Helper()
	l.must(s3.NewFromConfig(l.as(rootKeys[home])).CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String("ice"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	keys := rootKeys[home]
	props := []string{`"type" = "iceberg"`, `"iceberg.catalog.type" = "glue"`, `"iceberg.catalog.warehouse" = "s3://ice/wh"`}
	for _, prefix := range []string{"aws.s3.", "aws.glue."} {
		props = append(props, fmt.Sprintf("%q = %q", prefix+"region", region),
			fmt.Sprintf("%q = %q", prefix+"access_key", keys.AccessKeyID), fmt.Sprintf("%q = %q", prefix+"secret_key", keys.SecretAccessKey))
	}
	return "CREATE EXTERNAL CATALOG " + name + " PROPERTIES (" + strings.Join(props, ", ") + ")"
}

// The walk of the S3 Tables page, over Glue.
func TestIcebergTablesInGlueAreMadeFilledAndDropped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, l.warehouse("ice"), "SET CATALOG ice", "CREATE DATABASE s3table_db", "USE s3table_db",
		`CREATE TABLE taxis (trip_id bigint, trip_distance float, fare_amount double, store_and_fwd_flag string, vendor_id bigint) PARTITION BY (vendor_id)`,
		`INSERT INTO taxis VALUES (1000371, 1.8, 15.32, 'N', 1), (1000372, 2.5, 22.15, 'N', 2), (1000373, 0.9, 9.01, 'N', 2), (1000374, 8.4, 42.13, 'Y', 1)`)
	const four = "1000371\t1.8\t15.32\tN\t1\n1000372\t2.5\t22.15\tN\t2\n1000373\t0.9\t9.01\tN\t2\n1000374\t8.4\t42.13\tY\t1"
	l.expectLines(db, "SELECT * FROM taxis ORDER BY trip_id", four)
	l.expectLines(db, "SHOW DATABASES", "information_schema\ns3table_db")
	l.expectLines(db, "SHOW TABLES", "taxis")

	l.exec(db, "INSERT OVERWRITE taxis SELECT trip_id + 1, trip_distance, fare_amount, 'X', vendor_id FROM taxis WHERE vendor_id = 2")
	l.expectLines(db, "SELECT trip_id, store_and_fwd_flag FROM taxis ORDER BY 1", "1000371\tN\n1000373\tX\n1000374\tX\n1000374\tY")
	l.exec(db, "CREATE TABLE copy PARTITION BY (bucket(trip_id, 4), truncate(flag, 1)) AS SELECT trip_id, store_and_fwd_flag AS flag, CAST(fare_amount AS decimal(9, 2)) AS fare, date '2024-02-29' AS day FROM taxis")
	l.expectLines(db, "SELECT count(*), sum(fare), max(day) FROM copy WHERE trip_id = 1000374", "2\t51.14\t2024-02-29")
	var name, spelled string
	if err := db.QueryRow("SHOW CREATE TABLE copy").Scan(&name, &spelled); err != nil || !strings.Contains(spelled, "\nPARTITION BY (bucket(`trip_id`, 4), truncate(`flag`, 1))\n") {
		t.Errorf("SHOW CREATE TABLE gives %v\n%s", err, spelled)
	}
	l.exec(db, "CREATE TABLE strict (id bigint NOT NULL COMMENT 'the key', s string)")
	l.expectLines(db, "DESC strict", "id\tbigint(20)\tNO\tfalse\tNULL\t\tthe key\ns\tvarchar(1073741824)\tYES\tfalse\tNULL\t\t")
	l.expectLines(db, "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_schema = 's3table_db' AND table_name = 'strict'", "id\tNO\ns\tYES")
	if err := db.QueryRow("SHOW CREATE TABLE strict").Scan(&name, &spelled); err != nil || !strings.Contains(spelled, "\n  `id` bigint(20) NOT NULL COMMENT \"the key\",\n  `s` varchar(1073741824) DEFAULT NULL\n") {
		t.Errorf("SHOW CREATE TABLE gives %v\n%s", err, spelled)
	}
	l.exec(db, "DROP TABLE strict FORCE")
	l.exec(db, "INSERT INTO copy (fare, trip_id) SELECT 7, 5", "INSERT INTO copy BY NAME SELECT 6 AS trip_id, 'q' AS flag")
	l.expectLines(db, "SELECT * FROM copy WHERE trip_id < 10 ORDER BY trip_id", "5\tNULL\t7.00\tNULL\n6\tq\tNULL\tNULL")

	l.expectError(db, "INSERT INTO copy VALUES (1, 'x', 1.239, NULL)", "Insert has filtered data", "fare")
	l.expectError(db, "INSERT INTO copy VALUES (1.5, 'x', 1.23, NULL)", "Insert has filtered data", "trip_id")
	l.expectError(db, "INSERT INTO copy VALUES (1, 'x')", "Inserted target column count: 4 doesn't match select/value column count: 2")
	l.expectError(db, "CREATE TABLE copy (a int)", "Table 'copy' already exists")
	l.expectError(db, "CREATE TABLE bad (a int) PARTITION BY (zorder(a))", "Unsupported partition transform zorder(a) for column a")
	l.expectError(db, "CREATE TABLE bad (a largeint)", "Unsupported primitive column type")
	l.expectError(db, "DROP DATABASE s3table_db", "it has 2 tables")
	l.exec(db, "CREATE TABLE IF NOT EXISTS copy (a int)", "DROP TABLE copy FORCE", "DROP TABLE IF EXISTS copy", "DROP TABLE taxis FORCE", "DROP DATABASE s3table_db")
	if left := l.list("ice", ""); len(left) != 0 {
		t.Errorf("got %v left, want an empty bucket", left)
	}
}

func TestIcebergTimeTravel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, l.warehouse("ice"), "CREATE DATABASE ice.d", "CREATE TABLE ice.d.t (a int)", "INSERT INTO ice.d.t VALUES (1)")
	var before string
	l.must(nil, db.QueryRow("SELECT now(6)").Scan(&before))
	l.exec(db, "INSERT INTO ice.d.t VALUES (2)")
	l.expectLines(db, "SELECT count(*) FROM ice.d.t", "2")
	l.expectLines(db, fmt.Sprintf("SELECT a FROM ice.d.t FOR TIMESTAMP AS OF '%s'", before), "1")
	l.expectLines(db, "SELECT a FROM ice.d.t VERSION AS OF 'main' x ORDER BY x.a", "1\n2")
	l.expectError(db, "SELECT a FROM ice.d.t VERSION AS OF 17", "no snapshot 17")
	l.expectError(db, "SELECT a FROM ice.d.t VERSION AS OF 'audit'", `no branch or tag "audit"`)
	l.expectError(db, "SELECT a FROM ice.d.t TIMESTAMP AS OF '1999-01-01'", "no snapshot as of 199")
	l.expectError(db, "SELECT a FROM information_schema.tables VERSION AS OF 17", "VERSION AS OF is for Iceberg tables")
}

// restCatalog is a statement that makes a catalog over a REST server.
func restCatalog(name, uri string, more ...string) string {
	props := append([]string{`"type" = "iceberg"`, `"iceberg.catalog.type" = "rest"`, fmt.Sprintf("%q = %q", "iceberg.catalog.uri", uri),
		fmt.Sprintf("%q = %q", "aws.s3.region", region)}, more...)
	return "CREATE EXTERNAL CATALOG " + name + " PROPERTIES (" + strings.Join(props, ", ") + ")"
}

// The catalog hands out keys for the tables' storage; lakeport's own identity
// may not read it.
func TestIcebergRESTCatalogIsWalked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(s3.NewFromConfig(l.as(rootKeys[home])).CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String("ice"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	srv := iceresttest.New(t, "s3://ice/rest")
	srv.Prefix, srv.Page, srv.Token = "my/prefix", 1, "let me in"
	srv.Keys = map[string]string{"s3.access-key-id": rootKeys[home].AccessKeyID, "s3.secret-access-key": rootKeys[home].SecretAccessKey, "client.region": region}
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, restCatalog("r", srv.URL, `"iceberg.catalog.security" = "OAUTH2"`, `"iceberg.catalog.oauth2.credential" = "id:secret"`),
		"SET CATALOG r", "CREATE DATABASE d", "CREATE DATABASE e", "USE d",
		"CREATE TABLE t (a bigint, b string) PARTITION BY (truncate(b, 1))", "INSERT INTO t VALUES (1, 'xa'), (2, 'xb'), (3, NULL)")
	l.expectLines(db, "SELECT * FROM t ORDER BY a", "1\txa\n2\txb\n3\tNULL")
	l.expectLines(db, "SHOW DATABASES", "d\ne\ninformation_schema")
	l.exec(db, "CREATE TABLE u AS SELECT a * 2 AS c FROM t", "INSERT OVERWRITE t SELECT 9, 'xz'")
	l.expectLines(db, "SHOW TABLES", "t\nu")
	l.expectLines(db, "SELECT * FROM t ORDER BY a", "3\tNULL\n9\txz")
	l.expectLines(db, "SELECT sum(c) FROM u", "12")
	l.expectError(db, "CREATE TABLE t (a int)", "Table 't' already exists")
	l.expectError(db, "DROP DATABASE d", "it is not empty")
	l.expectError(db, "SELECT * FROM nowhere", "Unknown table")
	srv.Lock()
	srv.Before = func(w http.ResponseWriter, r *http.Request) bool { // a table whose rows are refused does not stay
		if refused := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/tables/w"); refused {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	srv.Unlock()
	l.expectError(db, "CREATE TABLE w AS SELECT a FROM t", "403")
	l.exec(db, "DROP TABLE u", "DROP TABLE t FORCE", "DROP DATABASE d")
	l.expectLines(db, "SHOW DATABASES", "e\ninformation_schema")
}

// A commit whose answer is lost is looked for before anything else is done,
// and one that another writer was before is built anew on that one's snapshot:
// rows are there once, or the client is told that nobody knows.
func TestIcebergCommitsHappenOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(s3.NewFromConfig(l.as(rootKeys[home])).CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String("ice"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	srv := iceresttest.New(t, "s3://ice/rest")
	keys := rootKeys[home]
	s3keys := []string{fmt.Sprintf("%q = %q", "aws.s3.access_key", keys.AccessKeyID), fmt.Sprintf("%q = %q", "aws.s3.secret_key", keys.SecretAccessKey)}
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, restCatalog("r", srv.URL, s3keys...), "CREATE DATABASE r.d", "CREATE TABLE r.d.t (a int)")
	other := l.db()

	srv.Lock()
	srv.After = func(w http.ResponseWriter) bool { // made, but nobody learns it
		srv.After = nil
		w.WriteHeader(http.StatusGatewayTimeout)
		return true
	}
	srv.Unlock()
	l.exec(db, "INSERT INTO r.d.t VALUES (1)")
	l.expectLines(db, "SELECT a FROM r.d.t", "1")

	raced := false
	srv.Lock()
	srv.Before = func(w http.ResponseWriter, r *http.Request) bool { // another writer comes first
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/tables/t") && !raced {
			raced = true
			l.exec(other, "INSERT INTO r.d.t VALUES (2)")
		}
		return false
	}
	srv.Unlock()
	l.exec(db, "INSERT INTO r.d.t VALUES (3)")
	l.expectLines(db, "SELECT a FROM r.d.t ORDER BY a", "1\n2\n3")

	files := len(l.list("ice", ""))
	srv.Lock()
	srv.Before = func(w http.ResponseWriter, r *http.Request) bool { // refused for good
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/tables/t") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	srv.Unlock()
	l.expectError(db, "INSERT INTO r.d.t VALUES (4)", "403")
	if now := len(l.list("ice", "")); now != files {
		t.Errorf("got %d objects after a refusal, want %d as before", now, files)
	}

	srv.Lock()
	srv.Before = func(w http.ResponseWriter, r *http.Request) bool { // no answer at all, and then the table cannot be read
		if strings.HasSuffix(r.URL.Path, "/tables/t") && (r.Method == http.MethodPost || raced == false) {
			raced = false
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	srv.Unlock()
	l.expectError(db, "INSERT INTO r.d.t VALUES (5)", "it is not known whether table d.t has taken the rows", "no file has been removed")
	if now := len(l.list("ice", "")); now <= files {
		t.Errorf("got %d objects after a doubt, want the new ones kept", now)
	}
	srv.Lock()
	srv.Before = nil
	srv.Unlock()
	l.expectLines(db, "SELECT a FROM r.d.t ORDER BY a", "1\n2\n3")
}

// Tables go both ways between lakeport and PyIceberg.
func TestIcebergTablesAreSharedWithPyIceberg(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, l.warehouse("ice"), "CREATE DATABASE ice.d",
		`CREATE TABLE ice.d.plain (id bigint COMMENT "the key", f float, g double, s string, d decimal(12, 3), day date, at datetime, b boolean,
			l array<int>, m map<string, bigint>, st struct<x int, y string>) COMMENT "all kinds"`,
		`INSERT INTO ice.d.plain VALUES (1, 1.5, -0.25, 'a string that is longer than sixteen', 12.345, '2024-02-29', '2024-02-29 12:34:56.789', true, [1, NULL], map{'k': 7}, row(5, 'z')),
			(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		"CREATE TABLE ice.d.parts (id bigint NOT NULL, s string, at datetime) PARTITION BY (bucket(id, 4), truncate(s, 2), day(at))",
		"INSERT INTO ice.d.parts VALUES (1, 'one', '1969-12-31 23:59:59'), (2, 'one more', '2024-01-01'), (3, NULL, NULL), (4, 'four', '2024-01-01 10:00:00')",
		`CREATE TABLE ice.d.three (id bigint, s string) PARTITION BY (s) PROPERTIES ("format-version" = "3")`,
		"INSERT INTO ice.d.three VALUES (1, 'x')", "INSERT INTO ice.d.three VALUES (2, 'y')", "INSERT OVERWRITE ice.d.three VALUES (3, 'x')")
	s := awsShell(t, l, rootKeys[home])
	s.dir = "testdata"
	s.run("python", "pyiceberg_client.py")
	golden(t, "pyiceberg.txt", s.out.String())
	l.expectLines(db, "SELECT label, id, price, day, at, point, tags, counts, extra FROM ice.d.made ORDER BY id",
		"n1\t1\t0.25\t2024-01-01\t2024-01-01 01:02:03.000004\t{\"left\":0.5,\"y\":null,\"z\":null}\t[\"a\",null]\t{\"k\":1}\tNULL\n"+
			"n3\t3\t0.75\t2024-01-03\t2024-01-03 01:02:03.000004\t{\"left\":1.5,\"y\":null,\"z\":null}\t[\"a\",null]\t{\"k\":3}\tNULL\n"+
			"n4\t4\tNULL\tNULL\tNULL\t{\"left\":9.5,\"y\":1,\"z\":7}\tNULL\tNULL\te")
	l.expectLines(db, "SELECT id FROM ice.d.made WHERE day = '2024-01-03' AND id = 3", "3")
}

// The same tables in a Hive Metastore, whose lock makes a commit one step.
func TestIcebergTablesInAHiveMetastore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	uri, _ := hiveMetastore(t)
	keys := rootKeys[home]
	create := fmt.Sprintf(`CREATE EXTERNAL CATALOG h PROPERTIES ("type" = "iceberg", "iceberg.catalog.type" = "hive", "hive.metastore.uris" = %q,
		"iceberg.catalog.warehouse" = "s3://lake/wh", "aws.s3.region" = %q, "aws.s3.access_key" = %q, "aws.s3.secret_key" = %q)`, uri, region, keys.AccessKeyID, keys.SecretAccessKey)
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, create, `CREATE DATABASE h.ice_d PROPERTIES ("location" = "s3a://lake/ice_d")`, "CREATE TABLE h.ice_d.t (a int, b string) COMMENT 'kept'", "INSERT INTO h.ice_d.t VALUES (1, 'x')")
	const writers = 4
	done := make(chan error, writers)
	for n := range writers {
		go func() {
			_, err := l.db().Exec(fmt.Sprintf("INSERT INTO h.ice_d.t VALUES (%d, 'w')", n+2))
			done <- err
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	l.expectLines(db, "SELECT count(*), sum(a) FROM h.ice_d.t", "5\t15")
	foretold := func(statements ...string) { // of AWS: the metastore is none of its
		t.Helper()
		for _, statement := range statements {
			l.foretells(db, statement, func() { l.exec(db, statement) })
		}
	}
	foretold("CREATE TABLE h.ice_d.u AS SELECT a + 1 AS a FROM h.ice_d.t", "INSERT OVERWRITE h.ice_d.t VALUES (9, 'z')")
	l.expectLines(db, "SELECT t.a, u.n FROM h.ice_d.t t, (SELECT count(*) AS n FROM h.ice_d.u) u", "9\t5")
	l.expectError(db, "DROP DATABASE h.ice_d", "it is not empty")
	foretold("DROP TABLE h.ice_d.t", "DROP TABLE h.ice_d.u FORCE", "DROP DATABASE h.ice_d")
}
