package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lakeport/internal/blob"
	"lakeport/internal/engine"
	"lakeport/internal/sqlerr"
)

// RepositoryDefinition is what CREATE REPOSITORY says.
type RepositoryDefinition struct {
	ID         int64
	Name       string
	Location   string
	ReadOnly   bool
	Broker     string
	Created    time.Time // of the place, which may be older than this server's knowledge of it
	Properties []Property
}

// Repository is a place for snapshots that statements know by name.
type Repository struct {
	RepositoryDefinition
	*Storage
	fault atomic.Pointer[string] // of the last request; nil: none
}

// ExplainS3 is that of the storage. What S3 has refused stands in Fault until a
// request is done.
func (r *Repository) ExplainS3(ctx context.Context, err error) error {
	told := r.Storage.ExplainS3(ctx, err)
	if _, ours := errors.AsType[*sqlerr.Error](err); err == nil {
		r.fault.Store(nil)
	} else if !ours && ctx.Err() == nil {
		text := told.Error()
		r.fault.Store(&text)
	}
	return told
}

// Fault is why S3 has refused the last request, "" if it has not.
func (r *Repository) Fault() string {
	if text := r.fault.Load(); text != nil {
		return *text
	}
	return ""
}

const repositories = engine.Catalog + "." + Schema + ".repositories"

// hadoopKeys are older spellings of properties (Hadoop's documentation,
// "Hadoop-AWS module"), which StarRocks' repositories take.
var hadoopKeys = map[string]string{
	"fs.s3a.access.key": "aws.s3.access_key", "fs.s3a.secret.key": "aws.s3.secret_key", "fs.s3a.session.token": "aws.s3.session_token",
	"fs.s3a.endpoint": "aws.s3.endpoint", "fs.s3a.endpoint.region": "aws.s3.region", "fs.s3a.path.style.access": "aws.s3.enable_path_style_access",
	"fs.s3a.connection.ssl.enabled": "aws.s3.enable_ssl",
}

// NewRepository checks a definition and opens its storage. It contacts nobody
// and stores nothing; text is the statement, and at the location's place in it.
func (s *Store) NewRepository(d RepositoryDefinition, text string, at int) (r *Repository, warnings []string, err error) {
	if !nameShape.MatchString(d.Name) || len(d.Name) > 64 {
		return nil, nil, sqlerr.New(sqlerr.Invalid, "the name %q must start with a letter and hold up to 64 letters, digits and underscores", d.Name)
	}
	if _, _, err := blob.Parse(d.Location); err != nil {
		return nil, nil, sqlerr.From(err).WithPos(text, at)
	}
	storage, warnings, err := s.repositoryStorage(d, text)
	return &Repository{RepositoryDefinition: d, Storage: storage}, warnings, err
}

// repositoryStorage opens the storage of a definition, whose properties may be
// spelled as Hadoop does.
func (s *Store) repositoryStorage(d RepositoryDefinition, text string) (*Storage, []string, error) {
	props := slices.Clone(d.Properties)
	for i := range props {
		props[i].Key = cmp.Or(hadoopKeys[props[i].Key], props[i].Key)
	}
	return s.Storage(props, text, nil)
}

// AddRepository stores a new repository, but not in a watched view.
func (s *Store) AddRepository(ctx context.Context, r *Repository) error {
	if s.watch != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[r.Name] != nil {
		return repositoryExists(r.Name)
	}
	r.ID = 10001
	for _, other := range s.repos {
		r.ID = max(r.ID, other.ID+1)
	}
	for i := range r.Properties { // positions mean nothing without the text
		r.Properties[i].KeyPos, r.Properties[i].ValuePos = -1, -1
	}
	plain, err := json.Marshal(r.RepositoryDefinition)
	if err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, "INSERT INTO "+repositories+" VALUES (?, ?)", r.Name, s.box.Seal(plain, repositoryPlace(r.Name))); err != nil {
		return fmt.Errorf("store repository %s: %w", r.Name, err)
	}
	s.repos[r.Name] = r
	return nil
}

// repositoryPlace binds a sealed definition to its place.
func repositoryPlace(name string) string { return "repository/" + name }

func repositoryExists(name string) error {
	return sqlerr.New(sqlerr.Exists, "Repository %s already exists", name).With(sqlerr.Code{MySQL: 1064, State: "HY000"})
}

// Vacant fails if a repository has the name.
func (s *Store) Vacant(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[name] != nil {
		return repositoryExists(name)
	}
	return nil
}

// Repository gives a repository by its name.
func (s *Store) Repository(name string) (*Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repos[name]; r != nil {
		return r, nil
	}
	err := sqlerr.New(sqlerr.NotFound, "Repository %s does not exist", name).With(sqlerr.Code{MySQL: 1064, State: "HY000"})
	if near := sqlerr.Nearest(name, slices.Collect(maps.Keys(s.repos))); near != "" {
		err = err.WithHint("did you mean %s?", near)
	}
	return nil, err
}

// Repositories lists the repositories by name.
func (s *Store) Repositories() []*Repository {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.repos), func(a, b *Repository) int { return strings.Compare(a.Name, b.Name) })
}

// DropRepository forgets a repository. What is stored there stays.
func (s *Store) DropRepository(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.conn.Exec(ctx, "DELETE FROM "+repositories+" WHERE name = ?", name); err != nil {
		return fmt.Errorf("drop repository %s: %w", name, err)
	}
	delete(s.repos, name)
	return nil
}

// loadRepositories reads the definitions that the database holds.
func (s *Store) loadRepositories(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+repositories+" (name VARCHAR NOT NULL, definition BLOB NOT NULL)"); err != nil {
		return fmt.Errorf("prepare the repositories' table: %w", err)
	}
	return s.stored(ctx, repositories, "repository", repositoryPlace, func(name string, plain []byte) error {
		var d RepositoryDefinition
		if err := json.Unmarshal(plain, &d); err != nil {
			return fmt.Errorf("read repository %s: %w", name, err)
		}
		storage, _, err := s.repositoryStorage(d, "")
		if err != nil {
			return fmt.Errorf("check repository %s: %w", name, err)
		}
		s.repos[name] = &Repository{RepositoryDefinition: d, Storage: storage}
		return nil
	})
}
