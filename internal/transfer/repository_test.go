package transfer

import (
	"encoding/json"
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

const (
	wholeInfo = `{"format":"lakeport","version":1,"name":"s","database":"d","timestamp":"2024-01-02-03-04-05","token":"t","meta":"__meta.00112233445566778899aabbccddeeff","tables":{"t":{"rows":1,"bytes":2,"files":1}}}`
	wholeMeta = `{"format":"lakeport","version":1,"tables":[{"name":"t","create":"CREATE TABLE t (a INT)","columns":[{"name":"a","spelled":"int(11)","type":{"kind":"INTEGER"}}],"files":[{"path":"__ss_content/t/__tbl_0/00000.parquet","bytes":2,"rows":1,"sha256":"` +
		`0000000000000000000000000000000000000000000000000000000000000000"}]}]}`
)

func TestDescriptionsOfSnapshotsAreReadWholeOrRefused(t *testing.T) {
	info := func(text string) error {
		_, err := readInfo([]byte(text), "s3://b/i", "s", "2024-01-02-03-04-05")
		return err
	}
	meta := func(text string) error { _, err := readMeta([]byte(text), "s3://b/m"); return err }
	for _, c := range []struct {
		read             func(string) error
		text, change, to string
		want             string // of the error; "": none
	}{
		{info, wholeInfo, "", "", ""},
		{info, wholeInfo, `{`, ``, "s3://b/i is no JSON object"},
		{info, wholeInfo, `"lakeport"`, `"starrocks"`, "s3://b/i was not written by lakeport"},
		{info, wholeInfo, `"format":"lakeport",`, ``, "s3://b/i was not written by lakeport"},
		{info, wholeInfo, `"version":1`, `"version":2`, "s3://b/i has version 2"},
		{info, wholeInfo, `"token"`, `"encrypted"`, `unknown field "encrypted"`},
		{info, wholeInfo, `"name":"s"`, `"name":"r"`, "does not describe snapshot s of 2024-01-02-03-04-05"},
		{info, wholeInfo, `__meta.00`, `../../00`, "does not describe snapshot s"},
		{info, wholeInfo, `"d"`, `""`, "does not describe snapshot s"},
		{meta, wholeMeta, "", "", ""},
		{meta, wholeMeta, `"name":"t"`, `"name":""`, `describes no table ""`},
		{meta, wholeMeta, `[{"name":"a","spelled":"int(11)","type":{"kind":"INTEGER"}}]`, `[]`, `describes no table "t"`},
		{meta, wholeMeta, `,"type":{"kind":"INTEGER"}`, ``, `describes no column "a" of table t`},
		{meta, wholeMeta, `__ss_content/`, `../`, "describes no file"},
		{meta, wholeMeta, `"bytes":2`, `"bytes":-2`, "describes no file"},
		{meta, wholeMeta, `000"`, `"`, "describes no file"},
		{meta, wholeMeta, `INTEGER`, `INTEGER) FROM x`, "is no type"},
		{meta, wholeMeta, `"kind":"INTEGER"`, `"kind":"DECIMAL","width":39`, "is no type"},
		{meta, wholeMeta, `"kind":"INTEGER"`, `"kind":"LIST"`, "is no type"},
		{meta, wholeMeta, `"kind":"INTEGER"`, `"kind":"STRUCT"`, "is no type"},
	} {
		err := c.read(strings.Replace(c.text, c.change, c.to, 1))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || sqlerr.From(err).Kind == sqlerr.Internal) {
			t.Errorf("%s for %s: %v\nwant %s", c.to, c.change, err, c.want)
		}
	}
}

func TestTypesOfSnapshotsKeepTheirValues(t *testing.T) {
	typ := func(k lake.Kind) *lake.Type { return &lake.Type{Kind: k} }
	for _, c := range []struct {
		t    lake.Type
		want string // the type in files
	}{
		{lake.Type{Kind: lake.Decimal, Width: 38, Scale: 10}, "DECIMAL(38,10)"},
		{lake.Type{Kind: lake.HugeInt}, "VARCHAR"},
		{lake.Type{Kind: lake.Interval}, "VARCHAR"},
		{lake.Type{Kind: lake.TimestampTZ}, "TIMESTAMP WITH TIME ZONE"},
		{lake.Type{Kind: lake.Map, Key: typ(lake.HugeInt), Elem: &lake.Type{Kind: lake.List, Elem: typ(lake.Bit)}}, "MAP(VARCHAR, VARCHAR[])"},
		{lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "a", Type: lake.Type{Kind: lake.Array, Size: 2, Elem: typ(lake.TimeTZ)}}, {Name: "b", Type: lake.Type{Kind: lake.JSON}}}}, `STRUCT("a" VARCHAR[2], "b" JSON)`},
	} {
		before := c.t.String()
		if got := stored(c.t).String(); got != c.want || c.t.String() != before {
			t.Errorf("%s is stored as %s, want %s", before, got, c.want)
		}
		text, err := json.Marshal(Typed{c.t})
		var again Typed
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || again.String() != before {
			t.Errorf("%s is read again as %s: %v", before, again, err)
		}
	}
	if _, err := json.Marshal(Typed{lake.Type{Kind: lake.Enum, Names: []string{"a"}}}); err == nil {
		t.Error("an ENUM is described without its names")
	}
}

func FuzzReadSnapshot(f *testing.F) {
	for _, seed := range []string{wholeInfo, wholeMeta, `{"format":"lakeport","version":1,"name":"r","create_time":"2024-01-01T00:00:00Z"}`, `{}`, `[]`, `{"format":"lakeport","version":1,"tables":[null]}`,
		`{"format":"lakeport","version":1,"tables":[{"columns":[{"type":{"kind":"MAP","key":{"kind":"LIST","elem":{"kind":"DECIMAL","width":3,"scale":1}},"elem":{"kind":"ARRAY","size":2,"elem":{"kind":"STRUCT","fields":[{"name":"a","type":{"kind":"JSON"}}]}}}}]}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = readRepoInfo(text, "s3://b/r", "r")
		_, _ = readInfo(text, "s3://b/i", "s", "2024-01-02-03-04-05")
		meta, err := readMeta(text, "s3://b/m")
		if err != nil {
			return
		}
		for i := range meta.Tables {
			_ = meta.Tables[i].Query([]string{"x"})
			_ = meta.Tables[i].selecting(stored)
		}
		if _, err := json.Marshal(meta); err != nil {
			t.Errorf("what was read is not written: %v", err)
		}
	})
}
