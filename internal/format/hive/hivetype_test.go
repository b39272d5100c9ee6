package hive

import (
	"strings"
	"testing"
)

func TestTypesAreReadAsHiveSpellsThem(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"int", "INTEGER"}, {" BIGINT ", "BIGINT"}, {"Double  Precision", "DOUBLE"}, {"string", "VARCHAR"},
		{"varchar(10)", "VARCHAR"}, {"char( 3 )", "VARCHAR"}, {"varchar", "VARCHAR"},
		{"decimal", "DECIMAL(10,0)"}, {"decimal(5)", "DECIMAL(5,0)"}, {"DECIMAL( 38 , 38 )", "DECIMAL(38,38)"},
		{"timestamp", "TIMESTAMP"}, {"timestamp with local time zone", "TIMESTAMP WITH TIME ZONE"}, {"binary", "BLOB"},
		{"array<int>", "INTEGER[]"}, {"map<string, array<date>>", "MAP(VARCHAR, DATE[])"},
		{"struct<a:int,B:struct<`c,:d`:tinyint>>", `STRUCT("a" INTEGER, "B" STRUCT("c,:d" TINYINT))`},
		{"struct<a b:int>", `STRUCT("a b" INTEGER)`},
	} {
		got, err := parseType(c.text)
		if err != nil || got.String() != c.want {
			t.Errorf("%q: got %s, %v, want %s", c.text, got, err, c.want)
		}
	}
}

func TestTypesThatCannotBeReadAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "not supported",
		"uniontype<int,string>":  `"uniontype" is not supported`,
		"interval_day_time":      "not supported",
		"array<variant>":         `"variant" is not supported`,
		"decimal(39,2)":          "the precision is 1 to 38",
		"decimal(5,6)":           "the scale no more",
		"decimal(x)":             "expected a number",
		"array<int":              "expected '>'",
		"array int":              "not supported",
		"map<int>":               "expected ','",
		"struct<>":               "expected a field's name",
		"struct<a int>":          "expected ':'",
		"struct<`a:int>":         "expected a field's name",
		"int)":                   "unexpected",
		"varchar(9999999999999)": "expected a number",
		strings.Repeat("array<", 100) + "int" + strings.Repeat(">", 100): "nests more than",
	} {
		got, err := parseType(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, %v, want an error with %s", text, got, err, want)
		}
	}
}

func FuzzParseType(f *testing.F) {
	for _, s := range []string{"int", "map<string,array<struct<a:decimal(10,2)>>>", "struct<`a`:int>", "varchar(1", "<>(),:`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := parseType(text)
		if err == nil && strings.Contains(typ.String(), "INVALID") {
			t.Errorf("%q gives the type %s without an error", text, typ)
		}
	})
}
