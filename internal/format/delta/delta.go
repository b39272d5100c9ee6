// Package delta reads Delta Lake tables: the transaction log in _delta_log/
// says which files and rows make up the newest version, what their partition
// values are and what the columns are called (delta-io/delta, PROTOCOL.md).
// Reader features that are not built are refused by name.
//
// The package reaches objects and the engine only through Options.
package delta

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

// Options is how a table reaches the outside. All may be called many times at
// once.
type Options struct {
	// List gives the objects right in a directory, s3://bucket/key/, whose URIs
	// come after another, in order.
	List func(ctx context.Context, dir, after string) ([]lake.Object, error)
	// Read gives n bytes of an object from off. An object of which only bucket
	// and key are known has no ETag; n < 0 reads it to its end.
	Read func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error)
	// Rows runs a scan whose SQL yields one column of text and hands each row to
	// row, one at a time; the bytes are good until row returns.
	Rows func(ctx context.Context, s lake.Scan, row func(text []byte) error) error
}

// table is one version of a Delta table.
type table struct {
	name    string // database.table, for messages
	root    place
	o       Options
	segment segment
	replay  replay
	parquet parquet.Table
	keys    []key
	schema  lake.Schema
}

// Open reads the log of the table at location as far as its schema goes, and
// pins the version that a Plan reads. name is database.table, for messages.
func Open(ctx context.Context, name, location string, o Options) (lake.Table, error) {
	root, ok := parsePlace(location)
	if !ok {
		return nil, sqlerr.New(sqlerr.Unsupported, "Delta table %s is at %q, which is not on S3", name, location)
	}
	t := &table{name: name, root: root, o: o}
	var err error
	if t.segment, err = t.find(ctx); err != nil {
		return nil, err
	}
	if t.replay, err = t.commits(ctx, t.segment); err != nil {
		return nil, err
	}
	if err := t.complete(ctx); err != nil {
		return nil, err
	}
	return t, t.understand()
}

// complete takes the protocol and the metadata from the checkpoint where the
// commits after it have none.
func (t *table) complete(ctx context.Context) error {
	r := &t.replay
	if (r.protocol == nil || r.metaData == nil) && len(t.segment.checkpoint) > 0 {
		found := replay{}
		err := t.readCheckpoint(ctx, t.segment.checkpoint, func(a action) error {
			if a.Protocol != nil {
				found.protocol = a.Protocol
			}
			if a.MetaData != nil {
				found.metaData = a.MetaData
			}
			return nil
		}, "protocol", "metaData")
		if err != nil {
			return err
		}
		if r.protocol == nil {
			r.protocol = found.protocol
		}
		if r.metaData == nil {
			r.metaData = found.metaData
		}
	}
	for what, missing := range map[string]bool{"protocol": r.protocol == nil, "metadata": r.metaData == nil} {
		if missing {
			return sqlerr.New(sqlerr.Corrupt, "the Delta log of table %s has no %s up to version %d", t.name, what, t.segment.version)
		}
	}
	return nil
}

// understand reads what the metadata says, if the protocol can be read at all.
func (t *table) understand() error {
	p, m := t.replay.protocol, t.replay.metaData
	if err := t.gate(p); err != nil {
		return err
	}
	mapping, err := t.mapping(p, m)
	if err != nil {
		return err
	}
	if f := m.Format.Provider; f != "" && !strings.EqualFold(f, "parquet") {
		return sqlerr.New(sqlerr.Unsupported, "Delta table %s has files of format %q; Parquet is read", t.name, f)
	}
	columns, err := parseSchema(m.SchemaString, mapping)
	if err != nil {
		return sqlerr.New(sqlerr.Corrupt, "the schema of Delta table %s at version %d: %w", t.name, t.segment.version, err)
	}
	for _, name := range m.PartitionColumns {
		i := slices.IndexFunc(columns, func(c parquet.Column) bool { return strings.EqualFold(c.Name, name) })
		if i < 0 {
			return sqlerr.New(sqlerr.Corrupt, "Delta table %s is partitioned by %q, which its schema does not have", t.name, name)
		}
		columns[i].Constant = true
	}
	t.parquet = parquet.Table{Name: t.name, Columns: columns, ByID: mapping == "id"}
	for _, c := range columns {
		t.schema.Columns = append(t.schema.Columns, c.Column)
		if c.Constant {
			t.schema.Partition = append(t.schema.Partition, c.Name)
			t.keys = append(t.keys, key{name: c.Name, inLog: c.File.Name, typ: c.Type})
		}
	}
	return nil
}

// Schema gives the columns in the order of the table's schema, partition
// columns among them.
func (t *table) Schema() lake.Schema { return t.schema }

// Plan takes the files that n may match from the commits and the checkpoint.
func (t *table) Plan(ctx context.Context, n lake.Need) (lake.Scan, error) {
	var files []parquet.File
	var vectors []vector
	take := func(a *add) error {
		f, wanted, err := t.file(a, n.Filters)
		if err != nil || !wanted {
			return err
		}
		if a.DeletionVector != nil {
			vectors = append(vectors, vector{len(files), a.DeletionVector})
		}
		files = append(files, f)
		return nil
	}
	for i := range t.replay.live {
		if err := take(&t.replay.live[i]); err != nil {
			return lake.Scan{}, err
		}
	}
	err := t.checkpointFiles(ctx, t.segment.checkpoint, func(a *add) error {
		id, err := t.id(&a.logical)
		if err != nil || t.replay.seen[id] {
			return t.wrap(err, "the checkpoint")
		}
		return take(a)
	})
	if err != nil {
		return lake.Scan{}, err
	}
	if err := t.deletions(ctx, files, vectors); err != nil {
		return lake.Scan{}, err
	}
	slices.SortFunc(files, func(a, b parquet.File) int { return strings.Compare(a.Object.URI(), b.Object.URI()) })
	return t.parquet.Scan(n, files)
}

// file makes a file of the log one to read; false: no row of it is wanted.
func (t *table) file(a *add, filters []lake.Filter) (f parquet.File, wanted bool, err error) {
	values, err := t.partition(a)
	if err != nil {
		return f, false, err
	}
	if t.excludes(a, values, filters) {
		return f, false, nil
	}
	p, err := t.root.resolve(a.Path)
	if err != nil {
		return f, false, t.wrap(err, "the log")
	}
	if a.DeletionVector != nil && !t.replay.protocol.has("deletionVectors") {
		return f, false, sqlerr.New(sqlerr.Corrupt, "file %s of Delta table %s has a deletion vector, which the table's protocol does not allow", p, t.name)
	}
	f.Object = lake.Object{Bucket: p.bucket, Key: p.key, Size: a.Size}
	for _, v := range values {
		f.Values = append(f.Values, v.constant)
	}
	return f, true, nil
}

// wrap says of which table an error is and what was done.
func (t *table) wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlerr.Error](err); ok && !strings.Contains(e.Msg, t.name) {
		told := *e
		told.Msg = fmt.Sprintf("Delta table %s: %s: %s", t.name, doing, e.Msg)
		return &told
	}
	return fmt.Errorf("Delta table %s: %s: %w", t.name, doing, err)
}

// corrupt is an object that is not what the log says.
func (t *table) corrupt(o lake.Object, err error) error {
	return sqlerr.New(sqlerr.Corrupt, "Delta table %s: %s: %w", t.name, o.URI(), err)
}
