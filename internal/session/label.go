package session

import (
	"context"
	"crypto/rand"
	"regexp"
	"strings"

	"lakeport/internal/catalog"
	"lakeport/internal/engine"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

// A label names a load once and for all: it is recorded in the transaction
// that inserts its rows, and a second statement of the label in the same
// database is refused, so that a client that lost the answer may repeat it.
const labels = engine.Catalog + "." + catalog.Schema + ".insert_labels"

// openLabels makes the table of labels.
func openLabels(ctx context.Context, conn *engine.Conn) error {
	_, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+labels+" (db VARCHAR NOT NULL, label VARCHAR NOT NULL, finished TIMESTAMPTZ NOT NULL)")
	return err
}

// labelForm is what a label may look like (starrocks.io, "INSERT").
var labelForm = regexp.MustCompile(`^[-\w]{1,128}$`)

// labelled gives the label of a statement, one of its own if it names none,
// and keeps others from using it until release or, in an open transaction, its
// end.
func (c *session) labelled(db string, label *syntax.Ident, text string) (name string, release func(), err error) {
	if label == nil {
		return "insert_" + strings.ToLower(rand.Text()[:16]), func() {}, nil
	}
	if !labelForm.MatchString(label.Name) {
		return "", nil, sqlerr.New(sqlerr.Invalid, "Incorrect label name '%s'", label.Name).With(sqlerr.Code{MySQL: 5082, State: "42000"}).
			WithHint("a label has up to 128 letters, digits, - and _").WithPos(text, int(label.Pos))
	}
	key := [2]string{db, label.Name}
	if _, taken := c.srv.labels.LoadOrStore(key, c); taken {
		return "", nil, labelUsed(label, text)
	}
	free := func() { c.srv.labels.Delete(key) }
	if !c.open {
		return label.Name, free, nil
	}
	c.held = append(c.held, free)
	return label.Name, func() {}, nil
}

func labelUsed(label *syntax.Ident, text string) error {
	return sqlerr.New(sqlerr.Exists, "Label [%s] has already been used.", label.Name).With(sqlerr.Code{MySQL: 1064, State: "HY000"}).WithPos(text, int(label.Pos))
}

// record writes the label within the statement's transaction.
func (c *session) record(ctx context.Context, db string, label *syntax.Ident, text string) error {
	if label == nil {
		return nil
	}
	// The open transaction may be older than another's use of the label.
	now, err := c.srv.DB.Connect()
	if err != nil {
		return err
	}
	defer now.Close()
	used, err := exists(ctx, now, "SELECT 1 FROM "+labels+" WHERE db = ? AND label = ?", db, label.Name)
	if err != nil {
		return err
	}
	if used {
		return labelUsed(label, text)
	}
	_, err = c.conn.Exec(ctx, "INSERT INTO "+labels+" VALUES (?, ?, now())", db, label.Name)
	return err
}

// labelTransaction gives the transaction that has just begun a label of the
// current database.
func (c *session) labelTransaction(ctx context.Context, label *syntax.Ident, text string) error {
	if _, _, err := c.labelled(c.database, label, text); err != nil {
		return err
	}
	return c.record(ctx, c.database, label, text)
}

// freeLabels lets go of the labels of a transaction that has ended.
func (c *session) freeLabels() {
	for _, free := range c.held {
		free()
	}
	c.held = nil
}
