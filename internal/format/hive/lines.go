package hive

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/metastore"
)

// lines is what the formats of one row per line share. Rows end at physical
// line ends, also inside of quotes, as Hive's TextInputFormat has it.
type lines struct {
	skip        int    // lines at the head of each file
	compression string // as DuckDB names it, or a suffix of codecs
}

// compressions are the suffixes that DuckDB undoes.
var compressions = map[string]string{".gz": "gzip", ".zst": "zstd"}

// refusedCompressions are the suffixes that Hadoop undoes and lakeport does not.
var refusedCompressions = []string{".lzo", ".xz"}

// linesOf reads the parameters, which stand on the table, its storage or its
// serde. key is the file's, empty while only the table is looked at.
func linesOf(t *metastore.Table, s metastore.Storage, key string) (lines, error) {
	l := lines{compression: "uncompressed"}
	suffix := strings.ToLower(path.Ext(key))
	switch {
	case compressions[suffix] != "":
		l.compression = compressions[suffix]
	case codecs[suffix] != nil:
		l.compression = suffix
	case slices.Contains(refusedCompressions, suffix):
		return l, unsupported(t, "has "+suffix+" files")
	}
	for _, params := range []map[string]string{t.Parameters, s.Parameters, s.SerDeParams} {
		for name, value := range params {
			switch name {
			case "skip.header.line.count":
				n, err := strconv.Atoi(value)
				if err != nil || n < 0 {
					return l, unsupported(t, "has "+name+" "+strconv.Quote(value))
				}
				l.skip = n
			case "skip.footer.line.count", "textinputformat.record.delimiter", "line.delim", "serialization.encoding":
				if !slackParameter(name, value) {
					return l, unsupported(t, "has "+name+" "+strconv.Quote(value))
				}
			}
		}
	}
	return l, nil
}

// slackParameter tells whether a parameter only says what holds anyway.
func slackParameter(name, value string) bool {
	switch name {
	case "skip.footer.line.count":
		return value == "" || value == "0"
	case "serialization.encoding":
		return value == "" || strings.EqualFold(value, "utf-8") || strings.EqualFold(value, "utf8")
	}
	return value == "" || value == "\n"
}

// from reads files line by line: the CSV reader is told of a delimiter that no
// text holds. A blank line is a row, which the reader gives as NULL.
func (l lines) from(paths []string) string {
	if l.packed() {
		return paths[0]
	}
	var b strings.Builder
	b.WriteString("(SELECT coalesce(line, '') AS line, file_index FROM read_csv(")
	writeList(&b, paths)
	fmt.Fprintf(&b, ", auto_detect = false, header = false, skip = %d, compression = '%s', delim = E'\\x1f\\x1e\\x1f\\x1e', quote = '', escape = '',"+
		" strict_mode = false, hive_partitioning = false, columns = {'line': 'VARCHAR'}))", l.skip, l.compression)
	return b.String()
}
