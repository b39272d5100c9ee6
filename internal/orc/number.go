package orc

import (
	"math"
	"math/bits"
	"time"

	"lakeport/internal/lake"
)

// decimalReader reads DECIMAL: numbers of any length, and the scale of each.
type decimalReader[T int16 | int32 | int64 | lake.Int128] struct {
	present
	in     *stream
	scales ints
	width  int // digits
	scale  int
	from   []int64 // scales of a read
	kept   []T
}

func (r *decimalReader[T]) children() []reader { return nil }

func (r *decimalReader[T]) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	if cap(r.from) < values {
		r.from = make([]int64, values)
	}
	from := r.from[:values]
	if err := r.scales.fill(from); err != nil {
		return err
	}
	data := room(v, &r.kept, n)
	limit := powers[r.width]
	for i := range from {
		x, err := r.number()
		if err != nil {
			return err
		}
		if x, err = x.rescale(from[i], r.scale); err != nil {
			return err
		}
		if !x.below(limit) {
			return faultf("a decimal has more than %d digits", r.width)
		}
		switch out := any(data).(type) {
		case []int16:
			out[i] = int16(x.small())
		case []int32:
			out[i] = int32(x.small())
		case []int64:
			out[i] = x.small()
		case []lake.Int128:
			out[i] = x.signed()
		}
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

func (r *decimalReader[T]) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	for range values {
		if _, err := r.number(); err != nil {
			return err
		}
	}
	return r.scales.skip(values)
}

// magnitude is a number of up to 128 bits and its sign.
type magnitude struct {
	hi, lo   uint64
	negative bool
}

// powers are those of ten that 128 bits hold.
var powers = func() (p [39]magnitude) {
	p[0].lo = 1
	for i := 1; i < len(p); i++ {
		p[i], _ = p[i-1].times(10)
	}
	return p
}()

// times multiplies; false: the product has more than 128 bits.
func (m magnitude) times(n uint64) (magnitude, bool) {
	carry, lo := bits.Mul64(m.lo, n)
	over, hi := bits.Mul64(m.hi, n)
	hi, more := bits.Add64(hi, carry, 0)
	return magnitude{hi, lo, m.negative}, over == 0 && more == 0
}

// below compares absolute values.
func (m magnitude) below(n magnitude) bool {
	return m.hi < n.hi || m.hi == n.hi && m.lo < n.lo
}

// tenth divides by ten and gives the last digit.
func (m magnitude) tenth() (magnitude, uint64) {
	hi, rest := m.hi/10, m.hi%10
	lo, digit := bits.Div64(rest, m.lo, 10)
	return magnitude{hi, lo, m.negative}, digit
}

// rescale moves the point from one number of digits after it to another. Digits
// that fall away round half away from zero, as Hive rounds.
func (m magnitude) rescale(from int64, to int) (magnitude, error) {
	if from < -38 || from > 100 {
		return m, faultf("a decimal has the scale %d", from)
	}
	for ; from < int64(to); from++ {
		var ok bool
		if m, ok = m.times(10); !ok {
			return m, faultf("a decimal has more than 38 digits")
		}
	}
	digit := uint64(0)
	for ; from > int64(to); from-- {
		m, digit = m.tenth()
	}
	if digit >= 5 {
		var carry uint64
		m.lo, carry = bits.Add64(m.lo, 1, 0)
		m.hi += carry
	}
	return m, nil
}

func (m magnitude) small() int64 {
	if m.negative {
		return -int64(m.lo)
	}
	return int64(m.lo)
}

func (m magnitude) signed() lake.Int128 {
	if !m.negative {
		return lake.Int128{Lo: m.lo, Hi: int64(m.hi)}
	}
	lo, borrow := bits.Sub64(0, m.lo, 0)
	hi, _ := bits.Sub64(0, m.hi, borrow)
	return lake.Int128{Lo: lo, Hi: int64(hi)}
}

// number reads a zigzag number of up to 128 bits.
func (r *decimalReader[T]) number() (magnitude, error) {
	var m magnitude
	for shift := uint(0); shift < 128; shift += 7 {
		b, err := r.in.byte()
		if err != nil {
			return m, err
		}
		x := uint64(b & 0x7f)
		switch {
		case shift < 64:
			m.lo |= x << shift
			if shift > 57 {
				m.hi |= x >> (64 - shift)
			}
		case shift == 126 && x > 3:
			return m, faultf("a decimal has more than 128 bits")
		default:
			m.hi |= x << (shift - 64)
		}
		if b < 0x80 {
			// Zigzag: the last bit is the sign, and -n stands as 2n-1.
			m.negative = m.lo&1 == 1
			m.lo = m.lo>>1 | m.hi<<63
			m.hi >>= 1
			if m.negative {
				var carry uint64
				m.lo, carry = bits.Add64(m.lo, 1, 0)
				m.hi += carry
			}
			return m, nil
		}
	}
	return m, faultf("a decimal has more than 128 bits")
}

// stampReader reads TIMESTAMP and TIMESTAMP WITH LOCAL TIME ZONE: seconds since
// 2015, and nanoseconds.
type stampReader struct {
	present
	seconds ints
	nanos   ints
	zone    *zone // nil: seconds count from 2015 in UTC
	hybrid  bool
	kept    []int64
	parts   []int64
}

func (r *stampReader) children() []reader { return nil }

// epoch is 2015-01-01 in UTC, from which timestamps count.
const epoch = 1420070400

// zone turns instants into a zone's wall clock.
type zone struct {
	loc      *time.Location
	base     int64 // 2015-01-01 there
	from, to int64 // seconds between which offset holds
	offset   int64
}

func newZone(name string) (*zone, error) {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, refusal("has timestamps in the time zone " + name + ", which is not known")
	}
	return &zone{loc: loc, base: time.Date(2015, 1, 1, 0, 0, 0, 0, loc).Unix()}, nil
}

// wall gives the wall clock at an instant, in seconds as if it were UTC's.
func (z *zone) wall(t int64) int64 {
	if t < z.from || t >= z.to {
		at := time.Unix(t, 0).In(z.loc)
		_, offset := at.Zone()
		from, to := at.ZoneBounds()
		z.offset, z.from, z.to = int64(offset), math.MinInt64, math.MaxInt64
		if !from.IsZero() {
			z.from = from.Unix()
		}
		if !to.IsZero() {
			z.to = to.Unix()
		}
	}
	return t + z.offset
}

// nanosPerSecond is what the parts of seconds stay below.
const nanosPerSecond = 1e9

// maxSecond is where the engine's microseconds end.
const maxSecond = math.MaxInt64/1000000 - 1

func (r *stampReader) read(v *lake.Vector, n int, above []uint64) error {
	mask, values, err := r.rows(n, above)
	if err != nil {
		return err
	}
	data := room(v, &r.kept, n)
	if err := r.seconds.fill(data[:values]); err != nil {
		return err
	}
	if cap(r.parts) < values {
		r.parts = make([]int64, values)
	}
	parts := r.parts[:values]
	if err := r.nanos.fill(parts); err != nil {
		return err
	}
	for i, part := range parts {
		if data[i], err = r.micros(data[i], part); err != nil {
			return err
		}
	}
	if mask != nil {
		spread(data, values, mask)
	}
	v.Valid = mask
	return nil
}

// tens are the zeros that a nanosecond's low bits stand for.
var tens = [8]int64{1, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000}

// micros is one timestamp; finer parts are cut.
func (r *stampReader) micros(second, part int64) (int64, error) {
	nanos := part >> 3
	if nanos < -nanosPerSecond || nanos > nanosPerSecond {
		return 0, faultf("a timestamp has %d nanoseconds", nanos)
	}
	// Arrow's writer makes them negative before 1970, as ORC's C++ reader admits.
	if nanos *= tens[part&7]; nanos <= -nanosPerSecond || nanos >= nanosPerSecond {
		return 0, faultf("a timestamp has %d nanoseconds", nanos)
	}
	if second > maxSecond || second < -maxSecond {
		return 0, faultf("a timestamp lies %d seconds after 2015", second)
	}
	t := second + epoch
	if r.zone != nil {
		t = second + r.zone.base
	}
	// Writers cut seconds before 1970 towards zero where there are milliseconds.
	if t < 0 && nanos > 999999 {
		t--
	}
	if r.zone != nil {
		t = r.zone.wall(t)
	}
	if r.hybrid {
		days := t / (24 * 60 * 60)
		if t%(24*60*60) < 0 {
			days--
		}
		t += (proleptic(days) - days) * 24 * 60 * 60
	}
	if t > maxSecond || t < -maxSecond {
		return 0, faultf("a timestamp lies %d seconds after 1970", t)
	}
	if nanos < 0 {
		nanos -= 999 // the division rounds towards zero
	}
	return t*1e6 + nanos/1000, nil
}

func (r *stampReader) skip(n int) error {
	values, err := r.present.skip(n)
	if err != nil {
		return err
	}
	if err := r.seconds.skip(values); err != nil {
		return err
	}
	return r.nanos.skip(values)
}

// gregorianStart is 1582-10-15, the first day of the Gregorian calendar, in days
// after 1970-01-01.
const gregorianStart = -141427

// proleptic takes a day of the hybrid calendar to the day that is called the
// same in the Gregorian one.
func proleptic(day int64) int64 {
	if day >= gregorianStart || day < math.MinInt32 {
		return day
	}
	// The Julian calendar has 1461 days in four years. It counts here from
	// 0000-03-01, day -719470, so that the leap day ends a year.
	n := day + 719470
	fours := n / 1461
	if n%1461 < 0 {
		fours--
	}
	rest := n - fours*1461
	years := min(rest/365, 3)
	inYear := rest - years*365
	year := fours*4 + years
	month := (5*inYear + 2) / 153
	dayOf := inYear - (153*month+2)/5 + 1
	return time.Date(int(year), time.Month(3+month), int(dayOf), 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}
