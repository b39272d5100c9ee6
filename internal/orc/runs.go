package orc

import "encoding/binary"

// maxRun is the longest run of version 2; those of version 1 have 130 values at
// most.
const maxRun = 512

// ints decodes a stream of integer run lengths. The zero value is not usable.
type ints struct {
	in     *stream
	v2     bool
	signed bool
	run    [maxRun]int64
	at, n  int
}

// next gives up to n values of the run under way or the one after, at least one.
// They are valid until the next call.
func (r *ints) next(n int) ([]int64, error) {
	if r.at == r.n {
		r.at = 0
		var err error
		if r.v2 {
			r.n, err = r.runV2()
		} else {
			r.n, err = r.runV1()
		}
		if err != nil {
			r.n = 0
			return nil, err
		}
	}
	n = min(n, r.n-r.at)
	r.at += n
	return r.run[r.at-n : r.at], nil
}

// fill decodes len(out) values.
func (r *ints) fill(out []int64) error {
	for len(out) > 0 {
		part, err := r.next(len(out))
		if err != nil {
			return err
		}
		out = out[copy(out, part):]
	}
	return nil
}

// skip passes over n values.
func (r *ints) skip(n int) error {
	for n > 0 {
		part, err := r.next(n)
		if err != nil {
			return err
		}
		n -= len(part)
	}
	return nil
}

func (r *ints) base() (int64, error) {
	v, err := r.in.varint()
	if r.signed {
		return unzigzag(v), err
	}
	return int64(v), err
}

// runV1 decodes "Integer Run Length Encoding, version 1".
func (r *ints) runV1() (int, error) {
	control, err := r.in.byte()
	if err != nil {
		return 0, err
	}
	if int8(control) < 0 {
		n := -int(int8(control))
		for i := range n {
			if r.run[i], err = r.base(); err != nil {
				return 0, err
			}
		}
		return n, nil
	}
	delta, err := r.in.byte()
	if err != nil {
		return 0, err
	}
	v, err := r.base()
	n := int(control) + 3
	for i := range n {
		r.run[i] = v
		v += int64(int8(delta))
	}
	return n, err
}

// widths maps the five bits that encode a bit width.
var widths = [32]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 30, 32, 40, 48, 56, 64}

// fixedWidth is the next width that the encoding has.
func fixedWidth(n int) int {
	for _, w := range widths {
		if n <= w {
			return w
		}
	}
	return 64
}

// runV2 decodes "Integer Run Length Encoding, version 2".
func (r *ints) runV2() (int, error) {
	first, err := r.in.byte()
	if err != nil {
		return 0, err
	}
	if first>>6 == 0 {
		return r.shortRepeat(first)
	}
	second, err := r.in.byte()
	if err != nil {
		return 0, err
	}
	n := (int(first&1)<<8 | int(second)) + 1
	code := first >> 1 & 31
	switch first >> 6 {
	case 1:
		return n, r.direct(n, widths[code])
	case 2:
		return n, r.patched(n, widths[code])
	}
	width := 0
	if code > 0 {
		width = widths[code]
	}
	return n, r.delta(n, width)
}

func (r *ints) shortRepeat(first byte) (int, error) {
	b, err := r.in.take(int(first>>3&7) + 1)
	if err != nil {
		return 0, err
	}
	v := r.number(bigEndian(b))
	n := int(first&7) + 3
	for i := range n {
		r.run[i] = v
	}
	return n, nil
}

func (r *ints) number(v uint64) int64 {
	if r.signed {
		return unzigzag(v)
	}
	return int64(v)
}

func bigEndian(b []byte) uint64 {
	var v uint64
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

// direct decodes n packed values.
func (r *ints) direct(n, width int) error {
	if err := r.packed(r.run[:n], width); err != nil {
		return err
	}
	if r.signed {
		for i, v := range r.run[:n] {
			r.run[i] = unzigzag(uint64(v))
		}
	}
	return nil
}

// packed reads len(out) values of width bits each, most significant first, and
// what is left of the last byte.
func (r *ints) packed(out []int64, width int) error {
	b, err := r.in.take((len(out)*width + 7) / 8)
	if err != nil {
		return err
	}
	switch width {
	case 8:
		for i := range out {
			out[i] = int64(b[i])
		}
	case 16:
		for i := range out {
			out[i] = int64(binary.BigEndian.Uint16(b[2*i:]))
		}
	case 24:
		for i := range out {
			out[i] = int64(b[3*i])<<16 | int64(b[3*i+1])<<8 | int64(b[3*i+2])
		}
	case 32:
		for i := range out {
			out[i] = int64(binary.BigEndian.Uint32(b[4*i:]))
		}
	case 64:
		for i := range out {
			out[i] = int64(binary.BigEndian.Uint64(b[8*i:]))
		}
	default:
		unpack(out, b, width)
	}
	return nil
}

// unpack reads values of any width up to 56 bits.
func unpack(out []int64, b []byte, width int) {
	var acc uint64
	bits, mask := 0, uint64(1)<<width-1
	for i := range out {
		for bits < width {
			acc = acc<<8 | uint64(b[0])
			b = b[1:]
			bits += 8
		}
		bits -= width
		out[i] = int64(acc >> bits & mask)
	}
}

// patched decodes "Patched Base": values relative to a base, some of which get
// more high bits from a list.
func (r *ints) patched(n, width int) error {
	head, err := r.in.take(2)
	if err != nil {
		return err
	}
	baseBytes, patchWidth := int(head[0]>>5)+1, widths[head[0]&31]
	gapWidth, patches := int(head[1]>>5)+1, int(head[1]&31)
	b, err := r.in.take(baseBytes)
	if err != nil {
		return err
	}
	// The base's sign is its top bit: it is not in two's complement.
	sign := uint64(1) << (8*baseBytes - 1)
	base := int64(bigEndian(b) &^ sign)
	if bigEndian(b)&sign != 0 {
		base = -base
	}
	values := r.run[:n]
	if err := r.packed(values, width); err != nil {
		return err
	}
	if gapWidth+patchWidth > 64 {
		return faultf("a patch of %d and %d bits is wider than 64", gapWidth, patchWidth)
	}
	var list [31]int64
	if err := r.packed(list[:patches], fixedWidth(gapWidth+patchWidth)); err != nil {
		return err
	}
	at := 0
	for _, p := range list[:patches] {
		gap, patch := int(uint64(p)>>patchWidth), uint64(p)&(1<<patchWidth-1)
		if at += gap; gap == 255 && patch == 0 {
			continue // only lengthens the next gap
		}
		if at >= n {
			return faultf("a patch stands at value %d of %d", at, n)
		}
		values[at] |= int64(patch << width)
	}
	for i := range values {
		values[i] += base
	}
	return nil
}

// delta decodes "Delta": a base, a first step, and steps in its direction.
func (r *ints) delta(n, width int) error {
	base, err := r.base()
	if err != nil {
		return err
	}
	step, err := r.in.varint()
	if err != nil {
		return err
	}
	d := unzigzag(step)
	r.run[0] = base
	if width == 0 {
		for i := 1; i < n; i++ {
			r.run[i] = r.run[i-1] + d
		}
		return nil
	}
	if n < 2 {
		return nil
	}
	r.run[1] = base + d
	steps := r.run[2:max(n, 2)]
	if err := r.packed(steps, width); err != nil {
		return err
	}
	last := r.run[1]
	for i, s := range steps {
		if d < 0 {
			s = -s
		}
		last += s
		steps[i] = last
	}
	return nil
}

// byteRuns decodes "Byte Run Length Encoding".
type byteRuns struct {
	in      *stream
	left    int
	literal bool
	value   byte
}

// fill decodes len(out) bytes.
func (r *byteRuns) fill(out []byte) error {
	for len(out) > 0 {
		if r.left == 0 {
			if err := r.control(); err != nil {
				return err
			}
		}
		n := min(r.left, len(out))
		if r.literal {
			if err := r.in.fill(out[:n]); err != nil {
				return err
			}
		} else {
			for i := range out[:n] {
				out[i] = r.value
			}
		}
		r.left -= n
		out = out[n:]
	}
	return nil
}

func (r *byteRuns) control() error {
	control, err := r.in.byte()
	if err != nil {
		return err
	}
	if r.literal = int8(control) < 0; r.literal {
		r.left = -int(int8(control))
		return nil
	}
	r.left = int(control) + 3
	r.value, err = r.in.byte()
	return err
}

// boolRuns decodes a stream of booleans: bits of byte runs, the first in the top.
type boolRuns struct {
	bytes byteRuns
	cur   byte
	left  int
	buf   []byte
}

// fill puts n bits into mask, the first in the lowest bit of the first word, and
// tells how many are set. Bits past n are zero.
func (r *boolRuns) fill(mask []uint64, n int) (set int, err error) {
	clear(mask)
	i := 0
	take := func() {
		r.left--
		if r.cur>>r.left&1 != 0 {
			mask[i>>6] |= 1 << (uint(i) & 63)
			set++
		}
		i++
	}
	for r.left > 0 && i < n {
		take()
	}
	if i == n {
		return set, nil
	}
	if whole := (n - i + 7) / 8; cap(r.buf) < whole {
		r.buf = make([]byte, whole)
	}
	r.buf = r.buf[:(n-i+7)/8]
	if err := r.bytes.fill(r.buf); err != nil {
		return 0, err
	}
	for _, b := range r.buf {
		r.cur, r.left = b, 8
		for r.left > 0 && i < n {
			take()
		}
	}
	return set, nil
}

// skipBits passes over the first n bits of a byte.
func (r *boolRuns) skipBits(n int) error {
	if n == 0 {
		return nil
	}
	var first [1]byte
	err := r.bytes.fill(first[:])
	r.cur, r.left = first[0], 8-n
	return err
}

// skip passes over n bytes.
func (r *byteRuns) skip(n int) error {
	var buf [512]byte
	for n > 0 {
		k := min(n, len(buf))
		if err := r.fill(buf[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}
