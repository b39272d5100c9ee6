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
	// Of an upsert: the columns whose value is not told, because the change left
	// it as it was; nil if all are told.
	kept []bool
	// Of an upsert: the row that had another key before it; nil if it had this
	// one or was not there.
	before [][]byte
}

func (ch *change) size() (n int) {
	for _, v := range ch.row {
		n += len(v)
	}
	return n
}

type kind uint8

const (
	upsert   kind = iota
	remove        // by key
	truncate      // all rows
)

// transaction is one of the source's, or a piece of one.
type transaction struct {
	position string // of the source once it is applied; only the last piece has one
	changes  []change
	more     bool // the next one goes on with this transaction
}

// changes is a source's transactions in the order of their commits.
type changes interface {
	// next waits for a transaction. Where ctx ends first nothing is lost: the
	// next call goes on.
	next(ctx context.Context) (*transaction, error)
	close()
}

// confirmer is a source of changes that wants to be told which are stored, so
// that it may let go of them.
type confirmer interface{ confirm(position string) }

// newColumns is the error of a change to columns that the pipe does not know.
type newColumns struct {
	table   *Table
	columns []Column // nil: the source is to be asked
}

func (e *newColumns) Error() string { return "the columns of " + e.table.Source() + " have changed" }

// follow applies the source's transactions, several at once, each batch with
// its position in one transaction: after a stop nothing is missing and nothing
// is there twice.
func (p *Pipes) follow(ctx context.Context, one *pipe, s source) error {
	for {
		p.mu.Lock()
		position, tables := one.Position, slices.Clone(one.Tables)
		for i := range tables {
			tables[i].From = one.Loaded[tables[i].Source()].From
		}
		p.mu.Unlock()
		from, err := s.changes(ctx, position, tables)
		if err == nil {
			err = p.applyAll(ctx, one, from)
			from.close()
		}
		var altered *newColumns
		var renamed *renamedColumn
		switch {
		case errors.As(err, &altered):
			err = p.widen(ctx, one, s, altered)
		case errors.As(err, &renamed):
			err = p.renameColumn(ctx, one, renamed)
		}
		if err != nil {
			return err
		}
	}
}

// applyAll applies what comes until it ends.
func (p *Pipes) applyAll(ctx context.Context, one *pipe, from changes) error {
	every := time.Duration(one.Settings.SyncInterval) * time.Second
	for {
		batch, ended := gather(ctx, from, every, one.Settings.PullBatchSize)
		if len(batch) > 0 {
			last := ""
			err := p.change(ctx, one, func(c *engine.Conn) (err error) {
				last, err = applyWhole(ctx, c, from, batch, ended, one.Settings.PullBatchSize)
				return err
			}, func(r *Record) { r.Position, r.Message = last, "" })
			if err != nil {
				return fmt.Errorf("apply changes: %w", err)
			}
			if from, wants := from.(confirmer); wants {
				from.confirm(last)
			}
		}
		if ended != nil {
			return ended
		}
	}
}

// applyWhole applies a batch and, if it ends inside a transaction, the rest of
// that. It gives the position then reached.
func applyWhole(ctx context.Context, c *engine.Conn, from changes, batch []*transaction, ended error, enough int) (string, error) {
	for {
		if err := apply(ctx, c, batch); err != nil {
			return "", err
		}
		last := batch[len(batch)-1]
		if !last.more {
			return last.position, nil
		}
		if ended != nil {
			return "", ended
		}
		if batch, ended = gather(ctx, from, 0, enough); len(batch) == 0 {
			return "", ended
		}
	}
}

// batchBytes bounds the values of a batch, as PullBatchSize their number.
const batchBytes = 64 << 20

// gather waits for a transaction and takes those that come until the interval
// is over or there are enough changes. Without an interval it takes what ends
// the transaction that is under way. A failure ends it; what came before is
// whole but for the last, whose rest may be yet to come.
func gather(ctx context.Context, from changes, interval time.Duration, enough int) (batch []*transaction, err error) {
	count, size, wait := 0, 0, ctx
	for count < enough && size < batchBytes {
		t, err := from.next(wait)
		switch {
		case err != nil && ctx.Err() == nil && wait.Err() != nil:
			return batch, nil
		case err != nil:
			return batch, err
		}
		if len(batch) == 0 && interval > 0 {
			limited, cancel := context.WithTimeout(ctx, interval)
			defer cancel()
			wait = limited
		}
		for i := range t.changes {
			size += t.changes[i].size()
		}
		if n := len(batch); n > 0 && len(t.changes) == 0 && !batch[n-1].more {
			batch[n-1].position = t.position
		} else {
			batch, count = append(batch, t), count+len(t.changes)
		}
		if interval == 0 && !t.more {
			break
		}
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
			if err := f.add(ch); err != nil {
				return err
			}
		}
	}
	for _, f := range order {
		if err := f.apply(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", f.table.Source(), err)
		}
	}
	return nil
}

// keyText tells the keys of rows apart.
func (t *Table) keyText(row [][]byte) string {
	var key strings.Builder
	for i := range t.Key { // the columns of the key stand first
		fmt.Fprintf(&key, "%d:%s", len(row[i]), row[i])
	}
	return key.String()
}

func (f *final) add(ch change) error {
	if ch.kind == truncate {
		f.empty, f.keys, f.last = true, nil, map[string]change{}
		return nil
	}
	key, old := f.table.keyText(ch.row), ch.before
	from := key
	if old != nil {
		from = f.table.keyText(old)
	}
	if ch.kept != nil {
		if err := f.complete(&ch, from); err != nil {
			return err
		}
	}
	if old != nil {
		f.put(from, change{table: f.table, kind: remove, row: old})
	}
	f.put(key, ch)
	return nil
}

func (f *final) put(key string, ch change) {
	if _, met := f.last[key]; !met {
		f.keys = append(f.keys, key)
	}
	f.last[key] = ch
}

// complete takes the values that a change does not tell from the row's state
// earlier in the batch. What that does not tell either is in the table, in the
// row whose key is that of ch.before, or of ch.row.
func (f *final) complete(ch *change, from string) error {
	earlier, met := f.last[from]
	if !met && !f.empty {
		return nil
	}
	if !met || earlier.kind != upsert {
		return sqlerr.New(sqlerr.Corrupt, "the source tells a part of a row of %s that is not there", f.table.Source())
	}
	left := false
	ch.row, ch.kept = slices.Clone(ch.row), slices.Clone(ch.kept)
	for i, kept := range ch.kept {
		if kept && (earlier.kept == nil || !earlier.kept[i]) {
			ch.row[i], ch.kept[i] = earlier.row[i], false
		}
		left = left || ch.kept[i]
	}
	if !left {
		ch.kept = nil
	} else if earlier.before != nil {
		ch.before = earlier.before
	} else {
		ch.before = earlier.row
	}
	return nil
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
	partial := map[string]batch{} // by the columns that are kept
	for _, k := range f.keys {
		ch := f.last[k]
		all = append(all, ch.row)
		switch {
		case ch.kind != upsert:
		case ch.kept == nil:
			there = append(there, ch.row)
		default:
			where := ch.before
			if where == nil {
				where = ch.row
			}
			row := append(slices.Clone(ch.row), where[:len(t.Key)]...)
			partial[string(mask(ch.kept))] = append(partial[string(mask(ch.kept))], row)
		}
	}
	for kept, rows := range partial {
		if err := t.fill(ctx, c, kept, rows); err != nil {
			return err
		}
	}
	if len(all) > 0 && !f.empty {
		_, err := c.Exec(ctx, "DELETE FROM "+t.target()+" AS t USING "+engine.Offer(ctx, t.inMemory(all))+" AS s WHERE "+t.sameKey(func(i int) string { return "s." + lake.QuoteName(t.Columns[i].Name) }))
		if err != nil {
			return err
		}
	}
	if len(partial) > 0 {
		for _, text := range []string{"INSERT INTO " + t.target() + " (" + t.names() + ") SELECT " + t.names() + " FROM " + filled, "DROP TABLE " + filled} {
			if _, err := c.Exec(ctx, text); err != nil {
				return err
			}
		}
	}
	if len(there) == 0 {
		return nil
	}
	_, err := c.Exec(ctx, "INSERT INTO "+t.target()+" ("+t.names()+") SELECT "+t.names()+" FROM "+engine.Offer(ctx, t.inMemory(there)))
	return err
}

// mask writes which columns are kept.
func mask(kept []bool) []byte {
	b := make([]byte, len(kept))
	for i, k := range kept {
		if b[i] = '0'; k {
			b[i] = '1'
		}
	}
	return b
}

// filled holds the rows whose other values have come from the table, until the
// old rows are away.
const filled = "temp.main._lakeport_filled"

// fill makes rows whole: those of kept have the values of the row whose key
// stands behind their own values.
func (t *Table) fill(ctx context.Context, c *engine.Conn, kept string, rows batch) error {
	if _, err := c.Exec(ctx, "CREATE TEMP TABLE IF NOT EXISTS _lakeport_filled AS SELECT "+t.names()+" FROM "+t.target()+" LIMIT 0"); err != nil {
		return err
	}
	f := lake.Feed{}
	list := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		f.Columns = append(f.Columns, lake.Column{Name: fmt.Sprintf("c%d", i), Type: col.feedType()})
		if list[i] = fmt.Sprintf("s.c%d", i); kept[i] == '1' {
			list[i] = "t." + lake.QuoteName(col.Name)
		}
	}
	for i := range t.Key {
		f.Columns = append(f.Columns, lake.Column{Name: fmt.Sprintf("k%d", i), Type: t.Columns[i].feedType()})
	}
	n, err := c.Exec(ctx, "INSERT INTO "+filled+" ("+t.names()+") SELECT "+strings.Join(list, ", ")+" FROM "+engine.Offer(ctx, inMemory(f, rows))+" AS s JOIN "+t.target()+" AS t ON "+
		t.sameKey(func(i int) string { return fmt.Sprintf("s.k%d", i) }))
	if err == nil && n != int64(len(rows)) {
		err = sqlerr.New(sqlerr.Invalid, "the source tells parts of %d rows of %s, of which %d are in the target", len(rows), t.Source(), n).
			WithHint("large values that a change leaves alone are told with REPLICA IDENTITY FULL only: set it in the source and make the pipe anew")
	}
	return err
}

// sameKey compares keys written as text with those of the target, t.
func (t *Table) sameKey(text func(i int) string) string {
	same := make([]string, len(t.Key))
	for i, k := range t.keyNames() {
		same[i] = "CAST(" + text(i) + " AS " + t.Columns[i].engineType() + ") = t." + k
	}
	return strings.Join(same, " AND ")
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
func (t *Table) inMemory(rows batch) lake.Feed { return inMemory(t.columnsOnly(), rows) }

func inMemory(f lake.Feed, rows batch) lake.Feed {
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
func (p *Pipes) widen(ctx context.Context, one *pipe, s source, altered *newColumns) error {
	t := altered.table
	columns := altered.columns
	if columns == nil {
		now := *t
		now.Columns = nil
		if err := s.describe(ctx, &now, true); err != nil {
			return err
		}
		columns = now.Columns
	}
	tables := slices.Clone(one.Tables)
	i := slices.IndexFunc(tables, func(o Table) bool { return o.Source() == t.Source() })
	tables[i].Columns = slices.Clone(t.Columns)
	before := map[string][]byte{} // what the rows that are there have in the new columns
	for _, c := range columns {
		if t.column(c.Name) >= 0 {
			continue
		}
		err := p.o.Alter(ctx, fmt.Sprintf("ALTER TABLE %s.%s ADD COLUMN %s %s", backquote(t.Database), backquote(t.Target), backquote(c.Name), c.Type))
		if err != nil && !sqlerr.Is(err, sqlerr.Exists) {
			return fmt.Errorf("add column %s of %s: %w", c.Name, t.Source(), err)
		}
		tables[i].Columns = append(tables[i].Columns, c)
		if s, can := s.(defaulter); can {
			if before[c.Name], err = s.missing(ctx, t, &c); err != nil {
				return err
			}
		}
	}
	if len(tables[i].Columns) == len(t.Columns) {
		return sqlerr.New(sqlerr.Unsupported, "the columns of %s have changed in a way that is not followed", t.Source()).WithHint("make the pipe anew")
	}
	return p.change(ctx, one, func(c *engine.Conn) error {
		for name, value := range before {
			if value == nil {
				continue
			}
			if _, err := c.Exec(ctx, "UPDATE "+t.target()+" SET "+lake.QuoteName(name)+" = ?", string(value)); err != nil {
				return fmt.Errorf("fill column %s of %s: %w", name, t.Source(), err)
			}
		}
		return nil
	}, func(r *Record) { r.Tables = tables })
}

// defaulter is a source that knows what the rows that were there before a
// column was added have in it; nil is NULL.
type defaulter interface {
	missing(ctx context.Context, t *Table, c *Column) ([]byte, error)
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
