package session

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
	"lakeport/internal/wire"
)

// statement with parameters: its text, cut at each question mark. Running it
// writes the arguments as literals between the pieces and goes the ordinary
// way, so that pruning sees constants.
type prepared struct {
	c      *session
	pieces []string
}

// Prepare implements wire.Session.
func (c *session) Prepare(_ context.Context, text string) (wire.Statement, error) {
	spans := syntax.Split(text, syntax.StarRocks)
	if len(spans) != 1 {
		return nil, sqlerr.New(sqlerr.Syntax, "expected one statement to prepare, found %d", len(spans))
	}
	text = text[spans[0].Pos:spans[0].End]
	if _, err := syntax.Parse(text); err != nil {
		return nil, err
	}
	return c.cut(text)
}

func (c *session) cut(text string) (*prepared, error) {
	tokens, err := syntax.Scan(text, syntax.StarRocks)
	if err != nil {
		return nil, err
	}
	p := &prepared{c: c}
	from := 0
	for _, t := range tokens {
		if t.Kind == syntax.Param {
			p.pieces = append(p.pieces, text[from:t.Pos])
			from = t.End
		}
	}
	p.pieces = append(p.pieces, text[from:])
	return p, nil
}

// Params implements wire.Statement.
func (p *prepared) Params() int { return len(p.pieces) - 1 }

// Columns implements wire.Statement: they are known when it runs.
func (p *prepared) Columns() []lake.Column { return nil }

// Close implements wire.Statement.
func (p *prepared) Close() error { return nil }

// Exec implements wire.Statement.
func (p *prepared) Exec(ctx context.Context, args []any, w wire.ResultWriter) error {
	if len(args) != p.Params() {
		return sqlerr.New(sqlerr.Invalid, "the statement has %d parameters, %d values were given", p.Params(), len(args))
	}
	var b strings.Builder
	b.WriteString(p.pieces[0])
	for i, a := range args {
		b.WriteString(literal(a) + p.pieces[i+1])
	}
	return p.c.statement(ctx, b.String(), w)
}

// literal spells an argument in StarRocks' syntax.
func literal(a any) string {
	switch a := a.(type) {
	case nil:
		return "NULL"
	case bool:
		return strconv.FormatBool(a)
	case int64:
		return strconv.FormatInt(a, 10)
	case uint64:
		return strconv.FormatUint(a, 10)
	case float64:
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return "NULL"
		}
		return strconv.FormatFloat(a, 'e', -1, 64)
	case []byte:
		return "x'" + hex.EncodeToString(a) + "'"
	case time.Time:
		return "'" + a.Format("2006-01-02 15:04:05.999999") + "'"
	case number:
		return string(a)
	case string:
		return syntax.Quote(a)
	}
	return "NULL"
}

// textPrepared answers PREPARE, EXECUTE and DEALLOCATE.
func (c *session) textPrepared(ctx context.Context, st syntax.Statement, text string, w wire.ResultWriter) error {
	switch st := st.(type) {
	case *syntax.Prepare:
		body := st.From.Text
		if name, isVar := strings.CutPrefix(body, "@"); isVar && !st.Text {
			body = fmt.Sprint(c.users[strings.ToLower(name)])
		}
		if _, err := syntax.Parse(body); err != nil {
			return err
		}
		c.prepared[strings.ToLower(st.Name.Name)] = body
		return ok(w, "PREPARE")
	case *syntax.Execute:
		body, found := c.prepared[strings.ToLower(st.Name.Name)]
		if !found {
			return unknownPrepared(st.Name, text)
		}
		p, err := c.cut(body)
		if err != nil {
			return err
		}
		args := make([]any, len(st.Using))
		for i, u := range st.Using {
			args[i] = c.users[strings.ToLower(u.Name)]
		}
		return p.Exec(ctx, args, w)
	case *syntax.Deallocate:
		name := strings.ToLower(st.Name.Name)
		if _, found := c.prepared[name]; !found {
			return unknownPrepared(st.Name, text)
		}
		delete(c.prepared, name)
	}
	return ok(w, "DEALLOCATE")
}

func unknownPrepared(name syntax.Ident, text string) error {
	return sqlerr.New(sqlerr.NotFound, "Unknown prepared statement handler (%s) given to EXECUTE", name.Name).
		With(sqlerr.Code{MySQL: 1243, State: "HY000"}).WithPos(text, int(name.Pos))
}
