package mysql

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// paramType is how a client sends one argument.
type paramType struct {
	code     uint8
	unsigned bool
}

// params reads the arguments of COM_STMT_EXECUTE, or the attributes of
// COM_QUERY, which have the same form.
type params struct {
	named bool        // a name stands behind each type
	types []paramType // in force from before; replaced when the client binds new ones
}

// read reads n arguments. The value of one whose data was sent ahead, in long,
// is not in the packet.
func (p *params) read(f *fields, n uint64, long [][]byte) ([]any, error) {
	if n == 0 {
		return nil, nil
	}
	if n > math.MaxUint16 {
		return nil, malformed(fmt.Sprintf("%d arguments", n))
	}
	nulls := f.take((n-1)/8 + 1)
	if f.uint8() == 1 {
		p.readTypes(f, n)
	}
	if f.broken || uint64(len(p.types)) < n {
		return nil, malformed("arguments without types")
	}
	args := make([]any, n)
	for i := range args {
		switch {
		case i < len(long) && long[i] != nil:
			args[i] = textOrBytes(p.types[i].code, long[i])
		case nulls[i/8]&(1<<(i%8)) == 0:
			v, err := p.types[i].read(f)
			if err != nil {
				return nil, err
			}
			args[i] = v
		}
	}
	if f.broken {
		return nil, malformed("arguments that end too early")
	}
	return args, nil
}

func (p *params) readTypes(f *fields, n uint64) {
	p.types = nil
	for i := uint64(0); i < n && !f.broken; i++ {
		t := paramType{code: f.uint8(), unsigned: f.uint8()&0x80 != 0}
		if p.named {
			f.lenBytes()
		}
		p.types = append(p.types, t)
	}
}

// read reads one value.
func (t paramType) read(f *fields) (any, error) {
	switch t.code {
	case typeNull:
		return nil, nil
	case typeTiny:
		return t.integer(int64(int8(f.uint8())), 8), nil
	case typeShort, typeYear:
		return t.integer(int64(int16(f.uint16())), 16), nil
	case typeLong, typeInt24:
		return t.integer(int64(int32(f.uint32())), 32), nil
	case typeLongLong:
		return t.integer(int64(f.uint64()), 64), nil
	case typeFloat:
		return float64(math.Float32frombits(f.uint32())), nil
	case typeDouble:
		return math.Float64frombits(f.uint64()), nil
	case typeDate, typeDateTime, typeTimestamp:
		return readDateTime(t.code, f.take(uint64(f.uint8())))
	case typeTime:
		return readTime(f.take(uint64(f.uint8())))
	case typeDecimal, typeNewDecimal, typeVarchar, typeVarString, typeString, typeEnum, typeSet, typeJSON,
		typeBit, typeTinyBlob, typeMediumBlob, typeLongBlob, typeBlob:
		return textOrBytes(t.code, f.lenBytes()), nil
	}
	return nil, sqlerr.New(sqlerr.Unsupported, "an argument has type %#02x, which is not known", t.code).
		With(codeWrongArguments)
}

// integer widens v, of the given number of bits, as signed or unsigned.
func (t paramType) integer(v int64, size uint) any {
	if t.unsigned {
		return uint64(v) << (64 - size) >> (64 - size)
	}
	return v
}

// textOrBytes copies an argument out of the packet. Clients send bytes as
// strings, too; bytes that are no UTF-8 cannot be meant as text.
func textOrBytes(code uint8, b []byte) any {
	switch code {
	case typeTinyBlob, typeMediumBlob, typeLongBlob, typeBlob, typeBit:
		return append([]byte{}, b...)
	}
	if !utf8.Valid(b) {
		return append([]byte{}, b...)
	}
	return string(b)
}

// readDateTime reads a date with or without a time. The zero date, which no
// calendar has, becomes MySQL's text for it.
func readDateTime(code uint8, b []byte) (any, error) {
	f := fields{b: b}
	var year, month, day, hour, minute, second, micros int
	switch len(b) {
	case 0, 4, 7, 11:
	default:
		return nil, malformed(fmt.Sprintf("a date of %d bytes", len(b)))
	}
	if len(b) >= 4 {
		year, month, day = int(f.uint16()), int(f.uint8()), int(f.uint8())
	}
	if len(b) >= 7 {
		hour, minute, second = int(f.uint8()), int(f.uint8()), int(f.uint8())
	}
	if len(b) == 11 {
		micros = int(f.uint32())
	}
	if year|month|day == 0 {
		if code == typeDate {
			return "0000-00-00", nil
		}
		return fmt.Sprintf("0000-00-00 %02d:%02d:%02d", hour, minute, second), nil
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	if t.Month() != time.Month(month) || t.Day() != day || hour > 23 || minute > 59 || second > 59 || micros > 999999 {
		return nil, sqlerr.New(sqlerr.Invalid, "Incorrect datetime value: '%04d-%02d-%02d %02d:%02d:%02d.%06d'",
			year, month, day, hour, minute, second, micros).With(sqlerr.Code{MySQL: 1292, State: "22007"})
	}
	return t, nil
}

// readTime reads a span of time and gives its text.
func readTime(b []byte) (any, error) {
	f := fields{b: b}
	switch len(b) {
	case 0:
		return "00:00:00", nil
	case 8, 12:
	default:
		return nil, malformed(fmt.Sprintf("a time of %d bytes", len(b)))
	}
	negative := f.uint8() != 0
	micros := int64(f.uint32()) * wire.MicrosPerDay
	micros += (int64(f.uint8())*3600 + int64(f.uint8())*60 + int64(f.uint8())) * wire.MicrosPerSecond
	if len(b) == 12 {
		micros += int64(f.uint32())
	}
	if negative {
		micros = -micros
	}
	return string(appendTime(nil, micros)), nil
}
