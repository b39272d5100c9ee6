package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lakeport/internal/demo"
)

// The chapters tell what the conformance suite runs, to the letter.
func TestDemoPrintsWhatThePagesPrint(t *testing.T) {
	t.Parallel()
	for _, c := range conformanceCases(t) {
		chapter, name, _ := strings.Cut(c.name, "-")
		told := demo.Page(chapter)[name]
		if told == "" {
			t.Errorf("chapter %s does not tell %s", chapter, name)
			continue
		}
		found := false
		for section, text := range c.sections {
			found = found || text == told && (section == "statement" || strings.HasSuffix(section, ".json"))
		}
		if !found {
			t.Errorf("chapter %s tells %s otherwise than the page:\n%s", chapter, name, told)
		}
	}
}

// A new user's run of every chapter: what it prints, in order.
func TestDemoTellsEveryChapter(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "demo", "all", "--exit", "--mysql", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--aws", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "AWS_PROFILE=nobody", "AWS_REGION=eu-north-1")
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out, rest := string(text), string(text)
	for _, milestone := range []string{
		"lakeport demo starrocks", "| 2024-12      | 69545 | 6.27      | 1660638 |", "first answer", `"aws.s3.secret_key" = "******"`, "Denied: sts:AssumeRole on arn:aws:iam::081976408565:role/s3_assumed_role",
		"add to the trust policy of arn:aws:iam::081976408565:role/s3_assumed_role", "1 denied, 0 unknown",
		"| 3  | green  |", "| test_credential_instanceprofile_7 | FINISHED | 5         | NULL      |", `property "aws.s3.secret_key" is the same text as aws.s3.access_key`,
		"12 of 12 statements and 2 of 2 policies of the page",
		"lakeport demo redshift", "3 record(s) loaded successfully", "3 record(s) unloaded successfully", "encrypted by", "unterminated string", "2 record(s) loaded successfully",
		"Denied: kms:Decrypt", "3 of 3 statements and 2 of 2 policies of the page",
		"lakeport demo s3tables", "MalformedPolicyDocument", "3 faults mended", "Denied: glue:CreateDatabase", "Insufficient Lake", "do not let external engines access data",
		"| 1000374 | 8.4           | 42.13       | Y                  | 1         |", "6 of 6 statements and 1 of 1 policies of the page",
		"lakeport demo pipes", "rds-db:connect", "| 10000  | 75007500.00 |", "| 10001 | 99.99  | one more |", "Denied: sts:TagSession", "Denied: sts:AssumeRole", "IAM authentication refused", "IAM authentication refused",
		"rds.iam_auth_for_replication", `"password" = "******"`, "| 10001 | 99.99  | one more |", "3 of 3 statements and 2 of 2 policies of the page",
		"24 of 24 statements and 7 of 7 policies of the pages ran as printed",
	} {
		_, after, ok := strings.Cut(rest, milestone)
		if !ok {
			t.Fatalf("the demo does not tell %q there:\n%s", milestone, out)
		}
		rest = after
	}
	if n := strings.Count(out, "first answer"); n != 1 {
		t.Errorf("there are %d first answers", n)
	}
	if strings.ContainsRune(out, '\x1b') {
		t.Error("there are colours where no terminal is")
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}

// What keeps a chapter from being told is said before anything runs: servers
// that are missing, with the command that fetches them, a directory in use, a
// chapter that is none.
func TestDemoSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"all", "run `make parts`"},
		{"redshift --data .", "is not empty: a chapter begins with an empty directory"},
		{"taxis", `there is no chapter "taxis": there are starrocks, redshift, s3tables, pipes and all`},
	} {
		cmd := exec.Command(binary, strings.Fields("demo --exit "+c.args)...)
		cmd.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(cmd.Dir, "mine"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("demo %s says %s (%v), want %s", c.args, out, err, c.want)
		}
	}
}
