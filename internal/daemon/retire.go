package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// retire takes the logins that next no longer keeps out of g's targets, where
// nobody would renew them and they would expire in place.
func (g *generation) retire(ctx context.Context, next *generation) fault.List {
	kept := next.names()
	gone := make(map[renew.Releaser][]login.Login)
	for _, r := range g.renewers {
		token, _ := r.Held() // without one, what is kept of a host is released all the same
		for _, b := range r.Bindings {
			releaser, can := b.Target.(renew.Releaser)
			if !can {
				continue
			}
			where := g.where(b.Name)
			for _, h := range b.Hosts {
				l := token.For(h)
				if !strings.Contains(l.Host, login.OwnAccount) && !slices.ContainsFunc(kept[where], func(name string) bool { return mayBe(name, l.Host) }) {
					gone[releaser] = append(gone[releaser], l)
				}
			}
		}
	}
	// At the same time, so that a file that hangs takes no other's time.
	var mu sync.Mutex
	var faults fault.List
	var wg sync.WaitGroup
	for releaser, logins := range gone {
		wg.Go(func() {
			found := fault.All(releaser.Release(ctx, logins))
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, found...)
		})
	}
	wg.Wait()
	return faults
}

// names lists the hosts, accounts perhaps open, that lie in each file. A target
// is told by what it is, not by its name, which may change while the file stays.
func (g *generation) names() map[config.DockerConfig][]string {
	names := make(map[config.DockerConfig][]string)
	for _, r := range g.renewers {
		for _, b := range r.Bindings {
			if _, can := b.Target.(renew.Releaser); can {
				where := g.where(b.Name)
				names[where] = append(names[where], b.Hosts...)
			}
		}
	}
	return names
}

// where gives the file behind the name of a target that can release.
func (g *generation) where(name string) config.DockerConfig {
	return *g.target(name).DockerConfig
}
