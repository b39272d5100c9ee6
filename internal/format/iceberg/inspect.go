package iceberg

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Inspection is what a table's metadata says of it, as a table: its snapshots,
// its files and so on. StarRocks calls it a metadata table (its documentation,
// "Iceberg metadata tables").
type Inspection struct {
	of      *Table
	columns []detail
	rows    func(ctx context.Context, t *Table) ([]line, error)
}

// line is a row: values by column, as JSON has them.
type line map[string]any

// detail is a column of an Inspection. from is the structure of a nested value
// by which the engine reads JSON, cast the expression that makes it of the type,
// %s being the value; either may be empty.
type detail struct {
	name string
	typ  lake.Type
	from string
	cast string
}

func plain(kind lake.Kind, names ...string) []detail {
	var out []detail
	for _, n := range names {
		out = append(out, detail{name: n, typ: lake.Type{Kind: kind}})
	}
	return out
}

func mapOf(key, value lake.Kind) lake.Type {
	return lake.Type{Kind: lake.Map, Key: &lake.Type{Kind: key}, Elem: &lake.Type{Kind: value}}
}

func numbersIn(kind lake.Kind, name string) detail {
	return detail{name, lake.Type{Kind: lake.List, Elem: &lake.Type{Kind: kind}}, `["` + (lake.Type{Kind: kind}).String() + `"]`, ""}
}

func countsBy(names ...string) (out []detail) {
	for _, n := range names {
		out = append(out, detail{n, mapOf(lake.Integer, lake.BigInt), `"MAP(VARCHAR, BIGINT)"`, "CAST(%s AS MAP(INTEGER, BIGINT))"})
	}
	return out
}

func boundsBy(names ...string) (out []detail) {
	for _, n := range names {
		out = append(out, detail{n, mapOf(lake.Integer, lake.Blob), `"MAP(VARCHAR, VARCHAR)"`,
			"map_from_entries(list_transform(map_entries(%s), lambda e: struct_pack(k := CAST(e.key AS INTEGER), v := unhex(e.value))))"})
	}
	return out
}

// inspections are the metadata tables, by the name behind the $.
var inspections = map[string]Inspection{
	"history": {rows: historyRows, columns: slices.Concat(plain(lake.TimestampTZ, "made_current_at"), plain(lake.BigInt, "snapshot_id", "parent_id"), plain(lake.Boolean, "is_current_ancestor"))},
	"snapshots": {rows: snapshotRows, columns: slices.Concat(plain(lake.TimestampTZ, "committed_at"), plain(lake.BigInt, "snapshot_id", "parent_id"), plain(lake.Varchar, "operation", "manifest_list"),
		[]detail{{"summary", mapOf(lake.Varchar, lake.Varchar), `"MAP(VARCHAR, VARCHAR)"`, ""}})},
	"refs": {rows: refRows, columns: slices.Concat(plain(lake.Varchar, "name", "type"), plain(lake.BigInt, "snapshot_id", "max_reference_age_in_ms"), plain(lake.Integer, "min_snapshots_to_keep"), plain(lake.BigInt, "max_snapshot_age_in_ms"))},
	"manifests": {rows: manifestRows, columns: slices.Concat(plain(lake.Varchar, "path"), plain(lake.BigInt, "length"), plain(lake.Integer, "partition_spec_id"), plain(lake.BigInt, "added_snapshot_id"),
		plain(lake.Integer, "added_data_files_count"), plain(lake.BigInt, "added_rows_count"), plain(lake.Integer, "existing_data_files_count"), plain(lake.BigInt, "existing_rows_count"),
		plain(lake.Integer, "deleted_data_files_count"), plain(lake.BigInt, "deleted_rows_count"),
		[]detail{{"partition_summaries", lake.Type{Kind: lake.List, Elem: &lake.Type{Kind: lake.Struct, Fields: []lake.Column{
			{Name: "contains_null", Type: lake.Type{Kind: lake.Boolean}}, {Name: "contains_nan", Type: lake.Type{Kind: lake.Boolean}},
			{Name: "lower_bound", Type: lake.Type{Kind: lake.Varchar}}, {Name: "upper_bound", Type: lake.Type{Kind: lake.Varchar}}}}},
			`[{"contains_null": "BOOLEAN", "contains_nan": "BOOLEAN", "lower_bound": "VARCHAR", "upper_bound": "VARCHAR"}]`, ""}})},
	"files": {rows: fileRows, columns: slices.Concat(plain(lake.Integer, "content"), plain(lake.Varchar, "file_path", "file_format"), plain(lake.Integer, "spec_id"), plain(lake.BigInt, "record_count", "file_size_in_bytes"),
		countsBy("column_sizes", "value_counts", "null_value_counts", "nan_value_counts"), boundsBy("lower_bounds", "upper_bounds"),
		[]detail{numbersIn(lake.BigInt, "split_offsets")}, plain(lake.Integer, "sort_id"), []detail{numbersIn(lake.Integer, "equality_ids"), {"key_metadata", lake.Type{Kind: lake.Blob}, "", "unhex(%s)"}})},
	"partitions": {rows: partitionRows, columns: slices.Concat(plain(lake.Invalid, "partition_value"), plain(lake.Integer, "spec_id"), plain(lake.BigInt, "record_count", "file_count", "total_data_file_size_in_bytes",
		"position_delete_record_count", "position_delete_file_count", "equality_delete_record_count", "equality_delete_file_count"), plain(lake.TimestampTZ, "last_updated_at"))},
}

// SplitInspection splits the name of a metadata table, such as trips$files, into
// the table's and its own; false: it is none.
func SplitInspection(name string) (table, inspection string, ok bool) {
	table, inspection, ok = strings.Cut(name, "$")
	inspection = strings.ToLower(inspection)
	_, known := inspections[inspection]
	return table, inspection, ok && table != "" && (known || inspection == "metadata_log_entries")
}

// Inspect gives a metadata table by the name that SplitInspection has found.
func (t *Table) Inspect(name string) (*Inspection, error) {
	i, ok := inspections[name]
	if !ok {
		return nil, sqlerr.New(sqlerr.Unsupported, "the metadata table %s of %s is not built yet", name, t.o.Name).WithHint("history, snapshots, refs, manifests, files and partitions are")
	}
	i.of, i.columns = t, slices.Clone(i.columns)
	if at := slices.IndexFunc(i.columns, func(d detail) bool { return d.typ.Kind == lake.Invalid }); at >= 0 {
		i.columns[at] = t.partitionDetail(i.columns[at].name)
		if len(i.columns[at].typ.Fields) == 0 { // a table without partitions has no values of them
			i.columns = slices.Delete(i.columns, at, at+1)
		}
	}
	return &i, nil
}

// partitionDetail is the column of partitions' values: a field for each of any
// spec's.
func (t *Table) partitionDetail(name string) detail {
	d := detail{name: name, typ: lake.Type{Kind: lake.Struct}}
	structure := map[string]string{}
	for _, p := range t.partitionFields() {
		typ := lake.Type{Kind: lake.Varchar}
		if source := t.meta.source(p.SourceID); source != nil && p.Transform.known() {
			if r := p.Transform.result(source.Type).lake(); r.Kind != lake.Invalid && r.Kind != lake.Blob {
				typ = r
			}
		}
		structure[p.Name] = typ.String()
		d.typ.Fields = append(d.typ.Fields, lake.Column{Name: p.Name, Type: typ})
	}
	text, _ := json.Marshal(structure)
	d.from, d.cast = string(text), "CAST(%s AS "+d.typ.String()+")"
	return d
}

// partitionFields are the fields of all specs, each name once.
func (t *Table) partitionFields() (list []PartField) {
	for _, s := range t.meta.Specs {
		for _, p := range s.Fields {
			if p.Transform.Name != "void" && !slices.ContainsFunc(list, func(q PartField) bool { return strings.EqualFold(q.Name, p.Name) }) {
				list = append(list, p)
			}
		}
	}
	return list
}

// Schema implements lake.Table.
func (i *Inspection) Schema() lake.Schema {
	var s lake.Schema
	for _, d := range i.columns {
		s.Columns = append(s.Columns, lake.Column{Name: d.name, Type: d.typ})
	}
	return s
}

// Plan implements lake.Table. Rows reach the engine as JSON, one text each.
func (i *Inspection) Plan(ctx context.Context, _ lake.Need) (lake.Scan, error) {
	rows, err := i.rows(ctx, i.of)
	if err != nil {
		return lake.Scan{}, err
	}
	texts := make([][]byte, len(rows))
	for n, r := range rows {
		if texts[n], err = json.Marshal(r); err != nil {
			return lake.Scan{}, fmt.Errorf("table %s: %w", i.of.o.Name, err)
		}
	}
	parts := make([]string, len(i.columns))
	for n, d := range i.columns {
		parts[n] = d.sql() + " AS " + lake.QuoteName(d.name)
	}
	feed := lake.Feed{Columns: []lake.Column{{Name: "line", Type: lake.Type{Kind: lake.Varchar}}}, Parts: 1, Rows: int64(len(texts)),
		Open: func(context.Context, int, []int) (lake.FeedReader, error) { return &textReader{left: texts}, nil }}
	return lake.Scan{Table: i.of.o.Name, Feeds: []lake.Feed{feed}, SQL: func(_, feeds []string) string {
		return "SELECT " + strings.Join(parts, ", ") + " FROM " + feeds[0] + " AS f"
	}}, nil
}

// sql spells the column's value over the JSON text.
func (d detail) sql() string {
	path := lake.QuoteString("$." + d.name)
	value := "json_extract_string(f.line, " + path + ")"
	if d.from != "" {
		value = "from_json(json_extract(f.line, " + path + "), " + lake.QuoteString(d.from) + ")"
	}
	switch {
	case d.cast != "":
		return fmt.Sprintf(d.cast, value)
	case d.from != "" || d.typ.Kind == lake.Varchar:
		return value
	case d.typ.Kind == lake.TimestampTZ:
		return "timezone('UTC', epoch_ms(CAST(" + value + " AS BIGINT)))"
	}
	return "CAST(" + value + " AS " + d.typ.String() + ")"
}

// textReader gives texts.
type textReader struct{ left [][]byte }

// Read implements lake.FeedReader.
func (r *textReader) Read(dst *lake.Chunk) (int, error) {
	n := min(dst.Rows, len(r.left))
	for i := range dst.Columns {
		data := dst.Columns[i].Strings()
		for k := range n {
			data[k] = lake.MakeString(r.left[k])
		}
	}
	r.left = r.left[n:]
	return n, nil
}

// Close implements lake.FeedReader.
func (r *textReader) Close() error { return nil }

func historyRows(_ context.Context, t *Table) (list []line, err error) {
	current := map[int64]bool{}
	for s := t.meta.snapshot(t.meta.CurrentSnapshot); s != nil && !current[int64(s.ID)]; {
		current[int64(s.ID)] = true
		if s.Parent == nil {
			break
		}
		s = t.meta.snapshot(int64(*s.Parent))
	}
	for _, e := range t.meta.Log {
		r := line{"made_current_at": e.TimestampMS, "snapshot_id": e.Snapshot, "is_current_ancestor": current[int64(e.Snapshot)]}
		if s := t.meta.snapshot(int64(e.Snapshot)); s != nil {
			r["parent_id"] = s.Parent
		}
		list = append(list, r)
	}
	return list, nil
}

func snapshotRows(_ context.Context, t *Table) (list []line, err error) {
	for _, s := range t.meta.Snapshots {
		r := line{"committed_at": s.TimestampMS, "snapshot_id": s.ID, "parent_id": s.Parent, "manifest_list": s.ManifestList}
		summary := map[string]string{}
		for k, v := range s.Summary {
			if k == "operation" {
				r[k] = v
			} else {
				summary[k] = v
			}
		}
		r["summary"] = summary
		list = append(list, r)
	}
	return list, nil
}

func refRows(_ context.Context, t *Table) (list []line, err error) {
	for name, ref := range t.meta.Refs {
		list = append(list, line{"name": name, "type": strings.ToUpper(ref.Type), "snapshot_id": ref.Snapshot,
			"max_reference_age_in_ms": ref.MaxRefAgeMS, "min_snapshots_to_keep": ref.MinSnapshots, "max_snapshot_age_in_ms": ref.MaxSnapshotAgeMS})
	}
	return list, nil
}

func manifestRows(ctx context.Context, t *Table) (list []line, err error) {
	all, err := t.manifests(ctx, t.snapshot)
	for _, m := range all {
		r := line{"path": m.path, "length": m.length, "partition_spec_id": m.spec, "added_snapshot_id": m.snapshot}
		for n, what := range []string{"added", "existing", "deleted"} {
			files, rows := max(m.counts[n], 0), m.rows[n]
			if m.content != contentData { // the columns count data
				files, rows = 0, 0
			}
			r[what+"_data_files_count"], r[what+"_rows_count"] = files, rows
		}
		summaries := []line{}
		spec := t.meta.spec(m.spec)
		for n, s := range m.partitions {
			of := line{"contains_null": s.hasNull, "contains_nan": s.hasNaN}
			if spec != nil && n < len(spec.Fields) {
				of["lower_bound"], of["upper_bound"] = t.boundText(spec.Fields[n], s.lower), t.boundText(spec.Fields[n], s.upper)
			}
			summaries = append(summaries, of)
		}
		r["partition_summaries"] = summaries
		list = append(list, r)
	}
	return list, err
}

func (t *Table) boundText(p PartField, b []byte) any {
	source := t.meta.source(p.SourceID)
	if source == nil || !p.Transform.known() {
		return nil
	}
	result := p.Transform.result(source.Type)
	v, _ := decodeBound(result, b)
	return valueText(result, v)
}

// valueText spells a value as SQL does, bytes in hexadecimal; nil for NULL.
func valueText(t Type, v value) any {
	switch v := v.(type) {
	case int64:
		switch t.Name {
		case "date":
			return epoch.AddDate(0, 0, int(v)).Format(time.DateOnly)
		case "time":
			return epoch.Add(time.Duration(v) * time.Microsecond).Format("15:04:05.999999")
		case "timestamp":
			return time.UnixMicro(v).UTC().Format("2006-01-02 15:04:05.999999")
		case "timestamptz":
			return time.UnixMicro(v).UTC().Format("2006-01-02 15:04:05.999999+00")
		case "timestamp_ns":
			return time.Unix(0, v).UTC().Format("2006-01-02 15:04:05.999999999")
		}
		return fmt.Sprint(v)
	case float64, bool:
		return fmt.Sprint(v)
	case *big.Int:
		return decimalString(v, t.Scale)
	case string:
		switch t.Name {
		case "uuid":
			return uuidString(v)
		case "binary", "fixed":
			return hex.EncodeToString([]byte(v))
		}
		return v
	case unknown:
		return fmt.Sprint(v.avro)
	}
	return nil
}

// live gives all files of the table's state.
func (t *Table) live(ctx context.Context) ([]entry, error) {
	all, err := t.manifests(ctx, t.snapshot)
	if err != nil {
		return nil, err
	}
	return t.entries(ctx, all, func(*file) bool { return true })
}

func fileRows(ctx context.Context, t *Table) (list []line, err error) {
	all, err := t.live(ctx)
	hexes := func(m map[int][]byte) map[int]string {
		out := map[int]string{}
		for id, b := range m {
			out[id] = hex.EncodeToString(b)
		}
		return out
	}
	for _, e := range all {
		f := &e.file
		list = append(list, line{"content": f.content, "file_path": f.path, "file_format": strings.ToUpper(f.format), "spec_id": f.spec, "record_count": f.records, "file_size_in_bytes": f.size,
			"column_sizes": f.sizes, "value_counts": f.values, "null_value_counts": f.nulls, "nan_value_counts": f.nans, "lower_bounds": hexes(f.lower), "upper_bounds": hexes(f.upper),
			"split_offsets": f.splits, "sort_id": f.sortOrder, "equality_ids": f.equality})
	}
	return list, err
}

func partitionRows(ctx context.Context, t *Table) (list []line, err error) {
	all, err := t.live(ctx)
	at := map[string]line{}
	for _, e := range all {
		f := &e.file
		key := partitionKey(f)
		r := at[key]
		if r == nil {
			r = line{"spec_id": f.spec, "last_updated_at": int64(0)}
			for _, c := range []string{"record_count", "file_count", "total_data_file_size_in_bytes", "position_delete_record_count", "position_delete_file_count", "equality_delete_record_count", "equality_delete_file_count"} {
				r[c] = int64(0)
			}
			r["partition_value"] = t.partitionValues(f)
			at[key], list = r, append(list, r)
		}
		add := func(column string, n int64) { r[column] = r[column].(int64) + n }
		switch f.content {
		case contentData:
			add("record_count", f.records)
			add("file_count", 1)
			add("total_data_file_size_in_bytes", f.size)
		case contentPositionDeletes:
			add("position_delete_record_count", f.records)
			add("position_delete_file_count", 1)
		case contentEqualityDeletes:
			add("equality_delete_record_count", f.records)
			add("equality_delete_file_count", 1)
		}
		if s := t.meta.snapshot(e.snapshot); s != nil {
			r["last_updated_at"] = max(r["last_updated_at"].(int64), s.TimestampMS)
		}
	}
	return list, err
}

// partitionValues gives a file's partition by the names of its fields.
func (t *Table) partitionValues(f *file) map[string]any {
	out := map[string]any{}
	for n, p := range t.meta.spec(f.spec).Fields {
		result := Type{}
		if source := t.meta.source(p.SourceID); source != nil {
			result = p.Transform.result(source.Type)
		}
		out[p.Name] = valueText(result, f.partition[n])
	}
	return out
}
