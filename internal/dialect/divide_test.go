package dialect

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"lakeport/internal/lake"
)

// TestQuotientsAreExact divides numbers of all sizes and compares them with
// fractions.
func TestQuotientsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	number := func() lake.Int128 {
		n := lake.Int128{Lo: random.Uint64() >> random.IntN(64)}
		if random.IntN(2) == 0 {
			n.Hi = random.Int64N(limit.Hi) >> random.IntN(64)
		}
		if random.IntN(2) == 0 {
			n = negated(n)
		}
		return n
	}
	for range 20000 {
		a, b := number(), number()
		aScale, bScale := uint8(random.IntN(20)), uint8(random.IntN(39))
		if random.IntN(100) == 0 {
			b = lake.Int128{}
		}
		q, _ := QuotientOf(lake.Type{Kind: lake.Decimal, Scale: aScale}, lake.Type{Kind: lake.Decimal})
		scale := q.Scale
		f := lake.Frame{Args: []lake.Vector{
			{Type: lake.Type{Kind: lake.Decimal, Scale: aScale}, Data: []lake.Int128{a}},
			{Type: lake.Type{Kind: lake.Decimal, Scale: bScale}, Data: []lake.Int128{b}},
			{Type: bigint, Data: []int64{int64(scale)}},
		}}
		ok, err := callQuotient(&f)
		if err != nil {
			t.Fatal(err)
		}
		want := "NULL"
		if b != (lake.Int128{}) {
			exact := new(big.Rat).SetFrac(a.Big(), b.Big())
			ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)-int64(aScale)+int64(bScale)), nil)
			if want = exact.Mul(exact, new(big.Rat).SetInt(ten)).FloatString(0); len(strings.TrimPrefix(want, "-")) > 38 {
				want = "NULL"
			}
		}
		got := "NULL"
		if ok {
			got = f.Big.Big().String()
		}
		if got != want && !(got == "0" && want == "-0") {
			t.Fatalf("%v e-%d / %v e-%d to scale %d: %s, want %s", a.Big(), aScale, b.Big(), bScale, scale, got, want)
		}
	}
}

// TestQuotientOf holds the rule of StarRocks' arithmetic: a dividend's scale
// and six more, up to 12.
func TestQuotientOf(t *testing.T) {
	decimal := func(w, s uint8) lake.Type { return lake.Type{Kind: lake.Decimal, Width: w, Scale: s} }
	integer, double := lake.Type{Kind: lake.Integer}, lake.Type{Kind: lake.Double}
	for _, c := range []struct {
		a, b  lake.Type
		scale uint8
		ok    bool
	}{
		{decimal(10, 2), decimal(20, 6), 8, true},
		{decimal(10, 2), integer, 8, true},
		{integer, decimal(5, 3), 6, true},
		{decimal(20, 7), decimal(5, 3), 12, true},
		{decimal(20, 12), decimal(5, 3), 12, true},
		{decimal(38, 20), decimal(38, 38), 20, true},
		{decimal(10, 2), lake.Type{Kind: lake.Null}, 8, true},
		{integer, integer, 0, false},
		{decimal(10, 2), double, 0, false},
		{double, decimal(10, 2), 0, false},
		{decimal(10, 2), lake.Type{Kind: lake.Varchar}, 0, false},
		{decimal(10, 2), lake.Type{}, 0, false},
		{lake.Type{Kind: lake.Interval}, decimal(10, 2), 0, false},
	} {
		if q, ok := QuotientOf(c.a, c.b); q.Scale != c.scale || ok != c.ok {
			t.Errorf("%v / %v: %v, %v; want scale %d, %v", c.a, c.b, q, ok, c.scale, c.ok)
		}
	}
}
