package dialect

import (
	"errors"
	"math"
	"math/big"
	"math/bits"

	"lakeport/internal/lake"
)

// callQuotient divides two exact numbers: its result is the quotient times ten
// to the power of the third argument, rounded half away from zero. What cannot
// be divided or has more than 38 digits is NULL.
func callQuotient(f *lake.Frame) (bool, error) {
	a, aScale := unscaled(&f.Args[0], f.Row)
	b, bScale := unscaled(&f.Args[1], f.Row)
	shift := int(f.Number(2)) - aScale + bScale
	if b == (lake.Int128{}) || shift < 0 {
		return false, nil
	}
	negative := a.Hi < 0 != (b.Hi < 0)
	n, d := absolute(a), absolute(b)
	q, ok := lake.Int128{}, true
	if n.Hi == 0 && d.Hi == 0 && shift < len(powers) {
		q = shortQuotient(n.Lo, powers[shift], d.Lo)
	} else {
		q, ok = longQuotient(n, shift, d)
	}
	if !ok || !less(q, limit) {
		return false, nil
	}
	if f.Big = q; negative {
		f.Big = negated(q)
	}
	return true, nil
}

// callRedshiftQuotient is callQuotient in Redshift, where a number with too many
// digits is an error.
func callRedshiftQuotient(f *lake.Frame) (bool, error) {
	ok, err := callQuotient(f)
	if err == nil && !ok {
		err = errors.New("Numeric data overflow (result precision)")
	}
	return ok, err
}

// shortQuotient gives n * power / d, rounded, of which n * power and d are not
// negative.
func shortQuotient(n, power, d uint64) lake.Int128 {
	hi, lo := bits.Mul64(n, power)
	q, rest := bits.Div64(hi%d, lo, d)
	up := uint64(0)
	if rest >= d-rest {
		up = 1
	}
	q, carry := bits.Add64(q, up, 0)
	return lake.Int128{Lo: q, Hi: int64(hi/d + carry)}
}

// longQuotient gives n * 10^shift / d, rounded, if it has room.
func longQuotient(n lake.Int128, shift int, d lake.Int128) (lake.Int128, bool) {
	divisor, rest := d.UBig(), new(big.Int)
	q := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)
	q.QuoRem(q.Mul(q, n.UBig()), divisor, rest)
	if rest.Lsh(rest, 1).Cmp(divisor) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if q.BitLen() > 127 {
		return lake.Int128{}, false
	}
	lo := new(big.Int).And(q, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	return lake.Int128{Lo: lo, Hi: q.Rsh(q, 64).Int64()}, true
}

// unscaled gives a number's digits as an integer, and how many of them are
// behind the point.
func unscaled(v *lake.Vector, row int) (n lake.Int128, scale int) {
	scale = int(v.Type.Scale)
	switch d := v.Data.(type) {
	case []lake.Int128:
		return d[row], scale
	case []uint64:
		return lake.Int128{Lo: d[row]}, scale
	case []int64:
		return extended(d[row]), scale
	case []int32:
		return extended(int64(d[row])), scale
	case []int16:
		return extended(int64(d[row])), scale
	case []int8:
		return extended(int64(d[row])), scale
	case []uint32:
		return extended(int64(d[row])), scale
	case []uint16:
		return extended(int64(d[row])), scale
	case []uint8:
		return extended(int64(d[row])), scale
	case []bool:
		if d[row] {
			n.Lo = 1
		}
	}
	return n, scale
}

func extended(n int64) lake.Int128 { return lake.Int128{Lo: uint64(n), Hi: n >> 63} }

func negated(v lake.Int128) lake.Int128 {
	lo, borrow := bits.Sub64(0, v.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(v.Hi), borrow)
	return lake.Int128{Lo: lo, Hi: int64(hi)}
}

func absolute(v lake.Int128) lake.Int128 {
	if v.Hi < 0 {
		return negated(v)
	}
	return v
}

// less compares numbers that are not negative.
func less(a, b lake.Int128) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }

// powers are those of ten that 64 bits hold.
var powers = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// limit is 10^38, the first number that no DECIMAL holds.
var limit = func() lake.Int128 {
	hi, lo := bits.Mul64(powers[19], powers[19])
	return lake.Int128{Lo: lo, Hi: int64(hi)}
}()
