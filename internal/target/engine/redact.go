package engine

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode"

	"ecr-refreshd/internal/login"
)

const (
	// readLimit bounds, in bytes, how much of a foreign text is looked at, and
	// textLimit how much is passed on: an engine's sentence, not a proxy's page.
	readLimit, textLimit = 4096, 500
	// window is how many bytes of a secret in a row are taken for a piece of it.
	// A token has some thousand, all random; no sentence has 16 of them by chance.
	window = 16
	mask   = "[redacted]"
)

// redactor makes foreign texts fit to show: an engine, or whatever answers in
// its place, may echo the request, whole or in part.
type redactor struct{ secrets []string }

func newRedactor(logins []login.Login) redactor {
	var r redactor
	for _, l := range logins {
		password := l.Secret.Reveal()
		if password == "" || slices.Contains(r.secrets, password) {
			continue // all logins of one grant share their token
		}
		pair := []byte(l.Username + ":" + password)
		r.secrets = append(r.secrets, password,
			base64.StdEncoding.EncodeToString(pair), base64.URLEncoding.EncodeToString(pair))
	}
	return r
}

// clean gives text on one line, without control characters, without any piece
// of a secret, and not too long.
func (r redactor) clean(text string) string {
	text = text[:min(len(text), readLimit)]
	text = r.cover(text)
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

// cover replaces every piece of a secret by the mask.
func (r redactor) cover(text string) string {
	secret := make([]bool, len(text))
	found := false
	for _, s := range r.secrets {
		n := min(len(s), window)
		for i := 0; i+n <= len(text); i++ {
			if strings.Contains(s, text[i:i+n]) {
				found = true
				for j := i; j < i+n; j++ {
					secret[j] = true
				}
			}
		}
	}
	if !found {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !secret[i]:
			b.WriteByte(text[i])
		case i == 0 || !secret[i-1]:
			b.WriteString(mask)
		}
	}
	return b.String()
}
