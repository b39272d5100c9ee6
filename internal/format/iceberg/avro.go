package iceberg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// object is a JSON object, of which Avro schemas are made.
type object = map[string]any

func avroField(name string, id int, typ any) object {
	return object{"name": name, "type": typ, "field-id": id}
}

func nullable(name string, id int, typ any) object {
	return object{"name": name, "type": []any{"null", typ}, "default": nil, "field-id": id}
}

// avroMap is Iceberg's map whose keys are no text: an array of pairs.
func avroMap(name string, id, keyID, valueID int, value string) object {
	return nullable(name, id, object{"type": "array", "logicalType": "map", "items": object{
		"type": "record", "name": fmt.Sprintf("k%d_v%d", keyID, valueID),
		"fields": []any{avroField("key", keyID, "int"), avroField("value", valueID, value)},
	}})
}

func avroList(name string, id, elementID int, of string) object {
	return nullable(name, id, object{"type": "array", "items": of, "element-id": elementID})
}

// entrySchema is the schema of the manifests of a partition spec (Iceberg,
// "Manifests"; "Appendix A: Avro" for the types).
func (m *Metadata) entrySchema(spec *Spec) (*avro.Schema, error) {
	var partition []any
	named := map[string]bool{}
	for _, p := range spec.Fields {
		source := m.source(p.SourceID)
		if source == nil {
			return nil, fmt.Errorf("partition field %s is of a column that there is not", p.Name)
		}
		f := nullable(avroName(p.Name), p.ID, avroType(p.Transform.result(source.Type), named))
		if avroName(p.Name) != p.Name {
			f["iceberg-field-name"] = p.Name
		}
		partition = append(partition, f)
	}
	if partition == nil {
		partition = []any{}
	}
	file := []any{
		avroField("content", 134, "int"), avroField("file_path", 100, "string"), avroField("file_format", 101, "string"),
		avroField("partition", 102, object{"type": "record", "name": "r102", "fields": partition}),
		avroField("record_count", 103, "long"), avroField("file_size_in_bytes", 104, "long"),
		avroMap("column_sizes", 108, 117, 118, "long"), avroMap("value_counts", 109, 119, 120, "long"),
		avroMap("null_value_counts", 110, 121, 122, "long"), avroMap("nan_value_counts", 137, 138, 139, "long"),
		avroMap("lower_bounds", 125, 126, 127, "bytes"), avroMap("upper_bounds", 128, 129, 130, "bytes"),
		nullable("key_metadata", 131, "bytes"), avroList("split_offsets", 132, 133, "long"),
		avroList("equality_ids", 135, 136, "int"), nullable("sort_order_id", 140, "int"),
	}
	if m.FormatVersion >= 3 {
		file = append(file, nullable("first_row_id", 142, "long"))
	}
	file = append(file, nullable("referenced_data_file", 143, "string"))
	if m.FormatVersion >= 3 {
		file = append(file, nullable("content_offset", 144, "long"), nullable("content_size_in_bytes", 145, "long"))
	}
	return parseSchema(object{"type": "record", "name": "manifest_entry", "fields": []any{
		avroField("status", 0, "int"), nullable("snapshot_id", 1, "long"), nullable("sequence_number", 3, "long"),
		nullable("file_sequence_number", 4, "long"), avroField("data_file", 2, object{"type": "record", "name": "r2", "fields": file}),
	}})
}

func parseSchema(o object) (*avro.Schema, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return avro.Parse(string(text))
}

// listSchema is the schema of manifest lists.
func listSchema(version int) (*avro.Schema, error) {
	summary := object{"type": "record", "name": "r508", "fields": []any{
		avroField("contains_null", 509, "boolean"), nullable("contains_nan", 518, "boolean"),
		nullable("lower_bound", 510, "bytes"), nullable("upper_bound", 511, "bytes"),
	}}
	fields := []any{
		avroField("manifest_path", 500, "string"), avroField("manifest_length", 501, "long"), avroField("partition_spec_id", 502, "int"),
		avroField("content", 517, "int"), avroField("sequence_number", 515, "long"), avroField("min_sequence_number", 516, "long"),
		avroField("added_snapshot_id", 503, "long"), avroField("added_files_count", 504, "int"), avroField("existing_files_count", 505, "int"),
		avroField("deleted_files_count", 506, "int"), avroField("added_rows_count", 512, "long"), avroField("existing_rows_count", 513, "long"),
		avroField("deleted_rows_count", 514, "long"),
		nullable("partitions", 507, object{"type": "array", "element-id": 508, "items": summary}), nullable("key_metadata", 519, "bytes"),
	}
	if version >= 3 {
		fields = append(fields, nullable("first_row_id", 520, "long"))
	}
	return parseSchema(object{"type": "record", "name": "manifest_file", "fields": fields})
}

// avroType spells the type of a partition value. A named type is spelled once.
func avroType(t Type, named map[string]bool) any {
	fixed := func(name string, size int, more object) any {
		if named[name] {
			return name
		}
		named[name] = true
		more["type"], more["name"], more["size"] = "fixed", name, size
		return more
	}
	switch t.Name {
	case "boolean", "int", "long", "float", "double", "string":
		return t.Name
	case "binary":
		return "bytes"
	case "date":
		return object{"type": "int", "logicalType": "date"}
	case "time":
		return object{"type": "long", "logicalType": "time-micros"}
	case "timestamp", "timestamptz":
		return object{"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": t.Name == "timestamptz"}
	case "timestamp_ns", "timestamptz_ns":
		return object{"type": "long", "logicalType": "timestamp-nanos", "adjust-to-utc": t.Name == "timestamptz_ns"}
	case "uuid":
		return fixed("uuid_fixed", 16, object{"logicalType": "uuid"})
	case "fixed":
		return fixed("fixed_"+strconv.Itoa(t.Length), t.Length, object{})
	case "decimal":
		return fixed(fmt.Sprintf("decimal_%d_%d", t.Precision, t.Scale), decimalBytes(t.Precision),
			object{"logicalType": "decimal", "precision": t.Precision, "scale": t.Scale})
	}
	return "null"
}

// decimalBytes is how many bytes all decimals of a precision fit into.
func decimalBytes(precision int) int { return len(twosComplement(pow10(precision))) }

// avroName makes a name that Avro allows, as Iceberg's writers do.
func avroName(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9':
			b.WriteRune(r)
		case '0' <= r && r <= '9':
			b.WriteString("_" + string(r))
		default:
			fmt.Fprintf(&b, "_x%X", r)
		}
	}
	return b.String()
}

// toAvro gives a partition value as the encoder takes it.
func toAvro(t Type, v value) any {
	switch v := v.(type) {
	case int64:
		if t.Name == "int" || t.Name == "date" {
			return int32(v)
		}
		return v
	case float64:
		if t.Name == "float" {
			return float32(v)
		}
		return v
	case *big.Int:
		return new(big.Rat).SetFrac(v, pow10(t.Scale))
	case string:
		if t.Name == "string" {
			return v
		}
		return []byte(v)
	}
	return v
}

// writeAvro makes an Avro container.
func writeAvro(schema *avro.Schema, meta map[string]string, rows []object) ([]byte, error) {
	var out bytes.Buffer
	bytesOf := map[string][]byte{}
	for k, v := range meta {
		bytesOf[k] = []byte(v)
	}
	w, err := ocf.NewWriter(&out, schema, ocf.WithMetadata(bytesOf), ocf.WithCodec(ocf.DeflateCodec(-1)))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := w.Encode(r); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func pairsOf[V any](m map[int]V) any {
	if len(m) == 0 {
		return nil
	}
	list := make([]any, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, object{"key": int32(k), "value": m[k]})
	}
	return list
}

func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// entryRow is an entry as a manifest holds it. An added one inherits its
// sequence numbers.
func (m *Metadata) entryRow(e *entry, spec *Spec) object {
	f := &e.file
	partition := object{}
	for i, p := range spec.Fields {
		partition[avroName(p.Name)] = toAvro(p.Transform.result(m.source(p.SourceID).Type), f.partition[i])
	}
	file := object{
		"content": int32(f.content), "file_path": f.path, "file_format": strings.ToUpper(f.format), "partition": partition,
		"record_count": f.records, "file_size_in_bytes": f.size, "column_sizes": pairsOf(f.sizes), "value_counts": pairsOf(f.values),
		"null_value_counts": pairsOf(f.nulls), "nan_value_counts": pairsOf(f.nans), "lower_bounds": pairsOf(f.lower), "upper_bounds": pairsOf(f.upper),
		"key_metadata": nil, "split_offsets": listOf(f.splits), "equality_ids": nil, "sort_order_id": nil, "referenced_data_file": nil,
	}
	if f.equality != nil {
		ids := make([]any, len(f.equality))
		for i, id := range f.equality {
			ids[i] = int32(id)
		}
		file["equality_ids"] = ids
	}
	if f.sortOrder != nil {
		file["sort_order_id"] = int32(*f.sortOrder)
	}
	if f.referenced != "" {
		file["referenced_data_file"] = f.referenced
	}
	if m.FormatVersion >= 3 {
		file["first_row_id"], file["content_offset"], file["content_size_in_bytes"] = orNil(f.firstRowID), nil, nil
		if f.length > 0 {
			file["content_offset"], file["content_size_in_bytes"] = f.offset, f.length
		}
	}
	row := object{"status": int32(e.status), "snapshot_id": e.snapshot, "sequence_number": nil, "file_sequence_number": nil, "data_file": file}
	if e.status != statusAdded {
		row["sequence_number"], row["file_sequence_number"] = e.sequence, e.fileSequence
	}
	return row
}

func listOf(numbers []int64) any {
	if numbers == nil {
		return nil
	}
	list := make([]any, len(numbers))
	for i, n := range numbers {
		list[i] = n
	}
	return list
}

// manifestRow is a manifest as a manifest list holds it.
func manifestRow(of manifest, version int) object {
	var partitions any
	if of.partitions != nil {
		list := make([]any, len(of.partitions))
		for i, s := range of.partitions {
			p := object{"contains_null": s.hasNull, "contains_nan": orNil(s.hasNaN), "lower_bound": nil, "upper_bound": nil}
			if s.lower != nil {
				p["lower_bound"] = s.lower
			}
			if s.upper != nil {
				p["upper_bound"] = s.upper
			}
			list[i] = p
		}
		partitions = list
	}
	row := object{
		"manifest_path": of.path, "manifest_length": of.length, "partition_spec_id": int32(of.spec), "content": int32(of.content),
		"sequence_number": of.sequence, "min_sequence_number": of.minimum, "added_snapshot_id": of.snapshot,
		"added_files_count": int32(max(of.counts[0], 0)), "existing_files_count": int32(max(of.counts[1], 0)), "deleted_files_count": int32(max(of.counts[2], 0)),
		"added_rows_count": of.rows[0], "existing_rows_count": of.rows[1], "deleted_rows_count": of.rows[2],
		"partitions": partitions, "key_metadata": nil,
	}
	if version >= 3 {
		row["first_row_id"] = orNil(of.firstRowID)
	}
	return row
}

// makeManifest gives a manifest's bytes and what a list says of it but for its
// path.
func (m *Metadata) makeManifest(spec *Spec, content int, snapshot, sequence int64, entries []entry) ([]byte, manifest, error) {
	of := manifest{spec: spec.ID, content: content, sequence: sequence, minimum: sequence, snapshot: snapshot}
	schema, err := m.entrySchema(spec)
	if err != nil {
		return nil, of, err
	}
	rows := make([]object, len(entries))
	for i := range entries {
		e := &entries[i]
		rows[i] = m.entryRow(e, spec)
		slot := map[int]int{statusAdded: 0, statusExisting: 1, statusDeleted: 2}[e.status]
		of.counts[slot]++
		of.rows[slot] += e.file.records
		if e.status == statusExisting {
			of.minimum = min(of.minimum, e.sequence)
		}
	}
	of.partitions = m.summaries(spec, entries)
	kind := "data"
	if content != contentData {
		kind = "deletes"
	}
	tableSchema, err := json.Marshal(m.schema(m.CurrentSchema))
	if err != nil {
		return nil, of, err
	}
	fields, err := json.Marshal(append([]PartField{}, spec.Fields...))
	if err != nil {
		return nil, of, err
	}
	data, err := writeAvro(schema, map[string]string{
		"schema": string(tableSchema), "schema-id": strconv.Itoa(m.CurrentSchema), "partition-spec": string(fields),
		"partition-spec-id": strconv.Itoa(spec.ID), "format-version": strconv.Itoa(m.FormatVersion), "content": kind,
	}, rows)
	of.length = int64(len(data))
	return data, of, err
}

// summaries bounds the partition values of entries.
func (m *Metadata) summaries(spec *Spec, entries []entry) []summary {
	out := make([]summary, len(spec.Fields))
	for i, p := range spec.Fields {
		t := p.Transform.result(m.source(p.SourceID).Type)
		var low, high value
		nan := false
		for _, e := range entries {
			v := e.file.partition[i]
			switch f, float := v.(float64); {
			case v == nil:
				out[i].hasNull = true
			case float && f != f:
				nan = true
			default:
				if c, _ := compare(v, low); low == nil || c < 0 {
					low = v
				}
				if c, _ := compare(v, high); high == nil || c > 0 {
					high = v
				}
			}
		}
		out[i].hasNaN = &nan
		if low != nil {
			out[i].lower, out[i].upper = encodeBound(t, low), encodeBound(t, high)
		}
	}
	return out
}
