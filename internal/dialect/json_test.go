package dialect

import (
	"encoding/json"
	"testing"
)

// Any path on any document gives a document: what it cannot follow it leaves.
func FuzzJSONPaths(f *testing.F) {
	for _, path := range []string{"$.a[0].b", `$."a.b"[10]`, "a", "[1]", "$", "$.*", "$.a[1:2]", `$."`, "$.a[", "$[-1]", "$..a", ""} {
		f.Add([]byte(`{"a":[1,{"b":null}],"a.b":[[]]}`), path)
	}
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		doc, ok := parseJSON(text)
		steps, right := jsonSteps(path)
		if !ok || !right {
			return
		}
		doc = setAt(doc, steps, json.Number("7"))
		if len(steps) > 0 {
			doc = removeAt(doc, steps)
		}
		if _, err := json.Marshal(doc); err != nil {
			t.Fatalf("%s at %s: %v", text, path, err)
		}
	})
}
