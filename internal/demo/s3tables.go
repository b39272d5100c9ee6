package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	laketypes "github.com/aws/aws-sdk-go-v2/service/lakeformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3tables"
	"github.com/aws/smithy-go"

	"lakeport/internal/iam"
)

const (
	tableBucket = "lakehouse"
	tableUser   = "starrocks-user"
	lakeRole    = "S3TablesRoleForLakeFormation"
)

// s3tables is the walk of the page "StarRocks + Amazon S3 Tables": a table
// bucket, the printed policy with its faults, each permission that is missing,
// and four rows of taxis.
func (s *story) s3tables(ctx context.Context) error {
	c, err := newMySQL(login{addr: s.MySQL, user: "root"})
	if err != nil {
		return err
	}
	s.connect(c)
	s.chapter("Preparations in account " + Account + ", by calls signed with its root key")
	a := s.account(ctx, Account)
	a.tableBucket()
	a.lakeSettings(false)
	key := a.user(tableUser)
	if a.err != nil {
		return a.err
	}
	s.step("s3tables, glue, lakeformation: table bucket %s in Glue's catalog s3tablescatalog", tableBucket)
	s.step("iam: user %s, who may do nothing yet", tableUser)
	s.secrets = append(s.secrets, key.secret)
	s.fill = strings.NewReplacer("= <region>", `= "`+Region+`"`, "<region>", Region,
		"= <iam_user_access_key>", `= "`+key.id+`"`, "= <iam_user_secret_key>", `= "`+key.secret+`"`,
		"<accountid>", Account, "<account-id>", Account, "<table-bucket-name>", tableBucket, "<s3_table_bucket_name>", tableBucket, "<namespace>", "s3table_db")
	for _, part := range []func(context.Context, *account) error{s.printedPolicy, s.restCatalog, s.missingRights, s.taxis} {
		if err := part(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// tableBucket makes a bucket and joins it to Glue and Lake Formation, as the
// console does when it makes the first one.
func (a *account) tableBucket() {
	if a.err != nil {
		return
	}
	cfg := a.config()
	buckets := aws.String("arn:aws:s3tables:" + Region + ":" + a.id + ":bucket/*")
	_, err := s3tables.NewFromConfig(cfg).CreateTableBucket(a.ctx, &s3tables.CreateTableBucketInput{Name: aws.String(tableBucket)})
	a.must("create the table bucket", err)
	a.role(lakeRole, trusts(`"Service": "lakeformation.amazonaws.com"`))
	a.rolePolicy(lakeRole, "tables", allows([]string{"s3tables:*"}, []string{*buckets}))
	_, err = lakeformation.NewFromConfig(cfg).RegisterResource(a.ctx, &lakeformation.RegisterResourceInput{
		ResourceArn: buckets, WithFederation: aws.Bool(true), RoleArn: aws.String(roleARN(a.id, lakeRole))})
	a.must("register the table buckets", err)
	_, err = glue.NewFromConfig(cfg).CreateCatalog(a.ctx, &glue.CreateCatalogInput{Name: aws.String("s3tablescatalog"), CatalogInput: &gluetypes.CatalogInput{
		FederatedCatalog:                 &gluetypes.FederatedCatalog{Identifier: buckets, ConnectionName: aws.String("aws:s3tables")},
		CreateDatabaseDefaultPermissions: []gluetypes.PrincipalPermissions{}, CreateTableDefaultPermissions: []gluetypes.PrincipalPermissions{}}})
	a.must("create the catalog", err)
}

// lakeSettings sets the switch "Allow external engines to access data in
// Amazon S3 locations with full table access".
func (a *account) lakeSettings(external bool) {
	if a.err != nil {
		return
	}
	_, err := lakeformation.NewFromConfig(a.config()).PutDataLakeSettings(a.ctx, &lakeformation.PutDataLakeSettingsInput{DataLakeSettings: &laketypes.DataLakeSettings{
		AllowFullTableExternalDataAccess: &external,
		DataLakeAdmins:                   []laketypes.DataLakePrincipal{{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::" + a.id + ":root")}}}})
	a.must("put the data lake settings", err)
}

// super grants what the console calls Super on the table bucket's catalog.
func (a *account) super(user string) {
	if a.err != nil {
		return
	}
	_, err := lakeformation.NewFromConfig(a.config()).GrantPermissions(a.ctx, &lakeformation.GrantPermissionsInput{
		Permissions: []laketypes.Permission{laketypes.PermissionAll},
		Principal:   &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::" + a.id + ":user/" + user)},
		Resource:    &laketypes.Resource{Catalog: &laketypes.CatalogResource{Id: aws.String(a.id + ":s3tablescatalog/" + tableBucket)}}})
	a.must("grant on the catalog", err)
}

// printedPolicy has IAM refuse the page's policy, and attaches it repaired.
func (s *story) printedPolicy(ctx context.Context, a *account) error {
	s.chapter("The policy as the page prints it")
	document := s.filled("policy")
	_, err := awsiam.NewFromConfig(a.config()).CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("page"), PolicyDocument: &document})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "MalformedPolicyDocument" {
		return fmt.Errorf("IAM does not call the printed policy malformed: %w", err)
	}
	s.command("aws iam create-policy --policy-name page --policy-document file://policy.json")
	s.failure(refused.ErrorCode() + ": " + refused.ErrorMessage())
	s.command("lakeport policy check policy.json")
	faults, mended := iam.Repair([]byte(document))
	if mended == nil {
		return errors.New("the printed policy cannot be repaired")
	}
	for _, f := range faults {
		s.failure(fmt.Sprintf("policy.json:%d:%d: %s: %s", f.Line, f.Column, f.Msg, f.Hint))
	}
	a.userPolicy(tableUser, "page", string(mended))
	if a.err != nil {
		return a.err
	}
	s.step("%s mended; iam PutUserPolicy: user %s has the policy", count(len(faults), "fault"), tableUser)
	return nil
}

// restCatalog makes the catalog: first with the key as the page prints it,
// without quotes, then with them.
func (s *story) restCatalog(ctx context.Context, _ *account) error {
	s.chapter("The catalog: its key as printed, a bare word, then as a string")
	if err := s.refused(ctx, s.raw("catalog"), "expected string, found"); err != nil {
		return err
	}
	if err := s.tell(ctx, s.filled("catalog")); err != nil {
		return err
	}
	s.note("The page leaves out SET CATALOG: without it, its database would be made in default_catalog.")
	return s.tell(ctx, "SET CATALOG starrocks_lakehouse_s3tables")
}

// missingRights meets, one by one, what the page leaves out or tells in prose.
func (s *story) missingRights(ctx context.Context, a *account) error {
	create := s.filled("create-database")
	s.chapter("The policy lacks glue:CreateDatabase")
	if err := s.refused(ctx, create, "Denied: glue:CreateDatabase"); err != nil {
		return err
	}
	a.userPolicy(tableUser, "create", allows([]string{"glue:CreateDatabase"}, []string{"arn:aws:glue:" + Region + ":" + a.id + ":*"}))
	if a.err != nil {
		return a.err
	}
	s.step("iam PutUserPolicy: %s may call glue:CreateDatabase", tableUser)

	s.chapter("Lake Formation has granted nothing")
	if err := s.refused(ctx, create, "Insufficient Lake Formation permission(s)"); err != nil {
		return err
	}
	if a.super(tableUser); a.err != nil {
		return a.err
	}
	s.step("lakeformation GrantPermissions: Super on the table bucket to %s", tableUser)
	if err := s.tell(ctx, create, s.filled("use"), s.filled("create-table")); err != nil {
		return err
	}

	s.chapter("Engines outside AWS are not let in")
	if err := s.refused(ctx, s.filled("insert"), "do not let external engines access data"); err != nil {
		return err
	}
	if a.lakeSettings(true); a.err != nil {
		return a.err
	}
	s.step("lakeformation PutDataLakeSettings: external engines may access data with full table access")
	return nil
}

func (s *story) taxis(ctx context.Context, _ *account) error {
	s.chapter("Four rows of taxis, by credentials that Lake Formation hands out for one table")
	return s.tell(ctx, s.filled("insert"), s.filled("select"))
}
