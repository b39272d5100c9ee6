package iceberg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Commit is the body of the API's updateTable.
type Commit struct {
	Requirements []json.RawMessage `json:"requirements"`
	Updates      []json.RawMessage `json:"updates"`
}

// Conflict is a requirement that does not hold: the table has changed since it
// was read, or is another one.
type Conflict struct{ Msg string }

// Error gives the message.
func (c *Conflict) Error() string { return "Requirement failed: " + c.Msg }

// requirement is any of the API's table requirements.
type requirement struct {
	Type          string `json:"type"`
	UUID          string `json:"uuid"`
	Ref           string `json:"ref"`
	Snapshot      *int64 `json:"snapshot-id"`
	LastField     int    `json:"last-assigned-field-id"`
	CurrentSchema int    `json:"current-schema-id"`
	LastPartition int    `json:"last-assigned-partition-id"`
	DefaultSpec   int    `json:"default-spec-id"`
	DefaultOrder  int    `json:"default-sort-order-id"`
}

// Check tells whether the requirements hold; a *Conflict names the first that
// does not.
func (m *Metadata) Check(requirements []json.RawMessage) error {
	for _, raw := range requirements {
		var r requirement
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("requirement: %w", err)
		}
		if err := m.require(&r); err != nil {
			return err
		}
	}
	return nil
}

func (m *Metadata) require(r *requirement) error {
	differs := func(what string, want, got any) error {
		return &Conflict{fmt.Sprintf("%s changed: expected %v != %v", what, want, got)}
	}
	switch r.Type {
	case "assert-create":
		return &Conflict{"table already exists"}
	case "assert-table-uuid":
		if r.UUID != m.TableUUID {
			return &Conflict{fmt.Sprintf("UUID does not match: expected %s != %s", r.UUID, m.TableUUID)}
		}
	case "assert-ref-snapshot-id":
		ref, ok := m.Refs[r.Ref]
		switch {
		case r.Snapshot == nil && ok:
			return &Conflict{fmt.Sprintf("%s %s was created concurrently", ref.Type, r.Ref)}
		case r.Snapshot != nil && !ok:
			return &Conflict{fmt.Sprintf("branch or tag %s is missing, expected %d", r.Ref, *r.Snapshot)}
		case r.Snapshot != nil && ref.Snapshot != *r.Snapshot:
			return differs(ref.Type+" "+r.Ref+" has", *r.Snapshot, ref.Snapshot)
		}
	case "assert-last-assigned-field-id":
		if r.LastField != m.LastColumnID {
			return differs("last assigned field id", r.LastField, m.LastColumnID)
		}
	case "assert-current-schema-id":
		if r.CurrentSchema != m.CurrentSchema {
			return differs("current schema", r.CurrentSchema, m.CurrentSchema)
		}
	case "assert-last-assigned-partition-id":
		if r.LastPartition != m.LastPartitionID {
			return differs("last assigned partition id", r.LastPartition, m.LastPartitionID)
		}
	case "assert-default-spec-id":
		if r.DefaultSpec != m.DefaultSpec {
			return differs("default partition spec", r.DefaultSpec, m.DefaultSpec)
		}
	case "assert-default-sort-order-id":
		if r.DefaultOrder != m.DefaultOrder {
			return differs("default sort order", r.DefaultOrder, m.DefaultOrder)
		}
	default:
		return fmt.Errorf("requirement %q is not one of the API", r.Type)
	}
	return nil
}

// update is any of the API's table updates.
type update struct {
	Action         string            `json:"action"`
	UUID           string            `json:"uuid"`
	FormatVersion  int               `json:"format-version"`
	Schema         json.RawMessage   `json:"schema"`
	SchemaID       int               `json:"schema-id"`
	SchemaIDs      []int             `json:"schema-ids"`
	Spec           json.RawMessage   `json:"spec"`
	SpecID         int               `json:"spec-id"`
	SpecIDs        []int             `json:"spec-ids"`
	Order          json.RawMessage   `json:"sort-order"`
	OrderID        int               `json:"sort-order-id"`
	Snapshot       json.RawMessage   `json:"snapshot"`
	SnapshotID     int64             `json:"snapshot-id"`
	SnapshotIDs    []int64           `json:"snapshot-ids"`
	RefName        string            `json:"ref-name"`
	Location       string            `json:"location"`
	Updates        map[string]string `json:"updates"`
	Removals       []string          `json:"removals"`
	Statistics     json.RawMessage   `json:"statistics"`
	PartitionStats json.RawMessage   `json:"partition-statistics"`
}

// added are the ids that this commit gave last: -1 in an update means them.
type added struct{ schema, spec, order int }

// Apply makes the updates, in order, and notes previous, where the metadata was
// read, in the log. After an error the metadata is not to be used.
func (m *Metadata) Apply(updates []json.RawMessage, previous string, now time.Time) error {
	before := m.LastUpdated
	last := &added{-1, -1, -1}
	for _, raw := range updates {
		var u update
		if err := json.Unmarshal(raw, &u); err != nil {
			return fmt.Errorf("update: %w", err)
		}
		change, ok := changes[u.Action]
		if !ok {
			return fmt.Errorf("the sandbox does not make the update %q", u.Action)
		}
		if err := change(m, &u, raw, last, now); err != nil {
			return fmt.Errorf("%s: %w", u.Action, err)
		}
	}
	m.LastUpdated = max(now.UnixMilli(), before)
	m.MetadataLog = append(m.MetadataLog, MetadataEntry{before, previous})
	keep := logMax
	if n, err := strconv.Atoi(m.Properties["write.metadata.previous-versions-max"]); err == nil && n > 0 {
		keep = n
	}
	if over := len(m.MetadataLog) - keep; over > 0 {
		m.MetadataLog = m.MetadataLog[over:]
	}
	return nil
}

type change func(m *Metadata, u *update, raw json.RawMessage, last *added, now time.Time) error

var changes = map[string]change{
	"assign-uuid": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		if u.UUID != m.TableUUID {
			return fmt.Errorf("the table has the UUID %s already", m.TableUUID)
		}
		return nil
	},
	"upgrade-format-version": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		if u.FormatVersion < m.FormatVersion || u.FormatVersion > newest {
			return fmt.Errorf("version %d cannot become version %d: the sandbox has versions 1 to %d", m.FormatVersion, u.FormatVersion, newest)
		}
		if u.FormatVersion > 1 {
			m.Schema, m.Spec = nil, nil
		}
		m.FormatVersion = u.FormatVersion
		m.complete()
		return nil
	},
	"add-schema":             addSchema,
	"set-current-schema":     setCurrentSchema,
	"remove-schemas":         removeSchemas,
	"add-spec":               addSpec,
	"set-default-spec":       setDefaultSpec,
	"remove-partition-specs": removeSpecs,
	"add-sort-order":         addOrder,
	"set-default-sort-order": setDefaultOrder,
	"add-snapshot":           addSnapshot,
	"remove-snapshots":       removeSnapshots,
	"set-snapshot-ref":       setRef,
	"remove-snapshot-ref": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		if u.RefName == mainBranch {
			m.CurrentSnapshot = nil
			m.SnapshotLog = []SnapshotEntry{}
		}
		delete(m.Refs, u.RefName)
		return nil
	},
	"set-location": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		if u.Location != m.Location {
			return fmt.Errorf("the service chooses where a table lies")
		}
		return nil
	},
	"set-properties": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		for k, v := range u.Updates {
			m.Properties[k] = v
		}
		return nil
	},
	"remove-properties": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		for _, k := range u.Removals {
			delete(m.Properties, k)
		}
		return nil
	},
	"set-statistics": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		id, ok := number(u.Statistics, "snapshot-id")
		if !ok {
			return fmt.Errorf("statistics name no snapshot")
		}
		m.Statistics = append(withoutSnapshot(m.Statistics, id), u.Statistics)
		return nil
	},
	"remove-statistics": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		m.Statistics = withoutSnapshot(m.Statistics, u.SnapshotID)
		return nil
	},
	"set-partition-statistics": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		id, ok := number(u.PartitionStats, "snapshot-id")
		if !ok {
			return fmt.Errorf("statistics name no snapshot")
		}
		m.PartitionStatistics = append(withoutSnapshot(m.PartitionStatistics, id), u.PartitionStats)
		return nil
	},
	"remove-partition-statistics": func(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
		m.PartitionStatistics = withoutSnapshot(m.PartitionStatistics, u.SnapshotID)
		return nil
	},
}

func withoutSnapshot(list []json.RawMessage, id int64) []json.RawMessage {
	return slices.DeleteFunc(list, func(raw json.RawMessage) bool { n, ok := number(raw, "snapshot-id"); return ok && n == id })
}

// next is an id that no member of the list has.
func next(list []json.RawMessage, key string) int {
	n := -1
	for _, raw := range list {
		if id, ok := number(raw, key); ok {
			n = max(n, int(id))
		}
	}
	return n + 1
}

// same finds a member that differs in its id alone.
func same(list []json.RawMessage, key string, raw json.RawMessage) (int, bool) {
	for _, old := range list {
		id, ok := number(old, key)
		if !ok {
			continue
		}
		a, err := with(old, key, 0)
		b, err2 := with(raw, key, 0)
		if err == nil && err2 == nil && string(a) == string(b) {
			return int(id), true
		}
	}
	return 0, false
}

// keep adds v to a list unless one like it is there, and gives its id, which
// own is the place of in v: a new one is at least least.
func keep(list *[]json.RawMessage, key string, v any, own *int, least int) (int, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	if id, ok := same(*list, key, text); ok {
		return id, nil
	}
	*own = max(next(*list, key), least)
	if text, err = json.Marshal(v); err != nil {
		return 0, err
	}
	*list = append(*list, text)
	return *own, nil
}

// chosen gives the id of a member of a list; -1 is the one added last.
func chosen(list []json.RawMessage, key, what string, id, last int) (int, error) {
	if id == -1 {
		id = last
	}
	if _, ok := find(list, key, id); !ok {
		return 0, fmt.Errorf("there is no %s %d", what, id)
	}
	return id, nil
}

// without takes members off a list, among which the one in use may not be.
func without(list *[]json.RawMessage, key string, gone []int, used int, what string) error {
	if slices.Contains(gone, used) {
		return fmt.Errorf("%s %d is in use", what, used)
	}
	*list = slices.DeleteFunc(*list, func(raw json.RawMessage) bool {
		id, _ := number(raw, key)
		return slices.Contains(gone, int(id))
	})
	return nil
}

func addSchema(m *Metadata, u *update, _ json.RawMessage, last *added, _ time.Time) (err error) {
	var s Schema
	if err := json.Unmarshal(u.Schema, &s); err != nil || s.Fields == nil {
		return fmt.Errorf("a struct with fields is wanted")
	}
	if err := s.check(m.FormatVersion); err != nil {
		return err
	}
	s.Type = "struct"
	m.LastColumnID = max(m.LastColumnID, s.highest())
	last.schema, err = keep(&m.Schemas, "schema-id", &s, &s.ID, 0)
	return err
}

func setCurrentSchema(m *Metadata, u *update, _ json.RawMessage, last *added, _ time.Time) error {
	id, err := chosen(m.Schemas, "schema-id", "schema", u.SchemaID, last.schema)
	if err == nil {
		m.CurrentSchema = id
	}
	return err
}

func removeSchemas(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
	return without(&m.Schemas, "schema-id", u.SchemaIDs, m.CurrentSchema, "schema")
}

func addSpec(m *Metadata, u *update, _ json.RawMessage, last *added, _ time.Time) (err error) {
	s := partitionSpec{}
	if err := json.Unmarshal(u.Spec, &s); err != nil {
		return err
	}
	if s.Fields == nil {
		s.Fields = []partitionField{}
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.ID == 0 {
			f.ID = max(m.LastPartitionID, 999) + 1
		}
		m.LastPartitionID = max(m.LastPartitionID, f.ID)
	}
	last.spec, err = keep(&m.Specs, "spec-id", &s, &s.ID, 0)
	return err
}

func setDefaultSpec(m *Metadata, u *update, _ json.RawMessage, last *added, _ time.Time) error {
	id, err := chosen(m.Specs, "spec-id", "partition spec", u.SpecID, last.spec)
	if err == nil {
		m.DefaultSpec = id
	}
	return err
}

func removeSpecs(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
	return without(&m.Specs, "spec-id", u.SpecIDs, m.DefaultSpec, "partition spec")
}

// addOrder keeps the id 0 for the order of no fields ("Sort Orders").
func addOrder(m *Metadata, u *update, _ json.RawMessage, last *added, _ time.Time) (err error) {
	s := sortOrder{}
	if err := json.Unmarshal(u.Order, &s); err != nil {
		return err
	}
	if len(s.Fields) > 0 {
		last.order, err = keep(&m.Orders, "order-id", &s, &s.ID, 1)
		return err
	}
	last.order = 0
	if _, ok := find(m.Orders, "order-id", 0); !ok {
		m.Orders = append(m.Orders, json.RawMessage(`{"order-id":0,"fields":[]}`))
	}
	return nil
}

func setDefaultOrder(m *Metadata, u *update, _ json.RawMessage, last *added, _ time.Time) error {
	id, err := chosen(m.Orders, "order-id", "sort order", u.OrderID, last.order)
	if err == nil {
		m.DefaultOrder = id
	}
	return err
}

func (m *Metadata) snapshot(id int64) (json.RawMessage, bool) {
	i := slices.IndexFunc(m.Snapshots, func(raw json.RawMessage) bool { n, ok := number(raw, "snapshot-id"); return ok && n == id })
	if i < 0 {
		return nil, false
	}
	return m.Snapshots[i], true
}

// addSnapshot holds a snapshot against the table: a sequence number that is
// not a new one would hide rows ("Sequence Numbers").
func addSnapshot(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
	var s struct {
		ID       *int64 `json:"snapshot-id"`
		Parent   *int64 `json:"parent-snapshot-id"`
		Sequence int64  `json:"sequence-number"`
		Time     int64  `json:"timestamp-ms"`
		List     string `json:"manifest-list"`
		FirstRow *int64 `json:"first-row-id"`
		Added    *int64 `json:"added-rows"`
	}
	if err := json.Unmarshal(u.Snapshot, &s); err != nil {
		return err
	}
	if s.ID == nil || s.Time == 0 {
		return fmt.Errorf("a snapshot has a snapshot-id and a timestamp-ms")
	}
	if _, ok := m.snapshot(*s.ID); ok {
		return fmt.Errorf("snapshot %d is there already", *s.ID)
	}
	if m.FormatVersion >= 2 {
		if s.List == "" {
			return fmt.Errorf("a snapshot of version %d has a manifest-list", m.FormatVersion)
		}
		if s.Sequence <= *m.LastSequence && s.Parent != nil {
			return fmt.Errorf("Cannot add snapshot with sequence number %d older than last sequence number %d", s.Sequence, *m.LastSequence)
		}
		*m.LastSequence = max(*m.LastSequence, s.Sequence)
	}
	if m.FormatVersion >= 3 { // "Row Lineage"
		switch {
		case s.FirstRow == nil || s.Added == nil || *s.Added < 0:
			return fmt.Errorf("a snapshot of version 3 has a first-row-id and added-rows")
		case *s.FirstRow < *m.NextRow:
			return fmt.Errorf("Cannot add a snapshot, first-row-id is behind table next-row-id: %d < %d", *s.FirstRow, *m.NextRow)
		}
		*m.NextRow += *s.Added
	}
	m.Snapshots = append(m.Snapshots, u.Snapshot)
	return nil
}

func removeSnapshots(m *Metadata, u *update, _ json.RawMessage, _ *added, _ time.Time) error {
	gone := func(id int64) bool { return slices.Contains(u.SnapshotIDs, id) }
	for name, r := range m.Refs {
		if gone(r.Snapshot) {
			if name == mainBranch {
				return fmt.Errorf("snapshot %d is the current one", r.Snapshot)
			}
			delete(m.Refs, name)
		}
	}
	for _, id := range u.SnapshotIDs {
		m.Snapshots, m.Statistics = withoutSnapshot(m.Snapshots, id), withoutSnapshot(m.Statistics, id)
		m.PartitionStatistics = withoutSnapshot(m.PartitionStatistics, id)
	}
	m.SnapshotLog = slices.DeleteFunc(m.SnapshotLog, func(e SnapshotEntry) bool { return gone(e.Snapshot) })
	return nil
}

func setRef(m *Metadata, u *update, raw json.RawMessage, _ *added, now time.Time) error {
	var r Ref
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	switch {
	case u.RefName == "":
		return fmt.Errorf("ref-name is missing")
	case r.Type != "branch" && r.Type != "tag" || r.Type == "tag" && u.RefName == mainBranch:
		return fmt.Errorf("%s cannot be a %q", u.RefName, r.Type)
	}
	if _, ok := m.snapshot(r.Snapshot); !ok {
		return fmt.Errorf("there is no snapshot %d", r.Snapshot)
	}
	if m.Refs == nil {
		m.Refs = map[string]Ref{}
	}
	m.Refs[u.RefName] = r
	if u.RefName == mainBranch {
		m.CurrentSnapshot = &r.Snapshot
		m.SnapshotLog = append(m.SnapshotLog, SnapshotEntry{now.UnixMilli(), r.Snapshot})
	}
	return nil
}
