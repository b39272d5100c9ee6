// Package demo is what `lakeport demo` tells, in chapters, each from an empty
// directory: it prepares AWS accounts by signed calls and runs a page's
// statements. It speaks to the ports only, as a user would.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Options say where the server listens and how to tell the story.
type Options struct {
	World    World
	MySQL    string // host:port
	Postgres string // host:port
	AWS      string // the sandbox's URL
	Trust    string // the URL of the certificates that databases of RDS show
	Dir      string // scratch directory for files
	Started  time.Time
	Later    bool // a chapter was told before this one
	Out      io.Writer
	Terminal bool // colours, and lines that rewrite themselves
	Width    int  // columns of the terminal

	// AtEnd is told what to call before the server goes.
	AtEnd func(func())
	// Fresh starts another server, on an empty directory and with a world of
	// its own, which goes when close is called.
	Fresh func(context.Context) (o Options, close func() error, err error)
}

// chapters are what Run tells.
var chapters = []struct {
	name, title string
	tell        func(*story, context.Context) error
}{
	{"starrocks", "catalogs as an instance profile, as assumed roles and as an IAM user", (*story).starrocks},
	{"redshift", "COPY and UNLOAD by a chain of roles across two accounts", (*story).redshift},
	{"s3tables", "a table bucket behind Glue's Iceberg endpoint and Lake Formation", (*story).s3tables},
	{"pipes", "tables of a PostgreSQL and a MariaDB on RDS, logged in to by IAM", (*story).pipes},
}

// Chapters gives the chapters that a name stands for: itself, or for "all"
// every one in order. It fails where there is none.
func Chapters(name string) ([]string, error) {
	var all []string
	for _, c := range chapters {
		all = append(all, c.name)
	}
	switch {
	case name == "all":
		return all, nil
	case slices.Contains(all, name):
		return []string{name}, nil
	}
	return nil, fmt.Errorf("there is no chapter %q: there are %s and all", name, strings.Join(all, ", "))
}

// story is one chapter being told.
type story struct {
	Options
	*screen
	*page
	log     *decisions
	client  client   // by which statements are sent
	secrets []string // told as the server would print them

	answered bool
	closers  []func() error

	files        []partition // of the trips
	metastoreKey userKey
}

// Run tells a chapter on a server whose data directory was empty, and counts
// what it told of the chapter's page.
func Run(ctx context.Context, chapter string, o Options) (t Tally, err error) {
	s := &story{Options: o, screen: &screen{out: o.Out, terminal: o.Terminal, width: o.Width, prompt: ourPrompt}, page: openPage(chapter), log: &decisions{o.config(Account, Region)}, answered: o.Later}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, c := range chapters {
		if c.name != chapter {
			continue
		}
		s.title("lakeport demo "+chapter, c.title)
		if err := c.tell(s, ctx); err != nil {
			return t, fmt.Errorf("chapter %s: %w", chapter, err)
		}
		s.line("")
		t = s.tally()
		s.step("%s of the page ran as printed, %s after the start", t, round(time.Since(o.Started)))
		return t, nil
	}
	return t, fmt.Errorf("there is no chapter %q", chapter)
}

func (s *story) close() (err error) {
	for _, c := range slices.Backward(s.closers) {
		err = errors.Join(err, c())
	}
	return err
}

// elsewhere goes on with the story on another server, and comes back.
func (s *story) elsewhere(ctx context.Context, tell func(*story) error) (err error) {
	o, stop, err := s.Fresh(ctx)
	if err != nil {
		return fmt.Errorf("start another server: %w", err)
	}
	own := *s.page // other keys fill its placeholders
	t := &story{Options: o, screen: s.screen, page: &own, log: &decisions{o.config(Account, Region)}, answered: true}
	defer func() { err = errors.Join(err, t.close(), stop()) }()
	c, err := newMySQL(login{addr: o.MySQL, user: "root"})
	if err != nil {
		return err
	}
	t.connect(c)
	return tell(t)
}

// ourPrompt stands before statements that lakeport answers.
const ourPrompt = "lakeport"

// connect sends what follows by c, until the chapter ends.
func (s *story) connect(c client) {
	s.client = c
	s.closers = append(s.closers, c.close)
}

// mask hides the secrets of a text.
func (s *story) mask(text string) string {
	for _, x := range s.secrets {
		text = strings.ReplaceAll(text, x, "******")
	}
	return text
}

// quiet runs statements that are not told.
func (s *story) quiet(ctx context.Context, texts ...string) error {
	for _, text := range texts {
		if _, err := s.client.query(ctx, text); err != nil {
			return fmt.Errorf("run %s: %w", firstLine(text), err)
		}
	}
	return nil
}

// tell runs statements, and tells of each its answer, its time and who signed
// the calls that it made of AWS.
func (s *story) tell(ctx context.Context, texts ...string) error {
	for _, text := range texts {
		if err := s.tellOne(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) tellOne(ctx context.Context, text string) error {
	since, err := s.log.last(ctx)
	if err != nil {
		return err
	}
	s.statement(s.mask(text))
	begin := time.Now()
	a, err := s.client.query(ctx, text)
	if err != nil {
		return fmt.Errorf("run %s: %w", firstLine(text), err)
	}
	took := round(time.Since(begin))
	for _, n := range a.notices {
		s.plain("  " + n)
	}
	switch {
	case len(a.head) == 0:
		s.note("OK in %s", took)
	case s.answered:
		s.table(a.head, a.rows)
		s.note("%s in %s", count(len(a.rows), "row"), took)
	default:
		s.answered = true
		s.table(a.head, a.rows)
		s.note("%s in %s; first answer %s after the process started", count(len(a.rows), "row"), took, round(time.Since(s.Started)))
	}
	return s.tellSigners(ctx, since)
}

// tellSigners tells who signed calls since then. A statement that another
// database answers makes none.
func (s *story) tellSigners(ctx context.Context, since int64) error {
	if s.prompt != ourPrompt {
		return nil
	}
	signed, err := s.log.signers(ctx, since)
	if err == nil {
		s.signers(signed)
	}
	return err
}

// refused runs a statement that must be refused with an error that says want,
// and tells the error.
func (s *story) refused(ctx context.Context, text, want string) error {
	s.statement(s.mask(text))
	_, err := s.client.query(ctx, text)
	if err == nil {
		return fmt.Errorf("%s was done, although it had to be refused: %s", firstLine(text), want)
	}
	if !strings.Contains(err.Error(), want) {
		return fmt.Errorf("%s was refused for another reason than %q: %w", firstLine(text), want, err)
	}
	s.failure(s.mask(clientError(text, err)))
	return nil
}

// background runs a statement whose work goes on after it, and tells the rows
// that query gives once it has some, and who signed the calls until then.
func (s *story) background(ctx context.Context, text, query string) (answer, error) {
	since, err := s.log.last(ctx)
	if err != nil {
		return answer{}, err
	}
	s.statement(s.mask(text))
	begin := time.Now()
	if err := s.quiet(ctx, text); err != nil {
		return answer{}, err
	}
	a, err := s.until(ctx, query)
	if err != nil {
		return a, err
	}
	s.table(a.head, a.rows)
	s.note("done in %s", round(time.Since(begin)))
	return a, s.tellSigners(ctx, since)
}

// until asks a query again and again until it has rows, at most a minute.
func (s *story) until(ctx context.Context, query string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		a, err := s.client.query(ctx, query)
		if err == nil && len(a.rows) > 0 {
			return a, nil
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("%s has no rows: %w", firstLine(query), errors.Join(err, ctx.Err()))
		case <-time.After(20 * time.Millisecond): // as a user asks again
		}
	}
}

// End sums up several chapters.
func End(o Options, t Tally) {
	s := screen{out: o.Out, terminal: o.Terminal, width: o.Width}
	s.line("")
	s.step("%s of the pages ran as printed, all in %s", t, round(time.Since(o.Started)))
}

// Goodbye tells how to connect from a shell while the server stays up.
func Goodbye(o Options) {
	s := screen{out: o.Out, terminal: o.Terminal, width: o.Width}
	root := o.World.Accounts[Account].Key
	s.chapter("Yours to try; Ctrl-C ends it")
	for _, l := range []struct{ program, addr, rest string }{{"mysql", o.MySQL, "-P %s -u root"}, {"psql", o.Postgres, "-p %s -U root default_catalog"}} {
		host, port, _ := strings.Cut(l.addr, ":")
		s.plain("  " + l.program + " -h " + host + " " + fmt.Sprintf(l.rest, port))
	}
	s.plain("")
	s.plain("  export AWS_ACCESS_KEY_ID=" + root.ID + " AWS_REGION=" + Region)
	s.plain("  export AWS_SECRET_ACCESS_KEY=" + root.Secret)
	s.plain("  aws --endpoint-url " + o.AWS + " iam list-roles")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// count is "1 row", "2 rows".
func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprint(n, " ", of, "s")
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
