package orc

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"lakeport/internal/lake"
)

// FuzzFile reads whatever is said to be an ORC file to its end, or to more rows
// than a file of this size has a right to.
func FuzzFile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.orc")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		file, err := Open(context.Background(), Source{Name: "f", Size: int64(len(b)), Read: func(_ context.Context, off, n int64) ([]byte, error) {
			return b[off : off+n], nil
		}})
		if err != nil {
			return
		}
		in := Input{File: file}
		var columns []lake.Column
		for i, c := range file.Columns() {
			if c.Err == nil {
				columns, in.Columns = append(columns, c.Column), append(in.Columns, i)
				in.Filters = append(in.Filters, Filter{Filter: lake.Filter{Column: c.Name, Op: lake.Less, Values: []string{"1"}}, Column: i, Type: c.Type})
			}
		}
		feed, err := Feed(columns, []Input{in})
		if err == nil {
			drain(feed)
		}
		in.Filters = nil
		if feed, err = Feed(columns, []Input{in}); err == nil {
			drain(feed)
		}
	})
}

// FuzzIndex reads files of many row groups by an index that says anything.
func FuzzIndex(f *testing.F) {
	var files [][]byte
	for _, name := range []string{"testdata/groups_uncompressed.orc", "testdata/groups_java_none.orc"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, b)
	}
	f.Add(false, uint16(3), []byte{0x0a, 0x10, 0x0a, 0x02, 0x00, 0x00})
	f.Add(true, uint16(900), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add(true, uint16(20000), []byte{0x08, 0x00, 0x10, 0x00})
	f.Fuzz(func(_ *testing.T, java bool, at uint16, with []byte) {
		b := files[0]
		if java {
			b = files[1]
		}
		put := func(off int64, out []byte) { // as if the file had the bytes there
			from := max(off, 3+int64(at))
			if to := min(off+int64(len(out)), 3+int64(at)+int64(len(with))); from < to {
				copy(out[from-off:], with[from-3-int64(at):to-3-int64(at)])
			}
		}
		file, err := Open(context.Background(), Source{Name: "f", Size: int64(len(b)), Read: func(_ context.Context, off, n int64) ([]byte, error) {
			out := append([]byte(nil), b[off:off+n]...)
			put(off, out)
			return out, nil
		}})
		if err != nil {
			return
		}
		for i, value := range map[int]string{0: "1500", 8: "the text of row 2998", 11: "1970-01-01"} {
			c := file.Columns()[i]
			in := Input{File: file, Columns: []int{0, i, 9, 12}, Filters: []Filter{{Filter: lake.Filter{Column: c.Name, Op: lake.Eq, Values: []string{value}}, Column: i, Type: c.Type}}}
			var columns []lake.Column
			for _, at := range in.Columns {
				columns = append(columns, file.Columns()[at].Column)
			}
			if feed, err := Feed(columns, []Input{in}); err == nil {
				drain(feed)
			}
		}
	})
}

// drain reads a feed part by part.
func drain(feed lake.Feed) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var columns []int
	for i := range feed.Columns {
		columns = append(columns, i)
	}
	left := 1 << 16
	for part := range feed.Parts {
		r, err := feed.Open(ctx, part, columns)
		if err != nil {
			continue
		}
		for left > 0 {
			c := &lake.Chunk{Rows: 2048}
			for _, col := range feed.Columns {
				v := lake.Vector{Type: col.Type}
				if col.Type.Kind == lake.BigInt {
					v.Data = make([]int64, 2048)
				}
				c.Columns = append(c.Columns, v)
			}
			n, err := r.Read(c)
			if err != nil || n == 0 {
				break
			}
			left -= n
		}
	}
}

// FuzzColumn reads streams as a column of any kind in any encoding, with their
// bytes as they are.
func FuzzColumn(f *testing.F) {
	f.Add(byte(kindInt), byte(directV2), []byte{0xff}, []byte{0x0a, 0x27, 0x10}, []byte{}, []byte{}, byte(0))
	f.Add(byte(kindLong), byte(directV2), []byte{}, []byte{0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef}, []byte{}, []byte{}, byte(0))
	f.Add(byte(kindLong), byte(directV2), []byte{}, []byte{0x8e, 0x13, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46, 0x50, 0x5a, 0x64, 0x6e, 0x78, 0x82, 0x8c, 0x96, 0xa0, 0xaa, 0xb4, 0xbe, 0xfc, 0xe8}, []byte{}, []byte{}, byte(1))
	f.Add(byte(kindString), byte(dictionaryV2), []byte{0xfe, 0xf0, 0x0f}, []byte{0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46}, []byte{0x02, 0x00}, []byte("abcabcabc"), byte(2))
	f.Add(byte(kindString), byte(direct), []byte{}, []byte("some text"), []byte{0xff, 0x09}, []byte{}, byte(3))
	f.Add(byte(kindDecimal), byte(direct), []byte{}, []byte{0x80, 0x80, 0x01, 0x03}, []byte{}, []byte{0x00, 0x00, 0x04}, byte(4))
	f.Add(byte(kindTimestamp), byte(directV2), []byte{}, []byte{0x0a, 0x27, 0x10}, []byte{}, []byte{0x0a, 0x27, 0x10}, byte(5))
	f.Fuzz(func(t *testing.T, k, enc byte, present, data, length, other []byte, inside byte) {
		if _, leaf := plainKinds[kind(k)]; !leaf && kind(k) != kindDecimal {
			return
		}
		types := []typeInfo{{kind: kind(k), precision: uint64(inside)%38 + 1, scale: uint64(inside) % 3}}
		switch inside % 4 {
		case 1:
			types = append([]typeInfo{{kind: kindList, children: []int{1}}}, types...)
		case 2:
			types = append([]typeInfo{{kind: kindStruct, children: []int{1}, names: []string{"a"}}}, types...)
		case 3:
			types = append([]typeInfo{{kind: kindMap, children: []int{1, 2}}, types[0]}, types...)
		}
		file := &File{src: Source{Name: "f"}, types: types, hybrid: inside&64 != 0, block: defaultBlock}
		typ, err := file.typeOf(0, 0)
		if err != nil {
			return
		}
		s := &stripe{f: file, info: stripeInfo{rows: 3000, data: 3000}, words: map[int]*words{}, zone: []string{"", "America/New_York"}[inside>>7]}
		x := span{stripe: s, bytes: map[streamID][]byte{}}
		for id := range types {
			s.encodings = append(s.encodings, encoding{kind: uint64(enc), words: uint64(len(length))})
			for kind, b := range map[streamKind][]byte{streamPresent: present, streamData: data, streamLength: length, streamDictionary: other, streamSecondary: other} {
				if len(b) > 0 {
					x.bytes[streamID{id, kind}] = b
				}
			}
		}
		for _, skip := range []int{0, 5} {
			r, err := x.open(0, typ)
			if err != nil || r.skip(skip) != nil {
				return
			}
			v := lake.Vector{Type: typ}
			if err := r.read(&v, 1000, nil); err == nil {
				check(t, &v, 1000)
			}
		}
	})
}

// check looks at every value, as whoever is handed the vector may.
func check(t *testing.T, v *lake.Vector, n int) {
	t.Helper()
	if v.Valid != nil && len(v.Valid) < (n+63)/64 {
		t.Fatalf("a mask of %d words is for %d rows", len(v.Valid), n)
	}
	switch data := v.Data.(type) {
	case []lake.String:
		for i := range n {
			if !v.IsNull(i) && data[i].Len() != len(data[i].Bytes()) {
				t.Fatal("a text has not its length")
			}
		}
	case []lake.Entry:
		total := 0
		for i := range n {
			if !v.IsNull(i) {
				total = max(total, int(data[i].Offset+data[i].Length))
			}
		}
		check(t, &v.Child[0], total)
		return
	}
	for i := range v.Child {
		check(t, &v.Child[i], n)
	}
}
