package session

import (
	"errors"
	"regexp"

	"lakeport/internal/sqlerr"
)

// wordings are what PostgreSQL's clients are told instead of the other
// protocol's or the engine's words, and the SQLSTATE where theirs says less.
var wordings = []struct {
	said      *regexp.Regexp
	as, state string
}{
	{regexp.MustCompile(`^Divide by zero$`), `$0`, "22012"}, // of the macro behind /
	{regexp.MustCompile(`^(Insert has filtered data: )?NULL value in non-nullable column '([^']*)'`), `Cannot insert a NULL value into column $2`, "23502"},
	{regexp.MustCompile(`^Insert has filtered data: (.*longer than.*)`), `Value too long for character type: $1`, "22001"},
	{regexp.MustCompile(`^Unknown table '(.*)'$`), `relation "$1" does not exist`, ""},
	{regexp.MustCompile(`^Table '(.*)' already exists$`), `relation "$1" already exists`, ""},
	{regexp.MustCompile(`^Unknown database '(.*)'$`), `schema "$1" does not exist`, ""},
	{regexp.MustCompile(`^Can't drop database '(.*)'; database doesn't exist$`), `schema "$1" does not exist`, ""},
	{regexp.MustCompile(`^Can't create database '(.*)'; database exists$`), `schema "$1" already exists`, ""},
	{regexp.MustCompile(`^Unknown catalog '(.*)'$`), `database "$1" does not exist`, ""},
	{regexp.MustCompile(`^(?:Scalar|Aggregate|Table) Function with name (\S+) does not exist.*`), `function $1 does not exist`, "42883"},
	{regexp.MustCompile(`(?s)^Macro (?:rs_)?(\w+)\(\) does not support the supplied arguments.*`), `function $1 does not take arguments of this number or of these types`, "42883"},
	{regexp.MustCompile(`(?s)\s*(You might need to add explicit type casts|In order to select one, please add explicit type casts)\.\s*Candidate functions:.*`), ` Add explicit type casts.`, "42883"},
}

// reworded gives an error as PostgreSQL's clients know it.
func reworded(err error) error {
	e, ok := errors.AsType[*sqlerr.Error](err)
	if !ok {
		return err
	}
	for _, w := range wordings {
		if !w.said.MatchString(e.Msg) {
			continue
		}
		told := *e
		told.Msg = w.said.ReplaceAllString(e.Msg, w.as)
		if w.state != "" {
			told.Code = sqlerr.Code{State: w.state}
		}
		return &told
	}
	return err
}
