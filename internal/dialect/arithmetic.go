package dialect

import (
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/syntax"
)

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
	case w.is(i, "TRUE", "FALSE") && (w.infix(i-1, end) || w.infix(i+1, end)):
		return w.replace(i, map[bool]string{true: "1", false: "0"}[w.is(i, "TRUE")])
	case w.is(i, "CAST") && w.is(i+1, "("):
		return w.widened(i, end)
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

// wider is the integer with room for a sum of two.
var wider = map[lake.Kind]string{lake.TinyInt: "SMALLINT", lake.SmallInt: "INTEGER", lake.Integer: "BIGINT"}

// widened writes the operand CAST(x AS INT) of an arithmetic operator with room
// for the result. Only an INTEGER can be added to a DATE, so that one after the
// first keeps its type.
func (w *writer) widened(i, end int) int {
	shut := w.match[i+1]
	args := w.args(i+1, shut)
	as := w.find(i+2, shut, "AS")
	if !w.infix(i-1, end) && !w.infix(shut+1, end) || as+1 >= shut || len(args) == 0 {
		return i
	}
	t, err := syntax.ParseType(w.text[w.toks[as+1].Pos:w.toks[shut-1].End])
	if err != nil {
		return i
	}
	typ, err := TypeOf(t)
	if err != nil || wider[typ.Kind] == "" || typ.Kind == lake.Integer && w.infix(i-1, end) {
		return i
	}
	w.put(i, "CAST(")
	w.cast(i, args)
	w.put(shut, " AS "+wider[typ.Kind]+")")
	return shut + 1
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
	if w.kind(i) != syntax.Word || !w.is(i+1, "(") || w.is(i-1, ".") {
		return false
	}
	name := strings.ToLower(w.toks[i].Text)
	return textCalls[name] || (passCalls[name] || joinCalls[name]) && w.classOfCall(arg{i, w.match[i+1] + 1}) == textual
}

// sum writes sum(x) and avg(x), with their OVER and FILTER. A sum of integers
// is a BIGINT, which the engine gives as a HUGEINT; a string counts as a number.
func (w *writer) sum(i, end int) int {
	if !w.is(i+1, "(") || w.match[i+1] >= end || w.is(i-1, ".") {
		return i
	}
	x, stop := w.aggregated(i, end)
	if x.from >= x.to || w.find(x.from, x.to, ",") < x.to || w.pivots() {
		return i
	}
	if w.is(i, "AVG") && w.average(i, x, stop) {
		return stop
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

// aggregated gives the argument of the aggregate at i, and where it ends with its
// OVER and FILTER.
func (w *writer) aggregated(i, end int) (x arg, stop int) {
	x = arg{i + 2, w.match[i+1]}
	if w.is(x.from, "DISTINCT", "ALL") {
		x.from++
	}
	stop = x.to + 1
	for w.is(stop, "FILTER", "OVER") && stop+1 < end {
		if stop++; w.match[stop] > stop {
			stop = w.match[stop]
		}
		stop++
	}
	return x, stop
}

// maxRepeat bounds the tokens of an argument that is written twice, once for
// its type: such calls may stand in each other.
const maxRepeat = 20
