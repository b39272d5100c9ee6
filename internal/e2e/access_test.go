package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5/pgconn"

	"lakeport/internal/syntax"
)

// step is one row of EXPLAIN ACCESS.
type step struct {
	number                                             int
	principal, action, resource, decision, reason, fix string
}

// call is the step as the conformance suite spells calls.
func (s step) call() string {
	part := strings.SplitN(s.principal, ":", 6)
	if len(part) < 6 { // a service, or nobody knows whose
		return s.principal + " " + s.action + " " + s.resource
	}
	return part[4] + ":" + part[5] + " " + s.action + " " + s.resource
}

// rows sends a statement and gives its answer as text.
type rows func(statement string) ([][]string, error)

// mysqlRows asks over the MySQL port.
func mysqlRows(db *sql.DB) rows {
	return func(statement string) ([][]string, error) {
		r, err := db.Query(statement)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		head, err := r.Columns()
		if err != nil {
			return nil, err
		}
		var list [][]string
		for r.Next() {
			cells, at := make([]string, len(head)), make([]any, len(head))
			for i := range cells {
				at[i] = &cells[i]
			}
			if err := r.Scan(at...); err != nil {
				return nil, err
			}
			list = append(list, cells)
		}
		return list, r.Err()
	}
}

// redshiftRows asks over the other port.
func redshiftRows(conn *pgconn.PgConn) rows {
	return func(statement string) ([][]string, error) {
		results, err := conn.Exec(context.Background(), statement).ReadAll()
		if err != nil {
			return nil, err
		}
		var list [][]string
		for _, r := range results {
			for _, row := range r.Rows {
				cells := make([]string, len(row))
				for i := range row {
					cells[i] = string(row[i])
				}
				list = append(list, cells)
			}
		}
		return list, nil
	}
}

// looks are the actions that EXPLAIN ACCESS may take: they show metadata, or
// give sessions.
var looks = regexp.MustCompile(`^(?:[a-z0-9]+:(?:Get|List|Describe|Head)[A-Za-z]*|sts:AssumeRole|sts:TagSession|kms:Decrypt|lakeformation:(?:DESCRIBE|SELECT))$`)

// rowData are the objects that hold rows. The tail of an ORC file, which tells
// its columns, may be read.
var rowData = regexp.MustCompile(`\.(?:parquet|csv|txt|gz)$`)

// explainAccess gives the steps of a statement. What AWS sees meanwhile shows
// metadata alone.
func (l *lab) explainAccess(ask rows, statement string) []step {
	l.t.Helper()
	_, last := l.decisions(0, "&limit=0")
	list, err := ask("EXPLAIN ACCESS " + statement)
	if err != nil {
		l.t.Fatalf("EXPLAIN ACCESS %s\n%v", statement, err)
	}
	log, _ := l.decisions(last, "")
	for _, e := range log {
		if e.Decision == "none" { // the call broke off, as where another's refusal ends a plan
			continue
		}
		if !looks.MatchString(e.Action) && !strings.HasPrefix(e.Action, "imds:") || e.Method == "GET" && rowData.MatchString(e.Path) && e.Bytes > 0 {
			l.t.Errorf("EXPLAIN ACCESS %s\nmakes the call %s on %s of %d bytes", statement, e.Action, e.Path, e.Bytes)
		}
	}
	var steps []step
	for _, r := range list {
		n, err := strconv.Atoi(r[0])
		l.must(nil, err)
		steps = append(steps, step{n, r[1], r[2], r[3], r[4], r[5], r[6]})
	}
	return steps
}

// doctors is the environment of a server whose doctor reads policies as the
// root users of the accounts.
func doctors(t *testing.T, accounts ...string) []string {
	t.Helper()
	var text, names strings.Builder
	for _, id := range accounts {
		k := rootKeys[id]
		fmt.Fprintf(&text, "[doctor-%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, k.AccessKeyID, k.SecretAccessKey)
		names.WriteString("doctor-" + id + ",")
	}
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"AWS_SHARED_CREDENTIALS_FILE=" + file, "AWS_CONFIG_FILE=" + file + ".none", "LAKEPORT_DOCTOR_PROFILE=" + names.String()}
}

// explain makes the world on a new server, and gives the steps of the case's
// statement and of the queries that use it.
func (c *conformanceCase) explain(t *testing.T, lines []worldLine, env ...string) (*world, rows, []step) {
	t.Helper()
	l := newLabOn(t, c.host, append(env, "AWS_REGION="+region)...)
	w := l.makeWorld(lines, c.sections)
	ask, statements := c.statements(w)
	var steps []step
	for _, statement := range statements {
		steps = append(steps, l.explainAccess(ask, statement)...)
		if changes.MatchString(statement) { // what the rest uses
			if _, err := ask(statement); err != nil {
				l.t.Fatalf("%s\n%v", statement, err)
			}
		}
	}
	return w, ask, steps
}

// statements are what a user of the page sends to lakeport, and how. Of the
// pages whose own statements are a database's, it is what makes the pipe.
func (c *conformanceCase) statements(w *world) (ask rows, list []string) {
	db := w.db()
	db.SetMaxOpenConns(1) // SET CATALOG and USE are a session's
	ask, dialect := mysqlRows(db), syntax.StarRocks
	if strings.TrimSpace(c.sections["client"]) == "psql" {
		ask, dialect = redshiftRows(w.pgx("default_catalog").PgConn()), syntax.Redshift
	}
	text := prompt.ReplaceAllString(c.sections["statement"], "")
	if mended := c.sections["repaired"]; mended != "" {
		text = mended
	}
	parts := []string{c.sections["before"], text, c.sections["query"]}
	if w.source != nil {
		parts = []string{c.sections["pipe"]}
	}
	for _, part := range parts {
		part = w.fill(part)
		for _, span := range syntax.Split(part, dialect) {
			list = append(list, part[span.Pos:span.End])
		}
	}
	return ask, list
}

// changes are statements that others build upon.
var changes = regexp.MustCompile(`(?is)^\s*(?:create\s+(?:external|database|table)|insert|set|use)\b`)

// What EXPLAIN ACCESS foretells is what AWS records, call by call.
func TestExplainAccessForetellsTheCalls(t *testing.T) {
	for _, c := range conformanceCases(t) {
		foretells := func(of func(*testing.T) *conformanceCase) func(*testing.T) {
			return func(t *testing.T) {
				t.Parallel()
				c := of(t)
				_, _, steps := c.explain(t, c.world, doctors(t, home, partner, elsewhereHome)...)
				var calls []string
				for _, s := range steps {
					calls = append(calls, c.generated(s.call())...)
					if s.decision != "allowed" {
						t.Errorf("%s is %s: %s", s.call(), s.decision, s.reason)
					}
				}
				c.compareCalls(t, calls)
			}
		}
		t.Run(c.name, foretells(func(*testing.T) *conformanceCase { return &c }))
		// A metastore takes long to start, and knows no names of AWS; the pipes are all one.
		if !strings.Contains(c.sections["world"], "\nhive ") && (c.sections["pipe"] == "" || c.name == "pipes-policy-connect") {
			t.Run(c.name+" elsewhere", foretells(c.permuted))
		}
	}
}

// generated are the calls on the names that a foretold prefix* stands for.
func (c *conformanceCase) generated(call string) []string {
	prefix, many := strings.CutSuffix(call, "*")
	var list []string
	for wanted := range strings.Lines(c.sections["calls"]) {
		if wanted = strings.TrimSpace(wanted); many && strings.HasPrefix(wanted, prefix) {
			list = append(list, wanted)
		}
	}
	if list == nil {
		return []string{call}
	}
	return list
}

// Without a lock's key, the denied step names the call and the reason that the
// error names, and what it says to add lets the statement pass.
func TestExplainAccessMendsEachLock(t *testing.T) {
	denial := regexp.MustCompile(`^Denied: (\S+) on (\S+) as .*: (.*)$`)
	for _, c := range conformanceCases(t) {
		if !slices.Contains([]string{"starrocks-glue-assumed-role", "starrocks-policy-assume", "starrocks-file-table-iam-user", "starrocks-load-assumed-role", "redshift-copy", "redshift-unload"}, c.name) {
			continue
		}
		for i, line := range c.world {
			m := denial.FindStringSubmatch(line.lock)
			if m == nil {
				continue
			}
			t.Run(c.name+"/"+line.verb+" "+line.args, func(t *testing.T) {
				t.Parallel()
				w, ask, steps := c.explain(t, without(c.world, i), doctors(t, home, partner)...)
				denied := 0
				resource := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(m[2]), `\*`, ".*") + "$")
				for _, s := range steps {
					if s.decision == "allowed" {
						continue
					}
					denied++
					if s.action != m[1] || !strings.HasPrefix(s.reason, m[3]) || s.decision != "denied" {
						t.Errorf("%s is %s: %s, want %s", s.call(), s.decision, s.reason, line.lock)
					}
					prefix, many := strings.CutSuffix(s.resource, "*")
					if denied == 1 && !resource.MatchString(s.resource) && !(many && strings.HasPrefix(m[2], prefix)) {
						t.Errorf("the first that is denied is %s, want %s", s.call(), line.lock)
					}
					w.mend(c.host, fmt.Sprintf("mended-%d", s.number), s.fix)
				}
				if denied == 0 {
					t.Fatalf("nothing is denied without %s %s", line.verb, line.args)
				}
				for _, text := range []string{c.sections["statement"], c.sections["query"]} {
					for _, span := range syntax.Split(text, syntax.StarRocks) {
						for _, s := range w.explainAccess(ask, w.fill(text[span.Pos:span.End])) {
							if s.decision != "allowed" {
								t.Errorf("mended, %s is %s: %s", s.call(), s.decision, s.reason)
							}
						}
					}
				}
			})
		}
	}
}

// expected is the step that a lock's message is about, and the reason it gives.
func (l worldLine) expected() (action, reason string) {
	if m := regexp.MustCompile(`^Denied: (\S+)(?: on \S+)? as .*?: ?(.*)$`).FindStringSubmatch(l.lock); m != nil {
		return m[1], m[2]
	}
	for message, step := range map[string][2]string{
		"Insufficient Lake Formation permission(s): Required Create Database": {"lakeformation:CREATE_DATABASE", "no grant of Lake Formation gives it"},
		"Access is not allowed. The data lake settings":                       {"lakeformation:GetDataAccess", "the data lake settings do not let external engines"},
		"IAM authentication refused":                                          {"rds-db:connect", "no identity-based policy allows it"},
	} {
		if l.verb == "iam-authentication" {
			return "rds-db:connect", "IAM authentication is switched off for the database " + l.args
		}
		if strings.HasPrefix(l.lock, message) {
			return step[0], step[1]
		}
	}
	return "", ""
}

// Statement by statement, what is denied without a lock's key is the step that
// the error names, and what the fix says lets the statement pass, in truth.
func TestExplainAccessMendsTheWalk(t *testing.T) {
	for _, c := range conformanceCases(t) {
		if c.name != "s3tables-insert" && c.name != "pipes-policy-connect" {
			continue
		}
		for i, line := range c.world {
			action, reason := line.expected()
			if action == "" {
				continue
			}
			t.Run(c.name+"/"+line.verb+" "+line.args, func(t *testing.T) {
				t.Parallel()
				w := newLabOn(t, c.host, append(doctors(t, home), "AWS_REGION="+region)...).makeWorld(without(c.world, i), c.sections)
				ask, statements := c.statements(w)
				denied := 0
				for n, statement := range statements {
					for round := 0; ; round++ {
						steps := w.explainAccess(ask, statement)
						open := 0
						for _, s := range steps {
							if s.decision == "allowed" {
								continue
							}
							if open++; s.decision == "denied" {
								if denied++; denied == 1 && (s.action != action || !strings.HasPrefix(s.reason, reason)) {
									t.Errorf("the first that is denied is %s: %s, want %s", s.call(), s.reason, line.lock)
								}
								w.mend(c.host, fmt.Sprintf("mended-%d-%d-%d", n, round, s.number), s.fix)
							}
						}
						if open == 0 {
							break
						}
						if round == 3 {
							t.Fatalf("%s\nmended, it is not allowed: %+v", statement, steps)
						}
					}
					if changes.MatchString(statement) {
						if _, err := ask(statement); err != nil {
							t.Fatalf("mended, %s\n%v", statement, err)
						}
					}
				}
				if denied == 0 {
					t.Errorf("nothing is denied without %s %s", line.verb, line.args)
				}
			})
		}
	}
}

var (
	lakeFix   = regexp.MustCompile(`(?m)^add to the (grants of Lake Formation in|data lake settings of) account (\d+): (\{.*\})$`)
	switchFix = regexp.MustCompile(`(?m)^add to the settings of database (\S+) in account (\d+) by ModifyDBInstance: \{"EnableIAMDatabaseAuthentication":true\}$`)
)

// mendService does what a fix says of Lake Formation or of RDS.
func (w *world) mendService(fix string) (done bool) {
	w.t.Helper()
	for _, m := range switchFix.FindAllStringSubmatch(fix, -1) {
		w.iamAuthentication(m[2], m[1])
		done = true
	}
	for _, m := range lakeFix.FindAllStringSubmatch(fix, -1) {
		if done = true; m[1] == "data lake settings of" {
			w.externalEngines(m[2], "")
			continue
		}
		var in lakeformation.GrantPermissionsInput
		w.must(nil, json.Unmarshal([]byte(m[3]), &in))
		w.must(w.lake(m[2]).GrantPermissions(w.ctx, &in))
	}
	return done
}

var fixShape = regexp.MustCompile(`(?m)^add to the (identity-based policies|trust policy) of arn:aws:iam::(\d+):(user|role)/(\S+): (\{.*\})$`)

// mend does what a fix says.
func (w *world) mend(account, name, fix string) {
	w.t.Helper()
	found := fixShape.FindAllStringSubmatch(fix, -1)
	if other := w.mendService(fix); found == nil && !other {
		w.t.Fatalf("no fix that could be made: %q", fix)
	}
	for _, m := range found {
		api := w.iam(m[2])
		switch {
		case m[1] == "trust policy":
			var added, held struct{ Statement []json.RawMessage }
			w.must(nil, json.Unmarshal([]byte(m[5]), &added))
			role, err := api.GetRole(context.Background(), &iam.GetRoleInput{RoleName: &m[4]})
			w.must(role, err)
			text, err := url.PathUnescape(*role.Role.AssumeRolePolicyDocument)
			w.must(nil, errors.Join(err, json.Unmarshal([]byte(text), &held)))
			var all []string
			for _, st := range slices.Concat(held.Statement, added.Statement) {
				all = append(all, string(st))
			}
			w.must(api.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: &m[4], PolicyDocument: document(all...)}))
		case m[3] == "user":
			w.must(api.PutUserPolicy(context.Background(), &iam.PutUserPolicyInput{UserName: &m[4], PolicyName: &name, PolicyDocument: aws.String(m[5])}))
		default:
			w.must(api.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: &m[4], PolicyName: &name, PolicyDocument: aws.String(m[5])}))
		}
	}
}

// Who may not read policies is told so, and nothing is called allowed.
func TestExplainAccessDoesNotGuessWhatItMayNotRead(t *testing.T) {
	whys := map[string]*regexp.Regexp{
		"starrocks-glue-assumed-role": regexp.MustCompile(`iam:GetAccountAuthorizationDetails as role starrocks-ec2`),
		"s3tables-insert":             regexp.MustCompile(`(?:iam:GetAccountAuthorizationDetails|lakeformation:GetDataLakeSettings) as user alice`),
		"pipes-policy-connect":        regexp.MustCompile(`iam:GetAccountAuthorizationDetails as role starrocks-ec2`),
	}
	least := map[string]int{"starrocks-glue-assumed-role": 10, "s3tables-insert": 30, "pipes-policy-connect": 3}
	for _, c := range conformanceCases(t) {
		why := whys[c.name]
		if why == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, steps := c.explain(t, c.world)
			if len(steps) < least[c.name] {
				t.Errorf("%d steps, want those of the whole plan, which the catalog's own identities can make", len(steps))
			}
			for _, s := range steps {
				if s.decision != "unknown" || !why.MatchString(s.reason) {
					t.Errorf("%s is %s: %s", s.call(), s.decision, s.reason)
				}
			}
		})
	}
}

// The server's own identity judges where it may read policies, and looks at
// metadata where a broken hop keeps the catalog's identity from it.
func TestExplainAccessReadsAsTheServerItself(t *testing.T) {
	t.Parallel()
	for _, c := range conformanceCases(t) {
		if c.name != "starrocks-file-table-assumed-role" {
			continue
		}
		lines := slices.Clone(c.world)
		for i := range lines {
			if lines[i].verb == "role" && strings.HasPrefix(lines[i].args, "s3_assumed_role ") {
				lines = without(lines, i)
			}
		}
		lines = append(lines, worldLine{account: home, verb: "allow",
			args: "role/starrocks-ec2 iam:GetAccountAuthorizationDetails s3:ListAllMyBuckets s3:GetBucketPolicy s3:ListBucket s3:GetObject *"})
		_, _, steps := c.explain(t, lines)
		var told []string
		for _, s := range steps {
			told = append(told, s.decision+" "+s.action)
		}
		if want := []string{"denied sts:AssumeRole", "allowed s3:ListBucket", "allowed s3:GetObject"}; !slices.Equal(told, want) {
			t.Errorf("the steps are %v, want %v: %+v", told, want, steps)
		}
	}
}

// Across accounts both sides are judged: a hop needs its trust and the caller's
// own permission, an object the bucket's policy and the caller's own.
func TestExplainAccessAcrossAccounts(t *testing.T) {
	t.Parallel()
	l := newLab(t, doctors(t, home, partner)...)
	w := l.makeWorld(nil, nil)
	lender := role(partner, "lender")
	l.makeRole(home, "starrocks-ec2", aws.String(ec2Trust), nil)
	w.profile(home, "starrocks-ec2")
	l.makeRole(partner, "lender", document(fmt.Sprintf(
		`{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "the-right-id"}}}`, role(home, "starrocks-ec2"))), nil)
	w.bucket(home, "lake")
	w.object(home, "s3://lake/t/a.parquet SELECT 1::BIGINT AS id")
	db := l.db()
	l.exec(db, "CREATE DATABASE d")
	create := func(id string) {
		l.exec(db, "DROP TABLE IF EXISTS d.t", `CREATE EXTERNAL TABLE d.t (id BIGINT) ENGINE = file PROPERTIES ("path" = "s3://lake/t/", "format" = "parquet", "aws.s3.use_instance_profile" = "true",
			"aws.s3.iam_role_arn" = "`+lender+`", "aws.s3.external_id" = "`+id+`", "aws.s3.region" = "us-west-2")`)
	}
	create("the-wrong-id")
	want := func(what string, s step, decision string, told ...string) {
		t.Helper()
		text := s.call() + " is " + s.decision + ": " + s.reason + "\n" + s.fix
		if s.decision != decision {
			t.Errorf("%s: %s\nwant %s", what, text, decision)
		}
		for _, x := range told {
			if !strings.Contains(text, x) {
				t.Errorf("%s: %s\nwant %s", what, text, x)
			}
		}
		if strings.Contains(text, "-id\"") || strings.Contains(text, "the-") {
			t.Errorf("%s: an external id is told: %s", what, text)
		}
	}
	steps := l.explainAccess(mysqlRows(db), "SELECT * FROM d.t")
	if len(steps) != 3 {
		t.Fatalf("steps %v, want a hop, a list and an object", steps)
	}
	want("the hop", steps[0], "denied", home+":role/starrocks-ec2 sts:AssumeRole "+lender, "no identity-based policy allows it", "sts:ExternalId ******, found another", "add to the identity-based policies of "+role(home, "starrocks-ec2"))
	for _, s := range steps[1:] {
		want("an object", s, "denied", partner+":role/lender s3:", "no identity-based policy allows it; and no resource-based policy allows it", "add to the resource-based policy of arn:aws:s3:::lake: {", `"Principal":{"AWS":"`+lender+`"}`)
	}
	for i, s := range steps {
		own, _, _ := strings.Cut(s.fix, "\n")
		w.mend(home, fmt.Sprintf("mended-%d", i), own)
	}
	create("the-right-id")
	var shared []string
	for _, s := range l.explainAccess(mysqlRows(db), "SELECT * FROM d.t") {
		if s.action == "sts:AssumeRole" {
			want("the mended hop", s, "allowed")
			continue
		}
		want("an object without the bucket's policy", s, "denied", "no resource-based policy allows it")
		_, doc, _ := strings.Cut(s.fix, "arn:aws:s3:::lake: ")
		var added struct{ Statement []json.RawMessage }
		l.must(nil, json.Unmarshal([]byte(doc), &added))
		shared = append(shared, string(added.Statement[0]))
	}
	api := s3.NewFromConfig(l.as(rootKeys[home]))
	l.must(api.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("lake"), Policy: document(shared...)}))
	for _, s := range l.explainAccess(mysqlRows(db), "SELECT * FROM d.t") {
		want("mended", s, "allowed")
	}
	if got, err := value(db, "SELECT * FROM d.t"); got != "1" || err != nil {
		t.Errorf("mended, the query gives %q, %v", got, err)
	}
	shared = append(shared, `{"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}`)
	l.must(api.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("lake"), Policy: document(shared...)}))
	last := l.explainAccess(mysqlRows(db), "SELECT * FROM d.t")
	want("a bucket that denies", last[len(last)-1], "denied", "explicitly denied by statement 3 (Closed) of resource-based policy arn:aws:s3:::lake")
	shared[len(shared)-1] = `{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}`
	l.must(api.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("lake"), Policy: document(shared...)}))
	last = l.explainAccess(mysqlRows(db), "SELECT * FROM d.t")
	want("an address that only the call has", last[len(last)-1], "unknown", "it hangs on aws:SourceIp")
}
