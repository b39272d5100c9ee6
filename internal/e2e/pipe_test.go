package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// printedMySQLUser is the statement of the page for MySQL and MariaDB.
const printedMySQLUser = "CREATE USER 'clickpipes_iam_user' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';\n"

// pipeRole makes the page's customer role, which the machine's role may take
// with tags, for one database user.
func (l *lab) pipeRole(resource string) {
	l.t.Helper()
	l.makeRole(home, "starrocks-ec2", trustDocument(`{"Service": "ec2.amazonaws.com"}`, "sts:AssumeRole"), map[string]*string{})
	w := l.makeWorld([]worldLine{{account: home, verb: "profile", args: "starrocks-ec2"}}, nil)
	l.makeRole(home, "pipes", trustDocument(`{"AWS": "arn:aws:iam::`+home+`:role/starrocks-ec2"}`, "sts:AssumeRole", "sts:TagSession"), map[string]*string{})
	w.allow(home, "role/pipes rds-db:connect arn:aws:rds-db:"+region+":"+home+":dbuser:"+resource+"/clickpipes_iam_user")
}

func trustDocument(principal string, actions ...string) *string {
	return document(fmt.Sprintf(`{"Effect": "Allow", "Principal": %s, "Action": ["%s"]}`, principal, strings.Join(actions, `", "`)))
}

// properties are those of a pipe that logs in by IAM.
func (d *sourceDB) properties(more ...string) string {
	return fmt.Sprintf(`PROPERTIES ("host" = "%s", "port" = "%s", "database" = "shop", "user" = "clickpipes_iam_user", "authentication" = "iam",
		"aws.rds.iam_role_arn" = "arn:aws:iam::%s:role/pipes", "aws.rds.hop.1.tags" = "service=lakeport", "aws.rds.region" = "%s", "aws.rds.resource_id" = "%s", "tls_ca" = "%s"%s)`,
		d.host, d.port, home, region, d.id, d.ca, strings.Join(more, ""))
}

func TestPipeLoadsFromMariaDBWithIAM(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "mariadb", "shop-db", true)
	d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user';"+
		"USE shop; CREATE TABLE shop.orders (id BIGINT UNSIGNED PRIMARY KEY, customer VARCHAR(50) NOT NULL, total DECIMAL(12,3), placed DATETIME(6), note TEXT);"+
		"INSERT INTO shop.orders SELECT seq, CONCAT('customer ', seq % 7), seq / 8, '2026-01-02 03:04:05.678901' + INTERVAL seq SECOND, IF(seq % 5, CONCAT('né ', seq), NULL) FROM seq_1_to_5000;")
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake", "CREATE PIPE p FROM MARIADB "+d.properties()+" TABLES (orders AS lake.orders) MODE INITIAL_LOAD SETTINGS (snapshot_rows_per_partition = 700)")
	l.awaitPipe("p", "COMPLETED")
	got, err := value(db, "SELECT CONCAT_WS('|', COUNT(*), COUNT(DISTINCT id), SUM(total), MIN(placed), COUNT(note), MAX(note)) FROM lake.orders")
	if want := "5000|5000|1562812.500|2026-01-02 03:04:06.678901|4000|né 999"; err != nil || got != want {
		t.Errorf("the target holds %s (%v), want %s", got, err, want)
	}
	l.exec(db, "DROP PIPE p")
}

// One row of every type that a pipe carries; the names are columns.
const everyType = "CREATE TABLE shop.types (id INT PRIMARY KEY, tiny TINYINT, utiny TINYINT UNSIGNED, flag TINYINT(1), small SMALLINT, medium MEDIUMINT UNSIGNED, big BIGINT, ubig BIGINT UNSIGNED," +
	" dec_ DECIMAL(20,5), f FLOAT, d DOUBLE, y YEAR, bits BIT(40), c CHAR(10), v VARCHAR(100), t LONGTEXT, b BINARY(6), vb VARBINARY(20), bl BLOB," +
	" e ENUM('a','it''s','c,d'), s SET('x','y','z'), dt DATE, ts TIMESTAMP(6) NULL, dtm DATETIME(3), tm TIME(2)) DEFAULT CHARSET utf8mb4;"

func typedRow(id int) string {
	return fmt.Sprintf("INSERT INTO shop.types VALUES (%d, -128, 255, 1, -32768, 16777215, -9223372036854775808, 18446744073709551615, -12345678901234.50000, 0.1, 0.1, 2026,"+
		" b'1010101010101010101010101010101010101010', 'né', '日本', REPEAT('long text ', 30), 0x01000000, 0x00ff00, 0xdeadbeef, 'it''s', 'x,z', '2026-02-28', '2026-03-04 05:06:07.123456',"+
		" '2026-03-04 05:06:07.120', '-100:01:02.50'), (%d, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', '', '', NULL, '', '', 'c,d', '', '0000-00-00', NULL, NULL, NULL);\n", id, id+1)
}

func TestPipeFollowsMariaDBWithIAM(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "mariadb", "shop-db", true)
	d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user';"+
		"SET sql_mode = ''; SET time_zone = '+00:00';"+everyType+typedRow(1))
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake", "CREATE PIPE p FROM MARIADB "+d.properties()+" TABLES (types AS lake.types) MODE INITIAL_LOAD_AND_CDC SETTINGS (sync_interval = 1)")
	l.awaitPipe("p", "RUNNING")
	d.master(t, "SET sql_mode = ''; SET time_zone = '+00:00';"+typedRow(3))
	l.awaitValue(db, "SELECT COUNT(*) FROM lake.types", "4")
	columns := "tiny, utiny, flag, small, medium, big, ubig, dec_, f, d, y, bits, c, v, t, b, vb, bl, e, s, dt, ts, dtm, tm"
	l.awaitValue(db, "SELECT COUNT(*) FROM (SELECT DISTINCT "+columns+" FROM lake.types) x", "2") // what was loaded and what was followed are equal
	got, err := value(db, "SELECT CONCAT_WS('|', tiny, utiny, flag, ubig, dec_, f, d, y, bits, c, v, hex(b), e, s, ts, dtm, tm) FROM lake.types WHERE id = 3")
	if want := "-128|255|1|18446744073709551615|-12345678901234.50000|0.1|0.1|2026|733007751850|né|日本|010000000000|it's|x,z|2026-03-04 05:06:07.123456|2026-03-04 05:06:07.12|-100:01:02.50"; err != nil || got != want {
		t.Errorf("a followed row is %s (%v), want %s", got, err, want)
	}
	d.master(t, "UPDATE shop.types SET v = 'new', id = 30 WHERE id = 3; DELETE FROM shop.types WHERE id = 1; START TRANSACTION; INSERT INTO shop.types (id) VALUES (77); ROLLBACK;")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT(id, v) ORDER BY id) FROM lake.types", "2,4,30new")
	d.master(t, "ALTER TABLE shop.types ADD COLUMN more INT FIRST; INSERT INTO shop.types (id, more) VALUES (5, 55);")
	l.awaitValue(db, "SELECT CONCAT(id, '-', more) FROM lake.types WHERE more IS NOT NULL", "5-55")
	l.exec(db, "PAUSE PIPE p")
	d.master(t, "TRUNCATE TABLE shop.types; INSERT INTO shop.types (id) VALUES (9);")
	l.exec(db, "RESUME PIPE p")
	l.awaitValue(db, "SELECT GROUP_CONCAT(id) FROM lake.types", "9")
}

// printedPostgresUser is the page's two statements for PostgreSQL.
const printedPostgresUser = "CREATE USER clickpipes_iam_user;\nGRANT rds_iam TO clickpipes_iam_user;\n"

func TestPipeLoadsFromPostgresWithIAM(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "postgres", "shop-pg", true)
	d.master(t, printedPostgresUser+`CREATE SCHEMA "Sales"; GRANT USAGE ON SCHEMA "Sales" TO clickpipes_iam_user;
		CREATE TABLE "Sales"."Orders?" (id bigint PRIMARY KEY, n numeric(12,3), big numeric, at timestamptz, note text, tags text[], raw bytea, ok boolean, u uuid, d double precision);
		SET TIME ZONE 'Asia/Tokyo';
		INSERT INTO "Sales"."Orders?" SELECT i, i / 8.0, 12345678901234567890123456789012345678901234567890.5, timestamptz '2026-01-02 03:04:05.678901+00' + i * interval '1 s',
			CASE WHEN i % 5 > 0 THEN 'né ' || i END, ARRAY['a', i::text], decode('00ff', 'hex'), i % 2 = 0, '11111111-2222-3333-4444-555555555555', 0.1 FROM generate_series(1, 20000) i;
		GRANT SELECT ON ALL TABLES IN SCHEMA "Sales" TO clickpipes_iam_user;`)
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake", "CREATE PIPE p FROM POSTGRES "+d.properties()+" TABLES (`Sales`.`Orders?` AS lake.orders) MODE INITIAL_LOAD SETTINGS (snapshot_rows_per_partition = 3000)")
	l.awaitPipe("p", "COMPLETED")
	got, err := value(db, "SELECT CONCAT_WS('|', COUNT(*), COUNT(DISTINCT id), SUM(n), MAX(big), MIN(at), COUNT(note), MAX(note), MAX(tags), hex(MAX(raw)), SUM(ok), MAX(u), MAX(d)) FROM lake.orders")
	if want := `20000|20000|25001250.000|12345678901234567890123456789012345678901234567890.5|2026-01-02 03:04:06.678901|16000|né 9999|["a","9999"]|00FF|10000|11111111-2222-3333-4444-555555555555|0.1`; err != nil || got != want {
		t.Errorf("the target holds\n%s (%v), want\n%s", got, err, want)
	}
	_, err = value(db, "CREATE PIPE q FROM POSTGRES "+d.properties()+" TABLES (`Sales`.`Orders?` AS lake.other)")
	if want := "takes no IAM token for replication, so that changes cannot be followed: rds.iam_auth_for_replication is not on"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a pipe for changes is answered %v, want %s", err, want)
	}
}
