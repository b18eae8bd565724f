package renew

import (
	"context"
	"math"
	"slices"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// removalDelay is how long logins outlive their token: the time that the loop has to
// renew it when it was only the clock that was set forward.
const removalDelay = time.Second

const never = time.Duration(math.MaxInt64)

// delivery keeps one target in step with the token. Save for tried and due, its fields
// belong to its goroutine. Times are readings of the renewer's clock.
type delivery struct {
	Binding
	renewer *Renewer
	taken   int       // number of the token that is wanted, counted as State.Tokens
	tried   int       // number of the last token that the target was called with; Renewer.mu guards it
	due     time.Time // see noteDue; Renewer.mu guards it

	token *timedToken   // the token of the logins; nil before the first
	want  []login.Login // what the target should hold; nothing once the token has expired
	// have is what the target holds of want, as far as is known. Once the token has
	// expired, it is what must be removed: all that was wanted, even if no Store of it
	// succeeded.
	have  []login.Login
	drop  []login.Login // of hosts of the previous token's account, to be released
	retry struct {
		at       time.Duration // when to store or remove again; a failed look sets it too
		failures int           // in a row, of any of these
		engine   bool          // the last one was an engine's: it may be over when a change is reported
	}
	looks        looks    // of a Checker
	refusedHosts []string // whose registry refused a token and has accepted none since
}

func (d *delivery) run(ctx context.Context) {
	r := d.renewer
	placeChanged := make(chan struct{}, 1)
	if w, ok := d.Target.(Watcher); ok {
		w.Watch(ctx, func() {
			select {
			case placeChanged <- struct{}{}:
			default:
			}
		})
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer d.noteDue(time.Time{})
	for ctx.Err() == nil {
		d.noteDue(time.Now())
		s := r.State()
		if d.taken < s.Tokens {
			d.taken = s.Tokens
			d.take(s.token)
		}
		now, _ := r.clock.read()
		next := d.step(ctx, now)
		now, _ = r.clock.read()
		if next > now && d.tried < d.taken {
			r.update(func(*State) { d.tried = d.taken })
		}
		timer.Reset(max(next-now, 0))
		d.noteDue(time.Now().Add(max(next-now, 0)))
		select {
		case <-ctx.Done():
		case <-s.outdated:
		case <-timer.C:
		case <-placeChanged:
			now, _ = r.clock.read() // the sleep may have been long
			d.placeChanged(now)
		}
	}
}

// placeChanged plans a look soon after a Watcher has reported a change, or the next try of
// what an engine has failed: it is back, or has done what the target waits for.
func (d *delivery) placeChanged(now time.Duration) {
	if d.retry.failures > 0 && d.retry.engine {
		d.retry.at = min(d.retry.at, now+afterChange)
		d.looks.at = min(d.looks.at, d.retry.at)
	}
	d.looks.soon(now)
}

// take makes h the token whose logins the target should hold. They replace those of
// the previous token, unless that was another account's: a host name with
// login.OwnAccount in it then means another host, and that of the previous account is
// dropped. Registries that were removed from the configuration are not handled here but
// by daemon/retire.go, since a reload makes new deliveries.
func (d *delivery) take(h *timedToken) {
	want := h.loginsFor(d.Hosts)
	if d.token != nil {
		d.drop = append(d.drop, d.token.loginsFor(d.Hosts)...)
	}
	d.drop = slices.DeleteFunc(d.drop, func(l login.Login) bool { return slices.Contains(hostsOf(want), l.Host) })
	d.token, d.want, d.have = h, want, nil
	d.retry.at, d.retry.failures = 0, 0
}

// startRemoval makes an expired token's logins those to be removed, after the
// removalDelay. Each login that was wanted may be there, even if a Store of it has
// failed. The loop is woken because it may be asleep when it was the clock that was set
// forward; then it renews the token at once.
func (d *delivery) startRemoval(now time.Duration) {
	select {
	case d.renewer.recheck <- struct{}{}:
	default:
	}
	d.want, d.have = nil, d.want
	d.retry.at, d.retry.failures = now+removalDelay, 0
}

// step does the next thing if its time has come, and returns when to step again.
func (d *delivery) step(ctx context.Context, now time.Duration) time.Duration {
	if len(d.want) > 0 && now >= d.token.expires {
		d.startRemoval(now)
	}
	do, at := d.plan()
	if now >= at && ctx.Err() == nil {
		do(ctx)
		_, at = d.plan()
	}
	return at
}

// plan compares what the target has with what it should have, and returns what is to
// be done next and when.
func (d *delivery) plan() (do func(context.Context), at time.Duration) {
	switch {
	case len(d.want) == 0 && len(d.have) > 0:
		return d.remove, d.retry.at
	case len(d.want) == 0:
		return nil, never
	case len(d.have) > 0 && len(d.drop) > 0:
		return d.release, 0
	}
	at = d.token.expires // then step calls startRemoval
	if len(d.have) < len(d.want) && d.retry.at < at {
		do, at = func(ctx context.Context) { _ = d.store(ctx) }, d.retry.at
	}
	if _, checks := d.Target.(Checker); checks && len(d.have) > 0 && d.looks.at < at {
		do, at = d.check, d.looks.at
	}
	return do, at
}

// store stores all that is wanted, also what the target has already: a file is
// written once all the same. A failure is observed and the next try planned; the error is
// returned for Once, which decides by it whether to go on.
func (d *delivery) store(ctx context.Context) error {
	started := time.Now()
	err := d.Target.Store(ctx, d.want)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	event := Event{Target: d.Name, Account: d.token.Account, Took: time.Since(started)}
	good, bad, refusing := outcome(hostsOf(d.want), err)
	if d.have = d.want; len(bad) > 0 {
		d.have = slices.DeleteFunc(slices.Clone(d.want), func(l login.Login) bool { return slices.Contains(bad, l.Host) })
	}
	now, _ := d.renewer.clock.read()
	d.looks.next(now, lookInterval)
	if len(good) > 0 {
		event.Kind, event.Hosts, event.Partial = Stored, good, len(bad) > 0
		if w, warns := d.Target.(Warner); warns {
			event.Warning = w.Warning(ctx)
		}
		if p, prints := d.Target.(Printer); prints {
			event.Output = p.Output()
		}
		d.renewer.observe(event)
		event.Warning, event.Output = "", ""
	}
	d.reportRefusals(good, refusing)
	if len(bad) == 0 {
		d.retry.failures = 0
		return nil
	}
	event.Kind, event.Hosts, event.Partial = StoreFailed, bad, false
	d.tryFailed(event, err)
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
	if err != nil {
		event.Kind = CheckFailed
		d.tryFailed(event, err)
		d.looks.at = d.retry.at
		return
	}
	if failed {
		event.Kind = Checked
		d.renewer.observe(event)
	}
	if !stale {
		d.looks.intact(now, d.Target)
		if failed && len(d.have) == len(d.want) {
			d.retry.failures = 0
		}
		return
	}
	event.Kind = Undone
	if d.looks.undoneAt(now) {
		event.Err = inConflict(d.Name)
	}
	d.have, d.retry.at = nil, 0
	d.renewer.observe(event)
}

// release takes away what the target keeps of the hosts of the previous token's
// account. It is tried once, and a failure is only reported: even where what stays is an
// expired login, it does no harm, since such a registry refuses a client without a
// login too.
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

// Release takes away what the target keeps of the logins' hosts, which it is not to
// serve any more: those of the previous token's account, or of registries that a reload
// removed from the configuration (daemon/retire.go). A Releaser releases them, else a
// Remover removes the logins, else a Forgetter forgets the hosts. able reports whether
// the target is one of these.
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

// remove takes the expired logins away from a Remover.
func (d *delivery) remove(ctx context.Context) {
	d.renewer.announceExpiry(d.token) // before Removed, even while the loop is in a fetch that hangs
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
		d.tryFailed(event, err)
		return
	}
	d.have = nil
	d.renewer.observe(event)
}

// tryFailed plans the next try after err and observes the failed one.
func (d *delivery) tryFailed(event Event, err error) {
	d.retry.failures++
	d.retry.engine = fault.Has(err, fault.Engine)
	now, wall := d.renewer.clock.read()
	wait, luck := never, draw()
	for _, f := range fault.All(err) { // the fault that may be over soonest decides
		wait = min(wait, d.renewer.Policy.Delay(d.retry.failures, f.Reason, d.token.expires-now, luck))
	}
	d.retry.at = now + wait
	event.At, event.Attempt, event.RetryIn, event.Err = wall, d.retry.failures, wait, err
	d.renewer.observe(event)
}

// reportRefusals asks the loop for another token when a registry refuses this one,
// once for each host until the host has accepted a token.
func (d *delivery) reportRefusals(good, refusing []string) {
	d.refusedHosts = without(d.refusedHosts, good)
	refusing = without(refusing, d.refusedHosts)
	if len(refusing) == 0 {
		return
	}
	d.refusedHosts = append(d.refusedHosts, refusing...)
	select {
	case d.renewer.refusedTokens <- d.token.Secret:
	default: // another target has reported one already
	}
}

// outcome divides the hosts of a Store that returned err: bad are those that err is
// about, good the others, and refusing the bad ones whose registry refused the token.
func outcome(hosts []string, err error) (good, bad, refusing []string) {
	faults := fault.All(err)
	for _, h := range hosts {
		concerns := func(f *fault.Error) bool { return f.Concerns(h) }
		if !slices.ContainsFunc(faults, concerns) {
			good = append(good, h)
			continue
		}
		bad = append(bad, h)
		if slices.ContainsFunc(faults, func(f *fault.Error) bool { return concerns(f) && f.Reason == fault.Rejected }) {
			refusing = append(refusing, h)
		}
	}
	return good, bad, refusing
}

func without(hosts, others []string) []string {
	return slices.DeleteFunc(hosts, func(h string) bool { return slices.Contains(others, h) })
}
