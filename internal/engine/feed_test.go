package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// counter is a feed of numbers, text and a nested column in parts of equal
// length.
type counter struct {
	rows   int // of each part
	opened atomic.Int64
	closed atomic.Int64
	mu     sync.Mutex
	wanted []int
}

var counterColumns = []lake.Column{
	{Name: "n", Type: lake.Type{Kind: lake.BigInt}},
	{Name: "text", Type: lake.Type{Kind: lake.Varchar}},
	{Name: "l", Type: lake.Type{Kind: lake.List, Elem: &lake.Type{Kind: lake.Integer}}},
}

func (c *counter) feed(parts int) lake.Feed {
	return lake.Feed{Columns: counterColumns, Parts: parts, Rows: int64(parts * c.rows), Open: func(_ context.Context, part int, columns []int) (lake.FeedReader, error) {
		c.opened.Add(1)
		c.mu.Lock()
		c.wanted = columns
		c.mu.Unlock()
		return &counterReader{c: c, next: part * c.rows, end: (part + 1) * c.rows, columns: columns}, nil
	}}
}

type counterReader struct {
	c         *counter
	next, end int
	columns   []int
	text      []byte
}

func (r *counterReader) Read(dst *lake.Chunk) (int, error) {
	n := min(dst.Rows, r.end-r.next)
	for i, c := range r.columns {
		v := &dst.Columns[i]
		switch c {
		case 0:
			for j := range n {
				v.Data.([]int64)[j] = int64(r.next + j)
				if (r.next+j)%7 == 0 {
					v.SetNull(j)
				}
			}
		case 1:
			for j := range n {
				v.Data.([]lake.String)[j] = lake.MakeString(fmt.Appendf(nil, "%0*d", 1+(r.next+j)%30, r.next+j))
			}
		case 2:
			var elems []int32
			for j := range n {
				k := (r.next + j) % 4
				v.Data.([]lake.Entry)[j] = lake.Entry{Offset: uint64(len(elems)), Length: uint64(k)}
				for e := range k {
					elems = append(elems, int32(r.next+j+e))
				}
			}
			v.Child[0].Data = elems
		}
	}
	r.next += n
	return n, nil
}

func (r *counterReader) Close() error { r.c.closed.Add(1); return nil }

func TestFeedsAreReadInParallelPartsOfTheWantedColumns(t *testing.T) {
	conn := connect(t, openDB(t, Options{Threads: 2}))
	c := &counter{rows: 5000}
	from := Offer(t.Context(), c.feed(7))
	const rows = 35000
	for _, q := range []struct {
		sql, want string
		columns   []int
	}{
		{"count(*)", fmt.Sprint(rows), []int{}},
		{"count(n), sum(n)", fmt.Sprintf("%d | %d", rows-rows/7, (rows-1)*rows/2-7*(rows/7-1)*(rows/7)/2), []int{0}},
		{"count(*), bool_and(l = range(n, n + n % 4)), sum(len(l))", fmt.Sprintf("%d | true | %d", rows, rows/4*6), []int{0, 2}},
		{"bool_and(CAST(text AS BIGINT) = n), max(len(text))", "true | 30", []int{0, 1}},
	} {
		sql := "SELECT " + q.sql + " FROM " + from
		if got := grid(t, conn, sql); got != q.want {
			t.Errorf("%s gives %s, want %s", sql, got, q.want)
		}
		slices.Sort(c.wanted)
		if !slices.Equal(c.wanted, q.columns) && q.sql != "count(*)" {
			t.Errorf("%s reads the columns %v, want %v", sql, c.wanted, q.columns)
		}
	}
	if got := grid(t, conn, "SELECT n FROM "+from+" LIMIT 1"); got == "" {
		t.Error("a limit leaves no row")
	}
	if o, c := c.opened.Load(), c.closed.Load(); o != c {
		t.Errorf("%d readers were opened and %d closed", o, c)
	}
}

// fixed is a feed of one chunk.
type fixed struct {
	columns []lake.Column
	rows    int
	vectors []lake.Vector
}

func (f fixed) feed() lake.Feed {
	return lake.Feed{Columns: f.columns, Parts: 1, Open: func(_ context.Context, _ int, columns []int) (lake.FeedReader, error) {
		return &fixedReader{fixed: f, wanted: columns}, nil
	}}
}

type fixedReader struct {
	fixed
	wanted []int
	over   bool
}

func (r *fixedReader) Read(dst *lake.Chunk) (int, error) {
	if r.over {
		return 0, nil
	}
	r.over = true
	for i, c := range r.wanted {
		dst.Columns[i] = r.vectors[c]
	}
	return r.rows, nil
}

func (*fixedReader) Close() error { return nil }

func strs(texts ...string) []lake.String {
	out := make([]lake.String, len(texts))
	for i, s := range texts {
		out[i] = lake.MakeString([]byte(s))
	}
	return out
}

// TestFeedsCarryEveryType reads rows that a feed makes next to what they are as
// SQL spells them.
func TestFeedsCarryEveryType(t *testing.T) {
	kind := func(k lake.Kind) lake.Type { return lake.Type{Kind: k} }
	decimal := func(w, s uint8) lake.Type { return lake.Type{Kind: lake.Decimal, Width: w, Scale: s} }
	list := func(e lake.Type) lake.Type { return lake.Type{Kind: lake.List, Elem: &e} }
	text, number := kind(lake.Varchar), kind(lake.Integer)
	mapping := lake.Type{Kind: lake.Map, Key: &text, Elem: &number}
	record := lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "a", Type: number}, {Name: "b", Type: text}}}
	second := []uint64{^uint64(0) &^ 2} // row 1 of 3 is NULL
	long := strings.Repeat("long", 10)
	cases := []struct {
		v    lake.Vector
		want string // the three rows
	}{
		{lake.Vector{Type: kind(lake.Boolean), Data: []bool{true, true, false}, Valid: second}, "true,NULL,false"},
		{lake.Vector{Type: kind(lake.TinyInt), Data: []int8{-128, 0, 127}}, "-128,0,127"},
		{lake.Vector{Type: kind(lake.SmallInt), Data: []int16{-32768, 0, 1}}, "-32768,0,1"},
		{lake.Vector{Type: kind(lake.Integer), Data: []int32{1, 2, 3}, Valid: second}, "1,NULL,3"},
		{lake.Vector{Type: kind(lake.BigInt), Data: []int64{1, 2, 3}}, "1,2,3"},
		{lake.Vector{Type: kind(lake.UInteger), Data: []uint32{1, 2, 1<<32 - 1}}, "1,2,4294967295"},
		{lake.Vector{Type: kind(lake.HugeInt), Data: []lake.Int128{{Lo: 1}, {Hi: 1}, {Lo: ^uint64(0), Hi: -1}}}, "1,18446744073709551616,-1"},
		{lake.Vector{Type: kind(lake.Float), Data: []float32{1.5, 0, -1}}, "1.5,0.0,-1.0"},
		{lake.Vector{Type: kind(lake.Double), Data: []float64{1.5, 0, -1}}, "1.5,0.0,-1.0"},
		{lake.Vector{Type: decimal(4, 1), Data: []int16{15, 0, -1}}, "1.5,0.0,-0.1"},
		{lake.Vector{Type: decimal(9, 2), Data: []int32{15, 0, -1}}, "0.15,0.00,-0.01"},
		{lake.Vector{Type: decimal(18, 0), Data: []int64{15, 0, -1}}, "15,0,-1"},
		{lake.Vector{Type: decimal(38, 3), Data: []lake.Int128{{Lo: 1500}, {}, {Lo: ^uint64(0), Hi: -1}}}, "1.500,0.000,-0.001"},
		{lake.Vector{Type: text, Data: strs("", "twelve bytes", long), Valid: second}, ",NULL," + long},
		{lake.Vector{Type: kind(lake.Blob), Data: strs("a", "\xff", long)}, "a,\\xFF," + long},
		{lake.Vector{Type: kind(lake.JSON), Data: strs("{}", "1", "[]")}, "{},1,[]"},
		{lake.Vector{Type: kind(lake.Date), Data: []int32{0, -1, 19000}}, "1970-01-01,1969-12-31,2022-01-08"},
		{lake.Vector{Type: kind(lake.Timestamp), Data: []int64{0, -1, 1e15}}, "1970-01-01 00:00:00,1969-12-31 23:59:59.999999,2001-09-09 01:46:40"},
		{lake.Vector{Type: kind(lake.TimestampNS), Data: []int64{0, -1, 1e18}}, "1970-01-01 00:00:00,1969-12-31 23:59:59.999999999,2001-09-09 01:46:40"},
		{lake.Vector{Type: kind(lake.TimestampTZ), Data: []int64{0, -1, 1e15}}, "1970-01-01 00:00:00+00,1969-12-31 23:59:59.999999+00,2001-09-09 01:46:40+00"},
		{lake.Vector{Type: list(text), Data: []lake.Entry{{Offset: 0, Length: 2}, {Offset: 9, Length: 9}, {Offset: 2, Length: 1}}, Valid: second,
			Child: []lake.Vector{{Data: strs(long, "b", "c"), Valid: second}}}, "[" + long + ", NULL],NULL,[c]"},
		{lake.Vector{Type: list(list(number)), Data: []lake.Entry{{Offset: 0, Length: 2}, {}, {Offset: 2, Length: 1}},
			Child: []lake.Vector{{Data: []lake.Entry{{Offset: 0, Length: 1}, {Offset: 1, Length: 0}, {Offset: 1, Length: 2}},
				Child: []lake.Vector{{Data: []int32{7, 8, 9}}}}}}, "[[7], []],[],[[8, 9]]"},
		{lake.Vector{Type: mapping, Data: []lake.Entry{{Offset: 0, Length: 1}, {}, {Offset: 1, Length: 2}}, Valid: second,
			Child: []lake.Vector{{Child: []lake.Vector{{Data: strs("k", "l", long)}, {Data: []int32{1, 2, 3}, Valid: second}}}}}, "{k=1},NULL,{l=NULL, " + long + "=3}"},
		{lake.Vector{Type: record, Valid: second, Child: []lake.Vector{{Data: []int32{1, 2, 3}}, {Data: strs("x", "y", long)}}}, "{'a': 1, 'b': x},NULL,{'a': 3, 'b': " + long + "}"},
		{lake.Vector{Type: list(record), Data: []lake.Entry{{Offset: 0, Length: 2}, {}, {}}, Child: []lake.Vector{{Valid: second,
			Child: []lake.Vector{{Data: []int32{1, 2}}, {Data: strs("x", "y")}}}}}, "[{'a': 1, 'b': x}, NULL],[],[]"},
	}
	conn := memory(t)
	do(t, conn, "SET TimeZone = 'UTC'")
	for _, c := range cases {
		f := fixed{columns: []lake.Column{{Name: "v", Type: c.v.Type}}, rows: 3, vectors: []lake.Vector{c.v}}
		sql := "SELECT string_agg(coalesce(CAST(v AS VARCHAR), 'NULL'), ',') FROM " + Offer(t.Context(), f.feed())
		if got := grid(t, conn, sql); got != c.want {
			t.Errorf("%s: got %s, want %s", c.v.Type, got, c.want)
		}
	}
	f := fixed{columns: []lake.Column{{Name: "s", Type: record}}, rows: 3, vectors: []lake.Vector{cases[len(cases)-2].v}}
	if got := grid(t, conn, "SELECT count(s.a), count(s.b) FROM "+Offer(t.Context(), f.feed())); got != "2 | 2" {
		t.Errorf("fields of a NULL struct: %s of 2 | 2 are not NULL", got)
	}
}

func TestErrorsOfFeedsArriveAsTheyAre(t *testing.T) {
	conn := memory(t)
	columns := []lake.Column{{Name: "v", Type: lake.Type{Kind: lake.Varchar}}}
	own := sqlerr.New(sqlerr.Denied, "Denied: s3:GetObject").WithHint("ask")
	fails := func(read func(*lake.Chunk) (int, error)) lake.Feed {
		return lake.Feed{Columns: columns, Parts: 3, Open: func(context.Context, int, []int) (lake.FeedReader, error) {
			if read == nil {
				return nil, own
			}
			return readFunc(read), nil
		}}
	}
	for name, c := range map[string]struct {
		feed lake.Feed
		want string
	}{
		"open":    {fails(nil), "Denied: s3:GetObject\nhint: ask"},
		"read":    {fails(func(*lake.Chunk) (int, error) { return 0, own }), "Denied: s3:GetObject\nhint: ask"},
		"panic":   {fails(func(*lake.Chunk) (int, error) { panic("oops") }), "internal fault: oops"},
		"many":    {fails(func(c *lake.Chunk) (int, error) { return c.Rows + 1, nil }), "a reader gave 2049 rows of 1 columns where 2048 of 1 were asked for"},
		"bytes":   {fails(func(c *lake.Chunk) (int, error) { c.Columns[0].Data = strs("\xff"); return 1, nil }), "not UTF-8"},
		"type":    {fails(func(c *lake.Chunk) (int, error) { c.Columns[0].Data = []int32{1}; return 1, nil }), "1 rows of type VARCHAR were delivered as []int32"},
		"short":   {fails(func(c *lake.Chunk) (int, error) { c.Columns[0].Data = strs("a"); return 2, nil }), "2 rows of type VARCHAR were delivered as []lake.String"},
		"no type": {lake.Feed{Columns: []lake.Column{{Name: "e", Type: lake.Type{Kind: lake.Struct}}}}, "column e: a struct without fields"},
	} {
		_, err := conn.Exec(t.Context(), "SELECT max(v) FROM "+Offer(t.Context(), c.feed))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if e, ok := errors.AsType[*sqlerr.Error](err); strings.HasPrefix(c.want, "Denied") && (!ok || e != own) {
			t.Errorf("%s: the error is another: %#v", name, err)
		}
	}
}

type readFunc func(*lake.Chunk) (int, error)

func (f readFunc) Read(dst *lake.Chunk) (int, error) { return f(dst) }
func (readFunc) Close() error                        { return nil }

func TestFeedsEndWithTheirStatement(t *testing.T) {
	conn := memory(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reading := make(chan bool)
	from := Offer(ctx, lake.Feed{Columns: counterColumns[:1], Parts: 1, Open: func(ctx context.Context, _ int, _ []int) (lake.FeedReader, error) {
		return readFunc(func(*lake.Chunk) (int, error) {
			close(reading)
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}), nil
	}})
	go func() {
		<-reading
		cancel(sqlerr.New(sqlerr.Canceled, "stopped by the test"))
	}()
	if _, err := conn.Exec(ctx, "SELECT max(n) FROM "+from); err == nil || !strings.Contains(err.Error(), "stopped by the test") {
		t.Errorf("a stopped statement ends with %v", err)
	}
	for {
		offers.Lock()
		left := len(offers.open)
		offers.Unlock()
		if left == 0 {
			break
		}
		runtime.Gosched()
	}
	if _, err := conn.Exec(t.Context(), "SELECT max(n) FROM "+from); err == nil {
		t.Error("a feed is read after its statement")
	}
}

func TestClientsCannotCallTheFeedFunction(t *testing.T) {
	conn := memory(t)
	for _, sql := range []string{
		"SELECT * FROM lakeport_feed(1)", "SELECT * FROM system.main.lakeport_feed(1)", "SELECT * FROM (FROM Lakeport_Feed(1))",
	} {
		tree, err := conn.Inspect(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Check(); !sqlerr.Is(err, sqlerr.Denied) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
