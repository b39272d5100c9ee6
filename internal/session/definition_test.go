package session

import (
	"fmt"
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// created reads a CREATE TABLE.
func created(t testing.TB, text string) *syntax.CreateTable {
	t.Helper()
	st, err := syntax.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return st.(*syntax.CreateTable)
}

// A default is read when the database opens, before lakeport's macros exist:
// its SQL uses the engine's own functions.
func TestDefaultsAreLiteralsAndAFewFunctions(t *testing.T) {
	for _, c := range []struct{ typ, text, shown, sql, fault string }{
		{"INT", `"7"`, "7", "CAST('7' AS INTEGER)", ""},
		{"INT", `-7`, "-7", "CAST('-7' AS INTEGER)", ""},
		{"VARCHAR(9)", `'it''s'`, "it's", "CAST('it''s' AS VARCHAR)", ""},
		{"INT", `NULL`, "", "", ""},
		{"STRING", `(uuid())`, "(uuid())", "CAST(uuid() AS VARCHAR)", ""},
		{"DATETIME", `CURRENT_TIMESTAMP`, "CURRENT_TIMESTAMP", "CAST(make_timestamp(epoch_us(CAST(now() AS TIMESTAMP)) // 1000000 * 1000000) AS TIMESTAMP)", ""},
		{"DATETIME", `NOW(6)`, "NOW(6)", "CAST(make_timestamp(epoch_us(CAST(now() AS TIMESTAMP)) // 1 * 1) AS TIMESTAMP)", ""},
		{"DATETIME", `NOW(7)`, "", "", "the precision of NOW(7) is 0 to 6"},
		{"INT", `(1 + 1)`, "", "", "DEFAULT (1 + 1) is not supported"},
		{"STRING", `getenv('HOME')`, "", "", "DEFAULT getenv('HOME') is not supported"},
		{"STRING", `(SELECT 1)`, "", "", "DEFAULT (SELECT 1) is not supported"},
	} {
		text := "CREATE TABLE t (a " + c.typ + " DEFAULT " + c.text + ")"
		col := created(t, text).Columns[0]
		typ, _, err := columnType(col.Type)
		if err != nil {
			t.Fatal(err)
		}
		shown, sql, err := defaultValue(col.Default, typ, text)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) || sqlerr.From(err).Pos.Line != 1 {
				t.Errorf("%s: got %v, want %q", c.text, err, c.fault)
			}
			continue
		}
		if err != nil || sql != c.sql || shown != nil && *shown != c.shown || shown == nil && c.shown != "" {
			t.Errorf("%s: got %v %q, %v", c.text, shown, sql, err)
		}
	}
}

func TestATableWithoutKeyIsSortedByItsFirstColumns(t *testing.T) {
	for columns, want := range map[string]string{
		"int bigint date datetime":  "c0 c1 c2",
		"int varchar(5) int":        "c0 c1",
		"double int":                "",
		"int array<int(11)>":        "c0",
		"char(3) varchar(65533)":    "c0 c1",
		"json":                      "",
		"decimal(10,2) boolean int": "c0 c1 c2",
	} {
		d := &definition{}
		for i, typ := range strings.Fields(columns) {
			d.Columns = append(d.Columns, declared{Name: fmt.Sprintf("c%d", i), Type: typ})
		}
		if got := strings.Join(d.sortedBy(), " "); got != want {
			t.Errorf("%s: sorted by %q, want %q", columns, got, want)
		}
	}
}

// The engine's table is spelled from the definition alone, so that ALTER TABLE
// can make it again.
func TestADefinitionSpellsItsTable(t *testing.T) {
	one := "1"
	d := &definition{
		Columns: []declared{
			{Name: `a"b`, Engine: "INTEGER", NotNull: true, Default: &one, DefaultSQL: "CAST('1' AS INTEGER)"},
			{Name: "v", Engine: "VARCHAR", Length: 5}, {Name: "x", Engine: lake.Type{Kind: lake.Blob}.String(), Length: 2},
			{Name: "g", Engine: "INTEGER", Generated: &expression{"a + 1", "a + 1"}},
		},
		Partitions: []partition{{Name: "p", Where: `"v" = 'x'`}},
	}
	want := `CREATE TABLE n ("a""b" INTEGER NOT NULL DEFAULT CAST('1' AS INTEGER), "v" VARCHAR CHECK (strlen("v") <= 5), ` +
		`"x" BLOB CHECK (octet_length("x") <= 2), "g" INTEGER, CHECK (coalesce("v" = 'x', false)))`
	if got := d.create("CREATE", "n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(d.stored()); n != 3 {
		t.Errorf("%d columns are given values, want 3", n)
	}
	c := d.clone()
	c.Columns[0].Name, c.Partitions[0].Name = "other", "other"
	if d.Columns[0].Name != `a"b` || d.Partitions[0].Name != "p" {
		t.Error("a clone shares what ALTER TABLE changes")
	}
}

// StarRocks' names and bounds of START … END … EVERY (starrocks.io, "Data
// distribution").
func TestRangesAreExpandedWithStarRocksNames(t *testing.T) {
	for _, c := range []struct{ engine, clause, want string }{
		{"DATE", `START ("2024-02-28") END ("2024-03-02") EVERY (INTERVAL 1 DAY)`, "p20240228 p20240229 p20240301"},
		{"DATE", `START ("2024-01-01") END ("2024-01-20") EVERY (INTERVAL 1 WEEK)`, "p2024_01 p2024_02 p2024_03"},
		{"DATE", `START ("2023-11-01") END ("2024-02-01") EVERY (INTERVAL 1 MONTH)`, "p202311 p202312 p202401"},
		{"TIMESTAMP", `START ("2024-01-01 22:00:00") END ("2024-01-02 01:00:00") EVERY (INTERVAL 2 HOUR)`, "p2024010122 p2024010200"},
		{"DATE", `START ("2020-01-01") END ("2023-01-01") EVERY (INTERVAL 1 YEAR)`, "p2020 p2021 p2022"},
		{"INTEGER", `START ("1") END ("10") EVERY (4)`, "p1 p5 p9"},
		{"INTEGER", `START ("9") END ("1") EVERY (4)`, "error: are not two numbers in order"},
		{"DATE", `START ("2024-03-02") END ("2024-03-01") EVERY (INTERVAL 1 DAY)`, "error: are not two dates in order"},
		{"DATE", `START ("0001-01-01") END ("2024-03-01") EVERY (INTERVAL 1 DAY)`, "error: more than 4096 partitions"},
		{"INTEGER", `START ("1") END ("9") EVERY (0)`, "error: EVERY needs a positive number"},
	} {
		text := "CREATE TABLE t (k INT) PARTITION BY RANGE(k) (" + c.clause + ")"
		l := &listed{text: text, kind: "RANGE", column: `"k"`, engine: c.engine}
		err := l.define(created(t, text).PartitionBy.Definitions[0])
		var names []string
		for _, p := range l.out {
			names = append(names, p.Name)
		}
		if why, wrong := strings.CutPrefix(c.want, "error: "); wrong {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: got %v, want %q", c.clause, err, why)
			}
		} else if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.clause, got, err, c.want)
		}
	}
}

func TestTheFirstOpenRangeTakesNULL(t *testing.T) {
	text := "CREATE TABLE t (k INT) PARTITION BY RANGE(k) (PARTITION a VALUES LESS THAN ('5'), PARTITION b VALUES LESS THAN ('9'), PARTITION c VALUES LESS THAN MAXVALUE)"
	l := &listed{text: text, kind: "RANGE", column: `"k"`, engine: "INTEGER"}
	for _, def := range created(t, text).PartitionBy.Definitions {
		if err := l.define(def); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, p := range l.out {
		got = append(got, p.Where)
	}
	want := `("k" IS NULL OR "k" < CAST('5' AS INTEGER) AND true)|"k" >= CAST('5' AS INTEGER) AND "k" < CAST('9' AS INTEGER)|"k" >= CAST('9' AS INTEGER)`
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// What a clause mentions keeps a column from being dropped.
func TestClausesMentionColumnsAndNoParts(t *testing.T) {
	for clause, want := range map[string]bool{
		"RANGE(dt)": true, "HASH(`dt`) BUCKETS 4": true, "date_trunc('dt', day)": false, "date_trunc('day', DT)": true, "dtx": false, "": false, "'dt'": false,
	} {
		if mentions(clause, "dt") != want {
			t.Errorf("%s: want %v", clause, want)
		}
	}
}

// The engine's words for a refused row become StarRocks'.
func TestRefusedRowsAreWordedAsStarRocksDoes(t *testing.T) {
	for msg, want := range map[string]string{
		"NOT NULL constraint failed: t.a b":                                                    "NULL value in non-nullable column 'a b'",
		`CHECK constraint failed on table t with expression CHECK((strlen(v) <= 5))`:           "a value is longer than the 5 bytes of column 'v'",
		`CHECK constraint failed on table t with expression CHECK((octet_length("x y") <= 2))`: "a value is longer than the 2 bytes of column 'x y'",
		`CHECK constraint failed on table t with expression CHECK(COALESCE((a > 1), false))`:   "a row belongs to none of the table's partitions",
	} {
		if got := refusedRow(sqlerr.New(sqlerr.Conflict, "%s", msg)); got != want {
			t.Errorf("%s: got %q, want %q", msg, got, want)
		}
	}
	if got := refusedRow(sqlerr.New(sqlerr.Conflict, "write-write conflict")); got != "" {
		t.Errorf("a conflict of transactions is taken for a row: %q", got)
	}
	if got := refusedRow(nil); got != "" {
		t.Errorf("no error is taken for a row: %q", got)
	}
}

// The CTEs before an INSERT are its query's, and errors keep their places.
func TestWITHBeforeINSERTBelongsToTheQuery(t *testing.T) {
	for text, want := range map[string]string{
		"INSERT INTO t SELECT 1":                                                     "SELECT 1",
		"WITH q AS (SELECT 1) INSERT INTO t SELECT * FROM q":                         "WITH q AS (SELECT 1) SELECT * FROM q",
		"WITH q AS (SELECT 1) INSERT INTO t WITH r AS (SELECT 2) SELECT * FROM q, r": "WITH q AS (SELECT 1) SELECT * FROM (WITH r AS (SELECT 2) SELECT * FROM q, r\n)",
	} {
		st, err := syntax.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		q := insertQuery(st.(*syntax.Insert))
		if q.text != want {
			t.Errorf("%s\ngot  %q\nwant %q", text, q.text, want)
		}
		at := strings.LastIndex(q.text, "SELECT")
		e := sqlerr.From(q.locate(sqlerr.New(sqlerr.Invalid, "x").WithPos(q.text, at), text))
		if e.Pos.Offset != strings.LastIndex(text, "SELECT") {
			t.Errorf("%s: the place %d becomes %d", text, at, e.Pos.Offset)
		}
	}
}
