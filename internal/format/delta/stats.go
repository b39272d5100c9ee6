package delta

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
)

// stats is the statistics of a file (Delta transaction log protocol, "Per-file
// Statistics"). What is missing or of an unknown form says nothing. Bounds
// that are not tight are bounds all the same.
type stats struct {
	NumRecords *int64                     `json:"numRecords"`
	MinValues  map[string]json.RawMessage `json:"minValues"`
	MaxValues  map[string]json.RawMessage `json:"maxValues"`
	NullCount  map[string]json.RawMessage `json:"nullCount"`
}

// excludes tells whether some filter certainly holds for no row of a file.
func (t *table) excludes(a *add, values []partitionValue, filters []lake.Filter) bool {
	var s *stats
	for _, f := range filters {
		if t.excludesPartition(values, f) {
			return true
		}
		if s == nil {
			s = &stats{}
			if json.Unmarshal([]byte(a.Stats), s) != nil {
				s = &stats{}
			}
		}
		for _, c := range t.parquet.Columns {
			if !c.Constant && c.Err == nil && strings.EqualFold(c.Name, f.Column) && s.excludes(c, f) {
				return true
			}
		}
	}
	return false
}

// excludes judges a filter on a column of the files.
func (s *stats) excludes(c parquet.Column, f lake.Filter) bool {
	var nulls *int64
	if json.Unmarshal(s.NullCount[c.File.Name], &nulls) != nil {
		nulls = nil
	}
	allNull := nulls != nil && s.NumRecords != nil && *nulls == *s.NumRecords
	switch f.Op {
	case lake.IsNull:
		return nulls != nil && *nulls == 0
	case lake.IsNotNull:
		return allNull
	}
	low, high := lower(c.Type, s.MinValues[c.File.Name]), upper(c.Type, s.MaxValues[c.File.Name])
	return allNull || (low != nil || high != nil) && f.ExcludesRange(c.Type, low, high)
}

// boundText gives a bound as text; empty: there is none. JSON's numbers are
// taken as they are written.
func boundText(raw json.RawMessage) string {
	var text string
	if len(raw) > 0 && raw[0] != '"' {
		return string(raw)
	}
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// lower gives a lower bound; nil: none is sure.
func lower(t lake.Type, raw json.RawMessage) lake.Value {
	text := boundText(raw)
	if text == "" {
		return nil
	}
	v, ok := t.Parse(text)
	if !ok {
		return nil
	}
	return v
}

// cutAt is the length at which writers cut strings by default: a maximum that
// long may be less than what it was cut from.
const cutAt = 32

// upper gives an upper bound; nil: none is sure. Points in time are cut to
// milliseconds; of doubles NaN, which is above all of them, need not be told.
func upper(t lake.Type, raw json.RawMessage) lake.Value {
	v := lower(t, raw)
	switch max := v.(type) {
	case string:
		if utf8.RuneCountInString(max) >= cutAt {
			return nil
		}
	case float64:
		return nil
	case time.Time:
		if t.Kind == lake.Timestamp {
			return max.Add(time.Millisecond)
		}
	}
	return v
}
