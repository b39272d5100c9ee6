package dialect

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/syntax"
)

// findHeadings names the unnamed expressions of the outermost select list by
// their source text.
func (w *writer) findHeadings() map[int]string {
	i := 0
	ctes := w.is(0, "WITH")
	for i < len(w.toks) && !w.is(i, "SELECT") {
		if w.match[i] > i && (ctes || !w.is(i+1, "SELECT", "(")) {
			i = w.match[i]
		}
		i++
	}
	i++
	for w.kind(i) == syntax.Hint || w.is(i, "DISTINCT", "ALL") {
		i++
	}
	heads := map[int]string{}
	for i < len(w.toks) {
		stop := w.selectItemEnd(i)
		if stop > i && w.unnamed(i, stop) {
			heads[stop] = w.headingText(i, stop)
		}
		if !w.is(stop, ",") {
			break
		}
		i = stop + 1
	}
	return heads
}

// headingText is the source text of a select item; strings are in single quotes.
func (w *writer) headingText(i, end int) string {
	if w.redshift != nil {
		return w.redshiftHeading(i, end)
	}
	if end == i+1 && w.kind(i) == syntax.String {
		return lake.QuoteString(w.toks[i].Value())
	}
	return w.text[w.toks[i].Pos:w.toks[end-1].End]
}

// aggregateNames tell a HAVING over groups from one over rows.
var aggregateNames = set(`COUNT SUM MIN MAX AVG ANY_VALUE GROUP_CONCAT STRING_AGG ARRAY_AGG STD STDDEV STDDEV_POP STDDEV_SAMP VARIANCE VAR_POP VAR_SAMP NDV
	APPROX_COUNT_DISTINCT COUNT_IF BOOL_OR BOOL_AND MIN_BY MAX_BY PERCENTILE_CONT PERCENTILE_DISC PERCENTILE_APPROX LIST FIRST LAST MEDIAN MODE QUANTILE
	QUANTILE_CONT MULTI_DISTINCT_COUNT ARRAY_AGG_DISTINCT GROUPING CORR COVAR_POP COVAR_SAMP BIT_AND BIT_OR BIT_XOR HISTOGRAM MAP_AGG`)

// rowFilter finds a HAVING without groups, which filters the rows of the
// select list: the indices of HAVING, of the ORDER BY and of the LIMIT after it.
// ok is false if there is none.
func (w *writer) rowFilter() (having, order, limit int, ok bool) {
	n := len(w.toks)
	having = w.find(0, n, "HAVING")
	if having == n || w.find(0, n, "GROUP") < n {
		return 0, 0, 0, false
	}
	for i, t := range w.toks {
		if t.Kind == syntax.Word && (w.is(i+1, "(") && aggregateNames[strings.ToUpper(t.Text)] || w.is(i, "UNION", "EXCEPT", "INTERSECT", "MINUS")) {
			return 0, 0, 0, false
		}
	}
	limit = min(w.find(having, n, "LIMIT"), w.find(having, n, "OFFSET"))
	return having, w.find(having, limit, "ORDER"), limit, true
}

// filterRows writes a query whose HAVING has no groups as a filter over the
// query; ORDER BY stays inside, where it sees the tables' columns.
func (w *writer) filterRows(having, order, limit int) {
	w.put(0, "SELECT * FROM (")
	w.span(0, having)
	w.heading(having)
	w.span(order, limit)
	w.put(having, ") AS having_rows WHERE")
	w.span(having+1, order)
	w.span(limit, len(w.toks))
}

var afterSelectList = set("FROM WHERE GROUP HAVING ORDER LIMIT OFFSET UNION EXCEPT INTERSECT MINUS QUALIFY WINDOW INTO USING SAMPLE FETCH")

func (w *writer) selectItemEnd(i int) int {
	for i < len(w.toks) {
		t := w.toks[i]
		if t.Is(",") || t.Is(")") || t.Is(";") || t.Kind == syntax.Word && afterSelectList[strings.ToUpper(t.Text)] && !w.is(i-1, ".", "*", "WITHIN") && !w.is(i-1, "DISTINCT") {
			return i
		}
		if w.is(i, "ARRAY", "MAP", "STRUCT") && w.is(i+1, "<") {
			for i < len(w.toks) && !w.is(i, "[", "{", ";") {
				i++
			}
		}
		if i < len(w.toks) && w.match[i] > i {
			i = w.match[i]
		}
		i++
	}
	return min(i, len(w.toks))
}

// exprWords may stand last in an expression, or before its last word.
var exprWords = set("END NULL TRUE FALSE UNKNOWN CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP")

// unnamed tells whether the select item has no alias and is more than a name
// or a star.
func (w *writer) unnamed(i, end int) bool {
	if w.is(i, "*", "COLUMNS", "DISTINCT") || w.is(end-1, "*") && w.is(end-2, ".") {
		return false
	}
	isName := true
	for n := i; n < end; n++ {
		k := w.kind(n)
		isName = isName && ((n-i)%2 == 1 && w.is(n, ".") || (n-i)%2 == 0 && k == syntax.Word && !exprWords[strings.ToUpper(w.toks[n].Text)] || k == syntax.Quoted)
		if w.is(n, "AS") || w.is(n, "*") && w.is(n+1, "EXCEPT", "EXCLUDE", "REPLACE", "RENAME") {
			return false
		}
		if w.match[n] > n {
			n = w.match[n]
		}
	}
	if isName {
		return w.redshift != nil && end == i+1 && bareWords[strings.ToLower(w.toks[i].Text)]
	}
	switch w.kind(end - 1) {
	case syntax.String:
		return end-i == 1 || !w.isAlias(end-1)
	case syntax.Quoted, syntax.Word:
		return w.startsOperand(end-1) || w.is(end-2, ".", "IS", "OVER", "COLLATE", "AS", "ZONE") || exprWords[strings.ToUpper(w.toks[end-1].Text)] ||
			intervalUnits[strings.ToUpper(w.toks[end-1].Text)] && slices.ContainsFunc(w.toks[i:end], func(t syntax.Token) bool { return t.Is("INTERVAL") })
	}
	return true
}
