package iceberg

import (
	"testing"
	"time"
)

// A snapshot of version 1 may name its manifests itself; each then tells which
// partition spec its files are under.
func TestManifestsTellTheirSpec(t *testing.T) {
	n, err := (Definition{Columns: columns("a BIGINT, b VARCHAR"), Partition: []string{"b"}, Location: "s3://b/t"}).Plan()
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Metadata(time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	f := file{path: "s3://b/t/1", format: "parquet", partition: []value{"x"}}
	data, _, err := m.makeManifest(m.spec(0), contentData, 1, 1, []entry{{status: statusAdded, snapshot: 1, file: f}})
	if err != nil {
		t.Fatal(err)
	}
	m.Specs, m.DefaultSpec = append(m.Specs, Spec{ID: 1}), 1
	list, err := (&Table{meta: m}).manifests(t.Context(), &Snapshot{Manifests: []string{"s3://b/t/m"}})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	got, err := m.readManifest(data, list[0])
	if err != nil || len(got) != 1 || got[0].file.spec != 0 || len(got[0].file.partition) != 1 {
		t.Errorf("got %v, %v, want the file under spec 0", got, err)
	}
}
