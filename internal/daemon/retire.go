package daemon

import (
	"context"
	"slices"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// retire takes the logins that next no longer keeps out of g's targets, where
// nobody would renew them and they would expire in place.
func (g *generation) retire(ctx context.Context, next *generation) fault.List {
	kept := make(map[place]bool)
	for _, n := range next.renewers {
		token, _ := n.Held()
		for _, b := range n.Bindings {
			for _, h := range b.Hosts {
				kept[place{next.where(b.Name), token.For(h).Host}] = true
			}
		}
	}
	var faults fault.List
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
			var gone []login.Login
			for _, h := range b.Hosts {
				if l := token.For(h); !kept[place{g.where(b.Name), l.Host}] {
					gone = append(gone, l)
				}
			}
			if len(gone) > 0 {
				faults = append(faults, fault.All(remover.Remove(ctx, gone))...)
			}
		}
	}
	return faults
}

// place is where a login lies: the target by what it is, not by its name,
// which may change while the file stays.
type place struct {
	target config.DockerConfig
	host   string
}

// where gives the file behind a target's name; other kinds have nothing to remove.
func (g *generation) where(name string) config.DockerConfig {
	i := slices.IndexFunc(g.config.Targets, func(t config.Target) bool { return t.Name == name })
	if d := g.config.Targets[i].DockerConfig; d != nil {
		return *d
	}
	return config.DockerConfig{}
}

func holds(h config.Host, target string) bool { return slices.Contains(h.Targets, target) }
