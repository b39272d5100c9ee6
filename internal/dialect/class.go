package dialect

import (
	"maps"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/syntax"
)

// class is what decides how a value is converted where it meets another.
type class uint8

const (
	unknown class = iota
	nothing       // NULL
	textual
	exact    // integers and decimals
	floating // FLOAT and DOUBLE
	truth    // BOOLEAN
	temporal // DATE and DATETIME
	document // JSON
	other    // bytes, nested
)

func (c class) isNumber() bool { return c == exact || c == floating }

// classOfType gives the class of a column's type.
func classOfType(t lake.Type) class {
	switch k := t.Kind; {
	case k == lake.Varchar || k == lake.Enum:
		return textual
	case k == lake.Float || k == lake.Double:
		return floating
	case k >= lake.TinyInt && k <= lake.UHugeInt || k == lake.Decimal:
		return exact
	case k == lake.Boolean:
		return truth
	case k == lake.Date || k == lake.Timestamp || k == lake.TimestampS || k == lake.TimestampMS || k == lake.TimestampNS:
		return temporal
	case k == lake.JSON:
		return document
	}
	return other
}

// columns gives the class of each name that means the same wherever the query
// may use it. The tokens do not tell which table a name is of, so that a name
// counts only if the columns of all the query's tables and all its aliases that
// have it agree.
func (w *writer) columns() map[string]class {
	if w.known != nil || w.o.Tables == nil {
		return w.known
	}
	w.known = map[string]class{}
	if w.mixesNames() {
		return w.known
	}
	for _, t := range w.o.Tables {
		for _, c := range t.Columns {
			w.learn(w.known, c.Name, classOfType(c.Type))
		}
	}
	// An alias is learned while all of them are unknown, for it may be of another.
	tables, defined := w.known, map[string][]int{}
	w.known = maps.Clone(tables)
	for i := range w.toks {
		if name, ok := w.defines(i); ok && !w.aliasesItself(i) {
			defined[strings.ToLower(name)] = append(defined[strings.ToLower(name)], i)
			w.known[strings.ToLower(name)] = unknown
		}
	}
	for name, at := range defined {
		for _, i := range at {
			w.learn(tables, name, w.aliased(i))
		}
	}
	w.known = tables
	return w.known
}

// learn notes one meaning of a name; two that differ make it unknown.
func (w *writer) learn(known map[string]class, name string, c class) {
	name = strings.ToLower(name)
	if before, met := known[name]; met && before != c {
		c = unknown
	}
	known[name] = c
}

// mixesNames tells whether names of the query may stand for columns of another
// type: those of a UNION inside it are of both sides, a PIVOT makes its own, and
// some table functions have columns of their own.
func (w *writer) mixesNames() bool {
	depth, ctes := 0, w.is(0, "WITH")
	for i, t := range w.toks {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case w.is(i, "UNION", "EXCEPT", "INTERSECT", "MINUS") && (depth > 0 || ctes) && !w.is(i-1, "*"):
			return true
		case w.is(i, "JSON_EACH", "UNPIVOT", "RENAME"):
			return true
		}
	}
	return w.pivots()
}

// defines gives the name that the token at i gives to something: an alias, with
// AS or without, one of a list of columns, or a parameter of a lambda.
func (w *writer) defines(i int) (string, bool) {
	if k := w.kind(i); k != syntax.Word && k != syntax.Quoted && k != syntax.String {
		return "", false
	}
	name := w.toks[i].Value()
	switch {
	case w.namesTable(i):
		return "", false
	case w.is(i-1, "AS"), w.is(i+1, "->") && w.kind(i+2) != syntax.String:
		return name, true
	case w.kind(i) == syntax.String:
		return name, w.isAlias(i)
	case w.is(i-1, ")", "]") || w.kind(i-1) == syntax.Quoted || w.kind(i-1) == syntax.Number || w.kind(i-1) == syntax.String,
		w.kind(i-1) == syntax.Word && w.isName(i-1):
		return name, w.isName(i)
	case w.is(i-1, "(", ",") && w.is(i+1, ")", ",", "->"):
		return name, w.inColumnList(i)
	}
	return "", false
}

// namesTable tells whether the alias at i is of an item of FROM.
func (w *writer) namesTable(i int) bool {
	n := i - 1
	if w.is(n, "AS") {
		n--
	}
	if n > 0 && w.match[n] >= 0 && w.match[n] < n {
		n = w.match[n]
		return w.is(n-1, "FROM", "JOIN", "LATERAL")
	}
	for w.is(n-1, ".") {
		n -= 2
	}
	return w.is(n-1, "FROM", "JOIN", "LATERAL")
}

// aliasesItself tells whether the alias at i is the name of the column that it
// stands for: t.a AS a.
func (w *writer) aliasesItself(i int) bool {
	if !w.is(i-1, "AS") {
		return false
	}
	from := w.aliasedFrom(i)
	return i >= 2 && w.path(from, i-1) == i-1 && strings.EqualFold(w.toks[i-2].Value(), w.toks[i].Value())
}

// inColumnList tells whether the name at i stands in a list of names that
// follows a name: t(a, b). That may be a call, whose arguments it takes for
// definitions: a name less is known.
func (w *writer) inColumnList(i int) bool {
	open := i - 1
	for open >= 0 && !w.is(open, "(") {
		if !w.is(open, ",") && w.kind(open) != syntax.Word && w.kind(open) != syntax.Quoted {
			return false
		}
		open--
	}
	if open < 0 {
		return false
	}
	if w.is(w.match[open]+1, "->") {
		return true
	}
	table := open - 1
	k := w.kind(table)
	if k != syntax.Word && k != syntax.Quoted || k == syntax.Word && !w.isName(table) {
		return false
	}
	return w.is(table-1, "AS", ")", "WITH", "RECURSIVE") || w.kind(table-1) == syntax.Word && w.isName(table-1) || w.is(w.match[open]+1, "AS") && w.is(w.match[open]+2, "(", "MATERIALIZED", "NOT")
}

// aliased gives the class of the expression that the alias at i names.
func (w *writer) aliased(i int) class {
	if !w.is(i-1, "AS") {
		return unknown
	}
	return w.classOf(arg{w.aliasedFrom(i), i - 1})
}

// aliasedFrom gives where the expression before AS begins.
func (w *writer) aliasedFrom(i int) int {
	from := i - 1
	for from > 0 && !w.is(from-1, ",", "(", "SELECT", "DISTINCT", "ALL", "FROM", "JOIN", "LATERAL") {
		if from--; w.match[from] >= 0 && w.match[from] < from {
			from = w.match[from]
		}
	}
	return from
}

// resultCalls are calls whose result is of a class by itself, passCalls those
// that give one of their first argument, joinCalls one of them all.
var (
	resultCalls = map[string]class{}
	passCalls   = set("min max any_value first_value last_value lag lead max_by min_by")
	joinCalls   = set("coalesce ifnull nvl greatest least")
)

func init() {
	for name := range textCalls {
		resultCalls[name] = textual
	}
	for name := range timeCalls {
		resultCalls[name] = temporal
	}
	for name := range strings.FieldsSeq(`count length char_length year month day hour minute second quarter week dayofweek dayofmonth dayofyear weekofyear
		datediff timestampdiff days_diff unix_timestamp instr locate ascii floor ceil row_number rank dense_rank ntile approx_count_distinct ndv
		get_json_int array_length crc32 to_days`) {
		resultCalls[name] = exact
	}
	for name := range strings.FieldsSeq("sqrt exp ln log log2 log10 pow power rand random get_json_double stddev variance percentile_approx pi e") {
		resultCalls[name] = floating
	}
}

// classOf gives the class of an expression, unknown where its text does not
// tell it.
func (w *writer) classOf(a arg) class {
	if a.from >= a.to {
		return unknown
	}
	switch t := w.toks[a.from]; {
	case a.to == a.from+1 && t.Kind == syntax.String:
		return textual
	case w.literal(a.from, a.to) == a.to && strings.ContainsAny(w.toks[a.to-1].Text, "eE"):
		return floating
	case w.literal(a.from, a.to) == a.to:
		return exact
	case w.isNullWord(a):
		return nothing
	case a.to == a.from+1 && w.is(a.from, "TRUE", "FALSE"):
		return truth
	case t.Is("(") && w.match[a.from] == a.to-1 && !w.is(a.from+1, "SELECT", "WITH"):
		return w.classOf(arg{a.from + 1, a.to - 1})
	case w.path(a.from, a.to) == a.to:
		return w.classOfColumn(a)
	}
	return w.classOfCall(a)
}

// classOfColumn gives the class of a plain column. A dotted name whose head is
// a column itself is a field of it.
func (w *writer) classOfColumn(a arg) class {
	known := w.columns()
	if w.o.Tables == nil {
		w.res.Typed = true
		return unknown
	}
	if _, ok := w.subst[w.toks[a.from].Value()]; ok {
		return unknown
	}
	if len(known) > 0 && a.to == a.from+3 {
		if t := w.tableOf(w.toks[a.from].Value()); t != nil {
			return t.class(w.toks[a.from+2].Value())
		}
	}
	if _, isColumn := known[strings.ToLower(w.toks[a.from].Value())]; isColumn && a.to > a.from+1 {
		return unknown
	}
	return known[strings.ToLower(w.toks[a.to-1].Value())]
}

// tableOf gives the only table that the query calls so, nil if it calls
// something else so as well.
func (w *writer) tableOf(name string) *Table {
	var found *Table
	for i := range w.o.Tables {
		if t := &w.o.Tables[i]; strings.EqualFold(t.Name, name) {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	named := 0
	for i, t := range w.toks {
		if strings.EqualFold(t.Value(), name) && !w.is(i+1, ".") {
			named++
		}
	}
	if named != 1 || w.isDerived(name) {
		return nil
	}
	return found
}

// isDerived tells whether the name is one of a subquery in FROM.
func (w *writer) isDerived(name string) bool {
	for i, t := range w.toks {
		if strings.EqualFold(t.Value(), name) && (w.is(i-1, ")") || w.is(i-1, "AS") && w.is(i-2, ")") || w.is(i+1, "AS") && w.is(i+2, "(")) {
			return true
		}
	}
	return false
}

func (t *Table) class(column string) class {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, column) {
			return classOfType(c.Type)
		}
	}
	return unknown
}

// classOfCall gives the class of a call, with its OVER and FILTER.
func (w *writer) classOfCall(a arg) class {
	if w.kind(a.from) != syntax.Word || !w.is(a.from+1, "(") {
		return unknown
	}
	shut := w.match[a.from+1]
	for end := shut + 1; end < a.to; end++ {
		if !w.is(end, "OVER", "FILTER") || w.match[end+1] <= end {
			return unknown
		}
		end = w.match[end+1]
	}
	args := w.args(a.from+1, shut)
	switch name := strings.ToLower(w.toks[a.from].Text); {
	case resultCalls[name] != unknown:
		return resultCalls[name]
	case passCalls[name] && len(args) > 0:
		return w.classOf(args[0])
	case joinCalls[name]:
		return w.common(args)
	case name == "if" && len(args) == 3:
		return w.common(args[1:])
	case name == "cast" || name == "try_cast":
		return w.classOfCast(shut, arg{a.from + 2, shut})
	}
	return unknown
}

// common gives the class that arguments have as results of one expression.
func (w *writer) common(args []arg) class {
	all, open := nothing, false
	for _, a := range args {
		switch c := w.classOf(a); {
		case c == textual:
			return textual
		case c == unknown:
			open = true
		case c == nothing || c == all:
		case all == nothing:
			all = c
		case all.isNumber() && c.isNumber():
			all = floating
		default:
			open = true
		}
	}
	if open {
		return unknown
	}
	return all
}

func (w *writer) classOfCast(shut int, a arg) class {
	as := w.find(a.from, a.to, "AS")
	if as+1 >= shut {
		return unknown
	}
	t, err := syntax.ParseType(w.text[w.toks[as+1].Pos:w.toks[shut-1].End])
	if err != nil {
		return unknown
	}
	typ, err := TypeOf(t)
	if err != nil {
		return unknown
	}
	return classOfType(typ)
}
