package session

import (
	"context"

	"lakeport/internal/catalog"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// Statements that come together on a PostgreSQL session, as one text or as one
// pipeline up to Sync, are one transaction, unless they begin and end their own
// (PostgreSQL manual, "Multiple Statements in a Simple Query" and
// "Pipelining"). It begins with the first of them that can be taken back.

// execRedshift runs every statement of a simple query, and ends what a pipeline
// before it has left open.
func (c *session) execRedshift(ctx context.Context, text string, w wire.ResultWriter) error {
	err := c.each(ctx, text, w)
	if ended := c.EndPipeline(ctx, err != nil); err == nil {
		err = ended
	}
	return err
}

// each runs the statements of a text. A text in which one cannot be read runs
// nothing.
func (c *session) each(ctx context.Context, text string, w wire.ResultWriter) error {
	spans := syntax.Split(text, syntax.Redshift)
	as := single
	if len(spans) > 1 {
		as = oneText
	}
	for _, span := range spans {
		if as == single {
			break // it is read once, by statement
		}
		if _, err := syntax.ParseRedshift(span.Of(text)); err != nil {
			c.failing(err)
			return shift(err, text, span.Pos)
		}
	}
	for _, span := range spans {
		if err := c.among(ctx, as, span.Of(text), w); err != nil {
			return shift(err, text, span.Pos)
		}
	}
	return nil
}

// company is what a statement shares its transaction with.
type company uint8

const (
	single company = iota
	oneText
	onePipeline
)

// among runs a statement in the company of others, where it is not already.
func (c *session) among(ctx context.Context, with company, text string, w wire.ResultWriter) error {
	if c.pg.company == single {
		c.pg.company = with
		defer func() { c.pg.company = single }()
	}
	return c.statement(ctx, text, w)
}

// inBlock tells whether what a statement sets or opens outlives it: a pipeline's
// transaction may end with it (PostgreSQL: RequireTransactionBlock).
func (c *session) inBlock() bool {
	return c.open && (!c.pg.implicit || c.pg.company == oneText)
}

// EndPipeline implements wire.Pipelining.
func (c *session) EndPipeline(ctx context.Context, failed bool) error {
	if c.pg == nil || !c.pg.implicit {
		return nil
	}
	if failed {
		return c.endTransaction(ctx, "ROLLBACK")
	}
	return c.endTransaction(ctx, "COMMIT")
}

// join readies the transaction in which a statement runs.
func (c *session) join(ctx context.Context, st syntax.Statement, text string) error {
	switch st.(type) {
	case *syntax.Begin, *syntax.Commit, *syntax.Rollback:
		return nil
	}
	if what := changes(st); what != "" && c.readOnly() {
		return sqlerr.New(sqlerr.Denied, "cannot execute %s in a read-only transaction", what).With(sqlerr.Code{State: "25006"}).WithPos(text, int(st.Start()))
	}
	what := c.alone(st)
	switch {
	case what != "" && c.pg.implicit:
		return sqlerr.New(sqlerr.Unsupported, "%s cannot be executed within a pipeline or a text of several statements after others", what).
			With(codeActive).WithHint("send it by itself").WithPos(text, int(st.Start()))
	case what != "" && c.open:
		return sqlerr.New(sqlerr.Unsupported, "%s cannot run inside a transaction block", what).
			With(codeActive).WithHint("COMMIT or ROLLBACK first").WithPos(text, int(st.Start()))
	case what != "" || c.open || c.pg.company == single:
		return nil
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	c.pg.implicit = true
	return nil
}

// readOnly tells whether the transaction of the next statement changes nothing.
func (c *session) readOnly() bool {
	if c.open && !c.pg.implicit {
		return c.pg.readOnly
	}
	return c.readsByDefault()
}

// readsByDefault tells what a transaction is that does not say it.
func (c *session) readsByDefault() bool {
	byDefault, _ := truth(c.setting("default_transaction_read_only"))
	readonly, _ := truth(c.setting("readonly")) // Redshift's JDBC driver sets it
	return byDefault || readonly
}

// setTransaction carries out SET TRANSACTION and SET SESSION CHARACTERISTICS.
// Every transaction is serializable to those that it sees.
func (c *session) setTransaction(ctx context.Context, st *syntax.SetTransaction, w wire.ResultWriter) error {
	readOnly := st.Access == "READ ONLY"
	switch {
	case st.Access == "":
	case st.Scope == "SESSION":
		if err := c.change(ctx, "default_transaction_read_only", map[bool]string{true: "on", false: "off"}[readOnly]); err != nil {
			return err
		}
	case c.inBlock():
		c.pg.readOnly = readOnly
	default:
		c.warn("Warning", "SET TRANSACTION can only be used in transaction blocks", 0)
	}
	return ok(w, "SET")
}

// changes names a statement that a read-only transaction refuses (PostgreSQL
// manual, "SET TRANSACTION"); "" for others.
func changes(st syntax.Statement) string {
	switch st := st.(type) {
	case *syntax.Insert:
		return "INSERT"
	case *syntax.Update:
		return "UPDATE"
	case *syntax.Delete:
		return "DELETE"
	case *syntax.Merge:
		return "MERGE"
	case *syntax.Truncate:
		return "TRUNCATE TABLE"
	case *syntax.Copy:
		return "COPY"
	case *syntax.CopyStream:
		if st.In {
			return "COPY FROM"
		}
	case *syntax.CreateTable:
		if !st.Temporary {
			return "CREATE TABLE"
		}
	case *syntax.DropTable:
		return "DROP TABLE"
	case *syntax.AlterTable:
		return "ALTER TABLE"
	case *syntax.CreateView, *syntax.AlterView:
		return "CREATE VIEW"
	case *syntax.DropView:
		return "DROP VIEW"
	case *syntax.CreateDatabase:
		return "CREATE SCHEMA"
	case *syntax.DropDatabase:
		return "DROP SCHEMA"
	case *syntax.CommentOn:
		return "COMMENT ON"
	case *syntax.CreateCatalog, *syntax.AlterCatalog, *syntax.DropCatalog:
		return "changes of catalogs"
	case *syntax.CreateRepository, *syntax.DropRepository, *syntax.Backup, *syntax.Restore, *syntax.LoadLabel, *syntax.CreatePipe, *syntax.DropPipe, *syntax.SetPassword:
		return "this statement"
	}
	return ""
}

// codeActive is active_sql_transaction.
var codeActive = sqlerr.Code{State: "25001"}

// alone names a statement that no ROLLBACK takes back, such as one that changes
// an external catalog; "" for others. Redshift has the same rule for VACUUM and
// for external tables (Database Developer Guide, "CREATE EXTERNAL TABLE").
func (c *session) alone(st syntax.Statement) string {
	switch st := st.(type) {
	case *syntax.Maintain:
		if st.Verb == "VACUUM" {
			return st.Verb
		}
	case *syntax.Discard:
		if !st.Plans {
			return "DISCARD ALL"
		}
	case *syntax.CreateCatalog:
		return "CREATE EXTERNAL CATALOG"
	case *syntax.AlterCatalog:
		return "ALTER CATALOG"
	case *syntax.DropCatalog:
		return "DROP CATALOG"
	case *syntax.CreateRepository:
		return "CREATE REPOSITORY"
	case *syntax.DropRepository:
		return "DROP REPOSITORY"
	case *syntax.Backup:
		return "BACKUP"
	case *syntax.Restore:
		return "RESTORE"
	case *syntax.LoadLabel:
		return "LOAD LABEL"
	case *syntax.CancelLoad:
		return "CANCEL LOAD"
	case *syntax.AlterLoad:
		return "ALTER LOAD"
	case *syntax.CreatePipe:
		return "CREATE PIPE"
	case *syntax.DropPipe:
		return "DROP PIPE"
	case *syntax.PausePipe:
		return "PAUSE or RESUME PIPE"
	case *syntax.SetPassword:
		return "SET PASSWORD"
	case *syntax.CreateDatabase:
		if cat, _, err := c.databaseName(st.Name); err == nil && cat != catalog.Internal {
			return "CREATE SCHEMA of an external catalog"
		}
	case *syntax.DropDatabase:
		if cat, _, err := c.databaseName(st.Name); err == nil && cat != catalog.Internal {
			return "DROP SCHEMA of an external catalog"
		}
	case *syntax.CreateTable:
		return c.externally("CREATE TABLE", st.Table)
	case *syntax.DropTable:
		return c.externally("DROP TABLE", st.Tables...)
	case *syntax.Insert:
		return c.externally("INSERT", st.Table)
	}
	return ""
}

// truncateTable carries out TRUNCATE, which commits the transaction that it runs
// in (Database Developer Guide, "TRUNCATE"). Assumed: a block that BEGIN began
// goes on in a new transaction, as that page says of stored procedures.
func (c *session) truncateTable(ctx context.Context, st *syntax.Truncate, text string, w wire.ResultWriter) error {
	block := c.open && !c.pg.implicit
	if err := c.truncate(ctx, st, text, &unended{ResultWriter: w}); err != nil {
		return err
	}
	if c.open {
		if err := c.endTransaction(ctx, "COMMIT"); err != nil {
			return err
		}
	}
	if block {
		if err := c.start(ctx); err != nil {
			return err
		}
	}
	return ok(w, "TRUNCATE TABLE")
}

// unended keeps a result open.
type unended struct {
	wire.ResultWriter
	affected int64 // by the statement
}

func (u *unended) Done(d wire.Done) error {
	u.affected = d.Affected
	return nil
}

// externally names a statement if one of its tables is an external catalog's.
func (c *session) externally(what string, tables ...syntax.QualifiedName) string {
	for _, q := range tables {
		if n, err := c.name(q); err == nil && n.catalog != catalog.Internal {
			return what + " of an external catalog"
		}
	}
	return ""
}
