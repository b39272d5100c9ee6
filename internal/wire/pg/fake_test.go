package pg

import (
	"context"
	"flag"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
	"lakeport/internal/wire"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

// backend is a wire.Handler whose sessions answer a few fixed texts from
// memory, so that the protocol can be tested without an engine.
type backend struct {
	verifier wire.Verifier
	started  chan struct{} // told when a statement waits
	ended    chan error    // and why it ended
}

func newBackend() *backend {
	return &backend{verifier: wire.Verifier{Empty: true}, started: make(chan struct{}, 1), ended: make(chan error, 1)}
}

func serve(t testing.TB, h wire.Handler, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(context.Background(), l, h, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return s
}

func (b *backend) Login(_ context.Context, l wire.Login) (wire.Session, error) {
	ok, err := l.Verify(b.verifier)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sqlerr.New(sqlerr.Denied, "password authentication failed for user \"%s\"", l.User).With(sqlerr.AccessDenied)
	}
	return &session{b: b}, nil
}

type session struct {
	b  *backend
	st wire.Status
}

func (s *session) Status() wire.Status {
	st := s.st
	st.Parameters = map[string]string{"server_version": "8.0.2", "TimeZone": "UTC", "client_encoding": "UTF8"}
	return st
}
func (s *session) Use(context.Context, string) error                      { return nil }
func (s *session) Columns(context.Context, string) ([]lake.Column, error) { return nil, nil }
func (s *session) Reset(context.Context) error                            { return nil }
func (s *session) Close() error                                           { return nil }

func (s *session) Exec(ctx context.Context, text string, w wire.ResultWriter) error {
	for one := range strings.SplitSeq(text, ";") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		if err := s.run(ctx, one, w); err != nil {
			return err
		}
	}
	return nil
}

var bigint, text = lake.Type{Kind: lake.BigInt}, lake.Type{Kind: lake.Varchar}

// run knows: rows N, words a b, set, begin, commit, warn, fail, wait, in, out.
func (s *session) run(ctx context.Context, stmt string, w wire.ResultWriter) error {
	word, rest, _ := strings.Cut(stmt, " ")
	switch word {
	case "rows":
		n, _ := strconv.Atoi(rest)
		return numbers(w, n)
	case "words":
		fields := strings.Fields(rest)
		data := make([]lake.String, len(fields))
		for i, f := range fields {
			data[i] = lake.MakeString([]byte(f))
		}
		return send(w, lake.Column{Name: "w", Type: text}, lake.Vector{Type: text, Data: data}, len(fields))
	case "begin", "commit":
		s.st.InTransaction = word == "begin"
	case "warn":
		if err := w.(wire.Notifier).Notice("Warning", rest); err != nil {
			return err
		}
	case "fail":
		return sqlerr.New(sqlerr.NotFound, "no %s", rest).With(sqlerr.BadTable).WithPos(stmt, 5).WithHint("give it")
	case "wait":
		s.b.started <- struct{}{}
		<-ctx.Done()
		s.b.ended <- context.Cause(ctx)
		return context.Cause(ctx)
	case "out":
		if err := w.(wire.Copier).CopyOut(wire.Copy{Format: wire.CopyFormat(rest)}); err != nil {
			return err
		}
		return numbers(w, 2)
	case "in":
		return copied(w, rest)
	}
	return w.Done(wire.Done{Tag: word})
}

// numbers sends 1 to n.
func numbers(w wire.ResultWriter, n int) error {
	if err := w.Columns([]lake.Column{{Name: "n", Type: bigint}}); err != nil {
		return err
	}
	for from := 0; from < n; from += 2048 {
		data := make([]int64, min(2048, n-from))
		for i := range data {
			data[i] = int64(from + i + 1)
		}
		if err := w.Chunk(&lake.Chunk{Rows: len(data), Columns: []lake.Vector{{Type: bigint, Data: data}}}); err != nil {
			return err
		}
	}
	return w.Done(wire.Done{Tag: "SELECT", Affected: int64(n)})
}

func send(w wire.ResultWriter, col lake.Column, v lake.Vector, n int) error {
	if err := w.Columns([]lake.Column{col}); err != nil {
		return err
	}
	if err := w.Chunk(&lake.Chunk{Rows: n, Columns: []lake.Vector{v}}); err != nil {
		return err
	}
	return w.Done(wire.Done{Tag: "SELECT", Affected: int64(n)})
}

// copied counts the rows that the client copies in.
func copied(w wire.ResultWriter, format string) error {
	rows, err := w.(wire.Copier).CopyIn(wire.Copy{Format: wire.CopyFormat(format)}, []lake.Column{{Name: "a", Type: bigint}, {Name: "b", Type: text}})
	if err != nil {
		return err
	}
	for n := int64(0); ; n++ {
		if _, err := rows.Next(); err == io.EOF {
			return w.Done(wire.Done{Tag: "COPY", Affected: n})
		} else if err != nil {
			return err
		}
	}
}

// statement runs its text with the arguments in the place of $1.
type statement struct {
	s    *session
	text string
}

func (s *session) Prepare(_ context.Context, text string) (wire.Statement, error) {
	if text == "" {
		return nil, nil
	}
	if strings.HasPrefix(text, "bad") {
		return nil, sqlerr.New(sqlerr.Syntax, "cannot prepare").WithPos(text, 4)
	}
	return &statement{s, text}, nil
}

func (p *statement) Params() int             { return strings.Count(p.text, "$") }
func (p *statement) ParamTypes() []lake.Type { return []lake.Type{bigint}[:p.Params()] }
func (p *statement) Close() error            { return nil }

func (p *statement) Columns() []lake.Column {
	switch {
	case strings.HasPrefix(p.text, "rows"):
		return []lake.Column{{Name: "n", Type: bigint}}
	case strings.HasPrefix(p.text, "words"):
		return []lake.Column{{Name: "w", Type: text}}
	}
	return nil
}

func (p *statement) Exec(ctx context.Context, args []any, w wire.ResultWriter) error {
	text := p.text
	for _, a := range args {
		value, _ := a.(string)
		text = strings.Replace(text, "$1", value, 1)
	}
	return p.s.run(ctx, text, w)
}
