package pipe

import (
	"context"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"lakeport/internal/engine"
	"lakeport/internal/sqlerr"
)

// How long a pipe waits before it tries again after a failure that may pass.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// source opens a pipe's source. It connects nowhere yet.
func (p *Pipes) source(d *Definition) source {
	e, _ := d.endpoint()
	l := logins{endpoint: e, resolver: p.o.Resolver}
	switch d.Kind {
	case "MYSQL", "MARIADB":
		return &mysqlSource{logins: l, maria: d.Kind == "MARIADB"}
	}
	return &postgresSource{logins: l, pipe: d}
}

// run starts a pipe's work. p.mu is held.
func (p *Pipes) run(one *pipe) {
	if !p.started {
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	one.cancel, one.ended = cancel, make(chan struct{})
	p.work.Go(func() {
		defer close(one.ended)
		defer cancel(nil)
		p.keepRunning(ctx, one)
		p.mu.Lock()
		defer p.mu.Unlock()
		one.cancel = nil
	})
}

// keepRunning works until the pipe is done, is stopped or fails for good.
func (p *Pipes) keepRunning(ctx context.Context, one *pipe) {
	pause := firstPause
	for {
		began := time.Now()
		err := p.carry(ctx, one)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		switch {
		case err == nil:
			err = p.move(ctx, one, Completed, "")
		case passing(err):
			err = p.move(ctx, one, one.State, sqlerr.From(err).Error())
		default:
			p.o.Log.Error("pipe failed", "pipe", one.Name, "error", err)
			err = p.move(ctx, one, Failed, sqlerr.From(err).Error())
		}
		state := one.State
		p.mu.Unlock()
		if err != nil {
			p.o.Log.Error("pipe cannot be stored", "pipe", one.Name, "error", err)
		}
		if state == Completed || state == Failed {
			return
		}
		if time.Since(began) > maxPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// passing tells failures that may pass by themselves: of the network, of a
// login (changes of IAM take their time), of two transactions on one row.
func passing(err error) bool {
	return sqlerr.Is(err, sqlerr.Unreachable) || sqlerr.Is(err, sqlerr.Denied) || sqlerr.Is(err, sqlerr.Conflict)
}

// carry does the work of a pipe from where it stands.
func (p *Pipes) carry(ctx context.Context, one *pipe) error {
	s := p.source(&one.Definition)
	defer s.close()
	if err := p.snapshot(ctx, one, s); err != nil {
		return err
	}
	if one.Mode == Load {
		return nil
	}
	s.close() // what the load has held
	p.mu.Lock()
	err := p.move(ctx, one, Running, "")
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.follow(ctx, one, s)
}

// snapshot loads the tables that are not loaded yet.
func (p *Pipes) snapshot(ctx context.Context, one *pipe, s source) error {
	p.mu.Lock()
	loaded := maps.Clone(one.Loaded)
	err := error(nil)
	if len(loaded) < len(one.Tables) && one.Mode != CDC {
		err = p.move(ctx, one, Snapshot, "")
	}
	cut := one.Cut
	p.mu.Unlock()
	if err != nil {
		return err
	}
	if !cut {
		position, err := s.cut(ctx, one.Mode != Load)
		if err != nil {
			return err
		}
		if err := p.change(ctx, one, nil, func(r *Record) { r.Position, r.Cut = position, true }); err != nil {
			return err
		}
	}
	if one.Mode == CDC {
		return nil
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(one.Settings.TablesInParallel)
	for i := range one.Tables {
		t := &one.Tables[i]
		if _, done := loaded[t.Source()]; done {
			continue
		}
		group.Go(func() error {
			if err := p.loadTable(inner, one, s, t); err != nil {
				return fmt.Errorf("load %s: %w", t.Source(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// placed is a source whose load stands at a place among its changes: it sees
// exactly those before.
type placed interface{ seen() string }

// loadTable brings the rows of a table in one transaction with the record that
// they are there: after a stop they are there once or not at all.
func (p *Pipes) loadTable(ctx context.Context, one *pipe, s source, t *Table) error {
	parts, err := s.parts(ctx, t, one.Settings.RowsPerPartition)
	if err != nil {
		return err
	}
	var done Loaded
	err = p.transact(ctx, func(c *engine.Conn) error {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		from := engine.Offer(inner, t.feed(s, parts, make(chan struct{}, one.Settings.Parallelism)))
		done.Rows, err = c.Exec(inner, "INSERT INTO "+t.target()+" ("+t.names()+") SELECT "+t.names()+" FROM "+from+t.onePerKey())
		if err != nil {
			return err
		}
		if s, knows := s.(placed); knows {
			done.From = s.seen()
		}
		_, err = c.Exec(ctx, "INSERT INTO "+loads+" VALUES (?, ?, ?, ?)", one.Name, t.Source(), done.Rows, done.From)
		return err
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one.Loaded[t.Source()] = done
	return nil
}

// change stores a change of a pipe's record in one transaction with work.
func (p *Pipes) change(ctx context.Context, one *pipe, work func(*engine.Conn) error, edit func(*Record)) error {
	next := Record{}
	err := p.transact(ctx, func(c *engine.Conn) error {
		if work != nil {
			if err := work(c); err != nil {
				return err
			}
		}
		p.mu.Lock()
		next = one.Record
		p.mu.Unlock()
		edit(&next)
		return p.put(ctx, c, &next)
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one.Record = next
	return nil
}

// transact runs work on a connection of its own in a transaction.
func (p *Pipes) transact(ctx context.Context, work func(*engine.Conn) error) (err error) {
	c, err := p.o.DB.Connect()
	if err != nil {
		return err
	}
	defer c.Close() // which rolls back
	if _, err := c.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	if err := work(c); err != nil {
		return err
	}
	_, err = c.Exec(ctx, "COMMIT")
	return err
}
