package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsDoNotPrint(t *testing.T) {
	const text = "hunter2hunter2"
	s := New(text)
	type public struct{ S String }
	type private struct {
		s String
		p *String
		m map[string]String
	}
	values := []any{s, &s, public{s}, &public{s}, private{s, &s, map[string]String{"k": s}}, []String{s}, [1]any{s}}
	var out strings.Builder
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(v); err == nil {
			out.Write(b)
		}
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err == nil {
			out.Write(b.Bytes())
		}
	}
	for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprint([]byte(text))} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q printed in:\n%s", leak, out.String())
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s); got != strings.TrimSpace(strings.Repeat(Mask+" ", 5)) {
		t.Errorf("got %s", got)
	}
}

func TestSecretsCompareByText(t *testing.T) {
	if New("a") != New("a") || New("a") == New("b") || New("") != (String{}) {
		t.Error("equality is not that of the texts")
	}
	if New("a").Reveal() != "a" || New("").Reveal() != "" || (String{}).Reveal() != "" {
		t.Error("Reveal does not give the text")
	}
	if !New("").Empty() || New("a").Empty() {
		t.Error("Empty is wrong")
	}
}
