package hudi

import (
	"net/url"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
	"lakeport/internal/sqlerr"
)

// key is a partition column. A field of a struct has no type here.
type key struct {
	name string
	typ  lake.Type
}

// partitionValue is a partition's value of one key, as its path tells it.
type partitionValue struct {
	constant parquet.Constant
	value    lake.Value // nil though not NULL: it has no order that is known
	known    bool       // the path tells it
}

// hiveNull stands for NULL in paths.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

// told are the types whose values are in a path as they are written in SQL;
// dates and points in time depend on the writer's settings.
var told = []lake.Kind{lake.Varchar, lake.Integer, lake.BigInt, lake.Boolean}

// partition reads the values of the keys from a partition's path. Where the
// columns are in the files too the path only prunes, and what it does not tell
// for certain is not known.
func (t *table) partition(path string) ([]partitionValue, error) {
	values := make([]partitionValue, len(t.keys))
	parts := strings.Split(path, "/")
	if t.props.plainPaths() && len(parts) == len(t.keys) {
		for i := range values {
			values[i] = t.value(t.keys[i], parts[i])
		}
	}
	for i, k := range t.keys {
		constant := slices.ContainsFunc(t.parquet.Columns, func(c parquet.Column) bool { return c.Constant && c.Name == k.name })
		if constant && !values[i].known {
			return nil, sqlerr.New(sqlerr.Unsupported, "Hudi table %s: the partition's path %q does not tell the value of column %s, which the files do not have", t.name, path, k.name)
		}
	}
	return values, nil
}

// value reads one part of a path.
func (t *table) value(k key, part string) (v partitionValue) {
	text := part
	if t.props.is("hoodie.datasource.write.hive_style_partitioning", "true") {
		var ok bool
		if text, ok = strings.CutPrefix(part, k.name+"="); !ok {
			return v
		}
	}
	if t.props.is("hoodie.datasource.write.partitionpath.urlencode", "true") {
		var err error
		if text, err = url.PathUnescape(text); err != nil {
			return v
		}
	}
	switch {
	case text == hiveNull || text == "default": // both have been written for NULL
		v.constant.Null = true
		v.known = text == hiveNull
		return v
	case !slices.Contains(told, k.typ.Kind):
		return v
	}
	v.constant.Text = text
	v.value, v.known = k.typ.Parse(text)
	return v
}

// excludes tells whether some filter certainly does not hold in a partition.
func (t *table) excludes(values []partitionValue, filters []lake.Filter) bool {
	for _, f := range filters {
		for i, k := range t.keys {
			if values[i].known && strings.EqualFold(k.name, f.Column) && f.Excludes(k.typ, values[i].value) {
				return true
			}
		}
	}
	return false
}
