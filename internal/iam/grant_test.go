package iam_test

import (
	"testing"

	"lakeport/internal/iam"
)

// A grant on a KMS key lets its grantee use the key although neither the key's
// policy nor its own says so, in its own account and in others; explicit denials
// and caps stand ("Grants in AWS KMS", AWS KMS Developer Guide).
func TestGrantsAllowWhatPoliciesDoNot(t *testing.T) {
	policy := func(kind iam.PolicyKind, statement string) iam.Policy {
		t.Helper()
		doc, err := iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + statement + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return iam.Policy{Kind: kind, Name: "p", Document: doc}
	}
	const (
		decrypt = `"Action":"kms:Decrypt","Resource":"*"`
		deny    = `{"Effect":"Deny",` + decrypt + `}`
		other   = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
		nobody  = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/else"},` + decrypt + `}`
	)
	grantee := func(arn string) []iam.Policy {
		return []iam.Policy{policy(iam.KeyGrant, `{"Effect":"Allow","Principal":{"AWS":"`+arn+`"},`+decrypt+`}`)}
	}
	user := func(account string) iam.Principal {
		return iam.Principal{Kind: iam.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/ann", ID: "AIDAANN"}
	}
	session := iam.Principal{Kind: iam.Role, Account: "111111111111", ARN: "arn:aws:sts::111111111111:assumed-role/r/s", ID: "AROAR:s",
		RoleARN: "arn:aws:iam::111111111111:role/r", RoleID: "AROAR"}
	boundary := policy(iam.Boundary, other)
	keyPolicy := policy(iam.KeyPolicy, nobody)
	denyingKey := policy(iam.KeyPolicy, `{"Effect":"Deny","Principal":"*",`+decrypt+`}`)
	for name, tt := range map[string]struct {
		who      iam.Principal
		policies iam.Policies
		want     iam.Reason
	}{
		"the grantee":                  {user("111111111111"), iam.Policies{Grants: grantee("AIDAANN")}, iam.AllowedByGrant},
		"the grantee of another":       {user("222222222222"), iam.Policies{Grants: grantee("arn:aws:iam::222222222222:user/ann")}, iam.AllowedByGrant},
		"a session of the grantee":     {session, iam.Policies{Grants: grantee("AROAR")}, iam.AllowedByGrant},
		"somebody else":                {user("111111111111"), iam.Policies{Grants: grantee("AIDABOB")}, iam.NoKeyAllow},
		"no grant":                     {user("111111111111"), iam.Policies{}, iam.NoKeyAllow},
		"denied by its own policy":     {user("111111111111"), iam.Policies{Grants: grantee("AIDAANN"), Identity: []iam.Policy{policy(iam.IdentityPolicy, deny)}}, iam.DeniedExplicitly},
		"denied by the key's policy":   {user("111111111111"), iam.Policies{Grants: grantee("AIDAANN"), Resource: &denyingKey}, iam.DeniedExplicitly},
		"capped by a boundary":         {user("111111111111"), iam.Policies{Grants: grantee("AIDAANN"), Boundary: &boundary}, iam.NoBoundaryAllow},
		"capped by a session policy":   {session, iam.Policies{Grants: grantee("AROAR"), Session: []iam.Policy{policy(iam.SessionPolicy, other)}}, iam.NoSessionAllow},
		"capped by its organization":   {user("111111111111"), iam.Policies{Grants: grantee("AIDAANN"), Service: [][]iam.Policy{{policy(iam.ServiceControl, other)}}}, iam.NoServiceControlAllow},
		"everyone is not the unsigned": {iam.Principal{Kind: iam.Anonymous}, iam.Policies{Grants: grantee("AIDAANN")}, iam.NoKeyAllow},
	} {
		if tt.policies.Resource == nil {
			tt.policies.Resource = &keyPolicy
		}
		r := iam.Request{Principal: tt.who, Action: "kms:Decrypt", Context: iam.Context{},
			Resource: iam.Resource{ARN: "arn:aws:kms:us-east-1:111111111111:key/k", Account: "111111111111"}}
		set := iam.Compile(tt.policies)
		d := set.Explain(&r)
		if d.Reason != tt.want || d.Effect != set.Decide(&r) {
			t.Errorf("%s: %v because %s, want reason %d", name, d.Effect, d.Short(), tt.want)
		}
	}
}
