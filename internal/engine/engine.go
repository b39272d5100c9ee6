// Package engine runs SQL on DuckDB. It opens the database with settings that
// keep clients' SQL away from files, streams results as lake.Chunks that point
// into DuckDB's vectors, turns DuckDB's errors into sqlerr, says what a query
// touches (Inspect, Check) and what each of its scans wants (Planner).
//
// It is the only package that knows DuckDB. It knows neither catalogs nor
// objects: callers replace external names in the text before they run it.
package engine

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Catalog is the name under which the database file is attached.
const Catalog = "default_catalog"

// Options say where a database lives and what it may use. The zero value is a
// database in memory that reads no file.
type Options struct {
	Path    string   // of the database file, which is made if missing; empty: in memory
	Dirs    []string // absolute; SQL reads and writes only these and what is below them
	Threads int      // 0: one for each core
	Memory  string   // limit as DuckDB spells it, "4GB"; empty: DuckDB's default, 80 % of the machine
	Temp    string   // directory to spill to; empty: beside the file, or none in memory
	// Setup is statements that each start runs in the database and in its
	// planner before the configuration is locked: settings, and macros that
	// queries use. They see an instance that holds nothing of theirs, but for
	// what they wrote into the database file.
	Setup []string
	// Functions and Macros, statements that may use them, define what queries
	// call, in the database and in its planner. That happens beside what follows
	// Open, for there are many; Conn.Inspect waits for it and fails if it has.
	Functions []lake.Function
	Macros    []string
	// Translate changes the text of an error before a client sees it, for
	// example local paths into URIs; nil changes nothing.
	Translate func(string) string
}

// DB is one open database. Its methods may be called from any goroutine.
type DB struct {
	handle    duckdb.Database
	path      string // of the file; empty: in memory
	translate func(string) string
	planner   *Planner
	defined   chan struct{} // closed when functions and macros are made
	undefined error         // why they are not; read after defined
}

// openFiles holds the files that this process has open. DuckDB's own lock
// keeps out other processes only.
var openFiles sync.Map

// Open opens the database and locks its configuration: from then on sessions
// can set their time zone and their search path, and nothing else. It fails
// with Conflict if another process has the file open.
func Open(o Options) (*DB, error) {
	db := &DB{translate: o.Translate}
	if db.translate == nil {
		db.translate = func(s string) string { return s }
	}
	if err := db.claim(o.Path); err != nil {
		return nil, err
	}
	made := make(chan error, 1)
	go func() {
		var err error
		db.planner, err = NewPlanner(o.Setup...)
		made <- err
	}()
	err := db.start(o.settings(), (*Conn).addFeeds, (*Conn).addGates)
	if err = cmp.Or(explainOpen(err), <-made); err != nil {
		db.Close()
		return nil, err
	}
	db.defined = make(chan struct{})
	go func() {
		defer close(db.defined)
		db.undefined = db.defineAll(o)
	}()
	return db, nil
}

// defineAll makes functions and macros in both instances.
func (db *DB) defineAll(o Options) error {
	if len(o.Functions) == 0 && len(o.Macros) == 0 {
		return nil
	}
	made := make(chan error, 1)
	go func() { made <- db.planner.db.define(o) }()
	err := db.define(o)
	if err = cmp.Or(err, <-made); err != nil {
		return fmt.Errorf("define functions: %w", err)
	}
	return nil
}

// define makes functions, and macros in one transaction.
func (db *DB) define(o Options) error {
	c, err := db.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range o.Functions {
		if err := c.addScalar(&o.Functions[i]); err != nil {
			return err
		}
	}
	return c.InTx(context.Background(), func(c *Conn) error {
		for _, text := range o.Macros {
			if err := c.run(text); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim takes the file for this process.
func (db *DB) claim(path string) error {
	if path == "" {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return &sqlerr.Error{Kind: sqlerr.Invalid, Msg: "find database file " + path, Err: err}
	}
	if _, taken := openFiles.LoadOrStore(path, true); taken {
		return sqlerr.New(sqlerr.Conflict, "database file %s is already open in this process", path)
	}
	db.path = path
	return nil
}

// start opens an instance in memory and, on its first connection, adds to it and
// runs statements.
func (db *DB) start(statements []string, add ...func(*Conn) error) error {
	var msg string
	if duckdb.OpenExt(":memory:", &db.handle, duckdb.Config{}, &msg) == duckdb.StateError {
		return sqlerr.New(sqlerr.Internal, "open DuckDB: %s", msg)
	}
	c, err := db.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, f := range add {
		if err := f(c); err != nil {
			return err
		}
	}
	for _, text := range statements {
		if err := c.run(text); err != nil {
			return err
		}
	}
	return nil
}

// settings gives the statements that make a fresh instance the database of o.
// The order matters: what needs files comes before access to them is closed,
// and the lock is last.
func (o Options) settings() []string {
	path := o.Path
	if path == "" {
		path = ":memory:"
	} else if o.Temp == "" {
		o.Temp = path + ".tmp"
	}
	list := []string{
		"SET GLOBAL errors_as_json = true",
		"ATTACH " + lake.QuoteString(path) + " AS " + Catalog,
		"SET GLOBAL temp_directory = " + lake.QuoteString(o.Temp),
		// One merged read for each row group; no second copy of its bytes, which
		// would also outlive the permission to read them.
		"SET GLOBAL prefetch_all_parquet_files = true",
		"SET GLOBAL enable_external_file_cache = false",
		"SET GLOBAL autoinstall_known_extensions = false",
		"SET GLOBAL autoload_known_extensions = false",
		"SET GLOBAL allow_community_extensions = false",
		"SET GLOBAL allow_persistent_secrets = false",
		// What one thread frees of another's memory goes back to the system only
		// while that one works, unless a thread sees to it: up to as much again
		// as the limit would stay.
		"SET GLOBAL allocator_background_threads = true",
	}
	if o.Threads > 0 {
		list = append(list, "SET GLOBAL threads = "+strconv.Itoa(o.Threads))
	}
	if o.Memory != "" {
		list = append(list, "SET GLOBAL memory_limit = "+lake.QuoteString(o.Memory))
	}
	return append(append(list, o.Setup...),
		"SET GLOBAL allowed_directories = ["+strings.Join(quoteDirs(o.Dirs), ", ")+"]",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL allowed_configs = ['timezone']",
		"SET GLOBAL lock_configuration = true")
}

func quoteDirs(dirs []string) []string {
	list := make([]string, len(dirs))
	for i, d := range dirs {
		list[i] = lake.QuoteString(d)
	}
	return list
}

// lockHolder finds file and process in DuckDB's refusal to share a file.
var lockHolder = regexp.MustCompile(`Could not set lock on file "(.*)": Conflicting lock is held in (.*?)( by user .*)?\. See`)

// explainOpen names the process that holds the file, where that is why.
func explainOpen(err error) error {
	if err == nil {
		return nil
	}
	e := sqlerr.From(err)
	m := lockHolder.FindStringSubmatch(e.Msg)
	if m == nil {
		return fmt.Errorf("open database: %w", err)
	}
	return &sqlerr.Error{
		Kind: sqlerr.Conflict, Err: err,
		Msg:  fmt.Sprintf("database file %s is in use by %s", m[1], m[2]),
		Hint: "stop that process or give this one another data directory",
	}
}

// Connect opens a connection whose current schema is default_catalog.main.
func (db *DB) Connect() (*Conn, error) {
	c, err := db.connect()
	if err != nil {
		return nil, err
	}
	if err := c.run("USE " + Catalog); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (db *DB) connect() (*Conn, error) {
	c := &Conn{db: db}
	if duckdb.Connect(db.handle, &c.handle) == duckdb.StateError {
		return nil, sqlerr.New(sqlerr.Internal, "connect to DuckDB: no connection could be made")
	}
	return c, nil
}

// Planner gives the planner that Inspect uses, for use and not for closing.
func (db *DB) Planner() *Planner { return db.planner }

// Close closes the database. Its connections must be closed before.
func (db *DB) Close() {
	if db.defined != nil {
		<-db.defined
	}
	if db.planner != nil {
		db.planner.Close()
	}
	duckdb.Close(&db.handle)
	if db.path != "" {
		openFiles.Delete(db.path)
	}
}
