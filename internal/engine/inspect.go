package engine

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/sqlerr"
)

// Tree is what one query says, as far as lakeport must know before it runs.
type Tree struct {
	Text           string
	Names          []NameRef   // tables and views, in the order of the text; names of CTEs are not among them
	Functions      []FuncRef   // scalar, aggregate and window functions, operators included
	TableFunctions []FuncRef   // functions in FROM
	Columns        []ColumnRef // of two and more parts

	refused []*sqlerr.Error // found while reading, told by Check
}

// NameRef is one place where a query names a table. Parts that the text does
// not have are empty; a two-part name has Schema and Table.
type NameRef struct {
	Catalog, Schema, Table string
	Alias                  string // empty: none was given
	Offset, Length         int    // of the name in the text, quotes included
	Unit, At               string // of the clause AT: VERSION or TIMESTAMP, and its expression's text; empty: none
	atOffset, atLength     int    // of the clause in the text
	quoted                 bool   // the text is a string, not a name
}

// FuncRef is one call of a function.
type FuncRef struct {
	Catalog, Schema, Name string // Name in lower case
	Offset                int    // in the text; -1 where syntax, not a call, implies the function
}

// ColumnRef is a qualified column, such as s.t.c, or a star such as t.*.
type ColumnRef struct {
	Parts  []string
	Offset int
}

// Inspect parses a query. It is Planner.Inspect with the database's planner,
// and waits until functions and macros are defined.
func (c *Conn) Inspect(ctx context.Context, query string) (*Tree, error) {
	select {
	case <-c.db.defined:
	case <-ctx.Done():
		return nil, canceled(ctx)
	}
	if c.db.undefined != nil {
		return nil, c.db.undefined
	}
	return c.db.planner.Inspect(ctx, query)
}

// Inspect parses one query: SELECT, VALUES, TABLE, FROM, static PIVOT,
// DESCRIBE and SUMMARIZE. Other statements are Unsupported, what does not
// parse is Syntax with its place.
func (p *Planner) Inspect(ctx context.Context, query string) (*Tree, error) {
	if i := strings.IndexByte(query, 0); i >= 0 {
		return nil, sqlerr.New(sqlerr.Syntax, "the statement holds a NUL character").WithPos(query, i)
	}
	var raw []byte
	err := p.with(func(d *desk) error {
		rows, err := d.parse.Query(ctx, query)
		raw, err = text(ctx, rows, err)
		return err
	})
	if err != nil {
		return nil, err
	}
	return readTree(query, raw)
}

// serialized is the answer of DuckDB's json_serialize_sql.
type serialized struct {
	Error      bool              `json:"error"`
	Kind       string            `json:"error_type"`
	Message    string            `json:"error_message"`
	Position   string            `json:"position"`
	Statements []json.RawMessage `json:"statements"`
}

// readTree makes the Tree of query from DuckDB's serialized form of it.
func readTree(query string, raw []byte) (*Tree, error) {
	var s serialized
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, &sqlerr.Error{Kind: sqlerr.Invalid, Msg: "the query is nested too deeply to be checked", Err: err}
	}
	switch {
	case s.Error && s.Kind == "not implemented":
		return nil, sqlerr.New(sqlerr.Unsupported, "only a query can run here").
			WithHint("write SELECT; a PIVOT needs its values: PIVOT t ON c IN (...)")
	case s.Error:
		e := sqlerr.New(sqlerr.Syntax, "%s", strings.TrimRight(s.Message, "!"))
		if at, err := strconv.Atoi(s.Position); err == nil && at <= len(query) {
			e.WithPos(query, at)
		}
		return nil, e
	case len(s.Statements) != 1:
		return nil, sqlerr.New(sqlerr.Syntax, "expected one query, found %d", len(s.Statements))
	}
	var root any
	if err := json.Unmarshal(s.Statements[0], &root); err != nil {
		return nil, &sqlerr.Error{Kind: sqlerr.Invalid, Msg: "the query is nested too deeply to be checked", Err: err}
	}
	t := &Tree{Text: query}
	t.walk(root, nil)
	slices.SortStableFunc(t.Names, func(a, b NameRef) int { return a.Offset - b.Offset })
	return t, nil
}

// node is one object of the serialized tree.
type node map[string]any

func (n node) str(key string) string { s, _ := n[key].(string); return s }

// offset is the node's place in the text, -1 if it has none.
func (n node) offset(text string) int {
	at, ok := n["query_location"].(float64)
	if !ok || at >= math.MaxInt32 || int(at) > len(text) {
		return -1
	}
	return int(at)
}

// scope is the CTEs that a part of the query sees, innermost first.
type scope struct {
	name  string // in lower case
	outer *scope
}

// sees compares as DuckDB does, without case in ASCII only: a looser match
// would take a table for a CTE and leave it unchecked.
func (s *scope) sees(name string) bool {
	for name = lower(name); s != nil; s = s.outer {
		if s.name == name {
			return true
		}
	}
	return false
}

// lower maps ASCII letters only.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// walk reads a value of the tree. Every object that has a class or a type must
// be one that walk knows; objects without either only hold others.
func (t *Tree) walk(v any, in *scope) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			t.walk(e, in)
		}
	case map[string]any:
		n := node(v)
		if _, constant := n["is_null"]; constant {
			return
		}
		if class, ok := n["class"].(string); ok {
			t.expression(n, class, in)
		} else if kind, ok := n["type"].(string); ok {
			t.relation(n, kind, in)
		} else {
			t.inside(n, in)
		}
	}
}

// inside walks all that n holds, in a fixed order.
func (t *Tree) inside(n node, in *scope, except ...string) {
	for _, key := range slices.Sorted(maps.Keys(n)) {
		if !slices.Contains(except, key) {
			t.walk(n[key], in)
		}
	}
}

func (t *Tree) expression(n node, class string, in *scope) {
	switch class {
	case "CONSTANT", "PARAMETER", "POSITIONAL_REFERENCE", "DEFAULT", "LAMBDA_REF":
	case "COLUMN_REF":
		t.column(n)
	case "FUNCTION", "WINDOW":
		t.Functions = append(t.Functions, t.function(n))
		t.inside(n, in)
	case "CAST":
		t.inside(n, in, "cast_type")
	case "STAR":
		if relation := n.str("relation_name"); relation != "" {
			t.Columns = append(t.Columns, ColumnRef{Parts: []string{relation, "*"}, Offset: n.offset(t.Text)})
		}
		t.inside(n, in)
	case "OPERATOR", "COMPARISON", "CONJUNCTION", "CASE", "BETWEEN", "SUBQUERY", "COLLATE", "LAMBDA":
		t.inside(n, in)
	default:
		t.refuse(n, "expressions of class %s are not known to be safe", class)
	}
}

func (t *Tree) column(n node) {
	names, _ := n["column_names"].([]any)
	if len(names) < 2 {
		return
	}
	parts := make([]string, len(names))
	for i := range names {
		parts[i], _ = names[i].(string)
	}
	t.Columns = append(t.Columns, ColumnRef{Parts: parts, Offset: n.offset(t.Text)})
}

func (t *Tree) function(n node) FuncRef {
	return FuncRef{
		Catalog: n.str("catalog"), Schema: n.str("schema"),
		Name: lower(n.str("function_name")), Offset: n.offset(t.Text),
	}
}

func (t *Tree) relation(n node, kind string, in *scope) {
	switch kind {
	case "SELECT_NODE", "SET_OPERATION_NODE":
		t.inside(n, t.ctes(n, in), "cte_map")
	case "RECURSIVE_CTE_NODE":
		in = t.ctes(n, in)
		t.walk(n["left"], in)
		t.inside(n, &scope{lower(n.str("cte_name")), in}, "cte_map", "left")
	case "CTE_NODE":
		in = t.ctes(n, in)
		t.walk(n["query"], in)
		t.inside(n, &scope{lower(n.str("cte_name")), in}, "cte_map", "query")
	case "BASE_TABLE":
		t.table(n, in)
	case "TABLE_FUNCTION":
		t.tableFunction(n, in)
	case "SHOW_REF":
		if show := n.str("show_type"); n["query"] == nil || show != "DESCRIBE" && show != "SUMMARY" {
			t.refuse(n, "SHOW inside a query is not allowed")
		}
		t.inside(n, in)
	case "JOIN", "SUBQUERY", "EMPTY", "EXPRESSION_LIST", "PIVOT",
		"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER",
		"ORDER_DEFAULT", "ASCENDING", "DESCENDING":
		t.inside(n, in, "expected_types")
	default:
		t.refuse(n, "clauses of type %s are not known to be safe", kind)
	}
}

// ctes walks the WITH clause of a query node and returns the scope of the rest
// of it. A CTE sees those before it, and itself only as a RECURSIVE_CTE_NODE
// arranges.
func (t *Tree) ctes(n node, in *scope) *scope {
	m, _ := n["cte_map"].(map[string]any)
	list, _ := m["map"].([]any)
	for _, e := range list {
		entry, _ := e.(map[string]any)
		t.walk(entry["value"], in)
		in = &scope{lower(node(entry).str("key")), in}
	}
	return in
}

func (t *Tree) table(n node, in *scope) {
	ref := NameRef{
		Catalog: n.str("catalog_name"), Schema: n.str("schema_name"), Table: n.str("table_name"),
		Alias: n.str("alias"), Offset: n.offset(t.Text),
	}
	t.inside(n, in)
	if ref.Schema == "" && ref.Catalog == "" && in.sees(ref.Table) {
		return
	}
	// recurring.x is a recursive CTE's whole result so far, from inside it.
	if ref.Catalog == "" && lower(ref.Schema) == "recurring" && in.sees(ref.Table) {
		t.refuse(n, "recurring.%s is not supported", ref.Table)
		return
	}
	parts, length := scanName(t.Text, ref.Offset)
	ref.Length = length
	if at, ok := n["at_clause"].(map[string]any); ok {
		start, end, expr := scanAt(t.Text, ref.Offset+length, ref.Alias != "")
		if end < 0 {
			t.refuse(n, "AT is not understood here")
		} else if strings.Contains(lower(expr), "select") || strings.Contains(lower(expr), "from") {
			t.refuse(n, "a query inside AT is not supported")
		}
		ref.Unit, ref.At, ref.atOffset, ref.atLength = node(at).str("unit"), expr, start, end-start
	}
	ref.quoted = strings.Join(parts, "\x00") != strings.Join(ref.Parts(), "\x00")
	t.Names = append(t.Names, ref)
}

func (t *Tree) tableFunction(n node, in *scope) {
	f, _ := n["function"].(map[string]any)
	if node(f).str("class") != "FUNCTION" {
		t.refuse(n, "only functions can be called in FROM")
		t.inside(n, in)
		return
	}
	t.TableFunctions = append(t.TableFunctions, t.function(f))
	t.inside(n, in, "function")
	t.inside(f, in)
}

func (t *Tree) refuse(n node, format string, args ...any) {
	e := sqlerr.New(sqlerr.Unsupported, format, args...)
	if at := n.offset(t.Text); at >= 0 {
		e.WithPos(t.Text, at)
	}
	t.refused = append(t.refused, e)
}

// Parts are the parts of the name that are there, catalog first.
func (r NameRef) Parts() []string {
	var list []string
	for _, p := range []string{r.Catalog, r.Schema, r.Table} {
		if p != "" {
			list = append(list, p)
		}
	}
	return list
}
