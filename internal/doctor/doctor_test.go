package doctor

import (
	"fmt"
	"strings"
	"testing"

	"lakeport/internal/iam"
)

func TestManyObjectsOfADirectoryAreOneStep(t *testing.T) {
	var steps []Step
	for i := range foldAbove + 1 {
		arn := fmt.Sprintf("arn:aws:s3:::b/d/%d", i)
		steps = append(steps, Step{Principal: "p", Action: "s3:GetObject", Resource: arn, Answer: Denied, Reason: "r",
			Fixes: []Fix{{To: "p", Policy: `{"Resource":"` + arn + `"}`}}})
	}
	steps = append(steps, Step{Principal: "p", Action: "s3:GetObject", Resource: "arn:aws:s3:::b/e/1", Answer: Denied, Reason: "r"},
		Step{Principal: "p", Action: "s3:ListBucket", Resource: "arn:aws:s3:::b", Answer: Allowed})
	got := fold(steps)
	if len(got) != 3 {
		t.Fatalf("%d steps, want 3", len(got))
	}
	if g := got[0]; g.Resource != "arn:aws:s3:::b/d/*" || !strings.HasSuffix(g.Reason, "(51 objects)") || g.Fixes[0].Policy != `{"Resource":"arn:aws:s3:::b/d/*"}` {
		t.Errorf("the directory is told as %+v", g)
	}
	if got[1].Resource != "arn:aws:s3:::b/e/1" || got[2].Resource != "arn:aws:s3:::b" {
		t.Errorf("what is alone is told as %+v", got[1:])
	}
}

func TestAbsentKeysThatTheCallMayHaveLeaveItUnknown(t *testing.T) {
	for _, c := range []struct {
		missing []string
		want    string
	}{
		{[]string{"sts:ExternalId", "aws:PrincipalTag/Team", "s3:prefix", "s3:x-amz-acl"}, ""},
		{[]string{"aws:SourceIp", "s3:prefix", "aws:PrincipalOrgID"}, "aws:SourceIp, aws:PrincipalOrgID"},
		{[]string{"s3:ExistingObjectTag/class"}, "s3:ExistingObjectTag/class"},
	} {
		if got := unsettled(iam.Decision{Missing: c.missing}); got != c.want {
			t.Errorf("of %v %q is unsettled, want %q", c.missing, got, c.want)
		}
	}
}

func TestCallersAreReadFromTheirARN(t *testing.T) {
	for _, c := range []struct {
		arn  string
		want iam.Principal
	}{
		{"arn:aws:iam::111111111111:root", iam.Principal{Kind: iam.Root, Account: "111111111111", ID: "111111111111"}},
		{"arn:aws:iam::111111111111:user/team/alice", iam.Principal{Kind: iam.User, Account: "111111111111"}},
		{"arn:aws-cn:sts::111111111111:assumed-role/r/i-1", iam.Principal{Kind: iam.Role, Account: "111111111111", RoleARN: "arn:aws-cn:iam::111111111111:role/r"}},
		{"arn:aws:sts::111111111111:federated-user/bob", iam.Principal{Account: "111111111111"}},
		{"nonsense", iam.Principal{}},
	} {
		c.want.ARN = c.arn
		if got := principal(c.arn); got != c.want {
			t.Errorf("%s is %+v, want %+v", c.arn, got, c.want)
		}
	}
}

// A fix is tried before it is told: it must be one that IAM takes.
func TestFixesAreValidPolicies(t *testing.T) {
	r := iam.Request{Principal: iam.Principal{Kind: iam.Role, Account: "111111111111", RoleARN: "arn:aws:iam::111111111111:role/r",
		ARN: "arn:aws:sts::111111111111:assumed-role/r/s"}, Action: "s3:GetObject",
		Resource: iam.Resource{ARN: `arn:aws:s3:::b/a "quoted" <key>`, Account: "222222222222"}, Context: iam.Context{}}
	ev := &evidence{request: r, guarded: "arn:aws:s3:::b"}
	reasons, fixes := mend(ev, iam.Compile(ev.policies).Explain(&r))
	if len(fixes) != 2 || len(reasons) != 2 {
		t.Fatalf("%d fixes for %d reasons, want one for each side: %+v", len(fixes), len(reasons), fixes)
	}
	for _, f := range fixes {
		if _, err := iam.Parse([]byte(f.Policy)); err != nil {
			t.Errorf("%s: %v", f.Policy, err)
		}
	}
}
