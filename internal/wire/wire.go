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

// Protocol is the one that a client speaks. It decides the dialect of its
// statements.
type Protocol uint8

// The protocols: MySQL's with StarRocks' statements, PostgreSQL's with
// Redshift's.
const (
	MySQL Protocol = iota
	Postgres
)

// Login is what a client says of itself before it may run anything.
type Login struct {
	Protocol Protocol
	ConnID   uint32 // unique in this server's life; KILL names it
	User     string
	Database string // db or catalog.db; empty: none
	Remote   net.Addr
	TLS      bool
	Attrs    map[string]string // connection attributes, or PostgreSQL's startup parameters; may be nil
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
	SCRAM  *SCRAM // for SCRAM-SHA-256
}

// SCRAM is a verifier of RFC 5803: it proves a password without holding it.
type SCRAM struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte // 32 bytes
	ServerKey  []byte // 32 bytes
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
	Failed        bool // a statement of the open transaction failed: PostgreSQL's clients may only end it
	Database      string
	// Parameters are those that PostgreSQL's clients are told of, at login and
	// whenever they change, by name. Nil on MySQL's sessions.
	Parameters map[string]string
	Warnings   int // of the last statement
	// Whole tells that the rows of a statement must be read to their end before
	// the next one begins, for both would use the same connection of the engine.
	Whole bool
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

// TypedStatement is a Statement that knows the types of its parameters; those of
// PostgreSQL's sessions do. Its arguments are nil or strings, spelled as
// PostgreSQL spells values of these types.
type TypedStatement interface {
	ParamTypes() []lake.Type
}

// TypedSession is a Session that takes types for the parameters of a statement
// to prepare, as far as the client gave them: Invalid where it did not.
type TypedSession interface {
	PrepareTyped(ctx context.Context, text string, params []lake.Type) (Statement, error)
}

// Pipelining is a Session whose statements share a transaction with those that
// run before and after them, unless they began one.
type Pipelining interface {
	// EndPipeline commits that transaction, if there is one, or takes it back
	// because one of the statements failed. Rows of them must have ended.
	EndPipeline(ctx context.Context, failed bool) error
}

// Cursors is a Session with cursors of its own, made by DECLARE.
type Cursors interface {
	CursorColumns(name string) []lake.Column // nil: there is none of that name
}

// Copier is what the ResultWriter of a PostgreSQL client is able to do besides.
type Copier interface {
	// CopyIn asks the client for rows of the columns.
	CopyIn(c Copy, columns []lake.Column) (CopyRows, error)
	// CopyOut sends the rows of the next result as the client's copy of them.
	CopyOut(c Copy) error
}

// CopyRows is what a client sends. Every field is text as PostgreSQL spells
// values, whatever form it was sent in.
type CopyRows interface {
	// Next gives the next row, nil fields for NULL; io.EOF after the last. The
	// row is valid until the next call.
	Next() ([][]byte, error)
}

// CopyFormat is the form of copied rows.
type CopyFormat string

// The forms of COPY (PostgreSQL manual, "COPY", File Formats).
const (
	CopyText   CopyFormat = "text"
	CopyCSV    CopyFormat = "csv"
	CopyBinary CopyFormat = "binary"
)

// Copy says how rows are copied. Zero bytes and nil stand for the format's
// defaults.
type Copy struct {
	Format    CopyFormat
	Delimiter byte
	Null      *string
	Header    bool
	Quote     byte
	Escape    byte
}

// Notifier is what a ResultWriter may be able to tell besides: a warning that
// the client shows beside the result.
type Notifier interface {
	Notice(level, text string) error
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
	Affected int64  // rows changed; for PostgreSQL also rows returned, below 0: the tag stands without a number
	Warnings int
	Info     string // MySQL's OK message: {'label':'insert_…', 'status':'VISIBLE'}
	More     bool   // a further result follows
}
