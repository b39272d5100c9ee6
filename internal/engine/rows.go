package engine

import (
	"context"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Rows is a streaming result. The next statement that its connection prepares
// or runs closes it.
type Rows struct {
	conn    *Conn
	text    string
	result  duckdb.Result
	columns []lake.Column
	raw     duckdb.DataChunk // behind chunk
	chunk   lake.Chunk
	owned   *Stmt // closed with the rows; nil: the caller's
	ended   bool  // the last chunk has been read
	closed  bool
}

// describe reads the columns and refuses types that lake does not have.
func (r *Rows) describe() error {
	r.columns = make([]lake.Column, duckdb.ColumnCount(&r.result))
	for i := range r.columns {
		n := duckdb.IdxT(i)
		col := lake.Column{
			Name: duckdb.ColumnName(&r.result, n),
			Type: takeType(duckdb.ColumnLogicalType(&r.result, n)),
		}
		if !known(col.Type) {
			return sqlerr.New(sqlerr.Unsupported, "column %s has a type that cannot be sent to a client", lake.QuoteName(col.Name)).
				WithHint("write CAST(%s AS VARCHAR)", lake.QuoteName(col.Name))
		}
		r.columns[i] = col
	}
	r.chunk.Columns = make([]lake.Vector, len(r.columns))
	return nil
}

// Columns gives the result's columns.
func (r *Rows) Columns() []lake.Column { return r.columns }

// Next returns the next chunk, nil after the last. The chunk and all that it
// points to are valid until the next call of Next or Close. When ctx is done,
// Next stops the query and fails with Canceled; after any error the rows are
// closed and the connection is free.
func (r *Rows) Next(ctx context.Context) (*lake.Chunk, error) {
	if r.closed {
		return nil, sqlerr.New(sqlerr.Internal, "read rows: the result is closed")
	}
	if r.ended {
		return nil, nil
	}
	duckdb.DestroyDataChunk(&r.raw)
	if ctx.Err() == nil {
		r.conn.interruptible(ctx, func() { r.raw = duckdb.FetchChunk(r.result) })
	}
	if r.raw.Ptr == nil {
		raw := duckdb.ResultError(&r.result)
		if raw == "" && ctx.Err() == nil {
			r.ended = true
			return nil, nil
		}
		r.Close()
		return nil, r.conn.fail(ctx, r.text, raw)
	}
	n := int(duckdb.DataChunkGetSize(r.raw))
	if n == 0 {
		r.ended = true
		return nil, nil
	}
	r.chunk.Rows = n
	for i := range r.columns {
		readVector(&r.chunk.Columns[i], r.columns[i].Type, duckdb.DataChunkGetVector(r.raw, duckdb.IdxT(i)), n)
	}
	return &r.chunk, nil
}

// Close stops the query if it still runs and frees the connection. It may be
// called again.
func (r *Rows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	duckdb.DestroyDataChunk(&r.raw)
	duckdb.DestroyResult(&r.result)
	if r.owned != nil {
		r.owned.Close()
	}
	if r.conn.open == r {
		r.conn.open = nil
	}
}
