package session

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/catalog"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/transfer"
	"lakeport/internal/wire"
)

// repository is a repository that a statement names, ready for use.
type repository struct {
	*catalog.Repository
	place *transfer.Repository
}

// createRepository contacts S3 at once as the repository's identity: what is
// there is adopted, or a new repository is marked there.
func (c *session) createRepository(ctx context.Context, st *syntax.CreateRepository, text string, w wire.ResultWriter) error {
	if err := c.catalogs().Vacant(st.Name.Name); err != nil {
		return sqlerr.From(err).WithPos(text, int(st.Name.Pos))
	}
	d := catalog.RepositoryDefinition{Name: st.Name.Name, Location: strings.TrimRight(st.Location.Value, "/"), ReadOnly: st.ReadOnly, Properties: properties(st.Properties)}
	if st.Broker != nil {
		d.Broker = st.Broker.Name
	}
	r, warnings, err := c.catalogs().NewRepository(d, text, int(st.Location.Pos))
	if err != nil {
		return err
	}
	place, err := transfer.OpenRepository(ctx, r.Objects(), d.Location, d.Name, d.ReadOnly, time.Now())
	if err != nil {
		return r.ExplainS3(ctx, err)
	}
	r.Created = place.Created
	return c.warned(warnings, c.catalogs().AddRepository(ctx, r), w, "CREATE REPOSITORY")
}

// repository finds the one that a statement names.
func (c *session) repository(name syntax.Ident, text string) (*repository, error) {
	r, err := c.catalogs().Repository(name.Name)
	if err != nil {
		return nil, sqlerr.From(err).WithPos(text, int(name.Pos))
	}
	place, err := transfer.AttachRepository(r.Objects(), r.Location, r.Name)
	return &repository{r, place}, err
}

// dropRepository forgets a repository that no job uses.
func (c *session) dropRepository(ctx context.Context, st *syntax.DropRepository, text string, w wire.ResultWriter) error {
	if _, err := c.repository(st.Name, text); err != nil {
		return err
	}
	list, err := c.srv.jobs.List(ctx, "", oneBackup)
	if err != nil {
		return err
	}
	for _, j := range list {
		if !j.State.Ended() && j.Detail["repository"] == st.Name.Name {
			return sqlerr.New(sqlerr.Conflict, "Backup or restore job is running on this repository. Can not drop it").With(sqlerr.Code{MySQL: 1064, State: "HY000"}).
				WithHint("wait for the end of job %d, or CANCEL %s FROM %s", j.ID, j.Kind, j.DB)
		}
	}
	if err := c.catalogs().DropRepository(ctx, st.Name.Name); err != nil {
		return err
	}
	return ok(w, "DROP REPOSITORY")
}

func (c *session) showRepositories(ctx context.Context, st *syntax.ShowRepositories, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("RepoId#", "RepoName", "CreateTime", "IsReadOnly", "Location", "Broker", "ErrMsg")}
	for _, repo := range c.catalogs().Repositories() {
		fault := any(nil)
		if why := repo.Fault(); why != "" {
			fault = why
		}
		r.add(repo.ID, repo.Name, moment(repo.Created), strconv.FormatBool(repo.ReadOnly), repo.Location, repo.Broker, fault)
	}
	return c.answer(ctx, r, "RepoName", st.Filter, text, w)
}

// showSnapshot lists what is whole in a repository. Details are given of a
// snapshot that is named with its time.
func (c *session) showSnapshot(ctx context.Context, st *syntax.ShowSnapshot, text string, w wire.ResultWriter) error {
	repo, err := c.repository(st.Repository, text)
	if err != nil {
		return err
	}
	named, err := wanting(st.Where)
	if err != nil {
		return err
	}
	var list []transfer.Listed
	if name := named["SNAPSHOT"]; name != "" {
		list, err = repo.place.Find(ctx, name)
	} else {
		list, err = repo.place.Snapshots(ctx)
	}
	if err != nil {
		return repo.ExplainS3(ctx, err)
	}
	r := relation{columns: columns("Snapshot", "Timestamp", "Status", "Database", "Details")}
	for _, s := range list {
		status, db, details := any("OK"), any(nil), any(nil)
		if s.Err != nil {
			status = "ERROR: " + sqlerr.From(s.Err).Error()
		} else if db = s.Info.Database; named["SNAPSHOT"] != "" && named["TIMESTAMP"] != "" {
			text, err := json.Marshal(s.Info)
			if err != nil {
				return err
			}
			details = string(text)
		}
		r.add(s.Name, s.Timestamp, status, db, details)
	}
	return c.answer(ctx, r, "Snapshot", st.Filter, text, w)
}

// wanting reads the columns that a condition compares with a string each, with
// nothing but AND between; none if it says anything else.
func wanting(where syntax.Fragment) (map[string]string, error) {
	named := map[string]string{}
	if where.IsZero() {
		return named, nil
	}
	toks, err := syntax.Scan(where.Text, syntax.StarRocks)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(toks); i += 4 {
		whole := i+3 <= len(toks) && toks[i].Kind == syntax.Word && toks[i+1].Is("=") && toks[i+2].Kind == syntax.String
		if !whole || i+3 < len(toks) && !toks[i+3].Is("AND") {
			return map[string]string{}, nil
		}
		named[strings.ToUpper(toks[i].Text)] = toks[i+2].Value()
	}
	return named, nil
}
