package e2e

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// tableBucket makes the table bucket lakehouse as the console does, and gives a
// user who has Super on it.
func (l *lab) tableBucket() aws.Credentials {
	l.t.Helper()
	lines, err := parseWorld(`table-bucket lakehouse
		external-engines
		user tess
		allow user/tess glue:* lakeformation:GetDataAccess s3tables:* *
		grant ALL lakehouse user/tess`)
	l.must(nil, err)
	w := l.makeWorld(lines, nil)
	return aws.Credentials{AccessKeyID: w.values["key tess"], SecretAccessKey: w.values["secret tess"]}
}

// The walk of the S3 Tables page, through Glue's Iceberg REST endpoint with
// credentials that Lake Formation hands out, and through S3 Tables' own.
func TestS3TablesAreWalked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.tableBucket()
	db := l.db()
	db.SetMaxOpenConns(1)
	signed := func(name, signing, warehouse string) string {
		return restCatalog(name, "https://"+signing+"."+region+".amazonaws.com/iceberg", `"iceberg.catalog.rest.sigv4-enabled" = "true"`,
			fmt.Sprintf(`"iceberg.catalog.rest.signing-name" = %q`, signing), fmt.Sprintf(`"iceberg.catalog.rest.access-key-id" = %q`, user.AccessKeyID),
			fmt.Sprintf(`"iceberg.catalog.rest.secret-access-key" = %q`, user.SecretAccessKey), fmt.Sprintf(`"iceberg.catalog.warehouse" = %q`, warehouse))
	}
	l.exec(db, signed("g", "glue", home+":s3tablescatalog/lakehouse"), "SET CATALOG g", "CREATE DATABASE s3table_db", "USE s3table_db",
		`CREATE TABLE taxis (trip_id bigint, trip_distance float, fare_amount double, store_and_fwd_flag string, vendor_id bigint) PARTITION BY (vendor_id)`,
		`INSERT INTO taxis VALUES (1000371, 1.8, 15.32, 'N', 1), (1000372, 2.5, 22.15, 'N', 2), (1000373, 0.9, 9.01, 'N', 2), (1000374, 8.4, 42.13, 'Y', 1)`)
	const four = "1000371\t1.8\t15.32\tN\t1\n1000372\t2.5\t22.15\tN\t2\n1000373\t0.9\t9.01\tN\t2\n1000374\t8.4\t42.13\tY\t1"
	l.expectLines(db, "SELECT * FROM taxis ORDER BY trip_id", four)
	l.exec(db, "INSERT OVERWRITE taxis SELECT trip_id, trip_distance, fare_amount, 'X', vendor_id FROM taxis WHERE vendor_id = 2",
		"CREATE TABLE copy AS SELECT trip_id, fare_amount FROM taxis")
	l.expectLines(db, "SELECT count(*), sum(store_and_fwd_flag = 'X') FROM taxis", "4\t2")

	// The service's own endpoint hands out nothing: the objects are read as the user.
	l.exec(db, fmt.Sprintf(`%s, "aws.s3.access_key" = %q, "aws.s3.secret_key" = %q)`,
		trimParen(signed("t", "s3tables", "arn:aws:s3tables:"+region+":"+home+":bucket/lakehouse")), user.AccessKeyID, user.SecretAccessKey))
	l.expectLines(db, "SELECT count(*) FROM t.s3table_db.copy", "4")
	l.exec(db, "INSERT INTO t.s3table_db.copy VALUES (1, 2.5)")
	l.expectLines(db, "SELECT max(fare_amount), count(*) FROM g.s3table_db.copy WHERE trip_id < 5", "2.5\t1")
	l.exec(db, "DROP TABLE taxis", "DROP TABLE t.s3table_db.copy", "DROP DATABASE s3table_db")
}

func trimParen(s string) string { return s[:len(s)-1] }

// A table bucket is shared between lakeport and PyIceberg, both through Glue's
// endpoint and with the credentials that it hands out.
func TestTableBucketIsSharedWithPyIceberg(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	keys, warehouse := l.tableBucket(), home+":s3tablescatalog/lakehouse"
	db := l.db()
	db.SetMaxOpenConns(1)
	l.exec(db, restCatalog("c", "https://glue."+region+".amazonaws.com/iceberg", `"iceberg.catalog.rest.sigv4-enabled" = "true"`, `"iceberg.catalog.rest.signing-name" = "glue"`,
		fmt.Sprintf(`"iceberg.catalog.rest.access-key-id" = %q`, keys.AccessKeyID), fmt.Sprintf(`"iceberg.catalog.rest.secret-access-key" = %q`, keys.SecretAccessKey),
		fmt.Sprintf(`"iceberg.catalog.warehouse" = %q`, warehouse)),
		"CREATE DATABASE c.s3table_db", "CREATE TABLE c.s3table_db.taxis (trip_id bigint, trip_distance float, fare_amount double, store_and_fwd_flag string, vendor_id bigint) PARTITION BY (vendor_id)",
		"INSERT INTO c.s3table_db.taxis VALUES (1000371, 1.8, 15.32, 'N', 1), (1000372, 2.5, 22.15, 'N', 2), (1000373, 0.9, 9.01, 'N', 2), (1000374, 8.4, 42.13, 'Y', 1)")
	s := awsShell(t, l, keys)
	s.env = append(s.env, "WAREHOUSE="+warehouse)
	s.dir = "testdata"
	s.run("python", "s3tables_client.py")
	golden(t, "s3tables.txt", s.out.String())
	l.expectLines(db, "SELECT trip_id, fare_amount, vendor_id, tip FROM c.s3table_db.taxis WHERE vendor_id > 1 ORDER BY trip_id", "1000372\t22.15\t2\tNULL\n1000373\t9.01\t2\tNULL\n5\t1.25\t3\tNULL")
	l.expectLines(db, "SELECT id, name FROM c.s3table_db.made ORDER BY id", "0\tn0\n1\tn1\n3\tn3\n4\tn4\n5\tn5")
	l.exec(db, "INSERT INTO c.s3table_db.made VALUES (7, 'n7')", "DROP TABLE c.s3table_db.taxis")
	l.expectLines(db, "SELECT max(id) FROM c.s3table_db.made", "7")
}

// As printed, the page's database and table land beside the catalog that was
// just made, which it never enters: the answers say so.
func TestStatementsOutsideOfANewCatalogAreWarnedOf(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	user := l.tableBucket()
	db := l.db()
	db.SetMaxOpenConns(1)
	create := restCatalog("beside", "https://glue."+region+".amazonaws.com/iceberg", `"iceberg.catalog.rest.sigv4-enabled" = "true"`, `"iceberg.catalog.rest.signing-name" = "glue"`,
		fmt.Sprintf(`"iceberg.catalog.rest.access-key-id" = %q`, user.AccessKeyID), fmt.Sprintf(`"iceberg.catalog.rest.secret-access-key" = %q`, user.SecretAccessKey),
		fmt.Sprintf(`"iceberg.catalog.warehouse" = %q`, home+":s3tablescatalog/lakehouse"))
	l.exec(db, create, "create database s3table_db")
	l.expectLines(db, "SHOW WARNINGS", "Warning\t1064\tdatabase s3table_db is made in default_catalog, not in beside: SET CATALOG beside to work in the catalog just made")
	l.exec(db, "use s3table_db", "CREATE TABLE taxis (trip_id bigint)")
	l.expectLines(db, "SHOW WARNINGS", "Warning\t1064\ttable taxis is made in default_catalog, not in beside: SET CATALOG beside to work in the catalog just made")
	l.exec(db, "SET CATALOG beside", "SET CATALOG default_catalog", "CREATE DATABASE meant")
	l.expectLines(db, "SHOW WARNINGS", "")
}
