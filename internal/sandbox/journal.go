package sandbox

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"lakeport/internal/iam"
)

// Entry is one request in the decision log. Action, Resource, Decision and
// what follows tell of the decision that settled the call: the one that
// denied it, else the first.
type Entry struct {
	Seq         int64      `json:"seq"`
	Time        time.Time  `json:"time"`
	RequestID   string     `json:"request_id"`
	Service     string     `json:"service"`
	Region      string     `json:"region,omitempty"`
	Action      string     `json:"action"`
	Principal   string     `json:"principal,omitempty"`
	AccessKeyID string     `json:"access_key_id,omitempty"`
	Resource    string     `json:"resource,omitempty"`
	Decision    string     `json:"decision"` // "allow", "explicitDeny", "implicitDeny"; "none" if the call did not get so far
	Reason      string     `json:"reason,omitempty"`
	Policy      string     `json:"policy,omitempty"`    // name or ARN of the deciding policy
	Statement   *Statement `json:"statement,omitempty"` // absent where silence decided
	Decisions   []Judgment `json:"decisions,omitempty"` // all of the call's, if more than one
	Method      string     `json:"method"`
	Path        string     `json:"path"`
	Status      int        `json:"status"`
	Error       string     `json:"error,omitempty"` // code that was answered
	Detail      string     `json:"detail,omitempty"`
	Bytes       int64      `json:"bytes"`           // of the answer's body
	Received    int64      `json:"received"`        // announced length of the request's body
	Range       string     `json:"range,omitempty"` // as asked for
	Micros      int64      `json:"micros"`          // how long the call took, in real time
	Fault       string     `json:"fault,omitempty"` // the fault rule that struck
	UserAgent   string     `json:"user_agent,omitempty"`
}

// Judgment is one decision.
type Judgment struct {
	Action    string     `json:"action"`
	Resource  string     `json:"resource,omitempty"`
	Decision  string     `json:"decision"`
	Reason    string     `json:"reason"`
	Policy    string     `json:"policy,omitempty"`
	Statement *Statement `json:"statement,omitempty"`
}

// Statement is a statement of a policy.
type Statement struct {
	Sid   string `json:"sid,omitempty"`
	Index int    `json:"index"` // from 0
	Line  int    `json:"line"`  // of its opening brace in the document
}

// journalLength is how many requests the log remembers.
const journalLength = 10_000

// maxAsked is how many decisions of one call are kept.
const maxAsked = 1000

// journal is the decision log: a ring of the newest requests.
type journal struct {
	mu   sync.Mutex
	ring []record
	next int64 // Seq of the next entry; Seqs begin at 1
}

// record is an entry before its decisions are explained.
type record struct {
	entry Entry
	asked []question
}

func (j *journal) add(r record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	r.entry.Seq = j.next
	if len(j.ring) < journalLength {
		j.ring = append(j.ring, r)
		return
	}
	j.ring[int((j.next-1)%journalLength)] = r
}

// since gives the records after seq, oldest first, and the newest Seq.
func (j *journal) since(seq int64) ([]record, int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []record
	for n := max(seq, j.next-int64(len(j.ring))) + 1; n <= j.next; n++ {
		out = append(out, j.ring[int((n-1)%journalLength)])
	}
	return out, j.next
}

// explain completes the entry.
func (r *record) explain() Entry {
	e := r.entry
	settled := 0
	all := make([]Judgment, len(r.asked))
	for i := range r.asked {
		all[i] = r.asked[i].judge()
		if r.asked[i].effect != iam.Allow && r.asked[settled].effect == iam.Allow {
			settled = i
		}
	}
	if len(all) == 0 {
		e.Decision = "none"
		return e
	}
	j := all[settled]
	e.Resource, e.Decision, e.Reason, e.Policy, e.Statement = j.Resource, j.Decision, j.Reason, j.Policy, j.Statement
	if e.Action == "" {
		e.Action = j.Action
	}
	if len(all) > 1 {
		e.Decisions = all
	}
	return e
}

var effectNames = map[iam.Effect]string{iam.Allow: "allow", iam.ExplicitDeny: "explicitDeny", iam.ImplicitDeny: "implicitDeny"}

func (q *question) judge() Judgment {
	j := Judgment{Action: q.request.Action, Resource: q.request.Resource.ARN, Decision: effectNames[q.effect]}
	if q.free {
		j.Reason = "the action needs no permission"
		return j
	}
	d := q.set.Explain(&q.request)
	j.Reason = d.Short()
	if m := d.By; m != nil {
		j.Policy = m.Policy
		if m.ARN != "" {
			j.Policy = m.ARN
		}
		j.Statement = &Statement{Sid: m.Sid, Index: m.Index, Line: m.Start.Line}
	}
	return j
}

// answer watches what is written to the client.
type answer struct {
	http.ResponseWriter
	call    *Call
	start   time.Time
	status  int
	bytes   int64
	guarded bool // the service runs: nothing is let out before a decision
	lost    bool // the answer is worked out and thrown away
	fault   string
}

// WriteHeader sends the status, unless the call is undecided.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || a.guarded && len(a.call.asked) == 0 {
		return
	}
	a.status = status
	if a.lost {
		return
	}
	name := "X-Amzn-Requestid"
	if speaks(a.call.Service) == s3Protocol {
		name = "X-Amz-Request-Id"
	}
	if a.Header().Get(name) == "" {
		a.Header().Set(name, a.call.RequestID)
	}
	a.ResponseWriter.WriteHeader(status)
}

// begin sends the status before the first byte and tells whether bytes may go.
func (a *answer) begin() bool {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return a.status != 0
}

// Write sends a part of the body.
func (a *answer) Write(p []byte) (int, error) {
	switch {
	case !a.begin():
		return 0, errUndecided
	case a.lost:
		return len(p), nil
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// ReadFrom lets files go to the socket without a copy.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	switch {
	case !a.begin():
		return 0, errUndecided
	case a.lost:
		return io.Copy(io.Discard, src)
	}
	n, err := io.Copy(a.ResponseWriter, src)
	a.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// finish logs the call. The log itself and the clock are not logged.
func (s *Server) finish(c *Call, a *answer) {
	r := c.Request
	if strings.HasPrefix(r.URL.Path, instrumentPrefix) {
		return
	}
	if len(c.asked) > maxAsked {
		c.asked = c.asked[:maxAsked]
	}
	s.journal.add(record{asked: c.asked, entry: Entry{Time: c.Now.UTC(), RequestID: c.RequestID, Service: c.Service, Region: c.Region,
		Action: c.Action, Principal: c.Caller.Principal.ARN, AccessKeyID: c.Caller.AccessKeyID, Method: r.Method, Path: r.URL.Path,
		Status: a.status, Error: c.failure, Detail: c.detail, Bytes: a.bytes, Received: max(r.ContentLength, 0),
		Range: r.Header.Get("Range"), Micros: time.Since(a.start).Microseconds(), Fault: a.fault, UserAgent: r.UserAgent()}})
}
