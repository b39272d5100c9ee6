package iceberg

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lakeport/internal/lake"
)

// A value of a primitive type is, in Go: nil for NULL; a bool; an int64 for
// int, long, date (days), time and the timestamps (micros, or nanos for _ns);
// a float64 for float and double; a *big.Int, unscaled, for decimal; a string
// for the others, of bytes for binary, fixed and uuid.
type value any

// decodeBound reads a value's binary single-value serialization. Bounds keep
// the width that the type had when they were written. False: it is none.
func decodeBound(t Type, b []byte) (value, bool) {
	if b == nil { // nobody has told
		return nil, false
	}
	switch t.Name {
	case "boolean":
		if len(b) == 1 {
			return b[0] != 0, true
		}
	case "int", "date", "long", "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns":
		switch {
		case len(b) == 8:
			return int64(binary.LittleEndian.Uint64(b)), true
		case len(b) == 4 && (t.Name == "int" || t.Name == "date" || t.Name == "long"):
			return int64(int32(binary.LittleEndian.Uint32(b))), true
		}
	case "float", "double":
		var f float64
		switch len(b) {
		case 4:
			f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		case 8:
			f = math.Float64frombits(binary.LittleEndian.Uint64(b))
		default:
			return nil, false
		}
		return f, !math.IsNaN(f)
	case "decimal":
		if len(b) > 0 && len(b) <= 32 {
			return fromTwosComplement(b), true
		}
	case "string":
		return string(b), true
	case "uuid", "fixed", "binary":
		return string(b), true
	}
	return nil, false
}

// encodeBound writes a value's binary single-value serialization.
func encodeBound(t Type, v value) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return []byte{1}
		}
		return []byte{0}
	case int64:
		if t.Name == "int" || t.Name == "date" {
			return binary.LittleEndian.AppendUint32(nil, uint32(int32(v)))
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(v))
	case float64:
		if t.Name == "float" {
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
		}
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
	case *big.Int:
		return twosComplement(v)
	case string:
		return []byte(v)
	}
	return nil
}

// twosComplement is the shortest big-endian form of an integer.
func twosComplement(v *big.Int) []byte {
	n := v.BitLen()/8 + 1 // with the sign bit
	if v.Sign() < 0 {
		n = new(big.Int).Not(v).BitLen()/8 + 1
	}
	return padded(v, n)
}

// padded is the big-endian form of an integer in n bytes.
func padded(v *big.Int, n int) []byte {
	m := new(big.Int).Set(v)
	if m.Sign() < 0 {
		m.Add(m, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	return m.FillBytes(make([]byte, n))
}

func fromTwosComplement(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

// fromAvro takes a value that package avro has decoded.
func fromAvro(t Type, v any) (value, error) {
	wrong := fmt.Errorf("a partition value of type %s is stored as %T", t, v)
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool:
		if t.Name == "boolean" {
			return v, nil
		}
	case int32:
		return fromInt(t, int64(v), wrong)
	case int64:
		return fromInt(t, v, wrong)
	case float32:
		return fromFloat(t, float64(v), wrong)
	case float64:
		return fromFloat(t, v, wrong)
	case string:
		if t.Name == "uuid" {
			return uuidBytes(v)
		}
		if t.Name == "string" {
			return v, nil
		}
	case []byte:
		switch t.Name {
		case "decimal":
			if len(v) > 0 {
				return fromTwosComplement(v), nil
			}
		case "uuid", "fixed", "binary", "string":
			return string(v), nil
		}
	}
	return nil, wrong
}

func fromInt(t Type, v int64, wrong error) (value, error) {
	switch t.Name {
	case "int", "long", "date", "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns":
		return v, nil
	}
	return nil, wrong
}

func fromFloat(t Type, v float64, wrong error) (value, error) {
	if t.Name == "float" || t.Name == "double" {
		return v, nil
	}
	return nil, wrong
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func uuidBytes(text string) (value, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		return nil, fmt.Errorf("%.60q is no UUID", text)
	}
	return string(b), nil
}

var decimalText = regexp.MustCompile(`^[+-]?([0-9]{1,60}(\.[0-9]{0,60})?|\.[0-9]{1,60})$`)

// fromText reads a value as the engine's SQL spells it. False: it is none, or
// one that the type cannot hold exactly.
func fromText(t Type, text string) (value, bool) {
	switch t.Name {
	case "boolean":
		b, err := strconv.ParseBool(strings.ToLower(text))
		return b, err == nil
	case "int":
		n, err := strconv.ParseInt(text, 10, 32)
		return n, err == nil
	case "long":
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	case "float", "double":
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil && !math.IsNaN(f)
	case "decimal":
		if !decimalText.MatchString(text) {
			return nil, false
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return nil, false
		}
		r.Mul(r, new(big.Rat).SetInt(pow10(t.Scale)))
		return new(big.Int).Set(r.Num()), r.IsInt()
	case "string":
		return text, utf8.ValidString(text)
	case "uuid":
		v, err := uuidBytes(text)
		return v, err == nil
	case "date", "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns":
		return fromClock(t, text)
	}
	return nil, false
}

var epoch = time.Unix(0, 0).UTC()

// fromClock reads dates and times. An instant must tell its offset from UTC, a
// wall clock must not.
func fromClock(t Type, text string) (value, bool) {
	layouts := map[string][]string{
		"date":        {time.DateOnly},
		"time":        {time.TimeOnly, "15:04"},
		"timestamp":   {time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly},
		"timestamptz": {"2006-01-02 15:04:05Z07", "2006-01-02 15:04:05Z07:00", time.RFC3339, "2006-01-02T15:04Z07:00"},
	}[strings.TrimSuffix(t.Name, "_ns")]
	for _, layout := range layouts {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		switch t.Name {
		case "date":
			return floorDiv(at.Unix(), 86400), true
		case "time":
			seconds := int64(at.Hour()*3600 + at.Minute()*60 + at.Second())
			return seconds*1_000_000 + int64(at.Nanosecond()/1000), at.Nanosecond()%1000 == 0
		case "timestamp_ns", "timestamptz_ns":
			return at.UnixNano(), at.Year() > 1678 && at.Year() < 2262
		}
		return at.UnixMicro(), at.Nanosecond()%1000 == 0
	}
	return nil, false
}

// fromJSON reads a default in the JSON single-value serialization. Some writers
// put numbers into strings.
func fromJSON(t Type, data json.RawMessage) (value, error) {
	wrong := fmt.Errorf("%.100s is no value of type %s", data, t)
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(bytes.TrimSpace(data))
	}
	switch t.Name {
	case "binary", "fixed":
		b, err := hex.DecodeString(text)
		if err != nil {
			if b, err = base64.StdEncoding.DecodeString(text); err != nil {
				return nil, wrong
			}
		}
		return string(b), nil
	}
	v, ok := fromText(t, text)
	if !ok {
		return nil, wrong
	}
	return v, nil
}

// literal spells a value as SQL of exactly the type's engine type.
func literal(t Type, v value) string {
	as := func(text string) string { return "CAST(" + text + " AS " + t.lake().String() + ")" }
	switch v := v.(type) {
	case bool:
		return as(strconv.FormatBool(v))
	case int64:
		switch t.Name {
		case "date":
			return as(lake.QuoteString(epoch.AddDate(0, 0, int(v)).Format(time.DateOnly)))
		case "time":
			return "CAST(make_time(0, 0, 0) + to_microseconds(" + strconv.FormatInt(v, 10) + ") AS TIME)"
		case "timestamp":
			return "make_timestamp(" + strconv.FormatInt(v, 10) + "::BIGINT)"
		case "timestamptz":
			return "timezone('UTC', make_timestamp(" + strconv.FormatInt(v, 10) + "::BIGINT))"
		case "timestamp_ns":
			return "make_timestamp_ns(" + strconv.FormatInt(v, 10) + "::BIGINT)"
		}
		return as(lake.QuoteString(strconv.FormatInt(v, 10)))
	case float64:
		bits := 64
		if t.Name == "float" {
			bits = 32
		}
		return as(lake.QuoteString(strconv.FormatFloat(v, 'g', -1, bits)))
	case *big.Int:
		return as(lake.QuoteString(decimalString(v, t.Scale)))
	case string:
		switch t.Name {
		case "uuid":
			return as(lake.QuoteString(uuidString(v)))
		case "binary", "fixed":
			return "unhex(" + lake.QuoteString(hex.EncodeToString([]byte(v))) + ")"
		}
		return as(lake.QuoteString(v))
	}
	return as("NULL")
}

func decimalString(v *big.Int, scale int) string {
	return new(big.Rat).SetFrac(v, pow10(scale)).FloatString(scale)
}

func uuidString(v string) string {
	h := hex.EncodeToString([]byte(v))
	if len(h) != 32 {
		return h
	}
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// compare orders two values of one type; false: they have no order here.
func compare(a, b value) (int, bool) {
	switch a := a.(type) {
	case bool:
		b, ok := b.(bool)
		switch {
		case !ok || a == b:
			return 0, ok
		case a:
			return 1, true
		}
		return -1, true
	case int64:
		b, ok := b.(int64)
		return order(a < b, a > b), ok
	case float64:
		b, ok := b.(float64)
		return order(a < b, a > b), ok && !math.IsNaN(a) && !math.IsNaN(b)
	case *big.Int:
		b, ok := b.(*big.Int)
		if !ok {
			return 0, false
		}
		return a.Cmp(b), true
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	}
	return 0, false
}

func order(less, more bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

func bigInt(n int) *big.Int { return big.NewInt(int64(n)) }

func fromHex(text string) (value, error) {
	b, err := hex.DecodeString(text)
	return string(b), err
}
