package iam

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

func TestDocumentGivesBackItsText(t *testing.T) {
	text := "{ \"Version\":\"2012-10-17\",\n \"Statement\" : [] }"
	d := mustParse(t, text)
	if got := d.String(); got != text {
		t.Errorf("String: got %q, want %q", got, text)
	}
	got, err := json.Marshal(d)
	if want := `{"Version":"2012-10-17","Statement":[]}`; err != nil || string(got) != want {
		t.Errorf("MarshalJSON: got %s, %v, want %s", got, err, want)
	}
	var within struct{ Policy *Document }
	if err := json.Unmarshal([]byte(`{"Policy": `+text+`}`), &within); err != nil || within.Policy.String() != text {
		t.Errorf("UnmarshalJSON: got %v, %v", within.Policy, err)
	}
	var perr *ParseError
	if err := json.Unmarshal([]byte(`{"Policy": {"Statement": 1}}`), &within); !errors.As(err, &perr) {
		t.Errorf("UnmarshalJSON of a malformed policy: got %v", err)
	}
}

func TestStatementsKnowTheirPlaces(t *testing.T) {
	d := mustParse(t, "{\"Statement\": [\n  {\"Effect\": \"Allow\"},\n  {\"Effect\": \"Deny\",\n   \"Sid\": \"ü\"}]}")
	for i, want := range [][4]int{{2, 3, 2, 21}, {3, 3, 4, 14}} {
		s := d.Statements[i]
		if got := [4]int{s.Start.Line, s.Start.Column, s.End.Line, s.End.Column}; got != want {
			t.Errorf("statement %d: got %v, want %v", i, got, want)
		}
	}
}

func TestSizeLeavesOutWhiteSpace(t *testing.T) {
	if got := mustParse(t, "{ \"Id\":\t\"a b\",\n\"Statement\":[] }").Size(); got != len(`{"Id":"ab","Statement":[]}`) {
		t.Errorf("got %d", got)
	}
}

func TestRewritePrincipals(t *testing.T) {
	text := `{"Statement": [
  {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["arn:aws:iam::111111111111:role/r", "*"], "Service": "ec2.amazonaws.com"},
   "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/r"}}},
  {"NotPrincipal": {"AWS": "arn:aws:iam::111111111111:user/gone"}, "Effect": "Deny", "Action": "sts:AssumeRole"},
  {"NotPrincipal": {"AWS": "111111111111"}, "Principal": "*", "Effect": "Deny", "Action": "sts:AssumeRole"}]}`
	var asked []string
	out, unknown := mustParse(t, text).RewritePrincipals(func(kind, value string) (string, bool) {
		asked = append(asked, kind+" "+value)
		switch value {
		case "arn:aws:iam::111111111111:role/r":
			return "AROA1", true
		case "111111111111":
			return "arn:aws:iam::111111111111:root", true
		}
		return value, kind == "Service"
	})
	want := strings.Replace(text, `["arn:aws:iam::111111111111:role/r"`, `["AROA1"`, 1)
	want = strings.Replace(want, `"111111111111"`, `"arn:aws:iam::111111111111:root"`, 1)
	if got := out.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if want := []string{"arn:aws:iam::111111111111:user/gone"}; !slices.Equal(unknown, want) {
		t.Errorf("unknown: got %v, want %v", unknown, want)
	}
	if want := []string{"AWS arn:aws:iam::111111111111:role/r", "Service ec2.amazonaws.com",
		"AWS arn:aws:iam::111111111111:user/gone", "AWS 111111111111"}; !slices.Equal(asked, want) {
		t.Errorf("asked: got %v, want %v", asked, want)
	}
}

// FuzzParse reads any bytes as a policy: nothing panics, and what parses reads
// the same when its JSON is read again, whatever it is validated or compiled as.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"parse", "validate_identity", "validate_bucket", "validate_trust", "variables", "conditions"} {
		for _, text := range corpusInputs(f, "testdata/corpus/"+name) {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte("\xff"))
	f.Add([]byte(strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			var perr *ParseError
			if !errors.As(err, &perr) || perr.Line < 1 || perr.Column < 1 || perr.Msg == "" {
				t.Fatalf("error without a place: %#v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatal("parsed what is not JSON")
		}
		for kind := range kinds {
			d.Validate(kind)
		}
		d.ContextKeys()
		same, unknown := d.RewritePrincipals(func(_, v string) (string, bool) { return v, true })
		if len(unknown) > 0 || len(same.Statements) != len(d.Statements) {
			t.Fatalf("rewritten to itself: %s", same)
		}
	})
}

func corpusInputs(tb testing.TB, path string) (inputs []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	datadriven.RunTestFromString(&testing.T{}, string(text), func(_ *testing.T, td *datadriven.TestData) string {
		inputs = append(inputs, td.Input)
		return td.Expected
	})
	if len(inputs) == 0 {
		tb.Fatalf("%s holds no cases", path)
	}
	return inputs
}

func TestLongDocumentsParseInLinearTime(t *testing.T) {
	d := mustParse(t, `{"Statement": [{}`+strings.Repeat(",\n{}", MaxDocument/4)+`]}`)
	last := d.Statements[len(d.Statements)-1]
	if last.Start.Line != MaxDocument/4+1 || last.Start.Column != 1 || last.End.Column != 2 {
		t.Errorf("got %v to %v", last.Start, last.End)
	}
}
