package iceberg

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/avro"
	"lakeport/internal/sqlerr"
)

// Contents of manifests and files.
const (
	contentData            = 0
	contentPositionDeletes = 1 // deletion vectors too, which are in Puffin files
	contentEqualityDeletes = 2
)

// Statuses of manifest entries.
const (
	statusExisting = 0
	statusAdded    = 1
	statusDeleted  = 2
)

// manifest is a manifest list's word on one manifest.
type manifest struct {
	path       string
	length     int64
	spec       int
	content    int
	sequence   int64
	minimum    int64 // lowest data sequence number of live files
	snapshot   int64
	counts     [3]int64 // added, existing, deleted files; -1: not told
	rows       [3]int64
	partitions []summary
	firstRowID *int64
}

// untold is the spec of a manifest in no manifest list: the manifest tells it.
const untold = -1

// summary bounds the values of one partition field in a manifest.
type summary struct {
	hasNull bool
	hasNaN  *bool // nil: not told
	lower   []byte
	upper   []byte
}

// entry is a manifest's word on one file.
type entry struct {
	status       int
	snapshot     int64
	sequence     int64 // data sequence number
	fileSequence int64
	file         file
}

// file is a data file, a delete file or a deletion vector.
type file struct {
	content    int
	path       string
	format     string // lower case
	spec       int
	partition  []value // in the order of the spec's fields
	records    int64
	size       int64
	sizes      map[int]int64
	values     map[int]int64
	nulls      map[int]int64
	nans       map[int]int64
	lower      map[int][]byte
	upper      map[int][]byte
	splits     []int64
	equality   []int // ids of the columns that equality deletes compare
	sortOrder  *int64
	firstRowID *int64
	referenced string // the data file that deletes are for; "": many
	offset     int64  // of a deletion vector in its file
	length     int64
}

// record is a decoded Avro record by field id: writers differ in names.
type record avro.Record

func asRecord(v any) (record, bool) {
	r, ok := v.(avro.Record)
	return record(r), ok
}

// integer reads an int or long; ok is false for NULL and what is missing.
func (r record) integer(id int) (n int64, ok bool) {
	switch v := r[id].(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

func (r record) number(id int) int64 {
	n, _ := r.integer(id)
	return n
}

func (r record) pointer(id int) *int64 {
	if n, ok := r.integer(id); ok {
		return &n
	}
	return nil
}

func (r record) text(id int) string {
	s, _ := r[id].(string)
	return s
}

func (r record) bytes(id int) []byte {
	b, _ := r[id].([]byte)
	return b
}

// integers reads a list of numbers.
func (r record) integers(id int) []int64 {
	list, _ := r[id].([]any)
	var out []int64
	for _, v := range list {
		switch v := v.(type) {
		case int32:
			out = append(out, int64(v))
		case int64:
			out = append(out, v)
		}
	}
	return out
}

// pairs calls each for the entries of a map, which Iceberg stores as a list of
// records because its keys are numbers.
func (r record) pairs(id int, keyID, valueID int, each func(key int, r record)) {
	list, _ := r[id].([]any)
	for _, v := range list {
		if kv, ok := asRecord(v); ok {
			if key, ok := kv.integer(keyID); ok && kv[valueID] != nil {
				each(int(key), kv)
			}
		}
	}
}

func (r record) counts(id, keyID, valueID int) map[int]int64 {
	out := map[int]int64{}
	r.pairs(id, keyID, valueID, func(key int, kv record) { out[key] = kv.number(valueID) })
	return out
}

func (r record) bounds(id, keyID, valueID int) map[int][]byte {
	out := map[int][]byte{}
	r.pairs(id, keyID, valueID, func(key int, kv record) { out[key] = kv.bytes(valueID) })
	return out
}

// readManifestList reads the manifests of a snapshot.
func readManifestList(data []byte) ([]manifest, error) {
	var list []manifest
	err := avro.Records(data, func(raw avro.Record) error {
		r := record(raw)
		m := manifest{
			path: r.text(500), length: r.number(501), spec: int(r.number(502)), content: int(r.number(517)),
			sequence: r.number(515), minimum: r.number(516), snapshot: r.number(503), firstRowID: r.pointer(520),
		}
		for i, id := range []int{504, 505, 506} {
			m.counts[i] = -1
			if n, ok := r.integer(id); ok {
				m.counts[i] = n
			}
		}
		for i, id := range []int{512, 513, 514} {
			m.rows[i] = r.number(id)
		}
		switch {
		case m.path == "":
			return errors.New("a manifest has no path")
		case len(r.bytes(519)) > 0:
			return sqlerr.New(sqlerr.Unsupported, "manifest %s is encrypted (key_metadata), which lakeport does not read", m.path)
		case m.content != contentData && m.content != 1:
			return sqlerr.New(sqlerr.Unsupported, "manifest %s has content %d, which lakeport does not know", m.path, m.content)
		}
		partitions, _ := r[507].([]any)
		for _, p := range partitions {
			if p, ok := asRecord(p); ok {
				s := summary{lower: p.bytes(510), upper: p.bytes(511)}
				s.hasNull, _ = p[509].(bool)
				if nan, ok := p[518].(bool); ok {
					s.hasNaN = &nan
				}
				m.partitions = append(m.partitions, s)
			}
		}
		list = append(list, m)
		return nil
	})
	return list, err
}

// readManifest reads the live entries of a manifest; what they leave out they
// inherit from m (Iceberg, "Sequence Number Inheritance").
func (m *Metadata) readManifest(data []byte, of manifest) ([]entry, error) {
	if of.spec == untold {
		told, err := avro.Metadata(data)
		if err != nil {
			return nil, err
		}
		if of.spec, err = strconv.Atoi(cmp.Or(told["partition-spec-id"], "0")); err != nil {
			return nil, fmt.Errorf("its partition-spec-id is %q", told["partition-spec-id"])
		}
	}
	spec := m.spec(of.spec)
	if spec == nil {
		return nil, fmt.Errorf("there is no partition spec %d", of.spec)
	}
	var list []entry
	nextRow := of.firstRowID
	err := avro.Records(data, func(raw avro.Record) error {
		r := record(raw)
		e := entry{status: int(r.number(0))}
		if e.status == statusDeleted {
			return nil
		}
		if e.status != statusExisting && e.status != statusAdded {
			return sqlerr.New(sqlerr.Unsupported, "an entry has status %d, which lakeport does not know", e.status)
		}
		inherit := func(id int, from int64) int64 {
			n, ok := r.integer(id)
			switch {
			case ok:
				return n
			case e.status == statusAdded:
				return from
			}
			return 0
		}
		e.sequence, e.fileSequence = inherit(3, of.sequence), inherit(4, of.sequence)
		e.snapshot = of.snapshot
		if n, ok := r.integer(1); ok {
			e.snapshot = n
		}
		f, ok := asRecord(r[2])
		if !ok {
			return errors.New("an entry has no file")
		}
		var err error
		if e.file, err = m.readFile(f, spec); err != nil {
			return err
		}
		if e.file.content == contentData && e.file.firstRowID == nil && nextRow != nil {
			first := *nextRow
			e.file.firstRowID = &first
			next := first + e.file.records
			nextRow = &next
		}
		if (of.content == contentData) != (e.file.content == contentData) {
			return fmt.Errorf("%s has content %d in a manifest of content %d", e.file.path, e.file.content, of.content)
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

func (m *Metadata) readFile(r record, spec *Spec) (file, error) {
	f := file{
		content: int(r.number(134)), path: r.text(100), format: strings.ToLower(r.text(101)), spec: spec.ID, records: r.number(103), size: r.number(104),
		sizes: r.counts(108, 117, 118), values: r.counts(109, 119, 120), nulls: r.counts(110, 121, 122), nans: r.counts(137, 138, 139),
		lower: r.bounds(125, 126, 127), upper: r.bounds(128, 129, 130), splits: r.integers(132), sortOrder: r.pointer(140),
		firstRowID: r.pointer(142), referenced: r.text(143), offset: r.number(144), length: r.number(145),
	}
	for _, id := range r.integers(135) {
		f.equality = append(f.equality, int(id))
	}
	slices.Sort(f.equality)
	switch {
	case f.path == "":
		return f, errors.New("a file has no path")
	case len(r.bytes(131)) > 0:
		return f, sqlerr.New(sqlerr.Unsupported, "%s is encrypted (key_metadata), which lakeport does not read", f.path)
	case f.content < contentData || f.content > contentEqualityDeletes:
		return f, sqlerr.New(sqlerr.Unsupported, "%s has content %d, which lakeport does not know", f.path, f.content)
	case f.records < 0 || f.size < 0:
		return f, fmt.Errorf("%s has %d rows in %d bytes", f.path, f.records, f.size)
	case f.content == contentEqualityDeletes && len(f.equality) == 0:
		return f, fmt.Errorf("%s holds equality deletes of no column", f.path)
	}
	tuple, _ := asRecord(r[102])
	for _, p := range spec.Fields {
		source := m.source(p.SourceID)
		if _, there := tuple[p.ID]; !there && p.Transform.Name != "void" {
			return f, fmt.Errorf("%s has no value of partition field %s", f.path, p.Name)
		}
		if source == nil || !p.Transform.known() {
			f.partition = append(f.partition, unknown{tuple[p.ID]})
			continue
		}
		v, err := fromAvro(p.Transform.result(source.Type), tuple[p.ID])
		if err != nil {
			return f, fmt.Errorf("%s, partition field %s: %w", f.path, p.Name, err)
		}
		f.partition = append(f.partition, v)
	}
	return f, nil
}

// unknown is a partition value of a transform that lakeport does not know: it
// only tells whether two files are in one partition.
type unknown struct{ avro any }
