package mysql

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestArgumentsOfEveryType(t *testing.T) {
	for _, c := range []struct {
		code  byte
		flags byte
		value string
		want  string
	}{
		{typeTiny, 0, "\xff", "int64 -1"},
		{typeTiny, 0x80, "\xff", "uint64 255"},
		{typeShort, 0, "\x00\x80", "int64 -32768"},
		{typeShort, 0x80, "\x00\x80", "uint64 32768"},
		{typeYear, 0x80, "\xe8\x07", "uint64 2024"},
		{typeInt24, 0, "\xfe\xff\xff\xff", "int64 -2"},
		{typeLong, 0x80, "\xfe\xff\xff\xff", "uint64 4294967294"},
		{typeLongLong, 0, "\xff\xff\xff\xff\xff\xff\xff\xff", "int64 -1"},
		{typeLongLong, 0x80, "\xff\xff\xff\xff\xff\xff\xff\xff", "uint64 18446744073709551615"},
		{typeFloat, 0, "\x00\x00\xc0\x3f", "float64 1.5"},
		{typeDouble, 0, "\x00\x00\x00\x00\x00\x00\xf8\xbf", "float64 -1.5"},
		{typeNull, 0, "", "<nil> <nil>"},
		{typeNewDecimal, 0, "\x0512.30", "string 12.30"},
		{typeVarString, 0, "\x06gr\xc3\xbc\xc3\x9f", "string grüß"},
		{typeString, 0, "\x02\xff\x00", "[]byte ff00"},
		{typeBlob, 0, "\x02ab", "[]byte 6162"},
		{typeDate, 0, "\x04\xe8\x07\x02\x1d", "time.Time 2024-02-29 00:00:00 UTC"},
		{typeDateTime, 0, "\x07\xe8\x07\x02\x1d\x17\x3b\x3b", "time.Time 2024-02-29 23:59:59 UTC"},
		{typeTimestamp, 0, "\x0b\xe8\x07\x02\x1d\x17\x3b\x3b\x40\xe2\x01\x00", "time.Time 2024-02-29 23:59:59.123456 UTC"},
		{typeDate, 0, "\x00", "string 0000-00-00"},
		{typeDateTime, 0, "\x00", "string 0000-00-00 00:00:00"},
		{typeTime, 0, "\x00", "string 00:00:00"},
		{typeTime, 0, "\x08\x01\x01\x00\x00\x00\x02\x03\x04", "string -26:03:04"},
		{typeTime, 0, "\x0c\x00\x00\x00\x00\x00\x02\x03\x04\x01\x00\x00\x00", "string 02:03:04.000001"},
		{typeDate, 0, "\x04\xe8\x07\x02\x1e", "Incorrect datetime value: '2024-02-30 00:00:00.000000'"},
		{typeDateTime, 0, "\x07\xe8\x07\x02\x1d\x18\x00\x00", "Incorrect datetime value: '2024-02-29 24:00:00.000000'"},
		{typeDate, 0, "\x05\xe8\x07\x02\x1d\x00", "Malformed communication packet: a date of 5 bytes"},
		{typeTime, 0, "\x01\x00", "Malformed communication packet: a time of 1 bytes"},
		{typeLongLong, 0, "\x00", "Malformed communication packet: arguments that end too early"},
		{typeString, 0, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", "Malformed communication packet: arguments that end too early"},
		{0x42, 0, "", "an argument has type 0x42, which is not known"},
	} {
		p := params{}
		b := append([]byte{0, 1, c.code, c.flags}, c.value...)
		args, err := p.read(&fields{b: b}, 1, nil)
		got := fmt.Sprint(err)
		if err == nil {
			got = describe(args[0])
		}
		if got != c.want {
			t.Errorf("type %#02x, value %q: %s, want %s", c.code, c.value, got, c.want)
		}
	}
}

func TestArgumentsNeedTypes(t *testing.T) {
	p := params{}
	if _, err := p.read(&fields{b: []byte{0, 0, 1}}, 1, nil); err == nil {
		t.Error("arguments whose types were never bound are taken")
	}
	if _, err := p.read(&fields{b: make([]byte, 1<<20)}, 1<<17, nil); err == nil {
		t.Error("more arguments than a statement can have are taken")
	}
}

// A packet of exactly the longest payload is followed by an empty frame.
func TestPacketsOfAnyLengthSurviveTheirFrames(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 2*(maxPayload+1)/16)
	for _, n := range []int{0, 1, flushSize, keepSize, maxPayload - 1, maxPayload, maxPayload + 1, 2 * maxPayload, 2*maxPayload + 1} {
		var wire bytes.Buffer
		w := packets{w: &wire, seq: 250}
		for range 2 {
			if err := w.end(append(w.begin(), long[:n]...)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		if want := 2 * (n + 4*(n/maxPayload+1)); wire.Len() != want {
			t.Errorf("%d bytes take %d on the wire, want %d", n, wire.Len(), want)
		}
		if cap(w.out) > keepSize {
			t.Errorf("%d bytes leave a buffer of %d", n, cap(w.out))
		}
		r := packets{r: &wire, seq: 250}
		for range 2 {
			if got, err := r.read(2 * len(long)); err != nil || !bytes.Equal(got, long[:n]) {
				t.Fatalf("%d bytes: read %d, %v", n, len(got), err)
			}
		}
	}
}

func TestLengthsOfStrings(t *testing.T) {
	for _, n := range []int{0, 250, 251, 1<<16 - 1, 1 << 16, 1<<24 - 1, 1 << 24} {
		s := strings.Repeat("x", n)
		plain := appendLenString(nil, s)
		sealed := sealLen(append([]byte{0}, s...), 1)
		if !bytes.Equal(plain, sealed) {
			t.Errorf("%d bytes sealed begin with %x, want %x", n, sealed[:min(9, len(sealed))], plain[:min(9, len(plain))])
		}
		f := fields{b: plain}
		if got := f.lenBytes(); len(got) != n || f.broken || len(f.b) != 0 {
			t.Errorf("%d bytes read as %d", n, len(got))
		}
	}
}
