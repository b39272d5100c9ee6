package iceberg

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// Definition is a table that is to be made. Partition has one item for each
// partition field, as StarRocks spells it: c, identity(c), bucket(c, 16).
type Definition struct {
	Columns    []ColumnDefinition
	Partition  []string
	Comment    string
	Location   string // "": the catalog's choice
	Properties map[string]string
}

// ColumnDefinition is a column of a table that is to be made.
type ColumnDefinition struct {
	lake.Column
	Required bool
	Default  *string // its text; nil: none
}

// New is a table that is to be made, in Iceberg's words.
type New struct {
	Version    int
	Schema     Schema
	Spec       Spec
	Location   string
	Properties map[string]string
}

// Plan turns a definition into Iceberg's words, with ids for fields. What
// Iceberg has no word for is refused by name.
func (d Definition) Plan() (*New, error) {
	n := &New{Version: 2, Location: strings.TrimRight(d.Location, "/"), Properties: map[string]string{}}
	maps.Copy(n.Properties, d.Properties)
	if v, ok := n.Properties["format-version"]; ok {
		delete(n.Properties, "format-version")
		switch v {
		case "2", "3":
			n.Version = int(v[0] - '0')
		case "1":
			return nil, sqlerr.New(sqlerr.Unsupported, `tables of "format-version" = "1" are read, not made`).WithHint(`leave it out for 2`)
		default:
			return nil, sqlerr.New(sqlerr.Invalid, `"format-version" must be 2 or 3, found %q`, v)
		}
	}
	if v, ok := n.Properties["file_format"]; ok {
		if !strings.EqualFold(v, "parquet") {
			return nil, sqlerr.New(sqlerr.Unsupported, `"file_format" must be "parquet", found %q`, v)
		}
		delete(n.Properties, "file_format")
		n.Properties["write.format.default"] = "parquet"
	}
	if v, ok := n.Properties["compression_codec"]; ok {
		delete(n.Properties, "compression_codec")
		n.Properties["write.parquet.compression-codec"] = strings.ToLower(v)
	}
	if _, err := compression(n.Properties); err != nil {
		return nil, sqlerr.New(sqlerr.Invalid, "%w", err)
	}
	if d.Comment != "" {
		n.Properties["comment"] = d.Comment
	}
	return n, n.plan(d)
}

func (n *New) plan(d Definition) error {
	fields := make([]Field, len(d.Columns))
	for i, c := range d.Columns {
		t, err := typeOf(c.Type)
		if err != nil {
			return sqlerr.New(sqlerr.Unsupported, "column %s: %w", c.Name, err)
		}
		fields[i] = Field{Name: c.Name, Required: c.Required, Type: t, Doc: c.Comment}
		if c.Default == nil {
			continue
		}
		if n.Version < 3 {
			return sqlerr.New(sqlerr.Unsupported, `column %s: defaults need "format-version" = "3"`, c.Name)
		}
		v, ok := fromText(t, *c.Default)
		if !ok {
			return sqlerr.New(sqlerr.Invalid, "column %s: default %q is no %s", c.Name, *c.Default, t)
		}
		fields[i].Initial = defaultJSON(t, v, *c.Default)
		fields[i].Write = fields[i].Initial
	}
	last := 0
	n.Schema.Fields = fields
	number(fields, &last)
	for i, text := range d.Partition {
		p, err := n.partField(text)
		if err != nil {
			return err
		}
		p.ID = 1000 + i
		for _, other := range n.Spec.Fields {
			if other.Name == p.Name {
				return sqlerr.New(sqlerr.Invalid, "partition %s is given twice", text)
			}
		}
		n.Spec.Fields = append(n.Spec.Fields, p)
	}
	return nil
}

// number gives ids to fields: all of one level, then those inside them.
func number(fields []Field, last *int) {
	for i := range fields {
		*last++
		fields[i].ID = *last
	}
	for i := range fields {
		number(fields[i].Type.Fields, last)
	}
}

var partitionCall = regexp.MustCompile("(?is)^\\s*(\\w+)\\s*\\(\\s*(`[^`]+`|\\w+)\\s*(?:,\\s*([0-9]+)\\s*)?\\)\\s*$")

// partField reads c, identity(c), bucket(c, 16) and the like.
func (n *New) partField(text string) (PartField, error) {
	transform, column, width := "identity", strings.TrimSpace(text), ""
	if m := partitionCall.FindStringSubmatch(text); m != nil {
		transform, column, width = strings.ToLower(m[1]), m[2], m[3]
	}
	column = strings.Trim(column, "`")
	var source *Field
	for i := range n.Schema.Fields {
		if strings.EqualFold(n.Schema.Fields[i].Name, column) {
			source = &n.Schema.Fields[i]
		}
	}
	if source == nil {
		return PartField{}, sqlerr.New(sqlerr.NotFound, "Column %s not found in schema", column).With(sqlerr.BadColumn)
	}
	t := transformOf(transform)
	if width != "" {
		t = transformOf(transform + "[" + width + "]")
	}
	if !t.known() || (t.Width > 0) != (width != "") || !t.accepts(source.Type) {
		return PartField{}, sqlerr.New(sqlerr.Invalid, "Unsupported partition transform %s for column %s", text, source.Name).
			WithHint("write identity, year, month, day, hour or void of a column, or bucket(column, n) or truncate(column, n), where its type allows it")
	}
	name := source.Name
	switch t.Name {
	case "identity":
	case "truncate":
		name += "_trunc"
	case "void":
		name += "_null"
	default:
		name += "_" + t.Name
	}
	if t.Name != "identity" {
		for _, f := range n.Schema.Fields {
			if strings.EqualFold(f.Name, name) {
				return PartField{}, sqlerr.New(sqlerr.Invalid, "partition %s would be called %s, which is a column", text, name)
			}
		}
	}
	return PartField{SourceID: source.ID, Name: name, Transform: t}, nil
}

// typeOf gives Iceberg's type for one of the engine's, as StarRocks maps them.
func typeOf(t lake.Type) (Type, error) {
	switch t.Kind {
	case lake.Boolean:
		return Type{Name: "boolean"}, nil
	case lake.TinyInt, lake.SmallInt, lake.Integer:
		return Type{Name: "int"}, nil
	case lake.BigInt:
		return Type{Name: "long"}, nil
	case lake.Float:
		return Type{Name: "float"}, nil
	case lake.Double:
		return Type{Name: "double"}, nil
	case lake.Decimal:
		return Type{Name: "decimal", Precision: int(t.Width), Scale: int(t.Scale)}, nil
	case lake.Varchar:
		return Type{Name: "string"}, nil
	case lake.Blob:
		return Type{Name: "binary"}, nil
	case lake.Date:
		return Type{Name: "date"}, nil
	case lake.Time:
		return Type{Name: "time"}, nil
	case lake.Timestamp:
		return Type{Name: "timestamp"}, nil
	case lake.TimestampTZ:
		return Type{Name: "timestamptz"}, nil
	case lake.UUID:
		return Type{Name: "uuid"}, nil
	case lake.List:
		return nested("list", lake.Column{Name: "element", Type: *t.Elem})
	case lake.Map:
		out, err := nested("map", lake.Column{Name: "key", Type: *t.Key}, lake.Column{Name: "value", Type: *t.Elem})
		if err == nil {
			out.Fields[0].Required = true
		}
		return out, err
	case lake.Struct:
		return nested("struct", t.Fields...)
	}
	return Type{}, fmt.Errorf("Unsupported primitive column type %s", t)
}

func nested(name string, columns ...lake.Column) (Type, error) {
	out := Type{Name: name}
	for _, c := range columns {
		t, err := typeOf(c.Type)
		if err != nil {
			return out, err
		}
		out.Fields = append(out.Fields, Field{Name: c.Name, Type: t, Doc: c.Comment})
	}
	return out, nil
}

// defaultJSON is a default in the JSON single-value serialization.
func defaultJSON(t Type, v value, text string) json.RawMessage {
	switch v.(type) {
	case bool, int64, float64:
		switch t.Name {
		case "boolean", "int", "long", "float", "double":
			out, _ := json.Marshal(v)
			return out
		}
		text = strings.Replace(text, " ", "T", 1)
	}
	out, _ := json.Marshal(text)
	return out
}

// Metadata makes the metadata of a table without rows.
func (n *New) Metadata(now time.Time) (*Metadata, error) {
	last := 0
	n.Schema.walk(func(f *Field) { last = max(last, f.ID) })
	lastPartition := 999
	for _, p := range n.Spec.Fields {
		lastPartition = max(lastPartition, p.ID)
	}
	spec := n.Spec
	if spec.Fields == nil {
		spec.Fields = []PartField{}
	}
	j := object{
		"format-version": n.Version, "table-uuid": newUUID(), "location": n.Location, "last-sequence-number": 0, "last-updated-ms": now.UnixMilli(),
		"last-column-id": last, "schemas": []Schema{n.Schema}, "current-schema-id": n.Schema.ID, "partition-specs": []Spec{spec},
		"default-spec-id": spec.ID, "last-partition-id": lastPartition, "sort-orders": []any{object{"order-id": 0, "fields": []any{}}},
		"default-sort-order-id": 0, "properties": n.Properties, "current-snapshot-id": nil, "snapshots": []any{}, "snapshot-log": []any{},
		"metadata-log": []any{}, "refs": object{}, "statistics": []any{}, "partition-statistics": []any{},
	}
	if n.Version >= 3 {
		j["next-row-id"] = 0
	}
	data, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// JSON is the metadata as a file holds it.
func (m *Metadata) JSON() ([]byte, error) {
	data, err := json.Marshal(m.raw)
	if err != nil || !strings.EqualFold(m.Properties["write.metadata.compression-codec"], "gzip") {
		return data, err
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

var fileVersion = regexp.MustCompile(`^v?([0-9]{1,9})(?:-|\.)`)

// NextFile names the metadata file after the one at uri, "" for a first one.
func (m *Metadata) NextFile(uri string) string {
	version := 0
	if uri != "" {
		if v := fileVersion.FindStringSubmatch(path.Base(uri)); v != nil {
			version, _ = strconv.Atoi(v[1])
			version = min(version, math.MaxInt32) + 1
		}
	}
	suffix := ".metadata.json"
	if strings.EqualFold(m.Properties["write.metadata.compression-codec"], "gzip") {
		suffix = ".gz.metadata.json"
	}
	t := Table{meta: m}
	return fmt.Sprintf("%s/%05d-%s%s", t.metadataDir(), version, newUUID(), suffix)
}

// With gives the metadata with a change made, for stores that keep only where
// the metadata is. at is where m stands.
func (m *Metadata) With(c Change, at string) (*Metadata, error) {
	raw := maps.Clone(m.raw)
	set := func(key string, v any) error {
		data, err := json.Marshal(v)
		raw[key] = data
		return err
	}
	appendTo := func(key string, v any, most int) error {
		var list []json.RawMessage
		if old := raw[key]; old != nil {
			if err := json.Unmarshal(old, &list); err != nil {
				return err
			}
		}
		data, err := json.Marshal(v)
		list = append(list, data)
		if most > 0 && len(list) > most {
			list = list[len(list)-most:]
		}
		if err != nil {
			return err
		}
		return set(key, list)
	}
	refs := map[string]json.RawMessage{}
	if old := raw["refs"]; old != nil {
		if err := json.Unmarshal(old, &refs); err != nil {
			return nil, err
		}
	}
	branch := object{}
	if old := refs["main"]; old != nil {
		if err := json.Unmarshal(old, &branch); err != nil {
			return nil, err
		}
	}
	branch["snapshot-id"], branch["type"] = c.Snapshot.ID, "branch"
	main, err := json.Marshal(branch)
	if err != nil {
		return nil, err
	}
	refs["main"] = main
	kept, err := strconv.Atoi(m.Properties["write.metadata.previous-versions-max"])
	if err != nil || kept < 1 {
		kept = 100
	}
	for _, step := range []func() error{
		func() error { return appendTo("snapshots", c.Snapshot, 0) },
		func() error { return set("current-snapshot-id", c.Snapshot.ID) },
		func() error { return set("refs", refs) },
		func() error {
			return appendTo("snapshot-log", LogEntry{TimestampMS: c.Snapshot.TimestampMS, Snapshot: c.Snapshot.ID}, 0)
		},
		func() error { return set("last-updated-ms", c.Snapshot.TimestampMS) },
		func() error { return set("last-sequence-number", c.Snapshot.Sequence) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if at != "" {
		if err := appendTo("metadata-log", object{"timestamp-ms": m.LastUpdatedMS, "metadata-file": at}, kept); err != nil {
			return nil, err
		}
	}
	if m.FormatVersion >= 3 {
		if err := set("next-row-id", m.NextRowID+c.AddedRows); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// Requirements are what must hold of the table for the change to be made, as
// REST catalogs take them.
func (c Change) Requirements(base *Metadata) []map[string]any {
	var parent any
	if c.Snapshot.Parent != nil {
		parent = *c.Snapshot.Parent
	}
	return []map[string]any{
		{"type": "assert-table-uuid", "uuid": base.UUID},
		{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent},
	}
}

// Updates are the change as REST catalogs take it.
func (c Change) Updates() []map[string]any {
	return []map[string]any{
		{"action": "add-snapshot", "snapshot": c.Snapshot},
		{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": c.Snapshot.ID},
	}
}

// HiveColumns are the columns in Hive's spelling, for metastores' records.
func (n *New) HiveColumns() []metastore.Column {
	out := make([]metastore.Column, len(n.Schema.Fields))
	for i, f := range n.Schema.Fields {
		out[i] = metastore.Column{Name: f.Name, Type: hiveType(f.Type), Comment: f.Doc}
	}
	return out
}

func hiveType(t Type) string {
	inner := func(i int) string { return hiveType(t.Fields[i].Type) }
	switch t.Name {
	case "long":
		return "bigint"
	case "uuid", "time":
		return "string"
	case "fixed":
		return "binary"
	case "timestamptz":
		return "timestamp with local time zone"
	case "decimal":
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case "list":
		return "array<" + inner(0) + ">"
	case "map":
		return "map<" + inner(0) + "," + inner(1) + ">"
	case "struct":
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = f.Name + ":" + inner(i)
		}
		return "struct<" + strings.Join(parts, ",") + ">"
	}
	return t.Name
}
