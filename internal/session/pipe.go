package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/pipe"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// createPipe answers CREATE PIPE .. FROM a database: the source is asked for
// its tables as the pipe will read them, the targets are made, and the pipe
// starts. What fails on the way leaves no table behind.
func (c *session) createPipe(ctx context.Context, st *syntax.CreatePipe, text string, w wire.ResultWriter) error {
	if c.srv.pipes.Has(st.Name.Name) {
		if st.IfNotExists {
			return ok(w, "CREATE PIPE")
		}
		return sqlerr.New(sqlerr.Exists, "pipe %s exists already", st.Name.Name).WithPos(text, int(st.Name.Pos))
	}
	d, err := pipe.Define(st, c.database, text)
	if err != nil {
		return err
	}
	if err := c.srv.pipes.Inspect(ctx, d); err != nil {
		return err
	}
	var made []string
	for i := range d.Tables {
		t := &d.Tables[i]
		create := t.CreateStatement()
		parsed, err := syntax.Parse(create)
		if err == nil {
			err = c.createTable(ctx, parsed.(*syntax.CreateTable), create, discard{})
		}
		if err != nil {
			return errors.Join(fmt.Errorf("make the table of %s: %w", t.Source(), placeless(err)), c.unmake(ctx, made))
		}
		made = append(made, "DROP TABLE "+backquotedName(t.Database, t.Target))
	}
	if err := c.srv.pipes.Create(ctx, d); err != nil {
		return errors.Join(err, c.unmake(ctx, made))
	}
	return ok(w, "CREATE PIPE")
}

func backquotedName(db, table string) string {
	return syntax.Ident{Name: db}.String() + "." + syntax.Ident{Name: table}.String()
}

// unmake drops the tables of a pipe that came to nothing.
func (c *session) unmake(ctx context.Context, drops []string) error {
	var errs []error
	for _, text := range drops {
		parsed, err := syntax.Parse(text)
		if err == nil {
			err = c.dropTable(context.WithoutCancel(ctx), parsed.(*syntax.DropTable), text, discard{})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// discard is the client of a statement that lakeport gives itself.
type discard struct{}

func (discard) Columns([]lake.Column) error { return nil }
func (discard) Chunk(*lake.Chunk) error     { return nil }
func (discard) Done(wire.Done) error        { return nil }

func (c *session) dropPipe(ctx context.Context, st *syntax.DropPipe, w wire.ResultWriter) error {
	warning, err := c.srv.pipes.Drop(ctx, st.Name.Name)
	if err != nil && !(st.IfExists && sqlerr.Is(err, sqlerr.NotFound)) {
		return err
	}
	if warning != "" {
		c.warn("Warning", warning, 1064)
	}
	return w.Done(wire.Done{Tag: "DROP PIPE", Warnings: len(c.warnings)})
}

func (c *session) pausePipe(ctx context.Context, st *syntax.PausePipe, w wire.ResultWriter) error {
	if st.Resume {
		if err := c.srv.pipes.Resume(ctx, st.Name.Name); err != nil {
			return err
		}
		return ok(w, "RESUME PIPE")
	}
	if err := c.srv.pipes.Pause(ctx, st.Name.Name); err != nil {
		return err
	}
	return ok(w, "PAUSE PIPE")
}

// showPipes tells how far each pipe is.
func (c *session) showPipes(ctx context.Context, st *syntax.ShowPipes, text string, w wire.ResultWriter) error {
	r := relation{columns: columns("Name", "Source", "Mode", "State", "Tables#", "Loaded#", "Rows#", "Position", "CreatedTime", "Message")}
	for _, p := range c.srv.pipes.List() {
		rows := int64(0)
		for _, n := range p.Loaded {
			rows += n.Rows
		}
		var position, message any
		if p.Position != "" {
			position = p.Position
		}
		if p.Message != "" {
			message = p.Message
		}
		r.add(p.Name, p.Kind, string(p.Mode), string(p.State), int64(len(p.Tables)), int64(len(p.Loaded)), rows, position, p.Created.Format(time.DateTime), message)
	}
	return c.answer(ctx, r, "Name", st.Filter, text, w)
}

// showCreatePipe tells the statement that made a pipe, with every setting.
func (c *session) showCreatePipe(ctx context.Context, st *syntax.ShowCreatePipe, text string, w wire.ResultWriter) error {
	list := c.srv.pipes.List()
	i := slices.IndexFunc(list, func(p pipe.Record) bool { return p.Name == st.Name.Name })
	if i < 0 {
		return sqlerr.New(sqlerr.NotFound, "there is no pipe %s", st.Name.Name).WithPos(text, int(st.Name.Pos))
	}
	r := relation{columns: columns("Pipe", "Create Pipe")}
	r.add(list[i].Name, list[i].Statement())
	return c.answer(ctx, r, "Pipe", syntax.Filter{}, text, w)
}

// alterTarget runs an ALTER TABLE of a pipe in a session of its own.
func (s *Server) alterTarget(ctx context.Context, text string) error {
	parsed, err := syntax.Parse(text)
	if err != nil {
		return err
	}
	conn, err := s.DB.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &session{srv: s, conn: conn}
	if err := c.Reset(ctx); err != nil {
		return err
	}
	return c.alterTable(ctx, parsed.(*syntax.AlterTable), text, discard{})
}
