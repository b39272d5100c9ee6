package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// The conformance suite: one file for each statement and policy that the
// users' own pages print. A file says which world the text needs, what stands
// for its placeholders, the text as printed, what a user then asks, and what
// is expected: the client's output, and who asked AWS for what. Expectations
// are written by hand from AWS's and StarRocks' documents.
//
//	-- world --      see worldLine; its locks become negative twins
//	-- values --     PRINTED => VALUE; ${key NAME} and ${secret NAME} are a user's
//	-- client --     psql; rds: the statement is the database's behind RDS; absent: mariadb
//	-- statement --  as printed
//	-- before --     statements sent before it
//	-- repaired --   the text mended, where the printed one is broken; sent after it
//	-- until --      a query, asked again until it answers with rows
//	-- source --     sent by its stock client to the database behind RDS, as its
//	                 master user, after the statement if that is the database's too
//	-- pipe --       sent to lakeport then
//	-- query --      more statements, sent after it
//	-- answer --     what the client prints for both; what the world made stands as in values
//	-- calls --      SIGNER ACTION RESOURCE, each at least once and no others; a
//	                 trailing * stands for a generated rest
type conformanceCase struct {
	name     string
	sections map[string]string
	world    []worldLine
	host     string // the account of the machine
}

func conformanceCases(t *testing.T) []conformanceCase {
	t.Helper()
	files, err := filepath.Glob("testdata/conformance/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []conformanceCase
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := conformanceCase{name: strings.TrimSuffix(filepath.Base(file), ".txt"), sections: map[string]string{}, host: home}
		for _, f := range ar.Files {
			c.sections[f.Name] = string(f.Data)
		}
		if c.world, err = parseWorld(c.sections["world"]); err != nil {
			t.Fatalf("%s: world: %v", file, err)
		}
		cases = append(cases, c)
	}
	return cases
}

func TestPrintedStatementsRun(t *testing.T) {
	for _, c := range conformanceCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, calls := c.run(t, c.world)
			c.compare(t, out, calls)
		})
	}
}

// What holds must not hang on the names that the pages print, nor on the
// length of a chain.
func TestPrintedStatementsRunInAnotherWorld(t *testing.T) {
	for _, c := range conformanceCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := c.permuted(t)
			out, calls := p.run(t, p.world)
			p.compare(t, out, calls)
		})
	}
}

// Each lock of a case's world, taken away, is what the error names.
func TestPrintedStatementsStopAtEachLock(t *testing.T) {
	for _, c := range conformanceCases(t) {
		for i, line := range c.world {
			if line.lock == "" {
				continue
			}
			t.Run(c.name+"/"+line.verb+" "+line.args, func(t *testing.T) {
				t.Parallel()
				out, _ := c.run(t, without(c.world, i))
				told := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(line.lock), `\*`, `[^ ]*`))
				if !told.MatchString(out) {
					t.Errorf("without %s %s the client prints\n%s\nwant\n%s", line.verb, line.args, out, line.lock)
				}
			})
		}
	}
}

// without takes line i away. A role stays, but trusts nobody who is there.
func without(lines []worldLine, i int) []worldLine {
	if line := lines[i]; line.verb == "role" {
		name, _, _ := strings.Cut(line.args, " trusts ")
		line.args = name + " trusts nobody"
		lines = slices.Clone(lines)
		lines[i] = line
		return lines
	}
	return append(slices.Clone(lines[:i]), lines[i+1:]...)
}

// stockClients send what stands on standard input, go on after an error, and
// print rows with tabs. The first is the default.
var stockClients = map[string]struct {
	port, program string
	args          func(host, port string) []string
}{
	"": {"mysql", "mariadb", func(host, port string) []string {
		return []string{"-h", host, "-P", port, "-u", "root", "--batch", "--force"}
	}},
	"psql": {"pg", "psql", func(host, port string) []string {
		return []string{"-X", "-q", "-A", "-F", "\t", "-P", "footer=off", "-h", host, "-p", port, "-U", "root", "-d", "default_catalog"}
	}},
}

// prompt is what a page shows of a client before what was typed.
var prompt = regexp.MustCompile(`(?m)^(?:StarRocks>| *->)`)

// run makes the world on a new server, sends the text by a stock client, and
// gives what it printed and the calls that AWS saw of it.
func (c *conformanceCase) run(t *testing.T, lines []worldLine) (out string, calls []string) {
	t.Helper()
	l := newLabOn(t, c.host, "AWS_REGION="+region)
	w := l.makeWorld(lines, c.sections)
	_, last := l.decisions(0, "&limit=0")
	s := &shell{t: t, dir: t.TempDir(), mask: regexp.MustCompile(`$^`)}
	client := stockClients[strings.TrimSuffix(strings.TrimSpace(c.sections["client"]), "rds")]
	host, port, _ := net.SplitHostPort(l.ready[client.port])
	send := func(text string) string { return s.feed(w.fill(text), client.program, client.args(host, port)...) }
	text := c.sections["before"] + prompt.ReplaceAllString(c.sections["statement"], "") + c.sections["repaired"]
	if w.source != nil {
		setup := c.sections["source"]
		if c.sections["client"] == "rds\n" {
			text, setup = "", text+setup
		}
		printed, _ := w.source.send("admin", masterPassword, w.fill(setup))
		out, text = printed, text+c.sections["pipe"]
	}
	if until := c.sections["until"]; until != "" {
		out += send(text)
		l.await("an answer to "+until, func() (string, bool) { return "nothing", send(until) != "" })
		text = ""
	}
	if c.sections["client"] != "" && c.sections["repaired"] != "" { // psql takes what follows an open quote as part of it
		out += send(c.sections["before"] + c.sections["statement"])
		text = c.sections["repaired"]
	}
	out += send(text + c.sections["query"])
	for name, known := range w.values {
		out = strings.ReplaceAll(out, known, "${"+name+"}")
	}
	return out, l.recorded(last)
}

// recorded are the calls that AWS saw after a number of the decision log, each
// once.
func (l *lab) recorded(after int64) (calls []string) {
	log, _ := l.decisions(after, "")
	for _, e := range log {
		if e.Decision == "none" || strings.HasPrefix(e.Action, "imds:") {
			continue
		}
		if len(e.Decisions) == 0 {
			e.Decisions = []judgment{{Action: e.Action, Resource: e.Resource}}
		}
		for _, d := range e.Decisions {
			calls = append(calls, signer(e.Principal)+" "+d.Action+" "+d.Resource)
		}
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}

var session = regexp.MustCompile(`^arn:aws:(?:sts|iam)::(\d+):(?:assumed-role/([^/]+)/.*|(user)/(.+)|(root))$`)

// signer shortens a principal's ARN to ACCOUNT:role/NAME, ACCOUNT:user/NAME or
// ACCOUNT:root.
func signer(arn string) string {
	m := session.FindStringSubmatch(arn)
	switch {
	case m == nil:
		return arn
	case m[3] == "user":
		return m[1] + ":user/" + m[4]
	case m[5] != "":
		return m[1] + ":root"
	}
	return m[1] + ":role/" + m[2]
}

func (c *conformanceCase) compare(t *testing.T, out string, calls []string) {
	t.Helper()
	if want := c.sections["answer"]; out != want {
		t.Errorf("the client prints\n%s\nwant\n%s", out, want)
	}
	c.compareCalls(t, calls)
}

// compareCalls holds calls against those that the case expects.
func (c *conformanceCase) compareCalls(t *testing.T, calls []string) {
	t.Helper()
	wanted := strings.Split(strings.TrimSpace(c.sections["calls"]), "\n")
	met := map[string]bool{}
	for _, call := range calls {
		i := slices.IndexFunc(wanted, func(w string) bool {
			prefix, generated := strings.CutSuffix(w, "*")
			return w == call || generated && strings.HasPrefix(call, prefix)
		})
		if i < 0 {
			t.Errorf("an unexpected call: %s", call)
			continue
		}
		met[wanted[i]] = true
	}
	for _, w := range wanted {
		if w != "" && !met[w] {
			t.Errorf("no call: %s", w)
		}
	}
}

const elsewhereHome = "310000000013"

// elsewhere are the names that the pages print, and others for them.
var elsewhere = strings.NewReplacer(home, elsewhereHome, "starrocks-ec2", "kettle-host", "s3_assumed_role", "r7-reader", "glue_assumed_role", "lexicon",
	"alice", "bo", "starrocks-test", "zz-test-9", "test-bucket", "pail", "test_s3_db", "otherdb", "s3://lake", "s3://mere", "s3:::lake", "s3:::mere",
	"bucket lakehouse", "bucket boathouse", "bucket lake", "bucket mere", "sales", "vendite", "lakehouse", "boathouse", "s3table_db", "cabs_db", "RoleA", "latch", "RoleB", "hinge", "awsexamplebucket",
	"otherexamplepail")

// permuted is the case with other names and accounts, and one role more in
// front of every role that a role assumes.
func (c *conformanceCase) permuted(t *testing.T) *conformanceCase {
	t.Helper()
	p := &conformanceCase{name: c.name, sections: map[string]string{}, host: elsewhereHome}
	for name, text := range c.sections {
		p.sections[name] = elsewhere.Replace(text)
	}
	var world, calls strings.Builder
	hops := map[string]string{} // ARN of the role that a role assumes: the role before it
	for line := range strings.Lines(p.sections["world"]) {
		who, target, ok := hop(line)
		if !ok {
			continue
		}
		hops[target] = p.between(&world, arnOf(p.sections["world"], who), target)
	}
	for line := range strings.Lines(p.sections["calls"]) { // a trust policy may be all that lets a role in
		f := strings.Fields(line)
		if account, role, isRole := strings.Cut(f[0], ":role/"); isRole && f[1] == "sts:AssumeRole" && hops[f[2]] == "" && p.sections["pipe"] != "" {
			hops[f[2]] = p.between(&world, "arn:aws:iam::"+account+":role/"+role, f[2])
		}
	}
	for line := range strings.Lines(p.sections["world"]) {
		if _, target, ok := hop(line); ok {
			line = strings.Replace(line, target, hops[target], 1)
		} else if verb, args, _ := strings.Cut(strings.TrimSpace(line), " "); verb == "role" {
			role, _, _ := strings.Cut(args, " trusts ")
			for target, via := range hops {
				if roleName(target) == role {
					line = "role " + role + " trusts " + via + "\n"
				}
			}
		}
		world.WriteString(line)
	}
	for line := range strings.Lines(p.sections["calls"]) {
		f := strings.Fields(line)
		if via := hops[f[2]]; via != "" {
			if f[1] == "sts:AssumeRole" {
				fmt.Fprintf(&calls, "%s %s %s\n", f[0], f[1], via)
			}
			line = strings.Split(f[2], ":")[4] + ":role/" + roleName(via) + " " + f[1] + " " + f[2] + "\n"
		}
		calls.WriteString(line)
	}
	for _, name := range []string{"statement", "repaired", "pipe"} {
		text := known(p.sections["values"]).Replace(p.sections[name])
		for target, via := range hops {
			text = strings.ReplaceAll(text, target, via+","+target)
			text = strings.ReplaceAll(text, "aws.rds.hop.1.", "aws.rds.hop.2.")
		}
		p.sections[name] = text
	}
	for target, via := range hops { // lists of roles in a hint
		p.sections["answer"] = strings.ReplaceAll(p.sections["answer"], ","+target, ","+via+","+target)
	}
	p.sections["world"], p.sections["calls"] = world.String(), calls.String()
	var err error
	if p.world, err = parseWorld(p.sections["world"]); err != nil {
		t.Fatal(err)
	}
	// Roles that others trust must stand before them: IAM refuses to trust what is not there.
	slices.SortStableFunc(p.world, func(a, b worldLine) int { return order(a, hops) - order(b, hops) })
	return p
}

// between makes a role that from may assume and that target lets in, in the
// world's first lines, and gives its ARN.
func (c *conformanceCase) between(world *strings.Builder, from, target string) string {
	account := strings.Split(target, ":")[4]
	via := "arn:aws:iam::" + account + ":role/via-" + roleName(target)
	fmt.Fprintf(world, "in %s\nrole %s trusts %s\nallow role/%s sts:AssumeRole %s\n", account, roleName(via), from, roleName(via), target)
	if strings.Contains(c.sections["world"], "\ntrust role/"+roleName(target)+" ") { // a printed trust policy names the role before its own
		c.sections["values"] = strings.ReplaceAll(c.sections["values"], from, via)
	}
	return via
}

// known replaces the placeholders whose values the world does not make.
func known(values string) *strings.Replacer {
	var pairs []string
	for line := range strings.Lines(values) {
		if printed, value, ok := strings.Cut(strings.TrimSpace(line), " => "); ok && !strings.Contains(value, "${") {
			pairs = append(pairs, printed, value)
		}
	}
	return strings.NewReplacer(pairs...)
}

// order puts the first roles before the ones in between, and those before the rest.
func order(l worldLine, hops map[string]string) int {
	if l.verb != "role" {
		return 3
	}
	_, trusted, _ := strings.Cut(l.args, " trusts ")
	for _, via := range hops {
		switch {
		case trusted == via:
			return 2
		case strings.HasPrefix(l.args, roleName(via)+" "):
			return 1
		}
	}
	return 0
}

// hop reads `allow role/NAME sts:AssumeRole ARN`.
func hop(line string) (who, target string, ok bool) {
	f := strings.Fields(line)
	if len(f) != 4 || f[0] != "allow" || f[2] != "sts:AssumeRole" {
		return "", "", false
	}
	return strings.TrimPrefix(f[1], "role/"), f[3], true
}

func roleName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// arnOf finds the account in which the world makes a role.
func arnOf(world, role string) string {
	account := home
	for line := range strings.Lines(world) {
		switch verb, args, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case verb == "in":
			account = args
		case verb == "role" && strings.HasPrefix(args, role+" "):
			return "arn:aws:iam::" + account + ":role/" + role
		}
	}
	return "arn:aws:iam::" + account + ":role/" + role
}

// README's counts are the suite's.
func TestReadmeCountsTheSuite(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var count [2]int // statements, policies
	for _, c := range conformanceCases(t) {
		kind := 0
		if strings.Contains(c.name, "-policy") {
			kind = 1
		}
		count[kind]++
	}
	want := fmt.Sprintf("%d of %d statements and %d of %d policies", count[0], count[0], count[1], count[1])
	if !strings.Contains(string(text), want) {
		t.Errorf("README does not say %q of the conformance suite", want)
	}
}
