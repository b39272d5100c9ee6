package mysql

import (
	"encoding/binary"
	"math"
	"strconv"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

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
	year, month, dom := wire.Civil(day)
	if year < 0 {
		b, year = append(b, '-'), -year
	}
	if year > 9999 {
		b = strconv.AppendInt(b, year, 10)
	} else {
		b = wire.AppendTwo(wire.AppendTwo(b, int(year/100)), int(year%100))
	}
	b = wire.AppendTwo(append(b, '-'), month)
	return wire.AppendTwo(append(b, '-'), dom)
}

func appendDateTime(b []byte, micros int64) []byte {
	switch micros {
	case math.MaxInt64:
		return append(b, "infinity"...)
	case -math.MaxInt64:
		return append(b, "-infinity"...)
	}
	day := wire.FloorDiv(micros, wire.MicrosPerDay)
	return wire.AppendClock(append(appendDay(b, day), ' '), micros-day*wire.MicrosPerDay)
}

func appendTime(b []byte, micros int64) []byte {
	if micros < 0 {
		b, micros = append(b, '-'), -micros
	}
	return wire.AppendClock(b, micros)
}

// appendTimeTZ unpacks DuckDB's time with zone: 40 bits of microseconds above
// 24 bits that hold 15:59:59 minus the offset in seconds.
func appendTimeTZ(b []byte, packed uint64) []byte {
	b = wire.AppendClock(b, int64(packed>>24))
	offset := 16*3600 - 1 - int(packed&(1<<24-1))
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = wire.AppendTwo(append(b, sign), offset/3600)
	if offset%3600 != 0 {
		b = wire.AppendTwo(append(b, ':'), offset/60%60)
	}
	if offset%60 != 0 {
		b = wire.AppendTwo(append(b, ':'), offset%60)
	}
	return b
}

// spanMicros is the length of a span that has no months.
func spanMicros(s lake.Span) int64 { return int64(s.Days)*wire.MicrosPerDay + s.Micros }

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
	year, month, dom := wire.Civil(day)
	return append(b, 4, byte(year), byte(year>>8), byte(month), byte(dom))
}

// appendBinaryDateTime leaves out the parts that are zero.
func appendBinaryDateTime(b []byte, micros int64) []byte {
	day := wire.FloorDiv(micros, wire.MicrosPerDay)
	start := len(b)
	b = appendBinaryDate(b, day)
	micros -= day * wire.MicrosPerDay
	if micros == 0 {
		return b
	}
	b[start] = 7
	seconds, fraction := micros/wire.MicrosPerSecond, micros%wire.MicrosPerSecond
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
	b = binary.LittleEndian.AppendUint32(b, uint32(micros/wire.MicrosPerDay))
	seconds, fraction := micros%wire.MicrosPerDay/wire.MicrosPerSecond, micros%wire.MicrosPerSecond
	b = append(b, byte(seconds/3600), byte(seconds/60%60), byte(seconds%60))
	if fraction == 0 {
		return b
	}
	b[start] = 12
	return binary.LittleEndian.AppendUint32(b, uint32(fraction))
}
