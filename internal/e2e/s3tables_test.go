package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	laketypes "github.com/aws/aws-sdk-go-v2/service/lakeformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3tables"
)

// tableBucket makes the table bucket lakehouse, integrates it with Glue and Lake
// Formation as the console does, and gives a user who has Super on it.
func (l *lab) tableBucket() aws.Credentials {
	l.t.Helper()
	ctx, root := context.Background(), l.as(rootKeys[home])
	buckets := "arn:aws:s3tables:" + region + ":" + home + ":bucket/*"
	l.must(s3tables.NewFromConfig(root).CreateTableBucket(ctx, &s3tables.CreateTableBucketInput{Name: aws.String("lakehouse")}))
	l.makeRole(home, "locator", document(`{"Effect": "Allow", "Principal": {"Service": "lakeformation.amazonaws.com"}, "Action": "sts:AssumeRole"}`),
		map[string]*string{"p": document(allow("s3tables:*", "*"))})
	lf := lakeformation.NewFromConfig(root)
	l.must(lf.PutDataLakeSettings(ctx, &lakeformation.PutDataLakeSettingsInput{DataLakeSettings: &laketypes.DataLakeSettings{
		DataLakeAdmins:                   []laketypes.DataLakePrincipal{{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::" + home + ":root")}},
		AllowFullTableExternalDataAccess: aws.Bool(true)}}))
	l.must(lf.RegisterResource(ctx, &lakeformation.RegisterResourceInput{ResourceArn: &buckets, RoleArn: aws.String(role(home, "locator")), WithFederation: aws.Bool(true)}))
	l.must(glue.NewFromConfig(root).CreateCatalog(ctx, &glue.CreateCatalogInput{Name: aws.String("s3tablescatalog"), CatalogInput: &gluetypes.CatalogInput{
		FederatedCatalog:                 &gluetypes.FederatedCatalog{Identifier: &buckets, ConnectionName: aws.String("aws:s3tables")},
		CreateDatabaseDefaultPermissions: []gluetypes.PrincipalPermissions{}, CreateTableDefaultPermissions: []gluetypes.PrincipalPermissions{}}}))
	users := iam.NewFromConfig(root)
	l.must(users.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("tess")}))
	l.must(users.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("tess"), PolicyName: aws.String("p"),
		PolicyDocument: document(allow("glue:*", "*"), allow("lakeformation:GetDataAccess", "*"), allow("s3tables:*", "*"))}))
	out, err := users.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("tess")})
	l.must(out, err)
	l.must(lf.GrantPermissions(ctx, &lakeformation.GrantPermissionsInput{Permissions: []laketypes.Permission{laketypes.PermissionAll},
		Principal: &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::" + home + ":user/tess")},
		Resource:  &laketypes.Resource{Catalog: &laketypes.CatalogResource{Id: aws.String(home + ":s3tablescatalog/lakehouse")}}}))
	return aws.Credentials{AccessKeyID: aws.ToString(out.AccessKey.AccessKeyId), SecretAccessKey: aws.ToString(out.AccessKey.SecretAccessKey)}
}

// The walk of the S3 Tables page, through Glue's Iceberg REST endpoint with
// credentials that Lake Formation hands out, and through S3 Tables' own.
func TestS3TablesAreWalked(t *testing.T) {
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
