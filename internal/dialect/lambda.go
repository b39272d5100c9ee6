package dialect

import (
	"strconv"
	"strings"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

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

// lambdaCall writes f(lambda, array, ..), whose arrays come first in DuckDB.
// More than one array is zipped; outer is applied to the result.
func lambdaCall(name, outer string) func(w *writer, i int, args []arg) bool {
	return func(w *writer, i int, args []arg) bool {
		if len(args) == 1 && outer != "" {
			return w.wrap(i, outer+"(", args, ")")
		}
		if len(args) < 2 {
			return false
		}
		at := 0
		names, arrow := w.lambdaHead(args[0].from)
		if names == nil {
			at = len(args) - 1
			if names, arrow = w.lambdaHead(args[at].from); names == nil {
				return name == "list_filter" && len(args) == 2 && w.filterByFlags(i, args)
			}
		}
		fn, arrays := args[at], append(append([]arg(nil), args[:at]...), args[at+1:]...)
		if len(names) != len(arrays) {
			w.fail(sqlerr.Invalid, fn.from, "the lambda has %d parameters for %d arrays", len(names), len(arrays))
			return true
		}
		if outer != "" {
			w.put(i, outer+"(")
		}
		w.put(i, name+"(")
		w.zipped(i, arrays)
		w.put(fn.from, ", ")
		w.body(names, arrow, fn.to)
		w.put(i, ")")
		if outer != "" {
			w.put(i, ")")
		}
		return true
	}
}

// zipped writes one array, or several as one array of rows.
func (w *writer) zipped(i int, arrays []arg) {
	if len(arrays) == 1 {
		w.arg(arrays[0])
		return
	}
	w.wrap(i, "list_zip(", arrays, ")")
}

// body writes the lambda after its arrow. Several parameters become the fields
// of one row.
func (w *writer) body(names []string, arrow, end int) {
	if len(names) == 1 {
		w.put(arrow, "lambda "+names[0]+": ")
		w.inner(arrow+1, end)
		return
	}
	row := "row_" + strings.Trim(strings.Join(names, "_"), `"`)
	w.fields(row, names, func(n int) string { return row + "[" + string(rune('1'+n)) + "]" }, arrow, end)
}

// fields writes lambda row: e with the names in e replaced by parts of the row.
func (w *writer) fields(row string, names []string, part func(n int) string, arrow, end int) {
	outer := w.subst
	w.subst = map[string]string{}
	for k, v := range outer {
		w.subst[k] = v
	}
	for n, name := range names {
		w.subst[name] = part(n)
	}
	w.put(arrow, "lambda "+row+": ")
	w.inner(arrow+1, end)
	w.subst = outer
}

// filterByFlags writes array_filter(array, flags).
func (w *writer) filterByFlags(i int, args []arg) bool {
	w.wrap(i, "list_transform(list_filter(list_zip(", args, "), lambda z: z[2]), lambda z: z[1])")
	return true
}

// arraySortBy writes array_sortby(lambda, array); with two arrays it is a macro.
func (w *writer) arraySortBy(i int, args []arg) bool {
	if len(args) > 2 {
		w.put(i, "list_transform(list_sort(list_zip(")
		w.list(args[1:])
		w.put(i, ", ")
		w.arg(args[0])
		w.put(i, "), 'ASC', 'NULLS FIRST'), lambda z: z["+strconv.Itoa(len(args))+"])")
		return true
	}
	names, arrow := []string(nil), 0
	if len(args) == 2 {
		names, arrow = w.lambdaHead(args[0].from)
	}
	if len(names) != 1 {
		return false
	}
	w.put(i, macro("array_sortby")+"(")
	w.arg(args[1])
	w.put(i, ", list_transform(")
	w.arg(args[1])
	w.put(i, ", ")
	w.body(names, arrow, args[0].to)
	w.put(i, "))")
	return true
}

// mapFilter writes map_filter((k, v) -> e, map).
func (w *writer) mapFilter(i int, args []arg) bool {
	names, arrow, end, m := w.mapLambda(args)
	if names == nil {
		return false
	}
	w.put(i, "map_from_entries(list_filter(map_entries(")
	w.arg(m)
	w.put(i, "), ")
	w.entryFields(names, arrow, end)
	w.put(i, "))")
	return true
}

// mapTransform writes transform_keys, transform_values and map_apply, whose
// lambda gives a new key, a new value or a map of one entry.
func (w *writer) mapTransform(i int, args []arg) bool {
	names, arrow, end, m := w.mapLambda(args)
	if names == nil {
		return false
	}
	before, after := "{'k': (", "), 'v': entry_row.value}"
	switch strings.ToLower(w.toks[i].Text) {
	case "transform_values":
		before, after = "{'k': entry_row.key, 'v': (", ")}"
	case "map_apply":
		before, after = "map_entries(", ")[1]"
	}
	w.put(i, "map_from_entries(list_transform(map_entries(")
	w.arg(m)
	w.put(i, "), lambda entry_row: ")
	if pair := w.args(arrow+1, end-1); w.is(i, "MAP_APPLY") && w.is(arrow+1, "(") && w.match[arrow+1] == end-1 && len(pair) == 2 {
		w.put(i, "{'k': (")
		w.entryBody(names, pair[0].from-1, pair[0].to)
		w.put(i, "), 'v': (")
		w.entryBody(names, pair[1].from-1, pair[1].to)
		w.put(i, ")}))")
		return true
	}
	w.put(i, before)
	w.entryBody(names, arrow, end)
	w.put(i, after+"))")
	return true
}

// mapLambda gives the parameters, the arrow and the end of the lambda among two
// arguments, and the other argument, a map.
func (w *writer) mapLambda(args []arg) (names []string, arrow, end int, m arg) {
	if len(args) != 2 {
		return nil, 0, 0, arg{}
	}
	for n, a := range args {
		if names, arrow = w.lambdaHead(a.from); len(names) == 2 {
			return names, arrow, a.to, args[1-n]
		}
	}
	return nil, 0, 0, arg{}
}

func entryPart(n int) string { return [...]string{"entry_row.key", "entry_row.value"}[n] }

func (w *writer) entryFields(names []string, arrow, end int) {
	w.fields("entry_row", names, entryPart, arrow, end)
}

// entryBody writes only the expression of the lambda.
func (w *writer) entryBody(names []string, arrow, end int) {
	outer := w.subst
	w.subst = map[string]string{names[0]: entryPart(0), names[1]: entryPart(1)}
	w.inner(arrow+1, end)
	w.subst = outer
}
