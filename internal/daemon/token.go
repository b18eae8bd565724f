package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/registry"
)

// Token fetches a token for host, a bare name in lower case, and stores it nowhere.
// The error is or wraps api.ErrNotOurs, or is a *fault.Error.
func (d *Daemon) Token(ctx context.Context, host string) (login.Login, error) {
	g := d.generation()
	for i, grant := range g.config.Grants {
		if !slices.ContainsFunc(grant.Hosts, func(h config.Host) bool { return mayBe(h.Name, host) }) {
			continue
		}
		fetched, failure := g.renewers[i].Fetch(ctx)
		if failure != nil {
			return login.Login{}, failure
		}
		for _, h := range grant.Hosts {
			if l := fetched.For(h.Name); l.Host == host {
				return l, nil
			}
		}
	}
	return login.Login{}, fmt.Errorf("%q is %w; it has %s", host, api.ErrNotOurs, strings.Join(g.hosts(), ", "))
}

// mayBe reports whether the configured name, in which the account may be open,
// is host.
func mayBe(name, host string) bool {
	if !strings.Contains(name, login.OwnAccount) {
		return name == host
	}
	r, err := registry.Parse(host)
	return err == nil && (login.Token{Account: r.Account}).For(name).Host == host
}

// hosts lists every name of the configuration.
func (g *generation) hosts() []string {
	var names []string
	for _, grant := range g.config.Grants {
		names = append(names, hosts(grant, "")...)
	}
	return names
}
