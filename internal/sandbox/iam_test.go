package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"lakeport/internal/sandbox"
)

func (l *lab) iam(c aws.Credentials) *awsiam.Client { return awsiam.NewFromConfig(l.config(c)) }

// code is the AWS error code of err, empty if it is none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// must fails the test on an error.
func must[T any](out T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// wantCode checks the code and a part of the text of an error.
func wantCode(t testing.TB, err error, want, text string) {
	t.Helper()
	if code(err) != want || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %s with %q", err, want, text)
	}
}

// user makes a user with keys.
func (l *lab) user(t testing.TB, name string, policies ...string) aws.Credentials {
	t.Helper()
	ctx, c := context.Background(), l.iam(l.root)
	must(c.CreateUser(ctx, &awsiam.CreateUserInput{UserName: &name}))(t)
	for i, p := range policies {
		must(c.PutUserPolicy(ctx, &awsiam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String(fmt.Sprint("p", i)), PolicyDocument: &p}))(t)
	}
	key := must(c.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: &name}))(t).AccessKey
	return aws.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": %q, "Resource": %q}]}`, action, resource)
}

func trusting(kind, principal string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {%q: %q}, "Action": "sts:AssumeRole"}]}`, kind, principal)
}

func TestUserLivesThroughItsAPI(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, c := context.Background(), l.iam(l.root)
	made := must(c.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("Ann"), Path: aws.String("/lab/"),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("lake")}}}))(t).User
	if want := "arn:aws:iam::" + l.root.AccountID + ":user/lab/Ann"; *made.Arn != want {
		t.Errorf("Arn = %s, want %s", *made.Arn, want)
	}
	if len(*made.UserId) != 21 || !strings.HasPrefix(*made.UserId, "AIDA") {
		t.Errorf("UserId = %s", *made.UserId)
	}
	_, err := c.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("ann")})
	wantCode(t, err, "EntityAlreadyExists", "User with name ann already exists.")
	got := must(c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("Ann")}))(t).User
	if len(got.Tags) != 1 || *got.Tags[0].Value != "lake" {
		t.Errorf("Tags = %v", got.Tags)
	}
	must(c.UpdateUser(ctx, &awsiam.UpdateUserInput{UserName: aws.String("Ann"), NewUserName: aws.String("Anna"), NewPath: aws.String("/")}))(t)
	_, err = c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("Ann")})
	wantCode(t, err, "NoSuchEntity", "The user with name Ann cannot be found.")
	key := must(c.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: aws.String("Anna")}))(t).AccessKey
	_, err = c.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: aws.String("Anna")})
	wantCode(t, err, "DeleteConflict", "must delete access keys first")
	must(c.DeleteAccessKey(ctx, &awsiam.DeleteAccessKeyInput{UserName: aws.String("Anna"), AccessKeyId: key.AccessKeyId}))(t)
	must(c.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: aws.String("Anna")}))(t)
	if users := must(c.ListUsers(ctx, nil))(t).Users; len(users) != 0 {
		t.Errorf("users left: %v", users)
	}
}

func TestPermissionsFollowPolicies(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, root := context.Background(), l.iam(l.root)
	key := l.user(t, "ann")
	ann := l.iam(key)
	_, err := ann.ListRoles(ctx, nil)
	wantCode(t, err, "AccessDenied", "User: arn:aws:iam::"+l.root.AccountID+":user/ann is not authorized to perform: iam:ListRoles on resource: arn:aws:iam::"+
		l.root.AccountID+":role/ because no identity-based policy allows the iam:ListRoles action")

	must(root.AttachUserPolicy(ctx, &awsiam.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	must(ann.ListRoles(ctx, nil))(t)

	policy := must(root.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("cap"), PolicyDocument: aws.String(allow("s3:*", "*"))}))(t).Policy
	must(root.PutUserPermissionsBoundary(ctx, &awsiam.PutUserPermissionsBoundaryInput{UserName: aws.String("ann"), PermissionsBoundary: policy.Arn}))(t)
	_, err = ann.ListRoles(ctx, nil)
	wantCode(t, err, "AccessDenied", "because no permissions boundary allows the iam:ListRoles action")

	must(root.CreatePolicyVersion(ctx, &awsiam.CreatePolicyVersionInput{PolicyArn: policy.Arn, PolicyDocument: aws.String(allow("iam:List*", "*")), SetAsDefault: true}))(t)
	must(ann.ListRoles(ctx, nil))(t)

	must(root.UpdateAccessKey(ctx, &awsiam.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &key.AccessKeyID, Status: types.StatusTypeInactive}))(t)
	_, err = ann.ListRoles(ctx, nil)
	wantCode(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")

	used := must(root.GetAccessKeyLastUsed(ctx, &awsiam.GetAccessKeyLastUsedInput{AccessKeyId: &key.AccessKeyID}))(t)
	if *used.UserName != "ann" || *used.AccessKeyLastUsed.ServiceName != "iam" {
		t.Errorf("last used: %s, %s", *used.UserName, *used.AccessKeyLastUsed.ServiceName)
	}
}

func TestTrustPolicyKeepsUniqueIDs(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, c := context.Background(), l.iam(l.root)
	arn := func(rest string) string { return "arn:aws:iam::" + l.root.AccountID + ":" + rest }
	ann := l.user(t, "ann")
	_, err := c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trusting("AWS", arn("user/nobody")))})
	wantCode(t, err, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+arn("user/nobody")+`"`)
	must(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trusting("AWS", arn("user/ann")))}))(t)
	trust := func() string {
		t.Helper()
		text, err := url.PathUnescape(*must(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("r")}))(t).Role.AssumeRolePolicyDocument)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got, want := trust(), trusting("AWS", arn("user/ann")); got != want {
		t.Errorf("trust reads %s, want %s", got, want)
	}
	assume := func(who aws.Credentials) error {
		_, err := l.sts(who).AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String(arn("role/r")), RoleSessionName: aws.String("s1")})
		return err
	}
	if err := assume(ann); err != nil {
		t.Error(err)
	}

	must(c.DeleteUserPolicy(ctx, &awsiam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("none")}))
	must(c.DeleteAccessKey(ctx, &awsiam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.AccessKeyID}))(t)
	must(c.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: aws.String("ann")}))(t)
	again := l.user(t, "ann")
	if got := trust(); !strings.Contains(got, `"AIDA`) {
		t.Errorf("trust in a deleted user reads %s, want its unique id", got)
	}
	wantCode(t, assume(again), "AccessDenied", "because no role trust policy allows the sts:AssumeRole action")
}

func TestHandingOverNeedsMoreThanTheCall(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, root := context.Background(), l.iam(l.root)
	trust := aws.String(trusting("Service", "ec2.amazonaws.com"))
	must(root.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: trust}))(t)
	must(root.CreateInstanceProfile(ctx, &awsiam.CreateInstanceProfileInput{InstanceProfileName: aws.String("p")}))(t)
	ann := l.iam(l.user(t, "ann", allow("iam:Create*", "*"), allow("iam:AddRoleToInstanceProfile", "*")))
	add := &awsiam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("p"), RoleName: aws.String("r")}
	_, err := ann.AddRoleToInstanceProfile(ctx, add)
	wantCode(t, err, "AccessDenied", "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::"+l.root.AccountID+":role/r")
	_, err = ann.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("s"), AssumeRolePolicyDocument: trust,
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	wantCode(t, err, "AccessDenied", "is not authorized to perform: iam:TagRole")
	must(ann.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("s"), AssumeRolePolicyDocument: trust}))(t)
}

// A role made again under its old name is somebody else to those who trusted
// it, in trust policies by ARN; a condition on aws:PrincipalArn, which is text,
// admits it.
func TestRecreatedRoleIsAnother(t *testing.T) {
	l := open(t, sandbox.Options{})
	ctx, root := context.Background(), l.iam(l.root)
	arn := func(name string) string { return "arn:aws:iam::" + l.root.AccountID + ":role/" + name }
	ann := l.user(t, "ann", allow("sts:AssumeRole", "*"))
	first := func() {
		t.Helper()
		must(root.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("first"), AssumeRolePolicyDocument: aws.String(trusting("AWS", l.root.AccountID))}))(t)
		must(root.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("first"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("sts:AssumeRole", "*"))}))(t)
	}
	first()
	conditional := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": %q}, "Action": "sts:AssumeRole",
	  "Condition": {"ArnEquals": {"aws:PrincipalArn": %q}}}]}`, l.root.AccountID, arn("first"))
	must(root.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("byname"), AssumeRolePolicyDocument: aws.String(trusting("AWS", arn("first")))}))(t)
	must(root.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("bytext"), AssumeRolePolicyDocument: &conditional}))(t)
	try := func(name string) error {
		t.Helper()
		out := must(l.sts(ann).AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String(arn("first")), RoleSessionName: aws.String("s1")}))(t)
		_, err := l.sts(session(out)).AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String(arn(name)), RoleSessionName: aws.String("s1")})
		return err
	}
	for _, name := range []string{"byname", "bytext"} {
		if err := try(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(root.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: aws.String("first"), PolicyName: aws.String("p")}))(t)
	must(root.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("first")}))(t)
	first()
	wantCode(t, try("byname"), "AccessDenied", "because no role trust policy allows")
	if err := try("bytext"); err != nil {
		t.Errorf("bytext: %v", err)
	}
}
