package dialect

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Functions on JSON. A value is kept as StarRocks prints it (lake.AppendJSON),
// so that equal values have equal texts.

// callJSONForm gives a JSON text as it is kept; NULL for what is no JSON.
func callJSONForm(f *lake.Frame) (bool, error) {
	if !json.Valid(f.Text(0)) {
		return false, nil
	}
	f.Bytes = lake.AppendJSON(f.Bytes, f.Text(0))
	return true, nil
}

// callJSONText is the string that a JSON value is when it is cast: a string
// without its quotes, NULL for null (starrocks.io, "cast").
func callJSONText(f *lake.Frame) (bool, error) {
	text := bytes.TrimSpace(f.Text(0))
	var s string
	switch {
	case string(text) == "null":
		return false, nil
	case len(text) > 0 && text[0] == '"' && json.Unmarshal(text, &s) == nil:
		f.Bytes = append(f.Bytes, s...)
	default:
		f.Bytes = lake.AppendJSON(f.Bytes, text)
	}
	return true, nil
}

// callJSONPretty prints a JSON text on lines, indented by two blanks.
func callJSONPretty(f *lake.Frame) (bool, error) {
	if !json.Valid(f.Text(0)) {
		return false, nil
	}
	var out bytes.Buffer
	if err := json.Indent(&out, lake.AppendJSON(nil, f.Text(0)), "", "  "); err != nil {
		return false, err
	}
	f.Bytes = append(f.Bytes, out.Bytes()...)
	return true, nil
}

// callJSONSet changes a JSON text at paths, each followed by the value's JSON,
// one after the other (starrocks.io, "json_set").
func callJSONSet(f *lake.Frame) (bool, error) {
	doc, ok := parseJSON(f.Text(0))
	if !ok {
		return false, nil
	}
	for n := 1; n+1 < len(f.Args); n += 2 {
		value, ok := parseJSON(f.Text(n + 1))
		if !ok {
			return false, nil
		}
		if steps, ok := jsonSteps(string(f.Text(n))); ok {
			doc = setAt(doc, steps, value)
		}
	}
	return printJSON(f, doc)
}

// callJSONRemove takes what paths lead to out of a JSON text, one after the
// other; a path that leads nowhere is passed over (starrocks.io, "json_remove").
func callJSONRemove(f *lake.Frame) (bool, error) {
	doc, ok := parseJSON(f.Text(0))
	if !ok {
		return false, nil
	}
	for n := 1; n < len(f.Args); n++ {
		if steps, ok := jsonSteps(string(f.Text(n))); ok && len(steps) > 0 {
			doc = removeAt(doc, steps)
		}
	}
	return printJSON(f, doc)
}

func parseJSON(text []byte) (doc any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a number stays as it is written
	return doc, json.Valid(text) && d.Decode(&doc) == nil
}

func printJSON(f *lake.Frame, doc any) (bool, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		return false, err
	}
	f.Bytes = lake.AppendJSON(f.Bytes, out.Bytes())
	return true, nil
}

// step is one step of a path: into the member of an object or, where member is
// false, to an element of an array.
type step struct {
	key    string
	index  int
	member bool
}

// jsonSteps reads a path: $ and then .key, ."key" and [n] any number of times. A
// leading $. may be left out. ok is false for any other path: wildcards and
// ranges change nothing.
func jsonSteps(path string) (steps []step, ok bool) {
	rest := strings.TrimSpace(path)
	if after, rooted := strings.CutPrefix(rest, "$"); rooted {
		rest = after
	} else if rest != "" && rest[0] != '[' {
		rest = "." + rest
	}
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, `."`):
			end := strings.IndexByte(rest[2:], '"')
			if end < 0 {
				return nil, false
			}
			steps, rest = append(steps, step{key: rest[2 : 2+end], member: true}), rest[3+end:]
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			key := rest[1 : 1+end]
			if key == "" || strings.Contains(key, "*") {
				return nil, false
			}
			steps, rest = append(steps, step{key: key, member: true}), rest[1+end:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, false
			}
			n, err := strconv.Atoi(strings.TrimSpace(rest[1:end]))
			if err != nil || n < 0 {
				return nil, false
			}
			steps, rest = append(steps, step{index: n}), rest[end+1:]
		default:
			return nil, false
		}
	}
	return steps, true
}

// setAt gives doc with the value at the end of the steps: in the place of what is
// there, as a new member of an object, or behind the last element of an array.
// Only the last step may lead to something new. The page says that json_set does
// as MySQL's, where a value that is no array is its own element 0.
func setAt(doc any, steps []step, value any) any {
	if len(steps) == 0 {
		return value
	}
	s, last := steps[0], len(steps) == 1
	if s.member {
		if m, is := doc.(map[string]any); is {
			if old, found := m[s.key]; found || last {
				m[s.key] = setAt(old, steps[1:], value)
			}
		}
		return doc
	}
	list, is := doc.([]any)
	switch {
	case is && s.index < len(list):
		list[s.index] = setAt(list[s.index], steps[1:], value)
	case is && last:
		return append(list, value)
	case !is && s.index == 0:
		return setAt(doc, steps[1:], value)
	case !is && last:
		return []any{doc, value}
	}
	return doc
}

// removeAt gives doc without what the steps, at least one, lead to.
func removeAt(doc any, steps []step) any {
	s, last := steps[0], len(steps) == 1
	switch at := doc.(type) {
	case map[string]any:
		old, found := at[s.key]
		switch {
		case !s.member || !found:
		case last:
			delete(at, s.key)
		default:
			at[s.key] = removeAt(old, steps[1:])
		}
	case []any:
		switch {
		case s.member || s.index >= len(at):
		case last:
			return slices.Delete(at, s.index, s.index+1)
		default:
			at[s.index] = removeAt(at[s.index], steps[1:])
		}
	}
	return doc
}

// jsonChange writes json_set(j, path, value, ..) and json_remove(j, path, ..).
func (w *writer) jsonChange(i int, args []arg) bool {
	name := strings.ToLower(w.toks[i].Text)
	set := name == "json_set"
	switch {
	case set && (len(args) < 3 || len(args)%2 == 0):
		w.fail(sqlerr.Invalid, i, "json_set takes a document and pairs of a path and a value, found %d arguments", len(args))
		return true
	case len(args) < 2:
		w.fail(sqlerr.Invalid, i, "json_remove takes a document and at least one path, found %d arguments", len(args))
		return true
	}
	w.put(i, "CAST("+goPrefix+name+"(")
	for n, a := range args {
		switch {
		case n == 0:
			w.wrap(i, "CAST(", []arg{a}, " AS VARCHAR)")
		case set && n%2 == 0:
			w.wrap(i, ", CAST("+macro("json_of")+"(", []arg{a}, ") AS VARCHAR)")
		default:
			w.put(a.from, ", ")
			w.asText(a)
		}
	}
	w.put(i, ") AS JSON)")
	return true
}

// jsonMade writes a call that makes JSON with the members of objects in order.
func (w *writer) jsonMade(i int, args []arg) bool {
	name := strings.ToLower(w.toks[i].Text)
	w.put(i, macro("json_sorted")+"("+name+"(")
	for n, a := range args {
		if n > 0 {
			w.put(a.from, ", ")
		}
		if name != "to_json" || !w.row(a) {
			w.arg(a)
		}
	}
	if name == "json_object" && len(args)%2 == 1 {
		w.put(i, ", NULL")
	}
	w.put(i, "))")
	return true
}

// row writes a call of row or struct with the names that StarRocks gives its
// fields: col1, col2 and so on.
func (w *writer) row(a arg) bool {
	if !w.is(a.from, "ROW", "STRUCT") || !w.is(a.from+1, "(") || w.match[a.from+1]+1 != a.to || a.to == a.from+3 {
		return false
	}
	w.put(a.from, "struct_pack(")
	end := a.to - 1
	for from, n := a.from+2, 1; from < end; n++ {
		stop := w.argEnd(from, end)
		if n > 1 {
			w.put(from, ", ")
		}
		w.put(from, "col"+strconv.Itoa(n)+" := ")
		w.inner(from, stop)
		from = stop + 1
	}
	w.put(end, ")")
	return true
}

// jsonPath gives a path behind -> as the engine's: StarRocks reads a text without
// $ as a path from the root, whose keys may be quoted and whose dots may be
// escaped (starrocks.io, "parse_json").
func jsonPath(path string) string {
	switch {
	case strings.HasPrefix(path, "$"):
		return path
	case strings.HasPrefix(path, "["):
		return "$" + path
	case strings.Contains(path, `\.`):
		keys := strings.Split(strings.ReplaceAll(path, `\.`, "\x00"), ".")
		for i, k := range keys {
			keys[i] = `."` + strings.ReplaceAll(k, "\x00", ".") + `"`
		}
		return "$" + strings.Join(keys, "")
	}
	return "$." + path
}

// jsonArrows writes the operand with its arrows from..stop behind the index
// first, where the first of them stands. What a path with a wildcard finds is
// one JSON array.
func (w *writer) jsonArrows(i, first, stop int) {
	var wild []int
	for n := first; n < stop; n++ {
		if w.match[n] > n {
			n = w.match[n]
		} else if w.is(n, "->") && w.isPathArrow(n) && strings.Contains(w.toks[n+1].Value(), "*") {
			wild = append(wild, n)
		}
	}
	w.put(i, "("+strings.Repeat("to_json(", len(wild)))
	w.inner(i, first)
	from := first
	for n := first; n < stop; n++ {
		if w.match[n] > n {
			n = w.match[n]
			continue
		}
		if !w.is(n, "->") || !w.isPathArrow(n) { // ->> is the engine's own
			continue
		}
		w.span(from, n+1)
		w.put(n+1, lake.QuoteString(jsonPath(w.toks[n+1].Value())))
		if slices.Contains(wild, n) {
			w.put(n+1, ")")
		}
		n++
		from = n + 1
	}
	w.span(from, stop)
	w.put(stop, ")")
}

func (w *writer) isPathArrow(n int) bool {
	return w.is(n, "->", "->>") && w.kind(n+1) == syntax.String
}

// compareJSON writes a comparison of JSON with a literal, which becomes JSON; what
// is no number in JSON is NULL beside one. It gives left.from for any other.
func (w *writer) compareJSON(left, right arg, end int) int {
	op := left.to
	if !equalities[w.toks[op].Text] && !w.is(op, "<", ">", "<=", ">=") || right.to <= right.from || right.to > end || !w.endsTerm(right.to, end) {
		return left.from
	}
	json := w.givesJSON(left)
	literal := right
	if !json {
		literal = left
	}
	if json == w.givesJSON(right) || w.literal(literal.from, literal.to) != literal.to {
		return left.from
	}
	number, as := w.isNumber(literal.from), "DOUBLE"
	if text := w.toks[literal.to-1].Text; len(text) > 15 && !strings.ContainsAny(text, ".eE") {
		as = "DECIMAL(38, 9)" // a DOUBLE has no room for all its digits
	}
	side := func(a arg) {
		switch isLiteral := a == literal; {
		case number && !isLiteral:
			w.wrap(a.from, "TRY_CAST(CAST(", []arg{a}, " AS VARCHAR) AS "+as+")")
		case !number && isLiteral:
			w.wrap(a.from, macro("json_of")+"(", []arg{a}, ")")
		default:
			w.arg(a)
		}
	}
	side(left)
	w.span(op, op+1)
	w.gap(right.from)
	side(right)
	return right.to
}
