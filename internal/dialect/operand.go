package dialect

import (
	"strings"

	"lakeport/internal/syntax"
)

// clauseWords end an expression outside brackets.
var clauseWords = set(`SELECT FROM WHERE GROUP HAVING ORDER LIMIT OFFSET UNION EXCEPT INTERSECT MINUS QUALIFY WINDOW AND OR XOR ON WHEN THEN ELSE END AS
	ASC DESC NULLS SEPARATOR ESCAPE BETWEEN JOIN LEFT RIGHT FULL INNER CROSS SEMI ANTI NATURAL ASOF USING RETURNING SAMPLE`)

// comparisons end the operand of LIKE and its kin.
var comparisons = set(`= <> != < > <= >= <=> == IS IN LIKE ILIKE RLIKE REGEXP NOT`)

// operandWords are keywords after which an operand begins, so that a sign or
// exclamation mark there is a prefix.
var operandWords = set(`SELECT DISTINCT ALL WHERE AND OR NOT XOR ON HAVING QUALIFY WHEN THEN ELSE CASE IN LIKE RLIKE REGEXP BETWEEN IS BY LIMIT OFFSET
	VALUES DIV MOD INTERVAL BINARY RETURN ESCAPE SET`)

// startsOperand tells whether an operand may begin at i: nothing, an operator,
// an opening bracket or a keyword stands before it.
func (w *writer) startsOperand(i int) bool {
	switch w.kind(i - 1) {
	case syntax.EOF, syntax.Hint:
		return true
	case syntax.Op:
		return !w.is(i-1, ")", "]", "}", ".")
	case syntax.Word:
		return operandWords[strings.ToUpper(w.toks[i-1].Text)]
	}
	return false
}

// afterSign tells whether a prefix stands before i, with which the operand began.
func (w *writer) afterSign(i int) bool {
	return w.is(i-1, "-", "+", "~", "!") && w.startsOperand(i-1)
}

// operandEnd gives the index after the operand at i: a literal, a name, a call
// or brackets, with signs before and subscripts, fields and casts after it.
func (w *writer) operandEnd(i, end int) int {
	for w.is(i, "-", "+", "~", "!") {
		i++
	}
	if w.is(i, "CASE") {
		i = w.caseEnd(i, end)
	} else if i < end {
		if w.match[i] > i {
			i = w.match[i]
		}
		i++
	}
	for i < end {
		switch {
		case w.is(i, "("), w.is(i, "["):
			i = w.match[i] + 1
		case w.is(i, ".") && i+1 < end, w.is(i, "::") && i+1 < end, w.is(i, "->", "->>") && w.kind(i+1) == syntax.String:
			i += 2
		default:
			return min(i, end)
		}
	}
	return min(i, end)
}

func (w *writer) caseEnd(i, end int) int {
	depth := 0
	for ; i < end; i++ {
		switch {
		case w.is(i, "CASE"):
			depth++
		case w.is(i, "END"):
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return end
}

// termEnd gives the index after the operand of a comparison that begins at i:
// all up to a comparison, a clause, a comma or the end.
func (w *writer) termEnd(i, end int) int {
	for i < end {
		t := w.toks[i]
		switch {
		case w.is(i, "CASE"):
			i = w.caseEnd(i, end)
			continue
		case t.Is(","), t.Kind == syntax.Word && clauseWords[strings.ToUpper(t.Text)] && !w.is(i-1, ".") && !(w.is(i, "LEFT", "RIGHT") && w.is(i+1, "(")),
			(t.Kind == syntax.Word || t.Kind == syntax.Op) && comparisons[strings.ToUpper(t.Text)] && !w.is(i-1, "."):
			return i
		case t.Is("||") && !w.o.PipesAsConcat, t.Is("&&"):
			return i
		case t.Is(")"), t.Is("]"), t.Is("}"):
			return i
		case w.match[i] > i:
			i = w.match[i]
		}
		i++
	}
	return end
}
