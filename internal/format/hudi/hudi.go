// Package hudi reads Apache Hudi tables: the timeline in .hoodie/ says which
// writes are finished, the names of the files which writes they are of (Apache
// Hudi Technical Specification). Copy-on-write tables are read, merge-on-read
// ones as far as no changes stand in logs beside the base files, or without
// those changes where the read-optimized view is asked for. What is not built
// is refused by name.
//
// The package reaches objects only through Options.
package hudi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
	"lakeport/internal/sqlerr"
)

// Options is how a table reaches the outside, and which view of it is meant.
// The functions may be called many times at once.
type Options struct {
	// List gives the objects of a directory, s3://bucket/key/, in order of key;
	// unless recursive, only those right in it.
	List func(ctx context.Context, dir string, recursive bool) ([]lake.Object, error)
	// Read gives n bytes of an object from off.
	Read func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error)
	// ReadOptimized leaves out what stands in logs only.
	ReadOptimized bool
}

// table is one state of a Hudi table.
type table struct {
	name     string // database.table, for messages
	bucket   string
	dir      string // key of the table's directory, with a slash at the end
	o        Options
	layout   int
	props    properties
	timeline timeline
	parquet  parquet.Table
	keys     []key
	schema   lake.Schema
}

// Open reads the timeline of the table at location, which a Plan keeps to, and
// the schema of its newest write. name is database.table, for messages.
func Open(ctx context.Context, name, location string, o Options) (lake.Table, error) {
	scheme, rest, ok := strings.Cut(location, "://")
	bucket, dir, _ := strings.Cut(rest, "/")
	if !ok || !slices.Contains([]string{"s3", "s3a", "s3n"}, strings.ToLower(scheme)) || bucket == "" {
		return nil, sqlerr.New(sqlerr.Unsupported, "Hudi table %s is at %q, which is not on S3", name, location)
	}
	if dir != "" && !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	t := &table{name: name, bucket: bucket, dir: dir, o: o}
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	return t, t.understand(ctx)
}

func (t *table) uri(path string) string { return "s3://" + t.bucket + "/" + t.dir + path }

// load reads the properties and lists the timeline.
func (t *table) load(ctx context.Context) error {
	list, err := t.o.List(ctx, t.uri(".hoodie/"), false)
	if err != nil {
		return t.wrap(err, "list "+t.uri(".hoodie/"))
	}
	at := slices.IndexFunc(list, func(o lake.Object) bool { return o.Key == t.dir+".hoodie/hoodie.properties" })
	if at < 0 {
		return sqlerr.New(sqlerr.NotFound, "Hudi table %s: there is no %s", t.name, t.uri(".hoodie/hoodie.properties"))
	}
	text, err := t.o.Read(ctx, list[at], 0, list[at].Size)
	if err != nil {
		return t.wrap(err, "read "+list[at].URI())
	}
	t.props = parseProperties(string(text))
	if t.layout, err = t.props.gate(t.name); err != nil {
		return err
	}
	if t.layout == 2 {
		dir := t.uri(".hoodie/" + strings.Trim(orDefault(t.props["hoodie.timeline.path"], "timeline"), "/") + "/")
		if list, err = t.o.List(ctx, dir, false); err != nil {
			return t.wrap(err, "list "+dir)
		}
	}
	t.timeline, err = readTimeline(list, t.layout)
	return t.wrap(err, "its timeline")
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// understand reads the schema and how the table is partitioned.
func (t *table) understand(ctx context.Context) error {
	text, err := t.schemaText(ctx)
	if err != nil {
		return err
	}
	columns, err := parseSchema(text, !t.props.is("hoodie.populate.meta.fields", "false"))
	if err != nil {
		return sqlerr.New(sqlerr.Corrupt, "Hudi table %s: %w", t.name, err)
	}
	dropped := t.props.is("hoodie.datasource.write.drop.partition.columns", "true")
	for _, name := range t.props.list("hoodie.table.partition.fields") {
		i := slices.IndexFunc(columns, func(c parquet.Column) bool { return strings.EqualFold(c.Name, name) })
		if i < 0 && strings.Contains(name, ".") {
			t.keys = append(t.keys, key{name: name}) // a field of a struct
			continue
		}
		if i < 0 && dropped {
			i, columns = len(columns), append(columns, t.pathColumn(name))
		}
		if i < 0 {
			return sqlerr.New(sqlerr.Corrupt, "Hudi table %s is partitioned by %q, which its schema does not have", t.name, name)
		}
		columns[i].Constant = dropped
		t.keys = append(t.keys, key{name: columns[i].Name, typ: columns[i].Type})
		t.schema.Partition = append(t.schema.Partition, columns[i].Name)
	}
	if dropped && !t.props.plainPaths() && len(t.keys) > 0 {
		return sqlerr.New(sqlerr.Unsupported, "Hudi table %s has its partition columns in paths only, made by the key generator %q; those of SIMPLE and COMPLEX are read",
			t.name, t.props.generator())
	}
	t.parquet = parquet.Table{Name: t.name, Columns: columns}
	for _, c := range columns {
		t.schema.Columns = append(t.schema.Columns, c.Column)
	}
	return nil
}

// pathColumn is a partition column that neither files nor the schemas of writes
// have: its type is the one of the table's creation, else it is text, as Hudi's
// own readers take it (TableSchemaResolver, appendPartitionColumns).
func (t *table) pathColumn(name string) parquet.Column {
	created, _ := parseSchema(t.props["hoodie.table.create.schema"], false)
	for _, c := range created {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	c := lake.Column{Name: name, Type: lake.Type{Kind: lake.Varchar}}
	return parquet.Column{Column: c, File: c}
}

// schemaText gives the schema of the newest write that tells one, or that of
// the table's creation.
func (t *table) schemaText(ctx context.Context) (string, error) {
	for _, i := range t.timeline.newest() {
		c, err := t.commit(ctx, i)
		if err != nil {
			return "", err
		}
		if c.Extra["latest_schema"] != "" {
			return "", sqlerr.New(sqlerr.Unsupported, "Hudi table %s has evolved by hoodie.schema.on.read.enable (%s), which is not built", t.name, i.object.URI())
		}
		if c.Extra["schema"] != "" {
			return c.Extra["schema"], nil
		}
	}
	if text := t.props["hoodie.table.create.schema"]; text != "" {
		return text, nil
	}
	return "", sqlerr.New(sqlerr.Corrupt, "Hudi table %s has a schema neither in a commit nor in hoodie.properties (hoodie.table.create.schema)", t.name)
}

// Schema gives the columns, Hudi's own first.
func (t *table) Schema() lake.Schema { return t.schema }

// Plan lists the table and picks the newest base file of each file group in
// the partitions that n leaves.
func (t *table) Plan(ctx context.Context, n lake.Need) (lake.Scan, error) {
	gone, err := t.replaced(ctx)
	if err != nil {
		return lake.Scan{}, err
	}
	objects, err := t.o.List(ctx, t.uri(""), true)
	if err != nil {
		return lake.Scan{}, t.wrap(err, "list "+t.uri(""))
	}
	list, err := t.slices(objects, gone)
	if err != nil {
		return lake.Scan{}, err
	}
	var files []parquet.File
	for _, s := range list {
		values, err := t.partition(s.partition)
		if err != nil {
			return lake.Scan{}, err
		}
		if t.excludes(values, n.Filters) {
			continue
		}
		if len(s.logs) > 0 && !t.o.ReadOptimized {
			return lake.Scan{}, t.unmerged(s)
		}
		if len(s.bases) == 0 {
			continue
		}
		o, err := t.base(ctx, s)
		if err != nil {
			return lake.Scan{}, err
		}
		f := parquet.File{Object: o}
		for i, k := range t.keys {
			if slices.ContainsFunc(t.parquet.Columns, func(c parquet.Column) bool { return c.Constant && c.Name == k.name }) {
				f.Values = append(f.Values, values[i].constant)
			}
		}
		files = append(files, f)
	}
	return t.parquet.Scan(n, files)
}

// unmerged refuses a slice whose logs hold changes.
func (t *table) unmerged(s *slice) error {
	return sqlerr.New(sqlerr.Unsupported, "Hudi table %s is merge-on-read and has changes in logs that are not compacted yet, such as %s, which are not read",
		t.name, s.logs[0].object.URI()).
		WithHint("have the table compacted, or query its read-optimized table (the one whose name ends in _ro) to go without those changes")
}

// wrap says of which table an error is and what was done.
func (t *table) wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlerr.Error](err); ok && !strings.Contains(e.Msg, t.name) {
		told := *e
		told.Msg = fmt.Sprintf("Hudi table %s: %s: %s", t.name, doing, e.Msg)
		return &told
	}
	return fmt.Errorf("Hudi table %s: %s: %w", t.name, doing, err)
}
