package iceberg_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"lakeport/internal/sandbox/iceberg"
)

var now = time.Unix(1700000000, 0)

// Whatever a client sends as a table and as a commit, the metadata that comes
// of it can be read again, or the call is refused.
func FuzzCommit(f *testing.F) {
	f.Add(`{"name":"t","schema":{"type":"struct","fields":[{"id":3,"name":"a","required":true,"type":{"type":"list","element-id":4,"element":"long","element-required":true}}]}}`,
		`{"requirements":[{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}],"updates":[{"action":"add-snapshot","snapshot":{"snapshot-id":1,"timestamp-ms":2,"sequence-number":1,"manifest-list":"l"}},{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":1}]}`)
	f.Add(`{"name":"t","schema":{"type":"struct","fields":[{"id":1,"name":"m","type":{"type":"map","key-id":2,"key":"string","value-id":3,"value":{"type":"struct","fields":[]},"value-required":false}}]},"properties":{"format-version":"1"}}`,
		`{"updates":[{"action":"upgrade-format-version","format-version":2},{"action":"add-schema","schema":{"type":"struct","fields":[]}},{"action":"set-current-schema","schema-id":-1},{"action":"remove-snapshots","snapshot-ids":[1]}]}`)
	f.Add(`{"schema":{"fields":[{"name":"p","type":"decimal(9, 2)"}]},"partition-spec":{"fields":[{"name":"p","transform":"identity","source-id":0}]},"write-order":{"fields":[{"source-id":0}]}}`,
		`{"updates":[{"action":"add-spec","spec":{"fields":[]}},{"action":"set-default-spec","spec-id":-1},{"action":"add-sort-order","sort-order":{"fields":[]}},{"action":"set-statistics","statistics":{"snapshot-id":1}}]}`)
	f.Fuzz(func(t *testing.T, table, commit string) {
		var d iceberg.Definition
		if json.Unmarshal([]byte(table), &d) != nil {
			return
		}
		m, err := iceberg.New(&d, "s3://b", now)
		if err != nil {
			return
		}
		var c iceberg.Commit
		if json.Unmarshal([]byte(commit), &c) != nil || m.Check(c.Requirements) != nil || m.Apply(c.Updates, "s3://b/metadata/0.json", now) != nil {
			return
		}
		text, err := m.Text()
		if err != nil {
			t.Fatalf("the metadata cannot be spelled: %v", err)
		}
		if _, err := iceberg.Read(text); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	})
}

// FuzzPath holds that any path is a route or a refusal.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"config", "catalogs/1:a:b/namespaces", "catalogs/%3A/namespaces/a%1Fb/tables/t", "catalogs//namespaces//tables/t/credentials", "p/tables/rename", "%zz"} {
		f.Add(p, 2)
	}
	f.Fuzz(func(t *testing.T, path string, depth int) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = "/iceberg/v1/"+path, ""
		if route, err := iceberg.ParseRoute(r, 1+max(depth, -depth)%2); err == nil && route.Operation == "" {
			t.Fatalf("%q is no operation", path)
		}
	})
}
