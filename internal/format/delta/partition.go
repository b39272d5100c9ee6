package delta

import (
	"fmt"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
	"lakeport/internal/sqlerr"
)

// key is a partition column; inLog is its name in partitionValues.
type key struct {
	name, inLog string
	typ         lake.Type
}

// partitionValue is a file's value of one key.
type partitionValue struct {
	constant parquet.Constant
	value    lake.Value // nil though not NULL: it has no order that is known
}

// hiveNull stands for NULL in the paths of files, and by some writers in the
// log.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

// partition reads the values of a file (Delta transaction log protocol,
// "Partition Value Serialization"). Values that make no sense are left to the
// engine, which refuses them.
func (t *table) partition(a *add) ([]partitionValue, error) {
	values := make([]partitionValue, len(t.keys))
	for i, k := range t.keys {
		text, ok := a.PartitionValues[k.inLog]
		if !ok {
			return nil, sqlerr.New(sqlerr.Corrupt, "file %q of Delta table %s has no value of partition column %s in the log", a.Path, t.name, k.name)
		}
		v := &values[i]
		if text == nil || *text == "" || *text == hiveNull {
			v.constant.Null = true
			continue
		}
		canonical, err := k.canonical(*text)
		if err != nil {
			return nil, sqlerr.New(sqlerr.Corrupt, "file %q of Delta table %s: partition column %s: %w", a.Path, t.name, k.name, err)
		}
		v.constant.Text = canonical
		v.value, _ = k.typ.Parse(canonical)
	}
	return values, nil
}

// timeLayouts are the spellings of points in time in partition values; those
// without a zone are meant in UTC.
var timeLayouts = []string{time.DateTime, "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", time.DateOnly}

// canonical spells a value so that the engine's cast gives the same whatever
// the session's settings.
func (k key) canonical(text string) (string, error) {
	switch k.typ.Kind {
	case lake.Timestamp, lake.TimestampTZ:
		for _, layout := range timeLayouts {
			at, err := time.Parse(layout, text)
			if err != nil {
				continue
			}
			text = at.UTC().Format("2006-01-02 15:04:05.999999")
			if k.typ.Kind == lake.TimestampTZ {
				text += "+00"
			}
			return text, nil
		}
		return "", fmt.Errorf("%q is no point in time", text)
	case lake.Blob: // the bytes are the text's own: writers take them for UTF-8
		var b strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&b, `\x%02X`, c)
		}
		return b.String(), nil
	}
	return text, nil
}

// excludesPartition tells whether some filter certainly does not hold for a
// file's partition values.
func (t *table) excludesPartition(values []partitionValue, f lake.Filter) bool {
	for i, k := range t.keys {
		if !strings.EqualFold(k.name, f.Column) {
			continue
		}
		v := values[i]
		switch {
		case f.Op == lake.IsNull:
			return !v.constant.Null
		case f.Op == lake.IsNotNull:
			return v.constant.Null
		case !v.constant.Null && v.value == nil:
			return false
		}
		return f.Excludes(k.typ, v.value)
	}
	return false
}
