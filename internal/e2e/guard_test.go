package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// refusedQueries are the engine's list of what no client may run.
func refusedQueries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../engine/testdata/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		query, _, found := strings.Cut(strings.TrimSpace(line), " => ")
		if found && !strings.HasPrefix(line, "#") {
			list = append(list, query)
		}
	}
	if len(list) < 60 {
		t.Fatalf("only %d attempts are listed", len(list))
	}
	return list
}

// Every attempt is made as a query and inside every statement that takes one.
func TestNoStatementReachesFilesSettingsOrOthersObjects(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.prepare()
	db := l.db()
	l.exec(db, "CREATE DATABASE d", "CREATE TABLE d.t (a INT, b STRING)", "INSERT INTO d.t VALUES (1, 'x')", catalogStatement("c", instance(), instance()))
	if _, err := value(db, fmt.Sprintf(total, "c")); err != nil { // now its objects are cached
		t.Fatal(err)
	}
	attempts := []string{
		"COPY d.t TO '/tmp/x.csv'", "COPY d.t FROM '/etc/passwd'", "ATTACH '/tmp/x.db'", "DETACH default_catalog", "INSTALL httpfs", "LOAD httpfs",
		"PRAGMA database_list", "CALL pragma_version()", "EXPORT DATABASE '/tmp/x'", "IMPORT DATABASE '/tmp/x'", "CHECKPOINT", "SET memory_limit = '1GB'",
		"SET allowed_directories = ['/']", "RESET lock_configuration", "SET search_path = 'system'",
		"SELECT * FROM default_catalog._lakeport.catalogs", "SELECT * FROM _lakeport.accounts", "INSERT INTO _lakeport.catalogs VALUES ('x', 'y')",
		"DELETE FROM default_catalog._lakeport.accounts", "DROP DATABASE _lakeport", "CREATE TABLE _lakeport.x (a INT)", "TRUNCATE TABLE _lakeport.catalogs",
		"USE _lakeport", "SHOW TABLES FROM _lakeport", "DESC _lakeport.accounts", "CREATE SECRET (TYPE s3)",
		"CREATE VIEW d.made AS SELECT * FROM default_catalog._lakeport.catalogs", "CREATE VIEW _lakeport.v AS SELECT 1", "DROP TABLE _lakeport.insert_labels",
		"ALTER TABLE _lakeport.accounts COMMENT = 'x'", "CREATE TABLE d.made LIKE _lakeport.accounts", "SELECT * FROM temp.main.`d\x1ft`",
		"SELECT nextval('x')", "CREATE TEMPORARY TABLE _lakeport.x (a INT)", "CREATE MACRO f() AS 1", "DROP TABLE temp.main.x",
		"SELECT * FROM temp.main.lakeport_stage", "SELECT * FROM starrocks.main.x", "SELECT * FROM system.information_schema.tables",
		"LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE d.t", "SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT load_file('/etc/passwd')",
		"INSERT INTO d.t SELECT 1, content FROM read_text('/etc/passwd')",
	}
	for _, q := range refusedQueries(t) {
		switch verb, _, _ := strings.Cut(strings.ToUpper(q), " "); verb {
		case "BEGIN", "EXPLAIN": // not queries to the engine, but statements of ours
			continue
		case "SELECT":
		default:
			attempts = append(attempts, q)
			continue
		}
		attempts = append(attempts, q)
		attempts = append(attempts,
			"INSERT INTO d.t (a) SELECT count(*) FROM ("+q+") x",
			"CREATE TABLE d.made AS "+q,
			"CREATE VIEW d.made AS "+q,
			"INSERT OVERWRITE d.t (a) SELECT count(*) FROM ("+q+") x",
			"CREATE TABLE d.made (a INT, b BIGINT AS (SELECT count(*) FROM ("+q+") x))",
			"EXPLAIN INSERT INTO d.t (a) SELECT count(*) FROM ("+q+") x",
			"UPDATE d.t SET a = (SELECT count(*) FROM ("+q+") x)",
			"DELETE FROM d.t WHERE EXISTS ("+q+")",
			"SHOW DATABASES WHERE EXISTS ("+q+")",
			"SET @x = (SELECT count(*) FROM ("+q+") x)",
			"EXPLAIN "+q,
			"CREATE TABLE d.made (a INT DEFAULT (SELECT count(*) FROM ("+q+") x))",
		)
	}
	for _, q := range attempts {
		rows, err := db.Query(q)
		if err == nil {
			t.Errorf("it ran: %s\n%s", q, dump(t, rows))
			continue
		}
		if text := err.Error(); strings.Contains(text, "root:x:0") || strings.Contains(text, l.dir) {
			t.Errorf("%s\nthe error tells of this machine: %s", q, text)
		}
	}
	if got, err := value(db, "SELECT concat(count(*), ' ', max(a)) FROM d.t"); err != nil || got != "1 1" {
		t.Errorf("the table has changed: %q, %v", got, err)
	}
	if got, err := value(db, "SELECT count(*) FROM information_schema.tables WHERE TABLE_SCHEMA = 'd'"); err != nil || got != "1" {
		t.Errorf("tables were made: %q, %v", got, err)
	}
}
