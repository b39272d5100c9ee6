package blob

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
)

// skip tells whether a column whose values lie between two bounds rules out
// its row group. Nil rules out nothing.
type skip func(column, low, high string) bool

// of judges the chunks of a file with the given columns.
func (s skip) of(columns []lake.Column) func(columnMeta) bool {
	return func(c columnMeta) bool {
		if s == nil || c.nested || c.low == nil || c.high == nil {
			return false
		}
		for _, col := range columns {
			if strings.EqualFold(col.Name, c.name) {
				low, ok := boundText(col.Type.Kind, c.low)
				high, known := boundText(col.Type.Kind, c.high)
				return ok && known && s(col.Name, low, high)
			}
		}
		return false
	}
}

// boundText spells a bound in the plain encoding as SQL would; false: its type
// has no order that is sure (floats, for NaN) or is not needed for pruning.
func boundText(k lake.Kind, b []byte) (string, bool) {
	if k == lake.Varchar {
		return string(b), true
	}
	var signed int64
	var unsigned uint64
	switch len(b) {
	case 4:
		unsigned = uint64(binary.LittleEndian.Uint32(b))
		signed = int64(int32(unsigned))
	case 8:
		unsigned = binary.LittleEndian.Uint64(b)
		signed = int64(unsigned)
	default:
		return "", false
	}
	switch k {
	case lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt:
		return strconv.FormatInt(signed, 10), true
	case lake.UTinyInt, lake.USmallInt, lake.UInteger, lake.UBigInt:
		return strconv.FormatUint(unsigned, 10), true
	case lake.Date:
		return instant(time.Unix(signed*24*60*60, 0), time.DateOnly)
	case lake.TimestampMS:
		return instant(time.UnixMilli(signed), "2006-01-02 15:04:05.999999999")
	case lake.Timestamp:
		return instant(time.UnixMicro(signed), "2006-01-02 15:04:05.999999999")
	}
	return "", false
}

func instant(t time.Time, layout string) (string, bool) {
	t = t.UTC()
	return t.Format(layout), t.Year() >= 1 && t.Year() <= 9999
}

// gregorianStart is 1582-10-15, the first day of the Gregorian calendar, in days
// after 1970-01-01.
const gregorianStart = -141427

// beforeGregorian tells whether a column has an earlier day, as far as its lower
// bound says; timestamps are taken for microseconds.
func beforeGregorian(columns []lake.Column, c columnMeta) bool {
	i := lake.FindColumn(columns, c.name)
	if i < 0 || c.nested {
		return false
	}
	switch kind := columns[i].Type.Kind; {
	case kind == lake.Date && len(c.low) == 4:
		return int32(binary.LittleEndian.Uint32(c.low)) < gregorianStart
	case (kind == lake.Timestamp || kind == lake.TimestampTZ) && len(c.low) == 8:
		return int64(binary.LittleEndian.Uint64(c.low)) < gregorianStart*24*60*60*1e6
	}
	return false
}
