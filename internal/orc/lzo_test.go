package orc

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestLZOInstructions(t *testing.T) {
	const end = "11 00 00"
	for name, c := range map[string]struct{ in, want string }{
		"literals first":           {"15 'abcd' " + end, "abcd"},
		"few literals first":       {"13 'ab' 04 00 " + end, "abab"},
		"literals":                 {"01 'abcd' " + end, "abcd"},
		"many literals":            {"00 01 '0123456789abcdefghi' " + end, "0123456789abcdefghi"},
		"near":                     {"15 'abcd' 6c 00 " + end, "abcdabcd"},
		"near, longer":             {"15 'abcd' ec 00 " + end, "abcdabcdabcd"},
		"a length without end":     {"12 'a' 20 00 " + end, "error: ends early"},
		"repeated":                 {"15 'abcd' 27 00 00 " + end, "abcd" + strings.Repeat("d", 9)},
		"repeated often":           {"15 'abcd' 20 00 02 00 00 " + end, "abcd" + strings.Repeat("d", 2+31+255+2)},
		"literals between":         {"15 'abcd' 21 01 00 'x' 44 00 " + end, "abcddddxdxd"},
		"after many, far":          {"15 'abcd' 00 00 " + end, "error: 3 bytes from 2049 back"},
		"beyond the beginning":     {"15 'abcd' 70 00 " + end, "error: 4 bytes from 5 back"},
		"more than there is":       {"20 'abcd' " + end, "error: 15 bytes to copy where 7 are left"},
		"more than there is room":  {"12 'a' 40 00 " + end, "aaaa"},
		"without end":              {"15 'abcd'", "error: ends early"},
		"bytes after the end":      {"15 'abcd' " + end + " 00", "error: 1 bytes follow its end"},
		"far, in a short file":     {"15 'abcd' 12 04 00 " + end, "error: 4 bytes from 16385 back"},
		"without anything":         {"", "error: ends early"},
		"a length that never ends": {"00 " + strings.Repeat("00 ", 1<<16), "error: repeats more than"},
	} {
		out := make([]byte, 1000)
		n, err := unlzo(out, lzoBytes(t, c.in))
		if want, bad := strings.CutPrefix(c.want, "error: "); bad {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, %v; want an error with %q", name, out[:n], err, want)
			}
		} else if err != nil || string(out[:n]) != want {
			t.Errorf("%s: got %q, %v; want %q", name, out[:n], err, want)
		}
	}
	if n, err := unlzo(make([]byte, 3), lzoBytes(t, "15 'abcd' "+end)); err == nil {
		t.Errorf("4 bytes come out of a room of 3: %d", n)
	}
}

// lzoBytes reads bytes in hex, and text between quotes.
func lzoBytes(t *testing.T, text string) []byte {
	t.Helper()
	var out []byte
	for word := range strings.FieldsSeq(text) {
		if word[0] == '\'' {
			out = append(out, strings.Trim(word, "'")...)
			continue
		}
		b, err := hex.DecodeString(word)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

func FuzzLZO(f *testing.F) {
	f.Add([]byte("\x15abcd\x27\x00\x00\x11\x00\x00"))
	f.Add([]byte("\x00\x010123456789abcdefghi\x11\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := bytes.Repeat([]byte{0xa5}, 4096+8)
		n, err := unlzo(out[:4096:4096], in)
		if n < 0 || n > 4096 {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if !bytes.Equal(out[4096:], bytes.Repeat([]byte{0xa5}, 8)) {
			t.Fatal("bytes beyond the room were written")
		}
	})
}
