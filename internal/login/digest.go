package login

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Digest tells a token from others and is of no use to anybody else: the SHA-256 of its Basic
// form. Its text is hexadecimal.
type Digest [sha256.Size]byte

// MarshalText gives the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads what MarshalText has written.
func (d *Digest) UnmarshalText(text []byte) error {
	read, err := hex.DecodeString(string(text))
	if err != nil || len(read) != len(d) {
		return fmt.Errorf("%.80q is not a digest", text)
	}
	copy(d[:], read)
	return nil
}

// Remembered is a token of which only the digest and the end are known. It can be
// recognized where it lies, and cannot be used.
func Remembered(d Digest, expiresAt time.Time) Token {
	return Token{digest: &d, ExpiresAt: expiresAt}
}

// Digest is the token's, the one that it was Remembered by where its secret is not known.
func (t Token) Digest() Digest {
	if t.digest != nil {
		return *t.digest
	}
	return sha256.Sum256([]byte(t.Basic().Reveal()))
}

// Is reports whether basic is the token in its Basic form.
func (t Token) Is(basic string) bool { return t.Digest() == sha256.Sum256([]byte(basic)) }
