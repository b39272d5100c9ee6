package session

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// partition is one partition that CREATE TABLE lists. The rows that belong to
// it are those for which Where holds; a row that belongs to none is refused.
type partition struct {
	Name   string `json:"name"`
	Values string `json:"values"` // as SHOW PARTITIONS tells the range
	Where  string `json:"where"`  // in the engine's SQL
}

// maxPartitions is StarRocks' limit for one START … END … EVERY.
const maxPartitions = 4096

// listed reads the partitions of a RANGE or LIST clause.
type listed struct {
	text   string // of the statement, for positions
	column string // quoted
	typ    lake.Type
	kind   string
	items  []string // quoted columns of LIST
	below  string   // upper bound of the partition before, "" at first
	out    []partition
}

// partitionsOf gives the partitions that the clause lists; nil if it lists none.
func partitionsOf(st *syntax.CreateTable, types map[string]lake.Type, text string) ([]partition, error) {
	by := st.PartitionBy
	if by == nil || len(by.Definitions) == 0 {
		return nil, nil
	}
	l := &listed{text: text, kind: by.Kind}
	for _, it := range by.Items {
		name, _ := it.Literal()
		typ, found := types[strings.ToLower(name)]
		if !found {
			return nil, sqlerr.New(sqlerr.NotFound, "Unknown column '%s' in PARTITION BY", it.Text).With(sqlerr.BadColumn).WithPos(text, int(it.Pos))
		}
		l.items = append(l.items, lake.QuoteName(name))
		l.column, l.typ = lake.QuoteName(name), typ
	}
	if l.kind == "RANGE" && len(l.items) > 1 {
		return nil, sqlerr.New(sqlerr.Unsupported, "RANGE partitions over several columns are not built yet").WithPos(text, int(by.Pos))
	}
	for _, d := range by.Definitions {
		if err := l.define(d); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for _, p := range l.out {
		if seen[strings.ToLower(p.Name)] {
			return nil, sqlerr.New(sqlerr.Invalid, "Duplicate partition name %s", p.Name).WithPos(text, int(by.Pos))
		}
		seen[strings.ToLower(p.Name)] = true
	}
	return l.out, nil
}

func (l *listed) fail(d syntax.PartitionDef, format string, args ...any) error {
	return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(l.text, int(d.Pos))
}

func (l *listed) define(d syntax.PartitionDef) error {
	toks, err := syntax.Scan(d.Values.Text, syntax.StarRocks)
	if err != nil {
		return err
	}
	at := func(i int, s string) bool { return i < len(toks) && toks[i].Is(s) }
	values := literals(toks)
	switch {
	case at(0, "START"):
		return l.every(d, toks, values)
	case l.kind == "LIST" && at(1, "IN"):
		return l.in(d, values)
	case l.kind == "RANGE" && at(1, "LESS"):
		return l.lessThan(d, values, at(len(toks)-1, "MAXVALUE") || at(4, "MAXVALUE"))
	case l.kind == "RANGE" && at(1, "[") && len(values) == 2:
		l.between(d.Name.Name, valuesText(d), l.cast(values[0]), l.cast(values[1]))
		return nil
	}
	return l.fail(d, "partition %s does not fit PARTITION BY %s", d.Name.Name, l.kind)
}

// literals gives the strings and numbers among tokens.
func literals(toks []syntax.Token) []string {
	var out []string
	for i, t := range toks {
		switch t.Kind {
		case syntax.String:
			out = append(out, t.Value())
		case syntax.Number:
			sign := ""
			if i > 0 && toks[i-1].Is("-") {
				sign = "-"
			}
			out = append(out, sign+t.Value())
		}
	}
	return out
}

// valuesText is what follows the word VALUES, as written.
func valuesText(d syntax.PartitionDef) string {
	return strings.TrimSpace(d.Values.Text[len("VALUES"):])
}

func (l *listed) cast(v string) string {
	return "CAST(" + lake.QuoteString(v) + " AS " + l.typ.String() + ")"
}

func (l *listed) between(name, values, low, high string) {
	l.out = append(l.out, partition{name, values, fmt.Sprintf("%s >= %s AND %s < %s", l.column, low, l.column, high)})
	l.below = high
}

// lessThan begins where the partition before ends; the first takes NULL too.
func (l *listed) lessThan(d syntax.PartitionDef, values []string, max bool) error {
	if !max && len(values) != 1 {
		return l.fail(d, "partition %s needs one upper bound", d.Name.Name)
	}
	var where []string
	if l.below != "" {
		where = append(where, l.column+" >= "+l.below)
	}
	high := ""
	if !max {
		high = l.cast(values[0])
		where = append(where, l.column+" < "+high)
	}
	text := strings.Join(where, " AND ")
	if l.below == "" {
		text = "(" + l.column + " IS NULL OR " + strings.Join(append(where, "true"), " AND ") + ")"
	}
	l.out = append(l.out, partition{d.Name.Name, valuesText(d), text})
	l.below = high
	return nil
}

func (l *listed) in(d syntax.PartitionDef, values []string) error {
	n := len(l.items)
	if len(values) == 0 || len(values)%n != 0 {
		return l.fail(d, "partition %s needs values for %d columns", d.Name.Name, n)
	}
	var where []string
	for i := 0; i < len(values); i += n {
		var same []string
		for j, col := range l.items {
			same = append(same, col+" = "+lake.QuoteString(values[i+j]))
		}
		where = append(where, "("+strings.Join(same, " AND ")+")")
	}
	l.out = append(l.out, partition{d.Name.Name, valuesText(d), "(" + strings.Join(where, " OR ") + ")"})
	return nil
}

// every expands START … END … EVERY with StarRocks' names: p20240101 for days,
// p202401 for months, p2024 for years, p7 for numbers.
func (l *listed) every(d syntax.PartitionDef, toks []syntax.Token, values []string) error {
	if l.kind != "RANGE" || len(values) < 2 {
		return l.fail(d, "START and END need one value each")
	}
	step, unit := 1, ""
	if len(values) > 2 {
		n, err := strconv.Atoi(values[2])
		if err != nil || n < 1 {
			return l.fail(d, "EVERY needs a positive number, found %q", values[2])
		}
		step = n
	}
	for _, u := range []string{"HOUR", "DAY", "WEEK", "MONTH", "YEAR"} {
		for _, t := range toks {
			if t.Is(u) {
				unit = u
			}
		}
	}
	if unit == "" {
		return l.numbers(d, values[0], values[1], step)
	}
	from, err1 := time.Parse(dateForm(values[0]), values[0])
	to, err2 := time.Parse(dateForm(values[1]), values[1])
	if err1 != nil || err2 != nil || !from.Before(to) {
		return l.fail(d, "START %q and END %q are not two dates in order", values[0], values[1])
	}
	for ; from.Before(to); from = advance(from, unit, step) {
		next := advance(from, unit, step)
		if next.After(to) {
			next = to
		}
		low, high := from.Format(time.DateTime), next.Format(time.DateTime)
		l.between(partitionNameOf(from, unit), fmt.Sprintf("[(%q), (%q))", low, high), l.cast(low), l.cast(high))
		if len(l.out) > maxPartitions {
			return l.fail(d, "START and END make more than %d partitions", maxPartitions)
		}
	}
	return nil
}

func dateForm(v string) string {
	if len(v) > len(time.DateOnly) {
		return time.DateTime
	}
	return time.DateOnly
}

func advance(t time.Time, unit string, n int) time.Time {
	switch unit {
	case "HOUR":
		return t.Add(time.Duration(n) * time.Hour)
	case "DAY":
		return t.AddDate(0, 0, n)
	case "WEEK":
		return t.AddDate(0, 0, 7*n)
	case "MONTH":
		return t.AddDate(0, n, 0)
	}
	return t.AddDate(n, 0, 0)
}

func partitionNameOf(t time.Time, unit string) string {
	switch unit {
	case "HOUR":
		return t.Format("p2006010215")
	case "DAY":
		return t.Format("p20060102")
	case "WEEK":
		year, week := t.ISOWeek()
		return fmt.Sprintf("p%d_%02d", year, week)
	case "MONTH":
		return t.Format("p200601")
	}
	return t.Format("p2006")
}

func (l *listed) numbers(d syntax.PartitionDef, start, end string, step int) error {
	from, err1 := strconv.Atoi(start)
	to, err2 := strconv.Atoi(end)
	if err1 != nil || err2 != nil || from >= to || (to-from)/step > maxPartitions {
		return l.fail(d, "START %q and END %q are not two numbers in order, or make more than %d partitions", start, end, maxPartitions)
	}
	for ; from < to; from += step {
		low, high := strconv.Itoa(from), strconv.Itoa(min(from+step, to))
		l.between("p"+low, fmt.Sprintf("[(%q), (%q))", low, high), l.cast(low), l.cast(high))
	}
	return nil
}

// belongs gives the condition that a row is in one of the partitions; "" where
// the table lists none.
func belongs(list []partition) string {
	where := make([]string, len(list))
	for i, p := range list {
		where[i] = "coalesce(" + p.Where + ", false)"
	}
	return strings.Join(where, " OR ")
}

// within gives the condition that a row is in the named partitions of t, ""
// where none are named.
func (t *described) within(names []syntax.Ident, text string) (string, error) {
	var chosen []partition
	for _, n := range names {
		found := false
		for _, p := range t.def.Partitions {
			if strings.EqualFold(p.Name, n.Name) {
				chosen, found = append(chosen, p), true
			}
		}
		if !found {
			return "", sqlerr.New(sqlerr.NotFound, "Unknown partition '%s' in table '%s'", n.Name, t.name.table).
				With(sqlerr.Code{MySQL: 1735, State: "HY000"}).WithPos(text, int(n.Pos))
		}
	}
	return belongs(chosen), nil
}
