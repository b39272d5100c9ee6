package world

import (
	"sync"
	"time"
)

const awsPolicyPrefix = "arn:aws:iam::aws:policy/"

// managedDocuments are AWS managed policies that users name, by path and name
// (AWS Managed Policy Reference). Assumed: of the long ones only the part
// that bears on services of the sandbox is kept.
var managedDocuments = []struct{ path, name, description, document string }{
	{"/", "AdministratorAccess", "Provides full access to AWS services and resources.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
	{"/", "PowerUserAccess", "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
			`{"Effect":"Allow","Action":["iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization","account:ListRegions"],"Resource":"*"}]}`},
	{"/", "ReadOnlyAccess", "Provides read-only access to AWS services and resources.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["athena:Get*","athena:List*","athena:BatchGet*","cloudwatch:Get*","cloudwatch:List*","cloudwatch:Describe*",` +
			`"ec2:Describe*","ec2:Get*","glue:BatchGet*","glue:Get*","glue:List*","glue:SearchTables","iam:Get*","iam:List*","iam:Simulate*","iam:Generate*",` +
			`"kms:Describe*","kms:Get*","kms:List*","lakeformation:Describe*","lakeformation:Get*","lakeformation:List*","lakeformation:SearchTablesByLFTags",` +
			`"rds:Describe*","rds:List*","redshift:Describe*","redshift:List*","s3:Get*","s3:List*","s3:Describe*","s3tables:Get*","s3tables:List*",` +
			`"sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken"],"Resource":"*"}]}`},
	{"/", "AmazonS3ReadOnlyAccess", "Provides read only access to all buckets via the AWS Management Console.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}`},
	{"/", "AmazonS3FullAccess", "Provides full access to all buckets via the AWS Management Console.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}`},
	{"/", "IAMFullAccess", "Provides full access to IAM via the AWS Management Console.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*","organizations:DescribeAccount","organizations:DescribeOrganization","organizations:DescribeOrganizationalUnit",` +
			`"organizations:DescribePolicy","organizations:ListChildren","organizations:ListParents","organizations:ListPoliciesForTarget","organizations:ListRoots","organizations:ListPolicies","organizations:ListTargetsForPolicy"],"Resource":"*"}]}`},
	{"/", "IAMReadOnlyAccess", "Provides read only access to IAM via the AWS Management Console.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}`},
	{"/", "AWSGlueConsoleFullAccess", "Provides full access to AWS Glue via the AWS Management Console",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["glue:*","iam:ListRoles","iam:ListUsers","iam:ListGroups","iam:ListRolePolicies","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies",` +
			`"s3:ListAllMyBuckets","s3:ListBucket","s3:GetBucketAcl","s3:GetBucketLocation","kms:ListAliases","kms:DescribeKey"],"Resource":["*"]},` +
			`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::aws-glue-*/*","arn:aws:s3:::*/*aws-glue-*/*"]},` +
			`{"Effect":"Allow","Action":["s3:CreateBucket"],"Resource":["arn:aws:s3:::aws-glue-*"]}]}`},
	{"/service-role/", "AWSGlueServiceRole", "Policy for AWS Glue service role which allows access to related services including EC2, S3, and Cloudwatch Logs",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["glue:*","s3:GetBucketLocation","s3:ListBucket","s3:ListAllMyBuckets","s3:GetBucketAcl","iam:ListRolePolicies","iam:GetRole","iam:GetRolePolicy","cloudwatch:PutMetricData"],"Resource":["*"]},` +
			`{"Effect":"Allow","Action":["s3:CreateBucket"],"Resource":["arn:aws:s3:::aws-glue-*"]},` +
			`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],"Resource":["arn:aws:s3:::aws-glue-*/*","arn:aws:s3:::*/*aws-glue-*/*"]},` +
			`{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::crawler-public*","arn:aws:s3:::aws-glue-*"]}]}`},
}

// awsManaged gives the AWS managed policies by ARN.
var awsManaged = sync.OnceValue(func() map[string]*Policy {
	out := map[string]*Policy{}
	created := time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)
	for _, m := range managedDocuments {
		arn := "arn:aws:iam::aws:policy" + m.path + m.name
		out[arn] = &Policy{Name: m.name, Path: m.path, ID: "ANPA" + base32Upper.EncodeToString([]byte(m.name + "lakeport-policy"))[:17],
			ARN: arn, Created: created, Updated: created, Description: m.description, Last: 1,
			Versions: []Version{{ID: "v1", Default: true, Document: NewDocument(m.document), Created: created}}}
	}
	return out
})

// AWSManaged gives the AWS managed policies that the sandbox knows, by ARN.
func AWSManaged() map[string]*Policy { return awsManaged() }
