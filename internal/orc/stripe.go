package orc

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/lake"
)

// streamKind is a Stream.Kind of the specification.
type streamKind uint64

const (
	streamPresent    streamKind = 0
	streamData       streamKind = 1
	streamLength     streamKind = 2
	streamDictionary streamKind = 3
	streamSecondary  streamKind = 5
	streamRowIndex   streamKind = 6
	streamBloom      streamKind = 8 // over UTF-8; the kind before it hashes texts otherwise
)

func (k streamKind) String() string {
	names := [...]string{"PRESENT", "DATA", "LENGTH", "DICTIONARY_DATA", "DICTIONARY_COUNT", "SECONDARY", "ROW_INDEX", "BLOOM_FILTER", "BLOOM_FILTER_UTF8"}
	if int(min(k, 99)) < len(names) {
		return names[k]
	}
	return fmt.Sprint(uint64(k))
}

// encoding is a ColumnEncoding.
type encoding struct {
	kind  uint64
	words uint64 // of the dictionary
}

const (
	direct       = 0
	dictionary   = 1
	directV2     = 2
	dictionaryV2 = 3
)

func (e encoding) v2() bool { return e.kind == directV2 || e.kind == dictionaryV2 }

// streamID names a stream of a stripe.
type streamID struct {
	column int
	kind   streamKind
}

// place is where bytes stand in the file.
type place struct{ off, end int64 }

// stripe is a stripe whose footer has been read and whose wanted rows have been
// fetched.
type stripe struct {
	f         *File
	info      stripeInfo
	streams   map[streamID]place // but those of no bytes
	encodings []encoding
	zone      string
	index     []byte // nil: read piece by piece
	spans     []span
	words     map[int]*words // dictionaries read, by column
}

// span is rows of a stripe, one after another, and what it takes to read them.
type span struct {
	*stripe
	from, to int64               // rows of the stripe
	bytes    map[streamID][]byte // of the wanted streams
	seeks    map[streamID]seek   // where the rows begin; none: at the stream's start
	ends     map[streamID]seek   // where the rows after them do; none: the stripe ends with them
	err      error               // the first of opening a stream
}

// narrowed tells whether rows are left out.
func (s *stripe) narrowed() bool {
	return len(s.spans) != 1 || s.spans[0].to-s.spans[0].from < s.info.rows
}

func (s *stripe) whole() []span { return []span{{stripe: s, to: s.info.rows}} }

// fetch reads what of a stripe the given columns need, without the row groups
// that filters rule out.
func (f *File) fetch(ctx context.Context, number int, columns []int, filters []Filter) (*stripe, error) {
	s := &stripe{f: f, info: f.stripes[number], streams: map[streamID]place{}, words: map[int]*words{}}
	s.spans = s.whole()
	wanted := make([]bool, len(f.types))
	for _, c := range columns {
		f.mark(f.columns[c].id, wanted)
	}
	if !slices.Contains(wanted, true) {
		return s, nil
	}
	// The root may have a PRESENT stream of its own; no writer makes one, and
	// it would have to be all ones.
	packed, err := f.read(ctx, s.info.offset+s.info.index+s.info.data, s.info.footer)
	if err != nil {
		return nil, err
	}
	footer, err := f.expand(packed)
	if err == nil {
		err = s.parse(footer)
	}
	if err != nil {
		return nil, fmt.Errorf("footer of stripe %d: %w", number, err)
	}
	if err := s.narrow(ctx, filters, wanted); err != nil {
		return nil, fmt.Errorf("row index of stripe %d: %w", number, err)
	}
	return s, s.load(ctx, wanted)
}

// mark notes a column and all that is inside it.
func (f *File) mark(id int, wanted []bool) {
	wanted[id] = true
	for _, c := range f.types[id].children {
		f.mark(c, wanted)
	}
}

// parse reads the StripeFooter message.
func (s *stripe) parse(b []byte) error {
	off := s.info.offset
	limit := off + s.info.index + s.info.data
	err := fields(b, func(x field) error {
		switch x.number {
		case 1:
			var id streamID
			length := int64(0)
			err := fields(x.data, func(x field) error {
				switch x.number {
				case 1:
					id.kind = streamKind(x.value)
				case 2:
					id.column = int(min(x.value, uint64(len(s.f.types))))
				case 3:
					length = int64(x.value)
				}
				return nil
			})
			if length < 0 || length > limit-off {
				return faultf("a %v stream of %d bytes does not fit into it", id.kind, length)
			}
			if length > 0 {
				s.streams[id] = place{off, off + length}
			}
			off += length
			return err
		case 2:
			var e encoding
			err := fields(x.data, func(x field) error {
				switch x.number {
				case 1:
					e.kind = x.value
				case 2:
					e.words = x.value
				}
				return nil
			})
			s.encodings = append(s.encodings, e)
			return err
		case 3:
			s.zone = string(x.data)
		case 4:
			return refusal("has encrypted stripes")
		}
		return nil
	})
	if err == nil && len(s.encodings) < len(s.f.types) {
		err = faultf("it has the encodings of %d columns where there are %d", len(s.encodings), len(s.f.types))
	}
	return err
}

// A request costs as much as maxGap bytes; but what is fetched between pieces is
// at most one part in a share of what is wanted, or leastWaste.
const (
	maxGap     = 160 << 10
	leastWaste = 4 << 10
	fewBytes   = 16 // share where most pieces are wanted
	someBytes  = 4  // where few are, each small
	maxFetch   = 32 // requests of one stripe under way
)

// piece is bytes of a stream that are wanted, and who gets them.
type piece struct {
	place
	give func([]byte)
}

// load fetches what each span needs of the streams that hold values of the
// wanted columns.
func (s *stripe) load(ctx context.Context, wanted []bool) error {
	for i := range s.spans {
		s.spans[i].bytes = map[streamID][]byte{}
	}
	var list []piece
	for id, at := range s.streams {
		switch id.kind {
		case streamPresent, streamData, streamLength, streamDictionary, streamSecondary:
			if id.column >= len(wanted) || !wanted[id.column] {
				continue
			}
			for i := range s.spans {
				x := &s.spans[i]
				list = append(list, piece{x.part(id, at), func(b []byte) { x.bytes[id] = b }})
			}
		}
	}
	share := fewBytes
	if s.narrowed() {
		share = someBytes
	}
	return s.gather(ctx, list, share)
}

// read gives bytes of the stripe, from its index where that is at hand.
func (s *stripe) read(ctx context.Context, off, n int64) ([]byte, error) {
	if at := off - s.info.offset; at+n <= int64(len(s.index)) {
		return s.index[at:][:n], nil
	}
	return s.f.read(ctx, off, n)
}

// gather fetches pieces, those that are near each other at once.
func (s *stripe) gather(ctx context.Context, list []piece, share int) error {
	slices.SortFunc(list, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	var size int64
	for _, p := range list {
		size += p.end - p.off
	}
	waste := max(size/int64(share), leastWaste)
	var g errgroup.Group
	g.SetLimit(maxFetch)
	var mu sync.Mutex
	for len(list) > 0 {
		n, from, to := 1, list[0].off, list[0].end
		for ; n < len(list); n++ {
			gap := max(0, list[n].off-to) // pieces may overlap
			if gap > maxGap || gap > waste {
				break
			}
			waste -= gap
			to = max(to, list[n].end)
		}
		near := list[:n]
		list = list[n:]
		if from == to { // no rows after have values there
			near[0].give(nil)
			continue
		}
		g.Go(func() error {
			b, err := s.read(ctx, from, to-from)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range near {
				p.give(b[p.off-from : p.end-from : p.end-from])
			}
			return nil
		})
	}
	return g.Wait()
}

// stream opens a stream of a column; nil: there is none.
func (s *span) stream(column int, k streamKind) *stream {
	id := streamID{column, k}
	b, ok := s.bytes[id]
	if !ok {
		return nil
	}
	in := newStream(b, s.f.codec, s.f.block)
	s.note(in.skip(s.seeks[id].inner))
	return in
}

func (s *span) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// must opens a stream that may only be missing where there is nothing to read.
func (s *span) must(column int, k streamKind) *stream {
	if in := s.stream(column, k); in != nil {
		return in
	}
	return &stream{}
}

// values is how many values before the span's a stream's first run has.
func (s *span) values(column int, k streamKind) int { return s.seeks[streamID{column, k}].values }

func (s *span) ints(column int, k streamKind, signed bool) ints {
	r := ints{in: s.must(column, k), v2: s.encodings[column].v2(), signed: signed}
	s.note(r.skip(s.values(column, k)))
	return r
}

func (s *span) byteRuns(column int, k streamKind) byteRuns {
	r := byteRuns{in: s.must(column, k)}
	s.note(r.skip(s.values(column, k)))
	return r
}

func (s *span) boolRuns(column int, k streamKind) boolRuns {
	r := boolRuns{bytes: s.byteRuns(column, k)}
	s.note(r.skipBits(s.seeks[streamID{column, k}].bits))
	return r
}

// open makes the reader of a column.
func (s *span) open(id int, t lake.Type) (reader, error) {
	r, err := s.reader(id, t)
	if err == nil {
		err = s.err
	}
	return r, err
}

func (s *span) reader(id int, t lake.Type) (reader, error) {
	info, enc := s.f.types[id], s.encodings[id]
	text := info.kind == kindString || info.kind == kindVarchar || info.kind == kindChar
	if enc.kind > dictionaryV2 || enc.kind%2 == 1 && !text {
		return nil, refusal(fmt.Sprintf("has a column in encoding %d", enc.kind))
	}
	p := present{}
	if _, ok := s.bytes[streamID{id, streamPresent}]; ok {
		in := s.boolRuns(id, streamPresent)
		p.in = &in
	}
	switch info.kind {
	case kindBoolean:
		return &boolReader{present: p, in: s.boolRuns(id, streamData)}, nil
	case kindByte:
		return &byteReader{present: p, in: s.byteRuns(id, streamData)}, nil
	case kindShort:
		return &wholeReader[int16]{present: p, in: s.ints(id, streamData, true)}, nil
	case kindInt:
		return &wholeReader[int32]{present: p, in: s.ints(id, streamData, true)}, nil
	case kindLong:
		return &wholeReader[int64]{present: p, in: s.ints(id, streamData, true)}, nil
	case kindDate:
		r := &wholeReader[int32]{present: p, in: s.ints(id, streamData, true)}
		if s.f.hybrid {
			r.fix = proleptic
		}
		return r, nil
	case kindFloat:
		return &floatReader[float32]{present: p, in: s.must(id, streamData)}, nil
	case kindDouble:
		return &floatReader[float64]{present: p, in: s.must(id, streamData)}, nil
	case kindString, kindVarchar, kindChar, kindBinary:
		return s.texts(id, p, info.kind == kindChar)
	case kindTimestamp, kindInstant:
		return s.stamps(id, p, info.kind)
	case kindDecimal:
		return s.decimals(id, p, t), nil
	}
	return s.nested(id, p, t)
}

func (s *span) texts(id int, p present, trim bool) (reader, error) {
	if s.encodings[id].kind%2 == 0 {
		return &textReader{present: p, lengths: s.ints(id, streamLength, false), in: s.must(id, streamData), trim: trim}, nil
	}
	dict, err := s.dictionary(id, trim)
	return &wordReader{present: p, in: s.ints(id, streamData, false), dict: dict}, err
}

// dictionary reads a column's words, once for all spans.
func (s *span) dictionary(id int, trim bool) (*words, error) {
	if s.words[id] == nil {
		n := s.encodings[id].words
		if n > math.MaxInt32 {
			return nil, faultf("it claims a dictionary of %d words", n)
		}
		lengths := s.ints(id, streamLength, false)
		dict, err := readWords(&lengths, s.must(id, streamDictionary), int(n), trim)
		if err != nil {
			return nil, err
		}
		s.words[id] = dict
	}
	return s.words[id], nil
}

func (s *span) stamps(id int, p present, k kind) (reader, error) {
	r := &stampReader{present: p, seconds: s.ints(id, streamData, true), nanos: s.ints(id, streamSecondary, false), hybrid: s.f.hybrid}
	switch s.zone {
	case "", "UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z":
		return r, nil
	}
	if k == kindInstant {
		return r, nil
	}
	var err error
	r.zone, err = newZone(s.zone)
	return r, err
}

func (s *span) decimals(id int, p present, t lake.Type) reader {
	in, scales := s.must(id, streamData), s.ints(id, streamSecondary, true)
	width, scale := int(t.Width), int(t.Scale)
	switch {
	case width <= 4:
		return &decimalReader[int16]{present: p, in: in, scales: scales, width: width, scale: scale}
	case width <= 9:
		return &decimalReader[int32]{present: p, in: in, scales: scales, width: width, scale: scale}
	case width <= 18:
		return &decimalReader[int64]{present: p, in: in, scales: scales, width: width, scale: scale}
	}
	return &decimalReader[lake.Int128]{present: p, in: in, scales: scales, width: width, scale: scale}
}

func (s *span) nested(id int, p present, t lake.Type) (reader, error) {
	info := s.f.types[id]
	var inner []lake.Type
	switch info.kind {
	case kindStruct:
		for _, f := range t.Fields {
			inner = append(inner, f.Type)
		}
	case kindList:
		inner = []lake.Type{*t.Elem}
	case kindMap:
		inner = []lake.Type{*t.Key, *t.Elem}
	default:
		return nil, refusal(fmt.Sprintf("has a column of kind %d", info.kind))
	}
	var readers []reader
	for i, c := range info.children {
		r, err := s.reader(c, inner[i])
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	switch info.kind {
	case kindStruct:
		return &structReader{present: p, fields: readers}, nil
	case kindMap:
		readers = []reader{&structReader{fields: readers}}
	}
	return &listReader{present: p, lengths: s.ints(id, streamLength, false), elem: readers[0]}, nil
}
