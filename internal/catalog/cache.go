package catalog

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/metastore"
)

// cacheOptions says what of a metastore's answers is kept; the zero value
// keeps nothing.
type cacheOptions struct {
	age        time.Duration // how long an answer is good
	partitions bool          // keep lists of partitions too
}

// cacheMax is how many tables a cache knows; it starts anew beyond.
const cacheMax = 10_000

// cached is a metastore whose records of tables and partitions are asked for
// once in a while. The records are shared: nobody changes them.
type cached struct {
	Metastore
	o   cacheOptions
	now func() time.Time

	mu     sync.Mutex
	tables map[tableKey]*cachedTable
}

type tableKey struct{ db, name string }

type cachedTable struct {
	record     *metastore.Table
	at         time.Time
	partitions []metastore.Partition // all of the table's
	listed     time.Time             // zero: partitions are not known
}

func newCached(m Metastore, o cacheOptions, now func() time.Time) *cached {
	return &cached{Metastore: m, o: o, now: now, tables: map[tableKey]*cachedTable{}}
}

// keyOf is the same for all spellings: Hive's names have no case.
func keyOf(db, name string) tableKey { return tableKey{strings.ToLower(db), strings.ToLower(name)} }

// Table gives the record of a table, at most as old as the options allow.
// Failures are not kept.
func (c *cached) Table(ctx context.Context, db, name string) (*metastore.Table, error) {
	key := keyOf(db, name)
	c.mu.Lock()
	e := c.tables[key]
	c.mu.Unlock()
	if e != nil && c.now().Sub(e.at) < c.o.age {
		return e.record, nil
	}
	at := c.now()
	record, err := c.Metastore.Table(ctx, db, name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tables) >= cacheMax {
		clear(c.tables)
	}
	c.tables[key] = &cachedTable{record: record, at: at}
	return record, nil
}

// Partitions gives partitions of a table as Table gave it, those that w.Keep
// keeps of a list that is kept whole.
func (c *cached) Partitions(ctx context.Context, t *metastore.Table, w metastore.Wanted) ([]metastore.Partition, error) {
	key := keyOf(t.Database, t.Name)
	c.mu.Lock()
	e := c.tables[key]
	known := e != nil && e.record == t
	var list []metastore.Partition
	fresh := known && c.now().Sub(e.listed) < c.o.age
	if fresh {
		list = e.partitions
	}
	c.mu.Unlock()
	if !known || !c.o.partitions {
		return c.Metastore.Partitions(ctx, t, w)
	}
	if !fresh {
		at := c.now()
		var err error
		if list, err = c.Metastore.Partitions(ctx, t, metastore.Wanted{}); err != nil {
			return nil, err
		}
		c.mu.Lock()
		e.partitions, e.listed = list, at
		c.mu.Unlock()
	}
	return slices.DeleteFunc(slices.Clone(list), func(p metastore.Partition) bool { return w.Keep != nil && !w.Keep(p.Values) }), nil
}

// forget makes the next question about a table go to the metastore; without a
// table, every question.
func (c *cached) forget(db, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" {
		clear(c.tables)
	} else {
		delete(c.tables, keyOf(db, name))
	}
}
