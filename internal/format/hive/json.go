package hive

import (
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
)

// jsonLines is the JSON serdes of Hive and OpenX: one object per line, keys
// match columns whatever their case, what is missing is NULL.
type jsonLines struct {
	lines
	lenient bool // ignore.malformed.json: what is wrong is NULL
}

func jsonOf(t *metastore.Table, s metastore.Storage, key string) (format, error) {
	l, err := linesOf(t, s, key)
	if err != nil {
		return nil, err
	}
	if l.skip > 0 {
		return nil, unsupported(t, "has JSON files with header lines")
	}
	f := jsonLines{lines: l}
	for name, value := range s.SerDeParams {
		switch {
		case name == "ignore.malformed.json":
			f.lenient = strings.EqualFold(value, "true")
		case strings.HasPrefix(name, "mapping."),
			name == "dots.in.keys" && strings.EqualFold(value, "true"),
			name == "case.insensitive" && strings.EqualFold(value, "false"):
			return nil, unsupported(t, "has the JSON option "+name)
		}
	}
	return f, nil
}

// reads refuses structs, whose fields DuckDB would match by exact case.
func (f jsonLines) reads(c column) error {
	if hasStruct(c.typ) {
		return errType(c, "JSON")
	}
	return nil
}

func hasStruct(t lake.Type) bool {
	switch t.Kind {
	case lake.Struct:
		return true
	case lake.List:
		return hasStruct(*t.Elem)
	case lake.Map:
		return hasStruct(*t.Key) || hasStruct(*t.Elem)
	}
	return false
}

// from gives each line's object j with its keys n and the keys in lower case k.
func (f jsonLines) from(_ *table, paths []string) string {
	other := "error('a line holds JSON that is no object: ' || json)"
	if f.lenient {
		other = "NULL"
	}
	return "(SELECT j, n, list_transform(n, lambda k: lower(k)) AS k, file_index FROM (SELECT json AS j," +
		" CASE json_type(json) WHEN 'OBJECT' THEN json_keys(json) ELSE " + other + " END AS n, file_index FROM " + f.values(paths) + "))"
}

// values gives the FROM item of the lines' values json.
func (f jsonLines) values(paths []string) string {
	if f.packed() {
		cast := "CAST"
		if f.lenient {
			cast = "TRY_CAST"
		}
		return "(SELECT " + cast + "(line AS JSON) AS json, file_index FROM " + paths[0] + " WHERE trim(line) <> '')"
	}
	var b strings.Builder
	b.WriteString("read_json_objects(")
	writeList(&b, paths)
	b.WriteString(", format = 'newline_delimited', compression = '" + f.compression + "', hive_partitioning = false")
	if f.lenient {
		b.WriteString(", ignore_errors = true")
	}
	b.WriteString(")")
	return b.String()
}

func (f jsonLines) column(t *table, i int) string {
	c := t.data[i]
	path := `j, '$."' || n[list_position(k, ` + lake.QuoteString(strings.ToLower(c.name)) + `)] || '"'`
	cast := "CAST("
	if f.lenient {
		cast = "TRY_CAST("
	}
	switch c.typ.Kind {
	case lake.Varchar:
		return "json_extract_string(" + path + ")"
	case lake.Blob:
		return "TRY(from_base64(json_extract_string(" + path + ")))"
	case lake.List, lake.Map:
		return cast + "json_extract(" + path + ") AS " + c.typ.String() + ")"
	}
	return cast + "json_extract_string(" + path + ") AS " + c.typ.String() + ")"
}
