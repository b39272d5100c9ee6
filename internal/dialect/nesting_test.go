package dialect

import (
	"strings"
	"testing"
)

func TestNestedCallsThatMultiplyAreRefused(t *testing.T) {
	nested := func(form string, depth int) string {
		e := "s"
		for range depth {
			e = strings.ReplaceAll(form, "{}", e)
		}
		return "SELECT " + e + " FROM t"
	}
	for form, depths := range map[string][2]int{ // passes, is refused
		"cast({} as int)":      {3, 8},
		"substring({}, 1, 10)": {6, 12},
		"lpad({}, 9, 'x')":     {6, 20},
		"upper({})":            {12, 30},
		"abs({})":              {300, 0},
	} {
		if _, err := Query(nested(form, depths[0]), Options{}); err != nil {
			t.Errorf("%s, %d deep: %v", form, depths[0], err)
		}
		if depths[1] == 0 {
			continue
		}
		if _, err := Query(nested(form, depths[1]), Options{}); err == nil || !strings.Contains(err.Error(), "nested too deep") {
			t.Errorf("%s, %d deep: got %v", form, depths[1], err)
		}
	}
	if n := mentions["whole"]; n < 8 {
		t.Errorf("whole copies its argument %d times", n)
	}
}
