package sqlerr

// states are PostgreSQL's SQLSTATEs for MySQL's numbers, where a number says
// more than its kind (PostgreSQL manual, "PostgreSQL Error Codes").
var states = map[uint16]string{
	1041: "53200",                               // out of memory
	1045: "28P01",                               // wrong password
	1046: "3F000",                               // no schema selected
	1007: "42P06", 1008: "3F000", 1049: "3F000", // schemas
	1048: "23502",                // NULL where none may be
	1050: "42P07", 1146: "42P01", // tables
	1052: "42702", 1054: "42703", 1055: "42803", 1060: "42701", // columns
	1065: "42601",
	1193: "42704", 1231: "22023", 1298: "22023", // parameters
	1213: "40001",                               // a change of another transaction
	1243: "26000",                               // prepared statements
	1292: "22007", 1365: "22012", 1690: "22003", // values
	1305: "42883",                               // functions
	5024: "57014",                               // time limits
	5078: "3D000", 5080: "3F000", 5514: "42P04", // catalogs
	5604: "42601", 5610: "22000",
}

var kindStates = [...]string{
	Internal:    "XX000",
	Syntax:      "42601",
	Invalid:     "22023",
	Unsupported: "0A000",
	NotFound:    "42704",
	Exists:      "42710",
	Denied:      "42501",
	Unreachable: "08006",
	Corrupt:     "58030",
	Canceled:    "57014",
	Conflict:    "23505",
}

// Postgres gives the SQLSTATE for a PostgreSQL client. A Code without a MySQL
// number holds one itself.
func (e *Error) Postgres() string {
	if e.Code.MySQL == 0 && e.Code.State != "" {
		return e.Code.State
	}
	if s, ok := states[e.Code.MySQL]; ok {
		return s
	}
	return kindStates[e.Kind]
}
