package pg

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

// cursor is a portal's statement that runs as its rows are fetched: it waits
// inside Chunk, in a goroutine of its own, while the client does other things.
// So one chunk is all that is ever held, and at most one of the goroutines that
// use the session moves at a time.
type cursor struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the statement has returned
	stmt   *prepared

	mu    sync.Mutex
	moved *sync.Cond // something below changed
	cols  []lake.Column
	chunk *lake.Chunk // being fetched; nil: the statement is at work
	pos   int         // its first row that was not fetched yet
	end   wire.Done
	ended bool  // the statement has returned
	err   error // what it returned
}

func (c *conn) openCursor(p *portal) *cursor {
	cur := &cursor{done: make(chan struct{}), stmt: p.stmt}
	cur.moved = sync.NewCond(&cur.mu)
	cur.ctx, cur.cancel = context.WithCancelCause(c.ctx)
	wake := context.AfterFunc(cur.ctx, cur.wake)
	go func() {
		defer close(cur.done)
		defer wake()
		defer func() {
			if r := recover(); r != nil {
				cur.finish(c.fault(r))
			}
		}()
		cur.finish(p.stmt.st.Exec(cur.ctx, p.args, cur))
	}()
	return cur
}

// fetch sends up to n rows of a portal, all that are left if n is 0. Its last
// answer tells whether the portal may be executed again.
func (c *conn) fetch(p *portal, n int) error {
	c.cutPortals(p)
	if p.run == nil {
		p.run = c.openCursor(p)
	}
	cur := p.run
	c.setStatement(cur.cancel)
	defer c.setStatement(nil)
	limit := n
	if n == 0 {
		limit = math.MaxInt
	}
	sent, err := cur.fetch(c, p.formats, limit)
	if err != nil {
		err = reason(cur.ctx, err)
		p.close()
		p.ended = true
		return err
	}
	if sent == limit {
		return c.out.add(&pgproto3.PortalSuspended{})
	}
	end := cur.end
	p.close()
	p.ended = true
	end.Affected = int64(sent)
	return c.out.add(&pgproto3.CommandComplete{CommandTag: tag(end)})
}

// close stops what runs of the portal and waits until it has returned.
func (p *portal) close() {
	if p.run == nil {
		return
	}
	p.run.cancel(nil)
	<-p.run.done
	p.run = nil
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
		return errors.New("open a result: a portal takes one result only")
	}
	cur.cols = append([]lake.Column{}, cols...)
	return cur.stmt.unchanged(cols)
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

// fetch writes up to n rows and gives their number; fewer than n are the last.
// The statement moves only when all rows of its chunk are taken and more are
// asked for.
func (cur *cursor) fetch(c *conn, formats []int16, n int) (sent int, err error) {
	cur.mu.Lock()
	defer cur.mu.Unlock()
	for sent < n {
		if cur.chunk != nil && cur.pos == cur.chunk.Rows {
			cur.chunk = nil
			cur.moved.Broadcast()
		}
		for cur.chunk == nil && !cur.ended {
			cur.moved.Wait()
		}
		if cur.chunk == nil {
			return sent, cur.err
		}
		binary, err := formatsOf(formats, len(cur.cols))
		if err != nil {
			return sent, err
		}
		to := cur.pos + min(n-sent, cur.chunk.Rows-cur.pos)
		if err := c.writeRows(cur.chunk, binary, cur.pos, to); err != nil {
			return sent, err
		}
		sent += to - cur.pos
		cur.pos = to
	}
	return sent, nil
}
