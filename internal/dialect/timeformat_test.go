package dialect

import (
	"testing"
	"time"

	"lakeport/internal/lake"
)

// frame makes the call of a function with text and time arguments.
func frame(args ...any) *lake.Frame {
	f := &lake.Frame{}
	for _, a := range args {
		switch a := a.(type) {
		case string:
			f.Args = append(f.Args, lake.Vector{Type: text, Data: []lake.String{lake.MakeString([]byte(a))}})
		case int64:
			f.Args = append(f.Args, lake.Vector{Type: bigint, Data: []int64{a}})
		}
	}
	return f
}

// A time that is written with all its parts is read back the same.
func TestFormatsReadWhatTheyWrite(t *testing.T) {
	for _, at := range []string{"0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T12:00:00.000001Z", "9999-12-31T11:11:11Z"} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			write, read func(*lake.Frame) (bool, error)
			format      string
		}{
			{callDateFormat, callParseDate, "%Y-%m-%d %H:%i:%s.%f"}, {callDateFormat, callParseDate, "%W the %D of %M %Y, %h:%i:%s %p.%f"},
			{callDateFormat, callParseDate, "%Y %j %T %f"}, {callDateFormat, callParseDate, "%X %V %W %T.%f"}, {callDateFormat, callParseDate, "%x-%v-%a %T.%f"},
			{callJodaFormat, callParseJoda, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"}, {callJodaFormat, callParseJoda, "EEEE, d MMMM yyyy hh:mm:ss a SSSSSS"},
		} {
			w := frame(when.UnixMicro(), c.format)
			if ok, err := c.write(w); !ok || err != nil {
				t.Errorf("%s by %s: %v, %v", at, c.format, ok, err)
			}
			r := frame(string(w.Bytes), c.format)
			if ok, err := c.read(r); !ok || err != nil || r.Int != when.UnixMicro() {
				t.Errorf("%s by %s is %q and reads %v, %v, %s", at, c.format, w.Bytes, ok, err, time.UnixMicro(r.Int).UTC())
			}
		}
	}
}

func FuzzDateFormats(f *testing.F) {
	f.Add("2024-01-02 03:04:05", "%Y-%m-%d %H:%i:%s", int64(0))
	f.Add("200442 Monday", "%X%V %W", int64(-1))
	f.Add("1st Jan 24 12 AM", "%D %b %y %h %p %", int64(1)<<60)
	f.Add("Tue 2024", "EEE yyyy ''x' S", int64(86400e6))
	f.Add("", "%%%r%T%f%j%u%U%v%x", int64(1))
	f.Fuzz(func(t *testing.T, s, format string, at int64) {
		callParseDate(frame(s, format))
		callParseJoda(frame(s, format))
		callDateFormat(frame(at, format))
		callJodaFormat(frame(at, format))
		callConvertZone(frame(at, s, format))
		callConv(frame(s, at%40, at%37))
		callNgram(frame(s, format, at%6))
		callHost(frame(s))
	})
}
