package orc

import (
	"math"
	"math/big"
	"time"

	"lakeport/internal/lake"
)

// statistics is what is known of a column in a file, a stripe or a row group.
type statistics struct {
	kept    bool  // rows have been counted
	values  int64 // that are not NULL
	hasNull bool  // also where old files do not say
	low     lake.Value
	high    lake.Value // both nil: no bounds
	text    bool       // the bounds are of strings
	decimal bool
}

func parseStatistics(b []byte) (statistics, error) {
	s := statistics{hasNull: true}
	err := fields(b, func(x field) error {
		switch x.number {
		case 1:
			s.values = int64(x.value)
			s.kept = s.kept || s.values > 0
		case 2:
			return s.bounds(x.data, func(x field) lake.Value { return integer(x.signed()) })
		case 3:
			return s.bounds(x.data, func(x field) lake.Value { return float(math.Float64frombits(x.value)) })
		case 4:
			return s.strings(x.data)
		case 6:
			s.decimal = true
			return s.bounds(x.data, func(x field) lake.Value { return number(string(x.data)) })
		case 7:
			return s.bounds(x.data, func(x field) lake.Value { return time.Unix(x.signed()*24*60*60, 0).UTC() })
		case 9:
			return s.instants(x.data)
		case 10:
			s.hasNull = x.value != 0
			s.kept = s.kept || s.hasNull
		}
		return nil
	})
	return s, err
}

func integer(v int64) lake.Value { return new(big.Rat).SetInt64(v) }

func float(v float64) lake.Value {
	if math.IsNaN(v) {
		return nil
	}
	return v
}

// maxNumber is the longest text of a decimal that is worth reading.
const maxNumber = 100

func number(text string) lake.Value {
	for _, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != '-' {
			return nil // such as an exponent, which could be any
		}
	}
	if r, ok := new(big.Rat).SetString(text); ok && len(text) <= maxNumber {
		return r
	}
	return nil
}

// bounds reads a minimum and a maximum; one alone is none.
func (s *statistics) bounds(b []byte, value func(field) lake.Value) error {
	err := fields(b, func(x field) error {
		switch x.number {
		case 1:
			s.low = value(x)
		case 2:
			s.high = value(x)
		}
		return nil
	})
	if s.low == nil || s.high == nil {
		s.low, s.high = nil, nil
	}
	return err
}

// strings reads the bounds of strings. Long ones stand cut in fields 4 and 5.
func (s *statistics) strings(b []byte) error {
	s.text = true
	return fields(b, func(x field) error {
		switch x.number {
		case 1, 4:
			s.low = string(x.data)
		case 2, 5:
			s.high = string(x.data)
		}
		return nil
	})
}

// instants reads the bounds of timestamps, whole milliseconds of the wall clock
// as if it were UTC's: the true ones are less than one later, or before 1970 less
// than one earlier where a writer cut towards zero. Those that old writers left,
// in a zone of theirs, are not used (ORC-135).
func (s *statistics) instants(b []byte) error {
	var low, high lake.Value
	err := fields(b, func(x field) error {
		switch x.number {
		case 3:
			at := time.UnixMilli(x.signed()).UTC()
			if at.Unix() <= 0 {
				at = at.Add(time.Nanosecond - time.Millisecond)
			}
			low = at
		case 4:
			high = time.UnixMilli(x.signed()).UTC().Add(time.Millisecond - time.Nanosecond)
		}
		return nil
	})
	if low != nil && high != nil {
		s.low, s.high = low, high
	}
	return err
}

// Filter is a condition on a column of a file. Type is that of the values which
// the condition is about: the table's, which may be wider than the file's.
type Filter struct {
	lake.Filter
	Column int // index of Columns
	Type   lake.Type
}

// excludes tells whether the rows that s is about certainly do not meet a
// filter. Writers that keep no statistics leave ones of no value and no NULL, which
// tell nothing.
func (f *File) excludes(x Filter, s statistics) bool {
	t := f.types[f.columns[x.Column].id]
	switch {
	case !s.kept:
		return false
	case x.Op == lake.IsNull:
		return !s.hasNull
	case s.values == 0: // all are NULL
		return true
	case x.Op == lake.IsNotNull, s.low == nil, s.high == nil,
		!comparable(x.Type, s.low), !comparable(x.Type, s.high),
		s.text && (f.old || t.kind == kindChar), // the blanks that pad CHAR are not read
		s.decimal && f.oldDecimal,
		f.hybrid && inJulianDays(s.low):
		return false
	}
	high := s.high
	if _, ok := high.(float64); ok {
		high = math.Inf(1) // writers leave out NaN, which is greater than all
	}
	return x.ExcludesRange(x.Type, s.low, high)
}

// comparable tells whether a bound of a file is in the order of a type's values.
func comparable(t lake.Type, v lake.Value) bool {
	ok := false
	switch t.Kind {
	case lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt, lake.Decimal:
		_, ok = v.(*big.Rat)
	case lake.Double:
		_, ok = v.(float64)
	case lake.Varchar:
		_, ok = v.(string)
	case lake.Date, lake.Timestamp:
		_, ok = v.(time.Time)
	}
	return ok
}

func inJulianDays(v lake.Value) bool {
	t, ok := v.(time.Time)
	return ok && t.Unix() < gregorianStart*24*60*60
}

// skipsFile tells whether no row of the file meets all filters.
func (f *File) skipsFile(filters []Filter) bool {
	return f.stats != nil && f.skips(filters, f.stats)
}

func (f *File) skips(filters []Filter, stats []statistics) bool {
	for _, x := range filters {
		if id := f.columns[x.Column].id; id < len(stats) && f.excludes(x, stats[id]) {
			return true
		}
	}
	return false
}

// stripesWith gives the indexes of the stripes that may hold rows which meet all
// filters.
func (f *File) stripesWith(filters []Filter) ([]int, error) {
	if len(filters) > 0 && f.skipsFile(filters) {
		return nil, nil
	}
	skip := make([]bool, len(f.stripes))
	if len(filters) > 0 {
		if err := f.judgeStripes(filters, skip); err != nil {
			return nil, f.wrap(err)
		}
	}
	var list []int
	for i, s := range f.stripes {
		if !skip[i] && s.rows > 0 {
			list = append(list, i)
		}
	}
	return list, nil
}

// judgeStripes reads the Metadata message, which has the statistics of stripes
// in their order; of some or all stripes there may be none.
func (f *File) judgeStripes(filters []Filter, skip []bool) error {
	b, err := f.expand(f.stripeFrom)
	if err != nil {
		return err
	}
	n := 0
	return fields(b, func(x field) error {
		if x.number != 1 || n >= len(skip) {
			return nil
		}
		stats, err := statisticsOf(x.data)
		skip[n] = len(stats) == len(f.types) && f.skips(filters, stats)
		n++
		return err
	})
}

// statisticsOf reads a StripeStatistics message.
func statisticsOf(b []byte) (list []statistics, err error) {
	err = fields(b, func(x field) error {
		if x.number != 1 {
			return nil
		}
		s, err := parseStatistics(x.data)
		list = append(list, s)
		return err
	})
	return list, err
}
