package orc

// LZO1X is a string of instructions without a header: each copies bytes that
// follow it, or bytes that came out before (Linux kernel, Documentation/staging/lzo.rst).

// The instructions by their first byte.
const (
	lzoFar   = 16 // to 31: a match at most 48 KiB back, or the end
	lzoMid   = 32 // to 63: a match at most 16 KiB back
	lzoNear  = 64 // to 255: a short match at most 2 KiB back
	lzoFirst = 17 // more than this as the very first byte: so many literals less
)

// lzoInput is what is left to read; it is empty where nothing can be left.
type lzoInput []byte

func (in *lzoInput) next() (int, error) {
	if len(*in) == 0 {
		return 0, faultf("a chunk is not sound LZO: it ends early")
	}
	b := (*in)[0]
	*in = (*in)[1:]
	return int(b), nil
}

// length gives the length in the low bits of an instruction: 0 means that
// bytes follow, a 0 for each 255 more, after what the bits can say.
func (in *lzoInput) length(bits, most int) (int, error) {
	if bits != 0 {
		return bits, nil
	}
	n := most
	for {
		b, err := in.next()
		if err != nil || b != 0 {
			return n + b, err
		}
		if n += 255; n > maxBlock {
			return 0, faultf("a chunk is not sound LZO: it repeats more than %d bytes", maxBlock)
		}
	}
}

// unlzo expands one chunk into out and gives how many bytes came.
func unlzo(out, in []byte) (int, error) {
	rest, n := lzoInput(in), 0
	literals := func(count int) error {
		if count > len(rest) || count > len(out)-n {
			return faultf("a chunk is not sound LZO: %d bytes to copy where %d are left and %d have room", count, len(rest), len(out)-n)
		}
		n += copy(out[n:], rest[:count])
		rest = rest[count:]
		return nil
	}
	after := 0 // literals of the last instruction: 0 to 3, or 4 for more
	if len(rest) > 0 && rest[0] > lzoFirst {
		after = min(int(rest[0])-lzoFirst, 4)
		count := int(rest[0]) - lzoFirst
		rest = rest[1:]
		if err := literals(count); err != nil {
			return n, err
		}
	}
	for {
		op, err := rest.next()
		if err != nil {
			return n, err
		}
		if op < lzoFar && after == 0 {
			count, err := rest.length(op, 15)
			if err == nil {
				err = literals(count + 3)
			}
			if err != nil {
				return n, err
			}
			after = 4
			continue
		}
		length, distance, trail, err := rest.match(op, after)
		if err != nil {
			return n, err
		}
		if distance == 0 {
			if len(rest) > 0 {
				return n, faultf("a chunk is not sound LZO: %d bytes follow its end", len(rest))
			}
			return n, nil
		}
		if distance > n || length > len(out)-n {
			return n, faultf("a chunk is not sound LZO: %d bytes from %d back, where there are %d and room for %d", length, distance, n, len(out)-n)
		}
		for end := n + length; n < end; n++ { // what is copied may be copied again
			out[n] = out[n-distance]
		}
		if err := literals(trail); err != nil {
			return n, err
		}
		after = trail
	}
}

// match reads an instruction that copies what came before: how much, from how
// far back, and how many literals follow. The end has distance 0.
func (in *lzoInput) match(op, after int) (length, distance, trail int, err error) {
	if op >= lzoNear || op < lzoFar {
		high, err := in.next()
		switch {
		case op >= lzoNear && op < 128:
			length, distance = 3+op>>5&1, high<<3+op>>2&7+1
		case op >= 128:
			length, distance = 5+op>>5&3, high<<3+op>>2&7+1
		case after == 4:
			length, distance = 3, high<<2+op>>2+2049
		default:
			length, distance = 2, high<<2+op>>2+1
		}
		return length, distance, op & 3, err
	}
	bits, base := 31, 1
	if op < lzoMid {
		bits, base = 7, 16384+op>>3&1<<14
	}
	if length, err = in.length(op&bits, bits); err != nil {
		return 0, 0, 0, err
	}
	low, err := in.next()
	if err != nil {
		return 0, 0, 0, err
	}
	high, err := in.next()
	if distance = base + high<<6 + low>>2; op < lzoMid && distance == 16384 {
		distance = 0
	}
	return length + 2, distance, low & 3, err
}
