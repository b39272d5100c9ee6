package syntax

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestScanTellsTokensApart(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		text    string
		want    string // value:kind
	}{
		{StarRocks, "a.`b``c`.\"d\"", "a:word .:op b`c:quoted .:op d:string"},
		{StarRocks, `'it''s' "a\"b\n\\\%" e'\t'`, "it's:string a\"b\n\\\\%:string \t:string"},
		{StarRocks, "2024_t 1e3 1.5 .5 0xFF 1e3x t.1a t.1 1.", "2024_t:word 1e3:number 1.5:number .5:number 0xFF:number 1e3x:word t:word .:op 1a:word t:word .:op 1:word 1.:number"},
		{StarRocks, "@@session.sql_mode @@x @v @'q w' @", "session.sql_mode:system x:system v:user q w:user @:op"},
		{StarRocks, "a<=>b||c->'$.d'&&!e:=1", "a:word <=>:op b:word ||:op c:word ->:op $.d:string &&:op !:op e:word :=:op 1:number"},
		{StarRocks, "SHOW /*!50002 GLOBAL */ STATUS /* x */ -- y", "SHOW:word GLOBAL:word STATUS:word"},
		{StarRocks, "/*+ SET_VAR(a=1) */ x'AB' ? $1 $$a'b$$", "SET_VAR(a=1):hint AB:binary ?:param $1:param a'b:string"},
		{StarRocks, "t$files é日本", "t$files:word é日本:word"},
		{StarRocks, "/* a /* b */ c", "c:word"},
		{Redshift, "/* a /* b */ c */ d", "d:word"},
		{Redshift, `"a""b" 'c\' e'd\'' $t$x$t$ @`, "a\"b:quoted c\\:string d':string x:string @:op"},
	} {
		toks, err := Scan(c.text, c.dialect)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		names := []string{"eof", "word", "quoted", "string", "binary", "number", "system", "user", "param", "hint", "op"}
		var got []string
		for _, tok := range toks {
			got = append(got, tok.Value()+":"+names[tok.Kind])
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, g, c.want)
		}
	}
}

func TestScanReportsWhereUnfinishedTextBegins(t *testing.T) {
	for text, want := range map[string]string{
		"select 'a":          "1:8: unterminated string: the text that starts here has no closing quote\nhint: close it with '; a quote inside is written twice",
		"select\n  `a":       "2:3: unterminated identifier: the name that starts here has no closing quote",
		"select /* a":        "1:8: unterminated comment: a comment that starts here has no closing */",
		"show /*!50002 full": "1:6: unterminated comment: a version comment that starts here has no closing */",
		"select $$a":         "1:8: unterminated string: the text that starts here has no closing $$",
		"COPY t FROM 's3://b/x.csv' IAM_ROLE 'arn:aws:iam::1:role/RoleB,arn:aws:iam::2:role/RoleA FORMAT AS PARQUET;": "1:37: unterminated string: the role list that starts here has no closing quote\n" +
			"hint: write IAM_ROLE 'arn:aws:iam::1:role/RoleB,arn:aws:iam::2:role/RoleA' FORMAT AS PARQUET",
	} {
		_, err := Scan(text, StarRocks)
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestSplitFindsStatements(t *testing.T) {
	for text, want := range map[string][]string{
		"select 1; select ';' ;; -- x\n":    {"select 1", "select ';'"},
		"/* a; */ select 1;":                {"/* a; */ select 1"},
		"a; select 'b; c":                   {"a", "select 'b; c"},
		"/*!40101 SET NAMES utf8 */;\nb;":   {"/*!40101 SET NAMES utf8 */", "b"},
		" ":                                 nil,
		"create table t (a int) -- ; x\n;b": {"create table t (a int) -- ; x", "b"},
	} {
		var got []string
		for _, s := range Split(text, StarRocks) {
			got = append(got, s.Of(text))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\ngot  %q\nwant %q", text, got, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range []string{"select 'a\\'' \"b\"", "/*!1 a */ b", "$$x$$ $1", "@@a.b @`c` x'12'", "1e3.5 .5 0x t.1a", "/*+ h */ -- c", "é\xff\x00"} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, redshift bool) {
		d := StarRocks
		if redshift {
			d = Redshift
		}
		toks, err := Scan(text, d)
		if err != nil {
			return
		}
		end := 0
		for _, tok := range toks {
			if tok.Pos < end || tok.End <= tok.Pos || tok.Text != text[tok.Pos:tok.End] {
				t.Fatalf("%q: token %+v after offset %d", text, tok, end)
			}
			end = tok.End
			_ = tok.Value()
		}
		for _, s := range Split(text, d) {
			_ = s.Of(text)
		}
		if got := Unwrap(text); len(got) != len(text) {
			t.Fatalf("%q unwraps to %q", text, got)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	text := "VALUES " + strings.Repeat("(1, 'abc', NULL, 2.5, \"it's\"), ", 1000) + "(1)"
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Scan(text, StarRocks); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseCreateCatalog(b *testing.B) {
	text := statements(b, "seeds.sql")[1]
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
