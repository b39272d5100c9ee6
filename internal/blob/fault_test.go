package blob_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/blob"
	"lakeport/internal/blob/blobtest"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// small is a file of four groups of two chunks; its footer takes request 1.
func small() *outline { return newOutline(4, []int{300_000, 200_000}) }

// readAll reads every chunk of a mounted outline in order.
func readAll(t testing.TB, path string, o *outline) error {
	t.Helper()
	for _, g := range o.chunks {
		for _, c := range g {
			got, err := readAt(t, path, c[0], int(c[1]))
			if err != nil {
				return err
			}
			if string(got) != string(o.data[c[0]:c[0]+c[1]]) {
				t.Fatalf("other bytes at %d", c[0])
			}
		}
	}
	return nil
}

// cut announces a whole answer, sends the first n bytes and drops the line.
func cut(w http.ResponseWriter, r *http.Request, data []byte, etag string, n int) {
	var from, to int
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(buf, "HTTP/1.1 206 Partial Content\r\nETag: %s\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n\r\n", etag, to-from+1, from, to, len(data))
	buf.Write(data[from : from+min(n, to-from)])
	buf.Flush()
}

func TestFaultsThatPassAreMended(t *testing.T) {
	o := small()
	for name, f := range map[string]struct {
		fault   func(w *world, n int, r *http.Request, rw http.ResponseWriter) bool
		retries int64
	}{
		"slow down": {func(_ *world, n int, _ *http.Request, rw http.ResponseWriter) bool {
			if n < 4 {
				refuse(rw, 503, "SlowDown", "Please reduce your request rate.")
			}
			return n < 4
		}, 3},
		"internal error": {func(_ *world, n int, _ *http.Request, rw http.ResponseWriter) bool {
			if n == 2 {
				refuse(rw, 500, "InternalError", "We encountered an internal error.")
			}
			return n == 2
		}, 1},
		"body cut short": {func(w *world, n int, r *http.Request, rw http.ResponseWriter) bool {
			if n == 2 {
				cut(rw, r, o.data, w.etags["b/k"], 100_000)
			}
			return n == 2
		}, 1},
		"line dropped before the head": {func(_ *world, n int, _ *http.Request, rw http.ResponseWriter) bool {
			if n == 1 {
				conn, _, _ := rw.(http.Hijacker).Hijack()
				conn.Close()
			}
			return n == 1
		}, 1},
		"silence": {func(_ *world, n int, r *http.Request, _ http.ResponseWriter) bool {
			if n == 2 {
				<-r.Context().Done()
			}
			return n == 2
		}, 1},
		"session expired": {func(w *world, _ int, r *http.Request, rw http.ResponseWriter) bool {
			old := strings.Contains(r.Header.Get("Authorization"), "AKIA1")
			if old {
				refuse(rw, 400, "ExpiredToken", "The provided token has expired.")
			}
			return old
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, blob.Options{Silence: 100 * time.Millisecond})
			obj := w.put("k", o.data)
			w.fail(func(n int, r *http.Request, rw http.ResponseWriter) bool { return f.fault(w, n, r, rw) })
			st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
			if err := readAll(t, paths[0], o); err != nil {
				t.Fatalf("%v: %v", err, st.Err())
			}
			if got := st.Stats()[0].Retries; got != f.retries {
				t.Errorf("%d repetitions, want %d", got, f.retries)
			}
			if err := st.Err(); err != nil {
				t.Errorf("statement failed: %v", err)
			}
			for _, r := range w.log() {
				if r.ifMatch != obj.ETag {
					t.Errorf("%s %s without If-Match %s", r.method, r.rng, obj.ETag)
				}
			}
			if name == "session expired" && w.keys.renewed != 1 {
				t.Errorf("session renewed %d times, want once", w.keys.renewed)
			}
		})
	}
}

func TestOnlyTheRestOfADyingAnswerIsFetchedAgain(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(1, []int{600_000})
	obj := w.put("k", o.data)
	w.fail(func(n int, r *http.Request, rw http.ResponseWriter) bool {
		if n == 2 {
			cut(rw, r, o.data, obj.ETag, 400_000)
		}
		return n == 2
	})
	_, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
	if err := readAll(t, paths[0], o); err != nil {
		t.Fatal(err)
	}
	log := w.log()
	if got, want := log[len(log)-1].rng, "bytes=400004-"; !strings.HasPrefix(got, want) || len(log) != 3 {
		t.Errorf("%d requests, the last for %s, want 3 and %s", len(log), got, want)
	}
}

func TestRefusalsReachTheStatement(t *testing.T) {
	o := small()
	answer := func(status int, code, message string, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			refuse(w, status, code, message)
		}
	}
	for name, f := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string // in the error
		kind   sqlerr.Kind
		check  func(*blob.Error) bool
	}{
		"denied": {answer(403, "AccessDenied", "User: u is not authorized to perform: s3:GetObject"), "is not authorized to perform", sqlerr.Internal,
			func(e *blob.Error) bool {
				return e.Action() == "s3:GetObject" && e.Resource() == "arn:aws:s3:::b/k" && e.Code == "AccessDenied" && e.RequestID == "REQ1"
			}},
		"changed":      {answer(412, "PreconditionFailed", "At least one"), "s3://b/k changed while the statement read it", sqlerr.Conflict, nil},
		"gone":         {answer(404, "NoSuchKey", "The specified key does not exist."), "it is gone", sqlerr.Conflict, nil},
		"shrunk":       {answer(416, "InvalidRange", "The requested range is not satisfiable"), "it ends before byte", sqlerr.Conflict, nil},
		"no bucket":    {answer(404, "NoSuchBucket", "The specified bucket does not exist"), "The specified bucket does not exist", sqlerr.Internal, nil},
		"other region": {answer(301, "PermanentRedirect", "Use the endpoint", "X-Amz-Bucket-Region", "us-west-2"), "the bucket is in region us-west-2", sqlerr.Internal, func(e *blob.Error) bool { return e.BucketRegion == "us-west-2" }},
		"clock":        {answer(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", "Date", "Tue, 14 Nov 2023 22:13:20 GMT"), "S3's clock says 2023-11-14T22:13:20Z, ours said 2023-11-14T23:13:20Z", sqlerr.Internal, nil},
		"wrong secret": {answer(403, "SignatureDoesNotMatch", "The request signature we calculated does not match"), "SignatureDoesNotMatch", sqlerr.Internal, nil},
		"always busy":  {answer(503, "SlowDown", "Please reduce your request rate."), "s3://b/k: gave up after 6 attempts: Please reduce your request rate. (SlowDown, status 503) (request REQ1)", sqlerr.Unreachable, func(e *blob.Error) bool { return e.Code == "SlowDown" }},
		"whole object": {func(w http.ResponseWriter) { w.Header().Set("ETag", `"x"`); w.Write([]byte("whole")) }, "changed while", sqlerr.Conflict, nil},
		"not a range":  {func(w http.ResponseWriter) { w.Write([]byte("whole")) }, "got status 200", sqlerr.Unreachable, nil},
		"not even HTTP": {func(w http.ResponseWriter) {
			c, b, _ := w.(http.Hijacker).Hijack()
			b.WriteString("hello\r\n\r\n")
			b.Flush()
			c.Close()
		}, "malformed HTTP", sqlerr.Unreachable, nil},
		"another length": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", "bytes 0-1/99")
			w.WriteHeader(206)
			w.Write([]byte("ab"))
		}, "its size was", sqlerr.Conflict, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, blob.Options{Now: func() time.Time { return time.Date(2023, 11, 14, 23, 13, 20, 0, time.UTC) }})
			obj := w.put("k", o.data)
			st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet", Columns: []string{}}, obj)
			w.fail(func(_ int, _ *http.Request, rw http.ResponseWriter) bool { f.answer(rw); return true })
			if err := readAll(t, paths[0], o); err == nil {
				t.Fatal("the read succeeded")
			} else if !strings.Contains(err.Error(), "input/output error") {
				t.Errorf("the engine sees %v", err)
			}
			err := st.Err()
			if err == nil || !strings.Contains(err.Error(), f.want) {
				t.Fatalf("cause is %v, want %q", err, f.want)
			}
			if got := sqlerr.From(err).Kind; got != f.kind {
				t.Errorf("kind %d, want %d", got, f.kind)
			}
			var e *blob.Error
			if !errors.As(err, &e) || f.check != nil && !f.check(e) {
				t.Errorf("error holds %+v", e)
			}
		})
	}
}

func TestUnreachableEndpointIsToldApart(t *testing.T) {
	w := newWorld(t, blob.Options{})
	obj := w.put("k", small().data)
	c := w.store.Client(aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(dead(t)), Credentials: w.keys}, blob.ClientOptions{PathStyle: true})
	st := w.store.Begin(context.Background())
	defer st.Close()
	_, err := st.Mount(context.Background(), c, nil, blob.Hint{})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := st.Mount(context.Background(), c, []lake.Object{obj}, blob.Hint{Format: "parquet"})
	if paths != nil || !sqlerr.Is(err, sqlerr.Unreachable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestCancelWakesAReaderAndClosesParkedAnswers(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := small()
	obj := w.put("k", o.data)
	ctx, cancel := context.WithCancelCause(context.Background())
	st := w.store.Begin(ctx)
	defer st.Close()
	held := make(chan struct{}, 64)
	gone := make(chan struct{}, 64)
	paths, err := st.Mount(ctx, w.c, []lake.Object{obj}, blob.Hint{Format: "parquet", Columns: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	w.hold(func(r *http.Request) {
		held <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	fd, err := blobtest.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer blobtest.Close(fd)
	var wg sync.WaitGroup
	var readErr error
	wg.Go(func() { _, readErr = blobtest.Pread(fd, make([]byte, 1000), o.chunks[1][0][0]) })
	<-held
	stopped := errors.New("KILL QUERY")
	start := time.Now()
	cancel(stopped)
	wg.Wait()
	if d := time.Since(start); d > 100*time.Millisecond {
		t.Errorf("the reader woke after %s", d)
	}
	<-gone
	if readErr == nil || !errors.Is(st.Err(), stopped) {
		t.Errorf("read gave %v, cause %v", readErr, st.Err())
	}
}

func TestCloseDropsParkedAnswers(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(20, []int{1_000_000})
	obj := w.put("k", o.data)
	held := make(chan struct{}, 64)
	gone := make(chan struct{}, 64)
	w.hold(func(r *http.Request) {
		if len(w.log()) == 1 {
			return
		}
		held <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	st, _ := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
	for range 16 {
		<-held
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		<-gone
	}
}

func TestAThrottledScanAsksForLessAtOnce(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := newOutline(120, []int{40_000})
	obj := w.put("k", o.data)
	arrived := make(chan struct{}, 1000)
	w.hold(func(*http.Request) { arrived <- struct{}{} })
	w.fail(func(n int, _ *http.Request, rw http.ResponseWriter) bool {
		primed := n > 1 && n <= 1+16
		if primed {
			refuse(rw, 503, "SlowDown", "Please reduce your request rate.")
		}
		return primed
	})
	st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
	for range 1 + 16 {
		<-arrived
	}
	if err := readAll(t, paths[0], o); err != nil {
		t.Fatalf("%v: %v", err, st.Err())
	}
	s := st.Stats()[0]
	if s.Retries != 16 || s.Most > 60 {
		t.Errorf("after 16 refusals: %+v", s)
	}
}

func TestAnIdleStatementMakesRoom(t *testing.T) {
	now := time.Unix(1700000000, 0)
	var mu sync.Mutex
	w := newWorld(t, blob.Options{MemoryBytes: 4 << 20, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	o := newOutline(30, []int{500_000})
	idle, idlePaths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, w.put("idle", o.data))
	mustRead(t, idlePaths[0], o.chunks[0][0][0], 500_000, o.data[4:500_004])
	// The idle statement's answers fill the bound, so that this one gets none ahead.
	poor, poorPaths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, w.put("poor", o.data))
	mustRead(t, poorPaths[0], o.chunks[0][0][0], 500_000, o.data[4:500_004])
	if most := poor.Stats()[0].Most; most != 1 {
		t.Fatalf("%d requests at once; the bound is not reached", most)
	}
	mu.Lock()
	now = now.Add(3 * time.Second)
	mu.Unlock()
	if err := readAll(t, poorPaths[0], o); err != nil {
		t.Fatalf("%v: %v", err, poor.Err())
	}
	if most := poor.Stats()[0].Most; most < 4 {
		t.Errorf("%d requests at once after the other was idle", most)
	}
	if err := readAll(t, idlePaths[0], o); err != nil {
		t.Fatalf("the idle statement: %v: %v", err, idle.Err())
	}
}
