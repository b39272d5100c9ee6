package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Account is the account that StarRocks' pages name, where lakeport runs.
const Account = "081976408565"

// Partner is the other account of Redshift's page, whose bucket is read.
const Partner = "222222222222"

// Region is where everything is that a page puts nowhere else.
const Region = "us-west-2"

// World is the sandbox's world file: the accounts with their root keys, and
// the machine whose instance profile a chapter makes.
type World struct {
	Accounts map[string]Root `json:"accounts"`
	Host     Host            `json:"host"`
}

// Root is an account's root user.
type Root struct {
	Key RootKey `json:"root"`
}

// RootKey is the access key of one.
type RootKey struct {
	ID     string `json:"access_key_id"`
	Secret string `json:"secret_access_key"`
}

// Host is the machine that lakeport runs on.
type Host struct {
	Account string `json:"account"`
	Profile string `json:"instance_profile"`
	Region  string `json:"region"`
}

// NewWorld makes two accounts with fresh root keys.
func NewWorld() World {
	w := World{Accounts: map[string]Root{}, Host: Host{Account: Account, Profile: instanceRole, Region: Region}}
	for _, id := range []string{Account, Partner} {
		w.Accounts[id] = Root{RootKey{"AKIA" + rand.Text()[:16], rand.Text() + rand.Text()[:14]}}
	}
	return w
}

// config signs with an account's root key.
func (o *Options) config(account, region string) aws.Config {
	root := o.World.Accounts[account].Key
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(o.AWS),
		Credentials:                credentials.NewStaticCredentialsProvider(root.ID, root.Secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	}
}

// userKey is an IAM user's access key.
type userKey struct{ id, secret string }

// account makes what stands in one AWS account, by calls signed with its root
// key. The first failure is kept in err, and nothing is called after it. It
// lives as long as one preparation, whose context it holds.
type account struct {
	ctx context.Context
	o   *Options
	id  string
	err error
}

func (s *story) account(ctx context.Context, id string) *account {
	return &account{ctx: ctx, o: &s.Options, id: id}
}

func (a *account) config() aws.Config { return a.o.config(a.id, Region) }

func (a *account) iam() *iam.Client { return iam.NewFromConfig(a.config()) }

// must keeps the error of a call that has been made.
func (a *account) must(what string, err error) {
	if a.err == nil && err != nil {
		a.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (a *account) role(name, trust string) {
	if a.err != nil {
		return
	}
	_, err := a.iam().CreateRole(a.ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	a.must("create role "+name, err)
}

// host makes the machine's role and the instance profile of the same name.
func (a *account) host() {
	a.role(instanceRole, trusts(`"Service": "ec2.amazonaws.com"`))
	if a.err != nil {
		return
	}
	name := aws.String(instanceRole)
	_, err := a.iam().CreateInstanceProfile(a.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name})
	a.must("create instance profile", err)
	_, err = a.iam().AddRoleToInstanceProfile(a.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name})
	a.must("add the role to the instance profile", err)
}

func (a *account) trust(role, document string) {
	if a.err != nil {
		return
	}
	_, err := a.iam().UpdateAssumeRolePolicy(a.ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &document})
	a.must("set the trust policy of "+role, err)
}

func (a *account) rolePolicy(role, name, document string) {
	if a.err != nil {
		return
	}
	_, err := a.iam().PutRolePolicy(a.ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &document})
	a.must("put policy "+name+" of role "+role, err)
}

// user makes a user with an access key.
func (a *account) user(name string) (key userKey) {
	if a.err != nil {
		return key
	}
	_, err := a.iam().CreateUser(a.ctx, &iam.CreateUserInput{UserName: &name})
	a.must("create user "+name, err)
	out, err := a.iam().CreateAccessKey(a.ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if a.must("create an access key of "+name, err); a.err == nil {
		key = userKey{aws.ToString(out.AccessKey.AccessKeyId), aws.ToString(out.AccessKey.SecretAccessKey)}
	}
	return key
}

func (a *account) userPolicy(user, name, document string) {
	if a.err != nil {
		return
	}
	_, err := a.iam().PutUserPolicy(a.ctx, &iam.PutUserPolicyInput{UserName: &user, PolicyName: &name, PolicyDocument: &document})
	a.must("put policy "+name+" of user "+user, err)
}

func (a *account) bucket(name, region string) {
	if a.err != nil {
		return
	}
	_, err := s3.NewFromConfig(a.o.config(a.id, region)).CreateBucket(a.ctx, &s3.CreateBucketInput{Bucket: &name,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)}})
	a.must("create bucket "+name, err)
}

func (a *account) object(bucket, region, key string, body io.ReadSeeker) {
	if a.err != nil {
		return
	}
	_, err := s3.NewFromConfig(a.o.config(a.id, region)).PutObject(a.ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: body})
	a.must("put s3://"+bucket+"/"+key, err)
}

// form calls a service that speaks AWS's form-encoded protocol, and gives the
// answer's XML.
func (a *account) form(service string, params url.Values) []byte {
	if a.err != nil {
		return nil
	}
	text, err := signedForm(a.ctx, a.config(), service, params)
	a.must(params.Get("Action"), err)
	return text
}

func signedForm(ctx context.Context, cfg aws.Config, service string, params url.Values) ([]byte, error) {
	body := params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *cfg.BaseEndpoint+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := send(ctx, cfg, service, req, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	return text, err
}

// send signs a request of this body and sends it.
func send(ctx context.Context, cfg aws.Config, service string, req *http.Request, body string) (*http.Response, error) {
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), service, cfg.Region, time.Now()); err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

func roleARN(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// trusts is a trust policy for one principal, `"AWS": "…"` or `"Service": "…"`.
func trusts(principal string) string {
	return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {` + principal + `}, "Action": "sts:AssumeRole"}]}`
}

// allows is a policy of one statement.
func allows(actions, resources []string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["%s"], "Resource": ["%s"]}]}`,
		strings.Join(actions, `", "`), strings.Join(resources, `", "`))
}
