package pipe

import (
	"strings"
	"testing"
)

// The target's type holds every value of the source's, or the type is refused.
func TestTypesOfMySQL(t *testing.T) {
	for source, want := range map[string]string{
		"tinyint(1)": "BOOLEAN", "tinyint(1) unsigned": "SMALLINT", "tinyint(4)": "TINYINT", "tinyint unsigned": "SMALLINT", "smallint": "SMALLINT", "smallint(5) unsigned": "INT",
		"mediumint": "INT", "mediumint unsigned": "INT", "int": "INT", "int(10) unsigned": "BIGINT", "int(5) unsigned zerofill": "BIGINT", "bigint": "BIGINT", "bigint unsigned": "LARGEINT",
		"year": "SMALLINT", "year(4)": "SMALLINT", "bit(1)": "LARGEINT", "bit(64)": "LARGEINT",
		"decimal(10,0)": "DECIMAL(10,0)", "decimal(38,38) unsigned": "DECIMAL(38,38)", "decimal(39,0)": "VARCHAR(80)", "decimal(65,30)": "VARCHAR(80)",
		"float": "FLOAT", "float unsigned": "FLOAT", "double": "DOUBLE", "double(10,2)": "DOUBLE",
		"char(10)": text, "varchar(21844)": text, "longtext": text, "enum('a)','b''c')": text, "set('x','y')": text,
		"binary(16)": "VARBINARY", "varbinary(10)": "VARBINARY", "mediumblob": "VARBINARY", "json": "JSON",
		"date": "DATE", "datetime(6)": "DATETIME", "timestamp": "DATETIME", "time(3)": "VARCHAR(20)", "uuid": "VARCHAR(64)", "inet6": "VARCHAR(64)", "inet4": "VARCHAR(64)",
		"geometry": "refused", "point": "refused", "vector(3)": "refused", "xmltype": "refused", "": "refused",
	} {
		c, err := mysqlColumn("c`1", source)
		switch {
		case want == "refused":
			if err == nil || !strings.Contains(err.Error(), "type "+source) {
				t.Errorf("%q becomes %s, %v, want a refusal that names it", source, c.Type, err)
			}
		case err != nil || c.Type != want || c.Binary != (want == "VARBINARY") || !strings.Contains(c.Read, "`c``1`"):
			t.Errorf("%q becomes %+v, %v, want %s", source, c, err, want)
		}
	}
}
