package session

import (
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

func TestEveryVariableTakesItsOwnDefault(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(variablesText) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if seen[name] || name != strings.ToLower(name) {
			t.Errorf("%s is listed twice or not in lower case", name)
		}
		seen[name] = true
	}
	for name, v := range sysvars {
		if !v.takes(v.value) || v.canonical(v.value) != v.value || refusedValue(name, v.value) != nil {
			t.Errorf("%s does not take its default %q", name, v.value)
		}
		switch v.effect {
		case inEffect, fixed, forClients, noEffect:
		default:
			t.Errorf("%s has the unknown heading %q", name, v.effect)
		}
	}
	if len(sysvars) < 200 {
		t.Errorf("only %d variables are known", len(sysvars))
	}
}

func TestVariablesTakeWhatFitsThem(t *testing.T) {
	for _, c := range []struct {
		name, value string
		ok          bool
		want        string // as told
	}{
		{"enable_profile", "ON", true, "true"}, {"enable_profile", "0", true, "false"}, {"enable_profile", "2", false, ""},
		{"pipeline_dop", "8", true, "8"}, {"pipeline_dop", "-1", true, "-1"}, {"pipeline_dop", "eight", false, ""},
		{"exec_mem_limit", "8G", true, "8G"}, {"exec_mem_limit", "8X", false, ""}, {"big_query_profile_threshold", "500ms", true, "500ms"},
		{"cbo_cte_reuse_rate", "0.5", true, "0.5"}, {"spill_storage_volume", "anything", true, "anything"},
	} {
		v := sysvars[c.name]
		if v.takes(c.value) != c.ok || c.ok && v.canonical(c.value) != c.want {
			t.Errorf("%s = %s: takes %v, tells %q", c.name, c.value, v.takes(c.value), v.canonical(c.value))
		}
	}
}

// A mode that would change what a query means is refused and not ignored.
func TestModesThatAreNotBuiltAreRefusedByName(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "PIPES_AS_CONCAT": "", "only_full_group_by, ALLOW_THROW_EXCEPTION": "", "STRICT_TRANS_TABLES,NO_ZERO_DATE": "",
		"PIPES_AS_CONCAT,SORT_NULLS_LAST": "sql_mode SORT_NULLS_LAST is not built yet", "ANSI_QUOTES": "sql_mode ANSI_QUOTES is not built yet",
		"NOSUCH": "can't be set to the value of 'NOSUCH'",
	} {
		err := refusedValue("sql_mode", value)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", value, err, want)
		}
	}
}

func TestUnknownVariablesNameTheNearest(t *testing.T) {
	if e := unknownVariable("enable_profil"); e.Hint != "did you mean enable_profile?" || e.Numbers() != sqlerr.UnknownVariable {
		t.Errorf("got %v", e)
	}
	if e := unknownVariable("quite_another_thing"); e.Hint != "" {
		t.Errorf("got the hint %q", e.Hint)
	}
}

func TestValuesAreLiteralsOfTheirKind(t *testing.T) {
	for value, want := range map[string]string{
		"true": "1", "false": "0", "NULL": "NULL", "42": "42", "-1": "-1", "007": "'007'", "1.15": "'1.15'", "it's": "'it''s'",
		"9223372036854775807": "9223372036854775807", "99999999999999999999": "'99999999999999999999'", "": "''",
	} {
		if got := asLiteral(value); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func TestRelationsSpellEveryValue(t *testing.T) {
	r := relation{columns: columns("Name", "Count#")}
	if got, want := r.query(), `SELECT CAST(c0 AS VARCHAR) AS "Name", CAST(c1 AS BIGINT) AS "Count" FROM (VALUES (NULL, NULL)) AS t(c0, c1) WHERE false`; got != want {
		t.Errorf("empty: got %s", got)
	}
	r.add("it's", 3)
	r.add(nil)
	if got, want := r.query(), `SELECT CAST(c0 AS VARCHAR) AS "Name", CAST(c1 AS BIGINT) AS "Count" FROM (VALUES ('it''s', 3), (NULL, NULL)) AS t(c0, c1)`; got != want {
		t.Errorf("got %s", got)
	}
	if r.columns[1].Type.Kind != lake.BigInt {
		t.Error("a name that ends in a hash is no number")
	}
}
