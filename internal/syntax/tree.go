package syntax

import (
	"fmt"
	"strconv"
	"strings"
)

// Statement is one parsed statement. String prints it in a form that parses
// to an equal tree but for positions; it shows secrets, see Redacted.
type Statement interface {
	fmt.Stringer
	Start() Pos
}

// Pos is a byte offset into the text given to Parse.
type Pos int

// Start is the position itself; nodes embed a Pos for their beginning.
func (p Pos) Start() Pos { return p }

// Ident is a name without its quotes.
type Ident struct {
	Pos
	Name string
}

// String back-quotes the name.
func (i Ident) String() string { return "`" + strings.ReplaceAll(i.Name, "`", "``") + "`" }

// QualifiedName is one to three names: table, db.table or catalog.db.table;
// for databases db or catalog.db. It is empty where a clause was not given.
type QualifiedName struct {
	Parts []Ident
}

// IsZero tells whether no name was given.
func (q QualifiedName) IsZero() bool { return len(q.Parts) == 0 }

// Start is the position of the first part.
func (q QualifiedName) Start() Pos {
	if q.IsZero() {
		return 0
	}
	return q.Parts[0].Pos
}

// Last is the rightmost name, "" if none was given.
func (q QualifiedName) Last() string {
	if q.IsZero() {
		return ""
	}
	return q.Parts[len(q.Parts)-1].Name
}

// Names gives the parts without positions.
func (q QualifiedName) Names() []string {
	names := make([]string, len(q.Parts))
	for i, p := range q.Parts {
		names[i] = p.Name
	}
	return names
}

// String joins the back-quoted parts with dots.
func (q QualifiedName) String() string { return join(q.Parts, ".") }

// StringLit is a string literal, decoded.
type StringLit struct {
	Pos
	Value string
}

// String quotes the value for StarRocks.
func (s StringLit) String() string { return Quote(s.Value) }

// Quote writes s as a StarRocks string literal in double quotes.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`).Replace(s) + `"`
}

// Fragment is text that the engine parses: a query, an expression, a literal.
// It is empty where a clause was not given.
type Fragment struct {
	Pos
	Text string
}

// IsZero tells whether no text was given.
func (f Fragment) IsZero() bool { return f.Text == "" }

// String is the text as written.
func (f Fragment) String() string { return f.Text }

// Literal decodes a fragment that is one string, number or word, or a signed
// number; ok is false for anything that must be evaluated.
func (f Fragment) Literal() (value string, ok bool) {
	toks, err := Scan(f.Text, StarRocks)
	if err != nil || len(toks) == 0 {
		return "", false
	}
	sign := ""
	if len(toks) == 2 && toks[1].Kind == Number && (toks[0].Is("-") || toks[0].Is("+")) {
		sign, toks = strings.TrimPrefix(toks[0].Text, "+"), toks[1:]
	}
	if len(toks) != 1 {
		return "", false
	}
	switch toks[0].Kind {
	case String, Number, Word, Quoted:
		return sign + toks[0].Value(), true
	}
	return "", false
}

// Property is one "key" = "value" of PROPERTIES and its kin.
type Property struct {
	Key, Value StringLit
}

// Properties keeps the order and the repeats of the text.
type Properties []Property

// Get gives the last value of key.
func (p Properties) Get(key string) (value string, ok bool) {
	for _, kv := range p {
		if kv.Key.Value == key {
			value, ok = kv.Value.Value, true
		}
	}
	return value, ok
}

// String prints ("k" = "v", ..).
func (p Properties) String() string {
	parts := make([]string, len(p))
	for i, kv := range p {
		parts[i] = kv.Key.String() + " = " + kv.Value.String()
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Filter is what may follow a SHOW.
type Filter struct {
	Like    *StringLit
	Where   Fragment
	OrderBy Fragment
	Limit   Fragment // "n", "offset, n" or "n OFFSET offset"
}

// Explain is EXPLAIN of a statement; DESC and DESCRIBE mean the same there.
// EXPLAIN ACCESS, which is lakeport's own, asks what AWS says to it.
type Explain struct {
	Pos
	Mode      string // "", LOGICAL, VERBOSE, COSTS, ANALYZE or ACCESS
	Statement Statement
}

// Query is a statement that only reads: SELECT, WITH, VALUES, FROM, SUMMARIZE,
// or one of these in parentheses.
type Query struct {
	Fragment
}

// Unsupported is a statement that lakeport knows and does not carry out.
type Unsupported struct {
	Pos
	Name string // "CREATE USER"
	Text string // the whole statement
}

// String is the statement as written.
func (s *Unsupported) String() string { return s.Text }

func (s *Query) String() string { return s.Text }

func (s *Explain) String() string {
	return words("EXPLAIN", s.Mode, s.Statement.String())
}

// words joins the non-empty parts with blanks.
func words(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
	}
	return b.String()
}

// clause gives keyword and body, or nothing if the body is empty.
func clause(keyword string, body string) string {
	if body == "" {
		return ""
	}
	return keyword + " " + body
}

func opt(on bool, text string) string {
	if on {
		return text
	}
	return ""
}

func quoted(s *StringLit) string {
	if s == nil {
		return ""
	}
	return s.String()
}

func join[T fmt.Stringer](items []T, sep string) string {
	parts := make([]string, len(items))
	for i, it := range items {
		parts[i] = it.String()
	}
	return strings.Join(parts, sep)
}

// parens prints a list in parentheses, or nothing if it is empty.
func parens[T fmt.Stringer](items []T) string {
	if len(items) == 0 {
		return ""
	}
	return "(" + join(items, ", ") + ")"
}

func properties(p Properties) string {
	if len(p) == 0 {
		return ""
	}
	return "PROPERTIES " + p.String()
}

func number(n int) string { return strconv.Itoa(n) }

func (f Filter) String() string {
	return words(clause("LIKE", quoted(f.Like)), clause("WHERE", f.Where.Text),
		clause("ORDER BY", f.OrderBy.Text), clause("LIMIT", f.Limit.Text))
}
