package dialect

import (
	"slices"
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
	STRING BOOLEAN FLOAT HUGEINT PIVOT`)

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
		case t.Is(","), t.Kind == syntax.Word && clauseWords[strings.ToUpper(t.Text)] && !w.is(i-1, ".") && !w.is(i+1, "("),
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
	case ":=":
		w.copy(i)
	case "(":
		if w.kind(i-1) == syntax.Op || w.kind(i-1) == syntax.EOF {
			if n := w.lambda(i, end); n > i {
				return n
			}
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
	// The first operand still ends in a caret: the rule must not see it again.
	w.hasCaret = false
	w.put(i, strings.Repeat("xor(", len(ends)-1))
	from := i
	for n, e := range ends {
		if n > 0 {
			w.put(from, ", ")
		}
		w.nested(from, e)
		if n > 0 {
			w.put(e, ")")
		}
		from = e + 1
	}
	w.hasCaret = true
	return stop
}

// nested writes one operand of a caret; carets inside its brackets count again.
func (w *writer) nested(i, end int) {
	for i < end && w.err == nil {
		if w.match[i] > i {
			w.copy(i)
			w.hasCaret = true
			w.span(i+1, w.match[i])
			w.hasCaret = false
			i = w.match[i]
			w.gap(i)
			w.copy(i)
			i++
			continue
		}
		i = w.item(i, end)
	}
}

// word writes the keyword, name or call at i.
func (w *writer) word(i, end int) int {
	t := w.toks[i]
	if w.is(i-1, ".") {
		return w.plain(i)
	}
	if w.is(i+1, "(") && i+1 < end {
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

// sessionWords are functions of the session that need no parentheses.
var sessionWords = set("CURRENT_USER SESSION_USER CURRENT_ROLE")

// plain writes a word as it is; a name that begins with a digit is quoted.
func (w *writer) plain(i int) int {
	t := w.toks[i]
	if sub, ok := w.subst[t.Text]; ok && !w.is(i-1, ".") && !w.is(i+1, "(") {
		w.put(i, sub)
		return i + 1
	}
	if c := t.Text[0]; '0' <= c && c <= '9' || w.isReservedName(i) {
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
		"DIV":       (*writer).div,
		"MOD":       (*writer).mod,
		"XOR":       (*writer).xor,
		"LIMIT":     (*writer).limit,
		"MINUS":     (*writer).minus,
		"LEFT":      (*writer).semiJoin,
		"RIGHT":     (*writer).rightJoin,
		"NULL":      (*writer).nullAware,
		"JOIN":      (*writer).join,
		"FROM":      (*writer).from,
		"INTERVAL":  (*writer).interval,
		"DATETIME":  (*writer).datetime,
		"EXCEPT":    (*writer).except,
		"REGEXP":    (*writer).regexp,
		"RLIKE":     (*writer).regexp,
		"NOT":       (*writer).notRegexp,
		"LIKE":      (*writer).like,
		"BINARY":    (*writer).binary,
		"COLLATE":   (*writer).collate,
		"ARRAY":     (*writer).array,
		"MAP":       (*writer).mapLiteral,
		"INTO":      (*writer).into,
		"FOR":       (*writer).timeTravel,
		"VERSION":   (*writer).timeTravel,
		"TIMESTAMP": (*writer).timeTravel,
		"PARTITION": (*writer).partition,
		"TABLET":    (*writer).partition,
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

func (w *writer) xor(i, _ int) int {
	if w.afterOperand(i) {
		w.fail(sqlerr.Unsupported, i, "XOR is not supported: write (a) <> (b)")
	}
	return i
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

func (w *writer) rightJoin(i, _ int) int {
	if w.is(i+1, "SEMI", "ANTI") && w.is(i+2, "JOIN") {
		kind := strings.ToUpper(w.toks[i+1].Text)
		w.fail(sqlerr.Unsupported, i, "RIGHT %s JOIN is not supported: exchange the tables and write LEFT %s JOIN", kind, kind)
	}
	return i
}

func (w *writer) nullAware(i, _ int) int {
	if w.seq(i, "NULL", "AWARE", "LEFT", "ANTI", "JOIN") {
		w.fail(sqlerr.Unsupported, i, "NULL AWARE LEFT ANTI JOIN is not supported: write NOT IN with a subquery")
	}
	return i
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
	return i
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

// timeTravel refuses [FOR] {VERSION|TIMESTAMP} AS OF, which no table has yet.
func (w *writer) timeTravel(i, _ int) int {
	n := i
	if w.is(n, "FOR") {
		n++
	}
	if w.is(n, "VERSION", "TIMESTAMP", "SYSTEM_TIME") && w.seq(n+1, "AS", "OF") {
		w.fail(sqlerr.Unsupported, i, "%s AS OF is not supported", strings.ToUpper(w.toks[n].Text))
	}
	return i
}

// partition refuses FROM t PARTITION (p), but not PARTITION BY.
func (w *writer) partition(i, _ int) int {
	if w.is(i+1, "(") && w.afterOperand(i) {
		w.fail(sqlerr.Unsupported, i, "reading single partitions by %s (..) is not supported: use WHERE", strings.ToUpper(w.toks[i].Text))
	}
	return i
}

// lambda writes x -> e and (x, y) -> e as DuckDB's lambda x: e. An arrow before
// a string is JSON's.
func (w *writer) lambda(i, end int) int {
	names, arrow := w.lambdaHead(i)
	if names == nil || arrow >= end {
		return i
	}
	stop := w.argEnd(arrow+1, end)
	w.put(i, "lambda "+strings.Join(names, ", ")+":")
	w.span(arrow+1, stop)
	return stop
}

// lambdaHead gives the parameters of a lambda at i and the index of its arrow;
// nil if there is none.
func (w *writer) lambdaHead(i int) (names []string, arrow int) {
	arrow = i + 1
	switch {
	case w.is(i, "("):
		arrow = w.match[i] + 1
		for n := i + 1; n < w.match[i]; n += 2 {
			if w.kind(n) != syntax.Word && w.kind(n) != syntax.Quoted || n+1 < w.match[i] && !w.is(n+1, ",") {
				return nil, 0
			}
			names = append(names, w.ident(n))
		}
	case w.kind(i) == syntax.Word || w.kind(i) == syntax.Quoted:
		names = []string{w.ident(i)}
	}
	if !w.is(arrow, "->") || w.kind(arrow+1) == syntax.String || !w.is(i-1, "(", ",") {
		return nil, 0
	}
	return names, arrow
}

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
			heads[stop] = w.heading(i, stop)
		}
		if !w.is(stop, ",") {
			break
		}
		i = stop + 1
	}
	return heads
}

// heading is the source text of a select item; strings are in single quotes.
func (w *writer) heading(i, end int) string {
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
	w.span(order, limit)
	w.put(having, ") AS having_rows WHERE")
	w.span(having+1, order)
	w.span(limit, len(w.toks))
}

var afterSelectList = set("FROM WHERE GROUP HAVING ORDER LIMIT OFFSET UNION EXCEPT INTERSECT MINUS QUALIFY WINDOW INTO USING SAMPLE FETCH")

func (w *writer) selectItemEnd(i int) int {
	for i < len(w.toks) {
		t := w.toks[i]
		if t.Is(",") || t.Is(")") || t.Is(";") || t.Kind == syntax.Word && afterSelectList[strings.ToUpper(t.Text)] && !w.is(i-1, ".", "*") && !w.is(i-1, "DISTINCT") {
			return i
		}
		if w.match[i] > i {
			i = w.match[i]
		}
		i++
	}
	return i
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
		return false
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
