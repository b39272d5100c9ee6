package orc

import (
	"context"
	"fmt"

	"lakeport/internal/lake"
)

// Row groups are the rows between two entries of a stripe's index, which has for
// each column what its values there are and where in its streams they begin
// (ORC Specification v1, "Indexes").

// rowGroup is an entry of a column's ROW_INDEX stream.
type rowGroup struct {
	positions []uint64
	stats     statistics
}

// An index of more is not read, nor one with more positions to an entry.
const (
	maxGroups    = 1 << 17
	maxPositions = 64
)

func parseRowGroups(b []byte) (list []rowGroup, err error) {
	err = fields(b, func(x field) error {
		if x.number != 1 {
			return nil
		}
		g := rowGroup{stats: statistics{hasNull: true}}
		err := fields(x.data, func(x field) (err error) {
			switch x.number {
			case 1:
				return x.numbers(func(v uint64) {
					if len(g.positions) <= maxPositions {
						g.positions = append(g.positions, v)
					}
				})
			case 2:
				g.stats, err = parseStatistics(x.data)
			}
			return err
		})
		if len(list) <= maxGroups {
			list = append(list, g)
		}
		return err
	})
	return list, err
}

// narrow leaves of the stripe the row groups that may have rows which meet all
// filters, unless the index does not say where those of each wanted column begin.
func (s *stripe) narrow(ctx context.Context, filters []Filter, wanted []bool) error {
	if len(filters) == 0 || s.f.stride <= 0 || s.info.rows <= 0 {
		return nil
	}
	n := (s.info.rows-1)/s.f.stride + 1
	if n > maxGroups {
		return nil
	}
	var probes []Filter // that a Bloom filter may answer
	for _, x := range filters {
		if _, ok := s.streams[streamID{s.f.columns[x.Column].id, streamBloom}]; ok && s.f.blooms && (x.Op == lake.Eq || x.Op == lake.In) {
			probes = append(probes, x)
		}
	}
	if n == 1 && len(probes) == 0 {
		return nil // the stripe's own statistics have been asked
	}
	if s.info.index <= maxGap { // all at once
		var err error
		if s.index, err = s.f.read(ctx, s.info.offset, s.info.index); err != nil {
			return err
		}
		defer func() { s.index = nil }()
	}
	indexed := append([]bool(nil), wanted...)
	for _, x := range filters {
		indexed[s.f.columns[x.Column].id] = true
	}
	index := map[int][]rowGroup{}
	if err := s.sections(ctx, streamRowIndex, indexed, func(id int, b []byte) error {
		list, err := parseRowGroups(b)
		if int64(len(list)) == n {
			index[id] = list
		}
		return err
	}); err != nil {
		return err
	}
	kept := make([]bool, n)
	left := false
	for g := range kept {
		kept[g] = !s.f.skipsGroup(filters, index, g)
		left = left || kept[g]
	}
	if left && len(probes) > 0 {
		if err := s.probe(ctx, probes, kept); err != nil {
			return err
		}
	}
	s.keep(kept, index, wanted)
	return nil
}

// skipsGroup tells whether no row of a row group meets all filters.
func (f *File) skipsGroup(filters []Filter, index map[int][]rowGroup, g int) bool {
	for _, x := range filters {
		if list := index[f.columns[x.Column].id]; list != nil && f.excludes(x, list[g].stats) {
			return true
		}
	}
	return false
}

// sections reads the streams of one kind that are about whole columns, and
// expands them.
func (s *stripe) sections(ctx context.Context, k streamKind, columns []bool, each func(id int, b []byte) error) error {
	var list []piece
	packed := map[int][]byte{}
	for id, at := range s.streams {
		if id.kind == k && id.column < len(columns) && columns[id.column] {
			list = append(list, piece{at, func(b []byte) { packed[id.column] = b }})
		}
	}
	if err := s.gather(ctx, list, fewBytes); err != nil {
		return err
	}
	for id, b := range packed {
		b, err := s.f.expand(b)
		if err == nil {
			err = each(id, b)
		}
		if err != nil {
			return fmt.Errorf("%v stream of column %d: %w", k, id, err)
		}
	}
	return nil
}

// keep makes spans of the row groups that are kept.
func (s *stripe) keep(kept []bool, index map[int][]rowGroup, wanted []bool) {
	seeks, ok := s.seeks(kept, index, wanted)
	if !ok {
		return
	}
	s.spans = nil
	for g := 0; g < len(kept); g++ {
		if !kept[g] {
			continue
		}
		x := span{stripe: s, from: int64(g) * s.f.stride, seeks: seeks[g]}
		for g < len(kept) && kept[g] {
			g++
		}
		if x.to = s.info.rows; g < len(kept) {
			x.to, x.ends = int64(g)*s.f.stride, seeks[g]
		}
		s.spans = append(s.spans, x)
	}
}

// seek is where in a stream a row group begins.
type seek struct {
	at     int64 // of the stream's bytes: a chunk's, if they are compressed
	inner  int   // bytes of the chunk, expanded, that belong to rows before
	values int   // of the run that stands there, likewise
	bits   int   // of the byte after those, likewise
}

// seeks gives for the row groups where a span begins or ends the places in all
// streams of the wanted columns. False: the index does not tell them, or what it
// tells cannot be.
func (s *stripe) seeks(kept []bool, index map[int][]rowGroup, wanted []bool) (map[int]map[streamID]seek, bool) {
	places := map[int]map[streamID]seek{}
	for g := 1; g < len(kept); g++ {
		if kept[g] != kept[g-1] {
			places[g] = map[streamID]seek{}
		}
	}
	for id, yes := range wanted {
		if len(places) == 0 {
			break // all rows or none
		}
		layout := s.layout(id)
		if !yes || len(layout) == 0 {
			continue
		}
		before := map[streamID]seek{}
		for g := range kept {
			list := index[id]
			if list == nil {
				return nil, false
			}
			now, ok := s.locate(id, layout, list[g].positions)
			if !ok {
				return nil, false
			}
			for stream, x := range now {
				if x.at < before[stream].at || g == 0 && x != (seek{}) {
					return nil, false
				}
				if places[g] != nil {
					places[g][stream] = x
				}
			}
			before = now
		}
	}
	return places, true
}

// positioned is a stream that positions tell of.
type positioned struct {
	kind   streamKind
	values bool // a run's values are counted
	bits   bool // and a byte's bits
}

// layout is the streams of a column in the order in which its positions tell of
// them. Of a PRESENT stream that is left out they do not.
func (s *stripe) layout(id int) []positioned {
	var list []positioned
	if _, ok := s.streams[streamID{id, streamPresent}]; ok {
		list = append(list, positioned{streamPresent, true, true})
	}
	raw := positioned{kind: streamData}
	numbers := func(k streamKind) positioned { return positioned{k, true, false} }
	switch s.f.types[id].kind {
	case kindBoolean:
		return append(list, positioned{streamData, true, true})
	case kindByte, kindShort, kindInt, kindLong, kindDate:
		return append(list, numbers(streamData))
	case kindFloat, kindDouble:
		return append(list, raw)
	case kindString, kindVarchar, kindChar, kindBinary:
		if s.encodings[id].kind%2 == 1 {
			return append(list, numbers(streamData))
		}
		return append(list, raw, numbers(streamLength))
	case kindTimestamp, kindInstant:
		return append(list, numbers(streamData), numbers(streamSecondary))
	case kindDecimal:
		return append(list, raw, numbers(streamSecondary))
	case kindList, kindMap:
		return append(list, numbers(streamLength))
	}
	return list
}

// locate reads the positions of a column in a row group. False: there are more or
// fewer than its streams have, or one lies outside of its stream.
func (s *stripe) locate(id int, layout []positioned, positions []uint64) (map[streamID]seek, bool) {
	places := map[streamID]seek{}
	ok := true
	next := func(most int64) int64 {
		if len(positions) == 0 || positions[0] > uint64(most) {
			ok = false
			return 0
		}
		v := int64(positions[0])
		positions = positions[1:]
		return v
	}
	for _, p := range layout {
		at := s.streams[streamID{id, p.kind}]
		x := seek{at: next(at.end - at.off)}
		if s.f.codec != none {
			x.inner = int(next(maxBlock))
		}
		if p.values {
			x.values = int(next(maxRun))
		}
		if p.bits {
			x.bits = int(next(8))
		}
		places[streamID{id, p.kind}] = x
	}
	return places, ok && len(positions) == 0
}

// longestRun is at least the bytes of any run: 512 values of 64 bits, the 31
// patches that may follow them, a base and the header.
const longestRun = 512*8 + 31*8 + 8 + 4

// part is where the bytes of a stream stand that a span's rows need.
func (s *span) part(id streamID, all place) place {
	start := all.off
	if from, ok := s.seeks[id]; ok {
		all.off += from.at
	}
	if to, ok := s.ends[id]; ok {
		all.end = min(all.end, start+to.at+s.f.reach(to))
	}
	return all
}

// reach is how many bytes behind the place where rows begin those before them
// need: the run that they share, if there is one, and all of its chunks.
func (f *File) reach(next seek) int64 {
	run := int64(0)
	if next.values > 0 || next.bits > 0 {
		run = longestRun
	}
	switch block := int64(f.block); {
	case f.codec == none:
		return run
	case run == 0 && next.inner == 0:
		return 0
	case run == 0:
		return chunkHeader + block
	default:
		return (chunkHeader + block) * (2 + run/block)
	}
}
