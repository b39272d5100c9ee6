package dialect

import (
	"fmt"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// redshiftNames are functions that DuckDB has under another name.
var redshiftNames = map[string]string{
	"nvl": "coalesce", "isnull": "coalesce", "btrim": "trim", "replicate": "repeat", "approximate_percentile": "approx_quantile", "character_length": "length", "char_length": "length", "octet_length": "strlen",
	"substr": redshiftMacro("substring"), "json_build_object": "json_object", "stddev": "stddev_samp", "variance": "var_samp", "len": "length",
}

// datePartCalls take a date part, which may be a bare word, first.
var datePartCalls = set("dateadd datediff date_add date_diff date_part date_trunc datepart")

// dateParts are Redshift's abbreviations (Database Developer Guide, "Date parts
// for date or timestamp functions").
var dateParts = func() map[string]string {
	m := map[string]string{}
	for _, line := range strings.Split(`year y yr yrs years
quarter qtr qtrs quarters
month mon mons months
week w weeks
day d days
dow dayofweek dw weekday
doy dayofyear dy yearday
hour h hr hrs hours
minute m min mins minutes
second s sec secs seconds
millisecond ms msec msecs msecond mseconds millisec millisecs millisecon milliseconds
microsecond us usec usecs usecond useconds microsec microsecs microsecon microseconds
epoch
decade decs dec decades
century c cent cents centuries
millennium mil mils millennia`, "\n") {
		names := strings.Fields(line)
		for _, n := range names {
			m[n] = names[0]
		}
	}
	return m
}()

// redshiftCall writes the call at i, if Redshift has it otherwise than the
// engine; else it gives i.
func (w *writer) redshiftCall(i int, name string) int {
	stop := w.match[i+1]
	args := w.args(i+1, w.match[i+1])
	switch {
	case datePartCalls[name] && len(args) > 1:
		return w.datePartCall(i, name, args)
	case name == "convert" && len(args) == 2:
		w.put(i, "CAST(")
		w.inner(args[1].from, args[1].to)
		w.put(i, " AS ")
		w.inner(args[0].from, args[0].to)
		w.put(stop, ")")
		return stop + 1
	case name == "collate" && len(args) == 2:
		w.fail(sqlerr.Unsupported, i, "COLLATE as a function is not built yet")
		return stop + 1
	case name == "substring" && len(args) == 1:
		return w.substringFrom(i)
	case ignoring[name] && w.is(stop+1, "IGNORE", "RESPECT") && w.is(stop+2, "NULLS"):
		w.put(i, name+"(")
		w.inner(i+2, stop)
		w.put(stop, " "+strings.ToUpper(w.toks[stop+1].Text)+" NULLS)")
		return stop + 3
	case (name == "percentile_cont" || name == "percentile_disc") && len(args) == 1:
		return w.percentile(i, name, args[0])
	case name == "current_setting" && len(args) == 1 && w.redshift.Literal != nil && w.kind(args[0].from) == syntax.String:
		value, known := w.redshift.Literal("setting", w.toks[args[0].from].Value())
		if !known {
			w.fail(sqlerr.NotFound, args[0].from, "unrecognized configuration parameter \"%s\"", w.toks[args[0].from].Value())
		}
		w.put(i, value)
		return stop + 1
	case name == "decode" && len(args) > 2:
		return w.decode(i, args)
	case name == "listagg":
		return w.listagg(i, args)
	case name == "count" && w.is(i-1, "APPROXIMATE"):
		w.put(i, "approx_count_distinct(")
		from := i + 2
		if w.is(from, "DISTINCT") {
			from++
		}
		w.inner(from, stop)
		w.put(stop, ")")
		return stop + 1
	case name == "pg_get_viewdef" && len(args) > 0:
		w.put(i, "(SELECT v.definition FROM pg_catalog.pg_class AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.relnamespace "+
			"JOIN pg_catalog.pg_views AS v ON v.schemaname = n.nspname AND v.viewname = o.relname WHERE o.oid = (")
		w.inner(args[0].from, args[0].to)
		w.put(stop, "))")
		return stop + 1
	case name == "json_extract_path_text" && len(args) > 1:
		return w.jsonPath(i, args)
	case (name == "array" && !w.is(i+2, "SELECT") || name == "object") && len(args) > 0:
		w.put(i, "json_"+name)
		return i + 1
	case name == "to_number" && len(args) == 2:
		return w.toNumber(i, args)
	case name == "ratio_to_report" && len(args) == 1 && w.is(stop+1, "OVER"):
		return w.ratio(i, args[0])
	case name == "json_parse" && len(args) == 1:
		w.put(i, "CAST(")
		w.inner(args[0].from, args[0].to)
		w.put(stop, " AS JSON)")
		return stop + 1
	}
	if query, known := catalogQueries[name]; known && len(args) > 0 && w.path(args[0].from, args[0].to) == args[0].to {
		if len(args) > 1 {
			query = strings.ReplaceAll(query, "~", lowerASCII(w.text[w.toks[args[1].from].Pos:w.toks[args[1].to-1].End]))
		}
		w.lookUp(i, query, args[0].from, args[0].to)
		return stop + 1
	}
	to := redshiftNames[name]
	if redshiftMacros[name] {
		to = redshiftMacro(name)
	}
	if to == "" {
		return i
	}
	if expr, ok := w.sessionFunction(i, name); ok {
		w.put(i, expr)
		return stop + 1
	}
	w.put(i, to)
	return i + 1
}

// ignoring are the window functions whose IGNORE NULLS stands behind the call;
// the engine's stands in it.
var ignoring = set("first_value last_value nth_value lag lead")

// substringFrom writes substring(x FROM a FOR n) as substring(x, a, n).
func (w *writer) substringFrom(i int) int {
	stop := w.match[i+1]
	from := w.find(i+2, stop, "FROM")
	length := w.find(i+2, stop, "FOR")
	if from == stop || length < from {
		return i
	}
	w.put(i, redshiftMacro("substring")+"(")
	w.inner(i+2, from)
	w.put(from, ", ")
	w.inner(from+1, length)
	if length < stop {
		w.put(length, ", ")
		w.inner(length+1, stop)
	}
	w.put(stop, ")")
	return stop + 1
}

// percentile writes PERCENTILE_CONT(f) WITHIN GROUP (ORDER BY x) OVER (..): the
// engine's has no window.
func (w *writer) percentile(i int, name string, f arg) int {
	stop := w.match[i+1]
	if !w.is(stop+1, "WITHIN") || !w.is(stop+2, "GROUP") || !w.is(stop+3, "(") || !w.is(stop+4, "ORDER") || !w.is(stop+5, "BY") {
		return i
	}
	shut := w.match[stop+3]
	if !w.is(shut+1, "OVER") {
		return i
	}
	to, fraction := shut, "("
	if w.is(shut-1, "ASC") {
		to--
	} else if w.is(shut-1, "DESC") {
		if name == "percentile_disc" {
			w.fail(sqlerr.Unsupported, shut-1, "PERCENTILE_DISC of a descending order is not built yet")
		}
		to, fraction = to-1, "(1 - "
	}
	w.put(i, "quantile_"+strings.TrimPrefix(name, "percentile_")+"(")
	w.inner(stop+6, to)
	w.put(shut, ", "+fraction)
	w.inner(f.from, f.to)
	w.put(shut, "))")
	delete(w.inserts, shut)
	return shut + 1
}

// jsonPath writes json_extract_path_text(s, key, .. [, null_if_invalid]).
func (w *writer) jsonPath(i int, args []arg) int {
	lax := "false"
	if last := args[len(args)-1]; last.to == last.from+1 && w.is(last.from, "TRUE", "FALSE") {
		lax, args = strings.ToLower(w.toks[last.from].Text), args[:len(args)-1]
	}
	w.put(i, redshiftMacro("json_at")+"(CAST(")
	w.inner(args[0].from, args[0].to)
	w.put(i, " AS VARCHAR), [")
	for n, key := range args[1:] {
		if n > 0 {
			w.put(key.from, ", ")
		}
		w.inner(key.from, key.to)
	}
	w.put(w.match[i+1], "], "+lax+")")
	return w.match[i+1] + 1
}

// toNumber writes to_number, whose template tells the type of the result.
func (w *writer) toNumber(i int, args []arg) int {
	template := args[1]
	if template.to != template.from+1 || w.kind(template.from) != syntax.String {
		w.fail(sqlerr.Unsupported, template.from, "a template of TO_NUMBER that is no string is not built yet")
		return w.match[i+1] + 1
	}
	t, err := parseNumberTemplate(w.toks[template.from].Value())
	if err != nil {
		w.fail(sqlerr.Unsupported, template.from, "%v", err)
		return w.match[i+1] + 1
	}
	w.put(i, "CAST(redshift_to_number(")
	w.inner(args[0].from, args[0].to)
	w.put(i, ", "+lake.QuoteString(w.toks[template.from].Value())+fmt.Sprintf(") AS DECIMAL(%d, %d))", min(max(t.before+t.after, 1), 38), t.after))
	return w.match[i+1] + 1
}

// ratio writes ratio_to_report(x) OVER (..): x by the sum of all.
func (w *writer) ratio(i int, x arg) int {
	end := w.match[i+1] + 3
	if w.is(end-1, "(") {
		end = w.match[end-1] + 1
	}
	w.put(i, "(CAST(")
	w.inner(x.from, x.to)
	w.put(i, " AS DOUBLE) / nullif(sum(")
	w.inner(x.from, x.to)
	w.put(i, ")")
	w.span(w.match[i+1]+1, end)
	w.put(end, ", 0))")
	return end
}

func (w *writer) sessionFunction(i int, name string) (string, bool) {
	if w.redshift.Function == nil || !w.is(i+2, ")") {
		return "", false
	}
	return w.redshift.Function(name)
}

// datePartCall writes dateadd(part, n, t) and its kin with the part as a string.
func (w *writer) datePartCall(i int, name string, args []arg) int {
	stop := w.match[i+1]
	part := args[0]
	if part.to != part.from+1 || w.kind(part.from) != syntax.Word && w.kind(part.from) != syntax.String {
		return i
	}
	unit, known := dateParts[strings.ToLower(w.toks[part.from].Value())]
	if !known {
		if w.kind(part.from) == syntax.Word {
			return i // a column
		}
		unit = w.toks[part.from].Value()
	}
	switch name {
	case "date_add":
		name = "dateadd"
	case "date_diff":
		name = "datediff"
	case "datepart":
		name = "date_part"
	}
	if redshiftMacros[name] {
		name = redshiftMacro(name)
	}
	w.put(i, name+"("+lake.QuoteString(unit))
	for _, a := range args[1:] {
		w.put(a.from, ", ")
		w.inner(a.from, a.to)
	}
	w.put(stop, ")")
	return stop + 1
}

// decode writes DECODE(x, s1, r1, .., default), in which NULL equals NULL.
func (w *writer) decode(i int, args []arg) int {
	stop := w.match[i+1]
	w.put(i, "CASE")
	n := 1
	for ; n+1 < len(args); n += 2 {
		w.put(i, " WHEN (")
		w.inner(args[0].from, args[0].to)
		w.put(i, ") IS NOT DISTINCT FROM (")
		w.inner(args[n].from, args[n].to)
		w.put(i, ") THEN ")
		w.inner(args[n+1].from, args[n+1].to)
	}
	if n < len(args) {
		w.put(i, " ELSE ")
		w.inner(args[n].from, args[n].to)
	}
	w.put(stop, " END")
	return stop + 1
}

// listagg writes LISTAGG(x, d) [WITHIN GROUP (ORDER BY ..)]; without d nothing
// stands between the values.
func (w *writer) listagg(i int, args []arg) int {
	stop := w.match[i+1]
	if len(args) == 0 || len(args) > 2 {
		w.fail(sqlerr.Invalid, i, "listagg takes a value and a delimiter")
		return stop + 1
	}
	w.put(i, "string_agg(")
	w.inner(args[0].from, args[0].to)
	if len(args) == 2 {
		w.put(i, ", ")
		w.inner(args[1].from, args[1].to)
	} else {
		w.put(i, ", ''")
	}
	if w.is(stop+1, "WITHIN") && w.is(stop+2, "GROUP") && w.is(stop+3, "(") {
		w.put(stop+4, " ")
		end := w.match[stop+3]
		w.inner(stop+4, end)
		w.put(end, w.inserts[end])
		delete(w.inserts, end)
		stop = end
	}
	w.put(stop, ")")
	return stop + 1
}
