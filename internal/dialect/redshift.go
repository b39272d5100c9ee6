package dialect

import (
	_ "embed"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// RedshiftOptions is what a session decides about its queries in Redshift's
// dialect.
type RedshiftOptions struct {
	// Function gives the DuckDB expression for a function, or a word such as
	// current_user, that tells about the session; nil, or !ok: left as it is.
	Function func(name string) (expression string, ok bool)
	// Literal gives what a string cast to an object's type means, such as
	// 'pg_class'::regclass; nil, or !ok: the query is refused.
	Literal func(typ, value string) (expression string, ok bool)
	// Headings names unnamed expressions of the outermost select list as
	// PostgreSQL does: by the function called, else ?column?.
	Headings bool
	// Tables and Quotients are those of Options, for the quotients.
	Tables    []Table
	Quotients *Quotients
}

// redshiftSchema holds the macros of Redshift's and PostgreSQL's functions.
const redshiftSchema = MacroCatalog + ".redshift."

//go:embed redshift.sql
var redshiftSQL string

// redshiftMacros are the functions of redshiftSQL.
var redshiftMacros = macroNamesOf(redshiftSQL)

func redshiftSetup() []string {
	stmts := []string{"CREATE SCHEMA " + strings.TrimSuffix(redshiftSchema, ".")}
	for _, span := range syntax.Split(redshiftSQL, syntax.Redshift) {
		stmts = append(stmts, atName.ReplaceAllString(span.Of(redshiftSQL), redshiftMacro("$1")+"("))
	}
	return stmts
}

// redshiftMacro gives the full name of a macro. The prefix keeps it apart from
// functions of the engine that clients may not call.
func redshiftMacro(name string) string { return redshiftSchema + "rs_" + name }

// Redshift rewrites one query or expression from Redshift's dialect. Words that
// are not quoted become lower case. DuckDB's own syntax passes through, as its
// grammar is PostgreSQL's. The error is a *sqlerr.Error with a position in
// text.
func Redshift(text string, o RedshiftOptions) (Result, error) {
	toks, err := syntax.Scan(text, syntax.Redshift)
	if err != nil {
		return Result{}, err
	}
	w := &writer{text: text, toks: toks, redshift: &o, o: Options{Tables: o.Tables, Quotients: o.Quotients}, chained: -1, quotients: hasQuotients(toks)}
	if err := w.matchBrackets(); err != nil {
		return Result{}, err
	}
	w.headings = map[int]string{}
	if o.Headings {
		w.headings = w.findHeadings()
	}
	w.inserts, w.casting = map[int]string{}, map[int]bool{}
	w.findOrders()
	w.findTops()
	// What stands at the end is written here: rules write to the end as well.
	end := len(toks)
	heading, named := w.headings[end]
	insert := w.inserts[end]
	delete(w.headings, end)
	delete(w.inserts, end)
	w.span(0, end)
	if named {
		w.put(end, " AS "+lake.QuoteName(heading))
	}
	w.put(end, insert)
	if w.err != nil {
		return Result{}, w.err
	}
	w.foretell()
	w.res.SQL = w.out.String()
	return w.res, checkNesting(w.res.SQL)
}

// redshiftHeading is PostgreSQL's name for an unnamed select item (FigureColname
// in its parser): the function called, the type cast to, or ?column?.
func (w *writer) redshiftHeading(i, end int) string {
	for w.is(i, "(") && w.match[i] == end-1 {
		i, end = i+1, end-1
	}
	for n := end - 2; n > i; n-- { // the last cast, unless a name stands before it
		if w.is(n, "::") && w.operandEnd(i, end) == end {
			if w.kind(i) == syntax.Word && (w.is(i+1, "(", ".") || n == i+1) {
				return w.redshiftHeading(i, n)
			}
			return strings.ToLower(w.toks[n+1].Text)
		}
	}
	switch {
	case w.is(i, "CASE"), w.is(i, "EXISTS"), w.is(i, "ARRAY"):
		return strings.ToLower(w.toks[i].Text)
	case w.kind(i) == syntax.Word && w.is(i+1, "(") && w.operandEnd(i, end) == end, w.kind(i) == syntax.Word && w.is(i+1, "(") && w.is(w.match[i+1]+1, "OVER", "FILTER", "WITHIN"):
		name := strings.ToLower(w.toks[i].Text)
		switch name {
		case "cast":
			if as := w.find(i+2, end-1, "AS"); as < end-1 {
				return strings.ToLower(w.toks[as+1].Text)
			}
		case "dateadd", "datediff":
			return "date_" + name[4:]
		}
		return name
	case w.kind(i) == syntax.Word && w.is(i+1, ".") && w.is(i+3, "(") && w.operandEnd(i, end) == end:
		return strings.ToLower(w.toks[i+2].Text)
	case end == i+1 && w.kind(i) == syntax.Word:
		if w.is(i, "TRUE", "FALSE") {
			return "bool"
		}
		if !w.is(i, "NULL") {
			return strings.ToLower(w.toks[i].Text)
		}
	case w.kind(end-1) == syntax.Word && w.is(end-2, "."):
		return strings.ToLower(w.toks[end-1].Text)
	case w.kind(end-1) == syntax.Quoted && w.is(end-2, "."):
		return w.toks[end-1].Value()
	}
	return "?column?"
}

// findTops finds SELECT TOP n and puts its LIMIT at the end of that select.
func (w *writer) findTops() {
	for i := range w.toks {
		if !w.is(i, "TOP") || !w.is(i-1, "SELECT", "DISTINCT", "ALL") || w.kind(i+1) != syntax.Number {
			continue
		}
		end := i + 2
		for end < len(w.toks) && !w.is(end, ")", ";") {
			if w.is(end, "UNION", "EXCEPT", "INTERSECT", "MINUS", "LIMIT") {
				w.fail(sqlerr.Unsupported, i, "TOP in a query with %s is not built yet", strings.ToUpper(w.toks[end].Text))
			}
			if w.match[end] > end {
				end = w.match[end]
			}
			end++
		}
		w.inserts[end] += " LIMIT " + w.toks[i+1].Text
	}
}

// afterOrder are words that end an ORDER BY, or of which one begins behind it.
var afterOrder = set("LIMIT OFFSET FETCH ROWS RANGE GROUPS UNION EXCEPT INTERSECT MINUS FOR QUALIFY WINDOW SEPARATOR")

// findOrders has NULL sort highest, where a query does not say it.
func (w *writer) findOrders() {
	for i := range w.toks {
		if !w.is(i, "BY") || !w.is(i-1, "ORDER") || w.is(i+1, "ALL") {
			continue
		}
		said, last := false, "LAST"
		end := i + 1
		for {
			stop := end >= len(w.toks) || w.is(end, ")", "]", ";") || w.kind(end) == syntax.Word && afterOrder[strings.ToUpper(w.toks[end].Text)] && !w.is(end-1, ".")
			if stop || w.is(end, ",") {
				if !said {
					w.inserts[end] += " NULLS " + last
				}
				if said, last = false, "LAST"; stop {
					break
				}
			}
			if w.is(end, "DESC") {
				last = "FIRST"
			}
			said = said || w.is(end, "NULLS")
			if w.match[end] > end {
				end = w.match[end]
			}
			end++
		}
	}
}

// redshiftItem writes the construct at i and gives the index behind it.
func (w *writer) redshiftItem(i, end int) int {
	if w.startsOperand(i) {
		if n := w.divided(i, end); n > i {
			return n
		}
	}
	if n := w.textCast(i, end); n > i {
		return n
	}
	t := w.toks[i]
	switch t.Kind {
	case syntax.Hint:
		return i + 1
	case syntax.Word:
		if t.Text[0] == '#' {
			w.put(i, lake.QuoteName(lowerASCII(t.Text)))
			return i + 1
		}
		return w.redshiftWord(i, end)
	case syntax.Op:
		return w.redshiftOperator(i, end)
	case syntax.String:
		if t.Text[0] == '\'' && w.is(i+1, "::") {
			if n := w.objectLiteral(i, i+2); n > i {
				return n
			}
		}
	}
	w.copy(i)
	return i + 1
}

// objectName writes a column that is cast to an object's type, which shows the
// object's name.
func (w *writer) objectName(i, end int) int {
	at := i + 1
	for w.is(at, ".") {
		at += 2
	}
	if at == i+1 && w.is(i-1, ".") || !w.is(at, "::") {
		return i
	}
	typ := w.typeAt(at + 1)
	if w.kind(typ) != syntax.Word {
		return i
	}
	lookup, known := objectNames[strings.ToLower(w.toks[typ].Text)]
	if !known {
		return i
	}
	w.lookUp(i, lookup, i, at)
	return typ + 1
}

// lookUp writes a query in which % stands for the tokens from..to.
func (w *writer) lookUp(i int, query string, from, to int) {
	for n, piece := range strings.Split(query, "%") {
		if n > 0 {
			for at := from; at < to; at++ {
				w.copied(w.toks[at].Pos, lowerASCII(w.toks[at].Text))
			}
		}
		w.put(i, piece)
	}
}

// objectNames are the queries that give an object's name.
var objectNames = map[string]string{
	"regclass":     "(SELECT o.relname FROM pg_catalog.pg_class AS o WHERE o.oid = %)",
	"regtype":      redshiftMacro("format_type") + "(%, -1)",
	"regnamespace": "(SELECT o.nspname FROM pg_catalog.pg_namespace AS o WHERE o.oid = %)",
	"regproc":      "CAST(% AS VARCHAR)",
	"regrole":      redshiftMacro("pg_get_userbyid") + "(%)",
}

// catalogQueries answer calls from PostgreSQL's catalog; their first argument is
// an object's number, written as a plain column.
var catalogQueries = map[string]string{
	"pg_table_is_visible": "(% IN (SELECT o.oid FROM pg_catalog.lakeport_visible AS o))",
	"obj_description":     "(SELECT o.description FROM pg_catalog.pg_description AS o WHERE o.objoid = % AND o.objsubid = 0)",
	"col_description":     "(SELECT o.description FROM pg_catalog.pg_description AS o WHERE o.objoid = % AND o.objsubid = ~)",
}

// lowerASCII keeps the length, so that offsets stay.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// objectTypes are types of PostgreSQL that stand for objects of its catalog.
var objectTypes = set("regclass regtype regproc regprocedure regnamespace regrole")

// otherTypes are types that DuckDB has under another name.
var otherTypes = map[string]string{"oid": "BIGINT", "name": "VARCHAR", "super": "JSON", "varbyte": "BLOB", "bpchar": "VARCHAR", "nvarchar": "VARCHAR",
	"cid": "BIGINT", "xid": "BIGINT", "tid": "VARCHAR", "char": "VARCHAR", "cstring": "VARCHAR", "unknown": "VARCHAR", "int2vector": "SMALLINT[]", "oidvector": "BIGINT[]"}

// typeAt gives the index of a type's own name behind pg_catalog.
func (w *writer) typeAt(i int) int {
	if w.is(i, "pg_catalog") && w.is(i+1, ".") {
		return i + 2
	}
	return i
}

// objectLiteral writes 'name'::regclass; i is the string, at where the type
// stands.
func (w *writer) objectLiteral(i, at int) int {
	at = w.typeAt(at)
	if w.kind(at) != syntax.Word || !objectTypes[strings.ToLower(w.toks[at].Text)] {
		return i
	}
	typ, value := strings.ToLower(w.toks[at].Text), w.toks[i].Value()
	if w.redshift.Literal != nil {
		if expr, ok := w.redshift.Literal(typ, value); ok {
			w.put(i, expr)
			return at + 1
		}
	}
	w.fail(sqlerr.NotFound, i, "%s '%s' does not exist", strings.TrimPrefix(typ, "reg"), value)
	return at + 1
}

// castSuffix writes :: and the type behind it.
func (w *writer) castSuffix(i int) int {
	at := w.typeAt(i + 1)
	name := ""
	if w.kind(at) == syntax.Word {
		name = strings.ToLower(w.toks[at].Text)
	}
	other, renamed := otherTypes[name]
	switch {
	case objectTypes[name]: // item has looked the name up
		return at + 1
	case renamed:
		w.put(i, "::"+other)
	case name != "":
		w.put(i, "::"+name)
	default:
		w.copy(i)
		return i + 1
	}
	if _, ok := w.textType(at, len(w.toks)); ok && w.is(at+1, "(") {
		w.fail(sqlerr.Unsupported, i, "a cast to %s of a length is not known here: write CAST(… AS %s(…))", name, name)
	}
	return at + 1
}

func (w *writer) redshiftWord(i, end int) int {
	if w.is(i-1, ".") && !(w.is(i-2, "pg_catalog", "information_schema") && w.is(i+1, "(")) {
		w.copied(w.toks[i].Pos, lowerASCII(w.toks[i].Text))
		return i + 1
	}
	name := strings.ToLower(w.toks[i].Text)
	if n := w.objectName(i, end); n > i {
		return n
	}
	switch {
	case w.is(i, "pg_catalog", "information_schema") && w.is(i+1, ".") && w.is(i+3, "("):
		return w.redshiftItem(i+2, end)
	case name == "pg_get_late_binding_view_cols" && w.is(i+1, "(") && w.is(i+2, ")"):
		return w.noRows(i, end)
	case name == "operator" && w.is(i+1, "(") && w.match[i+1] == i+5 && w.is(i+2, "pg_catalog"):
		return w.operatorOf(i+4, i+6, end)
	case name == "collate" && i+1 < end:
		at := w.typeAt(i + 1)
		return at + 1
	case name == "minus" && !w.is(i+1, "(") || name == "minus" && w.is(i+2, "SELECT"):
		w.put(i, "EXCEPT")
		return i + 1
	case name == "approximate" && w.is(i+1, "PERCENTILE_DISC"): // the exact one is near enough
		return i + 1
	case name == "approximate" && w.is(i+1, "COUNT"): // the call that follows says it
		return i + 1
	case name == "like" || name == "ilike":
		return w.likePattern(i, end)
	case name == "similar" && w.is(i+1, "TO"):
		return w.similar(i, i+2, "~", end)
	case name == "not" && w.seq(i, "NOT", "SIMILAR", "TO"):
		return w.similar(i, i+3, "!~", end)
	case name == "top" && w.is(i-1, "SELECT", "DISTINCT", "ALL") && w.kind(i+1) == syntax.Number:
		return i + 2
	case name == "cast" && w.is(i+1, "("):
		return w.redshiftCast(i, end)
	case name == "avg" && w.is(i+1, "("):
		if n := w.redshiftAverage(i, end); n > i {
			return n
		}
	case w.is(i+1, "("):
		if n := w.redshiftCall(i, name); n > i {
			return n
		}
	}
	if f := w.redshift.Function; f != nil && (w.is(i+1, "(") && w.is(i+2, ")") || bareWords[name] && !w.is(i-1, "AS", ".") && !w.is(i+1, "(", ".")) {
		if expr, ok := f(name); ok {
			if w.is(i-1, "FROM") && w.is(i+1, "(") { // as a table of one row
				expr = "(SELECT " + expr + " AS " + lake.QuoteName(name) + ") AS " + lake.QuoteName(name)
			}
			w.put(i, expr)
			if w.is(i+1, "(") {
				return i + 3
			}
			return i + 1
		}
	}
	w.copied(w.toks[i].Pos, lowerASCII(w.toks[i].Text))
	return i + 1
}

// redshiftAverage writes avg(x), whose type hangs on that of x. A PIVOT takes
// nothing but the aggregate itself.
func (w *writer) redshiftAverage(i, end int) int {
	x, stop := w.aggregated(i, end)
	if stop > end || x.from >= x.to || w.pivots() || !w.average(i, x, stop) {
		return i
	}
	return stop
}

// bareWords are functions of the session that stand without parentheses.
var bareWords = set("current_user current_user_id session_user user current_catalog current_schema sysdate current_role")

func (w *writer) redshiftOperator(i, end int) int {
	switch {
	case w.is(i, "::"):
		return w.castSuffix(i)
	case w.is(i, "~", "!~", "~*", "!~*") && !w.startsOperand(i):
		return w.operatorOf(i, i+1, end)
	case w.is(i, "/", "%") && !w.startsOperand(i):
		if w.is(i, "/") {
			w.put(i, "//") // of integers it gives an integer, as PostgreSQL's does
		} else {
			w.copy(i)
		}
		if i+1 < end {
			w.gap(i + 1)
			stop := w.operandEnd(i+1, end)
			if stop == i+2 && w.kind(i+1) == syntax.Number && strings.Trim(w.toks[i+1].Text, "0.") != "" {
				return i + 1 // a number that is not zero
			}
			w.put(i+1, redshiftMacro("divisor")+"(")
			w.inner(i+1, stop)
			w.put(stop, ")")
			return stop
		}
		return i + 1
	}
	w.copy(i)
	return i + 1
}

// operatorOf writes the operator at i, whose right operand begins at from. The
// engine's ~ matches whole strings, PostgreSQL's any part.
func (w *writer) operatorOf(i, from, end int) int {
	op := w.toks[i].Text
	word, pattern := "~", "pattern"
	switch op {
	case "~", "!~", "~*", "!~*":
	default:
		w.put(i, op)
		return from
	}
	if strings.HasSuffix(op, "*") {
		pattern = "pattern_any_case"
	}
	if strings.HasPrefix(op, "!") {
		word = "!~"
	}
	stop := w.operandEnd(from, end)
	w.put(i, word+" "+redshiftMacro(pattern)+"(")
	w.inner(from, stop)
	w.put(stop, ")")
	return stop
}

// noRows writes a function of FROM that would list what lakeport does not have,
// with its alias and the types of its columns: f() [AS] x (a type, b type).
func (w *writer) noRows(i, end int) int {
	at := i + 3
	if w.is(at, "AS") {
		at++
	}
	if w.kind(at) != syntax.Word || !w.is(at+1, "(") {
		w.fail(sqlerr.Unsupported, i, "%s without a list of columns is not built yet", w.toks[i].Text)
		return end
	}
	var columns []string
	for _, a := range w.args(at+1, w.match[at+1]) {
		if a.to < a.from+2 {
			w.fail(sqlerr.Syntax, a.from, "expected a column and its type")
			return end
		}
		typ := lowerASCII(w.text[w.toks[a.from+1].Pos:w.toks[a.to-1].End])
		if other, renamed := otherTypes[typ]; renamed {
			typ = other
		}
		columns = append(columns, "CAST(NULL AS "+typ+") AS "+lowerASCII(w.toks[a.from].Text))
	}
	w.put(i, "(SELECT "+strings.Join(columns, ", ")+" WHERE false) AS "+lowerASCII(w.toks[at].Text))
	return w.match[at+1] + 1
}

// patternEnd gives the end of a pattern: an operand and those that || joins to it.
func (w *writer) patternEnd(i, end int) int {
	stop := w.operandEnd(i, end)
	for stop < end && w.is(stop, "||") {
		stop = w.operandEnd(stop+1, end)
	}
	return stop
}

// likePattern writes LIKE and its pattern, in which a backslash escapes, unless
// the query names another sign.
func (w *writer) likePattern(i, end int) int {
	w.copied(w.toks[i].Pos, lowerASCII(w.toks[i].Text))
	stop := w.patternEnd(i+1, end)
	if stop <= i+1 || w.is(stop, "ESCAPE") || stop == i+2 && w.kind(i+1) == syntax.String && !strings.Contains(w.toks[i+1].Value(), `\`) {
		return i + 1
	}
	w.span(i+1, stop)
	w.put(stop, ` ESCAPE '\'`)
	return stop
}

// similar writes [NOT] SIMILAR TO, whose pattern begins at from, as a match of a
// regular expression.
func (w *writer) similar(i, from int, op string, end int) int {
	stop := w.patternEnd(from, end)
	if w.is(stop, "ESCAPE") {
		w.fail(sqlerr.Unsupported, stop, "SIMILAR TO with ESCAPE is not built yet")
	}
	w.put(i, op+" "+redshiftMacro("similar")+"(")
	w.inner(from, stop)
	w.put(stop, ")")
	return stop
}

// redshiftCast writes CAST(x AS type).
func (w *writer) redshiftCast(i, end int) int {
	stop := w.match[i+1]
	as := w.find(i+2, stop, "AS")
	if as >= stop {
		w.copied(w.toks[i].Pos, "cast")
		return i + 1
	}
	if as == i+3 && w.kind(i+2) == syntax.String {
		if n := w.objectLiteral(i+2, as+1); n > i+2 {
			return stop + 1
		}
	}
	at := w.typeAt(as + 1)
	if t, ok := w.textType(at, stop); ok && t.end == stop {
		w.stringCast(i, t, i+2, as, func() { w.inner(i+2, as) })
		return stop + 1
	}
	w.put(i, "CAST(")
	w.inner(i+2, as)
	if other, renamed := otherTypes[strings.ToLower(w.toks[at].Text)]; renamed {
		w.put(at, " AS "+other)
	} else {
		w.put(at, " AS ")
		w.inner(at, stop)
	}
	w.put(stop, ")")
	return stop + 1
}
