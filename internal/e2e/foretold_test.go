package e2e

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// once are the calls that are made once for many statements: those of an Iceberg
// REST catalog's configuration, those that give sessions, and those for what
// the same identity has read a moment ago.
var once = regexp.MustCompile(` (?:glue:GetCatalog|s3tables:GetTableBucket|sts:AssumeRole) |/__info_`)

// foretells explains a statement, has it run, and holds what AWS then saw
// against what was foretold, call by call. A foretold * stands for names that
// are made as it runs.
func (l *lab) foretells(db *sql.DB, statement string, run func()) {
	l.t.Helper()
	var foretold []string
	for _, s := range l.explainAccess(mysqlRows(db), statement) {
		foretold = append(foretold, s.call())
		if s.decision != "allowed" {
			l.t.Errorf("%s\n%s is %s: %s", statement, s.call(), s.decision, s.reason)
		}
	}
	_, last := l.decisions(0, "&limit=0")
	run()
	met := map[string]bool{}
	for _, call := range l.recorded(last) {
		i := slices.IndexFunc(foretold, func(f string) bool {
			prefix, many := strings.CutSuffix(f, "*")
			return f == call || many && strings.HasPrefix(call, prefix)
		})
		if i < 0 {
			l.t.Errorf("%s\nmakes the call %s, which is not foretold", statement, call)
			continue
		}
		met[foretold[i]] = true
	}
	for _, f := range foretold {
		if !met[f] && !once.MatchString(f) {
			l.t.Errorf("%s\ndoes not make the call %s, which is foretold", statement, f)
		}
	}
}

// Statements that write into external catalogs make the calls that are
// foretold: in Glue, in table buckets as Lake Formation guards them and as IAM
// alone does, and at S3 Tables' own endpoint.
func TestExplainAccessForetellsWrites(t *testing.T) {
	t.Parallel()
	l := newLab(t, doctors(t, home)...)
	lines, err := parseWorld(`bucket ice
		table-bucket lakehouse
		external-engines
		user tess
		allow user/tess glue:* lakeformation:GetDataAccess s3tables:* s3:* *
		grant ALL lakehouse user/tess`)
	l.must(nil, err)
	w := l.makeWorld(lines, nil)
	db := l.db()
	db.SetMaxOpenConns(1)
	keys := func(prefix, id, secret string) []string {
		return []string{fmt.Sprintf("%q = %q", prefix+id, w.values["key tess"]), fmt.Sprintf("%q = %q", prefix+secret, w.values["secret tess"])}
	}
	rest := func(name, signing, warehouse string) string {
		props := append(keys("iceberg.catalog.rest.", "access-key-id", "secret-access-key"), keys("aws.s3.", "access_key", "secret_key")...)
		return restCatalog(name, "https://"+signing+"."+region+".amazonaws.com/iceberg", append(props, `"iceberg.catalog.rest.sigv4-enabled" = "true"`,
			fmt.Sprintf(`"iceberg.catalog.rest.signing-name" = %q`, signing), fmt.Sprintf(`"iceberg.catalog.warehouse" = %q`, warehouse))...)
	}
	props := append(keys("aws.s3.", "access_key", "secret_key"), keys("aws.glue.", "access_key", "secret_key")...)
	l.exec(db, rest("lent", "glue", home+":s3tablescatalog/lakehouse"), rest("own", "s3tables", "arn:aws:s3tables:"+region+":"+home+":bucket/lakehouse"),
		fmt.Sprintf(`CREATE EXTERNAL CATALOG files PROPERTIES ("type" = "iceberg", "iceberg.catalog.type" = "glue", "iceberg.catalog.warehouse" = "s3://ice/wh",
			"aws.s3.region" = %q, "aws.glue.region" = %q, %s)`, region, region, strings.Join(props, ", ")))
	walk := func(cat string) {
		for _, statement := range []string{"CREATE DATABASE " + cat + ".d", "CREATE TABLE " + cat + ".d.t (a int, b string) PARTITION BY (b)", "INSERT INTO " + cat + ".d.t VALUES (1, 'x'), (2, 'y')",
			"INSERT INTO " + cat + ".d.t VALUES (3, 'x')", "INSERT OVERWRITE " + cat + ".d.t SELECT a + 1, b FROM " + cat + ".d.t", "CREATE TABLE " + cat + ".d.copy AS SELECT a FROM " + cat + ".d.t WHERE a > 2",
			"SELECT count(*) FROM " + cat + ".d.copy", "DROP TABLE " + cat + ".d.copy", "DROP TABLE " + cat + ".d.t FORCE", "DROP DATABASE " + cat + ".d"} {
			l.foretells(db, statement, func() { l.exec(db, statement) })
		}
	}
	walk("files")
	walk("lent")
	walk("own")
	all := []gluetypes.PrincipalPermissions{{Principal: &gluetypes.DataLakePrincipal{DataLakePrincipalIdentifier: aws.String("IAM_ALLOWED_PRINCIPALS")}, Permissions: []gluetypes.Permission{gluetypes.PermissionAll}}}
	l.must(w.glue(home).UpdateCatalog(w.ctx, &glue.UpdateCatalogInput{CatalogId: aws.String(home + ":s3tablescatalog"), CatalogInput: &gluetypes.CatalogInput{
		FederatedCatalog:                 &gluetypes.FederatedCatalog{Identifier: aws.String("arn:aws:s3tables:" + region + ":" + home + ":bucket/*"), ConnectionName: aws.String("aws:s3tables")},
		CreateDatabaseDefaultPermissions: all, CreateTableDefaultPermissions: all}}))
	l.exec(db, "REFRESH CREDENTIALS")
	walk("lent")
}

// Backups are jobs: what they ask until they end is foretold.
func TestExplainAccessForetellsBackups(t *testing.T) {
	t.Parallel()
	v := newVault(t, doctors(t, home)...)
	v.exec(v.sql, "CREATE DATABASE shop", "CREATE TABLE shop.a (id INT)", "INSERT INTO shop.a VALUES (1), (2)", "CREATE TABLE shop.b (id INT) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN ('5'))")
	create := repositoryAt("r", "s3://vault/deep/place", method{"use_instance_profile": "true", "iam_role_arn": role(home, "s3_assumed_role")})
	v.foretells(v.sql, create, func() { v.exec(v.sql, create) })
	const backup = "BACKUP SNAPSHOT shop.s TO r"
	v.foretells(v.sql, backup, func() { v.done("BACKUP", "shop", backup) })
	v.foretells(v.sql, "SHOW SNAPSHOT ON r", func() { v.row("SHOW SNAPSHOT ON r") })
	restore := "RESTORE SNAPSHOT shop.s FROM r ON (TABLE a AS again)" + v.from("r", "s")
	v.foretells(v.sql, restore, func() { v.done("RESTORE", "shop", restore) })
	if got, err := value(v.sql, "SELECT sum(id) FROM shop.again"); got != "3" || err != nil {
		t.Errorf("restored, the sum is %q, %v", got, err)
	}
}
