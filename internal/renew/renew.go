// Package renew keeps one grant's token fresh and its targets in step with it.
//
// A Renewer runs a goroutine for the token and one for each target, so that
// nothing waits for what fails or hangs:
//
//	           Wake   a registry refused the token
//	             v    v
//	Source --> loop.run: sleep, attempt, publish --> the last token, in State
//	             |                                             |
//	      Policy: when to renew,                  one delivery.run per target:
//	      how long to wait                        take the last token, step, sleep
//	                                                           v
//	                                              Target: Store, Stale, Remove, Release
//
// The loop (loop.go) sleeps until the renewal is due, fetches a token, and publishes it
// to the deliveries. A failure only decides when the next attempt is; nothing ends the
// loop but its context. When to renew and how long to wait are pure functions
// (policy.go).
//
// A delivery (delivery.go) is the state machine of one target. Its state is the token
// that it took last and, made from it, the logins that the target should hold (want);
// those that it holds (have); those to release once new ones are stored (drop); when to try again (retry); when
// to look whether another program has undone them (looks, for a Checker); and which
// registries have refused a token. A new token changes what is wanted, and its end leaves
// nothing wanted; what the target returns changes what it has. A step compares want and
// have, makes at most one call of the target, and returns when the next step is due.
//
// Time is a reading of the renewer's own clock (held.go), which neither stands
// still while the machine is suspended nor goes back when the wall clock is set.
// Wall-clock times occur in tokens and events only.
//
// Others learn what happened in two ways: each step is an Event for the Observer,
// and how far a Renewer has come is its State, which Until waits for (state.go).
// A program that runs now and then instead of all the time calls Once (once.go).
//
// Run ends with its context: calls under way see the context end, goroutines are waited
// for, callers that wait for the Renewer receive ErrEnded, and the logins that are stored
// stay where they are. A Renewer is not reconfigured: on a reload, package daemon builds
// another one, then ends this one and hands its token over by Adopt: no token is fetched
// again, but each target stores its logins once more.
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
	// Fetch obtains a new token. It must return when ctx ends and must bound its own
	// duration (see Config.FetchLimit); renew sets no timeout. Its error is a
	// *fault.Error. It is called by one goroutine at a time.
	Fetch(ctx context.Context) (login.Token, error)
}

// Target is a place that must always hold a valid login.
//
// Store, and every method of the interfaces below that takes a ctx, must return when ctx ends
// and must bound its own duration (Watch returns at once); renew sets no timeout. A call that does not return
// blocks its target, and the end of Run. What a call returns after ctx has ended is ignored.
type Target interface {
	// Store makes the logins usable; all of a grant come in one call, so that a
	// file is written once and not once a host. It must be idempotent, and safe for
	// concurrent calls, one for each grant. Its error is a *fault.Error, or a
	// fault.List whose members name the hosts that failed.
	Store(ctx context.Context, logins []login.Login) error
}

// Checker is a Target whose logins can be undone by others.
type Checker interface {
	// Stale reports whether a Store of these logins has been undone. It is called
	// every second while logins are held, less often after an error and while two programs
	// undo each other's (looks.go), so it must cost next to nothing while nothing has changed. An
	// error, a *fault.Error, means that this could not be found out: nothing counts
	// as undone then, the target counts as failed, and Stale is called again later.
	Stale(ctx context.Context, logins []login.Login) (bool, error)
}

// Watcher is a Checker that notices by itself that its place may have changed. Its Stale
// is called only then, once after each Store, and every minute in case a change went
// unnoticed.
type Watcher interface {
	Checker
	// Watch starts to watch the place and returns at once. From then on until ctx ends,
	// the Watcher calls changed whenever something may have undone a login, and when it
	// may have missed events. Watch cannot fail: what cannot be watched, because it does
	// not exist yet, is on a network file system or no watches are left, the Watcher
	// must itself look at every second.
	//
	// Watch is called once for each grant, so a place of many grants has many changed
	// functions and should watch once for all of them. changed may be called by any
	// goroutine, holding any lock, for no reason, for this process's own stores and
	// after ctx's end; it never blocks, and many calls in a row cost one Stale. A
	// change must be reported within a second: Stale is called half a second after
	// the report, and an undone login must be back within two seconds. So is a Store that
	// failed with reason engine, whose cause may be over.
	Watch(ctx context.Context, changed func())
}

// Remover is a Target in which an expired login does harm: with one, a client cannot even
// pull from ECR Public, which it could without a login.
type Remover interface {
	// Remove takes away those of the logins that are still there as they were
	// stored; a login that somebody else has put there since stays. It is called when
	// they have expired, and again after an error. Its error is a *fault.Error.
	Remove(ctx context.Context, logins []login.Login) error
}

// Releaser is a Target that keeps something of a host as long as it serves the host.
type Releaser interface {
	// Release takes away what is kept of the logins' hosts, as far as it is still as it
	// was stored. They are hosts of the previous token's account; registries removed from
	// the configuration are handled by daemon/retire.go, which calls it too. An error, a
	// *fault.Error, is reported, and Release is not called again for these hosts.
	Release(ctx context.Context, logins []login.Login) error
}

// Forgetter is a Target that can remove logins whose text is not known any more: for logout,
// and for hosts of the previous token's account where the target is neither Releaser nor Remover.
type Forgetter interface {
	// Forget removes what there is of the hosts of which ours is true. ours is called
	// with names in lower case.
	Forget(ctx context.Context, ours func(host string) bool) error
}

// Warner is a Target whose place can have a weakness that is no failure of Store.
type Warner interface {
	// Warning says in a sentence what a person should do about the place; empty for
	// nothing. It changes nothing there.
	Warning(ctx context.Context) string
}

// Printer is a Target whose Store runs a program of the user's.
type Printer interface {
	// Output returns what the program has printed in its last run, on one line and without secrets;
	// empty for nothing.
	Output() string
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

// Observer receives an Event for every step. It must not block and never steers. It is
// called by several goroutines at once.
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
	CheckFailed              // it is not known whether the logins of Hosts are in place; as StoreFailed
	Checked                  // that is known again: Stale has succeeded after a CheckFailed
	Undone                   // somebody undid a login; a Stored or StoreFailed follows
	Removed                  // a target no longer holds the logins of Hosts, which have expired or were released
	RemoveFailed             // such logins could not be removed; Err is set
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
	Attempt       int // number of the failed try since the last success, from 1
	Took          time.Duration
	ObtainedAt    time.Time
	ExpiresAt     time.Time
	NextRefreshAt time.Time
	RetryIn       time.Duration
	Err           error
	Warning       string // of a Stored: see Warner
	Output        string // of a Stored: see Printer

	// Of a Renewed or Adopted, the token's: see login.Token.
	Source        string
	SessionEndsAt time.Time
}

// Grant names what is renewed: one token for one identity in one region.
type Grant struct {
	Region   string // us-east-1 for ECR Public
	Identity string // as people would name it: a profile, a role, "default"
	Public   bool
}
