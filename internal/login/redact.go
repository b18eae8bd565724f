package login

import (
	"slices"
	"strings"
	"unicode"
)

const (
	// readLimit bounds, in bytes, how much of a foreign text is looked at, and
	// textLimit how much is passed on: a service's sentence, not a proxy's page.
	readLimit, textLimit = 4096, 500
	// window is how many bytes of a secret in a row are taken for a piece of it.
	// A token has some thousand, all random; no sentence has 16 of them by chance.
	window = 16
)

// Redactor makes foreign texts fit to show: a service, or whatever answers in
// its place, may echo the request, whole or in part. The zero Redactor knows no
// secret. Safe for concurrent use.
type Redactor struct{ secrets []Secret }

// NewRedactor makes one that knows secrets; empty ones do not count.
func NewRedactor(secrets ...Secret) Redactor {
	var r Redactor
	for _, s := range secrets {
		if !s.IsZero() && !slices.ContainsFunc(r.secrets, s.Equal) {
			r.secrets = append(r.secrets, s)
		}
	}
	return r
}

// Clean gives text on one line, without control characters, without any piece
// of a secret, and not too long.
func (r Redactor) Clean(text string) string {
	text = r.cover(text[:min(len(text), readLimit)])
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > textLimit {
		text = strings.ToValidUTF8(text[:textLimit], "") + "..."
	}
	return text
}

// Finds reports whether text holds a piece of a secret.
func (r Redactor) Finds(text string) bool {
	return slices.Contains(r.pieces(text), true)
}

// pieces tells for each byte of text whether it is part of a secret.
func (r Redactor) pieces(text string) []bool {
	secret := make([]bool, len(text))
	for _, s := range r.secrets {
		whole := s.Reveal()
		n := min(len(whole), window)
		for i := 0; i+n <= len(text); i++ {
			if strings.Contains(whole, text[i:i+n]) {
				for j := i; j < i+n; j++ {
					secret[j] = true
				}
			}
		}
	}
	return secret
}

// cover replaces every piece of a secret.
func (r Redactor) cover(text string) string {
	secret := r.pieces(text)
	if !slices.Contains(secret, true) {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !secret[i]:
			b.WriteByte(text[i])
		case i == 0 || !secret[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}
