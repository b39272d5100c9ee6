package e2e

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	laketypes "github.com/aws/aws-sdk-go-v2/service/lakeformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3tables"
)

// lakeRole is what Lake Formation assumes for the data of table buckets.
const lakeRole = "S3TablesRoleForLakeFormation"

// tableBucket makes a table bucket and does what the console does to integrate
// it: a role, the registration of the account's table buckets, and the catalog
// that shows them.
func (w *world) tableBucket(account, name string) {
	w.must(s3tables.NewFromConfig(w.as(rootKeys[account])).CreateTableBucket(w.ctx, &s3tables.CreateTableBucketInput{Name: &name}))
	buckets := aws.String("arn:aws:s3tables:" + region + ":" + account + ":bucket/*")
	w.role(account, lakeRole+" trusts service:lakeformation.amazonaws.com")
	w.rolePolicy(account, lakeRole, "tables", document(allow("s3tables:*", *buckets)))
	w.must(w.lake(account).PutDataLakeSettings(w.ctx, w.settings(account, false)))
	w.must(w.lake(account).RegisterResource(w.ctx, &lakeformation.RegisterResourceInput{ResourceArn: buckets, WithFederation: aws.Bool(true),
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + lakeRole)}))
	w.must(w.glue(account).CreateCatalog(w.ctx, &glue.CreateCatalogInput{Name: aws.String("s3tablescatalog"), CatalogInput: &gluetypes.CatalogInput{
		FederatedCatalog:                 &gluetypes.FederatedCatalog{Identifier: buckets, ConnectionName: aws.String("aws:s3tables")},
		CreateDatabaseDefaultPermissions: []gluetypes.PrincipalPermissions{}, CreateTableDefaultPermissions: []gluetypes.PrincipalPermissions{}}}))
}

func (w *world) lake(account string) *lakeformation.Client {
	return lakeformation.NewFromConfig(w.as(rootKeys[account]))
}

// settings make the account's root an administrator of the lake.
func (w *world) settings(account string, external bool) *lakeformation.PutDataLakeSettingsInput {
	return &lakeformation.PutDataLakeSettingsInput{DataLakeSettings: &laketypes.DataLakeSettings{AllowFullTableExternalDataAccess: &external,
		DataLakeAdmins: []laketypes.DataLakePrincipal{{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::" + account + ":root")}}}}
}

func (w *world) externalEngines(account, _ string) {
	w.must(w.lake(account).PutDataLakeSettings(w.ctx, w.settings(account, true)))
}

func (w *world) grant(account, args string) {
	f := strings.Fields(args)
	w.must(w.lake(account).GrantPermissions(w.ctx, &lakeformation.GrantPermissionsInput{Permissions: []laketypes.Permission{laketypes.Permission(f[0])},
		Principal: &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::" + account + ":" + f[2])},
		Resource:  &laketypes.Resource{Catalog: &laketypes.CatalogResource{Id: aws.String(account + ":s3tablescatalog/" + f[1])}}}))
}
