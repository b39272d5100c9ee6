package orc_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/orc"
)

// fixtures is where files of the ORC project are, beside the repository.
const fixtures = "../../../shared/fixtures/orc"

func needFixtures(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(fixtures); err != nil {
		t.Skip("the ORC project's files are not beside the repository: " + fixtures)
	}
}

func memory(name string, b []byte) orc.Source {
	return orc.Source{Name: name, Size: int64(len(b)), Read: func(_ context.Context, off, n int64) ([]byte, error) {
		return b[off : off+n], nil
	}}
}

func openFile(t testing.TB, path string) (*orc.File, error) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return orc.Open(t.Context(), memory(filepath.Base(path), b))
}

// whole is a feed of all columns that can be read.
func whole(f *orc.File, filters ...orc.Filter) (lake.Feed, error) {
	var columns []lake.Column
	var at []int
	for i, c := range f.Columns() {
		if c.Err == nil {
			columns, at = append(columns, c.Column), append(at, i)
		}
	}
	return orc.Feed(columns, []orc.Input{{File: f, Columns: at, Filters: filters}})
}

// each calls f for each row of a feed in order, without the columns that the
// reader adds.
func each(ctx context.Context, feed lake.Feed, f func(c *lake.Chunk, row int) error) error {
	columns := make([]int, len(feed.Columns)-2)
	for i := range columns {
		columns[i] = i + 2
	}
	for part := range feed.Parts {
		r, err := feed.Open(ctx, part, columns)
		if err != nil {
			return err
		}
		for {
			c := &lake.Chunk{Rows: 2048}
			for _, i := range columns {
				c.Columns = append(c.Columns, lake.Vector{Type: feed.Columns[i].Type})
			}
			n, err := r.Read(c)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			for row := range n {
				if err := f(c, row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// differs tells how a value is not what the ORC project's own tool prints.
func differs(v *lake.Vector, i int, want any) string {
	if v.Valid != nil && v.IsNull(i) {
		if want != nil {
			return fmt.Sprintf("got NULL, want %v", want)
		}
		return ""
	}
	if want == nil {
		return fmt.Sprintf("got %s, want NULL", show(v, i))
	}
	switch v.Type.Kind {
	case lake.List:
		list, ok := want.([]any)
		e := v.Data.([]lake.Entry)[i]
		if !ok || len(list) != int(e.Length) {
			return fmt.Sprintf("got %d elements, want %v", e.Length, want)
		}
		for k := range list {
			if d := differs(&v.Child[0], int(e.Offset)+k, list[k]); d != "" {
				return fmt.Sprintf("[%d]: %s", k, d)
			}
		}
		return ""
	case lake.Map:
		list, ok := want.([]any)
		e := v.Data.([]lake.Entry)[i]
		if !ok || len(list) != int(e.Length) {
			return fmt.Sprintf("got %d entries, want %v", e.Length, want)
		}
		for k := range list {
			entry := list[k].(map[string]any)
			for f, name := range []string{"key", "value"} {
				if d := differs(&v.Child[0].Child[f], int(e.Offset)+k, entry[name]); d != "" {
					return fmt.Sprintf("[%d].%s: %s", k, name, d)
				}
			}
		}
		return ""
	case lake.Struct:
		fields := want.(map[string]any)
		for f, c := range v.Type.Fields {
			if d := differs(&v.Child[f], i, fields[c.Name]); d != "" {
				return c.Name + ": " + d
			}
		}
		return ""
	case lake.Blob:
		var b []byte
		for _, x := range want.([]any) {
			n, _ := strconv.Atoi(string(x.(json.Number)))
			b = append(b, byte(n))
		}
		if got := v.Strings()[i].Bytes(); !bytes.Equal(got, b) {
			return fmt.Sprintf("got %x, want %x", got, b)
		}
		return ""
	}
	got := show(v, i)
	switch w := want.(type) {
	case json.Number:
		a, _ := new(big.Rat).SetString(got)
		b, _ := new(big.Rat).SetString(string(w))
		if f, isFloat := v.Data.([]float32); isFloat { // printed with as few digits as tell it apart
			x, _ := strconv.ParseFloat(string(w), 32)
			if float32(x) == f[i] || math.Abs(x-float64(f[i])) < 1e-5*math.Abs(x) {
				return ""
			}
		} else if f, isDouble := v.Data.([]float64); isDouble {
			x, _ := strconv.ParseFloat(string(w), 64)
			if x == f[i] || math.Abs(x-f[i]) < 1e-5*math.Abs(x) {
				return ""
			}
		} else if a != nil && b != nil && a.Cmp(b) == 0 {
			return ""
		}
	case string:
		if v.Type.Kind == lake.Timestamp {
			if d, err := time.Parse("2006-01-02 15:04:05.999999999", w); err == nil && d.Truncate(time.Microsecond).Format("2006-01-02 15:04:05.999999") == got {
				return ""
			}
		} else if got == w {
			return ""
		}
	case bool:
		if got == fmt.Sprint(w) {
			return ""
		}
	}
	return fmt.Sprintf("got %s, want %v", got, want)
}

func show(v *lake.Vector, i int) string {
	switch d := v.Data.(type) {
	case []bool:
		return fmt.Sprint(d[i])
	case []int8:
		return fmt.Sprint(d[i])
	case []int16:
		return decimal(big.NewInt(int64(d[i])), v.Type)
	case []int32:
		if v.Type.Kind == lake.Date {
			return time.Unix(int64(d[i])*86400, 0).UTC().Format(time.DateOnly)
		}
		return decimal(big.NewInt(int64(d[i])), v.Type)
	case []int64:
		if v.Type.Kind == lake.Timestamp || v.Type.Kind == lake.TimestampTZ {
			return time.UnixMicro(d[i]).UTC().Format("2006-01-02 15:04:05.999999")
		}
		return decimal(big.NewInt(d[i]), v.Type)
	case []lake.Int128:
		return decimal(d[i].Big(), v.Type)
	case []float32:
		return fmt.Sprint(d[i])
	case []float64:
		return fmt.Sprint(d[i])
	case []lake.String:
		return string(d[i].Bytes())
	}
	return fmt.Sprintf("%T", v.Data)
}

func decimal(n *big.Int, t lake.Type) string {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)
	return new(big.Rat).SetFrac(n, scale).FloatString(int(t.Scale))
}

// TestFilesOfTheORCProjectHaveTheRowsItPrints compares value by value.
func TestFilesOfTheORCProjectHaveTheRowsItPrints(t *testing.T) {
	needFixtures(t)
	answers, err := filepath.Glob(fixtures + "/expected/*.jsn.gz")
	if err != nil || len(answers) < 14 {
		t.Fatalf("found the answers %v: %v", answers, err)
	}
	for _, answer := range answers {
		name := strings.TrimSuffix(filepath.Base(answer), ".jsn.gz")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := openFile(t, filepath.Join(fixtures, name+".orc"))
			if err != nil {
				t.Fatal(err)
			}
			feed, err := whole(f)
			if err != nil {
				t.Fatal(err)
			}
			packed, err := os.Open(answer)
			if err != nil {
				t.Fatal(err)
			}
			defer packed.Close()
			text, err := gzip.NewReader(packed)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(text)
			lines.Buffer(nil, 16<<20)
			n := 0
			err = each(t.Context(), feed, func(c *lake.Chunk, row int) error {
				n++
				if !lines.Scan() {
					return fmt.Errorf("row %d is not in the answer", n)
				}
				dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
				dec.UseNumber()
				var want map[string]any
				if err := dec.Decode(&want); err != nil {
					return err
				}
				for i := range c.Columns {
					name := feed.Columns[i+2].Name
					w, ok := want[name]
					if !ok {
						return fmt.Errorf("the answer has no column %s", name)
					}
					if name == "decimal1" { // the tool cuts decimals of Hive 0.11 to six digits
						digits := new(big.Rat)
						if got, ok := c.Columns[i].Data.([]lake.Int128); ok && w != nil && !c.Columns[i].IsNull(row) {
							cut := new(big.Int).Quo(got[row].Big(), big.NewInt(1e12))
							if digits.SetString(string(w.(json.Number))); digits.Cmp(new(big.Rat).SetFrac(cut, big.NewInt(1e6))) == 0 {
								continue
							}
						}
					}
					if d := differs(&c.Columns[i], row, w); d != "" {
						return fmt.Errorf("row %d, column %s: %s", n, name, d)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if lines.Scan() {
				t.Errorf("the file gives %d rows, the answer has more", n)
			}
			var unread []string
			for _, c := range f.Columns() {
				if c.Err != nil {
					unread = append(unread, c.Name)
				}
			}
			if want := map[string][]string{"TestOrcFile.testUnionAndTimestamp": {"union"}}[name]; !slices.Equal(unread, want) {
				t.Errorf("columns %v are not read, want %v", unread, want)
			}
		})
	}
}

// TestOtherFilesOfTheORCProject counts rows of files that have no answer beside
// them, or tells why they are refused.
func TestOtherFilesOfTheORCProject(t *testing.T) {
	needFixtures(t)
	for name, want := range map[string]string{
		"zero.orc":                            "0 rows",
		"demo-12-zlib.orc":                    "1920800 rows",
		"TestVectorOrcFile.testZstd.0.12.orc": "10000 rows",
		"bad_bloom_filter_1.6.11.orc":         "5 rows",
		"orc_no_format.orc":                   "5 rows",
		"TestOrcFile.testSargSkipPickupGroupWithoutIndexJava.orc": "10000 rows",
		"decimal64_v2_cplusplus.orc":                              "decimal64_v2_cplusplus.orc has ORC version 1.9999, which lakeport does not read",
		"encrypted/sample2.orc":                                   "sample2.orc has encrypted stripes, which lakeport does not read",
		"corrupt/missing_blob_stream_in_string_dict.orc":          "missing_blob_stream_in_string_dict.orc is not a sound ORC file: column ",
		"corrupt/negative_dict_entry_lengths.orc":                 "negative_dict_entry_lengths.orc is not a sound ORC file: column ",
	} {
		got := func() string {
			f, err := openFile(t, filepath.Join(fixtures, name))
			if err != nil {
				return err.Error()
			}
			feed, err := whole(f)
			if err != nil {
				return err.Error()
			}
			n := 0
			if err := each(t.Context(), feed, func(*lake.Chunk, int) error { n++; return nil }); err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%d rows", n)
		}()
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
