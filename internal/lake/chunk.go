package lake

import (
	"math/big"
	"unsafe"
)

// Chunk is up to 2,048 rows, column by column. It points into the engine's
// memory and is valid only until the call that it was handed to returns.
type Chunk struct {
	Rows    int
	Columns []Vector
}

// Vector is one column of a chunk. Data holds a slice whose Go type follows
// from Type.Kind as the kinds' comments say; nested kinds have children.
type Vector struct {
	Type  Type
	Valid []uint64 // bit i set: row i is not NULL; nil: no row is NULL
	Data  any
	Child []Vector // List, Array: element; Map: Struct of key, value; Struct: fields
}

// IsNull tells whether row i is NULL.
func (v *Vector) IsNull(i int) bool {
	return v.Type.Kind == Null || v.Valid != nil && v.Valid[i>>6]&(1<<(uint(i)&63)) == 0
}

// String is a length-prefixed string in the 16-byte layout that columnar
// engines share: up to 12 bytes stand inline, longer ones behind a pointer.
type String struct {
	n    uint32
	head [4]byte
	tail [8]byte
}

// inlineMax is the longest string that String holds without a pointer.
const inlineMax = 12

// Bytes returns the string's bytes without copying them. They belong to the
// chunk (or, when short, to s itself) and must not be changed.
func (s *String) Bytes() []byte {
	if s.n <= inlineMax {
		return unsafe.Slice(&s.head[0], int(s.n))
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&s.tail[0])), int(s.n))
}

// Len is the length in bytes.
func (s *String) Len() int { return int(s.n) }

// Long tells whether the bytes stand behind a pointer.
func (s *String) Long() bool { return s.n > inlineMax }

// MakeString returns a String that holds b, which must stay alive and
// unchanged as long as the String is used.
func MakeString(b []byte) String {
	s := String{n: uint32(len(b))}
	if len(b) <= inlineMax {
		copy(unsafe.Slice(&s.head[0], inlineMax), b)
		return s
	}
	copy(s.head[:], b)
	*(**byte)(unsafe.Pointer(&s.tail[0])) = unsafe.SliceData(b)
	return s
}

// Int128 is a 128-bit integer, low half first.
type Int128 struct {
	Lo uint64
	Hi int64
}

// Big returns the signed value.
func (v Int128) Big() *big.Int {
	b := new(big.Int).Lsh(big.NewInt(v.Hi), 64)
	return b.Add(b, new(big.Int).SetUint64(v.Lo))
}

// UBig returns the value read as unsigned.
func (v Int128) UBig() *big.Int {
	b := new(big.Int).Lsh(new(big.Int).SetUint64(uint64(v.Hi)), 64)
	return b.Add(b, new(big.Int).SetUint64(v.Lo))
}

// Span is a calendar interval; its parts do not convert into each other.
type Span struct {
	Months int32
	Days   int32
	Micros int64
}

// Entry is where one row's elements stand in the child vector.
type Entry struct {
	Offset uint64
	Length uint64
}

// Strings gives the data of a Varchar, Blob, JSON or Bit vector.
func (v *Vector) Strings() []String { return v.Data.([]String) }

// Text gives row i of a Varchar vector, "" for NULL.
func (v *Vector) Text(i int) string {
	if v.IsNull(i) {
		return ""
	}
	return string(v.Strings()[i].Bytes())
}
