package wire

import (
	"math"
	"math/bits"
	"strconv"

	"lakeport/internal/lake"
)

// The text that values have on both protocols.

// AppendText appends row i of v, which is not NULL, if its type has the same
// text on both protocols: integers beyond 64 bits, bits, UUIDs and enums.
func AppendText(b []byte, v *lake.Vector, i int) (text []byte, done bool) {
	switch v.Type.Kind {
	case lake.HugeInt:
		return appendInt128(b, v.Data.([]lake.Int128)[i]), true
	case lake.UHugeInt:
		u := v.Data.([]lake.Int128)[i]
		return appendUint128(b, uint64(u.Hi), u.Lo), true
	case lake.Bit:
		return appendBits(b, v.Data.([]lake.String)[i].Bytes()), true
	case lake.UUID:
		return AppendUUID(b, v.Data.([]lake.Int128)[i]), true
	case lake.Enum:
		return append(b, v.Type.Names[EnumIndex(v.Data, i)]...), true
	}
	return b, false
}

// pow19 is the largest power of ten in 64 bits: 19 digits at a time.
const pow19 = 10_000_000_000_000_000_000

// appendInt128 appends the signed value in decimal digits.
func appendInt128(b []byte, v lake.Int128) []byte {
	hi, lo := uint64(v.Hi), v.Lo
	if v.Hi < 0 {
		b = append(b, '-')
		var carry uint64
		lo, carry = bits.Add64(^lo, 1, 0)
		hi, _ = bits.Add64(^hi, 0, carry)
	}
	return appendUint128(b, hi, lo)
}

// appendUint128 appends hi*2^64+lo in decimal digits.
func appendUint128(b []byte, hi, lo uint64) []byte {
	if hi == 0 {
		return strconv.AppendUint(b, lo, 10)
	}
	quoHi := hi / pow19
	quoLo, rest := bits.Div64(hi%pow19, lo, pow19)
	b = appendUint128(b, quoHi, quoLo)
	return appendPadded(b, rest, 19)
}

// appendPadded appends n in at least the given number of digits.
func appendPadded(b []byte, n uint64, digits int) []byte {
	var room [20]byte
	text := strconv.AppendUint(room[:0], n, 10)
	for i := len(text); i < digits; i++ {
		b = append(b, '0')
	}
	return append(b, text...)
}

// Unscaled gives a decimal's digits whatever width they are stored in.
func Unscaled(data any, i int) lake.Int128 {
	var n int64
	switch d := data.(type) {
	case []int16:
		n = int64(d[i])
	case []int32:
		n = int64(d[i])
	case []int64:
		n = d[i]
	case []lake.Int128:
		return d[i]
	}
	return lake.Int128{Lo: uint64(n), Hi: n >> 63}
}

// AppendDecimal appends v with the decimal point before its last scale digits.
func AppendDecimal(b []byte, v lake.Int128, scale int) []byte {
	var room [48]byte
	digits := appendInt128(room[:0], v)
	if digits[0] == '-' {
		b, digits = append(b, '-'), digits[1:]
	}
	whole := len(digits) - scale
	if whole <= 0 {
		b = append(b, '0')
	} else {
		b = append(b, digits[:whole]...)
	}
	if scale == 0 {
		return b
	}
	b = append(b, '.')
	for ; whole < 0; whole++ {
		b = append(b, '0')
	}
	return append(b, digits[len(digits)-min(scale, len(digits)):]...)
}

// appendBits prints DuckDB's bit string: its first byte counts the unused high
// bits of the second.
func appendBits(b, data []byte) []byte {
	if len(data) == 0 {
		return b
	}
	for n := int(data[0]) + 8; n < 8*len(data); n++ {
		b = append(b, '0'+data[n/8]>>(7-n%8)&1)
	}
	return b
}

// AppendUUID appends a UUID that v holds in the engine's layout.
func AppendUUID(b []byte, v lake.Int128) []byte {
	const hex = "0123456789abcdef"
	hi, lo := uint64(v.Hi)^1<<63, v.Lo
	for n := range 32 {
		if n == 8 || n == 12 || n == 16 || n == 20 {
			b = append(b, '-')
		}
		b = append(b, hex[hi>>60])
		hi, lo = hi<<4|lo>>60, lo<<4
	}
	return b
}

// EnumIndex gives row i's place in the dictionary of an Enum, whatever width data has.
func EnumIndex(data any, i int) int {
	switch d := data.(type) {
	case []uint8:
		return int(d[i])
	case []uint16:
		return int(d[i])
	}
	return int(data.([]uint32)[i])
}

// Lengths in microseconds, the unit of times.
const (
	MicrosPerSecond = 1_000_000
	MicrosPerDay    = 24 * 60 * 60 * MicrosPerSecond
)

// FloorDiv divides and rounds towards minus infinity; d is positive.
func FloorDiv(n, d int64) int64 {
	q := n / d
	if n%d < 0 {
		q--
	}
	return q
}

// MicrosOf converts a timestamp of any unit to microseconds. The two values
// that stand for infinity stay what they are, also where a unit is too coarse
// for its values to have microseconds.
func MicrosOf(k lake.Kind, v int64) int64 {
	if Endless(v) {
		return v
	}
	switch k {
	case lake.TimestampS:
		return saturate(v, MicrosPerSecond)
	case lake.TimestampMS:
		return saturate(v, 1000)
	case lake.TimestampNS:
		return FloorDiv(v, 1000)
	}
	return v
}

func saturate(v, factor int64) int64 {
	switch {
	case v > math.MaxInt64/factor:
		return math.MaxInt64
	case v < -math.MaxInt64/factor:
		return -math.MaxInt64
	}
	return v * factor
}

// Civil gives the date of a day since 1970-01-01 in the proleptic Gregorian
// calendar. Years run from March here, so that the leap day is a year's last;
// 400 years have 146,097 days.
func Civil(day int64) (year int64, month, dom int) {
	day += 719468 // from 0000-03-01
	era := FloorDiv(day, 146097)
	doe := day - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	m := (5*doy + 2) / 153
	dom = int(doy-(153*m+2)/5) + 1
	month = int(m) + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, dom
}

// AppendTwo appends n, which is below 100, in two digits.
func AppendTwo(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// AppendClock appends HH:MM:SS and, unless they are zero, six digits of
// microseconds. Hours may exceed 24 and two digits.
func AppendClock(b []byte, micros int64) []byte {
	seconds, fraction := micros/MicrosPerSecond, int(micros%MicrosPerSecond)
	if hours := seconds / 3600; hours > 99 {
		b = strconv.AppendInt(b, hours, 10)
	} else {
		b = AppendTwo(b, int(hours))
	}
	b = AppendTwo(append(b, ':'), int(seconds/60%60))
	b = AppendTwo(append(b, ':'), int(seconds%60))
	if fraction == 0 {
		return b
	}
	b = AppendTwo(append(b, '.'), fraction/10000)
	return AppendTwo(AppendTwo(b, fraction/100%100), fraction%100)
}

// Endless tells DuckDB's infinite timestamps.
func Endless(v int64) bool { return v == math.MaxInt64 || v == -math.MaxInt64 }
