package iceberg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// vectorMax bounds a deletion vector's bytes.
const vectorMax = 256 << 20

// loadVector reads the deletion vector of data file i.
func (r *reading) loadVector(ctx context.Context, i int, v *file) error {
	t := r.table
	if v.length <= 0 || v.length > vectorMax || v.offset < 0 {
		return t.corrupt("deletion vector "+v.path, fmt.Errorf("it has %d bytes at %d", v.length, v.offset))
	}
	o, err := t.o.Head(ctx, v.path)
	if err != nil {
		return err
	}
	data, err := t.o.ReadRange(ctx, o, v.offset, v.length)
	if err != nil {
		return err
	}
	positions, err := readVector(data)
	if err == nil && int64(len(positions)) != v.records {
		err = fmt.Errorf("it names %d rows, the manifest says %d", len(positions), v.records)
	}
	if err != nil {
		return t.corrupt("deletion vector "+v.path, err)
	}
	if r.vectors == nil {
		r.vectors = map[int][]int64{}
	}
	r.vectors[i] = positions
	return nil
}

// readVector reads a deletion-vector-v1 blob: its length, a magic number,
// bitmaps of 32 bits by their upper halves, and a checksum (Iceberg, "Puffin
// Spec", deletion-vector-v1).
func readVector(data []byte) (positions []int64, err error) {
	defer func() { // the bitmaps' library trusts what it reads
		if p := recover(); p != nil {
			err = fmt.Errorf("its bitmap is not readable: %v", p)
		}
	}()
	const magic = "\xd1\xd3\x39\x64"
	if len(data) < 20 || string(data[4:8]) != magic {
		return nil, errors.New("it does not begin as deletion vectors do")
	}
	if n := binary.BigEndian.Uint32(data); int64(n) != int64(len(data)-8) {
		return nil, fmt.Errorf("it says that it has %d bytes, and has %d", n, len(data)-8)
	}
	body := data[4 : len(data)-4]
	if sum := binary.BigEndian.Uint32(data[len(data)-4:]); sum != crc32.ChecksumIEEE(body) {
		return nil, errors.New("its checksum is wrong")
	}
	count, rest := binary.LittleEndian.Uint64(body[4:]), body[12:]
	last := int64(-1)
	for ; count > 0; count-- {
		if len(rest) < 4 {
			return nil, errors.New("it ends too early")
		}
		high := int64(binary.LittleEndian.Uint32(rest))
		if high <= last || high > math.MaxInt32 {
			return nil, errors.New("its bitmaps are out of order")
		}
		last = high
		var b roaring.Bitmap
		n, err := b.ReadFrom(bytes.NewReader(rest[4:]))
		if err != nil {
			return nil, err
		}
		if err := b.Validate(); err != nil {
			return nil, err
		}
		rest = rest[4+n:]
		positions = slices.Grow(positions, int(b.GetCardinality()))
		for it := b.Iterator(); it.HasNext(); {
			positions = append(positions, high<<32|int64(it.Next()))
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("it has %d bytes after its bitmaps", len(rest))
	}
	return positions, nil
}

// feed gives the rows that deletion vectors name: the data file's place in the
// plan, and the row's place in the file.
func (r *reading) feed() lake.Feed {
	var files []int
	var rows int64
	for i := range r.files.data {
		if p, ok := r.vectors[i]; ok {
			files = append(files, i)
			rows += int64(len(p))
		}
	}
	return lake.Feed{
		Columns: []lake.Column{{Name: "file", Type: lake.Type{Kind: lake.Integer}}, {Name: "pos", Type: lake.Type{Kind: lake.BigInt}}},
		Parts:   len(files), Rows: rows,
		Open: func(_ context.Context, part int, columns []int) (lake.FeedReader, error) {
			return &vectorReader{file: int32(files[part]), left: r.vectors[files[part]], columns: columns}, nil
		},
	}
}

// vectorReader gives the rows of one deletion vector.
type vectorReader struct {
	file    int32
	left    []int64
	columns []int
}

func (v *vectorReader) Read(dst *lake.Chunk) (int, error) {
	n := min(dst.Rows, len(v.left))
	for i, c := range v.columns {
		switch data := dst.Columns[i].Data.(type) {
		case []int32:
			for k := range data[:n] {
				data[k] = v.file
			}
		case []int64:
			copy(data, v.left[:n])
		default:
			return 0, sqlerr.New(sqlerr.Internal, "column %d of deletion vectors is wanted as %T", c, data)
		}
	}
	v.left = v.left[n:]
	return n, nil
}

func (v *vectorReader) Close() error { return nil }
