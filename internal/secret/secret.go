// Package secret keeps secrets from printing, and seals them for storage.
package secret

import "fmt"

// String is a secret text that every way of printing renders as Mask. The
// zero String is the empty secret.
type String struct{ text string }

// Mask is what a secret prints as, whatever it holds.
const Mask = "******"

// New makes a secret of text.
func New(text string) String { return String{text} }

// Reveal returns the text. A test lists its callers.
func (s String) Reveal() string { return s.text }

// Empty tells whether there is nothing to keep.
func (s String) Empty() bool { return s.text == "" }

// String implements fmt.Stringer.
func (s String) String() string { return Mask }

// GoString implements fmt.GoStringer.
func (s String) GoString() string { return Mask }

// Format implements fmt.Formatter, so that no verb reaches the text.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Mask)) }

// MarshalText covers JSON, slog and every other encoder.
func (s String) MarshalText() ([]byte, error) { return []byte(Mask), nil }
