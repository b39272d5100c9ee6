package mysql

import (
	"database/sql"
	"io"
	"testing"
)

// benchRows is the result that the bar for rows is measured with.
const benchRows = 1_000_000

// BenchmarkRows reads a million rows of five columns with Go's driver, the
// way bench/README.md compares with MariaDB.
func BenchmarkRows(b *testing.B) {
	s := serve(b, newBackend(), Options{})
	for _, mode := range []struct {
		name, params, query string
		args                []any
	}{
		{"text", "", "rows 1000000", nil},
		{"prepared", "", "rows ?", []any{benchRows}},
		{"tls", "tls=skip-verify", "rows 1000000", nil},
	} {
		db := open(b, s, "root", mode.params)
		b.Run(mode.name, func(b *testing.B) {
			for b.Loop() {
				readAll(b, db, mode.query, mode.args...)
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// readAll reads a result without converting its values.
func readAll(b testing.TB, db *sql.DB, query string, args ...any) {
	rows, err := db.Query(query, args...)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var v [5]sql.RawBytes
	n := 0
	for rows.Next() {
		if err := rows.Scan(&v[0], &v[1], &v[2], &v[3], &v[4]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := rows.Err(); err != nil || n != benchRows {
		b.Fatalf("%d rows, %v", n, err)
	}
}

// BenchmarkWriter measures the row writer alone.
func BenchmarkWriter(b *testing.B) {
	pk := &packets{w: io.Discard}
	for name, write := range map[string]func() error{
		"text":   func() error { return pk.textRows(fullChunk) },
		"binary": func() error { return pk.binaryRows(fullChunk, benchColumns, 0, fullChunk.Rows) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := write(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(fullChunk.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
