package syntax

import (
	"slices"
	"strconv"
	"strings"

	"lakeport/internal/sqlerr"
)

// Copy is Redshift's COPY of objects into a table.
type Copy struct {
	Pos
	Table   QualifiedName
	Columns []Ident // nil: all
	From    StringLit
	Options TransferOptions
}

// Unload is Redshift's UNLOAD of a query's rows into objects.
type Unload struct {
	Pos
	Query   StringLit
	To      StringLit
	Options TransferOptions
}

// TransferOption is one parameter of COPY or UNLOAD, its authorization and
// format among them. Value is its argument, nil where none was written;
// numbers and words stand there as text, words in upper case.
type TransferOption struct {
	Pos
	Name    string // in upper case, as in the manual
	Value   *StringLit
	Columns []Ident // of PARTITION BY
	Word    bool    // Value is not a string literal
}

// TransferOptions are in the order in which they were written.
type TransferOptions []TransferOption

// Find gives the option of a name, nil if it was not given.
func (o TransferOptions) Find(name string) *TransferOption {
	if i := slices.IndexFunc(o, func(t TransferOption) bool { return t.Name == name }); i >= 0 {
		return &o[i]
	}
	return nil
}

// Format gives the option that names the format of the files, nil for plain
// delimited text.
func (o TransferOptions) Format() *TransferOption {
	if i := slices.IndexFunc(o, func(t TransferOption) bool { return transferFormats[t.Name] }); i >= 0 {
		return &o[i]
	}
	return nil
}

// argument is what follows the name of an option.
type argument uint8

const (
	nothing     argument = iota
	textual              // [AS] 'text'
	mayText              // [AS] ['text']
	numeral              // [AS] n
	sized                // [AS] n [MB | GB]
	onOff                // [ON | TRUE | OFF | FALSE]
	presetOnOff          // [PRESET | ON | TRUE | OFF | FALSE]
	bare                 // [AS] word
	role                 // 'text' or DEFAULT
	mayAuto              // [AUTO]
	mayVerbose           // [VERBOSE]
	mayInclude           // (column, ..) [INCLUDE]
	simplify             // [SIMPLIFY [AUTO] ['tolerance']]
)

// transferFormats are the options that exclude each other as formats.
var transferFormats = map[string]bool{"CSV": true, "PARQUET": true, "ORC": true, "AVRO": true, "JSON": true, "FIXEDWIDTH": true, "SHAPEFILE": true}

// authorization is common to COPY and UNLOAD (Database Developer Guide,
// "Authorization parameters").
var authorization = map[string]argument{"IAM_ROLE": role, "ACCESS_KEY_ID": textual, "SECRET_ACCESS_KEY": textual, "SESSION_TOKEN": textual,
	"CREDENTIALS": textual, "MASTER_SYMMETRIC_KEY": textual, "REGION": textual}

// copyArguments and unloadArguments are the parameters of the two statements
// (Database Developer Guide, "COPY parameter reference" and "UNLOAD").
var copyArguments = joined(authorization, map[string]argument{
	"CSV": nothing, "PARQUET": nothing, "ORC": nothing, "AVRO": mayText, "JSON": mayText, "FIXEDWIDTH": textual, "SHAPEFILE": simplify,
	"DELIMITER": textual, "QUOTE": textual, "ACCEPTANYDATE": nothing, "ACCEPTINVCHARS": mayText, "BLANKSASNULL": nothing, "DATEFORMAT": textual,
	"EMPTYASNULL": nothing, "ENCODING": bare, "ESCAPE": nothing, "EXPLICIT_IDS": nothing, "FILLRECORD": nothing, "IGNOREBLANKLINES": nothing,
	"IGNOREHEADER": numeral, "NULL": textual, "REMOVEQUOTES": nothing, "ROUNDEC": nothing, "TIMEFORMAT": textual, "TRIMBLANKS": nothing,
	"TRUNCATECOLUMNS": nothing, "COMPROWS": numeral, "COMPUPDATE": presetOnOff, "STATUPDATE": onOff, "MAXERROR": numeral, "IGNOREALLERRORS": nothing,
	"NOLOAD": nothing, "GZIP": nothing, "BZIP2": nothing, "LZOP": nothing, "ZSTD": nothing, "ENCRYPTED": nothing, "MANIFEST": nothing,
	"READRATIO": numeral, "SSH": nothing, "SERIALIZETOJSON": nothing,
})

var unloadArguments = joined(authorization, map[string]argument{
	"CSV": nothing, "PARQUET": nothing, "JSON": nothing, "FIXEDWIDTH": textual, "PARTITION BY": mayInclude, "MANIFEST": mayVerbose, "HEADER": nothing,
	"DELIMITER": textual, "ENCRYPTED": mayAuto, "KMS_KEY_ID": textual, "BZIP2": nothing, "GZIP": nothing, "ZSTD": nothing, "ADDQUOTES": nothing,
	"NULL": textual, "ESCAPE": nothing, "ALLOWOVERWRITE": nothing, "CLEANPATH": nothing, "PARALLEL": onOff, "MAXFILESIZE": sized, "ROWGROUPSIZE": sized,
	"EXTENSION": textual,
})

func joined(a, b map[string]argument) map[string]argument {
	for name, arg := range a {
		b[name] = arg
	}
	return b
}

// copyObjects reads COPY … FROM 's3://…'.
func (p *parser) copyObjects(start Pos) Statement {
	p.expect("COPY")
	if p.at("JOB") && slices.ContainsFunc([]string{"ALTER", "RUN", "LIST", "SHOW", "DROP"}, p.peek(1).Is) {
		return p.refused(start, "COPY JOB")
	}
	s := &Copy{Pos: start, Table: p.table()}
	if p.at("(") {
		s.Columns = p.idents("column name")
	}
	p.expect("FROM")
	s.From = p.quoted("FROM")
	for p.i < len(p.toks) {
		if p.at("JOB", "CREATE") {
			return p.refused(start, "COPY … JOB CREATE")
		}
		s.Options = append(s.Options, p.transferOption(s.Options, copyArguments))
	}
	return s
}

func (p *parser) unload(start Pos) Statement {
	p.expect("UNLOAD", "(")
	s := &Unload{Pos: start, Query: p.str()}
	p.expect(")", "TO")
	s.To = p.quoted("TO")
	for p.i < len(p.toks) {
		s.Options = append(s.Options, p.transferOption(s.Options, unloadArguments))
	}
	return s
}

// transferOption reads one option that is not among those before it.
func (p *parser) transferOption(before TransferOptions, known map[string]argument) TransferOption {
	o := TransferOption{Pos: p.pos()}
	if p.accept("FORMAT") {
		p.accept("AS")
		if !transferFormats[strings.ToUpper(p.tok().Text)] {
			p.expectAny(formatNames(known)...)
		}
	}
	if p.at("WITH", "CREDENTIALS") {
		p.next()
	}
	o.Name = strings.ToUpper(p.tok().Text)
	switch {
	case p.at("PARTITION", "BY"):
		o.Name = "PARTITION BY"
		p.next()
	case o.Name == "TOKEN":
		o.Name = "SESSION_TOKEN"
	}
	arg, found := known[o.Name]
	if !found || p.tok().Kind != Word {
		for name := range known {
			p.missed(name)
		}
		p.failAs("an option")
	}
	p.next()
	if before.Find(o.Name) != nil {
		p.failf(o.Pos, "%s is given twice", o.Name)
	}
	if other := before.Format(); other != nil && transferFormats[o.Name] {
		p.failf(o.Pos, "%s cannot stand beside %s: there is one format", o.Name, other.Name)
	}
	p.transferArgument(&o, arg)
	return o
}

func formatNames(known map[string]argument) []string {
	var names []string
	for name := range transferFormats {
		if _, ok := known[name]; ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (p *parser) transferArgument(o *TransferOption, arg argument) {
	word := func(words ...string) {
		at := p.pos()
		if w := p.acceptAny(words...); w != "" {
			o.Value, o.Word = &StringLit{at, w}, true
		}
	}
	switch arg {
	case textual:
		p.accept("AS")
		value := p.quoted(o.Name)
		o.Value = &value
	case mayText:
		as := p.accept("AS")
		if as || p.tok().Kind == String {
			value := p.quoted(o.Name)
			o.Value = &value
		}
	case role:
		if word("DEFAULT"); o.Value == nil {
			value := p.quoted(o.Name)
			o.Value = &value
		}
	case numeral, sized:
		p.accept("AS")
		at := p.pos()
		n := p.tok().Text
		if arg == numeral {
			n = strconv.Itoa(p.integer("number"))
		} else if p.tok().Kind != Number {
			p.missed("number")
			p.fail()
		} else if p.next(); p.at("MB") || p.at("GB") {
			n += " " + strings.ToUpper(p.next().Text)
		}
		o.Value, o.Word = &StringLit{at, n}, true
	case onOff:
		word("ON", "TRUE", "OFF", "FALSE")
	case presetOnOff:
		word("PRESET", "ON", "TRUE", "OFF", "FALSE")
	case bare:
		p.accept("AS")
		name := p.identOrString("encoding")
		o.Value, o.Word = &StringLit{name.Pos, strings.ToUpper(name.Name)}, true
	case mayAuto:
		word("AUTO")
	case mayVerbose:
		word("VERBOSE")
	case mayInclude:
		o.Columns = p.idents("column name")
		word("INCLUDE")
	case simplify:
		if p.accept("SIMPLIFY") {
			p.accept("AUTO")
			if p.tok().Kind == String {
				p.next()
			}
		}
	}
}

// quoted reads the string behind a keyword. What stands there without quotes, as
// placeholders of pasted samples do, is shown with them.
func (p *parser) quoted(keyword string) StringLit {
	t := p.tok()
	if t.Kind == String {
		return p.str()
	}
	if t.Kind != Word && !t.Is("<") && t.Kind != Quoted {
		p.missed("string")
		p.fail()
	}
	end := t.End
	for n := 1; p.peek(n).Pos == end && p.peek(n).Kind != EOF && !p.peek(n).Is(";"); n++ {
		end = p.peek(n).End
	}
	value := p.text[t.Pos:end]
	if t.Is("<") { // <PLACEHOLDER>
		value, _, _ = strings.Cut(p.text[t.Pos+1:], ">")
	}
	if len(value) > 200 {
		value = "…"
	}
	shown := strings.Trim(value, `"`)
	if IsSecret(keyword) {
		shown, value = Hidden, Hidden
	}
	err := sqlerr.New(sqlerr.Syntax, "expected string, found '%s': the value of %s must stand in single quotes", value, keyword)
	p.failWith(err.WithHint("write %s '%s'", keyword, shown), t.Pos)
	return StringLit{}
}

func (s *Copy) String() string {
	return words("COPY", quotedName(s.Table)+parensStandard(s.Columns), "FROM", quoteStandard(s.From.Value), s.Options.String())
}

func (s *Unload) String() string {
	return words("UNLOAD", "("+quoteStandard(s.Query.Value)+")", "TO", quoteStandard(s.To.Value), s.Options.String())
}

// String prints the options as a statement holds them.
func (o TransferOptions) String() string {
	parts := make([]string, len(o))
	for i, t := range o {
		parts[i] = words(t.Name, strings.TrimSpace(parensStandard(t.Columns)))
		switch {
		case t.Value == nil:
		case t.Word:
			parts[i] += " " + t.Value.Value
		default:
			parts[i] += " " + quoteStandard(t.Value.Value)
		}
	}
	return strings.Join(parts, " ")
}
