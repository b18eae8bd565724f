package renew

import (
	"slices"
	"sync"
	"time"

	"ecr-refreshd/internal/login"
)

// timedToken is a token with its times on the renewer's own clock.
type timedToken struct {
	login.Token
	obtained, expires time.Duration
	former            bool      // adopted, and to be replaced at once
	end               sync.Once // done when its end was observed, or when it was replaced before

	mu     sync.Mutex
	hosts  []string // those of logins
	logins []login.Login
}

// loginsFor makes the token's logins for the hosts. Targets with the same hosts share them, and
// nobody changes them. Safe for concurrent use.
func (h *timedToken) loginsFor(hosts []string) []login.Login {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.hosts, hosts) {
		h.hosts, h.logins = hosts, loginsFor(hosts, h.Token)
	}
	return h.logins
}

// certain is until when the token surely lives: some have been seen to die with the AWS
// session that obtained them.
func (h *timedToken) certain() time.Duration {
	if h.SessionEndsAt.IsZero() {
		return h.expires
	}
	return min(h.expires, h.obtained+h.SessionEndsAt.Sub(h.ObtainedAt))
}

// Adopt hands the Renewer, before Run, a valid token of the Renewer before a reload, or
// of the previous process. former says that it may be another identity's: it is in use
// until the first token of the Renewer's own identity, which is fetched at once. An
// expired token is ignored.
func (r *Renewer) Adopt(t login.Token, former bool) {
	now, wall := r.clock.read()
	if left := t.ExpiresAt.Sub(wall); left > 0 {
		r.setToken(&timedToken{Token: t, obtained: now - wall.Sub(t.ObtainedAt), expires: now + left, former: former})
	}
}

// Held returns the token while it is valid. Its times fit the present wall
// clock, even when that has been set meanwhile.
func (r *Renewer) Held() (login.Token, bool) {
	now, wall := r.clock.read()
	h := r.lastToken()
	if h == nil || now >= h.expires {
		return login.Token{}, false
	}
	t := h.Token
	t.ObtainedAt, t.ExpiresAt = wall.Add(h.obtained-now), wall.Add(h.expires-now)
	return t, true
}

// Former reports whether the last token is one that was adopted as a former one.
func (r *Renewer) Former() bool {
	h := r.lastToken()
	return h != nil && h.former
}

// lastToken returns the last token, even an expired one; nil before the first.
func (r *Renewer) lastToken() *timedToken {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *Renewer) setToken(h *timedToken) {
	if old := r.lastToken(); old != nil {
		old.end.Do(func() {}) // it was replaced, so its end is no event any more
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = h
}

// announceExpiry observes the end of h, once, and wakes the deliveries, whose timers do
// not notice that the wall clock was set.
func (r *Renewer) announceExpiry(h *timedToken) {
	h.end.Do(func() {
		r.observe(Event{Kind: Expired, Account: h.Account, ExpiresAt: h.ExpiresAt})
		r.update(func(*State) {})
	})
}

// clock counts how much time has passed for the rest of the world. A machine's
// monotonic clock stands still while it is suspended; its wall clock can be set
// back. At each reading, the one of the two that went further counts: at worst a
// token looks older than it is and is renewed early. Safe for concurrent use.
type clock struct {
	wall func() time.Time

	mu       sync.Mutex
	lastMono time.Time
	lastWall time.Time
	now      time.Duration
}

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, lastMono: time.Now(), lastWall: wall().Round(0)}
}

// read returns the time passed since the clock was made, and the wall clock.
func (c *clock) read() (time.Duration, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mono, wall := time.Now(), c.wall().Round(0) // Round strips the monotonic reading
	c.now += max(mono.Sub(c.lastMono), wall.Sub(c.lastWall), 0)
	c.lastMono, c.lastWall = mono, wall
	return c.now, wall
}
