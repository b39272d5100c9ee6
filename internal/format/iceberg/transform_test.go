package iceberg

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"lakeport/internal/engine"
)

// Iceberg's specification gives these hashes in its Appendix B.
func TestHashesAreThoseOfTheSpecification(t *testing.T) {
	for _, c := range []struct {
		typ  string
		v    value
		want int32
	}{
		{"int", int64(34), 2017239379},
		{"long", int64(34), 2017239379},
		{"decimal(4, 2)", big.NewInt(1420), -500754589},
		{"date", int64(17486), -653330422},
		{"time", int64(81068000000), -662762989},
		{"timestamp", int64(1510871468000000), -2047944441},
		{"timestamp", int64(1510871468000001), -1207196810},
		{"timestamptz", int64(1510871468000000), -2047944441},
		{"timestamp_ns", int64(1510871468000000000), -2047944441},
		{"timestamp_ns", int64(1510871468000001001), -1207196810},
		{"string", "iceberg", 1210000089},
		{"uuid", "\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7", 1488055340},
		{"fixed[4]", "\x00\x01\x02\x03", -188683207},
		{"binary", "\x00\x01\x02\x03", -188683207},
	} {
		typ, err := readPrimitive(c.typ)
		if got := int32(hash(typ, c.v)); err != nil || got != c.want {
			t.Errorf("%s %v: got %d, %v, want %d", c.typ, c.v, got, err, c.want)
		}
	}
}

func TestTransforms(t *testing.T) {
	for _, c := range []struct {
		typ, transform string
		v, want        value
	}{
		{"int", "truncate[10]", int64(1), int64(0)},
		{"int", "truncate[10]", int64(-1), int64(-10)},
		{"int", "truncate[10]", int64(-10), int64(-10)},
		{"string", "truncate[3]", "iceberg", "ice"},
		{"string", "truncate[1]", "né", "n"},
		{"string", "truncate[2]", "né", "né"},
		{"binary", "truncate[2]", "n\xc3\xa9", "n\xc3"},
		{"date", "year", int64(-1), int64(-1)},
		{"date", "month", int64(-1), int64(-1)},
		{"date", "month", int64(31), int64(1)},
		{"timestamp", "day", int64(-1), int64(-1)},
		{"timestamp", "hour", int64(3_600_000_000), int64(1)},
		{"timestamp", "hour", int64(-1), int64(-1)},
		{"timestamptz", "year", int64(1510871468000000), int64(47)},
		{"timestamp_ns", "day", int64(1510871468000000000), int64(17486)},
		{"long", "bucket[16]", nil, nil},
		{"long", "void", int64(5), nil},
		{"long", "identity", int64(5), int64(5)},
	} {
		typ, _ := readPrimitive(c.typ)
		got, ok := transformOf(c.transform).apply(typ, c.v)
		if !ok || got != c.want {
			t.Errorf("%s of %s %v: got %v, %v, want %v", c.transform, c.typ, c.v, got, ok, c.want)
		}
	}
	for _, c := range [][2]string{{"float", "bucket[4]"}, {"boolean", "truncate[4]"}, {"date", "hour"}, {"string", "zorder"}, {"int", "bucket[0]"}} {
		typ, _ := readPrimitive(c[0])
		if v, ok := transformOf(c[1]).apply(typ, int64(1)); ok {
			t.Errorf("%s of %s: got %v, want none", c[1], c[0], v)
		}
	}
}

// Bytes have no spelling in SQL that pruning reads: they stand in hexadecimal.
func TestSQLOfTruncatedBytes(t *testing.T) {
	table := &Table{schema: &Schema{Fields: []Field{{ID: 1, Name: "b", Type: Type{Name: "binary"}}}}}
	expr, err := table.partitionSQL(PartField{SourceID: 1, Name: "p", Transform: transformOf("truncate[2]")})
	if err != nil || expr != `left(hex("b"), 4)` {
		t.Errorf("got %s, %v", expr, err)
	}
}

// What INSERT computes in SQL is what pruning computes in Go.
func TestSQLOfTransformsAgrees(t *testing.T) {
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	l := &lab{TB: t}
	if l.conn, err = db.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.conn.Close)
	if _, err := l.conn.Exec(t.Context(), "SET timezone = 'Asia/Kathmandu'"); err != nil {
		t.Fatal(err)
	}
	long := []string{"0", "1", "-1", "34", "10", "-10", "2147483647", "-2147483640"}
	clock := []string{"1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "2017-11-16 22:31:08.000001", "1900-02-28 12:00:00", "2262-01-01 00:00:00"}
	values := map[string][]string{
		"int": long, "long": append(long, "9223372036854775807", "-9223372036854775808"),
		"string":          {"", "i", "ic", "ice", "iceb", "iceberg", "né", "日本語のテキスト", strings.Repeat("x", 257)},
		"uuid":            {"f79c3e09-677c-4bbd-a479-3f349cb785e7"},
		"date":            {"1970-01-01", "1969-12-31", "2017-11-16", "0001-01-01", "9999-12-31"},
		"time":            {"00:00:00", "22:31:08", "23:59:59.999999"},
		"timestamp":       clock,
		"timestamptz":     {"1970-01-01 00:00:00+00", "1969-12-31 23:59:59.999999+00", "2017-11-16 22:31:08.000001+00"},
		"decimal(9, 2)":   {"14.20", "-0.01", "0.00", "1.27", "1.28", "-1.28", "-1.29", "2.55", "2.56", "327.67", "-327.69", "9999999.99"},
		"decimal(38, 10)": {"-1234567890123456789012345678.0123456789", "0.0000000001", "-0.0000000001", "922337203.6854775808"},
		"boolean":         {"true", "false"}, "double": {"1.5", "-0.25"},
	}
	for name, texts := range values {
		typ, _ := readPrimitive(name)
		for _, transform := range []string{"identity", "bucket[1]", "bucket[16]", "truncate[1]", "truncate[7]", "year", "month", "day", "hour"} {
			p := PartField{SourceID: 1, Name: "p", Transform: transformOf(transform)}
			table := &Table{schema: &Schema{Fields: []Field{{ID: 1, Name: `a "b"`, Type: typ}}}}
			expr, err := table.partitionSQL(p)
			if err != nil {
				if p.Transform.accepts(typ) {
					t.Errorf("%s of %s: %v", transform, name, err)
				}
				continue
			}
			for _, text := range texts {
				v, ok := fromText(typ, text)
				want, known := p.Transform.apply(typ, v)
				if !known && strings.HasPrefix(transform, "truncate") && strings.HasPrefix(text, "-9") {
					continue // it does not fit
				}
				got, err := l.query(fmt.Sprintf(`SELECT CAST(%s AS VARCHAR) AS p FROM (SELECT CAST('%s' AS %s) AS "a ""b""", 1 AS s, 2 AS h, 3 AS k, 4 AS v, 5 AS y, 6 AS i)`, expr, text, typ.lake()))
				if err != nil || !ok || !known {
					t.Errorf("%s of %s %q: %v", transform, name, text, err)
					continue
				}
				got = strings.TrimSuffix(strings.TrimPrefix(got, "{'p': "), "}\n")
				got = strings.Trim(got, "'")
				read, err := partitionValue(p.Transform.result(typ), &got)
				if c, same := compare(read, want); err != nil || !same || c != 0 {
					t.Errorf("%s of %s %q: got %q (%v, %v), want %v", transform, name, text, got, read, err, want)
				}
			}
			if got, err := l.query(fmt.Sprintf(`SELECT %s IS NULL AS p FROM (SELECT CAST(NULL AS %s) AS "a ""b""")`, expr, typ.lake())); err != nil || got != "{'p': true}\n" {
				t.Errorf("%s of %s NULL: got %v, %v", transform, name, got, err)
			}
		}
	}
}
