package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	instanceRole    = "starrocks-ec2"
	InstanceProfile = "starrocks-ec2" // InstanceProfile is the host's, for the world file.
	userName        = "starrocks-user"
	bucket          = "starrocks-taxi"
)

func roleARN(name string) string { return "arn:aws:iam::" + Account + ":role/" + name }

// userKey is the IAM user's access key.
type userKey struct{ id, secret string }

const trustEC2 = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`

// trustRole is the trust policy of "Configure a trust relationship".
func trustRole(arn string) string {
	return fmt.Sprintf(`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {
                "AWS": %q
            },
            "Action": "sts:AssumeRole"
        }
    ]
}`, arn)
}

// mayAssume is the instance role's policy of the same section.
func mayAssume() string {
	return fmt.Sprintf(`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Resource": [
                %q, %q
            ]
        }
    ]
}`, roleARN("s3_assumed_role"), roleARN("glue_assumed_role"))
}

// readS3 and readGlue are the data policies of "AWS IAM policies", narrowed to
// reading.
const (
	readS3 = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "s3", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::` + bucket + `/*"]},
  {"Sid": "s3list", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::` + bucket + `"]}
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
func (s *story) prepare(ctx context.Context) (userKey, error) {
	s.chapter("Preparations in account " + Account + ", by calls signed with its root key")
	key, err := s.identities(ctx)
	if err != nil {
		return key, fmt.Errorf("prepare identities: %w", err)
	}
	s.step("iam: role %s with its instance profile, s3_assumed_role, glue_assumed_role, user %s", instanceRole, userName)
	begin := time.Now()
	files, err := s.makeTrips(ctx)
	if err != nil {
		return key, fmt.Errorf("make the trips: %w", err)
	}
	size, err := s.upload(ctx, files)
	if err != nil {
		return key, fmt.Errorf("upload the trips: %w", err)
	}
	s.step("s3: s3://%s: %s trips in %d Parquet files, %.0f MB, made and uploaded in %s", bucket, thousands(trips), len(files), float64(size)/1e6, round(time.Since(begin)))
	if err := s.register(ctx, files); err != nil {
		return key, fmt.Errorf("register the tables: %w", err)
	}
	s.step("glue: table taxi.trips with %d partitions by pickup_month", len(files))
	return key, nil
}

func (s *story) identities(ctx context.Context) (key userKey, err error) {
	c := iam.NewFromConfig(s.aws)
	calls := []func() error{
		func() (err error) {
			_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(instanceRole), AssumeRolePolicyDocument: aws.String(trustEC2)})
			return err
		},
		func() (err error) {
			_, err = c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String(InstanceProfile)})
			return err
		},
		func() (err error) {
			_, err = c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String(InstanceProfile), RoleName: aws.String(instanceRole)})
			return err
		},
	}
	for _, role := range []string{"s3_assumed_role", "glue_assumed_role", "someone_else"} {
		calls = append(calls, func() (err error) {
			trust := trustRole(roleARN(instanceRole))
			_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(role), AssumeRolePolicyDocument: aws.String(trust)})
			return err
		})
	}
	for _, p := range []struct{ role, name, document string }{
		{instanceRole, "assume", mayAssume()}, {instanceRole, "s3", readS3}, {instanceRole, "glue", readGlue}, {instanceRole, "policies", readPolicies},
		{"s3_assumed_role", "s3", readS3}, {"glue_assumed_role", "glue", readGlue},
	} {
		calls = append(calls, func() (err error) {
			_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(p.role), PolicyName: aws.String(p.name), PolicyDocument: aws.String(p.document)})
			return err
		})
	}
	calls = append(calls, func() (err error) {
		_, err = c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(userName)})
		return err
	})
	for name, document := range map[string]string{"s3": readS3, "glue": readGlue} {
		calls = append(calls, func() (err error) {
			_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String(userName), PolicyName: aws.String(name), PolicyDocument: aws.String(document)})
			return err
		})
	}
	calls = append(calls, func() error {
		out, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String(userName)})
		if err == nil {
			key = userKey{aws.ToString(out.AccessKey.AccessKeyId), aws.ToString(out.AccessKey.SecretAccessKey)}
		}
		return err
	})
	for _, call := range calls {
		if err := call(); err != nil {
			return key, err
		}
	}
	return key, nil
}

func (s *story) trust(ctx context.Context, role, principal string) error {
	_, err := iam.NewFromConfig(s.aws).UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String(role), PolicyDocument: aws.String(trustRole(principal)),
	})
	return err
}

// upload puts the files, a few at a time.
func (s *story) upload(ctx context.Context, files []partition) (size int64, err error) {
	c := s3.NewFromConfig(s.aws)
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

// register makes the Glue database, table and partitions.
func (s *story) register(ctx context.Context, files []partition) error {
	c := glue.NewFromConfig(s.aws)
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
			InputFormat:  aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"),
			OutputFormat: aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"),
			SerdeInfo:    &gluetypes.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")},
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
