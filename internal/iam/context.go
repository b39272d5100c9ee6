package iam

import (
	"slices"
	"strings"
)

// version2012 is the policy version in which ${...} is a variable.
const version2012 = "2012-10-17"

// ContextKeys lists the condition keys and policy variables that the document
// uses, as written, each once and sorted: the answer of
// GetContextKeysForCustomPolicy.
func (d *Document) ContextKeys() []string {
	var keys []string
	for i := range d.Statements {
		d.Statements[i].contextKeys(d.Version == version2012, func(key string) { keys = append(keys, key) })
	}
	return sortedKeys(keys)
}

func (s *Statement) contextKeys(variables bool, f func(key string)) {
	values := append(slices.Clone(s.Resource), s.NotResource...)
	for i := range s.Conditions {
		f(s.Conditions[i].Key)
		values = append(values, s.Conditions[i].Values...)
	}
	if !variables {
		return
	}
	for _, v := range values {
		for text := v.Text; ; {
			i := strings.Index(text, "${")
			if i < 0 {
				break
			}
			text = text[i:]
			e, n := parseVariable(text)
			if n > 0 && e.kind == variable {
				key, _, _ := strings.Cut(text[2:n-1], ",")
				f(strings.TrimSpace(key))
			}
			text = text[max(n, 2):]
		}
	}
}

// sortedKeys sorts and drops repetitions, also those in another case.
func sortedKeys(keys []string) []string {
	slices.SortFunc(keys, func(a, b string) int {
		if c := strings.Compare(strings.ToLower(a), strings.ToLower(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return slices.CompactFunc(keys, strings.EqualFold)
}

// Identify writes the condition keys that follow from the principal alone:
// IAM User Guide, "AWS global condition context keys", properties of the
// principal. Tags and session facts are the caller's to add.
func (p *Principal) Identify(ctx Context) {
	set := func(key, value string) {
		if value != "" {
			ctx[key] = []string{value}
		}
	}
	set("aws:principalaccount", p.Account)
	set("aws:userid", p.ID)
	arn := p.ARN
	switch p.Kind {
	case Root:
		set("aws:principaltype", "Account")
	case User:
		set("aws:principaltype", "User")
		if strings.Contains(p.ARN, ":user/") { // not that of a federated user
			set("aws:username", p.ARN[strings.LastIndexByte(p.ARN, '/')+1:])
		}
	case Role:
		set("aws:principaltype", "AssumedRole")
		arn = p.RoleARN
	case Anonymous:
		set("aws:principaltype", "Anonymous")
		set("aws:userid", "anonymous")
	case Federated:
		set("aws:federatedprovider", p.ARN)
		arn = ""
	case Service:
		set("aws:principalservicename", p.ARN)
		arn = ""
	}
	set("aws:principalarn", arn)
	ctx["aws:principalisawsservice"] = []string{"false"}
	if p.Kind == Service {
		ctx["aws:principalisawsservice"] = []string{"true"}
	}
}
