package e2e

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soak is a source, a pipe that follows it, and what befalls both.
type soak struct {
	*lab
	d      *sourceDB
	random *rand.Rand
	next   int   // the next new key
	moves  int   // of keys
	deck   []int // kinds of work yet to come, so that all come as often
	clock  time.Duration
}

// Pipes that are killed, cut off and overtaken by the clock while they load and
// follow end with the source's rows: none missing, none twice, none different.
// LAKEPORT_SOAK is the number of stops, LAKEPORT_SOAK_SEED repeats a run.
func TestPipesOutliveStops(t *testing.T) {
	t.Parallel()
	stops, seed := 3, rand.Uint64()
	if n, err := strconv.Atoi(os.Getenv("LAKEPORT_SOAK")); err == nil {
		stops = n
	}
	if n, err := strconv.ParseUint(os.Getenv("LAKEPORT_SOAK_SEED"), 10, 64); err == nil {
		seed = n
	}
	for _, engine := range []string{"mariadb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			t.Logf("LAKEPORT_SOAK=%d LAKEPORT_SOAK_SEED=%d", stops, seed)
			s := newSoak(t, engine, rand.New(rand.NewPCG(seed, 0)))
			for n := range stops {
				s.stopOnce(n)
			}
			s.awaitPipe("p", "RUNNING")
			s.d.master(t, s.work(kindsOfWork)) // a stop may have come before any of it
			s.awaitEqual("orders")
			s.awaitEqual("line_items")
		})
	}
}

// The same tables for both engines; PostgreSQL sends the columns of orders that
// a change leaves alone only where they are small.
var soakTables = map[string]string{
	"mariadb": `CREATE TABLE orders (id INT PRIMARY KEY, v INT, note TEXT, total DECIMAL(12,3), placed DATETIME(6), raw VARBINARY(20), f DOUBLE) DEFAULT CHARSET utf8mb4;
		CREATE TABLE line_items (id INT, part INT, v INT, PRIMARY KEY (part, id));`,
	"postgres": `CREATE TABLE orders (id int PRIMARY KEY, v int, note text, total numeric(12,3), placed timestamp, raw bytea, f double precision); ALTER TABLE orders ALTER note SET STORAGE EXTERNAL;
		CREATE TABLE line_items (id int, part int, v int, PRIMARY KEY (part, id)); ALTER TABLE line_items REPLICA IDENTITY FULL;
		CREATE PUBLICATION shop FOR TABLE orders, line_items; GRANT SELECT ON orders, line_items TO clickpipes_iam_user; GRANT rds_replication TO clickpipes_iam_user;`,
}

func newSoak(t *testing.T, engine string, random *rand.Rand) *soak {
	s := &soak{lab: newLab(t), random: random, next: 1}
	kind, settings := "MARIADB", ""
	if engine == "postgres" {
		kind, settings = "POSTGRES", ", publication_name = 'shop'"
		s.d = s.makeDatabase(home, engine, "shop-db", true, "rds.logical_replication", "rds.iam_auth_for_replication")
		s.d.master(t, printedPostgresUser+soakTables[engine])
	} else {
		s.d = s.makeDatabase(home, engine, "shop-db", true)
		s.d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user'; USE shop;"+soakTables[engine])
	}
	s.d.master(t, s.script(s.insert(3000), s.insert(500)))
	s.pipeRole(s.d.id)
	s.exec(s.db(), "CREATE DATABASE lake", "CREATE PIPE p FROM "+kind+" "+s.d.properties()+
		" TABLES (orders AS lake.orders, line_items AS lake.line_items) SETTINGS (sync_interval = 1, pull_batch_size = 2000, snapshot_rows_per_partition = 500"+settings+")")
	return s
}

func (s *soak) script(statements ...string) string {
	if s.d.engine == "mariadb" {
		return "USE shop;" + strings.Join(statements, ";\n") + ";"
	}
	return strings.Join(statements, ";\n") + ";"
}

// insert adds n rows to orders and as many to line_items.
func (s *soak) insert(n int) string {
	from := s.next
	s.next += n
	note, series := "CASE WHEN %[1]s %% 5 > 0 THEN repeat('né %[1]s ', %[1]s %% 400) END", fmt.Sprintf("seq_%d_to_%d", from, s.next-1)
	at, raw, column := "TIMESTAMP '2026-01-02 03:04:05.678901' + INTERVAL seq SECOND", "UNHEX(LPAD(HEX(seq), 8, '0'))", "seq"
	if s.d.engine == "postgres" {
		at, raw, column = "timestamp '2026-01-02 03:04:05.678901' + i * interval '1 s'", "decode(lpad(to_hex(i), 8, '0'), 'hex')", "i"
		series, note = fmt.Sprintf("generate_series(%d, %d) i", from, s.next-1), strings.Replace(note, "'né %[1]s '", "'né ' || %[1]s || ' '", 1)
	} else {
		note = strings.Replace(note, "'né %[1]s '", "CONCAT('né ', %[1]s, ' ')", 1)
	}
	return fmt.Sprintf("INSERT INTO orders SELECT %[1]s, %[1]s, "+note+", %[1]s / 8, %[2]s, %[3]s, %[1]s / 8.0 FROM %[4]s;\nINSERT INTO line_items SELECT %[1]s, %[1]s %% 7, 0 FROM %[4]s", column, at, raw, series)
}

const kindsOfWork = 9

// work is n kinds of transactions at random.
func (s *soak) work(n int) string {
	var list []string
	for range n {
		if len(s.deck) == 0 {
			s.deck = s.random.Perm(kindsOfWork)
		}
		kind := s.deck[0]
		s.deck = s.deck[1:]
		m, r := 2+s.random.IntN(90), s.random.IntN(90)
		switch kind {
		case 0, 1:
			list = append(list, s.insert(1+s.random.IntN(800)))
		case 2:
			list = append(list, fmt.Sprintf("UPDATE orders SET v = v + %d, f = v WHERE id %% %d = %d", r, m, r%m))
		case 3:
			list = append(list, fmt.Sprintf("DELETE FROM orders WHERE id %% %d = %d AND id > 50", 3*m, r%m), fmt.Sprintf("DELETE FROM line_items WHERE id %% %d = %d", 3*m, r%m))
		case 4: // keys change, and values that are not told come along
			s.moves++
			list = append(list, fmt.Sprintf("UPDATE orders SET id = -id - %d, v = v + 1 WHERE id %% %d = %d AND id > 0", 1_000_000*s.moves, 5*m, r%m))
		case 5:
			list = append(list, "BEGIN", fmt.Sprintf("UPDATE line_items SET v = v + 1 WHERE part = %d", r%7), "DELETE FROM orders", "ROLLBACK")
		case 6:
			list = append(list, "BEGIN", s.insert(200), fmt.Sprintf("UPDATE orders SET note = CONCAT('note ', v) WHERE id %% %d = %d", m, r%m), fmt.Sprintf("UPDATE line_items SET v = %d WHERE id %% %d = %d", r, m, r%m), "COMMIT")
		case 7: // more than a batch, and than a piece of a large transaction
			list = append(list, "BEGIN", s.insert(6000), fmt.Sprintf("UPDATE line_items SET v = v + %d", r), fmt.Sprintf("DELETE FROM orders WHERE id > %d AND id %% 3 > 0", s.next-6000), "COMMIT")
		case 8:
			list = append(list, "TRUNCATE TABLE line_items", s.insert(20))
		}
	}
	return s.script(list...)
}

// stopOnce lets the source work, stops lakeport or its connections at some
// moment meanwhile, and moves the clock past the life of every token.
func (s *soak) stopOnce(n int) {
	s.t.Helper()
	if n > 0 && s.random.IntN(3) > 0 { // else it may be the load that is stopped
		s.awaitPipe("p", "RUNNING")
	}
	worked := make(chan string, 1)
	text := s.work(1 + s.random.IntN(4))
	go func() {
		// The databases of the sandbox end with it: the work may come to nothing.
		out, err := s.d.send("admin", masterPassword, text)
		if err != nil {
			out = fmt.Sprintf("%s: %v", out, err)
		}
		worked <- out
	}()
	moment := time.NewTimer(time.Duration(s.random.IntN(1500)) * time.Millisecond) // anywhere in a batch
	<-moment.C
	s.clock += 16 * time.Minute
	kill := n == 0 || s.random.IntN(3) > 0
	if kill {
		s.stop(syscall.SIGKILL)
		<-worked
		s.start()
		s.offset = nil // a clock begins anew with its sandbox
		s.moveClock(s.clock)
		s.awaitDatabase(home, s.d.engine, "shop-db")
		return
	}
	if out := <-worked; strings.Contains(out, "ERROR") {
		s.t.Fatalf("%s\n%s", text, out)
	}
	s.moveClock(s.clock)
	if s.d.engine == "postgres" {
		s.d.master(s.t, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'clickpipes_iam_user'")
		return
	}
	s.ask(home, "RebootDBInstance", "DBInstanceIdentifier", "shop-db")
	s.awaitDatabase(home, s.d.engine, "shop-db")
}

// The canonical text of a row in each dialect, hashed where it lies.
var canonical = map[string]map[string]string{
	"orders": {
		"postgres": "md5(concat_ws('|', id, v, coalesce(note, 'NULL'), total, to_char(placed, 'YYYY-MM-DD HH24:MI:SS.US'), encode(raw, 'hex'), (f * 8)::bigint))",
		"mariadb":  "MD5(CONCAT_WS('|', id, v, COALESCE(note, 'NULL'), total, DATE_FORMAT(placed, '%Y-%m-%d %H:%i:%s.%f'), LOWER(HEX(raw)), CAST(f * 8 AS SIGNED)))",
		"lakeport": "md5(CONCAT_WS('|', id, v, COALESCE(note, 'NULL'), total, DATE_FORMAT(placed, '%Y-%m-%d %H:%i:%s.%f'), LOWER(HEX(raw)), CAST(f * 8 AS BIGINT)))",
	},
	"line_items": {
		"postgres": "md5(concat_ws('|', id, part, v))", "mariadb": "MD5(CONCAT_WS('|', id, part, v))", "lakeport": "md5(CONCAT_WS('|', id, part, v))",
	},
}

// awaitEqual waits until source and target are equal by the hashes of all rows.
func (s *soak) awaitEqual(table string) {
	s.t.Helper()
	schema := map[string]string{"postgres": "public.", "mariadb": "shop."}[s.d.engine]
	want := strings.Fields(s.d.master(s.t, "SELECT "+canonical[table][s.d.engine]+" FROM "+schema+table))
	slices.Sort(want)
	if len(want) == 0 {
		s.t.Fatalf("the source's %s is empty", table)
	}
	db := s.db()
	s.await("the source's rows of "+table, func() (string, bool) {
		got, err := hashes(db, "SELECT "+canonical[table]["lakeport"]+" FROM lake."+table)
		if err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("%d rows, %d of %d", len(got), common(got, want), len(want)), slices.Equal(got, want)
	})
}

func hashes(db *sql.DB, query string) (list []string, err error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h string
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	slices.Sort(list)
	return list, rows.Err()
}

// common counts what two sorted lists share.
func common(a, b []string) (n int) {
	for len(a) > 0 && len(b) > 0 {
		switch c := strings.Compare(a[0], b[0]); {
		case c < 0:
			a = a[1:]
		case c > 0:
			b = b[1:]
		default:
			a, b, n = a[1:], b[1:], n+1
		}
	}
	return n
}
