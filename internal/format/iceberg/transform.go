package iceberg

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Transform turns a column's value into a partition's. Name is identity, void,
// year, month, day, hour, bucket or truncate, or what lakeport does not know,
// which partitions rows but tells nothing about them.
type Transform struct {
	Name  string
	Width int // bucket, truncate

	text string // as it was read
}

var widthTransform = regexp.MustCompile(`^(bucket|truncate)\[([0-9]{1,9})\]$`)

// transformOf reads a transform's name.
func transformOf(text string) Transform {
	t := Transform{Name: strings.ToLower(text), text: text}
	if m := widthTransform.FindStringSubmatch(t.Name); m != nil {
		if w, _ := strconv.Atoi(m[2]); w > 0 {
			t.Name, t.Width = m[1], w
		}
	}
	return t
}

// UnmarshalJSON reads a transform as metadata spells it.
func (t *Transform) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*t = transformOf(text)
	return nil
}

// MarshalJSON writes the transform as metadata spells it.
func (t Transform) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// String spells the transform as metadata does.
func (t Transform) String() string {
	switch {
	case t.text != "":
		return t.text
	case t.Width > 0:
		return fmt.Sprintf("%s[%d]", t.Name, t.Width)
	}
	return t.Name
}

// known tells whether values of the transform can be computed.
func (t Transform) known() bool {
	switch t.Name {
	case "identity", "void", "year", "month", "day", "hour":
		return true
	}
	return t.Width > 0
}

// monotonic tells whether a <= b makes the transform's a <= that of b.
func (t Transform) monotonic() bool {
	return t.known() && t.Name != "bucket" && t.Name != "void"
}

// result is the type of partition values of a source column.
func (t Transform) result(source Type) Type {
	switch t.Name {
	case "bucket", "year", "month", "hour":
		return Type{Name: "int"}
	case "day":
		return Type{Name: "date"}
	}
	return source
}

// accepts tells whether the transform is defined for a source type.
func (t Transform) accepts(source Type) bool {
	switch t.Name {
	case "identity", "void":
		switch source.Name {
		case "struct", "list", "map", "variant", "geometry", "geography", "unknown":
			return t.Name == "void"
		}
		return true
	case "year", "month", "day":
		return source.Name == "date" || strings.HasPrefix(source.Name, "timestamp")
	case "hour":
		return strings.HasPrefix(source.Name, "timestamp")
	case "truncate":
		switch source.Name {
		case "int", "long", "decimal", "string", "binary":
			return t.Width > 0
		}
	case "bucket":
		switch source.Name {
		case "int", "long", "decimal", "date", "time", "string", "uuid", "fixed", "binary":
			return t.Width > 0
		}
		return t.Width > 0 && strings.HasPrefix(source.Name, "timestamp")
	}
	return false
}

// apply gives the partition value of a column's value. NULL stays NULL. False:
// it cannot be computed.
func (t Transform) apply(source Type, v value) (value, bool) {
	if !t.known() || !t.accepts(source) {
		return nil, false
	}
	if v == nil || t.Name == "void" {
		return nil, true
	}
	switch t.Name {
	case "identity":
		return v, true
	case "bucket":
		return int64(hash(source, v)&0x7fffffff) % int64(t.Width), true
	case "truncate":
		return t.truncate(source, v)
	}
	n, ok := v.(int64)
	return t.clock(source, n), ok
}

// clock counts years, months, days or hours since 1970, rounded down.
func (t Transform) clock(source Type, n int64) value {
	day, hour := n, int64(0)
	if source.Name != "date" {
		second := int64(1_000_000)
		if strings.HasSuffix(source.Name, "_ns") {
			second = 1_000_000_000
		}
		day, hour = floorDiv(n, 86400*second), floorDiv(n, 3600*second)
	}
	at := time.Unix(day*86400, 0).UTC()
	switch t.Name {
	case "year":
		return int64(at.Year()) - 1970
	case "month":
		return (int64(at.Year())-1970)*12 + int64(at.Month()) - 1
	case "hour":
		return hour
	}
	return day
}

func (t Transform) truncate(source Type, v value) (value, bool) {
	w := int64(t.Width)
	switch v := v.(type) {
	case int64:
		cut := v - (v%w+w)%w
		return cut, cut <= v && (source.Name != "int" || cut >= math.MinInt32)
	case *big.Int:
		rest := new(big.Int).Mod(v, big.NewInt(w)) // Euclid's: never negative
		return new(big.Int).Sub(v, rest), true
	case string:
		if source.Name == "binary" {
			return v[:min(t.Width, len(v))], true
		}
		return cut(v, t.Width), utf8.ValidString(v)
	}
	return nil, false
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// hash is the 32-bit hash of Iceberg's bucket transform (Iceberg, "Appendix B:
// 32-bit Hash Requirements").
func hash(t Type, v value) uint32 {
	switch v := v.(type) {
	case int64:
		if strings.HasSuffix(t.Name, "_ns") {
			v = floorDiv(v, 1000)
		}
		return murmur3(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	case *big.Int:
		return murmur3(twosComplement(v))
	case string:
		return murmur3([]byte(v))
	}
	return 0
}

// murmur3 is MurmurHash3's x86 variant of 32 bits with the seed 0.
func murmur3(data []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h uint32
	n := len(data)
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * c1
		h ^= bits.RotateLeft32(k, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i := len(data) - 1; i >= 0; i-- {
		k = k<<8 | uint32(data[i])
	}
	h ^= bits.RotateLeft32(k*c1, 15) * c2
	h ^= uint32(n)
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}
