package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// "GetObject", S3 API Reference: who may not list the bucket is not told that
// a key is missing.
func TestMissingKeysAreHiddenFromThoseWhoMayNotList(t *testing.T) {
	l := open(t)
	l.bucket("b-hide")
	for user, wanted := range map[string]string{"ann": "NoSuchKey", "pat": "AccessDenied", "nan": "AccessDenied"} {
		_, _, err := get(l.client(keys(user)), "b-hide", "none")
		want(t, user, err, wanted)
	}
	_, _, err := get(l.client(keys("pat")), "b-hide", "none")
	if text := `not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::b-hide"`; err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %s", err, text)
	}
	_, err = l.client(keys("pat")).HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: p("b-hide")})
	want(t, "head bucket", err, "Forbidden")
	_, err = l.client(keys("pat")).HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: p("b-none")})
	want(t, "head no bucket", err, "NotFound")
}

func TestListsAreDecidedByPrefix(t *testing.T) {
	l := open(t)
	l.bucket("b-list")
	c := l.client(keys("lee"))
	for prefix, wanted := range map[string]string{"open/x": "", "": "", "shut/": "AccessDenied"} {
		_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: p("b-list"), Prefix: &prefix})
		want(t, "prefix "+prefix, err, wanted)
	}
	_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: p("b-list")})
	want(t, "no prefix at all", err, "AccessDenied")
}

func TestBatchDeleteDecidesEachKey(t *testing.T) {
	l := open(t)
	c := l.bucket("b-batch")
	put(t, c, "b-batch", "open/1", "")
	put(t, c, "b-batch", "shut/1", "")
	out, err := l.client(keys("lee")).DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: p("b-batch"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: p("open/1")}, {Key: p("shut/1")}}}})
	ok(t, err)
	if len(out.Deleted) != 1 || *out.Deleted[0].Key != "open/1" || len(out.Errors) != 1 || *out.Errors[0].Key != "shut/1" || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("got %+v", out)
	}
	_, _, err = get(c, "b-batch", "shut/1")
	want(t, "what was refused", err, "")
	_, err = c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: p("b-batch"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{}}})
	want(t, "an empty list", err, "MalformedXML")
}

func policy(statements string) *string {
	return p(`{"Version": "2012-10-17", "Statement": [` + statements + `]}`)
}

func TestBucketPolicies(t *testing.T) {
	l := open(t)
	c := l.bucket("b-policy")
	put(t, c, "b-policy", "k", "body")
	set := func(text *string) error {
		_, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: p("b-policy"), Policy: text})
		return err
	}
	read := func(who aws.Credentials) error {
		_, _, err := get(l.client(who), "b-policy", "k")
		return err
	}
	want(t, "another account before", read(zoe), "AccessDenied")
	want(t, "nan before", read(keys("nan")), "AccessDenied")
	ok(t, set(policy(`{"Effect": "Allow", "Principal": {"AWS": ["222222222222", "arn:aws:iam::111111111111:user/nan"]},
		"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-policy/*"},
		{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-policy/*",
		"Condition": {"StringEquals": {"aws:username": "lee"}}}`)))
	want(t, "another account", read(zoe), "")
	want(t, "nan", read(keys("nan")), "")
	want(t, "lee", read(keys("lee")), "AccessDenied")
	if err := read(keys("lee")); err == nil || !strings.Contains(err.Error(), "with an explicit deny in a resource-based policy") {
		t.Errorf("got %v", err)
	}
	out, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: p("b-policy")})
	if err != nil || !strings.Contains(*out.Policy, "arn:aws:iam::111111111111:user/nan") {
		t.Errorf("got %+v, %v", out, err)
	}
	status, err := c.GetBucketPolicyStatus(ctx, &awss3.GetBucketPolicyStatusInput{Bucket: p("b-policy")})
	if err != nil || *status.PolicyStatus.IsPublic {
		t.Errorf("got %+v, %v", status, err)
	}

	for name, text := range map[string]string{
		"a principal that does not exist": `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:user/nobody"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-policy/*"}`,
		"another bucket":                  `{"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}`,
		"no principal":                    `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-policy/*"}`,
		"not JSON":                        `{`,
	} {
		want(t, name, set(policy(text)), "MalformedPolicy")
	}

	deny := policy(`{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b-policy", "arn:aws:s3:::b-policy/*"]}`)
	ok(t, set(deny))
	want(t, "ann under deny", read(keys("ann")), "AccessDenied")
	_, err = c.DeleteBucketPolicy(ctx, &awss3.DeleteBucketPolicyInput{Bucket: p("b-policy")})
	want(t, "ann mends", err, "AccessDenied")
	_, err = l.client(zoe).GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: p("b-policy")})
	want(t, "another account's user", err, "MethodNotAllowed")
	_, err = l.client(root).DeleteBucketPolicy(ctx, &awss3.DeleteBucketPolicyInput{Bucket: p("b-policy")})
	want(t, "root mends", err, "")
	_, err = c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: p("b-policy")})
	want(t, "gone", err, "NoSuchBucketPolicy")
}

func TestPublicAccessIsBlockedUntilItIsOpened(t *testing.T) {
	l := open(t)
	c := l.bucket("b-public")
	put(t, c, "b-public", "k", "body")
	open := policy(`{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-public/*"}`)
	_, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: p("b-public"), Policy: open})
	if err == nil || !strings.Contains(err.Error(), "BlockPublicPolicy") {
		t.Errorf("got %v", err)
	}
	anonymous := func() int {
		resp, err := http.Get(l.url + "/b-public/k")
		ok(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := anonymous(); got != 403 {
		t.Errorf("before: got %d", got)
	}
	_, err = c.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: p("b-public")})
	ok(t, err)
	_, err = c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: p("b-public"), Policy: open})
	ok(t, err)
	if got := anonymous(); got != 200 {
		t.Errorf("opened: got %d", got)
	}
	_, err = c.PutPublicAccessBlock(ctx, &awss3.PutPublicAccessBlockInput{Bucket: p("b-public"),
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: p(true)}})
	ok(t, err)
	if got := anonymous(); got != 403 {
		t.Errorf("restricted: got %d", got)
	}
	want(t, "own account", func() error { _, _, err := get(c, "b-public", "k"); return err }(), "")
}

func TestWrongRegionsAreToldWithTheRightOne(t *testing.T) {
	l := open(t)
	c := l.client(keys("ann"))
	in := func(region string) func(*awss3.Options) { return func(o *awss3.Options) { o.Region = region } }
	_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: p("b-eu"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
	ok(t, err)
	_, err = c.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: p("b-eu")}, in("eu-west-1"))
	want(t, "right", err, "")
	_, err = c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: p("b-eu")})
	want(t, "wrong", err, "AuthorizationHeaderMalformed")
	if err == nil || !strings.Contains(err.Error(), "the region 'us-east-1' is wrong; expecting 'eu-west-1'") {
		t.Errorf("got %v", err)
	}
	loc, err := c.GetBucketLocation(ctx, &awss3.GetBucketLocationInput{Bucket: p("b-eu")})
	if err != nil || loc.LocationConstraint != "eu-west-1" {
		t.Errorf("location: got %+v, %v", loc, err)
	}
	resp, err := http.Head(l.url + "/b-eu")
	if err != nil || resp.StatusCode != 403 || resp.Header.Get("x-amz-bucket-region") != "eu-west-1" {
		t.Errorf("anonymous HEAD: got %+v, %v", resp, err)
	}
	_, err = c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: p("b-x"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}},
		in("eu-west-2"))
	want(t, "constraint of another region", err, "IllegalLocationConstraintException")
}

func TestBucketNamesBelongToOneOwner(t *testing.T) {
	l := open(t)
	c := l.bucket("b-mine")
	_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: p("b-mine")})
	want(t, "again in us-east-1", err, "")
	_, err = l.client(zoe).CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: p("b-mine")})
	want(t, "another's", err, "BucketAlreadyExists")
	for _, name := range []string{"ab", "Upper", "a..b", "192.168.1.1", "-a-", "b-s3alias", "xn--abc"} {
		_, err = c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &name})
		want(t, name, err, "InvalidBucketName")
	}
	mine, err := c.ListBuckets(ctx, nil)
	if err != nil || len(mine.Buckets) != 1 || *mine.Buckets[0].Name != "b-mine" {
		t.Errorf("got %+v, %v", mine, err)
	}
	others, err := l.client(zoe).ListBuckets(ctx, nil)
	if err != nil || len(others.Buckets) != 0 {
		t.Errorf("got %+v, %v", others, err)
	}
	_, err = l.client(keys("nan")).ListBuckets(ctx, nil)
	want(t, "nan lists", err, "AccessDenied")
	_, err = c.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: p("b-mine"), ExpectedBucketOwner: p("222222222222")})
	want(t, "expected owner", err, "Forbidden")
	_, err = c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: p("b-mine")})
	want(t, "delete", err, "")
	_, err = c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: p("b-mine")})
	want(t, "delete again", err, "NoSuchBucket")
}

func TestVirtualHostedAddresses(t *testing.T) {
	l := open(t)
	c := l.bucket("b-host")
	put(t, c, "b-host", "a/k", "body")
	for _, base := range []string{"http://s3.test", "http://localhost:9", "http://s3.us-east-1.amazonaws.com", "http://s3.amazonaws.com"} {
		virtual := l.client(keys("ann"), func(o *awss3.Options) {
			o.BaseEndpoint, o.UsePathStyle, o.HTTPClient = &base, false, l.plain()
		})
		if got, _, err := get(virtual, "b-host", "a/k"); err != nil || got != "body" {
			t.Errorf("%s: got %q, %v", base, got, err)
		}
	}
}

func TestTagsTakePartInDecisions(t *testing.T) {
	l := open(t)
	c := l.bucket("b-tags")
	put(t, c, "b-tags", "k", "body", func(in *awss3.PutObjectInput) { in.Tagging = p("team=red&note=a%20b") })
	_, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: p("b-tags"), Policy: policy(
		`{"Effect": "Deny", "Principal": {"AWS": "111111111111"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b-tags/*",
		"Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "red"}}}`)})
	ok(t, err)
	_, _, err = get(c, "b-tags", "k")
	want(t, "red", err, "AccessDenied")
	tags, err := c.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: p("b-tags"), Key: p("k")})
	if err != nil || len(tags.TagSet) != 2 || *tags.TagSet[0].Value != "a b" {
		t.Errorf("got %+v, %v", tags, err)
	}
	_, err = c.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{Bucket: p("b-tags"), Key: p("k"),
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: p("team"), Value: p("blue")}}}})
	ok(t, err)
	_, out, err := get(c, "b-tags", "k")
	if err != nil || *out.TagCount != 1 {
		t.Errorf("blue: got %+v, %v", out, err)
	}
	_, err = c.DeleteObjectTagging(ctx, &awss3.DeleteObjectTaggingInput{Bucket: p("b-tags"), Key: p("k")})
	want(t, "delete", err, "")
	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: p("b-tags"), Key: p("k"), Tagging: p("a=1&a=2")})
	want(t, "twice the same key", err, "InvalidTag")
}

// What is not built says so, and so do configurations that are not set.
func TestUnbuiltOperationsAreRefusedByName(t *testing.T) {
	l := open(t)
	c := l.bucket("b-unbuilt")
	_, err := c.PutBucketLifecycleConfiguration(ctx, &awss3.PutBucketLifecycleConfigurationInput{Bucket: p("b-unbuilt"),
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: p("")}}}}})
	if code(err) != "NotImplemented" || !strings.Contains(err.Error(), "PutBucketLifecycleConfiguration") {
		t.Errorf("got %v", err)
	}
	_, err = c.PutObjectRetention(ctx, &awss3.PutObjectRetentionInput{Bucket: p("b-unbuilt"), Key: p("k"), Retention: &types.ObjectLockRetention{}})
	want(t, "retention", err, "NotImplemented")
	_, err = c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: p("b-unbuilt")})
	want(t, "lifecycle", err, "NoSuchLifecycleConfiguration")
	_, err = c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: p("b-unbuilt")})
	want(t, "cors", err, "NoSuchCORSConfiguration")
	_, err = c.GetBucketLogging(ctx, &awss3.GetBucketLoggingInput{Bucket: p("b-unbuilt")})
	want(t, "logging", err, "")
	_, err = c.GetBucketRequestPayment(ctx, &awss3.GetBucketRequestPaymentInput{Bucket: p("b-unbuilt")})
	want(t, "payment", err, "")
	_, err = l.client(keys("pat")).GetBucketLogging(ctx, &awss3.GetBucketLoggingInput{Bucket: p("b-unbuilt")})
	want(t, "logging by pat", err, "AccessDenied")
	resp, err := http.Post(l.url+"/b-unbuilt/k?nonsense", "text/plain", nil)
	ok(t, err)
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 501 {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

func TestBucketConfigurationsComeBack(t *testing.T) {
	l := open(t)
	c := l.bucket("b-conf")
	b := p("b-conf")
	enc, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: b})
	if err != nil || enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != "AES256" {
		t.Errorf("encryption: %+v, %v", enc, err)
	}
	_, err = c.PutBucketEncryption(ctx, &awss3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms:dsse"}}}}})
	want(t, "DSSE-KMS", err, "NotImplemented")
	own, err := c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: b})
	if err != nil || own.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership: %+v, %v", own, err)
	}
	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: p("k"), ACL: "public-read"})
	want(t, "an ACL", err, "AccessControlListNotSupported")
	pab, err := c.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: b})
	if err != nil || !*pab.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Errorf("public access: %+v, %v", pab, err)
	}
	acl, err := c.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: b})
	if err != nil || len(acl.Grants) != 1 || acl.Grants[0].Permission != "FULL_CONTROL" {
		t.Errorf("acl: %+v, %v", acl, err)
	}
	_, err = c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b})
	want(t, "no tags", err, "NoSuchTagSet")
	_, err = c.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: p("a"), Value: p("1")}}}})
	ok(t, err)
	tags, err := c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b})
	if err != nil || len(tags.TagSet) != 1 {
		t.Errorf("tags: %+v, %v", tags, err)
	}
	v, err := c.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: b})
	if err != nil || v.Status != "" {
		t.Errorf("versioning: %+v, %v", v, err)
	}
}
