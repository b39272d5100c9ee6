package orc

import (
	"encoding/binary"
	"math"
	"math/bits"

	"lakeport/internal/lake"
)

// reader decodes one column of a stripe, or of what is inside another column.
type reader interface {
	// read gives the next n rows. above is the mask of the rows whose parent is
	// not NULL, nil if that is all: the file has no values for the others, which
	// come out NULL. What v points to is good until the next call. v.Data, if it
	// has room for n rows, is filled in place.
	read(v *lake.Vector, n int, above []uint64) error
	// skip passes over n rows that have a parent.
	skip(n int) error
	children() []reader
}

// present is what all columns begin with: which rows have a value.
type present struct {
	in   *boolRuns // nil: all have
	mask []uint64
}

// rows gives the mask of n rows, nil if none is NULL, and how many have a value.
func (p *present) rows(n int, above []uint64) (mask []uint64, values int, err error) {
	words := (n + 63) / 64
	parents := n
	if above != nil {
		parents = count(above, n)
	}
	if p.in == nil {
		if parents == n {
			return nil, n, nil
		}
		return above[:words], parents, nil
	}
	if cap(p.mask) < words {
		p.mask = make([]uint64, words)
	}
	p.mask = p.mask[:words]
	if values, err = p.in.fill(p.mask, parents); err != nil {
		return nil, 0, err
	}
	if parents < n {
		scatter(p.mask, parents, above, n)
	}
	if values == n {
		return nil, n, nil
	}
	return p.mask, values, nil
}

// skip passes over n rows and tells how many of them have a value.
func (p *present) skip(n int) (values int, err error) {
	if p.in == nil {
		return n, nil
	}
	var mask [16]uint64
	for n > 0 {
		k := min(n, 64*len(mask))
		set, err := p.in.fill(mask[:(k+63)/64], k)
		if err != nil {
			return 0, err
		}
		values, n = values+set, n-k
	}
	return values, nil
}

func count(mask []uint64, n int) int {
	total := 0
	for i := 0; i < n>>6; i++ {
		total += bits.OnesCount64(mask[i])
	}
	if n&63 != 0 {
		total += bits.OnesCount64(mask[n>>6] & (1<<(uint(n)&63) - 1))
	}
	return total
}

func isSet(mask []uint64, i int) bool { return mask[i>>6]&(1<<(uint(i)&63)) != 0 }

// scatter moves the first bits of mask to where above has ones; the others of n
// become zeros.
func scatter(mask []uint64, from int, above []uint64, n int) {
	for i := n - 1; i >= 0; i-- {
		set := false
		if isSet(above, i) {
			from--
			set = isSet(mask, from)
		}
		if set {
			mask[i>>6] |= 1 << (uint(i) & 63)
		} else {
			mask[i>>6] &^= 1 << (uint(i) & 63)
		}
	}
}

// spread moves the first values of data to where mask has ones.
func spread[T any](data []T, values int, mask []uint64) {
	for i := len(data) - 1; values > 0 && i >= values; i-- {
		if isSet(mask, i) {
			values--
			data[i] = data[values]
		}
	}
}

// room is n rows to fill: those that v has, or kept ones.
func room[T any](v *lake.Vector, kept *[]T, n int) []T {
	if data, ok := v.Data.([]T); ok && len(data) >= n {
		return data[:n]
	}
	if cap(*kept) < n {
		*kept = make([]T, n)
	}
	v.Data = (*kept)[:n]
	return (*kept)[:n]
}

// whole is what the numbers of a stream become.
type whole interface {
	int8 | int16 | int32 | int64
}

// wholeReader reads SHORT, INT, LONG and DATE.
type wholeReader[T whole] struct {
	present
	in   ints
	kept []T
	fix  func(int64) int64 // nil: values are as they stand
}

func (r *wholeReader[T]) children() []reader { return nil }

func (r *wholeReader[T]) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	data := room(v, &r.kept, n)
	for done := 0; done < values; {
		part, err := r.in.next(values - done)
		if err != nil {
			return err
		}
		if r.fix != nil {
			for i, x := range part {
				part[i] = r.fix(x)
			}
		}
		out := data[done : done+len(part)]
		for i, x := range part {
			out[i] = T(x)
			if int64(out[i]) != x {
				return faultf("the number %d does not fit into its column", x)
			}
		}
		done += len(part)
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func (r *wholeReader[T]) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	return r.in.skip(values)
}

// byteReader reads BYTE.
type byteReader struct {
	present
	in   byteRuns
	kept []int8
	buf  []byte
}

func (r *byteReader) children() []reader { return nil }

func (r *byteReader) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	if cap(r.buf) < values {
		r.buf = make([]byte, values)
	}
	r.buf = r.buf[:values]
	if err := r.in.fill(r.buf); err != nil {
		return err
	}
	data := room(v, &r.kept, n)
	for i, b := range r.buf {
		data[i] = int8(b)
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func (r *byteReader) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	return r.in.skip(values)
}

// boolReader reads BOOLEAN.
type boolReader struct {
	present
	in   boolRuns
	kept []bool
	set  []uint64
}

func (r *boolReader) children() []reader { return nil }

func (r *boolReader) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	if words := (values + 63) / 64; cap(r.set) < words {
		r.set = make([]uint64, words)
	}
	r.set = r.set[:(values+63)/64]
	if _, err := r.in.fill(r.set, values); err != nil {
		return err
	}
	data := room(v, &r.kept, n)
	for i := range values {
		data[i] = isSet(r.set, i)
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func (r *boolReader) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	p := present{in: &r.in}
	_, err = p.skip(values)
	return err
}

// floatReader reads FLOAT and DOUBLE: bare IEEE numbers.
type floatReader[T float32 | float64] struct {
	present
	in   *stream
	kept []T
}

func (r *floatReader[T]) children() []reader { return nil }

func (r *floatReader[T]) size() int {
	if _, short := any(*new(T)).(float32); short {
		return 4
	}
	return 8
}

func (r *floatReader[T]) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	data, size := room(v, &r.kept, n), r.size()
	const step = 512
	for done := 0; done < values; {
		k := min(values-done, step)
		b, err := r.in.take(k * size)
		if err != nil {
			return err
		}
		for i := range k {
			if size == 4 {
				data[done+i] = T(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
			} else {
				data[done+i] = T(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
			}
		}
		done += k
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func (r *floatReader[T]) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	return r.in.skip(values * r.size())
}

// nullReader stands for a column that a file does not have.
type nullReader struct{ mask []uint64 }

func (r *nullReader) children() []reader { return nil }
func (r *nullReader) skip(int) error     { return nil }

func (r *nullReader) read(v *lake.Vector, n int, _ []uint64) error {
	if words := (n + 63) / 64; len(r.mask) < words {
		r.mask = make([]uint64, words)
	}
	v.Valid = r.mask
	return nil
}
