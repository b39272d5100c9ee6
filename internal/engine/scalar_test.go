package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

func TestFunctionsOfGoComputeRowByRow(t *testing.T) {
	bigint, text := lake.Type{Kind: lake.BigInt}, lake.Type{Kind: lake.Varchar}
	first := func(f *lake.Frame) (bool, error) {
		f.Int, f.Float = f.Number(0), float64(f.Number(0))
		return true, nil
	}
	db := openDB(t, Options{Functions: []lake.Function{
		{Name: "go_join", Params: []lake.Type{text}, Variadic: true, Result: lake.Varchar, Call: func(f *lake.Frame) (bool, error) {
			for n := range f.Args {
				f.Bytes = append(f.Bytes, f.Text(n)...)
			}
			return len(f.Bytes) > 0, nil
		}},
		{Name: "go_bytes", Params: []lake.Type{bigint}, Result: lake.Varchar, Call: func(f *lake.Frame) (bool, error) {
			f.Bytes = append(f.Bytes, byte(f.Number(0)))
			return true, nil
		}},
		{Name: "go_blob", Params: []lake.Type{bigint}, Result: lake.Blob, Call: func(f *lake.Frame) (bool, error) {
			f.Bytes = append(f.Bytes, byte(f.Number(0)))
			return true, nil
		}},
		{Name: "go_sum", Params: []lake.Type{{Kind: lake.List, Elem: &bigint}}, Result: lake.HugeInt, Call: func(f *lake.Frame) (bool, error) {
			f.Big = lake.Int128{}
			for _, n := range f.Numbers(0) {
				f.Big.Lo += uint64(n)
			}
			return true, nil
		}},
		{Name: "go_true", Params: []lake.Type{bigint}, Result: lake.Boolean, Call: first},
		{Name: "go_int", Params: []lake.Type{bigint}, Result: lake.Integer, Call: first},
		{Name: "go_date", Params: []lake.Type{bigint}, Result: lake.Date, Call: first},
		{Name: "go_time", Params: []lake.Type{bigint}, Result: lake.Timestamp, Call: first},
		{Name: "go_double", Params: []lake.Type{bigint}, Result: lake.Double, Call: first},
		{Name: "go_type", Params: []lake.Type{{}}, Result: lake.Varchar, Call: func(f *lake.Frame) (bool, error) {
			f.Bytes = fmt.Appendf(f.Bytes, "%s %T", f.Args[0].Type, f.Args[0].Data)
			return true, nil
		}},
		{Name: "go_fail", Params: []lake.Type{bigint}, Result: lake.BigInt, Call: func(f *lake.Frame) (bool, error) {
			return false, errors.New("there is no such number")
		}},
		{Name: "go_panic", Params: []lake.Type{bigint}, Result: lake.BigInt, Call: func(f *lake.Frame) (bool, error) {
			panic("overboard")
		}},
	}, Macros: []string{"CREATE MACRO memory.go_twice(x) AS go_join(x, x)"}})
	c := connect(t, db)
	if _, err := c.Inspect(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long ", 10)
	for query, want := range map[string]string{
		"SELECT go_join('a', '" + long + "'), go_join(''), memory.go_twice('x')":                                         "a" + long + " | NULL | xx",
		"SELECT go_join('a', NULL), go_int(NULL)":                                                                        "NULL | NULL",
		"SELECT go_bytes(65), go_bytes(200), go_blob(200)":                                                               `A | NULL | \xC8`,
		"SELECT go_sum([1, 2]), go_sum([])":                                                                              "3 | 0",
		"SELECT go_true(0), go_true(1), go_int(7), go_double(3)":                                                         "false | true | 7 | 3.0",
		"SELECT go_type(1.5), go_type(CAST(1 AS DECIMAL(20, 2))), go_type(1), go_type('x')":                              "DECIMAL(2,1) []int16 | DECIMAL(20,2) []lake.Int128 | INTEGER []int32 | VARCHAR []lake.String",
		"SELECT go_date(1), go_time(1000000)":                                                                            "1970-01-02 | 1970-01-01 00:00:01",
		"SELECT count(*), count(g), sum(g) FROM (SELECT go_int(CASE WHEN i % 2 = 0 THEN i END) g FROM range(5000) t(i))": "5000 | 2500 | 6247500",
	} {
		if got := grid(t, c, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("+query+")"); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", query, got, want)
		}
	}
	for query, want := range map[string]string{"SELECT go_fail(i) FROM range(1) t(i)": "there is no such number", "SELECT go_panic(i) FROM range(1) t(i)": "overboard"} {
		rows, err := c.Query(t.Context(), query)
		if err == nil {
			_, err = rows.Next(t.Context())
			rows.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", query, err)
		}
	}
	bad := openDB(t, Options{Functions: []lake.Function{{Name: "go_none", Params: []lake.Type{{Kind: lake.Enum}}, Result: lake.BigInt}}})
	if _, err := connect(t, bad).Inspect(t.Context(), "SELECT 1"); err == nil || sqlerr.From(err) == nil {
		t.Error("a function of a type that has no rows of its own is defined")
	}
}
