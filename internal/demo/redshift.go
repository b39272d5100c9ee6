package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	partnerBucket = "awsexamplebucket"
	copied        = "crosscopy1.csv"
	cluster       = "lakeport" // whose attached roles the server may take
)

// redshift is AWS's article on COPY and UNLOAD across accounts: the cluster's
// RoleB assumes the other account's RoleA, whose bucket is encrypted.
func (s *story) redshift(ctx context.Context) error {
	c, err := newPostgres(ctx, login{addr: s.Postgres, user: "root", database: "default_catalog"})
	if err != nil {
		return err
	}
	s.connect(c)
	s.chapter("Preparations: the cluster's account " + Account + ", the bucket's account " + Partner)
	partner := s.account(ctx, Partner)
	key := partner.encryptedBucket()
	s.fill = strings.NewReplacer("Amazon_Redshift_Account_ID", Account, "Amazon_S3_Account_ID", Partner, "AmazonS3AccountRoleARN", roleARN(Partner, "RoleA"),
		"<KMS_KEY_ARN_A_Used_for_S3_encryption>", key, "ARN_KMS_KEY_ID", key)
	dataPolicy := s.filled("policy-data")
	partner.role("RoleA", trusts(`"AWS": "arn:aws:iam::`+Account+`:root"`))
	partner.rolePolicy("RoleA", "data", dataPolicy)
	partner.object(partnerBucket, Region, copied, delimited())
	home := s.account(ctx, Account)
	home.role("RoleB", trusts(`"Service": "redshift.amazonaws.com"`))
	home.rolePolicy("RoleB", "cross-account", s.filled("policy-cross-account"))
	home.cluster(roleARN(Account, "RoleB"))
	if err := errors.Join(partner.err, home.err); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	s.step("%s: bucket %s, encrypted by a KMS key; RoleA, with the printed policy on both", Partner, partnerBucket)
	s.step("%s: RoleB, which may assume RoleA; attached to cluster %s", Account, cluster)

	s.chapter("COPY and UNLOAD: Redshift takes RoleB, RoleB takes RoleA")
	const rows = "SELECT * FROM table_name ORDER BY id"
	if err := s.tell(ctx, "CREATE TABLE table_name (id INTEGER NOT NULL, name VARCHAR(20), day DATE)", s.filled("copy"), rows, s.filled("unload")); err != nil {
		return err
	}
	if err := s.unloaded(ctx); err != nil {
		return err
	}

	s.chapter("COPY of Parquet: the page's role list has no closing quote")
	if err := s.putQuery(ctx, partner, partnerBucket, Region, copied, "SELECT * FROM (VALUES (1::INTEGER, 'Ann', DATE '2024-01-02'), (2, 'Bo', NULL)) t(id, name, day)"); err != nil {
		return err
	}
	if err := s.quiet(ctx, "TRUNCATE table_name"); err != nil {
		return err
	}
	broken := s.filled("copy-parquet")
	if err := s.refused(ctx, broken, "unterminated string"); err != nil {
		return err
	}
	if err := s.tell(ctx, strings.Replace(broken, " FORMAT AS", "' FORMAT AS", 1), rows); err != nil {
		return err
	}
	return s.lostKey(ctx, partner, dataPolicy)
}

// lostKey takes the KMS key out of RoleA's policy, shows what the user sees,
// and puts it back.
func (s *story) lostKey(ctx context.Context, partner *account, dataPolicy string) error {
	s.chapter("A broken lock: RoleA loses the KMS actions")
	partner.rolePolicy("RoleA", "data", allows([]string{"s3:PutObject", "s3:Get*", "s3:List*"}, []string{"arn:aws:s3:::" + partnerBucket, "arn:aws:s3:::" + partnerBucket + "/*"}))
	partner.object(partnerBucket, Region, copied, delimited())
	if partner.err != nil {
		return partner.err
	}
	s.step("iam PutRolePolicy: RoleA without kms:Decrypt, kms:Encrypt, kms:GenerateDataKey")
	if err := s.refused(ctx, s.filled("copy"), "Denied: kms:Decrypt"); err != nil {
		return err
	}
	s.chapter("Mended")
	if partner.rolePolicy("RoleA", "data", dataPolicy); partner.err != nil {
		return partner.err
	}
	s.step("iam PutRolePolicy: RoleA has the printed policy again")
	return s.tell(ctx, s.filled("copy"))
}

// encryptedBucket makes the bucket whose objects a key encrypts that IAM
// policies of its account open, and gives the key's ARN.
func (a *account) encryptedBucket() (key string) {
	if a.bucket(partnerBucket, Region); a.err != nil {
		return ""
	}
	out, err := kms.NewFromConfig(a.config()).CreateKey(a.ctx, &kms.CreateKeyInput{})
	if a.must("create the key", err); a.err != nil {
		return ""
	}
	key = *out.KeyMetadata.Arn
	_, err = s3.NewFromConfig(a.config()).PutBucketEncryption(a.ctx, &s3.PutBucketEncryptionInput{Bucket: aws.String(partnerBucket),
		ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &key}}}}})
	a.must("encrypt the bucket", err)
	return key
}

// cluster makes the Redshift cluster that lakeport stands for, with a role.
func (a *account) cluster(role string) {
	a.form("redshift", url.Values{"Version": {"2012-12-01"}, "Action": {"CreateCluster"}, "ClusterIdentifier": {cluster}, "NodeType": {"ra3.xlplus"}, "ClusterType": {"single-node"},
		"MasterUsername": {"admin"}, "MasterUserPassword": {"Secret99word"}})
	a.form("redshift", url.Values{"Version": {"2012-12-01"}, "Action": {"ModifyClusterIamRoles"}, "ClusterIdentifier": {cluster}, "AddIamRoles.IamRoleArn.1": {role}})
}

func delimited() *bytes.Reader {
	text, err := pages.ReadFile("pages/" + copied)
	if err != nil {
		panic(err) // the binary carries it
	}
	return bytes.NewReader(text)
}

// unloaded tells what UNLOAD left in the bucket.
func (s *story) unloaded(ctx context.Context) error {
	c := s3.NewFromConfig(s.config(Partner, Region))
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(partnerBucket), Prefix: aws.String("folder/")})
	if err != nil {
		return fmt.Errorf("list what was unloaded: %w", err)
	}
	for _, o := range list.Contents {
		head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(partnerBucket), Key: o.Key})
		if err != nil {
			return fmt.Errorf("look at what was unloaded: %w", err)
		}
		s.note("s3://%s/%s: %d bytes, encrypted by %s", partnerBucket, *o.Key, *o.Size, shortPrincipal(aws.ToString(head.SSEKMSKeyId)))
	}
	return nil
}
