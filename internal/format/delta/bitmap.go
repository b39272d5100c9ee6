package delta

import (
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"
)

// A deletion vector is a set of row numbers as a roaring bitmap of 64 bits in
// its portable form (Delta transaction log protocol, "Deletion Vector Format";
// RoaringFormatSpec, "Extension for 64-bit implementations"): a count of
// buckets, each the upper 32 bits of its numbers and a bitmap of 32 bits, which
// is containers of numbers that share their upper 16 bits.

var errBitmap = errors.New("the deletion vector is not a bitmap that its format allows")

const (
	bitmapMagic   = 1681511377 // of the portable form
	nativeMagic   = 1681511376 // of an older form, which is not portable
	cookieRuns    = 12347      // lower 16 bits; the upper ones are the number of containers less 1
	cookieNoRuns  = 12346
	offsetsFrom   = 4    // with runs, fewer containers have no table of offsets
	arrayMost     = 4096 // numbers in a container that is a list
	bitsetSize    = 8192 // bytes of a container that is a set of bits
	containerMost = 1 << 16
)

// container is numbers that share their upper 48 bits.
type container struct {
	base  int64
	kind  byte // 'a': sorted uint16s; 'b': bits; 'r': pairs of start and length less 1
	data  []byte
	count int
}

// bitmap is a deletion vector that has been found sound. It keeps the bytes
// that it was read from.
type bitmap struct {
	containers []container
	count      int64
}

// parseBitmap reads a deletion vector's bytes. Whatever they hold, memory is
// bounded by a small multiple of their length.
func parseBitmap(data []byte) (bitmap, error) {
	r := &reader{data: data}
	switch r.u32() {
	case bitmapMagic:
	case nativeMagic:
		return bitmap{}, errors.New("the deletion vector is in the native form, which is not portable")
	default:
		return bitmap{}, errors.New("the deletion vector has an unknown magic number")
	}
	var b bitmap
	buckets := r.u64()
	last := int64(-1)
	for range buckets {
		key := int64(r.u32())
		if r.bad || key <= last || key > 1<<31-1 {
			return bitmap{}, errBitmap
		}
		last = key
		b.bucket(r, key<<32)
		if r.bad {
			return bitmap{}, errBitmap
		}
	}
	if r.bad || len(r.data) > 0 {
		return bitmap{}, errBitmap
	}
	return b, nil
}

// bucket reads a bitmap of 32 bits.
func (b *bitmap) bucket(r *reader, base int64) {
	cookie := r.u32()
	n, runs := 0, []byte(nil)
	switch {
	case cookie&0xffff == cookieRuns:
		n = int(cookie>>16) + 1
		runs = r.take((n + 7) / 8)
	case cookie == cookieNoRuns:
		n = int(r.u32())
	default:
		r.bad = true
	}
	if r.bad || n > containerMost {
		r.bad = true
		return
	}
	heads := r.take(4 * n)
	if runs == nil || n >= offsetsFrom {
		r.take(4 * n) // where the containers begin: they follow each other
	}
	last := -1
	for i := 0; i < n && !r.bad; i++ {
		key, count := int(binary.LittleEndian.Uint16(heads[4*i:])), int(binary.LittleEndian.Uint16(heads[4*i+2:]))+1
		if key <= last {
			r.bad = true
			return
		}
		last = key
		c := container{base: base | int64(key)<<16, count: count}
		switch {
		case runs != nil && runs[i/8]&(1<<(i%8)) != 0:
			c.kind, c.data = 'r', r.take(4*int(r.u16()))
		case count <= arrayMost:
			c.kind, c.data = 'a', r.take(2*count)
		default:
			c.kind, c.data = 'b', r.take(bitsetSize)
		}
		r.bad = r.bad || !c.sound()
		b.containers = append(b.containers, c)
		b.count += int64(c.count)
	}
}

// sound tells whether the container holds as many numbers as it says, in
// rising order.
func (c container) sound() bool {
	count, last := 0, -1
	switch c.kind {
	case 'b':
		for i := 0; i < len(c.data); i += 8 {
			count += bits.OnesCount64(binary.LittleEndian.Uint64(c.data[i:]))
		}
	case 'a':
		for i := 0; i < len(c.data); i += 2 {
			v := int(binary.LittleEndian.Uint16(c.data[i:]))
			if v <= last {
				return false
			}
			last = v
			count++
		}
	case 'r':
		for i := 0; i < len(c.data); i += 4 {
			from, more := int(binary.LittleEndian.Uint16(c.data[i:])), int(binary.LittleEndian.Uint16(c.data[i+2:]))
			if from <= last || from+more >= containerMost {
				return false
			}
			last = from + more
			count += more + 1
		}
	}
	return count == c.count
}

// rows gives the numbers in rising order, a container at a time.
func (b bitmap) rows() iter.Seq[[]int64] {
	return func(yield func([]int64) bool) {
		var piece []int64
		for _, c := range b.containers {
			piece = c.append(piece[:0])
			if !yield(piece) {
				return
			}
		}
	}
}

func (c container) append(to []int64) []int64 {
	switch c.kind {
	case 'b':
		for i := 0; i < len(c.data); i += 8 {
			for word := binary.LittleEndian.Uint64(c.data[i:]); word != 0; word &= word - 1 {
				to = append(to, c.base+int64(i*8+bits.TrailingZeros64(word)))
			}
		}
	case 'a':
		for i := 0; i < len(c.data); i += 2 {
			to = append(to, c.base+int64(binary.LittleEndian.Uint16(c.data[i:])))
		}
	case 'r':
		for i := 0; i < len(c.data); i += 4 {
			from := c.base + int64(binary.LittleEndian.Uint16(c.data[i:]))
			for v := range int64(binary.LittleEndian.Uint16(c.data[i+2:])) + 1 {
				to = append(to, from+v)
			}
		}
	}
	return to
}

// reader takes little-endian numbers. After a fault bad is set and all reads
// give zero values.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.bad = true
	}
	if r.bad {
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
