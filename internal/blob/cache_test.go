package blob_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lakeport/internal/blob"
	"lakeport/internal/blob/blobtest"
	"lakeport/internal/lake"
)

// use reads every chunk of obj once in a statement of its own and tells the
// requests it took.
func use(t *testing.T, w *world, c *blob.Client, o *outline, obj lake.Object) int {
	t.Helper()
	before, _, _ := w.counts()
	st, paths := mount(t, w, c, blob.Hint{Format: "parquet"}, obj)
	if err := readAll(t, paths[0], o); err != nil {
		t.Fatalf("%v: %v", err, st.Err())
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	after, _, _ := w.counts()
	return after - before
}

func TestCachedBytesAreServedOnlyToWhoMayRead(t *testing.T) {
	now := time.Unix(1700000000, 0)
	w := newWorld(t, blob.Options{Now: func() time.Time { return now }})
	o := small()
	obj := w.put("k", o.data)
	always := w.client("alice", -1)
	bob := w.client("bob", 0)
	if n := use(t, w, w.c, o, obj); n < 2 {
		t.Fatalf("cold: %d requests", n)
	}
	for _, step := range []struct {
		what    string
		client  *blob.Client
		forward time.Duration
		want    int
	}{
		{"alice again", w.c, 0, 0},
		{"alice within a minute", w.c, 59 * time.Second, 0},
		{"alice after a minute", w.c, 2 * time.Second, 1},
		{"alice, asked each time", always, 0, 1},
		{"alice, asked each time again", always, 0, 1},
		{"bob's first time", bob, 0, 1},
		{"bob's second", bob, 0, 0},
		{"bob much later", bob, time.Hour, 1},
	} {
		now = now.Add(step.forward)
		if n := use(t, w, step.client, o, obj); n != step.want {
			t.Errorf("%s: %d requests, want %d", step.what, n, step.want)
		}
	}
	w.fail(func(_ int, _ *http.Request, rw http.ResponseWriter) bool {
		refuse(rw, 403, "AccessDenied", "no")
		return true
	})
	st := w.store.Begin(context.Background())
	defer st.Close()
	_, err := st.Mount(context.Background(), w.client("mallory", 0), []lake.Object{obj}, blob.Hint{Format: "parquet"})
	if e, ok := errors.AsType[*blob.Error](err); !ok || e.Code != "AccessDenied" {
		t.Errorf("mallory got %v", err)
	}
}

// HEAD of an object under a KMS key asks for no key, so that it opens no cached
// bytes to who headed it.
func TestAHeadDoesNotOpenWhatAKeyProtects(t *testing.T) {
	for algorithm, requests := range map[string]int{"AES256": 0, "aws:kms": 1} {
		w := newWorld(t, blob.Options{})
		o := small()
		obj := w.put("k", o.data)
		use(t, w, w.c, o, obj)
		w.fail(func(_ int, _ *http.Request, rw http.ResponseWriter) bool {
			rw.Header().Set("X-Amz-Server-Side-Encryption", algorithm)
			return false
		})
		bob := w.client("bob", 0)
		if _, err := bob.Head(t.Context(), obj.URI()); err != nil {
			t.Fatal(err)
		}
		if n := use(t, w, bob, o, obj); n != requests {
			t.Errorf("%s: %d requests after a HEAD, want %d", algorithm, n, requests)
		}
	}
}

func TestALongStatementIsAskedAgain(t *testing.T) {
	now := time.Unix(1700000000, 0)
	w := newWorld(t, blob.Options{Now: func() time.Time { return now }})
	o := small()
	obj := w.put("k", o.data)
	use(t, w, w.c, o, obj)
	st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
	now = now.Add(2 * time.Minute)
	w.fail(func(_ int, _ *http.Request, rw http.ResponseWriter) bool {
		refuse(rw, 403, "AccessDenied", "no")
		return true
	})
	if err := readAll(t, paths[0], o); err == nil {
		t.Error("cached bytes were served after the permission had ended")
	}
	if e, ok := errors.AsType[*blob.Error](st.Err()); !ok || e.Code != "AccessDenied" {
		t.Errorf("cause %v", st.Err())
	}
}

func TestConcurrentStatementsFetchABlockOnce(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(16, []int{300_000, 200_000, 100_000})
	obj := w.put("k", o.data)
	alone := use(t, w, w.c, o, obj)
	obj = w.put("other", newOutline(16, []int{300_000, 200_000, 100_000}).data)
	before, bytes, _ := w.counts()
	var wg sync.WaitGroup
	for range 8 {
		st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
		wg.Go(func() {
			if err := readAll(t, paths[0], o); err != nil {
				t.Errorf("%v: %v", err, st.Err())
			}
		})
	}
	wg.Wait()
	n, sent, _ := w.counts()
	if n-before != alone || sent-bytes > int64(len(o.data)) {
		t.Errorf("eight statements: %d requests, %d bytes; one alone needs %d for %d bytes", n-before, sent-bytes, alone, len(o.data))
	}
}

func TestAStatementThatStopsLeavesItsAnswersToOthers(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(8, []int{300_000})
	obj := w.put("k", o.data)
	first, _ := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj) // its answers are parked
	second, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
	mustRead(t, paths[0], o.chunks[0][0][0], 300_000, o.data[4:300_004])
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := readAll(t, paths[0], o); err != nil {
		t.Fatalf("%v: %v", err, second.Err())
	}
}

func TestCacheSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, blob.Options{Dir: dir})
	o := small()
	obj := w.put("k", o.data)
	use(t, w, w.c, o, obj)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	reopen := func() *world {
		s, err := blob.Open(blob.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		v := &world{server: w.server, store: s, keys: w.keys}
		v.c = v.client("alice", 0)
		return v
	}
	if n := use(t, reopen(), reopen().c, o, obj); n == 0 {
		t.Error("a new process served cached bytes without asking")
	}
	again := reopen()
	if n := use(t, again, again.c, o, obj); n != 1 {
		t.Errorf("%d requests after a restart, want one that asks for permission", n)
	}
	_ = again.store.Close()
	for name, damage := range map[string]func(bytes, blockMap string) error{
		"file is gone":      func(b, _ string) error { return os.Remove(b) },
		"file is shorter":   func(b, _ string) error { return os.Truncate(b, 10) },
		"map is gone":       func(_, m string) error { return os.Remove(m) },
		"map is cut":        func(_, m string) error { return os.Truncate(m, 20) },
		"map of another":    func(_, m string) error { return rewrite(m, `"Key":"k"`, `"Key":"l"`) },
		"map says too much": func(_, m string) error { return rewrite(m, `"Have":[[`, `"Have":[[-5,1],[`) },
	} {
		t.Run(name, func(t *testing.T) {
			maps, _ := filepath.Glob(filepath.Join(dir, "cache", "*.map"))
			if len(maps) != 1 {
				t.Fatalf("maps %v", maps)
			}
			if err := damage(strings.TrimSuffix(maps[0], ".map"), maps[0]); err != nil {
				t.Fatal(err)
			}
			v := reopen()
			if n := use(t, v, v.c, o, obj); n < 2 {
				t.Errorf("%d requests: damaged bytes were trusted", n)
			}
			_ = v.store.Close()
		})
	}
}

func rewrite(path, old, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), old) {
		return fmt.Errorf("%s has no %s", b, old)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(b), old, text, 1)), 0o600)
}

func TestCacheStaysWithinItsBound(t *testing.T) {
	dir := t.TempDir()
	const bound = 2 << 20
	w := newWorld(t, blob.Options{Dir: dir, CacheBytes: bound})
	o := newOutline(12, []int{300_000, 200_000})
	var objects []lake.Object
	for i := range 5 {
		objects = append(objects, w.put(fmt.Sprint(i), o.data))
	}
	for range 2 {
		for _, obj := range objects {
			use(t, w, w.c, o, obj) // one object alone is larger than the bound
			var disk int64
			files, _ := filepath.Glob(filepath.Join(dir, "cache", "*"))
			for _, f := range files {
				var s syscall.Stat_t
				if err := syscall.Stat(f, &s); err == nil {
					disk += s.Blocks * 512
				}
			}
			if disk > bound+bound/4 {
				t.Errorf("%d bytes on disk, the bound is %d", disk, bound)
			}
		}
	}
}

func TestEvictionUnderReadersServesRightBytes(t *testing.T) {
	w := newWorld(t, blob.Options{CacheBytes: 1 << 20})
	o := newOutline(20, []int{100_000, 30_000, 30_000})
	obj := w.put("k", o.data)
	var wg sync.WaitGroup
	for range 6 {
		st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
		wg.Go(func() {
			for range 5 {
				if err := readAll(t, paths[0], o); err != nil {
					t.Errorf("%v: %v", err, st.Err())
				}
			}
		})
	}
	wg.Wait()
}

func TestADescriptorThatOutlivesItsStatementFails(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := small()
	st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, w.put("k", o.data))
	if fd, err := blobtest.OpenWrite(paths[0]); !errors.Is(err, syscall.EROFS) {
		t.Errorf("open for writing gave %d, %v", fd, err)
	}
	fd, err := blobtest.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer blobtest.Close(fd)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := blobtest.Pread(fd, make([]byte, 10), 4); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.store.Mounts(), "*")); len(left) != 0 {
		t.Errorf("left mounted: %v", left)
	}
}

func TestAReusedDescriptorIsAnOrdinaryFile(t *testing.T) {
	w := newWorld(t, blob.Options{})
	_, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, w.put("k", small().data))
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("ordinary"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := blobtest.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	blobtest.Close(fd)
	for again := -1; again != fd; { // the lowest free number comes back soon
		if again, err = blobtest.Open(plain); err != nil {
			t.Fatal(err)
		}
		defer blobtest.Close(again)
		p := make([]byte, 20)
		if n, err := blobtest.Pread(again, p, 0); err != nil || string(p[:n]) != "ordinary" {
			t.Errorf("descriptor %d gave %q, %v", again, p[:n], err)
		}
	}
}
