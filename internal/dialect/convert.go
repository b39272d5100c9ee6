package dialect

import (
	"slices"
	"strings"

	"lakeport/internal/syntax"
)

// StarRocks converts strings, numbers and dates into each other where an
// operator or function asks for it, and what cannot be converted is NULL. The
// engine converts only literals, and fails. The tokens do not tell a column's
// type, so the rules below hand a plain column to a macro that has an overload
// for each type that needs care: for any other it is the column itself, as it
// is where the engine cannot tell a type (an alias of the same select list, a
// column of an outer query).

// path gives the end of the plain column at i: names with dots between; i if
// something else stands there.
func (w *writer) path(i, end int) int {
	if i >= end || !w.isName(i) {
		return i
	}
	n := i + 1
	for n+1 < end && w.is(n, ".") && (w.kind(n+1) == syntax.Word || w.kind(n+1) == syntax.Quoted) {
		n += 2
	}
	if w.is(n, "(", "[", "{", ".", "::", ":", "->>") || w.is(n, "->") || w.kind(n) == syntax.String {
		return i
	}
	return n
}

// values are words that stand for a value or begin an expression.
var values = set(`NULL TRUE FALSE DEFAULT UNKNOWN CASE EXISTS NOT INTERVAL ARRAY MAP ROW BINARY CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME
	LOCALTIMESTAMP CURRENT_USER SESSION_USER CURRENT_ROLE ANY ALL SOME REPLACE EXCLUDE EXCEPT RENAME LAMBDA PRECEDING FOLLOWING`)

func (w *writer) isName(i int) bool {
	if w.kind(i) == syntax.Quoted {
		return true
	}
	if w.kind(i) != syntax.Word {
		return false
	}
	word := strings.ToUpper(w.toks[i].Text)
	return !isNumeral(word) && !values[word] && !clauseWords[word] && !operandWords[word] && !comparisons[word]
}

// isNumeral tells whether a word is a number of DuckDB's: 1_000.
func isNumeral(word string) bool { return strings.Trim(word, "0123456789_") == "" && word[0] != '_' }

// timeArgs are the macros that take dates or times, and at which arguments.
var timeArgs = map[string][]int{macro("datediff"): {0, 1}, macro("timediff"): {0, 1}, macro("date_diff"): {1, 2}, macro("timestampdiff"): {1, 2}, macro("timestampadd"): {2}}

func init() {
	for name := range strings.FieldsSeq(`to_date to_ts year quarter month day hour minute second microsecond dayofyear dayofweek dayofweek_iso weekday weekofyear
		dayname monthname to_days last_day next_day previous_day week yearweek time_slice unix_timestamp to_iso8601`) {
		timeArgs[macro(name)] = []int{0}
	}
}

// times writes arguments, those at the indices as dates or times.
func (w *writer) times(args []arg, at []int) {
	for n, a := range args {
		if n > 0 {
			w.put(a.from, ", ")
		}
		if slices.Contains(at, n) {
			w.time(a)
		} else {
			w.arg(a)
		}
	}
}

// time writes an argument as a DATE or TIMESTAMP.
func (w *writer) time(a arg) {
	switch {
	case a.from == a.to:
	case w.path(a.from, a.to) == a.to:
		w.typed(a.from, "time", a)
	case w.givesTime(a):
		w.arg(a)
	default:
		w.wrap(a.from, macro("ts")+"(", []arg{a}, ")")
	}
}

// timeCalls are calls that give a DATE or TIMESTAMP.
var timeCalls = set(`now current_timestamp curdate current_date date to_date timestamp date_add date_sub adddate subdate last_day next_day previous_day
	str_to_date str2date from_days date_trunc add_months days_add days_sub months_add months_sub years_add years_sub weeks_add weeks_sub hours_add
	hours_sub minutes_add minutes_sub seconds_add seconds_sub timestampadd makedate to_datetime convert_tz`)

// givesTime tells whether the argument is a literal or call that gives a DATE or
// TIMESTAMP.
func (w *writer) givesTime(a arg) bool {
	if a.to == a.from+2 && w.is(a.from, "DATE", "DATETIME", "TIMESTAMP") && w.kind(a.from+1) == syntax.String {
		return true
	}
	return w.kind(a.from) == syntax.Word && w.is(a.from+1, "(") && w.match[a.from+1]+1 == a.to && timeCalls[strings.ToLower(w.toks[a.from].Text)]
}

// textArgs makes strings of a function's first n arguments.
func textArgs(name string, n int) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		if len(args) < n || w.is(i+2, "DISTINCT", "BOTH", "LEADING", "TRAILING") || w.find(i+2, w.match[i+1], "FROM") < w.match[i+1] || w.find(i+2, w.match[i+1], ":=") < w.match[i+1] {
			return false
		}
		w.put(i, name+"(")
		for k, a := range args {
			if k > 0 {
				w.put(a.from, ", ")
			}
			if k < n {
				w.asText(a)
			} else {
				w.arg(a)
			}
		}
		w.put(i, ")")
		return true
	}
}

// numberArg makes a number of a function's only string.
func numberArg(name string) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		if len(args) == 0 || w.kind(args[0].from) != syntax.String || args[0].to != args[0].from+1 {
			return false
		}
		to := name
		if macroNames[name] {
			to = macro(name)
		}
		w.put(i, to+"(TRY_CAST(")
		w.arg(args[0])
		w.put(i, " AS DOUBLE)")
		for _, a := range args[1:] {
			w.put(a.from, ", ")
			w.arg(a)
		}
		w.put(i, ")")
		return true
	}
}

// sameType writes coalesce(x, 'a') and its like: with a string among the
// results, all are strings. From on stand the results.
func sameType(name string, from int) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		mixed := len(args) > from && sameTypes(w, args[from:])
		if !mixed && w.toks[i].Is(name) {
			return false
		}
		w.put(i, name+"(")
		for k, a := range args {
			if k > 0 {
				w.put(a.from, ", ")
			}
			if k < from || !mixed {
				w.arg(a)
			} else {
				w.asText(a)
			}
		}
		w.put(i, ")")
		return true
	}
}

// sameTypes tells whether the arguments are made strings for they are of
// strings and others, or of numbers and dates.
func sameTypes(w *writer, args []arg) bool {
	texts, numbers, times, rest := 0, 0, 0, 0
	for _, a := range args {
		switch c := w.classOf(a); {
		case c == textual:
			texts++
		case c.isNumber():
			numbers++
		case c == temporal:
			times++
		case c != nothing:
			rest++
		}
	}
	return texts > 0 && numbers+times+rest > 0 || numbers > 0 && times > 0
}

// isText tells whether the argument is known to be a string.
func (w *writer) isText(a arg) bool { return w.classOf(a) == textual }

// isNull tells whether the argument is the word NULL.
func (w *writer) isNullWord(a arg) bool { return a.to == a.from+1 && w.is(a.from, "NULL") }

// caseResults writes CASE .. END whose results, or operand and values, are
// strings and others.
func (w *writer) caseResults(i, end int) int {
	stop := w.caseEnd(i, end)
	if !w.is(stop-1, "END") || stop > end {
		return i
	}
	results, compared := []arg(nil), []arg(nil)
	if !w.is(i+1, "WHEN") {
		compared = append(compared, arg{i + 1, w.find(i+1, stop, "WHEN")})
	}
	for n := i + 1; n < stop-1; n++ {
		switch {
		case w.is(n, "CASE"):
			n = w.caseEnd(n, stop-1) - 1
		case w.match[n] > n:
			n = w.match[n]
		case w.is(n, "WHEN") && compared != nil:
			to := w.find(n+1, stop, "THEN")
			compared = append(compared, arg{n + 1, to})
			n = to - 1
		case w.is(n, "THEN", "ELSE"):
			to := n + 1
			for to < stop-1 && !w.is(to, "WHEN", "ELSE") {
				if w.match[to] > to {
					to = w.match[to]
				} else if w.is(to, "CASE") {
					to = w.caseEnd(to, stop-1) - 1
				}
				to++
			}
			results = append(results, arg{n + 1, to})
			n = to - 1
		}
	}
	var mixed []arg
	if compared != nil && sameTypes(w, compared) {
		mixed = append(mixed, compared...)
	}
	if sameTypes(w, results) {
		mixed = append(mixed, results...)
	}
	if mixed == nil {
		return i
	}
	slices.SortFunc(mixed, func(a, b arg) int { return a.from - b.from })
	w.copy(i)
	from := i + 1
	for _, r := range mixed {
		if w.isText(r) || w.isNullWord(r) {
			continue
		}
		w.span(from, r.from)
		w.put(r.from, " ")
		w.asText(r)
		from = r.to
	}
	w.span(from, stop)
	return stop
}
