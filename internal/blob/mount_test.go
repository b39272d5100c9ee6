package blob_test

import (
	"bytes"
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"lakeport/internal/blob"
	"lakeport/internal/blob/blobtest"
	"lakeport/internal/lake"
)

// readAt opens path as the engine would and reads n bytes at off.
func readAt(t testing.TB, path string, off int64, n int) ([]byte, error) {
	t.Helper()
	fd, err := blobtest.Open(path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	defer blobtest.Close(fd)
	p := make([]byte, n)
	got, err := blobtest.Pread(fd, p, off)
	if err != nil {
		return nil, err
	}
	return p[:got], nil
}

func mustRead(t testing.TB, path string, off int64, n int, want []byte) {
	t.Helper()
	got, err := readAt(t, path, off, n)
	if err != nil {
		t.Fatalf("read %d at %d: %v", n, off, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("read %d at %d: got %d other bytes", n, off, len(got))
	}
}

func mount(t testing.TB, w *world, c *blob.Client, h blob.Hint, objects ...lake.Object) (*blob.Statement, []string) {
	t.Helper()
	st := w.store.Begin(context.Background())
	t.Cleanup(func() { _ = st.Close() })
	paths, err := st.Mount(context.Background(), c, objects, h)
	if err != nil {
		t.Fatalf("mount: %v", err)
	}
	return st, paths
}

// sixteen columns as in a real table, large and small.
func sixteen() []int {
	sizes := make([]int, 16)
	for i := range sizes {
		sizes[i] = 20_000 + i*20_000
	}
	return sizes
}

func TestTwoColumnsOfSixteenFetchTheirChunksOnly(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(12, sixteen())
	var objects []lake.Object
	for _, k := range []string{"t/a.parquet", "t/b.parquet", "t/c.parquet", "t/d.parquet"} {
		objects = append(objects, w.put(k, o.data))
	}
	// After the four footers no answer is given until nine requests wait for one.
	var waiting atomic.Int32
	nine := make(chan struct{})
	w.hold(func(*http.Request) {
		if n := waiting.Add(1); n == 4+9 {
			close(nine)
		} else if n > 4 {
			<-nine
		}
	})
	st, paths := mount(t, w, w.c, blob.Hint{Table: "t", Format: "parquet", Columns: []string{"c3", "C9"}}, objects...)
	var want int64
	for _, p := range paths {
		want += o.footer
		for _, g := range o.chunks {
			for _, c := range []int{3, 9} {
				off, n := g[c][0], g[c][1]
				mustRead(t, p, off, int(n), o.data[off:off+n])
				want += n
			}
		}
	}
	n, sent, most := w.counts()
	if float64(sent) > 1.1*float64(want) {
		t.Errorf("fetched %d bytes for %d", sent, want)
	}
	if sent < want-4*o.footer {
		t.Errorf("fetched %d bytes, less than the %d that were read", sent, want)
	}
	if limit := 4 + 4*12*2; n > limit {
		t.Errorf("sent %d requests, want %d at most", n, limit)
	}
	if most <= 8 {
		t.Errorf("%d requests at once, want more than 8", most)
	}
	s := st.Stats()[0]
	if s.Table != "t" || s.Requests != int64(n) || s.Bytes != sent || s.Most <= 8 || s.Retries != 0 {
		t.Errorf("stats %+v for %d requests and %d bytes", s, n, sent)
	}
	if err := st.Err(); err != nil {
		t.Errorf("statement failed: %v", err)
	}
}

func TestColumnsAreLearntFromReads(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(200, []int{30_000, 90_000, 30_000}) // more than the window's requests
	st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet", Columns: []string{"c0"}}, w.put("k", o.data))
	for _, g := range o.chunks {
		for _, c := range []int{0, 2} { // c2 is not in the hint
			off, n := g[c][0], g[c][1]
			mustRead(t, paths[0], off, int(n), o.data[off:off+n])
		}
	}
	s := st.Stats()[0]
	if least := int64(200 * 30_000); s.Planned <= least {
		t.Errorf("planned %d bytes, no more than the hint's %d", s.Planned, least)
	}
	if s.Bytes > 200*60_000*17/16+o.footer+32<<10 {
		t.Errorf("fetched %d bytes", s.Bytes)
	}
}

func TestGroupsThatTheEnginePassesAreDropped(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(240, []int{50_000})
	st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, w.put("k", o.data))
	for i := 120; i < 240; i++ { // all before were pruned by statistics; these are more than the window holds
		off, n := o.chunks[i][0][0], o.chunks[i][0][1]
		mustRead(t, paths[0], off, int(n), o.data[off:off+n])
	}
	s := st.Stats()[0]
	if s.Skipped == 0 || s.Requests > 1+16+120+1 {
		t.Errorf("%+v: the pruned groups were fetched", s)
	}
}

func TestAFooterThatMakesNoSenseIsLeftToTheEngine(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(2, []int{100_000})
	for name, data := range map[string][]byte{
		"no Parquet":     bytes.Repeat([]byte("text "), 50_000),
		"short":          []byte("PAR1"),
		"footer too big": append(bytes.Repeat([]byte{1}, 50_000), 0xff, 0xff, 0xff, 0x7f, 'P', 'A', 'R', '1'),
		"damaged":        append(append(bytes.Clone(o.data[:len(o.data)-30]), bytes.Repeat([]byte{0xff}, 22)...), o.data[len(o.data)-8:]...),
	} {
		_, paths := mount(t, w, w.c, blob.Hint{Format: "parquet", Columns: []string{"c0"}}, w.put(name, data))
		mustRead(t, paths[0], 0, len(data), data)
	}
	_, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, w.put("empty", nil))
	mustRead(t, paths[0], 0, 10, nil)
}

func TestAnObjectWithoutETagIsAskedForIt(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := small()
	w.put("k", o.data)
	_, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, lake.Object{Bucket: "b", Key: "k"})
	if err := readAll(t, paths[0], o); err != nil {
		t.Fatal(err)
	}
	if got := w.log()[0].method; got != http.MethodHead {
		t.Errorf("first request is %s", got)
	}
}
