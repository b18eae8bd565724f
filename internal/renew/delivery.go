package renew

import (
	"context"
	"math"
	"slices"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// lastChance is how long logins outlive their token, for the loop to replace it.
const lastChance = time.Second

const never = time.Duration(math.MaxInt64)

// delivery keeps one target in step with the token. Save for tried, its fields
// belong to its goroutine. Times are readings of the renewer's clock.
type delivery struct {
	Binding
	renewer *Renewer
	taken   int // number of the token that is wanted, of State.Deliveries
	tried   int // number of the last one that the target has dealt with; Renewer.mu guards it

	token *held         // the one that the logins are of; nil before the first
	want  []login.Login // those that the target should hold; none once the token has expired
	have  []login.Login // those of want that it holds, as far as is known; after the end those to be removed
	drop  []login.Login // those of hosts that are ours no longer
	retry struct {
		at       time.Duration // when to store or remove again
		failures int           // in a row
	}
	looks   looks    // of a Checker
	refused []string // hosts whose registry refused a token and has accepted none since
}

func (d *delivery) run(ctx context.Context) {
	r := d.renewer
	changed := make(chan struct{}, 1)
	if w, ok := d.Target.(Watcher); ok {
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
			d.looks.changed(now)
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
	if _, checks := d.Target.(Checker); checks && len(d.have) > 0 && d.looks.at < at {
		do, at = d.check, d.looks.at
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
	good, bad, refused := outcome(hostsOf(d.want), err)
	d.have = slices.DeleteFunc(slices.Clone(d.want), func(l login.Login) bool { return slices.Contains(bad, l.Host) })
	now, _ := d.renewer.clock.read()
	d.looks.next(now, lookInterval)
	if len(good) > 0 {
		event.Kind, event.Hosts, event.Partial = Stored, good, len(bad) > 0
		if w, warns := d.Target.(Warner); warns {
			event.Warning = w.Warning(ctx)
		}
		d.renewer.observe(event)
		event.Warning = ""
	}
	d.report(good, refused)
	if len(bad) == 0 {
		d.retry.failures = 0
		return nil
	}
	event.Kind, event.Hosts, event.Partial = StoreFailed, bad, false
	d.fail(event, err)
	return err
}

// check asks the Checker whether the target still holds what it had.
func (d *delivery) check(ctx context.Context) {
	stale, err := d.Target.(Checker).Stale(ctx, d.have)
	if ctx.Err() != nil {
		return
	}
	now, _ := d.renewer.clock.read()
	event := Event{Target: d.Name, Account: d.token.Account, Hosts: hostsOf(d.have)}
	failed := d.looks.failed
	d.looks.failed = err != nil
	switch {
	case err != nil:
		event.Kind = StoreFailed
		d.fail(event, err)
		d.looks.at = d.retry.at
	case stale:
		event.Kind = Undone
		if d.looks.undoneAt(now) {
			event.Err = inConflict(d.Name)
		}
		d.have, d.retry.at = nil, 0
		d.renewer.observe(event)
	default:
		d.looks.intact(now, d.Target)
		if failed {
			event.Kind, event.Partial = Stored, len(d.have) < len(d.want)
			if !event.Partial {
				d.retry.failures = 0
			}
			d.renewer.observe(event)
		}
	}
}

// release drops the logins of hosts that are ours no longer. It is tried once:
// they are not renewed, so they end by themselves.
func (d *delivery) release(ctx context.Context) {
	event := Event{Kind: Removed, Target: d.Name, Hosts: hostsOf(d.drop)}
	released, err := Release(ctx, d.Target, d.drop)
	if ctx.Err() != nil {
		return
	}
	d.drop = nil
	if !released {
		return
	}
	if event.Err = err; err != nil {
		event.Kind = RemoveFailed
	}
	d.renewer.observe(event)
}

// Release takes away what the target keeps of hosts that are ours no longer: a
// Releaser knows what that is, a Remover removes the logins, and a Forgetter
// whatever it has of the hosts. It reports whether the target is one of these.
func Release(ctx context.Context, target Target, logins []login.Login) (able bool, err error) {
	switch t := target.(type) {
	case Releaser:
		return true, t.Release(ctx, logins)
	case Remover:
		return true, t.Remove(ctx, logins)
	case Forgetter:
		return true, t.Forget(ctx, func(host string) bool { return slices.Contains(hostsOf(logins), host) })
	}
	return false, nil
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
	d.refused = without(d.refused, good)
	refused = without(refused, d.refused)
	if len(refused) == 0 {
		return
	}
	d.refused = append(d.refused, refused...)
	select {
	case d.renewer.refused <- d.token.Secret:
	default: // another target has reported already
	}
}

// outcome divides the hosts into those that err, of a Store, is about and the
// others; refused are those of the bad ones whose registry refused the token.
func outcome(hosts []string, err error) (good, bad, refused []string) {
	faults := fault.All(err)
	for _, h := range hosts {
		concerns := func(f *fault.Error) bool { return f.Concerns(h) }
		if !slices.ContainsFunc(faults, concerns) {
			good = append(good, h)
			continue
		}
		bad = append(bad, h)
		if slices.ContainsFunc(faults, func(f *fault.Error) bool { return concerns(f) && f.Reason == fault.Rejected }) {
			refused = append(refused, h)
		}
	}
	return good, bad, refused
}

func without(hosts, others []string) []string {
	return slices.DeleteFunc(hosts, func(h string) bool { return slices.Contains(others, h) })
}
