package delta

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"
)

// bitmapOf writes a deletion vector in the portable form, one bucket for each
// list of containers.
func bitmapOf(buckets ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, bitmapMagic)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(buckets)))
	for key, bucket := range buckets {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(key)), bucket...)
	}
	return b
}

func u16s(b []byte, list ...int) []byte {
	for _, v := range list {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// arrays is a bucket of containers that are lists: key 0, key 1, ….
func arrays(lists ...[]int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, cookieNoRuns)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(lists)))
	for key, list := range lists {
		b = u16s(b, key, len(list)-1)
	}
	b = append(b, make([]byte, 4*len(lists))...)
	for _, list := range lists {
		b = u16s(b, list...)
	}
	return b
}

// runs is a bucket of one container of runs.
func runs(count int, pairs ...int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, cookieRuns)
	b = append(b, 1)
	b = u16s(b, 0, count-1, len(pairs)/2)
	return u16s(b, pairs...)
}

// bitset is a bucket of one container of bits: every third number.
func bitset() (bucket []byte, count int) {
	bits := make([]byte, bitsetSize)
	for i := 0; i < containerMost; i += 3 {
		bits[i/8] |= 1 << (i % 8)
		count++
	}
	b := binary.LittleEndian.AppendUint32(nil, cookieNoRuns)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = append(u16s(b, 0, count-1), 0, 0, 0, 0)
	return append(b, bits...), count
}

func TestBitmapsOfEveryKind(t *testing.T) {
	dense, count := bitset()
	var thirds []int64
	for i := 0; i < containerMost; i += 3 {
		thirds = append(thirds, int64(i))
	}
	if len(thirds) != count {
		t.Fatal(count)
	}
	for name, c := range map[string]struct {
		data []byte
		want []int64
		err  string
	}{
		"empty":         {bitmapOf(), nil, ""},
		"list":          {bitmapOf(arrays([]int{0, 7, 65535}, []int{1})), []int64{0, 7, 65535, 65537}, ""},
		"runs":          {bitmapOf(runs(5, 3, 1, 100, 2)), []int64{3, 4, 100, 101, 102}, ""},
		"whole run":     {bitmapOf(runs(1<<16, 0, 65535))[:0], nil, "magic"},
		"bits":          {bitmapOf(dense), thirds, ""},
		"buckets":       {bitmapOf(arrays([]int{1}), arrays([]int{2})), []int64{1, 1<<32 + 2}, ""},
		"native":        {binary.LittleEndian.AppendUint32(nil, nativeMagic), nil, "native form"},
		"unknown":       {[]byte("abcdefgh"), nil, "unknown magic"},
		"cut":           {bitmapOf(arrays([]int{1, 2, 3}))[:30], nil, "not a bitmap"},
		"too long":      {append(bitmapOf(arrays([]int{1})), 0), nil, "not a bitmap"},
		"unsorted":      {bitmapOf(arrays([]int{2, 1})), nil, "not a bitmap"},
		"runs miscount": {bitmapOf(runs(4, 3, 1, 100, 2)), nil, "not a bitmap"},
		"runs too far":  {bitmapOf(runs(2, 65535, 1)), nil, "not a bitmap"},
		"many buckets":  {append(binary.LittleEndian.AppendUint32(nil, bitmapMagic), 255, 255, 255, 255, 255, 255, 255, 255), nil, "not a bitmap"},
	} {
		b, err := parseBitmap(c.data)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want an error with %q", name, err, c.err)
			}
			continue
		}
		var got []int64
		for piece := range b.rows() {
			got = append(got, piece...)
		}
		if err != nil || !slices.Equal(got, c.want) || b.count != int64(len(got)) {
			t.Errorf("%s: got %d rows %.100v, %v; want %.100v", name, b.count, got, err, c.want)
		}
	}
}

// encodeZ85 pads data to whole groups.
func encodeZ85(data []byte) string {
	var b strings.Builder
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	for ; len(data) > 0; data = data[4:] {
		n, digits := binary.BigEndian.Uint32(data), [5]byte{}
		for i := range digits {
			digits[4-i] = z85[n%85]
			n /= 85
		}
		b.Write(digits[:])
	}
	return b.String()
}

func framed(data []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(data))
}

func TestDeletedRowsAreLeftOut(t *testing.T) {
	s := newShelf(t)
	one, two := bitmapOf(arrays([]int{1, 3})), bitmapOf(arrays([]int{0, 2, 4}))
	id := []byte("0123456789abcdef")
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	file := slices.Concat([]byte{1}, framed(one), framed(two))
	broken := slices.Clone(file)
	broken[10] ^= 1
	dv := func(kind, where string, offset int, size, cardinality int) string {
		return fmt.Sprintf(`"partitionValues":{},"deletionVector":{"storageType":%q,"pathOrInlineDv":%q,"offset":%d,"sizeInBytes":%d,"cardinality":%d}`, kind, where, offset, size, cardinality)
	}
	second := 1 + len(framed(one))
	for name, c := range map[string]struct{ first, other, want string }{
		"stored":      {dv("u", encodeZ85(id), 1, len(one), 2), dv("u", encodeZ85(id), second, len(two), 3), "(0); (11); (13); (2); (4)"},
		"prefixed":    {dv("u", "ab"+encodeZ85(id), 1, len(one), 2), `"partitionValues":{}`, "(0); (10); (11); (12); (13); (14); (2); (4)"},
		"absolute":    {dv("p", "s3a://b/elsewhere/v%20.bin", 1, len(one), 2), `"partitionValues":{}`, "(0); (10); (11); (12); (13); (14); (2); (4)"},
		"inline":      {dv("i", encodeZ85(one), 0, len(one), 2), dv("u", encodeZ85(id), second, len(two), 3), "(0); (11); (13); (2); (4)"},
		"miscounted":  {dv("u", encodeZ85(id), 1, len(one), 3), "", "error: has 2 rows, 3 by the log"},
		"misplaced":   {dv("u", encodeZ85(id), 2, len(one), 2), "", "error: by the log"},
		"too long":    {dv("u", encodeZ85(id), 1, len(one)+1000, 2), "", "error: ends before"},
		"negative":    {dv("u", encodeZ85(id), 1, -1, 2), "", "error: of -1 bytes"},
		"broken":      {dv("u", "bad"+encodeZ85(id), 1, len(one), 2), "", "error: checksum"},
		"unknown":     {dv("x", "", 1, 1, 1), "", `error: storage type "x"`},
		"short":       {dv("u", "abc", 1, 1, 1), "", "error: too short for a UUID"},
		"no Z85":      {dv("i", "abc,d", 0, 4, 1), "", "error: has the character"},
		"uneven Z85":  {dv("i", "abcd", 0, 4, 1), "", "error: no multiple of 5"},
		"beyond Z85":  {dv("i", "#####", 0, 4, 1), "", "error: beyond 4 bytes"},
		"inline size": {dv("i", encodeZ85(one), 0, 4000, 1), "", "error: should be 4000"},
		"elsewhere":   {dv("p", "file:/x", 1, 1, 1), "", "error: is not on S3"},
	} {
		s.parquet(name+"/a", "SELECT i::INTEGER AS i FROM range(5) t(i)")
		s.parquet(name+"/b", "SELECT i::INTEGER AS i FROM range(10, 15) t(i)")
		s.put(name+"/deletion_vector_"+uuid+".bin", string(file))
		s.put(name+"/ab/deletion_vector_"+uuid+".bin", string(file))
		s.put(name+"/bad/deletion_vector_"+uuid+".bin", string(broken))
		s.put("elsewhere/v .bin", string(file))
		text := protocolOf("deletionVectors") + metaOf("i integer") + adds("a", c.first)
		if c.other != "" {
			text += adds("b", c.other)
		}
		s.commits(name, text)
		s.read = nil
		s.expect(name, c.want)
		if n := len(s.read); name == "stored" && n != 2 {
			t.Errorf("the log and a file of vectors took %d reads: %v", n, s.read)
		}
	}
	// The log replaces a vector by removing the file with the old one.
	s.parquet("again/a", "SELECT i::INTEGER AS i FROM range(5) t(i)")
	old := strings.TrimPrefix(dv("i", encodeZ85(one), 0, len(one), 2), `"partitionValues":{},`)
	s.commits("again", protocolOf("deletionVectors")+metaOf("i integer")+adds("a"),
		removes("a")+adds("a", `"partitionValues":{},`+old),
		`{"remove":{"path":"a",`+old+"}}\n"+adds("a", dv("i", encodeZ85(two), 0, len(two), 3)))
	s.expect("again", "(1); (3)")
	s.commits("forbidden", protocolOf()+metaOf("i integer")+adds("a", dv("i", encodeZ85(one), 0, len(one), 2)))
	s.expect("forbidden", "error: which the table's protocol does not allow")
}

func FuzzBitmap(f *testing.F) {
	dense, _ := bitset()
	for _, seed := range [][]byte{bitmapOf(), bitmapOf(arrays([]int{0, 7}, []int{1})), bitmapOf(runs(5, 3, 1, 100, 2)), bitmapOf(dense), bitmapOf(arrays([]int{1}), runs(1, 1, 0))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBitmap(data)
		if err != nil {
			return
		}
		n, last := int64(0), int64(-1)
		for piece := range b.rows() {
			for _, row := range piece {
				if row <= last {
					t.Fatalf("row %d after %d", row, last)
				}
				last = row
				n++
			}
			if n > math.MaxInt32 {
				return
			}
		}
		if n != b.count {
			t.Fatalf("%d rows, counted %d", n, b.count)
		}
	})
}

func FuzzVectorFile(f *testing.F) {
	f.Add(slices.Concat([]byte{1}, framed(bitmapOf(arrays([]int{1})))), int64(1), int64(34), "abcde")
	f.Fuzz(func(t *testing.T, file []byte, at, size int64, text string) {
		if data, err := unframe(file, at, size); err == nil && int64(len(data)) != size {
			t.Fatalf("%d bytes of %d", len(data), size)
		}
		if data, err := decodeZ85(text); err == nil && encodeZ85(data) != text {
			t.Fatalf("%q is not what %q decodes to", encodeZ85(data), text)
		}
		_, _ = place{"b", "t"}.vectorFile(text)
	})
}
