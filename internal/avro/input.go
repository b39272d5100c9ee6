package avro

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// input is bytes to be decoded. The first error stays, and what is read after it
// is zero.
type input struct {
	b   []byte
	err error
}

func (in *input) fail(err error) {
	if in.err == nil {
		in.err = err
	}
	in.b = nil
}

// take gives the next n bytes; nil: there are not so many.
func (in *input) take(n int) []byte {
	if n < 0 || n > len(in.b) {
		in.fail(errShort)
		return nil
	}
	out := in.b[:n:n]
	in.b = in.b[n:]
	return out
}

// long reads an int or a long. Ids that some writers make, of 64 bits and no
// sign, are told apart by their bits: zigzag makes 65 of them.
func (in *input) long() int64 {
	var low, high uint64
	for shift := uint(0); shift < 70; shift += 7 {
		if len(in.b) == 0 {
			break
		}
		b := in.b[0]
		in.b = in.b[1:]
		low |= uint64(b&0x7f) << shift
		if shift == 63 {
			high = uint64(b >> 1)
		}
		if b < 0x80 {
			if high > 1 {
				break
			}
			return int64((low>>1 | high<<63) ^ -(low & 1))
		}
	}
	if len(in.b) == 0 {
		in.fail(errShort)
	} else {
		in.fail(faultf("a number has more than 64 bits"))
	}
	return 0
}

// integer reads an int.
func (in *input) integer() int32 {
	n := in.long()
	if n < math.MinInt32 || n > math.MaxInt32 {
		in.fail(faultf("the number %d stands where 32 bits do", n))
		return 0
	}
	return int32(n)
}

// bytes reads bytes, or a string.
func (in *input) bytes() []byte {
	n := in.long()
	if n < 0 || n > int64(len(in.b)) {
		in.fail(errShort)
		return nil
	}
	return in.take(int(n))
}

// emptiesMax is how many elements without a byte an array may have.
const emptiesMax = 1 << 16

// blocks calls each for the elements of an array or a map, of which each takes
// least bytes.
func (in *input) blocks(least int, each func()) {
	for {
		n := in.long()
		if n < 0 {
			in.long() // bytes, for those that pass over them
			n = -n
		}
		if n < 0 || least > 0 && n > int64(len(in.b)) || least == 0 && n > emptiesMax {
			in.fail(faultf("an array has %d elements in %d bytes", n, len(in.b)))
		}
		if n == 0 || in.err != nil {
			return
		}
		for ; n > 0 && in.err == nil; n-- {
			each()
		}
	}
}

// codec expands a block.
type codec func(b []byte) ([]byte, error)

// blockMax bounds a block, packed and expanded.
const blockMax = 256 << 20

var codecs = map[string]codec{
	"null":      func(b []byte) ([]byte, error) { return b, nil },
	"deflate":   func(b []byte) ([]byte, error) { return whole(flate.NewReader(bytes.NewReader(b))) },
	"bzip2":     func(b []byte) ([]byte, error) { return whole(bzip2.NewReader(bytes.NewReader(b))) },
	"snappy":    expandSnappy,
	"zstandard": expandZstd,
}

func whole(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, blockMax+1))
	if err != nil {
		return nil, faultf("a block does not expand: %v", err)
	}
	if len(out) > blockMax {
		return nil, faultf("a block expands to more than %d bytes", blockMax)
	}
	return out, nil
}

// expandSnappy expands a block that ends with the checksum of what it holds.
func expandSnappy(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errShort
	}
	packed, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if n, err := snappy.DecodedLen(packed); err != nil || n > blockMax {
		return nil, faultf("a block does not expand")
	}
	out, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, faultf("a block does not expand: %v", err)
	}
	if crc32.ChecksumIEEE(out) != sum {
		return nil, faultf("the checksum of a block is wrong")
	}
	return out, nil
}

func expandZstd(b []byte) ([]byte, error) {
	d, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(blockMax))
	if err != nil {
		return nil, faultf("a block does not expand: %v", err)
	}
	defer d.Close()
	return whole(d)
}
