package sigv4

import (
	"fmt"
	"time"
)

// Reason says why a request was refused. A service maps it to its own code
// and text.
type Reason uint8

// The reasons.
const (
	Malformed        Reason = iota // the authorization header or parameters cannot be read; Detail says what
	TwoMechanisms                  // header and query both carry a signature
	Unsupported                    // another algorithm: SigV2, SigV4A
	UnknownKey                     // no such key, or it is inactive
	InvalidToken                   // the session token does not belong to the key
	ExpiredToken                   // the session has ended
	Skewed                         // RequestTime is too far from ServerTime
	Expired                        // a presigned request was used after Expires
	NotYetValid                    // a presigned request is dated in the future
	BadSignature                   // of the request, a chunk or the trailer
	UnsignedHeaders                // Headers had to be signed and are not
	MissingHash                    // S3 without x-amz-content-sha256
	BadHash                        // x-amz-content-sha256 is neither a hash nor a known word
	MissingLength                  // aws-chunked without x-amz-decoded-content-length
	BodyMismatch                   // the body's hash is not the signed one
	IncompleteBody                 // the body is shorter or longer than announced, or its framing is broken
	SmallChunk                     // a chunk that is not the last has under 8 KiB
	MalformedTrailer               // the lines after the last chunk
	TooLarge                       // the body of a service that is read whole
)

var reasonNames = [...]string{"malformed authorization", "two authorization mechanisms", "unsupported algorithm",
	"unknown access key", "invalid session token", "expired session token", "request time too skewed",
	"presigned request expired", "presigned request not valid yet", "bad signature", "headers not signed",
	"missing content hash", "bad content hash", "missing decoded length", "body hash mismatch", "incomplete body",
	"chunk too small", "malformed trailer", "body too large"}

// String names the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", r)
}

// Error is a request that does not authenticate. Only the fields that its
// Reason speaks of are set.
type Error struct {
	Reason      Reason
	Detail      string // for a person: what was found where
	Presigned   bool   // the signature was in the query
	AccessKeyID string

	// BadSignature: what the signature was computed over, so that a client's
	// author can compare.
	CanonicalRequest  string
	StringToSign      string
	SignatureProvided string

	// Skewed, Expired, NotYetValid.
	RequestTime time.Time
	ServerTime  time.Time
	MaxSkew     time.Duration
	Expires     time.Time     // Expired: when the request ended
	Lifetime    time.Duration // Expired: X-Amz-Expires

	Headers []string // UnsignedHeaders: lower case

	// BodyMismatch: hex SHA-256 as the client claims and as it was received.
	ClaimedSHA256, ReceivedSHA256 string

	Err error // what Verifier.Key or the transport said; may be nil
}

// Error tells the reason and what was found.
func (e *Error) Error() string {
	s := "verify signature: " + e.Reason.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	switch e.Reason {
	case Skewed, NotYetValid:
		s += fmt.Sprintf(": request time %s, server time %s", stamp(e.RequestTime), stamp(e.ServerTime))
	case Expired:
		s += fmt.Sprintf(": at %s, server time %s", stamp(e.Expires), stamp(e.ServerTime))
	case UnsignedHeaders:
		s += fmt.Sprintf(": %v", e.Headers)
	case BodyMismatch:
		s += fmt.Sprintf(": signed %s, received %s", e.ClaimedSHA256, e.ReceivedSHA256)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the underlying error.
func (e *Error) Unwrap() error { return e.Err }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
