package engine

import (
	"fmt"
	"strings"
	"testing"

	"lakeport/internal/lake"
)

// show prints row i as its bare stored value.
func show(v *lake.Vector, i int) string {
	if v.IsNull(i) {
		return "NULL"
	}
	list := func(child *lake.Vector, from, n int) string {
		parts := make([]string, n)
		for k := range parts {
			parts[k] = show(child, from+k)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	switch d := v.Data.(type) {
	case []lake.Entry:
		return list(&v.Child[0], int(d[i].Offset), int(d[i].Length))
	case []lake.String:
		if v.Type.Kind == lake.Blob || v.Type.Kind == lake.Bit {
			return fmt.Sprintf("x%x", d[i].Bytes())
		}
		return string(d[i].Bytes())
	case []lake.Int128:
		if v.Type.Kind == lake.UHugeInt {
			return d[i].UBig().String()
		}
		return d[i].Big().String()
	case []bool:
		return fmt.Sprint(d[i])
	case []int8:
		return fmt.Sprint(d[i])
	case []int16:
		return fmt.Sprint(d[i])
	case []int32:
		return fmt.Sprint(d[i])
	case []int64:
		return fmt.Sprint(d[i])
	case []uint8:
		return fmt.Sprint(d[i])
	case []uint16:
		return fmt.Sprint(d[i])
	case []uint32:
		return fmt.Sprint(d[i])
	case []uint64:
		return fmt.Sprint(d[i])
	case []float32:
		return fmt.Sprint(d[i])
	case []float64:
		return fmt.Sprint(d[i])
	case []lake.Span:
		return fmt.Sprint(d[i])
	}
	if v.Type.Kind == lake.Array {
		return list(&v.Child[0], i*v.Type.Size, v.Type.Size)
	}
	parts := make([]string, len(v.Child))
	for k := range parts {
		parts[k] = show(&v.Child[k], i)
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func TestEveryTypeArrivesAsLakesComments(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TYPE mood AS ENUM ('sad', 'ok')")
	for _, tc := range []struct{ sql, kind, want string }{
		{"NULL", "INTEGER", "NULL"}, // DuckDB gives a bare NULL this type
		{"true", "BOOLEAN", "true"},
		{"(-128)::TINYINT", "TINYINT", "-128"},
		{"(-32768)::SMALLINT", "SMALLINT", "-32768"},
		{"-2147483647", "INTEGER", "-2147483647"},
		{"9223372036854775807", "BIGINT", "9223372036854775807"},
		{"255::UTINYINT", "UTINYINT", "255"},
		{"65535::USMALLINT", "USMALLINT", "65535"},
		{"4294967295::UINTEGER", "UINTEGER", "4294967295"},
		{"18446744073709551615::UBIGINT", "UBIGINT", "18446744073709551615"},
		{"170141183460469231731687303715884105727::HUGEINT", "HUGEINT", "170141183460469231731687303715884105727"},
		{"(-1)::HUGEINT", "HUGEINT", "-1"},
		{"340282366920938463463374607431768211455::UHUGEINT", "UHUGEINT", "340282366920938463463374607431768211455"},
		{"1.5::FLOAT", "FLOAT", "1.5"},
		{"1e300", "DOUBLE", "1e+300"},
		{"-12.3::DECIMAL(4,1)", "DECIMAL(4,1)", "-123"},
		{"1234567.89::DECIMAL(9,2)", "DECIMAL(9,2)", "123456789"},
		{"1.5::DECIMAL(18,3)", "DECIMAL(18,3)", "1500"},
		{"-12345678901234567890.5::DECIMAL(38,1)", "DECIMAL(38,1)", "-123456789012345678905"},
		{"'twelve bytes'", "VARCHAR", "twelve bytes"},
		{"'more than twelve bytes, né'", "VARCHAR", "more than twelve bytes, né"},
		{"''", "VARCHAR", ""},
		{`'\x00\xFF'::BLOB`, "BLOB", "x00ff"},
		{`'{"a": 1}'::JSON`, "JSON", `{"a": 1}`},
		{"'101'::BIT", "BIT", "x05fd"},
		{"DATE '1970-01-03'", "DATE", "2"},
		{"DATE '1969-12-31'", "DATE", "-1"},
		{"TIME '00:00:01.5'", "TIME", "1500000"},
		{"'00:00:01+00:00'::TIMETZ", "TIME WITH TIME ZONE", fmt.Sprint(uint64(1000000)<<24 | 57599)},
		{"TIMESTAMP '1970-01-01 00:00:01.000001'", "TIMESTAMP", "1000001"},
		{"'1970-01-01 00:00:02'::TIMESTAMP_S", "TIMESTAMP_S", "2"},
		{"'1970-01-01 00:00:02'::TIMESTAMP_MS", "TIMESTAMP_MS", "2000"},
		{"'1970-01-01 00:00:02.000000003'::TIMESTAMP_NS", "TIMESTAMP_NS", "2000000003"},
		{"'1970-01-01 01:00:00+01:00'::TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "0"},
		{"INTERVAL '14 months 3 days 1 second'", "INTERVAL", "{14 3 1000000}"},
		{"'80000000-0000-0000-0000-000000000001'::UUID", "UUID", "1"},
		{"'ok'::mood", "ENUM('sad', 'ok')", "1"},
		{"[1, NULL, 3]", "INTEGER[]", "[1 NULL 3]"},
		{"[]::VARCHAR[]", "VARCHAR[]", "[]"},
		{"[['a'], NULL, ['b', 'c']]", "VARCHAR[][]", "[[a] NULL [b c]]"},
		{"[1, 2]::INTEGER[2]", "INTEGER[2]", "[1 2]"},
		{"[[1, 2], [3, NULL]]::INTEGER[2][2]", "INTEGER[2][2]", "[[1 2] [3 NULL]]"},
		{"MAP {'k': 1, 'l': NULL}", "MAP(VARCHAR, INTEGER)", "[{k 1} {l NULL}]"},
		{"{'a': 1, 'b b': [2]}", `STRUCT("a" INTEGER, "b b" INTEGER[])`, "{1 [2]}"},
		{"NULL::STRUCT(a INT)", `STRUCT("a" INTEGER)`, "NULL"},
		{"{'s': {'m': MAP {1: ['x']}}}", `STRUCT("s" STRUCT("m" MAP(INTEGER, VARCHAR[])))`, "{{[{1 [x]}]}}"},
		{"list_filter([1, 2, 3, 4], lambda x: x % 2 = 0)", "INTEGER[]", "[2 4]"},
		{"map_values(MAP {'k': 'v'})", "VARCHAR[]", "[v]"},
		{"list_reverse(['a', 'b'])", "VARCHAR[]", "[b a]"},
		{"repeat([7], 3)", "INTEGER[]", "[7 7 7]"},
		// Types that lake does not have come as text.
		{"union_value(num := 2)", "VARCHAR", "2"},
		{"42::BIGNUM", "VARCHAR", "42"},
		{"{'a': 1}::VARIANT", "VARCHAR", "{'a': 1}"},
		{"[1::VARIANT]", "VARCHAR", "[1]"},
		{"'00:00:01.000000001'::TIME_NS", "VARCHAR", "00:00:01.000000001"},
	} {
		rows, err := c.Query(t.Context(), "SELECT "+tc.sql+" AS x")
		if err != nil {
			t.Errorf("%s: %v", tc.sql, err)
			continue
		}
		col := rows.Columns()[0]
		if col.Name != "x" || col.Type.String() != tc.kind {
			t.Errorf("%s: column %s %s, want x %s", tc.sql, col.Name, col.Type, tc.kind)
		}
		if got := grid(t, c, "SELECT "+tc.sql+" AS x"); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.sql, got, tc.want)
		}
	}
}

func TestVectorsAreFlatInEveryRow(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TABLE t AS SELECT i, 'v' || (i % 3) AS s, [i, i + 1] AS l, CASE WHEN i % 2 = 0 THEN i END AS n FROM range(5000) r(i)")
	for _, expr := range []string{
		"7", "s", "l", "n", "list_value(s, 'x')", "{'a': s, 'b': l}", "MAP {s: l}", "list_select(l, [2, 1])",
		"list_transform(l, lambda x: x || s)", "[s, NULL]::VARCHAR[2]", "list_sort(['b', s, 'a'])", "array_agg(s) OVER (ROWS 2 PRECEDING)",
		"map_keys(MAP {s: 1})", "l[1:1]", "CASE WHEN i % 2 = 0 THEN {'q': s} END", "CASE WHEN i >= 2048 THEN i END",
	} {
		text := "SELECT " + expr + " AS x FROM t ORDER BY i"
		whole := strings.Split(grid(t, c, text), "\n")
		if len(whole) != 5000 {
			t.Fatalf("%s: %d rows", expr, len(whole))
		}
		for _, i := range []int{0, 1, 2, 2047, 2048, 4999} {
			if one := grid(t, c, fmt.Sprintf("SELECT x FROM (SELECT i, %s AS x FROM t) WHERE i = %d", expr, i)); one != whole[i] && !strings.Contains(expr, "OVER") {
				t.Errorf("%s, row %d: %s in the whole result, %s alone", expr, i, whole[i], one)
			}
		}
	}
	do(t, c, "CREATE TABLE n AS SELECT i, {'s': s, 'l': l, 'm': MAP {s: l}} AS d, [{'s': s}, NULL] AS k FROM t")
	for _, expr := range []string{"b.d", "b.k", "[b.d, NULL]", "b.d.m", "list_select(b.k, [2, 1])", "{'x': b.k}"} {
		all := strings.Split(grid(t, c, "SELECT "+expr+" FROM t a JOIN n b ON a.i = b.i + 1 WHERE a.i % 7 = 3 ORDER BY a.i"), "\n")
		for _, at := range []int{0, 300, len(all) - 1} {
			if one := grid(t, c, fmt.Sprintf("SELECT %s FROM n b WHERE b.i = %d", expr, at*7+2)); one != all[at] {
				t.Errorf("%s, row %d: %s in a join, %s alone", expr, at, all[at], one)
			}
		}
	}
	joined := grid(t, c, "SELECT a.s, b.l FROM t a JOIN t b ON a.i = b.i + 1 WHERE a.i IN (10, 4000) ORDER BY a.i")
	if want := "v1 | [9 10]\nv1 | [3999 4000]"; joined != want {
		t.Errorf("join: got %s, want %s", joined, want)
	}
}
