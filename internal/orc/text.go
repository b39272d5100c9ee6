package orc

import (
	"math"

	"lakeport/internal/lake"
)

// textReader reads STRING, VARCHAR, CHAR and BINARY in the DIRECT encodings:
// lengths, and the bytes one after another.
type textReader struct {
	present
	lengths ints
	in      *stream
	trim    bool // CHAR: the blanks that pad it are no part of it
	kept    []lake.String
	sizes   []int64
	bytes   []byte // of the last read
}

func (r *textReader) children() []reader { return nil }

func (r *textReader) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	if cap(r.sizes) < values {
		r.sizes = make([]int64, values)
	}
	sizes := r.sizes[:values]
	if err := r.lengths.fill(sizes); err != nil {
		return err
	}
	total, err := sum(sizes)
	if err != nil {
		return err
	}
	if r.bytes, err = r.in.grab(r.bytes[:0], total); err != nil {
		return err
	}
	data, rest := room(v, &r.kept, n), r.bytes
	for i, size := range sizes {
		data[i] = makeText(rest[:size], r.trim)
		rest = rest[size:]
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func makeText(b []byte, trim bool) lake.String {
	if trim {
		for len(b) > 0 && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
	}
	return lake.MakeString(b)
}

// sum adds lengths, none of which may be negative.
func sum(sizes []int64) (int, error) {
	var total int64
	for _, n := range sizes {
		if n < 0 || n > math.MaxInt32 {
			return 0, faultf("a length is %d", n)
		}
		total += n
	}
	if total > math.MaxInt32 {
		return 0, refusal("has more than 2 GiB in one column of 2048 rows")
	}
	return int(total), nil
}

func (r *textReader) skip(n int) error {
	return skipSized(&r.present, &r.lengths, n, r.in.skip)
}

// skipSized passes over n rows whose values' lengths are told apart from what is
// in them.
func skipSized(present *present, lengths *ints, n int, inside func(n int) error) error {
	values, err := present.skip(n)
	if err != nil {
		return err
	}
	for values > 0 {
		part, err := lengths.next(values)
		if err != nil {
			return err
		}
		total, err := sum(part)
		if err == nil {
			err = inside(total)
		}
		if err != nil {
			return err
		}
		values -= len(part)
	}
	return nil
}

// words is a dictionary, and the bytes under it.
type words struct {
	list  []lake.String
	bytes []byte
}

// readWords reads n words. Their bytes come first: no word but one is empty, so
// that memory is bounded by the bytes there are, whatever n and the lengths say.
func readWords(lengths *ints, in *stream, n int, trim bool) (*words, error) {
	bytes, err := in.rest(math.MaxInt32)
	if err != nil {
		return nil, err
	}
	if n > len(bytes)+1 {
		return nil, faultf("a dictionary of %d bytes claims %d words", len(bytes), n)
	}
	d := &words{make([]lake.String, 0, n), bytes}
	for rest := bytes; len(d.list) < n; {
		part, err := lengths.next(n - len(d.list))
		if err != nil {
			return nil, err
		}
		for _, size := range part {
			if size < 0 || size > int64(len(rest)) {
				return nil, faultf("a word of %d bytes stands where %d are left", size, len(rest))
			}
			d.list = append(d.list, makeText(rest[:size], trim))
			rest = rest[size:]
		}
	}
	return d, nil
}

// wordReader reads texts in the DICTIONARY encodings: numbers of words.
type wordReader struct {
	present
	in   ints
	dict *words
	kept []lake.String
}

func (r *wordReader) children() []reader { return nil }

func (r *wordReader) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	data, list := room(v, &r.kept, n), r.dict.list
	for done := 0; done < values; {
		part, err := r.in.next(values - done)
		if err != nil {
			return err
		}
		out := data[done : done+len(part)]
		for i, x := range part {
			if uint64(x) >= uint64(len(list)) {
				return faultf("word %d is asked of a dictionary of %d", x, len(list))
			}
			out[i] = list[x]
		}
		done += len(part)
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func (r *wordReader) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	return r.in.skip(values)
}
