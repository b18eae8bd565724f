package daemon

import (
	"context"
	"slices"
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
	gone := make(map[renew.Remover][]login.Login)
	for _, r := range g.renewers {
		token, ok := r.Held()
		if !ok {
			continue
		}
		for _, b := range r.Bindings {
			remover, can := b.Target.(renew.Remover)
			if !can {
				continue
			}
			where := g.where(b.Name)
			for _, h := range b.Hosts {
				l := token.For(h)
				if !slices.ContainsFunc(kept[where], func(name string) bool { return mayBe(name, l.Host) }) {
					gone[remover] = append(gone[remover], l)
				}
			}
		}
	}
	// At the same time, so that a file that hangs takes no other's time.
	var mu sync.Mutex
	var faults fault.List
	var wg sync.WaitGroup
	for remover, logins := range gone {
		wg.Go(func() {
			found := fault.All(remover.Remove(ctx, logins))
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
			if _, can := b.Target.(renew.Remover); can {
				where := g.where(b.Name)
				names[where] = append(names[where], b.Hosts...)
			}
		}
	}
	return names
}

// where gives the file behind the name of a target that can remove.
func (g *generation) where(name string) config.DockerConfig {
	i := slices.IndexFunc(g.config.Targets, func(t config.Target) bool { return t.Name == name })
	return *g.config.Targets[i].DockerConfig
}
