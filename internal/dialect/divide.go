package dialect

import (
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/syntax"
)

// Quotients is what is known of the quotients of a query, which its divisions
// and averages are. Its text does not tell the types of operands: a session asks
// the engine for them and translates again. Of a quotient of which nothing is
// known the engine decides. Quotients of the same text have one number, so that
// a GROUP BY finds those of the select list.
type Quotients struct {
	// Ask names a function of three arguments, the number and the names of both
	// operands' types, that takes the place of each quotient that is not known;
	// that of an average is BOOLEAN. "": none.
	Ask   string
	Known map[int]Quotient // by their numbers

	numbers map[string]int // by their texts; the same in all translations
}

// Quotient is the type of a quotient: BIGINT if it is whole, else DECIMAL(38,
// Scale).
type Quotient struct {
	Whole bool
	Scale uint8
}

// QuotientOf gives the type of StarRocks' a / b, and of avg(a), where it is a
// DECIMAL: both are exact and one at least is a DECIMAL. The quotient has six
// digits more than the dividend, but no more than 12 for that.
func QuotientOf(a, b lake.Type) (q Quotient, ok bool) {
	if !divides(a, b) {
		return q, false
	}
	_, scale := precision(a)
	return Quotient{Scale: max(scale, min(scale+6, 12))}, true
}

// RedshiftQuotient gives the type of Redshift's a / b where it is a DECIMAL, and
// of avg(a), for which b is a BOOLEAN, where it is one or a BIGINT. The rules are
// of "Computations with numeric values" and "AVG function" in AWS's documents.
// Assumed: where a quotient has more than 38 digits it loses some behind the
// point, but none of the first four.
func RedshiftQuotient(a, b lake.Type) (q Quotient, ok bool) {
	width, scale := precision(a)
	by, byScale := precision(b)
	switch isAverage := b.Kind == lake.Boolean; {
	case isAverage && a.Kind == lake.Decimal:
		return Quotient{Scale: scale}, true
	case isAverage:
		return Quotient{Whole: true}, classOfType(a) == exact
	case !divides(a, b):
		return q, false
	}
	whole, digits := int(width)-int(scale)+int(byScale), max(4, int(scale)+int(by)-int(byScale)+1)
	return Quotient{Scale: uint8(min(digits, max(38-whole, 4)))}, true
}

// divides tells whether a / b is a DECIMAL.
func divides(a, b lake.Type) bool {
	isExact := func(t lake.Type) bool {
		return classOfType(t) == exact && t.Kind != lake.UHugeInt || t.Kind == lake.Null || t.Kind == lake.Boolean
	}
	return isExact(a) && isExact(b) && (a.Kind == lake.Decimal || b.Kind == lake.Decimal)
}

// precision gives the digits of an exact number, and how many of them are behind
// the point. A sum of integers is a BIGINT to the dialects, a HUGEINT to the
// engine.
func precision(t lake.Type) (width, scale uint8) {
	switch t.Kind {
	case lake.Decimal:
		return t.Width, t.Scale
	case lake.TinyInt, lake.SmallInt, lake.UTinyInt, lake.USmallInt:
		return 5, 0
	case lake.Integer, lake.UInteger:
		return 10, 0
	}
	return 19, 0
}

// multiplies tells whether an operator that binds as / does stands at i.
func (w *writer) multiplies(i, end int) bool {
	return w.is(i, "*", "/", "%", "DIV", "MOD") && w.infix(i, end)
}

// maxLinks bounds the divisions of one chain, which become calls in each other.
const maxLinks = 50

// isClause tells whether a keyword stands at i, which a bracket may follow, where
// an operand is expected.
func (w *writer) isClause(i int) bool {
	word := strings.ToUpper(w.toks[i].Text)
	return w.kind(i) == syntax.Word && (clauseWords[word] || operandWords[word] && word != "CASE") && !(w.is(i, "LEFT", "RIGHT", "MOD") && w.is(i+1, "("))
}

// link is a / that becomes a call: where its right operand ends, and its number.
type link struct{ at, end, number int }

// divided writes a chain of multiplications and divisions that has a quotient
// to be asked for or computed as a DECIMAL: a * b / c becomes f(a * b, c).
func (w *writer) divided(i, end int) int {
	if w.o.Quotients == nil || w.afterSign(i) || w.chained == i || w.multiplies(i-1, end) || w.isClause(i) {
		return i
	}
	var links []link
	stop := w.factorEnd(i, end)
	for w.multiplies(stop, end) && len(links) <= maxLinks {
		l := link{at: stop, end: w.factorEnd(stop+1, end)}
		if w.is(l.at, "/") {
			if l.number = w.number(i, l.end); w.told(l.number) {
				links = append(links, l)
			}
		}
		stop = l.end
	}
	if len(links) == 0 || len(links) > maxLinks {
		return i
	}
	for _, l := range slices.Backward(links) {
		before, _, _ := w.quotient(l.number)
		w.put(i, before)
	}
	defer func(outer int) { w.chained = outer }(w.chained)
	w.chained = i
	begun := links
	for n := i; n < stop && w.err == nil; {
		if l, ok := w.inserts[n]; ok {
			w.put(n, l)
		}
		if n > i {
			w.gap(n)
		}
		if len(begun) > 0 && n == begun[0].at {
			_, between, _ := w.quotient(begun[0].number)
			w.put(n, between)
			n++
			begun = begun[1:]
			continue
		}
		n = w.item(n, end)
		if len(links) > len(begun) && n >= links[0].end {
			_, _, after := w.quotient(links[0].number)
			w.put(n, after)
			links = links[1:]
		}
	}
	return stop
}

// number gives the tokens from i up to end the number of the first that mean the
// same, whatever qualifies their columns.
func (w *writer) number(i, end int) int {
	var key strings.Builder
	for n := i; n < end; n++ {
		if w.is(n+1, ".") || w.is(n, ".") {
			continue
		}
		if k := w.kind(n); k == syntax.Word || k == syntax.Quoted {
			key.WriteString(strings.ToLower(w.toks[n].Value()))
		} else {
			key.WriteString(w.toks[n].Text)
		}
		key.WriteByte(' ')
	}
	q := w.o.Quotients
	if q.numbers == nil {
		q.numbers = map[string]int{}
	}
	n, met := q.numbers[key.String()]
	if !met {
		n = len(q.numbers)
		q.numbers[key.String()] = n
	}
	return n
}

// told tells whether a quotient is known or to be asked for.
func (w *writer) told(number int) bool {
	_, ok := w.o.Quotients.Known[number]
	return ok || w.o.Quotients.Ask != ""
}

// quotient gives what stands around and between the operands of a division.
func (w *writer) quotient(number int) (before, between, after string) {
	q, ok := w.o.Quotients.Known[number]
	switch {
	case !ok:
		return fmt.Sprintf("%s(%d, typeof(", w.o.Quotients.Ask, number), "), typeof(", "))"
	case w.redshift != nil:
		return digitsOf(q, "redshift_quotient", ", "+redshiftMacro("divisor")+"(", ")")
	}
	return digitsOf(q, goPrefix+"quotient", ",", "")
}

// digitsOf gives what stands around and between the operands of a function that
// gives the digits of a quotient.
func digitsOf(q Quotient, function, between, behind string) (string, string, string) {
	return "(CAST(" + function + "(", between, fmt.Sprintf("%s, %d) AS DECIMAL(38, 0)) * CAST('1e-%d' AS DECIMAL(38, %d)))", behind, q.Scale, q.Scale, q.Scale)
}

// average writes avg(x), which ends before stop with its OVER and FILTER: asks
// for the type of x, or divides its sum.
func (w *writer) average(i int, x arg, stop int) bool {
	if w.o.Quotients == nil {
		return false
	}
	n := w.number(i, x.to)
	q, ok := w.o.Quotients.Known[n]
	before, between, after := digitsOf(q, goPrefix+"quotient", ",", "")
	if q.Whole {
		before, between, after = "CAST(", " //", " AS BIGINT)"
	}
	switch {
	case !ok && w.o.Quotients.Ask == "":
		return false
	case !ok:
		before, between, after = w.quotient(n)
		w.copy(i)
		w.span(i+1, x.from)
		w.put(x.from, before)
		w.span(x.from, x.to)
		w.put(x.to, between+"true"+after)
		w.span(x.to, stop)
	case stop-i > maxAverage && !q.Whole:
		w.put(i, "CAST(avg")
		w.span(i+1, stop)
		w.put(stop, fmt.Sprintf(" AS DECIMAL(38, %d))", q.Scale))
	default:
		w.put(i, before+"sum")
		w.span(i+1, stop)
		w.put(stop, between+" count")
		w.span(i+1, stop)
		w.put(stop, after)
	}
	return true
}

// maxAverage bounds the tokens of an average that is written as a quotient, with
// its argument twice; a longer one is rounded from a DOUBLE.
const maxAverage = 200

// factorEnd gives the index after the operand of / or its kin at i: also of a ^,
// and of a call with its OVER and FILTER.
func (w *writer) factorEnd(i, end int) int {
	i = w.operandEnd(i, end)
	for i < end {
		switch {
		case w.is(i, "^"):
			i = w.operandEnd(i+1, end)
		case w.is(i, "OVER", "FILTER") && w.is(i-1, ")"):
			i = w.operandEnd(i+1, end)
		default:
			return i
		}
	}
	return min(i, end)
}

// hasQuotients tells whether a text has divisions or averages.
func hasQuotients(toks []syntax.Token) bool {
	return slices.ContainsFunc(toks, func(t syntax.Token) bool { return t.Is("/") || t.Is("AVG") })
}

// foretell notes what knowing more of the quotients could change.
func (w *writer) foretell() {
	w.res.Divides = w.mayDivideDecimals()
	w.res.Typed = w.res.Typed || w.quotients && w.o.Tables == nil
}

// decimalWords are the types, and the functions of their names, that are
// DECIMALs.
var decimalWords = set("DECIMAL DECIMALV2 DECIMALV3 DECIMAL32 DECIMAL64 DECIMAL128 DECIMAL256 DEC NUMERIC NUMBER FIXED")

// mayDivideDecimals tells whether the text has a quotient and something that may
// be a DECIMAL, or Redshift's average of integers.
func (w *writer) mayDivideDecimals() bool {
	if !w.quotients {
		return false
	}
	if w.redshift != nil && slices.ContainsFunc(w.toks, func(t syntax.Token) bool { return t.Is("AVG") }) {
		return true
	}
	for i, t := range w.toks {
		if t.Kind == syntax.Word && decimalWords[strings.ToUpper(t.Text)] || w.isFraction(i) && !strings.ContainsAny(t.Text, "eE") {
			return true
		}
	}
	for _, t := range w.o.Tables {
		for _, c := range t.Columns {
			if hasDecimal(c.Type) {
				return true
			}
		}
	}
	return false
}

// hasDecimal tells whether values of t are or hold DECIMALs.
func hasDecimal(t lake.Type) bool {
	if t.Kind == lake.Decimal || t.Elem != nil && hasDecimal(*t.Elem) || t.Key != nil && hasDecimal(*t.Key) {
		return true
	}
	for _, f := range t.Fields {
		if hasDecimal(f.Type) {
			return true
		}
	}
	return false
}
