package syntax

import (
	"reflect"
	"strings"
	"testing"

	"lakeport/internal/sqlerr"
)

// What prints in Redshift's syntax means the same when it is read again.
func TestRedshiftStatementsPrintWhatTheyMean(t *testing.T) {
	for text, want := range map[string]string{
		"SET Search_Path TO A, \"B\"":       `SET "search_path" TO 'A', 'B'`,
		"set local statement_timeout = -1":  `SET LOCAL "statement_timeout" TO '-1'`,
		"SET TIME ZONE 'Asia/Tokyo'":        `SET "timezone" TO 'Asia/Tokyo'`,
		"SET SESSION AUTHORIZATION DEFAULT": `RESET "session_authorization"`,
		"reset ALL":                         `RESET "all"`,
		"SET my.thing TO 1":                 `SET "my"."thing" TO '1'`,
		"SHOW TRANSACTION ISOLATION LEVEL;": "SHOW transaction_isolation",
		"show server_version":               "SHOW server_version",
		"DISCARD ALL":                       "DISCARD ALL",
		"DEALLOCATE PREPARE ALL":            "DEALLOCATE ALL",
		"VACUUM FULL t TO 99 PERCENT":       "VACUUM FULL t TO 99 PERCENT",
		"ANALYZE":                           "ANALYZE",
		`copy S."T" (A, "b c") from stdin csv header delimiter as '|'`: `COPY "s"."T" ("a", "b c") FROM STDIN (format 'csv', header, delimiter '|')`,
		"COPY (SELECT 1) TO STDOUT WITH (FORMAT csv, NULL 'x''y')":     "COPY (SELECT 1) TO STDOUT (format 'csv', null 'x''y')",
		"DECLARE C NO SCROLL CURSOR WITH HOLD FOR SELECT 1":            `DECLARE "c" CURSOR WITH HOLD FOR SELECT 1`,
		"FETCH FORWARD ALL IN c":                                       `FETCH ALL FROM "c"`,
		"fetch c":                                                      `FETCH 1 FROM "c"`,
		"MOVE 7 FROM c":                                                `MOVE 7 FROM "c"`,
		"CLOSE ALL":                                                    "CLOSE ALL",
		"prepare P (int, varchar(3)) as select $1, (2)":                `PREPARE "p" (INT, VARCHAR(3)) AS select $1, (2)`,
		"EXECUTE p (1 + f(2, 3), 'a,b')":                               `EXECUTE "p" (1 + f(2, 3), 'a,b')`,
		"EXECUTE p":                                                    `EXECUTE "p"`,
		`CLOSE "C"`:                                                    `CLOSE "C"`,
		"comment on table S.t is 'it''s'":                              `COMMENT ON TABLE "s"."t" IS 'it''s'`,
		"COMMENT ON COLUMN t.A IS NULL":                                `COMMENT ON COLUMN "t"."a" IS NULL`,
		"merge into T using s AS x on t.id = x.id when matched then update set a = x.a, b = f(1, 2) when not matched then insert (id, a) values (x.id, (x.a))": `MERGE INTO "t" USING s AS x ON t.id = x.id WHEN MATCHED THEN UPDATE SET "a" = x.a, "b" = f(1, 2) WHEN NOT MATCHED THEN INSERT ("id", "a") VALUES (x.id, (x.a))`,
		"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)":                                                 `MERGE INTO "t" USING s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)`,
	} {
		st, err := ParseRedshift(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := st.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		again, err := ParseRedshift(st.String())
		if err != nil || !reflect.DeepEqual(stripped(st), stripped(again)) {
			t.Errorf("%s: prints as %s, which reads as %v, %v", text, st, again, err)
		}
	}
}

func TestRedshiftViewsAndCopiesOfTables(t *testing.T) {
	for text, want := range map[string]string{
		"create or replace view S.v (a, B) as with x as (select 1) select * from x with no schema binding": "CREATE OR REPLACE VIEW `s`.`v` (`a`, `b`) AS with x as (select 1) select * from x",
		"SELECT a, extract(day FROM b) INTO TEMP #t FROM x":                                                "CREATE TEMPORARY TABLE `#t` AS SELECT a, extract(day FROM b)              FROM x",
		"CREATE TABLE #T (a INT)":                                 "CREATE TEMPORARY TABLE `#t` (`a` INT)",
		"DELETE t WHERE a = 1":                                    "DELETE FROM `t` WHERE a = 1",
		"ALTER TABLE t DROP COLUMN a CASCADE":                     "ALTER TABLE `t` DROP COLUMN `a`",
		"ALTER TABLE t ADD COLUMN a TIMESTAMP ENCODE lzo":         "ALTER TABLE `t` ADD COLUMN `a` DATETIME",
		"CANCEL 12 'enough'":                                      "KILL QUERY 12",
		"CREATE VIEW v AS (SELECT 1)":                             "CREATE VIEW `v` AS (SELECT 1)",
		"DROP VIEW IF EXISTS a, b CASCADE":                        "DROP VIEW IF EXISTS `a`, `b`",
		"CREATE TABLE t2 (LIKE t)":                                "CREATE TABLE `t2` LIKE `t`",
		"CREATE TABLE t2 (LIKE s.t INCLUDING DEFAULTS) BACKUP NO": "CREATE TABLE `t2` LIKE `s`.`t`",
	} {
		st, err := ParseRedshift(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := st.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestRedshiftTables(t *testing.T) {
	st, err := ParseRedshift(`CREATE TEMP TABLE IF NOT EXISTS S.T (
		Id BIGINT IDENTITY(1, 1) PRIMARY KEY, a INT2 NOT NULL DEFAULT -1 ENCODE az64, b CHARACTER VARYING(MAX) DISTKEY, c BPCHAR, d TEXT, e NUMERIC,
		f FLOAT, g FLOAT4, h TIMESTAMP WITH TIME ZONE, i TIMESTAMP WITHOUT TIME ZONE, j TIMETZ, k SUPER, l VARBYTE(10), m CHAR(300), "N" BOOL SORTKEY REFERENCES x (y),
		UNIQUE (a), CONSTRAINT fk FOREIGN KEY (a) REFERENCES z)
		BACKUP NO DISTSTYLE KEY COMPOUND SORTKEY (a, b)`)
	if err != nil {
		t.Fatal(err)
	}
	s := st.(*CreateTable)
	var types []string
	for _, c := range s.Columns {
		types = append(types, c.Name.Name+" "+c.Type.String())
	}
	const want = "id BIGINT, a SMALLINT, b VARCHAR(65535), c VARCHAR(256), d VARCHAR(256), e DECIMAL(18, 0), f DOUBLE, g FLOAT, h TIMESTAMP WITH TIME ZONE, i DATETIME, " +
		"j TIME WITH TIME ZONE, k JSON, l VARBINARY(10), m VARCHAR(300), N BOOLEAN"
	if got := strings.Join(types, ", "); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var ignored []string
	for _, id := range s.Ignored {
		ignored = append(ignored, id.Name)
	}
	if got := strings.Join(ignored, ", "); got != "ENCODE, DISTKEY, SORTKEY, REFERENCES, UNIQUE, FOREIGN KEY, BACKUP, DISTSTYLE, SORTKEY" {
		t.Errorf("ignored: %s", got)
	}
	if !s.Temporary || !s.IfNotExists || len(s.Informational) != 1 || !s.Columns[0].AutoIncrement || s.Table.Last() != "t" {
		t.Errorf("got %+v", s)
	}
}

func TestRedshiftRefusesWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE TABLE t (a INT DISTKY)":            "1:23: expected '(', UNSIGNED, SIGNED, ZEROFILL, NOT, NULL, DEFAULT, PRIMARY, UNIQUE, ENCODE, DISTKEY, SORTKEY, COLLATE, ',' or ')', found 'DISTKY'",
		"CREATE TABLE t (a VARCHAR(70000))":        "1:19: VARCHAR(70000): the length must be 1 to 65535 bytes",
		"CREATE TABLE t (a BIGINT IDENTITY(5, 2))": "1:26: IDENTITY other than (1, 1) is not built yet",
		"CREATE TABLE t (a ARRAY<INT>)":            "1:19: ARRAY<INT> is not a type of Redshift",
		"COPY t FROM STDIN WITH (FORMAT":           "1:31: expected '-' or value, found end of statement",
		"FETCH NEXT":                               "1:11: expected ALL, FROM, IN or cursor name, found end of statement",
		"SET x 1":                                  "1:7: expected TO or '=', found '1'",
		"SELECT 'open":                             "1:8: unterminated string: the text that starts here has no closing quote",
	} {
		_, err := ParseRedshift(text)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		e := *sqlerr.From(err)
		e.Hint = ""
		if got := e.Error(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"DECLARE c BINARY CURSOR FOR SELECT 1", "FETCH BACKWARD 1 FROM c", "CREATE SCHEMA s QUOTA 1 GB", "ALTER TABLE t APPEND FROM u", "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(9)",
		"MERGE INTO t USING s ON a = b REMOVE DUPLICATES", "COMMENT ON VIEW v IS 'x'"} {
		if st, err := ParseRedshift(text); err != nil || reflect.TypeOf(st) != reflect.TypeFor[*Unsupported]() {
			t.Errorf("%s: got %T, %v; want it refused by name", text, st, err)
		}
	}
}

func TestRedshiftTextIsRedactedByItsOwnQuotes(t *testing.T) {
	const text = `SELECT 'a\', password 'hunter2', "x" FROM t`
	if got := RedactTextIn(text, Redshift); strings.Contains(got, "hunter2") {
		t.Errorf("shows the secret: %s", got)
	}
}

func FuzzParseRedshift(f *testing.F) {
	for _, text := range []string{"SET a TO b, 'c'", "COPY t (a) FROM STDIN CSV", "CREATE TABLE t (a VARCHAR(MAX) DISTKEY, PRIMARY KEY (a)) SORTKEY (a)", "DECLARE c CURSOR FOR SELECT 1",
		"FETCH 1 FROM c", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", "SELECT $1::int, E'\\'', $$x$$", "SHOW all", "CREATE SCHEMA a.b AUTHORIZATION c",
		"MERGE INTO t USING s ON a = b WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", "SELECT 1 INTO #t", "COMMENT ON COLUMN a.b IS 'x'", "ALTER TABLE t ALTER SORTKEY (a)", "CANCEL 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if st, err := ParseRedshift(text); err == nil {
			_ = st.String()
			RedactTextIn(text, Redshift)
		}
	})
}
