package query

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"lakeport/internal/sandbox"
)

// Rule is what the service model says of a parameter.
type Rule struct {
	Min, Max int            // of characters, or of the number if Number is set; Max 0: no end
	Pattern  *regexp.Regexp // anchored; nil: any
	Source   string         // of the pattern as the error tells it
	Number   bool
	Enum     []string
}

// Text is a rule for text of a length that satisfies a pattern; an empty
// pattern is any.
func Text(min, max int, pattern string) Rule {
	r := Rule{Min: min, Max: max, Source: pattern}
	if pattern != "" {
		r.Pattern = regexp.MustCompile(`^(?:` + pattern + `)$`)
	}
	return r
}

// Number is a rule for a whole number.
func Number(min, max int) Rule { return Rule{Min: min, Max: max, Number: true} }

// OneOf is a rule for a word of an enumeration.
func OneOf(words ...string) Rule { return Rule{Enum: words} }

// Checker collects what is wrong with a call's parameters, to tell it in the
// one error that AWS gives for all.
type Checker struct {
	rules  map[string]Rule
	form   url.Values
	faults []string
}

// Check begins to check the form by the rules of a service, by parameter name.
func Check(form url.Values, rules map[string]Rule) *Checker {
	return &Checker{rules: rules, form: form}
}

// Required says that a parameter must be there, and checks it.
func (k *Checker) Required(names ...string) *Checker {
	for _, name := range names {
		if _, ok := k.form[name]; !ok {
			k.fault("Value null at '%s' failed to satisfy constraint: Member must not be null", memberName(name))
			continue
		}
		k.Optional(name)
	}
	return k
}

// Optional checks a parameter if it is there.
func (k *Checker) Optional(names ...string) *Checker {
	for _, name := range names {
		if v, ok := k.form[name]; ok {
			k.Value(name, memberName(name), v[0])
		}
	}
	return k
}

// Value checks a value by the rule of a name and tells it as at.
func (k *Checker) Value(rule, at, value string) {
	r, ok := k.rules[rule]
	if !ok {
		return
	}
	failed := func(format string, args ...any) {
		k.fault("Value '%s' at '%s' failed to satisfy constraint: %s", value, at, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Number:
		n, err := strconv.Atoi(value)
		switch {
		case err != nil:
			failed("Member must be a number")
		case n > r.Max && r.Max > 0:
			failed("Member must have value less than or equal to %d", r.Max)
		case n < r.Min:
			failed("Member must have value greater than or equal to %d", r.Min)
		}
		return
	case r.Enum != nil:
		for _, word := range r.Enum {
			if word == value {
				return
			}
		}
		failed("Member must satisfy enum value set: [%s]", strings.Join(r.Enum, ", "))
		return
	}
	n := utf8.RuneCountInString(value)
	if r.Max > 0 && n > r.Max {
		failed("Member must have length less than or equal to %d", r.Max)
	}
	if n < r.Min {
		failed("Member must have length greater than or equal to %d", r.Min)
	}
	if r.Pattern != nil && !r.Pattern.MatchString(value) {
		failed("Member must satisfy regular expression pattern: %s", r.Source)
	}
}

// Count checks the length of a list.
func (k *Checker) Count(name string, n, limit int) {
	if n > limit {
		k.fault("Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", memberName(name), limit)
	}
}

func (k *Checker) fault(format string, args ...any) {
	k.faults = append(k.faults, fmt.Sprintf(format, args...))
}

// Err is all faults as one ValidationError, nil if there are none.
func (k *Checker) Err() error {
	switch len(k.faults) {
	case 0:
		return nil
	case 1:
		return Invalid("1 validation error detected: " + k.faults[0])
	}
	return Invalid(fmt.Sprintf("%d validation errors detected: %s", len(k.faults), strings.Join(k.faults, "; ")))
}

// Invalid is a ValidationError.
func Invalid(message string) *sandbox.APIError {
	return &sandbox.APIError{Status: http.StatusBadRequest, Code: "ValidationError", Message: message}
}

// memberName is a parameter as the model's shapes spell it.
func memberName(name string) string { return strings.ToLower(name[:1]) + name[1:] }
