package iceberg

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Layout says how files of new rows look. A table that cannot be written
// safely is refused by the name of what stands in the way.
func (t *Table) Layout() (lake.Layout, error) {
	refuse := func(format string, args ...any) (lake.Layout, error) {
		return lake.Layout{}, sqlerr.New(sqlerr.Unsupported, "table %s: %s", t.o.Name, fmt.Sprintf(format, args...))
	}
	m := t.meta
	switch {
	case t.o.Store == nil:
		return refuse("it can only be read here")
	case m.FormatVersion < 2:
		return refuse("tables of format-version 1 are read, not written; let another engine upgrade it to 2")
	case t.schema.ID != m.CurrentSchema || t.snapshot != nil && int64(t.snapshot.ID) != m.CurrentSnapshot:
		return refuse("only its present state is written")
	case m.CurrentSnapshot < 0:
		return refuse("its snapshot's id does not fit into 64 bits")
	}
	if format := cmp.Or(m.Properties["write.format.default"], "parquet"); !strings.EqualFold(format, "parquet") {
		return refuse("write.format.default is %q; Parquet is written", format)
	}
	codec, err := compression(m.Properties)
	if err != nil {
		return refuse("%v", err)
	}
	out := lake.Layout{Dir: t.dataDir() + "/", Options: "COMPRESSION " + codec}
	var ids []string
	for i, f := range t.schema.Fields {
		if t.columns[i].Type.Kind == lake.Invalid {
			return refuse("column %s has type %s, which lakeport does not write", f.Name, f.Type)
		}
		if t.columns[i].Name != f.Name {
			return refuse("its columns %s differ only in case", f.Name)
		}
		c := lake.LayoutColumn{Column: t.columns[i], Required: f.Required}
		c.FieldID = f.ID
		c.Default = "CAST(NULL AS " + c.Type.String() + ")"
		if f.Write != nil {
			v, err := fromJSON(f.Type, f.Write)
			if err != nil {
				return refuse("write-default of column %s: %v", f.Name, err)
			}
			c.Default = literal(f.Type, v)
		}
		out.Columns = append(out.Columns, c)
		ids = append(ids, lake.QuoteName(f.Name)+": "+fieldIDs(f))
	}
	out.Options += ", FIELD_IDS {" + strings.Join(ids, ", ") + "}"
	for _, p := range m.spec(m.DefaultSpec).Fields {
		expr, err := t.partitionSQL(p)
		if err != nil {
			return refuse("%v", err)
		}
		out.Partition = append(out.Partition, expr)
	}
	return out, nil
}

func (t *Table) dataDir() string {
	p := t.meta.Properties
	return strings.TrimRight(cmp.Or(p["write.data.path"], p["write.folder-storage.path"], t.meta.Location+"/data"), "/")
}

func (t *Table) metadataDir() string {
	return strings.TrimRight(cmp.Or(t.meta.Properties["write.metadata.path"], t.meta.Location+"/metadata"), "/")
}

// compression is the codec for data files; zstd is Iceberg's default.
func compression(p map[string]string) (string, error) {
	codec := strings.ToLower(cmp.Or(p["write.parquet.compression-codec"], p["compression_codec"], "zstd"))
	switch codec {
	case "zstd", "snappy", "gzip", "uncompressed":
		return codec, nil
	case "none":
		return "uncompressed", nil
	case "lz4":
		return "lz4_raw", nil
	}
	return "", fmt.Errorf("compression codec %q is not written", codec)
}

// fieldIDs spells the ids of a field and those inside it for COPY's FIELD_IDS.
func fieldIDs(f Field) string {
	if len(f.Type.Fields) == 0 {
		return strconv.Itoa(f.ID)
	}
	parts := []string{"__duckdb_field_id: " + strconv.Itoa(f.ID)}
	for _, inner := range f.Type.Fields {
		parts = append(parts, lake.QuoteName(inner.Name)+": "+fieldIDs(inner))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// partitionSQL spells a partition field's value over the table's columns, in a
// form whose text partitionValue reads.
func (t *Table) partitionSQL(p PartField) (string, error) {
	f := t.schema.field(p.SourceID)
	if p.Transform.Name == "void" {
		return "CAST(NULL AS INTEGER)", nil
	}
	if f == nil {
		return "", fmt.Errorf("partition field %s is of a field inside another, by which lakeport does not write", p.Name)
	}
	if !p.Transform.known() || !p.Transform.accepts(f.Type) {
		return "", fmt.Errorf("partition field %s has the transform %s of %s, by which lakeport does not write", p.Name, p.Transform, f.Type)
	}
	x, w := lake.QuoteName(f.Name), strconv.Itoa(p.Transform.Width)
	clock := x // the wall clock of UTC
	if f.Type.Name == "timestamptz" {
		clock = "timezone('UTC', " + x + ")"
	}
	floor := func(v, n string) string { return fmt.Sprintf("(%[1]s - (%[1]s %% %[2]s + %[2]s) %% %[2]s)", v, n) }
	switch p.Transform.Name {
	case "identity":
		if f.Type.Name == "binary" || f.Type.Name == "fixed" {
			return "hex(" + x + ")", nil
		}
		return x, nil
	case "year":
		return "year(" + clock + ") - 1970", nil
	case "month":
		return "(year(" + clock + ") - 1970) * 12 + month(" + clock + ") - 1", nil
	case "day":
		return "CAST(" + clock + " AS DATE)", nil
	case "hour":
		return floor("epoch_us("+clock+")", "3600000000") + " // 3600000000", nil
	case "truncate":
		switch f.Type.Name {
		case "int", "long":
			return floor("CAST("+x+" AS HUGEINT)", w), nil
		case "string":
			return "left(" + x + ", " + w + ")", nil
		case "decimal":
			step := "CAST(" + decimalString(bigInt(p.Transform.Width), f.Type.Scale) + " AS DECIMAL(38," + strconv.Itoa(f.Type.Scale) + "))"
			return floor("CAST("+x+" AS DECIMAL(38,"+strconv.Itoa(f.Type.Scale)+"))", step), nil
		case "binary":
			return "left(hex(" + x + "), " + strconv.Itoa(2*p.Transform.Width) + ")", nil
		}
	case "bucket":
		if words := hashedWords(f.Type, x); words != "" {
			return "CASE WHEN " + x + " IS NULL THEN NULL ELSE " + bucketSQL(words, p.Transform.Width) + " END", nil
		}
	}
	return "", fmt.Errorf("partition field %s has the transform %s of %s, by which lakeport does not write", p.Name, p.Transform, f.Type)
}

// partitionValue reads a partition's value from the text of partitionSQL's.
func partitionValue(result Type, text *string) (value, error) {
	if text == nil {
		return nil, nil
	}
	if result.Name == "binary" || result.Name == "fixed" {
		return fromHex(*text)
	}
	if isFloat(result) {
		f, err := strconv.ParseFloat(*text, 64)
		return f, err
	}
	v, ok := fromText(result, *text)
	if !ok {
		return nil, fmt.Errorf("partition value %q is no %s", *text, result)
	}
	return v, nil
}

// hashedWords spells the bytes that the bucket transform hashes as a struct:
// the little-endian words of four bytes, what is left as a number, and the
// length. "": lakeport does not hash the type in SQL.
func hashedWords(t Type, x string) string {
	long := ""
	switch t.Name {
	case "int", "long":
		long = "CAST(" + x + " AS BIGINT)"
	case "date":
		long = "CAST(" + x + " - DATE '1970-01-01' AS BIGINT)"
	case "timestamp", "timestamptz", "time":
		long = "epoch_us(" + x + ")"
	case "timestamp_ns":
		long = "epoch_us(CAST(" + x + " AS TIMESTAMP))"
	}
	if long != "" {
		return "{w: [CAST(" + long + " & 4294967295 AS UBIGINT), CAST((" + long + " >> 32) & 4294967295 AS UBIGINT)], tail: 0::UBIGINT, n: 8::UBIGINT}"
	}
	hex := ""
	switch t.Name {
	case "string":
		hex = "hex(encode(" + x + "))"
	case "binary", "fixed":
		hex = "hex(" + x + ")"
	case "uuid":
		hex = "replace(CAST(" + x + " AS VARCHAR), '-', '')"
	case "decimal": // the fewest bytes that hold the digits in two's complement
		hex = "list_transform([CAST(replace(CAST(" + x + " AS VARCHAR), '.', '') AS HUGEINT)], lambda d__: CASE" +
			" WHEN d__ < 0 THEN regexp_extract(hex(d__), '^(?:FF)*([89A-F].(?:..)*)$', 1)" +
			" ELSE regexp_extract(lpad(hex(d__), 32, '0'), '^(?:00)*([0-7].(?:..)*)$', 1) END)[1]"
	default:
		return ""
	}
	octet := func(at string) string { return "CAST('0x' || substr(h__, " + at + ", 2) AS UBIGINT)" }
	word := fmt.Sprintf("%s + %s * 256 + %s * 65536 + %s * 16777216", octet("8 * i__ + 1"), octet("8 * i__ + 3"), octet("8 * i__ + 5"), octet("8 * i__ + 7"))
	tail := "CASE len(h__) // 2 % 4 WHEN 0 THEN 0::UBIGINT"
	for n := 1; n <= 3; n++ {
		sum := make([]string, n)
		for k := range n {
			sum[k] = fmt.Sprintf("%s * %d", octet(fmt.Sprintf("len(h__) - %d", 2*(n-k)-1)), 1<<(8*k))
		}
		tail += fmt.Sprintf(" WHEN %d THEN %s", n, strings.Join(sum, " + "))
	}
	return "list_transform([" + hex + "], lambda h__: {w: list_transform(range(len(h__) // 8), lambda i__: " + word + "), tail: " + tail + " END, n: CAST(len(h__) // 2 AS UBIGINT)})[1]"
}

// bucketSQL spells murmur3 of hashedWords' value, and its bucket. What is used
// twice is a lambda's parameter, so that the text stays short; their names are no
// column's.
func bucketSQL(words string, width int) string {
	const mask = " & 4294967295"
	rotated := func(x string, by int) string {
		return fmt.Sprintf("list_transform([(%s) * %d], lambda y__: (y__%s) | (y__ >> 32))[1]", x, 1<<by, mask)
	}
	scrambled := func(k string) string {
		return "(" + rotated("("+k+") * 3432918353::UBIGINT"+mask, 15) + " * 461845907::UBIGINT" + mask + ")"
	}
	h := "list_reduce(s__.w, lambda h__, k__: (" + rotated("xor(h__, "+scrambled("k__")+")", 13) + " * 5 + 3864292196)" + mask + ", 0::UBIGINT)"
	h = "xor(xor(" + h + ", " + scrambled("s__.tail") + "), s__.n)" // of no bytes left, nothing changes
	for _, step := range []struct {
		shift int
		by    string
	}{{16, "2246822507"}, {13, "3266489909"}} {
		h = fmt.Sprintf("list_transform([%s], lambda v__: (xor(v__, v__ >> %d) * %s::UBIGINT)%s)[1]", h, step.shift, step.by, mask)
	}
	h = "list_transform([" + h + "], lambda v__: xor(v__, v__ >> 16))[1]"
	return fmt.Sprintf("CAST(list_transform([%s], lambda s__: (%s & 2147483647) %% %d)[1] AS INTEGER)", words, h, width)
}
