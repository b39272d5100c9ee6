package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestRepairNamesEveryFault(t *testing.T) {
	for _, c := range []struct{ name, text, faults, mended string }{
		{"nothing", `{"Statement": []}`, "", `{"Statement":[]}`},
		{"a comma is missing", "{\"a\": 1\n \"b\": 2}", `1:8: missing comma after the value of "a"`, `{"a":1,"b":2}`},
		{"a comma too many", `{"a": [1, ]}`, "1:11: extra comma before ']'", `{"a":[1]}`},
		{"a bracket is missing", `{"a": [1, 2}`, `1:12: '}' does not close the '[' of 1:7`, `{"a":[1,2]}`},
		{"the end is missing", `{"a": [{"b": 1}`, "1:16: the '[' of 1:7 is not closed\n1:16: the '{' of 1:1 is not closed", `{"a":[{"b":1}]}`},
		{"a bracket closes nothing", `{"a": 1}}`, `1:9: '}' closes nothing`, `{"a":1}`},
		{"the page's", "{\"Statement\": [\n{\"Effect\": \"Allow\"\n\"Action\": []}\n]\n},\n{\"Effect\": \"Deny\"}\n]\n}",
			"2:19: missing comma after the value of \"Effect\"\n5:2: the Statement array closes at 4:1 and the document at 5:1, but the statement of 6:1 follows\n7:1: ']' and '}' close nothing",
			`{"Statement":[{"Effect":"Allow","Action":[]},{"Effect":"Deny"}]}`},
		{"two statements behind the end", `{"Statement": [{}]} {"a": 1}, {"b": 2}`,
			"1:21: the Statement array closes at 1:18 and the document at 1:19, but the statement of 1:21 follows\n" +
				"1:29: the Statement array closes at 1:29 and the document at 1:29, but the statement of 1:31 follows", `{"Statement":[{},{"a":1},{"b":2}]}`},
		{"a string without end", `{"a": "b`, "1:7: unterminated string: the text ends before its closing quote", ""},
		{"a placeholder", `{"a": <b>}`, `1:7: expected a value, found '<'`, ""},
		{"another document", `{"a": 1} 2`, "1:10: '2' after the end of the document, which closes at 1:8", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults, mended := Repair([]byte(c.text))
			var got []string
			for _, f := range faults {
				got = append(got, fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Msg))
			}
			if text := strings.Join(got, "\n"); text != c.faults {
				t.Errorf("faults\n%s\nwant\n%s", text, c.faults)
			}
			var flat bytes.Buffer
			if mended != nil {
				if err := json.Compact(&flat, mended); err != nil {
					t.Fatal(err)
				}
			}
			if flat.String() != c.mended {
				t.Errorf("mended %s, want %s", flat.String(), c.mended)
			}
		})
	}
}

func TestLacksIsCertain(t *testing.T) {
	for _, c := range []struct {
		actions string
		lacks   bool
	}{
		{`"Action": "glue:CreateTable"`, true},
		{`"Action": ["glue:GetTable", "Glue:Create*"]`, false},
		{`"NotAction": "glue:DeleteTable"`, false},
		{`"NotAction": "glue:Create*"`, true},
	} {
		d := mustParse(t, `{"Statement": [{"Effect": "Allow", `+c.actions+`, "Resource": "arn:aws:glue:us-east-1:1:catalog/s3tablescatalog/b"}]}`)
		if got := len(d.Lacks()) > 0; got != c.lacks {
			t.Errorf("%s: %v", c.actions, d.Lacks())
		}
	}
	if d := mustParse(t, `{"Statement": [{"Effect": "Allow", "Action": "glue:CreateTable", "Resource": "*"}]}`); d.Lacks() != nil {
		t.Errorf("of another catalog it says %v", d.Lacks())
	}
}

// Whatever is repaired is JSON, and needs no second repair.
func FuzzRepair(f *testing.F) {
	for _, s := range []string{`{"Statement": [{}]}, {"a": [1 2}]}`, `{"a": [1,], "b": {]}`, "{\"a\"\n:1}}]", `[{"a":1 "b":2`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		_, mended := Repair(text)
		if mended == nil {
			return
		}
		if !json.Valid(mended) {
			t.Fatalf("not JSON: %s", mended)
		}
		if faults, _ := Repair(mended); len(faults) > 0 {
			t.Fatalf("%s still has %v", mended, faults[0])
		}
	})
}
