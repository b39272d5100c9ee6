package dialect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// session is what testdata/rewrite knows of a session.
func session(d *datadriven.TestData) Options {
	o := Options{
		PipesAsConcat: d.HasArg("pipes"),
		ThrowOnCast:   d.HasArg("throw"),
		Headings:      d.HasArg("headings"),
		Variable: func(name string, user bool) (string, bool) {
			switch {
			case user:
				return "'of " + name + "'", name != "unset"
			case strings.TrimPrefix(name, "session.") == "autocommit":
				return "1", true
			}
			return "", false
		},
		Function: func(name string) (string, bool) {
			v, ok := map[string]string{"database": "'shop'", "current_user": "'root@%'"}[name]
			return v, ok
		},
	}
	if d.HasArg("ask") || d.HasArg("scale") {
		o.Quotients = &Quotients{Known: map[int]Quotient{}}
		if d.HasArg("ask") {
			o.Quotients.Ask = "ask"
		}
		if d.HasArg("scale") {
			o.Quotients.Known[0] = Quotient{Scale: 8}
		}
	}
	if d.HasArg("typed") {
		t := Table{Name: "t", Columns: []lake.Column{{Name: "both", Type: lake.Type{Kind: lake.Varchar}}}}
		for name, kind := range map[string]lake.Kind{"i": lake.Integer, "b": lake.BigInt, "f": lake.Double, "s": lake.Varchar, "d": lake.Date, "ts": lake.Timestamp,
			"bo": lake.Boolean, "j": lake.JSON, "st": lake.Struct} {
			t.Columns = append(t.Columns, lake.Column{Name: name, Type: lake.Type{Kind: kind}})
		}
		o.Tables = []Table{t, {"u", []lake.Column{{Name: "S", Type: lake.Type{Kind: lake.Varchar}}, {Name: "BOTH", Type: lake.Type{Kind: lake.Integer}}}}}
	}
	return o
}

func TestRewrite(t *testing.T) {
	datadriven.RunTest(t, "testdata/rewrite", func(t *testing.T, d *datadriven.TestData) string {
		r, err := Query(d.Input, session(d))
		if err != nil {
			return err.Error() + "\n"
		}
		out := r.SQL + "\n"
		if r.Typed {
			out += "typed\n"
		}
		if r.Params > 0 {
			out += fmt.Sprintf("params: %d\n", r.Params)
		}
		for _, h := range r.Hints {
			out += fmt.Sprintf("hint: %s = %s\n", h.Name, h.Value)
		}
		return out
	})
}

func TestSourceFindsTheTextThatAnErrorIsAbout(t *testing.T) {
	text := "SELECT `a``b`, IF(x && y, \"it's\", length(nosuch)) FROM t WHERE c <=> 1 LIMIT 5, missing"
	r, err := Query(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"nosuch", "FROM t", "missing", "x ", "y,", "WHERE c", "c IS"} {
		at := strings.Index(r.SQL, word)
		if at < 0 {
			t.Fatalf("%s lacks %q", r.SQL, word)
		}
		src := r.Source(at)
		if word = strings.Fields(strings.Trim(word, ","))[0]; !strings.HasPrefix(text[src:], word) {
			t.Errorf("%q at %d of %s comes from %q", word, at, r.SQL, text[src:])
		}
	}
	if got := r.Source(len(r.SQL)); got > len(text) {
		t.Errorf("the end comes from %d, past the source's end %d", got, len(text))
	}
}

func TestUnknownNamesTheNearestFunction(t *testing.T) {
	for name, want := range map[string]string{
		"date_fromat": "did you mean date_format?", "subtring": "did you mean substring?", "get_json_strng": "did you mean get_json_string?",
		"frobnicate": "", "array_mpa": "did you mean array_map?",
	} {
		if got := Unknown(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestEveryFunctionHasOneMeaning(t *testing.T) {
	for name := range renamed {
		if macroNames[name] || calls[name] != nil || missing[name] {
			t.Errorf("%s is renamed and something else too", name)
		}
	}
	for name := range missing {
		if macroNames[name] || calls[name] != nil {
			t.Errorf("%s is missing and there", name)
		}
	}
	for _, name := range native {
		if macroNames[name] || missing[name] {
			t.Errorf("%s is native and something else too", name)
		}
	}
	for name := range inner {
		if !macroNames[name] {
			t.Errorf("%s is no macro", name)
		}
	}
	for name, to := range renamed {
		if target, ok := strings.CutPrefix(to, macro("")); ok && !macroNames[target] {
			t.Errorf("%s is renamed to %s, which is no macro", name, target)
		}
	}
	if len(provided()) < 250 {
		t.Errorf("only %d functions", len(provided()))
	}
}

func TestTypesHaveTheEnginesCounterpart(t *testing.T) {
	for text, want := range map[string]string{
		"INT": "INTEGER", "largeint": "HUGEINT", "decimal": "DECIMAL(10,0)", "DECIMAL(5)": "DECIMAL(5,0)", "varchar(20)": "VARCHAR", "string": "VARCHAR",
		"datetime": "TIMESTAMP", "varbinary": "BLOB", "array<map<string, decimal(5, 1)>>": "MAP(VARCHAR, DECIMAL(5,1))[]",
		"struct<a int, `b c` array<date>>": `STRUCT("a" INTEGER, "b c" DATE[])`, "int unsigned": "UINTEGER", "signed": "BIGINT",
		"bitmap":         "error: type BITMAP is not supported",
		"decimal(39, 1)": "error: DECIMAL(39, 1): precision must be 1 to 38 and scale 0 to precision",
	} {
		st, err := syntax.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if l, err := TypeOf(st); err != nil {
			got = "error: " + err.Error()
		} else {
			got = l.String()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestTypeNamesReadBack(t *testing.T) {
	for _, text := range []string{"boolean", "tinyint(4)", "int(11)", "bigint(20)", "largeint(40)", "decimal(10, 2)", "double", "datetime", "date",
		"array<int(11)>", "map<int(11),date>", "struct<a int(11), b date>", "json", "varchar(65533)"} {
		st, err := syntax.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		l, err := TypeOf(st)
		if err != nil {
			t.Fatal(err)
		}
		if got := TypeName(l, false); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}

func TestDeepNestingIsAnErrorOrFast(t *testing.T) {
	for _, text := range []string{strings.Repeat("f(", 1e5) + strings.Repeat(")", 1e5), strings.Repeat("(", 1e6)} {
		if _, err := Query(text, Options{}); err == nil || !strings.Contains(err.Error(), "nested deeper than 1000 brackets") {
			t.Errorf("%.20s..: %v", text, err)
		}
	}
	for _, text := range []string{strings.Repeat("!", 1e5) + "a", strings.Repeat("- ", 1e5) + "a ^ b", strings.Repeat("a ^ ", 1e4) + "a",
		strings.Repeat("concat(a, ", 990) + "b" + strings.Repeat(")", 990), strings.Repeat("a LIKE ", 1e4) + "a", strings.Repeat("CASE WHEN a THEN 'x' ELSE ", 2e3) + "1" + strings.Repeat(" END", 2e3),
		strings.Repeat("a XOR ", 1e4) + "b", strings.Repeat("a / ", 1e4) + "b", strings.Repeat("avg(a / ", 900) + "1" + strings.Repeat(")", 900)} {
		if _, err := Query(text, Options{Headings: true, Quotients: &Quotients{Ask: "ask"}}); err != nil && !strings.Contains(err.Error(), "nested too deep in each other") {
			t.Errorf("%.20s..: %v", text, err)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, text := range []string{"SELECT a ^ b ^ (c ^ d), !x", "x REGEXP 'a' AND y LIKE '%\\%'", "CAST(a AS ARRAY<INT>)", "array_map((x, y) -> x + y, a, b)",
		"SELECT a \"b\", count(distinct a, b) FROM t LIMIT ?, ?", "INTERVAL -1 DAY", "group_concat(distinct a, b order by c separator '-')",
		"map{'a': 1}, array<int>[1], time_slice(a, interval 1 day, ceil)", "$?, a||b", "/*+ SET_VAR(a = -1) */ @@x", "SELECT max(t.b) > 3, a BETWEEN b AND 5, CASE b WHEN 1 THEN a ELSE 'x' END c FROM t AS u(a)", "convert(a using b), convert(a, int)",
		"a / b / (SELECT avg(x) OVER () / 2) % 3 DIV -1 / -a ^ b"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, headings bool) {
		tables := []Table{{"t", []lake.Column{{Name: "a", Type: lake.Type{Kind: lake.Integer}}, {Name: "b", Type: lake.Type{Kind: lake.Varchar}}}}}
		quotients := &Quotients{Ask: "ask", Known: map[int]Quotient{0: {Scale: 8}}}
		if !headings {
			tables, quotients = nil, nil
		}
		r, err := Query(text, Options{Headings: headings, Tables: tables, Quotients: quotients, Variable: func(string, bool) (string, bool) { return "1", true }})
		if err != nil {
			if k := sqlerr.From(err).Kind; k == sqlerr.Internal {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if _, err := syntax.Scan(r.SQL, syntax.Redshift); err != nil {
			t.Fatalf("%q becomes %q, which the engine cannot read: %v", text, r.SQL, err)
		}
		for i := range len(r.SQL) + 1 {
			if src := r.Source(i); src < 0 || src > len(text) {
				t.Fatalf("%q: offset %d of %q comes from %d", text, i, r.SQL, src)
			}
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	text := "SELECT `a`, DATE_FORMAT(d, '%Y'), SUM(x) FROM `db`.`t` WHERE name LIKE \"a%\" AND y <=> 5 GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10, 20"
	for b.Loop() {
		if _, err := Query(text, Options{Headings: true}); err != nil {
			b.Fatal(err)
		}
	}
}
