package hive

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
)

// lines is what the formats of one row per line share. Rows end at physical
// line ends, also inside of quotes, as Hive's TextInputFormat has it.
type lines struct {
	skip        int    // lines at the head of each file
	compression string // as DuckDB names it
}

// compressions are the suffixes that DuckDB undoes.
var compressions = map[string]string{".gz": "gzip", ".zst": "zstd"}

// packed are the suffixes that Hadoop undoes and DuckDB does not.
var packed = regexp.MustCompile(`(?i)\.(bz2|deflate|snappy|lz4|lzo|xz)$`)

// linesOf reads the parameters, which stand on the table, its storage or its
// serde. key is the file's, empty while only the table is looked at.
func linesOf(t *metastore.Table, s metastore.Storage, key string) (lines, error) {
	l := lines{compression: "uncompressed"}
	if m := packed.FindString(key); m != "" {
		return l, unsupported(t, "has "+m+" files")
	}
	for suffix, name := range compressions {
		if strings.HasSuffix(strings.ToLower(key), suffix) {
			l.compression = name
		}
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
	var b strings.Builder
	b.WriteString("(SELECT coalesce(line, '') AS line, file_index FROM read_csv(")
	writeList(&b, paths)
	fmt.Fprintf(&b, ", auto_detect = false, header = false, skip = %d, compression = '%s', delim = E'\\x1f\\x1e\\x1f\\x1e', quote = '', escape = '',"+
		" strict_mode = false, hive_partitioning = false, columns = {'line': 'VARCHAR'}))", l.skip, l.compression)
	return b.String()
}

// text is LazySimpleSerDe: fields end at a delimiter and nothing is quoted. The
// escape character, if there is one, makes what follows it literal; NULL's text
// is looked for before.
type text struct {
	lines
	delim  string
	escape string
	null   string
}

func textOf(t *metastore.Table, s metastore.Storage, key string) (format, error) {
	l, err := linesOf(t, s, key)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"serialization.escape.crlf", "serialization.last.column.takes.rest"} {
		if v := s.SerDeParams[name]; v != "" && !strings.EqualFold(v, "false") {
			return nil, unsupported(t, "has the text option "+name)
		}
	}
	f := text{lines: l, null: `\N`}
	if v, ok := s.SerDeParams["serialization.null.format"]; ok {
		f.null = v
	}
	delim, ok := s.SerDeParams["field.delim"]
	if !ok {
		delim = s.SerDeParams["serialization.format"]
	}
	if f.delim, ok = delimiter(delim); !ok {
		return nil, unsupported(t, "has the field delimiter "+strconv.Quote(delim))
	}
	if v := s.SerDeParams["escape.delim"]; v != "" {
		if f.escape, ok = delimiter(v); !ok {
			return nil, unsupported(t, "has the escape character "+strconv.Quote(v))
		}
	}
	return f, nil
}

// delimiter reads a delimiter as LazySimpleSerDe does: a number is a byte, of
// any other text the first character counts, and \001 is the default. False:
// the byte does not stand in UTF-8 text by itself.
func delimiter(text string) (string, bool) {
	if text == "" {
		return "\x01", true
	}
	c := text[0]
	if n, err := strconv.ParseInt(text, 10, 8); err == nil {
		c = byte(n)
	}
	return string(rune(c)), 0 < c && c < 0x80
}

func (f text) reads(c column) error { return flat(c, "text") }

func (f text) from(_ *table, paths []string) string {
	null := lake.QuoteString(f.null)
	fields := "list_transform(string_split(line, " + lake.QuoteString(f.delim) + "), lambda x: nullif(x, " + null + "))"
	if f.escape != "" {
		// As in CSV, a delimiter before the first field makes each begin with one.
		escape := regexp.QuoteMeta(f.escape)
		field := regexp.QuoteMeta(f.delim) + "((?:[^" + class(f.delim) + class(f.escape) + "]|" + escape + ".?)*)"
		fields = "list_transform(regexp_extract_all(" + lake.QuoteString(f.delim) + " || line, " + lake.QuoteString(field) + ", 1, 's'), lambda x:" +
			" CASE WHEN x <> " + null + " THEN regexp_replace(x, " + lake.QuoteString(escape+"(.?)") + `, '\1', 'gs') END)`
	}
	return "(SELECT " + fields + " AS f, file_index FROM " + f.lines.from(paths) + ")"
}

func (f text) column(t *table, i int) string {
	return fromText(fmt.Sprintf("f[%d]", i+1), t.data[i].typ)
}

// flat refuses nested types, which no column of text is split into.
func flat(c column, files string) error {
	switch c.typ.Kind {
	case lake.List, lake.Map, lake.Struct:
		return errType(c, files)
	}
	return nil
}

func errType(c column, files string) error {
	return fmt.Errorf("type %q is not supported in %s files", c.hive, files)
}

// fromText converts as Hive does: what is not of the type is NULL, never an
// error.
func fromText(x string, typ lake.Type) string {
	switch typ.Kind {
	case lake.Varchar:
		return x
	case lake.Blob:
		return "TRY(from_base64(" + x + "))"
	case lake.Boolean:
		return "CASE lower(" + x + ") WHEN 'true' THEN true WHEN 'false' THEN false END"
	case lake.TinyInt, lake.SmallInt, lake.Integer, lake.BigInt:
		// Hive cuts decimals off, where a cast would round.
		return "CASE WHEN regexp_full_match(" + x + ", '[+-]?[0-9]+([.][0-9]*)?') THEN TRY_CAST(split_part(" + x + ", '.', 1) AS " + typ.String() + ") END"
	case lake.Date:
		return "CAST(try_strptime(" + x + ", '%Y-%m-%d') AS DATE)"
	}
	return "TRY_CAST(" + x + " AS " + typ.String() + ")"
}

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

// class spells a character within brackets of a regular expression.
func class(c string) string {
	if strings.ContainsAny(c, `\]^-[`) {
		return `\` + c
	}
	return c
}
