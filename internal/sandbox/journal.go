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

// journalLength is how many requests the log remembers, and maxJudgments how
// many decisions of one request.
const (
	journalLength = 50_000
	maxJudgments  = 1000
)

// journal is the decision log: a ring of the newest requests.
type journal struct {
	mu   sync.Mutex
	ring []Entry
	next int64 // Seq of the newest entry; Seqs begin at 1
}

func (j *journal) add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	e.Seq = j.next
	if len(j.ring) < journalLength {
		j.ring = append(j.ring, e)
		return
	}
	j.ring[int((j.next-1)%journalLength)] = e
}

// since gives the entries after seq, oldest first, and the newest Seq.
func (j *journal) since(seq int64) ([]Entry, int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Entry
	for n := max(seq, j.next-int64(len(j.ring))) + 1; n <= j.next; n++ {
		out = append(out, j.ring[int((n-1)%journalLength)])
	}
	return out, j.next
}

var effectNames = map[iam.Effect]string{iam.Allow: "allow", iam.ExplicitDeny: "explicitDeny", iam.ImplicitDeny: "implicitDeny"}

func judge(r *iam.Request, d iam.Decision) Judgment {
	j := Judgment{Action: r.Action, Resource: r.Resource.ARN, Decision: effectNames[d.Effect], Reason: d.Short()}
	if m := d.By; m != nil {
		j.Policy = m.Policy
		if m.ARN != "" {
			j.Policy = m.ARN
		}
		j.Statement = &Statement{Sid: m.Sid, Index: m.Index, Line: m.Start.Line}
	}
	return j
}

// settled is the judgment that tells how a call came out: the first denial,
// else the first.
func settled(all []Judgment) Judgment {
	for _, j := range all {
		if j.Decision != effectNames[iam.Allow] {
			return j
		}
	}
	if len(all) == 0 {
		return Judgment{Decision: "none"}
	}
	return all[0]
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
	if a.status != 0 || a.guarded && a.call.decided == 0 {
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
	j := settled(c.judgments)
	e := Entry{Time: c.Now.UTC(), RequestID: c.RequestID, Service: c.Service, Region: c.Region, Action: c.Action,
		Principal: c.Caller.Principal.ARN, AccessKeyID: c.Caller.AccessKeyID, Resource: j.Resource, Decision: j.Decision,
		Reason: j.Reason, Policy: j.Policy, Statement: j.Statement, Method: r.Method, Path: r.URL.Path, Status: a.status,
		Error: c.failure, Detail: c.detail, Bytes: a.bytes, Received: max(r.ContentLength, 0), Range: r.Header.Get("Range"),
		Micros: time.Since(a.start).Microseconds(), Fault: a.fault, UserAgent: r.UserAgent()}
	if len(c.judgments) > 1 {
		e.Decisions = c.judgments
	}
	s.journal.add(e)
}
