package hive

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
)

// serdes are the storage classes that tests name by one word.
var serdes = map[string]metastore.Storage{
	"parquet": {
		InputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
		SerDe:       "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
	},
	"orc": {
		InputFormat: "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
		SerDe:       "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
	},
	"text": {
		InputFormat: "org.apache.hadoop.mapred.TextInputFormat",
		SerDe:       "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
	},
	"csv": {
		InputFormat: "org.apache.hadoop.mapred.TextInputFormat",
		SerDe:       "org.apache.hadoop.hive.serde2.OpenCSVSerde",
	},
	"json": {
		InputFormat: "org.apache.hadoop.mapred.TextInputFormat",
		SerDe:       "org.apache.hive.hcatalog.data.JsonSerDe",
	},
	"sequence": {
		InputFormat: "org.apache.hadoop.mapred.SequenceFileInputFormat",
		SerDe:       "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
	},
	"symlink": {
		InputFormat: "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat",
		SerDe:       "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
	},
	"bare":  {SerDe: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
	"other": {InputFormat: "org.example.OtherInputFormat", SerDe: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
	"none":  {},
	"mixed": {InputFormat: "org.apache.hadoop.mapred.SequenceFileInputFormat", SerDe: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
	"lines": {InputFormat: "org.apache.hadoop.mapred.TextInputFormat", SerDe: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
	"grok": {
		InputFormat: "org.apache.hadoop.mapred.TextInputFormat",
		SerDe:       "com.amazonaws.glue.serde.GrokSerDe",
	},
}

// world is a table with its partitions and objects, and what was asked of it.
type world struct {
	record  metastore.Table
	parts   []metastore.Partition
	objects []lake.Object
	names   map[string][]string // by key: column names of a file
	o       Options

	mu          sync.Mutex
	expressions []string
	listed      []string
}

func newWorld(format string, columns, keys string) *world {
	w := &world{record: metastore.Table{Database: "db", Name: "t", Type: "EXTERNAL_TABLE", Storage: serdes[format], Parameters: map[string]string{}}}
	w.record.Storage.Location = "s3://b/t"
	w.record.Storage.SerDeParams = map[string]string{}
	w.record.Storage.Columns = columnList(columns)
	w.record.PartitionKeys = columnList(keys)
	w.o.List = w.list
	w.o.Partitions = func(_ context.Context, wanted metastore.Wanted) ([]metastore.Partition, error) {
		w.expressions = append(w.expressions, wanted.Expression)
		return slices.Clone(w.parts), nil
	}
	return w
}

// columnList reads "name type; name type".
func columnList(text string) []metastore.Column {
	var list []metastore.Column
	for _, c := range strings.Split(text, ";") {
		if name, typ, ok := strings.Cut(strings.TrimSpace(c), " "); ok {
			list = append(list, metastore.Column{Name: name, Type: typ})
		}
	}
	return list
}

func (w *world) list(_ context.Context, uri string) ([]lake.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed = append(w.listed, uri)
	var found []lake.Object
	for _, o := range w.objects {
		if strings.HasPrefix(o.URI(), uri) {
			found = append(found, o)
		}
	}
	return found, nil
}

func (w *world) add(location string, values ...string) {
	w.parts = append(w.parts, metastore.Partition{Values: values, Storage: metastore.Storage{Location: location}})
}

func (w *world) plan(t testing.TB, n lake.Need) (lake.Scan, error) {
	t.Helper()
	table, err := Table(&w.record, w.o)
	if err != nil {
		return lake.Scan{}, err
	}
	scan, err := table.Plan(t.Context(), n)
	if err != nil {
		return scan, err
	}
	for i, o := range scan.Objects {
		var columns []lake.Column
		for _, name := range w.names[o.Key] {
			columns = append(columns, lake.Column{Name: name})
		}
		if err := scan.Describe(i, columns); err != nil {
			return scan, err
		}
	}
	return scan, nil
}

// filters reads "column op constant; column IN a,b; column IS NULL".
func filters(text string) []lake.Filter {
	var list []lake.Filter
	for _, f := range strings.Split(text, ";") {
		column, rest, ok := strings.Cut(strings.TrimSpace(f), " ")
		if !ok {
			continue
		}
		if rest == "IS NULL" || rest == "IS NOT NULL" {
			list = append(list, lake.Filter{Column: column, Op: lake.Op(rest)})
			continue
		}
		op, constant, _ := strings.Cut(rest, " ")
		values := []string{constant}
		if lake.Op(op) == lake.In {
			values = strings.Split(constant, ",")
		}
		list = append(list, lake.Filter{Column: column, Op: lake.Op(op), Values: values})
	}
	return list
}

// TestPlan prints what a plan asks, which objects it takes and its SQL. Lines
// of the input: "columns", "keys" and "filter" lists; "need" column names;
// "part <location> <quoted values>"; "object <key> [size]"; "names <key>
// <columns>"; "serde" and "param" key=value.
func TestPlan(t *testing.T) {
	datadriven.Walk(t, "testdata/plan", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w := newWorld(d.CmdArgs[0].Key, "", "")
			w.o.Recursive = d.HasArg("recursive")
			n := readInput(t, w, d.Input)
			scan, err := w.plan(t, n)
			if err != nil {
				return "error: " + err.Error()
			}
			return w.report(scan)
		})
	})
}

func readInput(t *testing.T, w *world, input string) lake.Need {
	var n lake.Need
	for _, line := range strings.Split(input, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		name, value, _ := strings.Cut(rest, "=")
		switch word {
		case "columns":
			w.record.Storage.Columns = columnList(rest)
		case "keys":
			w.record.PartitionKeys = columnList(rest)
		case "filter":
			n.Filters = filters(rest)
		case "need":
			n.Columns = strings.Fields(rest)
		case "location":
			w.record.Storage.Location = rest
		case "serde":
			w.record.Storage.SerDeParams[name] = unquote(t, value)
		case "param":
			w.record.Parameters[name] = value
		case "part":
			location, values, _ := strings.Cut(rest, " ")
			w.add(location, words(t, values)...)
		case "names":
			key, list, _ := strings.Cut(rest, " ")
			if w.names == nil {
				w.names = map[string][]string{}
			}
			w.names[key] = strings.Fields(list)
		case "object":
			key, size, ok := strings.Cut(rest, " ")
			n := int64(100)
			if ok {
				n, _ = strconv.ParseInt(size, 10, 64)
			}
			w.objects = append(w.objects, lake.Object{Bucket: "b", Key: key, Size: n})
		}
	}
	return n
}

// words splits at spaces, but not within Go's double quotes.
func words(t *testing.T, text string) []string {
	var list []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		word, err := strconv.QuotedPrefix(text)
		if err != nil {
			word, _, _ = strings.Cut(text, " ")
		}
		list = append(list, unquote(t, word))
		text = text[len(word):]
	}
	return list
}

func unquote(t *testing.T, text string) string {
	if !strings.HasPrefix(text, `"`) {
		return text
	}
	s, err := strconv.Unquote(text)
	if err != nil {
		t.Fatalf("unquote %s: %v", text, err)
	}
	return s
}

func (w *world) report(scan lake.Scan) string {
	var b strings.Builder
	for _, e := range w.expressions {
		fmt.Fprintf(&b, "expression: %s\n", e)
	}
	slices.Sort(w.listed)
	for _, uri := range w.listed {
		fmt.Fprintf(&b, "list: %s\n", uri)
	}
	var local []string
	for i, o := range scan.Objects {
		fmt.Fprintf(&b, "object: %s\n", o.URI())
		local = append(local, fmt.Sprintf("/m/%d", i))
	}
	if scan.Format != "parquet" {
		fmt.Fprintf(&b, "format: %s\n", scan.Format)
	}
	if scan.Columns != nil {
		fmt.Fprintf(&b, "columns: %s\n", strings.Join(scan.Columns, " "))
	}
	b.WriteString(scan.SQL(local, nil))
	return b.String()
}

func TestSchemaPutsPartitionKeysLast(t *testing.T) {
	w := newWorld("parquet", "a int; dt string; u uniontype<int,string>", "DT date; n int")
	table, err := Table(&w.record, w.o)
	if err != nil {
		t.Fatal(err)
	}
	s := table.Schema()
	var got []string
	for _, c := range s.Columns {
		got = append(got, c.Name+" "+c.Type.String())
	}
	if want := "[a INTEGER u INVALID DT DATE n INTEGER] [DT n]"; fmt.Sprint(got, s.Partition) != want {
		t.Errorf("got %v %v, want %s", got, s.Partition, want)
	}
}

func TestManyPartitionsAreListedAtOnce(t *testing.T) {
	w := newWorld("parquet", "a int", "n int")
	for i := range 100 {
		w.add(fmt.Sprintf("s3://b/t/n=%d", i), strconv.Itoa(i))
	}
	var under, most int
	full := make(chan struct{})
	w.o.List = func(context.Context, string) ([]lake.Object, error) {
		w.mu.Lock()
		under++
		if most = max(most, under); under == listMax && most == listMax {
			close(full)
		}
		w.mu.Unlock()
		<-full // nobody answers before listMax calls are under way
		w.mu.Lock()
		under--
		most++
		w.mu.Unlock()
		return nil, nil
	}
	if _, err := w.plan(t, lake.Need{}); err != nil {
		t.Fatal(err)
	}
}
