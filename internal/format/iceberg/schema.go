// Package iceberg reads and writes Iceberg tables: the metadata that a catalog
// points to becomes a lake.Table, and rows appended to it become snapshots
// (Apache Iceberg, "Iceberg Table Spec", versions 1 to 3).
//
// Columns are matched by field id, never by name; which files a table has,
// and which deletes apply to them, comes from its manifests alone. The package
// speaks to no catalog: who keeps the pointer to the metadata is a Store.
package iceberg

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"lakeport/internal/lake"
)

// Field is a column of a schema, or a field nested in one. Lists have one
// field "element", maps two, "key" and "value".
type Field struct {
	ID       int
	Name     string
	Required bool
	Type     Type
	Doc      string
	Initial  json.RawMessage // v3: what files without the field mean; nil: NULL
	Write    json.RawMessage // v3: what an INSERT that leaves the field out writes
}

// Type is a type as the metadata spells it. Name is that of a primitive
// without its parameters, or struct, list or map.
type Type struct {
	Name      string
	Precision int     // decimal
	Scale     int     // decimal
	Length    int     // fixed
	Fields    []Field // struct: its fields; list: element; map: key, value
}

// Schema is one of a table's schemas.
type Schema struct {
	ID          int
	Fields      []Field
	Identifiers []int // ids of the fields that identify a row
}

// primitives maps the names of types to those of the engine. What is missing
// here stands in no engine's column: such columns can be left out, not read.
var primitives = map[string]lake.Kind{
	"boolean": lake.Boolean, "int": lake.Integer, "long": lake.BigInt, "float": lake.Float, "double": lake.Double,
	"date": lake.Date, "time": lake.Time, "timestamp": lake.Timestamp, "timestamptz": lake.TimestampTZ,
	"timestamp_ns": lake.TimestampNS, "string": lake.Varchar, "uuid": lake.UUID, "binary": lake.Blob, "fixed": lake.Blob,
	"decimal": lake.Decimal, "timestamptz_ns": lake.Invalid, "unknown": lake.Invalid, "variant": lake.Invalid,
	"geometry": lake.Invalid, "geography": lake.Invalid,
}

// nestingMax bounds how deep types nest.
const nestingMax = 64

var (
	decimalType = regexp.MustCompile(`^decimal\(\s*([0-9]{1,2})\s*,\s*([0-9]{1,2})\s*\)$`)
	fixedType   = regexp.MustCompile(`^fixed\[\s*([0-9]{1,9})\s*\]$`)
	geoType     = regexp.MustCompile(`^(geometry|geography)\(.*\)$`)
)

// jsonField is a field as metadata has it.
type jsonField struct {
	ID       *int            `json:"id"`
	Name     string          `json:"name"`
	Required bool            `json:"required"`
	Type     json.RawMessage `json:"type"`
	Doc      string          `json:"doc,omitempty"`
	Initial  json.RawMessage `json:"initial-default,omitempty"`
	Write    json.RawMessage `json:"write-default,omitempty"`
}

// jsonType is a nested type as metadata has it.
type jsonType struct {
	Type            string          `json:"type"`
	Fields          []jsonField     `json:"fields,omitempty"`
	ElementID       *int            `json:"element-id,omitempty"`
	Element         json.RawMessage `json:"element,omitempty"`
	ElementRequired *bool           `json:"element-required,omitempty"`
	KeyID           *int            `json:"key-id,omitempty"`
	Key             json.RawMessage `json:"key,omitempty"`
	ValueID         *int            `json:"value-id,omitempty"`
	Value           json.RawMessage `json:"value,omitempty"`
	ValueRequired   *bool           `json:"value-required,omitempty"`
}

// UnmarshalJSON reads a type: a string for a primitive, an object for others.
func (t *Type) UnmarshalJSON(data []byte) error {
	out, err := readType(data, 0)
	*t = out
	return err
}

func readType(data []byte, depth int) (Type, error) {
	if depth > nestingMax {
		return Type{}, fmt.Errorf("types are nested more than %d deep", nestingMax)
	}
	var name string
	if json.Unmarshal(data, &name) == nil {
		return readPrimitive(name)
	}
	var j jsonType
	if err := json.Unmarshal(data, &j); err != nil {
		return Type{}, fmt.Errorf("type %.100s: %w", data, err)
	}
	t := Type{Name: j.Type}
	var err error
	switch j.Type {
	case "struct":
		t.Fields, err = readFields(j.Fields, depth+1)
	case "list":
		t.Fields, err = readFields([]jsonField{{ID: j.ElementID, Name: "element", Required: yes(j.ElementRequired), Type: j.Element}}, depth+1)
	case "map":
		t.Fields, err = readFields([]jsonField{{ID: j.KeyID, Name: "key", Required: true, Type: j.Key},
			{ID: j.ValueID, Name: "value", Required: yes(j.ValueRequired), Type: j.Value}}, depth+1)
	default:
		err = fmt.Errorf("type %q is not known", j.Type)
	}
	return t, err
}

func yes(b *bool) bool { return b != nil && *b }

func readFields(list []jsonField, depth int) ([]Field, error) {
	fields := make([]Field, len(list))
	for i, j := range list {
		if j.ID == nil || *j.ID <= 0 {
			return nil, fmt.Errorf("field %q has no id, or one that is not positive", j.Name)
		}
		t, err := readType(j.Type, depth)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", j.Name, err)
		}
		fields[i] = Field{ID: *j.ID, Name: j.Name, Required: j.Required, Type: t, Doc: j.Doc, Initial: given(j.Initial), Write: given(j.Write)}
	}
	return fields, nil
}

// given is a JSON value unless it is null.
func given(v json.RawMessage) json.RawMessage {
	if string(v) == "null" {
		return nil
	}
	return v
}

func readPrimitive(name string) (Type, error) {
	if m := decimalType.FindStringSubmatch(name); m != nil {
		p, _ := strconv.Atoi(m[1])
		s, _ := strconv.Atoi(m[2])
		if p < 1 || p > 38 || s > p {
			return Type{}, fmt.Errorf("type %q is out of range", name)
		}
		return Type{Name: "decimal", Precision: p, Scale: s}, nil
	}
	if m := fixedType.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1])
		return Type{Name: "fixed", Length: n}, nil
	}
	if m := geoType.FindStringSubmatch(name); m != nil {
		name = m[1]
	}
	if _, ok := primitives[name]; !ok || name == "decimal" || name == "fixed" {
		return Type{}, fmt.Errorf("type %q is not known", name)
	}
	return Type{Name: name}, nil
}

// String spells the type as metadata does; nested ones in Spark's way.
func (t Type) String() string {
	switch t.Name {
	case "decimal":
		return fmt.Sprintf("decimal(%d, %d)", t.Precision, t.Scale)
	case "fixed":
		return fmt.Sprintf("fixed[%d]", t.Length)
	case "struct", "list", "map":
		var parts []string
		for _, f := range t.Fields {
			part := f.Type.String()
			if t.Name == "struct" {
				part = f.Name + ": " + part
			}
			parts = append(parts, part)
		}
		return t.Name + "<" + strings.Join(parts, ", ") + ">"
	}
	return t.Name
}

// MarshalJSON writes the type as metadata has it.
func (t Type) MarshalJSON() ([]byte, error) {
	switch t.Name {
	case "struct":
		return json.Marshal(jsonType{Type: "struct", Fields: writeFields(t.Fields)})
	case "list":
		e := t.Fields[0]
		elem, err := json.Marshal(e.Type)
		if err != nil {
			return nil, err
		}
		return json.Marshal(jsonType{Type: "list", ElementID: &e.ID, Element: elem, ElementRequired: &e.Required})
	case "map":
		k, v := t.Fields[0], t.Fields[1]
		key, err := json.Marshal(k.Type)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(v.Type)
		if err != nil {
			return nil, err
		}
		return json.Marshal(jsonType{Type: "map", KeyID: &k.ID, Key: key, ValueID: &v.ID, Value: value, ValueRequired: &v.Required})
	}
	return json.Marshal(t.String())
}

func writeFields(fields []Field) []jsonField {
	out := make([]jsonField, len(fields))
	for i, f := range fields {
		t, err := json.Marshal(f.Type)
		if err != nil {
			panic(err) // a Type holds nothing that JSON cannot
		}
		out[i] = jsonField{ID: &f.ID, Name: f.Name, Required: f.Required, Type: t, Doc: f.Doc, Initial: f.Initial, Write: f.Write}
	}
	return out
}

// jsonSchema is a schema as metadata has it.
type jsonSchema struct {
	Type        string      `json:"type"`
	ID          int         `json:"schema-id"`
	Identifiers []int       `json:"identifier-field-ids,omitempty"`
	Fields      []jsonField `json:"fields"`
}

// UnmarshalJSON reads a schema and checks that ids are positive and its
// types are known.
func (s *Schema) UnmarshalJSON(data []byte) error {
	var j jsonSchema
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	fields, err := readFields(j.Fields, 0)
	if err != nil {
		return fmt.Errorf("schema %d: %w", j.ID, err)
	}
	*s = Schema{ID: j.ID, Fields: fields, Identifiers: j.Identifiers}
	seen := map[int]bool{}
	s.walk(func(f *Field) {
		if seen[f.ID] && err == nil {
			err = fmt.Errorf("schema %d: id %d is that of two fields", s.ID, f.ID)
		}
		seen[f.ID] = true
	})
	return err
}

// MarshalJSON writes the schema as metadata has it.
func (s Schema) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonSchema{Type: "struct", ID: s.ID, Identifiers: s.Identifiers, Fields: writeFields(s.Fields)})
}

// walk visits all fields, outer ones first.
func (s *Schema) walk(visit func(f *Field)) { walk(s.Fields, visit) }

func walk(fields []Field, visit func(f *Field)) {
	for i := range fields {
		visit(&fields[i])
		walk(fields[i].Type.Fields, visit)
	}
}

// field finds a top-level field; nil: there is none of that id.
func (s *Schema) field(id int) *Field {
	for i := range s.Fields {
		if s.Fields[i].ID == id {
			return &s.Fields[i]
		}
	}
	return nil
}

// lake gives the engine's type; of Kind Invalid, also deep inside, if it has
// none.
func (t Type) lake() lake.Type {
	switch t.Name {
	case "decimal":
		return lake.Type{Kind: lake.Decimal, Width: uint8(t.Precision), Scale: uint8(t.Scale)}
	case "list":
		elem := t.Fields[0].Type.lake()
		if elem.Kind == lake.Invalid {
			return lake.Type{}
		}
		return lake.Type{Kind: lake.List, Elem: &elem}
	case "map":
		key, value := t.Fields[0].Type.lake(), t.Fields[1].Type.lake()
		if key.Kind == lake.Invalid || value.Kind == lake.Invalid {
			return lake.Type{}
		}
		return lake.Type{Kind: lake.Map, Key: &key, Elem: &value}
	case "struct":
		out := lake.Type{Kind: lake.Struct}
		for _, f := range t.Fields {
			inner := f.Type.lake()
			if inner.Kind == lake.Invalid {
				return lake.Type{}
			}
			out.Fields = append(out.Fields, lake.Column{Name: f.Name, Type: inner})
		}
		if len(out.Fields) == 0 {
			return lake.Type{}
		}
		return out
	}
	return lake.Type{Kind: primitives[t.Name]}
}

// columns gives the schema's columns to SQL. SQL tells no names apart that
// differ only in case, so a later one of these gets a number, as the engine
// names such columns of a file.
func (s *Schema) columns() []lake.Column {
	taken := map[string]bool{}
	for _, f := range s.Fields {
		taken[f.Name] = true
	}
	seen := map[string]bool{}
	out := make([]lake.Column, len(s.Fields))
	for i, f := range s.Fields {
		name := f.Name
		for n := 1; seen[strings.ToLower(name)] || name != f.Name && taken[name]; n++ {
			name = f.Name + "_" + strconv.Itoa(n)
		}
		seen[strings.ToLower(name)] = true
		out[i] = lake.Column{Name: name, Type: f.Type.lake(), Comment: f.Doc}
	}
	return out
}
