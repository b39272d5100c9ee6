package iceberg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/blob"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Options is how a Table reaches the outside.
type Options struct {
	Name string // for messages: database.table
	// Read gives a whole small object: a manifest list or a manifest.
	Read func(ctx context.Context, uri string) ([]byte, error)
	// Head describes an object, ReadRange gives n bytes of it from off: of deletion
	// vectors, and of files that the engine does not read.
	Head      func(ctx context.Context, uri string) (lake.Object, error)
	ReadRange func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error)
	// Put stores a small object: a manifest, a manifest list.
	Put func(ctx context.Context, uri string, data []byte) error
	// Remove takes back what Put has stored; nil: it stays.
	Remove func(ctx context.Context, uri string) error
	// Store takes new snapshots; nil: the table can only be read.
	Store Store
}

// Table is an Iceberg table in one of its states.
type Table struct {
	meta     *Metadata
	o        Options
	snapshot *Snapshot // nil: none yet
	schema   *Schema
	columns  []lake.Column // schema's, with names that SQL tells apart
}

// NewTable opens a state of the table that the metadata describes. A state
// that there is not is NotFound.
func NewTable(m *Metadata, at lake.At, o Options) (*Table, error) {
	snapshot, schema, err := m.at(at)
	if err != nil {
		return nil, (&Table{o: o}).corrupt("metadata", err)
	}
	return &Table{meta: m, o: o, snapshot: snapshot, schema: schema, columns: schema.columns()}, nil
}

// Metadata is what the table was opened from.
func (t *Table) Metadata() *Metadata { return t.meta }

// Schema gives the columns. Their order is the schema's; a partition's values
// stand among the others, so that no column is said to be the partition's.
func (t *Table) Schema() lake.Schema {
	s := lake.Schema{Columns: t.columns}
	for i, f := range t.schema.Fields {
		if f.Required {
			s.Required = append(s.Required, t.columns[i].Name)
		}
	}
	spec := t.meta.spec(t.meta.DefaultSpec)
	if spec == nil {
		return s
	}
	for _, p := range spec.Fields {
		i := slices.IndexFunc(t.schema.Fields, func(f Field) bool { return f.ID == p.SourceID })
		if i < 0 || p.Transform.Name == "void" { // a field of a struct, or one that was taken out
			continue
		}
		by := "`" + t.columns[i].Name + "`"
		switch {
		case p.Transform.Width > 0:
			by = fmt.Sprintf("%s(%s, %d)", p.Transform.Name, by, p.Transform.Width)
		case p.Transform.Name != "identity":
			by = p.Transform.Name + "(" + by + ")"
		}
		s.PartitionBy = append(s.PartitionBy, by)
	}
	return s
}

// Plan prunes manifests and files by n's filters and says how to read what is
// left.
func (t *Table) Plan(ctx context.Context, n lake.Need) (lake.Scan, error) {
	for i, c := range t.columns {
		if c.Type.Kind == lake.Invalid && wants(n, c.Name) {
			return lake.Scan{}, sqlerr.New(sqlerr.Unsupported, "column %s of table %s has type %s, which lakeport does not read", c.Name, t.o.Name, t.schema.Fields[i].Type).
				WithHint("select the other columns by name")
		}
	}
	fs, err := t.plan(ctx, t.snapshot, predicates(t.schema, n.Filters))
	if err != nil {
		return lake.Scan{}, err
	}
	r := &reading{table: t, need: n, files: fs}
	scan := lake.Scan{Table: t.o.Name, Format: "parquet", Columns: t.namesInFiles(n, fs)}
	r.shapes = make([]fileShape, len(fs.data)+len(fs.positions)+len(fs.equality))
	var decoded []int
	for i := range r.shapes {
		f := r.file(i)
		bucket, key, err := blob.Parse(f.path)
		switch {
		case err != nil:
			return scan, fmt.Errorf("table %s: %w", t.o.Name, err)
		case f.format == "parquet":
			r.mounted = append(r.mounted, i)
			scan.Objects = append(scan.Objects, lake.Object{Bucket: bucket, Key: key, Size: f.size})
		case f.format == "orc", f.format == "avro":
			decoded = append(decoded, i)
		default:
			return scan, sqlerr.New(sqlerr.Unsupported, "table %s has files of format %q (%s); Parquet, ORC and Avro are read", t.o.Name, f.format, f.path)
		}
		if i < len(fs.data) && fs.data[i].vector != nil {
			if err := r.loadVector(ctx, i, fs.data[i].vector); err != nil {
				return scan, err
			}
		}
	}
	if scan.Feeds, err = r.decode(ctx, decoded); err != nil {
		return scan, err
	}
	if r.vectors != nil {
		scan.Feeds = append(scan.Feeds, r.feed())
	}
	scan.Describe = func(n int, columns []lake.Column) error { return r.describe(r.mounted[n], columns) }
	scan.SQL = r.sql
	return scan, nil
}

// wants tells whether a need takes a column.
func wants(n lake.Need, column string) bool {
	return n.Columns == nil || slices.ContainsFunc(n.Columns, func(c string) bool { return strings.EqualFold(c, column) })
}

// namesInFiles gives the names that the wanted columns have had, and those of
// the columns that deletes compare: what is fetched ahead.
func (t *Table) namesInFiles(n lake.Need, fs *files) []string {
	ids := map[int]bool{}
	for i, c := range t.columns {
		if wants(n, c.Name) {
			ids[t.schema.Fields[i].ID] = true
		}
	}
	for _, e := range fs.equality {
		for _, id := range e.file.equality {
			ids[id] = true
		}
	}
	names := []string{}
	if len(fs.positions) > 0 {
		names = append(names, "file_path", "pos")
	}
	for _, s := range t.meta.Schemas {
		for _, f := range s.Fields {
			if ids[f.ID] && !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	return names
}
