package orc

import (
	"context"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
)

// bloom is the Bloom filter of a column's values in a row group (ORC
// Specification v1, "Bloom Filter Index").
type bloom struct {
	hashes int
	words  []byte // 64 bits each, little-endian
}

func parseBlooms(b []byte) (list []bloom, err error) {
	err = fields(b, func(x field) error {
		if x.number != 1 {
			return nil
		}
		var f bloom
		err := fields(x.data, func(x field) error {
			switch x.number {
			case 1:
				f.hashes = int(min(x.value, math.MaxInt32))
			case 2:
				if x.wire == wireBytes {
					f.words = x.data
				} else {
					f.words = binary.LittleEndian.AppendUint64(f.words, x.value)
				}
			case 3:
				f.words = x.data
			}
			return nil
		})
		if len(list) <= maxGroups {
			list = append(list, f)
		}
		return err
	})
	return list, err
}

// maxHashes is more than any rate of false positives asks for.
const maxHashes = 64

// lacks tells whether a value of this hash is certainly not among those of the
// filter; of an unsound one it never is.
func (f bloom) lacks(hash uint64) bool {
	size := int64(len(f.words)) * 8
	if f.hashes < 1 || f.hashes > maxHashes || size == 0 || size%64 != 0 || size > math.MaxInt32 {
		return false
	}
	low, high := int32(hash), int32(hash>>32)
	for i := range int32(f.hashes) {
		at := low + (i+1)*high
		if at < 0 {
			at = ^at
		}
		bit := int64(at) % size
		if f.words[bit/8]>>(bit%8)&1 == 0 {
			return true
		}
	}
	return false
}

// probe asks the Bloom filters of row groups for the constants of filters.
func (s *stripe) probe(ctx context.Context, filters []Filter, kept []bool) error {
	columns := make([]bool, len(s.f.types))
	for _, x := range filters {
		columns[s.f.columns[x.Column].id] = true
	}
	return s.sections(ctx, streamBloom, columns, func(id int, b []byte) error {
		list, err := parseBlooms(b)
		if err != nil || len(list) != len(kept) {
			return err
		}
		for _, x := range filters {
			hashes, ok := s.f.hashesOf(x)
			if s.f.columns[x.Column].id != id || !ok {
				continue
			}
			for g, f := range list {
				kept[g] = kept[g] && slices.ContainsFunc(hashes, func(h uint64) bool { return !f.lacks(h) })
			}
		}
		return nil
	})
}

// hashesOf gives the hashes of a filter's constants; false: not all are known.
func (f *File) hashesOf(x Filter) ([]uint64, bool) {
	var list []uint64
	k := f.types[f.columns[x.Column].id].kind
	for _, text := range x.Values {
		v, ok := x.Type.Parse(text)
		if !ok {
			return nil, false
		}
		h, ok := hashOf(k, v)
		if !ok {
			return nil, false
		}
		list = append(list, h)
	}
	return list, len(list) > 0
}

// hashOf is the hash of a constant as a value of a column. Kinds of which
// writers hash one thing or another, such as decimals, have none, nor have bytes,
// of which the C++ writer hashes what it has overwritten.
func hashOf(k kind, v lake.Value) (uint64, bool) {
	switch v := v.(type) {
	case *big.Rat:
		if !v.IsInt() || !v.Num().IsInt64() {
			return 0, false
		}
		return hashNumber(v.Num().Int64()), k == kindShort || k == kindInt || k == kindLong
	case float64:
		return hashNumber(int64(math.Float64bits(v))), k == kindDouble && v != 0 && !math.IsNaN(v) // zero has two forms
	case string:
		return hashText([]byte(v)), k == kindString || k == kindVarchar
	case time.Time:
		return hashNumber(v.Unix() / (24 * 60 * 60)), k == kindDate && !inJulianDays(v)
	}
	return 0, false
}

// hashNumber is Thomas Wang's hash of 64 bits, whose shifts keep the sign.
func hashNumber(v int64) uint64 {
	v = ^v + v<<21
	v ^= v >> 24
	v += v<<3 + v<<8
	v ^= v >> 14
	v += v<<2 + v<<4
	v ^= v >> 28
	return uint64(v + v<<31)
}

// hashText is Murmur3 in the form that Hive made of its 128 bits: one lane of 64.
func hashText(b []byte) uint64 {
	const c1, c2 = 0x87c37b91114253d5, 0x4cf5ad432745937f
	h, n := uint64(104729), len(b)
	mix := func(k uint64) uint64 { return bits.RotateLeft64(k*c1, 31) * c2 }
	for ; len(b) >= 8; b = b[8:] {
		h = bits.RotateLeft64(h^mix(binary.LittleEndian.Uint64(b)), 27)*5 + 0x52dce729
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h ^= mix(binary.LittleEndian.Uint64(tail[:]))
	}
	h ^= uint64(n)
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// soundBlooms tells whether a writer's Bloom filters are known to be right: those
// of the Java writers and Trino's, and those of the C++ writer but of the releases
// 1.6.0 to 1.6.11 and 1.7.0, or before.
func soundBlooms(writer uint64, release string) bool {
	const java, cpp, trino = 0, 1, 4
	if writer != cpp {
		return writer == java || writer == trino
	}
	var v [3]int
	for i, part := range strings.SplitN(release, ".", 3) {
		digits := strings.IndexFunc(part, func(c rune) bool { return c < '0' || c > '9' })
		if digits >= 0 {
			part = part[:digits]
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return false
		}
		v[i] = n
	}
	return slices.Compare(v[:], []int{1, 7, 0}) > 0 || v[0] == 1 && v[1] == 6 && v[2] >= 12
}
