package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
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
