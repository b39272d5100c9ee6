package dialect

import (
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Calls that StarRocks shapes otherwise than the engine.

// timeLetters are the letters of a format that ask for a time of day.
const timeLetters = "HhIiklrSsTfp"

// strToDate writes str_to_date with a literal format that has no time of day,
// which gives a DATE.
func (w *writer) strToDate(i int, args []arg) bool {
	if len(args) != 2 || !w.isLiteral(args[1]) || strings.ContainsAny(w.toks[args[1].from].Value(), timeLetters) {
		return false
	}
	w.put(i, macro("str2date")+"(")
	w.asText(args[0])
	return w.wrap(i, ", ", args[1:], ")")
}

// isLiteral tells whether the argument is a string.
func (w *writer) isLiteral(a arg) bool {
	return a.to == a.from+1 && w.kind(a.from) == syntax.String
}

// rand writes rand(), which takes no seed: its numbers would not be StarRocks'.
func (w *writer) rand(i int, args []arg) bool {
	if len(args) > 0 {
		w.fail(sqlerr.Unsupported, args[0].from, "a seed of %s is not supported", strings.ToLower(w.toks[i].Text))
		return true
	}
	return w.wrap(i, "random(", nil, ")")
}

// countIf writes count_if, whose count is a BIGINT.
func (w *writer) countIf(i int, args []arg) bool {
	return len(args) == 1 && !w.is(args[0].from, "DISTINCT") && w.wrap(i, "count(CASE WHEN ", args, " THEN 1 END)")
}

// arrayIntersect writes array_intersect of any number of arrays.
func (w *writer) arrayIntersect(i int, args []arg) bool {
	if len(args) < 2 {
		return false
	}
	w.put(i, strings.Repeat("list_intersect(", len(args)-1))
	for n, a := range args {
		if n > 0 {
			w.put(a.from, ", ")
		}
		w.arg(a)
		if n > 0 {
			w.put(a.from, ")")
		}
	}
	return true
}

// jsonQuery makes one JSON array of what a path with a wildcard finds.
func (w *writer) jsonQuery(i int, args []arg) bool {
	if len(args) != 2 || !w.isLiteral(args[1]) || !strings.Contains(w.toks[args[1].from].Value(), "*") {
		return false
	}
	return w.wrap(i, "to_json("+macro("json_query")+"(", args, "))")
}

// inFrom tells whether the call at i is an item of FROM.
func (w *writer) inFrom(i int) bool {
	for i--; i >= 0; i-- {
		switch {
		case w.is(i, "FROM", "JOIN", "LATERAL"):
			return true
		case w.is(i, ",", ")", "]") && w.match[i] >= 0 && w.match[i] < i:
			i = w.match[i]
		case w.is(i, "(", "[", "{", "SELECT", "WHERE", "ON", "BY", "HAVING", "VALUES"):
			return w.is(i, "(") && w.is(i-1, "TABLE") && w.inFrom(i-1)
		}
	}
	return false
}

// jsonEach writes the item json_each(j), of keys and values.
func (w *writer) jsonEach(i int, args []arg) bool {
	return len(args) == 1 && w.inFrom(i) && w.wrap(i, "(SELECT key, value FROM json_each(", args, "))")
}

// unnest writes the item unnest(a, b), whose rows are as many as the longest
// array has elements.
func (w *writer) unnest(i int, args []arg) bool {
	if len(args) < 2 || !w.inFrom(i) {
		return false
	}
	w.put(i, "(SELECT ")
	for n, a := range args {
		if n > 0 {
			w.put(i, ", ")
		}
		w.wrap(i, "unnest(", []arg{a}, ")")
	}
	w.put(i, ")")
	return true
}

// extract writes EXTRACT(unit FROM x) of a literal or call.
func (w *writer) extract(i int, args []arg) bool {
	if len(args) != 1 || !w.is(i+3, "FROM") || i+4 >= args[0].to {
		return false
	}
	x := arg{i + 4, args[0].to}
	if k := w.kind(x.from); k != syntax.String || x.to > x.from+1 {
		return false
	}
	w.put(i, "extract("+w.toks[i+2].Value()+" FROM "+macro("ts")+"(")
	w.arg(x)
	w.put(i, "))")
	return true
}

// arrayCalls are calls that give an array.
var arrayCalls = set(`split array_agg array_append array_concat array_distinct array_filter array_flatten array_generate array_intersect array_map transform
	array_remove array_repeat array_slice array_sort array_sortby array_top_n map_keys map_values bitmap_to_array regexp_extract_all array_agg_distinct
	array_unique_agg array_cum_sum array_difference array`)

// reverse writes reverse of an array, or of a string.
func (w *writer) reverse(i int, args []arg) bool {
	if len(args) != 1 {
		return false
	}
	x := args[0]
	if w.is(x.from, "[", "ARRAY") || w.is(x.from+1, "(") && arrayCalls[strings.ToLower(w.toks[x.from].Text)] {
		return w.wrap(i, "list_reverse(", args, ")")
	}
	return w.wrap(i, macro("reversed")+"(", args, ")")
}

// skipNulls writes a window function with IGNORE NULLS as its last words in the
// brackets: StarRocks has them behind the first argument or behind the brackets.
func (w *writer) skipNulls(i int, args []arg) bool {
	shut := w.match[i+1]
	behind := w.seq(shut+1, "IGNORE", "NULLS")
	if len(args) == 0 {
		return false
	}
	first := args[0]
	inside := first.to-first.from > 2 && w.seq(first.to-2, "IGNORE", "NULLS")
	if !behind && (!inside || len(args) == 1) {
		return false
	}
	if inside {
		first.to -= 2
	}
	w.put(i, w.toks[i].Text+"(")
	w.arg(first)
	for _, a := range args[1:] {
		w.put(a.from, ", ")
		w.arg(a)
	}
	w.put(shut, " IGNORE NULLS)")
	return true
}

// ignore drops the IGNORE NULLS behind a call that skipNulls has written.
func (w *writer) ignore(i, _ int) int {
	if !w.is(i-1, ")") || !w.seq(i, "IGNORE", "NULLS") || !w.is(w.match[i-1]-1, "LEAD", "LAG", "FIRST_VALUE", "LAST_VALUE") {
		return i
	}
	return i + 2
}

// jsonCalls are calls that give JSON.
var jsonCalls = set("parse_json json_query json_object json_array to_json json_keys")

// givesJSON tells whether the argument is JSON by its text, or as a column.
func (w *writer) givesJSON(a arg) bool {
	if w.is(a.from+1, "(") && w.match[a.from+1]+1 == a.to && jsonCalls[strings.ToLower(w.toks[a.from].Text)] {
		return true
	}
	if w.path(a.from, a.to) == a.to {
		return w.o.Tables != nil && w.classOfColumn(a) == document
	}
	return a.to-a.from >= 3 && w.is(a.to-2, "->") && w.kind(a.to-1) == syntax.String && w.operandEnd(a.from, a.to) == a.to
}
