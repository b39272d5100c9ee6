package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"lakeport/internal/awsauth"
	"lakeport/internal/iam"
	"lakeport/internal/sqlerr"
)

// account is what GetAccountAuthorizationDetails says of one account.
type account struct {
	unread string             // why it could not be read; then there is nothing else
	users  map[string]*holder // by name
	roles  map[string]*holder
}

// holder is a user or role with the policies that bear on it.
type holder struct {
	arn, id  string
	identity []iam.Policy
	boundary *iam.Policy
	trust    *iam.Policy // roles
	tags     map[string]string
	unread   string // a policy of it that could not be read
}

// guard is the policy of a resource; none if policy is nil.
type guard struct {
	policy *iam.Policy
	owner  string // account
	unread string
}

// told is an error in the user's terms, on one line.
func (e *Exam) told(ctx context.Context, err error, s awsauth.Spec, action string) string {
	service, _, _ := strings.Cut(action, ":")
	err = e.o.Resolver.Explain(ctx, err, awsauth.Ask{Spec: s, Service: service, Action: action})
	line, _, _ := strings.Cut(sqlerr.From(err).Msg, "\n")
	return line
}

// reader is who reads the documents of an account.
func (e *Exam) reader(id string) (awsauth.Spec, string) {
	if s, ok := e.readers[id]; ok {
		return s, ""
	}
	why := "no identity is configured that may read the policies of account " + id
	if len(e.unread) > 0 {
		why += " (" + strings.Join(e.unread, "; ") + ")"
	}
	return awsauth.Spec{}, why
}

func (e *Exam) account(ctx context.Context, id string) *account {
	if a := e.accounts[id]; a != nil {
		return a
	}
	a := &account{users: map[string]*holder{}, roles: map[string]*holder{}}
	e.accounts[id] = a
	spec, why := e.reader(id)
	if why != "" {
		a.unread = why
		return a
	}
	if err := a.read(ctx, awsiam.NewFromConfig(e.o.Resolver.Config(spec, "iam"))); err != nil {
		a.unread = e.told(ctx, err, spec, "iam:GetAccountAuthorizationDetails")
	}
	return a
}

// read gathers all pages first: policies come after those they are attached to.
func (a *account) read(ctx context.Context, api *awsiam.Client) error {
	var users []types.UserDetail
	var roles []types.RoleDetail
	groups := map[string]types.GroupDetail{}
	managed := map[string]*iam.Document{}
	for pages := awsiam.NewGetAccountAuthorizationDetailsPaginator(api, &awsiam.GetAccountAuthorizationDetailsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("get account authorization details: %w", err)
		}
		users, roles = append(users, page.UserDetailList...), append(roles, page.RoleDetailList...)
		for _, g := range page.GroupDetailList {
			groups[aws.ToString(g.GroupName)] = g
		}
		for _, p := range page.Policies {
			for _, v := range p.PolicyVersionList {
				if v.IsDefaultVersion {
					if doc, err := parse(v.Document); err == nil {
						managed[aws.ToString(p.Arn)] = doc
					}
				}
			}
		}
	}
	for _, u := range users {
		h := &holder{arn: aws.ToString(u.Arn), id: aws.ToString(u.UserId), tags: tagsOf(u.Tags)}
		h.inline(u.UserPolicyList)
		h.attach(u.AttachedManagedPolicies, managed)
		for _, name := range u.GroupList {
			h.inline(groups[name].GroupPolicyList)
			h.attach(groups[name].AttachedManagedPolicies, managed)
		}
		h.bound(u.PermissionsBoundary, managed)
		a.users[aws.ToString(u.UserName)] = h
	}
	for _, r := range roles {
		h := &holder{arn: aws.ToString(r.Arn), id: aws.ToString(r.RoleId), tags: tagsOf(r.Tags)}
		h.inline(r.RolePolicyList)
		h.attach(r.AttachedManagedPolicies, managed)
		h.bound(r.PermissionsBoundary, managed)
		h.trust = &iam.Policy{Kind: iam.TrustPolicy, Name: h.arn}
		if doc, err := parse(r.AssumeRolePolicyDocument); err == nil {
			h.trust.Document = doc
		} else {
			h.unread = fmt.Sprintf("the trust policy of %s: %v", h.arn, err)
		}
		a.roles[aws.ToString(r.RoleName)] = h
	}
	return nil
}

// parse reads a document as IAM sends it: encoded as in a URL (IAM API
// Reference, "PolicyDetail").
func parse(text *string) (*iam.Document, error) {
	plain, err := url.PathUnescape(aws.ToString(text))
	if err != nil {
		return nil, err
	}
	return iam.Parse([]byte(plain))
}

func (h *holder) inline(list []types.PolicyDetail) {
	for _, p := range list {
		doc, err := parse(p.PolicyDocument)
		if err != nil {
			h.unread = fmt.Sprintf("policy %s of %s: %v", aws.ToString(p.PolicyName), h.arn, err)
		}
		h.identity = append(h.identity, iam.Policy{Kind: iam.IdentityPolicy, Name: aws.ToString(p.PolicyName), Document: doc})
	}
}

func (h *holder) attach(list []types.AttachedPolicy, managed map[string]*iam.Document) {
	for _, p := range list {
		h.identity = append(h.identity, h.managed(iam.IdentityPolicy, aws.ToString(p.PolicyArn), managed))
	}
}

func (h *holder) bound(b *types.AttachedPermissionsBoundary, managed map[string]*iam.Document) {
	if b != nil {
		p := h.managed(iam.Boundary, aws.ToString(b.PermissionsBoundaryArn), managed)
		h.boundary = &p
	}
}

func (h *holder) managed(kind iam.PolicyKind, arn string, managed map[string]*iam.Document) iam.Policy {
	if managed[arn] == nil {
		h.unread = "policy " + arn + " of " + h.arn + " is not told"
	}
	return iam.Policy{Kind: kind, Name: lastPart(arn), ARN: arn, Document: managed[arn]}
}

func tagsOf(list []types.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags
}

// bucket finds whose a bucket is, and its policy.
func (e *Exam) bucket(ctx context.Context, name, region string) *guard {
	if g := e.buckets[name]; g != nil {
		return g
	}
	g := &guard{}
	e.buckets[name] = g
	var refused []string
	for id, spec := range e.readers {
		if e.listed[id] {
			continue
		}
		e.listed[id] = true
		spec.Region = region
		api := s3.NewFromConfig(e.o.Resolver.Config(spec, "s3"), pathStyle)
		for pages := s3.NewListBucketsPaginator(api, &s3.ListBucketsInput{}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				refused = append(refused, e.told(ctx, err, spec, "s3:ListAllMyBuckets"))
				break
			}
			for _, b := range page.Buckets {
				e.owners[aws.ToString(b.Name)] = id
			}
		}
	}
	if g.owner = e.owners[name]; g.owner == "" {
		g.unread = "none of the accounts whose buckets can be listed has the bucket " + name
		if len(refused) > 0 {
			g.unread += ": " + strings.Join(refused, "; ")
		}
		return g
	}
	spec := e.readers[g.owner]
	spec.Region = region
	out, err := s3.NewFromConfig(e.o.Resolver.Config(spec, "s3"), pathStyle).GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &name})
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchBucketPolicy" {
		return g
	}
	if err != nil {
		g.unread = e.told(ctx, err, spec, "s3:GetBucketPolicy")
		return g
	}
	g.take("arn:aws:s3:::"+name, []byte(aws.ToString(out.Policy)))
	return g
}

// pathStyle asks for a bucket by the path, where a sandbox or a proxy answers
// for all of them at one address.
func pathStyle(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }

func (g *guard) take(name string, text []byte) {
	doc, err := iam.Parse(text)
	if err != nil {
		g.unread = fmt.Sprintf("the policy of %s: %v", name, err)
		return
	}
	g.policy = &iam.Policy{Kind: iam.ResourcePolicy, Name: name, Document: doc}
}

// catalog is the policy of a Glue catalog.
func (e *Exam) catalog(ctx context.Context, region, owner string) *guard {
	key := region + ":" + owner
	if g := e.catalogs[key]; g != nil {
		return g
	}
	g := &guard{owner: owner}
	e.catalogs[key] = g
	spec, why := e.reader(owner)
	if why != "" {
		g.unread = why
		return g
	}
	spec.Region = region
	out, err := glue.NewFromConfig(e.o.Resolver.Config(spec, "glue")).GetResourcePolicy(ctx, &glue.GetResourcePolicyInput{})
	if _, none := errors.AsType[*gluetypes.EntityNotFoundException](err); none {
		return g
	}
	if err != nil {
		g.unread = e.told(ctx, err, spec, "glue:GetResourcePolicy")
		return g
	}
	g.take("arn:aws:glue:"+region+":"+owner+":catalog", []byte(aws.ToString(out.PolicyInJson)))
	return g
}
