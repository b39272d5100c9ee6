package hive

import (
	"context"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// defaultPartition stands for NULL in partition values
// (hive.exec.default.partition.name).
const defaultPartition = "__HIVE_DEFAULT_PARTITION__"

// part is a partition that a scan reads, or the whole of a table without
// partition keys.
type part struct {
	values  []value // one for each key
	storage metastore.Storage
}

// value is a partition's value of one key. The text is as the metastore keeps
// it.
type value struct {
	text string
	null bool
	cmp  lake.Value
}

// partitions asks the metastore for the partitions that the filters leave and
// decides each again: what the metastore filters is only a first sieve.
func (t *table) partitions(ctx context.Context, filters []lake.Filter) ([]part, error) {
	if len(t.keys) == 0 {
		return []part{{storage: t.record.Storage}}, nil
	}
	records, err := t.o.Partitions(ctx, metastore.Wanted{
		Expression: t.expression(filters),
		Keep: func(texts []string) bool {
			values, err := t.values(texts)
			return err != nil || !t.excluded(values, filters)
		},
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b metastore.Partition) int { return slices.Compare(a.Values, b.Values) })
	var parts []part
	for _, r := range records {
		p, err := t.part(r)
		if err != nil {
			return nil, err
		}
		if !t.excluded(p.values, filters) {
			parts = append(parts, *p)
		}
	}
	return parts, nil
}

func (t *table) part(r metastore.Partition) (*part, error) {
	values, err := t.values(r.Values)
	if err != nil {
		return nil, err
	}
	if r.Storage.Location == "" {
		return nil, t.corrupt(r.Values, "has no location")
	}
	return &part{values: values, storage: r.Storage}, nil
}

// values reads a partition's values.
func (t *table) values(texts []string) ([]value, error) {
	if len(texts) != len(t.keys) {
		return nil, t.corrupt(texts, "has %d values; the table has %d partition keys", len(texts), len(t.keys))
	}
	values := make([]value, len(t.keys))
	for i, k := range t.keys {
		var ok bool
		if values[i], ok = k.value(texts[i]); !ok {
			return nil, t.corrupt(texts, "has the value %q, which is no %s", texts[i], k.hive)
		}
	}
	return values, nil
}

func (t *table) corrupt(values []string, format string, args ...any) error {
	return sqlerr.New(sqlerr.Corrupt, "partition %s of table %s.%s %s",
		t.partitionName(values), t.record.Database, t.record.Name, fmt.Sprintf(format, args...)).
		WithHint("mend the partition's record in the metastore")
}

// partitionName spells a partition as key=value/key=value, for messages.
func (t *table) partitionName(values []string) string {
	var names []string
	for i, v := range values {
		if i < len(t.keys) {
			v = t.keys[i].name + "=" + v
		}
		names = append(names, v)
	}
	return strings.Join(names, "/")
}

// excluded tells whether some filter certainly does not hold in the partition
// of the values.
func (t *table) excluded(values []value, filters []lake.Filter) bool {
	for _, f := range filters {
		i := t.key(f.Column)
		if i >= 0 && t.keys[i].excludes(f, values[i]) {
			return true
		}
	}
	return false
}

// key finds a partition key by name; -1 if there is none.
func (t *table) key(name string) int {
	return slices.IndexFunc(t.keys, func(k column) bool { return strings.EqualFold(k.name, name) })
}

func (k column) excludes(f lake.Filter, v value) bool {
	switch {
	case f.Op == lake.IsNull:
		return !v.null
	case f.Op == lake.IsNotNull:
		return v.null
	case !v.null && v.cmp == nil: // the type is not supported
		return false
	}
	return f.Excludes(k.typ, v.cmp)
}

// skips tells whether some filter certainly does not hold for any value of a
// column of the files between two bounds.
func (t *table) skips(filters []lake.Filter, name, low, high string) bool {
	i := slices.IndexFunc(t.data, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return false
	}
	c := t.data[i]
	from, ok := c.typ.Parse(low)
	to, known := c.typ.Parse(high)
	return ok && known && slices.ContainsFunc(filters, func(f lake.Filter) bool {
		return strings.EqualFold(f.Column, name) && f.ExcludesRange(c.typ, from, to)
	})
}

// value reads a partition's value; false means that it is not of the key's
// type.
func (k column) value(text string) (value, bool) {
	v := value{text: text, null: text == defaultPartition || text == "" && k.typ.Kind != lake.Varchar}
	if v.null || k.typ.Kind == lake.Invalid {
		return v, true
	}
	var ok bool
	v.cmp, ok = k.typ.Parse(text)
	return v, ok
}

// expressionMax is the longest Expression that GetPartitions takes.
const expressionMax = 2048

// simpleName is a name that needs no quoting in Glue's expressions, whose
// grammar documents none.
var simpleName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// expression turns the filters on partition keys into one of Glue's. What Glue
// may decide otherwise than SQL does is left out, as is what does not fit.
func (t *table) expression(filters []lake.Filter) string {
	expr := ""
	for _, f := range filters {
		i := t.key(f.Column)
		if i < 0 || !simpleName.MatchString(t.keys[i].name) {
			continue
		}
		term, ok := t.keys[i].term(f)
		if !ok || len(expr)+len(" AND ")+len(term) > expressionMax {
			continue
		}
		if expr != "" {
			expr += " AND "
		}
		expr += term
	}
	return expr
}

// term spells one filter; false: it is not for Glue.
func (k column) term(f lake.Filter) (string, bool) {
	if f.Op == lake.IsNull || f.Op == lake.IsNotNull {
		// Hive's text for NULL is a value like any other of a string key.
		op := map[lake.Op]string{lake.IsNull: " = '", lake.IsNotNull: " <> '"}[f.Op]
		return k.name + op + defaultPartition + "'", k.typ.Kind == lake.Varchar
	}
	var constants []string
	for _, v := range f.Values {
		c, ok := k.constant(v, f.Op)
		if !ok {
			return "", false
		}
		constants = append(constants, c)
	}
	switch {
	case f.Op == lake.In && len(constants) > 0:
		return k.name + " IN (" + strings.Join(constants, ", ") + ")", true
	case f.Op != lake.In && len(constants) == 1:
		return k.name + " " + string(f.Op) + " " + constants[0], true
	}
	return "", false
}

// constant spells a literal of the key's type; false: Glue cannot compare it
// as SQL does. Types that Expression does not list (boolean, float, double)
// are not sent, nor is char, whose padding makes equality unclear.
func (k column) constant(text string, op lake.Op) (string, bool) {
	v, ok := k.typ.Parse(text)
	if !ok {
		return "", false
	}
	switch k.typ.Kind {
	case lake.Varchar:
		if strings.HasPrefix(strings.ToLower(k.hive), "char") || strings.ContainsFunc(text, unprintable) {
			return "", false
		}
		equality := op == lake.Eq || op == lake.NotEq || op == lake.In
		// The store orders strings by UTF-16, SQL by bytes; the two agree
		// against a constant of ASCII alone.
		if !equality && strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }) {
			return "", false
		}
		return quote(text), true
	case lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt:
		return v.(*big.Rat).Num().String(), true
	case lake.Decimal:
		return strings.TrimPrefix(text, "+"), true
	case lake.Date:
		day := v.(time.Time)
		return quote(day.Format(time.DateOnly)), day.Equal(day.Truncate(24 * time.Hour))
	case lake.Timestamp:
		return quote(v.(time.Time).Format("2006-01-02 15:04:05.999999999")), true
	}
	return "", false
}

// unprintable are the characters that an expression may not hold.
func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
