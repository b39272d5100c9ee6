package transfer

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lakeport/internal/delimited"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Target is a column that COPY fills.
type Target struct {
	lake.Column
	Declared string // its type as stl_load_errors spells it: varchar
	Length   int    // in bytes; 0: no limit
	NotNull  bool
}

// Load error codes (Database Developer Guide, "Load error reference").
const (
	codeExtra     = 1202
	codeLong      = 1204
	codeDate      = 1205
	codeTimestamp = 1206
	codeDigit     = 1207
	codeFloat     = 1208
	codeBoolean   = 1210
	codeNull      = 1213
	codeDelimiter = 1214
	codeLine      = 1216
	codeNUL       = 1218
	codeUTF8      = 1220
	codeOverflow  = 1222
)

// fault is why a field makes its row bad.
type fault struct {
	code     int
	position int
	reason   string
}

// converter turns fields into the values of columns.
type converter struct {
	conversion
	targets []Target
	null    string // the string that means NULL
	date    []string
	time    []string
	zone    *time.Location // of a TIMESTAMPTZ without one
}

func (c *Copy) converter(targets []Target, zone *time.Location) *converter {
	k := &converter{conversion: c.conversion, targets: targets, null: c.Text.Null, zone: zone}
	if k.dates == "" {
		k.dates = "YYYY-MM-DD"
	}
	if k.times == "" {
		k.times = "YYYY-MM-DD HH:MI:SS"
	}
	k.date, k.time = splitPattern(k.dates), splitPattern(k.times)
	return k
}

// readable tells whether COPY of text fills columns of a type.
func readable(t lake.Type) bool {
	switch t.Kind {
	case lake.Boolean, lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt, lake.Float, lake.Double, lake.Decimal, lake.Varchar, lake.Date, lake.Time, lake.Timestamp, lake.TimestampTZ:
		return true
	}
	return false
}

// isNull tells whether a field is NULL by the rules of its column's type.
func (k *converter) isNull(t *Target, f delimited.Field) bool {
	switch {
	case f.Null:
		return true
	case t.Type.Kind != lake.Varchar:
		return len(bytes.TrimSpace(f.Text)) == 0
	case len(f.Text) == 0:
		return k.emptyNull
	}
	return k.blanksNull && len(bytes.TrimSpace(f.Text)) == 0
}

// put converts a field into row i of a vector.
func (k *converter) put(v *lake.Vector, i int, t *Target, f delimited.Field, keep func([]byte) []byte) *fault {
	if k.isNull(t, f) {
		return putNull(v, i, t)
	}
	if k.null == "\x00" && bytes.IndexByte(f.Text, 0) >= 0 {
		return &fault{codeNUL, bytes.IndexByte(f.Text, 0), "NULL AS is '\\0' and the field has more bytes"}
	}
	setValid(v, i)
	text := bytes.TrimSpace(f.Text)
	switch data := v.Data.(type) {
	case []lake.String:
		s, bad := k.text(t, f.Text, keep)
		if bad == nil {
			data[i] = lake.MakeString(s)
		}
		return bad
	case []bool:
		on, known := truths[strings.ToLower(string(text))]
		if !known {
			return &fault{codeBoolean, 0, "Unknown boolean format"}
		}
		data[i] = on
	case []float32:
		n, bad := float(text, 32)
		data[i] = float32(n)
		return bad
	case []float64:
		n, bad := float(text, 64)
		data[i] = n
		return bad
	case []int8:
		n, bad := k.whole(t, v, text, math.MinInt8, math.MaxInt8, "Byte")
		data[i] = int8(n)
		return bad
	case []int16:
		n, bad := k.whole(t, v, text, math.MinInt16, math.MaxInt16, "Short")
		data[i] = int16(n)
		return bad
	case []int32:
		if t.Type.Kind == lake.Date {
			return k.putDate(v, i, t, text)
		}
		n, bad := k.whole(t, v, text, math.MinInt32, math.MaxInt32, "Integer")
		data[i] = int32(n)
		return bad
	case []int64:
		if t.Type.Kind == lake.Timestamp || t.Type.Kind == lake.TimestampTZ {
			return k.putTime(v, i, t, text)
		}
		if t.Type.Kind == lake.Time {
			return putClock(v, i, text)
		}
		n, bad := k.whole(t, v, text, math.MinInt64, math.MaxInt64, "Long")
		data[i] = n
		return bad
	case []lake.Int128:
		n, bad := k.decimal(t, text)
		if bad == nil {
			data[i] = int128(n)
		}
		return bad
	}
	return nil
}

var truths = map[string]bool{"true": true, "t": true, "yes": true, "y": true, "1": true, "false": false, "f": false, "no": false, "n": false, "0": false}

func putNull(v *lake.Vector, i int, t *Target) *fault {
	if t.NotNull {
		return &fault{codeNull, 0, "Missing data for not-null field"}
	}
	v.SetNull(i)
	return nil
}

// setValid takes back what a row that turned out bad has left at its place.
func setValid(v *lake.Vector, i int) {
	if i>>6 < len(v.Valid) {
		v.Valid[i>>6] |= 1 << (uint(i) & 63)
	}
}

// text checks a character value. keep copies it where it stays for the chunk.
func (k *converter) text(t *Target, text []byte, keep func([]byte) []byte) ([]byte, *fault) {
	char := t.Declared == "char"
	if !utf8.Valid(text) {
		at, size, sub := badSequence(text)
		if k.replaces == 0 || char {
			return nil, &fault{codeUTF8, at, fmt.Sprintf("String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: %s (error %d)", spaced(text[at:at+size]), sub)}
		}
		text = bytes.Clone(text)
		for rest := text; ; {
			at, size, _ := badSequence(rest)
			if size == 0 {
				break
			}
			for n := range size {
				rest[at+n] = k.replaces
			}
			rest = rest[at+size:]
		}
	}
	if char {
		if at := bytes.IndexFunc(text, func(r rune) bool { return r > 127 }); at >= 0 {
			_, size := utf8.DecodeRune(text[at:])
			return nil, &fault{codeUTF8, at, "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: " + spaced(text[at:at+size])}
		}
	} else if k.trim {
		text = bytes.TrimRight(text, " \t\n\v\f\r")
	}
	if t.Length > 0 && len(text) > t.Length {
		if !k.truncate {
			what := "String"
			if char {
				what = "Char"
			}
			return nil, &fault{codeLong, 0, what + " length exceeds DDL length"}
		}
		end := t.Length
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return keep(text), nil
}

func spaced(b []byte) string { return fmt.Sprintf("% x", b) }

// badSequence finds the first bytes that are no UTF-8, and the number by which
// "Multibyte character load errors" knows the reason: 1 longer than four
// bytes, 2 incomplete, 3 lead byte out of range, 4 trailing byte out of range.
func badSequence(text []byte) (at, size, sub int) {
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r != utf8.RuneError || n > 1 {
			at += n
			continue
		}
		lead := text[at]
		want := map[bool]int{lead >= 0xc2 && lead < 0xe0: 2, lead >= 0xe0 && lead < 0xf0: 3, lead >= 0xf0 && lead < 0xf5: 4}[true]
		switch {
		case lead >= 0xf8:
			return at, 1, 1
		case want == 0:
			return at, 1, 3
		case len(text)-at < want:
			return at, len(text) - at, 2
		}
		return at, 1, 4
	}
	return at, 0, 0
}

// whole reads an integer, or the unscaled value of a narrow decimal.
func (k *converter) whole(t *Target, v *lake.Vector, text []byte, least, most int64, name string) (int64, *fault) {
	if v.Type.Kind == lake.Decimal {
		n, bad := k.decimal(t, text)
		if bad != nil {
			return 0, bad
		}
		return n.Int64(), nil
	}
	for at, c := range text {
		if c < '0' || c > '9' {
			if at == 0 && (c == '-' || c == '+') && len(text) > 1 {
				continue
			}
			return 0, badDigit(codeDigit, c, at, name)
		}
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(string(text), "+"), 10, 64)
	if err != nil || n < least || n > most {
		// Assumed: the sentence; the code is the reference's.
		return 0, &fault{codeOverflow, 0, fmt.Sprintf("Overflow (%s valid range from %d to %d)", name, least, most)}
	}
	return n, nil
}

func badDigit(code int, c byte, at int, name string) *fault {
	return &fault{code, at, fmt.Sprintf("Invalid digit, Value '%s', Pos %d, Type: %s", printable([]byte{c}), at, name)}
}

func float(text []byte, size int) (float64, *fault) {
	for at, c := range text { // ParseFloat also takes hexadecimal digits and underscores
		if strings.IndexByte("0123456789+-.eE", c) < 0 && !special[strings.ToLower(string(text))] {
			return 0, badDigit(codeFloat, c, at, "Double")
		}
	}
	n, err := strconv.ParseFloat(string(text), size)
	if err != nil {
		return 0, &fault{codeFloat, 0, "Invalid floating-point format or value"}
	}
	return n, nil
}

var special = map[string]bool{"nan": true, "inf": true, "-inf": true, "infinity": true, "-infinity": true}

// decimal gives the unscaled value in the column's scale. Digits beyond it are
// cut off, or with ROUNDEC rounded half away from zero.
func (k *converter) decimal(t *Target, text []byte) (*big.Int, *fault) {
	digits, scale, at := make([]byte, 0, len(text)), 0, 0
	point, some := false, false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		at = 1
	}
	exponent := 0
	for ; at < len(text); at++ {
		c := text[at]
		switch {
		case c >= '0' && c <= '9':
			some = true
			switch {
			case point && scale == farDigits, !point && c == '0' && len(digits) == 0: // too far behind the point to count, or in front
			case len(digits) > 2*farDigits:
				return nil, overflow(t)
			default:
				digits = append(digits, c)
				if point {
					scale++
				}
			}
			continue
		case c == '.' && !point:
			point = true
			continue
		case (c == 'e' || c == 'E') && some:
			n, err := strconv.Atoi(string(text[at+1:]))
			if err == nil && n >= -100 && n <= 100 {
				exponent, at = n, len(text)
				continue
			}
		}
		return nil, badDigit(codeDigit, c, at, "Decimal")
	}
	if !some {
		return nil, &fault{codeDigit, 0, "Invalid digit, Value '" + printable(text[:min(1, len(text))]) + "', Pos 0, Type: Decimal"}
	}
	n, _ := new(big.Int).SetString("0"+string(digits), 10)
	if shift := int(t.Type.Scale) - scale + exponent; shift >= 0 {
		n.Mul(n, pow10(shift))
	} else {
		rest := new(big.Int)
		unit := pow10(-shift)
		n.QuoRem(n, unit, rest)
		if k.round && rest.Lsh(rest, 1).Cmp(unit) >= 0 {
			n.Add(n, big.NewInt(1))
		}
	}
	if n.Cmp(pow10(int(t.Type.Width))) >= 0 {
		return nil, overflow(t)
	}
	if text[0] == '-' {
		n.Neg(n)
	}
	return n, nil
}

// farDigits are digits that no exponent brings back to those that a column
// keeps: exponents reach 100, columns 38.
const farDigits = 200

func overflow(t *Target) *fault {
	return &fault{codeLong, 0, fmt.Sprintf("Overflow for NUMERIC(%d,%d)", t.Type.Width, t.Type.Scale)}
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func int128(n *big.Int) lake.Int128 {
	low := new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64))
	return lake.Int128{Lo: low.Uint64(), Hi: new(big.Int).Rsh(n, 64).Int64()}
}

func (k *converter) putDate(v *lake.Vector, i int, t *Target, text []byte) *fault {
	var m moment
	ok := false
	short := k.dates == "YYYY-MM-DD" && len(text) < 10
	if k.dates == "auto" {
		m, ok = byRecognition(text)
	} else if !short {
		m, ok = byPattern(text, k.date, true)
	}
	switch {
	case ok:
		v.Data.([]int32)[i] = m.days()
		return nil
	case k.anyDate:
		return putNull(v, i, t)
	case short:
		return &fault{codeDate, 0, "Invalid Date Format - length must be 10 or more"}
	}
	return &fault{codeDate, 0, "Invalid Date Format [" + k.dates + "]"}
}

func (k *converter) putTime(v *lake.Vector, i int, t *Target, text []byte) *fault {
	micros, ok := k.micros(t, text)
	switch {
	case ok:
		v.Data.([]int64)[i] = micros
		return nil
	case k.anyDate:
		return putNull(v, i, t)
	}
	shown := k.times
	if shown == "YYYY-MM-DD HH:MI:SS" {
		shown = "YYYY-MM-DD HH24:MI:SS"
	}
	return &fault{codeTimestamp, 0, "Invalid timestamp format or value [" + shown + "]"}
}

// clocks are the forms of a time of day.
var clocks = [][]string{splitPattern("HH:MI:SS"), splitPattern("HH:MI"), splitPattern("HH12:MI:SS AM"), splitPattern("HH12:MI AM")}

// putClock reads a time of day. Assumed: its forms, and the words of its fault;
// the reference tells of DATE and TIMESTAMP only.
func putClock(v *lake.Vector, i int, text []byte) *fault {
	for _, parts := range clocks {
		if m, ok := byPattern(text, parts, false); ok {
			v.Data.([]int64)[i] = int64((m.hour*60+m.minute)*60+m.second)*1e6 + int64(m.micros)
			return nil
		}
	}
	return &fault{codeTimestamp, 0, "Invalid time format or value [HH24:MI:SS]"}
}

// micros reads a timestamp. Without a format of its own a value may be a date
// only, and a TIMESTAMPTZ's may have an offset.
func (k *converter) micros(t *Target, text []byte) (int64, bool) {
	unit := map[string]int{"epochsecs": 6, "epochmillisecs": 3}[k.times]
	if unit > 0 {
		n, bad := (&converter{}).decimal(&Target{Column: lake.Column{Type: lake.Type{Kind: lake.Decimal, Width: 18, Scale: uint8(unit)}}}, text)
		if bad != nil {
			return 0, false
		}
		return n.Int64(), true
	}
	var m moment
	ok := false
	if k.times == "auto" {
		m, ok = byRecognition(text)
	} else {
		parts := k.time
		if t.Type.Kind == lake.TimestampTZ {
			parts = append(parts[:len(parts):len(parts)], "OF")
		}
		if m, ok = byPattern(text, parts, false); !ok {
			m, ok = byPattern(text, k.date, false)
		}
	}
	if !ok {
		return 0, false
	}
	if t.Type.Kind == lake.Timestamp {
		m.offset = 0 // a zone in the text has no meaning without one in the type
	} else if !m.zoned && k.zone != nil {
		local := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, m.micros*1000, k.zone)
		return local.UnixMicro(), true
	}
	return m.micro(), true
}

// printable shows bytes as stl_load_errors does: a dot for what is not ASCII.
func printable(b []byte) string {
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		if r < ' ' || r > '~' {
			r = '.'
		}
		out = append(out, byte(r))
	}
	return string(out)
}

// unreadable refuses a column that COPY of text does not fill.
func unreadable(t Target) error {
	return sqlerr.New(sqlerr.Unsupported, "COPY of text into column %s of type %s is not built yet", t.Name, strings.ToLower(t.Type.String()))
}
