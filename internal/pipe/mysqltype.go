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
		if strings.Contains(m[3], "zerofill") { // the log has no such zeros
			c.Read = "CAST(" + col + " + 0 AS CHAR)"
		}
	case "float": // printed by itself it would have six digits
		c.Type, c.Read = "FLOAT", "CAST(CAST("+col+" AS DOUBLE) AS CHAR)"
	case "double":
		c.Type = "DOUBLE"
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		c.Type, c.Read = text, col
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		c.Type, c.Read, c.Binary = "VARBINARY", col, true
	case "json":
		c.Type = "JSON"
	case "date", "datetime", "timestamp":
		c.Type = "DATETIME"
		if base == "date" {
			c.Type = "DATE"
		}
		// A date with a zero for month or day is none.
		c.Read = "IF(CAST(" + col + " AS CHAR) LIKE '____-00-%' OR CAST(" + col + " AS CHAR) LIKE '____-__-00%', NULL, CAST(" + col + " AS CHAR))"
	case "time": // may be negative or longer than a day
		c.Type = "VARCHAR(20)"
	case "uuid", "inet4", "inet6":
		c.Type = "VARCHAR(64)"
	default:
		return c, sqlerr.New(sqlerr.Unsupported, "type %s", typ)
	}
	return c, nil
}

// followable refuses columns whose values in the binary log are not read.
func followable(charset string) error {
	if manyBytes[charset] {
		return manyBytesRefused(charset)
	}
	return nil
}
