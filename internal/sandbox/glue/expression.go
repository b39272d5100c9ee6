package glue

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A matcher decides a partition by its values, in the order of the table's
// partition keys.
type matcher func(values []string) (bool, error)

// defaultPartition is how Hive spells a NULL partition value
// (hive.exec.default.partition.name).
const defaultPartition = "__HIVE_DEFAULT_PARTITION__"

// parseExpression reads the Expression of GetPartitions: a WHERE clause over
// partition keys ("The expression uses SQL syntax similar to the SQL WHERE
// filter clause"). Every comparison is typed by its key. A blank text matches
// all.
func parseExpression(text string, keys []column) (matcher, error) {
	if strings.TrimSpace(text) == "" {
		return func([]string) (bool, error) { return true, nil }, nil
	}
	tokens, err := scanExpression(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, keys: keys}
	m, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, unsupported(t.text)
	}
	return m, nil
}

func unsupported(text string) error { return invalid("Unsupported expression '%s'", text) }

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenName             // also keywords
	tokenQuoted           // a name in backquotes or double quotes
	tokenNumber
	tokenString
	tokenSymbol
)

type token struct {
	kind tokenKind
	text string // a string's without quotes
}

func (t token) is(keyword string) bool {
	return t.kind == tokenName && strings.EqualFold(t.text, keyword) || t.kind == tokenSymbol && t.text == keyword
}

var (
	tokenSpace   = regexp.MustCompile(`^\s+`)
	tokenPattern = regexp.MustCompile("^(?:" +
		`(?P<name>[\pL_][\pL\pN_.$-]*)` + "|" +
		"(?P<quoted>`[^`]+`|\"[^\"]+\")" + "|" +
		`(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)` + "|" +
		`(?P<string>'(?:[^']|'')*')` + "|" +
		`(?P<symbol><>|!=|<=|>=|[=<>(),])` + ")")
)

func scanExpression(text string) ([]token, error) {
	var tokens []token
	for rest := text; ; {
		rest = rest[len(tokenSpace.FindString(rest)):]
		if rest == "" {
			return tokens, nil
		}
		m := tokenPattern.FindStringSubmatch(rest)
		if m == nil {
			return nil, unsupported(rest)
		}
		rest = rest[len(m[0]):]
		kind := tokenKind(slices.IndexFunc(m[1:], func(s string) bool { return s != "" }) + 1)
		t := token{kind, m[0]}
		switch kind {
		case tokenQuoted:
			t.text = m[0][1 : len(m[0])-1]
		case tokenString:
			t.text = strings.ReplaceAll(m[0][1:len(m[0])-1], "''", "'")
		}
		tokens = append(tokens, t)
	}
}

// parser is a recursive descent over
//
//	or   = and { OR and }
//	and  = term { AND term }
//	term = "(" or ")" | [NOT] cond
//	cond = name op literal | name [NOT] IN (literal, ...)
//	     | name [NOT] BETWEEN literal AND literal
//	     | name [NOT] LIKE 'pattern' | name IS [NOT] NULL
//
// where a name may stand in parentheses.
type parser struct {
	tokens []token
	at     int
	keys   []column
	depth  int
}

// maxDepth bounds nesting; 2,048 characters could otherwise open as many
// parentheses.
const maxDepth = 200

func (p *parser) peek() token { return p.ahead(0) }

func (p *parser) ahead(n int) token {
	if p.at+n < len(p.tokens) {
		return p.tokens[p.at+n]
	}
	return token{}
}

func (p *parser) next() token {
	t := p.peek()
	p.at++
	return t
}

func (p *parser) accept(keyword string) bool {
	if p.peek().is(keyword) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(keyword string) error {
	if !p.accept(keyword) {
		return unsupported(p.peek().text)
	}
	return nil
}

func (p *parser) or() (matcher, error) {
	return p.chain("OR", p.and, true)
}

func (p *parser) and() (matcher, error) {
	return p.chain("AND", p.term, false)
}

// chain joins operands; the first that gives stop decides.
func (p *parser) chain(keyword string, operand func() (matcher, error), stop bool) (matcher, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	all := []matcher{first}
	for p.accept(keyword) {
		m, err := operand()
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if len(all) == 1 {
		return first, nil
	}
	return func(values []string) (bool, error) {
		for _, m := range all {
			if ok, err := m(values); err != nil || ok == stop {
				return ok, err
			}
		}
		return !stop, nil
	}, nil
}

func (p *parser) term() (matcher, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, unsupported("(")
	}
	defer func() { p.depth-- }()
	if p.peek().is("(") && !p.ahead(2).is(")") {
		p.at++
		m, err := p.or()
		if err != nil {
			return nil, err
		}
		return m, p.expect(")")
	}
	negated := p.accept("NOT")
	m, err := p.condition()
	if err != nil {
		return nil, err
	}
	if negated {
		m = not(m)
	}
	return m, nil
}

func not(m matcher) matcher {
	return func(values []string) (bool, error) {
		ok, err := m(values)
		return !ok, err
	}
}

// name reads a partition key and gives its position.
func (p *parser) name() (int, error) {
	inner := p.accept("(")
	t := p.next()
	if t.kind != tokenName && t.kind != tokenQuoted {
		return 0, unsupported(t.text)
	}
	if inner {
		if err := p.expect(")"); err != nil {
			return 0, err
		}
	}
	i := slices.IndexFunc(p.keys, func(k column) bool { return strings.EqualFold(k.Name, t.text) })
	if i < 0 {
		return 0, invalid("Invalid partition expression!")
	}
	return i, nil
}

func (p *parser) condition() (matcher, error) {
	i, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.accept("IS") {
		negated := p.accept("NOT")
		if err := p.expect("NULL"); err != nil {
			return nil, err
		}
		// Assumed: a NULL partition value is the default partition's text.
		return func(values []string) (bool, error) {
			return (values[i] == defaultPartition) != negated, nil
		}, nil
	}
	kind, err := keyTypeOf(p.keys[i].Type)
	if err != nil {
		return nil, err
	}
	negated := p.accept("NOT")
	var test func(v any) bool
	switch op := p.next(); {
	case op.is("IN"):
		test, err = p.in(kind)
	case op.is("BETWEEN"):
		test, err = p.between(kind)
	case op.is("LIKE"):
		test, err = p.like(kind)
	case negated:
		return nil, unsupported(op.text)
	default:
		test, err = p.comparison(op, kind)
	}
	if err != nil {
		return nil, err
	}
	return func(values []string) (bool, error) {
		v, err := kind.parse(values[i])
		if err != nil {
			return false, fail("InvalidStateException", "%s: partition value of key %s", err, p.keys[i].Name)
		}
		return test(v) != negated, nil
	}, nil
}

// literal reads a number or string and casts it to the key's type, whichever
// of the two it is.
func (p *parser) literal(kind keyType) (any, error) {
	t := p.next()
	if t.kind != tokenNumber && t.kind != tokenString {
		return nil, unsupported(t.text)
	}
	v, err := kind.parse(t.text)
	if err != nil {
		return nil, invalid("%s", err)
	}
	return v, nil
}

func (p *parser) comparison(op token, kind keyType) (func(any) bool, error) {
	holds, ok := map[string]func(int) bool{
		"=":  func(c int) bool { return c == 0 },
		"<>": func(c int) bool { return c != 0 },
		"!=": func(c int) bool { return c != 0 },
		"<":  func(c int) bool { return c < 0 },
		"<=": func(c int) bool { return c <= 0 },
		">":  func(c int) bool { return c > 0 },
		">=": func(c int) bool { return c >= 0 },
	}[op.text]
	if !ok || op.kind != tokenSymbol {
		return nil, unsupported(op.text)
	}
	want, err := p.literal(kind)
	if err != nil {
		return nil, err
	}
	return func(v any) bool { return holds(kind.compare(v, want)) }, nil
}

func (p *parser) in(kind keyType) (func(any) bool, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []any
	for {
		v, err := p.literal(kind)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if !p.accept(",") {
			break
		}
	}
	test := func(v any) bool {
		return slices.ContainsFunc(list, func(l any) bool { return kind.compare(v, l) == 0 })
	}
	return test, p.expect(")")
}

func (p *parser) between(kind keyType) (func(any) bool, error) {
	low, err := p.literal(kind)
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.literal(kind)
	if err != nil {
		return nil, err
	}
	return func(v any) bool { return kind.compare(v, low) >= 0 && kind.compare(v, high) <= 0 }, nil
}

func (p *parser) like(kind keyType) (func(any) bool, error) {
	if kind.name != "String" {
		return nil, invalid("%s data type doesn't support operation 'LIKE'", kind.name)
	}
	t := p.next()
	if t.kind != tokenString {
		return nil, unsupported(t.text)
	}
	pattern := strings.NewReplacer(`%`, `.*`, `_`, `.`).Replace(regexp.QuoteMeta(t.text))
	match, err := regexp.Compile("(?s)^" + pattern + "$")
	if err != nil {
		return nil, unsupported(t.text)
	}
	return func(v any) bool { return match.MatchString(v.(string)) }, nil
}

// keyType is how values of one partition key type are read and ordered.
type keyType struct {
	name    string // as Glue's messages say it
	parse   func(string) (any, error)
	compare func(a, b any) int
}

// keyTypeOf maps Hive's type names. Types that the documentation of Expression
// does not list ("The following are the supported partition key types") fail.
func keyTypeOf(hive string) (keyType, error) {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(hive)), "(")
	switch strings.TrimSpace(base) {
	case "string", "char", "varchar":
		return keyType{"String", func(s string) (any, error) { return s, nil }, compareStrings}, nil
	case "tinyint", "smallint", "int", "integer", "bigint", "long":
		return keyType{"Integral", parseInteger, compareNumbers}, nil
	case "decimal":
		return keyType{"Decimal", parseDecimal, compareNumbers}, nil
	case "date":
		return keyType{"Date", parseDate, compareTimes}, nil
	case "timestamp":
		return keyType{"Timestamp", parseTimestamp, compareTimes}, nil
	}
	return keyType{}, invalid("Unknown type : '%s'", hive)
}

func compareStrings(a, b any) int { return strings.Compare(a.(string), b.(string)) }
func compareNumbers(a, b any) int { return a.(*big.Rat).Cmp(b.(*big.Rat)) }
func compareTimes(a, b any) int   { return a.(time.Time).Compare(b.(time.Time)) }

var (
	integerText = regexp.MustCompile(`^[+-]?[0-9]{1,40}$`)
	decimalText = regexp.MustCompile(`^[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})$`)
)

func parseInteger(s string) (any, error) {
	if integerText.MatchString(s) {
		if r, ok := new(big.Rat).SetString(s); ok {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%q is not an integer.", s) //nolint:staticcheck // Glue's text
}

func parseDecimal(s string) (any, error) {
	if decimalText.MatchString(s) {
		if r, ok := new(big.Rat).SetString(s); ok {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%s is not a decimal.", s) //nolint:staticcheck // Glue's text
}

func parseDate(s string) (any, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, fmt.Errorf("%s is not a date.", s) //nolint:staticcheck // Glue's text
	}
	return t, nil
}

func parseTimestamp(s string) (any, error) {
	t, err := time.Parse("2006-01-02 15:04:05.999999999", s)
	if err != nil {
		return nil, fmt.Errorf("Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff] %s is not a timestamp.", s) //nolint:staticcheck // Glue's text
	}
	return t, nil
}
