package transfer

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"lakeport/internal/delimited"
	"lakeport/internal/lake"
)

// Hive encodes what cannot stand in a directory's name as %XX; nothing else is
// decoded.
func TestPathValues(t *testing.T) {
	for key, want := range map[string]string{
		"a/dt=2024-01-01/f":         "2024-01-01",
		"a/DT=x/f":                  "x",
		"dt=2024%2F01/f":            "2024/01",
		"dt=50% 4/f":                "50% 4",
		"dt=100%4g/f":               "100%4g",
		"dt=%+1%/f":                 "%+1%",
		"dt=%c3%A9/f":               "é",
		"dt=" + nullDirectory + "/": "NULL",
		"dt=/f":                     "",
		"other=1/f":                 "none",
	} {
		v, found := pathValue(key, "dt")
		got := v.Text
		if v.Null {
			got = "NULL"
		}
		if !found {
			got = "none"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

// StarRocks' CSV reader filters rows of another width, and those that are not
// UTF-8.
func TestRowsOfTextAndTheirFaults(t *testing.T) {
	in, err := delimited.NewReader(strings.NewReader("a,b\nc\nd,\xff\ne,\\N\n"), delimited.Format{Delimiter: ",", Null: `\N`, HasNull: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &textRows{object: lake.Object{Bucket: "b", Key: "k"}, fields: 2, wanted: []int{0, 1, 2}, in: in}
	dst := &lake.Chunk{Rows: 9}
	for range 3 {
		dst.Columns = append(dst.Columns, lake.Vector{Type: text, Data: make([]lake.String, 9)})
	}
	n, err := r.Read(dst)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range n {
		for k := range dst.Columns {
			cell := "NULL"
			if !dst.Columns[k].IsNull(i) {
				cell = dst.Columns[k].Text(i)
			}
			got = append(got, cell)
		}
	}
	want := "a|b|NULL|NULL|NULL|Error: Value count does not match column count. Expect 2, but got 1. File: s3://b/k, line: 2. Row: c|" +
		"NULL|NULL|Error: Invalid UTF-8 row. File: s3://b/k, line: 3. Row: d,?|e|NULL|NULL"
	if got := strings.Join(got, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Files may be put together of several compressed pieces; one that is cut off is
// an error, never fewer rows.
func TestCompressedText(t *testing.T) {
	var zipped, zstded, lz4ed, deflated bytes.Buffer
	for _, piece := range []string{"a\n", "b\n"} {
		z := gzip.NewWriter(&zipped)
		fmt.Fprint(z, piece)
		z.Close()
		e, err := zstd.NewWriter(&zstded)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(e, piece)
		e.Close()
		l := lz4.NewWriter(&lz4ed)
		fmt.Fprint(l, piece)
		l.Close()
		d := zlib.NewWriter(&deflated)
		fmt.Fprint(d, piece)
		d.Close()
	}
	bzipped, err := hex.DecodeString("425a6839314159265359633ed6e2000000c100001020002000210082b177245385090633ed6e20" +
		"425a683931415926535911d58931000000c100001010002000210082b17724538509011d589310")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, option string
		body        []byte
	}{{"x.gz", "GZIP", zipped.Bytes()}, {"x.zst", "ZSTD", zstded.Bytes()}, {"x.bz2", "BZIP2", bzipped}, {"x.lz4", "", lz4ed.Bytes()}, {"x.deflate", "", deflated.Bytes()}} {
		for _, open := range []func(io.Reader) (io.Reader, func(), error){
			func(in io.Reader) (io.Reader, func(), error) { return expand(c.key, in) },
			func(in io.Reader) (io.Reader, func(), error) { return unpack(c.option, in) },
		}[:1+min(len(c.option), 1)] {
			whole := func(body []byte) (string, error) {
				in, stop, err := open(bytes.NewReader(body))
				if err != nil {
					return "", err
				}
				defer stop()
				out, err := io.ReadAll(in)
				return string(out), err
			}
			if got, err := whole(c.body); err != nil || got != "a\nb\n" {
				t.Errorf("%s: got %q, %v", c.key, got, err)
			}
			for cut := 1; cut < len(c.body); cut++ {
				if got, err := whole(c.body[:cut]); err == nil && cut != len(c.body)/2 {
					t.Errorf("%s cut at %d of %d: got %q without an error", c.key, cut, len(c.body), got)
				}
			}
		}
	}
}

func TestBrokenCompressionIsTold(t *testing.T) {
	for _, c := range []struct{ packed, body, want string }{
		{"GZIP", "1|a\n", "read s3://b/k: its compressed text ends too early: the file is cut off, or not compressed like this"},
		{"GZIP", "1|a long enough line\n", "read s3://b/k: it is not compressed like this: gzip: invalid header"},
		{"ZSTD", "1|a long enough line\n", "read s3://b/k: it is not compressed like this: invalid input: magic number mismatch"},
		{"BZIP2", "1|a long enough line\n", "read s3://b/k: bzip2 data invalid: bad magic value"},
	} {
		in, stop, err := unpack(c.packed, strings.NewReader(c.body))
		if err == nil {
			_, err = io.ReadAll(in)
			stop()
		}
		if got := fmt.Sprint(corrupt(lake.Object{Bucket: "b", Key: "k"}, err)); got != c.want {
			t.Errorf("%s of %q: %s", c.packed, c.body, got)
		}
	}
}
