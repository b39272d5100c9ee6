package delimited

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// show prints rows as [a|b] with NULL as ∅, and faults as !reason@field.
func show(t testing.TB, in io.Reader, f Format) string {
	t.Helper()
	r, err := NewReader(in, f)
	if err != nil {
		return "refused: " + err.Error()
	}
	var b strings.Builder
	for {
		row, err := r.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d[", row.Line)
		if row.Fault != nil {
			fmt.Fprintf(&b, "!%s@%d", row.Fault.Reason, row.Fault.Field)
		} else {
			for i, field := range row.Fields {
				if i > 0 {
					b.WriteByte('|')
				}
				if field.Null {
					b.WriteString("∅")
				} else {
					fmt.Fprintf(&b, "%s", field.Text)
				}
			}
		}
		b.WriteByte(']')
	}
}

var (
	tabs     = Format{Delimiter: "\t", Null: `\N`, HasNull: true}
	pipes    = Format{Delimiter: "|", Null: `\N`, HasNull: true}
	removing = Format{Delimiter: ",", RemoveQuotes: true, Null: `\N`, HasNull: true}
	escaping = Format{Delimiter: "|", Escape: '\\', Null: `\N`, HasNull: true, NullEscaped: true}
	csv      = Format{Delimiter: ",", Quote: '"', Outside: true}
	enclosed = Format{Delimiter: ",", Quote: '"', Escape: '\\', Trim: true, Null: `\N`, HasNull: true}
)

// Behaviour of Redshift's COPY (Developer Guide, "Data conversion parameters",
// "Data format parameters") and StarRocks' BROKER LOAD (CSV options).
func TestRowsSplitByTheirFormat(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Format
		in   string
		want string
	}{
		{"last row needs no end", tabs, "a\tb\nc\t", "1[a|b]2[c|]"},
		{"empty input", tabs, "", ""},
		{"an empty line is a row of one empty field", tabs, "\n", "1[]"},
		{"blank lines may be skipped", Format{Delimiter: ",", SkipBlank: true}, "a\n\n\nb\n", "1[a]4[b]"},
		{"headers are rows", Format{Delimiter: ",", Skip: 2}, "h\nh\na,b\n", "3[a|b]"},
		{"carriage returns belong to the end", pipes, "a|b\r\nc\r\n", "1[a|b]2[c]"},
		{"NULL is the whole field", pipes, `\N|x\N|\N` + "\n", `1[∅|x\N|∅]`},
		{"delimiters of several bytes", Format{Delimiter: "||"}, "a||b|c||\n", "1[a|b|c|]"},
		{"row ends of several bytes", Format{Delimiter: ",", Row: "\x01\n"}, "a,b\nc\x01\nd\x01\n", "1[a|b\nc]3[d]"},
		{"REMOVEQUOTES strips a pair", removing, `"a,b",'c',d"e` + "\n", `1[a,b|c|d"e]`},
		{"REMOVEQUOTES keeps a closing quote alone", removing, "Blue'\n", "1[Blue']"},
		{"REMOVEQUOTES refuses an opening quote alone", removing, "'Blue\nx\n", "1[!" + NoEndQuote + "@0]2[x]"},
		{"REMOVEQUOTES keeps inner quotes", removing, `"a"b",c` + "\n", `1[a"b|c]`},
		{"ESCAPE makes anything data", escaping, "a\\|b|c\\\nd|\\\\\n", "1[a|b|c\nd|\\]"},
		{"ESCAPE leaves NULL alone", escaping, `\N|\\N` + "\n", "1[∅|∅]"},
		{"CSV hides delimiters and row ends", csv, "\"a,\n\"\"b\"\"\",c\n", "1[a,\n\"b\"|c]"},
		{"CSV ignores blanks around quotes", csv, ` "a" ,b` + "\n", "1[a|b]"},
		{"CSV keeps blanks without quotes", csv, ` a ,b` + "\n", "1[ a |b]"},
		{"CSV quotes must enclose the field", csv, "\"a\"b,c\nd\n", "1[!" + BadQuote + "@0]2[d]"},
		{"CSV quotes must end", csv, "a,\"b\nc", "1[!" + NoEndQuote + "@1]"},
		{"quotes inside a field are data", csv, "a\"b,c\n", "1[a\"b|c]"},
		{"ENCLOSE with ESCAPE", enclosed, `"a\"b", "c""d" ,\N, x ` + "\n", `1[a"b|c"d|∅|x]`},
		{"an escaped carriage return is data", escaping, "a\\\r\nb\\\\\r\nc\r\n", "1[a\r]2[b\\]3[c]"},
		{"a byte order mark is no text", pipes, "\ufeffa|\ufeffb\n\ufeffc", "1[a|\ufeffb]2[\ufeffc]"},
		{"a byte order mark before quotes", csv, "\ufeff\"a\nb\"\n", "1[a\nb]"},
		{"nothing but a byte order mark", csv, "\ufeff", ""},
		{"a delimiter of several bytes behind quotes", Format{Delimiter: "||", Quote: '\''}, "'a||b'||'c\n'\n|'|||d\n", "1[a||b|c\n]3[|'||d]"},
		{"a quoted NULL is text", enclosed, `"\\N"` + "\n", `1[\N]`},
		{"rows and fields must differ", Format{Delimiter: ",", Row: ","}, "", `refused: rows and fields end alike, with ","`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(t, strings.NewReader(c.in), c.f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := show(t, iotest.OneByteReader(strings.NewReader(c.in)), c.f); got != c.want {
				t.Errorf("byte by byte: got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRowsThatAreTooLongAreFaults(t *testing.T) {
	long := strings.Repeat("x", MaxRow+10)
	got := show(t, strings.NewReader("a\n"+long+"\nb\n"), pipes)
	if want := "1[a]2[!" + TooLong + "@0]3[b]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = show(t, strings.NewReader("\""+long+"\nx\n\"\nb\n"), csv)
	if want := "1[!" + TooLong + "@0]4[b]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	shorter := csv
	shorter.Longest = 300 << 10
	got = show(t, strings.NewReader("a\n\""+long+"\n\"\nb\n"), shorter)
	if want := "1[a]2[!" + TooLong + "@0]4[b]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// However the input is cut, the rows are the same, and no byte of it panics.
func FuzzReader(f *testing.F) {
	f.Add([]byte("a,\"b\"\"c\"\n\\N,d\\\n,e\n"), byte(0))
	f.Add([]byte("a|b\r\n'c|d'\n"), byte(3))
	formats := []Format{enclosed, csv, escaping, removing, tabs, {Delimiter: "||", Row: "\x01\n", Quote: '\''}}
	f.Fuzz(func(t *testing.T, in []byte, pick byte) {
		format := formats[int(pick)%len(formats)]
		whole := show(t, bytes.NewReader(in), format)
		if cut := show(t, iotest.HalfReader(bytes.NewReader(in)), format); cut != whole {
			t.Errorf("whole: %s\ncut:   %s", whole, cut)
		}
		if cut := show(t, iotest.OneByteReader(bytes.NewReader(in)), format); cut != whole {
			t.Errorf("whole: %s\nbyte by byte: %s", whole, cut)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for name, f := range map[string]Format{"plain": pipes, "csv": {Delimiter: "|", Quote: '"'}} {
		b.Run(name, func(b *testing.B) {
			text := []byte(strings.Repeat("1234567|some text here|12.5|2024-01-02|another one\n", 20000))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(text), f)
				if err != nil {
					b.Fatal(err)
				}
				for _, err = r.Next(); err == nil; _, err = r.Next() {
				}
			}
		})
	}
}
