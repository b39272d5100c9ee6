package sandbox

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is a rule by which calls go wrong. The first rule that matches a call
// and draws it is applied.
type Fault struct {
	ID      string  `json:"id"`                // given by the sandbox
	Service string  `json:"service,omitempty"` // signing name; empty: any
	Action  string  `json:"action,omitempty"`  // as in a policy, with or without the service: "s3:Get*", "GetObject"; empty: any
	Share   float64 `json:"share,omitempty"`   // of the matching calls, 0 to 1; 0 means all
	Seed    uint32  `json:"seed,omitempty"`    // of what Share draws: the same draws for the same seed; 0: one is taken, and told
	Count   int     `json:"count,omitempty"`   // how many calls it strikes before it goes; 0: no end
	// Delay is real time before the call is carried out, such as "20ms".
	Delay   string `json:"delay,omitempty"`
	Status  int    `json:"status,omitempty"` // answered instead of the call's own answer; the call is not carried out
	Code    string `json:"code,omitempty"`   // of that answer
	Message string `json:"message,omitempty"`
	// LostReply carries the call out and cuts the connection instead of
	// answering.
	LostReply bool `json:"lost_reply,omitempty"`

	delay time.Duration
	draws *rand.Rand // nil where all matching calls are struck
}

// check completes a rule and tells what is wrong with it.
func (f *Fault) check() error {
	var err error
	if f.Delay != "" {
		if f.delay, err = time.ParseDuration(f.Delay); err != nil || f.delay < 0 {
			return fmt.Errorf("delay %q is no duration such as \"20ms\"", f.Delay)
		}
	}
	switch {
	case f.Share < 0 || f.Share > 1:
		return fmt.Errorf("share %g is not between 0 and 1", f.Share)
	case f.Count < 0:
		return fmt.Errorf("count %d is negative", f.Count)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d is not an error's: 400 to 599", f.Status)
	case f.Status == 0 && !f.LostReply && f.delay == 0:
		return fmt.Errorf("rule does nothing: give delay, status or lost_reply")
	case f.Status != 0 && f.LostReply:
		return fmt.Errorf("status and lost_reply exclude each other: a lost reply has no status")
	}
	if _, err := path.Match(strings.ToLower(f.Action), ""); err != nil {
		return fmt.Errorf("action %q: %w", f.Action, err)
	}
	if f.Share > 0 && f.Share < 1 {
		for f.Seed == 0 {
			f.Seed = rand.Uint32()
		}
		f.draws = rand.New(rand.NewPCG(uint64(f.Seed), 0))
	}
	if f.Status != 0 && f.Code == "" {
		f.Code = map[int]string{503: "SlowDown", 500: "InternalError", 429: "ThrottlingException"}[f.Status]
		if f.Code == "" {
			f.Code = "ServiceUnavailable"
		}
	}
	if f.Status != 0 && f.Message == "" {
		f.Message = "Please reduce your request rate."
	}
	return nil
}

func (f *Fault) matches(service, action string) bool {
	if f.Service != "" && f.Service != service {
		return false
	}
	want, got := strings.ToLower(f.Action), strings.ToLower(action)
	if !strings.Contains(want, ":") {
		_, got, _ = strings.Cut(got, ":")
	}
	if want == "" {
		return true
	}
	ok, err := path.Match(want, got)
	return err == nil && ok
}

// faults is the rules in force.
type faults struct {
	mu    sync.Mutex
	rules []Fault
	last  int
}

func (f *faults) add(rules []Fault) []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range rules {
		f.last++
		rules[i].ID = fmt.Sprintf("fault-%d", f.last)
	}
	f.rules = append(f.rules, rules...)
	return rules
}

func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rules)
}

// remove takes out the rule of an id, or all if id is empty.
func (f *faults) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = slices.DeleteFunc(f.rules, func(r Fault) bool { return id == "" || r.ID == id })
}

// pick draws the rule that strikes a call; nil if none does.
func (f *faults) pick(service, action string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.rules {
		r := &f.rules[i]
		if !r.matches(service, action) || r.draws != nil && r.draws.Float64() >= r.Share {
			continue
		}
		struck := *r
		if r.Count > 0 {
			if r.Count--; r.Count == 0 {
				f.rules = slices.Delete(f.rules, i, i+1)
			}
		}
		return &struck
	}
	return nil
}

// applyFault does what the rule says; stop tells that the call is answered.
func (s *Server) applyFault(a *answer, c *Call, f *Fault) (stop bool) {
	if f == nil {
		return false
	}
	a.fault, a.lost = f.ID, f.LostReply
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.Request.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.Status == 0 {
		return false
	}
	s.fail(a, c, &APIError{Status: f.Status, Code: f.Code, Message: f.Message})
	return true
}
