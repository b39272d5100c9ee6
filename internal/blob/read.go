package blob

import (
	"context"
	"net/http"
	"sort"
	"syscall"
	"time"
)

// mount is one object in one scan. Its fields are guarded by Store.mu once it
// is registered, but for those that never change after Mount.
type mount struct {
	scan     *scan
	object   *object
	path     string
	id       uint32    // in the table of mounts that the wrapped calls use
	layout   *layout   // nil: not known, every read is fetched as it comes
	first    int       // ordinal of the first group in the scan
	ready    bool      // the scan's plan may use it
	admitted time.Time // when this identity last read the object
}

// flight is one request of a plan, or of a read that was in no plan.
type flight struct {
	span
	mount   *mount
	ordinal int           // of its group in the scan
	x       *exchange     // set when sent
	err     error         // why it could not be sent
	sent    chan struct{} // closed when x or err is set; nil: the claimer sends
	over    chan struct{} // closed when the bytes are cached or the flight has failed
	claimed bool
	dropped bool
}

// read fills p with the object's bytes at off. It is what the engine's pread
// comes to, and runs on the engine's thread. The cause of an error is kept with
// the statement.
func (m *mount) read(fd int, p []byte, off int64) error {
	s := m.scan.st.store
	s.mu.Lock()
	m.scan.touched = s.o.Now()
	m.scan.stats.Read += int64(len(p))
	m.scan.st.touch(m)
	m.scan.started = m.scan.started || len(p) > 0 && m.groupAt(off) >= 0
	s.mu.Unlock()
	return m.fill(fd, p, off)
}

// fill is read without the signs that a read gives to the plan.
func (m *mount) fill(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := m.piece(fd, p, off)
		if err != nil {
			return m.scan.st.fail(err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// piece serves a start of p by the first way that is open: from the disk, from
// an answer under way, by what the plan foresees here, by a request of its own.
// It may serve nothing and be called again.
func (m *mount) piece(fd int, p []byte, off int64) (int, error) {
	o, sc := m.object, m.scan
	st := sc.st
	s := st.store
	want := span{off, off + int64(len(p))}

	s.mu.Lock()
	if st.err != nil {
		s.mu.Unlock()
		return 0, st.err
	}
	g := m.groupAt(off)
	if g >= 0 {
		sc.furthest = max(sc.furthest, m.first+g)
	}
	if end := min(o.have.run(off), want.to); end > off {
		if !m.mayServe() {
			s.mu.Unlock()
			return 0, m.check()
		}
		return m.cached(fd, p[:end-off], span{off, end})
	}
	if f := o.flightAt(off); f != nil {
		if f.claimed {
			s.mu.Unlock()
			return 0, st.wait(f.over)
		}
		f.mount.scan.claim(f)
		s.mu.Unlock()
		return m.take(f, fd, p, off)
	}
	if g >= 0 && m.ready && sc.jump(m, g) {
		s.mu.Unlock()
		sc.advance(m.first + g)
		return 0, nil
	}
	m.learn(g, want)
	want.to = min(o.have.next(off, want.to), off+maxRequest)
	for _, f := range o.flights {
		if f.from > off {
			want.to = min(want.to, f.from)
		}
	}
	f := &flight{span: want, mount: m, claimed: true, over: make(chan struct{})}
	o.flights = append(o.flights, f)
	s.mu.Unlock()
	return m.take(f, fd, p, off)
}

// cached reads bytes that the object's file holds. Store.mu is held on entry.
func (m *mount) cached(fd int, p []byte, r span) (int, error) {
	s, o := m.scan.st.store, m.object
	o.busy = append(o.busy, r)
	s.mu.Unlock()
	n, err := syscall.Pread(fd, p, r.from)
	for err == syscall.EINTR {
		n, err = syscall.Pread(fd, p, r.from)
	}
	s.mu.Lock()
	o.unbusy(r)
	if err != nil || n == 0 { // the file was cut or is unreadable: trust none of it
		s.used -= o.have.size()
		o.have, o.dirty = nil, true
	}
	m.scan.stats.CacheHits += int64(max(n, 0))
	s.mu.Unlock()
	m.scan.advance(-1)
	return max(n, 0), nil
}

// take receives a claimed flight: into p itself where the flight begins at off
// and fits, else by way of a buffer.
func (m *mount) take(f *flight, fd int, p []byte, off int64) (int, error) {
	s := m.scan.st.store
	direct := f.from == off && f.len() <= int64(len(p))
	dst := p[:min(int64(len(p)), f.len())]
	if !direct {
		b := s.buffer()
		defer s.giveBack(b)
		dst = b[:f.len()]
	}
	n, err := m.fetch(f, dst)
	if err == nil {
		s.keep(m.object, fd, f.span, dst[:n])
	}
	s.mu.Lock()
	m.object.unflight(f)
	close(f.over)
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if !direct {
		n = copy(p, dst[off-f.from:])
	}
	m.scan.advance(-1)
	return n, nil
}

// fetch receives a flight's bytes into p, which has its length, and repeats
// what is missing as often as the statement's budget allows.
func (m *mount) fetch(f *flight, p []byte) (int, error) {
	sc := m.scan
	st := sc.st
	s := st.store
	if f.sent != nil {
		if err := st.wait(f.sent); err != nil {
			s.mu.Lock()
			f.dropped = true
			s.mu.Unlock()
			discard([]*flight{f})
			return 0, err
		}
	}
	x, err := f.x, f.err
	foreign := f.mount.scan.client != sc.client
	var t trial
	for got := 0; ; {
		if x == nil && err == nil {
			s.mu.Lock()
			sc.sending()
			s.mu.Unlock()
			x, err = sc.client.send(st.ctx, http.MethodGet, m.object.Object, span{f.from + int64(got), f.to}, false)
			if err != nil {
				s.mu.Lock()
				sc.flying--
				s.mu.Unlock()
			}
		}
		key := ""
		if err == nil {
			var n int
			key = x.key
			n, _, err = st.await(f.sender(m, x), x, p[got:])
			got += n
		}
		if err == nil {
			m.admit()
			return got, nil
		}
		// What another statement's identity was told says nothing about ours.
		if !foreign {
			if err = st.again(sc, &t, key, err); err != nil {
				return got, err
			}
		}
		x, err, foreign = nil, nil, false
	}
}

// sender is the scan that a request in the air is counted for.
func (f *flight) sender(m *mount, x *exchange) *scan {
	if x == f.x {
		return f.mount.scan
	}
	return m.scan
}

// admit notes that S3 has just given this identity bytes of the object.
func (m *mount) admit() {
	s := m.scan.st.store
	s.mu.Lock()
	defer s.mu.Unlock()
	m.admitted = s.o.Now()
	s.grant(m.scan.client.o.Identity, m.object.id, m.admitted)
	m.scan.st.tokens = min(m.scan.st.tokens+1, retryTokens)
	m.scan.window = min(m.scan.window+1, aheadFlights)
}

// await receives an answer in the calling thread. An abort of the statement
// wakes it. sc is the scan that counts the request.
func (st *Statement) await(sc *scan, x *exchange, p []byte) (int, http.Header, error) {
	s := st.store
	s.mu.Lock()
	sc.flying--
	if st.err != nil {
		s.mu.Unlock()
		x.c.close()
		return 0, nil, st.err
	}
	st.busy[x.c.raw] = struct{}{}
	s.mu.Unlock()

	start := time.Now()
	n, h, reuse, err := x.receive(p)

	s.mu.Lock()
	delete(st.busy, x.c.raw)
	sc.stats.Wait += time.Since(start)
	sc.stats.Bytes += int64(n)
	s.mu.Unlock()
	if reuse {
		s.pool.put(x.c)
	} else {
		x.c.close()
	}
	return n, h, err
}

// wait blocks until c is closed or the statement ends.
func (st *Statement) wait(c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	default:
	}
	select {
	case <-c:
		return nil
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	}
}

// flightAt is the flight that brings the byte at off, or nil.
func (o *object) flightAt(off int64) *flight {
	for _, f := range o.flights {
		if f.from <= off && off < f.to {
			return f
		}
	}
	return nil
}

func (o *object) unflight(f *flight) {
	for i, g := range o.flights {
		if g == f {
			last := len(o.flights) - 1
			o.flights[i], o.flights[last] = o.flights[last], nil
			o.flights = o.flights[:last]
			return
		}
	}
}

// groupAt is the index of the group whose hull holds off, or -1.
func (m *mount) groupAt(off int64) int {
	if m.layout == nil {
		return -1
	}
	g := m.layout.groups
	i := sort.Search(len(g), func(i int) bool { return g[i].to > off })
	if i < len(g) && g[i].from <= off {
		return i
	}
	return -1
}

// learn adds the columns of a read that was not foreseen to the plan of the
// groups to come. Store.mu is held.
func (m *mount) learn(g int, r span) {
	if g < 0 || !m.ready || m.scan.wanted == nil {
		return
	}
	for _, c := range m.layout.groups[g].chunks {
		if c.overlaps(r) {
			m.scan.wanted[m.layout.columns[c.column]] = true
		}
	}
}
