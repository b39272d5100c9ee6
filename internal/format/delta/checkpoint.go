package delta

import (
	"context"
	"path"
	"strings"

	"lakeport/internal/lake"
)

// checkpointTypes are the columns of a checkpoint as far as readers need them,
// in the engine's spelling; fields that a file lacks are NULL (Delta
// transaction log protocol, "Checkpoint Schema").
var checkpointTypes = map[string]string{
	"protocol": `STRUCT("minReaderVersion" INTEGER, "readerFeatures" VARCHAR[])`,
	"metaData": `STRUCT("format" STRUCT("provider" VARCHAR), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" MAP(VARCHAR, VARCHAR))`,
	"add": `STRUCT("path" VARCHAR, "partitionValues" MAP(VARCHAR, VARCHAR), "size" BIGINT, "stats" VARCHAR, ` +
		`"deletionVector" STRUCT("storageType" VARCHAR, "pathOrInlineDv" VARCHAR, "offset" BIGINT, "sizeInBytes" BIGINT, "cardinality" BIGINT))`,
	"sidecar": `STRUCT("path" VARCHAR, "sizeInBytes" BIGINT)`,
}

// checkpointScan reads actions of the given kinds out of checkpoints in
// Parquet: one column with the text of a line as a commit would have it.
func (t *table) checkpointScan(objects []lake.Object, kinds ...string) lake.Scan {
	return lake.Scan{Table: t.name, Format: "parquet", Objects: objects, Columns: kinds, SQL: func(local, _ []string) string {
		var list, schema, lines, any []string
		for _, p := range local {
			list = append(list, lake.QuoteString(p))
		}
		for _, k := range kinds {
			name := lake.QuoteName(k)
			schema = append(schema, lake.QuoteString(k)+": {name: "+lake.QuoteString(k)+", type: "+lake.QuoteString(checkpointTypes[k])+", default_value: NULL}")
			lines = append(lines, "WHEN "+name+" IS NOT NULL THEN to_json({"+lake.QuoteString(k)+": "+name+"})::VARCHAR")
			any = append(any, name+" IS NOT NULL")
		}
		return "SELECT CASE " + strings.Join(lines, " ") + " END FROM read_parquet([" + strings.Join(list, ", ") +
			"], hive_partitioning = false, schema = MAP {" + strings.Join(schema, ", ") + "}) WHERE " + strings.Join(any, " OR ")
	}}
}

// readCheckpoint hands the actions of the given kinds in checkpoints to f.
func (t *table) readCheckpoint(ctx context.Context, objects []lake.Object, f func(action) error, kinds ...string) error {
	if len(objects) > 0 && path.Ext(objects[0].Key) == ".json" {
		return t.readJSONCheckpoint(ctx, objects[0], f)
	}
	err := t.o.Rows(ctx, t.checkpointScan(objects, kinds...), func(line []byte) error {
		a, err := parseAction(line)
		if err != nil {
			return t.corrupt(objects[0], err)
		}
		return f(a)
	})
	return t.wrap(err, "read "+objects[0].URI())
}

func (t *table) readJSONCheckpoint(ctx context.Context, o lake.Object, f func(action) error) error {
	text, err := t.o.Read(ctx, o, 0, o.Size)
	if err != nil {
		return t.wrap(err, "read "+o.URI())
	}
	list, err := parseActions(text)
	if err != nil {
		return t.corrupt(o, err)
	}
	for _, a := range list {
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}

// checkpointFiles hands every add of a checkpoint to f: those in it, and those
// in the sidecars that it names, whatever its name says of its kind.
func (t *table) checkpointFiles(ctx context.Context, objects []lake.Object, f func(*add) error) error {
	if len(objects) == 0 {
		return nil
	}
	var sidecars []lake.Object
	take := func(a action) error {
		switch {
		case a.Add != nil:
			return f(a.Add)
		case a.Sidecar != nil:
			p := t.root.in("_delta_log/_sidecars/").in(a.Sidecar.Path)
			if hasScheme.MatchString(a.Sidecar.Path) {
				var err error
				if p, err = t.root.resolve(a.Sidecar.Path); err != nil {
					return err
				}
			}
			sidecars = append(sidecars, lake.Object{Bucket: p.bucket, Key: p.key, Size: a.Sidecar.SizeInBytes})
		}
		return nil
	}
	if err := t.readCheckpoint(ctx, objects, take, "add", "sidecar"); err != nil || len(sidecars) == 0 {
		return err
	}
	return t.readCheckpoint(ctx, sidecars, take, "add")
}
