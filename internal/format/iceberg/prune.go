package iceberg

import (
	"math"
	"slices"
	"strings"

	"lakeport/internal/lake"
)

// predicate is a filter on a field, its constants read as the field's values.
type predicate struct {
	field  *Field
	op     lake.Op
	values []value
}

// predicates reads the filters that bounds can decide. The others rule nothing
// out. Floats are left out: they compare in one precision or another, depending
// on the constant.
func predicates(schema *Schema, filters []lake.Filter) []predicate {
	var list []predicate
	columns := schema.columns()
	for _, f := range filters {
		i := slices.IndexFunc(columns, func(c lake.Column) bool { return strings.EqualFold(c.Name, f.Column) })
		if i < 0 || schema.Fields[i].Type.Name == "float" {
			continue
		}
		p := predicate{field: &schema.Fields[i], op: f.Op}
		ok := f.Op == lake.IsNull || f.Op == lake.IsNotNull || f.Op == lake.In && len(f.Values) > 0 || f.Op != lake.In && len(f.Values) == 1
		for _, text := range f.Values {
			v, read := fromText(p.field.Type, text)
			ok = ok && read
			p.values = append(p.values, v)
		}
		if ok {
			list = append(list, p)
		}
	}
	return list
}

// bounds is what is known of the values that some rows have in one field.
type bounds struct {
	low, high value // nil: not known
	nulls     bool  // some may be NULL
	filled    bool  // some may not be NULL
	nans      bool  // some may be NaN, which the bounds leave out
}

// mayHold tells whether the predicate may be true of a row within the bounds.
func (p predicate) mayHold(b bounds) bool {
	switch p.op {
	case lake.IsNull:
		return b.nulls
	case lake.IsNotNull:
		return b.filled
	}
	if !b.filled {
		return false
	}
	return slices.ContainsFunc(p.values, func(v value) bool { return within(p.op, v, b) })
}

// within tells whether "x op constant" may be true of an x within the bounds.
// The engine orders NaN above all numbers.
func within(op lake.Op, constant value, b bounds) bool {
	below := func(strict bool) bool { // the constant is below every value
		c, ok := compare(constant, b.low)
		return b.low != nil && ok && (c < 0 || strict && c == 0)
	}
	above := func(strict bool) bool {
		c, ok := compare(constant, b.high)
		return b.high != nil && ok && (c > 0 || strict && c == 0)
	}
	switch op {
	case lake.Eq, lake.In:
		return !below(false) && !above(false)
	case lake.NotEq:
		low, known := compare(constant, b.low)
		high, sure := compare(constant, b.high)
		return b.low == nil || b.high == nil || !known || !sure || low != 0 || high != 0 || b.nans
	case lake.Less:
		return !below(true)
	case lake.LessEq:
		return !below(false)
	case lake.Greater:
		return !above(true) || b.nans
	case lake.GreaterEq:
		return !above(false) || b.nans
	}
	return true
}

// project gives the predicate on partition values that holds of every row of
// which p holds. False: there is none.
func (p predicate) project(t Transform) (predicate, bool) {
	out := predicate{field: &Field{Name: p.field.Name, Type: t.result(p.field.Type)}, op: p.op}
	if !t.known() || t.Name == "void" || !t.accepts(p.field.Type) {
		return out, false
	}
	if t.Name == "identity" {
		out.values = p.values
		return out, true
	}
	if p.op == lake.IsNull || p.op == lake.IsNotNull {
		return out, true
	}
	equality := p.op == lake.Eq || p.op == lake.In
	if p.op == lake.NotEq || !equality && !t.monotonic() {
		return out, false
	}
	for _, v := range p.values {
		v, ok := t.apply(p.field.Type, v)
		if !ok {
			return out, false
		}
		out.values = append(out.values, v)
	}
	switch p.op {
	case lake.Less:
		out.op = lake.LessEq
	case lake.Greater:
		out.op = lake.GreaterEq
	}
	return p.widened(out, t), true
}

// widened takes in what old writers did with dates before 1970: they rounded
// up, so that a value may be in the next partition.
func (p predicate) widened(out predicate, t Transform) predicate {
	switch t.Name {
	case "year", "month", "day", "hour":
	default:
		return out
	}
	for i, v := range out.values {
		n, ok := v.(int64)
		if !ok || n >= 0 {
			continue
		}
		switch out.op {
		case lake.Eq, lake.In:
			out.op = lake.In
			out.values = append(out.values, n+1)
		case lake.LessEq:
			out.values[i] = n + 1
		}
	}
	return out
}

// partitionPredicates projects predicates to each field of a spec.
func partitionPredicates(spec *Spec, preds []predicate) [][]predicate {
	out := make([][]predicate, len(spec.Fields))
	for i, f := range spec.Fields {
		for _, p := range preds {
			if p.field.ID == f.SourceID {
				if q, ok := p.project(f.Transform); ok {
					out[i] = append(out[i], q)
				}
			}
		}
	}
	return out
}

// manifestMatters decides by the summaries of a manifest's partitions.
func manifestMatters(of manifest, preds [][]predicate) bool {
	if of.counts[0] == 0 && of.counts[1] == 0 {
		return false
	}
	for i, s := range of.partitions {
		if i >= len(preds) {
			break
		}
		for _, p := range preds[i] {
			b := bounds{nulls: s.hasNull, filled: true, nans: isFloat(p.field.Type) && (s.hasNaN == nil || *s.hasNaN)}
			b.low, _ = decodeBound(p.field.Type, s.lower)
			b.high, _ = decodeBound(p.field.Type, s.upper)
			// Without bounds there are only NULLs, or nobody has looked.
			if !p.mayHold(b) {
				return false
			}
		}
	}
	return true
}

// partitionMatters decides by a file's partition.
func partitionMatters(tuple []value, preds [][]predicate) bool {
	for i, v := range tuple {
		for _, p := range preds[i] {
			b := bounds{low: v, high: v, nulls: v == nil, filled: v != nil}
			if f, ok := v.(float64); ok && math.IsNaN(f) {
				b.nans = true
			}
			if !p.mayHold(b) {
				return false
			}
		}
	}
	return true
}

// fileMatters decides by a file's column statistics.
func fileMatters(f *file, preds []predicate) bool {
	for _, p := range preds {
		if primitives[p.field.Type.Name] == lake.Invalid {
			continue
		}
		b := bounds{nulls: true, filled: true, nans: isFloat(p.field.Type)}
		nulls, counted := f.nulls[p.field.ID]
		values, known := f.values[p.field.ID]
		if counted {
			b.nulls = nulls > 0
			b.filled = !known || nulls < values
		}
		if nans, ok := f.nans[p.field.ID]; ok {
			b.nans = nans > 0
		}
		if p.field.Type.Name != "uuid" { // writers order their bytes differently
			b.low, _ = decodeBound(p.field.Type, f.lower[p.field.ID])
			b.high, _ = decodeBound(p.field.Type, f.upper[p.field.ID])
		}
		if !p.mayHold(b) {
			return false
		}
	}
	return true
}

func isFloat(t Type) bool { return t.Name == "float" || t.Name == "double" }
