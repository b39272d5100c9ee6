// Package demo is what `lakeport demo` tells, in chapters, each from an empty
// directory: it prepares AWS accounts by signed calls and runs a page's
// statements. It speaks to the ports only, as a user would.
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

// chapters are what Run tells, by name; nil is not built.
var chapters = map[string]func(*story, context.Context) error{"starrocks": (*story).starrocks, "redshift": nil, "s3tables": nil, "pipes": nil, "all": nil}

// Check refuses a chapter that cannot be told.
func Check(chapter string) error {
	tell, known := chapters[chapter]
	switch {
	case !known:
		return fmt.Errorf("there is no chapter %q: there are starrocks, redshift, s3tables, pipes and all", chapter)
	case tell == nil:
		return fmt.Errorf("the chapter %s is not built yet: starrocks is", chapter)
	}
	return nil
}

// Run tells a chapter once.
func Run(ctx context.Context, chapter string, o Options) error {
	if err := Check(chapter); err != nil {
		return err
	}
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

	return chapters[chapter](s, ctx)
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
