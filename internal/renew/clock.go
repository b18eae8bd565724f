package renew

import (
	"sync"
	"time"
)

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
	passed   time.Duration
}

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, lastMono: time.Now(), lastWall: wall().Round(0)}
}

// read gives the time passed since the clock was made, and the wall clock.
func (c *clock) read() (time.Duration, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mono, wall := time.Now(), c.wall().Round(0) // Round strips the monotonic reading
	c.passed += max(mono.Sub(c.lastMono), wall.Sub(c.lastWall), 0)
	c.lastMono, c.lastWall = mono, wall
	return c.passed, wall
}
