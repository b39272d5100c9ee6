package dialect

import (
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// fold puts the names of macros short.
func fold(sql string) string { return strings.ReplaceAll(sql, redshiftSchema+"rs_", "@") }

func TestRedshiftIsRewritten(t *testing.T) {
	o := RedshiftOptions{
		Function: func(name string) (string, bool) { return "'me'", name == "current_user" || name == "current_database" },
		Literal:  func(typ, value string) (string, bool) { return "7", typ == "regclass" && value == "t" },
	}
	for text, want := range map[string]string{
		`SELECT Id, "Id", T."X" FROM Db.T`:                                                                            `select id, "Id", t."X" from db.t`,
		"SELECT 'It''s', E'\\n', $$A$$":                                                                               "select 'It''s', E'\\n', $$A$$",
		"SELECT a/b, a / 2, a % (b + 1), a / 0":                                                                       "select a//@divisor(b), a // 2, a % @divisor((b + 1)), a // @divisor(0)",
		"SELECT a ~ '^x' AND b !~* c":                                                                                 "select a ~ @pattern('^x') and b !~ @pattern_any_case(c)",
		"SELECT a OPERATOR(pg_catalog.~) 'x' COLLATE pg_catalog.default":                                              "select a ~ @pattern('x')",
		"SELECT pg_catalog.format_type(a, b)::pg_catalog.text":                                                        "select @text(@format_type(a, b))",
		"SELECT current_user, Current_Database(), x.current_user":                                                     "select 'me', 'me', x.current_user",
		"SELECT 't'::regclass, CAST('t' AS regclass)":                                                                 "select 7, 7",
		"SELECT c.oid::regclass::text":                                                                                "select CAST((SELECT o.relname FROM pg_catalog.pg_class AS o WHERE o.oid = c.oid) AS VARCHAR)",
		"SELECT '1'::oid, a::name, b::varchar(3), c::numeric(3,1)":                                                    "select '1'::BIGINT, a::VARCHAR, @cut(@text(b), 3), c::numeric(3,1)",
		"SELECT DATEADD(m, 1, d), datediff('qtr', a, b), date_trunc(mon, x)":                                          "select @dateadd('minute', 1, d), @datediff('quarter', a, b), date_trunc('month', x)",
		"SELECT LISTAGG(DISTINCT a, ',') WITHIN GROUP (ORDER BY b DESC)":                                              "select string_agg(distinct a, ',' order by b desc NULLS FIRST)",
		"SELECT DECODE(a, NULL, 1, 2, 3, 4)":                                                                          "select CASE WHEN (a) IS NOT DISTINCT FROM (null) THEN 1 WHEN (a) IS NOT DISTINCT FROM (2) THEN 3 ELSE 4 END",
		"SELECT CONVERT(int, a), NVL(a, b), LEN(c)":                                                                   "select CAST(a AS int), coalesce(a, b), length(c)",
		"SELECT TOP 3 a FROM t ORDER BY a":                                                                            "select a from t order by a NULLS LAST LIMIT 3",
		"SELECT (SELECT TOP 1 a FROM t) FROM u":                                                                       "select (select a from t LIMIT 1) from u",
		"SELECT a FROM t ORDER BY a / b, c NULLS FIRST, d DESC LIMIT 1":                                               "select a from t order by a // @divisor(b) NULLS LAST, c nulls first, d desc NULLS FIRST limit 1",
		"SELECT 'abc'::char(2), a.b::float8::text, -f(x)::varchar(max), (a)::nvarchar(2)":                             "select @char(CAST('abc' AS VARCHAR), 2), @text(a.b::float8), -@text(f(x)), @cut(@text((a)), 2)",
		"SELECT CAST(a || b::text AS character varying(5)), $1::varchar(2), CAST('x' AS CHAR)":                        "select @cut(CAST(a || @text(b) AS VARCHAR), 5), @cut(CAST($1 AS VARCHAR), 2), @char(CAST('x' AS VARCHAR), 1)",
		`SELECT '\x6162'::bytea, '\x6162'::varbyte, a::varbyte, CASE WHEN a THEN b END::text`:                         `select unhex('6162'), encode('\x6162'), @bytes(a), @text(case when a then b end)`,
		"SELECT lag(a, 1) IGNORE NULLS OVER (ORDER BY b), APPROXIMATE PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY a)": "select lag(a, 1 IGNORE NULLS) over (order by b NULLS LAST), percentile_disc(0.5) within group (order by a NULLS LAST)",
		"SELECT PERCENTILE_CONT(0.2) WITHIN GROUP (ORDER BY a DESC) OVER (PARTITION BY b)":                            "select quantile_cont(a, (1 - 0.2)) over (partition by b)",
		"SELECT substring('abc' FROM 2 FOR 1), substring(a, -1, 3), substr(a, 2)":                                     "select @substring('abc', 2, 1), @substring(a, -1, 3), @substring(a, 2)",
		"SELECT current_database AS c FROM current_database()":                                                        `select current_database as c from (SELECT 'me' AS "current_database") AS "current_database"`,
		"SELECT a FROM #T, s.#u":                                                                                      `select a from "#t", s."#u"`,
		"SELECT 1 MINUS SELECT 2":                                                                                     "select 1 EXCEPT select 2",
		"SELECT $1, a -- x\nFROM t":                                                                                   "select $1, a from t",
	} {
		r, err := Redshift(text, o)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := strings.Join(strings.Fields(fold(r.SQL)), " "); got != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s: got\n%s\nwant\n%s", text, got, want)
		}
	}
}

// Known quotients are divided by a function; others and averages of which
// nothing is known are the engine's.
func TestRedshiftQuotients(t *testing.T) {
	text := "SELECT Sum(a) / count(*) * 2, AVG(DISTINCT b) OVER (ORDER BY c / d), a::numeric(5,2) / 3 / t.b, avg FROM t"
	for _, c := range []struct {
		q    Quotients
		want string
	}{
		{Quotients{Ask: "ask"}, "select ask(0, typeof(sum(a) ), typeof( count(*))) * 2, AVG(distinct ask(1, typeof( b), typeof(true))) over (order by ask(2, typeof(c ), typeof( d)) NULLS LAST), ask(4, typeof(ask(3, typeof(a::numeric(5,2) ), typeof( 3)) ), typeof( t.b)), avg from t"},
		{Quotients{Known: map[int]Quotient{0: {Scale: 4}, 1: {Whole: true}}}, "select (CAST(redshift_quotient(sum(a) , @divisor( count(*)), 4) AS DECIMAL(38, 0)) * CAST('1e-4' AS DECIMAL(38, 4))) * 2, CAST(sum(distinct b) over (order by c // @divisor(d) NULLS LAST) // count(distinct b) over (order by c // @divisor(d) NULLS LAST) AS BIGINT), a::numeric(5,2) // 3 // @divisor(t.b), avg from t"},
		{Quotients{Known: map[int]Quotient{1: {Scale: 2}}}, "select sum(a) // @divisor(count(*)) * 2, (CAST(starrocks_quotient(sum(distinct b) over (order by c // @divisor(d) NULLS LAST), count(distinct b) over (order by c // @divisor(d) NULLS LAST), 2) AS DECIMAL(38, 0)) * CAST('1e-2' AS DECIMAL(38, 2))), a::numeric(5,2) // 3 // @divisor(t.b), avg from t"},
	} {
		r, err := Redshift(text, RedshiftOptions{Tables: []Table{}, Quotients: &c.q})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(fold(r.SQL)), " "); got != c.want || !r.Divides {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// A PIVOT takes nothing but an aggregate.
func TestRedshiftLeavesPivotsAlone(t *testing.T) {
	for _, q := range []*Quotients{{Ask: "ask"}, {Known: map[int]Quotient{0: {Whole: true}}}} {
		r, err := Redshift("SELECT * FROM t PIVOT (avg(x) FOR y IN (1, 2))", RedshiftOptions{Tables: []Table{}, Quotients: q})
		if want := "select * from t pivot (avg(x) for y in (1, 2))"; err != nil || r.SQL != want {
			t.Errorf("got %s, %v; want %s", r.SQL, err, want)
		}
	}
}

// TestRedshiftQuotient holds the example of AWS's page, 8,2 by 8,2, and others.
func TestRedshiftQuotient(t *testing.T) {
	decimal := func(w, s uint8) lake.Type { return lake.Type{Kind: lake.Decimal, Width: w, Scale: s} }
	integer, average := lake.Type{Kind: lake.Integer}, lake.Type{Kind: lake.Boolean}
	for _, c := range []struct {
		a, b lake.Type
		want Quotient
		ok   bool
	}{
		{decimal(8, 2), decimal(8, 2), Quotient{Scale: 9}, true},
		{decimal(8, 2), integer, Quotient{Scale: 13}, true},
		{decimal(38, 2), lake.Type{Kind: lake.BigInt}, Quotient{Scale: 4}, true},
		{integer, decimal(3, 1), Quotient{Scale: 4}, true},
		{integer, integer, Quotient{}, false},
		{decimal(8, 2), lake.Type{Kind: lake.Double}, Quotient{}, false},
		{decimal(5, 2), average, Quotient{Scale: 2}, true},
		{integer, average, Quotient{Whole: true}, true},
		{lake.Type{Kind: lake.Double}, average, Quotient{}, false},
		{lake.Type{}, average, Quotient{}, false},
	} {
		if q, ok := RedshiftQuotient(c.a, c.b); ok != c.ok || ok && q != c.want {
			t.Errorf("%v / %v: %v, %v; want %v", c.a, c.b, q, ok, c.want)
		}
	}
}

func TestRedshiftNamesColumnsAsPostgreSQL(t *testing.T) {
	for item, want := range map[string]string{
		"1": "?column?", "a + 1": "?column?", "count(*)": "count", "a::int": "a", "1::int4": "int4", "f(a)::text": "f", "CASE WHEN a THEN 1 END": "case",
		"pg_catalog.version()": "version", "true": "bool", "NULL": "?column?", "sum(a) OVER (PARTITION BY b)": "sum", "cast(a as date)": "date",
		"dateadd(day, 1, a)": "date_add", "listagg(a) WITHIN GROUP (ORDER BY b)": "listagg", "'x' AS y": "", "a": "", "t.a": "",
	} {
		r, err := Redshift("SELECT "+item, RedshiftOptions{Headings: true})
		if err != nil {
			t.Errorf("%s: %v", item, err)
			continue
		}
		_, heading, _ := strings.Cut(r.SQL, ` AS "`)
		if got := strings.TrimSuffix(heading, `"`); got != want {
			t.Errorf("%s: heading %q, want %q in %s", item, got, want, r.SQL)
		}
	}
}

func TestRedshiftPointsIntoTheSource(t *testing.T) {
	const text = "SELECT nvl(a, b) / c, missing FROM t"
	r, err := Redshift(text, RedshiftOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Source(strings.Index(r.SQL, "missing")), strings.Index(text, "missing"); got != want {
		t.Errorf("got offset %d, want %d", got, want)
	}
	if _, err := Redshift("SELECT 'nosuch'::regclass", RedshiftOptions{}); sqlerr.From(err).Pos.Column != 8 {
		t.Errorf("got %v", err)
	}
}

// Rules that repeat an argument stay within bounds however deep they nest.
func TestRedshiftBoundsWhatItRepeats(t *testing.T) {
	known := map[int]Quotient{}
	for n := range 60 {
		known[n] = Quotient{Whole: true}
	}
	for _, nest := range [][2]string{{"avg(", ")"}, {"decode(", ", 1, 2, 3, 4)"}} {
		text := "SELECT " + strings.Repeat(nest[0], 60) + "x" + strings.Repeat(nest[1], 60)
		if _, err := Redshift(text, RedshiftOptions{Tables: []Table{}, Quotients: &Quotients{Known: known}}); !sqlerr.Is(err, sqlerr.Unsupported) {
			t.Errorf("%s: got %v, want it refused", nest[0], err)
		}
	}
}

func FuzzRedshift(f *testing.F) {
	for _, text := range []string{"SELECT TOP 1 a / b FROM t ORDER BY 1", "SELECT DATEADD(day, 1, x), LISTAGG(a) WITHIN GROUP (ORDER BY b)", "a ~ b::regclass", "SELECT 'x'::regclass", "OPERATOR(pg_catalog.~) 'a'",
		"CAST(a AS oid)", "DECODE(a,1,2)", "pg_table_is_visible(a)", "COLLATE", "ORDER BY", "a.b(1)::int::char(3)::varbyte", "CASE a END::varchar(max)", "avg(a) OVER w", "SUBSTRING(a FROM 1 FOR 2)", "percentile_cont(1) WITHIN GROUP (ORDER BY a) OVER ()"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Redshift(text, RedshiftOptions{Headings: true})
		if err != nil {
			return
		}
		for i := range len(r.SQL) + 1 {
			if at := r.Source(i); at < 0 || at > len(text) {
				t.Fatalf("offset %d of %q comes from %d", i, r.SQL, at)
			}
		}
	})
}
