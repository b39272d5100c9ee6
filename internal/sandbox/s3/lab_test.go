package s3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"lakeport/internal/sandbox"
	"lakeport/internal/sandbox/kms"
	"lakeport/internal/sandbox/s3"
	"lakeport/internal/sandbox/sts"
	"lakeport/internal/secret"
)

// world has two accounts. In the first, ann may do everything, lee may only
// read and list, pat may only get objects, and nan may do nothing.
const world = `{"accounts": {
  "111111111111": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO1", "secret_access_key": "rootsecret1"},
    "users": {
      "ann": {"AccessKeys": [{"AccessKeyId": "AKIAANNANNANNANNANN1", "SecretAccessKey": "annsecret"}],
        "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"}]}}]},
      "lee": {"AccessKeys": [{"AccessKeyId": "AKIALEELEELEELEELEE1", "SecretAccessKey": "leesecret"}],
        "UserPolicyList": [{"PolicyName": "read", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "s3:GetObject*", "Resource": "*"},
          {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": ["open/*", ""]}}},
          {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::*/open/*"}]}}]},
      "pat": {"AccessKeys": [{"AccessKeyId": "AKIAPATPATPATPATPAT1", "SecretAccessKey": "patsecret"}],
        "UserPolicyList": [{"PolicyName": "get", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}}]},
      "nan": {"AccessKeys": [{"AccessKeyId": "AKIANANNANNANNANNAN1", "SecretAccessKey": "nansecret"}]}
    }
  },
  "222222222222": {
    "root": {"access_key_id": "AKIAROOTROOTROOTROO2", "secret_access_key": "rootsecret2"},
    "users": {"zoe": {"AccessKeys": [{"AccessKeyId": "AKIAZOEZOEZOEZOEZOE2", "SecretAccessKey": "zoesecret"}],
        "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}}]}}
  }}, "host": {"account": "111111111111", "instance_profile": "none"}}`

func keys(user string) aws.Credentials {
	return aws.Credentials{AccessKeyID: "AKIA" + strings.ToUpper(strings.Repeat(user, 5)) + "1", SecretAccessKey: user + "secret"}
}

var (
	root  = aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO1", SecretAccessKey: "rootsecret1"}
	root2 = aws.Credentials{AccessKeyID: "AKIAROOTROOTROOTROO2", SecretAccessKey: "rootsecret2"}
	zoe   = aws.Credentials{AccessKeyID: "AKIAZOEZOEZOEZOEZOE2", SecretAccessKey: "zoesecret"}
)

// lab is a sandbox with S3 and STS over HTTP.
type lab struct {
	*sandbox.Server
	testing.TB
	url string
	dir string
}

func open(t testing.TB) *lab { return openIn(t, t.TempDir(), false) }

func openIn(t testing.TB, dir string, tls bool) *lab {
	t.Helper()
	srv, err := sandbox.Open(sandbox.Options{Dir: dir, World: strings.NewReader(world)})
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kms.New(kms.Options{DB: srv.DB(), Box: box, Now: srv.Now, Principals: func() kms.Principals { return srv.World().State() }})
	if err != nil {
		t.Fatal(err)
	}
	srv.Add(keys)
	service, err := s3.New(s3.Options{DB: srv.DB(), Dir: filepath.Join(dir, "s3"), Keys: keys,
		Principals: func() s3.Principals { return srv.World().State() }, Hosts: []string{"s3.test"}})
	if err != nil {
		t.Fatal(err)
	}
	srv.Add(service)
	srv.Add(sts.New(srv.World()))
	listener := httptest.NewUnstartedServer(srv.Handler())
	if tls {
		listener.StartTLS()
	} else {
		listener.Start()
	}
	t.Cleanup(func() {
		listener.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return &lab{srv, t, listener.URL, dir}
}

// plain lets the client reach any host name at the lab's address.
func (l *lab) plain() *http.Client {
	address := strings.TrimPrefix(l.url, "http://")
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}}
}

func (l *lab) client(c aws.Credentials, options ...func(*awss3.Options)) *awss3.Client {
	o := append([]func(*awss3.Options){func(o *awss3.Options) { o.UsePathStyle = true }}, options...)
	return awss3.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(l.url), RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, // as from a loaded configuration
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials:                credentials.StaticCredentialsProvider{Value: c}}, o...)
}

func (l *lab) session(c aws.Credentials) aws.Credentials {
	l.Helper()
	out, err := awssts.New(awssts.Options{Region: "us-east-1", BaseEndpoint: aws.String(l.url), Credentials: credentials.StaticCredentialsProvider{Value: c}}).
		GetSessionToken(context.Background(), nil)
	if err != nil {
		l.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
}

// bucket makes one of the given name as ann.
func (l *lab) bucket(name string) *awss3.Client {
	l.Helper()
	c := l.client(keys("ann"))
	if _, err := c.CreateBucket(context.Background(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
		l.Fatal(err)
	}
	return c
}

func put(t testing.TB, c *awss3.Client, bucket, key, body string, edit ...func(*awss3.PutObjectInput)) *awss3.PutObjectOutput {
	t.Helper()
	in := &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}
	for _, f := range edit {
		f(in)
	}
	out, err := c.PutObject(context.Background(), in)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return out
}

func get(c *awss3.Client, bucket, key string, edit ...func(*awss3.GetObjectInput)) (string, *awss3.GetObjectOutput, error) {
	in := &awss3.GetObjectInput{Bucket: &bucket, Key: &key}
	for _, f := range edit {
		f(in)
	}
	out, err := c.GetObject(context.Background(), in)
	if err != nil {
		return "", nil, err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), out, err
}

// code is the S3 code or, where an answer has no body, the status of an error.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func want(t testing.TB, what string, err error, wanted string) {
	t.Helper()
	if got := code(err); got != wanted {
		t.Errorf("%s: got %q (%v), want %q", what, got, err, wanted)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keysOf(list []types.Object) (names []string) {
	for _, o := range list {
		names = append(names, *o.Key)
	}
	return names
}

func p[T any](v T) *T { return &v }

func insecureTransport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

// clientSession is a client with a session of ann's, over h.
func (l *lab) clientSession(h *http.Client) *awss3.Client {
	l.Helper()
	out, err := awssts.New(awssts.Options{Region: "us-east-1", BaseEndpoint: aws.String(l.url), HTTPClient: h,
		Credentials: credentials.StaticCredentialsProvider{Value: keys("ann")}}).GetSessionToken(context.Background(), nil)
	if err != nil {
		l.Fatal(err)
	}
	c := out.Credentials
	return l.client(aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken},
		func(o *awss3.Options) { o.HTTPClient = h })
}

// escape writes a key as x-amz-copy-source has it.
func escape(key string) string { return (&url.URL{Path: key}).EscapedPath() }

func unescape(t testing.TB, s string) string {
	t.Helper()
	out, err := url.QueryUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
