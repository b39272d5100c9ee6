package delta

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
	"lakeport/internal/sqlerr"
)

// A deletion vector stands in the log itself, or in a file that may hold
// several (Delta transaction log protocol, "Deletion Vectors").

// vector is a deletion vector of a file to read; where it stands is known.
type vector struct {
	file int // index of the file that it belongs to
	dv   *deletionVector
}

const (
	vectorMost  = 1 << 30 // bytes of one deletion vector
	vectorExtra = 8       // size before it, CRC after it
)

// deletions loads the vectors and gives each file its deleted rows. One file's
// vectors are read at once.
func (t *table) deletions(ctx context.Context, files []parquet.File, vectors []vector) error {
	stored := map[place][]vector{}
	for _, v := range vectors {
		at, inline, err := t.vectorPlace(v.dv)
		if err != nil {
			return t.wrap(err, "deletion vector of "+files[v.file].Object.URI())
		}
		if inline == nil {
			stored[at] = append(stored[at], v)
		} else if err := v.give(files, inline); err != nil {
			return t.corrupt(files[v.file].Object, err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readMax)
	for at, list := range stored {
		g.Go(func() error { return t.loadVectors(ctx, files, at, list) })
	}
	return g.Wait()
}

// vectorPlace finds the file of a vector, or its bytes if it stands in the log.
func (t *table) vectorPlace(dv *deletionVector) (at place, inline []byte, err error) {
	switch dv.StorageType {
	case "i":
		inline, err = decodeZ85(dv.PathOrInlineDv)
		if err == nil && (dv.SizeInBytes < 0 || dv.SizeInBytes > int64(len(inline))) {
			err = fmt.Errorf("its %d bytes should be %d", len(inline), dv.SizeInBytes)
		}
		if err != nil {
			return at, nil, sqlerr.New(sqlerr.Corrupt, "%w", err)
		}
		return at, inline[:dv.SizeInBytes], nil
	case "p":
		at, err = t.root.resolve(dv.PathOrInlineDv)
		return at, nil, err
	case "u":
		at, err = t.root.vectorFile(dv.PathOrInlineDv)
		return at, nil, err
	}
	return at, nil, sqlerr.New(sqlerr.Unsupported, "storage type %q is not known", dv.StorageType)
}

// uuidText is the length of a UUID in Z85.
const uuidText = 20

// vectorFile names the file of a vector by its UUID, before which a directory
// may stand.
func (root place) vectorFile(text string) (place, error) {
	if len(text) < uuidText {
		return place{}, sqlerr.New(sqlerr.Corrupt, "%q is too short for a UUID", text)
	}
	dir, id := text[:len(text)-uuidText], text[len(text)-uuidText:]
	u, err := decodeZ85(id)
	if err != nil {
		return place{}, sqlerr.New(sqlerr.Corrupt, "%w", err)
	}
	if dir != "" {
		dir += "/"
	}
	return root.in(fmt.Sprintf("%sdeletion_vector_%x-%x-%x-%x-%x.bin", dir, u[:4], u[4:6], u[6:8], u[8:10], u[10:])), nil
}

// loadVectors reads the part of a file that holds the vectors.
func (t *table) loadVectors(ctx context.Context, files []parquet.File, at place, list []vector) error {
	o := lake.Object{Bucket: at.bucket, Key: at.key}
	offset := func(v vector) int64 {
		if v.dv.Offset == nil {
			return 0
		}
		return *v.dv.Offset
	}
	for _, v := range list {
		if offset(v) < 0 || v.dv.SizeInBytes < 0 || v.dv.SizeInBytes > vectorMost {
			return t.corrupt(o, fmt.Errorf("a deletion vector of %d bytes at %d", v.dv.SizeInBytes, offset(v)))
		}
	}
	slices.SortFunc(list, func(a, b vector) int { return int(offset(a) - offset(b)) })
	from := offset(list[0])
	end := from
	for _, v := range list {
		end = max(end, offset(v)+v.dv.SizeInBytes+vectorExtra)
	}
	bytes, err := t.o.Read(ctx, o, from, end-from)
	if err != nil {
		return t.wrap(err, "read "+o.URI())
	}
	for _, v := range list {
		data, err := unframe(bytes, offset(v)-from, v.dv.SizeInBytes)
		if err == nil {
			err = v.give(files, data)
		}
		if err != nil {
			return t.corrupt(o, err)
		}
	}
	return nil
}

// unframe takes a vector out of its file: its size and its CRC stand around it.
func unframe(file []byte, at, size int64) ([]byte, error) {
	if at < 0 || size < 0 || at+size+vectorExtra > int64(len(file)) {
		return nil, fmt.Errorf("the file ends before the deletion vector of %d bytes does", size)
	}
	if said := int64(binary.BigEndian.Uint32(file[at:])); said != size {
		return nil, fmt.Errorf("a deletion vector of %d bytes has %d by the log", said, size)
	}
	data := file[at+4 : at+4+size]
	if crc32.ChecksumIEEE(data) != binary.BigEndian.Uint32(file[at+4+size:]) {
		return nil, fmt.Errorf("a deletion vector's checksum is not that of its bytes")
	}
	return data, nil
}

// give reads a vector and sets the file's deleted rows.
func (v vector) give(files []parquet.File, data []byte) error {
	b, err := parseBitmap(data)
	if err != nil {
		return err
	}
	if b.count != v.dv.Cardinality {
		return fmt.Errorf("a deletion vector has %d rows, %d by the log", b.count, v.dv.Cardinality)
	}
	files[v.file].Deleted = b.rows()
	return nil
}

// z85 is the alphabet of ZeroMQ's RFC 32.
const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// decodeZ85 reads 4 bytes from each 5 characters.
func decodeZ85(text string) ([]byte, error) {
	if len(text)%5 != 0 {
		return nil, fmt.Errorf("the Z85 text %.40q has %d characters, no multiple of 5", text, len(text))
	}
	out := make([]byte, 0, len(text)/5*4)
	for i := 0; i < len(text); i += 5 {
		n := uint64(0)
		for _, c := range []byte(text[i : i+5]) {
			digit := strings.IndexByte(z85, c)
			if digit < 0 {
				return nil, fmt.Errorf("the Z85 text %.40q has the character %q", text, c)
			}
			n = n*85 + uint64(digit)
		}
		if n > 1<<32-1 {
			return nil, fmt.Errorf("the Z85 text %.40q has digits beyond 4 bytes", text)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(n))
	}
	return out, nil
}
