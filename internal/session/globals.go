package session

import (
	"context"
	"maps"
	"sync"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
)

// globals are the variables that SET GLOBAL has set: new sessions begin with
// them, and they outlive the server.
type globals struct {
	mu   sync.Mutex
	conn *engine.Conn
	vars variables
}

const globalsTable = engine.Catalog + "." + catalog.Schema + ".global_variables"

// openGlobals reads them from the database.
func openGlobals(ctx context.Context, conn *engine.Conn) (*globals, error) {
	g := &globals{conn: conn, vars: variables{}}
	if _, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+globalsTable+" (name VARCHAR NOT NULL, value VARCHAR NOT NULL)"); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, "SELECT name, value FROM "+globalsTable)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return g, err
		}
		for i := range chunk.Rows {
			g.vars[chunk.Columns[0].Text(i)] = chunk.Columns[1].Text(i)
		}
	}
}

func (g *globals) get(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.vars.get(name)
}

func (g *globals) set(ctx context.Context, name, value string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.conn.InTx(ctx, func(conn *engine.Conn) error {
		if _, err := conn.Exec(ctx, "DELETE FROM "+globalsTable+" WHERE name = ?", name); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "INSERT INTO "+globalsTable+" VALUES (?, ?)", name, value)
		return err
	})
	if err == nil {
		g.vars[name] = value
	}
	return err
}

// all is what a new session begins with.
func (g *globals) all() variables {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.vars)
}
