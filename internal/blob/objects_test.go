package blob_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/blob"
	"lakeport/internal/blob/blobtest"
	"lakeport/internal/iam"
)

func TestKeysAreBytes(t *testing.T) {
	w := newWorld(t, blob.Options{})
	o := small()
	keys := []string{
		"a b.parquet", "a+b", "a%20b", "a%2Fb", "p=1/x.parquet", "p=a%3Db/x", "a//b", "a/./b", "a/../b", "ü/日本", "q?x=1&y", "h#f", "tab\there", "~t*'()!", "semi;colon,", "back\\slash",
	}
	for _, k := range keys {
		obj := w.put(k, o.data)
		if n := use(t, w, w.c, o, obj); n == 0 {
			t.Errorf("%q: nothing was fetched", k)
		}
		log := w.log()
		if got := log[len(log)-1].path; got != "/b/"+k {
			t.Errorf("asked for %q, want %q", got, "/b/"+k)
		}
		st, paths := mount(t, w, w.c, blob.Hint{Format: "parquet"}, obj)
		if got := w.store.URI(paths[0]); got != "s3://b/"+k {
			t.Errorf("URI gives %q", got)
		}
		text := `IO Error: could not read "` + paths[0] + `": x, ` + paths[0] + `.`
		if got, want := w.store.Translate(text), `IO Error: could not read "s3://b/`+k+`": x, s3://b/`+k+`.`; got != want {
			t.Errorf("Translate gives %q, want %q", got, want)
		}
		st.Close()
	}
	got, err := w.c.List(context.Background(), "b", "", true)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, o := range got {
		listed = append(listed, o.Key)
	}
	slices.Sort(keys)
	if !slices.Equal(listed, keys) {
		t.Errorf("listed %q, want %q", listed, keys)
	}
}

func TestListStopsAtASlashUnlessRecursive(t *testing.T) {
	w := newWorld(t, blob.Options{})
	for _, k := range []string{"t/a", "t/b", "t/c", "t/sub/d", "u"} {
		w.put(k, []byte(k))
	}
	for recursive, want := range map[bool]int{true: 4, false: 3} {
		got, err := w.c.List(context.Background(), "b", "t/", recursive)
		if err != nil || len(got) != want {
			t.Errorf("recursive %v: %d objects, %v; want %d", recursive, len(got), err, want)
		}
		for _, o := range got {
			if o.Bucket != "b" || o.Size != int64(len(o.Key)) || !strings.HasPrefix(o.ETag, `"`) {
				t.Errorf("listed %+v", o)
			}
		}
	}
}

func TestListBeginsAfterAKey(t *testing.T) {
	w := newWorld(t, blob.Options{})
	for _, k := range []string{"t/a", "t/b", "t/c d", "t/e", "u"} {
		w.put(k, []byte(k))
	}
	got, err := w.c.ListAfter(context.Background(), "b", "t/", "t/c", true)
	if err != nil || len(got) != 2 || got[0].Key != "t/c d" || got[1].Key != "t/e" {
		t.Errorf("listed %+v, %v", got, err)
	}
}

func TestObjectsAreReadWholeAndInPart(t *testing.T) {
	w := newWorld(t, blob.Options{})
	ctx := context.Background()
	data := bytes.Repeat([]byte("0123456789"), 500_000)
	obj, err := w.c.Put(ctx, "s3://b/dir/x", io.LimitReader(bytes.NewReader(data), int64(len(data))))
	if err != nil || obj.Size != int64(len(data)) || obj.ETag == "" {
		t.Fatalf("put gave %+v, %v", obj, err)
	}
	head, err := w.c.Head(ctx, "s3://b/dir/x")
	if err != nil || head.Size != obj.Size || head.ETag != obj.ETag || head.Modified.IsZero() {
		t.Fatalf("head gave %+v, %v", head, err)
	}
	if got, err := w.c.Get(ctx, head); err != nil || !bytes.Equal(got, data) {
		t.Errorf("get gave %d bytes, %v", len(got), err)
	}
	n, _, _ := w.counts()
	for _, r := range [][3]int64{{0, 10, 10}, {4_999_990, 100, 10}, {5_000_000, 5, 0}, {1_000_001, 3_000_000, 3_000_000}} {
		got, err := w.c.Read(ctx, head, r[0], r[1])
		if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[2]]) {
			t.Errorf("read %v gave %d bytes, %v", r, len(got), err)
		}
	}
	if after, _, _ := w.counts(); after != n {
		t.Errorf("%d requests for cached bytes", after-n)
	}
}

func TestHeadGivesTheReasonOfARefusal(t *testing.T) {
	w := newWorld(t, blob.Options{})
	w.fail(func(_ int, r *http.Request, rw http.ResponseWriter) bool {
		refuse(rw, 403, "AccessDenied", "because of the boundary")
		return true
	})
	_, err := w.c.Head(context.Background(), "s3://b/x")
	if e, ok := errors.AsType[*blob.Error](err); !ok || e.Message != "because of the boundary" {
		t.Errorf("got %v", err)
	}
}

func TestFaultsOfTheSDKAreErrorsOfThisPackage(t *testing.T) {
	w := newWorld(t, blob.Options{})
	w.fail(func(_ int, r *http.Request, rw http.ResponseWriter) bool {
		refuse(rw, 403, "AccessDenied", "no list for you")
		return true
	})
	_, err := w.c.List(context.Background(), "b", "t/", true)
	e, ok := errors.AsType[*blob.Error](err)
	if !ok || e.Action() != "s3:ListBucket" || e.Resource() != "arn:aws:s3:::b" || e.Message != "no list for you" || e.Status != 403 || e.ServerTime.IsZero() {
		t.Errorf("list gave %+v", err)
	}
	_, err = w.c.Put(context.Background(), "s3://b/x", strings.NewReader("x"))
	if e, ok := errors.AsType[*blob.Error](err); !ok || e.Action() != "s3:PutObject" || e.Resource() != "arn:aws:s3:::b/x" || e.Code != "AccessDenied" {
		t.Errorf("put gave %+v", err)
	}
}

func TestPlacesThatAreNotInS3AreRefused(t *testing.T) {
	for uri, want := range map[string][2]string{
		"s3://b/k": {"b", "k"}, "s3a://b/k/l": {"b", "k/l"}, "S3N://b": {"b", ""}, "s3://b/": {"b", ""}, "s3://b//k": {"b", "/k"},
	} {
		if b, k, err := blob.Parse(uri); err != nil || b != want[0] || k != want[1] {
			t.Errorf("%s: %s, %s, %v", uri, b, k, err)
		}
	}
	for _, uri := range []string{"", "/tmp/x", "hdfs://h/x", "s3:/b/k", "s3://", "s3:///k"} {
		if _, _, err := blob.Parse(uri); err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
}

func TestReadsOverTLS(t *testing.T) {
	w := newWorld(t, blob.Options{})
	srv := httptest.NewTLSServer(w.server)
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	o := newOutline(6, []int{3_000_000, 200_000})
	obj := w.put("k", o.data)
	for name, cfg := range map[string]*tls.Config{"trusted": {RootCAs: roots}, "unknown": nil} {
		s, err := blob.Open(blob.Options{Dir: t.TempDir(), TLS: cfg})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		v := &world{server: w.server, store: s, keys: w.keys}
		c := s.Client(aws.Config{Region: "eu-west-1", BaseEndpoint: &srv.URL, Credentials: w.keys}, blob.ClientOptions{PathStyle: true})
		if name == "trusted" {
			if n := use(t, v, c, o, obj); n < 10 {
				t.Errorf("%d requests", n)
			}
			continue
		}
		if _, err := c.Head(context.Background(), "s3://b/k"); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("unknown certificate: %v", err)
		}
	}
}

func TestReadMovesOnAsTheEngineExpects(t *testing.T) {
	w := newWorld(t, blob.Options{})
	data := bytes.Repeat([]byte("abcdefgh\n"), 400_000)
	st, paths := mount(t, w, w.c, blob.Hint{Format: "csv", Columns: []string{"x"}}, w.put("x.csv.gz", data))
	if !strings.HasSuffix(paths[0], ".csv.gz") {
		t.Errorf("path %s hides the compression", paths[0])
	}
	fd, err := blobtest.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer blobtest.Close(fd)
	var got []byte
	for p := make([]byte, 1_000_001); ; {
		n, err := blobtest.Read(fd, p)
		if err != nil {
			t.Fatalf("%v: %v", err, st.Err())
		}
		if n == 0 {
			break
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("read %d bytes of %d", len(got), len(data))
	}
	if n, _, most := w.counts(); n != 4 {
		t.Errorf("%d requests (%d at once) for four blocks", n, most)
	}
	if n, err := blobtest.Pread(fd, make([]byte, 10), int64(len(data))-3); n != 3 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := blobtest.Pread(fd, make([]byte, 10), int64(len(data))+3); n != 0 || err != nil {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
}

// Who watches is told of writes, as to a directory and a star, and none is made.
func TestWatchedWritesAreToldAndNotMade(t *testing.T) {
	w := newWorld(t, blob.Options{})
	w.put("d/old", []byte("x"))
	var told []string
	c := w.store.Client(aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(w.URL), Credentials: w.keys}, blob.ClientOptions{Identity: "watched", PathStyle: true,
		Asking: func(r iam.Request) { told = append(told, r.Action+" "+r.Resource.ARN) }})
	before, _, _ := w.counts()
	o, err := c.Put(t.Context(), "s3://b/d/sub/new-name", strings.NewReader("four"))
	if err != nil || o.Size != 4 || o.Key != "d/sub/new-name" {
		t.Errorf("put gave %+v, %v", o, err)
	}
	if _, err := c.PutEncrypted(t.Context(), "s3://b/top", strings.NewReader(""), blob.Encryption{KMSKey: "k"}); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), "s3://b/d/old"); err != nil {
		t.Error(err)
	}
	if after, _, _ := w.counts(); after != before {
		t.Errorf("%d requests were sent", after-before)
	}
	if want := []string{"s3:PutObject arn:aws:s3:::b/d/sub/*", "s3:PutObject arn:aws:s3:::b/*", "s3:DeleteObject arn:aws:s3:::b/d/old"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if _, err := w.c.Head(t.Context(), "s3://b/d/old"); err != nil {
		t.Errorf("what was there: %v", err)
	}
}
