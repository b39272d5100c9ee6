package glue

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"lakeport/internal/iam"
)

// policyRecord is GluePolicy of the model.
type policyRecord struct {
	PolicyInJSON string `json:"PolicyInJson"`
	PolicyHash   string
	CreateTime   float64
	UpdateTime   float64
}

type policyInput struct {
	PolicyInJSON          string `json:"PolicyInJson"`
	ResourceARN           string `json:"ResourceArn"`
	PolicyHashCondition   string
	PolicyExistsCondition string
	EnableHybrid          string
}

// policy reads the catalog's policy after the conditions that a call may set.
func (c *call) policy(in *policyInput) (*policyRecord, bool, error) {
	if in.ResourceARN != "" && in.ResourceARN != c.arn("catalog") {
		return nil, false, invalid("ResourceArn %s: the sandbox keeps one policy, that of %s", in.ResourceARN, c.arn("catalog"))
	}
	p := new(policyRecord)
	found, err := c.get(bucketPolicies, c.key(), p)
	if err != nil {
		return nil, false, err
	}
	if in.PolicyHashCondition != "" && in.PolicyHashCondition != p.PolicyHash {
		return nil, false, fail("ConditionCheckFailureException", "PolicyHashCondition is not the hash of the current policy")
	}
	if found && in.PolicyExistsCondition == "NOT_EXIST" || !found && in.PolicyExistsCondition == "MUST_EXIST" {
		return nil, false, fail("ConditionCheckFailureException", "PolicyExistsCondition %s does not hold", in.PolicyExistsCondition)
	}
	return p, found, nil
}

// checkPolicy applies the rules of "Resource-based policy examples for AWS
// Glue": every statement names principals, and resources are Glue's. Assumed:
// the texts.
func checkPolicy(text []byte) error {
	doc, err := iam.Parse(text)
	if err != nil {
		return invalid("Policy is malformed: %v", err)
	}
	for i, st := range doc.Statements {
		switch {
		case st.Effect != "Allow" && st.Effect != "Deny":
			return invalid("Policy is malformed: Effect of statement %d is %q", i+1, st.Effect)
		case st.Principal == nil && st.NotPrincipal == nil:
			return invalid("Policy is malformed: statement %d has no Principal", i+1)
		case st.Action == nil && st.NotAction == nil:
			return invalid("Policy is malformed: statement %d has no Action", i+1)
		}
		for _, r := range slices.Concat(st.Resource, st.NotResource) {
			if r.Text != "*" && !strings.HasPrefix(r.Text, "arn:aws:glue:") {
				return invalid("Policy is malformed: resource %s is not one of AWS Glue", r.Text)
			}
		}
	}
	return nil
}

type hashOutput struct {
	PolicyHash string
}

func putResourcePolicy(c *call, in *policyInput) (*hashOutput, error) {
	if err := checkPolicy([]byte(in.PolicyInJSON)); err != nil {
		return nil, err
	}
	p, found, err := c.policy(in)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(in.PolicyInJSON))
	p.PolicyInJSON, p.PolicyHash = in.PolicyInJSON, base64.StdEncoding.EncodeToString(sum[:16])
	p.UpdateTime = epoch(c.now)
	if !found {
		p.CreateTime = p.UpdateTime
	}
	c.forgetPolicyOnCommit()
	return &hashOutput{p.PolicyHash}, c.put(bucketPolicies, c.key(), p)
}

func getResourcePolicy(c *call, in *policyInput) (*policyRecord, error) {
	p, found, err := c.policy(in)
	if err == nil && !found {
		err = notFound("Policy not found")
	}
	return p, err
}

func deleteResourcePolicy(c *call, in *policyInput) (none, error) {
	_, found, err := c.policy(in)
	if err == nil && !found {
		err = notFound("Policy not found")
	}
	if err != nil {
		return none{}, err
	}
	c.forgetPolicyOnCommit()
	return none{}, c.delete(bucketPolicies, c.key())
}

// Policy gives the resource policy of the catalog that owns the ARN.
func (s *Service) Policy(arn string) *iam.Policy {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 || part[2] != "glue" {
		return nil
	}
	region, account := part[3], part[4]
	catalog := "arn:aws:glue:" + region + ":" + account + ":catalog"
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.policies[catalog]; ok {
		return p
	}
	var record policyRecord
	err := s.db.View(func(tx *bbolt.Tx) error {
		st := newStore(tx, account, region)
		_, err := st.get(bucketPolicies, st.key(), &record)
		return err
	})
	if err != nil || record.PolicyInJSON == "" {
		s.policies[catalog] = nil
		return nil
	}
	// Put has parsed this text. Should it not parse any more, the policy
	// without a document allows nothing.
	doc, _ := iam.Parse([]byte(record.PolicyInJSON))
	p := &iam.Policy{Kind: iam.ResourcePolicy, Name: catalog, Document: doc}
	s.policies[catalog] = p
	return p
}

// forgetPolicyOnCommit drops the compiled policy once its record has changed.
func (c *call) forgetPolicyOnCommit() {
	svc, catalog := c.svc, c.arn("catalog")
	c.top.Tx().OnCommit(func() {
		svc.mu.Lock()
		defer svc.mu.Unlock()
		delete(svc.policies, catalog)
	})
}
