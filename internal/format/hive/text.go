package hive

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
)

// text is LazySimpleSerDe: fields end at a delimiter and nothing is quoted.
// What is nested ends at delimiters of its own, one more for each level. The
// escape character, if there is one, makes what follows it literal; NULL's text
// is looked for before.
type text struct {
	lines
	delims [delimMax]string
	escape string
	null   string
}

// delimMax is how many levels of delimiters Hive's text has by default
// (LazySerDeParameters): fields, elements, and keys of maps may be set, the
// others are the control characters \004 to \010.
const delimMax = 8

func textOf(t *metastore.Table, s metastore.Storage, key string) (format, error) {
	l, err := linesOf(t, s, key)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"serialization.escape.crlf", "serialization.last.column.takes.rest", "hive.serialization.extend.nesting.levels",
		"hive.serialization.extend.additional.nesting.levels"} {
		if v := s.SerDeParams[name]; v != "" && !strings.EqualFold(v, "false") {
			return nil, unsupported(t, "has the text option "+name)
		}
	}
	f := text{lines: l, null: `\N`}
	if v, ok := s.SerDeParams["serialization.null.format"]; ok {
		f.null = v
	}
	// The misspelling is Hive's own.
	for level, names := range [delimMax][]string{{"field.delim", "serialization.format"}, {"colelction.delim", "collection.delim"}, {"mapkey.delim"}} {
		f.delims[level] = string(rune(level + 1))
		for _, name := range names {
			v, ok := s.SerDeParams[name]
			if !ok {
				continue
			}
			if f.delims[level], ok = delimiter(v, f.delims[level]); !ok {
				return nil, unsupported(t, "has the delimiter "+name+" "+strconv.Quote(v))
			}
			break
		}
	}
	if v := s.SerDeParams["escape.delim"]; v != "" {
		var ok bool
		if f.escape, ok = delimiter(v, ""); !ok {
			return nil, unsupported(t, "has the escape character "+strconv.Quote(v))
		}
	}
	return f, nil
}

// delimiter reads a delimiter as LazySimpleSerDe does: a number is a byte, of
// any other text the first character counts. False: the byte does not stand in
// UTF-8 text by itself.
func delimiter(text, absent string) (string, bool) {
	if text == "" {
		return absent, true
	}
	c := text[0]
	if n, err := strconv.ParseInt(text, 10, 8); err == nil {
		c = byte(n)
	}
	return string(rune(c)), 0 < c && c < 0x80
}

// reads refuses what needs more delimiters than there are.
func (f text) reads(c column) error {
	if levels(c.typ) >= delimMax {
		return fmt.Errorf("type %q nests deeper than the %d levels of text files", c.hive, delimMax)
	}
	return nil
}

// levels is how many delimiters a value of a type needs.
func levels(t lake.Type) int {
	n := 0
	switch t.Kind {
	case lake.List:
		n = 1 + levels(*t.Elem)
	case lake.Map:
		n = 2 + max(levels(*t.Key), levels(*t.Elem))
	case lake.Struct:
		for _, field := range t.Fields {
			n = max(n, 1+levels(field.Type))
		}
	}
	return n
}

// from gives each line's fields f, escapes and all.
func (f text) from(_ *table, paths []string) string {
	return "(SELECT " + f.split("line", 0) + " AS f, file_index FROM " + f.lines.from(paths) + ")"
}

// split spells the list of the parts of x between delimiters of a level.
func (f text) split(x string, level int) string {
	delim := f.delims[level]
	if f.escape == "" {
		return "string_split(" + x + ", " + lake.QuoteString(delim) + ")"
	}
	// As in CSV, a delimiter before the first part makes each begin with one.
	escape := regexp.QuoteMeta(f.escape)
	part := regexp.QuoteMeta(delim) + "((?:[^" + class(delim) + class(f.escape) + "]|" + escape + ".?)*)"
	return "regexp_extract_all(" + lake.QuoteString(delim) + " || " + x + ", " + lake.QuoteString(part) + ", 1, 's')"
}

func (f text) column(t *table, i int) string {
	typ := t.data[i].typ
	x := f.value(fmt.Sprintf("f[%d]", i+1), typ, 1)
	if levels(typ) > 0 {
		x = "CAST(" + x + " AS " + typ.String() + ")"
	}
	return x
}

// value spells the conversion of the part x, in which delimiters from a level
// on separate what is nested. NULL's text is NULL at every level.
func (f text) value(x string, typ lake.Type, level int) string {
	v := func(name string) string { return name + strconv.Itoa(level) } // a variable that nothing nested hides
	given := "CASE WHEN " + x + " <> " + lake.QuoteString(f.null) + " THEN "
	switch typ.Kind {
	case lake.List:
		return given + "CASE WHEN " + x + " = '' THEN [] ELSE list_transform(" + f.split(x, level) + ", lambda " + v("e") + ": " +
			f.value(v("e"), *typ.Elem, level+1) + ") END END"
	case lake.Struct:
		fields := make([]string, len(typ.Fields))
		for i, field := range typ.Fields {
			fields[i] = lake.QuoteString(field.Name) + ": " + f.value(fmt.Sprintf("%s[%d]", v("s"), i+1), field.Type, level+1)
		}
		return given + let(v("s"), f.split(x, level), "{"+strings.Join(fields, ", ")+"}") + " END"
	case lake.Map:
		return given + "CASE WHEN " + x + " = '' THEN CAST(MAP {} AS " + typ.String() + ") ELSE " + f.entries(x, typ, level, v) + " END END"
	}
	if f.escape == "" {
		return fromText("nullif("+x+", "+lake.QuoteString(f.null)+")", typ)
	}
	plain := "regexp_replace(" + x + ", " + lake.QuoteString(regexp.QuoteMeta(f.escape)+"(.?)") + `, '\1', 'gs')`
	return fromText(given+plain+" END", typ)
}

// entries spells the map of the entries in x. A key ends at the first delimiter
// of the next level; an entry without one has no value. As in Hive's LazyMap,
// the first of equal keys counts, and an entry without a key does not.
func (f text) entries(x string, typ lake.Type, level int, v func(string) string) string {
	e, k, m, z, i := v("e"), v("k"), v("m"), v("z"), v("i")
	entry := let(k, f.split(e, level+1)+"[1]", "{'key': "+f.value(k, *typ.Key, level+2)+
		", 'value': "+f.value("CASE WHEN length("+k+") < length("+e+") THEN substr("+e+", length("+k+") + 2) END", *typ.Elem, level+2)+"}")
	list := "list_filter(list_transform(" + f.split(x, level) + ", lambda " + e + ": " + entry + "), lambda " + e + ": " + e + ".key IS NOT NULL)"
	return let(m, list, "map_from_entries(list_filter("+m+", lambda "+e+", "+i+": list_position(list_transform("+m+", lambda "+z+": "+z+".key), "+e+".key) = "+i+"))")
}

// let spells an expression over a name that stands for another, computed once.
func let(name, value, in string) string {
	return "list_transform([" + value + "], lambda " + name + ": " + in + ")[1]"
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

// class spells a character within brackets of a regular expression.
func class(c string) string {
	if strings.ContainsAny(c, `\]^-[`) {
		return `\` + c
	}
	return c
}
