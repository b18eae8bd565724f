package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// retire takes the logins that next no longer keeps out of g's targets, where
// nobody would renew them and they would expire in place.
func (g *generation) retire(ctx context.Context, next *generation) fault.List {
	kept := next.names()
	gone := make(map[string][]login.Login) // by the target's name
	for _, r := range g.renewers {
		token, _ := r.Held() // without one, what is kept of a host is released all the same
		for _, b := range r.Bindings {
			place := g.target(b.Name).Options.Place()
			for _, h := range b.Hosts {
				l := token.For(h)
				if !strings.Contains(l.Host, login.OwnAccount) && !slices.ContainsFunc(kept[place], func(name string) bool { return mayBe(name, l.Host) }) {
					gone[b.Name] = append(gone[b.Name], l)
				}
			}
		}
	}
	// At the same time, so that a file that hangs takes no other's time.
	var mu sync.Mutex
	var faults fault.List
	var wg sync.WaitGroup
	for name, logins := range gone {
		wg.Go(func() {
			_, err := renew.Release(ctx, g.targets[name], logins)
			found := fault.All(err)
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, found...)
		})
	}
	wg.Wait()
	return faults
}

// names lists the hosts, accounts perhaps open, that lie in each place. A target
// is told by that, not by its name, which may change while the place stays.
func (g *generation) names() map[string][]string {
	names := make(map[string][]string)
	for _, r := range g.renewers {
		for _, b := range r.Bindings {
			place := g.target(b.Name).Options.Place()
			names[place] = append(names[place], b.Hosts...)
		}
	}
	return names
}
