package redshift_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/redshift"
	"lakeport/internal/sandbox/sts"
)

// world has the roles of one warehouse: RoleB trusts clusters, RoleS
// Serverless, named the database user bob, and closed nobody of Redshift.
const world = `{"accounts": {"111111111111": {
  "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
  "users": {
    "ann": {"AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"}],
      "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["redshift:*", "redshift-serverless:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringLike": {"iam:PassedToService": "redshift*.amazonaws.com"}}}]}}]},
    "lee": {"AccessKeys": [{"AccessKeyId": "AKIALEELEELEELEELEE1", "SecretAccessKey": "leesecret"}],
      "UserPolicyList": [{"PolicyName": "some", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["redshift:CreateCluster", "redshift-serverless:*"], "Resource": "*"}]}}]}},
  "roles": {
    "RoleB": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole"}]}},
    "RoleS": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "redshift-serverless.amazonaws.com"}, "Action": "sts:AssumeRole"}]}},
    "named": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole",
      "Condition": {"StringEquals": {"sts:ExternalId": "arn:aws:redshift:us-east-1:111111111111:dbuser:lake/bob"}}}]}},
    "loose": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole"}]}},
    "closed": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}
  }}, "host": {"account": "111111111111", "instance_profile": "none"}}`

type lab struct {
	*sandbox.Server
	url, credentials string
	logged           []sandbox.Entry
}

func open(t *testing.T) *lab {
	t.Helper()
	srv, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), World: strings.NewReader(world)})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{Server: srv}
	r, err := redshift.New(redshift.Options{DB: srv.DB(), World: srv.World(), Now: srv.Now, Record: func(e sandbox.Entry) { l.logged = append(l.logged, e) }})
	if err != nil {
		t.Fatal(err)
	}
	srv.Add(r.Clusters())
	srv.Add(r.Serverless())
	srv.Add(sts.New(srv.World()))
	api, creds := httptest.NewServer(srv.Handler()), httptest.NewServer(r.Credentials())
	t.Cleanup(func() {
		api.Close()
		creds.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	l.url, l.credentials = api.URL, creds.URL
	return l
}

// walk runs boto3's walk and gives its lines.
func (l *lab) walk(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "testdata/walk.py", l.url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\ninstall the clients with ./test.sh setup", err, out)
	}
	return string(out)
}

const passRole = "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111111111111:role/"

func TestRolesAreAttached(t *testing.T) {
	l := open(t)
	got := strings.Split(strings.TrimSpace(l.walk(t)), "\n")
	in := func(arn string) string {
		return "IamRole(applyStatus=in-sync, iamRoleArn=arn:aws:iam::111111111111:role/" + arn + ")"
	}
	want := []string{
		"create without PassRole: AccessDenied: User: arn:aws:iam::111111111111:user/lee " + passRole + "RoleB because no identity-based policy allows the iam:PassRole action",
		"create: available RoleB=in-sync default none",
		"create again: ClusterAlreadyExists: Cluster already exists",
		"create with what is not built: UnsupportedOperation: The sandbox does not implement the parameter Encrypted of CreateCluster.",
		"a bad name: ValidationError: 1 validation error detected: Value 'B-' at 'clusterIdentifier' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z](-?[a-z0-9])*",
		"attach: available RoleB=in-sync closed=in-sync default RoleB",
		"attach nobody: InvalidParameterValue: The IAM role arn:aws:iam::111111111111:role/none is not valid: it is no role of account 111111111111",
		"a default that is not attached: InvalidParameterValue: The default IAM role arn:aws:iam::111111111111:role/loose is not attached to cluster lake",
		"describe: available RoleB=in-sync closed=in-sync default RoleB",
		"describe as lee: AccessDenied: User: arn:aws:iam::111111111111:user/lee is not authorized to perform: redshift:DescribeClusters on resource: " +
			"arn:aws:redshift:us-east-1:111111111111:cluster:lake because no identity-based policy allows the redshift:DescribeClusters action",
		"describe all: 1",
		"describe what is not there: ClusterNotFound: Cluster none not found.",
		"an operation that is not there: InvalidAction: Could not find operation RebootCluster for version 2012-12-01",
		"create a namespace: AVAILABLE RoleS " + in("RoleB") + " " + in("RoleS"),
		"create it again: ConflictException: A namespace with the name work already exists.",
		"update without PassRole: AccessDeniedException: User: arn:aws:iam::111111111111:user/lee " + passRole + "RoleS because no identity-based policy allows the iam:PassRole action",
		"update: AVAILABLE RoleS " + in("RoleS"),
		`update to what is not built: ValidationException: The sandbox does not implement the member "kmsKeyId" of UpdateNamespace.`,
		"get: AVAILABLE RoleS " + in("RoleS"),
		"get what is not there: ResourceNotFoundException: The specified namespace doesn't exist.",
		"list: ['work']",
	}
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, g, w)
		}
	}
	l.sessions(t)
}

// sessions asks as a warehouse does, with the SDK's own client of the protocol.
func (l *lab) sessions(t *testing.T) {
	const refused = "Not authorized to get credentials of role arn:aws:iam::111111111111:role/"
	for _, tt := range []struct {
		house, role, user string
		want              string // session's ARN, or part of the error
	}{
		{"cluster/lake", "RoleB", "", "arn:aws:sts::111111111111:assumed-role/RoleB/RedshiftIamRoleSession"},
		{"cluster/lake", "default", "", "arn:aws:sts::111111111111:assumed-role/RoleB/RedshiftIamRoleSession"},
		{"cluster/lake", "closed", "", refused + "closed"},
		{"cluster/lake", "loose", "", refused + "loose"},
		{"cluster/lake", "none", "", refused + "none"},
		{"cluster/none", "RoleB", "", "There is no cluster none in account 111111111111 and region us-east-1"},
		{"namespace/work", "RoleS", "", "arn:aws:sts::111111111111:assumed-role/RoleS/RedshiftIamRoleSession"},
		{"namespace/work", "RoleB", "", refused + "RoleB"},
	} {
		got, err := l.session(t.Context(), tt.house, tt.role, tt.user)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s asks for %s: got %s, want %s", tt.house, tt.role, got, tt.want)
		}
	}
	why := map[string]string{}
	for _, e := range l.logged {
		why[e.Path+" "+e.Resource[strings.LastIndex(e.Resource, "/")+1:]] = e.Decision + ": " + e.Reason
	}
	for at, want := range map[string]string{
		"/us-east-1/111111111111/cluster/lake RoleB":  "allow: allowed by the role trust policy",
		"/us-east-1/111111111111/cluster/lake closed": "implicitDeny: no role trust policy allows it",
		"/us-east-1/111111111111/cluster/lake loose":  "implicitDeny: the role is not attached to the cluster lake",
	} {
		if why[at] != want {
			t.Errorf("the log says of %s: %q, want %q", at, why[at], want)
		}
	}
}

func (l *lab) session(ctx context.Context, house, role, user string) (string, error) {
	if role != "default" {
		role = "arn:aws:iam::111111111111:role/" + role
	}
	q := url.Values{"role": {role}}
	if user != "" {
		q.Set("user", user)
	}
	c, err := endpointcreds.New(l.credentials+"/us-east-1/111111111111/"+house+"?"+q.Encode(), func(o *endpointcreds.Options) {
		o.Retryer = aws.NopRetryer{}
	}).Retrieve(ctx)
	if err != nil {
		return "", err
	}
	out, err := awssts.New(awssts.Options{Region: "us-east-1", BaseEndpoint: &l.url, Credentials: credentials.StaticCredentialsProvider{Value: c}}).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// A trust policy may ask for the database user, as external id ("Restricting
// access to IAM roles", Amazon Redshift Management Guide).
func TestTrustInADatabaseUser(t *testing.T) {
	l := open(t)
	out, err := exec.Command("python3", "-c", `import sys, boto3
boto3.client("redshift", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKIAANNANNANNANNANN1", aws_secret_access_key="annsecret").create_cluster(
  ClusterIdentifier="lake", NodeType="ra3.large", MasterUsername="admin", MasterUserPassword="x", IamRoles=["arn:aws:iam::111111111111:role/named"])`, l.url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\ninstall the clients with ./test.sh setup", err, out)
	}
	for user, want := range map[string]string{"bob": "arn:aws:sts::", "eve": "Not authorized", "": "Not authorized"} {
		got, err := l.session(t.Context(), "cluster/lake", "named", user)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("user %q: got %s, want %s", user, got, want)
		}
	}
	for path, status := range map[string]int{"/": 404, "/us-east-1/111111111111/lake": 404, "/us-east-1/111111111111/cluster/lake?role=": 403} {
		resp, err := http.Get(l.credentials + path)
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Code, Message string }
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || resp.StatusCode != status || e.Message == "" {
			t.Errorf("%s: HTTP %d %+v, %v", path, resp.StatusCode, e, err)
		}
		resp.Body.Close()
	}
}
