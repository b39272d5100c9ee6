package e2e

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// answers gives what a statement answers: its rows, or its tag, or the code of
// its error.
func answers(c *pgconn.PgConn, text string) string {
	results, err := c.Exec(context.Background(), text).ReadAll()
	if err != nil {
		return pgCode(err)
	}
	last := results[len(results)-1]
	if len(last.FieldDescriptions) == 0 {
		return last.CommandTag.String()
	}
	var rows []string
	for _, row := range last.Rows {
		fields := make([]string, len(row))
		for i, f := range row {
			if fields[i] = string(f); f == nil {
				fields[i] = "NULL"
			}
		}
		rows = append(rows, strings.Join(fields, "|"))
	}
	return strings.Join(rows, ";")
}

func TestRedshiftsStatements(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.pgx("").PgConn()
	text, err := os.ReadFile("testdata/redshift_statements.txt")
	l.must(text, err)
	for line := range strings.Lines(string(text)) {
		statement, want, is := strings.Cut(strings.TrimSpace(line), " => ")
		if strings.HasPrefix(line, "#") || !is {
			continue
		}
		if got := answers(c, statement); got != want {
			t.Errorf("%s: got %s, want %s", statement, got, want)
		}
	}
}
