package renew

import (
	"context"
	"errors"
	"sync"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// onceTries is how often Once tries what may succeed the next time.
const onceTries = 3

// Once renews the token and stores it in every target, each tried up to onceTries times
// where trying again can help, and returns what failed in the end. It is for a
// program that runs now and then instead of all the time. It returns when ctx ends.
func (r *Renewer) Once(ctx context.Context) error {
	if err := r.fetchOnce(ctx); err != nil {
		return err
	}
	err := r.storeOnce(ctx)
	if fault.Has(err, fault.Rejected) { // a fresh token that is refused: another one, once
		if err := r.fetchOnce(ctx); err != nil {
			return err
		}
		err = r.storeOnce(ctx)
	}
	return err
}

// Fetch renews the token as Once does, and stores it nowhere.
func (r *Renewer) Fetch(ctx context.Context) (login.Token, error) {
	if err := r.fetchOnce(ctx); err != nil {
		return login.Token{}, err
	}
	return r.lastToken().Token, nil
}

func (r *Renewer) fetchOnce(ctx context.Context) error {
	l := newLoop(r)
	for {
		l.attempt(ctx)
		now, _ := r.clock.read()
		switch {
		case l.failures == 0:
			return ctx.Err()
		case ctx.Err() != nil, l.failures == onceTries, !passing(l.lastErr):
			return l.lastErr
		}
		if !sleep(ctx, l.next-now) {
			return l.lastErr
		}
	}
}

func (r *Renewer) storeOnce(ctx context.Context) error {
	errs := make([]error, len(r.targets))
	var wg sync.WaitGroup
	for i, d := range r.targets {
		wg.Go(func() { errs[i] = d.once(ctx, r.lastToken()) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// once stores the logins of h, tried a few times where that can help.
func (d *delivery) once(ctx context.Context, h *timedToken) (err error) {
	d.take(h)
	for try := 1; ; try++ {
		if err = d.store(ctx); err == nil || try == onceTries || !passing(err) {
			return err
		}
		if now, _ := d.renewer.clock.read(); !sleep(ctx, d.retry.at-now) {
			return err
		}
	}
}

// passing reports whether trying again soon may succeed where err was returned.
func passing(err error) bool {
	for _, f := range fault.All(err) {
		switch f.Reason {
		case fault.Network, fault.Throttled, fault.Engine, fault.Invalid:
		default:
			return false
		}
	}
	return true
}

// sleep waits for d and reports whether ctx was still running at the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
