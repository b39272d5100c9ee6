package hive

import (
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/sqlerr"
)

// format is how files are read. Its dynamic type is comparable: files of equal
// formats are read by one call.
type format interface {
	// reads tells why a column of a known type cannot be read.
	reads(c column) error
	// from gives the FROM item that reads the paths.
	from(t *table, paths []string) string
	// column gives the expression of data column i over that item.
	column(t *table, i int) string
}

// refusedInputs are the input formats that say what is not read.
var refusedInputs = map[string]string{
	"SymlinkTextInputFormat":   "is a symlink table",
	"AvroContainerInputFormat": "has Avro files",
	"RCFileInputFormat":        "has RCFiles",
	"SequenceFileInputFormat":  "has sequence files",
}

// formatOf chooses by the input format, which decides over the serde where the
// two disagree; by the serde where there is none or it only says lines. key is
// the file's, for its suffix; empty while only a table is looked at.
func formatOf(t *metastore.Table, s metastore.Storage, key string) (format, error) {
	input := s.InputFormat[strings.LastIndexByte(s.InputFormat, '.')+1:]
	serde := s.SerDe[strings.LastIndexByte(s.SerDe, '.')+1:]
	if what, ok := refusedInputs[input]; ok {
		return nil, unsupported(t, what)
	}
	switch input {
	case "MapredParquetInputFormat", "DeprecatedParquetInputFormat":
		return parquetOf(t, s), nil
	case "OrcInputFormat":
		return orcOf(t, s), nil
	case "":
		switch serde {
		case "ParquetHiveSerDe":
			return parquetOf(t, s), nil
		case "OrcSerde":
			return orcOf(t, s), nil
		}
	case "TextInputFormat":
	default:
		return nil, unsupported(t, "has the input format "+strconv.Quote(s.InputFormat))
	}
	switch serde {
	case "LazySimpleSerDe":
		return textOf(t, s, key)
	case "OpenCSVSerde":
		return csvOf(t, s, key)
	case "JsonSerDe":
		return jsonOf(t, s, key)
	}
	return nil, unsupported(t, "has the serde "+strconv.Quote(s.SerDe))
}

func unsupported(t *metastore.Table, what string) error {
	return sqlerr.New(sqlerr.Unsupported, "table %s.%s %s, which lakeport does not read", t.Database, t.Name, what).
		WithHint("Parquet, ORC, text, CSV and JSON files are read")
}

// refuse names the records that describe no plain Hive table.
func refuse(t *metastore.Table) error {
	is := func(parameter, value string) bool { return strings.EqualFold(t.Parameters[parameter], value) }
	other := func(name, kind string) error {
		return sqlerr.New(sqlerr.Unsupported, "table %s.%s is %s, not a Hive table", t.Database, t.Name, name).
			WithHint(`read it through a catalog made with "type" = "%s"`, kind)
	}
	switch {
	case is("table_type", "ICEBERG"):
		return other("an Iceberg table", "iceberg")
	case is("table_type", "DELTA"), is("spark.sql.sources.provider", "delta"):
		return other("a Delta Lake table", "deltalake")
	case is("spark.sql.sources.provider", "hudi"), strings.Contains(t.Storage.InputFormat, "Hoodie"), strings.Contains(t.Storage.InputFormat, "org.apache.hudi"):
		return other("a Hudi table", "hudi")
	case strings.HasSuffix(t.Type, "_VIEW"):
		return sqlerr.New(sqlerr.Unsupported, "%s.%s is a view, which lakeport does not read", t.Database, t.Name).
			WithHint("select from the tables that it is made of")
	case is("transactional", "true"):
		return unsupported(t, "is transactional (ACID)")
	case is("projection.enabled", "true"):
		return unsupported(t, "has its partitions by projection (projection.enabled)")
	}
	return nil
}

// branch is the files of one format, and where they are.
type branch struct {
	format format
	files  []file
	paths  []string
}

// branches groups files by format, in the order in which formats first occur.
func branches(files []file, local []string) []branch {
	var list []branch
	at := map[format]int{}
	for n, f := range files {
		i, ok := at[f.format]
		if !ok {
			i = len(list)
			at[f.format] = i
			list = append(list, branch{format: f.format})
		}
		list[i].files, list[i].paths = append(list[i].files, f), append(list[i].paths, local[n])
	}
	return list
}

func (t *table) formatOfFile(p *part, key string) (format, error) {
	s := p.storage
	// A partition says itself how it is stored; one that does not is stored
	// as the table is.
	if s.InputFormat == "" && s.SerDe == "" {
		s.InputFormat, s.SerDe, s.SerDeParams = t.record.Storage.InputFormat, t.record.Storage.SerDe, t.record.Storage.SerDeParams
	}
	return formatOf(t.record, s, key)
}

// fileColumns names the columns of the files that a need takes. By position
// the names in the files are not the table's; none is told then, so that
// nothing is fetched ahead that a projection does not read.
func (t *table) fileColumns(n lake.Need, files []file) []string {
	names := []string{}
	for _, f := range files {
		p, ok := f.format.(parquet)
		switch {
		case !ok, p.byPosition && n.Columns == nil:
			return nil
		case p.byPosition:
			return names
		}
	}
	for _, c := range t.data {
		if wants(n, c.name) {
			names = append(names, c.name)
		}
	}
	return names
}
