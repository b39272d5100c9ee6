// Package sqlerr is the error that clients see: what kind of failure, where in
// the statement, what to do about it, and the numbers of both protocols.
package sqlerr

import (
	"errors"
	"fmt"
)

// Kind says what went wrong; it chooses the default MySQL number and SQLSTATE.
type Kind uint8

// The kinds.
const (
	Internal    Kind = iota // a fault of lakeport itself
	Syntax                  // the text is not a statement
	Invalid                 // a property, option or value is wrong
	Unsupported             // known, but not built
	NotFound                // a catalog, database, table, column, object
	Exists                  // already there
	Denied                  // who, action, resource, hop
	Unreachable             // a retry may help
	Corrupt                 // a file or answer is not what it claims
	Canceled                // by the user or a timeout
	Conflict                // changed meanwhile, or a constraint
)

// Code is the pair of numbers of one failure on both protocols.
type Code struct {
	MySQL uint16
	State string
}

var defaults = [...]Code{
	Internal:    {1105, "HY000"},
	Syntax:      {1064, "42000"},
	Invalid:     {1064, "42000"},
	Unsupported: {1235, "42000"},
	NotFound:    {5502, "42602"},
	Exists:      {1050, "42S01"},
	Denied:      {1142, "42000"},
	Unreachable: {1105, "08000"},
	Corrupt:     {1105, "58030"},
	Canceled:    {1317, "70100"},
	Conflict:    {1062, "23000"},
}

// Codes that name an object more exactly than their kind does. The numbers
// above 5000 are StarRocks' own.
var (
	BadDB           = Code{1049, "42000"} // Unknown database, at connect and USE
	AccessDenied    = Code{1045, "28000"}
	NoDB            = Code{1046, "3D000"}
	BadTable        = Code{1146, "42S02"}
	BadColumn       = Code{1054, "42S22"}
	DBExists        = Code{1007, "HY000"}
	DBMissing       = Code{1008, "HY000"}
	TableExists     = Code{1050, "42S01"}
	UnknownVariable = Code{1193, "HY000"}
	WrongValue      = Code{1231, "42000"}
	NoSuchThread    = Code{1094, "HY000"}
	QueryTimeout    = Code{5024, "HY000"}
	BadCatalog      = Code{5078, "42000"}
	BadCatalogDB    = Code{5080, "42000"}
	CatalogExists   = Code{5514, "42000"}
	RefreshFailed   = Code{5074, "42000"}
	Filtered        = Code{5610, "22000"}
	ColumnCount     = Code{5604, "42601"}
)

// Pos is a place in the statement's text. The zero Pos is unknown.
type Pos struct {
	Offset int // bytes from the start
	Line   int // from 1
	Column int // from 1, in characters
}

// At computes the Pos of a byte offset in text.
func At(text string, offset int) Pos {
	offset = min(max(offset, 0), len(text))
	p := Pos{Offset: offset, Line: 1, Column: 1}
	for _, r := range text[:offset] {
		if r == '\n' {
			p.Line++
			p.Column = 1
		} else {
			p.Column++
		}
	}
	return p
}

// Error is one failure. Msg states facts in the user's terms; Hint is an
// action. Err is the cause, for the log and errors.Is, never for the client.
type Error struct {
	Kind Kind
	Msg  string
	Pos  Pos
	Hint string
	Code Code // zero: the default of Kind
	Err  error
}

// Error gives position, message and, on a line of its own, the hint.
func (e *Error) Error() string {
	s := e.Msg
	if e.Pos.Line > 0 {
		s = fmt.Sprintf("%d:%d: %s", e.Pos.Line, e.Pos.Column, s)
	}
	if e.Hint != "" {
		s += "\nhint: " + e.Hint
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Numbers gives the pair to send.
func (e *Error) Numbers() Code {
	if e.Code != (Code{}) {
		return e.Code
	}
	return defaults[e.Kind]
}

// New makes an error without a position.
func New(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// With sets the exact code and returns e.
func (e *Error) With(c Code) *Error { e.Code = c; return e }

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithPos sets the position from an offset into text and returns e.
func (e *Error) WithPos(text string, offset int) *Error {
	e.Pos = At(text, offset)
	return e
}

// From gives err as an *Error: itself if it wraps one, else Internal with
// err's text.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Msg: err.Error(), Err: err}
}

// Is tells whether err wraps an *Error of kind k.
func Is(err error, k Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == k
}
