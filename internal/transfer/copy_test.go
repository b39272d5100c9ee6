package transfer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lakeport/internal/delimited"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire/pg"
)

func readCopy(t testing.TB, options string) (*Copy, error) {
	t.Helper()
	text := "COPY t FROM 's3://b/p' " + options
	st, err := syntax.ParseRedshift(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ReadCopy(st.(*syntax.Copy), text)
}

var kinds = map[string]lake.Type{
	"int2": {Kind: lake.SmallInt}, "int4": {Kind: lake.Integer}, "int8": {Kind: lake.BigInt}, "bool": {Kind: lake.Boolean}, "float8": {Kind: lake.Double},
	"numeric": {Kind: lake.Decimal, Width: 8, Scale: 2}, "wide": {Kind: lake.Decimal, Width: 38, Scale: 0}, "varchar": {Kind: lake.Varchar}, "char": {Kind: lake.Varchar},
	"date": {Kind: lake.Date}, "timestamp": {Kind: lake.Timestamp}, "timestamptz": {Kind: lake.TimestampTZ}, "time": {Kind: lake.Time},
}

// load gives the rows of text as [a|b] with ∅ for NULL, and bad ones as
// !code:column:reason.
func load(t testing.TB, c *Copy, in string, columns ...string) string {
	t.Helper()
	var targets []Target
	var chunk lake.Chunk
	for i, name := range columns {
		name, notNull := strings.CutSuffix(name, "!")
		target := Target{Column: lake.Column{Name: fmt.Sprintf("c%d", i), Type: kinds[name]}, Declared: name, NotNull: notNull}
		if kinds[name].Kind == lake.Varchar {
			target.Length = 5
		}
		targets = append(targets, target)
		v := scratch(kinds[name])
		if kinds[name].Kind == lake.Decimal && kinds[name].Width <= 9 {
			v.Data = make([]int32, 1)
		}
		chunk.Columns = append(chunk.Columns, v)
	}
	l := &Loading{copy: c, convert: c.converter(targets, time.UTC)}
	r := &loadRows{l: l}
	for i := range targets {
		r.at = append(r.at, i)
	}
	rows, err := c.reader(strings.NewReader(in), targets)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for {
		row, err := rows.Next()
		if err != nil {
			return out.String()
		}
		for i := range chunk.Columns {
			chunk.Columns[i].Valid = nil
		}
		if column, bad := r.put(&chunk, 0, row); bad != nil {
			fmt.Fprintf(&out, "!%d:%d:%s", bad.code, column, bad.reason)
			continue
		}
		line := []byte{}
		for i := range chunk.Columns {
			if i > 0 {
				line = append(line, '|')
			}
			if v := &chunk.Columns[i]; v.IsNull(0) {
				line = append(line, "∅"...)
			} else {
				line = pg.AppendText(line, v, 0)
			}
		}
		fmt.Fprintf(&out, "[%s]", line)
	}
}

// Database Developer Guide, "Data conversion parameters", "Load error reference".
func TestCopyConvertsText(t *testing.T) {
	for _, c := range []struct{ options, columns, in, want string }{
		{"", "int4 varchar", "1|a\n-2|\n+3|b\n", "[1|a][-2|][3|b]"},
		{"", "int4 varchar", "|a\n \\N|b\n", "[∅|a]!1207:0:Invalid digit, Value '\\', Pos 0, Type: Integer"},
		{"", "int4 varchar", "1x|a\n", "!1207:0:Invalid digit, Value 'x', Pos 1, Type: Integer"},
		{"", "int4", "12.5\n", "!1207:0:Invalid digit, Value '.', Pos 2, Type: Integer"},
		{"", "int2", "32767\n32768\n-32768\n", "[32767]!1222:0:Overflow (Short valid range from -32768 to 32767)[-32768]"},
		{"", "int8", "9223372036854775807\n9223372036854775808\n", "[9223372036854775807]!1222:0:Overflow (Long valid range from -9223372036854775808 to 9223372036854775807)"},
		{"", "int4! varchar", "|a\n", "!1213:0:Missing data for not-null field"},
		{"", "int4 varchar", "1\n", "!1214:0:Delimiter not found"},
		{"", "int4 varchar", "1|a|b\n", "!1202:-1:Extra column(s) found"},
		{"", "int4 varchar", "1|a|\n", "[1|a]"},
		{"FILLRECORD", "int4 varchar int4", "1\n", "[1||∅]"},
		{"FILLRECORD EMPTYASNULL", "int4 varchar", "1\n", "[1|∅]"},
		{"", "bool", "t\nTRUE\nyes\n0\nNo\nmaybe\n", "[t][t][t][f][f]!1210:0:Unknown boolean format"},
		{"", "numeric", "1.239\n-1.239\n.5\n1e2\n999999.99\n1000000\nx\n", "[1.23][-1.23][0.50][100.00][999999.99]!1204:0:Overflow for NUMERIC(8,2)!1207:0:Invalid digit, Value 'x', Pos 0, Type: Decimal"},
		{"", "numeric", "000" + strings.Repeat("0", 500) + "1." + strings.Repeat("3", 500) + "\n1" + strings.Repeat("0", 500) + "\n0.000\n", "[1.33]!1204:0:Overflow for NUMERIC(8,2)[0.00]"},
		{"ACCEPTINVCHARS", "varchar", "\xff\xffa\xe0\xa1\n", "[??a??]"},
		{"ROUNDEC", "numeric", "1.235\n-1.235\n1.234\n", "[1.24][-1.24][1.23]"},
		{"", "wide", "-99999999999999999999999999999999999999\n", "[-99999999999999999999999999999999999999]"},
		{"", "float8", "1.5e3\nnan\n0x1p3\n", "[1500][NaN]!1208:0:Invalid digit, Value 'x', Pos 1, Type: Double"},
		{"", "varchar char", "éé|abcde\nééé|a\na|abcdef\na|é\n", "[éé|abcde]!1204:0:String length exceeds DDL length!1204:1:Char length exceeds DDL length" +
			"!1220:1:Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: c3 a9"},
		{"TRUNCATECOLUMNS", "varchar", "ééé\n", "[éé]"},
		{"TRIMBLANKS", "varchar char", "a  |b  \n", "[a|b  ]"},
		{"BLANKSASNULL", "varchar", "  \n\n", "[∅][]"},
		{"EMPTYASNULL", "varchar", "  \n\n", "[  ][∅]"},
		{"NULL AS 'nil'", "varchar int4", "nil|nil\n\\N|1\n", "[∅|∅][\\N|1]"},
		{`NULL AS '\0'`, "varchar", "\x00\na\x00\n", "[∅]!1218:0:NULL AS is '\\0' and the field has more bytes"},
		{"", "varchar", "a\xa4\n\xe0\xa1\n", "!1220:0:String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: a4 (error 3)" +
			"!1220:0:String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: e0 a1 (error 2)"},
		{"ACCEPTINVCHARS AS '^'", "varchar", "a\xe0\xa1\n", "[a^^]"},
		{"", "date", "2024-02-29\n2023-02-29\n24-1-1\n2024-01-02 10:11:12\n", "[2024-02-29]!1205:0:Invalid Date Format [YYYY-MM-DD]!1205:0:Invalid Date Format - length must be 10 or more[2024-01-02]"},
		{"DATEFORMAT 'DD/MON/YY'", "date", "07/Feb/99\n07/february/07\n", "[1999-02-07][2007-02-07]"},
		{"DATEFORMAT 'auto'", "date", "20240102\n01/02/2024\nJan-08-1995\nJ2451187\n1996.008\n", "[2024-01-02][2024-01-02][1995-01-08][1999-01-08][1996-01-08]"},
		{"ACCEPTANYDATE", "date timestamp", "x|y\n", "[∅|∅]"},
		{"", "timestamp", "2024-01-02 03:04:05.678901\n2024-01-02\n2024-01-02 25:00:00\n", "[2024-01-02 03:04:05.678901][2024-01-02 00:00:00]!1206:0:Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"},
		{"TIMEFORMAT 'MM.DD.YYYY HH12:MI AM'", "timestamp", "01.02.2024 12:05 AM\n01.02.2024 01:05 pm\n", "[2024-01-02 00:05:00][2024-01-02 13:05:00]"},
		{"TIMEFORMAT 'epochsecs'", "timestamp", "1.5\n-1\n", "[1970-01-01 00:00:01.5][1969-12-31 23:59:59]"},
		{"TIMEFORMAT 'epochmillisecs'", "timestamp", "1500\n", "[1970-01-01 00:00:01.5]"},
		{"TIMEFORMAT 'auto'", "timestamp timestamptz", "2019-02-11T05:09:12.195Z|17 Dec 07:37:16 1997 PST\n", "[2019-02-11 05:09:12.195|1997-12-17 15:37:16+00]"},
		{"", "timestamptz", "2024-01-02 03:04:05+02\n2024-01-02 03:04:05\n", "[2024-01-02 01:04:05+00][2024-01-02 03:04:05+00]"},
		{"", "time", "23:59:59.5\n 7:05\n01:02:03 pm\n24:00:00\nx\n", "[23:59:59.5][07:05:00][13:02:03]!1206:0:Invalid time format or value [HH24:MI:SS]!1206:0:Invalid time format or value [HH24:MI:SS]"},
		{"DELIMITER ',' REMOVEQUOTES", "int4 varchar", "1,\"a,b\"\n2,'x\n", "[1|a,b]!1214:1:Delimited value missing end quote"},
		{"ESCAPE", "varchar", "a\\|b\n\\\\N\n", "[a|b][∅]"},
		{"CSV", "int4 varchar", "1,\"a\"\"\nb\"\n", "[1|a\"\nb]"},
		{"CSV QUOTE '%' DELIMITER '\\t' IGNOREHEADER 1", "int4 varchar", "x\ty\n1\t%a\t%\n", "[1|a\t]"},
		{"IGNOREBLANKLINES", "int4 varchar", "1|a\n\n2|b\n", "[1|a][2|b]"},
		{"FIXEDWIDTH 'a:3,b:5,c:6'", "int4 varchar int4", "1  ab   7\n22 éé c 12    \n3  x\n4  abcde    1x\n5  abcde1     x\n", "[1|ab   |7]!1204:1:String length exceeds DDL length" +
			"!1214:1:Delimiter not found!1207:2:Invalid digit, Value 'x', Pos 1, Type: Integer!1202:-1:Extra column(s) found"},
		{"FIXEDWIDTH 'a:3,b:3' TRIMBLANKS FILLRECORD", "int4 varchar", "\\N aé \r\n2\n", "[∅|aé][2|]"},
		{"FIXEDWIDTH 'a:2,b:2' NULL AS 'x' IGNOREHEADER 1 IGNOREBLANKLINES", "int4 varchar", "head\n\nx x \n1 2\n", "[∅|∅][1|2]"},
	} {
		cp, err := readCopy(t, "IAM_ROLE 'x' "+c.options)
		if err != nil {
			t.Errorf("%s: %v", c.options, err)
			continue
		}
		if got := load(t, cp, c.in, strings.Fields(c.columns)...); got != c.want {
			t.Errorf("%s: %s: %q\ngot  %s\nwant %s", c.options, c.columns, c.in, got, c.want)
		}
	}
}

// Database Developer Guide, "COPY from JSON format".
func TestCopyReadsJSON(t *testing.T) {
	for _, c := range []struct{ options, paths, columns, in, want string }{
		{"JSON 'auto'", "", "int4 varchar bool", `{"c0":1,"c1":"a","c2":true} {"c2": null, "c1": "", "more": [1, {"c0": 5}]}` + "\n" + `{}{"c0":" ","c0":"2"}`,
			"[1|a|t][∅||∅][∅|∅|∅][2|∅|∅]"},
		{"JSON", "", "int4 varchar", `{"C0":1,"c1":"x"}`, "[∅|x]"},
		{"JSON AS 'auto ignorecase'", "", "int4 varchar", `{"C0":1,"c1":"x"}`, "[1|x]"},
		{"JSON 'auto'", "", "varchar", "\ufeff" + `{"c0":"\u00e9\n\"\/"} {"c0":"\ud83d\ude00"} {"\u0063\u0030":"k"}`, "[é\n\"/][😀][k]"},
		{"JSON 'auto'", "", "varchar", `{"c0":"\ud83d"} {"c0":"` + "\xff" + `"}`, "!1220:0:String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: ed (error 4)" +
			"!1220:0:String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: ff (error 1)"},
		{"JSON 'auto' ACCEPTINVCHARS", "", "varchar", `{"c0":"\ud83d"} {"c0":"a` + "\xff" + `"}`, "[???][a?]"},
		{"JSON 'auto'", "", "varchar varchar", `{"c0":{"a":1},"c1":[ 1 ]}`, `!1204:0:String length exceeds DDL length`},
		{"JSON 'auto' TRUNCATECOLUMNS", "", "varchar varchar", `{"c0":{"a":1},"c1":[ 1 ]}`, `[{"a":|[ 1 ]]`},
		{"JSON 'auto'", "", "int4! numeric", `{"c1":1.239} {"c0":"x"} {"c0":1.5} {"c0":3,"c1":1e2}`,
			"!1213:0:Missing data for not-null field!1207:0:Invalid digit, Value 'x', Pos 0, Type: Integer!1207:0:Invalid digit, Value '.', Pos 1, Type: Integer[3|100.00]"},
		{"JSON 'auto'", "", "int4", `{"c0":1}, {"c0":2}` + "\n" + `{"c0":3 "x":}` + "\n[{}]\n" + `{"c0":4} {"c0":"}`,
			"[1]!1216:0:Invalid JSON: a row is an object or an array!1216:0:Invalid JSON at byte 9: invalid character '\"' after object key:value pair" +
				"!1216:0:Invalid JSON: an array needs a JSONPaths file[4]!1216:0:Invalid JSON: the text ends inside a value"},
		{"JSON 'auto' IGNOREHEADER 2", "", "int4", "{\n}\n" + `{"c0":1}`, "[1]"},
		{"JSON 's3://b/p'", `{"jsonpaths": ["$['id']", "$['n']['first']", "$['tags'][1]"]}`, "int4 varchar varchar",
			`{"id":7,"n":{"first":"x"},"tags":["a","b"]} {"n":null,"tags":[1,2]} {"id":1,"n":3,"tags":[1,2]} {"id":1,"tags":["a"]} {"id":1}`,
			"[7|x|b][∅|∅|2]!1216:1:Invalid JSONPath format: Member is not an object.!1216:2:Invalid JSONPath format: Not an array or index out of range.[1|∅|∅]"},
		{"JSON 's3://b/p'", `{"jsonpaths": ["$[1]", "$[0].a"]}`, "int4 varchar", `[{"a":"x"}, 5]` + "\n" + `[{},null] 3`, "[5|x][∅|∅]!1216:0:Invalid JSON: a row is an object or an array"},
	} {
		cp, err := readCopy(t, "IAM_ROLE 'x' "+c.options)
		if err == nil && c.paths != "" {
			cp.paths, err = readPaths("s3://b/p", []byte(c.paths))
		}
		if err != nil {
			t.Errorf("%s: %v", c.options, err)
			continue
		}
		if got := load(t, cp, c.in, strings.Fields(c.columns)...); got != c.want {
			t.Errorf("%s: %s: %q\ngot  %s\nwant %s", c.options, c.columns, c.in, got, c.want)
		}
	}
	for body, want := range map[string]string{
		`{"jsonpaths": ["$.a.b[0]", "$.c"]}`: "",
		`{"jsonpaths": ["$['a'].b"]}`:        "do not mix",
		`{"jsonpaths": ["a"]}`:               "a path begins with $",
		`{"jsonpaths": ["$.a", ""]}`:         "an empty path 2",
		`{"jsonpaths": ["$.a", null]}`:       "an empty path 2",
		`{"jsonpaths": ["$.*"]}`:             "is no name of a member",
		`{"jsonpaths": ["$[-1]"]}`:           "is no index of an array",
		`{"jsonpaths": ["$['a]"]}`:           "is no name of a member in brackets",
		`{"jsonpaths": ["$a"]}`:              "expected . or [",
		`{"jsonpaths": [5]}`:                 "is not what COPY reads",
		`{"paths": ["$.a"]}`:                 "has no paths",
		`{"jsonpaths": ["$.a"]} x`:           "is not what COPY reads",
	} {
		_, err := readPaths("s3://b/p", []byte(body))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

// Whatever the text, rows come from it or faults, and whole values give rows.
func FuzzJSONRows(f *testing.F) {
	f.Add([]byte(`{"c0":"a\ud83d\ude00","c1":[1,{"b":null}]} x {"c0":`+"\n[1"), `{"jsonpaths": ["$['c0']", "$.c1[1].b"]}`)
	f.Fuzz(func(t *testing.T, in []byte, paths string) {
		c := &Copy{Format: JSON, Most: 1}
		load(t, c, string(in), "varchar", "int4")
		var err error
		if c.paths, err = readPaths("s3://b/p", []byte(paths)); err == nil {
			load(t, c, string(in), slices.Repeat([]string{"varchar"}, len(c.paths))...)
		}
	})
}

// Database Developer Guide, "COPY parameter reference".
func TestCopyRefusesOptions(t *testing.T) {
	for options, want := range map[string]string{
		"CSV ^ESCAPE":                     "ESCAPE is not supported for COPY of CSV",
		"CSV ^REMOVEQUOTES":               "REMOVEQUOTES is not supported for COPY of CSV",
		"^QUOTE '%'":                      "QUOTE is not supported for COPY of delimited text",
		"PARQUET ^MAXERROR 3":             "MAXERROR argument is not supported for PARQUET based COPY",
		"^GZIP ORC":                       "GZIP argument is not supported for ORC based COPY",
		"JSON ^'noshred'":                 "COPY with JSON 'noshred' is not built yet",
		"JSON ^'automatic'":               "JSON is 'auto', 'auto ignorecase', 'noshred' or the s3://bucket/key of a JSONPaths file",
		"JSON ^ESCAPE":                    "ESCAPE is not supported for COPY of JSON",
		"FIXEDWIDTH 'a:1' ^DELIMITER '|'": "DELIMITER is not supported for COPY of FIXEDWIDTH",
		"^AVRO 'auto'":                    "COPY with AVRO is not built yet",
		"FIXEDWIDTH ^'a:1,b'":             "\"b\" is not a label and a width",
		"FIXEDWIDTH ^'a:0'":               "\"a:0\" is not a label and a width",
		"^LZOP":                           "COPY with LZOP is not built yet",
		"ENCODING ^UTF16":                 "COPY with ENCODING UTF16 is not built yet",
		"GZIP ^ZSTD":                      "ZSTD cannot stand beside GZIP",
		"MAXERROR 5 ^IGNOREALLERRORS":     "IGNOREALLERRORS cannot stand beside MAXERROR",
		"MAXERROR ^100001":                "MAXERROR is a number from 0 to 100000",
		"DELIMITER ^'||'":                 "DELIMITER is one ASCII character",
		"DATEFORMAT ^'YYYY-QQ'":           "'Q' is no part of a format",
		"TIMEFORMAT ^'AUTO'":              "is no part of a format",
		"NULL AS ^'\\n'":                  "a line feed ends a row",
		"ACCEPTINVCHARS ^'xx'":            "one ASCII character",
		"^READRATIO 5":                    "READRATIO is not an option of COPY from S3",
		"CSV DELIMITER '%' ^QUOTE '%'":    "DELIMITER and QUOTE are the same character",
	} {
		at := strings.IndexByte(options, '^')
		_, err := readCopy(t, options[:at]+options[at+1:])
		if err == nil {
			t.Errorf("%s: no error", options)
			continue
		}
		e := sqlerr.From(err)
		if !strings.Contains(e.Msg, want) || e.Pos.Offset != at+len("COPY t FROM 's3://b/p' ") {
			t.Errorf("%s: got %d: %s, want %d: %s", options, e.Pos.Offset-len("COPY t FROM 's3://b/p' "), e.Msg, at, want)
		}
	}
}

func TestManifests(t *testing.T) {
	for body, want := range map[string]string{
		`{"entries":[{"url":"s3://b/k","mandatory":true,"meta":{"content_length":3}}],"author":{}}`: "",
		`{"entries":[]}`:                     "has no entries",
		`{"entries":[{"url":"s3://b"}]}`:     "entry 1",
		`{"entries":[{"url":"http://b/k"}]}`: "entry 1",
		`1|a`:                                "is not what COPY reads",
	} {
		_, err := readManifest("s3://b/m", []byte(body))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"entries":[{"url":"s3://b/k","mandatory":true,"meta":{"content_length":3}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, err := readManifest("s3://b/m", body); err == nil && len(m.Entries) == 0 {
			t.Error("a manifest without entries is accepted")
		}
	})
}

// Whatever stands in a field, it becomes a value or a fault with its place in it.
func FuzzConvert(f *testing.F) {
	f.Add("1|2024-01-02|1.5|x|2024-01-02 03:04:05|t", "auto", byte(0))
	f.Add("-99999|J2451187|1e99|\xff|17 Dec 07:37:16 1997 PST|f", "YYYY-MM-DD", byte(7))
	f.Fuzz(func(t *testing.T, in, format string, flags byte) {
		c := &Copy{Most: 1, Text: delimited.Format{Delimiter: "|", Null: `\N`, HasNull: true}}
		c.dates, c.times = format, format
		c.round, c.truncate, c.fill = flags&1 > 0, flags&2 > 0, flags&4 > 0
		if flags&8 > 0 {
			c.replaces = '?'
		}
		load(t, c, in, "int4", "date", "numeric", "varchar", "timestamp", "bool")
		load(t, c, in, "timestamptz", "wide", "char", "float8", "int2", "int8")
	})
}

// However many bad rows stand before them, good rows are read.
func TestManyBadRowsEndNothing(t *testing.T) {
	c, err := readCopy(t, "IAM_ROLE 'x' IGNOREALLERRORS")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 1<<20)
	in, err := delimited.NewReader(strings.NewReader(strings.Repeat(text+"|bad\n", 100)+"good|1\n"), c.Text)
	if err != nil {
		t.Fatal(err)
	}
	targets := []Target{{Column: lake.Column{Name: "a", Type: kinds["varchar"]}, Declared: "varchar"}, {Column: lake.Column{Name: "b", Type: kinds["int4"]}, Declared: "int4"}}
	r := &loadRows{l: &Loading{copy: c, convert: c.converter(targets, time.UTC)}, in: in, at: []int{0, 1}}
	dst := &lake.Chunk{Rows: 2, Columns: []lake.Vector{{Type: kinds["varchar"], Data: make([]lake.String, 2)}, {Type: kinds["int4"], Data: make([]int32, 2)}}}
	n, err := r.Read(dst)
	if err != nil || n != 1 || dst.Columns[0].Text(0) != "good" {
		t.Errorf("got %d rows, %v; want the good one", n, err)
	}
}
