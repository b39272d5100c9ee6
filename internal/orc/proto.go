package orc

import "encoding/binary"

// The metadata of ORC is protobuf messages (orc_proto.proto), of which a few
// fields are needed: they are walked, not mapped.

// field is one field of a message. Repeated numbers may be packed.
type field struct {
	number int
	wire   int
	value  uint64 // wire types 0, 1 and 5
	data   []byte // wire type 2
}

const (
	wireVarint = 0
	wireFixed8 = 1
	wireBytes  = 2
	wireFixed4 = 5
)

// fields calls f for each field of a message.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return faultf("a field of its metadata has no number")
		}
		b = b[n:]
		x := field{number: int(key >> 3), wire: int(key & 7)}
		switch x.wire {
		case wireVarint:
			if x.value, n = binary.Uvarint(b); n <= 0 {
				return faultf("its metadata ends within a number")
			}
		case wireFixed8:
			if n = 8; len(b) < n {
				return faultf("its metadata ends within a number")
			}
			x.value = binary.LittleEndian.Uint64(b)
		case wireFixed4:
			if n = 4; len(b) < n {
				return faultf("its metadata ends within a number")
			}
			x.value = uint64(binary.LittleEndian.Uint32(b))
		case wireBytes:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > uint64(len(b)-m) {
				return faultf("its metadata ends within a field")
			}
			x.data, n = b[m:m+int(size)], m+int(size)
		default:
			return faultf("its metadata has a field of the unknown kind %d", x.wire)
		}
		b = b[n:]
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// numbers calls f for each number of a repeated field, packed or not.
func (x field) numbers(f func(uint64)) error {
	if x.wire != wireBytes {
		f(x.value)
		return nil
	}
	for b := x.data; len(b) > 0; {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return faultf("its metadata ends within a number")
		}
		f(v)
		b = b[n:]
	}
	return nil
}

// signed reads a number of protobuf's type sint64.
func (x field) signed() int64 { return unzigzag(x.value) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
