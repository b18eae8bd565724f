package renew

import (
	"context"
	"time"

	"ecr-refreshd/internal/fault"
)

// reread is the longest sleep: a suspended machine or a stepped wall clock
// costs at most this.
const reread = time.Minute

// loop is the state of a running Renewer that only its own goroutine sees. All
// its times are readings of the renewer's clock.
type loop struct {
	*Renewer
	next     time.Duration   // of the next attempt
	due      time.Duration   // of the renewal that the token itself demands
	last     time.Duration   // of the last one
	expired  bool            // the end of the held token has been dealt with
	failures int             // in a row
	lastErr  error           // of the last attempt, nil when it succeeded
	news     <-chan struct{} // of the endpoint, since before the last attempt; nil unless that failed for it
	refusals int             // renewals because a registry refused a token, since the last one that was due
}

func newLoop(r *Renewer) *loop {
	return &loop{Renewer: r, last: -floor}
}

func (l *loop) run(ctx context.Context) {
	if h := l.holding(); h != nil {
		l.deliver(h, Event{Kind: Adopted})
		if l.Former() {
			l.hasten(0)
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		l.turned.Store(&now)
		passed, _ := l.clock.read()
		if passed >= l.next {
			l.attempt(ctx) // before the check below: a fetch may save the login that a stepped clock would take away
			passed, _ = l.clock.read()
		}
		wait := min(l.next-passed, reread)
		if h := l.holding(); h != nil {
			if passed >= h.expires {
				l.expire(h)
			} else {
				wait = min(wait, h.expires-passed)
			}
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.wake:
			l.hasten(0)
		case refused := <-l.rejected:
			// A refusal of a token that has been replaced since is old news.
			if h := l.holding(); h != nil && h.Secret.Equal(refused) {
				l.refuse()
			}
		case <-l.news:
			l.news = nil
			l.hasten(time.Duration(draw() * float64(l.Endpoint.waiting()) * float64(newsSpread)))
		}
	}
}

// hasten brings the next attempt forward to in from now, but not below the floor.
func (l *loop) hasten(in time.Duration) {
	passed, _ := l.clock.read()
	l.next = min(l.next, max(passed+in, l.last+floor))
	l.advance(func(p *progress) { p.next = l.next })
}

// refuse renews because a registry refused the token: at once the first time,
// then ever later, so that a registry cannot command a stream of fetches.
func (l *loop) refuse() {
	var wait time.Duration
	if l.refusals > 0 {
		wait = urgent << min(l.refusals-1, 10)
	}
	l.refusals++
	l.hasten(wait)
}

// attempt fetches once, plans what comes next, and tells those who wait.
func (l *loop) attempt(ctx context.Context) {
	l.last, _ = l.clock.read()
	if l.last >= l.due {
		l.refusals = 0
	}
	l.advance(func(p *progress) { p.begun++ })
	err := l.try(ctx)
	l.advance(func(p *progress) { p.ended, p.err, p.next = p.ended+1, err, l.next })
}

func (l *loop) try(ctx context.Context) error {
	news := l.Endpoint.news() // before: it may come while this attempt hangs
	h, took, err := l.fetch(ctx)
	l.news = nil
	switch {
	case err != nil && ctx.Err() != nil:
		// Cut short. If the time was up, it is a failure like others, unless one
		// before it says more.
		if ctx.Err() != context.DeadlineExceeded {
			return ErrEnded
		}
		if l.lastErr == nil {
			l.fail(err, took)
		}
	case err != nil:
		if l.fail(err, took) {
			l.news = news
		}
	default:
		l.Endpoint.answers(l.Renewer)
		l.failures, l.lastErr, l.expired = 0, nil, false
		l.deliver(h, Event{Kind: Renewed, Took: took})
	}
	return err
}

// deliver plans the renewal of h, announces it by the event and hands it to the
// targets.
func (l *loop) deliver(h *held, e Event) {
	passed, wall := l.clock.read()
	// The policy thinks in wall time; shift it to the renewer's clock.
	l.due = h.obtained + l.Policy.Due(h.Token, h.ObtainedAt, draw()).Sub(h.ObtainedAt)
	l.next = l.due
	e.Account, e.ObtainedAt = h.Account, wall.Add(h.obtained-passed)
	e.ExpiresAt, e.NextRefreshAt = wall.Add(h.expires-passed), wall.Add(max(l.next-passed, 0))
	l.observe(e)
	l.order(h)
}

// order hands the token to every target, or with nil tells of its end.
func (l *loop) order(h *held) {
	var number int
	l.advance(func(p *progress) { p.orders++; number = p.orders })
	for _, k := range l.keepers {
		k.order(order{h, number})
	}
}

// fail plans the next attempt after an error, and reports whether that is the
// endpoint's and not the grant's own.
func (l *loop) fail(err error, took time.Duration) (outage bool) {
	l.failures++
	l.lastErr = err
	passed, wall := l.clock.read()
	var left time.Duration
	if h := l.holding(); h != nil {
		left = h.expires - passed
	}
	reason := fault.All(err)[0].Reason
	failures, grants := l.failures, 1
	outage = shared(reason)
	switch {
	case outage:
		grants, failures = l.Endpoint.failed(l.Renewer, l.failures)
	case reason == fault.Denied || reason == fault.Invalid: // it answers; the trouble is this grant's own
		l.Endpoint.answers(l.Renewer)
	default: // it was not asked
		l.Endpoint.forget(l.Renewer)
	}
	wait := l.Policy.Delay(failures, reason, left, draw())
	// Together, the grants of an endpoint that fails call it as often as one would.
	wait = max(wait, min(wait*time.Duration(grants), patience(left)))
	l.next = passed + wait
	l.observe(Event{Kind: RenewFailed, Account: l.account(), At: wall, Attempt: l.failures, Took: took, RetryIn: wait,
		NextRefreshAt: wall.Add(wait), Err: err})
	return outage
}

// expire deals once with a token that has come to its end.
func (l *loop) expire(h *held) {
	if l.expired {
		return
	}
	l.expired = true
	l.observe(Event{Kind: Expired, Account: h.Account, ExpiresAt: h.ExpiresAt})
	l.order(nil)
}

func (l *loop) account() string {
	if h := l.holding(); h != nil {
		return h.Account
	}
	return ""
}
