package transfer

import (
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/blob"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// Unload is what an UNLOAD statement asks for, but for who asks and the rows.
// Its rules are those of the Database Developer Guide, "UNLOAD".
type Unload struct {
	To        string // s3://bucket/prefix
	Format    Format // Delimited or Parquet
	Region    string // "" is the cluster's
	Partition []syntax.Ident
	Include   bool // the partitions' columns stand in the files too
	Encrypt   blob.Encryption

	csv, header, quotes, escape, serial bool

	delimiter byte
	null      string
	packed    string // GZIP, ZSTD; "" is none
	extension *string
	manifest  bool
	verbose   bool
	overwrite bool
	clean     bool
	most      int64 // bytes of a file
}

// Sizes of files ("MAXFILESIZE"): decimal megabytes for files,
// of which Parquet's are whole multiples of 32 MB.
const (
	megabyte    = 1_000_000
	leastFile   = 5 * megabyte
	mostFile    = 6200 * megabyte
	parquetStep = 32 * megabyte
)

// Pairs of UNLOAD's options that exclude each other.
var unloadPairs = [][2]string{
	{"CSV", "ADDQUOTES"}, {"CSV", "ESCAPE"}, {"PARQUET", "DELIMITER"}, {"PARQUET", "ADDQUOTES"}, {"PARQUET", "ESCAPE"}, {"PARQUET", "NULL"}, {"PARQUET", "HEADER"},
	{"PARQUET", "GZIP"}, {"PARQUET", "BZIP2"}, {"PARQUET", "ZSTD"}, {"CLEANPATH", "ALLOWOVERWRITE"}, {"GZIP", "ZSTD"}, {"GZIP", "BZIP2"}, {"ZSTD", "BZIP2"},
	{"KMS_KEY_ID", "CREDENTIALS"}, {"KMS_KEY_ID", "MASTER_SYMMETRIC_KEY"},
}

// ReadUnload checks the options of an UNLOAD. It asks nobody anything.
func ReadUnload(st *syntax.Unload, text string) (*Unload, error) {
	u := &Unload{To: st.To.Value, Format: Delimited, delimiter: '|', most: mostFile, Encrypt: blob.Encryption{Managed: true}}
	if scheme, _, _ := strings.Cut(u.To, "://"); !strings.EqualFold(scheme, "s3") {
		return nil, sqlerr.New(sqlerr.Invalid, "UNLOAD writes to s3://bucket/prefix, not to %q", u.To).WithPos(text, int(st.To.Pos))
	}
	if f := st.Options.Format(); f != nil && f.Name == "CSV" {
		u.csv, u.delimiter = true, ','
	} else if f != nil && f.Name == "PARQUET" {
		u.Format = Parquet
	}
	for _, o := range st.Options {
		if err := u.read(o); err != nil {
			return nil, err.WithPos(text, int(o.Pos))
		}
	}
	for _, pair := range unloadPairs {
		if a, b := st.Options.Find(pair[0]), st.Options.Find(pair[1]); a != nil && b != nil {
			return nil, sqlerr.New(sqlerr.Invalid, "UNLOAD: %s is not supported with %s", pair[1], pair[0]).WithPos(text, int(max(a.Pos, b.Pos)))
		}
	}
	return u, u.agree(st, text)
}

func (u *Unload) agree(st *syntax.Unload, text string) error {
	refuse := func(at syntax.Pos, format string, args ...any) error {
		return sqlerr.New(sqlerr.Invalid, format, args...).WithPos(text, int(at))
	}
	key, encrypted := st.Options.Find("KMS_KEY_ID"), st.Options.Find("ENCRYPTED")
	size := st.Options.Find("MAXFILESIZE")
	switch {
	case key != nil && encrypted == nil:
		return refuse(key.Pos, "KMS_KEY_ID needs ENCRYPTED")
	case key != nil && encrypted.Value != nil:
		return refuse(max(key.Pos, encrypted.Pos), "ENCRYPTED AUTO takes the bucket's key: it cannot stand beside KMS_KEY_ID")
	case encrypted != nil && encrypted.Value == nil && key == nil:
		return sqlerr.New(sqlerr.Unsupported, "ENCRYPTED without KMS_KEY_ID is client-side encryption, which is not built yet").WithPos(text, int(encrypted.Pos)).
			WithHint("write KMS_KEY_ID '<key>' ENCRYPTED, or ENCRYPTED AUTO")
	case u.escape && (u.delimiter == '\\' || u.delimiter == '\n'), u.csv && u.delimiter == '"':
		return refuse(st.Options.Find("DELIMITER").Pos, "this DELIMITER cannot be told from the quotes and escapes")
	case u.Format == Parquet && size != nil && u.Partition != nil:
		return sqlerr.New(sqlerr.Unsupported, "MAXFILESIZE with PARTITION BY of PARQUET is not built yet").WithPos(text, int(size.Pos))
	}
	return nil
}

// read takes one option over.
func (u *Unload) read(o syntax.TransferOption) *sqlerr.Error {
	value := ""
	if o.Value != nil {
		value = o.Value.Value
	}
	switch o.Name {
	case "JSON", "FIXEDWIDTH", "BZIP2", "MASTER_SYMMETRIC_KEY", "ROWGROUPSIZE":
		return sqlerr.New(sqlerr.Unsupported, "UNLOAD with %s is not built yet", o.Name)
	case "REGION":
		u.Region = value
	case "PARTITION BY":
		u.Partition, u.Include = o.Columns, o.Value != nil
		for i, c := range o.Columns {
			if slices.ContainsFunc(o.Columns[:i], func(b syntax.Ident) bool { return strings.EqualFold(b.Name, c.Name) }) {
				return sqlerr.New(sqlerr.Invalid, "PARTITION BY names column %s twice", c.Name)
			}
		}
	case "MANIFEST":
		u.manifest, u.verbose = true, o.Value != nil
	case "HEADER":
		u.header = true
	case "DELIMITER":
		d, err := oneByte(o.Name, value)
		u.delimiter = d
		return err
	case "ENCRYPTED":
		if o.Value != nil {
			u.Encrypt = blob.Encryption{}
		}
	case "KMS_KEY_ID":
		if value == "" {
			return sqlerr.New(sqlerr.Invalid, "KMS_KEY_ID is empty")
		}
		u.Encrypt = blob.Encryption{KMSKey: value}
	case "GZIP", "ZSTD":
		u.packed = o.Name
	case "ADDQUOTES":
		u.quotes = true
	case "NULL":
		u.null = value
	case "ESCAPE":
		u.escape = true
	case "ALLOWOVERWRITE":
		u.overwrite = true
	case "CLEANPATH":
		u.clean = true
	case "PARALLEL":
		u.serial = value == "OFF" || value == "FALSE"
	case "EXTENSION":
		u.extension = &value
	case "MAXFILESIZE":
		n, err := bytesOf(o.Name, value, leastFile, mostFile)
		if u.most = n; u.Format == Parquet && err == nil {
			u.most = max(n/parquetStep, 1) * parquetStep
		}
		return err
	}
	return nil
}

// bytesOf reads n [MB | GB] within bounds.
func bytesOf(option, text string, least, most int64) (int64, *sqlerr.Error) {
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(number, 64)
	if unit == "GB" {
		n *= 1000
	}
	if size := n * megabyte; err == nil && size >= float64(least) && size <= float64(most) {
		return int64(size), nil
	}
	return 0, sqlerr.New(sqlerr.Invalid, "%s is from %d MB to %d MB, not %s", option, least/megabyte, most/megabyte, text)
}

// suffix is what ends the names of the files.
func (u *Unload) suffix() string {
	switch {
	case u.extension != nil:
		return "." + strings.TrimPrefix(*u.extension, ".")
	case u.Format == Parquet:
		return ".parquet"
	}
	return map[string]string{"GZIP": ".gz", "ZSTD": ".zst"}[u.packed]
}

// prefix is what all names begin with.
func (u *Unload) prefix() string {
	if u.Partition != nil && !strings.HasSuffix(u.To, "/") {
		return u.To + "/"
	}
	return u.To
}

// name is that of file n of a partition's directory ("" without partitions).
// There is one slice.
func (u *Unload) name(directory string, n int) string {
	number := pad(n, 3)
	if !u.serial {
		number = "0000_part_" + pad(n, 2)
	}
	return u.prefix() + directory + number + u.suffix()
}

func pad(n, width int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// directory spells a partition's as Hive does.
func (u *Unload) directory(values []*string) string {
	var b strings.Builder
	for i, v := range values {
		text := nullDirectory
		if v != nil {
			text = escapeDirectory(*v)
		}
		b.WriteString(strings.ToLower(u.Partition[i].Name) + "=" + text + "/")
	}
	return b.String()
}

// escapeDirectory encodes what Hive encodes in the names of partitions.
func escapeDirectory(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || strings.IndexByte("\"#%'*/:=?\\\x7f{[]^", c) >= 0 {
			b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
			continue
		}
		b.WriteByte(s[i])
	}
	if b.Len() == 0 {
		return nullDirectory
	}
	return b.String()
}

// Most is how large a file may be, in bytes.
func (u *Unload) Most() int64 { return u.most }
