package delta

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
)

// structType is a struct in the JSON of a schemaString, which is Spark's (Delta
// transaction log protocol, "Schema Serialization Format").
type structType struct {
	Type   string  `json:"type"`
	Fields []field `json:"fields"`
}

type field struct {
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"type"`
	Metadata struct {
		ID           int    `json:"delta.columnMapping.id"`
		PhysicalName string `json:"delta.columnMapping.physicalName"`
		Comment      string `json:"comment"`
	} `json:"metadata"`
}

// nestingMax bounds how deep a type may nest.
const nestingMax = 64

// errType is the cause of a column that is there but cannot be read.
var errType = errors.New("is not supported")

// parseSchema reads a schemaString. In a mapping other than none files have
// the columns under their physical names.
func parseSchema(text, mapping string) ([]parquet.Column, error) {
	var s structType
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	if s.Type != "struct" || len(s.Fields) == 0 {
		return nil, errors.New("the schema has no columns")
	}
	p := schemaParser{mapped: mapping != "none"}
	seen := map[string]bool{}
	var columns []parquet.Column
	for _, f := range s.Fields {
		logical, inFile, err := p.field(f, 0)
		if seen[strings.ToLower(f.Name)] {
			err = fmt.Errorf("column %q is there twice", f.Name)
		}
		seen[strings.ToLower(f.Name)] = true
		c := parquet.Column{Column: logical, File: inFile}
		if errors.Is(err, errType) {
			c.Err, c.Type, c.File.Type, err = err, lake.Type{}, lake.Type{}, nil
		}
		if err != nil {
			return nil, err
		}
		c.Comment = f.Metadata.Comment
		columns = append(columns, c)
	}
	return columns, nil
}

type schemaParser struct {
	mapped bool
}

// field reads a field twice: as the table has it and as files do.
func (p schemaParser) field(f field, depth int) (logical, inFile lake.Column, err error) {
	if f.Name == "" {
		return logical, inFile, errors.New("the schema has a field without a name")
	}
	logical, inFile = lake.Column{Name: f.Name}, lake.Column{Name: f.Name}
	if p.mapped {
		if inFile.Name, inFile.FieldID = f.Metadata.PhysicalName, f.Metadata.ID; inFile.Name == "" || inFile.FieldID <= 0 {
			return logical, inFile, fmt.Errorf("field %q has no physical name or id, though columns are mapped", f.Name)
		}
	}
	if logical.Type, inFile.Type, err = p.typeOf(f.Type, depth+1); err != nil {
		return logical, inFile, fmt.Errorf("field %q: %w", f.Name, err)
	}
	return logical, inFile, nil
}

// nested is a type that is no name.
type nested struct {
	Type        string          `json:"type"`
	Fields      []field         `json:"fields"`
	ElementType json.RawMessage `json:"elementType"`
	KeyType     json.RawMessage `json:"keyType"`
	ValueType   json.RawMessage `json:"valueType"`
}

func (p schemaParser) typeOf(text json.RawMessage, depth int) (logical, inFile lake.Type, err error) {
	if depth > nestingMax {
		return logical, inFile, fmt.Errorf("the type nests more than %d levels", nestingMax)
	}
	var name string
	if json.Unmarshal(text, &name) == nil {
		t, err := primitive(name)
		return t, t, err
	}
	var n nested
	if err := json.Unmarshal(text, &n); err != nil {
		return logical, inFile, fmt.Errorf("a type is neither a name nor an object: %.100s", text)
	}
	switch n.Type {
	case "array":
		elem, elemInFile, err := p.typeOf(n.ElementType, depth+1)
		return lake.Type{Kind: lake.List, Elem: &elem}, lake.Type{Kind: lake.List, Elem: &elemInFile}, err
	case "map":
		key, keyInFile, err := p.typeOf(n.KeyType, depth+1)
		if err != nil {
			return logical, inFile, err
		}
		value, valueInFile, err := p.typeOf(n.ValueType, depth+1)
		return lake.Type{Kind: lake.Map, Key: &key, Elem: &value}, lake.Type{Kind: lake.Map, Key: &keyInFile, Elem: &valueInFile}, err
	case "struct":
		return p.structOf(n.Fields, depth)
	}
	return logical, inFile, fmt.Errorf("type %q %w", n.Type, errType)
}

func (p schemaParser) structOf(fields []field, depth int) (logical, inFile lake.Type, err error) {
	logical.Kind, inFile.Kind = lake.Struct, lake.Struct
	if len(fields) == 0 {
		return logical, inFile, fmt.Errorf("a struct without fields %w", errType)
	}
	for _, f := range fields {
		l, in, err := p.field(f, depth)
		if err != nil {
			return logical, inFile, err
		}
		logical.Fields, inFile.Fields = append(logical.Fields, l), append(inFile.Fields, in)
	}
	return logical, inFile, nil
}

var primitives = map[string]lake.Kind{
	"string": lake.Varchar, "long": lake.BigInt, "integer": lake.Integer, "short": lake.SmallInt, "byte": lake.TinyInt,
	"float": lake.Float, "double": lake.Double, "boolean": lake.Boolean, "binary": lake.Blob, "date": lake.Date,
	"timestamp": lake.TimestampTZ, "timestamp_ntz": lake.Timestamp,
	"void": lake.Boolean, // in no file, and so NULL in every row
}

var decimalName = regexp.MustCompile(`^decimal\(\s*([0-9]{1,2})\s*,\s*([0-9]{1,2})\s*\)$`)

// primitive reads a type's name. Lengths of char and varchar stand in the
// metadata and are not carried: values are what the files hold.
func primitive(name string) (lake.Type, error) {
	if kind, ok := primitives[name]; ok {
		return lake.Type{Kind: kind}, nil
	}
	if name == "decimal" {
		return lake.Type{Kind: lake.Decimal, Width: 10}, nil
	}
	if m := decimalName.FindStringSubmatch(name); m != nil {
		width, _ := strconv.Atoi(m[1])
		scale, _ := strconv.Atoi(m[2])
		if width >= 1 && width <= 38 && scale <= width {
			return lake.Type{Kind: lake.Decimal, Width: uint8(width), Scale: uint8(scale)}, nil
		}
	}
	return lake.Type{}, fmt.Errorf("type %q %w", name, errType)
}
