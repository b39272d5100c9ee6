package blob

import "sort"

// span is the bytes [from, to) of an object.
type span struct{ from, to int64 }

func (a span) len() int64           { return a.to - a.from }
func (a span) overlaps(b span) bool { return a.from < b.to && b.from < a.to }
func (a span) holds(b span) bool    { return a.from <= b.from && b.to <= a.to }

// spans is a set of bytes: sorted, disjoint, never touching.
type spans []span

// at is the index of the first span that ends after off.
func (s spans) at(off int64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].to > off })
}

// add puts a into the set and tells how many of its bytes are new.
func (s *spans) add(a span) int64 {
	if a.from >= a.to {
		return 0
	}
	old := *s
	i := sort.Search(len(old), func(i int) bool { return old[i].to >= a.from })
	j, fresh, merged := i, a.len(), a
	for ; j < len(old) && old[j].from <= a.to; j++ {
		fresh -= max(0, min(old[j].to, a.to)-max(old[j].from, a.from))
		merged = span{min(merged.from, old[j].from), max(merged.to, old[j].to)}
	}
	if j == i {
		*s = append(old, span{})
		copy((*s)[i+1:], old[i:])
		(*s)[i] = merged
		return fresh
	}
	old[i] = merged
	*s = append(old[:i+1], old[j:]...)
	return fresh
}

// run gives where the bytes that the set holds from off on end; off itself if
// the byte at off is not in the set.
func (s spans) run(off int64) int64 {
	if i := s.at(off); i < len(s) && s[i].from <= off {
		return s[i].to
	}
	return off
}

// gap cuts a to the bytes that the set lacks, as far as one span can say it:
// what is held at a's ends goes, what is held in between stays.
func (s spans) gap(a span) span {
	a.from = min(s.run(a.from), a.to)
	if i := s.at(a.to - 1); a.from < a.to && i < len(s) && s[i].from < a.to {
		a.to = s[i].from
	}
	return a
}

// next is where the set's next byte at or after off stands, or limit.
func (s spans) next(off, limit int64) int64 {
	if i := s.at(off); i < len(s) {
		return min(max(s[i].from, off), limit)
	}
	return limit
}

// split parts the set into the bytes outside and inside of keep.
func (s spans) split(keep []span) (outside, inside spans) {
	var k spans
	for _, a := range keep {
		k.add(a)
	}
	for _, a := range s {
		for off := a.from; off < a.to; {
			in := min(k.run(off), a.to)
			inside.add(span{off, in})
			off = k.next(in, a.to)
			outside.add(span{in, off})
		}
	}
	return outside, inside
}

// size is the number of bytes in the set.
func (s spans) size() int64 {
	var n int64
	for _, a := range s {
		n += a.len()
	}
	return n
}
