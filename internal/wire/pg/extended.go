package pg

import (
	"context"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

// prepared is a statement that a client has parsed.
type prepared struct {
	st        wire.Statement // nil: the text was empty
	text      string
	oids      []uint32 // of the parameters
	described bool     // its columns have been told
}

// portal is a statement with its arguments.
type portal struct {
	stmt    *prepared
	args    []any
	formats []int16
	run     *wire.Portal // of a portal that was executed in part
	ended   bool         // it has been executed to its end
	cut     bool         // another statement has run since it was executed in part
}

// extended answers one message of the extended protocol. What fails in it
// takes back what its pipeline has done and leaves out all up to Sync.
func (c *conn) extended(text string, f func() error) error {
	if err := f(); err != nil {
		c.skip = true
		if undo := c.endPipeline(true); undo != nil {
			c.srv.o.Log.Warn("roll back a pipeline", "conn", c.id, "error", undo)
		}
		return c.writeError(err, "ERROR", text)
	}
	return nil
}

// sync ends a pipeline.
func (c *conn) sync() error {
	if !c.skip {
		if err := c.endPipeline(false); err != nil {
			if err := c.writeError(err, "ERROR", ""); err != nil {
				return err
			}
		}
	}
	c.skip = false
	return c.ready()
}

// endPipeline ends the transaction of statements that began none, with its
// portals.
func (c *conn) endPipeline(failed bool) error {
	if !c.sess.Status().InTransaction {
		c.closePortals()
	}
	s, pipelines := c.sess.(wire.Pipelining)
	if !pipelines {
		return nil
	}
	ctx, end := c.Begin()
	defer end()
	return s.EndPipeline(ctx, failed)
}

var (
	codeNoStatement   = sqlerr.Code{State: "26000"}
	codeNoPortal      = sqlerr.Code{State: "34000"}
	codeTwoStatements = sqlerr.Code{State: "42P05"}
	codeTwoPortals    = sqlerr.Code{State: "42P03"}
)

func (c *conn) parse(m *pgproto3.Parse) error {
	if _, taken := c.stmts[m.Name]; taken && m.Name != "" {
		return sqlerr.New(sqlerr.Exists, "prepared statement %q already exists", m.Name).With(codeTwoStatements)
	}
	c.dropStatement(m.Name)
	c.cutPortals(nil)
	p := &prepared{text: m.Query}
	types := make([]lake.Type, len(m.ParameterOIDs))
	for i, oid := range m.ParameterOIDs {
		t, known := declared[oid]
		if !known {
			return sqlerr.New(sqlerr.Unsupported, "parameter $%d has a type that is not known: OID %d", i+1, oid)
		}
		types[i] = t
	}
	ctx, end := c.Begin()
	defer end()
	st, err := c.prepare(ctx, m.Query, types)
	if err != nil {
		return reason(ctx, err)
	}
	if p.st = st; st != nil {
		p.oids = parameterOIDs(st, m.ParameterOIDs)
	}
	c.stmts[m.Name] = p
	return c.out.add(&pgproto3.ParseComplete{})
}

func (c *conn) prepare(ctx context.Context, text string, types []lake.Type) (wire.Statement, error) {
	if s, typed := c.sess.(wire.TypedSession); typed {
		return s.PrepareTyped(ctx, text, types)
	}
	return c.sess.Prepare(ctx, text)
}

// parameterOIDs gives the types that the client gave, and where it gave none
// those that the statement has found.
func parameterOIDs(st wire.Statement, given []uint32) []uint32 {
	oids := make([]uint32, st.Params())
	var found []lake.Type
	if t, typed := st.(wire.TypedStatement); typed {
		found = t.ParamTypes()
	}
	for i := range oids {
		oids[i] = typeText.oid
		if i < len(found) && found[i].Kind != lake.Invalid {
			oids[i] = typeOf(found[i]).oid
		}
		if i < len(given) && given[i] != 0 && given[i] != oidUnknown {
			oids[i] = given[i]
		}
	}
	return oids
}

func (c *conn) bind(m *pgproto3.Bind) error {
	p, found := c.stmts[m.PreparedStatement]
	if !found {
		return sqlerr.New(sqlerr.NotFound, "prepared statement %q does not exist", m.PreparedStatement).With(codeNoStatement)
	}
	if _, taken := c.portals[m.DestinationPortal]; taken && m.DestinationPortal != "" {
		return sqlerr.New(sqlerr.Exists, "portal %q already exists", m.DestinationPortal).With(codeTwoPortals)
	}
	c.closePortal(m.DestinationPortal)
	args, err := arguments(p.oids, m)
	if err != nil {
		return err
	}
	c.portals[m.DestinationPortal] = &portal{stmt: p, args: args, formats: append([]int16(nil), m.ResultFormatCodes...)}
	return c.out.add(&pgproto3.BindComplete{})
}

func (c *conn) describe(m *pgproto3.Describe) error {
	if m.ObjectType == 'P' {
		if p, found := c.portals[m.Name]; found {
			return c.describeColumns(p.stmt, p.formats)
		}
		// A cursor that DECLARE made is a portal too.
		if s, has := c.sess.(wire.Cursors); has {
			if cols := s.CursorColumns(m.Name); cols != nil {
				return c.out.add(describeRows(cols, make([]bool, len(cols))))
			}
		}
		return sqlerr.New(sqlerr.NotFound, "portal %q does not exist", m.Name).With(codeNoPortal)
	}
	p, found := c.stmts[m.Name]
	if !found {
		return sqlerr.New(sqlerr.NotFound, "prepared statement %q does not exist", m.Name).With(codeNoStatement)
	}
	if err := c.out.add(&pgproto3.ParameterDescription{ParameterOIDs: p.oids}); err != nil {
		return err
	}
	return c.describeColumns(p, nil)
}

func (c *conn) describeColumns(p *prepared, formats []int16) error {
	p.described = true
	if p.st == nil || p.st.Columns() == nil {
		return c.out.add(&pgproto3.NoData{})
	}
	cols := p.st.Columns()
	binary, err := formatsOf(formats, len(cols))
	if err != nil {
		return err
	}
	return c.out.add(describeRows(cols, binary))
}

// execute runs a portal: to its end, or for a number of rows.
func (c *conn) execute(m *pgproto3.Execute) error {
	text := ""
	if p, found := c.portals[m.Portal]; found {
		text = p.stmt.text
	}
	return c.extended(text, func() error {
		p, found := c.portals[m.Portal]
		switch {
		case !found:
			return sqlerr.New(sqlerr.NotFound, "portal %q does not exist", m.Portal).With(codeNoPortal)
		case p.stmt.st == nil:
			return c.out.add(&pgproto3.EmptyQueryResponse{})
		case p.cut:
			return sqlerr.New(sqlerr.Unsupported, "the rows of portal %q ended when another statement of the connection ran", m.Portal).With(codeNoPortal).
				WithHint("fetch all rows first, or DECLARE a cursor")
		case p.ended:
			return sqlerr.New(sqlerr.Invalid, "portal %q cannot be run", m.Portal).With(sqlerr.Code{State: "55000"})
		case p.run != nil || m.MaxRows > 0 && p.stmt.st.Columns() != nil:
			return c.fetch(p, int(m.MaxRows))
		}
		c.cutPortals(nil)
		ctx, end := c.Begin()
		defer end()
		p.ended = true
		return reason(ctx, p.stmt.st.Exec(ctx, p.args, &results{c: c, ctx: ctx, stmt: p.stmt, formats: p.formats}))
	})
}

func (c *conn) closeNamed(m *pgproto3.Close) error {
	if m.ObjectType == 'P' {
		c.closePortal(m.Name)
	} else {
		c.dropStatement(m.Name)
	}
	return c.out.add(&pgproto3.CloseComplete{})
}

func (c *conn) dropStatement(name string) {
	p, found := c.stmts[name]
	if !found {
		return
	}
	for at, q := range c.portals {
		if q.stmt == p {
			c.closePortal(at)
		}
	}
	delete(c.stmts, name)
	if p.st == nil {
		return
	}
	if err := p.st.Close(); err != nil {
		c.srv.o.Log.Warn("close a statement", "conn", c.id, "error", err)
	}
}

func (c *conn) closePortal(name string) {
	if p, found := c.portals[name]; found {
		p.close()
		delete(c.portals, name)
	}
}

// cutPortals ends what portals but one have begun to give: rows of a
// transaction are read through its connection, which the next statement takes.
func (c *conn) cutPortals(but *portal) {
	for _, p := range c.portals {
		if p != but && p.run != nil {
			p.close()
			p.cut = true
		}
	}
}

// closePortals ends all portals, as the end of a transaction does.
func (c *conn) closePortals() {
	for name := range c.portals {
		c.closePortal(name)
	}
}
