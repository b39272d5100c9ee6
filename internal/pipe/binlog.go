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
)

// binlog is the changes of a MySQL or MariaDB source: its binary log in row
// format from a set of GTIDs on.
type binlog struct {
	source   *mysqlSource
	gate     *gate // of the syncer's connections
	syncer   *replication.BinlogSyncer
	events   *replication.BinlogStreamer
	tables   []Table
	charsets *charsets

	position string // after the transaction that came last

	within  bool                // between the beginning and the end of a transaction
	open    []change            // of the transaction that is being read
	layout  *layout             // of the table whose rows came last
	gone    map[*Table][]string // the columns that the rows which came last do not have
	swapped map[*Table][]string // by the tool of an online change of the schema; what was gone before
	queue   []*replication.BinlogEvent
	err     error // what ended the stream, told again by every next
}

// Of the connection that the log comes on.
const (
	heartbeat = 30 * time.Second // the server tells that it lives
	silence   = 3 * time.Minute  // a connection that says nothing so long is dead
)

// What a server says of a log that is gone, ER_MASTER_FATAL_ERROR_READING_BINLOG,
// and of one that is not for this user, ER_SPECIFIC_ACCESS_DENIED_ERROR.
const (
	errLogGone  = 1236
	errNotGiven = 1227
)

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
	b := &binlog{source: s, tables: tables, position: position, charsets: &charsets{source: s}, gone: map[*Table][]string{}, swapped: map[*Table][]string{}}
	if err := b.charsets.load(ctx); err != nil {
		return nil, err
	}
	err = s.again(ctx, func() error {
		password, err := s.secret(ctx)
		if err != nil {
			return err
		}
		g := &gate{encrypted: config != nil}
		b.gate = g
		set, err := mysql.ParseGTIDSet(flavor, position)
		if err != nil {
			return sqlerr.New(sqlerr.Internal, "the position %q is no set of GTIDs", position)
		}
		b.syncer = replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
			ServerID: 1000 + rand.Uint32N(1<<31), Flavor: flavor, Host: s.host, Port: uint16(port), User: s.user, Password: password,
			TLSConfig: config, TimestampStringLocation: time.UTC, HeartbeatPeriod: heartbeat, ReadTimeout: silence,
			DisableRetrySync: true, VerifyChecksum: true, Logger: slog.New(slog.DiscardHandler),
			RenderJSONAsMySQLText: true, // as the initial load reads it
			RowsEventDecodeFunc:   b.decode,
			Dialer:                g.dial,
		})
		err = g.try(func() error { b.events, err = b.syncer.StartSyncGTID(set); return err })
		var e *mysql.MyError
		if err != nil {
			b.close()
		}
		if errors.As(err, &e) && e.Code == errNotGiven {
			return b.ended(err)
		}
		return err
	}, mysqlDenied)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *binlog) close() {
	b.gate.shut()
	b.syncer.Close()
}

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
		var t *transaction
		if b.err = parsed(func() (err error) { t, err = b.event(ctx, e); return err }); b.err == nil && t != nil {
			return t, nil
		}
	}
	return nil, b.err
}

func (b *binlog) ended(err error) error {
	var e *mysql.MyError
	var malformed *replication.EventError
	switch {
	case errors.As(err, &e) && e.Code == errNotGiven:
		return &sqlerr.Error{Kind: sqlerr.Invalid, Err: err, Msg: "the source does not give its binary log to user " + b.source.user + ": " + e.Message,
			Hint: "GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO that user"}
	case errors.As(err, &e) && e.Code == errLogGone && (strings.Contains(e.Message, "max_allowed_packet") || strings.Contains(strings.ToLower(e.Message), "anonymous")):
		return &sqlerr.Error{Kind: sqlerr.Invalid, Err: err, Msg: "the source cannot send its binary log: " + e.Message}
	case errors.As(err, &e) && e.Code == errLogGone:
		return &sqlerr.Error{Kind: sqlerr.Invalid, Err: err, Msg: "the source no longer has the changes that come next: " + e.Message,
			Hint: "make the pipe anew, and keep binary logs longer: CALL mysql.rds_set_configuration('binlog retention hours', 72)"}
	case errors.As(err, &malformed):
		return sqlerr.New(sqlerr.Corrupt, "the binary log holds %s at %d that is not understood: %s", eventName(malformed.Header.EventType), malformed.Header.LogPos, firstLine(malformed.Err))
	case strings.HasPrefix(err.Error(), "panic "), strings.HasPrefix(err.Error(), "invalid data size"): // the parser's own account of an event that it fell over
		return sqlerr.New(sqlerr.Corrupt, "the binary log holds an event that is not understood: %s", firstLine(strings.TrimPrefix(err.Error(), "panic ")))
	}
	return b.source.failed("read the binary log", err)
}

// firstLine keeps dumps of bytes and stacks out of messages.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, ", data ")
	return s[:min(len(s), 200)]
}

func eventName(t replication.EventType) string {
	if name := t.String(); name != "UnknownEvent" {
		return name
	}
	return fmt.Sprintf("an event of type %d", t)
}

// event takes one event in; it gives a transaction at its end.
func (b *binlog) event(ctx context.Context, e *replication.BinlogEvent) (*transaction, error) {
	switch v := e.Event.(type) {
	case *replication.RowsEvent:
		return nil, b.rows(ctx, e.Header.EventType, v)
	case *replication.XIDEvent:
		return b.commit(v.GSet), nil
	case *replication.QueryEvent:
		return b.query(v)
	case *replication.GTIDEvent:
		if e.Header.EventType == replication.ANONYMOUS_GTID_EVENT {
			return nil, sqlerr.New(sqlerr.Unsupported, "the binary log has a transaction without a GTID, which gives no place to go on from").WithHint("set gtid_mode = ON in the parameter group, and make the pipe anew")
		}
	case *replication.MariadbGTIDEvent: // stands where MySQL writes BEGIN
		b.within = !v.IsStandalone()
	case *replication.TransactionPayloadEvent:
		b.queue = append(b.queue, v.Events...)
	case *replication.ExecuteLoadQueryEvent:
		return nil, asStatement("a LOAD DATA of the source")
	case *replication.GenericEvent:
		return nil, b.generic(e.Header)
	}
	return nil, nil
}

// harmless are the events that carry no change of rows and that the library
// does not read. A statement's variables are for changes that are logged as
// statements, which query refuses.
var harmless = []replication.EventType{replication.STOP_EVENT, replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT, replication.IGNORABLE_EVENT,
	replication.TRANSACTION_CONTEXT_EVENT, replication.VIEW_CHANGE_EVENT, replication.MARIADB_START_ENCRYPTION_EVENT}

// generic judges events that the library does not read: of what is not known
// only that passes which its writer marks as of no account (MySQL,
// "LOG_EVENT_IGNORABLE_F").
func (b *binlog) generic(h *replication.EventHeader) error {
	switch {
	case h.EventType == replication.INCIDENT_EVENT:
		return sqlerr.New(sqlerr.Corrupt, "the binary log tells of an incident: changes may be missing from it").WithHint("make the pipe anew")
	case h.EventType == replication.XA_PREPARE_LOG_EVENT:
		if len(b.open) > 0 { // they may yet be rolled back, after transactions that came between
			return sqlerr.New(sqlerr.Unsupported, "an XA transaction has changed %s: those are not followed", b.open[0].table.Source()).WithHint("make the pipe anew, and exclude the tables that XA transactions change")
		}
		b.within = false
	case !slices.Contains(harmless, h.EventType) && h.Flags&replication.LOG_EVENT_IGNORABLE_F == 0:
		return sqlerr.New(sqlerr.Unsupported, "the binary log holds %s, which is not followed", eventName(h.EventType)).WithHint("make the pipe anew")
	}
	return nil
}

func (b *binlog) commit(set mysql.GTIDSet) *transaction {
	if set != nil {
		b.position = set.String()
	}
	t := &transaction{changes: b.open, position: b.position}
	b.open, b.within = nil, false
	return t
}

// follows implements source.
func (s *mysqlSource) follows(ctx context.Context) error {
	rows, err := s.query(ctx, "read the settings of the binary log", "SHOW GLOBAL VARIABLES WHERE Variable_name IN "+
		"('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options', 'gtid_mode', 'log_replica_updates', 'log_slave_updates', 'gtid_slave_pos')")
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, r := range rows {
		have[strings.ToLower(r[0])] = r[1]
	}
	if have["log_bin"] != "ON" {
		return sqlerr.New(sqlerr.Invalid, "the source writes no binary log").WithHint("turn automated backups on, which RDS's binary log hangs on")
	}
	wants := [][2]string{{"binlog_format", "ROW"}, {"binlog_row_image", "FULL"}, {"binlog_row_metadata", "FULL"}}
	if !s.maria {
		wants = append(wants, [2]string{"binlog_row_value_options", ""}, [2]string{"gtid_mode", "ON"})
	}
	for _, want := range wants {
		switch got, there := have[want[0]]; {
		case !there && want[1] != "":
			return sqlerr.New(sqlerr.Unsupported, "the source has no setting %s: changes are followed from MySQL 8.0.1 and MariaDB 10.5 on", want[0])
		case !strings.EqualFold(got, want[1]):
			return sqlerr.New(sqlerr.Invalid, "%s of the source is '%s': changes can be followed with '%s' only", want[0], got, want[1]).WithHint("set it in the parameter group")
		}
	}
	for _, name := range []string{"log_replica_updates", "log_slave_updates"} { // a MariaDB that replicates nothing has it off
		if have[name] == "OFF" && (!s.maria || have["gtid_slave_pos"] != "") {
			return sqlerr.New(sqlerr.Invalid, "%s of the source is OFF: what it replicates from elsewhere is not in its binary log", name).WithHint("set it in the parameter group, or name the server that is written to as host")
		}
	}
	_, err = s.cut(ctx, true)
	return err
}
