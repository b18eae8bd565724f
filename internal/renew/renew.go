// Package renew keeps one grant's token fresh and its targets in step with it.
//
// A Renewer runs a goroutine for the token and one for each target, so that
// nothing waits for what fails or hangs:
//
//	           Wake   a registry refused the token
//	             v    v
//	Source --> loop.run: sleep, attempt, deliver --> the newest token, in State
//	             |                                             |
//	      Policy: when to renew,                  one delivery.run per target:
//	      how long to wait                        take the newest, step, sleep
//	                                                           v
//	                                              Target: Store, Stale, Remove, Release
//
// The loop (loop.go) sleeps until the renewal is due, fetches, and holds the
// token. A failure only decides when the next attempt is; nothing ends the loop
// but its context. When to renew and how long to wait are pure functions
// (policy.go).
//
// A delivery (delivery.go) is the state machine of one target. It has four facts:
// the logins that it wants there, those that the target has, those to drop, and
// when to retry. A new token changes what is wanted, and its end leaves nothing
// wanted; what the target answers changes what it has. A step compares them, does
// at most one thing about a difference, and returns when to look again.
//
// Time is a reading of the renewer's own clock (held.go), which neither stands
// still while the machine is suspended nor goes back when the wall clock is set.
// Wall-clock times occur in tokens and events only.
//
// Others learn what happened in two ways: each step is an Event for the Observer,
// and how far a Renewer has come is its State, which Until waits for (state.go).
// A program that runs now and then instead of all the time calls Once (once.go).
//
// The package knows neither AWS nor Docker: what it needs of them are the
// interfaces below.
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
	// every second, so it must cost next to nothing while nothing has changed. An
	// error, a *fault.Error, means that this could not be found out: nothing counts
	// as undone then, the target counts as failed, and it is asked again later.
	Stale(ctx context.Context, logins []login.Login) (bool, error)
}

// Watcher is a Checker that notices by itself that its place may have changed. It is
// asked whether logins are Stale only then, once after each Store, and every minute
// in case a change went unnoticed.
type Watcher interface {
	Checker
	// Watch has changed called after whatever may have undone a login, from before
	// it returns until ctx ends. It returns at once and never fails: what cannot be watched, because it does not exist yet,
	// is on a network file system or no watches are left, the Watcher looks at itself
	// every second, and it calls changed when events may have been lost.
	//
	// Each grant watches once, so a place that serves many has many changed
	// functions and should watch once for all of them. changed may be called by any
	// goroutine, holding any lock, for no reason, for this process's own stores and
	// after ctx's end; it never blocks, and many calls in a row cost one look. A
	// change must be reported within a second: the look comes half a second after
	// the report, and an undone login must be back within two.
	Watch(ctx context.Context, changed func())
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

// Forgetter is a Target that can take out logins whose text is not known any more.
type Forgetter interface {
	// Forget takes out what there is of the hosts that are ours. ours is asked with names
	// in lower case.
	Forget(ctx context.Context, ours func(host string) bool) error
}

// Warner is a Target whose place can have a weakness that is no failure of Store.
type Warner interface {
	// Warning says in a sentence what a person should do about the place; empty for
	// nothing. It changes nothing there.
	Warning(ctx context.Context) string
}

// Prober is a Target that can find out, without changing anything, whether clients get in
// by it.
type Prober interface {
	// Probe reports why a client that relies on the target would not get in with the
	// logins, or gets others. The error is a *fault.Error or a fault.List.
	Probe(ctx context.Context, logins []login.Login) error
}

// Schedule returns times at which to renew besides those that the expiry
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
