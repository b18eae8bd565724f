// Package renew is the heart: it keeps one grant's token fresh and its targets
// in step. When to renew and how long to wait after a failure are pure
// functions of Policy; Renewer runs them. It knows neither AWS nor Docker: a
// Source gives tokens, Targets take logins, an Observer hears what happened.
package renew

import (
	"context"
	"time"

	"ecr-refreshd/internal/login"
)

// Source obtains tokens for one grant.
type Source interface {
	// Fetch obtains a new token. It honours ctx and returns a *fault.Error.
	// It is called by one goroutine at a time.
	Fetch(ctx context.Context) (login.Token, error)
}

// Target is a place that must always hold a valid login.
type Target interface {
	// Store makes the logins usable; all of a grant come in one call, so that a
	// file is written once and not once a host. It is idempotent and safe to
	// call at once for different grants. Its error is a *fault.Error, or a
	// fault.List whose members name the hosts that failed.
	Store(ctx context.Context, logins []login.Login) error
}

// Checker is a Target whose logins can be undone by others.
type Checker interface {
	// Stale reports whether a Store of these logins has been undone. It is asked
	// every second, so it must cost next to nothing while nothing has changed.
	Stale(ctx context.Context, logins []login.Login) (bool, error)
}

// Remover is a Target in which an expired login does harm.
type Remover interface {
	// Remove takes away those of the logins that are still there as they were
	// stored; a login that somebody else has put there since stays.
	Remove(ctx context.Context, logins []login.Login) error
}

// Releaser is a Target that keeps something of a host as long as the host is ours.
type Releaser interface {
	// Release takes away what is kept of hosts that are ours no longer, as far as it
	// is still as it was stored.
	Release(ctx context.Context, logins []login.Login) error
}

// Warner is a Target whose place can have a weakness that is no failure of Store.
type Warner interface {
	// Warning says in a sentence what a person should do about the place; empty for
	// nothing. It changes nothing there.
	Warning(ctx context.Context) string
}

// Schedule gives times at which to renew besides those that the expiry
// demands. The zero time means never.
type Schedule interface{ Next(time.Time) time.Time }

// Observer hears of every step. It must not block and never steers. It is
// called from several goroutines at once.
type Observer interface{ Observe(Event) }

// Kind says what an Event is about.
type Kind int

// The kinds of events.
const (
	Renewed      Kind = iota // a new token is held; ObtainedAt, ExpiresAt, NextRefreshAt and Took are set
	Adopted                  // a token from before is held; as Renewed, without Took
	RenewFailed              // a fetch failed; Err, Attempt and RetryIn are set
	Expired                  // the held token has reached its end
	ClockWrong               // the reported expiry (ExpiresAt) cannot be true on this host's clock; Err says how
	Stored                   // a target holds the logins of Hosts; Took is set
	StoreFailed              // a target failed for the Hosts; Err, Attempt and RetryIn are set
	Undone                   // somebody undid a login; a Stored or StoreFailed follows
	Removed                  // a target no longer holds the logins of Hosts, which have expired or are ours no longer
	RemoveFailed             // such logins could not be taken away; Err is set
)

// Event is one step of one grant. It cannot carry a secret.
type Event struct {
	Kind          Kind
	Grant         Grant
	Target        string   // the target's name; empty for events of the token itself
	Hosts         []string // with OwnAccount filled in as soon as it is known
	Partial       bool     // of a Stored: the call failed for other hosts, and a StoreFailed follows
	Account       string   // the token's account, once known
	At            time.Time
	Attempt       int // 1 for the first try after a success
	Took          time.Duration
	ObtainedAt    time.Time
	ExpiresAt     time.Time
	NextRefreshAt time.Time
	RetryIn       time.Duration
	Err           error
	Warning       string // of a Stored: see Warner
}

// Grant names what is renewed: one token for one identity in one region.
type Grant struct {
	Region   string // us-east-1 for ECR Public
	Identity string // as people would name it: a profile, a role, "default"
	Public   bool
}
