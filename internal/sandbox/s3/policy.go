package s3

import (
	"net/http"
	"strings"

	"lakeport/internal/iam"
)

// bucketPolicy is a bucket's policy ready to decide.
type bucketPolicy struct {
	record *bucket // which it was made from
	policy *iam.Policy
	public bool
}

// Policy is the bucket policy that guards a bucket or an object in it.
func (s *Service) Policy(arn string) *iam.Policy {
	name, ok := strings.CutPrefix(arn, "arn:aws:s3:::")
	if !ok {
		return nil
	}
	name, _, _ = strings.Cut(name, "/")
	b := s.store.bucket(name)
	if b == nil || b.Policy == "" {
		return nil
	}
	return s.policy(b).policy
}

// policy compiles the policy of b once per record. It is never nil.
func (s *Service) policy(b *bucket) *bucketPolicy {
	s.mu.RLock()
	p := s.policies[b.Name]
	s.mu.RUnlock()
	if p != nil && (p.record == b || p.record.Policy == b.Policy) {
		return p
	}
	p = &bucketPolicy{record: b}
	if b.Policy != "" {
		// A stored policy was parsed when it was put; one that no longer
		// parses allows nothing.
		doc, _ := iam.Parse([]byte(b.Policy))
		p.policy = &iam.Policy{Kind: iam.ResourcePolicy, Name: b.arn(), Document: doc}
		p.public = isPublic(doc)
	}
	s.mu.Lock()
	s.policies[b.Name] = p
	s.mu.Unlock()
	return p
}

func (s *Service) getPolicy(w http.ResponseWriter, q *request) error {
	if q.b.Policy == "" {
		return noSuchPolicy(q.bucket)
	}
	text := q.b.Policy
	if doc := s.policy(q.b).policy.Document; s.principals != nil && doc != nil {
		text = s.principals().ReadPrincipals(doc).String()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(text))
	return nil
}

func noSuchPolicy(bucket string) *apiErr {
	return apiError(404, "NoSuchBucketPolicy", "The bucket policy does not exist", "BucketName", bucket)
}

func (s *Service) putPolicy(w http.ResponseWriter, q *request) error {
	text, err := readBody(q.r, iam.MaxBucket+1)
	if err != nil {
		return err
	}
	if err := checkBody(q.r, text, false); err != nil {
		return err
	}
	if len(text) > iam.MaxBucket {
		return malformedPolicy("Normalized policy document exceeds the maximum allowed size")
	}
	doc, faults := iam.Check(text, iam.ResourcePolicy)
	if len(faults) > 0 {
		return malformedPolicy(faults[0].Message, "Detail", faults[0].Detail)
	}
	if err := ownResources(doc, q.bucket); err != nil {
		return err
	}
	if s.principals != nil {
		stored, unknown := s.principals().StorePrincipals(doc)
		if len(unknown) > 0 {
			return malformedPolicy("Invalid principal in policy", "Detail", `"AWS" : "`+unknown[0]+`"`)
		}
		doc = stored
	}
	if q.b.Access.Policy && isPublic(doc) {
		return apiError(403, "AccessDenied", "User: "+q.Caller.Principal.ARN+` is not authorized to perform: s3:PutBucketPolicy on resource: "`+q.b.arn()+
			`" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`)
	}
	return s.changed(w, q, func(b *bucket) { b.Policy = doc.String() })
}

func malformedPolicy(message string, fields ...string) *apiErr {
	return apiError(400, "MalformedPolicy", message, fields...)
}

// ownResources refuses statements on anything but the bucket and its objects.
func ownResources(doc *iam.Document, bucket string) error {
	arn := "arn:aws:s3:::" + bucket
	for _, st := range doc.Statements {
		for _, r := range append(st.Resource, st.NotResource...) {
			if r.Text != arn && !strings.HasPrefix(r.Text, arn+"/") && r.Text != "*" && r.Text != arn+"*" {
				return malformedPolicy("Policy has invalid resource", "Detail", r.Text)
			}
		}
	}
	return nil
}

func (s *Service) deletePolicy(w http.ResponseWriter, q *request) error {
	return s.changed(w, q, func(b *bucket) { b.Policy = "" })
}

func (s *Service) getPolicyStatus(w http.ResponseWriter, q *request) error {
	if q.b.Policy == "" {
		return noSuchPolicy(q.bucket)
	}
	return writeXML(w, &policyStatusXML{IsPublic: s.policy(q.b).public})
}

// isPublic follows "The meaning of public", S3 User Guide: a policy is public
// if it allows everyone, unless one of these keys holds fixed values.
func isPublic(doc *iam.Document) bool {
	if doc == nil {
		return false
	}
	for i := range doc.Statements {
		st := &doc.Statements[i]
		if st.Effect == "Allow" && everyone(st) && !confined(st) {
			return true
		}
	}
	return false
}

func everyone(st *iam.Statement) bool {
	if st.NotPrincipal != nil {
		return true
	}
	for _, p := range st.Principal {
		if p.Value == "*" {
			return true
		}
	}
	return false
}

var confiningKeys = map[string]bool{"aws:sourceip": true, "aws:sourcearn": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:sourceaccount": true,
	"aws:sourceowner": true, "aws:userid": true, "aws:principalarn": true, "aws:principalaccount": true, "aws:principalorgid": true,
	"aws:principalorgpaths": true, "aws:principalservicename": true, "aws:sourceorgid": true, "aws:sourceorgpaths": true, "aws:viaawsservice": true,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": true, "s3:dataaccesspointarn": true, "s3:dataaccesspointaccount": true}

func confined(st *iam.Statement) bool {
	for _, c := range st.Conditions {
		op := strings.ToLower(c.Operator)
		positive := !strings.Contains(op, "not") && !strings.HasSuffix(op, "ifexists") && !strings.HasPrefix(op, "forallvalues:") && op != "null"
		if !positive || !confiningKeys[strings.ToLower(c.Key)] {
			continue
		}
		fixed := true
		for _, v := range c.Values {
			if strings.Contains(v.Text, "${") || strings.Contains(v.Text, "*") && !strings.Contains(strings.ToLower(c.Key), "arn") ||
				v.Text == "*" || v.Text == "0.0.0.0/0" || v.Text == "::/0" {
				fixed = false
			}
		}
		if fixed {
			return true
		}
	}
	return false
}
