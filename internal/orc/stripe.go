package orc

import (
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

// streamAt is where a stream of a stripe stands in the file.
type streamAt struct {
	kind     streamKind
	column   int
	off, end int64
}

// stripe is a stripe whose footer has been read and whose wanted streams have
// been fetched.
type stripe struct {
	f         *File
	info      stripeInfo
	streams   []streamAt
	encodings []encoding
	zone      string
	bytes     map[streamAt][]byte
}

// fetch reads what of a stripe the given columns need.
func (f *File) fetch(ctx context.Context, number int, columns []int) (*stripe, error) {
	s := &stripe{f: f, info: f.stripes[number], bytes: map[streamAt][]byte{}}
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
			a := streamAt{off: off}
			length := int64(0)
			err := fields(x.data, func(x field) error {
				switch x.number {
				case 1:
					a.kind = streamKind(x.value)
				case 2:
					a.column = int(min(x.value, uint64(len(s.f.types))))
				case 3:
					length = int64(x.value)
				}
				return nil
			})
			if length < 0 || length > limit-off {
				return faultf("a %v stream of %d bytes does not fit into it", a.kind, length)
			}
			off += length
			a.end = off
			s.streams = append(s.streams, a)
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

// A request costs as much as maxGap bytes; but what is fetched between streams
// is at most one part in wasteShare of what is wanted, or leastWaste.
const (
	maxGap     = 160 << 10
	wasteShare = 16
	leastWaste = 4 << 10
	maxFetch   = 32 // requests of one stripe under way
)

// load fetches the streams that hold values of the wanted columns, those that
// are near each other at once.
func (s *stripe) load(ctx context.Context, wanted []bool) error {
	var list []streamAt
	var size int64
	for _, a := range s.streams {
		switch a.kind {
		case streamPresent, streamData, streamLength, streamDictionary, streamSecondary:
			if a.column < len(wanted) && wanted[a.column] && a.end > a.off {
				list, size = append(list, a), size+a.end-a.off
			}
		}
	}
	waste := max(size/wasteShare, leastWaste)
	var g errgroup.Group
	g.SetLimit(maxFetch)
	var mu sync.Mutex
	for len(list) > 0 {
		n := 1
		for ; n < len(list); n++ {
			gap := list[n].off - list[n-1].end
			if gap > maxGap || gap > waste {
				break
			}
			waste -= gap
		}
		near := list[:n]
		list = list[n:]
		g.Go(func() error {
			from, to := near[0].off, near[n-1].end
			b, err := s.f.read(ctx, from, to-from)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, a := range near {
				s.bytes[a] = b[a.off-from : a.end-from : a.end-from]
			}
			return nil
		})
	}
	return g.Wait()
}

// stream opens a stream of a column; nil: there is none.
func (s *stripe) stream(column int, k streamKind) *stream {
	for a, b := range s.bytes {
		if a.column == column && a.kind == k {
			return newStream(b, s.f.codec, s.f.block)
		}
	}
	return nil
}

// must opens a stream that may only be missing where there is nothing to read.
func (s *stripe) must(column int, k streamKind) *stream {
	if in := s.stream(column, k); in != nil {
		return in
	}
	return &stream{}
}

func (s *stripe) ints(column int, k streamKind, signed bool) ints {
	return ints{in: s.must(column, k), v2: s.encodings[column].v2(), signed: signed}
}

// reader makes the reader of a column.
func (s *stripe) reader(id int, t lake.Type) (reader, error) {
	info, enc := s.f.types[id], s.encodings[id]
	text := info.kind == kindString || info.kind == kindVarchar || info.kind == kindChar
	if enc.kind > dictionaryV2 || enc.kind%2 == 1 && !text {
		return nil, refusal(fmt.Sprintf("has a column in encoding %d", enc.kind))
	}
	p := present{}
	if in := s.stream(id, streamPresent); in != nil {
		p.in = &boolRuns{bytes: byteRuns{in: in}}
	}
	numbers := s.ints(id, streamData, true)
	switch info.kind {
	case kindBoolean:
		return &boolReader{present: p, in: boolRuns{bytes: byteRuns{in: s.must(id, streamData)}}}, nil
	case kindByte:
		return &byteReader{present: p, in: byteRuns{in: s.must(id, streamData)}}, nil
	case kindShort:
		return &wholeReader[int16]{present: p, in: numbers}, nil
	case kindInt:
		return &wholeReader[int32]{present: p, in: numbers}, nil
	case kindLong:
		return &wholeReader[int64]{present: p, in: numbers}, nil
	case kindDate:
		r := &wholeReader[int32]{present: p, in: numbers}
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

func (s *stripe) texts(id int, p present, trim bool) (reader, error) {
	enc := s.encodings[id]
	lengths := s.ints(id, streamLength, false)
	if enc.kind%2 == 0 {
		return &textReader{present: p, lengths: lengths, in: s.must(id, streamData), trim: trim}, nil
	}
	if enc.words > math.MaxInt32 {
		return nil, faultf("it claims a dictionary of %d words", enc.words)
	}
	r := &wordReader{present: p, in: s.ints(id, streamData, false)}
	return r, r.dictionary(&lengths, s.must(id, streamDictionary), int(enc.words), trim)
}

func (s *stripe) stamps(id int, p present, k kind) (reader, error) {
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

func (s *stripe) decimals(id int, p present, t lake.Type) reader {
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

func (s *stripe) nested(id int, p present, t lake.Type) (reader, error) {
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
