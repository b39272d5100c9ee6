// Package iceberg is what the sandbox's Iceberg REST endpoints share: table
// metadata that is made, checked and changed as the REST catalog API asks, and
// the paths, bodies and errors of that API. It stores nothing and decides
// nothing.
//
// Metadata follows the Iceberg table specification (versions 1 to 3), the rest
// the REST catalog's OpenAPI document.
package iceberg

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metadata is a table's metadata file. What the sandbox only carries stays JSON.
type Metadata struct {
	FormatVersion       int               `json:"format-version"`
	TableUUID           string            `json:"table-uuid"`
	Location            string            `json:"location"`
	LastSequence        *int64            `json:"last-sequence-number,omitempty"` // since version 2
	NextRow             *int64            `json:"next-row-id,omitempty"`          // since version 3
	LastUpdated         int64             `json:"last-updated-ms"`
	LastColumnID        int               `json:"last-column-id"`
	Schema              json.RawMessage   `json:"schema,omitempty"` // version 1
	Schemas             []json.RawMessage `json:"schemas"`
	CurrentSchema       int               `json:"current-schema-id"`
	Spec                json.RawMessage   `json:"partition-spec,omitempty"` // version 1: the default spec's fields
	Specs               []json.RawMessage `json:"partition-specs"`
	DefaultSpec         int               `json:"default-spec-id"`
	LastPartitionID     int               `json:"last-partition-id"`
	Orders              []json.RawMessage `json:"sort-orders"`
	DefaultOrder        int               `json:"default-sort-order-id"`
	Properties          map[string]string `json:"properties"`
	CurrentSnapshot     *int64            `json:"current-snapshot-id,omitempty"`
	Refs                map[string]Ref    `json:"refs,omitempty"`
	Snapshots           []json.RawMessage `json:"snapshots"`
	Statistics          []json.RawMessage `json:"statistics,omitempty"`
	PartitionStatistics []json.RawMessage `json:"partition-statistics,omitempty"`
	SnapshotLog         []SnapshotEntry   `json:"snapshot-log"`
	MetadataLog         []MetadataEntry   `json:"metadata-log"`
}

// Ref is a branch or a tag.
type Ref struct {
	Snapshot     int64  `json:"snapshot-id"`
	Type         string `json:"type"` // "branch" or "tag"
	MaxRefAge    *int64 `json:"max-ref-age-ms,omitempty"`
	MaxAge       *int64 `json:"max-snapshot-age-ms,omitempty"`
	MinSnapshots *int   `json:"min-snapshots-to-keep,omitempty"`
}

// SnapshotEntry tells since when a snapshot was the table's current one.
type SnapshotEntry struct {
	Time     int64 `json:"timestamp-ms"`
	Snapshot int64 `json:"snapshot-id"`
}

// MetadataEntry names an earlier metadata file.
type MetadataEntry struct {
	Time int64  `json:"timestamp-ms"`
	File string `json:"metadata-file"`
}

// mainBranch is the branch whose head is the table's current snapshot.
const mainBranch = "main"

// newest is the newest format version, which S3 Tables has too.
const newest = 3

// complete makes what the format version has and those before it have not.
func (m *Metadata) complete() {
	if m.FormatVersion >= 2 && m.LastSequence == nil {
		m.LastSequence = new(int64)
	}
	if m.FormatVersion >= 3 && m.NextRow == nil {
		m.NextRow = new(int64)
	}
}

// logMax is how many earlier metadata files are remembered unless the property
// write.metadata.previous-versions-max says it.
const logMax = 100

// Read parses a metadata file.
func Read(text []byte) (*Metadata, error) {
	m := &Metadata{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("read table metadata: %w", err)
	}
	if m.FormatVersion < 1 || m.FormatVersion > newest {
		return nil, fmt.Errorf("read table metadata: format version %d is none of 1 to %d", m.FormatVersion, newest)
	}
	return m, nil
}

// Text spells the metadata file.
func (m *Metadata) Text() ([]byte, error) {
	if m.FormatVersion == 1 {
		m.Schema, _ = find(m.Schemas, "schema-id", m.CurrentSchema)
		m.Spec = json.RawMessage("[]")
		var spec struct {
			Fields json.RawMessage `json:"fields"`
		}
		if raw, ok := find(m.Specs, "spec-id", m.DefaultSpec); ok && json.Unmarshal(raw, &spec) == nil && spec.Fields != nil {
			m.Spec = spec.Fields
		}
	}
	return json.Marshal(m)
}

// Definition is a table to be made: the body of the API's createTable.
type Definition struct {
	Name       string            `json:"name"`
	Location   string            `json:"location"`
	Schema     json.RawMessage   `json:"schema"`
	Spec       json.RawMessage   `json:"partition-spec"`
	Order      json.RawMessage   `json:"write-order"`
	Stage      bool              `json:"stage-create"`
	Properties map[string]string `json:"properties"`
}

// New makes the metadata of a table without rows. Field ids are assigned anew,
// as every catalog does. The error is one of the definition.
func New(d *Definition, location string, now time.Time) (*Metadata, error) {
	m := &Metadata{FormatVersion: 2, TableUUID: NewUUID(), Location: strings.TrimRight(location, "/"), LastUpdated: now.UnixMilli(),
		Properties: map[string]string{}, Refs: map[string]Ref{}, LastPartitionID: 999,
		Snapshots: []json.RawMessage{}, SnapshotLog: []SnapshotEntry{}, MetadataLog: []MetadataEntry{}}
	for k, v := range d.Properties {
		if k != "format-version" { // a reserved property: it is a member of the metadata
			m.Properties[k] = v
		}
	}
	if v, ok := d.Properties["format-version"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > newest {
			return nil, fmt.Errorf("format-version %q: the sandbox has versions 1 to %d", v, newest)
		}
		m.FormatVersion = n
	}
	m.complete()
	ids, err := m.firstSchema(d.Schema)
	if err != nil {
		return nil, err
	}
	if err := m.firstSpec(d.Spec, ids); err != nil {
		return nil, err
	}
	return m, m.firstOrder(d.Order, ids)
}

// firstSchema stores the schema under the id 0 with fresh field ids, and gives
// the new id of each old one.
func (m *Metadata) firstSchema(raw json.RawMessage) (map[int]int, error) {
	var s Schema
	if err := json.Unmarshal(raw, &s); err != nil || s.Fields == nil {
		return nil, fmt.Errorf("schema: a struct with fields is wanted")
	}
	if err := s.check(m.FormatVersion); err != nil {
		return nil, err
	}
	ids := map[int]int{}
	s.renumber(ids, &m.LastColumnID)
	for i, id := range s.Identifiers {
		if ids[id] == 0 {
			return nil, fmt.Errorf("schema: identifier field %d is no field", id)
		}
		s.Identifiers[i] = ids[id]
	}
	s.ID, s.Type = 0, "struct"
	text, err := json.Marshal(s)
	m.Schemas, m.CurrentSchema = []json.RawMessage{text}, 0
	return ids, err
}

// partitionField is one field of a partition spec.
type partitionField struct {
	Name      string `json:"name"`
	Transform string `json:"transform"`
	Source    int    `json:"source-id"`
	ID        int    `json:"field-id,omitempty"`
}

type partitionSpec struct {
	ID     int              `json:"spec-id"`
	Fields []partitionField `json:"fields"`
}

func (m *Metadata) firstSpec(raw json.RawMessage, ids map[int]int) error {
	s := partitionSpec{Fields: []partitionField{}}
	if present(raw) {
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("partition-spec: %w", err)
		}
	}
	s.ID = 0
	for i := range s.Fields {
		f := &s.Fields[i]
		source, ok := ids[f.Source]
		if !ok {
			return fmt.Errorf("partition-spec: field %s has the source %d, which is no column", f.Name, f.Source)
		}
		m.LastPartitionID++
		f.Source, f.ID = source, m.LastPartitionID
	}
	text, err := json.Marshal(s)
	m.Specs, m.DefaultSpec = []json.RawMessage{text}, 0
	return err
}

type sortField struct {
	Transform string `json:"transform"`
	Source    int    `json:"source-id"`
	Direction string `json:"direction"`
	Nulls     string `json:"null-order"`
}

type sortOrder struct {
	ID     int         `json:"order-id"`
	Fields []sortField `json:"fields"`
}

func (m *Metadata) firstOrder(raw json.RawMessage, ids map[int]int) error {
	s := sortOrder{Fields: []sortField{}}
	if present(raw) {
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("write-order: %w", err)
		}
	}
	s.ID = 0 // the unsorted order's, which is reserved for it
	for i := range s.Fields {
		source, ok := ids[s.Fields[i].Source]
		if !ok {
			return fmt.Errorf("write-order: the source %d is no column", s.Fields[i].Source)
		}
		s.Fields[i].Source, s.ID = source, 1
	}
	text, err := json.Marshal(s)
	m.Orders, m.DefaultOrder = []json.RawMessage{text}, s.ID
	return err
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// find gives the member of a list whose id is given.
func find(list []json.RawMessage, key string, id int) (json.RawMessage, bool) {
	i := slices.IndexFunc(list, func(raw json.RawMessage) bool { n, ok := number(raw, key); return ok && n == int64(id) })
	if i < 0 {
		return nil, false
	}
	return list[i], true
}

// number reads a whole number of an object.
func number(raw json.RawMessage, key string) (int64, bool) {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(o[key]), 10, 64)
	return n, err == nil
}

// with gives the object with one member set.
func with(raw json.RawMessage, key string, value any) (json.RawMessage, error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	o[key] = text
	return json.Marshal(o)
}

// NewUUID is a random UUID.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// File is the name of the metadata file that follows the one at a location:
// metadata/00001-<uuid>.metadata.json after 00000-….
func File(after string) string {
	n := -1
	base := after[strings.LastIndexByte(after, '/')+1:]
	if digits, _, ok := strings.Cut(base, "-"); ok && after != "" {
		n, _ = strconv.Atoi(digits)
	}
	return fmt.Sprintf("metadata/%05d-%s.metadata.json", n+1, NewUUID())
}
