package iceberg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/lake"
)

// source is where one of the table's columns comes from in one file.
type source struct {
	id   int       // of the field
	key  string    // the reader's key: the id, or a name where the file has no ids; "": not in the file
	at   int       // the file's column
	from lake.Type // as what the file has it
	read lake.Type // as what the reader gives it
	expr string    // the table's value, over the reader's column; "": it needs no more than that
}

// String tells sources apart that are not read by one call.
func (s source) String() string { return fmt.Sprintf("%d %s %s %s", s.id, s.key, s.read, s.expr) }

// column is the reader's name of a field: none of the virtual columns' names
// begins like it.
func column(id int) string { return lake.QuoteName("c" + strconv.Itoa(id)) }

// nameMapping is the table's word on files without field ids
// (schema.name-mapping.default).
type nameMapping []struct {
	ID     int         `json:"field-id"`
	Names  []string    `json:"names"`
	Fields nameMapping `json:"fields"`
}

func (m *Metadata) nameMapping() (nameMapping, error) {
	text, ok := m.Properties["schema.name-mapping.default"]
	if !ok {
		return nil, nil
	}
	var out nameMapping
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("property schema.name-mapping.default: %w", err)
	}
	return out, nil
}

// identify gives columns of a file without ids those of the mapping; what it
// does not name has none, and is not seen.
func (n nameMapping) identify(columns []lake.Column) []lake.Column {
	out := slices.Clone(columns)
	for i, c := range out {
		out[i].FieldID = 0
		for _, f := range n {
			if slices.Contains(f.Names, c.Name) {
				out[i].FieldID, out[i].Type = f.ID, f.Fields.inside(c.Type)
				break
			}
		}
	}
	return out
}

func (n nameMapping) inside(t lake.Type) lake.Type {
	child := func(name string, t *lake.Type) *lake.Type {
		var out lake.Type = *t
		for _, f := range n {
			if slices.Contains(f.Names, name) {
				out = f.Fields.inside(*t)
			}
		}
		return &out
	}
	switch t.Kind {
	case lake.Struct:
		t.Fields = n.identify(t.Fields)
	case lake.List:
		t.Elem = child("element", t.Elem)
	case lake.Map:
		t.Key, t.Elem = child("key", t.Key), child("value", t.Elem)
	}
	return t
}

// hasIDs tells whether any field of a file has an id.
func hasIDs(columns []lake.Column) bool {
	return slices.ContainsFunc(columns, func(c lake.Column) bool {
		if c.FieldID != 0 {
			return true
		}
		inner := c.Type
		for inner.Kind == lake.List || inner.Kind == lake.Map {
			inner = *inner.Elem
		}
		return hasIDs(inner.Fields)
	})
}

// evolve says how a file's values of one type become the table's. expr is the
// value at hand. The result is the type to read and the expression over it.
func evolve(from lake.Type, to Type, expr string) (lake.Type, string, error) {
	switch to.Name {
	case "struct":
		return evolveStruct(from, to, expr)
	case "list":
		if from.Kind != lake.List {
			break
		}
		e := lambda(expr)
		read, out, err := evolve(*from.Elem, to.Fields[0].Type, e)
		if err != nil {
			return read, "", err
		}
		if out != e {
			expr = "list_transform(" + expr + ", lambda " + e + ": " + out + ")"
		}
		return lake.Type{Kind: lake.List, Elem: &read}, expr, nil
	case "map":
		if from.Kind == lake.Map {
			return evolveMap(from, to, expr)
		}
	default:
		return evolveScalar(from, to, expr)
	}
	return lake.Type{}, "", mismatch(from, to)
}

func mismatch(from lake.Type, to Type) error {
	return fmt.Errorf("it is %s in the table, but the file has it as %s, which does not become that", to, strings.ToLower(from.String()))
}

// lambda gives a parameter's name that the enclosing expression does not use.
func lambda(expr string) string { return "x__" + strconv.Itoa(len(expr)) }

// evolveScalar allows what Iceberg calls type promotion, and the encodings
// that writers before Iceberg used for the same type.
func evolveScalar(from lake.Type, to Type, expr string) (lake.Type, string, error) {
	want := to.lake()
	as := func(k lake.Kind, out string) (lake.Type, string, error) { return lake.Type{Kind: k}, out, nil }
	utc := "timezone('UTC', " + expr + ")"
	switch to.Name {
	case "boolean", "date", "time":
		if from.Kind == want.Kind {
			return want, expr, nil
		}
	case "int", "long":
		if slices.Contains([]lake.Kind{lake.TinyInt, lake.SmallInt, lake.Integer}, from.Kind) || from.Kind == want.Kind {
			return want, expr, nil
		}
	case "float", "double":
		if from.Kind == lake.Float || from.Kind == want.Kind {
			return want, expr, nil
		}
	case "decimal":
		if from.Kind == lake.Decimal && from.Scale == want.Scale && from.Width <= want.Width {
			return want, expr, nil
		}
	case "string":
		switch from.Kind {
		case lake.Varchar:
			return want, expr, nil
		case lake.Blob:
			return as(lake.Blob, "decode("+expr+")")
		}
	case "uuid":
		switch from.Kind {
		case lake.UUID:
			return want, expr, nil
		case lake.Blob: // 16 bytes that the file does not call a UUID
			return as(lake.Blob, "CAST(hex("+expr+") AS UUID)")
		}
	case "binary", "fixed":
		if from.Kind == lake.Blob {
			return want, expr, nil
		}
	case "timestamp":
		switch from.Kind {
		case lake.Timestamp, lake.TimestampMS, lake.Date:
			return want, expr, nil
		case lake.TimestampTZ:
			return as(from.Kind, utc)
		}
	case "timestamp_ns":
		switch from.Kind {
		case lake.TimestampNS, lake.Date:
			return want, expr, nil
		}
	case "timestamptz":
		switch from.Kind {
		case lake.TimestampTZ:
			return want, expr, nil
		case lake.Timestamp, lake.TimestampMS: // the engine would take the session's zone
			return as(lake.Timestamp, utc)
		}
	}
	return lake.Type{}, "", mismatch(from, to)
}

func evolveMap(from lake.Type, to Type, expr string) (lake.Type, string, error) {
	e := lambda(expr)
	key, k, err := evolve(*from.Key, to.Fields[0].Type, e+".key")
	if err != nil {
		return key, "", err
	}
	val, v, err := evolve(*from.Elem, to.Fields[1].Type, e+".value")
	if err != nil {
		return val, "", err
	}
	if k != e+".key" || v != e+".value" {
		expr = "map_from_entries(list_transform(map_entries(" + expr + "), lambda " + e + ": struct_pack(k := " + k + ", v := " + v + ")))"
	}
	return lake.Type{Kind: lake.Map, Key: &key, Elem: &val}, expr, nil
}

// evolveStruct finds fields by id. The engine itself would find them by name:
// where that gives the same fields, it is left to do so.
func evolveStruct(from lake.Type, to Type, expr string) (lake.Type, string, error) {
	if from.Kind != lake.Struct {
		return lake.Type{}, "", mismatch(from, to)
	}
	read := lake.Type{Kind: lake.Struct}
	same := true
	var parts []string
	for i, f := range to.Fields {
		name := lake.QuoteName(f.Name)
		at := slices.IndexFunc(from.Fields, func(c lake.Column) bool { return c.FieldID == f.ID })
		if at < 0 {
			missing, err := f.absent()
			if err != nil {
				return read, "", err
			}
			parts = append(parts, name+" := "+missing)
			same = false
			continue
		}
		inner := expr + "." + lake.QuoteName(from.Fields[at].Name)
		typ, out, err := evolve(from.Fields[at].Type, f.Type, inner)
		if err != nil {
			return read, "", fmt.Errorf("field %s: %w", f.Name, err)
		}
		read.Fields = append(read.Fields, lake.Column{Name: from.Fields[at].Name, Type: typ})
		parts = append(parts, name+" := "+out)
		same = same && out == inner && from.Fields[at].Name == f.Name && len(read.Fields) == i+1
	}
	if same {
		return read, expr, nil
	}
	if len(read.Fields) == 0 { // one of its own fields tells whether the struct is NULL
		some := slices.IndexFunc(from.Fields, func(c lake.Column) bool { return c.Type.Kind != lake.Invalid })
		if some < 0 {
			return read, "", mismatch(from, to)
		}
		read.Fields = []lake.Column{{Name: from.Fields[some].Name, Type: from.Fields[some].Type}}
	}
	return read, "CASE WHEN " + expr + " IS NULL THEN NULL ELSE struct_pack(" + strings.Join(parts, ", ") + ") END", nil
}

// absent is the value of a field that a file does not have.
func (f *Field) absent() (string, error) {
	if f.Initial == nil {
		return "CAST(NULL AS " + sqlType(f.Type.lake()) + ")", nil
	}
	switch f.Type.Name {
	case "struct", "list", "map":
		return "", fmt.Errorf("the initial-default of field %s has a nested type, which lakeport does not read", f.Name)
	}
	v, err := fromJSON(f.Type, f.Initial)
	if err != nil {
		return "", fmt.Errorf("initial-default of field %s: %w", f.Name, err)
	}
	return literal(f.Type, v), nil
}

// sqlType spells a type; a column of an unsupported one is never read and
// stands there as text.
func sqlType(t lake.Type) string {
	if t.Kind == lake.Invalid {
		t.Kind = lake.Varchar
	}
	return t.String()
}
