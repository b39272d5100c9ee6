package pipe

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"lakeport/internal/sqlerr"
)

// text is the widest text of StarRocks; a longer value is refused by the table,
// not cut.
const text = "VARCHAR(1048576)"

// mysqlType takes a COLUMN_TYPE apart: "int(10) unsigned".
var mysqlType = regexp.MustCompile(`^(\w+)(?:\((.*)\))?(.*)$`)

// mysqlInts are the types that hold every value of an integer type, and of its
// unsigned form.
var mysqlInts = map[string][2]string{
	"tinyint": {"TINYINT", "SMALLINT"}, "smallint": {"SMALLINT", "INT"}, "mediumint": {"INT", "INT"},
	"int": {"INT", "BIGINT"}, "bigint": {"BIGINT", "LARGEINT"},
}

// mysqlColumn maps a column of MySQL or MariaDB. Nothing is narrowed: what a
// type of StarRocks cannot hold becomes text.
func mysqlColumn(name, typ string) (Column, error) {
	c := Column{Name: name, Source: typ}
	m := mysqlType.FindStringSubmatch(strings.ToLower(typ))
	if m == nil {
		return c, sqlerr.New(sqlerr.Unsupported, "type %s", typ)
	}
	col := backquote(name)
	c.Read = "CAST(" + col + " AS CHAR)"
	base, args, unsigned := m[1], m[2], strings.Contains(m[3], "unsigned")
	switch base {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		c.Type = mysqlInts[base][0]
		if unsigned {
			c.Type = mysqlInts[base][1]
		}
		if base == "tinyint" && args == "1" && !unsigned {
			c.Type = "BOOLEAN"
		}
	case "year":
		c.Type = "SMALLINT"
	case "bit":
		c.Type, c.Read = "LARGEINT", "CAST("+col+" + 0 AS CHAR)"
	case "decimal":
		precision, _, _ := strings.Cut(args, ",")
		c.Type = fmt.Sprintf("DECIMAL(%s)", args)
		if n, err := strconv.Atoi(precision); err != nil || n > 38 {
			c.Type = "VARCHAR(80)"
		}
	case "float": // printed by itself it would have six digits
		c.Type, c.Read = "FLOAT", "CAST(CAST("+col+" AS DOUBLE) AS CHAR)"
	case "double":
		c.Type = "DOUBLE"
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		c.Type, c.Read = text, col
		if base == "enum" || base == "set" {
			c.Set = quotedList(typ[strings.IndexByte(typ, '(')+1 : strings.LastIndexByte(typ, ')')])
		}
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		c.Type, c.Read, c.Binary = "VARBINARY", col, true
	case "json":
		c.Type = "JSON"
	case "date", "datetime", "timestamp":
		c.Type = "DATETIME"
		if base == "date" {
			c.Type = "DATE"
		}
		c.Read = "IF(CAST(" + col + " AS CHAR) LIKE '0000-00-00%', NULL, CAST(" + col + " AS CHAR))" // a zero date is none
	case "time": // may be negative or longer than a day
		c.Type = "VARCHAR(20)"
	case "uuid", "inet4", "inet6":
		c.Type = "VARCHAR(64)"
	default:
		return c, sqlerr.New(sqlerr.Unsupported, "type %s", typ)
	}
	return c, nil
}

// quotedList reads 'a','b”c'.
func quotedList(s string) []string {
	var list []string
	for len(s) > 0 && s[0] == '\'' {
		var b strings.Builder
		for s = s[1:]; len(s) > 0; s = s[1:] {
			if s[0] == '\'' {
				if len(s) < 2 || s[1] != '\'' {
					break
				}
				s = s[1:]
			}
			b.WriteByte(s[0])
		}
		list = append(list, b.String())
		s = strings.TrimPrefix(strings.TrimPrefix(s, "'"), ",")
	}
	return list
}

// logged refuses columns whose values in the binary log are not read yet.
func logged(typ, charset string) error {
	switch base, _, _ := strings.Cut(strings.ToLower(typ), "("); {
	case base == "uuid" || base == "inet4" || base == "inet6":
		return sqlerr.New(sqlerr.Unsupported, "changes of type %s are not followed yet", typ)
	case charset != "" && charset != "utf8mb4" && charset != "utf8mb3" && charset != "utf8" && charset != "ascii":
		return sqlerr.New(sqlerr.Unsupported, "changes of text in the character set %s are not followed yet", charset)
	}
	return nil
}
