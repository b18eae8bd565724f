package renew

import (
	"errors"
	"slices"
	"time"

	"ecr-refreshd/internal/fault"
)

const (
	// lookInterval is how often a Checker is called: half of the two seconds within
	// which an undone login must be back.
	lookInterval = time.Second
	// afterChange is how long after a reported change a Watcher is called, so that
	// many in a row, as when many grants store in one file, cost one look.
	afterChange = 500 * time.Millisecond
	// watchedInterval is how often a Watcher is called that reports no change.
	watchedInterval = time.Minute
	// Logins that are undone conflictLimit times within conflictWindow are in conflict
	// with another program. Then they are put back every conflictInterval only, until
	// a look finds them in place.
	conflictLimit    = 30
	conflictWindow   = time.Minute
	conflictInterval = 30 * time.Second
)

// looks decides when a Checker's Stale is called, which is a look, and whether another
// program keeps undoing the logins.
type looks struct {
	at       time.Duration   // when to look next
	failed   bool            // the last look returned an error
	undone   []time.Duration // when logins were found undone, within the conflictWindow
	conflict bool            // that was too often, and they have not been found in place since
}

// next plans the next look in wait, or later during a conflict.
func (l *looks) next(now, wait time.Duration) {
	if l.conflict {
		wait = conflictInterval
	}
	l.at = now + wait
}

// soon plans a look soon after a Watcher has reported a change at now. During a
// conflict and after a failed look the next look stays where it is: its wait is a
// back-off.
func (l *looks) soon(now time.Duration) {
	if !l.conflict && !l.failed {
		l.at = min(l.at, now+afterChange)
	}
}

// intact notes that the logins of the target were found in place.
func (l *looks) intact(now time.Duration, t Target) {
	l.conflict = false
	l.next(now, lookInterval)
	if _, watched := t.(Watcher); watched {
		l.next(now, watchedInterval)
	}
}

// undoneAt notes that logins were found undone, and reports whether a conflict
// begins with it.
func (l *looks) undoneAt(now time.Duration) bool {
	l.undone = slices.DeleteFunc(append(l.undone, now), func(at time.Duration) bool { return now-at > conflictWindow })
	begins := !l.conflict && len(l.undone) >= conflictLimit
	l.conflict = l.conflict || begins
	return begins
}

func inConflict(target string) error {
	return &fault.Error{Reason: fault.Local, Op: "keep the logins in " + target,
		Err: errors.New("another program changes them again and again"),
		Hint: "find it: a second ecr-refreshd, a cron line with `docker login`, a credential script, or two entries of the configuration " +
			"for one registry, of which one names no account; until then they are put back every " + conflictInterval.String()}
}
