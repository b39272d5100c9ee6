package pipe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// mysqlSource reads MySQL and MariaDB.
type mysqlSource struct {
	logins
	maria bool

	mu   sync.Mutex
	idle []*client.Conn // kept, for logins by token are few ("Limitations for IAM database authentication")
}

// dialTime bounds how long a connection may take to be there.
const dialTime = 30 * time.Second

// errDenied is ER_ACCESS_DENIED_ERROR.
const errDenied = 1045

func mysqlDenied(err error) bool {
	var e *mysql.MyError
	return errors.As(err, &e) && e.Code == errDenied
}

// connect gives a connection whose values are in UTC and UTF-8.
func (s *mysqlSource) connect(ctx context.Context) (*client.Conn, error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	var c *client.Conn
	err = s.again(ctx, func() error {
		password, err := s.secret(ctx)
		if err != nil {
			return err
		}
		g := &gate{encrypted: config != nil}
		// With a configuration for TLS the client refuses a server without TLS
		// before it sends anything, and so no token travels in the clear.
		return g.try(func() error {
			c, err = client.ConnectWithDialer(ctx, "tcp", net.JoinHostPort(s.host, s.port), s.user, password, "", g.dial,
				func(c *client.Conn) error {
					if config != nil {
						c.SetTLSConfig(config)
					}
					return nil
				})
			return err
		})
	}, mysqlDenied)
	if err != nil {
		return nil, err
	}
	if version := c.GetServerVersion(); strings.Contains(version, "MariaDB") != s.maria {
		_ = c.Close()
		is := map[bool]string{true: "MARIADB", false: "MYSQL"}[!s.maria]
		return nil, sqlerr.New(sqlerr.Invalid, "the source is %s, version %s", is, strings.Trim(version, "\x00")).WithHint("write CREATE PIPE .. FROM %s", is)
	}
	limit := "max_execution_time = 0"
	if s.maria {
		limit = "max_statement_time = 0"
	}
	for _, text := range []string{"SET NAMES utf8mb4", "SET SESSION sql_mode = '', time_zone = '+00:00', " + limit} {
		if err := parsed(func() error { _, err := c.Execute(text); return err }); err != nil {
			_ = c.Close()
			return nil, s.failed("prepare the connection", err)
		}
	}
	return c, nil
}

// keep takes a connection back; one that has failed is closed instead.
func (s *mysqlSource) keep(c *client.Conn, err error) {
	if err != nil {
		_ = c.Close()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

func (s *mysqlSource) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.idle {
		_ = c.Close()
	}
	s.idle = nil
}

// failed words an error of a statement: the server's own is final, a broken
// connection is not.
func (s *mysqlSource) failed(what string, err error) error {
	var e *mysql.MyError
	if sqlerr.Is(err, sqlerr.Corrupt) {
		return err
	}
	if errors.As(err, &e) {
		return &sqlerr.Error{Kind: sqlerr.Invalid, Err: err, Msg: fmt.Sprintf("%s: the source says: %s", what, e.Message)}
	}
	return &sqlerr.Error{Kind: sqlerr.Unreachable, Err: err, Msg: what + ": " + cause(err)}
}

// query runs a statement whose answer is small.
func (s *mysqlSource) query(ctx context.Context, what, text string, args ...any) (rows [][]string, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = c.Conn.Close() })()
	var result *mysql.Result
	err = parsed(func() error { result, err = c.Execute(text, args...); return err })
	if err == nil && result.Resultset == nil {
		err = errors.New("an answer without rows")
	}
	s.keep(c, err)
	if err != nil {
		return nil, s.failed(what, err)
	}
	defer result.Close()
	for i := range result.RowNumber() {
		row := make([]string, result.ColumnNumber())
		for j := range row {
			v, err := result.GetString(i, j)
			if err != nil {
				return nil, s.failed(what, err)
			}
			row[j] = strings.Clone(v) // it lies in memory that Close gives back
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// literal writes a string for a session without sql_mode.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`).Replace(s) + "'"
}

func backquote(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// describe implements source.
func (s *mysqlSource) describe(ctx context.Context, t *Table, changes bool) error {
	what := "read the columns of " + t.Source()
	rows, err := s.query(ctx, what, "SELECT COLUMN_NAME, COLUMN_TYPE, COALESCE(CHARACTER_SET_NAME, ''), EXTRA, TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "+
		literal(t.Schema)+" AND TABLE_NAME = "+literal(t.Name)+" ORDER BY ORDINAL_POSITION")
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return sqlerr.New(sqlerr.NotFound, "the source has no table %s that user %s may see", t.Source(), s.user)
	}
	t.Columns = nil
	t.Schema, t.Name = rows[0][4], rows[0][5] // as the log spells them
	for _, r := range rows {
		c, err := mysqlColumn(r[0], r[1])
		if err == nil && strings.Contains(r[3], "COMPRESSED") {
			err = sqlerr.New(sqlerr.Unsupported, "a compressed column")
		}
		if t.excludes(r[0]) {
			continue
		}
		if err == nil && changes {
			err = followable(r[2])
		}
		if err != nil {
			return sqlerr.New(sqlerr.Unsupported, "column %s of %s: %s", r[0], t.Source(), cause(err)).WithHint("leave it out: EXCLUDE (%s)", r[0])
		}
		t.Columns = append(t.Columns, c)
	}
	if len(t.Key) == 0 {
		keys, err := s.query(ctx, what, "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE INDEX_NAME = 'PRIMARY' AND TABLE_SCHEMA = "+
			literal(t.Schema)+" AND TABLE_NAME = "+literal(t.Name)+" ORDER BY SEQ_IN_INDEX")
		if err != nil {
			return err
		}
		for _, k := range keys {
			t.Key = append(t.Key, k[0])
		}
	}
	if changes {
		if err := s.cascades(ctx, t); err != nil {
			return err
		}
	}
	return t.check()
}

// cascade finds a foreign key in SHOW CREATE TABLE by whose rule rows change;
// the names are quoted, and a line begins with no other text of a user's.
var cascade = regexp.MustCompile("(?m)^  CONSTRAINT `((?:[^`]|``)*)` FOREIGN KEY .* ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL|SET DEFAULT)")

// cascades refuses a table whose rows a foreign key deletes or changes.
// information_schema shows foreign keys only to users who may change the table.
func (s *mysqlSource) cascades(ctx context.Context, t *Table) error {
	rows, err := s.query(ctx, "read the definition of "+t.Source(), "SHOW CREATE TABLE "+t.mysqlName())
	if err != nil {
		return err
	}
	if m := cascade.FindStringSubmatch(rows[0][1]); m != nil {
		return unlogged(t, "the foreign key "+strings.ReplaceAll(m[1], "``", "`"))
	}
	return nil
}

// cut implements source: changes are read from the transactions on that the
// server had when the load began, which the load may see already.
func (s *mysqlSource) cut(ctx context.Context, changes bool) (string, error) {
	if !changes {
		return "", nil
	}
	text := "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_mode"
	if s.maria {
		text = "SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.log_bin"
	}
	rows, err := s.query(ctx, "read the position of the binary log", text)
	if err != nil {
		return "", err
	}
	switch on := rows[0][1]; {
	case s.maria && on != "1":
		return "", sqlerr.New(sqlerr.Invalid, "the source writes no binary log").WithHint("turn automated backups on, which RDS's binary log hangs on")
	case !s.maria && on != "ON":
		return "", sqlerr.New(sqlerr.Unsupported, "gtid_mode of the source is %s: changes are followed by GTID only", on).WithHint("set gtid_mode = ON in the parameter group")
	}
	return strings.Join(strings.Fields(rows[0][0]), ""), nil // MySQL breaks long sets into lines
}

// parts implements source: ranges of the first column of the key, cut at keys
// that are there, so that they are of equal size however the keys lie.
func (s *mysqlSource) parts(ctx context.Context, t *Table, size int) ([]part, error) {
	key, err := s.query(ctx, "read the key of "+t.Source(), "SELECT s.COLUMN_NAME, c.DATA_TYPE FROM information_schema.STATISTICS s JOIN information_schema.COLUMNS c USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) "+
		"WHERE s.INDEX_NAME = 'PRIMARY' AND s.SEQ_IN_INDEX = 1 AND s.TABLE_SCHEMA = "+literal(t.Schema)+" AND s.TABLE_NAME = "+literal(t.Name))
	if err != nil {
		return nil, err
	}
	if len(key) == 0 {
		return []part{""}, nil
	}
	name := backquote(key[0][0])
	var bound func(string) string
	switch key[0][1] {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal":
		bound = func(v string) string { return v }
	case "char", "varchar", "date", "datetime":
		bound = literal
	default:
		return []part{""}, nil
	}
	var list []part
	below := ""
	for len(list) < maxParts-1 {
		from := ""
		if below != "" {
			from = " WHERE " + below
		}
		next, err := s.query(ctx, "divide "+t.Source(), fmt.Sprintf("SELECT CAST(%s AS CHAR) FROM %s%s ORDER BY %s LIMIT 1 OFFSET %d", name, t.mysqlName(), from, name, size))
		if err != nil {
			return nil, err
		}
		if len(next) == 0 {
			break
		}
		end := bound(next[0][0])
		cond := name + " < " + end
		if below != "" {
			cond = below + " AND " + cond
		}
		above := name + " >= " + end
		if above == below { // one key in more rows than a part has
			break
		}
		list, below = append(list, part(cond)), above
	}
	return append(list, part(below)), nil
}

// maxParts bounds the parts of a table.
const maxParts = 1000

func (t *Table) mysqlName() string { return backquote(t.Schema) + "." + backquote(t.Name) }

// read implements source.
func (s *mysqlSource) read(ctx context.Context, t *Table, p part, columns []int) (lake.FeedReader, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		list[i] = col.Read
	}
	text := "SELECT " + strings.Join(list, ", ") + " FROM " + t.mysqlName()
	if p != "" {
		text += " WHERE " + string(p)
	}
	return newStream(ctx, columns, func(ctx context.Context, put func(batch) error) error {
		defer context.AfterFunc(ctx, func() { _ = c.Conn.Close() })()
		var rows batch
		var result mysql.Result
		err := parsed(func() error {
			return c.ExecuteSelectStreaming(text, &result, func(values []mysql.FieldValue) error {
				row := make([][]byte, len(values))
				for i := range values {
					if values[i].Type != mysql.FieldValueTypeNull {
						row[i] = append([]byte{}, values[i].AsString()...)
					}
				}
				if rows = append(rows, row); len(rows) < batchRows {
					return nil
				}
				full := rows
				rows = nil
				return put(full)
			}, nil)
		})
		s.keep(c, err)
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return s.failed("read "+t.Source(), err)
		case len(rows) > 0:
			return put(rows)
		}
		return nil
	}), nil
}
