package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// vault has a bucket in which the instance profile, a role and a user may write.
type vault struct {
	*lab
	sql  *sql.DB
	user aws.Credentials
}

func newVault(t *testing.T) *vault {
	l := newLab(t)
	v := &vault{lab: l, user: l.prepare()}
	ctx := context.Background()
	l.must(s3.NewFromConfig(l.as(rootKeys[home])).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("vault"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	c := iam.NewFromConfig(l.as(rootKeys[home]))
	writes := document(allow("s3:GetObject s3:PutObject s3:DeleteObject", "arn:aws:s3:::vault/*"), allow("s3:ListBucket", "arn:aws:s3:::vault"))
	for _, name := range []string{"starrocks-ec2", "s3_assumed_role"} {
		l.must(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("vault"), PolicyDocument: writes}))
	}
	l.must(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("vault"), PolicyDocument: writes}))
	v.sql = l.db()
	return v
}

// byProfile are the properties of the instance profile.
const byProfile = `"aws.s3.use_instance_profile" = "true", "aws.s3.region" = "` + region + `"`

// repository spells CREATE REPOSITORY.
func repositoryAt(name, location, properties string) string {
	return fmt.Sprintf(`CREATE REPOSITORY %s WITH BROKER ON LOCATION "%s" PROPERTIES (%s)`, name, location, properties)
}

// settle waits for the end of a database's last BACKUP or RESTORE and gives its
// state and status.
func (v *vault) settle(kind, db string) (state, status string) {
	v.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		row := v.row("SHOW " + kind + " FROM " + db)
		if state = row["State"]; state == "FINISHED" || state == "CANCELLED" {
			return state, row["Status"]
		}
	}
	v.t.Fatalf("the %s of %s does not end", kind, db)
	return "", ""
}

// row gives the last row of an answer by column; NULL is "NULL".
func (v *vault) row(query string) map[string]string {
	v.t.Helper()
	rows, err := v.sql.Query(query)
	if err != nil {
		v.t.Fatalf("%s\n%v", query, err)
	}
	defer rows.Close()
	names, _ := rows.Columns()
	out := map[string]string{}
	for rows.Next() {
		cells := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			v.t.Fatal(err)
		}
		for i, c := range cells {
			if !c.Valid {
				c.String = "NULL"
			}
			out[names[i]] = c.String
		}
	}
	return out
}

// done runs a BACKUP or RESTORE that must end FINISHED.
func (v *vault) done(kind, db, statement string) {
	v.t.Helper()
	v.exec(v.sql, statement)
	if state, status := v.settle(kind, db); state != "FINISHED" || status != "[OK]" {
		v.t.Fatalf("%s\n%s %s\n%s", statement, state, status, v.log)
	}
}

// fails runs a statement that must be refused or whose job must be cancelled.
func (v *vault) fails(kind, db, statement, want string) {
	v.t.Helper()
	_, err := v.sql.Exec(statement)
	got := fmt.Sprint(err)
	if err == nil {
		_, got = v.settle(kind, db)
	}
	if !strings.Contains(got, want) {
		v.t.Errorf("%s\n%s\nwant %s", statement, got, want)
	}
}

// timestamp is that of a snapshot.
func (v *vault) timestamp(repo, snapshot string) string {
	v.t.Helper()
	return v.row("SHOW SNAPSHOT ON " + repo + " WHERE SNAPSHOT = '" + snapshot + "'")["Timestamp"]
}

// from ends a RESTORE of a snapshot.
func (v *vault) from(repo, snapshot string) string {
	v.t.Helper()
	return fmt.Sprintf(` PROPERTIES ("backup_timestamp" = "%s", "replication_num" = "1")`, v.timestamp(repo, snapshot))
}

// digest tells everything of a database's tables: definitions and rows.
func (v *vault) digest(db string) string {
	v.t.Helper()
	names := strings.Split(table(v.t, v.sql, "SHOW TABLES FROM "+db), "|")
	var out []string
	for _, name := range names {
		create := v.row("SHOW CREATE TABLE " + db + "." + name)["Create Table"]
		rows := table(v.t, v.sql, "SELECT * FROM "+db+"."+name+" ORDER BY ALL")
		out = append(out, create, rows)
	}
	return strings.Join(out, "\n")
}

// shop is a database with tables of every make.
func (v *vault) shop(db string) {
	v.t.Helper()
	v.exec(v.sql, "CREATE DATABASE "+db, "USE "+db,
		`CREATE TABLE `+db+`.kinds (id BIGINT NOT NULL COMMENT "the \"key\"", b BOOLEAN, t TINYINT, s SMALLINT DEFAULT "7", i INT, l LARGEINT, f FLOAT, d DOUBLE, n DECIMAL(38, 10), c CHAR(3), v VARCHAR(20) NOT NULL DEFAULT "it's",
			x VARBINARY, j JSON, day DATE, at DATETIME DEFAULT CURRENT_TIMESTAMP, a ARRAY<LARGEINT>, m MAP<VARCHAR(5), LARGEINT>, st STRUCT<p INT, q ARRAY<STRING>>)
			DUPLICATE KEY (id) COMMENT "all kinds" DISTRIBUTED BY HASH(id) BUCKETS 3 PROPERTIES ("replication_num" = "1")`,
		`INSERT INTO `+db+`.kinds VALUES (1, true, -128, -32768, 2147483647, 170141183460469231731687303715884105727, 1.5, 1e300, 1234567890123456789012345678.0123456789, 'äz', 'é''"', 'ab\0', '{"a": [1, null]}',
			'2024-02-29', '2024-02-29 23:59:59.123456', [170141183460469231731687303715884105727, NULL], map{'k': 9223372036854775808}, row(1, ['x', NULL])),
			(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		`CREATE TABLE `+db+`.serial (id BIGINT NOT NULL AUTO_INCREMENT, a INT, twice BIGINT AS (a * 2)) PRIMARY KEY (id) DISTRIBUTED BY HASH(id)`,
		`INSERT INTO `+db+`.serial (a) VALUES (10), (20), (30)`,
		`CREATE TABLE `+db+`.parts (dt DATE, v INT) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ("2024-01-01"), PARTITION p2 VALUES LESS THAN ("2024-02-01"), PARTITION p3 VALUES LESS THAN ("2024-03-01"), PARTITION p4 VALUES LESS THAN (MAXVALUE))`,
		`INSERT INTO `+db+`.parts VALUES (NULL, 0), ('2023-05-05', 1), ('2024-01-15', 2), ('2024-02-15', 3), ('2025-01-01', 4)`,
		`CREATE TABLE `+db+`.places (city VARCHAR(20), n INT) PARTITION BY LIST(city) (PARTITION west VALUES IN ("a", "b"), PARTITION east VALUES IN ("c"))`,
		`INSERT INTO `+db+`.places VALUES ('a', 1), ('c', 3)`,
		`CREATE TABLE `+db+`.months (at DATETIME NOT NULL, n INT) UNIQUE KEY (at) PARTITION BY date_trunc('month', at) DISTRIBUTED BY HASH(at)`,
		`INSERT INTO `+db+`.months VALUES ('2024-01-15 10:00:00', 1)`,
		`CREATE TABLE `+db+`.selected AS SELECT 1 AS one, 'x' AS text, current_date() AS day, NULL::VARCHAR AS nothing`,
		`CREATE TABLE `+db+`.empty (a INT)`,
		`CREATE VIEW `+db+`.seen AS SELECT count(*) AS n FROM `+db+`.serial`)
}

// StarRocks' documentation, "BACKUP" and "RESTORE".
func TestBackupsAreRestored(t *testing.T) {
	v := newVault(t)
	v.exec(v.sql, repositoryAt("r", "s3a://vault/one/", byProfile))
	v.shop("shop")
	v.done("BACKUP", "shop", "BACKUP SNAPSHOT shop.all_of_it TO r")
	v.exec(v.sql, "DROP VIEW shop.seen")
	want := v.digest("shop")
	v.exec(v.sql, "DROP DATABASE shop")
	v.done("RESTORE", "shop", "RESTORE SNAPSHOT shop.all_of_it FROM r"+v.from("r", "all_of_it"))
	if got := v.digest("shop"); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}
	v.exec(v.sql, "INSERT INTO shop.serial (a) VALUES (40)")
	if got := table(t, v.sql, "SELECT * FROM shop.serial WHERE a = 40"); !strings.HasSuffix(got, " 40 80") || slices.Contains([]string{"1", "2", "3"}, strings.Fields(got)[0]) {
		t.Errorf("a row after the RESTORE: %s", got)
	}
	v.done("RESTORE", "other", "RESTORE SNAPSHOT all_of_it FROM r DATABASE shop AS other"+v.from("r", "all_of_it"))
	if got := v.digest("other"); got != want {
		t.Errorf("restored as other:\n%s\nwant\n%s", got, want)
	}
}
