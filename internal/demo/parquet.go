package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

// putQuery puts a query's rows into a bucket as Parquet.
func (s *story) putQuery(ctx context.Context, a *account, bucket, region, key, query string) error {
	file := filepath.Join(s.Dir, "rows.parquet")
	if err := writeParquet(ctx, s.Dir, file, query); err != nil {
		return fmt.Errorf("make %s: %w", key, err)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	a.object(bucket, region, key, f)
	return a.err
}

// writeParquet writes a query's rows with an engine of its own.
func writeParquet(ctx context.Context, dir, file, query string) error {
	db, err := engine.Open(engine.Options{Dirs: []string{dir}})
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Exec(ctx, "COPY ("+query+") TO "+lake.QuoteString(file)+" (FORMAT parquet)")
	return err
}
