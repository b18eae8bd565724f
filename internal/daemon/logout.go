package daemon

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
)

// Logout takes our logins out of every target, of those of a former configuration too, for when
// nobody is to renew them any more. It must not run beside a daemon, which would
// put them back. The errors are *fault.Error or fault.List, joined.
func (d *Daemon) Logout(ctx context.Context) error {
	g := d.generation()
	names := g.hosts()
	ours := func(host string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return mayBe(name, host) })
	}
	var mu sync.Mutex
	errs := []error{d.ClearFormer(ctx)}
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
	err := errors.Join(errs...)
	if err == nil && d.Placed != "" {
		_ = os.Remove(d.Placed) // what it says is true no more, and harms nothing
	}
	return err
}
