package syntax

import (
	"slices"
	"strings"
)

// Type is a column type as written: INT, DECIMAL(10, 2), ARRAY<INT>,
// MAP<K, V>, STRUCT<a INT>.
type Type struct {
	Pos
	Name     string // upper-case
	Args     []int  // of DECIMAL(10, 2), VARCHAR(20); nil if none; VARCHAR(*) is -1
	Unsigned bool
	Elems    []Type  // of ARRAY and MAP
	Fields   []Field // of STRUCT
}

// Field is a field of a STRUCT type.
type Field struct {
	Name    Ident
	Type    Type
	Comment *StringLit
}

// ColumnDef is a column of CREATE TABLE and ALTER TABLE.
type ColumnDef struct {
	Name          Ident
	Type          Type // Name is "" where CREATE TABLE .. AS gives names only
	Key           bool // the word KEY after the type
	PrimaryKey    bool // PRIMARY KEY after the column, as MySQL's tools write it
	Aggregate     string
	Null          Nullability
	AutoIncrement bool
	Default       Fragment
	Generated     Fragment // AS expression
	Comment       *StringLit
	Charset       string
	Collation     string
}

// Nullability is what a column says about NULL.
type Nullability uint8

// The nullabilities.
const (
	Unsaid Nullability = iota
	Null
	NotNull
)

// typeWords begin no type: they would follow a column name without one.
var typeWords = []string{"NULL", "NOT", "DEFAULT", "COMMENT", "KEY", "AS", "AUTO_INCREMENT", "PRIMARY"}

// typ reads a type.
func (p *parser) typ() Type {
	t := Type{Pos: p.pos()}
	name := p.tok()
	if name.Kind != Word || slices.ContainsFunc(typeWords, name.Is) {
		p.missed("type")
		p.fail()
	}
	p.next()
	t.Name = strings.ToUpper(name.Text)
	p.typeWords(&t)
	switch {
	case t.Name == "STRUCT":
		p.nested(func() { p.structFields(&t) })
	case t.Name == "ARRAY", t.Name == "MAP":
		p.nested(func() { p.elements(&t) })
	case p.at("(", "MAX", ")") && p.dialect == Redshift: // redshiftLength reads it
	case p.sees("("):
		p.list(func() {
			if p.accept("*") {
				t.Args = append(t.Args, -1)
				return
			}
			t.Args = append(t.Args, p.integer("number"))
		})
	}
	for p.acceptAny("UNSIGNED", "SIGNED", "ZEROFILL") != "" {
		t.Unsigned = t.Unsigned || p.toks[p.i-1].Is("UNSIGNED")
	}
	return t
}

// typeWords reads the second word of DOUBLE PRECISION and its like.
func (p *parser) typeWords(t *Type) {
	switch {
	case t.Name == "DOUBLE":
		p.accept("PRECISION")
	case t.Name == "CHARACTER" || t.Name == "CHAR":
		if p.accept("VARYING") {
			t.Name = "VARCHAR"
		}
	case t.Name == "UNSIGNED" || t.Name == "SIGNED":
		p.acceptAny("INTEGER", "INT")
	}
}

// elements reads <T> of an ARRAY and <K, V> of a MAP.
func (p *parser) elements(t *Type) {
	p.expect("<")
	t.Elems = append(t.Elems, p.typ())
	if t.Name == "MAP" {
		p.expect(",")
		t.Elems = append(t.Elems, p.typ())
	}
	p.closeAngle()
}

func (p *parser) structFields(t *Type) {
	p.expect("<")
	p.commas(func() {
		f := Field{Name: p.ident("field name")}
		p.accept(":")
		f.Type = p.typ()
		f.Comment = p.comment()
		t.Fields = append(t.Fields, f)
	})
	p.closeAngle()
}

// closeAngle reads one >, splitting the >> that ends ARRAY<ARRAY<INT>>.
func (p *parser) closeAngle() {
	if t := p.tok(); t.Is(">>") {
		p.toks[p.i] = Token{Kind: Op, Pos: t.Pos + 1, End: t.End, Text: ">"}
		return
	}
	p.expect(">")
}

// aggregates are the words after the type of an AGGREGATE KEY table's column.
var aggregates = []string{"SUM", "MIN", "MAX", "REPLACE", "REPLACE_IF_NOT_NULL", "HLL_UNION", "BITMAP_UNION", "PERCENTILE_UNION"}

// column reads a column with its type.
func (p *parser) column() ColumnDef {
	c := ColumnDef{Name: p.ident("column name")}
	c.Type = p.typ()
	p.columnOptions(&c)
	return c
}

func (p *parser) columnOptions(c *ColumnDef) {
	c.Charset, c.Collation = p.charset()
	for {
		switch {
		case p.accept("KEY"):
			c.Key = true
		case p.accept("PRIMARY", "KEY"):
			c.PrimaryKey = true
		case p.accept("NOT", "NULL"):
			c.Null = NotNull
		case p.accept("NULL"):
			c.Null = Null
		case p.accept("AUTO_INCREMENT"):
			c.AutoIncrement = true
		case p.accept("DEFAULT"):
			c.Default = p.defaultValue()
		case p.accept("GENERATED", "ALWAYS", "AS"), p.accept("AS"):
			c.Generated = p.generated()
		case p.at("COMMENT"):
			c.Comment = p.comment()
		default:
			w := p.acceptAny(aggregates...)
			if w == "" {
				return
			}
			c.Aggregate = w
		}
	}
}

// defaultValue reads a literal, CURRENT_TIMESTAMP or an expression in
// parentheses.
func (p *parser) defaultValue() Fragment {
	from := p.i
	switch t := p.tok(); {
	case t.Is("-"), t.Is("+"):
		p.next()
		if p.tok().Kind != Number {
			p.missed("number")
			p.fail()
		}
		p.next()
	case t.Is("("):
		p.parenthesized("expression")
	case t.Kind == String, t.Kind == Number, t.Kind == Binary:
		p.next()
	case t.Kind == Word:
		p.next()
		if p.at("(") && p.peek(1).Is(")") {
			p.expect("(", ")")
		} else if p.at("(") {
			p.parenthesized("expression")
		}
	default:
		p.missed("default value")
		p.fail()
	}
	start := p.toks[from].Pos
	return Fragment{Pos(start), p.text[start:p.toks[p.i-1].End]}
}

// parenthesized reads ( anything balanced ) and gives what is inside.
func (p *parser) parenthesized(what string) Fragment {
	p.expect("(")
	f := p.rest(what, ")")
	p.expect(")")
	return f
}

func (p *parser) generated() Fragment {
	if p.at("(") {
		f := p.parenthesized("expression")
		return Fragment{f.Pos, "(" + f.Text + ")"}
	}
	return p.fragment("expression", "COMMENT")
}

// String prints the type.
func (t Type) String() string {
	s := t.Name
	switch {
	case len(t.Elems) > 0:
		s += "<" + join(t.Elems, ", ") + ">"
	case len(t.Fields) > 0:
		s += "<" + join(t.Fields, ", ") + ">"
	case len(t.Args) > 0:
		args := make([]string, len(t.Args))
		for i, a := range t.Args {
			args[i] = number(a)
			if a < 0 {
				args[i] = "*"
			}
		}
		s += "(" + strings.Join(args, ", ") + ")"
	}
	return s + opt(t.Unsigned, " UNSIGNED")
}

// String prints name, type and comment.
func (f Field) String() string {
	return words(f.Name.String(), f.Type.String(), clause("COMMENT", quoted(f.Comment)))
}

// String prints the column.
func (c ColumnDef) String() string {
	null := ""
	switch c.Null {
	case Null:
		null = "NULL"
	case NotNull:
		null = "NOT NULL"
	}
	typ := ""
	if c.Type.Name != "" {
		typ = c.Type.String()
	}
	return words(c.Name.String(), typ, columnCharset(c), opt(c.Key, "KEY"), c.Aggregate, null,
		opt(c.AutoIncrement, "AUTO_INCREMENT"), clause("DEFAULT", c.Default.Text), clause("AS", c.Generated.Text),
		clause("COMMENT", quoted(c.Comment)), opt(c.PrimaryKey, "PRIMARY KEY"))
}

func columnCharset(c ColumnDef) string {
	return words(clause("CHARACTER SET", c.Charset), clause("COLLATE", c.Collation))
}

// ParseType reads a type alone, such as the target of a CAST.
func ParseType(text string) (t Type, err error) {
	toks, err := Scan(text, StarRocks)
	if err != nil {
		return Type{}, err
	}
	p := &parser{text: text, toks: toks}
	err = p.run(func() { t = p.typ(); p.end() })
	return t, err
}
