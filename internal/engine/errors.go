package engine

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"lakeport/internal/sqlerr"
)

// failure is DuckDB's error as its setting errors_as_json prints it.
type failure struct {
	Class      string `json:"exception_type"`
	Message    string `json:"exception_message"`
	Subtype    string `json:"error_subtype"`
	Position   string `json:"position"`   // byte offset in the statement
	Entry      string `json:"type"`       // of a missing catalog entry: "Table"
	Candidates string `json:"candidates"` // nearest names, comma-separated
}

// verdict is what a class of DuckDB's errors means to a client.
type verdict struct {
	kind sqlerr.Kind
	code sqlerr.Code // zero: the kind's default
}

// The numbers are MySQL's, from its Server Error Message Reference.
var (
	outOfRange      = sqlerr.Code{MySQL: 1690, State: "22003"}
	wrongValue      = sqlerr.Code{MySQL: 1292, State: "22007"}
	divisionByZero  = sqlerr.Code{MySQL: 1365, State: "22012"}
	notNull         = sqlerr.Code{MySQL: 1048, State: "23000"}
	noFunction      = sqlerr.Code{MySQL: 1305, State: "42000"}
	ambiguousColumn = sqlerr.Code{MySQL: 1052, State: "23000"}
	notGrouped      = sqlerr.Code{MySQL: 1055, State: "42000"}
	lockConflict    = sqlerr.Code{MySQL: 1213, State: "40001"}
	outOfMemory     = sqlerr.Code{MySQL: 1041, State: "HY000"}
)

var verdicts = map[string]verdict{
	"Parser":                 {kind: sqlerr.Syntax},
	"Syntax":                 {kind: sqlerr.Syntax},
	"Binder":                 {kind: sqlerr.Invalid},
	"Catalog":                {kind: sqlerr.NotFound},
	"Conversion":             {sqlerr.Invalid, wrongValue},
	"Mismatch Type":          {sqlerr.Invalid, wrongValue},
	"Out of Range":           {sqlerr.Invalid, outOfRange},
	"Decimal":                {sqlerr.Invalid, outOfRange},
	"Divide by Zero":         {sqlerr.Invalid, divisionByZero},
	"Invalid Input":          {kind: sqlerr.Invalid},
	"Invalid type":           {kind: sqlerr.Invalid},
	"Unknown Type":           {kind: sqlerr.Invalid},
	"Expression":             {kind: sqlerr.Invalid},
	"Sequence":               {kind: sqlerr.Invalid},
	"Invalid Configuration":  {kind: sqlerr.Invalid},
	"Settings":               {kind: sqlerr.Invalid},
	"Parameter Not Resolved": {kind: sqlerr.Invalid},
	"Parameter Not Allowed":  {kind: sqlerr.Invalid},
	"Object Size":            {kind: sqlerr.Invalid},
	"Not implemented":        {kind: sqlerr.Unsupported},
	"Missing Extension":      {kind: sqlerr.Unsupported},
	"Extension Autoloading":  {kind: sqlerr.Unsupported},
	"Constraint":             {kind: sqlerr.Conflict},
	"TransactionContext":     {kind: sqlerr.Invalid},
	"Dependency":             {kind: sqlerr.Conflict},
	"Permission":             {kind: sqlerr.Denied},
	"INTERRUPT":              {kind: sqlerr.Canceled},
	"Serialization":          {kind: sqlerr.Corrupt},
	"Out of Memory":          {sqlerr.Internal, outOfMemory},
}

// explain turns DuckDB's error about text into an *sqlerr.Error. Position and
// hint come from DuckDB; translate has the last word on message and hint.
func explain(text, raw string, translate func(string) string) *sqlerr.Error {
	var f failure
	_, object, _ := strings.Cut(raw, "{")
	if json.Unmarshal([]byte("{"+object), &f) != nil || f.Message == "" {
		return sqlerr.New(sqlerr.Internal, "DuckDB: %s", translate(raw))
	}
	v := f.verdict()
	e := &sqlerr.Error{Kind: v.kind, Code: v.code}
	msg, hint := f.split()
	e.Msg, e.Hint = translate(msg), translate(hint)
	if at, err := strconv.Atoi(f.Position); err == nil && at <= len(text) {
		e.Pos = sqlerr.At(text, at)
	}
	return e
}

// verdict refines the class by subtype and, where there is none, by the words
// of the message.
func (f *failure) verdict() verdict {
	has := func(s string) bool { return strings.Contains(f.Message, s) }
	switch f.Class {
	case "Catalog":
		return f.catalog()
	case "Binder":
		switch {
		case f.Subtype == "COLUMN_NOT_FOUND", has("does not have a column named"), has("does not exist on"):
			return verdict{sqlerr.NotFound, sqlerr.BadColumn}
		case has("Ambiguous reference"):
			return verdict{sqlerr.Invalid, ambiguousColumn}
		case has("must appear in the GROUP BY"):
			return verdict{sqlerr.Invalid, notGrouped}
		case has("Catalog \"") && has("does not exist"):
			return verdict{sqlerr.NotFound, sqlerr.BadCatalog}
		}
	case "Constraint":
		if has("NOT NULL") {
			return verdict{sqlerr.Conflict, notNull}
		}
	case "TransactionContext":
		if has("onflict") {
			return verdict{sqlerr.Conflict, lockConflict}
		}
	case "IO", "Invalid Input":
		if corrupt(f.Message) {
			return verdict{kind: sqlerr.Corrupt}
		}
	}
	return verdicts[f.Class] // the zero verdict is Internal
}

func (f *failure) catalog() verdict {
	if f.Subtype == "ENTRY_ALREADY_EXISTS" {
		code := sqlerr.TableExists
		if f.Entry == "Schema" {
			code = sqlerr.DBExists
		}
		return verdict{sqlerr.Exists, code}
	}
	switch {
	case strings.Contains(f.Entry, "Function") || strings.Contains(f.Entry, "Macro"):
		return verdict{sqlerr.NotFound, noFunction}
	case f.Entry == "Schema", strings.Contains(f.Message, "because schema"):
		return verdict{sqlerr.NotFound, sqlerr.BadDB}
	case f.Entry == "Table", f.Entry == "View":
		return verdict{sqlerr.NotFound, sqlerr.BadTable}
	case strings.Contains(f.Message, "write-write conflict"), strings.Contains(f.Message, "onflict"):
		return verdict{sqlerr.Conflict, lockConflict}
	}
	return verdicts[f.Class]
}

// corrupt recognises complaints of the file readers about a file's bytes.
func corrupt(msg string) bool {
	for _, s := range []string{"magic bytes", "Parquet", "parquet file", "decompress", "corrupt", "ZSTD", "thrift", "TProtocol"} {
		if strings.Contains(msg, s) {
			return true
		}
	}
	return false
}

// split parts the message from DuckDB's advice, which becomes the hint unless
// it names the engine's own catalog.
func (f *failure) split() (msg, hint string) {
	msg = f.Message
	if i := strings.Index(msg, " You might need to add explicit type casts."); i >= 0 { // and a list in the engine's own words
		msg = msg[:i]
	}
	for _, mark := range []string{"\nDid you mean", "\nCandidate bindings", "\n\nCandidate", "\nEither add"} {
		if i := strings.Index(msg, mark); i >= 0 {
			msg, hint = msg[:i], strings.TrimSpace(msg[i:])
		}
	}
	for _, own := range []string{"pg_", "duckdb_", "sqlite_", "pragma_"} {
		if strings.Contains(hint, own) {
			hint = ""
		}
	}
	return strings.TrimRight(f.reworded(msg), "!\n "), strings.ReplaceAll(hint, ": :", ":")
}

// engineAdvice begins what DuckDB advises its own users: settings and options
// that clients do not have.
var engineAdvice = []string{"\nPossible solutions", "\n\nUse \"SET ", " You might want to add", "\nYou might want to", " Try setting ", "\nSee https://"}

// What DuckDB says of values that do not fit, in its own names of types.
var (
	outOfType  = regexp.MustCompile(`^Type \w+ with value (.+) can't be cast because the value is out of range for the destination type (\w+)(?: when casting from source column (.+))?$`)
	outOfField = regexp.MustCompile(`^Casting value "(.*)" to type (.+) failed: value is out of range!?(?: when casting from source column (.+))?$`)
	typeNames  = regexp.MustCompile(`\bINT(8|16|32|64|128)\b`)
	typeName   = map[string]string{"INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INT", "INT64": "BIGINT", "INT128": "LARGEINT"}
)

// reworded drops advice and gives values and types in the client's words.
func (f *failure) reworded(msg string) string {
	for _, mark := range engineAdvice {
		msg, _, _ = strings.Cut(msg, mark)
	}
	switch f.Class {
	case "Conversion", "Out of Range", "Mismatch Type", "Decimal", "Invalid Input":
	default:
		return msg
	}
	for _, form := range []*regexp.Regexp{outOfType, outOfField} {
		if m := form.FindStringSubmatch(msg); m != nil {
			msg = "value " + m[1] + " is out of range for " + m[2]
			if m[3] != "" {
				msg += " (column " + m[3] + ")"
			}
		}
	}
	return typeNames.ReplaceAllStringFunc(msg, func(t string) string { return typeName[t] })
}
