package renew

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const (
	// lookInterval is how often a Checker is asked: half of the two seconds within
	// which an undone login must be back.
	lookInterval = time.Second
	// afterChange is how long after a change was reported a Watcher is asked, so that
	// many in a row, as when many grants store in one file, cost one look.
	afterChange = 500 * time.Millisecond
	// watchedInterval is how often a Watcher is asked that reports no change.
	watchedInterval = time.Minute
	// Logins that are undone conflictLimit times within conflictWindow are in conflict
	// with another program. Then they are put back every conflictInterval only, until
	// a look finds them in place.
	conflictLimit    = 30
	conflictWindow   = time.Minute
	conflictInterval = 30 * time.Second

	// lastChance is how long logins outlive their token, for the loop to replace it.
	lastChance = time.Second

	never = time.Duration(math.MaxInt64)
)

// delivery keeps one target in step with the token.
type delivery struct {
	Binding
	renewer *Renewer
	watched bool // the target is a Watcher
	taken   int  // number of the token, of State.Deliveries
	tried   int  // number of the last token that the target has dealt with; Renewer.mu guards it

	// The state of the target. It belongs to the goroutine, and so does all below.
	token *held         // the one that the logins are of; nil before the first
	want  []login.Login // those that the target should hold; none once the token has expired
	have  []login.Login // those of want that it holds, as far as is known; or the expired ones to be removed
	drop  []login.Login // those of hosts that are ours no longer
	retry struct {
		at       time.Duration // when to store or remove what is to be
		failures int           // in a row
	}

	look struct {
		at       time.Duration   // when to ask the Checker
		failed   bool            // it could not tell, the last time
		undone   []time.Duration // when it found have undone, within the conflictWindow
		conflict bool            // that was too often, and it has not found them in place since
	}
	refused []string // hosts whose registry refused a token and has accepted none since
}

func newDelivery(r *Renewer, b Binding) *delivery {
	return &delivery{Binding: b, renewer: r}
}

func (d *delivery) run(ctx context.Context) {
	r := d.renewer
	changed := make(chan struct{}, 1)
	if w, ok := d.Target.(Watcher); ok {
		d.watched = true
		w.Watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		s := r.State()
		if d.taken < s.Deliveries {
			d.taken = s.Deliveries
			d.take(s.token)
		}
		now, _ := r.clock.read()
		next := d.step(ctx, now)
		now, _ = r.clock.read()
		if next > now && d.tried < d.taken {
			r.change(func(*State) { d.tried = d.taken })
		}
		timer.Reset(max(next-now, 0))
		select {
		case <-ctx.Done():
		case <-s.changed:
		case <-timer.C:
		case <-changed:
			d.changed()
		}
	}
}

// take wants the logins of another token. What the target holds of the one before
// is replaced, save for the hosts that are not named any more, because their names
// contain the account and the token is another account's.
func (d *delivery) take(h *held) {
	want := loginsFor(d.Hosts, h.Token)
	if d.token != nil {
		d.drop = append(d.drop, loginsFor(d.Hosts, d.token.Token)...)
	}
	d.drop = slices.DeleteFunc(d.drop, func(l login.Login) bool { return slices.Contains(hostsOf(want), l.Host) })
	d.token, d.want, d.have = h, want, nil
	d.retry.at, d.retry.failures = 0, 0
}

// expire wants nothing any more. Each login that was wanted may be there, even if a
// Store of it has failed. They stay for the lastChance: when it is the clock that
// was set forward, the loop only has to come round to renew the token.
func (d *delivery) expire(now time.Duration) {
	select {
	case d.renewer.round <- struct{}{}:
	default:
	}
	d.want, d.have = nil, d.want
	d.retry.at, d.retry.failures = now+lastChance, 0
}

// step does the next thing if its time has come, and returns when to step again.
func (d *delivery) step(ctx context.Context, now time.Duration) time.Duration {
	if len(d.want) > 0 && now >= d.token.expires {
		d.expire(now)
	}
	do, at := d.plan()
	if now >= at && ctx.Err() == nil {
		do(ctx)
		_, at = d.plan()
	}
	return at
}

// plan compares, and returns what is to be done next and when.
func (d *delivery) plan() (do func(context.Context), at time.Duration) {
	switch {
	case len(d.want) == 0 && len(d.have) > 0:
		return d.remove, d.retry.at
	case len(d.want) == 0:
		return nil, never
	case len(d.have) > 0 && len(d.drop) > 0:
		return d.release, 0
	}
	at = d.token.expires // then step wants nothing any more
	if len(d.have) < len(d.want) && d.retry.at < at {
		do, at = func(ctx context.Context) { _ = d.store(ctx) }, d.retry.at // observed, and planned again
	}
	if _, checks := d.Target.(Checker); checks && len(d.have) > 0 && d.look.at < at {
		do, at = d.check, d.look.at
	}
	return do, at
}

// store stores all that is wanted, also what the target has already: a file is
// written once all the same.
func (d *delivery) store(ctx context.Context) error {
	started := time.Now()
	err := d.Target.Store(ctx, d.want)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	event := Event{Target: d.Name, Account: d.token.Account, Took: time.Since(started)}
	good, bad := divide(hostsOf(d.want), err)
	d.have = slices.DeleteFunc(slices.Clone(d.want), func(l login.Login) bool { return slices.Contains(bad, l.Host) })
	d.lookIn(lookInterval)
	if len(good) > 0 {
		event.Kind, event.Hosts, event.Partial = Stored, good, len(bad) > 0
		d.renewer.observe(event)
	}
	d.report(good, refusals(err, bad))
	if len(bad) == 0 {
		d.retry.failures = 0
		return nil
	}
	event.Kind, event.Hosts, event.Partial = StoreFailed, bad, false
	d.fail(event, err)
	return err
}

// check asks the Checker whether the target still has what it had.
func (d *delivery) check(ctx context.Context) {
	stale, err := d.Target.(Checker).Stale(ctx, d.have)
	if ctx.Err() != nil {
		return
	}
	event := Event{Target: d.Name, Account: d.token.Account, Hosts: hostsOf(d.have)}
	failed := d.look.failed
	d.look.failed = err != nil
	switch {
	case err != nil:
		event.Kind = StoreFailed
		d.fail(event, err)
		d.look.at = d.retry.at
	case stale:
		event.Kind, event.Err = Undone, d.countUndone()
		d.renewer.observe(event)
		d.have, d.retry.at = nil, 0
	default:
		d.look.conflict = false
		if d.lookIn(lookInterval); d.watched {
			d.lookIn(watchedInterval)
		}
		if failed {
			event.Kind, event.Partial = Stored, len(d.have) < len(d.want)
			if !event.Partial {
				d.retry.failures = 0
			}
			d.renewer.observe(event)
		}
	}
}

// lookIn has the Checker asked after this time, or later during a conflict.
func (d *delivery) lookIn(wait time.Duration) {
	if d.look.conflict {
		wait = conflictInterval
	}
	now, _ := d.renewer.clock.read()
	d.look.at = now + wait
}

// changed has a Watcher asked that reports a change, unless it is to be asked less often.
func (d *delivery) changed() {
	now, _ := d.renewer.clock.read()
	if !d.look.conflict && !d.look.failed {
		d.look.at = min(d.look.at, now+afterChange)
	}
}

// countUndone counts that logins were undone, and returns an error when a conflict
// begins by it.
func (d *delivery) countUndone() error {
	now, _ := d.renewer.clock.read()
	d.look.undone = append(d.look.undone, now)
	d.look.undone = slices.DeleteFunc(d.look.undone, func(at time.Duration) bool { return now-at > conflictWindow })
	if d.look.conflict || len(d.look.undone) < conflictLimit {
		return nil
	}
	d.look.conflict = true
	return &fault.Error{Reason: fault.Local, Op: "keep the logins in " + d.Name,
		Err: errors.New("another program changes them again and again"),
		Hint: "find it: a second ecr-refreshd, a cron line with `docker login`, a credential script, or two entries of the configuration " +
			"for one registry, of which one names no account; until then they are put back every " + conflictInterval.String()}
}

// release drops the logins of hosts that are ours no longer. It is tried once:
// they are not renewed, so they end by themselves.
func (d *delivery) release(ctx context.Context) {
	if r, ok := d.Target.(Releaser); ok {
		event := Event{Kind: Removed, Target: d.Name, Hosts: hostsOf(d.drop)}
		if event.Err = r.Release(ctx, d.drop); ctx.Err() != nil {
			return
		} else if event.Err != nil {
			event.Kind = RemoveFailed
		}
		d.renewer.observe(event)
	}
	d.drop = nil
}

// remove takes the expired logins away where they would do harm.
func (d *delivery) remove(ctx context.Context) {
	d.renewer.expire(d.token) // comes first, though the loop may be in a fetch that hangs
	r, ok := d.Target.(Remover)
	if !ok {
		d.have = nil
		return
	}
	err := r.Remove(ctx, d.have)
	if ctx.Err() != nil {
		return
	}
	event := Event{Kind: Removed, Target: d.Name, Account: d.token.Account, Hosts: hostsOf(d.have)}
	if err != nil {
		event.Kind = RemoveFailed
		d.fail(event, err)
		return
	}
	d.have = nil
	d.renewer.observe(event)
}

// fail plans the next try after err and observes the failed one.
func (d *delivery) fail(event Event, err error) {
	d.retry.failures++
	now, wall := d.renewer.clock.read()
	wait, luck := never, draw()
	for _, f := range fault.All(err) { // the one that may be over soonest
		wait = min(wait, d.renewer.Policy.Delay(d.retry.failures, f.Reason, d.token.expires-now, luck))
	}
	d.retry.at = now + wait
	event.At, event.Attempt, event.RetryIn, event.Err = wall, d.retry.failures, wait, err
	d.renewer.observe(event)
}

// report asks the loop for another token when a registry refuses this one; once
// for a host, until it has accepted one.
func (d *delivery) report(good, refused []string) {
	d.refused = slices.DeleteFunc(d.refused, func(h string) bool { return slices.Contains(good, h) })
	known := len(d.refused)
	for _, h := range refused {
		if !slices.Contains(d.refused, h) {
			d.refused = append(d.refused, h)
		}
	}
	if len(d.refused) == known {
		return
	}
	select {
	case d.renewer.refused <- d.token.Secret:
	default: // another target has reported already
	}
}

// divide tells the hosts that err is about from the others.
func divide(hosts []string, err error) (good, bad []string) {
	faults := fault.All(err)
	for _, h := range hosts {
		if slices.ContainsFunc(faults, func(f *fault.Error) bool { return f.Concerns(h) }) {
			bad = append(bad, h)
		} else {
			good = append(good, h)
		}
	}
	return good, bad
}

// refusals are those of the hosts whose registry refused the token.
func refusals(err error, hosts []string) []string {
	var refused []string
	for _, f := range fault.All(err) {
		if f.Reason != fault.Rejected {
			continue
		}
		for _, h := range hosts {
			if f.Concerns(h) {
				refused = append(refused, h)
			}
		}
	}
	return refused
}
