package glue

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"

	"lakeport/internal/sandbox"
)

var expressionKeys = []column{
	{Name: "s", Type: "string"}, {Name: "n", Type: "bigint"}, {Name: "d", Type: "date"},
	{Name: "m", Type: "decimal(10,2)"}, {Name: "ts", Type: "timestamp"}, {Name: "a.b", Type: "varchar(5)"}, {Name: "f", Type: "double"},
}

func TestExpressionsDecidePartitions(t *testing.T) {
	values := []string{"it's", "07", "2024-02-29", "1.50", "2024-01-01 00:00:00.5", "x_y", "1.0"}
	for _, c := range []struct {
		expr string
		want bool
	}{
		{"", true}, {" \n", true},
		{"s = 'it''s'", true}, {"s = 'its'", false}, {"S <> 'x'", true}, {"s != 'it''s'", false},
		{"n = 7", true}, {"n = '7'", true}, {"n > 6", true}, {"n >= 8", false}, {"n < -1", false},
		{"n in (1, 7)", true}, {"n NOT IN (1, 7)", false}, {"n IN ('8')", false},
		{"n between 7 and 8", true}, {"n NOT BETWEEN 7 AND 8", false},
		{"d = '2024-02-29'", true}, {"d > '2024-01-31'", true}, {"d between '2024-01-01' and '2024-02-28'", false},
		{"m = 1.5", true}, {"m < '1.51'", true}, {"m in (1.50)", true},
		{"ts > '2024-01-01 00:00:00'", true}, {"ts = '2024-01-01 00:00:00.500'", true},
		{"s like 'it%'", true}, {"s LIKE 'it_s'", true}, {"s NOT LIKE '%s'", false}, {"s like 't%'", false}, {"a.b LIKE 'x_y'", true},
		{"`s` = 'it''s'", true}, {`"n" = 7`, true}, {"(n) = 7", true}, {"((n) = 7)", true},
		{"s IS NULL", false}, {"s IS NOT NULL", true}, {"f IS NOT NULL", true},
		{"NOT n = 7", false}, {"NOT n = 8 AND n = 7", true},
		{"n = 1 OR n = 2 OR n = 7", true}, {"n = 7 OR n = 1 AND n = 2", true}, {"(n = 7 OR n = 1) AND n = 2", false},
		{"n=7 and(s='x'or d<'2025-01-01')", true},
	} {
		match, err := parseExpression(c.expr, expressionKeys)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got, err := match(values); got != c.want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", c.expr, got, err, c.want)
		}
	}
}

func TestExpressionsThatGlueRefuses(t *testing.T) {
	for expr, want := range map[string]string{
		"x = 1":                  "Invalid partition expression!",
		"n = x":                  "Unsupported expression 'x'",
		"n = 1.5":                `"1.5" is not an integer.`,
		"n = 'a'":                `"a" is not an integer.`,
		"m = 'a'":                "a is not a decimal.",
		"d = '2024-02-30'":       "2024-02-30 is not a date.",
		"d = 20240101":           "20240101 is not a date.",
		"ts = '2024-01-01'":      "Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff] 2024-01-01 is not a timestamp.",
		"n LIKE '1%'":            "Integral data type doesn't support operation 'LIKE'",
		"f = 1.0":                "Unknown type : 'double'",
		"n = ":                   "Unsupported expression ''",
		"n = 1 n = 2":            "Unsupported expression 'n'",
		"n + 1 = 2":              "Unsupported expression '+ 1 = 2'",
		"n NOT = 1":              "Unsupported expression '='",
		"n IN ()":                "Unsupported expression ')'",
		"(n = 1":                 "Unsupported expression ''",
		"s = 'open":              "Unsupported expression ''open'",
		"n IS 1":                 "Unsupported expression '1'",
		"upper(s) = 'X'":         "Invalid partition expression!",
		strings.Repeat("(", 400): "Unsupported expression",
		"n BETWEEN 1 OR 2":       "Unsupported expression 'OR'",
		"n = 1 AND":              "Unsupported expression ''",
		"1 = n":                  "Unsupported expression '1'",
		"n = 1; drop table x":    "Unsupported expression '; drop table x'",
	} {
		_, err := parseExpression(expr, expressionKeys)
		api, ok := err.(*sandbox.APIError)
		if !ok || api.Code != "InvalidInputException" || !strings.Contains(api.Message, want) {
			t.Errorf("%s: got %v, want InvalidInputException: %s", expr, err, want)
		}
	}
}

func TestStoredValueOfAnotherTypeIsAnInvalidState(t *testing.T) {
	l, ctx := newLab(t), t.Context()
	l.create(t, key("n", "int"))
	l.add(t, []string{"1"}, []string{defaultPartition})
	get := func(expr string) ([]string, error) {
		out, err := l.GetPartitions(ctx, &glue.GetPartitionsInput{DatabaseName: aws.String("db"), TableName: aws.String("t"), Expression: &expr})
		var values []string
		if err == nil {
			for _, p := range out.Partitions {
				values = append(values, p.Values...)
			}
		}
		return values, err
	}
	_, err := get("n = 1")
	wantError(t, err, "InvalidStateException", "is not an integer")
	if got, err := get("n IS NULL"); err != nil || len(got) != 1 || got[0] != defaultPartition {
		t.Errorf("got %v, %v, want the default partition", got, err)
	}
	_, err = get(strings.Repeat("n = 1 OR ", 300) + "n = 1")
	wantError(t, err, "ValidationException", "2048")
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"n = 7", "s LIKE 'a%_' OR NOT (d) > '2024-01-01'", "n IN (1,'2') AND ts BETWEEN '' AND ''", "(((", "m = 1e9", "s='\\'"} {
		f.Add(s, "v")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		match, err := parseExpression(text, expressionKeys)
		if err != nil {
			if _, ok := err.(*sandbox.APIError); !ok {
				t.Errorf("%q: got %v, want an answer that Glue gives", text, err)
			}
			return
		}
		_, _ = match([]string{value, value, value, value, value, value, value})
	})
}

// FuzzCall sends bodies to every operation: whatever they hold, the service
// answers.
func FuzzCall(f *testing.F) {
	names := slices.Sorted(maps.Keys(operations))
	l := newLab(f)
	f.Add(uint8(0), []byte(`{"DatabaseInput":{"Name":"db"},"Name":"db"}`))
	f.Add(uint8(7), []byte(`{"DatabaseName":"db","TableInput":{"Name":"t","PartitionKeys":[{"Name":"a","Type":"int"}]}}`))
	f.Add(uint8(9), []byte(`{"CatalogId":"s3tablescatalog/x","Segment":{"TotalSegments":0}}`))
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		code, answer := l.post(t, names[int(n)%len(names)], body)
		if code == 500 {
			t.Errorf("%s %q: got 500 %s", names[int(n)%len(names)], body, answer)
		}
	})
}
