package mysql

import (
	"bytes"
	"database/sql"
	"math"
	"strconv"
	"testing"
	"time"

	"lakeport/internal/lake"
)

// everyText is how the first row of everyType reads in the text protocol, and
// in the binary one where Go's driver prints it otherwise.
var everyText = []struct{ name, text, binary string }{
	{"NULL", "NULL", ""},
	{"boolean", "1", ""},
	{"tinyint", "-128", ""},
	{"smallint", "-32768", ""},
	{"integer", "-2147483648", ""},
	{"bigint", "-9223372036854775808", ""},
	{"utinyint", "255", ""},
	{"usmallint", "65535", ""},
	{"uinteger", "4294967295", ""},
	{"ubigint", "18446744073709551615", ""},
	{"hugeint", "-170141183460469231731687303715884105727", ""},
	{"uhugeint", "340282366920938463463374607431768211455", ""},
	{"float", "0.1", ""},
	{"double", "1e+20", ""}, // the driver parses and prints it
	{"decimal(9,2)", "-0.05", ""},
	{"decimal(38,10)", "2028240960365167042394.7251286016", ""},
	{"varchar", "grüße, a longer text", ""},
	{"blob", "\x00\xff'", ""},
	{"json", `{"a": [1, 2]}`, ""},
	{"bit", "10101", ""},
	{"date", "2024-02-29", ""},
	{"time", "23:59:59.000001", ""},
	{"timetz", "01:00:00+02", ""},
	{"timestamp", "2024-02-29 12:34:56", "2024-02-29 12:34:56.000000"},
	{"timestamp_s", "2024-02-29 12:34:56", ""},
	{"timestamp_ms", "2024-02-29 12:34:56.789000", "2024-02-29 12:34:56.789"},
	{"timestamp_ns", "2024-02-29 12:34:56.789012", ""},
	{"timestamptz", "1969-12-31 23:59:59.999999", ""},
	{"interval", "23:59:59.999999", ""},
	{"uuid", "00112233-4455-6677-8899-aabbccddeeff", ""},
	{"enum", "green", ""},
	{"list of varchar", `["say \"a\\b\"",""]`, ""},
	{"list of json", `['{"a": \'x\'}','null']`, ""},
	{"list of date", `["1970-01-01","1970-01-02"]`, ""},
	{"array", "[1,null]", ""},
	{"map", `{"k":1}`, ""},
	{"struct", `{"f":1}`, ""},
}

func TestEveryTypeTravelsInBothProtocols(t *testing.T) {
	db := open(t, serve(t, newBackend(), Options{}), "root", "interpolateParams=false")
	for _, binary := range []bool{false, true} {
		var args []any
		query := "types"
		if binary {
			query, args = "types ?", []any{1}
		}
		rows, err := db.Query(query, args...)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]sql.NullString, len(everyText))
		into := make([]any, len(got))
		for i := range into {
			into[i] = &got[i]
		}
		for row := 0; rows.Next(); row++ {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, want := range everyText {
				if row == 1 || want.text == "NULL" {
					if got[i].Valid {
						t.Errorf("%s, binary %v, row %d: %q, want NULL", want.name, binary, row, got[i].String)
					}
					continue
				}
				text := want.text
				if binary && want.binary != "" {
					text = want.binary
				}
				if got[i].String != text {
					t.Errorf("%s, binary %v: %q, want %q", want.name, binary, got[i].String, text)
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDriverSeesColumnTypes(t *testing.T) {
	db := open(t, serve(t, newBackend(), Options{}), "root", "")
	rows, err := db.Query("types")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"NULL": "NULL", "boolean": "TINYINT", "ubigint": "UNSIGNED BIGINT", "hugeint": "CHAR", "decimal(9,2)": "DECIMAL",
		"varchar": "VARCHAR", "blob": "BLOB", "date": "DATE", "time": "TIME", "timestamp": "DATETIME", "json": "CHAR",
		"map": "CHAR",
	}
	for i, e := range everyText {
		if w := want[e.name]; w != "" && types[i].DatabaseTypeName() != w {
			t.Errorf("%s: %s, want %s", e.name, types[i].DatabaseTypeName(), w)
		}
	}
	if p, s, ok := types[14].DecimalSize(); !ok || p != 9 || s != 2 {
		t.Errorf("decimal(9,2): %d, %d, %v", p, s, ok)
	}
}

func TestNumbersAndTimesAsText(t *testing.T) {
	double := func(f float64) lake.Vector { return lake.Vector{Type: kind(lake.Double), Data: []float64{f}} }
	span := func(s lake.Span) lake.Vector { return lake.Vector{Type: kind(lake.Interval), Data: []lake.Span{s}} }
	micros := func(k lake.Kind, n int64) lake.Vector { return lake.Vector{Type: kind(k), Data: []int64{n}} }
	decimal := func(scale uint8, n int64) lake.Vector {
		return lake.Vector{Type: lake.Type{Kind: lake.Decimal, Width: 18, Scale: scale}, Data: []int64{n}}
	}
	for _, c := range []struct {
		v    lake.Vector
		want string
	}{
		{double(0), "0"}, {double(math.Copysign(0, -1)), "-0"}, {double(1), "1"}, {double(-0.5), "-0.5"},
		{double(123456.7891), "123456.7891"}, {double(math.Nextafter(0.3, 1)), "0.30000000000000004"}, {double(100), "100"},
		{double(999999999999999), "999999999999999"}, {double(1e15), "1e15"}, {double(1.5e-20), "1.5e-20"},
		{double(1e-15), "0.000000000000001"}, {double(math.NaN()), "NaN"}, {double(math.Inf(-1)), "-Infinity"},
		{double(math.MaxFloat64), "1.7976931348623157e308"},
		{lake.Vector{Type: kind(lake.Float), Data: []float32{16777216}}, "16777216"},
		{lake.Vector{Type: kind(lake.Float), Data: []float32{3.4e38}}, "3.4e38"},
		{decimal(0, -7), "-7"}, {decimal(3, 7), "0.007"}, {decimal(3, 1234), "1.234"}, {decimal(18, math.MinInt64), "-9.223372036854775808"},
		{span(lake.Span{Days: 40}), "960:00:00"}, {span(lake.Span{Micros: -3600_000001}), "-01:00:00.000001"},
		{span(lake.Span{Months: 14, Days: -1}), "1 year 2 months -1 day"}, {span(lake.Span{Months: 1, Micros: 5e6}), "1 month 00:00:05"},
		{micros(lake.Timestamp, math.MaxInt64), "infinity"}, {micros(lake.TimestampS, -math.MaxInt64), "-infinity"},
		{micros(lake.Timestamp, -62167219200_000000), "0000-01-01 00:00:00"},
		{micros(lake.Timestamp, -62167219200_000001), "-0001-12-31 23:59:59.999999"},
		{micros(lake.Timestamp, 253402300800_000000), "10000-01-01 00:00:00"},
		{lake.Vector{Type: kind(lake.JSON), Data: []lake.String{lake.MakeString([]byte(`{"a":[1 ,{"b:,\" " : "x"}]}`))}}, `{"a": [1, {"b:,\" ": "x"}]}`},
		{lake.Vector{Type: kind(lake.Date), Data: []int32{math.MaxInt32}}, "infinity"},
		{lake.Vector{Type: kind(lake.TimeTZ), Data: []uint64{57599 + 19800 + 30}}, "00:00:00-05:30:30"},
	} {
		if got := string(appendText(nil, &c.v, 0)); got != c.want {
			t.Errorf("%s: %q, want %q", c.v.Type, got, c.want)
		}
	}
}

// Doubles with few decimals take a short cut; it must agree with the search
// for the shortest text.
func TestShortCutOfDoublesAgreesWithTheLongWay(t *testing.T) {
	for n := int64(-20_000); n < 20_000; n++ {
		for _, f := range []float64{float64(n) / 10_000, float64(n) / 7, float64(n) * 1e9 / 1e4, math.Nextafter(float64(n)/100, 1e9)} {
			if math.Abs(f) < 1e-15 {
				continue
			}
			if got, want := appendFloat(nil, f, 64), strconv.AppendFloat(nil, f, 'f', -1, 64); !bytes.Equal(got, want) {
				t.Fatalf("%v: %s, want %s", math.Float64bits(f), got, want)
			}
		}
	}
}

func TestDatesAgreeWithGo(t *testing.T) {
	for day := int64(-719528); day <= 2932896; day += 17 {
		want := time.Unix(day*86400, 0).UTC().Format("2006-01-02")
		if got := string(appendDate(nil, day)); got != want {
			t.Fatalf("day %d: %s, want %s", day, got, want)
		}
	}
}

func TestBinaryProtocolRefusesWhatItCannotCarry(t *testing.T) {
	for _, v := range []lake.Vector{
		{Type: kind(lake.Interval), Data: []lake.Span{{}, {Months: 1}}},
		{Type: kind(lake.Date), Data: []int32{0, 2932897}},
		{Type: kind(lake.Timestamp), Data: []int64{0, math.MaxInt64}},
		{Type: kind(lake.TimestampS), Data: []int64{0, math.MinInt64}},
	} {
		c := &lake.Chunk{Rows: 2, Columns: []lake.Vector{v}}
		cols := []lake.Column{{Name: "x", Type: v.Type}}
		if err := checkRange(c, cols); err == nil {
			t.Errorf("%s: no error", v.Type)
		}
		c.Columns[0].Valid = []uint64{1}
		if err := checkRange(c, cols); err != nil {
			t.Errorf("%s: a NULL is refused: %v", v.Type, err)
		}
	}
}
