package lake

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestJSONIsPrintedWithItsKeysInOrder(t *testing.T) {
	deep := strings.Repeat("[", 5000) + `{"b":1,"a":2}` + strings.Repeat("]", 5000)
	for text, want := range map[string]string{
		`{"b":1,"a":2}`: `{"a": 2, "b": 1}`,
		`{"b":{"d":[1, {"y":1,"x":",:"}],"c":null},"a":"\"b"}`: `{"a": "\"b", "b": {"c": null, "d": [1, {"x": ",:", "y": 1}]}}`,
		`{"ab":1,"a":2,"":3}`: `{"": 3, "a": 2, "ab": 1}`,
		`{"a":1,"a":2}`:       `{"a": 1, "a": 2}`,
		" [ 1 , 2.50 ,{ } ] ": `[1, 2.50, {}]`,
		`"x, y"`:              `"x, y"`,
		`null`:                `null`,
		``:                    ``,
		`{"a"`:                `{"a"`,
		deep:                  strings.Replace(deep, `{"b":1,"a":2}`, `{"b": 1, "a": 2}`, 1),
	} {
		if got := string(AppendJSON([]byte("x"), []byte(text))); got != "x"+want {
			t.Errorf("%.100s is printed as %.100s, want x%.100s", text, got, want)
		}
	}
}

// What is JSON stays the same JSON, however it is ordered and spaced, and no
// text breaks the printer.
func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{`{"b":[1,{"c":2,"b":"\\\""}],"a":{}}`, `[[], {"a":}`, `{"a" 1}`, `]`, `{,}`, `"\`, `{"a":1}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := AppendJSON(nil, text)
		if !json.Valid(text) {
			return
		}
		var a, b any
		if json.Unmarshal(text, &a) != nil {
			return
		}
		if err := json.Unmarshal(got, &b); err != nil {
			t.Fatalf("%s is printed as %s: %v", text, got, err)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if !bytes.Equal(x, y) {
			t.Fatalf("%s is printed as %s", text, got)
		}
		if again := AppendJSON(nil, got); !bytes.Equal(again, got) {
			t.Fatalf("%s is printed as %s the second time", got, again)
		}
	})
}
