package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/job"
	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
	"lakeport/internal/wire"
)

// restore checks a RESTORE against the snapshot, and submits it.
func (c *session) restore(ctx context.Context, st *syntax.Restore, text string, w wire.ResultWriter) error {
	if st.Catalogs != nil {
		return sqlerr.New(sqlerr.Unsupported, "RESTORE of external catalogs is not built yet").WithPos(text, int(st.Catalogs.Pos))
	}
	repo, err := c.repository(st.Repository, text)
	if err != nil {
		return err
	}
	o, err := c.backupSettings(st.Properties, []string{"backup_timestamp", "replication_num", "timeout", "meta_version"}, text)
	if err != nil {
		return err
	}
	if o.timestamp == "" {
		return sqlerr.New(sqlerr.Invalid, "Missing backup_timestamp property").With(sqlerr.Code{MySQL: 1064, State: "HY000"}).
			WithHint(`add PROPERTIES ("backup_timestamp" = "…") with a time that SHOW SNAPSHOT ON %s tells`, repo.Name)
	}
	db, label, err := c.restoredName(st, text)
	if err != nil {
		return err
	}
	info, err := repo.place.Snapshot(ctx, label, o.timestamp)
	if err != nil {
		return repo.ExplainS3(ctx, err)
	}
	if st.Database != nil && st.Database.Name != info.Database {
		return sqlerr.New(sqlerr.NotFound, "the snapshot is of database %s, not %s", info.Database, st.Database.Name).WithPos(text, int(st.Database.Pos))
	}
	if db == "" {
		db = info.Database
	}
	if ownDatabase(db) {
		return sqlerr.New(sqlerr.Invalid, "database name '%s' is reserved", db)
	}
	tables, err := restoredTables(info, st.Objects, text)
	if err != nil {
		return err
	}
	if c.watched != nil {
		return rehearseRestore(ctx, repo, info, tables)
	}
	return c.submitBackup(ctx, w, job.Job{DB: db, Kind: restoreJob, Text: text, Timeout: o.timeout, Detail: map[string]string{
		"repository": repo.Name, "snapshot": label, "timestamp": o.timestamp, "replicas": o.replicas, "objects": restoredObjects(info, tables),
	}})
}

// restoredName gives the snapshot and the database that it is restored to: that
// of DATABASE … AS, of DATABASE, or before the snapshot's name. "" is the
// snapshot's own, if no database is current.
func (c *session) restoredName(st *syntax.Restore, text string) (db, label string, err error) {
	target := st.As
	if target == nil {
		target = st.Database
	}
	return c.snapshotName(st.Snapshot, target, text)
}

// restoredTable is a table that a RESTORE takes from the snapshot, under which
// name it comes back, and its partitions; nil: all.
type restoredTable struct {
	name, as string
	chosen   []syntax.Ident
}

// restoredTables finds the tables of an ON clause in a snapshot.
func restoredTables(info *transfer.SnapshotInfo, objects []syntax.BackupObject, text string) ([]restoredTable, error) {
	if err := onlyTables(objects, "RESTORE", text); err != nil {
		return nil, err
	}
	var out []restoredTable
	all := objects == nil
	targets := map[string]bool{}
	add := func(t restoredTable, pos syntax.Pos) error {
		if targets[t.as] {
			return sqlerr.New(sqlerr.Invalid, "two tables would be restored as %s", t.as).WithPos(text, int(pos))
		}
		targets[t.as] = true
		out = append(out, t)
		return nil
	}
	named := map[string]bool{}
	for _, o := range objects {
		if o.All {
			all = true
			continue
		}
		if _, there := info.Tables[o.Name.Name]; !there {
			err := sqlerr.New(sqlerr.NotFound, "Table %s does not exist in snapshot %s", o.Name.Name, info.Name).With(sqlerr.BadTable).WithPos(text, int(o.Name.Pos))
			if near := sqlerr.Nearest(o.Name.Name, info.TableNames()); near != "" {
				err = err.WithHint("did you mean %s?", near)
			}
			return nil, err
		}
		t := restoredTable{o.Name.Name, o.Name.Name, o.Partitions}
		if o.Alias != nil {
			t.as = o.Alias.Name
		}
		named[t.name] = true
		if err := add(t, o.Pos); err != nil {
			return nil, err
		}
	}
	for _, name := range info.TableNames() {
		if all && !named[name] {
			if err := add(restoredTable{name: name, as: name}, 0); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// runRestore is the Work of RESTORE's jobs: tables, rows and the job's end commit
// together.
func (s *Server) runRestore(ctx context.Context, r *job.Run) error {
	j := r.Job()
	c, err := s.workSession(ctx, r)
	if err != nil {
		return err
	}
	parsed, err := syntax.Parse(j.Text)
	if err != nil {
		return err
	}
	st := parsed.(*syntax.Restore)
	repo, err := c.repository(st.Repository, j.Text)
	if err != nil {
		return err
	}
	info, err := repo.place.Snapshot(ctx, j.Detail["snapshot"], j.Detail["timestamp"])
	if err != nil {
		return repo.ExplainS3(ctx, err)
	}
	meta, err := repo.place.Meta(ctx, info)
	if err != nil {
		return repo.ExplainS3(ctx, err)
	}
	tables, err := restoredTables(info, st.Objects, j.Text)
	if err != nil {
		return placeless(err)
	}
	for attempt := 1; ; attempt++ {
		r.Report(func(p *job.Progress) { *p = job.Progress{} })
		r.Enter(snapshoting)
		err := r.Commit(ctx, func(*engine.Conn) error {
			if err := c.restoredDatabase(ctx, j.DB); err != nil {
				return err
			}
			list := make([]*restoring, len(tables))
			for i, t := range tables {
				if list[i], err = c.restoring(ctx, meta, t, j); err != nil {
					return fmt.Errorf("restore table %s: %w", t.as, err)
				}
			}
			r.Enter(download)
			r.Enter(downloading)
			for _, t := range list {
				if err := c.restoreTable(ctx, r, repo, info, t); err != nil {
					return fmt.Errorf("restore table %s: %w", t.name.table, err)
				}
			}
			r.Enter(commit)
			return nil
		})
		if sqlerr.Is(err, sqlerr.Conflict) && refusedRow(err) == "" && attempt < 4 {
			continue // another transaction has changed the same tables
		}
		return placeless(repo.ExplainS3(ctx, err))
	}
}

// restoredDatabase makes the database if it is not there.
func (c *session) restoredDatabase(ctx context.Context, db string) error {
	found, err := c.hasSchema(ctx, db)
	if err != nil || found {
		return err
	}
	return c.ownStep(ctx, "CREATE SCHEMA "+engine.Catalog+"."+lake.QuoteName(db))
}

// ownStep is own where the number of rows does not matter.
func (c *session) ownStep(ctx context.Context, sql string) error {
	_, err := c.own(ctx, sql)
	return err
}

// restoring is a table that can be restored.
type restoring struct {
	name  tableName
	from  *transfer.SnapshotTable
	def   *definition // with the partitions that are restored
	taken string      // the condition of the snapshot's rows; "": all
	old   *described  // whose place it takes; nil: nothing's
}

// restoring checks what a RESTORE's table is in the snapshot, and what has its
// name.
func (c *session) restoring(ctx context.Context, meta *transfer.SnapshotMeta, want restoredTable, j job.Job) (*restoring, error) {
	i := slices.IndexFunc(meta.Tables, func(t transfer.SnapshotTable) bool { return t.Name == want.name })
	if i < 0 {
		return nil, sqlerr.New(sqlerr.Corrupt, "the snapshot does not describe table %s", want.name)
	}
	t := &restoring{name: tableName{catalog: catalog.Internal, database: j.DB, table: want.as}, from: &meta.Tables[i]}
	var err error
	if t.def, err = c.redefine(ctx, t.name, t.from); err != nil {
		return nil, err
	}
	if t.taken, err = (&described{name: t.name, def: t.def}).within(want.chosen, j.Text); err != nil {
		return nil, err
	}
	if want.chosen != nil {
		t.def.Partitions = slices.DeleteFunc(t.def.Partitions, func(p partition) bool { return !names(want.chosen, p.Name) })
	}
	t.old, err = c.replaced(ctx, t.name, t.def)
	return t, err
}

// restoreTable puts a table and its rows in the place of the one of the name, if
// there is one: within the job's transaction.
func (c *session) restoreTable(ctx context.Context, r *job.Run, repo *repository, info *transfer.SnapshotInfo, t *restoring) error {
	n, old := t.name, t.old
	made, keep := *t.def, ""
	next := t.from.Next
	if old != nil {
		made = *old.def.clone()
		if len(made.Partitions) > 0 {
			keep = "(" + belongs(t.def.Partitions) + ") IS NOT TRUE"
		}
	}
	for i := range made.Columns {
		col := &made.Columns[i]
		if col.AutoIncrement == "" {
			continue
		}
		if old != nil {
			after, err := c.next(ctx, col.AutoIncrement)
			if err != nil {
				return err
			}
			next = max(next, after)
		}
		col.AutoIncrement = sequenceName(n)
		if err := c.ownStep(ctx, fmt.Sprintf("CREATE SEQUENCE %s START WITH %d", col.AutoIncrement, max(next, 1))); err != nil {
			return err
		}
		col.DefaultSQL = "nextval(" + lake.QuoteString(col.AutoIncrement) + ")"
	}
	between := n
	between.table = "lakeport\x1frestore"
	if err := c.make(ctx, between, &made); err != nil {
		return err
	}
	columns := make([]string, len(made.Columns))
	for i, col := range made.Columns {
		columns[i] = lake.QuoteName(col.Name)
	}
	into := "INSERT INTO " + between.internal() + " (" + strings.Join(columns, ", ") + ") SELECT " + strings.Join(columns, ", ") + " FROM "
	if keep != "" {
		if err := c.ownStep(ctx, into+n.internal()+" WHERE "+keep); err != nil {
			return err
		}
	}
	if err := c.fillTable(ctx, r, repo, info, t, into); err != nil {
		return err
	}
	if old != nil {
		if err := c.drop(ctx, old); err != nil {
			return placeless(err)
		}
	}
	return c.ownStep(ctx, "ALTER TABLE "+between.internal()+" RENAME TO "+lake.QuoteName(n.local()))
}

// replaced finds the table that a restored one takes the place of, nil if there
// is none. It must be of the same schema, and have the restored partitions.
func (c *session) replaced(ctx context.Context, n tableName, def *definition) (*described, error) {
	old, err := c.describeInternal(ctx, n)
	if sqlerr.Is(err, sqlerr.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	const hint = "restore it under another name: ON (table AS name)"
	if old.isView() || old.def.File != nil {
		return nil, sqlerr.New(sqlerr.Exists, "%s exists and is no table of its own rows", n.table).WithHint(hint)
	}
	same, err := alike(old.def, def, false)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, sqlerr.New(sqlerr.Exists, "Table %s already exist but with different schema", n.table).With(sqlerr.Code{MySQL: 1064, State: "HY000"}).WithHint(hint)
	}
	for _, p := range def.Partitions {
		i := old.def.partitionIndex(p.Name)
		if i < 0 || old.def.Partitions[i].Where != p.Where {
			return nil, sqlerr.New(sqlerr.Exists, "Table %s already exist and has no partition %s with the same values", n.table, p.Name).
				With(sqlerr.Code{MySQL: 1064, State: "HY000"}).WithHint("ALTER TABLE … ADD PARTITION first, or " + hint)
		}
	}
	if len(def.Partitions) == 0 && len(old.def.Partitions) > 0 {
		return nil, sqlerr.New(sqlerr.Exists, "Table %s already exist with partitions that the snapshot does not list", n.table).WithHint(hint)
	}
	return old, nil
}

// fillTable inserts the rows of a table's files.
func (c *session) fillTable(ctx context.Context, r *job.Run, repo *repository, info *transfer.SnapshotInfo, t *restoring, into string) error {
	if len(t.from.Files) == 0 {
		return nil
	}
	return c.inDirectory(func(dir string) error {
		paths, err := repo.place.Fetch(ctx, info, t.from, dir, moved(r))
		if err != nil {
			return err
		}
		rows, err := c.own(ctx, into+"("+t.from.Query(paths)+")"+only(t.taken))
		if err == nil && t.taken == "" && rows != t.from.Rows() {
			err = sqlerr.New(sqlerr.Corrupt, "the files hold %d rows, and the snapshot tells of %d", rows, t.from.Rows())
		}
		return err
	})
}
