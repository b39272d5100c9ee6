package orc

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec is a CompressionKind of the specification.
type codec int

const (
	none codec = iota
	zlib
	snappyRaw
	lzo
	lz4Raw
	zstdFrame
	brotli
)

var codecNames = [...]string{"NONE", "ZLIB", "SNAPPY", "LZO", "LZ4", "ZSTD", "BROTLI"}

const (
	defaultBlock = 256 << 10 // where the postscript names none
	maxBlock     = 1<<23 - 1 // the header of a chunk can say no more
	chunkHeader  = 3
)

// stream reads the bytes of one stream: chunks with a header of three bytes
// each, or the bare bytes where nothing is compressed. Slices that it gives are
// valid until its next call, unless they are said to last.
type stream struct {
	raw    []byte // not read yet
	codec  codec
	block  int
	cur    []byte // decompressed and not read yet
	buf    []byte // under cur
	piece  []byte // of values that straddle chunks
	chunks int
}

func newStream(raw []byte, c codec, block int) *stream {
	s := &stream{raw: raw, codec: c, block: block}
	if c == none {
		s.cur, s.raw = raw, nil
	}
	return s
}

// errEnd is a stream that ends before its values do.
var errEnd = fault("a stream ends early")

// more makes cur hold bytes; errEnd: there are none.
func (s *stream) more() error {
	for len(s.cur) == 0 {
		if len(s.raw) == 0 {
			return errEnd
		}
		if err := s.chunk(); err != nil {
			return err
		}
	}
	return nil
}

// chunk decompresses the next chunk into cur.
func (s *stream) chunk() error {
	if len(s.raw) < chunkHeader {
		return faultf("a stream ends within the header of a chunk")
	}
	header := uint32(s.raw[0]) | uint32(s.raw[1])<<8 | uint32(s.raw[2])<<16
	n, stored := int(header>>1), header&1 == 1
	if n > len(s.raw)-chunkHeader {
		return faultf("a chunk of %d bytes stands where only %d are left", n, len(s.raw)-chunkHeader)
	}
	in := s.raw[chunkHeader : chunkHeader+n]
	s.raw = s.raw[chunkHeader+n:]
	if stored {
		s.cur = in
		return nil
	}
	var err error
	s.buf, err = decompress(s.codec, s.buf, in, s.block)
	s.cur = s.buf
	return err
}

// decompress expands a chunk into buf, or a longer one, at most block bytes.
func decompress(c codec, buf, in []byte, block int) ([]byte, error) {
	if cap(buf) < block && c != snappyRaw {
		buf = make([]byte, block)
	}
	buf = buf[:cap(buf)]
	switch c {
	case zlib:
		return inflate(buf[:block], in)
	case snappyRaw:
		n, err := snappy.DecodedLen(in)
		if err != nil || n > block {
			return buf, faultf("a chunk is not sound Snappy, or longer than %d bytes", block)
		}
		out, err := snappy.Decode(buf, in)
		if err != nil {
			return buf, faultf("a chunk is not sound Snappy: %v", err)
		}
		return out, nil
	case lz4Raw:
		n, err := lz4.UncompressBlock(in, buf[:block])
		if err != nil {
			return buf, faultf("a chunk is not sound LZ4: %v", err)
		}
		return buf[:n], nil
	case lzo:
		n, err := unlzo(buf[:block], in)
		return buf[:n], err
	case zstdFrame:
		out, err := unzstd().DecodeAll(in, buf[:0:block])
		if err != nil {
			return buf, faultf("a chunk is not sound Zstandard: %v", err)
		}
		return out, nil
	}
	return buf, refusal("is compressed by " + codecNames[c])
}

// unzstd is a decoder that many goroutines share. It expands into what room it
// is given and no more.
var unzstd = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(2*maxBlock))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

func inflate(out, in []byte) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(in), nil); err != nil {
		return out, faultf("a chunk is not sound ZLIB: %v", err)
	}
	n := 0
	for n < len(out) {
		m, err := r.Read(out[n:])
		n += m
		if err == io.EOF {
			return out[:n], nil
		}
		if err != nil {
			return out, faultf("a chunk is not sound ZLIB: %v", err)
		}
	}
	var one [1]byte
	if m, err := r.Read(one[:]); m > 0 || err != io.EOF {
		return out, faultf("a chunk expands to more than %d bytes", len(out))
	}
	return out, nil
}

// byte reads one byte.
func (s *stream) byte() (byte, error) {
	if len(s.cur) == 0 {
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	b := s.cur[0]
	s.cur = s.cur[1:]
	return b, nil
}

// take reads n bytes, which must be few: they may have to be gathered.
func (s *stream) take(n int) ([]byte, error) {
	if n <= len(s.cur) {
		b := s.cur[:n]
		s.cur = s.cur[n:]
		return b, nil
	}
	if cap(s.piece) < n {
		s.piece = make([]byte, n)
	}
	b := s.piece[:n]
	return b, s.fill(b)
}

// fill reads len(b) bytes into b.
func (s *stream) fill(b []byte) error {
	for len(b) > 0 {
		if err := s.more(); err != nil {
			return err
		}
		n := copy(b, s.cur)
		s.cur, b = s.cur[n:], b[n:]
	}
	return nil
}

// grab reads n bytes that last: in memory of their own, which grows only as
// the bytes really come.
func (s *stream) grab(into []byte, n int) ([]byte, error) {
	const step = 1 << 20
	for n > 0 {
		if err := s.more(); err != nil {
			return into, err
		}
		k := min(n, len(s.cur))
		if need := len(into) + k; need > cap(into) {
			grown := make([]byte, len(into), max(need, min(len(into)+n, need+step), 2*cap(into)))
			copy(grown, into)
			into = grown
		}
		into = append(into, s.cur[:k]...)
		s.cur, n = s.cur[k:], n-k
	}
	return into, nil
}

// rest reads all that is left, at most limit bytes.
func (s *stream) rest(limit int) ([]byte, error) {
	var out []byte
	for {
		switch err := s.more(); {
		case err == errEnd:
			return out, nil
		case err != nil:
			return nil, err
		case len(out)+len(s.cur) > limit:
			return nil, faultf("a section is longer than %d bytes", limit)
		case out == nil && len(s.raw) == 0:
			out, s.cur = s.cur, nil
			return out, nil
		}
		out = append(out, s.cur...)
		s.cur = nil
	}
}

// varint reads a number of up to 64 bits, seven in each byte.
func (s *stream) varint() (uint64, error) {
	if v, n := binary.Uvarint(s.cur); n > 0 {
		s.cur = s.cur[n:]
		return v, nil
	}
	var v uint64
	for shift := uint(0); shift < 70; shift += 7 {
		b, err := s.byte()
		if err != nil {
			return 0, err
		}
		if shift == 63 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, faultf("a number has more than 64 bits")
}

// skip passes over n bytes.
func (s *stream) skip(n int) error {
	for n > 0 {
		if err := s.more(); err != nil {
			return err
		}
		k := min(n, len(s.cur))
		s.cur, n = s.cur[k:], n-k
	}
	return nil
}
