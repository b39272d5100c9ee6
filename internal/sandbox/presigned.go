package sandbox

import (
	"net/http"
	"time"

	"lakeport/internal/sigv4"
)

// Foreign verifies a signed request that came by another way than the
// sandbox's listener, as the token of a database login does. The call that it
// gives can be asked by May; Settle ends it. An error is a *sigv4.Error. The
// call is never nil.
func (s *Server) Foreign(r *http.Request) (*Call, *sigv4.Result, error) {
	c := &Call{Request: r, RequestID: newRequestID(), Now: s.Now(), server: s}
	result, err := s.verifier.Verify(r)
	if err == nil {
		err = s.identify(c, result)
	}
	return c, result, err
}

// Settle logs a call of Foreign. code and detail say why it was refused; both
// are empty where it was let in.
func (s *Server) Settle(c *Call, code, detail string) {
	status := http.StatusOK
	if c.failure, c.detail = code, detail; code != "" {
		status = http.StatusForbidden
	}
	s.finish(c, &answer{call: c, start: time.Now(), status: status})
}
