package iam_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"lakeport/internal/iam"
)

// Every condition operator with a value that satisfies it and one that does
// not (IAM User Guide, "IAM JSON policy elements: Condition operators").
var operators = []struct{ name, policy, yes, no string }{
	{"StringEquals", "Lake", "Lake", "lake"},
	{"StringNotEquals", "Lake", "lake", "Lake"},
	{"StringEqualsIgnoreCase", "Lake", "LAKE", "Sea"},
	{"StringNotEqualsIgnoreCase", "Lake", "Sea", "LAKE"},
	{"StringLike", "l?ke*", "lake/port", "Lake"},
	{"StringNotLike", "l?ke*", "Lake", "lake/port"},
	{"NumericEquals", "10", "10.0", "11"},
	{"NumericNotEquals", "10", "11", "10.0"},
	{"NumericLessThan", "10", "9.5", "10"},
	{"NumericLessThanEquals", "10", "10", "10.5"},
	{"NumericGreaterThan", "10", "11", "10"},
	{"NumericGreaterThanEquals", "10", "10", "9"},
	{"DateEquals", "2026-01-02T03:04:05Z", "1767323045", "2026-01-02T03:04:06Z"},
	{"DateNotEquals", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", "1767323045"},
	{"DateLessThan", "2026-01-02T03:04:05Z", "2026-01-01", "2026-01-02T03:04:05Z"},
	{"DateLessThanEquals", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-03"},
	{"DateGreaterThan", "2026-01-02T03:04:05Z", "2026-01-03", "2026-01-02T03:04:05Z"},
	{"DateGreaterThanEquals", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-01"},
	{"Bool", "true", "true", "false"},
	{"BinaryEquals", "QmluYXJ5", "Binary", "QmluYXJ5"}, // base64 in the policy, bytes in the request
	{"IpAddress", "203.0.113.0/24", "203.0.113.7", "203.0.114.7"},
	{"NotIpAddress", "203.0.113.0/24", "203.0.114.7", "203.0.113.7"},
	{"ArnEquals", "arn:aws:iam::*:role/lake/*", "arn:aws:iam::111111111111:role/lake/a/b", "arn:aws:iam::111111111111:role/sea"},
	{"ArnLike", "arn:aws:iam::*:role/lake/*", "arn:aws:iam::111111111111:role/lake/a/b", "arn:aws:iam:x:111111111111:role/sea"},
	{"ArnNotEquals", "arn:aws:iam::*:role/lake/*", "arn:aws:iam::111111111111:role/sea", "arn:aws:iam::111111111111:role/lake/a/b"},
	{"ArnNotLike", "arn:aws:iam::*:role/lake/*", "arn:aws:iam::111111111111:role/sea", "arn:aws:iam::111111111111:role/lake/a/b"},
}

// TestOperatorsWithEveryModifier applies each operator in each form to keys
// that are absent, satisfy it, do not, and do both. An absent key fails an
// operator and passes its negation ("Condition operators"); passes with
// IfExists ("...IfExists condition operators"); passes ForAllValues and fails
// ForAnyValue ("Set operators for multivalued context keys").
func TestOperatorsWithEveryModifier(t *testing.T) {
	for _, op := range operators {
		negated := strings.Contains(op.name, "Not")
		yes, no := []string{op.yes}, []string{op.no}
		for _, tt := range []struct {
			form   string
			values []string // nil: the key is absent
			want   bool
		}{
			{"%s", nil, negated}, {"%s", yes, true}, {"%s", no, false},
			{"%sIfExists", nil, true}, {"%sIfExists", yes, true}, {"%sIfExists", no, false},
			{"ForAllValues:%s", nil, true}, {"ForAllValues:%s", yes, true}, {"ForAllValues:%s", no, false},
			{"ForAllValues:%s", []string{op.yes, op.no}, false}, {"ForAllValues:%s", []string{}, true},
			{"ForAnyValue:%s", nil, false}, {"ForAnyValue:%s", yes, true}, {"ForAnyValue:%s", no, false},
			{"ForAnyValue:%s", []string{op.no, op.yes}, true}, {"ForAnyValue:%s", []string{}, false},
			{"ForAllValues:%sIfExists", nil, true}, {"ForAllValues:%sIfExists", no, false},
			{"ForAnyValue:%sIfExists", nil, true}, {"ForAnyValue:%sIfExists", no, false}, {"ForAnyValue:%sIfExists", yes, true},
		} {
			name := fmt.Sprintf(tt.form, op.name)
			for _, effect := range []string{"Allow", "Deny"} {
				if got := applies(t, effect, name, op.policy, tt.values); got != tt.want {
					t.Errorf("%s %s %q of %q: applies %v, want %v", effect, name, op.policy, tt.values, got, tt.want)
				}
			}
		}
		// A form that AWS does not have grants nothing and spares nobody.
		for _, name := range []string{op.name + "IfExist", "ForEachValue:" + op.name, "Not" + op.name + "IfExists"} {
			if applies(t, "Allow", name, op.policy, yes) || !applies(t, "Deny", name, op.policy, no) {
				t.Errorf("%s is taken for an operator", name)
			}
		}
	}
	for _, tt := range []struct {
		policy string
		values []string
		want   bool
	}{
		{"true", nil, true}, {"true", []string{"x"}, false}, {"false", nil, false}, {"false", []string{"x"}, true},
		{"true", []string{}, true}, {"false", []string{}, false},
	} {
		if got := applies(t, "Allow", "Null", tt.policy, tt.values); got != tt.want {
			t.Errorf("Null %s of %q: applies %v, want %v", tt.policy, tt.values, got, tt.want)
		}
	}
}

// applies tells whether a statement with the one condition does.
func applies(t *testing.T, effect, operator, policy string, values []string) bool {
	t.Helper()
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": effect, "Action": "s3:*", "Resource": "*", "Condition": map[string]any{operator: map[string]string{"lake:key": policy}}},
		map[string]any{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := iam.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := iam.Request{Principal: iam.Principal{Kind: iam.User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann", ID: "AIDAANN"},
		Action: "s3:GetObject", Resource: iam.Resource{ARN: "arn:aws:s3:::b/k", Account: "111111111111"}, Context: iam.Context{}}
	if values != nil {
		r.Context["lake:key"] = values
	}
	set := iam.Compile(iam.Policies{Identity: []iam.Policy{{Kind: iam.IdentityPolicy, Name: "p", Document: doc}}})
	if effect == "Allow" {
		return set.Decide(&r) == iam.Allow
	}
	r.Action = "s3:PutObject" // allowed by the second statement unless the first denies
	got := set.Decide(&r)
	if got != set.Explain(&r).Effect {
		t.Errorf("%s: Decide and Explain disagree", operator)
	}
	return got == iam.ExplicitDeny
}
