// Package iam is AWS's policy language as a pure function: documents are
// parsed and validated, compiled once into a Set, and the Set decides a
// request or explains every statement's part in the decision. It reads no
// clock, no network and no state.
package iam

// Document is one parsed policy document.
type Document struct{}

// Decision is why a request is allowed or denied.
type Decision struct{ Effect Effect }
