package renew

import (
	"errors"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const (
	// documentedLife is what ECR's documentation promises for every token.
	documentedLife = 12 * time.Hour
	// credibleLife is the longest life by a reported expiry that is accepted silently.
	// Beyond it, this host's clock is so wrong that a person should know.
	credibleLife = documentedLife + time.Hour
	// shortestLife is the shortest life by a reported expiry that is accepted; with a
	// shorter one, renewing would be a tight loop.
	shortestLife = 2 * time.Second
	// floor is the least time between two attempts of one grant, whatever causes them.
	floor = time.Second
	// calmFloor is the least time from one successful fetch to the next that is due, for
	// tokens of usual life.
	calmFloor = 10 * time.Second
	// sessionMargin is how long before the end of the AWS session a token is
	// renewed. ecr asks for a new session well before this.
	sessionMargin = 5 * time.Minute
	// leastPatience is the least that patience returns, so it is the longest wait once
	// no valid token is left: for Denied and Credentials five times that.
	leastPatience = time.Minute
	// refusalBackoff is the wait before the second renewal in a row that a refused
	// token caused; each further one doubles it.
	refusalBackoff = time.Minute
	// nearby is the longest wait for what is on this host and costs nothing to
	// try: the engine's socket, a file.
	nearby = 30 * time.Second
)

// Policy decides when to renew and how long to wait after a failure. Its
// methods are pure; draw is a random number in [0, 1).
type Policy struct {
	At, Jitter   float64       // shares of a token's life: renew at At, up to Jitter earlier
	Initial, Max time.Duration // back-off: the first wait and the longest, which Delay stretches by reason
	Schedule     Schedule      // may be nil
}

// Due is the time at which t must be renewed: the earliest of its share of
// life less the jitter, the next scheduled time, and shortly before the AWS
// session behind it ends; but not before a quarter of its life or the calmFloor,
// whichever is shorter, and never within the floor.
func (p Policy) Due(t login.Token, draw float64) time.Time {
	life := t.ExpiresAt.Sub(t.ObtainedAt)
	due := t.ObtainedAt.Add(time.Duration(float64(life) * (p.At - p.Jitter*draw)))
	if p.Schedule != nil {
		if next := p.Schedule.Next(t.ObtainedAt); !next.IsZero() && next.Before(due) {
			due = next
		}
	}
	if session := t.SessionEndsAt.Sub(t.ObtainedAt); !t.SessionEndsAt.IsZero() && session > 0 {
		// Credentials that end within the margin were returned because newer ones do
		// not exist yet: renew half-way.
		margin := min(sessionMargin, session/2)
		if end := t.SessionEndsAt.Add(-margin); end.Before(due) {
			due = end
		}
	}
	least := max(floor, min(calmFloor, life/4))
	if soonest := t.ObtainedAt.Add(least); due.Before(soonest) {
		return soonest
	}
	return due
}

// Delay is the wait after the failures-th failure in a row, of reason r. left is the
// life that the last token has left; zero or less means that no token is valid. The wait
// grows exponentially with full jitter up to a cap that depends on the reason and shrinks
// as the token's end comes nearer.
func (p Policy) Delay(failures int, r fault.Reason, left time.Duration, draw float64) time.Duration {
	first, longest, patience := p.Initial, p.Max, patience(left)
	switch r {
	case fault.Throttled:
		first, longest = 4*first, 2*longest
	case fault.Denied, fault.Credentials: // only a person can fix it
		first, longest, patience = 10*first, 6*longest, 5*patience
	case fault.Engine, fault.Local:
		longest = min(longest, nearby)
	}
	ceiling := longest
	if failures < 32 { // beyond, the shift would overflow
		ceiling = min(longest, first<<max(failures-1, 0))
	}
	return jittered(min(ceiling, patience), draw)
}

// patience is the longest wait when the last token has left to live.
func patience(left time.Duration) time.Duration {
	return max(left/6, leastPatience)
}

// unhurried stretches a wait for AWS while the token has hours left to live: many
// grants that meet an outage in the middle of their tokens' lives have no reason to
// call it often, and each finds out for itself that the outage is over.
func unhurried(wait, left time.Duration) time.Duration {
	return max(wait, min(4*wait, left/6))
}

// jittered draws a wait between the floor and d.
func jittered(d time.Duration, draw float64) time.Duration {
	if d <= floor {
		return floor
	}
	return floor + time.Duration(draw*float64(d-floor))
}

// correct replaces an expiry that cannot be true by the documented life. A
// reported end in the past or far away means a wrong clock, not a dead token;
// when it is absurd, the error says so.
func correct(t login.Token) (login.Token, error) {
	reported, life := t.ExpiresAt, t.ExpiresAt.Sub(t.ObtainedAt)
	if life < shortestLife || life > documentedLife {
		t.ExpiresAt = t.ObtainedAt.Add(documentedLife)
	}
	if life >= shortestLife && life <= credibleLife {
		return t, nil
	}
	return t, &fault.Error{
		Reason: fault.Invalid,
		Op:     "check the reported expiry",
		Err: errors.New("it is " + reported.UTC().Format(time.RFC3339) + ", so by this host's clock (" +
			t.ObtainedAt.UTC().Format(time.RFC3339) + ") a token would live " + life.Round(time.Second).String() +
			" instead of 12h"),
		Hint: "set this host's clock: `timedatectl status`; until then tokens are renewed as if they lived 12h from now",
	}
}
