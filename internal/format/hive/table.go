// Package hive reads Hive tables: partitioned directories of files, described
// by a metastore's record, become a lake.Table. Which files a table has is
// what their directories hold; values of partition columns come from the
// metastore's records, never from directory names.
//
// The package lists nothing and asks no metastore itself; Options carries the
// functions that do.
package hive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// Options is how a Table reaches the outside.
type Options struct {
	// List gives all objects below a directory, s3://bucket/key/, at any depth.
	// A directory without objects is empty, not an error. Tables call it many
	// times at once.
	List func(ctx context.Context, uri string) ([]lake.Object, error)
	// Files, unless nil, gives the objects of a table without partition keys, in
	// place of what its location holds. All of them are data.
	Files func(ctx context.Context) ([]lake.Object, error)
	// Read gives n bytes of an object from off. Tables of ORC files call it many
	// times at once, for what statements need of them; those of files under a
	// compression that the engine cannot undo, from start to end; others never.
	Read func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error)
	// Partitions gives the records of at least those partitions that are wanted.
	// It may be nil for tables without partition keys.
	Partitions func(ctx context.Context, w metastore.Wanted) ([]metastore.Partition, error)
	// Recursive reads files in directories below a partition's too.
	Recursive bool
}

// table is a Hive table whose record has been understood.
type table struct {
	record *metastore.Table
	o      Options
	schema lake.Schema
	data   []column // in files, in the record's order
	keys   []column // partition keys
}

// column is a column of the record with its type read.
type column struct {
	name string
	hive string // the type as the record spells it
	typ  lake.Type
	err  error // why typ is Invalid
}

// Table understands a metastore's record. A column whose type is not supported
// has Kind Invalid in the schema and fails only when a Plan needs it. Records
// that are no Hive table, or one in a format that cannot be read, are refused
// by name.
func Table(t *metastore.Table, o Options) (lake.Table, error) {
	if err := refuse(t); err != nil {
		return nil, err
	}
	how, err := formatOf(t, t.Storage, "")
	if err != nil {
		return nil, err
	}
	h := &table{record: t, o: o}
	for _, c := range t.PartitionKeys {
		h.keys = append(h.keys, readKey(c))
	}
	for _, c := range t.Storage.Columns {
		// A column in the files under a partition key's name is not seen: the
		// partition's value wins.
		if !slices.ContainsFunc(t.PartitionKeys, func(k metastore.Column) bool { return strings.EqualFold(k.Name, c.Name) }) {
			col := readColumn(c)
			if err := how.reads(col); err != nil {
				col.typ, col.err = lake.Type{}, err
			}
			h.data = append(h.data, col)
			h.schema.Columns = append(h.schema.Columns, lake.Column{Name: c.Name, Type: col.typ, Comment: c.Comment})
		}
	}
	for i, c := range t.PartitionKeys {
		h.schema.Columns = append(h.schema.Columns, lake.Column{Name: c.Name, Type: h.keys[i].typ, Comment: c.Comment})
		h.schema.Partition = append(h.schema.Partition, c.Name)
	}
	if len(h.schema.Columns) == 0 {
		return nil, sqlerr.New(sqlerr.Corrupt, "table %s.%s has no columns in the metastore", t.Database, t.Name)
	}
	return h, nil
}

func readColumn(c metastore.Column) column {
	typ, err := parseType(c.Type)
	return column{name: c.Name, hive: c.Type, typ: typ, err: err}
}

// readKey reads a partition key's type, of which values must be told apart.
func readKey(c metastore.Column) column {
	k := readColumn(c)
	switch k.typ.Kind {
	case lake.List, lake.Map, lake.Struct, lake.Blob, lake.TimestampTZ:
		k.typ, k.err = lake.Type{}, fmt.Errorf("type %q is not supported for partition keys", c.Type)
	}
	return k
}

// wants tells whether a need takes a column.
func wants(n lake.Need, column string) bool {
	return n.Columns == nil || slices.ContainsFunc(n.Columns, func(c string) bool { return strings.EqualFold(c, column) })
}

// Schema gives the columns of the files, then the partition keys.
func (t *table) Schema() lake.Schema { return t.schema }

// Plan prunes partitions by n's filters, lists what is left and says how to
// read it.
func (t *table) Plan(ctx context.Context, n lake.Need) (lake.Scan, error) {
	for _, c := range slices.Concat(t.data, t.keys) {
		if err := t.checkColumn(c, c.err, n); err != nil {
			return lake.Scan{}, err
		}
	}
	parts, err := t.partitions(ctx, n.Filters)
	if err != nil {
		return lake.Scan{}, err
	}
	files, err := t.files(ctx, parts)
	if err != nil {
		return lake.Scan{}, err
	}
	files, feeds, pieces, err := t.feeds(ctx, files, n)
	if err != nil {
		return lake.Scan{}, err
	}
	scan := lake.Scan{Table: t.record.Database + "." + t.record.Name, Format: "parquet", Columns: t.fileColumns(n, files), Feeds: feeds}
	scan.Skip = func(column, low, high string) bool { return t.skips(n.Filters, column, low, high) }
	for _, f := range files {
		if p, ok := f.format.(parquet); !ok {
			scan.Format = "text" // read from start to end
		} else if p.byPosition {
			scan.Skip = nil // the names in the files are others
		}
		for _, c := range t.data {
			if err := t.checkColumn(c, f.format.reads(c), n); err != nil {
				return lake.Scan{}, err
			}
		}
		scan.Objects = append(scan.Objects, f.object)
	}
	scan.Describe = func(i int, columns []lake.Column) error { return t.describe(&files[i], n, columns) }
	scan.SQL = func(local, feeds []string) string {
		for i := range pieces {
			pieces[i].paths = feeds[i : i+1]
		}
		return t.sql(append(branches(files, local), pieces...))
	}
	return scan, nil
}

// checkColumn refuses to read a column that why keeps from being read.
func (t *table) checkColumn(c column, why error, n lake.Need) error {
	if why == nil || !wants(n, c.name) {
		return nil
	}
	return sqlerr.New(sqlerr.Unsupported, "column %s of table %s.%s: %w", c.name, t.record.Database, t.record.Name, why).
		WithHint("select the other columns by name")
}
