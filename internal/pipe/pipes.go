package pipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lakeport/internal/awsauth"
	"lakeport/internal/engine"
	"lakeport/internal/lake"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// State is where a pipe stands. A pipe is made in Setup; it moves itself to
// Snapshot, Running, Completed and Failed, PAUSE and RESUME to Paused and back.
type State string

// The states.
const (
	Setup     State = "SETUP"     // made, not yet started
	Snapshot  State = "SNAPSHOT"  // loads its tables
	Running   State = "RUNNING"   // follows the changes
	Paused    State = "PAUSED"    // stands still until RESUME
	Completed State = "COMPLETED" // has loaded all that it was made for
	Failed    State = "FAILED"    // has met what does not pass by itself; RESUME tries again
)

// Options are what Pipes stand on.
type Options struct {
	DB       *engine.DB
	Box      *secret.Box
	Resolver *awsauth.Resolver
	// Alter runs an ALTER TABLE on a target, in StarRocks' words.
	Alter func(ctx context.Context, statement string) error
	Log   *slog.Logger
}

// Pipes are the pipes of a server.
type Pipes struct {
	o    Options
	work sync.WaitGroup

	store sync.Mutex // guards conn
	conn  *engine.Conn

	mu      sync.Mutex
	pipes   map[string]*pipe
	started bool
}

// pipe is one of them; its fields are guarded by Pipes.mu.
type pipe struct {
	Record
	cancel  context.CancelCauseFunc // nil unless it runs
	ended   chan struct{}
	dropped bool // on its way out
}

// Record is a pipe as it is stored, sealed, and as it now stands.
type Record struct {
	Definition
	State    State
	Message  string // of the last failure
	Position string // of the changes that are in the tables; "" before the load began
	Cut      bool   // Position is where the load began
	Created  time.Time
	// Loaded is the source tables that are loaded. Each has a row of its own in
	// the database, so that tables load side by side.
	Loaded map[string]Loaded `json:"-"`
}

// Loaded is the initial load of a table.
type Loaded struct {
	Rows int64
	From string // the place among the changes that it saw; "" where it is the pipe's
}

var (
	errPaused  = errors.New("the pipe is paused")
	errStopped = errors.New("the server stops")
	errDropped = errors.New("the pipe is dropped")
)

const (
	schema = engine.Catalog + "._lakeport"
	table  = schema + ".pipes"
	loads  = schema + ".pipe_loads"
)

// Open reads the pipes that the database holds. None runs before Start.
func Open(ctx context.Context, o Options) (*Pipes, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := o.DB.Connect()
	if err != nil {
		return nil, err
	}
	p := &Pipes{o: o, conn: conn, pipes: map[string]*pipe{}}
	if err := p.load(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the pipes: %w", err)
	}
	return p, nil
}

func (p *Pipes) load(ctx context.Context) error {
	for _, text := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + schema,
		"CREATE TABLE IF NOT EXISTS " + table + " (name VARCHAR NOT NULL, record BLOB NOT NULL)",
		"CREATE TABLE IF NOT EXISTS " + loads + " (pipe VARCHAR NOT NULL, source VARCHAR NOT NULL, loaded BIGINT NOT NULL, place VARCHAR)",
		"ALTER TABLE " + loads + " ADD COLUMN IF NOT EXISTS place VARCHAR",
	} {
		if _, err := p.conn.Exec(ctx, text); err != nil {
			return err
		}
	}
	err := p.each(ctx, "SELECT name, record FROM "+table, func(chunk *lake.Chunk) error {
		for i := range chunk.Rows {
			name := chunk.Columns[0].Text(i)
			plain, err := p.o.Box.Unseal(chunk.Columns[1].Strings()[i].Bytes(), place(name))
			if err != nil {
				return fmt.Errorf("unseal pipe %s: %w", name, err)
			}
			one := &pipe{Record: Record{Loaded: map[string]Loaded{}}}
			if err := json.Unmarshal(plain, &one.Record); err != nil {
				return fmt.Errorf("read pipe %s: %w", name, err)
			}
			p.pipes[name] = one
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.each(ctx, "SELECT pipe, source, loaded, coalesce(place, '') FROM "+loads, func(chunk *lake.Chunk) error {
		for i := range chunk.Rows {
			if one := p.pipes[chunk.Columns[0].Text(i)]; one != nil {
				one.Loaded[chunk.Columns[1].Text(i)] = Loaded{chunk.Columns[2].Data.([]int64)[i], chunk.Columns[3].Text(i)}
			}
		}
		return nil
	})
}

// each runs a query of the records.
func (p *Pipes) each(ctx context.Context, query string, f func(*lake.Chunk) error) error {
	rows, err := p.conn.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		chunk, err := rows.Next(ctx)
		if err != nil || chunk == nil {
			return err
		}
		if err := f(chunk); err != nil {
			return err
		}
	}
}

// place binds a sealed record to its row.
func place(name string) string { return "pipe/" + name }

// put stores a record in the transaction of c.
func (p *Pipes) put(ctx context.Context, c *engine.Conn, r *Record) error {
	plain, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sealed := p.o.Box.Seal(plain, place(r.Name))
	n, err := c.Exec(ctx, "UPDATE "+table+" SET record = ? WHERE name = ?", sealed, r.Name)
	if err == nil && n == 0 {
		err = sqlerr.New(sqlerr.NotFound, "pipe %s is gone", r.Name)
	}
	return err
}

// Start runs the pipes that a restart found, and lets others run.
func (p *Pipes) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = true
	for _, one := range p.pipes {
		if one.State == Setup || one.State == Snapshot || one.State == Running {
			p.run(one)
		}
	}
}

// Close stops the pipes where they stand; they go on after a restart.
func (p *Pipes) Close() {
	p.mu.Lock()
	for _, one := range p.pipes {
		if one.cancel != nil {
			one.cancel(errStopped)
		}
	}
	p.mu.Unlock()
	p.work.Wait()
	p.conn.Close()
}

// List gives the pipes by name.
func (p *Pipes) List() []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Record
	for _, one := range p.pipes {
		r := one.Record
		r.Loaded = maps.Clone(one.Loaded)
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Has tells whether there is a pipe of the name.
func (p *Pipes) Has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pipes[name] != nil
}

// Inspect connects to the source as the pipe will, finds out the columns of its
// tables, and refuses what the pipe could not do.
func (p *Pipes) Inspect(ctx context.Context, d *Definition) error {
	s := p.source(d)
	defer s.close()
	if d.Mode != Load {
		if err := s.follows(ctx); err != nil {
			return err
		}
	}
	for i := range d.Tables {
		if err := s.describe(ctx, &d.Tables[i], d.Mode != Load); err != nil {
			return err
		}
		if t := &d.Tables[i]; d.Mode != Load && len(t.Key) == 0 {
			return sqlerr.New(sqlerr.Invalid, "%s has no primary key, by which its changes could be applied", t.Source()).WithHint("name one: %s KEY (…), or load it only: MODE INITIAL_LOAD", t.Name)
		}
	}
	return nil
}

// Create stores a pipe that Inspect has completed and whose targets are there.
// From then on it runs, also after a restart.
func (p *Pipes) Create(ctx context.Context, d *Definition) error {
	one := &pipe{Record: Record{Definition: *d, State: Setup, Created: time.Now().UTC(), Loaded: map[string]Loaded{}}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pipes[d.Name] != nil {
		return exists(d.Name)
	}
	plain, err := json.Marshal(one.Record)
	if err != nil {
		return err
	}
	p.store.Lock()
	_, err = p.conn.Exec(ctx, "INSERT INTO "+table+" VALUES (?, ?)", d.Name, p.o.Box.Seal(plain, place(d.Name)))
	p.store.Unlock()
	if err != nil {
		return fmt.Errorf("store pipe %s: %w", d.Name, err)
	}
	p.pipes[d.Name] = one
	p.run(one)
	return nil
}

func exists(name string) error { return sqlerr.New(sqlerr.Exists, "pipe %s exists already", name) }

// halt stops a pipe and waits for its end. p.mu is held, and let go meanwhile.
func (p *Pipes) halt(one *pipe, why error) {
	if one.cancel == nil {
		return
	}
	one.cancel(why)
	ended := one.ended
	p.mu.Unlock()
	<-ended
	p.mu.Lock()
}

func (p *Pipes) find(name string) (*pipe, error) {
	if one := p.pipes[name]; one != nil && !one.dropped {
		return one, nil
	}
	return nil, sqlerr.New(sqlerr.NotFound, "there is no pipe %s", name)
}

// Pause stops a pipe; what it has carried stays.
func (p *Pipes) Pause(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, err := p.find(name)
	if err != nil {
		return err
	}
	p.halt(one, errPaused)
	if one.State == Completed {
		return sqlerr.New(sqlerr.Invalid, "pipe %s is %s: there is nothing to pause", name, one.State)
	}
	return p.move(ctx, one, Paused, "")
}

// Resume lets a paused or failed pipe go on from where it stood.
func (p *Pipes) Resume(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, err := p.find(name)
	if err != nil {
		return err
	}
	if one.State != Paused && one.State != Failed {
		return sqlerr.New(sqlerr.Invalid, "pipe %s is %s: only a paused or failed one can be resumed", name, one.State)
	}
	if err := p.move(ctx, one, Setup, ""); err != nil {
		return err
	}
	p.run(one)
	return nil
}

// releaser is a source that keeps something for a pipe, which it is to let go.
type releaser interface {
	release(ctx context.Context) error
}

// Drop ends a pipe. Its tables stay. What the source keeps for it goes; a
// warning says what could not be dropped there.
func (p *Pipes) Drop(ctx context.Context, name string) (warning string, err error) {
	p.mu.Lock()
	one, err := p.find(name)
	if err != nil {
		p.mu.Unlock()
		return "", err
	}
	one.dropped = true // nobody else finds it any more
	p.halt(one, errDropped)
	p.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	s := p.source(&one.Definition)
	if s, keeps := s.(releaser); keeps {
		limited, cancel := context.WithTimeout(ctx, dialTime)
		if err := s.release(limited); err != nil {
			warning = err.Error()
		}
		cancel()
	}
	s.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store.Lock()
	defer p.store.Unlock()
	for _, t := range []string{loads + " WHERE pipe", table + " WHERE name"} { // the record last: a pipe without it is gone
		if _, err := p.conn.Exec(ctx, "DELETE FROM "+t+" = ?", name); err != nil {
			one.dropped = false
			return "", err
		}
	}
	delete(p.pipes, name)
	return warning, nil
}

// move changes a pipe's state and stores it. p.mu is held.
func (p *Pipes) move(ctx context.Context, one *pipe, to State, message string) error {
	if one.State == to && one.Message == message {
		return nil
	}
	next := one.Record
	next.State, next.Message = to, message
	p.store.Lock()
	err := p.put(context.WithoutCancel(ctx), p.conn, &next)
	p.store.Unlock()
	if err != nil {
		return fmt.Errorf("store pipe %s: %w", one.Name, err)
	}
	one.Record = next
	return nil
}
