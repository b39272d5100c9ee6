package lake

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Value is a value of a scalar type in a form that compares: *big.Rat for
// integers and decimals, float64, time.Time, bool or string. Nil is NULL.
type Value any

var decimalText = regexp.MustCompile(`^[+-]?([0-9]{1,60}(\.[0-9]{0,60})?|\.[0-9]{1,60})$`)

// Parse reads text as a value of t, spelled as SQL spells constants. False: it
// is none, or one that the engine would round, or values of t have no order
// that is known here. Of instants none is: how a constant without a zone is
// meant depends on the session.
func (t Type) Parse(text string) (Value, bool) {
	switch t.Kind {
	case Varchar:
		return text, true
	case TinyInt, SmallInt, Integer, BigInt:
		n, err := strconv.ParseInt(text, 10, 64)
		return new(big.Rat).SetInt64(n), err == nil
	case Decimal:
		if !decimalText.MatchString(text) {
			return nil, false
		}
		r, ok := new(big.Rat).SetString(text)
		// With more digits the engine would round.
		rounded, _ := new(big.Rat).SetString(r.FloatString(int(t.Scale)))
		return r, ok && r.Cmp(rounded) == 0
	case Float, Double:
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil
	case Boolean:
		b, err := strconv.ParseBool(strings.ToLower(text))
		return b, err == nil
	case Date:
		d, err := time.Parse(time.DateOnly, text)
		return d, err == nil
	case Timestamp:
		for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
			// Finer than the engine's microseconds, the order is not the engine's.
			if t, err := time.Parse(layout, text); err == nil {
				return t, t.Nanosecond()%1000 == 0
			}
		}
	}
	return nil, false
}

// Compare orders two values of one type; false: they have no order.
func Compare(a, b Value) (int, bool) {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string)), true
	case *big.Rat:
		return a.Cmp(b.(*big.Rat)), true
	case time.Time:
		return a.Compare(b.(time.Time)), true
	case bool:
		switch {
		case a == b.(bool):
			return 0, true
		case a:
			return 1, true
		}
		return -1, true
	case float64:
		b := b.(float64)
		switch {
		case a < b:
			return -1, true
		case a > b:
			return 1, true
		}
		return 0, a == b // NaN has none
	}
	return 0, false
}

// Excludes tells whether the filter certainly does not hold for a value of
// type t; nil is NULL.
func (f Filter) Excludes(t Type, v Value) bool {
	switch {
	case f.Op == IsNull:
		return v != nil
	case f.Op == IsNotNull:
		return v == nil
	case len(f.Values) == 0 || f.Op != In && len(f.Values) != 1:
		return false
	case v == nil: // NULL makes no comparison true
		return true
	}
	return f.ExcludesRange(t, v, v)
}

// ExcludesRange tells whether the filter, which must be a comparison,
// certainly does not hold for any value of type t from low to high, both
// included; nil is no bound. Values of Float compare in one precision or another, depending on
// the constant: they are never excluded.
func (f Filter) ExcludesRange(t Type, low, high Value) bool {
	if t.Kind == Float || len(f.Values) == 0 {
		return false
	}
	return !slices.ContainsFunc(f.Values, func(constant string) bool { return mayHold(f.Op, t, constant, low, high) })
}

// mayHold tells whether "v op constant" may be true of a v between two values;
// IN is asked for each constant by itself.
func mayHold(op Op, t Type, constant string, low, high Value) bool {
	c, ok := t.Parse(constant)
	if !ok {
		return true
	}
	below, above := 1, -1
	if low != nil {
		below, ok = Compare(c, low) // < 0: the constant is below all values
	}
	if high != nil && ok {
		above, ok = Compare(c, high)
	}
	if !ok {
		return true
	}
	switch op {
	case Eq, In:
		return below >= 0 && above <= 0
	case NotEq:
		return below != 0 || above != 0
	case Less:
		return below > 0
	case LessEq:
		return below >= 0
	case Greater:
		return above < 0
	case GreaterEq:
		return above <= 0
	}
	return true
}
