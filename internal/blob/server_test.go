package blob_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lakeport/internal/blob"
	"lakeport/internal/lake"
)

// server answers ranged GETs, HEADs, lists and PUTs as S3 does, counts them,
// and misbehaves when told to.
type server struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	objects  map[string][]byte // bucket/key
	etags    map[string]string
	requests []request
	bytes    int64
	now      int // under way
	most     int
	fault    func(n int, r *http.Request, w http.ResponseWriter) bool // true: answered
	gate     func(r *http.Request)                                    // called before the answer, unlocked
}

type request struct{ method, path, rng, ifMatch, key string }

func newServer(t testing.TB) *server {
	s := &server{t: t, objects: map[string][]byte{}, etags: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

func (s *server) put(key string, data []byte) lake.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := md5.Sum(data)
	s.objects["b/"+key] = data
	s.etags["b/"+key] = `"` + hex.EncodeToString(sum[:]) + `"`
	return lake.Object{Bucket: "b", Key: key, Size: int64(len(data)), ETag: s.etags["b/"+key]}
}

func (s *server) log() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.requests...)
}

func (s *server) counts() (n int, sent int64, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), s.bytes, s.most
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.bytes, s.most = nil, 0, 0
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "REQ1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>REQ1</RequestId></Error>`, code, message)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	s.mu.Lock()
	s.requests = append(s.requests, request{r.Method, r.URL.Path, r.Header.Get("Range"), r.Header.Get("If-Match"), key})
	n := len(s.requests)
	s.now++
	s.most = max(s.most, s.now)
	fault, gate := s.fault, s.gate
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	if gate != nil {
		gate(r)
	}
	if fault != nil && fault(n, r, w) {
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		_, k, _ := strings.Cut(name, "/")
		w.Header().Set("ETag", s.put(k, body).ETag)
		return
	case r.URL.Query().Get("list-type") == "2":
		s.list(w, r)
		return
	}
	s.mu.Lock()
	data, ok := s.objects[name]
	etag := s.etags[name]
	s.mu.Unlock()
	if !ok {
		refuse(w, 404, "NoSuchKey", "The specified key does not exist.")
		return
	}
	if m := r.Header.Get("If-Match"); m != "" && m != etag {
		refuse(w, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	w.Header().Set("ETag", etag)
	http.ServeContent(counting{w, s}, r, "", time.Unix(1700000000, 0), bytes.NewReader(data))
}

type counting struct {
	http.ResponseWriter
	s *server
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.s.mu.Lock()
	c.s.bytes += int64(n)
	c.s.mu.Unlock()
	return n, err
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	type content struct {
		Key, ETag string
		Size      int
	}
	type result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		EncodingType          string
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, q := strings.Trim(r.URL.Path, "/"), r.URL.Query()
	var keys []string
	for k := range s.objects {
		rest, ok := strings.CutPrefix(k, bucket+"/"+q.Get("prefix"))
		if ok && strings.TrimPrefix(k, bucket+"/") > q.Get("start-after") && !(q.Get("delimiter") == "/" && strings.Contains(rest, "/")) {
			keys = append(keys, strings.TrimPrefix(k, bucket+"/"))
		}
	}
	sort.Strings(keys)
	last := ""
	out := result{EncodingType: q.Get("encoding-type")}
	for _, k := range keys {
		if k <= q.Get("continuation-token") {
			continue
		}
		if len(out.Contents) == 2 { // pages are short so that paging is tested
			out.IsTruncated, out.NextContinuationToken = true, last
			break
		}
		last = k
		out.Contents = append(out.Contents, content{url.QueryEscape(k), s.etags[bucket+"/"+k], len(s.objects[bucket+"/"+k])})
	}
	_ = xml.NewEncoder(w).Encode(out)
}

// keys are credentials that a test may change while a statement runs.
type keys struct {
	mu      sync.Mutex
	id      string
	renewed int
	next    string // what Reject brings
}

func (k *keys) Retrieve(context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return aws.Credentials{AccessKeyID: k.id, SecretAccessKey: "secret"}, nil
}

func (k *keys) Reject(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == k.id {
		k.renewed++
		k.id = k.next
	}
	return true
}

// world is a server, a store and a client.
type world struct {
	*server
	store *blob.Store
	keys  *keys
	c     *blob.Client
}

func newWorld(t testing.TB, o blob.Options) *world {
	t.Helper()
	w := &world{server: newServer(t), keys: &keys{id: "AKIA1", next: "AKIA2"}}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return 0 }
	}
	s, err := blob.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w.store = s
	w.c = w.client("alice", 0)
	return w
}

func (w *world) client(identity string, recheck time.Duration) *blob.Client {
	return w.store.Client(aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(w.URL), Credentials: w.keys},
		blob.ClientOptions{Identity: identity, PathStyle: true, Recheck: recheck})
}

// dead is an address that refuses connections.
func dead(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// fail installs a fault.
func (s *server) fail(fault func(n int, r *http.Request, w http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// hold installs a gate.
func (s *server) hold(gate func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}
