package lake

import (
	"bytes"
	"slices"
	"strings"
)

// maxJSONDepth is how deep AppendJSON orders the members of objects; what is
// nested deeper is spaced only.
const maxJSONDepth = 200

// AppendJSON appends a JSON text in the form that StarRocks prints: a blank
// after each comma and colon and none elsewhere, and the members of each object
// ordered by key (starrocks.io, "json_object" and "json_pretty"). Text that is
// no JSON comes out in some form, too.
func AppendJSON(b, text []byte) []byte {
	p := jsonPrinter{out: b, text: text}
	p.value(0)
	return spaceJSON(p.out, p.text[p.at:])
}

// jsonPrinter walks text from at on.
type jsonPrinter struct {
	out, text []byte
	at        int
}

// member is where one member of an object stands in what has been printed.
type member struct{ from, colon, to int }

func (p *jsonPrinter) value(depth int) {
	switch p.peek() {
	case '{':
		p.list('}', depth, true)
	case '[':
		p.list(']', depth, false)
	case '"':
		p.at += p.copyString()
	default:
		for p.at < len(p.text) && strings.IndexByte(" \t\r\n,:{}[]\"", p.text[p.at]) < 0 {
			p.out = append(p.out, p.text[p.at])
			p.at++
		}
	}
}

// peek gives the next byte behind blanks, 0 at the end.
func (p *jsonPrinter) peek() byte {
	for ; p.at < len(p.text); p.at++ {
		if c := p.text[p.at]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// list prints an array, or an object with its members in order.
func (p *jsonPrinter) list(end byte, depth int, object bool) {
	if depth >= maxJSONDepth {
		p.out, p.at = spaceJSON(p.out, p.text[p.at:]), len(p.text)
		return
	}
	p.out = append(p.out, p.text[p.at])
	p.at++
	var list []member
	sorted := true
	for p.at < len(p.text) {
		c := p.peek()
		if c == end {
			break
		}
		start := p.at
		m := member{from: len(p.out)}
		p.value(depth + 1)
		m.colon = len(p.out)
		if object && p.peek() == ':' {
			p.out = append(p.out, ": "...)
			p.at++
			p.value(depth + 1)
		}
		m.to = len(p.out)
		if n := len(list); object && n > 0 {
			last := list[n-1]
			sorted = sorted && bytes.Compare(p.out[last.from:last.colon], p.out[m.from:m.colon]) <= 0
		}
		if object {
			list = append(list, m)
		}
		if p.peek() == ',' {
			p.out = append(p.out, ", "...)
			p.at++
		} else if p.at == start { // no JSON
			return
		}
	}
	if !sorted {
		p.order(list)
	}
	if p.peek() == end {
		p.out = append(p.out, end)
		p.at++
	}
}

// order puts the members printed last in the order of their keys.
func (p *jsonPrinter) order(list []member) {
	from := list[0].from
	printed := slices.Clone(p.out[from:])
	at := func(start, to int) []byte { return printed[start-from : to-from] }
	slices.SortStableFunc(list, func(a, b member) int { return bytes.Compare(at(a.from, a.colon), at(b.from, b.colon)) })
	p.out = p.out[:from]
	for i, m := range list {
		if i > 0 {
			p.out = append(p.out, ", "...)
		}
		p.out = append(p.out, at(m.from, m.to)...)
	}
}

// copyString prints the string at p.at and gives its length.
func (p *jsonPrinter) copyString() int {
	n := 1
	for p.at+n < len(p.text) {
		c := p.text[p.at+n]
		n++
		if c == '"' {
			break
		}
		if c == '\\' && p.at+n < len(p.text) {
			n++
		}
	}
	p.out = append(p.out, p.text[p.at:p.at+n]...)
	return n
}

// spaceJSON sets the blanks of a JSON text and leaves its order.
func spaceJSON(b, text []byte) []byte {
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString:
			if b = append(b, c); c == '\\' && i+1 < len(text) {
				i++
				b = append(b, text[i])
			}
			inString = c != '"'
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c == ',' || c == ':':
			b = append(b, c, ' ')
		default:
			b = append(b, c)
			inString = c == '"'
		}
	}
	return b
}
