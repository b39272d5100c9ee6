package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

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

func newVault(t *testing.T, env ...string) *vault {
	l := newLab(t, env...)
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

// repositoryAt spells CREATE REPOSITORY for an identity.
func repositoryAt(name, location string, who method) string {
	props := []string{`"aws.s3.region" = "` + region + `"`}
	for _, k := range slices.Sorted(maps.Keys(who)) {
		props = append(props, fmt.Sprintf(`"aws.s3.%s" = "%s"`, k, who[k]))
	}
	return fmt.Sprintf(`CREATE REPOSITORY %s WITH BROKER ON LOCATION "%s" PROPERTIES (%s)`, name, location, strings.Join(props, ", "))
}

// settle waits for the end of a database's last BACKUP or RESTORE and gives its
// state and status.
func (v *vault) settle(kind, db string) (state, status string) {
	v.t.Helper()
	v.await("the end of the "+kind+" of "+db, func() (string, bool) {
		row := v.row("SHOW " + kind + " FROM " + db)
		state, status = row["State"], row["Status"]
		return state, state == "FINISHED" || state == "CANCELLED"
	})
	return state, status
}

// awaitSnapshot waits until the running backup of d has taken its snapshot.
func (v *vault) awaitSnapshot() {
	v.t.Helper()
	v.await("the snapshot of d", func() (string, bool) {
		at := v.row("SHOW BACKUP FROM d")["SnapshotFinishedTime"]
		return at, at != "NULL"
	})
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
		`CREATE TABLE `+db+`.changed (k INT, old INT, gone INT) DUPLICATE KEY (k) PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ("10"), PARTITION p2 VALUES LESS THAN ("20"), PARTITION p3 VALUES [("20"), ("30")))`,
		`INSERT INTO `+db+`.changed VALUES (1, 2, 3), (25, 4, 5)`,
		`ALTER TABLE `+db+`.changed DROP PARTITION p2`, `ALTER TABLE `+db+`.changed ADD PARTITION p4 VALUES LESS THAN ("40")`,
		`ALTER TABLE `+db+`.changed RENAME COLUMN old TO new`, `ALTER TABLE `+db+`.changed DROP COLUMN gone`, `ALTER TABLE `+db+`.changed ADD COLUMN more VARCHAR(5) DEFAULT "x" COMMENT "later"`,
		`CREATE TABLE `+db+`.steps (dt DATE, n INT) PARTITION BY RANGE(dt) (START ("2024-01-01") END ("2024-03-01") EVERY (INTERVAL 1 MONTH)) ORDER BY (n)`,
		`INSERT INTO `+db+`.steps VALUES ('2024-02-03', 1)`,
		`CREATE TABLE `+db+`.ends AS SELECT 'infinity'::DATETIME AS at, '-infinity'::DATE AS day, 'nan'::DOUBLE AS d, '-infinity'::FLOAT AS f, 18446744073709551615::UBIGINT AS u`,
		`CREATE VIEW `+db+`.seen AS SELECT count(*) AS n FROM `+db+`.serial`)
}

// warehouse is a table of Redshift's making.
func (v *vault) warehouse(db string) {
	v.t.Helper()
	c := v.pgx("default_catalog")
	for _, text := range []string{
		"CREATE TABLE " + db + ".sales (id BIGINT IDENTITY(1, 1), name CHARACTER VARYING(10) DEFAULT 'it''s' ENCODE lzo, at TIMESTAMP DEFAULT getdate(), seen TIMESTAMPTZ, noon TIMETZ, price NUMERIC(8, 2), PRIMARY KEY (name)) DISTKEY (id)",
		"INSERT INTO " + db + ".sales (name, seen, noon, price) VALUES ('x', '2024-01-01 12:00:00+02', '12:00:00+05:30', 1.25)",
	} {
		_, err := c.Exec(context.Background(), text)
		v.must(nil, err)
	}
}

// StarRocks' documentation, "BACKUP", "RESTORE" and the SHOW statements.
func TestBackupsAreRestored(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.exec(v.sql, repositoryAt("r", "s3a://vault/one/", instance()))
	v.shop("shop")
	v.warehouse("shop")
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
	v.stop(syscall.SIGKILL)
	v.start()
	v.sql = v.db()
	at := v.timestamp("r", "all_of_it")
	host, port := v.address()
	out, err := exec.Command("mariadb", "-h", host, "-P", port, "-u", "root", "--batch", "-e",
		"SHOW REPOSITORIES; SHOW BACKUP FROM shop; SHOW RESTORE FROM other; SHOW RESTORE FROM shop WHERE State = 'PENDING'; SHOW SNAPSHOT ON r; SHOW SNAPSHOT ON r WHERE SNAPSHOT = 'all_of_it' AND TIMESTAMP = '"+at+"'").CombinedOutput()
	if err != nil {
		t.Fatalf("%s%v", out, err)
	}
	times := regexp.MustCompile(`\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}`)
	told := strings.ReplaceAll(times.ReplaceAllString(string(out), "<time>"), at, "<at>")
	told = regexp.MustCompile(`"token":"\w+","meta":"__meta\.\w+"`).ReplaceAllString(told, "<names>")
	told = regexp.MustCompile(`\\?"bytes\\?":\d+`).ReplaceAllString(told, `"bytes":<n>`)
	told = regexp.MustCompile(`(?m)^100\d\d`).ReplaceAllString(told, "<id>")
	if told != shownOfBackups {
		t.Errorf("SHOW tells\n%s\nwant\n%s", told, shownOfBackups)
	}
}

// shownOfBackups is what mariadb prints of the SHOW statements.
const shownOfBackups = `RepoId	RepoName	CreateTime	IsReadOnly	Location	Broker	ErrMsg
<id>	r	<time>	false	s3a://vault/one		NULL
JobId	SnapshotName	DbName	State	BackupObjs	CreateTime	SnapshotFinishedTime	UploadFinishedTime	FinishedTime	UnfinishedTasks	Progress	TaskErrMsg	Status	Timeout
<id>	all_of_it	shop	FINISHED	[shop.changed], [shop.empty], [shop.ends], [shop.kinds], [shop.months], [shop.parts], [shop.places], [shop.sales], [shop.selected], [shop.serial], [shop.steps]	<time>	<time>	<time>	<time>				[OK]	86400
JobId	Label	Timestamp	DbName	State	AllowLoad	ReplicationNum	RestoreObjs	CreateTime	MetaPreparedTime	SnapshotFinishedTime	DownloadFinishedTime	FinishedTime	UnfinishedTasks	Progress	TaskErrMsg	Status	Timeout
<id>	all_of_it	<at>	other	FINISHED	false	1	{"backup_time":"<at>","database":"shop","name":"all_of_it","tables":[{"name":"changed"},{"name":"empty"},{"name":"ends"},{"name":"kinds"},{"name":"months"},{"name":"parts"},{"name":"places"},{"name":"sales"},{"name":"selected"},{"name":"serial"},{"name":"steps"}]}	<time>	<time>	<time>	<time>	<time>				[OK]	86400
Snapshot	Timestamp	Status	Database	Details
all_of_it	<at>	OK	shop	NULL
Snapshot	Timestamp	Status	Database	Details
all_of_it	<at>	OK	shop	{"format":"lakeport","version":1,"name":"all_of_it","database":"shop","timestamp":"<at>",<names>,"tables":{"changed":{"rows":2,"bytes":<n>,"files":1},"empty":{"rows":0,"bytes":<n>,"files":0},"ends":{"rows":1,"bytes":<n>,"files":1},"kinds":{"rows":2,"bytes":<n>,"files":1},"months":{"rows":1,"bytes":<n>,"files":1},"parts":{"rows":5,"bytes":<n>,"files":1},"places":{"rows":2,"bytes":<n>,"files":1},"sales":{"rows":1,"bytes":<n>,"files":1},"selected":{"rows":1,"bytes":<n>,"files":1},"serial":{"rows":3,"bytes":<n>,"files":1},"steps":{"rows":1,"bytes":<n>,"files":1}}}
`

// Each of StarRocks' three methods, and each way in which a repository cannot be
// had.
func TestRepositories(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.makeRole(home, "reader", trusts(role(home, "starrocks-ec2")), map[string]*string{"vault": document(allow("s3:GetObject", "arn:aws:s3:::vault/*"), allow("s3:ListBucket", "arn:aws:s3:::vault"))})
	v.rolePolicy(home, "starrocks-ec2", "more", document(allow("sts:AssumeRole", role(home, "reader"))))
	v.exec(v.sql, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "INSERT INTO d.t VALUES (1), (2)")
	hadoop := fmt.Sprintf(`CREATE REPOSITORY by_hadoop WITH BROKER ON LOCATION "s3://vault/hadoop" PROPERTIES ("fs.s3a.access.key" = "%s", "fs.s3a.secret.key" = "%s", "fs.s3a.endpoint" = "%s", "fs.s3a.endpoint.region" = "%s")`,
		v.user.AccessKeyID, v.user.SecretAccessKey, v.ready["aws"], region)
	for name, create := range map[string]string{
		"by_profile": repositoryAt("by_profile", "s3://vault/a", instance()), "by_role": repositoryAt("by_role", "s3a://vault", assumed(role(home, "s3_assumed_role"))),
		"by_user": repositoryAt("by_user", "s3a://vault/b/c/", keys(v.user)), "by_hadoop": hadoop,
	} {
		v.exec(v.sql, create)
		v.done("BACKUP", "d", "BACKUP SNAPSHOT d.s TO "+name)
		v.done("RESTORE", "d", "RESTORE SNAPSHOT d.s FROM "+name+" ON (t AS "+name+")"+v.from(name, "s"))
		if got := table(t, v.sql, "SELECT a FROM d."+name+" ORDER BY a"); got != "1|2" {
			t.Errorf("%s: %s", name, got)
		}
	}
	v.exec(v.sql, "DROP REPOSITORY by_role", strings.Replace(repositoryAt("by_role", "s3a://vault", assumed(role(home, "reader"))), "CREATE", "CREATE READ ONLY", 1))
	v.done("RESTORE", "again", "RESTORE SNAPSHOT again.s FROM by_role"+v.from("by_role", "s"))
	v.put(home, "vault", "sr/__starrocks_repository_x/__repo_info", []byte(`{"name":"x","create_time":"2024-01-01 00:00:00"}`))
	v.put(home, "vault", "palo/__palo_repository_x/__repo_info", []byte(`{}`))
	v.put(home, "vault", "new/__starrocks_repository_x/__repo_info", []byte(`{"format":"lakeport","version":2}`))
	v.put(home, "vault", "named/__starrocks_repository_x/__repo_info", []byte(`{"format":"lakeport","version":1,"name":"y","create_time":"2024-01-01T00:00:00Z"}`))
	wrong := keys(v.user)
	wrong["secret_key"] = strings.Repeat("x", 40)
	for statement, want := range map[string]string{
		repositoryAt("x", "s3://vault/x", assumed(role(home, "reader"))):         "Denied: s3:PutObject on arn:aws:s3:::vault/x/__starrocks_repository_x/__repo_info as role reader (from starrocks-ec2): no identity-based policy allows it",
		repositoryAt("x", "s3://vault/x", assumed(role(home, "nobody"))):         "Denied: sts:AssumeRole on arn:aws:iam::" + home + ":role/nobody as role starrocks-ec2",
		repositoryAt("x", "s3://lakeb/x", instance()):                            "Denied: s3:ListBucket on arn:aws:s3:::lakeb as role starrocks-ec2",
		repositoryAt("x", "s3://vault/x", wrong):                                 "Wrong secret key",
		repositoryAt("x", "s3://vault/sr", instance()):                           "was not written by lakeport: the snapshots of StarRocks hold tablets",
		repositoryAt("x", "s3://vault/palo", instance()):                         "palo/__palo_repository_x/__repo_info was not written by lakeport",
		repositoryAt("x", "s3://vault/new", instance()):                          "has version 2 of the format; this lakeport knows 1",
		repositoryAt("x", "s3://vault/named", instance()):                        `is of a repository "y", not "x"`,
		repositoryAt("x", "hdfs://host/x", instance()):                           `1:45: "hdfs://host/x" is not the place of an object in S3`,
		repositoryAt("x", "s3://vault/x", method{"use_instance_profil": "true"}): `unknown property "aws.s3.use_instance_profil": did you mean "aws.s3.use_instance_profile"?`,
		repositoryAt("by_user", "s3://vault/x", instance()):                      "1:19: Repository by_user already exists",
		"CREATE READ ONLY REPOSITORY x WITH BROKER ON LOCATION 's3://vault/none' PROPERTIES ('aws.s3.use_instance_profile' = 'true', 'aws.s3.region' = '" + region + "')": "there is no repository at s3://vault/none/",
		"BACKUP SNAPSHOT d.other TO by_role":                                                        "Repository by_role is read only",
		"BACKUP SNAPSHOT d.s TO by_user":                                                            "Snapshot with name 's' already exist in repository",
		"BACKUP SNAPSHOT d.u TO by_usr":                                                             "Repository by_usr does not exist\nhint: did you mean by_user?",
		"BACKUP SNAPSHOT e.u TO by_user":                                                            "Unknown database 'e'",
		"BACKUP SNAPSHOT u TO by_user":                                                              "No database selected",
		"BACKUP SNAPSHOT d.u TO by_user ON (none)":                                                  "1:36: Unknown table 'd.none'",
		"BACKUP SNAPSHOT d.u TO by_user ON (t PARTITION (p))":                                       "Unknown partition 'p' in table 't'",
		"BACKUP SNAPSHOT d.u TO by_user ON (t, t)":                                                  "table t is named twice",
		"BACKUP SNAPSHOT d.u TO by_user ON (VIEW x)":                                                "BACKUP of a VIEW is not built yet",
		"BACKUP SNAPSHOT d.u TO by_user PROPERTIES ('type' = 'incremental')":                        "write \"full\"",
		"BACKUP ALL EXTERNAL CATALOGS SNAPSHOT u TO by_user":                                        "1:8: BACKUP of external catalogs is not built yet",
		"RESTORE SNAPSHOT d.s FROM by_user":                                                         "Missing backup_timestamp property",
		"RESTORE SNAPSHOT d.s FROM by_user PROPERTIES ('backup_timestamp' = '2018-05-04')":          "write it as SHOW SNAPSHOT tells it",
		"RESTORE SNAPSHOT d.s FROM by_user PROPERTIES ('backup_timestamp' = '2018-05-04-16-45-08')": "Failed to get info of snapshot 's' because: there is none of 2018-05-04-16-45-08",
		"RESTORE SNAPSHOT d.s FROM by_user ON (tt)" + v.from("by_user", "s"):                        "1:39: Table tt does not exist in snapshot s",
		"RESTORE SNAPSHOT d.s FROM by_user DATABASE x" + v.from("by_user", "s"):                     "the statement names two databases, x and d",
		"RESTORE SNAPSHOT s FROM by_user DATABASE x AS y" + v.from("by_user", "s"):                  "the snapshot is of database d, not x",
		"RESTORE SNAPSHOT d.s FROM by_user ON (t AS a, t AS a)" + v.from("by_user", "s"):            "two tables would be restored as a",
		"RESTORE SNAPSHOT _LAKEPORT.s FROM by_user" + v.from("by_user", "s"):                        "database _LAKEPORT is the server's own",
		"RESTORE SNAPSHOT information_schema.s FROM by_user" + v.from("by_user", "s"):               "database information_schema is the server's own",
		"CANCEL BACKUP FROM d":                                                                      "No backup job is currently running",
		"SHOW SNAPSHOT ON nowhere":                                                                  "Repository nowhere does not exist",
	} {
		if _, err := v.sql.Exec(statement); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %s", statement, err, want)
		}
	}
	stored, err := filepath.Glob(filepath.Join(v.dir, "data", "default_catalog.duckdb*"))
	v.must(stored, err)
	for _, name := range stored {
		text, err := os.ReadFile(name)
		if v.must(text, err); bytes.Contains(text, []byte(v.user.SecretAccessKey)) {
			t.Errorf("%s holds the secret key", name)
		}
	}
	if len(stored) == 0 || strings.Contains(v.log.String(), v.user.SecretAccessKey) {
		t.Errorf("the secret key is in the log, or there is no database among %v", stored)
	}
	v.rolePolicy(home, "starrocks-ec2", "vault", document(allow("s3:GetObject", "arn:aws:s3:::vault/*"), allow("s3:ListBucket", "arn:aws:s3:::vault")))
	v.fails("BACKUP", "d", "BACKUP SNAPSHOT d.locked TO by_profile", "[COMMON_ERROR, msg: Denied: s3:PutObject on arn:aws:s3:::vault/a/__starrocks_repository_by_profile/__ss_locked/__ss_content/")
	if got := table(t, v.sql, "SHOW SNAPSHOT ON by_profile WHERE SNAPSHOT = 'locked'"); got != "" {
		t.Errorf("a backup that was refused is listed: %s", got)
	}
	if got := v.row("SHOW REPOSITORIES LIKE 'by_profile'")["ErrMsg"]; !strings.HasPrefix(got, "Denied: s3:PutObject on ") {
		t.Errorf("SHOW REPOSITORIES tells %s", got)
	}
}

// What is half written, damaged, of another schema or cancelled leaves the tables
// as they were.
func TestRestoresAreWholeOrNothing(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.exec(v.sql, repositoryAt("r", "s3://vault/r", instance()), "CREATE DATABASE d",
		"CREATE TABLE d.a (n INT) PARTITION BY RANGE(n) (PARTITION low VALUES LESS THAN ('10'), PARTITION high VALUES LESS THAN ('100'))", "INSERT INTO d.a VALUES (1), (2), (50)",
		"CREATE TABLE d.b (x VARCHAR(10))", "INSERT INTO d.b VALUES ('old')", "CREATE TABLE d.c AS SELECT 1 AS n", "CREATE TABLE d.f AS SELECT 2 AS n")
	// Rows of a later moment are no part of a snapshot.
	clear := v.fault(map[string]any{"service": "s3", "action": "s3:PutObject", "delay": "60s"})
	v.exec(v.sql, "BACKUP SNAPSHOT d.s TO r")
	v.awaitSnapshot()
	v.fails("BACKUP", "d", "BACKUP SNAPSHOT d.second TO r", "Can only run one backup or restore job of a database at same time")
	v.fails("BACKUP", "d", "DROP REPOSITORY r", "Backup or restore job is running on this repository. Can not drop it")
	v.exec(v.sql, "CANCEL BACKUP FROM d")
	if state, status := v.settle("BACKUP", "d"); state != "CANCELLED" || status != "[COMMON_ERROR, msg: user cancelled]" {
		t.Errorf("a cancelled backup: %s %s", state, status)
	}
	clear()
	clear = v.fault(map[string]any{"service": "s3", "action": "s3:PutObject", "delay": "300ms"})
	v.exec(v.sql, "BACKUP SNAPSHOT d.s TO r")
	v.awaitSnapshot()
	v.exec(v.sql, "INSERT INTO d.a VALUES (3)", "INSERT INTO d.b VALUES ('later')", "DROP TABLE d.c", "ALTER TABLE d.f ADD COLUMN m INT", "UPDATE d.f SET n = 3 WHERE true")
	if state, status := v.settle("BACKUP", "d"); state != "FINISHED" {
		t.Fatalf("%s %s", state, status)
	}
	clear()
	v.done("RESTORE", "d", "RESTORE SNAPSHOT d.s FROM r ON (a AS a2, b AS b2, c AS c2, f AS f2)"+v.from("r", "s"))
	if got := table(t, v.sql, "SELECT * FROM d.c2, d.f2"); got != "1 2" {
		t.Errorf("tables that changed while they were backed up: %s", got)
	}
	both := func(a, b string) string {
		return table(t, v.sql, "SELECT n FROM d."+a+" ORDER BY n") + " " + table(t, v.sql, "SELECT x FROM d."+b+" ORDER BY x")
	}
	if got := both("a2", "b2"); got != "1|2|50 old" {
		t.Errorf("rows of the snapshot: %s", got)
	}
	// One partition of a table that is there.
	v.exec(v.sql, "INSERT INTO d.a VALUES (60)")
	v.done("RESTORE", "d", "RESTORE SNAPSHOT d.s FROM r ON (a PARTITION (low))"+v.from("r", "s"))
	if got := both("a", "b"); got != "1|2|50|60 later|old" {
		t.Errorf("after the RESTORE of a partition: %s", got)
	}
	v.done("BACKUP", "d", "BACKUP SNAPSHOT d.high TO r ON (a PARTITION (high))")
	v.exec(v.sql, "TRUNCATE TABLE d.a")
	v.done("RESTORE", "d", "RESTORE SNAPSHOT d.high FROM r"+v.from("r", "high"))
	v.done("RESTORE", "d", "RESTORE SNAPSHOT d.high FROM r ON (a AS a3)"+v.from("r", "high"))
	if got := both("a", "b") + " " + table(t, v.sql, "SELECT n FROM d.a3 ORDER BY n"); got != "50|60 later|old 50|60" {
		t.Errorf("after the BACKUP of a partition: %s", got)
	}
	// A schema of another making.
	v.exec(v.sql, "CREATE TABLE d.c (x VARCHAR(11))", "CREATE VIEW d.w AS SELECT 1 AS x", "CREATE TABLE d.e (n INT) PARTITION BY RANGE(n) (PARTITION low VALUES LESS THAN ('11'))")
	for alias, want := range map[string]string{"b AS c": "Table c already exist but with different schema", "b AS w": "w exists and is no table of its own rows",
		"a AS e": "Table e already exist and has no partition low with the same values", "a, b AS c": "Table c already exist but with different schema"} {
		v.fails("RESTORE", "d", "RESTORE SNAPSHOT d.s FROM r ON ("+alias+")"+v.from("r", "s"), want)
	}
	v.exec(v.sql, "DROP TABLE d.c", "DROP TABLE d.f")
	restore := "RESTORE SNAPSHOT d.s FROM r" + v.from("r", "s")
	v.fault(map[string]any{"service": "s3", "action": "s3:GetObject", "delay": "60s"})
	v.exec(v.sql, restore, "CANCEL RESTORE FROM d") // its info lies in the cache, its files do not
	if state, status := v.settle("RESTORE", "d"); state != "CANCELLED" || status != "[COMMON_ERROR, msg: user cancelled]" {
		t.Errorf("a cancelled restore: %s %s", state, status)
	}
	v.instrument("DELETE", "faults", nil, nil)
	objects := v.list("vault", "r/__starrocks_repository_r/__ss_s/")
	ctx := context.Background()
	c := s3.NewFromConfig(v.as(rootKeys[home]))
	for key := range objects {
		name := key[strings.LastIndexByte(key, '/')+1:]
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("vault"), Key: &key})
		v.must(out, err)
		was, err := io.ReadAll(out.Body)
		v.must(was, err)
		want := map[bool]string{true: "there is none of", false: "the snapshot is damaged: s3://vault/" + key}[strings.HasPrefix(name, "__info_")]
		changed := slices.Clone(was)
		changed[len(changed)/2] ^= 1
		v.put(home, "vault", key, changed)
		v.fails("RESTORE", "d", restore, want)
		v.put(home, "vault", key, was[:len(was)-1])
		v.fails("RESTORE", "d", restore, want)
		v.must(c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("vault"), Key: &key}))
		v.fails("RESTORE", "d", restore, want)
		listed := table(t, v.sql, "SHOW SNAPSHOT ON r WHERE SNAPSHOT = 's'")
		if (listed == "") != strings.HasPrefix(name, "__info_") {
			t.Errorf("without %s the snapshots are %q", name, listed)
		}
		v.put(home, "vault", key, was)
	}
	if got := both("a", "b"); got != "50|60 later|old" || len(objects) != 6 {
		t.Errorf("after restores that failed: %s, of %d objects", got, len(objects))
	}
	v.done("RESTORE", "d", restore)
	if got := both("a", "b"); got != "1|2|50 old" {
		t.Errorf("after the RESTORE: %s", got)
	}
	// Whoever may write to the bucket has the engine run no more than a client may.
	for i, c := range []struct{ text, forged, want string }{
		{"`x` varchar(10) NULL", "`x` varchar(10) AS (SELECT max(content) FROM read_text('/etc/passwd'))", "function read_text is not allowed in FROM"},
		{"`x` varchar(10) NULL", "`x` varchar(10) AS (getenv('HOME'))", "getenv"},
		{"`x` varchar(10) NULL", "`x` varchar(10) NULL DEFAULT (getenv('HOME'))", "DEFAULT (getenv('HOME')) is not supported"},
		{`"spelled":"varchar(10)"`, `"spelled":"varchar(10), y INT"`, `the description of table b in the snapshot is not whole: column x is spelled "varchar(10), y INT"`},
		{`"high":"10"`, `"high":"10' AS INTEGER) OR (SELECT true) --"`, "exist and has no partition low with the same values"},
		{`"low":"10"`, `"low":"9"`, "Table a already exist and has no partition high with the same values"},
	} {
		name := fmt.Sprintf("forged%d", i)
		v.forge("s", name, c.text, c.forged)
		v.fails("RESTORE", "d", "RESTORE SNAPSHOT d."+name+" FROM r"+v.from("r", name), c.want)
	}
	if got := both("a", "b"); got != "1|2|50 old" {
		t.Errorf("after RESTOREs that were forged: %s", got)
	}
}

// forge stores a snapshot under another name whose description of tables is
// another, with sums that are right.
func (v *vault) forge(snapshot, name, text, forged string) {
	v.t.Helper()
	c := s3.NewFromConfig(v.as(rootKeys[home]))
	below := "r/__starrocks_repository_r/__ss_"
	found := map[string]string{}
	for key := range v.list("vault", below+snapshot+"/") {
		out, err := c.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("vault"), Key: &key})
		v.must(out, err)
		body, err := io.ReadAll(out.Body)
		v.must(body, err)
		found[strings.TrimPrefix(key, below+snapshot+"/")] = string(body)
	}
	for key, meta := range found {
		if !strings.HasPrefix(key, "__meta.") {
			continue
		}
		quoted, _ := json.Marshal(forged)
		if !strings.Contains(meta, text) {
			v.t.Fatalf("%s does not hold %s", meta, text)
		}
		if strings.HasPrefix(text, "`") {
			forged = strings.Trim(string(quoted), `"`)
		}
		meta = strings.Replace(meta, text, forged, 1)
		other := fmt.Sprintf("__meta.%x", md5.Sum([]byte(meta)))
		v.put(home, "vault", below+name+"/"+other, []byte(meta))
		for info, body := range found {
			if at, is := strings.CutPrefix(info, "__info_"); is {
				body = strings.NewReplacer(key, other, `"name":"`+snapshot+`"`, `"name":"`+name+`"`).Replace(body)
				v.put(home, "vault", fmt.Sprintf("%s%s/__info_%s.%x", below, name, strings.Split(at, ".")[0], md5.Sum([]byte(body))), []byte(body))
			}
		}
	}
}

// A killed server's backups and restores run again at its next start: a snapshot
// is listed once and whole, rows are there once, and the jobs say so. The moments
// are counted in requests to S3, by which all steps of runBackup and runRestore
// show outside.
func TestBackupsSurviveKills(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.exec(v.sql, repositoryAt("r", "s3://vault/r", instance()), "CREATE DATABASE d", "CREATE TABLE d.a (n INT)", "INSERT INTO d.a VALUES (1), (2), (50)",
		"CREATE TABLE d.b (x VARCHAR(10)) PRIMARY KEY (x)", "INSERT INTO d.b VALUES ('x'), ('y')")
	v.done("BACKUP", "d", "BACKUP SNAPSHOT d.base TO r")
	want := v.digest("d")
	from := v.from("r", "base")
	moments := []int{0, 4, 8, 12}
	for i, requests := range moments {
		clear := v.fault(map[string]any{"service": "s3", "delay": "20ms"})
		v.exec(v.sql, fmt.Sprintf("CREATE DATABASE t%d", i), fmt.Sprintf("CREATE TABLE t%d.a (n INT)", i), fmt.Sprintf("INSERT INTO t%d.a VALUES (7)", i))
		v.exec(v.sql, fmt.Sprintf("BACKUP SNAPSHOT d.k%d TO r", i))
		_, since := v.decisions(0, "&limit=0")
		v.exec(v.sql, fmt.Sprintf("RESTORE SNAPSHOT t%d.base FROM r", i)+from)
		v.await(fmt.Sprintf("the number of %d requests", requests), func() (string, bool) {
			log, _ := v.decisions(since, "")
			return fmt.Sprint(len(log)), len(log) >= requests || v.row("SHOW BACKUP FROM d")["State"] == "FINISHED" && v.row(fmt.Sprintf("SHOW RESTORE FROM t%d", i))["State"] == "FINISHED"
		})
		v.stop(syscall.SIGKILL)
		v.start()
		v.sql = v.db()
		clear()
		if state, status := v.settle("BACKUP", "d"); state != "FINISHED" {
			t.Errorf("backup killed after %d requests: %s %s", requests, state, status)
		}
		if state, status := v.settle("RESTORE", fmt.Sprintf("t%d", i)); state != "FINISHED" {
			t.Errorf("restore killed after %d requests: %s %s", requests, state, status)
		}
	}
	if got := table(t, v.sql, "SHOW SNAPSHOT ON r"); strings.Count(got, " OK d ") != len(moments)+1 || strings.Count(got, "|") != len(moments) {
		t.Errorf("snapshots: %s", got)
	}
	for i := range moments {
		v.done("RESTORE", fmt.Sprintf("u%d", i), fmt.Sprintf("RESTORE SNAPSHOT u%d.k%d FROM r", i, i)+v.from("r", fmt.Sprintf("k%d", i)))
		for _, db := range []string{"t", "u"} {
			if got := v.digest(fmt.Sprintf("%s%d", db, i)); got != want {
				t.Errorf("%s%d:\n%s\nwant\n%s", db, i, got, want)
			}
		}
	}
	// S3 has stored the info, and its answer is lost: the job finds its own
	// snapshot, now or after a restart.
	v.exec(v.sql, "CREATE DATABASE nothing", "CREATE TABLE nothing.t (a INT)") // so that meta and info are the only objects
	for _, kill := range []bool{true, false} {
		name := fmt.Sprintf("lost_%v", kill)
		_, since := v.decisions(0, "&limit=0")
		clear := v.fault(map[string]any{"action": "s3:PutObject", "delay": "1ms", "count": 1}, map[string]any{"action": "s3:PutObject", "lost_reply": true})
		v.exec(v.sql, "BACKUP SNAPSHOT nothing."+name+" TO r")
		v.await("the storing of the info", func() (string, bool) {
			log, _ := v.decisions(since, "&action=s3:PutObject")
			return fmt.Sprintf("%d objects are stored", len(log)), len(log) >= 2
		})
		if kill {
			v.stop(syscall.SIGKILL)
			v.start()
			v.sql = v.db()
			clear()
		}
		if state, status := v.settle("BACKUP", "nothing"); state != "FINISHED" {
			t.Errorf("%s: %s %s", name, state, status)
		}
		clear()
		if got := table(t, v.sql, "SHOW SNAPSHOT ON r WHERE SNAPSHOT = '"+name+"'"); strings.Count(got, " OK nothing ") != 1 {
			t.Errorf("%s: %s", name, got)
		}
	}
}
