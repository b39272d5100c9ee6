package pipe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// binlog is the changes of a MySQL or MariaDB source: its binary log in row
// format from a set of GTIDs on.
type binlog struct {
	source *mysqlSource
	syncer *replication.BinlogSyncer
	events *replication.BinlogStreamer
	tables []Table

	open  []change // of the transaction that is being read
	queue []*replication.BinlogEvent
	err   error // what ended the stream, told again by every next
}

// Of the connection that the log comes on.
const (
	heartbeat = 30 * time.Second // the server tells that it lives
	silence   = 3 * time.Minute  // a connection that says nothing so long is dead
)

// What a server says of a log that is gone: ER_MASTER_FATAL_ERROR_READING_BINLOG.
const errLogGone = 1236

// changes implements source.
func (s *mysqlSource) changes(ctx context.Context, position string, tables []Table) (changes, error) {
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	flavor := mysql.MySQLFlavor
	if s.maria {
		flavor = mysql.MariaDBFlavor
	}
	port, err := strconv.ParseUint(s.port, 10, 16)
	if err != nil {
		return nil, err
	}
	b := &binlog{source: s, tables: tables}
	err = s.again(ctx, func() error {
		password, err := s.secret(ctx)
		if err != nil {
			return err
		}
		set, err := mysql.ParseGTIDSet(flavor, position)
		if err != nil {
			return sqlerr.New(sqlerr.Internal, "the position %q is no set of GTIDs", position)
		}
		b.syncer = replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
			ServerID: 1000 + rand.Uint32N(1<<31), Flavor: flavor, Host: s.host, Port: uint16(port), User: s.user, Password: password,
			TLSConfig: config, TimestampStringLocation: time.UTC, HeartbeatPeriod: heartbeat, ReadTimeout: silence,
			DisableRetrySync: true, VerifyChecksum: true, Logger: slog.New(slog.DiscardHandler),
		})
		if b.events, err = b.syncer.StartSyncGTID(set); err != nil {
			b.syncer.Close()
		}
		return err
	}, mysqlDenied)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *binlog) close() { b.syncer.Close() }

// next implements changes.
func (b *binlog) next(ctx context.Context) (*transaction, error) {
	for b.err == nil {
		var e *replication.BinlogEvent
		if len(b.queue) > 0 {
			e, b.queue = b.queue[0], b.queue[1:]
		} else {
			var err error
			if e, err = b.events.GetEvent(ctx); err != nil {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				b.err = b.ended(err)
				break
			}
		}
		t, err := b.event(e)
		if err != nil {
			b.err = err
		} else if t != nil {
			return t, nil
		}
	}
	return nil, b.err
}

func (b *binlog) ended(err error) error {
	var e *mysql.MyError
	if errors.As(err, &e) && e.Code == errLogGone {
		return &sqlerr.Error{Kind: sqlerr.Invalid, Err: err, Msg: "the source no longer has the changes that come next: " + e.Message,
			Hint: "make the pipe anew, and keep binary logs longer: CALL mysql.rds_set_configuration('binlog retention hours', 72)"}
	}
	return b.source.failed("read the binary log", err)
}

// event takes one event in; it gives a transaction at its end.
func (b *binlog) event(e *replication.BinlogEvent) (*transaction, error) {
	switch v := e.Event.(type) {
	case *replication.RowsEvent:
		return nil, b.rows(e.Header.EventType, v)
	case *replication.XIDEvent:
		return b.commit(v.GSet), nil
	case *replication.QueryEvent:
		return b.query(v)
	case *replication.TransactionPayloadEvent:
		b.queue = append(b.queue, v.Events...)
	case *replication.GenericEvent:
		if e.Header.EventType == replication.INCIDENT_EVENT {
			return nil, sqlerr.New(sqlerr.Corrupt, "the binary log tells of an incident: changes may be missing from it").WithHint("make the pipe anew")
		}
	}
	return nil, nil
}

func (b *binlog) commit(set mysql.GTIDSet) *transaction {
	t := &transaction{changes: b.open}
	b.open = nil
	if set != nil {
		t.position = set.String()
	}
	return t
}

// query reads the statements in the log: the frame of transactions on tables
// without any, definitions, and changes that were not logged as rows.
func (b *binlog) query(e *replication.QueryEvent) (*transaction, error) {
	toks, err := syntax.Scan(string(e.Query), syntax.StarRocks)
	if err != nil || len(toks) == 0 {
		return b.commit(e.GSet), nil // no statement that names a table of the pipe: those are plain
	}
	switch first := strings.ToUpper(toks[0].Text); first {
	case "BEGIN", "SAVEPOINT":
		return nil, nil
	case "ROLLBACK":
		b.open = nil
		return b.commit(e.GSet), nil
	case "TRUNCATE", "DROP", "RENAME", "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD":
		t := b.named(toks, string(e.Schema))
		switch {
		case t == nil:
		case first == "TRUNCATE":
			b.open = append(b.open, change{table: t, kind: truncate})
		case first == "DROP" && !toks[1].Is("TABLE"): // an index, a view
		case first == "DROP" || first == "RENAME":
			return nil, sqlerr.New(sqlerr.Unsupported, "%s TABLE of %s in the source is not followed", first, t.Source()).WithHint("make the pipe anew")
		default:
			return nil, sqlerr.New(sqlerr.Invalid, "a change of %s is logged as a statement, not as rows", t.Source()).WithHint("set binlog_format = ROW in the parameter group, and make the pipe anew")
		}
	}
	return b.commit(e.GSet), nil
}

// named finds a table of the pipe among the names of a statement.
func (b *binlog) named(toks []syntax.Token, schema string) *Table {
	for i, tok := range toks {
		if tok.Kind != syntax.Word && tok.Kind != syntax.Quoted {
			continue
		}
		in := schema
		if i >= 2 && toks[i-1].Is(".") {
			in = toks[i-2].Value()
		}
		if t := b.table(in, tok.Value()); t != nil {
			return t
		}
	}
	return nil
}

func (b *binlog) table(schema, name string) *Table {
	i := slices.IndexFunc(b.tables, func(t Table) bool { return t.Schema == schema && t.Name == name })
	if i < 0 {
		return nil
	}
	return &b.tables[i]
}

// rows turns an event's rows into changes.
func (b *binlog) rows(typ replication.EventType, e *replication.RowsEvent) error {
	t := b.table(string(e.Table.Schema), string(e.Table.Table))
	if t == nil {
		return nil
	}
	names := e.Table.ColumnNameString()
	if len(names) == 0 {
		return sqlerr.New(sqlerr.Invalid, "the binary log does not name the columns of %s", t.Source()).WithHint("set binlog_row_metadata = FULL in the parameter group")
	}
	from := make([]int, len(t.Columns)) // where each column stands in the event
	for i, c := range t.Columns {
		from[i] = slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
	}
	for _, n := range names {
		if t.column(n) < 0 && !t.excludes(n) {
			return &newColumns{t}
		}
	}
	for i, skipped := range e.SkippedColumns {
		if len(skipped) > 0 && i < len(e.Rows) {
			return sqlerr.New(sqlerr.Invalid, "the binary log has no whole rows of %s", t.Source()).WithHint("set binlog_row_image = FULL in the parameter group")
		}
	}
	read := func(values []any) ([][]byte, error) {
		row := make([][]byte, len(from))
		for i, at := range from {
			if at < 0 {
				continue
			}
			v, err := t.Columns[i].fromLog(values[at])
			if err != nil {
				return nil, fmt.Errorf("column %s of %s: %w", t.Columns[i].Name, t.Source(), err)
			}
			row[i] = v
		}
		return row, nil
	}
	update := typ == replication.UPDATE_ROWS_EVENTv0 || typ == replication.UPDATE_ROWS_EVENTv1 || typ == replication.UPDATE_ROWS_EVENTv2 || typ == replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1
	removal := typ == replication.DELETE_ROWS_EVENTv0 || typ == replication.DELETE_ROWS_EVENTv1 || typ == replication.DELETE_ROWS_EVENTv2 || typ == replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1
	if typ == replication.PARTIAL_UPDATE_ROWS_EVENT {
		return sqlerr.New(sqlerr.Unsupported, "the binary log has parts of JSON values of %s", t.Source()).WithHint("set binlog_row_value_options = '' in the parameter group")
	}
	for i, values := range e.Rows {
		row, err := read(values)
		if err != nil {
			return err
		}
		k := upsert
		if removal || update && i%2 == 0 { // an update is the row before, then the row after
			k = remove
		}
		b.open = append(b.open, change{t, k, row})
	}
	return nil
}

// fromLog writes a value of the log as the initial load reads it.
func (c *Column) fromLog(v any) ([]byte, error) {
	base, _, _ := strings.Cut(c.Source, "(")
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		if (base == "date" || base == "datetime" || base == "timestamp") && strings.HasPrefix(v, "0000-00-00") {
			return nil, nil
		}
		if base == "binary" { // the log leaves zeros at the end out
			size, _ := strconv.Atoi(strings.Trim(c.Source[len(base):], "()"))
			return append([]byte(v), make([]byte, max(0, size-len(v)))...), nil
		}
		return []byte(v), nil
	case float32:
		return strconv.AppendFloat(nil, float64(v), 'g', -1, 32), nil
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	case int64:
		switch {
		case base == "enum":
			if v < 0 || int(v) > len(c.Set) {
				return nil, sqlerr.New(sqlerr.Corrupt, "value %d of an enumeration of %d", v, len(c.Set))
			}
			if v == 0 { // what the source keeps of a value that is none of its
				return []byte{}, nil
			}
			return []byte(c.Set[v-1]), nil
		case base == "set":
			var in []string
			for i, name := range c.Set {
				if v&(1<<i) != 0 {
					in = append(in, name)
				}
			}
			return []byte(strings.Join(in, ",")), nil
		case base == "bit":
			return strconv.AppendUint(nil, uint64(v), 10), nil
		}
	}
	return fmt.Append(nil, v), nil
}

// follows implements source.
func (s *mysqlSource) follows(ctx context.Context) error {
	rows, err := s.query(ctx, "read the settings of the binary log", "SELECT @@GLOBAL.binlog_format, @@GLOBAL.binlog_row_image, @@GLOBAL.binlog_row_metadata")
	if err != nil {
		return err
	}
	for i, want := range [][2]string{{"binlog_format", "ROW"}, {"binlog_row_image", "FULL"}, {"binlog_row_metadata", "FULL"}} {
		if !strings.EqualFold(rows[0][i], want[1]) {
			return sqlerr.New(sqlerr.Invalid, "%s of the source is %s: changes can be followed with %s only", want[0], rows[0][i], want[1]).WithHint("set it in the parameter group")
		}
	}
	_, err = s.cut(ctx, true)
	return err
}
