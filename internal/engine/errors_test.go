package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

func TestErrorsCarryKindCodePlaceAndHint(t *testing.T) {
	c := memory(t)
	do(t, c, "CREATE TABLE t (a INTEGER PRIMARY KEY, abc VARCHAR NOT NULL)")
	do(t, c, "INSERT INTO t VALUES (1, 'x')")
	for _, tc := range []struct {
		sql   string
		kind  sqlerr.Kind
		mysql uint16
		want  string
	}{
		{"SELEC 1", sqlerr.Syntax, 1064, `1:1: syntax error at or near "SELEC"`},
		{"SELECT 1;\nSELECT 2", sqlerr.Invalid, 1064, "Cannot prepare multiple statements at once"},
		{"SELECT *\nFROM nosuch", sqlerr.NotFound, 1146, "2:6: Table with name nosuch does not exist"},
		{"SELECT * FROM tt", sqlerr.NotFound, 1146, "1:15: Table with name tt does not exist\nhint: Did you mean \"t\"?"},
		{"SELECT abd FROM t", sqlerr.NotFound, 1054, `1:8: Referenced column "abd" not found in FROM clause` + "\nhint: Candidate bindings: \"abc\", \"a\""},
		{"SELECT t.z FROM t", sqlerr.NotFound, 1054, `1:8: Table "t" does not have a column named "z"` + "\nhint: Candidate bindings: \"a\", \"abc\""},
		{"SELECT * FROM nodb.t", sqlerr.NotFound, 1049, `1:15: Table with name "nodb.t" does not exist because schema "nodb" does not exist.`},
		{"SELECT florr(1)", sqlerr.NotFound, 1305, "1:8: Scalar Function with name florr does not exist\nhint: Did you mean \"floor\"?"},
		{"SELECT a FROM t x, t y", sqlerr.Invalid, 1052, `1:8: Ambiguous reference to column name "a" (use: "x.a" or "y.a")`},
		{"SELECT a, count(*) FROM t", sqlerr.Invalid, 1055, `1:8: column "a" must appear in the GROUP BY clause or must be part of an aggregate function.` + "\nhint: Either add it to the GROUP BY list, or use \"ANY_VALUE(a)\" if the exact value of \"a\" is not important."},
		{"SELECT abc::INT FROM t", sqlerr.Invalid, 1292, "1:11: Could not convert string 'x' to INT when casting from source column abc"},
		{"SELECT 2147483647 + i::INT FROM range(2) r(i)", sqlerr.Invalid, 1690, ""},
		{"SELECT 300::TINYINT", sqlerr.Invalid, 1292, "1:11: value 300 is out of range for TINYINT"},
		{"SELECT i::TINYINT FROM range(300, 301) r(i)", sqlerr.Invalid, 1292, "1:9: value 300 is out of range for TINYINT (column i)"},
		{"SELECT 100000.5::DECIMAL(5,2)", sqlerr.Invalid, 1292, "1:16: value 100000.5 is out of range for DECIMAL(5,2)"},
		{"SELECT (SELECT i FROM range(2) r(i))", sqlerr.Invalid, 1064, "More than one row returned by a subquery used as an expression - scalar subqueries can only return a single row."},
		{"SELECT 99999999999999999999999999999999999999::DECIMAL(38,0) * 10", sqlerr.Invalid, 1690, "Overflow in multiplication of DECIMAL(38) (99999999999999999999999999999999999999 * 10)."},
		{"INSERT INTO t VALUES (1, 'y')", sqlerr.Conflict, 1062, ""},
		{"INSERT INTO t VALUES (2, NULL)", sqlerr.Conflict, 1048, ""},
		{"CREATE TABLE t (a INT)", sqlerr.Exists, 1050, `Table with name "t" already exists`},
		{"CREATE SCHEMA main", sqlerr.Exists, 1007, ""},
		{"SELECT error('boom')", sqlerr.Invalid, 1064, "boom"},
		{"ATTACH '/nowhere/x.db'", sqlerr.Denied, 1142, ""},
		{"SET threads = 1", sqlerr.Invalid, 1064, ""},
		{"LOAD httpfs", sqlerr.Denied, 1142, "Loading external extensions is disabled through configuration"},
		{"SELECT 1\x00", sqlerr.Syntax, 1064, "1:9: the statement holds a NUL character"},
	} {
		rows, err := c.Query(t.Context(), tc.sql)
		if err == nil {
			_, err = rows.Next(t.Context())
			rows.Close()
		}
		e, ok := errors.AsType[*sqlerr.Error](err)
		if !ok {
			t.Errorf("%q: got %v, want an *sqlerr.Error", tc.sql, err)
			continue
		}
		if e.Kind != tc.kind || e.Numbers().MySQL != tc.mysql || tc.want != "" && e.Error() != tc.want {
			t.Errorf("%q: kind %d number %d %s", tc.sql, e.Kind, e.Numbers().MySQL, e)
		}
	}
}

func TestErrorsHideLocalPaths(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, Options{Dirs: []string{dir}, Translate: func(s string) string {
		return strings.ReplaceAll(s, dir+"/", "s3://bucket/")
	}})
	c := connect(t, db)
	if err := os.WriteFile(filepath.Join(dir, "a.parquet"), []byte("this is no parquet file"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Query(t.Context(), "SELECT * FROM read_parquet("+lake.QuoteString(dir+"/a.parquet")+")")
	if e := sqlerr.From(err); e.Kind != sqlerr.Corrupt || strings.Contains(e.Msg, dir) || !strings.Contains(e.Msg, "s3://bucket/a.parquet") {
		t.Errorf("got %v", err)
	}
}
