package renew

import (
	"sync"
	"time"

	"ecr-refreshd/internal/login"
)

// held is a token on the renewer's own clock.
type held struct {
	login.Token
	obtained, expires time.Duration
	former            bool      // adopted, and to be replaced at once
	end               sync.Once // its end has been observed, or it was replaced before
}

// Adopt gives the Renewer, before Run, a token that is held already: from before a
// reload or of the former process. A former one, which may be of another identity,
// serves until the first of the own one is there, which is fetched at once. An expired
// one is ignored.
func (r *Renewer) Adopt(t login.Token, former bool) {
	now, wall := r.clock.read()
	if left := t.ExpiresAt.Sub(wall); left > 0 {
		r.hold(&held{Token: t, obtained: now - wall.Sub(t.ObtainedAt), expires: now + left, former: former})
	}
}

// Held returns the token while it is valid. Its times fit the present wall
// clock, even when that has been set meanwhile.
func (r *Renewer) Held() (login.Token, bool) {
	now, wall := r.clock.read()
	h := r.holding()
	if h == nil || now >= h.expires {
		return login.Token{}, false
	}
	t := h.Token
	t.ObtainedAt, t.ExpiresAt = wall.Add(h.obtained-now), wall.Add(h.expires-now)
	return t, true
}

// Former reports whether the held token is still one that was adopted to be
// replaced at once.
func (r *Renewer) Former() bool {
	h := r.holding()
	return h != nil && h.former
}

// holding returns the last token, even an expired one; nil before the first.
func (r *Renewer) holding() *held {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *Renewer) hold(h *held) {
	if old := r.holding(); old != nil {
		old.end.Do(func() {}) // it has a successor, so its end is no event any more
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = h
}

// expire observes the end of h, once, and wakes the targets, whose timers know nothing
// of a wall clock that was set.
func (r *Renewer) expire(h *held) {
	h.end.Do(func() {
		r.observe(Event{Kind: Expired, Account: h.Account, ExpiresAt: h.ExpiresAt})
		r.change(func(*State) {})
	})
}

// clock counts how much time has passed for the rest of the world. A machine's
// monotonic clock stands still while it is suspended; its wall clock can be set
// back. Of the two, the one that went further is believed, at each reading: at
// worst a token looks older than it is and is renewed early. Safe for
// concurrent use.
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
