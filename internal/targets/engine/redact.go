package engine

import (
	"slices"
	"sync"
	"time"

	"ecr-refreshd/internal/login"
)

// remembered bounds the passwords of a Target that are looked for in texts, and with
// them what a look costs: some 2 ms each.
const remembered = 32

// secrets are the passwords that have been sent to an engine and are still good, the
// latest last. What answers may show one of them when it was sent another: it serves
// several grants, and has seen the tokens before. Safe for concurrent use.
type secrets struct {
	mu   sync.Mutex
	sent []login.Login // one for each password
}

// add remembers the passwords of logins, which are about to be sent.
func (s *secrets) add(logins []login.Login, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = slices.DeleteFunc(s.sent, func(l login.Login) bool { return l.ExpiresAt.Before(now) })
	for _, l := range logins {
		s.sent = slices.DeleteFunc(s.sent, func(o login.Login) bool {
			return o.Username == l.Username && o.Secret.Equal(l.Secret)
		})
		s.sent = append(s.sent, l)
	}
	s.sent = slices.Clone(s.sent[max(0, len(s.sent)-remembered):])
}

// clean makes a text fit to show that came from the engine, or through it.
func (s *secrets) clean(text string) string {
	s.mu.Lock()
	var known []login.Secret
	for _, l := range s.sent {
		known = append(known, l.Secret, l.Basic())
	}
	s.mu.Unlock()
	return login.NewRedactor(known...).Clean(text)
}
