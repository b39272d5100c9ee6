package iceberg

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// Schema is a table's columns, the root struct.
type Schema struct {
	Type        string  `json:"type"`
	ID          int     `json:"schema-id"`
	Identifiers []int   `json:"identifier-field-ids,omitempty"`
	Fields      []Field `json:"fields"`
}

// Field is a column or a member of a struct.
type Field struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Type     Type   `json:"type"`
	Doc      string `json:"doc,omitempty"`

	InitialDefault json.RawMessage `json:"initial-default,omitempty"`
	WriteDefault   json.RawMessage `json:"write-default,omitempty"`
}

// Type is a primitive by its name, or a struct, list or map.
type Type struct {
	Name string // "long", "struct", "list", "map"

	Fields  []Field // of a struct
	Element *Type   // of a list; its id and whether it is required follow
	Key     *Type   // of a map
	Value   *Type

	ElementID, KeyID, ValueID      int
	ElementRequired, ValueRequired bool
}

type nestedType struct {
	Type            string  `json:"type"`
	Fields          []Field `json:"fields,omitempty"`
	ElementID       int     `json:"element-id,omitempty"`
	Element         *Type   `json:"element,omitempty"`
	ElementRequired *bool   `json:"element-required,omitempty"`
	KeyID           int     `json:"key-id,omitempty"`
	Key             *Type   `json:"key,omitempty"`
	ValueID         int     `json:"value-id,omitempty"`
	Value           *Type   `json:"value,omitempty"`
	ValueRequired   *bool   `json:"value-required,omitempty"`
}

// UnmarshalJSON reads a type's name or object.
func (t *Type) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &t.Name)
	}
	var n nestedType
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*t = Type{Name: n.Type, Fields: n.Fields, Element: n.Element, Key: n.Key, Value: n.Value, ElementID: n.ElementID, KeyID: n.KeyID, ValueID: n.ValueID,
		ElementRequired: n.ElementRequired != nil && *n.ElementRequired, ValueRequired: n.ValueRequired != nil && *n.ValueRequired}
	return nil
}

// MarshalJSON spells a type as the specification's "Schemas" appendix does.
func (t Type) MarshalJSON() ([]byte, error) {
	n := nestedType{Type: t.Name}
	switch t.Name {
	case "struct":
		n.Fields = t.Fields
	case "list":
		n.ElementID, n.Element, n.ElementRequired = t.ElementID, t.Element, &t.ElementRequired
	case "map":
		n.KeyID, n.Key, n.ValueID, n.Value, n.ValueRequired = t.KeyID, t.Key, t.ValueID, t.Value, &t.ValueRequired
	default:
		return json.Marshal(t.Name)
	}
	return json.Marshal(n)
}

// primitives are the types of all versions ("Primitive Types"), newTypes those of
// version 3 alone; variant and the geometries are not among the sandbox's.
var primitives = regexp.MustCompile(`^(?:boolean|int|long|float|double|date|time|timestamp|timestamptz|string|uuid|binary|` +
	`fixed\[ *[0-9]+ *\]|decimal\( *[0-9]+ *, *[0-9]+ *\))$`)

var newTypes = regexp.MustCompile(`^(?:unknown|timestamp_ns|timestamptz_ns)$`)

// depthMax bounds how deep types nest.
const depthMax = 100

func (s *Schema) check(version int) error {
	return checkFields(s.Fields, version, 0)
}

func checkFields(fields []Field, version, depth int) error {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("schema: the name %q of a field is empty or taken twice", f.Name)
		}
		seen[f.Name] = true
		if err := f.Type.check(version, depth); err != nil {
			return fmt.Errorf("schema: field %s: %w", f.Name, err)
		}
	}
	return nil
}

func (t *Type) check(version, depth int) error {
	switch {
	case depth > depthMax:
		return fmt.Errorf("types nest more than %d deep", depthMax)
	case t.Name == "struct":
		return checkFields(t.Fields, version, depth+1)
	case t.Name == "list" && t.Element != nil:
		return t.Element.check(version, depth+1)
	case t.Name == "map" && t.Key != nil && t.Value != nil:
		if err := t.Key.check(version, depth+1); err != nil {
			return err
		}
		return t.Value.check(version, depth+1)
	case primitives.MatchString(t.Name), version >= 3 && newTypes.MatchString(t.Name):
		return nil
	}
	return fmt.Errorf("%q is no type of format version %d", t.Name, version)
}

// renumber assigns ids from *last+1: the fields of a struct first, then what is
// inside each, as the reference implementation does.
func (s *Schema) renumber(ids map[int]int, last *int) { renumberFields(s.Fields, ids, last) }

func renumberFields(fields []Field, ids map[int]int, last *int) {
	for i := range fields {
		fields[i].ID = fresh(fields[i].ID, ids, last)
	}
	for i := range fields {
		fields[i].Type.renumber(ids, last)
	}
}

func (t *Type) renumber(ids map[int]int, last *int) {
	switch t.Name {
	case "struct":
		renumberFields(t.Fields, ids, last)
	case "list":
		t.ElementID = fresh(t.ElementID, ids, last)
		t.Element.renumber(ids, last)
	case "map":
		t.KeyID = fresh(t.KeyID, ids, last)
		t.ValueID = fresh(t.ValueID, ids, last)
		t.Key.renumber(ids, last)
		t.Value.renumber(ids, last)
	}
}

func fresh(old int, ids map[int]int, last *int) int {
	*last++
	ids[old] = *last
	return *last
}

// highest is the highest field id of a schema.
func (s *Schema) highest() int {
	n := 0
	var fields func([]Field)
	var typ func(*Type)
	fields = func(list []Field) {
		for i := range list {
			n = max(n, list[i].ID)
			typ(&list[i].Type)
		}
	}
	typ = func(t *Type) {
		if t == nil {
			return
		}
		n = max(n, t.ElementID, t.KeyID, t.ValueID)
		fields(t.Fields)
		typ(t.Element)
		typ(t.Key)
		typ(t.Value)
	}
	fields(s.Fields)
	return n
}
