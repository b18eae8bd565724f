package renew

import (
	"context"
	"time"

	"ecr-refreshd/internal/fault"
)

// reread is the loop's longest sleep, after which it reads the clock again: a suspended
// machine or a stepped wall clock delays a renewal by this at most.
const reread = time.Minute

// loop renews the token. Its fields belong to its goroutine.
type loop struct {
	renewer  *Renewer
	next     time.Duration // of the next attempt
	due      time.Duration // of the renewal that the token itself demands
	last     time.Duration // of the last attempt
	failures int           // in a row
	lastErr  error         // of the last attempt, nil when it succeeded
	refusals int           // renewals because a registry refused a token, since the last that was due
}

func newLoop(r *Renewer) *loop {
	return &loop{renewer: r, last: -floor} // so the floor does not delay the first attempt
}

func (l *loop) run(ctx context.Context) {
	r := l.renewer
	defer r.noteLoop(time.Time{})
	if h := r.lastToken(); h != nil {
		l.publish(h, Event{Kind: Adopted})
		if h.former {
			l.bringForward(0)
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.noteLoop(time.Now())
		now, _ := r.clock.read()
		if now >= l.next {
			// Before the check below: when the clock was set forward, a fetch replaces the
			// logins that would be removed.
			l.attempt(ctx)
			now, _ = r.clock.read()
		}
		wait := min(l.next-now, reread)
		if h := r.lastToken(); h != nil {
			if now >= h.expires {
				r.announceExpiry(h)
			} else {
				wait = min(wait, h.expires-now)
			}
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.recheck:
		case <-r.wake:
			l.bringForward(0)
		case secret := <-r.refusedTokens:
			// Ignored if the token has been replaced since.
			if h := r.lastToken(); h != nil && h.Secret.Equal(secret) {
				l.renewRefused()
			}
		}
	}
}

// bringForward moves the next attempt to in from now, unless it is due before, but not
// closer to the last attempt than the floor.
func (l *loop) bringForward(in time.Duration) {
	now, _ := l.renewer.clock.read()
	l.next = min(l.next, max(now+in, l.last+floor))
	l.renewer.update(func(s *State) { s.next = l.next })
}

// renewRefused plans a renewal because a registry refused the token: at once the first
// time, then later each time, so that a registry cannot cause a stream of fetches.
func (l *loop) renewRefused() {
	var wait time.Duration
	if l.refusals > 0 {
		wait = refusalBackoff << min(l.refusals-1, 10)
	}
	l.refusals++
	l.bringForward(wait)
}

// attempt fetches once, plans the next attempt, and updates the State.
func (l *loop) attempt(ctx context.Context) {
	l.last, _ = l.renewer.clock.read()
	if l.last >= l.due {
		l.refusals = 0
	}
	l.renewer.update(func(s *State) { s.Begun++ })
	err := l.try(ctx)
	l.renewer.update(func(s *State) { s.Ended, s.Err, s.next = s.Ended+1, err, l.next })
}

// try fetches once. Run's context is cancelled and has no deadline; that of Once may
// have one, and then its end is a failed attempt.
func (l *loop) try(ctx context.Context) error {
	h, took, err := l.fetch(ctx)
	switch {
	case err == nil:
		l.failures, l.lastErr = 0, nil
		l.publish(h, Event{Kind: Renewed, Took: took})
	case ctx.Err() == nil:
		l.fetchFailed(err, took)
	case ctx.Err() != context.DeadlineExceeded: // cancelled: no failure of the fetch
		return ErrEnded
	case l.lastErr == nil: // a failure before the deadline says more than the deadline
		l.fetchFailed(err, took)
	}
	return err
}

// fetch calls the Source once and makes the token that it returns the last one.
func (l *loop) fetch(ctx context.Context) (h *timedToken, took time.Duration, err error) {
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
	h = &timedToken{Token: t, obtained: obtained, expires: obtained + t.ExpiresAt.Sub(t.ObtainedAt)}
	r.setToken(h)
	return h, took, nil
}

// publish plans the renewal of h, observes e with the times of h, and makes h the token
// that the deliveries take.
func (l *loop) publish(h *timedToken, e Event) {
	r := l.renewer
	now, wall := r.clock.read()
	// The policy reckons in wall-clock time; this moves it to the renewer's clock.
	l.due = h.obtained + r.Policy.Due(h.Token, draw()).Sub(h.ObtainedAt)
	l.next = l.due
	e.Account, e.ObtainedAt = h.Account, wall.Add(h.obtained-now)
	e.Source, e.SessionEndsAt = h.Source, h.SessionEndsAt
	e.ExpiresAt, e.NextRefreshAt = wall.Add(h.expires-now), wall.Add(max(l.next-now, 0))
	r.observe(e)
	r.update(func(s *State) { s.Tokens, s.token = s.Tokens+1, h })
}

// fetchFailed plans the next attempt after an error and observes the failed one.
func (l *loop) fetchFailed(err error, took time.Duration) {
	r := l.renewer
	l.failures++
	l.lastErr = err
	now, wall := r.clock.read()
	var account string
	var left time.Duration
	if h := r.lastToken(); h != nil {
		account, left = h.Account, h.certain()-now
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
