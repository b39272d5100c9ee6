package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// passwordProperties are those of a pipe that logs in as the master user.
func (d *sourceDB) passwordProperties() string {
	return fmt.Sprintf(`PROPERTIES ("host" = "%s", "port" = "%s", "database" = "shop", "user" = "admin", "authentication" = "password", "password" = "%s", "tls_ca" = "%s")`,
		d.host, d.port, masterPassword, d.ca)
}

func TestPipeFollowsPostgres(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "postgres", "shop-pg", false)
	d.master(t, `CREATE TABLE orders (id bigint PRIMARY KEY, v text, doc text);
		ALTER TABLE orders ALTER doc SET STORAGE EXTERNAL;
		INSERT INTO orders SELECT i, 'v' || i, repeat('x', 10000) || i FROM generate_series(1, 300) i;`)
	db := l.db()
	l.exec(db, "CREATE DATABASE lake", "CREATE PIPE p FROM POSTGRES "+d.passwordProperties()+" TABLES (orders AS lake.orders) SETTINGS (sync_interval = 1)")
	l.awaitPipe("p", "RUNNING")
	d.master(t, `INSERT INTO orders VALUES (1001, 'new', 'short');
		UPDATE orders SET v = 'changed' WHERE id = 7;
		UPDATE orders SET id = 2008, v = 'moved' WHERE id = 8;
		DELETE FROM orders WHERE id = 9;
		BEGIN; INSERT INTO orders VALUES (3000, 'never', 'x'); ROLLBACK;`)
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT(id, v, length(doc)) ORDER BY id) FROM lake.orders WHERE id IN (7, 8, 9, 1001, 2008, 3000)", "7changed10001,1001new5,2008moved10001")
	d.master(t, "TRUNCATE orders; INSERT INTO orders VALUES (1, 'after', NULL);")
	l.awaitValue(db, "SELECT GROUP_CONCAT(CONCAT(id, v)) FROM lake.orders", "1after")
	l.exec(db, "DROP PIPE p")
	if left := d.master(t, "SELECT count(*) FROM pg_replication_slots; SELECT count(*) FROM pg_publication;"); strings.Fields(left)[0] != "0" || strings.Fields(left)[1] != "0" {
		t.Errorf("slots and publications are left: %s", left)
	}
}
