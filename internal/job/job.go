// Package job keeps labelled work that outlives its statement: its record, its
// states, and the queue that runs it. What a job does is its Kind's affair.
//
// The record of a job and the rows that it writes commit in one transaction,
// so that a label says for certain whether its rows are there.
package job

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lakeport/internal/engine"
	"lakeport/internal/secret"
	"lakeport/internal/sqlerr"
)

// State is where a job stands (StarRocks' documentation, SHOW LOAD). To is the
// only way from one to another.
type State string

// The states. A job is made Pending, and ends Finished or Cancelled.
const (
	Pending   State = "PENDING"   // submitted; Submit puts it there
	Queueing  State = "QUEUEING"  // waits for a slot; the queue moves it on
	Loading   State = "LOADING"   // runs; a restart runs it again from here
	Prepared  State = "PREPARED"  // commits and can no longer be cancelled; never stored
	Finished  State = "FINISHED"  // its rows are there; stored by their transaction
	Cancelled State = "CANCELLED" // none of its rows is there
)

// moves are the legal ones.
var moves = map[State][]State{
	Pending:  {Queueing, Loading, Cancelled},
	Queueing: {Loading, Cancelled},
	Loading:  {Finished, Cancelled, Loading},
}

// Ended tells whether nothing further will happen to a job in the state.
func (s State) Ended() bool { return s == Finished || s == Cancelled }

// Job is the record of one piece of work.
type Job struct {
	ID       int64
	DB       string
	Label    string
	Kind     string // picks the Work: "BROKER"; what SHOW LOAD calls the type
	Alone    string // of what is Alone alike, a database has one job under way; "": any number. Such jobs have no label
	User     string
	Text     string `json:"-"` // the statement; it may hold secrets and is stored sealed
	Priority Priority
	Timeout  time.Duration // from Created; 0: none

	State    State
	Message  string // of a failure: "type:LOAD_RUN_FAIL; msg:…"
	Created  time.Time
	Started  time.Time // when it became Loading, zero before
	Ended    time.Time // zero before
	Progress Progress
	Detail   map[string]string // of the Kind, shown to users: properties of the statement
}

// Progress is what a job has done so far.
type Progress struct {
	Files      int
	Bytes      int64 // of the files
	Scanned    int64 // rows read
	Filtered   int64 // rows left out for their quality
	Unselected int64 // rows left out by a condition
	Loaded     int64 // rows written
	Tables     []string
	Rejected   []string // the first rows that were filtered, and why
	Steps      []Step   // that the work has entered since it was started last
}

// Step is a stage of a Kind's work, in the Kind's own words.
type Step struct {
	Name string
	At   time.Time // when it began
}

// Priority orders the queue.
type Priority int

// The priorities that StarRocks names.
const (
	Lowest Priority = iota - 2
	Low
	Normal
	High
	Highest
)

var priorities = []string{"LOWEST", "LOW", "NORMAL", "HIGH", "HIGHEST"}

// ParsePriority reads a priority in any case.
func ParsePriority(text string) (Priority, error) {
	i := slices.Index(priorities, strings.ToUpper(text))
	if i < 0 {
		return Normal, sqlerr.New(sqlerr.Invalid, "priority should in HIGHEST/HIGH/NORMAL/LOW/LOWEST")
	}
	return Priority(i) + Lowest, nil
}

// String is the priority as StarRocks spells it.
func (p Priority) String() string { return priorities[p-Lowest] }

// To moves the job to its next state, and stores it in the connection's
// transaction.
func (j *Job) To(ctx context.Context, c *engine.Conn, box *secret.Box, next State, message string, now time.Time) error {
	if !slices.Contains(moves[j.State], next) {
		return fmt.Errorf("job %d is %s and cannot become %s", j.ID, j.State, next)
	}
	j.State, j.Message = next, message
	switch {
	case next == Loading:
		j.Started = now
	case next.Ended():
		j.Ended = now
	}
	return j.store(ctx, c, box)
}

const (
	schema = engine.Catalog + "._lakeport"
	table  = schema + ".jobs"
)

// stored is a record as it lies in the database.
type stored struct {
	*Job
	Text string
}

// place binds a sealed record to its row.
func (j *Job) place() string { return fmt.Sprintf("job/%d", j.ID) }

func (j *Job) seal(box *secret.Box) ([]byte, error) {
	plain, err := json.Marshal(stored{j, j.Text})
	if err != nil {
		return nil, err
	}
	return box.Seal(plain, j.place()), nil
}

func (j *Job) store(ctx context.Context, c *engine.Conn, box *secret.Box) error {
	record, err := j.seal(box)
	if err != nil {
		return err
	}
	n, err := c.Exec(ctx, "UPDATE "+table+" SET state = ?, record = ? WHERE id = ?", string(j.State), record, j.ID)
	if err == nil && n != 1 {
		err = fmt.Errorf("there are %d records", n)
	}
	if err != nil {
		return fmt.Errorf("store job %d: %w", j.ID, err)
	}
	return nil
}

func (j *Job) insert(ctx context.Context, c *engine.Conn, box *secret.Box) error {
	record, err := j.seal(box)
	if err != nil {
		return err
	}
	if _, err := c.Exec(ctx, "INSERT INTO "+table+" VALUES (?, ?, ?, ?, ?)", j.ID, j.DB, j.Label, string(j.State), record); err != nil {
		return fmt.Errorf("store job %d: %w", j.ID, err)
	}
	return nil
}

// read gives the records that a condition selects, in order of their ids.
func read(ctx context.Context, c *engine.Conn, box *secret.Box, where string, args ...any) ([]*Job, error) {
	rows, err := c.Query(ctx, "SELECT id, record FROM "+table+" "+where+" ORDER BY id", args...)
	if err != nil {
		return nil, fmt.Errorf("read the jobs: %w", err)
	}
	defer rows.Close()
	var list []*Job
	for {
		chunk, err := rows.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the jobs: %w", err)
		}
		if chunk == nil {
			return list, nil
		}
		for i := range chunk.Rows {
			j := &Job{ID: chunk.Columns[0].Data.([]int64)[i]}
			plain, err := box.Unseal(chunk.Columns[1].Strings()[i].Bytes(), j.place())
			if err != nil {
				return nil, fmt.Errorf("unseal job %d: %w", j.ID, err)
			}
			s := stored{Job: j}
			if err := json.Unmarshal(plain, &s); err != nil {
				return nil, fmt.Errorf("read job %d: %w", j.ID, err)
			}
			j.Text = s.Text
			list = append(list, j)
		}
	}
}
