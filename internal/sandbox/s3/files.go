package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// files holds the contents of objects and parts, each in a file of its own
// under a random name, never changed once it is there. They survive the end of
// the process; files are not synced, so the machine's own end may take the
// newest.
type files struct {
	dir   string
	ready [256]sync.Once // the subdirectories
}

func openFiles(dir string) (*files, error) {
	f := &files{dir: dir}
	if err := os.RemoveAll(f.tmp()); err != nil {
		return nil, fmt.Errorf("clear unfinished contents: %w", err)
	}
	if err := os.MkdirAll(f.tmp(), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of contents: %w", err)
	}
	return f, nil
}

func (f *files) tmp() string { return filepath.Join(f.dir, "tmp") }

func (f *files) path(name string) string { return filepath.Join(f.dir, name[:2], name) }

// newID is 128 random bits as hex, for files, versions and uploads.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// isID tells whether newID could have made it.
func isID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// content is a file being written, or an empty content without a file.
type content struct {
	name string // "" when empty
	size int64
	md5  [md5.Size]byte
	tag  string // of an encrypted content, whose ETag is not its MD5
}

func (c *content) etag() string {
	if c.tag != "" {
		return c.tag
	}
	return hex.EncodeToString(c.md5[:])
}

// block is what is read from a client at a time: the file, the checksum and
// MD5 work on one while the next arrives.
const block = 256 << 10

var blocks = sync.Pool{New: func() any { b := make([]byte, block); return &b }}

// write stores what src gives, up to io.EOF, under a new name. sum sees all
// bytes; it may be nil. MD5, the slowest of the hashes, runs beside the rest
// once the content is larger than a block. If src ends in another error,
// nothing is kept. What is kept is encrypted unless seal is nil.
func (f *files) write(src io.Reader, sum io.Writer, seal *seal) (c *content, err error) {
	defer func() {
		if c != nil && seal != nil {
			c.tag = newID()
		}
	}()
	buf := blocks.Get().(*[]byte)
	defer blocks.Put(buf)
	n, err := io.ReadFull(src, *buf)
	first := (*buf)[:n]
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		if sum != nil {
			sum.Write(first)
		}
		c = &content{size: int64(n), md5: md5.Sum(first)}
		if n == 0 {
			return c, nil
		}
		c.name, err = f.create(func(w *os.File) error { _, err := seal.writer(w).Write(first); return err })
		return c, err
	case err != nil:
		return nil, err
	}
	c = &content{}
	c.name, err = f.create(func(w *os.File) error { return c.stream(seal.writer(w), src, first, sum) })
	return c, err
}

// stream writes first and then the rest of src, hashing beside it.
func (c *content) stream(w io.Writer, src io.Reader, first []byte, sum io.Writer) error {
	second := blocks.Get().(*[]byte)
	defer blocks.Put(second)
	work, idle := make(chan []byte), make(chan struct{}, 1)
	h := md5.New()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range work {
			h.Write(b)
			idle <- struct{}{}
		}
	}()
	next, b := (*second)[:block], first
	var err error
	for err == nil && len(b) > 0 {
		work <- b
		if sum != nil {
			sum.Write(b)
		}
		_, err = w.Write(b)
		c.size += int64(len(b))
		var n int
		if err == nil {
			n, err = io.ReadFull(src, next)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		<-idle
		b, next = next[:n], b[:cap(b)][:block]
	}
	close(work)
	<-done
	h.Sum(c.md5[:0])
	return err
}

// create makes a file by fill and moves it to its name.
func (f *files) create(fill func(*os.File) error) (string, error) {
	name := newID()
	tmp := filepath.Join(f.tmp(), name)
	w, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("make a content: %w", err)
	}
	err = fill(w)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = f.place(name, func(path string) error { return os.Rename(tmp, path) })
	}
	if err != nil {
		os.Remove(tmp)
		return "", err
	}
	return name, nil
}

// place calls move with the final path, whose directory exists by then.
func (f *files) place(name string, move func(path string) error) error {
	path := f.path(name)
	var b [1]byte
	if _, err := hex.Decode(b[:], []byte(name[:2])); err != nil {
		return fmt.Errorf("place content %s: %w", name, err)
	}
	var err error
	f.ready[b[0]].Do(func() { err = os.MkdirAll(filepath.Dir(path), 0o700) })
	if err != nil {
		return fmt.Errorf("make the directory of a content: %w", err)
	}
	if err := move(path); err != nil {
		return fmt.Errorf("place content %s: %w", name, err)
	}
	return nil
}

// share gives a content a second name, so that a copy costs nothing.
func (f *files) share(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	second := newID()
	return second, f.place(second, func(path string) error { return os.Link(f.path(name), path) })
}

// open opens a content for reading; "" is the empty one.
func (f *files) open(name string) (io.ReadSeekCloser, error) {
	if name == "" {
		return nothing{bytes.NewReader(nil)}, nil
	}
	return os.Open(f.path(name))
}

type nothing struct{ *bytes.Reader }

func (nothing) Close() error { return nil }

// remove deletes contents whose records are gone. One that stays is swept at
// the next start.
func (f *files) remove(names []string) {
	for _, name := range names {
		if name != "" {
			os.Remove(f.path(name))
		}
	}
}

// discard removes a content that no record will name.
func (f *files) discard(c *content) {
	if c != nil {
		f.remove([]string{c.name})
	}
}

// sweep removes the contents that a crash left without a record. It runs
// before anything is served. known is asked only if there are contents.
func (f *files) sweep(known func() (map[string]bool, error)) error {
	var found []string
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == f.tmp():
			return fs.SkipDir
		case !d.IsDir() && len(d.Name()) == 32:
			found = append(found, d.Name())
		}
		return nil
	})
	if err != nil || found == nil {
		return err
	}
	names, err := known()
	if err != nil {
		return err
	}
	for _, name := range found {
		if !names[name] {
			f.remove([]string{name})
		}
	}
	return nil
}
