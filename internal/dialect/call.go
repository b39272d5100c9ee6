package dialect

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// arg is an argument of a call: the tokens from..to.
type arg struct{ from, to int }

// calls rewrite calls that need more than another name. Each writes the whole
// call, from the name at i to the closing parenthesis, or gives false. The
// table is filled by init because the rules come back to it.
var calls map[string]func(w *writer, i int, args []arg) bool

func init() {
	cast := func(w *writer, i int, args []arg) bool { return w.cast(i, args) }
	add := func(w *writer, i int, args []arg) bool { return w.dateAdd(i, args, " + ", 1) }
	sub := func(w *writer, i int, args []arg) bool { return w.dateAdd(i, args, " - ", -1) }
	highest := func(w *writer, i int, args []arg) bool { return w.extreme(i, args, "DESC") }
	lowest := func(w *writer, i int, args []arg) bool { return w.extreme(i, args, "ASC") }
	unit := func(w *writer, i int, args []arg) bool { return w.unitFirst(i, args) }
	calls = map[string]func(w *writer, i int, args []arg) bool{
		"cast": cast, "try_cast": cast, "convert": (*writer).convert,
		"concat": (*writer).concat, "concat_ws": (*writer).concatWS, "group_concat": (*writer).groupConcat,
		"field": (*writer).field, "count": (*writer).count, "map": (*writer).mapCall, "named_struct": (*writer).namedStruct,
		"date_add": add, "adddate": add, "date_sub": sub, "subdate": sub,
		"timestampdiff": unit, "timestampadd": unit, "time_slice": (*writer).timeSlice, "date_slice": (*writer).dateSlice, "date_trunc": (*writer).dateTrunc,
		"isnull": (*writer).isNull, "isnotnull": (*writer).isNotNull,
		"greatest": highest, "least": lowest, "table": (*writer).tableCall, "substring": (*writer).substring,
		"array_map": lambdaCall("list_transform", ""), "transform": lambdaCall("list_transform", ""),
		"array_filter": lambdaCall("list_filter", ""),
		"all_match":    lambdaCall("list_transform", macro("all_true")), "any_match": lambdaCall("list_transform", macro("any_true")),
		"array_sortby": (*writer).arraySortBy, "map_filter": (*writer).mapFilter,
		"transform_keys": (*writer).mapTransform, "transform_values": (*writer).mapTransform, "map_apply": (*writer).mapTransform,
		"array_agg_distinct": distinctAgg("list"), "multi_distinct_count": distinctAgg("count"), "bitmap_union_int": distinctAgg("count"), "multi_distinct_sum": distinctAgg("sum"),
		"coalesce": sameType("coalesce", 0), "nvl": sameType("coalesce", 0), "ifnull": sameType("ifnull", 0), "if": sameType("if", 1), "nullif": sameType("nullif", 0),
		"ngram_search_case_insensitive": (*writer).ngramFolded, "aes_decrypt": (*writer).decrypt, "str_to_date": (*writer).strToDate,
		"count_if": (*writer).countIf, "rand": (*writer).rand, "random": (*writer).rand, "array_intersect": (*writer).arrayIntersect,
		"lead": (*writer).skipNulls, "lag": (*writer).skipNulls, "first_value": (*writer).skipNulls, "last_value": (*writer).skipNulls,
		"json_set": (*writer).jsonChange, "json_remove": (*writer).jsonChange,
		"json_object": (*writer).jsonMade, "json_array": (*writer).jsonMade, "to_json": (*writer).jsonMade,
		"json_query": (*writer).jsonQuery, "json_each": (*writer).jsonEach, "unnest": (*writer).unnest, "extract": (*writer).extract,
		"md5sum": (*writer).md5sum, "percentile_approx": (*writer).percentileApprox,
	}
	for _, name := range strings.Fields("lower upper trim ltrim rtrim repeat md5 ascii url_encode url_decode regexp_extract") {
		calls[name] = textArgs(name, 1)
	}
	for name, n := range map[string]int{"replace": 3, "starts_with": 2, "ends_with": 2, "instr": 2, "translate": 3} {
		calls[name] = textArgs(name, n)
	}
	for name, to := range map[string]string{"lcase": "lower", "ucase": "upper", "split": "string_split"} {
		calls[name] = textArgs(to, 1)
	}
	calls["reverse"] = (*writer).reverse
	for _, name := range strings.Fields("abs round floor ceil exp sin cos tan sign sqrt square positive negative") {
		calls[name] = numberArg(name)
	}
	defineUnits()
}

// call writes the call whose name stands at i and whose last token is before
// end; it gives i if the call is not StarRocks' own.
func (w *writer) call(i, end int) int {
	name := strings.ToLower(w.toks[i].Value())
	args := w.args(i+1, end-1)
	if w.o.Function != nil && len(args) == 0 {
		if v, ok := w.o.Function(name); ok {
			w.put(i, v)
			return end
		}
	}
	if rule := calls[name]; rule != nil && rule(w, i, args) {
		return end
	}
	if w.goCall(i, name, args) {
		return end
	}
	to, ok := renamed[name]
	switch {
	case ok:
	case macroNames[name] && !inner[name]:
		to = macro(name)
	case missing[name]:
		w.missing(i, name)
		return i + 1
	default:
		return i
	}
	if at, ok := timeArgs[to]; ok && len(args) > 0 && !(name == "unix_timestamp" && len(args) == 2) {
		w.put(i, to+"(")
		w.times(args, at)
		w.put(end-1, ")")
		return end
	}
	w.put(i, to)
	return i + 1
}

func (w *writer) missing(i int, name string) {
	w.fail(sqlerr.Unsupported, i, "function %s is not supported", name)
	if e := sqlerr.From(w.err); e.Hint == "" {
		w.err = e.WithHint("%s", Unknown(name))
	}
}

// args splits what stands between the parentheses at open and shut.
func (w *writer) args(open, shut int) []arg {
	var args []arg
	for i := open + 1; i < shut; {
		end := w.argEnd(i, shut)
		args = append(args, arg{i, end})
		i = end + 1
	}
	return args
}

// arg writes an argument without the gap before it.
func (w *writer) arg(a arg) { w.inner(a.from, a.to) }

// list writes arguments with commas between.
func (w *writer) list(args []arg) {
	for n, a := range args {
		if n > 0 {
			w.put(a.from, ", ")
		}
		w.arg(a)
	}
}

// wrap writes before, the arguments and after.
func (w *writer) wrap(i int, before string, args []arg, after string) bool {
	w.put(i, before)
	w.list(args)
	w.put(i, after)
	return true
}

// find gives the index of the word outside brackets between from and to, to if
// it is absent.
func (w *writer) find(from, to int, word string) int {
	for i := from; i < to; i++ {
		if w.is(i, word) {
			return i
		}
		if w.match[i] > i {
			i = w.match[i]
		}
	}
	return to
}

// cast writes CAST(x AS type): NULL for what cannot be converted.
func (w *writer) cast(i int, args []arg) bool {
	if len(args) == 0 {
		return false
	}
	shut := w.match[i+1]
	as := w.find(i+2, shut, "AS")
	if as == shut || as == i+2 || as+1 == shut {
		return false
	}
	return w.castTo(i, arg{i + 2, as}, w.text[w.toks[as+1].Pos:w.toks[shut-1].End], shut)
}

// convert writes CONVERT(x, type) and CONVERT(x USING charset).
func (w *writer) convert(i int, args []arg) bool {
	shut := w.match[i+1]
	if using := w.find(i+2, shut, "USING"); using < shut && using > i+2 {
		w.put(i, "(")
		w.inner(i+2, using)
		w.put(shut, ")")
		return true
	}
	if len(args) != 2 || args[1].from == args[1].to {
		return false
	}
	return w.castTo(i, args[0], w.text[w.toks[args[1].from].Pos:w.toks[args[1].to-1].End], shut)
}

// castTo writes a conversion to a type by its text. A type that is not
// StarRocks' is DuckDB's and stays as written.
func (w *writer) castTo(i int, x arg, typ string, shut int) bool {
	to := typ
	integer, text := false, false
	if t, err := syntax.ParseType(typ); err == nil {
		if l, err := TypeOf(t); err == nil {
			to = l.String()
			integer, text = l.Kind >= lake.TinyInt && l.Kind <= lake.UHugeInt, l.Kind == lake.Varchar
		}
	}
	if to == "JSON" {
		return w.wrap(i, macro("json_of")+"(", []arg{x}, ")")
	}
	if text {
		w.classOf(x) // asks for the types of columns: JSON loses its quotes
		w.textOf(x)
		return true
	}
	if (to == "DATE" || to == "TIMESTAMP") && !w.o.ThrowOnCast {
		w.put(i, "CAST(")
		w.time(x)
		w.put(shut, " AS "+to+")")
		return true
	}
	before, after := "TRY_CAST(", " AS "+to+")"
	if w.o.ThrowOnCast {
		before = "CAST("
	} else if integer {
		before, after = "TRY_CAST("+macro("whole")+"(", ")"+after
	}
	w.put(i, before)
	w.arg(x)
	w.put(shut, after)
	return true
}

// concat writes a concatenation that is NULL if any argument is.
func (w *writer) concat(i int, args []arg) bool {
	if len(args) == 0 {
		return false
	}
	w.put(i, "(")
	for n, a := range args {
		if n > 0 {
			w.put(a.from, " || ")
		}
		w.asText(a)
	}
	w.put(i, ")")
	return true
}

// asText writes an argument as a string; a literal is one already.
func (w *writer) asText(a arg) {
	if a.to == a.from+1 && w.kind(a.from) == syntax.String {
		w.arg(a)
		return
	}
	w.textOf(a)
}

// textOf writes a conversion to a string.
func (w *writer) textOf(a arg) {
	if w.givesJSON(a) {
		w.wrap(a.from, goPrefix+"json_text(CAST(", []arg{a}, " AS VARCHAR))")
		return
	}
	w.wrap(a.from, macro("as_text")+"(", []arg{a}, ")")
}

// concatWS gives NULL for a NULL separator and skips NULL arguments.
func (w *writer) concatWS(i int, args []arg) bool {
	if len(args) < 2 {
		return false
	}
	w.put(i, macro("concat_ws_list")+"(")
	w.arg(args[0])
	w.put(i, ", [")
	for n, a := range args[1:] {
		if n > 0 {
			w.put(a.from, ", ")
		}
		w.asText(a)
	}
	w.put(i, "])")
	return true
}

// groupConcat writes GROUP_CONCAT([DISTINCT] x, .. [ORDER BY ..] [SEPARATOR s]).
func (w *writer) groupConcat(i int, args []arg) bool {
	if len(args) == 0 {
		return false
	}
	shut := w.match[i+1]
	sep := w.find(i+2, shut, "SEPARATOR")
	order := w.find(i+2, sep, "ORDER")
	from := i + 2
	w.put(i, "string_agg(")
	if w.is(from, "DISTINCT") {
		w.put(from, "DISTINCT ")
		from++
	}
	items := w.args(from-1, order)
	for n, a := range items {
		if n > 0 {
			w.put(a.from, " || ")
		}
		if len(items) > 1 {
			w.asText(a)
		} else {
			w.arg(a)
		}
	}
	w.put(sep, ", ")
	if sep < shut {
		w.inner(sep+1, shut)
	} else {
		w.put(shut, "','")
	}
	if order < sep {
		w.put(order, " ")
		w.inner(order, sep)
	}
	w.put(shut, ")")
	return true
}

func (w *writer) field(i int, args []arg) bool {
	if len(args) < 2 {
		return false
	}
	w.put(i, macro("field")+"(")
	w.arg(args[0])
	return w.wrap(i, ", [", args[1:], "])")
}

// count writes COUNT(DISTINCT a, b), which counts rows without a NULL.
func (w *writer) count(i int, args []arg) bool {
	if len(args) < 2 || !w.is(i+2, "DISTINCT") {
		return false
	}
	args[0].from++
	w.put(i, "count(DISTINCT CASE WHEN ")
	for n, a := range args {
		if n > 0 {
			w.put(a.from, " AND ")
		}
		w.wrap(a.from, "(", []arg{a}, ") IS NOT NULL")
	}
	return w.wrap(i, " THEN row(", args, ") END)")
}

// mapCall writes map(k1, v1, ..); map([..], [..]) is DuckDB's own.
func (w *writer) mapCall(i int, args []arg) bool {
	if len(args) == 0 || len(args)%2 != 0 || len(args) == 2 && w.is(args[0].from, "[") && w.is(args[1].from, "[") {
		return false
	}
	w.put(i, "MAP {")
	w.pairs(i, args)
	return true
}

func (w *writer) namedStruct(i int, args []arg) bool {
	if len(args) == 0 || len(args)%2 != 0 {
		return false
	}
	w.put(i, "{")
	w.pairs(i, args)
	return true
}

// pairs writes k: v, .. and the closing brace.
func (w *writer) pairs(i int, args []arg) {
	for n := 0; n < len(args); n += 2 {
		if n > 0 {
			w.put(i, ", ")
		}
		w.arg(args[n])
		w.put(i, ": ")
		w.arg(args[n+1])
	}
	w.put(i, "}")
}

// dateAdd writes date_add(d, INTERVAL n u) and date_add(d, days).
func (w *writer) dateAdd(i int, args []arg, op string, sign int) bool {
	if len(args) != 2 {
		return false
	}
	if !w.is(args[1].from, "INTERVAL") {
		return w.addUnits(i, args, "day", sign)
	}
	w.put(i, "(")
	w.time(args[0])
	return w.wrap(i, op, args[1:], ")")
}

// addUnits writes months_add(d, n) and its like.
func (w *writer) addUnits(i int, args []arg, unit string, sign int) bool {
	if len(args) != 2 {
		return false
	}
	w.put(i, macro("timestampadd")+"('"+unit+"', ")
	if sign < 0 {
		w.put(i, "-")
	}
	w.wrap(i, "(", args[1:], "), ")
	w.time(args[0])
	w.put(i, ")")
	return true
}

// defineUnits adds years_add, years_sub, years_diff and so on for all units.
func defineUnits() {
	for unit := range strings.FieldsSeq("year quarter month week day hour minute second millisecond microsecond") {
		calls[unit+"s_add"] = func(w *writer, i int, args []arg) bool { return w.addUnits(i, args, unit, 1) }
		calls[unit+"s_sub"] = func(w *writer, i int, args []arg) bool { return w.addUnits(i, args, unit, -1) }
		calls[unit+"s_diff"] = func(w *writer, i int, args []arg) bool {
			if len(args) != 2 {
				return false
			}
			w.put(i, macro("date_diff")+"('"+unit+"', ")
			w.times(args, []int{0, 1})
			w.put(i, ")")
			return true
		}
	}
	calls["add_months"] = calls["months_add"]
}

// unitFirst quotes the unit of timestampdiff(DAY, a, b).
func (w *writer) unitFirst(i int, args []arg) bool {
	if len(args) != 3 || args[0].to != args[0].from+1 || w.kind(args[0].from) != syntax.Word {
		return false
	}
	unit := strings.TrimPrefix(strings.ToLower(w.toks[args[0].from].Text), "sql_tsi_")
	name := macro(strings.ToLower(w.toks[i].Text))
	w.put(i, name+"("+lake.QuoteString(unit)+", ")
	at := []int{0, 1}
	if w.is(i, "TIMESTAMPADD") {
		at = []int{1}
	}
	w.times(args[1:], at)
	w.put(i, ")")
	return true
}

// timeSlice quotes the edge of time_slice(d, INTERVAL n u, ceil).
func (w *writer) timeSlice(i int, args []arg) bool {
	if len(args) != 3 || w.kind(args[2].from) != syntax.Word {
		return false
	}
	w.put(i, macro("time_slice")+"(")
	w.time(args[0])
	return w.wrap(i, ", ", args[1:2], ", "+lake.QuoteString(strings.ToLower(w.toks[args[2].from].Text))+")")
}

// dateSlice writes date_slice, which is time_slice of a day (starrocks.io,
// "date_slice").
func (w *writer) dateSlice(i int, args []arg) bool {
	if len(args) < 2 || len(args) > 3 {
		return false
	}
	if w.is(args[1].to-1, "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND") {
		w.fail(sqlerr.Invalid, i, "can't use date_slice for date with time(hour/minute/second)")
		return true
	}
	bound := ""
	if len(args) == 3 {
		if !w.is(args[2].from, "FLOOR", "CEIL") || args[2].to != args[2].from+1 {
			return false
		}
		bound = ", " + lake.QuoteString(strings.ToLower(w.toks[args[2].from].Text))
	}
	w.put(i, "CAST("+macro("time_slice")+"(")
	w.time(args[0])
	return w.wrap(i, ", ", args[1:2], bound+") AS DATE)")
}

// dateTrunc converts a literal or parameter, whose type is open, to a DATETIME.
func (w *writer) dateTrunc(i int, args []arg) bool {
	if len(args) != 2 {
		return false
	}
	a := args[1]
	if k := w.kind(a.from); a.to > a.from+1 || k != syntax.String && k != syntax.Param {
		if a.to-a.from > maxRepeat {
			return w.wrap(i, macro("any_date_trunc")+"(", args, ")")
		}
		return w.wrap(i, macro("date_trunc")+"(", []arg{args[0], a, a}, ", NULL)")
	}
	w.put(i, "date_trunc(")
	w.arg(args[0])
	return w.wrap(i, ", "+macro("ts")+"(", args[1:], "))")
}

func (w *writer) isNull(i int, args []arg) bool {
	return len(args) == 1 && w.wrap(i, "((", args, ") IS NULL)")
}

func (w *writer) isNotNull(i int, args []arg) bool {
	return len(args) == 1 && w.wrap(i, "((", args, ") IS NOT NULL)")
}

// extreme writes greatest and least, which are NULL if any argument is. Long
// arguments are written once only.
func (w *writer) extreme(i int, args []arg, order string) bool {
	if len(args) == 0 {
		return false
	}
	short := !slices.ContainsFunc(args, func(a arg) bool { return w.path(a.from, a.to) != a.to && w.literal(a.from, a.to) != a.to })
	if !short {
		return w.wrap(i, "list_sort([", args, "], '"+order+"', 'NULLS FIRST')[1]")
	}
	asText := sameTypes(w, args)
	w.put(i, "CASE WHEN ")
	for n, a := range args {
		if n > 0 {
			w.put(i, " AND ")
		}
		w.wrap(i, "", []arg{a}, " IS NOT NULL")
	}
	w.put(i, " THEN "+strings.ToLower(w.toks[i].Text)+"(")
	for n, a := range args {
		if n > 0 {
			w.put(i, ", ")
		}
		if asText {
			w.asText(a)
		} else {
			w.arg(a)
		}
	}
	w.put(i, ") END")
	return true
}

// tableCall drops the wrapper of FROM TABLE(f(..)).
func (w *writer) tableCall(i int, args []arg) bool {
	return len(args) == 1 && w.is(i-1, "FROM", "JOIN", ",", "LATERAL") && w.wrap(i, "", args, "")
}

// substring leaves SUBSTRING(s FROM a FOR b) to DuckDB.
func (w *writer) substring(i int, args []arg) bool {
	return len(args) == 1 && w.wrap(i, "substring(", args, ")")
}

// distinctAgg writes an aggregate over distinct values.
func distinctAgg(name string) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		return len(args) > 0 && w.wrap(i, name+"(DISTINCT ", args, ")")
	}
}

func (w *writer) md5sum(i int, args []arg) bool {
	if len(args) == 0 {
		return false
	}
	w.put(i, "md5(concat(")
	w.list(args)
	w.put(i, "))")
	return true
}

// percentileApprox drops the compression, StarRocks' third argument.
func (w *writer) percentileApprox(i int, args []arg) bool {
	if len(args) < 2 {
		return false
	}
	w.wrap(i, "approx_quantile(CAST(", args[:1], " AS DOUBLE), ")
	return w.wrap(i, "", args[1:2], ")")
}
