package dialect

import (
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// StarRocks converts strings, numbers and dates into each other where an
// operator or function asks for it, and what cannot be converted is NULL. The
// engine converts only literals, and fails. The tokens do not tell a column's
// type, so the rules below hand a plain column to a macro that has an overload
// for each type that needs care: for any other it is the column itself, as it
// is where the engine cannot tell a type (an alias of the same select list, a
// column of an outer query).

// path gives the end of the plain column at i: names with dots between; i if
// something else stands there.
func (w *writer) path(i, end int) int {
	if i >= end || !w.isName(i) {
		return i
	}
	n := i + 1
	for n+1 < end && w.is(n, ".") && (w.kind(n+1) == syntax.Word || w.kind(n+1) == syntax.Quoted) {
		n += 2
	}
	if w.is(n, "(", "[", "{", ".", "::", ":", "->>") || w.is(n, "->") || w.kind(n) == syntax.String {
		return i
	}
	return n
}

// values are words that stand for a value or begin an expression.
var values = set(`NULL TRUE FALSE DEFAULT UNKNOWN CASE EXISTS NOT INTERVAL ARRAY MAP ROW BINARY CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME
	LOCALTIMESTAMP CURRENT_USER SESSION_USER CURRENT_ROLE ANY ALL SOME REPLACE EXCLUDE EXCEPT RENAME LAMBDA PRECEDING FOLLOWING`)

func (w *writer) isName(i int) bool {
	if w.kind(i) == syntax.Quoted {
		return true
	}
	if w.kind(i) != syntax.Word {
		return false
	}
	word := strings.ToUpper(w.toks[i].Text)
	return !isNumeral(word) && !values[word] && !clauseWords[word] && !operandWords[word] && !comparisons[word]
}

// isNumeral tells whether a word is a number of DuckDB's: 1_000.
func isNumeral(word string) bool { return strings.Trim(word, "0123456789_") == "" && word[0] != '_' }

// Comparisons.

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

// Arithmetic.

// arithmetic writes the operand of an arithmetic operator as a number: a
// string by its value, the first integer of a type with room for the result.
// Those after it keep their type, for only an INTEGER can be added to a DATE.
func (w *writer) arithmetic(i, end int) int {
	stop := w.path(i, end)
	kind := w.kind(i)
	switch {
	case w.is(i-1, "::"):
		return i
	case stop > i:
	case kind == syntax.Number:
		return w.constant(i, end)
	case kind == syntax.String && !w.isAlias(i):
		stop = i + 1
	case w.givesText(i):
		if stop = w.operandEnd(i, end); stop > w.match[i+1]+1 {
			return i
		}
	default:
		return i
	}
	before, after := w.infix(i-1, end), w.infix(stop, end)
	if !before && !after && !(w.is(i-1, "-", "+", "~") && w.startsOperand(i-1)) {
		return i
	}
	isText := kind == syntax.String || w.givesText(i)
	convert := "operand"
	switch {
	case w.is(stop, "+", "-") && w.is(stop+1, "INTERVAL") || w.is(i-1, "+") && w.intervalEnds(i-1):
		convert = "dated"
	case w.is(stop, "DIV") || w.is(i-1, "DIV"):
		convert = "whole_operand"
	case w.isFraction(stop+1) || w.isFraction(i-2) || before && !(w.kind(i-2) == syntax.Number && w.is(i-1, "*") && !w.infix(i-3, end)):
		convert = "addend"
	}
	switch {
	case isText && convert == "dated":
		w.put(i, macro("ts")+"(")
		w.span(w.bare(i, stop), stop)
		w.put(stop, ")")
	case isText:
		w.put(i, "TRY_CAST(")
		w.span(w.bare(i, stop), stop)
		w.put(stop, " AS DOUBLE)")
	default:
		w.typed(i, convert, arg{i, stop})
	}
	return stop
}

// isFraction tells whether a number that is no integer stands at i.
func (w *writer) isFraction(i int) bool {
	return w.kind(i) == syntax.Number && strings.Trim(w.toks[i].Text, "0123456789") != ""
}

// typed writes the conversion of a plain column by a macro: its type, itself,
// and the mark of macros that leave unknown types alone.
func (w *writer) typed(i int, convert string, x arg) {
	w.put(i, macro(convert)+"(")
	for range 2 {
		w.span(w.bare(x.from, x.to), x.to)
		w.put(i, ", ")
	}
	w.put(i, "NULL)")
}

// constant writes a number beside an arithmetic operator: with room for the
// result, and without a fraction beside DIV. The engine adds only an INTEGER to
// a DATE, so that a few thousand days stay one.
func (w *writer) constant(i, end int) int {
	text := w.toks[i].Text
	switch isWhole := !w.isFraction(i); {
	case !w.infix(i-1, end) && !w.infix(i+1, end):
		return i
	case !isWhole && (w.is(i+1, "DIV") || w.is(i-1, "DIV")):
		w.put(i, "CAST(trunc("+text+") AS BIGINT)")
	case isWhole && len(text) > 17 && len(text) < 20:
		w.put(i, "CAST("+text+" AS HUGEINT)")
	case isWhole && len(text) < 18 && (len(text) > 6 || len(text) > 3 && (w.is(i-1, "*") || w.is(i+1, "*"))):
		w.put(i, "CAST("+text+" AS BIGINT)")
	default:
		return i
	}
	return i + 1
}

// infix tells whether an arithmetic operator between two operands stands at i.
func (w *writer) infix(i, end int) bool {
	if i <= 0 || i >= end || !w.is(i, "+", "-", "*", "/", "%", "DIV", "MOD") || w.startsOperand(i) || w.is(i-1, ".") {
		return false
	}
	return !w.is(i, "*") || i+1 < end && !w.is(i+1, ",", ")", "FROM", "EXCEPT", "EXCLUDE", "REPLACE", "RENAME")
}

// intervalEnds tells whether the operator at i follows INTERVAL n UNIT.
func (w *writer) intervalEnds(i int) bool {
	return w.kind(i-1) == syntax.Word && intervalUnits[strings.ToUpper(w.toks[i-1].Text)] && w.is(i-3, "INTERVAL")
}

// textCalls are functions that give a string.
var textCalls = set(`concat concat_ws substring substr mid left right strleft strright lower upper lcase ucase trim ltrim rtrim lpad rpad replace reverse
	repeat split_part substring_index regexp_extract regexp_replace get_json_string get_json_object json_unquote json_value date_format from_unixtime
	hex unhex group_concat initcap space url_decode url_encode jodatime_format`)

// givesText tells whether a call that gives a string begins at i.
func (w *writer) givesText(i int) bool {
	return w.kind(i) == syntax.Word && w.is(i+1, "(") && !w.is(i-1, ".") && textCalls[strings.ToLower(w.toks[i].Text)]
}

// Functions.

// timeArgs are the macros that take dates or times, and at which arguments.
var timeArgs = map[string][]int{macro("datediff"): {0, 1}, macro("timediff"): {0, 1}, macro("date_diff"): {1, 2}, macro("timestampdiff"): {1, 2}, macro("timestampadd"): {2}}

func init() {
	for name := range strings.FieldsSeq(`to_date to_ts year quarter month day hour minute second microsecond dayofyear dayofweek dayofweek_iso weekday weekofyear
		dayname monthname to_days last_day next_day previous_day week yearweek time_slice date_format jodatime_format unix_timestamp convert_tz`) {
		timeArgs[macro(name)] = []int{0}
	}
}

// times writes arguments, those at the indices as dates or times.
func (w *writer) times(args []arg, at []int) {
	for n, a := range args {
		if n > 0 {
			w.put(a.from, ", ")
		}
		if slices.Contains(at, n) {
			w.time(a)
		} else {
			w.arg(a)
		}
	}
}

// time writes an argument as a DATE or TIMESTAMP.
func (w *writer) time(a arg) {
	switch {
	case a.from == a.to:
	case w.path(a.from, a.to) == a.to:
		w.typed(a.from, "time", a)
	case w.givesTime(a):
		w.arg(a)
	default:
		w.wrap(a.from, macro("ts")+"(", []arg{a}, ")")
	}
}

// timeCalls are calls that give a DATE or TIMESTAMP.
var timeCalls = set(`now current_timestamp curdate current_date date to_date timestamp date_add date_sub adddate subdate last_day next_day previous_day
	str_to_date str2date from_days date_trunc add_months days_add days_sub months_add months_sub years_add years_sub weeks_add weeks_sub hours_add
	hours_sub minutes_add minutes_sub seconds_add seconds_sub timestampadd makedate to_datetime convert_tz`)

// givesTime tells whether the argument is a call that gives a DATE or TIMESTAMP.
func (w *writer) givesTime(a arg) bool {
	return w.kind(a.from) == syntax.Word && w.is(a.from+1, "(") && w.match[a.from+1]+1 == a.to && timeCalls[strings.ToLower(w.toks[a.from].Text)]
}

// textArgs makes strings of a function's first n arguments.
func textArgs(name string, n int) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		if len(args) < n || w.is(i+2, "DISTINCT", "BOTH", "LEADING", "TRAILING") || w.find(i+2, w.match[i+1], "FROM") < w.match[i+1] || w.find(i+2, w.match[i+1], ":=") < w.match[i+1] {
			return false
		}
		w.put(i, name+"(")
		for k, a := range args {
			if k > 0 {
				w.put(a.from, ", ")
			}
			if k < n {
				w.asText(a)
			} else {
				w.arg(a)
			}
		}
		w.put(i, ")")
		return true
	}
}

// numberArg makes a number of a function's only string.
func numberArg(name string) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		if len(args) == 0 || w.kind(args[0].from) != syntax.String || args[0].to != args[0].from+1 {
			return false
		}
		w.put(i, name+"(TRY_CAST(")
		w.arg(args[0])
		w.put(i, " AS DOUBLE)")
		for _, a := range args[1:] {
			w.put(a.from, ", ")
			w.arg(a)
		}
		w.put(i, ")")
		return true
	}
}

// sameType writes coalesce(x, 'a') and its like: with a string among the
// results, all are strings. From on stand the results.
func sameType(name string, from int) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		mixed := len(args) > from && sameTypes(w, args[from:])
		if !mixed && w.toks[i].Is(name) {
			return false
		}
		w.put(i, name+"(")
		for k, a := range args {
			if k > 0 {
				w.put(a.from, ", ")
			}
			if k < from || !mixed {
				w.arg(a)
			} else {
				w.asText(a)
			}
		}
		w.put(i, ")")
		return true
	}
}

// sameTypes tells whether the arguments are made strings for they are of
// strings and others.
func sameTypes(w *writer, args []arg) bool {
	return slices.ContainsFunc(args, w.isText) && slices.ContainsFunc(args, func(a arg) bool { return !w.isText(a) && !w.isNullWord(a) })
}

// isText tells whether the argument is a string literal or a call that gives a
// string.
func (w *writer) isText(a arg) bool {
	return a.to == a.from+1 && w.kind(a.from) == syntax.String || w.givesText(a.from) && a.to == w.match[a.from+1]+1
}

// isNull tells whether the argument is the word NULL.
func (w *writer) isNullWord(a arg) bool { return a.to == a.from+1 && w.is(a.from, "NULL") }

// caseResults writes CASE .. END whose results are strings and others.
func (w *writer) caseResults(i, end int) int {
	stop := w.caseEnd(i, end)
	if !w.is(stop-1, "END") || stop > end {
		return i
	}
	var results []arg
	for n := i + 1; n < stop-1; n++ {
		switch {
		case w.is(n, "CASE"):
			n = w.caseEnd(n, stop-1) - 1
		case w.match[n] > n:
			n = w.match[n]
		case w.is(n, "THEN", "ELSE"):
			to := n + 1
			for to < stop-1 && !w.is(to, "WHEN", "ELSE") {
				if w.match[to] > to {
					to = w.match[to]
				} else if w.is(to, "CASE") {
					to = w.caseEnd(to, stop-1) - 1
				}
				to++
			}
			results = append(results, arg{n + 1, to})
			n = to - 1
		}
	}
	if !sameTypes(w, results) {
		return i
	}
	w.copy(i)
	from := i + 1
	for _, r := range results {
		if w.isText(r) || w.isNullWord(r) {
			continue
		}
		w.span(from, r.from)
		w.put(r.from, " ")
		w.asText(r)
		from = r.to
	}
	w.span(from, stop)
	return stop
}

// sum writes sum(x) and avg(x), with their OVER and FILTER. A sum of integers
// is a BIGINT, which the engine gives as a HUGEINT; a string counts as a number.
func (w *writer) sum(i, end int) int {
	if !w.is(i+1, "(") || w.match[i+1] >= end || w.is(i-1, ".") {
		return i
	}
	x := arg{i + 2, w.match[i+1]}
	if w.is(x.from, "DISTINCT", "ALL") {
		x.from++
	}
	if x.from >= x.to || w.find(x.from, x.to, ",") < x.to || w.pivots() {
		return i
	}
	stop := x.to + 1
	for w.is(stop, "FILTER", "OVER") && stop+1 < end {
		if stop++; w.match[stop] > stop {
			stop = w.match[stop]
		}
		stop++
	}
	isSum, convert := w.is(i, "SUM") && x.to-x.from <= maxRepeat, "operand"
	if isSum {
		convert = "number"
		w.wrap(i, macro("summed")+"(", []arg{x}, ", ")
	}
	w.copy(i)
	for n := i + 1; n < x.from; n++ {
		w.gap(n)
		w.copy(n)
	}
	if w.path(x.from, x.to) == x.to {
		w.typed(x.from, convert, x)
	} else {
		w.span(x.from, x.to)
	}
	w.span(x.to, stop)
	if isSum {
		w.put(stop, ", NULL)")
	}
	return stop
}

// maxRepeat bounds the tokens of an argument that is written twice, once for
// its type: such calls may stand in each other.
const maxRepeat = 20

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
