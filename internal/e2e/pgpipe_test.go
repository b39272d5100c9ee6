package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// passwordProperties are those of a pipe that logs in as the master user.
func (d *sourceDB) passwordProperties() string {
	return fmt.Sprintf(`PROPERTIES ("host" = "%s", "port" = "%s", "database" = "shop", "user" = "admin", "authentication" = "password", "password" = "%s", "tls_ca" = "%s")`,
		d.host, d.port, masterPassword, d.ca)
}

// Types whose values a pipe writes otherwise than PostgreSQL does, and some
// that it keeps as text.
const pgTypes = `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
	CREATE TABLE types (id int PRIMARY KEY, small smallint, big bigint, dec_ numeric(20,5), wide numeric, f real, d double precision, flag boolean, c char(6), v varchar(20), t text, b bytea,
		dt date, ts timestamp, tz timestamptz(3), tm time, iv interval, u uuid, j jsonb, m mood, p positive, ip inet, ints int[], texts text[], r int4range);`

func pgTypedRow(id int) string {
	return fmt.Sprintf(`INSERT INTO types VALUES (%d, -32768, 9223372036854775807, -12345678901234.5, 1e45, 0.1, 1e-300, true, 'né', 'ab  ', E'two\nlines', '\xdeadbeef', '2026-02-28',
		'2026-03-04 05:06:07.123456', '2026-03-04 05:06:07.123+09', '24:00:00', '1 year 2 days 03:04:05', '11111111-2222-3333-4444-555555555555', '{"a": [1, null]}', 'ok', 7, '10.0.0.1/8',
		'{{1,2},{3,NULL}}', '{"a b",NULL,"NULL","\"","{"}', '[1,5)');
		INSERT INTO types (id, d, b, c, ts, dt) VALUES (%d, 'NaN', '', '', '0044-03-15 12:00:00 BC', 'infinity');`, id, id+1)
}

func TestPipeFollowsPostgres(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "postgres", "shop-pg", false, "rds.logical_replication")
	d.master(t, `CREATE TABLE orders (id bigint PRIMARY KEY, v text, doc text);
		ALTER TABLE orders ALTER doc SET STORAGE EXTERNAL;
		INSERT INTO orders SELECT i, 'v' || i, repeat('x', 10000) || i FROM generate_series(1, 300) i;
		CREATE TABLE whole (id int PRIMARY KEY, a int, doc text); ALTER TABLE whole REPLICA IDENTITY FULL; ALTER TABLE whole ALTER doc SET STORAGE EXTERNAL;
		INSERT INTO whole VALUES (1, 1, repeat('y', 5000));
		CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL, a int); CREATE UNIQUE INDEX by_code ON indexed (code); ALTER TABLE indexed REPLICA IDENTITY USING INDEX by_code;
		INSERT INTO indexed VALUES (1, 'one', 1);
		CREATE TABLE parted (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
		CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
		INSERT INTO parted VALUES (1, '2026-01-05');
		CREATE TABLE others (id int);`+pgTypes+pgTypedRow(1))
	db := l.db()
	l.exec(db, "CREATE DATABASE lake", "CREATE PIPE p FROM POSTGRES "+d.passwordProperties()+
		" TABLES (orders AS lake.orders, whole AS lake.whole, `indexed` AS lake.indexed_, parted AS lake.parted, types AS lake.types) SETTINGS (sync_interval = 1, pull_batch_size = 1000)")
	l.awaitPipe("p", "RUNNING")

	// Rows that the load brought and rows that the stream brought are equal.
	d.master(t, pgTypedRow(3))
	l.awaitValue(db, "SELECT COUNT(*) FROM lake.types", "4")
	columns := "small, big, dec_, wide, f, d, flag, c, v, t, b, dt, ts, tz, tm, iv, u, j, m, p, ip, ints, texts, r"
	l.awaitValue(db, "SELECT COUNT(*) FROM (SELECT DISTINCT "+columns+" FROM lake.types) x", "2")
	l.awaitValue(db, "SELECT CONCAT_WS('|', small, big, dec_, wide, f, d, flag, c, v, hex(b), ts, tz, tm, iv, j, m, p, ip, ints, texts, r) FROM lake.types WHERE id = 3",
		`-32768|9223372036854775807|-12345678901234.50000|1000000000000000000000000000000000000000000000|0.1|1e-300|1|né|ab  |DEADBEEF|2026-03-04 05:06:07.123456|2026-03-03 20:06:07.123|24:00:00|`+
			`1 year 2 days 03:04:05|{"a": [1, null]}|ok|7|10.0.0.1/8|[[1,2],[3,null]]|["a b",null,"NULL","\"","{"]|[1,5)`)

	// Large values that a change leaves alone, changes of keys, within one batch.
	d.master(t, `INSERT INTO orders VALUES (1001, 'new', 'short');
		UPDATE orders SET v = 'changed' WHERE id = 7;
		UPDATE orders SET id = 2008, v = 'moved' WHERE id = 8;
		BEGIN; UPDATE orders SET id = 1 - id WHERE id IN (1, 2); UPDATE orders SET v = 'twice' WHERE id = -1; UPDATE orders SET id = 2 WHERE id = 0; COMMIT;
		INSERT INTO orders VALUES (5000, 'gone', repeat('z', 9000)); UPDATE orders SET v = 'still gone' WHERE id = 5000; DELETE FROM orders WHERE id = 5000;
		INSERT INTO orders VALUES (5001, 'kept', repeat('z', 9000)); UPDATE orders SET v = 'kept now' WHERE id = 5001;
		DELETE FROM orders WHERE id = 9;
		BEGIN; INSERT INTO orders VALUES (3000, 'never', 'x'); ROLLBACK;
		UPDATE whole SET a = 2, id = 2 WHERE id = 1; INSERT INTO whole VALUES (3, 3, NULL); DELETE FROM whole WHERE id = 3;
		UPDATE indexed SET id = 5, code = 'five' WHERE code = 'one'; INSERT INTO indexed VALUES (6, 'six', 6); DELETE FROM indexed WHERE id = 6;
		INSERT INTO parted VALUES (2, '2026-02-05'); UPDATE parted SET day = '2026-02-06' WHERE id = 1;
		INSERT INTO others VALUES (1);`)
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT(id, v, length(doc)) ORDER BY id) FROM lake.orders WHERE id IN (-1, 0, 1, 2, 7, 8, 9, 1001, 2008, 3000, 5000, 5001)",
		"-1twice10001,2v110001,7changed10001,1001new5,2008moved10001,5001kept now9000")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT_WS('-', id, a, length(doc))) FROM lake.whole", "2-2-5000")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT_WS('-', id, code, a)) FROM lake.indexed_", "5-five-1")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT_WS(' ', id, day) ORDER BY id) FROM lake.parted", "1 2026-02-06,2 2026-02-05")

	// A transaction larger than a batch comes whole.
	d.master(t, "BEGIN; INSERT INTO orders SELECT i, 'large', i FROM generate_series(10001, 40000) i; UPDATE orders SET v = 'large ' || id WHERE id > 10000; COMMIT;")
	l.awaitValue(db, "SELECT IF(COUNT(*) = 0, 'none', CONCAT_WS('|', COUNT(*), MIN(v), MAX(v))) FROM lake.orders WHERE id > 10000", "30000|large 10001|large 40000")

	// Columns: a constant default is also what the rows have that were there.
	d.master(t, "ALTER TABLE orders ADD COLUMN grade int DEFAULT 4, ADD COLUMN note text; ALTER TABLE orders DROP COLUMN doc; INSERT INTO orders VALUES (6000, 'wider', 5, 'n');")
	l.awaitValue(db, "SELECT CONCAT_WS('|', COUNT(*), SUM(grade) - 4 * COUNT(*), MAX(note), MAX(IF(id = 6000, doc, NULL))) FROM lake.orders WHERE id IN (7, 2008, 6000)", "3|1|n")

	// What is written while the pipe stands still, and what a full log holds back.
	l.exec(db, "PAUSE PIPE p")
	d.master(t, "TRUNCATE orders; INSERT INTO orders VALUES (1, 'after', 1, 'x');")
	l.exec(db, "RESUME PIPE p")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT(id, v)) FROM lake.orders", "1after")
	d.master(t, "INSERT INTO others SELECT generate_series(1, 1000);")
	end := strings.TrimSpace(d.master(t, "SELECT pg_current_wal_flush_lsn()"))
	l.await("the slot at "+end, func() (string, bool) {
		found := d.master(t, "SELECT confirmed_flush_lsn, confirmed_flush_lsn >= '"+end+"' FROM pg_replication_slots")
		return found, strings.HasSuffix(strings.TrimSpace(found), "|t")
	})

	l.exec(db, "DROP PIPE p")
	if left := strings.Fields(d.master(t, "SELECT count(*) FROM pg_replication_slots; SELECT count(*) FROM pg_publication;")); left[0] != "0" || left[1] != "0" {
		t.Errorf("slots and publications are left: %s", left)
	}
}

// What cannot be followed is refused before anything is made, or stops the
// pipe, with the reason and what to do.
func TestPipesSayWhyPostgresCannotBeFollowed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "postgres", "shop-pg", true)
	d.master(t, printedPostgresUser+`GRANT SELECT ON ALL TABLES IN SCHEMA public TO clickpipes_iam_user; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO clickpipes_iam_user;
		CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders VALUES (1, 'one'); CREATE TABLE keyless (a int); CREATE TABLE silent (id int PRIMARY KEY); ALTER TABLE silent REPLICA IDENTITY NOTHING;
		CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); CREATE UNLOGGED TABLE loose (id int PRIMARY KEY);
		CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent); CREATE VIEW seen AS SELECT * FROM orders;`)
	l.pipeRole(d.id)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake")
	refused := func(want, properties, tables, settings string) {
		t.Helper()
		_, err := db.Exec("CREATE PIPE p FROM POSTGRES " + properties + " TABLES (" + tables + ") MODE INITIAL_LOAD_AND_CDC SETTINGS (sync_interval = 1" + settings + ")")
		if err == nil || !strings.Contains(message(err).Error(), want) {
			t.Fatalf("the answer is %v, want %s", err, want)
		}
	}
	orders := "orders AS lake.orders"
	refused("takes no IAM token for replication, so that changes cannot be followed: rds.iam_auth_for_replication is not on", d.properties(), orders, "")
	refused("wal_level of the source is replica", d.passwordProperties(), orders, "")
	l.parameters(home, "logical", "rds.logical_replication")
	l.ask(home, "ModifyDBInstance", "DBInstanceIdentifier", "shop-pg", "DBParameterGroupName", "logical")
	refused("wal_level of the source is replica", d.passwordProperties(), orders, "")
	l.ask(home, "RebootDBInstance", "DBInstanceIdentifier", "shop-pg")
	l.awaitDatabase(home, "postgres", "shop-pg")
	refused("takes no IAM token for replication", d.properties(), orders, "")
	for _, c := range [][3]string{
		{"keyless", "", "it has no primary key to be its replica identity"},
		{"silent", "", "its replica identity is NOTHING"},
		{"made", "", "column twice of public.made is generated"},
		{"loose", "", "unlogged or temporary"},
		{"parent", "", "has tables that inherit from it"},
		{"seen", "", "public.seen is no table"},
		{"nothing", "", "the source has no table public.nothing"},
		{"orders KEY (v)", "", "column v of the key is not in the replica identity"},
		{"orders", ", publication_name = 'none'", "the source has no publication none"},
		{"orders", ", replication_slot_name = 'none'", "the source has no replication slot none"},
		{"orders", ", replication_slot_name = 'No'", "the name of a slot is of lower-case letters"},
	} {
		refused(c[2], d.passwordProperties(), strings.Replace(c[0]+" ", " ", " AS lake.x ", 1), c[1])
	}
	d.master(t, `CREATE PUBLICATION few FOR TABLE orders WHERE (id > 5); CREATE PUBLICATION inserts FOR TABLE orders WITH (publish = 'insert'); CREATE PUBLICATION other FOR TABLE made; CREATE PUBLICATION thin FOR TABLE orders (id);
		CREATE PUBLICATION good FOR TABLE orders;`)
	refused("has only those rows of public.orders that meet", d.passwordProperties(), orders, ", publication_name = 'few'")
	refused("publication inserts of the source leaves out: update, delete, truncate", d.passwordProperties(), orders, ", publication_name = 'inserts'")
	refused("table public.orders is not in publication other", d.passwordProperties(), orders, ", publication_name = 'other'")
	refused("leaves out column v of public.orders", d.passwordProperties(), orders, ", publication_name = 'thin'")

	// With the switch, tokens replicate as pipes.md's newer page says.
	l.ask(home, "ModifyDBParameterGroup", "DBParameterGroupName", "logical", "Parameters.Parameter.1.ParameterName", "rds.iam_auth_for_replication",
		"Parameters.Parameter.1.ParameterValue", "1", "Parameters.Parameter.1.ApplyMethod", "immediate")
	refused("user clickpipes_iam_user may not replicate", d.properties(), orders, ", publication_name = 'good'")
	d.master(t, "GRANT rds_replication TO clickpipes_iam_user;")
	refused("user clickpipes_iam_user may not publish public.orders", d.properties(), orders, "")
	l.exec(db, "CREATE PIPE p FROM POSTGRES "+d.properties()+" TABLES (orders AS lake.orders) SETTINGS (sync_interval = 1, publication_name = 'good')")
	l.awaitPipe("p", "RUNNING")
	d.master(t, "INSERT INTO orders VALUES (2, 'two');")
	l.awaitValue(db, "SELECT COUNT(*) FROM lake.orders", "2")
	l.moveClock(16 * time.Minute) // the token is dead by now
	d.master(t, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots; INSERT INTO orders VALUES (3, 'three');")
	l.awaitValue(db, "SELECT COUNT(*) FROM lake.orders", "3")

	// What stops a pipe that runs.
	d.master(t, "DROP VIEW seen; ALTER TABLE orders ALTER v TYPE int USING id; INSERT INTO orders VALUES (4, 4);")
	if got := l.awaitPipe("p", "FAILED"); !strings.Contains(got, "column v of public.orders is now of type integer, when the pipe was made it was text") {
		t.Errorf("the pipe says %s", got)
	}
	d.master(t, "ALTER TABLE orders ALTER v TYPE text; DELETE FROM orders WHERE id = 4;")
	l.exec(db, "RESUME PIPE p")
	if got := l.awaitPipe("p", "FAILED"); !strings.Contains(got, "is now of type integer") { // the row of that time still comes first
		t.Errorf("the pipe says %s", got)
	}
	l.exec(db, "DROP PIPE p", "DROP TABLE lake.orders", "CREATE PIPE p FROM POSTGRES "+d.properties()+" TABLES (orders AS lake.orders) SETTINGS (sync_interval = 1, publication_name = 'good')")
	l.awaitPipe("p", "RUNNING")
	d.master(t, "ALTER PUBLICATION good DROP TABLE orders;")
	if got := l.awaitPipe("p", "FAILED"); !strings.Contains(got, "table public.orders is not in publication good") {
		t.Errorf("the pipe says %s", got)
	}
	d.master(t, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;")
	l.exec(db, "RESUME PIPE p")
	if got := l.awaitPipe("p", "FAILED"); !strings.Contains(got, "the source has lost replication slot lakeport_slot_p_") {
		t.Errorf("the pipe says %s", got)
	}
	l.exec(db, "DROP PIPE p", "DROP TABLE lake.orders")

	// A slot that was made before: the pipe begins at the load's snapshot.
	d.master(t, `ALTER PUBLICATION good ADD TABLE orders; SELECT pg_create_logical_replication_slot('mine', 'pgoutput'); UPDATE orders SET v = 'seen by the load'; DELETE FROM orders WHERE id = 1;`)
	l.exec(db, "CREATE PIPE p FROM POSTGRES "+d.passwordProperties()+" TABLES (orders AS lake.orders) SETTINGS (sync_interval = 1, publication_name = 'good', replication_slot_name = 'mine')")
	l.awaitPipe("p", "RUNNING")
	d.master(t, "INSERT INTO orders VALUES (5, 'five');")
	l.awaitValue(db, "SELECT GROUP_CONCAT(id ORDER BY id) FROM lake.orders", "2,3,5")
	l.exec(db, "DROP PIPE p")

	// Changes only, from where such a slot stands; and what DROP PIPE cannot do.
	d.master(t, "INSERT INTO orders VALUES (6, 'six');")
	if left := strings.Fields(d.master(t, "SELECT slot_name FROM pg_replication_slots")); len(left) != 1 || left[0] != "mine" {
		t.Errorf("after DROP PIPE there are the slots %v, want the one that the pipe did not make", left)
	}
	if _, err := db.Exec("CREATE PIPE p FROM POSTGRES " + d.passwordProperties() + " TABLES (orders AS lake.later) MODE CDC SETTINGS (replication_slot_name = 'mine')"); err == nil || !strings.Contains(err.Error(), "needs publication_name beside it") {
		t.Errorf("a slot without its publication is answered %v", err)
	}
	l.exec(db, "CREATE PIPE p FROM POSTGRES "+d.passwordProperties()+" TABLES (orders AS lake.later) MODE CDC SETTINGS (sync_interval = 1, replication_slot_name = 'mine', publication_name = 'good')")
	l.awaitValue(db, "SELECT MAX(id) FROM lake.later", "6")
	if got, _ := value(db, "SELECT COUNT(*) FROM lake.later WHERE id < 5"); got != "0" {
		t.Errorf("%s rows from before the slot's place have come", got)
	}
	l.exec(db, "CREATE PIPE q FROM POSTGRES "+d.passwordProperties()+" TABLES (orders AS lake.latest) MODE CDC SETTINGS (sync_interval = 1, publication_name = 'good')")
	l.awaitPipe("q", "RUNNING")
	l.ask(home, "DeleteDBInstance", "DBInstanceIdentifier", "shop-pg", "SkipFinalSnapshot", "true")
	one := l.db()
	one.SetMaxOpenConns(1)
	l.exec(one, "DROP PIPE q")
	var level, warning string
	var code int
	if err := one.QueryRow("SHOW WARNINGS").Scan(&level, &code, &warning); err != nil || !strings.Contains(warning, "replication slot lakeport_slot_q_") || !strings.Contains(warning, "stays in the source") {
		t.Errorf("the warning is %s (%v)", warning, err)
	}
}

// AWS's own client sets parameters, and hears what RDS says of wrong ones.
func TestAWSCommandLineSetsParameters(t *testing.T) {
	t.Parallel()
	s := awsShell(t, newLab(t), rootKeys[home]).awsCommands()
	for _, args := range []string{
		"create-db-parameter-group --db-parameter-group-name Logical --db-parameter-group-family postgres15 --description changes --query DBParameterGroup.[DBParameterGroupName,DBParameterGroupFamily]",
		"modify-db-parameter-group --db-parameter-group-name logical --parameters ParameterName=rds.logical_replication,ParameterValue=1,ApplyMethod=pending-reboot ParameterName=rds.iam_auth_for_replication,ParameterValue=1,ApplyMethod=immediate",
		"modify-db-parameter-group --db-parameter-group-name logical --parameters ParameterName=rds.logical_replication,ParameterValue=0,ApplyMethod=immediate",
		"modify-db-parameter-group --db-parameter-group-name logical --parameters ParameterName=wal_level,ParameterValue=logical,ApplyMethod=pending-reboot",
		"describe-db-parameter-groups --query DBParameterGroups[].[DBParameterGroupName,Description]",
		"delete-db-parameter-group --db-parameter-group-name logical",
		"reboot-db-instance --db-instance-identifier nosuch",
	} {
		s.aws("rds " + args)
	}
	golden(t, "aws-rds-parameters.txt", s.out.String())
}
