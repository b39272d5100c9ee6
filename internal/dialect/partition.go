package dialect

import (
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Chosen are the partitions of which a query reads a table: FROM t PARTITION
// (p1, p2).
type Chosen struct {
	At         int // offset in the source of the table's name
	Partitions []syntax.Ident
}

// partition takes PARTITION[S] {p | (p, ..)} behind a table's name out of the
// text and into the result (starrocks.io, "SELECT").
func (w *writer) partition(i, _ int) int {
	name := w.tableBefore(i)
	if name < 0 {
		return i
	}
	names, next := w.partitionNames(i)
	if len(names) == 0 {
		return i
	}
	if !w.o.Partitions {
		w.fail(sqlerr.Unsupported, i, "reading single partitions by %s is not supported here: use WHERE", strings.ToUpper(w.toks[i].Text))
	}
	w.res.Partitions = append(w.res.Partitions, Chosen{w.toks[name].Pos, names})
	return next
}

// partitionNames reads what stands behind the word PARTITION[S] at i: names in
// brackets, or one name; none if the word is something else.
func (w *writer) partitionNames(i int) (names []syntax.Ident, next int) {
	ident := func(n int) bool {
		if w.kind(n) == syntax.Quoted || w.kind(n) == syntax.Word {
			names = append(names, syntax.Ident{Pos: syntax.Pos(w.toks[n].Pos), Name: w.toks[n].Value()})
			return true
		}
		return false
	}
	if !w.is(i+1, "(") {
		if w.is(i+1, "BY", "AS") || w.is(i+1, afterTable...) || !ident(i+1) {
			return nil, i
		}
		return names, i + 2
	}
	shut := w.match[i+1]
	for n := i + 2; n < shut; n += 2 {
		if !ident(n) || n+1 < shut && !w.is(n+1, ",") {
			return nil, i
		}
	}
	return names, shut + 1
}

// tableBefore gives the index of the first part of the table's name that ends
// before i, -1 if no item of FROM does.
func (w *writer) tableBefore(i int) int {
	n := i - 1
	for ; n >= 2 && w.is(n-1, "."); n -= 2 {
		if k := w.kind(n); k != syntax.Word && k != syntax.Quoted {
			return -1
		}
	}
	if k := w.kind(n); k != syntax.Word && k != syntax.Quoted || !w.is(n-1, "FROM", "JOIN", ",", "(", "]") {
		return -1
	}
	return n
}

// tablet refuses FROM t TABLET (1): nothing here has tablets.
func (w *writer) tablet(i, _ int) int {
	if w.is(i+1, "(") && w.tableBefore(i) >= 0 {
		w.fail(sqlerr.Unsupported, i, "reading single partitions by TABLET (..) is not supported: use WHERE")
	}
	return i
}
