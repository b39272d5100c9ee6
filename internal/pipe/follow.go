package pipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// change is what a transaction of the source did to one row.
type change struct {
	table *Table
	kind  kind
	row   [][]byte // by t.Columns; of a removal only the key counts
}

type kind uint8

const (
	upsert   kind = iota
	remove        // by key
	truncate      // all rows
)

// transaction is one of the source's, whole.
type transaction struct {
	position string // of the source once it is applied
	changes  []change
}

// changes is a source's transactions in the order of their commits.
type changes interface {
	// next waits for a transaction. Where ctx ends first nothing is lost: the
	// next call goes on.
	next(ctx context.Context) (*transaction, error)
	close()
}

// newColumns is the error of a change to columns that the pipe does not know.
type newColumns struct{ table *Table }

func (e *newColumns) Error() string { return "the columns of " + e.table.Source() + " have changed" }

// follow applies the source's transactions, several at once, each batch with
// its position in one transaction: after a stop nothing is missing and nothing
// is there twice.
func (p *Pipes) follow(ctx context.Context, one *pipe, s source) error {
	p.mu.Lock()
	position := one.Position
	p.mu.Unlock()
	from, err := s.changes(ctx, position, one.Tables)
	if err != nil {
		return err
	}
	defer from.close()
	for {
		batch, ended := gather(ctx, from, time.Duration(one.Settings.SyncInterval)*time.Second, one.Settings.PullBatchSize)
		if len(batch) > 0 {
			last := batch[len(batch)-1].position
			err := p.change(ctx, one, func(c *engine.Conn) error { return apply(ctx, c, batch) }, func(r *Record) { r.Position, r.Message = last, "" })
			if err != nil {
				return fmt.Errorf("apply changes: %w", err)
			}
		}
		var altered *newColumns
		var renamed *renamedColumn
		switch {
		case errors.As(ended, &altered), errors.As(ended, &renamed):
			if altered != nil {
				err = p.widen(ctx, one, s, altered.table)
			} else {
				err = p.renameColumn(ctx, one, renamed)
			}
			if err != nil {
				return err
			}
			from.close()
			p.mu.Lock()
			position = one.Position
			p.mu.Unlock()
			if from, err = s.changes(ctx, position, one.Tables); err != nil {
				return err
			}
		case ended != nil:
			return ended
		}
	}
}

// gather waits for a transaction and takes those that come until the interval
// is over or there are enough changes. A failure ends it; what came before is
// whole.
func gather(ctx context.Context, from changes, interval time.Duration, enough int) (batch []*transaction, err error) {
	count, wait := 0, ctx
	for count < enough {
		t, err := from.next(wait)
		switch {
		case err != nil && ctx.Err() == nil && wait.Err() != nil:
			return batch, nil
		case err != nil:
			return batch, err
		}
		if len(batch) == 0 {
			limited, cancel := context.WithTimeout(ctx, interval)
			defer cancel()
			wait = limited
		}
		batch, count = append(batch, t), count+len(t.changes)
	}
	return batch, nil
}

// final is what a batch makes of one table: the last change of each key, in
// the order in which keys came, after a truncation if there was one.
type final struct {
	table *Table
	empty bool
	keys  []string
	last  map[string]change
}

func apply(ctx context.Context, c *engine.Conn, batch []*transaction) error {
	var order []*final
	byTable := map[*Table]*final{}
	for _, t := range batch {
		for _, ch := range t.changes {
			f := byTable[ch.table]
			if f == nil {
				f = &final{table: ch.table, last: map[string]change{}}
				byTable[ch.table], order = f, append(order, f)
			}
			f.add(ch)
		}
	}
	for _, f := range order {
		if err := f.apply(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", f.table.Source(), err)
		}
	}
	return nil
}

func (f *final) add(ch change) {
	if ch.kind == truncate {
		f.empty, f.keys, f.last = true, nil, map[string]change{}
		return
	}
	var key strings.Builder
	for i := range f.table.Key { // the columns of the key stand first
		fmt.Fprintf(&key, "%d:%s", len(ch.row[i]), ch.row[i])
	}
	if _, met := f.last[key.String()]; !met {
		f.keys = append(f.keys, key.String())
	}
	f.last[key.String()] = ch
}

// apply takes away the rows of all keys that changed and puts in those that
// are there after the batch.
func (f *final) apply(ctx context.Context, c *engine.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := f.table
	if f.empty {
		if _, err := c.Exec(ctx, "DELETE FROM "+t.target()); err != nil {
			return err
		}
	}
	var all, there batch
	for _, k := range f.keys {
		ch := f.last[k]
		all = append(all, ch.row)
		if ch.kind == upsert {
			there = append(there, ch.row)
		}
	}
	if len(all) > 0 && !f.empty {
		same := make([]string, len(t.Key))
		for i, k := range t.keyNames() {
			same[i] = "CAST(s." + k + " AS " + t.Columns[i].engineType() + ") = t." + k
		}
		_, err := c.Exec(ctx, "DELETE FROM "+t.target()+" AS t USING "+engine.Offer(ctx, t.inMemory(all))+" AS s WHERE "+strings.Join(same, " AND "))
		if err != nil {
			return err
		}
	}
	if len(there) == 0 {
		return nil
	}
	_, err := c.Exec(ctx, "INSERT INTO "+t.target()+" ("+t.names()+") SELECT "+t.names()+" FROM "+engine.Offer(ctx, t.inMemory(there)))
	return err
}

// engineType is the column's type in the engine's spelling.
func (c *Column) engineType() string {
	switch c.Type {
	case "LARGEINT":
		return "HUGEINT"
	case "DATETIME":
		return "TIMESTAMP"
	case "VARBINARY":
		return "BLOB"
	}
	return c.Type
}

// inMemory feeds rows that are there already.
func (t *Table) inMemory(rows batch) lake.Feed {
	f := t.columnsOnly()
	f.Parts, f.Rows = 1, int64(len(rows))
	f.Open = func(ctx context.Context, _ int, columns []int) (lake.FeedReader, error) {
		return newStream(ctx, columns, func(_ context.Context, put func(batch) error) error {
			for some := range slices.Chunk(rows, batchRows) {
				if err := put(some); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
	return f
}

// widen adds columns to a target that its source has got.
func (p *Pipes) widen(ctx context.Context, one *pipe, s source, t *Table) error {
	now := *t
	now.Columns = nil
	if err := s.describe(ctx, &now, true); err != nil {
		return err
	}
	tables := slices.Clone(one.Tables)
	i := slices.IndexFunc(tables, func(o Table) bool { return o.Source() == t.Source() })
	tables[i].Columns = slices.Clone(t.Columns)
	for _, c := range now.Columns {
		if t.column(c.Name) >= 0 {
			continue
		}
		err := p.o.Alter(ctx, fmt.Sprintf("ALTER TABLE %s.%s ADD COLUMN %s %s", backquote(t.Database), backquote(t.Target), backquote(c.Name), c.Type))
		if err != nil && !sqlerr.Is(err, sqlerr.Exists) {
			return fmt.Errorf("add column %s of %s: %w", c.Name, t.Source(), err)
		}
		tables[i].Columns = append(tables[i].Columns, c)
	}
	if len(tables[i].Columns) == len(t.Columns) {
		return sqlerr.New(sqlerr.Unsupported, "the columns of %s have changed in a way that is not followed", t.Source()).WithHint("make the pipe anew")
	}
	return p.change(ctx, one, nil, func(r *Record) { r.Tables = tables })
}

// renameColumn gives a target's column the name that its source has now. The
// stream then comes to the statement again and finds it done.
func (p *Pipes) renameColumn(ctx context.Context, one *pipe, r *renamedColumn) error {
	tables := slices.Clone(one.Tables)
	i := slices.IndexFunc(tables, func(o Table) bool { return o.Source() == r.table.Source() })
	t := &tables[i]
	t.Columns, t.Key = slices.Clone(t.Columns), slices.Clone(t.Key)
	at := t.column(r.old)
	// A stop between the two leaves the target renamed and the record not.
	if err := p.o.Alter(ctx, fmt.Sprintf("ALTER TABLE %s.%s RENAME COLUMN %s TO %s", backquote(t.Database), backquote(t.Target), backquote(r.old), backquote(r.new))); err != nil &&
		!sqlerr.Is(err, sqlerr.NotFound) {
		return fmt.Errorf("rename column %s of %s: %w", r.old, t.Source(), err)
	}
	if k := t.keyPlace(r.old); k < len(t.Key) {
		t.Key[k] = r.new
	}
	c, err := mysqlColumn(r.new, t.Columns[at].Source)
	if err != nil {
		return err
	}
	t.Columns[at] = c
	return p.change(ctx, one, nil, func(r *Record) { r.Tables = tables })
}
