// Package dialect turns StarRocks queries into DuckDB's SQL: it rewrites
// syntax on the tokens, copies what it does not know byte for byte, and holds
// the functions that DuckDB lacks or defines otherwise as DuckDB macros. It
// does not resolve names; the engine parses and binds the result.
package dialect

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Options is what a session decides about its queries. The zero value is a
// session without variables in StarRocks' default sql_mode.
type Options struct {
	PipesAsConcat bool // sql_mode PIPES_AS_CONCAT: || joins strings instead of meaning OR
	ThrowOnCast   bool // sql_mode ALLOW_THROW_EXCEPTION: a CAST that cannot be done is an error instead of NULL
	// Variable gives the DuckDB literal of @@name, with or without its scope,
	// or of @name if user is set. Nil, or !ok: the query is refused.
	Variable func(name string, user bool) (literal string, ok bool)
	// Function gives the DuckDB expression for a function of the session that
	// is called without arguments: database, schema, catalog, user,
	// current_user, session_user, current_role, connection_id, last_query_id,
	// version, current_version, host_name. Nil, or !ok: left as it is.
	Function func(name string) (literal string, ok bool)
	// Tables are all that the query names; nil: not known yet. By the types of
	// their columns values of different types are converted where they meet.
	Tables []Table
	// Quotients tell of the divisions; nil: nothing.
	Quotients *Quotients
	// Headings names every unnamed expression of the outermost select list by
	// its own source text, which is the heading that MySQL clients expect.
	Headings bool
	// Partitions allows FROM t PARTITION (p): the caller reads no more of a table
	// than Result.Partitions says.
	Partitions bool
}

// Table is a table of a query: the name or alias that qualifies its columns.
type Table struct {
	Name    string
	Columns []lake.Column
}

// Result is a rewritten query.
type Result struct {
	SQL    string
	Params int   // the ? of the source, numbered $1.. in SQL
	Hints  []Var // of /*+ SET_VAR(name = value, ..) */
	// Typed tells that the query could become another one with Options.Tables,
	// Divides that it could with Options.Quotients, as far as Tables tell.
	Typed, Divides bool
	// Partitions are the tables of which the query reads single partitions, if
	// Options.Partitions allows them.
	Partitions []Chosen
	marks      []mark
}

// Var is a variable set for one statement by a hint.
type Var struct {
	Name  string // lower-case
	Value string // decoded
}

// mark says that SQL from out on comes from the source at src. Copied text
// advances on both sides, new text only in SQL.
type mark struct {
	out, src int
	copied   bool
}

// Source gives the offset in the query's source that the offset in SQL comes
// from, for the positions in the engine's errors.
func (r *Result) Source(offset int) int {
	i := sort.Search(len(r.marks), func(i int) bool { return r.marks[i].out > offset }) - 1
	if i < 0 {
		return 0
	}
	if m := r.marks[i]; m.copied {
		return m.src + offset - m.out
	}
	return r.marks[i].src
}

// Query rewrites one query or expression from StarRocks' dialect. DuckDB's own
// syntax passes through; where the two read the same text differently,
// StarRocks wins: "x" is a string, || is OR, ^ is bitwise. The error is a
// *sqlerr.Error with a position in text.
func Query(text string, o Options) (Result, error) {
	text = syntax.Unwrap(text)
	toks, err := syntax.Scan(text, syntax.StarRocks)
	if err != nil {
		return Result{}, err
	}
	w := &writer{text: text, toks: toks, o: o, chained: -1}
	if err := w.matchBrackets(); err != nil {
		return Result{}, err
	}
	w.numberParams()
	w.quotients = hasQuotients(toks)
	for _, t := range toks {
		w.hasCaret = w.hasCaret || t.Is("^")
		w.hasArrow = w.hasArrow || t.Is("->") || t.Is("->>")
		w.hasXor = w.hasXor || t.Is("XOR")
	}
	if o.Headings {
		w.headings = w.findHeadings()
	}
	if having, order, limit, ok := w.rowFilter(); ok {
		w.filterRows(having, order, limit)
	} else {
		w.span(0, len(toks))
		w.heading(len(toks))
	}
	if w.err != nil {
		return Result{}, w.err
	}
	w.foretell()
	w.res.SQL = w.out.String()
	if err := checkNesting(w.res.SQL); err != nil {
		return Result{}, err
	}
	return w.res, nil
}

// writer walks the tokens and writes the new text. Rules look at toks[i] and
// write it, or a whole construct that begins there.
type writer struct {
	text      string
	toks      []syntax.Token
	match     []int // for a bracket the index of its partner, else -1
	o         Options
	out       strings.Builder
	res       Result
	last      byte // written last
	fresh     bool // and by put
	err       error
	hasCaret  bool              // the text has a ^
	hasArrow  bool              // the text has a -> or ->>
	hasXor    bool              // the text has an XOR
	headings  map[int]string    // index of the token after a select item -> its heading
	subst     map[string]string // lambda parameters -> what stands for them
	known     map[string]class  // of columns; filled by columns
	params    map[int]int       // index of a ? -> its number in the source
	redshift  *RedshiftOptions  // not nil: the text is Redshift's
	inserts   map[int]string    // index of a token -> what a rule puts before it
	quotients bool              // the text has a / or an avg
	chained   int               // index of the first operand of the chain that divided writes, else -1
	casting   map[int]bool      // index of an operand whose casts are being written
}

func (w *writer) matchBrackets() error {
	w.match = make([]int, len(w.toks))
	var open []int
	for i, t := range w.toks {
		w.match[i] = -1
		if t.Kind != syntax.Op {
			continue
		}
		switch t.Text {
		case "(", "[", "{":
			if open = append(open, i); len(open) > maxDepth {
				return sqlerr.New(sqlerr.Syntax, "the query is nested deeper than %d brackets", maxDepth).WithPos(w.text, t.Pos)
			}
		case ")", "]", "}":
			if len(open) == 0 || partner[w.toks[open[len(open)-1]].Text] != t.Text {
				return sqlerr.New(sqlerr.Syntax, "unexpected '%s': no bracket that it closes is open", t.Text).WithPos(w.text, t.Pos)
			}
			w.match[i] = open[len(open)-1]
			w.match[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	if n := len(open); n > 0 {
		t := w.toks[open[n-1]]
		return sqlerr.New(sqlerr.Syntax, "the bracket '%s' is never closed", t.Text).WithPos(w.text, t.Pos)
	}
	return nil
}

// maxDepth bounds brackets inside each other: the rules recurse into them. The
// engine's own limit on expressions is about the same.
const maxDepth = 1000

var partner = map[string]string{"(": ")", "[": "]", "{": "}"}

// fail keeps the first error; the text written after it does not matter.
func (w *writer) fail(kind sqlerr.Kind, i int, format string, args ...any) {
	if w.err == nil {
		pos := len(w.text)
		if i < len(w.toks) {
			pos = w.toks[i].Pos
		}
		w.err = sqlerr.New(kind, format, args...).WithPos(w.text, pos)
	}
}

// is tells whether toks[i] exists and is one of the words.
func (w *writer) is(i int, words ...string) bool {
	return i >= 0 && i < len(w.toks) && slices.ContainsFunc(words, w.toks[i].Is)
}

// seq tells whether the words stand from i on.
func (w *writer) seq(i int, words ...string) bool {
	for n, word := range words {
		if !w.is(i+n, word) {
			return false
		}
	}
	return true
}

func (w *writer) kind(i int) syntax.Kind {
	if i < 0 || i >= len(w.toks) {
		return syntax.EOF
	}
	return w.toks[i].Kind
}

// gap writes what stands before toks[i]; comments become blanks, because the
// engine nests them and StarRocks does not.
func (w *writer) gap(i int) {
	from, to := 0, len(w.text)
	if i > 0 {
		from = w.toks[i-1].End
	}
	if i < len(w.toks) {
		to = w.toks[i].Pos
	}
	if from < to {
		w.copied(from, blank(w.text[from:to]))
	}
}

func blank(gap string) string {
	if strings.Trim(gap, " \t\n\r") == "" {
		return gap
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, gap)
}

func (w *writer) copied(src int, text string) {
	w.part(text, w.fresh)
	w.mark(mark{w.out.Len(), src, true})
	w.out.WriteString(text)
	w.fresh = false
	w.keepLast(text)
}

// mark notes where the text that follows comes from, unless it only continues.
func (w *writer) mark(m mark) {
	if n := len(w.res.marks); n > 0 && m.copied {
		if last := w.res.marks[n-1]; last.copied && m.src-last.src == m.out-last.out {
			return
		}
	}
	w.res.marks = append(w.res.marks, m)
}

// part writes a blank where the text that follows would melt with what stands
// before it into one token: two words, or two operators of which one is fresh.
func (w *writer) part(text string, fresh bool) {
	if w.out.Len() == 0 || text == "" {
		return
	}
	before, after := w.last, text[0]
	const operators = "$-/*@|&<>=!~^%+#:?"
	if isWord(before) && isWord(after) || fresh && strings.IndexByte(operators, before) >= 0 && strings.IndexByte(operators, after) >= 0 {
		w.out.WriteByte(' ')
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}

// put writes text that stands for toks[i].
func (w *writer) put(i int, text string) {
	src := len(w.text)
	if i < len(w.toks) {
		src = w.toks[i].Pos
	}
	w.part(text, true)
	w.mark(mark{w.out.Len(), src, false})
	w.out.WriteString(text)
	w.fresh = true
	w.keepLast(text)
}

func (w *writer) keepLast(text string) {
	if text != "" {
		w.last = text[len(text)-1]
	}
}

// copy writes toks[i] as it is, without the gap before it.
func (w *writer) copy(i int) { w.copied(w.toks[i].Pos, w.toks[i].Text) }

// maxWritten, and 16 times the text, bound what a query becomes: rules that write
// an argument more than once double it with each level of nesting.
const maxWritten = 4 << 20

// room tells whether what stands at i is still to be written.
func (w *writer) room(i int) bool {
	if most := maxWritten + 16*len(w.text); w.out.Len() > most {
		w.fail(sqlerr.Unsupported, i, "the query becomes longer than %d bytes in the engine's SQL", most)
	}
	return w.err == nil
}

// span writes the tokens from i up to end.
func (w *writer) span(i, end int) {
	for i < end && w.room(i) {
		w.heading(i)
		if l, ok := w.inserts[i]; ok {
			w.put(i, l)
		}
		w.gap(i)
		i = w.item(i, end)
	}
}

// heading names the select item that ends before i, if it has a heading.
func (w *writer) heading(i int) {
	if h, ok := w.headings[i]; ok {
		w.put(i, " AS "+lake.QuoteName(h))
	}
}

// inner writes the tokens from i up to end without the gap before the first.
func (w *writer) inner(i, end int) {
	if i < end && w.room(i) {
		w.span(w.item(i, end), end)
	}
}

// item writes the construct at i, at least one token, and gives the index
// after it. The gap before it is written already.
func (w *writer) item(i, end int) int {
	if w.redshift != nil {
		return w.redshiftItem(i, end)
	}
	if w.startsOperand(i) {
		if n := w.operand(i, end); n > i {
			return n
		}
	}
	return w.bare(i, end)
}

// bare writes the construct at i as one that no operator stands before.
func (w *writer) bare(i, end int) int {
	t := w.toks[i]
	switch t.Kind {
	case syntax.Hint:
		w.hint(t)
		return i + 1
	case syntax.Quoted:
		return w.name(i)
	case syntax.String:
		return w.str(i)
	case syntax.Binary:
		w.put(i, "unhex("+lake.QuoteString(t.Value())+")")
		return i + 1
	case syntax.Param:
		return w.param(i)
	case syntax.SystemVar, syntax.UserVar:
		return w.variable(i)
	case syntax.Op:
		return w.operator(i, end)
	case syntax.Word:
		if w.introduces(i) {
			return w.bare(i+1, end)
		}
		return w.word(i, end)
	case syntax.Number:
		if digits, isHex := strings.CutPrefix(strings.ToLower(t.Text), "0x"); isHex {
			w.fail(sqlerr.Unsupported, i, "the number %s is not supported", t.Text)
			w.err = sqlerr.From(w.err).WithHint("bytes are written x'%s'", digits)
		}
	}
	w.copy(i)
	return i + 1
}

// introduces tells whether the word at i says the character set of the string
// right after it: _utf8'a', N'a'. All strings are UTF-8.
func (w *writer) introduces(i int) bool {
	return w.kind(i+1) == syntax.String && w.toks[i].End == w.toks[i+1].Pos && w.is(i, "_UTF8", "_UTF8MB4", "_UTF8MB3", "_BINARY", "_LATIN1", "_ASCII", "N")
}

// operand writes the operand at i, with the operators after it, where DuckDB
// binds or converts otherwise; it gives i if it does not.
func (w *writer) operand(i, end int) int {
	for _, rule := range []func(i, end int) int{w.xorTerms, w.compare, w.divided, w.caret, w.arrow, w.arithmetic} {
		if n := rule(i, end); n > i {
			return n
		}
	}
	return i
}

// name writes a quoted identifier.
func (w *writer) name(i int) int {
	if sub, ok := w.subst[w.toks[i].Value()]; ok && !w.is(i-1, ".") {
		w.put(i, sub)
		return i + 1
	}
	w.put(i, lake.QuoteName(w.toks[i].Value()))
	return i + 1
}

// str writes a string; after AS, a dot or an operand it is a name.
func (w *writer) str(i int) int {
	v := w.toks[i].Value()
	if w.isAlias(i) {
		w.put(i, lake.QuoteName(v))
		return i + 1
	}
	if t := w.toks[i].Text; t[0] == '\'' && !strings.ContainsAny(t, "\\\x00") {
		w.copy(i)
		return i + 1
	}
	w.put(i, stringLiteral(v))
	return i + 1
}

// stringLiteral quotes s; the engine's text cannot hold a zero byte.
func stringLiteral(s string) string {
	if !strings.Contains(s, "\x00") {
		return lake.QuoteString(s)
	}
	parts := strings.Split(s, "\x00")
	for i, p := range parts {
		parts[i] = lake.QuoteString(p)
	}
	return "(" + strings.Join(parts, " || chr(0) || ") + ")"
}

// isAlias tells whether the string at i names what stands before it.
func (w *writer) isAlias(i int) bool {
	switch w.kind(i - 1) {
	case syntax.Quoted, syntax.Number:
		return true
	case syntax.Word:
		if w.introduces(i - 1) {
			return false
		}
		return w.is(i-1, "AS", "END") || !beforeString[strings.ToUpper(w.toks[i-1].Text)]
	case syntax.Op:
		return w.is(i-1, ".") || w.is(i-1, ")", "]") && w.toks[i].Text[0] == '"'
	}
	return false
}

// numberParams counts the ? in the source, for a rule may write them in another
// order.
func (w *writer) numberParams() {
	for i, t := range w.toks {
		if t.Kind == syntax.Param && t.Text == "?" {
			if w.params == nil {
				w.params = map[int]int{}
			}
			w.params[i] = len(w.params) + 1
		}
	}
}

func (w *writer) param(i int) int {
	if w.toks[i].Text != "?" {
		w.copy(i)
		return i + 1
	}
	n := w.params[i]
	w.res.Params = max(w.res.Params, n)
	w.put(i, "$"+strconv.Itoa(n))
	return i + 1
}

func (w *writer) variable(i int) int {
	t := w.toks[i]
	user := t.Kind == syntax.UserVar
	if w.is(i+1, ":=") {
		w.fail(sqlerr.Unsupported, i, "assigning @%s inside a query is not supported", t.Value())
		return i + 1
	}
	if w.o.Variable != nil {
		if v, ok := w.o.Variable(t.Value(), user); ok {
			w.put(i, v)
			return i + 1
		}
	}
	if user {
		w.put(i, "NULL")
		return i + 1
	}
	if w.err == nil {
		w.err = sqlerr.New(sqlerr.NotFound, "Unknown system variable '%s'", t.Value()).With(sqlerr.UnknownVariable).WithPos(w.text, t.Pos)
	}
	return i + 1
}

// hint keeps what SET_VAR sets and drops the hint.
func (w *writer) hint(t syntax.Token) {
	toks, err := syntax.Scan(t.Value(), syntax.StarRocks)
	if err != nil {
		return
	}
	for i := 0; i+2 < len(toks); i++ {
		if toks[i].Kind != syntax.Word || !toks[i+1].Is("=") {
			continue
		}
		value := toks[i+2].Value()
		if toks[i+2].Is("-") && i+3 < len(toks) {
			value += toks[i+3].Value()
		}
		w.res.Hints = append(w.res.Hints, Var{strings.ToLower(toks[i].Text), value})
	}
}
