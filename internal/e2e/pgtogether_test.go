package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pipelined sends statements by the extended protocol with one Sync behind them
// all, and gives their tags and the code of the error that ended them.
func pipelined(t *testing.T, c *pgconn.PgConn, statements []string) string {
	t.Helper()
	p := c.StartPipeline(context.Background())
	for _, s := range statements {
		p.SendQueryParams(s, nil, nil, nil, nil)
	}
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	var told []string
	for range statements {
		r, err := p.GetResults()
		if err == nil {
			tag, closed := r.(*pgconn.ResultReader).Close()
			if err = closed; err == nil {
				told = append(told, tag.String())
			}
		}
		if err != nil {
			told = append(told, pgCode(err))
			break
		}
	}
	_ = p.Close() // it repeats the error
	return strings.Join(told, ", ")
}

// inOneText sends statements as one simple query.
func inOneText(c *pgconn.PgConn, statements []string) string {
	results, err := c.Exec(context.Background(), strings.Join(statements, "; ")).ReadAll()
	var told []string
	for _, r := range results {
		told = append(told, r.CommandTag.String())
	}
	if err != nil {
		told = append(told, pgCode(err))
	}
	return strings.Join(told, ", ")
}

// Statements of one text, and those of a pipeline up to Sync, are one
// transaction unless they begin and end their own.
func TestStatementsTogetherAreOneTransaction(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("")
	ctx := context.Background()
	if _, err := c.Exec(ctx, "CREATE TABLE t (a INT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	const put = "INSERT 0 1"
	for _, step := range []struct {
		statements []string
		want, rows string
	}{
		{[]string{"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"}, put + ", " + put, "0,1,2"},
		{[]string{"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (NULL)", "INSERT INTO t VALUES (3)"}, put + ", 23502", "0"},
		{[]string{"CREATE TABLE made (a INT)", "INSERT INTO t SELECT 1", "SELECT 1 / 0"}, "CREATE TABLE, " + put + ", 22012", "0"},
		{[]string{"CREATE TABLE made (a INT)", "INSERT INTO made VALUES (1)", "DROP TABLE made"}, "CREATE TABLE, " + put + ", DROP TABLE", "0"}, // it was not left behind
		{[]string{"INSERT INTO t VALUES (1)", "COMMIT", "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (NULL)"}, put + ", COMMIT, " + put + ", 23502", "0,1"},
		{[]string{"INSERT INTO t VALUES (1)", "ROLLBACK", "INSERT INTO t VALUES (2)"}, put + ", ROLLBACK, " + put, "0,2"},
		{[]string{"INSERT INTO t VALUES (1)", "BEGIN", "INSERT INTO t VALUES (2)", "ROLLBACK", "INSERT INTO t VALUES (3)"}, put + ", BEGIN, " + put + ", ROLLBACK, " + put, "0,3"},
		{[]string{"VACUUM", "INSERT INTO t VALUES (1)"}, "VACUUM, " + put, "0,1"},
		{[]string{"INSERT INTO t VALUES (1)", "VACUUM"}, put + ", 25001", "0"},
		{[]string{"BEGIN", "INSERT INTO t VALUES (1)", "TRUNCATE t", "INSERT INTO t VALUES (2)", "ROLLBACK"}, "BEGIN, " + put + ", TRUNCATE TABLE, " + put + ", ROLLBACK", "NULL"},
		{[]string{"INSERT INTO t VALUES (1)", "SET search_path TO nosuch", "SELECT 1 / 0"}, put + ", SET, 22012", "0"},
	} {
		for _, way := range []struct {
			name string
			send func() string
		}{
			{"pipeline", func() string { return pipelined(t, c.PgConn(), step.statements) }},
			{"text", func() string { return inOneText(c.PgConn(), step.statements) }},
		} {
			if _, err := c.Exec(ctx, "DELETE FROM t; INSERT INTO t VALUES (0)", pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			if got := way.send(); got != step.want {
				t.Errorf("%s of %s: got %s, want %s", way.name, step.statements, got, step.want)
			}
			if status := c.PgConn().TxStatus(); status != 'I' {
				t.Errorf("%s of %s: status %c, want I", way.name, step.statements, status)
			}
			if got := scalar(t, c, "SELECT listagg(a, ',') WITHIN GROUP (ORDER BY a) FROM t"); got != step.rows {
				t.Errorf("%s of %s: rows %s, want %s", way.name, step.statements, got, step.rows)
			}
		}
	}
	cursor := []string{"DECLARE c CURSOR FOR SELECT 1", "FETCH ALL FROM c"}
	if got := inOneText(c.PgConn(), cursor) + "; " + pipelined(t, c.PgConn(), cursor); got != "DECLARE CURSOR, FETCH 1; 25P01" {
		t.Errorf("a cursor of one text, then of a pipeline: got %s", got)
	}
	if got := inOneText(c.PgConn(), []string{"INSERT INTO t VALUES (5)", "SELEC 1"}); got != "42601" {
		t.Errorf("a text with a fault: got %s, want 42601 and nothing before it", got)
	}

	batch := &pgx.Batch{}
	for _, a := range []any{7, nil, 8} {
		batch.Queue("INSERT INTO t VALUES ($1)", a)
	}
	if err := c.SendBatch(ctx, batch).Close(); pgCode(err) != "23502" {
		t.Errorf("a batch: got %v, want 23502", err)
	}
	if got := scalar(t, c, "SELECT count(*) FROM t WHERE a > 6"); got != "0" {
		t.Errorf("a failed batch left %s rows", got)
	}
}
