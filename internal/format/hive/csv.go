package hive

import (
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
)

// csv is OpenCSVSerde. Hive calls each of its columns a string; here, as in
// Athena, they are of the declared types. An empty field is the empty string.
type csv struct {
	lines
	sep, quote, escape string
}

func csvOf(t *metastore.Table, s metastore.Storage, key string) (format, error) {
	l, err := linesOf(t, s, key)
	if err != nil {
		return nil, err
	}
	f := csv{lines: l, sep: ",", quote: `"`, escape: `\`}
	for name, to := range map[string]*string{"separatorChar": &f.sep, "quoteChar": &f.quote, "escapeChar": &f.escape} {
		if v := s.SerDeParams[name]; v != "" {
			if *to = v; utf8.RuneCountInString(v) != 1 || v == "\x00" {
				return nil, unsupported(t, "has "+name+" "+strconv.Quote(v))
			}
		}
	}
	return f, nil
}

func (f csv) reads(c column) error { return flat(c, "CSV") }

// from splits a line into fields that each begin with the separator, which is
// put before the first, and takes each field's quotes and escapes away. Of
// OpenCSV's rules: in quotes, the escape character and a quote make the quote
// or escape character after them literal; an escape character before anything
// else goes away.
func (f csv) from(_ *table, paths []string) string {
	sep, quote, escape := regexp.QuoteMeta(f.sep), regexp.QuoteMeta(f.quote), regexp.QuoteMeta(f.escape)
	content, undo, undone, bare := "[^"+class(f.quote)+"]|"+quote+quote, quote+"("+quote+")", `\1`, "x"
	if f.escape != f.quote {
		content = "[^" + class(f.quote) + class(f.escape) + "]|" + escape + ".|" + quote + quote
		undo, undone = escape+"(["+class(f.quote)+class(f.escape)+"])?|"+undo, `\1\2`
		bare = "replace(x, " + lake.QuoteString(f.escape) + ", '')"
	}
	field := sep + "(" + quote + "(?:" + content + ")*" + quote + "|[^" + class(f.sep) + "]*)"
	q := lake.QuoteString(f.quote)
	return "(SELECT list_transform(regexp_extract_all(" + lake.QuoteString(f.sep) + " || line, " + lake.QuoteString(field) + ", 1, 's'), lambda x:" +
		" CASE WHEN length(x) > 1 AND starts_with(x, " + q + ") AND ends_with(x, " + q + ")" +
		" THEN regexp_replace(x[2:-2], " + lake.QuoteString(undo) + ", '" + undone + "', 'g') ELSE " + bare + " END) AS f, file_index FROM " + f.lines.from(paths) + ")"
}

func (f csv) column(t *table, i int) string {
	return fromText(fmt.Sprintf("f[%d]", i+1), t.data[i].typ)
}
