package session

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/catalog"
	"lakeport/internal/doctor"
	"lakeport/internal/lake"
	"lakeport/internal/pipe"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
	"lakeport/internal/wire"
)

// catalogs are those of the server, watched while EXPLAIN ACCESS is under way.
func (c *session) catalogs() *catalog.Store {
	if c.watched != nil {
		return c.watched
	}
	return c.srv.catalogs
}

// explainAccess answers EXPLAIN ACCESS: the calls that a statement would make
// of AWS, in order, and what AWS would say to each. It plans the statement as
// its identities, or where these are refused as the doctor's; it lists and
// reads metadata, but no rows, and writes nothing.
func (c *session) explainAccess(ctx context.Context, st syntax.Statement, text string, w wire.ResultWriter) error {
	exam := doctor.Begin(ctx, doctor.Options{Resolver: c.srv.Resolver, Profiles: c.srv.DoctorProfiles})
	calls, err := c.foretold(ctx, exam, st, text)
	if err != nil && !refused(err) {
		return err
	}
	r := relation{columns: columns("Step#", "Principal", "Action", "Resource", "Decision", "Reason", "Fix")}
	for i, s := range exam.Judge(ctx, calls) {
		fixes := make([]string, len(s.Fixes))
		for i, f := range s.Fixes {
			fixes[i] = "add to " + f.To + ": " + f.Policy
		}
		r.add(int64(i+1), s.Principal, s.Action, s.Resource, string(s.Answer), s.Reason, strings.Join(fixes, "\n"))
	}
	if err != nil {
		line, _, _ := strings.Cut(sqlerr.From(err).Msg, "\n")
		r.add(int64(len(r.rows)+1), "", "", "", string(doctor.Unknown), "what follows is not known: "+line, "")
	}
	return c.stream(ctx, r.query(), w)
}

// refused tells whether AWS did not let a plan be made.
func refused(err error) bool {
	return sqlerr.Is(err, sqlerr.Denied) || sqlerr.Is(err, sqlerr.Unreachable)
}

// foretold gives the calls that a statement would make. With an error that is
// refused they are those up to the first that nobody may make.
func (c *session) foretold(ctx context.Context, exam *doctor.Exam, st syntax.Statement, text string) ([]awsauth.Access, error) {
	calls, err := c.watching(ctx, nil, st, text)
	for _, acts := range exam.Readers(ctx) {
		if err == nil || !refused(err) {
			break
		}
		if seen, again := c.watching(ctx, acts, st, text); again == nil || len(seen) > len(calls) {
			calls, err = seen, again
		}
	}
	return calls, err
}

// watching rehearses a statement and gives the calls that it asks for.
func (c *session) watching(ctx context.Context, acts func(awsauth.Spec) awsauth.Spec, st syntax.Statement, text string) ([]awsauth.Access, error) {
	var mu sync.Mutex
	var calls []awsauth.Access
	c.watched = c.srv.catalogs.Watched(func(a awsauth.Access) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, a)
	}, acts)
	defer func() { c.watched = nil }()
	err := c.rehearse(ctx, st, text)
	mu.Lock()
	defer mu.Unlock()
	return calls, err
}

// rehearse does of a statement what makes no change and reads no rows. Catalogs
// and storages that are watched make none: a statement that changes what they
// hold is carried out with them.
func (c *session) rehearse(ctx context.Context, st syntax.Statement, text string) error {
	switch st := st.(type) {
	case *syntax.CreateCatalog, *syntax.AlterCatalog, *syntax.DropCatalog, *syntax.SetCatalog:
		return nil // asks AWS nothing by itself
	case *syntax.ShowDatabases, *syntax.ShowTables, *syntax.ShowTableStatus, *syntax.ShowColumns, *syntax.ShowIndex, *syntax.ShowCreate, *syntax.ShowPartitions,
		*syntax.Describe, *syntax.RefreshExternalTable, *syntax.ShowSnapshot:
		return c.dispatch(ctx, text, st, discarded{})
	case *syntax.LoadLabel:
		return c.rehearseLoad(ctx, st, text)
	case *syntax.Copy:
		return c.rehearseCopy(ctx, st, text)
	case *syntax.Unload:
		return c.rehearseUnload(ctx, st, text)
	case *syntax.CreateRepository:
		return c.createRepository(ctx, st, text, discarded{})
	case *syntax.Backup:
		return c.backup(ctx, st, text, discarded{})
	case *syntax.Restore:
		return c.restore(ctx, st, text, discarded{})
	case *syntax.CreatePipe:
		d, err := pipe.Define(st, c.database, text)
		if err != nil {
			return err
		}
		c.rehearsePipe(d)
		return nil
	case *syntax.PausePipe:
		list := c.srv.pipes.List()
		i := slices.IndexFunc(list, func(p pipe.Record) bool { return p.Name == st.Name.Name })
		if i < 0 {
			return sqlerr.New(sqlerr.NotFound, "there is no pipe %s", st.Name.Name).WithPos(text, int(st.Name.Pos))
		}
		if st.Resume {
			c.rehearsePipe(&list[i].Definition)
		}
		return nil
	case *syntax.Use:
		parts := st.Database.Names()
		cat := c.catalog
		if len(parts) == 2 {
			cat = parts[0]
		}
		return c.findDatabase(ctx, cat, parts[len(parts)-1])
	case *syntax.CreateDatabase:
		cat, db, err := c.databaseName(st.Name)
		if err != nil || cat == catalog.Internal {
			return err
		}
		return c.createExternalDatabase(ctx, st, cat, db, text, discarded{})
	case *syntax.DropDatabase:
		cat, db, err := c.databaseName(st.Name)
		if err != nil || cat == catalog.Internal {
			return err
		}
		ext, err := c.externalCatalog(cat, "DROP DATABASE")
		if err != nil {
			return err
		}
		return ext.DropDatabase(ctx, db)
	case *syntax.DropTable:
		for _, t := range st.Tables {
			if n, err := c.name(t); err == nil && n.catalog != catalog.Internal {
				if err := c.dropExternal(ctx, n, st.Force); err != nil {
					return err
				}
			}
		}
		return nil
	case *syntax.CreateTable:
		if n, err := c.name(st.Table); err == nil && n.catalog != catalog.Internal {
			return c.createExternal(ctx, n, st, text, discarded{})
		}
		if st.Query.IsZero() {
			return nil // asks AWS nothing by itself, also for files
		}
		return c.rehearseRows(ctx, st, text)
	case *syntax.Insert:
		if n, err := c.name(st.Table); len(st.Table.Parts) > 0 && err == nil && n.catalog != catalog.Internal {
			return c.insertExternal(ctx, n, st, text, discarded{})
		}
		return c.rehearseRows(ctx, st, text)
	case *syntax.Query, *syntax.Update, *syntax.Delete:
		return c.rehearseRows(ctx, st, text)
	}
	return sqlerr.New(sqlerr.Unsupported, "EXPLAIN ACCESS of this statement is not supported").WithPos(text, int(st.Start())).
		WithHint("queries, INSERT, UPDATE, DELETE, CREATE and DROP of tables and databases, USE, LOAD LABEL, COPY, UNLOAD, CREATE REPOSITORY, BACKUP, RESTORE, CREATE and RESUME PIPE, REFRESH EXTERNAL TABLE and what SHOW and DESC tell of external catalogs can be explained")
}

// rehearseBackup stores what a BACKUP's job stores last. The files of rows, in
// the same directory, are told with it.
func rehearseBackup(ctx context.Context, repo *repository, label, db string) error {
	now := time.Now().UTC().Format(transfer.TimestampForm)
	snapshot := repo.place.Begin(label, db, now, "rehearsed")
	if err := snapshot.SaveMeta(ctx); err != nil {
		return err
	}
	return snapshot.Publish(ctx)
}

// rehearseRestore lists what a RESTORE's job would read.
func rehearseRestore(ctx context.Context, repo *repository, info *transfer.SnapshotInfo, tables []restoredTable) error {
	meta, err := repo.place.Meta(ctx, info)
	if err != nil {
		return repo.ExplainS3(ctx, err)
	}
	for _, t := range meta.Tables {
		if !slices.ContainsFunc(tables, func(want restoredTable) bool { return want.name == t.Name }) {
			continue
		}
		for _, uri := range repo.place.Files(info, &t) {
			bucket, key, err := blob.Parse(uri)
			if err != nil {
				return err
			}
			repo.See("s3:GetObject", bucket, key, nil)
		}
	}
	return nil
}

// rehearsePipe tells how a pipe would log in to its source.
func (c *session) rehearsePipe(d *pipe.Definition) {
	for _, a := range d.Access() {
		c.catalogs().See(a)
	}
}

// rehearseRows plans the query by which a statement finds its rows.
func (c *session) rehearseRows(ctx context.Context, st syntax.Statement, text string) error {
	q, _, err := c.explained(ctx, st, text)
	if err != nil {
		return err
	}
	p, err := c.plan(ctx, syntax.Fragment{Text: q.text}, q.text)
	if err != nil {
		return q.locate(err, text)
	}
	p.close()
	return nil
}

// rehearseLoad lists what LOAD LABEL would read.
func (c *session) rehearseLoad(ctx context.Context, st *syntax.LoadLabel, text string) error {
	db, _, err := c.labelName(st.Label, text)
	if err != nil {
		return err
	}
	o, err := loadOptions(st.Properties, text)
	if err != nil {
		return err
	}
	l, err := c.openLoad(ctx, db, st, o, text)
	if err != nil {
		return err
	}
	for _, p := range l.parts {
		found, err := l.objects(ctx, p)
		if err != nil {
			return l.storage.ExplainS3(ctx, err)
		}
		for _, o := range found {
			l.storage.See("s3:GetObject", o.Bucket, o.Key, nil)
		}
	}
	return nil
}

// rehearseCopy lists what COPY would read.
func (c *session) rehearseCopy(ctx context.Context, st *syntax.Copy, text string) error {
	cp, err := transfer.ReadCopy(st, text)
	if err != nil {
		return err
	}
	who, err := transfer.Authorize(st, st.Options, c.srv.Resolver, c.user, text)
	if err != nil {
		return err
	}
	storage := c.catalogs().StorageOf(who)
	if uri := cp.Needs(); uri != "" {
		bucket, key, err := blob.Parse(uri)
		if err != nil {
			return err
		}
		storage.See("s3:GetObject", bucket, key, nil)
	}
	objects, err := cp.Objects(ctx, storage.Objects())
	if err != nil {
		return storage.ExplainS3(ctx, err)
	}
	for _, o := range objects {
		storage.See("s3:GetObject", o.Bucket, o.Key, nil)
	}
	return nil
}

// rehearseUnload lists the place where UNLOAD would write. The files' names
// depend on the rows: they are told as prefix*.
func (c *session) rehearseUnload(ctx context.Context, st *syntax.Unload, text string) error {
	u, err := transfer.ReadUnload(st, text)
	if err != nil {
		return err
	}
	who, err := transfer.Authorize(st, st.Options, c.srv.Resolver, c.user, text)
	if err != nil {
		return err
	}
	p, err := c.plan(ctx, syntax.Fragment{Text: st.Query.Value}, st.Query.Value)
	if err != nil {
		return err
	}
	p.close()
	storage := c.catalogs().StorageOf(who)
	found, err := u.Found(ctx, storage.Objects())
	if err != nil {
		return storage.ExplainS3(ctx, err)
	}
	for _, o := range found {
		storage.See("s3:DeleteObject", o.Bucket, o.Key, nil)
	}
	bucket, prefix, err := blob.Parse(u.To)
	if err != nil {
		return err
	}
	if u.CleansPartitions() {
		if _, err := storage.Objects().List(ctx, bucket, prefix, true); err != nil {
			return storage.ExplainS3(ctx, err)
		}
		storage.See("s3:DeleteObject", bucket, prefix+"*", nil)
	}
	storage.See("s3:PutObject", bucket, prefix+"*", u.Encrypt.Conditions())
	return nil
}

// discarded takes an answer that nobody wants.
type discarded struct{}

func (discarded) Columns([]lake.Column) error { return nil }
func (discarded) Chunk(*lake.Chunk) error     { return nil }
func (discarded) Done(wire.Done) error        { return nil }
