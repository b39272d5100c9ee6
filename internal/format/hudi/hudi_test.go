package hudi

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"lakeport/internal/lake"
)

// shelf is the objects of the bucket b by key.
type shelf map[string]string

func (s shelf) options(readOptimized bool) Options {
	return Options{
		ReadOptimized: readOptimized,
		List: func(_ context.Context, dir string, recursive bool) ([]lake.Object, error) {
			var list []lake.Object
			for key, body := range s {
				rest, ok := strings.CutPrefix("s3://b/"+key, dir)
				if ok && (recursive || !strings.Contains(rest, "/")) {
					list = append(list, lake.Object{Bucket: "b", Key: key, Size: int64(len(body))})
				}
			}
			slices.SortFunc(list, func(a, b lake.Object) int { return strings.Compare(a.Key, b.Key) })
			return list, nil
		},
		Read: func(_ context.Context, o lake.Object, off, n int64) ([]byte, error) {
			return []byte(s[o.Key][off : off+n]), nil
		},
	}
}

const schemaText = `{"type":"record","name":"r","fields":[{"name":"id","type":["null","int"]},{"name":"p","type":["null","string"]},{"name":"q","type":["null","int"]}]}`

// table makes a table of properties ("key=value …", added to those of a plain
// one), names of instants, which hold text if "=" stands behind, and files.
func newTable(version, props, instants, files string) shelf {
	s := shelf{}
	layout, dir := "1", "t/.hoodie/"
	if version >= "8" || len(version) > 1 {
		layout, dir = "2", "t/.hoodie/timeline/"
	}
	s["t/.hoodie/hoodie.properties"] = "#\nhoodie.table.version=" + version + "\nhoodie.timeline.layout.version=" + layout +
		"\nhoodie.table.type=MERGE_ON_READ\nhoodie.table.create.schema=" + strings.ReplaceAll(schemaText, ":", `\:`) + "\n" + strings.Join(strings.Fields(props), "\n")
	for _, i := range strings.Fields(instants) {
		name, text, _ := strings.Cut(i, "=")
		s[dir+name] = text
	}
	for _, f := range strings.Fields(files) {
		s["t/"+f] = "x"
	}
	return s
}

// plan gives the keys that a plan reads, without "t/", or the error.
func (s shelf) plan(t *testing.T, readOptimized bool, filters ...lake.Filter) string {
	t.Helper()
	table, err := Open(t.Context(), "db.t", "s3a://b/t", s.options(readOptimized))
	if err != nil {
		return "error: " + err.Error()
	}
	scan, err := table.Plan(t.Context(), lake.Need{Filters: filters})
	if err != nil {
		return "error: " + err.Error()
	}
	var keys []string
	for _, o := range scan.Objects {
		keys = append(keys, strings.TrimPrefix(o.Key, "t/"))
	}
	return strings.Join(keys, " ")
}

func matches(got, want string) bool {
	word, isError := strings.CutPrefix(want, "error: ")
	return got == want || isError && strings.HasPrefix(got, "error: ") && strings.Contains(got, word)
}

// at is an instant's time: the nth second of a day.
func at(n int) string { return fmt.Sprintf("202401010000%02d000", n) }

func base(id string, n int) string { return id + "-0_1-2-3_" + at(n) + ".parquet" }
func logOf(id string, n int) string {
	return "." + id + "-0_" + at(n) + ".log.1_1-2-3"
}

func TestTheTimelineSaysWhichFilesAreRead(t *testing.T) {
	replace := func(partition, id string) string {
		return fmt.Sprintf(`={"partitionToReplaceFileIds":{"%s":["%s-0"]}}`, partition, id)
	}
	done := func(n int) string { return at(n) + "_" + at(n+1) }
	for name, c := range map[string]struct {
		version, props, instants, files string
		want, readOptimized             string
	}{
		"newest base":            {"6", "", at(1) + ".commit " + at(2) + ".commit", base("a", 1) + " " + base("a", 2) + " " + base("b", 1), base("a", 2) + " " + base("b", 1), ""},
		"under way":              {"6", "", at(1) + ".commit " + at(2) + ".inflight " + at(2) + ".commit.requested", base("a", 1) + " " + base("a", 2) + " " + base("c", 2), base("a", 1), ""},
		"abandoned and old":      {"6", "", at(1) + ".inflight " + at(3) + ".commit", base("a", 1) + " " + base("b", 3), base("b", 3), ""},
		"archived":               {"6", "", at(5) + ".commit", base("a", 1) + " " + base("b", 5), base("a", 1) + " " + base("b", 5), ""},
		"nothing done":           {"6", "", at(5) + ".inflight", base("a", 1), "", ""},
		"empty":                  {"6", "", "", "", "", ""},
		"in seconds":             {"6", "", "20240101000001.commit " + at(2) + ".commit", "a-0_1-2-3_20240101000001.parquet " + base("a", 2), base("a", 2), ""},
		"replaced":               {"6", "", at(1) + ".commit " + at(2) + ".replacecommit" + replace("", "a"), base("a", 1) + " " + base("b", 2), base("b", 2), ""},
		"replaced in one":        {"6", "hoodie.table.partition.fields=p", at(1) + ".commit " + at(2) + ".replacecommit" + replace("x", "a"), "x/" + base("a", 1) + " y/" + base("a", 1), "y/" + base("a", 1), ""},
		"replacing":              {"6", "", at(1) + ".commit " + at(2) + ".replacecommit.inflight" + replace("", "a"), base("a", 1) + " " + base("b", 2), base("a", 1), ""},
		"log":                    {"6", "", at(1) + ".deltacommit", base("a", 1) + " " + logOf("a", 1) + " " + base("b", 1), "error: such as s3://b/t/" + logOf("a", 1), base("a", 1) + " " + base("b", 1)},
		"log merged":             {"6", "", at(1) + ".deltacommit " + at(2) + ".commit", base("a", 1) + " " + logOf("a", 1) + " " + base("a", 2), base("a", 2), ""},
		"compaction under way":   {"6", "", at(1) + ".deltacommit " + at(2) + ".compaction.requested", base("a", 1) + " " + logOf("a", 2), "error: in logs", base("a", 1)},
		"log of replaced":        {"6", "", at(1) + ".deltacommit " + at(2) + ".replacecommit" + replace("", "a"), base("a", 1) + " " + logOf("a", 1), "", ""},
		"log only":               {"6", "", at(1) + ".deltacommit", logOf("a", 1), "error: in logs", ""},
		"log under way":          {"6", "", at(1) + ".deltacommit " + at(2) + ".deltacommit.inflight", base("a", 1) + " " + logOf("b", 2), base("a", 1), ""},
		"change log":             {"6", "", at(1) + ".deltacommit", base("a", 1) + " " + logOf("a", 1) + ".cdc", base("a", 1), ""},
		"log 8":                  {"8", "", done(1) + ".deltacommit " + done(3) + ".deltacommit", base("a", 1) + " " + logOf("a", 3), "error: in logs", base("a", 1)},
		"log 8 merged":           {"8", "", done(1) + ".deltacommit " + done(3) + ".deltacommit " + done(6) + ".commit", base("a", 1) + " " + logOf("a", 3) + " " + base("a", 6), base("a", 6), ""},
		"log 8 done later":       {"8", "", done(1) + ".deltacommit " + at(3) + "_" + at(8) + ".deltacommit " + done(6) + ".commit", base("a", 1) + " " + logOf("a", 3) + " " + base("a", 6), "error: in logs", base("a", 6)},
		"log 8 under way":        {"9", "", done(1) + ".deltacommit " + at(3) + ".deltacommit.inflight", base("a", 1) + " " + logOf("a", 3), base("a", 1), ""},
		"two attempts":           {"6", "", at(1) + `.commit={"partitionToWriteStats":{"":[{"path":"a-0_9-9-9_` + at(1) + `.parquet"}]}}`, base("a", 1) + " a-0_9-9-9_" + at(1) + ".parquet", "a-0_9-9-9_" + at(1) + ".parquet", ""},
		"two attempts, untold":   {"6", "", at(1) + ".commit", base("a", 1) + " a-0_9-9-9_" + at(1) + ".parquet", "error: several base files of file group a-0", ""},
		"other files":            {"6", "", at(1) + ".commit", base("a", 1) + " .hoodie_partition_metadata part-0.parquet _SUCCESS .hoodie/metadata/files/" + base("m", 1), base("a", 1), ""},
		"other format":           {"6", "", at(1) + ".commit", "a-0_1-2-3_" + at(1) + ".orc", "error: base file s3://b/t/a-0_1-2-3_" + at(1) + ".orc", ""},
		"clean and such":         {"6", "", at(1) + ".commit " + at(2) + ".clean " + at(3) + ".rollback " + at(4) + ".savepoint.inflight", base("a", 1) + " " + base("a", 3), base("a", 1), ""},
		"unknown action":         {"6", "", at(1) + ".commit " + at(2) + ".dance", base("a", 1), `error: the action "dance"`, ""},
		"names of layout 2":      {"6", "", done(1) + ".commit", base("a", 1), "error: is not named as layout 1", ""},
		"names of layout 1":      {"8", "", at(1) + ".commit", base("a", 1), "error: is not named as layout 2", ""},
		"version 7":              {"6", "hoodie.table.version=7", "", "", `error: has version "7"`, ""},
		"version 10":             {"10", "", "", "", `error: has version "10"`, ""},
		"layout":                 {"8", "hoodie.timeline.layout.version=1", "", "", `error: has layout "1" of the timeline, not 2`, ""},
		"type":                   {"6", "hoodie.table.type=X", "", "", `error: has the type "X"`, ""},
		"bootstrapped":           {"6", "hoodie.bootstrap.base.path=s3://x", "", "", "error: hoodie.bootstrap.base.path", ""},
		"format of the timeline": {"9", "hoodie.table.format=iceberg", "", "", `error: hoodie.table.format`, ""},
		"format of the bases":    {"6", "hoodie.table.base.file.format=HFILE", "", "", `error: base files of format "HFILE"`, ""},
		"formats":                {"6", "hoodie.table.multiple.base.file.formats.enable=true", "", "", "error: several formats", ""},
		"evolved by ids":         {"6", "", at(1) + `.commit={"extraMetadata":{"latest_schema":"{}"}}`, "", "error: hoodie.schema.on.read.enable", ""},
		"broken commit":          {"6", "", at(1) + ".commit={", "", "error: not commit metadata", ""},
	} {
		s := newTable(c.version, c.props, c.instants, c.files)
		if got := s.plan(t, false); !matches(got, c.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
		if got := s.plan(t, true); c.readOptimized != "" && !matches(got, c.readOptimized) {
			t.Errorf("%s, read-optimized:\ngot  %s\nwant %s", name, got, c.readOptimized)
		}
	}
	if got := (shelf{}).plan(t, false); !matches(got, "error: there is no s3://b/t/.hoodie/hoodie.properties") {
		t.Error(got)
	}
}

// A partition is left out only if its path tells for certain that no row of it
// can match.
func TestPartitionsArePrunedByTheirPaths(t *testing.T) {
	const simple, complexKeys = "hoodie.table.keygenerator.type=SIMPLE hoodie.table.partition.fields=p", "hoodie.table.keygenerator.type=COMPLEX hoodie.table.partition.fields=p,q"
	const hiveStyle = " hoodie.datasource.write.hive_style_partitioning=true"
	eq := func(column, value string) lake.Filter {
		return lake.Filter{Column: column, Op: lake.Eq, Values: []string{value}}
	}
	for i, c := range []struct {
		props, dirs string
		filter      lake.Filter
		want        string
	}{
		{simple, "x y", eq("p", "x"), "x"}, {simple + hiveStyle, "p=x p=y z", eq("P", "x"), "p=x z"},
		{simple, "x __HIVE_DEFAULT_PARTITION__ default", lake.Filter{Column: "p", Op: lake.IsNull}, "__HIVE_DEFAULT_PARTITION__ default"},
		{simple, "x/y z", eq("p", "z"), "x/y z"}, {complexKeys, "x/1 x/2 y/1", eq("q", "1"), "x/1 y/1"}, {complexKeys + hiveStyle, "p=x/q=1 p=x/q=2", eq("q", "1"), "p=x/q=1"},
		{"hoodie.table.keygenerator.type=TIMESTAMP hoodie.table.partition.fields=p", "x y", eq("p", "x"), "x y"},
		{"hoodie.table.keygenerator.type=CUSTOM hoodie.table.partition.fields=p:SIMPLE", "x y", eq("p", "x"), "x y"},
		{"hoodie.table.keygenerator.class=org.apache.hudi.keygen.SimpleAvroKeyGenerator hoodie.table.partition.fields=p", "x y", eq("p", "x"), "x"},
		{simple + " hoodie.datasource.write.partitionpath.urlencode=true", "x%2Fy z", eq("p", "x/y"), "x%2Fy"},
		{simple, "x y", eq("id", "1"), "x y"}, {complexKeys, "x/1 x/one", eq("q", "2"), "x/one"},
		{"hoodie.table.keygenerator.type=SIMPLE hoodie.table.partition.fields=none", "x", eq("p", "x"), "error"},
	} {
		var files, want []string
		for dir := range strings.FieldsSeq(c.dirs) {
			files = append(files, dir+"/"+base("a", 1))
		}
		for dir := range strings.FieldsSeq(c.want) {
			want = append(want, dir+"/"+base("a", 1))
		}
		slices.Sort(want)
		got := newTable("6", c.props, at(1)+".commit", strings.Join(files, " ")).plan(t, false, c.filter)
		if list := strings.Fields(got); c.want == "error" != strings.HasPrefix(got, "error") || c.want != "error" && !slices.Equal(slices.Sorted(slices.Values(list)), want) {
			t.Errorf("%d: read %s, want %s", i, got, want)
		}
	}
}

// Columns that are in paths only are read from them.
func TestDroppedPartitionColumnsComeFromThePaths(t *testing.T) {
	const dropped = " hoodie.datasource.write.drop.partition.columns=true hoodie.populate.meta.fields=false"
	s := newTable("6", "hoodie.table.keygenerator.type=COMPLEX hoodie.table.partition.fields=p,q"+dropped, at(1)+".commit", "x/7/"+base("a", 1)+" __HIVE_DEFAULT_PARTITION__/8/"+base("b", 1))
	table, err := Open(t.Context(), "db.t", "s3://b/t/", s.options(false))
	if err != nil {
		t.Fatal(err)
	}
	scan, err := table.Plan(t.Context(), lake.Need{})
	if err != nil {
		t.Fatal(err)
	}
	sql := scan.SQL([]string{"1", "2"}, nil)
	for _, want := range []string{"CAST([NULL, 'x'] AS VARCHAR[])[CAST(f.file_index AS BIGINT) + 1] AS \"p\"", "CAST(['8', '7'] AS INTEGER[])"} {
		if !strings.Contains(sql, want) {
			t.Errorf("%s\nhas no %s", sql, want)
		}
	}
	// Nor need the schemas of writes have them.
	s = newTable("6", "hoodie.table.keygenerator.type=COMPLEX hoodie.table.partition.fields=q,r"+dropped,
		at(1)+`.commit={"extraMetadata":{"schema":"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"}]}"}}`, "7/x/"+base("a", 1))
	if table, err = Open(t.Context(), "db.t", "s3://b/t/", s.options(false)); err != nil {
		t.Fatal(err)
	}
	if scan, err = table.Plan(t.Context(), lake.Need{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CAST('7' AS INTEGER) AS \"q\"", "CAST('x' AS VARCHAR) AS \"r\""} {
		if sql := scan.SQL([]string{"1"}, nil); !strings.Contains(sql, want) {
			t.Errorf("%s\nhas no %s", sql, want)
		}
	}
	for props, want := range map[string]string{
		"hoodie.table.keygenerator.type=TIMESTAMP hoodie.table.partition.fields=p": `error: the key generator "TIMESTAMP"`,
		"hoodie.table.keygenerator.type=SIMPLE hoodie.table.partition.fields=q":    `error: path "x/7" does not tell the value of column q`,
	} {
		s := newTable("6", props+dropped, at(1)+".commit", "x/7/"+base("a", 1))
		if got := s.plan(t, false); !matches(got, want) {
			t.Errorf("%s: %s", props, got)
		}
	}
}

// avroCommit writes commit metadata as layout 2 has it.
func avroCommit(t testing.TB, record map[string]any) []byte {
	t.Helper()
	schema := avro.MustParse(`{"type":"record","name":"HoodieReplaceCommitMetadata","fields":[` +
		`{"name":"partitionToWriteStats","type":["null",{"type":"map","values":{"type":"array","items":{"type":"record","name":"HoodieWriteStat","fields":[{"name":"path","type":["null","string"]}]}}}]},` +
		`{"name":"extraMetadata","type":["null",{"type":"map","values":"string"}]},` +
		`{"name":"partitionToReplaceFileIds","type":["null",{"type":"map","values":{"type":"array","items":"string"}}]}]}`)
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Encode(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCommitsOfBothLayouts(t *testing.T) {
	inAvro := avroCommit(t, map[string]any{
		"partitionToWriteStats":     map[string]any{"x": []any{map[string]any{"path": "x/f"}, map[string]any{"path": nil}}},
		"extraMetadata":             map[string]any{"schema": "s"},
		"partitionToReplaceFileIds": map[string]any{"y": []any{"a-0", "b-0"}},
	})
	inJSON := []byte(`{"partitionToWriteStats":{"x":[{"path":"x/f"},{"path":null}]},"extraMetadata":{"schema":"s"},"partitionToReplaceFileIds":{"y":["a-0","b-0"]}}`)
	for _, text := range [][]byte{inAvro, inJSON} {
		c, err := parseCommit(text)
		if err != nil || c.Extra["schema"] != "s" || !slices.Equal(c.Replaced["y"], []string{"a-0", "b-0"}) || c.Written["x"][0].Path != "x/f" {
			t.Errorf("%q: got %+v, %v", text[:10], c, err)
		}
	}
	nothing := avroCommit(t, map[string]any{"partitionToWriteStats": nil, "extraMetadata": nil, "partitionToReplaceFileIds": nil})
	for _, text := range []string{"", " \n", string(nothing)} {
		if c, err := parseCommit([]byte(text)); err != nil || len(c.Replaced) != 0 {
			t.Errorf("%q: got %+v, %v", text, c, err)
		}
	}
	for _, text := range []string{"{", "[]", string(inAvro[:100]), "Obj\x01"} {
		if c, err := parseCommit([]byte(text)); err == nil {
			t.Errorf("%q: got %+v", text, c)
		}
	}
}

func TestPropertiesAreJavas(t *testing.T) {
	got := parseProperties("#c=1\n! d=2\na=1\n  b : x\\:y\\=z\\#\nlong = one\\\n   two\n\\u0063\\ d=\\u00e9\\t\\\\\nalone\nv=a=b\r\nodd\\")
	want := map[string]string{"a": "1", "b": "x:y=z#", "long": "onetwo", "c d": "é\t\\", "alone": "", "v": "a=b", `odd\`: ""}
	if len(got) != len(want) {
		t.Errorf("got %q", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
}

func TestTypesOfAvro(t *testing.T) {
	for typ, want := range map[string]string{
		`"int"`: "INTEGER", `["null","long"]`: "BIGINT", `["double","null"]`: "DOUBLE", `{"type":"string","avro.java.string":"String"}`: "VARCHAR",
		`{"type":"int","logicalType":"date"}`: "DATE", `{"type":"long","logicalType":"timestamp-micros"}`: "TIMESTAMP WITH TIME ZONE",
		`{"type":"long","logicalType":"local-timestamp-millis"}`: "TIMESTAMP", `{"type":"long","logicalType":"time-micros"}`: "TIME",
		`{"type":"fixed","name":"f","size":5,"logicalType":"decimal","precision":10,"scale":5}`: "DECIMAL(10,5)", `{"type":"bytes","logicalType":"decimal","precision":38}`: "DECIMAL(38,0)",
		`{"type":"fixed","name":"g","size":2}`: "BLOB", `{"type":"enum","name":"e","symbols":["A"]}`: "VARCHAR", `{"type":["null","int"]}`: "INTEGER",
		`{"type":"array","items":["null",{"type":"map","values":"float"}]}`:                                                                        "MAP(VARCHAR, FLOAT)[]",
		`{"type":"record","name":"r","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"h","size":1}},{"name":"b","type":"h"}]}`: `STRUCT("a" BLOB, "b" BLOB)`,
		`["null","int","string"]`: "INVALID", `"unheard"`: "INVALID", `{"type":"record","name":"z","fields":[]}`: "INVALID",
	} {
		columns, err := parseSchema(`{"type":"record","name":"t","fields":[{"name":"v","type":`+typ+`}]}`, false)
		if err != nil || len(columns) != 1 || columns[0].Type.String() != want || (columns[0].Err != nil) != (want == "INVALID") {
			t.Errorf("%s: got %+v, %v; want %s", typ, columns, err, want)
		}
	}
	columns, err := parseSchema(`{"type":"record","name":"t","fields":[{"name":"_hoodie_record_key","type":"string"},{"name":"v","type":"int"}]}`, true)
	if err != nil || len(columns) != 6 || columns[5].Name != "v" {
		t.Errorf("got %+v, %v", columns, err)
	}
	for _, text := range []string{"", `"record"`, `{"type":"record","fields":[]}`, `{"type":"record","fields":[{"name":"","type":"int"}]}`,
		`{"type":"record","fields":[{"name":"a","type":"int"},{"name":"A","type":"int"}]}`, `{"type":"record","fields":[{"name":"a","type":7}]}`,
		`{"type":"record","name":"t","fields":[{"name":"a","type":{"type":"record","name":"x","fields":[{"name":"b","type":"x"}]}}]}`} {
		if columns, err := parseSchema(text, false); err == nil {
			t.Errorf("%s: got %+v", text, columns)
		}
	}
}

func FuzzCommit(f *testing.F) {
	f.Add(avroCommit(f, map[string]any{"partitionToWriteStats": map[string]any{"x": []any{map[string]any{"path": "x/f"}}}, "extraMetadata": map[string]any{"schema": "s"}, "partitionToReplaceFileIds": nil}))
	f.Add([]byte(`{"partitionToReplaceFileIds":{"y":["a-0"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = parseCommit(text) })
}

func FuzzTimeline(f *testing.F) {
	f.Add(at(1)+".commit "+at(2)+".inflight "+at(1)+"_"+at(2)+".deltacommit "+at(3)+".compaction.requested", base("a", 1)+" x/"+logOf("a", 1))
	f.Fuzz(func(t *testing.T, instants, files string) {
		for _, version := range []string{"6", "9"} {
			_ = newTable(version, "hoodie.table.partition.fields=p,q", instants, files).plan(t, true, lake.Filter{Column: "p", Op: lake.Eq, Values: []string{"x"}})
		}
	})
}

func FuzzTableProperties(f *testing.F) {
	f.Add("#c\na=1\nb : x\\:y\nlong = one\\\n  two\n\\u00e9=\\")
	f.Fuzz(func(t *testing.T, text string) {
		p := parseProperties(text)
		_, _ = p.gate("t")
		_ = p.generator()
	})
}

func FuzzAvroSchema(f *testing.F) {
	f.Add(schemaText)
	f.Add(`{"type":"record","name":"t","fields":[{"name":"a","type":{"type":"array","items":{"type":"map","values":["null",{"type":"fixed","name":"f","logicalType":"decimal","precision":9,"scale":2}]}}},{"name":"b","type":"f"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		columns, err := parseSchema(text, false)
		if err == nil && len(columns) == 0 {
			t.Fatal("a schema without columns")
		}
		for _, c := range columns {
			_ = c.Type.String()
		}
	})
}
