package orc

import (
	"lakeport/internal/lake"
)

// structReader reads STRUCT, which has nothing but its fields.
type structReader struct {
	present
	fields []reader
}

func (r *structReader) children() []reader { return r.fields }

func (r *structReader) read(v *lake.Vector, n int, above []uint64) error {
	mask, _, err := r.rows(n, above)
	if err != nil {
		return err
	}
	if len(v.Child) != len(r.fields) {
		v.Child = make([]lake.Vector, len(r.fields))
	}
	for i, f := range r.fields {
		v.Child[i].Type = v.Type.Fields[i].Type
		if err := f.read(&v.Child[i], n, mask); err != nil {
			return err
		}
	}
	v.Valid = mask
	return nil
}

func (r *structReader) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	for _, f := range r.fields {
		if err := f.skip(values); err != nil {
			return err
		}
	}
	return nil
}

// listReader reads LIST and MAP: lengths, and the elements, which are a
// structReader's in maps.
type listReader struct {
	present
	lengths ints
	elem    reader
	kept    []lake.Entry
	sizes   []int64
	joined  joiner
}

func (r *listReader) children() []reader { return []reader{r.elem} }

// elementType is the type of a list's elements or of a map's entries.
func elementType(t lake.Type) lake.Type {
	if t.Kind != lake.Map {
		return *t.Elem
	}
	return lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "key", Type: *t.Key}, {Name: "value", Type: *t.Elem}}}
}

// elements is how many elements are read at once. It is a multiple of 64, so
// that masks can be joined by words.
const elements = 1 << 16

func (r *listReader) read(v *lake.Vector, n int, above []uint64) error {
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
	entries := room(v, &r.kept, n)
	at := uint64(0)
	for i, size := range sizes {
		entries[i] = lake.Entry{Offset: at, Length: uint64(size)}
		at += uint64(size)
	}
	if mask != nil {
		spread(entries, values, mask)
	}
	v.Valid = mask
	child := lake.Vector{Type: elementType(v.Type)}
	if total <= elements {
		err = r.elem.read(&child, total, nil)
	} else {
		err = r.join(&child, total)
	}
	v.Child = []lake.Vector{child}
	return err
}

// join reads many elements piece by piece: memory grows only as they really
// come.
func (r *listReader) join(all *lake.Vector, total int) error {
	r.joined = joiner{}
	for done := 0; done < total; done += elements {
		n := min(total-done, elements)
		piece := lake.Vector{Type: all.Type}
		if err := r.elem.read(&piece, n, nil); err != nil {
			return err
		}
		if err := r.joined.add(all, done, &piece, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *listReader) skip(n int) error {
	return skipSized(&r.present, &r.lengths, n, r.elem.skip)
}
