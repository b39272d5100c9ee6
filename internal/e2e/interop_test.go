package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"lakeport/internal/metastore"
	"lakeport/internal/metastore/hms"
	"lakeport/internal/metastore/hmstest"
	"lakeport/internal/metastore/metastoretest"
	"lakeport/internal/parts"
)

// sparkHome gives the directory of a Spark 3.5 with its jars for S3. The tests that
// use it take minutes and are run by ./test.sh interop.
func sparkHome(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LAKEPORT_SPARK")
	if dir == "" {
		t.Skip("compares with Spark only in ./test.sh interop")
	}
	return dir
}

// Spark writes Hive tables on the sandbox's S3 into a real metastore; each query
// of hive.sql must read the same by Spark and by lakeport.
func TestInteropHiveTablesOfSpark(t *testing.T) {
	spark := sparkHome(t)
	l, m, key := warehouseLab(t)
	queries, err := os.ReadFile("testdata/interop/hive.sql")
	l.must(nil, err)
	cmd := exec.Command(filepath.Join(spark, "bin", "python"), "testdata/interop/hive.py", m.URI, l.ready["aws"], key.AccessKeyID, key.SecretAccessKey,
		filepath.Join(spark, "jars"), "testdata/interop/hive.sql")
	cmd.Env = append(clean(os.Environ()), "SPARK_LOCAL_IP=127.0.0.1")
	answers := map[string]string{}
	for _, x := range runSpark(t, cmd) {
		answers[x.query] = x.answer
	}
	db := l.db()
	l.exec(db, metastoreCatalog("hms", m.URI))
	l.exec(db, "SET CATALOG hms")
	for query := range strings.Lines(string(queries)) {
		query = strings.TrimSpace(query)
		want, ok := answers[query]
		if !ok || want == "" {
			t.Errorf("Spark does not answer %s", query)
			continue
		}
		l.expectLines(db, query, want)
	}
}

// A table bucket is shared between lakeport and Spark: both read back equal what
// either wrote, deleted and changed there.
func TestInteropTableBucketWithSpark(t *testing.T) {
	spark := sparkHome(t)
	l := newLab(t)
	keys, warehouse := l.tableBucket(), home+":s3tablescatalog/lakehouse"
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, restCatalog("b", "https://glue."+region+".amazonaws.com/iceberg", `"iceberg.catalog.rest.sigv4-enabled" = "true"`, `"iceberg.catalog.rest.signing-name" = "glue"`,
		fmt.Sprintf(`"iceberg.catalog.rest.access-key-id" = %q`, keys.AccessKeyID), fmt.Sprintf(`"iceberg.catalog.rest.secret-access-key" = %q`, keys.SecretAccessKey),
		fmt.Sprintf(`"iceberg.catalog.warehouse" = %q`, warehouse)),
		"CREATE DATABASE b.s3table_db", "CREATE TABLE b.s3table_db.taxis (trip_id bigint, trip_distance float, fare_amount double, store_and_fwd_flag string, vendor_id bigint) PARTITION BY (vendor_id)",
		"INSERT INTO b.s3table_db.taxis VALUES (1000371, 1.8, 15.32, 'N', 1), (1000372, 2.5, 22.15, 'N', 2), (1000373, 0.9, 9.01, 'N', 2), (1000374, 8.4, 42.13, 'Y', 1)")
	const script = "testdata/interop/iceberg.sql"
	text, err := os.ReadFile(script)
	l.must(nil, err)
	var before []string // to the queries that stand before all changes
	for statement := range strings.Lines(string(text)) {
		if statement = strings.TrimSpace(statement); strings.HasPrefix(statement, "insert") {
			break
		} else if strings.HasPrefix(statement, "select") {
			before = append(before, l.sorted(db, statement))
		}
	}
	const catalog = "spark.sql.catalog.b"
	cmd := sparkSession(spark, "iceberg", script, "spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
		catalog+"=org.apache.iceberg.spark.SparkCatalog", catalog+".type=rest", catalog+".uri="+l.ready["aws"]+"/iceberg", catalog+".warehouse="+warehouse,
		catalog+".rest.sigv4-enabled=true", catalog+".rest.signing-name=glue", catalog+".rest.signing-region="+region,
		catalog+".header.X-Iceberg-Access-Delegation=vended-credentials", catalog+".client.region="+region, catalog+".io-impl=org.apache.iceberg.aws.s3.S3FileIO",
		catalog+".s3.endpoint="+l.ready["aws"], catalog+".s3.path-style-access=true", catalog+".cache-enabled=false")
	cmd.Env = append(cmd.Env, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey)
	for i, x := range runSpark(t, cmd) {
		got := ""
		if i < len(before) {
			got = before[i]
		} else {
			got = l.sorted(db, x.query)
		}
		if got != x.answer || x.answer == "" {
			t.Errorf("%s\nlakeport %s\nSpark    %s", x.query, got, x.answer)
		}
	}
}

// sorted gives a query's sorted rows as text.
func (l *lab) sorted(db *sql.DB, query string) string {
	l.t.Helper()
	got, err := lines(db, query)
	if err != nil {
		l.t.Errorf("%s\n%v", query, err)
	}
	return strings.Join(got, "\n")
}

// Delta tables that Spark makes and changes on the sandbox's S3, by what Delta's
// writer has of features, read the same by lakeport.
func TestInteropDeltaTablesOfSpark(t *testing.T) {
	spark := sparkHome(t)
	l, m, key := warehouseLab(t)
	cmd := sparkSession(spark, "jars,delta", "testdata/interop/delta.sql", "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension",
		"spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog", "spark.hadoop.hive.metastore.uris="+m.URI,
		"spark.databricks.delta.snapshotPartitions=2", "spark.sql.warehouse.dir=s3a://warehouse/spark", "spark.hadoop.fs.s3a.endpoint="+l.ready["aws"], "spark.hadoop.fs.s3a.endpoint.region="+region,
		"spark.hadoop.fs.s3a.path.style.access=true", "spark.hadoop.fs.s3a.access.key="+key.AccessKeyID, "spark.hadoop.fs.s3a.secret.key="+key.SecretAccessKey)
	db := l.db()
	l.exec(db, strings.Replace(metastoreCatalog("d", m.URI), `"type" = "hive"`, `"type" = "deltalake"`, 1), "SET CATALOG d")
	for _, x := range runSpark(t, cmd) {
		if got := l.sorted(db, x.query); got != x.answer || x.answer == "" {
			t.Errorf("%s\nlakeport %s\nSpark    %s", x.query, got, x.answer)
		}
	}
}

// Hive Metastore 4.0.1 has no get_table, and keeps its records in a PostgreSQL
// behind RDS: its client shows what it shows of 3.1.3, and lakeport reads through it.
func TestInteropHiveMetastoreWithoutGetTable(t *testing.T) {
	sparkHome(t)
	const version = "4.0.1"
	l := newLab(t)
	l.prepare()
	d := l.makeDatabase(home, "postgres", "records", false)
	schema, err := parts.MetastoreSchema(version)
	l.must(schema, err)
	d.master(t, schema)
	key := rootKeys[home]
	m := hmstest.Start(t, parts.MetastoreOptions{Version: version, Endpoint: l.ready["aws"], Region: region, AccessKey: key.AccessKeyID, SecretKey: key.SecretAccessKey, Warehouse: "s3a://lake/hive",
		Records: fmt.Sprintf("postgresql://admin:%s@%s:%s/shop?sslmode=verify-full&sslrootcert=%s", masterPassword, d.host, d.port, d.ca)})
	client := hmstest.Client(t, m)
	metastoretest.Run(t, func(t *testing.T, w metastoretest.World) metastoretest.Store {
		hmstest.Fill(t, client, "s3a://lake/hive", w.Databases, w.Tables, map[string][]metastore.Partition{"sales.trips": w.Partitions})
		return hms.New(hms.Options{URIs: []string{m.URI}})
	})
	if _, err := client.GetTable(t.Context(), "sales", "trips"); err == nil || !strings.Contains(err.Error(), "Invalid method name") {
		t.Errorf("get_table is answered %v", err)
	}
	hmstest.CreateTable(t, client, hiveTable("sales.orders", "parquet", "s3a://lake/orders", "id bigint, amount double", "dt string"), map[string][]string{
		"s3a://lake/orders/dt=2024-01-01": {"2024-01-01"}, "s3a://lake/orders/dt=2024-01-02": {"2024-01-02"}})
	db := l.db()
	l.exec(db, metastoreCatalog("c", m.URI))
	l.expectLines(db, "SELECT id, amount FROM c.sales.orders WHERE dt = '2024-01-02'", "4\t6\n5\t7.5\n6\t9")
}

// warehouseLab has a Hive Metastore whose warehouse is the bucket of that name.
func warehouseLab(t *testing.T) (*lab, *parts.Metastore, aws.Credentials) {
	t.Helper()
	l := newLab(t)
	l.prepare()
	c := s3.NewFromConfig(l.as(rootKeys[home]))
	l.must(c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("warehouse"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	l.rolePolicy(home, "starrocks-ec2", "warehouse", document(allow("s3:GetObject", "arn:aws:s3:::warehouse/*"), allow("s3:ListBucket", "arn:aws:s3:::warehouse")))
	key := rootKeys[home]
	return l, hmstest.Start(t, parts.MetastoreOptions{Endpoint: l.ready["aws"], Region: region, AccessKey: key.AccessKeyID, SecretKey: key.SecretAccessKey, Warehouse: "s3a://warehouse/hive"}), key
}

// sparkSession is Spark with the jars of some directories, at a script.
func sparkSession(spark, jars, script string, settings ...string) *exec.Cmd {
	var dirs []string
	for dir := range strings.SplitSeq(jars, ",") {
		dirs = append(dirs, filepath.Join(spark, dir))
	}
	cmd := exec.Command(filepath.Join(spark, "bin", "python"), append([]string{"testdata/interop/session.py", strings.Join(dirs, ","), script}, settings...)...)
	cmd.Env = append(clean(os.Environ()), "SPARK_LOCAL_IP=127.0.0.1")
	return cmd
}

// answered is a query and its rows by Spark, sorted.
type answered struct{ query, answer string }

// runSpark runs a script that prints "-- QUERY" before each answer.
func runSpark(t *testing.T, cmd *exec.Cmd) (list []answered) {
	t.Helper()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("Spark: %v\n%s", err, complaints.String())
	}
	for _, part := range strings.Split("\n"+string(out), "\n-- ")[1:] {
		query, answer, _ := strings.Cut(part, "\n")
		list = append(list, answered{query, strings.TrimSuffix(answer, "\n")})
	}
	return list
}
