// Package session is one client's conversation: it parses each statement,
// joins catalogs, accounts and the engine to carry it out, and answers SHOW
// and information_schema.
package session

import (
	"context"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"lakeport/internal/account"
	"lakeport/internal/awsauth"
	"lakeport/internal/blob"
	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/job"
	"lakeport/internal/lake"
	"lakeport/internal/pipe"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// Version is what lakeport calls itself beside StarRocks' own version.
const Version = "0.1.0"

// Options are what a Server stands on. All are needed but Log and DoctorProfiles.
type Options struct {
	DB       *engine.DB
	Box      *secret.Box
	Resolver *awsauth.Resolver
	Objects  *blob.Store
	Log      *slog.Logger
	// DoctorProfiles are the profiles of the shared configuration files as which
	// EXPLAIN ACCESS reads policies, one for each account. Empty: the identities
	// that statements start from.
	DoctorProfiles []string
}

// Server logs clients in and knows their sessions. It implements wire.Handler.
type Server struct {
	Options
	catalogs *catalog.Store
	accounts *account.Store
	planner  *engine.Planner
	globals  *globals
	started  time.Time
	oids     oids // of PostgreSQL's catalog
	loads    loadLog
	jobs     *job.Queue
	pipes    *pipe.Pipes

	mu       sync.Mutex
	sessions map[uint32]*session
}

// NewServer reads catalogs and accounts from the database. It contacts no AWS.
func NewServer(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Options: o, planner: o.DB.Planner(), started: time.Now(), sessions: map[uint32]*session{}}
	for _, open := range []func(*engine.Conn) error{
		func(c *engine.Conn) (err error) {
			s.catalogs, err = catalog.Open(ctx, o.DB, c, o.Box, o.Resolver, o.Objects)
			return err
		},
		func(c *engine.Conn) (err error) {
			s.accounts, err = account.Open(ctx, c, o.Box)
			return err
		},
		func(c *engine.Conn) (err error) {
			s.globals, err = openGlobals(ctx, c)
			return err
		},
	} {
		conn, err := o.DB.Connect()
		if err != nil {
			return nil, err
		}
		if err := open(conn); err != nil {
			conn.Close()
			return nil, err
		}
	}
	var err error
	s.jobs, err = job.Open(ctx, job.Options{DB: o.DB, Box: o.Box, Log: o.Log, Kinds: map[string]job.Work{
		brokerLoad: s.runLoad, backupJob: s.runBackup, restoreJob: s.runRestore,
	}})
	if err != nil {
		return nil, err
	}
	s.pipes, err = pipe.Open(ctx, pipe.Options{DB: o.DB, Box: o.Box, Resolver: o.Resolver, Alter: s.alterTarget, Log: o.Log})
	return s, err
}

// Start begins the work that outlives statements, also what a restart found.
func (s *Server) Start() {
	s.jobs.Start()
	s.pipes.Start()
}

// Close ends what the server holds open. No session may run.
func (s *Server) Close() {
	s.pipes.Close()
	s.jobs.Close()
	s.catalogs.Close()
	s.accounts.Close()
	s.globals.conn.Close()
}

// Login implements wire.Handler.
func (s *Server) Login(ctx context.Context, l wire.Login) (wire.Session, error) {
	if err := s.accounts.Admit(l); err != nil {
		return nil, err
	}
	conn, err := s.DB.Connect()
	if err != nil {
		return nil, err
	}
	c := &session{srv: s, conn: conn, id: l.ConnID, user: l.User, kill: l.Kill, since: time.Now()}
	if l.Protocol == wire.Postgres {
		c.pg = &postgres{settings: map[string]string{}, cursors: map[string]*namedCursor{}}
	}
	if l.Remote != nil {
		c.host = l.Remote.String()
	}
	if err := c.Reset(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	if err := c.enter(ctx, l); err != nil {
		conn.Close()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[c.id] = c
	return c, nil
}

// enter makes the database current that the client asked for.
func (c *session) enter(ctx context.Context, l wire.Login) error {
	if c.pg != nil {
		return c.beginPostgres(ctx, l)
	}
	if l.Database == "" {
		return nil
	}
	return c.Use(ctx, l.Database)
}

// list gives the sessions in order of their ids.
func (s *Server) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*session, 0, len(s.sessions))
	for _, c := range s.sessions {
		list = append(list, c)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	return list
}

// killSession stops another session's statement or the session itself.
func (s *Server) killSession(id uint32, query bool) error {
	s.mu.Lock()
	c := s.sessions[id]
	s.mu.Unlock()
	if c == nil || c.kill == nil {
		return sqlerr.New(sqlerr.NotFound, "Unknown thread id: %d", id).With(sqlerr.NoSuchThread)
	}
	c.kill(query)
	return nil
}

// session is one client's state. Its methods run on one goroutine, but for
// what SHOW PROCESSLIST of another session reads under mu.
type session struct {
	srv  *Server
	conn *engine.Conn
	id   uint32
	user string
	host string
	kill func(query bool)

	catalog  string // current catalog
	database string // current database, "" if none
	vars     variables
	users    map[string]any
	warnings []warning
	open     bool           // a transaction is open
	pg       *postgres      // nil: the client speaks MySQL's protocol
	want     []lake.Column  // what the client was told that the next query gives; nil: nothing
	local    map[string]use // tables that only the statement under way knows
	held     []func()       // lets go of the labels of the open transaction
	prepared map[string]string

	fresh       string         // the external catalog made last, until a catalog is entered; empty: none
	temporaries bool           // temporary tables may be there
	watched     *catalog.Store // catalogs whose calls EXPLAIN ACCESS watches; nil: it is not under way

	mu      sync.Mutex
	running string // the statement under way, secrets masked; "" when idle
	since   time.Time
}

// warning is one line of SHOW WARNINGS.
type warning struct {
	level, text string
	code        int64
}

// Reset implements wire.Session.
func (c *session) Reset(ctx context.Context) error {
	if c.open {
		if err := c.end(ctx, "ROLLBACK"); err != nil {
			return err
		}
	}
	if err := c.dropTemporaries(ctx, ""); err != nil {
		return err
	}
	c.temporaries = false
	c.vars, c.users, c.warnings, c.prepared = c.srv.globals.all(), map[string]any{}, nil, map[string]string{}
	if c.catalog == "" {
		c.catalog = catalog.Internal
	}
	return applyTimeZone(ctx, c.conn, c.vars.get("time_zone"))
}

// Close implements wire.Session.
func (c *session) Close() error {
	c.srv.mu.Lock()
	delete(c.srv.sessions, c.id)
	c.srv.mu.Unlock()
	c.conn.Close() // which rolls back
	c.freeLabels()
	return nil
}

// Status implements wire.Session.
func (c *session) Status() wire.Status {
	st := wire.Status{Autocommit: c.vars.on("autocommit"), InTransaction: c.open, Database: c.database, Warnings: len(c.warnings),
		Whole: c.open || c.temporaries || !c.vars.on("autocommit")}
	if c.pg != nil {
		st.InTransaction = c.open && !c.pg.implicit
		st.Failed, st.Parameters = c.pg.failed, c.parameters()
	}
	return st
}

// Use implements wire.Session: db in the current catalog, or catalog.db.
func (c *session) Use(ctx context.Context, name string) error {
	cat, db := c.catalog, name
	if before, after, ok := strings.Cut(name, "."); ok && c.isCatalog(before) {
		cat, db = before, after
	}
	return c.use(ctx, cat, db)
}

func (c *session) isCatalog(name string) bool {
	if name == catalog.Internal {
		return true
	}
	_, err := c.catalogs().Get(name)
	return err == nil
}

func (c *session) use(ctx context.Context, cat, db string) error {
	if err := c.findDatabase(ctx, cat, db); err != nil {
		return err
	}
	c.setCurrent(cat, db)
	return nil
}

func (c *session) setCurrent(cat, db string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cat != c.catalog {
		c.fresh = ""
	}
	c.catalog, c.database = cat, db
}

// findDatabase fails unless the database exists. An external catalog is asked
// as its identity, so that a refusal shows here and not at the next query.
func (c *session) findDatabase(ctx context.Context, cat, db string) error {
	if system(db) {
		return nil
	}
	if cat == catalog.Internal {
		ok, err := c.hasSchema(ctx, db)
		if err == nil && !ok {
			err = sqlerr.New(sqlerr.NotFound, "Unknown database '%s'", db).With(sqlerr.BadDB)
		}
		return err
	}
	ext, err := c.catalogs().Get(cat)
	if err != nil {
		return err
	}
	_, err = ext.Database(ctx, db)
	return err
}

func (c *session) warn(level, format string, code int64) {
	c.warnings = append(c.warnings, warning{level, format, code})
}
