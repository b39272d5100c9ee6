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

// Every type that a pipe carries, and its edge values; the names are columns.
// What is left out of a row is the column's default.
const everyType = "CREATE TABLE shop.types (id INT PRIMARY KEY, tiny TINYINT, utiny TINYINT UNSIGNED, flag TINYINT(1), small SMALLINT, usmall SMALLINT UNSIGNED, medium MEDIUMINT, umedium MEDIUMINT UNSIGNED, n INT(7) ZEROFILL," +
	" big BIGINT, ubig BIGINT UNSIGNED, dec_ DECIMAL(20,5), wide DECIMAL(65,30), wzero DECIMAL(50,2) ZEROFILL, f FLOAT, d DOUBLE, y YEAR, bit1 BIT, bits BIT(64), c CHAR(10), c255 CHAR(255), v VARCHAR(100), t LONGTEXT," +
	" l1 VARCHAR(40) CHARACTER SET latin1, cyr CHAR(20) CHARACTER SET cp1251, u16 VARCHAR(10) CHARACTER SET utf16, u32 TEXT CHARACTER SET utf32, b BINARY(6), b300 VARBINARY(300), bl BLOB," +
	" e ENUM('a','it''s','c,d'), el ENUM('é','ü') CHARACTER SET latin1, s SET('x','y','z'), s64 SET(" + sixtyFour + "), j JSON, dt DATE, ts TIMESTAMP(6) NULL, ts0 TIMESTAMP NULL, dtm DATETIME(3), dt6 DATETIME(6), tm TIME(2), tm0 TIME, tm6 TIME(6)," +
	" uid UUID, i6 INET6, i4 INET4, virt INT AS (tiny + 1) VIRTUAL, stored VARCHAR(120) AS (CONCAT(v, '!')) STORED, hidden INT INVISIBLE DEFAULT 7) DEFAULT CHARSET utf8mb4;"

const sixtyFour = "'1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17','18','19','20','21','22','23','24','25','26','27','28','29','30','31','32'," +
	"'33','34','35','36','37','38','39','40','41','42','43','44','45','46','47','48','49','50','51','52','53','54','55','56','57','58','59','60','61','62','63','64'"

// typedRows inserts the edge values as four rows from an id on.
func typedRows(id int) string {
	return fmt.Sprintf(`SET sql_mode = ''; SET time_zone = '+00:00'; SET NAMES utf8mb4;
INSERT INTO shop.types (id, tiny, utiny, flag, small, usmall, medium, umedium, n, big, ubig, dec_, wide, wzero, f, d, y, bit1, bits, c, c255, v, t, l1, cyr, u16, u32, b, b300, bl, e, el, s, s64, j, dt, ts, ts0, dtm, dt6, tm, tm0, tm6, uid, i6, i4) VALUES
(%[1]d, -128, 255, 1, -32768, 65535, -8388608, 16777215, 42, -9223372036854775808, 18446744073709551615, -12345678901234.50000, -12345678901234567890123456789012345.000000000000000000000000000001, 12.5,
 0.1, 0.1, 2026, b'1', b'1111111111111111111111111111111111111111111111111111111111111111', 'né', 'é', '日本', REPEAT('long text ', 30), 'né€', 'Привет', 'é😀', '日😀', 0x01000000, 0x00ff00, 0xdeadbeef,
 'it''s', 'ü', 'x,z', '1,64', '{"a": [1, null], "b,": "x:y"}', '2026-02-28', '2026-03-04 05:06:07.123456', '2038-01-19 03:14:07', '2026-03-04 05:06:07.120', '9999-12-31 23:59:59.999999', '-100:01:02.50', '-838:59:59', '-00:00:00.000001',
 '0190163d-8694-739b-aea5-966c26f8ad91', '2001:db8::', '1.2.3.0'),
(%[2]d, 127, 0, 0, 32767, 0, 8388607, 0, 12345678, 9223372036854775807, 0, 0.00001, 0.000000000000000000000000000001, 0, 3.40282e38, -1.7976931348623157e308, 1901, b'0', 1, '', '', '', '', '', '', '', '', '', '', '',
 'c,d', 'é', '', '', '[]', '0000-00-00', '1970-01-01 00:00:01', '0000-00-00 00:00:00', '1000-01-01 00:00:00', '2026-00-15 01:02:03', '00:00:00', '838:59:59', '100:00:00',
 'ffffffff-ffff-ffff-ffff-ffffffffffff', '::1.2.3.4', '0.0.0.0'),
(%[3]d, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0, -1, 1, 1e-38, 5e-324, 0, b'1', 0, ' a', REPEAT('é', 255), 'a ''"\\', '\n\t', '\\', '!', ' ', 'a', 'abcdef', REPEAT(0x00, 300), '',
 'no such', 'é', 'y', '33', NULL, '2026-01-00', '2026-01-01 00:00:00', '2026-01-01', '2026-12-31 23:59:59.999', '2026-01-01', '-00:00:01', '00:00:01', '23:59:59.999999',
 '00000000-0000-0000-0000-000000000000', '1:0:2:3:4:5:6:7', '255.255.255.255');
INSERT INTO shop.types (id) VALUES (%[4]d);
`, id, id+1, id+2, id+3)
}

func TestPipeFollowsMariaDBWithIAM(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "mariadb", "shop-db", true)
	d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user';"+
		"SET sql_mode = '';"+everyType+typedRows(1)+"CREATE TABLE shop.lines (id INT PRIMARY KEY, n INT, CONSTRAINT of FOREIGN KEY (n) REFERENCES shop.types (id) ON DELETE CASCADE);")
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake", "CREATE PIPE p FROM MARIADB "+d.properties()+" TABLES (types AS lake.types) MODE INITIAL_LOAD_AND_CDC SETTINGS (sync_interval = 1)")
	l.awaitPipe("p", "RUNNING")
	for query, want := range map[string]string{
		"CREATE PIPE q FROM MARIADB " + d.properties() + " TABLES (`lines` AS lake.`lines`)": "the foreign key of of shop.lines lets the source delete or change rows by CASCADE or SET, which its binary log does not tell of",
		"CREATE PIPE q FROM MYSQL " + d.properties() + " TABLES (types AS lake.other)":       "the source is MARIADB, version",
	} {
		if _, err := db.Exec(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nis answered %v, want %s", query, err, want)
		}
	}
	var name, statement string
	if err := db.QueryRow("SHOW CREATE PIPE p").Scan(&name, &statement); err != nil || !strings.Contains(statement, `"snapshot_tables_in_parallel" = "1", "sync_interval" = "1")`) {
		t.Errorf("SHOW CREATE PIPE gives %s, %v", statement, err)
	}
	d.master(t, typedRows(11))
	l.awaitValue(db, "SELECT COUNT(*) FROM lake.types", "8")
	columns := strings.TrimSpace(d.master(t, "SET SESSION group_concat_max_len = 100000; SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'types' AND COLUMN_NAME <> 'id'"))
	for _, c := range strings.Split(columns, ",") { // what was loaded and what was followed are equal
		if got, err := value(db, "SELECT GROUP_CONCAT(CONCAT(a.id, ': ', COALESCE(a."+c+", 'NULL'), ' is followed as ', COALESCE(b."+c+", 'NULL')) SEPARATOR '; ') FROM lake.types a JOIN lake.types b ON b.id = a.id + 10 WHERE NOT (a."+c+" <=> b."+c+")"); err != nil || got != "" {
			t.Errorf("column %s: %s (%v)", c, got, err)
		}
	}
	got, err := value(db, "SELECT CONCAT_WS('|', tiny, utiny, flag, ubig, dec_, wide, wzero, f, d, y, bits, c, v, l1, cyr, u16, u32, hex(b), e, el, s, s64, j, dt, ts, ts0, dt6, tm, tm0, tm6, uid, i6, i4, virt, stored, hidden) FROM lake.types WHERE id = 11")
	if want := `-128|255|1|18446744073709551615|-12345678901234.50000|-12345678901234567890123456789012345.000000000000000000000000000001|12.50|0.1|0.1|2026|18446744073709551615|né|日本|né€|Привет|é😀|日😀|010000000000|it's|ü|x,z|1,64|` +
		`{"a": [1, null], "b,": "x:y"}|2026-02-28|2026-03-04 05:06:07.123456|2038-01-19 03:14:07|9999-12-31 23:59:59.999999|-100:01:02.50|-838:59:59|-00:00:00.000001|0190163d-8694-739b-aea5-966c26f8ad91|2001:db8::|1.2.3.0|-127|日本!|7`; err != nil || got != want {
		t.Errorf("a followed row is\n%s (%v), want\n%s", got, err, want)
	}
	got, err = value(db, "SELECT CONCAT_WS('|', COUNT(dt), COUNT(ts0), COUNT(dt6), MAX(i6)) FROM lake.types WHERE id IN (12, 13)")
	if want := "0|1|1|::1.2.3.4"; err != nil || got != want {
		t.Errorf("dates that are none: %s (%v), want %s", got, err, want)
	}
	d.master(t, "UPDATE shop.types SET v = 'new', id = 30 WHERE id = 11; DELETE FROM shop.types WHERE id < 10 OR id = 13; START TRANSACTION; INSERT INTO shop.types (id) VALUES (77); ROLLBACK;")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT(id, COALESCE(v, '')) ORDER BY id) FROM lake.types", "12,14,30new")
	d.master(t, "ALTER TABLE shop.types ADD COLUMN more INT FIRST; INSERT INTO shop.types (id, more) VALUES (5, 55);")
	l.awaitValue(db, "SELECT CONCAT(id, '-', more) FROM lake.types WHERE more IS NOT NULL", "5-55")
	d.master(t, "UPDATE shop.types SET v = 'old' WHERE id = 5; ALTER TABLE shop.types DROP COLUMN stored, CHANGE v w VARCHAR(120), MODIFY e ENUM('z','a','it''s','c,d'); INSERT INTO shop.types (id, w, e) VALUES (6, 'six', 'it''s');")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT_WS('-', id, w, e, stored) ORDER BY id) FROM lake.types WHERE w > ''", "5-old-old!,6-six-it's,30-new-it's-new!")
	// As gh-ost does it.
	d.master(t, "USE shop; CREATE TABLE _types_gho LIKE types; ALTER TABLE _types_gho ADD COLUMN extra INT DEFAULT 7; INSERT INTO _types_gho (id, w, extra) SELECT id, w, 7 FROM types; SET foreign_key_checks = 0; RENAME TABLE types TO _types_del, _types_gho TO types; "+
		"INSERT INTO types (id, extra, w) VALUES (7, 70, 'seven'); UPDATE types SET w = 'drei' WHERE id = 30; DROP TABLE _types_del;")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT_WS('-', id, w, extra) ORDER BY id) FROM lake.types WHERE w > ''", "5-old,6-six,7-seven-70,30-drei-7")
	l.exec(db, "PAUSE PIPE p")
	d.master(t, "SET foreign_key_checks = 0; TRUNCATE TABLE shop.types; INSERT INTO shop.types (id, dec_) VALUES (9, 1.5);")
	l.exec(db, "RESUME PIPE p")
	l.awaitValue(db, "SELECT GROUP_CONCAT(id) FROM lake.types", "9")
	d.master(t, "ALTER TABLE shop.types MODIFY dec_ DECIMAL(20,8); INSERT INTO shop.types (id, dec_) VALUES (10, 0.00000001);")
	if got, want := l.awaitPipe("p", "FAILED"), "column dec_ of shop.types: its type in the source has changed, and the target's DECIMAL(20,5) does not hold what it may have now"; !strings.Contains(got, want) {
		t.Errorf("the pipe has failed for %s, want %s", got, want)
	}
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
