package iceberg

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"lakeport/internal/lake"
)

// added makes the entry of a new file.
func (t *Table) added(w lake.Written, snapshot int64) (entry, error) {
	m := t.meta
	spec := m.spec(m.DefaultSpec)
	sort := int64(0)
	f := file{
		content: contentData, path: w.URI(), format: "parquet", spec: spec.ID, records: w.Rows, size: w.Size, sortOrder: &sort,
		sizes: map[int]int64{}, values: map[int]int64{}, nulls: map[int]int64{}, nans: map[int]int64{}, lower: map[int][]byte{}, upper: map[int][]byte{},
	}
	if len(w.Partition) != len(spec.Fields) {
		return entry{}, fmt.Errorf("%s has %d partition values, the table has %d partition fields", f.path, len(w.Partition), len(spec.Fields))
	}
	for i, p := range spec.Fields {
		v, err := partitionValue(p.Transform.result(m.source(p.SourceID).Type), w.Partition[i])
		if err != nil {
			return entry{}, fmt.Errorf("partition field %s: %w", p.Name, err)
		}
		f.partition = append(f.partition, v)
	}
	f.measure(t.schema.Fields, "", w.Stats, metricsOf(m.Properties), false)
	return entry{status: statusAdded, snapshot: snapshot, file: f}, nil
}

// metrics says what manifests tell of a column (Iceberg, "Table properties",
// write.metadata.metrics).
type metrics struct {
	properties map[string]string
	usual      string
}

func metricsOf(p map[string]string) metrics {
	usual := p["write.metadata.metrics.default"]
	if usual == "" {
		usual = "truncate(16)"
	}
	return metrics{p, usual}
}

var truncateMode = regexp.MustCompile(`^truncate\(([0-9]{1,9})\)$`)

// mode gives whether counts are told, and to how many characters bounds are
// cut; -1: no bounds.
func (m metrics) mode(column string) (counts bool, width int) {
	mode := m.properties["write.metadata.metrics.column."+column]
	if mode == "" {
		mode = m.usual
	}
	switch mode = strings.ToLower(mode); mode {
	case "none":
		return false, -1
	case "counts":
		return true, -1
	case "full":
		return true, 128 // the engine's own bounds may be cut beyond
	}
	if t := truncateMode.FindStringSubmatch(mode); t != nil {
		if n, _ := strconv.Atoi(t[1]); n > 0 {
			return true, min(n, 128)
		}
	}
	return true, 16
}

// measure takes the statistics of fields; what is repeated has no bounds.
func (f *file) measure(fields []Field, above string, stats map[string]lake.ColumnStats, m metrics, repeated bool) {
	for _, c := range fields {
		path := above + c.Name
		if len(c.Type.Fields) > 0 {
			f.measure(c.Type.Fields, path+"\x00", stats, m, repeated || c.Type.Name != "struct")
			continue
		}
		s, ok := stats[path]
		counts, width := m.mode(strings.ReplaceAll(path, "\x00", "."))
		if !ok || !counts {
			continue
		}
		f.sizes[c.ID], f.values[c.ID], f.nulls[c.ID] = s.Size, s.Values, s.Nulls
		if isFloat(c.Type) && !s.NaN {
			f.nans[c.ID] = 0
		}
		if width < 0 || repeated || s.Low == nil || s.High == nil {
			continue
		}
		low, high, ok := boundsOf(c.Type, *s.Low, *s.High, width)
		if !ok {
			continue
		}
		f.lower[c.ID] = low
		if high != nil {
			f.upper[c.ID] = high
		}
	}
}

// boundsOf reads bounds and cuts those of text; an upper one that is cut is
// raised, and nil where it cannot be. Bytes have none: the engine's text for
// them is not exact.
func boundsOf(t Type, low, high string, width int) (lower, upper []byte, ok bool) {
	if t.Name == "binary" || t.Name == "fixed" || t.Name == "uuid" {
		return nil, nil, false
	}
	a, ok := fromText(t, low)
	b, known := fromText(t, high)
	if !ok || !known {
		return nil, nil, false
	}
	if t.Name == "string" {
		return []byte(cut(low, width)), raised(high, width), true
	}
	if isFloat(t) { // zeros of both signs are equal, but their bounds differ
		if a == 0.0 {
			a = negativeZero
		}
		if b == 0.0 {
			b = 0.0
		}
	}
	return encodeBound(t, a), encodeBound(t, b), true
}

// raised gives text of at most width characters that is not below s; nil: there
// is none.
func raised(s string, width int) []byte {
	short := cut(s, width)
	if short == s {
		return []byte(s)
	}
	runes := []rune(short)
	for i := len(runes) - 1; i >= 0; i-- {
		next := runes[i] + 1
		if next == 0xd800 { // surrogates are no characters
			next = 0xe000
		}
		if next <= utf8.MaxRune {
			return []byte(string(runes[:i]) + string(next))
		}
	}
	return nil
}
