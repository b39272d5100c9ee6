package dialect

import (
	"encoding/hex"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/syntax"
)

// stringType is a type of strings or bytes in a cast: its length in bytes cuts
// longer values (Database Developer Guide, "Character types").
type stringType struct {
	name   string
	char   bool // trailing blanks mean nothing
	bytes  bool
	length int // 0: none
	end    int // index of the token after it
}

// textType reads the type at i, if it is one of strings or bytes.
func (w *writer) textType(i, end int) (t stringType, ok bool) {
	if w.kind(i) != syntax.Word || i >= end {
		return t, false
	}
	t.name, t.end = strings.ToLower(w.toks[i].Text), i+1
	switch t.name {
	case "varchar", "nvarchar", "text":
	case "char", "nchar", "character", "bpchar":
		if w.is(t.end, "VARYING") {
			t.end++
		} else if t.char = true; t.name != "bpchar" {
			t.length = 1
		}
	case "varbyte", "varbinary", "bytea":
		t.bytes = true
	default:
		return t, false
	}
	if w.is(t.end, "(") && w.match[t.end] == t.end+2 {
		if n, err := strconv.Atoi(w.toks[t.end+1].Text); err == nil {
			t.length = n
		} else if !w.is(t.end+1, "MAX") {
			return t, false
		}
		t.end += 3
	}
	return t, !w.is(t.end, "[") && t.end <= end
}

// primaryEnd gives the index after the name, literal, call or brackets at i with
// its fields and subscripts; i where none begins.
func (w *writer) primaryEnd(i, end int) int {
	from := i
	switch word := strings.ToUpper(w.toks[i].Text); {
	case w.is(i, "CASE"):
		return w.caseEnd(i, end)
	case w.kind(i) == syntax.Word && (operandWords[word] || clauseWords[word]) && !(w.is(i, "LEFT", "RIGHT") && w.is(i+1, "(")):
		return i
	case w.is(i, "(", "["):
		i = w.match[i] + 1
	case w.kind(i) == syntax.Op:
		return i
	default:
		i++
	}
	for i < end {
		switch {
		case w.is(i, "(", "[") && w.match[i] > i:
			i = w.match[i] + 1
		case w.is(i, ".") && i+1 < end:
			i += 2
		default:
			return i
		}
	}
	return max(min(i, end), from)
}

// textCast writes an operand and the casts behind it, of which one is to
// strings or bytes; it gives i where there is none.
func (w *writer) textCast(i, end int) int {
	if w.casting[i] || !w.startsOperand(i) {
		return i
	}
	stop := w.primaryEnd(i, end)
	if stop <= i || stop >= end || !w.is(stop, "::") {
		return i
	}
	casts, textual := []int{}, false // where the casts stand
	for at := stop; at < end && w.is(at, "::"); {
		casts = append(casts, at)
		typ := w.typeAt(at + 1)
		if typ >= end {
			return i
		}
		t, ok := w.textType(typ, end)
		textual = textual || ok
		switch at = typ + 1; {
		case ok:
			at = t.end
		case w.is(at, "(") && w.match[at] > at:
			at = w.match[at] + 1
		}
		for !ok && (w.is(at, "WITH", "WITHOUT") && w.is(at+1, "TIME") && w.is(at+2, "ZONE")) {
			at += 3
		}
		if w.is(at, "[") || w.is(at, "PRECISION", "VARYING") {
			return i
		}
		stop = at
	}
	if !textual {
		return i
	}
	w.casting[i] = true
	w.castChain(i, casts, stop)
	delete(w.casting, i)
	return stop
}

// castChain writes the operand at i with the casts at the given places, the
// last of which ends at end.
func (w *writer) castChain(i int, casts []int, end int) {
	if len(casts) == 0 {
		w.inner(i, end)
		return
	}
	last := casts[len(casts)-1]
	t, ok := w.textType(w.typeAt(last+1), end)
	if !ok {
		w.castChain(i, casts[:len(casts)-1], last)
		if n := w.castSuffix(last); n < end { // the arguments of the type
			w.span(n, end)
		}
		return
	}
	w.stringCast(i, t, i, last, func() { w.castChain(i, casts[:len(casts)-1], last) })
}

// stringCast writes the cast of from..to, which operand writes.
func (w *writer) stringCast(i int, t stringType, from, to int, operand func()) {
	isLiteral := to == from+1 && w.kind(from) == syntax.String
	if digits, isHex := "", false; t.bytes && isLiteral {
		if digits, isHex = strings.CutPrefix(w.toks[from].Value(), `\x`); isHex && t.name == "bytea" {
			if _, err := hex.DecodeString(digits); err == nil {
				w.put(i, "unhex("+lake.QuoteString(digits)+")")
				return
			}
		}
	}
	open, shut := "CAST(", " AS VARCHAR)"
	switch {
	case t.bytes && isLiteral:
		open, shut = "encode(", ")"
	case t.bytes && w.repeats(from, to):
		open, shut = redshiftMacro("bytes")+"(", ")"
	case t.bytes:
		shut = " AS BLOB)"
	case !isLiteral && w.repeats(from, to):
		open, shut = redshiftMacro("text")+"(", ")"
	}
	switch {
	case t.bytes:
	case t.char && t.length > 0:
		open, shut = redshiftMacro("char")+"("+open, shut+", "+strconv.Itoa(t.length)+")"
	case t.char:
		open, shut = "rtrim("+open, shut+", ' ')"
	case t.length > 0:
		open, shut = redshiftMacro("cut")+"("+open, shut+", "+strconv.Itoa(t.length)+")"
	}
	w.put(i, open)
	operand()
	w.put(to, shut)
}

// repeats tells whether a macro may name from..to several times: not a query,
// nor what holds another such macro, nor a parameter, whose type is open.
func (w *writer) repeats(from, to int) bool {
	for i := from; i < to; i++ {
		if w.kind(i) == syntax.Param || w.is(i, "SELECT") {
			return false
		}
		if at := w.typeAt(i + 1); w.is(i, "::") && w.kind(at) == syntax.Word && objectTypes[strings.ToLower(w.toks[at].Text)] {
			return false // it becomes a query
		}
		if w.is(i, "::", "AS") {
			if _, textual := w.textType(w.typeAt(i+1), to); textual {
				return false
			}
		}
	}
	return true
}
