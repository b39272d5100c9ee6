// Package wire is what both protocols share: a Handler that logs clients in, a
// Session that runs their statements, and a ResultWriter that takes the rows.
// It knows neither protocol nor engine.
package wire

import (
	"context"
	"net"

	"lakeport/internal/lake"
)

// Handler is the server behind a protocol.
type Handler interface {
	// Login decides about one client. Its error is what the client sees.
	Login(ctx context.Context, l Login) (Session, error)
}

// Login is what a client says of itself before it may run anything.
type Login struct {
	ConnID   uint32 // unique in this server's life; KILL names it
	User     string
	Database string // db or catalog.db; empty: none
	Remote   net.Addr
	TLS      bool
	Attrs    map[string]string // connection attributes, may be nil
	// UsingPassword tells whether the client sent a non-empty reply.
	UsingPassword bool
	// Verify checks the client's reply to the challenge against a stored
	// password verifier. It may ask the client for more and so may block.
	Verify func(v Verifier) (bool, error)
	// Kill stops the connection (query false) or only its running statement
	// (query true). The session hands it to other sessions' KILL.
	Kill func(query bool)
}

// Verifier is what lakeport stores of a password. A nil slice means that this
// form is not stored; Empty means that the password is the empty one.
type Verifier struct {
	Empty  bool
	Native []byte // SHA1(SHA1(password)), 20 bytes, for mysql_native_password
	SHA2   []byte // SHA256(SHA256(password)), 32 bytes, for caching_sha2_password's fast path
}

// Session is one client's state. Its methods are called by one goroutine.
type Session interface {
	// Exec runs every statement of text in order and writes one result for
	// each. When ctx is done the running statement stops within 100 ms.
	Exec(ctx context.Context, text string, w ResultWriter) error
	// Prepare readies one statement with ? parameters.
	Prepare(ctx context.Context, text string) (Statement, error)
	// Use makes a database current: db or catalog.db.
	Use(ctx context.Context, database string) error
	// Columns lists a table's columns, for MySQL's COM_FIELD_LIST.
	Columns(ctx context.Context, table string) ([]lake.Column, error)
	// Reset returns the session to the state after login, but for Use.
	Reset(ctx context.Context) error
	// Status is the flags that MySQL's status word carries.
	Status() Status
	Close() error
}

// Status is the part of a session's state that protocols report with results.
type Status struct {
	Autocommit    bool
	InTransaction bool
	Database      string
	Warnings      int // of the last statement
}

// Statement is a prepared statement.
type Statement interface {
	Params() int
	// Columns is the result's columns as far as they are known before the
	// statement runs; nil when it returns none or they are not known.
	Columns() []lake.Column
	// Exec runs it. The arguments are nil, bool, int64, uint64, float64,
	// string, []byte or time.Time (wall clock in UTC). When the client fetches
	// through a cursor, Exec has a goroutine of its own and waits inside
	// w.Chunk while other methods of the session run; it moves on only while
	// none of them does.
	Exec(ctx context.Context, args []any, w ResultWriter) error
	Close() error
}

// ResultWriter takes the results of statements, in order.
type ResultWriter interface {
	// Columns opens a result that has rows. At most once per result.
	Columns(cols []lake.Column) error
	// Chunk sends rows. The writer does not keep c after it returns; it
	// blocks while the client is slow.
	Chunk(c *lake.Chunk) error
	// Done ends one result, whether or not it had rows.
	Done(d Done) error
}

// MultiStatements is what a ResultWriter may be able to tell besides. Where it
// says no, a session refuses a text of several statements before it runs any.
type MultiStatements interface {
	MultiStatements() bool
}

// Cursor is what a ResultWriter may be able to tell besides: that the client
// fetches the rows later and may run other statements of the session meanwhile,
// so that the rows must not end with them.
type Cursor interface {
	Cursor() bool
}

// Done is how one statement ended.
type Done struct {
	Tag      string // the statement's kind for PostgreSQL's CommandComplete: "SELECT", "INSERT", "CREATE TABLE"
	Affected int64  // rows changed; for PostgreSQL also rows returned
	Warnings int
	Info     string // MySQL's OK message: {'label':'insert_…', 'status':'VISIBLE'}
	More     bool   // a further result follows
}
