// Package secret keeps secrets from printing, and seals them for storage.
package secret

import (
	"fmt"
	"unique"
)

// String is a secret text that every way of printing renders as Mask. Equal
// texts are equal Strings. The zero String is the empty secret.
type String struct {
	// A handle, not the text: fmt calls no methods on unexported fields of
	// other types, and would print a text found there.
	text unique.Handle[string]
}

// Mask is what a secret prints as, whatever it holds.
const Mask = "******"

// New makes a secret of text.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{unique.Make(text)}
}

// Reveal returns the text. A test lists the files that call it.
func (s String) Reveal() string {
	if s.Empty() {
		return ""
	}
	return s.text.Value()
}

// Empty tells whether there is nothing to keep.
func (s String) Empty() bool { return s == String{} }

// String implements fmt.Stringer.
func (s String) String() string { return Mask }

// GoString implements fmt.GoStringer.
func (s String) GoString() string { return Mask }

// Format implements fmt.Formatter, so that no verb reaches the text.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Mask)) }

// MarshalText covers JSON, XML, slog and every other encoder of text.
func (s String) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// MarshalBinary covers gob.
func (s String) MarshalBinary() ([]byte, error) { return []byte(Mask), nil }
