package s3tables

import (
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
)

// parsePolicy checks a resource policy ("Resource-based policies for S3
// Tables"): every statement names principals, S3 Tables' actions and resources
// of the bucket. Assumed: the texts.
func parsePolicy(text, bucket string) (*iam.Document, error) {
	if len(text) > iam.MaxTableBucket {
		return nil, badRequest("The policy has %d bytes; %d are allowed.", len(text), iam.MaxTableBucket)
	}
	doc, err := iam.Parse([]byte(text))
	if err != nil {
		return nil, badRequest("The policy is not valid: %v", err)
	}
	for i, st := range doc.Statements {
		switch {
		case st.Effect != "Allow" && st.Effect != "Deny":
			return nil, badRequest("The policy is not valid: Effect of statement %d is %q", i+1, st.Effect)
		case st.Principal == nil && st.NotPrincipal == nil:
			return nil, badRequest("The policy is not valid: statement %d has no Principal", i+1)
		case st.Action == nil && st.NotAction == nil || st.Resource == nil && st.NotResource == nil:
			return nil, badRequest("The policy is not valid: statement %d has no Action or no Resource", i+1)
		}
		for _, a := range slices.Concat(st.Action, st.NotAction) {
			if !strings.HasPrefix(strings.ToLower(a.Text), "s3tables:") {
				return nil, badRequest("The policy is not valid: action %s is not one of S3 Tables", a.Text)
			}
		}
		for _, r := range slices.Concat(st.Resource, st.NotResource) {
			if r.Text != "*" && r.Text != bucket && !strings.HasPrefix(r.Text, bucket+"/") {
				return nil, badRequest("The policy is not valid: resource %s is not in %s", r.Text, bucket)
			}
		}
	}
	return doc, nil
}

type policyBody struct {
	Policy string `json:"resourcePolicy"`
}

func (q *call) policy() (string, error) {
	var in policyBody
	if err := q.decode(&in); err != nil {
		return "", err
	}
	_, err := parsePolicy(in.Policy, q.b.ARN())
	return in.Policy, err
}

func (s *Service) putBucketPolicy(q *call) (any, error) {
	text, err := q.policy()
	if err != nil {
		return nil, err
	}
	return nil, s.setBucketPolicy(q.b, text)
}

func (s *Service) getBucketPolicy(q *call) (any, error) {
	if q.b.Policy == "" {
		return nil, notFound("The specified bucket does not have a policy.")
	}
	return policyBody{q.b.Policy}, nil
}

func (s *Service) deleteBucketPolicy(q *call) (any, error) { return nil, s.setBucketPolicy(q.b, "") }

func (s *Service) setBucketPolicy(b *Bucket, text string) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		c := *b
		c.Policy = text
		return put(tx, bucketsKey, key(b.Account, b.Region, b.Name), &c)
	})
	s.forget("")
	return err
}

func (s *Service) putTablePolicy(q *call) (any, error) {
	text, err := q.policy()
	if err != nil {
		return nil, err
	}
	return nil, s.setTablePolicy(q.t, text)
}

func (s *Service) getTablePolicy(q *call) (any, error) {
	if q.t.Policy == "" {
		return nil, notFound("The specified table does not have a policy.")
	}
	return policyBody{q.t.Policy}, nil
}

func (s *Service) deleteTablePolicy(q *call) (any, error) { return nil, s.setTablePolicy(q.t, "") }

// setTablePolicy changes the policy alone, whatever else has changed meanwhile.
func (s *Service) setTablePolicy(t *Table, text string) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		k := key(t.Bucket, t.Namespace, t.Name)
		c, err := get[Table](tx, tablesKey, k)
		if err != nil || c == nil {
			return or(err, notFound("The specified table does not exist: %s.%s", t.Namespace, t.Name))
		}
		c.Policy = text
		return put(tx, tablesKey, k, c)
	})
	s.forget("")
	return err
}

// Policy guards a table by the statements of its bucket's policy and of its
// own, and a bucket by its own.
func (s *Service) Policy(arn string) *iam.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.policies[arn]; ok {
		return p
	}
	bucket, _, inside := strings.Cut(arn, "/table/")
	var texts []string
	b, err := s.BucketByARN(bucket)
	if err == nil && b != nil && b.Policy != "" {
		texts = append(texts, b.Policy)
	}
	if inside && err == nil {
		var t *Table
		if t, err = s.TableByARN(arn); err == nil && t != nil && t.Policy != "" {
			texts = append(texts, t.Policy)
		}
	}
	var p *iam.Policy
	if len(texts) > 0 || err != nil {
		// A policy that cannot be read any more allows nothing: it has no document.
		p = &iam.Policy{Kind: iam.ResourcePolicy, Name: arn}
		if err == nil {
			p.Document = join(texts)
		}
	}
	s.policies[arn] = p
	return p
}

// join puts the statements of several documents into one.
func join(texts []string) *iam.Document {
	first, err := iam.Parse([]byte(texts[0]))
	if err != nil {
		return nil
	}
	for _, text := range texts[1:] {
		more, err := iam.Parse([]byte(text))
		if err != nil {
			return nil
		}
		first.Statements = append(slices.Clone(first.Statements), more.Statements...)
	}
	return first
}

// forget drops what is compiled of an ARN's policy, of all for "".
func (s *Service) forget(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if arn == "" {
		clear(s.policies)
	}
	delete(s.policies, arn)
}
