package transfer

import (
	"strconv"
	"strings"

	"lakeport/internal/delimited"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Copy is what a COPY statement asks for, but for who asks. Its rules are those
// of the Database Developer Guide, "COPY parameter reference".
type Copy struct {
	From     string // s3://bucket/prefix, or of the manifest
	Manifest bool
	Format   Format
	Text     delimited.Format
	Packed   string // GZIP, BZIP2, ZSTD; "" is none
	Region   string // "" is the cluster's
	// Most is how many bad rows make the load fail: at least 1, or 0 for any.
	Most   int
	NoLoad bool

	widths     []int  // of FixedWidth's columns, in characters
	pathsAt    string // URI of the JSONPaths file; "": members are known by name
	paths      []jsonPath
	ignoreCase bool // of members' names

	conversion
	placed map[string]int // where the options stand in the text
}

// conversion is how the text of fields becomes values.
type conversion struct {
	anyDate, blanksNull, emptyNull, fill, round, trim, truncate bool

	dates    string // DATEFORMAT; "" is YYYY-MM-DD
	times    string // TIMEFORMAT
	replaces byte   // ACCEPTINVCHARS; 0: bad characters make a row bad
}

// loadErrors is the greatest MAXERROR ("MAXERROR", "Data load operations").
const loadErrors = 100000

// Which options a format takes ("COPY parameter reference"; redshift.md 1.8
// gathers it). What all formats take stands in none of these.
var (
	columnarAllows = words(`ACCEPTINVCHARS FILLRECORD IAM_ROLE CREDENTIALS ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN STATUPDATE MANIFEST EXPLICIT_IDS
		SERIALIZETOJSON PARQUET ORC REGION`)
	csvForbids   = words("FIXEDWIDTH REMOVEQUOTES ESCAPE")
	textForbids  = words("QUOTE")
	jsonForbids  = words("DELIMITER QUOTE ESCAPE FILLRECORD IGNOREBLANKLINES NULL REMOVEQUOTES")
	fixedForbids = words("DELIMITER QUOTE ESCAPE REMOVEQUOTES")
)

func words(list string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		m[w] = true
	}
	return m
}

// notBuilt are options of COPY that are refused by name.
var notBuilt = words("AVRO SHAPEFILE LZOP ENCRYPTED MASTER_SYMMETRIC_KEY EXPLICIT_IDS SERIALIZETOJSON")

// ReadCopy checks the options of a COPY. It asks nobody anything.
func ReadCopy(st *syntax.Copy, text string) (*Copy, error) {
	c := &Copy{From: st.From.Value, Format: Delimited, Most: 1, Text: delimited.Format{Delimiter: "|", Null: `\N`, HasNull: true}, placed: map[string]int{}}
	scheme, _, _ := strings.Cut(c.From, "://")
	switch {
	case strings.EqualFold(scheme, "s3"):
	case strings.EqualFold(scheme, "emr"), strings.EqualFold(scheme, "dynamodb"):
		return nil, sqlerr.New(sqlerr.Unsupported, "COPY FROM %s:// is not supported", strings.ToLower(scheme)).WithPos(text, int(st.From.Pos)).
			WithHint("COPY reads objects of S3: s3://bucket/prefix")
	default:
		return nil, sqlerr.New(sqlerr.Invalid, "COPY reads from s3://bucket/prefix, not from %q", c.From).WithPos(text, int(st.From.Pos))
	}
	format := st.Options.Format()
	if format != nil {
		switch format.Name {
		case "CSV":
			c.Text.Delimiter, c.Text.Quote, c.Text.Outside = ",", '"', true
		case "PARQUET":
			c.Format = Parquet
		case "ORC":
			c.Format = ORC
		case "JSON":
			c.Format = JSON
		case "FIXEDWIDTH":
			c.Format = FixedWidth
		}
	}
	for _, o := range st.Options {
		c.placed[o.Name] = int(o.Pos)
		if err := c.legal(o, format); err != nil {
			return nil, err.WithPos(text, int(o.Pos))
		}
		if err := c.read(o); err != nil {
			at := o.Pos
			if o.Value != nil {
				at = o.Value.Pos
			}
			return nil, err.WithPos(text, int(at))
		}
	}
	return c, c.agree(st, text)
}

// legal tells whether an option is built and belongs to the format.
func (c *Copy) legal(o syntax.TransferOption, format *syntax.TransferOption) *sqlerr.Error {
	name := "delimited text"
	var wrong bool
	switch {
	case format == nil:
		wrong = textForbids[o.Name]
	case c.Format.Columnar():
		name, wrong = format.Name, !columnarAllows[o.Name]
	case c.Format == JSON:
		name, wrong = "JSON", jsonForbids[o.Name]
	case c.Format == FixedWidth:
		name, wrong = "FIXEDWIDTH", fixedForbids[o.Name]
	case format.Name == "CSV":
		name, wrong = "CSV", csvForbids[o.Name]
	}
	switch {
	case wrong && c.Format.Columnar():
		return sqlerr.New(sqlerr.Invalid, "%s argument is not supported for %s based COPY", o.Name, name)
	case wrong:
		return sqlerr.New(sqlerr.Invalid, "%s is not supported for COPY of %s", o.Name, name)
	case o.Name == "READRATIO", o.Name == "SSH":
		return sqlerr.New(sqlerr.Invalid, "%s is not an option of COPY from S3", o.Name)
	case notBuilt[o.Name]:
		return sqlerr.New(sqlerr.Unsupported, "COPY with %s is not built yet", o.Name)
	case c.Format.Columnar() && (o.Name == "FILLRECORD" || o.Name == "ACCEPTINVCHARS"):
		return sqlerr.New(sqlerr.Unsupported, "%s with %s is not built yet", o.Name, name)
	}
	return nil
}

// read takes one option over.
func (c *Copy) read(o syntax.TransferOption) *sqlerr.Error {
	value := ""
	if o.Value != nil {
		value = o.Value.Value
	}
	switch o.Name {
	case "JSON":
		return c.readJSON(value)
	case "FIXEDWIDTH":
		widths, err := readWidths(value)
		c.widths = widths
		return err
	case "MANIFEST":
		c.Manifest = true
	case "REGION":
		c.Region = value
	case "DELIMITER":
		d, err := oneByte(o.Name, value)
		c.Text.Delimiter = string(rune(d))
		return err
	case "QUOTE":
		q, err := oneByte(o.Name, value)
		c.Text.Quote = q
		return err
	case "REMOVEQUOTES":
		c.Text.RemoveQuotes = true
	case "ESCAPE":
		c.Text.Escape, c.Text.NullEscaped = '\\', true
	case "NULL":
		return c.readNull(value)
	case "IGNOREHEADER":
		c.Text.Skip, _ = strconv.Atoi(value)
	case "IGNOREBLANKLINES":
		c.Text.SkipBlank = true
	case "ACCEPTANYDATE":
		c.anyDate = true
	case "ACCEPTINVCHARS":
		c.replaces = '?'
		if o.Value != nil {
			if len(value) != 1 || value[0] == 0 || value[0] > 127 {
				return sqlerr.New(sqlerr.Invalid, "the replacement of ACCEPTINVCHARS is one ASCII character, not %q", value)
			}
			c.replaces = value[0]
		}
	case "BLANKSASNULL":
		c.blanksNull = true
	case "EMPTYASNULL":
		c.emptyNull = true
	case "FILLRECORD":
		c.fill = true
	case "ROUNDEC":
		c.round = true
	case "TRIMBLANKS":
		c.trim = true
	case "TRUNCATECOLUMNS":
		c.truncate = true
	case "DATEFORMAT":
		c.dates = value
		return checkPattern(o.Name, value, "auto")
	case "TIMEFORMAT":
		c.times = value
		return checkPattern(o.Name, value, "auto", "epochsecs", "epochmillisecs")
	case "ENCODING":
		if value != "UTF8" {
			return sqlerr.New(sqlerr.Unsupported, "COPY with ENCODING %s is not built yet", value).WithHint("files in UTF8 are read")
		}
	case "COMPROWS":
		if n, _ := strconv.Atoi(value); n < 1000 || n > 2147483647 {
			return sqlerr.New(sqlerr.Invalid, "COMPROWS is a number from 1000 to 2147483647, not %s", value)
		}
	case "MAXERROR":
		n, _ := strconv.Atoi(value)
		if n > loadErrors {
			return sqlerr.New(sqlerr.Invalid, "MAXERROR is a number from 0 to %d, not %s", loadErrors, value)
		}
		c.Most = max(1, n)
	case "IGNOREALLERRORS":
		c.Most = 0
	case "NOLOAD":
		c.NoLoad = true
	case "GZIP", "BZIP2", "ZSTD":
		if c.Packed != "" {
			return sqlerr.New(sqlerr.Invalid, "%s cannot stand beside %s", o.Name, c.Packed)
		}
		c.Packed = o.Name
	}
	return nil
}

// readJSON reads the argument of JSON: how members become columns.
func (c *Copy) readJSON(value string) *sqlerr.Error {
	scheme, _, _ := strings.Cut(value, "://")
	switch {
	case value == "", strings.EqualFold(value, "auto"):
	case strings.EqualFold(value, "auto ignorecase"):
		c.ignoreCase = true
	case strings.EqualFold(value, "noshred"):
		return sqlerr.New(sqlerr.Unsupported, "COPY with JSON 'noshred' is not built yet: it fills a column of type SUPER")
	case strings.EqualFold(scheme, "s3"):
		c.pathsAt = value
	default:
		return sqlerr.New(sqlerr.Invalid, "JSON is 'auto', 'auto ignorecase', 'noshred' or the s3://bucket/key of a JSONPaths file, not %q", value)
	}
	return nil
}

// readNull reads the string that means NULL; '\0' and '\000' are a NUL byte.
func (c *Copy) readNull(value string) *sqlerr.Error {
	switch value {
	case `\0`, `\000`:
		value = "\x00"
	case `\n`, "\n":
		return sqlerr.New(sqlerr.Invalid, `NULL AS '\n' is not possible: a line feed ends a row`)
	}
	c.Text.Null = value
	c.Text.NullEscaped = false
	return nil
}

// agree refuses options that contradict each other.
func (c *Copy) agree(st *syntax.Copy, text string) error {
	for _, pair := range [][2]string{{"MAXERROR", "IGNOREALLERRORS"}} {
		if a, b := st.Options.Find(pair[0]), st.Options.Find(pair[1]); a != nil && b != nil {
			return sqlerr.New(sqlerr.Invalid, "%s cannot stand beside %s", pair[1], pair[0]).WithPos(text, int(max(a.Pos, b.Pos)))
		}
	}
	if c.Format == Delimited && c.Text.Quote != 0 && c.Text.Delimiter == string(rune(c.Text.Quote)) {
		return sqlerr.New(sqlerr.Invalid, "DELIMITER and QUOTE are the same character").WithPos(text, c.placed["QUOTE"])
	}
	// An escaped NULL is NULL only while NULL AS is not given ("NULL AS").
	if c.Text.Escape != 0 && st.Options.Find("NULL") != nil {
		c.Text.NullEscaped = false
	}
	return nil
}

// oneByte reads a single ASCII character, also as an octal \ddd or as \t.
func oneByte(option, value string) (byte, *sqlerr.Error) {
	if value == `\t` {
		return '\t', nil
	}
	if len(value) == 4 && value[0] == '\\' {
		if n, err := strconv.ParseUint(value[1:], 8, 8); err == nil && n < 128 {
			return byte(n), nil
		}
	}
	if len(value) != 1 || value[0] > 127 || value == "\n" || value == "\r" {
		return 0, sqlerr.New(sqlerr.Invalid, "%s is one ASCII character, not %q", option, value)
	}
	return value[0], nil
}
