package pg

import (
	"encoding/binary"
	"math"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

// PostgreSQL counts days and microseconds from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * wire.MicrosPerDay
)

// appendBinary appends row i of v, which is not NULL, in the binary form of its
// pgType (the send functions of PostgreSQL's types).
func appendBinary(b []byte, v *lake.Vector, i int, zone *time.Location) []byte {
	be := binary.BigEndian
	switch typeOf(v.Type) {
	case typeBool:
		if v.Data.([]bool)[i] {
			return append(b, 1)
		}
		return append(b, 0)
	case typeInt2:
		n, _ := integer(v, i)
		return be.AppendUint16(b, uint16(n))
	case typeInt4:
		n, _ := integer(v, i)
		return be.AppendUint32(b, uint32(n))
	case typeInt8:
		n, _ := integer(v, i)
		return be.AppendUint64(b, uint64(n))
	case typeFloat4:
		return be.AppendUint32(b, math.Float32bits(v.Data.([]float32)[i]))
	case typeFloat8:
		return be.AppendUint64(b, math.Float64bits(v.Data.([]float64)[i]))
	case typeNumeric:
		scale := 0
		if v.Type.Kind == lake.Decimal {
			scale = int(v.Type.Scale)
		}
		return appendNumeric(b, appendText(nil, v, i, zone), scale)
	case typeBytea:
		return append(b, v.Data.([]lake.String)[i].Bytes()...)
	case typeVarbit:
		return appendVarbit(b, appendText(nil, v, i, zone))
	case typeUUID:
		u := v.Data.([]lake.Int128)[i]
		return be.AppendUint64(be.AppendUint64(b, uint64(u.Hi)^1<<63), u.Lo)
	case typeDate:
		return be.AppendUint32(b, uint32(sinceEpoch(int64(v.Data.([]int32)[i]), epochDays, math.MaxInt32)))
	case typeTime:
		return be.AppendUint64(b, uint64(v.Data.([]int64)[i]))
	case typeTimeTZ:
		packed := v.Data.([]uint64)[i]
		return be.AppendUint32(be.AppendUint64(b, packed>>24), uint32(-zoneOf(packed)))
	case typeTimestamp, typeTimestampTZ:
		micros := wire.MicrosOf(v.Type.Kind, v.Data.([]int64)[i])
		return be.AppendUint64(b, uint64(sinceEpoch(micros, epochMicros, math.MaxInt64)))
	case typeInterval:
		s := v.Data.([]lake.Span)[i]
		return be.AppendUint32(be.AppendUint32(be.AppendUint64(b, uint64(s.Micros)), uint32(s.Days)), uint32(s.Months))
	}
	if isArray(v.Type) {
		return appendBinaryArray(b, v, i, zone)
	}
	return appendText(b, v, i, zone)
}

// sinceEpoch moves a count since 1970 to one since 2000. The engine's infinite
// values are plus and minus most; PostgreSQL's are most and its negative less
// one.
func sinceEpoch(n, epoch, most int64) int64 {
	switch n {
	case most:
		return most
	case -most:
		return -most - 1
	}
	return n - epoch
}

// appendNumeric appends decimal digits as numeric's digits to the base 10,000:
// how many there are, the weight of the first, the sign, the scale.
func appendNumeric(b, text []byte, scale int) []byte {
	var sign uint16
	if text[0] == '-' {
		sign, text = 0x4000, text[1:]
	}
	whole := text
	var fraction []byte
	if scale > 0 {
		at := len(text) - scale
		whole, fraction = text[:at-1], text[at:]
	}
	var groups []uint16
	weight := (len(whole)+3)/4 - 1
	for at := len(whole) - (weight+1)*4; at < len(whole); at += 4 {
		groups = append(groups, group(whole, at))
	}
	for at := 0; at < len(fraction); at += 4 {
		groups = append(groups, group(fraction, at))
	}
	for len(groups) > 0 && groups[0] == 0 {
		groups, weight = groups[1:], weight-1
	}
	for n := len(groups); n > 0 && groups[n-1] == 0; n = len(groups) {
		groups = groups[:n-1]
	}
	if len(groups) == 0 {
		weight, sign = 0, 0
	}
	be := binary.BigEndian
	b = be.AppendUint16(b, uint16(len(groups)))
	b = be.AppendUint16(b, uint16(weight))
	b = be.AppendUint16(b, sign)
	b = be.AppendUint16(b, uint16(scale))
	for _, g := range groups {
		b = be.AppendUint16(b, g)
	}
	return b
}

// group reads four digits from at on; those outside text are zeros.
func group(text []byte, at int) uint16 {
	var n uint16
	for i := at; i < at+4; i++ {
		n *= 10
		if i >= 0 && i < len(text) {
			n += uint16(text[i] - '0')
		}
	}
	return n
}

// appendVarbit appends text of zeros and ones as a count and packed bits.
func appendVarbit(b, text []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	for at := 0; at < len(text); at += 8 {
		var octet byte
		for i := range 8 {
			if at+i < len(text) && text[at+i] == '1' {
				octet |= 0x80 >> i
			}
		}
		b = append(b, octet)
	}
	return b
}

// appendBinaryArray appends an array of one dimension; one without elements has
// none.
func appendBinaryArray(b []byte, v *lake.Vector, i int, zone *time.Location) []byte {
	be := binary.BigEndian
	child, from, to := elementRange(v, i)
	var dimensions, nulls uint32
	if to > from {
		dimensions = 1
	}
	for n := from; n < to; n++ {
		if child.IsNull(n) {
			nulls = 1
		}
	}
	b = be.AppendUint32(b, dimensions)
	b = be.AppendUint32(b, nulls)
	b = be.AppendUint32(b, typeOf(child.Type).oid)
	if dimensions == 0 {
		return b
	}
	b = be.AppendUint32(b, uint32(to-from))
	b = be.AppendUint32(b, 1)
	for n := from; n < to; n++ {
		b = appendValue(b, child, n, true, zone)
	}
	return b
}

// appendValue appends a value with its length in front, or the mark of NULL.
func appendValue(b []byte, v *lake.Vector, i int, asBinary bool, zone *time.Location) []byte {
	if v.IsNull(i) {
		return append(b, 0xff, 0xff, 0xff, 0xff)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	if asBinary {
		b = appendBinary(b, v, i, zone)
	} else {
		b = appendText(b, v, i, zone)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}
