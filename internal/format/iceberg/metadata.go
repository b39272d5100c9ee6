package iceberg

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Metadata is a table's metadata file. What lakeport has no use for is kept as
// it was, so that a commit does not lose it.
type Metadata struct {
	FormatVersion   int
	UUID            string
	Location        string
	LastColumnID    int
	Schemas         []Schema
	CurrentSchema   int
	Specs           []Spec
	DefaultSpec     int
	LastPartitionID int
	SortOrder       int
	Properties      map[string]string
	CurrentSnapshot int64 // 0: none
	Snapshots       []Snapshot
	Log             []LogEntry
	Refs            map[string]Ref
	LastSequence    int64
	LastUpdatedMS   int64
	NextRowID       int64 // v3

	raw map[string]json.RawMessage // the whole file
}

// Spec is a partition spec.
type Spec struct {
	ID     int         `json:"spec-id"`
	Fields []PartField `json:"fields"`
}

// PartField is one field of a partition spec.
type PartField struct {
	SourceID  int       `json:"source-id"`
	ID        int       `json:"field-id"`
	Name      string    `json:"name"`
	Transform Transform `json:"transform"`
}

// SnapshotID is a snapshot's id. Some writers make ids beyond 64 bits with a
// sign; they are told apart by their bits.
type SnapshotID int64

// UnmarshalJSON reads a whole number of up to 64 bits, with or without a sign.
func (s *SnapshotID) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		u, unsigned := strconv.ParseUint(string(data), 10, 64)
		if unsigned != nil {
			return fmt.Errorf("%.40s is no snapshot id", data)
		}
		n = int64(u)
	}
	*s = SnapshotID(n)
	return nil
}

// Snapshot is one state of a table.
type Snapshot struct {
	ID           SnapshotID        `json:"snapshot-id"`
	Parent       *SnapshotID       `json:"parent-snapshot-id,omitempty"`
	Sequence     int64             `json:"sequence-number,omitempty"`
	TimestampMS  int64             `json:"timestamp-ms"`
	ManifestList string            `json:"manifest-list,omitempty"`
	Manifests    []string          `json:"manifests,omitempty"` // v1 without a manifest list
	Summary      map[string]string `json:"summary,omitempty"`
	SchemaID     *int              `json:"schema-id,omitempty"`
	FirstRowID   *int64            `json:"first-row-id,omitempty"`
	AddedRows    *int64            `json:"added-rows,omitempty"`
	KeyID        string            `json:"key-id,omitempty"`
}

// LogEntry says since when a snapshot has been current.
type LogEntry struct {
	TimestampMS int64      `json:"timestamp-ms"`
	Snapshot    SnapshotID `json:"snapshot-id"`
}

// Ref is a branch or a tag.
type Ref struct {
	Snapshot         SnapshotID `json:"snapshot-id"`
	Type             string     `json:"type"`
	MaxRefAgeMS      *int64     `json:"max-ref-age-ms,omitempty"`
	MinSnapshots     *int       `json:"min-snapshots-to-keep,omitempty"`
	MaxSnapshotAgeMS *int64     `json:"max-snapshot-age-ms,omitempty"`
}

// jsonMetadata is what Parse takes from a metadata file.
type jsonMetadata struct {
	FormatVersion   int               `json:"format-version"`
	UUID            string            `json:"table-uuid"`
	Location        string            `json:"location"`
	LastColumnID    int               `json:"last-column-id"`
	Schema          *Schema           `json:"schema"`
	Schemas         []Schema          `json:"schemas"`
	CurrentSchema   *int              `json:"current-schema-id"`
	Spec            []PartField       `json:"partition-spec"`
	Specs           []Spec            `json:"partition-specs"`
	DefaultSpec     int               `json:"default-spec-id"`
	LastPartitionID *int              `json:"last-partition-id"`
	SortOrder       int               `json:"default-sort-order-id"`
	Properties      map[string]string `json:"properties"`
	CurrentSnapshot *SnapshotID       `json:"current-snapshot-id"`
	Snapshots       []Snapshot        `json:"snapshots"`
	Log             []LogEntry        `json:"snapshot-log"`
	Refs            map[string]Ref    `json:"refs"`
	LastSequence    int64             `json:"last-sequence-number"`
	LastUpdatedMS   int64             `json:"last-updated-ms"`
	NextRowID       int64             `json:"next-row-id"`
	Keys            []json.RawMessage `json:"encryption-keys"`
}

// metadataMax bounds a metadata file after decompression.
const metadataMax = 512 << 20

// Parse reads a metadata file, compressed by gzip or not. Versions and features
// that lakeport does not know are Unsupported, by name.
func Parse(data []byte) (*Metadata, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		plain, err := gunzip(data)
		if err != nil {
			return nil, sqlerr.New(sqlerr.Corrupt, "the table's metadata is not readable: %w", err)
		}
		data = plain
	}
	var j jsonMetadata
	m := &Metadata{}
	err := json.Unmarshal(data, &m.raw)
	if err == nil {
		err = versionOf(m.raw)
	}
	if err == nil {
		err = json.Unmarshal(data, &j)
	}
	if err != nil {
		if sqlerr.Is(err, sqlerr.Unsupported) {
			return nil, err
		}
		return nil, sqlerr.New(sqlerr.Corrupt, "the table's metadata is not readable: %w", err)
	}
	if len(j.Keys) > 0 || j.Properties["encryption.key-id"] != "" {
		return nil, sqlerr.New(sqlerr.Unsupported, "the table is encrypted (encryption-keys), which lakeport does not read")
	}
	return m, m.take(j)
}

// versionOf refuses versions of the format before anything else is read.
func versionOf(raw map[string]json.RawMessage) error {
	var v int
	if err := json.Unmarshal(raw["format-version"], &v); err != nil {
		return fmt.Errorf("format-version: %w", err)
	}
	if v < 1 || v > 3 {
		return sqlerr.New(sqlerr.Unsupported, "the table has format-version %d; lakeport reads 1 to 3", v)
	}
	return nil
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, metadataMax+1))
	if err == nil && len(plain) > metadataMax {
		err = fmt.Errorf("it has more than %d bytes", metadataMax)
	}
	return plain, err
}

// take fills m and checks that what refers to something finds it.
func (m *Metadata) take(j jsonMetadata) error {
	m.FormatVersion, m.UUID, m.Location = j.FormatVersion, j.UUID, strings.TrimRight(j.Location, "/")
	m.LastColumnID, m.Properties, m.SortOrder = j.LastColumnID, j.Properties, j.SortOrder
	m.Snapshots, m.Log, m.Refs = j.Snapshots, j.Log, j.Refs
	m.LastSequence, m.LastUpdatedMS, m.NextRowID = j.LastSequence, j.LastUpdatedMS, j.NextRowID
	m.Schemas, m.Specs, m.DefaultSpec = j.Schemas, j.Specs, j.DefaultSpec
	if len(m.Schemas) == 0 && j.Schema != nil { // v1 before schemas had ids
		m.Schemas = []Schema{*j.Schema}
		j.CurrentSchema = &j.Schema.ID
	}
	if len(m.Specs) == 0 {
		for i := range j.Spec { // v1 left ids out: they count from 1000
			if j.Spec[i].ID == 0 {
				j.Spec[i].ID = 1000 + i
			}
		}
		m.Specs = []Spec{{ID: 0, Fields: j.Spec}}
	}
	if j.CurrentSchema != nil {
		m.CurrentSchema = *j.CurrentSchema
	}
	m.LastPartitionID = 999
	for _, s := range m.Specs {
		for _, f := range s.Fields {
			m.LastPartitionID = max(m.LastPartitionID, f.ID)
		}
	}
	if j.LastPartitionID != nil {
		m.LastPartitionID = *j.LastPartitionID
	}
	if j.CurrentSnapshot != nil && *j.CurrentSnapshot != -1 {
		m.CurrentSnapshot = int64(*j.CurrentSnapshot)
	}
	return m.check()
}

func (m *Metadata) check() error {
	corrupt := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.Corrupt, "the table's metadata is broken: "+format, args...)
	}
	switch {
	case m.schema(m.CurrentSchema) == nil:
		return corrupt("there is no schema %d, the current one", m.CurrentSchema)
	case m.spec(m.DefaultSpec) == nil:
		return corrupt("there is no partition spec %d, the default one", m.DefaultSpec)
	case m.CurrentSnapshot != 0 && m.snapshot(m.CurrentSnapshot) == nil:
		return corrupt("there is no snapshot %d, the current one", m.CurrentSnapshot)
	}
	for _, s := range m.Schemas {
		if len(s.Fields) == 0 && s.ID == m.CurrentSchema {
			return corrupt("schema %d has no columns", s.ID)
		}
	}
	return nil
}

func (m *Metadata) schema(id int) *Schema {
	i := slices.IndexFunc(m.Schemas, func(s Schema) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &m.Schemas[i]
}

func (m *Metadata) spec(id int) *Spec {
	i := slices.IndexFunc(m.Specs, func(s Spec) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &m.Specs[i]
}

func (m *Metadata) snapshot(id int64) *Snapshot {
	i := slices.IndexFunc(m.Snapshots, func(s Snapshot) bool { return int64(s.ID) == id })
	if i < 0 {
		return nil
	}
	return &m.Snapshots[i]
}

// source finds a partition field's source column in the newest schema that has
// it: a dropped column's partitions outlive it.
func (m *Metadata) source(id int) *Field {
	if f := find(m.schema(m.CurrentSchema).Fields, id); f != nil {
		return f
	}
	for i := len(m.Schemas) - 1; i >= 0; i-- {
		if f := find(m.Schemas[i].Fields, id); f != nil {
			return f
		}
	}
	return nil
}

// find looks a field up on any level.
func find(fields []Field, id int) (found *Field) {
	walk(fields, func(f *Field) {
		if f.ID == id && found == nil {
			found = f
		}
	})
	return found
}

// at gives the snapshot and the schema of a state: a snapshot's and a tag's
// schema is that of their time, a branch's is the table's (Iceberg, "Snapshot
// References"). The snapshot is nil for a table that has none.
func (m *Metadata) at(v lake.At) (*Snapshot, *Schema, error) {
	current := m.schema(m.CurrentSchema)
	switch {
	case !v.Time.IsZero():
		return m.asOf(v.Time)
	case v.Version != "":
		return m.version(v.Version)
	case m.CurrentSnapshot == 0:
		return nil, current, nil
	}
	return m.snapshot(m.CurrentSnapshot), current, nil
}

func (m *Metadata) version(text string) (*Snapshot, *Schema, error) {
	if ref, ok := m.Refs[text]; ok {
		s := m.snapshot(int64(ref.Snapshot))
		if s == nil {
			return nil, nil, sqlerr.New(sqlerr.Corrupt, "%s %q points to snapshot %d, which the table does not have", ref.Type, text, ref.Snapshot)
		}
		if ref.Type == "tag" {
			return s, m.schemaOf(s), nil
		}
		return s, m.schema(m.CurrentSchema), nil
	}
	var id SnapshotID
	if err := id.UnmarshalJSON([]byte(text)); err == nil {
		if s := m.snapshot(int64(id)); s != nil {
			return s, m.schemaOf(s), nil
		}
		return nil, nil, sqlerr.New(sqlerr.NotFound, "the table has no snapshot %s; it may have expired", text)
	}
	return nil, nil, sqlerr.New(sqlerr.NotFound, "the table has no branch or tag %q", text)
}

// asOf finds the snapshot that was current at an instant: by the log, or where
// that is cut short by the newest ancestor of the current snapshot.
func (m *Metadata) asOf(t time.Time) (*Snapshot, *Schema, error) {
	var id int64
	last := int64(math.MinInt64)
	for _, e := range m.Log {
		if e.TimestampMS <= t.UnixMilli() && e.TimestampMS >= last {
			id, last = int64(e.Snapshot), e.TimestampMS
		}
	}
	seen := map[int64]bool{}
	for s := m.snapshot(m.CurrentSnapshot); id == 0 && s != nil && !seen[int64(s.ID)]; {
		if s.TimestampMS <= t.UnixMilli() {
			id = int64(s.ID)
		}
		seen[int64(s.ID)] = true
		if s.Parent == nil {
			break
		}
		s = m.snapshot(int64(*s.Parent))
	}
	s := m.snapshot(id)
	if id == 0 || s == nil {
		return nil, nil, sqlerr.New(sqlerr.NotFound, "the table has no snapshot as of %s", t.UTC().Format("2006-01-02 15:04:05.999 MST"))
	}
	return s, m.schemaOf(s), nil
}

// schemaOf is the schema that a snapshot was written with.
func (m *Metadata) schemaOf(s *Snapshot) *Schema {
	if s.SchemaID != nil {
		if schema := m.schema(*s.SchemaID); schema != nil {
			return schema
		}
	}
	return m.schema(m.CurrentSchema)
}
