package session

import (
	"context"
	"crypto/rand"
	"regexp"
	"strings"

	"lakeport/internal/job"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// labelForm is what a label may look like (starrocks.io, "INSERT", "LOAD LABEL").
var labelForm = regexp.MustCompile(`^[-\w]{1,128}$`)

func badLabel(label syntax.Ident, text string) error {
	return sqlerr.New(sqlerr.Invalid, "Incorrect label name '%s'", label.Name).With(sqlerr.Code{MySQL: 5082, State: "42000"}).
		WithHint("a label has up to 128 letters, digits, - and _").WithPos(text, int(label.Pos))
}

// inserting is the label of a statement that inserts. A label names a load once
// and for all: its record commits with the rows, and a second statement of the
// label in the same database is refused, so that a client that lost the answer
// may repeat it.
type inserting struct {
	name string
	held *job.Reservation // nil: the statement named none
}

// labelled gives the label of a statement, one of its own if it names none,
// and keeps others from using it until release or, in an open transaction, its
// end.
func (c *session) labelled(ctx context.Context, db string, label *syntax.Ident, text string) (l inserting, release func(), err error) {
	if label == nil {
		return inserting{name: "insert_" + strings.ToLower(rand.Text()[:16])}, func() {}, nil
	}
	if !labelForm.MatchString(label.Name) {
		return l, nil, badLabel(*label, text)
	}
	held, err := c.srv.jobs.Reserve(ctx, db, label.Name)
	if err != nil {
		return l, nil, err
	}
	held.Kind, held.User = "INSERT", c.user
	release = held.Release
	if c.open {
		c.held = append(c.held, release)
		release = func() {}
	}
	return inserting{label.Name, held}, release, nil
}

// record writes the label within the statement's transaction.
func (c *session) record(ctx context.Context, l inserting, rows int64) error {
	if l.held == nil {
		return nil
	}
	l.held.Progress.Scanned, l.held.Progress.Loaded = rows, rows
	return l.held.Finish(ctx, c.conn)
}

// labelTransaction gives the transaction that has just begun a label of the
// current database.
func (c *session) labelTransaction(ctx context.Context, label *syntax.Ident, text string) error {
	l, _, err := c.labelled(ctx, c.database, label, text)
	if err != nil {
		return err
	}
	return c.record(ctx, l, 0)
}

// freeLabels lets go of the labels of a transaction that has ended.
func (c *session) freeLabels() {
	for _, free := range c.held {
		free()
	}
	c.held = nil
}
