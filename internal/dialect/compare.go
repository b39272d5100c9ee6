package dialect

import (
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

var equalities = set("= == <> != <=>")

// beginsTerm tells whether a comparison's left side may begin at i.
func (w *writer) beginsTerm(i int) bool {
	switch w.kind(i - 1) {
	case syntax.EOF, syntax.Hint:
		return true
	case syntax.Op:
		return w.is(i-1, "(", ",", "[", "&&", "!", "->", ":") || w.is(i-1, "||") && !w.o.PipesAsConcat
	case syntax.Word:
		return w.is(i-1, "SELECT", "DISTINCT", "ALL", "WHERE", "AND", "OR", "NOT", "XOR", "ON", "HAVING", "QUALIFY", "WHEN", "THEN", "ELSE", "CASE", "BY")
	}
	return false
}

// endsTerm tells whether a comparison's right side may end before i.
func (w *writer) endsTerm(i, end int) bool {
	if i >= end || i >= len(w.toks) {
		return true
	}
	t := w.toks[i]
	switch t.Kind {
	case syntax.Op:
		return w.is(i, ",", ")", "]", "&&", "}", ";") || t.Is("||") && !w.o.PipesAsConcat
	case syntax.Word:
		return clauseWords[strings.ToUpper(t.Text)] || w.is(i, "IS")
	}
	return t.Kind == syntax.Quoted || t.Kind == syntax.String
}

// literal gives the end of the number or string at i; i if there is none.
func (w *writer) literal(i, end int) int {
	n := i
	if w.is(n, "-") && w.kind(n+1) == syntax.Number {
		n++
	}
	if k := w.kind(n); n < end && (k == syntax.Number || k == syntax.String && n == i) {
		return n + 1
	}
	return i
}

func (w *writer) isNumber(i int) bool { return w.kind(i) == syntax.Number || w.is(i, "-") }

// compare writes a comparison of a plain column, or a call that gives a string,
// with literals. It gives i if there is nothing to convert.
func (w *writer) compare(i, end int) int {
	if !w.beginsTerm(i) {
		return i
	}
	if stop := w.compareClasses(i, end); stop > i {
		return stop
	}
	if stop := w.literal(i, end); stop > i {
		return w.compareTurned(i, stop, end)
	}
	stop := w.path(i, end)
	isPath := stop > i
	if !isPath {
		if !w.givesText(i) {
			return i
		}
		stop = w.operandEnd(i, end)
	}
	if stop >= end {
		return i
	}
	left := side{from: i, to: stop, text: !isPath}
	op := strings.ToUpper(w.toks[stop].Text)
	switch {
	case equalities[op] || w.is(stop, "<", ">", "<=", ">="):
		if last := w.literal(stop+1, end); last > stop+1 && w.endsTerm(last, end) {
			return w.compared(left, stop, side{from: stop + 1, to: last}, equalities[op])
		}
	case isPath && (w.is(stop, "LIKE", "RLIKE", "REGEXP") || op == "NOT" && w.is(stop+1, "LIKE", "RLIKE", "REGEXP")):
		w.asText(arg{i, stop})
		return stop
	case op == "BETWEEN":
		return w.between(left, stop, stop+1, end)
	case op == "IN":
		return w.inList(left, stop, stop+1, end)
	case op == "NOT" && w.is(stop+1, "BETWEEN"):
		return w.between(left, stop, stop+2, end)
	case op == "NOT" && w.is(stop+1, "IN"):
		return w.inList(left, stop, stop+2, end)
	}
	return i
}

// compareClasses writes a comparison of columns and calls that are known to be
// of different classes. Those of columns with literals are compare's.
func (w *writer) compareClasses(i, end int) int {
	left := arg{i, w.operandEnd(i, end)}
	op := left.to
	if op >= end || op == i || w.is(i, "-", "+", "~", "!") {
		return i
	}
	if w.is(op, "BETWEEN") || w.is(op, "NOT") && w.is(op+1, "BETWEEN") {
		return w.betweenClasses(left, op, end)
	}
	equal := equalities[w.toks[op].Text]
	right := arg{op + 1, w.operandEnd(op+1, end)}
	if stop := w.compareJSON(left, right, end); stop > i {
		return stop
	}
	if !equal && !w.is(op, "<", ">", "<=", ">=") || right.to <= right.from || right.to > end || !w.endsTerm(right.to, end) ||
		w.ofLiteral(left, right) || w.ofLiteral(right, left) || w.is(right.from, "SELECT", "ANY", "ALL", "SOME", "(") {
		return i
	}
	l, r := w.classOf(left), w.classOf(right)
	if !l.differs(r) {
		return i
	}
	w.alike(left, l, r, equal)
	w.gap(op)
	w.item(op, op+1)
	w.gap(right.from)
	w.alike(right, r, l, equal)
	return right.to
}

// ofLiteral tells whether a comparison of a with a literal b is one of compare's
// own, or the engine's.
func (w *writer) ofLiteral(a, b arg) bool {
	return w.literal(b.from, b.to) == b.to && (w.path(a.from, a.to) == a.to || w.literal(a.from, a.to) == a.to)
}

// betweenClasses writes x [NOT] BETWEEN a AND b.
func (w *writer) betweenClasses(x arg, op, end int) int {
	from := op + 1
	if w.is(op, "NOT") {
		from++
	}
	low := arg{from, w.operandEnd(from, end)}
	high := arg{low.to + 1, w.operandEnd(low.to+1, end)}
	if !w.is(low.to, "AND") || high.to <= high.from || !w.endsTerm(high.to, end) || w.ofLiteral(x, low) && w.ofLiteral(x, high) {
		return x.from
	}
	cx, cl, ch := w.classOf(x), w.classOf(low), w.classOf(high)
	if !cx.differs(cl) && !cx.differs(ch) || cx == unknown || cl == unknown || ch == unknown || cx == textual && cl != ch && !(cl.isNumber() && ch.isNumber()) {
		return x.from
	}
	w.alike(x, cx, cl, false)
	w.span(op, from)
	w.put(low.from, " ")
	w.alike(low, cl, cx, false)
	w.put(low.to, " AND ")
	w.alike(high, ch, cx, false)
	return high.to
}

// differs tells whether values of two known classes are converted before they
// are compared.
func (c class) differs(d class) bool {
	convertible := func(c class) bool { return c == textual || c == temporal || c.isNumber() }
	return convertible(c) && convertible(d) && c != d && !(c.isNumber() && d.isNumber())
}

// alike writes a, of class c, for a comparison with a value of class d: a string
// as the date or number, but for equality with an exact number, which is of
// strings (StarRocks, cbo_eq_base_type); a date as its number yyyymmdd.
func (w *writer) alike(a arg, c, d class, equal bool) {
	switch {
	case c == textual && d == temporal:
		w.wrap(a.from, macro("ts")+"(", []arg{a}, ")")
	case c == textual && !(d == exact && equal):
		w.wrap(a.from, "TRY_CAST(", []arg{a}, " AS DOUBLE)")
	case d == textual && c == exact && equal:
		w.asText(a)
	case c == temporal && d.isNumber():
		w.wrap(a.from, macro("whole")+"(", []arg{a}, ")")
	default:
		w.arg(a)
	}
}

// side is one side of a comparison: the tokens from..to; text if it is known
// to be a string.
type side struct {
	from, to int
	text     bool
}

// compareTurned writes literal < column.
func (w *writer) compareTurned(i, stop, end int) int {
	if stop >= end || w.toks[stop].Kind != syntax.Op {
		return i
	}
	equal := equalities[w.toks[stop].Text]
	last := w.path(stop+1, end)
	if !equal && !w.is(stop, "<", ">", "<=", ">=") || last == stop+1 || !w.endsTerm(last, end) {
		return i
	}
	lit, col := side{from: i, to: stop}, side{from: stop + 1, to: last}
	w.value(lit, col, equal)
	w.gap(stop)
	w.item(stop, stop+1)
	w.gap(stop + 1)
	w.column(col, lit, equal)
	return last
}

// compared writes column = literal.
func (w *writer) compared(left side, op int, right side, equal bool) int {
	if left.text && !w.isNumber(right.from) {
		return left.from
	}
	w.column(left, right, equal)
	w.gap(op)
	w.item(op, op+1)
	w.gap(right.from)
	w.value(right, left, equal)
	return right.to
}

// column writes the side of a comparison that is no literal. A string is
// compared as a number, but for equality with a number, which is of strings
// (StarRocks, cbo_eq_base_type).
func (w *writer) column(col, lit side, equal bool) {
	switch {
	case equal || !w.isNumber(lit.from):
		w.inner(col.from, col.to)
	case col.text:
		w.wrap(col.from, "TRY_CAST(", []arg{{col.from, col.to}}, " AS DOUBLE)")
	default:
		w.typed(col.from, "number", arg{col.from, col.to})
	}
}

// value writes the literal of a comparison.
func (w *writer) value(lit, col side, equal bool) {
	args := []arg{{col.from, col.to}, {lit.from, lit.to}}
	switch {
	case w.isNumber(lit.from) && !equal:
		w.inner(lit.from, lit.to)
	case w.isNumber(lit.from) && col.text:
		w.wrap(lit.from, "CAST(", args[1:], " AS VARCHAR)")
	case w.isNumber(lit.from):
		w.wrap(lit.from, macro("number_like")+"(", args, ")")
	default:
		w.likeText(args[0], lit.from)
	}
}

// likeText writes the string at i for a comparison with the column col.
func (w *writer) likeText(col arg, i int) {
	text, like := w.toks[i].Value(), "text_like"
	switch {
	case plainText.MatchString(text):
		w.inner(i, i+1)
		return
	case dayText.MatchString(text):
		w.wrap(i, macro("day_like")+"(", []arg{col, {i, i + 1}}, ", '"+text[:4]+"-"+text[4:6]+"-"+text[6:]+"')")
		return
	case decimalText.MatchString(text):
		w.wrap(i, macro("decimal_like")+"(", []arg{col, {i, i + 1}}, ", "+text+")")
		return
	case timeText.MatchString(text):
		like = "time_like"
	}
	w.wrap(i, macro(like)+"(", []arg{col, {i, i + 1}}, ")")
}

// plainText is a string that the engine itself converts to the type of what it
// is compared with: an integer that is no date, a day, a midnight.
var plainText = regexp.MustCompile(`^(?:[+-]?\d{1,7}|[+-]?\d{9,38}|\d{4}-\d\d-\d\d(?: 00:00:00)?)$`)

// dayText is a day or a number, decimalText a number that no integer equals.
var (
	dayText     = regexp.MustCompile(`^[12]\d{3}[01]\d[0-3]\d$`)
	decimalText = regexp.MustCompile(`^[+-]?\d{1,18}\.\d{1,18}$`)
)

// timeText is a time of day, which a DATE would lose.
var timeText = regexp.MustCompile(`^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d`)

// between writes x [NOT] BETWEEN literal AND literal.
func (w *writer) between(left side, op, from, end int) int {
	mid := w.literal(from, end)
	if mid == from || !w.is(mid, "AND") {
		return left.from
	}
	last := w.literal(mid+1, end)
	if last == mid+1 || !w.endsTerm(last, end) || w.isNumber(from) != w.isNumber(mid+1) || left.text && !w.isNumber(from) {
		return left.from
	}
	low, high := side{from: from, to: mid}, side{from: mid + 1, to: last}
	w.column(left, low, false)
	for n := op; n < from; n++ {
		w.gap(n)
		w.copy(n)
	}
	w.gap(from)
	w.value(low, left, false)
	w.gap(mid)
	w.copy(mid)
	w.gap(mid + 1)
	w.value(high, left, false)
	return last
}

// inList writes x [NOT] IN (literals): numbers are compared with a string as
// numbers, and a mixed list as strings.
func (w *writer) inList(left side, op, open, end int) int {
	if !w.is(open, "(") || w.pivots() {
		return left.from
	}
	items := w.args(open, w.match[open])
	numbers := 0
	for _, a := range items {
		if w.literal(a.from, a.to) != a.to || a.from == a.to {
			return left.from
		}
		if w.isNumber(a.from) {
			numbers++
		}
	}
	if numbers == 0 {
		return w.inTexts(left, op, open, items)
	}
	if numbers == len(items) {
		w.column(left, side{from: items[0].from}, false)
		w.span(op, w.match[open]+1)
		return w.match[open] + 1
	}
	w.wrap(left.from, macro("as_text")+"(", []arg{{left.from, left.to}}, ")")
	w.span(op, open)
	w.put(open, " (")
	for n, a := range items {
		if n > 0 {
			w.put(a.from, ", ")
		}
		w.asText(a)
	}
	w.put(w.match[open], ")")
	return w.match[open] + 1
}

// inTexts writes x IN (strings) where some of the strings are days or numbers
// and others are not: for a day or a number, the others are NULL.
func (w *writer) inTexts(left side, op, open int, items []arg) int {
	isPlain := func(a arg) bool { return plainText.MatchString(w.toks[a.from].Value()) }
	odd := func(a arg) bool { return !isPlain(a) }
	if left.text || len(items) > 100 || !slices.ContainsFunc(items, odd) || !slices.ContainsFunc(items, isPlain) && len(items) > 1 {
		return left.from
	}
	w.inner(left.from, left.to)
	w.span(op, open)
	w.put(open, " (")
	for n, a := range items {
		if n > 0 {
			w.put(a.from, ", ")
		}
		w.likeText(arg{left.from, left.to}, a.from)
	}
	w.put(w.match[open], ")")
	return w.match[open] + 1
}

func (w *writer) pivots() bool {
	return slices.ContainsFunc(w.toks, func(t syntax.Token) bool {
		return t.Is("PIVOT") || t.Is("UNPIVOT") || t.Is("PIVOT_WIDER") || t.Is("PIVOT_LONGER")
	})
}

// xorTerms writes a XOR b, which binds looser than AND.
func (w *writer) xorTerms(i, end int) int {
	if !w.hasXor || !w.beginsTerm(i) || w.is(i-1, "NOT", "!", "AND", "&&", "XOR", "CASE", "BETWEEN") {
		return i
	}
	ends := []int{}
	for n := i; n < end; n++ {
		t := w.toks[n]
		if t.Is(",") || t.Is(")") || t.Is("]") || t.Is("}") || t.Is(";") || t.Is("||") && !w.o.PipesAsConcat ||
			t.Kind == syntax.Word && clauseWords[strings.ToUpper(t.Text)] && !w.is(n, "AND", "XOR", "LEFT", "RIGHT") && !w.is(n-1, ".") {
			if len(ends) > 0 {
				ends = append(ends, n)
			}
			break
		}
		if w.is(n, "CASE") {
			n = w.caseEnd(n, end) - 1
		} else if w.match[n] > n {
			n = w.match[n]
		} else if w.is(n, "XOR") && n > i && !w.is(n+1, "(", ".") || w.is(n, "XOR") && w.afterOperand(n) {
			ends = append(ends, n)
		}
		if n == end-1 && len(ends) > 0 {
			ends = append(ends, end)
		}
	}
	if len(ends) < 2 {
		return i
	}
	from := i
	w.put(i, strings.Repeat("(", len(ends)-1))
	for n, to := range ends {
		if from >= to {
			w.fail(sqlerr.Syntax, from, "expected an operand of XOR")
			return end
		}
		if n > 0 {
			w.put(from, " <> ")
		}
		w.wrap(from, "CAST((", []arg{{from, to}}, ") AS BOOLEAN)")
		if n > 0 {
			w.put(from, ")")
		}
		from = to + 1
	}
	return ends[len(ends)-1]
}
