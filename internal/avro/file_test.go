package avro_test

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	lib "github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"lakeport/internal/avro"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

func connect(t *testing.T) *engine.Conn {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func open(b []byte) (*avro.File, error) {
	return avro.Open(context.Background(), avro.Source{Name: "f.avro", Size: int64(len(b)), Read: func(_ context.Context, off, n int64) ([]byte, error) {
		return b[off : off+n], nil
	}})
}

// feed gives all columns of a file that can be read.
func feed(f *avro.File) lake.Feed {
	in := avro.Input{File: f, Index: 3}
	var columns []lake.Column
	for i, c := range f.Columns() {
		if c.Err == nil {
			columns, in.Columns = append(columns, c.Column), append(in.Columns, i)
		}
	}
	return avro.Feed(columns, []avro.Input{in})
}

// rows gives a query's rows as text, {t} being the file.
func rows(t *testing.T, b []byte, query string) (string, error) {
	t.Helper()
	f, err := open(b)
	if err != nil {
		return "", err
	}
	return ask(t, connect(t), strings.ReplaceAll(query, "{t}", engine.Offer(t.Context(), feed(f))))
}

func ask(t *testing.T, c *engine.Conn, query string) (string, error) {
	t.Helper()
	r, err := c.Query(t.Context(), "SELECT row_::VARCHAR FROM ("+query+") row_")
	if err != nil {
		return "", err
	}
	defer r.Close()
	var out strings.Builder
	for {
		chunk, err := r.Next(t.Context())
		if chunk == nil || err != nil {
			return out.String(), err
		}
		for i := range chunk.Rows {
			out.WriteString(chunk.Columns[0].Text(i) + "\n")
		}
	}
}

// write makes a file of rows.
func write(t *testing.T, schema string, n int, row func(i int) any, opts ...ocf.WriterOpt) []byte {
	t.Helper()
	s, err := lib.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Encode(row(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const everything = `{"type": "record", "name": "r", "fields": [
	{"name": "i", "type": "int"}, {"name": "l", "type": ["null", "long"]}, {"name": "b", "type": ["boolean", "null"]}, {"name": "f", "type": "float"}, {"name": "d", "type": "double"},
	{"name": "s", "type": "string"}, {"name": "raw", "type": "bytes"}, {"name": "x", "type": {"type": "fixed", "name": "x", "size": 2}},
	{"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["SHORT", "LONGER_THAN_TWELVE"]}},
	{"name": "p", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
	{"name": "q", "type": {"type": "fixed", "name": "q", "size": 9, "logicalType": "decimal", "precision": 20, "scale": 0}},
	{"name": "day", "type": {"type": "int", "logicalType": "date"}}, {"name": "at", "type": {"type": "long", "logicalType": "time-micros"}},
	{"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
	{"name": "a", "type": {"type": "array", "items": ["null", "string"]}}, {"name": "m", "type": {"type": "map", "values": "long"}},
	{"name": "st", "type": ["null", {"type": "record", "name": "st", "fields": [{"name": "y", "type": "int"}, {"name": "z", "type": {"type": "array", "items": "int"}}]}]},
	{"name": "u", "type": ["null", "int", "string"]}, {"name": "none", "type": "null"}]}`

func everyRow(i int) any {
	row := map[string]any{"i": int32(i), "l": int64(i) << 40, "b": i%2 == 0, "f": float32(i) / 2, "d": float64(i) / 4, "s": fmt.Sprintf("a string that is long %d", i), "raw": []byte{byte(i), 255},
		"x": []byte{1, byte(i)}, "e": []string{"SHORT", "LONGER_THAN_TWELVE"}[i%2], "p": big.NewRat(int64(i%9)-5, 4), "q": new(big.Rat).SetInt64(int64(-i) * 1e10), "day": int32(i - 5), "at": int64(i) * 1000001, "ts": int64(i) - 3,
		"a": []any{nil, "element that is long"}, "m": map[string]any{"k": int64(i)}, "st": map[string]any{"y": int32(i), "z": []any{int32(1), int32(i)}}, "u": int32(1), "none": nil}
	if i%5 == 1 {
		row["l"], row["b"], row["st"], row["a"], row["m"], row["u"] = nil, nil, nil, []any{}, map[string]any{}, "text"
	}
	return row
}

func TestEveryTypeIsReadWhateverTheCodec(t *testing.T) {
	zstd, err := ocf.ZstdCodec(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "{'file_index': 3, 'file_row_number': 4001, 'i': 4001, 'l': NULL, 'b': NULL, 'f': 2000.5, 'd': 1000.25, 's': a string that is long 4001, 'raw': \\xA1\\xFF, 'x': \\x01\\xA1, 'e': LONGER_THAN_TWELVE, 'p': 0.00, 'q': -40010000000000, 'day': 1980-12-10, 'at': '01:06:41.004001', 'ts': '1970-01-01 00:00:00.003998', 'a': [], 'm': {}, 'st': NULL}\n" +
		"{'file_index': 3, 'file_row_number': 4002, 'i': 4002, 'l': 4400245534359552, 'b': true, 'f': 2001.0, 'd': 1000.5, 's': a string that is long 4002, 'raw': \\xA2\\xFF, 'x': \\x01\\xA2, 'e': SHORT, 'p': 0.25, 'q': -40020000000000, 'day': 1980-12-11, 'at': '01:06:42.004002', 'ts': '1970-01-01 00:00:00.003999', 'a': [NULL, element that is long], 'm': {k=4002}, 'st': {'y': 4002, 'z': [1, 4002]}}\n"
	for name, opts := range map[string][]ocf.WriterOpt{"null": nil, "deflate": {ocf.WithCodec(ocf.DeflateCodec(6))}, "snappy": {ocf.WithCodec(ocf.SnappyCodec())}, "zstandard": {ocf.WithCodec(zstd)}} {
		b := write(t, everything, 5000, everyRow, append(opts, ocf.WithBlockCount(3000))...)
		got, err := rows(t, b, "SELECT * FROM {t} WHERE i IN (4001, 4002) ORDER BY i")
		if err != nil || got != want {
			t.Errorf("%s: got %v\n%swant\n%s", name, err, got, want)
		}
		got, err = rows(t, b, "SELECT count(*) AS n, sum(len(s)) AS s, sum(st.z[2]) AS z, max(file_row_number) AS r FROM {t}")
		if err != nil || got != "{'n': 5000, 's': 128890, 'z': 9999000, 'r': 4999}\n" {
			t.Errorf("%s: got %v, %s", name, err, got)
		}
	}
}

// What a type cannot be is told of its column only.
func TestColumnsThatCannotBeReadAreNamed(t *testing.T) {
	f, err := open(write(t, everything, 1, everyRow))
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, c := range f.Columns() {
		if c.Err != nil {
			bad = append(bad, c.Name+": "+c.Err.Error())
		}
	}
	if got, want := strings.Join(bad, "\n"), "u: it is a union of several types\nnone: it is always null"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestIcebergFieldsHaveTheirIds(t *testing.T) {
	b, err := os.ReadFile("testdata/spark.avro")
	if err != nil {
		t.Fatal(err)
	}
	f, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.Columns() {
		got = append(got, fmt.Sprintf("%d %s %s", c.FieldID, c.Name, c.Type))
	}
	want := `1 id BIGINT|2 name VARCHAR|3 price DECIMAL(9,2)|4 f FLOAT|5 n INTEGER|6 at TIMESTAMP WITH TIME ZONE|7 wall TIMESTAMP|8 day DATE|9 raw BLOB|10 tags VARCHAR[]|11 counts MAP(VARCHAR, BIGINT)|12 im MAP(INTEGER, VARCHAR)|13 st STRUCT("x" INTEGER, "y" VARCHAR)|14 big DECIMAL(38,10)|15 b BOOLEAN|16 d DOUBLE`
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	b := write(t, everything, 10, everyRow)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"cut":    {b[:len(b)-20], "it ends too early"},
		"marker": {append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1), "does not end with the file's marker"},
		"magic":  {[]byte("PAR1 and more"), "does not begin as Avro files do"},
		"codec":  {bytes.Replace(write(t, everything, 1, everyRow, ocf.WithCodec(ocf.DeflateCodec(1))), []byte("\x0edeflate"), []byte("\x0edeflatf"), 1), "is compressed by deflatf"},
	} {
		if got, err := rows(t, c.b, "SELECT * FROM {t}"); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "f.avro") {
			t.Errorf("%s: got %s, %v, want %q", name, got, err, c.want)
		}
	}
	if got, err := rows(t, nil, "SELECT count(*) AS n FROM {t}"); err != nil || got != "{'n': 0}\n" {
		t.Errorf("got %s, %v of a file without bytes", got, err)
	}
}

// FuzzFile reads whatever is said to be an Avro file to its end, or to more rows
// than a file of this size has a right to.
func FuzzFile(f *testing.F) {
	b, err := os.ReadFile("testdata/spark.avro")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		file, err := open(b)
		if err != nil {
			return
		}
		fed := feed(file)
		all := make([]int, len(fed.Columns))
		for i := range all {
			all[i] = i
		}
		for _, columns := range [][]int{all, {0}, {0, len(all) - 1}} {
			r, err := fed.Open(context.Background(), 0, columns)
			if err != nil {
				continue
			}
			for range 100 {
				c := lake.Chunk{Rows: 2048}
				for _, at := range columns {
					v := lake.Vector{Type: fed.Columns[at].Type}
					if at < 2 {
						v.Data = make([]int64, 2048)
					}
					c.Columns = append(c.Columns, v)
				}
				if n, err := r.Read(&c); n == 0 || err != nil {
					break
				}
			}
			_ = r.Close()
		}
	})
}
