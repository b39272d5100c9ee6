package mysql

import (
	"encoding/binary"
	"math"
	"strconv"

	"lakeport/internal/lake"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 24 * 60 * 60 * microsPerSecond
)

// floorDiv divides and rounds towards minus infinity; d is positive.
func floorDiv(n, d int64) int64 {
	q := n / d
	if n%d < 0 {
		q--
	}
	return q
}

// microsOf converts a timestamp of any unit to microseconds. The two values
// that stand for infinity stay what they are, also where a unit is too coarse
// for its values to have microseconds.
func microsOf(k lake.Kind, v int64) int64 {
	if endless(v) {
		return v
	}
	switch k {
	case lake.TimestampS:
		return saturate(v, microsPerSecond)
	case lake.TimestampMS:
		return saturate(v, 1000)
	case lake.TimestampNS:
		return floorDiv(v, 1000)
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

// civil gives the date of a day since 1970-01-01 in the proleptic Gregorian
// calendar. Years run from March here, so that the leap day is a year's last;
// 400 years have 146,097 days.
func civil(day int64) (year int64, month, dom int) {
	day += 719468 // from 0000-03-01
	era := floorDiv(day, 146097)
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

func appendDate(b []byte, day int64) []byte {
	switch day {
	case math.MaxInt32:
		return append(b, "infinity"...)
	case -math.MaxInt32:
		return append(b, "-infinity"...)
	}
	return appendDay(b, day)
}

func appendDay(b []byte, day int64) []byte {
	year, month, dom := civil(day)
	if year < 0 {
		b, year = append(b, '-'), -year
	}
	if year > 9999 {
		b = strconv.AppendInt(b, year, 10)
	} else {
		b = appendTwo(appendTwo(b, int(year/100)), int(year%100))
	}
	b = appendTwo(append(b, '-'), month)
	return appendTwo(append(b, '-'), dom)
}

// appendTwo appends n, which is below 100, in two digits.
func appendTwo(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

func appendDateTime(b []byte, micros int64) []byte {
	switch micros {
	case math.MaxInt64:
		return append(b, "infinity"...)
	case -math.MaxInt64:
		return append(b, "-infinity"...)
	}
	day := floorDiv(micros, microsPerDay)
	return appendClock(append(appendDay(b, day), ' '), micros-day*microsPerDay)
}

// appendClock appends HH:MM:SS and, unless they are zero, six digits of
// microseconds. Hours may exceed 24 and two digits.
func appendClock(b []byte, micros int64) []byte {
	seconds, fraction := micros/microsPerSecond, int(micros%microsPerSecond)
	if hours := seconds / 3600; hours > 99 {
		b = strconv.AppendInt(b, hours, 10)
	} else {
		b = appendTwo(b, int(hours))
	}
	b = appendTwo(append(b, ':'), int(seconds/60%60))
	b = appendTwo(append(b, ':'), int(seconds%60))
	if fraction == 0 {
		return b
	}
	b = appendTwo(append(b, '.'), fraction/10000)
	return appendTwo(appendTwo(b, fraction/100%100), fraction%100)
}

func appendTime(b []byte, micros int64) []byte {
	if micros < 0 {
		b, micros = append(b, '-'), -micros
	}
	return appendClock(b, micros)
}

// appendTimeTZ unpacks DuckDB's time with zone: 40 bits of microseconds above
// 24 bits that hold 15:59:59 minus the offset in seconds.
func appendTimeTZ(b []byte, packed uint64) []byte {
	b = appendClock(b, int64(packed>>24))
	offset := 16*3600 - 1 - int(packed&(1<<24-1))
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = appendTwo(append(b, sign), offset/3600)
	if offset%3600 != 0 {
		b = appendTwo(append(b, ':'), offset/60%60)
	}
	if offset%60 != 0 {
		b = appendTwo(append(b, ':'), offset%60)
	}
	return b
}

// spanMicros is the length of a span that has no months.
func spanMicros(s lake.Span) int64 { return int64(s.Days)*microsPerDay + s.Micros }

// appendSpan prints an interval as MySQL's TIME. Months have no fixed length,
// so an interval with months is spelled out.
func appendSpan(b []byte, s lake.Span) []byte {
	if s.Months == 0 {
		return appendTime(b, spanMicros(s))
	}
	b = appendUnit(b, int64(s.Months/12), "year")
	b = appendUnit(b, int64(s.Months%12), "month")
	b = appendUnit(b, int64(s.Days), "day")
	if s.Micros == 0 {
		return b[:len(b)-1]
	}
	return appendTime(b, s.Micros)
}

func appendUnit(b []byte, n int64, unit string) []byte {
	if n == 0 {
		return b
	}
	b = append(append(strconv.AppendInt(b, n, 10), ' '), unit...)
	if n != 1 && n != -1 {
		b = append(b, 's')
	}
	return append(b, ' ')
}

func appendBinaryDate(b []byte, day int64) []byte {
	year, month, dom := civil(day)
	return append(b, 4, byte(year), byte(year>>8), byte(month), byte(dom))
}

// appendBinaryDateTime leaves out the parts that are zero.
func appendBinaryDateTime(b []byte, micros int64) []byte {
	day := floorDiv(micros, microsPerDay)
	start := len(b)
	b = appendBinaryDate(b, day)
	micros -= day * microsPerDay
	if micros == 0 {
		return b
	}
	b[start] = 7
	seconds, fraction := micros/microsPerSecond, micros%microsPerSecond
	b = append(b, byte(seconds/3600), byte(seconds/60%60), byte(seconds%60))
	if fraction == 0 {
		return b
	}
	b[start] = 11
	return binary.LittleEndian.AppendUint32(b, uint32(fraction))
}

// appendBinaryTime appends sign, days, and the time of day.
func appendBinaryTime(b []byte, micros int64) []byte {
	if micros == 0 {
		return append(b, 0)
	}
	var negative byte
	if micros < 0 {
		negative, micros = 1, -micros
	}
	start := len(b)
	b = append(b, 8, negative)
	b = binary.LittleEndian.AppendUint32(b, uint32(micros/microsPerDay))
	seconds, fraction := micros%microsPerDay/microsPerSecond, micros%microsPerSecond
	b = append(b, byte(seconds/3600), byte(seconds/60%60), byte(seconds%60))
	if fraction == 0 {
		return b
	}
	b[start] = 12
	return binary.LittleEndian.AppendUint32(b, uint32(fraction))
}
