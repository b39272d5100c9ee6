package delta

import (
	"slices"
	"strings"
	"testing"
)

func TestPickingTheNewestVersion(t *testing.T) {
	v := func(n string) string { return strings.Repeat("0", 20-len(n)) + n }
	for _, c := range []struct {
		names      string
		version    int64
		checkpoint string
		commits    string
		err        string
	}{
		{names: v("0") + ".json " + v("1") + ".json", version: 1, commits: "0 1"},
		{names: v("0") + ".json " + v("1") + ".checkpoint.parquet " + v("1") + ".json " + v("2") + ".json", version: 2, checkpoint: "1", commits: "3"},
		{names: v("9") + ".checkpoint.parquet", version: 9, checkpoint: "0"},
		{names: v("9") + ".checkpoint.0000000001.0000000002.parquet", err: "there is no Delta log"},
		{names: v("9") + ".checkpoint.0000000001.0000000002.parquet " + v("9") + ".checkpoint.0000000002.0000000002.parquet", version: 9, checkpoint: "0 1"},
		{names: v("9") + ".checkpoint.0000000000.0000000000.parquet", err: "there is no Delta log"},
		{names: v("9") + ".checkpoint.0000000003.0000000002.parquet", err: "there is no Delta log"},
		{names: v("3") + ".checkpoint.parquet " + v("4") + ".checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json " + v("4") + ".json", version: 4, checkpoint: "1"},
		{names: v("0") + ".json " + v("1") + ".crc " + v("0") + "." + v("4") + ".compacted.json x.json .tmp.json", version: 0, commits: "0"},
		{names: v("0") + ".json " + v("2") + ".json", err: "no commit 1, though it goes on to version 2"},
		{names: v("1") + ".json", err: "no commit 0"},
		{names: v("3") + ".checkpoint.parquet " + v("5") + ".json", err: "no commit 4"},
		{names: "99999999999999999999.json", err: "there is no Delta log"},
	} {
		p, err := pick(strings.Fields(c.names))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want an error with %q", c.names, err, c.err)
			}
			continue
		}
		if err != nil || p.version != c.version || indexes(p.checkpoint) != c.checkpoint || indexes(p.commits) != c.commits {
			t.Errorf("%s: got %+v, %v", c.names, p, err)
		}
	}
}

func indexes(list []int) string {
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(byte('0' + n))
	}
	return b.String()
}

func FuzzLogNames(f *testing.F) {
	f.Add("00000000000000000000.json 00000000000000000001.checkpoint.parquet 00000000000000000001.checkpoint.0000000001.0000000002.parquet")
	f.Add("99999999999999999999.json 09223372036854775807.checkpoint.parquet")
	f.Fuzz(func(t *testing.T, names string) {
		list := strings.Fields(names)
		p, err := pick(list)
		if err == nil && slices.ContainsFunc(append(p.checkpoint, p.commits...), func(i int) bool { return i < 0 || i >= len(list) }) {
			t.Fatalf("%q: %+v", list, p)
		}
	})
}

func FuzzActions(f *testing.F) {
	f.Add([]byte(protocolOf("deletionVectors")+metaOf("i integer, k string", "k")+adds("x%20y", `"partitionValues":{"k":null},"stats":"{\"numRecords\":1,\"minValues\":{\"i\":1}}"`)+removes("s3://b/x")), "i", "3")
	f.Add([]byte(`{"sidecar":{"path":"a.parquet","sizeInBytes":9}}`), "k", "x")
	f.Fuzz(func(t *testing.T, text []byte, column, constant string) {
		list, err := parseActions(text)
		if err != nil {
			return
		}
		tab := &table{name: "db.t", root: place{"b", "t"}}
		for _, a := range list {
			if a.MetaData != nil {
				tab.replay = replay{protocol: &protocol{MinReaderVersion: 1}, metaData: a.MetaData}
				_ = tab.understand()
			}
		}
		for _, a := range list {
			if a.Add != nil {
				_, _, _ = tab.file(a.Add, filtersOf(column, constant))
			}
			if file := a.file(); file != nil {
				_, _ = tab.id(file)
			}
		}
	})
}

func FuzzSchema(f *testing.F) {
	f.Add(`{"type":"struct","fields":[{"name":"a","type":{"type":"array","elementType":{"type":"map","keyType":"string","valueType":"decimal(10,2)"}},"metadata":{"delta.columnMapping.id":1,"delta.columnMapping.physicalName":"p"}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, mapping := range []string{"none", "name"} {
			columns, err := parseSchema(text, mapping)
			if err == nil && len(columns) == 0 {
				t.Fatal("a schema without columns")
			}
			for _, c := range columns {
				_ = c.Type.String() + c.File.Type.String()
			}
		}
	})
}
