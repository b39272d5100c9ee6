package orc

import (
	"math"

	"lakeport/internal/lake"
)

// joiner appends vectors to a vector whose memory is its own.
type joiner struct {
	texts [][]byte // under strings, which do not keep their bytes alive themselves
}

// add appends n rows behind the first have rows of to.
func (j *joiner) add(to *lake.Vector, have int, from *lake.Vector, n int) error {
	to.Valid = joinMasks(to.Valid, have, from.Valid, n)
	switch data := from.Data.(type) {
	case []lake.Entry:
		return j.lists(to, have, from, data[:n])
	case []bool:
		to.Data = join(to.Data, data[:n])
	case []int8:
		to.Data = join(to.Data, data[:n])
	case []int16:
		to.Data = join(to.Data, data[:n])
	case []int32:
		to.Data = join(to.Data, data[:n])
	case []int64:
		to.Data = join(to.Data, data[:n])
	case []float32:
		to.Data = join(to.Data, data[:n])
	case []float64:
		to.Data = join(to.Data, data[:n])
	case []lake.Int128:
		to.Data = join(to.Data, data[:n])
	case []lake.String:
		to.Data = join(to.Data, j.strings(data[:n], from.Valid))
	}
	if len(to.Child) != len(from.Child) {
		to.Child = make([]lake.Vector, len(from.Child))
	}
	for i := range from.Child {
		to.Child[i].Type = from.Child[i].Type
		if err := j.add(&to.Child[i], have, &from.Child[i], n); err != nil {
			return err
		}
	}
	return nil
}

func join[T any](to any, from []T) []T {
	all, _ := to.([]T)
	return append(all, from...)
}

// joinMasks appends the mask of n rows to that of have rows.
func joinMasks(to []uint64, have int, from []uint64, n int) []uint64 {
	if to == nil && from == nil {
		return nil
	}
	for len(to) < (have+n+63)/64 {
		to = append(to, ^uint64(0))
	}
	for i := range n {
		if from != nil && !isSet(from, i) {
			to[(have+i)>>6] &^= 1 << (uint(have+i) & 63)
		} else {
			to[(have+i)>>6] |= 1 << (uint(have+i) & 63)
		}
	}
	return to
}

// strings gives strings bytes that outlast the next call of the reader that they
// come from.
func (j *joiner) strings(from []lake.String, valid []uint64) []lake.String {
	size := 0
	for i := range from {
		if valid == nil || isSet(valid, i) {
			size += from[i].Len()
		}
	}
	text, out := make([]byte, 0, size), make([]lake.String, len(from))
	for i := range from {
		if valid == nil || isSet(valid, i) {
			at := len(text)
			text = append(text, from[i].Bytes()...)
			out[i] = lake.MakeString(text[at:])
		}
	}
	j.texts = append(j.texts, text)
	return out
}

// lists appends lists, and their elements behind the elements there are.
func (j *joiner) lists(to *lake.Vector, have int, from *lake.Vector, data []lake.Entry) error {
	all, _ := to.Data.([]lake.Entry)
	if len(to.Child) == 0 {
		to.Child = []lake.Vector{{Type: from.Child[0].Type}}
	}
	var base, used uint64
	for i := len(all) - 1; i >= 0 && base == 0; i-- {
		base = all[i].Offset + all[i].Length
	}
	for i, e := range data {
		if from.Valid != nil && !isSet(from.Valid, i) {
			e = lake.Entry{}
		}
		used = max(used, e.Offset+e.Length)
		all = append(all, lake.Entry{Offset: base + e.Offset, Length: e.Length})
	}
	to.Data = all
	if base+used > math.MaxInt32 {
		return refusal("has more than 2^31 elements in the lists of 2048 rows")
	}
	return j.add(&to.Child[0], int(base), &from.Child[0], int(used))
}
