package delta

import (
	"fmt"
	"strings"
	"testing"

	"lakeport/internal/lake"
)

func TestTheLogSaysWhichFilesAreRead(t *testing.T) {
	s := newShelf(t)
	begin := protocolOf() + metaOf("i integer")
	for name, c := range map[string]struct {
		commits []string
		want    string
	}{
		"added":         {[]string{begin + adds("1"), adds("2")}, "(1); (2)"},
		"removed":       {[]string{begin + adds("1") + adds("2"), removes("1")}, "(2)"},
		"added again":   {[]string{begin + adds("1"), removes("1"), adds("1")}, "(1)"},
		"schema later":  {[]string{begin + adds("1"), metaOf("i integer, j string")}, "(1, NULL)"},
		"void":          {[]string{protocolOf() + metaOf("i integer, v void") + adds("1")}, "(1, NULL)"},
		"odd names":     {[]string{begin + adds("it's%20%25%C3%A9%3D1.parquet")}, "(5)"},
		"absolute":      {[]string{begin + adds("s3a://b/elsewhere/6.parquet")}, "(6)"},
		"removed by it": {[]string{begin + adds("1") + adds("2"), removes("s3://b/removed%20by%20it/2")}, "(1)"},
		"unknown":       {[]string{begin + adds("1") + "{\"txn\":{\"appId\":\"a\",\"version\":1}}\n{\"news\":{}}\n\n"}, "(1)"},
		"empty":         {[]string{begin}, ""},
		"gone":          {[]string{begin + adds("nowhere")}, "error: nowhere"},
		"no path":       {[]string{begin + `{"add":{"size":1}}`}, "error: without a path"},
		"no log":        {nil, "error: there is no Delta log"},
		"no metadata":   {[]string{protocolOf()}, "error: no metadata up to version 0"},
		"no protocol":   {[]string{metaOf("i integer")}, "error: no protocol up to version 0"},
		"no JSON":       {[]string{begin, "{\"add\":"}, "error: 00000000000000000001.json: line 1: not an action"},
		"other files":   {[]string{protocolOf() + strings.Replace(metaOf("i integer"), "parquet", "orc", 1)}, `error: files of format "orc"`},
		"elsewhere":     {[]string{begin + adds("file:/x")}, `error: the path "file:/x" is not on S3`},
		"bad escape":    {[]string{begin + adds("x%zz")}, `error: the path "x%zz"`},
	} {
		for _, f := range []string{"1", "2"} {
			s.parquet(name+"/"+f, "SELECT "+f+"::INTEGER AS i")
		}
		s.parquet(name+"/it's %é=1.parquet", "SELECT 5::INTEGER AS i")
		s.parquet("elsewhere/6.parquet", "SELECT 6::INTEGER AS i")
		s.commits(name, c.commits...)
		s.expect(name, c.want)
	}
}

// A checkpoint of any kind stands for the commits before it, which may be gone.
func TestCheckpointsOfEveryKind(t *testing.T) {
	s := newShelf(t)
	add := func(path string) string {
		return fmt.Sprintf(`{'path': '%s', 'partitionValues': MAP {'k': 'v'}, 'size': 1, 'dataChange': true, 'unheard': 1}`, path)
	}
	const (
		protocol = `{'minReaderVersion': 3, 'minWriterVersion': 7, 'readerFeatures': ['v2Checkpoint']}`
		meta     = `{'schemaString': '{"type":"struct","fields":[{"name":"i","type":"integer"},{"name":"k","type":"string"}]}', 'partitionColumns': ['k'], 'configuration': MAP {'a': 'b'}}`
		log      = "/_delta_log/00000000000000000002"
	)
	row := func(column, value string) string { return "SELECT " + value + " AS " + column }
	rows := func(list ...string) string { return strings.Join(list, " UNION ALL BY NAME ") }
	for name, put := range map[string]func(dir string){
		"classic": func(dir string) {
			s.parquet(dir+log+".checkpoint.parquet", rows(row("protocol", protocol), row(`"metaData"`, meta), row("add", add("1")), row("add", add("2"))))
		},
		"parts": func(dir string) {
			s.parquet(dir+log+".checkpoint.0000000001.0000000002.parquet", rows(row("add", add("1")), row("add", add("2"))))
			s.parquet(dir+log+".checkpoint.0000000002.0000000002.parquet", rows(row("protocol", protocol), row(`"metaData"`, meta)))
			s.put(dir+log[:len(log)-1]+"3.checkpoint.0000000001.0000000002.parquet", "the other part is missing")
		},
		"sidecars": func(dir string) {
			s.parquet(dir+"/_delta_log/_sidecars/a.parquet", row("add", add("1")))
			s.parquet(dir+"/_delta_log/_sidecars/b.parquet", row("add", add("2")))
			s.parquet(dir+log+".checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet", rows(row(`"checkpointMetadata"`, "{'version': 2}"),
				row("protocol", protocol), row(`"metaData"`, meta), row("sidecar", "{'path': 'a.parquet', 'sizeInBytes': 9}"), row("sidecar", "{'path': 'b.parquet'}")))
		},
		"lines": func(dir string) {
			s.parquet(dir+"/_delta_log/_sidecars/a.parquet", rows(row("add", add("1")), row("add", add("2"))))
			s.put(dir+log+".checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json", `{"checkpointMetadata":{"version":2}}`+"\n"+protocolOf("v2Checkpoint")+
				metaOf("i integer, k string", "k")+`{"sidecar":{"path":"a.parquet","sizeInBytes":9}}`)
		},
	} {
		for hint, text := range map[string]string{"": "", " hinted": `{"version":2,"size":9}`, " misled": `{"version":7}`, " half misled": `{"version":1}`, " confused": "?"} {
			dir := name + hint
			put(dir)
			if text != "" {
				s.put(dir+"/_delta_log/_last_checkpoint", text)
			}
			for _, f := range []string{"1", "2", "3"} {
				s.parquet(dir+"/"+f, "SELECT "+f+"::INTEGER AS i")
			}
			s.expect(dir, "(1, v); (2, v)")
			s.put(dir+log[:len(log)-1]+"3.json", removes("1")+adds("3", `"partitionValues":{"k":null}`))
			s.expect(dir, "(2, v); (3, NULL)")
			s.put(dir+log[:len(log)-1]+"5.json", "")
			s.expect(dir, "error: has no commit 4, though it goes on to version 5")
		}
	}
}

func TestReaderFeaturesThatAreNotBuiltAreRefusedByName(t *testing.T) {
	s := newShelf(t)
	for i, c := range []struct{ protocol, want string }{
		{protocolOf("deletionVectors", "columnMapping", "timestampNtz", "typeWidening", "vacuumProtocolCheck"), ""},
		{protocolOf("catalogManaged", "deletionVectors", "geospatial"), "error: the Delta reader feature catalogManaged, geospatial, which is not built"},
		{`{"protocol":{"minReaderVersion":4,"minWriterVersion":7}}`, "error: readers of version 4"},
		{`{"protocol":{"minReaderVersion":2,"minWriterVersion":5,"readerFeatures":["unheard"]}}`, ""},
		{`{"protocol":{}}`, "error: readers of version 0"},
	} {
		name := fmt.Sprint("t", i)
		s.commits(name, c.protocol+"\n"+metaOf("i integer"))
		s.expect(name, c.want)
	}
}

// Columns are found by their physical names, on every level; what the session's
// time zone is changes no instant.
func TestMappedColumnsAndInstants(t *testing.T) {
	s := newShelf(t)
	const schema = `{"type":"struct","fields":[` +
		`{"name":"id","type":"integer","metadata":{"delta.columnMapping.id":1,"delta.columnMapping.physicalName":"c1"}},` +
		`{"name":"s","type":{"type":"struct","fields":[{"name":"a","type":"long","metadata":{"delta.columnMapping.id":3,"delta.columnMapping.physicalName":"c3"}},` +
		`{"name":"b","type":{"type":"array","elementType":{"type":"struct","fields":[{"name":"t","type":"timestamp","metadata":{"delta.columnMapping.id":5,"delta.columnMapping.physicalName":"c5"}}]}},"metadata":{"delta.columnMapping.id":4,"delta.columnMapping.physicalName":"c4"}}` +
		`]},"metadata":{"delta.columnMapping.id":2,"delta.columnMapping.physicalName":"c2"}},` +
		`{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"struct","fields":[{"name":"x","type":"short","metadata":{"delta.columnMapping.id":7,"delta.columnMapping.physicalName":"c7"}}]}},"metadata":{"delta.columnMapping.id":6,"delta.columnMapping.physicalName":"c6"}},` +
		`{"name":"at","type":"timestamp","metadata":{"delta.columnMapping.id":8,"delta.columnMapping.physicalName":"c8"}},` +
		`{"name":"key","type":"timestamp","metadata":{"delta.columnMapping.id":9,"delta.columnMapping.physicalName":"c9"}}]}`
	meta := func(mode string) string {
		return fmt.Sprintf(`{"metaData":{"schemaString":%q,"partitionColumns":["key"],"configuration":{"delta.columnMapping.mode":%q}}}`, schema, mode) + "\n"
	}
	const values = `"partitionValues":{"c9":"2024-05-01 12:00:00.5"}`
	for _, table := range []string{"name", "none", "id", "odd"} {
		s.parquet(table+"/plain", "SELECT 1::INTEGER AS c1, {'c4': [{'c5': TIMESTAMP '2024-01-01 00:00:00'}], 'c3': 7} AS c2, MAP {'k': {'c7': 3::SMALLINT}} AS c6, TIMESTAMP '2024-01-01 00:00:00' AS c8, 'unseen' AS id")
		s.parquet(table+"/marked", "SELECT 2::INTEGER AS c1, NULL::STRUCT(c3 BIGINT, c4 STRUCT(c5 TIMESTAMPTZ)[]) AS c2, NULL::MAP(VARCHAR, STRUCT(c7 SMALLINT)) AS c6, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS c8")
		s.commits(table, `{"protocol":{"minReaderVersion":2,"minWriterVersion":5}}`+"\n"+meta(table)+adds("plain", values)+adds("marked", values))
	}
	for zone, instant := range map[string][2]string{"UTC": {"2024-01-01 00:00:00+00", "2024-05-01 12:00:00.5+00"}, "Asia/Tokyo": {"2024-01-01 09:00:00+09", "2024-05-01 21:00:00.5+09"}} {
		if _, err := s.conn.Exec(t.Context(), "SET TimeZone = '"+zone+"'"); err != nil {
			t.Fatal(err)
		}
		s.expect("name", fmt.Sprintf("(1, {'a': 7, 'b': [{'t': '%[1]s'}]}, {k={'x': 3}}, '%[1]s', '%[2]s'); (2, NULL, NULL, '%[1]s', '%[2]s')", instant[0], instant[1]))
	}
	s.expect("none", "error: has no value of partition column key")
	s.expect("id", "error: has no field ids")
	s.expect("odd", `error: delta.columnMapping.mode "odd"`)
}

func TestFilesOfOtherTypesAreRefusedOrWidened(t *testing.T) {
	s := newShelf(t)
	for i, c := range []struct{ table, file, want string }{
		{"long", "1::TINYINT", "(1)"}, {"double", "1.5::FLOAT", "(1.5)"}, {"decimal(10,3)", "1.25::DECIMAL(4,2)", "(1.250)"},
		{"timestamp_ntz", "DATE '2024-01-01'", "('2024-01-01 00:00:00')"}, {"decimal(12,2)", "7::INTEGER", "(7.00)"},
		{"integer", "1.5::DOUBLE", "error: column v of table db.t"}, {"integer", "'1'", "error: does not become"},
		{"timestamp_ntz", "TIMESTAMPTZ '2024-01-01 00:00:00+00'", "error: an instant has no wall clock"},
		{"date", "TIMESTAMP '2024-01-01 10:00:00'", "error: does not become"}, {"string", "'\\xC3\\xA9'::BLOB", "(é)"},
		{"variant", "1", `error: column v of table db.t`}, {"binary", "'\\xFF'::BLOB", "(\\xFF)"},
	} {
		name := fmt.Sprint("t", i)
		s.parquet(name+"/f", "SELECT "+c.file+" AS V")
		s.commits(name, protocolOf("typeWidening", "timestampNtz", "variantType")+metaOf("v "+c.table)+adds("f"))
		s.expect(name, c.want)
	}
}

func TestPartitionValues(t *testing.T) {
	s := newShelf(t)
	for i, c := range []struct{ typ, text, want string }{
		{"integer", `"7"`, "(7)"}, {"integer", `""`, "(NULL)"}, {"string", `""`, "(NULL)"}, {"string", `"__HIVE_DEFAULT_PARTITION__"`, "(NULL)"},
		{"string", `"it's =%25"`, "('it\\'s =%25')"}, {"boolean", `"true"`, "(true)"}, {"date", `"2024-02-29"`, "(2024-02-29)"},
		{"decimal(10,2)", `"-1.50"`, "(-1.50)"}, {"double", `"NaN"`, "(nan)"}, {"float", `"1e3"`, "(1000.0)"},
		{"timestamp_ntz", `"2024-01-01 10:00:00.25"`, "('2024-01-01 10:00:00.25')"}, {"binary", `"\u0001\u00ff"`, "(\\x01\\xC3\\xBF)"},
		{"timestamp_ntz", `"yesterday"`, `error: "yesterday" is no point in time`}, {"binary", `"€a"`, "(\\xE2\\x82\\xACa)"},
		{"integer", `"x"`, "error: Could not convert"},
	} {
		name := fmt.Sprint("t", i)
		s.parquet(name+"/f", "SELECT 1 AS other")
		s.commits(name, protocolOf("timestampNtz")+metaOf("k "+c.typ, "k")+adds("f", `"partitionValues":{"k":`+c.text+`}`))
		s.expect(name, c.want)
	}
	s.commits("none", protocolOf()+metaOf("k integer", "k")+adds("f"))
	s.expect("none", "error: has no value of partition column k")
	s.commits("other", protocolOf()+metaOf("k integer", "j")+adds("f"))
	s.expect("other", `error: is partitioned by "j", which its schema does not have`)
}

// A file is left out only if no row of it can match.
func TestFilesArePrunedByPartitionAndStatistics(t *testing.T) {
	s := newShelf(t)
	const long = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" // 32 characters: cut
	files := map[string]string{
		"a":    `"partitionValues":{"k":"1"},"stats":"{\"numRecords\":2,\"minValues\":{\"i\":1,\"s\":\"a\",\"u\":\"b\",\"w\":\"b\",\"d\":1.5,\"n\":\"2024-01-01T00:00:00.001\"},\"maxValues\":{\"i\":5,\"s\":\"z\",\"u\":\"` + long + `\",\"w\":\"y\",\"d\":2.5,\"n\":\"2024-01-01T00:00:00.001\"},\"nullCount\":{\"i\":0,\"s\":2}}"`,
		"b":    `"partitionValues":{"k":"2"},"stats":"{\"numRecords\":2,\"minValues\":{\"i\":6},\"maxValues\":{\"i\":9},\"nullCount\":{\"i\":1,\"s\":0}}"`,
		"none": `"partitionValues":{"k":null}`,
	}
	text := protocolOf("timestampNtz") + metaOf("i integer, s string, u string, w string, d double, n timestamp_ntz, k integer", "k")
	for name, more := range files {
		s.parquet("t/"+name, "SELECT 1::INTEGER AS i")
		text += adds(name, more)
	}
	s.commits("t", text)
	for filter, want := range map[string]string{
		"i = 5": "a none", "i > 5": "b none", "i IN 3,4": "a none", "i <> 3": "a b none", "i < 1": "none",
		"i IS NULL": "b none", "i IS NOT NULL": "a b none", "s IS NULL": "a none", "s IS NOT NULL": "b none", "s = zzz": "b none",
		"u = z": "a b none", "u = a": "b none", "w = z": "b none", "w = yy": "b none", "w = x": "a b none",
		"d > 2.5": "a b none", "d < 1.5": "b none", "n = 2024-01-01 00:00:00.001999": "a b none", "n > 2024-01-01 00:00:00.002": "b none",
		"k = 1": "a", "k IS NULL": "none", "k IS NOT NULL": "a b", "k > 1": "b", "k IN 1,2": "a b", "k = x": "a b", "j = 1": "a b none",
	} {
		var f lake.Filter
		column, rest, _ := strings.Cut(filter, " ")
		f.Column = column
		if op, null := strings.CutPrefix(rest, "IS "); null {
			f.Op = lake.Op("IS " + op)
		} else {
			op, value, _ := strings.Cut(rest, " ")
			f.Op, f.Values = lake.Op(op), strings.Split(value, ",")
		}
		scan, err := s.plan("t", lake.Need{Filters: []lake.Filter{f}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range scan.Objects {
			got = append(got, strings.TrimPrefix(o.Key, "t/"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: read %v, want %s", filter, got, want)
		}
	}
}

// filtersOf makes one filter of each kind.
func filtersOf(column, constant string) []lake.Filter {
	var list []lake.Filter
	for _, op := range []lake.Op{lake.Eq, lake.NotEq, lake.Less, lake.LessEq, lake.Greater, lake.GreaterEq, lake.In} {
		list = append(list, lake.Filter{Column: column, Op: op, Values: []string{constant}})
	}
	return append(list, lake.Filter{Column: column, Op: lake.IsNull}, lake.Filter{Column: column, Op: lake.IsNotNull})
}
