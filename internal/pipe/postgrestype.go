package pipe

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"lakeport/internal/sqlerr"
)

// numeric takes numeric(p,s) apart.
var numeric = regexp.MustCompile(`^numeric\((\d+),(-?\d+)\)$`)

// postgresColumn maps a column. What StarRocks has no type for becomes text.
// kind is typtype and typcategory of its type. Values are asked for, and come
// in the stream of changes, as the type's output function writes them.
func postgresColumn(name, typ, kind string) Column {
	c := Column{Name: name, Source: typ, Type: text, Read: pgx.Identifier{name}.Sanitize()}
	base, _, _ := strings.Cut(typ, "(")
	switch {
	case strings.HasSuffix(typ, "[]"):
		c.Type = "JSON"
		return c
	case strings.HasPrefix(kind, "d"): // a domain is what its base is, by its text
		return c
	}
	switch base {
	case "boolean":
		c.Type = "BOOLEAN"
	case "smallint", "bigint", "date":
		c.Type = strings.ToUpper(base)
	case "integer":
		c.Type = "INT"
	case "real":
		c.Type = "FLOAT"
	case "double precision":
		c.Type = "DOUBLE"
	case "numeric":
		if m := numeric.FindStringSubmatch(typ); m != nil {
			p, _ := strconv.Atoi(m[1])
			scale, _ := strconv.Atoi(m[2])
			if p <= 38 && scale >= 0 && scale <= p {
				c.Type = fmt.Sprintf("DECIMAL(%d,%d)", p, scale)
			}
		}
	case "bytea":
		c.Type, c.Binary = "VARBINARY", true
	case "json", "jsonb":
		c.Type = "JSON"
	case "timestamp", "timestamp without time zone", "timestamp with time zone":
		c.Type = "DATETIME"
	}
	return c
}

// fromPostgres turns a value, written by a session of the settings that
// connect makes, into what the target's type reads. It may keep v.
func (c *Column) fromPostgres(v []byte) ([]byte, error) {
	base, _, _ := strings.Cut(c.Source, "(")
	switch {
	case c.Binary:
		digits, ok := bytes.CutPrefix(v, []byte(`\x`))
		out := make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(out, digits); err != nil || !ok {
			return nil, sqlerr.New(sqlerr.Corrupt, "bytes that are not written in hexadecimal")
		}
		return out, nil
	case strings.HasSuffix(c.Source, "[]"):
		return arrayJSON(v, strings.TrimSuffix(c.Source, "[]"))
	case base == "character": // which pads with blanks that count for nothing
		return bytes.TrimRight(v, " "), nil
	case c.Type == "DATE" || c.Type == "DATETIME":
		if strings.HasSuffix(c.Source, "with time zone") {
			v = bytes.Replace(v, []byte("+00"), nil, 1)
		}
		if year, found := bytes.CutSuffix(v, []byte(" BC")); found { // which the engine has behind the day
			day, clock, _ := bytes.Cut(year, []byte(" "))
			v = bytes.TrimSuffix(slices.Concat(day, []byte(" (BC) "), clock), []byte(" "))
		}
	}
	return v, nil
}

// arrayJSON writes an array of PostgreSQL ("Array Input and Output Syntax") as
// JSON: numbers and booleans as such where JSON can say them, JSON as it is,
// other elements as strings.
func arrayJSON(v []byte, element string) ([]byte, error) {
	a := arrayReader{in: v, element: element, delimiter: ','}
	if element == "box" {
		a.delimiter = ';'
	}
	if len(v) > 0 && v[0] == '[' { // bounds that do not begin at 1: [0:1]={1,2}
		_, rest, _ := bytes.Cut(v, []byte("="))
		a.in = rest
	}
	if err := a.array(0); err != nil {
		return nil, err
	}
	if len(a.in) > 0 {
		return nil, a.fault("goes on after its end")
	}
	return a.out, nil
}

type arrayReader struct {
	in, out   []byte
	element   string
	delimiter byte
}

// maxDimensions is PostgreSQL's MAXDIM.
const maxDimensions = 6

func (a *arrayReader) fault(what string) error {
	return sqlerr.New(sqlerr.Corrupt, "an array of %s %s", a.element, what)
}

func (a *arrayReader) array(depth int) error {
	if len(a.in) == 0 || a.in[0] != '{' || depth == maxDimensions {
		return a.fault("does not begin as one")
	}
	a.in, a.out = a.in[1:], append(a.out, '[')
	for first := true; len(a.in) > 0; first = false {
		switch {
		case a.in[0] == '}':
			a.in, a.out = a.in[1:], append(a.out, ']')
			return nil
		case !first && a.in[0] == a.delimiter:
			a.in, a.out = a.in[1:], append(a.out, ',')
		case !first:
			return a.fault("has elements that nothing divides")
		}
		if len(a.in) > 0 && a.in[0] == '{' {
			if err := a.array(depth + 1); err != nil {
				return err
			}
		} else if err := a.value(); err != nil {
			return err
		}
	}
	return a.fault("has no end")
}

func (a *arrayReader) value() error {
	var text []byte
	quoted := len(a.in) > 0 && a.in[0] == '"'
	if quoted {
		a.in = a.in[1:]
	}
	for len(a.in) > 0 {
		ch := a.in[0]
		switch {
		case ch == '\\' && len(a.in) > 1:
			text, a.in = append(text, a.in[1]), a.in[2:]
			continue
		case quoted && ch == '"':
			a.in = a.in[1:]
			a.write(text, true)
			return nil
		case !quoted && (ch == a.delimiter || ch == '}'):
			if len(text) == 0 {
				return a.fault("has an element without text")
			}
			a.write(text, false)
			return nil
		}
		text, a.in = append(text, ch), a.in[1:]
	}
	return a.fault("has no end")
}

// write adds an element.
func (a *arrayReader) write(text []byte, quoted bool) {
	if !quoted && bytes.EqualFold(text, []byte("NULL")) {
		a.out = append(a.out, "null"...)
		return
	}
	base, _, _ := strings.Cut(a.element, "(")
	switch base {
	case "smallint", "integer", "bigint", "numeric", "real", "double precision", "json", "jsonb":
		if json.Valid(text) { // NaN and infinities are not
			a.out = append(a.out, text...)
			return
		}
	case "boolean":
		a.out = strconv.AppendBool(a.out, string(text) == "t")
		return
	}
	a.string(text)
}

// string writes text as JSON does, without the escapes that HTML asks for.
func (a *arrayReader) string(text []byte) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(text)) // a string is always written
	a.out = append(a.out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
