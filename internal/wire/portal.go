package wire

import (
	"context"
	"errors"
	"sync"

	"lakeport/internal/lake"
)

// Portal is a statement that runs as its rows are fetched: it waits inside
// Chunk, in a goroutine of its own, while the client does other things. So one
// chunk is all that is ever held, and at most one of the goroutines that use
// the session moves at a time.
type Portal struct {
	life   *Life
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the statement has returned

	mu     sync.Mutex
	moved  *sync.Cond // something below changed
	cols   []lake.Column
	chunk  *lake.Chunk // being fetched; nil: the statement is at work
	pos    int         // its first row that was not fetched yet
	end    Done
	enough bool  // nobody will fetch more
	ended  bool  // the statement has returned
	err    error // what it returned
}

// ErrEnough is what Chunk gives once the client wants no more rows: the
// statement ends, and nothing has gone wrong.
var ErrEnough = errors.New("the client wants no more rows")

// OpenPortal starts a statement of the connection. What exec panics with, fault
// makes an error of.
func OpenPortal(life *Life, exec func(context.Context, ResultWriter) error, fault func(any) error) *Portal {
	p := &Portal{life: life, done: make(chan struct{})}
	p.moved = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancelCause(life.Context())
	wake := context.AfterFunc(p.ctx, p.wake)
	go func() {
		defer close(p.done)
		defer wake()
		defer func() {
			if r := recover(); r != nil {
				p.finish(fault(r))
			}
		}()
		p.finish(exec(p.ctx, p))
	}()
	return p
}

// Context ends with the portal or its connection.
func (p *Portal) Context() context.Context { return p.ctx }

// Close ends the statement and waits until it has returned. One that waits for
// its rows to be fetched is not interrupted, which would cost its transaction.
func (p *Portal) Close() {
	if !p.leave() {
		p.cancel(nil)
	}
	<-p.done
	p.cancel(nil)
}

// leave tells a waiting statement that its rows are enough; false: it does not
// wait.
func (p *Portal) leave() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enough = p.chunk != nil
	p.moved.Broadcast()
	return p.enough
}

// wake has every waiter look again, now that ctx has ended.
func (p *Portal) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved.Broadcast()
}

// Cursor implements the interface of that name.
func (p *Portal) Cursor() bool { return true }

// Columns implements ResultWriter.
func (p *Portal) Columns(cols []lake.Column) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cols != nil {
		return errors.New("open a result: a portal takes one result only")
	}
	p.cols = append([]lake.Column{}, cols...)
	return nil
}

// Chunk implements ResultWriter: it waits until all rows are fetched.
func (p *Portal) Chunk(c *lake.Chunk) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(c.Columns) != len(p.cols) {
		return errors.New("send rows: the chunk does not have the columns of the result")
	}
	p.chunk, p.pos = c, 0
	p.moved.Broadcast()
	for p.chunk != nil && !p.enough && p.ctx.Err() == nil {
		p.moved.Wait()
	}
	p.chunk = nil
	if p.enough {
		return ErrEnough
	}
	return context.Cause(p.ctx)
}

// Done implements ResultWriter.
func (p *Portal) Done(d Done) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = d
	return nil
}

// finish notes that the statement has returned.
func (p *Portal) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.err = true, err
	p.moved.Broadcast()
}

// Opened waits for the first rows, or the end, and gives the columns; nil: the
// statement has no rows. Meanwhile the client may interrupt it.
func (p *Portal) Opened() ([]lake.Column, error) {
	p.life.Run(p.cancel)
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.chunk == nil && !p.ended {
		p.moved.Wait()
	}
	return p.cols, p.err
}

// Ended is how the statement ended, once Fetch has said so.
func (p *Portal) Ended() Done {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// Fetch writes up to n rows and gives their number; fewer than n are the last.
// The statement moves only when all rows of its chunk are taken and more are
// asked for. Meanwhile the client may interrupt it.
func (p *Portal) Fetch(n int, write func(cols []lake.Column, c *lake.Chunk, from, to int) error) (sent int, err error) {
	p.life.Run(p.cancel)
	defer p.life.Run(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	for sent < n {
		if p.chunk != nil && p.pos == p.chunk.Rows {
			p.chunk = nil
			p.moved.Broadcast()
		}
		for p.chunk == nil && !p.ended {
			p.moved.Wait()
		}
		if p.chunk == nil {
			return sent, p.err
		}
		to := p.pos + min(n-sent, p.chunk.Rows-p.pos)
		if err := write(p.cols, p.chunk, p.pos, to); err != nil {
			return sent, err
		}
		sent += to - p.pos
		p.pos = to
	}
	return sent, nil
}
