package catalog

import (
	"cmp"
	"context"
	"strings"

	"lakeport/internal/format/delta"
	"lakeport/internal/format/hive"
	"lakeport/internal/format/hudi"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/scan"
	"lakeport/internal/sqlerr"
)

// open makes a table of a metastore's record, in the format that the catalog's
// type says. The record's location becomes the table's, should it be another.
func (c *Catalog) open(ctx context.Context, record *metastore.Table, at lake.At) (lake.Table, error) {
	if format := formatOf(record); c.spec.kind != "hive" && format != c.spec.kind {
		return nil, sqlerr.New(sqlerr.Unsupported, "table %s.%s is %s, not %s", record.Database, record.Name, formatNames[format], formatNames[c.spec.kind]).
			WithHint(`read it through a catalog made with "type" = "%s"`, format)
	}
	if at != (lake.At{}) && c.spec.kind != "iceberg" {
		return nil, sqlerr.New(sqlerr.Unsupported, "table %s.%s is read as it is now: VERSION AS OF and TIMESTAMP AS OF are for Iceberg tables", record.Database, record.Name)
	}
	name := record.Database + "." + record.Name
	switch c.spec.kind {
	case "iceberg":
		return c.openPointer(ctx, record, at)
	case "deltalake":
		record.Storage.Location = location(record)
		return delta.Open(ctx, name, record.Storage.Location, delta.Options{List: c.listAfter, Read: c.read, Rows: c.rows})
	case "hudi":
		record.Storage.Location = location(record)
		return hudi.Open(ctx, name, record.Storage.Location, hudi.Options{
			List: c.listDirectory, Read: c.read, ReadOptimized: readOptimized(record),
		})
	}
	return c.openHive(record)
}

// readOptimized tells whether a record stands for a merge-on-read table without
// what its logs hold: Hudi's sync says so by a parameter, else Hive's input
// format does, which is another one for the whole table.
func readOptimized(t *metastore.Table) bool {
	if asked := t.Storage.SerDeParams["hoodie.query.as.ro.table"]; asked != "" {
		return strings.EqualFold(asked, "true")
	}
	return strings.HasSuffix(t.Storage.InputFormat, ".HoodieParquetInputFormat")
}

func (c *Catalog) openHive(record *metastore.Table) (lake.Table, error) {
	return hive.Table(record, hive.Options{
		List:      c.list,
		Read:      c.read,
		Recursive: c.spec.recursive,
		Partitions: func(ctx context.Context, w metastore.Wanted) ([]metastore.Partition, error) {
			parts, err := c.meta.Partitions(ctx, record, w)
			return parts, c.explainGlue(ctx, err, "glue:GetPartitions")
		},
	})
}

// formatNames are the formats of tables by the type of the catalog that reads
// them.
var formatNames = map[string]string{"hive": "a Hive table", "deltalake": "a Delta Lake table", "hudi": "a Hudi table", "iceberg": "an Iceberg table"}

// formatOf recognises a table by what engines write into its record: Spark the
// provider, Athena and Glue's crawlers the table type, Hive the storage handler
// or the input format.
func formatOf(t *metastore.Table) string {
	is := func(parameter, value string) bool { return strings.EqualFold(t.Parameters[parameter], value) }
	switch {
	case is("table_type", "ICEBERG"):
		return "iceberg"
	case is("spark.sql.sources.provider", "delta"), is("table_type", "DELTA"), is("storage_handler", "io.delta.hive.DeltaStorageHandler"):
		return "deltalake"
	case is("spark.sql.sources.provider", "hudi"), is("table_type", "HUDI"),
		strings.HasPrefix(t.Storage.InputFormat, "org.apache.hudi."), strings.HasPrefix(t.Storage.InputFormat, "com.uber.hoodie."):
		return "hudi"
	}
	return "hive"
}

// location is where a table of Spark's data sources is: the serde's path, for
// the storage's own location may be a placeholder.
func location(t *metastore.Table) string {
	return cmp.Or(t.Storage.SerDeParams["path"], t.Storage.Location)
}

func (c *Catalog) list(ctx context.Context, uri string) ([]lake.Object, error) {
	bucket, prefix, err := splitURI(uri)
	if err != nil {
		return nil, err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	list, err := c.objects.List(ctx, bucket, prefix, true)
	return list, c.ExplainS3(ctx, err)
}

// listDirectory lists a directory, and those below it if recursive.
func (c *Catalog) listDirectory(ctx context.Context, dir string, recursive bool) ([]lake.Object, error) {
	if recursive {
		return c.list(ctx, dir)
	}
	return c.listAfter(ctx, dir, dir)
}

// listAfter lists one directory from the key of a URI on.
func (c *Catalog) listAfter(ctx context.Context, dir, after string) ([]lake.Object, error) {
	bucket, prefix, err := splitURI(dir)
	if err != nil {
		return nil, err
	}
	_, key, err := splitURI(after)
	if err != nil {
		return nil, err
	}
	list, err := c.objects.ListAfter(ctx, bucket, prefix, key, false)
	return list, c.ExplainS3(ctx, err)
}

func (c *Catalog) read(ctx context.Context, o lake.Object, off, n int64) ([]byte, error) {
	b, err := c.objects.Read(ctx, o, off, n)
	return b, c.ExplainS3(ctx, err)
}

// rows runs a scan of metadata on a connection of its own and hands the text
// of its one column to row.
func (c *Catalog) rows(ctx context.Context, s lake.Scan, row func([]byte) error) error {
	conn, err := c.store.db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	st := c.store.objects.Begin(ctx)
	defer st.Close()
	explain := func(err error) error {
		if cause := st.Err(); cause != nil && err != nil {
			err = cause
		}
		return c.ExplainS3(ctx, err)
	}
	sql, err := scan.Prepare(ctx, st, c.objects, s)
	if err != nil {
		return explain(err)
	}
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return explain(err)
		}
		for i := range chunk.Rows {
			if err := row(chunk.Columns[0].Strings()[i].Bytes()); err != nil {
				return err
			}
		}
	}
}

// splitURI cuts an S3 location: s3, s3a and s3n name the same store.
func splitURI(uri string) (bucket, key string, err error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok || scheme != "s3" && scheme != "s3a" && scheme != "s3n" {
		return "", "", sqlerr.New(sqlerr.Unsupported, "location %q is not on S3", uri)
	}
	bucket, key, _ = strings.Cut(rest, "/")
	return bucket, key, nil
}
