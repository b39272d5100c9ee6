package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"lakeport/internal/engine"
)

// The lake of the tests: sales.orders, partitioned by dt, in s3://lake of the
// home account, and s3://lakeb of the partner account under sales.foreign.

func document(statements ...string) *string {
	return aws.String(`{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ", ") + `]}`)
}

func allow(actions, resources string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": [%s], "Resource": [%s]}`, quoteList(actions), quoteList(resources))
}

func quoteList(list string) string {
	var out []string
	for f := range strings.FieldsSeq(list) {
		out = append(out, `"`+f+`"`)
	}
	return strings.Join(out, ", ")
}

func trusts(arn string) *string {
	return document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": "sts:AssumeRole"}`, arn))
}

func role(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

const (
	ec2Trust = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`

	getObject = "arn:aws:s3:::lake/*"
	listLake  = "arn:aws:s3:::lake"
	glueReads = "glue:GetDatabase glue:GetDatabases glue:GetTable glue:GetTables glue:GetPartition glue:GetPartitions glue:BatchGetPartition"
	glueARN   = "arn:aws:glue:" + region + ":" + home + ":"
	allGlue   = glueARN + "catalog " + glueARN + "database/sales " + glueARN + "table/sales/*"
)

func readLake() *string {
	return document(allow("s3:GetObject", getObject), allow("s3:ListBucket", listLake))
}

func readGlue() *string { return document(allow(glueReads, allGlue)) }

// must stops the test at the first call that fails.
func (l *lab) must(out any, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) makeRole(account, name string, trust *string, policies map[string]*string) {
	l.t.Helper()
	c := iam.NewFromConfig(l.as(rootKeys[account]))
	ctx := context.Background()
	l.must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: trust}))
	for policy, doc := range policies {
		l.must(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(policy), PolicyDocument: doc}))
	}
}

func (l *lab) rolePolicy(account, name, policy string, doc *string) {
	l.t.Helper()
	c := iam.NewFromConfig(l.as(rootKeys[account]))
	l.must(c.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(policy), PolicyDocument: doc}))
}

func (l *lab) trust(account, name string, doc *string) {
	l.t.Helper()
	c := iam.NewFromConfig(l.as(rootKeys[account]))
	l.must(c.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(name), PolicyDocument: doc}))
}

// prepare makes identities, buckets and tables, and gives the IAM user's key.
func (l *lab) prepare() aws.Credentials {
	l.t.Helper()
	ctx := context.Background()
	c := iam.NewFromConfig(l.as(rootKeys[home]))
	l.makeRole(home, "starrocks-ec2", aws.String(ec2Trust), map[string]*string{
		"s3": readLake(), "glue": readGlue(),
		"assume": document(allow("sts:AssumeRole", role(home, "s3_assumed_role")+" "+role(home, "glue_assumed_role")+" "+role(partner, "lender"))),
	})
	l.must(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("starrocks-ec2")}))
	l.must(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("starrocks-ec2"), RoleName: aws.String("starrocks-ec2")}))
	l.makeRole(home, "s3_assumed_role", trusts(role(home, "starrocks-ec2")), map[string]*string{"s3": readLake()})
	l.makeRole(home, "glue_assumed_role", trusts(role(home, "starrocks-ec2")), map[string]*string{"glue": readGlue()})
	l.makeRole(partner, "lender", trusts(role(home, "starrocks-ec2")), map[string]*string{
		"s3": document(allow("s3:GetObject", "arn:aws:s3:::lakeb/*"), allow("s3:ListBucket", "arn:aws:s3:::lakeb")),
	})
	l.must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice")}))
	l.must(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("s3"), PolicyDocument: readLake()}))
	l.must(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("glue"), PolicyDocument: readGlue()}))
	out, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
	l.must(out, err)

	l.makeLake(ctx)
	return aws.Credentials{AccessKeyID: aws.ToString(out.AccessKey.AccessKeyId), SecretAccessKey: aws.ToString(out.AccessKey.SecretAccessKey)}
}

// makeLake writes the tables: 3 orders in each of two partitions.
func (l *lab) makeLake(ctx context.Context) {
	l.t.Helper()
	g := glue.NewFromConfig(l.as(rootKeys[home]))
	l.must(g.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &gluetypes.DatabaseInput{Name: aws.String("sales")}}))
	for account, bucket := range map[string]string{home: "lake", partner: "lakeb"} {
		l.must(s3.NewFromConfig(l.as(rootKeys[account])).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket),
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	}
	columns := []string{"id bigint", "amount double"}
	l.makeTable(ctx, "orders", "s3://lake/orders/", columns, "dt string")
	l.makeTable(ctx, "foreign", "s3://lakeb/foreign/", columns, "")
	for i, dt := range []string{"2024-01-01", "2024-01-02"} {
		file := l.parquet(fmt.Sprintf("SELECT i AS id, i * 1.5 AS amount FROM range(%d, %d) t(i)", i*3+1, i*3+4))
		l.put(home, "lake", "orders/dt="+dt+"/part-0.parquet", file)
		l.addPartition(ctx, "orders", columns, "s3://lake/orders/dt="+dt+"/", dt)
	}
	l.put(partner, "lakeb", "foreign/part-0.parquet", l.parquet("SELECT 7::BIGINT AS id, 1.0::DOUBLE AS amount"))
}

func hiveColumns(list []string) []gluetypes.Column {
	out := make([]gluetypes.Column, len(list))
	for i, c := range list {
		name, typ, _ := strings.Cut(c, " ")
		out[i] = gluetypes.Column{Name: aws.String(name), Type: aws.String(typ)}
	}
	return out
}

func parquetStorage(columns []string, location string) *gluetypes.StorageDescriptor {
	return &gluetypes.StorageDescriptor{
		Columns: hiveColumns(columns), Location: aws.String(location),
		InputFormat:  aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"),
		OutputFormat: aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"),
		SerdeInfo:    &gluetypes.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")},
	}
}

func (l *lab) makeTable(ctx context.Context, name, location string, columns []string, partitionKey string) {
	l.t.Helper()
	in := &gluetypes.TableInput{Name: aws.String(name), TableType: aws.String("EXTERNAL_TABLE"), StorageDescriptor: parquetStorage(columns, location)}
	if partitionKey != "" {
		in.PartitionKeys = hiveColumns([]string{partitionKey})
	}
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("sales"), TableInput: in}))
}

func (l *lab) addPartition(ctx context.Context, table string, columns []string, location string, values ...string) {
	l.t.Helper()
	l.must(glue.NewFromConfig(l.as(rootKeys[home])).CreatePartition(ctx, &glue.CreatePartitionInput{
		DatabaseName: aws.String("sales"), TableName: aws.String(table),
		PartitionInput: &gluetypes.PartitionInput{Values: values, StorageDescriptor: parquetStorage(columns, location)},
	}))
}

// writer is an engine that writes the tests' files, below scratch.
var writer = sync.OnceValues(func() (*engine.DB, error) { return engine.Open(engine.Options{Dirs: []string{scratch}}) })

// parquet writes a query's rows as a Parquet file and gives its bytes.
func (l *lab) parquet(query string, options ...string) []byte {
	l.t.Helper()
	dir, err := os.MkdirTemp(scratch, "parquet-")
	l.must(dir, err)
	db, err := writer()
	l.must(db, err)
	conn, err := db.Connect()
	l.must(conn, err)
	defer conn.Close()
	path := filepath.Join(dir, "x.parquet")
	_, err = conn.Exec(context.Background(), "COPY ("+query+") TO '"+path+"' ("+strings.Join(append([]string{"FORMAT parquet"}, options...), ", ")+")")
	l.must(nil, err)
	text, err := os.ReadFile(path)
	l.must(nil, err)
	return text
}

func (l *lab) put(account, bucket, key string, body []byte) {
	l.t.Helper()
	l.must(s3.NewFromConfig(l.as(rootKeys[account])).PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(body),
	}))
}

// assume gives a session's credentials, as a user would fetch them by hand.
func (l *lab) assume(c aws.Credentials, roleARN string, policy *string) aws.Credentials {
	l.t.Helper()
	out, err := sts.NewFromConfig(l.as(c)).AssumeRole(context.Background(), &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("byhand"), Policy: policy, DurationSeconds: aws.Int32(900),
	})
	l.must(out, err)
	return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
}

// method is one way to authenticate, as properties under a prefix.
type method map[string]string

func instance() method { return method{"use_instance_profile": "true"} }

func assumed(arns ...string) method {
	return method{"use_instance_profile": "true", "iam_role_arn": strings.Join(arns, ",")}
}

func keys(c aws.Credentials) method {
	m := method{"use_instance_profile": "false", "access_key": c.AccessKeyID, "secret_key": c.SecretAccessKey}
	if c.SessionToken != "" {
		m["session_token"] = c.SessionToken
	}
	return m
}

// catalogStatement spells CREATE EXTERNAL CATALOG for a Glue catalog.
func catalogStatement(name string, s3, glue method) string {
	props := []string{`"type" = "hive"`, `"hive.metastore.type" = "glue"`}
	for prefix, m := range map[string]method{"aws.s3.": s3, "aws.glue.": glue} {
		if m["region"] == "" {
			props = append(props, fmt.Sprintf("%q = %q", prefix+"region", region))
		}
		for k, v := range m {
			props = append(props, fmt.Sprintf("%q = %q", prefix+k, v))
		}
	}
	return "CREATE EXTERNAL CATALOG " + name + " PROPERTIES (" + strings.Join(props, ", ") + ")"
}
