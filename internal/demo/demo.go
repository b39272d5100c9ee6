// Package demo is the story that `lakeport demo` tells: it prepares an AWS
// account by signed calls, creates external catalogs over the MySQL port as an
// instance profile, as assumed roles and as an IAM user, queries each, breaks
// one hop and mends it. It speaks to the ports only, as a user would.
package demo

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-sql-driver/mysql"
)

// Account is the account that the documents of the three methods use.
const Account = "081976408565"

// Region is where its bucket and its Glue tables are.
const Region = "us-west-2"

// Options say where the server listens and how to tell the story.
type Options struct {
	MySQL     string // host:port
	AWS       string // the sandbox's URL
	AccessKey string // of the account's root user
	SecretKey string
	Dir       string // scratch directory for the data files
	Started   time.Time
	Out       io.Writer
	Terminal  bool // colours, and lines that rewrite themselves
	Width     int  // columns of the terminal
}

type story struct {
	Options
	screen
	aws aws.Config
	db  *sql.DB
	log *decisions

	answered bool
}

// Run tells the story once.
func Run(ctx context.Context, o Options) error {
	s := &story{Options: o, screen: screen{out: o.Out, terminal: o.Terminal, width: o.Width}}
	s.aws = aws.Config{
		Region: Region, BaseEndpoint: aws.String(o.AWS),
		Credentials:                credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	}
	s.log = &decisions{url: o.AWS, credentials: s.aws.Credentials}
	connector, err := mysql.NewConnector(&mysql.Config{User: "root", Net: "tcp", Addr: o.MySQL, AllowNativePasswords: true, CheckConnLiveness: true})
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	defer s.db.Close()

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
	s.chapter("Mended")
	if err := s.trust(ctx, "s3_assumed_role", roleARN(instanceRole)); err != nil {
		return err
	}
	s.step("iam UpdateAssumeRolePolicy: s3_assumed_role trusts role/%s again", instanceRole)
	return s.ask(ctx)
}

// exec runs a statement that returns nothing. A quiet one is not told; secrets
// are told as the server would print them.
func (s *story) exec(ctx context.Context, text string, quiet bool, secrets ...string) error {
	if !quiet {
		told := text
		for _, x := range secrets {
			told = strings.ReplaceAll(told, x, "******")
		}
		s.statement(told)
	}
	begin := time.Now()
	if _, err := s.db.ExecContext(ctx, text); err != nil {
		return fmt.Errorf("run %s: %w", strings.SplitN(text, "\n", 2)[0], err)
	}
	if !quiet {
		s.note("OK in %s", round(time.Since(begin)))
	}
	return nil
}

func (s *story) fetch(ctx context.Context, text string) (head []string, rows [][]string, err error) {
	r, err := s.db.QueryContext(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if head, err = r.Columns(); err != nil {
		return nil, nil, err
	}
	for r.Next() {
		cells, ptrs := make([]sql.NullString, len(head)), make([]any, len(head))
		for i := range cells {
			ptrs[i] = &cells[i]
		}
		if err := r.Scan(ptrs...); err != nil {
			return nil, nil, err
		}
		row := make([]string, len(head))
		for i, c := range cells {
			row[i] = c.String
		}
		rows = append(rows, row)
	}
	return head, rows, r.Err()
}

// Goodbye tells how to connect from a shell while the server stays up.
func Goodbye(o Options) {
	s := screen{out: o.Out, terminal: o.Terminal, width: o.Width}
	host, port, _ := strings.Cut(o.MySQL, ":")
	s.chapter("Yours to try; Ctrl-C ends it")
	s.plain("  mysql -h " + host + " -P " + port + " -u root")
	s.plain("")
	s.plain("  export AWS_ACCESS_KEY_ID=" + o.AccessKey + " AWS_REGION=" + Region)
	s.plain("  export AWS_SECRET_ACCESS_KEY=" + o.SecretKey)
	s.plain("  aws --endpoint-url " + o.AWS + " s3 ls s3://" + bucket + "/trips/")
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
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
