package pipe

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"

	"lakeport/internal/sqlerr"
)

// charsets turns text of the log, which is in its column's character set, into
// UTF-8. What the bytes of a character set mean is asked of the source, so that
// its answer in the log and in a query are one.
type charsets struct {
	source *mysqlSource
	byID   map[uint64]string   // the character set of a collation
	tables map[string][]string // of sets of single bytes: the text of each; "" is none
}

// errNoColumn is ER_BAD_FIELD_ERROR.
const errNoColumn = 1054

// load asks for the collations, whose numbers the log has. Those of MariaDB's
// that go with several character sets are in the second table, from 10.10 on.
func (c *charsets) load(ctx context.Context) error {
	const what, from = "read the collations", "SELECT ID, CHARACTER_SET_NAME FROM information_schema."
	rows, err := c.source.query(ctx, what, from+"COLLATIONS WHERE ID IS NOT NULL AND CHARACTER_SET_NAME IS NOT NULL")
	if err != nil {
		return err
	}
	if c.source.maria {
		more, err := c.source.query(ctx, what, from+"COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL")
		var e *mysql.MyError
		if err != nil && !(errors.As(err, &e) && e.Code == errNoColumn) {
			return err
		}
		rows = append(rows, more...)
	}
	c.byID = map[uint64]string{}
	for _, r := range rows {
		id, err := strconv.ParseUint(r[0], 10, 64)
		if err != nil {
			return sqlerr.New(sqlerr.Invalid, "%s: the source says: collation %q", what, r[0])
		}
		c.byID[id] = r[1]
	}
	c.tables = map[string][]string{}
	return nil
}

// decoder gives what turns text of a collation into UTF-8.
func (c *charsets) decoder(ctx context.Context, collation uint64) (func([]byte) ([]byte, error), error) {
	set, known := c.byID[collation]
	if !known {
		return nil, sqlerr.New(sqlerr.Unsupported, "its collation %d is not known", collation)
	}
	switch set {
	case "utf8mb4", "utf8mb3", "utf8", "ascii", "binary":
		return func(b []byte) ([]byte, error) { return b, nil }, nil
	case "ucs2", "utf16":
		return func(b []byte) ([]byte, error) { return fromUTF16(b, 0) }, nil
	case "utf16le":
		return func(b []byte) ([]byte, error) { return fromUTF16(b, 1) }, nil
	case "utf32":
		return fromUTF32, nil
	}
	if manyBytes[set] {
		return nil, manyBytesRefused(set)
	}
	table, err := c.table(ctx, set)
	if err != nil {
		return nil, err
	}
	return func(b []byte) ([]byte, error) {
		out := make([]byte, 0, len(b)+len(b)/4)
		for _, one := range b {
			if table[one] == "" {
				return nil, sqlerr.New(sqlerr.Corrupt, "byte %#x stands for nothing in the character set %s", one, set)
			}
			out = append(out, table[one]...)
		}
		return out, nil
	}, nil
}

// texts decodes the names of an ENUM or SET.
func (c *charsets) texts(ctx context.Context, collation uint64, names []string) ([]string, error) {
	convert, err := c.decoder(ctx, collation)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(names))
	for i, n := range names {
		text, err := convert([]byte(n))
		if err != nil {
			return nil, err
		}
		out[i] = string(text)
	}
	return out, nil
}

// table asks the source for the text of each byte.
func (c *charsets) table(ctx context.Context, set string) ([]string, error) {
	if t := c.tables[set]; t != nil {
		return t, nil
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	rows, err := c.source.query(ctx, "read the character set "+set, "SELECT CONVERT(CONVERT(X'"+hex.EncodeToString(all)+"' USING "+backquote(set)+") USING utf8mb4)")
	if err != nil {
		return nil, err
	}
	runes := []rune(rows[0][0])
	if len(runes) != len(all) {
		return nil, sqlerr.New(sqlerr.Unsupported, "changes of text in the character set %s are not followed", set)
	}
	t := make([]string, len(all))
	for i, r := range runes {
		if r != '?' || i == '?' { // which stands for what cannot be converted
			t[i] = string(r)
		}
	}
	c.tables[set] = t
	return t, nil
}

// manyBytes are the character sets whose characters are of one to four bytes
// and that are not Unicode's (MySQL, "Asian Character Sets").
var manyBytes = map[string]bool{"big5": true, "gbk": true, "gb2312": true, "gb18030": true, "sjis": true, "cp932": true, "ujis": true, "eucjpms": true, "euckr": true}

func manyBytesRefused(set string) error {
	return sqlerr.New(sqlerr.Unsupported, "changes of text in the character set %s are not followed", set)
}

// fromUTF16 reads two bytes a unit; low says which of them is the lower.
func fromUTF16(b []byte, low int) ([]byte, error) {
	if len(b)%2 != 0 {
		return nil, sqlerr.New(sqlerr.Corrupt, "text of %d bytes in a character set of two", len(b))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i+low])<<8 | uint16(b[2*i+1-low])
	}
	text := string(utf16.Decode(units))
	if strings.ContainsRune(text, utf8.RuneError) && !strings.Contains(string(b), "\xff\xfd") && !strings.Contains(string(b), "\xfd\xff") {
		return nil, sqlerr.New(sqlerr.Corrupt, "text that is no UTF-16")
	}
	return []byte(text), nil
}

func fromUTF32(b []byte) ([]byte, error) {
	if len(b)%4 != 0 {
		return nil, sqlerr.New(sqlerr.Corrupt, "text of %d bytes in a character set of four", len(b))
	}
	out := []byte{}
	for ; len(b) > 0; b = b[4:] {
		r := rune(b[0])<<24 | rune(b[1])<<16 | rune(b[2])<<8 | rune(b[3])
		if !utf8.ValidRune(r) {
			return nil, sqlerr.New(sqlerr.Corrupt, "text that is no UTF-32")
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}
