package engine

import (
	"context"
	"fmt"
	"time"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/sqlerr"
)

// Conn is one connection: a transaction, a search path, a time zone. It runs
// one statement at a time and is used by one goroutine at a time.
type Conn struct {
	db     *DB
	handle duckdb.Connection
	open   *Rows // the result that still streams
}

// Close ends the connection and rolls back its open transaction.
func (c *Conn) Close() {
	c.closeRows()
	duckdb.Disconnect(&c.handle)
}

// closeRows ends the streaming result, whose query the next statement aborts.
func (c *Conn) closeRows() {
	if c.open != nil {
		c.open.Close()
	}
}

// Query starts one statement and returns when its first rows fill DuckDB.s
// buffer of about 1 MB, or all are there.
// Rows still open on c are closed. Arguments are nil, bool, int, int64,
// uint64, float64, string, []byte or time.Time (wall clock in UTC).
// Columns of types that lake does not have arrive as VARCHAR.
func (c *Conn) Query(ctx context.Context, text string, args ...any) (*Rows, error) {
	s, err := c.Prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(ctx, args...)
	if err != nil {
		s.Close()
		return nil, err
	}
	rows.owned = s
	return rows, nil
}

// Exec runs one statement to its end and returns the number of rows that it
// changed; rows that it returns are dropped.
func (c *Conn) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	return s.Exec(ctx, args...)
}

// run executes statements of our own that need neither arguments nor cancel.
func (c *Conn) run(text string) error {
	_, err := c.Exec(context.Background(), text)
	return err
}

// InTx runs f between BEGIN and COMMIT. An error or a panic of f, or a ctx
// that is done when f returns, rolls everything back. Another transaction's change of the
// same rows is a Conflict, from f or from the commit: InTx may be tried again.
func (c *Conn) InTx(ctx context.Context, f func(*Conn) error) (err error) {
	if _, err := c.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			c.closeRows()
			if undo := c.run("ROLLBACK"); undo != nil && err != nil {
				err = fmt.Errorf("%w (and roll back: %v)", err, undo)
			}
		}
	}()
	if err := f(c); err != nil {
		return err
	}
	c.closeRows()
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	// From here on ctx no longer counts, so that the answer is certain. DuckDB
	// ends the transaction itself when the commit fails.
	done = true
	return c.run("COMMIT")
}

// interruptEvery is the interval between two interrupts of one cancelled call.
const interruptEvery = 5 * time.Millisecond

// interruptible runs f and interrupts the connection while ctx is done. DuckDB
// forgets an interrupt that comes before its query has started, so it is
// repeated until f returns.
func (c *Conn) interruptible(ctx context.Context, f func()) {
	if ctx.Done() == nil {
		f()
		return
	}
	returned, stopped := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		tick := time.NewTicker(interruptEvery)
		defer tick.Stop()
		for {
			duckdb.Interrupt(c.handle)
			select {
			case <-returned:
				return
			case <-tick.C:
			}
		}
	})
	f()
	if !stop() {
		close(returned)
		<-stopped
	}
}

// canceled is the error of a call whose ctx is done: the cause itself when it
// is an sqlerr.Error, so that whoever cancels can say why.
func canceled(ctx context.Context) error {
	cause := context.Cause(ctx)
	if e := sqlerr.From(cause); e.Kind != sqlerr.Internal {
		return e
	}
	return &sqlerr.Error{Kind: sqlerr.Canceled, Msg: "Query execution was interrupted", Err: cause}
}

// fail makes the error of a statement that DuckDB refused with raw. A feed's own
// error comes as it is.
func (c *Conn) fail(ctx context.Context, text, raw string) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if err := feedError(raw); err != nil {
		return err
	}
	return explain(text, raw, c.db.translate)
}
