// Package scan carries out a planned scan: it mounts the objects as local files,
// offers the feeds to the engine and gives the SQL that reads both. What the SQL
// means is the table format's affair, how bytes arrive is package blob's.
package scan

import (
	"context"

	"lakeport/internal/blob"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
)

// Prepare mounts the scan's objects for the statement, to be read as c's
// identity, offers its feeds, and gives the SELECT over both. It is good until the
// statement is closed. If the SELECT fails, st.Err tells why before the engine
// does.
func Prepare(ctx context.Context, st *blob.Statement, c *blob.Client, s lake.Scan) (sql string, err error) {
	format := s.Format
	if format == "" {
		format = "parquet"
	}
	paths, err := st.Mount(ctx, c, s.Objects, blob.Hint{Table: s.Table, Columns: s.Columns, Format: format, Describe: s.Describe, Skip: s.Skip})
	if err != nil {
		return "", err
	}
	feeds := make([]string, len(s.Feeds))
	for i, f := range s.Feeds {
		feeds[i] = engine.Offer(st.Context(), f)
	}
	return s.SQL(paths, feeds), nil
}
