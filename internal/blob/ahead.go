package blob

import (
	"net/http"
	"slices"
	"time"
)

// The sizes of requests and windows were found by trial: a request costs as
// much processor time as 160 KB, an answer must fit into a socket's buffer, and
// a scan that is not read yet must not hold what the one being read needs.
const (
	maxGap       = 160 << 10 // bytes between two chunks that are fetched with them
	wasteShare   = 16        // gaps are at most one part in this many of what is wanted
	maxRequest   = parked
	blockSize    = 1 << 20 // request of files without a footer
	primeBytes   = 16 << 20
	primeFlights = 16
	aheadBytes   = 64 << 20
	aheadFlights = 96
	allFlights   = 1024            // of the process: each takes a descriptor
	idleScan     = 2 * time.Second // a scan not read for so long makes room for others
	skipGroups   = 8               // a group that far behind the furthest one read was pruned
)

// scan is one table of a statement: mounted objects, the columns wanted of
// them, and how far requests have been sent. All but the first fields are
// guarded by Store.mu.
type scan struct {
	st     *Statement
	client *Client
	dir    string
	mounts []*mount

	skipping skip // marks row groups when footers are parsed

	stats    Stats
	wanted   map[string]bool // lower-case names; nil: all
	started  bool            // the engine has read data
	touched  time.Time       // when it last read anything
	window   int             // requests under way at most; less while S3 asks to slow down
	ready    int             // mounts whose groups have ordinals
	groups   int             // groups of those
	at       int             // mount of the next group to plan
	next     int             // ordinal of that group
	todo     []span          // what is left to send of the group before
	todoOf   *mount
	furthest int       // ordinal of the furthest group read; -1: none
	queue    []*flight // sent ahead and not claimed, in order
	ahead    int64     // their bytes
	flying   int       // requests whose answers nobody has begun to receive
	wantedN  int64     // bytes wanted of the groups planned so far
	wasted   int64     // bytes of gaps fetched with them
}

// admit puts the next mount's groups into the plan and begins to send.
func (sc *scan) admit(m *mount) {
	s := sc.st.store
	s.mu.Lock()
	m.first, m.ready = sc.groups, true
	if m.layout != nil {
		sc.groups += len(m.layout.groups)
	}
	sc.ready++
	s.mu.Unlock()
	sc.advance(-1)
}

// advance sends as much of the plan as the window allows, and all of the group
// with the ordinal force, if it is next. It blocks no longer than a write takes.
func (sc *scan) advance(force int) {
	s := sc.st.store
	s.mu.Lock()
	var out, dropped []*flight
	for sc.st.err == nil && sc.more() {
		r, forced := sc.todo[0], sc.next-1 == force
		if !sc.room(r.len()) {
			dropped = append(dropped, sc.skip()...)
			dropped = append(dropped, s.reclaim(sc)...)
			if !forced && !sc.room(r.len()) {
				break
			}
		}
		sc.todo = sc.todo[1:]
		if f := sc.launch(sc.todoOf, r); f != nil {
			out = append(out, f)
		}
	}
	s.mu.Unlock()
	discard(dropped)
	sc.post(out)
}

// more makes sure that todo holds the next request, planning groups as needed.
// It is false at the end of what is known. Store.mu is held.
func (sc *scan) more() bool {
	for len(sc.todo) == 0 {
		for sc.at < sc.ready && sc.next >= sc.mounts[sc.at].end() {
			sc.at++
		}
		if sc.at >= sc.ready {
			return false
		}
		m := sc.mounts[sc.at]
		sc.todoOf, sc.todo = m, sc.plan(m.layout, &m.layout.groups[sc.next-m.first])
		for _, r := range sc.todo {
			sc.stats.Planned += r.len()
		}
		sc.next++
	}
	return true
}

// end is the ordinal after the mount's last group.
func (m *mount) end() int {
	if m.layout == nil {
		return m.first
	}
	return m.first + len(m.layout.groups)
}

// room tells whether n bytes more fit the window.
func (sc *scan) room(n int64) bool {
	s := sc.st.store
	bytes, flights := int64(primeBytes), primeFlights
	if sc.started {
		// The window grows with what was read of it: a query that stops early has
		// not fetched much more than it took.
		bytes, flights = min(primeBytes+sc.stats.Read, aheadBytes), aheadFlights
	}
	return len(sc.queue) < min(flights, sc.window) && sc.ahead+n <= bytes && !s.full(n)
}

// full tells whether n bytes more are too many for the process.
func (s *Store) full(n int64) bool {
	return s.ahead+n > s.o.MemoryBytes || s.flights >= allFlights
}

// reclaim drops what the longest idle scan has under way, if the process is
// full: a client that does not take its rows holds up nobody else. Store.mu is
// held; the caller discards the flights after.
func (s *Store) reclaim(but *scan) []*flight {
	if !s.full(maxRequest) {
		return nil
	}
	var idle *scan
	for st := range s.open {
		for _, sc := range st.scans {
			if sc != but && len(sc.queue) > 0 && s.o.Now().Sub(sc.touched) > idleScan && (idle == nil || sc.touched.Before(idle.touched)) {
				idle = sc
			}
		}
	}
	if idle == nil {
		return nil
	}
	dropped := idle.queue
	idle.queue = nil
	for _, f := range dropped {
		idle.dropFlight(f)
	}
	idle.rewind(dropped[0].ordinal)
	return dropped
}

// jump moves the plan to group g of m if it has not come there yet, and tells
// whether it did: the engine prunes groups, and what it passed is not wanted.
// Store.mu is held.
func (sc *scan) jump(m *mount, g int) bool {
	if m.first+g < sc.next {
		return false
	}
	sc.rewind(m.first + g)
	return true
}

// rewind makes the group with the ordinal the next to plan.
func (sc *scan) rewind(ordinal int) {
	sc.next, sc.todo = ordinal, nil
	for sc.at > 0 && sc.mounts[sc.at-1].end() > ordinal {
		sc.at--
	}
}

// plan gives the requests for a group's wanted chunks: in order of offset,
// merged over the smallest gaps as long as these stay a small part of the whole,
// and cut where an answer would not fit a socket's buffer.
func (sc *scan) plan(l *layout, g *group) []span {
	if g.skip {
		return nil
	}
	var want spans
	for _, c := range g.chunks {
		if sc.wanted == nil || sc.wanted[l.columns[c.column]] {
			want.add(c.span)
		}
	}
	sc.wantedN += want.size()
	var gaps []span
	for i := 1; i < len(want); i++ {
		if gap := (span{want[i-1].to, want[i].from}); gap.len() <= maxGap {
			gaps = append(gaps, gap)
		}
	}
	slices.SortFunc(gaps, func(a, b span) int { return int(a.len() - b.len()) })
	for _, gap := range gaps {
		i := want.at(gap.to)
		whole := want[i].to - want[want.at(gap.from-1)].from
		if whole <= maxRequest && (sc.wasted+gap.len())*wasteShare <= sc.wantedN {
			sc.wasted += gap.len()
			want.add(gap)
		}
	}
	var out []span
	for _, r := range want {
		for ; r.len() > maxRequest; r.from += maxRequest {
			out = append(out, span{r.from, r.from + maxRequest})
		}
		out = append(out, r)
	}
	return out
}

// launch makes the flight for a planned request, or nil if its bytes are cached
// or on the way. Store.mu is held.
func (sc *scan) launch(m *mount, r span) *flight {
	r = m.object.have.gap(r)
	for _, f := range m.object.flights {
		if f.holds(r) {
			return nil
		}
	}
	if r.len() <= 0 {
		return nil
	}
	f := &flight{span: r, mount: m, ordinal: sc.next - 1, sent: make(chan struct{}), over: make(chan struct{})}
	m.object.flights = append(m.object.flights, f)
	sc.queue = append(sc.queue, f)
	sc.count(f, 1)
	sc.sending()
	return f
}

// sending counts a request about to be sent. Store.mu is held.
func (sc *scan) sending() {
	sc.stats.Requests++
	sc.flying++
	sc.stats.Most = max(sc.stats.Most, sc.flying)
}

// claim takes a flight out of the window: its bytes are about to be received.
// Store.mu is held.
func (sc *scan) claim(f *flight) {
	f.claimed = true
	if i := slices.Index(sc.queue, f); i >= 0 {
		sc.queue = slices.Delete(sc.queue, i, i+1)
	}
	sc.count(f, -1)
}

// count adds a flight to what is under way ahead of its reader, or takes it
// away. Store.mu is held.
func (sc *scan) count(f *flight, sign int) {
	sc.ahead += int64(sign) * f.len()
	sc.st.store.ahead += int64(sign) * f.len()
	sc.st.store.flights += sign
}

// skip takes the flights of groups that the engine has passed out of the
// window. They stay while there is room: a thread that the machine holds up may
// be reading just these. Store.mu is held; the caller discards them after.
func (sc *scan) skip() []*flight {
	n := 0
	for n < len(sc.queue) && sc.queue[n].ordinal <= sc.furthest-skipGroups {
		n++
	}
	if n == 0 {
		return nil
	}
	dropped := slices.Clone(sc.queue[:n])
	sc.queue = slices.Delete(sc.queue, 0, n)
	for _, f := range dropped {
		sc.dropFlight(f)
		sc.stats.Skipped += f.len()
	}
	return dropped
}

// dropFlight gives up a flight that nobody has claimed. Store.mu is held.
func (sc *scan) dropFlight(f *flight) {
	f.dropped = true
	f.mount.object.unflight(f)
	sc.count(f, -1)
	if f.err == nil {
		sc.flying--
	}
}

// discard closes the connections of dropped flights; their answers are not
// drained.
func discard(dropped []*flight) {
	for _, f := range dropped {
		if f.x != nil {
			f.x.c.close()
		}
	}
}

// inline is how many requests a reading thread writes by itself.
const inline = 2

// post sends flights: the first ones here if a connection is idle, the others
// in the background, so that opening connections delays nobody.
func (sc *scan) post(out []*flight) {
	work := &sc.st.store.work
	for len(out) > 0 && len(out) <= inline {
		if !sc.dispatch(out[0], true) {
			break
		}
		out = out[1:]
	}
	if len(out) == 0 {
		return
	}
	work.Go(func() {
		for _, f := range out {
			if !sc.dispatch(f, true) {
				work.Go(func() { sc.dispatch(f, false) })
			}
		}
	})
}

// dispatch sends one flight. It is false if that needs a new connection and
// idleOnly forbids one.
func (sc *scan) dispatch(f *flight, idleOnly bool) bool {
	s := sc.st.store
	x, err := sc.client.send(sc.st.ctx, http.MethodGet, f.mount.object.Object, f.span, idleOnly)
	if x == nil && err == nil {
		return false
	}
	s.mu.Lock()
	dropped := f.dropped
	if !dropped {
		f.x, f.err = x, err
	}
	if err != nil && !dropped {
		sc.flying--
	}
	s.mu.Unlock()
	close(f.sent)
	if dropped && x != nil {
		x.c.close()
	}
	return true
}
