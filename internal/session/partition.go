package session

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// partition is one partition that CREATE or ALTER TABLE lists. The rows that
// belong to it are those for which Where holds; a row that belongs to none is
// refused. Low and High bound a range, "" where it is open.
type partition struct {
	Name   string `json:"name"`
	Values string `json:"values"` // as SHOW PARTITIONS tells the range
	Where  string `json:"where"`  // in the engine's SQL, as are the bounds
	Low    string `json:"low,omitempty"`
	High   string `json:"high,omitempty"`
}

// maxPartitions is StarRocks' limit for one START … END … EVERY.
const maxPartitions = 4096

// listed reads the partitions of a RANGE or LIST clause.
type listed struct {
	text   string // of the statement, for positions
	column string // quoted
	engine string // its type
	kind   string
	items  []string // quoted columns of LIST
	below  string   // upper bound of the partition before, "" at first
	out    []partition
}

// partition gives d the partitions that the clause lists.
func (c *session) partition(ctx context.Context, d *definition, by *syntax.PartitionBy, text string) error {
	if by == nil {
		return nil
	}
	l := &listed{text: text, kind: by.Kind}
	for _, it := range by.Items {
		name, plain := it.Literal()
		if !plain { // an expression, whose columns the engine would not check
			continue
		}
		i := d.index(name)
		switch {
		case i < 0:
			return unknownColumn(name, "PARTITION BY", text, it.Pos)
		case d.upserts() && !d.isKey(name):
			return sqlerr.New(sqlerr.Invalid, "the partition column %s of a %s key table must be a key column", name, strings.ToLower(d.Model)).WithPos(text, int(it.Pos))
		}
		l.items = append(l.items, lake.QuoteName(name))
		l.column, l.engine = lake.QuoteName(name), d.Columns[i].Engine
	}
	if len(by.Definitions) == 0 {
		return nil
	}
	if l.kind == "RANGE" && len(by.Items) > 1 {
		return sqlerr.New(sqlerr.Unsupported, "RANGE partitions over several columns are not built yet").WithPos(text, int(by.Pos))
	}
	if len(l.items) != len(by.Items) {
		return sqlerr.New(sqlerr.Unsupported, "listed partitions over an expression are not built yet").WithPos(text, int(by.Pos))
	}
	for _, def := range by.Definitions {
		if err := l.define(def); err != nil {
			return err
		}
	}
	d.Partitions = l.out
	return c.disjoint(ctx, d, by.Pos, text)
}

// addPartitions puts more partitions behind those of a table.
func (c *session) addPartitions(ctx context.Context, d *definition, def syntax.PartitionDef, text string) error {
	refuse := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(text, int(def.Pos))
	}
	if len(d.Partitions) == 0 {
		return refuse("the table has no listed partitions to which one could be added")
	}
	if def.Name.Name != "" && d.partitionIndex(def.Name.Name) >= 0 {
		if def.IfNotExists {
			return nil
		}
		return refuse("Duplicate partition name %s", def.Name.Name)
	}
	if !def.Properties.IsZero() {
		return sqlerr.New(sqlerr.Unsupported, "properties of a partition are not supported").WithPos(text, int(def.Properties.Pos))
	}
	kind, rest, _ := strings.Cut(d.Partition, "(")
	l := &listed{text: text, kind: kind}
	for name := range strings.SplitSeq(strings.TrimSuffix(rest, ")"), ",") {
		plain, _ := syntax.Fragment{Text: strings.TrimSpace(name)}.Literal()
		i := d.index(plain)
		if i < 0 {
			return refuse("the table's partition column %s is unknown", plain)
		}
		l.items = append(l.items, lake.QuoteName(plain))
		l.column, l.engine = lake.QuoteName(plain), d.Columns[i].Engine
	}
	l.below = d.Partitions[len(d.Partitions)-1].High
	if kind == "RANGE" && l.below == "" {
		return refuse("the last partition has no upper bound")
	}
	if err := l.define(def); err != nil {
		return err
	}
	d.Partitions = append(d.Partitions, l.out...)
	return c.disjoint(ctx, d, def.Pos, text)
}

// partitionIndex is the place of a partition, -1 if there is none of the name.
func (d *definition) partitionIndex(name string) int {
	return slices.IndexFunc(d.Partitions, func(p partition) bool { return strings.EqualFold(p.Name, name) })
}

// partitionKey is the columns or expressions of PARTITION BY, without the word
// for their kind.
func (d *definition) partitionKey() string {
	for _, kind := range []string{"RANGE(", "LIST("} {
		if rest, is := strings.CutPrefix(d.Partition, kind); is {
			return strings.TrimSuffix(rest, ")")
		}
	}
	return d.Partition
}

// disjoint orders ranges and refuses names that are used twice and ranges that
// are empty or meet.
func (c *session) disjoint(ctx context.Context, d *definition, at syntax.Pos, text string) error {
	refuse := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(text, int(at))
	}
	seen := map[string]bool{}
	var ranges []string
	for i, p := range d.Partitions {
		if seen[strings.ToLower(p.Name)] {
			return refuse("Duplicate partition name %s", p.Name)
		}
		seen[strings.ToLower(p.Name)] = true
		ranges = append(ranges, fmt.Sprintf("(%d, %s, %s)", i, bound(p.Low), bound(p.High)))
	}
	if !strings.HasPrefix(d.Partition, "RANGE(") {
		return nil
	}
	rows, err := c.conn.Query(ctx, "SELECT i, low < high OR low IS NULL OR high IS NULL, coalesce(low >= lag(high) OVER o, row_number() OVER o = 1)"+
		" FROM (VALUES "+strings.Join(ranges, ", ")+") AS r(i, low, high) WINDOW o AS (ORDER BY low NULLS FIRST, high NULLS LAST)")
	if err != nil {
		e := *sqlerr.From(err)
		return e.WithPos(text, int(at))
	}
	defer rows.Close()
	var ordered []partition
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			d.Partitions = ordered
			return err
		}
		for i := range chunk.Rows {
			p := d.Partitions[chunk.Columns[0].Data.([]int32)[i]]
			ordered = append(ordered, p)
			switch {
			case !chunk.Columns[1].Data.([]bool)[i]:
				return refuse("the range of partition %s is empty: %s", p.Name, p.Values)
			case !chunk.Columns[2].Data.([]bool)[i]:
				return refuse("Range of partition %s intersects with the range of %s", p.Name, ordered[len(ordered)-2].Name)
			}
		}
	}
}

func bound(sql string) string {
	if sql == "" {
		return "NULL"
	}
	return sql
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
	return "CAST(" + lake.QuoteString(v) + " AS " + l.engine + ")"
}

func (l *listed) between(name, values, low, high string) {
	l.out = append(l.out, partition{name, values, l.inRange(low, high), low, high})
	l.below = high
}

// inRange gives the condition of a range; a bound that is "" is open, and below
// an open one stands NULL too.
func (l *listed) inRange(low, high string) string {
	var where []string
	if low != "" {
		where = append(where, l.column+" >= "+low)
	}
	if high != "" {
		where = append(where, l.column+" < "+high)
	}
	if low == "" {
		return "(" + l.column + " IS NULL OR " + strings.Join(append(where, "true"), " AND ") + ")"
	}
	return strings.Join(where, " AND ")
}

// lessThan begins where the partition before ends; the first takes NULL too.
func (l *listed) lessThan(d syntax.PartitionDef, values []string, max bool) error {
	if !max && len(values) != 1 {
		return l.fail(d, "partition %s needs one upper bound", d.Name.Name)
	}
	high := ""
	if !max {
		high = l.cast(values[0])
	}
	l.between(d.Name.Name, valuesText(d), l.below, high)
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
	l.out = append(l.out, partition{Name: d.Name.Name, Values: valuesText(d), Where: "(" + strings.Join(where, " OR ") + ")"})
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
		low, high := l.instant(from), l.instant(next)
		l.between(partitionNameOf(from, unit), fmt.Sprintf("[(%q), (%q))", low, high), l.cast(low), l.cast(high))
		if len(l.out) > maxPartitions {
			return l.fail(d, "START and END make more than %d partitions", maxPartitions)
		}
	}
	return nil
}

// instant spells a bound as the partition column's type does.
func (l *listed) instant(t time.Time) string {
	if l.engine == "DATE" {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.DateTime)
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
		i := t.def.partitionIndex(n.Name)
		if i < 0 {
			return "", unknownPartition(n, t.name, text)
		}
		chosen = append(chosen, t.def.Partitions[i])
	}
	return belongs(chosen), nil
}

// chosen are the partitions to which the query limits the table of ref; nil: it
// reads the whole table.
func (p *plan) chosen(ref engine.NameRef) []syntax.Ident {
	if len(p.source.Partitions) == 0 {
		return nil
	}
	at, ok := p.written(ref.Offset)
	if !ok { // inside a view
		return nil
	}
	for _, x := range p.source.Partitions {
		if x.At == at {
			return x.Partitions
		}
	}
	return nil
}

// refuse says why the query cannot read single partitions as it wants.
func (p *plan) refuse(why string) error {
	return sqlerr.New(sqlerr.Unsupported, "%s", why).WithPos(p.text, p.offset+p.source.Partitions[0].At)
}

// written gives the place in the query's own text that the offset in p.sql
// comes from; ok is false where an edit has put the text there.
func (p *plan) written(at int) (src int, ok bool) {
	for _, edits := range slices.Backward(p.edits) {
		if engine.Spliced(edits, at) {
			return 0, false
		}
		at = engine.Unsplice(edits, at)
	}
	return p.source.Source(at), true
}

// partitionsOf is the SELECT of an internal table's rows in the named
// partitions.
func (c *session) partitionsOf(ctx context.Context, p *plan, u use, names []syntax.Ident) (string, error) {
	if u.table != nil {
		return "", p.refuse("only tables of default_catalog are read by named partitions: use WHERE")
	}
	t, err := c.describeTable(ctx, u.name)
	if err != nil {
		return "", err
	}
	if t.isView() {
		return "", p.refuse("a view has no partitions")
	}
	in := slices.Clone(names)
	for i := range in {
		in[i].Pos += syntax.Pos(p.offset)
	}
	where, err := t.within(in, p.text)
	if err != nil {
		return "", err
	}
	return "SELECT * FROM " + u.name.internal() + " WHERE " + where, nil
}

func unknownPartition(n syntax.Ident, table tableName, text string) error {
	return sqlerr.New(sqlerr.NotFound, "Unknown partition '%s' in table '%s'", n.Name, table.table).
		With(sqlerr.Code{MySQL: 1735, State: "HY000"}).WithPos(text, int(n.Pos))
}
