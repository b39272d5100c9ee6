package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lakeport/internal/lake"
)

// object is one version of an S3 object and what the cache holds of it: a
// sparse file of the object's size, of which the spans in have are good. All
// fields but the first two are guarded by Store.mu.
type object struct {
	lake.Object
	id       string // names the cache's file
	have     spans
	busy     []span // being read or written: never punched
	flights  []*flight
	users    int   // mounts
	used     int64 // Store.tick of the last mount
	dirty    bool  // have is not what the map on disk says
	evicting bool  // holes are being punched: nothing may be kept
	gone     bool  // dropped from the store
	epoch    int   // counts evictions, so that a map written meanwhile is not put in place
}

// objectID names one version of an object. Who tells another size than before
// means another object, whatever the ETag says.
func objectID(o lake.Object) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d", o.Bucket, o.Key, o.ETag, o.Version, o.Size))
	return hex.EncodeToString(sum[:20])
}

func (s *Store) file(id string) string { return filepath.Join(s.cacheDir, id) }

// acquire gives the store's object for o with one more user.
func (s *Store) acquire(o lake.Object) *object {
	id := objectID(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	obj := s.objects[id]
	if obj == nil {
		obj = &object{Object: o, id: id}
		s.objects[id] = obj
	}
	obj.users++
	s.tick++
	obj.used = s.tick
	return obj
}

// create makes the object's sparse file if it is not there. Bytes that the
// object is thought to have are forgotten with a file that somebody removed.
func (s *Store) create(o *object) error {
	path := s.file(o.id)
	if info, err := os.Stat(path); err == nil && info.Size() == o.Size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("make a cache file: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(o.Size); err != nil {
		return fmt.Errorf("make a cache file: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= o.have.size()
	o.have, o.dirty = nil, true
	return nil
}

// release takes a user away. The last one saves the map, or drops an object of
// which nothing is kept.
func (s *Store) release(o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.users--
	switch {
	case o.users > 0 || o.gone:
	case len(o.have) == 0:
		s.drop(o)
	case o.dirty && !o.evicting:
		s.work.Go(func() { s.save(o) })
	}
}

// drop forgets an object without users and without bytes. Store.mu is held.
func (s *Store) drop(o *object) {
	o.gone = true
	if s.objects[o.id] == o {
		delete(s.objects, o.id)
		_ = os.Remove(s.file(o.id))
	}
}

// keep writes fetched bytes into the object's file and only then says so. What
// cannot be kept is no fault: it is fetched again when asked for again.
func (s *Store) keep(o *object, fd int, r span, p []byte) {
	s.mu.Lock()
	if o.evicting || o.gone || r.len() > s.o.CacheBytes {
		s.mu.Unlock()
		return
	}
	o.busy = append(o.busy, r)
	s.mu.Unlock()

	err := pwrite(fd, p, r.from)

	s.mu.Lock()
	o.unbusy(r)
	if err == nil && !o.gone {
		s.used += o.have.add(r)
		o.dirty = true
	}
	over := s.used > s.o.CacheBytes
	s.mu.Unlock()
	if over {
		s.evict()
	}
}

func pwrite(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := syscall.Pwrite(fd, p, off)
		if err != nil && err != syscall.EINTR {
			return err
		}
		if n > 0 {
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}

func (o *object) unbusy(r span) {
	for i, b := range o.busy {
		if b == r {
			last := len(o.busy) - 1
			o.busy[i] = o.busy[last]
			o.busy = o.busy[:last]
			return
		}
	}
}

// evict makes room: the objects that no statement has mounted for longest go
// first, then those in use, down to nine tenths of the bound. The maps go
// before the bytes, so that no map ever speaks of bytes that are holes.
func (s *Store) evict() {
	type victim struct {
		o     *object
		holes spans
	}
	var victims []victim
	s.mu.Lock()
	all := make([]*object, 0, len(s.objects))
	for _, o := range s.objects {
		if len(o.have) > 0 && !o.evicting {
			all = append(all, o)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if idle := all[i].users == 0; idle != (all[j].users == 0) {
			return idle
		}
		return all[i].used < all[j].used
	})
	for _, o := range all {
		if s.used <= s.o.CacheBytes/10*9 {
			break
		}
		var holes spans
		holes, o.have = o.have.split(o.busy)
		s.used -= holes.size()
		o.evicting, o.dirty = true, true
		o.epoch++
		victims = append(victims, victim{o, holes})
	}
	s.mu.Unlock()

	for _, v := range victims {
		_ = os.Remove(s.file(v.o.id) + mapSuffix)
	}
	syncDir(s.cacheDir)
	for _, v := range victims {
		punch(s.file(v.o.id), v.holes)
		s.mu.Lock()
		v.o.evicting = false
		if v.o.users == 0 && len(v.o.have) == 0 {
			s.drop(v.o)
		}
		s.mu.Unlock()
	}
}

func punch(path string, holes spans) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	for _, h := range holes {
		_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, h.from, h.len())
	}
}

func syncDir(path string) {
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// mapSuffix names the file beside an object's bytes that says which are good.
const mapSuffix = ".map"

// blockMap is the content of such a file.
type blockMap struct {
	Bucket, Key, ETag, Version string
	Size                       int64
	Have                       [][2]int64
}

// save writes an object's map: bytes first, to the disk itself, then the map
// under another name, then the name.
func (s *Store) save(o *object) {
	s.mu.Lock()
	epoch := o.epoch
	o.dirty = false
	m := blockMap{o.Bucket, o.Key, o.ETag, o.Version, o.Size, nil}
	for _, h := range o.have {
		m.Have = append(m.Have, [2]int64{h.from, h.to})
	}
	s.mu.Unlock()

	path := s.file(o.id)
	temp, err := writeMap(path, m)
	if err == nil {
		s.mu.Lock()
		if o.epoch == epoch && !o.gone {
			err = os.Rename(temp, path+mapSuffix)
		}
		s.mu.Unlock()
	}
	if temp != "" {
		_ = os.Remove(temp)
	}
	if err != nil {
		s.mu.Lock()
		o.dirty = true
		s.mu.Unlock()
	}
}

func writeMap(path string, m blockMap) (temp string, err error) {
	bytes, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer bytes.Close()
	if err := unix.Fdatasync(int(bytes.Fd())); err != nil {
		return "", err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "*"+tempSuffix)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return f.Name(), errors.Join(err, f.Sync(), f.Close())
}

const tempSuffix = ".new"

// load reads the maps of an earlier process and removes what has no map: its
// bytes cannot be told from holes.
func (s *Store) load() error {
	entries, err := os.ReadDir(s.cacheDir)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, e := range entries {
		id, isMap := strings.CutSuffix(e.Name(), mapSuffix)
		if !isMap {
			continue
		}
		if o := s.loadMap(id); o != nil {
			known[id] = true
			s.tick++
			o.used = s.tick
			s.used += o.have.size()
			s.objects[id] = o
		}
	}
	for _, e := range entries {
		if id, _ := strings.CutSuffix(e.Name(), mapSuffix); !known[id] {
			if err := os.Remove(filepath.Join(s.cacheDir, e.Name())); err != nil {
				return err
			}
		}
	}
	if s.used > s.o.CacheBytes {
		s.evict()
	}
	return nil
}

// loadMap gives the object of a map, or nil if the map is not the one that this
// name must have or its file is not as large as the object.
func (s *Store) loadMap(id string) *object {
	text, err := os.ReadFile(s.file(id) + mapSuffix)
	if err != nil {
		return nil
	}
	o, err := parseMap(text)
	if err != nil || o.id != id {
		return nil
	}
	if info, err := os.Stat(s.file(id)); err != nil || info.Size() != o.Size {
		return nil
	}
	return o
}

// parseMap reads a map; whatever text holds, the spans lie inside of the object.
func parseMap(text []byte) (*object, error) {
	var m blockMap
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("read block map: %w", err)
	}
	if m.Size < 0 {
		return nil, fmt.Errorf("read block map: an object of %d bytes", m.Size)
	}
	o := &object{Object: lake.Object{Bucket: m.Bucket, Key: m.Key, Size: m.Size, ETag: m.ETag, Version: m.Version}}
	o.id = objectID(o.Object)
	for _, h := range m.Have {
		if h[0] < 0 || h[1] <= h[0] || h[1] > m.Size {
			return nil, fmt.Errorf("read block map: bytes %d to %d of an object of %d", h[0], h[1], m.Size)
		}
		o.have.add(span{h[0], h[1]})
	}
	return o, nil
}

// maxGrants bounds the memory for who may read what.
const maxGrants = 1 << 17

// grant notes that an identity has just read or headed an object. Store.mu is
// held.
func (s *Store) grant(identity, object string, now time.Time) {
	if len(s.seen) >= maxGrants {
		for g, t := range s.seen {
			if now.Sub(t) > time.Minute || len(s.seen) >= maxGrants {
				delete(s.seen, g)
			}
		}
	}
	s.seen[grant{identity, object}] = now
}
