package syntax

import (
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
)

// Parse reads one statement; a semicolon may end it. Its error is a
// *sqlerr.Error of kind Syntax with the position, what was expected there and,
// where a word looks mistyped, the nearest one.
func Parse(text string) (Statement, error) {
	text = Unwrap(text)
	toks, err := Scan(text, StarRocks)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, toks: slices.DeleteFunc(toks, func(t Token) bool { return t.Kind == Hint })}
	for n := len(p.toks); n > 0 && p.toks[n-1].Is(";"); n-- {
		p.toks = p.toks[:n-1]
	}
	return p.parse()
}

// parser walks the tokens of one statement. The parse functions of statements
// return no errors: the first mismatch unwinds to parse by a panic of bailout,
// which keeps each of them as plain as its railroad diagram.
type parser struct {
	text    string
	dialect Dialect
	toks    []Token
	i       int
	far     int      // the furthest token that was tried in vain, at least i
	want    []string // what was tried at toks[far], for the message
	deep    int      // how many statements and types are being read inside each other
}

// maxDepth bounds statements and types inside each other, and brackets: the
// parser and those who walk its trees recurse.
const maxDepth = 200

// nested runs read one level deeper.
func (p *parser) nested(read func()) {
	if p.deep++; p.deep > maxDepth {
		p.failf(p.pos(), "the statement is nested deeper than %d levels", maxDepth)
	}
	read()
	p.deep--
}

type bailout struct{ err *sqlerr.Error }

func (p *parser) parse() (st Statement, err error) {
	err = p.run(func() { st = p.statement(); p.end() })
	if err != nil {
		return nil, err
	}
	return st, nil
}

// run calls read and gives the error that it bailed out with.
func (p *parser) run(read func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(bailout)
			if !ok {
				panic(r)
			}
			err = b.err
		}
	}()
	read()
	return nil
}

// peek gives the token n after the current one, EOF past the end.
func (p *parser) peek(n int) Token {
	if p.i+n < len(p.toks) {
		return p.toks[p.i+n]
	}
	return Token{Kind: EOF, Pos: p.endPos(), End: p.endPos()}
}

func (p *parser) tok() Token { return p.peek(0) }

// endPos is where the last token ends.
func (p *parser) endPos() int {
	if len(p.toks) == 0 {
		return len(p.text)
	}
	return p.toks[len(p.toks)-1].End
}

func (p *parser) pos() Pos { return Pos(p.tok().Pos) }

func (p *parser) next() Token {
	t := p.tok()
	p.i++
	if p.far < p.i {
		p.far, p.want = p.i, p.want[:0]
	}
	return t
}

// at tells whether the words stand next, without consuming them.
func (p *parser) at(words ...string) bool {
	for n, w := range words {
		if !p.peek(n).Is(w) {
			return false
		}
	}
	return true
}

// sees is at, and remembers the first word that is absent as expected there.
func (p *parser) sees(words ...string) bool {
	for n, w := range words {
		if !p.peek(n).Is(w) {
			p.missedAt(p.i+n, w)
			return false
		}
	}
	return true
}

// accept consumes the words if all of them stand next, else nothing.
func (p *parser) accept(words ...string) bool {
	if !p.sees(words...) {
		return false
	}
	for range words {
		p.next()
	}
	return true
}

// acceptAny consumes one of the words and gives it, "" if none stands next.
func (p *parser) acceptAny(words ...string) string {
	for _, w := range words {
		if p.accept(w) {
			return w
		}
	}
	return ""
}

func (p *parser) missed(what string) { p.missedAt(p.i, what) }

// missedAt remembers what was expected at a token, for the furthest one only.
func (p *parser) missedAt(i int, what string) {
	if i > p.far {
		p.far, p.want = i, p.want[:0]
	}
	if i == p.far && !slices.Contains(p.want, what) {
		p.want = append(p.want, what)
	}
}

// expect consumes the words in order and fails at the first that is absent.
func (p *parser) expect(words ...string) {
	for _, w := range words {
		if !p.accept(w) {
			p.fail()
		}
	}
}

func (p *parser) expectAny(words ...string) string {
	w := p.acceptAny(words...)
	if w == "" {
		p.fail()
	}
	return w
}

// end fails unless all tokens are consumed.
func (p *parser) end() {
	if p.i < len(p.toks) {
		p.missed("end of statement")
		p.fail()
	}
}

// fail reports what was tried at the furthest token reached.
func (p *parser) fail() { p.failAs(alternatives(p.want)) }

// failAs is fail with words of its own for what was expected.
func (p *parser) failAs(what string) {
	p.i = p.far
	t := p.tok()
	err := sqlerr.New(sqlerr.Syntax, "expected %s, found %s", what, describe(t))
	if t.Kind == Word {
		if w := sqlerr.Nearest(t.Text, p.want); w != "" {
			err = err.WithHint("did you mean %s?", w)
		}
	}
	if t.Is("<") && p.peek(1).Kind == Word && slices.Contains(p.want, "string") {
		err = err.WithHint("replace the placeholder by its value, in quotes")
	}
	p.failWith(err, t.Pos)
}

func (p *parser) failWith(err *sqlerr.Error, at int) {
	panic(bailout{err.WithPos(p.text, at)})
}

// failf reports a fault of its own wording at a position.
func (p *parser) failf(at Pos, format string, args ...any) {
	p.failWith(sqlerr.New(sqlerr.Syntax, format, args...), int(at))
}

// alternatives joins what was expected: A, B or C.
func alternatives(want []string) string {
	quoted := make([]string, len(want))
	for i, w := range want {
		quoted[i] = w
		if !isWordPart(w[0]) {
			quoted[i] = "'" + w + "'"
		}
	}
	if n := len(quoted); n > 1 {
		return strings.Join(quoted[:n-1], ", ") + " or " + quoted[n-1]
	}
	return strings.Join(quoted, "")
}

// describe names a token in a message. The content of strings is left out: it
// may be a secret.
func describe(t Token) string {
	switch t.Kind {
	case EOF:
		return "end of statement"
	case String, Binary:
		return "string"
	}
	return "'" + t.Text + "'"
}

// ident reads a plain or back-quoted name; what names it in messages.
func (p *parser) ident(what string) Ident {
	t := p.tok()
	if t.Kind != Word && t.Kind != Quoted {
		p.missed(what)
		p.fail()
	}
	if t.Kind == Quoted && t.Value() == "" {
		p.failf(Pos(t.Pos), "the %s is empty", what)
	}
	p.next()
	if name := t.Value(); p.dialect == Redshift && t.Kind == Word {
		return Ident{Pos(t.Pos), strings.ToLower(name)}
	}
	return Ident{Pos(t.Pos), t.Value()}
}

// identOrString also takes the name as a string literal.
func (p *parser) identOrString(what string) Ident {
	if t := p.tok(); t.Kind == String {
		if t.Value() == "" {
			p.failf(Pos(t.Pos), "the %s is empty", what)
		}
		p.next()
		return Ident{Pos(t.Pos), t.Value()}
	}
	return p.ident(what)
}

// name reads up to max dotted parts.
func (p *parser) name(what string, max int) QualifiedName {
	q := QualifiedName{Parts: []Ident{p.ident(what)}}
	for p.at(".") {
		if len(q.Parts) == max {
			p.failf(p.pos(), "the %s has more than %d parts", what, max)
		}
		p.next()
		q.Parts = append(q.Parts, p.ident(what))
	}
	return q
}

func (p *parser) table() QualifiedName    { return p.name("table name", 3) }
func (p *parser) database() QualifiedName { return p.name("database name", 2) }

// str reads a string literal.
func (p *parser) str() StringLit {
	t := p.tok()
	if t.Kind != String {
		p.missed("string")
		p.fail()
	}
	p.next()
	return StringLit{Pos(t.Pos), t.Value()}
}

// integer reads a plain decimal integer.
func (p *parser) integer(what string) int {
	t := p.tok()
	n := 0
	if _, err := fmt.Sscanf(t.Text, "%d", &n); t.Kind != Number || err != nil || digits(t.Text) != len(t.Text) {
		p.missed(what)
		p.fail()
	}
	p.next()
	return n
}

// comment reads COMMENT [=] 'text' if it stands next.
func (p *parser) comment() *StringLit {
	if !p.accept("COMMENT") {
		return nil
	}
	p.accept("=")
	s := p.str()
	return &s
}

// properties reads PROPERTIES (..) if it stands next.
func (p *parser) properties() Properties {
	if !p.accept("PROPERTIES") {
		return nil
	}
	return p.propertyList()
}

// propertyList reads ("key" = "value", ..); the words of a key or value must
// be quoted.
func (p *parser) propertyList() Properties {
	var props Properties
	p.list(func() {
		key := p.str()
		p.expect("=")
		props = append(props, Property{key, p.str()})
	})
	return props
}

// list reads ( item, item, .. ) with at least one item.
func (p *parser) list(item func()) {
	p.expect("(")
	p.commas(item)
	p.expect(")")
}

// commas reads item, item, .. with at least one item.
func (p *parser) commas(item func()) {
	item()
	for p.accept(",") {
		item()
	}
}

// idents reads (a, b, ..).
func (p *parser) idents(what string) []Ident {
	var ids []Ident
	p.list(func() { ids = append(ids, p.ident(what)) })
	return ids
}

func (p *parser) ifNotExists() bool { return p.accept("IF", "NOT", "EXISTS") }
func (p *parser) ifExists() bool    { return p.accept("IF", "EXISTS") }

// fragment takes the tokens up to one of the stop words outside brackets, a
// comma or closing bracket outside them, or the end. It fails if there are
// none; what names it in the message.
func (p *parser) fragment(what string, stops ...string) Fragment {
	return p.cut(what, append(stops, ",", ")"))
}

// rest takes all remaining tokens up to one of the stop words.
func (p *parser) rest(what string, stops ...string) Fragment {
	return p.cut(what, stops)
}

func (p *parser) cut(what string, stops []string) Fragment {
	from := p.i
	var open []Token
	for ; p.i < len(p.toks); p.i++ {
		t := p.tok()
		if len(open) == 0 && slices.ContainsFunc(stops, t.Is) && !p.isNamePart() {
			break
		}
		switch {
		case t.Kind != Op:
		case t.Is("("), t.Is("["), t.Is("{"):
			open = append(open, t)
		case t.Is(")"), t.Is("]"), t.Is("}"):
			if len(open) == 0 || !pairs(open[len(open)-1], t) {
				p.failf(Pos(t.Pos), "unexpected '%s': no bracket that it closes is open", t.Text)
			}
			open = open[:len(open)-1]
		case t.Is(";"):
			p.failf(Pos(t.Pos), "unexpected ';' inside a statement")
		}
	}
	if n := len(open); n > 0 {
		p.failf(Pos(open[n-1].Pos), "the bracket '%s' is never closed", open[n-1].Text)
	}
	if p.far < p.i {
		p.far, p.want = p.i, p.want[:0]
	}
	if from == p.i {
		p.missed(what)
		p.fail()
	}
	start, end := p.toks[from].Pos, p.toks[p.i-1].End
	return Fragment{Pos(start), p.text[start:end]}
}

// isNamePart tells whether the current word follows a dot and so is a name.
func (p *parser) isNamePart() bool {
	return p.i > 0 && p.toks[p.i-1].Is(".") && p.tok().Kind == Word
}

func pairs(open, shut Token) bool {
	switch open.Text {
	case "(":
		return shut.Text == ")"
	case "[":
		return shut.Text == "]"
	}
	return shut.Text == "}"
}
