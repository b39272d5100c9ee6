package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
)

// edit replaces the bytes from at up to end by text. What is taken away leaves
// as many spaces, so that places keep their meaning.
type edit struct {
	at, end int
	text    string
}

// mend notes what would mend the fault.
func (e *ParseError) mend(edits ...edit) *ParseError {
	e.edits = edits
	return e
}

// repairsMax bounds how many faults are mended.
const repairsMax = 100

// Repair reads a text as JSON and lists every fault with its place in the text.
// Where each of them can be mended in one way only (commas, brackets, a
// statement behind the end of the document), it gives the mended document,
// indented, else nil. A text without a fault comes back indented.
func Repair(text []byte) (faults []*ParseError, mended []byte) {
	d := &draft{original: string(text), src: string(text)}
	for i := range len(text) {
		d.origin = append(d.origin, i)
	}
	for range repairsMax {
		n, err := readJSON(d.src)
		if err == nil {
			var out bytes.Buffer
			if json.Indent(&out, []byte(d.src), "", "    ") != nil {
				return faults, nil
			}
			return faults, append(bytes.TrimSpace(out.Bytes()), '\n')
		}
		if err.trailing {
			err = d.trailing(&n, err)
		}
		faults = append(faults, d.placed(err))
		if len(err.edits) == 0 {
			return faults, nil
		}
		d.apply(err.edits)
	}
	return faults, nil
}

// draft is a text under repair.
type draft struct {
	original, src string
	origin        []int // of each byte of src: its place in the original
}

// from is the place in the original of an offset of src.
func (d *draft) from(at int) int {
	if at >= len(d.origin) {
		return len(d.original)
	}
	return d.origin[at]
}

// place prints it.
func (d *draft) place(at int) string {
	pos := sqlerr.At(d.original, d.from(at))
	return fmt.Sprintf("%d:%d", pos.Line, pos.Column)
}

// placed is the fault with its place in the original.
func (d *draft) placed(e *ParseError) *ParseError {
	pos := sqlerr.At(d.original, d.from(e.at))
	e.Line, e.Column = pos.Line, pos.Column
	return e
}

// apply makes the edits, the last one first.
func (d *draft) apply(edits []edit) {
	for _, e := range slices.Backward(edits) {
		place := d.from(e.at)
		from := slices.Repeat([]int{place}, len(e.text))
		d.src = d.src[:e.at] + e.text + d.src[e.end:]
		d.origin = slices.Concat(d.origin[:e.at], from, d.origin[e.end:])
	}
}

// trailing judges what follows a whole document: brackets that close nothing,
// or a statement for which the document closed too early.
func (d *draft) trailing(root *node, e *ParseError) *ParseError {
	p := &reader{src: d.src, pos: e.at}
	if p.at(']') || p.at('}') {
		return d.brackets(p)
	}
	statements := root.statements()
	comma := p.at(',')
	if comma {
		p.pos++
		p.space()
	}
	if statements == nil || !p.at('{') {
		return e
	}
	next := p.pos
	n, err := p.value(1)
	if err != nil {
		return err
	}
	out := p.fault(e.at, "move it into the array, before it closes",
		"the Statement array closes at %s and the document at %s, but the statement of %s follows", d.place(statements.end-1), d.place(root.end-1), d.place(next))
	edits := []edit{{statements.end - 1, statements.end, " "}, {root.end - 1, root.end, " "}}
	if !comma && len(statements.items) > 0 {
		edits = append(edits, edit{next, next, ","})
	}
	return out.mend(append(edits, edit{n.end, n.end, "]}"})...)
}

// brackets takes away all that close nothing.
func (d *draft) brackets(p *reader) *ParseError {
	start := p.pos
	var edits []edit
	var names []string
	for p.at(']') || p.at('}') {
		names = append(names, p.found())
		edits = append(edits, edit{p.pos, p.pos + 1, " "})
		p.pos++
		p.space()
	}
	verb, them := "closes", "it"
	if len(names) > 1 {
		verb, them = "close", "them"
	}
	return p.fault(start, "remove "+them, "%s %s nothing", strings.Join(names, " and "), verb).mend(edits...)
}

// statements is the Statement array, if nothing stands behind it in the
// document.
func (n *node) statements() *node {
	if n.kind != '{' || len(n.members) == 0 {
		return nil
	}
	last := &n.members[len(n.members)-1]
	if last.key.text != "Statement" || last.value.kind != '[' {
		return nil
	}
	return &last.value
}

// lacking are actions that go together for the statements of SQL: who is given
// those of one kind on a catalog of table buckets will miss the others.
var lacking = []struct{ action, statement string }{
	{"glue:CreateDatabase", "CREATE DATABASE"},
}

// Lacks tells which statements of SQL the document cannot suffice for, where it
// is written for a catalog of table buckets and that is certain: no statement
// of it allows the action on anything.
func (d *Document) Lacks() (notes []string) {
	if !d.names(":catalog/s3tablescatalog") {
		return nil
	}
	for _, l := range lacking {
		if !d.allows(l.action) {
			notes = append(notes, fmt.Sprintf("no statement allows %s: %s in a catalog of s3tablescatalog is denied unless another policy allows it", l.action, l.statement))
		}
	}
	return notes
}

// names tells whether an allowing statement is about resources whose ARN holds
// the part.
func (d *Document) names(part string) bool {
	return slices.ContainsFunc(d.Statements, func(s Statement) bool {
		return s.Effect == "Allow" && slices.ContainsFunc(s.Resource, func(v Value) bool { return strings.Contains(v.Text, part) })
	})
}

// allows tells whether any statement may allow the action.
func (d *Document) allows(action string) bool {
	return slices.ContainsFunc(d.Statements, func(s Statement) bool {
		match := func(v Value) bool {
			p := compilePattern(v.Text, syntax{wildcards: true, fold: true})
			return p.match(action, nil)
		}
		if s.Effect != "Allow" {
			return false
		}
		return slices.ContainsFunc(s.Action, match) || s.NotAction != nil && !slices.ContainsFunc(s.NotAction, match)
	})
}
