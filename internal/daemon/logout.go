package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Logout takes our logins out of every target of the configuration, for when
// nobody is to renew them any more. It must not run beside a daemon, which would
// put them back. The errors are *fault.Error, joined.
func (d *Daemon) Logout(ctx context.Context) error {
	g := d.generation()
	names := g.hosts()
	ours := func(host string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return mayBe(name, host) })
	}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, t := range g.targets {
		wg.Go(func() {
			err := t.Forget(ctx, ours)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
