package hive

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// shelf is a directory that stands for a bucket, and an engine that may read
// it: what a plan says is carried out on real files.
type shelf struct {
	*world
	t    *testing.T
	dir  string
	conn *engine.Conn
}

func newShelf(t *testing.T, format, columns, keys string) *shelf {
	t.Helper()
	s := &shelf{world: newWorld(format, columns, keys), t: t, dir: t.TempDir()}
	db, err := engine.Open(engine.Options{Dirs: []string{s.dir}, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if s.conn, err = db.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.conn.Close)
	s.o.Read = func(_ context.Context, o lake.Object, off, n int64) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(s.dir, o.Key))
		if err != nil {
			return nil, err
		}
		return b[off : off+n], nil
	}
	return s
}

// parquet writes a query's rows as an object.
func (s *shelf) parquet(key, query string) {
	s.t.Helper()
	path := s.path(key)
	if _, err := s.conn.Exec(s.t.Context(), "COPY ("+query+") TO "+lake.QuoteString(path)+" (FORMAT parquet)"); err != nil {
		s.t.Fatalf("write %s: %v", key, err)
	}
	s.stored(key)
}

func (s *shelf) text(key, content string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(key), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.stored(key)
}

func (s *shelf) path(key string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *shelf) stored(key string) {
	info, err := os.Stat(s.path(key))
	if err != nil {
		s.t.Fatal(err)
	}
	s.objects = append(s.objects, lake.Object{Bucket: "b", Key: key, Size: info.Size()})
}

// sql plans and gives the SELECT over the local files.
func (s *shelf) sql(n lake.Need) string {
	s.t.Helper()
	scan, err := s.plan(s.t, n)
	if err != nil {
		s.t.Fatal(err)
	}
	var local []string
	for _, o := range scan.Objects {
		local = append(local, filepath.Join(s.dir, o.Key))
	}
	var feeds []string
	for _, f := range scan.Feeds {
		feeds = append(feeds, engine.Offer(s.t.Context(), f))
	}
	return scan.SQL(local, feeds)
}

// rows runs a query over the planned table, called t, and gives each row as
// DuckDB spells a STRUCT.
func (s *shelf) rows(query string) []string {
	s.t.Helper()
	list, err := s.try(query)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func (s *shelf) try(query string) ([]string, error) {
	s.t.Helper()
	text := "WITH t AS (" + s.sql(lake.Need{Columns: []string{}}) + ") SELECT q::VARCHAR FROM (" + query + ") q"
	rows, err := s.conn.Query(s.t.Context(), text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return drain(s.t.Context(), rows)
}

func drain(ctx context.Context, rows *engine.Rows) ([]string, error) {
	var list []string
	for {
		c, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) || err == nil && c == nil {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range c.Rows {
			list = append(list, string(c.Columns[0].Data.([]lake.String)[i].Bytes()))
		}
	}
}

func (s *shelf) want(query string, want ...string) {
	s.t.Helper()
	got := s.rows(query)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("%s\ngot  %s\nwant %s", query, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestColumnsAreFoundByNameWhateverTheirCaseAndOrder(t *testing.T) {
	s := newShelf(t, "parquet", "id bigint; name string; later double; s struct<x:int,added:string>", "")
	s.parquet("t/1.parquet", "SELECT 'n1' AS NAME, 1::INT AS Id, {'X': 5, 'gone': 1} AS s, 'more' AS extra")
	s.parquet("t/2.parquet", "SELECT 2::BIGINT AS id, 2.5::FLOAT AS later, {'added': 'a', 'x': 6::SMALLINT} AS S")
	s.want("SELECT * FROM t ORDER BY id",
		"{'id': 1, 'name': n1, 'later': NULL, 's': {'x': 5, 'added': NULL}}",
		"{'id': 2, 'name': NULL, 'later': 2.5, 's': {'x': 6, 'added': a}}")
	s.want("SELECT column_name, column_type FROM (DESCRIBE FROM t)",
		"{'column_name': id, 'column_type': BIGINT}",
		"{'column_name': name, 'column_type': VARCHAR}",
		"{'column_name': later, 'column_type': DOUBLE}",
		"{'column_name': s, 'column_type': 'STRUCT(x INTEGER, added VARCHAR)'}")
}

func TestTypesAreWidened(t *testing.T) {
	for _, c := range []struct{ file, table, want string }{
		{"7::TINYINT", "bigint", "7"},
		{"7::INT", "decimal(12,2)", "7.00"},
		{"7::INT", "double", "7.0"},
		{"1.5::FLOAT", "double", "1.5"},
		{"1.25::DECIMAL(5,2)", "decimal(20,4)", "1.2500"},
		{"DATE '2024-02-29'", "timestamp", "'2024-02-29 00:00:00'"},
		{"7::INT", "string", "7"},
		{"5::BIGINT", "tinyint", "5"},
		{"'x'::BLOB", "string", "x"},
		{"[1,2]::INT[]", "array<bigint>", "[1, 2]"},
		{"MAP {'k': 1}", "map<string,double>", "{k=1.0}"},
	} {
		t.Run(c.file+" as "+c.table, func(t *testing.T) {
			s := newShelf(t, "parquet", "v "+c.table, "")
			s.parquet("t/f.parquet", "SELECT "+c.file+" AS v")
			s.want("FROM t", "{'v': "+c.want+"}")
		})
	}
}

func TestValueThatDoesNotFitIsAnErrorNotARow(t *testing.T) {
	s := newShelf(t, "parquet", "v smallint", "")
	s.parquet("t/f.parquet", "SELECT 70000 AS v")
	if rows, err := s.try("FROM t"); err == nil {
		t.Errorf("got %v, want an error", rows)
	}
}

func TestPartitionValuesComeFromTheRecord(t *testing.T) {
	s := newShelf(t, "parquet", "a int", "y int; c string; d date; b boolean; n decimal(5,1); ts timestamp")
	odd := "ü/ =%2F'\"\\\n☃"
	s.parquet("t/y=1999/f.parquet", "SELECT 1 AS a, 1999 AS y, 'file' AS c")
	s.parquet("elsewhere/f.parquet", "SELECT 2 AS a")
	s.parquet("t/third/f1.parquet", "SELECT 3 AS a")
	s.parquet("t/third/f2.parquet", "SELECT 4 AS a")
	s.add("s3://b/t/y=1999", "02024", odd, "2024-02-29", "TRUE", "1.5", "2024-01-01 01:02:03.5")
	s.add("s3://b/elsewhere/", "7", "", "2024-03-01", "false", "-2", "2024-01-01 00:00:00")
	null := "__HIVE_DEFAULT_PARTITION__"
	s.add("s3://b/t/third", null, null, null, null, null, null)
	s.want("SELECT * FROM t ORDER BY a",
		rowOf(t, s, 1, 2024, odd, "2024-02-29", true, "1.5", "2024-01-01 01:02:03.5"),
		rowOf(t, s, 2, 7, "", "2024-03-01", false, "-2.0", "2024-01-01 00:00:00"),
		"{'a': 3, 'y': NULL, 'c': NULL, 'd': NULL, 'b': NULL, 'n': NULL, 'ts': NULL}",
		"{'a': 4, 'y': NULL, 'c': NULL, 'd': NULL, 'b': NULL, 'n': NULL, 'ts': NULL}")
	s.want("SELECT count(*) AS n, count(y) AS ys FROM t WHERE c IS NULL", "{'n': 2, 'ys': 0}")
}

// rowOf lets the engine spell the row that is wanted.
func rowOf(t *testing.T, s *shelf, a, y int, c, d string, b bool, n, ts string) string {
	t.Helper()
	rows, err := s.conn.Query(t.Context(), fmt.Sprintf(
		"SELECT {'a': %d, 'y': %d, 'c': %s, 'd': DATE '%s', 'b': %v, 'n': %s, 'ts': TIMESTAMP '%s'}::VARCHAR", a, y, lake.QuoteString(c), d, b, n, ts))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	list, err := drain(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestColumnsNamedAsVirtualOnesAreRead(t *testing.T) {
	s := newShelf(t, "parquet", "file_index int; filename string; file_row_number int", "k string")
	s.parquet("t/1/f.parquet", "SELECT 11 AS file_index, 'n1' AS FileName, 5 AS file_row_number")
	s.parquet("t/2/f.parquet", "SELECT 12 AS file_index, 'n2' AS filename, 6 AS file_row_number")
	s.add("s3://b/t/1", "one")
	s.add("s3://b/t/2", "two")
	s.want("SELECT * FROM t ORDER BY 1",
		"{'file_index': 11, 'filename': n1, 'file_row_number': 5, 'k': one}",
		"{'file_index': 12, 'filename': n2, 'file_row_number': 6, 'k': two}")
}

func TestByPositionReadsRenamedColumns(t *testing.T) {
	s := newShelf(t, "parquet", "a int; b string; c int", "")
	s.record.Storage.SerDeParams["parquet.column.index.access"] = "true"
	s.parquet("t/1.parquet", "SELECT 1 AS x, 'p' AS a")
	s.parquet("t/2.parquet", "SELECT 2 AS b, 'q' AS c, 3 AS a, 4 AS more")
	s.names = map[string][]string{"t/1.parquet": {"x", "a"}, "t/2.parquet": {"b", "c", "a", "more"}}
	s.want("SELECT * FROM t ORDER BY a", "{'a': 1, 'b': p, 'c': NULL}", "{'a': 2, 'b': q, 'c': 3}")
}

func TestTablesWithoutReadableColumnsStillCountRows(t *testing.T) {
	s := newShelf(t, "parquet", "u uniontype<int,string>", "k int")
	s.parquet("t/f.parquet", "SELECT 1 AS u FROM range(5)")
	s.add("s3://b/t", "3")
	s.want("SELECT count(*) AS n, sum(k) AS k FROM t", "{'n': 5, 'k': 15}")
}

func TestTableWithoutFilesIsEmpty(t *testing.T) {
	s := newShelf(t, "parquet", "a int; m map<string,int>", "k date")
	s.want("FROM t")
	s.want("SELECT column_type FROM (DESCRIBE FROM t)", "{'column_type': INTEGER}", "{'column_type': 'MAP(VARCHAR, INTEGER)'}", "{'column_type': DATE}")
}

// The reader must see filters and projections, or nothing is pruned by
// row-group statistics and every column is fetched.
func TestFiltersAndProjectionsReachTheReader(t *testing.T) {
	s := newShelf(t, "parquet", "a bigint; b string; c double", "k int")
	for k := range 3 {
		s.parquet(fmt.Sprintf("t/%d/f.parquet", k), "SELECT i::INT AS a, 'x' AS b, i * 0.5 AS c FROM range(100) r(i)")
		s.add(fmt.Sprintf("s3://b/t/%d", k), fmt.Sprint(k))
	}
	rows, err := s.conn.Query(t.Context(), "EXPLAIN SELECT k, sum(a) FROM ("+s.sql(lake.Need{})+") WHERE c > 3 GROUP BY k")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	c, err := rows.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan := string(c.Columns[1].Data.([]lake.String)[0].Bytes())
	for _, want := range []string{"Projections: a", "Filters: c>3.0"} {
		if !strings.Contains(plan, want) {
			t.Errorf("%q is not in the plan:\n%s", want, plan)
		}
	}
}

func TestTextIsReadAsLazySimpleSerDeDoes(t *testing.T) {
	s := newShelf(t, "text", "i int; s string; d double; b boolean; dt date; ts timestamp; m decimal(5,1); raw binary; t tinyint", "k string")
	s.text("t/1", "1\x01it's \"q\"\x012.5\x01TRUE\x012024-02-29\x012024-01-01 01:02:03.5\x011.25\x01aGk=\x01300\n"+
		"1.9\x01\\N\x01x\x01t\x012024-02-30\x01never\x01abc\x01!\x01-5\x01extra\n"+
		"\\N\x01\n"+
		"\n"+
		" 7\x01é")
	s.text("t/2", "8\r\n\r\n9\x01z\r\n")
	s.add("s3://b/t", "p")
	s.want("SELECT * EXCLUDE (k) FROM t",
		`{'i': 1, 's': 'it\'s "q"', 'd': 2.5, 'b': true, 'dt': 2024-02-29, 'ts': '2024-01-01 01:02:03.5', 'm': 1.3, 'raw': hi, 't': NULL}`,
		"{'i': 1, 's': NULL, 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': -5}",
		"{'i': NULL, 's': '', 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': NULL}",
		"{'i': NULL, 's': NULL, 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': NULL}",
		"{'i': NULL, 's': é, 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': NULL}",
		"{'i': 8, 's': NULL, 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': NULL}",
		"{'i': NULL, 's': NULL, 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': NULL}",
		"{'i': 9, 's': z, 'd': NULL, 'b': NULL, 'dt': NULL, 'ts': NULL, 'm': NULL, 'raw': NULL, 't': NULL}")
}

func TestTextOptionsAreObeyed(t *testing.T) {
	s := newShelf(t, "text", "a int; b string", "")
	s.record.Storage.SerDeParams = map[string]string{"field.delim": "|", "serialization.null.format": "-"}
	s.record.Parameters["skip.header.line.count"] = "1"
	s.text("t/1", "a|b\n1|-\n")
	s.text("t/2", "a|b\n2|'x\n")
	s.want("FROM t ORDER BY a", "{'a': 1, 'b': NULL}", `{'a': 2, 'b': '\'x'}`)
}

func TestEscapesInTextAreUndoneAfterNull(t *testing.T) {
	s := newShelf(t, "text", "a int; b string; c string", "")
	s.record.Storage.SerDeParams = map[string]string{"field.delim": ",", "escape.delim": "\\"}
	s.text("t/f", `1,x\,y,\N`+"\n"+`2,\\,a\N`+"\n"+`3,\n\`+"\n"+`4`+"\n\n")
	s.want("FROM t",
		"{'a': 1, 'b': 'x,y', 'c': NULL}",
		`{'a': 2, 'b': \, 'c': aN}`,
		"{'a': 3, 'b': n, 'c': NULL}",
		"{'a': 4, 'b': NULL, 'c': NULL}",
		"{'a': NULL, 'b': NULL, 'c': NULL}")
}

func TestDelimitersAreReadAsHiveDoes(t *testing.T) {
	for text, want := range map[string]string{"": "\x01", "1": "\x01", "124": "|", "|": "|", "\t": "\t", "||": "|"} {
		if got, ok := delimiter(text, "\x01"); got != want || !ok {
			t.Errorf("%q: got %q, %v, want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"0", "-2", "é"} {
		if got, ok := delimiter(text, ""); ok {
			t.Errorf("%q: got %q, want none", text, got)
		}
	}
}

func TestNestedTextIsSplitLevelByLevel(t *testing.T) {
	s := newShelf(t, "text", "a array<int>; m map<string,int>; st struct<x:int,Y:string>; aa array<array<string>>; ms map<int,struct<p:string,q:array<int>>>", "")
	for _, c := range []struct{ name, line, want string }{
		{"plain", "1\x022\x02\\N\x01k\x031\x02l\x03\\N\x017\x02z\x01a\x03b\x02c\x015\x03p\x041\x052",
			"{'a': [1, 2, NULL], 'm': {k=1, l=NULL}, 'st': {'x': 7, 'Y': z}, 'aa': [[a, b], [c]], 'ms': {5={'p': p, 'q': [1, 2]}}}"},
		{"empty", "\x01\x01\x01\x01", "{'a': [], 'm': {}, 'st': {'x': NULL, 'Y': NULL}, 'aa': [], 'ms': {}}"},
		{"null", "\\N\x01\\N\x01\\N\x01\\N", "{'a': NULL, 'm': NULL, 'st': NULL, 'aa': NULL, 'ms': NULL}"},
		{"wrong", "x\x021.5\x01k\x02k\x031\x02\\N\x032\x02l\x03\x01x\x01\x02a\x01no\x03p",
			"{'a': [NULL, 1], 'm': {k=NULL, l=NULL}, 'st': {'x': NULL, 'Y': NULL}, 'aa': [[], [a]], 'ms': {}}"},
	} {
		s.objects = nil
		s.text("t/f", c.line+"\n")
		s.want("FROM t", c.want)
	}
}

func TestNestedTextHasItsOwnDelimitersAndEscapes(t *testing.T) {
	s := newShelf(t, "text", "a array<string>; m map<string,string>; st struct<x:string,y:array<int>>", "")
	s.record.Storage.SerDeParams = map[string]string{"field.delim": "|", "colelction.delim": ";", "mapkey.delim": "=", "escape.delim": "\\", "serialization.null.format": "nil"}
	s.text("t/f", `a\;b;\|;nil;\nil|k\==v=w;l=nil;o=\;|x\\;1=2`+"\n"+`nil||nil`+"\n")
	s.want("FROM t",
		`{'a': [a;b, |, NULL, nil], 'm': {'k='='v=w', l=NULL, o=;}, 'st': {'x': x\, 'y': [1, 2]}}`,
		"{'a': NULL, 'm': {}, 'st': NULL}")
	deep := newShelf(t, "text", "a int; b "+strings.Repeat("array<", 8)+"int"+strings.Repeat(">", 8), "")
	deep.text("t/f", "1\n")
	deep.want("SELECT a FROM t", "{'a': 1}")
	if _, err := deep.plan(t, lake.Need{Columns: []string{"b"}}); !sqlerr.Is(err, sqlerr.Unsupported) {
		t.Errorf("got %v, want a type that nests too deep refused", err)
	}
}

func TestCompressedTextIsReadByItsSuffix(t *testing.T) {
	s := newShelf(t, "text", "a int", "k int")
	var zip bytes.Buffer
	w := gzip.NewWriter(&zip)
	_, _ = w.Write([]byte("1\n2\n"))
	_ = w.Close()
	s.text("t/p/1.gz", zip.String())
	s.text("t/q/2.txt", "3\n")
	s.add("s3://b/t/p", "10")
	s.add("s3://b/t/q", "20")
	s.want("FROM t ORDER BY a", "{'a': 1, 'k': 10}", "{'a': 2, 'k': 10}", "{'a': 3, 'k': 20}")
}

// Files of the other compressions are as Hadoop's codecs wrote them.
func TestTextOfHadoopsCodecsIsFed(t *testing.T) {
	for _, suffix := range []string{".bz2", ".deflate", ".snappy", ".lz4"} {
		t.Run(suffix, func(t *testing.T) {
			var text strings.Builder // what Make.java packs
			for i := range 2000 {
				fmt.Fprintf(&text, "%d|row %d é\n", i, i)
				if i == 1000 {
					text.WriteString("\n")
				}
			}
			packed, err := os.ReadFile("testdata/packed/lines.txt" + suffix)
			if err != nil {
				t.Fatal(err)
			}
			s := newShelf(t, "text", "a int; b string", "k int")
			s.record.Storage.SerDeParams["field.delim"] = "|"
			s.text("t/p/1.txt"+strings.ToUpper(suffix), string(packed))
			s.text("t/p/2.txt"+suffix, string(packed))
			s.text("t/q/3.txt", text.String())
			s.add("s3://b/t/p", "10")
			s.add("s3://b/t/q", "20")
			s.want("SELECT k, count(*) AS n, count(a) AS a, sum(a) AS s, max(b) AS b, bit_xor(hash(b)) = 0 AS even FROM t GROUP BY k ORDER BY k",
				"{'k': 10, 'n': 4002, 'a': 4000, 's': 3998000, 'b': row 999 é, 'even': true}",
				"{'k': 20, 'n': 2001, 'a': 2000, 's': 1999000, 'b': row 999 é, 'even': false}")
			s.want("SELECT sum(a) AS s FROM (SELECT a, b FROM t WHERE k = 10 EXCEPT SELECT a, b FROM t WHERE k = 20)", "{'s': NULL}")
			s.want("SELECT count(*) AS n FROM t", "{'n': 6003}")
			s.record.Parameters["skip.header.line.count"] = "3"
			s.want("SELECT k, count(*) AS n, min(a) AS a FROM t GROUP BY k ORDER BY k", "{'k': 10, 'n': 3996, 'a': 3}", "{'k': 20, 'n': 1998, 'a': 3}")

			for what, broken := range map[string][]byte{"cut": packed[:len(packed)/2], "no such file": []byte(text.String())} {
				s.text("t/p/2.txt"+suffix, string(broken))
				s.objects = s.objects[:len(s.objects)-1]
				s.objects[1].Size = int64(len(broken))
				if rows, err := s.try("SELECT count(*) FROM t"); !sqlerr.Is(err, sqlerr.Corrupt) || !strings.Contains(err.Error(), "s3://b/t/p/2.txt"+suffix) {
					t.Errorf("%s: got %v, %v, want Corrupt with the file", what, rows, err)
				}
			}
		})
	}
}

func TestPackedJSONAndCSVAreFedToo(t *testing.T) {
	s := newShelf(t, "json", "a int; b string", "")
	s.text("t/f.json.deflate", deflated("{\"A\": 1, \"b\": \"x\"}\n\n{\"a\": 2}\n")+deflated("{\"a\": 3}"))
	s.want("FROM t", "{'a': 1, 'b': x}", "{'a': 2, 'b': NULL}", "{'a': 3, 'b': NULL}")
	c := newShelf(t, "csv", "a int; b string", "")
	c.text("t/f.csv.deflate", deflated("1,\"x, y\"\r2,\r\n"))
	c.want("FROM t", "{'a': 1, 'b': 'x, y'}", "{'a': 2, 'b': ''}")
	c.objects = nil
	c.text("t/f.csv.deflate", deflated("1,\"\xff\"\n"))
	if rows, err := c.try("FROM t"); !sqlerr.Is(err, sqlerr.Corrupt) || !strings.Contains(err.Error(), "line 1 of s3://b/t/f.csv.deflate is not UTF-8") {
		t.Errorf("got %v, %v", rows, err)
	}
}

func deflated(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// FuzzPackedLines reads bytes as files of every codec.
func FuzzPackedLines(f *testing.F) {
	f.Add([]byte(deflated("1\n2\r\n3")))
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 6, 4, 12, 'a', '\n', 'b', '\n'})
	f.Add([]byte{0, 0, 0, 2, 0, 0, 0, 3, 0x20, 'a', '\n'})
	f.Fuzz(func(t *testing.T, text []byte) {
		for suffix := range codecs {
			key := "f" + suffix
			feed := (&table{o: Options{Read: func(_ context.Context, _ lake.Object, off, n int64) ([]byte, error) { return text[off : off+n], nil }}}).
				lineFeed([]file{{object: lake.Object{Bucket: "b", Key: key, Size: int64(len(text))}, format: csv{lines: lines{compression: suffix}}}})
			r, err := feed.Open(t.Context(), 0, []int{lineColumn, fileColumn})
			if err != nil {
				t.Fatal(err)
			}
			for rows, total := 1, 0; rows > 0 && err == nil && total < 100_000; total += rows {
				dst := &lake.Chunk{Rows: 64, Columns: []lake.Vector{{Data: make([]lake.String, 64)}, {Data: make([]int64, 64)}}}
				rows, err = r.Read(dst)
			}
			_ = r.Close()
		}
	})
}

func TestCSVIsReadAsOpenCSVDoes(t *testing.T) {
	for _, c := range []struct {
		name, line string
		params     map[string]string
		want       string
	}{
		{"plain", "1,b,2.5", nil, "{'a': 1, 'b': b, 'c': 2.5}"},
		{"quotes", `"1","x, ""y"" \"z\" \\ \n","2.5"`, nil, `{'a': 1, 'b': 'x, "y" "z" \\ n', 'c': 2.5}`},
		{"empty is a string", `,,`, nil, "{'a': NULL, 'b': '', 'c': NULL}"},
		{"empty quotes", `"","",""`, nil, "{'a': NULL, 'b': '', 'c': NULL}"},
		{"short", `1`, nil, "{'a': 1, 'b': NULL, 'c': NULL}"},
		{"long", `1,2,3,4`, nil, "{'a': 1, 'b': 2, 'c': 3.0}"},
		{"bare escape goes", `1,a\b,3`, nil, "{'a': 1, 'b': ab, 'c': 3.0}"},
		{"other characters", `1;'a;''b';3`, map[string]string{"separatorChar": ";", "quoteChar": "'", "escapeChar": "'"}, `{'a': 1, 'b': 'a;\'b', 'c': 3.0}`},
		{"odd characters", "1^]a^]]b]^3", map[string]string{"separatorChar": "^", "quoteChar": "]", "escapeChar": "-"}, "{'a': 1, 'b': 'a^]b', 'c': 3.0}"},
		{"tab", "1\tb\t3", map[string]string{"separatorChar": "\t"}, "{'a': 1, 'b': b, 'c': 3.0}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t, "csv", "a int; b string; c double", "")
			s.record.Storage.SerDeParams = c.params
			s.text("t/f.csv", c.line+"\n")
			s.want("FROM t", c.want)
		})
	}
}

func TestJSONKeysMatchWhateverTheirCase(t *testing.T) {
	s := newShelf(t, "json", "a int; B string; l array<int>; m map<string,double>; dt date; file_index string", "k int")
	s.text("t/1/f.json", `{"A": 1, "b": "x\"y", "l": [1, null], "M": {"K": 1.5}, "DT": "2024-02-29", "file_index": "f", "more": 1}`+"\n")
	s.text("t/2/f.json", `{"a": null, "b": {"o": 1}}`+"\n{}\n")
	s.add("s3://b/t/1", "1")
	s.add("s3://b/t/2", "2")
	s.want("FROM t",
		`{'a': 1, 'B': 'x"y', 'l': [1, NULL], 'm': {K=1.5}, 'dt': 2024-02-29, 'file_index': f, 'k': 1}`,
		`{'a': NULL, 'B': '{"o":1}', 'l': NULL, 'm': NULL, 'dt': NULL, 'file_index': NULL, 'k': 2}`,
		"{'a': NULL, 'B': NULL, 'l': NULL, 'm': NULL, 'dt': NULL, 'file_index': NULL, 'k': 2}")
}

func TestWrongJSONIsAnErrorUnlessIgnored(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"no JSON", "{\"a\": 1}\nnot json\n"},
		{"other type", "{\"a\": 1}\n{\"a\": \"x\"}\n"},
		{"no object", "{\"a\": 1}\n[1]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t, "json", "a int", "")
			s.text("t/f.json", c.text)
			if rows, err := s.try("FROM t"); err == nil {
				t.Errorf("got %v, want an error", rows)
			}
			s.record.Storage.SerDeParams["ignore.malformed.json"] = "true"
			s.want("FROM t", "{'a': 1}", "{'a': NULL}")
		})
	}
}

// A partition says itself how it is stored.
func TestPartitionsMayBeStoredOtherwise(t *testing.T) {
	s := newShelf(t, "parquet", "a int; l array<int>", "k int")
	s.parquet("t/1/f.parquet", "SELECT 1 AS a, [1] AS l")
	s.text("t/2/f.txt", "2\n")
	s.add("s3://b/t/1", "1")
	s.add("s3://b/t/2", "2")
	old := serdes["csv"]
	old.Location = "s3://b/t/2"
	s.parts[1].Storage = old
	s.want("SELECT a, k FROM t ORDER BY a", "{'a': 1, 'k': 1}", "{'a': 2, 'k': 2}")
	_, err := s.plan(t, lake.Need{Columns: []string{"l"}})
	if !sqlerr.Is(err, sqlerr.Unsupported) {
		t.Errorf("got %v, want the nested column refused in CSV", err)
	}
}
