package pipe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// postgresSource reads PostgreSQL. All reads of a load see one snapshot, which
// the first of them exports and holds open until close.
type postgresSource struct {
	logins
	pipe *Definition

	ask   sync.Mutex
	plain *pgx.Conn // for questions, outside the snapshot

	mu       sync.Mutex
	holder   interface{ Close(context.Context) error } // keeps the snapshot
	snapshot string
	at       pglogrepl.LSN // where the snapshot stands among the changes, if they are wanted
	idle     []*pgx.Conn
}

// Classes of a refused login: invalid_authorization_specification and
// invalid_password.
func postgresDenied(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "28000" || e.Code == "28P01")
}

// login makes a new connection whose values are in UTC and UTF-8.
func (s *postgresSource) login(ctx context.Context, params map[string]string, connect func(*pgx.ConnConfig) error) error {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(s.port, 10, 16)
	if err != nil {
		return err
	}
	config.Host, config.Port, config.Database, config.User, config.Fallbacks = s.host, uint16(port), s.database, s.user, nil
	config.ConnectTimeout = dialTime
	config.RuntimeParams = map[string]string{"application_name": "lakeport", "client_encoding": "UTF8", "TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres",
		"bytea_output": "hex", "extra_float_digits": "1", "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"}
	maps.Copy(config.RuntimeParams, params)
	if config.TLSConfig, err = s.tls(); err != nil {
		return err
	}
	return s.again(ctx, func() error {
		if config.Password, err = s.secret(ctx); err != nil {
			return err
		}
		return connect(config)
	}, postgresDenied)
}

func (s *postgresSource) connect(ctx context.Context) (c *pgx.Conn, err error) {
	err = s.login(ctx, nil, func(config *pgx.ConnConfig) error {
		c, err = pgx.ConnectConfig(ctx, config)
		return err
	})
	return c, err
}

// replication makes a connection that takes the commands of replication.
func (s *postgresSource) replication(ctx context.Context) (c *pgconn.PgConn, err error) {
	err = s.login(ctx, map[string]string{"replication": "database"}, func(config *pgx.ConnConfig) error {
		c, err = pgconn.ConnectConfig(ctx, &config.Config)
		return err
	})
	return c, err
}

// States of SQL that pass by themselves: another connection still has the
// slot, the server is full or going down, the snapshot's holder is gone.
const (
	objectInUse        = "55006"
	tooManyConnections = "53300"
	goingDown          = "57P"
	noSnapshot         = "22023"
)

func (s *postgresSource) failed(what string, err error) error {
	var e *pgconn.PgError
	var told *sqlerr.Error
	switch {
	case err == nil || errors.As(err, &told):
		return err
	case errors.As(err, &e) && e.Code != objectInUse && e.Code != tooManyConnections && !strings.HasPrefix(e.Code, goingDown):
		return &sqlerr.Error{Kind: sqlerr.Invalid, Err: err, Msg: fmt.Sprintf("%s: the source says: %s", what, e.Message)}
	}
	return &sqlerr.Error{Kind: sqlerr.Unreachable, Err: err, Msg: what + ": " + cause(err)}
}

const readOnly = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

// worker gives a connection inside the snapshot.
func (s *postgresSource) worker(ctx context.Context) (*pgx.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return c, nil
	}
	if s.holder == nil {
		if err := s.hold(ctx); err != nil {
			return nil, err
		}
	}
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range []string{readOnly, "SET TRANSACTION SNAPSHOT '" + s.snapshot + "'"} {
		if _, err := c.Exec(ctx, text); err != nil {
			_ = c.Close(ctx)
			var e *pgconn.PgError
			if errors.As(err, &e) && e.Code == noSnapshot {
				return nil, &sqlerr.Error{Kind: sqlerr.Unreachable, Err: err, Msg: "the connection that held the snapshot is gone: " + e.Message}
			}
			return nil, s.failed("enter the snapshot", err)
		}
	}
	return c, nil
}

// hold exports a snapshot. Where changes are wanted it is that of a slot, which
// lasts as long as the connection: the changes of all transactions that it does
// not see come after its place, and no others do. s.mu is held.
func (s *postgresSource) hold(ctx context.Context) error {
	if s.pipe.Mode != Load {
		return s.makeSlot(ctx, newName("load", s.pipe.Name), true)
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if _, err = c.Exec(ctx, readOnly); err == nil {
		err = c.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&s.snapshot)
	}
	if err != nil {
		_ = c.Close(ctx)
		return s.failed("export a snapshot", err)
	}
	s.holder = c
	return nil
}

// seen implements placed.
func (s *postgresSource) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == 0 {
		return ""
	}
	return s.at.String()
}

func (s *postgresSource) keep(c *pgx.Conn, err error) {
	if err != nil || c.IsClosed() {
		_ = c.Close(context.Background())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

// close implements source; the next use connects again.
func (s *postgresSource) close() {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	s.ask.Lock()
	defer s.ask.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plain != nil {
		_ = s.plain.Close(ctx)
	}
	if s.holder != nil {
		_ = s.holder.Close(ctx)
	}
	for _, c := range s.idle {
		_ = c.Close(ctx)
	}
	s.plain, s.holder, s.idle, s.at = nil, nil, nil, 0
}

// query runs a statement whose answer is small, outside the snapshot.
func (s *postgresSource) query(ctx context.Context, what, text string, args ...any) (rows [][]string, err error) {
	s.ask.Lock()
	defer s.ask.Unlock()
	if s.plain == nil || s.plain.IsClosed() {
		if s.plain, err = s.connect(ctx); err != nil {
			return nil, err
		}
	}
	result, err := s.plain.Query(ctx, text, args...)
	if err == nil {
		rows, err = pgx.CollectRows(result, func(r pgx.CollectableRow) ([]string, error) {
			row := make([]string, len(r.FieldDescriptions()))
			into := make([]any, len(row))
			for i := range row {
				into[i] = &row[i]
			}
			return row, r.Scan(into...)
		})
	}
	return rows, s.failed(what, err)
}

func (t *Table) postgresName() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

// describe implements source.
func (s *postgresSource) describe(ctx context.Context, t *Table, changes bool) error {
	what := "read the columns of " + t.Source()
	rows, err := s.query(ctx, what, "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(array_position(i.indkey::int2[], a.attnum), -1)::text, b.typtype::text || b.typcategory::text, "+
		"coalesce(to_jsonb(a)->>'attgenerated', ''), c.oid::text "+
		"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type b ON b.oid = a.atttypid "+
		"LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum", t.Schema, t.Name)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return sqlerr.New(sqlerr.NotFound, "the source has no table %s that user %s may see", t.Source(), s.user)
	}
	id, err := strconv.ParseUint(rows[0][5], 10, 32)
	if err != nil {
		return err
	}
	t.ID, t.Columns = uint32(id), nil
	key := map[int]string{}
	for _, r := range rows {
		if n, err := strconv.Atoi(r[2]); err == nil && n >= 0 {
			key[n] = r[0]
		}
		if t.excludes(r[0]) {
			continue
		}
		if changes && r[4] != "" {
			return sqlerr.New(sqlerr.Unsupported, "column %s of %s is generated, and its values are not among the changes that the source sends", r[0], t.Source()).WithHint("leave it out: EXCLUDE (%s)", r[0])
		}
		t.Columns = append(t.Columns, postgresColumn(r[0], r[1], r[3]))
	}
	if len(t.Key) == 0 {
		for n := 0; key[n] != ""; n++ {
			t.Key = append(t.Key, key[n])
		}
	}
	if changes {
		if err := s.identify(ctx, t); err != nil {
			return err
		}
	}
	return t.check()
}

// rowsPerBlock is what a block is taken to hold of a table that was never
// analyzed.
const rowsPerBlock = 50

// parts implements source: ranges of blocks, which need no index (ranges of
// ctid are read as such from PostgreSQL 14 on).
func (s *postgresSource) parts(ctx context.Context, t *Table, size int) ([]part, error) {
	rows, err := s.query(ctx, "divide "+t.Source(), "SELECT (pg_relation_size(c.oid) / current_setting('block_size')::int8)::text, greatest(c.reltuples, 0)::int8::text, c.relkind::text, current_setting('server_version_num') "+
		"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2", t.Schema, t.Name)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, sqlerr.New(sqlerr.NotFound, "the source has no table %s any more", t.Source())
	}
	blocks, _ := strconv.ParseInt(rows[0][0], 10, 64)
	tuples, _ := strconv.ParseInt(rows[0][1], 10, 64)
	version, _ := strconv.Atoi(rows[0][3])
	if rows[0][2] != "r" || version < 140000 {
		return []part{""}, nil
	}
	perBlock := int64(rowsPerBlock)
	if tuples > 0 && blocks > 0 {
		perBlock = max(tuples/blocks, 1)
	}
	step := max(int64(size)/perBlock, blocks/maxParts+1, 1)
	list := []part{}
	for from := int64(0); from+step < blocks; from += step {
		list = append(list, part(fmt.Sprintf("ctid >= '(%d,0)' AND ctid < '(%d,0)'", from, from+step)))
	}
	return append(list, part(fmt.Sprintf("ctid >= '(%d,0)'", int64(len(list))*step))), nil
}

// read implements source.
func (s *postgresSource) read(ctx context.Context, t *Table, p part, columns []int) (lake.FeedReader, error) {
	c, err := s.worker(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		list[i] = col.Read
	}
	query := "SELECT " + strings.Join(list, ", ") + " FROM " + t.postgresName()
	if p != "" {
		query += " WHERE " + string(p)
	}
	return newStream(ctx, columns, func(ctx context.Context, put func(batch) error) (err error) {
		defer func() { s.keep(c, err) }()
		result := c.PgConn().Exec(ctx, query)
		defer result.Close()
		var rows batch
		for result.NextResult() {
			for reader := result.ResultReader(); reader.NextRow(); {
				row, err := t.copied(reader.Values())
				if err != nil {
					return err
				}
				if rows = append(rows, row); len(rows) == batchRows {
					if err := put(rows); err != nil {
						return err
					}
					rows = nil
				}
			}
		}
		if err := result.Close(); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return s.failed("read "+t.Source(), err)
		}
		if len(rows) == 0 {
			return nil
		}
		return put(rows)
	}), nil
}

// copied takes a row out of the connection's memory.
func (t *Table) copied(values [][]byte) ([][]byte, error) {
	row := make([][]byte, len(values))
	for i, v := range values {
		if v == nil {
			continue
		}
		v, err := t.Columns[i].fromPostgres(append([]byte{}, v...))
		if err != nil {
			return nil, fmt.Errorf("column %s of %s: %w", t.Columns[i].Name, t.Source(), err)
		}
		row[i] = v
	}
	return row, nil
}
