package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// soon is how long a statement may go on once it is cancelled.
const soon = 100 * time.Millisecond

// one pins a connection of db and gives its id.
func one(t testing.TB, db *sql.DB, b *backend) (*sql.Conn, uint32) {
	t.Helper()
	c, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, b.lastLogin().ConnID
}

func TestKillQueryStopsTheStatementAndKeepsTheConnection(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{})
	victim, id := one(t, open(t, s, "root", ""), b)
	failed := make(chan error, 1)
	go func() {
		_, err := victim.ExecContext(context.Background(), "sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	began := time.Now()
	if _, err := open(t, s, "root", "").Exec(fmt.Sprintf("kill query %d", id)); err != nil {
		t.Fatal(err)
	}
	b.await(t, "stopped")
	if d := time.Since(began); d > soon {
		t.Errorf("the statement went on for %v", d)
	}
	var got *driver.MySQLError
	if err := <-failed; !errors.As(err, &got) || got.Number != 1317 || string(got.SQLState[:]) != "70100" {
		t.Errorf("error %v, want 1317 (70100)", err)
	}
	if err := victim.PingContext(context.Background()); err != nil {
		t.Errorf("the connection is gone: %v", err)
	}
}

func TestKillEndsTheConnection(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{})
	victim, id := one(t, open(t, s, "root", ""), b)
	failed := make(chan error, 1)
	go func() {
		_, err := victim.ExecContext(context.Background(), "sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	if _, err := open(t, s, "root", "").Exec(fmt.Sprintf("kill %d", id)); err != nil {
		t.Fatal(err)
	}
	b.await(t, "stopped")
	if err := <-failed; err == nil {
		t.Error("the statement did not fail")
	}
	if err := victim.PingContext(context.Background()); err == nil {
		t.Error("the connection lives on")
	}
}

func TestKillOfAnUnknownConnectionIsAnError(t *testing.T) {
	_, err := open(t, serve(t, newBackend(), Options{}), "root", "").Exec("kill 99")
	var got *driver.MySQLError
	if !errors.As(err, &got) || got.Number != 1094 {
		t.Errorf("error %v, want 1094", err)
	}
}

// Go's driver cancels by closing its socket.
func TestAClientThatLeavesTakesItsStatementAlong(t *testing.T) {
	for _, params := range []string{"", "tls=skip-verify"} {
		for _, statement := range []string{"sleep", "flood"} {
			t.Run(statement+" "+params, func(t *testing.T) {
				b := newBackend()
				db := open(t, serve(t, b, Options{}), "root", params)
				ctx, cancel := context.WithCancel(context.Background())
				rows, err := make(chan *sql.Rows, 1), make(chan error, 1)
				go func() {
					r, e := db.QueryContext(ctx, statement)
					rows <- r
					err <- e
				}()
				if statement == "sleep" {
					b.await(t, "asleep")
				} else if r := <-rows; r != nil {
					r.Next()
					defer r.Close()
				}
				began := time.Now()
				cancel()
				b.await(t, "stopped")
				if d := time.Since(began); d > soon {
					t.Errorf("the statement went on for %v", d)
				}
				if e := <-err; statement == "sleep" && !errors.Is(e, context.Canceled) {
					t.Errorf("error %v", e)
				}
			})
		}
	}
}

// A client that does not read stops its own statement only, and is let go
// when it is killed.
func TestASlowClientSlowsNobodyElse(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{})
	db := open(t, s, "root", "")
	slow, id := one(t, db, b)
	rows, err := slow.QueryContext(context.Background(), "flood")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	other := open(t, s, "root", "")
	readAll(t, other, "rows 1000000")
	select {
	case e := <-b.events:
		t.Fatalf("the slow client's statement is %s", e)
	default:
	}
	if _, err := other.Exec(fmt.Sprintf("kill %d", id)); err != nil {
		t.Fatal(err)
	}
	b.await(t, "stopped")
}
