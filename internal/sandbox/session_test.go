package sandbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"lakeport/internal/sandbox"
)

// chain is a world in which ann may assume a, a's session b, and b's c.
func chain(t testing.TB) *lab {
	t.Helper()
	role := func(name, trusted, condition string) string {
		return fmt.Sprintf(`%q: {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
		  "Principal": {"AWS": "arn:aws:iam::111111111111:%s"}, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]%s}]},
		  "MaxSessionDuration": 7200, "Tags": [{"Key": "team", "Value": "role"}],
		  "RolePolicyList": [{"PolicyName": "list", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
		    {"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]}}]}`, name, trusted, condition)
	}
	return open(t, sandbox.Options{World: strings.NewReader(`{"accounts": {"111111111111": {
	  "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
	  "users": {"ann": {"AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"}]}},
	  "roles": {` + role("a", "user/ann", "") + `, ` + role("b", "role/a", "") + `, ` +
		role("c", "role/b", `, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "lake"}}`) + `}}}}`)})
}

func roleARN(name string) *string { return aws.String("arn:aws:iam::111111111111:role/" + name) }

func (l *lab) assume(t testing.TB, who aws.Credentials, name string, change ...func(*awssts.AssumeRoleInput)) (aws.Credentials, *awssts.AssumeRoleOutput, error) {
	t.Helper()
	in := &awssts.AssumeRoleInput{RoleArn: roleARN(name), RoleSessionName: aws.String("s1")}
	for _, f := range change {
		f(in)
	}
	out, err := l.sts(who).AssumeRole(context.Background(), in)
	if err != nil {
		return aws.Credentials{}, nil, err
	}
	return session(out), out, nil
}

func TestDurations(t *testing.T) {
	l := chain(t)
	seconds := func(n int32) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.DurationSeconds = &n }
	}
	a, _, err := l.assume(t, ann, "a", seconds(7200))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = l.assume(t, ann, "a", seconds(7201))
	wantCode(t, err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	_, _, err = l.assume(t, ann, "a", seconds(899))
	wantCode(t, err, "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")
	_, _, err = l.assume(t, a, "b", seconds(3601))
	wantCode(t, err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	b, out, err := l.assume(t, a, "b", seconds(3600))
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Credentials.Expiration.Sub(l.Now()).Seconds(); got < 3590 || got > 3600 {
		t.Errorf("session ends in %v s", got)
	}
	for arn, text := range map[string]string{"role-without-anything": "role-without-anything is invalid", "arn:aws:iam::111111111111:user/ann": "Request ARN is invalid"} {
		_, _, err = l.assume(t, ann, "a", func(in *awssts.AssumeRoleInput) { in.RoleArn = &arn })
		wantCode(t, err, "ValidationError", text)
	}
	_, _, err = l.assume(t, a, "a")
	wantCode(t, err, "AccessDenied", "because no role trust policy allows")
	_, _, err = l.assume(t, b, "c")
	wantCode(t, err, "AccessDenied", "because no role trust policy allows")
	_, _, err = l.assume(t, aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"}, "a")
	wantCode(t, err, "AccessDenied", "Roles may not be assumed by root accounts.")
}

func TestTagsAndSourceIdentityPassAlongChains(t *testing.T) {
	l := chain(t)
	tagged := func(transitive ...string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) {
			in.Tags = []ststypes.Tag{{Key: aws.String("Team"), Value: aws.String("lake")}}
			in.TransitiveTagKeys = transitive
		}
	}
	as := func(source string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.SourceIdentity = &source }
	}
	a, _, err := l.assume(t, ann, "a", tagged("team"), as("ann"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = l.assume(t, a, "b", tagged())
	wantCode(t, err, "InvalidParameterValue", "conflicts with a transitive tag key from the calling session")
	_, _, err = l.assume(t, a, "b", as("bob"))
	wantCode(t, err, "ValidationError", "The source identity is already set for this assume role session")
	b, out, err := l.assume(t, a, "b")
	if err != nil {
		t.Fatal(err)
	}
	if out.SourceIdentity == nil || *out.SourceIdentity != "ann" {
		t.Errorf("SourceIdentity = %v", out.SourceIdentity)
	}
	if _, _, err = l.assume(t, b, "c"); err != nil {
		t.Errorf("the transitive tag did not reach the third role: %v", err)
	}
	plain, _, err := l.assume(t, ann, "a", tagged())
	if err != nil {
		t.Fatal(err)
	}
	if b, _, err = l.assume(t, plain, "b"); err != nil {
		t.Fatal(err)
	}
	_, _, err = l.assume(t, b, "c")
	wantCode(t, err, "AccessDenied", "no role trust policy")
	_, _, err = l.assume(t, ann, "a", func(in *awssts.AssumeRoleInput) {
		in.Tags = []ststypes.Tag{{Key: aws.String("k"), Value: aws.String("1")}, {Key: aws.String("K"), Value: aws.String("2")}}
	})
	wantCode(t, err, "InvalidParameterValue", "Duplicate tag keys")
}

func TestSessionPolicyCapsTheSession(t *testing.T) {
	l := chain(t)
	ctx := context.Background()
	capped, out, err := l.assume(t, ann, "a", func(in *awssts.AssumeRoleInput) { in.Policy = aws.String(allow("iam:ListUsers", "*")) })
	if err != nil {
		t.Fatal(err)
	}
	if out.PackedPolicySize == nil || *out.PackedPolicySize < 1 {
		t.Errorf("PackedPolicySize = %v", out.PackedPolicySize)
	}
	must(l.iam(capped).ListUsers(ctx, nil))(t)
	_, err = l.iam(capped).ListRoles(ctx, nil)
	wantCode(t, err, "AccessDenied", "because no session policy allows the iam:ListRoles action")
	managed, _, err := l.assume(t, ann, "a", func(in *awssts.AssumeRoleInput) {
		in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess")}}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.iam(managed).ListUsers(ctx, nil)
	wantCode(t, err, "AccessDenied", "because no session policy allows the iam:ListUsers action")
	_, _, err = l.assume(t, ann, "a", func(in *awssts.AssumeRoleInput) { in.Policy = aws.String("{}") })
	wantCode(t, err, "MalformedPolicyDocument", "Syntax errors in policy.")
}

func TestSessionsOutliveTrustButNotTheRole(t *testing.T) {
	l := chain(t)
	ctx, root := context.Background(), l.iam(aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"})
	a, _, err := l.assume(t, ann, "a")
	if err != nil {
		t.Fatal(err)
	}
	must(root.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("a"), PolicyDocument: aws.String(trusting("Service", "ec2.amazonaws.com"))}))(t)
	_, _, err = l.assume(t, ann, "a")
	wantCode(t, err, "AccessDenied", "")
	must(l.iam(a).ListUsers(ctx, nil))(t)
	must(root.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: aws.String("a"), PolicyName: aws.String("list")}))(t)
	_, err = l.iam(a).ListUsers(ctx, nil)
	wantCode(t, err, "AccessDenied", "because no identity-based policy allows")
	must(root.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("a")}))(t)
	_, err = l.sts(a).GetCallerIdentity(ctx, nil)
	wantCode(t, err, "InvalidClientTokenId", "")
}

func TestGetSessionTokenActsAsTheUser(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx := context.Background()
	key := l.user(t, "ann", allow("*", "*"))
	c := must(l.sts(key).GetSessionToken(ctx, &awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)}))(t).Credentials
	token := aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
	who := must(l.sts(token).GetCallerIdentity(ctx, nil))(t)
	if want := "arn:aws:iam::" + l.root.AccountID + ":user/ann"; *who.Arn != want {
		t.Errorf("Arn = %s, want %s", *who.Arn, want)
	}
	_, err := l.sts(token).GetSessionToken(ctx, nil)
	wantCode(t, err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = l.iam(token).ListUsers(ctx, nil)
	wantCode(t, err, "InvalidClientTokenId", "")
	info := must(l.sts(key).GetAccessKeyInfo(ctx, &awssts.GetAccessKeyInfoInput{AccessKeyId: c.AccessKeyId}))(t)
	if *info.Account != l.root.AccountID {
		t.Errorf("Account of %s = %s", *c.AccessKeyId, *info.Account)
	}
	sealed := l.World().SealMessage(`{"allowed":false}`)
	if got := *must(l.sts(key).DecodeAuthorizationMessage(ctx, &awssts.DecodeAuthorizationMessageInput{EncodedMessage: &sealed}))(t).DecodedMessage; got != `{"allowed":false}` {
		t.Errorf("decoded message = %s", got)
	}
	_, err = l.sts(key).DecodeAuthorizationMessage(ctx, &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("nonsense")})
	wantCode(t, err, "InvalidAuthorizationMessageException", "Message is not valid")
}

func TestManyCallersAndChangesAtOnce(t *testing.T) {
	l := chain(t)
	ctx, root := context.Background(), l.iam(aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 5 {
				a, _, err := l.assume(t, ann, "a")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := l.iam(a).ListUsers(ctx, nil); err != nil {
					t.Error(err)
				}
				name := fmt.Sprint("u", i)
				if _, err := root.CreateUser(ctx, &awsiam.CreateUserInput{UserName: &name}); err != nil {
					t.Error(err)
				}
				if _, err := root.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: &name}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
