package pg

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5/pgproto3"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

// fetch sends up to n rows of a portal, all that are left if n is 0. Its last
// answer tells whether the portal may be executed again.
func (c *conn) fetch(p *portal, n int) error {
	c.cutPortals(p)
	if p.run == nil {
		p.run = wire.OpenPortal(c.Life, func(ctx context.Context, w wire.ResultWriter) error {
			return p.stmt.st.Exec(ctx, p.args, &portalRows{Portal: w.(*wire.Portal), stmt: p.stmt})
		}, c.fault)
	}
	limit := n
	if n == 0 {
		limit = math.MaxInt
	}
	sent, err := p.run.Fetch(limit, func(cols []lake.Column, rows *lake.Chunk, from, to int) error {
		binary, err := formatsOf(p.formats, len(cols))
		if err != nil {
			return err
		}
		return c.writeRows(rows, binary, from, to)
	})
	if err != nil {
		err = reason(p.run.Context(), err)
		p.close()
		p.ended = true
		return err
	}
	if sent == limit {
		return c.out.add(&pgproto3.PortalSuspended{})
	}
	end := p.run.Ended()
	p.close()
	p.ended = true
	end.Affected = int64(sent)
	return c.out.add(&pgproto3.CommandComplete{CommandTag: tag(end)})
}

// close stops what runs of the portal and waits until it has returned.
func (p *portal) close() {
	if p.run == nil {
		return
	}
	p.run.Close()
	p.run = nil
}

// portalRows takes the rows of a portal whose columns may have been told.
type portalRows struct {
	*wire.Portal
	stmt *prepared
}

// Columns implements wire.ResultWriter.
func (p *portalRows) Columns(cols []lake.Column) error {
	if err := p.Portal.Columns(cols); err != nil {
		return err
	}
	return p.stmt.unchanged(cols)
}
