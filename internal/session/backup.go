package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/job"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
	"lakeport/internal/wire"
)

// The kinds of jobs, of which a database has one of either at a time.
const (
	backupJob  = "BACKUP"
	restoreJob = "RESTORE"
	oneBackup  = "backup or restore"
)

// The steps of the jobs are StarRocks' states (starrocks.io, "SHOW BACKUP" and
// "SHOW RESTORE") between PENDING and FINISHED or CANCELLED.
const (
	snapshoting    = "SNAPSHOTING"
	uploadSnapshot = "UPLOAD_SNAPSHOT"
	uploading      = "UPLOADING"
	saveMeta       = "SAVE_META"
	uploadInfo     = "UPLOAD_INFO"
	download       = "DOWNLOAD"
	downloading    = "DOWNLOADING"
	commit         = "COMMIT"
	committing     = "COMMITTING"
)

// backup checks a BACKUP as far as it can be told now, and submits it.
func (c *session) backup(ctx context.Context, st *syntax.Backup, text string, w wire.ResultWriter) error {
	if st.Catalogs != nil {
		return sqlerr.New(sqlerr.Unsupported, "BACKUP of external catalogs is not built yet").WithPos(text, int(st.Catalogs.Pos))
	}
	repo, err := c.repository(st.Repository, text)
	if err != nil {
		return err
	}
	if repo.ReadOnly {
		return sqlerr.New(sqlerr.Invalid, "Repository %s is read only", repo.Name).With(sqlerr.Code{MySQL: 1064, State: "HY000"}).WithPos(text, int(st.Repository.Pos))
	}
	db, label, err := c.snapshotName(st.Snapshot, st.Database, text)
	if err == nil && db == "" {
		err = noDatabase(st.Snapshot, text)
	}
	if err == nil {
		err = c.findDatabase(ctx, catalog.Internal, db)
	}
	if err != nil {
		return err
	}
	o, err := c.backupSettings(st.Properties, []string{"type", "timeout"}, text)
	if err != nil {
		return err
	}
	parts, err := c.backedUp(ctx, db, st.Objects, text)
	if err != nil {
		return err
	}
	token, now := strings.ToLower(rand.Text()), time.Now().UTC().Format(transfer.TimestampForm)
	if _, err := repo.place.Begin(label, db, now, token).Published(ctx); err != nil {
		return repo.ExplainS3(ctx, err)
	}
	if c.watched != nil {
		return rehearseBackup(ctx, repo, label, db)
	}
	return c.submitBackup(ctx, w, job.Job{DB: db, Kind: backupJob, Text: text, Timeout: o.timeout, Detail: map[string]string{
		"repository": repo.Name, "snapshot": label, "timestamp": now, "token": token, "objects": objectList(db, parts),
	}})
}

func noDatabase(q syntax.QualifiedName, text string) error {
	return sqlerr.New(sqlerr.NotFound, "No database selected").With(sqlerr.NoDB).WithPos(text, int(q.Start())).WithHint("write database.snapshot")
}

func (c *session) submitBackup(ctx context.Context, w wire.ResultWriter, j job.Job) error {
	j.Alone, j.User = oneBackup, c.user
	if _, err := c.srv.jobs.Submit(ctx, j); err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: j.Kind, Warnings: len(c.warnings)})
}

// snapshotName gives database and snapshot of [db.]snapshot and of a DATABASE
// clause; the current database where neither names one.
func (c *session) snapshotName(q syntax.QualifiedName, clause *syntax.Ident, text string) (db, label string, err error) {
	label = q.Last()
	if !labelForm.MatchString(label) {
		return "", "", badLabel(q.Parts[len(q.Parts)-1], text)
	}
	switch {
	case clause != nil && len(q.Parts) == 2 && q.Parts[0].Name != clause.Name:
		return "", "", sqlerr.New(sqlerr.Invalid, "the statement names two databases, %s and %s", clause.Name, q.Parts[0].Name).WithPos(text, int(q.Start()))
	case clause != nil:
		db = clause.Name
	case len(q.Parts) == 2:
		db = q.Parts[0].Name
	case c.catalog == catalog.Internal:
		db = c.database
	}
	if ownDatabase(db) {
		return "", "", sqlerr.New(sqlerr.Invalid, "database %s is the server's own", db).WithPos(text, int(q.Start()))
	}
	return db, label, nil
}

// ownDatabase tells whether a database is the server's and not its users', in
// any case: the engine tells none apart.
func ownDatabase(db string) bool { return strings.EqualFold(db, catalog.Schema) || system(db) }

// backupOptions are the PROPERTIES of BACKUP and RESTORE.
type backupOptions struct {
	timeout   time.Duration
	timestamp string
	replicas  string
}

// backupSettings reads the properties, of which known are allowed.
func (c *session) backupSettings(props syntax.Properties, known []string, text string) (backupOptions, error) {
	o := backupOptions{timeout: 24 * time.Hour, replicas: "3"}
	for _, p := range props {
		key, value := strings.ToLower(p.Key.Value), p.Value.Value
		bad := func(want string) error {
			return sqlerr.New(sqlerr.Invalid, "property %q is %q: %s", key, value, want).WithPos(text, int(p.Value.Pos))
		}
		if near := sqlerr.Nearest(key, known); !oneOf(key, known) {
			err := sqlerr.New(sqlerr.Invalid, "unknown property %q", p.Key.Value).WithPos(text, int(p.Key.Pos))
			if near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return o, err
		}
		number, notNumber := strconv.Atoi(value)
		switch key {
		case "type":
			if !strings.EqualFold(value, "full") {
				return o, bad(`write "full", the only type there is`)
			}
		case "timeout":
			if notNumber != nil || number <= 0 {
				return o, bad("write a number of seconds")
			}
			o.timeout = time.Duration(number) * time.Second
		case "backup_timestamp":
			if _, err := time.Parse(transfer.TimestampForm, value); err != nil {
				return o, bad("write it as SHOW SNAPSHOT tells it, such as 2018-05-04-16-45-08")
			}
			o.timestamp = value
		case "replication_num":
			if notNumber != nil || number <= 0 {
				return o, bad("write a number of replicas")
			}
			o.replicas = value
		case "meta_version": // of StarRocks' own metadata, which has no use here
			if notNumber != nil {
				return o, bad("write a number")
			}
			c.warn("Warning", `property "meta_version" has no effect here`, 1064)
		}
	}
	return o, nil
}

func oneOf(key string, list []string) bool {
	for _, k := range list {
		if k == key {
			return true
		}
	}
	return false
}

// backedTable is a table that a BACKUP takes, and its partitions; nil: all.
type backedTable struct {
	table  *described
	chosen []syntax.Ident
}

// onlyTables refuses objects of an ON clause that are no tables.
func onlyTables(list []syntax.BackupObject, what, text string) error {
	for _, o := range list {
		if o.Kind != "TABLE" {
			return sqlerr.New(sqlerr.Unsupported, "%s of a %s is not built yet", what, o.Kind).WithPos(text, int(o.Pos)).WithHint("tables can be named")
		}
	}
	return nil
}

// backedUp finds the tables that a BACKUP takes: those of its ON clause, or all
// of StarRocks' own in the database. Views are not among them.
func (c *session) backedUp(ctx context.Context, db string, objects []syntax.BackupObject, text string) ([]backedTable, error) {
	if err := onlyTables(objects, "BACKUP", text); err != nil {
		return nil, err
	}
	list, err := c.internalTables(ctx, tableName{catalog: catalog.Internal, database: db})
	if err != nil {
		return nil, err
	}
	native := func(t *described) bool { return !t.isView() && t.def.File == nil && len(t.def.Columns) > 0 }
	var out []backedTable
	all := objects == nil
	named := map[string]bool{}
	for _, o := range objects {
		at := func(err *sqlerr.Error) error { return err.WithPos(text, int(o.Name.Pos)) }
		if o.Alias != nil {
			return nil, sqlerr.New(sqlerr.Invalid, "BACKUP keeps a table's name: AS is for RESTORE").WithPos(text, int(o.Alias.Pos))
		}
		if o.All {
			all = true
			continue
		}
		found := false
		for _, t := range list {
			if t.name.table != o.Name.Name {
				continue
			}
			if found = true; !native(t) {
				return nil, at(sqlerr.New(sqlerr.Unsupported, "Table: %s can not support backup restore: it is a view or its rows are outside", o.Name.Name))
			}
			if _, err := t.within(o.Partitions, text); err != nil {
				return nil, err
			}
			out = append(out, backedTable{t, o.Partitions})
		}
		switch {
		case !found:
			return nil, at(sqlerr.From(unknownTable(tableName{database: db, table: o.Name.Name})))
		case named[o.Name.Name]:
			return nil, at(sqlerr.New(sqlerr.Invalid, "table %s is named twice", o.Name.Name))
		}
		named[o.Name.Name] = true
	}
	for _, t := range list {
		if all && native(t) && !named[t.name.table] {
			out = append(out, backedTable{t, nil})
		}
	}
	return out, nil
}

func objectList(db string, parts []backedTable) string {
	list := make([]string, len(parts))
	for i, p := range parts {
		list[i] = "[" + db + "." + p.table.name.table + "]"
	}
	return strings.Join(list, ", ")
}

// workSession is a session for a job's work.
func (s *Server) workSession(ctx context.Context, r *job.Run) (*session, error) {
	j := r.Job()
	c := &session{srv: s, conn: r.Conn, user: j.User}
	if err := c.Reset(ctx); err != nil {
		return nil, err
	}
	c.setCurrent(catalog.Internal, j.DB)
	return c, nil
}

// runBackup is the Work of BACKUP's jobs. All tables are read in one
// transaction, so that they are of one moment. A job that a restart runs again
// takes another moment, unless its snapshot is whole already.
func (s *Server) runBackup(ctx context.Context, r *job.Run) error {
	j := r.Job()
	c, err := s.workSession(ctx, r)
	if err != nil {
		return err
	}
	parsed, err := syntax.Parse(j.Text)
	if err != nil {
		return err
	}
	st := parsed.(*syntax.Backup)
	repo, err := c.repository(st.Repository, j.Text)
	if err != nil {
		return err
	}
	snapshot := repo.place.Begin(j.Detail["snapshot"], j.DB, j.Detail["timestamp"], j.Detail["token"])
	published, err := snapshot.Published(ctx)
	if err != nil {
		return repo.ExplainS3(ctx, err)
	}
	if published {
		return r.Publish(ctx, func(context.Context) error { return nil })
	}
	err = c.takeSnapshot(ctx, r, st, snapshot, repo)
	if err == nil {
		r.Enter(saveMeta)
		err = snapshot.SaveMeta(ctx)
	}
	if err != nil {
		snapshot.Undo(ctx)
		return placeless(repo.ExplainS3(ctx, err))
	}
	r.Enter(uploadInfo)
	return repo.ExplainS3(ctx, r.Publish(ctx, snapshot.Publish))
}

// takeSnapshot writes the rows of a BACKUP's tables.
func (c *session) takeSnapshot(ctx context.Context, r *job.Run, st *syntax.Backup, snapshot *transfer.Writing, repo *repository) error {
	j := r.Job()
	r.Enter(snapshoting)
	return c.conn.InTx(ctx, func(*engine.Conn) error {
		if err := c.findDatabase(ctx, catalog.Internal, j.DB); err != nil {
			return err
		}
		parts, err := c.backedUp(ctx, j.DB, st.Objects, j.Text) // which begins the transaction's view of the rows
		if err != nil {
			return err
		}
		pictures := make([]transfer.SnapshotTable, len(parts))
		for i, p := range parts {
			if pictures[i], err = c.depict(ctx, p.table, p.chosen, j.Text); err != nil {
				return err
			}
		}
		r.Enter(uploadSnapshot)
		r.Enter(uploading)
		for i, p := range parts {
			where, err := p.table.within(p.chosen, j.Text)
			if err != nil {
				return err
			}
			if err := c.inDirectory(func(dir string) error {
				return snapshot.Table(ctx, c.conn, pictures[i], p.table.name.internal(), where, dir, moved(r))
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// moved counts the files that a job has sent or fetched.
func moved(r *job.Run) func(transfer.SnapshotFile) {
	return func(f transfer.SnapshotFile) {
		r.Report(func(p *job.Progress) { p.Files, p.Bytes, p.Loaded = p.Files+1, p.Bytes+f.Bytes, p.Loaded+f.Rows })
	}
}

// inDirectory runs f with an empty directory that the engine may use.
func (c *session) inDirectory(f func(dir string) error) error {
	dir, err := os.MkdirTemp(c.srv.Objects.Mounts(), "snapshot-")
	if err != nil {
		return fmt.Errorf("make room for rows: %w", err)
	}
	defer os.RemoveAll(dir)
	return f(dir)
}

// showBackup answers SHOW BACKUP and SHOW RESTORE: the last job of the database.
func (c *session) showBackup(ctx context.Context, st *syntax.ShowBackup, text string, w wire.ResultWriter) error {
	_, db, err := c.databaseName(st.In)
	if err != nil {
		return err
	}
	list, err := c.srv.jobs.List(ctx, db, oneBackup)
	if err == nil && len(list) == 0 { // a RESTORE makes its database as it commits
		err = c.findDatabase(ctx, catalog.Internal, db)
	}
	if err != nil {
		return err
	}
	kind, r := backupJob, relation{columns: columns("JobId#", "SnapshotName", "DbName", "State", "BackupObjs", "CreateTime", "SnapshotFinishedTime", "UploadFinishedTime",
		"FinishedTime", "UnfinishedTasks", "Progress", "TaskErrMsg", "Status", "Timeout#")}
	if st.Restore {
		kind, r = restoreJob, relation{columns: columns("JobId#", "Label", "Timestamp", "DbName", "State", "AllowLoad", "ReplicationNum", "RestoreObjs", "CreateTime",
			"MetaPreparedTime", "SnapshotFinishedTime", "DownloadFinishedTime", "FinishedTime", "UnfinishedTasks", "Progress", "TaskErrMsg", "Status", "Timeout#")}
	}
	for _, j := range list {
		d, timeout := j.Detail, int64(j.Timeout.Seconds())
		switch {
		case j.Kind != kind:
		case st.Restore:
			r.rows = [][]any{{j.ID, d["snapshot"], d["timestamp"], j.DB, backupState(j), "false", d["replicas"], d["objects"], moment(j.Created), entered(j, snapshoting),
				entered(j, download), entered(j, commit), moment(j.Ended), "", backupProgress(j), "", backupStatus(j), timeout}}
		default:
			r.rows = [][]any{{j.ID, d["snapshot"], j.DB, backupState(j), d["objects"], moment(j.Created), entered(j, uploadSnapshot), entered(j, saveMeta),
				moment(j.Ended), "", backupProgress(j), "", backupStatus(j), timeout}}
		}
	}
	return c.answer(ctx, r, r.columns[1].Name, st.Filter, text, w)
}

// backupState is the job's state in StarRocks' words.
func backupState(j job.Job) string {
	switch {
	case j.State.Ended():
		return string(j.State)
	case j.State == job.Prepared && j.Kind == restoreJob:
		return committing
	case len(j.Progress.Steps) == 0:
		return string(job.Pending)
	}
	return j.Progress.Steps[len(j.Progress.Steps)-1].Name
}

// entered is when the job came to a step.
func entered(j job.Job, step string) any {
	at := any(nil)
	for _, s := range j.Progress.Steps {
		if s.Name == step {
			at = moment(s.At)
		}
	}
	return at
}

func backupProgress(j job.Job) string {
	if j.Progress.Files == 0 || j.State.Ended() {
		return ""
	}
	return fmt.Sprintf("[%d files, %d bytes]", j.Progress.Files, j.Progress.Bytes)
}

// backupStatus is the outcome as StarRocks spells it.
func backupStatus(j job.Job) string {
	if j.State != job.Cancelled {
		return "[OK]"
	}
	kind, why, _ := strings.Cut(strings.TrimPrefix(j.Message, "type:"), "; msg:")
	switch kind {
	case "USER_CANCEL":
		why = "user cancelled"
	case "TIMEOUT":
		return "[TIMEOUT, msg: the job was cancelled after its timeout]"
	}
	return "[COMMON_ERROR, msg: " + why + "]"
}

func (c *session) cancelBackup(ctx context.Context, st *syntax.CancelBackup, text string, w wire.ResultWriter) error {
	kind := backupJob
	if st.Restore {
		kind = restoreJob
	}
	if st.External {
		return sqlerr.New(sqlerr.Unsupported, "%s of external catalogs is not built yet", kind).WithPos(text, int(st.Pos))
	}
	_, db, err := c.databaseName(st.In)
	if err == nil {
		err = c.srv.jobs.CancelAlone(ctx, db, kind)
	}
	if err != nil {
		return err
	}
	return ok(w, "CANCEL "+kind)
}

// restoredObjects tells of a RESTORE's objects as SHOW RESTORE does.
func restoredObjects(info *transfer.SnapshotInfo, objects []restoredTable) string {
	type object struct {
		Name       string   `json:"name"`
		Alias      string   `json:"alias,omitempty"`
		Partitions []string `json:"partitions,omitempty"`
	}
	list := make([]object, len(objects))
	for i, o := range objects {
		list[i].Name = o.name
		if o.as != o.name {
			list[i].Alias = o.as
		}
		for _, p := range o.chosen {
			list[i].Partitions = append(list[i].Partitions, p.Name)
		}
	}
	text, _ := json.Marshal(map[string]any{"name": info.Name, "database": info.Database, "backup_time": info.Timestamp, "tables": list})
	return string(text)
}
