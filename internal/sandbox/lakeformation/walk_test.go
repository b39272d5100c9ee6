package lakeformation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	awslake "github.com/aws/aws-sdk-go-v2/service/lakeformation"
	laketypes "github.com/aws/aws-sdk-go-v2/service/lakeformation/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awstables "github.com/aws/aws-sdk-go-v2/service/s3tables"
)

const taxis = `{"name": "%s", "schema": {"type": "struct", "fields": [
  {"id": 7, "name": "trip_id", "required": false, "type": "long"},
  {"id": 9, "name": "vendor_id", "required": false, "type": "long"}]},
  "partition-spec": {"spec-id": 0, "fields": [{"name": "vendor_id", "transform": "identity", "source-id": 9}]}, "properties": {"owner": "us"}}`

// make has alice make a namespace and tables in it.
func (l *lab) make(tables ...string) {
	l.Helper()
	l.ok(l.rest("alice", "POST", "/namespaces", `{"namespace": ["d"], "properties": {}}`).err())
	for _, t := range tables {
		l.ok(l.rest("alice", "POST", "/namespaces/d/tables", fmt.Sprintf(taxis, t)).err())
	}
}

func TestTheWalkOfThePage(t *testing.T) {
	l := open(t)
	l.integrate()
	a := l.rest("alice", "GET", "/v1/config?warehouse="+catalog, "")
	l.ok(a.err())
	if a.Overrides["prefix"] != "catalogs/111111111111:s3tablescatalog:lakehouse" {
		t.Errorf("prefix %q", a.Overrides["prefix"])
	}
	l.make("taxis")
	a = l.rest("alice", "GET", "/namespaces/d/tables/taxis", "")
	objects := l.vended(a)
	if !strings.HasSuffix(a.Meta.Location, "--table-s3") || !strings.HasPrefix(a.At, a.Meta.Location+"/metadata/00000-") {
		t.Errorf("the table lies at %s, its metadata at %s", a.Meta.Location, a.At)
	}
	if !strings.Contains(a.body, `"source-id":2,"field-id":1000`) || !strings.Contains(a.body, `"last-column-id":2`) {
		t.Errorf("field ids are not fresh: %s", a.body)
	}
	l.ok(l.put(objects, a.Meta.Location, "data/1.parquet", "rows"))
	l.ok(l.get(objects, a.Meta.Location, "data/1.parquet"))
	l.ok(l.get(objects, a.Meta.Location, strings.TrimPrefix(a.At, a.Meta.Location+"/")))
	commit := fmt.Sprintf(`{"requirements": [{"type": "assert-table-uuid", "uuid": %q}, {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": null}],
	  "updates": [{"action": "add-snapshot", "snapshot": {"snapshot-id": 4611686018427387905, "sequence-number": 1, "timestamp-ms": 1700000000000, "manifest-list": "%s/metadata/l.avro",
	    "schema-id": 0, "summary": {"operation": "append"}}}, {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 4611686018427387905}]}`, a.Meta.UUID, a.Meta.Location)
	b := l.rest("alice", "POST", "/namespaces/d/tables/taxis", commit)
	l.ok(b.err())
	if b.Meta.Current != 4611686018427387905 || b.Meta.Sequence != 1 || len(b.Meta.Logs) != 1 || !strings.Contains(b.At, "/metadata/00001-") {
		t.Errorf("after the commit: %s", b.body)
	}
	again := l.rest("alice", "POST", "/namespaces/d/tables/taxis", commit)
	l.refused(again.err(), "CommitFailedException", "Requirement failed: branch main was created concurrently")
	if again.status != 409 {
		t.Errorf("status %d", again.status)
	}
	// The control plane sees the same.
	got, err := l.tables("root").GetTableMetadataLocation(l.ctx, &awstables.GetTableMetadataLocationInput{TableBucketARN: aws.String(bucket), Namespace: aws.String("d"), Name: aws.String("taxis")})
	l.ok(err)
	if *got.MetadataLocation != b.At || *got.WarehouseLocation != a.Meta.Location {
		t.Errorf("S3 Tables tells %s in %s", *got.MetadataLocation, *got.WarehouseLocation)
	}
	_, err = l.tables("root").UpdateTableMetadataLocation(l.ctx, &awstables.UpdateTableMetadataLocationInput{TableBucketARN: aws.String(bucket), Namespace: aws.String("d"),
		Name: aws.String("taxis"), VersionToken: aws.String("stale"), MetadataLocation: &b.At})
	l.refused(err, "ConflictException", "version token")
	l.refused(l.rest("alice", "DELETE", "/namespaces/d", "").err(), "NamespaceNotEmptyException")
	l.refused(l.rest("alice", "DELETE", "/namespaces/d/tables/taxis", "").err(), "purgeRequested=true")
	l.ok(l.rest("alice", "DELETE", "/namespaces/d/tables/taxis?purgeRequested=true", "").err())
	l.refused(l.get(objects, a.Meta.Location, "data/1.parquet"), "NoSuchBucket")
	l.ok(l.rest("alice", "DELETE", "/namespaces/d", "").err())
}

// A vended session reads and writes one table until it ends, or its principal
// loses the grant.
func TestVendedSessionReachesOneTable(t *testing.T) {
	l := open(t)
	l.integrate()
	l.make("mine", "neighbour")
	mine, other := l.rest("alice", "GET", "/namespaces/d/tables/mine", ""), l.rest("alice", "GET", "/namespaces/d/tables/neighbour", "")
	c := l.vended(mine)
	l.ok(l.put(c, mine.Meta.Location, "data/a", "x"))
	l.ok(l.put(l.vended(other), other.Meta.Location, "data/a", "x"))
	l.refused(l.get(c, other.Meta.Location, "data/a"), "AccessDenied", "s3tables:GetTableData", "no session policy allows")
	l.refused(l.put(c, other.Meta.Location, "data/b", "x"), "AccessDenied", "s3tables:PutTableData")

	// Readers get keys to read with.
	l.grant(bob, table("d", "mine"), laketypes.PermissionSelect)
	reader := l.vended(l.rest("bob", "GET", "/namespaces/d/tables/mine", ""))
	l.ok(l.get(reader, mine.Meta.Location, "data/a"))
	l.refused(l.put(reader, mine.Meta.Location, "data/b", "x"), "AccessDenied")

	l.revoke(bob, table("d", "mine"), laketypes.PermissionSelect)
	l.refused(l.get(reader, mine.Meta.Location, "data/a"), "Insufficient Lake Formation permission(s): Required Select on mine")
	l.refused(l.rest("bob", "GET", "/namespaces/d/tables/mine", "").err(), "Insufficient Lake Formation permission(s): Required Describe on mine")

	path := strings.TrimPrefix(mine.Meta.Location, "s3:/") + "/data/a"
	keep := mine.keys()
	l.late.Store(3590)
	if a := l.sign(keep, "s3", "GET", path, ""); a.status != 200 {
		t.Errorf("before its end the session answers %d %s", a.status, a.body)
	}
	l.late.Store(3601)
	l.refused(l.sign(keep, "s3", "GET", path, "").err(), "ExpiredToken")
	// A new load gives new keys.
	if a := l.sign(l.rest("alice", "GET", "/namespaces/d/tables/mine", "").keys(), "s3", "GET", path, ""); a.status != 200 {
		t.Errorf("a renewed session answers %d %s", a.status, a.body)
	}
}

// Nobody reaches a table's bucket by S3's own rights.
func TestTableBucketIsTheServices(t *testing.T) {
	l := open(t)
	l.integrate()
	l.make("t")
	a := l.rest("alice", "GET", "/namespaces/d/tables/t", "")
	eve, keys := l.objects(l.as("eve")), l.vended(a)
	name, key := strings.TrimPrefix(a.Meta.Location, "s3://"), strings.TrimPrefix(a.At, a.Meta.Location+"/")
	l.refused(l.get(eve, a.Meta.Location, key), "s3tables:GetTableData")
	for what, err := range map[string]error{
		"ListObjectsV2": func() error {
			_, err := keys.ListObjectsV2(l.ctx, &awss3.ListObjectsV2Input{Bucket: &name})
			return err
		}(),
		"DeleteObject": func() error {
			_, err := keys.DeleteObject(l.ctx, &awss3.DeleteObjectInput{Bucket: &name, Key: &key})
			return err
		}(),
		"DeleteBucket": func() error {
			_, err := eve.DeleteBucket(l.ctx, &awss3.DeleteBucketInput{Bucket: &name})
			return err
		}(),
		"CopyObject": func() error {
			if _, err := eve.CreateBucket(l.ctx, &awss3.CreateBucketInput{Bucket: aws.String("own")}); err == nil {
				t.Fatal("the region was not asked for")
			}
			_, err := eve.CopyObject(l.ctx, &awss3.CopyObjectInput{Bucket: &name, Key: aws.String("k"), CopySource: aws.String(name + "/" + key)})
			return err
		}(),
	} {
		if code(err) != "MethodNotAllowed" {
			t.Errorf("%s: %v", what, err)
		}
	}
	out, err := l.objects(l.as("root")).ListBuckets(l.ctx, &awss3.ListBucketsInput{})
	l.ok(err)
	if len(out.Buckets) != 0 {
		t.Errorf("the account lists %v", out.Buckets)
	}
}

// Each of the page's permissions, missing, has a message of its own.
func TestRefusalsNameWhatIsMissing(t *testing.T) {
	l := open(t)
	l.integrate()
	l.refused(l.rest("bob", "POST", "/namespaces", `{"namespace": ["d"]}`).err(), "AccessDeniedException", "glue:CreateDatabase on resource: arn:aws:glue:us-west-2:111111111111:catalog")
	l.refused(l.rest("eve", "POST", "/namespaces", `{"namespace": ["d"]}`).err(), "Insufficient Lake Formation permission(s): Required Create Database on Catalog")
	l.make("t")
	l.refused(l.rest("eve", "GET", "/namespaces/d/tables/t", "").err(), "Required Describe on t")
	l.refused(l.rest("eve", "GET", "/namespaces/d/tables/none", "").err(), "Required Describe on d")
	l.refused(l.rest("alice", "GET", "/namespaces/d/tables/none", "").err(), "NoSuchTableException")
	l.grant(bob, table("d", "t"), laketypes.PermissionDescribe)
	l.refused(l.rest("bob", "GET", "/namespaces/d/tables/t", "").err(), "Unable to fetch credentials for table: t")
	l.grant("arn:aws:iam::111111111111:user/mel", table("d", "t"), laketypes.PermissionSelect)
	l.refused(l.rest("mel", "GET", "/namespaces/d/tables/t", "").err(), "lakeformation:GetDataAccess")
	l.settings(false)
	l.refused(l.rest("alice", "GET", "/namespaces/d/tables/t", "").err(), "Access is not allowed", "external engines")
	_, err := l.lake("bob").GrantPermissions(l.ctx, &awslake.GrantPermissionsInput{Principal: &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String(bob)},
		Resource: table("d", "t"), Permissions: []laketypes.Permission{laketypes.PermissionSelect}})
	l.refused(err, "lakeformation:GrantPermissions")
	_, err = l.lake("eve").GrantPermissions(l.ctx, &awslake.GrantPermissionsInput{Principal: &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String(bob)},
		Resource: table("d", "t"), Permissions: []laketypes.Permission{laketypes.PermissionSelect}})
	l.refused(err, "no data lake administrator")
}

// Lists show what may be seen, a page at a time.
func TestListsShowWhatMayBeSeen(t *testing.T) {
	l := open(t)
	l.integrate()
	l.make("a", "b", "c")
	l.grant(bob, table("d", "b"), laketypes.PermissionDescribe)
	if a := l.rest("bob", "GET", "/namespaces/d/tables", ""); len(a.Identifiers) != 1 || a.Identifiers[0].Name != "b" {
		t.Errorf("bob sees %s", a.body)
	}
	if a := l.rest("mel", "GET", "/namespaces", ""); a.err() != nil || len(a.Namespaces) != 0 {
		t.Errorf("mel sees %s", a.body)
	}
	var names []string
	for next := ""; ; {
		a := l.rest("alice", "GET", "/namespaces/d/tables?pageSize=2&pageToken="+next, "")
		l.ok(a.err())
		for _, i := range a.Identifiers {
			names = append(names, i.Name)
		}
		if next = a.Next; next == "" {
			break
		}
	}
	if strings.Join(names, " ") != "a b c" {
		t.Errorf("pages give %v", names)
	}
}

// Glue's JSON API shows the same catalogs, and Lake Formation's hands out keys.
func TestGlueShowsFederatedCatalogs(t *testing.T) {
	l := open(t)
	l.integrate()
	l.make("t")
	g := l.glue("alice")
	all, err := g.GetCatalogs(l.ctx, &awsglue.GetCatalogsInput{Recursive: true})
	l.ok(err)
	if len(all.CatalogList) != 2 || *all.CatalogList[1].CatalogId != catalog {
		t.Errorf("catalogs: %v", all.CatalogList)
	}
	tab, err := g.GetTable(l.ctx, &awsglue.GetTableInput{CatalogId: aws.String(catalog), DatabaseName: aws.String("d"), Name: aws.String("t")})
	l.ok(err)
	if tab.Table.Parameters["table_type"] != "ICEBERG" || !tab.Table.IsRegisteredWithLakeFormation {
		t.Errorf("table: %+v", tab.Table)
	}
	_, err = l.glue("eve").GetTable(l.ctx, &awsglue.GetTableInput{CatalogId: aws.String(catalog), DatabaseName: aws.String("d"), Name: aws.String("t")})
	l.refused(err, "Required Describe on t")
	keys, err := l.lake("alice").GetTemporaryGlueTableCredentials(l.ctx, &awslake.GetTemporaryGlueTableCredentialsInput{
		TableArn: aws.String("arn:aws:glue:us-west-2:111111111111:table/s3tablescatalog/lakehouse/d/t"), Permissions: []laketypes.Permission{laketypes.PermissionSelect}})
	l.ok(err)
	l.ok(l.put(l.objects(l.config(*keys.AccessKeyId, *keys.SecretAccessKey, *keys.SessionToken)), *tab.Table.StorageDescriptor.Location, "data/x", "y"))
	_, err = l.lake("eve").GetTemporaryGlueTableCredentials(l.ctx, &awslake.GetTemporaryGlueTableCredentialsInput{
		TableArn: aws.String("arn:aws:glue:us-west-2:111111111111:table/s3tablescatalog/lakehouse/d/t"), Permissions: []laketypes.Permission{laketypes.PermissionSelect}})
	l.refused(err, "Access is not allowed.")
}

// The service's own endpoint knows no Lake Formation.
func TestTablesOwnEndpoint(t *testing.T) {
	l := open(t)
	l.integrate()
	prefix := "/iceberg/v1/" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(bucket)
	do := func(who, method, path, body string) *answer {
		return l.send(who, "s3tables", method, prefix+path, body)
	}
	l.ok(do("root", "POST", "/namespaces", `{"namespace": ["n"]}`).err())
	l.ok(do("root", "POST", "/namespaces/n/tables", fmt.Sprintf(taxis, "t")).err())
	l.refused(do("eve", "GET", "/namespaces/n/tables/t", "").err(), "s3tables:GetTableMetadataLocation")
	a := do("root", "GET", "/namespaces/n/tables/t", "")
	l.ok(a.err())
	if a.Config != nil {
		t.Errorf("it hands out %v", a.Config)
	}
	l.ok(l.put(l.objects(l.as("root")), a.Meta.Location, "data/x", "y"))
	l.ok(do("root", "POST", "/tables/rename", `{"source": {"namespace": ["n"], "name": "t"}, "destination": {"namespace": ["n"], "name": "u"}}`).err())
	l.refused(do("root", "GET", "/namespaces/n/tables/t", "").err(), "NoSuchTableException")
	// A policy of the bucket lets eve in.
	_, err := l.tables("root").PutTableBucketPolicy(l.ctx, &awstables.PutTableBucketPolicyInput{TableBucketARN: aws.String(bucket), ResourcePolicy: aws.String(
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:user/eve"}, "Action": "s3tables:*", "Resource": "` + bucket + `/*"}]}`)})
	l.ok(err)
	l.ok(do("eve", "GET", "/namespaces/n/tables/u", "").err())
	l.ok(do("root", "DELETE", "/namespaces/n/tables/u?purgeRequested=true", "").err())
}

// Of commits at the same time each is there in the end, or refused.
func TestCommitsAtTheSameTimeLoseNothing(t *testing.T) {
	l := open(t)
	l.integrate()
	l.make("t")
	const writers = 8
	done := make(chan error, writers)
	for n := range writers {
		go func() {
			for {
				a := l.rest("alice", "POST", "/namespaces/d/tables/t", fmt.Sprintf(`{"requirements": [], "updates": [{"action": "set-properties", "updates": {"writer-%d": "x"}}]}`, n))
				if a.status == 409 {
					continue
				}
				done <- a.err()
				return
			}
		}()
	}
	for range writers {
		l.ok(<-done)
	}
	a := l.rest("alice", "GET", "/namespaces/d/tables/t", "")
	l.ok(a.err())
	if len(a.Meta.Logs) != writers || strings.Count(a.body, `"writer-`) != writers || !strings.Contains(a.At, fmt.Sprintf("/metadata/%05d-", writers)) {
		t.Errorf("after %d commits: %s", writers, a.body)
	}
}

// Where new objects are everyone's whom IAM lets in, Lake Formation neither
// refuses nor hands out anything.
func TestCatalogOpenToIAMAlone(t *testing.T) {
	l := open(t)
	_, err := l.tables("root").CreateTableBucket(l.ctx, &awstables.CreateTableBucketInput{Name: aws.String("lakehouse")})
	l.ok(err)
	all := []gluetypes.PrincipalPermissions{{Principal: &gluetypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String("IAM_ALLOWED_PRINCIPALS")}, Permissions: []gluetypes.Permission{gluetypes.PermissionAll}}}
	_, err = l.glue("root").CreateCatalog(l.ctx, &awsglue.CreateCatalogInput{Name: aws.String("s3tablescatalog"), CatalogInput: &gluetypes.CatalogInput{
		FederatedCatalog:                 &gluetypes.FederatedCatalog{Identifier: aws.String("arn:aws:s3tables:us-west-2:111111111111:bucket/*"), ConnectionName: aws.String("aws:s3tables")},
		CreateDatabaseDefaultPermissions: all, CreateTableDefaultPermissions: all}})
	l.ok(err)
	l.ok(l.rest("eve", "POST", "/namespaces", `{"namespace": ["d"]}`).err())
	l.ok(l.rest("eve", "POST", "/namespaces/d/tables", fmt.Sprintf(taxis, "t")).err())
	a := l.rest("mel", "GET", "/namespaces/d/tables/t", "")
	l.ok(a.err())
	if a.Config != nil {
		t.Errorf("it hands out %v", a.Config)
	}
	l.refused(l.rest("mel", "DELETE", "/namespaces/d/tables/t?purgeRequested=true", "").err(), "glue:DeleteTable")
	// The objects are a matter of IAM as well.
	l.refused(l.get(l.objects(l.as("mel")), a.Meta.Location, "data/x"), "s3tables:GetTableData")
	l.refused(l.rest("eve", "GET", "/namespaces/d/tables/none", "").err(), "NoSuchTableException")
}
