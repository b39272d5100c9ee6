package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open connects Go's driver; params is what stands behind the ? of its DSN.
func open(t testing.TB, s *Server, user, params string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("%s@tcp(%s)/?%s", user, s.Addr(), params))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestGoDriverLogsInByEveryMethod(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	for _, user := range []string{"root", "native:secret", "sha2:secret", "both:secret"} {
		for _, params := range []string{"", "tls=skip-verify"} {
			t.Run(user+" "+params, func(t *testing.T) {
				var n int
				if err := open(t, s, user, params).QueryRow("select 42").Scan(&n); err != nil || n != 42 {
					t.Errorf("select 42 = %d, %v", n, err)
				}
			})
		}
	}
	for _, user := range []string{"root:secret", "native", "native:wrong", "sha2", "sha2:wrong", "nobody", "nobody:x"} {
		t.Run(user, func(t *testing.T) {
			var got *driver.MySQLError
			if err := open(t, s, user, "").Ping(); !errors.As(err, &got) || got.Number != 1045 {
				t.Errorf("ping: %v, want error 1045", err)
			}
		})
	}
}

func TestErrorsCarryNumberStatePositionAndHint(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	_, err := open(t, s, "root", "").Exec("fail nosuch")
	got := &driver.MySQLError{}
	if !errors.As(err, &got) || got.Number != 1146 || string(got.SQLState[:]) != "42S02" {
		t.Fatalf("error %v, want 1146 (42S02)", err)
	}
	if want := "1:6: Unknown table 'nosuch'\nhint: create it"; got.Message != want {
		t.Errorf("message %q, want %q", got.Message, want)
	}
}

func TestGoDriverReadsRows(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	db := open(t, s, "root", "")
	for _, args := range [][]any{{"rows 5000"}, {"rows ?", 5000}} {
		rows, err := db.QueryContext(context.Background(), args[0].(string), args[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		n, sum := 0, int64(0)
		for rows.Next() {
			var id, qty int64
			var name, note string
			var price float64
			if err := rows.Scan(&id, &name, &price, &note, &qty); err != nil {
				t.Fatal(err)
			}
			if n == 2 && (id != 2*7919 || name != "item 000002" || price != 0.51 || note != "a note on item number 2" || qty != 2) {
				t.Errorf("row 2: %d %q %v %q %d", id, name, price, note, qty)
			}
			n, sum = n+1, sum+id
		}
		if err := rows.Err(); err != nil || n != 5000 {
			t.Errorf("%v: %d rows, %v", args, n, err)
		}
	}
}

func TestShutdownLetsStatementsFinish(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{})
	idle, busy := open(t, s, "root", ""), open(t, s, "root", "")
	if err := idle.Ping(); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := busy.Exec("sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	select {
	case err := <-done:
		t.Fatalf("shutdown ended while a statement ran: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	b.await(t, "stopped")
	if err := <-failed; err == nil {
		t.Error("the statement that was cut off did not fail")
	}
}
