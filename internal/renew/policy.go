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
	// credibleLife is the longest life that a reported expiry may give before it
	// counts as a sign of a clock so wrong that a person should know.
	credibleLife = documentedLife + time.Hour
	// shortestLife is the least that is believed; below it, renewing would be a
	// tight loop.
	shortestLife = 2 * time.Second
	// floor lies between any two attempts of one grant, whatever asks for them.
	floor = time.Second
	// calmFloor lies between two successful fetches of tokens of usual life.
	calmFloor = 10 * time.Second
	// sessionMargin is how long before the end of the AWS session a token is
	// renewed. ecr asks for a new session well before this.
	sessionMargin = 5 * time.Minute
	// urgent is the longest wait once there is no valid token left.
	urgent = time.Minute
	// nearby is the longest wait for what is on this host and costs nothing to
	// try: the engine's socket, a file.
	nearby = 30 * time.Second
)

// Policy decides when to renew and how long to wait after a failure. Its
// methods are pure; draw is a random number in [0, 1).
type Policy struct {
	At, Jitter   float64       // shares of a token's life: renew at At, up to Jitter earlier
	Initial, Max time.Duration // back-off: the first wait, and the longest
	Schedule     Schedule      // may be nil
}

// Due is the time at which t must be renewed: the earliest of its share of
// life less the jitter, the next scheduled time, and shortly before the AWS
// session behind it ends; but never within the floor.
func (p Policy) Due(t login.Token, now time.Time, draw float64) time.Time {
	life := t.ExpiresAt.Sub(t.ObtainedAt)
	due := t.ObtainedAt.Add(time.Duration(float64(life) * (p.At - p.Jitter*draw)))
	if p.Schedule != nil {
		if next := p.Schedule.Next(t.ObtainedAt); !next.IsZero() && next.Before(due) {
			due = next
		}
	}
	if session := t.SessionEndsAt.Sub(t.ObtainedAt); !t.SessionEndsAt.IsZero() && session > 0 {
		// Credentials that end within the margin were handed out because newer
		// ones do not exist yet: look again half-way.
		margin := min(sessionMargin, session/2)
		if end := t.SessionEndsAt.Add(-margin); end.Before(due) {
			due = end
		}
	}
	least := max(floor, min(calmFloor, life/4))
	if soonest := t.ObtainedAt.Add(least); due.Before(soonest) {
		due = soonest
	}
	if due.Before(now) {
		return now
	}
	return due
}

// Delay is the wait after the failures-th failure in a row of reason r, when a
// held token has left to live (zero or less: there is none). It grows
// exponentially with full jitter up to a cap that depends on the reason, and
// that shrinks as the end comes nearer.
func (p Policy) Delay(failures int, r fault.Reason, left time.Duration, draw float64) time.Duration {
	first, longest, patience := p.Initial, p.Max, patience(left)
	switch r {
	case fault.Throttled:
		first, longest = 4*first, 2*longest
	case fault.Denied, fault.Credentials: // a person must act; nothing else will help
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

// patience is the longest wait that a token with left to live allows.
func patience(left time.Duration) time.Duration {
	return max(left/6, urgent)
}

// unhurried stretches a wait for AWS while the token has hours left to live: many
// grants that meet an outage in the middle of their tokens' lives have no reason to
// ask it again and again, and each finds out for itself that it is over.
func unhurried(wait, left time.Duration) time.Duration {
	return max(wait, min(4*wait, left/6))
}

// jittered spreads a wait over everything between the floor and d.
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
		Op:     "believe the reported expiry",
		Err:    errors.New("it is " + reported.UTC().Format(time.RFC3339) + ", so by this host's clock (" + t.ObtainedAt.UTC().Format(time.RFC3339) + ") a token would live " + life.Round(time.Second).String() + " instead of 12h"),
		Hint:   "set this host's clock: `timedatectl status`; until then tokens are renewed as if they lived 12h from now",
	}
}
