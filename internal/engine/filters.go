package engine

import (
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/lake"
)

// A plan prints the filters that are pushed into a scan as text, one string
// for each column:
//
//	a>5    b!='z' AND b>='abc'    optional: b IN ('x', 'y')    (p IS NOT NULL)
//
// An OR is printed without parentheses, so nothing beside one is certain but
// what stands before an optional part; all else that is not recognised to its
// last character is left out as well.

// printsPlainly tells whether a column of this name can be found in printed
// filters without doubt.
func printsPlainly(name string) bool {
	if name == "" || strings.ContainsAny(name, "<>=!()'\".:,") {
		return false
	}
	for _, word := range strings.Fields(strings.ToUpper(name)) {
		switch word {
		case "AND", "OR", "IN", "IS", "NOT":
			return false
		}
	}
	return name == strings.TrimSpace(name)
}

// understand gives the conditions that printed filters surely contain.
func understand(printed []string, schema lake.Schema) []lake.Filter {
	var list []lake.Filter
	for _, text := range printed {
		parts, rest := conjuncts(unwrap(text))
		for _, p := range parts {
			if f, ok := condition(p, schema); ok {
				list = append(list, f)
			}
		}
		if f, ok := oneOf(rest, schema); ok {
			list = append(list, f)
		}
	}
	return list
}

// optional marks a filter that the scan may skip because the plan applies it
// again above; the rows that fail it are unwanted all the same.
const optional = "optional: "

// conjuncts splits a printed filter into conditions that all hold. With an OR
// in it, these are what stands before an optional part, and rest is that part.
func conjuncts(text string) (parts []string, rest string) {
	parts = split(text, " AND ")
	if len(split(text, " OR ")) == 1 {
		return parts, ""
	}
	for i, p := range parts {
		if strings.HasPrefix(p, optional) {
			if i == len(parts)-1 {
				rest = strings.TrimPrefix(p, optional)
			}
			return parts[:i], rest
		}
		if len(split(p, " OR ")) > 1 {
			break
		}
	}
	if len(parts) == 1 {
		return nil, parts[0]
	}
	return nil, ""
}

// oneOf reads equalities of one column joined by OR.
func oneOf(text string, schema lake.Schema) (lake.Filter, bool) {
	if text == "" {
		return lake.Filter{}, false
	}
	all := lake.Filter{Op: lake.In}
	for _, p := range split(text, " OR ") {
		f, ok := condition(p, schema)
		if !ok || f.Op != lake.Eq && f.Op != lake.In || all.Column != "" && f.Column != all.Column {
			return lake.Filter{}, false
		}
		all.Column = f.Column
		all.Values = append(all.Values, f.Values...)
	}
	return all, true
}

// split cuts text at each separator outside quotes and parentheses.
func split(text, separator string) (parts []string) {
	depth, quoted, from := 0, false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && strings.HasPrefix(text[i:], separator):
			parts = append(parts, text[from:i])
			from = i + len(separator)
			i = from - 1
		}
	}
	return append(parts, text[from:])
}

// condition reads one comparison of one column.
func condition(text string, schema lake.Schema) (lake.Filter, bool) {
	text = unwrap(strings.TrimPrefix(text, optional))
	if name, not := strings.CutPrefix(text, "NOT "); not && hasKind(schema, name, lake.Boolean) {
		return lake.Filter{Column: name, Op: lake.Eq, Values: []string{"false"}}, true
	}
	if hasKind(schema, text, lake.Boolean) {
		return lake.Filter{Column: text, Op: lake.Eq, Values: []string{"true"}}, true
	}
	if f, ok := midnight(text, schema); ok {
		return f, true
	}
	// The longest column that text starts with: a column may be called as
	// another one begins.
	name := ""
	for _, c := range schema.Columns {
		if len(c.Name) > len(name) && strings.HasPrefix(text, c.Name) {
			name = c.Name
		}
	}
	if name == "" {
		return lake.Filter{}, false
	}
	f := lake.Filter{Column: name}
	rest := text[len(name):]
	switch rest {
	case " IS NULL":
		f.Op = lake.IsNull
		return f, true
	case " IS NOT NULL":
		f.Op = lake.IsNotNull
		return f, true
	}
	if list, ok := strings.CutPrefix(rest, " IN ("); ok {
		f.Op = lake.In
		return values(f, list, ")")
	}
	for _, op := range operators {
		if value, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), op.printed); ok {
			f.Op = op.op
			return values(f, strings.TrimLeft(value, " "), "")
		}
	}
	return f, false
}

// midnight reads the comparison of a date with a timestamp that is a date, as
// "d >= DATE '2024-03-01' - INTERVAL 3 DAY" becomes.
func midnight(text string, schema lake.Schema) (lake.Filter, bool) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(text, "CAST("), " AS TIMESTAMP)")
	if !ok || !strings.HasPrefix(text, "CAST(") || !hasKind(schema, name, lake.Date) {
		return lake.Filter{}, false
	}
	f, ok := condition(name+rest, schema)
	if !ok || len(f.Values) != 1 {
		return lake.Filter{}, false
	}
	f.Values[0], ok = strings.CutSuffix(f.Values[0], " 00:00:00")
	return f, ok
}

// operators has the longer spelling before the one that it starts with.
var operators = []struct {
	printed string
	op      lake.Op
}{{"!=", lake.NotEq}, {"<>", lake.NotEq}, {"<=", lake.LessEq}, {">=", lake.GreaterEq}, {"=", lake.Eq}, {"<", lake.Less}, {">", lake.Greater}}

// values reads constants separated by commas up to end, which must be the end
// of the text.
func values(f lake.Filter, text, end string) (lake.Filter, bool) {
	for {
		value, rest, ok := constant(text)
		if !ok {
			return f, false
		}
		f.Values = append(f.Values, value)
		if rest == end {
			return f, f.Op == lake.In || len(f.Values) == 1
		}
		if text, ok = strings.CutPrefix(rest, ", "); !ok {
			return f, false
		}
	}
}

// constant reads a number, true, false or a quoted text, with or without a
// type behind it. A NULL is none.
func constant(text string) (value, rest string, ok bool) {
	if strings.HasPrefix(text, "'") {
		value, rest, ok = quotedText(text)
	} else {
		n := 0
		for n < len(text) && strings.IndexByte(",): ", text[n]) < 0 {
			n++
		}
		value, rest = text[:n], text[n:]
		ok = isNumber(value) || value == "true" || value == "false"
	}
	if typed, is := strings.CutPrefix(rest, "::"); ok && is {
		n := 0
		for n < len(typed) && (isWord(typed[n]) || typed[n] == ' ') {
			n++
		}
		rest = typed[n:]
		if n == 0 {
			return "", "", false
		}
	}
	return value, rest, ok
}

func quotedText(text string) (value, rest string, ok bool) {
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			i++
			continue
		}
		return strings.ReplaceAll(text[1:i], "''", "'"), text[i+1:], true
	}
	return "", "", false
}

// isNumber accepts what DuckDB prints for finite numbers.
func isNumber(s string) bool {
	digits := false
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits = true
		case c == '-' || c == '+' || c == '.' || c == 'e' && digits:
		default:
			return false
		}
	}
	return digits
}

// unwrap takes off one pair of parentheses around the whole text.
func unwrap(text string) string {
	if !strings.HasPrefix(text, "(") || !strings.HasSuffix(text, ")") {
		return text
	}
	depth, quoted := 0, false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 && i < len(text)-1 {
				return text
			}
		}
	}
	return text[1 : len(text)-1]
}

func hasKind(schema lake.Schema, name string, kind lake.Kind) bool {
	return slices.ContainsFunc(schema.Columns, func(c lake.Column) bool {
		return c.Name == name && c.Type.Kind == kind
	})
}

// literal is a quoted text.
var literal = regexp.MustCompile(`'[^']*'`)

// mentioned gives the columns whose names stand in a printed filter, rather
// too many than too few.
func mentioned(text string, schema lake.Schema) []string {
	var list []string
	text = literal.ReplaceAllString(text, "''")
	for _, c := range schema.Columns {
		for from := 0; ; {
			i := strings.Index(text[from:], c.Name)
			if i < 0 {
				break
			}
			i += from
			end := i + len(c.Name)
			if (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end])) {
				list = append(list, c.Name)
				break
			}
			from = end
		}
	}
	return list
}
