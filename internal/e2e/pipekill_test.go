package e2e

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// A pipe that is killed while it carries changes, with the clock past the
// lifetime of its tokens, ends with the source's rows: none missing, none twice.
func TestPipeOutlivesKills(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.makeDatabase(home, "mariadb", "shop-db", true)
	d.master(t, printedMySQLUser+"GRANT SELECT ON shop.* TO 'clickpipes_iam_user'; GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user';"+
		"USE shop; CREATE TABLE orders (id INT PRIMARY KEY, v INT); INSERT INTO orders SELECT seq, seq FROM seq_1_to_3000;")
	l.pipeRole(d.id)
	l.exec(l.db(), "CREATE DATABASE lake", "CREATE PIPE p FROM MARIADB "+d.properties()+" TABLES (orders AS lake.orders) SETTINGS (sync_interval = 1, snapshot_rows_per_partition = 500)")
	for round := range 3 {
		from := 3001 + round*1000
		d.master(t, fmt.Sprintf("USE shop; INSERT INTO orders SELECT seq, seq FROM seq_%d_to_%d; UPDATE orders SET v = v + %d WHERE id %% 7 = %d; DELETE FROM orders WHERE id %% 100 = %d;",
			from, from+999, round+1, round, round))
		time.Sleep(rand.N(1500 * time.Millisecond)) // anywhere in a batch
		l.stop(syscall.SIGKILL)
		l.start()
		l.instrument("POST", "clock", map[string]string{"advance": "16m"}, nil)
	}
	sum := "SELECT CONCAT_WS('|', COUNT(*), COUNT(DISTINCT id), SUM(v), SUM(id * v)) FROM "
	want := d.master(t, sum+"shop.orders")
	got, db := "", l.db()
	for deadline := time.Now().Add(2 * time.Minute); got+"\n" != want; time.Sleep(100 * time.Millisecond) {
		got, _ = value(db, sum+"lake.orders")
		if time.Now().After(deadline) {
			t.Fatalf("the target is %s, the source %s\n%s", got, want, l.log)
		}
	}
}
