package iceberg

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lakeport/internal/lake"
)

// seed adds the files of other engines' tables, where they are.
func seed(f *testing.F, pattern string) {
	for depth := range 6 {
		path := shared
		for range depth {
			path = filepath.Join(path, "*")
		}
		names, _ := filepath.Glob(filepath.Join(path, pattern))
		for _, n := range names {
			if data, err := os.ReadFile(n); err == nil {
				f.Add(data)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	seed(f, "*.metadata.json")
	f.Add([]byte(`{"format-version": 3, "schemas": [{"fields": [{"id": 1, "name": "a", "type": {"type": "map", "key-id": 2, "key": "string", "value-id": 3, "value": "decimal(9, 2)"}, "initial-default": 1}]}], "partition-specs": [{"fields": [{"source-id": 2, "transform": "bucket[4]"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		for _, at := range []lake.At{{}, {Version: "main"}, {Time: time.Unix(0, 0)}} {
			table, err := NewTable(m, at, Options{})
			if err != nil {
				continue
			}
			if _, err := json.Marshal(table.schema); err != nil {
				t.Errorf("schema: %v", err)
			}
			_, _ = table.Layout()
			_ = table.empty()
			_ = predicates(table.schema, []lake.Filter{{Column: "a", Op: lake.Eq, Values: []string{"1"}}})
		}
		if next, err := m.With(Change{Snapshot: Snapshot{ID: 9, Sequence: m.LastSequence + 1}}, "s3://b/m"); err == nil && next.CurrentSnapshot != 9 {
			t.Errorf("got snapshot %d after a change", next.CurrentSnapshot)
		}
		_, _ = m.nameMapping()
	})
}

func FuzzManifest(f *testing.F) {
	seed(f, "*.avro")
	n, err := (Definition{Columns: columns("a BIGINT, b VARCHAR, c UUID, d DATE"), Partition: []string{"b", "bucket(a, 4)", "c", "day(d)"}, Location: "s3://b/t"}).Plan()
	if err != nil {
		f.Fatal(err)
	}
	m, err := n.Metadata(time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	e := entry{status: statusAdded, snapshot: 1, file: file{path: "s3://b/t/1", format: "parquet", partition: []value{"x", int64(3), "0123456789abcdef", nil}, values: map[int]int64{1: 5}}}
	data, of, err := m.makeManifest(m.spec(0), contentData, 1, 1, []entry{e})
	if err != nil {
		f.Fatal(err)
	}
	if back, err := m.readManifest(data, of); err != nil || len(back) != 1 || partitionKey(&back[0].file) != partitionKey(&e.file) {
		f.Fatal(back, err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = readManifestList(data)
		list, err := m.readManifest(data, manifest{sequence: 1})
		if err != nil {
			return
		}
		fs := &files{}
		for _, e := range list {
			_ = partitionMatters(e.file.partition, partitionPredicates(m.spec(0), nil))
			fs.data = append(fs.data, dataFile{entry: e})
		}
		_ = (&Table{meta: m}).attach(fs, list)
	})
}

func FuzzVector(f *testing.F) {
	f.Add(vectorOf(1, 2, 3))
	f.Add(vectorOf())
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = readVector(data) })
}
