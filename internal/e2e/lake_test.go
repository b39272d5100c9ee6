package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	laketypes "github.com/aws/aws-sdk-go-v2/service/lakeformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3tables"
	"golang.org/x/tools/txtar"
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

// The page's policy has three faults: IAM refuses it as malformed wherever it
// is given, and `lakeport policy check` names each and prints it repaired.
func TestPrintedPolicyIsRefusedAndRepaired(t *testing.T) {
	t.Parallel()
	ar, err := txtar.ParseFile("testdata/conformance/s3tables-policy.txt")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range ar.Files {
		sections[f.Name] = string(f.Data)
	}
	l := newLabOn(t, home)
	w := l.makeWorld([]worldLine{{account: home, verb: "user", args: "alice"}}, sections)
	printed := w.fill(sections["policy.json"])
	_, err = w.iam(home).CreatePolicy(w.ctx, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: &printed})
	_, err2 := w.iam(home).PutUserPolicy(w.ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("p"), PolicyDocument: &printed})
	for _, err := range []error{err, err2} {
		var refused *iamtypes.MalformedPolicyDocumentException
		if !errors.As(err, &refused) || refused.ErrorMessage() != "Syntax errors in policy." {
			t.Errorf("IAM answers %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "page.json")
	if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "policy", "check", file)
	var report strings.Builder
	cmd.Stderr = &report
	out, err := cmd.Output()
	if err == nil {
		t.Error("the check of a broken policy succeeds")
	}
	want := strings.ReplaceAll(`FILE:6:30: missing comma after the value of "Effect": write a comma there
FILE:25:2: the Statement array closes at 24:5 and the document at 25:1, but the statement of 26:9 follows: move it into the array, before it closes
FILE:33:5: ']' and '}' close nothing: remove them
note: no statement allows glue:CreateDatabase: CREATE DATABASE in a catalog of s3tablescatalog is denied unless another policy allows it
lakeport: FILE has 3 faults
`, "FILE", file)
	if report.String() != want {
		t.Errorf("the report is\n%s\nwant\n%s", report.String(), want)
	}
	if want := w.fill(sections["repaired.json"]); string(out) != want {
		t.Errorf("the repaired policy is\n%s\nwant\n%s", out, want)
	}
	w.must(w.iam(home).PutUserPolicy(w.ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("p"), PolicyDocument: aws.String(string(out))}))
}
