package blob

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"lakeport/internal/lake"
)

func TestSpansAreASetOfBytes(t *testing.T) {
	const size = 64
	r := rand.New(rand.NewPCG(1, 2))
	random := func() span {
		from := r.Int64N(size)
		return span{from, from + r.Int64N(size-from+1)}
	}
	for range 2000 {
		var s spans
		var model [size]bool
		for range r.IntN(8) {
			a := random()
			fresh := int64(0)
			for i := a.from; i < a.to; i++ {
				if !model[i] {
					model[i], fresh = true, fresh+1
				}
			}
			if got := s.add(a); got != fresh {
				t.Fatalf("add %v: %d new bytes, want %d", a, got, fresh)
			}
		}
		for i := range s {
			if s[i].from >= s[i].to || i > 0 && s[i-1].to >= s[i].from {
				t.Fatalf("spans touch: %v", s)
			}
		}
		for off := range int64(size) {
			end, next := off, off
			for end < size && model[end] {
				end++
			}
			for next < size && !model[next] {
				next++
			}
			if got := s.run(off); got != end {
				t.Fatalf("%v: run from %d ends at %d, want %d", s, off, got, end)
			}
			if got := s.next(off, size); got != next {
				t.Fatalf("%v: next after %d is %d, want %d", s, off, got, next)
			}
		}
		a := random()
		lo, hi := a.to, a.from
		for i := a.from; i < a.to; i++ {
			if !model[i] {
				lo, hi = min(lo, i), max(hi, i+1)
			}
		}
		if g := s.gap(a); g.len() > 0 && g != (span{lo, hi}) || g.len() <= 0 && lo < hi {
			t.Fatalf("%v: gap of %v is %v, want [%d, %d)", s, a, g, lo, hi)
		}
		keep := []span{random(), random()}
		out, in := s.split(keep)
		for i := range int64(size) {
			kept := model[i] && (keep[0].holds(span{i, i + 1}) || keep[1].holds(span{i, i + 1}))
			if (in.run(i) > i) != kept || (out.run(i) > i) != (model[i] && !kept) {
				t.Fatalf("%v split by %v: %v and %v", s, keep, out, in)
			}
		}
	}
}

// chunksOf makes a group of chunks of the given sizes, one after another.
func chunksOf(sizes ...int64) (*layout, *group) {
	l, g := &layout{}, &group{}
	var off int64
	for i, n := range sizes {
		l.columns = append(l.columns, string(rune('a'+i)))
		g.chunks = append(g.chunks, chunk{span{off, off + n}, i})
		off += n
	}
	g.span = span{0, off}
	return l, g
}

func TestPlanMergesSmallGapsOnly(t *testing.T) {
	const k, m = int64(1 << 10), int64(1 << 20)
	for _, c := range []struct {
		name   string
		sizes  []int64
		wanted string
		want   []span
	}{
		{"neighbours are one request", []int64{100 * k, 200 * k, 300 * k}, "ab", []span{{0, 300 * k}}},
		{"a small gap is fetched", []int64{500 * k, 50 * k, 500 * k}, "ac", []span{{0, 1050 * k}}},
		{"a gap that costs too much of the whole is not", []int64{500 * k, 100 * k, 500 * k}, "ac", []span{{0, 500 * k}, {600 * k, 1100 * k}}},
		{"a large gap never", []int64{m, 161 * k, m}, "ac", []span{{0, m}, {m + 161*k, 2*m + 161*k}}},
		{"the smallest gaps first", []int64{400 * k, 80 * k, 400 * k, 10 * k, 400 * k}, "ace", []span{{0, 400 * k}, {480 * k, 1290 * k}}},
		{"not beyond what a socket holds", []int64{3 * m / 2, k, 3 * m / 2}, "ac", []span{{0, 3 * m / 2}, {3*m/2 + k, 3*m + k}}},
		{"a long chunk in parts", []int64{5 * m}, "a", []span{{0, 2 * m}, {2 * m, 4 * m}, {4 * m, 5 * m}}},
		{"nothing", []int64{m}, "", nil},
	} {
		sc := &scan{wanted: map[string]bool{}}
		for _, name := range c.wanted {
			sc.wanted[string(name)] = true
		}
		if got := sc.plan(chunksOf(c.sizes...)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTailIsWhatTheEngineReads(t *testing.T) {
	for size, want := range map[int64]int64{0: 0, 5: 5, 20 << 10: 16 << 10, 17_000_000: 32 << 10, 236_490_597: 256 << 10, 100 << 30: 256 << 10} {
		if got := tailSize(size); got != want {
			t.Errorf("file of %d: tail of %d, want %d", size, got, want)
		}
	}
}

func FuzzParseFooter(f *testing.F) {
	f.Add([]byte{0}, int64(100))
	f.Add([]byte{0x15, 0x04, 0x19, 0x1c, 0x48, 0x04, 'r', 'o', 'o', 't', 0, 0x16, 0, 0x19, 0x1c, 0x19, 0x1c, 0x26, 8, 0x1c, 0x39, 0x18, 1, 'a', 0x46, 20, 0x26, 8, 0, 0, 0, 0}, int64(1000))
	f.Add(append([]byte{0x19, 0xfc}, binary.AppendUvarint(nil, 1<<40)...), int64(1000))
	f.Add(bytes.Repeat([]byte{0x1c}, 5000), int64(1000))
	f.Add(bytes.Repeat([]byte{0x19, 0x19}, 5000), int64(1000))
	f.Add([]byte{0x1b, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x11}, int64(1000))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		l, columns, err := parseFooter(data, size, func(_, low, high string) bool { return low > high })
		if err != nil {
			return
		}
		if count(columns) > len(data) {
			t.Fatalf("%d bytes of footer made %d columns", len(data), count(columns))
		}
		n := len(l.columns)
		for _, g := range l.groups {
			n += len(g.chunks)
			for _, c := range g.chunks {
				if !(span{0, size}).holds(c.span) || !g.holds(c.span) || c.column >= len(l.columns) {
					t.Fatalf("chunk %v outside of a file of %d or its group %v", c, size, g.span)
				}
			}
			sc := &scan{}
			for _, r := range sc.plan(l, &g) {
				if !g.holds(r) || r.len() > maxRequest {
					t.Fatalf("request %v for group %v", r, g.span)
				}
			}
		}
		if n > 2*len(data) {
			t.Fatalf("%d bytes of footer made %d entries", len(data), n)
		}
	})
}

// count counts columns with those inside of them.
func count(columns []lake.Column) int {
	n := len(columns)
	for _, c := range columns {
		n += count(c.Type.Fields)
		for _, inner := range []*lake.Type{c.Type.Key, c.Type.Elem} {
			if inner != nil {
				n += count(inner.Fields)
			}
		}
	}
	return n
}

func FuzzParseMap(f *testing.F) {
	f.Add([]byte(`{"Bucket":"b","Key":"k","Size":10,"Have":[[0,5],[7,9]]}`))
	f.Add([]byte(`{"Size":-1,"Have":[[0,9223372036854775807]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseMap(text)
		if err == nil && (o.have.size() > o.Size || o.have.size() < 0) {
			t.Fatalf("%d bytes of an object of %d", o.have.size(), o.Size)
		}
	})
}

func FuzzAnswerError(f *testing.F) {
	f.Add(403, []byte(`<Error><Code>AccessDenied</Code><Message>m</Message></Error>`), "us-east-1")
	f.Add(301, []byte(``), "")
	f.Fuzz(func(t *testing.T, status int, body []byte, region string) {
		h := http.Header{"X-Amz-Bucket-Region": {region}, "Date": {region}}
		e := answerError("s3:GetObject", "s3://b/k", status, h, body, time.Time{})
		if e.Code == "" || e.Error() == "" {
			t.Fatalf("no code: %+v", e)
		}
	})
}
