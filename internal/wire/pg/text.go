package pg

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

// appendText appends row i of v, which is not NULL, as PostgreSQL prints it.
// Times with a zone are shown in zone.
func appendText(b []byte, v *lake.Vector, i int, zone *time.Location) []byte {
	switch v.Type.Kind {
	case lake.Boolean:
		if v.Data.([]bool)[i] {
			return append(b, 't')
		}
		return append(b, 'f')
	case lake.UBigInt:
		return strconv.AppendUint(b, v.Data.([]uint64)[i], 10)
	case lake.Float:
		return appendFloat(b, float64(v.Data.([]float32)[i]), 32)
	case lake.Double:
		return appendFloat(b, v.Data.([]float64)[i], 64)
	case lake.Decimal:
		return wire.AppendDecimal(b, wire.Unscaled(v.Data, i), int(v.Type.Scale))
	case lake.Varchar, lake.JSON:
		return append(b, v.Data.([]lake.String)[i].Bytes()...)
	case lake.Blob:
		return appendHex(append(b, '\\', 'x'), v.Data.([]lake.String)[i].Bytes())
	case lake.List, lake.Array:
		if isArray(v.Type) {
			return appendArray(b, v, i, zone)
		}
		return appendJSON(b, v, i, zone)
	case lake.Map, lake.Struct:
		return appendJSON(b, v, i, zone)
	}
	if n, ok := integer(v, i); ok {
		return strconv.AppendInt(b, n, 10)
	}
	if b, done := wire.AppendText(b, v, i); done {
		return b
	}
	return appendTimeText(b, v, i, zone)
}

// integer gives the value of the kinds that fit 64 bits with sign.
func integer(v *lake.Vector, i int) (int64, bool) {
	switch v.Type.Kind {
	case lake.TinyInt:
		return int64(v.Data.([]int8)[i]), true
	case lake.UTinyInt:
		return int64(v.Data.([]uint8)[i]), true
	case lake.SmallInt:
		return int64(v.Data.([]int16)[i]), true
	case lake.USmallInt:
		return int64(v.Data.([]uint16)[i]), true
	case lake.Integer:
		return int64(v.Data.([]int32)[i]), true
	case lake.UInteger:
		return int64(v.Data.([]uint32)[i]), true
	case lake.BigInt:
		return v.Data.([]int64)[i], true
	}
	return 0, false
}

func appendTimeText(b []byte, v *lake.Vector, i int, zone *time.Location) []byte {
	switch v.Type.Kind {
	case lake.Date:
		return appendDate(b, int64(v.Data.([]int32)[i]))
	case lake.Time:
		return trimZeros(wire.AppendClock(b, v.Data.([]int64)[i]))
	case lake.TimeTZ:
		packed := v.Data.([]uint64)[i]
		return appendOffset(trimZeros(wire.AppendClock(b, int64(packed>>24))), zoneOf(packed))
	case lake.TimestampTZ:
		return appendInstant(b, v.Data.([]int64)[i], zone)
	case lake.Timestamp, lake.TimestampS, lake.TimestampMS, lake.TimestampNS:
		return appendTimestamp(b, wire.MicrosOf(v.Type.Kind, v.Data.([]int64)[i]), 0, false)
	case lake.Interval:
		return appendSpan(b, v.Data.([]lake.Span)[i])
	}
	return b
}

// appendFloat appends the shortest text that reads back as f, in PostgreSQL's
// form: an exponent where the digits of the type do not reach.
func appendFloat(b []byte, f float64, size int) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case abs != 0 && abs < 1e-4, size == 64 && abs >= 1e15, size == 32 && abs >= 1e6:
		return strconv.AppendFloat(b, f, 'e', -1, size)
	}
	return strconv.AppendFloat(b, f, 'f', -1, size)
}

const hexDigits = "0123456789abcdef"

func appendHex(b, data []byte) []byte {
	for _, c := range data {
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// appendDay appends the day since 1970, and tells whether it lies before the
// year 1, which PostgreSQL marks at the end: there is no year 0.
func appendDay(b []byte, day int64) (_ []byte, bc bool) {
	year, month, dom := wire.Civil(day)
	if bc = year <= 0; bc {
		year = 1 - year
	}
	for _, least := range []int64{1000, 100, 10} {
		if year < least {
			b = append(b, '0')
		}
	}
	b = strconv.AppendInt(b, year, 10)
	b = wire.AppendTwo(append(b, '-'), month)
	return wire.AppendTwo(append(b, '-'), dom), bc
}

func appendDate(b []byte, day int64) []byte {
	switch day {
	case math.MaxInt32:
		return append(b, "infinity"...)
	case -math.MaxInt32:
		return append(b, "-infinity"...)
	}
	b, bc := appendDay(b, day)
	if bc {
		b = append(b, " BC"...)
	}
	return b
}

func appendTimestamp(b []byte, micros int64, offset int, zoned bool) []byte {
	switch micros {
	case math.MaxInt64:
		return append(b, "infinity"...)
	case -math.MaxInt64:
		return append(b, "-infinity"...)
	}
	micros += int64(offset) * wire.MicrosPerSecond
	day := wire.FloorDiv(micros, wire.MicrosPerDay)
	b, bc := appendDay(b, day)
	b = trimZeros(wire.AppendClock(append(b, ' '), micros-day*wire.MicrosPerDay))
	if zoned {
		b = appendOffset(b, offset)
	}
	if bc {
		b = append(b, " BC"...)
	}
	return b
}

func appendInstant(b []byte, micros int64, zone *time.Location) []byte {
	if wire.Endless(micros) {
		return appendTimestamp(b, micros, 0, true)
	}
	_, offset := time.UnixMicro(micros).In(zone).Zone()
	return appendTimestamp(b, micros, offset, true)
}

// trimZeros drops the zeros that end a fraction of six digits.
func trimZeros(b []byte) []byte {
	if n := len(b); n < 7 || b[n-7] != '.' {
		return b
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendOffset appends seconds east of Greenwich as +02 or +05:30.
func appendOffset(b []byte, seconds int) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	b = wire.AppendTwo(append(b, sign), seconds/3600)
	if seconds%3600 != 0 {
		b = wire.AppendTwo(append(b, ':'), seconds/60%60)
	}
	if seconds%60 != 0 {
		b = wire.AppendTwo(append(b, ':'), seconds%60)
	}
	return b
}

// zoneOf gives the offset in seconds east of the engine's packed time: its
// low 24 bits hold 15:59:59 minus the offset.
func zoneOf(packed uint64) int { return 16*3600 - 1 - int(packed&(1<<24-1)) }

// appendSpan prints an interval in the style "postgres".
func appendSpan(b []byte, s lake.Span) []byte {
	start := len(b)
	for _, part := range []struct {
		n    int64
		unit string
	}{{int64(s.Months / 12), "year"}, {int64(s.Months % 12), "mon"}, {int64(s.Days), "day"}} {
		if part.n == 0 {
			continue
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(append(strconv.AppendInt(b, part.n, 10), ' '), part.unit...)
		if part.n != 1 {
			b = append(b, 's')
		}
	}
	if s.Micros == 0 && len(b) > start {
		return b
	}
	if len(b) > start {
		b = append(b, ' ')
	}
	micros := s.Micros
	if micros < 0 {
		b, micros = append(b, '-'), -micros
	} else if s.Days < 0 || s.Months < 0 {
		b = append(b, '+')
	}
	return trimZeros(wire.AppendClock(b, micros))
}

// elementRange gives the child and the rows in it that row i of a list holds.
func elementRange(v *lake.Vector, i int) (child *lake.Vector, from, to int) {
	if v.Type.Kind == lake.Array {
		return &v.Child[0], i * v.Type.Size, (i + 1) * v.Type.Size
	}
	e := v.Data.([]lake.Entry)[i]
	return &v.Child[0], int(e.Offset), int(e.Offset + e.Length)
}

// appendArray prints {1,2,NULL}; every string is quoted, so that none can be
// taken for NULL or a brace.
func appendArray(b []byte, v *lake.Vector, i int, zone *time.Location) []byte {
	child, from, to := elementRange(v, i)
	b = append(b, '{')
	for n := from; n < to; n++ {
		if n > from {
			b = append(b, ',')
		}
		if child.IsNull(n) {
			b = append(b, "NULL"...)
			continue
		}
		if _, number := integer(child, n); number || child.Type.Kind <= lake.Decimal {
			b = appendText(b, child, n, zone)
			continue
		}
		b = append(b, '"')
		for _, c := range appendText(nil, child, n, zone) {
			if c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendJSON prints a nested value as JSON: numbers and truth values plain,
// JSON as it is, all else as strings.
func appendJSON(b []byte, v *lake.Vector, i int, zone *time.Location) []byte {
	if v.IsNull(i) {
		return append(b, "null"...)
	}
	switch v.Type.Kind {
	case lake.Boolean:
		return strconv.AppendBool(b, v.Data.([]bool)[i])
	case lake.JSON:
		return append(b, v.Data.([]lake.String)[i].Bytes()...)
	case lake.List, lake.Array:
		child, from, to := elementRange(v, i)
		b = append(b, '[')
		for n := from; n < to; n++ {
			if n > from {
				b = append(b, ',')
			}
			b = appendJSON(b, child, n, zone)
		}
		return append(b, ']')
	case lake.Map:
		e := v.Data.([]lake.Entry)[i]
		keys, values := &v.Child[0].Child[0], &v.Child[0].Child[1]
		b = append(b, '{')
		for n := int(e.Offset); n < int(e.Offset+e.Length); n++ {
			if n > int(e.Offset) {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, appendText(nil, keys, n, zone)), ':')
			b = appendJSON(b, values, n, zone)
		}
		return append(b, '}')
	case lake.Struct:
		b = append(b, '{')
		for n := range v.Child {
			if n > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, []byte(v.Type.Fields[n].Name)), ':')
			b = appendJSON(b, &v.Child[n], i, zone)
		}
		return append(b, '}')
	case lake.Float, lake.Double:
		if f := appendText(nil, v, i, zone); f[0] != 'N' && f[len(f)-1] != 'y' {
			return append(b, f...)
		}
	}
	if v.Type.Kind <= lake.Decimal && v.Type.Kind != lake.Float && v.Type.Kind != lake.Double {
		return appendText(b, v, i, zone)
	}
	return appendJSONString(b, appendText(nil, v, i, zone))
}

func appendJSONString(b, s []byte) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return append(b, '"')
}

// AppendText appends row i of v, which is not NULL, as PostgreSQL prints it.
// Times with a zone are shown in UTC.
func AppendText(b []byte, v *lake.Vector, i int) []byte { return appendText(b, v, i, time.UTC) }
