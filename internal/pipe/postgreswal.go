package pipe

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/sqlerr"
)

// wal is the changes of a PostgreSQL source: what pgoutput decodes from a slot
// on. Its reader alone speaks on the connection, also while nobody takes what
// it has read, so that the source does not give the connection up.
type wal struct {
	source *postgresSource
	conn   *pgconn.PgConn
	tables []Table
	stop   context.CancelFunc
	queue  chan *transaction
	err    error // why queue ended; valid once it is closed

	// What the source may forget: it is in the tables here.
	confirmed atomic.Uint64

	// Of the reader.
	told    pglogrepl.LSN // up to where transactions were handed on
	known   map[uint32]*walLayout
	inside  bool // a transaction
	commits pglogrepl.LSN
	open    *transaction
	size    int // of open, in bytes
}

// walLayout is how the columns of a table of the pipe stand in the stream's rows.
type walLayout struct {
	table *Table // nil: none of the pipe's
	from  []int  // by the table's columns: the relation's, or -1
	wide  int    // columns of the relation
}

// The source is told at least so often how far the pipe is; it gives up a
// connection that says nothing for wal_sender_timeout (60 s by default).
const statusInterval = 10 * time.Second

// A transaction is handed on in pieces, so that it need not fit into memory.
const (
	pieceChanges = 10_000
	pieceBytes   = 8 << 20
)

// changes implements source.
func (s *postgresSource) changes(ctx context.Context, position string, tables []Table) (changes, error) {
	at, err := pglogrepl.ParseLSN(position)
	if err != nil {
		return nil, sqlerr.New(sqlerr.Internal, "the position %q is no place in the log", position)
	}
	if err := s.checkSlot(ctx, at); err != nil {
		return nil, err
	}
	if err := s.checkPublication(ctx); err != nil {
		return nil, err
	}
	for i := range tables {
		if err := s.stillPublished(ctx, &tables[i]); err != nil {
			return nil, err
		}
	}
	w := &wal{source: s, tables: tables, queue: make(chan *transaction, 2), told: at, known: map[uint32]*walLayout{}}
	w.confirmed.Store(uint64(at))
	set := &s.pipe.Settings
	names := "publication_names '" + strings.ReplaceAll(quoteName(set.Publication), "'", "''") + "'"
	err = s.free(ctx, func() error {
		if w.conn, err = s.replication(ctx); err != nil {
			return err
		}
		err := pglogrepl.StartReplication(ctx, w.conn, quoteName(set.Slot), at, pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: []string{"proto_version '1'", names}})
		if err != nil {
			w.hangUp()
		}
		return err
	})
	if err != nil {
		return nil, s.ended(err)
	}
	ctx, w.stop = context.WithCancel(ctx)
	go func() {
		defer close(w.queue)
		w.err = w.read(ctx)
	}()
	return w, nil
}

// ended words what the source says of a stream that it does not give or ends.
func (s *postgresSource) ended(err error) error {
	told := s.failed("read the changes", err)
	if e, ok := told.(*sqlerr.Error); ok && e.Kind == sqlerr.Invalid && e.Hint == "" {
		e.Hint = "mend the slot or the publication in the source and RESUME the pipe, or make it anew"
	}
	return told
}

func (w *wal) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	_ = w.conn.Close(ctx)
}

func (w *wal) close() {
	w.stop()
	for range w.queue { // until the reader has ended
	}
	_ = w.status(context.Background()) // a connection that is broken needs none
	w.hangUp()
}

// confirm implements confirmer.
func (w *wal) confirm(position string) {
	if at, err := pglogrepl.ParseLSN(position); err == nil {
		w.confirmed.Store(uint64(at))
	}
}

// next implements changes.
func (w *wal) next(ctx context.Context) (*transaction, error) {
	select {
	case t, more := <-w.queue:
		if !more {
			return nil, w.err
		}
		return t, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// read takes the stream in until it ends or ctx does.
func (w *wal) read(ctx context.Context) error {
	for {
		limited, cancel := context.WithTimeout(ctx, statusInterval)
		err := w.receive(ctx, limited)
		quiet := pgconn.Timeout(err) && ctx.Err() == nil && limited.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !quiet && err != nil:
			return err
		}
		if err := w.status(ctx); err != nil {
			return err
		}
		// The stream does not tell that a table has left the publication.
		for i := range w.tables {
			if err := w.source.stillPublished(ctx, &w.tables[i]); err != nil {
				return err
			}
		}
	}
}

// receive takes messages in until limited ends.
func (w *wal) receive(ctx, limited context.Context) error {
	for limited.Err() == nil {
		m, err := w.conn.ReceiveMessage(limited)
		if err != nil {
			if pgconn.Timeout(err) {
				return err
			}
			return w.source.ended(err)
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			if err := w.data(ctx, m.Data); err != nil {
				return err
			}
		case *pgproto3.ErrorResponse:
			return w.source.ended(pgconn.ErrorResponseToPgError(m))
		case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
			return sqlerr.New(sqlerr.Unreachable, "the source has ended the stream of changes")
		}
	}
	return nil
}

// status tells the source what it may forget.
func (w *wal) status(ctx context.Context) error {
	err := pglogrepl.SendStandbyStatusUpdate(ctx, w.conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: pglogrepl.LSN(w.confirmed.Load())})
	return w.source.failed("tell the source how far the changes are read", err)
}

func (w *wal) data(ctx context.Context, b []byte) error {
	if len(b) == 0 {
		return sqlerr.New(sqlerr.Corrupt, "an empty message of replication")
	}
	switch b[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(b[1:])
		if err != nil {
			return sqlerr.New(sqlerr.Corrupt, "%s", err)
		}
		if k.ReplyRequested {
			if err := w.status(ctx); err != nil {
				return err
			}
		}
		// The source has looked through its log up to there: what others write
		// does not hold the slot back.
		if !w.inside && k.ServerWALEnd > w.told {
			w.told = k.ServerWALEnd
			return w.put(ctx, &transaction{position: k.ServerWALEnd.String()})
		}
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(b[1:])
		if err != nil {
			return sqlerr.New(sqlerr.Corrupt, "%s", err)
		}
		m, err := readMessage(x.WALData)
		if err != nil {
			return err
		}
		return w.take(ctx, &m)
	}
	return nil
}

// put hands a transaction or a piece of one on, and goes on telling the source
// that the pipe lives while it waits.
func (w *wal) put(ctx context.Context, t *transaction) error {
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	for {
		select {
		case w.queue <- t:
			return nil
		case <-tick.C:
			if err := w.status(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take turns a message into what it means for the tables.
func (w *wal) take(ctx context.Context, m *message) error {
	switch m.kind {
	case 'B':
		w.inside, w.commits, w.open, w.size = true, m.at, &transaction{}, 0
		return nil
	case 'C':
		t := w.open
		w.inside, w.open = false, nil
		if t == nil || m.at <= w.told { // sent again after a stop
			return nil
		}
		w.told, t.position = m.at, m.at.String()
		return w.put(ctx, t)
	case 'R':
		l, err := w.layout(ctx, m.relation, m.described)
		w.known[m.relation] = l
		return err
	case 'T':
		for _, id := range m.relations {
			if err := w.add(ctx, id, change{kind: truncate}); err != nil {
				return err
			}
		}
	case 'I', 'U', 'D':
		l := w.known[m.relation]
		if l == nil {
			return sqlerr.New(sqlerr.Corrupt, "a change of a table %d that was not described", m.relation)
		}
		if l.table == nil || w.has(l.table) {
			return nil
		}
		ch, err := l.change(m)
		if err != nil {
			return err
		}
		return w.add(ctx, m.relation, ch)
	}
	return nil
}

// has tells whether the transaction is in the table already: applied before a
// stop, or seen by the initial load.
func (w *wal) has(t *Table) bool {
	from, err := pglogrepl.ParseLSN(t.From)
	return w.commits < w.told || err == nil && w.commits < from
}

func (w *wal) add(ctx context.Context, id uint32, ch change) error {
	l := w.known[id]
	if l == nil || l.table == nil || w.has(l.table) {
		return nil
	}
	if w.open == nil {
		return sqlerr.New(sqlerr.Corrupt, "a change outside of any transaction")
	}
	ch.table = l.table
	w.open.changes, w.size = append(w.open.changes, ch), w.size+ch.size()
	if len(w.open.changes) < pieceChanges && w.size < pieceBytes {
		return nil
	}
	piece := w.open
	piece.more, w.open, w.size = true, &transaction{}, 0
	return w.put(ctx, piece)
}

// layout finds the table of a relation, and how their columns correspond.
// It refuses what has changed in a way that rows could not be told by.
func (w *wal) layout(ctx context.Context, id uint32, r *relation) (*walLayout, error) {
	i := slices.IndexFunc(w.tables, func(t Table) bool { return t.Schema == r.schema && t.Name == r.name })
	if i < 0 {
		if i := slices.IndexFunc(w.tables, func(t Table) bool { return t.ID == id }); i >= 0 {
			return nil, sqlerr.New(sqlerr.Unsupported, "%s is now %s.%s in the source: renaming a table is not followed", w.tables[i].Source(), r.schema, r.name).WithHint("make the pipe anew")
		}
		return &walLayout{}, nil
	}
	t := &w.tables[i]
	if t.ID != id {
		return nil, sqlerr.New(sqlerr.Unsupported, "another table bears the name %s in the source than when the pipe was made", t.Source()).WithHint("make the pipe anew")
	}
	now, err := w.source.columnsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	l := &walLayout{table: t, wide: len(r.columns), from: make([]int, len(t.Columns))}
	for i, c := range t.Columns {
		at := slices.IndexFunc(r.columns, func(o relationColumn) bool { return strings.EqualFold(o.name, c.Name) })
		l.from[i] = at
		switch {
		case i < len(t.Key) && (at < 0 || !r.columns[at].identity && r.identity != 'f'):
			return nil, sqlerr.New(sqlerr.Invalid, "column %s of the key is no longer in the replica identity of %s", c.Name, t.Source()).WithHint("ALTER TABLE %s REPLICA IDENTITY FULL, and make the pipe anew", t.postgresName())
		case at >= 0 && !c.reads(now[at]):
			return nil, sqlerr.New(sqlerr.Unsupported, "column %s of %s is now of type %s, when the pipe was made it was %s: a change of type is not followed", c.Name, t.Source(), now[at].Source, c.Source).WithHint("make the pipe anew")
		}
	}
	if slices.Contains(l.from, -1) { // dropped in the source, or not published
		if err := w.source.stillPublished(ctx, t); err != nil {
			return nil, err
		}
	}
	var more []Column
	for i, c := range r.columns {
		if t.column(c.name) < 0 && !t.excludes(c.name) {
			more = append(more, now[i])
		}
	}
	if len(more) > 0 {
		return nil, &newColumns{t, more}
	}
	return l, nil
}

// columnsOf maps the columns of a relation.
func (s *postgresSource) columnsOf(ctx context.Context, r *relation) ([]Column, error) {
	types, modifiers := make([]uint32, len(r.columns)), make([]int32, len(r.columns))
	for i, c := range r.columns {
		types[i], modifiers[i] = c.typ, c.modifier
	}
	rows, err := s.query(ctx, "read the types of "+r.schema+"."+r.name, "SELECT coalesce(format_type(a.id, a.modifier), ''), coalesce((SELECT typtype::text || typcategory::text FROM pg_type b WHERE b.oid = a.id), '') "+
		"FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS a(id, modifier, n) ORDER BY n", types, modifiers)
	if err != nil {
		return nil, err
	}
	list := make([]Column, len(r.columns))
	for i := range list {
		list[i] = postgresColumn(r.columns[i].name, rows[i][0], rows[i][1])
	}
	return list, nil
}

// reads tells whether a column reads the values of a type as its own.
func (c *Column) reads(now Column) bool {
	plain := func(typ string) string {
		if before, _, found := strings.Cut(typ, "("); found {
			_, after, _ := strings.Cut(typ, ")")
			typ = before + after
		}
		if typ == "character varying" {
			return "text"
		}
		return typ
	}
	return c.Type == now.Type && c.Binary == now.Binary && plain(c.Source) == plain(now.Source)
}

// stillPublished refuses a publication that has lost the table, or one of its
// columns that the source still has.
func (s *postgresSource) stillPublished(ctx context.Context, t *Table) error {
	rows, err := s.query(ctx, "read the columns of "+t.Source(), "SELECT attname::text FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped", t.ID)
	if err != nil {
		return err
	}
	there := *t
	there.Columns = nil
	for _, r := range rows {
		if i := t.column(r[0]); i >= 0 {
			there.Columns = append(there.Columns, t.Columns[i])
		}
	}
	return s.published(ctx, &there)
}

// row reads a tuple by the table's columns; kept are those whose value the
// change left alone, nil if there are none.
func (l *walLayout) row(values tuple) (row [][]byte, kept []bool, err error) {
	if len(values) != l.wide {
		return nil, nil, sqlerr.New(sqlerr.Corrupt, "a row of %s has %d values, not %d", l.table.Source(), len(values), l.wide)
	}
	row = make([][]byte, len(l.from))
	for i, at := range l.from {
		switch {
		case at < 0:
		case values[at].kind == asText:
			if row[i], err = l.table.Columns[i].fromPostgres(values[at].data); err != nil {
				return nil, nil, fmt.Errorf("column %s of %s: %w", l.table.Columns[i].Name, l.table.Source(), err)
			}
		case values[at].kind == unchanged:
			if kept == nil {
				kept = make([]bool, len(l.from))
			}
			kept[i] = true
		}
	}
	return row, kept, nil
}

// change is what a message says of one row.
func (l *walLayout) change(m *message) (ch change, err error) {
	var old [][]byte
	if m.old != nil {
		if old, _, err = l.row(m.old); err != nil {
			return ch, err
		}
	}
	key := len(l.table.Key)
	if m.kind == 'D' {
		return change{kind: remove, row: old}, nil
	}
	if ch.row, ch.kept, err = l.row(m.row); err != nil {
		return ch, err
	}
	left := false
	for i, k := range ch.kept {
		if k && old != nil && (m.whole || i < key) {
			ch.row[i], ch.kept[i] = old[i], false
		}
		left = left || ch.kept[i]
	}
	if !left {
		ch.kept = nil
	}
	for i := range key {
		switch {
		case ch.kept != nil && ch.kept[i]:
			return ch, sqlerr.New(sqlerr.Corrupt, "a change of %s does not tell the key column %s", l.table.Source(), l.table.Columns[i].Name)
		case old != nil && !bytes.Equal(old[i], ch.row[i]):
			ch.before = old
		}
	}
	return ch, nil
}

// missing implements defaulter: the default that a column was added with
// ("pg_attribute", attmissingval). Rows are not rewritten for it.
func (s *postgresSource) missing(ctx context.Context, t *Table, c *Column) ([]byte, error) {
	rows, err := s.query(ctx, "read the default of column "+c.Name, "SELECT (attmissingval::text::text[])[1] FROM pg_attribute WHERE attrelid = $1 AND attname = $2 AND atthasmissing", t.ID, c.Name)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return c.fromPostgres([]byte(rows[0][0]))
}
