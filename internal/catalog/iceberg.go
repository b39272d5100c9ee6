package catalog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"lakeport/internal/format/iceberg"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// writer is a metastore that records can be changed in.
type writer interface {
	CreateDatabase(ctx context.Context, d *metastore.Database) error
	DropDatabase(ctx context.Context, db string) error
	CreateTable(ctx context.Context, t *metastore.Table) (lake.Outcome, error)
	// ReplaceTable puts t in the place of the record that it was read from;
	// Rejected with kind Conflict if that has changed, or has not the parameters
	// was any more.
	ReplaceTable(ctx context.Context, t *metastore.Table, was map[string]string) (lake.Outcome, error)
	DropTable(ctx context.Context, db, name string) error
}

// The parameters by which a metastore's record points to an Iceberg table's
// metadata (Iceberg, "Metastore Tables").
const (
	tableType        = "table_type"
	metadataLocation = "metadata_location"
	previousLocation = "previous_metadata_location"
)

// pointer is an iceberg.Store over a metastore's record. A record is read with
// every Load; a Commit replaces that record and no other.
type pointer struct {
	c      *Catalog
	record *metastore.Table
	at     string // where the metadata of the last Load stands
}

// openPointer opens a state of the Iceberg table of a metastore's record.
func (c *Catalog) openPointer(ctx context.Context, record *metastore.Table, at lake.At) (*iceberg.Table, error) {
	p := &pointer{c: c, record: record}
	m, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	return iceberg.NewTable(m, at, c.icebergOptions(record.Database+"."+record.Name, p))
}

// read reads the metadata that the record points to.
func (p *pointer) read(ctx context.Context) (*iceberg.Metadata, error) {
	p.at = p.record.Parameters[metadataLocation]
	if p.at == "" {
		return nil, sqlerr.New(sqlerr.Corrupt, "the record of table %s.%s has no parameter %s", p.record.Database, p.record.Name, metadataLocation)
	}
	data, err := p.c.Storage.whole(ctx, p.at)
	if err != nil {
		return nil, err
	}
	m, err := iceberg.Parse(data)
	if e, ok := errors.AsType[*sqlerr.Error](err); ok {
		told := *e
		told.Msg = "table " + p.record.Database + "." + p.record.Name + ": " + p.at + ": " + e.Msg
		return nil, &told
	}
	return m, err
}

// Load reads the record anew, and the metadata that it points to.
func (p *pointer) Load(ctx context.Context) (*iceberg.Metadata, error) {
	record, err := p.c.freshRecord(ctx, p.record.Database, p.record.Name)
	if err != nil {
		return nil, err
	}
	p.record = record
	return p.read(ctx)
}

// Commit stores the next metadata and makes the record point to it.
func (p *pointer) Commit(ctx context.Context, base *iceberg.Metadata, change iceberg.Change) (lake.Outcome, error) {
	w, ok := p.c.writer()
	if !ok {
		return lake.Rejected, p.c.readOnly()
	}
	next, err := base.With(change, p.at)
	if err != nil {
		return lake.Rejected, err
	}
	uri, err := p.c.putMetadata(ctx, next, p.at)
	if err != nil {
		return lake.Rejected, err
	}
	record := *p.record
	record.Parameters = maps.Clone(p.record.Parameters)
	record.Parameters[metadataLocation], record.Parameters[previousLocation] = uri, p.at
	outcome, err := w.ReplaceTable(ctx, &record, map[string]string{metadataLocation: p.at})
	if outcome == lake.Rejected {
		_ = p.c.Storage.remove(context.WithoutCancel(ctx), uri)
	}
	p.c.Refresh(record.Database, record.Name)
	return outcome, p.c.explainGlue(ctx, err, "glue:UpdateTable")
}

// putMetadata stores a metadata file, to follow the one at before.
func (c *Catalog) putMetadata(ctx context.Context, m *iceberg.Metadata, before string) (string, error) {
	data, err := m.JSON()
	if err != nil {
		return "", err
	}
	uri := m.NextFile(before)
	return uri, c.Storage.put(ctx, uri, data)
}

// making is an iceberg.Store of a table that is not there yet: its first
// commit makes the record.
type making struct {
	pointer
	base *iceberg.Metadata
}

// Load gives the metadata to begin with, unless the table is there by now.
func (m *making) Load(ctx context.Context) (*iceberg.Metadata, error) {
	found, err := m.pointer.Load(ctx)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return m.base, nil
	}
	return found, err
}

// Commit makes the table with its first rows.
func (m *making) Commit(ctx context.Context, base *iceberg.Metadata, change iceberg.Change) (lake.Outcome, error) {
	next, err := base.With(change, "")
	if err != nil {
		return lake.Rejected, err
	}
	return m.c.createRecord(ctx, m.record, next)
}

// createRecord stores a new table's metadata and its record.
func (c *Catalog) createRecord(ctx context.Context, record *metastore.Table, m *iceberg.Metadata) (lake.Outcome, error) {
	w, ok := c.writer()
	if !ok {
		return lake.Rejected, c.readOnly()
	}
	uri, err := c.putMetadata(ctx, m, "")
	if err != nil {
		return lake.Rejected, err
	}
	record.Parameters[metadataLocation] = uri
	outcome, err := w.CreateTable(ctx, record)
	if outcome == lake.Rejected {
		_ = c.Storage.remove(context.WithoutCancel(ctx), uri)
	}
	return outcome, c.explainGlue(ctx, err, "glue:CreateTable")
}

// newRecord is the record of a new Iceberg table, as Iceberg's own engines
// write it.
func newRecord(db, name string, n *iceberg.New) *metastore.Table {
	return &metastore.Table{
		Database: db, Name: name, Type: "EXTERNAL_TABLE", Description: n.Properties["comment"],
		Parameters: map[string]string{tableType: "ICEBERG", "EXTERNAL": "TRUE"},
		Storage: metastore.Storage{Location: n.Location, Columns: n.HiveColumns(), SerDe: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
			InputFormat: "org.apache.hadoop.mapred.FileInputFormat", OutputFormat: "org.apache.hadoop.mapred.FileOutputFormat"},
	}
}

// location chooses where a new table of a metastore stands.
func (c *Catalog) location(ctx context.Context, db, name string) (string, error) {
	d, err := c.Database(ctx, db)
	if err != nil {
		return "", err
	}
	base := strings.TrimRight(d.Location, "/")
	if base == "" && c.spec.warehouse != "" {
		base = strings.TrimRight(c.spec.warehouse, "/") + "/" + db + ".db"
	}
	if base == "" {
		return "", sqlerr.New(sqlerr.Invalid, "no place for table %s.%s: neither the database nor the catalog has a location", db, name).
			WithHint(`add PROPERTIES ("location" = "s3://bucket/path") to the table, or "iceberg.catalog.warehouse" to the catalog`)
	}
	return base + "/" + name, nil
}

func (c *Catalog) writer() (writer, bool) {
	m := c.meta
	if kept, ok := m.(*cached); ok {
		m = kept.Metastore
	}
	w, ok := m.(writer)
	return w, ok && c.spec.kind == "iceberg"
}

// databases gives what makes and drops databases.
func (c *Catalog) databases() (interface {
	CreateDatabase(ctx context.Context, d *metastore.Database) error
	DropDatabase(ctx context.Context, db string) error
}, bool) {
	if c.rest != nil {
		return c.rest, true
	}
	return c.writer()
}

func (c *Catalog) readOnly() error {
	return sqlerr.New(sqlerr.Unsupported, "catalog %s, of type %q, can only be read", c.def.Name, c.spec.kind)
}

// freshRecord asks the metastore for a record, whatever is kept of it.
func (c *Catalog) freshRecord(ctx context.Context, db, name string) (*metastore.Table, error) {
	c.Refresh(db, name)
	record, err := c.meta.Table(ctx, db, name)
	return record, c.explainGlue(ctx, err, "glue:GetTable")
}

func (c *Catalog) icebergOptions(name string, store iceberg.Store) iceberg.Options {
	return c.Storage.icebergOptions(name, store)
}

// icebergOptions lets an Iceberg table use the storage.
func (s *Storage) icebergOptions(name string, store iceberg.Store) iceberg.Options {
	return iceberg.Options{
		Name: name, Read: s.whole, Put: s.put, Remove: s.remove, Store: store,
		Head: func(ctx context.Context, uri string) (lake.Object, error) {
			o, err := s.objects.Head(ctx, uri)
			return o, s.ExplainS3(ctx, err)
		},
		ReadRange: func(ctx context.Context, o lake.Object, off, n int64) ([]byte, error) {
			data, err := s.objects.Read(ctx, o, off, n)
			return data, s.ExplainS3(ctx, err)
		},
	}
}

// whole reads a small object.
func (s *Storage) whole(ctx context.Context, uri string) ([]byte, error) {
	bucket, key, err := splitURI(uri)
	if err != nil {
		return nil, err
	}
	data, err := s.objects.Get(ctx, lake.Object{Bucket: bucket, Key: key})
	return data, s.ExplainS3(ctx, err)
}

func (s *Storage) put(ctx context.Context, uri string, data []byte) error {
	_, err := s.objects.Put(ctx, uri, bytes.NewReader(data))
	return s.ExplainS3(ctx, err)
}

func (s *Storage) remove(ctx context.Context, uri string) error {
	return s.ExplainS3(ctx, s.objects.Delete(ctx, uri))
}

// CreateDatabase makes a database; Exists if there is one. location may be
// empty.
func (c *Catalog) CreateDatabase(ctx context.Context, db, location string) error {
	w, ok := c.databases()
	if !ok {
		return c.readOnly()
	}
	return c.explainGlue(ctx, w.CreateDatabase(ctx, &metastore.Database{Name: db, Location: location}), "glue:CreateDatabase")
}

// DropDatabase removes a database without tables.
func (c *Catalog) DropDatabase(ctx context.Context, db string) error {
	w, ok := c.databases()
	if !ok {
		return c.readOnly()
	}
	return c.explainGlue(ctx, w.DropDatabase(ctx, db), "glue:DeleteDatabase")
}

// CreateTable makes a table without rows, or, with later set, gives a table
// that is made by its first Append: then readers never see it without its rows.
// A REST catalog makes it at once all the same; Abandon takes that back. Exists
// if there is one of the name.
func (c *Catalog) CreateTable(ctx context.Context, db, name string, d iceberg.Definition, later bool) (*Table, error) {
	if c.rest != nil {
		return c.createREST(ctx, db, name, d)
	}
	if _, ok := c.writer(); !ok {
		return nil, c.readOnly()
	}
	_, err := c.meta.Table(ctx, db, name)
	if err == nil {
		return nil, sqlerr.New(sqlerr.Exists, "Table '%s' already exists", name).With(sqlerr.TableExists)
	}
	if !sqlerr.Is(err, sqlerr.NotFound) {
		return nil, c.explainGlue(ctx, err, "glue:GetTable")
	}
	if d.Location == "" {
		if d.Location, err = c.location(ctx, db, name); err != nil {
			return nil, err
		}
	}
	n, err := d.Plan()
	if err != nil {
		return nil, err
	}
	m, err := n.Metadata(time.Now())
	if err != nil {
		return nil, err
	}
	record := newRecord(db, name, n)
	store := &making{pointer: pointer{c: c, record: record}, base: m}
	if !later {
		if _, err := c.createRecord(ctx, record, m); err != nil {
			return nil, err
		}
	}
	t, err := iceberg.NewTable(m, lake.At{}, c.icebergOptions(db+"."+name, store))
	if err != nil {
		return nil, err
	}
	return &Table{Table: t, Record: record, Catalog: c, Storage: c.Storage}, nil
}

// Abandon takes a table back that CreateTable has made for rows that were
// refused.
func (t *Table) Abandon(ctx context.Context) {
	if t.Catalog.rest != nil {
		_ = t.Catalog.dropREST(context.WithoutCancel(ctx), t.Record.Database, t.Record.Name, false) // it stays, without rows
	}
}

// DropTable removes a table's record, and with purge the files of an Iceberg
// table as well, as far as the identity may.
func (c *Catalog) DropTable(ctx context.Context, db, name string, purge bool) error {
	if c.rest != nil {
		return c.dropREST(ctx, db, name, purge)
	}
	w, ok := c.writer()
	if !ok {
		return c.readOnly()
	}
	var files []string
	if purge {
		t, err := c.Table(ctx, db, name)
		if err != nil {
			return err
		}
		if files, err = t.Table.(*iceberg.Table).Files(ctx); err != nil {
			return err
		}
		files = append(files, t.Record.Parameters[metadataLocation])
	}
	if err := w.DropTable(ctx, db, name); err != nil {
		return c.explainGlue(ctx, err, "glue:DeleteTable")
	}
	c.Refresh(db, name)
	return c.Storage.removeAll(ctx, files)
}

// removeAll removes files of a table that is gone. What cannot be removed is
// told, but the rest is.
func (s *Storage) removeAll(ctx context.Context, files []string) error {
	var left int
	var first error
	for _, uri := range files {
		if err := s.remove(ctx, uri); err != nil {
			left++
			first = cmp.Or(first, err)
		}
	}
	if left > 0 {
		return sqlerr.New(sqlerr.Denied, "the table is dropped, but %d of its %d files could not be removed: %w", left, len(files), first)
	}
	return nil
}
