package sandbox_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"lakeport/internal/sandbox"
)

// call signs a request for a service at a time and gives status and body.
func (l *lab) call(t testing.TB, c aws.Credentials, service, region string, at time.Time, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, l.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if c.AccessKeyID != "" {
		if err := v4.NewSigner().SignHTTP(context.Background(), c, r, hash, service, region, at); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// signed is a request of the query protocol by the first account's root user.
func (l *lab) signed(t testing.TB, service, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, l.url+"/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	root := aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"}
	if err := v4.NewSigner().SignHTTP(context.Background(), root, r, hex.EncodeToString(sum[:]), service, "us-east-1", l.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

// instrument uses one of the lab's instruments as root.
func (l *lab) instrument(t testing.TB, method, path, body string, into any) {
	t.Helper()
	status, text := l.call(t, l.root, "lakeport", "us-east-1", l.Now(), method, "/_lakeport/"+path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

func TestInstrumentsAreForRootUsers(t *testing.T) {
	l := open(t, sandbox.Options{})
	ann := l.user(t, "ann", allow("*", "*"))
	for _, tt := range []struct {
		who                aws.Credentials
		method, path, body string
		status             int
		want               string
	}{
		{ann, "GET", "clock", "", 403, "is no root user"},
		{aws.Credentials{}, "GET", "clock", "", 403, "sign the request"},
		{l.root, "GET", "clock", "", 200, `"offset":"0s"`},
		{l.root, "GET", "cloak", "", 404, "there are clock, faults and decisions"},
		{l.root, "POST", "clock", `{"advance": "1h", "offset": "2h"}`, 400, "give one of"},
		{l.root, "POST", "clock", `{"advance": "soon"}`, 400, "invalid duration"},
		{l.root, "POST", "clock", `{"when": "now"}`, 400, `unknown field \"when\"`},
		{l.root, "POST", "faults", `{"share": 2, "delay": "1s"}`, 400, "share 2 is not between 0 and 1"},
		{l.root, "POST", "faults", `{"service": "s3"}`, 400, "rule does nothing"},
		{l.root, "POST", "faults", `{"status": 200}`, 400, "status 200 is not an error's"},
		{l.root, "GET", "decisions?since=x", "", 400, "is no seq"},
	} {
		status, text := l.call(t, tt.who, "lakeport", "us-east-1", l.Now(), tt.method, "/_lakeport/"+tt.path, tt.body)
		if status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s %s: got %d %s, want %d with %q", tt.method, tt.path, tt.body, status, text, tt.status, tt.want)
		}
	}
}

func TestClockMovesEverything(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx := context.Background()
	l.instrument(t, "POST", "clock", `{"now": "2031-02-03T04:05:06Z"}`, nil)
	status, text := l.call(t, l.root, "sts", "us-east-1", time.Now(), "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15",
		"Content-Type", "application/x-www-form-urlencoded")
	if status != 403 || !strings.Contains(text, "Signature expired: ") || !strings.Contains(text, "(20310203T04") {
		t.Errorf("a request by another clock: %d %s", status, text)
	}
	// The SDK corrects its clock by the Date of the answer only where it is
	// told to retry; the sandbox's time is what the test signs with.
	status, text = l.call(t, l.root, "iam", "us-east-1", l.Now(), "POST", "/", "Action=CreateUser&UserName=ann&Version=2010-05-08",
		"Content-Type", "application/x-www-form-urlencoded")
	if status != 200 || !strings.Contains(text, "<CreateDate>2031-02-03T04:05:") {
		t.Errorf("a user made in 2031: %d %s", status, text)
	}
	var clock struct{ Now time.Time }
	l.instrument(t, "POST", "clock", `{"advance": "-1h"}`, &clock)
	if clock.Now.Hour() != 3 {
		t.Errorf("an hour back: %v", clock.Now)
	}
	l.instrument(t, "POST", "clock", `{"offset": "0s"}`, nil)
	must(l.sts(l.root).GetCallerIdentity(ctx, nil))(t)
}

func TestFaultsStrikeByRule(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, c := context.Background(), l.iam(l.root)
	l.instrument(t, "POST", "faults", `{"service": "iam", "action": "Create*", "status": 503, "code": "Throttling", "count": 1}`, nil)
	_, err := c.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("ann")})
	wantCode(t, err, "Throttling", "503")
	must(c.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("ann")}))(t)

	l.instrument(t, "POST", "faults", `[{"action": "iam:CreateUser", "lost_reply": true, "count": 1}]`, nil)
	if _, err = c.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("bob")}); err == nil || code(err) != "" {
		t.Errorf("a lost reply gave %v, want a broken connection", err)
	}
	must(c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("bob")}))(t)
	nan := l.iam(l.user(t, "nan"))
	l.instrument(t, "POST", "faults", `{"action": "iam:ListUsers", "lost_reply": true, "count": 1}`, nil)
	if _, err = nan.ListUsers(ctx, nil); err == nil || code(err) != "" {
		t.Errorf("a lost refusal gave %v, want a broken connection", err)
	}

	var list struct{ Faults []sandbox.Fault }
	l.instrument(t, "POST", "faults", `{"action": "GetUser", "status": 503, "share": 0.5}`, &list)
	struck := func() (calls string) {
		for range 64 {
			_, err := c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("bob")})
			calls += map[bool]string{true: "-", false: "x"}[err == nil]
		}
		l.instrument(t, "DELETE", "faults", "", nil)
		return calls
	}
	first := struck()
	l.instrument(t, "POST", "faults", fmt.Sprintf(`{"action": "GetUser", "status": 503, "share": 0.5, "seed": %d}`, list.Faults[0].Seed), nil)
	if again := struck(); again != first || !strings.Contains(first, "x") || !strings.Contains(first, "-") {
		t.Errorf("a share of a half struck %s, and with the same seed %s", first, again)
	}
	l.instrument(t, "POST", "faults", `{"action": "GetUser", "delay": "30ms"}`, &list)
	start := time.Now()
	must(c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("bob")}))(t)
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("a call delayed by 30 ms took %v", took)
	}
	l.instrument(t, "DELETE", "faults?id="+list.Faults[0].ID, "", &list)
	if len(list.Faults) != 0 {
		t.Errorf("rules left: %v", list.Faults)
	}
}

func TestDecisionLogTellsWhoWhatAndWhy(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx := context.Background()
	policy := `{"Version": "2012-10-17", "Statement": [
  {"Sid": "All", "Effect": "Allow", "Action": "iam:*", "Resource": "*"},
  {"Sid": "NoRoles", "Effect": "Deny", "Action": "iam:ListRoles", "Resource": "*"}]}`
	key := l.user(t, "ann", policy)
	var log struct {
		Last      int64
		Decisions []sandbox.Entry
	}
	l.instrument(t, "GET", "decisions", "", &log)
	since := log.Last
	ann := l.iam(key)
	must(ann.ListUsers(ctx, nil))(t)
	_, err := ann.ListRoles(ctx, nil)
	wantCode(t, err, "AccessDenied", "with an explicit deny in an identity-based policy")
	must(l.sts(key).GetCallerIdentity(ctx, nil))(t)

	l.instrument(t, "GET", "decisions?access_key_id="+key.AccessKeyID, "", &log)
	if len(log.Decisions) != 3 {
		t.Fatalf("log has %d entries, want 3: %+v", len(log.Decisions), log.Decisions)
	}
	for i, want := range []sandbox.Entry{
		{Action: "iam:ListUsers", Decision: "allow", Reason: "allowed by the identity-based policy p0", Policy: "p0",
			Statement: &sandbox.Statement{Sid: "All", Index: 0, Line: 2}, Status: 200},
		{Action: "iam:ListRoles", Decision: "explicitDeny", Reason: "explicit deny in the identity-based policy p0", Policy: "p0",
			Statement: &sandbox.Statement{Sid: "NoRoles", Index: 1, Line: 3}, Status: 403, Error: "AccessDenied"},
		{Action: "sts:GetCallerIdentity", Decision: "allow", Reason: "the action needs no permission", Status: 200},
	} {
		got := log.Decisions[i]
		if got.Action != want.Action || got.Decision != want.Decision || got.Reason != want.Reason || got.Policy != want.Policy ||
			got.Status != want.Status || got.Error != want.Error || (got.Statement == nil) != (want.Statement == nil) ||
			got.Statement != nil && *got.Statement != *want.Statement {
			t.Errorf("entry %d:\ngot  %+v %+v\nwant %+v %+v", i, got, got.Statement, want, want.Statement)
		}
		if got.Principal != "arn:aws:iam::"+l.root.AccountID+":user/ann" || got.Seq <= since || got.RequestID == "" || got.Bytes == 0 {
			t.Errorf("entry %d: %+v", i, got)
		}
	}
	l.instrument(t, "GET", "decisions?decision=explicitDeny&action=iam:List*", "", &log)
	if len(log.Decisions) != 1 {
		t.Errorf("filtered log has %d entries, want 1", len(log.Decisions))
	}
	l.instrument(t, "GET", "decisions?limit=2&resource=arn:aws:iam::*:role*", "", &log)
	if len(log.Decisions) != 1 || log.Decisions[0].Action != "iam:ListRoles" {
		t.Errorf("log by resource: %+v", log.Decisions)
	}
}
