package pipe

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// postgresSource reads PostgreSQL. All its reads see one snapshot, which the
// first of them exports and holds open until close.
type postgresSource struct {
	logins

	mu       sync.Mutex
	holder   *pgx.Conn
	snapshot string
	idle     []*pgx.Conn
}

// Classes of a refused login: invalid_authorization_specification and
// invalid_password.
func postgresDenied(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "28000" || e.Code == "28P01")
}

// connect makes a new connection whose values are in UTC.
func (s *postgresSource) connect(ctx context.Context) (c *pgx.Conn, err error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(s.port, 10, 16)
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database, config.User, config.Fallbacks = s.host, uint16(port), s.database, s.user, nil
	config.ConnectTimeout = dialTime
	config.RuntimeParams = map[string]string{"application_name": "lakeport", "TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres",
		"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"}
	if config.TLSConfig, err = s.tls(); err != nil {
		return nil, err
	}
	err = s.again(ctx, func() error {
		if config.Password, err = s.secret(ctx); err != nil {
			return err
		}
		c, err = pgx.ConnectConfig(ctx, config)
		return err
	}, postgresDenied)
	return c, err
}

func (s *postgresSource) failed(what string, err error) error {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && !strings.HasPrefix(e.Code, "57P"): // the server is not going down
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
		c, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		if _, err = c.Exec(ctx, readOnly); err == nil {
			err = c.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&s.snapshot)
		}
		if err != nil {
			_ = c.Close(ctx)
			return nil, s.failed("export a snapshot", err)
		}
		s.holder = c
	}
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range []string{readOnly, "SET TRANSACTION SNAPSHOT '" + s.snapshot + "'"} {
		if _, err := c.Exec(ctx, text); err != nil {
			_ = c.Close(ctx)
			return nil, s.failed("enter the snapshot", err)
		}
	}
	return c, nil
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

func (s *postgresSource) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range append(s.idle, s.holder) {
		if c != nil {
			_ = c.Close(context.Background())
		}
	}
	s.idle, s.holder = nil, nil
}

// query runs a statement whose answer is small, in the snapshot.
func (s *postgresSource) query(ctx context.Context, what, text string, args ...any) (rows [][]string, err error) {
	c, err := s.worker(ctx)
	if err != nil {
		return nil, err
	}
	result, err := c.Query(ctx, text, args...)
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
	s.keep(c, err)
	return rows, s.failed(what, err)
}

func (t *Table) postgresName() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

// describe implements source.
func (s *postgresSource) describe(ctx context.Context, t *Table, _ bool) error {
	what := "read the columns of " + t.Source()
	rows, err := s.query(ctx, what, "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(array_position(i.indkey::int2[], a.attnum), -1)::text, b.typtype::text || b.typcategory::text "+
		"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type b ON b.oid = a.atttypid "+
		"LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum", t.Schema, t.Name)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return sqlerr.New(sqlerr.NotFound, "the source has no table %s that user %s may see", t.Source(), s.user)
	}
	t.Columns = nil
	key := map[int]string{}
	for _, r := range rows {
		if n, err := strconv.Atoi(r[2]); err == nil && n >= 0 {
			key[n] = r[0]
		}
		if !t.excludes(r[0]) {
			t.Columns = append(t.Columns, postgresColumn(r[0], r[1], r[3]))
		}
	}
	if len(t.Key) == 0 {
		for n := 0; key[n] != ""; n++ {
			t.Key = append(t.Key, key[n])
		}
	}
	return t.check()
}

// numeric takes numeric(p,s) apart.
var numeric = regexp.MustCompile(`^numeric\((\d+),(-?\d+)\)$`)

// postgresColumn maps a column. What StarRocks has no type for becomes text.
func postgresColumn(name, typ, kind string) Column {
	quoted := pgx.Identifier{name}.Sanitize()
	c := Column{Name: name, Source: typ, Type: text, Read: quoted + "::text"}
	base, _, _ := strings.Cut(typ, "(")
	switch {
	case strings.HasSuffix(typ, "[]"):
		c.Type, c.Read = "JSON", "array_to_json("+quoted+")::text"
		return c
	case strings.HasPrefix(kind, "d"): // a domain is what its base is, by its text
		return c
	}
	switch base {
	case "boolean":
		c.Type = "BOOLEAN"
	case "smallint", "bigint", "date":
		c.Type = strings.ToUpper(base)
	case "integer":
		c.Type = "INT"
	case "real":
		c.Type = "FLOAT"
	case "double precision":
		c.Type = "DOUBLE"
	case "numeric":
		if m := numeric.FindStringSubmatch(typ); m != nil {
			p, _ := strconv.Atoi(m[1])
			scale, _ := strconv.Atoi(m[2])
			if p <= 38 && scale >= 0 && scale <= p {
				c.Type = fmt.Sprintf("DECIMAL(%d,%d)", p, scale)
			}
		}
	case "bytea":
		c.Type, c.Read, c.Binary = "VARBINARY", "encode("+quoted+", 'hex')", true
	case "json", "jsonb":
		c.Type = "JSON"
	case "timestamp", "timestamp without time zone", "timestamp with time zone":
		c.Type = "DATETIME"
		if strings.HasSuffix(typ, "with time zone") {
			c.Read = "(" + quoted + " AT TIME ZONE 'UTC')::text"
		}
	}
	return c
}

// cut implements source: a load alone needs no position.
func (s *postgresSource) cut(context.Context, bool) (string, error) { return "", nil }

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
		switch {
		case v == nil:
		case t.Columns[i].Binary:
			b := make([]byte, hex.DecodedLen(len(v)))
			if _, err := hex.Decode(b, v); err != nil {
				return nil, sqlerr.New(sqlerr.Corrupt, "column %s of %s: %s", t.Columns[i].Name, t.Source(), err)
			}
			row[i] = b
		default:
			row[i] = append([]byte{}, v...)
		}
	}
	return row, nil
}

// follows implements source.
func (s *postgresSource) follows(ctx context.Context) error {
	if s.iam {
		rows, err := s.query(ctx, "read rds.iam_auth_for_replication", "SELECT coalesce(current_setting('rds.iam_auth_for_replication', true), '')")
		if err != nil {
			return err
		}
		if on := rows[0][0]; on != "1" && on != "on" {
			return sqlerr.New(sqlerr.Unsupported, "PostgreSQL at %s takes no IAM token for replication, so that changes cannot be followed: rds.iam_auth_for_replication is not on",
				net.JoinHostPort(s.host, s.port)).WithHint("write MODE INITIAL_LOAD, or set rds.iam_auth_for_replication = 1 (PostgreSQL 11 or later) in the parameter group")
		}
	}
	return sqlerr.New(sqlerr.Unsupported, "following the changes of PostgreSQL is not built yet").WithHint("write MODE INITIAL_LOAD")
}

// changes implements source; follows refuses before.
func (s *postgresSource) changes(ctx context.Context, _ string, _ []Table) (changes, error) {
	return nil, s.follows(ctx)
}
