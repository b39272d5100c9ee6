package lakeformation_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	awslake "github.com/aws/aws-sdk-go-v2/service/lakeformation"
	laketypes "github.com/aws/aws-sdk-go-v2/service/lakeformation/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awstables "github.com/aws/aws-sdk-go-v2/service/s3tables"
	"github.com/aws/smithy-go"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/glue"
	"lakeport/internal/sandbox/lakeformation"
	"lakeport/internal/sandbox/s3"
	"lakeport/internal/sandbox/s3tables"
)

const (
	account = "111111111111"
	region  = "us-west-2"
	alice   = "arn:aws:iam::111111111111:user/alice"
	bob     = "arn:aws:iam::111111111111:user/bob"
	locator = "arn:aws:iam::111111111111:role/locator"
	bucket  = "arn:aws:s3tables:us-west-2:111111111111:bucket/lakehouse"
	catalog = account + ":s3tablescatalog/lakehouse"
)

// world: alice and bob may use the catalog and ask Lake Formation for data; eve
// has IAM's leave for everything but no grant; mel may not ask for data.
const world = `{"accounts": {"111111111111": {
  "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
  "users": {
    "alice": {"AccessKeys": [{"AccessKeyId": "AKIAALICEALICEALICE1", "SecretAccessKey": "alicesecret"}],
      "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["glue:*", "lakeformation:GetDataAccess"], "Resource": "*"}]}}]},
    "bob": {"AccessKeys": [{"AccessKeyId": "AKIABOBBOBBOBBOBBOB1", "SecretAccessKey": "bobsecret"}],
      "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["glue:Get*", "lakeformation:GetDataAccess"], "Resource": "*"}]}}]},
    "eve": {"AccessKeys": [{"AccessKeyId": "AKIAEVEEVEEVEEVEEVE1", "SecretAccessKey": "evesecret"}],
      "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["glue:*", "lakeformation:*", "s3:*"], "Resource": "*"}]}}]},
    "mel": {"AccessKeys": [{"AccessKeyId": "AKIAMELMELMELMELMEL1", "SecretAccessKey": "melsecret"}],
      "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "glue:Get*", "Resource": "*"}]}}]}},
  "roles": {
    "locator": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lakeformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]},
      "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3tables:*", "Resource": "*"}]}}]}}
  }}, "host": {"account": "111111111111", "instance_profile": "none"}}`

var secrets = map[string][2]string{"root": {"AKIAROOTROOTROOTROO1", "rootsecret1"}, "alice": {"AKIAALICEALICEALICE1", "alicesecret"},
	"bob": {"AKIABOBBOBBOBBOBBOB1", "bobsecret"}, "eve": {"AKIAEVEEVEEVEEVEEVE1", "evesecret"}, "mel": {"AKIAMELMELMELMELMEL1", "melsecret"}}

// lab is the services over real HTTP, with a clock that the test moves.
type lab struct {
	*testing.T
	ctx  context.Context
	url  string
	late atomic.Int64 // seconds by which the clock is ahead
}

func open(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, ctx: t.Context()}
	dir := t.TempDir()
	srv, err := sandbox.Open(sandbox.Options{Dir: dir, World: strings.NewReader(world),
		Now: func() time.Time { return time.Now().Add(time.Duration(l.late.Load()) * time.Second) }})
	l.ok(err)
	objects, err := s3.New(s3.Options{DB: srv.DB(), Dir: dir + "/objects"})
	l.ok(err)
	tables, err := s3tables.New(s3tables.Options{DB: srv.DB(), Objects: objects, Now: srv.Now})
	l.ok(err)
	lake, err := lakeformation.New(lakeformation.Options{DB: srv.DB(), World: srv.World(), Tables: tables, Now: srv.Now})
	l.ok(err)
	objects.KeepTables(lake)
	catalogs, err := glue.New(glue.Options{DB: srv.DB(), Now: srv.Now, Tables: tables, Lake: lake})
	l.ok(err)
	for _, s := range []sandbox.Service{objects, tables, lake, catalogs} {
		srv.Add(s)
	}
	api := httptest.NewServer(srv.Handler())
	t.Cleanup(func() {
		api.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	l.url = api.URL
	return l
}

func (l *lab) ok(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// refused wants an error whose text holds all parts.
func (l *lab) refused(err error, parts ...string) {
	l.Helper()
	if err == nil {
		l.Fatalf("it worked; want a refusal with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			l.Errorf("got %v; want it to say %q", err, p)
		}
	}
}

func (l *lab) config(key, secret, token string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &l.url, Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
		RetryMaxAttempts: 1}
}

func (l *lab) as(who string) aws.Config { return l.config(secrets[who][0], secrets[who][1], "") }

func (l *lab) lake(who string) *awslake.Client     { return awslake.NewFromConfig(l.as(who)) }
func (l *lab) tables(who string) *awstables.Client { return awstables.NewFromConfig(l.as(who)) }
func (l *lab) glue(who string) *awsglue.Client     { return awsglue.NewFromConfig(l.as(who)) }
func (l *lab) objects(c aws.Config) *awss3.Client {
	return awss3.NewFromConfig(c, func(o *awss3.Options) { o.UsePathStyle = true })
}

// integrate does what the console does when table buckets are integrated, and
// what the page asks for: the switch, and Super on the bucket for alice.
func (l *lab) integrate() {
	l.Helper()
	_, err := l.tables("root").CreateTableBucket(l.ctx, &awstables.CreateTableBucketInput{Name: aws.String("lakehouse")})
	l.ok(err)
	l.settings(true)
	_, err = l.lake("root").RegisterResource(l.ctx, &awslake.RegisterResourceInput{ResourceArn: aws.String("arn:aws:s3tables:us-west-2:111111111111:bucket/*"),
		RoleArn: aws.String(locator), WithFederation: aws.Bool(true)})
	l.ok(err)
	_, err = l.glue("root").CreateCatalog(l.ctx, &awsglue.CreateCatalogInput{Name: aws.String("s3tablescatalog"), CatalogInput: &gluetypes.CatalogInput{
		FederatedCatalog:                 &gluetypes.FederatedCatalog{Identifier: aws.String("arn:aws:s3tables:us-west-2:111111111111:bucket/*"), ConnectionName: aws.String("aws:s3tables")},
		CreateDatabaseDefaultPermissions: []gluetypes.PrincipalPermissions{}, CreateTableDefaultPermissions: []gluetypes.PrincipalPermissions{}}})
	l.ok(err)
	l.grant(alice, &laketypes.Resource{Catalog: &laketypes.CatalogResource{Id: aws.String(catalog)}}, laketypes.PermissionAll)
}

func (l *lab) settings(external bool) {
	l.Helper()
	_, err := l.lake("root").PutDataLakeSettings(l.ctx, &awslake.PutDataLakeSettingsInput{DataLakeSettings: &laketypes.DataLakeSettings{
		DataLakeAdmins:                   []laketypes.DataLakePrincipal{{DataLakePrincipalIdentifier: aws.String("arn:aws:iam::111111111111:root")}},
		AllowFullTableExternalDataAccess: aws.Bool(external)}})
	l.ok(err)
}

func (l *lab) grant(who string, on *laketypes.Resource, p ...laketypes.Permission) {
	l.Helper()
	_, err := l.lake("root").GrantPermissions(l.ctx, &awslake.GrantPermissionsInput{Principal: &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: &who}, Resource: on, Permissions: p})
	l.ok(err)
}

func (l *lab) revoke(who string, on *laketypes.Resource, p ...laketypes.Permission) {
	l.Helper()
	_, err := l.lake("root").RevokePermissions(l.ctx, &awslake.RevokePermissionsInput{Principal: &laketypes.DataLakePrincipal{DataLakePrincipalIdentifier: &who}, Resource: on, Permissions: p})
	l.ok(err)
}

func table(db, name string) *laketypes.Resource {
	return &laketypes.Resource{Table: &laketypes.TableResource{CatalogId: aws.String(catalog), DatabaseName: &db, Name: &name}}
}

// answer is what the Iceberg endpoint says.
type answer struct {
	status int
	body   string
	Error  struct{ Message, Type string }
	Config map[string]string
	At     string `json:"metadata-location"`
	Meta   struct {
		UUID     string `json:"table-uuid"`
		Location string
		Current  int64 `json:"current-snapshot-id"`
		Sequence int64 `json:"last-sequence-number"`
		Logs     []any `json:"metadata-log"`
		Schemas  []any
	} `json:"metadata"`
	Identifiers []struct{ Name string }
	Namespaces  [][]string
	Overrides   map[string]string
	Next        string `json:"next-page-token"`
}

func (a *answer) err() error {
	if a.status/100 == 2 {
		return nil
	}
	return errors.New(a.body)
}

// rest sends a signed call to Glue's endpoint; path stands below the prefix.
func (l *lab) rest(who, method, path, body string) *answer {
	l.Helper()
	if !strings.HasPrefix(path, "/v1/config") {
		path = "/v1/catalogs/" + account + ":s3tablescatalog:lakehouse" + path
	}
	return l.send(who, "glue", method, "/iceberg"+path, body)
}

func (l *lab) send(who, service, method, path, body string) *answer {
	l.Helper()
	a := l.sign(aws.Credentials{AccessKeyID: secrets[who][0], SecretAccessKey: secrets[who][1]}, service, method, path, body)
	if strings.HasPrefix(a.body, "{") {
		if err := json.Unmarshal([]byte(a.body), a); err != nil {
			l.Fatalf("%s %s: %v: %s", method, path, err, a.body)
		}
	}
	return a
}

// sign sends a call that is signed at the sandbox's time.
func (l *lab) sign(keys aws.Credentials, service, method, path, body string) *answer {
	l.Helper()
	req, err := http.NewRequestWithContext(l.ctx, method, l.url+path, strings.NewReader(body))
	l.ok(err)
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	at := time.Now().Add(time.Duration(l.late.Load()) * time.Second)
	l.ok(v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }).SignHTTP(l.ctx, keys, req, hash, service, region, at))
	resp, err := http.DefaultClient.Do(req)
	l.ok(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	l.ok(err)
	a := &answer{status: resp.StatusCode, body: string(text)}
	if method == http.MethodHead && a.status/100 != 2 {
		a.body = http.StatusText(a.status)
	}
	return a
}

// keys are those that a load of a table gave.
func (a *answer) keys() aws.Credentials {
	return aws.Credentials{AccessKeyID: a.Config["s3.access-key-id"], SecretAccessKey: a.Config["s3.secret-access-key"], SessionToken: a.Config["s3.session-token"]}
}

// vended is a client with the keys that a load of a table gave.
func (l *lab) vended(a *answer) *awss3.Client {
	l.Helper()
	l.ok(a.err())
	if a.Config["s3.access-key-id"] == "" {
		l.Fatalf("no credentials in %s", a.body)
	}
	return l.objects(l.config(a.Config["s3.access-key-id"], a.Config["s3.secret-access-key"], a.Config["s3.session-token"]))
}

func (l *lab) put(c *awss3.Client, location, key, text string) error {
	_, err := c.PutObject(l.ctx, &awss3.PutObjectInput{Bucket: aws.String(strings.TrimPrefix(location, "s3://")), Key: &key, Body: bytes.NewReader([]byte(text))})
	return err
}

func (l *lab) get(c *awss3.Client, location, key string) error {
	out, err := c.GetObject(l.ctx, &awss3.GetObjectInput{Bucket: aws.String(strings.TrimPrefix(location, "s3://")), Key: &key})
	if err == nil {
		_, err = io.Copy(io.Discard, out.Body)
		out.Body.Close()
	}
	return err
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
