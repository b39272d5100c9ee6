package mysql

import (
	"context"
	"errors"
	"sync"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// cursor is a statement that runs as its rows are fetched: it waits inside
// Chunk, in a goroutine of its own, while the client does other things. So
// one chunk is all that is ever held, and at most one of the goroutines that
// use the session moves at a time.
type cursor struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the statement has returned

	mu    sync.Mutex
	moved *sync.Cond // something below changed
	cols  []lake.Column
	chunk *lake.Chunk // being fetched; nil: the statement is at work
	pos   int         // its first row that was not fetched yet
	end   wire.Done
	ended bool  // the statement has returned
	err   error // what it returned
}

// openCursor starts p and answers with its columns. A statement without rows
// is answered at once and leaves no cursor.
func (c *conn) openCursor(p *prepared, args []any) error {
	cur := &cursor{done: make(chan struct{})}
	cur.moved = sync.NewCond(&cur.mu)
	cur.ctx, cur.cancel = context.WithCancelCause(c.ctx)
	c.setStatement(cur.cancel)
	wake := context.AfterFunc(cur.ctx, cur.wake)
	go func() {
		defer close(cur.done)
		defer wake()
		defer func() {
			if r := recover(); r != nil {
				cur.finish(c.fault(r))
			}
		}()
		cur.finish(p.st.Exec(cur.ctx, args, cur))
	}()
	p.cursor = cur
	cols, err := cur.opened()
	if err != nil || cols == nil {
		end := cur.end
		p.closeCursor()
		if err != nil {
			return c.writeErr(reason(cur.ctx, err))
		}
		return c.writeOK(headOK, end, 0)
	}
	if err := c.pk.end(appendLenInt(c.pk.begin(), uint64(len(cols)))); err != nil {
		return err
	}
	for _, col := range cols {
		if err := c.pk.end(appendColumn(c.pk.begin(), "", col)); err != nil {
			return err
		}
	}
	// The end of the columns is told even where EOF is deprecated: it carries
	// the flag that a cursor is open.
	return c.writeEnd(wire.Done{}, statusCursorExists)
}

// fetch carries out COM_STMT_FETCH.
func (c *conn) fetch(b []byte) error {
	f := fields{b: b}
	p, err := c.statementOf(&f)
	if err != nil {
		return c.writeErr(err)
	}
	n := int(f.uint32())
	if p.cursor == nil || f.broken {
		return c.writeErr(sqlerr.New(sqlerr.Invalid, "The statement has no open cursor.").With(codeNoCursor))
	}
	cur := p.cursor
	c.setStatement(cur.cancel)
	last, err := cur.fetch(&c.pk, n)
	if err != nil {
		err = reason(cur.ctx, err)
		p.closeCursor()
		return c.writeErr(err)
	}
	if !last {
		return c.writeEnd(wire.Done{}, statusCursorExists)
	}
	end := cur.end
	p.closeCursor()
	return c.writeEnd(end, statusCursorExists|statusLastRowSent)
}

// closeCursor stops the statement and waits until it has returned.
func (p *prepared) closeCursor() {
	if p.cursor == nil {
		return
	}
	p.cursor.cancel(nil)
	<-p.cursor.done
	p.cursor = nil
}

// wake has every waiter look again, now that ctx has ended.
func (cur *cursor) wake() {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	cur.moved.Broadcast()
}

// Cursor implements wire.Cursor.
func (cur *cursor) Cursor() bool { return true }

// Columns implements wire.ResultWriter.
func (cur *cursor) Columns(cols []lake.Column) error {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	if cur.cols != nil {
		return errors.New("open a result: a cursor takes one result only")
	}
	cur.cols = append([]lake.Column{}, cols...)
	return nil
}

// Chunk implements wire.ResultWriter: it waits until all rows are fetched.
func (cur *cursor) Chunk(c *lake.Chunk) error {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	if len(c.Columns) != len(cur.cols) {
		return errors.New("send rows: the chunk does not have the columns of the result")
	}
	cur.chunk, cur.pos = c, 0
	cur.moved.Broadcast()
	for cur.chunk != nil && cur.ctx.Err() == nil {
		cur.moved.Wait()
	}
	cur.chunk = nil
	return context.Cause(cur.ctx)
}

// Done implements wire.ResultWriter.
func (cur *cursor) Done(d wire.Done) error {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	cur.end = d
	return nil
}

// finish notes that the statement has returned.
func (cur *cursor) finish(err error) {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	cur.ended, cur.err = true, err
	cur.moved.Broadcast()
}

// opened waits for the first rows, or the end, and gives the columns; nil:
// the statement has no rows.
func (cur *cursor) opened() ([]lake.Column, error) {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	for cur.chunk == nil && !cur.ended {
		cur.moved.Wait()
	}
	return cur.cols, cur.err
}

// fetch writes up to n rows and tells whether they are the last. The statement
// moves only when all rows of its chunk are taken and more are asked for.
func (cur *cursor) fetch(pk *packets, n int) (last bool, err error) {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	for n > 0 {
		if cur.chunk != nil && cur.pos == cur.chunk.Rows {
			cur.chunk = nil
			cur.moved.Broadcast()
		}
		for cur.chunk == nil && !cur.ended {
			cur.moved.Wait()
		}
		if cur.chunk == nil {
			return true, cur.err
		}
		to := min(cur.pos+n, cur.chunk.Rows)
		if err := pk.binaryRows(cur.chunk, cur.cols, cur.pos, to); err != nil {
			return false, err
		}
		n -= to - cur.pos
		cur.pos = to
	}
	return false, nil
}
