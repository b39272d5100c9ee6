package session

import (
	_ "embed"
	"maps"
	"regexp"
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// serverVersion is the MySQL version that lakeport presents.
const serverVersion = "8.0.33"

// starRocksVersion is the StarRocks whose statements lakeport speaks.
const starRocksVersion = "3.5.0"

//go:embed variables.txt
var variablesText string

// effect is what setting a variable does.
type effect string

// The headings of variables.txt.
const (
	inEffect   effect = "in effect"
	fixed      effect = "fixed"          // nobody sets it
	forClients effect = "for clients"    // stored and told, as StarRocks does
	noEffect   effect = "without effect" // stored, told, and warned of
)

// sysvar is a system variable.
type sysvar struct {
	value  string // its default
	effect effect
}

// sysvars are all of them; their names are in lower case.
var sysvars = readVariables(variablesText)

func readVariables(text string) map[string]sysvar {
	list := map[string]sysvar{}
	var heading effect
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if h, is := strings.CutPrefix(line, "## "); is {
			heading = effect(h)
		} else if line != "" && !strings.HasPrefix(line, "#") {
			name, value, _ := strings.Cut(line, " ")
			list[name] = sysvar{value, heading}
		}
	}
	list["version"] = sysvar{serverVersion, fixed}
	list["version_comment"] = sysvar{"StarRocks version " + starRocksVersion, fixed}
	return list
}

// variableNames gives the names of all system variables, sorted.
func variableNames() []string { return slices.Sorted(maps.Keys(sysvars)) }

// unknownVariable is the answer to a name that StarRocks does not have.
func unknownVariable(name string) *sqlerr.Error {
	e := sqlerr.New(sqlerr.NotFound, "Unknown system variable '%s'", name).With(sqlerr.UnknownVariable)
	if near := sqlerr.Nearest(name, variableNames()); near != "" {
		e.WithHint("did you mean %s?", near)
	}
	return e
}

// quantity is a number as StarRocks takes it, with the units of memory.
var quantity = regexp.MustCompile(`^-?\d+(\.\d+)?([KMGTkmgt][Bb]?|ms|s|m|h)?$`)

// takes tells whether a variable can have a value, by the kind of its default.
func (v sysvar) takes(value string) bool {
	switch {
	case v.value == "true" || v.value == "false":
		_, is := boolean(value)
		return is
	case quantity.MatchString(v.value):
		return quantity.MatchString(value) || v.effect == forClients
	}
	return true
}

// boolean reads a switch.
func boolean(value string) (on, is bool) {
	switch strings.ToLower(value) {
	case "1", "on", "true":
		return true, true
	case "0", "off", "false":
		return false, true
	}
	return false, false
}

// canonical is the form in which a value is told.
func (v sysvar) canonical(value string) string {
	if v.value != "true" && v.value != "false" {
		return value
	}
	if on, _ := boolean(value); on {
		return "true"
	}
	return "false"
}

// modesTaken are the words of sql_mode: StarRocks' that have their effect, and
// MySQL's that ask for nothing which StarRocks does otherwise.
var modesTaken = strings.Fields(`PIPES_AS_CONCAT ALLOW_THROW_EXCEPTION ONLY_FULL_GROUP_BY
STRICT_TRANS_TABLES STRICT_ALL_TABLES NO_ZERO_DATE NO_ZERO_IN_DATE ERROR_FOR_DIVISION_BY_ZERO NO_ENGINE_SUBSTITUTION NO_AUTO_CREATE_USER
NO_AUTO_VALUE_ON_ZERO NO_DIR_IN_CREATE NO_UNSIGNED_SUBTRACTION TRADITIONAL TIME_TRUNCATE_FRACTIONAL ALLOW_INVALID_DATES IGNORE_SPACE
NO_TABLE_OPTIONS NO_KEY_OPTIONS NO_FIELD_OPTIONS`)

// modesRefused would change what a query means, and are not built.
var modesRefused = strings.Fields(`SORT_NULLS_LAST ERROR_IF_OVERFLOW GROUP_CONCAT_LEGACY FORBID_INVALID_DATE MODE_DOUBLE_LITERAL ANSI ANSI_QUOTES
NO_BACKSLASH_ESCAPES HIGH_NOT_PRECEDENCE PAD_CHAR_TO_FULL_LENGTH REAL_AS_FLOAT DOUBLE_LITERAL`)

// refusedValue tells why a known variable cannot have a value that StarRocks
// takes, nil if it can: its effect would be missed and is not built.
func refusedValue(name, value string) *sqlerr.Error {
	switch on, _ := boolean(value); {
	case name == "sql_dialect" && !strings.EqualFold(value, "StarRocks"), name == "dynamic_overwrite" && on:
		return sqlerr.New(sqlerr.Unsupported, "%s = %s is not built yet", name, value)
	case name != "sql_mode":
		return nil
	}
	for mode := range strings.SplitSeq(strings.ToUpper(value), ",") {
		switch mode = strings.TrimSpace(mode); {
		case mode == "" || slices.Contains(modesTaken, mode):
		case slices.Contains(modesRefused, mode):
			return sqlerr.New(sqlerr.Unsupported, "sql_mode %s is not built yet", mode)
		default:
			e := sqlerr.New(sqlerr.Invalid, "Variable 'sql_mode' can't be set to the value of '%s'", mode).With(sqlerr.WrongValue)
			if near := sqlerr.Nearest(mode, append(modesTaken, modesRefused...)); near != "" {
				e.WithHint("did you mean %s?", near)
			}
			return e
		}
	}
	return nil
}

// asLiteral spells a variable's value for the engine: switches and integers
// are numbers, as in MySQL.
func asLiteral(value string) string {
	switch {
	case strings.EqualFold(value, "NULL"):
		return "NULL"
	case value == "true":
		return "1"
	case value == "false":
		return "0"
	case integer.MatchString(value):
		return value
	}
	return lake.QuoteString(value)
}

// integer has no leading zeros and fits the engine's BIGINT.
var integer = regexp.MustCompile(`^(0|-?[1-9]\d{0,17}|9223372036854775807)$`)
