package dialect

import (
	"testing"

	"lakeport/internal/lake"
)

// call runs a function of Go's on texts.
func call(f func(*lake.Frame) (bool, error), texts ...string) (string, int64, error) {
	frame := lake.Frame{}
	for _, s := range texts {
		frame.Args = append(frame.Args, lake.Vector{Type: text, Data: []lake.String{lake.MakeString([]byte(s))}})
	}
	_, err := f(&frame)
	return string(frame.Bytes), frame.Int, err
}

func TestTemplatesRefuse(t *testing.T) {
	for _, c := range []struct {
		call           func(*lake.Frame) (bool, error)
		text, template string
		want           string
	}{
		{callParseTemplate, "x", "YYYY", `invalid value "x" for "YYYY"`},
		{callParseTemplate, "Foo 1", "Mon DD", `invalid value "Foo 1" for "Mon"`},
		{callParseTemplate, "1", "IYYY", "TO_DATE and TO_TIMESTAMP do not know the pattern IYYY yet"},
		{callParseStrict, "20240631", "YYYYMMDD", `date/time field value out of range: "20240631"`},
		{callParseStrict, "2024-01-01 24:00", "YYYY-MM-DD HH24:MI", `date/time field value out of range: "2024-01-01 24:00"`},
		{callToNumber, "1x", "99", `TO_NUMBER cannot read "1x"`},
		{callToNumber, "-", "99", `TO_NUMBER cannot read "-"`},
		{callToCharNumber, "1", "9EEEE", "templates of numbers do not know the pattern EEEE yet"},
		{callToCharNumber, "1", "9.9.9", "a template of numbers has more than one decimal point"},
		{callToCharNumber, "NaN", "9", `TO_CHAR cannot write "NaN" by a template of numbers`},
	} {
		if _, _, err := call(c.call, c.text, c.template); err == nil || err.Error() != c.want {
			t.Errorf("%q by %q: got %v, want %s", c.text, c.template, err, c.want)
		}
	}
	if _, micros, err := call(callParseTemplate, "20010631", "YYYYMMDD"); err != nil || micros != 993945600000000 {
		t.Errorf("a day beyond its month: got %d, %v, want 2001-07-01", micros, err)
	}
}

// FuzzTemplates reads and writes by any template.
func FuzzTemplates(f *testing.F) {
	f.Add("2024-01-02 03:04:05.6 PM", "YYYY-MM-DD HH12:MI:SS.US AM", int64(1704164645000000))
	f.Add("-1,234.5", "FMS9G990D99PR", int64(-1))
	f.Add("XII 400BC", `RM YYYYBC"x\"J`, int64(1)<<60)
	f.Fuzz(func(t *testing.T, value, template string, micros int64) {
		call(callParseTemplate, value, template)
		call(callParseStrict, value, template)
		call(callToNumber, value, template)
		call(callToCharNumber, value, template)
		frame := lake.Frame{Args: []lake.Vector{{Type: timestamp, Data: []int64{micros}}, {Type: text, Data: []lake.String{lake.MakeString([]byte(template))}}}}
		_, _ = callToCharTime(&frame)
	})
}
