package e2e

import (
	"context"
	"database/sql"
	"net"
	"slices"
	"strings"
	"testing"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/wire"
	"lakeport/internal/wire/mysql"
)

// reference is the bare engine behind the protocol: what it answers about
// local files is what the lake must answer about the same files, spelled alike.
type reference struct{ db *engine.DB }

// newReference serves an engine that may read what is below dirs.
func newReference(t testing.TB, dirs ...string) *sql.DB {
	t.Helper()
	e, err := engine.Open(engine.Options{Dirs: dirs, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := mysql.Serve(context.Background(), l, reference{e}, mysql.Options{})
	db, err := sql.Open("mysql", "root@tcp("+srv.Addr().String()+")/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		_ = srv.Shutdown(context.Background())
		e.Close()
	})
	return db
}

// Login admits everybody.
func (r reference) Login(_ context.Context, l wire.Login) (wire.Session, error) {
	if _, err := l.Verify(wire.Verifier{Empty: true}); err != nil {
		return nil, err
	}
	conn, err := r.db.Connect()
	return &referenceSession{conn: conn}, err
}

// referenceSession runs queries as they come; what else a session does is not
// asked of it.
type referenceSession struct {
	wire.Session
	conn *engine.Conn
}

func (s *referenceSession) Exec(ctx context.Context, text string, w wire.ResultWriter) error {
	rows, err := s.conn.Query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := w.Columns(rows.Columns()); err != nil {
		return err
	}
	for {
		c, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		if c == nil {
			return w.Done(wire.Done{Tag: "SELECT"})
		}
		if err := w.Chunk(c); err != nil {
			return err
		}
	}
}

func (s *referenceSession) Columns(context.Context, string) ([]lake.Column, error) { return nil, nil }
func (s *referenceSession) Use(context.Context, string) error                      { return nil }
func (s *referenceSession) Reset(context.Context) error                            { return nil }
func (s *referenceSession) Status() wire.Status                                    { return wire.Status{Autocommit: true} }

func (s *referenceSession) Close() error {
	s.conn.Close()
	return nil
}

// lines gives a query's rows as sorted lines of tab-separated text.
func lines(db *sql.DB, query string) ([]string, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, message(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	cells, ptrs := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range cells {
		ptrs[i] = &cells[i]
	}
	var all []string
	for rows.Next() {
		if err := rows.Scan(ptrs...); err != nil {
			return nil, err
		}
		line := make([]string, len(cells))
		for i, c := range cells {
			if line[i] = c.String; !c.Valid {
				line[i] = "NULL"
			}
		}
		all = append(all, strings.Join(line, "\t"))
	}
	slices.Sort(all)
	return all, message(rows.Err())
}

// expectLines compares a query's sorted rows with lines.
func (l *lab) expectLines(db *sql.DB, query, want string) {
	l.t.Helper()
	got, err := lines(db, query)
	if text := strings.Join(got, "\n"); err != nil || text != want {
		l.t.Errorf("%s\ngot  %q, %v\nwant %q", query, text, err, want)
	}
}

// expectError runs a query that must fail, saying each of the words; the
// server must live on.
func (l *lab) expectError(db *sql.DB, query string, words ...string) {
	l.t.Helper()
	got, err := lines(db, query)
	if err == nil {
		l.t.Errorf("%s\ngot %q, want an error with %q", query, got, words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			l.t.Errorf("%s\ngot error %q, want %q in it", query, err, w)
		}
	}
	l.alive(db)
}

// alive sees that the server still answers.
func (l *lab) alive(db *sql.DB) {
	l.t.Helper()
	if got, err := value(db, "SELECT 1"); err != nil || got != "1" {
		l.t.Fatalf("the server does not answer SELECT 1: %q, %v\n%s", got, err, l.log)
	}
}
