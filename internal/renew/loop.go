package renew

import (
	"context"
	"time"

	"ecr-refreshd/internal/fault"
)

// reread is the loop's longest sleep: a suspended machine or a stepped wall clock
// costs at most this.
const reread = time.Minute

// loop renews the token. Its fields belong to its goroutine.
type loop struct {
	renewer  *Renewer
	next     time.Duration // of the next attempt
	due      time.Duration // of the renewal that the token itself demands
	last     time.Duration // of the last attempt
	failures int           // in a row
	lastErr  error         // of the last attempt, nil when it succeeded
	refusals int           // renewals because a registry refused a token, since the last one that was due
}

func newLoop(r *Renewer) *loop {
	return &loop{renewer: r, last: -floor}
}

func (l *loop) run(ctx context.Context) {
	r := l.renewer
	defer r.turn(time.Time{})
	if h := r.holding(); h != nil {
		l.deliver(h, Event{Kind: Adopted})
		if h.former {
			l.bringForward(0)
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.turn(time.Now())
		now, _ := r.clock.read()
		if now >= l.next {
			l.attempt(ctx) // before the check below: a fetch may save the login that a stepped clock would take away
			now, _ = r.clock.read()
		}
		wait := min(l.next-now, reread)
		if h := r.holding(); h != nil {
			if now >= h.expires {
				r.expire(h)
			} else {
				wait = min(wait, h.expires-now)
			}
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.round:
		case <-r.wake:
			l.bringForward(0)
		case secret := <-r.refused:
			// A refusal of a token that has been replaced since is old news.
			if h := r.holding(); h != nil && h.Secret.Equal(secret) {
				l.refuse()
			}
		}
	}
}

// bringForward has the next attempt made in this time, if it is not due before,
// but not below the floor.
func (l *loop) bringForward(in time.Duration) {
	now, _ := l.renewer.clock.read()
	l.next = min(l.next, max(now+in, l.last+floor))
	l.renewer.change(func(s *State) { s.next = l.next })
}

// refuse renews because a registry refused the token: at once the first time,
// then ever later, so that a registry cannot command a stream of fetches.
func (l *loop) refuse() {
	var wait time.Duration
	if l.refusals > 0 {
		wait = urgent << min(l.refusals-1, 10)
	}
	l.refusals++
	l.bringForward(wait)
}

// attempt fetches once, plans what comes next, and tells those who wait.
func (l *loop) attempt(ctx context.Context) {
	l.last, _ = l.renewer.clock.read()
	if l.last >= l.due {
		l.refusals = 0
	}
	l.renewer.change(func(s *State) { s.Begun++ })
	err := l.try(ctx)
	l.renewer.change(func(s *State) { s.Ended, s.Err, s.next = s.Ended+1, err, l.next })
}

func (l *loop) try(ctx context.Context) error {
	h, took, err := l.fetch(ctx)
	switch {
	case err == nil:
		l.failures, l.lastErr = 0, nil
		l.deliver(h, Event{Kind: Renewed, Took: took})
	case ctx.Err() == nil:
		l.fail(err, took)
	case ctx.Err() != context.DeadlineExceeded: // cut short
		return ErrEnded
	case l.lastErr == nil: // the time was up; a failure before this one says more
		l.fail(err, took)
	}
	return err
}

// fetch makes one attempt and, when it succeeds, holds the token.
func (l *loop) fetch(ctx context.Context) (h *held, took time.Duration, err error) {
	r := l.renewer
	obtained, wall := r.clock.read()
	started := time.Now()
	t, err := r.Source.Fetch(ctx)
	took = time.Since(started)
	if err != nil {
		return nil, took, err
	}
	if t.ObtainedAt.IsZero() {
		t.ObtainedAt = wall
	}
	reported := t.ExpiresAt
	if t, err = correct(t); err != nil {
		r.observe(Event{Kind: ClockWrong, Account: t.Account, ExpiresAt: reported, Err: err})
	}
	h = &held{Token: t, obtained: obtained, expires: obtained + t.ExpiresAt.Sub(t.ObtainedAt)}
	r.hold(h)
	return h, took, nil
}

// deliver plans the renewal of h, announces h by the event, and makes it the
// token that the targets are to hold.
func (l *loop) deliver(h *held, e Event) {
	r := l.renewer
	now, wall := r.clock.read()
	// The policy thinks in wall time; shift it to the renewer's clock.
	l.due = h.obtained + r.Policy.Due(h.Token, h.ObtainedAt, draw()).Sub(h.ObtainedAt)
	l.next = l.due
	e.Account, e.ObtainedAt = h.Account, wall.Add(h.obtained-now)
	e.ExpiresAt, e.NextRefreshAt = wall.Add(h.expires-now), wall.Add(max(l.next-now, 0))
	r.observe(e)
	r.change(func(s *State) { s.Deliveries, s.token = s.Deliveries+1, h })
}

// fail plans the next attempt after an error.
func (l *loop) fail(err error, took time.Duration) {
	r := l.renewer
	l.failures++
	l.lastErr = err
	now, wall := r.clock.read()
	var account string
	var left time.Duration
	if h := r.holding(); h != nil {
		account, left = h.Account, h.expires-now
	}
	reason := fault.All(err)[0].Reason
	wait := r.Policy.Delay(l.failures, reason, left, draw())
	if reason == fault.Network || reason == fault.Throttled {
		wait = unhurried(wait, left)
	}
	l.next = now + wait
	r.observe(Event{Kind: RenewFailed, Account: account, At: wall, Attempt: l.failures, Took: took, RetryIn: wait,
		NextRefreshAt: wall.Add(wait), Err: err})
}
