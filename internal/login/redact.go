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
	// window is how many letters and digits of a secret in a row are taken for a piece
	// of it: any 12 characters of a token have so many but for a rare chance. No
	// sentence has 10 of them by chance, as a token is random.
	window = 10
)

// Redactor makes foreign texts fit to show: a service, or whatever answers in
// its place, may send back what it got, whole or in part, and in another form. The
// zero Redactor knows no secret. Safe for concurrent use.
type Redactor struct{ secrets []Secret }

// NewRedactor makes one that knows secrets; empty ones do not count.
func NewRedactor(secrets ...Secret) Redactor { return Redactor{}.With(secrets...) }

// With returns a Redactor that knows these secrets too.
func (r Redactor) With(secrets ...Secret) Redactor {
	known := slices.Clone(r.secrets)
	seen := make(map[string]bool, len(known)+len(secrets))
	for _, s := range known {
		seen[s.Reveal()] = true
	}
	for _, s := range secrets {
		if !s.IsZero() && !seen[s.Reveal()] {
			seen[s.Reveal()] = true
			known = append(known, s)
		}
	}
	return Redactor{known}
}

// And returns a Redactor that knows the secrets of both.
func (r Redactor) And(other Redactor) Redactor { return r.With(other.secrets...) }

// Clean returns text on one line, without control characters, without any piece
// of a secret in any form that forms knows, and not too long.
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

// Finds reports whether the first 4 KiB of text hold a piece of a secret in any form.
func (r Redactor) Finds(text string) bool {
	return slices.Contains(r.pieces(text[:min(len(text), readLimit)]), true)
}

// pieces tells for each byte of text whether it is part of a secret.
func (r Redactor) pieces(text string) []bool {
	secret := make([]bool, len(text))
	views := [...]view{plainView(text), unescapedView(text)}
	for _, s := range r.secrets {
		whole := s.Reveal()
		for at := strings.Index(text, whole); at >= 0; { // also what no form shows, as "::"
			fill(secret[at : at+len(whole)])
			next := strings.Index(text[at+1:], whole)
			if next < 0 {
				break
			}
			at += 1 + next
		}
		for _, form := range forms(whole) {
			for _, v := range views {
				v.mark(form, secret)
			}
		}
	}
	return secret
}

func fill(marks []bool) {
	for i := range marks {
		marks[i] = true
	}
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
