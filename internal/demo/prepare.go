package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	instanceRole  = "starrocks-ec2" // also the name of the host's instance profile
	userName      = "starrocks-user"
	metastoreUser = "hive-metastore"
	bucket        = "starrocks-taxi"
	fileBucket    = "starrocks-test" // of the page's file external tables
	loadBucket    = "test-bucket"    // of its loads
	loadRegion    = "us-west-1"
)

// readS3 and readGlue are the data policies of "AWS IAM policies", narrowed to
// reading.
const (
	readS3 = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "s3", "Effect": "Allow", "Action": ["s3:GetObject"],
    "Resource": ["arn:aws:s3:::` + bucket + `/*", "arn:aws:s3:::` + fileBucket + `/*", "arn:aws:s3:::` + loadBucket + `/*"]},
  {"Sid": "s3list", "Effect": "Allow", "Action": ["s3:ListBucket"],
    "Resource": ["arn:aws:s3:::` + bucket + `", "arn:aws:s3:::` + fileBucket + `", "arn:aws:s3:::` + loadBucket + `"]}
]}`
	readGlue = `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["glue:GetDatabase", "glue:GetDatabases", "glue:GetPartition", "glue:GetPartitions",
    "glue:GetTable", "glue:GetTables", "glue:GetTableVersions", "glue:BatchGetPartition"], "Resource": ["*"]}
]}`
	// readPolicies lets EXPLAIN ACCESS judge by what is written.
	readPolicies = `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["iam:GetAccountAuthorizationDetails", "s3:ListAllMyBuckets", "s3:GetBucketPolicy", "glue:GetResourcePolicy"], "Resource": ["*"]}
]}`
)

// prepare makes roles, user, bucket and tables by signed calls.
func (s *story) prepare(ctx context.Context) error {
	s.chapter("Preparations in account " + Account + ", by calls signed with its root key")
	if err := s.identities(ctx); err != nil {
		return fmt.Errorf("prepare identities: %w", err)
	}
	s.step("iam: role %s with its instance profile, s3_assumed_role, glue_assumed_role, user %s", instanceRole, userName)
	begin := time.Now()
	files, err := s.makeTrips(ctx)
	if err != nil {
		return fmt.Errorf("make the trips: %w", err)
	}
	s.files = files
	size, err := s.upload(ctx, files)
	if err != nil {
		return fmt.Errorf("upload the trips: %w", err)
	}
	s.step("s3: s3://%s: %s trips in %d Parquet files, %.0f MB, made and uploaded in %s", bucket, thousands(trips), len(files), float64(size)/1e6, round(time.Since(begin)))
	if err := s.register(ctx, files); err != nil {
		return fmt.Errorf("register the tables: %w", err)
	}
	s.step("glue: table taxi.trips with %d partitions by pickup_month", len(files))
	return nil
}

// identities makes the roles and the user of the page, with its two policies,
// and fills the page's placeholders.
func (s *story) identities(ctx context.Context) error {
	a := s.account(ctx, Account)
	key := a.user(userName)
	s.secrets = append(s.secrets, key.secret)
	s.fill = strings.NewReplacer("<cluster_EC2_iam_role_ARN>", roleARN(Account, instanceRole),
		// The page: the ARNs of several roles stand here, separated by commas.
		"<s3_assumed_role_ARN>", roleARN(Account, "s3_assumed_role")+`", "`+roleARN(Account, "glue_assumed_role"),
		"<iam_user_access_key>", key.id, "<iam_user_secret_key>", key.secret)
	a.host()
	for _, role := range []string{"s3_assumed_role", "glue_assumed_role", "someone_else"} {
		a.role(role, s.filled("policy-trust"))
	}
	for _, p := range []struct{ role, name, document string }{
		{instanceRole, "assume", s.filled("policy-assume")}, {instanceRole, "s3", readS3}, {instanceRole, "glue", readGlue}, {instanceRole, "policies", readPolicies},
		{"s3_assumed_role", "s3", readS3}, {"glue_assumed_role", "glue", readGlue},
	} {
		a.rolePolicy(p.role, p.name, p.document)
	}
	a.userPolicy(userName, "s3", readS3)
	a.userPolicy(userName, "glue", readGlue)
	s.metastoreKey = a.user(metastoreUser)
	a.userPolicy(metastoreUser, "s3", allows([]string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, []string{"arn:aws:s3:::" + bucket, "arn:aws:s3:::" + bucket + "/*"}))
	return a.err
}

// upload puts the files, a few at a time.
func (s *story) upload(ctx context.Context, files []partition) (size int64, err error) {
	c := s3.NewFromConfig(s.config(Account, Region))
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: Region}}); err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 4)
	for i, f := range files {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			n, ferr := put(ctx, c, f)
			mu.Lock()
			defer mu.Unlock()
			size += n
			if err == nil {
				err = ferr
			}
			s.progress("uploading file %d of %d", i+1, len(files))
		})
	}
	wg.Wait()
	return size, err
}

func put(ctx context.Context, c *s3.Client, p partition) (int64, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(p.prefix() + filepath.Base(p.file)), Body: f})
	return info.Size(), err
}

// How Hive calls Parquet.
const (
	parquetInput  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
	parquetOutput = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
	parquetSerde  = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
)

// register makes the Glue database, table and partitions.
func (s *story) register(ctx context.Context, files []partition) error {
	c := glue.NewFromConfig(s.config(Account, Region))
	if _, err := c.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &gluetypes.DatabaseInput{Name: aws.String("taxi")}}); err != nil {
		return err
	}
	storage := func(location string) *gluetypes.StorageDescriptor {
		columns := make([]gluetypes.Column, len(tripColumns))
		for i, col := range tripColumns {
			columns[i] = gluetypes.Column{Name: aws.String(col.name), Type: aws.String(col.hive)}
		}
		return &gluetypes.StorageDescriptor{
			Columns: columns, Location: aws.String(location),
			InputFormat:  aws.String(parquetInput),
			OutputFormat: aws.String(parquetOutput),
			SerdeInfo:    &gluetypes.SerDeInfo{SerializationLibrary: aws.String(parquetSerde)},
		}
	}
	root := "s3://" + bucket + "/trips/"
	if _, err := c.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("taxi"), TableInput: &gluetypes.TableInput{
		Name: aws.String("trips"), TableType: aws.String("EXTERNAL_TABLE"), StorageDescriptor: storage(root),
		PartitionKeys: []gluetypes.Column{{Name: aws.String("pickup_month"), Type: aws.String("string")}},
		Parameters:    map[string]string{"classification": "parquet", "EXTERNAL": "TRUE"},
	}}); err != nil {
		return err
	}
	var list []gluetypes.PartitionInput
	for _, f := range files {
		list = append(list, gluetypes.PartitionInput{Values: []string{f.month}, StorageDescriptor: storage("s3://" + bucket + "/" + f.prefix())})
	}
	_, err := c.BatchCreatePartition(ctx, &glue.BatchCreatePartitionInput{DatabaseName: aws.String("taxi"), TableName: aws.String("trips"), PartitionInputList: list})
	return err
}
