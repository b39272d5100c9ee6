package demo

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// starrocks is the chapter of StarRocks' pages: external catalogs over Glue as
// an instance profile, as assumed roles and as an IAM user, a query of each, one
// hop broken, explained and mended; then file external tables, loads, and
// catalogs over a Hive metastore where one is there.
func (s *story) starrocks(ctx context.Context) error {
	c, err := newMySQL(login{addr: s.MySQL, user: "root"})
	if err != nil {
		return err
	}
	s.connect(c)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	var hive metastore
	for _, m := range methods {
		s.chapter(m.title)
		if err := s.quiet(ctx, "DROP CATALOG IF EXISTS hive_catalog_glue"); err != nil {
			return err
		}
		if err := s.tell(ctx, s.filled("glue-"+m.name), question); err != nil {
			return err
		}
		hive.start(ctx, s) // once there is an answer: Java takes its time
	}
	for _, part := range []func(context.Context) error{s.breakAndMend, s.fileTables, s.loads} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return s.metastoreCatalogs(ctx, &hive)
}

// methods are the three of the page, as its statements are named here.
var methods = []struct{ name, title string }{
	{"instance-profile", "Instance profile: the instance's own role reads Glue and S3"},
	{"assumed-role", "Assumed roles: the instance's role assumes one role for S3 and one for Glue"},
	{"iam-user", "IAM user: static keys"},
}

const question = `SELECT pickup_month, count(*) AS trips, round(avg(trip_distance), 2) AS avg_miles,
       CAST(sum(total_amount) AS BIGINT) AS revenue
FROM hive_catalog_glue.taxi.trips
WHERE pickup_month >= '2024-10' AND passenger_count > 1
GROUP BY pickup_month ORDER BY pickup_month`

// breakAndMend takes the instance role out of a trust policy, shows what the
// user sees, and puts it back.
func (s *story) breakAndMend(ctx context.Context) error {
	s.chapter("A broken hop: s3_assumed_role stops trusting the instance's role")
	if err := s.quiet(ctx, "DROP CATALOG hive_catalog_glue", s.filled("glue-assumed-role")); err != nil {
		return err
	}
	a := s.account(ctx, Account)
	if a.trust("s3_assumed_role", strings.Replace(s.filled("policy-trust"), roleARN(Account, instanceRole), roleARN(Account, "someone_else"), 1)); a.err != nil {
		return a.err
	}
	s.step("iam UpdateAssumeRolePolicy: s3_assumed_role now trusts role/someone_else")
	if err := s.tell(ctx, "REFRESH CREDENTIALS FOR CATALOG hive_catalog_glue"); err != nil {
		return err
	}
	if err := s.refused(ctx, question, "Denied: sts:AssumeRole"); err != nil {
		return err
	}
	if err := s.explain(ctx); err != nil {
		return err
	}
	s.chapter("Mended")
	if a.trust("s3_assumed_role", s.filled("policy-trust")); a.err != nil {
		return a.err
	}
	s.step("iam UpdateAssumeRolePolicy: s3_assumed_role trusts role/%s again", instanceRole)
	return s.tell(ctx, question)
}

// spaced lets a document be wrapped.
var spaced = strings.NewReplacer(`":`, `": `, `,"`, `, "`)

// explain asks which calls the query needs, and tells what is denied.
func (s *story) explain(ctx context.Context) error {
	text := "EXPLAIN ACCESS\n" + question
	s.statement(text)
	begin := time.Now()
	a, err := s.client.query(ctx, text)
	if err != nil {
		return err
	}
	var rows [][]string
	var fixes []string
	counts := map[string]int{}
	for _, row := range a.rows {
		step := map[string]string{}
		for i, name := range a.head {
			step[name] = row[i]
		}
		counts[step["Decision"]]++
		if step["Decision"] != "allowed" {
			rows = append(rows, []string{step["Principal"][strings.LastIndexByte(step["Principal"], '/')+1:], step["Action"], step["Resource"], step["Decision"]})
			fixes = append(fixes, step["Fix"])
		}
	}
	s.table([]string{"principal", "action", "resource", "decision"}, rows)
	for _, fix := range fixes {
		for _, line := range wrap(spaced.Replace(fix), s.columns()-4) {
			s.plain("  " + line)
		}
	}
	s.note("%d calls foretold and judged in %s: %d allowed, %d denied, %d unknown", len(a.rows), round(time.Since(begin)), counts["allowed"], counts["denied"], counts["unknown"])
	return nil
}

// fileTables queries an ORC file of a bucket by each of the three methods.
func (s *story) fileTables(ctx context.Context) error {
	s.chapter("File external tables: ORC in a bucket, by each of the three methods")
	text, err := pages.ReadFile("pages/attributes.orc")
	if err != nil {
		return err
	}
	a := s.account(ctx, Account)
	a.bucket(fileBucket, Region)
	if a.object(fileBucket, Region, "attributes.orc", bytes.NewReader(text)); a.err != nil {
		return a.err
	}
	s.step("s3: s3://%s/attributes.orc", fileBucket)
	if err := s.tell(ctx, "CREATE DATABASE test_s3_db"); err != nil {
		return err
	}
	for _, m := range methods {
		if err := s.quiet(ctx, "DROP TABLE IF EXISTS test_s3_db.file_table"); err != nil {
			return err
		}
		if err := s.tell(ctx, s.filled("file-table-"+m.name), "SELECT id, attributes['colour'] AS colour FROM test_s3_db.file_table ORDER BY id"); err != nil {
			return err
		}
	}
	return nil
}

// loads loads a bucket of another region by each of the three methods. The page
// prints one label for all, which is taken once: the second and third load run
// on servers of their own.
func (s *story) loads(ctx context.Context) error {
	s.chapter("LOAD LABEL: Parquet of a bucket in " + loadRegion + ", by each of the three methods")
	for i, m := range methods {
		if i == 0 {
			if err := s.load(ctx, m.name); err != nil {
				return err
			}
			continue
		}
		s.note("The page's label is the same: a label loads once, so the next runs on a server of its own.")
		if err := s.elsewhere(ctx, func(t *story) error {
			if err := t.identities(ctx); err != nil {
				return err
			}
			if err := t.quiet(ctx, "CREATE DATABASE test_s3_db"); err != nil {
				return err
			}
			return t.load(ctx, m.name)
		}); err != nil {
			return err
		}
	}
	return nil
}

// load makes a bucket of two files, and loads them by a method.
func (s *story) load(ctx context.Context, method string) error {
	a := s.account(ctx, Account)
	a.bucket(loadBucket, loadRegion)
	for i, rows := range []string{"range(1, 4)", "range(4, 6)"} {
		if err := s.putQuery(ctx, a, loadBucket, loadRegion, fmt.Sprintf("test_brokerload_ingestion/%d.parquet", i+1), "SELECT i::INT AS id, 'n' || i AS name FROM "+rows+" t(i)"); err != nil {
			return err
		}
	}
	if err := s.quiet(ctx, "CREATE TABLE test_s3_db.test_ingestion_2 (id INT, name VARCHAR(20)) DUPLICATE KEY (id) DISTRIBUTED BY HASH (id)"); err != nil {
		return err
	}
	done, err := s.background(ctx, s.filled("load-"+method), "SELECT LABEL, STATE, SINK_ROWS, ERROR_MSG FROM information_schema.loads WHERE state IN ('FINISHED', 'CANCELLED')")
	if err == nil && done.rows[0][1] != "FINISHED" {
		err = fmt.Errorf("the load is %s: %s", done.rows[0][1], done.rows[0][3])
	}
	return err
}
