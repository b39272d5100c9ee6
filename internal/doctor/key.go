package doctor

import (
	"context"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
)

// head is how an object is encrypted, or a bucket's new ones.
type head struct {
	key    string // of KMS: an id, ARN or alias; empty: S3's own keys
	bucket bool   // a Bucket Key: the encryption context names the bucket
	unread string
}

// headsMax is of how many objects the encryption is looked at, headsAtOnce of
// how many at the same time.
const (
	headsMax    = 1000
	headsAtOnce = 32
)

// readHeads asks for the encryption of the objects that are read. The owner of
// the bucket asks, for whoever reads an object may not be let to.
func (e *Exam) readHeads(ctx context.Context, calls []awsauth.Access) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(headsAtOnce)
	asked := map[string]bool{}
	for _, a := range calls {
		for _, r := range a.Requests {
			arn := r.Resource.ARN
			if r.Action != "s3:GetObject" || asked[arn] || len(asked) == headsMax {
				continue
			}
			asked[arn] = true
			name, object, _ := strings.Cut(strings.TrimPrefix(arn, "arn:aws:s3:::"), "/")
			owner := e.bucket(ctx, name, a.Spec.Region).owner
			reader, known := e.readers[owner]
			if !known {
				continue
			}
			reader.Region = a.Spec.Region
			g.Go(func() error {
				out, err := s3.NewFromConfig(e.o.Resolver.Config(reader, "s3"), pathStyle).HeadObject(ctx, &s3.HeadObjectInput{Bucket: &name, Key: &object})
				var h head
				if err != nil {
					h.unread = "how it is encrypted cannot be read: " + e.told(ctx, err, reader, "s3:GetObject")
				} else if out.ServerSideEncryption == s3types.ServerSideEncryptionAwsKms || out.ServerSideEncryption == s3types.ServerSideEncryptionAwsKmsDsse {
					h.key, h.bucket = aws.ToString(out.SSEKMSKeyId), aws.ToBool(out.BucketKeyEnabled)
				}
				mu.Lock()
				defer mu.Unlock()
				e.heads[arn] = h
				return nil
			})
		}
	}
	_ = g.Wait() // none fails: what cannot be read is told
}

// encryption says which KMS key a call on an object needs besides, and for what.
func (e *Exam) encryption(ctx context.Context, s awsauth.Spec, r iam.Request) (key, use, unread string) {
	switch r.Action {
	case "s3:GetObject":
		h, read := e.heads[r.Resource.ARN]
		if !read {
			return "", "", "how it is encrypted is not looked at"
		}
		return h.key, "kms:Decrypt", h.unread
	case "s3:PutObject":
		if asked := r.Context["s3:x-amz-server-side-encryption"]; len(asked) > 0 {
			if keys := r.Context["s3:x-amz-server-side-encryption-aws-kms-key-id"]; len(keys) > 0 {
				return keys[0], "kms:GenerateDataKey", ""
			}
			return "", "", ""
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(r.Resource.ARN, "arn:aws:s3:::"), "/")
		h := e.bucketDefault(ctx, s, name)
		return h.key, "kms:GenerateDataKey", h.unread
	}
	return "", "", ""
}

// bucketDefault is how a bucket encrypts what says nothing of it.
func (e *Exam) bucketDefault(ctx context.Context, s awsauth.Spec, name string) head {
	if h, known := e.defaults[name]; known {
		return h
	}
	var h head
	reader, known := e.readers[e.bucket(ctx, name, s.Region).owner]
	if !known {
		h.unread = "how the bucket encrypts is not known"
	} else {
		reader.Region = s.Region
		out, err := s3.NewFromConfig(e.o.Resolver.Config(reader, "s3"), pathStyle).GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name})
		if err != nil {
			h.unread = "how the bucket encrypts cannot be read: " + e.told(ctx, err, reader, "s3:GetEncryptionConfiguration")
		} else if c := out.ServerSideEncryptionConfiguration; c != nil {
			for _, rule := range c.Rules {
				if d := rule.ApplyServerSideEncryptionByDefault; d != nil && d.SSEAlgorithm != s3types.ServerSideEncryptionAes256 {
					h.key, h.bucket = aws.ToString(d.KMSMasterKeyID), aws.ToBool(rule.BucketKeyEnabled)
					if h.key == "" {
						h.key = "alias/aws/s3"
					}
				}
			}
		}
	}
	e.defaults[name] = h
	return h
}

// keyRequest is the call to KMS that S3 makes in the caller's name ("Using
// server-side encryption with AWS KMS keys", S3 User Guide).
func (e *Exam) keyRequest(ctx context.Context, s awsauth.Spec, object iam.Request, use, key string) iam.Request {
	who := e.callerOf(ctx, s, len(s.Chain))
	about := object.Resource.ARN
	name, _, _ := strings.Cut(strings.TrimPrefix(about, "arn:aws:s3:::"), "/")
	if e.heads[about].bucket || object.Action == "s3:PutObject" && e.defaults[name].bucket {
		about = "arn:aws:s3:::" + name
	}
	arn := e.keyARN(ctx, who.Account, s.Region, key)
	return iam.Request{Action: use, Resource: iam.Resource{ARN: arn, Account: accountOf(arn)}, Context: iam.Context{
		"kms:viaservice": {"s3." + s.Region + ".amazonaws.com"}, "kms:calleraccount": {who.Account},
		"kms:encryptioncontext:aws:s3:arn": {about}, "kms:encryptioncontextkeys": {"aws:s3:arn"},
	}}
}

// keyARN is the key's own ARN, whatever names it; the name, where nobody may ask.
func (e *Exam) keyARN(ctx context.Context, account, region, key string) string {
	owner := account
	if strings.HasPrefix(key, "arn:") {
		if strings.Contains(key, ":key/") {
			return key
		}
		owner = accountOf(key)
	}
	if reader, known := e.readers[owner]; known {
		reader.Region = region
		out, err := kms.NewFromConfig(e.o.Resolver.Config(reader, "kms")).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
		if err == nil {
			return aws.ToString(out.KeyMetadata.Arn)
		}
	}
	if strings.HasPrefix(key, "arn:") {
		return key
	}
	return "arn:aws:kms:" + region + ":" + account + ":key/" + key
}

// key is the policy of a KMS key.
func (e *Exam) key(ctx context.Context, arn string) *guard {
	if g := e.keys[arn]; g != nil {
		return g
	}
	g := &guard{owner: accountOf(arn)}
	e.keys[arn] = g
	reader, why := e.reader(g.owner)
	if why != "" {
		g.unread = why
		return g
	}
	reader.Region = strings.SplitN(arn, ":", 6)[3]
	out, err := kms.NewFromConfig(e.o.Resolver.Config(reader, "kms")).GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &arn, PolicyName: aws.String("default")})
	if err != nil {
		g.unread = e.told(ctx, err, reader, "kms:GetKeyPolicy")
		return g
	}
	g.take(arn, []byte(aws.ToString(out.Policy)))
	if g.policy != nil {
		g.policy.Kind = iam.KeyPolicy
	}
	return g
}

// attached judges the first role of a warehouse's chain, of which Redshift
// itself takes a session: its trust policy must name the service, and it must
// be attached (Redshift Management Guide, "Chaining IAM roles").
func (e *Exam) attached(ctx context.Context, s awsauth.Spec) (Step, bool) {
	if s.Role == awsauth.DefaultRole {
		return Step{}, false
	}
	who := caller{Principal: iam.Principal{Kind: iam.Service, ARN: "redshift.amazonaws.com"}}
	step := e.judgeAs(ctx, who, s, 0, iam.Request{Action: "sts:AssumeRole", Resource: iam.Resource{ARN: s.Role, Account: accountOf(s.Role)}})
	if step.Answer == Allowed {
		if _, err := e.o.Resolver.Caller(ctx, s, 0); err != nil {
			step.Answer, step.Reason = Denied, e.told(ctx, err, s, "sts:AssumeRole")
		}
	}
	return step, true
}
