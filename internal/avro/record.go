package avro

import (
	"errors"
	"fmt"

	"lakeport/internal/lake"
)

// Record is a record's values by Iceberg's field ids; fields without an id are
// left out. A value is nil, a bool, int32, int64, float32, float64, a string, a
// []byte (decimals too), a []any of an array, or a Record. What else there is in
// Avro, such as maps, is nil.
type Record map[int]any

// Records calls each for all records of a file that is in memory. What is wrong
// with the file it tells as plain errors, which do not name it.
func Records(data []byte, each func(r Record) error) error {
	f := &File{}
	err := f.header(data)
	in := &input{b: data[f.start:]}
	for err == nil && len(in.b) > 0 {
		err = f.records(in, each)
	}
	if r, ok := errors.AsType[refusal](err); ok {
		return fmt.Errorf("it %s, which lakeport does not read", string(r))
	}
	return err
}

// Metadata gives what the header of a file in memory says beside its schema.
func Metadata(data []byte) (map[string]string, error) {
	f := &File{}
	err := f.header(data)
	return f.meta, err
}

// records reads a block.
func (f *File) records(in *input, each func(r Record) error) error {
	count, packed, marker := in.long(), in.bytes(), in.take(len(f.sync))
	if in.err != nil {
		return in.err
	}
	plain, err := f.expand(count, packed, marker)
	if err != nil {
		return err
	}
	block := &input{b: plain}
	for ; count > 0; count-- {
		r, _ := f.root.value(block).(Record)
		if block.err != nil {
			return block.err
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if len(block.b) > 0 {
		return faultf("a block has %d bytes after its records", len(block.b))
	}
	return nil
}

// value reads a value as Record says.
func (n *node) value(in *input) any {
	switch n.kind {
	case kindBoolean:
		b := in.take(1)
		return b != nil && b[0] != 0
	case kindInt:
		return in.integer()
	case kindLong:
		return in.long()
	case kindFloat:
		return in.float()
	case kindDouble:
		return in.double()
	case kindBytes:
		if n.typ.Kind == lake.Varchar {
			return string(in.bytes())
		}
		return in.bytes()
	case kindFixed:
		return in.take(n.size)
	case kindEnum:
		word := n.symbol(in)
		return string(word.Bytes())
	case kindArray, kindPairs:
		list := []any{}
		in.blocks(n.children[0].least, func() { list = append(list, n.children[0].value(in)) })
		return list
	case kindRecord:
		r := make(Record, len(n.children))
		for i, c := range n.children {
			if id := n.ids[i]; id >= 0 {
				r[id] = c.value(in)
			} else {
				c.skip(in)
			}
		}
		return r
	case kindUnion:
		if b := n.branch(in); b != nil {
			return b.value(in)
		}
		return nil
	}
	n.skip(in)
	return nil
}
