package session

import (
	"context"
	"time"

	"lakeport/internal/lake"
)

// Redshift's and PostgreSQL's views of what the sessions do now, and of the
// tables of every kind (Redshift's Database Developer Guide, "System tables and
// views reference").

// activity is one session as these views show it.
type activity struct {
	id               int64
	user, db, remote string
	running          string // "" when idle
	since            string // when it began to run, or to be idle
	seconds          int64
}

func (s *Server) activities() []activity {
	var out []activity
	for _, o := range s.list() {
		o.mu.Lock()
		out = append(out, activity{int64(o.id), o.user, o.catalog, o.host, o.running, o.since.UTC().Format("2006-01-02 15:04:05.999999"), int64(time.Since(o.since).Seconds())})
		o.mu.Unlock()
	}
	return out
}

func fillStatActivity(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, a := range c.srv.activities() {
		state := "idle"
		if a.running != "" {
			state = "active"
		}
		r.add(c.srv.oids.of("database", a.db), a.db, a.id, oidRoot, a.user, "", a.remote, nil, a.since+"+00", state, a.running)
	}
	return nil
}

func fillSessions(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, a := range c.srv.activities() {
		r.add(nil, a.id, a.user, a.db, 0)
	}
	return nil
}

func fillRecents(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, a := range c.srv.activities() {
		if a.running != "" {
			r.add(oidRoot, "Running", a.since, a.seconds*1000000, a.user, a.db, a.running, a.id)
		}
	}
	return nil
}

func fillInflight(_ context.Context, c *session, _ wanted, r *relation) error {
	for _, a := range c.srv.activities() {
		if a.running != "" {
			r.add(oidRoot, 0, 0, "default", 0, a.id, a.since, a.running, 0)
		}
	}
	return nil
}

func fillAllTables(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, false, func(schema, table, kind string, _ *described) error {
		r.add(c.catalog, schema, table, nil, map[string]string{"r": "TABLE", "v": "VIEW"}[kind], nil)
		return nil
	})
}

func fillAllColumns(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		for i, col := range t.columns {
			var chars, precision, scale any
			switch col.Type.Kind {
			case lake.Varchar:
				if n := typeModifier(col); n > 4 {
					chars = n - 4
				}
			case lake.Decimal:
				precision, scale = int(col.Type.Width), int(col.Type.Scale)
			}
			r.add(c.catalog, schema, table, col.Name, i+1, value(col.def), yes(col.null), typeLong(col.Type), chars, precision, scale, nonEmpty(col.Comment))
		}
		return nil
	})
}

func fillRedshiftColumns(ctx context.Context, c *session, want wanted, r *relation) error {
	return c.eachRelation(ctx, want, true, func(schema, table, _ string, t *described) error {
		for i, col := range t.columns {
			r.add(c.catalog, schema, table, col.Name, i+1, typeLong(col.Type), value(col.def), yes(col.null), "none", false, 0, nil, nonEmpty(col.Comment))
		}
		return nil
	})
}

func fillRedshiftSchemas(ctx context.Context, c *session, _ wanted, r *relation) error {
	names, err := c.pgSchemas(ctx)
	for _, n := range names {
		r.add(c.catalog, n, oidRoot, "local", nil, nil)
	}
	return err
}
