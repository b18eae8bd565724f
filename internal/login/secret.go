package login

import (
	"crypto/subtle"
	"fmt"
)

const redacted = "[redacted]"

// Secret is a string that prints itself as [redacted] wherever a program
// prints things by accident: fmt, encoding/json, text encoders, YAML, zap and
// slog. It keeps its value behind a pointer, because fmt reads the unexported
// fields of a struct without asking their methods. The zero Secret is empty.
// Safe for concurrent use.
type Secret struct{ value *string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{&s} }

// Reveal is the one way out.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no secret at all.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares in a time that does not depend on where the two differ.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String never tells the value.
func (s Secret) String() string { return redacted }

// Format never tells the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText never tells the value. JSON, YAML, TOML and zap come by here.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
