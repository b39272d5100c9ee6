package mysql

import (
	"encoding/binary"
	"math"
	"strconv"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

// appendTextValue appends row i of v as the text protocol has it: a
// length-encoded string, or the mark of NULL.
func appendTextValue(b []byte, v *lake.Vector, i int) []byte {
	if v.IsNull(i) {
		return append(b, headNull)
	}
	switch v.Type.Kind {
	case lake.Varchar, lake.Blob:
		return appendLenString(b, v.Data.([]lake.String)[i].Bytes())
	}
	b = append(b, 0)
	start := len(b)
	return sealLen(appendText(b, v, i), start)
}

// appendBinaryValue appends row i of v, which is not NULL, as the binary
// protocol has it.
func appendBinaryValue(b []byte, v *lake.Vector, i int) []byte {
	le := binary.LittleEndian
	switch v.Type.Kind {
	case lake.Boolean:
		return append(b, truth(v.Data.([]bool)[i])-'0')
	case lake.TinyInt:
		return append(b, byte(v.Data.([]int8)[i]))
	case lake.UTinyInt:
		return append(b, v.Data.([]uint8)[i])
	case lake.SmallInt:
		return le.AppendUint16(b, uint16(v.Data.([]int16)[i]))
	case lake.USmallInt:
		return le.AppendUint16(b, v.Data.([]uint16)[i])
	case lake.Integer:
		return le.AppendUint32(b, uint32(v.Data.([]int32)[i]))
	case lake.UInteger:
		return le.AppendUint32(b, v.Data.([]uint32)[i])
	case lake.BigInt:
		return le.AppendUint64(b, uint64(v.Data.([]int64)[i]))
	case lake.UBigInt:
		return le.AppendUint64(b, v.Data.([]uint64)[i])
	case lake.Float:
		return le.AppendUint32(b, math.Float32bits(v.Data.([]float32)[i]))
	case lake.Double:
		return le.AppendUint64(b, math.Float64bits(v.Data.([]float64)[i]))
	case lake.Date:
		return appendBinaryDate(b, int64(v.Data.([]int32)[i]))
	case lake.Timestamp, lake.TimestampS, lake.TimestampMS, lake.TimestampNS, lake.TimestampTZ:
		return appendBinaryDateTime(b, wire.MicrosOf(v.Type.Kind, v.Data.([]int64)[i]))
	case lake.Time:
		return appendBinaryTime(b, v.Data.([]int64)[i])
	case lake.Interval:
		return appendBinaryTime(b, spanMicros(v.Data.([]lake.Span)[i]))
	}
	return appendTextValue(b, v, i)
}

// appendText appends row i of v, which is not NULL, as StarRocks prints it.
func appendText(b []byte, v *lake.Vector, i int) []byte {
	switch v.Type.Kind {
	case lake.Boolean:
		return append(b, truth(v.Data.([]bool)[i]))
	case lake.TinyInt:
		return strconv.AppendInt(b, int64(v.Data.([]int8)[i]), 10)
	case lake.SmallInt:
		return strconv.AppendInt(b, int64(v.Data.([]int16)[i]), 10)
	case lake.Integer:
		return strconv.AppendInt(b, int64(v.Data.([]int32)[i]), 10)
	case lake.BigInt:
		return strconv.AppendInt(b, v.Data.([]int64)[i], 10)
	case lake.UTinyInt:
		return strconv.AppendUint(b, uint64(v.Data.([]uint8)[i]), 10)
	case lake.USmallInt:
		return strconv.AppendUint(b, uint64(v.Data.([]uint16)[i]), 10)
	case lake.UInteger:
		return strconv.AppendUint(b, uint64(v.Data.([]uint32)[i]), 10)
	case lake.UBigInt:
		return strconv.AppendUint(b, v.Data.([]uint64)[i], 10)
	case lake.Float:
		return appendFloat(b, float64(v.Data.([]float32)[i]), 32)
	case lake.Double:
		return appendFloat(b, v.Data.([]float64)[i], 64)
	case lake.Decimal:
		return wire.AppendDecimal(b, wire.Unscaled(v.Data, i), int(v.Type.Scale))
	case lake.Varchar, lake.Blob:
		return append(b, v.Data.([]lake.String)[i].Bytes()...)
	case lake.JSON:
		return lake.AppendJSON(b, v.Data.([]lake.String)[i].Bytes())
	case lake.List, lake.Array, lake.Map, lake.Struct:
		return appendNested(b, v, i)
	}
	if b, done := wire.AppendText(b, v, i); done {
		return b
	}
	return appendTimeText(b, v, i)
}

// appendTimeText is appendText for dates, times and intervals.
func appendTimeText(b []byte, v *lake.Vector, i int) []byte {
	switch v.Type.Kind {
	case lake.Date:
		return appendDate(b, int64(v.Data.([]int32)[i]))
	case lake.Timestamp, lake.TimestampS, lake.TimestampMS, lake.TimestampNS, lake.TimestampTZ:
		return appendDateTime(b, wire.MicrosOf(v.Type.Kind, v.Data.([]int64)[i]))
	case lake.Time:
		return appendTime(b, v.Data.([]int64)[i])
	case lake.TimeTZ:
		return appendTimeTZ(b, v.Data.([]uint64)[i])
	case lake.Interval:
		return appendSpan(b, v.Data.([]lake.Span)[i])
	}
	return b
}

func truth(v bool) byte {
	if v {
		return '1'
	}
	return '0'
}

// appendFloat appends the shortest text that reads back as f, in MySQL's form:
// plain digits where the exponent is small, else as in 1e20.
func appendFloat(b []byte, f float64, size int) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case abs >= 1e15 || abs < 1e-15 && abs > 0:
		return appendExponent(b, f, size)
	}
	if size == 64 {
		if n := f * fourDecimals; math.Abs(n) < 1e15 && n == math.Trunc(n) && n/fourDecimals == f && n != 0 {
			return appendFixed(b, int64(n))
		}
	}
	return strconv.AppendFloat(b, f, 'f', -1, size)
}

// fourDecimals is the scale of doubles that are printed without a search for
// their shortest text. Such a double is a whole number of ten-thousandths of
// at most 15 digits, and no two texts of 15 digits mean the same double: so
// the text is the shortest once its trailing zeros are gone.
const fourDecimals = 10_000

// appendFixed prints n ten-thousandths.
func appendFixed(b []byte, n int64) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/fourDecimals, 10)
	rest := int(n % fourDecimals)
	if rest == 0 {
		return b
	}
	b = wire.AppendTwo(append(b, '.'), rest/100)
	if rest%100 != 0 {
		b = wire.AppendTwo(b, rest%100)
	}
	if b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

func appendExponent(b []byte, f float64, size int) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, f, 'e', -1, size)
	for i := start; i < len(b); i++ {
		if b[i] == '+' {
			return append(b[:i], b[i+1:]...)
		}
	}
	return b
}

// appendNested prints a list as [1,2], a map as {"k":1} and a struct as
// {"f":1}.
func appendNested(b []byte, v *lake.Vector, i int) []byte {
	switch v.Type.Kind {
	case lake.List:
		e := v.Data.([]lake.Entry)[i]
		return appendList(b, &v.Child[0], int(e.Offset), int(e.Offset+e.Length))
	case lake.Array:
		return appendList(b, &v.Child[0], i*v.Type.Size, (i+1)*v.Type.Size)
	case lake.Map:
		e := v.Data.([]lake.Entry)[i]
		keys, values := &v.Child[0].Child[0], &v.Child[0].Child[1]
		b = append(b, '{')
		for n := int(e.Offset); n < int(e.Offset+e.Length); n++ {
			if n > int(e.Offset) {
				b = append(b, ',')
			}
			b = append(appendElement(b, keys, n), ':')
			b = appendElement(b, values, n)
		}
		return append(b, '}')
	}
	b = append(b, '{')
	for n := range v.Child {
		if n > 0 {
			b = append(b, ',')
		}
		name := v.Type.Fields[n].Name
		if name == "" { // of ROW(..)
			name = "col" + strconv.Itoa(n+1)
		}
		b = append(appendQuoted(b, name, '"'), ':')
		b = appendElement(b, &v.Child[n], i)
	}
	return append(b, '}')
}

func appendList(b []byte, v *lake.Vector, from, to int) []byte {
	b = append(b, '[')
	for i := from; i < to; i++ {
		if i > from {
			b = append(b, ',')
		}
		b = appendElement(b, v, i)
	}
	return append(b, ']')
}

// appendElement prints a value inside a nested one: numbers plain, JSON in
// single quotes, all else in double quotes, as StarRocks does.
func appendElement(b []byte, v *lake.Vector, i int) []byte {
	if v.IsNull(i) {
		return append(b, "null"...)
	}
	switch k := v.Type.Kind; {
	case k == lake.Varchar || k == lake.Blob:
		return appendQuoted(b, v.Data.([]lake.String)[i].Bytes(), '"')
	case k == lake.JSON:
		return appendQuoted(b, lake.AppendJSON(nil, v.Data.([]lake.String)[i].Bytes()), '\'')
	case k == lake.Enum:
		return appendQuoted(b, v.Type.Names[wire.EnumIndex(v.Data, i)], '"')
	case k >= lake.Bit && k <= lake.UUID:
		return append(appendText(append(b, '"'), v, i), '"')
	}
	return appendText(b, v, i)
}

// appendQuoted escapes the quote and the backslash with a backslash.
func appendQuoted[S string | []byte](b []byte, s S, quote byte) []byte {
	b = append(b, quote)
	for i := range len(s) {
		if s[i] == quote || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, quote)
}
