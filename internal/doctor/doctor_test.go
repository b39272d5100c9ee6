package doctor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lakeformation/types"

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

// Of names that are made as a statement runs, only what holds for all of them is
// told.
func TestWhatHangsOnMadeNamesIsUnknown(t *testing.T) {
	const all, parquet, value = "arn:aws:s3:::b/d/*", "arn:aws:s3:::b/d/*.parquet", "arn:aws:s3:::b/${aws:username}/*"
	for _, c := range []struct {
		allow, deny string // resources
		want        iam.Effect
		hangs       bool
	}{
		{all, "", iam.Allow, false},
		{"*", "arn:aws:s3:::b/e/*", iam.Allow, false},
		{parquet, "", iam.ImplicitDeny, true},
		{"arn:aws:s3:::b/d/x?", "", iam.ImplicitDeny, true},
		{"arn:aws:s3:::b/d/?", "", iam.Allow, true},
		{"arn:aws:s3:::b/e/*", "", iam.ImplicitDeny, false},
		{"arn:aws:s3:::c/*", "", iam.ImplicitDeny, false},
		{all, parquet, iam.Allow, true},
		{all, "arn:aws:s3:::b/d/sub/*", iam.Allow, true},
		{all, "arn:aws:s3:::b/*", iam.ExplicitDeny, false},
		{all, value, iam.Allow, true},
		{value, "", iam.ImplicitDeny, true},
	} {
		text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Put*", "Resource": "` + c.allow + `"}`
		if c.deny != "" {
			text += `, {"Effect": "Deny", "NotAction": "s3:Get*", "Resource": "` + c.deny + `"}`
		}
		doc, err := iam.Parse([]byte(text + "]}"))
		if err != nil {
			t.Fatal(err)
		}
		p := iam.Policies{Identity: []iam.Policy{{Kind: iam.IdentityPolicy, Document: doc}}}
		r := iam.Request{Principal: iam.Principal{Kind: iam.Role, Account: "1", RoleARN: "arn:aws:iam::1:role/r"}, Action: "s3:PutObject",
			Resource: iam.Resource{ARN: "arn:aws:s3:::b/d/*", Account: "1"}, Context: iam.Context{}}
		d := iam.Compile(p).Explain(&r)
		if got := d.Effect != iam.ExplicitDeny && hangsOnName(&p, &r, d); d.Effect != c.want || got != c.hangs {
			t.Errorf("allowed on %s and denied on %q: %v, hangs on the name %v; want %v, %v", c.allow, c.deny, d.Effect, got, c.want, c.hangs)
		}
	}
}

// What a grant gives: its object, the tables that a star stands for, and to see
// what the object lies in.
func TestGrantsGiveWhatTheyName(t *testing.T) {
	const cat = "1:s3tablescatalog/b"
	catalog, db, table, wild := object{cat, "", ""}, object{cat, "d", ""}, object{cat, "d", "t"}, object{cat, "d", "*"}
	for _, c := range []struct {
		on         object
		held, want types.Permission
		of         object
		gives      bool
	}{
		{table, types.PermissionSelect, types.PermissionSelect, table, true},
		{table, types.PermissionSelect, types.PermissionInsert, table, false},
		{table, types.PermissionAll, types.PermissionAlter, table, true},
		{wild, types.PermissionAll, types.PermissionInsert, table, true},
		{wild, types.PermissionAll, types.PermissionInsert, object{cat, "e", "t"}, false},
		{table, types.PermissionSelect, types.PermissionDescribe, db, true},
		{table, types.PermissionSelect, types.PermissionDescribe, catalog, true},
		{table, types.PermissionSelect, types.PermissionDescribe, object{cat, "d", "u"}, false},
		{db, types.PermissionAll, types.PermissionSelect, table, false},
		{db, types.PermissionAll, types.PermissionCreateTable, db, true},
		{catalog, types.PermissionSuperUser, types.PermissionDrop, table, true},
		{catalog, types.PermissionAll, types.PermissionSelect, table, false},
		{object{"2:s3tablescatalog/b", "d", "t"}, types.PermissionSelect, types.PermissionSelect, table, false},
	} {
		g := grant{who: "arn:aws:iam::1:user/u", on: c.on, permissions: []types.Permission{c.held}}
		if got := g.gives(c.want, c.of); got != c.gives {
			t.Errorf("%s on %v gives %s on %v: %v, want %v", c.held, c.on, c.want, c.of, got, c.gives)
		}
		if g.odd = true; g.gives(c.want, c.of) {
			t.Errorf("%s on %v by tag gives %s on %v", c.held, c.on, c.want, c.of)
		}
	}
	for who, want := range map[string]bool{"arn:aws:iam::1:user/u": true, "arn:aws:iam::1:user/v": false, "IAM_ALLOWED_PRINCIPALS": true, "1:IAMPrincipals": true, "2:IAMPrincipals": false} {
		if g := (grant{who: who}); g.holds("arn:aws:iam::1:user/u") != want {
			t.Errorf("user u holds a grant to %s: %v, want %v", who, !want, want)
		}
	}
	for arn, want := range map[string]object{"arn:aws:glue:r:1:catalog/s3tablescatalog/b": catalog, "arn:aws:glue:r:1:database/s3tablescatalog/b/d": db, "arn:aws:glue:r:1:table/s3tablescatalog/b/d/t": table} {
		if got := objectOf(arn); got != want {
			t.Errorf("%s is %v, want %v", arn, got, want)
		}
	}
}

// A grant that is not found is a denial only where all grants are shown and
// none is odd.
func TestGrantsThatAreNotSeenAreNotDenied(t *testing.T) {
	const table, who = "arn:aws:glue:r:1:table/s3tablescatalog/b/d/t", "arn:aws:iam::1:user/u"
	held := grant{who: who, on: objectOf(table), permissions: []types.Permission{types.PermissionSelect}}
	byTag := grant{who: who, odd: true}
	for _, c := range []struct {
		what       string
		lake       lake
		made       string
		permission string
		want       Answer
		reason     string
		fix        bool
	}{
		{"granted", lake{grants: []grant{held}}, "", "SELECT", Allowed, "granted by Lake Formation", false},
		{"not granted", lake{grants: []grant{held}}, "", "INSERT", Denied, "no grant of Lake Formation gives it", true},
		{"hidden", lake{grants: []grant{held}, partial: "grants may be hidden"}, "", "INSERT", Unknown, "grants may be hidden", false},
		{"seen although some are hidden", lake{grants: []grant{held}, partial: "grants may be hidden"}, "", "SELECT", Allowed, "granted by Lake Formation", false},
		{"by tag", lake{grants: []grant{held, byTag}}, "", "INSERT", Unknown, "it hangs on a grant by tag, column or condition", false},
		{"unread", lake{unread: "refused"}, who, "SELECT", Unknown, "the grants of Lake Formation cannot be read: refused", false},
		{"made", lake{}, who, "ALTER", Allowed, "who makes an object holds all permissions on it", false},
		{"made by another", lake{}, "arn:aws:iam::1:user/v", "ALTER", Denied, "no grant of Lake Formation gives it", true},
		{"an administrator looks", lake{admins: []string{who}}, "", "DESCRIBE", Allowed, "an administrator of the data lake may", false},
		{"an administrator reads", lake{admins: []string{who}}, "", "SELECT", Denied, "no grant of Lake Formation gives it", true},
		{"open", lake{open: "IAM alone decides"}, "", "SELECT", Allowed, "IAM alone decides", false},
	} {
		e := &Exam{lakes: map[string]*lake{"r:1": &c.lake}, made: map[string]string{table: c.made}}
		answer, reason, fix := e.granted(t.Context(), &caller{Principal: principal(who)}, c.permission, table)
		if answer != c.want || reason != c.reason || (fix != nil) != c.fix {
			t.Errorf("%s: %s, %s, %+v; want %s, %s", c.what, answer, reason, fix, c.want, c.reason)
		}
		if fix != nil && fix.Policy != `{"Permissions":["`+c.permission+`"],"Principal":{"DataLakePrincipalIdentifier":"`+who+`"},"Resource":{"Table":{"CatalogId":"1:s3tablescatalog/b","DatabaseName":"d","Name":"t"}}}` {
			t.Errorf("%s: the fix is %s", c.what, fix.Policy)
		}
	}
}

// What RDS answers is read, and nothing that it might answer is a panic.
func FuzzDatabases(f *testing.F) {
	const seed = `<DescribeDBInstancesResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceIdentifier>shop-db</DBInstanceIdentifier>
		<DbiResourceId>db-ABC</DbiResourceId><IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled></DBInstance></DBInstances><Marker>m</Marker></DescribeDBInstancesResult></DescribeDBInstancesResponse>`
	got, err := parseDatabases([]byte(seed))
	if want := (database{Instance: "shop-db", OfOne: "db-ABC", IAM: true}); err != nil || len(got.Instances) != 1 || got.Instances[0] != want || got.Marker != "m" {
		f.Errorf("got %+v, %v", got, err)
	}
	got, err = parseDatabases([]byte(strings.NewReplacer("DBInstances", "DBClusters", "DBInstance", "DBCluster", "DbiResourceId", "DbClusterResourceId").Replace(seed)))
	if want := (database{Cluster: "shop-db", OfAll: "db-ABC", IAM: true}); err != nil || len(got.Clusters) != 1 || got.Clusters[0] != want || got.After != "m" {
		f.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{seed, "", "<a", "<DescribeDBInstancesResponse><DescribeDBInstancesResult/></DescribeDBInstancesResponse>", "<x><IAMDatabaseAuthenticationEnabled>maybe</IAMDatabaseAuthenticationEnabled></x>"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, body []byte) { _, _ = parseDatabases(body) })
}
