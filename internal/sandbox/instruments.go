package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lakeport/internal/iam"
)

// instrumentPrefix is where the lab's instruments are. No bucket can have the
// name: bucket names begin with a letter or digit.
const instrumentPrefix = "/_lakeport/"

// clock is the base clock moved by an offset.
type clock struct {
	base   func() time.Time
	offset atomic.Int64 // nanoseconds
}

func (c *clock) now() time.Time { return c.base().Add(time.Duration(c.offset.Load())) }

// instrument answers /_lakeport/clock, /_lakeport/faults and
// /_lakeport/decisions to root users.
func (s *Server) instrument(a *answer, c *Call) {
	name := strings.TrimPrefix(c.Request.URL.Path, instrumentPrefix)
	handler := map[string]func(*Call) (any, error){"clock": s.clockCall, "faults": s.faultsCall, "decisions": s.decisionsCall}[name]
	switch {
	case c.who == nil:
		writeProblem(a, http.StatusForbidden, errors.New("sign the request with a root user's access key"))
		return
	case c.Caller.Principal.Kind != iam.Root:
		writeProblem(a, http.StatusForbidden, fmt.Errorf("%s is no root user: only root users may use the instruments", c.Caller.Principal.ARN))
		return
	case handler == nil:
		writeProblem(a, http.StatusNotFound, fmt.Errorf("no instrument %q: there are clock, faults and decisions", name))
		return
	}
	if c.Body == nil && c.Request.Body != nil {
		body, err := io.ReadAll(io.LimitReader(c.Request.Body, maxUnsignedBody))
		if err != nil {
			writeProblem(a, http.StatusBadRequest, err)
			return
		}
		c.Body = body
	}
	out, err := handler(c)
	if err != nil {
		writeProblem(a, http.StatusBadRequest, err)
		return
	}
	writeJSON(a, http.StatusOK, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer does not marshal"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // a client that is gone hears nothing
}

func writeProblem(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

// decodeStrict reads the body into v and refuses unknown fields.
func decodeStrict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	return nil
}

// clockCall tells the sandbox's time, or moves it: POST one of
// {"now": "2030-01-01T00:00:00Z"}, {"advance": "1h"}, {"offset": "-1h"}, the
// last against the real clock.
func (s *Server) clockCall(c *Call) (any, error) {
	if c.Request.Method == http.MethodPost {
		var move struct {
			Now     *time.Time `json:"now"`
			Advance *string    `json:"advance"`
			Offset  *string    `json:"offset"`
		}
		if err := decodeStrict(c.Body, &move); err != nil {
			return nil, err
		}
		if err := s.moveClock(move.Now, move.Advance, move.Offset); err != nil {
			return nil, err
		}
	}
	return map[string]string{"now": s.Now().UTC().Format(time.RFC3339Nano), "offset": time.Duration(s.clock.offset.Load()).String()}, nil
}

func (s *Server) moveClock(now *time.Time, advance, offset *string) error {
	switch {
	case now != nil && advance == nil && offset == nil:
		s.clock.offset.Store(int64(now.Sub(s.clock.base())))
		return nil
	case advance != nil && now == nil && offset == nil:
		d, err := time.ParseDuration(*advance)
		s.clock.offset.Add(int64(d))
		return err
	case offset != nil && now == nil && advance == nil:
		d, err := time.ParseDuration(*offset)
		if err == nil {
			s.clock.offset.Store(int64(d))
		}
		return err
	}
	return errors.New(`give one of "now", "advance" and "offset"`)
}

// faultsCall lists the rules (GET), adds one or a list of them (POST) or takes
// out one or all (DELETE, ?id=).
func (s *Server) faultsCall(c *Call) (any, error) {
	switch c.Request.Method {
	case http.MethodPost:
		var rules []Fault
		body := bytes.TrimSpace(c.Body)
		if !bytes.HasPrefix(body, []byte("[")) {
			body = bytes.Join([][]byte{[]byte("["), body, []byte("]")}, nil)
		}
		if err := decodeStrict(body, &rules); err != nil {
			return nil, err
		}
		var faults []error
		for i := range rules {
			if err := rules[i].check(); err != nil {
				faults = append(faults, fmt.Errorf("rule %d: %w", i+1, err))
			}
		}
		if err := errors.Join(faults...); err != nil {
			return nil, err
		}
		return map[string]any{"faults": s.faults.add(rules)}, nil
	case http.MethodDelete:
		s.faults.remove(c.Request.URL.Query().Get("id"))
	}
	rules := s.faults.list()
	if rules == nil {
		rules = []Fault{}
	}
	return map[string]any{"faults": rules}, nil
}

// decisionsCall gives log entries. Parameters: since (a seq: entries after
// it), service, action (with * and ?), principal, access_key_id, decision,
// resource (with * and ?), and limit (the newest so many).
func (s *Server) decisionsCall(c *Call) (any, error) {
	q := c.Request.URL.Query()
	var since int64
	if text := q.Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseInt(text, 10, 64); err != nil || since < 0 {
			return nil, fmt.Errorf("since %q is no seq of the log", text)
		}
	}
	all, last := s.journal.since(since)
	entries := []Entry{}
	for i := range all {
		if all[i].selected(q) {
			entries = append(entries, all[i])
		}
	}
	if text := q.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 0 {
			return nil, fmt.Errorf("limit %q is no count", text)
		}
		entries = entries[max(0, len(entries)-limit):]
	}
	return map[string]any{"last": last, "decisions": entries}, nil
}

// selected tells whether the entry passes the filters.
func (e *Entry) selected(q url.Values) bool {
	for name, value := range map[string]string{"service": e.Service, "principal": e.Principal, "access_key_id": e.AccessKeyID,
		"decision": e.Decision, "request_id": e.RequestID, "action": e.Action, "resource": e.Resource} {
		want := q.Get(name)
		if want == "" || strings.EqualFold(want, value) {
			continue
		}
		// path.Match would stop a star at slashes, which resources are full of.
		ok, err := path.Match(strings.ReplaceAll(want, "/", "\x00"), strings.ReplaceAll(value, "/", "\x00"))
		if err != nil || !ok {
			return false
		}
	}
	return true
}
