package iceberg_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"lakeport/internal/sandbox/iceberg"
)

const twoColumns = `{"name": "t", "schema": {"type": "struct", "fields": [{"id": 1, "name": "a", "required": false, "type": "long"},
  {"id": 2, "name": "b", "required": false, "type": "string"}]}}`

// apply makes a table, then the updates, and gives the metadata's text.
func apply(t *testing.T, table, requirements, updates string) (string, error) {
	t.Helper()
	var d iceberg.Definition
	var c iceberg.Commit
	if err := errors.Join(json.Unmarshal([]byte(table), &d), json.Unmarshal([]byte(`{"requirements": [`+requirements+`], "updates": [`+updates+`]}`), &c)); err != nil {
		t.Fatal(err)
	}
	m, err := iceberg.New(&d, "s3://b", now)
	if err != nil {
		return "", err
	}
	if err := m.Check(c.Requirements); err != nil {
		return "", err
	}
	if err := m.Apply(c.Updates, "s3://b/metadata/00000-x.metadata.json", now); err != nil {
		return "", err
	}
	text, err := m.Text()
	return string(text), err
}

const snapshot = `{"action": "add-snapshot", "snapshot": {"snapshot-id": 9007199254740993, "sequence-number": 1, "timestamp-ms": 5, "manifest-list": "l"}}`

func TestCommitsChangeMetadataOrAreRefused(t *testing.T) {
	v1 := strings.Replace(twoColumns, `"name": "t"`, `"name": "t", "properties": {"format-version": "1"}`, 1)
	v3 := strings.Replace(twoColumns, `"name": "t"`, `"name": "t", "properties": {"format-version": "3"}`, 1)
	for _, c := range []struct{ name, table, requirements, updates, want, err string }{
		{"a large snapshot id stays exact", twoColumns, "", snapshot + `, {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 9007199254740993}`,
			`"current-snapshot-id":9007199254740993`, ""},
		{"a schema is added and made current", twoColumns, `{"type": "assert-current-schema-id", "current-schema-id": 0}`,
			`{"action": "add-schema", "schema": {"type": "struct", "fields": [{"id": 1, "name": "a", "required": false, "type": "long"}, {"id": 3, "name": "c", "required": false, "type": "int"}]}},
			 {"action": "set-current-schema", "schema-id": -1}`, `"last-column-id":3`, ""},
		{"version 1 names its schema and spec", v1, "", "", `"partition-spec":[]`, ""},
		{"version 1 becomes 2", v1, "", `{"action": "upgrade-format-version", "format-version": 2}`, `"last-sequence-number":0`, ""},
		{"version 2 becomes 3", twoColumns, "", `{"action": "upgrade-format-version", "format-version": 3}`, `"next-row-id":0`, ""},
		{"version 4 is refused", twoColumns, "", `{"action": "upgrade-format-version", "format-version": 4}`, "", "version 2 cannot become version 4"},
		{"no version goes back", twoColumns, "", `{"action": "upgrade-format-version", "format-version": 1}`, "", "version 2 cannot become version 1"},
		{"rows of version 3 are numbered", v3, "", strings.Replace(snapshot, `"manifest-list"`, `"first-row-id": 0, "added-rows": 7, "manifest-list"`, 1), `"next-row-id":7`, ""},
		{"a row's number is needed", v3, "", snapshot, "", "has a first-row-id and added-rows"},
		{"a type of version 3", strings.Replace(v3, `"long"`, `"timestamp_ns"`, 1), "", "", `"timestamp_ns"`, ""},
		{"a type of version 3 before it", strings.Replace(twoColumns, `"long"`, `"timestamp_ns"`, 1), "", "", "", `"timestamp_ns" is no type of format version 2`},
		{"a properties' reserved one is none", v1, "", "", `"properties":{}`, ""},
		{"an unknown update is refused", twoColumns, "", `{"action": "add-encryption-key"}`, "", `does not make the update "add-encryption-key"`},
		{"an unknown requirement is refused", twoColumns, `{"type": "assert-view-uuid"}`, "", "", `requirement "assert-view-uuid"`},
		{"a table that is there is not created", twoColumns, `{"type": "assert-create"}`, "", "", "table already exists"},
		{"another table is noticed", twoColumns, `{"type": "assert-table-uuid", "uuid": "x"}`, "", "", "UUID does not match"},
		{"a missing branch is noticed", twoColumns, `{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}`, "", "", "branch or tag main is missing"},
		{"a branch needs its snapshot", twoColumns, "", `{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 1}`, "", "there is no snapshot 1"},
		{"a sequence number never repeats", twoColumns, "", snapshot + `, {"action": "add-snapshot", "snapshot": {"snapshot-id": 2, "parent-snapshot-id": 9007199254740993, "sequence-number": 1, "timestamp-ms": 6, "manifest-list": "l"}}`,
			"", "older than last sequence number"},
		{"the service chooses the location", twoColumns, "", `{"action": "set-location", "location": "s3://elsewhere"}`, "", "the service chooses"},
		{"an unknown type is refused", strings.Replace(twoColumns, `"long"`, `"variant"`, 1), "", "", "", `"variant" is no type`},
		{"a partition's source is a column", strings.Replace(twoColumns, `"schema"`, `"partition-spec": {"fields": [{"name": "x", "transform": "identity", "source-id": 8}]}, "schema"`, 1), "", "", "", "source 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := apply(t, c.table, c.requirements, c.updates)
			switch {
			case c.err == "" && err != nil:
				t.Fatal(err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("got %v; want %q", err, c.err)
			case !strings.Contains(got, c.want):
				t.Errorf("got %s; want %s in it", got, c.want)
			}
		})
	}
}
