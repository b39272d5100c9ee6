package dialect

import (
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// set makes a set of the words of s.
func set(s string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}

// beforeString are the words after which a string is a value; after any other
// word it is an alias.
var beforeString = set(`SELECT DISTINCT ALL WHERE AND OR NOT XOR ON HAVING QUALIFY WHEN THEN ELSE CASE IN LIKE ILIKE RLIKE REGEXP SIMILAR TO
	ESCAPE BETWEEN IS FROM BY LIMIT OFFSET SEPARATOR VALUES DIV MOD DATE DATETIME TIMESTAMP TIMESTAMPTZ TIME INTERVAL BINARY COLLATE USING RETURN
	OF AT ZONE GLOB ASC DESC UNION EXCEPT INTERSECT SAMPLE ANY SOME FOR SET WITH EXISTS JSON UUID BLOB BIT INT INTEGER BIGINT DOUBLE DECIMAL VARCHAR
	STRING BOOLEAN FLOAT HUGEINT PIVOT BOTH LEADING TRAILING`)

// operator writes the operator at i.
func (w *writer) operator(i, end int) int {
	t := w.toks[i]
	switch t.Text {
	case "||":
		if w.o.PipesAsConcat {
			w.copy(i)
		} else {
			w.put(i, "OR")
		}
	case "&&":
		w.put(i, "AND")
	case "<=>":
		w.put(i, "IS NOT DISTINCT FROM")
	case "==":
		w.put(i, "=")
	case "!":
		return w.not(i, end)
	case "(":
		if n := w.lambda(i, end); n > i {
			return n
		}
		w.copy(i)
	default:
		w.copy(i)
	}
	return i + 1
}

// not writes !x, which binds tighter than NOT.
func (w *writer) not(i, end int) int {
	n := 1
	for i+n < end && w.is(i+n, "!") {
		n++
	}
	stop := w.operandEnd(i+n, end)
	w.put(i, strings.Repeat("(NOT ", n))
	w.inner(i+n, stop)
	w.put(stop, strings.Repeat(")", n))
	return max(stop, i+n)
}

// caret writes a ^ b, bitwise in StarRocks and a power in DuckDB.
func (w *writer) caret(i, end int) int {
	if !w.hasCaret || w.afterSign(i) {
		return i
	}
	stop := w.operandEnd(i, end)
	if !w.is(stop, "^") || stop >= end {
		return i
	}
	ends := []int{stop}
	for w.is(stop, "^") && stop < end {
		next := w.operandEnd(stop+1, end)
		if next == stop+1 {
			w.fail(sqlerr.Syntax, stop, "expected an operand after ^")
			return end
		}
		stop = next
		ends = append(ends, stop)
	}
	w.put(i, strings.Repeat("xor(", len(ends)-1))
	from := i
	for n, e := range ends {
		if n > 0 {
			w.put(from, ", ")
		}
		w.inner(from, e)
		if n > 0 {
			w.put(e, ")")
		}
		from = e + 1
	}
	return stop
}

// arrow puts j -> '$.a' in parentheses: DuckDB's arrow binds loosest of all
// operators, StarRocks' tightest.
func (w *writer) arrow(i, end int) int {
	if !w.hasArrow || w.afterSign(i) || w.kind(i) == syntax.String && w.is(i-1, "->", "->>") {
		return i
	}
	stop := w.operandEnd(i, end)
	first := stop
	for n := i; n < stop; n++ {
		if w.match[n] > n {
			n = w.match[n]
		} else if w.isPathArrow(n) {
			first = n
			break
		}
	}
	if first == stop || first == i {
		return i
	}
	w.jsonArrows(i, first, stop)
	return stop
}

// word writes the keyword, name or call at i.
func (w *writer) word(i, end int) int {
	t := w.toks[i]
	if w.is(i-1, ".") {
		return w.plain(i)
	}
	if w.is(i+1, "(") && i+1 < end && !w.isDefinition(i) {
		if n := w.call(i, w.match[i+1]+1); n > i {
			return n
		}
	}
	if rule, ok := wordRules[strings.ToUpper(t.Text)]; ok {
		if n := rule(w, i, end); n > i {
			return n
		}
	}
	if n := w.lambda(i, end); n > i {
		return n
	}
	if w.o.Function != nil && !w.is(i+1, "(", ".") && sessionWords[strings.ToUpper(t.Text)] {
		if v, ok := w.o.Function(strings.ToLower(t.Text)); ok {
			w.put(i, v)
			return i + 1
		}
	}
	return w.plain(i)
}

// isDefinition tells whether the name at i, before a parenthesis, is a type or
// gets a list of columns: x::decimal(5), .. AS t(a, b), WITH t(a) AS (..).
func (w *writer) isDefinition(i int) bool {
	shut := w.match[i+1]
	return w.is(i-1, "::", "AS", ")", "WITH", "RECURSIVE") || w.is(shut+1, "AS") && w.is(shut+2, "(", "MATERIALIZED", "NOT")
}

// sessionWords are functions of the session that need no parentheses.
var sessionWords = set("CURRENT_USER SESSION_USER CURRENT_ROLE")

// plain writes a word as it is; a name that begins with a digit is quoted.
func (w *writer) plain(i int) int {
	t := w.toks[i]
	if sub, ok := w.subst[t.Text]; ok && !w.is(i-1, ".") && !w.is(i+1, "(") {
		w.put(i, sub)
		return i + 1
	}
	if c := t.Text[0]; '0' <= c && c <= '9' && (w.is(i-1, ".") || !isNumeral(t.Text)) || w.isReservedName(i) {
		w.put(i, lake.QuoteName(t.Text))
	} else {
		w.copy(i)
	}
	return i + 1
}

// reserved are keywords of DuckDB that may name a column or table in StarRocks.
var reserved = set(`ANALYSE ANY ASYMMETRIC AUTHORIZATION CHECK COLLATION CONCURRENTLY CONSTRAINT DEFERRABLE DO FETCH FREEZE GENERATED GLOB INITIALLY
	LATERAL NOTNULL OFFSET ONLY OVERLAPS PLACING POSITIONAL REFERENCES SIMILAR SOME SYMMETRIC TABLESAMPLE UNPACK VARIADIC VERBOSE AT ASOF STRUCT`)

// isReservedName tells whether the word at i stands as a name that DuckDB would
// take for a keyword.
func (w *writer) isReservedName(i int) bool {
	if !reserved[strings.ToUpper(w.toks[i].Text)] || w.is(i+1, "(") || w.kind(i+1) == syntax.Word && !w.endsName(i+1) {
		return false
	}
	return w.startsOperand(i) || w.is(i-1, "FROM", "JOIN")
}

// endsName tells whether the keyword at i may follow a name.
func (w *writer) endsName(i int) bool {
	word := strings.ToUpper(w.toks[i].Text)
	return clauseWords[word] || comparisons[word] || word == "DIV" || word == "MOD" || word == "COLLATE"
}

// wordRules write the construct that begins with a keyword. Each gives the
// index after it, or i if the rule does not apply. The table is filled by init
// because the rules come back to it.
var wordRules map[string]func(w *writer, i, end int) int

func init() {
	wordRules = map[string]func(w *writer, i, end int) int{
		"DIV":        (*writer).div,
		"MOD":        (*writer).mod,
		"CASE":       (*writer).caseResults,
		"SUM":        (*writer).sum,
		"AVG":        (*writer).sum,
		"LIMIT":      (*writer).limit,
		"MINUS":      (*writer).minus,
		"LEFT":       (*writer).semiJoin,
		"NULL":       (*writer).nullAware,
		"JOIN":       (*writer).join,
		"FROM":       (*writer).from,
		"INTERVAL":   (*writer).interval,
		"DATETIME":   (*writer).datetime,
		"EXCEPT":     (*writer).except,
		"REGEXP":     (*writer).regexp,
		"RLIKE":      (*writer).regexp,
		"NOT":        (*writer).notRegexp,
		"LIKE":       (*writer).like,
		"BINARY":     (*writer).binary,
		"COLLATE":    (*writer).collate,
		"ARRAY":      (*writer).array,
		"MAP":        (*writer).mapLiteral,
		"INTO":       (*writer).into,
		"FOR":        (*writer).timeTravel,
		"VERSION":    (*writer).timeTravel,
		"TIMESTAMP":  (*writer).timeTravel,
		"PARTITION":  (*writer).partition,
		"IGNORE":     (*writer).ignore,
		"PARTITIONS": (*writer).partition,
		"TABLET":     (*writer).tablet,
		"CURRENT_TIMESTAMP": func(w *writer, i, end int) int {
			return w.replace(i, macro("now")+"()")
		},
		"LOCALTIMESTAMP": func(w *writer, i, end int) int { return w.replace(i, macro("now")+"()") },
		"LOCALTIME":      func(w *writer, i, end int) int { return w.replace(i, macro("now")+"()") },
	}
}

func (w *writer) replace(i int, text string) int {
	w.put(i, text)
	return i + 1
}

// afterOperand tells whether the word at i follows an operand.
func (w *writer) afterOperand(i int) bool { return i > 0 && !w.startsOperand(i) }

func (w *writer) div(i, _ int) int {
	if !w.afterOperand(i) {
		return i
	}
	return w.replace(i, "//")
}

func (w *writer) mod(i, _ int) int {
	if !w.afterOperand(i) {
		return i
	}
	return w.replace(i, "%")
}

// limit turns LIMIT offset, count around.
func (w *writer) limit(i, end int) int {
	if i+3 >= end || !w.is(i+2, ",") || w.match[i+1] >= 0 {
		return i
	}
	w.copy(i)
	w.put(i+3, " ")
	w.item(i+3, end)
	w.put(i+1, " OFFSET ")
	w.item(i+1, end)
	return i + 4
}

func (w *writer) minus(i, _ int) int {
	if !w.is(i+1, "SELECT", "ALL", "DISTINCT", "(", "VALUES", "WITH") || w.startsOperand(i) {
		return i
	}
	return w.replace(i, "EXCEPT")
}

// semiJoin drops the LEFT of LEFT SEMI JOIN and LEFT ANTI JOIN.
func (w *writer) semiJoin(i, _ int) int {
	if !w.seq(i+1, "SEMI", "JOIN") && !w.seq(i+1, "ANTI", "JOIN") {
		return i
	}
	w.copy(i + 1)
	return i + 2
}

// nullAware writes NULL AWARE LEFT ANTI JOIN t ON e, which drops a row for
// which e may be true, as NOT IN does.
func (w *writer) nullAware(i, end int) int {
	if !w.seq(i, "NULL", "AWARE", "LEFT", "ANTI", "JOIN") {
		return i
	}
	on := i + 5
	for on < end && !w.is(on, "ON") {
		if on = max(on, w.match[on]) + 1; w.is(on-1, ")") && w.match[on-1] < i {
			return i
		}
	}
	stop := on + 1
	for stop < end && !(w.kind(stop) == syntax.Word && clauseWords[strings.ToUpper(w.toks[stop].Text)] && !w.is(stop, "AND", "OR", "XOR", "BETWEEN")) && !w.is(stop, ")", ",") {
		stop = max(stop, w.match[stop]) + 1
	}
	if on >= end || stop == on+1 {
		w.fail(sqlerr.Syntax, i, "NULL AWARE LEFT ANTI JOIN needs a condition after ON")
		return end
	}
	w.put(i, "ANTI JOIN")
	w.span(i+5, on+1)
	w.put(on, " ((")
	w.inner(on+1, stop)
	w.put(stop, ") IS NOT FALSE) ")
	return stop
}

// join drops the hint of JOIN [broadcast].
func (w *writer) join(i, _ int) int {
	if !w.is(i+1, "[") {
		return i
	}
	w.copy(i)
	return w.match[i+1] + 1
}

// from drops FROM DUAL, and the wrapper of FROM TABLE(f(..)).
func (w *writer) from(i, end int) int {
	if w.is(i+1, "DUAL") && !w.is(i+2, ".", ",") {
		return i + 2
	}
	return w.rightJoin(i, end)
}

// rightJoin writes FROM a RIGHT SEMI JOIN b, and RIGHT ANTI, with the tables
// exchanged.
func (w *writer) rightJoin(i, end int) int {
	join, several := i+1, false
	for ; join < end && !(w.is(join, "RIGHT") && w.is(join+1, "SEMI", "ANTI") && w.is(join+2, "JOIN")); join++ {
		if w.is(join, ")", ",", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "HAVING", "SELECT") {
			return i
		}
		several = several || w.is(join, "JOIN")
		join = max(join, w.match[join])
	}
	right := join + 3
	if w.is(right, "[") {
		right = w.match[right] + 1
	}
	stop := right
	for stop < end && !w.is(stop, "ON", "USING", "WHERE", ")") {
		stop = max(stop, w.match[stop]) + 1
	}
	if join >= end || !w.is(stop, "ON", "USING") {
		return i
	}
	w.copy(i)
	w.put(right, " ")
	w.inner(right, stop)
	w.put(join, " "+strings.ToUpper(w.toks[join+1].Text)+" JOIN ")
	if several {
		w.put(i, "(")
	}
	w.inner(i+1, join)
	if several {
		w.put(join, ")")
	}
	w.put(stop, " ")
	return stop
}

// interval puts the amount of INTERVAL x UNIT in parentheses, without which
// DuckDB reads only plain literals.
func (w *writer) interval(i, end int) int {
	if w.is(i+1, "(") || !w.startsOperand(i) && !w.afterOperand(i) {
		return i
	}
	unit := i + 1
	for unit < end && !intervalUnits[strings.ToUpper(w.toks[unit].Text)] {
		if w.is(unit, ",", ")") {
			return i
		}
		if w.match[unit] > unit {
			unit = w.match[unit]
		}
		unit++
	}
	if unit >= end || unit == i+2 && w.kind(i+1) == syntax.Number || unit == i+1 {
		return i
	}
	w.copy(i)
	w.put(i+1, " (")
	w.inner(i+1, unit)
	w.put(unit, ")")
	return unit
}

var intervalUnits = set("YEAR YEARS QUARTER QUARTERS MONTH MONTHS WEEK WEEKS DAY DAYS HOUR HOURS MINUTE MINUTES SECOND SECONDS MILLISECOND MILLISECONDS MICROSECOND MICROSECONDS")

func (w *writer) datetime(i, _ int) int {
	if w.kind(i+1) != syntax.String {
		return i
	}
	return w.replace(i, "TIMESTAMP")
}

// except writes SELECT * EXCEPT (c) with DuckDB's word.
func (w *writer) except(i, _ int) int {
	if !w.is(i-1, "*") || !w.is(i+1, "(") || w.is(i+2, "SELECT", "WITH", "VALUES", "FROM", "(") {
		return i
	}
	return w.replace(i, "EXCLUDE")
}

// regexp writes x REGEXP p, which matches anywhere, as DuckDB's match of the
// whole string.
func (w *writer) regexp(i, end int) int {
	if !w.afterOperand(i) && !w.is(i-1, "NOT") {
		return i
	}
	return w.match2(i, i+1, end, "~")
}

func (w *writer) notRegexp(i, end int) int {
	if !w.is(i+1, "REGEXP", "RLIKE") || !w.afterOperand(i) {
		return i
	}
	return w.match2(i, i+2, end, "!~")
}

func (w *writer) match2(i, pattern, end int, op string) int {
	stop := w.termEnd(pattern, end)
	if stop == pattern {
		return i
	}
	w.put(i, op+" ('(?s:.*)(?:' || (")
	w.inner(pattern, stop)
	w.put(stop, ") || ')(?s:.*)')")
	return stop
}

// like adds the escape character that StarRocks has by default.
func (w *writer) like(i, end int) int {
	stop := w.termEnd(i+1, end)
	if stop == i+1 || w.is(stop, "ESCAPE") && stop < end || !w.afterOperand(i) && !w.is(i-1, "NOT") {
		return i
	}
	if stop == i+2 && w.kind(i+1) == syntax.String && !strings.Contains(w.toks[i+1].Value(), `\`) {
		return i
	}
	w.copy(i)
	w.put(i+1, " ")
	if stop == i+2 && w.kind(i+1) == syntax.String {
		w.put(i+1, likePattern(w.toks[i+1].Value()))
	} else {
		w.inner(i+1, stop)
	}
	w.put(stop, ` ESCAPE '\'`)
	return stop
}

// likePattern writes a literal pattern; a lone backslash at its end or before
// an ordinary character stands for itself, where DuckDB refuses it.
func likePattern(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		b.WriteByte(p[i])
		if p[i] != '\\' {
			continue
		}
		if i+1 < len(p) && strings.IndexByte(`%_\`, p[i+1]) >= 0 {
			i++
			b.WriteByte(p[i])
		} else {
			b.WriteByte('\\')
		}
	}
	return stringLiteral(b.String())
}

// binary drops MySQL's BINARY before an operand: comparisons are binary anyway.
func (w *writer) binary(i, end int) int {
	if !w.startsOperand(i) || i+1 >= end || w.is(i+1, ",", ")", ".", "=") || w.is(i-1, "AS") {
		return i
	}
	return w.item(i+1, end)
}

// collate drops MySQL's collations, all of which compare bytes in StarRocks.
func (w *writer) collate(i, _ int) int {
	name := ""
	if k := w.kind(i + 1); k == syntax.Word || k == syntax.String || k == syntax.Quoted {
		name = strings.ToLower(w.toks[i+1].Value())
	}
	for _, charset := range []string{"utf8", "latin1", "binary", "ascii", "gbk", "utf16"} {
		if strings.HasPrefix(name, charset) {
			return i + 2
		}
	}
	return i
}

// array writes ARRAY<T>[..] as a cast, and ARRAY[..] as it is.
func (w *writer) array(i, end int) int { return w.typedLiteral(i, end, "[") }

// mapLiteral writes MAP<K, V>{..} as a cast, and MAP{..} as it is.
func (w *writer) mapLiteral(i, end int) int { return w.typedLiteral(i, end, "{") }

func (w *writer) typedLiteral(i, end int, open string) int {
	if !w.is(i+1, "<") {
		return i
	}
	body := i + 1
	for body < end && !w.is(body, open) {
		body++
	}
	if body >= end {
		return i
	}
	typ, err := syntax.ParseType(w.text[w.toks[i].Pos:w.toks[body-1].End])
	if err != nil {
		return i
	}
	name, err := TypeOf(typ)
	if err != nil {
		return i
	}
	w.put(i, "CAST(")
	if open == "{" {
		w.put(i, "MAP ")
	}
	w.inner(body, w.match[body]+1)
	w.put(body, " AS "+name.String()+")")
	return w.match[body] + 1
}

func (w *writer) into(i, _ int) int {
	if w.is(i+1, "OUTFILE", "DUMPFILE") {
		w.fail(sqlerr.Unsupported, i, "SELECT .. INTO %s is not supported", strings.ToUpper(w.toks[i+1].Text))
	}
	return i
}

// timeTravel writes [FOR] {VERSION|TIMESTAMP} AS OF x [[AS] alias] as the
// engine's clause AT, which stands after the alias. x is one operand; an instant
// may have others added to it or taken from it.
func (w *writer) timeTravel(i, end int) int {
	n := i
	if w.is(n, "FOR") {
		n++
	}
	if !w.is(n, "VERSION", "TIMESTAMP", "SYSTEM_TIME") || !w.seq(n+1, "AS", "OF") || n+3 >= end || w.is(n+3, "FROM", ",", ")") {
		return i
	}
	unit := strings.ToUpper(w.toks[n].Text)
	if unit == "SYSTEM_TIME" {
		w.fail(sqlerr.Unsupported, i, "SYSTEM_TIME AS OF is not supported: write TIMESTAMP AS OF")
		return i
	}
	stop := w.operandEnd(n+3, end)
	for unit == "TIMESTAMP" && w.is(stop, "+", "-") && stop+1 < end {
		if stop++; w.is(stop, "INTERVAL") { // n unit
			stop = min(stop+2, end-1)
		}
		stop = w.operandEnd(stop, end)
	}
	next := stop
	if w.is(next, "AS") {
		next++
	}
	if k := w.kind(next); next < end && (k == syntax.Quoted || k == syntax.Word && !w.is(next, afterTable...)) {
		w.put(next, w.ident(next)+" ")
		next++
	} else {
		next = stop
	}
	w.put(i, "AT ("+unit+" => ")
	w.inner(n+3, stop)
	w.put(stop, ")")
	return next
}

// afterTable are the words that may follow a table without an alias.
var afterTable = strings.Fields("WHERE JOIN LEFT RIGHT INNER CROSS FULL NATURAL ASOF POSITIONAL SEMI ANTI NULL ON USING GROUP ORDER HAVING QUALIFY WINDOW LIMIT OFFSET UNION EXCEPT INTERSECT MINUS TABLESAMPLE PIVOT UNPIVOT LATERAL FOR")

// ident gives the name at i as DuckDB writes it.
func (w *writer) ident(i int) string {
	if w.toks[i].Kind == syntax.Quoted {
		return lake.QuoteName(w.toks[i].Value())
	}
	return w.toks[i].Text
}

// argEnd gives the index of the comma or closing bracket after i.
func (w *writer) argEnd(i, end int) int {
	for i < end && !w.is(i, ",", ")", "]", "}") {
		if w.match[i] > i {
			i = w.match[i]
		}
		i++
	}
	return min(i, end)
}
