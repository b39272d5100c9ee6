package mysql

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"lakeport/internal/wire"
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
	busy, id := one(t, open(t, s, "root", ""), b)
	idle, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	r := &raw{t: t, n: idle, pk: packets{r: idle, w: idle}}
	r.login(plainCaps)
	failed := make(chan error, 1)
	go func() {
		_, err := busy.ExecContext(t.Context(), "sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	if _, err := r.pk.read(1); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v, want its end", err)
	}
	select {
	case err := <-done:
		t.Errorf("shutdown ended while a statement ran: %v", err)
	default:
	}
	b.killer(id)(true)
	var got *driver.MySQLError
	if err := <-failed; !errors.As(err, &got) || got.Number != 1317 {
		t.Errorf("the running statement was not answered: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestShutdownCutsStatementsWhenItsTimeIsUp(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{})
	failed := make(chan error, 1)
	db := open(t, s, "root", "")
	go func() {
		_, err := db.Exec("sleep")
		failed <- err
	}()
	b.await(t, "asleep")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	b.await(t, "stopped")
	if err := <-failed; err == nil {
		t.Error("the statement that was cut off did not fail")
	}
}

func TestShutdownGivesUpOnAStatementThatDoesNotEnd(t *testing.T) {
	b := newBackend()
	s := serve(t, b, Options{Patience: time.Millisecond})
	db := open(t, s, "root", "")
	go func() { _, _ = db.Exec("deaf") }()
	b.await(t, "asleep")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, wire.ErrRunning) {
		t.Errorf("shutdown: %v", err)
	}
	close(b.wake)
}

func TestAPanicCostsOneConnection(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	db, other := open(t, s, "root", ""), open(t, s, "root", "")
	if err := other.Ping(); err != nil {
		t.Fatal(err)
	}
	var got *driver.MySQLError
	if _, err := db.Exec("panic"); !errors.As(err, &got) || got.Number != 1105 {
		t.Errorf("error %v, want 1105", err)
	}
	if err := other.Ping(); err != nil {
		t.Errorf("another connection: %v", err)
	}
	r := dial(t, newBackend(), Options{})
	r.login(plainCaps)
	r.command(comStmtPrepare, "panic")
	if b := r.command(comStmtExecute, uint32(1), byte(execReadOnlyCursor), uint32(1)); b[0] != headErr {
		t.Errorf("under a cursor: %q", b)
	}
}

// joined sends what is written first in one piece with what was held back.
type joined struct {
	net.Conn
	held []byte
}

func (j *joined) Write(b []byte) (int, error) {
	if j.held == nil {
		return j.Conn.Write(b)
	}
	_, err := j.Conn.Write(append(j.held, b...))
	j.held = nil
	return len(b), err
}

func TestTLSMayBeginRightBehindItsRequest(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	n, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	n.SetDeadline(time.Now().Add(10 * time.Second))
	r := &raw{t: t, n: n, pk: packets{r: n, w: n}}
	r.read()
	request := hello41(plainCaps|capSSL, "")[:32]
	secure := tls.Client(&joined{n, append([]byte{32, 0, 0, 1}, request...)}, &tls.Config{InsecureSkipVerify: true})
	r.pk.r, r.pk.w, r.pk.seq = secure, secure, 2
	r.send(false, hello41(plainCaps|capSSL, "root"))
	if b := r.read(); b[0] != headOK {
		t.Errorf("login: %q", b)
	}
}
