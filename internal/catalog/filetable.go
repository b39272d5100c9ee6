package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/format/hive"
	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// FileTable is a file external table: the files of a path, in one format, with
// the columns that its statement declares and an identity of its own.
type FileTable struct {
	lake.Table
	*Storage
}

// fileKeys are the properties of file external tables beside aws.s3.*
// (starrocks.io, "File external table"); the value tells which formats read them.
var fileKeys = map[string]string{
	"path": "", "format": "", "enable_recursive_listing": "", "enable_wildcards": "",
	"column_separator": "text csv", "row_delimiter": "text csv", "collection_delimiter": "text", "map_delimiter": "text",
}

// filePath is which objects a file external table has.
type filePath struct {
	uri                  string
	recursive, wildcards bool
	storage              *Storage
}

// FileTable opens the table db.name of the given columns from its properties;
// text is the statement, for positions. It contacts nobody: the path may be
// empty or wrong until a query reads it. The warnings tell what is accepted
// without effect.
func (s *Store) FileTable(db, name string, columns []lake.Column, props []Property, text string) (*FileTable, []string, error) {
	c := checker{text: text, props: map[string]string{}, at: map[string]Property{}}
	c.take(props)
	known := append(awsauth.Known("aws.s3"), slices.Sorted(maps.Keys(fileKeys))...)
	for key, p := range c.at {
		if _, ok := fileKeys[key]; !ok && !awsauth.IsKey("aws.s3", key) {
			near := sqlerr.Nearest(key, known)
			if near != "" {
				near = fmt.Sprintf(": did you mean %q?", near)
			}
			c.fault(p.KeyPos, "unknown property %q%s", key, near)
		}
	}
	var checked spec
	who := c.identity("aws.s3", &checked)
	record := &metastore.Table{Database: db, Name: name, Type: "EXTERNAL_TABLE", Storage: c.fileStorage(&checked), Parameters: map[string]string{}}
	path := &filePath{uri: c.filePath(), recursive: c.flag("enable_recursive_listing", true), wildcards: c.flag("enable_wildcards", false), storage: s.storage(who)}
	for _, col := range columns {
		spelled, err := hiveType(col.Type)
		if err != nil {
			c.fault(-1, "column %s: %v", col.Name, err)
		}
		record.Storage.Columns = append(record.Storage.Columns, metastore.Column{Name: col.Name, Type: spelled, Comment: col.Comment})
	}
	if err := c.err(); err != nil {
		return nil, nil, err
	}
	t, err := hive.Table(record, hive.Options{Files: path.files, Read: path.read})
	if err != nil {
		return nil, nil, err
	}
	sort.Strings(checked.warnings)
	return &FileTable{t, path.storage}, checked.warnings, nil
}

// filePath checks the path.
func (c *checker) filePath() string {
	path := strings.TrimSpace(c.props["path"])
	p, given := c.at["path"]
	if path == "" {
		c.fault(-1, "path is null. Please add properties(path='xxx') when create table")
	} else if _, _, err := blob.Parse(path); err != nil && given {
		c.fault(p.ValuePos, "%v", err)
	}
	return path
}

func (c *checker) flag(key string, otherwise bool) bool {
	p, given := c.at[key]
	switch {
	case !given:
		return otherwise
	case strings.EqualFold(p.Value, "true"):
		return true
	case !strings.EqualFold(p.Value, "false"):
		c.fault(p.ValuePos, "property %q is %q: write \"true\" or \"false\"", key, p.Value)
	}
	return false
}

// fileStorage says in Hive's words how the files are read.
func (c *checker) fileStorage(warn *spec) metastore.Storage {
	const text = "org.apache.hadoop.mapred.TextInputFormat"
	p, given := c.at["format"]
	format := strings.ToLower(strings.TrimSpace(p.Value))
	s := metastore.Storage{SerDeParams: map[string]string{}}
	set := func(param, key, otherwise string) {
		s.SerDeParams[param] = otherwise
		if v, given := c.props[key]; given && v != "" {
			s.SerDeParams[param] = v
		}
	}
	switch format {
	case "parquet":
		s.InputFormat = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
		s.SerDe = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
	case "orc":
		s.InputFormat, s.SerDe = "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat", "org.apache.hadoop.hive.ql.io.orc.OrcSerde"
	case "text":
		s.InputFormat, s.SerDe = text, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
		set("field.delim", "column_separator", "\t")
		set("line.delim", "row_delimiter", "\n")
		set("colelction.delim", "collection_delimiter", ",")
		set("mapkey.delim", "map_delimiter", ":")
	case "csv":
		s.InputFormat, s.SerDe = text, "org.apache.hadoop.hive.serde2.OpenCSVSerde"
		set("separatorChar", "column_separator", ",")
		set("line.delim", "row_delimiter", "\n")
	case "avro", "rctext", "rcbinary", "sequence":
		c.fault(p.ValuePos, "format %q is not built yet: parquet, orc, text and csv are", p.Value)
	case "":
		c.fault(-1, "format is null. Please add properties(format='xxx') when create table")
	default:
		c.fault(p.ValuePos, "not supported format: %s", p.Value)
	}
	for key, formats := range fileKeys {
		if _, there := c.at[key]; there && given && formats != "" && !slices.Contains(strings.Fields(formats), format) {
			warn.warnings = append(warn.warnings, fmt.Sprintf("property %q has no effect with the format %q", key, format))
		}
	}
	return s
}

// hiveType spells the type of a declared column in Hive's language.
func hiveType(t lake.Type) (string, error) {
	plain := map[lake.Kind]string{
		lake.Boolean: "boolean", lake.TinyInt: "tinyint", lake.SmallInt: "smallint", lake.Integer: "int", lake.BigInt: "bigint",
		lake.Float: "float", lake.Double: "double", lake.Varchar: "string", lake.Blob: "binary", lake.Date: "date", lake.Timestamp: "timestamp",
	}
	if spelled, ok := plain[t.Kind]; ok {
		return spelled, nil
	}
	switch t.Kind {
	case lake.Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Width, t.Scale), nil
	case lake.List:
		elem, err := hiveType(*t.Elem)
		return "array<" + elem + ">", err
	case lake.Map:
		key, err := hiveType(*t.Key)
		value, other := hiveType(*t.Elem)
		return "map<" + key + "," + value + ">", errors.Join(err, other)
	case lake.Struct:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			spelled, err := hiveType(f.Type)
			if err != nil {
				return "", err
			}
			fields[i] = "`" + f.Name + "`:" + spelled
		}
		return "struct<" + strings.Join(fields, ",") + ">", nil
	}
	return "", fmt.Errorf("files have no values of type %s", strings.ToLower(t.String()))
}

// files gives the objects of the path: one, those of a directory, or those that
// a pattern names. There must be some.
func (p *filePath) files(ctx context.Context) ([]lake.Object, error) {
	bucket, key, err := blob.Parse(p.uri)
	if err != nil {
		return nil, err
	}
	var list []lake.Object
	switch {
	case p.wildcards && strings.ContainsAny(key, `*?[{`):
		pattern := p.uri
		if strings.HasSuffix(key, "/") {
			pattern += "*"
		}
		list, err = p.storage.objects.Glob(ctx, pattern)
	case key == "" || strings.HasSuffix(key, "/"):
		list, err = p.storage.objects.List(ctx, bucket, key, p.recursive)
	default:
		return p.file(ctx, bucket, key)
	}
	if err != nil {
		return nil, p.storage.ExplainS3(ctx, err)
	}
	list = slices.DeleteFunc(list, func(o lake.Object) bool { return o.Size == 0 || hidden(strings.TrimPrefix(o.Key, key)) })
	if len(list) == 0 {
		return nil, sqlerr.New(sqlerr.NotFound, "No file exists for FileTable: %s", p.uri)
	}
	return list, nil
}

// hidden applies Hadoop's rule: names on any level that begin with "_" or "."
// are no data, nor are markers of directories.
func hidden(key string) bool {
	return strings.HasSuffix(key, "/") || strings.HasSuffix(key, "_$folder$") ||
		slices.ContainsFunc(strings.Split(key, "/"), func(n string) bool { return strings.HasPrefix(n, "_") || strings.HasPrefix(n, ".") })
}

// file gives the one object that the path names.
func (p *filePath) file(ctx context.Context, bucket, key string) ([]lake.Object, error) {
	o, err := p.storage.objects.Head(ctx, p.uri)
	if err == nil {
		return []lake.Object{o}, nil
	}
	if e, ok := errors.AsType[*blob.Error](err); !ok || e.Code != "NoSuchKey" {
		return nil, p.storage.ExplainS3(ctx, err)
	}
	below, err := p.storage.objects.List(ctx, bucket, key+"/", true)
	if err == nil && len(below) > 0 {
		return nil, sqlerr.New(sqlerr.Invalid, "the path is a directory but didn't end with '/'").WithHint("write %q", p.uri+"/")
	}
	e := sqlerr.New(sqlerr.NotFound, "doesn't get file with path: %s", p.uri)
	if strings.ContainsAny(key, `*?[{`) {
		e.WithHint(`patterns need the property "enable_wildcards" = "true"`)
	}
	return nil, e
}

func (p *filePath) read(ctx context.Context, o lake.Object, off, n int64) ([]byte, error) {
	b, err := p.storage.objects.Read(ctx, o, off, n)
	return b, p.storage.ExplainS3(ctx, err)
}
