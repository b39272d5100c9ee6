package pipe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lakeport/internal/sqlerr"
)

// slotName is what PostgreSQL takes for the name of a slot (63 bytes at most).
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

var notOfName = regexp.MustCompile(`[^a-z0-9]+`)

// newName makes the name of something that a pipe makes in its source: nobody
// else has it, so that what bears it may be dropped.
func newName(kind, pipe string) string {
	plain := strings.Trim(notOfName.ReplaceAllString(strings.ToLower(pipe), "_"), "_")
	return fmt.Sprintf("lakeport_%s_%.30s_%.8s", kind, plain, strings.ToLower(rand.Text()))
}

// leastVersion is ClickPipes' for following changes.
const leastVersion = 120000

// follows implements source: it asks the source for all that following its
// changes needs, before anything is made.
func (s *postgresSource) follows(ctx context.Context) error {
	rows, err := s.query(ctx, "read the settings of replication", "SELECT (current_setting('server_version_num')::int4 >= $1)::text, current_setting('wal_level'), pg_is_in_recovery()::text, coalesce(current_setting('rds.iam_auth_for_replication', true), '')", leastVersion)
	if err != nil {
		return err
	}
	recent, level, replica, byToken := rows[0][0], rows[0][1], rows[0][2], rows[0][3]
	if s.iam && byToken != "" && byToken != "1" && byToken != "on" {
		return s.noToken("rds.iam_auth_for_replication is not on")
	}
	switch {
	case recent != "true":
		return sqlerr.New(sqlerr.Unsupported, "changes of PostgreSQL are followed from version 12 on").WithHint("write MODE INITIAL_LOAD")
	case replica != "false":
		return sqlerr.New(sqlerr.Unsupported, "the source is a replica, whose changes are not followed").WithHint("name the writer's endpoint, or write MODE INITIAL_LOAD")
	case level != "logical":
		return sqlerr.New(sqlerr.Invalid, "wal_level of the source is %s: changes can be followed with logical only", level).
			WithHint("set rds.logical_replication = 1 in the parameter group and reboot, or wal_level = logical in a server of your own")
	}
	c, err := s.replication(ctx)
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e) && e.Code == "42501": // insufficient_privilege
		return (&sqlerr.Error{Kind: sqlerr.Denied, Err: err, Msg: fmt.Sprintf("user %s may not replicate: the source says: %s", s.user, e.Message)}).
			WithHint("GRANT rds_replication TO %s, or ALTER USER %[1]s REPLICATION in a server of your own", s.user)
	case s.iam && sqlerr.Is(err, sqlerr.Denied):
		return s.noToken("rds.iam_auth_for_replication is not on: " + cause(err))
	case err != nil:
		return err
	}
	_, err = pglogrepl.IdentifySystem(ctx, c)
	_ = c.Close(ctx)
	if err != nil {
		return s.failed("open a replication connection", err)
	}
	if !s.pipe.Settings.MakePublication {
		if err := s.checkPublication(ctx); err != nil {
			return err
		}
	}
	if !s.pipe.Settings.MakeSlot {
		return s.checkSlot(ctx, 0)
	}
	return nil
}

func (s *postgresSource) noToken(why string) error {
	return sqlerr.New(sqlerr.Unsupported, "PostgreSQL at %s takes no IAM token for replication, so that changes cannot be followed: %s", net.JoinHostPort(s.host, s.port), why).
		WithHint("write MODE INITIAL_LOAD, or set rds.iam_auth_for_replication = 1 (PostgreSQL 11 or later) in the parameter group")
}

// checkPublication refuses a publication that is not there or leaves a kind of
// change out.
func (s *postgresSource) checkPublication(ctx context.Context) error {
	name := s.pipe.Settings.Publication
	rows, err := s.query(ctx, "read publication "+name, "SELECT concat_ws(', ', CASE WHEN NOT pubinsert THEN 'insert' END, CASE WHEN NOT pubupdate THEN 'update' END, CASE WHEN NOT pubdelete THEN 'delete' END, CASE WHEN NOT pubtruncate THEN 'truncate' END) "+
		"FROM pg_publication WHERE pubname = $1", name)
	switch {
	case err != nil:
		return err
	case len(rows) == 0:
		return sqlerr.New(sqlerr.NotFound, "the source has no publication %s", name).WithHint("make it in the source, as the owner of the tables: %s", s.createPublication())
	case rows[0][0] != "":
		return sqlerr.New(sqlerr.Invalid, "publication %s of the source leaves out: %s", name, rows[0][0]).
			WithHint("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')", quoteName(name))
	}
	return nil
}

// published refuses a publication that does not have a table whole.
func (s *postgresSource) published(ctx context.Context, t *Table) error {
	name := s.pipe.Settings.Publication
	rows, err := s.query(ctx, "read publication "+name, "SELECT coalesce(to_jsonb(p)->>'rowfilter', ''), coalesce(to_jsonb(p)->>'attnames', '') FROM pg_publication_tables p WHERE pubname = $1 AND schemaname = $2 AND tablename = $3", name, t.Schema, t.Name)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		hint := fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s in the source, and make the pipe anew if rows have changed meanwhile", quoteName(name), t.postgresName())
		if t.Partitioned {
			hint += "; of a partitioned table, publish_via_partition_root must be true"
		}
		return sqlerr.New(sqlerr.Invalid, "table %s is not in publication %s of the source", t.Source(), name).WithHint("%s", hint)
	}
	if rows[0][0] != "" {
		return sqlerr.New(sqlerr.Unsupported, "publication %s of the source has only those rows of %s that meet %s", name, t.Source(), rows[0][0]).WithHint("publish the whole table")
	}
	if rows[0][1] == "" {
		return nil
	}
	for _, c := range t.Columns {
		if !slices.Contains(jsonStrings(rows[0][1]), c.Name) {
			return sqlerr.New(sqlerr.Invalid, "publication %s of the source leaves out column %s of %s", name, c.Name, t.Source()).
				WithHint("publish the whole table, or leave the column out of the pipe: EXCLUDE (%s)", c.Name)
		}
	}
	return nil
}

// checkSlot refuses a slot that is not there, has lost what it kept, or has
// gone on without the pipe, which had all changes up to position.
func (s *postgresSource) checkSlot(ctx context.Context, position pglogrepl.LSN) error {
	name := s.pipe.Settings.Slot
	rows, err := s.query(ctx, "read replication slot "+name, "SELECT coalesce(plugin, ''), coalesce(database, ''), coalesce(to_jsonb(s)->>'wal_status', ''), coalesce(confirmed_flush_lsn, '0/0')::text FROM pg_replication_slots s WHERE slot_name = $1", name)
	if err != nil {
		return err
	}
	anew := "DROP PIPE and make it anew, which loads the tables again"
	if len(rows) == 0 {
		if position == 0 {
			return sqlerr.New(sqlerr.NotFound, "the source has no replication slot %s", name).WithHint("leave replication_slot_name out, and the pipe makes one")
		}
		return sqlerr.New(sqlerr.Invalid, "the source has lost replication slot %s, and with it the changes since %s", name, position).WithHint("%s", anew)
	}
	r := rows[0]
	at, err := pglogrepl.ParseLSN(r[3])
	if err != nil {
		return err
	}
	switch {
	case r[0] != "pgoutput":
		return sqlerr.New(sqlerr.Invalid, "replication slot %s of the source is of the plugin %q, not pgoutput", name, r[0])
	case r[1] != s.database:
		return sqlerr.New(sqlerr.Invalid, "replication slot %s is of database %s, not %s", name, r[1], s.database)
	case r[2] == "lost":
		return sqlerr.New(sqlerr.Invalid, "the source has let go of the changes that replication slot %s was to keep", name).WithHint("raise max_slot_wal_keep_size; %s", anew)
	case position > 0 && at > position:
		return sqlerr.New(sqlerr.Invalid, "replication slot %s stands at %s, the pipe at %s: another reader has taken the changes between", name, at, position).WithHint("%s", anew)
	}
	return nil
}

// identify refuses a table whose updates and deletes the source would not tell,
// and settles the key by which they are applied ("Publication", on replica
// identities).
func (s *postgresSource) identify(ctx context.Context, t *Table) error {
	rows, err := s.query(ctx, "read the replica identity of "+t.Source(), "SELECT c.relkind::text, c.relreplident::text, c.relpersistence::text, EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhparent = c.oid)::text, (pg_has_role(c.relowner, 'USAGE') AND has_database_privilege(current_database(), 'CREATE'))::text, "+
		"coalesce((SELECT json_agg(a.attname ORDER BY array_position(i.indkey::int2[], a.attnum))::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[]) "+
		"WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END), '') FROM pg_class c WHERE c.oid = $1", t.ID)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return sqlerr.New(sqlerr.NotFound, "the source has no table %s any more", t.Source())
	}
	kind, identity, persistence, parent, owner, columns := rows[0][0], rows[0][1], rows[0][2], rows[0][3] == "true", rows[0][4] == "true", rows[0][5]
	t.Partitioned = kind == "p"
	switch {
	case kind != "r" && kind != "p":
		return sqlerr.New(sqlerr.Unsupported, "%s is no table, and has no changes to follow", t.Source()).WithHint("write MODE INITIAL_LOAD")
	case persistence != "p":
		return sqlerr.New(sqlerr.Unsupported, "the table %s is unlogged or temporary: its changes are not in the log of the source", t.Source()).WithHint("ALTER TABLE %s SET LOGGED, or write MODE INITIAL_LOAD", t.postgresName())
	case parent && !t.Partitioned:
		return sqlerr.New(sqlerr.Unsupported, "%s has tables that inherit from it: their changes are not its own", t.Source()).WithHint("name the tables themselves, or write MODE INITIAL_LOAD")
	case identity == "n" || identity != "f" && columns == "":
		why := "its replica identity is NOTHING"
		if identity != "n" {
			why = "it has no primary key to be its replica identity"
		}
		return sqlerr.New(sqlerr.Invalid, "the source does not tell which rows of %s a change is of: %s", t.Source(), why).
			WithHint("ALTER TABLE %s ADD PRIMARY KEY (…), or REPLICA IDENTITY USING INDEX or FULL, or write MODE INITIAL_LOAD", t.postgresName())
	case s.pipe.Settings.MakePublication && !owner:
		return sqlerr.New(sqlerr.Denied, "user %s may not publish %s: it is not the owner of the table, or may not CREATE in the database", s.user, t.Source()).
			WithHint("let an owner run %s and name it: SETTINGS (publication_name = '%s')", s.createPublication(), s.pipe.Settings.Publication)
	}
	if identity == "i" && !t.KeyGiven {
		t.Key = jsonStrings(columns)
	}
	for _, k := range t.Key {
		if identity != "f" && !slices.ContainsFunc(jsonStrings(columns), func(c string) bool { return strings.EqualFold(c, k) }) {
			return sqlerr.New(sqlerr.Invalid, "column %s of the key is not in the replica identity of %s, so that the source does not tell it of a row deleted", k, t.Source()).
				WithHint("ALTER TABLE %s REPLICA IDENTITY FULL, or name other columns: KEY (%s)", t.postgresName(), strings.Join(jsonStrings(columns), ", "))
		}
	}
	if s.pipe.Settings.MakePublication {
		return nil
	}
	return s.published(ctx, t)
}

// jsonStrings reads an array of strings that the source has written as JSON.
func jsonStrings(text string) (list []string) {
	_ = json.Unmarshal([]byte(text), &list) // an empty text is an empty list
	return list
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }

// createPublication is the statement that makes the pipe's publication.
func (s *postgresSource) createPublication() string {
	names := make([]string, len(s.pipe.Tables))
	root := ""
	for i := range s.pipe.Tables {
		names[i] = s.pipe.Tables[i].postgresName()
		if s.pipe.Tables[i].Partitioned {
			root = " WITH (publish_via_partition_root = true)" // PostgreSQL 13 and later
		}
	}
	return "CREATE PUBLICATION " + quoteName(s.pipe.Settings.Publication) + " FOR TABLE " + strings.Join(names, ", ") + root
}

// cut implements source: the place in the log from which the slot keeps the
// changes. What a stop in the midst has left of the pipe's own is made again.
func (s *postgresSource) cut(ctx context.Context, changes bool) (string, error) {
	if !changes {
		return "", nil
	}
	set := &s.pipe.Settings
	if set.MakePublication {
		rows, err := s.query(ctx, "read the publications", "SELECT 1::text FROM pg_publication WHERE pubname = $1", set.Publication)
		if err == nil && len(rows) == 0 {
			_, err = s.query(ctx, "make publication "+set.Publication, s.createPublication())
		}
		if err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case set.MakeSlot:
		if err := s.dropSlot(ctx); err != nil {
			return "", err
		}
		if err := s.makeSlot(ctx, set.Slot, false); err != nil {
			return "", err
		}
	case s.pipe.Mode == CDC: // from where the slot stands
		rows, err := s.query(ctx, "read replication slot "+set.Slot, "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1", set.Slot)
		if err != nil {
			return "", err
		}
		if len(rows) == 0 {
			return "", s.checkSlot(ctx, 0)
		}
		return rows[0][0], nil
	default:
		if err := s.hold(ctx); err != nil {
			return "", err
		}
	}
	return s.at.String(), nil
}

// makeSlot makes a slot and holds its snapshot. s.mu is held.
func (s *postgresSource) makeSlot(ctx context.Context, name string, temporary bool) error {
	c, err := s.replication(ctx)
	if err != nil {
		return err
	}
	slot, err := pglogrepl.CreateReplicationSlot(ctx, c, quoteName(name), "pgoutput", pglogrepl.CreateReplicationSlotOptions{Temporary: temporary, SnapshotAction: "EXPORT_SNAPSHOT", Mode: pglogrepl.LogicalReplication})
	at := pglogrepl.LSN(0)
	if err == nil {
		at, err = pglogrepl.ParseLSN(slot.ConsistentPoint)
	}
	if err != nil {
		_ = c.Close(ctx)
		return s.failed("make replication slot "+name, err)
	}
	s.holder, s.snapshot, s.at = c, slot.SnapshotName, at
	return nil
}

// A connection that has just ended keeps its slot until the source has seen so.
const (
	slotBusy  = 5 * time.Second
	slotPause = 100 * time.Millisecond
)

// free runs use again while another connection has the slot.
func (s *postgresSource) free(ctx context.Context, use func() error) error {
	for end := time.Now().Add(slotBusy); ; {
		err := use()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != objectInUse || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(slotPause):
		}
	}
}

func (s *postgresSource) dropSlot(ctx context.Context) error {
	return s.free(ctx, func() error {
		_, err := s.query(ctx, "drop replication slot "+s.pipe.Settings.Slot, "SELECT count(pg_drop_replication_slot(slot_name))::text FROM pg_replication_slots WHERE slot_name = $1", s.pipe.Settings.Slot)
		return err
	})
}

// release implements releaser.
func (s *postgresSource) release(ctx context.Context) error {
	set := &s.pipe.Settings
	if s.pipe.Mode == Load {
		return nil
	}
	var errs []error
	if set.MakeSlot {
		if err := s.dropSlot(ctx); err != nil {
			errs = append(errs, fmt.Errorf("replication slot %s stays in the source, which keeps its log for it until SELECT pg_drop_replication_slot('%[1]s'): %w", set.Slot, err))
		}
	}
	if set.MakePublication {
		if _, err := s.query(ctx, "drop publication "+set.Publication, "DROP PUBLICATION IF EXISTS "+quoteName(set.Publication)); err != nil {
			errs = append(errs, fmt.Errorf("publication %s stays in the source: %w", set.Publication, err))
		}
	}
	return errors.Join(errs...)
}
