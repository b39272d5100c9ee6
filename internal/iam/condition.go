package iam

import (
	"encoding/base64"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// test is one compiled value of a condition.
type test interface {
	// holds tells whether a request's value meets it.
	holds(value string, ctx Context) bool
}

// operator is one condition operator without its modifiers: IAM User Guide,
// "IAM policy elements: Condition operators".
type operator struct {
	name    string
	negated bool
	// compile makes the test of one value; false if the value is not of the
	// operator's type. Such a value is met by nothing.
	compile func(value string, variables bool) (test, bool)
}

var operators = func() map[string]operator {
	m := map[string]operator{}
	for _, op := range []operator{
		{"StringEquals", false, text(syntax{})},
		{"StringNotEquals", true, text(syntax{})},
		{"StringEqualsIgnoreCase", false, text(syntax{fold: true})},
		{"StringNotEqualsIgnoreCase", true, text(syntax{fold: true})},
		{"StringLike", false, text(syntax{wildcards: true})},
		{"StringNotLike", true, text(syntax{wildcards: true})},
		{"NumericEquals", false, numeric(equal)},
		{"NumericNotEquals", true, numeric(equal)},
		{"NumericLessThan", false, numeric(less)},
		{"NumericLessThanEquals", false, numeric(less | equal)},
		{"NumericGreaterThan", false, numeric(greater)},
		{"NumericGreaterThanEquals", false, numeric(greater | equal)},
		{"DateEquals", false, date(equal)},
		{"DateNotEquals", true, date(equal)},
		{"DateLessThan", false, date(less)},
		{"DateLessThanEquals", false, date(less | equal)},
		{"DateGreaterThan", false, date(greater)},
		{"DateGreaterThanEquals", false, date(greater | equal)},
		{"Bool", false, boolean},
		{"BinaryEquals", false, binary},
		{"IpAddress", false, address},
		{"NotIpAddress", true, address},
		{"ArnEquals", false, arnLike},
		{"ArnLike", false, arnLike},
		{"ArnNotEquals", true, arnLike},
		{"ArnNotLike", true, arnLike},
		{"Null", false, boolean},
	} {
		m[strings.ToLower(op.name)] = op
	}
	return m
}()

// quantifier is the prefix of an operator that compares sets.
type quantifier uint8

const (
	single quantifier = iota
	forAnyValue
	forAllValues
)

// parseOperator takes an operator's name with its modifiers apart. Names are
// read in any case (Assumed, as IAM has been seen to take them).
func parseOperator(name string) (op operator, set quantifier, ifExists, ok bool) {
	base := strings.ToLower(name)
	if rest, found := strings.CutPrefix(base, "foranyvalue:"); found {
		base, set = rest, forAnyValue
	} else if rest, found := strings.CutPrefix(base, "forallvalues:"); found {
		base, set = rest, forAllValues
	}
	if op, ok = operators[base]; ok {
		return op, set, false, op.name != "Null" || set == single
	}
	base, ifExists = strings.CutSuffix(base, "ifexists")
	op, ok = operators[base]
	return op, set, ifExists, ifExists && ok && op.name != "Null"
}

// condition is one compiled operator over one key.
type condition struct {
	source   *Condition
	key      string // lower case
	negated  bool
	ifExists bool
	null     bool
	set      quantifier
	tests    []test
}

func compileCondition(c *Condition, variables bool) (out condition, known bool) {
	op, set, ifExists, ok := parseOperator(c.Operator)
	if !ok {
		return out, false
	}
	out = condition{source: c, key: strings.ToLower(c.Key), negated: op.negated, ifExists: ifExists,
		null: op.name == "Null", set: set}
	for _, v := range c.Values {
		if t, ok := op.compile(v.Text, variables); ok {
			out.tests = append(out.tests, t)
		}
	}
	return out, true
}

// holds evaluates the condition: IAM User Guide, "Multivalued context keys"
// and "Condition policy element: evaluation logic".
func (c *condition) holds(ctx Context) bool {
	values := ctx[c.key]
	if c.null {
		if len(values) == 0 {
			return c.met("true", ctx)
		}
		return c.met("false", ctx)
	}
	if len(values) == 0 || c.set != single && len(values) == 1 && values[0] == "" {
		return c.ifExists || c.set == forAllValues || c.set == single && c.negated
	}
	switch c.set {
	case forAllValues:
		for _, v := range values {
			if c.met(v, ctx) == c.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, v := range values {
			if c.met(v, ctx) != c.negated {
				return true
			}
		}
		return false
	}
	// AWS leaves a multi-valued key without a quantifier undefined. Assumed:
	// one matching value is a match, and a negated operator wants none.
	for _, v := range values {
		if c.met(v, ctx) {
			return !c.negated
		}
	}
	return c.negated
}

// met tells whether any of the condition's values matches.
func (c *condition) met(value string, ctx Context) bool {
	for _, t := range c.tests {
		if t.holds(value, ctx) {
			return true
		}
	}
	return false
}

// relation is a set of acceptable outcomes of a comparison.
type relation uint8

const (
	less relation = 1 << iota
	equal
	greater
)

func (r relation) has(cmp int) bool { return r&(1<<(cmp+1)) != 0 }

func text(syn syntax) func(string, bool) (test, bool) {
	return func(v string, variables bool) (test, bool) {
		syn := syn
		syn.variables = variables
		return textTest{compilePattern(v, syn)}, true
	}
}

type textTest struct{ pattern }

func (t textTest) holds(v string, ctx Context) bool { return t.match(v, ctx) }

func numeric(want relation) func(string, bool) (test, bool) {
	return func(v string, _ bool) (test, bool) {
		n, ok := parseNumber(v)
		return numberTest{n, want}, ok
	}
}

// number keeps integers exact beyond the range where float64 is.
type number struct {
	i       int64
	f       float64
	integer bool
}

type numberTest struct {
	n    number
	want relation
}

func parseNumber(s string) (n number, ok bool) {
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return n, false
	}
	if strings.IndexAny(s, ".eE") < 0 {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return number{i, float64(i), true}, true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{f: f}, err == nil
}

func (t numberTest) holds(v string, _ Context) bool {
	n, ok := parseNumber(v)
	if !ok {
		return false
	}
	if n.integer && t.n.integer {
		return t.want.has(compare(n.i, t.n.i))
	}
	return t.want.has(compare(n.f, t.n.f))
}

func compare[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func date(want relation) func(string, bool) (test, bool) {
	return func(v string, _ bool) (test, bool) {
		at, ok := parseDate(v)
		return dateTest{at, want}, ok
	}
}

type dateTest struct {
	at   time.Time
	want relation
}

// dateLayouts are the W3C profile of ISO 8601; a fraction of a second may
// follow the seconds.
var dateLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006",
}

// parseDate reads a date, or seconds since 1970. Four digits are a year.
func parseDate(s string) (time.Time, bool) {
	if len(s) != 4 && strings.Trim(s, "-.0123456789") == "" && strings.LastIndexByte(s, '-') <= 0 {
		sec, err := strconv.ParseFloat(s, 64)
		if err != nil || math.Abs(sec) > 1<<53 {
			return time.Time{}, false
		}
		whole, part := math.Modf(sec)
		return time.Unix(int64(whole), int64(part*1e9)), true
	}
	for _, layout := range dateLayouts {
		// Only the layouts of the same shape are tried: a failed Parse
		// allocates its error.
		if len(s) > 10 != (len(layout) > 10) || len(layout) <= 10 && len(s) != len(layout) {
			continue
		}
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (t dateTest) holds(v string, _ Context) bool {
	at, ok := parseDate(v)
	return ok && t.want.has(at.Compare(t.at))
}

// boolean accepts a variable, as one page of the User Guide has it.
func boolean(v string, variables bool) (test, bool) {
	t := boolTest{compilePattern(v, syntax{fold: true, variables: variables})}
	return t, isBool(v) || t.head == "" && len(t.elems) == 1 && t.elems[0].kind == variable
}

type boolTest struct{ pattern }

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func (t boolTest) holds(v string, ctx Context) bool { return t.match(v, ctx) && isBool(v) }

func binary(v string, _ bool) (test, bool) {
	b, err := base64.StdEncoding.DecodeString(v)
	return binaryTest(b), err == nil
}

// binaryTest is the bytes themselves; a Context holds them so too.
type binaryTest string

func (t binaryTest) holds(v string, _ Context) bool { return v == string(t) }

func address(v string, _ bool) (test, bool) {
	if p, err := netip.ParsePrefix(v); err == nil {
		return addressTest(p.Masked()), true
	}
	a, err := netip.ParseAddr(v)
	if err != nil || a.Zone() != "" {
		return nil, false
	}
	return addressTest(netip.PrefixFrom(a, a.BitLen())), true
}

type addressTest netip.Prefix

func (t addressTest) holds(v string, _ Context) bool {
	a, err := netip.ParseAddr(v)
	return err == nil && netip.Prefix(t).Contains(a.Unmap())
}

func arnLike(v string, variables bool) (test, bool) {
	p := compileARN(v, variables, true)
	return &arnTest{p}, true
}

type arnTest struct{ arnPattern }

func (t *arnTest) holds(v string, ctx Context) bool {
	return t.match(&arn{text: v}, ctx)
}
