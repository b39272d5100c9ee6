package engine

import (
	"context"
	"fmt"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Planner reads queries without running them: it parses them for Inspect and
// plans them over empty tables for Needs. It is an instance of its own, in
// memory, whose catalog holds nothing of the user's. Its methods may be called
// from any goroutine.
type Planner struct {
	db     *DB
	idle   chan *desk
	asking asking
}

// desk is one connection of a planner.
type desk struct {
	conn  *Conn
	parse *Stmt
}

// idleDesks is how many connections a planner keeps.
const idleDesks = 8

// NewPlanner opens a planner's instance and runs setup in it, as
// Options.Setup says. Every DB has a planner of its own.
func NewPlanner(setup ...string) (*Planner, error) {
	db := &DB{translate: func(s string) string { return s }}
	// Statistics and emptiness of the stubs must not fold a query away, and a
	// table must be scanned once, with all its columns.
	first := []string{"SET GLOBAL disabled_optimizers = 'statistics_propagation,empty_result_pullup,late_materialization'"}
	o := Options{Threads: 1, Memory: "256MB", Setup: setup}
	p := &Planner{db: db, idle: make(chan *desk, idleDesks), asking: asking{open: map[duckdb.IdxT]told{}}}
	if err := db.start(append(first, o.settings()...), p.asking.addOperands); err != nil {
		db.Close()
		return nil, fmt.Errorf("open planner: %w", err)
	}
	return p, nil
}

// Close frees the instance. No call may be under way.
func (p *Planner) Close() {
	close(p.idle)
	for d := range p.idle {
		d.close()
	}
	p.db.Close()
}

// with lends f a connection.
func (p *Planner) with(f func(*desk) error) error {
	var d *desk
	select {
	case d = <-p.idle:
	default:
		var err error
		if d, err = p.newDesk(); err != nil {
			return err
		}
	}
	defer func() {
		select {
		case p.idle <- d:
		default:
			d.close()
		}
	}()
	return f(d)
}

func (p *Planner) newDesk() (*desk, error) {
	c, err := p.db.Connect()
	if err != nil {
		return nil, err
	}
	s, err := c.Prepare(context.Background(), "SELECT json_serialize_sql(?::VARCHAR)::VARCHAR")
	if err != nil {
		c.Close()
		return nil, err
	}
	return &desk{conn: c, parse: s}, nil
}

func (d *desk) close() {
	d.parse.Close()
	d.conn.Close()
}

// over runs f while there are stubs.
func (d *desk) over(stubs []Stub, f func() error) error {
	if err := d.conn.run("BEGIN TRANSACTION"); err != nil {
		return err
	}
	defer d.conn.run("ROLLBACK") // takes the stubs away
	for _, s := range stubs {
		if err := d.conn.run(s.create()); err != nil {
			return fmt.Errorf("make stub %s: %w", s.Name, err)
		}
	}
	return f()
}

// text runs a statement whose answer is the last column of one row and returns
// a copy of it.
func text(ctx context.Context, rows *Rows, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	chunk, err := rows.Next(ctx)
	if err != nil {
		return nil, err
	}
	if chunk == nil {
		return nil, sqlerr.New(sqlerr.Internal, "read DuckDB's answer: it has no row")
	}
	last := &chunk.Columns[len(chunk.Columns)-1]
	return append([]byte(nil), stringsOf(last)[0].Bytes()...), nil
}

// Describe gives the types of a query's parameters, Invalid where it leaves
// them open, and its columns, nil if open parameters decide them. Every table
// that query names must be a stub.
func (p *Planner) Describe(ctx context.Context, query string, stubs []Stub) (params []lake.Type, columns []lake.Column, err error) {
	err = p.with(func(d *desk) error {
		return d.over(stubs, func() error {
			st, err := d.conn.Prepare(ctx, query)
			if err != nil {
				return err
			}
			defer st.Close()
			params, columns = st.Params(), st.Columns()
			return nil
		})
	})
	return params, columns, err
}
