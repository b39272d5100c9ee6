package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Stmt is a prepared statement of one connection. It may run many times.
type Stmt struct {
	conn    *Conn
	text    string // as DuckDB prepared it
	handle  duckdb.PreparedStatement
	params  []lake.Type
	columns []lake.Column
}

// Prepare readies one statement. Parameters are written ? or $1. Columns of
// types that lake does not have are cast to VARCHAR around the query.
func (c *Conn) Prepare(ctx context.Context, text string) (*Stmt, error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	wrapped := s.wrap()
	if wrapped == "" {
		return s, nil
	}
	cast, err := c.prepare(ctx, wrapped)
	if err != nil {
		return s, nil // Query names the column
	}
	s.Close()
	return cast, nil
}

func (c *Conn) prepare(ctx context.Context, text string) (*Stmt, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, sqlerr.New(sqlerr.Syntax, "the statement holds a NUL character").WithPos(text, i)
	}
	c.closeRows()
	s := &Stmt{conn: c, text: text}
	var state duckdb.State
	c.interruptible(ctx, func() { state = duckdb.Prepare(c.handle, text, &s.handle) })
	if state == duckdb.StateError {
		defer s.Close()
		return nil, c.fail(ctx, text, duckdb.PrepareError(s.handle))
	}
	s.describe()
	return s, nil
}

// describe reads parameters and columns. Columns stay nil while the types of
// parameters leave them open.
func (s *Stmt) describe() {
	for i := range duckdb.NParams(s.handle) {
		s.params = append(s.params, takeType(duckdb.ParamLogicalType(s.handle, i+1)))
	}
	columns := make([]lake.Column, duckdb.PreparedStatementColumnCount(s.handle))
	for i := range columns {
		n := duckdb.IdxT(i)
		columns[i].Name = duckdb.PreparedStatementColumnName(s.handle, n)
		logical := duckdb.PreparedStatementColumnLogicalType(s.handle, n)
		open := duckdb.GetTypeId(logical) == duckdb.TypeInvalid && len(s.params) > 0
		columns[i].Type = takeType(logical)
		if open {
			return
		}
	}
	s.columns = columns
}

// wrap gives the query that casts the columns whose types lake does not have,
// or "" if there are none.
func (s *Stmt) wrap() string {
	if duckdb.PreparedStatementType(s.handle) != duckdb.StatementTypeSelect {
		return ""
	}
	var list, names []string
	foreign := false
	for i, col := range s.columns {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		if !known(col.Type) {
			foreign = true
			name = "CAST(" + name + " AS VARCHAR)"
		}
		list = append(list, name+" AS "+lake.QuoteName(col.Name))
	}
	if !foreign {
		return ""
	}
	inner := strings.TrimRight(s.text, "; \t\r\n")
	return "SELECT " + strings.Join(list, ", ") + " FROM (\n" + inner + "\n) AS q(" + strings.Join(names, ", ") + ")"
}

// Params gives the type of each parameter; its Kind is Invalid where the
// statement leaves it open.
func (s *Stmt) Params() []lake.Type { return s.params }

// Columns gives the result's columns, nil if the types of the arguments
// decide them. A statement without result has a column of its count.
func (s *Stmt) Columns() []lake.Column { return s.columns }

// Close frees the statement. Its Rows must be closed before.
func (s *Stmt) Close() { duckdb.DestroyPrepare(&s.handle) }

// Query is Conn.Query for a prepared statement.
func (s *Stmt) Query(ctx context.Context, args ...any) (*Rows, error) {
	c := s.conn
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	c.closeRows()
	if err := s.bind(args); err != nil {
		return nil, err
	}
	rows := &Rows{conn: c, text: s.text}
	var raw string
	c.interruptible(ctx, func() { raw = s.stream(rows) })
	if raw != "" {
		rows.Close()
		return nil, c.fail(ctx, s.text, raw)
	}
	if err := rows.describe(); err != nil {
		rows.Close()
		return nil, err
	}
	c.open = rows
	return rows, nil
}

// stream runs the statement up to its first chunk and returns DuckDB's error.
// The streaming call of the bindings is marked deprecated, but the other ones
// hold the whole result in memory before the first row comes out.
func (s *Stmt) stream(rows *Rows) string {
	var pending duckdb.PendingResult
	defer duckdb.DestroyPending(&pending)
	if duckdb.PendingPreparedStreaming(s.handle, &pending) == duckdb.StateError {
		return duckdb.PendingError(pending)
	}
	if duckdb.ExecutePending(pending, &rows.result) == duckdb.StateError {
		if raw := duckdb.ResultError(&rows.result); raw != "" {
			return raw
		}
		return duckdb.PendingError(pending)
	}
	return ""
}

// Exec is Conn.Exec for a prepared statement.
func (s *Stmt) Exec(ctx context.Context, args ...any) (int64, error) {
	c := s.conn
	if ctx.Err() != nil {
		return 0, canceled(ctx)
	}
	c.closeRows()
	if err := s.bind(args); err != nil {
		return 0, err
	}
	var result duckdb.Result
	defer duckdb.DestroyResult(&result)
	var state duckdb.State
	c.interruptible(ctx, func() { state = duckdb.ExecutePrepared(s.handle, &result) })
	if state == duckdb.StateError {
		return 0, c.fail(ctx, s.text, duckdb.ResultError(&result))
	}
	return int64(duckdb.RowsChanged(&result)), nil
}

func (s *Stmt) bind(args []any) error {
	if len(args) != len(s.params) {
		return sqlerr.New(sqlerr.Invalid, "the statement has %d parameters, but %d arguments were given", len(s.params), len(args))
	}
	duckdb.ClearBindings(s.handle)
	for i, arg := range args {
		n := duckdb.IdxT(i + 1)
		var state duckdb.State
		switch v := arg.(type) {
		case nil:
			state = duckdb.BindNull(s.handle, n)
		case bool:
			state = duckdb.BindBoolean(s.handle, n, v)
		case int:
			state = duckdb.BindInt64(s.handle, n, int64(v))
		case int64:
			state = duckdb.BindInt64(s.handle, n, v)
		case uint64:
			state = duckdb.BindUInt64(s.handle, n, v)
		case float64:
			state = duckdb.BindDouble(s.handle, n, v)
		case string:
			state = duckdb.BindVarchar(s.handle, n, v)
		case []byte:
			state = duckdb.BindBlob(s.handle, n, v)
		case time.Time:
			state = duckdb.BindTimestamp(s.handle, n, duckdb.NewTimestamp(v.UnixMicro()))
		default:
			return sqlerr.New(sqlerr.Internal, "bind parameter %d: Go type %T has no SQL type", i+1, arg)
		}
		if state == duckdb.StateError {
			return sqlerr.New(sqlerr.Invalid, "bind parameter %d: DuckDB refuses its value (a text must be UTF-8)", i+1)
		}
	}
	return nil
}
