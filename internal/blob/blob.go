// Package blob lists, reads and writes S3 objects by URI, and mounts them as
// sparse local files whose bytes are fetched while they are read.
//
// A mounted file has the object's exact size and a path. The package wraps
// open, read, pread and close at link time, so that a library linked into the
// process that opens the path is answered from the network: requests are under
// way before it asks, their answers wait in the kernel's socket buffers, and
// its own thread receives them into its own buffer. What arrives is kept in a
// bounded disk cache, which serves an identity only if that identity may read
// the object itself.
//
// The package knows no engine and no table format beyond the place of Parquet's
// column chunks. Who signs is decided by the aws.Config that it is handed.
package blob

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options says how a Store works. Zero values have meaning, but Dir is needed.
type Options struct {
	Dir         string        // holds cache/ and mnt/; made if missing. One process at a time
	CacheBytes  int64         // bytes kept on disk; 0: 16 GiB
	MemoryBytes int64         // answers under way in all statements; 0: 256 MiB
	Silence     time.Duration // longest wait for a byte of an answer or for a connection; 0: 20 s
	TLS         *tls.Config   // roots and the like; nil: the system's
	// Proxy tells through which proxy a URL is reached, nil for none; a nil
	// Proxy follows HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
	Proxy func(*url.URL) (*url.URL, error)
	Now   func() time.Time // clock of signatures and rechecks; nil: time.Now
	// Backoff is the wait before an attempt (1 is the first repetition);
	// nil: 50 ms doubled each time up to 5 s, with full jitter.
	Backoff func(attempt int) time.Duration
}

// Store owns a directory of cached bytes and the mounts that use it. Its
// methods may be called from any goroutine.
type Store struct {
	o        Options
	cacheDir string
	mntDir   string
	pool     pool
	work     sync.WaitGroup // senders and savers under way
	footers  chan struct{}  // slots for files being mounted
	buffers  chan []byte    // of maxRequest bytes, for answers that serve several reads

	mu      sync.Mutex // guards all below, and all of objects, mounts, scans and flights
	objects map[string]*object
	seen    map[grant]time.Time
	open    map[*Statement]struct{}
	used    int64 // bytes in the cache
	ahead   int64 // bytes asked for ahead and not yet taken
	flights int   // requests for them
	tick    int64 // orders the use of objects
	number  int   // of the next statement
	closed  bool
}

// grant is the fact that an identity has read or headed an object.
type grant struct{ identity, object string }

// Open makes or reopens a store. Cached bytes of an earlier process are used
// again as far as their maps and files agree.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("open object store: no directory given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open object store: %w", err)
	}
	o.Dir = dir
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 30
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 256 << 20
	}
	if o.Silence == 0 {
		o.Silence = 20 * time.Second
	}
	if o.Proxy == nil {
		o.Proxy = func(u *url.URL) (*url.URL, error) { return http.ProxyFromEnvironment(&http.Request{URL: u}) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Backoff == nil {
		o.Backoff = jitter
	}
	s := &Store{
		o: o, cacheDir: filepath.Join(dir, "cache"), mntDir: filepath.Join(dir, "mnt"),
		pool:    pool{tls: o.TLS, proxy: o.Proxy, silence: o.Silence, hosts: map[string]addresses{}, idle: map[string][]*conn{}},
		footers: make(chan struct{}, allFooters), buffers: make(chan []byte, 8),
		objects: map[string]*object{}, seen: map[grant]time.Time{}, open: map[*Statement]struct{}{},
	}
	if err := os.RemoveAll(s.mntDir); err != nil {
		return nil, fmt.Errorf("clear old mounts: %w", err)
	}
	for _, d := range []string{s.cacheDir, s.mntDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open object store: %w", err)
		}
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("load cache %s: %w", s.cacheDir, err)
	}
	return s, nil
}

// Close ends all statements, writes the cache's maps and closes connections.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	open := make([]*Statement, 0, len(s.open))
	for st := range s.open {
		open = append(open, st)
	}
	s.mu.Unlock()
	for _, st := range open {
		_ = st.Close()
	}
	s.work.Wait()
	s.pool.close()
	return os.RemoveAll(s.mntDir)
}

// Mounts is the directory below which all mounted files are.
func (s *Store) Mounts() string { return s.mntDir }

// URI gives the object behind a mounted path, or path itself.
func (s *Store) URI(path string) string {
	if m := mountAt(path); m != nil {
		return m.object.URI()
	}
	return path
}

// Translate replaces each mounted path in text, an error's for instance, by
// its object's URI.
func (s *Store) Translate(text string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, s.mntDir+"/")
		if i < 0 {
			return b.String() + text
		}
		n := strings.IndexFunc(text[i:], func(r rune) bool {
			return !strings.ContainsRune("/._-", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') &&
				!strings.ContainsRune(s.mntDir, r)
		})
		if n < 0 {
			n = len(text) - i
		}
		path := text[i : i+n]
		trimmed := strings.TrimRight(path, ".:-")
		b.WriteString(text[:i] + s.URI(trimmed) + path[len(trimmed):])
		text = text[i+n:]
	}
}

// Begin starts the reads of one statement. They end with ctx or Close.
func (s *Store) Begin(ctx context.Context) *Statement {
	st := &Statement{store: s, tokens: retryTokens, busy: map[*rawConn]struct{}{}}
	st.ctx, st.cancel = context.WithCancelCause(ctx)
	s.mu.Lock()
	s.number++
	st.dir = filepath.Join(s.mntDir, fmt.Sprintf("%d", s.number))
	s.open[st] = struct{}{}
	s.mu.Unlock()
	st.stop = context.AfterFunc(ctx, func() { st.abort(context.Cause(ctx)) })
	return st
}

// buffer lends maxRequest bytes: reused ones are several times cheaper than
// fresh ones, which the kernel must map and clear.
func (s *Store) buffer() []byte {
	select {
	case b := <-s.buffers:
		return b
	default:
		return make([]byte, maxRequest)
	}
}

func (s *Store) giveBack(b []byte) {
	select {
	case s.buffers <- b:
	default:
	}
}
