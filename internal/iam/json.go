package iam

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"lakeport/internal/sqlerr"
)

// ParseError is the first fault of a text that is not a policy document.
type ParseError struct {
	Line, Column int    // from 1; Column in characters
	Msg          string // what is wrong there
	Hint         string // how to mend it

	at       int    // the place as an offset
	edits    []edit // what mends it, where that is certain
	trailing bool   // the document is whole; something follows it
}

// Error gives position, message and, on a line of its own, the hint.
func (e *ParseError) Error() string {
	s := fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg)
	if e.Hint != "" {
		s += "\nhint: " + e.Hint
	}
	return s
}

// maxDepth bounds nesting; a policy needs six levels.
const maxDepth = 32

// node is one JSON value with its place in the source. text is a string's
// decoded value, or the literal as written for numbers, booleans and null.
type node struct {
	kind    byte // '{', '[', '"', '0', 't', 'f' or 'n'
	at, end int
	text    string
	members []member
	items   []node
}

type member struct{ key, value node }

// noun names the node's type in messages.
func (n *node) noun() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "a boolean"
}

// reader reads JSON as RFC 8259 has it and refuses an object that holds a key
// twice, which RFC 8259 leaves open and the policy grammar forbids.
type reader struct {
	src string
	pos int
}

func (p *reader) fault(at int, hint, format string, args ...any) *ParseError {
	pos := sqlerr.At(p.src, at)
	return &ParseError{Line: pos.Line, Column: pos.Column, Msg: fmt.Sprintf(format, args...), Hint: hint, at: at}
}

// place prints where an offset is.
func (p *reader) place(at int) string {
	pos := sqlerr.At(p.src, at)
	return fmt.Sprintf("%d:%d", pos.Line, pos.Column)
}

func readJSON(src string) (node, *ParseError) {
	p := &reader{src: src}
	for i, r := range src {
		if r == utf8.RuneError && !strings.HasPrefix(src[i:], "\uFFFD") {
			return node{}, p.fault(i, "save the text as UTF-8", "byte 0x%02x is not UTF-8", src[i])
		}
	}
	p.space()
	if p.pos == len(src) {
		return node{}, p.fault(p.pos, `write {"Version": "2012-10-17", "Statement": [...]}`, "the document is empty")
	}
	n, err := p.value(0)
	if err != nil {
		return node{}, err
	}
	if p.space(); p.pos < len(src) {
		err := p.fault(p.pos,
			"remove what follows; if it is one more statement, move it into the Statement array",
			"%s after the end of the document, which closes at %s", p.found(), p.place(n.end-1))
		err.trailing = true
		return n, err
	}
	return n, nil
}

func (p *reader) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

// found names what stands at the position.
func (p *reader) found() string {
	if p.pos >= len(p.src) {
		return "the end of the text"
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.pos:])
	return fmt.Sprintf("%q", r)
}

func (p *reader) at(c byte) bool { return p.pos < len(p.src) && p.src[p.pos] == c }

func (p *reader) value(depth int) (node, *ParseError) {
	if depth > maxDepth {
		return node{}, p.fault(p.pos, "remove the needless brackets", "more than %d levels of brackets", maxDepth)
	}
	if p.pos == len(p.src) {
		return node{}, p.fault(p.pos, "write a value", "expected a value, found the end of the text")
	}
	switch c := p.src[p.pos]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(p.src[p.pos:], word) {
			n := node{kind: word[0], at: p.pos, end: p.pos + len(word), text: word}
			p.pos = n.end
			return n, nil
		}
	}
	return node{}, p.fault(p.pos, p.quoteHint(), "expected a value, found %s", p.found())
}

// quoteHint explains the usual strangers where a string or value should be.
func (p *reader) quoteHint() string {
	rest := p.src[p.pos:]
	switch {
	case strings.HasPrefix(rest, "'"), strings.HasPrefix(rest, "\u201c"), strings.HasPrefix(rest, "\u201d"),
		strings.HasPrefix(rest, "\u2018"), strings.HasPrefix(rest, "\u2019"):
		return `JSON strings take straight double quotes: "`
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"), strings.HasPrefix(rest, "#"):
		return "JSON has no comments: remove it"
	case strings.HasPrefix(rest, "<"):
		return "replace the placeholder and put it in double quotes"
	}
	return "write a string in double quotes, or an object or array"
}

func (p *reader) object(depth int) (node, *ParseError) {
	n := node{kind: '{', at: p.pos}
	first := map[string]int{} // where each key stands
	p.pos++
	for {
		p.space()
		if p.at('}') {
			if len(n.members) > 0 {
				return n, p.extraComma('}')
			}
			break
		}
		if p.pos == len(p.src) {
			return n, p.unclosed(n)
		}
		if !p.at('"') {
			return n, p.fault(p.pos, p.quoteHint(), "expected a key in double quotes, found %s", p.found())
		}
		key, err := p.str()
		if err != nil {
			return n, err
		}
		if at, ok := first[key.text]; ok {
			return n, p.fault(key.at, "keep one of them; several values go in one array",
				"duplicate key %q, first at %s", key.text, p.place(at))
		}
		first[key.text] = key.at
		if p.space(); !p.at(':') {
			return n, p.fault(p.pos, "write a colon between key and value", "expected ':' after key %q, found %s", key.text, p.found())
		}
		p.pos++
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.members = append(n.members, member{key, v})
		if p.space(); !p.at(',') {
			if p.at('}') {
				break
			}
			return n, p.unseparated(n, v, fmt.Sprintf("the value of %q", key.text))
		}
		p.pos++
	}
	p.pos++
	n.end = p.pos
	return n, nil
}

func (p *reader) array(depth int) (node, *ParseError) {
	n := node{kind: '[', at: p.pos}
	p.pos++
	for {
		p.space()
		if p.at(']') {
			if len(n.items) > 0 {
				return n, p.extraComma(']')
			}
			break
		}
		if p.pos == len(p.src) {
			return n, p.unclosed(n)
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
		if p.space(); !p.at(',') {
			if p.at(']') {
				break
			}
			return n, p.unseparated(n, v, fmt.Sprintf("element %d of the array", len(n.items)))
		}
		p.pos++
	}
	p.pos++
	n.end = p.pos
	return n, nil
}

func (p *reader) extraComma(close byte) *ParseError {
	comma := strings.LastIndexByte(p.src[:p.pos], ',')
	return p.fault(p.pos, "remove the comma before it", "extra comma before '%c'", close).mend(edit{comma, comma + 1, " "})
}

func (p *reader) unclosed(open node) *ParseError {
	return p.fault(p.pos, fmt.Sprintf("write '%c'", open.kind+2), // '{' and '}', '[' and ']' lie two apart
		"the '%c' of %s is not closed", open.kind, p.place(open.at)).mend(edit{p.pos, p.pos, string(open.kind + 2)})
}

// unseparated is the fault of anything but a comma or the right bracket after
// a value. A missing comma is reported where it belongs.
func (p *reader) unseparated(open, last node, what string) *ParseError {
	switch {
	case p.pos == len(p.src):
		return p.unclosed(open)
	case p.at('}') || p.at(']'):
		return p.fault(p.pos, fmt.Sprintf("write '%c'", open.kind+2),
			"%s does not close the '%c' of %s", p.found(), open.kind, p.place(open.at)).mend(edit{p.pos, p.pos, string(open.kind + 2)})
	case strings.IndexByte(`"{[-0123456789tfn`, p.src[p.pos]) >= 0:
		return p.fault(last.end, "write a comma there", "missing comma after %s", what).mend(edit{last.end, last.end, ","})
	}
	hint := p.quoteHint()
	if last.kind == '"' && !strings.HasPrefix(hint, "JSON") {
		hint = fmt.Sprintf("check the quotes of the string that opens at %s", p.place(last.at))
	}
	return p.fault(p.pos, hint, "expected ',' or '%c' after %s, found %s", open.kind+2, what, p.found())
}

func (p *reader) str() (node, *ParseError) {
	n := node{kind: '"', at: p.pos}
	p.pos++
	start := p.pos
	var b []byte // nil while the string has no escapes
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '"':
			n.text = p.src[start:p.pos]
			if b != nil {
				n.text = string(b)
			}
			p.pos++
			n.end = p.pos
			return n, nil
		case c < ' ':
			return n, p.fault(n.at, `close the string with "`,
				"unterminated string: control character U+%04X at %s", c, p.place(p.pos))
		case c == '\\':
			if b == nil {
				b = append(make([]byte, 0, p.pos-start+16), p.src[start:p.pos]...)
			}
			r, err := p.escape()
			if err != nil {
				return n, err
			}
			b = utf8.AppendRune(b, r)
		default:
			if b != nil {
				b = append(b, c)
			}
			p.pos++
		}
	}
	return n, p.fault(n.at, `close the string with "`, "unterminated string: the text ends before its closing quote")
}

// escape reads one escape sequence, a surrogate pair as one.
func (p *reader) escape() (rune, *ParseError) {
	at := p.pos
	bad := func() *ParseError {
		return p.fault(at, `JSON knows \" \\ \/ \b \f \n \r \t and \u with four hexadecimal digits`, "invalid escape sequence")
	}
	if at+1 >= len(p.src) {
		return 0, bad()
	}
	c := p.src[at+1]
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, bad()
		}
		p.pos += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.hex(at)
	if !ok {
		return 0, bad()
	}
	p.pos += 6
	if utf16.IsSurrogate(r) {
		low, ok := p.hex(p.pos)
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return 0, bad()
		}
		p.pos += 6
	}
	return r, nil
}

// hex reads the \uXXXX at an offset.
func (p *reader) hex(at int) (r rune, ok bool) {
	if at+6 > len(p.src) || p.src[at:at+2] != `\u` {
		return 0, false
	}
	for _, c := range []byte(p.src[at+2 : at+6]) {
		d := strings.IndexByte("0123456789abcdef", lower(c))
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func (p *reader) number() (node, *ParseError) {
	n := node{kind: '0', at: p.pos}
	digits := func() bool {
		from := p.pos
		for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > from
	}
	if p.at('-') {
		p.pos++
	}
	first := p.pos
	ok := digits() && (p.src[first] != '0' || p.pos == first+1)
	if ok && p.at('.') {
		p.pos++
		ok = digits()
	}
	if ok && (p.at('e') || p.at('E')) {
		p.pos++
		if p.at('+') || p.at('-') {
			p.pos++
		}
		ok = digits()
	}
	if !ok {
		return n, p.fault(n.at, "write it in double quotes", "malformed number")
	}
	n.end = p.pos
	n.text = p.src[n.at:n.end]
	return n, nil
}

// lower is c in lower case, for ASCII letters.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
