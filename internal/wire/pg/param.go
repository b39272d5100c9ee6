package pg

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// arguments gives a Bind's parameters as text, nil for NULL.
func arguments(oids []uint32, m *pgproto3.Bind) ([]any, error) {
	if len(m.Parameters) != len(oids) {
		return nil, malformed("the bind message has %d parameters, but the prepared statement needs %d", len(m.Parameters), len(oids))
	}
	if n := len(m.ParameterFormatCodes); n > 1 && n != len(oids) {
		return nil, malformed("the bind message has %d parameter formats but %d parameters", n, len(oids))
	}
	args := make([]any, len(oids))
	for i, value := range m.Parameters {
		if value == nil {
			continue
		}
		format := int16(0)
		switch len(m.ParameterFormatCodes) {
		case 0:
		case 1:
			format = m.ParameterFormatCodes[0]
		default:
			format = m.ParameterFormatCodes[i]
		}
		text := value
		if format == 1 {
			var err error
			if text, err = binaryText(nil, oids[i], value); err != nil {
				return nil, sqlerr.New(sqlerr.Invalid, "parameter $%d: %s", i+1, sqlerr.From(err).Msg).With(codeBinary)
			}
		}
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			return nil, sqlerr.New(sqlerr.Invalid, "invalid byte sequence for encoding \"UTF8\" in parameter $%d", i+1).With(codeEncoding)
		}
		args[i] = string(text)
	}
	return args, nil
}

var (
	codeBinary   = sqlerr.Code{State: "22P03"}
	codeEncoding = sqlerr.Code{State: "22021"}
)

func wrongSize(oid uint32, data []byte) error {
	return sqlerr.New(sqlerr.Invalid, "%d bytes are not the binary form of a value of the type with OID %d", len(data), oid).With(codeBinary)
}

// binaryText appends the text of a value in binary form (the receive functions
// of PostgreSQL's types).
func binaryText(b []byte, oid uint32, data []byte) ([]byte, error) {
	be := binary.BigEndian
	if size, fixed := sizes[oid]; fixed && len(data) != size {
		return nil, wrongSize(oid, data)
	}
	switch oid {
	case typeBool.oid:
		if data[0] != 0 {
			return append(b, 't'), nil
		}
		return append(b, 'f'), nil
	case typeInt2.oid:
		return strconv.AppendInt(b, int64(int16(be.Uint16(data))), 10), nil
	case typeInt4.oid:
		return strconv.AppendInt(b, int64(int32(be.Uint32(data))), 10), nil
	case oidOID:
		return strconv.AppendUint(b, uint64(be.Uint32(data)), 10), nil
	case typeInt8.oid:
		return strconv.AppendInt(b, int64(be.Uint64(data)), 10), nil
	case typeFloat4.oid:
		return appendFloat(b, float64(math.Float32frombits(be.Uint32(data))), 32), nil
	case typeFloat8.oid:
		return appendFloat(b, math.Float64frombits(be.Uint64(data)), 64), nil
	case typeNumeric.oid:
		return numericText(b, data)
	case typeBytea.oid:
		return appendHex(append(b, '\\', 'x'), data), nil
	case oidJSONB:
		if len(data) == 0 || data[0] != 1 {
			return nil, wrongSize(oid, data)
		}
		return append(b, data[1:]...), nil
	case typeUUID.oid:
		return wire.AppendUUID(b, lake.Int128{Hi: int64(be.Uint64(data) ^ 1<<63), Lo: be.Uint64(data[8:])}), nil
	case typeText.oid, typeVarchar.oid, typeJSON.oid, oidName, oidBpchar, oidChar, oidUnknown, 0:
		return append(b, data...), nil
	case typeVarbit.oid:
		return varbitText(b, data)
	}
	if elem, isArray := elements[oid]; isArray {
		return arrayText(b, elem, data)
	}
	return timeText(b, oid, data)
}

// sizes are the lengths of values that always have the same.
var sizes = map[uint32]int{
	typeBool.oid: 1, typeInt2.oid: 2, typeInt4.oid: 4, oidOID: 4, typeInt8.oid: 8, typeFloat4.oid: 4, typeFloat8.oid: 8, typeUUID.oid: 16,
	typeDate.oid: 4, typeTime.oid: 8, typeTimeTZ.oid: 12, typeTimestamp.oid: 8, typeTimestampTZ.oid: 8, typeInterval.oid: 16,
}

// untilEpoch is sinceEpoch the other way.
func untilEpoch(n, epoch, most int64) int64 {
	switch {
	case n == most:
		return most
	case n == -most-1:
		return -most
	case n > most-epoch:
		return most
	}
	return n + epoch
}

func timeText(b []byte, oid uint32, data []byte) ([]byte, error) {
	be := binary.BigEndian
	switch oid {
	case typeDate.oid:
		return appendDate(b, untilEpoch(int64(int32(be.Uint32(data))), epochDays, math.MaxInt32)), nil
	case typeTimestamp.oid:
		return appendTimestamp(b, untilEpoch(int64(be.Uint64(data)), epochMicros, math.MaxInt64), 0, false), nil
	case typeTimestampTZ.oid:
		return appendInstant(b, untilEpoch(int64(be.Uint64(data)), epochMicros, math.MaxInt64), time.UTC), nil
	case typeInterval.oid:
		return appendSpan(b, lake.Span{Micros: int64(be.Uint64(data)), Days: int32(be.Uint32(data[8:])), Months: int32(be.Uint32(data[12:]))}), nil
	case typeTime.oid, typeTimeTZ.oid:
		micros := int64(be.Uint64(data))
		if micros < 0 || micros > wire.MicrosPerDay {
			return nil, sqlerr.New(sqlerr.Invalid, "time out of range").With(codeBinary)
		}
		b = trimZeros(wire.AppendClock(b, micros))
		if oid == typeTimeTZ.oid {
			west := int32(be.Uint32(data[8:]))
			if west <= -16*3600 || west >= 16*3600 {
				return nil, sqlerr.New(sqlerr.Invalid, "time zone displacement out of range").With(codeBinary)
			}
			b = appendOffset(b, int(-west))
		}
		return b, nil
	}
	return nil, sqlerr.New(sqlerr.Unsupported, "values of the type with OID %d cannot be sent in binary form", oid).
		WithHint("send them as text")
}

// numericText is appendNumeric the other way.
func numericText(b, data []byte) ([]byte, error) {
	be := binary.BigEndian
	if len(data) < 8 || len(data) != 8+2*int(be.Uint16(data)) {
		return nil, wrongSize(typeNumeric.oid, data)
	}
	count, weight, sign, scale := int(be.Uint16(data)), int(int16(be.Uint16(data[2:]))), be.Uint16(data[4:]), int(be.Uint16(data[6:])&0x3fff)
	switch sign {
	case 0:
	case 0x4000:
		b = append(b, '-')
	case 0xc000:
		return append(b, "NaN"...), nil
	case 0xd000:
		return append(b, "Infinity"...), nil
	case 0xf000:
		return append(b, "-Infinity"...), nil
	default:
		return nil, wrongSize(typeNumeric.oid, data)
	}
	digits := func(n int) uint16 { // the group of weight n
		if at := weight - n; at >= 0 && at < count {
			return be.Uint16(data[8+2*at:])
		}
		return 0
	}
	if weight > 64 || scale > 256 {
		return nil, sqlerr.New(sqlerr.Invalid, "the numeric is out of range: 38 digits are the most").With(sqlerr.Code{State: "22003"})
	}
	whole := len(b)
	for n := max(weight, 0); n >= 0; n-- {
		b = appendGroup(b, digits(n), len(b) > whole)
	}
	if scale == 0 {
		return b, nil
	}
	b = append(b, '.')
	start := len(b)
	for n := -1; len(b)-start < scale; n-- {
		b = appendGroup(b, digits(n), true)
	}
	return b[:start+scale], nil
}

// appendGroup appends a group of numeric's digits, with zeros in front of one
// that is not the first.
func appendGroup(b []byte, g uint16, padded bool) []byte {
	if !padded {
		return strconv.AppendUint(b, uint64(g), 10)
	}
	g %= 10000
	return wire.AppendTwo(wire.AppendTwo(b, int(g/100)), int(g%100))
}

func varbitText(b, data []byte) ([]byte, error) {
	if len(data) < 4 {
		return nil, wrongSize(typeVarbit.oid, data)
	}
	n := int(binary.BigEndian.Uint32(data))
	if bits := data[4:]; (n+7)/8 == len(bits) {
		for i := range n {
			b = append(b, '0'+bits[i/8]>>(7-i%8)&1)
		}
		return b, nil
	}
	return nil, wrongSize(typeVarbit.oid, data)
}

// arrayText gives the text of an array of at most one dimension.
func arrayText(b []byte, elem uint32, data []byte) ([]byte, error) {
	be := binary.BigEndian
	if len(data) < 12 {
		return nil, wrongSize(elem, data)
	}
	dimensions := be.Uint32(data)
	if dimensions == 0 {
		return append(b, "{}"...), nil
	}
	if dimensions != 1 || len(data) < 20 {
		return nil, sqlerr.New(sqlerr.Unsupported, "arrays of %d dimensions are not built yet", dimensions)
	}
	count := int(be.Uint32(data[12:]))
	data = data[20:]
	b = append(b, '{')
	for i := range count {
		if len(data) < 4 {
			return nil, wrongSize(elem, data)
		}
		n := int32(be.Uint32(data))
		data = data[4:]
		if i > 0 {
			b = append(b, ',')
		}
		if n < 0 {
			b = append(b, "NULL"...)
			continue
		}
		if int(n) > len(data) {
			return nil, wrongSize(elem, data)
		}
		text, err := binaryText(nil, elem, data[:n])
		if err != nil {
			return nil, err
		}
		b = append(b, '"')
		b = append(b, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(text))...)
		b = append(b, '"')
		data = data[n:]
	}
	return append(b, '}'), nil
}
