// Package iam is AWS's policy language as a pure function: documents are
// parsed and validated, compiled once into a Set, and the Set decides a
// request or explains every statement's part in the decision. It reads no
// clock, no network and no state.
package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"lakeport/internal/sqlerr"
)

// Document is one parsed policy document. It is not changed after Parse.
type Document struct {
	Version    string // as written; empty if absent, which means 2008-10-17
	ID         string
	Statements []Statement // nil if there is no Statement element

	text      string
	versionAt int // offsets for faults
}

// Statement is one statement as written. A list is nil where its element is
// absent and empty where the document says []. The grammar is the page
// "Grammar of the IAM JSON policy language" of the IAM User Guide.
type Statement struct {
	Sid          string
	Effect       string // "Allow" or "Deny" once validated
	Principal    []PrincipalRef
	NotPrincipal []PrincipalRef
	Action       []Value
	NotAction    []Value
	Resource     []Value
	NotResource  []Value
	Conditions   []Condition
	Start, End   sqlerr.Pos // of its braces; End is that of the closing one

	at, sidAt, effectAt int
}

// Value is one string of a list, with its offset in the text.
type Value struct {
	Text    string
	at, end int
}

// PrincipalRef is one principal that a statement names. Kind is AWS, Service,
// Federated or CanonicalUser, or "*" for the bare "*".
type PrincipalRef struct {
	Kind  string
	Value string

	at, end int
}

// Condition is one operator over one key; an operator over no keys is dropped,
// as it asks nothing. Values holds what was written as a
// string, number or boolean, as text.
type Condition struct {
	Operator string // as written: "ForAllValues:StringEqualsIfExists"
	Key      string // as written
	Values   []Value

	at, keyAt int
}

// Parse reads a policy document. It accepts JSON in the shape of a policy and
// nothing else: unknown and repeated keys and values of the wrong type are
// refused. The error is a *ParseError. What the values mean, and whether
// required elements are there, is for Validate.
func Parse(text []byte) (*Document, error) {
	src := string(text)
	root, perr := readJSON(src)
	if perr != nil {
		return nil, perr
	}
	b := &builder{src: src}
	d, perr := b.document(&root)
	if perr != nil {
		return nil, perr
	}
	return d, nil
}

// String gives the text that Parse was given.
func (d *Document) String() string { return d.text }

// MarshalJSON gives the document as written, insignificant space apart.
func (d *Document) MarshalJSON() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalJSON parses the document within a larger JSON text.
func (d *Document) UnmarshalJSON(text []byte) error {
	p, err := Parse(text)
	if err != nil {
		return fmt.Errorf("parse policy document: %w", err)
	}
	*d = *p
	return nil
}

var _ json.Marshaler = (*Document)(nil)

// Size is the document's length in characters as IAM counts it against its
// quotas: white space is left out (IAM User Guide, "IAM and STS quotas").
func (d *Document) Size() int {
	n := 0
	for _, r := range d.text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// builder turns JSON into a Document. last is the place found last, from which
// the next one is counted.
type builder struct {
	src  string
	last sqlerr.Pos
}

// place is where an offset is. Calls with rising offsets read the text once.
func (b *builder) place(at int) sqlerr.Pos {
	if b.last.Line == 0 || at < b.last.Offset {
		b.last = sqlerr.Pos{Line: 1, Column: 1}
	}
	step := sqlerr.At(b.src[b.last.Offset:], at-b.last.Offset)
	if step.Line == 1 {
		step.Column += b.last.Column - 1
	}
	b.last = sqlerr.Pos{Offset: at, Line: b.last.Line + step.Line - 1, Column: step.Column}
	return b.last
}

func (b *builder) fault(at int, hint, format string, args ...any) *ParseError {
	pos := b.place(at)
	return &ParseError{Line: pos.Line, Column: pos.Column, Msg: fmt.Sprintf(format, args...), Hint: hint, at: at}
}

var (
	documentKeys  = []string{"Version", "Id", "Statement"}
	statementKeys = []string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction",
		"Resource", "NotResource", "Condition"}
	principalKinds = []string{"AWS", "Federated", "Service", "CanonicalUser"}
)

func (b *builder) unknown(key node, in string, known []string) *ParseError {
	hint := "write one of " + strings.Join(known, ", ")
	if n := nearest(key.text, known); n != "" {
		hint = fmt.Sprintf("write %q", n)
	}
	return b.fault(key.at, hint, "unknown key %q in %s", key.text, in)
}

func (b *builder) document(root *node) (*Document, *ParseError) {
	if root.kind != '{' {
		return nil, b.fault(root.at, `write {"Version": "2012-10-17", "Statement": [...]}`,
			"a policy document is an object, found %s", root.noun())
	}
	d := &Document{text: b.src, versionAt: root.at}
	for _, m := range root.members {
		var err *ParseError
		switch m.key.text {
		case "Version":
			d.versionAt = m.value.at
			d.Version, err = b.string(m)
		case "Id":
			d.ID, err = b.string(m)
		case "Statement":
			d.Statements, err = b.statements(m.value)
		default:
			err = b.unknown(m.key, "the document", documentKeys)
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (b *builder) statements(n node) ([]Statement, *ParseError) {
	if n.kind == '{' {
		n = node{kind: '[', items: []node{n}}
	}
	if n.kind != '[' {
		return nil, b.fault(n.at, `write "Statement": [{...}]`, "Statement is an object or an array of objects, found %s", n.noun())
	}
	list := make([]Statement, len(n.items))
	for i := range n.items {
		if err := b.statement(&list[i], n.items[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (b *builder) statement(s *Statement, n node) *ParseError {
	if n.kind != '{' {
		return b.fault(n.at, "write each statement as {...}", "a statement is an object, found %s", n.noun())
	}
	s.at, s.sidAt, s.effectAt = n.at, n.at, n.at
	s.Start, s.End = b.place(n.at), b.place(n.end-1)
	for _, m := range n.members {
		var err *ParseError
		switch m.key.text {
		case "Sid":
			s.sidAt = m.value.at
			s.Sid, err = b.string(m)
		case "Effect":
			s.effectAt = m.value.at
			s.Effect, err = b.string(m)
		case "Principal":
			s.Principal, err = b.principals(m)
		case "NotPrincipal":
			s.NotPrincipal, err = b.principals(m)
		case "Action":
			s.Action, err = b.list(m)
		case "NotAction":
			s.NotAction, err = b.list(m)
		case "Resource":
			s.Resource, err = b.list(m)
		case "NotResource":
			s.NotResource, err = b.list(m)
		case "Condition":
			s.Conditions, err = b.conditions(m)
		default:
			err = b.unknown(m.key, "a statement", statementKeys)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) string(m member) (string, *ParseError) {
	if m.value.kind != '"' {
		return "", b.fault(m.value.at, "write it in double quotes", "%s is a string, found %s", m.key.text, m.value.noun())
	}
	return m.value.text, nil
}

// list reads a string or an array of strings; never nil.
func (b *builder) list(m member) ([]Value, *ParseError) {
	return b.values(m, func(n *node) bool { return n.kind == '"' }, "a string or an array of strings")
}

func (b *builder) values(m member, ok func(*node) bool, want string) ([]Value, *ParseError) {
	items := m.value.items
	if m.value.kind != '[' {
		items = []node{m.value}
	}
	list := make([]Value, len(items))
	for i := range items {
		if !ok(&items[i]) {
			return nil, b.fault(items[i].at, "write each value in double quotes",
				"%s is %s, found %s", m.key.text, want, items[i].noun())
		}
		list[i] = Value{items[i].text, items[i].at, items[i].end}
	}
	return list, nil
}

func (b *builder) principals(m member) ([]PrincipalRef, *ParseError) {
	if v := m.value; v.kind == '"' {
		if v.text != "*" {
			return nil, b.fault(v.at, fmt.Sprintf(`write {"AWS": %q}`, v.text),
				`%s is "*" or an object, found the string %q`, m.key.text, v.text)
		}
		return []PrincipalRef{{"*", "*", v.at, v.end}}, nil
	}
	if m.value.kind != '{' {
		return nil, b.fault(m.value.at, `write {"AWS": "arn:..."}`, `%s is "*" or an object, found %s`, m.key.text, m.value.noun())
	}
	list := []PrincipalRef{}
	for _, of := range m.value.members {
		if !slices.Contains(principalKinds, of.key.text) {
			return nil, b.unknown(of.key, m.key.text, principalKinds)
		}
		values, err := b.list(of)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			list = append(list, PrincipalRef{of.key.text, v.Text, v.at, v.end})
		}
	}
	return list, nil
}

func (b *builder) conditions(m member) ([]Condition, *ParseError) {
	if m.value.kind != '{' {
		return nil, b.fault(m.value.at, `write {"StringEquals": {"key": "value"}}`, "Condition is an object, found %s", m.value.noun())
	}
	var list []Condition
	scalar := func(n *node) bool { return strings.IndexByte(`"0tf`, n.kind) >= 0 }
	for _, op := range m.value.members {
		if op.value.kind != '{' {
			return nil, b.fault(op.value.at, fmt.Sprintf(`write {%q: {"key": "value"}}`, op.key.text),
				"condition %s is an object, found %s", op.key.text, op.value.noun())
		}
		for _, key := range op.value.members {
			values, err := b.values(key, scalar, "a string, number or boolean, or an array of them")
			if err != nil {
				return nil, err
			}
			list = append(list, Condition{op.key.text, key.key.text, values, op.key.at, key.key.at})
		}
	}
	return list, nil
}

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

// nearest is the candidate closest to a misspelled word, "" if none is close.
func nearest(word string, candidates []string) string {
	best, name := len(word)/3+1, ""
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d <= best && (name == "" || d < best) {
			best, name = d, c
		}
	}
	return name
}

// distance is the number of single-character edits between a and b. Words
// beyond 64 bytes are not compared.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
