package hive

import (
	"fmt"
	"strconv"
	"strings"

	"lakeport/internal/lake"
)

// primitives maps Hive's names of types without parameters. Length limits of
// char and varchar are not carried: values are what the files hold.
var primitives = map[string]lake.Kind{
	"boolean": lake.Boolean, "tinyint": lake.TinyInt, "byte": lake.TinyInt, "smallint": lake.SmallInt, "short": lake.SmallInt,
	"int": lake.Integer, "integer": lake.Integer, "bigint": lake.BigInt, "long": lake.BigInt,
	"float": lake.Float, "real": lake.Float, "double": lake.Double, "double precision": lake.Double,
	"string": lake.Varchar, "varchar": lake.Varchar, "char": lake.Varchar, "binary": lake.Blob,
	"date": lake.Date, "timestamp": lake.Timestamp, "timestamp without time zone": lake.Timestamp,
	"timestamp with local time zone": lake.TimestampTZ, "timestamp with time zone": lake.TimestampTZ,
}

// nestingMax bounds how deep a type may nest.
const nestingMax = 64

// parseType reads a type in Hive's spelling (Hive language manual, "Types"),
// such as "map<string,array<struct<a:decimal(10,2)>>>". Case and space outside
// of field names do not matter.
func parseType(text string) (lake.Type, error) {
	p := typeParser{text: text}
	t, err := p.parse(0)
	if err != nil {
		return lake.Type{}, err
	}
	if p.space(); p.at < len(text) {
		return lake.Type{}, fmt.Errorf("type %q: unexpected %q at %d", text, text[p.at:], p.at)
	}
	return t, nil
}

type typeParser struct {
	text string
	at   int
}

func (p *typeParser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n') {
		p.at++
	}
}

func (p *typeParser) accept(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *typeParser) expect(c byte) error {
	if !p.accept(c) {
		return fmt.Errorf("type %q: expected %q at %d", p.text, c, p.at)
	}
	return nil
}

// until takes the text before the first of stops.
func (p *typeParser) until(stops string) string {
	rest := p.text[p.at:]
	n := strings.IndexAny(rest, stops)
	if n < 0 {
		n = len(rest)
	}
	p.at += n
	return strings.TrimSpace(rest[:n])
}

func (p *typeParser) parse(depth int) (lake.Type, error) {
	if depth > nestingMax {
		return lake.Type{}, fmt.Errorf("type %.40q... nests more than %d levels", p.text, nestingMax)
	}
	name := strings.Join(strings.Fields(strings.ToLower(p.until("<>(),:"))), " ")
	switch name {
	case "array":
		return p.array(depth)
	case "map":
		return p.mapOf(depth)
	case "struct":
		return p.structOf(depth)
	case "decimal", "numeric", "dec":
		return p.decimal()
	case "char", "varchar":
		if p.accept('(') {
			if _, err := p.number(); err != nil {
				return lake.Type{}, err
			}
			if err := p.expect(')'); err != nil {
				return lake.Type{}, err
			}
		}
	}
	kind, ok := primitives[name]
	if !ok {
		return lake.Type{}, fmt.Errorf("type %q: %q is not supported", p.text, name)
	}
	return lake.Type{Kind: kind}, nil
}

func (p *typeParser) array(depth int) (lake.Type, error) {
	if err := p.expect('<'); err != nil {
		return lake.Type{}, err
	}
	elem, err := p.parse(depth + 1)
	if err != nil {
		return lake.Type{}, err
	}
	return lake.Type{Kind: lake.List, Elem: &elem}, p.expect('>')
}

func (p *typeParser) mapOf(depth int) (lake.Type, error) {
	if err := p.expect('<'); err != nil {
		return lake.Type{}, err
	}
	key, err := p.parse(depth + 1)
	if err != nil {
		return lake.Type{}, err
	}
	if err := p.expect(','); err != nil {
		return lake.Type{}, err
	}
	elem, err := p.parse(depth + 1)
	if err != nil {
		return lake.Type{}, err
	}
	return lake.Type{Kind: lake.Map, Key: &key, Elem: &elem}, p.expect('>')
}

func (p *typeParser) structOf(depth int) (lake.Type, error) {
	if err := p.expect('<'); err != nil {
		return lake.Type{}, err
	}
	t := lake.Type{Kind: lake.Struct}
	for {
		name, err := p.fieldName()
		if err != nil {
			return lake.Type{}, err
		}
		field, err := p.parse(depth + 1)
		if err != nil {
			return lake.Type{}, err
		}
		t.Fields = append(t.Fields, lake.Column{Name: name, Type: field})
		if !p.accept(',') {
			return t, p.expect('>')
		}
	}
}

// fieldName reads a name and its colon. Spark quotes odd names in backquotes.
func (p *typeParser) fieldName() (string, error) {
	var name string
	if p.accept('`') {
		name = p.until("`")
		p.at++
	} else {
		name = p.until(":<>(),")
	}
	if p.at > len(p.text) || name == "" {
		return "", fmt.Errorf("type %q: expected a field's name at %d", p.text, min(p.at, len(p.text)))
	}
	return name, p.expect(':')
}

// decimal reads the parameters; without them Hive means decimal(10,0).
func (p *typeParser) decimal() (lake.Type, error) {
	t := lake.Type{Kind: lake.Decimal, Width: 10}
	if !p.accept('(') {
		return t, nil
	}
	width, err := p.number()
	if err != nil {
		return t, err
	}
	scale := 0
	if p.accept(',') {
		if scale, err = p.number(); err != nil {
			return t, err
		}
	}
	if width < 1 || width > 38 || scale > width {
		return t, fmt.Errorf("type %q: decimal(%d,%d) is not supported; the precision is 1 to 38, the scale no more", p.text, width, scale)
	}
	t.Width, t.Scale = uint8(width), uint8(scale)
	return t, p.expect(')')
}

func (p *typeParser) number() (int, error) {
	text := p.until("<>(),:")
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("type %q: expected a number, found %q", p.text, text)
	}
	return int(n), nil
}
