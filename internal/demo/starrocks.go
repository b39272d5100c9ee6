package demo

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// starrocks is the chapter of StarRocks' pages: external catalogs over Glue as
// an instance profile, as assumed roles and as an IAM user, a query of each, one
// hop broken, explained and mended.
func (s *story) starrocks(ctx context.Context) error {
	s.title("lakeport demo", "one process, offline: a SQL server and an AWS that refuses what AWS would refuse")
	user, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	for _, chapter := range []struct {
		title, statement string
	}{
		{"Instance profile: the instance's own role reads Glue and S3", instanceProfile},
		{"Assumed roles: the instance's role assumes one role for S3 and one for Glue", assumedRole},
		{"IAM user: static keys", strings.NewReplacer("<iam_user_access_key>", user.id, "<iam_user_secret_key>", user.secret).Replace(iamUser)},
	} {
		if err := s.method(ctx, chapter.title, chapter.statement, user); err != nil {
			return err
		}
	}
	return s.breakAndMend(ctx)
}

// method runs one way of authentication: a catalog, a query, and who signed.
func (s *story) method(ctx context.Context, title, create string, user userKey) error {
	s.chapter(title)
	if err := s.exec(ctx, "DROP CATALOG IF EXISTS hive_catalog_glue", true); err != nil {
		return err
	}
	if err := s.exec(ctx, create, false, user.secret); err != nil {
		return err
	}
	return s.ask(ctx)
}

const question = `SELECT pickup_month, count(*) AS trips, round(avg(trip_distance), 2) AS avg_miles,
       CAST(sum(total_amount) AS BIGINT) AS revenue
FROM hive_catalog_glue.taxi.trips
WHERE pickup_month >= '2024-10' AND passenger_count > 1
GROUP BY pickup_month ORDER BY pickup_month`

// ask runs the query and tells the answer, the time, and who signed what.
func (s *story) ask(ctx context.Context) error {
	since, err := s.log.last(ctx)
	if err != nil {
		return err
	}
	s.statement(question)
	begin := time.Now()
	head, rows, err := s.fetch(ctx, question)
	took := time.Since(begin)
	if err != nil {
		return err
	}
	s.table(head, rows)
	if s.answered {
		s.note("%d rows in %s", len(rows), round(took))
	} else {
		s.answered = true
		s.note("%d rows in %s; first answer %s after the process started", len(rows), round(took), round(time.Since(s.Started)))
	}
	signed, err := s.log.signers(ctx, since)
	if err != nil {
		return err
	}
	s.signers(signed)
	return nil
}

// breakAndMend takes the instance role out of a trust policy, shows what the
// user sees, and puts it back.
func (s *story) breakAndMend(ctx context.Context) error {
	s.chapter("A broken hop: s3_assumed_role stops trusting the instance's role")
	for _, text := range []string{"DROP CATALOG hive_catalog_glue", assumedRole} {
		if err := s.exec(ctx, text, true); err != nil {
			return err
		}
	}
	if err := s.trust(ctx, "s3_assumed_role", roleARN("someone_else")); err != nil {
		return err
	}
	s.step("iam UpdateAssumeRolePolicy: s3_assumed_role now trusts role/someone_else")
	if err := s.exec(ctx, "REFRESH CREDENTIALS FOR CATALOG hive_catalog_glue", false); err != nil {
		return err
	}
	s.statement(question)
	if _, _, err := s.fetch(ctx, question); err == nil {
		return fmt.Errorf("the query was answered although %s does not trust the instance's role", "s3_assumed_role")
	} else {
		s.failure(err)
	}
	if err := s.explain(ctx); err != nil {
		return err
	}
	s.chapter("Mended")
	if err := s.trust(ctx, "s3_assumed_role", roleARN(instanceRole)); err != nil {
		return err
	}
	s.step("iam UpdateAssumeRolePolicy: s3_assumed_role trusts role/%s again", instanceRole)
	return s.ask(ctx)
}

// spaced lets a document be wrapped.
var spaced = strings.NewReplacer(`":`, `": `, `,"`, `, "`)

// explain asks which calls the query needs, and tells what is denied.
func (s *story) explain(ctx context.Context) error {
	s.statement("EXPLAIN ACCESS " + question)
	begin := time.Now()
	_, steps, err := s.fetch(ctx, "EXPLAIN ACCESS "+question)
	if err != nil {
		return err
	}
	var rows [][]string
	var fixes []string
	counts := map[string]int{}
	for _, step := range steps {
		principal, action, resource, decision, fix := step[1], step[2], step[3], step[4], step[6]
		counts[decision]++
		if decision != "allowed" {
			rows = append(rows, []string{principal[strings.LastIndexByte(principal, '/')+1:], action, resource, decision})
			fixes = append(fixes, fix)
		}
	}
	s.table([]string{"principal", "action", "resource", "decision"}, rows)
	for _, fix := range fixes {
		for _, line := range wrap(spaced.Replace(fix), min(s.width, 100)-4) {
			s.plain("  " + line)
		}
	}
	s.note("%d calls foretold and judged in %s: %d allowed, %d denied, %d unknown", len(steps), round(time.Since(begin)), counts["allowed"], counts["denied"], counts["unknown"])
	return nil
}

// The statements of the three methods, as StarRocks' documentation prints them
// ("Authenticate to AWS resources", external catalog, AWS Glue).
const (
	instanceProfile = `CREATE EXTERNAL CATALOG hive_catalog_glue
PROPERTIES
(
    "type" = "hive",
    "aws.s3.use_instance_profile" = "true",
    "aws.s3.region" = "us-west-2",
    "hive.metastore.type" = "glue",
    "aws.glue.use_instance_profile" = "true",
    "aws.glue.region" = "us-west-2"
);`
	assumedRole = `CREATE EXTERNAL CATALOG hive_catalog_glue
PROPERTIES
(
    "type" = "hive",
    "aws.s3.use_instance_profile" = "true",
    "aws.s3.iam_role_arn" = "arn:aws:iam::081976408565:role/s3_assumed_role",
    "aws.s3.region" = "us-west-2",
    "hive.metastore.type" = "glue",
    "aws.glue.use_instance_profile" = "true",
    "aws.glue.iam_role_arn" = "arn:aws:iam::081976408565:role/glue_assumed_role",
    "aws.glue.region" = "us-west-2"
);`
	iamUser = `CREATE EXTERNAL CATALOG hive_catalog_glue
PROPERTIES
(
    "type" = "hive",
    "aws.s3.use_instance_profile" = "false",
    "aws.s3.access_key" = "<iam_user_access_key>",
    "aws.s3.secret_key" = "<iam_user_secret_key>",
    "aws.s3.region" = "us-west-2",
    "hive.metastore.type" = "glue",
    "aws.glue.use_instance_profile" = "false",
    "aws.glue.access_key" = "<iam_user_access_key>",
    "aws.glue.secret_key" = "<iam_user_secret_key>",
    "aws.glue.region" = "us-west-2"
);`
)
