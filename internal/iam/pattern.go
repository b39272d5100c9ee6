package iam

import (
	"strings"
	"unicode/utf8"
)

// pattern is a compiled string of a policy: literal text, wildcards and
// policy variables. Variables are filled in while matching, so that a match
// allocates nothing; what they stand for is literal text (Assumed: a wildcard
// inside a variable's value is not one).
type pattern struct {
	head  string // the literal text at the start
	elems []elem // what follows it
	fold  bool   // letters match in either case
	// end is the last byte of head with the bits of mask set, 0 where it
	// tells nothing. ARNs differ towards the end, if at all, so that one byte
	// turns most texts away.
	end, mask byte
}

type elemKind uint8

const (
	literal elemKind = iota
	anyRune
	anyRun
	variable
)

// elem is one piece of a pattern. text is the literal, or a variable's key in
// lower case.
type elem struct {
	kind       elemKind
	text       string
	fallback   string // a variable's default
	hasDefault bool
}

// syntax says what is special in a text: IAM User Guide, "IAM policy
// elements: Variables and tags" and the pages of the elements.
type syntax struct{ wildcards, variables, fold bool }

func compilePattern(text string, syn syntax) pattern {
	p := pattern{fold: syn.fold}
	var lit strings.Builder
	add := func(e elem) {
		if lit.Len() > 0 {
			p.elems = append(p.elems, elem{text: lit.String()})
			lit.Reset()
		}
		if e.kind != literal {
			p.elems = append(p.elems, e)
		}
	}
	for len(text) > 0 {
		if syn.variables && strings.HasPrefix(text, "${") {
			if e, n := parseVariable(text); n > 0 {
				if e.kind == literal {
					lit.WriteString(e.text)
				} else {
					add(e)
				}
				text = text[n:]
				continue
			}
		}
		switch c := text[0]; {
		case c == '*' && syn.wildcards:
			add(elem{kind: anyRun})
		case c == '?' && syn.wildcards:
			add(elem{kind: anyRune})
		default:
			lit.WriteByte(c)
		}
		text = text[1:]
	}
	add(elem{})
	if len(p.elems) > 0 && p.elems[0].kind == literal {
		p.head, p.elems = p.elems[0].text, p.elems[1:]
	}
	p.screen()
	return p
}

// screen prepares may. Letters of either case differ in the bit of 0x20; a
// text that folds to ASCII of its own length is ASCII itself, so that only
// other heads must go without.
func (p *pattern) screen() {
	p.end, p.mask = 0, 0
	n := len(p.head)
	switch {
	case n == 0:
	case !p.fold:
		p.end = p.head[n-1]
	case strings.IndexFunc(p.head, func(r rune) bool { return r >= utf8.RuneSelf }) < 0:
		p.mask = 0x20
		p.end = p.head[n-1] | p.mask
	}
}

// may tells at the cost of one byte whether s can match.
func (p *pattern) may(s string) bool {
	n := len(p.head)
	return len(s) >= n && (p.end == 0 || s[n-1]|p.mask == p.end)
}

// parseVariable reads ${key}, ${key, 'default'} or an escape ${*}, ${?}, ${$}
// at the start of text and gives its length, 0 if it is none of them.
func parseVariable(text string) (e elem, n int) {
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return elem{}, 0
	}
	key, fallback, hasDefault := strings.Cut(text[2:end], ",")
	if hasDefault {
		open := strings.IndexByte(text, '\'')
		if open < 0 || strings.TrimSpace(text[2+len(key)+1:open]) != "" {
			return elem{}, 0
		}
		length := strings.Index(text[open+1:], "'}")
		if length < 0 {
			return elem{}, 0
		}
		fallback = text[open+1 : open+1+length]
		end = open + 1 + length + 1
	}
	switch key = strings.TrimSpace(key); key {
	case "":
		return elem{}, 0
	case "*", "?", "$":
		return elem{kind: literal, text: key}, end + 1
	}
	return elem{kind: variable, text: strings.ToLower(key), fallback: fallback, hasDefault: hasDefault}, end + 1
}

// match tells whether the whole of s matches. A variable without value and
// default matches nothing.
func (p *pattern) match(s string, ctx Context) bool {
	n := len(p.head)
	if !p.may(s) || s[:n] != p.head && (!p.fold || !strings.EqualFold(s[:n], p.head)) {
		return false
	}
	switch {
	case len(p.elems) == 0:
		return len(s) == n
	case len(p.elems) == 1 && p.elems[0].kind == anyRun:
		return true
	}
	return p.matchRest(s[n:], ctx)
}

// matchRest matches what follows the head. Between two runs every element
// takes a fixed length, so only the last run need ever be widened.
func (p *pattern) matchRest(s string, ctx Context) bool {
	i, at := 0, 0
	star, mark := -1, 0 // the last run and where its match ends for now
	for i < len(p.elems) || at < len(s) {
		if i < len(p.elems) {
			e := &p.elems[i]
			if e.kind == anyRun {
				if star, mark = i, at; star == len(p.elems)-1 {
					return true
				}
				i++
				continue
			}
			if n := e.take(s[at:], p.fold, ctx); n >= 0 {
				i++
				at += n
				continue
			}
		}
		if star < 0 || mark == len(s) {
			return false
		}
		_, width := utf8.DecodeRuneInString(s[mark:])
		mark += width
		i, at = star+1, mark
	}
	return true
}

// take is how many bytes at the start of s the element matches, -1 for none.
func (e *elem) take(s string, fold bool, ctx Context) int {
	text := e.text
	switch e.kind {
	case anyRune:
		if s == "" {
			return -1
		}
		_, width := utf8.DecodeRuneInString(s)
		return width
	case variable:
		values := ctx[e.text]
		switch {
		case len(values) == 1:
			text = values[0]
		case len(values) == 0 && e.hasDefault:
			text = e.fallback
		default: // unset, or multi-valued, which variables may not be
			return -1
		}
	}
	if len(s) < len(text) {
		return -1
	}
	if head := s[:len(text)]; head == text || fold && strings.EqualFold(head, text) {
		return len(text)
	}
	return -1
}

// always tells whether the pattern is nothing but "*".
func (p *pattern) always() bool {
	for i := range p.elems {
		if p.elems[i].kind != anyRun {
			return false
		}
	}
	return p.head == "" && len(p.elems) > 0
}

// arnPattern matches ARNs part by part: a wildcard never crosses from one
// part into another, but in the last part it crosses "/" and ":" (IAM User
// Guide, "Policy element: Resource").
type arnPattern struct {
	any bool // the bare "*"
	// whole matches the text at once, with parts nil, where the first five
	// parts are literal: then no wildcard can cross a colon that counts. It is
	// empty where it is not used, which every text may match.
	whole pattern
	// parts are all six; a part that the pattern lacks is "*" (Assumed).
	parts *[6]pattern
}

// compileARN compiles a pattern. headVariables allows variables before the
// fifth colon, as conditions do and Resource does not.
func compileARN(text string, variables, headVariables bool) arnPattern {
	texts := splitPattern(text, variables)
	parts := new([6]pattern)
	plain := len(texts) == 6
	for i := range parts {
		part := "*"
		if i < len(texts) {
			part = texts[i]
		}
		parts[i] = compilePattern(part, syntax{wildcards: true, variables: variables && (i == 5 || headVariables)})
		plain = plain && (i == 5 || len(parts[i].elems) == 0)
	}
	if plain {
		whole := parts[5]
		whole.head = strings.Join(texts[:5], ":") + ":" + whole.head
		whole.screen()
		return arnPattern{whole: whole}
	}
	return arnPattern{any: len(texts) == 1 && parts[0].always(), parts: parts}
}

// splitPattern cuts at the first five colons outside of variables.
func splitPattern(text string, variables bool) []string {
	var parts []string
	start := 0
	for i := 0; i < len(text) && len(parts) < 5; i++ {
		if variables && strings.HasPrefix(text[i:], "${") {
			if _, n := parseVariable(text[i:]); n > 0 {
				i += n - 1
				continue
			}
		}
		if text[i] == ':' {
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// arn is a text that patterns are matched against. It is cut into its parts
// when the first pattern asks for them.
type arn struct {
	text  string
	parts [6]string
	cut   bool
	ok    bool // after cutting: the text has six parts
}

func splitARN(text string) arn {
	a := arn{text: text}
	a.split()
	return a
}

func (a *arn) split() bool {
	if a.cut {
		return a.ok
	}
	a.cut = true
	rest := a.text
	for i := range 5 {
		colon := strings.IndexByte(rest, ':')
		if colon < 0 {
			return false
		}
		a.parts[i], rest = rest[:colon], rest[colon+1:]
	}
	a.parts[5], a.ok = rest, true
	return true
}

func (p *arnPattern) match(a *arn, ctx Context) bool {
	if p.any {
		return true
	}
	if p.parts == nil {
		return p.whole.match(a.text, ctx)
	}
	if !a.split() {
		return false
	}
	for i := range p.parts {
		if !p.parts[i].match(a.parts[i], ctx) {
			return false
		}
	}
	return true
}

// variables calls f with the key of each variable of the pattern.
func (p *pattern) variables(f func(key string)) {
	for i := range p.elems {
		if p.elems[i].kind == variable {
			f(p.elems[i].text)
		}
	}
}
