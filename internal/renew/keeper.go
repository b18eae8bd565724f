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
	// glance is how often a Checker is asked: half of the two seconds within
	// which an undone login must be back.
	glance = time.Second
	// A login that is undone fightLimit times in fightWindow is
	// fought over by two programs; then it is looked at every truce only, until
	// a look finds it in place.
	fightLimit  = 30
	fightWindow = time.Minute
	truce       = 30 * time.Second
)

// keeper keeps one target in step with the token, in a goroutine of its own,
// so that a target that fails or hangs delays no other.
type keeper struct {
	*Renewer
	Binding
	orders chan order // the newest wins
	dealt  int        // number of the last order that has been tried; Renewer.mu guards it

	// What follows belongs to the goroutine.
	token    *held
	logins   []login.Login // of token, for this target; none: there is nothing to do
	stored   []login.Login // those that the target holds, as far as we know
	former   []login.Login // of hosts that are ours no longer, to be removed
	expired  bool          // the logins are to be removed, not stored
	doAt     time.Time     // when to store or remove next; zero when that is done
	failures int
	refused  []string    // hosts whose registry refused a token and has accepted none since
	undone   []time.Time // within the fight window, oldest first
	fight    bool        // there were too many of them
}

// order is a token to be stored; none: the last one has expired.
type order struct {
	*held
	number int
}

// order gives the keeper an order. It never blocks; there is one caller.
func (k *keeper) order(o order) {
	for {
		select {
		case k.orders <- o:
			return
		default:
		}
		select {
		case <-k.orders: // not taken yet, and out of date now
		default:
		}
	}
}

func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(math.MaxInt64)
	defer timer.Stop()
	for {
		dealt := k.dealt
		select {
		case <-ctx.Done():
			return
		case o := <-k.orders:
			k.take(o.held)
			dealt = o.number
		case <-timer.C:
		}
		k.tend(ctx)
		if dealt != k.dealt {
			k.advance(func(*progress) { k.dealt = dealt })
		}
		timer.Reset(k.nap())
	}
}

// take makes the newest order the keeper's own.
func (k *keeper) take(h *held) {
	if h != nil {
		logins := loginsFor(k.Binding.Hosts, h.Token)
		if k.token != nil && k.token.Account != h.Account { // so the names with an open account are others
			for _, l := range k.logins {
				if !slices.ContainsFunc(logins, func(n login.Login) bool { return n.Host == l.Host }) {
					k.former = append(k.former, l)
				}
			}
		}
		k.token, k.logins, k.stored = h, logins, nil
	}
	k.expired, k.failures, k.doAt = h == nil, 0, time.Now()
}

// tend does what is due: store, remove, or look whether a login was undone.
func (k *keeper) tend(ctx context.Context) {
	if len(k.logins) == 0 || ctx.Err() != nil {
		return
	}
	if passed, _ := k.clock.read(); passed >= k.token.expires && !k.expired {
		k.expired, k.doAt = true, time.Now() // a fetch that hangs holds up the order
	}
	if len(k.stored) > 0 && !k.expired && k.isUndone(ctx) {
		k.doAt = time.Now()
	}
	if k.doAt.IsZero() || time.Now().Before(k.doAt) {
		return
	}
	if k.expired {
		k.remove(ctx)
	} else {
		_ = k.store(ctx) // observed, and planned again
	}
}

// nap is how long there is nothing to do.
func (k *keeper) nap() time.Duration {
	nap := time.Duration(math.MaxInt64)
	if len(k.logins) > 0 && !k.doAt.IsZero() {
		nap = time.Until(k.doAt)
	}
	switch _, checks := k.Target.(Checker); {
	case !checks || len(k.stored) == 0:
	case k.fight:
		nap = min(nap, truce)
	default:
		nap = min(nap, glance)
	}
	return nap
}

// isUndone asks a Checker, and keeps count.
func (k *keeper) isUndone(ctx context.Context) bool {
	c, ok := k.Target.(Checker)
	if !ok {
		return false
	}
	now := time.Now()
	k.undone = slices.DeleteFunc(k.undone, func(at time.Time) bool { return now.Sub(at) > fightWindow })
	stale, err := c.Stale(ctx, k.stored)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		return true // Store will say why
	}
	if !stale {
		k.fight = false
		return false
	}
	k.undone = append(k.undone, now)
	if !k.fight && len(k.undone) >= fightLimit {
		k.fight = true
		err = &fault.Error{Reason: fault.Local, Op: "keep the logins in " + k.Name,
			Err: errors.New("another program changes them again and again"),
			Hint: "find it: a second ecr-refreshd, a cron line with `docker login`, a credential script, or two entries of the configuration " +
				"for one registry, of which one names no account; until then they are put back every " + truce.String()}
	}
	k.observe(Event{Kind: Undone, Target: k.Name, Account: k.token.Account, Hosts: hostsOf(k.stored), Err: err})
	return true
}

func (k *keeper) store(ctx context.Context) error {
	started := time.Now()
	err := k.Target.Store(ctx, k.logins)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	took := time.Since(started)
	good, bad := divide(hostsOf(k.logins), err)
	event := Event{Target: k.Name, Account: k.token.Account, Took: took}
	if len(good) > 0 {
		event.Kind, event.Hosts, event.Partial = Stored, good, len(bad) > 0
		if w, ok := k.Target.(Warner); ok {
			event.Warning = w.Warning(ctx)
		}
		k.observe(event)
		event.Warning = ""
	}
	k.stored = slices.DeleteFunc(slices.Clone(k.logins), func(l login.Login) bool { return slices.Contains(bad, l.Host) })
	k.report(good, refusals(err, bad))
	if len(good) > 0 {
		k.dropFormer(ctx)
	}
	if len(bad) == 0 {
		k.doAt, k.failures = time.Time{}, 0
		return nil
	}
	event.Kind, event.Hosts, event.Partial = StoreFailed, bad, false
	k.again(event, err)
	return err
}

// dropFormer removes the logins of hosts that are ours no longer. It is tried
// once: the next renewal finds nothing of them to do.
func (k *keeper) dropFormer(ctx context.Context) {
	if r, ok := k.Target.(Releaser); ok && len(k.former) > 0 {
		event := Event{Kind: Removed, Target: k.Name, Hosts: hostsOf(k.former)}
		if event.Err = r.Release(ctx, k.former); event.Err != nil {
			event.Kind = RemoveFailed
		}
		k.observe(event)
	}
	k.former = nil
}

// remove takes the expired logins away where they would do harm.
func (k *keeper) remove(ctx context.Context) {
	r, ok := k.Target.(Remover)
	if !ok {
		k.logins, k.stored, k.doAt = nil, nil, time.Time{}
		return
	}
	err := r.Remove(ctx, k.logins)
	if ctx.Err() != nil {
		return
	}
	event := Event{Kind: Removed, Target: k.Name, Account: k.token.Account, Hosts: hostsOf(k.logins)}
	if err == nil {
		k.logins, k.stored, k.doAt, k.failures = nil, nil, time.Time{}, 0
		k.observe(event)
		return
	}
	event.Kind = RemoveFailed
	k.again(event, err)
}

// again plans the next try after err and tells of the failed one.
func (k *keeper) again(event Event, err error) {
	k.failures++
	passed, wall := k.clock.read()
	wait, luck := time.Duration(math.MaxInt64), draw()
	for _, f := range fault.All(err) { // the one that may be mended soonest
		wait = min(wait, k.Policy.Delay(k.failures, f.Reason, k.token.expires-passed, luck))
	}
	k.doAt = time.Now().Add(wait)
	event.At, event.Attempt, event.RetryIn, event.Err = wall, k.failures, wait, err
	k.observe(event)
}

// report asks the renewer for another token when a registry refuses this one;
// once for a host, until it has accepted one.
func (k *keeper) report(good, refused []string) {
	k.refused = slices.DeleteFunc(k.refused, func(h string) bool { return slices.Contains(good, h) })
	kept := len(k.refused)
	for _, h := range refused {
		if !slices.Contains(k.refused, h) {
			k.refused = append(k.refused, h)
		}
	}
	if len(k.refused) == kept {
		return
	}
	select {
	case k.rejected <- k.token.Secret:
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
