package hudi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/parquet"
)

// metaColumns stand first in every file, unless the table goes without.
var metaColumns = []string{"_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key", "_hoodie_partition_path", "_hoodie_file_name"}

// avroType is a type in the JSON of an Avro schema that is an object.
type avroType struct {
	Type        json.RawMessage `json:"type"`
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace"`
	LogicalType string          `json:"logicalType"`
	Precision   int             `json:"precision"`
	Scale       int             `json:"scale"`
	Fields      []avroField     `json:"fields"`
	Items       json.RawMessage `json:"items"`
	Values      json.RawMessage `json:"values"`
}

type avroField struct {
	Name string          `json:"name"`
	Type json.RawMessage `json:"type"`
	Doc  string          `json:"doc"`
}

// nestingMax bounds how deep a type may nest, typesMax how many types a schema
// may spell out, named ones each time that they are used.
const (
	nestingMax = 64
	typesMax   = 100_000
)

// errType is the cause of a column that is there but cannot be read.
var errType = errors.New("is not supported")

// parseSchema reads the columns of a table from its Avro schema.
func parseSchema(text string, meta bool) ([]parquet.Column, error) {
	var root avroType
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	if string(root.Type) != `"record"` || len(root.Fields) == 0 {
		return nil, errors.New("the schema is no record with fields")
	}
	var columns []parquet.Column
	seen := map[string]bool{}
	add := func(name string, t lake.Type, why error) {
		c := lake.Column{Name: name, Type: t}
		columns = append(columns, parquet.Column{Column: c, File: c, Err: why})
		seen[strings.ToLower(name)] = true
	}
	if meta {
		for _, name := range metaColumns {
			add(name, lake.Type{Kind: lake.Varchar}, nil)
		}
	}
	p := schemaParser{named: map[string]json.RawMessage{}}
	for _, f := range root.Fields {
		t, err := p.typeOf(f.Type, root.Namespace, 0)
		switch {
		case f.Name == "":
			return nil, errors.New("the schema has a field without a name")
		case seen[strings.ToLower(f.Name)] && meta && strings.HasPrefix(f.Name, "_hoodie_"):
			continue
		case seen[strings.ToLower(f.Name)]:
			return nil, fmt.Errorf("column %q is there twice", f.Name)
		case errors.Is(err, errType):
			add(f.Name, lake.Type{}, err)
		case err != nil:
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		default:
			add(f.Name, t, nil)
		}
	}
	return columns, nil
}

// schemaParser knows the types that have been named so far.
type schemaParser struct {
	named map[string]json.RawMessage
	types int
}

func (p *schemaParser) typeOf(text json.RawMessage, namespace string, depth int) (lake.Type, error) {
	if p.types++; depth > nestingMax || p.types > typesMax {
		return lake.Type{}, errors.New("the schema nests too deep or without end")
	}
	var name string
	if json.Unmarshal(text, &name) == nil {
		return p.byName(name, namespace, depth)
	}
	var union []json.RawMessage
	if json.Unmarshal(text, &union) == nil {
		return p.union(union, namespace, depth)
	}
	var t avroType
	if err := json.Unmarshal(text, &t); err != nil {
		return lake.Type{}, fmt.Errorf("a type is neither a name, a union nor an object: %.100s", text)
	}
	return p.object(t, text, namespace, depth)
}

// union reads what may be NULL; other unions have no type.
func (p *schemaParser) union(union []json.RawMessage, namespace string, depth int) (lake.Type, error) {
	var others []json.RawMessage
	for _, t := range union {
		if string(t) != `"null"` {
			others = append(others, t)
		}
	}
	if len(others) != 1 {
		return lake.Type{}, fmt.Errorf("a union of %d types %w", len(others), errType)
	}
	return p.typeOf(others[0], namespace, depth+1)
}

var primitives = map[string]lake.Kind{
	"boolean": lake.Boolean, "int": lake.Integer, "long": lake.BigInt, "float": lake.Float, "double": lake.Double,
	"string": lake.Varchar, "bytes": lake.Blob,
}

func (p *schemaParser) byName(name, namespace string, depth int) (lake.Type, error) {
	if kind, ok := primitives[name]; ok {
		return lake.Type{Kind: kind}, nil
	}
	for _, full := range []string{name, namespace + "." + name} {
		if def, ok := p.named[full]; ok {
			return p.typeOf(def, namespace, depth+1)
		}
	}
	return lake.Type{}, fmt.Errorf("type %q %w", name, errType)
}

// logicalTypes that say more than the type below them (Avro specification,
// "Logical Types"), by both.
var logicalTypes = map[string]lake.Kind{
	"int date": lake.Date, "int time-millis": lake.Time, "long time-micros": lake.Time,
	"long timestamp-millis": lake.TimestampTZ, "long timestamp-micros": lake.TimestampTZ,
	"long local-timestamp-millis": lake.Timestamp, "long local-timestamp-micros": lake.Timestamp,
}

func (p *schemaParser) object(t avroType, text json.RawMessage, namespace string, depth int) (lake.Type, error) {
	var name string
	if json.Unmarshal(t.Type, &name) != nil {
		return p.typeOf(t.Type, namespace, depth+1) // a type in a type
	}
	if t.Namespace != "" {
		namespace = t.Namespace
	}
	if t.Name != "" {
		p.named[t.Name], p.named[namespace+"."+t.Name] = text, text
	}
	if kind, ok := logicalTypes[name+" "+t.LogicalType]; ok {
		return lake.Type{Kind: kind}, nil
	}
	switch name {
	case "array":
		elem, err := p.typeOf(t.Items, namespace, depth+1)
		return lake.Type{Kind: lake.List, Elem: &elem}, err
	case "map":
		elem, err := p.typeOf(t.Values, namespace, depth+1)
		return lake.Type{Kind: lake.Map, Key: &lake.Type{Kind: lake.Varchar}, Elem: &elem}, err
	case "record":
		return p.record(t, namespace, depth)
	case "enum":
		return lake.Type{Kind: lake.Varchar}, nil
	case "fixed", "bytes":
		if t.LogicalType != "decimal" {
			return lake.Type{Kind: lake.Blob}, nil
		}
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return lake.Type{}, fmt.Errorf("decimal(%d,%d) %w", t.Precision, t.Scale, errType)
		}
		return lake.Type{Kind: lake.Decimal, Width: uint8(t.Precision), Scale: uint8(t.Scale)}, nil
	}
	return p.byName(name, namespace, depth)
}

func (p *schemaParser) record(t avroType, namespace string, depth int) (lake.Type, error) {
	out := lake.Type{Kind: lake.Struct}
	for _, f := range t.Fields {
		typ, err := p.typeOf(f.Type, namespace, depth+1)
		if err != nil {
			return out, err
		}
		out.Fields = append(out.Fields, lake.Column{Name: f.Name, Type: typ})
	}
	if len(out.Fields) == 0 {
		return out, fmt.Errorf("a record without fields %w", errType)
	}
	return out, nil
}
