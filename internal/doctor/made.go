package doctor

import (
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/iam"
)

// Objects that a statement makes have names that are known as it runs: they are
// told as their beginning and a star. A policy may tell such names apart.

// hangsOnName tells whether a decision may come out otherwise for some of the
// names that a resource's star stands for.
func hangsOnName(p *iam.Policies, r *iam.Request, d iam.Decision) bool {
	begin, made := strings.CutSuffix(r.Resource.ARN, "*")
	if !made || !strings.HasPrefix(r.Action, "s3:") && !strings.HasPrefix(r.Action, "s3tables:") {
		return false
	}
	policies := slices.Concat(p.Identity, p.Session)
	for _, one := range []*iam.Policy{p.Boundary, p.Resource} {
		if one != nil {
			policies = append(policies, *one)
		}
	}
	whole := false // an Allow is for every such name
	for _, one := range policies {
		if one.Document == nil {
			continue
		}
		for i := range one.Document.Statements {
			st := &one.Document.Statements[i]
			if !about(st, r.Action) {
				continue
			}
			some, all := covers(st, begin)
			switch allows := st.Effect == "Allow"; {
			case allows && all:
				whole = true
			case some && !all && (allows == (d.Effect != iam.Allow)):
				return true
			}
		}
	}
	return d.Effect == iam.Allow && d.By != nil && !whole
}

// about tells whether a statement speaks of an action.
func about(st *iam.Statement, action string) bool {
	speaks := func(v iam.Value) bool {
		some, _ := begins(strings.ToLower(v.Text), strings.ToLower(action), true)
		return some
	}
	if st.NotAction != nil {
		return !slices.ContainsFunc(st.NotAction, speaks)
	}
	return slices.ContainsFunc(st.Action, speaks)
}

// covers tells whether a statement is for some and for all resources that begin
// so.
func covers(st *iam.Statement, begin string) (some, all bool) {
	list, except := st.Resource, false
	if st.NotResource != nil {
		list, except = st.NotResource, true
	}
	for _, v := range list {
		text := variables.ReplaceAllStringFunc(v.Text, variable)
		s, a := begins(text, begin, false)
		some, all = some || s, all || a && !strings.Contains(text, aValue)
	}
	if list == nil { // of a trust policy
		return true, true
	}
	if except {
		return !all, !some
	}
	return some, all
}

// variables are policy variables, three of which stand for what is special.
var variables = regexp.MustCompile(`\$\{[^}]*\}`)

// aValue stands in a pattern for a variable's value, which may be any text.
const aValue = "\x00"

func variable(text string) string {
	if len(text) == len("${*}") && strings.Contains("*?$", text[2:3]) {
		return text[2:3] // as a wildcard, it takes in more
	}
	return aValue
}

// begins tells whether a pattern matches some and all texts that begin so, or
// with whole set, the text itself.
func begins(pattern, text string, whole bool) (some, all bool) {
	at := map[int]bool{} // places in the pattern
	var add func(i int)
	add = func(i int) {
		if at[i] {
			return
		}
		at[i] = true
		if i < len(pattern) && (pattern[i] == '*' || pattern[i:i+1] == aValue) { // which may be empty
			add(i + 1)
		}
	}
	add(0)
	for k := range len(text) {
		before := at
		at = map[int]bool{}
		for i := range before {
			switch {
			case i == len(pattern):
			case pattern[i] == '*' || pattern[i:i+1] == aValue:
				add(i)
			case pattern[i] == '?' || pattern[i] == text[k]:
				add(i + 1)
			}
		}
	}
	if whole {
		return at[len(pattern)], at[len(pattern)]
	}
	for i := range at {
		if some = true; i < len(pattern) && strings.Trim(pattern[i:], "*") == "" {
			all = true
		}
	}
	return some, all
}
